//! The example's whole platform on AWS's own protocols: made, looked at, bent by somebody else and mended, changed, destroyed.

use std::collections::{BTreeMap, BTreeSet};

use landfall::apply::Engine;
use landfall::driver::{Context, Progress};
use landfall::graph::Graph;
use landfall::map;
use landfall::plan::{Change, Mode, Step, Style};
use landfall::prelude::*;
use landfall::resource::{Address, TagStyle, Value};
use landfall::units::Date;

use crate::common::{consented, inferloop};
use crate::world::{World, at_once, converge, is_whole, troubles};

/// What of the platform is declared otherwise than in the example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nothing.
    Example,
    /// Somebody else pays.
    Tags,
    /// What can be changed where it is.
    InPlace,
    /// What takes another object.
    Replaced,
    /// The database may be deleted.
    Unprotected,
}

fn declare(stage: Stage) -> PlatformBuilder {
    let from = |first: Stage| stage >= first;
    let mut platform = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    platform
        .today(Date::new(2026, 11, 23))
        .tag("CostCenter", if from(Stage::Tags) { "research" } else { "engineering" })
        .image("registry.inferloop.io/{name}:1.4.0");
    let network = platform.network("core", NetworkSpec::new("10.20.0.0/16".parse().unwrap()));
    let mut cluster = ClusterSpec::new(&network, "1.35");
    cluster = if from(Stage::InPlace) {
        cluster.log_days(365).public_access(["203.0.113.0/24".parse().unwrap()]).administrators([
            "arn:aws:iam::123456789012:role/platform-administrators",
            "arn:aws:iam::123456789012:role/operators",
        ])
    } else {
        cluster.administrators(["arn:aws:iam::123456789012:role/platform-administrators"])
    };
    let cluster = platform.cluster("main", cluster);
    let mut general = NodePoolSpec::new(&cluster).at_least(4, GiB(16)).nodes(Range::new(3, 10).unwrap());
    if from(Stage::InPlace) {
        general = general.nodes(Range::new(2, 12).unwrap()).label("team", "serving").disk(GiB(200));
    }
    platform.node_pool("general", general);
    let mut gpu = NodePoolSpec::new(&cluster)
        .at_least(4, GiB(16))
        .accelerator(Accelerator::T4, 1)
        .nodes(Range::new(0, 5).unwrap());
    if from(Stage::Replaced) {
        gpu = gpu.machine("g4dn.2xlarge");
    }
    platform.node_pool("gpu", gpu);
    let mut database = DatabaseSpec::postgres(&network, if from(Stage::Replaced) { "18" } else { "17" });
    if from(Stage::InPlace) {
        database = database.backup_days(21).size(Size::AtLeast { vcpu: 4, memory: GiB(16) });
    }
    if from(Stage::Unprotected) {
        database = database.deletion_protection(false);
    }
    platform.database("postgres", database);
    let mut cache = CacheSpec::valkey(&network);
    if from(Stage::InPlace) {
        cache = cache.replicas(2).snapshot_days(14);
    }
    platform.cache("redis", cache);
    platform.bucket("model-storage", BucketSpec::new().versioning(!from(Stage::InPlace)));
    platform.mesh("istio", MeshSpec::istio(&cluster));
    platform.services_from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/config"), &cluster);
    platform
}

