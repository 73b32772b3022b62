//! What an object must have been given, as far as the cloud shows it: for a ledger that is written anew.

use std::collections::BTreeMap;

use super::diff::Compare;
use super::known::of_generation;
use crate::resource::{Address, Properties, Resource, ResourceType, StackId, Value};

/// The properties of one generation of a wanted resource, as its object has them: what is wanted where the cloud agrees or
/// never says, what the cloud says where it does not. So the next plan shows what differs.
pub(crate) fn as_given(
    stack: &StackId,
    of: &ResourceType,
    resource: &Resource,
    generation: u32,
    resolve: &dyn Fn(&Value) -> Option<Value>,
    observed: &Properties,
) -> Properties {
    let mut given: Properties = of_generation(stack, of, resource, generation)
        .into_iter()
        .map(|(name, value)| (name, value.resolve(resolve)))
        .collect();
    // What refers to something that is not there is not what the object was given.
    let unknown: Vec<String> =
        given.iter().filter(|(_, value)| !value.is_known()).map(|(name, _)| name.clone()).collect();
    let compare = Compare { of, fresh: &|_| false };
    let known: Properties = given.iter().filter(|(_, value)| value.is_known()).map(clone).collect();
    let differing = compare.seen(&known, &known, observed, false);
    for property in unknown.into_iter().chain(differing.into_iter().map(|difference| difference.property)) {
        match observed.get(&property) {
            Some(value) => given.insert(property, value.clone()),
            None => given.remove(&property),
        };
    }
    given
}

fn clone((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Which of these objects each of them names in its properties: what it stands on, for objects that nobody declares.
pub(crate) fn named_in<'a>(properties: &Properties, ids: &BTreeMap<&'a str, &'a Address>) -> Vec<&'a Address> {
    fn texts<'v>(value: &'v Value, all: &mut Vec<&'v str>) {
        match value {
            Value::Text(text) => all.push(text),
            Value::List(list) => list.iter().for_each(|value| texts(value, all)),
            Value::Map(map) => map.values().for_each(|value| texts(value, all)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    properties.values().for_each(|value| texts(value, &mut all));
    all.into_iter().filter_map(|text| ids.get(text).copied()).collect()
}
