//! S3: buckets and their policies.

use landfall_core::resource::{IdentityClass, Output, Quota, ResourceType, Shape, TagStyle, Usual, Verbs};

use super::named;

pub(super) const ALL: &[ResourceType] = &[
    ResourceType {
        name: named("AWS::S3::Bucket"),
        identity: IdentityClass::Named(&["BucketName"]),
        identifier: "BucketName",
        outputs: &[
            Output { name: "Arn", shape: Shape::Text("arn:{partition}:s3:::{name}") },
            Output { name: "DomainName", shape: Shape::Text("{name}.s3.amazonaws.com") },
            Output { name: "RegionalDomainName", shape: Shape::Text("{name}.s3.{region}.amazonaws.com") },
            Output { name: "DualStackDomainName", shape: Shape::Text("{name}.s3.dualstack.{region}.amazonaws.com") },
        ],
        replaces: &["BucketName", "BucketNamePrefix", "BucketNamespace"],
        write_only: &[
            "AccessControl",
            "BucketNamePrefix",
            "BucketNamespace",
            "LifecycleConfiguration.Rules.ExpiredObjectDeleteMarker",
        ],
        sets: &["LifecycleConfiguration.Rules", "Tags"],
        security: &[
            "AccessControl",
            "BucketEncryption",
            "CorsConfiguration",
            "OwnershipControls",
            "PublicAccessBlockConfiguration",
            "WebsiteConfiguration",
        ],
        holds_data: true,
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &[
                "s3:CreateBucket",
                "s3:PutBucketCORS",
                "s3:PutBucketLogging",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
                "s3:TagResource",
            ],
            read: &[
                "s3:GetBucketCORS",
                "s3:GetBucketLogging",
                "s3:GetBucketOwnershipControls",
                "s3:GetBucketPublicAccessBlock",
                "s3:GetBucketTagging",
                "s3:GetBucketVersioning",
                "s3:GetEncryptionConfiguration",
                "s3:GetLifecycleConfiguration",
            ],
            update: &[
                "s3:PutBucketCORS",
                "s3:PutBucketLogging",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
            ],
            delete: &["s3:DeleteBucket"],
        },
        quota: Some(Quota { code: "L-DC2B2D3D", name: "General purpose buckets", default: 10_000 }),
        create: Usual::seconds(1, 2, 10),
        delete: Usual::seconds(1, 2, 10),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::S3::BucketPolicy"),
        identity: IdentityClass::Named(&["Bucket"]),
        identifier: "Bucket",
        replaces: &["Bucket"],
        security: &["PolicyDocument"],
        parents: &[("Bucket", "AWS::S3::Bucket")],
        verbs: Verbs {
            create: &["s3:PutBucketPolicy"],
            read: &["s3:GetBucketPolicy"],
            update: &["s3:PutBucketPolicy"],
            delete: &["s3:DeleteBucketPolicy"],
        },
        ..ResourceType::DEFAULT
    },
];