#[tokio::test]
async fn the_whole_platform_of_the_example_is_made_mended_changed_and_destroyed() {
    let Some(world) = World::new() else { return };
    let platform = engine(&world, Stage::Example, None).await;
    let same = inferloop().build().unwrap();
    let addresses = |graph: &Graph| graph.iter().map(|one| one.address.clone()).collect::<Vec<_>>();
    assert_eq!(addresses(platform.graph()), addresses(same.graph()), "it is the example's");

    converge(&world, &platform).await;
    let calls = world.proxy.calls().len();
    converge(&world, &platform).await;
    assert_eq!(world.proxy.calls().len(), calls, "nothing changed, so nobody is asked");
    is_whole(&platform).await;
    few_calls_are_asked(&world.proxy.counted_since(calls), platform.graph());

    drift_is_shown_and_mended(&world, &platform).await;

    let platform = change(&world, Stage::Tags, &platform, &[]).await;
    let in_place: [(&str, Change, &[&str]); 8] = [
        ("aws/bucket/model-storage/bucket", Change::Update, &["VersioningConfiguration.Status"]),
        ("aws/cache/redis/server", Change::Update, &["NumCacheClusters", "SnapshotRetentionLimit"]),
        ("aws/cluster/main/administrator-74b2d720", Change::Create, &[]),
        (
            "aws/cluster/main/cluster",
            Change::Update,
            &["ResourcesVpcConfig.EndpointPublicAccess", "ResourcesVpcConfig.PublicAccessCidrs"],
        ),
        ("aws/cluster/main/logs", Change::Update, &["RetentionInDays"]),
        ("aws/database/postgres/server", Change::Update, &["BackupRetentionPeriod", "DBInstanceClass"]),
        (
            "aws/node-pool/general/launch-template",
            Change::Update,
            &["LaunchTemplateData.BlockDeviceMappings.0.Ebs.VolumeSize"],
        ),
        (
            "aws/node-pool/general/node-group",
            Change::Update,
            &["Labels.team", "LaunchTemplate.Version", "ScalingConfig.MaxSize", "ScalingConfig.MinSize"],
        ),
    ];
    let platform = change(&world, Stage::InPlace, &platform, &in_place).await;
    let replaced: [(&str, Change, &[&str]); 3] = [
        ("aws/database/postgres/parameter-group", Change::ReplaceCreateFirst, &["Family"]),
        ("aws/database/postgres/server", Change::Update, &["DBParameterGroupName", "EngineVersion"]),
        ("aws/node-pool/gpu/node-group", Change::ReplaceCreateFirst, &["InstanceTypes.0"]),
    ];
    let platform = change(&world, Stage::Replaced, &platform, &replaced).await;

    let unprotected: [(&str, Change, &[&str]); 1] =
        [("aws/database/postgres/server", Change::Update, &["DeletionProtection"])];
    let platform = change(&world, Stage::Unprotected, &platform, &unprotected).await;
    let plan = consented(platform.plan(Mode::Destroy).await.unwrap());
    let calls = world.proxy.calls().len();
    troubles(&world, calls, platform.apply(plan).await);
    let residue = platform.residue().await.unwrap();
    residue.check().unwrap();
    assert!(platform.census().await.unwrap().is_empty());
    for (what, listing) in world.proxy.listings() {
        assert!(!listing.contains("inferloop-dev"), "{what}: {listing}");
    }
}

/// The engine of a declaration; what is no part of AWS stays where it was kept before.
async fn engine(world: &World, stage: Stage, before: Option<&Engine>) -> Engine {
    let platform = world.place(|| declare(stage), "ledger").await;
    let setup = platform.engine().setup();
    at_once(setup, &before.map_or(setup, Engine::setup).drivers)
}

/// Plans what another declaration changes, which is this, and makes it.
async fn change(world: &World, stage: Stage, before: &Engine, expected: &[(&str, Change, &[&str])]) -> Engine {
    let platform = engine(world, stage, Some(before)).await;
    let plan = platform.plan(Mode::Converge).await.unwrap();
    assert_eq!(plan.drift, []);
    if stage == Stage::Tags {
        let tagged = |name: &str| platform.setup().catalog.get(name).unwrap().tags != TagStyle::None;
        let graph = platform.graph().iter().filter(|one| one.type_name.starts_with("AWS::") && tagged(&one.type_name));
        let marked: BTreeSet<_> = graph.map(|one| one.address.clone()).collect();
        let steps = plan.steps.iter().filter(|step| step.type_name.starts_with("AWS::"));
        assert!(steps.clone().all(|step| step.change == Change::Update));
        assert_eq!(steps.map(|step| step.address.clone()).collect::<BTreeSet<_>>(), marked);
    } else {
        let shown = |step: &Step| {
            let paths: BTreeSet<_> = step.attributes.iter().map(|one| one.path.clone()).collect();
            (step.address.to_string(), step.change, if step.change == Change::Create { BTreeSet::new() } else { paths })
        };
        let steps: BTreeSet<_> = plan.steps.iter().map(shown).collect();
        let expected = expected.iter().map(|(address, change, paths)| {
            ((*address).to_owned(), *change, paths.iter().map(|path| (*path).to_owned()).collect())
        });
        assert_eq!(steps, expected.collect(), "{}", plan.details(Style::Plain));
    }
    let calls = world.proxy.calls().len();
    troubles(world, calls, platform.apply(consented(plan)).await);
    is_whole(&platform).await;
    platform
}

