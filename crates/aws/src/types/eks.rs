//! EKS: clusters, node groups, add-ons, access and pod identity.

use landfall_core::resource::{IdentityClass, Output, Quota, ResourceType, Shape, TagStyle, Usual, Verbs};

use super::named;

const TAG: &str = "eks:TagResource";
const UNTAG: &str = "eks:UntagResource";
/// A census of what stands in clusters walks through them.
const LIST: &str = "eks:ListClusters";
/// A certificate authority as EKS gives it: base64 of PEM.
const CERTIFICATE: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==";

pub(super) const ALL: &[ResourceType] = &[
    ResourceType {
        name: named("AWS::EKS::Cluster"),
        identity: IdentityClass::Named(&["Name"]),
        identifier: "Name",
        outputs: &[
            text("Arn", "arn:{partition}:eks:{region}:{account}:cluster/{name}"),
            text("Id", "{uuid}"),
            text("Endpoint", "https://{hex32}.gr7.{region}.eks.amazonaws.com"),
            text("CertificateAuthorityData", CERTIFICATE),
            text("ClusterSecurityGroupId", "sg-{hex17}"),
            text("OpenIdConnectIssuerUrl", "https://oidc.eks.{region}.amazonaws.com/id/{hex32}"),
            text("EncryptionConfigKeyArn", "arn:{partition}:kms:{region}:{account}:key/{uuid}"),
        ],
        replaces: &[
            "Name",
            "RoleArn",
            "OutpostConfig",
            "EncryptionConfig",
            "KubernetesNetworkConfig.IpFamily",
            "KubernetesNetworkConfig.ServiceIpv4Cidr",
            "AccessConfig.BootstrapClusterCreatorAdminPermissions",
            "BootstrapSelfManagedAddons",
        ],
        write_only: &[
            "AccessConfig.BootstrapClusterCreatorAdminPermissions",
            "BootstrapSelfManagedAddons",
            "Force",
            "RollbackConfig",
            "ActiveCertificateAuthorityId",
        ],
        sets: &[
            "ResourcesVpcConfig.SubnetIds",
            "ResourcesVpcConfig.SecurityGroupIds",
            "ResourcesVpcConfig.PublicAccessCidrs",
            "Logging.ClusterLogging.EnabledTypes",
            "EncryptionConfig",
            "Tags",
        ],
        security: &[
            "ResourcesVpcConfig.EndpointPublicAccess",
            "ResourcesVpcConfig.EndpointPrivateAccess",
            "ResourcesVpcConfig.PublicAccessCidrs",
            "ResourcesVpcConfig.SecurityGroupIds",
            "AccessConfig",
            "EncryptionConfig",
            "Logging",
            "DeletionProtection",
        ],
        // What stands in the cluster exists nowhere else: deleting it loses every Kubernetes object.
        holds_data: true,
        one_way: &["Version"],
        parents: &[("RoleArn", "AWS::IAM::Role"), ("ResourcesVpcConfig.SubnetIds", "AWS::EC2::Subnet")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["eks:CreateCluster", "iam:PassRole", "kms:DescribeKey", "kms:CreateGrant", TAG],
            read: &["eks:DescribeCluster", "eks:ListClusters"],
            update: &["eks:UpdateClusterConfig", "eks:UpdateClusterVersion", "eks:DescribeUpdate", TAG, UNTAG],
            delete: &["eks:DeleteCluster"],
        },
        quota: Some(Quota { code: "L-1194D53C", name: "Clusters", default: 100 }),
        create: Usual::seconds(492, 532, 738),
        update: Usual::seconds(60, 480, 1_800),
        delete: Usual::seconds(90, 150, 600),
        billed: true,
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EKS::Nodegroup"),
        identity: IdentityClass::Named(&["ClusterName", "NodegroupName"]),
        outputs: &[
            text("Id", "{ClusterName}/{name}"),
            text("Arn", "arn:{partition}:eks:{region}:{account}:nodegroup/{ClusterName}/{name}/{uuid}"),
        ],
        replaces: &[
            "AmiType",
            "CapacityType",
            "ClusterName",
            "DiskSize",
            "InstanceTypes",
            "NodegroupName",
            "NodeRole",
            "RemoteAccess",
            "Subnets",
        ],
        create_before_delete: true,
        write_only: &["ForceUpdateEnabled"],
        foreign: &["ScalingConfig.DesiredSize"],
        sets: &["Subnets", "Taints"],
        security: &["RemoteAccess"],
        parents: &[
            ("ClusterName", "AWS::EKS::Cluster"),
            ("NodeRole", "AWS::IAM::Role"),
            ("Subnets", "AWS::EC2::Subnet"),
            ("LaunchTemplate.Id", "AWS::EC2::LaunchTemplate"),
        ],
        tags: TagStyle::Map("Tags"),
        verbs: Verbs {
            create: &[
                "eks:CreateNodegroup",
                "iam:PassRole",
                "iam:GetRole",
                "iam:ListAttachedRolePolicies",
                "iam:CreateServiceLinkedRole",
                "ec2:DescribeSubnets",
                "ec2:DescribeLaunchTemplateVersions",
                "ec2:RunInstances",
                TAG,
            ],
            read: &["eks:DescribeNodegroup", "eks:ListNodegroups", LIST],
            update: &[
                "eks:UpdateNodegroupConfig",
                "eks:UpdateNodegroupVersion",
                "eks:DescribeUpdate",
                "ec2:DescribeLaunchTemplateVersions",
                "ec2:RunInstances",
                TAG,
                UNTAG,
            ],
            delete: &["eks:DeleteNodegroup"],
        },
        quota: Some(Quota { code: "L-6D54EA21", name: "Managed node groups per cluster", default: 30 }),
        create: Usual::seconds(58, 123, 333),
        update: Usual::seconds(30, 300, 1_800),
        delete: Usual::seconds(120, 240, 900),
        billed: true,
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EKS::Addon"),
        identity: IdentityClass::Named(&["ClusterName", "AddonName"]),
        outputs: &[
            text("Id", "{ClusterName}|{AddonName}"),
            text("Arn", "arn:{partition}:eks:{region}:{account}:addon/{ClusterName}/{AddonName}/{uuid}"),
        ],
        replaces: &["ClusterName", "AddonName", "NamespaceConfig"],
        write_only: &["ResolveConflicts", "PreserveOnDelete", "PodIdentityAssociations"],
        sets: &["PodIdentityAssociations", "Tags"],
        security: &["PodIdentityAssociations", "ServiceAccountRoleArn"],
        parents: &[("ClusterName", "AWS::EKS::Cluster")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &[
                "eks:CreateAddon",
                "eks:DescribeCluster",
                "eks:DescribeAddonVersions",
                "eks:CreatePodIdentityAssociation",
                "iam:PassRole",
                "iam:GetRole",
                TAG,
            ],
            read: &["eks:DescribeAddon", "eks:ListAddons", "eks:DescribePodIdentityAssociation", LIST],
            update: &[
                "eks:UpdateAddon",
                "eks:DescribeUpdate",
                "eks:DescribeCluster",
                "eks:DescribeAddonVersions",
                "eks:CreatePodIdentityAssociation",
                "eks:UpdatePodIdentityAssociation",
                "eks:DeletePodIdentityAssociation",
                "iam:PassRole",
                "iam:GetRole",
                TAG,
                UNTAG,
            ],
            delete: &["eks:DeleteAddon", "eks:DeletePodIdentityAssociation"],
        },
        create: Usual::seconds(10, 30, 180),
        update: Usual::seconds(10, 45, 300),
        delete: Usual::seconds(5, 15, 120),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EKS::AccessEntry"),
        identity: IdentityClass::Named(&["ClusterName", "PrincipalArn"]),
        outputs: &[
            text("Id", "{PrincipalArn}|{ClusterName}"),
            text("AccessEntryArn", "arn:{partition}:eks:{region}:{account}:access-entry/{ClusterName}/{uuid}"),
        ],
        replaces: &["ClusterName", "PrincipalArn", "Type"],
        sets: &["AccessPolicies", "KubernetesGroups", "Tags"],
        security: &["AccessPolicies", "KubernetesGroups", "PrincipalArn", "Username"],
        parents: &[("ClusterName", "AWS::EKS::Cluster")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["eks:CreateAccessEntry", "eks:AssociateAccessPolicy", TAG],
            read: &["eks:DescribeAccessEntry", "eks:ListAccessEntries", "eks:ListAssociatedAccessPolicies", LIST],
            update: &["eks:UpdateAccessEntry", "eks:AssociateAccessPolicy", "eks:DisassociateAccessPolicy", TAG, UNTAG],
            delete: &["eks:DeleteAccessEntry"],
        },
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::EKS::PodIdentityAssociation"),
        identity: IdentityClass::Tuple(&["ClusterName", "Namespace", "ServiceAccount"]),
        identifier: "AssociationArn",
        outputs: &[
            text(
                "AssociationArn",
                "arn:{partition}:eks:{region}:{account}:podidentityassociation/{ClusterName}/a-{hex17}",
            ),
            text("AssociationId", "a-{hex17}"),
        ],
        replaces: &["ClusterName", "Namespace", "ServiceAccount"],
        sets: &["Tags"],
        security: &["RoleArn", "TargetRoleArn", "Policy"],
        parents: &[("ClusterName", "AWS::EKS::Cluster"), ("RoleArn", "AWS::IAM::Role")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["eks:CreatePodIdentityAssociation", "iam:PassRole", "iam:GetRole", TAG],
            read: &["eks:DescribePodIdentityAssociation", "eks:ListPodIdentityAssociations", LIST],
            update: &["eks:UpdatePodIdentityAssociation", "iam:PassRole", "iam:GetRole", TAG, UNTAG],
            delete: &["eks:DeletePodIdentityAssociation"],
        },
        ..ResourceType::DEFAULT
    },
];

const fn text(name: &'static str, shape: &'static str) -> Output {
    Output { name, shape: Shape::Text(shape) }
}
