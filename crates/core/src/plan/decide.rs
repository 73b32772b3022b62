//! The fate of each address: what is wanted, compared with what stands there.

use std::collections::BTreeSet;

use super::build::Mode;
use super::diff::Difference;
use super::judge::Verdict;
use super::known::{Known, Outcome, of_generation};
use super::reason::Causes;
use super::site::{Missing, Object, Site, Standing};
use super::survey::unmade;
use super::{Attribute, Drift, Reason};
use crate::Result;
use crate::graph::Move;
use crate::resource::{Address, Properties, Resource, ResourceType, StackId};

/// What becomes of a wanted resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    Settle,
    Update,
    Adopt,
    Create,
    Replace { create_first: bool },
}

/// What becomes of a wanted resource, with all that is needed to do it.
#[derive(Debug)]
pub(super) struct Decision<'a> {
    pub(super) resource: &'a Resource,
    pub(super) of: &'a ResourceType,
    pub(super) dependencies: &'a BTreeSet<Address>,
    pub(super) fate: Fate,
    /// The object that is kept, changed, adopted or replaced.
    pub(super) object: Option<Object<'a>>,
    /// The generation of the object that is there in the end.
    pub(super) generation: u32,
    /// The properties of that generation, references unresolved.
    pub(super) properties: Properties,
    pub(super) differences: Vec<Difference>,
    pub(super) reasons: Vec<Reason>,
    /// What stood here and is gone: that is recorded before the create.
    pub(super) gone: Vec<Missing<'a>>,
    /// The address it had before this plan moves it.
    pub(super) moved: Option<Address>,
    /// Why protection is switched, when it is.
    pub(super) protection: Option<Vec<Reason>>,
}

impl Decision<'_> {
    /// Whether nothing happens to it.
    pub(super) fn is_untouched(&self) -> bool {
        self.fate == Fate::Keep && self.protection.is_none() && self.moved.is_none()
    }
}

/// An object that is deleted for itself, not as the old half of a replacement.
#[derive(Debug)]
pub(super) struct Removal<'a> {
    pub(super) object: Object<'a>,
    pub(super) reasons: Vec<Reason>,
    /// Whether nothing uses it any more.
    pub(super) leftover: bool,
}

/// What was decided so far.
#[derive(Debug)]
pub(super) struct Decisions<'a> {
    pub(super) stack: &'a StackId,
    pub(super) mode: Mode,
    pub(super) known: Known<'a>,
    pub(super) causes: Causes<'a>,
    pub(super) moves: &'a [Move],
    pub(super) wanted: Vec<Decision<'a>>,
    pub(super) removals: Vec<Removal<'a>>,
    /// What is dropped from the ledger because it is gone.
    pub(super) lost: Vec<(Missing<'a>, Vec<Reason>)>,
    pub(super) drift: Vec<Drift>,
}

impl<'a> Decisions<'a> {
    /// Decides on an address where nothing is wanted.
    pub(super) fn unwanted(&mut self, address: &Address, site: Site<'a>) {
        let Site { held, made, open, extra, gone, .. } = site;
        let fields = if self.mode == Mode::Destroy { Vec::new() } else { self.causes.own(address, &[]) };
        let objects = held.into_iter().chain(made).chain(extra);
        for object in objects {
            self.remove(object, Reason::Removed, &fields);
        }
        for missing in gone.into_iter().chain(open.map(unmade)) {
            self.lose(missing, true);
        }
    }

