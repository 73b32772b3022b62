//! Landfall.

#[cfg(feature = "terminal")]
pub mod terminal;