/// Somebody changes things behind the ledger's back: a property of each of these, to what stands there.
async fn drift_is_shown_and_mended(world: &World, platform: &Engine) {
    let state = platform.state().await.unwrap();
    let setup = platform.setup();
    let context = Context { stack: &setup.stack, target: &setup.target, timeout: std::time::Duration::from_secs(30) };
    let mut bent = BTreeSet::new();
    for (address, property, other) in drifts() {
        let address: Address = address.parse().unwrap();
        let held = &state.resources[&address];
        let mut properties = held.properties.clone();
        match (properties.get_mut(property), other) {
            (Some(Value::Map(now)), Value::Map(other)) => now.extend(other),
            (_, other) => _ = properties.insert(property.to_owned(), other),
        }
        assert_ne!(properties, held.properties, "{address} {property}");
        let driver = setup.drivers.driver(&held.type_name).unwrap();
        let changed = [property.to_owned()];
        let operation = driver.update(&context, &held.identity(&address), &properties, &changed).await.unwrap();
        assert!(!matches!(operation.progress, Progress::Failed(_)), "{address}: {operation:?}");
        bent.insert((address, property.to_owned()));
    }
    let plan = platform.plan(Mode::Converge).await.unwrap();
    let first = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
    let shown: BTreeSet<_> = plan.drift.iter().map(|drift| (drift.address.clone(), first(&drift.path))).collect();
    assert_eq!(shown, bent, "{}", plan.details(Style::Plain));
    let steps: BTreeSet<_> = plan.steps.iter().map(|step| (step.address.clone(), step.change)).collect();
    let expected: BTreeSet<_> = bent.into_iter().map(|(address, _)| (address, Change::Update)).collect();
    assert_eq!(steps, expected, "{}", plan.details(Style::Plain));
    converge(world, platform).await;
    // Nothing is declared otherwise, so that a converge does not look at the cloud; applying what a look has shown does.
    let calls = world.proxy.calls().len();
    troubles(world, calls, platform.apply(consented(plan)).await);
    is_whole(platform).await;
}

fn drifts() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("aws/network/core/vpc", "EnableDnsHostnames", false.into()),
        ("aws/network/core/subnet-private-a", "MapPublicIpOnLaunch", true.into()),
        ("aws/network/core/flow-logs-group", "RetentionInDays", 7.into()),
        ("aws/cluster/main/logs-key", "EnableKeyRotation", false.into()),
        ("aws/cluster/main/cluster", "ResourcesVpcConfig", map! { "EndpointPublicAccess" => true }),
        ("aws/cluster/main/addon-vpc-cni", "ConfigurationValues", "{\"enableNetworkPolicy\":\"false\"}".into()),
        ("aws/cluster/main/node-role", "Description", "Lets nodes do as they like".into()),
        ("aws/node-pool/general/node-group", "ScalingConfig", map! { "MaxSize" => 40 }),
        ("aws/database/postgres/server", "BackupRetentionPeriod", 1.into()),
        ("aws/database/postgres/server", "EnablePerformanceInsights", false.into()),
        ("aws/database/postgres/parameter-group", "Parameters", map! { "log_statement" => "none" }),
        ("aws/cache/redis/server", "SnapshotRetentionLimit", 9.into()),
        ("aws/cache/redis/password", "Description", "Somebody else's".into()),
        ("aws/bucket/model-storage/bucket", "VersioningConfiguration", map! { "Status" => "Suspended" }),
    ]
}

