//! An object of every type changed in place and then replaced, by platforms that declare it otherwise: what the plan says, what
//! is called in which order, and what is there afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use landfall::apply::Engine;
use landfall::driver::{Context, Observation};
use landfall::plan::{Change, Mode, Style};
use landfall::prelude::*;
use landfall::resource::{Address, Identity, Properties, Reference, ResourceType, TagStyle, Value};
use landfall::units::Date;
use landfall::{Code, list, map, properties};

use crate::common::consented;
use crate::world::{World, at_once, converge, is_whole, troubles};

/// An object that is changed and replaced.
struct Row {
    name: &'static str,
    type_name: &'static str,
    first: Properties,
    /// What is declared otherwise then; nothing where it is `Null`.
    changed: Properties,
    /// What is declared otherwise at last, each of which takes another object.
    replaced: Properties,
    /// The calls that make and delete one.
    calls: (&'static str, &'static str),
}

/// What is declared, in the order of what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    First,
    Changed,
    Replaced,
}

/// A platform of rows, and of what they need beside them.
struct Group {
    stack: &'static str,
    beside: fn() -> Vec<(&'static str, &'static str, Properties)>,
    rows: fn() -> Vec<Row>,
}

const GROUPS: [&Group; 4] = [&NETWORK, &CLUSTER, &IDENTITY, &DATA];

/// What can be set and is changed by no row, and why.
const UNCHANGED: &[(&str, &str, &str)] = &[
    ("AWS::EC2::Route", "CarrierGatewayId", "no server makes such a target"),
    ("AWS::EC2::Route", "CoreNetworkArn", "no server makes such a target"),
    ("AWS::EC2::Route", "InstanceId", "no type of ours makes such a target"),
    ("AWS::EC2::Route", "LocalGatewayId", "no server makes such a target"),
    ("AWS::EC2::Route", "NetworkInterfaceId", "no type of ours makes such a target"),
    ("AWS::EC2::Route", "TransitGatewayId", "no type of ours makes such a target"),
    ("AWS::EC2::Route", "VpcEndpointId", "no server makes such a target"),
    ("AWS::EC2::Route", "VpcPeeringConnectionId", "no type of ours makes such a target"),
    ("AWS::EC2::Subnet", "EnableDns64", "moto does not keep it"),
    ("AWS::EC2::VPCEndpoint", "IpAddressType", "moto does not keep it"),
    ("AWS::EC2::VPCEndpoint", "PrivateDnsEnabled", "moto does not change it"),
    ("AWS::EC2::VPCEndpoint", "RouteTableIds", "moto cannot delete it afterwards"),
    ("AWS::EKS::Addon", "PreserveOnDelete", "it is refused"),
    ("AWS::EKS::Cluster", "KubernetesNetworkConfig", "what can be set within it replaces the cluster"),
    ("AWS::ElastiCache::ReplicationGroup", "AuthToken", "it is a secret, and its driver's own test changes it"),
    ("AWS::ElastiCache::ReplicationGroup", "AutoMinorVersionUpgrade", "ministack does not change it"),
    ("AWS::ElastiCache::ReplicationGroup", "CacheParameterGroupName", "ministack does not change it in the nodes"),
    ("AWS::ElastiCache::ReplicationGroup", "ClusterMode", "ministack does not change it"),
    ("AWS::ElastiCache::ReplicationGroup", "Engine", "ministack does not change it"),
    ("AWS::ElastiCache::ReplicationGroup", "EngineVersion", "ministack does not change it in the nodes"),
    ("AWS::ElastiCache::ReplicationGroup", "IpDiscovery", "ministack does not change it"),
    ("AWS::ElastiCache::ReplicationGroup", "LogDeliveryConfigurations", "ministack does not change it"),
    ("AWS::ElastiCache::ReplicationGroup", "NotificationTopicArn", "ministack does not change it in the nodes"),
    ("AWS::ElastiCache::ReplicationGroup", "NumNodeGroups", "ministack has no shards"),
    ("AWS::ElastiCache::ReplicationGroup", "PreferredMaintenanceWindow", "ministack does not change it in the nodes"),
    ("AWS::ElastiCache::ReplicationGroup", "ReplicasPerNodeGroup", "the same as the number of nodes, without shards"),
    ("AWS::ElastiCache::ReplicationGroup", "SecurityGroupIds", "ministack does not change it in the nodes"),
    ("AWS::ElastiCache::ReplicationGroup", "TransitEncryptionEnabled", "ministack does not change it"),
    ("AWS::ElastiCache::ReplicationGroup", "TransitEncryptionMode", "ministack does not change it"),
    ("AWS::ElastiCache::ReplicationGroup", "UserGroupIds", "no type of ours makes such a group"),
    ("AWS::Logs::LogGroup", "KmsKeyId", "moto has no call for it"),
    ("AWS::RDS::DBInstance", "DeleteAutomatedBackups", "no call changes it, and yes is refused"),
    ("AWS::RDS::DBInstance", "DedicatedLogVolume", "moto does not keep it"),
    ("AWS::RDS::DBInstance", "EngineLifecycleSupport", "moto does not keep it"),
    ("AWS::RDS::DBInstance", "ManageMasterUserPassword", "the other way takes a secret"),
    ("AWS::RDS::DBInstance", "MasterUserPassword", "it is a secret"),
    ("AWS::RDS::DBInstance", "NetworkType", "moto does not keep it"),
    ("AWS::RDS::DBInstance", "OptionGroupName", "no type of ours makes such a group"),
    ("AWS::RDS::DBInstance", "Port", "moto does not change it"),
    ("AWS::RDS::DBInstance", "StorageThroughput", "moto does not keep it"),
    ("AWS::SecretsManager::Secret", "ReplicaRegions", "moto does not go through the states of copies"),
    ("AWS::SecretsManager::Secret", "SecretString", "it is a secret, and its driver's own test changes it"),
];

fn of(name: &str, attribute: &str) -> Value {
    let target = Address::new("aws", "native", name, "resource").unwrap();
    Value::Reference(Reference { target, attribute: attribute.to_owned() })
}

impl Row {
    fn address(&self) -> Address {
        Address::new("aws", "native", self.name, "resource").unwrap()
    }

    fn properties(&self, stage: Stage) -> Properties {
        let mut all = self.first.clone();
        if stage >= Stage::Changed {
            all.extend(self.changed.clone());
        }
        if stage >= Stage::Replaced {
            all.extend(self.replaced.clone());
        }
        all.retain(|_, value| *value != Value::Null);
        all
    }
}

impl Group {
    fn declare(&self, stage: Stage) -> PlatformBuilder {
        let mut platform = Platform::builder(self.stack, "test", Aws::new("eu-west-1"));
        platform.today(Date::new(2026, 11, 23));
        platform.tag("Team", if stage == Stage::First { "platform" } else { "research" });
        for (name, type_name, properties) in (self.beside)() {
            platform.native(name, type_name, properties);
        }
        for row in (self.rows)() {
            platform.native(row.name, row.type_name, row.properties(stage));
        }
        platform
    }

