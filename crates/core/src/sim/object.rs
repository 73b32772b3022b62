//! One object of the simulated cloud.

use std::collections::BTreeSet;
use std::time::Duration;

use super::shape::{at, plain};
use crate::driver::{Health, Observed};
use crate::resource::{
    Address, Api, Claim, IdentityClass, Marks, Ownership, Properties, ResourceType, StackId, TagStyle, Value,
};
use crate::secret::Secret;

/// An object as it stands in the simulated cloud, whoever made it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SimObject {
    /// The native type's name.
    pub type_name: String,
    /// The cloud's id.
    pub id: String,
    /// Its properties, without the bytes of secrets.
    pub properties: Properties,
    /// Its outputs.
    pub outputs: Properties,
    /// What its marks say.
    pub marks: Option<Marks>,
    /// The address it was made for, whether or not its type can bear marks.
    pub address: Option<Address>,
    /// Whether it is usable.
    pub health: Health,
    /// The id of the cluster it lives in, for Kubernetes objects.
    pub cluster: Option<String>,
    pub(super) serial: u64,
}

/// An object of the simulated cloud that is meant: by its id where that is the only one, or the object itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which(pub(super) Named);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Id(String),
    Serial(u64),
}

impl From<&str> for Which {
    fn from(id: &str) -> Self {
        Self(Named::Id(id.to_owned()))
    }
}

impl From<&String> for Which {
    fn from(id: &String) -> Self {
        Self(Named::Id(id.clone()))
    }
}

impl From<&SimObject> for Which {
    fn from(object: &SimObject) -> Self {
        Self(Named::Serial(object.serial))
    }
}

/// An object with all that the cloud itself knows of it.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// Counts objects in the order in which they were made.
    pub(super) serial: u64,
    /// Names it for everything that is drawn by chance.
    pub(super) slot: String,
    pub(super) type_name: String,
    pub(super) id: String,
    /// The address it was made for.
    pub(super) address: Option<Address>,
    /// The cluster it lives in.
    pub(super) cluster: Option<u64>,
    pub(super) properties: Properties,
    pub(super) outputs: Properties,
    pub(super) phase: Phase,
    /// Whether only what it is found by was set.
    pub(super) unfinished: bool,
    /// When it was made.
    pub(super) born: Duration,
    /// From when on reads by id or name see it.
    pub(super) visible: Duration,
    /// From when on reads by tags see it.
    pub(super) indexed: Duration,
}

/// What the cloud does with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Creating(Work),
    Updating(Work),
    Deleting(Work),
    Ready,
    /// It was never made whole.
    Failed(String),
}

/// Something that takes time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) since: Duration,
    pub(super) until: Duration,
    /// The reason it will fail with.
    pub(super) failure: Option<String>,
}

impl Phase {
    /// What is under way.
    pub(super) fn work(&self) -> Option<&Work> {
        match self {
            Self::Creating(work) | Self::Updating(work) | Self::Deleting(work) => Some(work),
            Self::Ready | Self::Failed(_) => None,
        }
    }
}

impl Object {
    /// Every text by which other objects name this one.
    pub(super) fn texts(&self) -> BTreeSet<&str> {
        let mut all = Vec::new();
        self.outputs.values().for_each(|value| leaves(value, &mut all));
        all.push(&self.id);
        all.into_iter().filter(|text| !text.is_empty()).collect()
    }

    pub(super) fn marks(&self, of: &ResourceType) -> Option<Marks> {
        Marks::read(of, &self.properties)
    }

    /// Whose it is, as a driver of this stack sees it.
    pub(super) fn owner(&self, of: &ResourceType, stack: &StackId) -> Ownership {
        match self.marks(of) {
            Some(marks) if marks.stack == stack.to_string() => Ownership::Ours(marks),
            None if of.tags == TagStyle::None => Ownership::Inherited,
            _ => Ownership::Foreign,
        }
    }

    /// The object as a read returns it.
    pub(super) fn observed(&self, of: &ResourceType, stack: &StackId, health: Health) -> Observed {
        let mut properties = self.properties.clone();
        for path in of.write_only {
            remove(&mut properties, path);
        }
        add_defaults(of, &self.id, &mut properties);
        Observed {
            id: self.id.clone(),
            properties,
            outputs: self.outputs.clone(),
            owner: self.owner(of, stack),
            health,
        }
    }
}

