//! What differs between properties, path by path.

use std::collections::BTreeSet;

use super::Attribute;
use super::alike::{Mode, Path, alike, canonical, policies, tags};
use crate::resource::{Address, Properties, RESERVED_DOMAIN, RESERVED_PREFIX, Reference, ResourceType, Value};

/// One property that differs, and what the planner needs besides what it shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) attribute: Attribute,
    /// The property that a call would set.
    pub(super) property: String,
    /// Without indices.
    pub(super) plain: String,
    /// What was applied, when the cloud differs from it rather than from what is wanted.
    pub(super) drifted: Option<Value>,
    /// The resource that must be made or changed before the value is known.
    pub(super) awaits: Option<Address>,
}

impl Difference {
    /// Whether it is the address in the object's marks.
    pub(super) fn is_mark(&self) -> bool {
        let marks = [RESERVED_PREFIX, RESERVED_DOMAIN].map(|prefix| format!("{prefix}address"));
        marks.iter().any(|mark| self.attribute.path.ends_with(mark))
    }
}

/// Compares properties of one native type.
#[derive(Clone, Copy)]
pub(super) struct Compare<'a> {
    pub(super) of: &'a ResourceType,
    /// Whether the value of a reference changes with this plan.
    pub(super) fresh: &'a dyn Fn(&Reference) -> bool,
}

