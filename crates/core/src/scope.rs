//! What an expansion may see and add.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Position;
use crate::kind::{
    AccessOutputs, BucketOutputs, BucketSpec, CacheOutputs, CacheSpec, ClusterOutputs, ClusterSpec, DatabaseOutputs,
    DatabaseSpec, DependencyKind, Kind, MeshOutputs, NetworkOutputs, NetworkSpec, NodePoolOutputs, NodePoolSpec, Ref,
    ServiceOutputs, ServiceSpec,
};
use crate::resource::{Address, Catalog, Marks, Properties, Reference, Resource, Value};
use crate::stack::Stack;
use crate::{Code, Error, Result};

/// What every expansion so far has handed out, by declaration name. Values are references before an apply and plain
/// values after it.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AllOutputs {
    /// Of networks.
    pub networks: BTreeMap<String, NetworkOutputs>,
    /// Of clusters.
    pub clusters: BTreeMap<String, ClusterOutputs>,
    /// Of node pools.
    pub node_pools: BTreeMap<String, NodePoolOutputs>,
    /// Of databases.
    pub databases: BTreeMap<String, DatabaseOutputs>,
    /// Of caches.
    pub caches: BTreeMap<String, CacheOutputs>,
    /// Of buckets.
    pub buckets: BTreeMap<String, BucketOutputs>,
    /// Of meshes.
    pub meshes: BTreeMap<String, MeshOutputs>,
    /// Of services.
    pub services: BTreeMap<String, ServiceOutputs>,
    /// What the cloud grants each service.
    pub access: BTreeMap<String, AccessOutputs>,
}

/// What an expansion may see (the whole stack, what earlier expansions handed out) and add (native resources).
#[derive(Debug)]
pub struct Scope<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) catalog: &'a Catalog,
    pub(crate) outputs: &'a AllOutputs,
    pub(crate) cloud: &'static str,
    pub(crate) region: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) name: &'a str,
    pub(crate) origin: Option<Position>,
    pub(crate) resources: &'a mut BTreeMap<Address, Resource>,
}

/// A native resource that was added: the source of references to it.
#[derive(Clone, Debug)]
pub struct Native {
    address: Address,
}

impl Native {
    /// A handle on the resource at this address.
    #[must_use]
    pub fn at(address: Address) -> Self {
        Self { address }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A reference to its identifier (CloudFormation's `Ref`).
    #[must_use]
    pub fn id(&self) -> Value {
        self.attribute("")
    }

    /// A reference to one of its outputs (CloudFormation's `Fn::GetAtt`).
    #[must_use]
    pub fn attribute(&self, name: &str) -> Value {
        Value::Reference(Reference { target: self.address.clone(), attribute: name.to_owned() })
    }
}

impl<'a> Scope<'a> {
    /// Adds a native resource: `part` is its name within this expansion, such as `subnet-private-a`. Ownership marks
    /// and the stack's tags are written where the type carries them.
    ///
    /// # Errors
    /// [`Code::NameTaken`] when the part was added before, [`Code::InvalidName`], [`Code::UnknownType`].
    pub fn native(&mut self, part: &str, type_name: &str, properties: Properties) -> Result<Native> {
        self.native_with(part, type_name, properties, |_| {})
    }

    /// [`Scope::native`], with a chance to set what is not a property: what to wait for, protection, the cluster.
    ///
    /// # Errors
    /// As [`Scope::native`].
    pub fn native_with(
        &mut self,
        part: &str,
        type_name: &str,
        properties: Properties,
        set: impl FnOnce(&mut Resource),
    ) -> Result<Native> {
        let address = self.address(part)?;
        let mut resource = self.resource(address.clone(), part, type_name, properties)?;
        set(&mut resource);
        if self.resources.insert(address.clone(), resource).is_some() {
            return Err(Error::new(Code::NameTaken, format!("the expansion adds a part twice: {part}")).at(&address));
        }
        Ok(Native { address })
    }

    /// Adds, once, a native resource that several declarations share and none owns, such as a namespace. Its address is
    /// `cloud/kind/name/part`, whoever adds it first, so it does not move when one of them goes. Every declaration must
    /// therefore describe it alike: from the stack, not from itself.
    ///
    /// # Errors
    /// [`Code::Internal`] when two descriptions differ; else as [`Scope::native`].
    pub fn shared(
        &mut self,
        kind: &str,
        name: &str,
        part: &str,
        type_name: &str,
        properties: Properties,
        set: impl FnOnce(&mut Resource),
    ) -> Result<Native> {
        let address = Address::new(self.cloud, kind, name, part)?;
        let mut resource = self.resource(address.clone(), part, type_name, properties)?;
        set(&mut resource);
        if let Some(added) = self.resources.get(&address) {
            resource.origin.clone_from(&added.origin);
            if *added != resource {
                return Err(Error::internal("declarations describe what they share differently").at(&address));
            }
            return Ok(Native { address });
        }
        self.resources.insert(address.clone(), resource);
        Ok(Native { address })
    }

    /// The address that a part of this expansion has.
    ///
    /// # Errors
    /// [`Code::InvalidName`].
    pub fn address(&self, part: &str) -> Result<Address> {
        Address::new(self.cloud, self.kind, self.name, part)
    }

    /// Everything that was declared.
    #[must_use]
    pub fn stack(&self) -> &'a Stack {
        self.stack
    }

    /// The name of the declaration that is expanded.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The cloud's name.
    #[must_use]
    pub fn cloud(&self) -> &'static str {
        self.cloud
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &'a str {
        self.region
    }

