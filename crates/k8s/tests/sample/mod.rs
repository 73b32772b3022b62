//! Stacks that exercise every option of services and meshes, on a cloud that exists only here.

use std::sync::Arc;

use landfall_core::cloud::{Cloud, Clouds};
use landfall_core::graph::{Expanded, expand};
use landfall_core::kind::{
    ACCELERATED, Accelerator, Access, AccessOutputs, Bucket, BucketOutputs, BucketSpec, Cache, CacheOutputs, CacheSpec,
    Cluster, ClusterOutputs, ClusterSpec, Database, DatabaseOutputs, DatabaseSpec, DependencyKind, DevicePlugin,
    Disruption, Effect, Ingress, Isolation, Machine, MachineSize, MeshSpec, Metrics, Mtls, Network, NetworkOutputs,
    NetworkSpec, NodePool, NodePoolOutputs, NodePoolSpec, Ref, Resources, ServiceMesh, ServiceSpec, ServiceType,
    Subnet, Taint, Tier, Tracing,
};
use landfall_core::resource::{ResourceType, StackId, Value};
use landfall_core::scope::Scope;
use landfall_core::stack::{Declared, Stack};
use landfall_core::units::{Cpu, Date, GiB, Memory, Range, Span};
use landfall_core::{Error, Result, properties};
use landfall_k8s::Kubernetes;

/// An image by digest, as production wants it.
pub const IMAGE: &str =
    "registry.inferloop.io/app@sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865";

/// The label of pools whose nodes have the device plug-in in their image.
pub const BRINGS_PLUGIN: &str = "inferloop.io/image-with-plug-in";

/// A cloud that makes one native resource of each kind.
#[derive(Debug)]
struct Somewhere;

impl Cloud for Somewhere {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn region(&self) -> &str {
        "eu-west-1"
    }

    fn types(&self) -> Vec<ResourceType> {
        ["Network", "Cluster", "Pool", "Database", "Cache", "Bucket", "Role"]
            .map(|name| ResourceType { name: name.into(), ..ResourceType::DEFAULT })
            .into()
    }

    fn check(&self, _: &Stack) -> Vec<Error> {
        Vec::new()
    }
}

impl Network for Somewhere {
    fn expand_network(&self, spec: &NetworkSpec, scope: &mut Scope<'_>) -> Result<NetworkOutputs> {
        let network = scope.native("network", "Network", properties! {})?;
        let subnet = |zone: &str, cidr: &str| Subnet {
            tier: Tier::Data,
            zone: zone.into(),
            cidr: cidr.parse().unwrap(),
            id: network.attribute(zone),
        };
        let subnets = vec![subnet("eu-west-1a", "10.0.192.0/20"), subnet("eu-west-1b", "10.0.208.0/20")];
        Ok(NetworkOutputs::new(network.id(), spec.cidr, subnets))
    }
}

impl Cluster for Somewhere {
    fn expand_cluster(&self, spec: &ClusterSpec, scope: &mut Scope<'_>) -> Result<ClusterOutputs> {
        let cluster = scope.native("cluster", "Cluster", properties! {})?;
        Ok(ClusterOutputs::new(cluster.address().clone(), spec.network.clone(), cluster.id()))
    }
}

impl NodePool for Somewhere {
    fn expand_node_pool(&self, spec: &NodePoolSpec, scope: &mut Scope<'_>) -> Result<NodePoolOutputs> {
        let pool = scope.native("pool", "Pool", properties! {})?;
        let size = self.machine(spec, scope.stack().today)?;
        let mut outputs = NodePoolOutputs::new(pool.address().clone(), pool.id(), size.name);
        outputs.accelerator = size.accelerator;
        outputs.labels.clone_from(&spec.labels);
        outputs.labels.insert("inferloop.io/pool".into(), scope.name().into());
        outputs.taints.clone_from(&spec.taints);
        if spec.labels.contains_key(BRINGS_PLUGIN) {
            outputs.device_plugin = DevicePlugin::Theirs;
        }
        if size.accelerator.is_some() {
            outputs.labels.insert(ACCELERATED.0.into(), ACCELERATED.1.into());
            let taint = Taint { key: "nvidia.com/gpu".into(), value: "true".into(), effect: Effect::NoSchedule };
            outputs.taints.push(taint);
        }
        Ok(outputs)
    }

    fn machine(&self, spec: &NodePoolSpec, _: Date) -> Result<MachineSize> {
        let Machine::AtLeast { vcpu, memory, accelerator } = spec.machine else {
            return Err(Error::internal("only sizes"));
        };
        Ok(MachineSize { name: "m".into(), vcpu, memory, accelerator })
    }
}

impl Database for Somewhere {
    fn expand_database(&self, _: &DatabaseSpec, scope: &mut Scope<'_>) -> Result<DatabaseOutputs> {
        let database = scope.native("database", "Database", properties! {})?;
        let mut outputs = DatabaseOutputs::new(database.address().clone(), database.id());
        outputs.host = database.attribute("Host");
        outputs.port = database.attribute("Port");
        outputs.secret = database.attribute("Secret");
        Ok(outputs)
    }
}

