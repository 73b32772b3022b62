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
    /// The generation of the configuration that was deployed last, converged or not; 0 when none had a number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// Whether something of ours may stand in the cloud that nothing here leads to.
    #[serde(default, skip_serializing_if = "Recheck::is_no")]
    pub recheck: Recheck,
    /// How often the lease was taken since something last got done.
    #[serde(default, skip_serializing_if = "is_none")]
    pub attempts: u32,
    /// The specs that were last converged on, while `converged` is not set. See [`State::last_specs`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub specs: BTreeMap<String, serde_json::Value>,
    /// The first generation that was never used, of addresses that lost an object: a token or a name that the cloud may
    /// still remember is not given to another object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generations: BTreeMap<Address, u32>,
    /// The names that declarations had before they were moved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub former: Former,
}

/// For each declaration (`kind/name`) that was moved, the names it had, the first one first: its objects keep that one in
/// the cloud.
pub type Former = BTreeMap<String, Vec<String>>;

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

/// Whether the cloud must be counted once more.
///
/// What has only tags can be made twice: by a holder that slept over the end of its lease and woke with a call on its
/// lips, or by a create that was repeated while the first one was still on its way. The intent is closed by then. So after
/// such a thing one more run, which begins after it was known, compares a census with the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recheck {
    /// There is no reason to.
    #[default]
    No,
    /// The next run has to.
    Due,
    /// The run that has the lease does.
    UnderWay,
    /// Something may have been made twice, and an index of tags may not know it yet: a run counts once the index does.
    Doubted,
}