/// What the first of several calls sets: all that the object is found by, and what cannot be changed in place.
pub(super) fn begun(of: &ResourceType, properties: &Properties) -> Properties {
    let identity = match of.identity {
        IdentityClass::Named(paths) | IdentityClass::Tuple(paths) => paths,
        IdentityClass::Token | IdentityClass::Tagged => &[],
    };
    let tags = match of.tags {
        TagStyle::List(property) | TagStyle::Map(property) => property,
        TagStyle::Specifications(_) => "TagSpecifications",
        TagStyle::Kubernetes | TagStyle::None => "",
    };
    let parents = of.parents.iter().map(|(path, _)| *path);
    let kept: BTreeSet<&str> = parents
        .chain(identity.iter().chain(of.replaces).chain(of.write_only).chain(of.secrets).copied())
        .map(|path| path.split('.').next().unwrap_or(path))
        .chain([tags])
        .collect();
    let whole = of.api == Api::Kubernetes || of.replaces == ["*"];
    let all = properties.iter().filter(|(name, _)| whole || kept.contains(name.as_str()));
    all.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The key under which an object is the only one: its name and place, or its tuple. `None` for other classes.
pub(super) fn key(of: &ResourceType, cluster: Option<u64>, properties: &Properties) -> Option<String> {
    let value = |path: &&str| at(properties, path).cloned().unwrap_or_default();
    match of.identity {
        IdentityClass::Named(paths) => name_key(of, cluster, paths.iter().map(|path| plain(&value(path)))),
        IdentityClass::Tuple(paths) => Some(tuple_key(of, cluster, paths.iter().map(value))),
        _ => None,
    }
}

/// The key that a claim stands for.
pub(super) fn claimed(of: &ResourceType, cluster: Option<u64>, claim: &Claim) -> Option<String> {
    match (claim, of.identity) {
        (Claim::Name(names), _) => name_key(of, cluster, names.iter().cloned()),
        (Claim::Tuple(values), IdentityClass::Tuple(paths)) => {
            let value = |path: &&str| values.iter().find(|(name, _)| name == path).map(|(_, value)| value.clone());
            Some(tuple_key(of, cluster, paths.iter().map(|path| value(path).unwrap_or_default())))
        }
        _ => None,
    }
}

/// The texts at a dotted path, through all items of lists on the way.
pub(super) fn texts_at<'a>(properties: &'a Properties, path: &str) -> Vec<&'a str> {
    fn walk<'a>(value: &'a Value, steps: &[&str], all: &mut Vec<&'a str>) {
        match (steps.split_first(), value) {
            (None, _) => leaves(value, all),
            (Some(_), Value::List(list)) => list.iter().for_each(|item| walk(item, steps, all)),
            (Some((step, rest)), Value::Map(map)) => {
                if let Some(value) = map.get(*step) {
                    walk(value, rest, all);
                }
            }
            _ => {}
        }
    }
    let steps: Vec<&str> = path.split('.').collect();
    let mut all = Vec::new();
    if let Some(value) = properties.get(steps[0]) {
        walk(value, &steps[1..], &mut all);
    }
    all
}

/// Every text within a value.
pub(super) fn leaves<'a>(value: &'a Value, all: &mut Vec<&'a str>) {
    match value {
        Value::Text(text) => all.push(text),
        Value::List(list) | Value::Join(list) => list.iter().for_each(|value| leaves(value, all)),
        Value::Map(map) => map.values().for_each(|value| leaves(value, all)),
        Value::Stored { secret, .. } => leaves(secret, all),
        _ => {}
    }
}

/// The same value without the bytes of secrets.
pub(super) fn masked(value: &Value) -> Value {
    match value {
        Value::Secret(secret) => Value::Secret(Secret::remembered(secret.name(), secret.fingerprint())),
        Value::List(list) => Value::List(list.iter().map(masked).collect()),
        Value::Join(list) => Value::Join(list.iter().map(masked).collect()),
        Value::Map(map) => Value::Map(masked_all(map)),
        other => other.clone(),
    }
}

/// [`masked`] for a whole map.
pub(super) fn masked_all(map: &Properties) -> Properties {
    map.iter().map(|(name, value)| (name.clone(), masked(value))).collect()
}

/// Where a reference or a fact of the target was left unresolved.
pub(super) fn unresolved(properties: &Properties) -> Option<String> {
    fn find(value: &Value) -> bool {
        match value {
            Value::Reference(_) | Value::Target(_) => true,
            Value::List(list) | Value::Join(list) => list.iter().any(find),
            Value::Map(map) => map.values().any(find),
            Value::Stored { secret, .. } => find(secret),
            _ => false,
        }
    }
    properties.iter().find(|(_, value)| find(value)).map(|(name, _)| name.clone())
}

/// Puts a value at a dotted path, making maps on the way; `false` when something other than a map or list is there.
pub(super) fn put(properties: &mut Properties, path: &str, value: Value) -> bool {
    let mut steps = path.split('.').peekable();
    let Some(first) = steps.next() else { return false };
    let mut place = properties.entry(first.to_owned()).or_default();
    for step in steps {
        if *place == Value::Null {
            *place = Value::Map(Properties::new());
        }
        place = match place {
            Value::Map(map) => map.entry(step.to_owned()).or_default(),
            Value::List(list) => match step.parse::<usize>().ok().and_then(|index| list.get_mut(index)) {
                Some(place) => place,
                None => return false,
            },
            _ => return false,
        };
    }
    *place = value;
    true
}

