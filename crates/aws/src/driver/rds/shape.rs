//! A database server in CloudFormation's schema, and what its states mean.

use aws_sdk_rds::types::{DbInstance, PendingModifiedValues};
use landfall_core::plan::unlike;
use landfall_core::resource::{Properties, ResourceType};
use landfall_core::{Code, Error, Result};

use super::pairs;
use crate::driver::wanted::{Shown, Wanted, is_version};

pub(super) const SETTABLE: &[&str] = &[
    "AllocatedStorage",
    "AllowMajorVersionUpgrade",
    "AutoMinorVersionUpgrade",
    "AvailabilityZone",
    "BackupRetentionPeriod",
    "CACertificateIdentifier",
    "CharacterSetName",
    "CopyTagsToSnapshot",
    "DBInstanceClass",
    "DBInstanceIdentifier",
    "DBName",
    "DBParameterGroupName",
    "DBSubnetGroupName",
    "DatabaseInsightsMode",
    "DedicatedLogVolume",
    "DeleteAutomatedBackups",
    "DeletionProtection",
    "EnableCloudwatchLogsExports",
    "EnableIAMDatabaseAuthentication",
    "EnablePerformanceInsights",
    "Engine",
    "EngineLifecycleSupport",
    "EngineVersion",
    "Iops",
    "KmsKeyId",
    "LicenseModel",
    "ManageMasterUserPassword",
    "MasterUserPassword",
    "MasterUserSecret",
    "MasterUsername",
    "MaxAllocatedStorage",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "MultiAZ",
    "NetworkType",
    "OptionGroupName",
    "PerformanceInsightsKMSKeyId",
    "PerformanceInsightsRetentionPeriod",
    "Port",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "PubliclyAccessible",
    "StorageEncrypted",
    "StorageThroughput",
    "StorageType",
    "VPCSecurityGroups",
];

/// Refuses what would silently not be done.
pub(super) fn check(desired: &Properties) -> Result<()> {
    if let Some(secret) = desired.map("MasterUserSecret") {
        secret.only(&["KmsKeyId"])?;
    }
    if desired.flag("DeleteAutomatedBackups") == Some(true) {
        let message = "the driver always keeps the automated backups of a deleted database: DeleteAutomatedBackups";
        return Err(Error::new(Code::InvalidRequest, message)
            .hint("leave it out or set it to false; what is kept goes with the retention period"));
    }
    Ok(())
}

/// Whether a change of this property takes no call that modifies the server.
pub(super) fn is_no_call(path: &str) -> bool {
    let property = path.split('.').next().unwrap_or_default();
    ["AllowMajorVersionUpgrade", "DeleteAutomatedBackups", "Tags"].contains(&property)
}

/// How a server stands, by the word for its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Ready,
    Busy,
    Deleting,
    /// What the state means.
    Failed(&'static str),
}

/// Source: [Viewing DB instance status](https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html).
pub(super) fn standing(status: &str) -> Standing {
    match status {
        // The server serves while its storage is moved about.
        "available" | "storage-optimization" | "storage-config-upgrade" | "storage-initialization" => Standing::Ready,
        "deleting" => Standing::Deleting,
        "failed" => Standing::Failed("it failed, and RDS cannot recover it"),
        "inaccessible-encryption-credentials" => {
            Standing::Failed("its KMS key cannot be reached, and the data is lost unless it can be")
        }
        "inaccessible-encryption-credentials-recoverable" => {
            Standing::Failed("its KMS key cannot be used: enable the key or let RDS use it, and start the server again")
        }
        "incompatible-create" => Standing::Failed("it asks for resources or versions that do not go together"),
        "incompatible-network" => Standing::Failed("its subnets, their free addresses or its DNS do not let it start"),
        "incompatible-option-group" => Standing::Failed("its option group does not fit it, and was not applied"),
        "incompatible-parameters" => Standing::Failed("it does not start with the parameters of its parameter group"),
        "incompatible-restore" => Standing::Failed("it could not be restored"),
        "insufficient-capacity" => Standing::Failed("AWS has no capacity for it in its zones"),
        "restore-error" => Standing::Failed("it could not be restored"),
        "stopped" => Standing::Failed("somebody stopped it: start it again"),
        "storage-full" => Standing::Failed("its storage is full: give it more"),
        _ => Standing::Busy,
    }
}

