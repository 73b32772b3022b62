//! RDS: database servers, and the groups of subnets and parameters that they stand on.

use landfall_core::resource::{IdentityClass, Output, Quota, ResourceType, Shape, TagStyle, Usual, Verbs};

use super::named;

pub(super) const ALL: &[ResourceType] = &[
    ResourceType {
        name: named("AWS::RDS::DBInstance"),
        identity: IdentityClass::Named(&["DBInstanceIdentifier"]),
        identifier: "DBInstanceIdentifier",
        outputs: &[
            Output { name: "DBInstanceArn", shape: Shape::Text("arn:{partition}:rds:{region}:{account}:db:{name}") },
            Output { name: "DbiResourceId", shape: Shape::Text("db-{base36}") },
            Output { name: "Endpoint.Address", shape: Shape::Text("{name}.{base36}.{region}.rds.amazonaws.com") },
            Output { name: "Endpoint.Port", shape: Shape::Property("Port") },
            Output { name: "Endpoint.HostedZoneId", shape: Shape::Text("Z{base36}") },
            Output {
                name: "MasterUserSecret.SecretArn",
                shape: Shape::Text("arn:{partition}:secretsmanager:{region}:{account}:secret:rds!db-{uuid}-{base36}"),
            },
            Output { name: "CertificateDetails.CAIdentifier", shape: Shape::Text("rds-ca-rsa2048-g1") },
        ],
        replaces: &[
            "AvailabilityZone",
            "BackupTarget",
            "CharacterSetName",
            "CustomIAMInstanceProfile",
            "DBClusterIdentifier",
            "DBInstanceIdentifier",
            "DBName",
            "DBSnapshotIdentifier",
            "DBSubnetGroupName",
            "DBSystemId",
            "Engine",
            "KmsKeyId",
            "MasterUsername",
            "NcharCharacterSetName",
            "PerformanceInsightsKMSKeyId",
            "SourceDBInstanceIdentifier",
            "SourceRegion",
            "StorageEncrypted",
            "Timezone",
        ],
        secrets: &["MasterUserPassword", "TdeCredentialPassword"],
        write_only: &[
            // RDS itself grows the storage and upgrades to the next minor version, which is no drift; still, a change of
            // what is declared is a change.
            "AllocatedStorage",
            "EngineVersion",
            "AllowMajorVersionUpgrade",
            "ApplyImmediately",
            "AutomaticBackupReplicationKmsKeyId",
            "CertificateRotationRestart",
            "DBSnapshotIdentifier",
            "DeleteAutomatedBackups",
            "MasterUserPassword",
            // It is shown while insights are on, and stays as it is while they are: that somebody switched them off is
            // seen by `EnablePerformanceInsights`, and mended in place.
            "PerformanceInsightsKMSKeyId",
            "SourceDBInstanceIdentifier",
            "SourceRegion",
            "TdeCredentialPassword",
            "UseDefaultProcessorFeatures",
        ],
        sets: &["EnableCloudwatchLogsExports", "ProcessorFeatures", "Tags", "VPCSecurityGroups"],
        security: &[
            "DBParameterGroupName",
            "DeletionProtection",
            "EnableIAMDatabaseAuthentication",
            "ManageMasterUserPassword",
            "PubliclyAccessible",
            "VPCSecurityGroups",
        ],
        downtime: &["DBInstanceClass", "DBParameterGroupName", "EngineVersion", "Port"],
        holds_data: true,
        // A disk does not shrink, and a server does not go back to an older version.
        one_way: &["AllocatedStorage", "EngineVersion"],
        parents: &[("DBSubnetGroupName", "AWS::RDS::DBSubnetGroup")],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &[
                "rds:CreateDBInstance",
                "rds:AddTagsToResource",
                "iam:CreateServiceLinkedRole",
                "iam:PassRole",
                "kms:CreateGrant",
                "kms:DescribeKey",
                "kms:Decrypt",
                "kms:GenerateDataKey",
                "secretsmanager:CreateSecret",
                "secretsmanager:TagResource",
            ],
            read: &["rds:DescribeDBInstances", "rds:DescribeEvents", "rds:ListTagsForResource"],
            update: &[
                "rds:ModifyDBInstance",
                "rds:RebootDBInstance",
                "rds:AddTagsToResource",
                "rds:RemoveTagsFromResource",
                "iam:PassRole",
                "kms:CreateGrant",
                "kms:DescribeKey",
            ],
            delete: &["rds:DeleteDBInstance", "rds:CreateDBSnapshot", "rds:AddTagsToResource"],
        },
        quota: Some(Quota { code: "L-7B6409FD", name: "DB instances", default: 40 }),
        create: Usual::seconds(180, 244, 900),
        update: Usual::seconds(10, 120, 900),
        delete: Usual::seconds(60, 240, 900),
        billed: true,
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::RDS::DBSubnetGroup"),
        identity: IdentityClass::Named(&["DBSubnetGroupName"]),
        identifier: "DBSubnetGroupName",
        outputs: &[Output {
            name: "DBSubnetGroupArn",
            shape: Shape::Text("arn:{partition}:rds:{region}:{account}:subgrp:{name}"),
        }],
        replaces: &["DBSubnetGroupName"],
        create_before_delete: true,
        sets: &["SubnetIds", "Tags"],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["rds:CreateDBSubnetGroup", "rds:AddTagsToResource", "iam:CreateServiceLinkedRole"],
            read: &["rds:DescribeDBSubnetGroups", "rds:ListTagsForResource"],
            update: &["rds:ModifyDBSubnetGroup", "rds:AddTagsToResource", "rds:RemoveTagsFromResource"],
            delete: &["rds:DeleteDBSubnetGroup"],
        },
        quota: Some(Quota { code: "L-48C6BF61", name: "DB subnet groups", default: 50 }),
        create: Usual::seconds(1, 2, 10),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::RDS::DBParameterGroup"),
        identity: IdentityClass::Named(&["DBParameterGroupName"]),
        identifier: "DBParameterGroupName",
        outputs: &[Output {
            name: "DBParameterGroupArn",
            shape: Shape::Text("arn:{partition}:rds:{region}:{account}:pg:{name}"),
        }],
        replaces: &["DBParameterGroupName", "Description", "Family"],
        create_before_delete: true,
        sets: &["Tags"],
        security: &["Parameters"],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["rds:CreateDBParameterGroup", "rds:ModifyDBParameterGroup", "rds:AddTagsToResource"],
            read: &["rds:DescribeDBParameterGroups", "rds:DescribeDBParameters", "rds:ListTagsForResource"],
            update: &[
                "rds:ModifyDBParameterGroup",
                "rds:ResetDBParameterGroup",
                "rds:AddTagsToResource",
                "rds:RemoveTagsFromResource",
            ],
            delete: &["rds:DeleteDBParameterGroup"],
        },
        quota: Some(Quota { code: "L-DE55804A", name: "Parameter groups", default: 50 }),
        create: Usual::seconds(2, 5, 30),
        ..ResourceType::DEFAULT
    },
];