impl Compare<'_> {
    /// What is wanted against what was last applied.
    pub(super) fn applied(&self, before: &Properties, after: &Properties) -> Vec<Difference> {
        if before == after {
            return Vec::new();
        }
        let mut all = Vec::new();
        self.maps(&mut Path::default(), before, after, &mut all);
        all
    }

    /// What is set when it is made.
    pub(super) fn made(&self, after: &Properties) -> Vec<Attribute> {
        let mut all = Vec::with_capacity(after.len());
        let mut path = Path::default();
        for (key, after) in after {
            if *after != Value::Null && !self.of.is_foreign(key) {
                path.key(key, |path| all.push(self.attribute(path, None, Some(after), !after.is_known())));
            }
        }
        all
    }

    fn maps(&self, path: &mut Path, before: &Properties, after: &Properties, all: &mut Vec<Difference>) {
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            path.key(key, |path| self.walk(path, before.get(key), after.get(key), all));
        }
    }

    fn walk(&self, path: &mut Path, before: Option<&Value>, after: Option<&Value>, all: &mut Vec<Difference>) {
        let differ = match (before, after) {
            (Some(before), Some(after)) => !alike(self.of, path, before, Some(after), Mode::Exact),
            (Some(one), None) | (None, Some(one)) => *one != Value::Null,
            (None, None) => false,
        };
        if !differ || self.of.is_foreign(&path.plain) {
            return;
        }
        if let (Some(before), Some(after)) = (before, after) {
            if let Some((before, after)) = policies(before, after) {
                let (before, after) = (canonical(&before, false), canonical(&after, false));
                if let (Value::Map(before), Value::Map(after)) = (&before, &after) {
                    return path.whole(|path| self.maps(path, before, after, all));
                }
            }
            match (before, after) {
                (Value::Map(before), Value::Map(after)) => return self.maps(path, before, after, all),
                (Value::List(one), Value::List(two)) => {
                    if let (Some(before), Some(after)) = (tags(before), tags(after)) {
                        return path.whole(|path| self.maps(path, &before, &after, all));
                    }
                    if one.len() == two.len() && !self.of.is_set(&path.plain) {
                        for (index, (before, after)) in one.iter().zip(two).enumerate() {
                            path.index(index, |path| self.walk(path, Some(before), Some(after), all));
                        }
                        return;
                    }
                }
                _ => {}
            }
        }
        all.extend(self.difference(path, before, after, None));
    }

    fn difference(
        &self,
        path: &Path,
        before: Option<&Value>,
        after: Option<&Value>,
        drifted: Option<Value>,
    ) -> Option<Difference> {
        let mut awaits = None;
        let mut known = true;
        if let Some(after) = after {
            known = after.is_known();
            after.visit_references(&mut |reference| {
                if awaits.is_none() && (self.fresh)(reference) {
                    awaits = Some(reference.target.clone());
                }
            });
        }
        let single = matches!(after, Some(Value::Reference(_) | Value::Join(_) | Value::Stored { .. }));
        if single && !known && awaits.is_none() && before.is_some() {
            // The value is not known to the ledger, and nothing in this plan changes it: it stays as it is.
            return None;
        }
        Some(Difference {
            attribute: self.attribute(path, before, after, !known),
            property: path.property().to_owned(),
            plain: path.plain.clone(),
            drifted,
            awaits,
        })
    }

    fn attribute(&self, path: &Path, before: Option<&Value>, after: Option<&Value>, unknown: bool) -> Attribute {
        let secret = self.of.is_secret(&path.plain);
        let shown = |value: Option<&Value>| {
            let mut value = value.filter(|_| !secret)?.clone();
            let beneath = self.of.secrets.iter().filter_map(|path_of| beneath(&path.plain, path_of));
            beneath.for_each(|rest| mask(&mut value, rest));
            Some(value)
        };
        Attribute {
            path: path.shown.clone(),
            before: shown(before),
            after: shown(after),
            unknown,
            replaces: self.of.replaces_on(&path.plain),
            secret,
        }
    }

    /// What the cloud says against what it was told (`expected`), as far as it is wanted still. Properties that the cloud
    /// never returns count as different when `blind` is set, for then nobody knows what they are.
    pub(super) fn seen(
        &self,
        expected: &Properties,
        wanted: &Properties,
        found: &Properties,
        blind: bool,
    ) -> Vec<Difference> {
        let mut all = Vec::new();
        let looking = Looking { blind, expected_is_wanted: std::ptr::eq(expected, wanted) };
        self.seen_maps(&mut Path::default(), expected, wanted, found, looking, &mut all);
        all
    }

    fn seen_maps(
        &self,
        path: &mut Path,
        expected: &Properties,
        wanted: &Properties,
        found: &Properties,
        looking: Looking,
        all: &mut Vec<Difference>,
    ) {
        for (key, expected) in expected {
            let Some(wanted) = wanted.get(key) else { continue };
            // Most are the same, and need no path.
            if found.get(key) == Some(expected) {
                continue;
            }
            path.key(key, |path| self.seen_walk(path, expected, wanted, found.get(key), looking, all));
        }
    }

    fn seen_walk(
        &self,
        path: &mut Path,
        expected: &Value,
        wanted: &Value,
        found: Option<&Value>,
        looking: Looking,
        all: &mut Vec<Difference>,
    ) {
        let of = self.of;
        if found == Some(expected) || of.is_foreign(&path.plain) {
            return;
        }
        let hidden = of.ignores_drift(&path.plain)
            || of.is_secret(&path.plain)
            || matches!(expected, Value::Secret(_) | Value::Stored { .. });
        if hidden {
            if looking.blind && found.is_none() && *expected != Value::Null {
                all.extend(self.difference(path, None, Some(wanted), None));
            }
            return;
        }
        if let (Value::Map(expected), Value::Map(wanted)) = (expected, wanted) {
            let empty = Properties::new();
            let structured = match found {
                Some(Value::Map(found)) if !expected.contains_key("Statement") => Some(found),
                None if !expected.is_empty() && looking.blind => Some(&empty),
                _ => None,
            };
            if let Some(found) = structured {
                return self.seen_maps(path, expected, wanted, found, looking, all);
            }
        }
        if let (Some(expected), Some(wanted), Some(found)) = (tags(expected), tags(wanted), found.and_then(tags)) {
            return path.whole(|path| self.seen_maps(path, &expected, &wanted, &found, looking, all));
        }
        if alike(of, path, expected, found, Mode::Covers) {
            return;
        }
        if !looking.expected_is_wanted && !expected.is_known() {
            return;
        }
        if let (Value::List(one), Value::List(two), Some(Value::List(three))) = (expected, wanted, found)
            && one.len() == two.len()
            && one.len() == three.len()
            && !of.is_set(&path.plain)
        {
            for (index, ((expected, wanted), found)) in one.iter().zip(two).zip(three).enumerate() {
                path.index(index, |path| self.seen_walk(path, expected, wanted, Some(found), looking, all));
            }
            return;
        }
        let drifted = (!looking.blind).then(|| expected.clone());
        all.extend(self.difference(path, found, Some(wanted), drifted));
    }
}

/// The properties of an object that are not as they are wanted, as far as the cloud shows them: what a plan would call drift.
///
/// ```
/// use landfall_core::plan::unlike;
/// use landfall_core::properties;
/// use landfall_core::resource::ResourceType;
///
/// let wanted = properties! { "CidrBlock" => "10.0.0.0/16", "EnableDnsSupport" => true };
/// let found = properties! { "CidrBlock" => "10.0.0.0/16", "EnableDnsSupport" => false, "OwnerId" => "123456789012" };
/// assert!(unlike(&ResourceType::DEFAULT, &wanted, &found).into_iter().eq(["EnableDnsSupport"]));
/// ```
#[must_use]
pub fn unlike(of: &ResourceType, wanted: &Properties, found: &Properties) -> BTreeSet<String> {
    let compare = Compare { of, fresh: &|_| false };
    compare.seen(wanted, wanted, found, false).into_iter().map(|one| one.property).collect()
}

