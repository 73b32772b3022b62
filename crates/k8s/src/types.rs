//! The native types of Kubernetes: what is known of each without a cluster.

use std::time::Duration;

use landfall_core::resource::{Api, IdentityClass, ResourceType, TagStyle, Usual, Verbs};

pub(crate) const NAMESPACE: &str = "v1/Namespace";
pub(crate) const SERVICE_ACCOUNT: &str = "v1/ServiceAccount";
pub(crate) const SERVICE: &str = "v1/Service";
pub(crate) const RESOURCE_QUOTA: &str = "v1/ResourceQuota";
pub(crate) const LIMIT_RANGE: &str = "v1/LimitRange";
pub(crate) const DEPLOYMENT: &str = "apps/v1/Deployment";
pub(crate) const DAEMON_SET: &str = "apps/v1/DaemonSet";
pub(crate) const AUTOSCALER: &str = "autoscaling/v2/HorizontalPodAutoscaler";
pub(crate) const DISRUPTION_BUDGET: &str = "policy/v1/PodDisruptionBudget";
pub(crate) const NETWORK_POLICY: &str = "networking.k8s.io/v1/NetworkPolicy";
pub(crate) const SECRET_PROVIDER_CLASS: &str = "secrets-store.csi.x-k8s.io/v1/SecretProviderClass";
pub(crate) const HTTP_ROUTE: &str = "gateway.networking.k8s.io/v1/HTTPRoute";
pub(crate) const POD_MONITOR: &str = "monitoring.coreos.com/v1/PodMonitor";
pub(crate) const PEER_AUTHENTICATION: &str = "security.istio.io/v1/PeerAuthentication";
pub(crate) const ISTIO_AUTHORIZATION: &str = "security.istio.io/v1/AuthorizationPolicy";
pub(crate) const VIRTUAL_SERVICE: &str = "networking.istio.io/v1/VirtualService";
pub(crate) const DESTINATION_RULE: &str = "networking.istio.io/v1/DestinationRule";
pub(crate) const ENVOY_FILTER: &str = "networking.istio.io/v1alpha3/EnvoyFilter";
pub(crate) const LINKERD_SERVER: &str = "policy.linkerd.io/v1beta3/Server";
pub(crate) const LINKERD_AUTHORIZATION: &str = "policy.linkerd.io/v1alpha1/AuthorizationPolicy";
pub(crate) const LINKERD_AUTHENTICATION: &str = "policy.linkerd.io/v1alpha1/MeshTLSAuthentication";
pub(crate) const LINKERD_RATE_LIMIT: &str = "policy.linkerd.io/v1alpha1/HTTPLocalRateLimitPolicy";

/// What all objects have in common: the API server answers at once, and what it has said it does not take back.
const OBJECT: ResourceType = ResourceType {
    api: Api::Kubernetes,
    identity: IdentityClass::Named(&["metadata.namespace", "metadata.name"]),
    identifier: "name",
    replaces: &["metadata.name", "metadata.namespace"],
    tags: TagStyle::Kubernetes,
    create: Usual::seconds(0, 1, 3),
    update: Usual::seconds(0, 1, 3),
    delete: Usual::seconds(0, 1, 5),
    lag: Duration::ZERO,
    ..ResourceType::DEFAULT
};

/// The verbs on one resource of the API, as role-based access control writes them.
macro_rules! verbs {
    ($resource:literal) => {
        Verbs {
            create: &[concat!($resource, ":create"), concat!($resource, ":patch")],
            read: &[concat!($resource, ":get"), concat!($resource, ":list")],
            update: &[concat!($resource, ":patch")],
            delete: &[concat!($resource, ":delete")],
        }
    };
}