impl Recheck {
    /// Whether there is no reason to.
    #[must_use]
    pub fn is_no(&self) -> bool {
        *self == Self::No
    }
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
    /// The generation of the configuration; 0 when it had no number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// What the declarations hand out, all references resolved.
    pub outputs: AllOutputs,
    /// The declarations' specs as JSON, by `kind/name`: what the next plan compares with to say why something changes.
    pub specs: BTreeMap<String, serde_json::Value>,
    /// Whether the next run has to count the cloud once more although nothing is wanted: see [`Recheck`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recheck: bool,
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
                self.recheck = match (&self.lease.holder, self.recheck) {
                    (_, Recheck::Doubted) => Recheck::Doubted,
                    // Whoever had it gave no sign of life, and may not be dead.
                    (Some(_), _) => Recheck::Due,
                    (None, Recheck::No) => Recheck::No,
                    (None, _) => Recheck::UnderWay,
                };
                self.lease = Lease { epoch: *epoch, holder: Some(holder.clone()), time_to_live: *time_to_live };
                self.attempts = self.attempts.saturating_add(1);
            }
            Record::Release => self.lease.holder = None,
            Record::Recheck => self.recheck = Recheck::Doubted,
            Record::Renew | Record::Consent(_) => {}
            Record::Generation { number } => self.generation = *number,
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
                self.attempts = 0;
                self.hold(intent, id, outputs);
            }
            Record::Deleted { slot } | Record::Forgotten { slot } => {
                self.unsettle();
                self.attempts = 0;
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
            Record::Moved(moved) => self.move_declaration(moved)?,
            Record::Converged(converged) => {
                self.converged = Some((**converged).clone());
                self.recheck = match self.recheck {
                    Recheck::UnderWay => Recheck::No,
                    Recheck::Doubted if !converged.recheck => Recheck::No,
                    still => still,
                };
                self.attempts = 0;
                self.specs.clear();
                self.forget_former_names();
            }
            Record::Checkpoint(state) => *self = (**state).clone(),
        }
        Ok(())
    }

    /// Says whether these records, in this order, would fold, without folding them and without a copy of the state.
    ///
    /// # Errors
    /// What [`State::record`] would say.
    pub fn accepts(&self, records: &[Record]) -> Result<()> {
        if records.iter().any(|record| matches!(record, Record::Moved(_))) {
            // It changes what the others mean, and comes once in a while.
            let mut state = self.clone();
            return records.iter().try_for_each(|record| state.record(record));
        }
        // What the records before would have changed: intents by slot, generations of held objects by address.
        let mut open: BTreeMap<&Slot, bool> = BTreeMap::new();
        let mut held: BTreeMap<&Address, Option<u32>> = BTreeMap::new();
        let intended = |open: &BTreeMap<&Slot, bool>, slot: &Slot| {
            open.get(slot).copied().unwrap_or_else(|| self.intents.contains_key(slot))
        };
        let generation = |held: &BTreeMap<&Address, Option<u32>>, address: &Address| {
            held.get(address).copied().unwrap_or_else(|| self.resources.get(address).map(|held| held.generation))
        };
        for record in records {
            match record {
                Record::Intent(intent) => {
                    open.insert(&intent.slot, true);
                }
                Record::Accepted { slot, .. } if !intended(&open, slot) => {
                    return Err(damaged("an acceptance without an intent", slot));
                }
                Record::Done { slot, .. } => {
                    if !intended(&open, slot) {
                        return Err(damaged("an outcome without an intent", slot));
                    }
                    open.insert(slot, false);
                    held.insert(&slot.address, Some(slot.generation));
                }
                Record::Deleted { slot } | Record::Forgotten { slot } => {
                    open.insert(slot, false);
                    if generation(&held, &slot.address) == Some(slot.generation) {
                        held.insert(&slot.address, None);
                    }
                }
                Record::Failed { slot, remains: false, .. } => {
                    open.insert(slot, false);
                }
                Record::Protection { address, .. } if generation(&held, address).is_none() => {
                    return Err(damaged("protection of nothing", address));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether something leads to this object beside an intent: it is the one of its address, or was and is to be deleted.
    pub(crate) fn is_held(&self, slot: &Slot) -> bool {
        let current = self.resources.get(&slot.address).is_some_and(|held| held.generation == slot.generation);
        current || self.deposed.contains_key(slot)
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

    pub(super) fn unsettle(&mut self) {
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
        let open = self.intents.iter().filter(|(slot, intent)| {
            let is_held = self.resources.get(&slot.address).is_some_and(|held| held.generation == slot.generation);
            intent.verb == Verb::Create || !(is_held || self.deposed.contains_key(slot))
        });
        held.chain(deposed).chain(open.map(|(slot, intent)| (slot.clone(), intent.id.as_deref())))
    }

    /// The native types of all that is known, as often as they occur.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        let held = self.resources.values().chain(self.deposed.values()).map(|held| held.type_name.as_str());
        held.chain(self.intents.values().map(|intent| intent.type_name.as_str()))
    }

    /// Whether anything is known at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.deposed.is_empty() && self.intents.is_empty()
    }
}

/// Which stack an entry must belong to.
///
/// # Errors
/// [`Code::LedgerForeign`] when it is another's.
pub fn same_stack(entry: &Entry, stack: &StackId) -> Result<()> {
    if entry.stack == *stack {
        return Ok(());
    }
    Err(Error::new(Code::LedgerForeign, format!("the ledger belongs to another stack: {}", entry.stack))
        .hint("give each stack a folder or prefix of its own"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_none(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(super) fn damaged(what: &str, subject: impl std::fmt::Display) -> Error {
    Error::new(Code::LedgerDamaged, format!("{what}: {subject}"))
        .hint("nothing was changed; restore the ledger's store to an earlier version, or rebuild it from the cloud")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{converged, done, intent, slot, target};
    use super::*;
    use crate::graph::Move;

    fn folded(records: &[Record]) -> State {
        let mut state = State::default();
        records.iter().for_each(|record| state.record(record).unwrap());
        state
    }

    fn of_generation(record: Record, generation: u32) -> Record {
        match record {
            Record::Intent(mut intent) => {
                intent.slot.generation = generation;
                Record::Intent(intent)
            }
            Record::Done { mut slot, id, outputs } => {
                slot.generation = generation;
                Record::Done { slot, id: format!("{id}-{generation}"), outputs }
            }
            other => other,
        }
    }

    fn failed(number: usize, remains: bool) -> Record {
        Record::Failed { slot: slot(number), verb: Verb::Create, code: "LF4005".into(), message: "m".into(), remains }
    }

    #[test]
    fn an_intent_leads_to_the_object_until_its_outcome() {
        let mut state = folded(&[intent(1, 0)]);
        assert_eq!(state.all().map(|(_, id)| id).collect::<Vec<_>>(), [None]);
        state.record(&Record::Accepted { slot: slot(1), id: "subnet-1".into() }).unwrap();
        assert_eq!(state.all().map(|(_, id)| id).collect::<Vec<_>>(), [Some("subnet-1")]);
        state.record(&done(1)).unwrap();
        assert!(state.intents.is_empty());
        let held = &state.resources[&slot(1).address];
        assert_eq!(held.generation, 0);
        assert_eq!(held.outputs["AvailabilityZone"].as_str(), Some("eu-west-1a"));
        state.record(&Record::Deleted { slot: slot(1) }).unwrap();
        assert!(state.is_empty());
    }

    #[test]
    fn a_replaced_object_is_deposed_until_it_is_gone() {
        let mut state = folded(&[intent(1, 0), done(1), of_generation(intent(1, 1), 1), of_generation(done(1), 1)]);
        assert_eq!(state.resources[&slot(1).address].generation, 1);
        assert_eq!(state.deposed[&slot(1)].id, format!("subnet-{:017}", 1));
        assert_eq!(state.next_generation(&slot(1).address), 2);
        state.record(&Record::Deleted { slot: slot(1) }).unwrap();
        assert!(state.deposed.is_empty());
        assert_eq!(state.resources[&slot(1).address].generation, 1);
    }

    #[test]
    fn a_failure_keeps_the_intent_only_while_the_object_may_exist() {
        let state = folded(&[intent(1, 0), failed(1, true), intent(2, 0), failed(2, false)]);
        assert!(state.intents.contains_key(&slot(1)));
        assert!(!state.intents.contains_key(&slot(2)));
        assert_eq!(state.failures.len(), 2);
        assert_eq!(state.next_generation(&slot(2).address), 1);
        assert!(!folded(&[intent(1, 0), failed(1, true), done(1)]).failures.contains_key(&slot(1)));
    }

    #[test]
    fn whatever_is_intended_ends_convergence() {
        assert!(folded(&[converged("g")]).converged.is_some());
        for record in [intent(1, 0), Record::Deleted { slot: slot(1) }, Record::Forgotten { slot: slot(1) }] {
            assert!(folded(&[converged("g"), record]).converged.is_none());
        }
        assert!(folded(&[converged("g"), Record::Renew, Record::Release]).converged.is_some());
    }

    #[test]
    fn contradictions_are_damage() {
        let protection = Record::Protection { address: slot(1).address, protected: true };
        for record in [done(1), Record::Accepted { slot: slot(1), id: "i".into() }, protection] {
            assert_eq!(State::default().record(&record).unwrap_err().code(), Code::LedgerDamaged);
            assert_eq!(State::default().accepts(&[record]).unwrap_err().code(), Code::LedgerDamaged);
        }
    }

    #[test]
    fn a_checkpoint_is_the_whole_state() {
        let state = folded(&[Record::Target(target()), intent(1, 0), done(1), intent(2, 0)]);
        let text = serde_json::to_string(&Record::Checkpoint(Box::new(state.clone()))).unwrap();
        assert_eq!(folded(&[intent(9, 0), serde_json::from_str(&text).unwrap()]), state);
    }

    fn any_record() -> impl Strategy<Value = Record> {
        (0_usize..3, 0_u32..2, 0_u8..9).prop_map(|(number, generation, sort)| {
            let slot = Slot { generation, ..slot(number) };
            match sort {
                0 | 1 => of_generation(intent(number, 0), generation),
                2 => Record::Accepted { slot, id: "id".into() },
                3 => of_generation(done(number), generation),
                4 => Record::Deleted { slot },
                5 => failed(number, generation == 0),
                6 => Record::Protection { address: slot.address, protected: true },
                7 => Record::Moved(Move { from: "network/core".into(), to: "network/main".into() }),
                _ => Record::Forgotten { slot },
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_accepted_folds_and_nothing_else(
            before in proptest::collection::vec(any_record(), 0..12),
            records in proptest::collection::vec(any_record(), 0..8),
        ) {
            let mut state = State::default();
            for record in &before {
                let _ = state.record(record);
            }
            let accepted = state.accepts(&records).is_ok();
            let folds = records.iter().all(|record| state.record(record).is_ok());
            prop_assert_eq!(accepted, folds);
        }
    }
}
