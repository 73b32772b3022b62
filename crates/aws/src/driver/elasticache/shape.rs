//! A replication group in CloudFormation's schema, and what is to be done to make it as it is wanted.

use std::collections::BTreeSet;

use aws_sdk_elasticache::types::{
    AutomaticFailoverStatus, CacheCluster, CloudWatchLogsDestinationDetails, DataTieringStatus, DestinationDetails,
    KinesisFirehoseDestinationDetails, LogDeliveryConfiguration, LogDeliveryConfigurationRequest,
    LogDeliveryConfigurationStatus, MultiAzStatus, ReplicationGroup, ReplicationGroupPendingModifiedValues,
};
use landfall_core::Result;
use landfall_core::plan::unlike;
use landfall_core::resource::{Properties, ResourceType, Value};

use crate::driver::wanted::{Shown, Wanted, is_version, touches};

pub(super) const SETTABLE: &[&str] = &[
    "AtRestEncryptionEnabled",
    "AuthToken",
    "AutoMinorVersionUpgrade",
    "AutomaticFailoverEnabled",
    "CacheNodeType",
    "CacheParameterGroupName",
    "CacheSubnetGroupName",
    "ClusterMode",
    "DataTieringEnabled",
    "Engine",
    "EngineVersion",
    "IpDiscovery",
    "KmsKeyId",
    "LogDeliveryConfigurations",
    "MultiAZEnabled",
    "NetworkType",
    "NotificationTopicArn",
    "NumCacheClusters",
    "NumNodeGroups",
    "Port",
    "PreferredCacheClusterAZs",
    "PreferredMaintenanceWindow",
    "ReplicasPerNodeGroup",
    "ReplicationGroupDescription",
    "ReplicationGroupId",
    "SecurityGroupIds",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "TransitEncryptionEnabled",
    "TransitEncryptionMode",
    "UserGroupIds",
];

/// What one call modifies and the group itself shows.
const MODIFIED: &[&str] = &[
    "AutoMinorVersionUpgrade",
    "AutomaticFailoverEnabled",
    "CacheNodeType",
    "ClusterMode",
    "Engine",
    "IpDiscovery",
    "LogDeliveryConfigurations",
    "MultiAZEnabled",
    "ReplicationGroupDescription",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "TransitEncryptionEnabled",
    "TransitEncryptionMode",
    "UserGroupIds",
];

/// What the same call modifies and only the nodes show.
const OF_NODES: &[&str] = &[
    "CacheParameterGroupName",
    "EngineVersion",
    "NotificationTopicArn",
    "PreferredMaintenanceWindow",
    "SecurityGroupIds",
];

/// The next operation on a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many replicas of each primary, which are more than there are: before the failover that needs them.
    MoreReplicas(i32),
    /// These properties.
    Modify(Vec<&'static str>),
    /// So many replicas of each primary, which are fewer than there are: after the failover that needed them is off.
    FewerReplicas(i32),
    /// So many shards; these go.
    Shards {
        count: i32,
        gone: Vec<String>,
    },
    /// The password. Nothing shows which one it is, so that it comes last and once.
    Password,
    Nothing,
}

