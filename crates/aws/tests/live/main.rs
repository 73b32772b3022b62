//! The drivers of AWS against servers of other people's making, which `bash .ci/aws` starts. Without them each test says that
//! it is passed over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bench;
mod cloudcontrol;
mod ec2;
mod eks;
mod elasticache;
mod iam;
mod kms;
mod logs;
mod rds;
mod s3;
mod secretsmanager;
