//! What eight replicas make of a store that misbehaves: no change without a ledger, and work again when it is well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::World;
use futures_util::future::join_all;
use landfall::Code;
use landfall::prelude::*;
use landfall::sim::{Side, SimCloud, StoreMode};
use landfall::units::Date;

fn bucket(host: &SimCloud, holder: &str) -> Platform {
    let mut platform = Platform::builder("store", "dev", Aws::new("eu-west-1"));
    platform.today(Date::new(2026, 11, 23)).bucket("files", BucketSpec::new());
    platform.simulate(host).ledger(host.ledger()).holder(holder);
    platform.build().unwrap()
}

fn hosts(world: &World) -> Vec<SimCloud> {
    (0..8).map(|number| world.cloud.host(&format!("replica-{number}"))).collect()
}

/// Converges on all hosts at once.
async fn converge(hosts: &[SimCloud]) -> Vec<landfall::Result<Outputs>> {
    let all = hosts.iter().enumerate().map(async |(number, host)| {
        // All are there before time passes.
        host.run(host.clock().sleep(Duration::from_millis(1))).await;
        host.run(bucket(host, &format!("replica-{number}")).converge()).await.unwrap()
    });
    join_all(all).await
}

async fn refused(mode: StoreMode, code: Code) {
    let world = World::new(1);
    world.cloud.set_store(mode);
    let hosts = hosts(&world);
    for outcome in converge(&hosts).await {
        assert_eq!(outcome.unwrap_err().code(), code, "{mode:?}");
    }
    assert!(world.cloud.objects().is_empty(), "{mode:?}");
    assert!(hosts.iter().all(|host| host.mutations() == 0), "{mode:?}");

    world.cloud.set_store(StoreMode::Sound);
    let outcomes: Vec<_> = converge(&hosts).await.into_iter().map(Result::unwrap).collect();
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{mode:?}: once it is well all have the same outputs");
    world.check_census(&bucket(&hosts[0], "last")).await;
}

#[tokio::test]
async fn a_store_that_ignores_the_condition_is_refused() {
    refused(StoreMode::Unconditional, Code::LedgerUnconditional).await;
}

#[tokio::test]
async fn a_store_that_refuses_writes_starts_nothing() {
    refused(StoreMode::ReadOnly, Code::LedgerUnavailable).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_starts_nothing() {
    refused(StoreMode::Down, Code::LedgerUnavailable).await;
}

#[tokio::test]
async fn a_store_that_loses_what_it_said_to_have_written_starts_nothing() {
    refused(StoreMode::Forgetful, Code::LedgerUnconditional).await;
}

#[tokio::test]
async fn what_an_outage_of_ten_minutes_interrupts_is_finished_after_it() {
    for at in [1_u64, 2, 4] {
        let world = World::new(at);
        let hosts = hosts(&world);
        let outage = async {
            let clock = world.cloud.host("outage");
            clock.run(clock.clock().sleep(Duration::from_millis(700 * at))).await;
            world.cloud.set_store(StoreMode::Down);
            clock.run(clock.clock().sleep(Duration::from_secs(600))).await;
            world.cloud.set_store(StoreMode::Sound);
        };
        let (outcomes, ()) = futures_util::future::join(converge(&hosts), outage).await;
        for outcome in outcomes {
            let code = outcome.err().map(|error| error.code());
            assert!(matches!(code, None | Some(Code::LedgerUnavailable)), "{code:?}");
        }
        let outcomes: Vec<_> = converge(&hosts).await.into_iter().map(Result::unwrap).collect();
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]));
        world.content();
        world.check_census(&bucket(&hosts[0], "last")).await;
    }
}

#[tokio::test]
async fn half_of_the_replicas_provision_while_the_others_cannot_reach_the_store() {
    let world = World::new(1);
    let hosts = hosts(&world);
    for host in hosts.iter().step_by(2) {
        host.cut_off(Side::Store, Duration::ZERO, Duration::from_secs(300));
    }
    let outcomes = converge(&hosts).await;
    let (cut, well): (Vec<_>, Vec<_>) = outcomes.into_iter().enumerate().partition(|(number, _)| number % 2 == 0);
    let well: Vec<_> = well.into_iter().map(|(_, outcome)| outcome.unwrap()).collect();
    assert!(well.windows(2).all(|pair| pair[0] == pair[1]));
    for (number, outcome) in cut {
        assert!(outcome.as_ref().is_err_and(|error| error.code() == Code::LedgerUnavailable), "{number}: {outcome:?}");
    }
    let later = world.cloud.host("later");
    later.run(later.clock().sleep(Duration::from_secs(400))).await;
    let outcomes: Vec<_> = converge(&hosts).await.into_iter().map(Result::unwrap).collect();
    assert!(outcomes.iter().all(|outputs| *outputs == well[0]));
    world.content();
}
