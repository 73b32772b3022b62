//! Applying: what the engine and its ledger cost when the cloud costs nothing.

use std::path::PathBuf;

use landfall::apply::Engine;
use landfall::clock::drive;
use landfall::ledger::Ledger;
use landfall::plan::Mode;

use crate::cloud::{Cloud, stack};
use crate::measure::{block, float, forget_peak, peak, resident, say, timed};
use crate::shapes::{changed, graph};
use crate::timing::PUT;

/// A folder that is gone with its owner.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(std::env::temp_dir().join(format!("landfall-bench-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Creates everything with a durable ledger, and destroys it again.
pub(crate) fn apply(shape: &str, size: usize) {
    let folder = Folder::new();
    let (cloud, ledger) = (Cloud::instant(), Ledger::folder(&folder.0).unwrap());
    let name = format!("apply.{shape}.{size}");
    let wanted = graph(shape, size);
    let empty = resident();
    forget_peak();
    let engine = cloud.engine(&ledger, wanted);
    let (used, _) = timed(|| block(engine.converge()).unwrap());
    assert_eq!(cloud.creates(), size);
    say(&format!("{name}.cpu"), used, "s");
    say(&format!("{name}.cpu-a-resource"), used * 1e6 / float(size), "us");
    say(&format!("{name}.peak-a-resource"), (peak() - empty) * 1024.0 / float(size), "KiB");
    say(&format!("{name}.puts"), ledger.writes() as f64, "puts");
    let state = block(engine.state()).unwrap();
    let records: usize = state.resources.values().map(|held| serde_json::to_vec(held).unwrap().len()).sum();
    say(&format!("{name}.amplification"), ledger.bytes_written() as f64 / float(records), "x");
    drop(state);
    let (used, _) = timed(|| block(destroy(&engine)));
    say(&format!("{name}.destroy.cpu-a-resource"), used * 1e6 / float(size), "us");
}

async fn destroy(engine: &Engine) {
    let plan = engine.plan(Mode::Destroy).await.unwrap();
    let plan = plan.consents_needed().into_iter().fold(plan, |plan, consent| plan.consent(consent).unwrap());
    engine.apply(plan).await.unwrap();
}

/// One text of one resource changed in a stack that stands.
pub(crate) fn one_change(size: usize) {
    let cloud = Cloud::instant();
    let ledger = cloud.ledger(PUT);
    block(cloud.engine(&ledger, graph("fan", size)).converge()).unwrap();
    let name = format!("change.fan.{size}");
    let (bytes, puts, reads) = (ledger.bytes_written(), ledger.writes(), ledger.reads());
    let engine = cloud.engine(&ledger, changed("fan", size, Some(size / 2)));
    let (used, _) = timed(|| block(engine.converge()).unwrap());
    say(&format!("{name}.cpu"), used, "s");
    say(&format!("{name}.bytes"), (ledger.bytes_written() - bytes) as f64, "B");
    say(&format!("{name}.puts"), (ledger.writes() - puts) as f64, "puts");
    say(&format!("{name}.reads"), (ledger.reads() - reads) as f64, "reads");
    assert_eq!(block(drive(cloud.clock(), ledger.load(&stack()))).unwrap().state.resources.len(), size);
}
