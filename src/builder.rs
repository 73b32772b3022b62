//! Declaring a platform. Every problem is kept until `build`, which reports all of them at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use landfall_core::apply::{Cancel, Engine, Limits, Options, Setup};
use landfall_core::clock::Clock;
use landfall_core::cloud::Workloads as _;
use landfall_core::cloud::{Cloud, Clouds};
use landfall_core::config::{self, Defaults, Source};
use landfall_core::driver::{Drivers, Target};
use landfall_core::error::Position;
use landfall_core::event::Events;
use landfall_core::graph::{Blueprint, Move, Reach};
use landfall_core::kind::{
    BucketSpec, CacheSpec, ClusterSpec, DatabaseSpec, MeshSpec, NetworkSpec, NodePoolSpec, Ref, ServiceSpec, validate,
};
use landfall_core::ledger::Ledger;
use landfall_core::plan::specs_of;
use landfall_core::resource::{Catalog, Properties, StackId};
use landfall_core::secret::Secret;
use landfall_core::sim::{SimCloud, SimOptions, Time};
use landfall_core::stack::{Declarations, Declared, NativeSpec, Stack};
use landfall_core::units::Date;
use landfall_core::{Code, Error, Problems, Result};
use landfall_k8s::Kubernetes;
use secrecy::SecretString;

use crate::Platform;

/// A platform in the making.
#[derive(Debug)]
pub struct PlatformBuilder {
    stack: Stack,
    owner: Arc<str>,
    cloud: Arc<dyn Cloud>,
    problems: Problems,
    warnings: Vec<Error>,
    secrets: BTreeMap<String, SecretString>,
    fingerprint_key: Option<SecretString>,
    protected: BTreeMap<String, Reach>,
    moves: Vec<Move>,
    ledger: Option<Ledger>,
    simulated: Option<SimCloud>,
    live: Option<(Arc<dyn Drivers>, Target)>,
    limits: Limits,
    options: Options,
    image: Option<String>,
}