/// What is to be done first of what has changed and is not as it is wanted.
pub(super) fn next(
    of: &ResourceType,
    desired: &Properties,
    changed: &[String],
    now: &ReplicationGroup,
    member: Option<&CacheCluster>,
) -> Step {
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let is = |property: &str| touches(changed, property);
    let shards = now.node_groups().len();
    let replicas_now = now.node_groups().first().map(|shard| count(shard.node_group_members().len()) - 1);
    let replicas = if is("ReplicasPerNodeGroup") { desired.number("ReplicasPerNodeGroup") } else { None };
    let nodes = if is("NumCacheClusters") { desired.number("NumCacheClusters") } else { None };
    let replicas = replicas.or(nodes.filter(|_| shards == 1).map(|nodes| nodes - 1)).zip(replicas_now);

    if let Some((wanted, now)) = replicas
        && wanted > now
    {
        return Step::MoreReplicas(wanted);
    }
    let name = desired.text("ReplicationGroupId").unwrap_or_default();
    let unlike = unlike(of, desired, &shown(now, name));
    let beneath = |property: &str| unlike.iter().any(|path| touches(std::slice::from_ref(path), property));
    let mut modified: Vec<&'static str> =
        MODIFIED.iter().copied().filter(|property| is(property) && beneath(property)).collect();
    modified.extend(unshown(desired, now).into_iter().filter(|property| is(property) && !beneath(property)));
    modified.extend(OF_NODES.iter().copied().filter(|property| {
        is(property)
            && desired.value(property).is_some()
            && !member.is_some_and(|member| has(member, property, desired))
    }));
    if !modified.is_empty() {
        return Step::Modify(modified);
    }
    if let Some((wanted, now)) = replicas
        && wanted < now
    {
        return Step::FewerReplicas(wanted);
    }
    if is("NumNodeGroups")
        && let Some(wanted) = desired.number("NumNodeGroups")
        && wanted != count(shards)
        && shards > 0
    {
        let keep = usize::try_from(wanted).unwrap_or_default();
        let ids = now.node_groups().iter().filter_map(|shard| shard.node_group_id().map(str::to_owned));
        return Step::Shards { count: wanted, gone: ids.skip(keep).collect() };
    }
    if is("AuthToken") && (desired.value("AuthToken").is_some() || now.auth_token_enabled() == Some(true)) {
        return Step::Password;
    }
    Step::Nothing
}

/// What is not declared and stands in the group all the same, of what can be taken away.
fn unshown(desired: &Properties, now: &ReplicationGroup) -> Vec<&'static str> {
    let mut all = Vec::new();
    let missing = |property: &str| desired.value(property).is_none();
    if missing("LogDeliveryConfigurations") && !delivered(now).is_empty() {
        all.push("LogDeliveryConfigurations");
    }
    if missing("UserGroupIds") && !now.user_group_ids().is_empty() {
        all.push("UserGroupIds");
    }
    if missing("SnapshotRetentionLimit") && now.snapshot_retention_limit().unwrap_or_default() > 0 {
        all.push("SnapshotRetentionLimit");
    }
    if missing("AutomaticFailoverEnabled") && fails_over(now) == Some(true) {
        all.push("AutomaticFailoverEnabled");
    }
    if missing("MultiAZEnabled") && now.multi_az() == Some(&MultiAzStatus::Enabled) {
        all.push("MultiAZEnabled");
    }
    all
}

/// Whether a node has this property as it is wanted.
fn has(member: &CacheCluster, property: &str, desired: &Properties) -> bool {
    let wanted = desired.text(property).unwrap_or_default();
    let is = |found: Option<&str>| found.is_some_and(|found| found.eq_ignore_ascii_case(&wanted));
    match property {
        "CacheParameterGroupName" => {
            is(member.cache_parameter_group().and_then(|group| group.cache_parameter_group_name()))
        }
        "EngineVersion" => is_version(wanted.trim_end_matches(".x"), member.engine_version()),
        "NotificationTopicArn" => is(member.notification_configuration().and_then(|topic| topic.topic_arn())),
        "PreferredMaintenanceWindow" => is(member.preferred_maintenance_window()),
        _ => {
            let wanted: BTreeSet<String> = desired.texts(property).unwrap_or_default().into_iter().collect();
            let found = member.security_groups().iter().filter_map(|group| group.security_group_id());
            wanted == found.map(str::to_owned).collect()
        }
    }
}

/// What a change still waits for, although the group is available; `None` when nothing.
pub(super) fn pending(now: &ReplicationGroup) -> Option<String> {
    let nothing = ReplicationGroupPendingModifiedValues::builder().build();
    if now.pending_modified_values().is_some_and(|values| *values != nothing) {
        return Some("modifications pending".to_owned());
    }
    let busy = now.node_groups().iter().find(|shard| shard.status().is_some_and(|status| status != "available"));
    busy.map(|shard| format!("shard {} {}", shard.node_group_id().unwrap_or_default(), shard.status().unwrap_or("")))
}

