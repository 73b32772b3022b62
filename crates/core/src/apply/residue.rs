//! What is left in a cloud, read from the cloud alone.

use std::fmt;

use serde::Serialize;

use super::converge::Engine;
use crate::driver::Health;
use crate::ledger::{Slot, State};
use crate::resource::Address;
use crate::{Code, Error, Result};

/// Everything in the cloud that bears the stack's marks.
///
/// What exists is read from the cloud. The ledger says only whether it leads there, so that a ledger that cannot be read
/// hides nothing. Types that cannot bear marks are not in it: they live and die with what they stand in.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Residue {
    /// The objects, by address and generation.
    pub objects: Vec<Remnant>,
    /// Why the ledger could not be read, when it could not.
    pub ledger: Option<String>,
}

/// One object that bears the stack's marks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Remnant {
    /// The address in its marks.
    pub address: Address,
    /// The generation in its marks.
    pub generation: u32,
    /// The native type's name.
    pub type_name: String,
    /// The cloud's id.
    pub id: String,
    /// What the cloud says of its state, unless it is usable.
    pub state: Option<String>,
    /// Whether the ledger leads to it.
    pub lead: Lead,
}

/// How the ledger leads to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lead {
    /// It holds it.
    Held,
    /// It was replaced, and its delete is still to come.
    Replaced,
    /// Its create was intended and is not resolved: the next converge or destroy finds it.
    Intended,
    /// No entry leads to it: nothing will find it but a census.
    Nothing,
    /// The ledger could not be read.
    Unknown,
}

impl Engine {
    /// What bears the stack's marks, read from the cloud alone, and whether the ledger leads to it.
    ///
    /// # Errors
    /// What the cloud answers. A ledger that cannot be read is no error.
    pub async fn residue(&self) -> Result<Residue> {
        let found = self.census().await?;
        let (state, ledger) = match self.state().await {
            Ok(state) => (Some(state), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut objects: Vec<_> = found
            .into_iter()
            .map(|found| {
                let slot = Slot::new(&found.marks.address, found.marks.generation);
                Remnant {
                    lead: state.as_ref().map_or(Lead::Unknown, |state| leads(state, &slot, &found.id)),
                    address: slot.address,
                    generation: slot.generation,
                    type_name: found.type_name,
                    id: found.id,
                    state: match found.observed.health {
                        Health::Ready => None,
                        Health::Busy(phase) => Some(phase),
                        Health::Failed(reason) => Some(reason),
                        Health::Deleting => Some("deleting".to_owned()),
                    },
                }
            })
            .collect();
        objects
            .sort_by(|one, two| (&one.address, one.generation, &one.id).cmp(&(&two.address, two.generation, &two.id)));
        Ok(Residue { objects, ledger })
    }
}

impl Residue {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// What no entry of the ledger leads to.
    pub fn orphans(&self) -> impl Iterator<Item = &Remnant> {
        self.objects.iter().filter(|object| object.lead == Lead::Nothing)
    }

    /// Refuses while something is left.
    ///
    /// # Errors
    /// [`Code::Unresolved`] with what is left.
    pub fn check(&self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = self.objects.iter().map(ToString::to_string).collect();
        let hint = if self.orphans().next().is_some() {
            "look at what no entry of the ledger leads to, and delete it in the cloud; for the rest destroy again"
        } else {
            "destroy again"
        };
        Err(Error::new(Code::Unresolved, format!("still in the cloud with our marks: {}", names.join(", "))).hint(hint))
    }
}

impl fmt::Display for Residue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} objects bear the stack's marks", self.objects.len())?;
        if let Some(error) = &self.ledger {
            write!(f, "; the ledger cannot be read: {error}")?;
        }
        self.objects.iter().try_for_each(|object| write!(f, "\n  {object}"))
    }
}

impl fmt::Display for Remnant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, generation, type_name, id, state, lead } = self;
        write!(f, "{address}")?;
        if *generation > 0 {
            write!(f, "@{generation}")?;
        }
        write!(f, " {type_name} {id} (")?;
        if let Some(state) = state {
            write!(f, "{state}; ")?;
        }
        f.write_str(match lead {
            Lead::Held => "in the ledger)",
            Lead::Replaced => "replaced, to be deleted)",
            Lead::Intended => "intended, to be resolved)",
            Lead::Nothing => "no entry of the ledger leads to it)",
            Lead::Unknown => "the ledger cannot be read)",
        })
    }
}

/// How the ledger leads there, by the address in the marks or by the one it moved to.
fn leads(state: &State, slot: &Slot, id: &str) -> Lead {
    let moved = state.moved_from(&slot.address).map(|address| Slot::new(&address, slot.generation));
    let known = std::iter::once(slot).chain(&moved).map(|slot| lead(state, slot, id));
    known.min().unwrap_or(Lead::Nothing)
}

fn lead(state: &State, slot: &Slot, id: &str) -> Lead {
    if state.resources.get(&slot.address).is_some_and(|held| held.id == id) {
        Lead::Held
    } else if state.deposed.get(slot).is_some_and(|held| held.id == id) {
        Lead::Replaced
    } else if state.intents.contains_key(slot)
        && state.resources.get(&slot.address).is_none_or(|held| held.generation != slot.generation)
    {
        Lead::Intended
    } else {
        Lead::Nothing
    }
}
