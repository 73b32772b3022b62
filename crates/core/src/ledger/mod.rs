//! The append-only record of what was intended, done, failed, leased and consented; the state is its fold.
//!
//! A ledger is a row of numbered entries, each put where nothing was before. That entry N+1 can exist once is the
//! commit, the compare-and-swap, the fence, the history and the audit log; nothing else in the store counts.
//!
//! # Expected flow
//! [`Ledger::peek`] reads the newest entry: when it says that everything is as wanted, two reads were all.
//! Else [`Ledger::acquire`] takes the lease, or hands back a [`Watch`] on whoever has it. The [`Session`] it gives
//! writes: [`Session::commit`], or [`Session::prepare`] and [`Session::settle`] to gather records while a write is
//! under way, and [`Session::release`] at the end.
//!
//! # Guarantees
//! - A holder whose lease was taken commits nothing more, whatever its clock says.
//! - A write whose answer was lost is found out by reading the entry back.
//! - Content that is missing, damaged, another stack's or newer is a typed error; nothing is guessed.
//! - What is written per change does not grow with the stack: checkpoints are paid for by the entries before them.
//!
//! # Assumptions
//! The store keeps put-if-absent (it is tried before the first write), shows a written entry to every read after it,
//! and lists keys in order or completely. Holder names are unique among live processes.
//!
//! # Caveats
//! The fence reaches the ledger, not the cloud: a call that is on the wire when the lease is lost still acts. So look at
//! [`Session::remaining`] before each mutation. An older copy of a whole ledger put back is a valid ledger; that what it
//! lacks exists is found out by a census.

#[cfg(feature = "azure-blob")]
pub mod azure_blob;
#[cfg(feature = "cloud-storage")]
pub mod cloud_storage;
mod codec;
#[cfg(feature = "encryption")]
mod encrypted;
mod folder;
mod handle;
mod history;
mod key;
mod lease;
mod load;
mod moved;
mod object_store;
mod publish;
mod record;
#[cfg(any(feature = "azure-blob", feature = "cloud-storage", feature = "s3"))]
mod remote;
#[cfg(feature = "s3")]
pub mod s3;
mod session;
mod state;
mod store;
#[cfg(test)]
mod testing;
mod watch;

#[cfg(feature = "encryption")]
pub use encrypted::EncryptionKey;
pub use handle::Ledger;
pub use history::Past;
pub use key::is_entry_key;
pub use lease::{AcquireOptions, Acquired};
pub use load::{Loaded, Peek};
pub use record::{Consent, Entry, FORMAT, Intent, Record, Slot};
pub use session::{Pending, Session, Written};
pub use state::{Converged, Failure, Former, Head, Held, Lease, Recheck, State, same_stack};
pub use store::{Put, Store};
pub use watch::{Watch, Watched};
