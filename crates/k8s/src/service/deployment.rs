//! The workload itself: one container, without any right it does not need.

use std::collections::BTreeMap;

use landfall_core::kind::{AccessOutputs, ServiceType};
use landfall_core::resource::{Properties, Value};
use landfall_core::{join, list, map, properties};

use super::{Workload, monitoring, placement, secrets};
use crate::mesh::Provider;
use crate::name;
use crate::object::{Labels, Object, match_labels, one, text_map};
use crate::types;

/// The user and group of all pods: above 10000, so that it is none of the node's.
const USER: i64 = 10001;
/// How long a replica stays after it was told to go, so that the last calls are not sent into the void.
const DRAIN_SECONDS: i64 = 5;
/// How long a replica may take to finish its last calls.
const GRACE_SECONDS: u64 = 30;
/// Room for temporary files.
const SCRATCH: &str = "1Gi";

/// The deployment of a service.
pub(super) fn object(workload: &Workload<'_>) -> Object {
    let spec = workload.spec;
    let mut body = properties! {
        "selector" => match_labels(&workload.selector()),
        "strategy" => map! { "type" => "RollingUpdate", "rollingUpdate" => rollout(workload) },
        "revisionHistoryLimit" => 3,
        "progressDeadlineSeconds" => 600,
        "template" => map! {
            "metadata" => map! {
                "labels" => text_map(&pod_labels(workload)),
                "annotations" => text_map(&pod_annotations(workload)),
            },
            "spec" => pod(workload),
        },
    };
    // An autoscaler owns the number once it is there: a value of ours would reset it at each apply.
    if spec.autoscaling.is_none() {
        body.insert("replicas".into(), spec.replicas.into());
    }
    workload.object(types::DEPLOYMENT).with("spec", body)
}

/// New replicas come before old ones go, except where their accelerators may be the last ones to be had.
fn rollout(workload: &Workload<'_>) -> Value {
    if workload.spec.resources.gpu > 0 && workload.spec.replicas > 1 {
        map! { "maxSurge" => 0, "maxUnavailable" => 1 }
    } else {
        map! { "maxSurge" => 1, "maxUnavailable" => 0 }
    }
}

fn pod_labels(workload: &Workload<'_>) -> Labels {
    let mut labels = workload.labels();
    if workload.cluster_has(Provider::Istio) {
        labels.extend(one("sidecar.istio.io/inject", if workload.mesh.is_some() { "true" } else { "false" }));
    }
    labels
}

