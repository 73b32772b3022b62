//! The simulator's clocks: one that jumps, one that runs fast.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use crate::clock::{Clock, Hold};

/// A clock that stands still while anybody works and jumps to the next wake-up when all participants wait.
///
/// Sleepers wake one at a time: in the order of their deadlines, among equals in the order in which they began. The
/// next one wakes when the work that the one before it caused is done. So several hosts give the same run each time,
/// on any number of threads.
///
/// A future takes part through [`crate::clock::drive`]; without participants the clock stands still.
#[derive(Clone)]
pub struct VirtualClock(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Duration,
    sequence: u64,
    sleepers: BTreeMap<Key, Waker>,
    /// Whether each participant waits for the clock alone.
    idle: BTreeMap<u64, bool>,
    busy: usize,
    holds: usize,
    /// A waker is being called: whom it wakes is not yet known to be busy.
    waking: bool,
}

/// When a sleeper wakes, and which of several at that moment comes first.
type Key = (Duration, u64);

impl VirtualClock {
    /// A clock at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Arc::default()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes sleepers as long as nobody has anything else to do.
    fn advance(&self) {
        loop {
            let mut state = self.state();
            if state.waking || state.holds > 0 || state.busy > 0 || state.idle.is_empty() {
                return;
            }
            let Some(((deadline, _), waker)) = state.sleepers.pop_first() else { return };
            state.now = state.now.max(deadline);
            state.waking = true;
            // Wakers call back into the clock.
            drop(state);
            waker.wake();
            self.state().waking = false;
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        self.state().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.state();
        let key = (state.now.saturating_add(duration), state.sequence);
        state.sequence += 1;
        Box::pin(Sleep { clock: self.clone(), key })
    }

    fn hold(&self) -> Hold {
        self.state().holds += 1;
        let clock = self.clone();
        Hold::new(move || {
            clock.state().holds -= 1;
            clock.advance();
        })
    }

    fn enter(&self) -> u64 {
        let mut state = self.state();
        let participant = state.sequence;
        state.sequence += 1;
        state.busy += 1;
        state.idle.insert(participant, false);
        participant
    }

    fn leave(&self, participant: u64) {
        let mut state = self.state();
        if state.idle.remove(&participant) == Some(false) {
            state.busy -= 1;
        }
        drop(state);
        self.advance();
    }

    fn idle(&self, participant: u64, woken: &AtomicBool) {
        let mut state = self.state();
        // A wake sets the flag first and takes the lock afterwards, so that none is lost between the two.
        if !woken.load(Ordering::SeqCst)
            && let Some(idle) = state.idle.get_mut(&participant)
            && !std::mem::replace(idle, true)
        {
            state.busy -= 1;
        }
        drop(state);
        self.advance();
    }

    fn busy(&self, participant: u64) {
        let mut state = self.state();
        if let Some(idle) = state.idle.get_mut(&participant)
            && std::mem::take(idle)
        {
            state.busy += 1;
        }
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("VirtualClock")
            .field("now", &state.now)
            .field("sleepers", &state.sleepers.len())
            .field("participants", &state.idle.len())
            .field("busy", &state.busy)
            .field("holds", &state.holds)
            .finish_non_exhaustive()
    }
}

struct Sleep {
    clock: VirtualClock,
    key: Key,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        let before = state.sleepers.insert(self.key, cx.waker().clone());
        // The last owner of a waker may own a task that holds sleeps: never dropped under the lock.
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let mut state = self.clock.state();
        let waker = state.sleepers.remove(&self.key);
        drop(state);
        drop(waker);
    }
}

/// Real time, some times faster: for examples that a person watches.
#[derive(Debug)]
pub(super) struct CompressedClock {
    start: Instant,
    factor: u32,
}

impl CompressedClock {
    #[expect(clippy::disallowed_methods, reason = "this is the simulator's own clock, made from the machine's")]
    pub(super) fn new(factor: u32) -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), factor: factor.max(1) })
    }
}

