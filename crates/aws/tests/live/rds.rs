//! Groups live on ministack, for moto cannot reset a parameter and loses the group of subnets that it modifies. Not proved by
//! any server: that a database server takes its time for a change, which moto makes at once, that it waits for a restart, why
//! it failed, and its insights, which moto does not show; `driver/rds/shape.rs` tests what we make of these. Moto makes names
//! of servers lower case, as AWS does, and not those of groups.

use aws_credential_types::Credentials;
use aws_sdk_ec2::config::{BehaviorVersion, Region};
use aws_sdk_ec2::types::Filter;
use aws_sdk_ec2::{Client, Config};
use landfall_core::driver::Drivers as _;
use landfall_core::resource::Properties;
use landfall_core::{Code, map, properties};

use crate::bench::{Bench, Made, directly};

/// The subnets that a server (by its variable) has from the start.
pub(crate) async fn subnets(variable: &str) -> Vec<String> {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(directly())
        .region(Region::new("eu-west-1"))
        .endpoint_url(crate::bench::server(variable).unwrap())
        .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test"))
        .build();
    let default = Filter::builder().name("default-for-az").values("true").build();
    let answer = Client::from_conf(config).describe_subnets().filters(default).send().await.unwrap();
    answer.subnets().iter().filter_map(|subnet| subnet.subnet_id().map(str::to_owned)).collect()
}

async fn subnet_group(bench: &Bench, name: &str, subnets: &[String]) -> Made {
    let wanted = properties! {
        "DBSubnetGroupName" => name,
        "DBSubnetGroupDescription" => "Data subnets",
        "SubnetIds" => subnets.to_vec(),
    };
    bench.make("subnet-group", "AWS::RDS::DBSubnetGroup", wanted).await
}

fn server(name: &str, subnet_group: &str, parameter_group: &str, key: &Made) -> Properties {
    let key = key.output("Arn");
    properties! {
        "DBInstanceIdentifier" => name,
        "Engine" => "postgres",
        "EngineVersion" => "17.4",
        "AutoMinorVersionUpgrade" => true,
        "AllowMajorVersionUpgrade" => true,
        "DBInstanceClass" => "db.m7g.large",
        "MultiAZ" => true,
        "StorageType" => "gp3",
        "AllocatedStorage" => "50",
        "MaxAllocatedStorage" => 500,
        "StorageEncrypted" => true,
        "KmsKeyId" => key.clone(),
        "MasterUsername" => "administrator",
        "ManageMasterUserPassword" => true,
        "MasterUserSecret" => map! { "KmsKeyId" => key },
        "EnableIAMDatabaseAuthentication" => true,
        "Port" => "5432",
        "PubliclyAccessible" => false,
        "DBSubnetGroupName" => subnet_group,
        "DBParameterGroupName" => parameter_group,
        "BackupRetentionPeriod" => 14,
        "DeleteAutomatedBackups" => false,
        "CopyTagsToSnapshot" => true,
        "PreferredBackupWindow" => "01:00-02:00",
        "PreferredMaintenanceWindow" => "sun:03:00-sun:04:00",
        "DeletionProtection" => false,
        "EnableCloudwatchLogsExports" => ["postgresql", "upgrade"],
    }
}

async fn parameter_group(bench: &Bench, name: &str) -> Made {
    let wanted = properties! {
        "DBParameterGroupName" => name, "Description" => "Parameters", "Family" => "postgres17",
    };
    bench.make("parameter-group", "AWS::RDS::DBParameterGroup", wanted).await
}

