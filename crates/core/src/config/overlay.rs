//! Laying the files of an environment over a base.

use std::sync::Arc;

use super::node::{Entry, Node, Value};
use super::report::{Finding, Report, quote};
use super::source::Mark;
use crate::Code;

/// The documents of a base with those of an overlay on top, matched by `metadata.name`.
pub(super) fn lay(base: Vec<Arc<Node>>, overlay: &[Arc<Node>], report: &mut Report<'_>) -> Vec<Arc<Node>> {
    let mut merged = base;
    for document in overlay {
        let target = match name_of(document) {
            Some((name, at)) => {
                let found = merged.iter().position(|base| name_of(base).is_some_and(|(base, _)| base == name));
                if found.is_none() {
                    report.error(unknown(name, at, &merged));
                }
                found
            }
            None if merged.len() == 1 => Some(0),
            None => {
                let at = Mark { end: document.at.start, ..document.at };
                let message = "the file beneath holds several services, and this names none: metadata.name";
                report.error(Finding::new(Code::MissingField, at, message, "add `metadata: { name: textnlp }`"));
                None
            }
        };
        if let Some(target) = target.and_then(|index| merged.get_mut(index)) {
            *target = merge(target, document, report);
        }
    }
    merged
}

/// One value over another.
fn merge(base: &Arc<Node>, over: &Arc<Node>, report: &mut Report<'_>) -> Arc<Node> {
    match (&base.value, &over.value) {
        (Value::Map(below), Value::Map(above)) => Arc::new(Node::map(base.at, merge_maps(below, above, report))),
        (Value::List(below), Value::List(above)) if named(below) && named(above) => {
            let mut items = below.clone();
            for item in above {
                let same = |other: &&mut Arc<Node>| text_of(other, "name") == text_of(item, "name");
                match items.iter_mut().find(same) {
                    Some(existing) => *existing = merge(existing, item, report),
                    None => items.push(item.clone()),
                }
            }
            Arc::new(Node::list(base.at, items))
        }
        _ => over.clone(),
    }
}

fn merge_maps(below: &[Entry], above: &[Entry], report: &mut Report<'_>) -> Vec<Entry> {
    let mut entries = below.to_vec();
    for entry in above {
        let existing = entries.iter().position(|below| below.key == entry.key && !below.value.is_removed());
        match existing {
            Some(index) if entry.value.is_null() => {
                entries[index] = Entry { value: Arc::new(Node::removed(entry.at)), ..entry.clone() };
            }
            Some(index) => {
                let value = merge(&entries[index].value, &entry.value, report);
                let at = if matches!(value.value, Value::Scalar { .. }) { entry.at } else { entries[index].at };
                entries[index] = Entry { key: entry.key.clone(), at, value };
            }
            None if entry.value.is_null() => {
                let known = below.iter().map(|entry| entry.key.as_str());
                let hint = match super::decode::nearest(&entry.key, known) {
                    Some(near) => format!("write {near}: null"),
                    None => "remove the line".to_owned(),
                };
                let message = format!("nothing to remove in the file beneath: {}", quote(&entry.key));
                report.error(Finding::new(Code::UnknownField, entry.at, message, hint));
            }
            None => {
                entries.retain(|below| below.key != entry.key);
                entries.push(entry.clone());
            }
        }
    }
    entries
}

fn named(items: &[Arc<Node>]) -> bool {
    items.iter().all(|item| text_of(item, "name").is_some())
}

fn text_of<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.get(key)?.value.text()
}

fn name_of(document: &Node) -> Option<(&str, Mark)> {
    let entry = document.get("metadata")?.value.get("name")?;
    Some((entry.value.text()?, entry.value.at))
}

fn unknown(name: &str, at: Mark, documents: &[Arc<Node>]) -> Finding {
    let known: Vec<&str> = documents.iter().filter_map(|document| name_of(document)).map(|(name, _)| name).collect();
    let hint = match super::decode::nearest(name, known.iter().copied()) {
        Some(near) => format!("write name: {near}"),
        None => format!("an overlay changes services of the file beneath: {}", known.join(", ")),
    };
    Finding::new(
        Code::UnknownReference,
        at,
        format!("the overlay is for no service of the file beneath: {}", quote(name)),
        hint,
    )
}
