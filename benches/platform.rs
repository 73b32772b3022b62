//! The example's platform on the simulated AWS: what an embedding service pays.

#[path = "../tests/common/mod.rs"]
mod common;

use std::process::Command;
use std::sync::Arc;

use landfall::aws::Aws;
use landfall::cloud::Clouds;
use landfall::ledger::Ledger;

use crate::applying::Folder;
use crate::measure::{block, cpu, float, resident, say, timed, wall};

/// What a platform costs its host while it does nothing.
pub(crate) fn idle(_: usize) {
    let before = resident();
    let platform = common::inferloop().build().unwrap();
    say("idle.memory", resident() - before, "MiB");
    say("idle.resources", float(platform.engine().graph().len()), "resources");
}

/// A service starts and finds everything as it should be.
pub(crate) fn cold(_: usize) {
    let folder = Folder::new();
    let path = folder.0.to_str().unwrap();
    let start = || {
        let output = Command::new(std::env::current_exe().unwrap()).args(["--run", "cold-start", path]).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        text.split_whitespace().map(|word| word.parse::<f64>().unwrap()).collect::<Vec<_>>()
    };
    start();
    let mut all: Vec<_> = (0..21).map(|_| start()).collect();
    all.sort_by(|one, two| one[0].total_cmp(&two[0]));
    say("cold.cpu", all[10][0], "ms");
    all.sort_by(|one, two| one[1].total_cmp(&two[1]));
    say("cold.wall", all[10][1], "ms");
    say("cold.reads", all[10][2], "reads");
    say("cold.calls", all[10][3], "calls");
}

/// One start of a service: prints its CPU and wall time in milliseconds, its reads of the ledger and calls to the cloud.
pub(crate) fn cold_start(folder: &str) {
    let began = wall();
    let ledger = Ledger::folder(folder).unwrap();
    let mut builder = common::inferloop();
    builder.ledger(ledger.clone());
    let platform = builder.build().unwrap();
    block(platform.converge()).unwrap();
    let calls = platform.simulated().map_or(0, landfall::sim::SimCloud::calls);
    println!("{} {} {} {calls}", cpu() * 1e3, began.elapsed().as_secs_f64() * 1e3, ledger.reads());
}

/// Replicas that start at once: one works, and the others read the ledger now and then.
pub(crate) fn waiters(count: usize) {
    let world = common::World::new(1);
    let replicas: Vec<_> = (0..count).map(|number| world.inferloop(&format!("replica-{number}"))).collect();
    let began = world.cloud.clock().now();
    let (used, all) = timed(|| block(futures_util::future::join_all(replicas.iter().map(|one| one.converge()))));
    all.into_iter().for_each(|result| drop(result.unwrap()));
    let took = (world.cloud.clock().now() - began).as_secs_f64();
    let waiting = float(count - 1) * took;
    say(&format!("waiters.{count}.reads"), world.ledger.reads() as f64 / waiting, "reads-a-waiter-and-second");
    say(&format!("waiters.{count}.cpu"), used * 1e3 / waiting, "ms-a-waiter-and-second");
    say(&format!("waiters.{count}.objects"), float(world.cloud.objects().len()), "objects");
}

/// From declarations to native resources.
pub(crate) fn expand(count: usize) {
    let (used, _) = timed(|| (0..20).for_each(|_| drop(common::inferloop().build().unwrap())));
    say("expand.build", used * 1e3 / 20.0, "ms");
    let clouds =
        Clouds { cloud: Arc::new(Aws::new("eu-west-1")), workloads: Arc::new(landfall::k8s::Kubernetes::new()) };
    let stacks: Vec<_> = (0..count).map(|seed| landfall::sample::stack(seed as u64)).collect();
    let (used, graphs) = timed(|| {
        let all = stacks.iter().map(|stack| landfall::graph::expand(stack, &clouds).unwrap().graph);
        all.collect::<Vec<_>>()
    });
    let resources: usize = graphs.iter().map(landfall::graph::Graph::len).sum();
    say(&format!("expand.{count}.cpu"), used, "s");
    say(&format!("expand.{count}.a-stack"), used * 1e3 / float(count), "ms");
    say(&format!("expand.{count}.resources"), float(resources), "resources");
}
