//! The one loop that mutates: intent before, outcome after, every choice taken from the plan.
//!
//! # Expected flow
//! An operation waits for those before it, its intent is written, the limiter lets it through, the cloud is called, the
//! operation is polled on its usual duration, its outcome is written, and those after it start. Records that are ready at
//! the same time share an entry of the ledger.
//!
//! # Guarantees
//! - Nothing is called without its intent in the ledger, and nothing is called that the plan does not hold.
//! - A failure stops only what stands on it.
//! - An unclear answer is looked into before the call is repeated.
//! - Dropping the future at any await leaves a ledger that the next run continues from.
//!
//! # Assumptions
//! The drivers keep the laws of [`crate::driver::Driver`].

mod answer;
mod attempts;
mod call;
mod cancel;
mod converge;
mod end;
mod history;
mod lease;
mod limits;
mod look;
mod preflight;
mod rebuild;
mod report;
mod residue;
mod retry;
mod run;
mod scene;
mod start;

pub use cancel::{Cancel, Urgency};
pub use converge::{Applied, Engine, Options, Setup};
pub use limits::{Limit, LimitKey, Limits};
pub use rebuild::Rebuilt;
pub use report::{Problem, Report};
pub use residue::{Lead, Remnant, Residue};
