//! A service mesh in a cluster: who may speak in plain text, and who may not.

use serde::{Deserialize, Serialize};

use super::{ClusterSpec, Ref};
use crate::Result;
use crate::scope::Scope;

/// How a mesh is made from Kubernetes objects.
pub trait Mesh: Send + Sync {
    /// Adds to `scope` the native resources that make up `spec`. Pure: no clock, no randomness, no I/O.
    ///
    /// # Errors
    /// What is wrong with the spec.
    fn expand_mesh(&self, spec: &MeshSpec, scope: &mut Scope<'_>) -> Result<MeshOutputs>;
}

/// A service mesh as a user means it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MeshSpec {
    /// The cluster it spans.
    pub cluster: Ref<ClusterSpec>,
    /// Which mesh.
    pub provider: MeshProvider,
    /// Who may speak in plain text.
    pub mtls: Mtls,
}

/// Which mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MeshProvider {
    /// Istio.
    Istio,
    /// Linkerd.
    Linkerd,
}

/// Who may speak in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mtls {
    /// Nobody: both sides prove who they are.
    Strict,
    /// Those outside the mesh.
    Permissive,
}

impl MeshSpec {
    /// Istio with strict mutual TLS.
    #[must_use]
    pub fn istio(cluster: &Ref<ClusterSpec>) -> Self {
        Self { cluster: cluster.clone(), provider: MeshProvider::Istio, mtls: Mtls::Strict }
    }

    /// Linkerd with strict mutual TLS.
    #[must_use]
    pub fn linkerd(cluster: &Ref<ClusterSpec>) -> Self {
        Self { cluster: cluster.clone(), provider: MeshProvider::Linkerd, mtls: Mtls::Strict }
    }

    /// Sets who may speak in plain text.
    #[must_use]
    pub fn mtls(mut self, mtls: Mtls) -> Self {
        self.mtls = mtls;
        self
    }
}

/// What others need of a mesh.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MeshOutputs {
    /// Which mesh.
    pub provider: MeshProvider,
    /// The cluster it spans.
    pub cluster: Ref<ClusterSpec>,
    /// The namespace of its control plane.
    pub namespace: String,
}

impl MeshOutputs {
    /// Outputs of a mesh.
    #[must_use]
    pub fn new(provider: MeshProvider, cluster: Ref<ClusterSpec>, namespace: String) -> Self {
        Self { provider, cluster, namespace }
    }
}
