//! A cloud that costs nothing: it keeps objects in a map, takes exactly as long as it is told, counts, and refuses what
//! comes faster than its limit. What is measured against it is the engine, and its critical path is known.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use landfall::apply::{Cancel, Engine, Limits, Options, Setup};
use landfall::clock::Clock;
use landfall::driver::{Context, Driver, Drivers, Found, Health, Observation, Observed, Operation, Progress, Target};
use landfall::event::Events;
use landfall::graph::{Expanded, Graph};
use landfall::ledger::{Ledger, Put, Store};
use landfall::resource::{
    Address, Api, Catalog, Identity, IdentityClass, Ownership, Properties, ResourceType, StackId, Usual, Value, Verb,
};
use landfall::scope::AllOutputs;
use landfall::sim::VirtualClock;
use landfall::{Code, Error, Result, Retry};

use crate::measure;

/// The cloud. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Cloud(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Arc<VirtualClock>,
    catalog: Catalog,
    /// How long each call takes.
    round_trip: Duration,
    bucket: Option<Mutex<Bucket>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<Address, Object>,
    creates: usize,
    refused: usize,
    polls: usize,
    in_flight: usize,
    first: Option<Instant>,
}

#[derive(Debug)]
struct Object {
    id: String,
    properties: Properties,
    ready: Duration,
}

/// A limit as the server keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    pub(crate) burst: f64,
    /// Tokens a second; with `window` all come back at once at the start of each minute.
    pub(crate) per_second: f64,
    pub(crate) window: bool,
    pub(crate) left: f64,
    pub(crate) at: Duration,
}

/// How one cloud behaves.
#[derive(Default)]
pub(crate) struct Habits {
    pub(crate) round_trip: Duration,
    pub(crate) types: Vec<ResourceType>,
    pub(crate) bucket: Option<Bucket>,
}

impl Cloud {
    pub(crate) fn new(habits: Habits) -> Self {
        let Habits { round_trip, mut types, bucket } = habits;
        types.push(thing("Bench::Thing", Api::Postgres, Usual::seconds(0, 0, 0)));
        let catalog = Catalog::new(types);
        let clock = VirtualClock::new();
        let bucket = bucket.map(Mutex::new);
        Self(Arc::new(Inner { clock, catalog, round_trip, bucket, state: Mutex::default() }))
    }

