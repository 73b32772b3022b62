//! Where replicas run: on the pools they may run on, and apart from each other.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::kind::{Effect, Taint};
use landfall_core::resource::{Properties, Value};
use landfall_core::{list, map, properties};

use super::Workload;
use crate::object::{match_labels, text_map};

/// Node selector, tolerations, affinity and spread of the pods.
pub(super) fn of(workload: &Workload<'_>) -> Properties {
    let mut placement = Properties::new();
    let selector = selector(workload);
    if !selector.is_empty() {
        placement.insert("nodeSelector".into(), text_map(&selector));
    }
    let tolerations = tolerations(workload);
    if !tolerations.is_empty() {
        placement.insert("tolerations".into(), Value::List(tolerations));
    }
    if workload.spec.most_replicas() > 1 {
        let spread = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"];
        let spread = spread.iter().map(|key| {
            map! {
                "maxSkew" => 1,
                "topologyKey" => *key,
                "whenUnsatisfiable" => "ScheduleAnyway",
                "labelSelector" => match_labels(&workload.selector()),
                // Replicas of the version that is on its way out do not count.
                "matchLabelKeys" => ["pod-template-hash"],
            }
        });
        placement.insert("topologySpreadConstraints".into(), spread.collect());
    }
    let affinity = affinity(workload);
    if !affinity.is_empty() {
        placement.insert("affinity".into(), affinity.into());
    }
    placement
}

fn affinity(workload: &Workload<'_>) -> Properties {
    let mut affinity = Properties::new();
    if workload.spec.most_replicas() > 1 {
        affinity.insert("podAntiAffinity".into(), apart(workload));
    }
    if let Some((key, values)) = kept_off(workload) {
        let expression = map! { "key" => key, "operator" => "NotIn", "values" => values };
        let terms = map! { "nodeSelectorTerms" => list![map! { "matchExpressions" => list![expression] }] };
        affinity.insert("nodeAffinity".into(), map! { "requiredDuringSchedulingIgnoredDuringExecution" => terms });
    }
    affinity
}

/// A label, and its values on pools that the replicas may not run on and that no taint keeps them off, such as spot
/// nodes for those that must not be interrupted.
fn kept_off(workload: &Workload<'_>) -> Option<(String, Vec<String>)> {
    let tolerated: BTreeSet<&Taint> = workload.pools.iter().flat_map(|(_, pool)| &pool.taints).collect();
    let open: Vec<_> = workload
        .other_pools
        .iter()
        // No accelerator is enough to keep off those that ask for one.
        .filter(|(_, pool)| workload.spec.resources.gpu == 0 || pool.accelerator.is_some())
        .filter(|(_, pool)| pool.taints.iter().all(|taint| !taint.effect.repels() || tolerated.contains(taint)))
        .collect();
    let (_, first) = open.first()?;
    first.labels.keys().find_map(|key| {
        let values: Option<BTreeSet<&String>> = open.iter().map(|(_, pool)| pool.labels.get(key)).collect();
        let values = values?;
        let shared =
            workload.pools.iter().filter_map(|(_, pool)| pool.labels.get(key)).any(|value| values.contains(value));
        (!shared).then(|| (key.clone(), values.into_iter().cloned().collect()))
    })
}

/// Rather another node than one that has a replica already; better both on one than one of them nowhere.
fn apart(workload: &Workload<'_>) -> Value {
    let term =
        map! { "topologyKey" => "kubernetes.io/hostname", "labelSelector" => match_labels(&workload.selector()) };
    map! {
        "preferredDuringSchedulingIgnoredDuringExecution" => list![map! { "weight" => 100, "podAffinityTerm" => term }],
    }
}

/// For those that need accelerators: the labels that all pools with enough of them have.
fn selector(workload: &Workload<'_>) -> BTreeMap<String, String> {
    if workload.spec.resources.gpu == 0 {
        return BTreeMap::new();
    }
    let mut pools = workload.pools.iter();
    let Some((_, first)) = pools.next() else { return BTreeMap::new() };
    let mut common = first.labels.clone();
    for (_, pool) in pools {
        common.retain(|key, value| pool.labels.get(key) == Some(value));
    }
    common
}

/// Every taint of the pools that the replicas may run on: a pool that is not tolerated is not there for them.
fn tolerations(workload: &Workload<'_>) -> Vec<Value> {
    let taints: BTreeSet<&Taint> = workload.pools.iter().flat_map(|(_, pool)| &pool.taints).collect();
    taints
        .into_iter()
        .map(|Taint { key, value, effect }| {
            let effect = match effect {
                Effect::NoSchedule => "NoSchedule",
                Effect::PreferNoSchedule => "PreferNoSchedule",
                Effect::NoExecute => "NoExecute",
            };
            let mut toleration = properties! { "key" => key, "effect" => effect };
            if value.is_empty() {
                toleration.insert("operator".into(), "Exists".into());
            } else {
                toleration.extend(properties! { "operator" => "Equal", "value" => value });
            }
            Value::Map(toleration)
        })
        .collect()
}
