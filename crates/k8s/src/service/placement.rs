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
            }
        });
        placement.insert("topologySpreadConstraints".into(), spread.collect());
        placement.insert("affinity".into(), map! { "podAntiAffinity" => apart(workload) });
    }
    placement
}

/// Rather another node than one that has a replica already; better both on one than one of them nowhere.
fn apart(workload: &Workload<'_>) -> Value {
    let term =
        map! { "topologyKey" => "kubernetes.io/hostname", "labelSelector" => match_labels(&workload.selector()) };
    map! {
        "preferredDuringSchedulingIgnoredDuringExecution" => list![map! { "weight" => 100, "podAffinityTerm" => term }],
    }
}

/// For those that need accelerators: the labels that all pools with enough of them have, and no other pool has all of.
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
