//! What ledgers in the three clouds' stores share: the way to the store, and what its refusals mean.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::{ClientOptions, HeaderMap, RetryConfig};
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::error::CloudAnswer;
use crate::{Code, Error, Result, Retry};

/// How long one request may take, its answer included: less than the ledger gives the whole call.
const REQUEST: Duration = Duration::from_secs(8);
/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// How requests are made to `endpoint`, or to the cloud's own place.
pub(super) fn client(endpoint: Option<&Endpoint>) -> ClientOptions {
    ClientOptions::new()
        .with_timeout(REQUEST)
        .with_connect_timeout(CONNECT)
        .with_allow_http(endpoint.is_some_and(Endpoint::is_plain))
        // A client that is given no proxy looks for one in the environment; this one serves no host.
        .with_proxy_url("http://127.0.0.1:9")
        .with_proxy_excludes("*,0.0.0.0/0,::/0")
}

/// No repeating below the ledger, which knows what a repeated put means.
pub(super) fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, retry_timeout: Duration::ZERO, ..RetryConfig::default() }
}

/// Checks what becomes part of an address: letters, digits, dots, hyphens and underscores.
pub(super) fn name(what: &str, name: &str) -> Result<()> {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidName, format!("not a name of {what}: {name}"))
        .hint("use letters, digits, dots, hyphens and underscores"))
}

/// What building a client objects to, without the text beneath, which may quote a credential.
pub(super) fn unusable(credential: &str) -> Error {
    Error::new(Code::InvalidValue, format!("the ledger's store takes no such credential: {credential}"))
        .hint("look at the credential: it is cut off, or of another sort")
}

/// Makes clients that know what a refusal means.
#[derive(Debug, Default)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // The store's client puts them in where it signs them. Not in listings: there they would come unsigned, and S3
        // refuses that.
        let options = options.clone().with_default_headers(HeaderMap::new());
        Ok(HttpClient::new(Attentive(ReqwestConnector::default().connect(&options)?)))
    }
}

/// Takes refusals out of the way of `object_store`, which would keep their whole text: some stores quote the token.
#[derive(Debug)]
pub(super) struct Attentive(pub(super) HttpClient);

#[async_trait]
impl HttpService for Attentive {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let response = self.0.execute(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let header = |name: &str| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
        let request = header("x-amz-request-id").or_else(|| header("x-ms-request-id"));
        let (code, region) = (header("x-ms-error-code"), header("x-amz-bucket-region"));
        let text = body.bytes().await?;
        let answer = Answer::read(parts.status.as_u16(), &String::from_utf8_lossy(&text), code, request, region);
        if answer.is_about_the_object() {
            return Ok(HttpResponse::from_parts(parts, String::new().into()));
        }
        Err(HttpError::new(HttpErrorKind::Unknown, answer))
    }
}

/// What a store, or who gives out its tokens, said instead of doing what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    code: String,
    message: String,
    request: Option<String>,
    /// Where the bucket is, when it was looked for elsewhere.
    region: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.message)
    }
}

impl StdError for Answer {}

impl Answer {
    fn read(status: u16, text: &str, code: Option<String>, request: Option<String>, region: Option<String>) -> Self {
        let json: Value = serde_json::from_str(text).unwrap_or_default();
        let field = |names: [&str; 2]| names.into_iter().find_map(|name| json.pointer(name)?.as_str());
        let code = code.or_else(|| element(text, "Code").or(field(["/error/status", "/error"])).map(str::to_owned));
        let message = element(text, "Message").or(field(["/error/message", "/error_description"])).unwrap_or_default();
        Self {
            status,
            code: code.unwrap_or_default(),
            // What follows the first line repeats the request.
            message: message.lines().next().unwrap_or_default().to_owned(),
            request: request.or_else(|| element(text, "RequestId").map(str::to_owned)),
            region: region.or_else(|| element(text, "Region").map(str::to_owned)),
        }
    }

    /// Whether it says that the object is there, or is not, and nothing else. A "not found" that does not name the object
    /// proves nothing: it may be about the bucket, or come from something on the way.
    fn is_about_the_object(&self) -> bool {
        match self.status {
            404 => matches!(self.code.as_str(), "NoSuchKey" | "BlobNotFound"),
            // Another put is under way, or was faster.
            409 => {
                matches!(self.code.as_str(), "ConditionalRequestConflict" | "OperationAborted" | "BlobAlreadyExists")
            }
            304 | 412 => true,
            _ => false,
        }
    }

