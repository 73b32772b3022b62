//! Kubernetes for Landfall: the expansions of services and meshes into Kubernetes objects.
//!
//! Objects have the schema of the Kubernetes API itself (`apiVersion`, `kind`, `metadata`, `spec`), are written for
//! Kubernetes 1.30 and newer, and stand in the same graph as the cluster they run on. This crate opens no socket.
//!
//! # What is expected in the cluster
//!
//! Objects of custom kinds are of use only where somebody answers for them. These are not installed from here:
//!
//! - **Network policies**: a network plug-in that enforces them (on EKS the VPC CNI with network policies on).
//! - **Metrics server**, when a service scales automatically.
//! - **Istio or Linkerd**, when a mesh is declared: its custom resource definitions, control plane *and its CNI plug-in*.
//!   The plug-in is not optional: without it each pod would start a privileged container, which the `restricted` Pod
//!   Security Standard of the namespaces refuses. The namespaces `istio-system` and `linkerd` are made here.
//! - **Gateway API** and a `Gateway` with the project's name in the namespace `gateway`, when a service has an ingress.
//! - **Prometheus operator**, when a service has metrics; Prometheus runs in the namespace `monitoring`. In a cluster
//!   with strict Linkerd it must be in the mesh itself; with Istio it need not be.
//! - **Secrets Store CSI driver** with the cloud's provider, when a service mounts secrets.
//!
//! # What a cluster gets besides services
//!
//! NVIDIA's device plug-in, when it has a node pool with accelerators whose nodes do not bring it.
//!
//! # What is left to the caller
//!
//! - Images by digest: an image is taken as it is named.
//! - A worker without any port has no probes, because there is nothing to ask; give it a port for metrics to have them.
//! - A rate limit is kept by the proxy of each replica, which lets its share of the calls through: the limit divided by
//!   the fewest replicas. It counts calls from inside as well, and grows as the service scales out.

mod check;
mod device_plugin;
mod mesh;
mod name;
mod object;
mod service;
mod types;

use landfall_core::cloud::Workloads;
use landfall_core::kind::{ClusterSpec, Mesh, MeshOutputs, MeshSpec, Service, ServiceOutputs, ServiceSpec};
use landfall_core::resource::ResourceType;
use landfall_core::scope::Scope;
use landfall_core::stack::Stack;
use landfall_core::{Error, Result};

/// The namespace in which the gateway is expected.
pub const GATEWAY_NAMESPACE: &str = "gateway";
/// The namespace in which Prometheus and the collector of traces are expected.
pub const MONITORING_NAMESPACE: &str = "monitoring";

/// Expands services and meshes into Kubernetes objects, the same on each cloud.
///
/// ```
/// use landfall_core::cloud::Workloads;
/// use landfall_k8s::Kubernetes;
///
/// let types = Kubernetes::new().types();
/// assert!(types.iter().any(|of| of.name == "apps/v1/Deployment"));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Kubernetes {}

impl Kubernetes {
    /// The expansions.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

impl Workloads for Kubernetes {
    fn equip_cluster(&self, _: &ClusterSpec, scope: &mut Scope<'_>) -> Result<()> {
        device_plugin::add(scope)
    }

    fn types(&self) -> Vec<ResourceType> {
        types::all()
    }

    fn check(&self, stack: &Stack) -> Vec<Error> {
        check::check(stack)
    }
}

impl Mesh for Kubernetes {
    fn expand_mesh(&self, spec: &MeshSpec, scope: &mut Scope<'_>) -> Result<MeshOutputs> {
        mesh::expand(spec, scope)
    }
}

impl Service for Kubernetes {
    fn expand_service(&self, spec: &ServiceSpec, scope: &mut Scope<'_>) -> Result<ServiceOutputs> {
        service::expand(spec, scope)
    }
}
