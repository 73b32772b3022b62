//! What goes wrong during an apply: it stops what it must, says so, and the next converge continues.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{Content, World, codes, differences, small};
use futures_util::future::{Either, join, select};
use landfall::Code;
use landfall::apply::Urgency;
use landfall::clock::drive;
use landfall::plan::Plan;
use landfall::prelude::*;
use landfall::properties;
use landfall::resource::{Address, Properties, Value, Verb};
use landfall::sim::{Chaos, Fault, FaultKind, Moment, On};

const NAT: &str = "aws/network/core/nat-a";
const BUCKET: &str = "aws/bucket/files/bucket";
const ALIAS: &str = "aws/bucket/files/key-alias";
/// One address of each class of identity: found by name, by token, by what it consists of, by its tags.
const CLASSES: [&str; 4] = [BUCKET, NAT, "aws/network/core/subnet-public-a", "aws/network/core/vpc"];
/// Moments of an apply that takes some minutes: in the first calls, between them, and in a long wait.
const MOMENTS: [u64; 8] = [20, 150, 400, 900, 2_500, 8_000, 60_000, 100_000];

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn creating(text: &str) -> On {
    On::Address(address(text), Verb::Create)
}

/// How often the create of an address was sent.
fn creates(world: &World, text: &str) -> usize {
    let address = Some(address(text));
    world.cloud.log().iter().filter(|call| call.name == "create" && call.address == address).count()
}

/// The next process continues and ends with what an undisturbed run leaves: one object of each address.
async fn finish(world: &World) {
    let heir = world.place(small(), "heir");
    heir.converge().await.unwrap();
    assert_eq!(addresses(world), wanted());
    world.check_census(&heir).await;
}

/// The addresses of all objects; of each there is one.
fn addresses(world: &World) -> BTreeSet<String> {
    world.content().into_keys().collect()
}

fn wanted() -> BTreeSet<String> {
    let graph = World::new(1).place(small(), "reader");
    graph.graph().iter().map(|resource| resource.address.to_string()).collect()
}

/// Converges, and asks so many times to stop after these milliseconds. Gives the result, the mutating calls that were
/// sent by then, and how long it went on.
async fn cancelled(world: &World, times: u8, after: u64) -> (Result<Outputs>, u64, Duration) {
    let platform = world.place(small(), "doomed");
    let clock = world.cloud.clock();
    let converging = async { (platform.converge().await, clock.now()) };
    let asking = async {
        clock.sleep(Duration::from_millis(after)).await;
        (0..times).for_each(|_| platform.cancel().ask());
        (world.cloud.mutations(), clock.now())
    };
    let ((result, ended), (sent, asked)) = drive(clock.clone(), join(converging, asking)).await;
    (result, sent, ended.saturating_sub(asked))
}

#[tokio::test]
async fn asked_once_it_starts_nothing_more_and_waits_for_answers() {
    for moment in MOMENTS {
        let world = World::new(1);
        let (result, sent, took) = cancelled(&world, 1, moment).await;
        assert_eq!(result.unwrap_err().code(), Code::Cancelled, "at {moment} ms");
        assert_eq!(world.cloud.mutations(), sent, "at {moment} ms: nothing is started");
        assert!(took < Duration::from_secs(11), "at {moment} ms: it waits for answers alone, not {took:?}");
        let state = world.place(small(), "reader").engine().state().await.unwrap();
        assert_eq!(state.lease.holder, None, "at {moment} ms: the lease is given back");
        finish(&world).await;
    }
}

#[tokio::test]
async fn asked_twice_it_returns_at_once() {
    for moment in MOMENTS {
        let world = World::new(2);
        let (result, sent, took) = cancelled(&world, 2, moment).await;
        assert_eq!(result.unwrap_err().code(), Code::Cancelled, "at {moment} ms");
        assert_eq!((world.cloud.mutations(), took), (sent, Duration::ZERO), "at {moment} ms");
        finish(&world).await;
    }
}

#[tokio::test]
async fn a_cancelled_run_says_what_is_under_way_and_what_was_not_started() {
    let world = World::new(3);
    let platform = world.place(small(), "doomed");
    platform.cancel().ask();
    assert_eq!(platform.cancel().asked(), Some(Urgency::StartNothing));
    let (result, ..) = cancelled(&world, 1, 60_000).await;
    let error = result.unwrap_err();
    let details = error.details().unwrap();
    assert!(details.contains(&format!("still under way in the cloud: {NAT}")), "{details}");
    assert!(details.contains("not started: aws/network/core/route-private-a-internet"), "{details}");
    assert!(error.next_step().is_some());
}

