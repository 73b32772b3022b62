//! Ledgers in Amazon S3, and in what speaks its protocol.
//!
//! Every entry is one `PutObject` with `If-None-Match: *`, so that the caller needs `s3:ListBucket` on the bucket, and
//! `s3:GetObject` and `s3:PutObject` below the prefix; deleting is never asked for. Requests go by TLS (rustls with
//! aws-lc-rs, the machine's own root certificates), through no proxy, and are repeated by the ledger alone.

use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::client::HttpConnector;
use object_store::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Ledger;
use super::object_store::Objects;
use super::remote::{self, Endpoint};
use crate::{Code, Error, Result};

/// Which bucket, where, and by whose right.
///
/// ```
/// use landfall_core::ledger::{Ledger, s3};
///
/// let credentials = s3::Credentials::key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG".into());
/// let options = s3::Options::new("inferloop-ledgers", "eu-west-1", credentials)
///     .prefix("platform")
///     .expected_owner("123456789012");
/// let ledger = Ledger::s3(options)?; // no request is made yet
/// # Ok::<_, landfall_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    bucket: String,
    region: String,
    credentials: Credentials,
    prefix: String,
    expected_owner: Option<String>,
    endpoint: Option<Endpoint>,
}

/// By whose right the bucket is read and written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// An access key.
    Key {
        /// Its id.
        id: String,
        /// Its secret half.
        secret: SecretString,
        /// What a temporary key comes with.
        session_token: Option<SecretString>,
    },
    /// Whatever the process's environment says: variables (`AWS_ACCESS_KEY_ID` and its kin), else a web identity, the
    /// container's or the pod's role, else the machine's. Nothing else of the environment is looked at.
    Environment,
}

impl Credentials {
    /// A long-lived access key.
    #[must_use]
    pub fn key(id: impl Into<String>, secret: SecretString) -> Self {
        Self::Key { id: id.into(), secret, session_token: None }
    }

    /// A temporary access key.
    #[must_use]
    pub fn temporary(id: impl Into<String>, secret: SecretString, session_token: SecretString) -> Self {
        Self::Key { id: id.into(), secret, session_token: Some(session_token) }
    }
}

impl Options {
    /// A bucket, the region it is in, and the right to use it.
    #[must_use]
    pub fn new(bucket: impl Into<String>, region: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            bucket: bucket.into(),
            region: region.into(),
            credentials,
            prefix: String::new(),
            expected_owner: None,
            endpoint: None,
        }
    }

    /// What all keys begin with. Without one they begin with the name of the stack.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The account, 12 digits, that must own the bucket: S3 refuses every request when another one does.
    #[must_use]
    pub fn expected_owner(mut self, account: impl Into<String>) -> Self {
        self.expected_owner = Some(account.into());
        self
    }

    /// Another place that speaks S3's protocol, by https. The bucket's name is put behind its path.
    #[must_use]
    pub fn endpoint(mut self, url: Url) -> Self {
        self.endpoint = Some(Endpoint::new(url));
        self
    }

    /// An emulator on this machine (127.0.0.1, `::1` or `localhost`), which may be spoken to without TLS.
    #[must_use]
    pub fn emulator(mut self, url: Url) -> Self {
        self.endpoint = Some(Endpoint::emulator(url));
        self
    }

    fn build(self, connector: impl HttpConnector) -> Result<Objects> {
        remote::name("a bucket", &self.bucket)?;
        remote::name("a region", &self.region)?;
        if self.bucket.ends_with("--x-s3") {
            return Err(Error::new(
                Code::InvalidValue,
                format!("a directory bucket lists in no order: {}", self.bucket),
            )
            .hint("name a general purpose bucket"));
        }
        let endpoint = match &self.endpoint {
            Some(endpoint) => endpoint.check()?,
            None => {
                let domain = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                format!("https://s3.{}.{domain}", self.region)
            }
        };
        let mut client = remote::client(self.endpoint.as_ref());
        if let Some(owner) = &self.expected_owner {
            let digits = owner.len() == 12 && owner.bytes().all(|byte| byte.is_ascii_digit());
            let value = HeaderValue::from_str(owner).ok().filter(|_| digits).ok_or_else(|| {
                Error::new(Code::InvalidValue, format!("not the number of an AWS account: {owner}"))
                    .hint("give the 12 digits of the account that owns the bucket")
            })?;
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-expected-bucket-owner", value);
            // Headers of this sort are signed with the others.
            client = client.with_default_headers(headers);
        }
        let builder = match self.credentials {
            Credentials::Key { id, secret, session_token } => {
                let builder =
                    AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret.expose_secret());
                match session_token {
                    Some(token) => builder.with_token(token.expose_secret()),
                    None => builder,
                }
            }
            Credentials::Environment => from_environment(),
        };
        let store = builder
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_endpoint(endpoint)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(remote::no_retries())
            .with_client_options(client)
            .with_http_connector(connector)
            .build()
            .map_err(|_| remote::unusable("an access key"))?;
        Objects::paged(Arc::new(store), &self.prefix)
    }
}

/// The credentials that the environment speaks of, and nothing else that it says.
fn from_environment() -> AmazonS3Builder {
    use AmazonS3ConfigKey::{
        AccessKeyId, ContainerAuthorizationTokenFile, ContainerCredentialsFullUri, ContainerCredentialsRelativeUri,
        RoleArn, RoleSessionName, SecretAccessKey, Token, WebIdentityTokenFile,
    };
    let keys = [
        AccessKeyId,
        SecretAccessKey,
        Token,
        WebIdentityTokenFile,
        RoleArn,
        RoleSessionName,
        ContainerCredentialsRelativeUri,
        ContainerCredentialsFullUri,
        ContainerAuthorizationTokenFile,
    ];
    let all = AmazonS3Builder::from_env();
    keys.into_iter().fold(AmazonS3Builder::new(), |builder, key| match all.get_config_value(&key) {
        Some(value) => builder.with_config(key, value),
        None => builder,
    })
}

impl Ledger {
    /// A ledger in a bucket of Amazon S3, or of what speaks its protocol. Makes no request.
    ///
    /// # Errors
    /// [`Code::InvalidName`] and [`Code::InvalidValue`] when the options cannot be meant.
    pub fn s3(options: Options) -> Result<Self> {
        Ok(Self::new(Arc::new(options.build(remote::Connector)?)))
    }
}
