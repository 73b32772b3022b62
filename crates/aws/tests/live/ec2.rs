//! The EC2 family on moto; endpoints, which moto cannot filter by id, and launch templates on ministack.
//!
//! What neither server has is proved by the units beside the drivers alone: states on the way (everything is there at once, and
//! NAT gateways are gone at once), policies, groups and private names of endpoints, descriptions of rules between groups and of
//! IPv6, addresses that are in use, `EnableDns64` and the host names of subnets, that a token makes a second create the first
//! one again, and all of a launch template's data but that it is taken.

use landfall_core::driver::{Drivers as _, Progress};
use landfall_core::resource::{Properties, Value};
use landfall_core::{Code, list, map, properties};

use crate::bench::{Bench, Made};

async fn vpc(bench: &Bench) -> Made {
    bench.make("vpc", "AWS::EC2::VPC", properties! { "CidrBlock" => "10.0.0.0/16" }).await
}

async fn subnet(bench: &Bench, part: &str, vpc: &Made, cidr: &str) -> Made {
    let wanted = properties! {
        "VpcId" => vpc.id(), "AvailabilityZone" => "eu-west-1a", "CidrBlock" => cidr, "MapPublicIpOnLaunch" => false,
    };
    bench.make(part, "AWS::EC2::Subnet", wanted).await
}

#[tokio::test]
async fn a_vpc_resolves_names_as_it_is_told() {
    let Some(bench) = Bench::new("ec2-vpc").await else { return };
    let wanted = properties! {
        "CidrBlock" => "10.0.0.0/16", "EnableDnsSupport" => true, "EnableDnsHostnames" => true,
        "InstanceTenancy" => "default",
    };
    let changes = properties! {
        "EnableDnsSupport" => false, "EnableDnsHostnames" => false, "Tags" => bench.retagged("vpc"),
    };
    bench.lives("vpc", "AWS::EC2::VPC", wanted, changes).await;
    let wanted = properties! { "CidrBlock" => "10.0.0.0/16", "EnableDnsSupport" => false };
    let changes = properties! { "EnableDnsSupport" => true, "EnableDnsHostnames" => true };
    bench.lives("silent", "AWS::EC2::VPC", wanted, changes).await;
}

#[tokio::test]
async fn a_tag_that_is_not_wanted_any_more_is_taken_away() {
    let Some(bench) = Bench::new("ec2-tags").await else { return };
    let mut vpc = vpc(&bench).await;
    let tags = async |vpc: &Made| bench.look(vpc).await.unwrap().properties["Tags"].to_json().to_string();
    assert!(tags(&vpc).await.contains("platform & co"));
    bench.change(&mut vpc, properties! { "Tags" => bench.retagged("vpc") }).await;
    let tags = tags(&vpc).await;
    assert!(tags.contains("somebody else") && !tags.contains("platform & co"), "{tags}");
    assert_eq!(tags.matches("landfall:").count(), 3, "{tags}");
}

#[tokio::test]
async fn a_subnet_hands_out_addresses_as_it_is_told() {
    let Some(bench) = Bench::new("ec2-subnet").await else { return };
    let vpc = vpc(&bench).await;
    let wanted = |public| {
        properties! {
            "VpcId" => vpc.id(), "AvailabilityZone" => "eu-west-1b", "CidrBlock" => "10.0.0.0/24",
            "MapPublicIpOnLaunch" => public,
        }
    };
    let changes = properties! { "MapPublicIpOnLaunch" => true, "Tags" => bench.retagged("closed") };
    bench.lives("closed", "AWS::EC2::Subnet", wanted(false), changes).await;
    let changes = properties! {
        "MapPublicIpOnLaunch" => false,
        "PrivateDnsNameOptionsOnLaunch" => map! { "EnableResourceNameDnsARecord" => true },
    };
    let mut open = wanted(true);
    open.insert(
        "PrivateDnsNameOptionsOnLaunch".to_owned(),
        map! { "HostnameType" => "ip-name", "EnableResourceNameDnsARecord" => false },
    );
    bench.lives("open", "AWS::EC2::Subnet", open, changes).await;
    bench.unmake(&vpc).await;
}

#[tokio::test]
async fn a_range_that_is_taken_is_a_conflict_and_the_claim_finds_who_has_it() {
    let Some(bench) = Bench::new("ec2-conflict").await else { return };
    let vpc = vpc(&bench).await;
    let one = subnet(&bench, "one", &vpc, "10.0.0.0/24").await;
    let again = bench.wanted("one", "AWS::EC2::Subnet", one.desired.clone());
    let error = bench.create(&again).await.unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists);
    assert_eq!(bench.look(&one).await.unwrap().id, one.id());
}