    /// Decides on a wanted resource. What it depends on was decided on before.
    pub(super) fn wanted(
        &mut self,
        resource: &'a Resource,
        dependencies: &'a BTreeSet<Address>,
        of: &'a ResourceType,
        site: Site<'a>,
    ) -> Result<()> {
        let address = &resource.address;
        let Site { held, made, open, extra, gone, unused } = site;
        for object in extra {
            self.remove(object, Reason::Deposed, &[]);
        }
        let (open, other) = match open {
            Some(intent) if intent.type_name != of.name => (None, Some(unmade(intent))),
            open => (open, None),
        };
        let mut gone: Vec<Missing<'a>> = gone.into_iter().chain(other).collect();
        let judged = match (held, made) {
            (Some(held), Some(made)) => {
                let verdict = self.judge(resource, of, &held, dependencies)?;
                if verdict.forces.is_some() {
                    let verdict = self.judge(resource, of, &made, dependencies)?;
                    self.remove(held, Reason::Deposed, &[]);
                    Some((made, verdict))
                } else {
                    self.remove(made, Reason::Interrupted, &[]);
                    Some((held, verdict))
                }
            }
            (Some(object), None) | (None, Some(object)) => {
                let verdict = self.judge(resource, of, &object, dependencies)?;
                Some((object, verdict))
            }
            (None, None) => None,
        };
        let next = open.map_or(unused, |intent| intent.slot.generation);
        let mut decision = Decision {
            resource,
            of,
            dependencies,
            fate: Fate::Create,
            object: None,
            generation: next,
            properties: Properties::new(),
            differences: Vec::new(),
            reasons: Vec::new(),
            gone: Vec::new(),
            moved: None,
            protection: None,
        };
        for missing in &gone {
            if matches!(missing.standing, Standing::Held | Standing::Updating(_)) {
                let (path, expected, found) = (String::new(), None, None);
                self.drift.push(Drift { address: address.clone(), path, expected, found });
            }
        }
        match judged {
            None => {
                for missing in std::mem::take(&mut gone) {
                    if matches!(missing.standing, Standing::Deposed) {
                        self.lose(missing, false);
                    } else {
                        decision.gone.push(missing);
                    }
                }
                decision.properties = of_generation(self.stack, of, resource, next);
                decision.reasons = self.why_create(address, resource, &decision.gone, open.is_some());
                self.known.outcomes.insert(address, made_new(of, false, &decision.reasons));
            }
            Some((object, verdict)) => {
                let replaced = verdict.forces.is_some();
                if let Some(intent) =
                    open.filter(|intent| !replaced || intent.slot.generation <= object.slot.generation)
                {
                    // Nothing came of it, and nothing is to come of it any more.
                    gone.push(unmade(intent));
                    decision.generation = unused.max(object.slot.generation.saturating_add(1));
                }
                self.judged(&mut decision, object, verdict);
            }
        }
        for missing in gone {
            self.lose(missing, false);
        }
        self.wanted.push(decision);
        Ok(())
    }

    fn judged(&mut self, decision: &mut Decision<'a>, object: Object<'a>, verdict: Verdict) {
        let (resource, of, address) = (decision.resource, decision.of, &decision.resource.address);
        let Verdict { properties, differences, forces, delete_first, mut reasons, settle, renewed, drift } = verdict;
        self.drift.extend(drift);
        let adopts = matches!(object.standing, Standing::Made | Standing::Found);
        let replaced = forces.is_some();
        decision.fate = match (replaced, adopts, differences.is_empty(), &settle) {
            (true, ..) => {
                let beside = of.create_before_delete && !delete_first;
                let dragged = decision.dependencies.iter().chain(object.dependencies);
                Fate::Replace { create_first: beside && !dragged.into_iter().any(|on| self.known.is_delete_first(on)) }
            }
            (_, true, ..) => Fate::Adopt,
            (_, _, false, _) => Fate::Update,
            (_, _, _, Some(_)) => Fate::Settle,
            _ => Fate::Keep,
        };
        if let Some(path) = forces {
            reasons.insert(0, Reason::Forces(path));
        }
        match object.standing {
            Standing::Made if !reasons.contains(&Reason::Interrupted) => reasons.push(Reason::Interrupted),
            Standing::Found => reasons.push(Reason::Unrecorded),
            _ => {}
        }
        if decision.fate == Fate::Settle {
            reasons.extend(settle);
            if reasons == [Reason::Expansion] {
                reasons = self.causes.of_properties(address, &[], None);
            }
        }
        let moved = self.moved(address);
        let mut unexplained = differences.iter().filter(|one| moved.is_none() || !one.is_mark());
        if unexplained.next().is_some() {
            self.why_differs(address, &properties, &differences, &mut reasons);
        }
        reasons.extend(moved.clone().map(Reason::Moved));
        if reasons.last().is_some_and(|last| !last.is_root()) {
            reasons.extend(self.causes.of_properties(address, &[], None));
        }
        if replaced {
            decision.properties = of_generation(self.stack, of, resource, decision.generation);
        } else {
            decision.generation = object.slot.generation;
            decision.properties = properties;
            if !adopts && object.protected != resource.protected {
                decision.protection = Some(self.causes.of_properties(address, &[], None));
            }
        }
        decision.moved = moved;
        decision.reasons = reasons;
        decision.differences = differences;
        let outcome = if replaced {
            made_new(of, decision.fate == Fate::Replace { create_first: false }, &decision.reasons)
        } else {
            Outcome {
                of,
                stays: Some(object.clone()),
                renewed: renewed || adopts,
                delete_first: false,
                changed: decision.differences.iter().map(|difference| difference.property.clone()).collect(),
                reasons: decision.reasons.clone(),
            }
        };
        self.known.outcomes.insert(address, outcome);
        decision.object = Some(object);
    }

