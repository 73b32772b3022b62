//! From declarations, ledger and observations to a plan.

use std::collections::BTreeMap;

use super::consent::digests;
use super::decide::Decisions;
use super::known::Known;
use super::look::Seen;
use super::reason::{Causes, SpecNow};
use super::site::Site;
use super::survey::survey;
use super::{FORMAT, Plan, operations, order};
use crate::driver::Target;
use crate::graph::{Expanded, Graph, Move};
use crate::ledger::{Consent, Head, State};
use crate::resource::{Catalog, StackId, Verb};
use crate::{Code, Error, Problems, Result};

/// Whether everything declared shall be there, or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What is declared is made and kept; what is not declared any more goes.
    #[default]
    Converge,
    /// Everything goes.
    Destroy,
}

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The stack.
    pub stack: &'a StackId,
    /// Where it is applied.
    pub target: &'a Target,
    /// The newest entry of the ledger that `state` is the fold of.
    pub head: &'a Head,
    /// What is wanted.
    pub expanded: &'a Expanded,
    /// The declarations by `kind/name`. See [`super::specs_of`].
    pub specs: &'a BTreeMap<String, SpecNow>,
    /// Declarations that move with this plan.
    pub moves: &'a [Move],
    /// What the ledger says, once they are moved.
    pub state: &'a State,
    /// What the cloud says.
    pub seen: &'a Seen,
    /// Agreements that were given. Those for other plans are passed over.
    pub consents: &'a [Consent],
    /// Whether to make or to destroy.
    pub mode: Mode,
}

