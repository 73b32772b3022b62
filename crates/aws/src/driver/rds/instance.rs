//! A database server.
//!
//! - Changes act at once, never in the next maintenance window. An update is done when the server is available, nothing is
//!   pending and its parameter group is applied.
//! - Another parameter group takes a restart, which RDS leaves to whoever asked for the group: the server is restarted when
//!   the update is what gave it the group, and never for a parameter that changed within its group.
//! - A delete keeps the automated backups and takes a last snapshot, whose name is the server's with its resource id, so that
//!   no two servers share one. A server that never came up has nothing to take a snapshot of.

use async_trait::async_trait;
use aws_sdk_rds::types::{CloudwatchLogsExportConfiguration, DbInstance, Filter, SourceType};
use landfall_core::driver::{Health, Operation, Progress};
use landfall_core::resource::{Identity, Marks, Properties};
use landfall_core::{Code, Error, Result};
use secrecy::ExposeSecret;

use super::shape::{self, Standing};
use super::{tag, tag_list};
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which, running};
use crate::driver::wanted::{Wanted, is_version, touches};

/// How many names one call asks for.
const PAGE: usize = 100;
/// How far back the events go that say why a server failed, in minutes.
const EVENTS_MINUTES: i32 = 24 * 60;
/// Handle of an update that gives it this parameter group, and restarts it when the group waits for that.
const GROUP: &str = "group:";
/// Handle of a restart for this parameter group.
const RESTART: &str = "restart:";
/// Handle of any other update.
const MODIFY: &str = "modify";

/// `AWS::RDS::DBInstance`.
#[derive(Debug)]
pub(in crate::driver) struct Instance;

