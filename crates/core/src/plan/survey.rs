//! What stands at each address: the word of the ledger and the word of the cloud, put together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::look::Seen;
use super::site::{Missing, Object, Site, Standing};
use crate::driver::{Found, Observation, Observed};
use crate::ledger::{Held, Intent, Slot, State};
use crate::resource::{Address, Api, Catalog, IdentityClass, Marks, Ownership, Value, Verb};
use crate::{Code, Error, Problems};

static NONE: BTreeSet<Address> = BTreeSet::new();

/// Puts ledger and cloud together, address by address.
pub(super) fn survey<'a>(
    state: &'a State,
    seen: &'a Seen,
    catalog: &Catalog,
    problems: &mut Problems,
) -> BTreeMap<&'a Address, Site<'a>> {
    let marked = seen.found.iter().map(|found| ((&found.marks.address, found.marks.generation), found)).collect();
    let mut survey = Survey { state, seen, catalog, problems, marked, sites: BTreeMap::new(), known: HashSet::new() };
    survey.held();
    survey.deposed();
    survey.open();
    survey.found();
    survey.sites
}

struct Survey<'a, 'p> {
    state: &'a State,
    seen: &'a Seen,
    catalog: &'p Catalog,
    problems: &'p mut Problems,
    /// What a census found, by its marks.
    marked: HashMap<(&'a Address, u32), &'a Found>,
    sites: BTreeMap<&'a Address, Site<'a>>,
    /// Types and ids of everything that the ledger leads to.
    known: HashSet<(&'a str, &'a str)>,
}

/// What was seen of one object.
enum Sight<'a> {
    NotLooked,
    Present(&'a Observed),
    Absent,
}

impl<'a> Survey<'a, '_> {
    fn site(&mut self, address: &'a Address) -> &mut Site<'a> {
        let state = self.state;
        self.sites.entry(address).or_insert_with(|| Site { unused: state.next_generation(address), ..Site::default() })
    }

    fn held(&mut self) {
        let state = self.state;
        for (address, held) in &state.resources {
            let slot = Slot::new(address, held.generation);
            let standing = match state.intents.get(&slot) {
                Some(intent) if intent.verb == Verb::Delete => Standing::Deleting,
                Some(intent) if intent.verb != Verb::Read => Standing::Updating(intent),
                _ => Standing::Held,
            };
            let Some(sight) = self.sight(&slot, held, standing) else { continue };
            let site = self.site(address);
            match sight {
                Ok(object) => site.held = Some(object),
                Err(missing) => site.gone.push(missing),
            }
        }
    }

    fn deposed(&mut self) {
        let state = self.state;
        for (slot, held) in &state.deposed {
            let Some(sight) = self.sight(slot, held, Standing::Deposed) else { continue };
            let site = self.site(&slot.address);
            match sight {
                Ok(object) => site.extra.push(object),
                Err(missing) => site.gone.push(missing),
            }
        }
    }

    /// The object, or that it is missing; nothing when that is a problem.
    fn sight(
        &mut self,
        slot: &Slot,
        held: &'a Held,
        standing: Standing<'a>,
    ) -> Option<Result<Object<'a>, Missing<'a>>> {
        self.known.insert((&held.type_name, &held.id));
        let look = self.look(slot, &held.type_name, held.cluster.as_ref(), &held.dependencies, true)?;
        let observed = match look {
            Sight::Present(observed) => Some(observed),
            Sight::NotLooked if matches!(standing, Standing::Held | Standing::Deposed) => None,
            Sight::NotLooked => {
                self.problems.push(unresolved(slot, "a call was interrupted and its object was not looked at"));
                return None;
            }
            Sight::Absent => {
                return Some(Err(Missing {
                    slot: slot.clone(),
                    type_name: &held.type_name,
                    id: Some(&held.id),
                    claim: &held.claim,
                    cluster: held.cluster.as_ref(),
                    standing,
                }));
            }
        };
        Some(Ok(Object {
            slot: slot.clone(),
            type_name: &held.type_name,
            id: observed.map_or(&held.id, |observed| &observed.id),
            claim: Some(&held.claim),
            properties: &held.properties,
            outputs: &held.outputs,
            dependencies: &held.dependencies,
            cluster: held.cluster.as_ref(),
            protected: held.protected,
            observed,
            standing,
            twin: false,
        }))
    }

    /// Intents for objects that are neither held nor replaced. The newest at an address is the one that counts.
    fn open(&mut self) {
        let state = self.state;
        for (slot, intent) in state.intents.iter().rev() {
            if let Some(id) = &intent.id {
                self.known.insert((&intent.type_name, id));
            }
            let held = state.resources.get(&slot.address).map(|held| held.generation);
            if held == Some(slot.generation) || state.deposed.contains_key(slot) {
                continue;
            }
            let deleting = intent.verb == Verb::Delete;
            // What is older than the object that is held cannot take its place.
            let outdated = held.is_some_and(|held| held > slot.generation);
            let Some(look) =
                self.look(slot, &intent.type_name, intent.cluster.as_ref(), &intent.dependencies, !deleting)
            else {
                continue;
            };
            let observed = match look {
                Sight::Present(observed) => observed,
                Sight::NotLooked => {
                    self.problems.push(unresolved(slot, "a call was interrupted and its object was not looked at"));
                    continue;
                }
                Sight::Absent => match self.marked.get(&(&slot.address, slot.generation)) {
                    Some(found) if !deleting && found.type_name == intent.type_name => &found.observed,
                    _ => {
                        let site = self.site(&slot.address);
                        if !deleting && !outdated && site.made.is_none() && site.open.is_none() {
                            site.open = Some(intent);
                        } else {
                            let standing = if deleting { Standing::Deleting } else { Standing::Made };
                            site.gone.push(missing(intent, standing));
                        }
                        continue;
                    }
                },
            };
            self.known.insert((&intent.type_name, &observed.id));
            let twin = match &observed.owner {
                Ownership::Ours(marks) if deleting => {
                    self.is_twin(&slot.address, marks.generation, &intent.type_name, &observed.id)
                }
                _ => false,
            };
            let object = Object {
                slot: slot.clone(),
                type_name: &intent.type_name,
                id: &observed.id,
                claim: Some(&intent.claim),
                // An intent to delete does not repeat what the object was given.
                properties: if deleting { &observed.properties } else { &intent.properties },
                outputs: &observed.outputs,
                dependencies: &intent.dependencies,
                cluster: intent.cluster.as_ref(),
                protected: intent.protected,
                observed: Some(observed),
                standing: if deleting { Standing::Deleting } else { Standing::Made },
                twin,
            };
            let site = self.site(&slot.address);
            if deleting || outdated || site.made.is_some() || site.open.is_some() {
                site.extra.push(object);
            } else {
                site.made = Some(object);
            }
        }
    }

    /// What bears our marks and is not in the ledger: the newest at an address where nothing is known may be taken in,
    /// all others are surplus.
    fn found(&mut self) {
        let mut all: Vec<&'a Found> = self.seen.found.iter().collect();
        // Of two at one address the one that others refer to stays, so that nothing has to move.
        let mut referred = HashSet::new();
        if self.marked.len() < all.len() {
            all.iter()
                .for_each(|found| found.observed.properties.values().for_each(|value| texts(value, &mut referred)));
        }
        all.sort_by(|one, two| {
            let key = |found: &'a Found| {
                (&found.marks.address, u32::MAX - found.marks.generation, !referred.contains(found.id.as_str()))
            };
            key(one).cmp(&key(two)).then_with(|| (&one.type_name, &one.id).cmp(&(&two.type_name, &two.id)))
        });
        let state = self.state;
        for found in all {
            if self.known.contains(&(found.type_name.as_str(), found.id.as_str())) {
                continue;
            }
            let slot = Slot::new(&found.marks.address, found.marks.generation);
            let taken = state.deposed.contains_key(&slot) || state.intents.contains_key(&slot);
            let holds_data = self.catalog.get(&found.type_name).is_ok_and(|of| of.holds_data);
            let twin = !referred.contains(found.id.as_str())
                && self.is_twin(&found.marks.address, found.marks.generation, &found.type_name, &found.id);
            let site = self.site(&found.marks.address);
            let protected = holds_data && !twin;
            let first = site.held.is_none() && site.made.is_none() && site.open.is_none() && !taken;
            let first = first && !site.gone.iter().any(|gone| gone.slot.generation >= slot.generation);
            let slot = if first {
                slot
            } else {
                // Its own generation is taken by another object; in the ledger it goes by one of its own.
                let unused = site.unused.max(slot.generation.saturating_add(1));
                Slot::new(&slot.address, unused)
            };
            site.unused = site.unused.max(slot.generation.saturating_add(1));
            let object = Object {
                slot,
                type_name: &found.type_name,
                id: &found.id,
                claim: None,
                properties: &found.observed.properties,
                outputs: &found.observed.outputs,
                dependencies: &NONE,
                cluster: None,
                protected,
                observed: Some(&found.observed),
                standing: Standing::Found,
                twin,
            };
            if first {
                site.made = Some(object);
            } else {
                site.extra.push(object);
            }
        }
    }

