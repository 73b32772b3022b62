//! Writing one entry, until it is known whose it is.

use std::time::Duration;

use bytes::Bytes;

use super::{Entry, Ledger, Put, codec, key};
use crate::{Code, Error, Result, Retry};

/// The first pause after a put whose outcome is not known; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(3);

/// An entry and its bytes.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) entry: Entry,
    pub(super) bytes: Bytes,
}

impl Draft {
    pub(super) fn new(entry: Entry) -> Result<Self> {
        Ok(Self { bytes: codec::encode(&entry)?, entry })
    }
}

/// Whose entry stands at the number.
#[derive(Debug)]
pub(super) enum Published {
    /// Ours. Its put began at this time, or earlier.
    Ours(Duration),
    /// Somebody else's.
    Theirs(Bytes),
}

impl Ledger {
    /// Puts an entry. An open outcome is resolved by reading the entry back and, when nothing is there, putting it again,
    /// until `deadline`; one try is made in any case. May be repeated with the same draft.
    ///
    /// # Errors
    /// [`Code::LedgerUnavailable`] when the outcome is still open at the deadline or the store refuses access.
    pub(super) async fn publish(&self, draft: &Draft, deadline: Duration) -> Result<Published> {
        let key = key::entry(&draft.entry.stack, draft.entry.number);
        let first = self.clock().now();
        let mut pause = PAUSE;
        loop {
            let started = self.clock().now();
            let mut failure = match self.put(&key, draft.bytes.clone()).await {
                Ok(Put::Created) => return Ok(Published::Ours(started)),
                // It may still be ours: an earlier try of ours, or of the store's client beneath us.
                Ok(Put::Exists) => None,
                Err(error) if error.retry_class() == Retry::Never => return Err(error),
                Err(error) => Some(error),
            };
            match self.get_once(&key).await {
                // Each session's entries name a writer of their own, so equal bytes are ours.
                Ok(Some(found)) if found == draft.bytes => return Ok(Published::Ours(first)),
                Ok(Some(found)) => return Ok(Published::Theirs(found)),
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
            if self.clock().now() + pause >= deadline {
                return Err(open(&key, failure));
            }
            self.clock().sleep(pause).await;
            pause = LONGEST.min(pause * 2);
        }
    }
}

fn open(key: &str, failure: Option<Error>) -> Error {
    let error =
        Error::new(Code::LedgerUnavailable, format!("whether an entry was written could not be found out: {key}"))
            .retry(Retry::Unknown)
            .hint("check the store and the way to it, then run again: what was begun is found out and finished");
    match failure {
        Some(failure) => error.because(failure),
        None => error,
    }
}
