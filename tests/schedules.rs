//! Seeded schedules: three hosts, all faults mixed, no law broken. `cargo run --release --example schedules` runs more.

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
fn one_to_a_hundred() {
    schedules(1..100);
}

#[test]
fn a_hundred_to_two_hundred() {
    schedules(100..200);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..100 {
        let trace = || block_on(schedule::run(seed)).map(|tally| tally.trace);
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}
