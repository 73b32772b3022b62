//! What may stand at an address.

use std::collections::BTreeSet;

use crate::driver::{Health, Observed};
use crate::ledger::{Intent, Slot};
use crate::resource::{Address, Claim, Properties};

/// One object that exists, as far as is known.
#[derive(Clone, Debug)]
pub(super) struct Object<'a> {
    pub(super) slot: Slot,
    pub(super) type_name: &'a str,
    pub(super) id: &'a str,
    pub(super) claim: Option<&'a Claim>,
    /// What it was last given; of one that was found, what it says itself.
    pub(super) properties: &'a Properties,
    pub(super) outputs: &'a Properties,
    pub(super) dependencies: &'a BTreeSet<Address>,
    pub(super) cluster: Option<&'a Address>,
    pub(super) protected: bool,
    pub(super) observed: Option<&'a Observed>,
    pub(super) standing: Standing<'a>,
    /// Whether it was made once too often: another object bears the same marks, and nothing refers to this one.
    pub(super) twin: bool,
}

impl Object<'_> {
    /// Whether the cloud says that it is on its way out.
    pub(super) fn is_leaving(&self) -> bool {
        self.observed.is_some_and(|observed| observed.health == Health::Deleting)
    }

    /// Whether it was begun by an interrupted run and came to nothing.
    pub(super) fn is_stillborn(&self) -> bool {
        matches!(self.standing, Standing::Made)
            && self.observed.is_some_and(|observed| matches!(observed.health, Health::Failed(_)))
    }
}

/// How an object came to be known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing<'a> {
    /// The ledger holds it.
    Held,
    /// The ledger holds it, and an update of it was interrupted.
    Updating(&'a Intent),
    /// A delete of it was interrupted.
    Deleting,
    /// It was made by an interrupted run.
    Made,
    /// It bears our marks, and the ledger does not know it.
    Found,
    /// It was replaced and not deleted yet.
    Deposed,
}

/// An object that the ledger leads to and the cloud does not have.
#[derive(Clone, Debug)]
pub(super) struct Missing<'a> {
    pub(super) slot: Slot,
    pub(super) type_name: &'a str,
    pub(super) id: Option<&'a str>,
    pub(super) claim: &'a Claim,
    pub(super) cluster: Option<&'a Address>,
    /// What was thought of it.
    pub(super) standing: Standing<'a>,
}

/// Everything at one address.
#[derive(Clone, Debug, Default)]
pub(super) struct Site<'a> {
    /// The object that the ledger holds.
    pub(super) held: Option<Object<'a>>,
    /// An object that is not in the ledger and may be taken in.
    pub(super) made: Option<Object<'a>>,
    /// An interrupted create that made nothing.
    pub(super) open: Option<&'a Intent>,
    /// Objects that are in the way.
    pub(super) extra: Vec<Object<'a>>,
    /// What is gone.
    pub(super) gone: Vec<Missing<'a>>,
    /// The first generation that nothing here uses.
    pub(super) unused: u32,
}