    fn error(&self, key: &str) -> Error {
        let (code, message, retry, hint) = match (self.status, self.code.as_str()) {
            (_, "NoSuchBucket" | "ContainerNotFound") => (
                Code::LedgerUnavailable,
                "the ledger's bucket does not exist",
                Retry::Never,
                "create the bucket, or name the one that exists",
            ),
            (301 | 307, _) | (_, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => (
                Code::LedgerUnavailable,
                "the ledger's bucket is in another region",
                Retry::Never,
                "name the region that the bucket is in",
            ),
            (_, "RequestTimeTooSkewed") => (
                Code::LedgerUnavailable,
                "the ledger's store finds this machine's clock wrong",
                Retry::Never,
                "set the machine's clock",
            ),
            (401 | 403, _) | (_, "ExpiredToken" | "InvalidToken" | "invalid_client" | "invalid_grant") => (
                Code::LedgerUnavailable,
                "the ledger's store refuses access",
                Retry::Never,
                "allow this caller to list, read and create objects below the ledger's prefix, or renew its credentials",
            ),
            (501, _) => (
                Code::LedgerUnconditional,
                "the ledger's store cannot put-if-absent",
                Retry::Never,
                "switch conditional writes on, or keep the ledger in another store",
            ),
            (429 | 503, _) => (
                Code::LedgerUnavailable,
                "the ledger's store asks for fewer calls",
                Retry::Throttled(None),
                "run again later; what was begun is found out and finished",
            ),
            (408 | 500.., _) | (_, "RequestTimeout") => (
                Code::LedgerUnavailable,
                "the ledger's store failed",
                Retry::Unknown,
                "run again: what was begun is found out and finished",
            ),
            _ => (
                Code::LedgerUnavailable,
                "the ledger's store refused the request",
                Retry::Never,
                "look at the store's answer, and at endpoint, bucket and prefix",
            ),
        };
        let hint = match &self.region {
            Some(region) if message.ends_with("region") => format!("{hint}: {region}"),
            _ => hint.to_owned(),
        };
        Error::new(code, format!("{message}: {key}")).retry(retry).hint(hint).answer(CloudAnswer {
            code: if self.code.is_empty() { format!("HTTP {}", self.status) } else { self.code.clone() },
            message: self.message.clone(),
            request: self.request.clone(),
        })
    }
}

/// What an error of a request means; `None` when it is none.
pub(super) fn failure(error: &object_store::Error, key: &str) -> Option<Error> {
    let mut kind = None;
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(answer) = error.downcast_ref::<Answer>() {
            return Some(answer.error(key));
        }
        // Whoever hands out the credentials has said why there are none.
        if let Some(own) = error.downcast_ref::<Error>() {
            return Some(own.clone());
        }
        kind = kind.or_else(|| error.downcast_ref::<HttpError>().map(HttpError::kind));
        next = error.source();
    }
    let (message, retry) = match kind? {
        HttpErrorKind::Connect => ("the ledger's store cannot be reached", Retry::Transient),
        HttpErrorKind::Timeout => ("the ledger's store does not answer", Retry::Unknown),
        _ => return None,
    };
    Some(Error::new(Code::LedgerUnavailable, format!("{message}: {key}")).retry(retry).hint(
        "check the endpoint, the region, where the credentials come from, and the network between; then run again",
    ))
}

/// The text of the first element of this name in a store's short answer.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, text: &str) -> Error {
        Answer::read(status, text, None, None, None).error("key")
    }

    #[test]
    fn each_refusal_has_its_reason_and_says_whether_repeating_helps() {
        let xml = |code: &str| {
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>So it is.</Message></Error>")
        };
        for (status, text, message, retry) in [
            (404, xml("NoSuchBucket"), "the ledger's bucket does not exist", Retry::Never),
            (404, xml("ContainerNotFound"), "the ledger's bucket does not exist", Retry::Never),
            (301, xml("PermanentRedirect"), "the ledger's bucket is in another region", Retry::Never),
            (400, xml("AuthorizationHeaderMalformed"), "the ledger's bucket is in another region", Retry::Never),
            (403, xml("RequestTimeTooSkewed"), "the ledger's store finds this machine's clock wrong", Retry::Never),
            (403, xml("AccessDenied"), "the ledger's store refuses access", Retry::Never),
            (401, String::new(), "the ledger's store refuses access", Retry::Never),
            (400, xml("ExpiredToken"), "the ledger's store refuses access", Retry::Never),
            (503, xml("SlowDown"), "the ledger's store asks for fewer calls", Retry::Throttled(None)),
            (500, xml("InternalError"), "the ledger's store failed", Retry::Unknown),
            (400, xml("RequestTimeout"), "the ledger's store failed", Retry::Unknown),
            (404, "<html>nothing here</html>".to_owned(), "the ledger's store refused the request", Retry::Never),
            (400, xml("InvalidArgument"), "the ledger's store refused the request", Retry::Never),
        ] {
            let error = answer(status, &text);
            assert_eq!(error.code(), Code::LedgerUnavailable, "{text}");
            assert_eq!((error.message(), error.retry_class()), (format!("{message}: key").as_str(), retry), "{text}");
            assert!(error.next_step().is_some());
        }
        assert_eq!(answer(501, &xml("NotImplemented")).code(), Code::LedgerUnconditional);
    }

    #[test]
    fn the_region_of_a_bucket_is_told() {
        let text =
            "<Error><Code>AuthorizationHeaderMalformed</Code><Message>no</Message><Region>eu-west-1</Region></Error>";
        let hint = "name the region that the bucket is in: eu-west-1";
        assert_eq!(answer(400, text).next_step(), Some(hint));
    }

    #[test]
    fn an_answer_in_json_is_read_too() {
        let text = r#"{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.\r\nTrace"}"#;
        let error = answer(401, text);
        let said = error.cloud_answer().unwrap();
        assert_eq!(said.code, "invalid_client");
        assert_eq!(said.message, "AADSTS7000215: Invalid client secret provided.");
        let text = r#"{"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}}"#;
        assert_eq!(answer(403, text).cloud_answer().unwrap().code, "PERMISSION_DENIED");
        assert_eq!(answer(500, "<html>").cloud_answer().unwrap().code, "HTTP 500");
    }
}
