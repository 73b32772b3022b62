//! Changes that EKS makes one at a time and tells of by their ids: versions of clusters, nodes and add-ons. Neither server has
//! them, so that the proxy answers in their place, as `updates.rs` says.

use std::time::Duration;

use landfall::apply::Engine;
use landfall::prelude::*;
use landfall::resource::{Address, Properties, Reference, Value};
use landfall::units::Date;
use landfall::{Code, map, properties};

use crate::proxy::Proxy;
use crate::updates::End;
use crate::world::{World, at_once, is_whole};

/// What is declared otherwise from one time to the next.
#[derive(Clone, Copy)]
struct Wanted {
    version: &'static str,
    nodes: &'static str,
    /// Of the add-on that is told its version.
    proxy: &'static str,
    /// Of the add-on that is not.
    configuration: &'static str,
    logs: bool,
}

const FIRST: Wanted = Wanted {
    version: "1.31",
    nodes: "1.31",
    proxy: "v1.31.1-eksbuild.1",
    configuration: "{\"enableNetworkPolicy\":\"false\"}",
    logs: false,
};

fn of(name: &str, attribute: &str) -> Value {
    let target = Address::new("aws", "native", name, "resource").unwrap();
    Value::Reference(Reference { target, attribute: attribute.to_owned() })
}

/// A cluster alone, or with nodes and add-ons.
fn declare(stack: &'static str, wanted: Wanted, whole: bool) -> impl Fn() -> PlatformBuilder {
    move || {
        let mut platform = Platform::builder(stack, "test", Aws::new("eu-west-1"));
        platform.today(Date::new(2026, 11, 23)).time_to_live(Duration::from_secs(6));
        let role = "arn:aws:iam::123456789012:role/upgrades";
        let types: &[&str] = if wanted.logs { &["api", "audit"] } else { &["api"] };
        let types: Value = types.iter().map(|one| map! { "Type" => *one }).collect();
        let cluster = properties! {
            "Name" => stack, "Version" => wanted.version, "RoleArn" => role,
            "ResourcesVpcConfig" => map! { "SubnetIds" => ["subnet-1", "subnet-2"] },
            "Logging" => map! { "ClusterLogging" => map! { "EnabledTypes" => types } },
        };
        platform.native("cluster", "AWS::EKS::Cluster", cluster);
        if whole {
            let within = |more: Properties| {
                let mut all = properties! { "ClusterName" => of("cluster", "") };
                all.extend(more);
                all
            };
            let nodes = properties! {
                "NodegroupName" => "nodes", "NodeRole" => role, "Subnets" => ["subnet-1", "subnet-2"],
                "Version" => wanted.nodes,
            };
            platform.native("nodes", "AWS::EKS::Nodegroup", within(nodes));
            let addon = properties! { "AddonName" => "kube-proxy", "AddonVersion" => wanted.proxy };
            platform.native("proxy", "AWS::EKS::Addon", within(addon));
            let addon = properties! { "AddonName" => "vpc-cni", "ConfigurationValues" => wanted.configuration };
            platform.native("cni", "AWS::EKS::Addon", within(addon));
        }
        platform
    }
}

/// A process of its own, as good as: a connection of its own, and a name.
async fn engine(world: &World, holder: &str, declare: impl Fn() -> PlatformBuilder) -> Engine {
    let declare = || {
        let mut platform = declare();
        platform.holder(holder);
        platform
    };
    let connection = world.connection().await;
    let ledger = Ledger::folder(world.folder().join("ledger")).unwrap();
    let platform = crate::world::place(declare, connection, ledger, holder);
    let setup = platform.engine().setup();
    at_once(setup, &setup.drivers)
}

/// The properties of an object as the cloud shows them.
async fn seen(engine: &Engine, name: &str) -> Properties {
    let census = engine.census().await.unwrap();
    let address = Address::new("aws", "native", name, "resource").unwrap();
    let found = census.into_iter().find(|found| found.marks.address == address);
    found.unwrap().observed.properties
}

fn accepted(proxy: &Proxy) -> Vec<String> {
    proxy.updates().accepted()
}