#[tokio::test]
async fn a_gateway_is_attached_once() {
    let Some(bench) = Bench::new("ec2-gateway").await else { return };
    let vpc = vpc(&bench).await;
    let gateway = bench.make("gateway", "AWS::EC2::InternetGateway", properties! {}).await;
    bench.holds(&gateway).await;
    let wanted = properties! { "VpcId" => vpc.id(), "InternetGatewayId" => gateway.id() };
    let attachment = bench.make("attachment", "AWS::EC2::VPCGatewayAttachment", wanted.clone()).await;
    assert_eq!(attachment.id(), format!("IGW|{}", vpc.id()));
    bench.holds(&attachment).await;
    let again = bench.wanted("attachment", "AWS::EC2::VPCGatewayAttachment", wanted);
    assert_eq!(bench.create(&again).await.unwrap_err().code(), Code::AlreadyExists);
    let refused = bench.delete(&gateway).await.unwrap_err();
    assert_eq!((refused.code(), refused.retry_class()), (Code::DependencyViolation, landfall_core::Retry::NotReady));
    bench.unmake(&attachment).await;
    bench.unmake(&gateway).await;
    let changes = properties! { "Tags" => bench.retagged("other") };
    bench.lives("other", "AWS::EC2::InternetGateway", properties! {}, changes).await;
    bench.unmake(&vpc).await;
}

#[tokio::test]
async fn an_address_serves_a_nat_gateway() {
    let Some(bench) = Bench::new("ec2-nat").await else { return };
    let vpc = vpc(&bench).await;
    let subnet = subnet(&bench, "subnet", &vpc, "10.0.0.0/24").await;
    let changes = properties! { "Tags" => bench.retagged("other") };
    bench.lives("other", "AWS::EC2::EIP", properties! { "Domain" => "vpc" }, changes).await;
    let address = bench.make("address", "AWS::EC2::EIP", properties! { "Domain" => "vpc" }).await;
    let wanted = properties! {
        "SubnetId" => subnet.id(), "AllocationId" => address.output("AllocationId"), "ConnectivityType" => "public",
    };
    let changes = properties! { "Tags" => bench.retagged("nat") };
    bench.lives("nat", "AWS::EC2::NatGateway", wanted, changes).await;
    bench.unmake(&address).await;
}

#[tokio::test]
async fn a_route_leads_to_one_target_and_then_to_another() {
    let Some(bench) = Bench::new("ec2-route").await else { return };
    let vpc = vpc(&bench).await;
    let gateway = bench.make("gateway", "AWS::EC2::InternetGateway", properties! {}).await;
    let wanted = properties! { "VpcId" => vpc.id(), "InternetGatewayId" => gateway.id() };
    bench.make("attachment", "AWS::EC2::VPCGatewayAttachment", wanted).await;
    let subnet = subnet(&bench, "subnet", &vpc, "10.0.0.0/24").await;
    let address = bench.make("address", "AWS::EC2::EIP", properties! { "Domain" => "vpc" }).await;
    let wanted = properties! { "SubnetId" => subnet.id(), "AllocationId" => address.id() };
    let nat = bench.make("nat", "AWS::EC2::NatGateway", wanted).await;
    let table = bench.make("table", "AWS::EC2::RouteTable", properties! { "VpcId" => vpc.id() }).await;
    bench.holds(&table).await;
    let wanted = properties! {
        "RouteTableId" => table.id(), "DestinationCidrBlock" => "0.0.0.0/0", "GatewayId" => gateway.id(),
    };
    let mut route = bench.make("route", "AWS::EC2::Route", wanted).await;
    assert_eq!(route.id(), format!("{}|0.0.0.0/0", table.id()));
    bench.holds(&route).await;
    let again = bench.wanted("route", "AWS::EC2::Route", route.desired.clone());
    assert_eq!(bench.create(&again).await.unwrap_err().code(), Code::AlreadyExists);
    route.desired.remove("GatewayId");
    bench.change(&mut route, properties! { "NatGatewayId" => nat.id() }).await;
    bench.holds(&route).await;
    let seen = bench.look(&route).await.unwrap();
    assert_eq!(seen.properties.get("GatewayId"), None);
    bench.unmake(&route).await;
    bench.unmake(&table).await;
    let changes = properties! { "Tags" => bench.retagged("other") };
    bench.lives("other", "AWS::EC2::RouteTable", properties! { "VpcId" => vpc.id() }, changes).await;
}

