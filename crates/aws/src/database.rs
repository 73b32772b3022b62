//! A PostgreSQL server on RDS: in the data subnets, encrypted with its own key, over TLS only, its password kept by
//! Secrets Manager.

use landfall_core::kind::{Database, DatabaseOutputs, DatabaseSpec, DependencyKind, Maintenance, Weekday};
use landfall_core::resource::Value;
use landfall_core::scope::{Native, Scope};
use landfall_core::units::Date;
use landfall_core::{Code, Error, Problems, Result, list, map, properties};

use crate::name::{self, Rule};
use crate::{Aws, data_tier, iam, key, server_size};

const SUBNET_GROUP: Rule = Rule::new("a database subnet group", 255);
const PARAMETER_GROUP: Rule = Rule::new("a database parameter group", 255);
const SERVER: Rule = Rule::new("a database server", 63);

pub(crate) const PORT: u16 = 5432;
/// The administrative user; its password is drawn, kept and rotated by RDS.
const ADMINISTRATOR: &str = "administrator";
/// How many days the server's logs are kept.
const LOG_DAYS: u32 = 30;

/// Major versions, with the last day of standard support on RDS: after it, AWS charges for extended support.
const VERSIONS: [(&str, Date); 6] = [
    ("13", Date::new(2026, 2, 28)),
    ("14", Date::new(2027, 2, 28)),
    ("15", Date::new(2028, 2, 29)),
    ("16", Date::new(2029, 2, 28)),
    ("17", Date::new(2030, 2, 28)),
    ("18", Date::new(2031, 2, 28)),
];

impl Database for Aws {
    fn expand_database(&self, spec: &DatabaseSpec, scope: &mut Scope<'_>) -> Result<DatabaseOutputs> {
        let mut problems = Problems::default();
        problems.extend(check(spec, scope.stack().today));
        let class = problems.take(server_size::DATABASE.choose(&spec.size, scope.region()));
        let subnets = problems.take(data_tier::subnets(scope, &spec.network, 2));
        problems.finish()?;
        let (Some(class), Some(subnets)) = (class, subnets) else { return Err(Error::internal("a lost problem")) };

        let identifier = name::of_part(scope, "server", SERVER)?;
        let logs = format!("/aws/rds/instance/{identifier}");
        let key = key::add(
            scope,
            "key",
            &format!("Data of the database {}", scope.name()),
            &[
                key::User::Through("rds"),
                key::User::Through("secretsmanager"),
                key::User::LogGroup(format!("{logs}/*")),
            ],
        )?;
        let subnet_group = scope.native(
            "subnet-group",
            "AWS::RDS::DBSubnetGroup",
            properties! {
                "DBSubnetGroupName" => name::of_part(scope, "subnet-group", SUBNET_GROUP)?,
                "DBSubnetGroupDescription" => format!("Data subnets of {}", spec.network.name()),
                "SubnetIds" => subnets,
            },
        )?;
        let parameter_group = parameter_group(spec, scope)?;
        let security_group = data_tier::security_group(scope, DependencyKind::Database, &spec.network, PORT)?;
        let monitoring = iam::role(
            scope,
            "monitoring-role",
            "Lets RDS write the metrics of its operating system",
            iam::trust_service(
                "monitoring.rds.amazonaws.com",
                Some(iam::for_source(iam::arn("rds", format!("db:{identifier}")))),
            ),
            iam::Rights { managed: vec!["service-role/AmazonRDSEnhancedMonitoringRole"], ..iam::Rights::default() },
        )?;
        let log_groups = ["postgresql", "upgrade"]
            .map(|log| log_group(scope, &format!("log-{log}"), &format!("{logs}/{log}"), key.attribute("Arn")))
            .into_iter()
            .collect::<Result<Vec<_>>>()?;

        let mut properties = properties! {
            "DBInstanceIdentifier" => identifier,
            "Engine" => "postgres",
            "EngineVersion" => &spec.version,
            "AutoMinorVersionUpgrade" => true,
            // A new major version is only ever asked for by a change of the declaration.
            "AllowMajorVersionUpgrade" => true,
            "DBInstanceClass" => class,
            "MultiAZ" => spec.high_availability,
            "StorageType" => "gp3",
            "AllocatedStorage" => spec.storage.0.to_string(),
            "StorageEncrypted" => true,
            "KmsKeyId" => key.attribute("Arn"),
            "MasterUsername" => ADMINISTRATOR,
            "ManageMasterUserPassword" => true,
            "MasterUserSecret" => map! { "KmsKeyId" => key.attribute("Arn") },
            "EnableIAMDatabaseAuthentication" => true,
            "Port" => PORT.to_string(),
            "PubliclyAccessible" => false,
            "DBSubnetGroupName" => subnet_group.id(),
            "DBParameterGroupName" => parameter_group.id(),
            "VPCSecurityGroups" => list![security_group.attribute("GroupId")],
            "BackupRetentionPeriod" => u32::from(spec.backup_days),
            "DeleteAutomatedBackups" => false,
            "CopyTagsToSnapshot" => true,
            "PreferredBackupWindow" => backup_window(spec.maintenance),
            "PreferredMaintenanceWindow" => maintenance_window(spec.maintenance),
            "DeletionProtection" => spec.deletion_protection,
            // Database Insights took the place of Performance Insights and kept the names of its properties. The
            // standard mode keeps seven days.
            "DatabaseInsightsMode" => "standard",
            "EnablePerformanceInsights" => true,
            "PerformanceInsightsKMSKeyId" => key.attribute("Arn"),
            "PerformanceInsightsRetentionPeriod" => 7,
            "MonitoringInterval" => 60,
            "MonitoringRoleArn" => monitoring.attribute("Arn"),
            "EnableCloudwatchLogsExports" => ["postgresql", "upgrade"],
        };
        if spec.storage_limit > spec.storage {
            properties.insert("MaxAllocatedStorage".into(), spec.storage_limit.0.into());
        }
        let server = scope.native_with("server", "AWS::RDS::DBInstance", properties, |server| {
            // RDS makes log groups that keep everything for ever, unless it finds them.
            server.depends_on.extend(log_groups.iter().map(|group| group.address().clone()));
        })?;

        let mut outputs = DatabaseOutputs::new(server.address().clone(), server.id());
        outputs.host = server.attribute("Endpoint.Address");
        outputs.port = server.attribute("Endpoint.Port");
        outputs.user = ADMINISTRATOR.into();
        outputs.secret = server.attribute("MasterUserSecret.SecretArn");
        Ok(outputs)
    }
}

