//! The clients of one connection, and what every call of a driver needs besides them.

use std::sync::Arc;

use landfall_core::driver::Target;
use landfall_core::endpoint::Endpoint;
use landfall_core::{Code, Error, Result};

use super::denied;

/// Clients for every service, all with the same credentials and the same region.
#[derive(Clone, Debug)]
pub(super) struct Api(Arc<Clients>);

#[derive(Debug)]
pub(super) struct Clients {
    pub(super) target: Target,
    pub(super) cloudcontrol: aws_sdk_cloudcontrol::Client,
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) eks: aws_sdk_eks::Client,
    pub(super) elasticache: aws_sdk_elasticache::Client,
    pub(super) iam: aws_sdk_iam::Client,
    pub(super) kms: aws_sdk_kms::Client,
    pub(super) logs: aws_sdk_cloudwatchlogs::Client,
    pub(super) quotas: aws_sdk_servicequotas::Client,
    pub(super) rds: aws_sdk_rds::Client,
    pub(super) s3: aws_sdk_s3::Client,
    /// Where S3 is found by others than its client, when it is not at its usual place.
    pub(super) s3_place: Option<Endpoint>,
    pub(super) secrets: aws_sdk_secretsmanager::Client,
    pub(super) sts: aws_sdk_sts::Client,
    pub(super) tagging: aws_sdk_resourcegroupstagging::Client,
}

impl std::ops::Deref for Api {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.0
    }
}

impl Api {
    pub(super) fn new(clients: Clients) -> Self {
        Self(Arc::new(clients))
    }

    /// Refuses a change anywhere but where the stack is pinned to.
    ///
    /// That the credentials are those of the connection's account is checked whenever new ones are handed out, before the
    /// first request that they sign.
    pub(super) fn check_target(&self, pinned: &Target) -> Result<()> {
        if *pinned == self.target {
            return Ok(());
        }
        let Target { account, region, .. } = &self.target;
        Err(Error::new(
            Code::WrongTarget,
            format!(
                "the connection is to {account} in {region}, the stack is in {} in {}",
                pinned.account, pinned.region
            ),
        )
        .hint("connect to the account and the region that the stack is pinned to"))
    }

    /// The ARN of something of this account and region.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let Target { partition, account, region, .. } = &self.target;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    /// The same error; one that says that something is not permitted says exactly what, and what would permit it.
    pub(super) async fn explained(&self, error: Error) -> Error {
        if error.code() == Code::PermissionDenied { denied::explained(self, error).await } else { error }
    }
}