    /// One that answers at once.
    pub(crate) fn instant() -> Self {
        Self::new(Habits::default())
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    /// An engine that wants this graph here.
    pub(crate) fn engine(&self, ledger: &Ledger, graph: Graph) -> Engine {
        self.engine_with(ledger, graph, &Limits::new(), &Cancel::new())
    }

    pub(crate) fn engine_with(&self, ledger: &Ledger, graph: Graph, limits: &Limits, cancel: &Cancel) -> Engine {
        let catalog = self.0.catalog.clone();
        Engine::new(Setup {
            stack: stack(),
            expanded: Expanded { graph, outputs: AllOutputs::default(), catalog: catalog.clone() },
            specs: BTreeMap::new(),
            ledger: ledger.with_clock(self.clock()),
            drivers: Arc::new(self.clone()),
            target: target(),
            limits: limits.clone(),
            events: Events::default(),
            clock: self.clock(),
            catalog,
            secrets: Vec::new(),
            options: Options { cancel: cancel.clone(), ..Options::new("bench") },
        })
    }

    /// A ledger whose store takes so long for each call, by this cloud's clock.
    pub(crate) fn ledger(&self, latency: Duration) -> Ledger {
        let store = SlowStore { clock: self.clock(), latency, objects: Mutex::default() };
        Ledger::new(Arc::new(store)).with_clock(self.clock())
    }

    pub(crate) fn creates(&self) -> usize {
        self.0.state.lock().unwrap().creates
    }

    pub(crate) fn refused(&self) -> usize {
        self.0.state.lock().unwrap().refused
    }

    pub(crate) fn polls(&self) -> usize {
        self.0.state.lock().unwrap().polls
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.0.state.lock().unwrap().in_flight
    }

    /// When the first create arrived, by the machine's clock.
    pub(crate) fn first_create(&self) -> Option<Instant> {
        self.0.state.lock().unwrap().first
    }

    /// How long a create of this type takes at this address: between its lowest and its highest, by its name.
    pub(crate) fn takes(&self, type_name: &str, address: &Address) -> Duration {
        let usual = self.0.catalog.get(type_name).unwrap().create;
        if usual.typical <= Duration::from_secs(1) {
            return Duration::ZERO;
        }
        let seed = address.as_str().bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let part = f64::from(seed % 1_000) / 1_000.0;
        usual.low + usual.high.saturating_sub(usual.low).mul_f64(part * part)
    }

    /// What a graph takes at least here: the longest chain of creates with their round trips.
    pub(crate) fn critical_path(&self, graph: &Graph) -> Duration {
        let mut ends: BTreeMap<Address, Duration> = BTreeMap::new();
        for (resource, dependencies) in graph.order() {
            let address = &resource.address;
            let start = dependencies.iter().map(|on| ends[on]).max().unwrap_or_default();
            ends.insert(address.clone(), start + self.0.round_trip + self.takes(&resource.type_name, address));
        }
        ends.into_values().max().unwrap_or_default()
    }

    async fn call(&self) {
        self.0.state.lock().unwrap().in_flight += 1;
        if !self.0.round_trip.is_zero() {
            self.0.clock.sleep(self.0.round_trip).await;
        }
        self.0.state.lock().unwrap().in_flight -= 1;
    }

    fn change(&self, at: &Identity, verb: Verb, desired: &Properties) -> Result<Operation> {
        let now = self.0.clock.now();
        if let Some(bucket) = &self.0.bucket
            && !bucket.lock().unwrap().take(now)
        {
            self.0.state.lock().unwrap().refused += 1;
            return Err(Error::new(Code::Throttled, "rate exceeded").retry(Retry::Throttled(None)).at(&at.address));
        }
        let takes = if verb == Verb::Create { self.takes(&at.type_name, &at.address) } else { Duration::ZERO };
        let mut state = self.0.state.lock().unwrap();
        state.first.get_or_insert_with(measure::wall);
        state.creates += usize::from(verb == Verb::Create);
        let id = format!("id-{}", at.address);
        let object = Object { id: id.clone(), properties: desired.clone(), ready: now + takes };
        let outputs = self.outputs(&at.type_name, &id);
        state.objects.insert(at.address.clone(), object);
        let identity = Identity { id: Some(id), ..at.clone() };
        let progress = if takes.is_zero() { Progress::Done(outputs) } else { running() };
        Ok(Operation { identity, verb, handle: None, progress })
    }

    fn outputs(&self, type_name: &str, id: &str) -> Properties {
        let of = self.0.catalog.get(type_name).unwrap();
        Properties::from([(of.identifier.to_owned(), Value::from(id))])
    }
}

fn running() -> Progress {
    Progress::Running { phase: "CREATING".to_owned(), message: String::new() }
}

impl Bucket {
    pub(crate) fn new(burst: f64, per_second: f64, window: bool) -> Self {
        Self { burst, per_second, window, left: burst, at: Duration::ZERO }
    }

    fn take(&mut self, now: Duration) -> bool {
        if self.window {
            if now.as_secs() / 60 > self.at.as_secs() / 60 {
                self.left = self.burst;
            }
        } else {
            let passed = now.saturating_sub(self.at).as_secs_f64();
            self.left = (self.left + passed * self.per_second).min(self.burst);
        }
        self.at = now;
        // Sums of fractions of tokens are a hair off.
        let allowed = self.left >= 1.0 - 1e-6;
        if allowed {
            self.left -= 1.0;
        }
        allowed
    }

