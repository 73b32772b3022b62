//! What is left in the cloud is read from the cloud, and the ledger says what it makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{World, consented, small};
use landfall::Code;
use landfall::apply::Lead;
use landfall::ledger::Ledger;
use landfall::sim::Moment;

#[tokio::test]
async fn after_a_crash_each_object_is_led_to_or_intended() {
    let world = World::new(1);
    world.cloud.crash_at(30, Moment::Acted);
    assert!(world.converge_or_die(world.place(small(), "doomed")).await);
    world.cloud.restart();
    let platform = world.place(small(), "heir");
    // Marks are seen late.
    landfall::clock::drive(world.cloud.clock(), world.cloud.clock().sleep(std::time::Duration::from_secs(300))).await;

    let residue = platform.residue().await.unwrap();
    let leads = |lead| residue.objects.iter().filter(|object| object.lead == lead).count();
    assert!(leads(Lead::Intended) > 0, "{residue}");
    assert_eq!(leads(Lead::Held) + leads(Lead::Intended), residue.objects.len(), "{residue}");
    assert_eq!(residue.orphans().count(), 0);
    assert_eq!(residue.check().unwrap_err().code(), Code::Unresolved);
}

#[tokio::test]
async fn what_no_ledger_leads_to_is_told_apart_and_a_destroy_leaves_none() {
    let world = World::new(2);
    let platform = world.place(small(), "first");
    platform.converge().await.unwrap();
    let residue = platform.residue().await.unwrap();
    assert!(residue.objects.iter().all(|object| object.lead == Lead::Held), "{residue}");

    let amnesiac = World { cloud: world.cloud.clone(), ledger: Ledger::memory() };
    let lost = amnesiac.place(small(), "second").residue().await.unwrap();
    assert_eq!((lost.objects.len(), lost.orphans().count()), (residue.objects.len(), residue.objects.len()), "{lost}");
    assert!(lost.to_string().contains("no entry of the ledger leads to it"), "{lost}");

    let plan = consented(platform.plan_destroy().await.unwrap());
    platform.destroy(plan).await.unwrap();
    assert!(platform.residue().await.unwrap().is_empty());
}
