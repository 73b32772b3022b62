//! Which values are known before the apply.

use std::collections::HashMap;

use super::Reason;
use super::site::Object;
use crate::driver::{Target, output};
use crate::resource::{
    Address, IdentityClass, Marks, Properties, Reference, Resource, ResourceType, Shape, StackId, TagStyle,
    TargetField, Value,
};

/// What a plan makes of one wanted resource, as far as it matters to what stands on it.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    pub(super) of: &'a ResourceType,
    /// The object that stays; `None` when a new one is made.
    pub(super) stays: Option<Object<'a>>,
    /// Whether what the cloud says of its outputs is newer than what the ledger says.
    pub(super) renewed: bool,
    /// Whether its old object goes before the new one is made.
    pub(super) delete_first: bool,
    /// Properties that are changed in place.
    pub(super) changed: Vec<String>,
    /// Why it changes; empty when it does not.
    pub(super) reasons: Vec<Reason>,
}

/// Outcomes so far: what a resource depends on comes before it.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) target: &'a Target,
    pub(super) outcomes: HashMap<&'a Address, Outcome<'a>>,
}

impl Known<'_> {
    /// Properties with everything in the place of references that is known already.
    pub(super) fn resolve(&self, properties: &Properties) -> Properties {
        let known = |value: &Value| match value {
            Value::Target(field) => Some(
                match field {
                    TargetField::Account => &self.target.account,
                    TargetField::Region => &self.target.region,
                    TargetField::Partition => &self.target.partition,
                }
                .into(),
            ),
            Value::Reference(reference) => self.value(reference).cloned(),
            _ => None,
        };
        properties.resolve(&known)
    }

    fn value(&self, reference: &Reference) -> Option<&Value> {
        if self.changes(reference) {
            return None;
        }
        let outcome = self.outcomes.get(&reference.target)?;
        let object = outcome.stays.as_ref()?;
        let name = outcome.name(reference);
        let seen = object.observed.and_then(|observed| output(&observed.outputs, name));
        let recorded = output(object.outputs, name);
        let value = if outcome.renewed { seen.or(recorded) } else { recorded.or(seen) };
        value.or_else(|| object.properties.get(name)).filter(|value| value.is_known())
    }

    /// Whether the plan gives a reference another value, which is known only after the apply.
    pub(super) fn changes(&self, reference: &Reference) -> bool {
        let Some(outcome) = self.outcomes.get(&reference.target) else { return true };
        if outcome.stays.is_none() {
            return true;
        }
        if outcome.changed.is_empty() {
            return false;
        }
        let name = outcome.name(reference);
        let follows = |property: &str| outcome.changed.iter().any(|changed| changed == property);
        outcome.of.changing.contains(&name)
            || follows(name)
            || outcome.of.outputs.iter().any(|output| {
                output.name == name && matches!(output.shape, Shape::Property(property) if follows(property))
            })
    }

    /// Whether the object at an address is another one after the apply.
    pub(super) fn is_new(&self, address: &Address) -> bool {
        self.outcomes.get(address).is_some_and(|outcome| outcome.stays.is_none())
    }

    pub(super) fn is_delete_first(&self, address: &Address) -> bool {
        self.outcomes.get(address).is_some_and(|outcome| outcome.delete_first)
    }
}

impl Outcome<'_> {
    fn name<'r>(&'r self, reference: &'r Reference) -> &'r str {
        if reference.attribute.is_empty() { self.of.identifier } else { &reference.attribute }
    }
}

/// The wanted properties of one generation of a resource: its marks say which, and where old and new stand side by side
/// its name differs.
pub(super) fn of_generation(stack: &StackId, of: &ResourceType, resource: &Resource, generation: u32) -> Properties {
    let mut properties = resource.properties.clone();
    if generation == 0 {
        return properties;
    }
    if let (true, IdentityClass::Named(names)) = (of.create_before_delete, of.identity)
        && let Some(name) = names.last().and_then(|name| at_mut(&mut properties, name))
    {
        let suffix = format!("-g{generation}");
        *name = match std::mem::take(name) {
            Value::Text(text) => Value::Text(text + &suffix),
            Value::Join(mut parts) => {
                parts.push(suffix.into());
                Value::Join(parts)
            }
            Value::Null => Value::Null,
            other => Value::Join(vec![other, suffix.into()]),
        };
    }
    let tags = match of.tags {
        TagStyle::Specifications(_) => own_tags(&properties),
        _ => std::collections::BTreeMap::new(),
    };
    // What was moved may keep saying where it was made.
    let address = Marks::read(of, &properties).map_or_else(|| resource.address.clone(), |marks| marks.address);
    Marks::new(stack, &address, generation).write(of, &tags, &mut properties);
    properties
}

pub(super) fn own_tags(properties: &Properties) -> std::collections::BTreeMap<String, String> {
    let list = properties.get("TagSpecifications").and_then(|all| all.at("0.Tags")).and_then(super::alike::tags);
    let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
    list.into_iter().flatten().map(|(key, value)| (key, text(value))).collect()
}

/// The value at a dotted path.
pub(super) fn at_mut<'v>(properties: &'v mut Properties, path: &str) -> Option<&'v mut Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = properties.get_mut(first)?;
    match (rest, value) {
        (None, value) => Some(value),
        (Some(rest), Value::Map(map)) => at_mut(map, rest),
        _ => None,
    }
}

/// Takes out the properties that another manager owns once the object exists.
pub(super) fn without_foreign(of: &ResourceType, mut properties: Properties) -> Properties {
    for path in of.foreign {
        remove(&mut properties, path);
    }
    properties
}

fn remove(properties: &mut Properties, path: &str) {
    let Some((first, rest)) = path.split_once('.') else {
        properties.remove(path);
        return;
    };
    match properties.get_mut(first) {
        Some(Value::Map(map)) => remove(map, rest),
        Some(Value::List(list)) => {
            for element in list {
                if let Value::Map(map) = element {
                    remove(map, rest);
                }
            }
        }
        _ => {}
    }
}
