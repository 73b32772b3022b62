//! ElastiCache: replication groups, and the groups of subnets and parameters that they stand on.

use landfall_core::resource::{IdentityClass, Output, Quota, ResourceType, Shape, TagStyle, Usual, Verbs};

use super::named;

pub(super) const ALL: &[ResourceType] = &[
    ResourceType {
        name: named("AWS::ElastiCache::ReplicationGroup"),
        identity: IdentityClass::Named(&["ReplicationGroupId"]),
        identifier: "ReplicationGroupId",
        outputs: &[
            Output {
                name: "PrimaryEndPoint.Address",
                shape: Shape::Text("master.{name}.{base36}.{region}.cache.amazonaws.com"),
            },
            Output { name: "PrimaryEndPoint.Port", shape: Shape::Property("Port") },
            Output {
                name: "ReaderEndPoint.Address",
                shape: Shape::Text("replica.{name}.{base36}.{region}.cache.amazonaws.com"),
            },
            Output { name: "ReaderEndPoint.Port", shape: Shape::Property("Port") },
        ],
        replaces: &[
            "AtRestEncryptionEnabled",
            "CacheSubnetGroupName",
            "DataTieringEnabled",
            "GlobalReplicationGroupId",
            "KmsKeyId",
            "NetworkType",
            "Port",
            "PreferredCacheClusterAZs",
            "ReplicationGroupId",
            "SnapshotArns",
            "SnapshotName",
        ],
        secrets: &["AuthToken"],
        write_only: &[
            "AuthToken",
            "CacheParameterGroupName",
            "CacheSecurityGroupNames",
            "CacheSubnetGroupName",
            "EngineVersion",
            "KmsKeyId",
            "NodeGroupConfiguration",
            "NotificationTopicArn",
            "NumNodeGroups",
            "PreferredCacheClusterAZs",
            "PreferredMaintenanceWindow",
            "PrimaryClusterId",
            "SecurityGroupIds",
            "SnapshotArns",
            "SnapshotName",
        ],
        sets: &["LogDeliveryConfigurations", "SecurityGroupIds", "Tags", "UserGroupIds"],
        security: &["AuthToken", "SecurityGroupIds", "TransitEncryptionEnabled", "UserGroupIds"],
        downtime: &["CacheNodeType", "Engine", "EngineVersion"],
        holds_data: true,
        one_way: &["EngineVersion"],
        parents: &[("CacheSubnetGroupName", "AWS::ElastiCache::SubnetGroup")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &[
                "elasticache:CreateReplicationGroup",
                "elasticache:AddTagsToResource",
                "iam:CreateServiceLinkedRole",
                "kms:CreateGrant",
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKey",
                "logs:CreateLogDelivery",
                "secretsmanager:GetSecretValue",
            ],
            read: &[
                "elasticache:DescribeReplicationGroups",
                "elasticache:DescribeCacheClusters",
                "elasticache:DescribeEvents",
                "elasticache:ListTagsForResource",
            ],
            update: &[
                "elasticache:ModifyReplicationGroup",
                "elasticache:IncreaseReplicaCount",
                "elasticache:DecreaseReplicaCount",
                "elasticache:ModifyReplicationGroupShardConfiguration",
                "elasticache:AddTagsToResource",
                "elasticache:RemoveTagsFromResource",
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:GetLogDelivery",
                "logs:UpdateLogDelivery",
                "secretsmanager:GetSecretValue",
            ],
            delete: &["elasticache:DeleteReplicationGroup", "elasticache:CreateSnapshot"],
        },
        quota: Some(Quota { code: "L-DFE45DF3", name: "Nodes per Region", default: 300 }),
        create: Usual::seconds(358, 483, 555),
        update: Usual::seconds(60, 480, 1800),
        delete: Usual::seconds(120, 300, 900),
        billed: true,
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::ElastiCache::SubnetGroup"),
        identity: IdentityClass::Named(&["CacheSubnetGroupName"]),
        identifier: "CacheSubnetGroupName",
        replaces: &["CacheSubnetGroupName"],
        create_before_delete: true,
        sets: &["SubnetIds", "Tags"],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["elasticache:CreateCacheSubnetGroup", "elasticache:AddTagsToResource"],
            read: &["elasticache:DescribeCacheSubnetGroups", "elasticache:ListTagsForResource"],
            update: &[
                "elasticache:ModifyCacheSubnetGroup",
                "elasticache:AddTagsToResource",
                "elasticache:RemoveTagsFromResource",
            ],
            delete: &["elasticache:DeleteCacheSubnetGroup"],
        },
        create: Usual::seconds(1, 2, 10),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        // CloudFormation's schema has no property for the name, so that it is found by its marks alone.
        name: named("AWS::ElastiCache::ParameterGroup"),
        identity: IdentityClass::Tagged,
        identifier: "CacheParameterGroupName",
        outputs: &[Output { name: "CacheParameterGroupName", shape: Shape::Text("parameters-{base36}") }],
        // No call changes the description of a group.
        replaces: &["CacheParameterGroupFamily", "Description"],
        create_before_delete: true,
        sets: &["Tags"],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &[
                "elasticache:CreateCacheParameterGroup",
                "elasticache:ModifyCacheParameterGroup",
                "elasticache:AddTagsToResource",
            ],
            read: &[
                "elasticache:DescribeCacheParameterGroups",
                "elasticache:DescribeCacheParameters",
                "elasticache:ListTagsForResource",
            ],
            update: &[
                "elasticache:ModifyCacheParameterGroup",
                "elasticache:ResetCacheParameterGroup",
                "elasticache:AddTagsToResource",
                "elasticache:RemoveTagsFromResource",
            ],
            delete: &["elasticache:DeleteCacheParameterGroup"],
        },
        create: Usual::seconds(1, 3, 20),
        ..ResourceType::DEFAULT
    },
];
