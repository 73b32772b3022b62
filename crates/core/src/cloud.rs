//! What a cloud is to the core: expansions of every kind, a table of native types, and rules for names and places.

use std::fmt::Debug;
use std::sync::Arc;

use crate::kind::{Access, Bucket, Cache, Cluster, ClusterSpec, Database, Mesh, Network, NodePool, Service};
use crate::resource::ResourceType;
use crate::scope::Scope;
use crate::stack::Stack;
use crate::{Error, Result};

/// One cloud: expansions and tables, no connection.
pub trait Cloud: Network + Cluster + NodePool + Database + Cache + Bucket + Access + Debug + Send + Sync {
    /// The cloud's name in addresses, such as `aws`.
    fn name(&self) -> &'static str;

    /// The partition of the region, such as `aws`; empty where the cloud has none.
    fn partition(&self) -> &'static str {
        ""
    }

    /// The region things are made in.
    fn region(&self) -> &str;

    /// The cloud's native types.
    fn types(&self) -> Vec<ResourceType>;

    /// Problems of the declarations that only this cloud knows of: regions, zones, versions, machine types, names and
    /// tags. Everything that can be found is reported at once.
    fn check(&self, stack: &Stack) -> Vec<Error>;
}

/// Kubernetes, the same on each cloud: expansions of mesh and service, and what a cluster holds besides them.
pub trait Workloads: Mesh + Service + Debug + Send + Sync {
    /// Adds to `scope`, which is the cluster's, the objects that its nodes need whatever runs on them. It is called once
    /// for each cluster, when its pools are known. Pure: no clock, no randomness, no I/O.
    ///
    /// # Errors
    /// What is wrong with the cluster and its pools.
    fn equip_cluster(&self, spec: &ClusterSpec, scope: &mut Scope<'_>) -> Result<()> {
        let _ = (spec, scope);
        Ok(())
    }

    /// The native types of Kubernetes.
    fn types(&self) -> Vec<ResourceType>;

    /// Problems of the declarations that only Kubernetes knows of.
    fn check(&self, stack: &Stack) -> Vec<Error>;
}

/// The clouds of a stack.
#[derive(Clone, Debug)]
pub struct Clouds {
    /// The cloud that declarations stand on.
    pub cloud: Arc<dyn Cloud>,
    /// Kubernetes.
    pub workloads: Arc<dyn Workloads>,
}
