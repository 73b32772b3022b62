//! A kill at each outbound call of the example's plan: every resume ends like the clean run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::OnceLock;

use common::{Content, World, consented, differences};
use landfall::sim::Moment;

/// What a run that nothing disturbs leaves, and how many calls it makes.
fn clean() -> &'static (Content, u64) {
    static CLEAN: OnceLock<(Content, u64)> = OnceLock::new();
    CLEAN.get_or_init(|| {
        block_on(async {
            let world = World::new(1);
            world.inferloop("clean").converge().await.unwrap();
            (world.content(), world.cloud.calls())
        })
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Kills at each call of one half at one moment.
fn sweep(moment: Moment, half: u64) {
    let (content, calls) = clean();
    for call in (1..=*calls).filter(|call| call % 2 == half) {
        block_on(killed_at(call, moment, content, call % 16 == half));
    }
}

async fn killed_at(call: u64, moment: Moment, content: &Content, destroy: bool) {
    let world = World::new(1);
    world.cloud.crash_at(call, moment);
    let killed = world.converge_or_die(world.inferloop("doomed")).await;
    assert!(killed, "call {call} is made");
    world.cloud.restart();

    let heir = world.inferloop("heir");
    heir.converge().await.unwrap_or_else(|error| panic!("killed at call {call}, {moment:?}: {error:?}"));
    assert_eq!(differences(&world.content(), content), [""; 0], "killed at call {call}, {moment:?}");
    world.check_census(&heir).await;

    let mutations = world.cloud.mutations();
    heir.converge().await.unwrap();
    world.inferloop("next").converge().await.unwrap();
    assert_eq!(world.cloud.mutations(), mutations, "killed at call {call}, {moment:?}: the run after changes nothing");

    if destroy {
        let plan = consented(heir.plan_destroy().await.unwrap());
        heir.destroy(plan).await.unwrap();
        assert!(world.cloud.objects().is_empty(), "killed at call {call}, {moment:?}: residue");
    }
}

#[test]
fn before_even_calls() {
    sweep(Moment::Before, 0);
}

#[test]
fn before_odd_calls() {
    sweep(Moment::Before, 1);
}

#[test]
fn after_the_cloud_acted_on_even_calls() {
    sweep(Moment::Acted, 0);
}

#[test]
fn after_the_cloud_acted_on_odd_calls() {
    sweep(Moment::Acted, 1);
}

#[test]
fn after_the_reply_to_even_calls() {
    sweep(Moment::Replied, 0);
}

#[test]
fn after_the_reply_to_odd_calls() {
    sweep(Moment::Replied, 1);
}
