//! A service: what runs in the cluster, what it depends on, how it is reached, scaled and watched.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ClusterSpec, Effect, NodePoolSpec, Ref};
use crate::Result;
use crate::resource::Value;
use crate::scope::Scope;
use crate::units::{Cpu, Memory, Rate, Span};

/// How a service is made from Kubernetes objects.
pub trait Service: Send + Sync {
    /// Adds to `scope` the native resources that make up `spec`. Pure: no clock, no randomness, no I/O.
    ///
    /// # Errors
    /// What is wrong with the spec.
    fn expand_service(&self, spec: &ServiceSpec, scope: &mut Scope<'_>) -> Result<ServiceOutputs>;
}

/// A service as a user means it. A `deployment-config.yaml` is read into this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServiceSpec {
    /// The cluster it runs in.
    pub cluster: Ref<ClusterSpec>,
    /// What sort of workload it is.
    pub service_type: ServiceType,
    /// The container image, by digest in production.
    pub image: String,
    /// The port it listens on; none for a worker that is not called.
    pub port: Option<u16>,
    /// The namespace; its own name unless told otherwise.
    pub namespace: Option<String>,
    /// Replicas; the lower end when an autoscaler owns the number.
    pub replicas: u32,
    /// When and how far to scale out.
    pub autoscaling: Option<Autoscaling>,
    /// What each replica needs.
    pub resources: Resources,
    /// How many replicas may be away at once when nodes are drained.
    pub disruption: Option<Disruption>,
    /// Whether replicas may be interrupted (and so may run on spot nodes).
    pub interruptible: bool,
    /// What it depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// Plain environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Files of secrets: mount name to the name of a secret given to the builder.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// How it is reached from outside.
    pub ingress: Option<Ingress>,
    /// How it takes part in the mesh.
    pub mesh: Option<ServiceMesh>,
    /// How it says that it is well.
    pub probe: Probe,
    /// Where its metrics are.
    pub metrics: Option<Metrics>,
    /// How much of its calls to trace.
    pub tracing: Option<Tracing>,
    /// Who may call it inside the cluster.
    pub isolation: Isolation,
    /// Team and owner, for cost tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What sort of workload a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceType {
    /// Answers calls.
    Api,
    /// Takes work from a queue and is not called.
    Worker,
}

/// What each replica needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// CPU.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// Whole accelerators.
    #[serde(default)]
    pub gpu: u32,
}

/// When and how far to scale out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Autoscaling {
    /// The most replicas.
    pub max_replicas: u32,
    /// Scale out above this use of the CPU asked for, in percent.
    pub cpu_percent: u8,
}

/// How many replicas may be away at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disruption {
    /// At least this many stay.
    MinAvailable(u32),
    /// At most this many are away.
    MaxUnavailable(u32),
}

/// Something a service depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// The name by which the service knows it.
    pub name: String,
    /// What it is.
    pub kind: DependencyKind,
    /// The declaration that provides it; by default the one of its kind with this name, else the only one of its kind.
    pub target: Option<String>,
    /// Whether it is shared with other services.
    pub shared: bool,
    /// The part of it that is this service's, such as a path in a bucket.
    pub path: Option<String>,
}

/// What a dependency is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DependencyKind {
    /// A PostgreSQL database.
    Database,
    /// A cache.
    Cache,
    /// Object storage.
    Storage,
    /// A queue.
    Queue,
    /// Another service.
    Service,
}

/// How a service is reached from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingress {
    /// The path prefix, such as `/api/textnlp`.
    pub path: String,
    /// The host, when it is not the platform's.
    pub host: Option<String>,
    /// How many calls are let through.
    pub rate_limit: Option<Rate>,
}

/// How a service takes part in the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceMesh {
    /// How often a failed call is repeated.
    pub retries: u32,
    /// How long a call may take.
    pub timeout: Option<Span>,
}

/// How a service says that it is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Path that answers when it can take calls.
    pub ready: String,
    /// Path that answers while it is alive.
    pub live: String,
}

/// Where a service's metrics are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// The path.
    pub path: String,
    /// The port, when it is not the service's.
    pub port: Option<u16>,
}

