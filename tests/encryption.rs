//! A platform whose ledger only its key opens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{World, codes, small};
use landfall::Code;
use landfall::ledger::EncryptionKey;

/// The world with its ledger as the owner of this key sees it.
fn with(world: &World, key: u8) -> World {
    World { cloud: world.cloud.clone(), ledger: world.ledger.encrypted(&EncryptionKey::new([key; 32])) }
}

#[tokio::test]
async fn with_the_key_everything_is_as_without_one() {
    let (plain, sealed) = (World::new(1), World::new(1));
    let outputs = plain.place(small(), "first").converge().await.unwrap();
    let first = with(&sealed, 1).place(small(), "first");
    assert_eq!(first.converge().await.unwrap(), outputs);
    assert_eq!(sealed.content(), plain.content());

    // Another process with the same key finds nothing to do, by reading the newest entry alone.
    let mutations = sealed.cloud.mutations();
    let world = with(&sealed, 1);
    let (reads, second) = (world.ledger.reads(), world.place(small(), "second"));
    assert_eq!(second.converge().await.unwrap(), outputs);
    assert_eq!((sealed.cloud.mutations(), world.ledger.reads() - reads), (mutations, 2));
    assert!(second.plan().await.unwrap().is_empty());
    assert!(second.history(None, 3).await.unwrap()[0].converged.is_some());
}

#[tokio::test]
async fn without_the_key_no_cloud_is_called_and_nothing_is_written() {
    let world = World::new(2);
    with(&world, 1).place(small(), "first").converge().await.unwrap();
    let (mutations, writes) = (world.cloud.mutations(), world.ledger.writes());
    let is_cloud = |call: &landfall::sim::Call| !call.name.starts_with("ledger");
    let calls = world.cloud.log().iter().filter(|call| is_cloud(call)).count();
    for (world, holder) in
        [(with(&world, 2), "another key"), (World { ledger: world.ledger.clone(), ..with(&world, 1) }, "none")]
    {
        let error = world.place(small(), holder).converge().await.unwrap_err();
        assert_eq!(codes(&error), [Code::LedgerSealed], "{error}");
        assert!(error.to_string().contains("; next: "), "{error}");
    }
    assert_eq!((world.cloud.mutations(), world.ledger.writes()), (mutations, writes));
    assert_eq!(world.cloud.log().iter().filter(|call| is_cloud(call)).count(), calls);
}

#[tokio::test]
async fn a_plain_ledger_goes_on_encrypted() {
    let world = World::new(3);
    world.place(small(), "plain").converge().await.unwrap();
    let mutations = world.cloud.mutations();
    let mut next = small();
    next.tag("Owner", "platform");
    let sealed = with(&world, 1).place(next, "sealed");
    sealed.converge().await.unwrap();
    assert!(world.cloud.mutations() > mutations);
    assert!(sealed.plan().await.unwrap().is_empty());
    let error = world.place(small(), "plain again").converge().await.unwrap_err();
    assert_eq!(codes(&error), [Code::LedgerSealed], "{error}");
}