impl Cache for Somewhere {
    fn expand_cache(&self, _: &CacheSpec, scope: &mut Scope<'_>) -> Result<CacheOutputs> {
        let cache = scope.native("cache", "Cache", properties! {})?;
        Ok(CacheOutputs::new(cache.address().clone(), cache.id()))
    }
}

impl Bucket for Somewhere {
    fn expand_bucket(&self, _: &BucketSpec, scope: &mut Scope<'_>) -> Result<BucketOutputs> {
        let bucket = scope.native("bucket", "Bucket", properties! {})?;
        Ok(BucketOutputs::new(bucket.address().clone(), bucket.id(), bucket.id(), bucket.id()))
    }
}

impl Access for Somewhere {
    fn expand_access(&self, spec: &ServiceSpec, scope: &mut Scope<'_>) -> Result<AccessOutputs> {
        let role = scope.native("role", "Role", properties! {})?;
        let mut outputs = AccessOutputs::default();
        outputs.annotations.insert("inferloop.io/role".into(), role.attribute("Arn"));
        outputs.egress_addresses.push(("credentials".into(), "169.254.170.23/32".parse().unwrap(), 80));
        outputs.wait_for.push(role.address().clone());
        for dependency in &spec.dependencies {
            if dependency.kind == DependencyKind::Database
                && let Some(target) = scope.stack().target_of(dependency)
            {
                let database = scope.database(&Ref::named(target))?;
                outputs.environment.insert("POSTGRES_HOST".into(), database.host.clone());
                outputs.environment.insert("POSTGRES_PORT".into(), database.port.clone());
                outputs.secret_files.insert("postgres-password".into(), database.secret.clone());
                outputs.egress_ports.push((dependency.name.clone(), 5432));
            }
        }
        if !outputs.secret_files.is_empty() {
            outputs.secret_provider = "aws".into();
        }
        Ok(outputs)
    }
}

/// The clouds of all samples.
pub fn clouds() -> Clouds {
    Clouds { cloud: Arc::new(Somewhere), workloads: Arc::new(Kubernetes::new()) }
}

/// Expands a sample.
pub fn expanded(stack: &Stack) -> Expanded {
    expand(stack, &clouds()).unwrap_or_else(|error| panic!("{error}"))
}

/// The Kubernetes objects of a stack by address, with a plausible value for each reference.
pub fn objects(stack: &Stack) -> Vec<(String, Value)> {
    let plausible = |value: &Value| match value {
        Value::Reference(reference) if reference.attribute == "Port" => Some(Value::from(5432)),
        Value::Reference(reference) => Some(format!("{}.{}", reference.target.part(), reference.attribute).into()),
        _ => None,
    };
    expanded(stack)
        .graph
        .iter()
        .filter(|resource| resource.cluster.is_some())
        .map(|resource| {
            let object = Value::Map(resource.properties.clone()).resolve(&plausible);
            assert!(object.is_known(), "{}", resource.address);
            (resource.address.to_string(), object)
        })
        .collect()
}

/// A mesh, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    Nothing,
    Istio(Mtls),
    Linkerd(Mtls),
}

pub const MESHES: [(&str, Around); 5] = [
    ("plain", Around::Nothing),
    ("istio", Around::Istio(Mtls::Strict)),
    ("istio-permissive", Around::Istio(Mtls::Permissive)),
    ("linkerd", Around::Linkerd(Mtls::Strict)),
    ("linkerd-permissive", Around::Linkerd(Mtls::Permissive)),
];

/// Network, cluster, pools, data and mesh, without services.
pub fn platform(mesh: Around) -> Stack {
    let mut stack = Stack::new(StackId::new("inferloop", "dev"), Date::new(2026, 11, 23));
    let (network, cluster) = (Ref::named("core"), Ref::named("prod"));
    stack.tags.insert("Owner".into(), "platform@inferloop.io".into());
    stack.networks.insert("core".into(), declared(NetworkSpec::new("10.0.0.0/16".parse().unwrap())));
    stack.clusters.insert("prod".into(), declared(ClusterSpec::new(&network, "1.35")));
    let nodes = |min, max| Range::new(min, max).unwrap();
    let general = NodePoolSpec::new(&cluster).at_least(8, GiB(32)).nodes(nodes(2, 10));
    stack.node_pools.insert("general".into(), declared(general.clone()));
    stack.node_pools.insert("spot".into(), declared(general.clone().spot(true)));
    let batch = general.spot(true).taint("inferloop.io/batch", "", Effect::NoSchedule);
    stack.node_pools.insert("batch".into(), declared(batch));
    let gpu = NodePoolSpec::new(&cluster).at_least(8, GiB(32)).accelerator(Accelerator::L4, 1).nodes(nodes(0, 8));
    stack.node_pools.insert("gpu".into(), declared(gpu));
    stack.databases.insert("main".into(), declared(DatabaseSpec::postgres(&network, "17")));
    stack.caches.insert("shared".into(), declared(CacheSpec::valkey(&network)));
    stack.buckets.insert("models".into(), declared(BucketSpec::new()));
    match mesh {
        Around::Nothing => {}
        Around::Istio(mtls) => {
            stack.meshes.insert("mesh".into(), declared(MeshSpec::istio(&cluster).mtls(mtls)));
        }
        Around::Linkerd(mtls) => {
            stack.meshes.insert("mesh".into(), declared(MeshSpec::linkerd(&cluster).mtls(mtls)));
        }
    }
    stack
}

