//! Where a native resource stands in a stack, and which stack that is.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Code, Error, Result};

/// `cloud/kind/name/part`, such as `aws/network/core/subnet-private-a`.
///
/// Four segments of lower-case letters, digits and hyphens. The first names the cloud, the next two the declaration
/// (`kind/name`), the last the native resource within its expansion.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(Arc<str>);

impl Address {
    /// The address of one part of a declaration.
    ///
    /// # Errors
    /// [`Code::InvalidName`] when a segment is empty or has other characters than `a-z`, `0-9`, `-`.
    pub fn new(cloud: &str, kind: &str, name: &str, part: &str) -> Result<Self> {
        let text = format!("{cloud}/{kind}/{name}/{part}");
        for segment in [cloud, kind, name, part] {
            check(segment, &text)?;
        }
        Ok(Self(text.into()))
    }

    fn segment(&self, index: usize) -> &str {
        self.0.split('/').nth(index).unwrap_or_default()
    }

    /// The cloud it stands on, such as `aws`.
    #[must_use]
    pub fn cloud(&self) -> &str {
        self.segment(0)
    }

    /// The kind it comes from, such as `network`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.segment(1)
    }

    /// The declaration's name, such as `core`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.segment(2)
    }

    /// The part of the expansion, such as `subnet-private-a`.
    #[must_use]
    pub fn part(&self) -> &str {
        self.segment(3)
    }

    /// The whole address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same part of another declaration (`kind/name`); `None` when that is not one.
    #[must_use]
    pub fn with_declaration(&self, declaration: &str) -> Option<Self> {
        let (kind, name) = declaration.split_once('/')?;
        Self::new(self.cloud(), kind, name, self.part()).ok()
    }

    /// `kind/name` of the declaration it comes from.
    #[must_use]
    pub fn declaration(&self) -> &str {
        let text = self.as_str();
        let start = text.find('/').map_or(0, |i| i + 1);
        let end = text.rfind('/').unwrap_or(text.len());
        &text[start..end]
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.split('/').count() != 4 {
            return Err(Error::new(Code::InvalidName, format!("an address is cloud/kind/name/part: {text}")));
        }
        text.split('/').try_for_each(|segment| check(segment, text))?;
        Ok(Self(text.into()))
    }
}

fn check(segment: &str, whole: &str) -> Result<()> {
    if !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Ok(());
    }
    Err(Error::new(Code::InvalidName, format!("an address has segments of a-z, 0-9 and hyphens: {whole}")))
}

impl TryFrom<String> for Address {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0.as_ref().to_owned()
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Address;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Address, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Project and environment: what one ledger and one lease cover. Printed as `project-environment`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StackId {
    /// The project, such as `inferloop`.
    pub project: String,
    /// The environment, such as `dev`.
    pub environment: String,
}

impl StackId {
    /// A stack's id from its two names.
    #[must_use]
    pub fn new(project: impl Into<String>, environment: impl Into<String>) -> Self {
        Self { project: project.into(), environment: environment.into() }
    }
}

impl fmt::Display for StackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.project, self.environment)
    }
}
