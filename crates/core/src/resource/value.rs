//! Property values: JSON, plus what JSON cannot say before an apply: references, secrets, the target.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use super::{Address, Properties};
use crate::secret::Secret;

/// A value of a native property.
///
/// ```
/// use landfall_core::{properties, resource::Value};
///
/// let properties = properties! { "CidrBlock" => "10.0.0.0/16", "EnableDnsSupport" => true, "Ports" => [443, 80] };
/// assert_eq!(properties["CidrBlock"], Value::from("10.0.0.0/16"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// JSON's null.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Number(f64),
    /// Text.
    Text(String),
    /// A list. Whether its order counts is said by the resource type.
    List(Vec<Value>),
    /// A map.
    Map(Properties),
    /// An attribute of another native resource.
    Reference(Reference),
    /// Parts joined into one text.
    Join(Vec<Value>),
    /// A fact of the target that the stack is applied to.
    Target(TargetField),
    /// A secret of the caller.
    Secret(Secret),
    /// A secret that the cloud keeps: the driver reads `key` (or the whole text, when empty) of the secret with this id
    /// at the moment of the call. CloudFormation calls it a dynamic reference.
    Stored {
        /// Id of the secret in the cloud's secret store.
        secret: Box<Value>,
        /// The key within the secret's JSON text.
        key: String,
    },
}

/// An attribute of another native resource, known once that one exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference {
    /// The resource.
    pub target: Address,
    /// The attribute; the type's identifier when empty (CloudFormation's `Ref`).
    pub attribute: String,
}

/// A fact of the target that the stack is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetField {
    /// The account, subscription or project.
    Account,
    /// The region.
    Region,
    /// The partition, such as `aws`.
    Partition,
}

impl Value {
    /// Text, if it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The map, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Properties> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The value at a path such as `spec.template.0.name`.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').filter(|step| !step.is_empty()).try_fold(self, |value, step| match value {
            Self::Map(map) => map.get(step),
            Self::List(list) => list.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Calls `visit` for each reference in the value.
    pub fn visit_references(&self, visit: &mut dyn FnMut(&Reference)) {
        match self {
            Self::Reference(reference) => visit(reference),
            Self::List(list) | Self::Join(list) => list.iter().for_each(|value| value.visit_references(visit)),
            Self::Map(map) => map.values().for_each(|value| value.visit_references(visit)),
            Self::Stored { secret, .. } => secret.visit_references(visit),
            _ => {}
        }
    }

    /// The same value with each reference and target field replaced by what `resolve` says; `None` leaves it as it is.
    /// Joins whose parts are all known become text.
    #[must_use]
    pub fn resolve(&self, resolve: &dyn Fn(&Value) -> Option<Value>) -> Value {
        self.resolved(resolve).unwrap_or_else(|| self.clone())
    }

