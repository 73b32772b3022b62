//! What can be taken back, what it costs, and how long a change takes something away.

use serde::{Deserialize, Serialize};

use super::diff::Difference;
use super::{Change, Span};
use crate::resource::{ResourceType, Usual};

/// Whether a change can be taken back by another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Undo {
    /// It can, and nothing is lost. What is made anew has another id.
    #[default]
    Reversible,
    /// It can, and something is lost: the cloud keeps what was there for a while, people must bring it back.
    ReversibleWithLoss,
    /// It cannot: data goes with the object, or the cloud knows no way back.
    Irreversible,
}

/// The class of a change of an object of this type.
pub(super) fn undo(of: &ResourceType, change: Change, differences: &[Difference]) -> Undo {
    let destroys = matches!(change, Change::Delete | Change::ReplaceCreateFirst | Change::ReplaceDeleteFirst);
    if destroys && of.holds_data {
        return if of.recoverable { Undo::ReversibleWithLoss } else { Undo::Irreversible };
    }
    let in_place = matches!(change, Change::Update | Change::Adopt);
    if in_place && differences.iter().any(|one| of.is_one_way(&one.plain)) {
        return Undo::Irreversible;
    }
    Undo::Reversible
}

/// How long what the object serves is away. Nothing when it is there all the time, and for a delete, from which it does
/// not come back.
pub(super) fn outage(
    old: &ResourceType,
    new: &ResourceType,
    change: Change,
    differences: &[Difference],
) -> Option<Span> {
    match change {
        Change::ReplaceDeleteFirst => Some(span(old.delete).then(span(new.create))),
        Change::Update | Change::Adopt if differences.iter().any(|one| new.interrupts(&one.plain)) => {
            Some(span(new.update))
        }
        _ => None,
    }
}

pub(super) fn span(usual: Usual) -> Span {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Span { low: millis(usual.low), typical: millis(usual.typical), high: millis(usual.high) }
}

impl Span {
    /// This and then another one.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            low: self.low.saturating_add(next.low),
            typical: self.typical.saturating_add(next.typical),
            high: self.high.saturating_add(next.high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Attribute;

    fn difference(path: &str) -> Difference {
        Difference {
            attribute: Attribute::changed(path, 1_i64.into(), 2_i64.into()),
            property: path.to_owned(),
            plain: path.to_owned(),
            drifted: None,
            awaits: None,
        }
    }

    #[test]
    fn what_is_lost_says_so() {
        let plain = ResourceType { one_way: &["Version"], ..ResourceType::DEFAULT };
        let data = ResourceType { holds_data: true, ..plain.clone() };
        let kept = ResourceType { recoverable: true, ..data.clone() };
        let version = [difference("Version")];
        let name = [difference("Name")];
        for (of, change, differences, expected) in [
            (&plain, Change::Create, &[][..], Undo::Reversible),
            (&plain, Change::Delete, &[], Undo::Reversible),
            (&plain, Change::ReplaceDeleteFirst, &[], Undo::Reversible),
            (&plain, Change::Update, &name, Undo::Reversible),
            (&plain, Change::Update, &version, Undo::Irreversible),
            (&plain, Change::Adopt, &version, Undo::Irreversible),
            (&plain, Change::Move, &version, Undo::Reversible),
            (&data, Change::Create, &[], Undo::Reversible),
            (&data, Change::Delete, &[], Undo::Irreversible),
            (&data, Change::ReplaceCreateFirst, &[], Undo::Irreversible),
            (&kept, Change::Delete, &[], Undo::ReversibleWithLoss),
            (&data, Change::Forget, &[], Undo::Reversible),
        ] {
            assert_eq!(undo(of, change, differences), expected, "{change:?}");
        }
    }

    #[test]
    fn only_what_is_away_has_an_outage() {
        let of = ResourceType {
            downtime: &["Class"],
            create: Usual::seconds(10, 20, 30),
            update: Usual::seconds(5, 6, 7),
            delete: Usual::seconds(1, 2, 3),
            ..ResourceType::DEFAULT
        };
        let of_change = |change, path| outage(&of, &of, change, &[difference(path)]);
        let replaced = Span { low: 11_000, typical: 22_000, high: 33_000 };
        assert_eq!(of_change(Change::ReplaceDeleteFirst, "Name"), Some(replaced));
        assert_eq!(of_change(Change::ReplaceCreateFirst, "Class"), None);
        assert_eq!(of_change(Change::Update, "Class").map(|span| span.typical), Some(6_000));
        assert_eq!(of_change(Change::Update, "Name"), None);
        assert_eq!(of_change(Change::Delete, "Class"), None);
    }
}
