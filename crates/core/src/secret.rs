//! Secrets given by the caller: a name, a keyed fingerprint, and a value that nothing can print or write down.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// A secret that a native property carries.
///
/// What is compared, shown and written to the ledger is the name and a fingerprint keyed with the caller's own key;
/// the value itself reaches only the driver.
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    name: String,
    fingerprint: String,
    value: Option<SecretString>,
}

impl Secret {
    /// A secret of the caller, fingerprinted with a key that only the caller has.
    #[must_use]
    pub fn new(name: impl Into<String>, value: SecretString, key: &SecretString) -> Self {
        let name = name.into();
        let fingerprint = fingerprint(key, &name, &value);
        Self(Arc::new(Inner { name, fingerprint, value: Some(value) }))
    }

    /// A secret as the ledger remembers it: without its value.
    #[must_use]
    pub fn remembered(name: impl Into<String>, fingerprint: impl Into<String>) -> Self {
        Self(Arc::new(Inner { name: name.into(), fingerprint: fingerprint.into(), value: None }))
    }

    /// The name it was given under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The keyed fingerprint of the value, 32 hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// The value, for a driver that puts it on the wire; `None` when it comes from the ledger.
    #[must_use]
    pub fn value(&self) -> Option<&SecretString> {
        self.0.value.as_ref()
    }
}

fn fingerprint(key: &SecretString, name: &str, value: &SecretString) -> String {
    use fmt::Write as _;
    // HMAC takes keys of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()) else { return String::new() };
    mac.update(name.as_bytes());
    mac.update(&[0]);
    mac.update(value.expose_secret().as_bytes());
    mac.finalize().into_bytes()[..16].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.fingerprint() == other.fingerprint()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.name())
    }
}