macro_rules! declare {
    ($($(#[$meta:meta])* $name:ident: $all:ident, $spec:ty;)*) => {
        $($(#[$meta])*
        #[track_caller]
        pub fn $name(&mut self, name: &str, spec: $spec) -> Ref<$spec> {
            let position = Position::of(std::panic::Location::caller());
            add(&mut self.stack.$all, &mut self.problems, name, Declared::new(spec, Some(position)));
            Ref::owned(name, self.owner.clone())
        })*
    };
}

impl PlatformBuilder {
    /// A builder that has declared what this stack holds, for tools that make stacks themselves.
    #[must_use]
    pub fn from_stack(stack: Stack, cloud: impl Cloud + 'static) -> Self {
        Self { owner: stack.id.to_string().into(), stack, ..Self::new("", "", cloud) }
    }

    pub(crate) fn new(project: &str, environment: &str, cloud: impl Cloud + 'static) -> Self {
        let id = StackId::new(project, environment);
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the day; `today` sets another one")]
        let today = Date::of(std::time::SystemTime::now());
        Self {
            owner: id.to_string().into(),
            stack: Stack::new(id, today),
            cloud: Arc::new(cloud),
            problems: Problems::default(),
            warnings: Vec::new(),
            secrets: BTreeMap::new(),
            fingerprint_key: None,
            protected: BTreeMap::new(),
            moves: Vec::new(),
            ledger: None,
            simulated: None,
            live: None,
            limits: Limits::new(),
            options: Options::new(unique_holder()),
            image: None,
        }
    }

    declare! {
        /// Declares a network.
        network: networks, NetworkSpec;
        /// Declares a Kubernetes cluster.
        cluster: clusters, ClusterSpec;
        /// Declares a node pool.
        node_pool: node_pools, NodePoolSpec;
        /// Declares a database.
        database: databases, DatabaseSpec;
        /// Declares a cache.
        cache: caches, CacheSpec;
        /// Declares a bucket.
        bucket: buckets, BucketSpec;
        /// Declares a mesh.
        mesh: meshes, MeshSpec;
        /// Declares a service in code. Services in files are read by [`PlatformBuilder::services_from`].
        service: services, ServiceSpec;
    }

    /// Declares a native resource for which there is no kind, in the cloud's published schema.
    #[track_caller]
    pub fn native(&mut self, name: &str, type_name: &str, properties: Properties) -> &mut Self {
        let position = Position::of(std::panic::Location::caller());
        let spec = NativeSpec { type_name: type_name.to_owned(), properties };
        add(&mut self.stack.natives, &mut self.problems, name, Declared::new(spec, Some(position)));
        self
    }

    /// Declares the services whose `deployment-config.yaml` stands in `folder` or in a folder right beneath it, overlaid
    /// with `deployment-config.ENVIRONMENT.yaml` where one stands beside it. They run in `cluster`.
    pub fn services_from(&mut self, folder: impl AsRef<Path>, cluster: &Ref<ClusterSpec>) -> &mut Self {
        match sources(folder.as_ref(), &self.stack.id.environment) {
            Ok(sources) => self.services_in(&sources, cluster),
            Err(error) => {
                self.problems.push(error);
                self
            }
        }
    }

    /// Declares the services of these configuration files, read by the caller.
    pub fn services_in(&mut self, sources: &[Source], cluster: &Ref<ClusterSpec>) -> &mut Self {
        let mut defaults = Defaults::new(cluster);
        defaults.image.clone_from(&self.image);
        match config::load(sources, &defaults) {
            Ok(loaded) => {
                self.warnings.extend(loaded.warnings);
                for (name, declared) in loaded.services {
                    add(&mut self.stack.services, &mut self.problems, &name, declared);
                }
            }
            Err(error) => self.problems.push(error),
        }
        self
    }

    /// The image of services whose file names none: `{name}` in it becomes the service's name. Set it before the services
    /// are read.
    pub fn image(&mut self, template: &str) -> &mut Self {
        self.image = Some(template.to_owned());
        self
    }

    /// Puts a tag on everything that can bear one.
    pub fn tag(&mut self, key: &str, value: &str) -> &mut Self {
        self.stack.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Gives a secret that services may name. Its value reaches the cloud's secret store and nothing else: not the ledger,
    /// not the plan, not an event. It needs [`PlatformBuilder::fingerprint_key`].
    pub fn secret(&mut self, name: &str, value: impl Into<SecretString>) -> &mut Self {
        self.secrets.insert(name.to_owned(), value.into());
        self
    }

    /// The key of the fingerprints by which a changed secret is noticed. Whoever has the ledger but not the key can learn
    /// nothing from a fingerprint, not even of a secret that is easily guessed.
    pub fn fingerprint_key(&mut self, key: impl Into<SecretString>) -> &mut Self {
        self.fingerprint_key = Some(key.into());
        self
    }

    /// Protects everything a declaration expands into (`kind/name`, such as `cluster/main`): deleting or replacing it needs
    /// consent. What holds data is protected by itself.
    pub fn protect(&mut self, declaration: &str) -> &mut Self {
        self.protected.entry(declaration.to_owned()).or_insert(Reach::Itself);
        self
    }

    /// Says that this process runs on a declaration (`kind/name`, such as `service/tabular`), or keeps its ledger in it:
    /// deleting or replacing any part of it, or of what it stands on in turn, needs consent, so that no plan saws off the
    /// branch it sits on. Node pools stand beside a service, not beneath it: name those it may be scheduled on.
    ///
    /// ```
    /// use landfall::prelude::*;
    ///
    /// # fn main() -> landfall::Result<()> {
    /// let mut platform = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    /// platform.bucket("ledger", BucketSpec::new());
    /// platform.runs_on("bucket/ledger");
    /// let platform = platform.build()?;
    /// assert!(platform.graph().iter().all(|resource| resource.protected));
    /// # Ok(())
    /// # }
    /// ```
    pub fn runs_on(&mut self, declaration: &str) -> &mut Self {
        self.protected.insert(declaration.to_owned(), Reach::Beneath);
        self
    }

    /// Says that a declaration (`kind/name`) was renamed: what it made goes by the new address from now on and is neither
    /// deleted nor made anew, whatever it holds. In the cloud it keeps its names, because those cannot change; where tags
    /// carry the address, they are changed in place. A service that depends on it by its name is told of it under the name
    /// it had.
    ///
    /// The plan shows each move. One that was made already, or that finds nothing to move, does nothing: the call may stay
    /// for stacks that are older, and go once there are none. Several calls may follow on each other.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> landfall::Result<()> {
    /// use landfall::prelude::*;
    /// use landfall::plan::Change;
    ///
    /// let (cloud, ledger) = (landfall::aws::simulated("eu-west-1", 1, landfall::sim::Time::Virtual), Ledger::memory());
    /// let mut before = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    /// before.simulate(&cloud).ledger(ledger.clone());
    /// before.bucket("files", BucketSpec::new());
    /// before.build()?.converge().await?;
    ///
    /// let mut after = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    /// after.simulate(&cloud).ledger(ledger);
    /// after.bucket("models", BucketSpec::new());
    /// after.moved("bucket/files", "bucket/models");
    /// let after = after.build()?;
    /// assert!(after.plan().await?.steps.iter().all(|step| step.change == Change::Move));
    /// after.converge().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn moved(&mut self, from: &str, to: &str) -> &mut Self {
        self.moves.push(Move { from: from.to_owned(), to: to.to_owned() });
        self
    }

    /// Where the ledger is. Without it a simulated platform remembers in memory; a live one does not build.
    pub fn ledger(&mut self, ledger: Ledger) -> &mut Self {
        self.ledger = Some(ledger);
        self
    }

    /// Stands on this simulated cloud, which other platforms may share. This is the default, with one of its own.
    pub fn simulate(&mut self, cloud: &SimCloud) -> &mut Self {
        self.simulated = Some(cloud.clone());
        self
    }

    /// Stands on these drivers, which reach this target.
    pub fn live(&mut self, drivers: Arc<dyn Drivers>, target: Target) -> &mut Self {
        self.live = Some((drivers, target));
        self
    }

    /// Shares limits on requests with other platforms of the process.
    pub fn limits(&mut self, limits: &Limits) -> &mut Self {
        self.limits = limits.clone();
        self
    }

    /// The day that dates of support are compared with; the machine's by default.
    pub fn today(&mut self, today: Date) -> &mut Self {
        self.stack.today = today;
        self
    }

    /// Who this process is to the other replicas; unique for each. Made up by default.
    pub fn holder(&mut self, holder: &str) -> &mut Self {
        self.options.holder = holder.to_owned();
        self
    }

    /// After how much silence of its holder the lease may be taken over; 30 s by default. A call to the cloud may take a third
    /// of it, and 10 s at most.
    pub fn time_to_live(&mut self, time: std::time::Duration) -> &mut Self {
        self.options.time_to_live = time;
        self
    }

    /// Numbers this configuration; it grows with each deployment, as a build number does. While replicas with an older
    /// number still start, they observe: they return what a newer one converged to, or [`Code::Superseded`] while it has
    /// not converged yet, and change nothing back. A configuration without a number is older than all that have one.
    pub fn generation(&mut self, generation: u64) -> &mut Self {
        self.options.generation = generation;
        self
    }

    /// Deploys this configuration although one with a higher generation was deployed: goes back on purpose.
    pub fn rollback(&mut self) -> &mut Self {
        self.options.rollback = true;
        self
    }

    /// Uses this value to ask running work to stop.
    pub fn cancel(&mut self, cancel: &Cancel) -> &mut Self {
        self.options.cancel = cancel.clone();
        self
    }

    /// Checks everything and expands it.
    ///
    /// # Errors
    /// Every problem of the declarations at once, each with its code, its place and what to do.
    pub fn build(self) -> Result<Platform> {
        let Self {
            mut stack,
            cloud,
            mut problems,
            warnings,
            protected,
            moves,
            ledger,
            simulated,
            live,
            limits,
            options,
            ..
        } = self;
        for (name, value) in &self.secrets {
            match &self.fingerprint_key {
                Some(key) => {
                    stack.secrets.insert(name.clone(), Secret::new(name, value.clone(), key));
                }
                None => problems.push(
                    Error::new(
                        Code::MissingSecret,
                        format!("a secret is given without a key for its fingerprint: {name}"),
                    )
                    .hint("call fingerprint_key with a secret of at least 16 characters that stays the same"),
                ),
            }
        }
        problems.extend(unwrap(validate(&stack, &|pool| cloud.machine(pool, stack.today)).finish()));
        problems.extend(cloud.check(&stack));
        let clouds = Clouds { cloud: cloud.clone(), workloads: Arc::new(Kubernetes::new()) };
        problems.extend(clouds.workloads.check(&stack));
        let (id, specs) = (stack.id.clone(), specs_of(&stack)?);
        let blueprint = problems.take(Blueprint::new(stack, clouds, protected, &moves));
        problems.finish()?;

        let blueprint = blueprint.ok_or_else(|| Error::internal("no blueprint and no problem"))?;
        let expanded = blueprint.expand()?;
        let catalog = expanded.catalog.clone();
        let (drivers, target, clock, simulated) = match (live, simulated) {
            (Some((drivers, target)), _) => {
                let clock = drivers.clock();
                (drivers, target, clock, None)
            }
            (None, simulated) => {
                let simulated =
                    simulated.unwrap_or_else(|| simulate(&*cloud, expanded.catalog.clone(), 1, Time::Virtual));
                let (drivers, clock): (Arc<dyn Drivers>, Arc<dyn Clock>) = (simulated.drivers(), simulated.clock());
                (drivers, simulated.target().clone(), clock, Some(simulated))
            }
        };
        let ledger = match (ledger, &simulated) {
            (Some(ledger), _) => ledger,
            (None, Some(_)) => Ledger::memory(),
            (None, None) => {
                return Err(Error::new(
                    Code::LedgerUnavailable,
                    "a live platform needs a ledger that outlives the process",
                )
                .hint("call ledger with Ledger::folder or Ledger::object_store"));
            }
        };
        let ledger = ledger.with_clock(clock.clone());
        let engine = Engine::new(Setup {
            stack: id,
            expanded,
            specs,
            ledger,
            drivers,
            target,
            limits,
            events: Events::default(),
            clock,
            catalog,
            secrets: self.secrets.into_values().chain(self.fingerprint_key).collect(),
            options,
        })
        .with_blueprint(blueprint);
        Ok(Platform { engine, simulated, warnings: Arc::new(warnings) })
    }
}

/// A simulated cloud that knows the native types of this cloud and of Kubernetes.
pub(crate) fn simulated(cloud: &dyn Cloud, seed: u64, time: Time) -> SimCloud {
    let types = cloud.types().into_iter().chain(Kubernetes::new().types()).chain(landfall_core::kind::types());
    simulate(cloud, Catalog::new(types), seed, time)
}

fn simulate(cloud: &dyn Cloud, catalog: Catalog, seed: u64, time: Time) -> SimCloud {
    SimCloud::new(SimOptions {
        catalog,
        target: Target {
            cloud: cloud.name().to_owned(),
            partition: cloud.partition().to_owned(),
            account: "123456789012".to_owned(),
            region: cloud.region().to_owned(),
        },
        seed,
        time,
    })
}

/// The configuration files in a folder and in those right beneath it, by path.
fn sources(folder: &Path, environment: &str) -> Result<Vec<Source>> {
    const FILE: &str = "deployment-config.yaml";
    let unreadable = |error: std::io::Error| {
        Error::new(Code::Unreadable, format!("the folder cannot be read: {}", folder.display()))
            .hint("name the folder that holds the services' folders; the path is relative to the working directory")
            .because(error)
    };
    let mut paths = vec![folder.join(FILE)];
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path().join(FILE));
    }
    paths.retain(|path| path.is_file());
    paths.sort();
    if paths.is_empty() {
        return Err(Error::new(
            Code::Unreadable,
            format!("no {FILE} in the folder or right beneath it: {}", folder.display()),
        ));
    }
    let mut problems = Problems::default();
    let sources = paths.iter().filter_map(|path| problems.take(Source::read(path, Some(environment)))).collect();
    problems.finish()?;
    Ok(sources)
}

fn add<S>(all: &mut Declarations<S>, problems: &mut Problems, name: &str, declared: Declared<S>) {
    if let Some(first) = all.get(name) {
        let mut error = Error::new(Code::NameTaken, format!("two declarations of one kind have the same name: {name}"))
            .hint("rename one of them");
        if let Some(origin) = &first.origin {
            error = error.detail(format!("the first one stands at {origin}"));
        }
        if let Some(origin) = declared.origin {
            error = error.position(origin);
        }
        return problems.push(error);
    }
    all.insert(name.to_owned(), declared);
}

fn unwrap(result: Result<()>) -> Option<Error> {
    result.err()
}

/// A name that no other process has: the process number and what the operating system seeds hash maps with.
fn unique_holder() -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{}-{random:016x}", std::process::id())
}
