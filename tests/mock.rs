//! Platforms on drivers whose every call is scripted.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use landfall::driver::{Context, Observation, Operation, Target};
use landfall::mock::{MockDriver, drivers};
use landfall::prelude::*;
use landfall::resource::{Identity, Verb};
use landfall::{Code, properties};

fn target() -> Target {
    Target { cloud: "aws".into(), partition: "aws".into(), account: "123456789012".into(), region: "eu-west-1".into() }
}

/// A platform of one log group, on this driver.
fn platform(driver: MockDriver) -> Platform {
    let mut platform = Platform::builder("shop", "test", Aws::new("eu-west-1"));
    platform.native("log", "AWS::Logs::LogGroup", properties! { "LogGroupName" => "shop", "RetentionInDays" => 30 });
    platform.live(Arc::new(drivers(driver)), target()).ledger(Ledger::memory());
    platform.build().unwrap()
}

fn absent(_: &Context<'_>, these: &[Identity]) -> Result<Vec<Observation>> {
    Ok(these.iter().map(|_| Observation::Absent).collect())
}

#[tokio::test]
async fn a_plan_reads_and_calls_nothing_else() {
    let mut driver = MockDriver::new();
    driver.expect_observe().returning(absent);
    assert_eq!(platform(driver).plan().await.unwrap().steps.len(), 1);
}

#[tokio::test]
async fn a_create_is_called_once_with_what_was_declared() {
    let mut driver = MockDriver::new();
    driver.expect_observe().returning(absent);
    driver
        .expect_create()
        .withf(|_, at, desired| {
            at.address.as_str() == "aws/native/log/resource" && desired["RetentionInDays"].as_i64() == Some(30)
        })
        .times(1)
        .returning(|_, at, _| {
            let at = Identity { id: Some("shop".into()), ..at.clone() };
            Ok(Operation::done(at, Verb::Create, properties! { "Arn" => "arn:aws:logs:eu-west-1:123456789012:shop" }))
        });
    platform(driver).converge().await.unwrap();
}

#[tokio::test]
async fn a_refused_create_is_not_tried_again() {
    let mut driver = MockDriver::new();
    driver.expect_observe().returning(absent);
    driver.expect_create().times(1).returning(|_, _, _| Err(Error::new(Code::PermissionDenied, "not allowed: logs")));
    let error = platform(driver).converge().await.unwrap_err();
    assert!(error.problems().iter().any(|problem| problem.code() == Code::PermissionDenied), "{error}");
}
