//! Tokens by which the API of an EKS cluster knows who asks.
//!
//! A token is a presigned request to STS's `GetCallerIdentity`, which the cluster's authenticator sends: whoever STS says
//! signed it is who asks. It is made in this process and no request is sent for it. The form is that of
//! [aws-iam-authenticator](https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster).

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use landfall_core::{Error, Result};
use secrecy::SecretString;

/// How long the signature may be used; the authenticator takes no longer one.
const EXPIRES: Duration = Duration::from_secs(60);

/// A token for a cluster, and until when it may be used.
pub(super) fn token(
    credentials: &Credentials,
    region: &str,
    domain: &str,
    cluster: &str,
    now: SystemTime,
) -> Result<SecretString> {
    let url = format!("https://sts.{region}.{domain}/?Action=GetCallerIdentity&Version=2011-06-15");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES);
    let identity = credentials.clone().into();
    let unable = |error: &dyn std::error::Error| Error::internal(format!("a token could not be signed: {error}"));
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| unable(&error))?
        .into();
    let headers = [("x-k8s-aws-id", cluster)];
    let request = SignableRequest::new("GET", &url, headers.into_iter(), SignableBody::Bytes(&[]))
        .map_err(|error| unable(&error))?;
    let (instructions, _) = sign(request, &params).map_err(|error| unable(&error))?.into_parts();
    let mut signed = url::Url::parse(&url).map_err(|error| unable(&error))?;
    for (name, value) in instructions.params() {
        signed.query_pairs_mut().append_pair(name, value);
    }
    let text = aws_smithy_types::base64::encode(signed.as_str());
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    Ok(SecretString::from(format!("k8s-aws-v1.{text}")))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_is_a_signed_request_that_names_the_cluster() {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("session/+=".to_owned()), None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        let token = token(&credentials, "eu-west-1", "amazonaws.com", "main", now).unwrap();
        let text = token.expose_secret().strip_prefix("k8s-aws-v1.").unwrap().replace('-', "+").replace('_', "/");
        let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
        let url = String::from_utf8(aws_smithy_types::base64::decode(padded).unwrap()).unwrap();
        let url = url::Url::parse(&url).unwrap();
        assert_eq!(url.host_str(), Some("sts.eu-west-1.amazonaws.com"));
        let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(query["Action"], "GetCallerIdentity");
        assert_eq!(query["X-Amz-Expires"], "60");
        assert_eq!(query["X-Amz-SignedHeaders"], "host;x-k8s-aws-id");
        assert_eq!(query["X-Amz-Security-Token"], "session/+=");
        assert!(query["X-Amz-Credential"].ends_with("/eu-west-1/sts/aws4_request"));
        assert_eq!(query["X-Amz-Signature"].len(), 64);
    }
}
