//! Runs seeded schedules: `schedules [COUNT] [--from SEED] [--seed SEED] [--calls] [--ledger]`. A seed whose schedule breaks a law
//! is printed in a line that replays it; `--calls` prints every call of it, `--ledger` every entry.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that measures, prints and ends"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[path = "../tests/common/schedule.rs"]
mod schedule;

use landfall::plan::Plan;

/// A fifth of what a schedule costs is small pieces of memory, taken and given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Agrees to lose whatever the plan asks consent for.
fn consented(plan: Plan) -> Plan {
    plan.consents_needed()
        .into_iter()
        .fold(plan, |plan, consent| plan.consent(consent).unwrap_or_else(|error| fail(&error)))
}

fn fail(error: &landfall::Error) -> ! {
    panic!("a consent that was asked for is not taken: {error}")
}

/// What all schedules did together.
#[derive(Default)]
struct Sum {
    broken: Vec<String>,
    deaths: u64,
    surplus: u64,
    calls: u64,
    errors: BTreeMap<String, u64>,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.broken.extend(other.broken);
        self.deaths += other.deaths;
        self.surplus += other.surplus;
        self.calls += other.calls;
        for (code, times) in other.errors {
            *self.errors.entry(code).or_default() += times;
        }
    }
}

/// Takes seeds until there are no more.
fn work(next: &AtomicU64, end: u64) -> std::io::Result<Sum> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut sum = Sum::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return Ok(sum);
        }
        match runtime.block_on(schedule::run(seed)) {
            Ok(schedule::Tally { calls, deaths, errors, surplus, .. }) => {
                sum.add(Sum { broken: Vec::new(), deaths, surplus, calls, errors });
            }
            Err(line) => {
                println!("{line}");
                sum.broken.push(line);
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut count, mut from) = (1_000, 0);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().unwrap_or_default().parse::<u64>();
        match argument.as_str() {
            "--from" => from = number()?,
            "--seed" => (from, count) = (number()?, 1),
            "--calls" | "--ledger" => {}
            other => count = other.parse()?,
        }
    }
    let cores = std::thread::available_parallelism()?.get().min(usize::try_from(count)?);
    let began = Instant::now();
    let next = AtomicU64::new(from);
    let mut sum = Sum::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(|| work(&next, from + count))).collect();
        for worker in workers {
            sum.add(worker.join().map_err(|_| "a worker panicked")??);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let rate = count as f64 / began.elapsed().as_secs_f64() / cores as f64;
    let Sum { broken, deaths, surplus, calls, errors } = sum;
    println!(
        "{count} schedules on {cores} cores, {} broken, {calls} calls, {deaths} deaths, {surplus} surplus, {rate:.0} a \
         second and core",
        broken.len()
    );
    println!("errors that hosts were told: {errors:?}");
    if broken.is_empty() { Ok(()) } else { Err("laws were broken".into()) }
}
