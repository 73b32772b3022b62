//! What was declared, ready to be expanded again under the names that its objects were made with.
//!
//! Names in a cloud are made from the names of declarations and cannot change. So a declaration that was renamed is
//! expanded under its first name, which the ledger remembers, and only the addresses are changed afterwards.

use std::collections::{BTreeMap, BTreeSet};

use super::{Expanded, Graph, expand};
use crate::cloud::Clouds;
use crate::kind::{DependencyKind, Kind, Ref, ServiceSpec};
use crate::ledger::{Former, State};
use crate::resource::{Address, Catalog, Marks, Reference, Resource, StackId, TagStyle, Value};
use crate::scope::AllOutputs;
use crate::secret::Secret;
use crate::stack::{Declarations, Stack};
use crate::{Code, Error, Problems, Result};

/// A declaration's objects go by another address from now on, and stay what they are in the cloud.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Move {
    /// `kind/name` that it had.
    pub from: String,
    /// `kind/name` that it has.
    pub to: String,
}

/// A stack and all that is needed to expand it.
#[derive(Clone, Debug)]
pub struct Blueprint {
    stack: Stack,
    clouds: Clouds,
    protected: BTreeMap<String, Reach>,
    moves: BTreeMap<String, String>,
}

/// How far the protection of a declaration reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// To what it expands into.
    Itself,
    /// To that, and to all that this stands on.
    Beneath,
}

impl Blueprint {
    /// A blueprint of this stack. `protected` are declarations (`kind/name`) whose parts need consent to go,
    /// `moves` are renamed declarations.
    ///
    /// # Errors
    /// All problems of the moves at once: [`Code::InvalidName`], [`Code::InvalidValue`], [`Code::NameTaken`],
    /// [`Code::UnknownReference`], [`Code::Cycle`].
    pub fn new(stack: Stack, clouds: Clouds, protected: BTreeMap<String, Reach>, moves: &[Move]) -> Result<Self> {
        let moves = checked(&stack, moves)?;
        Ok(Self { stack, clouds, protected, moves })
    }

    /// Expands it under the names that it declares.
    ///
    /// # Errors
    /// What the expansions find wrong; [`Code::UnknownReference`] when something is protected that is not declared.
    pub fn expand(&self) -> Result<Expanded> {
        self.finish(expand(&self.stack, &self.clouds)?, &[])
    }

    /// Expands it for objects of which some were made under other names. The graph goes by the hash that `wanted` has:
    /// what is wanted is the same.
    ///
    /// A declaration that has a former name of another one, which is not declared, is that one: an older release, which
    /// knows nothing of the move, keeps its objects.
    ///
    /// # Errors
    /// As [`Blueprint::expand`]; [`Code::NameTaken`] when a name that objects still have in the cloud is declared again.
    pub fn expand_under(&self, former: &Former, wanted: &Graph) -> Result<Expanded> {
        let aliases = aliases(former, &declared(&self.stack));
        let stack = under(&self.stack, &aliases)?;
        let Expanded { graph, outputs, catalog } = expand(&stack, &self.clouds)?;
        let now = |address: &Address| now(&aliases, address);
        // What others live in is found by its marks, so these stay for as long as it is there.
        let hosts: BTreeSet<&Address> = graph.iter().filter_map(|resource| resource.cluster.as_ref()).collect();
        let mut resources = BTreeMap::new();
        for resource in graph.iter() {
            let stays = hosts.contains(&resource.address);
            let resource = readdressed(resource, &self.stack.id, &catalog, &now, stays)?;
            resources.insert(resource.address.clone(), resource);
        }
        let outputs = outputs_now(&outputs, &aliases, &now)?;
        let Expanded { graph, outputs, catalog } =
            self.finish(Expanded { graph: Graph::new(resources)?, outputs, catalog }, &aliases)?;
        Ok(Expanded { graph: graph.known_as(wanted.hash()), outputs, catalog })
    }

