//! On ministack, for moto lacks groups of parameters and what changes a replication group's size. Not proved by any server:
//! that a group takes its time for a change, its shards, and what ministack does not change in the nodes of a group (version,
//! parameter group, security groups, maintenance window, logs); `driver/elasticache/shape.rs` tests what we make of these.
//! Names are in lower case from the start: neither server makes them so, as AWS does. Ministack does not escape tags.

use landfall_core::resource::Value;
use landfall_core::secret::Secret;
use landfall_core::{list, map, properties};
use secrecy::SecretString;

use crate::bench::Bench;

fn password(value: &str) -> Value {
    let value = SecretString::from(value);
    Value::Secret(Secret::new("password", value, &SecretString::from("")))
}

#[tokio::test]
async fn a_replication_group_is_made_grown_shrunk_and_deleted() {
    let Some(bench) = Bench::ministack("cache").await.map(Bench::plain) else { return };
    let delivery = map! {
        "LogType" => "slow-log",
        "LogFormat" => "json",
        "DestinationType" => "cloudwatch-logs",
        "DestinationDetails" => map! { "CloudWatchLogsDetails" => map! { "LogGroup" => "/landfall/slow-log" } },
    };
    let wanted = properties! {
        "ReplicationGroupId" => "cache-main",
        "ReplicationGroupDescription" => "main of cache",
        "Engine" => "valkey",
        "EngineVersion" => "8.1",
        "AutoMinorVersionUpgrade" => true,
        "CacheNodeType" => "cache.t4g.medium",
        "NumCacheClusters" => 2,
        "AutomaticFailoverEnabled" => true,
        "MultiAZEnabled" => true,
        "AtRestEncryptionEnabled" => true,
        "TransitEncryptionEnabled" => true,
        "AuthToken" => password("a-password-of-enough-letters"),
        "SnapshotRetentionLimit" => 1,
        "SnapshotWindow" => "01:00-02:00",
        "PreferredMaintenanceWindow" => "sun:03:00-sun:04:00",
        "LogDeliveryConfigurations" => list![delivery],
    };
    let mut made = bench.make("server", "AWS::ElastiCache::ReplicationGroup", wanted).await;
    bench.holds(&made).await;

    let changes = properties! {
        "ReplicationGroupDescription" => "another",
        "CacheNodeType" => "cache.m7g.large",
        "NumCacheClusters" => 4,
        "SnapshotRetentionLimit" => 3,
        "SnapshotWindow" => "02:00-03:00",
        "AuthToken" => password("another-password-of-enough-letters"),
        "Tags" => bench.retagged("server"),
    };
    bench.change(&mut made, changes).await;
    bench.holds(&made).await;

    let changes = properties! {
        "NumCacheClusters" => 1, "AutomaticFailoverEnabled" => false, "MultiAZEnabled" => false,
    };
    bench.change(&mut made, changes).await;
    bench.holds(&made).await;
    bench.unmake(&made).await;
}

#[tokio::test]
async fn parameters_are_set_changed_and_reset() {
    let Some(bench) = Bench::ministack("cache-parameters").await.map(Bench::plain) else { return };
    let wanted = properties! {
        "CacheParameterGroupFamily" => "valkey8",
        "Description" => "Parameters of the cache",
        "Properties" => map! { "maxmemory-policy" => "allkeys-lru", "timeout" => "60" },
    };
    let mut made = bench.make("parameter-group", "AWS::ElastiCache::ParameterGroup", wanted).await;
    bench.holds(&made).await;
    let changes = properties! {
        "Properties" => map! { "maxmemory-policy" => "noeviction" },
        "Tags" => bench.retagged("parameter-group"),
    };
    bench.change(&mut made, changes).await;
    bench.holds(&made).await;
    let seen = bench.look(&made).await.unwrap();
    assert_eq!(seen.properties["Properties"], map! { "maxmemory-policy" => "noeviction" }, "the other is reset");
    bench.unmake(&made).await;
}

#[tokio::test]
async fn a_create_that_is_repeated_meets_the_group_of_parameters_that_it_made() {
    let Some(bench) = Bench::ministack("cache-twice").await.map(Bench::plain) else { return };
    let wanted = properties! { "CacheParameterGroupFamily" => "valkey8", "Description" => "Parameters of the cache" };
    let made = bench.make("parameter-group", "AWS::ElastiCache::ParameterGroup", wanted).await;
    let driver = landfall_core::driver::Drivers::driver(&bench.connection, "AWS::ElastiCache::ParameterGroup").unwrap();
    let error = driver.create(&bench.context(), &made.identity, &made.desired).await.unwrap_err();
    assert_eq!(error.code(), landfall_core::Code::AlreadyExists, "{error}");
    bench.unmake(&made).await;
}

#[tokio::test]
async fn a_group_of_subnets_takes_other_subnets() {
    let Some(bench) = Bench::ministack("cache-subnets").await.map(Bench::plain) else { return };
    let subnets = crate::rds::subnets("LANDFALL_TEST_MINISTACK").await;
    let wanted = properties! {
        "CacheSubnetGroupName" => "cache-subnets",
        "Description" => "Data subnets",
        "SubnetIds" => subnets[..2].to_vec(),
    };
    let changes = properties! {
        "Description" => "Other subnets",
        "SubnetIds" => subnets[1..].to_vec(),
        "Tags" => bench.retagged("group"),
    };
    bench.lives("group", "AWS::ElastiCache::SubnetGroup", wanted, changes).await;
}
