//! What was wanted at an earlier entry of the ledger, made of what the ledger remembers.
//!
//! The ledger holds properties with all references resolved: ids of objects as they were then. Where such a value is an
//! output of something the resource stood on, it becomes a reference again, so that it follows objects that are made anew.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::SpecNow;
use super::known::at_mut;
use crate::graph::{Expanded, Graph};
use crate::ledger::{Converged, Held, State};
use crate::resource::{
    Address, Catalog, IdentityClass, Marks, Properties, Reference, Resource, ResourceType, StackId, TagStyle, Value,
};
use crate::scope::AllOutputs;
use crate::secret::Secret;
use crate::{Code, Error, Problems, Result};

/// What was wanted then.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) expanded: Expanded,
    pub(crate) specs: BTreeMap<String, SpecNow>,
    pub(crate) restore: Restore,
}

/// What `then`, which had converged, wanted, for a ledger that says `now`.
///
/// # Errors
/// [`Code::MissingSecret`] for each secret that is needed and not what it was: the ledger has fingerprints only.
pub(crate) fn restore(
    stack: &StackId,
    catalog: &Catalog,
    secrets: &BTreeMap<String, Secret>,
    then: &State,
    now: &State,
) -> Result<Restored> {
    let Some(converged) = then.converged.clone() else {
        return Err(Error::internal("an entry that converged does not say so"));
    };
    let mut problems = Problems::default();
    let mut resources = BTreeMap::new();
    for (address, held) in &then.resources {
        let of = catalog.get(&held.type_name).map_err(|error| error.at(address))?;
        let mut properties = held.properties.clone();
        first_generation(stack, of, address, held, now, &mut properties);
        let outputs = outputs_of(held.dependencies.iter(), then, catalog);
        let properties = properties
            .into_iter()
            .map(|(name, value)| {
                let value = with_secrets(&value, secrets, address, &mut problems);
                (name, referring(&value, &outputs))
            })
            .collect();
        let resource = Resource {
            properties,
            depends_on: held.dependencies.iter().filter(|on| then.resources.contains_key(*on)).cloned().collect(),
            cluster: held.cluster.clone(),
            protected: held.protected,
            origin: held.origin.clone(),
            ..Resource::new(address.clone(), held.type_name.clone(), Properties::new())
        };
        resources.insert(address.clone(), resource);
    }
    problems.finish()?;
    let all = outputs_of(then.resources.keys(), then, catalog);
    let specs = converged
        .specs
        .iter()
        .map(|(name, json)| (name.clone(), SpecNow { json: json.clone(), ..SpecNow::default() }))
        .collect();
    let graph = Graph::new(resources)?.known_as(converged.graph.clone());
    let expanded = Expanded { graph, outputs: converged.outputs.clone(), catalog: catalog.clone() };
    Ok(Restored { expanded, specs, restore: Restore { converged, outputs: all } })
}

/// What is recorded once a plan to an earlier entry of the ledger is applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restore {
    /// What had converged then.
    pub converged: Converged,
    /// Texts in its outputs that the cloud chose, and which output of what they are: what is made anew has others.
    pub outputs: BTreeMap<String, Reference>,
}

impl Restore {
    /// What is handed out, with what the cloud chooses as `resolve` says it is now.
    pub(crate) fn outputs_now(&self, resolve: &dyn Fn(&Reference) -> Option<Value>) -> Result<AllOutputs> {
        fn renew(json: &mut serde_json::Value, now: &dyn Fn(&str) -> Option<String>) {
            match json {
                serde_json::Value::String(text) => {
                    if let Some(now) = now(text) {
                        *text = now;
                    }
                }
                serde_json::Value::Array(list) => list.iter_mut().for_each(|value| renew(value, now)),
                serde_json::Value::Object(map) => map.values_mut().for_each(|value| renew(value, now)),
                _ => {}
            }
        }
        let internal = |error: serde_json::Error| Error::internal("outputs do not survive JSON").because(error);
        let mut json = serde_json::to_value(&self.converged.outputs).map_err(internal)?;
        renew(&mut json, &|text| Some(resolve(self.outputs.get(text)?)?.as_str()?.to_owned()));
        serde_json::from_value(json).map_err(internal)
    }
}

/// Texts that the cloud chose, and which output of what they are.
type Outputs = BTreeMap<String, Reference>;

fn outputs_of<'a>(addresses: impl Iterator<Item = &'a Address>, state: &State, catalog: &Catalog) -> Outputs {
    let mut all = Outputs::new();
    for (address, held) in addresses.filter_map(|address| state.resources.get_key_value(address)) {
        let Ok(of) = catalog.get(&held.type_name) else { continue };
        for name in of.outputs.iter().map(|output| output.name).chain([of.identifier]) {
            if let Some(Value::Text(text)) = crate::driver::output(&held.outputs, name) {
                let attribute = if name == of.identifier { String::new() } else { name.to_owned() };
                all.entry(text.clone()).or_insert(Reference { target: address.clone(), attribute });
            }
        }
    }
    all
}