    /// The secrets that the stack was given.
    #[must_use]
    pub fn secrets(&self) -> &BTreeMap<String, Secret> {
        &self.stack.secrets
    }

    /// The moves that the ledger has not seen yet: those whose source still holds something. A move whose source is gone
    /// was made, or never had anything to move.
    ///
    /// # Errors
    /// [`Code::NameTaken`] when something stands where an object would move to.
    pub fn pending(&self, state: &State) -> Result<Vec<Move>> {
        let mut problems = Problems::default();
        let mut pending: Vec<Move> = Vec::new();
        for from in self.moves.keys().filter(|from| state.holds(from)) {
            let to = self.end_of(from);
            if state.holds(to) || pending.iter().any(|one| one.to == to) {
                let message = format!("{from} cannot move to where other objects are: {to}");
                let hint = "delete one of the two first, or keep both declarations and take the move out";
                problems.push(Error::new(Code::NameTaken, message).hint(hint));
            } else {
                pending.push(Move { from: from.clone(), to: to.to_owned() });
            }
        }
        problems.finish()?;
        Ok(pending)
    }

    /// For each declaration that was renamed, the names it may have had, the first one first.
    pub(crate) fn former(&self) -> Former {
        let targets: BTreeSet<&String> = self.moves.values().collect();
        let mut former = Former::new();
        for first in self.moves.keys().filter(|from| !targets.contains(from)) {
            let mut names = vec![first.clone()];
            while let Some(next) = names.last().and_then(|last| self.moves.get(last)) {
                names.push(next.clone());
            }
            former.extend(names.pop().map(|end| (end, names)));
        }
        former
    }

    fn end_of<'a>(&'a self, from: &'a str) -> &'a str {
        let mut end = from;
        while let Some(next) = self.moves.get(end) {
            end = next;
        }
        end
    }

    fn finish(&self, mut expanded: Expanded, aliases: &[Alias]) -> Result<Expanded> {
        if self.protected.is_empty() {
            return Ok(expanded);
        }
        let mut problems = Problems::default();
        let mut reached: BTreeSet<&Address> = BTreeSet::new();
        for (declaration, reach) in &self.protected {
            let now = aliases.iter().find(|alias| alias.declared == *declaration).map(|alias| &alias.now);
            let now = now.unwrap_or(declaration);
            let of = |resource: &&Resource| resource.address.declaration() == now;
            let own: Vec<&Address> = expanded.graph.iter().filter(of).map(|resource| &resource.address).collect();
            if own.is_empty() {
                problems.push(
                    Error::new(Code::UnknownReference, format!("nothing of this name is declared: {declaration}"))
                        .hint("name the declaration as kind/name, such as cluster/main"),
                );
            }
            match reach {
                Reach::Itself => reached.extend(own),
                Reach::Beneath => reached.extend(beneath(&expanded.graph, own)),
            }
        }
        let mut resources: BTreeMap<_, _> =
            expanded.graph.iter().map(|resource| (resource.address.clone(), resource.clone())).collect();
        for address in reached {
            if let Some(resource) = resources.get_mut(address) {
                resource.protected = true;
            }
        }
        problems.finish()?;
        expanded.graph = Graph::new(resources)?;
        Ok(expanded)
    }
}

/// These resources and all that they stand on.
fn beneath<'a>(graph: &'a Graph, mut open: Vec<&'a Address>) -> BTreeSet<&'a Address> {
    let mut all = BTreeSet::new();
    while let Some(address) = open.pop() {
        if all.insert(address)
            && let Some(resource) = graph.get(address)
        {
            let on = resource.dependencies();
            open.extend(on.iter().filter_map(|address| graph.get(address)).map(|resource| &resource.address));
        }
    }
    all
}

