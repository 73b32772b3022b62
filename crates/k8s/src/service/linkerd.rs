//! How a service takes part in Linkerd: retries and time limits, who may call it, how much.

use landfall_core::resource::Value;
use landfall_core::units::{Per, Rate};
use landfall_core::{list, map, properties};

use super::Workload;
use super::istio::share;
use super::route::duration;
use crate::object::{Labels, Object, match_labels, one};
use crate::{GATEWAY_NAMESPACE, MONITORING_NAMESPACE, types};

const GROUP: &str = "policy.linkerd.io";

/// Retries and time limits, which callers' proxies read from the service.
pub(super) fn service_annotations(workload: &Workload<'_>) -> Labels {
    let Some(mesh) = workload.spec.mesh else { return Labels::new() };
    let mut annotations = Labels::new();
    if mesh.retries > 0 {
        // What is in front of the service says that it is away: such a call can be repeated whatever it does.
        annotations.extend(one("retry.linkerd.io/http", "502-504"));
        annotations.extend(one("retry.linkerd.io/grpc", "unavailable"));
        annotations.extend(one("retry.linkerd.io/limit", &mesh.retries.to_string()));
    }
    if let Some(timeout) = mesh.timeout {
        annotations.extend(one("timeout.linkerd.io/request", &duration(timeout)));
    }
    annotations
}

/// The policies of a service in the mesh, by part.
pub(super) fn objects(workload: &Workload<'_>, port: u16) -> Vec<(&'static str, Object)> {
    let closed = workload.is_closed() && workload.knows_callers();
    let rate = workload.spec.ingress.as_ref().and_then(|ingress| ingress.rate_limit);
    if !closed && rate.is_none() {
        return Vec::new();
    }
    let mut objects = vec![("server", server(workload, port, closed))];
    let callers = callers(workload);
    // With nobody to let in there is nothing to add: the server denies.
    if closed && !callers.is_empty() {
        let authentication =
            workload.object(types::LINKERD_AUTHENTICATION).with("spec", map! { "identityRefs" => callers });
        objects.push(("authentication", authentication));
        objects.push(("authorization", authorization(workload)));
    }
    if let Some(rate) = rate {
        objects.push(("rate-limit", rate_limit(workload, rate)));
    }
    objects
}

fn server(workload: &Workload<'_>, port: u16, closed: bool) -> Object {
    let policy = match (closed, workload.knows_callers()) {
        (true, _) => "deny",
        (false, true) => "all-authenticated",
        (false, false) => "all-unauthenticated",
    };
    workload.object(types::LINKERD_SERVER).with(
        "spec",
        map! {
            "podSelector" => match_labels(&workload.selector()),
            "port" => port,
            // HTTP/1, HTTP/2 or gRPC: the proxy finds out.
            "proxyProtocol" => "unknown",
            "accessPolicy" => policy,
        },
    )
}

fn callers(workload: &Workload<'_>) -> Vec<Value> {
    let namespace = |name: &str| map! { "kind" => "Namespace", "name" => name };
    let mut callers: Vec<Value> = workload
        .callers
        .iter()
        .map(|peer| map! { "kind" => "ServiceAccount", "name" => peer.name, "namespace" => peer.namespace })
        .collect();
    if workload.spec.ingress.is_some() {
        callers.push(namespace(GATEWAY_NAMESPACE));
    }
    if workload.metrics_port().is_some_and(|port| workload.spec.port == Some(port)) {
        callers.push(namespace(MONITORING_NAMESPACE));
    }
    callers
}

fn authorization(workload: &Workload<'_>) -> Object {
    let reference = map! { "group" => GROUP, "kind" => "MeshTLSAuthentication", "name" => workload.name };
    workload
        .object(types::LINKERD_AUTHORIZATION)
        .with("spec", map! { "targetRef" => target(workload), "requiredAuthenticationRefs" => list![reference] })
}

fn rate_limit(workload: &Workload<'_>, rate: Rate) -> Object {
    let total = map! { "requestsPerSecond" => per_second(rate, workload.spec.replicas) };
    workload.object(types::LINKERD_RATE_LIMIT).with("spec", map! { "targetRef" => target(workload), "total" => total })
}

fn target(workload: &Workload<'_>) -> Value {
    Value::Map(properties! { "group" => GROUP, "kind" => "Server", "name" => workload.name })
}

/// One replica's share in whole calls a second, rounded up: Linkerd counts in nothing else.
pub(super) fn per_second(rate: Rate, replicas: u32) -> u32 {
    let seconds = match rate.per {
        Per::Second => 1,
        Per::Minute => 60,
        Per::Hour => 3600,
    };
    share(rate.count, replicas.max(1).saturating_mul(seconds))
}
