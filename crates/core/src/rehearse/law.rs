//! What must hold in each branch.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::world::{Content, World, address};
use crate::ledger::State;
use crate::scope::AllOutputs;

/// A law that a rehearsal checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Law {
    /// When a process dies, the ledger leads to every object that it made.
    NoOrphan,
    /// No address has two objects, neither when a process dies nor at the end.
    AtMostOne,
    /// A new process gets to the end.
    Resumes,
    /// The end is the one of a run that nothing disturbed: the same objects, ids, properties and outputs.
    SameEnd,
    /// At the end the ledger and the cloud know the same objects, and nothing is open.
    LedgerIsTrue,
    /// The runs after that change nothing.
    RunAfterChangesNothing,
    /// A destroy leaves nothing, in the cloud and in the ledger.
    DestroyLeavesNothing,
}

impl Law {
    /// The law as a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoOrphan => "at a death the ledger leads to every object",
            Self::AtMostOne => "no address has two objects",
            Self::Resumes => "a new process gets to the end",
            Self::SameEnd => "the end is that of an undisturbed run",
            Self::LedgerIsTrue => "the ledger and the cloud know the same objects",
            Self::RunAfterChangesNothing => "the runs after that change nothing",
            Self::DestroyLeavesNothing => "a destroy leaves nothing",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// How an undisturbed run ends.
#[derive(Debug)]
pub(super) struct End {
    pub(super) content: Content,
    pub(super) outputs: AllOutputs,
    pub(super) took: Duration,
}

/// Objects that no entry of the ledger leads to.
pub(super) fn orphans(world: &World, state: &State) -> Vec<String> {
    let known: BTreeSet<_> = state.all().map(|(slot, _)| slot.address.to_string()).collect();
    world.content().into_keys().filter(|address| !known.contains(address)).collect()
}

/// Addresses with more than one object.
pub(super) fn doubles(world: &World) -> Vec<String> {
    let several = world.content().into_iter().filter(|(_, all)| all.len() > 1);
    several.map(|(address, all)| format!("{address}: {}", ids(&all).join(", "))).collect()
}

/// How two contents differ, a line for each address.
pub(super) fn differences(found: &Content, wanted: &Content) -> Vec<String> {
    let addresses: BTreeSet<_> = found.keys().chain(wanted.keys()).collect();
    let differing = addresses.into_iter().filter(|address| found.get(*address) != wanted.get(*address));
    differing
        .map(|address| match (found.get(address), wanted.get(address)) {
            (None, _) => format!("{address} is missing"),
            (_, None) => format!("{address} is too much"),
            (Some(one), Some(two)) if ids(one) == ids(two) => format!("{address} has other properties"),
            (Some(one), Some(two)) => {
                format!("{address} is {} instead of {}", ids(one).join(", "), ids(two).join(", "))
            }
        })
        .collect()
}

/// What the ledger has open, and what it and the cloud do not both know.
pub(super) fn discrepancies(world: &World, state: &State) -> Vec<String> {
    let mut found: Vec<_> = state.intents.keys().map(|slot| format!("{slot} is open")).collect();
    found.extend(state.deposed.keys().map(|slot| format!("{slot} was replaced and is still there")));
    let known: BTreeSet<_> =
        state.resources.iter().map(|(address, held)| (address.to_string(), held.id.clone())).collect();
    let real: BTreeSet<_> = world.cloud.objects().iter().map(|object| (address(object), object.id.clone())).collect();
    found.extend(known.difference(&real).map(|(address, id)| format!("{address} is in the ledger alone: {id}")));
    found.extend(real.difference(&known).map(|(address, id)| format!("{address} is in the cloud alone: {id}")));
    found
}

fn ids(all: &[(String, String, crate::resource::Properties)]) -> Vec<&str> {
    all.iter().map(|(_, id, _)| id.as_str()).collect()
}
