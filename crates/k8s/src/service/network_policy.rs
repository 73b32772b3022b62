//! Who reaches the pods of a service and whom they reach: nobody but those that are declared.

use landfall_core::kind::{DependencyKind, Tier};
use landfall_core::resource::Value;
use landfall_core::{list, map, properties};

use super::{NAME_LABEL, Peer, Workload};
use crate::mesh::Provider;
use crate::object::{Object, match_labels, one};
use crate::{GATEWAY_NAMESPACE, MONITORING_NAMESPACE, types};

/// Ports at which a collector takes traces (OTLP over gRPC and HTTP).
const TRACES: [u16; 2] = [4317, 4318];
/// Port at which Istio's proxy offers its own metrics and those of the workload.
pub(super) const ISTIO_METRICS: u16 = 15020;
/// Port at which Linkerd's proxy offers its own metrics.
const LINKERD_METRICS: u16 = 4191;

/// The policy of a service; the namespace denies everything else.
pub(super) fn object(workload: &Workload<'_>) -> Object {
    let mut spec = properties! {
        "podSelector" => match_labels(&workload.selector()),
        "policyTypes" => ["Ingress", "Egress"],
        "egress" => egress(workload),
    };
    // An empty list says no more than none, and the API server leaves it out.
    let ingress = ingress(workload);
    if !ingress.is_empty() {
        spec.insert("ingress".into(), ingress.into());
    }
    workload.object(types::NETWORK_POLICY).with("spec", spec)
}

fn ingress(workload: &Workload<'_>) -> Vec<Value> {
    let mut rules = Vec::new();
    if let Some(port) = workload.called_at() {
        let ports = with_transport(workload, &[port]);
        if workload.is_closed() {
            let mut from: Vec<Value> = workload.callers.iter().map(pods_of).collect();
            if workload.spec.ingress.is_some() {
                from.push(namespace(GATEWAY_NAMESPACE));
            }
            // Without a source the rule would let everybody in.
            if !from.is_empty() {
                rules.push(map! { "from" => from, "ports" => tcp(&ports) });
            }
        } else {
            rules.push(map! { "from" => list![map! { "namespaceSelector" => map! {} }], "ports" => tcp(&ports) });
        }
    }
    if let Some(port) = workload.metrics_port() {
        let ports = match workload.mesh.map(|mesh| mesh.provider) {
            Some(Provider::Istio) => vec![ISTIO_METRICS],
            Some(Provider::Linkerd) => with_transport(workload, &[port, LINKERD_METRICS]),
            None => vec![port],
        };
        rules.push(map! { "from" => list![namespace(MONITORING_NAMESPACE)], "ports" => tcp(&ports) });
    }
    rules
}

fn egress(workload: &Workload<'_>) -> Vec<Value> {
    let mut rules = vec![names()];
    for peer in &workload.calls {
        if let Some(port) = peer.port {
            rules.push(map! { "to" => list![pods_of(peer)], "ports" => tcp(&with_transport(workload, &[port])) });
        }
    }
    rules.extend(data(workload));
    for (_, range, port) in workload.access.into_iter().flat_map(|access| &access.egress_addresses) {
        rules.push(map! { "to" => list![block(&range.to_string())], "ports" => tcp(&[*port]) });
    }
    if needs_cloud(workload) {
        rules.push(cloud(workload));
    }
    if let Some(mesh) = workload.mesh {
        let ports = tcp(mesh.provider.control_plane_ports());
        rules.push(map! { "to" => list![namespace(mesh.provider.namespace())], "ports" => ports });
    }
    if workload.spec.tracing.is_some() {
        rules.push(
            map! { "to" => list![namespace(MONITORING_NAMESPACE)], "ports" => tcp(&with_transport(workload, &TRACES)) },
        );
    }
    rules
}

/// The cluster's own name service.
fn names() -> Value {
    let resolver = map! {
        "namespaceSelector" => match_labels(&one("kubernetes.io/metadata.name", "kube-system")),
        "podSelector" => match_labels(&one("k8s-app", "kube-dns")),
    };
    let port = |protocol: &str| map! { "protocol" => protocol, "port" => 53 };
    map! { "to" => list![resolver], "ports" => list![port("UDP"), port("TCP")] }
}

/// Databases and caches: their ports, on the subnets that hold nothing else.
fn data(workload: &Workload<'_>) -> Option<Value> {
    let mut ports: Vec<u16> = workload.access?.egress_ports.iter().map(|(_, port)| *port).collect();
    ports.sort_unstable();
    ports.dedup();
    let subnets = workload.network.subnets.iter().filter(|subnet| subnet.tier == Tier::Data);
    let to: Vec<Value> = subnets.map(|subnet| block(&subnet.cidr.to_string())).collect();
    (!ports.is_empty() && !to.is_empty()).then(|| map! { "to" => to, "ports" => tcp(&ports) })
}

/// Whether it calls an API of the cloud, whose addresses nobody can list.
fn needs_cloud(workload: &Workload<'_>) -> bool {
    let kinds = [DependencyKind::Storage, DependencyKind::Queue];
    workload.spec.dependencies.iter().any(|dependency| kinds.contains(&dependency.kind))
}

/// Everything outside the network over TLS, but not the node's own metadata.
fn cloud(workload: &Workload<'_>) -> Value {
    let outside = map! {
        "ipBlock" => map! {
            "cidr" => "0.0.0.0/0",
            "except" => [workload.network.cidr.to_string(), "169.254.0.0/16".to_owned()],
        },
    };
    map! { "to" => list![outside], "ports" => tcp(&[443]) }
}

fn pods_of(peer: &Peer<'_>) -> Value {
    map! {
        "namespaceSelector" => match_labels(&one("kubernetes.io/metadata.name", peer.namespace)),
        "podSelector" => match_labels(&one(NAME_LABEL, peer.name)),
    }
}

fn namespace(name: &str) -> Value {
    map! { "namespaceSelector" => match_labels(&one("kubernetes.io/metadata.name", name)) }
}

fn block(range: &str) -> Value {
    map! { "ipBlock" => map! { "cidr" => range } }
}

fn tcp(ports: &[u16]) -> Vec<Value> {
    ports.iter().map(|port| map! { "protocol" => "TCP", "port" => *port }).collect()
}

/// The ports, and the one at which proxies meet when they do not use the workload's own.
fn with_transport(workload: &Workload<'_>, ports: &[u16]) -> Vec<u16> {
    let transport = workload.mesh.and_then(|mesh| mesh.provider.transport_port());
    ports.iter().copied().chain(transport).collect()
}
