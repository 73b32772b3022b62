//! Where entries stand in a store.
//!
//! `{project}-{environment}/entries/{u64::MAX - number, 20 digits}.json`: counting down makes the newest entry the first
//! of a listing in order, so one page of any object store finds it.

use crate::resource::StackId;

const SUFFIX: &str = ".json";
const DIGITS: usize = 20;

/// Whether a key has the form of an entry's: its last segment is 20 digits and `.json`. Other objects below a ledger's
/// prefix (left by editors and file managers) are passed over.
///
/// ```
/// use landfall_core::ledger::is_entry_key;
///
/// assert!(is_entry_key("inferloop-dev/entries/18446744073709551614.json"));
/// assert!(!is_entry_key("inferloop-dev/entries/.DS_Store"));
/// ```
#[must_use]
pub fn is_entry_key(key: &str) -> bool {
    number(key).is_some()
}

/// What the keys of all entries of a stack start with.
pub(super) fn entries(stack: &StackId) -> String {
    format!("{stack}/entries/")
}

/// The key of one entry.
pub(super) fn entry(stack: &StackId, number: u64) -> String {
    format!("{stack}/entries/{:0DIGITS$}{SUFFIX}", u64::MAX - number)
}

/// The key that put-if-absent is tried on.
pub(super) fn probe(stack: &StackId) -> String {
    format!("{stack}/probe")
}

/// The key that says since when the stack of an entry is encrypted.
#[cfg(feature = "encryption")]
pub(super) fn encrypted(entry: &str) -> String {
    let stack = entry.split_once('/').map_or(entry, |(stack, _)| stack);
    format!("{stack}/encrypted")
}

/// The key of the entry before; `None` for the first.
#[cfg(feature = "encryption")]
pub(super) fn previous(entry: &str) -> Option<String> {
    let before = number(entry)?.checked_sub(1).filter(|before| *before > 0)?;
    let (place, _) = entry.rsplit_once('/')?;
    Some(format!("{place}/{:0DIGITS$}{SUFFIX}", u64::MAX - before))
}

/// The number of the entry with this key.
pub(super) fn number(key: &str) -> Option<u64> {
    let name = key.rsplit('/').next()?.strip_suffix(SUFFIX)?;
    let all_digits = name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    let number = u64::MAX - name.parse::<u64>().ok().filter(|_| all_digits)?;
    (number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_entries_come_first_in_a_listing() {
        let stack = StackId::new("inferloop", "dev");
        let numbers = [1, 2, 9, 10, 99, 1_000_000, u64::MAX];
        for pair in numbers.windows(2) {
            assert!(entry(&stack, pair[1]) < entry(&stack, pair[0]), "{pair:?}");
        }
        for of in numbers {
            assert_eq!(number(&entry(&stack, of)), Some(of));
            assert!(entry(&stack, of).starts_with(&entries(&stack)));
        }
    }

    #[test]
    fn strangers_are_not_entries() {
        for key in [
            "",
            ".json",
            "a/b",
            "s/entries/18446744073709551615.json",
            "s/entries/18446744073709551616.json",
            "s/entries/1844674407370955161.json",
            "s/entries/+1844674407370955161.json",
            "s/entries/18446744073709551614.json#1",
        ] {
            assert_eq!(number(key), None, "{key}");
        }
    }
}
