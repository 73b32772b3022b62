//! Why: from a change down to the line of the declaration, or to the drift, that started it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value as Json;

use super::{Attribute, Reason};
use crate::error::Position;
use crate::kind::Kind;
use crate::ledger::State;
use crate::resource::{Address, Value};
use crate::stack::{Declarations, Declared, Stack, nearest};
use crate::{Error, Result};

/// How many fields of a declaration a step names as its cause.
const FIELDS: usize = 3;

/// A declaration as it is now: its spec as JSON, and where its fields stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpecNow {
    /// The spec.
    pub json: Json,
    /// Where it was declared.
    pub origin: Option<Position>,
    /// Where single fields come from, by dotted path.
    pub fields: Arc<BTreeMap<String, Position>>,
}

impl SpecNow {
    /// The place of a field, or of the nearest field above it, or of the whole declaration.
    #[must_use]
    pub fn position(&self, field: &str) -> Option<&Position> {
        nearest(&self.fields, self.origin.as_ref(), field)
    }
}

/// All declarations of a stack by `kind/name`, as [`super::Input::specs`] wants them and as the ledger remembers them.
/// The stack's own tags are the declaration `stack/tags`.
///
/// # Errors
/// [`crate::Code::Internal`] when a spec has no JSON form.
pub fn specs_of(stack: &Stack) -> Result<BTreeMap<String, SpecNow>> {
    let mut all = BTreeMap::new();
    kind(&mut all, &stack.networks)?;
    kind(&mut all, &stack.clusters)?;
    kind(&mut all, &stack.node_pools)?;
    kind(&mut all, &stack.databases)?;
    kind(&mut all, &stack.caches)?;
    kind(&mut all, &stack.buckets)?;
    kind(&mut all, &stack.meshes)?;
    kind(&mut all, &stack.services)?;
    declared(&mut all, "native", &stack.natives)?;
    let tags = SpecNow { json: json(&stack.tags)?, ..SpecNow::default() };
    all.insert("stack/tags".to_owned(), tags);
    Ok(all)
}

fn kind<K: Kind>(all: &mut BTreeMap<String, SpecNow>, declarations: &Declarations<K>) -> Result<()> {
    declared(all, K::NAME, declarations)
}

fn declared<S: Serialize>(
    all: &mut BTreeMap<String, SpecNow>,
    kind: &str,
    declarations: &Declarations<S>,
) -> Result<()> {
    for (name, Declared { spec, origin, fields }) in declarations {
        let now = SpecNow { json: json(spec)?, origin: origin.clone(), fields: fields.clone() };
        all.insert(format!("{kind}/{name}"), now);
    }
    Ok(())
}

fn json(spec: &impl Serialize) -> Result<Json> {
    serde_json::to_value(spec).map_err(|error| Error::internal(format!("a spec has no JSON form: {error}")))
}

impl Reason {
    /// Whether it explains itself: a chain of reasons ends with one of these.
    #[must_use]
    pub fn is_root(&self) -> bool {
        !matches!(self, Self::Forces(_) | Self::Dependency(_))
    }
}

/// What changed in the declarations since the last time that everything was as wanted.
#[derive(Debug)]
pub(super) struct Causes<'a> {
    now: &'a BTreeMap<String, SpecNow>,
    before: &'a BTreeMap<String, Json>,
    /// Whether a run was interrupted since.
    interrupted: bool,
    changed: BTreeMap<&'a str, Vec<Reason>>,
}

impl<'a> Causes<'a> {
    pub(super) fn new(now: &'a BTreeMap<String, SpecNow>, state: &'a State) -> Self {
        let before = state.last_specs();
        let mut changed: BTreeMap<&str, Vec<Reason>> = BTreeMap::new();
        let names: BTreeSet<&str> = now.keys().chain(before.keys()).map(String::as_str).collect();
        for name in names {
            let fields = fields_of(name, before.get(name), now.get(name));
            if !fields.is_empty() {
                changed.insert(name, fields);
            }
        }
        Self { now, before, interrupted: state.converged.is_none() && !state.is_empty(), changed }
    }

    /// The fields of the resource's own declaration that changed, those first whose values turn up in the attributes.
    pub(super) fn own(&self, address: &Address, attributes: &[&Attribute]) -> Vec<Reason> {
        let declaration = address.declaration();
        // Before the first time that everything was as wanted there is nothing to compare with.
        if !self.before.contains_key(declaration) || !self.now.contains_key(declaration) {
            return Vec::new();
        }
        pick(self.changed.get(declaration).into_iter().flatten(), attributes)
    }

