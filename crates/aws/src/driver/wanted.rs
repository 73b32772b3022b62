//! Properties in and out: CloudFormation's schema on our side, the SDK's types on the other.

use landfall_core::resource::{Properties, Value};
use landfall_core::{Code, Error, Result};
use secrecy::{ExposeSecret, SecretString};

/// Reads wanted properties as the SDK's types. What is absent or null is `None`; CloudFormation takes numbers and truth
/// values as text too, and so does this.
pub(super) trait Wanted {
    /// The value at a dotted path.
    fn value(&self, path: &str) -> Option<&Value>;

    fn text(&self, path: &str) -> Option<String> {
        plain(self.value(path)?)
    }

    /// The text, which the schema requires.
    fn required(&self, path: &str) -> Result<String> {
        self.text(path).ok_or_else(|| {
            Error::new(Code::InvalidRequest, format!("a required property is missing: {path}"))
                .hint("set it as the CloudFormation schema of the type describes it")
        })
    }

    fn flag(&self, path: &str) -> Option<bool> {
        match self.value(path)? {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn number(&self, path: &str) -> Option<i32> {
        match self.value(path)? {
            Value::Integer(number) => i32::try_from(*number).ok(),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A list of texts, absent when there is no list.
    fn texts(&self, path: &str) -> Option<Vec<String>> {
        let list = self.value(path)?.as_list()?;
        Some(list.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
    }

    /// A list of maps, empty when there is none.
    fn maps(&self, path: &str) -> Vec<&Properties> {
        let list = self.value(path).and_then(Value::as_list).unwrap_or_default();
        list.iter().filter_map(Value::as_map).collect()
    }

    fn map(&self, path: &str) -> Option<&Properties> {
        self.value(path)?.as_map()
    }

    /// A secret's text, for the call that needs it.
    fn secret(&self, path: &str) -> Option<SecretString> {
        match self.value(path)? {
            Value::Secret(secret) => secret.value().map(|value| SecretString::from(value.expose_secret())),
            Value::Text(text) => Some(SecretString::from(text.as_str())),
            _ => None,
        }
    }

    /// A document such as a policy, as text: written as JSON where it is a map, taken as it is where it is text.
    fn document(&self, path: &str) -> Option<String> {
        match self.value(path)? {
            Value::Text(text) => Some(text.clone()),
            Value::Null => None,
            value => Some(value.to_json().to_string()),
        }
    }

    /// Refuses what is neither of these, for it would silently not be set.
    fn only(&self, known: &[&str]) -> Result<()>;

    /// Tags in a list of `{Key, Value}` in this property.
    fn tags(&self, path: &str) -> Vec<(String, String)> {
        let pairs = self.maps(path).into_iter();
        pairs.filter_map(|tag| Some((tag.text("Key")?, tag.text("Value").unwrap_or_default()))).collect()
    }

    /// Tags in a map in this property.
    fn tag_map(&self, path: &str) -> Vec<(String, String)> {
        let pairs = self.map(path).into_iter().flatten();
        pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    }
}

impl Wanted for Properties {
    fn value(&self, path: &str) -> Option<&Value> {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        self.get(first)?.at(rest).filter(|value| **value != Value::Null)
    }

    fn only(&self, known: &[&str]) -> Result<()> {
        match self.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                Err(Error::new(Code::InvalidRequest, format!("a property that the driver cannot set: {name}"))
                    .hint(format!("leave it out; beside it there may stand {}", known.join(", "))))
            }
        }
    }
}

/// A single value as text.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Whether the running version is the wanted one, which may be given without its last parts.
pub(super) fn is_version(wanted: &str, running: Option<&str>) -> bool {
    running.is_some_and(|running| {
        running.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Writes what the API shows as properties.
pub(super) trait Shown {
    /// Sets a property when there is a value.
    fn show<T: Into<Value>>(&mut self, name: &str, value: Option<T>);

    /// Sets a list of texts when it is not empty.
    fn show_texts(&mut self, name: &str, values: &[String]);

    /// Sets a property to the JSON of a document; text that is no JSON stays text.
    fn show_document(&mut self, name: &str, text: Option<&str>);

    /// Sets tags as a list of `{Key, Value}`, ordered by key, without those of the cloud's own (`aws:`).
    fn show_tags<K: Into<String>, V: Into<String>>(&mut self, name: &str, tags: impl IntoIterator<Item = (K, V)>);
}

impl Shown for Properties {
    fn show<T: Into<Value>>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.insert(name.to_owned(), value.into());
        }
    }

    fn show_texts(&mut self, name: &str, values: &[String]) {
        if !values.is_empty() {
            self.insert(name.to_owned(), values.iter().map(String::as_str).collect());
        }
    }

    fn show_document(&mut self, name: &str, text: Option<&str>) {
        let Some(text) = text else { return };
        let value = serde_json::from_str(text).map_or_else(|_| Value::from(text), Value::from_json);
        self.insert(name.to_owned(), value);
    }

    fn show_tags<K: Into<String>, V: Into<String>>(&mut self, name: &str, tags: impl IntoIterator<Item = (K, V)>) {
        let mut all: Vec<(String, String)> = tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        all.retain(|(key, _)| !key.starts_with("aws:"));
        all.sort();
        if !all.is_empty() {
            let list = all.into_iter().map(|(key, value)| landfall_core::map! { "Key" => key, "Value" => value });
            self.insert(name.to_owned(), list.collect());
        }
    }
}

/// What to do to the tags of an object so that they are as wanted: those to set, and the keys of those to take away.
/// Tags of the cloud's own (`aws:`) are left alone.
pub(super) fn retag(now: &[(String, String)], wanted: &[(String, String)]) -> (Vec<(String, String)>, Vec<String>) {
    let set = wanted.iter().filter(|tag| !now.contains(tag)).cloned().collect();
    let gone = now
        .iter()
        .filter(|(key, _)| !key.starts_with("aws:") && !wanted.iter().any(|(wanted, _)| wanted == key))
        .map(|(key, _)| key.clone())
        .collect();
    (set, gone)
}

/// Whether any of the changed paths is this property or lies beneath it.
pub(super) fn touches(changed: &[String], property: &str) -> bool {
    changed.iter().any(|path| path == property || path.strip_prefix(property).is_some_and(|rest| rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_may_be_given_without_its_last_parts() {
        assert!(is_version("17", Some("17.4")) && is_version("17.4", Some("17.4")));
        assert!(!is_version("1", Some("17.4")) && !is_version("17.4", Some("17.40")) && !is_version("17", None));
    }
}