    async fn engine(&self, world: &World, stage: Stage) -> Engine {
        let platform = world.place(|| self.declare(stage), "ledger").await;
        let setup = platform.engine().setup();
        at_once(setup, &setup.drivers)
    }

    /// The whole life of the group.
    async fn lives(&self) {
        let world = if self.stack == NETWORK.stack { World::alone() } else { World::new() };
        let Some(world) = world else { return };
        let rows = (self.rows)();
        let engine = self.engine(&world, Stage::First).await;
        converge(&world, &engine).await;
        stands_once(&engine).await;

        let engine = self.engine(&world, Stage::Changed).await;
        let calls = world.proxy.calls().len();
        self.is_changed_in_place(&engine, &rows).await;
        converge(&world, &engine).await;
        stands_once(&engine).await;
        for row in &rows {
            let again = world.proxy.calls()[calls..].iter().any(|call| call.action == row.calls.1);
            assert!(!again, "{} is changed where it is", row.type_name);
        }
        let before = held(&engine, &rows).await;

        let engine = self.engine(&world, Stage::Replaced).await;
        let calls = world.proxy.calls().len();
        self.is_replaced(&world, &engine, &rows).await;
        stands_once(&engine).await;
        let after = held(&engine, &rows).await;
        for row in &rows {
            let order: Vec<String> = world.proxy.calls()[calls..].iter().map(|call| call.action.clone()).collect();
            check_order(row, of_type(&engine, row.type_name), &order);
            is_gone(&engine, row, &before[row.name], &after[row.name]).await;
        }
        self.destroyed(&world, &engine).await;
    }

    async fn is_changed_in_place(&self, engine: &Engine, rows: &[Row]) {
        let plan = engine.plan(Mode::Converge).await.unwrap();
        let details = plan.details(Style::Plain);
        assert_eq!(plan.drift, [], "{details}");
        let first = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
        let shown: BTreeMap<String, (Change, BTreeSet<String>)> = plan
            .steps
            .iter()
            .map(|step| {
                let paths = step.attributes.iter().map(|one| first(&one.path)).collect();
                (step.address.name().to_owned(), (step.change, paths))
            })
            .collect();
        let mut wanted: BTreeMap<String, (Change, BTreeSet<String>)> = BTreeMap::new();
        let beside = (self.beside)().into_iter().map(|(name, type_name, _)| (name, type_name, Vec::new()));
        let rows = rows.iter().map(|row| (row.name, row.type_name, row.changed.keys().cloned().collect()));
        for (name, type_name, changed) in beside.chain(rows) {
            let mut changed: BTreeSet<String> = changed.into_iter().collect();
            changed.extend(tags_of(of_type(engine, type_name)).map(str::to_owned));
            if !changed.is_empty() {
                wanted.insert(name.to_owned(), (Change::Update, changed));
            }
        }
        assert_eq!(shown, wanted, "{details}");
        assert!(plan.consents_needed().is_empty(), "{details}");
    }

    async fn is_replaced(&self, world: &World, engine: &Engine, rows: &[Row]) {
        let plan = engine.plan(Mode::Converge).await.unwrap();
        let details = plan.details(Style::Plain);
        assert_eq!(plan.drift, [], "{details}");
        for row in rows.iter().filter(|row| !row.replaced.is_empty()) {
            let of = of_type(engine, row.type_name);
            let step = plan.steps.iter().find(|step| step.address == row.address());
            let step = step.unwrap_or_else(|| panic!("{}: {details}", row.name));
            let change = if of.create_before_delete { Change::ReplaceCreateFirst } else { Change::ReplaceDeleteFirst };
            assert_eq!(step.change, change, "{details}");
            assert_eq!(step.needs_consent, of.holds_data, "{}: {details}", row.name);
            for property in row.replaced.keys() {
                let because = |path: &str| path.split('.').next() == Some(property);
                let found = step.attributes.iter().find(|one| because(&one.path));
                assert!(found.is_some_and(|one| one.replaces), "{} {property}: {details}", row.name);
            }
        }
        let replaced = rows.iter().filter(|row| !row.replaced.is_empty()).count();
        assert_eq!(plan.steps.len(), replaced, "{details}");
        if plan.consents_needed().is_empty() {
            return converge(world, engine).await;
        }
        let calls = world.proxy.calls().len();
        let refused = engine.converge().await.unwrap_err();
        assert!(refused.problems().iter().all(|problem| problem.code() == Code::Protected), "{refused}");
        let changes =
            |action: &str| !["Describe", "Get", "List", "GET ", "HEAD "].iter().any(|verb| action.starts_with(verb));
        assert!(
            !world.proxy.calls()[calls..].iter().any(|call| changes(&call.action)),
            "nothing is done without consent"
        );
        let calls = world.proxy.calls().len();
        troubles(world, calls, engine.apply(consented(plan)).await);
    }

    async fn destroyed(&self, world: &World, engine: &Engine) {
        let calls = world.proxy.calls().len();
        let plan = consented(engine.plan(Mode::Destroy).await.unwrap());
        troubles(world, calls, engine.apply(plan).await);
        engine.residue().await.unwrap().check().unwrap();
        assert!(engine.census().await.unwrap().is_empty());
        for (what, listing) in world.proxy.listings() {
            assert!(!listing.contains(&format!("{}-test", self.stack)), "{what}: {listing}");
            assert!(!listing.contains(&format!("{}/test", self.stack)), "{what}: {listing}");
        }
    }
}

fn of_type<'a>(engine: &'a Engine, name: &str) -> &'a ResourceType {
    engine.setup().catalog.get(name).unwrap()
}

fn tags_of(of: &ResourceType) -> impl Iterator<Item = &'static str> {
    let property = match of.tags {
        TagStyle::List(property) | TagStyle::Map(property) => Some(property),
        TagStyle::Specifications(_) => Some("TagSpecifications"),
        _ => None,
    };
    property.into_iter()
}

async fn stands_once(engine: &Engine) {
    is_whole(engine).await;
    let census = engine.census().await.unwrap();
    let mut addresses: Vec<_> = census.iter().map(|found| found.marks.address.clone()).collect();
    addresses.sort();
    let wanted = engine.graph().iter().filter(|one| of_type(engine, &one.type_name).tags != TagStyle::None);
    let wanted: Vec<_> = wanted.map(|one| one.address.clone()).collect();
    assert_eq!(addresses, wanted, "one object of each address");
}

/// What the ledger says how each object is found.
async fn held(engine: &Engine, rows: &[Row]) -> BTreeMap<&'static str, Identity> {
    let state = engine.state().await.unwrap();
    rows.iter().map(|row| (row.name, state.resources[&row.address()].identity(&row.address()))).collect()
}

/// What was made first and what was deleted first is as the type's table says.
fn check_order(row: &Row, of: &ResourceType, order: &[String]) {
    let (create, delete) = row.calls;
    let made = order.iter().position(|action| action == create);
    let deleted = order.iter().position(|action| action == delete);
    if row.replaced.is_empty() {
        return assert_eq!((made, deleted), (None, None), "{}", row.type_name);
    }
    let (Some(made), Some(deleted)) = (made, deleted) else { panic!("{}: {order:?}", row.type_name) };
    assert_eq!(made < deleted, of.create_before_delete, "{}: {order:?}", row.type_name);
}

