//! Planning: new stacks, unchanged stacks, interrupted ones.

use std::time::Duration;

use landfall::clock::drive;
use landfall::plan::Mode;

use crate::cloud::{Cloud, stack};
use crate::measure::{block, cpu, float, forget_peak, peak, say, timed, wall};
use crate::shapes::graph;
use crate::timing::PUT;

/// A plan of a stack that does not exist yet, its graph and hash included.
pub(crate) fn fresh(shape: &str, size: usize) {
    let cloud = Cloud::instant();
    let ledger = cloud.ledger(Duration::ZERO);
    let (used, plan) = timed(|| block(cloud.engine(&ledger, graph(shape, size)).plan(Mode::Converge)).unwrap());
    assert_eq!(plan.operations.len(), size);
    say(&format!("plan.{shape}.{size}.cpu"), used, "s");
    say(&format!("plan.{shape}.{size}.peak"), peak(), "MiB");
}

/// A plan that finds nothing to do: ledger read, everything looked at, everything compared.
pub(crate) fn unchanged(size: usize) {
    let cloud = Cloud::instant();
    let ledger = cloud.ledger(PUT);
    block(cloud.engine(&ledger, graph("fan", size)).converge()).unwrap();
    let reads = ledger.reads();
    forget_peak();
    let (used, plan) = timed(|| block(cloud.engine(&ledger, graph("fan", size)).plan(Mode::Converge)).unwrap());
    assert!(plan.is_empty());
    say(&format!("noop.fan.{size}.cpu"), used, "s");
    say(&format!("noop.fan.{size}.peak"), peak(), "MiB");
    say(&format!("noop.fan.{size}.reads"), (ledger.reads() - reads) as f64, "reads");
}

/// Reading the ledger of an apply that died in the middle, and planning the rest.
pub(crate) fn resume(size: usize) {
    let cloud = Cloud::instant();
    let ledger = cloud.ledger(PUT);
    block(async {
        let engine = cloud.engine(&ledger, graph("fan", size));
        let watch = async {
            while cloud.creates() < size - size / 10 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = watch => {}
            result = engine.converge() => { result.unwrap(); }
        }
    });
    let reads = ledger.reads();
    let (used, state) = timed(|| block(drive(cloud.clock(), ledger.load(&stack()))).unwrap().state);
    let records = state.resources.len() + state.intents.len();
    assert!(records > size / 2, "{records}");
    say(&format!("resume.fan.{size}.load.cpu"), used, "s");
    say(&format!("resume.fan.{size}.reads"), (ledger.reads() - reads) as f64, "reads");
    let (used, plan) = timed(|| block(cloud.engine(&ledger, graph("fan", size)).plan(Mode::Converge)).unwrap());
    assert!(plan.operations.len() <= size);
    say(&format!("resume.fan.{size}.cpu"), used, "s");
}

/// How long a user waits until the first thing is made.
pub(crate) fn first_call(size: usize) {
    let cloud = Cloud::instant();
    let ledger = cloud.ledger(PUT);
    let engine = cloud.engine(&ledger, graph("fan", size));
    let (began, before) = (wall(), cpu());
    block(async {
        let watch = async {
            while cloud.creates() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = watch => {}
            result = engine.converge() => { result.unwrap(); }
        }
    });
    let first = cloud.first_create().unwrap().duration_since(began);
    say(&format!("first.fan.{size}.wall"), first.as_secs_f64(), "s");
    say(&format!("first.fan.{size}.cpu"), cpu() - before, "s");
    say(&format!("first.fan.{size}.cpu-a-resource"), (cpu() - before) * 1e6 / float(size), "us");
}
