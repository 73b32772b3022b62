//! The holder of a lease writes entries.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::load::Tail;
use super::publish::{Draft, Published};
use super::{Entry, FORMAT, Head, Ledger, Loaded, Record, State, codec};
use crate::resource::StackId;
use crate::{Code, Error, Result};

/// A checkpoint is due when at least so many entries follow the last one, and they have at least as many bytes as it:
/// so checkpoints together cost no more than a fixed multiple of what was recorded, however large the stack is.
const CHECKPOINT_ENTRIES: u64 = 64;

/// The right to write, and the state as written.
///
/// One write is under way at a time. [`Session::commit`] waits for it; a loop that has other things to do meanwhile
/// takes it apart: [`Session::prepare`] gives a future of its own, whose result goes to [`Session::settle`]. What is
/// gathered in between goes into the next entry.
///
/// Dropping a session leaves its lease to run out; [`Session::release`] gives it back at once.
///
/// # Errors
/// A session whose lease was taken answers everything with [`Code::LeaseLost`] from then on. After
/// [`Code::LedgerUnavailable`] it is not known whether the entry was written: the next commit begins by finding out.
pub struct Session {
    ledger: Ledger,
    stack: StackId,
    writer: String,
    holder: String,
    epoch: u64,
    time_to_live: Duration,
    state: State,
    head: Head,
    tail: Tail,
    /// When the put of the newest entry began.
    last_put: Duration,
    in_flight: Option<Arc<Draft>>,
    ended: Option<Error>,
}

