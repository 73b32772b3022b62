//! A ledger that is lost is written anew from what the cloud says, and nothing in the cloud is changed by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{World, codes, consented, inferloop, small};
use landfall::Code;
use landfall::plan::{Change, Style};
use landfall::prelude::*;
use landfall::sim::Moment;

/// The same cloud, and a ledger without an entry.
fn amnesiac(world: &World) -> World {
    World { cloud: world.cloud.clone(), ledger: Ledger::memory() }
}

#[tokio::test]
async fn a_lost_ledger_is_rebuilt_and_the_next_plan_is_empty() {
    let world = World::new(1);
    let outputs = world.inferloop("first").converge().await.unwrap();
    let (content, mutations) = (world.content(), world.cloud.mutations());

    let lost = amnesiac(&world);
    let platform = lost.inferloop("second");
    let error = platform.converge().await.unwrap_err();
    assert_eq!(codes(&error), [Code::LostLedger]);
    assert!(error.to_string().contains("rebuild"), "{error}");

    let rebuilt = platform.rebuild().await.unwrap();
    assert_eq!(rebuilt.taken.len(), content.len(), "{rebuilt}");
    assert!(rebuilt.undeclared.is_empty() && rebuilt.absent.is_empty() && rebuilt.unfinished.is_empty(), "{rebuilt}");
    let plan = platform.plan().await.unwrap();
    assert!(plan.is_empty(), "{}", plan.details(Style::Plain));
    assert_eq!(platform.converge().await.unwrap(), outputs);
    assert_eq!(world.cloud.mutations(), mutations, "nothing was changed");
    assert_eq!(world.content(), content);
    lost.check_census(&platform).await;

    // What holds data is as protected as before.
    let destroy = platform.plan_destroy().await.unwrap();
    let before = world.inferloop("first again").plan_destroy().await.unwrap();
    let needed = |plan: &landfall::plan::Plan| {
        plan.consents_needed().into_iter().map(|one| (one.address, one.id)).collect::<Vec<_>>()
    };
    assert_eq!(needed(&destroy), needed(&before));
    platform.destroy(consented(destroy)).await.unwrap();
    assert!(world.cloud.objects().is_empty());
}

#[tokio::test]
async fn a_ledger_that_says_anything_is_not_rebuilt() {
    let world = World::new(2);
    let platform = world.place(small(), "first");
    platform.converge().await.unwrap();
    let before = world.ledger.clone();
    let error = platform.rebuild().await.unwrap_err();
    assert_eq!(error.code(), Code::LedgerInUse, "{error}");
    assert!(world.place(small(), "second").plan().await.unwrap().is_empty());
    drop(before);
}

