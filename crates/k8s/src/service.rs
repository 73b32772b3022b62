//! A service: its namespace, identity, workload, scaling, who may reach it and whom it reaches, routes and metrics.

mod deployment;
mod istio;
mod linkerd;
mod monitoring;
mod namespace;
mod network_policy;
mod placement;
mod route;
mod scaling;
mod secrets;

use landfall_core::kind::{
    AccessOutputs, DependencyKind, Isolation, Mtls, NetworkOutputs, NodePoolOutputs, NodePoolSpec, ServiceOutputs,
    ServiceSpec, ServiceType,
};
use landfall_core::resource::{Address, Value};
use landfall_core::scope::Scope;
use landfall_core::stack::Stack;
use landfall_core::{Result, map};

use crate::device_plugin;
use crate::mesh::Provider;
use crate::name;
use crate::object::{Labels, Object, Objects, one};
use crate::types;

/// The label that tells the pods of a service from others of its namespace.
const NAME_LABEL: &str = "app.kubernetes.io/name";

/// Adds the objects of a service.
pub(crate) fn expand(spec: &ServiceSpec, scope: &mut Scope<'_>) -> Result<ServiceOutputs> {
    let cluster = scope.cluster(&spec.cluster)?.native.clone();
    let workload = Workload::new(spec, scope)?;
    let objects = &mut Objects::new(scope, cluster);
    let namespace = namespace::add(&workload, objects)?;
    let home = &[&namespace.address][..];
    let account = objects.add("service-account", service_account(&workload), home)?;
    let policy = objects.add("network-policy", network_policy::object(&workload), home)?;
    let mut before =
        vec![namespace.address.clone(), account, policy, namespace.isolation, namespace.quota, namespace.limits];
    if workload.has_secret_files() {
        before.push(objects.add("secret-provider", secrets::provider_class(&workload)?, home)?);
    }
    if spec.resources.gpu > 0 {
        before.extend(device_plugin::of(&spec.cluster, objects.scope())?);
    }
    before.extend(workload.access.iter().flat_map(|access| access.wait_for.iter().cloned()));
    before.extend(workload.pools.iter().map(|(_, pool)| pool.native.clone()));
    let before: Vec<&Address> = before.iter().collect();
    let deployment = objects.add("deployment", deployment::object(&workload), &before)?;

    if let Some(port) = workload.called_at() {
        let service = objects.add("service", cluster_service(&workload, port), home)?;
        for (part, object) in workload.mesh_objects(port) {
            objects.add(part, object, &[&namespace.address, &service])?;
        }
        if let Some(ingress) = &spec.ingress {
            objects.add("route", route::object(&workload, ingress, port), &[&namespace.address, &service])?;
        }
    }
    if let Some(autoscaling) = spec.autoscaling {
        objects.add("autoscaler", scaling::autoscaler(&workload, autoscaling), &[&namespace.address, &deployment])?;
    }
    if let Some(budget) = scaling::disruption_budget(&workload) {
        objects.add("disruption-budget", budget, home)?;
    }
    if let Some(monitor) = monitoring::monitor(&workload) {
        objects.add("pod-monitor", monitor, home)?;
    }
    Ok(workload.outputs(deployment))
}

/// A service and everything its objects are made from.
#[derive(Debug)]
pub(crate) struct Workload<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) spec: &'a ServiceSpec,
    pub(crate) stack: &'a Stack,
    pub(crate) cloud: &'static str,
    pub(crate) region: &'a str,
    pub(crate) access: Option<&'a AccessOutputs>,
    /// The mesh of its cluster.
    pub(crate) around: Option<Membership<'a>>,
    /// The mesh it takes part in.
    pub(crate) mesh: Option<Membership<'a>>,
    pub(crate) network: &'a NetworkOutputs,
    /// The pools its replicas may run on.
    pub(crate) pools: Vec<(&'a NodePoolSpec, &'a NodePoolOutputs)>,
    /// The other pools of its cluster.
    pub(crate) other_pools: Vec<(&'a NodePoolSpec, &'a NodePoolOutputs)>,
    /// Services it calls.
    pub(crate) calls: Vec<Peer<'a>>,
    /// Services that declare it as a dependency.
    pub(crate) callers: Vec<Peer<'a>>,
}

