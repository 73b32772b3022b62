//! Drivers on the AWS SDK: one file for each family of APIs, one driver for each native type.
//!
//! What is done the same way for every type (matching, ownership, marks, polls, errors) stands once, in `kept` and `error`;
//! a family's file holds the calls and the way between CloudFormation's schema and the API's own.

mod api;
mod connection;
mod denied;
mod each;
mod elasticache;
mod error;
mod kept;
mod kms;
mod logs;
mod rds;
mod s3;
mod secrets;
mod secretsmanager;
mod tagging;
mod token;
mod wanted;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials;
use landfall_core::clock::{Clock, SystemClock};
use landfall_core::driver::{Driver, Drivers, Target};
use landfall_core::resource::{ResourceType, TagStyle};
use landfall_core::{Code, Error, Result};
use secrecy::SecretString;

pub use aws_credential_types::provider::ProvideCredentials as Provider;
pub use connection::{Options, Service};

use api::Api;
use kept::{Keeper, Kept};

/// A connection to one account and region, and the drivers of all its native types. Clones are the same connection.
///
/// ```no_run
/// # async fn connect() -> landfall_core::Result<()> {
/// use landfall_aws::Aws;
/// use landfall_aws::live::Options;
///
/// let connection = Aws::new("eu-west-1").connect(Options::environment().account("123456789012")).await?;
/// assert_eq!(connection.target().account, "123456789012");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    api: Api,
    credentials: Arc<dyn ProvideCredentials>,
    drivers: Arc<BTreeMap<String, Arc<dyn Driver>>>,
    marked: Arc<Vec<String>>,
    clock: Arc<SystemClock>,
}

impl Connection {
    fn new(api: Api, credentials: Arc<dyn ProvideCredentials>) -> Self {
        let types = crate::types::all();
        let marked = types.iter().filter(|of| of.tags != TagStyle::None).map(|of| of.name.to_string());
        let marked = Arc::new(marked.collect());
        let drivers = types.into_iter().filter_map(|of| Some((of.name.to_string(), keeper(&api, of)?)));
        let drivers = Arc::new(drivers.collect());
        Self { api, credentials, drivers, marked, clock: SystemClock::new() }
    }

    /// The account and the region, as STS says.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.api.target
    }

    /// A bearer token for the Kubernetes API of an EKS cluster of this region, signed in this process; no request is sent.
    /// It is good for 14 minutes.
    ///
    /// # Errors
    /// [`Code::PermissionDenied`] when no credentials can be had.
    pub async fn cluster_token(&self, cluster: &str) -> Result<SecretString> {
        let credentials = self.credentials.provide_credentials().await.map_err(|error| connection::unable(&error))?;
        let region = &self.api.target.region;
        #[expect(clippy::disallowed_methods, reason = "a signature says when it was made")]
        let now = SystemTime::now();
        token::token(&credentials, region, crate::region::dns_suffix(region), cluster, now)
    }
}

impl Drivers for Connection {
    fn driver(&self, type_name: &str) -> Result<Arc<dyn Driver>> {
        self.drivers.get(type_name).cloned().ok_or_else(|| {
            Error::new(Code::UnknownType, format!("the connection to AWS keeps no such type: {type_name}"))
                .hint("give drivers for the other parts of the platform beside it")
        })
    }

    fn census_types(&self) -> Vec<String> {
        self.marked.to_vec()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }
}

/// The driver of a native type.
fn keeper(api: &Api, of: ResourceType) -> Option<Arc<dyn Driver>> {
    macro_rules! keepers {
        ($($kept:expr),* $(,)?) => {
            $(if $kept.type_name() == of.name {
                return Some(Arc::new(Keeper::new($kept, of, api.clone())));
            })*
        };
    }
    keepers![
        elasticache::ParameterGroup,
        elasticache::ReplicationGroup,
        elasticache::SubnetGroup,
        kms::Key,
        kms::Alias,
        logs::LogGroup,
        rds::Instance,
        rds::ParameterGroup,
        rds::SubnetGroup,
        s3::Bucket,
        s3::BucketPolicy,
        secretsmanager::Secret,
    ];
    None
}
