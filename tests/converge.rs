//! The main job: planned, applied, left alone, taken down.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{World, consented, differences, inferloop};
use landfall::clock::drive;
use landfall::ledger::{AcquireOptions, Acquired};
use landfall::prelude::*;

#[tokio::test]
async fn the_second_converge_calls_no_cloud_and_reads_the_ledger_twice_at_most() {
    let world = World::new(1);
    let first = world.inferloop("first").converge().await.unwrap();

    let (calls, mutations, reads) = (world.cloud.calls(), world.cloud.mutations(), world.ledger.reads());
    let second = world.inferloop("second").converge().await.unwrap();
    assert_eq!(world.cloud.mutations() - mutations, 0);
    assert!(world.ledger.reads() - reads <= 2);
    assert_eq!(world.cloud.calls() - calls, world.ledger.reads() - reads, "only the ledger is read");
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_lease_that_is_shorter_than_a_call_leaves_room_for_calls() {
    let world = World::new(21);
    let mut builder = inferloop();
    builder.time_to_live(Duration::from_secs(6));
    let platform = world.place(builder, "first");
    let options = &platform.engine().setup().options;
    assert!(options.call_timeout * 3 <= options.time_to_live, "{options:?}");
    platform.converge().await.unwrap();
}

#[tokio::test]
async fn a_plan_after_an_apply_is_empty() {
    let world = World::new(2);
    let platform = world.inferloop("first");
    platform.converge().await.unwrap();
    let plan = platform.plan().await.unwrap();
    assert!(plan.is_empty(), "{}", plan.details(landfall::plan::Style::Plain));
    assert!(plan.drift.is_empty());
}

#[tokio::test]
async fn a_reviewed_plan_is_applied_once_and_refused_when_the_world_moved() {
    let world = World::new(3);
    let platform = world.inferloop("first");
    let (plan, stale) = (platform.plan().await.unwrap(), platform.plan().await.unwrap());
    assert_eq!(plan.hash(), stale.hash(), "the same input gives the same plan");
    platform.apply(plan).await.unwrap();
    let error = platform.apply(stale).await.unwrap_err();
    assert_eq!(error.code(), landfall::Code::StalePlan, "{error}");
}

#[tokio::test]
async fn outputs_are_typed_and_hold_no_secret() {
    let world = World::new(4);
    let mut builder = inferloop();
    let network = Ref::named("core");
    let reporting = builder.database("reporting", DatabaseSpec::postgres(&network, "17"));
    let platform = world.place(builder, "first");
    let outputs = platform.converge().await.unwrap();
    let connection = outputs.database(&reporting).unwrap().url().unwrap();
    assert!(connection.url.host_str().unwrap().ends_with(".rds.amazonaws.com"), "{connection:?}");
    assert_eq!(connection.url.password(), None);
    assert!(connection.password.id.starts_with("arn:aws:secretsmanager:eu-west-1:"), "{connection:?}");
    assert_eq!(outputs, platform.outputs().await.unwrap());
}

#[tokio::test]
async fn a_destroy_leaves_nothing() {
    let world = World::new(5);
    let platform = world.inferloop("first");
    platform.converge().await.unwrap();
    let plan = consented(platform.plan_destroy().await.unwrap());
    platform.destroy(plan).await.unwrap();
    assert!(world.cloud.objects().is_empty(), "{:?}", world.content().keys());
    assert!(platform.engine().state().await.unwrap().is_empty());
}

#[tokio::test]
async fn eight_replicas_that_start_together_provision_once() {
    let world = World::new(6);
    let clean = World::new(6);
    clean.inferloop("alone").converge().await.unwrap();
    let replicas: Vec<_> = (0..8).map(|replica| world.inferloop(&format!("replica-{replica}"))).collect();
    let all = futures_util::future::join_all(replicas.iter().map(Platform::converge)).await;
    let first = all[0].as_ref().unwrap();
    assert!(all.iter().all(|outputs| outputs.as_ref().unwrap() == first));
    assert_eq!(differences(&world.content(), &clean.content()), [""; 0]);
}

/// Whoever looked a moment too early finds the lease free and all work done. Giving it back must leave a ledger that says so.
#[tokio::test]
async fn a_lease_that_was_taken_for_nothing_holds_nobody_up() {
    let world = World::new(9);
    let platform = world.inferloop("first");
    let outputs = platform.converge().await.unwrap();
    let setup = platform.engine().setup();
    let taken_for_nothing = async {
        let options = AcquireOptions::new("second", setup.target.clone());
        match world.ledger.acquire(&setup.stack, &options).await.unwrap() {
            Acquired::Session(mut session) => session.release(Vec::new()).await.unwrap(),
            Acquired::Held(watch) => panic!("{:?} has the lease", watch.holder()),
        }
    };
    drive(setup.clock.clone(), taken_for_nothing).await;
    let (start, writes) = (setup.clock.now(), world.ledger.writes());
    for number in 0..12 {
        assert_eq!(world.inferloop(&format!("replica-{number}")).converge().await.unwrap(), outputs);
    }
    assert!(setup.clock.now() - start < Duration::from_secs(5), "{:?}", setup.clock.now() - start);
    assert_eq!(world.ledger.writes() - writes, 0, "nobody took the lease for nothing again");
}

#[tokio::test]
async fn drift_is_shown_and_mended() {
    let world = World::new(7);
    let platform = world.inferloop("first");
    platform.converge().await.unwrap();
    let vpc = world.cloud.objects().into_iter().find(|object| object.type_name == "AWS::EC2::VPC").unwrap();
    world.cloud.edit(&vpc.id, "EnableDnsHostnames", false).unwrap();
    let plan = platform.plan().await.unwrap();
    assert_eq!(plan.drift.len(), 1, "{:?}", plan.drift);
    assert_eq!(plan.steps.len(), 1);
    platform.apply(plan).await.unwrap();
    assert!(platform.plan().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_empty_ledger_over_a_full_cloud_is_refused() {
    let world = World::new(8);
    world.inferloop("first").converge().await.unwrap();
    let amnesiac = World { cloud: world.cloud.clone(), ledger: Ledger::memory() };
    let mutations = world.cloud.mutations();
    let error = amnesiac.inferloop("second").converge().await.unwrap_err();
    assert_eq!(error.code(), landfall::Code::LostLedger, "{error}");
    assert_eq!(world.cloud.mutations(), mutations);
}

#[tokio::test]
async fn a_stack_is_neither_planned_nor_changed_in_another_account() {
    let world = World::new(1);
    world.place(common::small(), "first").converge().await.unwrap();
    let calls = world.cloud.calls();
    let elsewhere = || {
        let mut builder = common::small();
        let target = landfall::driver::Target { account: "999999999999".to_owned(), ..world.cloud.target().clone() };
        builder.live(world.cloud.drivers(), target).ledger(world.ledger.clone());
        // Something is to be done, so that the ledger's head alone does not answer.
        builder.bucket("more", BucketSpec::new());
        builder.build().unwrap()
    };
    assert_eq!(elsewhere().plan().await.unwrap_err().code(), landfall::Code::WrongTarget);
    assert_eq!(elsewhere().plan_destroy().await.unwrap_err().code(), landfall::Code::WrongTarget);
    assert_eq!(elsewhere().converge().await.unwrap_err().code(), landfall::Code::WrongTarget);
    let cloud = world.cloud.log().into_iter().filter(|call| !call.name.starts_with("ledger"));
    assert_eq!(cloud.skip_while(|call| call.number <= calls).count(), 0, "no call to the cloud");
}
