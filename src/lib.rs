#![doc = include_str!("../README.md")]

mod builder;
mod outputs;
mod platform;
#[cfg(feature = "terminal")]
pub mod terminal;

pub use builder::PlatformBuilder;
pub use outputs::Outputs;
pub use platform::{Platform, assert_rehearsed};

pub use landfall_core::{
    Code, Error, Problems, Remains, Result, Retry, apply, clock, cloud, config, driver, endpoint, error, event, graph,
    join, kind, ledger, list, map, plan, properties, rehearse, resource, sample, scope, secret, sim, stack, units,
};

#[cfg(feature = "mock")]
pub use landfall_core::mock;

/// Amazon Web Services: expansions, native types, the CloudFormation export.
pub mod aws {
    pub use landfall_aws::*;

    use landfall_core::sim::{SimCloud, Time};

    /// A simulated AWS region for any number of platforms.
    #[must_use]
    pub fn simulated(region: &str, seed: u64, time: Time) -> SimCloud {
        crate::builder::simulated(&Aws::new(region), seed, time)
    }
}

/// Kubernetes: expansions of mesh and service.
pub mod k8s {
    pub use landfall_k8s::*;
}

/// The pages of the documentation, whose programs are compiled and run as far as they need no account.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../docs/rehearsal.md")]
    mod rehearsal {}
    #[cfg(feature = "encryption")]
    #[doc = include_str!("../docs/operations.md")]
    mod operations {}
    #[cfg(feature = "aws")]
    #[doc = include_str!("../docs/ledger.md")]
    mod ledger {}
    #[cfg(feature = "aws")]
    #[doc = include_str!("../docs/aws.md")]
    mod aws {}
}

/// What most programs need: `use landfall::prelude::*`.
pub mod prelude {
    pub use crate::aws::Aws;
    pub use crate::kind::{
        Accelerator, BucketSpec, CacheSpec, ClusterSpec, DatabaseSpec, DependencyKind, MeshSpec, Nat, NetworkSpec,
        NodePoolSpec, Ref, ServiceSpec, Size,
    };
    pub use crate::ledger::Ledger;
    pub use crate::units::{Cpu, GiB, Memory, Range, Rate, Span};
    pub use crate::{Error, Outputs, Platform, PlatformBuilder, Result};
}