/// Plans. Pure: the same input gives the same plan.
///
/// - *Held and present*: compared with what was applied and with what the cloud says; updated or replaced where it
///   differs.
/// - *Held and absent*: drift; made again with the next generation.
/// - *Made by an interrupted run*: adopted when it is there, made again under the same name and token when it is not.
/// - *Bearing our marks and not in the ledger*: adopted when it is wanted, deleted when it is not.
/// - *Held and not wanted*, and what was replaced and not deleted: deleted, after everything that stands on it.
///
/// What cannot be known before the apply never blocks a plan.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use landfall_core::driver::Target;
/// use landfall_core::graph::{Expanded, Graph};
/// use landfall_core::ledger::{Head, State};
/// use landfall_core::plan::{Change, Input, Mode, Seen, Style, plan};
/// use landfall_core::properties;
/// use landfall_core::resource::{Address, Catalog, Resource, StackId};
///
/// let address = Address::new("aws", "native", "news", "resource")?;
/// let topic = Resource::new(address.clone(), "AWS::SNS::Topic", properties! { "DisplayName" => "news" });
/// let expanded = Expanded {
///     graph: Graph::new(BTreeMap::from([(address, topic)]))?,
///     outputs: Default::default(),
///     catalog: Catalog::default().with_generic(["AWS::SNS::Topic"]),
/// };
/// let target = Target {
///     cloud: "aws".to_owned(),
///     partition: "aws".to_owned(),
///     account: "123456789012".to_owned(),
///     region: "eu-west-1".to_owned(),
/// };
/// let plan = plan(&Input {
///     stack: &StackId::new("shop", "dev"),
///     target: &target,
///     head: &Head::default(),
///     expanded: &expanded,
///     specs: &BTreeMap::new(),
///     moves: &[],
///     state: &State::default(),
///     seen: &Seen::default(),
///     consents: &[],
///     mode: Mode::Converge,
/// })?;
/// assert_eq!(plan.steps[0].change, Change::Create);
/// assert!(plan.headline(Style::Plain).starts_with("shop-dev on aws 123456789012/eu-west-1: 1 change"));
/// # Ok::<(), landfall_core::Error>(())
/// ```
///
/// # Errors
/// All problems at once: [`Code::WrongTarget`] when the ledger is pinned elsewhere, [`Code::Unresolved`] for each object
/// whose presence is unknown, [`Code::ForeignResource`] for each that is not ours, [`Code::UnknownType`].
pub fn plan(input: &Input<'_>) -> Result<Plan> {
    if let Some(pinned) = input.state.target.as_ref().filter(|pinned| *pinned != input.target) {
        let message = format!("the stack is pinned to another target: {}", place(pinned));
        return Err(Error::new(Code::WrongTarget, message)
            .hint(format!("use credentials and a region for {}, or a ledger of its own", place(pinned))));
    }
    let mut problems = Problems::default();
    let catalog = &input.expanded.catalog;
    let mut sites = survey(input.state, input.seen, catalog, &mut problems);
    let mut decisions = Decisions {
        stack: input.stack,
        mode: input.mode,
        known: Known { target: input.target, outcomes: std::collections::HashMap::new() },
        causes: Causes::new(input.specs, input.state),
        moves: input.moves,
        wanted: Vec::new(),
        removals: Vec::new(),
        lost: Vec::new(),
        drift: Vec::new(),
    };
    let nothing = Graph::default();
    let graph = match input.mode {
        Mode::Converge => &input.expanded.graph,
        Mode::Destroy => &nothing,
    };
    for (resource, dependencies) in graph.order() {
        let address = &resource.address;
        let unused = || Site { unused: input.state.next_generation(address), ..Site::default() };
        let site = sites.remove(address).unwrap_or_else(unused);
        let decided = catalog
            .get(&resource.type_name)
            .map_err(|error| error.at(address))
            .and_then(|of| decisions.wanted(resource, dependencies, of, site));
        problems.take(decided);
    }
    for (address, site) in sites {
        decisions.unwanted(address, site);
    }
    problems.finish()?;

    let unchanged = decisions.wanted.iter().filter(|one| one.is_untouched()).count();
    decisions.drift.sort_by(|one, two| (&one.address, &one.path).cmp(&(&two.address, &two.path)));
    let drift = std::mem::take(&mut decisions.drift);
    let (steps, raw) = operations::assemble(&decisions, catalog)?;
    let (steps, operations) = order::order(steps, raw)?;
    let mut plan = Plan {
        format: FORMAT,
        stack: input.stack.clone(),
        target: input.target.clone(),
        base: input.head.clone(),
        graph: graph.hash(),
        moves: input.moves.to_vec(),
        steps,
        operations,
        unchanged,
        drift,
        consents: Vec::new(),
        base_resources: digests(input.state),
        usual: super::Span::default(),
        restores: None,
    };
    plan.usual = plan.usually(catalog);
    check(&plan, catalog)?;
    if !input.consents.is_empty() {
        let hash = plan.hash();
        plan.consents = input.consents.iter().filter(|consent| consent.plan == hash).cloned().collect();
    }
    Ok(plan)
}

/// A target as people write it.
pub(super) fn place(target: &Target) -> String {
    let Target { cloud, account, region, .. } = target;
    format!("{cloud} {account}/{region}")
}

/// What must hold of every plan, whatever it was made from: one operation for each call on an object, each after what it
/// waits for, none without a step, every type known.
fn check(plan: &Plan, catalog: &Catalog) -> Result<()> {
    let mut calls = std::collections::BTreeSet::new();
    for (index, operation) in plan.operations.iter().enumerate() {
        let broken =
            |what: &str| Err(Error::internal(format!("{what}: {}", operation.slot)).at(&operation.slot.address));
        catalog.get(&operation.type_name).map_err(|error| error.at(&operation.slot.address))?;
        if operation.after.iter().any(|before| *before >= index) {
            return broken("an operation comes before what it waits for");
        }
        if plan.steps.get(operation.step).is_none_or(|step| step.address != operation.slot.address) {
            return broken("an operation belongs to no step of its resource");
        }
        if !calls.insert((&operation.slot, operation.verb, operation.books.map(|books| books as u8))) {
            return broken("an object is called twice");
        }
        if (operation.verb == Verb::Read) != operation.books.is_some() {
            return broken("an operation neither calls nor records");
        }
        if matches!(operation.verb, Verb::Update | Verb::Delete) && operation.id.is_none() {
            return broken("an object without an id is changed");
        }
    }
    Ok(())
}
