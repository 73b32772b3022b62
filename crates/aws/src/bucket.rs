//! A bucket on S3: closed to the public, encrypted with its own key, over TLS only.

use landfall_core::kind::{Bucket, BucketOutputs, BucketSpec};
use landfall_core::resource::{TargetField, Value};
use landfall_core::scope::Scope;
use landfall_core::{Result, join, list, map, properties};

use crate::name::{self, Rule};
use crate::{Aws, iam, key};

/// How long the whole name may be.
const LONGEST_NAME: usize = 63;
/// Regions that know only the namespace that all accounts share.
const WITHOUT_OWN_NAMESPACE: [&str; 2] = ["me-central-1", "me-south-1"];

impl Bucket for Aws {
    fn expand_bucket(&self, spec: &BucketSpec, scope: &mut Scope<'_>) -> Result<BucketOutputs> {
        let (name, namespace) = bucket_name(scope);
        let description = format!("Objects of the bucket {}", scope.name());
        let key = key::add(scope, "key", &description, &[key::User::Through("s3")])?;
        let mut properties = properties! {
            "BucketName" => name,
            "PublicAccessBlockConfiguration" => map! {
                "BlockPublicAcls" => true,
                "BlockPublicPolicy" => true,
                "IgnorePublicAcls" => true,
                "RestrictPublicBuckets" => true,
            },
            "OwnershipControls" => map! {
                "Rules" => list![map! { "ObjectOwnership" => "BucketOwnerEnforced" }],
            },
            "BucketEncryption" => map! {
                "ServerSideEncryptionConfiguration" => list![map! {
                    "BucketKeyEnabled" => true,
                    "ServerSideEncryptionByDefault" => map! {
                        "SSEAlgorithm" => "aws:kms",
                        "KMSMasterKeyID" => key.attribute("Arn"),
                    },
                }],
            },
            "VersioningConfiguration" => map! { "Status" => if spec.versioning { "Enabled" } else { "Suspended" } },
            "LifecycleConfiguration" => map! { "Rules" => rules(spec) },
        };
        if let Some(namespace) = namespace {
            properties.insert("BucketNamespace".into(), namespace.into());
        }
        let bucket = scope.native("bucket", "AWS::S3::Bucket", properties)?;
        let arn = bucket.attribute("Arn");
        scope.native(
            "policy",
            "AWS::S3::BucketPolicy",
            properties! { "Bucket" => bucket.id(), "PolicyDocument" => iam::policy([only_over_tls(&arn)]) },
        )?;
        Ok(BucketOutputs::new(bucket.address().clone(), bucket.id(), arn, key.attribute("Arn")))
    }
}

/// The name and its namespace. A name ends with the account, the region and `-an`: such names no other account can take,
/// so that the name can follow from the declaration and still be sure to be free, and nobody can lie in wait for it.
/// The account is known to whoever plans or applies, since a stack is pinned to one.
fn bucket_name(scope: &Scope<'_>) -> (Value, Option<&'static str>) {
    let region = scope.region();
    let suffix = format!("-{region}-an");
    let (suffix, namespace) = if WITHOUT_OWN_NAMESPACE.contains(&region) {
        (suffix.trim_end_matches("-an"), None)
    } else {
        (suffix.as_str(), Some("account-regional"))
    };
    let room = LONGEST_NAME - "-123456789012".len() - suffix.len();
    let prefix = name::local(&format!("{}-{}", scope.stack().id, scope.name()), Rule::new("a bucket", room));
    (join![prefix, "-", TargetField::Account, suffix], namespace)
}

fn rules(spec: &BucketSpec) -> Value {
    let mut rules = vec![map! {
        "Id" => "abort-incomplete-uploads",
        "Status" => "Enabled",
        "AbortIncompleteMultipartUpload" => map! { "DaysAfterInitiation" => 7 },
    }];
    if spec.old_version_days > 0 {
        // Also where versioning is off: it may have been on before, and old versions cost as much as new ones.
        rules.push(map! {
            "Id" => "drop-old-versions",
            "Status" => "Enabled",
            "NoncurrentVersionExpiration" => map! { "NoncurrentDays" => spec.old_version_days },
            "ExpiredObjectDeleteMarker" => true,
        });
    }
    Value::List(rules)
}

fn only_over_tls(arn: &Value) -> Value {
    map! {
        "Sid" => "OnlyOverTls",
        "Effect" => "Deny",
        "Principal" => "*",
        "Action" => "s3:*",
        "Resource" => list![arn.clone(), join![arn.clone(), "/*"]],
        "Condition" => map! { "Bool" => map! { "aws:SecureTransport" => "false" } },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_core::resource::StackId;
    use serde_json::json;

    use super::*;
    use crate::testing;

    #[test]
    fn a_bucket_is_made_for_production() {
        let mut stack = testing::stack();
        testing::declare(&mut stack.buckets, "models", BucketSpec::new());
        insta::assert_snapshot!(testing::natives(&testing::expanded(&stack).unwrap(), "bucket/models"));
    }

    #[test]
    fn names_always_fit() {
        let mut stack = testing::stack();
        stack.id = StackId::new("p".repeat(30), "e".repeat(30));
        testing::declare(&mut stack.buckets, "models", BucketSpec::new());
        testing::declare(&mut stack.buckets, "exports", BucketSpec::new());
        stack.node_pools.clear();
        stack.clusters.clear();
        stack.networks.clear();
        let expanded = testing::expanded(&stack).unwrap();
        let names = ["models", "exports"].map(|name| {
            let name = testing::property(&expanded, &format!("aws/bucket/{name}/bucket"), "BucketName");
            let parts = name["$join"].as_array().unwrap();
            parts.iter().map(|part| part.as_str().unwrap_or("123456789012").to_owned()).collect::<String>()
        });
        assert_ne!(names[0], names[1]);
        for name in names {
            assert!(name.len() <= LONGEST_NAME && name.ends_with("-123456789012-eu-west-1-an"), "{name}");
        }
    }

    #[test]
    fn regions_without_a_namespace_of_the_account_use_the_shared_one() {
        let mut stack = testing::stack();
        stack.node_pools.clear();
        stack.clusters.clear();
        stack.networks.clear();
        testing::declare(&mut stack.buckets, "models", BucketSpec::new());
        let clouds = testing::clouds(Arc::new(Aws::new("me-south-1")));
        let expanded = landfall_core::graph::expand(&stack, &clouds).unwrap();
        let bucket = expanded.graph.get(&"aws/bucket/models/bucket".parse().unwrap()).unwrap();
        assert!(!bucket.properties.contains_key("BucketNamespace"));
        assert_eq!(bucket.properties["BucketName"].to_json()["$join"][3], json!("-me-south-1"));
    }
}
