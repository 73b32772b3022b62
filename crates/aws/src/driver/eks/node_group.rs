//! Managed node groups.
//!
//! Sources: [CreateNodegroup](https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html),
//! [UpdateNodegroupConfig](https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupConfig.html) and
//! [UpdateNodegroupVersion](https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupVersion.html), one at a
//! time. How many nodes there are is the autoscaler's business: a change of the limits keeps the number as far as it can.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use aws_sdk_eks::types::{
    AmiTypes, CapacityTypes, Issue, LaunchTemplateSpecification, NodeRepairConfig, NodeRepairConfigOverrides,
    Nodegroup, NodegroupIssueCode, NodegroupScalingConfig, NodegroupStatus, NodegroupUpdateConfig,
    NodegroupUpdateStrategies, RemoteAccessConfig, RepairAction, Taint, TaintEffect, Update, UpdateLabelsPayload,
    UpdateTaintsPayload,
};
use landfall_core::driver::{Health, Operation, Progress};
use landfall_core::resource::{Identity, Properties, Value, Verb};
use landfall_core::{Code, Error, Result};

use super::super::each::each;
use super::super::error::failed;
use super::super::kept::{Call, Kept, Seen, Started, Which, incomplete};
use super::super::wanted::{Shown, Wanted, plain, touches};
use super::{Begun, Part, STATE, change, found, issue, names, permitted, places, state, tag, token, updating};

/// `AWS::EKS::Nodegroup`. Its id is `cluster/group`.
#[derive(Debug, Default)]
pub(in super::super) struct NodeGroup {
    begun: Begun<Change>,
}