/// The old object is not there any more, by a look of its own.
async fn is_gone(engine: &Engine, row: &Row, before: &Identity, after: &Identity) {
    if row.replaced.is_empty() {
        return assert_eq!(before.id, after.id, "{}", row.type_name);
    }
    assert_eq!(after.generation, before.generation + 1, "{}", row.type_name);
    // Under the same name there stands the new one.
    if before.id == after.id {
        return;
    }
    let setup = engine.setup();
    let context = Context { stack: &setup.stack, target: &setup.target, timeout: Duration::from_secs(30) };
    let driver = setup.drivers.driver(row.type_name).unwrap();
    let seen = driver.observe(&context, std::slice::from_ref(before)).await.unwrap();
    assert!(matches!(seen[..], [Observation::Absent]), "{}: {seen:?}", row.type_name);
}

#[tokio::test]
async fn what_networks_consist_of_is_changed_and_replaced() {
    NETWORK.lives().await;
}

#[tokio::test]
async fn clusters_and_what_stands_in_them_are_changed_and_replaced() {
    CLUSTER.lives().await;
}

#[tokio::test]
async fn roles_keys_logs_secrets_and_buckets_are_changed_and_replaced() {
    IDENTITY.lives().await;
}

#[tokio::test]
async fn databases_caches_and_rules_are_changed_and_replaced() {
    DATA.lives().await;
}

/// Each property that a type can set is changed in place by a row, replaces by its table, or is named with a reason.
#[tokio::test]
async fn every_type_is_changed_and_replaced() {
    let Some(world) = World::new() else { return };
    let connection = world.connection().await;
    let stack = landfall::resource::StackId::new("changes", "test");
    let context = Context { stack: &stack, target: connection.target(), timeout: Duration::from_secs(30) };
    let rows: Vec<Row> = GROUPS.iter().flat_map(|group| (group.rows)()).collect();
    let mut missing = Vec::new();
    let mut needless = Vec::new();
    let platform = Platform::builder("changes", "test", Aws::new("eu-west-1")).build().unwrap();
    for of in platform.catalog().iter().filter(|of| of.name.starts_with("AWS::")) {
        let of_it: Vec<&Row> = rows.iter().filter(|row| row.type_name == of.name).collect();
        if of_it.is_empty() {
            missing.push(format!("{}: a row", of.name));
        }
        if !of.replaces.is_empty() && of_it.iter().all(|row| row.replaced.is_empty()) {
            missing.push(format!("{}: what replaces it", of.name));
        }
        for property in settable(&connection, &context, of).await {
            let changed = of_it.iter().any(|row| row.changed.contains_key(&property));
            let excused = UNCHANGED.iter().any(|(name, other, _)| *name == of.name && *other == property);
            if excused && (changed || of.replaces_on(&property)) {
                needless.push(format!("{} {property}", of.name));
            }
            if !changed && !excused && !of.replaces_on(&property) {
                missing.push(format!("{} {property}", of.name));
            }
        }
    }
    assert_eq!((missing, needless), (Vec::<String>::new(), Vec::<String>::new()));
}

/// What a type's driver can set, as it says to whoever asks for something else.
async fn settable(drivers: &landfall::aws::live::Connection, context: &Context<'_>, of: &ResourceType) -> Vec<String> {
    let driver = landfall::driver::Drivers::driver(drivers, &of.name).unwrap();
    let address = Address::new("aws", "native", "nothing", "resource").unwrap();
    let wanted = properties! { "Nothing" => 1 };
    let claim = landfall::resource::Claim::of(of, context.stack, &address, 0, &wanted);
    let type_name = of.name.to_string();
    let identity = Identity { address, type_name, generation: 0, id: None, claim, cluster: None };
    let refused = driver.create(context, &identity, &wanted).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidRequest);
    let (_, all) = refused.next_step().and_then(|step| step.split_once("it sets ")).unwrap();
    all.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

