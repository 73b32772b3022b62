//! Taking the lease.

use std::time::Duration;

use super::{Ledger, Loaded, Record, Session, Watch};
use crate::driver::Target;
use crate::resource::StackId;
use crate::{Code, Error, Result};

/// The time to live of a lease unless another is asked for.
const TIME_TO_LIVE: Duration = Duration::from_secs(30);
/// The shortest time to live: a waiter looks once a second.
const SHORTEST: Duration = Duration::from_secs(3);

/// Who wants the lease, and on what terms.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AcquireOptions {
    /// The name of the holder: unique among all processes that are alive, such as a pod's name with its start time.
    pub holder: String,
    /// How long the lease lasts without a sign of life. 30 seconds unless set, 3 at least.
    pub time_to_live: Duration,
    /// The target the stack is applied to. The first holder pins it.
    pub target: Target,
}

impl AcquireOptions {
    /// A lease of 30 seconds for this holder and target.
    #[must_use]
    pub fn new(holder: impl Into<String>, target: Target) -> Self {
        Self { holder: holder.into(), time_to_live: TIME_TO_LIVE, target }
    }

    /// Sets how long the lease lasts without a sign of life.
    #[must_use]
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = time_to_live;
        self
    }
}

/// What asking for the lease led to.
#[derive(Debug)]
pub enum Acquired {
    /// The lease is ours.
    Session(Box<Session>),
    /// Somebody else has it, and can be watched.
    Held(Box<Watch>),
}

impl Ledger {
    /// Takes the lease if it is free. Does not wait: a lease that is held gives a [`Watch`].
    ///
    /// # Errors
    /// - [`Code::WrongTarget`] when the stack is pinned to another target; nothing is written.
    /// - [`Code::LedgerUnconditional`] when the store does not keep put-if-absent.
    /// - [`Code::InvalidValue`] for options out of range.
    /// - Those of [`Ledger::load`].
    pub async fn acquire(&self, stack: &StackId, options: &AcquireOptions) -> Result<Acquired> {
        check(options)?;
        let loaded = self.load(stack).await?;
        self.acquire_on(stack, options, loaded).await
    }

    /// [`Ledger::acquire`] by whoever has just loaded the ledger.
    ///
    /// # Errors
    /// As [`Ledger::acquire`].
    pub async fn acquire_on(&self, stack: &StackId, options: &AcquireOptions, mut loaded: Loaded) -> Result<Acquired> {
        check(options)?;
        loop {
            if loaded.state.lease.holder.is_some() {
                return Ok(Acquired::Held(Box::new(Watch::new(self, stack, options, loaded))));
            }
            if let Some(session) = self.take(stack, options, loaded).await? {
                return Ok(Acquired::Session(session));
            }
            // Somebody was faster. Whoever it was made progress, so this ends.
            loaded = self.load(stack).await?;
        }
    }

    /// Puts the entry that takes the lease after the head that was loaded; `None` when another entry is there by now.
    pub(super) async fn take(
        &self,
        stack: &StackId,
        options: &AcquireOptions,
        loaded: Loaded,
    ) -> Result<Option<Box<Session>>> {
        let mut records = Vec::new();
        match &loaded.state.target {
            None => records.push(Record::Target(options.target.clone())),
            Some(pinned) if *pinned != options.target => return Err(wrong(pinned, &options.target)),
            Some(_) => {}
        }
        records.push(Record::Lease {
            holder: options.holder.clone(),
            epoch: loaded.state.lease.epoch + 1,
            time_to_live: u64::try_from(options.time_to_live.as_millis()).unwrap_or(u64::MAX),
        });
        self.prove_conditional(stack).await?;
        let mut session = Session::taking(self.clone(), stack, &options.holder, options.time_to_live, loaded);
        Ok(session.open(records).await?.then(|| Box::new(session)))
    }
}