/// How much of a service's calls to trace.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tracing {
    /// The share of calls, 0 to 1.
    pub sampling_rate: f64,
}

/// Who may call a service inside the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Those that declare it as a dependency, and the gateway.
    Dependants,
    /// Everything in the cluster.
    Open,
}

impl ServiceSpec {
    /// A service that answers calls on port 8000: one replica of half a core and 512 MiB.
    #[must_use]
    pub fn new(cluster: &Ref<ClusterSpec>, image: impl Into<String>) -> Self {
        Self {
            cluster: cluster.clone(),
            service_type: ServiceType::Api,
            image: image.into(),
            port: Some(8000),
            namespace: None,
            replicas: 1,
            autoscaling: None,
            resources: Resources { cpu: Cpu::millis(500), memory: Memory::mebibytes(512), gpu: 0 },
            disruption: None,
            interruptible: false,
            dependencies: Vec::new(),
            environment: BTreeMap::new(),
            secrets: BTreeMap::new(),
            ingress: None,
            mesh: None,
            probe: Probe { ready: "/health/ready".into(), live: "/health/live".into() },
            metrics: None,
            tracing: None,
            isolation: Isolation::Dependants,
            labels: BTreeMap::new(),
        }
    }

    /// Sets the number of replicas.
    #[must_use]
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Lets an autoscaler choose the number of replicas, from `replicas` up to this.
    #[must_use]
    pub fn autoscale(mut self, max_replicas: u32, cpu_percent: u8) -> Self {
        self.autoscaling = Some(Autoscaling { max_replicas, cpu_percent });
        self
    }

    /// Sets what each replica needs.
    #[must_use]
    pub fn resources(mut self, resources: Resources) -> Self {
        self.resources = resources;
        self
    }

    /// Adds a dependency on the declaration of this kind and name.
    #[must_use]
    pub fn depends_on(mut self, kind: DependencyKind, name: impl Into<String>) -> Self {
        let name = name.into();
        self.dependencies.push(Dependency { target: Some(name.clone()), name, kind, shared: true, path: None });
        self
    }

    /// Sets a plain environment variable.
    #[must_use]
    pub fn environment(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(key.into(), value.into());
        self
    }

    /// Mounts a secret that was given to the builder as a file of this name.
    #[must_use]
    pub fn secret(mut self, file: impl Into<String>, name: impl Into<String>) -> Self {
        self.secrets.insert(file.into(), name.into());
        self
    }
}

impl ServiceSpec {
    /// The most replicas it can have.
    #[must_use]
    pub fn most_replicas(&self) -> u32 {
        self.autoscaling.map_or(self.replicas, |autoscaling| autoscaling.max_replicas.max(self.replicas))
    }

    /// Whether its replicas may run on nodes of this pool, which have this many accelerators each.
    ///
    /// Accelerators are for those that ask for them, spot nodes for those that may be interrupted; other taints of a
    /// user keep services off.
    #[must_use]
    pub fn may_run_on(&self, pool: &NodePoolSpec, accelerators: u32) -> bool {
        if pool.spot && !self.interruptible {
            return false;
        }
        match self.resources.gpu {
            0 => accelerators == 0 && (pool.spot || pool.taints.iter().all(|taint| !taint.effect.repels())),
            wanted => accelerators >= wanted,
        }
    }
}

impl Effect {
    /// Whether pods that do not tolerate it stay away altogether.
    #[must_use]
    pub fn repels(self) -> bool {
        self != Self::PreferNoSchedule
    }
}

/// What others need of a service. Values are references until it exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceOutputs {
    /// Its namespace.
    pub namespace: String,
    /// Host name inside the cluster; empty for a worker.
    pub host: String,
    /// Port inside the cluster; null for a worker.
    pub port: Value,
    /// Its path on the gateway, when it has one.
    pub path: Option<String>,
    /// The address of its deployment's native resource.
    pub native: crate::resource::Address,
}

impl ServiceOutputs {
    /// Outputs of a service.
    #[must_use]
    pub fn new(native: crate::resource::Address, namespace: String, host: String) -> Self {
        Self { namespace, host, port: Value::Null, path: None, native }
    }
}
