//! A small platform for the tests of this crate.

use std::sync::Arc;

use landfall_core::cloud::{Clouds, Workloads};
use landfall_core::graph::{Expanded, expand};
use landfall_core::kind::{
    ClusterSpec, DatabaseSpec, Mesh, MeshOutputs, MeshSpec, NetworkSpec, NodePoolSpec, Ref, Service, ServiceOutputs,
    ServiceSpec,
};
use landfall_core::resource::{ResourceType, StackId};
use landfall_core::scope::Scope;
use landfall_core::stack::{Declarations, Declared, Stack};
use landfall_core::units::Date;
use landfall_core::{Error, Result};
use serde_json::Value as Json;

use crate::Aws;

/// A stack with the network `core`, the cluster `main` and one node pool.
pub(crate) fn stack() -> Stack {
    let mut stack = Stack::new(StackId::new("inferloop", "dev"), Date::new(2026, 11, 23));
    declare(&mut stack.networks, "core", NetworkSpec::new("10.0.0.0/16".parse().unwrap()));
    declare(&mut stack.clusters, "main", ClusterSpec::new(&network(), "1.35"));
    declare(&mut stack.node_pools, "general", NodePoolSpec::new(&Ref::named("main")));
    stack
}

pub(crate) fn network() -> Ref<NetworkSpec> {
    Ref::named("core")
}

pub(crate) fn database() -> DatabaseSpec {
    DatabaseSpec::postgres(&network(), "17")
}

pub(crate) fn service() -> ServiceSpec {
    ServiceSpec::new(&Ref::named("main"), "registry.example.com/service@sha256:0")
}

pub(crate) fn declare<S>(all: &mut Declarations<S>, name: &str, spec: S) {
    all.insert(name.to_owned(), Declared::new(spec, None));
}

pub(crate) fn expanded(stack: &Stack) -> Result<Expanded> {
    expand(stack, &clouds(Arc::new(Aws::new("eu-west-1"))))
}

/// A cloud without Kubernetes.
pub(crate) fn clouds(cloud: Arc<Aws>) -> Clouds {
    Clouds { cloud, workloads: Arc::new(NoWorkloads) }
}

/// The native resources of one declaration (`database/main`), without tags: address, type, properties, dependencies.
pub(crate) fn natives(expanded: &Expanded, declaration: &str) -> String {
    let of_declaration = expanded.graph.iter().filter(|resource| resource.address.declaration() == declaration);
    let lines = of_declaration.map(|resource| {
        let mut properties = resource.properties.clone();
        properties.remove("Tags");
        let json = serde_json::json!([resource.address, resource.type_name, properties, resource.depends_on]);
        serde_json::to_string_pretty(&json).unwrap()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A property of the resource at an address, as JSON.
pub(crate) fn property(expanded: &Expanded, address: &str, name: &str) -> Json {
    expanded.graph.get(&address.parse().unwrap()).unwrap().properties[name].to_json()
}

/// Stands in for Kubernetes.
#[derive(Debug)]
struct NoWorkloads;

impl Mesh for NoWorkloads {
    fn expand_mesh(&self, spec: &MeshSpec, _: &mut Scope<'_>) -> Result<MeshOutputs> {
        Ok(MeshOutputs::new(spec.provider, spec.cluster.clone(), "mesh".into()))
    }
}

impl Service for NoWorkloads {
    fn expand_service(&self, _: &ServiceSpec, scope: &mut Scope<'_>) -> Result<ServiceOutputs> {
        Ok(ServiceOutputs::new(scope.address("deployment")?, scope.name().into(), String::new()))
    }
}

impl Workloads for NoWorkloads {
    fn types(&self) -> Vec<ResourceType> {
        Vec::new()
    }

    fn check(&self, _: &Stack) -> Vec<Error> {
        Vec::new()
    }
}
