//! The holder of the lease stands still at each of its calls for ten minutes, somebody takes over, and it wakes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{MOMENTS, World, small};
use futures_util::future::join;
use landfall::Code;
use landfall::prelude::*;
use landfall::properties;
use landfall::resource::{Address, Verb};
use landfall::sim::{Fault, FaultKind, Moment, On, SimCloud};
use landfall::units::Date;

const PAUSE: Duration = Duration::from_secs(600);

/// A bucket with its key: the key has only tags, the others have names.
fn bucket(host: &SimCloud, holder: &str) -> Platform {
    let mut platform = Platform::builder("sleeper", "dev", Aws::new("eu-west-1"));
    platform.today(Date::new(2026, 11, 23)).bucket("files", BucketSpec::new());
    platform.simulate(host).ledger(host.ledger()).holder(holder);
    platform.build().unwrap()
}

/// Converges on both hosts; the first one is the first to ask for the lease.
async fn together(
    sleeper: &SimCloud,
    slept: &Platform,
    other: &SimCloud,
    waiter: &Platform,
) -> (Option<Converged>, Option<Converged>) {
    let after = async |host: &SimCloud, platform: &Platform, wait: u64| {
        host.clock().sleep(Duration::from_millis(wait)).await;
        platform.converge().await
    };
    join(sleeper.run(after(sleeper, slept, 1)), other.run(after(other, waiter, 1_000))).await
}

type Converged = landfall::Result<Outputs>;

/// How many calls the holder makes when nothing disturbs it.
async fn calls() -> u64 {
    let world = World::new(1);
    let host = world.cloud.host("sleeper");
    host.run(bucket(&host, "sleeper").converge()).await.unwrap().unwrap();
    host.calls()
}

async fn sleeps_at(call: u64, moment: Moment) {
    let world = World::new(1);
    let (sleeper, other) = (world.cloud.host("sleeper"), world.cloud.host("other"));
    sleeper.pause_at(call, moment, PAUSE);
    let (slept, waiter) = (bucket(&sleeper, "sleeper"), bucket(&other, "other"));
    let (one, two) = together(&sleeper, &slept, &other, &waiter).await;
    let at = format!("call {call}, {moment:?}");
    let one = one.unwrap().unwrap_or_else(|error| panic!("{at}: the sleeper: {error:?}"));
    let two = two.unwrap().unwrap_or_else(|error| panic!("{at}: the waiter: {error:?}"));
    assert_eq!(one, two, "{at}: both have the same outputs");

    let asleep = world.cloud.log().iter().find(|made| &*made.host == "sleeper" && made.number == call).map(|it| it.at);
    let woken = asleep.unwrap() + PAUSE;
    let late: Vec<_> = world
        .cloud
        .log()
        .into_iter()
        .filter(|made| &*made.host == "sleeper" && made.at >= woken)
        .filter(|made| made.name == "create" || made.name == "update")
        .collect();
    assert_eq!(late, [], "{at}: mutations after it woke");
    let history = sleeper
        .run(sleeper.ledger().history(&landfall::resource::StackId::new("sleeper", "dev"), None, 1_000))
        .await
        .unwrap()
        .unwrap();
    let epochs: Vec<_> = history.iter().rev().map(|entry| entry.epoch).collect();
    assert!(epochs.is_sorted(), "{at}: a commit under an old lease: {epochs:?}");
    world.content();
    let last = world.cloud.host("last");
    last.run(async { world.check_census(&bucket(&last, "last")).await }).await.unwrap();
}

#[tokio::test]
async fn whoever_sleeps_at_a_call_commits_and_starts_nothing_when_it_wakes() {
    let calls = calls().await;
    assert!(calls > 12, "{calls}");
    for call in 1..=calls {
        for moment in MOMENTS {
            sleeps_at(call, moment).await;
        }
    }
}

/// A sleeper wakes to make a key for the second time; whoever then removes the surplus dies at that, if that is said.
async fn makes_a_second_key(dies: Option<(&str, u64)>) -> World {
    let probe = World::new(1).cloud.host("probe");
    probe.run(bucket(&probe, "probe").converge()).await.unwrap().unwrap();
    let create = probe.log().into_iter().find(|call| call.name == "create").unwrap();
    assert_eq!(create.type_name.as_deref(), Some("AWS::KMS::Key"));

    let world = World::new(1);
    let (sleeper, other) = (world.cloud.host("sleeper"), world.cloud.host("other"));
    // Its request is on its lips while the other one takes over and makes a key of its own.
    sleeper.pause_at(create.number, Moment::Before, PAUSE);
    if let Some((name, call)) = dies {
        [&sleeper, &other][usize::from(name == "other")].crash_at(call, Moment::Before);
    }
    let (slept, waiter) = (bucket(&sleeper, "sleeper"), bucket(&other, "other"));
    let (one, two) = together(&sleeper, &slept, &other, &waiter).await;
    if dies.is_none() {
        assert_eq!(one.unwrap().unwrap(), two.unwrap().unwrap());
    }
    let log = world.cloud.log();
    let creates = log.iter().filter(|call| call.name == "create" && call.type_name == create.type_name);
    assert_eq!(creates.count(), 2, "both made a key");
    world
}

fn keys(world: &World) -> usize {
    world.cloud.objects().iter().filter(|object| object.type_name == "AWS::KMS::Key").count()
}