/// Moves by their source, with those that follow from them.
fn checked(stack: &Stack, moves: &[Move]) -> Result<BTreeMap<String, String>> {
    let declared = declared(stack);
    let mut problems = Problems::default();
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    let mut targets = BTreeSet::new();
    for Move { from, to } in moves {
        let (Some((kind, name)), Some((other, new))) = (from.split_once('/'), to.split_once('/')) else {
            let message = format!("a move names declarations as kind/name: {from} to {to}");
            problems.push(Error::new(Code::InvalidName, message).hint("write it as cluster/main"));
            continue;
        };
        let valid = Address::new("cloud", kind, name, "part").and_then(|_| Address::new("cloud", other, new, "part"));
        if problems.take(valid.map_err(|error| error.hint("write it as cluster/main"))).is_none() {
            continue;
        }
        if kind != other {
            let message = format!("a {kind} cannot become a {other}: {from} to {to}");
            problems.push(Error::new(Code::InvalidValue, message).hint("move to a declaration of the same kind"));
        } else if declared.contains(from) {
            let message = format!("what moves away is still declared: {from}");
            problems.push(
                Error::new(Code::NameTaken, message)
                    .hint("rename the declaration, or take the move out when both shall be there"),
            );
        } else if !targets.insert(to.clone()) || all.get(from).is_some_and(|known| known != to) {
            let message = format!("two moves have the same source or the same target: {from} to {to}");
            problems.push(Error::new(Code::NameTaken, message).hint("leave one of them"));
        } else {
            all.insert(from.clone(), to.clone());
        }
    }
    for (from, to) in &all {
        let mut seen = BTreeSet::from([from]);
        let mut last = to;
        while let Some(next) = all.get(last) {
            if !seen.insert(last) {
                let message = format!("moves lead in a circle: {from} to {to}");
                problems
                    .push(Error::new(Code::Cycle, message).hint("leave the last move alone: it is the one to make"));
                return problems.finish().map(|()| all);
            }
            last = next;
        }
        if !declared.contains(last) {
            let message = format!("the target of a move is not declared: {last}");
            problems.push(
                Error::new(Code::UnknownReference, message)
                    .hint("declare it, or take the move out when it shall be deleted"),
            );
        }
    }
    problems.finish()?;
    // What the cloud grants a service is an expansion of its own.
    let service = format!("{}/", ServiceSpec::NAME);
    let access: Vec<_> = all
        .iter()
        .filter_map(|(from, to)| Some((from.strip_prefix(&service)?, to.strip_prefix(&service)?)))
        .map(|(from, to)| (format!("access/{from}"), format!("access/{to}")))
        .collect();
    all.extend(access);
    Ok(all)
}

/// Every declaration as `kind/name`.
fn declared(stack: &Stack) -> BTreeSet<String> {
    fn names<K: Kind>(all: &Declarations<K>) -> impl Iterator<Item = String> {
        all.keys().map(|name| format!("{}/{name}", K::NAME))
    }
    let Stack { networks, clusters, node_pools, databases, caches, buckets, meshes, services, natives, .. } = stack;
    names(networks)
        .chain(names(clusters))
        .chain(names(node_pools))
        .chain(names(databases))
        .chain(names(caches))
        .chain(names(buckets))
        .chain(names(meshes))
        .chain(names(services))
        .chain(services.keys().map(|name| format!("access/{name}")))
        .chain(natives.keys().map(|name| format!("native/{name}")))
        .collect()
}

/// One thing with several names, each `kind/name`.
#[derive(Debug)]
struct Alias {
    /// What it is declared as.
    declared: String,
    /// What its objects were made as.
    first: String,
    /// What the ledger knows it as.
    now: String,
}

fn aliases(former: &Former, declared: &BTreeSet<String>) -> Vec<Alias> {
    let alias = |(now, names): (&String, &Vec<String>)| {
        let first = names.first()?;
        let known = std::iter::once(now).chain(names.iter().rev()).find(|name| declared.contains(*name))?;
        Some(Alias { declared: known.clone(), first: first.clone(), now: now.clone() })
    };
    former.iter().filter_map(alias).collect()
}

