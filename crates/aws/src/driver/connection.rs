//! A connection to one account and region: credentials that are checked before they sign anything, and a client for each
//! service.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::identity::IdentityCache;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures_util::lock::Mutex as Latest;
use landfall_core::driver::Target;
use landfall_core::endpoint::Endpoint;
use landfall_core::ledger::s3;
use landfall_core::{Code, Error, Result, Retry};
use secrecy::{ExposeSecret, SecretString};

use super::api::{Api, Clients};
use super::error::failed;
use crate::{Aws, region};

/// How long making a connection may take. How long a call may take is said by whoever makes it.
const CONNECT: Duration = Duration::from_secs(3);
/// How long before they expire credentials are renewed.
const AHEAD: Duration = Duration::from_secs(60);

/// How long STS may take to say whose credentials they are, which nobody else limits.
const IDENTIFY: Duration = Duration::from_secs(5);

/// A service that is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Service {
    /// Cloud Control, for native types without calls of our own.
    CloudControl,
    /// CloudWatch Logs.
    CloudWatchLogs,
    /// EC2, networks among it.
    Ec2,
    /// EKS.
    Eks,
    /// ElastiCache.
    ElastiCache,
    /// IAM, which is global.
    Iam,
    /// KMS.
    Kms,
    /// RDS.
    Rds,
    /// The Resource Groups Tagging API.
    ResourceGroupsTagging,
    /// S3.
    S3,
    /// Secrets Manager.
    SecretsManager,
    /// Service Quotas.
    ServiceQuotas,
    /// STS, which says whose credentials they are.
    Sts,
}

/// Whose credentials a connection uses, and where it finds the services.
///
/// ```
/// use landfall_aws::live::{Options, Service};
///
/// let options = Options::key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG".into())
///     .account("123456789012")
///     .emulator("http://127.0.0.1:5000".parse()?);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    credentials: Source,
    account: Option<String>,
    endpoint: Option<Endpoint>,
    endpoints: BTreeMap<Service, Endpoint>,
    fips: bool,
    dual_stack: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Provider(SharedCredentialsProvider),
    Environment,
}

impl Options {
    /// Whatever the process's environment says, in the SDK's own order: variables, the shared files of profiles, a web
    /// identity, the container's or the pod's role, else the machine's. The region is not taken from there.
    #[must_use]
    pub fn environment() -> Self {
        Self::of(Source::Environment)
    }

    /// A long-lived access key.
    #[must_use]
    pub fn key(id: impl Into<String>, secret: SecretString) -> Self {
        let keys = aws_credential_types::Credentials::new(id, secret.expose_secret(), None, None, "landfall");
        Self::of(Source::Provider(SharedCredentialsProvider::new(keys)))
    }

    /// Whatever this provider of the SDK hands out; it is asked again when what it handed out expires.
    #[must_use]
    pub fn provider(provider: impl ProvideCredentials + 'static) -> Self {
        Self::of(Source::Provider(SharedCredentialsProvider::new(provider)))
    }

    fn of(credentials: Source) -> Self {
        Self { credentials, account: None, endpoint: None, endpoints: BTreeMap::new(), fips: false, dual_stack: false }
    }

    /// The account, 12 digits, that the credentials must be of. Without it, the account they are of first; in both cases
    /// credentials of another one are refused before they sign anything.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Another place where one service is found, by https.
    #[must_use]
    pub fn endpoint(mut self, service: Service, url: url::Url) -> Self {
        self.endpoints.insert(service, Endpoint::new(url));
        self
    }

    /// An emulator on this machine (127.0.0.1, `::1` or `localhost`), which may be spoken to without TLS, for every service
    /// that has no endpoint of its own.
    #[must_use]
    pub fn emulator(mut self, url: url::Url) -> Self {
        self.endpoint = Some(Endpoint::emulator(url));
        self
    }

