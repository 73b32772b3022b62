//! Reading a ledger: the newest entry, the fold of all, the history.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::{Converged, Entry, Head, Ledger, Record, State, codec, key};
use crate::Result;
use crate::resource::StackId;

/// How many entries are read at once.
const TOGETHER: usize = 64;

/// The newest entry of a ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Peek {
    /// The entry.
    pub entry: Entry,
    /// Its number and hash.
    pub head: Head,
}

impl Peek {
    /// What everything was like, if the ledger ends with everything as wanted.
    #[must_use]
    pub fn converged(&self) -> Option<&Converged> {
        self.entry.records.iter().rev().find_map(|record| match record {
            Record::Converged(converged) => Some(Some(&**converged)),
            Record::Checkpoint(state) => Some(state.converged.as_ref()),
            Record::Intent(_) | Record::Deleted { .. } | Record::Forgotten { .. } | Record::Moved(_) => Some(None),
            _ => None,
        })?
    }

    /// Whether the lease is given back with this entry.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.entry.records.iter().any(|record| matches!(record, Record::Release))
    }
}

/// A ledger, read and folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// What it says.
    pub state: State,
    /// Its newest entry.
    pub head: Head,
    /// How many entries were read for it.
    pub entries: u64,
    pub(super) tail: Tail,
}

/// What stands behind the newest checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The number of the entry with the checkpoint; 0 when there is none.
    pub(super) checkpoint: u64,
    /// How many bytes that entry has.
    pub(super) checkpoint_bytes: u64,
    /// How many entries follow it.
    pub(super) entries: u64,
    /// How many bytes they have.
    pub(super) bytes: u64,
}

impl Tail {
    /// Takes in one more entry.
    pub(super) fn push(&mut self, entry: &Entry, bytes: u64) {
        if entry.checkpoint == entry.number {
            *self = Self { checkpoint: entry.number, checkpoint_bytes: bytes, entries: 0, bytes: 0 };
        } else {
            self.entries += 1;
            self.bytes += bytes;
        }
    }
}

impl Ledger {
    /// The newest entry, with two reads; `None` when the ledger is empty.
    ///
    /// When it [says that all is as wanted](Peek::converged), a caller with the same graph is done.
    ///
    /// # Errors
    /// [`Code::LedgerDamaged`](crate::Code::LedgerDamaged), [`Code::LedgerForeign`](crate::Code::LedgerForeign),
    /// [`Code::LedgerNewer`](crate::Code::LedgerNewer), [`Code::LedgerUnavailable`](crate::Code::LedgerUnavailable).
    pub async fn peek(&self, stack: &StackId) -> Result<Option<Peek>> {
        let Some(number) = self.newest(stack).await? else { return Ok(None) };
        self.peek_at(stack, number).await.map(Some)
    }

    /// The whole ledger, from its newest checkpoint on: one listing, the newest entry, then all that is left at once.
    /// An empty ledger is an empty state with head 0.
    ///
    /// # Errors
    /// As [`Ledger::peek`]. Entries that are missing, out of order or not chained to each other are
    /// [`Code::LedgerDamaged`](crate::Code::LedgerDamaged).
    pub async fn load(&self, stack: &StackId) -> Result<Loaded> {
        self.load_on(stack, Loaded::default()).await
    }

    /// [`Ledger::load`] by whoever loaded before: of what was read then, nothing is read again.
    ///
    /// # Errors
    /// As [`Ledger::load`].
    pub async fn load_on(&self, stack: &StackId, known: Loaded) -> Result<Loaded> {
        match self.newest(stack).await? {
            None => Ok(Loaded::default()),
            Some(number) if number == known.head.number => Ok(known),
            Some(number) => self.load_to(stack, number, known).await,
        }
    }

    /// The ledger up to this entry, which is there.
    ///
    /// # Errors
    /// As [`Ledger::load`].
    pub(crate) async fn load_to(&self, stack: &StackId, number: u64, known: Loaded) -> Result<Loaded> {
        let newest = self.entry(stack, number).await?;
        let checkpoint = newest.0.checkpoint;
        // A newer checkpoint is the shorter way, and a listing that is behind what is known leads nowhere else.
        let known =
            if number > known.head.number && checkpoint <= known.head.number { known } else { Loaded::default() };
        let start = checkpoint.max(known.head.number + 1);
        let mut fold = Fold { loaded: known, checkpoint };
        let mut before = std::pin::pin!(self.range(stack, start..number));
        while let Some(next) = before.next().await {
            let (entry, bytes) = next?;
            fold.take(entry, &bytes)?;
        }
        fold.take(newest.0, &newest.1)?;
        Ok(fold.loaded)
    }

