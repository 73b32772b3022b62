//! A host's own clock: skewed, and without effect on the host while it is paused.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::clock::{Clock, Hold};

/// How a host's clock differs from the world's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew {
    /// How far it is ahead at the beginning.
    pub ahead: Duration,
    /// How fast it runs, in thousandths of the right speed.
    pub rate: u32,
}

impl Skew {
    /// A clock that is right.
    pub const NONE: Self = Self { ahead: Duration::ZERO, rate: 1000 };
}

impl Default for Skew {
    fn default() -> Self {
        Self::NONE
    }
}

/// The world's clock as one host sees it.
///
/// While the host is paused, its futures are not polled, as after `SIGSTOP`: wakes are kept for later, and the world's
/// clock does not wait for it.
pub(super) struct HostClock {
    world: Arc<dyn Clock>,
    skew: Skew,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Ends the pause; `None` while the host runs.
    timer: Option<BoxFuture<'static, ()>>,
    /// Participants that were woken during the pause.
    woken: BTreeSet<u64>,
    /// Whoever polls the host.
    waker: Option<Waker>,
}

impl HostClock {
    pub(super) fn new(world: Arc<dyn Clock>, skew: Skew) -> Arc<Self> {
        Arc::new(Self { world, skew: Skew { rate: skew.rate.max(1), ..skew }, state: Mutex::default() })
    }

    /// Stops the host for so long. A host that is paused already stays so for as long as was said first.
    pub(super) fn pause(self: &Arc<Self>, duration: Duration) {
        if duration.is_zero() || self.state().timer.is_some() {
            return;
        }
        let mut timer = self.world.sleep(duration);
        let waker = Waker::from(Arc::new(Resume(self.clone())));
        if timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.state().timer = Some(timer);
        }
    }

    /// Whether the host is paused. Then `waker` is woken when it goes on.
    pub(super) fn is_paused(&self, waker: &Waker) -> bool {
        let mut state = self.state();
        let paused = state.timer.is_some();
        if paused {
            state.waker = Some(waker.clone());
        }
        paused
    }

    /// Lets the host go on.
    pub(super) fn resume(&self) {
        let State { timer, woken, waker } = std::mem::take(&mut *self.state());
        for participant in woken {
            self.world.busy(participant);
        }
        // Dropped without the lock: it holds the clock.
        drop(timer);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Resume(Arc<HostClock>);

impl Wake for Resume {
    fn wake(self: Arc<Self>) {
        self.0.resume();
    }
}

impl Clock for HostClock {
    fn now(&self) -> Duration {
        self.skew.ahead + scaled(self.world.now(), self.skew.rate, 1000)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.world.sleep(scaled(duration, 1000, self.skew.rate))
    }

    fn hold(&self) -> Hold {
        self.world.hold()
    }

    fn enter(&self) -> u64 {
        self.world.enter()
    }

    fn leave(&self, participant: u64) {
        self.state().woken.remove(&participant);
        self.world.leave(participant);
    }

    fn idle(&self, participant: u64, woken: &AtomicBool) {
        let paused = {
            let mut state = self.state();
            if state.timer.is_some() && woken.load(Ordering::SeqCst) {
                state.woken.insert(participant);
            }
            state.timer.is_some()
        };
        let ignored = AtomicBool::new(false);
        self.world.idle(participant, if paused { &ignored } else { woken });
    }

    fn busy(&self, participant: u64) {
        {
            let mut state = self.state();
            if state.timer.is_some() {
                state.woken.insert(participant);
                return;
            }
        }
        self.world.busy(participant);
    }
}

impl std::fmt::Debug for HostClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostClock").field("world", &self.world).field("skew", &self.skew).finish_non_exhaustive()
    }
}

/// A duration times `by` over `over`, rounded up so that a wait is never too short.
fn scaled(duration: Duration, by: u32, over: u32) -> Duration {
    if by == over {
        return duration;
    }
    let nanos = (duration.as_nanos() * u128::from(by)).div_ceil(u128::from(over));
    let second = 1_000_000_000;
    let seconds = u64::try_from(nanos / second).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanos % second).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;

    use super::super::{Moment, SimCloud};
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test]
    async fn a_skewed_clock_shows_other_times_and_wakes_at_its_own() {
        let cloud = SimCloud::empty(1);
        let fast = cloud.host_with("fast", Skew { ahead: seconds(100), rate: 2000 });
        let slow = cloud.host_with("slow", Skew { ahead: Duration::ZERO, rate: 500 });
        assert_eq!(fast.clock().now(), seconds(100));
        let world = &cloud;
        let sleep = async |host: SimCloud| {
            host.run(host.clock().sleep(seconds(10))).await;
            (host.clock().now(), world.clock().now())
        };
        assert_eq!(sleep(fast).await, (seconds(110), seconds(5)));
        assert_eq!(sleep(slow).await.1, seconds(25));
    }

    #[tokio::test]
    async fn a_paused_host_does_nothing_while_time_goes_on() {
        let cloud = SimCloud::empty(1);
        let (paused, other) = (cloud.host("paused"), cloud.host("other"));
        paused.pause_at(2, Moment::Acted, seconds(600));
        let calls = |host: SimCloud| async move {
            host.run(async {
                for _ in 0..3 {
                    host.outbound("ledger get").await.replied().await;
                    host.clock().sleep(seconds(1)).await;
                }
                host.clock().now()
            })
            .await
            .unwrap()
        };
        let (slept, worked) = join(calls(paused.clone()), calls(other)).await;
        assert!(worked < seconds(4), "{worked:?}");
        assert!(slept >= seconds(600) && slept < seconds(610), "{slept:?}");
        assert_eq!(paused.calls(), 3);
    }
}