    /// An emulator on this machine for one service.
    #[must_use]
    pub fn emulator_of(mut self, service: Service, url: url::Url) -> Self {
        self.endpoints.insert(service, Endpoint::emulator(url));
        self
    }

    /// Endpoints with FIPS 140 validated cryptography, where the region has them.
    #[must_use]
    pub fn fips(mut self) -> Self {
        self.fips = true;
        self
    }

    /// Endpoints that can be reached by IPv6 as well.
    #[must_use]
    pub fn dual_stack(mut self) -> Self {
        self.dual_stack = true;
        self
    }

    /// The place of S3 by the options of this connection, when it is not the usual one.
    fn s3_place(&self, region: &str) -> Option<Endpoint> {
        let given = self.endpoints.get(&Service::S3).or(self.endpoint.as_ref());
        let fips = if self.fips { "s3-fips" } else { "s3" };
        let both = if self.dual_stack { ".dualstack" } else { "" };
        let own = format!("https://{fips}{both}.{region}.{}", region::dns_suffix(region));
        let own = || own.parse().ok().filter(|_| self.fips || self.dual_stack).map(Endpoint::new);
        given.cloned().or_else(own)
    }

    /// The place of a service, when it is not the cloud's own.
    fn place(&self, service: Service) -> Result<Option<String>> {
        self.endpoints.get(&service).or(self.endpoint.as_ref()).map(Endpoint::check).transpose()
    }
}

/// Credentials that sign nothing before STS has said whose they are, each time there are new ones.
#[derive(Debug)]
struct Checked {
    inner: SharedCredentialsProvider,
    /// What was handed out last, as long as it is good. Ledgers ask before each request, and clusters' tokens do; clients
    /// have a cache of their own.
    last: Latest<Option<aws_credential_types::Credentials>>,
    /// How STS is reached; the credentials are put in.
    sts: aws_sdk_sts::Config,
    account: Option<String>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The access keys that were found to be of the account.
    keys: Vec<String>,
    /// The account and the partition.
    owner: Option<(String, String)>,
}

impl Checked {
    async fn credentials(&self) -> Result<aws_credential_types::Credentials, CredentialsError> {
        // Those who come while new ones are fetched wait for them.
        let mut last = self.last.lock().await;
        if let Some(last) = last.as_ref().filter(|last| lasts(last)) {
            return Ok(last.clone());
        }
        let credentials = self.inner.provide_credentials().await?;
        if !self.knows(credentials.access_key_id()) {
            self.check(&credentials).await.map_err(CredentialsError::provider_error)?;
        }
        *last = Some(credentials.clone());
        Ok(credentials)
    }

    fn knows(&self, key: &str) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys.iter().any(|known| known == key)
    }

    async fn check(&self, credentials: &aws_credential_types::Credentials) -> Result<()> {
        let config = self.sts.to_builder().credentials_provider(credentials.clone()).build();
        let caller = aws_sdk_sts::Client::from_conf(config)
            .get_caller_identity()
            .send()
            .await
            .map_err(failed("sts:GetCallerIdentity"))?;
        let account = caller.account.unwrap_or_default();
        let partition = caller.arn.as_deref().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws").to_owned();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = self.account.as_ref().or(known.owner.as_ref().map(|(account, _)| account));
        if let Some(wanted) = wanted.filter(|wanted| **wanted != account) {
            return Err(Error::new(Code::WrongTarget, format!("the credentials are of another account: {account}"))
                .hint(format!("give credentials of {wanted}")));
        }
        known.keys.push(credentials.access_key_id().to_owned());
        known.owner = Some((account, partition));
        Ok(())
    }
}

/// Whether credentials are good for a while yet. Of those that name no end nobody knows: whoever hands them out is asked.
fn lasts(credentials: &aws_credential_types::Credentials) -> bool {
    #[expect(clippy::disallowed_methods, reason = "credentials expire by the wall clock")]
    let soon = SystemTime::now() + AHEAD;
    credentials.expiry().is_some_and(|expiry| expiry > soon)
}

