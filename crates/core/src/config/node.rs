//! A YAML document as a tree in which every key and value knows its place.

use std::sync::Arc;

use super::source::Mark;

/// A value. Aliases share their target, so a tree is never larger in memory than its file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Mark,
    pub(super) value: Value,
    /// How many nodes it would be with all aliases written out.
    pub(super) weight: usize,
    /// How many levels are beneath it, itself included.
    pub(super) depth: usize,
}

#[derive(Debug)]
pub(super) enum Value {
    /// Text as it was written; `plain` when it stands without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Arc<Node>>),
    Map(Vec<Entry>),
    /// What an overlay removed, at the place where it did.
    Removed,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Mark,
    pub(super) value: Arc<Node>,
}

impl Node {
    pub(super) fn scalar(at: Mark, text: String, plain: bool) -> Self {
        Self { at, value: Value::Scalar { text, plain }, weight: 1, depth: 1 }
    }

    pub(super) fn list(at: Mark, items: Vec<Arc<Self>>) -> Self {
        let (weight, depth) = measure(items.iter());
        Self { at, value: Value::List(items), weight, depth }
    }

    pub(super) fn map(at: Mark, entries: Vec<Entry>) -> Self {
        let (weight, depth) = measure(entries.iter().map(|entry| &entry.value));
        Self { at, value: Value::Map(entries), weight, depth }
    }

    pub(super) fn removed(at: Mark) -> Self {
        Self { at, value: Value::Removed, weight: 1, depth: 1 }
    }

    pub(super) fn is_removed(&self) -> bool {
        matches!(self.value, Value::Removed)
    }

    /// Whether nothing stands here: an empty value, `null` or `~`.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Whether `null` was written out.
    pub(super) fn is_null(&self) -> bool {
        self.is_nothing() && !matches!(&self.value, Value::Scalar { text, .. } if text.is_empty())
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) | Value::Removed => None,
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } | Value::List(_) | Value::Removed => &[],
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }
}

impl Entry {
    /// The place that stands for the field: its value when that is one word, else its key.
    pub(super) fn place(&self) -> Mark {
        match &self.value.value {
            Value::Scalar { .. } if !self.value.is_nothing() => self.value.at,
            _ => self.at,
        }
    }
}

fn measure<'a>(children: impl Iterator<Item = &'a Arc<Node>>) -> (usize, usize) {
    let mut measured = (1_usize, 0);
    for child in children {
        measured = (measured.0.saturating_add(child.weight), measured.1.max(child.depth));
    }
    (measured.0, measured.1 + 1)
}