#[tokio::test]
async fn a_dropped_future_leaves_what_the_next_run_continues_from() {
    for moment in MOMENTS {
        let world = World::new(4);
        let platform = world.place(small(), "doomed");
        let clock = world.cloud.clock();
        drive(clock.clone(), async {
            let wait = clock.sleep(Duration::from_millis(moment));
            match select(std::pin::pin!(platform.converge()), wait).await {
                Either::Left(_) => panic!("it ends before {moment} ms"),
                Either::Right(_) => {}
            }
        })
        .await;
        finish(&world).await;
    }
}

#[tokio::test]
async fn a_failure_stops_what_stands_on_it_and_nothing_else() {
    let world = World::new(5);
    world.cloud.fail(Fault::new(creating(NAT), FaultKind::PermissionDenied));
    let platform = world.place(small(), "first");
    let error = platform.converge().await.unwrap_err();
    assert_eq!((error.code(), error.address()), (Code::PermissionDenied, Some(&address(NAT))));
    assert_eq!(creates(&world, NAT), 1, "what can never work is not repeated");

    let details = error.details().unwrap();
    let skipped: Vec<_> = details.lines().filter_map(|line| line.strip_prefix("skipped, because ")).collect();
    let all = wanted();
    let dependants: Vec<_> = all.iter().filter(|address| address.contains("/route-private-")).collect();
    let names: Vec<_> = dependants.iter().map(|address| address.as_str()).collect();
    assert_eq!(skipped, [format!("{NAT} failed: {}", names.join(", "))], "{details}");
    let others = all.iter().filter(|address| *address != NAT && !dependants.contains(address));
    assert_eq!(addresses(&world), others.cloned().collect(), "everything else is there");
    finish(&world).await;
}

#[tokio::test]
async fn several_failures_are_reported_together() {
    let world = World::new(6);
    world.cloud.fail(Fault::new(creating(NAT), FaultKind::PermissionDenied));
    let failed = FaultKind::ProvisioningFailed { message: "out of luck".to_owned() };
    world.cloud.fail(Fault::new(creating("aws/network/core/endpoint-s3"), failed));
    let error = world.place(small(), "first").converge().await.unwrap_err();
    assert_eq!(error.code(), Code::ApplyFailed, "{error}");
    let mut all = codes(&error);
    all.sort();
    assert_eq!(all, [Code::PermissionDenied, Code::ProvisioningFailed]);
    assert!(error.problems().iter().all(|problem| problem.address().is_some() && problem.origin().is_some()));
    finish(&world).await;
}

