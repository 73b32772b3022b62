//! The plan: every change in order, each with its reasons, hashed. It leaves apply no choice.
//!
//! The way of a plan: [`observations_needed`] says what must be looked at, [`look`] looks with a reader that cannot
//! write, [`plan`] compares what is wanted with what is recorded and seen. Only `look` is asynchronous; `plan` is pure.
//!
//! Inside, `survey` puts the ledger's and the cloud's word on each address together, `decide` chooses a fate for each
//! address in the order of dependencies, `build` writes steps and operations, `order` says what waits for what.

mod ahead;
mod alike;
mod attributes;
mod build;
mod consent;
mod decide;
mod diff;
mod edges;
mod given;
mod json;
mod judge;
mod known;
mod look;
mod operations;
mod order;
mod reason;
mod restore;
mod reverse;
mod risk;
mod site;
mod survey;
mod text;
mod undo;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod tests;

pub use build::{Input, Mode, plan};
pub use diff::unlike;
pub(crate) use given::{as_given, named_in};
pub use look::{Seen, look, look_with_census, observations_needed};
pub use reason::{SpecNow, specs_of};
pub use restore::Restore;
pub(crate) use restore::{as_named_now, restore};
pub use reverse::Reverse;
pub use text::Style;
pub use undo::Undo;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::driver::Target;
use crate::error::Position;
use crate::graph::Move;
use crate::ledger::{Consent, Head, Slot};
use crate::resource::{Address, Claim, Properties, StackId, Value, Verb};

/// Every change that makes the world as it is wanted, in order and with reasons.
///
/// Applying consumes it. Its hash does not depend on the order of keys or on where things were declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Plan {
    /// The version of this structure, for readers of its JSON.
    pub format: u32,
    /// The stack.
    pub stack: StackId,
    /// Where it is applied.
    pub target: Target,
    /// The ledger entry it was made from. If the ledger moved since, apply refuses.
    pub base: Head,
    /// The hash of the graph that is wanted; of nothing, for a plan that destroys.
    pub graph: String,
    /// Declarations whose objects go by other addresses before anything else happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// The changes, most dangerous first.
    pub steps: Vec<Step>,
    /// The calls that make the changes, each after those it waits for.
    pub operations: Vec<Operation>,
    /// How many resources stay as they are.
    pub unchanged: usize,
    /// Where the cloud differs from what was last applied.
    pub drift: Vec<Drift>,
    /// Agreements to lose protected objects, given for this plan.
    pub consents: Vec<Consent>,
    /// For each address that the ledger knew, a digest of what it knew: says what moved when the plan is stale.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub base_resources: BTreeMap<Address, String>,
    /// How long the apply usually takes.
    #[serde(default)]
    pub usual: Span,
    /// What is recorded once it is applied, for a plan to an earlier entry of the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<Box<Restore>>,
}

/// The version of [`Plan`] that this version of Landfall writes.
pub const FORMAT: u32 = 1;

/// A range of durations, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Near the fastest seen.
    pub low: u64,
    /// The median.
    pub typical: u64,
    /// Near the slowest seen.
    pub high: u64,
}

/// One change of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The resource.
    pub address: Address,
    /// Its native type.
    pub type_name: String,
    /// What happens.
    pub change: Change,
    /// The cloud's id of the object that is changed, replaced, deleted, adopted or forgotten.
    pub id: Option<String>,
    /// Property by property, what differs.
    pub attributes: Vec<Attribute>,
    /// Why, from the nearest cause to the first.
    pub reasons: Vec<Reason>,
    /// How dangerous it is.
    pub risk: Risk,
    /// Whether it needs consent before it can be applied; true also when consent was given.
    pub needs_consent: bool,
    /// Whether it can be taken back.
    #[serde(default)]
    pub undo: Undo,
    /// How long what it serves is usually away; `None` when it is there all the time, or deleted for good.
    #[serde(default)]
    pub outage: Option<Span>,
    /// Where the resource was declared. Not part of the hash.
    pub origin: Option<Position>,
}

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is replaced: the new object first, then the old one goes.
    ReplaceCreateFirst,
    /// It is replaced: the old object goes first.
    ReplaceDeleteFirst,
    /// It is deleted.
    Delete,
    /// It goes by another address; where its marks name the address, they are changed in place.
    Move,
    /// An existing object that bears our marks is taken into the ledger.
    Adopt,
    /// It is dropped from the ledger and stays in the cloud, or is gone from the cloud already.
    Forget,
    /// Its protection is switched; nothing in the cloud changes.
    Protection,
    /// The ledger catches up with the cloud, which is as wanted already; nothing in the cloud changes.
    Settle,
}

