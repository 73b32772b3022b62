//! Ledgers in Google Cloud Storage.
//!
//! Every entry is one object made under `ifGenerationMatch=0`, by the XML API, so that the caller needs
//! `storage.objects.list`, `storage.objects.get` and `storage.objects.create` on the bucket (the roles *Storage Object
//! Viewer* and *Storage Object Creator*); deleting is never asked for. Requests go by TLS (rustls with aws-lc-rs, the
//! machine's own root certificates), through no proxy, and are repeated by the ledger alone.

use std::sync::Arc;

use object_store::StaticCredentialProvider;
use object_store::client::HttpConnector;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Ledger;
use super::object_store::Objects;
use super::remote;
use crate::Result;
use crate::endpoint::Endpoint;

/// Where the clouds' own buckets are.
const CLOUD: &str = "https://storage.googleapis.com";

/// Which bucket, and by whose right.
///
/// ```
/// use landfall_core::ledger::{Ledger, cloud_storage};
///
/// let credentials = cloud_storage::Credentials::BearerToken("ya29.c.b0Aaekm1".into());
/// let ledger = Ledger::cloud_storage(cloud_storage::Options::new("inferloop-ledgers", credentials).prefix("platform"))?;
/// # Ok::<_, landfall_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    bucket: String,
    credentials: Credentials,
    prefix: String,
    endpoint: Option<Endpoint>,
}

/// By whose right the bucket is read and written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// The key of a service account: the JSON text that Google hands out.
    ServiceAccountKey(SecretString),
    /// A token that somebody else gets and renews. It lives for an hour at most.
    BearerToken(SecretString),
    /// Whatever the process's environment says: `GOOGLE_SERVICE_ACCOUNT`, `GOOGLE_SERVICE_ACCOUNT_KEY`,
    /// `GOOGLE_APPLICATION_CREDENTIALS`, the user's own application default credentials, else the service account of the
    /// machine or pod. Nothing else of the environment is looked at.
    Environment,
}

impl Options {
    /// A bucket and the right to use it.
    #[must_use]
    pub fn new(bucket: impl Into<String>, credentials: Credentials) -> Self {
        Self { bucket: bucket.into(), credentials, prefix: String::new(), endpoint: None }
    }

    /// What all keys begin with. Without one they begin with the name of the stack.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Another place that speaks the XML API, by https. The bucket's name is put behind its path.
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
        let endpoint = self.endpoint.as_ref().map_or(Ok(CLOUD.to_owned()), Endpoint::check)?;
        let builder = match self.credentials {
            Credentials::ServiceAccountKey(key) => {
                GoogleCloudStorageBuilder::new().with_service_account_key(key.expose_secret())
            }
            Credentials::BearerToken(token) => {
                let bearer = token.expose_secret().to_owned();
                let provider = StaticCredentialProvider::new(GcpCredential { bearer });
                GoogleCloudStorageBuilder::new().with_credentials(Arc::new(provider))
            }
            Credentials::Environment => from_environment(),
        };
        let store = builder
            .with_bucket_name(&self.bucket)
            .with_base_url(&endpoint)
            .with_retry(remote::no_retries())
            .with_client_options(remote::client(self.endpoint.as_ref()))
            .with_http_connector(connector)
            .build()
            .map_err(|_| remote::unusable("a service account's key"))?;
        Objects::paged(Arc::new(store), &self.prefix)
    }
}

/// The credentials that the environment speaks of, and nothing else that it says.
fn from_environment() -> GoogleCloudStorageBuilder {
    use GoogleConfigKey::{ApplicationCredentials, ServiceAccount, ServiceAccountKey};
    let all = GoogleCloudStorageBuilder::from_env();
    let keys = [ServiceAccount, ServiceAccountKey, ApplicationCredentials];
    keys.into_iter().fold(GoogleCloudStorageBuilder::new(), |builder, key| match all.get_config_value(&key) {
        Some(value) => builder.with_config(key, value),
        None => builder,
    })
}

impl Ledger {
    /// A ledger in a bucket of Google Cloud Storage. Makes no request.
    ///
    /// # Errors
    /// [`Code::InvalidName`](crate::Code::InvalidName) and [`Code::InvalidValue`](crate::Code::InvalidValue) when the
    /// options cannot be meant.
    pub fn cloud_storage(options: Options) -> Result<Self> {
        Ok(Self::new(Arc::new(options.build(remote::Connector)?)))
    }
}