/// What its last snapshot is called; `None` when there is nothing in it.
pub(super) fn final_snapshot(now: &ReplicationGroup) -> Option<String> {
    if now.status() == Some("create-failed") {
        return None;
    }
    let id = now.replication_group_id()?;
    Some(match now.replication_group_create_time() {
        Some(time) => format!("{id}-{}", time.secs()),
        None => format!("{id}-final"),
    })
}

pub(super) fn outputs(group: &ReplicationGroup) -> Properties {
    let mut outputs = Properties::new();
    outputs.show("ReplicationGroupId", group.replication_group_id());
    let first = group.node_groups().first();
    let ends = [
        ("PrimaryEndPoint", first.and_then(|shard| shard.primary_endpoint())),
        ("ReaderEndPoint", first.and_then(|shard| shard.reader_endpoint())),
        ("ConfigurationEndPoint", group.configuration_endpoint()),
    ];
    for (name, end) in ends {
        if let Some(end) = end {
            outputs.show(&format!("{name}.Address"), end.address());
            outputs.show(&format!("{name}.Port"), end.port().map(|port| port.to_string()));
        }
    }
    outputs
}

/// Its properties but for the tags; `name` is its id as it was asked for.
pub(super) fn shown(group: &ReplicationGroup, name: String) -> Properties {
    let mut shown = Properties::new();
    let shards = group.node_groups();
    shown.show("ReplicationGroupId", Some(name));
    shown.show("ReplicationGroupDescription", group.description());
    shown.show("AtRestEncryptionEnabled", group.at_rest_encryption_enabled());
    shown.show("AutoMinorVersionUpgrade", group.auto_minor_version_upgrade());
    shown.show("AutomaticFailoverEnabled", fails_over(group));
    shown.show("CacheNodeType", group.cache_node_type());
    shown.show("ClusterMode", group.cluster_mode().map(|mode| mode.as_str()));
    shown.show("DataTieringEnabled", group.data_tiering().map(|status| *status == DataTieringStatus::Enabled));
    shown.show("Engine", group.engine());
    shown.show("IpDiscovery", group.ip_discovery().map(|discovery| discovery.as_str()));
    shown.show("KmsKeyId", group.kms_key_id());
    let deliveries = delivered(group);
    shown.show("LogDeliveryConfigurations", Some(deliveries).filter(|all| !all.is_empty()).map(Value::List));
    shown.show("MultiAZEnabled", group.multi_az().map(|status| *status == MultiAzStatus::Enabled));
    shown.show("NetworkType", group.network_type().map(|network| network.as_str()));
    let nodes: usize = shards.iter().map(|shard| shard.node_group_members().len()).sum();
    shown.show("NumCacheClusters", i64::try_from(nodes).ok().filter(|nodes| *nodes > 0));
    shown.show("NumNodeGroups", i64::try_from(shards.len()).ok().filter(|shards| *shards > 0));
    let port = shards.first().and_then(|shard| shard.primary_endpoint()).or(group.configuration_endpoint());
    shown.show("Port", port.and_then(|end| end.port()));
    let replicas = shards.first().map(|shard| shard.node_group_members().len().saturating_sub(1));
    shown.show("ReplicasPerNodeGroup", replicas.and_then(|replicas| i64::try_from(replicas).ok()));
    shown.show("SnapshotRetentionLimit", group.snapshot_retention_limit());
    shown.show("SnapshotWindow", group.snapshot_window());
    shown.show("TransitEncryptionEnabled", group.transit_encryption_enabled());
    shown.show("TransitEncryptionMode", group.transit_encryption_mode().map(|mode| mode.as_str()));
    shown.show_texts("UserGroupIds", group.user_group_ids());
    shown
}