/// [`Checked`], as the SDK wants it.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Checked>);

impl ProvideCredentials for Shared {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.credentials())
    }
}

impl Aws {
    /// Connects: asks STS whose the credentials are, and nothing else. What the connection does later is done with these
    /// credentials in this region and account alone.
    ///
    /// # Errors
    /// [`Code::UnknownRegion`], [`Code::InvalidValue`] for an endpoint that may not be spoken to, [`Code::WrongTarget`] when
    /// the credentials are of another account than [`Options::account`] or another partition than the region,
    /// [`Code::PermissionDenied`] when they are not accepted, [`Code::Unavailable`] when STS cannot be reached.
    pub async fn connect(&self, options: Options) -> Result<super::Connection> {
        region::known(&self.region)?;
        let region = Region::new(self.region.clone());
        // The SDK's own choice of a client would look for a proxy in the environment.
        let tls = tls::Provider::Rustls(CryptoMode::AwsLc);
        let http = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
        let inner = match &options.credentials {
            Source::Provider(provider) => provider.clone(),
            Source::Environment => {
                let config = ProviderConfig::without_region().with_http_client(http.clone());
                let chain = DefaultCredentialsChain::builder().configure(config).region(region.clone());
                SharedCredentialsProvider::new(chain.build().await)
            }
        };
        let base = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(region)
            .http_client(http)
            // Whoever calls a driver knows better when to repeat a call: what it may have done is in the ledger.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
            .identity_cache(IdentityCache::lazy().build())
            .use_fips(options.fips)
            .use_dual_stack(options.dual_stack)
            .build();
        let mut sts = aws_sdk_sts::config::Builder::from(&base);
        let place = options.place(Service::Sts)?;
        sts.set_endpoint_url(place.clone());
        sts.set_timeout_config(Some(
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(IDENTIFY).build(),
        ));
        let sts = sts.build();
        let account = options.account.clone();
        let checked =
            Shared(Arc::new(Checked { inner, sts, account, last: Latest::default(), known: Mutex::default() }));
        checked.0.credentials().await.map_err(|error| self.unidentified(unable(&error), place.as_deref()))?;
        let known = checked.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (account, partition) = known.owner.clone().unwrap_or_default();
        drop(known);
        let wanted = region::partition(&self.region);
        if partition != wanted {
            return Err(Error::new(
                Code::WrongTarget,
                format!("the credentials are of another partition than {}: {partition}", self.region),
            )
            .hint(format!("give credentials of an account in the partition {wanted}")));
        }
        let target = Target { cloud: "aws".to_owned(), partition, account, region: self.region.clone() };
        let config = base.into_builder().credentials_provider(SharedCredentialsProvider::new(checked.clone())).build();
        Ok(super::Connection::new(Api::new(clients(&config, &options, target)?), checked))
    }

    /// Why nobody says whose the credentials are, with what to look at.
    fn unidentified(&self, error: Error, place: Option<&str>) -> Error {
        let region = &self.region;
        if error.code() == Code::Unavailable && error.next_step().is_none_or(|hint| hint == super::error::NETWORK) {
            let place = place.map_or_else(|| format!("STS in {region}"), str::to_owned);
            return error.hint(format!("check that this machine resolves and reaches it: {place}"));
        }
        // A region that the account has not enabled knows none of its keys, and says no more than that.
        let unknown = error.cloud_answer().is_some_and(|answer| answer.code == "InvalidClientTokenId");
        if unknown && self.needs_opt_in() {
            return error.hint(format!(
                "enable the region in the account's settings, which takes some minutes, or check the access key: {region}"
            ));
        }
        error
    }
}

