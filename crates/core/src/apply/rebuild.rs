//! A ledger that is lost, written anew from what the cloud says. Nothing in the cloud is changed.
//!
//! # Expected flow
//! A census finds everything that bears the stack's marks. What cannot bear any (routes, attachments, databases within a
//! server) is looked for by the name or tuple that its declaration gives it. All of it is written in one entry.
//!
//! # Guarantees
//! - No mutating call is made.
//! - The whole is written or nothing.
//! - What holds data is protected, whether it is declared or not; what is not declared any more shows as a deletion in the
//!   next plan and needs the same consent as ever.
//! - What is being made or deleted is recorded as such: the next run waits for it.
//!
//! # Caveats
//! What the cloud never returns, such as passwords, is taken to be as it is declared. Generations of the configuration,
//! consents and the history are gone. What cannot bear marks and is not declared is not found: it goes with what it stands
//! in, and where the cloud refuses that, as with an alias of a key, people must delete it first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::converge::Engine;
use super::lease::Until;
use crate::driver::{Found, Health, Observation, Observed, Reader, output};
use crate::graph::{Expanded, Move};
use crate::ledger::{Former, Intent, Record, Session, Slot};
use crate::plan::{as_given, named_in};
use crate::resource::{Address, Claim, Identity, IdentityClass, Properties, Resource, TagStyle, Value, Verb};
use crate::{Code, Error, Problems, Result};

/// What a ledger that was written anew holds.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Rebuilt {
    /// Everything that is in it.
    pub taken: Vec<Address>,
    /// What the cloud is still working on; the next run waits for it.
    pub unfinished: Vec<Address>,
    /// What is not declared any more: the next plan deletes it, with consent where it holds data.
    pub undeclared: Vec<Address>,
    /// What is declared and was not found: the next plan makes it.
    pub absent: Vec<Address>,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taken, unfinished, undeclared, absent } = self;
        write!(f, "{} resources are in the ledger again", taken.len())?;
        for (all, what) in
            [(unfinished, "still being worked on"), (undeclared, "not declared any more"), (absent, "not found")]
        {
            all.iter().try_for_each(|address| write!(f, "\n  {address}: {what}"))?;
        }
        Ok(())
    }
}

/// One object that is ours.
#[derive(Debug)]
struct Ours {
    type_name: String,
    generation: u32,
    observed: Observed,
}

impl Engine {
    /// Writes a ledger anew from what the cloud says, without changing anything there.
    ///
    /// # Errors
    /// [`Code::LedgerInUse`] when the ledger says anything of resources already, [`Code::Unresolved`] when two objects bear
    /// the same marks or something cannot be seen; else what the ledger or the cloud answers.
    pub async fn rebuild(&self) -> Result<Rebuilt> {
        self.working(async {
            let Some(mut session) = self.lease(Until::Mine).await? else {
                return Err(Error::internal("no lease and no outputs"));
            };
            let result = self.rebuild_in(&mut session).await;
            self.hand_back(session, result).await
        })
        .await
    }

    async fn rebuild_in(&self, session: &mut Session) -> Result<Rebuilt> {
        self.check_target(session.state())?;
        if !session.state().is_empty() {
            let known = session.state().all().count();
            return Err(Error::new(Code::LedgerInUse, format!("the ledger holds resources already: {known}"))
                .hint("plan or converge with it; to rebuild, point the platform at an empty ledger"));
        }
        let setup = self.setup();
        // What was made last may not show yet.
        let lag = setup.catalog.iter().map(|of| of.lag).max().unwrap_or_default();
        let mut session = Some(session);
        self.rest(lag, &mut session).await?;
        let found = self.count(&mut session).await?;
        let Some(session) = session else { return Err(Error::internal("a session is gone")) };
        let engine = self.knowing(found.iter().map(|found| found.type_name.as_str()));
        let (records, rebuilt) = engine.all_of(found).await?;
        session.commit(records).await?;
        Ok(rebuilt)
    }

