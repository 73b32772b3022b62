//! The heart of Landfall: kinds, native resources, the planner, the ledger, the apply loop and the simulated cloud.
//!
//! This crate opens no socket and knows no cloud. The clouds' crates expand kinds into native resources and bring
//! drivers for them; the facade crate `landfall` ties both together.

pub mod apply;
pub mod clock;
pub mod cloud;
pub mod config;
pub mod driver;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod graph;
pub mod kind;
pub mod ledger;
#[cfg(feature = "mock")]
pub mod mock;
pub mod plan;
pub mod rehearse;
pub mod resource;
pub mod sample;
pub mod scope;
pub mod secret;
pub mod sim;
pub mod stack;
pub mod units;

pub use error::{Code, Error, Problems, Remains, Result, Retry};
