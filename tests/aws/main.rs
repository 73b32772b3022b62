//! Platforms on AWS's own protocols: the whole way from declarations through the SDK to servers of other people's making,
//! which `bash .ci/aws` starts. Without them each test says that it is passed over.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod changes;
#[path = "../common/mod.rs"]
mod common;
mod control;
mod credentials;
mod example;
mod faults;
mod ledger_bucket;
mod others;
mod preflight;
mod proxy;
mod refusals;
mod replica;
mod replicas;
mod servers;
mod sweep;
mod updates;
mod upgrades;
mod world;