#[tokio::test]
async fn a_subnet_follows_one_route_table() {
    let Some(bench) = Bench::new("ec2-association").await else { return };
    let vpc = vpc(&bench).await;
    let subnet = subnet(&bench, "subnet", &vpc, "10.0.0.0/24").await;
    let one = bench.make("one", "AWS::EC2::RouteTable", properties! { "VpcId" => vpc.id() }).await;
    let two = bench.make("two", "AWS::EC2::RouteTable", properties! { "VpcId" => vpc.id() }).await;
    let wanted = properties! { "SubnetId" => subnet.id(), "RouteTableId" => one.id() };
    let mut association = bench.make("association", "AWS::EC2::SubnetRouteTableAssociation", wanted).await;
    bench.holds(&association).await;
    assert_eq!(bench.delete(&one).await.unwrap_err().code(), Code::DependencyViolation);
    // The table says that this replaces it; it is what brings a subnet here that somebody has put elsewhere.
    bench.change(&mut association, properties! { "RouteTableId" => two.id() }).await;
    association.identity.id = association.output("Id").as_str().map(str::to_owned);
    bench.holds(&association).await;
    bench.unmake(&association).await;
    bench.unmake(&one).await;
    bench.unmake(&two).await;
}

#[tokio::test]
async fn an_endpoint_is_reached_from_the_tables_and_subnets_it_is_told() {
    let Some(bench) = Bench::ministack("ec2-endpoint").await else { return };
    let vpc = vpc(&bench).await;
    let one = bench.make("one", "AWS::EC2::RouteTable", properties! { "VpcId" => vpc.id() }).await;
    let two = bench.make("two", "AWS::EC2::RouteTable", properties! { "VpcId" => vpc.id() }).await;
    let wanted = properties! {
        "VpcId" => vpc.id(), "ServiceName" => "com.amazonaws.eu-west-1.s3", "VpcEndpointType" => "Gateway",
        "RouteTableIds" => [one.id()],
    };
    let changes = properties! { "RouteTableIds" => [two.id()], "Tags" => bench.retagged("gateway") };
    bench.lives("gateway", "AWS::EC2::VPCEndpoint", wanted, changes).await;
    let subnets = [subnet(&bench, "a", &vpc, "10.0.0.0/24").await, subnet(&bench, "b", &vpc, "10.0.1.0/24").await];
    let wanted = properties! {
        "VpcId" => vpc.id(), "ServiceName" => "com.amazonaws.eu-west-1.sqs", "VpcEndpointType" => "Interface",
        "SubnetIds" => [subnets[0].id()],
    };
    let changes = properties! { "SubnetIds" => [subnets[1].id(), subnets[0].id()] };
    bench.lives("interface", "AWS::EC2::VPCEndpoint", wanted, changes).await;
}

#[tokio::test]
async fn a_flow_log_watches_a_vpc() {
    let Some(bench) = Bench::new("ec2-flow-log").await else { return };
    let vpc = vpc(&bench).await;
    let group = properties! { "LogGroupName" => "/landfall/ec2-flow-log" };
    let group = bench.make("group", "AWS::Logs::LogGroup", group).await;
    let wanted = properties! {
        "ResourceId" => vpc.id(), "ResourceType" => "VPC", "TrafficType" => "ALL",
        "LogDestinationType" => "cloud-watch-logs", "LogGroupName" => group.id(), "MaxAggregationInterval" => 600,
        "DeliverLogsPermissionArn" => "arn:aws:iam::123456789012:role/flow-logs",
    };
    let changes = properties! { "Tags" => bench.retagged("log") };
    bench.lives("log", "AWS::EC2::FlowLog", wanted, changes).await;
    let nowhere = properties! {
        "ResourceId" => vpc.id(), "ResourceType" => "VPC", "TrafficType" => "ALL", "LogDestinationType" => "s3",
        "LogDestination" => "arn:aws:s3:::landfall-no-such-bucket",
    };
    let nowhere = bench.wanted("nowhere", "AWS::EC2::FlowLog", nowhere);
    let error = bench.create(&nowhere).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(error.cloud_answer().unwrap().message.contains("landfall-no-such-bucket"), "{error}");
}

fn group(vpc: &Made, more: Properties) -> Properties {
    let mut all = properties! {
        "GroupName" => format!("group of {}", vpc.id()), "GroupDescription" => "Who reaches it", "VpcId" => vpc.id(),
    };
    all.extend(more);
    all
}