/// The stack with each renamed declaration under its first name.
fn under(stack: &Stack, aliases: &[Alias]) -> Result<Stack> {
    struct Names<'a>(&'a [Alias]);
    impl Names<'_> {
        fn first<'n>(&'n self, kind: &str, name: &'n str) -> &'n str {
            let declared = format!("{kind}/{name}");
            let alias = self.0.iter().find(|alias| alias.declared == declared);
            alias.and_then(|alias| alias.first.split_once('/')).map_or(name, |(_, first)| first)
        }

        fn declarations<S>(&self, kind: &str, all: &mut Declarations<S>, problems: &mut Problems) {
            for (name, declared) in std::mem::take(all) {
                let first = self.first(kind, &name);
                if all.contains_key(first) {
                    let message = format!("objects of another declaration still have this name: {kind}/{first}");
                    let mut error = Error::new(Code::NameTaken, message)
                        .hint("choose a name that no declaration had before it was renamed");
                    if let Some(origin) = declared.origin.clone() {
                        error = error.position(origin);
                    }
                    problems.push(error);
                    continue;
                }
                all.insert(first.to_owned(), declared);
            }
        }

        fn reference<K: Kind>(&self, of: &mut Ref<K>) {
            let first = self.first(K::NAME, of.name());
            if first != of.name() {
                *of = Ref::named(first);
            }
        }
    }
    let (names, mut problems) = (Names(aliases), Problems::default());
    let mut all = stack.clone();
    all.clusters.values_mut().for_each(|one| names.reference(&mut one.spec.network));
    all.node_pools.values_mut().for_each(|one| names.reference(&mut one.spec.cluster));
    all.databases.values_mut().for_each(|one| names.reference(&mut one.spec.network));
    all.caches.values_mut().for_each(|one| names.reference(&mut one.spec.network));
    all.meshes.values_mut().for_each(|one| names.reference(&mut one.spec.cluster));
    for service in all.services.values_mut() {
        names.reference(&mut service.spec.cluster);
        for dependency in &mut service.spec.dependencies {
            let kind = match dependency.kind {
                DependencyKind::Database => "database",
                DependencyKind::Cache => "cache",
                DependencyKind::Storage => "bucket",
                DependencyKind::Service => "service",
                DependencyKind::Queue => continue,
            };
            let target = stack.target_of(dependency).map(|target| (names.first(kind, target).to_owned(), target));
            if let Some((first, target)) = target
                && first != target
            {
                // What a dependency is called is a name of its own, unless it is that of what it means.
                if dependency.name == target {
                    dependency.name.clone_from(&first);
                }
                dependency.target = Some(first);
            }
        }
    }
    let Stack { networks, clusters, node_pools, databases, caches, buckets, meshes, services, natives, .. } = &mut all;
    names.declarations("network", networks, &mut problems);
    names.declarations("cluster", clusters, &mut problems);
    names.declarations("node-pool", node_pools, &mut problems);
    names.declarations("database", databases, &mut problems);
    names.declarations("cache", caches, &mut problems);
    names.declarations("bucket", buckets, &mut problems);
    names.declarations("mesh", meshes, &mut problems);
    names.declarations("service", services, &mut problems);
    names.declarations("native", natives, &mut problems);
    problems.finish()?;
    Ok(all)
}

/// The address as it is now, of an address under first names.
fn now(aliases: &[Alias], address: &Address) -> Option<Address> {
    let alias = aliases.iter().find(|alias| alias.first == address.declaration())?;
    address.with_declaration(&alias.now)
}

type Now<'a> = &'a dyn Fn(&Address) -> Option<Address>;