const NETWORK: Group = Group {
    stack: "changes-network",
    beside: || {
        let subnet = |vpc: &str, range: &str, zone: &str| {
            properties! { "VpcId" => of(vpc, ""), "CidrBlock" => range, "AvailabilityZone" => zone }
        };
        let attached = |vpc: &str, gateway: &str| {
            properties! { "VpcId" => of(vpc, ""), "InternetGatewayId" => of(gateway, "") }
        };
        let group = |name: &str| {
            properties! { "GroupName" => name, "GroupDescription" => "Who reaches it", "VpcId" => of("one", "") }
        };
        vec![
            ("one", "AWS::EC2::VPC", properties! { "CidrBlock" => "10.0.0.0/16" }),
            ("two", "AWS::EC2::VPC", properties! { "CidrBlock" => "10.1.0.0/16" }),
            ("one-a", "AWS::EC2::Subnet", subnet("one", "10.0.0.0/24", "eu-west-1a")),
            ("one-b", "AWS::EC2::Subnet", subnet("one", "10.0.1.0/24", "eu-west-1b")),
            ("gate", "AWS::EC2::InternetGateway", properties! {}),
            ("gate-one", "AWS::EC2::InternetGateway", properties! {}),
            ("gate-two", "AWS::EC2::InternetGateway", properties! {}),
            ("gated", "AWS::EC2::VPCGatewayAttachment", attached("one", "gate")),
            (
                "nat-beside",
                "AWS::EC2::NatGateway",
                properties! {
                    "SubnetId" => of("one-a", ""), "ConnectivityType" => "private",
                },
            ),
            ("address-beside", "AWS::EC2::EIP", properties! { "Domain" => "vpc" }),
            ("table-one", "AWS::EC2::RouteTable", properties! { "VpcId" => of("one", "") }),
            ("table-two", "AWS::EC2::RouteTable", properties! { "VpcId" => of("one", "") }),
            ("group-one", "AWS::EC2::SecurityGroup", group("one")),
            ("group-two", "AWS::EC2::SecurityGroup", group("two")),
            ("logs", "AWS::Logs::LogGroup", properties! { "LogGroupName" => "/changes-network-test/one" }),
            ("logs-two", "AWS::Logs::LogGroup", properties! { "LogGroupName" => "/changes-network-test/two" }),
            // moto does not free the address of a gateway that is deleted.
            ("address-two", "AWS::EC2::EIP", properties! { "Domain" => "vpc" }),
        ]
    },
    rows: || {
        let data = |size: i64| {
            map! {
                "MetadataOptions" => map! { "HttpEndpoint" => "enabled", "HttpTokens" => "required" },
                "BlockDeviceMappings" => list![map! {
                    "DeviceName" => "/dev/xvda", "Ebs" => map! { "VolumeType" => "gp3", "VolumeSize" => size },
                }],
            }
        };
        let port = |port: u16, words: &str| {
            map! {
                "Description" => words, "IpProtocol" => "tcp", "FromPort" => port, "ToPort" => port,
                "CidrIp" => "10.0.0.0/16",
            }
        };
        let policy = |action: &str| {
            let all = map! { "Effect" => "Allow", "Principal" => "*", "Action" => action, "Resource" => "*" };
            map! { "Version" => "2012-10-17", "Statement" => list![all] }
        };
        vec![
            Row {
                name: "vpc",
                type_name: "AWS::EC2::VPC",
                first: properties! {
                    "CidrBlock" => "10.8.0.0/16", "EnableDnsSupport" => true, "EnableDnsHostnames" => true,
                },
                changed: properties! { "EnableDnsSupport" => false, "EnableDnsHostnames" => false },
                replaced: properties! { "CidrBlock" => "10.9.0.0/16" },
                calls: ("CreateVpc", "DeleteVpc"),
            },
            Row {
                name: "subnet",
                type_name: "AWS::EC2::Subnet",
                first: properties! {
                    "VpcId" => of("one", ""), "CidrBlock" => "10.0.8.0/24", "AvailabilityZone" => "eu-west-1a",
                    "MapPublicIpOnLaunch" => false, "AssignIpv6AddressOnCreation" => false,
                    "PrivateDnsNameOptionsOnLaunch" => map! {
                        "HostnameType" => "ip-name", "EnableResourceNameDnsARecord" => false,
                    },
                },
                changed: properties! {
                    "MapPublicIpOnLaunch" => true, "AssignIpv6AddressOnCreation" => true,
                    "PrivateDnsNameOptionsOnLaunch" => map! {
                        "HostnameType" => "ip-name", "EnableResourceNameDnsARecord" => true,
                    },
                },
                replaced: properties! { "CidrBlock" => "10.0.9.0/24" },
                calls: ("CreateSubnet", "DeleteSubnet"),
            },
            Row {
                name: "gateway",
                type_name: "AWS::EC2::InternetGateway",
                first: properties! {},
                changed: properties! {},
                replaced: properties! {},
                calls: ("CreateInternetGateway", "DeleteInternetGateway"),
            },
            Row {
                name: "attachment",
                type_name: "AWS::EC2::VPCGatewayAttachment",
                first: properties! { "VpcId" => of("two", ""), "InternetGatewayId" => of("gate-one", "") },
                changed: properties! {},
                replaced: properties! { "InternetGatewayId" => of("gate-two", "") },
                calls: ("AttachInternetGateway", "DetachInternetGateway"),
            },
            Row {
                name: "address",
                type_name: "AWS::EC2::EIP",
                first: properties! { "Domain" => "vpc" },
                changed: properties! {},
                replaced: properties! { "IpamPoolId" => "ipam-pool-0123456789abcdef0" },
                calls: ("AllocateAddress", "ReleaseAddress"),
            },
            Row {
                name: "nat",
                type_name: "AWS::EC2::NatGateway",
                first: properties! {
                    "SubnetId" => of("one-a", ""), "AllocationId" => of("address-beside", "AllocationId"),
                    "ConnectivityType" => "public",
                },
                changed: properties! {},
                replaced: properties! {
                    "SubnetId" => of("one-b", ""), "AllocationId" => of("address-two", "AllocationId"),
                },
                calls: ("CreateNatGateway", "DeleteNatGateway"),
            },
            Row {
                name: "table",
                type_name: "AWS::EC2::RouteTable",
                first: properties! { "VpcId" => of("one", "") },
                changed: properties! {},
                replaced: properties! { "VpcId" => of("two", "") },
                calls: ("CreateRouteTable", "DeleteRouteTable"),
            },
            Row {
                name: "route",
                type_name: "AWS::EC2::Route",
                first: properties! {
                    "RouteTableId" => of("table-one", ""), "DestinationCidrBlock" => "0.0.0.0/0",
                    "GatewayId" => of("gate", ""),
                },
                changed: properties! { "GatewayId" => Value::Null, "NatGatewayId" => of("nat-beside", "") },
                replaced: properties! { "DestinationCidrBlock" => "198.51.100.0/24" },
                calls: ("CreateRoute", "DeleteRoute"),
            },
            Row {
                name: "association",
                type_name: "AWS::EC2::SubnetRouteTableAssociation",
                first: properties! { "SubnetId" => of("one-b", ""), "RouteTableId" => of("table-one", "") },
                changed: properties! {},
                replaced: properties! { "RouteTableId" => of("table-two", "") },
                calls: ("AssociateRouteTable", "DisassociateRouteTable"),
            },
            Row {
                name: "gateway-endpoint",
                type_name: "AWS::EC2::VPCEndpoint",
                first: properties! {
                    "VpcId" => of("one", ""), "ServiceName" => "com.amazonaws.eu-west-1.s3", "VpcEndpointType" => "Gateway",
                    "RouteTableIds" => list![of("table-one", "")], "PolicyDocument" => policy("s3:GetObject"),
                },
                changed: properties! { "PolicyDocument" => policy("s3:*") },
                replaced: properties! { "ServiceName" => "com.amazonaws.eu-west-1.dynamodb" },
                calls: ("CreateVpcEndpoint", "DeleteVpcEndpoints"),
            },
            Row {
                name: "interface-endpoint",
                type_name: "AWS::EC2::VPCEndpoint",
                first: properties! {
                    "VpcId" => of("one", ""), "ServiceName" => "com.amazonaws.eu-west-1.sqs",
                    "VpcEndpointType" => "Interface", "SubnetIds" => list![of("one-a", "")],
                    "SecurityGroupIds" => list![of("group-one", "")],
                },
                changed: properties! {
                    "SubnetIds" => list![of("one-a", ""), of("one-b", "")],
                    "SecurityGroupIds" => list![of("group-two", "")],
                },
                replaced: properties! { "ServiceName" => "com.amazonaws.eu-west-1.sns" },
                calls: ("CreateVpcEndpoint", "DeleteVpcEndpoints"),
            },
            Row {
                name: "flow-log",
                type_name: "AWS::EC2::FlowLog",
                first: properties! {
                    "ResourceId" => of("one", ""), "ResourceType" => "VPC", "TrafficType" => "ALL",
                    "LogDestinationType" => "cloud-watch-logs", "LogGroupName" => of("logs", ""),
                    "DeliverLogsPermissionArn" => role("flow-logs"),
                },
                changed: properties! {},
                // AWS refuses a second one that is the same; moto refuses a second one into the same group.
                replaced: properties! { "LogGroupName" => of("logs-two", "") },
                calls: ("CreateFlowLogs", "DeleteFlowLogs"),
            },
            Row {
                name: "group",
                type_name: "AWS::EC2::SecurityGroup",
                first: properties! {
                    "GroupName" => "changed", "GroupDescription" => "Who reaches it", "VpcId" => of("one", ""),
                    "SecurityGroupIngress" => list![port(5432, "Nodes"), port(5433, "More nodes")],
                    "SecurityGroupEgress" => list![port(443, "Out")],
                },
                changed: properties! {
                    "SecurityGroupIngress" => list![port(5433, "Pods"), port(5434, "Proxies")],
                    "SecurityGroupEgress" => list![port(53, "Names")],
                },
                replaced: properties! { "GroupDescription" => "Who else reaches it" },
                calls: ("CreateSecurityGroup", "DeleteSecurityGroup"),
            },
            Row {
                name: "template",
                type_name: "AWS::EC2::LaunchTemplate",
                first: properties! {
                    "LaunchTemplateName" => "changes-network-test-one", "LaunchTemplateData" => data(100),
                    "VersionDescription" => "one",
                },
                changed: properties! { "LaunchTemplateData" => data(200), "VersionDescription" => "two" },
                replaced: properties! { "LaunchTemplateName" => "changes-network-test-two" },
                calls: ("CreateLaunchTemplate", "DeleteLaunchTemplate"),
            },
        ]
    },
};

fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

const CLUSTER: Group = Group {
    stack: "changes-cluster",
    beside: || {
        let cluster = properties! {
            "Name" => "changes-cluster-test-beside", "Version" => "1.34", "RoleArn" => role("control-plane"),
            "ResourcesVpcConfig" => map! { "SubnetIds" => ["subnet-1", "subnet-2"] },
        };
        vec![("beside", "AWS::EKS::Cluster", cluster)]
    },
    rows: || {
        let logs = |types: &[&str]| {
            let types: Value = types.iter().map(|one| map! { "Type" => *one }).collect();
            map! { "ClusterLogging" => map! { "EnabledTypes" => types } }
        };
        let policy = |name: &str, scope: Value| {
            map! { "PolicyArn" => format!("arn:aws:eks::aws:cluster-access-policy/{name}"), "AccessScope" => scope }
        };
        let everywhere = || map! { "Type" => "cluster" };
        let within = |names: &[&str]| map! { "Type" => "namespace", "Namespaces" => names.to_vec() };
        let session = |action: &str| {
            let all = map! { "Effect" => "Allow", "Action" => action, "Resource" => "*" };
            map! { "Version" => "2012-10-17", "Statement" => list![all] }.to_json().to_string()
        };
        vec![
            Row {
                name: "cluster",
                type_name: "AWS::EKS::Cluster",
                first: properties! {
                    "Name" => "changes-cluster-test-it", "Version" => "1.32", "RoleArn" => role("control-plane"),
                    "AccessConfig" => map! {
                        "AuthenticationMode" => "CONFIG_MAP", "BootstrapClusterCreatorAdminPermissions" => false,
                    },
                    "ResourcesVpcConfig" => map! {
                        "SubnetIds" => ["subnet-1", "subnet-2"], "SecurityGroupIds" => ["sg-1"],
                        "EndpointPrivateAccess" => false, "EndpointPublicAccess" => true,
                        "PublicAccessCidrs" => ["0.0.0.0/0"],
                    },
                    "Logging" => logs(&["api", "audit"]),
                    "UpgradePolicy" => map! { "SupportType" => "STANDARD" },
                    "ZonalShiftConfig" => map! { "Enabled" => false },
                    "DeletionProtection" => true,
                },
                changed: properties! {
                    "Version" => "1.34",
                    "AccessConfig" => map! {
                        "AuthenticationMode" => "API", "BootstrapClusterCreatorAdminPermissions" => false,
                    },
                    "ResourcesVpcConfig" => map! {
                        "SubnetIds" => ["subnet-1", "subnet-3"], "SecurityGroupIds" => ["sg-1", "sg-2"],
                        "EndpointPrivateAccess" => true, "EndpointPublicAccess" => true,
                        "PublicAccessCidrs" => ["203.0.113.0/24"],
                    },
                    "Logging" => logs(&["audit", "scheduler"]),
                    "UpgradePolicy" => map! { "SupportType" => "EXTENDED" },
                    "ZonalShiftConfig" => map! { "Enabled" => true },
                    "DeletionProtection" => false,
                    "Force" => true,
                },
                replaced: properties! { "RoleArn" => role("another") },
                calls: ("POST /clusters", "DELETE /clusters/*"),
            },
            Row {
                name: "nodes",
                type_name: "AWS::EKS::Nodegroup",
                first: properties! {
                    "ClusterName" => of("beside", ""), "NodegroupName" => "nodes", "NodeRole" => role("nodes"),
                    "Subnets" => ["subnet-1", "subnet-2"], "AmiType" => "AL2023_x86_64_STANDARD",
                    "InstanceTypes" => ["m7g.large"], "Version" => "1.33", "ReleaseVersion" => "1.33.1-20260101",
                    "Labels" => map! { "landfall.dev/pool" => "nodes", "old" => "yes" },
                    "LaunchTemplate" => map! { "Id" => "lt-1", "Version" => "1" },
                    "ScalingConfig" => map! { "MinSize" => 0, "MaxSize" => 5, "DesiredSize" => 2 },
                    "Taints" => list![
                        map! { "Key" => "gpu", "Value" => "true", "Effect" => "NO_SCHEDULE" },
                        map! { "Key" => "old", "Value" => "yes", "Effect" => "NO_EXECUTE" },
                    ],
                    "UpdateConfig" => map! { "MaxUnavailable" => 1 },
                    "NodeRepairConfig" => map! { "Enabled" => false },
                },
                changed: properties! {
                    "Version" => "1.34", "ReleaseVersion" => "1.34.1-20260101",
                    "Labels" => map! { "landfall.dev/pool" => "nodes", "team" => "research" },
                    "LaunchTemplate" => map! { "Id" => "lt-1", "Version" => "2" },
                    "ScalingConfig" => map! { "MinSize" => 1, "MaxSize" => 3, "DesiredSize" => 2 },
                    "Taints" => list![map! { "Key" => "gpu", "Value" => "present", "Effect" => "NO_SCHEDULE" }],
                    "UpdateConfig" => map! { "MaxUnavailable" => 2 },
                    "NodeRepairConfig" => map! { "Enabled" => true },
                    "ForceUpdateEnabled" => true,
                },
                replaced: properties! { "InstanceTypes" => ["m7g.xlarge"] },
                calls: ("POST /clusters/node-groups", "DELETE /clusters/node-groups/*"),
            },
            Row {
                name: "addon",
                type_name: "AWS::EKS::Addon",
                first: properties! {
                    "ClusterName" => of("beside", ""), "AddonName" => "vpc-cni", "AddonVersion" => "v1.34.1-eksbuild.1",
                    "ConfigurationValues" => "{\"enableNetworkPolicy\":\"true\"}", "ResolveConflicts" => "NONE",
                },
                changed: properties! {
                    "AddonVersion" => "v1.34.2-eksbuild.1",
                    "ConfigurationValues" => "{\"enableNetworkPolicy\":\"false\"}",
                    "ResolveConflicts" => "OVERWRITE",
                    "ServiceAccountRoleArn" => role("cni"),
                    "PodIdentityAssociations" => list![map! { "ServiceAccount" => "aws-node", "RoleArn" => role("cni") }],
                },
                replaced: properties! { "AddonName" => "kube-proxy" },
                calls: ("POST /clusters/addons", "DELETE /clusters/addons/*"),
            },
            Row {
                name: "entry",
                type_name: "AWS::EKS::AccessEntry",
                first: properties! {
                    "ClusterName" => of("beside", ""), "PrincipalArn" => role("teams/platform"), "Type" => "STANDARD",
                    "AccessPolicies" => list![
                        policy("AmazonEKSClusterAdminPolicy", everywhere()),
                        policy("AmazonEKSEditPolicy", within(&["web"])),
                    ],
                },
                changed: properties! {
                    "AccessPolicies" => list![
                        policy("AmazonEKSViewPolicy", everywhere()),
                        policy("AmazonEKSEditPolicy", within(&["web", "jobs"])),
                    ],
                    "KubernetesGroups" => ["readers"],
                    "Username" => "platform",
                },
                replaced: properties! { "PrincipalArn" => role("teams/research") },
                calls: ("POST /clusters/access-entries", "DELETE /clusters/access-entries/*"),
            },
            Row {
                name: "identity",
                type_name: "AWS::EKS::PodIdentityAssociation",
                first: properties! {
                    "ClusterName" => of("beside", ""), "Namespace" => "web", "ServiceAccount" => "front",
                    "RoleArn" => role("front"), "DisableSessionTags" => false, "TargetRoleArn" => role("target"),
                },
                changed: properties! {
                    "RoleArn" => role("back"), "TargetRoleArn" => role("other"), "Policy" => session("s3:*"),
                    "DisableSessionTags" => true,
                },
                replaced: properties! { "ServiceAccount" => "back" },
                calls: ("POST /clusters/pod-identity-associations", "DELETE /clusters/pod-identity-associations/*"),
            },
        ]
    },
};

