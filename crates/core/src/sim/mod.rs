//! The simulated cloud: native resources of every cloud in memory, under virtual time, seeded and deterministic.
//!
//! It stands below the real expansions, planner, ledger and apply loop, in the place of drivers; nothing in the engine
//! knows of it. It imitates what makes clouds hard: names that are taken, tokens, phases that take minutes, reads that
//! lag behind, dependencies that forbid a delete, requests that act although their sender is dead.
//!
//! # What it imitates
//! - **Identity.** Class A names and class C tuples are unique. A class B token that comes again within its lifetime
//!   gives the object that it made; with other properties it is refused, and so it is when that object is gone (as
//!   EC2's `IdempotentInstanceTerminated` says). Class D makes one more object each time.
//! - **Time.** A create, update or delete takes what is usual for the type, drawn from the seed. What usually takes a
//!   second or less is done when the reply arrives. While it lasts, other changes are refused as *not ready*.
//! - **Dependencies.** What [`crate::resource::ResourceType::parents`] names must exist and be ready before a create,
//!   and an object is not deleted while another of which it is a parent is left. Nothing else forbids a delete: clouds
//!   let go of a key, role or log group that is still in use.
//! - **Lag.** An object is hidden from reads by id or name for up to [`crate::resource::ResourceType::lag`] after its
//!   create, and from reads by tags for as long or longer.
//! - **Kubernetes** objects need a cluster that is ready, and live and die with it; pods wait for nodes. **PostgreSQL**
//!   databases and roles need a server that is ready.
//! - **Pages.** A census is read a hundred objects at a time, each page as the world is at that moment.
//! - **The wire.** A request travels, acts, and its reply travels back. It acts although its sender was dropped.
//!
//! The same seed gives the same run: chance hangs on the seed and on what is being done, never on the order of calls,
//! so that a run that was interrupted and resumed ends with the same ids and outputs as one that was not.

mod act;
mod call;
mod chaos;
mod clock;
mod dialect;
mod driver;
mod fault;
#[cfg(test)]
mod fixture;
mod host;
mod kubernetes;
mod ledger;
mod object;
mod random;
mod read;
mod shape;
mod world;

pub use call::{Call, Moment, Outcome, Pass, Side};
pub use chaos::Chaos;
pub use clock::VirtualClock;
pub use fault::{Fault, FaultKind, On};
pub use host::Skew;
pub use ledger::StoreMode;
pub use object::{SimObject, Which};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::driver::{Drivers, Target};
use crate::resource::{Catalog, Properties, Value};
use crate::{Code, Error, Result};

use call::Host;
use clock::CompressedClock;
use fault::Faults;
use host::HostClock;
use world::{New, World};

/// What a simulated cloud is made from.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// The native types it knows.
    pub catalog: Catalog,
    /// The account, region and so on that it pretends to be.
    pub target: Target,
    /// What all chance is drawn from.
    pub seed: u64,
    /// How time passes.
    pub time: Time,
}

/// How time passes in a simulated cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Time {
    /// It jumps: minutes of waiting take no time. Futures that wait run within [`crate::clock::drive`].
    #[default]
    Virtual,
    /// It passes so many times as fast as real time, on the caller's Tokio runtime.
    Compressed(u32),
}

/// A simulated cloud, seen by one host. Clones are the same host; [`SimCloud::host`] is another one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), landfall_core::Error> {
/// use landfall_core::clock::drive;
/// use landfall_core::driver::{Context, Progress};
/// use landfall_core::resource::{Address, Claim, Identity, ResourceType, StackId, TagStyle};
/// use landfall_core::sim::SimCloud;
/// use landfall_core::properties;
/// use std::time::Duration;
///
/// let vpc = ResourceType { name: "AWS::EC2::VPC".into(), tags: TagStyle::List("Tags"), ..ResourceType::DEFAULT };
/// let cloud = SimCloud::with_types(7, [vpc]);
/// let stack = StackId::new("inferloop", "dev");
/// let target = cloud.target();
/// let cx = Context { stack: &stack, target: &target, timeout: Duration::from_secs(60) };
/// let at = Identity {
///     address: Address::new("aws", "network", "core", "vpc")?,
///     type_name: "AWS::EC2::VPC".into(),
///     generation: 0,
///     id: None,
///     claim: Claim::Marks,
///     cluster: None,
/// };
/// let driver = cloud.drivers().driver("AWS::EC2::VPC")?;
/// let properties = properties! { "CidrBlock" => "10.0.0.0/16" };
/// let operation = drive(cloud.clock(), driver.create(&cx, &at, &properties)).await?;
/// assert!(matches!(operation.progress, Progress::Done(_)));
/// assert_eq!(cloud.objects().len(), 1);
/// assert_eq!(cloud.mutations(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SimCloud {
    shared: Arc<Shared>,
    /// The world's clock.
    clock: Arc<dyn Clock>,
    /// The host's.
    view: Arc<HostClock>,
    host: Arc<Host>,
}

