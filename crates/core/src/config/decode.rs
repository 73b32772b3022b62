//! From trees to typed values, all errors at once.
//!
//! A type says in one place how it is read, what it expects, and what its JSON Schema is.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::{Value as Json, json};

use super::node::{Entry, Node, Value};
use super::report::{Finding, Report, assignment, quote};
use super::scalar::Rule;
use super::source::Mark;
use crate::Code;

/// A type that stands in a configuration file.
pub(super) trait Decode: Sized {
    /// Reads a value; `None` when it cannot be read, and the report says why.
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self>;

    /// The type's JSON Schema, draft 7.
    fn schema() -> Json;
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: Mark,
}

/// A list.
impl<T: Decode> Decode for Vec<Located<T>> {
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let Value::List(items) = &node.value else { return wrong(node, "a list", report) };
        let read = items.iter().enumerate().map(|(index, item)| {
            let at = Mark { end: item.at.start + 1, ..item.at };
            let value = report.within_item(index, at, |report| T::decode(item, report))?;
            Some(Located { value, at })
        });
        // All items are read before the first failure counts, so that each tells its errors.
        read.collect::<Vec<_>>().into_iter().collect()
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema() })
    }
}

/// A map whose keys the user chooses, by a rule.
#[derive(Debug)]
pub(super) struct Table<K, T>(pub(super) BTreeMap<String, Located<T>>, PhantomData<K>);

impl<K: Rule, T: Decode> Decode for Table<K, T> {
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let Value::Map(entries) = &node.value else { return wrong(node, "a map of names to values", report) };
        let read = entries.iter().filter(|entry| !entry.value.is_removed()).map(|entry| {
            let example = report.example_of_value();
            let value = report.within(&entry.key, example, entry.at, |report| T::decode(&entry.value, report));
            if let Err(meant) = K::check(&entry.key) {
                let hint = meant.map_or_else(|| "rename it".to_owned(), |meant| format!("write {meant}"));
                let message = format!("{} takes {}: {}", report.field(), K::WANTED, quote(&entry.key));
                let finding = Finding::new(K::CODE, entry.at, message, hint);
                report.error(if K::SECRET { finding.secret() } else { finding });
                return None;
            }
            Some((entry.key.clone(), Located { value: value?, at: entry.place() }))
        });
        let read: Option<_> = read.collect::<Vec<_>>().into_iter().collect();
        read.map(|entries| Self(entries, PhantomData))
    }

    fn schema() -> Json {
        json!({
            "type": "object",
            "propertyNames": { "pattern": K::PATTERN },
            "additionalProperties": T::schema(),
        })
    }
}

/// The fields of a section while it is read.
pub(super) struct Fields<'n> {
    entries: &'n [Entry],
    place: Mark,
    /// What unknown fields were probably meant to be.
    meant: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Opens a section that has these fields, each with an example.
    pub(super) fn open(
        node: &'n Node,
        fields: &[(&'static str, &'static str)],
        report: &mut Report<'_>,
    ) -> Option<Self> {
        let Value::Map(entries) = &node.value else { return wrong(node, "a map of fields", report) };
        let mut meant = Vec::new();
        let foreign = |entry: &&Entry| {
            !fields.iter().any(|(name, _)| *name == entry.key) && !entry.key.is_empty() && !entry.value.is_removed()
        };
        for entry in entries.iter().filter(foreign) {
            if report.is_full() {
                report.error(Finding::new(Code::UnknownField, entry.at, "unknown field", "remove it"));
                continue;
            }
            let near = nearest(&entry.key, fields.iter().map(|(name, _)| *name));
            let near = near.and_then(|near| fields.iter().find(|(name, _)| *name == near));
            let finding = unknown(entry, fields, near, report);
            report.error(finding);
            meant.extend(near.map(|(name, _)| *name));
        }
        let start = Mark { end: node.at.start, ..node.at };
        Some(Self { entries, place: report.place().unwrap_or(start), meant })
    }

    /// Reads one field.
    pub(super) fn take<T: Decode>(
        &self,
        name: &'static str,
        example: &'static str,
        required: bool,
        report: &mut Report<'_>,
    ) -> Option<Located<T>> {
        let entry = self.entries.iter().find(|entry| entry.key == name);
        let Some(entry) = entry.filter(|entry| !entry.value.is_removed()) else {
            // A name that is only misspelt is told once.
            if required && !self.meant.contains(&name) {
                let place = entry.map_or(self.place, |removed| removed.at);
                let message = match report.path() {
                    path if path.is_empty() => format!("a field is missing: {name}"),
                    path => format!("a field is missing: {path}.{name}"),
                };
                report.error(Finding::new(
                    Code::MissingField,
                    place,
                    message,
                    format!("add {}", assignment(name, example)),
                ));
            }
            return None;
        };
        let value = report.within(name, example, entry.at, |report| {
            if is_template(&entry.value, report) { None } else { T::decode(&entry.value, report) }
        })?;
        Some(Located { value, at: entry.place() })
    }
}

