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

/// A checkpoint is due when at least so many entries follow the last one, and they have twice as many bytes:
/// so in a stack that does not grow, checkpoints add a half to what is recorded, however large it is, and a load reads at
/// most about three times the state.
const CHECKPOINT_ENTRIES: u64 = 64;
/// It is also due when so many follow that reading them takes longer than reading the state, although they are small: then
/// an eighth of its bytes is enough.
const LONG_TAIL: u64 = 2048;

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
    state: Arc<State>,
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
            state: Arc::new(state),
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

    /// The state as it is now, for whoever writes while he reads. As long as it lives, the next write copies it.
    pub(crate) fn snapshot(&self) -> Arc<State> {
        self.state.clone()
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
                Arc::make_mut(&mut self.state).fold(&draft.entry)?;
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

    #[cfg(test)]
    pub(super) fn tail(&self) -> Tail {
        self.tail
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
        let due = tail.entries >= CHECKPOINT_ENTRIES && tail.bytes / 2 >= tail.checkpoint_bytes
            || tail.entries >= LONG_TAIL && tail.bytes.saturating_mul(8) >= tail.checkpoint_bytes;
        if !due {
            return Ok(draft);
        }
        let mut entry = draft.entry;
        let mut state = State::clone(&self.state);
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

#[cfg(test)]
mod tests {
    use super::super::testing::{Fault, TestClock, TestStore, converged, done, intent, options, session, stack};
    use super::super::{Acquired, key};
    use super::*;
    use crate::clock::Clock;

    const SECOND: Duration = Duration::from_secs(1);

    /// A ledger without latency and a session on it; the probe has been made.
    fn begin(clock: &TestClock) -> (TestStore, Session) {
        let store = TestStore::new(clock, Duration::ZERO);
        let session = clock.run(session(&store.ledger(), "a"));
        (store, session)
    }

    /// What another process reads.
    fn read(clock: &TestClock, store: &TestStore) -> Loaded {
        clock.run(store.ledger().load(&stack())).unwrap()
    }

    /// Takes the lease away by writing as another holder does after the time to live.
    fn usurp(clock: &TestClock, store: &TestStore) -> Session {
        let ledger = store.ledger();
        clock.run(async {
            let loaded = ledger.load(&stack()).await.unwrap();
            *ledger.take(&stack(), &options("b"), loaded).await.unwrap().unwrap()
        })
    }

    #[test]
    fn a_commit_is_one_put_and_shows_in_the_state() {
        let clock = TestClock::default();
        let (store, mut session) = begin(&clock);
        let writes = session.ledger.writes();
        let head = clock.run(session.commit(vec![intent(1, 0), intent(2, 0)])).unwrap();
        assert_eq!((head.number, session.ledger.writes() - writes), (2, 1));
        assert_eq!(session.state().intents.len(), 2);
        let loaded = read(&clock, &store);
        assert_eq!((loaded.state, loaded.head), (session.state().clone(), head));
    }

    #[test]
    fn records_are_gathered_while_a_write_is_under_way() {
        let clock = TestClock::default();
        let (store, mut session) = begin(&clock);
        let pending = session.prepare(vec![intent(1, 0)]).unwrap();
        assert!(session.state().intents.is_empty(), "nothing shows before it is settled");
        assert_eq!(session.prepare(vec![Record::Renew]).unwrap_err().code(), Code::Internal);
        let written = clock.run(pending);
        session.settle(written).unwrap();
        let gathered = vec![done(1), intent(2, 0), intent(3, 0)];
        clock.run(session.commit(gathered)).unwrap();
        assert_eq!(read(&clock, &store).state, *session.state());
        assert_eq!(session.head().number, 3);
    }

    #[test]
    fn a_write_whose_answer_was_lost_is_read_back() {
        for faults in [
            vec![Fault::ActsThenFails],
            vec![Fault::SaysExists],
            vec![Fault::Hangs, Fault::None],
            vec![Fault::Fails, Fault::None],
            vec![Fault::Fails, Fault::Hangs, Fault::ActsThenFails],
            vec![Fault::Fails, Fault::SaysExists],
        ] {
            let clock = TestClock::default();
            let (store, mut session) = begin(&clock);
            let (puts, writes) = (faults.len() as u64, session.ledger.writes());
            store.puts(faults.clone());
            clock.run(session.commit(vec![intent(1, 0)])).unwrap();
            assert_eq!(session.ledger.writes() - writes, puts, "{faults:?}");
            clock.run(session.commit(vec![done(1)])).unwrap();
            let loaded = read(&clock, &store);
            assert_eq!(loaded.state, *session.state(), "{faults:?}");
            assert_eq!(loaded.head.number, 3, "{faults:?}");
        }
    }

    #[test]
    fn a_write_that_was_read_back_counts_from_its_first_try() {
        let clock = TestClock::default();
        let (store, mut session) = begin(&clock);
        store.puts([Fault::Fails, Fault::ActsThenFails]);
        store.gets([Fault::Hangs]);
        clock.run(session.commit(vec![Record::Renew])).unwrap();
        // The answer came after the read's time-out, and which try acted is not known.
        assert!(session.remaining() <= 20 * SECOND, "{:?}", session.remaining());
    }

    #[test]
    fn an_open_outcome_at_the_end_of_the_lease_is_unavailable_and_found_out_later() {
        for acts in [false, true] {
            let clock = TestClock::default();
            let (store, mut session) = begin(&clock);
            store.puts(std::iter::once(if acts { Fault::ActsThenFails } else { Fault::Fails }));
            store.puts([Fault::Fails; 100]);
            store.gets([Fault::Fails; 100]);
            let error = clock.run(session.commit(vec![intent(1, 0)])).unwrap_err();
            assert_eq!(error.code(), Code::LedgerUnavailable);
            assert!(clock.now() <= 30 * SECOND, "{:?}", clock.now());
            assert!(session.state().intents.is_empty());
            store.heal();
            clock.run(session.commit(vec![done(1)])).unwrap();
            let loaded = read(&clock, &store);
            assert_eq!((loaded.head.number, loaded.state), (3, session.state().clone()), "acted: {acts}");
        }
    }

    #[test]
    fn a_store_that_refuses_is_not_asked_again_and_again() {
        let clock = TestClock::default();
        let (store, mut session) = begin(&clock);
        let writes = session.ledger.writes();
        store.puts([Fault::Refuses]);
        assert_eq!(clock.run(session.commit(vec![intent(1, 0)])).unwrap_err().code(), Code::LedgerUnavailable);
        assert_eq!((session.ledger.writes() - writes, clock.now()), (1, Duration::ZERO));
    }

    #[test]
    fn a_stale_holder_commits_nothing() {
        let clock = TestClock::default();
        let (store, mut stale) = begin(&clock);
        clock.run(stale.commit(vec![intent(1, 0)])).unwrap();
        clock.advance(600 * SECOND);
        assert_eq!(stale.remaining(), Duration::ZERO);
        let mut session = usurp(&clock, &store);
        assert_eq!(session.epoch(), 2);
        let writes = stale.ledger.writes();
        assert_eq!(clock.run(stale.commit(vec![done(1)])).unwrap_err().code(), Code::LeaseLost);
        for _ in 0..3 {
            assert_eq!(clock.run(stale.commit(vec![done(1)])).unwrap_err().code(), Code::LeaseLost);
            assert_eq!(clock.run(stale.release(vec![])).unwrap_err().code(), Code::LeaseLost);
            assert_eq!(stale.prepare(vec![]).unwrap_err().code(), Code::LeaseLost);
        }
        assert_eq!(stale.ledger.writes() - writes, 1, "after the first it knows");
        clock.run(session.commit(vec![done(1)])).unwrap();
        assert_eq!(read(&clock, &store).state, *session.state());
    }

    #[test]
    fn a_holder_that_nobody_replaced_goes_on_after_a_long_sleep() {
        let clock = TestClock::default();
        let (store, mut session) = begin(&clock);
        clock.advance(600 * SECOND);
        assert_eq!(session.remaining(), Duration::ZERO);
        clock.run(session.renew()).unwrap();
        assert_eq!(session.remaining(), 30 * SECOND);
        assert_eq!(read(&clock, &store).head.number, 2);
    }

    #[test]
    fn a_late_write_of_a_stale_holder_is_not_its_own() {
        let clock = TestClock::default();
        let (store, mut stale) = begin(&clock);
        // Every answer is lost, so only what is read back counts.
        let mut session = usurp(&clock, &store);
        store.puts([Fault::Fails, Fault::SaysExists]);
        assert_eq!(clock.run(stale.commit(vec![intent(1, 0)])).unwrap_err().code(), Code::LeaseLost);
        store.heal();
        clock.run(session.renew()).unwrap();
    }

    #[test]
    fn two_sessions_of_one_holder_are_not_taken_for_each_other() {
        let clock = TestClock::default();
        let (store, mut stale) = begin(&clock);
        let ledger = stale.ledger.clone();
        clock.run(async {
            let loaded = ledger.load(&stack()).await.unwrap();
            ledger.take(&stack(), &options("a"), loaded).await.unwrap().unwrap();
        });
        store.puts([Fault::SaysExists]);
        assert_eq!(clock.run(stale.renew()).unwrap_err().code(), Code::LeaseLost);
    }

    #[test]
    fn a_dropped_write_is_resumed_by_the_next() {
        for polled in [false, true] {
            let clock = TestClock::default();
            let (store, mut session) = begin(&clock);
            let pending = session.prepare(vec![intent(1, 0)]).unwrap();
            if polled {
                let _ = clock.run(pending);
            } else {
                drop(pending);
            }
            clock.run(session.release(vec![done(1), converged("g")])).unwrap();
            let loaded = read(&clock, &store);
            assert_eq!(loaded.head.number, 3, "polled: {polled}");
            assert_eq!(loaded.state.resources.len(), 1, "polled: {polled}");
            assert_eq!(loaded.state.lease.holder, None);
        }
    }

    #[test]
    fn a_resumed_write_and_the_first_one_are_one() {
        let clock = TestClock::default();
        let (store, mut session) = begin(&clock);
        let first = session.prepare(vec![intent(1, 0)]).unwrap();
        let second = session.again().unwrap();
        let (first, second) = (clock.run(first), clock.run(second));
        assert_eq!(session.settle(second).unwrap(), session.settle(first).unwrap());
        assert!(session.again().is_none());
        assert_eq!(read(&clock, &store).head.number, 2);
    }

    #[test]
    fn a_release_whose_answer_was_lost_is_not_written_twice() {
        let clock = TestClock::default();
        let (store, mut session) = begin(&clock);
        store.puts(std::iter::once(Fault::ActsThenFails).chain([Fault::Fails; 100]));
        store.gets([Fault::Fails; 100]);
        assert_eq!(clock.run(session.release(vec![converged("g")])).unwrap_err().code(), Code::LedgerUnavailable);
        store.heal();
        let head = clock.run(session.release(vec![converged("g")])).unwrap();
        assert_eq!((head.number, read(&clock, &store).head), (2, head.clone()));
        assert_eq!(clock.run(session.commit(vec![Record::Renew])).unwrap_err().code(), Code::Internal);
        assert_eq!(session.remaining(), Duration::ZERO);
    }

    #[test]
    fn a_contradiction_is_refused_before_it_is_written() {
        let clock = TestClock::default();
        let (store, mut session) = begin(&clock);
        let checkpoint = Record::Checkpoint(Box::default());
        let lease = Record::Lease { holder: "z".into(), epoch: 9, time_to_live: 1 };
        for record in [done(1), checkpoint, lease, Record::Release] {
            assert_eq!(clock.run(session.commit(vec![record])).unwrap_err().code(), Code::Internal);
        }
        assert_eq!(read(&clock, &store).head.number, 1);
        clock.run(session.commit(vec![intent(1, 0), done(1)])).unwrap();
    }

    #[test]
    fn damage_at_the_next_number_ends_the_session() {
        let clock = TestClock::default();
        let (store, mut session) = begin(&clock);
        store.objects().insert(key::entry(&stack(), 2), "rubbish".into());
        assert_eq!(clock.run(session.renew()).unwrap_err().code(), Code::LedgerDamaged);
        assert_eq!(clock.run(session.renew()).unwrap_err().code(), Code::LedgerDamaged);
    }

    #[test]
    fn the_lease_counts_from_the_beginning_of_the_last_put() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, 2 * SECOND);
        let mut session = clock.run(session(&store.ledger(), "a"));
        assert_eq!(session.remaining(), 28 * SECOND);
        assert_eq!(session.renew_due(), 8 * SECOND);
        clock.advance(9 * SECOND);
        assert_eq!((session.remaining(), session.renew_due()), (19 * SECOND, Duration::ZERO));
        clock.run(session.renew()).unwrap();
        assert_eq!((session.remaining(), session.renew_due()), (28 * SECOND, 8 * SECOND));
    }

    #[test]
    fn many_small_entries_after_a_large_checkpoint_are_not_left_to_be_read() {
        let clock = TestClock::default();
        let (store, mut session) = begin(&clock);
        let large = |number| {
            let Record::Intent(mut intent) = intent(number, 0) else { unreachable!() };
            intent.properties.insert("Policy".into(), "{...}".repeat(1_000).into());
            Record::Intent(intent)
        };
        clock.run(async {
            session.commit((0..400).map(large).collect()).await.unwrap();
            let mut longest = 0;
            for _ in 0..5_000 {
                session.renew().await.unwrap();
                longest = longest.max(session.tail().entries);
            }
            assert!(session.tail().checkpoint_bytes > 2_000_000);
            assert_eq!(longest, LONG_TAIL - 1);
        });
        assert_eq!(read(&clock, &store).state, *session.state());
    }

    #[test]
    fn a_session_can_be_had_again_after_its_release() {
        let clock = TestClock::default();
        let (store, mut first) = begin(&clock);
        clock.run(first.release(vec![])).unwrap();
        let ledger = store.ledger();
        let Acquired::Session(session) = clock.run(ledger.acquire(&stack(), &options("b"))).unwrap() else {
            panic!("the lease is free");
        };
        assert_eq!((session.epoch(), session.head().number), (2, 3));
    }
}
