//! Ledgers in Amazon S3, and in what speaks its protocol.
//!
//! Every entry is one `PutObject` with `If-None-Match: *`, so that the caller needs `s3:ListBucket` on the bucket, and
//! `s3:GetObject` and `s3:PutObject` below the prefix; deleting is never asked for. Requests go by TLS (rustls with
//! aws-lc-rs, the machine's own root certificates), through no proxy, and are repeated by the ledger alone.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, S3ConditionalPut};
use object_store::client::HttpConnector;
use object_store::{CredentialProvider, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Ledger;
use super::object_store::Objects;
use super::remote;
use crate::endpoint::Endpoint;
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
    Key(Key),
    /// Whatever this hands out, asked before each request.
    Provider(Arc<dyn Provider>),
    /// Whatever the process's environment says: variables (`AWS_ACCESS_KEY_ID` and its kin), else a web identity, the
    /// container's or the pod's role, else the machine's. Nothing else of the environment is looked at.
    Environment,
}

impl Credentials {
    /// A long-lived access key.
    #[must_use]
    pub fn key(id: impl Into<String>, secret: SecretString) -> Self {
        Self::Key(Key { id: id.into(), secret, session_token: None })
    }

    /// A temporary access key.
    #[must_use]
    pub fn temporary(id: impl Into<String>, secret: SecretString, session_token: SecretString) -> Self {
        Self::Key(Key { id: id.into(), secret, session_token: Some(session_token) })
    }

    /// Whatever this hands out, such as keys that last an hour, or those that something else in the process uses.
    #[must_use]
    pub fn provider(provider: impl Provider + 'static) -> Self {
        Self::Provider(Arc::new(provider))
    }
}

/// An access key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// Its secret half.
    pub secret: SecretString,
    /// What a temporary key comes with.
    pub session_token: Option<SecretString>,
}

/// What hands out access keys.
///
/// ```
/// use landfall_core::Result;
/// use landfall_core::ledger::s3::{Credentials, Key, Provider};
///
/// #[derive(Debug)]
/// struct Vault;
///
/// #[async_trait::async_trait]
/// impl Provider for Vault {
///     async fn key(&self) -> Result<Key> {
///         // Asked of the vault when the last one is about to expire.
///         let session_token = Some("FwoGZXIvYXdzEXAMPLE".into());
///         Ok(Key { id: "ASIAIOSFODNN7EXAMPLE".into(), secret: "wJalrXUtnFEMI/K7MDENG".into(), session_token })
///     }
/// }
///
/// let credentials = Credentials::provider(Vault);
/// ```
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// The key that signs the next request. It is asked before each one, by several at the same time: what is good for a
    /// while should be kept for that while. Dropping the future must leave the provider as it was.
    ///
    /// # Errors
    /// Whatever keeps it from handing out a key; the ledger's caller gets it as it is. By
    /// [`Error::retry_class`] it says whether asking again helps, which the ledger then does a few times.
    async fn key(&self) -> Result<Key>;
}

/// A [`Provider`], as the store's client wants it.
#[derive(Debug)]
struct Provided(Arc<dyn Provider>);

#[async_trait]
impl CredentialProvider for Provided {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let key = self.0.key().await;
        let Key { id, secret, session_token } =
            key.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(Arc::new(AwsCredential {
            key_id: id,
            secret_key: secret.expose_secret().to_owned(),
            token: session_token.map(|token| token.expose_secret().to_owned()),
        }))
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

