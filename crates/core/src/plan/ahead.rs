//! What a plan is about to make, for a check before its first change.

use std::collections::{BTreeMap, BTreeSet};

use super::Plan;
use crate::driver::Ahead;
use crate::resource::Verb;

impl Plan {
    /// Everything that it creates, and how many more objects of each type than now there may be at one moment: what is
    /// replaced may stand beside its replacement, and only a delete that a create waits for makes room for it.
    #[must_use]
    pub fn ahead(&self) -> Ahead {
        let of = |verb| self.operations.iter().enumerate().filter(move |(_, operation)| operation.verb == verb);
        let creates = of(Verb::Create)
            .map(|(_, one)| (one.slot.address.clone(), one.type_name.clone(), one.properties.clone()))
            .collect();
        let mut created: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, operation) in of(Verb::Create) {
            created.entry(&operation.type_name).or_default().push(index);
        }
        let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); self.operations.len()];
        for (index, operation) in self.operations.iter().enumerate() {
            for before in &operation.after {
                if let Some(list) = waiting.get_mut(*before) {
                    list.push(index);
                }
            }
        }
        // How many deletes of its own type each create waits for.
        let mut freed: BTreeMap<usize, usize> = BTreeMap::new();
        for (index, delete) in of(Verb::Delete).filter(|(_, delete)| created.contains_key(&*delete.type_name)) {
            let (mut seen, mut next) = (BTreeSet::new(), vec![index]);
            while let Some(at) = next.pop() {
                next.extend(waiting[at].iter().copied().filter(|later| seen.insert(*later)));
            }
            for later in seen.into_iter().filter(|later| {
                let operation = &self.operations[*later];
                operation.verb == Verb::Create && operation.type_name == delete.type_name
            }) {
                *freed.entry(later).or_default() += 1;
            }
        }
        let peak = |creates: &Vec<usize>| {
            let after = |create: &usize| creates.len().saturating_sub(freed.get(create).copied().unwrap_or_default());
            creates.iter().map(after).max().unwrap_or_default()
        };
        let peaks = created.iter().map(|(name, creates)| ((*name).to_owned(), peak(creates))).collect();
        Ahead { creates, peaks }
    }
}
