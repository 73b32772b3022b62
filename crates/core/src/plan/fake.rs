//! A tiny cloud for the planner's tests: a handful of native types, and a world that does what a plan says.

use std::collections::{BTreeMap, BTreeSet};

use super::{Books, Input, Mode, Operation, Plan, Seen, SpecNow, observations_needed, plan};
use crate::driver::{Found, Health, Observation, Observed, Target, output};
use crate::graph::{Expanded, Graph};
use crate::ledger::{Converged, Head, Intent, Record, Slot, State};
use crate::resource::*;
use crate::scope::AllOutputs;
use crate::{Result, properties};

const COMMON: ResourceType = ResourceType {
    identifier: "Id",
    replaces: &["Fixed", "FixedRefs"],
    tags: TagStyle::List("Tags"),
    sets: &["Set"],
    ..ResourceType::DEFAULT
};

pub(super) fn catalog() -> Catalog {
    Catalog::new([
        ResourceType { name: "Test::Net".into(), create: Usual::seconds(1, 5, 20), ..COMMON },
        ResourceType {
            name: "Test::Role".into(),
            identity: IdentityClass::Named(&["Name"]),
            replaces: &["Fixed", "FixedRefs", "Name"],
            create_before_delete: true,
            outputs: &[Output { name: "Arn", shape: Shape::Text("arn:{name}") }],
            ..COMMON
        },
        ResourceType {
            name: "Test::Database".into(),
            identity: IdentityClass::Named(&["Name"]),
            replaces: &["Fixed", "FixedRefs", "Name", "Engine"],
            holds_data: true,
            guard: "DeletionProtection",
            secrets: &["Password"],
            write_only: &["Password"],
            downtime: &["Class"],
            billed: true,
            create: Usual::seconds(300, 600, 1200),
            ..COMMON
        },
        ResourceType {
            name: "Test::Template".into(),
            identity: IdentityClass::Named(&["Name"]),
            replaces: &["Fixed", "FixedRefs", "Name"],
            outputs: &[Output { name: "Version", shape: Shape::Integer(1) }],
            changing: &["Version"],
            ..COMMON
        },
        ResourceType {
            name: "Test::Server".into(),
            identity: IdentityClass::Token,
            create_before_delete: true,
            billed: true,
            create: Usual::seconds(10, 90, 200),
            ..COMMON
        },
        ResourceType {
            name: "Test::Rule".into(),
            identity: IdentityClass::Tuple(&["Group", "Port"]),
            replaces: &["*"],
            security: &["Cidr"],
            tags: TagStyle::None,
            ..COMMON
        },
        ResourceType {
            name: "test/Object".into(),
            api: Api::Kubernetes,
            identity: IdentityClass::Named(&["metadata.name"]),
            replaces: &["metadata.name"],
            foreign: &["spec.replicas"],
            tags: TagStyle::Kubernetes,
            ..COMMON
        },
    ])
}

pub(super) fn address(part: &str) -> Address {
    Address::new("test", "kind", "main", part).unwrap()
}

pub(super) fn reference(part: &str, attribute: &str) -> Value {
    Value::Reference(Reference { target: address(part), attribute: attribute.to_owned() })
}

/// One object of the world.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) type_name: String,
    pub(super) slot: Slot,
    pub(super) properties: Properties,
    pub(super) version: i64,
    pub(super) health: Health,
    pub(super) owner: Option<Ownership>,
}

/// Ledger and cloud of one stack, and what is declared.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) catalog: Catalog,
    pub(super) stack: StackId,
    pub(super) target: Target,
    pub(super) state: State,
    pub(super) world: BTreeMap<String, Thing>,
    pub(super) made: usize,
    pub(super) wanted: BTreeMap<Address, Resource>,
    pub(super) specs: BTreeMap<String, SpecNow>,
    pub(super) head: Head,
    /// Whether a delete of what others use is a failed test.
    pub(super) strict: bool,
    /// Whether the planner gets a census.
    pub(super) census: bool,
}

/// Where an apply is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    BeforeIntent,
    BeforeCall,
    AfterCall,
}

impl Case {
    pub(super) fn new() -> Self {
        let target = Target {
            cloud: "test".to_owned(),
            partition: "test".to_owned(),
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
        };
        Self {
            catalog: catalog(),
            stack: StackId::new("shop", "dev"),
            target: target.clone(),
            state: State { target: Some(target), ..State::default() },
            world: BTreeMap::new(),
            made: 0,
            wanted: BTreeMap::new(),
            specs: BTreeMap::new(),
            head: Head::default(),
            strict: false,
            census: false,
        }
    }

