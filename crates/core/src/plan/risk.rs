//! How dangerous a change is: the worst of what it may do.

use super::diff::Difference;
use super::{Change, Risk};
use crate::resource::ResourceType;

/// Words in the names of types whose objects say who may do what.
const ACCESS: &[&str] =
    &["::IAM::", "SecurityGroup", "Policy", "Role", "NetworkAcl", "Firewall", "AccessEntry", "Grant"];
/// Words in the names of properties that say how much is paid for.
const SIZE: &[&str] = &[
    "Class",
    "Size",
    "Type",
    "Storage",
    "Iops",
    "Throughput",
    "Count",
    "Num",
    "Replicas",
    "Capacity",
    "replicas",
    "Nodes",
];

/// The risk of changing an object of this type. A leftover is one that nothing uses any more.
pub(super) fn risk(of: &ResourceType, change: Change, differences: &[Difference], leftover: bool) -> Risk {
    let destroys = matches!(change, Change::Delete | Change::ReplaceCreateFirst | Change::ReplaceDeleteFirst);
    if destroys && of.holds_data {
        return Risk::DataLoss;
    }
    let interrupts = match change {
        Change::Delete => !leftover,
        Change::ReplaceDeleteFirst => true,
        Change::Update | Change::Adopt => differences.iter().any(|one| of.interrupts(&one.plain)),
        _ => false,
    };
    if interrupts {
        return Risk::Downtime;
    }
    let changes = match change {
        Change::Settle | Change::Forget | Change::Protection | Change::Move => false,
        Change::Adopt => !differences.is_empty(),
        _ => true,
    };
    if changes && (is_access(of) || differences.iter().any(|one| of.is_security(&one.plain))) {
        return Risk::Security;
    }
    let paid = match change {
        Change::Create => true,
        Change::Update | Change::Adopt => differences.iter().any(|one| is_size(&one.plain)),
        _ => destroys,
    };
    if paid && of.billed { Risk::Money } else { Risk::None }
}

fn is_access(of: &ResourceType) -> bool {
    of.security == ["*"] || ACCESS.iter().any(|word| of.name.contains(word))
}

fn is_size(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    SIZE.iter().any(|word| last.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts() {
        let plain = ResourceType::DEFAULT;
        let data = ResourceType { holds_data: true, billed: true, ..ResourceType::DEFAULT };
        let role = ResourceType { name: "AWS::IAM::Role".into(), billed: true, ..ResourceType::DEFAULT };
        let billed = ResourceType { billed: true, ..ResourceType::DEFAULT };
        for (of, change, leftover, expected) in [
            (&data, Change::Delete, true, Risk::DataLoss),
            (&data, Change::ReplaceCreateFirst, false, Risk::DataLoss),
            (&data, Change::Create, false, Risk::Money),
            (&plain, Change::Delete, false, Risk::Downtime),
            (&plain, Change::Delete, true, Risk::None),
            (&billed, Change::Delete, true, Risk::Money),
            (&plain, Change::ReplaceDeleteFirst, false, Risk::Downtime),
            (&plain, Change::ReplaceCreateFirst, false, Risk::None),
            (&role, Change::Create, false, Risk::Security),
            (&role, Change::Forget, false, Risk::None),
            (&data, Change::Settle, false, Risk::None),
        ] {
            assert_eq!(risk(of, change, &[], leftover), expected, "{change:?} of {}", of.name);
        }
    }
}
