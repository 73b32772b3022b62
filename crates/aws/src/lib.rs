//! Amazon Web Services for Landfall: what a network, a cluster, a node pool, a database, a cache and a bucket are made
//! of there, in CloudFormation's own resource types.
//!
//! Nothing here opens a socket or knows credentials: expansions and tables are pure, and planning needs nothing else.

mod access;
mod bucket;
mod cache;
mod check;
mod cluster;
mod data_tier;
mod database;
mod iam;
mod key;
mod machine;
mod name;
mod network;
mod node_pool;
mod region;
mod server_size;
mod subnet;
mod template;
mod types;
mod version;

#[cfg(test)]
mod testing;

pub use template::template;

use landfall_core::Error;
use landfall_core::cloud::Cloud;
use landfall_core::resource::ResourceType;
use landfall_core::stack::Stack;

/// Amazon Web Services in one region: expansions and tables, no connection.
///
/// ```
/// use landfall_aws::Aws;
/// use landfall_core::cloud::Cloud;
///
/// let aws = Aws::new("eu-west-1");
/// assert_eq!(aws.name(), "aws");
/// assert!(aws.types().iter().any(|of| of.name == "AWS::EKS::Cluster"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aws {
    region: String,
}

impl Aws {
    /// The cloud, with everything made in this region, such as `eu-west-1`. Whether there is such a region is checked
    /// together with everything else that a stack declares.
    #[must_use]
    pub fn new(region: impl Into<String>) -> Self {
        Self { region: region.into() }
    }

    /// Whether the account must enable the region before anything can be made in it.
    ///
    /// ```
    /// use landfall_aws::Aws;
    ///
    /// assert!(Aws::new("eu-south-2").needs_opt_in());
    /// assert!(!Aws::new("eu-west-1").needs_opt_in());
    /// ```
    #[must_use]
    pub fn needs_opt_in(&self) -> bool {
        region::is_opt_in(&self.region)
    }
}

impl Cloud for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn region(&self) -> &str {
        &self.region
    }

    fn types(&self) -> Vec<ResourceType> {
        types::all()
    }

    fn check(&self, stack: &Stack) -> Vec<Error> {
        check::stack(&self.region, stack)
    }
}