fn clients(config: &SdkConfig, options: &Options, target: Target) -> Result<Clients> {
    macro_rules! client {
        ($sdk:ident, $service:ident) => {{
            let mut builder = $sdk::config::Builder::from(config);
            builder.set_endpoint_url(options.place(Service::$service)?);
            $sdk::Client::from_conf(builder.build())
        }};
    }
    let s3_place = options.place(Service::S3)?;
    // Names of buckets as domains are for the cloud's own place.
    let mut s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(s3_place.is_some());
    s3.set_endpoint_url(s3_place);
    let place = options.s3_place(&target.region);
    Ok(Clients {
        target,
        cloudcontrol: client!(aws_sdk_cloudcontrol, CloudControl),
        ec2: client!(aws_sdk_ec2, Ec2),
        eks: client!(aws_sdk_eks, Eks),
        elasticache: client!(aws_sdk_elasticache, ElastiCache),
        iam: client!(aws_sdk_iam, Iam),
        kms: client!(aws_sdk_kms, Kms),
        logs: client!(aws_sdk_cloudwatchlogs, CloudWatchLogs),
        quotas: client!(aws_sdk_servicequotas, ServiceQuotas),
        rds: client!(aws_sdk_rds, Rds),
        s3: aws_sdk_s3::Client::from_conf(s3.build()),
        s3_place: place,
        secrets: client!(aws_sdk_secretsmanager, SecretsManager),
        sts: client!(aws_sdk_sts, Sts),
        tagging: client!(aws_sdk_resourcegroupstagging, ResourceGroupsTagging),
    })
}

/// A ledger's options at the place where S3 is.
pub(super) fn at(options: s3::Options, place: Option<&Endpoint>) -> Result<s3::Options> {
    let Some(place) = place else { return Ok(options) };
    let text = place.check()?;
    let url = text.parse().map_err(|_| Error::new(Code::InvalidValue, format!("not a URL: {text}")))?;
    Ok(if place.is_plain() { options.emulator(url) } else { options.endpoint(url) })
}

/// Why there are no credentials.
pub(super) fn unable(error: &CredentialsError) -> Error {
    super::error::own(error).unwrap_or_else(|| {
        let passing = matches!(error, CredentialsError::ProviderError(_) | CredentialsError::ProviderTimedOut(_));
        // Some have a line for each place that was looked at.
        let texts = super::error::texts(error);
        let texts = texts.lines().map(str::trim).collect::<Vec<_>>().join(", ").replace(":, ", ": ");
        Error::new(Code::PermissionDenied, format!("no credentials can be had: {texts}"))
            .retry(if passing { Retry::Transient } else { Retry::Never })
            .hint("give a key or a provider, or set up the environment as the AWS SDKs expect it")
            .during("sts:GetCallerIdentity")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_goes_where_the_client_of_s3_goes() {
        let key = || Options::key("AKIAIOSFODNN7EXAMPLE", "secret".into());
        let place = |options: Options, region: &str| {
            options.s3_place(region).map(|place| (place.check().unwrap_or_default(), place.is_plain()))
        };
        let tls = |url: &str| Some((url.to_owned(), false));
        assert_eq!(place(key(), "eu-west-1"), None);
        assert_eq!(place(key().fips(), "us-east-1"), tls("https://s3-fips.us-east-1.amazonaws.com"));
        assert_eq!(place(key().dual_stack(), "cn-north-1"), tls("https://s3.dualstack.cn-north-1.amazonaws.com.cn"));
        assert_eq!(
            place(key().fips().dual_stack(), "us-east-1"),
            tls("https://s3-fips.dualstack.us-east-1.amazonaws.com")
        );
        let local = || "http://127.0.0.1:5000".parse().unwrap();
        let private: url::Url = "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com".parse().unwrap();
        assert_eq!(
            place(key().fips().emulator(local()), "eu-west-1"),
            Some(("http://127.0.0.1:5000".to_owned(), true))
        );
        assert_eq!(
            place(key().emulator(local()).endpoint(Service::S3, private.clone()), "eu-west-1"),
            tls(private.as_str().trim_end_matches('/'))
        );
    }
}
