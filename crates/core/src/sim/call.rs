//! Calls on their way out of a host: counted, logged, and the places at which the host may die.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::SimCloud;
use super::chaos::Blow;
use super::random::Random;
use crate::Code;
use crate::clock::{Hold, drive};
use crate::resource::Address;

/// When a host dies or falls asleep, within one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The request is never sent; that of a host which sleeps leaves when the host wakes, whatever it does then.
    Before,
    /// The other side acts and no reply arrives.
    Acted,
    /// The reply arrives, and nothing is done with it.
    Replied,
}

impl Moment {
    /// All moments, in order.
    pub const ALL: [Self; 3] = [Self::Before, Self::Acted, Self::Replied];
}

/// What a host calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The cloud's API.
    Cloud,
    /// The ledger's store.
    Store,
}

/// One call as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which call of its host, from 1.
    pub number: u64,
    /// The host that made it.
    pub host: Arc<str>,
    /// When it was sent.
    pub at: Duration,
    /// What was called: `observe`, `census`, `create`, `update`, `delete`, `poll`, or as the caller of
    /// [`SimCloud::outbound`] named it.
    pub name: Cow<'static, str>,
    /// The native type, where the call is about one.
    pub type_name: Option<String>,
    /// The first address it is about.
    pub address: Option<Address>,
    /// How many it is about.
    pub many: usize,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a call ended, as its host saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// No reply was seen: the host died, or dropped the call.
    Unseen,
    /// It was accepted.
    Accepted,
    /// It was refused, or no answer came.
    Failed(Code),
}

/// One process that calls the cloud: what it has sent, and where it dies.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: Arc<str>,
    state: Mutex<HostState>,
    crashed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct HostState {
    calls: u64,
    mutations: u64,
    crashes: BTreeMap<u64, Moment>,
    pauses: BTreeMap<u64, (Moment, Duration)>,
    /// When the host reaches neither or one of the two.
    cuts: Vec<(Side, Duration, Duration)>,
    /// Time stands still from a crash to the restart, so that nothing happens between the death and its notice.
    still: Option<Hold>,
}

impl Host {
    pub(super) fn new(name: &str) -> Arc<Self> {
        Arc::new(Self { name: name.into(), state: Mutex::default(), crashed: watch::Sender::new(false) })
    }

    fn state(&self) -> MutexGuard<'_, HostState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that was sent. What is done while it lives is the other side acting.
#[derive(Debug)]
#[must_use = "say that the reply arrived"]
pub struct Pass {
    cloud: SimCloud,
    pub(super) number: u64,
    entry: usize,
    /// What the request's id is drawn from.
    request: Random,
    /// How long it is on the way from now on. What leaves a host that sleeps leaves it when the host wakes.
    pub(super) there: Duration,
    back: Duration,
}

/// How long a request or a reply travels, at the least and at the most.
const CLOUD: (u64, u64) = (10, 100);
const LEDGER: (u64, u64) = (2, 15);

impl SimCloud {
    /// Lets a call that does not go to this cloud, such as one to the ledger's store, take part in the count and in the
    /// crash points. What the other side does follows this; then comes [`Pass::replied`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # use landfall_core::sim::SimCloud;
    /// # use landfall_core::clock::drive;
    /// # async fn put() {}
    /// let cloud = SimCloud::empty(7);
    /// drive(cloud.clock(), async {
    ///     let pass = cloud.outbound("ledger put").await;
    ///     put().await;
    ///     pass.replied().await;
    /// }).await;
    /// assert_eq!(cloud.calls(), 1);
    /// # }
    /// ```
    pub async fn outbound(&self, name: &str) -> Pass {
        self.outbound_as(Cow::Owned(name.to_owned())).await
    }

    pub(super) async fn outbound_as(&self, name: Cow<'static, str>) -> Pass {
        let pass = self.depart(name, None, &[], false, LEDGER).await;
        self.reachable(Side::Store).await;
        self.clock.sleep(pass.there).await;
        self.alive().await;
        pass
    }

    /// How many calls the host has made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.host.state().calls
    }

    /// How many of them could change something in the cloud, accepted or not.
    #[must_use]
    pub fn mutations(&self) -> u64 {
        self.host.state().mutations
    }

    /// Every call of every host, in the order in which they were sent.
    #[must_use]
    pub fn log(&self) -> Vec<Call> {
        self.calls_so_far().clone()
    }

    /// A hash of all calls with their moments and outcomes: the same seed gives the same.
    #[must_use]
    pub fn trace_hash(&self) -> String {
        let mut line = String::new();
        let mut hasher = Sha256::new();
        for Call { number, host, at, name, type_name, address, many, outcome } in &*self.calls_so_far() {
            line.clear();
            let _ = writeln!(line, "{number} {host} {at:?} {name} {type_name:?} {address:?} {many} {outcome:?}");
            hasher.update(line.as_bytes());
        }
        crate::graph::hex(&hasher.finalize())
    }