    /// What so many calls take at least.
    pub(crate) fn bound(&self, calls: usize) -> Duration {
        let beyond = (measure::float(calls) - self.burst).max(0.0);
        if self.window {
            return Duration::from_secs_f64((beyond / self.burst).ceil() * 60.0);
        }
        Duration::from_secs_f64(beyond / self.per_second)
    }
}

#[async_trait]
impl Driver for Cloud {
    async fn observe(&self, _: &Context<'_>, these: &[Identity]) -> Result<Vec<Observation>> {
        self.call().await;
        let state = self.0.state.lock().unwrap();
        let all = these.iter().map(|at| match state.objects.get(&at.address) {
            Some(object) => Observation::Present(Box::new(Observed {
                id: object.id.clone(),
                properties: object.properties.clone(),
                outputs: self.outputs(&at.type_name, &object.id),
                owner: Ownership::Inherited,
                health: Health::Ready,
            })),
            None => Observation::Absent,
        });
        Ok(all.collect())
    }

    async fn census(&self, _: &Context<'_>, _: &[String]) -> Result<Vec<Found>> {
        Ok(Vec::new())
    }

    async fn create(&self, _: &Context<'_>, at: &Identity, desired: &Properties) -> Result<Operation> {
        self.call().await;
        self.change(at, Verb::Create, desired)
    }

    async fn update(&self, _: &Context<'_>, at: &Identity, desired: &Properties, _: &[String]) -> Result<Operation> {
        self.call().await;
        self.change(at, Verb::Update, desired)
    }

    async fn delete(&self, _: &Context<'_>, at: &Identity) -> Result<Operation> {
        self.call().await;
        self.0.state.lock().unwrap().objects.remove(&at.address);
        Ok(Operation::done(at.clone(), Verb::Delete, Properties::new()))
    }

    async fn poll(&self, _: &Context<'_>, these: &[Operation]) -> Result<Vec<Progress>> {
        self.call().await;
        let now = self.0.clock.now();
        let mut state = self.0.state.lock().unwrap();
        state.polls += 1;
        let all = these.iter().map(|operation| {
            let object = &state.objects[&operation.identity.address];
            let done = now >= object.ready;
            if done { Progress::Done(self.outputs(&operation.identity.type_name, &object.id)) } else { running() }
        });
        Ok(all.collect())
    }
}

impl Drivers for Cloud {
    fn driver(&self, _: &str) -> Result<Arc<dyn Driver>> {
        Ok(Arc::new(self.clone()))
    }

    fn census_types(&self) -> Vec<String> {
        Vec::new()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }
}

/// A store in memory that answers after a while.
#[derive(Debug)]
struct SlowStore {
    clock: Arc<dyn Clock>,
    latency: Duration,
    objects: Mutex<BTreeMap<String, Bytes>>,
}

#[async_trait]
impl Store for SlowStore {
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put> {
        self.clock.sleep(self.latency).await;
        let mut objects = self.objects.lock().unwrap();
        if objects.contains_key(key) {
            return Ok(Put::Exists);
        }
        objects.insert(key.to_owned(), bytes);
        Ok(Put::Created)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.clock.sleep(self.latency).await;
        Ok(self.objects.lock().unwrap().get(key).cloned())
    }

    async fn newest(&self, prefix: &str) -> Result<Option<String>> {
        self.clock.sleep(self.latency).await;
        let objects = self.objects.lock().unwrap();
        let below = objects.range(prefix.to_owned()..).map(|(key, _)| key);
        Ok(below.take_while(|key| key.starts_with(prefix)).find(|key| landfall::ledger::is_entry_key(key)).cloned())
    }

    fn is_real(&self) -> bool {
        false
    }
}

/// A type of things with a name.
pub(crate) fn thing(name: &'static str, api: Api, create: Usual) -> ResourceType {
    ResourceType {
        name: name.into(),
        api,
        identity: IdentityClass::Named(&["Name"]),
        create,
        lag: Duration::ZERO,
        ..ResourceType::DEFAULT
    }
}

pub(crate) fn stack() -> StackId {
    StackId::new("bench", "dev")
}

fn target() -> Target {
    Target { cloud: "aws".into(), partition: "aws".into(), account: "123456789012".into(), region: "eu-west-1".into() }
}
