//! Rehearsing a platform: its own plan in a simulated cloud, interrupted at every call, and judged by the laws.
//!
//! # Expected flow
//! One run that nothing disturbs says how many calls there are and what the world looks like at the end. Then, for each
//! [`Branch`], a new world is made from the same seed, one call in it goes wrong, and a fresh engine takes over. What it
//! leaves is compared with the undisturbed run.
//!
//! # Guarantees
//! - Nothing real is read or changed: not the platform's cloud, not its ledger. The rehearsal starts from an empty world,
//!   wherever the platform itself stands.
//! - The same options give the same [`Rehearsal`]. Each branch has a name that repeats it alone.
//! - Between two branches other work of the caller's runtime gets its turn.
//!
//! # Caveats
//! It proves what the simulated cloud can show: order, identity, crash safety, the ledger. It does not know whether an
//! account has the quota, or whether a cloud accepts a value.

mod branch;
mod law;
mod options;
mod report;
mod world;

pub use law::Law;
pub use options::{Branch, Mishap, Options};
pub use report::{Broken, LeftBehind, Open, Recovery, Rehearsal};

use crate::apply::Engine;
use crate::{Code, Error, Result};

use branch::run;
use world::World;

/// How many branches are shown with what they left behind.
const WORST: usize = 3;

/// Rehearses what this engine would make, in worlds of its own.
///
/// Cancel-safe; the engine's [`crate::apply::Cancel`] ends it between two branches.
///
/// # Errors
/// What stops a run that nothing disturbs, [`Code::Cancelled`], [`Code::InvalidValue`] for a branch of a call that is never
/// made. A law that breaks is no error here: it stands in the [`Rehearsal`], and [`Rehearsal::check`] turns it into one.
pub async fn rehearse(engine: &Engine, options: &Options) -> Result<Rehearsal> {
    let mut clean = World::new(engine, options.seed);
    let outputs = clean.converge("clean").await?;
    let mut rehearsal = Rehearsal::new(engine, options, &clean);
    let (branches, all) = options.branches(&clean.calls());
    if branches.is_empty() && options.only.is_some() {
        return Err(Error::new(Code::InvalidValue, format!("the run makes fewer calls: {}", clean.cloud.calls()))
            .hint("name a branch of this rehearsal, such as 1-150-acted"));
    }
    rehearsal.possible = all;
    let end = law::End { content: clean.content(), outputs, took: clean.now() };
    for branch in branches {
        if engine.setup().options.cancel.asked().is_some() {
            return Err(Error::new(Code::Cancelled, "the caller asked to stop the rehearsal")
                .hint(format!("rehearse again; so many branches ran without a finding: {}", rehearsal.branches)));
        }
        rehearsal.add(run(engine, options, branch, &end).await);
        tokio::task::yield_now().await;
    }
    rehearsal.left.truncate(WORST);
    Ok(rehearsal)
}
