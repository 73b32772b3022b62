//! Time as the engine sees it: monotonic, and replaceable by the simulator's.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::task::AtomicWaker;

/// A monotonic clock that can wait. Only implementations of this trait sleep anywhere in Landfall.
pub trait Clock: Debug + Send + Sync {
    /// Time since some fixed point of this clock.
    fn now(&self) -> Duration;

    /// Waits. Dropping the future cancels the wait.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Says that real work outside this clock's knowledge (a file, a socket) is under way until the guard is dropped.
    /// A virtual clock stands still meanwhile.
    fn hold(&self) -> Hold {
        Hold(None)
    }

    /// Registers a future whose progress depends on this clock. See [`drive`].
    fn enter(&self) -> u64 {
        0
    }

    /// The future registered under this number ended.
    fn leave(&self, _participant: u64) {}

    /// The future registered under this number waits for nothing but this clock, unless it was woken meanwhile. A
    /// virtual clock jumps to the next moment at which somebody wakes as soon as all its participants say so.
    fn idle(&self, _participant: u64, _woken: &AtomicBool) {}

    /// The future registered under this number was woken: it can make progress.
    fn busy(&self, _participant: u64) {}
}

/// Keeps a virtual clock from moving while it lives.
pub struct Hold(pub(crate) Option<Box<dyn FnOnce() + Send + Sync>>);

impl Hold {
    /// A guard that runs `release` when it is dropped.
    #[must_use]
    pub fn new(release: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(release)))
    }
}

impl Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hold")
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            release();
        }
    }
}

/// The machine's monotonic clock, waiting on the caller's Tokio runtime.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that starts at zero now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now() })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that waits")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Runs a future whose waits go by this clock, and lets a virtual clock move while the future has nothing else to do.
///
/// The future takes part from this call on, so that several may be started before the first is polled: a virtual clock
/// stands still until each of them waits for it. On any other clock this changes nothing. Work that the clock cannot
/// know of (a file, a socket, a thread) must be done under [`Clock::hold`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// use landfall_core::clock::{Clock, drive};
/// use landfall_core::sim::VirtualClock;
///
/// let clock = VirtualClock::new();
/// drive(clock.clone(), clock.sleep(Duration::from_secs(900))).await; // returns at once
/// assert_eq!(clock.now(), Duration::from_secs(900));
/// # }
/// ```
pub fn drive<F: Future>(clock: Arc<dyn Clock>, future: F) -> Drive<F> {
    let participant = clock.enter();
    let signal = Arc::new(Signal { clock, participant, woken: AtomicBool::new(false), outer: AtomicWaker::new() });
    Drive { future: Some(Box::pin(future)), waker: Waker::from(signal.clone()), signal }
}

/// A future that takes part in a clock's time. See [`drive`].
#[must_use = "a virtual clock stands still until this is awaited or dropped"]
pub struct Drive<F> {
    /// `None` once it has ended.
    future: Option<Pin<Box<F>>>,
    signal: Arc<Signal>,
    waker: Waker,
}

/// Tells the clock of each wake before the task hears of it, so that no jump comes between.
struct Signal {
    clock: Arc<dyn Clock>,
    participant: u64,
    woken: AtomicBool,
    outer: AtomicWaker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.clock.busy(self.participant);
        self.outer.wake();
    }
}

impl<F: Future> Future for Drive<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let Some(future) = &mut this.future else { return Poll::Pending };
        this.signal.outer.register(cx.waker());
        this.signal.woken.store(false, Ordering::SeqCst);
        // Whoever polls may do so without a wake, as `select` does.
        this.signal.clock.busy(this.signal.participant);
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&this.waker)) {
            this.end();
            return Poll::Ready(output);
        }
        this.signal.clock.idle(this.signal.participant, &this.signal.woken);
        Poll::Pending
    }
}

impl<F> Drive<F> {
    fn end(&mut self) {
        // What the future holds is given back before the clock may move on.
        if self.future.take().is_some() {
            self.signal.clock.leave(self.signal.participant);
        }
    }
}

impl<F> Drop for Drive<F> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<F> Debug for Drive<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drive").field("participant", &self.signal.participant).finish_non_exhaustive()
    }
}
