//! Futures that are dropped at every await, and converges that meet in one process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use common::{Content, World, differences, small};
use landfall::prelude::*;
use landfall::units::Date;

/// Polls a future so many times; whether it ended.
async fn polled<T>(future: impl Future<Output = T>, times: u64) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn clean(declare: fn() -> PlatformBuilder) -> Content {
    let world = World::new(1);
    world.place(declare(), "clean").converge().await.unwrap();
    world.content()
}

/// Drops a converge after so many polls, again and again with more of them, and resumes.
fn dropped(declare: fn() -> PlatformBuilder, step: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let content = clean(declare).await;
        for times in (1..).step_by(step) {
            let world = World::new(1);
            let ended = polled(world.place(declare(), "dropped").converge(), times).await;
            let heir = world.place(declare(), "heir");
            heir.converge().await.unwrap_or_else(|error| panic!("dropped after {times} polls: {error:?}"));
            assert_eq!(differences(&world.content(), &content), [""; 0], "dropped after {times} polls");
            world.check_census(&heir).await;
            if ended.is_some() {
                assert!(times > 20, "a converge takes many polls: {times}");
                break;
            }
        }
    });
}

/// A bucket alone.
fn bucket() -> PlatformBuilder {
    let mut platform = Platform::builder("small", "dev", Aws::new("eu-west-1"));
    platform.today(Date::new(2026, 11, 23)).bucket("files", BucketSpec::new());
    platform
}

#[test]
fn a_bucket_dropped_at_any_await_is_made_by_the_next_run() {
    dropped(bucket, 1);
}

#[test]
fn a_network_dropped_at_one_await_in_seventeen_is_made_by_the_next_run() {
    dropped(small, 17);
}

#[tokio::test]
async fn two_converges_of_one_platform_at_once_do_the_work_once() {
    let world = World::new(1);
    let platform = world.place(small(), "one");
    let (one, two) = futures_util::future::join(platform.converge(), platform.clone().converge()).await;
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(differences(&world.content(), &clean(small).await), [""; 0]);
    world.check_census(&platform).await;
}