fn fails_over(group: &ReplicationGroup) -> Option<bool> {
    let on = [AutomaticFailoverStatus::Enabled, AutomaticFailoverStatus::Enabling];
    group.automatic_failover().map(|status| on.contains(status))
}

/// The logs that are delivered, without those whose delivery is being stopped.
fn delivered(group: &ReplicationGroup) -> Vec<Value> {
    let stays = |one: &&LogDeliveryConfiguration| one.status() != Some(&LogDeliveryConfigurationStatus::Disabling);
    let all = group.log_delivery_configurations().iter().filter(stays).map(|one| {
        let mut shown = Properties::new();
        shown.show("LogType", one.log_type().map(|log| log.as_str()));
        shown.show("LogFormat", one.log_format().map(|format| format.as_str()));
        shown.show("DestinationType", one.destination_type().map(|destination| destination.as_str()));
        let mut details = Properties::new();
        if let Some(found) = one.destination_details() {
            let logs = found.cloud_watch_logs_details().and_then(|logs| logs.log_group());
            details.show("CloudWatchLogsDetails", logs.map(|group| landfall_core::map! { "LogGroup" => group }));
            let stream = found.kinesis_firehose_details().and_then(|stream| stream.delivery_stream());
            let stream = stream.map(|stream| landfall_core::map! { "DeliveryStream" => stream });
            details.show("KinesisFirehoseDetails", stream);
        }
        shown.show("DestinationDetails", Some(details));
        Value::Map(shown)
    });
    all.collect()
}

/// The wanted deliveries of logs.
pub(super) fn deliveries(desired: &Properties) -> Result<Vec<LogDeliveryConfigurationRequest>> {
    let all = desired.maps("LogDeliveryConfigurations").into_iter().map(|one| {
        one.only(&["DestinationDetails", "DestinationType", "LogFormat", "LogType"])?;
        let logs = one.text("DestinationDetails.CloudWatchLogsDetails.LogGroup");
        let logs = logs.map(|group| CloudWatchLogsDestinationDetails::builder().log_group(group).build());
        let stream = one.text("DestinationDetails.KinesisFirehoseDetails.DeliveryStream");
        let stream = stream.map(|stream| KinesisFirehoseDestinationDetails::builder().delivery_stream(stream).build());
        let details = DestinationDetails::builder()
            .set_cloud_watch_logs_details(logs)
            .set_kinesis_firehose_details(stream)
            .build();
        Ok(LogDeliveryConfigurationRequest::builder()
            .log_type(one.required("LogType")?.as_str().into())
            .log_format(one.required("LogFormat")?.as_str().into())
            .destination_type(one.required("DestinationType")?.as_str().into())
            .destination_details(details)
            .enabled(true)
            .build())
    });
    all.collect()
}

/// The wanted deliveries, and an end to those of logs that are not to be delivered any more.
pub(super) fn other_deliveries(
    now: &ReplicationGroup,
    desired: &Properties,
) -> Result<Vec<LogDeliveryConfigurationRequest>> {
    let mut all = deliveries(desired)?;
    for one in now.log_delivery_configurations() {
        if !all.iter().any(|wanted| wanted.log_type() == one.log_type()) {
            let end = LogDeliveryConfigurationRequest::builder().set_log_type(one.log_type().cloned());
            all.push(end.enabled(false).build());
        }
    }
    Ok(all)
}