    /// Why properties differ that no change of the plan explains: the own declaration, one that has to do with it, a run
    /// that was interrupted before it came to this resource, or a new version of the expansion.
    pub(super) fn of_properties(
        &self,
        address: &Address,
        attributes: &[&Attribute],
        refers: Option<&Address>,
    ) -> Vec<Reason> {
        let own = self.own(address, attributes);
        if !own.is_empty() {
            return own;
        }
        if let (true, Some(refers)) = (self.interrupted, refers) {
            return vec![Reason::Dependency(refers.clone()), Reason::Interrupted];
        }
        if !self.before.is_empty() {
            let related = self.changed.iter().filter(|(other, _)| self.related(address, other));
            let related = pick(related.flat_map(|(_, fields)| fields), attributes);
            if !related.is_empty() {
                return related;
            }
        }
        vec![Reason::Expansion]
    }

    /// Whether two declarations have to do with each other: one names the other, or the other speaks for the whole stack.
    fn related(&self, address: &Address, other: &str) -> bool {
        let (kind, name) = other.split_once('/').unwrap_or((other, ""));
        if kind == "stack" {
            return true;
        }
        let mentions = |declaration: &str, name: &str| {
            let specs = [self.now.get(declaration).map(|now| &now.json), self.before.get(declaration)];
            specs.into_iter().flatten().any(|spec| mentions(spec, name))
        };
        mentions(other, address.name()) || mentions(address.declaration(), name)
    }
}

fn pick<'r>(fields: impl Iterator<Item = &'r Reason>, attributes: &[&Attribute]) -> Vec<Reason> {
    let mut values = BTreeSet::new();
    for attribute in attributes {
        for value in [&attribute.before, &attribute.after].into_iter().flatten() {
            scalars(value, &mut values);
        }
    }
    let mut fields: Vec<&Reason> = fields.collect();
    fields.sort_by_key(|reason| match reason {
        Reason::Field { before, after, .. } => {
            !(values.contains(before.trim_matches('"')) || values.contains(after.trim_matches('"')))
        }
        _ => true,
    });
    fields.into_iter().take(FIELDS).cloned().collect()
}

fn scalars(value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Text(text) => {
            all.insert(text.clone());
        }
        Value::Integer(number) => {
            all.insert(number.to_string());
        }
        Value::Number(number) => {
            all.insert(number.to_string());
        }
        Value::List(list) | Value::Join(list) => list.iter().for_each(|value| scalars(value, all)),
        Value::Map(map) => map.values().for_each(|value| scalars(value, all)),
        _ => {}
    }
}

fn mentions(spec: &Json, name: &str) -> bool {
    match spec {
        Json::String(text) => text == name,
        Json::Array(list) => list.iter().any(|value| mentions(value, name)),
        Json::Object(map) => map.values().any(|value| mentions(value, name)),
        _ => false,
    }
}

/// One reason for each field that differs. A declaration that came or went is one reason with an empty field.
fn fields_of(declaration: &str, before: Option<&Json>, now: Option<&SpecNow>) -> Vec<Reason> {
    let mut all = Vec::new();
    let mut add = |field: &str, before: &Json, after: &Json| {
        all.push(Reason::Field {
            declaration: declaration.to_owned(),
            field: field.to_owned(),
            before: before.to_string(),
            after: after.to_string(),
            position: now.and_then(|now| now.position(field)).cloned(),
        });
    };
    match (before, now) {
        (Some(before), Some(now)) => compare(&mut String::new(), before, &now.json, &mut add),
        (None, Some(_)) => add("", &Json::Null, &Json::Bool(true)),
        (Some(_), None) => add("", &Json::Bool(true), &Json::Null),
        (None, None) => {}
    }
    all
}

fn compare(path: &mut String, before: &Json, after: &Json, add: &mut dyn FnMut(&str, &Json, &Json)) {
    if before == after {
        return;
    }
    let mut deeper = |key: &str, before: &Json, after: &Json| {
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(key);
        compare(path, before, after, add);
        path.truncate(length);
    };
    match (before, after) {
        (Json::Object(before), Json::Object(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                deeper(key, before.get(key).unwrap_or(&Json::Null), after.get(key).unwrap_or(&Json::Null));
            }
        }
        (Json::Array(before), Json::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                deeper(&index.to_string(), before, after);
            }
        }
        _ => add(path, before, after),
    }
}