impl Clock for CompressedClock {
    fn now(&self) -> Duration {
        self.start.elapsed().saturating_mul(self.factor)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the simulator's own clock, made from the machine's")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration / self.factor))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::future::{join, join_all, select};
    use futures_util::stream::{FuturesUnordered, StreamExt};

    use super::*;
    use crate::clock::drive;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// What several futures did, in order.
    #[derive(Clone, Default)]
    struct Trace(Arc<Mutex<Vec<(&'static str, u64)>>>);

    impl Trace {
        fn add(&self, who: &'static str, clock: &VirtualClock) {
            self.0.lock().unwrap().push((who, clock.now().as_secs()));
        }

        fn all(&self) -> Vec<(&'static str, u64)> {
            self.0.lock().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn sleepers_wake_by_deadline_and_then_by_order() {
        let clock = VirtualClock::new();
        let trace = Trace::default();
        let sleeper = |who, after| {
            let (clock, trace) = (clock.clone(), trace.clone());
            let sleep = clock.sleep(seconds(after));
            async move {
                sleep.await;
                trace.add(who, &clock);
            }
        };
        let all: FuturesUnordered<_> =
            [sleeper("c", 30), sleeper("a", 10), sleeper("b", 10), sleeper("now", 0)].into_iter().collect();
        drive(clock.clone(), all.collect::<Vec<()>>()).await;
        assert_eq!(trace.all(), [("now", 0), ("a", 10), ("b", 10), ("c", 30)]);
    }

    #[tokio::test]
    async fn nested_sleeps_add_up() {
        let clock = VirtualClock::new();
        let inner = drive(clock.clone(), async {
            join(clock.sleep(seconds(5)), async {
                clock.sleep(seconds(3)).await;
                clock.sleep(seconds(4)).await;
            })
            .await;
            clock.now()
        });
        assert_eq!(drive(clock.clone(), inner).await, seconds(7));
    }

    /// Sixty-four hosts that each wait in their own rhythm see the same moments, run after run, on four threads.
    #[test]
    fn many_hosts_on_many_threads_give_the_same_run() {
        let run = || {
            let clock = VirtualClock::new();
            let order = Arc::new(Mutex::new(Vec::new()));
            let host = |host: u64| {
                let (clock, order) = (clock.clone(), order.clone());
                drive(clock.clone(), async move {
                    // Everybody begins by sleeping to a moment of its own, so that the sequence is settled.
                    clock.sleep(Duration::from_millis(host)).await;
                    for _ in 0..20 {
                        clock.sleep(seconds(host % 7 + 1)).await;
                        order.lock().unwrap().push((clock.now(), host));
                    }
                })
            };
            let mut hosts: Vec<_> = (1..=64).map(host).collect();
            std::thread::scope(|scope| {
                while !hosts.is_empty() {
                    let some = hosts.split_off(hosts.len() - 16);
                    scope.spawn(move || {
                        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                        runtime.block_on(join_all(some));
                    });
                }
            });
            Arc::into_inner(order).unwrap().into_inner().unwrap()
        };
        let first = run();
        assert_eq!(first.len(), 64 * 20);
        assert!(first.is_sorted_by_key(|(at, _)| *at));
        assert_eq!(first, run());
    }

    #[tokio::test]
    async fn a_host_that_works_holds_the_others_back() {
        let clock = VirtualClock::new();
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        let waiter = drive(clock.clone(), async {
            clock.sleep(seconds(60)).await;
            send.send(()).unwrap();
        });
        // It waits for the other host and not for the clock: woken by it at its moment, and at no other.
        let other = drive(clock.clone(), async {
            receive.await.unwrap();
            clock.now()
        });
        assert_eq!(join(waiter, other).await.1, seconds(60));
    }

    #[tokio::test]
    async fn a_dropped_sleep_is_cancelled() {
        let clock = VirtualClock::new();
        drive(clock.clone(), async {
            let long = clock.sleep(seconds(3600));
            select(long, clock.sleep(seconds(1))).await;
            clock.sleep(seconds(1)).await;
        })
        .await;
        assert_eq!(clock.now(), seconds(2));
        assert!(clock.state().sleepers.is_empty());
    }

    #[tokio::test]
    async fn a_host_that_is_dropped_no_longer_counts() {
        let clock = VirtualClock::new();
        let never_polled = drive(clock.clone(), std::future::pending::<()>());
        let sleeper = drive(clock.clone(), clock.sleep(seconds(9)));
        let late = async { drop(never_polled) };
        join(sleeper, late).await;
        assert_eq!(clock.now(), seconds(9));
        assert!(clock.state().idle.is_empty());
    }

    #[tokio::test]
    async fn time_stands_still_while_a_thread_works_under_a_hold() {
        let clock = VirtualClock::new();
        let (start, started) = mpsc::channel::<()>();
        let work = drive(clock.clone(), async {
            let hold = clock.hold();
            let before = clock.now();
            tokio::task::spawn_blocking(move || started.recv().unwrap()).await.unwrap();
            assert_eq!(clock.now(), before);
            drop(hold);
            clock.sleep(seconds(5)).await;
            clock.now()
        });
        let sleeper = drive(clock.clone(), async {
            clock.sleep(seconds(1)).await;
            clock.now()
        });
        let go = async { start.send(()).unwrap() };
        let ((worked, slept), ()) = join(join(work, sleeper), go).await;
        assert_eq!((worked, slept), (seconds(5), seconds(1)));
    }

    #[tokio::test]
    async fn a_hold_released_by_another_thread_sets_idle_hosts_going() {
        let clock = VirtualClock::new();
        let hold = clock.hold();
        let (send, receive) = mpsc::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "a second thread is the point, and it is joined")]
        let thread = std::thread::spawn(move || {
            receive.recv().unwrap();
            drop(hold);
        });
        let sleeper = drive(clock.clone(), clock.sleep(seconds(1)));
        let release = async { send.send(()).unwrap() };
        join(sleeper, release).await;
        thread.join().unwrap();
        assert_eq!(clock.now(), seconds(1));
    }

    /// Between a jump and the news of it to whom it wakes, nobody else's release makes the clock jump again.
    #[test]
    fn one_jump_is_over_before_the_next() {
        struct Meddler(Arc<VirtualClock>, u64, Mutex<Option<Duration>>);
        impl std::task::Wake for Meddler {
            fn wake(self: Arc<Self>) {
                drop(self.0.hold());
                *self.2.lock().unwrap() = Some(self.0.now());
                self.0.busy(self.1);
            }
        }
        let clock = VirtualClock::new();
        let participant = clock.enter();
        let meddler = Arc::new(Meddler(clock.clone(), participant, Mutex::default()));
        let waker = Waker::from(meddler.clone());
        let mut sleeps = [clock.sleep(seconds(1)), clock.sleep(seconds(2))];
        for sleep in &mut sleeps {
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        // Somebody woke it already, so that it is not idle after all.
        clock.idle(participant, &AtomicBool::new(true));
        assert_eq!(clock.now(), Duration::ZERO);
        clock.idle(participant, &AtomicBool::new(false));
        assert_eq!(*meddler.2.lock().unwrap(), Some(seconds(1)));
        assert_eq!(clock.now(), seconds(1));
    }

    #[tokio::test]
    async fn on_a_real_clock_driving_changes_nothing() {
        let clock = CompressedClock::new(100_000);
        drive(clock.clone(), clock.sleep(seconds(60))).await;
        assert!(clock.now() >= seconds(60));
        let system = crate::clock::SystemClock::new();
        assert_eq!(drive(system, async { 7 }).await, 7);
    }
}