/// Adds a log group that is kept for a month and encrypted with `key`.
pub(crate) fn log_group(scope: &mut Scope<'_>, part: &str, name: &str, key: Value) -> Result<Native> {
    let properties = properties! { "LogGroupName" => name, "RetentionInDays" => LOG_DAYS, "KmsKeyId" => key };
    scope.native(part, "AWS::Logs::LogGroup", properties)
}

/// Only TLS and only SCRAM; connections, changes of the schema, lock waits and statements above a second are logged.
fn parameter_group(spec: &DatabaseSpec, scope: &mut Scope<'_>) -> Result<Native> {
    let name = name::of_part(scope, "parameter-group", PARAMETER_GROUP)?;
    scope.native(
        "parameter-group",
        "AWS::RDS::DBParameterGroup",
        properties! {
            "DBParameterGroupName" => name,
            "Description" => format!("Parameters of {}", scope.name()),
            "Family" => format!("postgres{}", spec.version),
            "Parameters" => map! {
                "log_connections" => "1",
                "log_disconnections" => "1",
                "log_lock_waits" => "1",
                "log_min_duration_statement" => "1000",
                "log_statement" => "ddl",
                "password_encryption" => "scram-sha-256",
                "rds.force_ssl" => "1",
            },
        },
    )
}

fn check(spec: &DatabaseSpec, today: Date) -> Vec<Error> {
    let mut problems = Vec::new();
    let mut invalid = |message: String, hint: &str| {
        problems.push(Error::new(Code::InvalidValue, message).hint(hint.to_owned()));
    };
    if spec.maintenance.hour > 23 {
        invalid(format!("not an hour of the day: {}", spec.maintenance.hour), "use 0 to 23, in UTC");
    }
    if spec.backup_days > 35 {
        invalid(format!("RDS keeps backups for at most 35 days: {}", spec.backup_days), "use 0 to 35");
    }
    let (start, limit) = (spec.storage.0, spec.storage_limit.0);
    if !(20..=65_536).contains(&start) {
        invalid(format!("RDS gives 20 to 65536 GiB of storage: {start}"), "start with at least 20 GiB");
    }
    if limit > 65_536 {
        invalid(format!("RDS gives 20 to 65536 GiB of storage: {limit}"), "limit it to 65536 GiB");
    }
    // RDS grows storage by a tenth at least, and refuses a limit beneath that.
    if limit != start && u64::from(limit) * 10 < u64::from(start) * 11 {
        invalid(
            format!("storage that starts with {start} GiB cannot be limited to this many GiB: {limit}"),
            "set the limit at least a tenth above the start, or equal to it for storage that never grows",
        );
    }
    problems.extend(check_version(&spec.version, today).err());
    problems
}

fn check_version(version: &str, today: Date) -> Result<()> {
    let supported: Vec<&str> = VERSIONS.iter().filter(|(_, end)| today <= *end).map(|(major, _)| *major).collect();
    if supported.contains(&version) {
        return Ok(());
    }
    let message = match VERSIONS.iter().find(|(major, _)| *major == version) {
        Some((_, end)) => format!("RDS ended standard support of PostgreSQL {version} on this day: {end}"),
        None => format!("RDS has no such major version of PostgreSQL: {version}"),
    };
    Err(Error::new(Code::UnsupportedVersion, message).hint(format!("use one of {}", supported.join(", "))))
}