#[tokio::test]
async fn what_is_not_declared_any_more_is_kept_and_protected() {
    let world = World::new(3);
    let mut more = inferloop();
    more.native("archive", "AWS::Logs::LogGroup", landfall::properties! { "LogGroupName" => "/inferloop/archive" });
    world.place(more, "first").converge().await.unwrap();
    let mutations = world.cloud.mutations();

    let platform = amnesiac(&world).inferloop("second");
    let rebuilt = platform.rebuild().await.unwrap();
    assert!(rebuilt.undeclared.iter().any(|address| address.name() == "archive"), "{rebuilt}");
    let error = platform.converge().await.unwrap_err();
    assert!(codes(&error).iter().all(|code| *code == Code::Protected), "{error}");
    assert_eq!(world.cloud.mutations(), mutations);
    let plan = platform.plan().await.unwrap();
    assert!(plan.steps.iter().all(|step| step.change == Change::Delete || step.change == Change::Update));
    platform.apply(consented(plan)).await.unwrap();
    assert!(world.content().keys().all(|address| !address.contains("archive")));
    assert!(platform.plan().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_changed_by_others_shows_in_the_next_plan() {
    let world = World::new(4);
    let mut before = small();
    before.tag("Owner", "blue");
    world.place(before, "first").converge().await.unwrap();
    let mut after = small();
    after.tag("Owner", "green");
    let platform = amnesiac(&world).place(after, "second");
    platform.rebuild().await.unwrap();
    let plan = platform.plan().await.unwrap();
    assert!(
        !plan.is_empty() && plan.steps.iter().all(|step| step.change == Change::Update),
        "{}",
        plan.details(Style::Plain)
    );
    platform.converge().await.unwrap();
    assert!(platform.plan().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_half_done_apply_is_rebuilt_and_finished_without_a_second_object() {
    let clean = World::new(5);
    clean.place(small(), "clean").converge().await.unwrap();
    let (count, calls) = (clean.cloud.objects().len(), clean.cloud.calls());
    let mut unfinished = 0;
    for call in (3..calls).step_by(5) {
        for moment in [Moment::Acted, Moment::Replied] {
            let world = World::new(5);
            world.cloud.crash_at(call, moment);
            world.converge_or_die(world.place(small(), "doomed")).await;
            world.cloud.restart();
            let mutations = world.cloud.mutations();
            let lost = amnesiac(&world);
            let platform = lost.place(small(), "heir");
            let rebuilt =
                platform.rebuild().await.unwrap_or_else(|error| panic!("killed at {call}, {moment:?}: {error:?}"));
            unfinished += rebuilt.unfinished.len();
            assert_eq!(world.cloud.mutations(), mutations, "killed at {call}, {moment:?}");
            platform.converge().await.unwrap_or_else(|error| panic!("killed at {call}, {moment:?}: {error:?}"));
            assert_eq!(world.content().len(), count, "killed at {call}, {moment:?}");
            let residue = platform.residue().await.unwrap();
            assert!(residue.objects.iter().all(|object| object.state.is_none()), "killed at {call}: {residue}");
            lost.check_census(&platform).await;
        }
    }
    assert!(unfinished > 0, "some were killed while the cloud was at work");
}

#[tokio::test]
async fn a_moved_platform_is_rebuilt_under_its_new_names() {
    let world = World::new(6);
    world.place(small(), "before").converge().await.unwrap();
    let renamed = || {
        let mut platform = Platform::builder("small", "dev", Aws::new("eu-west-1"));
        platform.network("backbone", NetworkSpec::new("10.30.0.0/16".parse().unwrap()).zones(2).nat(Nat::One));
        platform.bucket("models", BucketSpec::new());
        platform.moved("network/core", "network/backbone").moved("bucket/files", "bucket/models");
        platform
    };
    // The move was not made when the ledger was lost: it is made with the rebuilt one.
    let mutations = world.cloud.mutations();
    let platform = amnesiac(&world).place(renamed(), "after");
    platform.rebuild().await.unwrap();
    assert_eq!(world.cloud.mutations(), mutations);
    let plan = platform.plan().await.unwrap();
    assert!(plan.steps.iter().all(|step| step.change == Change::Update), "{}", plan.details(Style::Plain));
    platform.converge().await.unwrap();
    assert!(platform.plan().await.unwrap().is_empty());

    // Once it was made nothing tells of the old names but the names in the cloud.
    let content = world.content();
    let again = amnesiac(&world).place(renamed(), "again");
    again.rebuild().await.unwrap();
    let plan = again.plan().await.unwrap();
    assert!(plan.is_empty(), "{}", plan.details(Style::Plain));

    // A stack that was made under the new names has them, whatever moves are declared.
    let fresh = World::new(7);
    fresh.place(renamed(), "fresh").converge().await.unwrap();
    let rebuilt = amnesiac(&fresh).place(renamed(), "rebuilt");
    rebuilt.rebuild().await.unwrap();
    assert!(rebuilt.plan().await.unwrap().is_empty());
    assert_eq!(world.content(), content);
}

#[tokio::test]
async fn a_renamed_example_is_rebuilt_with_what_lives_in_its_cluster() {
    let world = World::new(8);
    let declare = |cluster: &str, renamed: bool, extra: bool| {
        let mut platform = Platform::builder("cells", "dev", Aws::new("eu-west-1"));
        platform.today(landfall::units::Date::new(2026, 11, 23));
        let network = platform.network("core", NetworkSpec::new("10.20.0.0/16".parse().unwrap()));
        let spec = ClusterSpec::new(&network, "1.35").administrators(["arn:aws:iam::123456789012:role/platform"]);
        let reference = platform.cluster(cluster, spec);
        let pool = NodePoolSpec::new(&reference).at_least(4, GiB(16)).nodes(Range::new(3, 10).unwrap());
        platform.node_pool("general", pool);
        for service in if extra { &["chat", "extra"][..] } else { &["chat"] } {
            platform.service(service, ServiceSpec::new(&reference, "registry.inferloop.io/chat:1.4.0"));
        }
        if renamed {
            platform.moved("cluster/main", "cluster/prime");
        }
        platform
    };
    world.place(declare("main", false, true), "before").converge().await.unwrap();
    world.place(declare("prime", true, true), "after").converge().await.unwrap();
    let mutations = world.cloud.mutations();

    let whole = amnesiac(&world).place(declare("prime", true, true), "whole");
    whole.rebuild().await.unwrap();
    assert!(whole.plan().await.unwrap().is_empty(), "{}", whole.plan().await.unwrap().details(Style::Plain));

    // One service is not declared any more: it is found in the cluster all the same, and goes.
    let without = amnesiac(&world).place(declare("prime", true, false), "without");
    let rebuilt = without.rebuild().await.unwrap();
    assert!(rebuilt.undeclared.iter().any(|address| address.name() == "extra"), "{rebuilt}");
    assert_eq!(world.cloud.mutations(), mutations);
    let plan = without.plan().await.unwrap();
    without.apply(consented(plan)).await.unwrap();
    assert!(world.content().keys().all(|address| !address.contains("/extra/")));
    assert!(without.plan().await.unwrap().is_empty());
}

#[tokio::test]
async fn two_objects_with_the_same_marks_are_for_people_to_tell_apart() {
    let world = World::new(7);
    world.place(small(), "first").converge().await.unwrap();
    let subnet = world.cloud.objects().into_iter().find(|object| object.type_name == "AWS::EC2::VPC").unwrap();
    world.cloud.add_foreign("AWS::EC2::VPC", subnet.properties).unwrap();
    landfall::clock::drive(world.cloud.clock(), world.cloud.clock().sleep(Duration::from_secs(300))).await;
    let platform = amnesiac(&world).place(small(), "second");
    let error = platform.rebuild().await.unwrap_err();
    assert_eq!(codes(&error), [Code::Unresolved], "{error}");
    assert!(platform.engine().state().await.unwrap().is_empty(), "nothing was written");
}