#[tokio::test]
async fn what_a_sleeper_made_a_second_time_is_removed_by_itself() {
    let world = makes_a_second_key(None).await;
    assert_eq!(keys(&world), 1, "the one that nothing refers to is gone");
    let delete = world.cloud.log().into_iter().find(|call| call.name == "delete").unwrap();

    let world = makes_a_second_key(Some((&delete.host, delete.number))).await;
    assert_eq!(keys(&world), 2, "it died before its delete was sent");
    let next = world.cloud.host("next");
    next.run(bucket(&next, "next").converge()).await.unwrap().unwrap();
    assert_eq!(keys(&world), 1, "the delete that was begun needs no consent either");
}

#[tokio::test]
async fn a_delete_that_a_sleeper_sends_when_it_wakes_is_mended_by_itself() {
    let policy: Address = "aws/bucket/files/policy".parse().unwrap();
    // The policy fails; the next run deletes it and makes it anew.
    let failed = async || {
        let world = World::new(1);
        let message = "it did not stabilise".to_owned();
        let fault = FaultKind::ProvisioningFailed { message };
        world.cloud.fail(Fault::new(On::Address(policy.clone(), Verb::Create), fault));
        let first = world.cloud.host("first");
        first.run(bucket(&first, "first").converge()).await.unwrap().unwrap_err();
        world
    };
    let world = failed().await;
    let probe = world.cloud.host("sleeper");
    probe.run(bucket(&probe, "sleeper").converge()).await.unwrap().unwrap();
    let mine = |call: &&landfall::sim::Call| &*call.host == "sleeper" && call.name == "delete";
    let delete = world.cloud.log().iter().find(mine).unwrap().number;

    let world = failed().await;
    let (sleeper, other) = (world.cloud.host("sleeper"), world.cloud.host("other"));
    sleeper.pause_at(delete, Moment::Before, PAUSE);
    let slow = FaultKind::Delayed(Duration::from_secs(8));
    world.cloud.fail(Fault::new(On::Address(policy.clone(), Verb::Delete), slow));
    let (slept, waiter) = (bucket(&sleeper, "sleeper"), bucket(&other, "other"));
    let (one, two) = together(&sleeper, &slept, &other, &waiter).await;
    assert_eq!(one.unwrap().unwrap(), two.unwrap().unwrap());
    let deletes = world.cloud.log().iter().filter(|call| call.name == "delete").count();
    assert_eq!(deletes, 2, "each deleted the one that failed");
    other.run(other.clock().sleep(PAUSE)).await.unwrap();
    let last = world.cloud.host("last");
    last.run(async { world.check_census(&bucket(&last, "last")).await }).await.unwrap();
    assert!(last.run(bucket(&last, "last").plan()).await.unwrap().unwrap().is_empty());
    assert!(world.content().contains_key("aws/bucket/files/policy"));
}

#[tokio::test]
async fn what_a_sleeper_made_for_nobody_is_found_by_the_next_run() {
    let logs = |host: &SimCloud, holder: &str| {
        let mut platform = Platform::builder("sleeper", "dev", Aws::new("eu-west-1"));
        platform.native("logs", "AWS::Logs::LogGroup", properties! { "LogGroupName" => "/sleeper" });
        platform.simulate(host).ledger(host.ledger()).holder(holder);
        platform.build().unwrap()
    };
    let probe = World::new(1).cloud.host("probe");
    probe.run(bucket(&probe, "probe").converge()).await.unwrap().unwrap();
    let create = probe.log().into_iter().find(|call| call.name == "create").unwrap();

    let world = World::new(1);
    let (sleeper, other) = (world.cloud.host("sleeper"), world.cloud.host("other"));
    // It wakes to send its request and then dies, long after the other one found nothing and forgot what nobody wants.
    sleeper.pause_at(create.number, Moment::Before, PAUSE);
    sleeper.crash_at(create.number + 1, Moment::Before);
    let (slept, waiter) = (bucket(&sleeper, "sleeper"), logs(&other, "other"));
    let (one, two) = together(&sleeper, &slept, &other, &waiter).await;
    assert!(one.is_none(), "it died");
    two.unwrap().unwrap();
    other.run(other.clock().sleep(PAUSE)).await.unwrap();
    let types = || world.cloud.objects().iter().map(|object| object.type_name.to_string()).collect::<Vec<_>>();
    assert_eq!(types(), ["AWS::Logs::LogGroup", "AWS::KMS::Key"]);

    let next = world.cloud.host("next");
    let error = next.run(logs(&next, "next").converge()).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Protected, "a key is deleted with consent alone: {error}");
}

/// Converges on a host of its own with a create whose answer is lost. Gives the calls that looked for the object.
async fn looks(world: &World, asleep_at: Option<u64>) -> Vec<u64> {
    let subnet: Address = "aws/network/core/subnet-data-a".parse().unwrap();
    let lost = FaultKind::OutcomeUnknown { acted: true };
    world.cloud.fail(Fault::new(On::Address(subnet.clone(), Verb::Create), lost));
    let host = world.cloud.host("alone");
    if let Some(call) = asleep_at {
        host.pause_at(call, Moment::Acted, PAUSE);
    }
    let mut platform = small();
    platform.simulate(&host).ledger(host.ledger()).holder("alone");
    host.run(platform.build().unwrap().converge()).await.unwrap().unwrap();
    let log = world.cloud.log();
    let looks = log.iter().filter(|call| call.name == "observe" && call.address.as_ref() == Some(&subnet));
    looks.map(|call| call.number).collect()
}

#[tokio::test]
async fn an_answer_is_as_old_as_its_question() {
    let mut tried = 0;
    for seed in 1..=4 {
        for look in looks(&World::new(seed), None).await {
            // It sleeps between the cloud's answer, that there is nothing yet, and what follows from it.
            looks(&World::new(seed), Some(look)).await;
            tried += 1;
        }
    }
    assert!(tried > 8, "some looks come too early: {tried}");
}