    /// Up to `limit` entries with numbers below `before`, the newest first: a page of the ledger's history. `None`
    /// starts with the newest.
    ///
    /// # Errors
    /// As [`Ledger::load`].
    pub async fn history(&self, stack: &StackId, before: Option<u64>, limit: usize) -> Result<Vec<Entry>> {
        let end = match (before, self.newest(stack).await?) {
            (_, None) => return Ok(Vec::new()),
            (Some(before), Some(newest)) => before.min(newest.saturating_add(1)),
            (None, Some(newest)) => newest.saturating_add(1),
        };
        let start = end.saturating_sub(limit as u64).max(1);
        let mut page: Vec<Entry> = Vec::new();
        let mut previous = None;
        let mut entries = std::pin::pin!(self.range(stack, start..end));
        while let Some(next) = entries.next().await {
            let (entry, bytes) = next?;
            if let Some(previous) = previous {
                follows(&entry, &previous)?;
            }
            previous = Some(Head { number: entry.number, hash: codec::hash(&bytes) });
            page.push(entry);
        }
        page.reverse();
        Ok(page)
    }

    /// The entry of this number, which was seen to be the newest.
    pub(super) async fn peek_at(&self, stack: &StackId, number: u64) -> Result<Peek> {
        let (entry, bytes) = self.entry(stack, number).await?;
        Ok(Peek { entry, head: Head { number, hash: codec::hash(&bytes) } })
    }

    /// One entry that must be there.
    pub(super) async fn entry(&self, stack: &StackId, number: u64) -> Result<(Entry, Bytes)> {
        let missing = || codec::damaged(number, "it is missing");
        let bytes = self.get(&key::entry(stack, number)).await?.ok_or_else(missing)?;
        Ok((codec::decode(&bytes, stack, number)?, bytes))
    }

    fn range(
        &self,
        stack: &StackId,
        numbers: std::ops::Range<u64>,
    ) -> impl Stream<Item = Result<(Entry, Bytes)>> + Send + use<> {
        let (ledger, stack) = (self.clone(), stack.clone());
        stream::iter(numbers)
            .map(move |number| {
                let (ledger, stack) = (ledger.clone(), stack.clone());
                async move { ledger.entry(&stack, number).await }
            })
            .buffered(TOGETHER)
    }
}

/// Folds entries in order and checks that each belongs where it stands.
struct Fold {
    loaded: Loaded,
    /// The checkpoint that the newest entry names: the fold starts there.
    checkpoint: u64,
}

impl Fold {
    fn take(&mut self, mut entry: Entry, bytes: &[u8]) -> Result<()> {
        let Loaded { state, head, entries, tail } = &mut self.loaded;
        let starts = *entries == 0 && entry.number == self.checkpoint;
        if !starts {
            follows(&entry, head)?;
        }
        if entry.checkpoint != self.checkpoint {
            return Err(codec::damaged(entry.number, format!("it names another checkpoint: {}", entry.checkpoint)));
        }
        if starts {
            let at = entry.records.iter().rposition(|record| matches!(record, Record::Checkpoint(_)));
            let at = at.ok_or_else(|| codec::damaged(entry.number, "it lacks the checkpoint it names"))?;
            entry.records.drain(..at);
        }
        let before = state.lease.epoch;
        let takes = entry.records.iter().any(|record| matches!(record, Record::Lease { .. }));
        for record in entry.records.drain(..) {
            match record {
                Record::Checkpoint(whole) if starts => *state = *whole,
                record => {
                    state.record(&record).map_err(|error| error.during(format!("ledger entry {}", entry.number)))?;
                }
            }
        }
        // The epoch of an entry is that of the lease it was written under; anything else was not written by a session.
        let now = state.lease.epoch;
        if entry.epoch != now || (!starts && takes != (now > before)) {
            return Err(codec::damaged(entry.number, format!("it is of another lease: {}", entry.epoch)));
        }
        tail.push(&entry, bytes.len() as u64);
        *head = Head { number: entry.number, hash: codec::hash(bytes) };
        *entries += 1;
        Ok(())
    }
}