/// A service's part in a mesh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership<'a> {
    pub(crate) name: &'a str,
    pub(crate) provider: Provider,
    pub(crate) mtls: Mtls,
}

/// Another service of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Peer<'a> {
    /// The name by which the service knows it.
    pub(crate) alias: &'a str,
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) port: Option<u16>,
}

impl<'a> Workload<'a> {
    fn new(spec: &'a ServiceSpec, scope: &Scope<'a>) -> Result<Self> {
        let (stack, name) = (scope.stack(), scope.name());
        let around = membership(stack, spec)?;
        let (pools, other_pools) = scope
            .node_pools(&spec.cluster)
            .partition(|(pool, made)| spec.may_run_on(pool, made.accelerator.map_or(0, |(_, count)| count)));
        let network = scope.network(&scope.cluster(&spec.cluster)?.network)?;
        Ok(Self {
            name,
            namespace: namespace_of(name, spec),
            spec,
            stack,
            cloud: scope.cloud(),
            region: scope.region(),
            access: scope.access(name),
            around,
            mesh: around.filter(|_| spec.mesh.is_some()),
            network,
            pools,
            other_pools,
            calls: calls(stack, spec),
            callers: callers(stack, name),
        })
    }

    /// The labels of its pods that never change.
    pub(crate) fn selector(&self) -> Labels {
        one(NAME_LABEL, self.name)
    }

    /// The labels of all its objects: what it is called, what it is part of, and the user's own.
    pub(crate) fn labels(&self) -> Labels {
        let mut labels = tag_labels(&self.stack.tags);
        labels.extend(tag_labels(&self.spec.labels));
        labels.extend(self.selector());
        labels.extend(one("app.kubernetes.io/part-of", &name::label_value(&self.stack.id.project)));
        labels.extend(one(
            "app.kubernetes.io/component",
            match self.spec.service_type {
                ServiceType::Api => "api",
                ServiceType::Worker => "worker",
            },
        ));
        labels
    }

    /// An object of the service's own name in its namespace.
    pub(crate) fn object(&self, type_name: &'static str) -> Object {
        Object::new(type_name, self.name).within(self.namespace).labels(&self.labels())
    }

    /// The port at which others call it; none for a worker.
    pub(crate) fn called_at(&self) -> Option<u16> {
        self.spec.port.filter(|_| self.spec.service_type == ServiceType::Api)
    }

    /// The port of its metrics, when it has any.
    pub(crate) fn metrics_port(&self) -> Option<u16> {
        self.spec.metrics.as_ref().and_then(|metrics| metrics.port.or(self.spec.port))
    }

    /// Whether files of secrets are mounted.
    pub(crate) fn has_secret_files(&self) -> bool {
        self.access.is_some_and(|access| !access.secret_files.is_empty())
    }

    /// Whether only declared callers may reach it.
    pub(crate) fn is_closed(&self) -> bool {
        self.spec.isolation == Isolation::Dependants
    }

    /// Whether it takes part in a mesh in which nobody speaks in plain text.
    pub(crate) fn knows_callers(&self) -> bool {
        self.mesh.is_some_and(|mesh| mesh.mtls == Mtls::Strict)
    }

    /// Whether this mesh spans its cluster.
    pub(crate) fn cluster_has(&self, provider: Provider) -> bool {
        self.around.is_some_and(|mesh| mesh.provider == provider)
    }

    /// Its host name in the cluster.
    pub(crate) fn host(&self) -> String {
        format!("{}.{}.svc.cluster.local", self.name, self.namespace)
    }