    /// [`Value::resolve`], or nothing when that changes nothing.
    pub(super) fn resolved(&self, resolve: &dyn Fn(&Value) -> Option<Value>) -> Option<Value> {
        match self {
            Self::Reference(_) | Self::Target(_) => resolve(self),
            Self::List(list) => {
                let mut changed = None;
                for (index, value) in list.iter().enumerate() {
                    if let Some(value) = value.resolved(resolve) {
                        changed.get_or_insert_with(|| list.clone())[index] = value;
                    }
                }
                changed.map(Self::List)
            }
            Self::Map(map) => map.resolved(resolve).map(Self::Map),
            Self::Stored { secret, key } => {
                secret.resolved(resolve).map(|secret| Self::Stored { secret: Box::new(secret), key: key.clone() })
            }
            Self::Join(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| part.resolve(resolve)).collect();
                let text: Option<String> = parts
                    .iter()
                    .map(|part| match part {
                        Self::Text(text) => Some(text.clone()),
                        Self::Integer(number) => Some(number.to_string()),
                        Self::Bool(value) => Some(value.to_string()),
                        _ => None,
                    })
                    .collect();
                Some(text.map_or(Self::Join(parts), Self::Text))
            }
            _ => None,
        }
    }

    /// Whether no reference, target field or unfinished join is left in it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match self {
            Self::Reference(_) | Self::Target(_) | Self::Join(_) => false,
            Self::List(list) => list.iter().all(Self::is_known),
            Self::Map(map) => map.values().all(Self::is_known),
            Self::Stored { secret, .. } => secret.is_known(),
            _ => true,
        }
    }

    /// As JSON. What JSON has no word for becomes a map with one key that starts with `$`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => json!(value),
            Self::Integer(value) => json!(value),
            Self::Number(value) => json!(value),
            Self::Text(value) => json!(value),
            Self::List(list) => list.iter().map(Self::to_json).collect(),
            Self::Map(map) => map.iter().map(|(key, value)| (key.clone(), value.to_json())).collect(),
            Self::Reference(Reference { target, attribute }) => json!({ "$ref": format!("{target}#{attribute}") }),
            Self::Join(parts) => json!({ "$join": parts.iter().map(Self::to_json).collect::<Vec<_>>() }),
            Self::Target(field) => json!({ "$target": field }),
            Self::Secret(secret) => json!({ "$secret": [secret.name(), secret.fingerprint()] }),
            Self::Stored { secret, key } => json!({ "$stored": [secret.to_json(), key] }),
        }
    }

    /// The reverse of [`Value::to_json`]. A map that only looks like one of ours stays a map.
    #[must_use]
    pub fn from_json(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => {
                number.as_i64().map_or_else(|| Self::Number(number.as_f64().unwrap_or_default()), Self::Integer)
            }
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(list) => Self::List(list.into_iter().map(Self::from_json).collect()),
            serde_json::Value::Object(map) => {
                if map.len() == 1
                    && let Some((key, value)) = map.iter().next()
                    && let Some(special) = Self::special(key, value)
                {
                    return special;
                }
                Self::Map(map.into_iter().map(|(key, value)| (key, Self::from_json(value))).collect())
            }
        }
    }

    fn special(key: &str, value: &serde_json::Value) -> Option<Self> {
        match key {
            "$ref" => {
                let (target, attribute) = value.as_str()?.split_once('#')?;
                Some(Self::Reference(Reference { target: target.parse().ok()?, attribute: attribute.to_owned() }))
            }
            "$join" => Some(Self::Join(value.as_array()?.iter().cloned().map(Self::from_json).collect())),
            "$target" => Some(Self::Target(serde_json::from_value(value.clone()).ok()?)),
            "$secret" => Some(Self::Secret(Secret::remembered(value.get(0)?.as_str()?, value.get(1)?.as_str()?))),
            "$stored" => Some(Self::Stored {
                secret: Box::new(Self::from_json(value.get(0)?.clone())),
                key: value.get(1)?.as_str()?.to_owned(),
            }),
            _ => None,
        }
    }
}

/// Writes what [`Value::to_json`] makes, without making it.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn only<S: Serializer>(serializer: S, key: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(key, value)?;
            map.end()
        }
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(list) => list.serialize(serializer),
            Self::Map(map) => map.serialize(serializer),
            Self::Reference(reference) => only(serializer, "$ref", &Written(reference)),
            Self::Join(parts) => only(serializer, "$join", parts),
            Self::Target(field) => only(serializer, "$target", field),
            Self::Secret(secret) => only(serializer, "$secret", &[secret.name(), secret.fingerprint()]),
            Self::Stored { secret, key } => only(serializer, "$stored", &(secret, key)),
        }
    }
}

/// A reference as text.
struct Written<'a>(&'a Reference);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Reference { target, attribute } = self.0;
        serializer.collect_str(&format_args!("{target}#{attribute}"))
    }
}

/// Reads what [`Value::from_json`] reads, without making JSON of it first.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from_json(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from_json(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut all = Vec::with_capacity(list.size_hint().unwrap_or_default().min(1024));
        while let Some(value) = list.next_element()? {
            all.push(value);
        }
        Ok(Value::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if all.is_empty() && key.starts_with('$') {
                // It may be a word of ours, which is the only one in its map.
                let value: serde_json::Value = map.next_value()?;
                let special = Value::special(&key, &value);
                all.insert(key, Value::from_json(value));
                match (map.next_key::<String>()?, special) {
                    (None, Some(special)) => return Ok(special),
                    (None, None) => break,
                    (Some(key), _) => all.insert(key, map.next_value()?),
                };
            } else {
                all.insert(key, map.next_value()?);
            }
        }
        Ok(Value::Map(all.into()))
    }
}