#[async_trait]
impl Kept for NodeGroup {
    fn type_name(&self) -> &'static str {
        "AWS::EKS::Nodegroup"
    }

    fn settable(&self) -> &'static [&'static str] {
        &[
            "AmiType",
            "CapacityType",
            "ClusterName",
            "DiskSize",
            "ForceUpdateEnabled",
            "InstanceTypes",
            "Labels",
            "LaunchTemplate",
            "NodeRepairConfig",
            "NodeRole",
            "NodegroupName",
            "ReleaseVersion",
            "RemoteAccess",
            "ScalingConfig",
            "Subnets",
            "Taints",
            "UpdateConfig",
            "Version",
        ]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let all = places(call, which, place, async |cluster: String| {
            let list = call.api.eks.list_nodegroups().cluster_name(cluster).into_paginator().items().send();
            list.try_collect().await.map_err(failed("eks:ListNodegroups"))
        })
        .await?;
        each(all, async |(cluster, name): (String, String)| {
            let seen = describe(call, &cluster, &name).await;
            Ok(permitted(call.cx.stack, which, &cluster, seen)?.map(|seen| shown(&seen)))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let scaling = desired.map("ScalingConfig").map(|scaling| {
            NodegroupScalingConfig::builder()
                .set_min_size(scaling.number("MinSize"))
                .set_max_size(scaling.number("MaxSize"))
                .set_desired_size(scaling.number("DesiredSize"))
                .build()
        });
        let remote = desired.map("RemoteAccess").map(|remote| {
            RemoteAccessConfig::builder()
                .set_ec2_ssh_key(remote.text("Ec2SshKey"))
                .set_source_security_groups(remote.texts("SourceSecurityGroups"))
                .build()
        });
        let create = call
            .api
            .eks
            .create_nodegroup()
            .set_client_request_token(token(call, at))
            .cluster_name(desired.required("ClusterName")?)
            .nodegroup_name(desired.required("NodegroupName")?)
            .node_role(desired.required("NodeRole")?)
            .set_subnets(desired.texts("Subnets"))
            .set_scaling_config(scaling)
            .set_disk_size(desired.number("DiskSize"))
            .set_instance_types(desired.texts("InstanceTypes"))
            .set_ami_type(desired.text("AmiType").map(|text| AmiTypes::from(text.as_str())))
            .set_remote_access(remote)
            .set_labels(Some(labels(desired).into_iter().collect()).filter(|all: &HashMap<_, _>| !all.is_empty()))
            .set_taints(Some(taints(desired)).filter(|all| !all.is_empty()))
            .set_tags(Some(desired.tag_map("Tags").into_iter().collect()))
            .set_launch_template(template(desired)?)
            .set_update_config(pace(desired))
            .set_node_repair_config(repair(desired))
            .set_capacity_type(desired.text("CapacityType").map(|text| CapacityTypes::from(text.as_str())))
            .set_version(desired.text("Version"))
            .set_release_version(desired.text("ReleaseVersion"));
        let made = create.send().await.map_err(failed("eks:CreateNodegroup"))?;
        let made = shown(&made.nodegroup.ok_or_else(|| incomplete("nodegroup"))?);
        Ok(Started::running(made.id, "CREATING").handle(STATE))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let (cluster, name) = place(at);
        let now = describe(call, &cluster, &name).await?;
        if touches(changed, "Tags") {
            tag(call, now.nodegroup_arn(), now.tags(), &desired.tag_map("Tags")).await?;
        }
        let seen = shown(&now);
        self.begun.pause(&seen.id);
        if matches!(
            now.status(),
            Some(NodegroupStatus::Creating | NodegroupStatus::Updating | NodegroupStatus::Deleting)
        ) {
            // Whoever started that is not known here; what is wanted comes after it.
            return Ok(Started::running(seen.id, status(&now)).handle(STATE));
        }
        let Some(change) = next(&now, desired, changed)? else {
            self.begun.end(&seen.id);
            return Ok(Started::done(seen));
        };
        self.begun.allow(&seen.id, &change, desired, Change::properties)?;
        let update = change.clone().start(call, &now, desired).await?;
        self.begun.begin(&seen.id, change, desired, changed);
        // A change that is made at once is asked about no more: the group's own state tells.
        Ok(updating(seen.id, update.as_ref().filter(|update| state(update).is_some())))
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let (cluster, name) = place(at);
        let delete = call.api.eks.delete_nodegroup().cluster_name(&cluster).nodegroup_name(&name);
        delete.send().await.map_err(failed("eks:DeleteNodegroup"))?;
        Ok(Started::running(format!("{cluster}/{name}"), "DELETING"))
    }

    async fn follow(&self, call: &Call<'_>, operation: &Operation) -> Result<Option<Progress>> {
        let (cluster, name) = place(&operation.identity);
        let id = format!("{cluster}/{name}");
        if let Some(progress) = change(call, operation, &cluster, Part::NodeGroup(&name)).await? {
            if matches!(progress, Progress::Failed(_)) {
                self.begun.end(&id);
            }
            return Ok(Some(progress));
        }
        let Some(now) = found(describe(call, &cluster, &name).await)? else { return Ok(None) };
        let is_changed = operation.verb == Verb::Update && now.status() == Some(&NodegroupStatus::Active);
        let next = |desired: &Properties, changed: &[String]| next(&now, desired, changed);
        let unshown = if is_changed { self.begun.unshown(&id, next, Change::properties) } else { None };
        Ok(unshown.or_else(|| progress(&now, operation.verb == Verb::Create)))
    }
}

/// How a group is getting on; `None` leaves it to its health. A group that was made is `whole`, one that was changed may
/// need another change.
fn progress(group: &Nodegroup, whole: bool) -> Option<Progress> {
    match group.status() {
        // Its issues are the cloud's last word while it goes on trying.
        Some(NodegroupStatus::Creating | NodegroupStatus::Updating) => {
            Some(Progress::Running { phase: status(group).to_owned(), message: issues(group) })
        }
        Some(NodegroupStatus::Active) if !whole => Some(Progress::Unfinished(shown(group).outputs)),
        Some(NodegroupStatus::CreateFailed | NodegroupStatus::Degraded | NodegroupStatus::DeleteFailed) => {
            Some(Progress::Failed(failure(group)))
        }
        _ => None,
    }
}

/// The cluster, and the group in it.
fn place(at: &Identity) -> (String, String) {
    names(at, '/', |cluster, name| (cluster, name))
}

async fn describe(call: &Call<'_>, cluster: &str, name: &str) -> Result<Nodegroup> {
    let describe = call.api.eks.describe_nodegroup().cluster_name(cluster).nodegroup_name(name);
    let described = describe.send().await.map_err(failed("eks:DescribeNodegroup"))?;
    described.nodegroup.ok_or_else(|| incomplete("nodegroup"))
}

fn status(group: &Nodegroup) -> &str {
    group.status().map_or("CREATING", NodegroupStatus::as_str)
}

fn labels(desired: &Properties) -> BTreeMap<String, String> {
    let all = desired.map("Labels").into_iter().flatten();
    all.filter_map(|(key, value)| Some((key.clone(), plain(value)?))).collect()
}

fn taints(desired: &Properties) -> Vec<Taint> {
    let taint = |taint: &Properties| {
        Taint::builder()
            .set_key(taint.text("Key"))
            .set_value(taint.text("Value"))
            .set_effect(taint.text("Effect").map(|text| TaintEffect::from(text.as_str())))
            .build()
    };
    desired.maps("Taints").into_iter().map(taint).collect()
}

fn template(desired: &Properties) -> Result<Option<LaunchTemplateSpecification>> {
    let Some(template) = desired.map("LaunchTemplate") else { return Ok(None) };
    let version = template.text("Version");
    if let Some(moving) = version.as_ref().filter(|version| version.starts_with('$')) {
        return Err(Error::new(
            Code::InvalidRequest,
            format!(
                "a node group keeps the version of its launch template that it was given, and no name for one: {moving}"
            ),
        )
        .hint("give the number of the version"));
    }
    Ok(Some(
        LaunchTemplateSpecification::builder()
            .set_id(template.text("Id"))
            .set_name(template.text("Name"))
            .set_version(version)
            .build(),
    ))
}

fn pace(desired: &Properties) -> Option<NodegroupUpdateConfig> {
    desired.map("UpdateConfig").map(|pace| {
        NodegroupUpdateConfig::builder()
            .set_max_unavailable(pace.number("MaxUnavailable"))
            .set_max_unavailable_percentage(pace.number("MaxUnavailablePercentage"))
            .set_update_strategy(pace.text("UpdateStrategy").map(|text| NodegroupUpdateStrategies::from(text.as_str())))
            .build()
    })
}

fn repair(desired: &Properties) -> Option<NodeRepairConfig> {
    let one = |one: &Properties| {
        NodeRepairConfigOverrides::builder()
            .set_node_monitoring_condition(one.text("NodeMonitoringCondition"))
            .set_node_unhealthy_reason(one.text("NodeUnhealthyReason"))
            .set_min_repair_wait_time_mins(one.number("MinRepairWaitTimeMins"))
            .set_repair_action(one.text("RepairAction").map(|text| RepairAction::from(text.as_str())))
            .build()
    };
    desired.map("NodeRepairConfig").map(|repair| {
        let overrides: Vec<_> = repair.maps("NodeRepairConfigOverrides").into_iter().map(one).collect();
        NodeRepairConfig::builder()
            .set_enabled(repair.flag("Enabled"))
            .set_max_unhealthy_node_threshold_count(repair.number("MaxUnhealthyNodeThresholdCount"))
            .set_max_unhealthy_node_threshold_percentage(repair.number("MaxUnhealthyNodeThresholdPercentage"))
            .set_max_parallel_nodes_repaired_count(repair.number("MaxParallelNodesRepairedCount"))
            .set_max_parallel_nodes_repaired_percentage(repair.number("MaxParallelNodesRepairedPercentage"))
            .set_node_repair_config_overrides(Some(overrides).filter(|all| !all.is_empty()))
            .build()
    })
}

fn shown(group: &Nodegroup) -> Seen {
    let (cluster, name) = (group.cluster_name().unwrap_or_default(), group.nodegroup_name().unwrap_or_default());
    let mut properties = Properties::new();
    properties.show("ClusterName", Some(cluster));
    properties.show("NodegroupName", Some(name));
    properties.show("NodeRole", group.node_role());
    properties.show("AmiType", group.ami_type().map(AmiTypes::as_str));
    properties.show("CapacityType", group.capacity_type().map(CapacityTypes::as_str));
    properties.show("DiskSize", group.disk_size());
    properties.show("Version", group.version());
    properties.show("ReleaseVersion", group.release_version());
    properties.show_texts("InstanceTypes", group.instance_types());
    properties.show_texts("Subnets", group.subnets());
    let words = |all: &HashMap<String, String>| {
        let all = all.iter().filter(|(key, _)| !key.starts_with("aws:"));
        Value::Map(all.map(|(key, value)| (key.clone(), value.as_str().into())).collect())
    };
    properties.show("Labels", group.labels().map(words));
    properties.show("Tags", group.tags().map(words));
    let taints = group.taints().iter().map(|taint| {
        let mut within = Properties::new();
        within.show("Key", taint.key());
        within.show("Value", taint.value());
        within.show("Effect", taint.effect().map(TaintEffect::as_str));
        Value::Map(within)
    });
    let taints: Vec<Value> = taints.collect();
    properties.show("Taints", Some(Value::List(taints)).filter(|_| !group.taints().is_empty()));
    properties.show("ScalingConfig", group.scaling_config().map(scaling_shown));
    properties.show("UpdateConfig", group.update_config().map(pace_shown));
    properties.show("NodeRepairConfig", group.node_repair_config().map(repair_shown));
    properties.show(
        "LaunchTemplate",
        group.launch_template().map(|template| {
            let mut within = Properties::new();
            within.show("Id", template.id());
            within.show("Name", template.name());
            within.show("Version", template.version());
            Value::Map(within)
        }),
    );
    properties.show(
        "RemoteAccess",
        group.remote_access().map(|remote| {
            let mut within = Properties::new();
            within.show("Ec2SshKey", remote.ec2_ssh_key());
            within.show_texts("SourceSecurityGroups", remote.source_security_groups());
            Value::Map(within)
        }),
    );
    let id = format!("{cluster}/{name}");
    let mut outputs = Properties::new();
    outputs.show("Id", Some(id.as_str()));
    outputs.show("Arn", group.nodegroup_arn());
    Seen { id, properties, outputs, health: health(group) }
}

fn scaling_shown(scaling: &NodegroupScalingConfig) -> Value {
    let mut within = Properties::new();
    within.show("MinSize", scaling.min_size());
    within.show("MaxSize", scaling.max_size());
    within.show("DesiredSize", scaling.desired_size());
    Value::Map(within)
}

fn pace_shown(pace: &NodegroupUpdateConfig) -> Value {
    let mut within = Properties::new();
    within.show("MaxUnavailable", pace.max_unavailable());
    within.show("MaxUnavailablePercentage", pace.max_unavailable_percentage());
    within.show("UpdateStrategy", pace.update_strategy().map(NodegroupUpdateStrategies::as_str));
    Value::Map(within)
}

fn repair_shown(repair: &NodeRepairConfig) -> Value {
    let mut within = Properties::new();
    within.show("Enabled", repair.enabled());
    within.show("MaxUnhealthyNodeThresholdCount", repair.max_unhealthy_node_threshold_count());
    within.show("MaxUnhealthyNodeThresholdPercentage", repair.max_unhealthy_node_threshold_percentage());
    within.show("MaxParallelNodesRepairedCount", repair.max_parallel_nodes_repaired_count());
    within.show("MaxParallelNodesRepairedPercentage", repair.max_parallel_nodes_repaired_percentage());
    let overrides = repair.node_repair_config_overrides();
    let all = overrides.iter().map(|one| {
        let mut within = Properties::new();
        within.show("NodeMonitoringCondition", one.node_monitoring_condition());
        within.show("NodeUnhealthyReason", one.node_unhealthy_reason());
        within.show("MinRepairWaitTimeMins", one.min_repair_wait_time_mins());
        within.show("RepairAction", one.repair_action().map(RepairAction::as_str));
        Value::Map(within)
    });
    let all: Vec<Value> = all.collect();
    within.show("NodeRepairConfigOverrides", Some(Value::List(all)).filter(|_| !overrides.is_empty()));
    Value::Map(within)
}

fn health(group: &Nodegroup) -> Health {
    match group.status() {
        Some(NodegroupStatus::Active) => Health::Ready,
        Some(NodegroupStatus::Deleting) => Health::Deleting,
        Some(NodegroupStatus::CreateFailed | NodegroupStatus::Degraded | NodegroupStatus::DeleteFailed) => {
            Health::Failed(failure(group).message().to_owned())
        }
        _ => Health::Busy(status(group).to_owned()),
    }
}

fn issues(group: &Nodegroup) -> String {
    let all = group.health().map(|health| health.issues()).unwrap_or_default();
    let words =
        all.iter().map(|one| issue(one.code().map(NodegroupIssueCode::as_str), one.message(), one.resource_ids()));
    words.collect::<Vec<_>>().join("; ")
}

/// Why a group failed, as EKS says, and what sort of failure it is.
fn failure(group: &Nodegroup) -> Error {
    let all = group.health().map(|health| health.issues()).unwrap_or_default();
    let (code, hint) = all.iter().find_map(sort).unwrap_or((Code::ProvisioningFailed, "put right what EKS names"));
    let words = issues(group);
    let words = if words.is_empty() { "EKS gives no reason".to_owned() } else { words };
    let error = Error::new(code, format!("{}: {words}", status(group))).hint(hint);
    match group.status() {
        Some(NodegroupStatus::CreateFailed) => error.during("eks:CreateNodegroup"),
        Some(NodegroupStatus::DeleteFailed) => error.during("eks:DeleteNodegroup"),
        _ => error,
    }
}

/// The code for an issue, and the way out of it; `None` when nothing more is known than what EKS says.
fn sort(one: &Issue) -> Option<(Code, &'static str)> {
    use NodegroupIssueCode as Of;
    const QUOTA: (Code, &str) =
        (Code::Quota, "ask for a higher quota in the Service Quotas console, or delete what is not used");
    let message = one.message().unwrap_or_default().to_lowercase();
    let said = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    match one.code()? {
        Of::InstanceLimitExceeded
        | Of::LimitExceeded
        | Of::IamLimitExceeded
        | Of::Ec2LaunchTemplateMaxLimitExceeded
        | Of::Ec2LaunchTemplateVersionMaxLimitExceeded => Some(QUOTA),
        Of::AsgInstanceLaunchFailures if said(&["vcpu", "limitexceeded", "max spot instance count", "quota"]) => {
            Some(QUOTA)
        }
        Of::AsgInstanceLaunchFailures
            if said(&[
                "insufficient capacity",
                "insufficientinstancecapacity",
                "sufficient",
                "unfulfillablecapacity",
            ]) =>
        {
            Some((Code::NoCapacity, "allow more machine types or zones, or try again later"))
        }
        Of::InsufficientFreeAddresses => {
            Some((Code::ProvisioningFailed, "give the nodes larger subnets: theirs have no addresses left"))
        }
        Of::NodeCreationFailure => Some((
            Code::ProvisioningFailed,
            "check that the nodes reach the cluster's endpoint, the registry and EC2 from their subnets, and that their \
             role may join; the console log of an instance says how far it came",
        )),
        Of::PodEvictionFailure => {
            Some((Code::ProvisioningFailed, "loosen the disruption budget that keeps the pods where they are"))
        }
        _ => None,
    }
}

/// One change that EKS makes at a time.
#[derive(Clone, Debug, Default, PartialEq)]
struct Config {
    labels: Option<UpdateLabelsPayload>,
    taints: Option<UpdateTaintsPayload>,
    scaling: Option<NodegroupScalingConfig>,
    pace: Option<NodegroupUpdateConfig>,
    repair: Option<NodeRepairConfig>,
}

#[derive(Clone, Debug, PartialEq)]
enum Change {
    Config(Box<Config>),
    /// Other images, and with them other nodes.
    Version,
}

/// The first change that is needed still.
fn next(now: &Nodegroup, desired: &Properties, changed: &[String]) -> Result<Option<Change>> {
    let touched = |property: &str| touches(changed, property);
    let config = Config {
        labels: touched("Labels").then(|| relabel(now, desired)).flatten(),
        taints: touched("Taints").then(|| retaint(now, desired)).flatten(),
        scaling: touched("ScalingConfig").then(|| rescale(now, desired)).flatten(),
        pace: pace(desired).filter(|wanted| touched("UpdateConfig") && !is_paced(now.update_config(), wanted)),
        repair: repair(desired)
            .filter(|wanted| touched("NodeRepairConfig") && !is_repaired(now.node_repair_config(), wanted)),
    };
    if config != Config::default() {
        return Ok(Some(Change::Config(Box::new(config))));
    }
    let differs = |wanted: Option<&str>, now: Option<&str>| wanted.is_some() && wanted != now;
    let template = template(desired)?;
    let wanted = template.as_ref().and_then(LaunchTemplateSpecification::version);
    let version = (touched("Version") && differs(desired.text("Version").as_deref(), now.version()))
        || (touched("ReleaseVersion") && differs(desired.text("ReleaseVersion").as_deref(), now.release_version()))
        || (touched("LaunchTemplate") && differs(wanted, now.launch_template().and_then(|now| now.version())));
    Ok(version.then_some(Change::Version))
}

fn relabel(now: &Nodegroup, desired: &Properties) -> Option<UpdateLabelsPayload> {
    let wanted = labels(desired);
    let now = now.labels().cloned().unwrap_or_default();
    let set: HashMap<_, _> = wanted.iter().filter(|(key, value)| now.get(*key) != Some(value)).collect();
    let mut gone: Vec<_> = now.into_keys().filter(|key| !wanted.contains_key(key)).collect();
    gone.sort();
    let set: HashMap<_, _> = set.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    (!set.is_empty() || !gone.is_empty()).then(|| {
        UpdateLabelsPayload::builder()
            .set_add_or_update_labels(Some(set).filter(|set| !set.is_empty()))
            .set_remove_labels(Some(gone).filter(|gone| !gone.is_empty()))
            .build()
    })
}

/// A taint is what it is by its key and its effect; its value may change.
fn retaint(now: &Nodegroup, desired: &Properties) -> Option<UpdateTaintsPayload> {
    let wanted = taints(desired);
    let is_same = |one: &Taint, other: &Taint| one.key() == other.key() && one.effect() == other.effect();
    let as_now = |one: &&Taint| {
        let value = |taint: &Taint| taint.value().unwrap_or_default().to_owned();
        now.taints().iter().any(|now| is_same(now, one) && value(now) == value(one))
    };
    let set: Vec<_> = wanted.iter().filter(|one| !as_now(one)).cloned().collect();
    let gone = now.taints().iter().filter(|now| !wanted.iter().any(|one| is_same(one, now)));
    let gone: Vec<_> = gone.cloned().collect();
    (!set.is_empty() || !gone.is_empty()).then(|| {
        UpdateTaintsPayload::builder()
            .set_add_or_update_taints(Some(set).filter(|set| !set.is_empty()))
            .set_remove_taints(Some(gone).filter(|gone| !gone.is_empty()))
            .build()
    })
}

/// New limits, with as many nodes as there are, as far as the limits allow it.
fn rescale(now: &Nodegroup, desired: &Properties) -> Option<NodegroupScalingConfig> {
    let now = now.scaling_config();
    let (least, most) = (now.and_then(|now| now.min_size()), now.and_then(|now| now.max_size()));
    let min = desired.number("ScalingConfig.MinSize").or(least)?;
    let max = desired.number("ScalingConfig.MaxSize").or(most)?.max(min);
    let nodes = now.and_then(|now| now.desired_size()).or_else(|| desired.number("ScalingConfig.DesiredSize"));
    (Some(min) != least || Some(max) != most).then(|| {
        let nodes = nodes.unwrap_or(min).clamp(min, max);
        NodegroupScalingConfig::builder().min_size(min).max_size(max).desired_size(nodes).build()
    })
}

/// Whether all that is wanted is so; what is not mentioned may be anything.
fn covers<T: PartialEq>(wanted: Option<T>, now: Option<T>) -> bool {
    wanted.is_none() || wanted == now
}

fn is_paced(now: Option<&NodegroupUpdateConfig>, wanted: &NodegroupUpdateConfig) -> bool {
    now.is_some_and(|now| {
        covers(wanted.max_unavailable(), now.max_unavailable())
            && covers(wanted.max_unavailable_percentage(), now.max_unavailable_percentage())
            && covers(wanted.update_strategy(), now.update_strategy())
    })
}

fn is_repaired(now: Option<&NodeRepairConfig>, wanted: &NodeRepairConfig) -> bool {
    let nothing = NodeRepairConfig::builder().enabled(false).build();
    let now = now.unwrap_or(&nothing);
    let overrides = wanted.node_repair_config_overrides();
    covers(wanted.enabled(), now.enabled())
        && covers(wanted.max_unhealthy_node_threshold_count(), now.max_unhealthy_node_threshold_count())
        && covers(wanted.max_unhealthy_node_threshold_percentage(), now.max_unhealthy_node_threshold_percentage())
        && covers(wanted.max_parallel_nodes_repaired_count(), now.max_parallel_nodes_repaired_count())
        && covers(wanted.max_parallel_nodes_repaired_percentage(), now.max_parallel_nodes_repaired_percentage())
        && overrides.len() == now.node_repair_config_overrides().len()
        && overrides.iter().all(|one| now.node_repair_config_overrides().contains(one))
}

impl Change {
    /// What it changes.
    fn properties(&self) -> String {
        let Self::Config(config) = self else { return "Version, ReleaseVersion or LaunchTemplate".to_owned() };
        let all = [
            ("Labels", config.labels.is_some()),
            ("Taints", config.taints.is_some()),
            ("ScalingConfig", config.scaling.is_some()),
            ("UpdateConfig", config.pace.is_some()),
            ("NodeRepairConfig", config.repair.is_some()),
        ];
        all.into_iter().filter(|(_, changes)| *changes).map(|(name, _)| name).collect::<Vec<_>>().join(", ")
    }

    async fn start(self, call: &Call<'_>, now: &Nodegroup, desired: &Properties) -> Result<Option<Update>> {
        let eks = &call.api.eks;
        let (cluster, name) = (now.cluster_name().unwrap_or_default(), now.nodegroup_name().unwrap_or_default());
        let config = match self {
            Self::Config(config) => config,
            Self::Version => {
                // Without a version, EKS would take the cluster's; with images of one's own, it takes none.
                let custom = now.ami_type() == Some(&AmiTypes::Custom);
                let version = desired.text("Version").or_else(|| now.version().map(str::to_owned));
                let update = eks
                    .update_nodegroup_version()
                    .cluster_name(cluster)
                    .nodegroup_name(name)
                    .set_version(version.filter(|_| !custom))
                    .set_release_version(desired.text("ReleaseVersion").filter(|_| !custom))
                    .set_launch_template(template(desired)?)
                    .set_force(desired.flag("ForceUpdateEnabled"));
                return Ok(update.send().await.map_err(failed("eks:UpdateNodegroupVersion"))?.update);
            }
        };
        let update = eks
            .update_nodegroup_config()
            .cluster_name(cluster)
            .nodegroup_name(name)
            .set_labels(config.labels)
            .set_taints(config.taints)
            .set_scaling_config(config.scaling)
            .set_update_config(config.pace)
            .set_node_repair_config(config.repair);
        Ok(update.send().await.map_err(failed("eks:UpdateNodegroupConfig"))?.update)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_eks::types::NodegroupHealth;
    use aws_sdk_eks::types::builders::NodegroupBuilder;
    use landfall_core::plan::unlike;
    use landfall_core::{list, map, properties};

    use super::*;

    fn wanted() -> Properties {
        properties! {
            "ClusterName" => "main",
            "NodegroupName" => "gpu",
            "NodeRole" => "arn:aws:iam::123456789012:role/nodes",
            "AmiType" => "AL2023_x86_64_NVIDIA",
            "CapacityType" => "SPOT",
            "InstanceTypes" => ["g4dn.xlarge"],
            "Subnets" => ["subnet-1", "subnet-2"],
            "Version" => "1.35",
            "Labels" => map! { "landfall.dev/pool" => "gpu", "team" => "a" },
            "Taints" => list![map! { "Key" => "nvidia.com/gpu", "Value" => "true", "Effect" => "NO_SCHEDULE" }],
            "LaunchTemplate" => map! { "Id" => "lt-1", "Version" => 3 },
            "ScalingConfig" => map! { "MinSize" => 1, "MaxSize" => 5, "DesiredSize" => 1 },
            "UpdateConfig" => map! { "MaxUnavailable" => 1 },
            "NodeRepairConfig" => map! {
                "Enabled" => true,
                "NodeRepairConfigOverrides" => list![map! {
                    "NodeMonitoringCondition" => "AcceleratedHardwareReady", "NodeUnhealthyReason" => "NvidiaXID13Error",
                    "MinRepairWaitTimeMins" => 10, "RepairAction" => "Replace",
                }],
            },
            "Tags" => map! { "Team" => "platform" },
        }
    }

    /// The group that EKS would make of these properties, with three nodes by now.
    fn made(of: &Properties) -> NodegroupBuilder {
        let scaling = NodegroupScalingConfig::builder()
            .set_min_size(of.number("ScalingConfig.MinSize"))
            .set_max_size(of.number("ScalingConfig.MaxSize"))
            .desired_size(3);
        Nodegroup::builder()
            .status(NodegroupStatus::Active)
            .cluster_name("main")
            .nodegroup_name("gpu")
            .set_node_role(of.text("NodeRole"))
            .set_ami_type(of.text("AmiType").map(|text| AmiTypes::from(text.as_str())))
            .set_capacity_type(of.text("CapacityType").map(|text| CapacityTypes::from(text.as_str())))
            .set_instance_types(of.texts("InstanceTypes"))
            .set_subnets(of.texts("Subnets"))
            .set_version(of.text("Version"))
            .set_labels(Some(labels(of).into_iter().collect()))
            .set_taints(Some(taints(of)))
            .set_launch_template(template(of).unwrap())
            .scaling_config(scaling.build())
            .set_update_config(pace(of))
            .set_node_repair_config(repair(of))
            .set_tags(Some(of.tag_map("Tags").into_iter().collect()))
    }

    fn all() -> Vec<String> {
        wanted().keys().cloned().collect()
    }

    #[test]
    fn a_group_is_shown_as_it_was_wanted() {
        let of = crate::types::all().into_iter().find(|of| of.name == "AWS::EKS::Nodegroup").unwrap();
        let group = made(&wanted()).build();
        let seen = shown(&group);
        assert!(unlike(&of, &wanted(), &seen.properties).is_empty(), "{:#?}", seen.properties);
        assert_eq!((seen.id.as_str(), &seen.health), ("main/gpu", &Health::Ready));
        assert_eq!(next(&group, &wanted(), &all()).unwrap(), None);
    }

    #[test]
    fn what_nodes_are_told_comes_in_one_change_and_other_nodes_in_the_next() {
        let mut now = wanted();
        now.extend(properties! {
            "Labels" => map! { "landfall.dev/pool" => "gpu", "old" => "yes" },
            "Taints" => list![
                map! { "Key" => "nvidia.com/gpu", "Effect" => "NO_SCHEDULE" },
                map! { "Key" => "old", "Effect" => "NO_EXECUTE" },
            ],
            "ScalingConfig" => map! { "MinSize" => 0, "MaxSize" => 3 },
            "UpdateConfig" => map! { "MaxUnavailablePercentage" => 50 },
            "NodeRepairConfig" => map! { "Enabled" => false },
            "LaunchTemplate" => map! { "Id" => "lt-1", "Version" => "2" },
            "Version" => "1.34",
        });
        let group = made(&now).build();
        let Some(Change::Config(config)) = next(&group, &wanted(), &all()).unwrap() else { panic!("first the words") };
        let labels = config.labels.unwrap();
        assert_eq!(labels.add_or_update_labels().unwrap(), &HashMap::from([("team".into(), "a".into())]));
        assert_eq!(labels.remove_labels(), ["old"]);
        let taints = config.taints.unwrap();
        assert_eq!(taints.add_or_update_taints()[0].value(), Some("true"));
        assert_eq!(taints.remove_taints()[0].key(), Some("old"));
        assert_eq!((taints.add_or_update_taints().len(), taints.remove_taints().len()), (1, 1));
        assert_eq!(config.scaling.unwrap().desired_size(), Some(3), "the autoscaler's number stays");
        assert_eq!((config.pace, config.repair), (pace(&wanted()), repair(&wanted())));

        now = wanted();
        now.insert("Version".into(), "1.34".into());
        assert_eq!(next(&made(&now).build(), &wanted(), &all()).unwrap(), Some(Change::Version));
        now = wanted();
        now.insert("LaunchTemplate".into(), map! { "Id" => "lt-1", "Version" => "2" });
        assert_eq!(next(&made(&now).build(), &wanted(), &all()).unwrap(), Some(Change::Version));
        assert_eq!(next(&made(&now).build(), &wanted(), &["Labels".to_owned()]).unwrap(), None);
    }

    #[test]
    fn nodes_beyond_new_limits_are_brought_within_them() {
        for (min, max, nodes) in [(0, 2, 2), (4, 9, 4), (1, 9, 3)] {
            let mut wanted = wanted();
            wanted.insert("ScalingConfig".into(), map! { "MinSize" => min, "MaxSize" => max, "DesiredSize" => 0 });
            let scaling = rescale(&made(&super::tests::wanted()).build(), &wanted).unwrap();
            assert_eq!((scaling.min_size(), scaling.max_size()), (Some(min), Some(max)));
            assert_eq!(scaling.desired_size(), Some(nodes));
        }
    }

    #[test]
    fn a_version_of_a_template_that_moves_by_itself_is_refused() {
        let mut wanted = wanted();
        wanted.insert("LaunchTemplate".into(), map! { "Id" => "lt-1", "Version" => "$Latest" });
        let refused = next(&made(&super::tests::wanted()).build(), &wanted, &all()).unwrap_err();
        assert!(refused.message().ends_with(": $Latest"), "{refused}");
    }

    #[test]
    fn a_group_that_failed_says_why_and_what_helps() {
        use NodegroupIssueCode as Of;
        let failed = |code: Of, message: &str| {
            let issue = Issue::builder().code(code).message(message).resource_ids("eks-gpu").build();
            let health = NodegroupHealth::builder().issues(issue).build();
            Nodegroup::builder().status(NodegroupStatus::CreateFailed).health(health).build()
        };
        for (code, message, becomes) in [
            (
                Of::AsgInstanceLaunchFailures,
                "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity",
                Code::NoCapacity,
            ),
            (
                Of::AsgInstanceLaunchFailures,
                "We currently do not have sufficient g4dn.xlarge capacity in the Availability Zone you requested",
                Code::NoCapacity,
            ),
            (
                Of::AsgInstanceLaunchFailures,
                "You have requested more vCPU capacity than your current vCPU limit of 0 allows",
                Code::Quota,
            ),
            (Of::AsgInstanceLaunchFailures, "Invalid IamInstanceProfile", Code::ProvisioningFailed),
            (Of::InstanceLimitExceeded, "", Code::Quota),
            (Of::NodeCreationFailure, "Instances failed to join the kubernetes cluster", Code::ProvisioningFailed),
        ] {
            let group = failed(code, message);
            let error = failure(&group);
            assert_eq!(error.code(), becomes, "{message}");
            assert!(error.message().contains(message) && error.message().ends_with("(eks-gpu)"), "{error}");
            assert!(error.next_step().is_some());
            assert!(matches!(health(&group), Health::Failed(reason) if reason == error.message()));
            assert!(matches!(progress(&group, true), Some(Progress::Failed(error)) if error.code() == becomes));
        }
    }

    #[test]
    fn a_group_that_is_being_made_tells_what_is_in_its_way() {
        let issue = Issue::builder().code(NodegroupIssueCode::AsgInstanceLaunchFailures).message("no capacity").build();
        let health = NodegroupHealth::builder().issues(issue).build();
        let group = Nodegroup::builder().status(NodegroupStatus::Creating).health(health).build();
        let Some(Progress::Running { phase, message }) = progress(&group, true) else { panic!("it runs") };
        assert_eq!((phase.as_str(), message.as_str()), ("CREATING", "AsgInstanceLaunchFailures: no capacity"));
        assert!(progress(&made(&wanted()).build(), true).is_none(), "its health says that it is done");
        assert!(matches!(progress(&made(&wanted()).build(), false), Some(Progress::Unfinished(_))));
    }
}