fn nowhere() -> Value {
    list![map! { "Description" => "Nowhere", "IpProtocol" => "-1", "CidrIp" => "127.0.0.1/32" }]
}

fn port(port: u16, description: &str) -> Value {
    map! {
        "Description" => description, "IpProtocol" => "tcp", "FromPort" => port, "ToPort" => port,
        "CidrIp" => "10.0.0.0/16",
    }
}

#[tokio::test]
async fn a_group_lets_through_what_it_is_told_and_nothing_else() {
    let Some(bench) = Bench::new("ec2-group").await else { return };
    let vpc = vpc(&bench).await;
    let wanted = properties! {
        "SecurityGroupIngress" => list![port(5432, "Nodes"), port(5433, "More nodes")],
        "SecurityGroupEgress" => nowhere(),
    };
    let changes = properties! {
        "SecurityGroupIngress" => list![port(5433, "Pods"), port(5434, "Proxies")],
        "SecurityGroupEgress" => list![map! {
            "IpProtocol" => "udp", "FromPort" => 53, "ToPort" => 53, "CidrIp" => "10.0.0.2/32",
        }],
        "Tags" => bench.retagged("group"),
    };
    bench.lives("group", "AWS::EC2::SecurityGroup", group(&vpc, wanted), changes).await;
    let mut open = bench.make("open", "AWS::EC2::SecurityGroup", group(&vpc, properties! {})).await;
    bench.holds(&open).await;
    let all = |made: &landfall_core::driver::Observed| made.properties["SecurityGroupEgress"].at("0.CidrIp").cloned();
    assert_eq!(all(&bench.look(&open).await.unwrap()), Some("0.0.0.0/0".into()), "it lets everything out");
    bench.change(&mut open, properties! { "SecurityGroupEgress" => nowhere() }).await;
    bench.holds(&open).await;
    open.desired.remove("SecurityGroupEgress");
    let changed = ["SecurityGroupEgress".to_owned()];
    let driver = bench.connection.driver("AWS::EC2::SecurityGroup").unwrap();
    driver.update(&bench.context(), &open.identity, &open.desired, &changed).await.unwrap();
    assert_eq!(all(&bench.look(&open).await.unwrap()), Some("0.0.0.0/0".into()), "it does again");
    bench.unmake(&open).await;
}

#[tokio::test]
async fn a_group_that_could_not_be_set_is_not_made() {
    let Some(bench) = Bench::new("ec2-no-group").await else { return };
    let vpc = vpc(&bench).await;
    let rule = map! { "IpProtocol" => "tcp", "FromPort" => 1, "ToPort" => 1 };
    let wanted = group(&vpc, properties! { "SecurityGroupIngress" => list![rule] });
    let wanted = bench.wanted("group", "AWS::EC2::SecurityGroup", wanted);
    assert_eq!(bench.create(&wanted).await.unwrap_err().code(), Code::InvalidRequest);
    assert!(bench.look(&wanted).await.is_none());
}

#[tokio::test]
async fn a_group_whose_rules_were_refused_is_set_by_an_update() {
    let Some(bench) = Bench::new("ec2-half-group").await else { return };
    let vpc = vpc(&bench).await;
    let rule = map! {
        "IpProtocol" => "tcp", "FromPort" => 1, "ToPort" => 1, "SourceSecurityGroupId" => "sg-0123456789abcdef0",
    };
    let wanted = group(&vpc, properties! { "SecurityGroupIngress" => list![rule], "SecurityGroupEgress" => nowhere() });
    let mut half = bench.wanted("group", "AWS::EC2::SecurityGroup", wanted);
    let operation = bench.create(&half).await.unwrap();
    assert!(matches!(operation.progress, Progress::Unfinished(_)), "{:?}", operation.progress);
    half.identity.id = operation.identity.id;
    let seen = bench.look(&half).await.unwrap();
    assert!(matches!(seen.owner, landfall_core::resource::Ownership::Ours(_)), "it is found by its marks");
    let changes = properties! { "SecurityGroupIngress" => list![port(1, "Nodes")], "SecurityGroupEgress" => nowhere() };
    bench.change(&mut half, changes).await;
    bench.holds(&half).await;
    bench.unmake(&half).await;
}

