//! Metrics and traces: where Prometheus finds the numbers, and which share of calls is traced.

use landfall_core::resource::{Properties, Value};
use landfall_core::{list, map, properties};

use super::Workload;
use super::network_policy::ISTIO_METRICS;
use crate::mesh::Provider;
use crate::object::{Labels, Object, match_labels, one};
use crate::types;

/// Scrapes the pods at the declared path and port.
pub(super) fn monitor(workload: &Workload<'_>) -> Option<Object> {
    let metrics = workload.spec.metrics.as_ref()?;
    let port = workload.metrics_port()?;
    let name = if workload.spec.port == Some(port) { "http" } else { "metrics" };
    let mut endpoint = properties! { "port" => name, "path" => &metrics.path, "interval" => "30s" };
    if workload.mesh.is_some_and(|mesh| mesh.provider == Provider::Istio) {
        // The proxy refuses plain text at the workload's port. Beside it, it offers the workload's metrics, which it reads
        // from the path and port of the pod's annotations, together with its own.
        endpoint.insert("path".into(), "/stats/prometheus".into());
        endpoint.insert(
            "relabelings".into(),
            list![map! {
                "action" => "replace",
                "sourceLabels" => ["__meta_kubernetes_pod_ip"],
                "regex" => "(.+)",
                "replacement" => format!("$1:{ISTIO_METRICS}"),
                "targetLabel" => "__address__",
            }],
        );
    }
    let spec = map! { "selector" => match_labels(&workload.selector()), "podMetricsEndpoints" => list![endpoint] };
    Some(workload.object(types::POD_MONITOR).with("spec", spec))
}

/// Path and port for scrapers that go by annotations, among them Istio's proxy.
pub(super) fn annotations(workload: &Workload<'_>) -> Labels {
    let (Some(metrics), Some(port)) = (&workload.spec.metrics, workload.metrics_port()) else { return Labels::new() };
    let mut annotations = one("prometheus.io/scrape", "true");
    annotations.extend(one("prometheus.io/path", &metrics.path));
    annotations.extend(one("prometheus.io/port", &port.to_string()));
    annotations
}

/// The variables that every OpenTelemetry SDK reads: follow the caller's choice, else trace this share.
pub(super) fn environment(workload: &Workload<'_>) -> Properties {
    let Some(tracing) = workload.spec.tracing else { return Properties::new() };
    properties! {
        "OTEL_SERVICE_NAME" => workload.name,
        "OTEL_RESOURCE_ATTRIBUTES" => format!(
            "service.namespace={},deployment.environment.name={}",
            workload.namespace, workload.stack.id.environment
        ),
        "OTEL_TRACES_SAMPLER" => "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG" => Value::from(tracing.sampling_rate.to_string()),
    }
}