const IDENTITY: Group = Group {
    stack: "changes-identity",
    beside: || {
        let key = |name: &str| properties! { "Description" => name, "KeyPolicy" => key_policy("Root") };
        vec![
            ("key-one", "AWS::KMS::Key", key("one")),
            ("key-two", "AWS::KMS::Key", key("two")),
            ("bucket-one", "AWS::S3::Bucket", properties! { "BucketName" => "changes-identity-test-one" }),
            ("bucket-two", "AWS::S3::Bucket", properties! { "BucketName" => "changes-identity-test-two" }),
        ]
    },
    rows: || {
        let trust = |service: &str| {
            map! {
                "Version" => "2012-10-17",
                "Statement" => list![map! {
                    "Effect" => "Allow", "Principal" => map! { "Service" => service }, "Action" => "sts:AssumeRole",
                }],
            }
        };
        let inline = |name: &str, action: &str| map! { "PolicyName" => name, "PolicyDocument" => document(action) };
        let managed = |name: &str| format!("arn:aws:iam::aws:policy/{name}");
        let over_tls = |bucket: &str, condition: &str| {
            map! {
                "Version" => "2012-10-17",
                "Statement" => list![map! {
                    "Sid" => "OnlyOverTls", "Effect" => "Deny", "Principal" => "*", "Action" => "s3:*",
                    "Resource" => list![format!("arn:aws:s3:::{bucket}")],
                    "Condition" => map! { "Bool" => map! { condition => "false" } },
                }],
            }
        };
        vec![
            Row {
                name: "role",
                type_name: "AWS::IAM::Role",
                first: properties! {
                    "RoleName" => "changes-identity-test-role", "Description" => "Lets nodes join", "Path" => "/one/",
                    "AssumeRolePolicyDocument" => trust("ec2.amazonaws.com"), "MaxSessionDuration" => 7_200,
                    "ManagedPolicyArns" => [managed("AmazonEKSWorkerNodePolicy"), managed("AmazonEKS_CNI_Policy")],
                    "PermissionsBoundary" => managed("PowerUserAccess"),
                    "Policies" => list![inline("read", "s3:GetObject"), inline("write", "s3:PutObject")],
                },
                changed: properties! {
                    "Description" => "Lets nodes join and pull images",
                    "AssumeRolePolicyDocument" => trust("eks.amazonaws.com"), "MaxSessionDuration" => 3_600,
                    "ManagedPolicyArns" => [managed("AmazonEKSWorkerNodePolicy")],
                    "PermissionsBoundary" => managed("ReadOnlyAccess"),
                    "Policies" => list![inline("write", "s3:DeleteObject"), inline("list", "s3:ListBucket")],
                },
                replaced: properties! { "Path" => "/two/" },
                calls: ("CreateRole", "DeleteRole"),
            },
            Row {
                name: "key",
                type_name: "AWS::KMS::Key",
                first: properties! {
                    "Description" => "volumes", "EnableKeyRotation" => true, "RotationPeriodInDays" => 180,
                    "Enabled" => true, "PendingWindowInDays" => 30, "KeyPolicy" => key_policy("Root"),
                    "BypassPolicyLockoutSafetyCheck" => false,
                },
                changed: properties! {
                    "Description" => "volumes of the cluster", "EnableKeyRotation" => false,
                    "RotationPeriodInDays" => 365, "Enabled" => false, "PendingWindowInDays" => 7,
                    "KeyPolicy" => key_policy("Administrators"), "BypassPolicyLockoutSafetyCheck" => true,
                },
                replaced: properties! { "MultiRegion" => true },
                calls: ("CreateKey", "ScheduleKeyDeletion"),
            },
            Row {
                name: "alias",
                type_name: "AWS::KMS::Alias",
                first: properties! { "AliasName" => "alias/changes-identity-test-one", "TargetKeyId" => of("key-one", "") },
                changed: properties! { "TargetKeyId" => of("key-two", "") },
                replaced: properties! { "AliasName" => "alias/changes-identity-test-two" },
                calls: ("CreateAlias", "DeleteAlias"),
            },
            Row {
                name: "logs",
                type_name: "AWS::Logs::LogGroup",
                first: properties! {
                    "LogGroupName" => "/changes-identity-test/one", "RetentionInDays" => 30,
                    "KmsKeyId" => of("key-one", "Arn"),
                },
                changed: properties! { "RetentionInDays" => 90 },
                // Its class replaces it as well, which moto does not show.
                replaced: properties! { "LogGroupName" => "/changes-identity-test/two" },
                calls: ("CreateLogGroup", "DeleteLogGroup"),
            },
            Row {
                name: "secret",
                type_name: "AWS::SecretsManager::Secret",
                first: properties! {
                    "Name" => "changes-identity-test/one", "Description" => "Password of the cache",
                    "KmsKeyId" => of("key-one", "Arn"),
                    "GenerateSecretString" => map! { "PasswordLength" => 48, "ExcludePunctuation" => true },
                },
                changed: properties! {
                    "Description" => "Password of another cache", "KmsKeyId" => of("key-two", "Arn"),
                    "GenerateSecretString" => map! { "PasswordLength" => 20, "ExcludePunctuation" => true },
                },
                replaced: properties! { "Name" => "changes-identity-test/two" },
                calls: ("CreateSecret", "DeleteSecret"),
            },
            Row {
                name: "bucket",
                type_name: "AWS::S3::Bucket",
                first: properties! {
                    "BucketName" => "changes-identity-test-three",
                    "PublicAccessBlockConfiguration" => map! {
                        "BlockPublicAcls" => true, "BlockPublicPolicy" => true,
                        "IgnorePublicAcls" => true, "RestrictPublicBuckets" => true,
                    },
                    "OwnershipControls" => map! { "Rules" => list![map! { "ObjectOwnership" => "BucketOwnerEnforced" }] },
                    "BucketEncryption" => encrypted("aws:kms"),
                    "VersioningConfiguration" => map! { "Status" => "Enabled" },
                    "LifecycleConfiguration" => map! { "Rules" => list![map! {
                        "Id" => "old", "Status" => "Enabled",
                        "NoncurrentVersionExpiration" => map! { "NoncurrentDays" => 30 },
                    }] },
                    "LoggingConfiguration" => map! {
                        "DestinationBucketName" => of("bucket-one", ""), "LogFilePrefix" => "one/",
                    },
                },
                changed: properties! {
                    "PublicAccessBlockConfiguration" => map! { "BlockPublicAcls" => true, "BlockPublicPolicy" => false },
                    "OwnershipControls" => map! { "Rules" => list![map! { "ObjectOwnership" => "BucketOwnerPreferred" }] },
                    "BucketEncryption" => encrypted("AES256"),
                    "VersioningConfiguration" => map! { "Status" => "Suspended" },
                    "LifecycleConfiguration" => map! { "Rules" => list![map! {
                        "Id" => "logs", "Status" => "Enabled", "Prefix" => "logs/", "ExpirationInDays" => 30,
                    }] },
                    "CorsConfiguration" => map! { "CorsRules" => list![map! {
                        "AllowedMethods" => ["GET", "PUT"], "AllowedOrigins" => ["https://example.com"],
                        "AllowedHeaders" => ["*"], "MaxAge" => 3000,
                    }] },
                    "LoggingConfiguration" => map! {
                        "DestinationBucketName" => of("bucket-two", ""), "LogFilePrefix" => "two/",
                    },
                },
                replaced: properties! { "BucketName" => "changes-identity-test-four" },
                calls: ("PUT /", "DELETE /"),
            },
            Row {
                name: "bucket-policy",
                type_name: "AWS::S3::BucketPolicy",
                first: properties! {
                    "Bucket" => of("bucket-one", ""),
                    "PolicyDocument" => over_tls("changes-identity-test-one", "aws:SecureTransport"),
                },
                changed: properties! {
                    "PolicyDocument" => over_tls("changes-identity-test-one", "aws:ViaAWSService"),
                },
                replaced: properties! { "Bucket" => of("bucket-two", "") },
                calls: ("PUT /policy", "DELETE /policy"),
            },
        ]
    },
};

