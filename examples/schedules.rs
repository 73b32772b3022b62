//! Runs seeded schedules: `schedules [COUNT] [--from SEED] [--seed SEED] [--calls] [--ledger]`. A seed whose schedule breaks a law
//! is printed in a line that replays it; `--calls` prints every call of it, `--ledger` every entry.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that measures, prints and ends"
)]

use std::collections::BTreeMap;
use std::time::Instant;

#[path = "../tests/common/schedule.rs"]
mod schedule;

use landfall::plan::Plan;

/// Agrees to lose whatever the plan asks consent for.
fn consented(plan: Plan) -> Plan {
    plan.consents_needed()
        .into_iter()
        .fold(plan, |plan, consent| plan.consent(consent).unwrap_or_else(|error| fail(&error)))
}

fn fail(error: &landfall::Error) -> ! {
    panic!("a consent that was asked for is not taken: {error}")
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
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let began = Instant::now();
    let (mut broken, mut deaths, mut surplus, mut calls) = (0, 0, 0, 0);
    let mut errors: BTreeMap<String, u64> = BTreeMap::new();
    for seed in from..from + count {
        match runtime.block_on(schedule::run(seed)) {
            Ok(tally) => {
                deaths += tally.deaths;
                surplus += tally.surplus;
                calls += tally.calls;
                for (code, times) in tally.errors {
                    *errors.entry(code).or_default() += times;
                }
            }
            Err(line) => {
                broken += 1;
                println!("{line}");
            }
        }
    }
    let took = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let rate = count as f64 / took;
    println!(
        "{count} schedules, {broken} broken, {calls} calls, {deaths} deaths, {surplus} surplus, {rate:.0} a second"
    );
    println!("errors that hosts were told: {errors:?}");
    if broken > 0 { Err("laws were broken".into()) } else { Ok(()) }
}