#[tokio::test]
async fn passing_refusals_are_survived() {
    let kinds = [
        FaultKind::Throttled { retry_after: None },
        FaultKind::Throttled { retry_after: Some(Duration::from_secs(7)) },
        FaultKind::Unavailable,
    ];
    for kind in kinds {
        for (verb, times) in [(Verb::Create, 30), (Verb::Read, 6)] {
            let world = World::new(7);
            world.cloud.fail(Fault::new(On::Verb(verb), kind.clone()).times(times));
            finish(&world).await;
        }
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_object() {
    for lost in CLASSES {
        for acted in [true, false] {
            for times in [1, 3] {
                let world = World::new(8);
                world.cloud.fail(Fault::new(creating(lost), FaultKind::OutcomeUnknown { acted }).times(times));
                finish(&world).await;
                let sent = creates(&world, lost);
                assert!(acted || sent > 1, "{lost}, {times} lost answers: what did not act is repeated");
            }
        }
    }
}

#[tokio::test]
async fn each_lost_answer_is_waited_for() {
    let key = "aws/bucket/files/key";
    for seed in 1..=8 {
        let world = World::new(seed);
        for acted in [false, true] {
            world.cloud.fail(Fault::new(creating(key), FaultKind::OutcomeUnknown { acted }));
        }
        finish(&world).await;
        assert_eq!(creates(&world, key), 2, "seed {seed}: the first did not act, and the second did");
    }
}

/// A world in which an index of tags does not know new objects for long, and the first create of a network is not answered.
fn hidden(seed: u64) -> World {
    let world = World::new(seed);
    world.cloud.set_chaos(Chaos { index_lag: Duration::from_secs(119), ..Chaos::NONE });
    world.cloud.fail(Fault::new(creating(CLASSES[3]), FaultKind::OutcomeUnknown { acted: true }));
    world
}

/// A network, and nothing that takes so long that an index of tags knows all by then.
fn quick() -> PlatformBuilder {
    let mut platform = Platform::builder("small", "dev", Aws::new("eu-west-1"));
    platform.network("core", NetworkSpec::new("10.30.0.0/16".parse().unwrap()).zones(2).nat(Nat::None));
    platform
}

#[tokio::test]
async fn what_an_index_of_tags_hides_for_long_is_counted_before_it_is_relied_on() {
    for seed in 1..=8 {
        let world = hidden(seed);
        let platform = world.place(quick(), "first");
        platform.converge().await.unwrap();
        world.content();
        world.check_census(&platform).await;
    }
}

#[tokio::test]
async fn whoever_dies_before_that_count_leaves_it_to_the_next() {
    let clean = hidden(1);
    clean.place(quick(), "first").converge().await.unwrap();
    let mut deaths = 0;
    for call in 1..=clean.cloud.calls() {
        let world = hidden(1);
        world.cloud.crash_at(call, Moment::Replied);
        deaths += u32::from(world.converge_or_die(world.place(quick(), "first")).await);
        world.cloud.restart();
        let heir = world.place(quick(), "heir");
        heir.converge().await.unwrap();
        world.content();
        world.check_census(&heir).await;
    }
    assert!(deaths > 50, "{deaths}");
}

/// What is in the cloud, without what was only said to be absent: that a property is false and that there is none is the same.
fn shown(world: &World) -> Content {
    let mut content = world.content();
    for (_, _, properties) in content.values_mut() {
        properties.retain(|_, value| *value != Value::Bool(false));
    }
    content
}

#[tokio::test]
async fn what_takes_several_calls_is_made_whole() {
    let clean = World::new(8);
    clean.place(small(), "first").converge().await.unwrap();
    let every = || Fault::new(On::Verb(Verb::Create), FaultKind::Unfinished).times(100);
    let world = World::new(8);
    world.cloud.fail(every());
    finish(&world).await;
    assert_eq!(differences(&shown(&world), &shown(&clean)), [""; 0]);
    let (calls, more) = (world.cloud.calls(), world.cloud.mutations() - clean.cloud.mutations());
    assert!(more >= 5, "some took two calls: {more}");
    // Whoever dies between the calls leaves an object that lacks something, and the next one sets it.
    for call in 1..=calls {
        let world = World::new(8);
        world.cloud.fail(every());
        world.cloud.crash_at(call, Moment::Replied);
        if world.converge_or_die(world.place(small(), "first")).await {
            world.cloud.restart();
            finish(&world).await;
        }
        assert_eq!(differences(&shown(&world), &shown(&clean)), [""; 0], "killed at call {call}");
    }
}

#[tokio::test]
async fn a_quota_is_named_and_the_next_run_continues_once_it_is_raised() {
    let world = World::new(9);
    world.cloud.set_quota("L-FE5A380F", 0);
    let error = world.place(small(), "first").converge().await.unwrap_err();
    assert_eq!((error.code(), error.address()), (Code::Quota, Some(&address(NAT))));
    assert!(error.next_step().is_some() && error.origin().is_some(), "{error}");
    assert_eq!(creates(&world, NAT), 1);
    world.cloud.set_quota("L-FE5A380F", 5);
    finish(&world).await;
}

#[tokio::test]
async fn what_is_slow_is_not_failed_and_the_next_run_waits_for_it() {
    let world = World::new(10);
    world.cloud.fail(Fault::new(creating(NAT), FaultKind::Slow(12)));
    let platform = world.place(small(), "first");
    let error = platform.converge().await.unwrap_err();
    assert_eq!((error.code(), error.address()), (Code::DeadlineExceeded, Some(&address(NAT))));
    assert_eq!(error.remains(), landfall::Remains::Something);
    let plan = platform.plan().await.unwrap();
    assert!(plan.operations.iter().all(|operation| operation.verb != Verb::Delete), "no time-out plans a delete");
    finish(&world).await;
    assert_eq!(creates(&world, NAT), 1);
}

#[tokio::test]
async fn what_somebody_else_made_under_the_same_name_is_left_alone() {
    let made = World::new(11);
    made.place(small(), "elsewhere").converge().await.unwrap();
    let (of, _, properties) = &made.content()[BUCKET];
    let mut foreign = properties.clone();
    foreign.remove("Tags");

    let world = World::new(11);
    let platform = world.place(small(), "first");
    let plan = platform.plan().await.unwrap();
    let id = world.cloud.add_foreign(of, foreign.clone()).unwrap();
    let before = world.cloud.objects();
    // It came after the plan.
    let error = platform.apply(plan).await.unwrap_err();
    assert_eq!((error.code(), error.address()), (Code::ForeignResource, Some(&address(BUCKET))), "{error}");
    // It was there before.
    let error = platform.converge().await.unwrap_err();
    assert_eq!((error.code(), error.address()), (Code::ForeignResource, Some(&address(BUCKET))), "{error}");
    let now = world.cloud.objects().into_iter().find(|object| object.id == id).unwrap();
    assert_eq!(now.properties, before[0].properties);
    world.cloud.remove(&id).unwrap();
    finish(&world).await;
}

#[tokio::test]
async fn what_failed_and_could_not_be_deleted_is_not_forgotten() {
    let world = World::new(11);
    let part = "aws/network/core/subnet-data-a";
    let message = "it did not stabilise".to_owned();
    world.cloud.fail(Fault::new(creating(part), FaultKind::ProvisioningFailed { message }));
    let error = world.place(small(), "first").converge().await.unwrap_err();
    assert_eq!((error.code(), error.address()), (Code::ProvisioningFailed, Some(&address(part))), "{error}");
    world.cloud.fail(Fault::new(On::Address(address(part), Verb::Delete), FaultKind::PermissionDenied));
    let error = world.place(small(), "second").converge().await.unwrap_err();
    assert_eq!((error.code(), error.address()), (Code::PermissionDenied, Some(&address(part))), "{error}");
    finish(&world).await;
}

#[tokio::test]
async fn what_failed_and_is_seen_late_is_made_anew_all_the_same() {
    // It is made last, so that the next run looks for it at once.
    let route = wanted().into_iter().find(|address| address.contains("/route-private-")).unwrap();
    for seed in 1..=8 {
        let world = World::new(seed);
        let message = "it did not stabilise".to_owned();
        world.cloud.fail(Fault::new(creating(&route), FaultKind::ProvisioningFailed { message }));
        let error = world.place(small(), "first").converge().await.unwrap_err();
        assert_eq!((error.code(), error.address()), (Code::ProvisioningFailed, Some(&address(&route))), "{error}");
        finish(&world).await;
    }
}

#[tokio::test]
async fn what_fails_while_the_next_run_waits_for_it_is_made_anew() {
    let twin = World::new(11);
    twin.place(small(), "twin").converge().await.unwrap();
    let nat = Some(address(NAT));
    let create = twin.cloud.log().into_iter().find(|call| call.name == "create" && call.address == nat).unwrap();

    let world = World::new(11);
    let message = "it did not stabilise".to_owned();
    world.cloud.fail(Fault::new(creating(NAT), FaultKind::ProvisioningFailed { message }));
    world.cloud.crash_at(create.number, Moment::Acted);
    assert!(world.converge_or_die(world.place(small(), "doomed")).await);
    world.cloud.restart();
    finish(&world).await;
    assert_eq!(creates(&world, NAT), 2);
}

/// A log group is replaced; it is deleted first, since the new one has the same name. The answer to the first delete is lost,
/// and the cloud acts on it much later.
#[tokio::test]
async fn a_late_delete_does_not_hit_what_is_made_under_the_same_name() {
    let group = "aws/native/logs/resource";
    let declared = |class: &str| {
        let mut platform = Platform::builder("late", "dev", Aws::new("eu-west-1"));
        let properties = properties! { "LogGroupName" => "/small", "LogGroupClass" => class };
        platform.native("logs", "AWS::Logs::LogGroup", properties);
        platform
    };
    for seed in 1..=8 {
        let world = World::new(seed);
        world.place(declared("STANDARD"), "first").converge().await.unwrap();
        let late = FaultKind::Delayed(Duration::from_secs(15));
        world.cloud.fail(Fault::new(On::Address(address(group), Verb::Delete), late));
        let platform = world.place(declared("INFREQUENT_ACCESS"), "second");
        let plan = platform.plan().await.unwrap();
        let plan = plan.consents_needed().into_iter().try_fold(plan, Plan::consent).unwrap();
        platform.apply(plan).await.unwrap();
        let clock = world.cloud.clock();
        drive(clock.clone(), clock.sleep(Duration::from_secs(60))).await;
        assert_eq!(world.cloud.objects().len(), 1, "seed {seed}");
        assert!(platform.plan().await.unwrap().is_empty(), "seed {seed}");
    }
}

/// An alias bears no marks. The one that failed is deleted and made anew, the create gets lost on its way, and what is seen
/// after it is the old one.
#[tokio::test]
async fn a_sight_of_what_was_deleted_a_moment_ago_is_not_taken_for_what_is_made_anew() {
    for seed in 1..=8 {
        let world = World::new(seed);
        let message = "it did not stabilise".to_owned();
        world.cloud.fail(Fault::new(creating(ALIAS), FaultKind::ProvisioningFailed { message }));
        world.place(small(), "first").converge().await.unwrap_err();
        world.cloud.fail(Fault::new(creating(ALIAS), FaultKind::OutcomeUnknown { acted: false }));
        world.cloud.fail(Fault::new(On::Address(address(ALIAS), Verb::Read), FaultKind::Stale).times(4));
        finish(&world).await;
    }
}

#[tokio::test]
async fn what_bears_no_marks_belongs_to_its_parent() {
    let made = World::new(11);
    made.place(small(), "elsewhere").converge().await.unwrap();
    let (of, _, alias) = &made.content()[ALIAS];

    let world = World::new(11);
    let platform = world.place(small(), "first");
    let key = world.cloud.add_foreign("AWS::KMS::Key", Properties::new()).unwrap();
    let mut alias = alias.clone();
    alias.insert("TargetKeyId".to_owned(), key.as_str().into());
    let id = world.cloud.add_foreign(of, alias.clone()).unwrap();
    let error = platform.converge().await.unwrap_err();
    assert_eq!((error.code(), error.address()), (Code::ForeignResource, Some(&address(ALIAS))), "{error}");
    let now = world.cloud.objects().into_iter().find(|object| object.id == id).unwrap();
    assert_eq!(now.properties, alias, "it was led to a key of ours");
    world.cloud.remove(&id).unwrap();
    world.cloud.remove(&key).unwrap();
    finish(&world).await;
}

#[test]
fn every_future_may_move_between_threads() {
    fn is_send(_: impl Send + 'static) {}
    let world = World::new(12);
    let moved = |work: fn(Platform) -> futures_util::future::BoxFuture<'static, ()>| {
        is_send(work(world.place(small(), "first")))
    };
    moved(|platform| Box::pin(async move { drop(platform.converge().await) }));
    moved(|platform| Box::pin(async move { drop(platform.plan().await) }));
    moved(|platform| Box::pin(async move { drop(platform.outputs().await) }));
    moved(|platform| Box::pin(async move { drop(platform.census().await) }));
    moved(|platform| {
        Box::pin(async move {
            if let Ok(plan) = platform.plan_destroy().await {
                drop(platform.destroy(plan).await);
            }
        })
    });
    assert_eq!(world.cloud.calls(), 0, "a future that is not polled does nothing");
}

#[tokio::test]
async fn a_slow_update_that_was_interrupted_is_waited_for() {
    let tagged = |world: &World, owner: &str| {
        let mut platform = common::inferloop();
        platform.tag("Owner", owner);
        world.place(platform, owner)
    };
    let twin = World::new(11);
    tagged(&twin, "before").converge().await.unwrap();
    tagged(&twin, "after").converge().await.unwrap();
    let is_slow =
        |call: &landfall::sim::Call| call.name == "update" && call.type_name.as_deref() == Some("AWS::EKS::Nodegroup");
    let update = twin.cloud.log().into_iter().find(is_slow).unwrap();

    let world = World::new(11);
    tagged(&world, "before").converge().await.unwrap();
    world.cloud.crash_at(update.number, landfall::sim::Moment::Acted);
    assert!(world.converge_or_die(tagged(&world, "after")).await);
    world.cloud.restart();
    let began = world.cloud.clock().now();
    let heir = tagged(&world, "after");
    heir.converge().await.unwrap();
    assert!(world.cloud.clock().now() - began > Duration::from_secs(900), "it took longer than most things may");
    assert!(heir.plan().await.unwrap().is_empty());
}
