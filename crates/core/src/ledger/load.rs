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
            Record::Intent(_) | Record::Deleted { .. } | Record::Forgotten { .. } => Some(None),
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
    /// How many entries were read.
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
        let Some(number) = self.newest(stack).await? else { return Ok(Loaded::default()) };
        let newest = self.entry(stack, number).await?;
        let checkpoint = newest.0.checkpoint;
        let mut fold = Fold { loaded: Loaded::default(), checkpoint };
        let mut before = std::pin::pin!(self.range(stack, checkpoint.max(1)..number));
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
