//! What is known of each native type without a connection: identity, replacement, permissions, durations.

mod ec2;
mod eks;
mod elasticache;
mod iam;
mod kms;
mod logs;
mod rds;
mod s3;
mod secretsmanager;

use std::borrow::Cow;

use landfall_core::resource::ResourceType;

/// All native types that the expansions use.
pub(crate) fn all() -> Vec<ResourceType> {
    [ec2::ALL, eks::ALL, iam::ALL, kms::ALL, logs::ALL, elasticache::ALL, rds::ALL, s3::ALL, secretsmanager::ALL]
        .concat()
}

const fn named(name: &'static str) -> Cow<'static, str> {
    Cow::Borrowed(name)
}