/// What all hosts see.
struct Shared {
    seed: u64,
    catalog: Catalog,
    target: Target,
    world: Mutex<World>,
    faults: Mutex<Faults>,
    chaos: Mutex<Chaos>,
    store: Mutex<StoreMode>,
    log: Mutex<Vec<Call>>,
    ledger: Mutex<BTreeMap<String, bytes::Bytes>>,
}

impl SimCloud {
    /// A cloud without objects.
    #[must_use]
    pub fn new(options: SimOptions) -> Self {
        let SimOptions { catalog, target, seed, time } = options;
        let clock: Arc<dyn Clock> = match time {
            Time::Virtual => VirtualClock::new(),
            Time::Compressed(factor) => CompressedClock::new(factor),
        };
        let shared = Arc::new(Shared {
            seed,
            catalog: catalog.clone(),
            target: target.clone(),
            world: Mutex::new(World::new(catalog, target, seed)),
            faults: Mutex::default(),
            chaos: Mutex::default(),
            store: Mutex::default(),
            log: Mutex::default(),
            ledger: Mutex::default(),
        });
        let view = HostClock::new(clock.clone(), Skew::NONE);
        Self { shared, clock, view, host: Host::new("host") }
    }

    /// A cloud of these types under virtual time, as an account in `eu-west-1`.
    #[must_use]
    pub fn with_types(seed: u64, types: impl IntoIterator<Item = crate::resource::ResourceType>) -> Self {
        let target = Target {
            cloud: "aws".into(),
            partition: "aws".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
        };
        Self::new(SimOptions { catalog: Catalog::new(types), target, seed, time: Time::Virtual })
    }

    /// A cloud that knows no types, for what needs its clock and crash points alone.
    #[must_use]
    pub fn empty(seed: u64) -> Self {
        Self::with_types(seed, [])
    }

    /// The same cloud as another process sees it: with calls and crash points of its own.
    #[must_use]
    pub fn host(&self, name: &str) -> Self {
        self.host_with(name, Skew::NONE)
    }

    /// Another process whose clock is wrong.
    #[must_use]
    pub fn host_with(&self, name: &str, skew: Skew) -> Self {
        Self { host: Host::new(name), view: HostClock::new(self.clock.clone(), skew), ..self.clone() }
    }

    /// The drivers through which this host reaches the cloud.
    #[must_use]
    pub fn drivers(&self) -> Arc<dyn Drivers> {
        driver::SimDrivers::new(self.clone())
    }