/// A write that is under way. Dropping it leaves its outcome open: [`Session::again`] resumes it.
#[must_use = "nothing is written unless it is awaited"]
pub struct Pending(BoxFuture<'static, Written>);

/// What became of a write: for [`Session::settle`].
#[derive(Debug)]
#[must_use = "the session must settle it"]
pub struct Written {
    number: u64,
    outcome: Result<Published>,
}

impl Session {
    /// A session that will have the lease once its first entry, which takes it, is settled.
    pub(super) fn taking(
        ledger: Ledger,
        stack: &StackId,
        holder: &str,
        time_to_live: Duration,
        loaded: Loaded,
    ) -> Self {
        let Loaded { state, head, tail, .. } = loaded;
        Self {
            writer: ledger.writer(holder),
            holder: holder.to_owned(),
            epoch: state.lease.epoch + 1,
            last_put: ledger.clock().now(),
            stack: stack.clone(),
            ledger,
            time_to_live,
            state,
            head,
            tail,
            in_flight: None,
            ended: None,
        }
    }

    /// What the ledger says, up to the newest entry that was settled.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The newest entry that was settled.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The stack.
    #[must_use]
    pub fn stack(&self) -> &StackId {
        &self.stack
    }

    /// Who has the lease: the name it was acquired under.
    #[must_use]
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// The epoch of the lease.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How long nobody can take the lease, counted from the beginning of the last put that succeeded. A call that may
    /// take longer must not start.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        if self.ended.is_some() {
            return Duration::ZERO;
        }
        (self.last_put + self.time_to_live).saturating_sub(self.ledger.clock().now())
    }

    /// How long until the holder must say that it is alive, if it has nothing else to say: a third of the time to live
    /// after the last put.
    #[must_use]
    pub fn renew_due(&self) -> Duration {
        (self.last_put + self.time_to_live / 3).saturating_sub(self.ledger.clock().now())
    }

    /// Writes one entry with these records.
    ///
    /// # Errors
    /// [`Code::LeaseLost`], [`Code::LedgerUnavailable`]; [`Code::Internal`] when the records contradict the state.
    pub async fn commit(&mut self, records: Vec<Record>) -> Result<Head> {
        self.resume().await?;
        let written = self.prepare(records)?.await;
        self.settle(written)
    }

    /// Writes that the holder is alive. Any commit does so too.
    ///
    /// # Errors
    /// As [`Session::commit`].
    pub async fn renew(&mut self) -> Result<Head> {
        self.commit(vec![Record::Renew]).await
    }

    /// Writes the last entry and gives the lease back with it.
    ///
    /// # Errors
    /// As [`Session::commit`].
    pub async fn release(&mut self, mut records: Vec<Record>) -> Result<Head> {
        self.resume().await?;
        if self.state.lease.holder.is_none() {
            // The write that was resumed was an earlier call of this.
            return Ok(self.head.clone());
        }
        self.permits(&records)?;
        records.push(Record::Release);
        let draft = self.draft(records)?;
        let written = self.send(draft).await;
        self.settle(written)
    }

    /// Begins to write one entry. Nothing of it shows in the state before it is settled.
    ///
    /// # Errors
    /// [`Code::LeaseLost`] once it is known; [`Code::Internal`] when the records contradict the state or a write is
    /// under way.
    pub fn prepare(&mut self, records: Vec<Record>) -> Result<Pending> {
        if self.in_flight.is_some() {
            return Err(Error::internal("a write is under way, settle it first"));
        }
        self.permits(&records)?;
        let draft = self.draft(records)?;
        Ok(self.send(draft))
    }

    /// The write that was begun and never settled, once more; `None` when there is none. It is safe whether or not the
    /// first one went through.
    pub fn again(&self) -> Option<Pending> {
        let draft = self.in_flight.clone()?;
        Some(self.pending(draft))
    }

    /// Takes in what became of a write.
    ///
    /// # Errors
    /// [`Code::LeaseLost`] when somebody else's entry stands there, [`Code::LedgerUnavailable`] when it is not known.
    pub fn settle(&mut self, written: Written) -> Result<Head> {
        if written.number <= self.head.number {
            // The same write, resumed, was settled already.
            return Ok(self.head.clone());
        }
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        match written.outcome? {
            Published::Ours(began) => {
                let draft = self.in_flight.take().ok_or_else(|| Error::internal("no write is under way"))?;
                self.state.fold(&draft.entry)?;
                self.tail.push(&draft.entry, draft.bytes.len() as u64);
                self.head = Head { number: draft.entry.number, hash: codec::hash(&draft.bytes) };
                self.last_put = began;
                if self.state.lease.holder.is_none() {
                    self.ended = Some(Error::internal("the session has given its lease back"));
                }
                Ok(self.head.clone())
            }
            Published::Theirs(bytes) => {
                let error = match codec::decode(&bytes, &self.stack, written.number) {
                    Ok(entry) => lost(&entry),
                    Err(error) => error,
                };
                self.in_flight = None;
                self.ended = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Makes the entry that takes the lease, and writes it. The caller looks at the outcome: losing this race is no error.
    pub(super) async fn open(&mut self, records: Vec<Record>) -> Result<bool> {
        let draft = self.draft(records)?;
        let written = self.send(draft).await;
        match self.settle(written) {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Code::LeaseLost => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn resume(&mut self) -> Result<()> {
        if let Some(pending) = self.again() {
            let written = pending.await;
            self.settle(written)?;
        }
        Ok(())
    }

    /// Whether these records may be written: an entry that contradicts the ones before would make the whole ledger
    /// unreadable, so it is found out before the put.
    fn permits(&self, records: &[Record]) -> Result<()> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let reserved =
            |record: &&Record| matches!(record, Record::Lease { .. } | Record::Release | Record::Checkpoint(_));
        if let Some(record) = records.iter().find(reserved) {
            return Err(Error::internal(format!("only the session itself writes such a record: {}", record.name())));
        }
        self.state
            .accepts(records)
            .map_err(|error| Error::internal("an entry would contradict the ledger; it was not written").because(error))
    }

    fn draft(&self, records: Vec<Record>) -> Result<Draft> {
        let number =
            self.head.number.checked_add(1).ok_or_else(|| codec::damaged(u64::MAX, "its number is the last"))?;
        let entry = Entry {
            format: FORMAT,
            stack: self.stack.clone(),
            number,
            previous: self.head.hash.clone(),
            checkpoint: self.tail.checkpoint,
            writer: self.writer.clone(),
            epoch: self.epoch,
            records,
        };
        let draft = Draft::new(entry)?;
        let mut tail = self.tail;
        tail.push(&draft.entry, draft.bytes.len() as u64);
        if tail.entries < CHECKPOINT_ENTRIES || tail.bytes < tail.checkpoint_bytes {
            return Ok(draft);
        }
        let mut entry = draft.entry;
        let mut state = self.state.clone();
        state.fold(&entry)?;
        entry.checkpoint = number;
        entry.records.push(Record::Checkpoint(Box::new(state)));
        Draft::new(entry)
    }

    fn send(&mut self, draft: Draft) -> Pending {
        let draft = Arc::new(draft);
        self.in_flight = Some(draft.clone());
        self.pending(draft)
    }

    fn pending(&self, draft: Arc<Draft>) -> Pending {
        let ledger = self.ledger.clone();
        // Past its own time a lease may be anybody's: by then the outcome is the next run's to find out.
        let deadline = self.last_put + self.time_to_live;
        let write = async move {
            let outcome = ledger.publish(&draft, deadline).await;
            Written { number: draft.entry.number, outcome }
        };
        Pending(write.boxed())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("stack", &self.stack)
            .field("writer", &self.writer)
            .field("epoch", &self.epoch)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl Future for Pending {
    type Output = Written;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Written> {
        self.0.poll_unpin(cx)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

fn lost(theirs: &Entry) -> Error {
    let Entry { number, writer, epoch, .. } = theirs;
    Error::new(Code::LeaseLost, format!("another holder wrote entry {number} under epoch {epoch}: {writer}"))
        .hint("nothing more was started; run again, it waits for that holder and goes on from there")
}
