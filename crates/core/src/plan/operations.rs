//! From decisions to steps, the calls that carry them out, and what each call waits for.

use std::collections::{BTreeSet, HashMap};

use super::decide::{Decision, Decisions, Fate, Removal};
use super::diff::{Compare, Difference};
use super::known::{Known, at_mut, without_foreign};
use super::order::{Raw, Strength};
use super::risk::risk;
use super::site::{Missing, Object, Standing};
use super::undo::{outage, undo};
use super::{Attribute, Books, Change, Operation, Reason, Risk, Step, Undo};
use crate::Result;
use crate::ledger::Slot;
use crate::resource::{Address, Catalog, Ownership, Properties, ResourceType, Value, Verb};

/// The steps and operations of all decisions, not yet in order.
pub(super) fn assemble(decisions: &Decisions<'_>, catalog: &Catalog) -> Result<(Vec<Step>, Raw)> {
    let mut assembly = Assembly {
        known: &decisions.known,
        steps: Vec::new(),
        raw: Raw::default(),
        makes: HashMap::new(),
        deletions: Vec::new(),
    };
    for decision in &decisions.wanted {
        assembly.decision(decision, catalog)?;
    }
    for removal in &decisions.removals {
        assembly.removal(removal, catalog)?;
    }
    for (missing, reasons) in &decisions.lost {
        assembly.lost(missing, reasons);
    }
    assembly.edges(&decisions.wanted, catalog)?;
    Ok((assembly.steps, assembly.raw))
}

pub(super) struct Assembly<'d> {
    pub(super) known: &'d Known<'d>,
    steps: Vec<Step>,
    pub(super) raw: Raw,
    /// The first and the last operation that make a wanted resource what it shall be.
    pub(super) makes: HashMap<&'d Address, (usize, usize)>,
    pub(super) deletions: Vec<Deletion<'d>>,
}

/// An object that goes.
pub(super) struct Deletion<'d> {
    pub(super) object: &'d Object<'d>,
    /// The first operation: the delete itself, or the update that makes it possible.
    pub(super) first: usize,
    pub(super) delete: usize,
    /// Whether its successor waits for it.
    pub(super) before_create: bool,
}

