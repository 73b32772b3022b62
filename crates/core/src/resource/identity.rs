//! How a native resource is found again, and whose it is.

use serde::{Deserialize, Serialize};

use sha2::{Digest, Sha256};

use super::{Address, IdentityClass, Properties, ResourceType, StackId, TagStyle, Value};

/// Prefix of the tag keys that are Landfall's own.
pub const RESERVED_PREFIX: &str = "landfall:";
/// Prefix of the Kubernetes label and annotation keys that are Landfall's own.
pub const RESERVED_DOMAIN: &str = "landfall.dev/";

/// All that a driver needs to find, make or delete one native object.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Where it stands in the stack.
    pub address: Address,
    /// The native type's name.
    pub type_name: String,
    /// How many times the address has been replaced.
    pub generation: u32,
    /// The cloud's id, once known.
    pub id: Option<String>,
    /// How it is found when the id is not known.
    pub claim: Claim,
    /// The cluster whose API it lives in, for Kubernetes objects: the cluster's address.
    pub cluster: Option<Address>,
}

/// How an object is found when its id is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// Class A: by its name, with the place it is unique in.
    Name(Vec<String>),
    /// Class B: by the token of its create, else by its marks.
    Token(String),
    /// Class C: by these properties.
    Tuple(Vec<(String, Value)>),
    /// Class D: by its marks alone.
    Marks,
}

/// What ownership is written as: on each object, in the cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// The stack it belongs to, printed.
    pub stack: String,
    /// Its address.
    pub address: Address,
    /// How many times the address has been replaced.
    pub generation: u32,
}

/// Whose an observed object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It bears this stack's marks.
    Ours(Marks),
    /// It bears another stack's marks, or none although its type can.
    Foreign,
    /// Its type cannot bear marks: it belongs to whoever owns its parent.
    Inherited,
}

impl Claim {
    /// How an object of this type with these (resolved) properties is found again.
    ///
    /// The token of class B is a hash of stack, address and generation, so that every replica asks with the same one.
    #[must_use]
    pub fn of(of: &ResourceType, stack: &StackId, address: &Address, generation: u32, properties: &Properties) -> Self {
        let at = |path: &str| {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            properties.get(first).and_then(|value| value.at(rest)).cloned().unwrap_or_default()
        };
        match of.identity {
            IdentityClass::Named(paths) => {
                Self::Name(paths.iter().map(|path| at(path).as_str().unwrap_or_default().to_owned()).collect())
            }
            IdentityClass::Tuple(paths) => {
                Self::Tuple(paths.iter().map(|path| ((*path).to_owned(), at(path))).collect())
            }
            IdentityClass::Token => Self::Token(Self::token(stack, address, generation)),
            IdentityClass::Tagged => Self::Marks,
        }
    }

    /// The token of a create: 32 hexadecimal digits that are the same for the same object of the same stack, and for no other.
    #[must_use]
    pub fn token(stack: &StackId, address: &Address, generation: u32) -> String {
        let text = format!("{stack}/{address}@{generation}");
        crate::graph::hex(&Sha256::digest(text.as_bytes())[..16])
    }
}

impl Marks {
    /// The marks of one resource.
    #[must_use]
    pub fn new(stack: &StackId, address: &Address, generation: u32) -> Self {
        Self { stack: stack.to_string(), address: address.clone(), generation }
    }

