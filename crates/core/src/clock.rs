//! Time as the engine sees it: monotonic, and replaceable by the simulator's.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

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

    /// The future registered under this number waits for nothing but this clock. A virtual clock may now jump to the
    /// next moment at which somebody wakes; it says whether it did.
    fn idle(&self, _participant: u64) -> bool {
        false
    }

    /// The future registered under this number can make progress.
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