    /// Lets the host die at its call of this number, counted from 1: the call never returns, nor does any after it, and
    /// [`SimCloud::crashed`] ends. Whoever runs the host then drops its future and calls [`SimCloud::restart`]; a
    /// virtual clock stands still until then.
    pub fn crash_at(&self, call: u64, moment: Moment) {
        self.host.state().crashes.insert(call, moment);
    }

    /// Lets the host stand still for so long at its call of this number, as after `SIGSTOP`: nothing of it goes on,
    /// while its request is on the way and time passes for everybody else. Only under [`SimCloud::run`].
    pub fn pause_at(&self, call: u64, moment: Moment, duration: Duration) {
        self.host.state().pauses.insert(call, (moment, duration));
    }

    /// Cuts the host off from one side between two moments of the world: requests vanish, no answer comes.
    pub fn cut_off(&self, side: Side, from: Duration, until: Duration) {
        self.host.state().cuts.push((side, from, until));
    }

    /// Goes on unless the host is cut off from this side.
    pub(super) async fn reachable(&self, side: Side) {
        let now = self.clock.now();
        let cut = self.host.state().cuts.iter().any(|(of, from, until)| *of == side && (*from..*until).contains(&now));
        if cut {
            pending::<()>().await;
        }
    }

    /// Chance, for one purpose within one call of the host.
    pub(super) fn chance(&self, purpose: &str, call: u64) -> Random {
        Random::of(self.shared.seed, &[purpose, &self.host.name, &call.to_string()])
    }

    /// Whether the host is dead.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        *self.host.crashed.borrow()
    }

    /// Ends when the host dies.
    pub fn crashed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut crashed = self.host.crashed.subscribe();
        // The host is kept: the future must never end because it is gone.
        let host = self.host.clone();
        async move {
            let _ = crashed.wait_for(|crashed| *crashed).await;
            drop(host);
        }
    }

    /// Lets the host live again. Crash points that lie ahead stay, the count of calls goes on.
    pub fn restart(&self) {
        self.host.crashed.send_replace(false);
        let still = self.host.state().still.take();
        drop(still);
    }

    /// Runs what the host does until it ends, or until the host dies: then it is dropped, `None` is returned, and the
    /// host may be run again.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use landfall_core::sim::{Moment, SimCloud};
    ///
    /// let cloud = SimCloud::empty(7);
    /// let work = || async { cloud.outbound("ledger put").await.replied().await };
    /// cloud.crash_at(1, Moment::Acted);
    /// assert_eq!(cloud.run(work()).await, None);
    /// assert_eq!(cloud.run(work()).await, Some(()));
    /// # }
    /// ```
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = drive(self.clock(), work);
        let mut host = poll_fn(|cx| {
            if self.view.is_paused(cx.waker()) {
                return Poll::Pending;
            }
            Pin::new(&mut work).poll(cx)
        });
        let ended = match select(&mut host, std::pin::pin!(self.crashed())).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        };
        drop(work);
        self.view.resume();
        if ended.is_none() {
            self.restart();
        }
        ended
    }

    fn calls_so_far(&self) -> MutexGuard<'_, Vec<Call>> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts and logs a call that is about to be sent.
    pub(super) async fn depart(
        &self,
        name: Cow<'static, str>,
        type_name: Option<&str>,
        addresses: &[Address],
        mutation: bool,
        (low, high): (u64, u64),
    ) -> Pass {
        self.alive().await;
        let number = {
            let mut state = self.host.state();
            state.calls += 1;
            state.mutations += u64::from(mutation);
            state.calls
        };
        let entry = {
            let mut log = self.calls_so_far();
            log.push(Call {
                number,
                host: self.host.name.clone(),
                at: self.clock.now(),
                name,
                type_name: type_name.map(str::to_owned),
                address: addresses.first().cloned(),
                many: addresses.len(),
                outcome: Outcome::Unseen,
            });
            log.len() - 1
        };
        match self.chaos().blow(&mut self.chance("blow", number)) {
            Some(Blow::Dies(moment)) => self.crash_at(number, moment),
            Some(Blow::Pauses(moment, duration)) => self.pause_at(number, moment, duration),
            None => {}
        }
        let mut random = self.chance("call", number);
        let (low, high) = (Duration::from_millis(low), Duration::from_millis(high));
        let (there, back) = (random.between(low, high), random.between(low, high));
        let mut pass = Pass { cloud: self.clone(), number, entry, request: random, there, back };
        pass.there += pass.pause(Moment::Before);
        pass.die(Moment::Before).await;
        pass
    }

    /// Counts a call to this cloud that is about to be sent.
    pub(super) async fn depart_to_cloud(
        &self,
        name: &'static str,
        type_name: Option<&str>,
        addresses: &[Address],
        mutation: bool,
    ) -> Pass {
        self.depart(Cow::Borrowed(name), type_name, addresses, mutation, CLOUD).await
    }

    /// Goes on while the host lives, and never again once it is dead.
    pub(super) async fn alive(&self) {
        if self.has_crashed() {
            pending::<()>().await;
        }
    }
}

