//! What is to be made of a state of the ledger: with everything that it knows, under the names that objects have.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::converge::{Engine, Setup};
use crate::Result;
use crate::graph::{Blueprint, Expanded, Move};
use crate::ledger::{Former, State};
use crate::plan::{Mode, SpecNow};
use crate::secret::Secret;

/// What is wanted, and the ledger's word on it, once what was renamed is moved.
pub(super) struct Scene {
    pub(super) state: Arc<State>,
    pub(super) moves: Vec<Move>,
    /// What is wanted, when it is not what is declared under the names that are declared.
    pub(super) expanded: Option<Expanded>,
    /// The specs of what is wanted, when they are not those that are declared.
    pub(super) specs: Option<BTreeMap<String, SpecNow>>,
}

impl Engine {
    /// The same engine, which also knows these native types: what the ledger holds need not be declared any more.
    pub(super) fn knowing<'t>(&self, types: impl Iterator<Item = &'t str>) -> Self {
        let unknown: Vec<&str> = types.filter(|name| self.setup.catalog.get(name).is_err()).collect();
        if unknown.is_empty() {
            return self.clone();
        }
        let catalog = self.setup.catalog.clone().with_generic(unknown);
        let expanded = Expanded { catalog: catalog.clone(), ..self.setup.expanded.clone() };
        let setup = Setup { catalog, expanded, ..(*self.setup).clone() };
        Self { setup: Arc::new(setup), ..self.clone() }
    }

    /// What is to be made of a state: what was renamed moves first, and what has another name in the cloud keeps it.
    pub(super) fn scene(&self, state: Arc<State>, mode: Mode) -> Result<Scene> {
        let scene = |state, moves, expanded| Ok(Scene { state, moves, expanded, specs: None });
        let Some(blueprint) = self.blueprint.as_deref().filter(|_| mode == Mode::Converge) else {
            return scene(state, Vec::new(), None);
        };
        let moves = blueprint.pending(&state)?;
        let state = if moves.is_empty() { state } else { Arc::new(state.after(&moves)?) };
        let expanded = self.under(&state.former)?;
        scene(state, moves, expanded)
    }

    /// What is wanted, under these names; `None` when they are the declared ones.
    pub(super) fn under(&self, former: &Former) -> Result<Option<Expanded>> {
        let blueprint = self.blueprint.as_deref().filter(|_| !former.is_empty());
        let expanded = blueprint.map(|blueprint| blueprint.expand_under(former, self.graph())).transpose()?;
        Ok(expanded.map(|expanded| Expanded { catalog: self.setup.catalog.clone(), ..expanded }))
    }

    /// The names that renamed declarations may have had.
    pub(super) fn former_names(&self) -> Former {
        self.blueprint.as_deref().map(Blueprint::former).unwrap_or_default()
    }

    /// The secrets that the caller gave.
    pub(super) fn secrets(&self) -> BTreeMap<String, Secret> {
        self.blueprint.as_deref().map(|blueprint| blueprint.secrets().clone()).unwrap_or_default()
    }
}
