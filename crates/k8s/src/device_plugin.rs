//! NVIDIA's device plug-in: it tells Kubernetes of the accelerators of a node, which otherwise offers none.
//!
//! Taint, toleration, selector and plug-in are of use only together. Node pools bring the taint and the labels, services
//! the toleration and the selector, and each cluster gets the plug-in once, when one of its pools has accelerators and
//! [nodes that do not bring it](DevicePlugin). It stands with the cluster and not with a service: nodes without it would
//! be seen as broken by the cluster autoscaler before the first service asks for them.

use landfall_core::kind::{ACCELERATED, ClusterSpec, DevicePlugin, Ref};
use landfall_core::resource::Address;
use landfall_core::scope::Scope;
use landfall_core::{Result, list, map};

use crate::name;
use crate::object::{Labels, Object, Objects, match_labels, one, text_map};
use crate::service::tag_labels;
use crate::types;

/// The version that the guide of EKS installs:
/// <https://docs.aws.amazon.com/eks/latest/userguide/ml-eks-k8s-device-plugin.html>.
const IMAGE: &str = "nvcr.io/nvidia/k8s-device-plugin:v0.17.4";
const NAME: &str = "nvidia-device-plugin";
const PART: &str = "device-plugin";
/// Where node-critical pods of every cluster live, and no quota and no pod security stand in their way.
const NAMESPACE: &str = "kube-system";
/// Where the kubelet listens for plug-ins.
const SOCKETS: &str = "/var/lib/kubelet/device-plugins";

/// Adds the plug-in to the cluster that is expanded, if it needs one.
pub(crate) fn add(scope: &mut Scope<'_>) -> Result<()> {
    let cluster: Ref<ClusterSpec> = Ref::named(scope.name());
    if !wanted(&cluster, scope) {
        return Ok(());
    }
    let stack = scope.stack();
    let mut labels = tag_labels(&stack.tags);
    labels.extend(one("app.kubernetes.io/name", NAME));
    labels.extend(one("app.kubernetes.io/part-of", &name::label_value(&stack.id.project)));
    let native = scope.cluster(&cluster)?.native.clone();
    Objects::new(scope, native).add(PART, object(&labels), &[])?;
    Ok(())
}

/// The plug-in of a cluster, for what can only run after it.
pub(crate) fn of(cluster: &Ref<ClusterSpec>, scope: &Scope<'_>) -> Result<Option<Address>> {
    let address = || Address::new(scope.cloud(), "cluster", cluster.name(), PART);
    wanted(cluster, scope).then(address).transpose()
}

fn wanted(cluster: &Ref<ClusterSpec>, scope: &Scope<'_>) -> bool {
    scope.node_pools(cluster).any(|(_, pool)| pool.accelerator.is_some() && pool.device_plugin == DevicePlugin::Ours)
}

/// What NVIDIA publishes for a cluster (`deployments/static/nvidia-device-plugin.yml` of `NVIDIA/k8s-device-plugin`), on
/// nodes with accelerators alone.
fn object(labels: &Labels) -> Object {
    let container = map! {
        "name" => NAME,
        "image" => IMAGE,
        // A node whose driver is not up yet, or that has no accelerator after all, is no failure of the plug-in.
        "env" => list![map! { "name" => "FAIL_ON_INIT_ERROR", "value" => "false" }],
        // No limit: a plug-in that is killed takes the accelerators of its node with it.
        "resources" => map! { "requests" => map! { "cpu" => "50m", "memory" => "100Mi" } },
        "securityContext" => map! {
            "allowPrivilegeEscalation" => false,
            "capabilities" => map! { "drop" => ["ALL"] },
        },
        "volumeMounts" => list![map! { "name" => "device-plugins", "mountPath" => SOCKETS }],
    };
    let pod = map! {
        "priorityClassName" => "system-node-critical",
        "nodeSelector" => text_map(&one(ACCELERATED.0, ACCELERATED.1)),
        // It is a part of the node, as the network is: no taint keeps it off, the user's own neither.
        "tolerations" => list![map! { "operator" => "Exists" }],
        // It speaks to the kubelet and to nobody else.
        "automountServiceAccountToken" => false,
        "containers" => list![container],
        "volumes" => list![map! {
            "name" => "device-plugins", "hostPath" => map! { "path" => SOCKETS, "type" => "Directory" },
        }],
    };
    let selector = one("app.kubernetes.io/name", NAME);
    Object::new(types::DAEMON_SET, NAME).within(NAMESPACE).labels(labels).with(
        "spec",
        map! {
            "selector" => match_labels(&selector),
            "updateStrategy" => map! { "type" => "RollingUpdate" },
            "template" => map! { "metadata" => map! { "labels" => text_map(labels) }, "spec" => pod },
        },
    )
}