fn maintenance_window(Maintenance { day, hour }: Maintenance) -> String {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let index = match day {
        Weekday::Monday => 0,
        Weekday::Tuesday => 1,
        Weekday::Wednesday => 2,
        Weekday::Thursday => 3,
        Weekday::Friday => 4,
        Weekday::Saturday => 5,
        Weekday::Sunday => 6,
    };
    let end = if hour == 23 { DAYS[(index + 1) % 7] } else { DAYS[index] };
    format!("{}:{hour:02}:00-{end}:{:02}:00", DAYS[index], (hour + 1) % 24)
}

/// Backups run every day in the hour that ends an hour before maintenance starts, so that they never meet.
fn backup_window(Maintenance { hour, .. }: Maintenance) -> String {
    format!("{:02}:00-{:02}:00", (hour + 22) % 24, (hour + 23) % 24)
}

#[cfg(test)]
mod tests {
    use landfall_core::kind::Size;
    use landfall_core::units::GiB;
    use serde_json::json;

    use super::*;
    use crate::testing;

    fn codes(spec: DatabaseSpec) -> Vec<Code> {
        let mut stack = testing::stack();
        testing::declare(&mut stack.databases, "main", spec);
        let error = testing::expanded(&stack).unwrap_err();
        error.problems().iter().map(|problem| problem.code()).collect()
    }

    #[test]
    fn a_database_is_made_for_production() {
        let mut stack = testing::stack();
        testing::declare(&mut stack.databases, "main", testing::database());
        testing::declare(
            &mut stack.services,
            "tabular",
            testing::service().depends_on(DependencyKind::Database, "main"),
        );
        insta::assert_snapshot!(testing::natives(&testing::expanded(&stack).unwrap(), "database/main"));
    }

    #[test]
    fn without_clients_nobody_reaches_it() {
        let mut stack = testing::stack();
        testing::declare(&mut stack.databases, "main", testing::database());
        let expanded = testing::expanded(&stack).unwrap();
        let ingress = testing::property(&expanded, "aws/database/main/security-group", "SecurityGroupIngress");
        assert_eq!(ingress, json!([]));
    }

    #[test]
    fn a_client_in_another_network_is_refused() {
        let mut stack = testing::stack();
        let other = landfall_core::kind::NetworkSpec::new("10.1.0.0/16".parse().unwrap());
        testing::declare(&mut stack.networks, "other", other);
        let mut spec = testing::database();
        spec.network = landfall_core::kind::Ref::named("other");
        testing::declare(&mut stack.databases, "main", spec);
        let service = testing::service().depends_on(DependencyKind::Database, "main");
        testing::declare(&mut stack.services, "tabular", service);
        let error = testing::expanded(&stack).unwrap_err();
        assert!(error.problems().iter().any(|problem| problem.code() == Code::InvalidValue));
    }

    #[test]
    fn all_problems_of_a_database_come_at_once() {
        let mut spec = testing::database()
            .storage(GiB(10), GiB(9))
            .backup_days(36)
            .maintenance(Weekday::Monday, 24)
            .size(Size::Named("db.m7g.huge".into()));
        spec.version = "12".into();
        assert_eq!(
            codes(spec),
            [
                Code::InvalidValue,
                Code::InvalidValue,
                Code::InvalidValue,
                Code::InvalidValue,
                Code::UnsupportedVersion,
                Code::UnknownMachine,
            ]
        );
    }

    #[test]
    fn storage_that_never_grows_has_no_limit_and_too_narrow_a_limit_is_refused() {
        let expanded = |start, limit| {
            let mut stack = testing::stack();
            testing::declare(&mut stack.databases, "main", testing::database().storage(GiB(start), GiB(limit)));
            testing::expanded(&stack)
        };
        let server = "aws/database/main/server".parse().unwrap();
        assert!(
            !expanded(100, 100).unwrap().graph.get(&server).unwrap().properties.contains_key("MaxAllocatedStorage")
        );
        assert!(expanded(100, 110).is_ok());
        assert_eq!(expanded(100, 109).unwrap_err().code(), Code::InvalidValue);
        assert_eq!(expanded(100, 70_000).unwrap_err().code(), Code::InvalidValue);
    }

    #[test]
    fn versions_have_an_end() {
        let last_day = Date::new(2027, 2, 28);
        assert!(check_version("14", last_day).is_ok());
        assert_eq!(check_version("14", Date::new(2027, 3, 1)).unwrap_err().code(), Code::UnsupportedVersion);
        let error = check_version("17.4", last_day).unwrap_err();
        assert_eq!(error.next_step(), Some("use one of 14, 15, 16, 17, 18"));
    }

    #[test]
    fn backups_and_maintenance_never_meet() {
        for hour in 0..24 {
            let window = Maintenance { day: Weekday::Sunday, hour };
            let backup: Vec<u8> = backup_window(window).split([':', '-']).map(|part| part.parse().unwrap()).collect();
            let [start, 0, end, 0] = backup[..] else { panic!("{backup:?}") };
            assert_eq!((start + 1) % 24, end);
            assert_ne!(start, hour);
            assert_ne!(end, hour);
        }
        let late = Maintenance { day: Weekday::Sunday, hour: 23 };
        assert_eq!(maintenance_window(late), "sun:23:00-mon:00:00");
        assert_eq!(backup_window(Maintenance { hour: 1, ..late }), "23:00-00:00");
    }
}