/// How often each action is asked by a drift check of what there is of each type. `docs/aws.md` shows it as a table.
fn few_calls_are_asked(counted: &BTreeMap<String, usize>, graph: &Graph) {
    let of = |name: &str| graph.iter().filter(|one| one.type_name == format!("AWS::{name}")).count();
    // So many ids or names go into one request.
    let pages = |name: &str, page: usize| of(name).div_ceil(page);
    let ec2 = |name: &str| pages(&format!("EC2::{name}"), 200);
    let (keys, buckets, vpcs) = (of("KMS::Key"), of("S3::Bucket"), of("EC2::VPC"));
    let cache_groups = of("ElastiCache::SubnetGroup") + of("ElastiCache::ParameterGroup");
    let caches = of("ElastiCache::ReplicationGroup") + cache_groups;
    let database_groups = of("RDS::DBSubnetGroup") + of("RDS::DBParameterGroup");
    let bounds = [
        ("DescribeVpcs", ec2("VPC")),
        // Two attributes, a VPC and an attribute at a time.
        ("DescribeVpcAttribute", 2 * vpcs),
        ("DescribeNetworkAcls", ec2("VPC")),
        ("DescribeSubnets", ec2("Subnet")),
        ("DescribeInternetGateways", ec2("InternetGateway") + ec2("VPCGatewayAttachment")),
        ("DescribeAddresses", ec2("EIP")),
        ("DescribeNatGateways", ec2("NatGateway")),
        ("DescribeRouteTables", ec2("RouteTable") + ec2("Route") + ec2("SubnetRouteTableAssociation")),
        ("DescribeVpcEndpoints", ec2("VPCEndpoint")),
        ("DescribeFlowLogs", ec2("FlowLog")),
        // The groups themselves, and the default ones of VPCs.
        ("DescribeSecurityGroups", ec2("SecurityGroup") + ec2("VPC")),
        ("DescribeLaunchTemplates", ec2("LaunchTemplate")),
        ("GET /clusters/*", of("EKS::Cluster")),
        ("GET /clusters/node-groups/*", of("EKS::Nodegroup")),
        ("GET /clusters/addons/*", of("EKS::Addon")),
        ("GET /clusters/access-entries/*", of("EKS::AccessEntry")),
        ("GET /clusters/access-entries/access-policies", of("EKS::AccessEntry")),
        ("GET /clusters/pod-identity-associations/*", of("EKS::PodIdentityAssociation")),
        // Pages of all roles of the account.
        ("ListRoles", 1),
        ("GetAccountAuthorizationDetails", 1),
        ("DescribeKey", keys),
        ("GetKeyPolicy", keys),
        ("GetKeyRotationStatus", keys),
        ("ListResourceTags", keys),
        // Pages of all aliases of the region.
        ("ListAliases", 1),
        ("DescribeLogGroups", pages("Logs::LogGroup", 50)),
        ("ListTagsForResource", of("Logs::LogGroup") + caches + database_groups),
        ("DescribeSecret", of("SecretsManager::Secret")),
        ("DescribeDBInstances", pages("RDS::DBInstance", 100)),
        ("DescribeDBSubnetGroups", of("RDS::DBSubnetGroup")),
        ("DescribeDBParameterGroups", of("RDS::DBParameterGroup")),
        ("DescribeDBParameters", of("RDS::DBParameterGroup")),
        ("DescribeReplicationGroups", of("ElastiCache::ReplicationGroup")),
        ("DescribeCacheClusters", of("ElastiCache::ReplicationGroup")),
        ("DescribeCacheSubnetGroups", of("ElastiCache::SubnetGroup")),
        ("DescribeCacheParameterGroups", of("ElastiCache::ParameterGroup")),
        ("DescribeCacheParameters", of("ElastiCache::ParameterGroup")),
        ("GET /cors", buckets),
        ("GET /encryption", buckets),
        ("GET /lifecycle", buckets),
        ("GET /logging", buckets),
        ("GET /ownershipControls", buckets),
        ("GET /policy", of("S3::BucketPolicy")),
        ("GET /publicAccessBlock", buckets),
        ("GET /tagging", buckets),
        ("GET /versioning", buckets),
    ];
    for (action, count) in counted {
        let bound = bounds.iter().find(|(name, _)| name == action);
        assert!(bound.is_some_and(|(_, bound)| count <= bound), "{action}: {count} times, and not {bound:?}");
    }
    let objects = graph.iter().filter(|one| one.type_name.starts_with("AWS::")).count();
    let total: usize = counted.values().sum();
    assert_eq!((objects, total), (110, 115), "as docs/aws.md says: {counted:#?}");
}
