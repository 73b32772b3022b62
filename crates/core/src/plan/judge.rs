//! One object held against what is wanted of it: what differs, whether it can stay, what the ledger does not know yet.

use std::collections::BTreeSet;

use super::decide::Decisions;
use super::diff::{Compare, Difference, merge};
use super::known::of_generation;
use super::site::{Object, Standing};
use super::{Attribute, Drift, Reason};
use crate::driver::output;
use crate::resource::{Address, Properties, Reference, Resource, ResourceType, Value};
use crate::{Code, Error, Result};

/// What a comparison says of one object.
pub(super) struct Verdict {
    pub(super) properties: Properties,
    pub(super) differences: Vec<Difference>,
    /// What forces a replacement.
    pub(super) forces: Option<String>,
    /// Whether the replacement cannot stand beside the object.
    pub(super) delete_first: bool,
    /// Reasons that the comparison itself found.
    pub(super) reasons: Vec<Reason>,
    /// Why the ledger must catch up, though nothing differs.
    pub(super) settle: Option<Reason>,
    pub(super) renewed: bool,
    pub(super) drift: Vec<Drift>,
}

impl<'a> Decisions<'a> {
    pub(super) fn judge(
        &self,
        resource: &Resource,
        of: &ResourceType,
        object: &Object<'a>,
        dependencies: &BTreeSet<Address>,
    ) -> Result<Verdict> {
        let address = &resource.address;
        let properties = of_generation(self.stack, of, resource, object.slot.generation);
        let mut verdict = Verdict {
            properties,
            differences: Vec::new(),
            forces: None,
            delete_first: false,
            reasons: Vec::new(),
            settle: None,
            renewed: false,
            drift: Vec::new(),
        };
        if object.is_leaving() {
            if matches!(object.standing, Standing::Held | Standing::Updating(_) | Standing::Found) {
                return Err(Error::new(Code::Unresolved, format!("somebody else is deleting it: {}", object.id))
                    .at(address)
                    .hint("run again once it is gone: then it is made anew"));
            }
            verdict.forces = Some("deletion".to_owned());
            verdict.delete_first = true;
            verdict.reasons.push(Reason::Interrupted);
        }
        if object.is_stillborn() {
            verdict.forces = Some("failure".to_owned());
            verdict.reasons.push(Reason::Interrupted);
        }
        if object.type_name != of.name {
            verdict.forces = Some("type".to_owned());
            verdict.differences.push(type_changed(object.type_name, &of.name));
            return Ok(verdict);
        }
        if !matches!(object.standing, Standing::Found) {
            self.judge_cluster(resource, object, &mut verdict);
        }
        self.judge_properties(of, object, address, &mut verdict);
        if verdict.forces.is_none() {
            verdict.forces =
                verdict.differences.iter().find(|one| one.attribute.replaces).map(|one| one.attribute.path.clone());
        }
        self.judge_books(of, object, dependencies, &mut verdict);
        Ok(verdict)
    }

    /// An object cannot move from one cluster to another, and goes before its cluster does.
    fn judge_cluster(&self, resource: &Resource, object: &Object<'a>, verdict: &mut Verdict) {
        let now = resource.cluster.as_ref();
        if let Some(cluster) = now.filter(|cluster| self.known.is_new(cluster)) {
            verdict.forces = Some("cluster".to_owned());
            verdict.delete_first = true;
            verdict.reasons.extend(self.dependency(cluster));
        } else if object.cluster != now {
            verdict.forces = Some("cluster".to_owned());
            verdict.delete_first = true;
        }
    }

    fn judge_properties(&self, of: &ResourceType, object: &Object<'a>, address: &Address, verdict: &mut Verdict) {
        let wanted = self.known.resolve(&verdict.properties);
        let fresh = |reference: &Reference| self.known.changes(reference);
        let compare = Compare { of, fresh: &fresh };
        let observed = object.observed.map(|observed| &observed.properties);
        let all = &mut verdict.differences;
        match (object.standing, observed) {
            (Standing::Found, Some(found)) => all.extend(compare.seen(&wanted, &wanted, found, true)),
            (Standing::Updating(intent), Some(found)) => {
                // It is not known whether the call acted. What is visible decides; what is not is written again.
                merge(all, compare.applied(&intent.properties, &wanted));
                merge(all, compare.seen(&wanted, &wanted, found, false));
                let mut earlier = compare.applied(object.properties, &wanted);
                earlier.retain(|one| {
                    let hidden = of.ignores_drift(&one.plain) || of.is_secret(&one.plain);
                    hidden || one.attribute.replaces || one.attribute.after.is_none()
                });
                merge(all, earlier);
                all.iter_mut().for_each(|one| one.drifted = None);
                if !all.is_empty() {
                    verdict.reasons.push(Reason::Interrupted);
                }
            }
            (_, found) => {
                merge(all, compare.applied(object.properties, &wanted));
                if let Some(found) = found {
                    let drifted = compare.seen(object.properties, &wanted, found, false);
                    verdict.drift.extend(drifted.iter().map(|one| Drift {
                        address: address.clone(),
                        path: one.attribute.path.clone(),
                        expected: one.drifted.clone(),
                        found: one.attribute.before.clone(),
                    }));
                    merge(all, drifted);
                }
            }
        }
    }

    /// Whether the ledger must be brought up to date although nothing changes in the cloud.
    fn judge_books(
        &self,
        of: &ResourceType,
        object: &Object<'a>,
        dependencies: &BTreeSet<Address>,
        verdict: &mut Verdict,
    ) {
        if matches!(object.standing, Standing::Updating(_) | Standing::Deleting) {
            verdict.settle = Some(Reason::Interrupted);
        } else if object.dependencies != dependencies {
            verdict.settle = Some(Reason::Expansion);
        }
        let Some(observed) = object.observed else { return };
        let names = of.outputs.iter().map(|output| output.name).chain([of.identifier]);
        for name in names {
            let (seen, recorded) = (output(&observed.outputs, name), output(object.outputs, name));
            if let (Some(seen), Some(recorded)) = (seen, recorded)
                && seen != recorded
            {
                verdict.renewed = true;
                verdict.settle.get_or_insert_with(|| Reason::Drift(name.to_owned()));
            }
        }
    }
}

fn type_changed(before: &str, after: &str) -> Difference {
    Difference {
        attribute: Attribute {
            path: "type".to_owned(),
            before: Some(Value::from(before)),
            after: Some(Value::from(after)),
            unknown: false,
            replaces: true,
            secret: false,
        },
        property: "type".to_owned(),
        plain: "type".to_owned(),
        drifted: None,
        awaits: None,
    }
}
