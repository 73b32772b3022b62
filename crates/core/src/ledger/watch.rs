//! Waiting for a lease that somebody else has.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{AcquireOptions, Lease, Ledger, Loaded, Peek, Record, Session, State, codec, key};
use crate::Result;
use crate::resource::StackId;

/// How often the head is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches the head of a ledger whose lease somebody else has: one read a second.
///
/// # Expected flow
/// Call [`Watch::next`] until it says what the caller waits for: [`Watched::Converged`] may be all that was wanted;
/// after [`Watched::Released`] or [`Watched::Expired`] try [`Watch::acquire`], and go on when it gives nothing.
///
/// # Guarantees
/// A lease counts as expired when this watch itself has seen the head stand still for the lease's time to live, by its
/// own clock. What others' clocks say decides nothing. Even then the take-over is a put that only one can win.
///
/// Every future of it may be dropped at any time.
#[derive(Debug)]
pub struct Watch {
    ledger: Ledger,
    stack: StackId,
    options: AcquireOptions,
    /// The ledger when it was last loaded.
    known: Loaded,
    lease: Lease,
    number: u64,
    /// When the head was first seen where it is.
    seen: Duration,
    next_look: Duration,
    /// Whether the head's content has not been looked at.
    unread: bool,
    /// Whether the head had moved at the last look.
    moving: bool,
}

/// What a look at the head showed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Watched {
    /// The head has stood still for so long.
    Still(Duration),
    /// The holder is at work.
    Moved,
    /// Everything is as the graph named in this entry wants it. The lease may or may not be free.
    Converged(Box<Peek>),
    /// The lease is free.
    Released,
    /// The holder has given no sign of life for the lease's time to live.
    Expired,
}

impl Watch {
    pub(super) fn new(ledger: &Ledger, stack: &StackId, options: &AcquireOptions, loaded: Loaded) -> Self {
        let now = ledger.clock().now();
        Self {
            ledger: ledger.clone(),
            stack: stack.clone(),
            options: options.clone(),
            lease: loaded.state.lease.clone(),
            number: loaded.head.number,
            known: loaded,
            seen: now,
            // Waiters that start together look at different times.
            next_look: now + INTERVAL.mul_f64(fraction(&options.holder)),
            unread: false,
            moving: false,
        }
    }

    /// Who has the lease; `None` when it is free.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.lease.holder.as_deref()
    }

    /// The epoch of the lease.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.lease.epoch
    }

    /// The number of the newest entry that was seen.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.number
    }

    /// How long the head has been seen to stand still.
    #[must_use]
    pub fn still(&self) -> Duration {
        self.ledger.clock().now().saturating_sub(self.seen)
    }

    /// Waits until the next look is due, and looks.
    ///
    /// # Errors
    /// Those of [`Ledger::peek`]. A store that cannot be reached does not end the watch: call again.
    pub async fn next(&mut self) -> Result<Watched> {
        let now = self.ledger.clock().now();
        let expiry = self.seen + self.time_to_live();
        let look = if expiry > now { self.next_look.min(expiry) } else { self.next_look };
        if look > now {
            self.ledger.clock().sleep(look - now).await;
        }
        self.next_look = self.ledger.clock().now() + INTERVAL;
        let listed = self.ledger.newest(&self.stack).await?.unwrap_or_default();
        // A listing may be behind what was read before; an entry is only gone when it is not to be read either.
        if listed < self.number && self.ledger.get(&key::entry(&self.stack, self.number)).await?.is_none() {
            return Err(codec::damaged(self.number, format!("it is gone, the newest is entry: {listed}")));
        }
        let number = listed.max(self.number);
        let moved = number != self.number;
        if moved {
            // Counted from after the read: the put may have begun while the read was under way.
            (self.number, self.seen, self.unread) = (number, self.ledger.clock().now(), true);
        }
        // While the holder writes again and again, its entries are not read: one read a second must do.
        let read = self.unread && !(moved && self.moving);
        self.moving = moved;
        if read {
            return self.read().await;
        }
        Ok(match self.still() {
            _ if moved => Watched::Moved,
            _ if self.lease.holder.is_none() => Watched::Released,
            still if still >= self.time_to_live() => Watched::Expired,
            still => Watched::Still(still),
        })
    }

    /// Tries to take the lease, if it is free or has expired where this watch has seen it; `None` when it is neither or
    /// somebody was faster: go on watching.
    ///
    /// # Errors
    /// As [`Ledger::acquire`].
    pub async fn acquire(&mut self) -> Result<Option<Box<Session>>> {
        self.load().await?;
        let lease = &self.known.state.lease;
        let expired =
            self.known.head.number == self.number && self.still() >= Duration::from_millis(lease.time_to_live);
        if expired || lease.holder.is_none() {
            let loaded = std::mem::take(&mut self.known);
            return self.ledger.take(&self.stack, &self.options, loaded).await;
        }
        Ok(None)
    }

    /// What the ledger says now. Of what this watch loaded before, nothing is read again.
    ///
    /// # Errors
    /// Those of [`Ledger::load`].
    pub async fn load(&mut self) -> Result<&State> {
        let known = std::mem::take(&mut self.known);
        self.known = self.ledger.load_on(&self.stack, known).await?;
        Ok(&self.known.state)
    }

    fn time_to_live(&self) -> Duration {
        Duration::from_millis(self.lease.time_to_live)
    }

    async fn read(&mut self) -> Result<Watched> {
        let peek = self.ledger.peek_at(&self.stack, self.number).await?;
        self.unread = false;
        if peek.entry.epoch != self.lease.epoch {
            self.lease = match lease(&peek) {
                Some(lease) => lease,
                // The entry that took it is further back.
                None => self.load().await?.lease.clone(),
            };
        }
        if peek.is_released() {
            self.lease.holder = None;
        }
        Ok(match peek.converged().is_some() {
            true => Watched::Converged(Box::new(peek)),
            false if self.lease.holder.is_none() => Watched::Released,
            false => Watched::Moved,
        })
    }
}