    /// The address that an object had before this plan moves it.
    fn moved(&self, address: &Address) -> Option<Address> {
        let moved = self.moves.iter().find(|moved| moved.to == address.declaration())?;
        address.with_declaration(&moved.from)
    }

    fn why_create(&self, address: &Address, resource: &Resource, gone: &[Missing<'a>], open: bool) -> Vec<Reason> {
        if open {
            return vec![Reason::Interrupted];
        }
        match gone.last().map(|missing| missing.standing) {
            Some(Standing::Held | Standing::Updating(_)) => vec![Reason::Gone],
            Some(_) => vec![Reason::Interrupted],
            None => {
                let mut reasons = vec![Reason::Declared(resource.origin.clone())];
                reasons.extend(self.causes.own(address, &[]));
                reasons
            }
        }
    }

    fn why_differs(
        &self,
        address: &Address,
        wanted: &Properties,
        differences: &[Difference],
        reasons: &mut Vec<Reason>,
    ) {
        let explained = !reasons.is_empty() && reasons.iter().any(Reason::is_root);
        let drifted = differences.iter().filter(|one| one.drifted.is_some()).take(3);
        reasons.extend(drifted.map(|one| Reason::Drift(one.attribute.path.clone())));
        let ours: Vec<&Difference> =
            differences.iter().filter(|one| one.drifted.is_none() && one.awaits.is_none()).collect();
        if !ours.is_empty() && !explained {
            let attributes: Vec<&Attribute> = ours.iter().map(|one| &one.attribute).collect();
            let refers = ours.iter().find_map(|one| {
                let mut target = None;
                wanted.get(one.plain.split('.').next()?)?.visit_references(&mut |reference| {
                    target.get_or_insert_with(|| reference.target.clone());
                });
                target
            });
            let cause = self.causes.of_properties(address, &attributes, refers.as_ref());
            reasons.extend(cause.into_iter().filter(|reason| !reasons.contains(reason)).collect::<Vec<_>>());
        }
        if let Some(target) = differences.iter().find_map(|one| one.awaits.as_ref()) {
            reasons.extend(self.dependency(target));
        }
    }

    /// The chain of reasons that comes from something that changes beneath.
    pub(super) fn dependency(&self, target: &Address) -> Vec<Reason> {
        /// Longer chains keep what they begin and end with.
        const LONGEST: usize = 8;
        let mut chain = vec![Reason::Dependency(target.clone())];
        let beneath = self.known.outcomes.get(target).map(|outcome| outcome.reasons.as_slice()).unwrap_or_default();
        if beneath.len() > LONGEST {
            chain.extend(beneath.iter().filter(|reason| reason.is_root()).take(LONGEST).cloned());
        } else {
            chain.extend(beneath.iter().cloned());
        }
        chain
    }

    fn remove(&mut self, object: Object<'a>, why: Reason, fields: &[Reason]) {
        let mut reasons = match object.standing {
            Standing::Deposed => vec![Reason::Deposed],
            Standing::Found => vec![Reason::Unrecorded],
            Standing::Made | Standing::Deleting if why != Reason::Interrupted => vec![Reason::Interrupted],
            _ => Vec::new(),
        };
        let leftover = matches!(object.standing, Standing::Deposed | Standing::Found | Standing::Made);
        let leftover = leftover || why == Reason::Deposed;
        if self.mode == Mode::Destroy {
            reasons = vec![Reason::Destroy];
        } else if !(reasons.contains(&why) || why == Reason::Deposed && !reasons.is_empty()) {
            reasons.push(why);
            reasons.extend(fields.iter().cloned());
        }
        self.removals.push(Removal { object, reasons, leftover });
    }

    fn lose(&mut self, missing: Missing<'a>, unwanted: bool) {
        let reasons = match missing.standing {
            _ if self.mode == Mode::Destroy => vec![Reason::Destroy],
            Standing::Held | Standing::Updating(_) if unwanted => vec![Reason::Removed, Reason::Gone],
            Standing::Held | Standing::Updating(_) | Standing::Found => vec![Reason::Gone],
            Standing::Deleting | Standing::Made => vec![Reason::Interrupted],
            Standing::Deposed => vec![Reason::Deposed],
        };
        self.lost.push((missing, reasons));
    }
}

fn made_new<'a>(of: &'a ResourceType, delete_first: bool, reasons: &[Reason]) -> Outcome<'a> {
    Outcome { of, stays: None, renewed: false, delete_first, changed: Vec::new(), reasons: reasons.to_vec() }
}
