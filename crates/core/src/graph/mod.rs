//! The graph of native resources: what stands on what, in which order, with which hash.

mod blueprint;
mod expand;

pub use blueprint::{Blueprint, Move, Reach};
pub use expand::{Expanded, expand};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::resource::{Address, Resource};
use crate::{Code, Error, Result};

/// Native resources by address. Every dependency is in it and there is no circle.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    resources: BTreeMap<Address, Resource>,
    /// Each address after what it depends on.
    order: Vec<(Address, BTreeSet<Address>)>,
    /// Once it was asked for.
    hash: OnceLock<String>,
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        // The rest follows from them.
        self.resources == other.resources
    }
}

impl Graph {
    /// A graph of these resources.
    ///
    /// # Errors
    /// [`Code::UnknownReference`] for each dependency that is not among them, [`Code::Cycle`] with the circle.
    pub fn new(resources: BTreeMap<Address, Resource>) -> Result<Self> {
        let mut problems = crate::Problems::default();
        let mut all = Vec::with_capacity(resources.len());
        for (address, resource) in &resources {
            let dependencies = resource.dependencies();
            for dependency in dependencies.iter().filter(|dependency| !resources.contains_key(*dependency)) {
                problems.push(
                    Error::new(Code::UnknownReference, format!("a reference leads to nothing: {dependency}"))
                        .at(address),
                );
            }
            all.push((address.clone(), dependencies));
        }
        problems.finish()?;
        Ok(Self { resources, order: ordered(all)?, hash: OnceLock::new() })
    }

    /// The same graph, which goes by another one's hash.
    pub(crate) fn known_as(self, hash: String) -> Self {
        Self { hash: OnceLock::from(hash), ..self }
    }

    /// The resource at an address.
    #[must_use]
    pub fn get(&self, address: &Address) -> Option<&Resource> {
        self.resources.get(address)
    }

    /// All resources, by address.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Resource> {
        self.resources.values()
    }

    /// How many resources there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// All resources with what each depends on, so that each comes after that; among equals by address.
    pub fn order(&self) -> impl Iterator<Item = (&Resource, &BTreeSet<Address>)> {
        self.order.iter().filter_map(|(address, dependencies)| Some((self.resources.get(address)?, dependencies)))
    }

    /// A hash of everything that is wanted: 64 hexadecimal digits. Where things were declared does not enter it.
    #[must_use]
    pub fn hash(&self) -> String {
        let hash = || {
            let mut hashing = Hashing::default();
            for resource in self.resources.values() {
                let Resource { address, type_name, properties, depends_on, cluster, protected, origin: _ } = resource;
                hashing.add(&(address, type_name, properties, depends_on, cluster, protected));
            }
            hashing.finish()
        };
        self.hash.get_or_init(hash).clone()
    }
}

/// A hash of JSON texts, one a line.
#[derive(Default)]
pub(crate) struct Hashing {
    hasher: Sha256,
    line: Line,
}

/// Room for one line. The hash likes long pieces, and a writer of JSON writes short ones.
#[derive(Default)]
pub(crate) struct Line(Vec<u8>);

impl Line {
    pub(crate) fn of(&mut self, part: &impl serde::Serialize) -> &[u8] {
        self.0.clear();
        // The JSON forms of what is hashed cannot fail, and a list of bytes takes all.
        let _ = serde_json::to_writer(&mut self.0, part);
        self.0.push(b'\n');
        &self.0
    }
}

impl Hashing {
    pub(crate) fn add(&mut self, part: &impl serde::Serialize) {
        self.hasher.update(self.line.of(part));
    }

    /// The hash, 64 hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        hex(&self.hasher.finalize())
    }
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What stands on what, so that each comes after what it depends on (Kahn's algorithm). It comes by address, and among
/// equals it stays so.
///
/// # Errors
/// [`Code::Cycle`], naming the circle.
fn ordered(all: Vec<(Address, BTreeSet<Address>)>) -> Result<Vec<(Address, BTreeSet<Address>)>> {
    let place = |address: &Address| all.binary_search_by(|(other, _)| other.cmp(address)).ok();
    let mut waiting = vec![0_usize; all.len()];
    let mut dependants: Vec<Vec<usize>> = vec![Vec::new(); all.len()];
    for (index, (_, needs)) in all.iter().enumerate() {
        for need in needs.iter().filter_map(place) {
            waiting[index] += 1;
            dependants[need].push(index);
        }
    }
    let mut order: Vec<usize> = (0..all.len()).filter(|index| waiting[*index] == 0).collect();
    let mut next = 0;
    while let Some(index) = order.get(next) {
        next += 1;
        for dependant in std::mem::take(&mut dependants[*index]) {
            waiting[dependant] -= 1;
            if waiting[dependant] == 0 {
                order.push(dependant);
            }
        }
    }
    if order.len() < all.len() {
        return Err(cycle(&all, &waiting));
    }
    let mut all: Vec<Option<_>> = all.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|index| all[index].take()).collect())
}

/// The circle among those that wait for ever.
fn cycle(all: &[(Address, BTreeSet<Address>)], waiting: &[usize]) -> Error {
    let stuck: BTreeMap<&Address, &BTreeSet<Address>> = all
        .iter()
        .zip(waiting)
        .filter(|(_, waits)| **waits > 0)
        .map(|((address, needs), _)| (address, needs))
        .collect();
    let mut path: Vec<&Address> = stuck.keys().take(1).copied().collect();
    while let Some(following) =
        path.last().and_then(|last| stuck.get(last)?.iter().find(|need| stuck.contains_key(need)))
    {
        if let Some(first) = path.iter().position(|seen| *seen == following) {
            let circle: Vec<_> = path[first..].iter().map(|address| address.as_str()).collect();
            return Error::new(
                Code::Cycle,
                format!("declarations depend on each other in a circle: {} → {following}", circle.join(" → ")),
            )
            .at(following)
            .hint("remove one of these dependencies");
        }
        path.push(following);
    }
    Error::internal("a circle that ends")
}