/// All types.
pub(crate) fn all() -> Vec<ResourceType> {
    vec![
        ResourceType {
            name: NAMESPACE.into(),
            identity: IdentityClass::Named(&["metadata.name"]),
            replaces: &["metadata.name"],
            security: &["metadata.labels"],
            delete: Usual::seconds(5, 10, 120),
            verbs: verbs!("namespaces"),
            ..OBJECT
        },
        ResourceType { name: SERVICE_ACCOUNT.into(), verbs: verbs!("serviceaccounts"), ..OBJECT },
        ResourceType {
            name: SERVICE.into(),
            replaces: &["metadata.name", "metadata.namespace", "spec.clusterIP"],
            verbs: verbs!("services"),
            ..OBJECT
        },
        ResourceType { name: RESOURCE_QUOTA.into(), verbs: verbs!("resourcequotas"), ..OBJECT },
        ResourceType { name: LIMIT_RANGE.into(), verbs: verbs!("limitranges"), ..OBJECT },
        ResourceType {
            name: DEPLOYMENT.into(),
            replaces: &["metadata.name", "metadata.namespace", "spec.selector"],
            security: &["spec.template.spec.securityContext", "spec.template.spec.containers.securityContext"],
            create: Usual::seconds(5, 40, 180),
            update: Usual::seconds(5, 60, 180),
            delete: Usual::seconds(1, 30, 90),
            verbs: verbs!("apps/deployments"),
            ..OBJECT
        },
        ResourceType {
            name: DAEMON_SET.into(),
            replaces: &["metadata.name", "metadata.namespace", "spec.selector"],
            security: &["spec.template.spec.securityContext", "spec.template.spec.containers.securityContext"],
            create: Usual::seconds(1, 20, 180),
            update: Usual::seconds(5, 60, 600),
            delete: Usual::seconds(1, 10, 60),
            verbs: verbs!("apps/daemonsets"),
            ..OBJECT
        },
        ResourceType { name: AUTOSCALER.into(), verbs: verbs!("autoscaling/horizontalpodautoscalers"), ..OBJECT },
        ResourceType { name: DISRUPTION_BUDGET.into(), verbs: verbs!("policy/poddisruptionbudgets"), ..OBJECT },
        ResourceType {
            name: NETWORK_POLICY.into(),
            security: &["spec"],
            sets: &["spec.ingress", "spec.egress"],
            verbs: verbs!("networking.k8s.io/networkpolicies"),
            ..OBJECT
        },
        ResourceType {
            name: SECRET_PROVIDER_CLASS.into(),
            verbs: verbs!("secrets-store.csi.x-k8s.io/secretproviderclasses"),
            ..OBJECT
        },
        ResourceType {
            name: HTTP_ROUTE.into(),
            security: &["spec"],
            verbs: verbs!("gateway.networking.k8s.io/httproutes"),
            ..OBJECT
        },
        ResourceType { name: POD_MONITOR.into(), verbs: verbs!("monitoring.coreos.com/podmonitors"), ..OBJECT },
        ResourceType {
            name: PEER_AUTHENTICATION.into(),
            security: &["spec"],
            verbs: verbs!("security.istio.io/peerauthentications"),
            ..OBJECT
        },
        ResourceType {
            name: ISTIO_AUTHORIZATION.into(),
            security: &["spec"],
            verbs: verbs!("security.istio.io/authorizationpolicies"),
            ..OBJECT
        },
        ResourceType { name: VIRTUAL_SERVICE.into(), verbs: verbs!("networking.istio.io/virtualservices"), ..OBJECT },
        ResourceType {
            name: DESTINATION_RULE.into(),
            security: &["spec.trafficPolicy.tls"],
            verbs: verbs!("networking.istio.io/destinationrules"),
            ..OBJECT
        },
        ResourceType { name: ENVOY_FILTER.into(), verbs: verbs!("networking.istio.io/envoyfilters"), ..OBJECT },
        ResourceType {
            name: LINKERD_SERVER.into(),
            security: &["spec"],
            verbs: verbs!("policy.linkerd.io/servers"),
            ..OBJECT
        },
        ResourceType {
            name: LINKERD_AUTHORIZATION.into(),
            security: &["spec"],
            verbs: verbs!("policy.linkerd.io/authorizationpolicies"),
            ..OBJECT
        },
        ResourceType {
            name: LINKERD_AUTHENTICATION.into(),
            security: &["spec"],
            verbs: verbs!("policy.linkerd.io/meshtlsauthentications"),
            ..OBJECT
        },
        ResourceType {
            name: LINKERD_RATE_LIMIT.into(),
            verbs: verbs!("policy.linkerd.io/httplocalratelimitpolicies"),
            ..OBJECT
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_named_once_and_found_by_name() {
        let types = all();
        let names: std::collections::BTreeSet<_> = types.iter().map(|of| of.name.clone()).collect();
        assert_eq!(names.len(), types.len());
        for of in &types {
            let IdentityClass::Named(path) = of.identity else { panic!("{} is not found by name", of.name) };
            assert_eq!(path.last(), Some(&"metadata.name"), "{}", of.name);
            assert_eq!(of.tags, TagStyle::Kubernetes, "{}", of.name);
            assert!(path.iter().all(|step| of.replaces_on(step)), "{}: a name cannot change in place", of.name);
        }
    }

    #[test]
    fn a_namespace_stands_in_no_namespace() {
        let of = all().into_iter().find(|of| of.name == NAMESPACE).unwrap();
        assert_eq!(of.identity, IdentityClass::Named(&["metadata.name"]));
    }

    #[test]
    fn a_selector_cannot_change_in_place() {
        for name in [DEPLOYMENT, DAEMON_SET] {
            let of = all().into_iter().find(|of| of.name == name).unwrap();
            assert!(of.replaces_on("spec.selector.matchLabels.a"), "{name}");
            assert!(!of.replaces_on("spec.template"), "{name}");
        }
    }
}
