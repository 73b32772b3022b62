//! What the declarations hand out after an apply, found by the references that the builder gave.

use landfall_core::kind::{
    BucketOutputs, BucketSpec, CacheOutputs, CacheSpec, ClusterOutputs, ClusterSpec, DatabaseOutputs, DatabaseSpec,
    Kind, MeshOutputs, MeshSpec, NetworkOutputs, NetworkSpec, NodePoolOutputs, NodePoolSpec, Ref, ServiceOutputs,
    ServiceSpec,
};
use landfall_core::scope::AllOutputs;
use landfall_core::{Code, Error, Result};
use std::collections::BTreeMap;

/// What the declarations hand out. Plain values: nothing in it is a secret, only where the cloud keeps one.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs(AllOutputs);

macro_rules! outputs {
    ($($(#[$meta:meta])* $name:ident: $all:ident, $spec:ty => $outputs:ty;)*) => {
        impl Outputs {
            $($(#[$meta])*
            ///
            /// # Errors
            /// [`Code::UnknownReference`] when nothing of this name converged.
            pub fn $name(&self, of: &Ref<$spec>) -> Result<&$outputs> {
                find(&self.0.$all, of)
            })*
        }
    };
}

outputs! {
    /// Of a network.
    network: networks, NetworkSpec => NetworkOutputs;
    /// Of a cluster.
    cluster: clusters, ClusterSpec => ClusterOutputs;
    /// Of a node pool.
    node_pool: node_pools, NodePoolSpec => NodePoolOutputs;
    /// Of a database.
    database: databases, DatabaseSpec => DatabaseOutputs;
    /// Of a cache.
    cache: caches, CacheSpec => CacheOutputs;
    /// Of a bucket.
    bucket: buckets, BucketSpec => BucketOutputs;
    /// Of a mesh.
    mesh: meshes, MeshSpec => MeshOutputs;
    /// Of a service.
    service: services, ServiceSpec => ServiceOutputs;
}

impl Outputs {
    pub(crate) fn new(all: AllOutputs) -> Self {
        Self(all)
    }

    /// Everything, by declaration name.
    #[must_use]
    pub fn all(&self) -> &AllOutputs {
        &self.0
    }
}

fn find<'a, K: Kind>(all: &'a BTreeMap<String, K::Outputs>, of: &Ref<K>) -> Result<&'a K::Outputs> {
    all.get(of.name()).ok_or_else(|| {
        Error::new(Code::UnknownReference, format!("no {} of this name has converged: {}", K::NAME, of.name()))
            .hint("converge a platform that declares it")
    })
}
