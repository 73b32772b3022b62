//! Cancellation as a value: asked once, start nothing new; asked twice, return at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Asks a running apply to stop. Cheap to clone; one value serves any number of applies.
///
/// ```
/// use landfall_core::apply::{Cancel, Urgency};
///
/// let cancel = Cancel::new();
/// assert_eq!(cancel.asked(), None);
/// cancel.ask();
/// assert_eq!(cancel.asked(), Some(Urgency::StartNothing));
/// cancel.ask();
/// assert_eq!(cancel.asked(), Some(Urgency::ReturnNow));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Mutex<Inner>>);

/// How urgent a cancellation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Start nothing new, wait for the answers to calls that were sent, write them down, give the lease back.
    StartNothing,
    /// Return at once. Every call in flight has its intent in the ledger, so the next run finds out what became of it.
    ReturnNow,
}

#[derive(Debug, Default)]
struct Inner {
    asked: Option<Urgency>,
    wakers: Vec<Waker>,
}

impl Cancel {
    /// A cancellation nobody has asked for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop; asking again makes it urgent.
    pub fn ask(&self) {
        let mut inner = self.lock();
        inner.asked = Some(if inner.asked.is_none() { Urgency::StartNothing } else { Urgency::ReturnNow });
        inner.wakers.drain(..).for_each(Waker::wake);
    }

    /// Whether somebody asked, and how urgently.
    #[must_use]
    pub fn asked(&self) -> Option<Urgency> {
        self.lock().asked
    }

    /// Waits until it is asked for more urgently than `known`.
    pub(crate) fn poll_beyond(&self, known: Option<Urgency>, waker: &Waker) -> Poll<Urgency> {
        let mut inner = self.lock();
        match inner.asked {
            Some(asked) if Some(asked) > known => Poll::Ready(asked),
            _ => {
                if !inner.wakers.iter().any(|known| known.will_wake(waker)) {
                    inner.wakers.push(waker.clone());
                }
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
