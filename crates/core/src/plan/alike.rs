//! When two values mean the same to a cloud although they are written differently.
//!
//! - Lists whose order does not count are compared as sets.
//! - A list of `{Key, Value}` is a map: the order of tags does not count.
//! - A policy (a map with `Statement`, or JSON text) is compared by its structure: a single element and a list of one are
//!   the same, and the order within lists does not count.
//! - Numbers, truth values and their text are the same, as are `1` and `1.0`.
//! - Null is the same as absence. When a wanted value is compared with what a cloud says, so is whatever is at its zero
//!   value (`0`, `false`, empty), because clouds leave such values out.

use crate::resource::{Properties, ResourceType, Value};

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Both are ours.
    Exact,
    /// The second is the cloud's word: it may say more than the first.
    Covers,
}

/// Where a walk through properties stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    /// With indices, such as `Rules.0.Port`.
    pub(super) shown: String,
    /// Without indices, such as `Rules.Port`: what tables of native types name.
    pub(super) plain: String,
    /// How much of `shown` stands before the first list: the property that a call sets as a whole.
    settable: Option<usize>,
}

impl Path {
    /// Runs `visit` one key deeper.
    pub(super) fn key<T>(&mut self, key: &str, visit: impl FnOnce(&mut Self) -> T) -> T {
        let lengths = (self.shown.len(), self.plain.len());
        for text in [&mut self.shown, &mut self.plain] {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(key);
        }
        let result = visit(self);
        self.shown.truncate(lengths.0);
        self.plain.truncate(lengths.1);
        result
    }

    /// Runs `visit` one element deeper.
    pub(super) fn index<T>(&mut self, index: usize, visit: impl FnOnce(&mut Self) -> T) -> T {
        let (length, settable) = (self.shown.len(), self.settable);
        self.settable.get_or_insert(length);
        self.shown.push_str(&format!(".{index}"));
        let result = visit(self);
        self.shown.truncate(length);
        self.settable = settable;
        result
    }

    /// Runs `visit` with everything beneath counted as a part of this property.
    pub(super) fn whole<T>(&mut self, visit: impl FnOnce(&mut Self) -> T) -> T {
        let settable = self.settable;
        self.settable.get_or_insert(self.shown.len());
        let result = visit(self);
        self.settable = settable;
        result
    }

    /// The property that a call would set: the path up to its first list.
    pub(super) fn property(&self) -> &str {
        &self.shown[..self.settable.unwrap_or(self.shown.len())]
    }
}

/// Whether `first` and `second` mean the same at this path.
pub(super) fn alike(of: &ResourceType, path: &mut Path, first: &Value, second: Option<&Value>, mode: Mode) -> bool {
    let Some(second) = second else {
        return *first == Value::Null || (mode == Mode::Covers && is_zero(first));
    };
    if first == second {
        return true;
    }
    if mode == Mode::Covers && (matches!(first, Value::Secret(_) | Value::Stored { .. })) {
        // What the cloud says in the place of a secret cannot be compared with it.
        return true;
    }
    if let Some((first, second)) = policies(first, second) {
        let (first, second) = (canonical(&first, true), canonical(&second, true));
        return first == second || inner(of, path, &first, &second, mode);
    }
    inner(of, path, first, second, mode)
}

fn inner(of: &ResourceType, path: &mut Path, first: &Value, second: &Value, mode: Mode) -> bool {
    match (first, second) {
        (Value::Map(first), Value::Map(second)) => maps(of, path, first, second, mode),
        (Value::List(one), Value::List(two)) => match (tags(first), tags(second)) {
            (Some(first), Some(second)) => maps(of, path, &first, &second, mode),
            _ if of.is_set(&path.plain) => sets(of, path, one, two, mode),
            _ => {
                one.len() == two.len()
                    && one.iter().zip(two).all(|(first, second)| alike(of, path, first, Some(second), mode))
            }
        },
        _ => scalars(first, second) || (mode == Mode::Covers && *second == Value::Null && is_zero(first)),
    }
}

fn maps(of: &ResourceType, path: &mut Path, first: &Properties, second: &Properties, mode: Mode) -> bool {
    let more = second.iter().filter(|(key, value)| !first.contains_key(*key) && **value != Value::Null).count();
    (mode == Mode::Covers || more == 0)
        && first.iter().all(|(key, value)| path.key(key, |path| alike(of, path, value, second.get(key), mode)))
}

/// Each element of the first has a partner of its own in the second, and none is left over.
fn sets(of: &ResourceType, path: &mut Path, first: &[Value], second: &[Value], mode: Mode) -> bool {
    if first.len() != second.len() {
        return false;
    }
    let mut free: Vec<&Value> = second.iter().collect();
    first.iter().all(|value| match free.iter().position(|candidate| alike(of, path, value, Some(candidate), mode)) {
        Some(index) => {
            free.swap_remove(index);
            true
        }
        None => false,
    })
}

fn scalars(first: &Value, second: &Value) -> bool {
    match (first, second) {
        (Value::Text(text), other) | (other, Value::Text(text)) => match other {
            Value::Integer(number) => text.parse::<i64>().is_ok_and(|parsed| parsed == *number),
            Value::Number(number) => text.parse::<f64>().is_ok_and(|parsed| parsed == *number),
            Value::Bool(value) => text.parse::<bool>().is_ok_and(|parsed| parsed == *value),
            _ => false,
        },
        #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 a fraction cannot be written either")]
        (Value::Integer(whole), Value::Number(number)) | (Value::Number(number), Value::Integer(whole)) => {
            *whole as f64 == *number
        }
        _ => false,
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Integer(0) => true,
        Value::Number(number) => *number == 0.0,
        Value::Text(text) => text.is_empty(),
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.values().all(is_zero),
        _ => false,
    }
}