/// Whether somebody expects a variable or a template to be replaced here, which is an error.
fn is_template(node: &Node, report: &mut Report<'_>) -> bool {
    let Some(text) = node.text().filter(|text| text.contains("${") || text.contains("{{")) else { return false };
    let message = format!("variables and templates are not replaced: {}", quote(text));
    let hint = "write the value; what differs goes into deployment-config.<environment>.yaml";
    report.error(Finding::new(Code::InvalidValue, node.at, message, hint));
    true
}

/// Declares sections: a struct of optional, located fields with its reader and its schema.
macro_rules! sections {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident {
            $($(#[doc = $about:literal])* $key:literal $field:ident: $type:ty = $example:literal $($required:ident)?;)*
        }
    )*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug)]
        pub(super) struct $name {
            $($(#[doc = $about])* pub(super) $field: Option<$crate::config::decode::Located<$type>>,)*
        }

        impl $crate::config::decode::Decode for $name {
            fn decode(
                node: &$crate::config::node::Node,
                report: &mut $crate::config::report::Report<'_>,
            ) -> Option<Self> {
                let fields = $crate::config::decode::Fields::open(node, &[$(($key, $example)),*], report)?;
                Some(Self {
                    $($field: fields.take::<$type>($key, $example, false $(|| { stringify!($required); true })?, report),)*
                })
            }

            fn schema() -> serde_json::Value {
                $crate::config::schema::section(
                    &[$($doc),*],
                    vec![$($crate::config::schema::Field {
                        name: $key,
                        about: &[$($about),*],
                        example: $example,
                        required: false $(|| { stringify!($required); true })?,
                        schema: <$type as $crate::config::decode::Decode>::schema(),
                    }),*],
                )
            }
        }
    )*};
}
pub(super) use sections;

/// Declares how an enum stands in a file: one word for each of its values, and words by which others call it.
macro_rules! choices {
    ($($type:ty { $($text:literal $(or $other:literal)* => $value:expr),* $(,)? })*) => {$(
        impl $crate::config::decode::Decode for $type {
            fn decode(
                node: &$crate::config::node::Node,
                report: &mut $crate::config::report::Report<'_>,
            ) -> Option<Self> {
                $crate::config::decode::choose(node, &[$(($text, &[$($other),*], $value)),*], report)
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({ "enum": [$($text),*] })
            }
        }
    )*};
}
pub(super) use choices;

