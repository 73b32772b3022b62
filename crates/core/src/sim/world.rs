//! The state of the simulated cloud: objects, the ways to find them, requests on their way, and time passing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::act::{Next, Request};
use super::fault::FaultKind;
use super::kubernetes;
use super::object::{self, Named, Object, Phase, Which, Work};
use super::random::Random;
use super::shape::Make;
use crate::driver::{Found, Health, Observation, Operation, Progress, Target};
use crate::resource::{Api, Catalog, Claim, Identity, Properties, ResourceType, StackId, Usual, Verb};
use crate::{Code, Error, Result};

/// Everything that exists on the server's side.
#[derive(Debug)]
pub(super) struct World {
    pub(super) catalog: Catalog,
    pub(super) target: Target,
    pub(super) seed: u64,
    pub(super) token_lifetime: Duration,
    pub(super) permission_lag: Duration,
    pub(super) index_lag: Duration,
    /// What was deleted, until no replica shows it any more.
    pub(super) ghosts: Vec<(Duration, Object)>,
    pub(super) quotas: BTreeMap<String, usize>,
    pub(super) objects: BTreeMap<u64, Object>,
    pub(super) tokens: BTreeMap<String, Token>,
    next: u64,
    /// How many objects were made for each slot, so that a second one gets another id.
    made: BTreeMap<String, u32>,
    by_type: BTreeMap<String, BTreeSet<u64>>,
    by_cluster: BTreeMap<u64, BTreeSet<u64>>,
    by_key: BTreeMap<String, u64>,
    by_address: BTreeMap<String, BTreeSet<u64>>,
    /// Objects by each text that names them.
    by_text: BTreeMap<String, BTreeSet<u64>>,
    /// Objects by each text that they name another by, in a property that says what they stand in.
    users: BTreeMap<String, BTreeSet<u64>>,
    /// Ends of phases to come.
    due: BTreeSet<(Duration, u64)>,
    in_flight: BTreeMap<(Duration, u64), Flight>,
}

/// A create that came with a token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) serial: u64,
    pub(super) id: String,
    pub(super) properties: Properties,
    pub(super) until: Duration,
}

/// A request on its way to the server. It arrives whether or not anybody still waits for the answer.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) stack: StackId,
    pub(super) id: String,
    pub(super) request: Request,
    pub(super) fault: Option<FaultKind>,
    pub(super) reply: Slot,
}

/// Where the answer to a request is put.
pub(super) type Slot = Arc<Mutex<Option<Result<Reply>>>>;

/// What the server answers.
#[derive(Debug)]
pub(super) enum Reply {
    Observations(Vec<Observation>),
    /// A page, and where the next one begins.
    Found(Vec<Found>, Next),
    Operation(Operation),
    Progress(Vec<Progress>),
}

impl World {
    pub(super) fn new(catalog: Catalog, target: Target, seed: u64) -> Self {
        Self {
            catalog,
            target,
            seed,
            token_lifetime: Duration::from_secs(24 * 3600),
            permission_lag: Duration::ZERO,
            index_lag: Duration::ZERO,
            ghosts: Vec::new(),
            quotas: BTreeMap::new(),
            objects: BTreeMap::new(),
            tokens: BTreeMap::new(),
            next: 0,
            made: BTreeMap::new(),
            by_type: BTreeMap::new(),
            by_cluster: BTreeMap::new(),
            by_key: BTreeMap::new(),
            by_address: BTreeMap::new(),
            by_text: BTreeMap::new(),
            users: BTreeMap::new(),
            due: BTreeSet::new(),
            in_flight: BTreeMap::new(),
        }
    }

    /// Puts a request on its way.
    pub(super) fn send(&mut self, arrives: Duration, flight: Flight) {
        self.in_flight.insert((arrives, self.next), flight);
        self.next += 1;
    }