    /// The account, 12 digits, that must own the bucket: S3 refuses to read and write entries when another one does.
    /// Listings do not ask for it.
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
            client = client.with_default_headers(headers);
        }
        let builder = match self.credentials {
            Credentials::Key(Key { id, secret, session_token }) => {
                let builder =
                    AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret.expose_secret());
                match session_token {
                    Some(token) => builder.with_token(token.expose_secret()),
                    None => builder,
                }
            }
            Credentials::Provider(provider) => AmazonS3Builder::new().with_credentials(Arc::new(Provided(provider))),
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};
    use std::sync::Mutex;

    use bytes::Bytes;
    use object_store::ClientOptions;
    use object_store::client::{
        HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    };

    use super::super::testing::{TestClock, done, intent, options as holder, stack};
    use super::super::{Loaded, Put, Store};
    use super::*;
    use crate::{Error, Retry};

    /// What goes wrong with one request.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fault {
        None,
        /// It acts, and the answer is this status.
        ActsThen(u16),
        /// It does not act, and the answer is this status.
        Says(u16, &'static str),
        /// It acts, and the connection breaks.
        ActsThenBreaks,
    }

    /// S3 as far as entries need it.
    #[derive(Clone, Debug, Default)]
    struct Scripted(Arc<Mutex<Inner>>);

    #[derive(Debug, Default)]
    struct Inner {
        objects: BTreeMap<String, Bytes>,
        faults: VecDeque<Fault>,
        seen: Vec<(String, String)>,
        headers: Vec<HeaderMap>,
    }

    fn reply(status: u16, body: impl Into<Bytes>) -> HttpResponse {
        let mut response = HttpResponse::new(body.into().into());
        *response.status_mut() = status.try_into().unwrap();
        for (name, value) in [("etag", "\"e\""), ("last-modified", "Mon, 23 Nov 2026 06:00:00 GMT")] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn error(code: &str) -> String {
        format!("<Error><Code>{code}</Code><Message>No.</Message><Token-0>the session token</Token-0></Error>")
    }

    #[async_trait]
    impl HttpService for Scripted {
        async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
            let (parts, body) = request.into_parts();
            let body = HttpResponseBody::new(body).bytes().await?;
            let mut inner = self.0.lock().unwrap();
            let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
            inner.seen.push((method.clone(), path.clone()));
            inner.headers.push(parts.headers.clone());
            let fault = inner.faults.pop_front().unwrap_or(Fault::None);
            if let Fault::Says(status, code) = fault {
                return Ok(reply(status, error(code)));
            }
            let answer = match method.as_str() {
                "PUT" if inner.objects.contains_key(&path) => reply(412, error("PreconditionFailed")),
                "PUT" => {
                    assert_eq!(parts.headers["if-none-match"], "*");
                    inner.objects.insert(path, body);
                    reply(200, Bytes::new())
                }
                _ => match inner.objects.get(&path) {
                    Some(bytes) => {
                        let mut response = reply(200, bytes.clone());
                        response.headers_mut().insert("content-length", bytes.len().into());
                        response
                    }
                    None => reply(404, error("NoSuchKey")),
                },
            };
            match fault {
                Fault::ActsThen(status) => Ok(reply(status, error("InternalError"))),
                Fault::ActsThenBreaks => {
                    Err(HttpError::new(HttpErrorKind::Interrupted, std::io::Error::other("connection reset")))
                }
                _ => Ok(answer),
            }
        }
    }

    impl HttpConnector for Scripted {
        fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
            Ok(HttpClient::new(remote::Attentive(HttpClient::new(self.clone()))))
        }
    }
    fn options() -> Options {
        let credentials =
            Credentials::temporary("AKIAIOSFODNN7EXAMPLE", "the secret key".into(), "the session token".into());
        Options::new("ledgers", "eu-west-1", credentials).prefix("teams").expected_owner("123456789012")
    }

    /// A ledger on S3 that does what the script says.
    fn begin(clock: &TestClock) -> (Scripted, Ledger) {
        let script = Scripted::default();
        let store = options().build(script.clone()).unwrap();
        (script, Ledger::new(Arc::new(store)).with_clock(Arc::new(clock.clone())))
    }

    impl Scripted {
        fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
            self.0.lock().unwrap().faults.extend(faults);
        }

        fn methods(&self) -> Vec<String> {
            self.0.lock().unwrap().seen.drain(..).map(|(method, _)| method).collect()
        }
    }

    #[test]
    fn a_put_that_meets_its_own_first_attempt_is_ours() {
        for (faults, requests) in [
            (vec![Fault::ActsThen(500)], vec!["PUT", "GET"]),
            (vec![Fault::ActsThenBreaks], vec!["PUT", "GET"]),
            // Not even reading it back works: the put is repeated, and refused because of the first one.
            (vec![Fault::ActsThen(500), Fault::Says(503, "SlowDown")], vec!["PUT", "GET", "PUT", "GET"]),
            (vec![Fault::ActsThenBreaks, Fault::Says(500, "InternalError")], vec!["PUT", "GET", "PUT", "GET"]),
            // Two conditional puts at once: S3 refuses one of them, perhaps both, and says to try again.
            (vec![Fault::Says(409, "ConditionalRequestConflict")], vec!["PUT", "GET", "PUT"]),
            (vec![Fault::Says(500, "InternalError")], vec!["PUT", "GET", "PUT"]),
        ] {
            let clock = TestClock::default();
            let (script, ledger) = begin(&clock);
            let mut session = clock.run(async {
                // The ledger is empty: this script knows no listing.
                let loaded = Loaded::default();
                *ledger.take(&stack(), &holder("a"), loaded).await.unwrap().unwrap()
            });
            script.methods();
            script.faults(faults.clone());
            clock.run(session.commit(vec![intent(1, 0), done(1)])).unwrap();
            assert_eq!(script.methods(), requests, "{faults:?}");
            assert_eq!(session.head().number, 2, "{faults:?}");
            clock.run(session.commit(vec![intent(2, 0)])).unwrap();
        }
    }

    #[test]
    fn an_entry_of_another_holder_is_not_taken_for_ours() {
        let clock = TestClock::default();
        let (script, ledger) = begin(&clock);
        clock.run(async {
            let loaded = Loaded::default();
            let taken = ledger.take(&stack(), &holder("a"), loaded.clone()).await.unwrap();
            assert!(taken.is_some());
            script.faults([Fault::Says(500, "InternalError")]);
            let other = Ledger::new(ledger.store().clone()).with_clock(Arc::new(clock.clone()));
            let beaten = other.take(&stack(), &holder("b"), loaded).await.unwrap();
            assert!(beaten.is_none());
        });
    }

    #[tokio::test]
    async fn the_buckets_owner_is_asked_for_where_entries_are_read_and_written() {
        let script = Scripted::default();
        let store = options().build(script.clone()).unwrap();
        assert_eq!(store.put_if_absent("key", Bytes::from_static(b"one")).await.unwrap(), Put::Created);
        assert_eq!(store.get("key").await.unwrap().unwrap(), "one");
        let inner = script.0.lock().unwrap();
        assert_eq!(inner.seen[0], ("PUT".to_owned(), "/ledgers/teams/key".to_owned()));
        assert_eq!(inner.headers.len(), 2);
        for headers in &inner.headers {
            assert_eq!(headers["x-amz-expected-bucket-owner"], "123456789012");
        }
    }

    #[tokio::test]
    async fn only_the_store_itself_can_say_that_an_entry_is_absent() {
        let script = Scripted::default();
        let store = options().build(script.clone()).unwrap();
        assert_eq!(store.get("key").await.unwrap(), None);
        for (status, code) in [(404, "NoSuchBucket"), (404, "NotFound"), (403, "AccessDenied"), (503, "SlowDown")] {
            script.faults([Fault::Says(status, code)]);
            assert_eq!(store.get("key").await.unwrap_err().code(), Code::LedgerUnavailable, "{code}");
        }
        script.faults([Fault::Says(501, "NotImplemented")]);
        let error = store.put_if_absent("key", Bytes::from_static(b"one")).await.unwrap_err();
        assert_eq!((error.code(), error.retry_class()), (Code::LedgerUnconditional, Retry::Never));
    }

    #[tokio::test]
    async fn no_text_shows_a_credential() {
        let script = Scripted::default();
        let store = options().build(script.clone()).unwrap();
        let mut texts = vec![format!("{:?}", options()), format!("{:#?}", Ledger::s3(options()).unwrap())];
        for (status, code) in [(400, "InvalidToken"), (403, "SignatureDoesNotMatch"), (409, "OperationAborted")] {
            script.faults([Fault::Says(status, code)]);
            let error: Error = store.get("key").await.unwrap_err();
            let mut source: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = source {
                texts.push(format!("{error} {error:?}"));
                source = error.source();
            }
        }
        for text in texts {
            assert!(!text.contains("the secret key") && !text.contains("the session token"), "{text}");
        }
    }

    /// Another key each time, and none at the third time.
    #[derive(Debug, Default)]
    struct Rotating(Mutex<u32>);

    #[async_trait]
    impl Provider for Rotating {
        async fn key(&self) -> Result<Key> {
            let mut asked = self.0.lock().unwrap();
            *asked += 1;
            match *asked {
                3 => Err(Error::new(Code::WrongTarget, "the credentials are of another account: 2")),
                number => Ok(Key {
                    id: format!("ASIA{number}"),
                    secret: "the secret key".into(),
                    session_token: Some(format!("the session token {number}").into()),
                }),
            }
        }
    }

    #[tokio::test]
    async fn a_provider_is_asked_for_a_key_before_each_request() {
        let script = Scripted::default();
        let provided = Options::new("ledgers", "eu-west-1", Credentials::provider(Rotating::default()));
        let store = provided.build(script.clone()).unwrap();
        assert_eq!(store.put_if_absent("key", Bytes::from_static(b"one")).await.unwrap(), Put::Created);
        assert_eq!(store.get("key").await.unwrap().unwrap(), "one");
        let refused = store.get("key").await.unwrap_err();
        assert_eq!((refused.code(), refused.retry_class()), (Code::WrongTarget, Retry::Never));
        assert_eq!(store.get("key").await.unwrap().unwrap(), "one");
        let inner = script.0.lock().unwrap();
        let signed = inner.headers.iter().zip([1, 2, 4]).map(|(headers, number)| {
            headers["authorization"].to_str().unwrap().contains(&format!("Credential=ASIA{number}/"))
                && headers["x-amz-security-token"] == *format!("the session token {number}")
        });
        assert_eq!(signed.collect::<Vec<_>>(), [true; 3]);
    }

    #[test]
    fn options_that_cannot_be_meant_are_refused() {
        let key = || Credentials::key("AKIAIOSFODNN7EXAMPLE", "secret".into());
        for (options, code) in [
            (Options::new("", "eu-west-1", key()), Code::InvalidName),
            (Options::new("ledgers/inferloop", "eu-west-1", key()), Code::InvalidName),
            (Options::new("ledgers", "eu-west-1.evil.example?", key()), Code::InvalidName),
            (Options::new("ledgers", "eu-west-1", key()).prefix("a//b"), Code::InvalidName),
            (Options::new("ledgers--euw1-az1--x-s3", "eu-west-1", key()), Code::InvalidValue),
            (Options::new("ledgers", "eu-west-1", key()).expected_owner("inferloop"), Code::InvalidValue),
            (
                Options::new("ledgers", "eu-west-1", key()).endpoint("http://127.0.0.1:9000".parse().unwrap()),
                Code::InvalidValue,
            ),
        ] {
            assert_eq!(Ledger::s3(options.clone()).unwrap_err().code(), code, "{options:?}");
        }
    }
}
