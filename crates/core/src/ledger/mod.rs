//! The append-only record of what was intended, done, failed, leased and consented; the state is its fold.

mod record;
mod state;

pub use record::{Consent, Entry, FORMAT, Intent, Record, Slot};
pub use state::{Converged, Failure, Head, Held, Lease, State, same_stack};