#[async_trait]
impl Kept for Instance {
    fn type_name(&self) -> &'static str {
        "AWS::RDS::DBInstance"
    }

    fn settable(&self) -> &'static [&'static str] {
        shape::SETTABLE
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let all = match which {
            Which::These(_) => {
                let names: Vec<String> = which.named().iter().map(|name| name.to_ascii_lowercase()).collect();
                described(call, &names).await?
            }
            Which::Marked => {
                let all = call.api.rds.describe_db_instances().into_paginator().items().send();
                let mut all: Vec<DbInstance> = all.try_collect().await.map_err(failed("rds:DescribeDBInstances"))?;
                let stack = call.cx.stack.to_string();
                all.retain(|one| {
                    let marks = Marks::read(call.of, &shape::shown(one, String::new()));
                    marks.is_some_and(|marks| marks.stack == stack)
                });
                all
            }
        };
        let mut seen = Vec::with_capacity(all.len());
        for one in &all {
            let id = one.db_instance_identifier().unwrap_or_default();
            let health = match shape::standing(one.db_instance_status().unwrap_or_default()) {
                Standing::Ready => Health::Ready,
                Standing::Busy => Health::Busy(one.db_instance_status().unwrap_or_default().to_owned()),
                Standing::Deleting => Health::Deleting,
                Standing::Failed(meaning) => Health::Failed(reason(call, one, meaning).await),
            };
            let properties = shape::shown(one, which.spelled(id));
            seen.push(Seen { id: id.to_owned(), properties, outputs: shape::outputs(one), health });
        }
        Ok(seen)
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        shape::check(desired)?;
        let name = desired.required("DBInstanceIdentifier")?;
        let create = call
            .api
            .rds
            .create_db_instance()
            .db_instance_identifier(&name)
            .set_allocated_storage(desired.number("AllocatedStorage"))
            .set_auto_minor_version_upgrade(desired.flag("AutoMinorVersionUpgrade"))
            .set_availability_zone(desired.text("AvailabilityZone"))
            .set_backup_retention_period(desired.number("BackupRetentionPeriod"))
            .set_ca_certificate_identifier(desired.text("CACertificateIdentifier"))
            .set_character_set_name(desired.text("CharacterSetName"))
            .set_copy_tags_to_snapshot(desired.flag("CopyTagsToSnapshot"))
            .set_database_insights_mode(desired.text("DatabaseInsightsMode").map(|text| text.as_str().into()))
            .set_db_instance_class(desired.text("DBInstanceClass"))
            .set_db_name(desired.text("DBName"))
            .set_db_parameter_group_name(desired.text("DBParameterGroupName"))
            .set_db_subnet_group_name(desired.text("DBSubnetGroupName"))
            .set_dedicated_log_volume(desired.flag("DedicatedLogVolume"))
            .set_deletion_protection(desired.flag("DeletionProtection"))
            .set_enable_cloudwatch_logs_exports(desired.texts("EnableCloudwatchLogsExports"))
            .set_enable_iam_database_authentication(desired.flag("EnableIAMDatabaseAuthentication"))
            .set_enable_performance_insights(desired.flag("EnablePerformanceInsights"))
            .set_engine(desired.text("Engine"))
            .set_engine_lifecycle_support(desired.text("EngineLifecycleSupport"))
            .set_engine_version(desired.text("EngineVersion"))
            .set_iops(desired.number("Iops"))
            .set_kms_key_id(desired.text("KmsKeyId"))
            .set_license_model(desired.text("LicenseModel"))
            .set_manage_master_user_password(desired.flag("ManageMasterUserPassword"))
            .set_master_user_password(password(desired))
            .set_master_user_secret_kms_key_id(desired.text("MasterUserSecret.KmsKeyId"))
            .set_master_username(desired.text("MasterUsername"))
            .set_max_allocated_storage(desired.number("MaxAllocatedStorage"))
            .set_monitoring_interval(desired.number("MonitoringInterval"))
            .set_monitoring_role_arn(desired.text("MonitoringRoleArn"))
            .set_multi_az(desired.flag("MultiAZ"))
            .set_network_type(desired.text("NetworkType"))
            .set_option_group_name(desired.text("OptionGroupName"))
            .set_performance_insights_kms_key_id(desired.text("PerformanceInsightsKMSKeyId"))
            .set_performance_insights_retention_period(desired.number("PerformanceInsightsRetentionPeriod"))
            .set_port(desired.number("Port"))
            .set_preferred_backup_window(desired.text("PreferredBackupWindow"))
            .set_preferred_maintenance_window(desired.text("PreferredMaintenanceWindow"))
            .set_publicly_accessible(desired.flag("PubliclyAccessible"))
            .set_storage_encrypted(desired.flag("StorageEncrypted"))
            .set_storage_throughput(desired.number("StorageThroughput"))
            .set_storage_type(desired.text("StorageType"))
            .set_vpc_security_group_ids(desired.texts("VPCSecurityGroups"))
            .set_tags(Some(tag_list(desired.tags("Tags"))));
        create.send().await.map_err(failed("rds:CreateDBInstance"))?;
        Ok(Started::running(name.to_ascii_lowercase(), "creating"))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        shape::check(desired)?;
        let id = at.id.clone().unwrap_or_default();
        let now = one(call, &id).await?;
        if touches(changed, "Tags") {
            tag(call, now.db_instance_arn().unwrap_or_default(), &desired.tags("Tags")).await?;
        }
        let group = desired.text("DBParameterGroupName").filter(|_| touches(changed, "DBParameterGroupName"));
        if let Some(group) = &group
            && shape::group(&now, group) == Some("pending-reboot")
            && shape::is_as(call.of, desired, &now, changed)
        {
            let reboot = call.api.rds.reboot_db_instance().db_instance_identifier(&id);
            reboot.send().await.map_err(failed("rds:RebootDBInstance"))?;
            return Ok(Started::running(id, "rebooting").handle(format!("{RESTART}{group}")));
        }
        if changed.iter().all(|path| shape::is_no_call(path)) {
            return call.settled(self, at).await;
        }
        modify(call, &id, &now, desired, changed).await?;
        let handle = group.map_or_else(|| MODIFY.to_owned(), |group| format!("{GROUP}{group}"));
        Ok(Started::running(id, "modifying").handle(handle))
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let id = at.id.clone().unwrap_or_default();
        let now = one(call, &id).await?;
        if now.db_instance_status() == Some("deleting") {
            return Ok(Started::running(id, "deleting"));
        }
        if now.deletion_protection() == Some(true) {
            return Err(Error::new(Code::Protected, format!("the database is protected against deletion: {id}"))
                .during("rds:DeleteDBInstance")
                .hint("switch `deletion_protection` off in the declaration, converge, and delete it then"));
        }
        let snapshot = shape::final_snapshot(&now);
        let delete = call
            .api
            .rds
            .delete_db_instance()
            .db_instance_identifier(&id)
            .delete_automated_backups(false)
            .skip_final_snapshot(snapshot.is_none())
            .set_final_db_snapshot_identifier(snapshot.clone());
        match delete.send().await.map_err(failed("rds:DeleteDBInstance")) {
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
        let Some(now) = described(call, &[id]).await?.pop() else { return Ok(None) };
        if shape::standing(now.db_instance_status().unwrap_or_default()) != Standing::Ready {
            return Ok(None);
        }
        if let Some(what) = shape::pending(&now) {
            return Ok(Some(running(what)));
        }
        let handle = operation.handle.as_deref().unwrap_or_default();
        if let Some(group) = handle.strip_prefix(GROUP) {
            return Ok(match shape::group(&now, group) {
                None => Some(running("changing the parameter group")),
                Some("pending-reboot") => Some(Progress::Unfinished(shape::outputs(&now))),
                Some(_) => None,
            });
        }
        let group = handle.strip_prefix(RESTART).and_then(|group| shape::group(&now, group));
        Ok((group == Some("pending-reboot")).then(|| running("rebooting")))
    }
}

