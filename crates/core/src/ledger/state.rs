//! The fold of the ledger: what exists, what is under way, who holds the lease.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Entry, Intent, Record, Slot};
use crate::driver::Target;
use crate::error::Position;
use crate::resource::{Address, Claim, Identity, Properties, StackId, Verb};
use crate::scope::AllOutputs;
use crate::{Code, Error, Result};

/// The position of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the newest entry; 0 when there is none.
    pub number: u64,
    /// Its hash, 64 hexadecimal digits.
    pub hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { number: 0, hash: "0".repeat(64) }
    }
}

/// What a ledger says, all entries folded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The target the stack is pinned to.
    pub target: Option<Target>,
    /// The newest lease.
    pub lease: Lease,
    /// The object at each address.
    pub resources: BTreeMap<Address, Held>,
    /// Objects that were replaced and still exist.
    pub deposed: BTreeMap<Slot, Held>,
    /// Calls whose outcome is not recorded.
    pub intents: BTreeMap<Slot, Intent>,
    /// The last failure of each object that has not succeeded since.
    pub failures: BTreeMap<Slot, Failure>,
    /// Set while nothing was intended since everything was as wanted.
    pub converged: Option<Converged>,
    /// The specs that were last converged on, while `converged` is not set. See [`State::last_specs`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub specs: BTreeMap<String, serde_json::Value>,
    /// The first generation that was never used, of addresses that lost an object: a token or a name that the cloud may
    /// still remember is not given to another object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generations: BTreeMap<Address, u32>,
}

/// Who may write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Grows with each taking of the lease.
    pub epoch: u64,
    /// Who took it; `None` when it was given back or never taken.
    pub holder: Option<String>,
    /// How many milliseconds without an entry of the holder let others take over.
    pub time_to_live: u64,
}

/// An object that the ledger knows to exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The native type's name.
    pub type_name: String,
    /// How many times the address was replaced before this object.
    pub generation: u32,
    /// The cloud's id.
    pub id: String,
    /// How it is found without the id.
    pub claim: Claim,
    /// The properties it was last given, references resolved.
    pub properties: Properties,
    /// Its outputs.
    pub outputs: Properties,
    /// Direct dependencies.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub dependencies: BTreeSet<Address>,
    /// The cluster whose API it lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Address>,
    /// Whether deleting or replacing it needs consent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// Where it was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Position>,
}

impl Held {
    /// How a driver finds it.
    #[must_use]
    pub fn identity(&self, address: &Address) -> Identity {
        Identity {
            address: address.clone(),
            type_name: self.type_name.clone(),
            generation: self.generation,
            id: Some(self.id.clone()),
            claim: self.claim.clone(),
            cluster: self.cluster.clone(),
        }
    }
}

impl Intent {
    /// How a driver finds the object.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            address: self.slot.address.clone(),
            type_name: self.type_name.clone(),
            generation: self.slot.generation,
            id: self.id.clone(),
            claim: self.claim.clone(),
            cluster: self.cluster.clone(),
        }
    }
}

/// Why something failed the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was tried.
    pub verb: Verb,
    /// The error's code.
    pub code: String,
    /// The error's message.
    pub message: String,
}

/// Everything was as a graph wanted it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Converged {
    /// The hash of the graph.
    pub graph: String,
    /// What the declarations hand out, all references resolved.
    pub outputs: AllOutputs,
    /// The declarations' specs as JSON, by `kind/name`: what the next plan compares with to say why something changes.
    pub specs: BTreeMap<String, serde_json::Value>,
}

impl State {
    /// Takes in one entry.
    ///
    /// # Errors
    /// [`Code::LedgerDamaged`] when it contradicts what was recorded before.
    pub fn fold(&mut self, entry: &Entry) -> Result<()> {
        for record in &entry.records {
            self.record(record).map_err(|error| error.during(format!("ledger entry {}", entry.number)))?;
        }
        Ok(())
    }