#[tokio::test]
async fn versions_go_up_one_by_one_and_nodes_and_add_ons_follow() {
    let Some(world) = World::new() else { return };
    let first = engine(&world, "one", declare("upgraded", FIRST, true)).await;
    first.converge().await.unwrap();
    is_whole(&first).await;
    assert_eq!(seen(&first, "cni").await["AddonVersion"], "v1.31.1-eksbuild.1".into(), "the default one");

    world.proxy.updates().take(2);
    let wanted = Wanted { version: "1.33", nodes: "1.33", ..FIRST };
    let second = engine(&world, "one", declare("upgraded", wanted, true)).await;
    second.converge().await.unwrap();
    is_whole(&second).await;
    let cluster = "/clusters/upgraded";
    let expected = [
        format!("{cluster} VersionUpdate 1.32"),
        format!("{cluster} VersionUpdate 1.33"),
        format!("{cluster}/node-groups/nodes VersionUpdate 1.33"),
    ];
    assert_eq!(accepted(&world.proxy), expected);
    assert_eq!(seen(&second, "cluster").await["Version"], "1.33".into());

    // An add-on that is told a version gets it, and one that is not keeps its own until that does not fit any more.
    let wanted = Wanted { proxy: "v1.33.2-eksbuild.1", configuration: "{\"enableNetworkPolicy\":\"true\"}", ..wanted };
    let third = engine(&world, "one", declare("upgraded", wanted, true)).await;
    third.converge().await.unwrap();
    is_whole(&third).await;
    let mut after = accepted(&world.proxy).split_off(expected.len());
    after.sort();
    let addon = |name: &str, version: &str| format!("{cluster}/addons/{name} AddonUpdate {version}");
    assert_eq!(after, [addon("kube-proxy", "v1.33.2-eksbuild.1"), addon("vpc-cni", "v1.33.1-eksbuild.1")]);
    assert_eq!(seen(&third, "cni").await["AddonVersion"], "v1.33.1-eksbuild.1".into());

    // A version that does not go with the cluster's is refused, and so is one further than the cluster's.
    for wanted in [Wanted { proxy: "v1.30.1-eksbuild.1", ..wanted }, Wanted { nodes: "1.34", ..wanted }] {
        let refused = engine(&world, "one", declare("upgraded", wanted, true)).await.converge().await.unwrap_err();
        assert_eq!(refused.cloud_answer().unwrap().code, "InvalidParameterException", "{refused}");
    }
}

#[tokio::test]
async fn an_upgrade_that_fails_is_told_in_the_words_of_eks_and_the_next_goes_on() {
    let Some(world) = World::new() else { return };
    let first = engine(&world, "one", declare("failing", FIRST, false)).await;
    first.converge().await.unwrap();
    let message = "Failed to create 2 network interfaces: not enough free addresses in the subnet";
    world.proxy.updates().take(2);
    world.proxy.updates().end(End::Failed("InsufficientFreeAddresses", message, "subnet-0a1b2c"));
    let wanted = declare("failing", Wanted { version: "1.32", ..FIRST }, false);
    let second = engine(&world, "one", wanted).await;
    let error = second.converge().await.unwrap_err();
    assert_eq!(error.code(), Code::ProvisioningFailed);
    let told = format!("VersionUpdate failed: Version 1.32: InsufficientFreeAddresses: {message} (subnet-0a1b2c)");
    assert!(error.message().contains(&told), "{error}");
    assert_eq!(error.address().unwrap().to_string(), "aws/native/cluster/resource");
    assert_eq!(seen(&second, "cluster").await["Version"], "1.31".into());

    second.converge().await.unwrap();
    is_whole(&second).await;
    let version = "/clusters/failing VersionUpdate 1.32";
    assert_eq!(accepted(&world.proxy), [version, version]);
}

/// Starts what is wanted in one process, which dies as soon as EKS has accepted it, and goes on in another one.
async fn taken_over(world: &World, wanted: impl Fn() -> PlatformBuilder) -> Engine {
    let doomed = engine(world, "doomed", &wanted).await;
    let (accepts, accepted) = tokio::sync::oneshot::channel();
    world.proxy.updates().then(|| accepts.send(()).unwrap());
    tokio::select! {
        _ = doomed.converge() => panic!("it dies on the way"),
        begun = accepted => begun.unwrap(),
    }
    let heir = engine(world, "heir", &wanted).await;
    heir.converge().await.unwrap();
    is_whole(&heir).await;
    heir
}

#[tokio::test]
async fn an_upgrade_under_way_is_waited_for_by_whoever_comes_after_a_crash() {
    let Some(world) = World::new() else { return };
    engine(&world, "first", declare("crashed", FIRST, false)).await.converge().await.unwrap();
    world.proxy.updates().take(4);
    let heir = taken_over(&world, declare("crashed", Wanted { version: "1.33", ..FIRST }, false)).await;
    let version = |version: &str| format!("/clusters/crashed VersionUpdate {version}");
    assert_eq!(accepted(&world.proxy), [version("1.32"), version("1.33")], "each once");
    assert_eq!(seen(&heir, "cluster").await["Version"], "1.33".into());

    // While EKS changes a configuration it says `ACTIVE`, and refuses another change.
    let wanted = Wanted { version: "1.33", logs: true, ..FIRST };
    taken_over(&world, declare("crashed", wanted, false)).await;
    assert_eq!(accepted(&world.proxy).split_off(2), ["/clusters/crashed LoggingUpdate"], "once");
}

#[tokio::test]
async fn a_change_that_is_made_and_never_shown_says_which_it_is() {
    let Some(world) = World::new() else { return };
    engine(&world, "one", declare("unshown", FIRST, false)).await.converge().await.unwrap();
    world.proxy.updates().end(End::Unshown);
    let wanted = engine(&world, "one", declare("unshown", Wanted { logs: true, ..FIRST }, false)).await;
    let error = wanted.converge().await.unwrap_err();
    assert_eq!(error.code(), Code::ProvisioningFailed);
    let told = "EKS says that it has made a change, and does not show it: Logging";
    assert!(error.message().contains(told), "{error}");
    assert_eq!(accepted(&world.proxy), ["/clusters/unshown LoggingUpdate"], "it is not asked for again and again");
    wanted.converge().await.unwrap();
    is_whole(&wanted).await;
}
