//! The graph of native resources: what stands on what, in which order, with which hash.

mod blueprint;
mod expand;

pub use blueprint::{Blueprint, Move};
pub use expand::{Expanded, expand};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sha2::{Digest, Sha256};

use crate::resource::{Address, Resource};
use crate::{Code, Error, Result};

/// Native resources by address. Every dependency is in it and there is no circle.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    resources: BTreeMap<Address, Resource>,
    /// The hash of what is wanted, where this is another way of making it.
    known_as: Option<String>,
}

impl Graph {
    /// A graph of these resources.
    ///
    /// # Errors
    /// [`Code::UnknownReference`] for each dependency that is not among them, [`Code::Cycle`] with the circle.
    pub fn new(resources: BTreeMap<Address, Resource>) -> Result<Self> {
        let mut problems = crate::Problems::default();
        for (address, resource) in &resources {
            for dependency in resource.dependencies() {
                if !resources.contains_key(&dependency) {
                    problems.push(
                        Error::new(Code::UnknownReference, format!("a reference leads to nothing: {dependency}"))
                            .at(address),
                    );
                }
            }
        }
        problems.finish()?;
        let graph = Self { resources, known_as: None };
        graph.order()?;
        Ok(graph)
    }

    /// The same graph, which goes by another one's hash.
    pub(crate) fn known_as(mut self, hash: String) -> Self {
        self.known_as = Some(hash);
        self
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

    /// All addresses so that each comes after what it depends on; among equals by address.
    ///
    /// # Errors
    /// [`Code::Cycle`], naming the circle.
    pub fn order(&self) -> Result<Vec<Address>> {
        order(&self.resources.iter().map(|(address, resource)| (address.clone(), resource.dependencies())).collect())
    }

    /// A hash of everything that is wanted: 64 hexadecimal digits. Where things were declared does not enter it.
    #[must_use]
    pub fn hash(&self) -> String {
        if let Some(hash) = &self.known_as {
            return hash.clone();
        }
        let mut hasher = Sha256::new();
        for resource in self.resources.values() {
            let Resource { address, type_name, properties, depends_on, cluster, protected, origin: _ } = resource;
            let line = serde_json::json!([address, type_name, properties, depends_on, cluster, protected]);
            hasher.update(line.to_string().as_bytes());
            hasher.update(b"\n");
        }
        hex(&hasher.finalize())
    }
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Addresses so that each comes after what it depends on (Kahn's algorithm, among equals by address). Dependencies
/// outside the map are passed over.
///
/// # Errors
/// [`Code::Cycle`], naming the circle.
pub fn order(dependencies: &BTreeMap<Address, BTreeSet<Address>>) -> Result<Vec<Address>> {
    let mut waiting: BTreeMap<&Address, usize> = BTreeMap::new();
    let mut dependants: BTreeMap<&Address, Vec<&Address>> = BTreeMap::new();
    for (address, needs) in dependencies {
        let known = needs.iter().filter(|need| dependencies.contains_key(*need));
        waiting.insert(address, known.clone().count());
        known.for_each(|need| dependants.entry(need).or_default().push(address));
    }
    let mut ready: VecDeque<&Address> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(address, _)| *address).collect();
    let mut ordered = Vec::with_capacity(dependencies.len());
    while let Some(address) = ready.pop_front() {
        ordered.push(address.clone());
        for dependant in dependants.get(address).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(dependant) {
                *count -= 1;
                if *count == 0 {
                    ready.push_back(dependant);
                }
            }
        }
    }
    if ordered.len() == dependencies.len() {
        return Ok(ordered);
    }
    Err(cycle(dependencies, &ordered))
}

fn cycle(dependencies: &BTreeMap<Address, BTreeSet<Address>>, ordered: &[Address]) -> Error {
    let done: BTreeSet<&Address> = ordered.iter().collect();
    let next = |address: &Address| {
        dependencies
            .get(address)
            .into_iter()
            .flatten()
            .find(|need| dependencies.contains_key(*need) && !done.contains(need))
    };
    let Some(start) = dependencies.keys().find(|address| !done.contains(address)) else {
        return Error::internal("a circle without members");
    };
    let mut path = vec![start];
    while let Some(following) = path.last().and_then(|last| next(last)) {
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