    /// Whether an object is what one create made that was sent twice: its marks are those of another one, which the ledger
    /// leads to.
    fn is_twin(&self, address: &Address, generation: u32, type_name: &str, id: &str) -> bool {
        let of = self.catalog.get(type_name);
        let same = |other: &Object<'_>| {
            !matches!(other.standing, Standing::Found)
                && other.slot.generation == generation
                && other.type_name == type_name
                && other.id != id
        };
        of.is_ok_and(|of| of.identity == IdentityClass::Tagged)
            && self.sites.get(address).is_some_and(|site| site.held.iter().chain(&site.made).any(same))
    }

    /// What was seen of one object, once it is sure whose it is.
    fn look(
        &mut self,
        slot: &Slot,
        type_name: &str,
        cluster: Option<&Address>,
        dependencies: &BTreeSet<Address>,
        exact: bool,
    ) -> Option<Sight<'a>> {
        match self.seen.by_slot.get(slot) {
            None => Some(Sight::NotLooked),
            Some(Observation::Absent) => Some(Sight::Absent),
            Some(Observation::Present(observed)) => match self.whose(slot, observed, exact) {
                Ok(()) => Some(Sight::Present(observed)),
                Err(error) => {
                    self.problems.push(error);
                    None
                }
            },
            Some(Observation::Unknown(error)) => {
                // Nothing lives on in a cluster or a server that is gone.
                let api = self.catalog.get(type_name).map(|of| of.api);
                let host_gone = match api {
                    Ok(Api::Kubernetes) => cluster.is_some_and(|cluster| self.is_gone(cluster)),
                    Ok(Api::Postgres) => dependencies.iter().any(|server| self.is_gone(server)),
                    _ => false,
                };
                if host_gone {
                    return Some(Sight::Absent);
                }
                self.problems.push(
                    unresolved(slot, "its presence could not be found out")
                        .retry(error.retry_class())
                        .because(error.clone()),
                );
                None
            }
        }
    }

    fn is_gone(&self, address: &Address) -> bool {
        self.state.resources.get(address).is_some_and(|held| {
            let slot = Slot::new(address, held.generation);
            matches!(self.seen.by_slot.get(&slot), Some(Observation::Absent))
        })
    }

    fn whose(&self, slot: &Slot, observed: &Observed, exact: bool) -> Result<(), Error> {
        let marks = match &observed.owner {
            Ownership::Inherited => return Ok(()),
            Ownership::Ours(marks) => marks,
            Ownership::Foreign => {
                let message = format!("the object does not bear this stack's marks: {}", observed.id);
                return Err(Error::new(Code::ForeignResource, message)
                    .at(&slot.address)
                    .hint("rename the declaration, or put the marks back if this object is the stack's"));
            }
        };
        let Marks { address, generation, .. } = marks;
        if self.state.may_be_marked(&slot.address, address) && (!exact || *generation == slot.generation) {
            return Ok(());
        }
        let message = format!("{} bears the marks of another object: {address}@{generation}", observed.id);
        Err(Error::new(Code::ForeignResource, message)
            .at(&slot.address)
            .hint("put the object's marks back to what the ledger says, or delete the object that has none of its own"))
    }
}

fn missing<'a>(intent: &'a Intent, standing: Standing<'a>) -> Missing<'a> {
    Missing {
        slot: intent.slot.clone(),
        type_name: &intent.type_name,
        id: intent.id.as_deref(),
        claim: &intent.claim,
        cluster: intent.cluster.as_ref(),
        standing,
    }
}

fn texts<'a>(value: &'a Value, all: &mut HashSet<&'a str>) {
    match value {
        Value::Text(text) => {
            all.insert(text);
        }
        Value::List(list) => list.iter().for_each(|value| texts(value, all)),
        Value::Map(map) => map.values().for_each(|value| texts(value, all)),
        _ => {}
    }
}

/// The interrupted create at this address that made nothing, as something that is gone.
pub(super) fn unmade(intent: &Intent) -> Missing<'_> {
    missing(intent, Standing::Made)
}

fn unresolved(slot: &Slot, what: &str) -> Error {
    Error::new(Code::Unresolved, format!("{what}: {slot}"))
        .at(&slot.address)
        .hint("nothing was changed; run again once the cloud answers")
}