/// What a change still waits for, although the server is available; `None` when nothing.
pub(super) fn pending(now: &DbInstance) -> Option<String> {
    let nothing = PendingModifiedValues::builder().build();
    if now.pending_modified_values().is_some_and(|values| *values != nothing) {
        return Some("modifications pending".to_owned());
    }
    let applying = now.db_parameter_groups().iter().any(|group| group.parameter_apply_status() == Some("applying"));
    applying.then(|| "applying the parameter group".to_owned())
}

/// How far a parameter group of the server is applied; `None` when the server has another one.
pub(super) fn group<'a>(now: &'a DbInstance, name: &str) -> Option<&'a str> {
    let is = |found: Option<&str>| found.is_some_and(|found| found.eq_ignore_ascii_case(name));
    let group = now.db_parameter_groups().iter().find(|group| is(group.db_parameter_group_name()))?;
    Some(group.parameter_apply_status().unwrap_or_default())
}

/// Whether all that has changed and can be seen is as it is wanted.
pub(super) fn is_as(of: &ResourceType, desired: &Properties, now: &DbInstance, changed: &[String]) -> bool {
    let name = desired.text("DBInstanceIdentifier").unwrap_or_default();
    let unlike = unlike(of, desired, &shown(now, name));
    let version = desired.text("EngineVersion").is_none_or(|wanted| is_version(&wanted, now.engine_version()));
    let storage = desired.number("AllocatedStorage") <= now.allocated_storage();
    version && storage && !unlike.iter().any(|path| changed.contains(path))
}

/// What its last snapshot is called; `None` when it never came up, so that there is nothing in it, or is in a state in which
/// RDS takes none.
pub(super) fn final_snapshot(now: &DbInstance) -> Option<String> {
    now.instance_create_time()?;
    if ["failed", "incompatible-restore", "incompatible-network", "incompatible-create", "creating"]
        .contains(&now.db_instance_status().unwrap_or_default())
    {
        return None;
    }
    let id = now.db_instance_identifier()?;
    Some(format!("{id}-{}", now.dbi_resource_id()?.to_ascii_lowercase()))
}

pub(super) fn outputs(one: &DbInstance) -> Properties {
    let mut outputs = Properties::new();
    outputs.show("DBInstanceIdentifier", one.db_instance_identifier());
    outputs.show("DBInstanceArn", one.db_instance_arn());
    outputs.show("DbiResourceId", one.dbi_resource_id());
    if let Some(endpoint) = one.endpoint() {
        outputs.show("Endpoint.Address", endpoint.address());
        outputs.show("Endpoint.Port", endpoint.port().map(|port| port.to_string()));
        outputs.show("Endpoint.HostedZoneId", endpoint.hosted_zone_id());
    }
    outputs.show("MasterUserSecret.SecretArn", one.master_user_secret().and_then(|secret| secret.secret_arn()));
    let certificate = one.certificate_details().and_then(|certificate| certificate.ca_identifier());
    outputs.show("CertificateDetails.CAIdentifier", certificate.or(one.ca_certificate_identifier()));
    outputs
}