/// Checks that an entry is the one after `head`.
fn follows(entry: &Entry, head: &Head) -> Result<()> {
    if entry.number != head.number + 1 || entry.previous != head.hash {
        return Err(codec::damaged(entry.number, format!("it does not follow entry: {}", head.number)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{Fault, TestClock, TestStore, converged, done, intent, session, slot, stack};
    use super::*;
    use crate::Code;

    /// A ledger with `changes` changes of `resources` resources, two entries for each.
    async fn filled(ledger: &Ledger, resources: usize, changes: usize) -> crate::ledger::Session {
        let mut session = session(ledger, "a").await;
        for change in 0..changes {
            session.commit(vec![intent(change % resources, change)]).await.unwrap();
            session.commit(vec![done(change % resources)]).await.unwrap();
        }
        session
    }

    /// The state by folding every record from the first on, checkpoints passed over.
    async fn from_scratch(ledger: &Ledger) -> State {
        let mut state = State::default();
        for entry in ledger.history(&stack(), None, usize::MAX).await.unwrap().iter().rev() {
            for record in entry.records.iter().filter(|record| !matches!(record, Record::Checkpoint(_))) {
                state.record(record).unwrap();
            }
        }
        state
    }

    #[test]
    fn an_empty_ledger_is_an_empty_state() {
        let clock = TestClock::default();
        clock.run(async {
            let ledger = TestStore::new(&clock, Duration::ZERO).ledger();
            assert_eq!(ledger.load(&stack()).await.unwrap(), Loaded::default());
            assert_eq!(ledger.peek(&stack()).await.unwrap(), None);
            assert_eq!(ledger.history(&stack(), None, 10).await.unwrap(), []);
            assert_eq!((ledger.reads(), ledger.writes()), (3, 0));
        });
    }

    #[test]
    fn nothing_to_do_is_found_out_with_two_reads() {
        let clock = TestClock::default();
        clock.run(async {
            let store = TestStore::new(&clock, Duration::ZERO);
            let mut session = filled(&store.ledger(), 100, 100).await;
            let head = session.release(vec![converged("graph")]).await.unwrap();
            let ledger = store.ledger();
            let peek = ledger.peek(&stack()).await.unwrap().unwrap();
            assert_eq!(peek.head, head);
            assert_eq!(peek.converged().unwrap().graph, "graph");
            assert!(peek.is_released());
            assert_eq!((ledger.reads(), ledger.writes()), (2, 0));
        });
    }

    #[test]
    fn an_entry_that_goes_on_after_convergence_does_not_say_converged() {
        let clock = TestClock::default();
        clock.run(async {
            let ledger = TestStore::new(&clock, Duration::ZERO).ledger();
            let mut session = session(&ledger, "a").await;
            session.commit(vec![converged("graph"), intent(1, 0)]).await.unwrap();
            assert_eq!(ledger.peek(&stack()).await.unwrap().unwrap().converged(), None);
            session.commit(vec![done(1), converged("graph"), Record::Renew]).await.unwrap();
            assert!(ledger.peek(&stack()).await.unwrap().unwrap().converged().is_some());
        });
    }

    #[test]
    fn loading_from_a_checkpoint_is_loading_from_scratch() {
        let clock = TestClock::default();
        clock.run(async {
            let store = TestStore::new(&clock, Duration::ZERO);
            let ledger = store.ledger();
            let mut session = filled(&ledger, 40, 0).await;
            let mut checkpoints = std::collections::BTreeSet::new();
            for change in 0..400 {
                session.commit(vec![intent(change % 40, change)]).await.unwrap();
                session.commit(vec![done(change % 40)]).await.unwrap();
                if change % 23 == 0 {
                    let loaded = store.ledger().load(&stack()).await.unwrap();
                    assert_eq!(loaded.state, *session.state());
                    assert_eq!(loaded.head, *session.head());
                    assert_eq!(loaded.state, from_scratch(&ledger).await);
                    checkpoints.insert(loaded.tail.checkpoint);
                }
            }
            assert!(checkpoints.len() > 4, "{checkpoints:?}");
        });
    }

    #[test]
    fn what_was_loaded_before_is_not_read_again() {
        let clock = TestClock::default();
        clock.run(async {
            let store = TestStore::new(&clock, Duration::ZERO);
            let mut session = filled(&store.ledger(), 20, 10).await;
            let ledger = store.ledger();
            let mut known = ledger.load(&stack()).await.unwrap();
            let reads = ledger.reads();
            known = ledger.load_on(&stack(), known).await.unwrap();
            assert_eq!(ledger.reads() - reads, 1, "the listing alone");
            // Later on a newer checkpoint is behind what is known, and then the listing is.
            for change in 0..200 {
                session.commit(vec![intent(change % 20, change), done(change % 20)]).await.unwrap();
                if change % 19 == 0 {
                    let reads = ledger.reads();
                    known = ledger.load_on(&stack(), known).await.unwrap();
                    assert!(ledger.reads() - reads <= 1 + 19, "{}", ledger.reads() - reads);
                    let fresh = store.ledger().load(&stack()).await.unwrap();
                    assert_eq!((&known.state, &known.head, known.tail), (&fresh.state, &fresh.head, fresh.tail));
                }
            }
            assert!(known.tail.checkpoint > 0);
            store.gets([Fault::Behind]);
            let behind = ledger.load_on(&stack(), known.clone()).await.unwrap();
            assert_eq!(behind.head.number, session.head().number - 1);
            known = ledger.load_on(&stack(), known).await.unwrap();
            store.objects().insert(key::entry(&stack(), session.head().number + 1), "rubbish".into());
            assert_eq!(ledger.load_on(&stack(), known).await.unwrap_err().code(), Code::LedgerDamaged);
        });
    }

    #[test]
    fn a_cold_load_takes_three_round_trips() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::from_millis(50));
        clock.run(filled(&store.ledger(), 10, 60));
        let ledger = store.ledger();
        let start = crate::clock::Clock::now(&clock);
        let loaded = clock.run(ledger.load(&stack())).unwrap();
        assert_eq!(crate::clock::Clock::now(&clock) - start, Duration::from_millis(150));
        assert_eq!(ledger.reads(), 1 + loaded.entries);
        assert!(loaded.entries <= 1 + 64, "{}", loaded.entries);
    }

    #[test]
    fn what_is_not_chained_is_damaged() {
        let clock = TestClock::default();
        clock.run(async {
            let store = TestStore::new(&clock, Duration::ZERO);
            let mut session = filled(&store.ledger(), 5, 5).await;
            session.commit(vec![intent(9, 0), done(9)]).await.unwrap();
            let other = TestStore::new(&clock, Duration::ZERO);
            filled(&other.ledger(), 4, 6).await;
            let whole = store.objects().clone();
            let at = |number| key::entry(&stack(), number);
            let newest = session.head().number;
            let code = async || store.ledger().load(&stack()).await.unwrap_err().code();

            for number in 1..newest {
                store.objects().remove(&at(number));
                assert_eq!(code().await, Code::LedgerDamaged, "without {number}");
                let older = whole[&at(number.max(2) - 1)].clone();
                store.objects().insert(at(number), older);
                if number > 1 {
                    assert_eq!(code().await, Code::LedgerDamaged, "{number} replayed");
                }
                store.objects().insert(at(number), other.objects()[&at(number)].clone());
                // Both ledgers begin with the same entries; from the first that differs on, a foreign one breaks the chain.
                if other.objects()[&at(number)] != whole[&at(number)] {
                    assert_eq!(code().await, Code::LedgerDamaged, "{number} from another history");
                }
                store.objects().insert(at(number), bytes::Bytes::new());
                assert_eq!(code().await, Code::LedgerDamaged, "{number} empty");
                store.objects().insert(at(number), whole[&at(number)].clone());
            }
            store.objects().insert(at(newest), other.objects()[&at(newest)].clone());
            assert_eq!(code().await, Code::LedgerDamaged);
            store.objects().insert(at(newest), whole[&at(newest)].clone());
            store.objects().insert(at(newest + 2), whole[&at(newest)].clone());
            assert_eq!(code().await, Code::LedgerDamaged, "a gap");
            store.objects().remove(&at(newest + 2));
            assert_eq!(store.ledger().load(&stack()).await.unwrap().state, *session.state());
        });
    }

    #[test]
    fn well_formed_entries_that_no_session_wrote_are_damaged() {
        let clock = TestClock::default();
        clock.run(async {
            let store = TestStore::new(&clock, Duration::ZERO);
            let session = filled(&store.ledger(), 5, 2).await;
            let newest = session.head().number;
            let (good, _) = store.ledger().entry(&stack(), newest).await.unwrap();
            let lease = |epoch| Record::Lease { holder: "b".into(), epoch, time_to_live: 30_000 };
            let changed: [fn(&mut Entry); 6] = [
                |entry| entry.epoch = 2,
                |entry| entry.checkpoint = entry.number,
                |entry| entry.checkpoint = 2,
                |entry| entry.previous = "0".repeat(64),
                |entry| entry.records = vec![done(3)],
                |entry| entry.records = vec![Record::Protection { address: slot(4).address, protected: true }],
            ];
            let mut strange: Vec<_> = changed
                .iter()
                .map(|change| {
                    let mut entry = good.clone();
                    change(&mut entry);
                    entry
                })
                .collect();
            strange.push(Entry { records: vec![lease(1)], ..good.clone() });
            strange.push(Entry { records: vec![lease(0)], epoch: 0, ..good.clone() });
            for entry in strange {
                store.objects().insert(key::entry(&stack(), newest), codec::encode(&entry).unwrap());
                let error = store.ledger().load(&stack()).await.unwrap_err();
                assert_eq!(error.code(), Code::LedgerDamaged, "{entry:?}");
            }
        });
    }

    #[test]
    fn history_comes_in_pages_newest_first() {
        let clock = TestClock::default();
        clock.run(async {
            let ledger = TestStore::new(&clock, Duration::ZERO).ledger();
            filled(&ledger, 3, 5).await;
            let numbers = async |before, limit| -> Vec<u64> {
                ledger.history(&stack(), before, limit).await.unwrap().iter().map(|entry| entry.number).collect()
            };
            assert_eq!(numbers(None, 3).await, [11, 10, 9]);
            assert_eq!(numbers(Some(9), 3).await, [8, 7, 6]);
            assert_eq!(numbers(Some(3), 10).await, [2, 1]);
            assert_eq!(numbers(Some(1), 10).await, [0; 0]);
            assert_eq!(numbers(Some(99), 1).await, [11]);
        });
    }

    /// An intent and an outcome of about the usual size: a kilobyte.
    fn change(number: usize, round: usize) -> [Record; 2] {
        let Record::Intent(mut intent) = intent(number, round) else { unreachable!() };
        intent.properties.insert("Policy".into(), "{...}".repeat(130).into());
        [Record::Intent(intent), done(number)]
    }

    #[test]
    fn what_a_change_costs_does_not_grow_with_the_stack() {
        let clock = TestClock::default();
        let changed: u64 = change(0, 0).iter().map(|record| serde_json::to_vec(record).unwrap().len() as u64).sum();
        let mut costs = Vec::new();
        for resources in [50, 200, 800] {
            let ledger = TestStore::new(&clock, Duration::ZERO).ledger();
            let mut session = clock.run(session(&ledger, "a"));
            // The first apply: what is ready at the same time shares an entry.
            clock.run(async {
                for wave in 0..resources / 10 {
                    let changes = (wave * 10..(wave + 1) * 10).map(|number| change(number, 0));
                    let (intents, outcomes) = changes.map(|[intent, outcome]| (intent, outcome)).unzip();
                    session.commit(intents).await.unwrap();
                    session.commit(outcomes).await.unwrap();
                }
            });
            let first = ledger.bytes_written();
            assert!(first * 10 <= 25 * changed * resources as u64, "{resources}: {first} for {changed} each");

            // Then one change after the other, until further checkpoints were due.
            let mut checkpoints = std::collections::BTreeSet::new();
            let rounds = resources * 9;
            clock.run(async {
                for round in 0..rounds {
                    for record in change(round % resources, round) {
                        session.commit(vec![record]).await.unwrap();
                    }
                    checkpoints.insert(session.tail().checkpoint);
                }
            });
            assert!(checkpoints.len() > 3, "{resources}: {checkpoints:?}");
            costs.push((ledger.bytes_written() - first) / rounds as u64);
        }
        // Intent and outcome, two headers, and the share of the checkpoints.
        assert!(costs.iter().all(|cost| cost * 10 <= 25 * changed), "{costs:?} for {changed}");
        assert!(costs[2] * 100 <= costs[0] * 115, "{costs:?}");
    }
}