impl Pass {
    /// The other side has acted and its reply comes back.
    pub async fn replied(self) {
        self.arrive(Outcome::Accepted).await;
    }

    /// The reply comes back, with this outcome.
    pub(super) async fn arrive(self, outcome: Outcome) {
        self.reach(Moment::Acted).await;
        self.cloud.clock.sleep(self.back).await;
        self.cloud.alive().await;
        self.reach(Moment::Replied).await;
        if let Some(call) = self.cloud.calls_so_far().get_mut(self.entry) {
            call.outcome = outcome;
        }
    }

    /// The request's id, as clouds print it.
    pub(super) fn request(&self) -> String {
        self.request.clone().uuid()
    }

    /// Sleeps and dies here if that was ordered.
    async fn reach(&self, moment: Moment) {
        if !self.pause(moment).is_zero() {
            let mut first = true;
            // Gives way once, so that whoever polls the host finds it paused.
            poll_fn(|cx| {
                if std::mem::take(&mut first) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
        }
        self.die(moment).await;
    }

    /// From here on the host stands still, if that was ordered; for how long.
    fn pause(&self, moment: Moment) -> Duration {
        let pause = {
            let mut state = self.cloud.host.state();
            let due = state.pauses.get(&self.number).filter(|(at, _)| *at == moment).map(|(_, duration)| *duration);
            due.inspect(|_| _ = state.pauses.remove(&self.number))
        };
        pause.inspect(|duration| self.cloud.view.pause(*duration)).unwrap_or_default()
    }

    /// Dies here if that was ordered.
    async fn die(&self, moment: Moment) {
        let host = &self.cloud.host;
        let dies = {
            let mut state = host.state();
            let dies = state.crashes.get(&self.number) == Some(&moment);
            if dies {
                state.crashes.remove(&self.number);
                state.still = Some(self.cloud.clock.hold());
            }
            dies
        };
        if dies {
            host.crashed.send_replace(true);
            pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::{FutureExt, join};

    use super::*;

    #[tokio::test]
    async fn each_moment_is_where_it_says() {
        for (moment, acted) in [(Moment::Before, false), (Moment::Acted, true), (Moment::Replied, true)] {
            let cloud = SimCloud::empty(1);
            cloud.crash_at(2, moment);
            let acts = Mutex::new(0);
            let host = async {
                for _ in 0..3 {
                    let pass = cloud.outbound("ledger put").await;
                    *acts.lock().unwrap() += 1;
                    pass.replied().await;
                }
            };
            assert_eq!(cloud.run(host).await, None);
            assert_eq!(*acts.lock().unwrap(), if acted { 2 } else { 1 });
            assert_eq!(cloud.calls(), 2);
            let outcomes: Vec<_> = cloud.log().iter().map(|call| call.outcome).collect();
            assert_eq!(outcomes, [Outcome::Accepted, Outcome::Unseen]);
        }
    }

    #[tokio::test]
    async fn nothing_of_a_dead_host_goes_on() {
        let cloud = SimCloud::empty(1);
        cloud.crash_at(2, Moment::Acted);
        let call = || async { cloud.outbound("ledger get").await.replied().await };
        let many = join(join(call(), call()), async {
            cloud.clock().sleep(Duration::from_secs(1)).await;
            call().await;
        });
        let mut host = drive(cloud.clock(), many);
        assert!(matches!(select(&mut host, std::pin::pin!(cloud.crashed())).await, Either::Right(_)));
        assert!(cloud.has_crashed());
        assert_eq!(cloud.calls(), 2);
        // Even if nobody hurries to bury it, it does nothing more.
        for _ in 0..10 {
            assert!((&mut host).now_or_never().is_none());
        }
        assert_eq!(cloud.calls(), 2);
        assert!(cloud.clock().now() < Duration::from_secs(1));
        drop(host);
        cloud.restart();
        assert!(!cloud.has_crashed());
        assert!(cloud.run(call()).await.is_some());
        assert_eq!(cloud.calls(), 3);
    }

    #[tokio::test]
    async fn another_host_lives_and_counts_for_itself() {
        let cloud = SimCloud::empty(1);
        let other = cloud.host("other");
        cloud.crash_at(1, Moment::Before);
        assert!(cloud.run(async { cloud.outbound("ledger get").await.replied().await }).await.is_none());
        other.run(async { other.outbound("ledger get").await.replied().await }).await.unwrap();
        assert_eq!((cloud.calls(), other.calls()), (1, 1));
        assert_eq!(other.log().len(), 2);
    }

    #[tokio::test]
    async fn the_same_seed_gives_the_same_trace() {
        let trace = async |seed| {
            let cloud = SimCloud::empty(seed);
            cloud
                .run(async {
                    for _ in 0..10 {
                        cloud.outbound("ledger get").await.replied().await;
                    }
                })
                .await;
            cloud.trace_hash()
        };
        assert_eq!(trace(5).await, trace(5).await);
        assert_ne!(trace(5).await, trace(6).await);
    }
}