/// Its properties; `name` is its identifier as it was asked for.
pub(super) fn shown(one: &DbInstance, name: String) -> Properties {
    let mut shown = Properties::new();
    shown.show("DBInstanceIdentifier", Some(name));
    shown.show("AllocatedStorage", one.allocated_storage().map(|size| size.to_string()));
    shown.show("AutoMinorVersionUpgrade", one.auto_minor_version_upgrade());
    shown.show("AvailabilityZone", one.availability_zone());
    shown.show("BackupRetentionPeriod", one.backup_retention_period());
    shown.show("CACertificateIdentifier", one.ca_certificate_identifier());
    shown.show("CharacterSetName", one.character_set_name());
    shown.show("CopyTagsToSnapshot", one.copy_tags_to_snapshot());
    shown.show("DBInstanceClass", one.db_instance_class());
    shown.show("DBName", one.db_name());
    let group = one.db_parameter_groups().first();
    shown.show("DBParameterGroupName", group.and_then(|group| group.db_parameter_group_name()));
    shown.show("DBSubnetGroupName", one.db_subnet_group().and_then(|group| group.db_subnet_group_name()));
    shown.show("DatabaseInsightsMode", one.database_insights_mode().map(|mode| mode.as_str()));
    shown.show("DedicatedLogVolume", one.dedicated_log_volume());
    shown.show("DeletionProtection", one.deletion_protection());
    shown.show_texts("EnableCloudwatchLogsExports", one.enabled_cloudwatch_logs_exports());
    shown.show("EnableIAMDatabaseAuthentication", one.iam_database_authentication_enabled());
    shown.show("EnablePerformanceInsights", one.performance_insights_enabled());
    shown.show("Engine", one.engine());
    shown.show("EngineLifecycleSupport", one.engine_lifecycle_support());
    shown.show("EngineVersion", one.engine_version());
    shown.show("Iops", one.iops());
    shown.show("KmsKeyId", one.kms_key_id());
    shown.show("LicenseModel", one.license_model());
    if let Some(secret) = one.master_user_secret() {
        let mut inner = Properties::new();
        inner.show("KmsKeyId", secret.kms_key_id());
        inner.show("SecretArn", secret.secret_arn());
        shown.show("MasterUserSecret", Some(inner));
    }
    shown.show("ManageMasterUserPassword", Some(one.master_user_secret().is_some()));
    shown.show("MasterUsername", one.master_username());
    shown.show("MaxAllocatedStorage", one.max_allocated_storage());
    shown.show("MonitoringInterval", one.monitoring_interval());
    shown.show("MonitoringRoleArn", one.monitoring_role_arn());
    shown.show("MultiAZ", one.multi_az());
    shown.show("NetworkType", one.network_type());
    shown.show("OptionGroupName", one.option_group_memberships().first().and_then(|group| group.option_group_name()));
    shown.show("PerformanceInsightsKMSKeyId", one.performance_insights_kms_key_id());
    shown.show("PerformanceInsightsRetentionPeriod", one.performance_insights_retention_period());
    let port = one.endpoint().and_then(|endpoint| endpoint.port()).or(one.db_instance_port());
    shown.show("Port", port.filter(|port| *port > 0).map(|port| port.to_string()));
    shown.show("PreferredBackupWindow", one.preferred_backup_window());
    shown.show("PreferredMaintenanceWindow", one.preferred_maintenance_window());
    shown.show("PubliclyAccessible", one.publicly_accessible());
    shown.show("StorageEncrypted", one.storage_encrypted());
    shown.show("StorageThroughput", one.storage_throughput());
    shown.show("StorageType", one.storage_type());
    let groups: Vec<String> =
        one.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id().map(str::to_owned)).collect();
    shown.show_texts("VPCSecurityGroups", &groups);
    shown.show_tags("Tags", pairs(one.tag_list()));
    shown
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::{DbParameterGroupStatus, Endpoint, MasterUserSecret};
    use aws_smithy_types::DateTime;
    use landfall_core::{map, properties};

    use super::*;

    fn server() -> aws_sdk_rds::types::builders::DbInstanceBuilder {
        DbInstance::builder()
            .db_instance_identifier("main")
            .db_instance_status("available")
            .dbi_resource_id("db-ABC123")
            .instance_create_time(DateTime::from_secs(0))
            .engine_version("17.4")
            .allocated_storage(80)
    }

    fn grouped(status: &str) -> DbInstance {
        let group = DbParameterGroupStatus::builder().db_parameter_group_name("tuned").parameter_apply_status(status);
        server().db_parameter_groups(group.build()).build()
    }

    #[test]
    fn a_last_snapshot_is_taken_of_what_came_up_and_is_named_after_it_alone() {
        assert_eq!(final_snapshot(&server().build()).as_deref(), Some("main-db-abc123"));
        assert_eq!(final_snapshot(&server().set_instance_create_time(None).build()), None, "it never came up");
        assert_eq!(final_snapshot(&server().db_instance_status("failed").build()), None);
        assert!(final_snapshot(&server().db_instance_status("storage-full").build()).is_some());
    }

    #[test]
    fn an_update_waits_for_what_is_pending() {
        assert_eq!(pending(&server().build()), None);
        let values = PendingModifiedValues::builder();
        assert_eq!(pending(&server().pending_modified_values(values.clone().build()).build()), None);
        let values = values.db_instance_class("db.m7g.large").build();
        assert!(pending(&server().pending_modified_values(values).build()).is_some());
        assert!(pending(&grouped("applying")).is_some());
        assert_eq!(pending(&grouped("pending-reboot")), None);
    }

    #[test]
    fn a_restart_is_due_when_the_wanted_group_waits_for_it_and_nothing_else_is_left_to_do() {
        let of = crate::types::all().into_iter().find(|of| of.name == "AWS::RDS::DBInstance").unwrap();
        let wanted = properties! {
            "DBInstanceIdentifier" => "main", "DBParameterGroupName" => "tuned", "EngineVersion" => "17",
            "AllocatedStorage" => "50", "DBInstanceClass" => "db.m7g.large",
        };
        let now = grouped("pending-reboot");
        assert_eq!(group(&now, "Tuned"), Some("pending-reboot"));
        assert_eq!(group(&grouped("in-sync"), "tuned"), Some("in-sync"));
        assert_eq!(group(&now, "other"), None);
        let changed = ["DBParameterGroupName".to_owned(), "EngineVersion".to_owned()];
        assert!(is_as(&of, &wanted, &now, &changed), "what grew by itself counts as done");
        let more = ["DBParameterGroupName".to_owned(), "DBInstanceClass".to_owned()];
        assert!(!is_as(&of, &wanted, &now, &more), "the class is not what it should be");
        let upgraded = properties! { "DBParameterGroupName" => "tuned", "EngineVersion" => "18" };
        assert!(!is_as(&of, &upgraded, &now, &changed));
    }

    #[test]
    fn storage_that_is_moved_about_does_not_keep_anybody_waiting() {
        assert_eq!(standing("storage-optimization"), Standing::Ready);
        for busy in ["creating", "backing-up", "configuring-log-exports", "modifying", "rebooting", "what comes next"] {
            assert_eq!(standing(busy), Standing::Busy, "{busy}");
        }
        assert!(matches!(standing("incompatible-network"), Standing::Failed(_)));
    }

    #[test]
    fn what_moto_does_not_show_is_read_all_the_same() {
        let secret = MasterUserSecret::builder().secret_arn("arn:secret").kms_key_id("arn:key").build();
        let endpoint = Endpoint::builder().address("main.rds.amazonaws.com").port(5432).hosted_zone_id("Z1").build();
        let one = server()
            .master_user_secret(secret)
            .endpoint(endpoint)
            .database_insights_mode("standard".into())
            .monitoring_interval(60)
            .performance_insights_enabled(true)
            .performance_insights_kms_key_id("arn:key")
            .performance_insights_retention_period(7)
            .build();
        let shown = shown(&one, "Main".to_owned());
        let wanted = properties! {
            "DBInstanceIdentifier" => "Main",
            "ManageMasterUserPassword" => true,
            "MasterUserSecret" => map! { "KmsKeyId" => "arn:key" },
            "DatabaseInsightsMode" => "standard",
            "MonitoringInterval" => 60,
            "EnablePerformanceInsights" => true,
            "PerformanceInsightsKMSKeyId" => "arn:key",
            "PerformanceInsightsRetentionPeriod" => 7,
            "Port" => "5432",
        };
        let of = crate::types::all().into_iter().find(|of| of.name == "AWS::RDS::DBInstance").unwrap();
        assert!(unlike(&of, &wanted, &shown).is_empty());
        let outputs = outputs(&one);
        assert_eq!(outputs["MasterUserSecret.SecretArn"].as_str(), Some("arn:secret"));
        assert_eq!(outputs["Endpoint.HostedZoneId"].as_str(), Some("Z1"));
    }
}