    fn mesh_objects(&self, port: u16) -> Vec<(&'static str, Object)> {
        match self.mesh.map(|mesh| mesh.provider) {
            Some(Provider::Istio) => istio::objects(self, port),
            Some(Provider::Linkerd) => linkerd::objects(self, port),
            None => Vec::new(),
        }
    }

    fn outputs(&self, deployment: Address) -> ServiceOutputs {
        let port = self.called_at();
        let host = port.map(|_| self.host()).unwrap_or_default();
        let mut outputs = ServiceOutputs::new(deployment, self.namespace.to_owned(), host);
        outputs.port = port.map_or(Value::Null, Value::from);
        outputs.path = port.and(self.spec.ingress.as_ref()).map(|ingress| ingress.path.clone());
        outputs
    }
}

/// The namespace of a service: its own name unless told otherwise.
pub(crate) fn namespace_of<'a>(name: &'a str, spec: &'a ServiceSpec) -> &'a str {
    spec.namespace.as_deref().unwrap_or(name)
}

/// The mesh of a service's cluster.
pub(crate) fn membership<'a>(stack: &'a Stack, spec: &ServiceSpec) -> Result<Option<Membership<'a>>> {
    let Some((name, mesh)) = stack.meshes.iter().find(|(_, mesh)| mesh.spec.cluster == spec.cluster) else {
        return Ok(None);
    };
    Ok(Some(Membership { name, provider: Provider::of(mesh.spec.provider)?, mtls: mesh.spec.mtls }))
}

/// Tags as labels, as far as labels can hold them.
pub(crate) fn tag_labels(tags: &Labels) -> Labels {
    tags.iter()
        .filter_map(|(key, value)| Some((name::label_key(key)?, name::label_value(value))))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// Known annotations as an object takes them.
fn known(annotations: Labels) -> impl Iterator<Item = (String, Value)> {
    annotations.into_iter().map(|(key, value)| (key, value.into()))
}

fn calls<'a>(stack: &'a Stack, spec: &'a ServiceSpec) -> Vec<Peer<'a>> {
    let mut peers: Vec<_> = spec
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Service)
        .filter_map(|dependency| Some((dependency.name.as_str(), stack.target_of(dependency)?)))
        .filter_map(|(alias, name)| {
            let called = &stack.services.get(name)?.spec;
            Some(Peer { alias, name, namespace: namespace_of(name, called), port: called.port })
        })
        .collect();
    peers.sort_unstable();
    peers
}

fn callers<'a>(stack: &'a Stack, name: &str) -> Vec<Peer<'a>> {
    stack
        .services
        .iter()
        .filter(|(_, caller)| {
            let mut dependencies = caller.spec.dependencies.iter();
            dependencies.any(|dependency| {
                dependency.kind == DependencyKind::Service && stack.target_of(dependency) == Some(name)
            })
        })
        .map(|(caller, declared)| Peer {
            alias: caller,
            name: caller,
            namespace: namespace_of(caller, &declared.spec),
            port: declared.spec.port,
        })
        .collect()
}

fn service_account(workload: &Workload<'_>) -> Object {
    let annotations = workload.access.into_iter().flat_map(|access| access.annotations.clone());
    // Its pods speak to the cloud and to each other, never to the Kubernetes API: they get no token for it.
    workload.object(types::SERVICE_ACCOUNT).annotations(annotations).with("automountServiceAccountToken", false)
}

fn cluster_service(workload: &Workload<'_>, port: u16) -> Object {
    let annotations = match workload.mesh.map(|mesh| mesh.provider) {
        Some(Provider::Linkerd) => linkerd::service_annotations(workload),
        _ => Labels::new(),
    };
    workload.object(types::SERVICE).annotations(known(annotations)).with(
        "spec",
        map! {
            "type" => "ClusterIP",
            "selector" => crate::object::text_map(&workload.selector()),
            // Meshes and gateways take the protocol from the name.
            "ports" => [map! { "name" => "http", "port" => port, "targetPort" => "http", "protocol" => "TCP" }],
        },
    )
}