    /// The clock that this host goes by.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.view.clone()
    }

    /// The account, region and so on.
    #[must_use]
    pub fn target(&self) -> Target {
        self.shared.target.clone()
    }

    /// Orders a fault, for all hosts. Of several that fit a call, the one ordered first strikes.
    pub fn fail(&self, fault: Fault) {
        self.faults().add(fault);
    }

    /// Lets things go wrong by chance, for all hosts, from now on. Faults on order come first.
    pub fn set_chaos(&self, chaos: Chaos) {
        *self.shared.chaos.lock().unwrap_or_else(PoisonError::into_inner) = chaos;
        let mut world = self.world();
        (world.permission_lag, world.index_lag) = (chaos.permission_lag, chaos.index_lag);
    }

    /// What goes wrong by chance.
    #[must_use]
    pub fn chaos(&self) -> Chaos {
        *self.shared.chaos.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the account have at most so many objects that count against the quota of this code.
    pub fn set_quota(&self, code: &str, limit: usize) {
        self.world().quotas.insert(code.to_owned(), limit);
    }

    /// Lets the cloud remember tokens so long; 24 hours unless set.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.world().token_lifetime = lifetime;
    }

    /// Everything that exists now, whoever made it, in the order in which it was made.
    #[must_use]
    pub fn objects(&self) -> Vec<SimObject> {
        let now = self.clock.now();
        let world = self.settle();
        let all = world.objects.values().filter_map(|object| {
            let of = world.catalog.get(&object.type_name).ok()?;
            let cluster = object.cluster.and_then(|serial| world.objects.get(&serial));
            Some(SimObject {
                type_name: object.type_name.clone(),
                id: object.id.clone(),
                properties: object.properties.clone(),
                outputs: object.outputs.clone(),
                marks: object.marks(of),
                address: object.address.clone(),
                health: world.health(of, object, now),
                cluster: cluster.map(|cluster| cluster.id.clone()),
                serial: object.serial,
            })
        });
        all.collect()
    }

    /// Changes a property behind the stack's back, at a dotted path.
    ///
    /// # Errors
    /// [`Code::NotFound`] when there is no such object, [`Code::Conflict`] when several have this id,
    /// [`Code::InvalidValue`] when the path leads through something that
    /// is neither map nor list.
    pub fn edit(&self, which: impl Into<Which>, path: &str, value: impl Into<Value>) -> Result<()> {
        let mut world = self.settle();
        let object = world.which(&which.into())?;
        let (serial, type_name, mut properties) = (object.serial, object.type_name.clone(), object.properties.clone());
        if !object::put(&mut properties, path, object::masked(&value.into())) {
            return Err(Error::new(Code::InvalidValue, format!("the path leads through a plain value: {path}")));
        }
        let catalog = world.catalog.clone();
        world.change(serial, catalog.get(&type_name)?, properties);
        Ok(())
    }

    /// Takes an object away behind the stack's back, at once, and what lives in it.
    ///
    /// # Errors
    /// [`Code::NotFound`] when there is no such object, [`Code::Conflict`] when several have this id.
    pub fn remove(&self, which: impl Into<Which>) -> Result<()> {
        let mut world = self.settle();
        let serial = world.which(&which.into())?.serial;
        world.remove(serial);
        Ok(())
    }

    /// Puts an object of somebody else there, ready and in sight. It bears marks only if the properties hold some.
    ///
    /// # Errors
    /// [`Code::UnknownType`], [`Code::AlreadyExists`] when its name or tuple is taken.
    pub fn add_foreign(&self, type_name: &str, properties: Properties) -> Result<String> {
        self.add(None, type_name, properties)
    }

    /// [`SimCloud::add_foreign`] for what lives in the cluster with this id.
    ///
    /// # Errors
    /// As [`SimCloud::add_foreign`], and [`Code::NotFound`] when there is no such cluster.
    pub fn add_foreign_within(&self, cluster: &str, type_name: &str, properties: Properties) -> Result<String> {
        self.add(Some(cluster), type_name, properties)
    }

    fn add(&self, cluster: Option<&str>, type_name: &str, properties: Properties) -> Result<String> {
        let mut world = self.settle();
        let cluster = match cluster {
            Some(id) => Some(world.which(&id.into())?.serial),
            None => None,
        };
        let catalog = world.catalog.clone();
        let of = catalog.get(type_name)?;
        if object::key(of, cluster, &properties).is_some_and(|key| world.keyed(&key).is_some()) {
            return Err(Error::new(Code::AlreadyExists, format!("its name or tuple is taken: {type_name}")));
        }
        let properties = object::masked_all(&properties);
        let new = New { of, slot: format!("foreign {type_name}"), address: None, cluster, properties };
        let now = self.clock.now();
        let serial = world.insert(now, new);
        let object = world.objects.get_mut(&serial).ok_or_else(|| Error::internal("an object was not made"))?;
        (object.visible, object.indexed) = (now, now);
        Ok(object.id.clone())
    }

    /// The world with everything done that is due by now.
    fn settle(&self) -> MutexGuard<'_, World> {
        let now = self.clock.now();
        let mut world = self.world();
        world.settle(now);
        world
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SimCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimCloud")
            .field("host", &self.host.name)
            .field("seed", &self.shared.seed)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::Bench;
    use super::*;
    use crate::driver::Observation;
    use crate::properties;
    use crate::resource::{Ownership, Verb};

    #[tokio::test]
    async fn edits_and_removals_behind_the_back_are_seen() {
        let bench = Bench::new(1);
        let vpc = bench.make("vpc", "AWS::EC2::VPC", properties! { "CidrBlock" => "10.0.0.0/16" }).await;
        bench.cloud.edit(&vpc.id(), "EnableDnsSupport", false).unwrap();
        assert_eq!(bench.present(&vpc.at).await.properties["EnableDnsSupport"], false.into());
        bench.cloud.remove(&vpc.id()).unwrap();
        assert!(matches!(bench.observe(&vpc.at).await, Observation::Absent));
        assert_eq!(bench.cloud.remove(&vpc.id()).unwrap_err().code(), Code::NotFound);
        assert_eq!(bench.cloud.edit(&vpc.id(), "A", 1).unwrap_err().code(), Code::NotFound);
    }

    #[tokio::test]
    async fn what_is_foreign_takes_names_and_is_told_apart() {
        let bench = Bench::new(1);
        let properties = properties! { "RoleName" => "nodes" };
        assert_eq!(bench.cloud.add_foreign("AWS::IAM::Role", properties.clone()).unwrap(), "nodes");
        let again = bench.cloud.add_foreign("AWS::IAM::Role", properties.clone()).unwrap_err();
        assert_eq!(again.code(), Code::AlreadyExists);
        let at = bench.identity("role", "AWS::IAM::Role", &properties);
        assert_eq!(bench.create(&at, &properties).await.unwrap_err().code(), Code::AlreadyExists);
        assert_eq!(bench.present(&at).await.owner, Ownership::Foreign);
        assert!(bench.census().await.is_empty());
    }

    #[tokio::test]
    async fn the_same_seed_gives_the_same_run_whatever_was_interrupted() {
        let run = async |seed, crash: Option<u64>| {
            let bench = Bench::new(seed);
            crash.into_iter().for_each(|call| bench.cloud.crash_at(call, Moment::Replied));
            let host = || async {
                let vpc = bench.make("vpc", "AWS::EC2::VPC", properties! { "CidrBlock" => "10.0.0.0/16" }).await;
                let subnet = properties! { "VpcId" => vpc.id(), "CidrBlock" => "10.0.0.0/24" };
                bench.make("subnet", "AWS::EC2::Subnet", subnet).await;
            };
            if bench.cloud.run(host()).await.is_none() {
                bench.cloud.objects().iter().for_each(|object| bench.cloud.remove(&object.id).unwrap());
                bench.cloud.run(host()).await.unwrap();
            }
            let ids: Vec<_> = bench.cloud.objects().into_iter().map(|object| object.id).collect();
            (bench.cloud.trace_hash(), ids)
        };
        let clean = run(1, None).await;
        assert_eq!(clean, run(1, None).await);
        assert_ne!(clean, run(2, None).await);
        // What is made anew after a removal is another object, as in a real cloud.
        let interrupted = run(1, Some(1)).await;
        assert_ne!(clean.1[0], interrupted.1[0]);
        assert_eq!(clean.1.len(), interrupted.1.len());
    }

    #[tokio::test]
    async fn faults_come_in_the_words_of_the_cloud() {
        let bench = Bench::new(1);
        let properties = properties! { "CidrBlock" => "10.0.0.0/16" };
        let at = bench.identity("vpc", "AWS::EC2::VPC", &properties);
        let kinds = [
            (FaultKind::Throttled { retry_after: Some(Duration::from_secs(2)) }, Code::Throttled, 0),
            (FaultKind::Unavailable, Code::Unavailable, 0),
            (FaultKind::PermissionDenied, Code::PermissionDenied, 0),
            (FaultKind::Quota, Code::Quota, 0),
            (FaultKind::NoCapacity, Code::NoCapacity, 0),
            (FaultKind::OutcomeUnknown { acted: false }, Code::OutcomeUnknown, 0),
            (FaultKind::OutcomeUnknown { acted: true }, Code::OutcomeUnknown, 1),
        ];
        for (kind, code, made) in kinds {
            bench.cloud.fail(Fault::new(On::Address(at.address.clone(), Verb::Create), kind));
            let error = bench.create(&at, &properties).await.unwrap_err();
            assert_eq!((error.code(), error.address()), (code, Some(&at.address)));
            assert_eq!(bench.cloud.objects().len(), made);
            assert_eq!(bench.cloud.log().last().unwrap().outcome, Outcome::Failed(code));
        }
    }

    #[tokio::test]
    async fn quotas_hold_once_they_are_set() {
        let bench = Bench::new(1);
        bench.cloud.set_quota("L-F678F1CE", 1);
        let properties = properties! { "CidrBlock" => "10.0.0.0/16" };
        bench.make("vpc", "AWS::EC2::VPC", properties.clone()).await;
        let at = bench.identity("other", "AWS::EC2::VPC", &properties);
        assert_eq!(bench.create(&at, &properties).await.unwrap_err().code(), Code::Quota);
    }

    #[tokio::test]
    async fn compressed_time_passes_by_itself() {
        let bench = Bench::with_time(1, Time::Compressed(100_000));
        let database = properties! { "DBInstanceIdentifier" => "main" };
        let made = bench.make("database", "AWS::RDS::DBInstance", database).await;
        assert!(bench.cloud.clock().now() >= Duration::from_secs(360));
        assert_eq!(made.outputs["Endpoint.Port"], 5432.into());
        assert_eq!(made.outputs["Endpoint.Address"].as_str().unwrap().split('.').next(), Some("main"));
        assert_eq!(bench.present(&made.at).await.properties["Tags"], bench.tags(&made.at));
    }
}
