//! EC2: networks and what machines are launched from.

use landfall_core::resource::{IdentityClass, Output, Quota, ResourceType, Shape, TagStyle, Usual, Verbs};

use super::named;

const TAG: &str = "ec2:CreateTags";
const UNTAG: &str = "ec2:DeleteTags";

pub(super) const ALL: &[ResourceType] = &[
    ResourceType {
        name: named("AWS::EC2::VPC"),
        identity: IdentityClass::Tagged,
        identifier: "VpcId",
        outputs: &[
            id("VpcId", "vpc-{hex17}"),
            id("DefaultSecurityGroup", "sg-{hex17}"),
            id("DefaultNetworkAcl", "acl-{hex17}"),
            Output { name: "CidrBlock", shape: Shape::Property("CidrBlock") },
        ],
        // Only from `dedicated` to `default` can the tenancy change in place; nothing here asks for `dedicated`.
        replaces: &["CidrBlock", "InstanceTenancy", "Ipv4IpamPoolId", "Ipv4NetmaskLength", "VpcEncryptionControl"],
        write_only: &["Ipv4IpamPoolId", "Ipv4NetmaskLength", "VpcEncryptionControl"],
        sets: &["Tags"],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["ec2:CreateVpc", "ec2:ModifyVpcAttribute", TAG],
            read: &["ec2:DescribeVpcs", "ec2:DescribeVpcAttribute"],
            update: &["ec2:ModifyVpcAttribute", TAG, UNTAG],
            delete: &["ec2:DeleteVpc"],
        },
        quota: Some(Quota { code: "L-F678F1CE", name: "VPCs per Region", default: 5 }),
        create: Usual::seconds(1, 6, 17),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::Subnet"),
        identity: IdentityClass::Tuple(&["VpcId", "CidrBlock"]),
        identifier: "SubnetId",
        outputs: &[
            id("SubnetId", "subnet-{hex17}"),
            Output { name: "AvailabilityZone", shape: Shape::Property("AvailabilityZone") },
            Output { name: "VpcId", shape: Shape::Property("VpcId") },
            Output { name: "CidrBlock", shape: Shape::Property("CidrBlock") },
        ],
        replaces: &[
            "VpcId",
            "AvailabilityZone",
            "AvailabilityZoneId",
            "CidrBlock",
            "OutpostArn",
            "Ipv4IpamPoolId",
            "Ipv4NetmaskLength",
            "Ipv6IpamPoolId",
            "Ipv6Native",
            "Ipv6NetmaskLength",
        ],
        write_only: &[
            "EnableLniAtDeviceIndex",
            "Ipv4IpamPoolId",
            "Ipv4NetmaskLength",
            "Ipv6IpamPoolId",
            "Ipv6NetmaskLength",
        ],
        sets: &["Tags"],
        security: &["MapPublicIpOnLaunch"],
        parents: &[("VpcId", "AWS::EC2::VPC")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["ec2:CreateSubnet", "ec2:ModifySubnetAttribute", TAG],
            read: &["ec2:DescribeSubnets"],
            update: &["ec2:ModifySubnetAttribute", TAG, UNTAG],
            delete: &["ec2:DeleteSubnet"],
        },
        quota: Some(Quota { code: "L-407747CB", name: "Subnets per VPC", default: 200 }),
        create: Usual::seconds(1, 2, 11),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::InternetGateway"),
        identity: IdentityClass::Tagged,
        identifier: "InternetGatewayId",
        outputs: &[id("InternetGatewayId", "igw-{hex17}")],
        sets: &["Tags"],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["ec2:CreateInternetGateway", TAG],
            read: &["ec2:DescribeInternetGateways"],
            update: &[TAG, UNTAG],
            delete: &["ec2:DeleteInternetGateway"],
        },
        quota: Some(Quota { code: "L-A4707A72", name: "Internet gateways per Region", default: 5 }),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::VPCGatewayAttachment"),
        identity: IdentityClass::Tuple(&["VpcId", "InternetGatewayId"]),
        outputs: &[id("Id", "IGW|{VpcId}"), id("AttachmentType", "IGW")],
        replaces: &["VpcId", "InternetGatewayId", "VpnGatewayId"],
        parents: &[("VpcId", "AWS::EC2::VPC"), ("InternetGatewayId", "AWS::EC2::InternetGateway")],
        verbs: Verbs {
            create: &["ec2:AttachInternetGateway"],
            read: &["ec2:DescribeInternetGateways"],
            update: &[],
            delete: &["ec2:DetachInternetGateway"],
        },
        delete: Usual::seconds(1, 5, 60),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::EIP"),
        identity: IdentityClass::Tagged,
        // CloudFormation's `Ref` gives the address itself; the API knows it by the allocation, and so do references here.
        identifier: "AllocationId",
        outputs: &[id("AllocationId", "eipalloc-{hex17}"), id("PublicIp", "198.51.100.10")],
        replaces: &["Domain", "NetworkBorderGroup", "PublicIpv4Pool", "TransferAddress", "IpamPoolId", "Address"],
        write_only: &["TransferAddress", "IpamPoolId", "Address"],
        sets: &["Tags"],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["ec2:AllocateAddress", TAG],
            read: &["ec2:DescribeAddresses"],
            update: &[TAG, UNTAG],
            delete: &["ec2:ReleaseAddress"],
        },
        quota: Some(Quota { code: "L-0263D0A3", name: "EC2-VPC Elastic IPs", default: 5 }),
        billed: true,
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::NatGateway"),
        identity: IdentityClass::Token,
        identifier: "NatGatewayId",
        outputs: &[id("NatGatewayId", "nat-{hex17}"), id("EniId", "eni-{hex17}")],
        replaces: &["VpcId", "SubnetId", "ConnectivityType", "AllocationId", "PrivateIpAddress", "AvailabilityMode"],
        write_only: &["MaxDrainDurationSeconds"],
        sets: &["Tags", "SecondaryAllocationIds", "SecondaryPrivateIpAddresses"],
        parents: &[("SubnetId", "AWS::EC2::Subnet"), ("AllocationId", "AWS::EC2::EIP")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["ec2:CreateNatGateway", TAG],
            read: &["ec2:DescribeNatGateways"],
            update: &["ec2:AssociateNatGatewayAddress", "ec2:DisassociateNatGatewayAddress", TAG, UNTAG],
            delete: &["ec2:DeleteNatGateway"],
        },
        quota: Some(Quota { code: "L-FE5A380F", name: "NAT gateways per Availability Zone", default: 5 }),
        create: Usual::seconds(85, 115, 125),
        delete: Usual::seconds(30, 60, 120),
        billed: true,
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::RouteTable"),
        identity: IdentityClass::Token,
        identifier: "RouteTableId",
        outputs: &[id("RouteTableId", "rtb-{hex17}")],
        replaces: &["VpcId"],
        create_before_delete: true,
        sets: &["Tags"],
        parents: &[("VpcId", "AWS::EC2::VPC")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["ec2:CreateRouteTable", TAG],
            read: &["ec2:DescribeRouteTables"],
            update: &[TAG, UNTAG],
            delete: &["ec2:DeleteRouteTable"],
        },
        quota: Some(Quota { code: "L-589F43AA", name: "Route tables per VPC", default: 200 }),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::Route"),
        identity: IdentityClass::Tuple(&["RouteTableId", "DestinationCidrBlock"]),
        outputs: &[
            id("Id", "{RouteTableId}|{DestinationCidrBlock}"),
            Output { name: "CidrBlock", shape: Shape::Property("DestinationCidrBlock") },
        ],
        replaces: &["RouteTableId", "DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"],
        security: &["GatewayId", "VpcPeeringConnectionId", "TransitGatewayId"],
        parents: &[("RouteTableId", "AWS::EC2::RouteTable")],
        verbs: Verbs {
            create: &["ec2:CreateRoute"],
            read: &["ec2:DescribeRouteTables"],
            update: &["ec2:ReplaceRoute"],
            delete: &["ec2:DeleteRoute"],
        },
        quota: Some(Quota { code: "L-93826ACB", name: "Routes per route table", default: 50 }),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::SubnetRouteTableAssociation"),
        // A subnet has one route table at a time.
        identity: IdentityClass::Tuple(&["SubnetId"]),
        outputs: &[id("Id", "rtbassoc-{hex17}")],
        replaces: &["SubnetId", "RouteTableId"],
        parents: &[("SubnetId", "AWS::EC2::Subnet"), ("RouteTableId", "AWS::EC2::RouteTable")],
        verbs: Verbs {
            create: &["ec2:AssociateRouteTable"],
            read: &["ec2:DescribeRouteTables"],
            update: &[],
            delete: &["ec2:DisassociateRouteTable"],
        },
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::VPCEndpoint"),
        identity: IdentityClass::Token,
        outputs: &[id("Id", "vpce-{hex17}")],
        replaces: &[
            "ServiceName",
            "VpcEndpointType",
            "VpcId",
            "ServiceNetworkArn",
            "ResourceConfigurationArn",
            "ServiceRegion",
            "DnsOptions.PrivateDnsPreference",
            "DnsOptions.PrivateDnsSpecifiedDomains",
        ],
        sets: &["RouteTableIds", "SecurityGroupIds", "SubnetIds", "Tags"],
        security: &["PolicyDocument", "SecurityGroupIds"],
        parents: &[("VpcId", "AWS::EC2::VPC"), ("RouteTableIds", "AWS::EC2::RouteTable")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["ec2:CreateVpcEndpoint", TAG],
            read: &["ec2:DescribeVpcEndpoints"],
            update: &["ec2:ModifyVpcEndpoint", TAG, UNTAG],
            delete: &["ec2:DeleteVpcEndpoints"],
        },
        quota: Some(Quota { code: "L-1B52E74A", name: "Gateway VPC endpoints per Region", default: 20 }),
        create: Usual::seconds(2, 6, 60),
        delete: Usual::seconds(2, 6, 60),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::FlowLog"),
        identity: IdentityClass::Token,
        outputs: &[id("Id", "fl-{hex17}")],
        replaces: &[
            "DeliverCrossAccountRole",
            "DeliverLogsPermissionArn",
            "DestinationOptions",
            "LogDestination",
            "LogDestinationType",
            "LogFormat",
            "LogGroupName",
            "MaxAggregationInterval",
            "ResourceId",
            "ResourceType",
            "TagFieldSpecifications",
            "TrafficType",
        ],
        create_before_delete: true,
        sets: &["Tags"],
        parents: &[("ResourceId", "AWS::EC2::VPC"), ("LogGroupName", "AWS::Logs::LogGroup")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["ec2:CreateFlowLogs", "iam:PassRole", TAG],
            read: &["ec2:DescribeFlowLogs"],
            update: &[TAG, UNTAG],
            delete: &["ec2:DeleteFlowLogs"],
        },
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::SecurityGroup"),
        identity: IdentityClass::Tuple(&["VpcId", "GroupName"]),
        identifier: "GroupId",
        outputs: &[id("GroupId", "sg-{hex17}"), Output { name: "VpcId", shape: Shape::Property("VpcId") }],
        replaces: &["GroupDescription", "GroupName", "VpcId"],
        write_only: &["SecurityGroupIngress.SourceSecurityGroupName"],
        sets: &["SecurityGroupEgress", "SecurityGroupIngress", "Tags"],
        security: &["SecurityGroupEgress", "SecurityGroupIngress"],
        parents: &[("VpcId", "AWS::EC2::VPC")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &[
                "ec2:CreateSecurityGroup",
                "ec2:AuthorizeSecurityGroupIngress",
                "ec2:AuthorizeSecurityGroupEgress",
                "ec2:RevokeSecurityGroupEgress",
                TAG,
            ],
            read: &["ec2:DescribeSecurityGroups"],
            update: &[
                "ec2:AuthorizeSecurityGroupIngress",
                "ec2:AuthorizeSecurityGroupEgress",
                "ec2:RevokeSecurityGroupIngress",
                "ec2:RevokeSecurityGroupEgress",
                TAG,
                UNTAG,
            ],
            delete: &["ec2:DeleteSecurityGroup"],
        },
        quota: Some(Quota { code: "L-E79EC296", name: "VPC security groups per Region", default: 2_500 }),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::SecurityGroupIngress"),
        identity: IdentityClass::Tuple(&[
            "GroupId",
            "IpProtocol",
            "FromPort",
            "ToPort",
            "SourceSecurityGroupId",
            "SourcePrefixListId",
            "CidrIp",
            "CidrIpv6",
        ]),
        outputs: &[id("Id", "sgr-{hex17}")],
        replaces: &[
            "CidrIp",
            "CidrIpv6",
            "FromPort",
            "GroupId",
            "GroupName",
            "IpProtocol",
            "SourcePrefixListId",
            "SourceSecurityGroupId",
            "SourceSecurityGroupName",
            "SourceSecurityGroupOwnerId",
            "ToPort",
        ],
        security: &["CidrIp", "CidrIpv6", "SourceSecurityGroupId", "SourcePrefixListId", "FromPort", "ToPort"],
        parents: &[("GroupId", "AWS::EC2::SecurityGroup"), ("SourceSecurityGroupId", "AWS::EC2::SecurityGroup")],
        verbs: Verbs {
            create: &["ec2:AuthorizeSecurityGroupIngress"],
            read: &["ec2:DescribeSecurityGroupRules"],
            update: &["ec2:UpdateSecurityGroupRuleDescriptionsIngress"],
            delete: &["ec2:RevokeSecurityGroupIngress"],
        },
        quota: Some(RULES),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::SecurityGroupEgress"),
        identity: IdentityClass::Tuple(&[
            "GroupId",
            "IpProtocol",
            "FromPort",
            "ToPort",
            "DestinationSecurityGroupId",
            "DestinationPrefixListId",
            "CidrIp",
            "CidrIpv6",
        ]),
        outputs: &[id("Id", "sgr-{hex17}")],
        replaces: &[
            "CidrIp",
            "CidrIpv6",
            "DestinationPrefixListId",
            "DestinationSecurityGroupId",
            "FromPort",
            "GroupId",
            "IpProtocol",
            "ToPort",
        ],
        security: &[
            "CidrIp",
            "CidrIpv6",
            "DestinationSecurityGroupId",
            "DestinationPrefixListId",
            "FromPort",
            "ToPort",
        ],
        parents: &[("GroupId", "AWS::EC2::SecurityGroup"), ("DestinationSecurityGroupId", "AWS::EC2::SecurityGroup")],
        verbs: Verbs {
            create: &["ec2:AuthorizeSecurityGroupEgress"],
            read: &["ec2:DescribeSecurityGroupRules"],
            update: &["ec2:UpdateSecurityGroupRuleDescriptionsEgress"],
            delete: &["ec2:RevokeSecurityGroupEgress"],
        },
        quota: Some(RULES),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EC2::LaunchTemplate"),
        identity: IdentityClass::Named(&["LaunchTemplateName"]),
        identifier: "LaunchTemplateId",
        outputs: &[
            id("LaunchTemplateId", "lt-{hex17}"),
            id("LatestVersionNumber", "1"),
            id("DefaultVersionNumber", "1"),
        ],
        replaces: &["LaunchTemplateName"],
        create_before_delete: true,
        write_only: &["LaunchTemplateData", "VersionDescription", "TagSpecifications"],
        sets: &["LaunchTemplateData.TagSpecifications"],
        security: &["LaunchTemplateData.MetadataOptions", "LaunchTemplateData.SecurityGroupIds"],
        tags: TagStyle::Specifications("launch-template"),
        verbs: Verbs {
            create: &["ec2:CreateLaunchTemplate", TAG],
            read: &["ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions"],
            update: &["ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate", TAG, UNTAG],
            delete: &["ec2:DeleteLaunchTemplate"],
        },
        ..ResourceType::DEFAULT
    },
];

const RULES: Quota = Quota { code: "L-0EA8095F", name: "Inbound or outbound rules per security group", default: 60 };

const fn id(name: &'static str, shape: &'static str) -> Output {
    Output { name, shape: Shape::Text(shape) }
}
