//! Cloud-neutral kinds: one file each, with its spec, its outputs and the trait that a cloud implements.

mod access;
mod bucket;
mod cache;
mod cluster;
mod database;
mod mesh;
mod network;
mod node_pool;
mod service;
mod validate;

pub use access::{Access, AccessOutputs};
pub use bucket::{Bucket, BucketOutputs, BucketSpec};
pub use cache::{Cache, CacheEngine, CacheOutputs, CacheSpec, Eviction};
pub use cluster::{Cluster, ClusterOutputs, ClusterSpec, Version};
pub use database::{
    Database, DatabaseOutputs, DatabaseSpec, Maintenance, POSTGRES_DATABASE, POSTGRES_ROLE, Size, Weekday,
};
pub use mesh::{Mesh, MeshOutputs, MeshProvider, MeshSpec, Mtls};
pub use network::{Nat, Network, NetworkOutputs, NetworkSpec, Subnet, Tier};
pub use node_pool::{
    ACCELERATED, Accelerator, DevicePlugin, Effect, Machine, MachineSize, NodePool, NodePoolOutputs, NodePoolSpec,
    Taint,
};
pub use service::{
    Autoscaling, Dependency, DependencyKind, Disruption, Ingress, Isolation, Metrics, Probe, Resources, Service,
    ServiceMesh, ServiceOutputs, ServiceSpec, ServiceType, Tracing,
};
pub use validate::validate;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kind: what its spec is called and which outputs it has.
pub trait Kind:
    Clone + fmt::Debug + PartialEq + Serialize + serde::de::DeserializeOwned + Send + Sync + 'static
{
    /// The kind's name in addresses, such as `node-pool`.
    const NAME: &'static str;
    /// What an expansion of the spec hands out.
    type Outputs: Clone + fmt::Debug + Serialize + serde::de::DeserializeOwned + Send + Sync + 'static;
}

macro_rules! kinds {
    ($($spec:ty, $outputs:ty, $name:literal;)*) => {
        $(impl Kind for $spec {
            const NAME: &'static str = $name;
            type Outputs = $outputs;
        })*
    };
}

kinds! {
    NetworkSpec, NetworkOutputs, "network";
    ClusterSpec, ClusterOutputs, "cluster";
    NodePoolSpec, NodePoolOutputs, "node-pool";
    DatabaseSpec, DatabaseOutputs, "database";
    CacheSpec, CacheOutputs, "cache";
    BucketSpec, BucketOutputs, "bucket";
    MeshSpec, MeshOutputs, "mesh";
    ServiceSpec, ServiceOutputs, "service";
}

/// A typed reference to a declaration: only a network stands where a network is wanted.
///
/// ```compile_fail
/// use landfall_core::kind::{ClusterSpec, DatabaseSpec, Ref};
///
/// let database: Ref<DatabaseSpec> = Ref::named("main");
/// ClusterSpec::new(&database, "1.35"); // a cluster stands in a network, not in a database
/// ```
pub struct Ref<K> {
    name: Arc<str>,
    owner: Option<Arc<str>>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Ref<K> {
    /// A reference by name to a declaration of the same platform.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), owner: None, kind: PhantomData }
    }

    /// A reference that remembers the platform it was made by, so that another platform refuses it.
    #[must_use]
    pub fn owned(name: &str, owner: Arc<str>) -> Self {
        Self { name: name.into(), owner: Some(owner), kind: PhantomData }
    }

    /// The name of the declaration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The platform it was made by (`project-environment`), when it was made by one.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }
}

impl<K> Clone for Ref<K> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), owner: self.owner.clone(), kind: PhantomData }
    }
}

impl<K> PartialEq for Ref<K> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<K> Eq for Ref<K> {}

impl<K> fmt::Debug for Ref<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl<K> Serialize for Ref<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

impl<'de, K> Deserialize<'de> for Ref<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::named(&name))
    }
}

/// Native types that belong to no cloud: the logical databases and roles within a PostgreSQL server.
#[must_use]
pub fn types() -> Vec<crate::resource::ResourceType> {
    database::types()
}