    /// What earlier expansions handed out.
    #[must_use]
    pub fn outputs(&self) -> &'a AllOutputs {
        self.outputs
    }

    /// What a network handed out.
    ///
    /// # Errors
    /// [`Code::UnknownReference`].
    pub fn network(&self, of: &Ref<NetworkSpec>) -> Result<&'a NetworkOutputs> {
        find(&self.outputs.networks, of)
    }

    /// What a cluster handed out.
    ///
    /// # Errors
    /// [`Code::UnknownReference`].
    pub fn cluster(&self, of: &Ref<ClusterSpec>) -> Result<&'a ClusterOutputs> {
        find(&self.outputs.clusters, of)
    }

    /// The node pools of a cluster, by name.
    pub fn node_pools(&self, of: &Ref<ClusterSpec>) -> impl Iterator<Item = (&'a NodePoolSpec, &'a NodePoolOutputs)> {
        let stack = self.stack;
        let outputs = self.outputs;
        let of = of.clone();
        stack
            .node_pools
            .iter()
            .filter(move |(_, pool)| pool.spec.cluster == of)
            .filter_map(move |(name, pool)| Some((&pool.spec, outputs.node_pools.get(name)?)))
    }

    /// The mesh of a cluster, when one is declared.
    #[must_use]
    pub fn mesh(&self, of: &Ref<ClusterSpec>) -> Option<&'a MeshOutputs> {
        self.outputs.meshes.values().find(|mesh| mesh.cluster == *of)
    }

    /// The clusters whose services depend on the declaration of this kind and name: who may reach it, and nobody else.
    #[must_use]
    pub fn clients(&self, kind: DependencyKind, name: &str) -> BTreeSet<String> {
        self.stack
            .services
            .values()
            .filter(|service| {
                service
                    .spec
                    .dependencies
                    .iter()
                    .any(|dependency| dependency.kind == kind && self.stack.target_of(dependency) == Some(name))
            })
            .map(|service| service.spec.cluster.name().to_owned())
            .collect()
    }

    /// What the cloud grants the service of this name.
    #[must_use]
    pub fn access(&self, service: &str) -> Option<&'a AccessOutputs> {
        self.outputs.access.get(service)
    }

    /// What a database handed out.
    ///
    /// # Errors
    /// [`Code::UnknownReference`].
    pub fn database(&self, of: &Ref<DatabaseSpec>) -> Result<&'a DatabaseOutputs> {
        find(&self.outputs.databases, of)
    }

    /// What a cache handed out.
    ///
    /// # Errors
    /// [`Code::UnknownReference`].
    pub fn cache(&self, of: &Ref<CacheSpec>) -> Result<&'a CacheOutputs> {
        find(&self.outputs.caches, of)
    }

    /// What a bucket handed out.
    ///
    /// # Errors
    /// [`Code::UnknownReference`].
    pub fn bucket(&self, of: &Ref<BucketSpec>) -> Result<&'a BucketOutputs> {
        find(&self.outputs.buckets, of)
    }

    /// What a service handed out; services are expanded in the order of their dependencies on each other.
    ///
    /// # Errors
    /// [`Code::UnknownReference`].
    pub fn service(&self, of: &Ref<ServiceSpec>) -> Result<&'a ServiceOutputs> {
        find(&self.outputs.services, of)
    }
}

impl Scope<'_> {
    fn resource(&self, address: Address, part: &str, type_name: &str, properties: Properties) -> Result<Resource> {
        let of = self.catalog.get(type_name).map_err(|error| error.at(&address))?;
        let mut resource = Resource::new(address, type_name, properties);
        resource.protected = of.holds_data;
        resource.origin.clone_from(&self.origin);
        let mut tags = self.stack.tags.clone();
        tags.entry("Name".to_owned())
            .or_insert_with(|| format!("{}-{}-{part}", self.stack.id, resource.address.name()));
        Marks::new(&self.stack.id, &resource.address, 0).write(of, &tags, &mut resource.properties);
        Ok(resource)
    }
}

fn find<'a, K: Kind>(outputs: &'a BTreeMap<String, K::Outputs>, of: &Ref<K>) -> Result<&'a K::Outputs> {
    outputs.get(of.name()).ok_or_else(|| {
        Error::new(Code::UnknownReference, format!("no {} of this name: {}", K::NAME, of.name()))
            .hint(format!("declare the {} with the builder before what stands on it", K::NAME))
    })
}