fn beneath<'p>(path: &str, listed: &'p str) -> Option<&'p str> {
    listed.strip_prefix(path)?.strip_prefix('.')
}

/// Replaces plain text at this path, and beneath it, by a word that says that it is secret.
pub(super) fn mask(value: &mut Value, path: &str) {
    match value {
        Value::List(list) => list.iter_mut().for_each(|value| mask(value, path)),
        Value::Map(map) if path.is_empty() => map.values_mut().for_each(|value| mask(value, path)),
        Value::Map(map) => {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            if let Some(value) = map.get_mut(first) {
                mask(value, rest);
            }
        }
        Value::Secret(_) | Value::Stored { .. } | Value::Reference(_) | Value::Null => {}
        _ if path.is_empty() => *value = Value::from("(secret)"),
        _ => {}
    }
}

#[derive(Clone, Copy)]
struct Looking {
    blind: bool,
    expected_is_wanted: bool,
}

/// Adds those of `more` that lie at no path that differs already.
pub(super) fn merge(all: &mut Vec<Difference>, more: Vec<Difference>) {
    for difference in more {
        if !all.iter().any(|known| overlaps(&known.attribute.path, &difference.attribute.path)) {
            all.push(difference);
        }
    }
    all.sort_by(|one, two| one.attribute.path.cmp(&two.attribute.path));
}

fn overlaps(one: &str, two: &str) -> bool {
    let (short, long) = if one.len() <= two.len() { (one, two) } else { (two, one) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{list, map, properties};

    const OF: ResourceType = ResourceType {
        replaces: &["Name", "Rules.Protocol"],
        sets: &["Cidrs"],
        secrets: &["Password"],
        write_only: &["Password"],
        foreign: &["Scaling.Desired"],
        ..ResourceType::DEFAULT
    };

    fn paths(all: &[Difference]) -> Vec<(&str, &str)> {
        all.iter().map(|one| (one.attribute.path.as_str(), one.property.as_str())).collect()
    }

    fn compare() -> Compare<'static> {
        Compare { of: &OF, fresh: &|_| false }
    }

    #[test]
    fn differences_are_found_where_they_are() {
        let before = properties! {
            "Name" => "a", "Rules" => list![map! { "Protocol" => "tcp", "Port" => 80 }], "Cidrs" => ["x", "y"],
            "Tags" => list![map! { "Key" => "team", "Value" => "a" }], "Gone" => 1,
            "Scaling" => map! { "Min" => 1, "Desired" => 3 },
        };
        let after = properties! {
            "Name" => "a", "Rules" => list![map! { "Protocol" => "udp", "Port" => 80 }], "Cidrs" => ["y", "x"],
            "Tags" => list![map! { "Key" => "team", "Value" => "b" }], "New" => 2,
            "Scaling" => map! { "Min" => 2, "Desired" => 1 },
        };
        let all = compare().applied(&before, &after);
        assert_eq!(
            paths(&all),
            [
                ("Gone", "Gone"),
                ("New", "New"),
                ("Rules.0.Protocol", "Rules"),
                ("Scaling.Min", "Scaling.Min"),
                ("Tags.team", "Tags")
            ]
        );
        assert!(all[2].attribute.replaces, "indices do not hide what replaces");
        assert!(compare().applied(&after, &after).is_empty());
    }

    #[test]
    fn policies_differ_by_structure() {
        let policy =
            |action: Value| properties! { "Policy" => map! { "Statement" => list![map! { "Action" => action }] } };
        let all = compare().applied(&policy("a".into()), &policy(list!["a", "b"]));
        assert_eq!(paths(&all), [("Policy.Statement.Action", "Policy")]);
        assert!(compare().applied(&policy("a".into()), &policy(list!["a"])).is_empty());
    }

    #[test]
    fn drift_is_only_what_is_wanted_and_visible() {
        let applied = properties! { "A" => 1, "Password" => "x", "Old" => 2, "Tags" => map! { "a" => "1" } };
        let wanted = properties! { "A" => 1, "Password" => "x", "Tags" => map! { "a" => "1" } };
        let found = properties! { "A" => 3, "Old" => 9, "Extra" => 1, "Tags" => map! { "a" => "1", "aws:x" => "2" } };
        let all = compare().seen(&applied, &wanted, &found, false);
        assert_eq!(paths(&all), [("A", "A")]);
        assert_eq!(all[0].attribute.before, Some(3.into()));
        assert_eq!(all[0].attribute.after, Some(1.into()));
    }

    #[test]
    fn secrets_keep_their_values_to_themselves() {
        let all = compare().applied(&properties! { "Password" => "a" }, &properties! { "Password" => "b" });
        assert!(all[0].attribute.secret);
        assert_eq!((&all[0].attribute.before, &all[0].attribute.after), (&None, &None));
    }
}