/// Sends what has changed, in one call.
async fn modify(call: &Call<'_>, id: &str, now: &DbInstance, desired: &Properties, changed: &[String]) -> Result<()> {
    let is = |property: &str| touches(changed, property);
    // What is not declared any more goes back to what RDS does by itself.
    let flag = |property: &str| is(property).then(|| desired.flag(property).unwrap_or_default());
    let text = |property: &str| if is(property) { desired.text(property) } else { None };
    let number = |property: &str| if is(property) { desired.number(property) } else { None };
    let insights = ["DatabaseInsightsMode", "EnablePerformanceInsights", "PerformanceInsightsRetentionPeriod"];
    let insights = insights.iter().any(|property| is(property));
    let monitoring = is("MonitoringInterval") || is("MonitoringRoleArn");
    let password_is = is("MasterUserPassword") || is("ManageMasterUserPassword") || is("MasterUserSecret");
    // The automatic growth of the storage is switched off by a limit at its present size.
    let limit = is("MaxAllocatedStorage").then(|| desired.number("MaxAllocatedStorage").or(now.allocated_storage()));
    let version = text("EngineVersion").filter(|wanted| !is_version(wanted, now.engine_version()));
    let backup_days = is("BackupRetentionPeriod").then(|| desired.number("BackupRetentionPeriod").unwrap_or(1));
    let minor = is("AutoMinorVersionUpgrade").then(|| desired.flag("AutoMinorVersionUpgrade").unwrap_or(true));
    let logs = is("EnableCloudwatchLogsExports").then(|| logs(now, desired));
    let modify = call
        .api
        .rds
        .modify_db_instance()
        .db_instance_identifier(id)
        .apply_immediately(true)
        // It grows by itself as well, and does not shrink.
        .set_allocated_storage(number("AllocatedStorage").filter(|wanted| Some(*wanted) > now.allocated_storage()))
        .set_allow_major_version_upgrade(desired.flag("AllowMajorVersionUpgrade").filter(|_| version.is_some()))
        .set_auto_minor_version_upgrade(minor)
        .set_backup_retention_period(backup_days)
        .set_ca_certificate_identifier(text("CACertificateIdentifier"))
        .set_cloudwatch_logs_export_configuration(logs)
        .set_copy_tags_to_snapshot(flag("CopyTagsToSnapshot"))
        .set_database_insights_mode(
            desired.text("DatabaseInsightsMode").filter(|_| insights).map(|text| text.as_str().into()),
        )
        .set_db_instance_class(text("DBInstanceClass"))
        .set_db_parameter_group_name(text("DBParameterGroupName"))
        .set_db_port_number(number("Port"))
        .set_dedicated_log_volume(flag("DedicatedLogVolume"))
        .set_deletion_protection(flag("DeletionProtection"))
        .set_enable_iam_database_authentication(flag("EnableIAMDatabaseAuthentication"))
        .set_enable_performance_insights(
            insights.then(|| desired.flag("EnablePerformanceInsights").unwrap_or_default()),
        )
        .set_engine_lifecycle_support(text("EngineLifecycleSupport"))
        .set_engine_version(version)
        .set_iops(number("Iops"))
        .set_license_model(text("LicenseModel"))
        .set_manage_master_user_password(desired.flag("ManageMasterUserPassword").filter(|_| password_is))
        .set_master_user_password(password(desired).filter(|_| password_is))
        .set_master_user_secret_kms_key_id(desired.text("MasterUserSecret.KmsKeyId").filter(|_| password_is))
        .set_max_allocated_storage(limit.flatten())
        .set_monitoring_interval(monitoring.then(|| desired.number("MonitoringInterval").unwrap_or_default()))
        .set_monitoring_role_arn(desired.text("MonitoringRoleArn").filter(|_| monitoring))
        .set_multi_az(flag("MultiAZ"))
        .set_network_type(text("NetworkType"))
        .set_option_group_name(text("OptionGroupName"))
        .set_performance_insights_kms_key_id(
            // Once it is on, its key stays.
            desired
                .text("PerformanceInsightsKMSKeyId")
                .filter(|_| insights && now.performance_insights_enabled() != Some(true)),
        )
        .set_performance_insights_retention_period(
            desired.number("PerformanceInsightsRetentionPeriod").filter(|_| insights),
        )
        .set_preferred_backup_window(text("PreferredBackupWindow"))
        .set_preferred_maintenance_window(text("PreferredMaintenanceWindow"))
        .set_publicly_accessible(flag("PubliclyAccessible"))
        .set_storage_throughput(number("StorageThroughput"))
        .set_storage_type(text("StorageType"))
        .set_vpc_security_group_ids(desired.texts("VPCSecurityGroups").filter(|_| is("VPCSecurityGroups")));
    modify.send().await.map_err(failed("rds:ModifyDBInstance"))?;
    Ok(())
}