    /// Lets everything happen that is due by now, in the order of time.
    pub(super) fn settle(&mut self, now: Duration) {
        loop {
            let end = self.due.first().copied().filter(|(at, _)| *at <= now);
            let arrival = self.in_flight.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= now);
            match (end, arrival) {
                (Some(end), arrival) if arrival.is_none_or(|arrival| end.0 <= arrival.0) => {
                    self.due.remove(&end);
                    self.end_phase(end.1, end.0);
                }
                (_, Some(arrival)) => {
                    let Some(flight) = self.in_flight.remove(&arrival) else { continue };
                    let reply = self.act(arrival.0, &flight);
                    *flight.reply.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
                }
                _ => return,
            }
        }
    }

    /// Makes an object that is ready at once. Who calls has checked that it may be made.
    pub(super) fn insert(&mut self, now: Duration, new: New<'_>) -> u64 {
        let New { of, slot, address, cluster, properties } = new;
        let count = self.made.entry(slot.clone()).or_default();
        let slot = format!("{slot} {count}");
        *count += 1;
        let serial = self.next;
        self.next += 1;
        let (id, outputs) =
            Make { of, seed: self.seed, slot: &slot, target: &self.target, properties: &properties }.all();
        let mut random = Random::of(self.seed, &["lag", &slot]);
        let visible = now + random.between(Duration::ZERO, of.lag);
        let indexed = visible.max(now + random.between(Duration::ZERO, of.lag.max(self.index_lag)));
        let type_name = of.name.to_string();
        let object = Object {
            serial,
            slot,
            type_name,
            id,
            address,
            cluster,
            properties,
            outputs,
            phase: Phase::Ready,
            unfinished: false,
            born: now,
            visible,
            indexed,
        };
        self.index(&object, of, true);
        self.objects.insert(serial, object);
        serial
    }

    /// Changes properties, and all that follows from them.
    pub(super) fn change(&mut self, serial: u64, of: &ResourceType, properties: Properties) {
        let Some(mut object) = self.objects.remove(&serial) else { return };
        self.index(&object, of, false);
        let make = Make { of, seed: self.seed, slot: &object.slot, target: &self.target, properties: &properties };
        (_, object.outputs) = make.all();
        object.outputs.insert(of.identifier.to_owned(), object.id.as_str().into());
        object.properties = properties;
        object.unfinished = false;
        self.index(&object, of, true);
        self.objects.insert(serial, object);
    }

    /// Takes an object away, and what lives in it.
    pub(super) fn remove(&mut self, serial: u64) {
        let Some(object) = self.objects.remove(&serial) else { return };
        if let Ok(of) = self.catalog.clone().get(&object.type_name) {
            self.index(&object, of, false);
        }
        for inner in self.within(&object) {
            self.remove(inner);
        }
    }

    /// Starts something that takes time, and says when it ends.
    pub(super) fn begin(
        &mut self,
        serial: u64,
        now: Duration,
        took: Duration,
        failure: Option<String>,
        phase: impl FnOnce(Work) -> Phase,
    ) {
        let Some(object) = self.objects.get_mut(&serial) else { return };
        object.phase = phase(Work { since: now, until: now + took, failure });
        if took.is_zero() {
            self.end_phase(serial, now);
        } else {
            self.due.insert((now + took, serial));
        }
    }

    /// How long something takes this object.
    pub(super) fn took(&self, slot: &str, verb: Verb, usual: Usual, fault: Option<&FaultKind>) -> Duration {
        let factor = if let Some(FaultKind::Slow(factor)) = fault { (*factor).max(1) } else { 1 };
        // What takes a second or less is done when the reply is sent.
        if usual.typical <= Duration::from_secs(1) && factor == 1 {
            return Duration::ZERO;
        }
        Random::of(self.seed, &["took", slot, &format!("{verb:?}")]).around(usual).saturating_mul(factor)
    }

    /// The object that an identity means, on the server's side: lag does not hide it.
    pub(super) fn find(&self, stack: &StackId, of: &ResourceType, cluster: Option<u64>, at: &Identity) -> Option<u64> {
        if let Some(id) = &at.id {
            let fits = |serial: &&u64| {
                self.objects
                    .get(serial)
                    .is_some_and(|object| object.id == *id && object.type_name == of.name && object.cluster == cluster)
            };
            let fitting: Vec<u64> = self.by_text.get(id).into_iter().flatten().filter(fits).copied().collect();
            // Ids such as the name of a role's policy are unique in their place only.
            let named = object::claimed(of, cluster, &at.claim).and_then(|key| self.by_key.get(&key));
            return match (&fitting[..], named) {
                ([_, _, ..], Some(named)) if fitting.contains(named) => Some(*named),
                _ => fitting.first().copied(),
            };
        }
        match &at.claim {
            Claim::Name(_) | Claim::Tuple(_) => {
                object::claimed(of, cluster, &at.claim).and_then(|key| self.by_key.get(&key)).copied()
            }
            Claim::Token(_) | Claim::Marks => self.marked(stack, of, at),
        }
    }

    /// The object of this key.
    pub(super) fn keyed(&self, key: &str) -> Option<&Object> {
        self.objects.get(self.by_key.get(key)?)
    }

    /// Live objects of a type, in the order in which they were made.
    pub(super) fn of_type(&self, name: &str) -> impl DoubleEndedIterator<Item = &Object> {
        self.by_type.get(name).into_iter().flatten().filter_map(|serial| self.objects.get(serial))
    }

    /// Live objects that bear an address or were made for it, in the order in which they were made.
    pub(super) fn at_address(&self, address: &str) -> impl DoubleEndedIterator<Item = &Object> {
        self.by_address.get(address).into_iter().flatten().filter_map(|serial| self.objects.get(serial))
    }

    /// Live objects that this text names.
    pub(super) fn named(&self, text: &str) -> impl Iterator<Item = &Object> {
        self.by_text.get(text).into_iter().flatten().filter_map(|serial| self.objects.get(serial))
    }

    /// The live object that is meant.
    pub(super) fn which(&self, which: &Which) -> Result<&Object> {
        match &which.0 {
            Named::Serial(serial) => self
                .objects
                .get(serial)
                .ok_or_else(|| Error::new(Code::NotFound, "the simulated cloud no longer has this object")),
            Named::Id(id) => {
                let mut fitting = self.named(id).filter(|object| object.id == *id);
                match (fitting.next(), fitting.next()) {
                    (Some(object), None) => Ok(object),
                    (Some(_), Some(_)) => {
                        Err(Error::new(Code::Conflict, format!("several objects have this id: {id}"))
                            .hint("hand over the object itself, as objects() returns it"))
                    }
                    (None, _) => {
                        Err(Error::new(Code::NotFound, format!("the simulated cloud has no object with this id: {id}")))
                    }
                }
            }
        }
    }

    /// Another object that stands in this one, if there is one.
    pub(super) fn user(&self, object: &Object) -> Option<&Object> {
        let uses = |user: &&Object, text: &str| {
            user.serial != object.serial
                && self.catalog.get(&user.type_name).is_ok_and(|of| {
                    of.parents.iter().any(|(property, parent)| {
                        *parent == object.type_name && object::texts_at(&user.properties, property).contains(&text)
                    })
                })
        };
        object.texts().into_iter().find_map(|text| {
            let users = self.users.get(text).into_iter().flatten();
            users.filter_map(|serial| self.objects.get(serial)).find(|user| uses(user, text))
        })
    }

    /// Whether an object is usable.
    pub(super) fn health(&self, of: &ResourceType, object: &Object, now: Duration) -> Health {
        match self.progress(of, object, now, "") {
            Progress::Failed(error) => Health::Failed(error.message().to_owned()),
            Progress::Running { .. } if matches!(object.phase, Phase::Deleting(_)) => Health::Deleting,
            Progress::Running { phase, .. } => Health::Busy(phase),
            Progress::Done(_) | Progress::Unfinished(_) => Health::Ready,
        }
    }

    fn marked(&self, stack: &StackId, of: &ResourceType, at: &Identity) -> Option<u64> {
        let fits = |object: &&Object| {
            object.type_name == of.name
                && object.marks(of).is_some_and(|marks| {
                    marks.stack == stack.to_string() && marks.address == at.address && marks.generation == at.generation
                })
        };
        self.at_address(at.address.as_str()).find(fits).map(|object| object.serial)
    }

    /// What lives in an object and goes with it.
    fn within(&self, object: &Object) -> Vec<u64> {
        let mut all: BTreeSet<u64> = self.by_cluster.get(&object.serial).cloned().unwrap_or_default();
        if let (Some(name), Some(cluster)) = (kubernetes::namespace(object), object.cluster) {
            let neighbours = self.by_cluster.get(&cluster).into_iter().flatten();
            all.extend(
                neighbours
                    .filter(|serial| self.objects.get(serial).is_some_and(|other| kubernetes::lives_in(other, name))),
            );
        }
        for text in object.texts() {
            let users = self.users.get(text).into_iter().flatten();
            all.extend(users.filter(|serial| {
                self.objects.get(serial).is_some_and(|other| {
                    self.catalog.get(&other.type_name).is_ok_and(|of| of.api == Api::Postgres)
                        && kubernetes::server(&other.properties) == Some(text)
                })
            }));
        }
        all.into_iter().collect()
    }

    /// The end of a phase, unless another has begun meanwhile.
    fn end_phase(&mut self, serial: u64, at: Duration) {
        let Some(object) = self.objects.get_mut(&serial) else { return };
        match &object.phase {
            Phase::Creating(work) | Phase::Updating(work) | Phase::Deleting(work) if work.until > at => {}
            Phase::Creating(Work { failure: Some(failure), .. }) => object.phase = Phase::Failed(failure.clone()),
            Phase::Creating(_) | Phase::Updating(_) => object.phase = Phase::Ready,
            Phase::Deleting(_) => {
                let lag = self.catalog.get(&object.type_name).map(|of| of.lag).unwrap_or_default();
                let ghost = (at + lag, object.clone());
                self.ghosts.retain(|(until, _)| *until > at);
                self.ghosts.push(ghost);
                self.remove(serial);
            }
            Phase::Failed(_) | Phase::Ready => {}
        }
    }

    /// Adds an object to the ways to find it, or takes it from them.
    fn index(&mut self, object: &Object, of: &ResourceType, add: bool) {
        let serial = object.serial;
        let set = |index: &mut BTreeMap<String, BTreeSet<u64>>, key: &str| {
            if add {
                index.entry(key.to_owned()).or_default().insert(serial);
            } else if let Some(set) = index.get_mut(key) {
                set.remove(&serial);
                if set.is_empty() {
                    index.remove(key);
                }
            }
        };
        set(&mut self.by_type, &object.type_name);
        let marked = object.marks(of).map(|marks| marks.address);
        for address in object.address.iter().chain(&marked).map(|address| address.as_str()).collect::<BTreeSet<_>>() {
            set(&mut self.by_address, address);
        }
        for text in object.texts() {
            set(&mut self.by_text, text);
        }
        let parents = of.parents.iter().map(|(property, _)| *property);
        for property in parents.chain((of.api == Api::Postgres).then_some("Server")) {
            for text in object::texts_at(&object.properties, property) {
                set(&mut self.users, text);
            }
        }
        if let Some(cluster) = object.cluster {
            let neighbours = self.by_cluster.entry(cluster).or_default();
            if add {
                neighbours.insert(serial)
            } else {
                neighbours.remove(&serial)
            };
        }
        if let Some(key) = object::key(of, object.cluster, &object.properties) {
            if add {
                self.by_key.insert(key, serial);
            } else if self.by_key.get(&key) == Some(&serial) {
                self.by_key.remove(&key);
            }
        }
    }
}

/// An object to be made.
#[derive(Debug)]
pub(super) struct New<'a> {
    pub(super) of: &'a ResourceType,
    pub(super) slot: String,
    pub(super) address: Option<crate::resource::Address>,
    pub(super) cluster: Option<u64>,
    pub(super) properties: Properties,
}