    /// Everything that the cloud has of the stack, as records of a ledger.
    async fn all_of(&self, found: Vec<Found>) -> Result<(Vec<Record>, Rebuilt)> {
        let setup = self.setup();
        let former = self.former_by(&found)?;
        let renamed = self.under(&former)?;
        let expanded = renamed.as_ref().unwrap_or(&setup.expanded);
        let now = |address: &Address| {
            let had = |names: &Vec<String>| names.iter().any(|name| name == address.declaration());
            let moved = former.iter().find(|(_, names)| had(names));
            moved.and_then(|(now, _)| address.with_declaration(now)).unwrap_or_else(|| address.clone())
        };
        let mut ours = by_address(found, &now)?;
        self.find_unmarked(expanded, &former, &mut ours).await?;
        let clusters = self.clusters_of_undeclared(expanded, &former, &ours).await?;

        let mut rebuilt = Rebuilt::default();
        let mut records = self.records(expanded, &ours, &clusters, &former, &mut rebuilt)?;
        records.extend(moves_by(&former).map(Record::Moved));
        rebuilt.absent = expanded
            .graph
            .iter()
            .map(|resource| &resource.address)
            .filter(|address| !ours.contains_key(*address))
            .cloned()
            .collect();
        Ok((records, rebuilt))
    }

    /// The names that renamed declarations' objects were made under: those that fit the names they have in the cloud, or
    /// else the earliest that their marks tell of.
    fn former_by(&self, found: &[Found]) -> Result<Former> {
        let marked: BTreeSet<&str> = found.iter().map(|found| found.marks.address.declaration()).collect();
        let mut former = Former::new();
        for (now, names) in self.former_names() {
            let unmarked = names.iter().take_while(|name| !marked.contains(name.as_str())).count();
            let mut best = (0, names.get(unmarked..).unwrap_or_default().to_vec());
            for start in 0..=names.len() {
                let mut tried = former.clone();
                if start < names.len() {
                    tried.insert(now.clone(), names[start..].to_vec());
                }
                let fits = self.fitting(&tried, &now, &names, found)?;
                if fits > best.0 {
                    best = (fits, names[start..].to_vec());
                }
            }
            if !best.1.is_empty() {
                former.insert(now, best.1);
            }
        }
        Ok(former)
    }

    /// How many objects of a declaration have the name in the cloud that it would give them under these names.
    fn fitting(&self, former: &Former, now: &str, names: &[String], found: &[Found]) -> Result<usize> {
        let renamed = self.under(former)?;
        let graph = &renamed.as_ref().unwrap_or(&self.setup().expanded).graph;
        let mut fits = 0;
        for Found { type_name, marks, observed, .. } in found {
            let declaration = marks.address.declaration();
            if declaration != now && !names.iter().any(|name| name == declaration) {
                continue;
            }
            let of = self.setup().catalog.get(type_name)?;
            let wanted = marks.address.with_declaration(now).and_then(|address| graph.get(&address));
            if let (IdentityClass::Named(paths), Some(wanted)) = (of.identity, wanted) {
                let name = |properties: &Properties| {
                    let (first, rest) = paths.last()?.split_once('.').unwrap_or((*paths.last()?, ""));
                    let known = |value: &Value| match value {
                        Value::Target(field) => Some(self.setup().target_field(*field)),
                        _ => None,
                    };
                    Some(properties.get(first)?.at(rest)?.resolve(&known).as_str()?.to_owned())
                };
                let (has, would) = (name(&observed.properties), name(&wanted.properties));
                let would = would.map(|name| [format!("{name}-g{}", marks.generation), name]);
                fits += usize::from(has.is_some_and(|has| would.is_some_and(|would| would.contains(&has))));
            }
        }
        Ok(fits)
    }