macro_rules! from {
    ($($source:ty => $make:expr;)*) => {
        $(impl From<$source> for Value {
            fn from(value: $source) -> Self {
                ($make)(value)
            }
        })*
    };
}

from! {
    bool => Value::Bool;
    i64 => Value::Integer;
    i32 => |value| Value::Integer(i64::from(value));
    u32 => |value| Value::Integer(i64::from(value));
    u16 => |value| Value::Integer(i64::from(value));
    f64 => Value::Number;
    String => Value::Text;
    &str => |value: &str| Value::Text(value.to_owned());
    &String => |value: &String| Value::Text(value.clone());
    Properties => Value::Map;
    BTreeMap<String, Value> => |map: BTreeMap<String, Value>| Value::Map(map.into());
    Reference => Value::Reference;
    Secret => Value::Secret;
    TargetField => Value::Target;
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(list: [T; N]) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(list: I) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

/// Makes [`Properties`] from `"Name" => value` pairs; values are anything that converts into a [`Value`].
#[macro_export]
macro_rules! properties {
    ($($name:expr => $value:expr),* $(,)?) => {
        $crate::resource::Properties::from([$((::std::string::String::from($name), $crate::resource::Value::from($value))),*])
    };
}

/// Makes a [`Value`] map from `"Name" => value` pairs.
#[macro_export]
macro_rules! map {
    ($($name:expr => $value:expr),* $(,)?) => {
        $crate::resource::Value::Map($crate::properties!($($name => $value),*))
    };
}

/// Makes a [`Value`] list from values of different types.
#[macro_export]
macro_rules! list {
    ($($value:expr),* $(,)?) => {
        $crate::resource::Value::List(::std::vec![$($crate::resource::Value::from($value)),*])
    };
}

/// Makes a [`Value`] text joined from parts of different types, some of which may be references.
#[macro_export]
macro_rules! join {
    ($($value:expr),* $(,)?) => {
        $crate::resource::Value::Join(::std::vec![$($crate::resource::Value::from($value)),*])
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let address = || "aws/network/core/vpc".parse::<Address>().unwrap();
        let secret = Secret::new("password", SecretString::from("canary"), &SecretString::from("key"));
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            proptest::num::f64::ANY.prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
            "[A-Z][a-z.]{0,8}".prop_map(move |attribute| Value::Reference(Reference { target: address(), attribute })),
            Just(Value::from(TargetField::Account)),
            Just(Value::from(secret)),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let key = prop_oneof!["[A-Za-z]{0,4}", "\\$(ref|join|target|secret|stored|other)"];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Join),
                proptest::collection::btree_map(key, inner.clone(), 0..4).prop_map(|map| Value::Map(map.into())),
                (inner, "[a-z]{0,4}").prop_map(|(secret, key)| Value::Stored { secret: Box::new(secret), key }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_the_value_as_json_byte_by_byte(value in any_value()) {
            prop_assert_eq!(serde_json::to_string(&value).unwrap(), value.to_json().to_string());
            prop_assert_eq!(serde_json::to_value(&value).unwrap(), value.to_json());
        }

        #[test]
        fn what_is_read_is_the_value_of_the_json(value in any_value()) {
            let text = value.to_json().to_string();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), Value::from_json(json.clone()));
            prop_assert_eq!(serde_json::from_value::<Value>(json.clone()).unwrap(), Value::from_json(json));
        }
    }

    #[test]
    fn numbers_beyond_whole_ones_of_64_bits_keep_their_size() {
        for text in
            ["18446744073709551615", "9223372036854775808", "-9223372036854775809", "1e400", "-0", "-0.0", "1.0"]
        {
            let (Ok(read), Ok(json)) = (serde_json::from_str::<Value>(text), serde_json::from_str(text)) else {
                assert_eq!(text, "1e400");
                continue;
            };
            assert_eq!(read, Value::from_json(json), "{text}");
        }
    }
}