    /// Takes in one record.
    ///
    /// # Errors
    /// [`Code::LedgerDamaged`] when it contradicts what was recorded before.
    pub fn record(&mut self, record: &Record) -> Result<()> {
        match record {
            Record::Target(target) => self.target = Some(target.clone()),
            Record::Lease { holder, epoch, time_to_live } => {
                self.lease = Lease { epoch: *epoch, holder: Some(holder.clone()), time_to_live: *time_to_live };
            }
            Record::Release => self.lease.holder = None,
            Record::Renew | Record::Consent(_) => {}
            Record::Intent(intent) => {
                self.unsettle();
                self.intents.insert(intent.slot.clone(), (**intent).clone());
            }
            Record::Accepted { slot, id } => {
                self.intents.get_mut(slot).ok_or_else(|| damaged("an acceptance without an intent", slot))?.id =
                    Some(id.clone());
            }
            Record::Done { slot, id, outputs } => {
                let intent = self.intents.remove(slot).ok_or_else(|| damaged("an outcome without an intent", slot))?;
                self.failures.remove(slot);
                self.hold(intent, id, outputs);
            }
            Record::Deleted { slot } | Record::Forgotten { slot } => {
                self.unsettle();
                let unused = self.generations.entry(slot.address.clone()).or_default();
                *unused = slot.generation.saturating_add(1).max(*unused);
                self.intents.remove(slot);
                self.failures.remove(slot);
                self.deposed.remove(slot);
                if self.resources.get(&slot.address).is_some_and(|held| held.generation == slot.generation) {
                    self.resources.remove(&slot.address);
                }
            }
            Record::Failed { slot, verb, code, message, remains } => {
                if !remains {
                    self.intents.remove(slot);
                }
                let failure = Failure { verb: *verb, code: code.clone(), message: message.clone() };
                self.failures.insert(slot.clone(), failure);
            }
            Record::Protection { address, protected } => {
                self.resources.get_mut(address).ok_or_else(|| damaged("protection of nothing", address))?.protected =
                    *protected;
            }
            Record::Converged(converged) => {
                self.converged = Some((**converged).clone());
                self.specs.clear();
            }
            Record::Checkpoint(state) => *self = (**state).clone(),
        }
        Ok(())
    }

    /// The next generation of an address: larger than any that was ever used there.
    #[must_use]
    pub fn next_generation(&self, address: &Address) -> u32 {
        fn newest<T>(slots: &BTreeMap<Slot, T>, address: &Address) -> Option<u32> {
            let range = Slot::new(address, 0)..=Slot::new(address, u32::MAX);
            slots.range(range).next_back().map(|(slot, _)| slot.generation)
        }
        let held = self.resources.get(address).map(|held| held.generation);
        let used =
            [held, newest(&self.deposed, address), newest(&self.intents, address), newest(&self.failures, address)];
        let next = used.into_iter().flatten().max().map_or(0, |newest| newest.saturating_add(1));
        next.max(self.generations.get(address).copied().unwrap_or_default())
    }

    /// The declarations' specs that were last converged on, by `kind/name`. They outlive an interrupted run.
    #[must_use]
    pub fn last_specs(&self) -> &BTreeMap<String, serde_json::Value> {
        self.converged.as_ref().map_or(&self.specs, |converged| &converged.specs)
    }

    fn unsettle(&mut self) {
        if let Some(converged) = self.converged.take() {
            self.specs = converged.specs;
        }
    }

    fn hold(&mut self, intent: Intent, id: &str, outputs: &Properties) {
        let Intent { slot, type_name, claim, properties, dependencies, cluster, protected, origin, .. } = intent;
        let held = Held {
            type_name,
            generation: slot.generation,
            id: id.to_owned(),
            claim,
            properties,
            outputs: outputs.clone(),
            dependencies,
            cluster,
            protected,
            origin,
        };
        let newer = self.resources.get(&slot.address).is_some_and(|current| current.generation > slot.generation);
        if newer || self.deposed.contains_key(&slot) {
            // A replaced object is changed once more before it is deleted; it does not become the current one.
            self.deposed.insert(slot, held);
            return;
        }
        if let Some(old) = self.resources.insert(slot.address.clone(), held)
            && old.generation != slot.generation
        {
            self.deposed.insert(Slot::new(&slot.address, old.generation), old);
        }
    }

    /// Every object the ledger leads to: held, deposed, or intended and not resolved.
    pub fn all(&self) -> impl Iterator<Item = (Slot, Option<&str>)> {
        let held =
            self.resources.iter().map(|(address, held)| (Slot::new(address, held.generation), Some(held.id.as_str())));
        let deposed = self.deposed.iter().map(|(slot, held)| (slot.clone(), Some(held.id.as_str())));
        let open = self.intents.iter().filter(|(_, intent)| intent.verb == Verb::Create);
        held.chain(deposed).chain(open.map(|(slot, intent)| (slot.clone(), intent.id.as_deref())))
    }

    /// Whether anything is known at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.deposed.is_empty() && self.intents.is_empty()
    }
}

/// Which stack an entry must belong to.
pub fn same_stack(entry: &Entry, stack: &StackId) -> Result<()> {
    if entry.stack == *stack {
        return Ok(());
    }
    Err(Error::new(Code::LedgerForeign, format!("the ledger belongs to another stack: {}", entry.stack))
        .hint("give each stack a folder or prefix of its own"))
}

fn damaged(what: &str, subject: impl std::fmt::Display) -> Error {
    Error::new(Code::LedgerDamaged, format!("{what}: {subject}"))
        .hint("nothing was changed; restore the ledger's store to an earlier version, or rebuild it from the cloud")
}
