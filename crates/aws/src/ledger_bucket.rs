//! The bucket that a ledger is kept in: what can be chosen about it, and what whoever keeps a ledger there may do.
//!
//! Source: [actions of S3](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html).

use serde_json::{Value as Json, json};

use crate::{Aws, region};

/// A bucket for ledgers, as a connection makes it: its name, which is one in the whole partition of AWS, and what can be
/// chosen about it.
///
/// ```
/// use landfall_aws::LedgerBucket;
///
/// let bucket = LedgerBucket::new("inferloop-ledgers-123456789012")
///     .prefix("platform")
///     .key("arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab");
/// # drop(bucket);
/// ```
#[derive(Clone, Debug)]
pub struct LedgerBucket {
    pub(crate) name: String,
    pub(crate) prefix: String,
    pub(crate) key: Option<String>,
}

impl LedgerBucket {
    /// A bucket of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), prefix: String::new(), key: None }
    }

    /// What all keys of entries begin with. Without one they begin with the name of the stack.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The ARN of the KMS key that new entries are encrypted with (SSE-KMS, with a bucket key). Without one the bucket keeps
    /// the encryption it has, and a new one has S3's own (SSE-S3). The caller must be allowed `kms:GenerateDataKey` and
    /// `kms:Decrypt` with it, by [`Aws::ledger_policy`] and by the key's own policy.
    #[must_use]
    pub fn key(mut self, arn: impl Into<String>) -> Self {
        self.key = Some(arn.into());
        self
    }
}

impl From<&str> for LedgerBucket {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for LedgerBucket {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

/// What is asked of the bucket: to make it, to look whether it is as it should be and to set what it lacks, and to list what is
/// in it. Without the right to list, S3 says of an entry that is not there that it is forbidden.
const OF_BUCKET: &[&str] = &[
    "s3:CreateBucket",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:ListBucket",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:TagResource",
];
/// What is asked of entries. None is ever written a second time or deleted.
const OF_ENTRIES: &[&str] = &["s3:GetObject", "s3:PutObject"];
/// What S3 asks of the key in the caller's name.
const OF_KEY: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey"];

impl Aws {
    /// The IAM policy of whoever keeps ledgers in this bucket: what `connection.ledger(bucket)` and the ledger itself call,
    /// and nothing else. It comes beside [`Aws::policy`], once for all stacks whose ledgers are there.
    ///
    /// ```
    /// use landfall_aws::{Aws, LedgerBucket};
    ///
    /// let aws = Aws::new("eu-west-1");
    /// let policy = aws.ledger_policy(LedgerBucket::new("inferloop-ledgers-123456789012").prefix("platform"));
    /// assert_eq!(policy["Statement"][1]["Resource"], "arn:aws:s3:::inferloop-ledgers-123456789012/platform/*");
    /// ```
    #[must_use]
    pub fn ledger_policy(&self, bucket: impl Into<LedgerBucket>) -> Json {
        let LedgerBucket { name, prefix, key } = bucket.into();
        let arn = format!("arn:{}:s3:::{name}", region::partition(&self.region));
        let entries = match prefix.trim_matches('/') {
            "" => format!("{arn}/*"),
            prefix => format!("{arn}/{prefix}/*"),
        };
        let mut statements = vec![
            json!({ "Sid": "LedgerBucket", "Effect": "Allow", "Action": OF_BUCKET, "Resource": arn }),
            json!({ "Sid": "LedgerEntries", "Effect": "Allow", "Action": OF_ENTRIES, "Resource": entries }),
        ];
        if let Some(key) = key {
            let through = format!("s3.{}.{}", self.region, region::dns_suffix(&self.region));
            statements.push(json!({
                "Sid": "LedgerKey",
                "Effect": "Allow",
                "Action": OF_KEY,
                "Resource": key,
                "Condition": { "StringEquals": { "kms:ViaService": through } },
            }));
        }
        json!({ "Version": "2012-10-17", "Statement": statements })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_ledger_s_policy_grants_each_call_that_is_made_for_it_and_no_other() {
        let made = concat!(include_str!("driver/s3/ledger.rs"), include_str!("../../core/src/ledger/s3.rs"));
        let named = |text: &'static str| -> BTreeSet<&str> {
            let all = text.split(['"', '`']).filter(|word| word.starts_with("s3:"));
            all.filter(|word| word[3..].starts_with(char::is_uppercase)).collect()
        };
        let mut called = named(made);
        // The create carries a tag.
        called.insert("s3:TagResource");
        assert_eq!(OF_BUCKET.iter().chain(OF_ENTRIES).copied().collect::<BTreeSet<_>>(), called);
    }

    #[test]
    fn a_ledger_s_policy_reaches_its_bucket_its_prefix_and_its_key_alone() {
        let key = "arn:aws-cn:kms:cn-north-1:123456789012:key/1";
        let bucket = LedgerBucket::new("ledgers").prefix("/teams/one/").key(key);
        let policy = Aws::new("cn-north-1").ledger_policy(bucket);
        let statements = policy["Statement"].as_array().unwrap();
        let resources: Vec<&str> = statements.iter().filter_map(|one| one["Resource"].as_str()).collect();
        assert_eq!(resources, ["arn:aws-cn:s3:::ledgers", "arn:aws-cn:s3:::ledgers/teams/one/*", key]);
        assert_eq!(statements[2]["Condition"]["StringEquals"]["kms:ViaService"], "s3.cn-north-1.amazonaws.com.cn");
        let plain = Aws::new("eu-west-1").ledger_policy("ledgers");
        let (count, entries) = (plain["Statement"].as_array().map(Vec::len), &plain["Statement"][1]["Resource"]);
        assert_eq!((count, entries), (Some(2), &json!("arn:aws:s3:::ledgers/*")));
    }
}