#[tokio::test]
async fn a_database_server_is_made_modified_and_deleted_with_a_last_snapshot() {
    let Some(bench) = Bench::new("rds-server").await else { return };
    let subnet_group = subnet_group(&bench, "rds-server", &subnets("LANDFALL_TEST_MOTO").await).await;
    let parameter_group = parameter_group(&bench, "rds-server").await;
    let key = bench.make("key", "AWS::KMS::Key", properties! { "Description" => "data" }).await;
    let other_group = properties! {
        "DBParameterGroupName" => "rds-server-other", "Description" => "Others", "Family" => "postgres17",
    };
    let other_group = bench.make("other-group", "AWS::RDS::DBParameterGroup", other_group).await;

    let wanted = server("Rds-Server", subnet_group.id(), parameter_group.id(), &key);
    let mut made = bench.make("server", "AWS::RDS::DBInstance", wanted).await;
    assert_eq!(made.id(), "rds-server", "as RDS spells it");
    assert!(made.output("MasterUserSecret.SecretArn").as_str().is_some_and(|arn| arn.contains(":secret:")));
    bench.holds(&made).await;

    let changes = properties! {
        "DBInstanceClass" => "db.m7g.xlarge",
        "AllocatedStorage" => "60",
        "MaxAllocatedStorage" => 600,
        "EngineVersion" => "17.5",
        "BackupRetentionPeriod" => 7,
        "PreferredBackupWindow" => "02:00-03:00",
        "PreferredMaintenanceWindow" => "mon:04:00-mon:05:00",
        "MultiAZ" => false,
        "DeletionProtection" => true,
        "EnableCloudwatchLogsExports" => ["postgresql"],
        "DBParameterGroupName" => other_group.id(),
        "Tags" => bench.retagged("server"),
    };
    bench.change(&mut made, changes).await;
    bench.holds(&made).await;

    let driver = bench.connection.driver("AWS::RDS::DBInstance").unwrap();
    let error = driver.delete(&bench.context(), &made.identity).await.unwrap_err();
    assert_eq!(error.code(), Code::Protected, "{error}");
    bench.change(&mut made, properties! { "DeletionProtection" => false }).await;
    bench.unmake(&made).await;
    bench.unmake(&parameter_group).await;
    bench.unmake(&other_group).await;
    bench.unmake(&subnet_group).await;
}

#[tokio::test]
async fn a_server_of_this_name_is_not_made_twice() {
    let Some(bench) = Bench::new("rds-twice").await else { return };
    let subnet_group = subnet_group(&bench, "rds-twice", &subnets("LANDFALL_TEST_MOTO").await).await;
    let parameter_group = parameter_group(&bench, "rds-twice").await;
    let key = bench.make("key", "AWS::KMS::Key", properties! { "Description" => "data" }).await;
    let wanted = server("rds-twice", subnet_group.id(), parameter_group.id(), &key);
    let made = bench.make("server", "AWS::RDS::DBInstance", wanted).await;
    let driver = bench.connection.driver("AWS::RDS::DBInstance").unwrap();
    let error = driver.create(&bench.context(), &made.identity, &made.desired).await.unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists, "{error}");
    bench.unmake(&made).await;
}

#[tokio::test]
async fn a_group_of_subnets_takes_other_subnets() {
    let Some(bench) = Bench::ministack("rds-subnets").await else { return };
    let subnets = subnets("LANDFALL_TEST_MINISTACK").await;
    let wanted = properties! {
        "DBSubnetGroupName" => "rds-subnets",
        "DBSubnetGroupDescription" => "Data subnets",
        "SubnetIds" => subnets[..2].to_vec(),
    };
    let changes = properties! {
        "DBSubnetGroupDescription" => "Other subnets",
        "SubnetIds" => subnets[1..].to_vec(),
        "Tags" => bench.retagged("group"),
    };
    bench.lives("group", "AWS::RDS::DBSubnetGroup", wanted, changes).await;
}

#[tokio::test]
async fn parameters_are_set_changed_and_reset_by_the_dozen() {
    let Some(bench) = Bench::ministack("rds-parameters").await else { return };
    let many = |value: &str| {
        let all = (0..45).map(|number| (format!("landfall.parameter_{number:02}"), value.into()));
        let mut all: Properties = all.collect();
        all.insert("log_statement".into(), "ddl".into());
        all
    };
    let wanted = properties! {
        "DBParameterGroupName" => "rds-parameters",
        "Description" => "Parameters",
        "Family" => "postgres17",
        "Parameters" => many("1"),
    };
    let mut made = bench.make("group", "AWS::RDS::DBParameterGroup", wanted).await;
    bench.holds(&made).await;
    let mut fewer = many("2");
    fewer.retain(|name, _| !name.ends_with('0'));
    let expected = fewer.len();
    bench.change(&mut made, properties! { "Parameters" => fewer, "Tags" => bench.retagged("group") }).await;
    bench.holds(&made).await;
    let seen = bench.look(&made).await.unwrap();
    assert_eq!(seen.properties["Parameters"].as_map().unwrap().len(), expected, "the others are reset");
    bench.unmake(&made).await;
}
