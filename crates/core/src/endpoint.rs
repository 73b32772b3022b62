//! Places that are spoken to instead of a cloud's own.

use url::{Host, Url};

use crate::{Code, Error, Result};

/// Where a service is reached, when that is not the cloud's own place.
///
/// ```
/// use landfall_core::endpoint::Endpoint;
///
/// let emulator = Endpoint::emulator("http://127.0.0.1:5000".parse()?);
/// assert_eq!(emulator.check()?, "http://127.0.0.1:5000");
/// assert!(Endpoint::new("http://127.0.0.1:5000".parse()?).check().is_err(), "plain HTTP is for emulators alone");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: Url,
    plain: bool,
}

impl Endpoint {
    /// A place that is spoken to by TLS.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self { url, plain: false }
    }

    /// An emulator on this machine, which may be spoken to without TLS.
    #[must_use]
    pub fn emulator(url: Url) -> Self {
        Self { url, plain: true }
    }

    /// The place as text without a slash at its end, when it may be spoken to.
    ///
    /// # Errors
    /// [`Code::InvalidValue`] for anything but https, for plain HTTP that leaves this machine, and for a URL with
    /// credentials or a query.
    pub fn check(&self) -> Result<String> {
        let local = match self.url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        let refused = |message: &str, hint: &str| {
            // Without what may be a password or a signature.
            let shown = format!("{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default());
            Err(Error::new(Code::InvalidValue, format!("{message}: {shown}")).hint(hint))
        };
        if !self.url.username().is_empty() || self.url.password().is_some() || self.url.query().is_some() {
            return refused("an endpoint carries no credentials and no query", "give credentials in their own place");
        }
        match self.url.scheme() {
            "https" if self.url.has_host() => {}
            "http" if self.plain && local => {}
            "http" if self.plain => return refused("plain HTTP leaves this machine", "use https"),
            _ => {
                return refused(
                    "an endpoint is an https URL",
                    "use https, or name an emulator on this machine as such",
                );
            }
        }
        Ok(self.url.as_str().trim_end_matches('/').to_owned())
    }

    /// Whether it may be spoken to without TLS.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        let ends = |endpoint: Endpoint| endpoint.check().map_err(|error| error.code());
        let url = |text: &str| text.parse::<Url>().unwrap();
        assert_eq!(ends(Endpoint::new(url("https://minio.internal:9000/"))).unwrap(), "https://minio.internal:9000");
        for local in ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost:9000", "https://minio.internal"] {
            assert_eq!(ends(Endpoint::emulator(url(local))).unwrap(), local);
        }
        for (endpoint, why) in [
            (Endpoint::new(url("http://127.0.0.1:9000")), "plain without saying so"),
            (Endpoint::emulator(url("http://minio.internal:9000")), "plain to elsewhere"),
            (Endpoint::emulator(url("http://127.0.0.1.example.com")), "only looks local"),
            (Endpoint::new(url("file:///tmp")), "no host"),
            (Endpoint::new(url("https://user:pass@minio.internal")), "a password"),
            (Endpoint::new(url("https://store.internal/?sig=c2VjcmV0")), "a signature"),
        ] {
            let error = endpoint.check().unwrap_err();
            assert_eq!(error.code(), Code::InvalidValue, "{why}");
            assert!(!error.to_string().contains("pass") && !error.to_string().contains("c2VjcmV0"), "{error}");
        }
    }
}
