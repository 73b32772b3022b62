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

#[cfg(test)]
mod tests {
    use landfall_core::resource::IdentityClass;

    use super::*;

    #[test]
    fn the_page_for_users_has_a_row_for_each_type() {
        let page = include_str!("../../../../docs/aws.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `AWS::")).collect();
        let expected: Vec<String> = all()
            .iter()
            .map(|of| {
                let found = match of.identity {
                    IdentityClass::Named(_) => "name",
                    IdentityClass::Token => "token",
                    IdentityClass::Tuple(_) => "tuple",
                    IdentityClass::Tagged => "tags",
                };
                let data = if of.holds_data { "| yes |" } else { "| |" };
                format!("| `{}` | {found} {data} ", of.name)
            })
            .collect();
        for (row, expected) in rows.iter().zip(&expected) {
            assert!(row.starts_with(expected), "docs/aws.md has: {row}\nand should have: {expected}");
        }
        assert_eq!(rows.len(), expected.len(), "docs/aws.md has a row for each type and no other");
    }
}
