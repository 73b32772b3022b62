//! Rehearsals: every law is checked where it can break, and a branch that was printed can be repeated alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{World, inferloop, small};
use landfall::Code;
use landfall::prelude::*;
use landfall::rehearse::{Law, Mishap, Options};

/// A bucket with its key: one object that only its marks find, and one with a name.
fn tiny() -> PlatformBuilder {
    let mut platform = Platform::builder("tiny", "dev", Aws::new("eu-west-1"));
    platform.bucket("files", BucketSpec::new());
    platform
}

#[tokio::test]
async fn each_call_may_fail_in_each_way() {
    let platform = tiny().build().unwrap();
    let options = Options::new().every_call().mishaps(Mishap::ALL).destroying();
    let rehearsal = platform.rehearse(&options).await.unwrap();
    assert!(rehearsal.holds(), "{rehearsal}");
    rehearsal.check().unwrap();
    assert_eq!((rehearsal.branches, rehearsal.resources), (rehearsal.possible, platform.graph().len()));
    let kills = usize::try_from(rehearsal.calls).unwrap() * 3;
    assert!(rehearsal.branches > kills, "{rehearsal}");
    let count = |law| rehearsal.laws.get(&law).copied().unwrap_or_default();
    assert_eq!((count(Law::NoOrphan), count(Law::DestroyLeavesNothing)), (kills, rehearsal.branches), "{rehearsal}");
    let longest = rehearsal.longest.unwrap();
    // A lease that nobody gave back is waited for.
    assert!(longest.lost.as_secs() >= 30, "{longest:?}");
    assert!(rehearsal.left.iter().all(|left| left.unknown() > 0), "{:?}", rehearsal.left);
}

#[tokio::test]
async fn who_resumes_may_be_killed_too() {
    let rehearsal = small().build().unwrap().rehearse(&Options::new().twice().at_most(40)).await.unwrap();
    assert!(rehearsal.holds(), "{rehearsal}");
    assert_eq!(rehearsal.branches, 40);
}

#[tokio::test]
async fn the_example_can_be_rehearsed() {
    let rehearsal = inferloop().build().unwrap().rehearse(&Options::new().at_most(3)).await.unwrap();
    assert!(rehearsal.holds(), "{rehearsal}");
    assert_eq!((rehearsal.branches, rehearsal.laws[&Law::SameEnd]), (3, 3));
}

#[tokio::test]
async fn the_same_options_give_the_same_report_and_a_branch_repeats_alone() {
    let platform = tiny().build().unwrap();
    let options = Options::new().seed(7).at_most(30);
    let rehearsal = platform.rehearse(&options).await.unwrap();
    assert_eq!(rehearsal, platform.rehearse(&options).await.unwrap());

    let worst = rehearsal.left.first().unwrap();
    let name = worst.branch.to_string();
    let alone = platform.rehearse(&Options::new().only(name.parse().unwrap())).await.unwrap();
    assert_eq!((alone.branches, &alone.left), (1, &vec![worst.clone()]));
    let text = rehearsal.to_string();
    assert!(text.contains("held in 30: the end is that of an undisturbed run"), "{text}");
    assert!(text.contains(&format!("without a resume after {name}")), "{text}");
    let json = serde_json::to_value(&rehearsal).unwrap();
    assert_eq!((&json["branches"], &json["left"][0]["branch"]), (&30.into(), &name.into()));
}

#[tokio::test]
async fn a_rehearsal_reads_and_changes_nothing_of_the_platform() {
    let world = World::new(1);
    let platform = world.place(tiny(), "first");
    platform.converge().await.unwrap();
    let before = (world.content(), world.cloud.calls(), world.ledger.reads(), world.ledger.writes());
    landfall::assert_rehearsed(&platform).await;
    assert_eq!(before, (world.content(), world.cloud.calls(), world.ledger.reads(), world.ledger.writes()));
}

#[tokio::test]
async fn what_cannot_be_rehearsed_says_so() {
    let platform = small().build().unwrap();
    let beyond = platform.rehearse(&Options::new().only("1-1000000-acted".parse().unwrap())).await.unwrap_err();
    assert_eq!(beyond.code(), Code::InvalidValue, "{beyond}");
    platform.cancel().ask();
    let cancelled = platform.rehearse(&Options::new()).await.unwrap_err();
    assert_eq!(cancelled.code(), Code::Cancelled, "{cancelled}");
}