fn logs(now: &DbInstance, desired: &Properties) -> CloudwatchLogsExportConfiguration {
    let wanted = desired.texts("EnableCloudwatchLogsExports").unwrap_or_default();
    let now = now.enabled_cloudwatch_logs_exports();
    let on = wanted.iter().filter(|log| !now.contains(log)).cloned().collect();
    let off = now.iter().filter(|log| !wanted.contains(log)).cloned().collect();
    CloudwatchLogsExportConfiguration::builder().set_enable_log_types(Some(on)).set_disable_log_types(Some(off)).build()
}

fn password(desired: &Properties) -> Option<String> {
    desired.secret("MasterUserPassword").map(|password| password.expose_secret().to_owned())
}

async fn one(call: &Call<'_>, id: &str) -> Result<DbInstance> {
    let found = described(call, &[id.to_owned()]).await?.pop();
    found.ok_or_else(|| {
        Error::new(Code::NotFound, format!("there is no such database server: {id}")).during("rds:DescribeDBInstances")
    })
}

/// Servers by name, of which those that do not exist are left out.
async fn described(call: &Call<'_>, names: &[String]) -> Result<Vec<DbInstance>> {
    let mut all = Vec::new();
    for page in names.chunks(PAGE) {
        let filter = Filter::builder().name("db-instance-id").set_values(Some(page.to_vec())).build();
        let describe = call.api.rds.describe_db_instances().filters(filter).into_paginator().items().send();
        let found: Result<Vec<DbInstance>> = describe.try_collect().await.map_err(failed("rds:DescribeDBInstances"));
        match found {
            Ok(found) => all.extend(found),
            Err(error) if error.code() == Code::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// Why a server failed: what its state means, and the last things that RDS noted about it.
async fn reason(call: &Call<'_>, one: &DbInstance, meaning: &str) -> String {
    let id = one.db_instance_identifier().unwrap_or_default();
    let status = one.db_instance_status().unwrap_or_default();
    let describe = call.api.rds.describe_events().source_identifier(id).source_type(SourceType::DbInstance);
    let events = describe.duration(EVENTS_MINUTES).send().await;
    let mut said: Vec<String> =
        one.status_infos().iter().filter_map(|info| info.message().map(str::to_owned)).collect();
    if let Ok(events) = events {
        let last = events.events().iter().rev().filter_map(|event| event.message().map(str::to_owned)).take(3);
        said.extend(last);
    }
    said.into_iter().fold(format!("{status}: {meaning}"), |all, one| format!("{all}; {one}"))
}
