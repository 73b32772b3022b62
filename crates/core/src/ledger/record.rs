//! What an entry of the ledger says.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Converged, State};
use crate::driver::Target;
use crate::error::Position;
use crate::graph::Move;
use crate::resource::{Address, Claim, Properties, StackId, Verb};
use crate::{Code, Error, Result};

/// The format of entries that this version writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// One numbered, immutable entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The format it is written in.
    pub format: u32,
    /// The stack it belongs to.
    pub stack: StackId,
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// The hash of the entry before it, as its header has it: 64 hexadecimal digits; zeros for the first.
    pub previous: String,
    /// Number of the newest entry, this one included, that holds a checkpoint; 0 when there is none.
    pub checkpoint: u64,
    /// Who wrote it.
    pub writer: String,
    /// The epoch of the lease it was written under.
    pub epoch: u64,
    /// What it says, in order.
    pub records: Vec<Record>,
}

/// One fact in an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Record {
    /// The first fact of a ledger: which target the stack is pinned to.
    Target(Target),
    /// A holder takes the lease for this epoch.
    Lease {
        /// Who.
        holder: String,
        /// Larger than every epoch before.
        epoch: u64,
        /// How many milliseconds without an entry of the holder let others take over.
        time_to_live: u64,
    },
    /// The holder is alive and has nothing else to say.
    Renew,
    /// The holder gives the lease back.
    Release,
    /// A call may have made something that no intent leads to any more: the cloud has to be counted once more.
    Recheck,
    /// A mutating call is about to be made.
    Intent(Box<Intent>),
    /// The cloud accepted the call and named the object.
    Accepted {
        /// Which.
        slot: Slot,
        /// The cloud's id.
        id: String,
    },
    /// The intended create or update is done, or an adopted object is ours from now on.
    Done {
        /// Which.
        slot: Slot,
        /// The cloud's id.
        id: String,
        /// All outputs.
        outputs: Properties,
    },
    /// The object is gone, as was intended.
    Deleted {
        /// Which.
        slot: Slot,
    },
    /// The call failed.
    Failed {
        /// Which.
        slot: Slot,
        /// What was tried.
        verb: Verb,
        /// The error's code.
        code: String,
        /// The error's message.
        message: String,
        /// Whether the object may exist: then the intent stays open.
        remains: bool,
    },
    /// The object is no longer this stack's business; it stays in the cloud.
    Forgotten {
        /// Which.
        slot: Slot,
    },
    /// Protection of a resource was switched.
    Protection {
        /// Which.
        address: Address,
        /// From now on.
        protected: bool,
    },
    /// Somebody agreed to lose something.
    Consent(Consent),
    /// The objects of a declaration go by another address from now on.
    Moved(Move),
    /// From now on this generation of the configuration is deployed.
    Generation {
        /// Its number.
        number: u64,
    },
    /// Everything is as the graph of this hash wants it.
    Converged(Box<Converged>),
    /// The fold of everything before.
    Checkpoint(Box<State>),
}

impl Record {
    /// The names of all kinds that this version knows, as they are written.
    pub(super) const KNOWN: &'static [&'static str] = &[
        "target",
        "lease",
        "renew",
        "release",
        "recheck",
        "intent",
        "accepted",
        "done",
        "deleted",
        "failed",
        "forgotten",
        "protection",
        "consent",
        "moved",
        "generation",
        "converged",
        "checkpoint",
    ];

    /// The name of its kind, as it is written.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Target(_) => "target",
            Self::Lease { .. } => "lease",
            Self::Renew => "renew",
            Self::Release => "release",
            Self::Recheck => "recheck",
            Self::Intent(_) => "intent",
            Self::Accepted { .. } => "accepted",
            Self::Done { .. } => "done",
            Self::Deleted { .. } => "deleted",
            Self::Failed { .. } => "failed",
            Self::Forgotten { .. } => "forgotten",
            Self::Protection { .. } => "protection",
            Self::Consent(_) => "consent",
            Self::Moved(_) => "moved",
            Self::Generation { .. } => "generation",
            Self::Converged(_) => "converged",
            Self::Checkpoint(_) => "checkpoint",
        }
    }
}

/// Agreement to delete or replace one protected object, in one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The resource.
    pub address: Address,
    /// The cloud's id of the object that may be lost.
    pub id: String,
    /// The hash of the plan it is given for.
    pub plan: String,
}

/// What is about to be done to one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Which object.
    pub slot: Slot,
    /// What is done.
    pub verb: Verb,
    /// The native type's name.
    pub type_name: String,
    /// How the object is found when its id is not known.
    pub claim: Claim,
    /// The cloud's id: known for updates and deletes, and for creates once accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The properties it shall have, all references resolved; empty for deletes.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
    /// Direct dependencies.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub dependencies: BTreeSet<Address>,
    /// The cluster whose API it lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Address>,
    /// Whether deleting or replacing it needs consent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// Where it was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Position>,
    /// The hash of the plan it belongs to.
    pub plan: String,
}

/// An address and how many times it was replaced: names one object. Written `address@generation`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Slot {
    /// The address.
    pub address: Address,
    /// How many times it was replaced.
    pub generation: u32,
}

impl Slot {
    /// The object of this generation at this address.
    #[must_use]
    pub fn new(address: &Address, generation: u32) -> Self {
        Self { address: address.clone(), generation }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.address, self.generation)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Slot {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let error = || Error::new(Code::InvalidName, format!("not an address with a generation: {text}"));
        let (address, generation) = text.rsplit_once('@').ok_or_else(error)?;
        Ok(Self { address: address.parse()?, generation: generation.parse().map_err(|_| error())? })
    }
}

impl TryFrom<String> for Slot {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl Serialize for Slot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
