//! A mesh: who may speak in plain text. Its control plane is expected in the cluster and not installed from here.

use landfall_core::kind::{MeshOutputs, MeshProvider, MeshSpec, Mtls};
use landfall_core::scope::Scope;
use landfall_core::{Error, Result, map};

use crate::object::{Labels, Object, Objects, one};
use crate::types;

/// Adds the namespace of the control plane and the policy of the whole mesh.
///
/// Istio keeps that policy as an object in its root namespace. Linkerd keeps it as an annotation of each namespace in
/// the mesh, which services write; see [`Provider::namespace_annotations`].
pub(crate) fn expand(spec: &MeshSpec, scope: &mut Scope<'_>) -> Result<MeshOutputs> {
    let cluster = scope.cluster(&spec.cluster)?.native.clone();
    let provider = Provider::of(spec.provider)?;
    let namespace = provider.namespace();
    let mut objects = Objects::new(scope, cluster);
    let home = Object::new(types::NAMESPACE, namespace).labels(&provider.control_plane_labels());
    let home = objects.add("namespace", home, &[])?;
    if provider == Provider::Istio {
        let mode = match spec.mtls {
            Mtls::Strict => "STRICT",
            Mtls::Permissive => "PERMISSIVE",
        };
        let policy = Object::new(types::PEER_AUTHENTICATION, "default")
            .within(namespace)
            .with("spec", map! { "mtls" => map! { "mode" => mode } });
        objects.add("mutual-tls", policy, &[&home])?;
    }
    Ok(MeshOutputs::new(spec.provider, spec.cluster.clone(), namespace.to_owned()))
}

/// A mesh that this crate can write policies for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Istio,
    Linkerd,
}

impl Provider {
    /// The provider that a declaration means.
    pub(crate) fn of(declared: MeshProvider) -> Result<Self> {
        match declared {
            MeshProvider::Istio => Ok(Self::Istio),
            MeshProvider::Linkerd => Ok(Self::Linkerd),
            other => Err(Error::internal(format!("no policies are known for the mesh: {other:?}"))),
        }
    }

    /// The namespace of the control plane.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Istio => "istio-system",
            Self::Linkerd => "linkerd",
        }
    }

    /// Ports of the control plane that proxies call: certificates, configuration, addresses.
    pub(crate) fn control_plane_ports(self) -> &'static [u16] {
        match self {
            Self::Istio => &[15012],
            Self::Linkerd => &[8080, 8086, 8090],
        }
    }

    /// The port at which a proxy takes all calls of other proxies, where that is not the workload's own.
    pub(crate) fn transport_port(self) -> Option<u16> {
        match self {
            Self::Istio => None,
            Self::Linkerd => Some(4143),
        }
    }

    /// Ports that a proxy takes for itself, so that a workload cannot listen on them.
    pub(crate) fn takes(self, port: u16) -> bool {
        match self {
            Self::Istio => (15000..=15099).contains(&port),
            Self::Linkerd => [4140, 4143, 4190, 4191].contains(&port),
        }
    }

    /// The part of a mesh's expansion that workloads wait for.
    pub(crate) fn last_part(self) -> &'static str {
        match self {
            Self::Istio => "mutual-tls",
            Self::Linkerd => "namespace",
        }
    }

    /// Labels that have the mesh put its proxies into a namespace.
    pub(crate) fn namespace_labels(self) -> Labels {
        match self {
            Self::Istio => one("istio-injection", "enabled"),
            Self::Linkerd => Labels::new(),
        }
    }

    /// Annotations that have the mesh put its proxies into a namespace, and say who may speak in plain text there.
    pub(crate) fn namespace_annotations(self, mtls: Mtls) -> Labels {
        match self {
            Self::Istio => Labels::new(),
            Self::Linkerd => {
                let policy = match mtls {
                    Mtls::Strict => "all-authenticated",
                    Mtls::Permissive => "all-unauthenticated",
                };
                let mut annotations = one("linkerd.io/inject", "enabled");
                annotations.extend(one("config.linkerd.io/default-inbound-policy", policy));
                annotations
            }
        }
    }

    fn control_plane_labels(self) -> Labels {
        match self {
            // Istio's CNI plug-in, which lives here, needs the node's files and network. It is what spares all other
            // namespaces their privileged containers.
            Self::Istio => one("pod-security.kubernetes.io/enforce", "privileged"),
            Self::Linkerd => {
                let mut labels = one("pod-security.kubernetes.io/enforce", "restricted");
                labels.extend(one("linkerd.io/is-control-plane", "true"));
                labels.extend(one("linkerd.io/control-plane-ns", "linkerd"));
                // The injector of proxies must not wait for itself.
                labels.extend(one("config.linkerd.io/admission-webhooks", "disabled"));
                labels
            }
        }
    }
}