/// How dangerous a change is; the first is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Risk {
    /// Data is lost.
    DataLoss,
    /// Service is interrupted.
    Downtime,
    /// Access is widened or narrowed.
    Security,
    /// Money is spent or saved.
    Money,
    /// None of these.
    None,
}

/// One property that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// Dotted path into the properties, such as `spec.replicas`.
    pub path: String,
    /// What it is; `None` when it is not set.
    pub before: Option<Value>,
    /// What it shall be; `None` when it shall not be set. References that are not known yet stay references.
    pub after: Option<Value>,
    /// Whether it is known only after the apply.
    pub unknown: bool,
    /// Whether it forces a replacement.
    pub replaces: bool,
    /// Whether its values are secret: they are never shown.
    pub secret: bool,
}

/// One link of the chain that leads to a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It was declared and does not exist.
    Declared(Option<Position>),
    /// It is no longer declared.
    Removed,
    /// A field of its declaration changed.
    Field {
        /// `kind/name` of the declaration.
        declaration: String,
        /// Dotted path of the field.
        field: String,
        /// What it was, as JSON text.
        before: String,
        /// What it is, as JSON text.
        after: String,
        /// Where it stands now.
        position: Option<Position>,
    },
    /// A property of it forces a replacement.
    Forces(String),
    /// Something it stands on changes.
    Dependency(Address),
    /// The cloud differs from what was last applied, at this path.
    Drift(String),
    /// The object is gone from the cloud.
    Gone,
    /// An earlier run was interrupted while it made this change.
    Interrupted,
    /// An earlier run replaced the object and did not get to deleting it.
    Deposed,
    /// The same declaration expands differently: the caller gave another secret, or another version of Landfall expands it.
    Expansion,
    /// The whole stack is destroyed.
    Destroy,
    /// It exists, bears our marks, and is not in the ledger.
    Unrecorded,
    /// It takes back another change.
    Back,
    /// Its declaration was renamed; it had this address.
    Moved(Address),
}

/// One call, and what it waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Which object.
    pub slot: Slot,
    /// What is called. `Read` stands for operations that only write the ledger: then `books` says what is written.
    pub verb: Verb,
    /// What is written when nothing is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub books: Option<Books>,
    /// The step it belongs to: an index into [`Plan::steps`].
    pub step: usize,
    /// Indices of the operations it waits for.
    pub after: Vec<usize>,
    /// The native type.
    pub type_name: String,
    /// The properties it shall have, references unresolved; empty for deletes.
    pub properties: Properties,
    /// Property paths that differ, for updates.
    pub changed: Vec<String>,
    /// Property paths whose values are secret: whoever shows the properties masks them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The cloud's id, where the object exists.
    pub id: Option<String>,
    /// How the object is found without its id; for creates it is made when the references are resolved.
    pub claim: Option<Claim>,
    /// Direct dependencies, for the ledger.
    pub dependencies: BTreeSet<Address>,
    /// The cluster whose API it lives in.
    pub cluster: Option<Address>,
    /// Whether it is protected from now on.
    pub protected: bool,
}

/// What an operation writes into the ledger without changing anything in the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Books {
    /// The object of this id is ours from now on: intent and outcome, with the outputs that a look at it gives.
    Adopt,
    /// The object that is held is as wanted: intent and outcome, with the outputs that a look at it gives.
    Settle,
    /// The object is gone from the cloud, or never came to be: a deletion.
    Gone,
    /// Protection is as [`Operation::protected`] says.
    Protection,
}

/// Where the cloud differs from what was last applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The resource.
    pub address: Address,
    /// Dotted path of the property; empty when the whole object is gone.
    pub path: String,
    /// What was applied.
    pub expected: Option<Value>,
    /// What the cloud says.
    pub found: Option<Value>,
}

/// Changes counted, for headlines.
pub type Counts = BTreeMap<Change, usize>;