/// The value that a word stands for.
pub(super) fn choose<T: Clone>(
    node: &Node,
    choices: &[(&'static str, &[&str], T)],
    report: &mut Report<'_>,
) -> Option<T> {
    let known = || choices.iter().map(|(known, ..)| *known);
    let text = match node.text() {
        Some(text) if !node.is_nothing() => text,
        _ => return wrong(node, &format!("one of {}", known().collect::<Vec<_>>().join(", ")), report),
    };
    if let Some((.., value)) = choices.iter().find(|(known, ..)| *known == text) {
        return Some(value.clone());
    }
    let all = known().collect::<Vec<_>>().join(", ");
    let other = choices.iter().find(|(_, others, _)| others.contains(&text.to_ascii_lowercase().as_str()));
    let hint = match other.map(|(known, ..)| *known).or_else(|| nearest(text, known())) {
        Some(near) => format!("write {}; the values are {all}", assignment(report.field(), near)),
        None => format!("the values are {all}"),
    };
    let message = format!("not a value of {}: {}", report.field(), quote(text));
    report.error(Finding::new(Code::UnknownVariant, node.at, message, hint));
    None
}

/// Reports that something else was expected.
pub(super) fn wrong<T>(node: &Node, wanted: &str, report: &mut Report<'_>) -> Option<T> {
    // Braces of a template make a map without names, which is told already.
    if node.entries().iter().any(|entry| entry.key.is_empty()) {
        return None;
    }
    let (found, at) = describe(node, report);
    let hint = report.example();
    let message = format!("{} takes {wanted}, found {found}", report.subject());
    report.error(Finding::new(Code::WrongType, at, message, hint));
    None
}

/// What stands somewhere, in words, and the place to point to.
pub(super) fn describe(node: &Node, report: &Report<'_>) -> (String, Mark) {
    match &node.value {
        Value::List(_) => ("a list".to_owned(), Mark { end: node.at.start + 1, ..node.at }),
        Value::Map(_) => ("a map".to_owned(), Mark { end: node.at.start + 1, ..node.at }),
        Value::Removed => ("nothing".to_owned(), node.at),
        Value::Scalar { .. } if node.is_nothing() => ("nothing".to_owned(), report.place().unwrap_or(node.at)),
        Value::Scalar { text, plain: false } => (format!("text in quotes: \"{}\"", quote(text)), node.at),
        Value::Scalar { text, .. } => {
            let sort = match text.as_str() {
                "true" | "false" => "a truth value",
                text if text.parse::<f64>().is_ok() && text.starts_with(|c: char| c.is_ascii_digit()) => "a number",
                _ => "text",
            };
            (format!("{sort}: {}", quote(text)), node.at)
        }
    }
}

/// The known name that is most like this one, when one is.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > 40 {
        return None;
    }
    let plain = |text: &str| text.replace(['_', '-', ' '], "").to_lowercase();
    let wanted = plain(name);
    let distance = |candidate: &str| {
        let candidate = plain(candidate);
        // A word of which one is the beginning of the other is near, however long the rest.
        let begins = wanted.len() >= 3 && (candidate.starts_with(&wanted) || wanted.starts_with(&candidate));
        if begins { 1 } else { strsim::damerau_levenshtein(&wanted, &candidate) }
    };
    known
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().min(name.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn unknown(entry: &Entry, fields: &[(&str, &str)], near: Option<&(&str, &str)>, report: &Report<'_>) -> Finding {
    let key = &entry.key;
    let message = match report.path() {
        path if path.is_empty() => format!("unknown field: {}", quote(key)),
        path => format!("unknown field in {path}: {}", quote(key)),
    };
    let elsewhere = super::schema::places(key);
    let hint = if key == "<<" {
        "merge keys are not read: write the fields out, or put what differs into deployment-config.<environment>.yaml"
            .to_owned()
    } else if let [place] = &elsewhere[..] {
        format!("move it to {place}")
    } else if let Some((name, example)) = near {
        if example.is_empty() { format!("write {name}") } else { format!("write {name}, as in {name}: {example}") }
    } else if !elsewhere.is_empty() {
        format!("move it to where it is meant: {}", elsewhere.join(", "))
    } else {
        let all: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        format!("remove it; the fields here are {}", all.join(", "))
    };
    Finding::new(Code::UnknownField, entry.at, message, hint)
}
