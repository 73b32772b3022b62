//! Drivers on the AWS SDK: one file for each family of APIs, one driver for each native type.
//!
//! What is done the same way for every type (matching, ownership, marks, polls, errors) stands once, in `kept` and `error`;
//! a family's file holds the calls and the way between CloudFormation's schema and the API's own.

mod api;
mod cloudcontrol;
mod connection;
mod denied;
mod each;
mod ec2;
mod eks;
mod elasticache;
mod error;
mod iam;
mod kept;
mod kms;
mod logs;
mod preflight;
mod rds;
mod s3;
mod secrets;
mod secretsmanager;
mod tagging;
mod token;
mod wanted;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials;
use futures_util::future::{BoxFuture, join};
use landfall_core::clock::{Clock, SystemClock};
use landfall_core::driver::{Ahead, Context, Driver, Drivers, Target};
use landfall_core::resource::{ResourceType, TagStyle};
use landfall_core::{Code, Error, Result};
use secrecy::SecretString;

pub use aws_credential_types::provider::ProvideCredentials as Provider;
pub use connection::{Options, Service};

use api::Api;
use cloudcontrol::CloudControl;
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
    credentials: connection::Shared,
    drivers: Arc<BTreeMap<String, Arc<dyn Driver>>>,
    marked: Arc<Vec<String>>,
    /// Drivers of types that have no calls of ours, as they are asked for.
    others: Arc<Mutex<BTreeMap<String, Arc<dyn Driver>>>>,
    clock: Arc<SystemClock>,
}

impl Connection {
    fn new(api: Api, credentials: connection::Shared) -> Self {
        let types = crate::types::all();
        let marked = types.iter().filter(|of| of.tags != TagStyle::None).map(|of| of.name.to_string());
        let marked = Arc::new(marked.collect());
        let drivers = types.into_iter().filter_map(|of| Some((of.name.to_string(), keeper(&api, of)?)));
        let drivers = Arc::new(drivers.collect());
        Self { api, credentials, drivers, marked, others: Arc::default(), clock: SystemClock::new() }
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
        if let Some(driver) = self.drivers.get(type_name) {
            return Ok(driver.clone());
        }
        if !type_name.starts_with("AWS::") {
            return Err(Error::new(
                Code::UnknownType,
                format!("the connection to AWS keeps no such type: {type_name}"),
            )
            .hint("give drivers for the other parts of the platform beside it"));
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = others.get(type_name) {
            return Ok(driver.clone());
        }
        let driver: Arc<dyn Driver> = Arc::new(CloudControl::new(type_name, self.api.clone())?);
        others.insert(type_name.to_owned(), driver.clone());
        Ok(driver)
    }

    /// Types that Cloud Control keeps are counted once they were asked for.
    fn census_types(&self) -> Vec<String> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        self.marked.iter().chain(others.keys()).cloned().collect()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn preflight<'a>(&'a self, cx: &'a Context<'a>, ahead: &'a Ahead) -> BoxFuture<'a, Result<Vec<Error>>> {
        Box::pin(async move {
            self.api.check_target(cx.target)?;
            let types = crate::types::all();
            let asked = preflight::problems(&self.api, &types, &*self.clock, ahead);
            let (problems, taken) = join(asked, preflight::taken(&types, &self.drivers, &*self.clock, cx, ahead)).await;
            Ok(problems.into_iter().chain(taken).collect())
        })
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
    keepers![ec2::Vpc, ec2::Subnet, ec2::InternetGateway, ec2::Attachment, ec2::Address, ec2::NatGateway];
    keepers![ec2::RouteTable, ec2::Route, ec2::Association, ec2::VpcEndpoint, ec2::FlowLog, ec2::LaunchTemplate];
    keepers![ec2::SecurityGroup, ec2::IngressRule, ec2::EgressRule];
    keepers![
        eks::Cluster::default(),
        eks::NodeGroup::default(),
        eks::Addon,
        eks::AccessEntry,
        eks::PodIdentityAssociation
    ];
    keepers![elasticache::ParameterGroup, elasticache::ReplicationGroup, elasticache::SubnetGroup];
    keepers![iam::Role, iam::RolePolicy, kms::Key, kms::Alias, logs::LogGroup];
    keepers![rds::Instance, rds::ParameterGroup, rds::SubnetGroup];
    keepers![s3::Bucket, s3::BucketPolicy, secretsmanager::Secret];
    None
}