/// The lease that an entry takes.
fn lease(peek: &Peek) -> Option<Lease> {
    peek.entry.records.iter().rev().find_map(|record| match record {
        Record::Lease { holder, epoch, time_to_live } => {
            Some(Lease { epoch: *epoch, holder: Some(holder.clone()), time_to_live: *time_to_live })
        }
        _ => None,
    })
}

/// A number from 0 up to 1 that depends on a name alone.
fn fraction(name: &str) -> f64 {
    let hash = Sha256::digest(name.as_bytes());
    f64::from(u16::from_be_bytes([hash[0], hash[1]])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{Fault, TestClock, TestStore, converged, intent, options, session, stack};
    use super::super::{Acquired, key};
    use super::*;
    use crate::Code;
    use crate::clock::Clock;

    const SECOND: Duration = Duration::from_secs(1);

    fn watch(clock: &TestClock, ledger: &Ledger, holder: &str) -> Watch {
        match clock.run(ledger.acquire(&stack(), &options(holder))).unwrap() {
            Acquired::Held(watch) => *watch,
            Acquired::Session(_) => panic!("the lease is held"),
        }
    }

    #[test]
    fn a_dead_holder_is_replaced_in_time_and_cannot_come_back() {
        for waiter in ["b", "c", "pod-17", "x"] {
            let clock = TestClock::default();
            let store = TestStore::new(&clock, Duration::from_millis(20));
            let mut dead = clock.run(session(&store.ledger(), "a"));
            let mut watch = watch(&clock, &store.ledger(), waiter);
            // The last sign of life comes while somebody waits.
            clock.run(async {
                assert!(matches!(watch.next().await.unwrap(), Watched::Still(_)));
                dead.commit(vec![intent(1, 0)]).await.unwrap();
            });
            let died = clock.now();
            let session = clock.run(async {
                loop {
                    if let Watched::Expired = watch.next().await.unwrap() {
                        return watch.acquire().await.unwrap().unwrap();
                    }
                }
            });
            let took = clock.now() - died;
            assert!(took >= 30 * SECOND && took <= 32 * SECOND, "{waiter}: {took:?}");
            assert_eq!((session.epoch(), session.state().intents.len()), (2, 1));
            assert_eq!(clock.run(dead.renew()).unwrap_err().code(), Code::LeaseLost);
        }
    }

    #[test]
    fn a_listing_that_is_behind_is_no_damage_and_a_lost_entry_is() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::ZERO);
        let mut holder = clock.run(session(&store.ledger(), "a"));
        clock.run(holder.commit(vec![intent(1, 0)])).unwrap();
        let mut watch = watch(&clock, &store.ledger(), "b");
        store.gets([Fault::Behind]);
        assert!(matches!(clock.run(watch.next()).unwrap(), Watched::Still(_)));
        assert_eq!(watch.head(), 2);
        store.objects().remove(&key::entry(&stack(), 2)).unwrap();
        assert_eq!(clock.run(watch.next()).unwrap_err().code(), Code::LedgerDamaged);
    }

    #[test]
    fn the_holder_stops_before_anybody_may_take_over() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::from_millis(700));
        let holder = clock.run(session(&store.ledger(), "a"));
        let mut watch = watch(&clock, &store.ledger(), "b");
        clock.run(async {
            loop {
                match watch.next().await.unwrap() {
                    Watched::Still(_) => {}
                    Watched::Expired => break,
                    other => panic!("{other:?}"),
                }
            }
        });
        assert_eq!(holder.remaining(), Duration::ZERO);
    }

    #[test]
    fn a_holder_that_renews_is_left_alone() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::ZERO);
        let mut holder = clock.run(session(&store.ledger(), "a"));
        let mut watch = watch(&clock, &store.ledger(), "b");
        while clock.now() < 300 * SECOND {
            clock.run(async {
                if holder.renew_due().is_zero() {
                    holder.renew().await.unwrap();
                }
                let watched = watch.next().await.unwrap();
                assert!(matches!(watched, Watched::Still(_) | Watched::Moved), "{watched:?}");
                // Whoever tries all the same gets nothing.
                assert!(watch.acquire().await.unwrap().is_none());
            });
        }
        clock.run(holder.renew()).unwrap();
    }

    #[test]
    fn a_waiter_reads_once_a_second() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::from_millis(10));
        let mut holder = clock.run(session(&store.ledger(), "a"));
        let ledger = store.ledger();
        let mut watch = watch(&clock, &ledger, "b");
        for (between, slack) in [(7 * SECOND, 60 / 7 + 1), (Duration::from_millis(100), 3)] {
            let (reads, start, mut next) = (ledger.reads(), clock.now(), clock.now());
            while clock.now() - start < 60 * SECOND {
                clock.run(async {
                    if clock.now() >= next {
                        holder.renew().await.unwrap();
                        next = clock.now() + between;
                    }
                    watch.next().await.unwrap();
                });
            }
            // A head that moves after it stood still is read as well.
            let took = ledger.reads() - reads;
            assert!(took <= 61 + slack, "{took} reads, a write every {between:?}");
        }
    }

    #[test]
    fn convergence_and_release_are_seen_within_two_seconds() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::ZERO);
        let mut holder = clock.run(session(&store.ledger(), "a"));
        let mut watch = watch(&clock, &store.ledger(), "b");
        clock.run(async {
            assert!(matches!(watch.next().await.unwrap(), Watched::Still(_)));
            holder.commit(vec![intent(1, 0)]).await.unwrap();
            assert_eq!(watch.next().await.unwrap(), Watched::Moved);
            let start = clock.now();
            let head = holder.release(vec![converged("g")]).await.unwrap();
            let peek = loop {
                match watch.next().await.unwrap() {
                    Watched::Moved => {}
                    Watched::Converged(peek) => break peek,
                    other => panic!("{other:?}"),
                }
            };
            assert!(clock.now() - start <= 2 * SECOND);
            assert_eq!((peek.converged().unwrap().graph.as_str(), &peek.head), ("g", &head));
            // Whoever wants something else takes the lease.
            assert_eq!(watch.next().await.unwrap(), Watched::Released);
            assert_eq!(watch.holder(), None);
            assert_eq!(watch.acquire().await.unwrap().unwrap().epoch(), 2);
        });
    }

    #[test]
    fn a_new_holder_is_noticed() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::ZERO);
        let mut first = clock.run(session(&store.ledger(), "a"));
        let mut watch = watch(&clock, &store.ledger(), "b");
        clock.run(async {
            first.release(vec![]).await.unwrap();
            let longer = options("c").time_to_live(90 * SECOND);
            let Acquired::Session(mut third) = store.ledger().acquire(&stack(), &longer).await.unwrap() else {
                panic!("the lease is free");
            };
            third.commit(vec![intent(1, 0)]).await.unwrap();
            while watch.holder() != Some("c") {
                watch.next().await.unwrap();
            }
            let start = clock.now();
            while watch.next().await.unwrap() != Watched::Expired {}
            assert!(clock.now() - start >= 88 * SECOND, "its own time to live counts");
        });
    }

    #[test]
    fn one_of_many_waiters_takes_over() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::from_millis(30));
        clock.run(session(&store.ledger(), "a"));
        let mut watches: Vec<_> =
            (0..16).map(|number| watch(&clock, &store.ledger(), &format!("pod-{number}"))).collect();
        let sessions = clock.run(futures_util::future::join_all(watches.iter_mut().map(async |watch| {
            loop {
                match watch.next().await.unwrap() {
                    Watched::Still(_) => {}
                    Watched::Expired => return watch.acquire().await.unwrap(),
                    // Another waiter was faster.
                    _ => return None,
                }
            }
        })));
        assert_eq!(sessions.iter().flatten().count(), 1);
    }

    #[test]
    fn trouble_with_the_store_does_not_end_the_watch() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::ZERO);
        let mut holder = clock.run(session(&store.ledger(), "a"));
        let mut watch = watch(&clock, &store.ledger(), "b");
        store.gets([Fault::Fails; 3]);
        assert!(matches!(clock.run(watch.next()).unwrap(), Watched::Still(_)), "a passing fault is passed over");
        store.gets([Fault::Fails; 4]);
        assert_eq!(clock.run(watch.next()).unwrap_err().code(), Code::LedgerUnavailable);
        clock.run(holder.renew()).unwrap();
        store.gets([Fault::None].into_iter().chain([Fault::Fails; 4]));
        assert_eq!(clock.run(watch.next()).unwrap_err().code(), Code::LedgerUnavailable, "listed, not read");
        assert_eq!(clock.run(watch.next()).unwrap(), Watched::Moved);
        store.objects().remove(&key::entry(&stack(), 2));
        assert_eq!(clock.run(watch.next()).unwrap_err().code(), Code::LedgerDamaged, "an entry is gone");
    }

    #[test]
    fn waiters_look_at_different_times() {
        let all: std::collections::BTreeSet<_> =
            (0..64).map(|number| (fraction(&format!("pod-{number}")) * 1000.0) as u64).collect();
        assert!(all.len() > 50 && all.iter().all(|at| *at <= 1000), "{all:?}");
    }
}