    /// Writes the marks and the user's tags into the properties, where the type carries them.
    /// Marks win over tags of the same key.
    pub fn write(
        &self,
        of: &ResourceType,
        tags: &std::collections::BTreeMap<String, String>,
        properties: &mut Properties,
    ) {
        let generation = self.generation.to_string();
        if of.tags == TagStyle::Kubernetes {
            let Value::Map(metadata) =
                properties.entry("metadata".into()).or_insert_with(|| Value::Map(Properties::new()))
            else {
                return;
            };
            let mut put = |place: &str, key: String, value: &str| {
                if let Value::Map(map) = metadata.entry(place.into()).or_insert_with(|| Value::Map(Properties::new())) {
                    map.insert(key, value.into());
                }
            };
            put("labels", "app.kubernetes.io/managed-by".into(), "landfall");
            put("labels", format!("{RESERVED_DOMAIN}stack"), &self.stack);
            put("annotations", format!("{RESERVED_DOMAIN}address"), self.address.as_str());
            put("annotations", format!("{RESERVED_DOMAIN}generation"), &generation);
            return;
        }
        let mut all = tags.clone();
        all.insert(format!("{RESERVED_PREFIX}stack"), self.stack.clone());
        all.insert(format!("{RESERVED_PREFIX}address"), self.address.to_string());
        all.insert(format!("{RESERVED_PREFIX}generation"), generation);
        let list = |all: std::collections::BTreeMap<String, String>| -> Value {
            all.into_iter().map(|(key, value)| crate::map! { "Key" => key, "Value" => value }).collect()
        };
        match of.tags {
            TagStyle::List(property) => {
                merge_list(properties, property, &mut all);
                properties.insert(property.into(), list(all));
            }
            TagStyle::Map(property) => {
                if let Some(Value::Map(own)) = properties.get(property) {
                    for (key, value) in own {
                        all.entry(key.clone()).or_insert_with(|| value.as_str().unwrap_or_default().to_owned());
                    }
                }
                properties.insert(property.into(), Value::Map(all.into_iter().map(|(k, v)| (k, v.into())).collect()));
            }
            TagStyle::Specifications(resource) => {
                properties.insert(
                    "TagSpecifications".into(),
                    crate::list![crate::map! { "ResourceType" => resource, "Tags" => list(all) }],
                );
            }
            TagStyle::None | TagStyle::Kubernetes => {}
        }
    }

    /// Reads marks from an object's properties. `None` when it bears none.
    #[must_use]
    pub fn read(of: &ResourceType, properties: &Properties) -> Option<Self> {
        let find = |key: &str| -> Option<String> {
            match of.tags {
                TagStyle::None => None,
                TagStyle::List(property) => tag(properties.get(property)?, key),
                TagStyle::Map(property) => Some(properties.get(property)?.as_map()?.get(key)?.as_str()?.to_owned()),
                TagStyle::Specifications(_) => tag(properties.get("TagSpecifications")?.at("0.Tags")?, key),
                TagStyle::Kubernetes => {
                    let place = if key.ends_with("stack") { "labels" } else { "annotations" };
                    let key = key.replace(RESERVED_PREFIX, RESERVED_DOMAIN);
                    Some(properties.get("metadata")?.as_map()?.get(place)?.as_map()?.get(&key)?.as_str()?.to_owned())
                }
            }
        };
        Some(Self {
            stack: find(&format!("{RESERVED_PREFIX}stack"))?,
            address: find(&format!("{RESERVED_PREFIX}address"))?.parse().ok()?,
            generation: find(&format!("{RESERVED_PREFIX}generation"))?.parse().ok()?,
        })
    }
}

fn tag(list: &Value, key: &str) -> Option<String> {
    let found = list.as_list()?.iter().find(|tag| tag.at("Key").and_then(Value::as_str) == Some(key))?;
    Some(found.at("Value")?.as_str()?.to_owned())
}

fn merge_list(properties: &Properties, property: &str, all: &mut std::collections::BTreeMap<String, String>) {
    for own in properties.get(property).and_then(Value::as_list).unwrap_or_default() {
        if let (Some(key), Some(value)) =
            (own.at("Key").and_then(Value::as_str), own.at("Value").and_then(Value::as_str))
        {
            all.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_objects_own_and_the_same_each_time() {
        let of = ResourceType { identity: IdentityClass::Token, ..ResourceType::DEFAULT };
        let claim = |stack: &str, address: &str, generation| {
            let address = address.parse().unwrap();
            Claim::of(&of, &StackId::new("inferloop", stack), &address, generation, &Properties::new())
        };
        let first = claim("dev", "aws/network/core/nat-a", 0);
        assert!(matches!(&first, Claim::Token(token) if token.len() == 32));
        assert_eq!(first, claim("dev", "aws/network/core/nat-a", 0), "nothing random is in it");
        for other in [
            claim("dev", "aws/network/core/nat-a", 1),
            claim("dev", "aws/network/core/nat-b", 0),
            claim("prod", "aws/network/core/nat-a", 0),
        ] {
            assert_ne!(first, other);
        }
    }
}
