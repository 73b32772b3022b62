//! Seeded schedules: three hosts, all faults mixed, no law broken. `cargo run --release --example schedules` runs more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

#[path = "common/schedule.rs"]
mod schedule;

use common::consented;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn schedules(seeds: std::ops::Range<u64>) {
    let broken: Vec<_> = seeds.filter_map(|seed| block_on(schedule::run(seed)).err()).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

// Four parts, so that as many cores share them.

#[test]
fn no_law_breaks_from_seed_0_on() {
    schedules(0..2_500);
}

#[test]
fn no_law_breaks_from_seed_2500_on() {
    schedules(2_500..5_000);
}

#[test]
fn no_law_breaks_from_seed_5000_on() {
    schedules(5_000..7_500);
}

#[test]
fn no_law_breaks_from_seed_7500_on() {
    schedules(7_500..10_000);
}

#[test]
fn the_same_seed_gives_the_same_trace_a_hundred_times_of_a_hundred() {
    for seed in 0..100 {
        let trace = || block_on(schedule::trace(seed)).unwrap();
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}
