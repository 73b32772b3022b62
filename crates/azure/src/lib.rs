//! Azure for Landfall: the files in which it will stand.
//!
//! Nothing is exported yet: a platform cannot be declared on Azure. Each module says what it will hold; the modules have
//! the names that they have in the other clouds' crates.

mod access;
mod bucket;
mod cache;
mod check;
mod cluster;
mod database;
mod machine;
mod name;
mod network;
mod node_pool;
mod region;
mod types;
mod version;