    /// What bears no marks is found where its declaration says, once what it stands in is known.
    async fn find_unmarked(
        &self,
        expanded: &Expanded,
        former: &Former,
        ours: &mut BTreeMap<Address, Vec<Ours>>,
    ) -> Result<()> {
        let (setup, reader) = (self.setup(), Reader::new(self.setup().drivers.clone()));
        let mut waiting: Vec<&Resource> = Vec::new();
        for resource in expanded.graph.iter() {
            let of = setup.catalog.get(&resource.type_name)?;
            if of.tags == TagStyle::None && !ours.contains_key(&resource.address) {
                waiting.push(resource);
            }
        }
        while !waiting.is_empty() {
            let mut asked: BTreeMap<&str, Vec<(&Resource, Identity)>> = BTreeMap::new();
            let mut later = Vec::new();
            for resource in waiting {
                let of = setup.catalog.get(&resource.type_name)?;
                let resolve = |value: &Value| self.resolve_with(ours, value);
                let properties: Properties =
                    resource.properties.iter().map(|(name, value)| (name.clone(), value.resolve(&resolve))).collect();
                let claim = Claim::of(of, &setup.stack, &resource.address, 0, &properties);
                let known = match &claim {
                    Claim::Name(names) => names.iter().all(|name| !name.is_empty()),
                    Claim::Tuple(values) => values.iter().all(|(_, value)| value.is_known()),
                    Claim::Token(_) | Claim::Marks => false,
                };
                if !known {
                    later.push(resource);
                    continue;
                }
                let identity = Identity {
                    address: resource.address.clone(),
                    type_name: resource.type_name.clone(),
                    generation: 0,
                    id: None,
                    claim,
                    cluster: resource.cluster.as_ref().map(|cluster| first_of(former, cluster)),
                };
                asked.entry(&resource.type_name).or_default().push((resource, identity));
            }
            if asked.is_empty() {
                break;
            }
            for (type_name, these) in asked {
                let identities: Vec<Identity> = these.iter().map(|(_, identity)| identity.clone()).collect();
                let cx = setup.context();
                let all = self.again(&mut None, || reader.observe(&cx, type_name, &identities)).await?;
                for ((resource, _), observation) in these.into_iter().zip(all) {
                    if let Some(observed) = seen(&resource.address, observation)? {
                        let one = Ours { type_name: type_name.to_owned(), generation: 0, observed };
                        ours.insert(resource.address.clone(), vec![one]);
                    }
                }
            }
            waiting = later;
        }
        Ok(())
    }

    /// In which of the declared clusters an object stands that is not declared any more.
    async fn clusters_of_undeclared(
        &self,
        expanded: &Expanded,
        former: &Former,
        ours: &BTreeMap<Address, Vec<Ours>>,
    ) -> Result<BTreeMap<Address, Address>> {
        let (setup, reader) = (self.setup(), Reader::new(self.setup().drivers.clone()));
        let hosts: BTreeSet<&Address> = expanded.graph.iter().filter_map(|one| one.cluster.as_ref()).collect();
        let mut clusters = BTreeMap::new();
        for (address, objects) in ours.iter().filter(|(address, _)| expanded.graph.get(address).is_none()) {
            let Some(one) = objects.last() else { continue };
            let of = setup.catalog.get(&one.type_name)?;
            if of.api != crate::resource::Api::Kubernetes {
                continue;
            }
            for host in &hosts {
                let identity = Identity {
                    address: address.clone(),
                    type_name: one.type_name.clone(),
                    generation: one.generation,
                    id: Some(one.observed.id.clone()),
                    claim: Claim::of(of, &setup.stack, address, one.generation, &one.observed.properties),
                    cluster: Some(first_of(former, host)),
                };
                let these = [identity];
                let cx = setup.context();
                let all = self.again(&mut None, || reader.observe(&cx, &one.type_name, &these)).await?;
                if matches!(all.first(), Some(Observation::Present(_))) {
                    clusters.insert(address.clone(), (*host).clone());
                    break;
                }
            }
        }
        Ok(clusters)
    }

    /// Intent and outcome of everything, what others stand on first.
    fn records(
        &self,
        expanded: &Expanded,
        ours: &BTreeMap<Address, Vec<Ours>>,
        clusters: &BTreeMap<Address, Address>,
        former: &Former,
        rebuilt: &mut Rebuilt,
    ) -> Result<Vec<Record>> {
        let setup = self.setup();
        // What moved is written where it was made, and moved after that.
        let first = |address: &Address| first_of(former, address);
        let ids: BTreeMap<&str, &Address> = ours
            .iter()
            .flat_map(|(address, all)| all.iter().map(move |one| (one.observed.id.as_str(), address)))
            .collect();
        let mut records = Vec::new();
        for (address, objects) in ours {
            let wanted = expanded.graph.get(address);
            for one in objects {
                let of = setup.catalog.get(&one.type_name)?;
                let observed = &one.observed;
                let resolve = |value: &Value| self.resolve_with(ours, value);
                let wanted = wanted.filter(|wanted| wanted.type_name == one.type_name);
                let properties = match wanted {
                    Some(wanted) => as_given(&setup.stack, of, wanted, one.generation, &resolve, &observed.properties),
                    None => observed.properties.clone(),
                };
                let dependencies: BTreeSet<Address> = match wanted {
                    Some(wanted) => wanted.dependencies().iter().map(first).collect(),
                    None => named_in(&observed.properties, &ids)
                        .into_iter()
                        .filter(|on| *on != address)
                        .map(first)
                        .collect(),
                };
                let cluster = wanted.map_or_else(|| clusters.get(address), |wanted| wanted.cluster.as_ref());
                let slot = Slot::new(&first(address), one.generation);
                let intent = Intent {
                    slot: slot.clone(),
                    verb: Verb::Create,
                    type_name: one.type_name.clone(),
                    claim: Claim::of(of, &setup.stack, &slot.address, one.generation, &properties),
                    id: Some(observed.id.clone()),
                    properties,
                    dependencies,
                    cluster: cluster.map(first),
                    protected: of.holds_data || wanted.is_some_and(|wanted| wanted.protected),
                    origin: wanted.and_then(|wanted| wanted.origin.clone()),
                    plan: "rebuilt from a census".to_owned(),
                };
                records.push(Record::Intent(Box::new(intent.clone())));
                let done = Record::Done { slot, id: observed.id.clone(), outputs: observed.outputs.clone() };
                match observed.health {
                    Health::Ready => records.push(done),
                    Health::Deleting => {
                        records.push(done);
                        let delete = Intent { verb: Verb::Delete, properties: Properties::new(), ..intent };
                        records.push(Record::Intent(Box::new(delete)));
                    }
                    // The next run waits for it, or makes it anew if it failed.
                    Health::Busy(_) | Health::Failed(_) => {}
                }
                if observed.health != Health::Ready {
                    rebuilt.unfinished.push(address.clone());
                }
            }
            rebuilt.taken.push(address.clone());
            if wanted.is_none() {
                rebuilt.undeclared.push(address.clone());
            }
        }
        Ok(records)
    }

