//! A replication group: a primary with its replicas, or several of them as shards.
//!
//! - Changes act at once, never in the next maintenance window. What differs takes up to five operations, each of which has
//!   to end before the next: more replicas, what one call modifies, fewer replicas, other shards, the password. After each of
//!   them the group is compared with what is wanted again, so that whoever comes after an interruption goes on.
//! - A new password is added beside the one before, which is good until the next change: who has read the old one stays
//!   connected. A group that had none lets in clients without one until then.
//! - A delete takes a last snapshot, whose name is the group's with the second it was made in, so that no two groups share one.

use async_trait::async_trait;
use aws_sdk_elasticache::types::{AuthTokenUpdateStrategyType, CacheCluster, ReplicationGroup as Group, SourceType};
use landfall_core::driver::{Health, Operation, Progress};
use landfall_core::resource::{Identity, Properties};
use landfall_core::{Code, Error, Result};
use secrecy::ExposeSecret;

use super::shape::{self, Step};
use super::{tag, tag_list, tags};
use crate::driver::each::each;
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which, running};
use crate::driver::tagging;
use crate::driver::wanted::{Shown, Wanted, touches};

/// How far back the events go that say why a group failed, in minutes.
const EVENTS_MINUTES: i32 = 24 * 60;
/// Handle of an operation after which there may be more to do.
const MORE: &str = "more";
/// Handle of the last operation.
const LAST: &str = "last";

/// `AWS::ElastiCache::ReplicationGroup`.
#[derive(Debug)]
pub(in crate::driver) struct ReplicationGroup;

