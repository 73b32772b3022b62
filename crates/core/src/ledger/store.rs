//! What a ledger needs of the place it is kept in.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;

/// What became of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// Nothing was there; the bytes are there now.
    Created,
    /// Something is there already and stays as it is. It may be these very bytes, when the store repeated the call.
    Exists,
}

/// Immutable objects by key. Dyn-safe; any call may happen twice; none retries or sleeps.
///
/// Errors say by [`crate::Error::retry_class`] whether they are final: [`crate::Retry::Never`] means that nothing was
/// written and repeating is of no use; anything else leaves the outcome of a put open.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Writes an object where none is.
    ///
    /// # Behavior
    /// - Of any number of calls for one key, from any machine, one at most makes the object.
    /// - Readers see the whole object or none; once this returns they see it, also after a power cut.
    /// - A store that cannot keep the condition fails with [`crate::Code::LedgerUnconditional`].
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put>;

    /// The object under this key; `None` when there is none.
    async fn get(&self, key: &str) -> Result<Option<Bytes>>;

    /// The smallest of the keys that start with `prefix` and are keys of entries by
    /// [`is_entry_key`](super::is_entry_key), which is the newest entry; `None` when there is none. One call, however
    /// many entries there are.
    async fn newest(&self, prefix: &str) -> Result<Option<String>>;

    /// Whether calls do work that a virtual clock does not know of, such as files and sockets. A virtual clock stands
    /// still while such a call is under way.
    fn is_real(&self) -> bool;
}