fn pod_annotations(workload: &Workload<'_>) -> Labels {
    // The name of the container that tools show first; proxies stand beside it.
    let mut annotations = one("kubectl.kubernetes.io/default-container", workload.name);
    annotations.extend(monitoring::annotations(workload));
    if workload.cluster_has(Provider::Linkerd) {
        annotations.extend(one("linkerd.io/inject", if workload.mesh.is_some() { "enabled" } else { "disabled" }));
    }
    if workload.mesh.is_some_and(|mesh| mesh.provider == Provider::Istio) {
        // The first calls of a starting replica need the proxy.
        annotations.extend(one("proxy.istio.io/config", r#"{"holdApplicationUntilProxyStarts": true}"#));
    }
    annotations
}

fn pod(workload: &Workload<'_>) -> Value {
    let mut spec = properties! {
        "serviceAccountName" => workload.name,
        "automountServiceAccountToken" => false,
        "enableServiceLinks" => false,
        "terminationGracePeriodSeconds" => grace(workload),
        "securityContext" => map! {
            "runAsNonRoot" => true,
            "runAsUser" => USER,
            "runAsGroup" => USER,
            "fsGroup" => USER,
            "seccompProfile" => map! { "type" => "RuntimeDefault" },
        },
        "containers" => list![container(workload)],
        "volumes" => volumes(workload),
    };
    spec.extend(placement::of(workload));
    Value::Map(spec)
}

/// Time for the longest call there may be, and for others to notice.
fn grace(workload: &Workload<'_>) -> Value {
    let timeout = workload.spec.mesh.and_then(|mesh| mesh.timeout).map_or(0, |span| span.as_duration().as_secs());
    let drain = DRAIN_SECONDS.unsigned_abs();
    Value::from(i64::try_from(timeout.max(GRACE_SECONDS) + drain).unwrap_or(i64::MAX))
}

fn container(workload: &Workload<'_>) -> Value {
    let mut container = properties! {
        "name" => workload.name,
        "image" => &workload.spec.image,
        "imagePullPolicy" => "Always",
        "resources" => resources(workload),
        "securityContext" => map! {
            "allowPrivilegeEscalation" => false,
            "privileged" => false,
            "readOnlyRootFilesystem" => true,
            "runAsNonRoot" => true,
            "runAsUser" => USER,
            "runAsGroup" => USER,
            "capabilities" => map! { "drop" => ["ALL"] },
            "seccompProfile" => map! { "type" => "RuntimeDefault" },
        },
        "volumeMounts" => mounts(workload),
    };
    // An empty list says no more than none, and the API server leaves it out.
    for (field, list) in [("ports", ports(workload)), ("env", environment(workload))] {
        if !list.is_empty() {
            container.insert(field.into(), Value::List(list));
        }
    }
    container.extend(probes(workload));
    if workload.spec.service_type == ServiceType::Api {
        let sleep = map! { "sleep" => map! { "seconds" => DRAIN_SECONDS } };
        container.insert("lifecycle".into(), map! { "preStop" => sleep });
    }
    Value::Map(container)
}

fn ports(workload: &Workload<'_>) -> Vec<Value> {
    let own = workload.spec.port.map(|port| ("http", port));
    let metrics =
        workload.metrics_port().filter(|port| workload.spec.port != Some(*port)).map(|port| ("metrics", port));
    own.into_iter()
        .chain(metrics)
        .map(|(name, port)| map! { "name" => name, "containerPort" => port, "protocol" => "TCP" })
        .collect()
}

/// A replica that does not start has five minutes, one that hangs is restarted after half a minute, one that is busy is
/// spared new calls. A worker without a port is well while it runs.
fn probes(workload: &Workload<'_>) -> Properties {
    let probe = &workload.spec.probe;
    let (ready, live) = if workload.spec.port.is_some() {
        let get = |path: &str| map! { "httpGet" => map! { "path" => path, "port" => "http", "scheme" => "HTTP" } };
        (get(&probe.ready), get(&probe.live))
    } else if workload.metrics_port().is_some() {
        let connect = map! { "tcpSocket" => map! { "port" => "metrics" } };
        (connect.clone(), connect)
    } else {
        return Properties::new();
    };
    let every = |how: &Value, period: i64, failures: i64| {
        let mut probe = how.as_map().cloned().unwrap_or_default();
        probe.extend(properties! {
            "periodSeconds" => period,
            "timeoutSeconds" => 3,
            "failureThreshold" => failures,
        });
        probe
    };
    properties! {
        "startupProbe" => every(&live, 5, 60),
        "livenessProbe" => every(&live, 10, 3),
        "readinessProbe" => every(&ready, 5, 3),
    }
}

fn resources(workload: &Workload<'_>) -> Value {
    let wanted = workload.spec.resources;
    let mut amounts = properties! {
        "cpu" => wanted.cpu.to_string(),
        "memory" => wanted.memory.to_string(),
        "ephemeral-storage" => "2Gi",
    };
    if wanted.gpu > 0 {
        amounts.insert("nvidia.com/gpu".into(), wanted.gpu.to_string().into());
    }
    // What is asked for is what may be used: the replica runs under load as it did alone, and is the last to be evicted.
    map! { "requests" => amounts.clone(), "limits" => amounts }
}

/// What the cloud hands out, whom it may call, how it traces; the user's own variables win.
fn environment(workload: &Workload<'_>) -> Vec<Value> {
    let mut variables: BTreeMap<String, Value> = BTreeMap::new();
    for peer in &workload.calls {
        let Some(port) = peer.port else { continue };
        let prefix = name::variable(peer.alias);
        let host = format!("{}.{}.svc.cluster.local", peer.name, peer.namespace);
        variables.insert(format!("{prefix}_URL"), format!("http://{host}:{port}").into());
        variables.insert(format!("{prefix}_HOST"), host.into());
        variables.insert(format!("{prefix}_PORT"), port.to_string().into());
    }
    if let Some(access) = workload.access {
        // A variable is text, whatever its value turns out to be: a port that is not known yet may be a number.
        let as_text = |value: &Value| match value {
            Value::Text(_) | Value::Join(_) => value.clone(),
            other => join![other.clone()].resolve(&|_| None),
        };
        variables.extend(access.environment.iter().map(|(key, value)| (key.clone(), as_text(value))));
        if !access.secret_files.is_empty() {
            variables.insert("SECRETS_DIRECTORY".into(), AccessOutputs::SECRETS_DIRECTORY.into());
        }
    }
    variables.extend(monitoring::environment(workload));
    variables.extend(workload.spec.environment.iter().map(|(key, value)| (key.clone(), value.into())));
    variables.into_iter().map(|(name, value)| map! { "name" => name, "value" => value }).collect()
}

fn mounts(workload: &Workload<'_>) -> Value {
    let mut mounts = vec![map! { "name" => "scratch", "mountPath" => "/tmp" }];
    if workload.has_secret_files() {
        mounts.push(secrets::mount());
    }
    Value::List(mounts)
}

fn volumes(workload: &Workload<'_>) -> Value {
    let mut volumes = vec![map! { "name" => "scratch", "emptyDir" => map! { "sizeLimit" => SCRATCH } }];
    if workload.has_secret_files() {
        volumes.push(secrets::volume(workload));
    }
    Value::List(volumes)
}
