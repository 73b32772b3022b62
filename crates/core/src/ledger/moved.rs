//! Declarations that were renamed: their objects go by new addresses and stay what they are.

use std::collections::BTreeMap;

use super::state::damaged;
use super::{Intent, Slot, State};
use crate::Result;
use crate::graph::Move;
use crate::resource::{Address, Claim};

impl State {
    /// The state once these declarations were moved.
    ///
    /// # Errors
    /// [`Code::LedgerDamaged`](crate::Code::LedgerDamaged) when something stands where an object would move to.
    pub fn after(&self, moves: &[Move]) -> Result<Self> {
        let mut state = self.clone();
        moves.iter().try_for_each(|moved| state.move_declaration(moved))?;
        Ok(state)
    }

    /// Whether something of a declaration (`kind/name`) is known that can go by another address.
    #[must_use]
    pub fn holds(&self, declaration: &str) -> bool {
        let held = self.resources.keys().chain(self.deposed.keys().map(|slot| &slot.address));
        let open = self.intents.values().filter(|intent| moves_along(intent)).map(|intent| &intent.slot.address);
        held.chain(open).any(|address| address.declaration() == declaration)
    }

    /// Whether an object with the marks of `marked` may be the one of `address`: it is the same, or was moved there.
    #[must_use]
    pub fn may_be_marked(&self, address: &Address, marked: &Address) -> bool {
        address == marked
            || address.cloud() == marked.cloud()
                && address.part() == marked.part()
                && self
                    .former
                    .get(address.declaration())
                    .is_some_and(|names| names.iter().any(|name| name == marked.declaration()))
    }

    /// The address that something was first made at: what others live in is known to the cloud by it.
    #[must_use]
    pub fn first_address(&self, address: &Address) -> Address {
        let first = self.former.get(address.declaration()).and_then(|names| names.first());
        first.and_then(|first| address.with_declaration(first)).unwrap_or_else(|| address.clone())
    }

    /// Where an address moved to; `None` when it did not.
    #[must_use]
    pub fn moved_from(&self, address: &Address) -> Option<Address> {
        let declaration = address.declaration();
        let (now, _) = self.former.iter().find(|(_, names)| names.iter().any(|name| name == declaration))?;
        address.with_declaration(now)
    }

    pub(super) fn move_declaration(&mut self, moved: &Move) -> Result<()> {
        let Move { from, to } = moved;
        if !self.holds(from) || from == to {
            return Ok(());
        }
        if self.holds(to) {
            return Err(damaged("a move to where something is", to));
        }
        self.unsettle();
        let now = |address: &Address| match address.declaration() == from {
            true => address.with_declaration(to).unwrap_or_else(|| address.clone()),
            false => address.clone(),
        };
        let slot = |slot: &Slot| Slot::new(&now(&slot.address), slot.generation);
        for held in self.resources.values_mut().chain(self.deposed.values_mut()) {
            held.dependencies = held.dependencies.iter().map(now).collect();
            held.cluster = held.cluster.as_ref().map(now);
        }
        let intents = std::mem::take(&mut self.intents).into_values().map(|mut intent| {
            intent.dependencies = intent.dependencies.iter().map(now).collect();
            intent.cluster = intent.cluster.as_ref().map(now);
            if moves_along(&intent) || self.resources.contains_key(&intent.slot.address) {
                intent.slot = slot(&intent.slot);
            }
            (intent.slot.clone(), intent)
        });
        self.intents = intents.collect();
        self.resources = rekeyed(&mut self.resources, now);
        self.deposed = rekeyed(&mut self.deposed, slot);
        self.failures = rekeyed(&mut self.failures, slot);
        // What stays behind keeps its numbers too.
        let unused: Vec<_> = self.generations.iter().map(|(address, unused)| (now(address), *unused)).collect();
        for (address, unused) in unused {
            let known = self.generations.entry(address).or_default();
            *known = unused.max(*known);
        }
        if let Some(spec) = self.specs.remove(from) {
            self.specs.insert(to.clone(), spec);
        }
        let mut names = self.former.remove(from).unwrap_or_default();
        names.push(from.clone());
        // The first name stays, also when it is the name again.
        let first = names[0].clone();
        names.retain(|name| name != to);
        if first == *to {
            names.insert(0, first);
        }
        self.former.insert(to.clone(), names);
        Ok(())
    }

    /// Forgets the names of declarations that have no object any more.
    pub(super) fn forget_former_names(&mut self) {
        let mut former = std::mem::take(&mut self.former);
        former.retain(|declaration, _| self.holds(declaration));
        self.former = former;
    }
}

/// Whether the object of an open call is found under any address. What is found by a token or by marks alone, which both
/// say the address, stays where it was: the next run finds it there and deletes it.
fn moves_along(intent: &Intent) -> bool {
    intent.id.is_some() || matches!(intent.claim, Claim::Name(_) | Claim::Tuple(_))
}

fn rekeyed<K: Ord, V>(map: &mut BTreeMap<K, V>, key: impl Fn(&K) -> K) -> BTreeMap<K, V> {
    std::mem::take(map).into_iter().map(|(old, value)| (key(&old), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use super::super::testing::{converged, done, intent, slot};
    use super::*;
    use crate::Code;

    fn moved(from: &str, to: &str) -> Record {
        Record::Moved(Move { from: from.into(), to: to.into() })
    }

    fn folded(records: &[Record]) -> State {
        let mut state = State::default();
        records.iter().for_each(|record| state.record(record).unwrap());
        state
    }

    #[test]
    fn objects_keep_everything_but_their_address() {
        let before = folded(&[intent(1, 0), done(1), intent(2, 0), done(2), converged("g")]);
        let address = &slot(1).address;
        let declaration = address.declaration();
        let mut state = before.clone();
        state.record(&moved(declaration, "network/other")).unwrap();
        let new = address.with_declaration("network/other").unwrap();
        assert_eq!(state.resources[&new].id, before.resources[address].id);
        assert!(!state.holds(declaration) && state.holds("network/other"));
        assert!(state.converged.is_none());
        assert!(state.may_be_marked(&new, address) && state.may_be_marked(&new, &new));
        assert!(!state.may_be_marked(address, &new));
        assert_eq!(state.moved_from(address), Some(new.clone()));
        assert_eq!(state.first_address(&new), *address);

        // Once more, and back: the first name is the one that counts.
        state.record(&moved("network/other", "network/third")).unwrap();
        assert_eq!(state.former["network/third"], [declaration, "network/other"]);
        state.record(&moved("network/third", declaration)).unwrap();
        assert_eq!(state.resources, before.resources);
        assert_eq!(state.former[declaration], [declaration, "network/other", "network/third"]);
    }

    #[test]
    fn nothing_moves_onto_something() {
        let mut state = folded(&[intent(1, 0), done(1)]);
        let declaration = slot(1).address.declaration().to_owned();
        let mut other = state.clone();
        other.record(&moved(&declaration, "network/other")).unwrap();
        state.record(&moved("network/absent", "network/other")).unwrap();
        assert_eq!(state, folded(&[intent(1, 0), done(1)]), "nothing was there to move");
        state.resources.extend(other.resources);
        assert_eq!(state.record(&moved(&declaration, "network/other")).unwrap_err().code(), Code::LedgerDamaged);
    }
}
