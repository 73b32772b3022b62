//! Two hundred generated platforms: each converges, is left alone by the second converge, and is planned the same twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::World;
use landfall::prelude::*;

fn platforms(seeds: std::ops::Range<u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in seeds {
        runtime.block_on(async {
            let world = World::new(seed);
            let place = |holder: &str| {
                let builder = PlatformBuilder::from_stack(landfall::sample::stack(seed), Aws::new("eu-west-1"));
                world.place(builder, holder)
            };
            let platform = place("first");
            let (plan, again) = (platform.plan().await.unwrap(), place("again").plan().await.unwrap());
            assert_eq!(plan.to_json(), again.to_json(), "seed {seed}: the same input gives the same plan bytes");
            platform.converge().await.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
            let mutations = world.cloud.mutations();
            place("second").converge().await.unwrap();
            assert_eq!(world.cloud.mutations(), mutations, "seed {seed}");
            let plan = platform.plan().await.unwrap();
            assert!(plan.is_empty(), "seed {seed}: {}", plan.details(landfall::plan::Style::Plain));
        });
    }
}

#[test]
fn the_first_hundred() {
    platforms(0..100);
}

#[test]
fn the_second_hundred() {
    platforms(100..200);
}
