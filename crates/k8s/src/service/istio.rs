//! How a service takes part in Istio: retries and time limits, who may call it, how much.

use landfall_core::resource::Value;
use landfall_core::units::{Per, Rate};
use landfall_core::{list, map, properties};

use super::route::duration;
use super::{Peer, Workload};
use crate::object::{Object, match_labels, text_map};
use crate::{GATEWAY_NAMESPACE, types};

/// Failures in which the call did not reach the service, or the service asked to come again: those can be repeated
/// whatever the call does.
const RETRY_ON: &str = "connect-failure,refused-stream,reset-before-request,unavailable,503";

/// The policies of a service in the mesh, by part.
pub(super) fn objects(workload: &Workload<'_>, port: u16) -> Vec<(&'static str, Object)> {
    let mut objects = vec![("calls", virtual_service(workload, port)), ("destination", destination_rule(workload))];
    // Who calls is known only where nobody speaks in plain text.
    if workload.is_closed() && workload.knows_callers() {
        objects.push(("authorization", authorization(workload, port)));
    }
    if let Some(rate) = workload.spec.ingress.as_ref().and_then(|ingress| ingress.rate_limit) {
        objects.push(("rate-limit", rate_limit(workload, rate)));
    }
    objects
}

/// Bound to the mesh by name: calls from the gateway follow the route of the gateway.
fn virtual_service(workload: &Workload<'_>, port: u16) -> Object {
    let destination = map! { "host" => workload.host(), "port" => map! { "number" => port } };
    let mut rule = properties! { "route" => list![map! { "destination" => destination }] };
    if let Some(mesh) = workload.spec.mesh {
        let mut retries = properties! { "attempts" => mesh.retries };
        if mesh.retries > 0 {
            retries.insert("retryOn".into(), RETRY_ON.into());
        }
        rule.insert("retries".into(), retries.into());
        if let Some(timeout) = mesh.timeout {
            rule.insert("timeout".into(), duration(timeout).into());
        }
    }
    workload
        .object(types::VIRTUAL_SERVICE)
        .with("spec", map! { "hosts" => [workload.host()], "gateways" => ["mesh"], "http" => list![rule] })
}

/// A replica that fails five calls in a row gets none for a while, as long as half of them remain.
fn destination_rule(workload: &Workload<'_>) -> Object {
    let mut policy = properties! {
        "outlierDetection" => map! {
            "consecutive5xxErrors" => 5,
            "interval" => "10s",
            "baseEjectionTime" => "30s",
            "maxEjectionPercent" => 50,
        },
    };
    if workload.knows_callers() {
        policy.insert("tls".into(), map! { "mode" => "ISTIO_MUTUAL" });
    }
    workload.object(types::DESTINATION_RULE).with("spec", map! { "host" => workload.host(), "trafficPolicy" => policy })
}

/// Lets in those that declare the service as a dependency, and the gateway. Without a rule it lets nobody in.
fn authorization(workload: &Workload<'_>, port: u16) -> Object {
    let mut from = Vec::new();
    if !workload.callers.is_empty() {
        let principals: Vec<String> = workload.callers.iter().map(principal).collect();
        from.push(map! { "source" => map! { "principals" => principals } });
    }
    if workload.spec.ingress.is_some() {
        from.push(map! { "source" => map! { "namespaces" => [GATEWAY_NAMESPACE] } });
    }
    let mut spec = properties! { "action" => "ALLOW", "selector" => match_labels(&workload.selector()) };
    if !from.is_empty() {
        let to = map! { "operation" => map! { "ports" => [port.to_string()] } };
        spec.insert("rules".into(), list![map! { "from" => from, "to" => list![to] }]);
    }
    workload.object(types::ISTIO_AUTHORIZATION).with("spec", spec)
}

fn principal(peer: &Peer<'_>) -> String {
    format!("cluster.local/ns/{}/sa/{}", peer.namespace, peer.name)
}

/// Each replica lets its share of the calls through: there is one bucket in each proxy.
fn rate_limit(workload: &Workload<'_>, rate: Rate) -> Object {
    let tokens = share(rate.count, workload.spec.replicas);
    let interval = match rate.per {
        Per::Second => "1s",
        Per::Minute => "60s",
        Per::Hour => "3600s",
    };
    let always = |key: &str| {
        map! { "runtime_key" => key, "default_value" => map! { "numerator" => 100, "denominator" => "HUNDRED" } }
    };
    let filter = map! {
        "name" => "envoy.filters.http.local_ratelimit",
        "typed_config" => map! {
            "@type" => "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix" => "http_local_rate_limiter",
            "token_bucket" => map! {
                "max_tokens" => tokens,
                "tokens_per_fill" => tokens,
                "fill_interval" => interval,
            },
            "filter_enabled" => always("local_rate_limit_enabled"),
            "filter_enforced" => always("local_rate_limit_enforced"),
        },
    };
    let manager = map! { "name" => "envoy.filters.network.http_connection_manager" };
    let matching = map! {
        "context" => "SIDECAR_INBOUND",
        "listener" => map! { "filterChain" => map! { "filter" => manager } },
    };
    let patch = map! {
        "applyTo" => "HTTP_FILTER",
        "match" => matching,
        "patch" => map! { "operation" => "INSERT_BEFORE", "value" => filter },
    };
    let spec: Value = map! {
        "workloadSelector" => map! { "labels" => text_map(&workload.selector()) },
        "configPatches" => list![patch],
    };
    workload.object(types::ENVOY_FILTER).with("spec", spec)
}

/// One replica's share, rounded up. The fewest replicas count, so that the limit is never lower than declared; it grows
/// as the service scales out.
pub(super) fn share(count: u32, replicas: u32) -> u32 {
    count.div_ceil(replicas.max(1))
}