/// The three services of Inferloop, in two namespaces.
pub fn inferloop(mesh: Around) -> Stack {
    let mut stack = platform(mesh);
    stack.services.insert("textnlp".into(), declared(textnlp(mesh)));
    let mut tabular = service(mesh).replicas(2).autoscale(6, 70);
    tabular.namespace = Some("inferloop".into());
    tabular = tabular.depends_on(DependencyKind::Database, "main").depends_on(DependencyKind::Service, "textnlp");
    stack.services.insert("tabular".into(), declared(tabular));
    let mut syndoc = service(Around::Nothing);
    syndoc.service_type = ServiceType::Worker;
    syndoc.port = None;
    syndoc.interruptible = true;
    syndoc.metrics = Some(Metrics { path: "/metrics".into(), port: Some(9090) });
    stack.services.insert("syndoc".into(), declared(syndoc.depends_on(DependencyKind::Storage, "models")));
    stack
}

/// The example of the platform plan, every field of it.
pub fn textnlp(mesh: Around) -> ServiceSpec {
    let mut spec = service(mesh).replicas(3);
    spec.namespace = Some("inferloop".into());
    spec.resources = Resources { cpu: Cpu::millis(2000), memory: Memory::gibibytes(4), gpu: 1 };
    spec = spec
        .depends_on(DependencyKind::Database, "main")
        .depends_on(DependencyKind::Cache, "shared")
        .depends_on(DependencyKind::Storage, "models");
    spec.ingress = Some(Ingress {
        path: "/api/textnlp".into(),
        host: Some("api.inferloop.io".into()),
        rate_limit: (mesh != Around::Nothing).then(|| "1000/min".parse().unwrap()),
    });
    if let Some(mesh) = &mut spec.mesh {
        *mesh = ServiceMesh { retries: 3, timeout: Some(Span::seconds(30)) };
    }
    spec.metrics = Some(Metrics { path: "/metrics".into(), port: None });
    spec.tracing = Some(Tracing { sampling_rate: 0.1 });
    spec.labels.insert("team".into(), "Natural Language".into());
    spec
}

fn service(mesh: Around) -> ServiceSpec {
    let mut spec = ServiceSpec::new(&Ref::named("prod"), IMAGE);
    spec.mesh = (mesh != Around::Nothing).then_some(ServiceMesh { retries: 2, timeout: None });
    spec
}

/// Stacks that differ in one more option each: 320 services in all sorts of company.
pub fn all() -> Vec<(String, Stack)> {
    let mut stacks = Vec::new();
    for (label, mesh) in MESHES {
        stacks.push((format!("inferloop-{label}"), inferloop(mesh)));
        let mut stack = platform(mesh);
        for bits in 0_u32..64 {
            let on = |bit: u32| bits >> bit & 1 == 1;
            let mut spec = if on(0) { textnlp(mesh) } else { service(mesh) };
            spec.namespace = on(1).then(|| "shared".into());
            spec.isolation = if on(2) { Isolation::Open } else { Isolation::Dependants };
            if on(3) {
                spec = spec.replicas(2).autoscale(8, 80);
                spec.disruption = Some(if on(4) { Disruption::MinAvailable(1) } else { Disruption::MaxUnavailable(1) });
            }
            if on(4) {
                spec.metrics = Some(Metrics { path: "/internal/metrics".into(), port: Some(9100) });
                spec.interruptible = true;
            }
            if on(5) {
                spec.mesh = None;
                spec.ingress = None;
                spec.service_type = ServiceType::Worker;
                spec.port = if on(2) { None } else { Some(8000) };
                spec.metrics = spec.metrics.filter(|metrics| metrics.port.is_some());
            }
            if let Some(ingress) = &mut spec.ingress {
                ingress.path = format!("/api/s{bits}");
            }
            if on(1) && !on(5) && bits > 1 {
                spec = spec.depends_on(DependencyKind::Service, format!("s{}", bits % 2));
            }
            stack.services.insert(format!("s{bits}"), declared(spec));
        }
        stacks.push((format!("options-{label}"), stack));
    }
    stacks
}

pub fn declared<S>(spec: S) -> Declared<S> {
    Declared::new(spec, None)
}
