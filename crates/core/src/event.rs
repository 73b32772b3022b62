//! What happens, as it happens: one versioned stream from which every view is drawn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use serde::Serialize;

use crate::plan::{Change, Counts};
use crate::resource::{Address, Verb};

/// The version of the event format. Readers of the JSON form pass over fields and kinds they do not know.
pub const VERSION: u32 = 1;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// The version of the format.
    pub version: u32,
    /// Counts from 1 in each stream.
    pub sequence: u64,
    /// Milliseconds on the platform's clock.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// Another holder has the lease; this platform waits for its outputs.
    WaitingForLease {
        /// Who has it.
        holder: String,
        /// Since when this platform has watched it stand still, in milliseconds.
        still: u64,
    },
    /// The lease is ours.
    LeaseTaken {
        /// The epoch it was taken for.
        epoch: u64,
    },
    /// Calls of an interrupted run are being looked into.
    Resolving {
        /// How many.
        open: usize,
    },
    /// A plan was made.
    Planned {
        /// How many changes of each sort.
        changes: Vec<(Change, usize)>,
        /// How many resources stay as they are.
        unchanged: usize,
        /// How long the apply usually takes, in milliseconds.
        usually: u64,
    },
    /// A call to the cloud begins.
    Started {
        /// The resource.
        address: Address,
        /// Its native type.
        type_name: String,
        /// What is done.
        verb: Verb,
        /// How long it usually takes, in milliseconds: low, typical, high.
        usually: (u64, u64, u64),
    },
    /// The cloud works on it.
    Waiting {
        /// The resource.
        address: Address,
        /// What is done.
        verb: Verb,
        /// The cloud's own word for the phase.
        phase: String,
        /// The cloud's last message, empty when it said none.
        message: String,
        /// Milliseconds since the call began.
        since: u64,
        /// How long it usually takes, in milliseconds: low, typical, high.
        usually: (u64, u64, u64),
        /// Milliseconds until the next look.
        next_look: u64,
    },
    /// A call failed in a way that allows repeating it.
    Retrying {
        /// The resource.
        address: Address,
        /// What is done.
        verb: Verb,
        /// What the cloud said.
        error: String,
        /// Milliseconds until the next try.
        after: u64,
    },
    /// A change is done and recorded.
    Finished {
        /// The resource.
        address: Address,
        /// What was done.
        verb: Verb,
        /// Milliseconds it took.
        took: u64,
    },
    /// A change failed.
    Failed {
        /// The resource.
        address: Address,
        /// What was tried.
        verb: Verb,
        /// The whole error as text.
        error: String,
    },
    /// A change was not tried because something it stands on failed.
    Skipped {
        /// The resource.
        address: Address,
        /// What failed.
        because: Address,
    },
    /// The caller asked to stop: nothing new is started.
    Cancelling {
        /// How many calls are in flight.
        in_flight: usize,
    },
    /// Earlier attempts, of this process or of others, came to nothing: the next one waits.
    BackingOff {
        /// How often the lease was taken since something last got done.
        attempts: u32,
        /// Milliseconds until the next attempt.
        wait: u64,
    },
    /// A newer generation of the configuration was deployed: nothing is changed back.
    Superseded {
        /// The generation of this process.
        generation: u64,
        /// The one that was deployed.
        deployed: u64,
    },
    /// Nothing is left to do.
    Converged {
        /// How many resources there are.
        resources: usize,
        /// Mutating calls that were made.
        mutations: u64,
    },
}

/// Sends events to whoever listens. Cheap to clone; sending without listeners costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Events(Arc<Mutex<Vec<Arc<Mutex<Queue>>>>>);

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    sequence: u64,
    dropped: u64,
    waker: Option<Waker>,
    closed: bool,
    abandoned: bool,
}

/// How many events a listener may lag behind before the oldest are dropped.
const CAPACITY: usize = 65_536;

impl Events {
    /// A stream of everything that happens from now on.
    #[must_use]
    pub fn listen(&self) -> Listener {
        let queue = Arc::new(Mutex::new(Queue::default()));
        lock(&self.0).push(queue.clone());
        Listener(queue)
    }

    /// Tells every listener.
    pub fn send(&self, at: Duration, kind: &EventKind) {
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        lock(&self.0).retain(|queue| {
            let mut queue = lock(queue);
            if queue.abandoned {
                return false;
            }
            if queue.events.len() == CAPACITY {
                queue.events.pop_front();
                queue.dropped += 1;
            }
            queue.sequence += 1;
            let sequence = queue.sequence;
            queue.events.push_back(Event { version: VERSION, sequence, at, kind: kind.clone() });
            if let Some(waker) = queue.waker.take() {
                waker.wake();
            }
            true
        });
    }

    /// Ends every stream: listeners get what is queued, then `None`.
    pub fn close(&self) {
        for queue in lock(&self.0).drain(..) {
            let mut queue = lock(&queue);
            queue.closed = true;
            if let Some(waker) = queue.waker.take() {
                waker.wake();
            }
        }
    }
}

/// A stream of events. Dropping it ends it.
#[derive(Debug)]
pub struct Listener(Arc<Mutex<Queue>>);

impl Listener {
    /// The next event; `None` after the platform closed the stream. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| {
            let mut queue = lock(&self.0);
            if let Some(event) = queue.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            if queue.closed {
                return Poll::Ready(None);
            }
            queue.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// An event that is there already, without waiting.
    #[must_use]
    pub fn take(&mut self) -> Option<Event> {
        lock(&self.0).events.pop_front()
    }

    /// How many events were dropped because this listener lagged too far behind.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        lock(&self.0).dropped
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        lock(&self.0).abandoned = true;
    }
}

/// Counts as a list, for events.
#[must_use]
pub fn counted(counts: &Counts) -> Vec<(Change, usize)> {
    counts.iter().map(|(change, count)| (*change, *count)).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A listener that panicked leaves a queue that is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
