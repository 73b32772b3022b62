//! The way from outside: a route of the platform's gateway to the service.

use landfall_core::kind::Ingress;
use landfall_core::units::Span;
use landfall_core::{list, map, properties};

use super::Workload;
use crate::object::Object;
use crate::{GATEWAY_NAMESPACE, types};

/// The route of a service: what begins with its path goes to it, as it is.
pub(super) fn object(workload: &Workload<'_>, ingress: &Ingress, port: u16) -> Object {
    let prefix = map! { "path" => map! { "type" => "PathPrefix", "value" => &ingress.path } };
    let mut rule = properties! {
        "matches" => list![prefix],
        "backendRefs" => list![map! { "name" => workload.name, "port" => port }],
    };
    if let Some(timeout) = workload.spec.mesh.and_then(|mesh| mesh.timeout) {
        rule.insert("timeouts".into(), map! { "request" => duration(timeout) });
    }
    let gateway = map! { "name" => &workload.stack.id.project, "namespace" => GATEWAY_NAMESPACE };
    let mut spec = properties! { "parentRefs" => list![gateway], "rules" => list![rule] };
    if let Some(host) = &ingress.host {
        spec.insert("hostnames".into(), list![host]);
    }
    workload.object(types::HTTP_ROUTE).with("spec", spec)
}

/// A span in the notation that gateways and meshes share: hours to milliseconds, each with at most five digits.
pub(super) fn duration(span: Span) -> String {
    let millis = span.as_duration().as_millis();
    let parts =
        [(millis / 3_600_000, "h"), (millis / 60_000 % 60, "m"), (millis / 1000 % 60, "s"), (millis % 1000, "ms")];
    let text: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_the_shared_notation() {
        for (span, text) in [("30s", "30s"), ("90s", "1m30s"), ("250ms", "250ms"), ("1d", "24h"), ("1500ms", "1s500ms")]
        {
            assert_eq!(duration(span.parse().unwrap()), text);
        }
    }
}
