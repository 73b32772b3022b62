//! Ledgers in Azure Blob Storage.
//!
//! Every entry is one block blob made under `If-None-Match: *`, so that the caller needs to list, read and create blobs in
//! the container (`Storage Blob Data Contributor` is the smallest built-in role; a shared access signature needs `rcl`);
//! deleting is never asked for. Requests go by TLS (rustls with aws-lc-rs, the machine's own root certificates), through
//! no proxy, and are repeated by the ledger alone.

use std::sync::Arc;

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::HttpConnector;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Ledger;
use super::object_store::Objects;
use super::remote;
use crate::Result;
use crate::endpoint::Endpoint;

/// Which container of which storage account, and by whose right.
///
/// ```
/// use landfall_core::ledger::{Ledger, azure_blob};
///
/// let credentials = azure_blob::Credentials::AccessKey("c2VjcmV0IGtleQ==".into());
/// let options = azure_blob::Options::new("inferloop", "ledgers", credentials).prefix("platform");
/// let ledger = Ledger::azure_blob(options)?; // no request is made yet
/// # Ok::<_, landfall_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    account: String,
    container: String,
    credentials: Credentials,
    prefix: String,
    endpoint: Option<Endpoint>,
}

/// By whose right the container is read and written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// A key of the storage account, in base64.
    AccessKey(SecretString),
    /// A shared access signature: the query that Azure hands out, with or without its question mark.
    SharedAccessSignature(SecretString),
    /// A token that somebody else gets and renews.
    BearerToken(SecretString),
    /// An application registered with Entra.
    ClientSecret {
        /// The tenant's id.
        tenant: String,
        /// The application's id.
        client: String,
        /// Its secret.
        secret: SecretString,
    },
    /// Whatever the process's environment says: variables (`AZURE_CLIENT_ID` and its kin), the pod's workload identity,
    /// else the machine's managed identity. Nothing else of the environment is looked at.
    Environment,
}

impl Options {
    /// A container of a storage account and the right to use it.
    #[must_use]
    pub fn new(account: impl Into<String>, container: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            account: account.into(),
            container: container.into(),
            credentials,
            prefix: String::new(),
            endpoint: None,
        }
    }

    /// What all keys begin with. Without one they begin with the name of the stack.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Another place that serves the account, by https: another cloud's, or a private one. The container's name is put
    /// behind its path.
    #[must_use]
    pub fn endpoint(mut self, url: Url) -> Self {
        self.endpoint = Some(Endpoint::new(url));
        self
    }

    /// An emulator on this machine (127.0.0.1, `::1` or `localhost`), which may be spoken to without TLS. Azurite's path
    /// is the name of the account.
    #[must_use]
    pub fn emulator(mut self, url: Url) -> Self {
        self.endpoint = Some(Endpoint::emulator(url));
        self
    }

    fn build(self, connector: impl HttpConnector) -> Result<Objects> {
        remote::name("a storage account", &self.account)?;
        remote::name("a container", &self.container)?;
        let endpoint = match &self.endpoint {
            Some(endpoint) => endpoint.check()?,
            None => format!("https://{}.blob.core.windows.net", self.account),
        };
        let (builder, sort) = match self.credentials {
            Credentials::AccessKey(key) => {
                (MicrosoftAzureBuilder::new().with_access_key(key.expose_secret()), "access_key")
            }
            Credentials::SharedAccessSignature(query) => {
                (MicrosoftAzureBuilder::new().with_config(AzureConfigKey::SasKey, query.expose_secret()), "sas_token")
            }
            Credentials::BearerToken(token) => {
                (MicrosoftAzureBuilder::new().with_bearer_token_authorization(token.expose_secret()), "bearer_token")
            }
            Credentials::ClientSecret { tenant, client, secret } => {
                let secret = secret.expose_secret();
                (MicrosoftAzureBuilder::new().with_client_secret_authorization(client, secret, tenant), "client_secret")
            }
            Credentials::Environment => (from_environment(), "auto"),
        };
        let store = builder
            .with_credential_type(sort)
            .with_account(&self.account)
            .with_container_name(&self.container)
            .with_endpoint(endpoint)
            .with_retry(remote::no_retries())
            .with_client_options(remote::client(self.endpoint.as_ref()))
            .with_http_connector(connector)
            .build()
            .map_err(|_| remote::unusable(sort))?;
        Objects::paged(Arc::new(store), &self.prefix)
    }
}

/// The credentials that the environment speaks of, and nothing else that it says.
fn from_environment() -> MicrosoftAzureBuilder {
    use AzureConfigKey::{
        AccessKey, AuthorityHost, AuthorityId, ClientId, ClientSecret, FederatedTokenFile, MsiEndpoint, SasKey, Token,
    };
    let keys =
        [AccessKey, SasKey, Token, ClientId, ClientSecret, AuthorityId, AuthorityHost, FederatedTokenFile, MsiEndpoint];
    let all = MicrosoftAzureBuilder::from_env();
    keys.into_iter().fold(MicrosoftAzureBuilder::new(), |builder, key| match all.get_config_value(&key) {
        Some(value) => builder.with_config(key, value),
        None => builder,
    })
}

impl Ledger {
    /// A ledger in a container of Azure Blob Storage. Makes no request.
    ///
    /// # Errors
    /// [`Code::InvalidName`](crate::Code::InvalidName) and [`Code::InvalidValue`](crate::Code::InvalidValue) when the
    /// options cannot be meant.
    pub fn azure_blob(options: Options) -> Result<Self> {
        Ok(Self::new(Arc::new(options.build(remote::Connector)?)))
    }
}