impl<'d> Assembly<'d> {
    fn decision(&mut self, decision: &'d Decision<'d>, catalog: &Catalog) -> Result<()> {
        let Decision { resource, of, fate, object, generation, properties, differences, reasons, .. } = decision;
        let address = &resource.address;
        if let Some(why) = &decision.protection {
            self.protection(decision, why);
        }
        let moves = decision.moved.is_some() && differences.iter().all(Difference::is_mark);
        let change = match fate {
            Fate::Keep | Fate::Settle | Fate::Update if moves => Change::Move,
            Fate::Keep => return Ok(()),
            Fate::Settle => Change::Settle,
            Fate::Update => Change::Update,
            Fate::Adopt => Change::Adopt,
            Fate::Create => Change::Create,
            Fate::Replace { create_first: true } => Change::ReplaceCreateFirst,
            Fate::Replace { create_first: false } => Change::ReplaceDeleteFirst,
        };
        let mut attributes: Vec<Attribute> = match fate {
            Fate::Create => {
                let fresh = |reference: &crate::resource::Reference| self.known.changes(reference);
                Compare { of, fresh: &fresh }.made(&self.known.resolve(properties))
            }
            _ => differences.iter().map(|difference| difference.attribute.clone()).collect(),
        };
        if let Some(from) = &decision.moved {
            attributes.insert(0, Attribute::changed("address", from.as_str().into(), address.as_str().into()));
        }
        let replaces = matches!(fate, Fate::Replace { .. });
        let old_type = match object {
            Some(object) if replaces => catalog.get(object.type_name).map_err(|error| error.at(address))?,
            _ => of,
        };
        let worst = risk(of, change, differences, false).min(risk(old_type, change, &[], false));
        let id = object.as_ref().map(|object| object.id.to_owned());
        let gone = decision.gone.last().and_then(|missing| missing.id).map(str::to_owned);
        let step = self.step(Step {
            address: address.clone(),
            type_name: resource.type_name.clone(),
            change,
            id: id.clone().or(gone),
            attributes,
            reasons: reasons.clone(),
            risk: worst,
            needs_consent: replaces && object.as_ref().is_some_and(|object| object.protected || old_type.holds_data),
            undo: undo(of, change, differences).max(undo(old_type, change, &[])),
            outage: outage(old_type, of, change, differences),
            origin: resource.origin.clone(),
        });

        if *fate == Fate::Keep {
            return Ok(());
        }
        let kept = object.as_ref().filter(|_| !replaces);
        let base = Operation {
            slot: Slot::new(address, *generation),
            verb: Verb::Read,
            books: None,
            step,
            after: Vec::new(),
            type_name: resource.type_name.clone(),
            properties: properties.clone(),
            changed: Vec::new(),
            secrets: of.secrets.iter().map(|path| (*path).to_owned()).collect(),
            id: kept.map(|object| object.id.to_owned()),
            claim: kept.and_then(|object| object.claim.cloned()),
            dependencies: decision.dependencies.clone(),
            cluster: resource.cluster.clone(),
            protected: resource.protected,
        };
        let (first, last) = match (fate, object) {
            (Fate::Settle, Some(object)) => {
                let properties = without_foreign(of, properties.clone());
                let protected = object.protected;
                let settle = self.raw.push(Operation { books: Some(Books::Settle), properties, protected, ..base });
                (settle, settle)
            }
            (Fate::Update, Some(object)) => {
                let update = self.update(decision, Operation { protected: object.protected, ..base });
                (update, update)
            }
            (Fate::Adopt, Some(object)) if !differences.is_empty() => {
                let as_is = as_it_is(object, properties);
                let adopt = Operation { books: Some(Books::Adopt), properties: as_is, ..base.clone() };
                let adopt = self.raw.push(adopt);
                let update = self.update(decision, base);
                self.raw.edge(adopt, update, Strength::Hard);
                (adopt, update)
            }
            (Fate::Adopt, _) => {
                let adopt = self.raw.push(Operation { books: Some(Books::Adopt), ..base });
                (adopt, adopt)
            }
            _ => {
                let create = self.raw.push(Operation { verb: Verb::Create, ..base });
                for missing in &decision.gone {
                    let gone = self.raw.push(forgotten(missing, step));
                    self.raw.edge(gone, create, Strength::Hard);
                }
                (create, create)
            }
        };
        self.makes.insert(address, (first, last));
        if let (Fate::Replace { create_first }, Some(object)) = (fate, object) {
            let deletion = self.delete(object, old_type, step, !create_first);
            if *create_first {
                self.raw.edge(last, deletion.first, Strength::Hard);
            } else {
                self.raw.edge(deletion.delete, first, Strength::Hard);
            }
            self.deletions.push(deletion);
        }
        if decision.protection.is_some()
            && let Some(protection) =
                self.raw.operations.iter().rposition(|operation| {
                    operation.books == Some(Books::Protection) && operation.slot.address == *address
                })
        {
            self.raw.edge(last, protection, Strength::Hard);
        }
        Ok(())
    }

    fn update(&mut self, decision: &Decision<'_>, base: Operation) -> usize {
        let changed: BTreeSet<&str> = decision.differences.iter().map(|one| one.property.as_str()).collect();
        self.raw.push(Operation {
            verb: Verb::Update,
            changed: changed.into_iter().map(str::to_owned).collect(),
            properties: without_foreign(decision.of, base.properties),
            ..base
        })
    }

    fn protection(&mut self, decision: &Decision<'_>, why: &[Reason]) {
        let Some(object) = &decision.object else { return };
        let protected = decision.resource.protected;
        let step = self.step(Step {
            address: decision.resource.address.clone(),
            type_name: decision.resource.type_name.clone(),
            change: Change::Protection,
            id: Some(object.id.to_owned()),
            attributes: vec![Attribute {
                path: "protection".to_owned(),
                before: Some((!protected).into()),
                after: Some(protected.into()),
                unknown: false,
                replaces: false,
                secret: false,
            }],
            reasons: why.to_vec(),
            risk: Risk::None,
            needs_consent: false,
            undo: Undo::Reversible,
            outage: None,
            origin: decision.resource.origin.clone(),
        });
        let books = Some(Books::Protection);
        self.raw.push(Operation { books, protected, ..record(object.slot.clone(), object.type_name, step) });
    }

