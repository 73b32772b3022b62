//! Everything that was declared, before any cloud is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Position;
use crate::kind::{BucketSpec, CacheSpec, ClusterSpec, DatabaseSpec, MeshSpec, NetworkSpec, NodePoolSpec, ServiceSpec};
use crate::resource::{Properties, StackId};
use crate::secret::Secret;
use crate::units::Date;

/// All declarations of one stack.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Project and environment.
    pub id: StackId,
    /// Tags on everything.
    pub tags: BTreeMap<String, String>,
    /// The day that dates of support are compared with.
    pub today: Date,
    /// Networks by name.
    pub networks: Declarations<NetworkSpec>,
    /// Clusters by name.
    pub clusters: Declarations<ClusterSpec>,
    /// Node pools by name.
    pub node_pools: Declarations<NodePoolSpec>,
    /// Databases by name.
    pub databases: Declarations<DatabaseSpec>,
    /// Caches by name.
    pub caches: Declarations<CacheSpec>,
    /// Buckets by name.
    pub buckets: Declarations<BucketSpec>,
    /// Meshes by name.
    pub meshes: Declarations<MeshSpec>,
    /// Services by name.
    pub services: Declarations<ServiceSpec>,
    /// Native resources without a kind, by name.
    pub natives: Declarations<NativeSpec>,
    /// Secrets given by the caller, by name.
    pub secrets: BTreeMap<String, Secret>,
}

/// Declarations of one kind, by name.
pub type Declarations<S> = BTreeMap<String, Declared<S>>;

/// A spec and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared<S> {
    /// What was declared.
    pub spec: S,
    /// Where: a line of Rust, or of a configuration file.
    pub origin: Option<Position>,
    /// Where single fields come from, by dotted path in the spec's JSON form, such as `resources.cpu`.
    pub fields: Arc<BTreeMap<String, Position>>,
}

impl<S> Declared<S> {
    /// A declaration from one place.
    #[must_use]
    pub fn new(spec: S, origin: Option<Position>) -> Self {
        Self { spec, origin, fields: Arc::default() }
    }

    /// The place of a field, or of the nearest field above it, or of the whole declaration.
    #[must_use]
    pub fn position(&self, field: &str) -> Option<&Position> {
        nearest(&self.fields, self.origin.as_ref(), field)
    }
}

/// The place of a field, or of the nearest field above it, or else `origin`.
pub(crate) fn nearest<'a>(
    fields: &'a BTreeMap<String, Position>,
    origin: Option<&'a Position>,
    field: &str,
) -> Option<&'a Position> {
    let mut path = field;
    loop {
        if let Some(position) = fields.get(path) {
            return Some(position);
        }
        match path.rfind('.') {
            Some(dot) => path = &path[..dot],
            None => return origin,
        }
    }
}

/// A native resource declared without a kind.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct NativeSpec {
    /// The native type's name.
    pub type_name: String,
    /// Its properties in the cloud's published schema.
    pub properties: Properties,
}

impl Stack {
    /// An empty stack.
    #[must_use]
    pub fn new(id: StackId, today: Date) -> Self {
        Self {
            id,
            tags: BTreeMap::new(),
            today,
            networks: BTreeMap::new(),
            clusters: BTreeMap::new(),
            node_pools: BTreeMap::new(),
            databases: BTreeMap::new(),
            caches: BTreeMap::new(),
            buckets: BTreeMap::new(),
            meshes: BTreeMap::new(),
            services: BTreeMap::new(),
            natives: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

impl Stack {
    /// The declaration that a service's dependency means: the one it names, else the one of its kind with the
    /// dependency's own name, else the only one of its kind.
    #[must_use]
    pub fn target_of<'a>(&'a self, dependency: &'a crate::kind::Dependency) -> Option<&'a str> {
        use crate::kind::DependencyKind;
        fn pick<'a, S>(all: &'a Declarations<S>, dependency: &'a crate::kind::Dependency) -> Option<&'a str> {
            if let Some(target) = &dependency.target {
                return all.get_key_value(target.as_str()).map(|(name, _)| name.as_str());
            }
            match all.get_key_value(dependency.name.as_str()) {
                Some((name, _)) => Some(name),
                None if all.len() == 1 => all.keys().next().map(String::as_str),
                None => None,
            }
        }
        match dependency.kind {
            DependencyKind::Database => pick(&self.databases, dependency),
            DependencyKind::Cache => pick(&self.caches, dependency),
            DependencyKind::Storage => pick(&self.buckets, dependency),
            DependencyKind::Service => {
                let wanted = dependency.target.as_ref().unwrap_or(&dependency.name);
                self.services.get_key_value(wanted).map(|(name, _)| name.as_str())
            }
            DependencyKind::Queue => None,
        }
    }
}
