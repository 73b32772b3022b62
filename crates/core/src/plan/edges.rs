//! What each operation waits for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::decide::{Decision, Fate};
use super::operations::Assembly;
use super::order::Strength;
use crate::Result;
use crate::resource::{Address, Catalog, IdentityClass, Properties, ResourceType, Value};

impl<'d> Assembly<'d> {
    /// What waits for what.
    pub(super) fn edges(&mut self, wanted: &'d [Decision<'d>], catalog: &Catalog) -> Result<()> {
        let mut dependants: HashMap<&Address, Vec<usize>> = HashMap::new();
        let mut at: HashMap<&Address, Vec<usize>> = HashMap::new();
        for (index, deletion) in self.deletions.iter().enumerate() {
            at.entry(&deletion.object.slot.address).or_default().push(index);
            let stands_on: BTreeSet<&Address> =
                deletion.object.dependencies.iter().chain(deletion.object.cluster).collect();
            for address in stands_on {
                dependants.entry(address).or_default().push(index);
            }
        }
        // An object goes after those that stand on it.
        for deletion in &self.deletions {
            for dependant in dependants.get(&deletion.object.slot.address).into_iter().flatten() {
                let dependant = &self.deletions[*dependant];
                if dependant.delete != deletion.delete {
                    self.raw.edge(dependant.delete, deletion.first, Strength::Firm);
                }
            }
        }
        for decision in wanted {
            let address = &decision.resource.address;
            let Some(&(first, last)) = self.makes.get(address) else { continue };
            for on in decision.dependencies {
                if let Some((_, before)) = self.makes.get(on) {
                    self.raw.edge(*before, first, Strength::Hard);
                }
            }
            // What was replaced goes after those who used it have turned to its successor.
            let used = decision.object.as_ref().map(|object| object.dependencies).into_iter().flatten();
            let used: BTreeSet<&Address> = used.chain(decision.dependencies).chain([address]).collect();
            for on in used.into_iter().filter(|_| decision.fate != Fate::Settle) {
                let follows = on == address || decision.dependencies.contains(on);
                for deletion in at.get(on).into_iter().flatten().map(|index| &self.deletions[*index]) {
                    if !(deletion.before_create && follows) {
                        self.raw.edge(last, deletion.first, Strength::Soft);
                    }
                }
            }
            // A cluster's name leads to the new one from then on, so what is in the old one goes before.
            if decision.fate == (Fate::Replace { create_first: true }) {
                for dependant in dependants.get(address).into_iter().flatten() {
                    let dependant = &self.deletions[*dependant];
                    if dependant.object.cluster == Some(address) {
                        self.raw.edge(dependant.delete, first, Strength::Firm);
                    }
                }
            }
        }
        self.same_names(wanted, catalog)
    }

    /// What takes a name, or a tuple, waits for the object that still has it.
    fn same_names(&mut self, wanted: &'d [Decision<'d>], catalog: &Catalog) -> Result<()> {
        let mut taken: BTreeMap<(&str, String), Vec<usize>> = BTreeMap::new();
        for (index, deletion) in self.deletions.iter().enumerate() {
            let of = catalog.get(deletion.object.type_name)?;
            if let Some(key) = claim_key(of, deletion.object.properties) {
                taken.entry((deletion.object.type_name, key)).or_default().push(index);
            }
        }
        let types: BTreeSet<&str> = taken.keys().map(|(of, _)| *of).collect();
        let makes = |fate: Fate| matches!(fate, Fate::Create | Fate::Replace { .. });
        for decision in wanted.iter().filter(|one| makes(one.fate) && types.contains(&*one.of.name)) {
            let Some(key) = claim_key(decision.of, &self.known.resolve(&decision.properties)) else { continue };
            let Some(&(first, _)) = self.makes.get(&decision.resource.address) else { continue };
            for index in taken.get(&(&*decision.of.name, key)).into_iter().flatten() {
                self.raw.edge(self.deletions[*index].delete, first, Strength::Firm);
            }
        }
        Ok(())
    }
}

/// Name or tuple, when it is known already.
fn claim_key(of: &ResourceType, properties: &Properties) -> Option<String> {
    let (IdentityClass::Named(paths) | IdentityClass::Tuple(paths)) = of.identity else { return None };
    let whole = |path: &str| -> Option<Value> {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        properties.get(first)?.at(rest).filter(|value| value.is_known()).cloned()
    };
    let values: Option<Vec<Value>> = paths.iter().map(|path| whole(path)).collect();
    Some(Value::List(values?).to_json().to_string())
}