/// The value with references where it repeats what the cloud chose, also within longer texts.
fn referring(value: &Value, outputs: &Outputs) -> Value {
    /// Shorter texts turn up in others by chance.
    const SHORTEST: usize = 8;
    match value {
        Value::Text(text) => {
            if let Some(reference) = outputs.get(text) {
                return Value::Reference(reference.clone());
            }
            // The longest first: an ARN has the id in it.
            let found = outputs.iter().filter(|(known, _)| known.len() >= SHORTEST && text.contains(known.as_str()));
            let Some((known, reference)) = found.max_by_key(|(known, _)| known.len()) else { return value.clone() };
            let mut parts = Vec::new();
            for (index, rest) in text.split(known.as_str()).enumerate() {
                if index > 0 {
                    parts.push(Value::Reference(reference.clone()));
                }
                match referring(&rest.into(), outputs) {
                    Value::Text(rest) if rest.is_empty() => {}
                    Value::Join(more) => parts.extend(more),
                    other => parts.push(other),
                }
            }
            Value::Join(parts)
        }
        Value::List(list) => Value::List(list.iter().map(|value| referring(value, outputs)).collect()),
        Value::Map(map) => {
            Value::Map(map.iter().map(|(key, value)| (key.clone(), referring(value, outputs))).collect())
        }
        Value::Join(parts) => Value::Join(parts.iter().map(|value| referring(value, outputs)).collect()),
        Value::Stored { secret, key } => {
            Value::Stored { secret: Box::new(referring(secret, outputs)), key: key.clone() }
        }
        other => other.clone(),
    }
}

fn with_secrets(
    value: &Value,
    secrets: &BTreeMap<String, Secret>,
    address: &Address,
    problems: &mut Problems,
) -> Value {
    match value {
        Value::Secret(then) => match secrets.get(then.name()) {
            Some(now) if now == then => Value::Secret(now.clone()),
            known => {
                let what = if known.is_some() { "has another value now" } else { "is not given" };
                let message = format!("a secret that was in use then {what}: {}", then.name());
                problems.push(Error::new(Code::MissingSecret, message).at(address).hint(
                    "the ledger keeps fingerprints only: give the secret the value it had then, or go back less far",
                ));
                value.clone()
            }
        },
        Value::List(list) => {
            Value::List(list.iter().map(|value| with_secrets(value, secrets, address, problems)).collect())
        }
        Value::Join(list) => {
            Value::Join(list.iter().map(|value| with_secrets(value, secrets, address, problems)).collect())
        }
        Value::Map(map) => Value::Map(
            map.iter().map(|(key, value)| (key.clone(), with_secrets(value, secrets, address, problems))).collect(),
        ),
        other => other.clone(),
    }
}

/// Name and marks as expansions write them: without the number of replacements, which the planner adds.
fn first_generation(
    stack: &StackId,
    of: &ResourceType,
    address: &Address,
    held: &Held,
    now: &State,
    properties: &mut Properties,
) {
    if let (true, IdentityClass::Named(names)) = (of.create_before_delete && held.generation > 0, of.identity)
        && let Some(Value::Text(name)) = names.last().and_then(|path| at_mut(properties, path))
        && let Some(first) = name.strip_suffix(&format!("-g{}", held.generation))
    {
        *name = first.to_owned();
    }
    let Some(marks) = Marks::read(of, properties) else { return };
    // What moved since then is marked as it is now.
    let marked = now.resources.get(address).and_then(|held| Marks::read(of, &held.properties));
    let marked = marked.map_or(marks.address, |marks| marks.address);
    let tags = match of.tags {
        TagStyle::Specifications(_) => super::known::own_tags(properties),
        _ => BTreeMap::new(),
    };
    Marks::new(stack, &marked, 0).write(of, &tags, properties);
}

/// Declarations of an earlier state under the names that they have now.
///
/// # Errors
/// [`Code::LedgerDamaged`] when two would have the same.
pub(crate) fn as_named_now(then: &State, now: &State) -> Result<State> {
    let moves: BTreeSet<(String, String)> = now
        .former
        .iter()
        .flat_map(|(name, earlier)| earlier.iter().map(move |from| (from.clone(), name.clone())))
        .filter(|(from, to)| from != to && then.holds(from) && !then.holds(to))
        .collect();
    let moves: Vec<_> = moves.into_iter().map(|(from, to)| crate::graph::Move { from, to }).collect();
    let converged = then.converged.clone();
    let mut then = then.after(&moves)?;
    then.converged = converged;
    Ok(then)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_cloud_chose_becomes_a_reference_again() {
        let reference =
            |attribute: &str| Reference { target: "aws/k/n/p".parse().unwrap(), attribute: attribute.to_owned() };
        let outputs = Outputs::from([
            ("vpc-0123456789".to_owned(), reference("")),
            ("arn:vpc-0123456789:x".to_owned(), reference("Arn")),
            ("ab".to_owned(), reference("Short")),
        ]);
        let made = |text: &str| referring(&text.into(), &outputs);
        assert_eq!(made("vpc-0123456789"), Value::Reference(reference("")));
        assert_eq!(made("ab"), Value::Reference(reference("Short")));
        assert_eq!(made("cab"), Value::from("cab"), "a short text turns up by chance");
        let parts = vec![
            Value::from("see "),
            Value::Reference(reference("Arn")),
            Value::from(" and "),
            Value::Reference(reference("")),
        ];
        assert_eq!(made("see arn:vpc-0123456789:x and vpc-0123456789"), Value::Join(parts));
        assert_eq!(made("nothing"), Value::from("nothing"));
    }

    #[test]
    fn a_secret_is_restored_only_when_it_is_the_same() {
        let key = "0123456789abcdef".into();
        let secret = |value: &str| Secret::new("token", value.to_owned().into(), &key);
        let remembered = Value::Secret(Secret::remembered("token", secret("old").fingerprint()));
        let address: Address = "aws/k/n/p".parse().unwrap();
        let given = |value: &str| {
            let mut problems = Problems::default();
            let secrets = BTreeMap::from([("token".to_owned(), secret(value))]);
            let restored = with_secrets(&remembered, &secrets, &address, &mut problems);
            problems.finish().map(|()| restored)
        };
        let Value::Secret(same) = given("old").unwrap() else { panic!("no secret") };
        assert!(same.value().is_some());
        let error = given("new").unwrap_err();
        assert_eq!(error.code(), Code::MissingSecret);
        assert!(error.to_string().contains("has another value now: token"), "{error}");
    }
}