fn readdressed(
    resource: &Resource,
    stack: &StackId,
    catalog: &Catalog,
    now: Now<'_>,
    marks_stay: bool,
) -> Result<Resource> {
    let renamed = |address: &Address| now(address).unwrap_or_else(|| address.clone());
    let mut resource = resource.clone();
    let references = |value: &Value| match value {
        Value::Reference(Reference { target, attribute }) => {
            now(target).map(|target| Value::Reference(Reference { target, attribute: attribute.clone() }))
        }
        _ => None,
    };
    resource.properties =
        resource.properties.iter().map(|(name, value)| (name.clone(), value.resolve(&references))).collect();
    resource.depends_on = resource.depends_on.iter().map(renamed).collect();
    resource.cluster = resource.cluster.as_ref().map(renamed);
    if let Some(address) = now(&resource.address) {
        let of = catalog.get(&resource.type_name)?;
        if !marks_stay && marks_move(of) {
            Marks::new(stack, &address, 0).write(of, &BTreeMap::new(), &mut resource.properties);
        }
        resource.address = address;
    }
    Ok(resource)
}

/// Whether the address in an object's marks can be changed by itself. What is a part of the object's content, or would
/// replace it, keeps saying where the object was made.
fn marks_move(of: &crate::resource::ResourceType) -> bool {
    match of.tags {
        TagStyle::None | TagStyle::Specifications(_) => false,
        TagStyle::List(property) | TagStyle::Map(property) => !of.replaces_on(property),
        TagStyle::Kubernetes => !of.replaces_on("metadata.annotations"),
    }
}

fn outputs_now(outputs: &AllOutputs, aliases: &[Alias], now: Now<'_>) -> Result<AllOutputs> {
    fn texts(json: &mut serde_json::Value, now: Now<'_>) {
        match json {
            serde_json::Value::String(text) => {
                let (address, attribute) = text.split_once('#').map_or((&**text, None), |(one, two)| (one, Some(two)));
                if let Some(address) = address.parse().ok().and_then(|address| now(&address)) {
                    *text = attribute.map_or_else(|| address.to_string(), |attribute| format!("{address}#{attribute}"));
                }
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(|value| texts(value, now)),
            serde_json::Value::Object(map) => map.values_mut().for_each(|value| texts(value, now)),
            _ => {}
        }
    }
    let internal = |error: serde_json::Error| Error::internal("outputs do not survive JSON").because(error);
    let mut json = serde_json::to_value(outputs).map_err(internal)?;
    texts(&mut json, now);
    let mut all: AllOutputs = serde_json::from_value(json).map_err(internal)?;
    let name = |kind: &str, name: &str| {
        let declaration = format!("{kind}/{name}");
        let alias = aliases.iter().find(|alias| alias.first == declaration);
        alias
            .and_then(|alias| alias.declared.split_once('/'))
            .map_or_else(|| name.to_owned(), |(_, now)| now.to_owned())
    };
    macro_rules! keys {
        ($($field:ident: $kind:literal;)*) => {
            $(all.$field = std::mem::take(&mut all.$field)
                .into_iter()
                .map(|(key, value)| (name($kind, &key), value))
                .collect();)*
        };
    }
    keys! {
        networks: "network";
        clusters: "cluster";
        node_pools: "node-pool";
        databases: "database";
        caches: "cache";
        buckets: "bucket";
        meshes: "mesh";
        services: "service";
        access: "access";
    }
    all.clusters.values_mut().for_each(|one| one.network = Ref::named(&name("network", one.network.name())));
    all.meshes.values_mut().for_each(|one| one.cluster = Ref::named(&name("cluster", one.cluster.name())));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::ResourceType;

    #[test]
    fn marks_that_are_content_stay() {
        let list = ResourceType { tags: TagStyle::List("Tags"), ..ResourceType::DEFAULT };
        let content = ResourceType { tags: TagStyle::Specifications("launch-template"), ..ResourceType::DEFAULT };
        let fixed = ResourceType { replaces: &["Tags"], ..list.clone() };
        assert!(marks_move(&list));
        assert!(!marks_move(&content) && !marks_move(&fixed));
    }
}