fn check(options: &AcquireOptions) -> Result<()> {
    if options.holder.is_empty() {
        return Err(Error::new(Code::InvalidValue, "the holder of a lease has no name")
            .hint("give each process a name of its own, such as the pod's name"));
    }
    if options.time_to_live < SHORTEST {
        return Err(Error::new(
            Code::InvalidValue,
            format!("a lease is too short, {SHORTEST:?} is the least: {:?}", options.time_to_live),
        )
        .hint("leave the time to live at its default of 30 seconds"));
    }
    Ok(())
}

fn wrong(pinned: &Target, given: &Target) -> Error {
    let print = |target: &Target| {
        [&target.cloud, &target.partition, &target.account, &target.region]
            .into_iter()
            .filter(|part| !part.is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join("/")
    };
    Error::new(Code::WrongTarget, format!("the stack is pinned to {}, not to: {}", print(pinned), print(given)))
        .hint("use the credentials and region of the pinned target, or another environment name for this one")
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::super::testing::{Fault, TestClock, TestStore, converged, intent, options, session, stack, target};
    use super::super::{Put, Store, Watched};
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn the_first_holder_pins_the_target() {
        let clock = TestClock::default();
        clock.run(async {
            let ledger = TestStore::new(&clock, Duration::ZERO).ledger();
            let mut session = session(&ledger, "a").await;
            assert_eq!(session.state().target, Some(target()));
            assert_eq!(session.state().lease.holder.as_deref(), Some("a"));
            assert_eq!((session.epoch(), session.head().number), (1, 1));
            session.release(vec![]).await.unwrap();

            let writes = ledger.writes();
            let mut elsewhere = options("b");
            elsewhere.target.account = "999999999999".into();
            let error = ledger.acquire(&stack(), &elsewhere).await.unwrap_err();
            assert_eq!((error.code(), ledger.writes()), (Code::WrongTarget, writes));
        });
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let clock = TestClock::default();
        let ledger = TestStore::new(&clock, Duration::ZERO).ledger();
        for options in [options(""), options("a").time_to_live(Duration::from_millis(2_999))] {
            let error = clock.run(ledger.acquire(&stack(), &options)).unwrap_err();
            assert_eq!((error.code(), ledger.reads()), (Code::InvalidValue, 0));
        }
    }

    #[test]
    fn a_store_that_ignores_the_condition_is_found_out_before_the_first_entry() {
        let clock = TestClock::default();
        let store = TestStore::unconditional(&clock);
        for _ in 0..2 {
            let error = clock.run(store.ledger().acquire(&stack(), &options("a"))).unwrap_err();
            assert_eq!(error.code(), Code::LedgerUnconditional);
        }
        assert_eq!(store.objects().len(), 1, "the probe alone");
    }

    #[test]
    fn the_probe_is_made_once() {
        let clock = TestClock::default();
        clock.run(async {
            let store = TestStore::new(&clock, Duration::ZERO);
            let ledger = store.ledger();
            session(&ledger, "a").await.release(vec![]).await.unwrap();
            assert_eq!(ledger.writes(), 4, "two for the probe, lease, release");
            session(&ledger, "a").await.release(vec![]).await.unwrap();
            assert_eq!(ledger.writes(), 6);
            let second = store.ledger();
            session(&second, "a").await;
            assert_eq!(second.writes(), 2, "the probe is there already");
        });
    }

    #[test]
    fn an_acquisition_whose_answer_was_lost_is_neither_lost_nor_doubled() {
        for fault in [Fault::ActsThenFails, Fault::SaysExists, Fault::Fails, Fault::Hangs] {
            let clock = TestClock::default();
            clock.run(async {
                let store = TestStore::new(&clock, Duration::ZERO);
                store.puts([Fault::None, Fault::None, fault]);
                let session = session(&store.ledger(), "a").await;
                assert_eq!((session.epoch(), session.head().number), (1, 1), "{fault:?}");
                let other = store.ledger().acquire(&stack(), &options("b")).await.unwrap();
                assert!(matches!(other, Acquired::Held(_)), "{fault:?}");
            });
        }
    }

    #[test]
    fn a_held_lease_is_shown_and_nothing_is_written() {
        let clock = TestClock::default();
        clock.run(async {
            let store = TestStore::new(&clock, Duration::ZERO);
            let _session = session(&store.ledger(), "a").await;
            let ledger = store.ledger();
            let Acquired::Held(watch) = ledger.acquire(&stack(), &options("b")).await.unwrap() else {
                panic!("the lease is held");
            };
            assert_eq!((watch.holder(), watch.epoch(), watch.head()), (Some("a"), 1, 1));
            assert_eq!(ledger.writes(), 0);
        });
    }

    /// Acquires, waits if need be, works if nobody has, and says which graph it saw converge and whether it worked.
    async fn start(ledger: Ledger, holder: String) -> (String, bool) {
        let work = async |mut session: Box<Session>| {
            if let Some(converged) = &session.state().converged {
                let graph = converged.graph.clone();
                session.release(vec![]).await.unwrap();
                return (graph, false);
            }
            for round in 0..40 {
                session.commit(vec![intent(round, 0)]).await.unwrap();
            }
            let graph = format!("by {holder}");
            session.release(vec![converged(&graph)]).await.unwrap();
            (graph, true)
        };
        let mut watch = match ledger.acquire(&stack(), &options(&holder)).await.unwrap() {
            Acquired::Session(session) => return work(session).await,
            Acquired::Held(watch) => watch,
        };
        loop {
            match watch.next().await.unwrap() {
                Watched::Converged(peek) => return (peek.converged().unwrap().graph.clone(), false),
                Watched::Released | Watched::Expired => {
                    if let Some(session) = watch.acquire().await.unwrap() {
                        return work(session).await;
                    }
                }
                Watched::Moved | Watched::Still(_) => {}
            }
        }
    }

    #[test]
    fn of_64_starters_one_works_and_all_see_the_same() {
        let clock = TestClock::default();
        let store = TestStore::new(&clock, Duration::from_millis(50));
        let results = clock.run(join_all((0..64).map(|number| start(store.ledger(), format!("pod-{number}")))));
        assert_eq!(results.iter().filter(|(_, worked)| *worked).count(), 1);
        assert!(results.iter().all(|(graph, _)| *graph == results[0].0), "{results:?}");
        assert!(clock.now() < Duration::from_secs(6), "{:?}", clock.now());
        let loaded = clock.run(store.ledger().load(&stack())).unwrap();
        assert_eq!((loaded.state.lease.epoch, loaded.head.number), (1, 42));
    }

    #[test]
    fn of_64_threads_one_gets_the_lease() {
        let ledger = Ledger::memory();
        let barrier = std::sync::Barrier::new(64);
        let won: Vec<bool> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..64)
                .map(|number| {
                    let (ledger, barrier) = (ledger.clone(), &barrier);
                    scope.spawn(move || {
                        let clock = TestClock::default();
                        let ledger = ledger.with_clock(std::sync::Arc::new(clock.clone()));
                        barrier.wait();
                        let acquired = clock.run(ledger.acquire(&stack(), &options(&format!("pod-{number}"))));
                        matches!(acquired.unwrap(), Acquired::Session(_))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
    }

    #[test]
    fn a_store_of_ones_own_is_a_trait_of_four_methods() {
        #[derive(Debug)]
        struct Refusing;

        #[async_trait::async_trait]
        impl Store for Refusing {
            async fn put_if_absent(&self, key: &str, _: bytes::Bytes) -> Result<Put> {
                Err(Error::new(Code::LedgerUnconditional, format!("no conditions here: {key}")))
            }

            async fn get(&self, _: &str) -> Result<Option<bytes::Bytes>> {
                Ok(None)
            }

            async fn newest(&self, _: &str) -> Result<Option<String>> {
                Ok(None)
            }

            fn is_real(&self) -> bool {
                false
            }
        }

        let clock = TestClock::default();
        let ledger = Ledger::new(std::sync::Arc::new(Refusing)).with_clock(std::sync::Arc::new(clock.clone()));
        let error = clock.run(ledger.acquire(&stack(), &options("a"))).unwrap_err();
        assert_eq!((error.code(), ledger.writes()), (Code::LedgerUnconditional, 1));
    }
}
