//! KMS: keys and their aliases. A key that is deleted takes what it encrypts with it, so it counts as data.

use std::time::Duration;

use landfall_core::resource::{IdentityClass, Output, Quota, ResourceType, Shape, TagStyle, Usual, Verbs};

use super::named;

pub(super) const ALL: &[ResourceType] = &[
    ResourceType {
        name: named("AWS::KMS::Key"),
        identity: IdentityClass::Tagged,
        identifier: "KeyId",
        outputs: &[
            Output { name: "KeyId", shape: Shape::Text("{uuid}") },
            Output { name: "Arn", shape: Shape::Text("arn:{partition}:kms:{region}:{account}:key/{id}") },
        ],
        // CloudFormation asks for a replacement on none of these, and refuses the update of what cannot change.
        replaces: &["KeySpec", "KeyUsage", "Origin", "MultiRegion"],
        write_only: &["PendingWindowInDays", "BypassPolicyLockoutSafetyCheck", "RotationPeriodInDays"],
        sets: &["Tags"],
        security: &["KeyPolicy", "EnableKeyRotation", "Enabled"],
        holds_data: true,
        // A key is only scheduled for its end, and that can be cancelled.
        recoverable: true,
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &["kms:CreateKey", "kms:EnableKeyRotation", "kms:TagResource"],
            read: &[
                "kms:DescribeKey",
                "kms:ListKeys",
                "kms:GetKeyPolicy",
                "kms:GetKeyRotationStatus",
                "kms:ListResourceTags",
            ],
            update: &[
                "kms:PutKeyPolicy",
                "kms:EnableKey",
                "kms:DisableKey",
                "kms:EnableKeyRotation",
                "kms:DisableKeyRotation",
                "kms:UpdateKeyDescription",
                "kms:TagResource",
                "kms:UntagResource",
            ],
            delete: &["kms:ScheduleKeyDeletion"],
        },
        quota: Some(Quota { code: "L-C2F1777E", name: "Customer Master Keys (CMKs)", default: 100_000 }),
        create: Usual::seconds(1, 2, 60),
        delete: Usual::seconds(1, 1, 10),
        lag: Duration::from_secs(60),
        billed: true,
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::KMS::Alias"),
        identity: IdentityClass::Named(&["AliasName"]),
        identifier: "AliasName",
        replaces: &["AliasName"],
        parents: &[("TargetKeyId", "AWS::KMS::Key")],
        verbs: Verbs {
            create: &["kms:CreateAlias"],
            read: &["kms:ListAliases"],
            update: &["kms:UpdateAlias"],
            delete: &["kms:DeleteAlias"],
        },
        lag: Duration::from_secs(60),
        ..ResourceType::DEFAULT
    },
];