fn document(action: &str) -> Value {
    let all = map! { "Effect" => "Allow", "Action" => action, "Resource" => "arn:aws:s3:::a+b/100%/*" };
    map! { "Version" => "2012-10-17", "Statement" => list![all] }
}

fn key_policy(sid: &str) -> Value {
    map! {
        "Version" => "2012-10-17",
        "Statement" => list![map! {
            "Sid" => sid, "Effect" => "Allow", "Principal" => map! { "AWS" => "arn:aws:iam::123456789012:root" },
            "Action" => "kms:*", "Resource" => "*",
        }],
    }
}

fn encrypted(by: &str) -> Value {
    map! {
        "ServerSideEncryptionConfiguration" => list![map! {
            "ServerSideEncryptionByDefault" => map! { "SSEAlgorithm" => by },
        }],
    }
}

const DATA: Group = Group {
    stack: "changes-data",
    beside: || {
        let subnet = |range: &str, zone: &str| {
            properties! { "VpcId" => of("vpc", ""), "CidrBlock" => range, "AvailabilityZone" => zone }
        };
        let group = |name: &str| {
            properties! { "GroupName" => name, "GroupDescription" => "Who reaches it", "VpcId" => of("vpc", "") }
        };
        let parameters = |name: &str| {
            properties! {
                "DBParameterGroupName" => name, "Description" => "Parameters", "Family" => "postgres17",
            }
        };
        let trust = map! {
            "Version" => "2012-10-17",
            "Statement" => list![map! {
                "Effect" => "Allow", "Principal" => map! { "Service" => "ec2.amazonaws.com" }, "Action" => "sts:AssumeRole",
            }],
        };
        let role = properties! { "RoleName" => "changes-data-test-beside", "AssumeRolePolicyDocument" => trust };
        vec![
            ("vpc", "AWS::EC2::VPC", properties! { "CidrBlock" => "10.0.0.0/16" }),
            ("a", "AWS::EC2::Subnet", subnet("10.0.0.0/24", "eu-west-1a")),
            ("b", "AWS::EC2::Subnet", subnet("10.0.1.0/24", "eu-west-1b")),
            ("c", "AWS::EC2::Subnet", subnet("10.0.2.0/24", "eu-west-1c")),
            ("group-one", "AWS::EC2::SecurityGroup", group("one")),
            ("group-two", "AWS::EC2::SecurityGroup", group("two")),
            ("role-beside", "AWS::IAM::Role", role),
            ("key", "AWS::KMS::Key", properties! { "Description" => "data", "KeyPolicy" => key_policy("Root") }),
            ("key-two", "AWS::KMS::Key", properties! { "Description" => "more", "KeyPolicy" => key_policy("Root") }),
            (
                "subnets",
                "AWS::RDS::DBSubnetGroup",
                properties! {
                    "DBSubnetGroupName" => "changes-data-test-beside", "DBSubnetGroupDescription" => "Data subnets",
                    "SubnetIds" => list![of("a", ""), of("b", "")],
                },
            ),
            ("parameters-one", "AWS::RDS::DBParameterGroup", parameters("changes-data-test-one")),
            ("parameters-two", "AWS::RDS::DBParameterGroup", parameters("changes-data-test-two")),
        ]
    },
    rows: || {
        let monitored = |days: i64| {
            map! { "log_min_duration_statement" => days, "log_statement" => "ddl" }
        };
        vec![
            Row {
                name: "rule-in",
                type_name: "AWS::EC2::SecurityGroupIngress",
                first: properties! {
                    "GroupId" => of("group-one", ""), "IpProtocol" => "tcp", "FromPort" => 443, "ToPort" => 443,
                    "CidrIp" => "10.0.0.0/16", "Description" => "Nodes",
                },
                changed: properties! { "Description" => "Pods" },
                replaced: properties! { "CidrIp" => "10.1.0.0/16" },
                calls: ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"),
            },
            Row {
                name: "rule-out",
                type_name: "AWS::EC2::SecurityGroupEgress",
                first: properties! {
                    "GroupId" => of("group-one", ""), "IpProtocol" => "tcp", "FromPort" => 443, "ToPort" => 443,
                    "CidrIp" => "10.0.0.0/16", "Description" => "Nodes",
                },
                changed: properties! { "Description" => "Pods" },
                replaced: properties! { "ToPort" => 444 },
                calls: ("AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress"),
            },
            Row {
                name: "role-policy",
                type_name: "AWS::IAM::RolePolicy",
                first: properties! {
                    "RoleName" => of("role-beside", ""), "PolicyName" => "one", "PolicyDocument" => document("s3:GetObject"),
                },
                changed: properties! { "PolicyDocument" => document("s3:PutObject") },
                replaced: properties! { "PolicyName" => "two" },
                calls: ("PutRolePolicy", "DeleteRolePolicy"),
            },
            Row {
                name: "server",
                type_name: "AWS::RDS::DBInstance",
                first: properties! {
                    "DBInstanceIdentifier" => "changes-data-test-server", "Engine" => "postgres",
                    "EngineVersion" => "17.4", "AutoMinorVersionUpgrade" => true, "AllowMajorVersionUpgrade" => false,
                    "DBInstanceClass" => "db.m7g.large", "MultiAZ" => true, "StorageType" => "io1", "Iops" => 1000,
                    "AllocatedStorage" => "50", "MaxAllocatedStorage" => 500, "StorageEncrypted" => true,
                    "KmsKeyId" => of("key", "Arn"), "MasterUsername" => "administrator",
                    "ManageMasterUserPassword" => true, "MasterUserSecret" => map! { "KmsKeyId" => of("key", "Arn") },
                    "EnableIAMDatabaseAuthentication" => true, "PubliclyAccessible" => false,
                    "DBSubnetGroupName" => of("subnets", ""), "DBParameterGroupName" => of("parameters-one", ""),
                    "VPCSecurityGroups" => list![of("group-one", "")],
                    "BackupRetentionPeriod" => 14, "CopyTagsToSnapshot" => true,
                    "PreferredBackupWindow" => "01:00-02:00", "PreferredMaintenanceWindow" => "sun:03:00-sun:04:00",
                    "DeletionProtection" => true, "EnableCloudwatchLogsExports" => ["postgresql", "upgrade"],
                    "DatabaseInsightsMode" => "standard", "EnablePerformanceInsights" => false, "Port" => "5432",
                    "CACertificateIdentifier" => "rds-ca-rsa2048-g1", "LicenseModel" => "postgresql-license",
                    "MonitoringInterval" => 0,
                },
                changed: properties! {
                    "EngineVersion" => "17.5", "AutoMinorVersionUpgrade" => false, "AllowMajorVersionUpgrade" => true,
                    "DBInstanceClass" => "db.m7g.xlarge", "MultiAZ" => false, "AllocatedStorage" => "60",
                    "MaxAllocatedStorage" => 600, "EnableIAMDatabaseAuthentication" => false,
                    "DBParameterGroupName" => of("parameters-two", ""),
                    "VPCSecurityGroups" => list![of("group-two", "")],
                    "BackupRetentionPeriod" => 7, "CopyTagsToSnapshot" => false,
                    "PreferredBackupWindow" => "02:00-03:00", "PreferredMaintenanceWindow" => "mon:04:00-mon:05:00",
                    "DeletionProtection" => false, "EnableCloudwatchLogsExports" => ["postgresql"],
                    "DatabaseInsightsMode" => "advanced", "EnablePerformanceInsights" => true,
                    "PerformanceInsightsRetentionPeriod" => 465, "PubliclyAccessible" => true,
                    "CACertificateIdentifier" => "rds-ca-ecc384-g1", "LicenseModel" => "general-public-license",
                    "MonitoringInterval" => 60, "MonitoringRoleArn" => of("role-beside", "Arn"),
                    "StorageType" => "io2", "Iops" => 3000, "MasterUserSecret" => map! { "KmsKeyId" => of("key-two", "Arn") },
                },
                // Under the same name moto gives it the same resource id, and so another last snapshot of the same name.
                replaced: properties! {
                    "MasterUsername" => "keeper", "DBInstanceIdentifier" => "changes-data-test-other",
                },
                calls: ("CreateDBInstance", "DeleteDBInstance"),
            },
            Row {
                name: "server-subnets",
                type_name: "AWS::RDS::DBSubnetGroup",
                first: properties! {
                    "DBSubnetGroupName" => "alone-changes-data-test-one", "DBSubnetGroupDescription" => "Data subnets",
                    "SubnetIds" => list![of("a", ""), of("b", "")],
                },
                changed: properties! {
                    "DBSubnetGroupDescription" => "Other subnets", "SubnetIds" => list![of("b", ""), of("c", "")],
                },
                replaced: properties! { "DBSubnetGroupName" => "alone-changes-data-test-two" },
                calls: ("CreateDBSubnetGroup", "DeleteDBSubnetGroup"),
            },
            Row {
                name: "server-parameters",
                type_name: "AWS::RDS::DBParameterGroup",
                first: properties! {
                    "DBParameterGroupName" => "alone-changes-data-test-one", "Description" => "Parameters",
                    "Family" => "postgres17", "Parameters" => monitored(100),
                },
                changed: properties! { "Parameters" => map! { "log_min_duration_statement" => 200 } },
                replaced: properties! { "Family" => "postgres18" },
                calls: ("CreateDBParameterGroup", "DeleteDBParameterGroup"),
            },
            Row {
                name: "cache",
                type_name: "AWS::ElastiCache::ReplicationGroup",
                first: properties! {
                    "ReplicationGroupId" => "changes-data-test-cache", "ReplicationGroupDescription" => "one",
                    "Engine" => "valkey", "EngineVersion" => "8.1", "CacheNodeType" => "cache.t4g.medium",
                    "NumCacheClusters" => 3, "AutomaticFailoverEnabled" => true, "MultiAZEnabled" => true,
                    "AtRestEncryptionEnabled" => true, "TransitEncryptionEnabled" => true,
                    "SnapshotRetentionLimit" => 1, "SnapshotWindow" => "01:00-02:00",
                },
                changed: properties! {
                    "ReplicationGroupDescription" => "two", "CacheNodeType" => "cache.m7g.large", "NumCacheClusters" => 1,
                    "AutomaticFailoverEnabled" => false, "MultiAZEnabled" => false,
                    "SnapshotRetentionLimit" => 3, "SnapshotWindow" => "02:00-03:00",
                },
                replaced: properties! { "PreferredCacheClusterAZs" => ["eu-west-1a"] },
                calls: ("CreateReplicationGroup", "DeleteReplicationGroup"),
            },
            Row {
                name: "cache-subnets",
                type_name: "AWS::ElastiCache::SubnetGroup",
                first: properties! {
                    "CacheSubnetGroupName" => "changes-data-test-one", "Description" => "Data subnets",
                    "SubnetIds" => list![of("a", ""), of("b", "")],
                },
                changed: properties! {
                    "Description" => "Other subnets", "SubnetIds" => list![of("b", ""), of("c", "")],
                },
                replaced: properties! { "CacheSubnetGroupName" => "changes-data-test-two" },
                calls: ("CreateCacheSubnetGroup", "DeleteCacheSubnetGroup"),
            },
            Row {
                name: "cache-parameters",
                type_name: "AWS::ElastiCache::ParameterGroup",
                first: properties! {
                    "CacheParameterGroupFamily" => "valkey8", "Description" => "Parameters of a cache",
                    "Properties" => map! { "maxmemory-policy" => "allkeys-lru", "timeout" => "60" },
                },
                changed: properties! { "Properties" => map! { "maxmemory-policy" => "noeviction" } },
                replaced: properties! { "CacheParameterGroupFamily" => "valkey7" },
                calls: ("CreateCacheParameterGroup", "DeleteCacheParameterGroup"),
            },
        ]
    },
};