/// Takes away what is at a dotted path, in all items of lists on the way.
pub(super) fn remove(properties: &mut Properties, path: &str) {
    fn within(value: &mut Value, path: &str) {
        match value {
            Value::Map(map) => remove(map, path),
            Value::List(list) => list.iter_mut().for_each(|value| within(value, path)),
            _ => {}
        }
    }
    match path.split_once('.') {
        None => {
            properties.remove(path);
        }
        Some((first, rest)) => {
            if let Some(value) = properties.get_mut(first) {
                within(value, rest);
            }
        }
    }
}

fn name_key(of: &ResourceType, cluster: Option<u64>, names: impl Iterator<Item = String>) -> Option<String> {
    // A place that is left out, such as the namespace of an object that has none, does not count.
    let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    (!names.is_empty()).then(|| format!("{} {} {}", of.name, place(cluster), names.join("\u{1f}")))
}

fn tuple_key(of: &ResourceType, cluster: Option<u64>, values: impl Iterator<Item = Value>) -> String {
    let values: Vec<_> = values.map(|value| value.to_json()).collect();
    format!("{} {} {}", of.name, place(cluster), serde_json::Value::Array(values))
}

fn place(cluster: Option<u64>) -> String {
    cluster.map(|serial| serial.to_string()).unwrap_or_default()
}

/// Things that servers fill in, so that whoever compares learns to look at what was asked for alone.
fn add_defaults(of: &ResourceType, id: &str, properties: &mut Properties) {
    let mut default = |name: &str, value: Value| {
        properties.entry(name.to_owned()).or_insert(value);
    };
    match (of.api, &*of.name) {
        (_, "AWS::EC2::VPC") => default("InstanceTenancy", "default".into()),
        (_, "AWS::IAM::Role") => default("MaxSessionDuration", 3600.into()),
        (_, "AWS::RDS::DBInstance") => default("LicenseModel", "postgresql-license".into()),
        (Api::Kubernetes, _) => {
            default("status", Value::Map(Properties::new()));
            if let Some(Value::Map(metadata)) = properties.get_mut("metadata") {
                metadata.entry("uid".to_owned()).or_insert_with(|| id.into());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::{list, map, properties};

    #[test]
    fn a_name_in_a_place_and_a_tuple_are_keys_that_claims_find_again() {
        let named = ResourceType {
            name: "v1/ConfigMap".into(),
            identity: IdentityClass::Named(&["metadata.namespace", "metadata.name"]),
            ..ResourceType::DEFAULT
        };
        let made = properties! { "metadata" => map! { "namespace" => "shop", "name" => "web" } };
        let own = key(&named, Some(3), &made);
        assert_eq!(own, claimed(&named, Some(3), &Claim::Name(vec!["shop".into(), "web".into()])));
        assert_ne!(own, claimed(&named, Some(4), &Claim::Name(vec!["shop".into(), "web".into()])));
        assert_ne!(own, claimed(&named, Some(3), &Claim::Name(vec!["web".into()])));

        let tuple = ResourceType {
            name: "AWS::EC2::Subnet".into(),
            identity: IdentityClass::Tuple(&["VpcId", "CidrBlock"]),
            ..ResourceType::DEFAULT
        };
        let made = properties! { "VpcId" => "vpc-1", "CidrBlock" => "10.0.0.0/24" };
        let claim = Claim::Tuple(vec![("CidrBlock".into(), "10.0.0.0/24".into()), ("VpcId".into(), "vpc-1".into())]);
        assert_eq!(key(&tuple, None, &made), claimed(&tuple, None, &claim));
    }

    #[test]
    fn paths_lead_through_lists() {
        let mut properties = properties! {
            "Rules" => list![map! { "Source" => "sg-1" }, map! { "Source" => list!["sg-2", "sg-3"] }],
        };
        assert_eq!(texts_at(&properties, "Rules.Source"), ["sg-1", "sg-2", "sg-3"]);
        assert!(put(&mut properties, "Rules.0.Source", "sg-9".into()));
        assert!(put(&mut properties, "New.Inner", 1.into()));
        assert!(!put(&mut properties, "New.Inner.Deeper", 1.into()));
        assert!(!put(&mut properties, "Rules.7.Source", 1.into()));
        remove(&mut properties, "Rules.1.Source");
        remove(&mut properties, "New");
        assert_eq!(
            properties,
            properties! { "Rules" => list![map! { "Source" => "sg-9" }, map! { "Source" => list!["sg-2", "sg-3"] }] }
        );
        remove(&mut properties, "Rules.Source");
        assert_eq!(properties, properties! { "Rules" => list![map! {}, map! {}] });
    }

    #[test]
    fn secrets_are_kept_without_their_bytes() {
        let key = SecretString::from("key");
        let secret = Secret::new("password", SecretString::from("canary"), &key);
        let kept = masked_all(&properties! { "Outer" => list![map! { "Password" => secret.clone() }] });
        let Some(Value::Secret(kept)) = at(&kept, "Outer").and_then(|value| value.at("0.Password")) else {
            panic!("the secret is kept as a secret")
        };
        assert_eq!(*kept, secret);
        assert!(kept.value().is_none());
    }
}