    /// The value of a reference or of a fact of the target, as far as it is known.
    fn resolve_with(&self, ours: &BTreeMap<Address, Vec<Ours>>, value: &Value) -> Option<Value> {
        match value {
            Value::Reference(reference) => {
                let one = ours.get(&reference.target)?.last()?;
                let of = self.setup().catalog.get(&one.type_name).ok()?;
                let name = if reference.attribute.is_empty() { of.identifier } else { &reference.attribute };
                let known = output(&one.observed.outputs, name).or_else(|| one.observed.properties.get(name));
                known.filter(|value| value.is_known()).cloned()
            }
            Value::Target(field) => Some(self.setup().target_field(*field)),
            _ => None,
        }
    }
}

/// Where something was made that may have been moved since: the cloud knows it by that.
fn first_of(former: &Former, address: &Address) -> Address {
    let first = former.get(address.declaration()).and_then(|names| names.first());
    first.and_then(|first| address.with_declaration(first)).unwrap_or_else(|| address.clone())
}

/// One move after the other, from each first name to the name of today.
fn moves_by(former: &Former) -> impl Iterator<Item = Move> + '_ {
    former.iter().flat_map(|(now, names)| {
        let next = names.iter().skip(1).chain([now]);
        names.iter().zip(next).map(|(from, to)| Move { from: from.clone(), to: to.clone() })
    })
}

/// Objects by the address they have now, at each address the newest last.
fn by_address(found: Vec<Found>, now: &dyn Fn(&Address) -> Address) -> Result<BTreeMap<Address, Vec<Ours>>> {
    let mut ours: BTreeMap<Address, Vec<Ours>> = BTreeMap::new();
    for Found { type_name, marks, observed, .. } in found {
        ours.entry(now(&marks.address)).or_default().push(Ours { type_name, generation: marks.generation, observed });
    }
    let mut problems = Problems::default();
    for (address, all) in &mut ours {
        all.sort_by_key(|one| one.generation);
        for pair in all.windows(2).filter(|pair| pair[0].generation == pair[1].generation) {
            let ids = format!("{} and {}", pair[0].observed.id, pair[1].observed.id);
            problems.push(
                Error::new(Code::Unresolved, format!("two objects bear the same marks: {ids}"))
                    .at(address)
                    .hint("delete the one that is not in use, or take its marks away"),
            );
        }
    }
    problems.finish()?;
    Ok(ours)
}

fn seen(address: &Address, observation: Observation) -> Result<Option<Observed>> {
    match observation {
        Observation::Present(observed) => Ok(Some(*observed)),
        Observation::Absent => Ok(None),
        Observation::Unknown(error) if error.code() == Code::NotFound => Ok(None),
        Observation::Unknown(error) => Err(Error::new(Code::Unresolved, "its presence could not be found out")
            .at(address)
            .retry(error.retry_class())
            .because(error)
            .hint("nothing was written; run again once the cloud answers")),
    }
}
