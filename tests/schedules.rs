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

#[test]
fn the_first_ten() {
    schedules(0..10);
}

#[test]
fn the_second_ten() {
    schedules(10..20);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 20..25 {
        let trace = || block_on(schedule::run(seed)).map(|tally| tally.trace);
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}
