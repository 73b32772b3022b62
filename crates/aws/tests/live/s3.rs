//! On ministack, for moto answers `GetBucketVersioning` with a document that no strict reader takes.

use landfall_core::resource::Value;
use landfall_core::{Code, list, map, properties};

use crate::bench::Bench;

fn everything_else() -> landfall_core::resource::Properties {
    properties! {
        "PublicAccessBlockConfiguration" => map! {
            "BlockPublicAcls" => true,
            "BlockPublicPolicy" => true,
            "IgnorePublicAcls" => true,
            "RestrictPublicBuckets" => true,
        },
        "OwnershipControls" => map! { "Rules" => list![map! { "ObjectOwnership" => "BucketOwnerEnforced" }] },
        "BucketEncryption" => map! {
            "ServerSideEncryptionConfiguration" => list![map! {
                "BucketKeyEnabled" => true,
                "ServerSideEncryptionByDefault" => map! {
                    "SSEAlgorithm" => "aws:kms",
                    "KMSMasterKeyID" => "arn:aws:kms:eu-west-1:123456789012:key/1",
                },
            }],
        },
        "VersioningConfiguration" => map! { "Status" => "Enabled" },
        "LifecycleConfiguration" => map! { "Rules" => list![
            map! {
                "Id" => "abort-incomplete-uploads",
                "Status" => "Enabled",
                "AbortIncompleteMultipartUpload" => map! { "DaysAfterInitiation" => 7 },
            },
            map! {
                "Id" => "drop-old-versions",
                "Status" => "Enabled",
                "NoncurrentVersionExpiration" => map! { "NoncurrentDays" => 30 },
                "ExpiredObjectDeleteMarker" => true,
            },
        ] },
    }
}

fn named(name: &str) -> landfall_core::resource::Properties {
    let mut wanted = everything_else();
    wanted.insert("BucketName".into(), name.into());
    wanted.insert("BucketNamespace".into(), "account-regional".into());
    wanted
}

#[tokio::test]
async fn a_bucket_is_made_whole_changed_in_every_part_and_deleted() {
    let Some(bench) = Bench::ministack("s3-bucket").await else { return };
    let wanted = named("s3-bucket-123456789012-eu-west-1-an");
    let changes = properties! {
        "PublicAccessBlockConfiguration" => map! { "BlockPublicAcls" => true, "BlockPublicPolicy" => false },
        "OwnershipControls" => map! { "Rules" => list![map! { "ObjectOwnership" => "BucketOwnerPreferred" }] },
        "BucketEncryption" => map! {
            "ServerSideEncryptionConfiguration" => list![map! {
                "ServerSideEncryptionByDefault" => map! { "SSEAlgorithm" => "AES256" },
            }],
        },
        "VersioningConfiguration" => map! { "Status" => "Suspended" },
        "LifecycleConfiguration" => map! { "Rules" => list![
            map! { "Id" => "logs", "Status" => "Enabled", "Prefix" => "logs/", "ExpirationInDays" => 30 },
        ] },
        "CorsConfiguration" => map! { "CorsRules" => list![map! {
            "AllowedMethods" => ["GET", "PUT"],
            "AllowedOrigins" => ["https://example.com"],
            "AllowedHeaders" => ["*"],
            "MaxAge" => 3000,
        }] },
        "Tags" => bench.retagged("bucket"),
    };
    bench.lives("bucket", "AWS::S3::Bucket", wanted, changes).await;
}

#[tokio::test]
async fn what_is_not_wanted_any_more_is_taken_away() {
    let Some(bench) = Bench::ministack("s3-parts").await else { return };
    let mut made = bench.make("bucket", "AWS::S3::Bucket", named("s3-parts-123456789012-eu-west-1-an")).await;
    let parts = ["BucketEncryption", "LifecycleConfiguration", "PublicAccessBlockConfiguration"];
    for part in parts {
        made.desired.remove(part);
    }
    let nothing = parts.map(|part| (part.to_owned(), Value::Null)).into_iter().collect();
    bench.change(&mut made, nothing).await;
    let seen = bench.look(&made).await.unwrap();
    assert_eq!(seen.properties.get("LifecycleConfiguration"), None);
    assert_eq!(seen.properties.get("PublicAccessBlockConfiguration"), None);
    bench.unmake(&made).await;
}

#[tokio::test]
async fn a_bucket_that_stands_already_is_looked_at_and_not_taken() {
    let Some(bench) = Bench::ministack("s3-twice").await else { return };
    let made = bench.make("bucket", "AWS::S3::Bucket", named("s3-twice-123456789012-eu-west-1-an")).await;
    let driver = landfall_core::driver::Drivers::driver(&bench.connection, "AWS::S3::Bucket").unwrap();
    let error = driver.create(&bench.context(), &made.identity, &made.desired).await.unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists, "{error}");
    bench.unmake(&made).await;
}

#[tokio::test]
async fn where_a_create_of_a_bucket_that_stands_succeeds_it_is_not_taken_either() {
    let Some(one) = Bench::ministack_in("us-east-1", "s3-one").await else { return };
    let Some(other) = Bench::ministack_in("us-east-1", "s3-other").await else { return };
    let name = "s3-one-123456789012-us-east-1-an";
    let theirs = one.make("bucket", "AWS::S3::Bucket", named(name)).await;
    one.holds(&theirs).await;
    let ours = other.wanted("bucket", "AWS::S3::Bucket", named(name));
    let driver = landfall_core::driver::Drivers::driver(&other.connection, "AWS::S3::Bucket").unwrap();
    let error = driver.create(&other.context(), &ours.identity, &ours.desired).await.unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists, "{error}");
    one.holds(&theirs).await;
    one.unmake(&theirs).await;
}

#[tokio::test]
async fn a_policy_is_put_on_a_bucket_changed_and_taken_off() {
    let Some(bench) = Bench::ministack("s3-policy").await else { return };
    let name = "s3-policy-123456789012-eu-west-1-an";
    let bucket = bench.make("bucket", "AWS::S3::Bucket", named(name)).await;
    let policy = |transport: &str| {
        map! {
            "Version" => "2012-10-17",
            "Statement" => list![map! {
                "Sid" => "OnlyOverTls",
                "Effect" => "Deny",
                "Principal" => "*",
                "Action" => "s3:*",
                "Resource" => list![format!("arn:aws:s3:::{name}")],
                "Condition" => map! { "Bool" => map! { transport => "false" } },
            }],
        }
    };
    let wanted = properties! { "Bucket" => bucket.id(), "PolicyDocument" => policy("aws:SecureTransport") };
    let changes = properties! { "PolicyDocument" => policy("aws:ViaAWSService") };
    bench.lives("policy", "AWS::S3::BucketPolicy", wanted, changes).await;
    bench.unmake(&bucket).await;
}
