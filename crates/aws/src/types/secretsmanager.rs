//! Secrets Manager: secrets.

use landfall_core::resource::{IdentityClass, Output, Quota, ResourceType, Shape, TagStyle, Usual, Verbs};

use super::named;

pub(super) const ALL: &[ResourceType] = &[ResourceType {
    name: named("AWS::SecretsManager::Secret"),
    identity: IdentityClass::Named(&["Name"]),
    identifier: "Id",
    outputs: &[Output {
        name: "Id",
        shape: Shape::Text("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-{base36}"),
    }],
    replaces: &["Name"],
    secrets: &["SecretString"],
    write_only: &["GenerateSecretString", "SecretString"],
    sets: &["ReplicaRegions", "Tags"],
    security: &["KmsKeyId", "ReplicaRegions"],
    holds_data: true,
    tags: TagStyle::List("Tags"),
    verbs: Verbs {
        create: &[
            "secretsmanager:CreateSecret",
            "secretsmanager:GetRandomPassword",
            "secretsmanager:ReplicateSecretToRegions",
            "secretsmanager:RestoreSecret",
            "secretsmanager:TagResource",
            "kms:Decrypt",
            "kms:GenerateDataKey",
        ],
        read: &["secretsmanager:DescribeSecret", "secretsmanager:ListSecrets"],
        update: &[
            "secretsmanager:UpdateSecret",
            "secretsmanager:GetRandomPassword",
            "secretsmanager:RemoveRegionsFromReplication",
            "secretsmanager:ReplicateSecretToRegions",
            "secretsmanager:TagResource",
            "secretsmanager:UntagResource",
            "kms:Decrypt",
            "kms:GenerateDataKey",
        ],
        delete: &["secretsmanager:DeleteSecret", "secretsmanager:RemoveRegionsFromReplication"],
    },
    quota: Some(Quota { code: "L-2F66C23C", name: "Secrets in each Region", default: 500_000 }),
    create: Usual::seconds(1, 2, 10),
    billed: true,
    ..ResourceType::DEFAULT
}];