#[async_trait]
impl Kept for ReplicationGroup {
    fn type_name(&self) -> &'static str {
        "AWS::ElastiCache::ReplicationGroup"
    }

    fn settable(&self) -> &'static [&'static str] {
        shape::SETTABLE
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let names = match which {
            Which::These(_) => which.named().iter().map(|name| name.to_ascii_lowercase()).collect(),
            Which::Marked => tagging::marked(call.api, call.cx.stack, "elasticache", "replicationgroup").await?,
        };
        each(names, async |name: String| {
            let group = one(call, &name).await?;
            let tags = tags(call, group.arn().unwrap_or_default()).await?;
            let mut properties = shape::shown(&group, which.spelled(&name));
            properties.show_tags("Tags", tags);
            let status = group.status().unwrap_or_default();
            let health = match status {
                // A backup does not keep anybody from it.
                "available" | "snapshotting" => Health::Ready,
                "deleting" => Health::Deleting,
                "create-failed" => Health::Failed(reason(call, &name).await),
                _ => Health::Busy(status.to_owned()),
            };
            Ok(Some(Seen { id: name, properties, outputs: shape::outputs(&group), health }))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let name = desired.required("ReplicationGroupId")?;
        let create = call
            .api
            .elasticache
            .create_replication_group()
            .replication_group_id(&name)
            .replication_group_description(desired.required("ReplicationGroupDescription")?)
            .set_at_rest_encryption_enabled(desired.flag("AtRestEncryptionEnabled"))
            .set_auth_token(password(desired))
            .set_auto_minor_version_upgrade(desired.flag("AutoMinorVersionUpgrade"))
            .set_automatic_failover_enabled(desired.flag("AutomaticFailoverEnabled"))
            .set_cache_node_type(desired.text("CacheNodeType"))
            .set_cache_parameter_group_name(desired.text("CacheParameterGroupName"))
            .set_cache_subnet_group_name(desired.text("CacheSubnetGroupName"))
            .set_cluster_mode(desired.text("ClusterMode").map(|text| text.as_str().into()))
            .set_data_tiering_enabled(desired.flag("DataTieringEnabled"))
            .set_engine(desired.text("Engine"))
            .set_engine_version(desired.text("EngineVersion"))
            .set_ip_discovery(desired.text("IpDiscovery").map(|text| text.as_str().into()))
            .set_kms_key_id(desired.text("KmsKeyId"))
            .set_log_delivery_configurations(Some(shape::deliveries(desired)?).filter(|all| !all.is_empty()))
            .set_multi_az_enabled(desired.flag("MultiAZEnabled"))
            .set_network_type(desired.text("NetworkType").map(|text| text.as_str().into()))
            .set_notification_topic_arn(desired.text("NotificationTopicArn"))
            .set_num_cache_clusters(desired.number("NumCacheClusters"))
            .set_num_node_groups(desired.number("NumNodeGroups"))
            .set_port(desired.number("Port"))
            .set_preferred_cache_cluster_azs(desired.texts("PreferredCacheClusterAZs"))
            .set_preferred_maintenance_window(desired.text("PreferredMaintenanceWindow"))
            .set_replicas_per_node_group(desired.number("ReplicasPerNodeGroup"))
            .set_security_group_ids(desired.texts("SecurityGroupIds"))
            .set_snapshot_retention_limit(desired.number("SnapshotRetentionLimit"))
            .set_snapshot_window(desired.text("SnapshotWindow"))
            .set_transit_encryption_enabled(desired.flag("TransitEncryptionEnabled"))
            .set_transit_encryption_mode(desired.text("TransitEncryptionMode").map(|text| text.as_str().into()))
            .set_user_group_ids(desired.texts("UserGroupIds"))
            .set_tags(Some(tag_list(desired.tags("Tags"))));
        create.send().await.map_err(failed("elasticache:CreateReplicationGroup"))?;
        Ok(Started::running(name.to_ascii_lowercase(), "creating"))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let id = at.id.clone().unwrap_or_default();
        let now = one(call, &id).await?;
        let member = member(call, &now).await?;
        if touches(changed, "Tags") {
            tag(call, now.arn().unwrap_or_default(), &desired.tags("Tags")).await?;
        }
        let api = &call.api.elasticache;
        let step = shape::next(call.of, desired, changed, &now, member.as_ref());
        let started = |phase: &str, handle: &str| Ok(Started::running(id.as_str(), phase).handle(handle));
        match step {
            Step::MoreReplicas(count) => {
                let increase = api.increase_replica_count().replication_group_id(&id).new_replica_count(count);
                let increase = increase.apply_immediately(true);
                increase.send().await.map_err(failed("elasticache:IncreaseReplicaCount"))?;
                started("adding replicas", MORE)
            }
            Step::Modify(properties) => {
                modify(call, &id, &now, desired, &properties).await?;
                started("modifying", MORE)
            }
            Step::FewerReplicas(count) => {
                let decrease = api.decrease_replica_count().replication_group_id(&id).new_replica_count(count);
                let decrease = decrease.apply_immediately(true);
                decrease.send().await.map_err(failed("elasticache:DecreaseReplicaCount"))?;
                started("removing replicas", MORE)
            }
            Step::Shards { count, gone } => {
                let shards = api.modify_replication_group_shard_configuration().replication_group_id(&id);
                let shards = shards.node_group_count(count).apply_immediately(true);
                let shards = shards.set_node_groups_to_remove(Some(gone).filter(|gone| !gone.is_empty()));
                shards.send().await.map_err(failed("elasticache:ModifyReplicationGroupShardConfiguration"))?;
                started("resharding", MORE)
            }
            Step::Password => {
                let password = password(desired);
                let strategy = match password {
                    Some(_) => AuthTokenUpdateStrategyType::Rotate,
                    None => AuthTokenUpdateStrategyType::Delete,
                };
                let modify = api.modify_replication_group().replication_group_id(&id).apply_immediately(true);
                let modify = modify.set_auth_token(password).auth_token_update_strategy(strategy);
                modify.send().await.map_err(failed("elasticache:ModifyReplicationGroup"))?;
                started("changing the password", LAST)
            }
            Step::Nothing => call.settled(self, at).await,
        }
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let id = at.id.clone().unwrap_or_default();
        let now = one(call, &id).await?;
        if now.status() == Some("deleting") {
            return Ok(Started::running(id, "deleting"));
        }
        let snapshot = shape::final_snapshot(&now);
        let delete = call.api.elasticache.delete_replication_group().replication_group_id(&id);
        let delete = delete.retain_primary_cluster(false).set_final_snapshot_identifier(snapshot.clone());
        match delete.send().await.map_err(failed("elasticache:DeleteReplicationGroup")) {
            Ok(_) => Ok(Started::running(id, "deleting")),
            Err(error) if error.code() == Code::AlreadyExists => Err(error.hint(format!(
                "an earlier delete took this snapshot and did not go on; delete the snapshot and converge again: {}",
                snapshot.unwrap_or_default()
            ))),
            Err(error) => Err(error),
        }
    }

    async fn follow(&self, call: &Call<'_>, operation: &Operation) -> Result<Option<Progress>> {
        let id = operation.identity.id.clone().unwrap_or_default();
        let now = match one(call, &id).await {
            Ok(now) => now,
            Err(error) if error.code() == Code::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if now.status() != Some("available") {
            return Ok(Some(running(now.status().unwrap_or_default())).filter(|_| now.status() != Some("deleting")));
        }
        Ok(match shape::pending(&now) {
            Some(what) => Some(running(what)),
            None if operation.handle.as_deref() == Some(MORE) => Some(Progress::Unfinished(shape::outputs(&now))),
            None => None,
        })
    }
}

/// Sends these properties in one call.
async fn modify(call: &Call<'_>, id: &str, now: &Group, desired: &Properties, these: &[&str]) -> Result<()> {
    let is = |property: &str| these.contains(&property);
    let flag = |property: &str| is(property).then(|| desired.flag(property).unwrap_or_default());
    let text = |property: &str| if is(property) { desired.text(property) } else { None };
    let number = |property: &str| is(property).then(|| desired.number(property).unwrap_or_default());
    let (users, former) = shape::users(now, desired);
    let encryption = is("TransitEncryptionEnabled") || is("TransitEncryptionMode");
    let deliveries = if is("LogDeliveryConfigurations") { Some(shape::other_deliveries(now, desired)?) } else { None };
    let modify = call
        .api
        .elasticache
        .modify_replication_group()
        .replication_group_id(id)
        .apply_immediately(true)
        .set_auto_minor_version_upgrade(flag("AutoMinorVersionUpgrade"))
        .set_automatic_failover_enabled(flag("AutomaticFailoverEnabled"))
        .set_cache_node_type(text("CacheNodeType"))
        .set_cache_parameter_group_name(text("CacheParameterGroupName"))
        .set_cluster_mode(text("ClusterMode").map(|text| text.as_str().into()))
        .set_engine(text("Engine"))
        .set_engine_version(text("EngineVersion"))
        .set_ip_discovery(text("IpDiscovery").map(|text| text.as_str().into()))
        .set_log_delivery_configurations(deliveries)
        .set_multi_az_enabled(flag("MultiAZEnabled"))
        .set_notification_topic_arn(text("NotificationTopicArn"))
        .set_preferred_maintenance_window(text("PreferredMaintenanceWindow"))
        .set_replication_group_description(text("ReplicationGroupDescription"))
        .set_security_group_ids(desired.texts("SecurityGroupIds").filter(|_| is("SecurityGroupIds")))
        .set_snapshot_retention_limit(number("SnapshotRetentionLimit"))
        .set_snapshot_window(text("SnapshotWindow"))
        .set_transit_encryption_enabled(
            encryption.then(|| desired.flag("TransitEncryptionEnabled").unwrap_or_default()),
        )
        .set_transit_encryption_mode(
            desired.text("TransitEncryptionMode").filter(|_| encryption).map(|text| text.as_str().into()),
        )
        .set_user_group_ids_to_add(Some(users).filter(|all| is("UserGroupIds") && !all.is_empty()))
        .set_user_group_ids_to_remove(Some(former).filter(|all| is("UserGroupIds") && !all.is_empty()));
    modify.send().await.map_err(failed("elasticache:ModifyReplicationGroup"))?;
    Ok(())
}

fn password(desired: &Properties) -> Option<String> {
    desired.secret("AuthToken").map(|password| password.expose_secret().to_owned())
}

async fn one(call: &Call<'_>, name: &str) -> Result<Group> {
    let describe = call.api.elasticache.describe_replication_groups().replication_group_id(name);
    let answer = describe.send().await.map_err(failed("elasticache:DescribeReplicationGroups"))?;
    answer.replication_groups.unwrap_or_default().pop().ok_or_else(|| {
        Error::new(Code::NotFound, format!("there is no such replication group: {name}"))
            .during("elasticache:DescribeReplicationGroups")
    })
}

/// One of the group's nodes, which shows what the group itself does not.
async fn member(call: &Call<'_>, group: &Group) -> Result<Option<CacheCluster>> {
    let Some(name) = group.member_clusters().first() else { return Ok(None) };
    let describe = call.api.elasticache.describe_cache_clusters().cache_cluster_id(name);
    match describe.send().await.map_err(failed("elasticache:DescribeCacheClusters")) {
        Ok(answer) => Ok(answer.cache_clusters.unwrap_or_default().pop()),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why a group failed: the last things that ElastiCache noted about it.
async fn reason(call: &Call<'_>, name: &str) -> String {
    let describe = call.api.elasticache.describe_events().source_identifier(name);
    let events = describe.source_type(SourceType::ReplicationGroup).duration(EVENTS_MINUTES).send().await;
    let events = events.map(|answer| answer.events.unwrap_or_default()).unwrap_or_default();
    let said = events.iter().rev().filter_map(|event| event.message()).take(3);
    said.fold("create-failed: ElastiCache could not make it".to_owned(), |all, one| format!("{all}; {one}"))
}
