//! How many replicas there are, and how many may be away.

use landfall_core::kind::{Autoscaling, Disruption};
use landfall_core::{list, map, properties};

use super::Workload;
use crate::object::{Object, match_labels};
use crate::types;

/// The autoscaler of a service; it owns the number of replicas.
pub(super) fn autoscaler(workload: &Workload<'_>, autoscaling: Autoscaling) -> Object {
    // The service's own container: the CPU of a proxy beside it says nothing about its load.
    let metric = map! {
        "type" => "ContainerResource",
        "containerResource" => map! {
            "name" => "cpu",
            "container" => workload.name,
            "target" => map! { "type" => "Utilization", "averageUtilization" => i64::from(autoscaling.cpu_percent) },
        },
    };
    let pace = |seconds: i64, window: i64| {
        map! {
            "stabilizationWindowSeconds" => window,
            "selectPolicy" => "Max",
            "policies" => list![
                map! { "type" => "Percent", "value" => 100, "periodSeconds" => seconds },
                map! { "type" => "Pods", "value" => 2, "periodSeconds" => seconds },
            ],
        }
    };
    workload.object(types::AUTOSCALER).with(
        "spec",
        map! {
            "scaleTargetRef" => map! { "apiVersion" => "apps/v1", "kind" => "Deployment", "name" => workload.name },
            "minReplicas" => workload.spec.replicas,
            "maxReplicas" => autoscaling.max_replicas,
            "metrics" => list![metric],
            // Out at once and in slowly: a lull of some minutes is no reason to start anew.
            "behavior" => map! { "scaleUp" => pace(30, 0), "scaleDown" => pace(60, 300) },
        },
    )
}

/// The disruption budget: what was declared, else one replica at a time when there are several. One replica alone has
/// none, because it could never be moved.
pub(super) fn disruption_budget(workload: &Workload<'_>) -> Option<Object> {
    let (field, count) = match workload.spec.disruption {
        Some(Disruption::MinAvailable(count)) => ("minAvailable", count),
        Some(Disruption::MaxUnavailable(count)) => ("maxUnavailable", count),
        None if workload.spec.replicas > 1 => ("maxUnavailable", 1),
        None => return None,
    };
    let spec = properties! {
        field => count,
        "selector" => match_labels(&workload.selector()),
        // A replica that is broken anyway must not hold up the node it is on.
        "unhealthyPodEvictionPolicy" => "AlwaysAllow",
    };
    Some(workload.object(types::DISRUPTION_BUDGET).with("spec", spec))
}