#[tokio::test]
async fn rules_of_their_own_come_and_go_beside_each_other() {
    let Some(bench) = Bench::new("ec2-rules").await else { return };
    let vpc = vpc(&bench).await;
    let one = bench.make("one", "AWS::EC2::SecurityGroup", group(&vpc, properties! {})).await;
    let more = properties! { "GroupName" => "another group" };
    let two = bench.make("two", "AWS::EC2::SecurityGroup", group(&vpc, more)).await;
    let wanted = properties! {
        "GroupId" => one.id(), "IpProtocol" => "tcp", "FromPort" => 443, "ToPort" => 443,
        "SourceSecurityGroupId" => two.id(),
    };
    let beside = bench.make("beside", "AWS::EC2::SecurityGroupIngress", wanted).await;
    bench.holds(&beside).await;
    let again = bench.wanted("beside", "AWS::EC2::SecurityGroupIngress", beside.desired.clone());
    assert_eq!(bench.create(&again).await.unwrap_err().code(), Code::AlreadyExists);
    let wanted = properties! {
        "GroupId" => one.id(), "IpProtocol" => "tcp", "FromPort" => 443, "ToPort" => 443, "CidrIp" => "10.0.0.0/16",
        "Description" => "Nodes",
    };
    let changes = properties! { "Description" => "Pods" };
    bench.lives("in", "AWS::EC2::SecurityGroupIngress", wanted, changes).await;
    for (part, wanted) in [
        ("all", properties! { "GroupId" => two.id(), "IpProtocol" => "-1", "CidrIp" => "10.1.0.0/16" }),
        (
            "ports",
            properties! {
                "GroupId" => two.id(), "IpProtocol" => "-1", "FromPort" => -1, "ToPort" => -1, "CidrIp" => "10.2.0.0/16",
            },
        ),
        (
            "number",
            properties! {
                "GroupId" => two.id(), "IpProtocol" => "17", "FromPort" => 53, "ToPort" => 53,
                "DestinationSecurityGroupId" => one.id(),
            },
        ),
        (
            "ping",
            properties! {
                "GroupId" => two.id(), "IpProtocol" => "icmp", "FromPort" => 8, "ToPort" => -1, "CidrIp" => "10.3.0.0/16",
            },
        ),
    ] {
        bench.lives(part, "AWS::EC2::SecurityGroupEgress", wanted, properties! {}).await;
    }
    bench.holds(&beside).await;
    bench.unmake(&beside).await;
}

#[tokio::test]
async fn a_launch_template_gets_a_version_for_each_change() {
    // Moto shows the tags that a template was made with, whatever became of them.
    let Some(bench) = Bench::ministack("ec2-template").await else { return };
    let data = |size: i64| {
        map! {
            "MetadataOptions" => map! {
                "HttpEndpoint" => "enabled", "HttpTokens" => "required", "HttpPutResponseHopLimit" => 1,
            },
            "BlockDeviceMappings" => list![map! {
                "DeviceName" => "/dev/xvda", "Ebs" => map! { "VolumeType" => "gp3", "VolumeSize" => size },
            }],
            "TagSpecifications" => list![map! {
                "ResourceType" => "instance", "Tags" => list![map! { "Key" => "Name", "Value" => "node" }],
            }],
        }
    };
    let wanted = properties! { "LaunchTemplateName" => "ec2-template-it", "LaunchTemplateData" => data(100) };
    let mut template = bench.make("template", "AWS::EC2::LaunchTemplate", wanted).await;
    bench.holds(&template).await;
    assert_eq!(template.output("LatestVersionNumber"), "1".into());
    bench.change(&mut template, properties! { "LaunchTemplateData" => data(200) }).await;
    bench.holds(&template).await;
    let versions = |made: &Made| (made.output("LatestVersionNumber"), made.output("DefaultVersionNumber"));
    assert_eq!(versions(&template), ("2".into(), "2".into()));
    let tags = list![map! { "ResourceType" => "launch-template", "Tags" => bench.retagged("template") }];
    bench.change(&mut template, properties! { "TagSpecifications" => tags }).await;
    bench.holds(&template).await;
    assert_eq!(versions(&template), ("2".into(), "2".into()), "tags are the template's own");
    let owner = bench.look(&template).await.unwrap().properties["TagSpecifications"].to_json().to_string();
    // Ministack goes on showing those that were taken away.
    assert!(owner.contains("somebody else"), "{owner}");
    let again = bench.wanted("template", "AWS::EC2::LaunchTemplate", template.desired.clone());
    assert_eq!(bench.create(&again).await.unwrap_err().code(), Code::AlreadyExists);
    bench.unmake(&template).await;
}
