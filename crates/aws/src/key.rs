//! Encryption keys: one for each thing that holds data, rotated yearly, with a policy that names who uses it.

use landfall_core::resource::{TargetField, Value};
use landfall_core::scope::{Native, Scope};
use landfall_core::{Result, join, map, properties};

use crate::{iam, region};

/// Who may use a key, besides those whom the account's own IAM policies let.
#[derive(Clone, Debug)]
pub(crate) enum User {
    /// Whoever in this account may call this service (`rds`, `ec2`, `s3`, `secretsmanager`, `elasticache` …), through
    /// that service alone: the policy that the keys managed by AWS have.
    Through(&'static str),
    /// CloudWatch Logs, for the log group of this name alone.
    LogGroup(String),
}

/// What carries an encryption context, which describing a key does not.
const USE: [&str; 4] = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"];
const USE_AND_GRANT: [&str; 6] =
    ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant"];

/// Adds a key and its alias to the expansion: parts `part` and `part-alias`. `Arn` is the attribute to refer to.
///
/// The account's root may administer it, so that no mistake in a policy can lock it for ever; deleting it takes 30 days
/// in which the deletion can be cancelled.
///
/// # Errors
/// As [`Scope::native`].
pub(crate) fn add(scope: &mut Scope<'_>, part: &str, description: &str, users: &[User]) -> Result<Native> {
    let root = map! { "AWS" => join!["arn:", TargetField::Partition, ":iam::", TargetField::Account, ":root"] };
    let mut statements = vec![iam::grant("AccountAdministers", root, &["kms:*"], None)];
    statements.extend(users.iter().map(|user| statement(user, scope.region())));
    let key = scope.native(
        part,
        "AWS::KMS::Key",
        properties! {
            "Description" => description,
            "EnableKeyRotation" => true,
            "PendingWindowInDays" => 30,
            "KeyPolicy" => iam::policy(statements),
        },
    )?;
    let address = key.address();
    let alias = format!("alias/{}/{}/{}/{part}", scope.stack().id, address.kind(), address.name());
    let properties = properties! { "AliasName" => alias, "TargetKeyId" => key.id() };
    scope.native(&format!("{part}-alias"), "AWS::KMS::Alias", properties)?;
    Ok(key)
}

fn statement(user: &User, region: &str) -> Value {
    let suffix = region::dns_suffix(region);
    match user {
        User::Through(service) => iam::grant(
            &format!("Through{}", service.to_uppercase()),
            map! { "AWS" => "*" },
            &USE_AND_GRANT,
            Some(map! {
                "StringEquals" => map! {
                    "kms:CallerAccount" => TargetField::Account,
                    "kms:ViaService" => join![format!("{service}."), TargetField::Region, format!(".{suffix}")],
                },
            }),
        ),
        User::LogGroup(name) => iam::grant(
            "LogGroup",
            map! { "Service" => join!["logs.", TargetField::Region, format!(".{suffix}")] },
            &USE,
            Some(map! {
                "StringLike" => map! {
                    "kms:EncryptionContext:aws:logs:arn" => iam::arn("logs", format!("log-group:{name}")),
                },
            }),
        ),
    }
}