/// A list of `{Key, Value}` as a map. An empty list is an empty map of tags.
pub(super) fn tags(value: &Value) -> Option<Properties> {
    let list = value.as_list()?;
    let mut all = Properties::new();
    for tag in list {
        let tag = tag.as_map().filter(|tag| tag.len() == 2)?;
        let duplicate = all.insert(tag.get("Key")?.as_str()?.to_owned(), tag.get("Value")?.clone());
        if duplicate.is_some() {
            return None;
        }
    }
    Some(all)
}

/// Both as structures, when they are policies or JSON text.
pub(super) fn policies(first: &Value, second: &Value) -> Option<(Value, Value)> {
    let is_policy = |value: &Value| value.as_map().is_some_and(|map| map.contains_key("Statement"));
    let is_text = |value: &Value| matches!(value, Value::Text(_));
    let either = is_policy(first) || is_policy(second) || (is_text(first) && is_text(second));
    let mixed = matches!((first, second), (Value::Map(_), Value::Text(_)) | (Value::Text(_), Value::Map(_)));
    if !either && !mixed {
        return None;
    }
    Some((structure(first)?, structure(second)?))
}

fn structure(value: &Value) -> Option<Value> {
    match value {
        Value::Text(text) if text.starts_with(['{', '[']) => serde_json::from_str(text).ok().map(Value::from_json),
        Value::Map(_) => Some(value.clone()),
        _ => None,
    }
}

/// A policy with lists of one element unwrapped and lists of plain values sorted; with `all`, every list sorted.
pub(super) fn canonical(value: &Value, all: bool) -> Value {
    match value {
        Value::Map(map) => Value::Map(map.iter().map(|(key, value)| (key.clone(), canonical(value, all))).collect()),
        Value::List(list) => {
            let mut list: Vec<Value> = list.iter().map(|value| canonical(value, all)).collect();
            if all || !list.iter().any(|value| matches!(value, Value::Map(_))) {
                list.sort_by_cached_key(|value| value.to_json().to_string());
            }
            if list.len() == 1 { list.remove(0) } else { Value::List(list) }
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        Value::from_json(serde_json::from_str(text).unwrap())
    }

    fn check(first: &str, second: &str, mode: Mode) -> bool {
        let of = ResourceType { sets: &["Ports", "Rules", "Rules.Cidrs"], ..ResourceType::DEFAULT };
        alike(&of, &mut Path::default(), &json(first), Some(&json(second)), mode)
    }

    #[test]
    fn values_that_mean_the_same_are_alike() {
        for (first, second) in [
            ("[1,2]", "[1,2]"),
            (r#"{"Port":5432}"#, r#"{"Port":"5432"}"#),
            (r#"{"On":true}"#, r#"{"On":"true"}"#),
            (r#"{"Size":1}"#, r#"{"Size":1.0}"#),
            (r#"{"A":null}"#, "{}"),
            (r#"{"Ports":[1,2]}"#, r#"{"Ports":[2,1]}"#),
            (r#"{"Rules":[{"P":1,"Cidrs":["a","b"]},{"P":2}]}"#, r#"{"Rules":[{"P":2},{"P":1,"Cidrs":["b","a"]}]}"#),
            (
                r#"{"Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}"#,
                r#"{"Tags":[{"Key":"b","Value":"2"},{"Key":"a","Value":"1"}]}"#,
            ),
            (
                r#"{"Policy":{"Statement":[{"Action":"s3:Get"}]}}"#,
                r#"{"Policy":"{\"Statement\":{\"Action\":[\"s3:Get\"]}}"}"#,
            ),
            (r#""{\"a\":1, \"b\":2}""#, r#""{\"b\":2,\"a\":1}""#),
        ] {
            assert!(check(first, second, Mode::Exact), "{first} {second}");
            assert!(check(first, second, Mode::Covers), "{first} {second}");
        }
    }

    #[test]
    fn the_cloud_may_say_more_but_not_less() {
        for (wanted, found) in [
            (r#"{"A":{"B":1}}"#, r#"{"A":{"B":1,"Default":7},"Other":2}"#),
            (r#"{"A":false,"B":0,"C":"","D":[],"E":{}}"#, "{}"),
            (r#"{"Tags":[{"Key":"a","Value":"1"}]}"#, r#"{"Tags":[{"Key":"a","Value":"1"},{"Key":"x","Value":"y"}]}"#),
        ] {
            assert!(check(wanted, found, Mode::Covers), "{wanted} {found}");
            assert!(!check(wanted, found, Mode::Exact), "{wanted} {found}");
        }
        for (wanted, found) in [
            (r#"{"A":1}"#, "{}"),
            (r#"{"Ports":[1,2]}"#, r#"{"Ports":[1,2,3]}"#),
            (r#"{"List":[1,2]}"#, r#"{"List":[2,1]}"#),
            (r#"{"A":"1.0x"}"#, r#"{"A":1}"#),
        ] {
            assert!(!check(wanted, found, Mode::Covers), "{wanted} {found}");
        }
    }
}