/// The groups of users to add, and those to take away.
pub(super) fn users(now: &ReplicationGroup, desired: &Properties) -> (Vec<String>, Vec<String>) {
    let wanted = desired.texts("UserGroupIds").unwrap_or_default();
    let new = wanted.iter().filter(|user| !now.user_group_ids().contains(user)).cloned().collect();
    let gone = now.user_group_ids().iter().filter(|user| !wanted.contains(user)).cloned().collect();
    (new, gone)
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticache::types::{
        CacheParameterGroupStatus, LogFormat, LogType, NodeGroup, NodeGroupMember, SecurityGroupMembership,
    };
    use aws_smithy_types::DateTime;
    use landfall_core::{list, map, properties};

    use super::*;

    fn of() -> ResourceType {
        crate::types::all().into_iter().find(|of| of.name == "AWS::ElastiCache::ReplicationGroup").unwrap()
    }

    fn shard(id: &str, nodes: usize) -> NodeGroup {
        let member = NodeGroupMember::builder().build();
        let shard = NodeGroup::builder().node_group_id(id).status("available");
        (0..nodes).fold(shard, |shard, _| shard.node_group_members(member.clone())).build()
    }

    fn group(nodes: usize) -> aws_sdk_elasticache::types::builders::ReplicationGroupBuilder {
        let group = ReplicationGroup::builder()
            .replication_group_id("main")
            .description("main")
            .status("available")
            .automatic_failover(AutomaticFailoverStatus::Disabled)
            .snapshot_retention_limit(0)
            .auth_token_enabled(true)
            .cache_node_type("cache.t4g.medium")
            .node_groups(shard("0001", nodes));
        (0..nodes).fold(group, |group, number| group.member_clusters(format!("main-{number:03}")))
    }

    fn member() -> CacheCluster {
        CacheCluster::builder()
            .engine_version("7.1.0")
            .preferred_maintenance_window("sun:03:00-sun:04:00")
            .cache_parameter_group(CacheParameterGroupStatus::builder().cache_parameter_group_name("tuned").build())
            .security_groups(SecurityGroupMembership::builder().security_group_id("sg-2").build())
            .security_groups(SecurityGroupMembership::builder().security_group_id("sg-1").build())
            .build()
    }

    fn step(wanted: &Properties, now: &ReplicationGroup) -> Step {
        let changed: Vec<String> = wanted.keys().cloned().collect();
        next(&of(), wanted, &changed, now, Some(&member()))
    }

    #[test]
    fn what_takes_several_operations_is_done_one_after_the_other() {
        let wanted = properties! {
            "ReplicationGroupId" => "main",
            "NumCacheClusters" => 3,
            "AutomaticFailoverEnabled" => true,
            "SnapshotRetentionLimit" => 5,
            "EngineVersion" => "7.1",
            "CacheParameterGroupName" => "tuned",
            "SecurityGroupIds" => ["sg-1", "sg-2"],
            "PreferredMaintenanceWindow" => "Sun:03:00-Sun:04:00",
            "AuthToken" => "password",
        };
        assert_eq!(step(&wanted, &group(1).build()), Step::MoreReplicas(2), "failover needs them");
        let modify = Step::Modify(vec!["AutomaticFailoverEnabled", "SnapshotRetentionLimit"]);
        assert_eq!(step(&wanted, &group(3).build()), modify);
        assert_eq!(step(&wanted, &group(5).build()), modify, "what needed them is switched off before they go");
        let modified = group(5).automatic_failover(AutomaticFailoverStatus::Enabled).snapshot_retention_limit(5);
        assert_eq!(step(&wanted, &modified.build()), Step::FewerReplicas(2));
        let modified = group(3).automatic_failover(AutomaticFailoverStatus::Enabled).snapshot_retention_limit(5);
        assert_eq!(step(&wanted, &modified.build()), Step::Password, "the last, for nothing shows that it is done");
    }

    #[test]
    fn what_only_the_nodes_show_is_compared_there() {
        let now = group(1).build();
        for (property, value) in [
            ("EngineVersion", Value::from("8.0")),
            ("CacheParameterGroupName", "other".into()),
            ("SecurityGroupIds", ["sg-1"].into()),
            ("PreferredMaintenanceWindow", "mon:03:00-mon:04:00".into()),
            ("NotificationTopicArn", "arn:topic".into()),
        ] {
            let wanted = Properties::from_iter([(property.to_owned(), value)]);
            assert_eq!(step(&wanted, &now), Step::Modify(vec![property]));
        }
    }

    #[test]
    fn what_has_not_changed_is_left_alone() {
        let wanted = properties! { "ReplicationGroupId" => "main", "CacheNodeType" => "cache.m7g.large" };
        let now = group(1).build();
        assert_eq!(next(&of(), &wanted, &["Tags".to_owned()], &now, None), Step::Nothing);
        let changed = ["CacheNodeType".to_owned()];
        assert_eq!(next(&of(), &wanted, &changed, &now, None), Step::Modify(vec!["CacheNodeType"]));
    }

    #[test]
    fn what_is_not_declared_any_more_is_taken_away() {
        let log = LogDeliveryConfiguration::builder().log_type(LogType::SlowLog).log_format(LogFormat::Json).build();
        let now = group(1).log_delivery_configurations(log).user_group_ids("users").snapshot_retention_limit(1).build();
        let wanted = properties! { "ReplicationGroupId" => "main" };
        let changed = ["LogDeliveryConfigurations", "UserGroupIds", "SnapshotRetentionLimit"].map(str::to_owned);
        let all = vec!["LogDeliveryConfigurations", "UserGroupIds", "SnapshotRetentionLimit"];
        assert_eq!(next(&of(), &wanted, &changed, &now, None), Step::Modify(all));
        let ends = other_deliveries(&now, &wanted).unwrap();
        assert_eq!((ends[0].log_type(), ends[0].enabled()), (Some(&LogType::SlowLog), Some(false)));
        assert_eq!(users(&now, &wanted), (vec![], vec!["users".to_owned()]));
    }

    #[test]
    fn the_last_shards_go_first() {
        let now = group(2).node_groups(shard("0002", 2)).node_groups(shard("0003", 2)).build();
        let step = |shards: i64| {
            let wanted = properties! { "NumNodeGroups" => shards };
            next(&of(), &wanted, &["NumNodeGroups".to_owned()], &now, None)
        };
        assert_eq!(step(4), Step::Shards { count: 4, gone: vec![] });
        assert_eq!(step(2), Step::Shards { count: 2, gone: vec!["0003".to_owned()] });
        assert_eq!(step(3), Step::Nothing);
    }

    #[test]
    fn logs_say_the_same_there_and_back() {
        let delivery = map! {
            "LogType" => "slow-log",
            "LogFormat" => "json",
            "DestinationType" => "cloudwatch-logs",
            "DestinationDetails" => map! { "CloudWatchLogsDetails" => map! { "LogGroup" => "/logs" } },
        };
        let wanted = properties! { "LogDeliveryConfigurations" => list![delivery.clone()] };
        let asked = deliveries(&wanted).unwrap().remove(0);
        let told = LogDeliveryConfiguration::builder()
            .set_log_type(asked.log_type().cloned())
            .set_log_format(asked.log_format().cloned())
            .set_destination_type(asked.destination_type().cloned())
            .set_destination_details(asked.destination_details().cloned());
        let now = group(1).log_delivery_configurations(told.build()).build();
        assert_eq!(shown(&now, "main".to_owned())["LogDeliveryConfigurations"], list![delivery]);
    }

    #[test]
    fn a_last_snapshot_is_named_after_one_group_alone() {
        let made = group(1).replication_group_create_time(DateTime::from_secs(1_700_000_000));
        assert_eq!(final_snapshot(&made.clone().build()).as_deref(), Some("main-1700000000"));
        assert_eq!(final_snapshot(&made.status("create-failed").build()), None);
    }

    #[test]
    fn an_update_waits_for_what_is_pending() {
        assert_eq!(pending(&group(1).build()), None);
        let values = ReplicationGroupPendingModifiedValues::builder().primary_cluster_id("main-002").build();
        assert!(pending(&group(1).pending_modified_values(values).build()).is_some());
        let busy = NodeGroup::builder().node_group_id("0002").status("modifying").build();
        assert_eq!(pending(&group(1).node_groups(busy).build()).as_deref(), Some("shard 0002 modifying"));
    }
}