    /// Declares a resource.
    pub(super) fn want(&mut self, part: &str, type_name: &str, properties: Properties) -> &mut Resource {
        let address = address(part);
        let mut resource = Resource::new(address.clone(), type_name, properties);
        let of = self.catalog.get(type_name).unwrap();
        resource.protected = of.holds_data;
        let tags = BTreeMap::from([("Name".to_owned(), part.to_owned())]);
        Marks::new(&self.stack, &address, 0).write(of, &tags, &mut resource.properties);
        self.wanted.insert(address.clone(), resource);
        self.wanted.get_mut(&address).unwrap()
    }

    pub(super) fn drop(&mut self, part: &str) {
        self.wanted.remove(&address(part));
    }

    pub(super) fn expanded(&self) -> Expanded {
        Expanded {
            graph: Graph::new(self.wanted.clone()).unwrap(),
            outputs: AllOutputs::default(),
            catalog: self.catalog.clone(),
        }
    }

    pub(super) fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        for identity in observations_needed(&self.state).into_values().flatten() {
            let slot = Slot::new(&identity.address, identity.generation);
            let thing = match &identity.id {
                Some(id) => self.world.get_key_value(id),
                None => {
                    self.world.iter().find(|(_, thing)| thing.slot == slot && thing.type_name == identity.type_name)
                }
            };
            let observation = thing
                .map_or(Observation::Absent, |(id, thing)| Observation::Present(Box::new(self.observed(id, thing))));
            seen.by_slot.insert(slot, observation);
        }
        if self.census {
            let bears_marks = |thing: &Thing| self.catalog.get(&thing.type_name).unwrap().tags != TagStyle::None;
            seen.found = self
                .world
                .iter()
                .filter(|(_, thing)| bears_marks(thing))
                .map(|(id, thing)| Found {
                    type_name: thing.type_name.clone(),
                    id: id.clone(),
                    marks: Marks::new(&self.stack, &thing.slot.address, thing.slot.generation),
                    observed: self.observed(id, thing),
                })
                .collect();
        }
        seen
    }

    fn observed(&self, id: &str, thing: &Thing) -> Observed {
        let of = self.catalog.get(&thing.type_name).unwrap();
        let mut properties = thing.properties.clone();
        properties.retain(|name, _| !of.ignores_drift(name) || of.is_foreign(name));
        properties.insert("CloudDefault".to_owned(), 7.into());
        let owner = thing.owner.clone().unwrap_or_else(|| match of.tags {
            TagStyle::None => Ownership::Inherited,
            _ => Ownership::Ours(Marks::read(of, &properties).unwrap()),
        });
        Observed { id: id.to_owned(), properties, outputs: outputs(id, thing), owner, health: thing.health.clone() }
    }

    pub(super) fn plan(&self) -> Result<Plan> {
        self.plan_with(Mode::Converge, &self.seen())
    }

    pub(super) fn plan_with(&self, mode: Mode, seen: &Seen) -> Result<Plan> {
        plan(&Input {
            stack: &self.stack,
            target: &self.target,
            head: &self.head,
            expanded: &self.expanded(),
            specs: &self.specs,
            moves: &[],
            state: &self.state,
            seen,
            consents: &[],
            mode,
        })
    }

    /// Plans and applies, and checks that nothing is left to do.
    pub(super) fn converge(&mut self) -> Plan {
        let plan = self.plan().unwrap();
        self.apply(&plan, None);
        self.settle();
        let again = self.plan().unwrap();
        assert!(again.is_empty(), "nothing is left to do: {}", again.details(super::Style::Plain));
        plan
    }

    /// [`Case::converge`], for what only matters in the end.
    pub(super) fn arrive(&mut self) {
        let _ = self.converge();
    }

    pub(super) fn settle(&mut self) {
        let specs = self.specs.iter().map(|(name, now)| (name.clone(), now.json.clone())).collect();
        let converged = Converged {
            graph: self.expanded().graph.hash(),
            generation: 0,
            outputs: AllOutputs::default(),
            specs,
            recheck: false,
        };
        self.record(Record::Converged(Box::new(converged)));
    }

    fn record(&mut self, record: Record) {
        self.state.record(&record).unwrap();
        self.head.number += 1;
    }

    /// Does what the plan says, up to the operation where it is killed. Says whether it came to the end.
    pub(super) fn apply(&mut self, plan: &Plan, kill: Option<(usize, Kill)>) -> bool {
        let hash = plan.hash();
        for (index, operation) in plan.operations.iter().enumerate() {
            let killed = |at: Kill| kill == Some((index, at));
            if killed(Kill::BeforeIntent) {
                return false;
            }
            let slot = operation.slot.clone();
            match operation.books {
                Some(Books::Gone) => {
                    self.record(Record::Deleted { slot });
                    continue;
                }
                Some(Books::Protection) => {
                    let protected = operation.protected;
                    self.record(Record::Protection { address: slot.address, protected });
                    continue;
                }
                _ => {}
            }
            let resolved = self.resolve(operation);
            self.record(Record::Intent(Box::new(Intent {
                slot: slot.clone(),
                verb: operation.verb,
                type_name: operation.type_name.clone(),
                claim: operation.claim.clone().unwrap_or(Claim::Marks),
                id: operation.id.clone(),
                properties: resolved.clone(),
                dependencies: operation.dependencies.clone(),
                cluster: operation.cluster.clone(),
                protected: operation.protected,
                origin: None,
                plan: hash.clone(),
            })));
            if killed(Kill::BeforeCall) {
                return false;
            }
            let id = self.act(operation, resolved);
            if killed(Kill::AfterCall) {
                return false;
            }
            match operation.verb {
                Verb::Delete => self.record(Record::Deleted { slot }),
                _ => {
                    let outputs = outputs(&id, &self.world[&id]);
                    self.record(Record::Done { slot, id, outputs });
                }
            }
        }
        true
    }

    fn resolve(&self, operation: &Operation) -> Properties {
        let known = |value: &Value| match value {
            Value::Reference(reference) => {
                let held = self.state.resources.get(&reference.target)?;
                let of = self.catalog.get(&held.type_name).unwrap();
                let name = if reference.attribute.is_empty() { of.identifier } else { &reference.attribute };
                output(&held.outputs, name).cloned()
            }
            Value::Target(_) => Some("target".into()),
            _ => None,
        };
        let resolve = |(name, value): (&String, &Value)| {
            let value = value.resolve(&known);
            assert!(value.is_known(), "{} waits for all it needs: {name} is {value:?}", operation.slot);
            (name.clone(), value)
        };
        operation.properties.iter().map(resolve).collect()
    }

    /// The call itself. The id of the object.
    fn act(&mut self, operation: &Operation, properties: Properties) -> String {
        let of = self.catalog.get(&operation.type_name).unwrap().clone();
        match operation.verb {
            Verb::Read => operation.id.clone().unwrap(),
            Verb::Create => {
                if let IdentityClass::Named(paths) | IdentityClass::Tuple(paths) = of.identity {
                    let key = |properties: &Properties| -> Vec<Option<Value>> {
                        let map = Value::Map(properties.clone());
                        paths.iter().map(|path| map.at(path).cloned()).collect()
                    };
                    let taken = self.world.values().any(|thing| {
                        thing.type_name == operation.type_name && key(&thing.properties) == key(&properties)
                    });
                    assert!(!taken, "the name of {} is free by then", operation.slot);
                }
                self.made += 1;
                let id =
                    format!("{}-{}", operation.type_name.rsplit([':', '/']).next().unwrap().to_lowercase(), self.made);
                let thing = Thing {
                    type_name: operation.type_name.clone(),
                    slot: operation.slot.clone(),
                    properties,
                    version: 1,
                    health: Health::Ready,
                    owner: None,
                };
                self.world.insert(id.clone(), thing);
                id
            }
            Verb::Update => {
                let id = operation.id.clone().unwrap();
                let thing = self.world.get_mut(&id).expect("only what exists is updated");
                for (name, value) in &thing.properties {
                    assert!(
                        !of.replaces_on(name) || properties.get(name) == Some(value),
                        "{} {name} cannot change in place",
                        operation.slot
                    );
                }
                thing.properties = properties;
                thing.version += 1;
                id
            }
            Verb::Delete => {
                let id = operation.id.clone().unwrap();
                if let Some(thing) = self.world.remove(&id) {
                    assert_ne!(thing.properties.get(of.guard), Some(&true.into()), "{} is guarded", operation.slot);
                    assert_eq!(thing.type_name, operation.type_name);
                }
                let users: BTreeSet<&String> = self
                    .world
                    .iter()
                    .filter(|(_, thing)| format!("{:?}", thing.properties).contains(&format!("\"{id}\"")))
                    .map(|(id, _)| id)
                    .collect();
                assert!(!self.strict || users.is_empty(), "{} goes while {users:?} use it", operation.slot);
                id
            }
        }
    }
}

fn outputs(id: &str, thing: &Thing) -> Properties {
    let name = thing.properties.get("Name").cloned().unwrap_or_default();
    properties! {
        "Id" => id, "Version" => thing.version, "Arn" => format!("arn:{}", name.as_str().unwrap_or_default()),
    }
}
