//! Replicas of an old and a new configuration side by side: nothing goes backwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::World;
use landfall::Code;
use landfall::clock::drive;
use landfall::prelude::*;
use landfall::sim::Moment;

/// A bucket whose tag says which generation declared it.
fn release(generation: u64) -> PlatformBuilder {
    let mut platform = Platform::builder("release", "dev", Aws::new("eu-west-1"));
    platform.generation(generation).tag("release", &generation.to_string());
    platform.bucket("files", BucketSpec::new());
    platform
}

/// Whether any object bears the tag of this generation.
fn bears(world: &World, generation: u64) -> bool {
    world.cloud.objects().iter().any(|object| {
        let text = serde_json::to_string(&object.properties).unwrap();
        text.contains(&format!("\"Value\":\"{generation}\"")) && text.contains("\"Key\":\"release\"")
    })
}

#[tokio::test]
async fn thirty_two_old_and_new_replicas_restart_for_ten_minutes_and_nothing_goes_backwards() {
    let alone = World::new(1);
    alone.place(release(1), "old").converge().await.unwrap();
    alone.place(release(2), "new").converge().await.unwrap();
    assert!(bears(&alone, 2) && !bears(&alone, 1));

    let world = World::new(1);
    let clock = world.cloud.clock();
    let replica = async |generation: u64, number: u64| {
        let mut outcomes = Vec::new();
        clock.sleep(Duration::from_secs(60 * (generation - 1))).await;
        for life in 0.. {
            let platform = world.place(release(generation), &format!("{generation}-{number}-{life}"));
            outcomes.push(platform.converge().await.map(drop).map_err(|error| error.code()));
            clock.sleep(Duration::from_millis(5_000 + 611 * (number % 13))).await;
            if clock.now() > Duration::from_secs(600) {
                break;
            }
        }
        outcomes
    };
    let all = (1..=2).flat_map(|generation| (0..32).map(move |number| (generation, number)));
    let all = all.map(|(generation, number)| drive(clock.clone(), replica(generation, number)));
    let outcomes: Vec<_> = futures_util::future::join_all(all).await.concat();

    assert!(outcomes.len() > 64 * 30, "{}", outcomes.len());
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(Code::Superseded))), "{outcomes:?}");
    assert!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() > outcomes.len() / 2);
    assert!(bears(&world, 2) && !bears(&world, 1));
    assert_eq!(world.cloud.mutations(), alone.cloud.mutations(), "each change was made once");
}

#[tokio::test]
async fn an_old_replica_does_not_continue_what_a_new_one_left_unfinished() {
    let both = async |world: &World| {
        world.place(release(1), "old").converge().await.unwrap();
        world.converge_or_die(world.place(release(2), "new")).await
    };
    let twin = World::new(2);
    assert!(!both(&twin).await);
    let first_update = twin.cloud.log().into_iter().find(|call| call.name == "update").unwrap();

    let world = World::new(2);
    world.cloud.crash_at(first_update.number, Moment::Acted);
    assert!(both(&world).await, "the new one dies at its first change");
    world.cloud.restart();
    let mutations = world.cloud.mutations();
    let error = world.place(release(1), "old again").converge().await.unwrap_err();
    assert_eq!(error.code(), Code::Superseded, "{error}");
    assert_eq!(world.cloud.mutations(), mutations);
    world.place(release(2), "new again").converge().await.unwrap();
    assert!(bears(&world, 2) && !bears(&world, 1));

    let observed = world.place(release(1), "observer").converge().await.unwrap();
    assert_eq!(observed, world.place(release(2), "newest").outputs().await.unwrap());
    let mut back = release(1);
    back.rollback();
    world.place(back, "back").converge().await.unwrap();
    assert!(bears(&world, 1) && !bears(&world, 2));
}
