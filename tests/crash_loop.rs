//! A service that cannot provision and is started again and again: the count of its attempts survives its processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{World, small};
use landfall::Code;
use landfall::clock::drive;
use landfall::resource::Verb;
use landfall::sim::{Fault, FaultKind, On};

/// Starts a service again and again for ten minutes, each at most `life` long, and counts the times the lease was taken.
async fn attempts(world: &World, life: Duration) -> u64 {
    world.cloud.fail(Fault::new(On::Verb(Verb::Create), FaultKind::PermissionDenied).times(u32::MAX));
    let clock = world.cloud.clock();
    drive(clock.clone(), async {
        for start in 0.. {
            if clock.now() > Duration::from_secs(600) {
                break;
            }
            let platform = world.place(small(), &format!("service-{start}"));
            tokio::select! {
                biased;
                result = platform.converge() => { result.unwrap_err(); }
                () = clock.sleep(life) => {}
            }
            clock.sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    world.place(small(), "witness").engine().state().await.unwrap().lease.epoch
}

#[tokio::test]
async fn a_service_that_dies_every_two_seconds_makes_few_attempts() {
    let made = attempts(&World::new(1), Duration::from_secs(2)).await;
    assert!((3..=20).contains(&made), "{made}");
}

#[tokio::test]
async fn a_service_that_exits_on_each_failure_makes_few_attempts_and_goes_on_trying() {
    let world = World::new(1);
    let made = attempts(&world, Duration::from_secs(3600)).await;
    assert!((10..=20).contains(&made), "{made}");
}

#[tokio::test]
async fn progress_ends_the_waiting() {
    let world = World { ledger: landfall::ledger::Ledger::memory(), ..World::new(1) };
    world.cloud.fail(Fault::new(On::Verb(Verb::Create), FaultKind::PermissionDenied).times(u32::MAX));
    for start in 0..6 {
        let error = world.place(small(), &format!("service-{start}")).converge().await.unwrap_err();
        assert!(error.problems().iter().any(|problem| problem.code() == Code::PermissionDenied), "{error}");
    }
    let state = world.place(small(), "witness").engine().state().await.unwrap();
    assert_eq!(state.attempts, 6);
    let healed = World { cloud: landfall::aws::simulated("eu-west-1", 1, landfall::sim::Time::Virtual), ..world };
    let before = healed.cloud.clock().now();
    let platform = healed.place(small(), "healed");
    platform.converge().await.unwrap();
    assert!(healed.cloud.clock().now() - before > Duration::from_secs(8));
    assert_eq!(platform.engine().state().await.unwrap().attempts, 0);
}