    fn removal(&mut self, removal: &'d Removal<'d>, catalog: &Catalog) -> Result<()> {
        let Removal { object, reasons, leftover } = removal;
        let of = catalog.get(object.type_name).map_err(|error| error.at(&object.slot.address))?;
        let step = self.step(Step {
            address: object.slot.address.clone(),
            type_name: object.type_name.to_owned(),
            change: Change::Delete,
            id: Some(object.id.to_owned()),
            attributes: Vec::new(),
            reasons: reasons.clone(),
            risk: if object.twin { Risk::None } else { risk(of, Change::Delete, &[], *leftover) },
            needs_consent: !object.twin && (object.protected || of.holds_data),
            undo: undo(of, Change::Delete, &[]),
            outage: None,
            origin: None,
        });
        let deletion = self.delete(object, of, step, false);
        self.deletions.push(deletion);
        Ok(())
    }

    fn delete(&mut self, object: &'d Object<'d>, of: &ResourceType, step: usize, before_create: bool) -> Deletion<'d> {
        let base = Operation {
            id: Some(object.id.to_owned()),
            // What is known by its marks alone has an id by now.
            claim: Some(object.claim.cloned().unwrap_or(crate::resource::Claim::Marks)),
            cluster: object.cluster.cloned(),
            protected: object.protected,
            dependencies: object.dependencies.clone(),
            ..record(object.slot.clone(), object.type_name, step)
        };
        let delete = self.raw.push(Operation { verb: Verb::Delete, ..base.clone() });
        let mut first = delete;
        if is_guarded(object, of) {
            let mut properties = object.properties.clone();
            match at_mut(&mut properties, of.guard) {
                Some(guard) => *guard = Value::Bool(false),
                None => {
                    properties.insert(of.guard.to_owned(), Value::Bool(false));
                }
            }
            first = self.raw.push(Operation {
                verb: Verb::Update,
                properties: without_foreign(of, properties),
                changed: vec![of.guard.to_owned()],
                secrets: of.secrets.iter().map(|path| (*path).to_owned()).collect(),
                ..base
            });
            self.raw.edge(first, delete, Strength::Hard);
        }
        Deletion { object, first, delete, before_create }
    }

    fn lost(&mut self, missing: &Missing<'_>, reasons: &[Reason]) {
        let step = self.step(Step {
            address: missing.slot.address.clone(),
            type_name: missing.type_name.to_owned(),
            change: Change::Forget,
            id: missing.id.map(str::to_owned),
            attributes: Vec::new(),
            reasons: reasons.to_vec(),
            risk: Risk::None,
            needs_consent: false,
            undo: Undo::Reversible,
            outage: None,
            origin: None,
        });
        self.raw.push(forgotten(missing, step));
    }

    fn step(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }
}

/// Whether the cloud refuses to delete it as it is.
fn is_guarded(object: &Object<'_>, of: &ResourceType) -> bool {
    if of.guard.is_empty() || object.is_leaving() || is_surplus(object) {
        return false;
    }
    let (first, rest) = of.guard.split_once('.').unwrap_or((of.guard, ""));
    let on = |properties: &Properties| {
        properties.get(first).and_then(|value| value.at(rest)).and_then(Value::as_bool) == Some(true)
    };
    on(object.properties) || object.observed.is_some_and(|observed| on(&observed.properties))
}

/// Whether it goes by a generation that is not its own, because two objects bear the same marks. An update would make it
/// the current one, so its guard is left to people.
fn is_surplus(object: &Object<'_>) -> bool {
    object.observed.is_some_and(
        |observed| matches!(&observed.owner, Ownership::Ours(marks) if marks.generation != object.slot.generation),
    )
}

/// What an adopted object was given, as far as anybody knows.
fn as_it_is(object: &Object<'_>, wanted: &Properties) -> Properties {
    match object.standing {
        Standing::Found => {
            let ours = object.properties.iter().filter(|(key, _)| wanted.contains_key(*key));
            ours.map(|(key, value)| (key.clone(), value.clone())).collect()
        }
        _ => object.properties.clone(),
    }
}

fn forgotten(missing: &Missing<'_>, step: usize) -> Operation {
    Operation {
        books: Some(Books::Gone),
        id: missing.id.map(str::to_owned),
        claim: Some(missing.claim.clone()),
        cluster: missing.cluster.cloned(),
        ..record(missing.slot.clone(), missing.type_name, step)
    }
}

fn record(slot: Slot, type_name: &str, step: usize) -> Operation {
    Operation {
        slot,
        verb: Verb::Read,
        books: None,
        step,
        after: Vec::new(),
        type_name: type_name.to_owned(),
        properties: Properties::new(),
        changed: Vec::new(),
        secrets: Vec::new(),
        id: None,
        claim: None,
        dependencies: BTreeSet::new(),
        cluster: None,
        protected: false,
    }
}
