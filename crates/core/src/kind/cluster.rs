//! A Kubernetes cluster: the control plane, its version, who reaches it, how its secrets are encrypted.

use std::fmt;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{NetworkSpec, Ref};
use crate::resource::Value;
use crate::scope::Scope;
use crate::{Code, Error, Result};

/// How one cloud makes a Kubernetes cluster.
pub trait Cluster: Send + Sync {
    /// Adds to `scope` the native resources that make up `spec`. Pure: no clock, no randomness, no I/O.
    ///
    /// # Errors
    /// What is wrong with the spec on this cloud.
    fn expand_cluster(&self, spec: &ClusterSpec, scope: &mut Scope<'_>) -> Result<ClusterOutputs>;
}

/// A Kubernetes minor version, such as `1.35`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// The major number.
    pub major: u16,
    /// The minor number.
    pub minor: u16,
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (major, minor) = text.split_once('.')?;
            Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
        };
        parse().ok_or_else(|| {
            Error::new(Code::UnsupportedVersion, format!("not a version: {text}"))
                .hint("write major and minor, such as 1.35")
        })
    }
}

impl TryFrom<String> for Version {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A Kubernetes cluster as a user means it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClusterSpec {
    /// The network whose private subnets it stands in.
    pub network: Ref<NetworkSpec>,
    /// The Kubernetes version, checked against the cloud's dates of support. Text, so that a wrong one is reported with all
    /// other problems.
    pub version: String,
    /// Ranges that may reach the API from outside the network; none means it is private.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_access: Vec<Ipv4Net>,
    /// Identities of the cloud (on AWS: IAM role or user ARNs) that administer the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub administrators: Vec<String>,
    /// How many days to keep the control plane's logs.
    pub log_days: u32,
    /// Whether the cloud refuses to delete it.
    pub deletion_protection: bool,
}

impl ClusterSpec {
    /// A private cluster of this version with all control-plane logs kept for 90 days.
    #[must_use]
    pub fn new(network: &Ref<NetworkSpec>, version: &str) -> Self {
        Self {
            network: network.clone(),
            version: version.to_owned(),
            public_access: Vec::new(),
            administrators: Vec::new(),
            log_days: 90,
            deletion_protection: false,
        }
    }

    /// Lets these ranges reach the API from outside the network.
    #[must_use]
    pub fn public_access(mut self, ranges: impl IntoIterator<Item = Ipv4Net>) -> Self {
        self.public_access = ranges.into_iter().collect();
        self
    }

    /// Makes these identities administrators.
    #[must_use]
    pub fn administrators<S: Into<String>>(mut self, identities: impl IntoIterator<Item = S>) -> Self {
        self.administrators = identities.into_iter().map(Into::into).collect();
        self
    }

    /// Keeps the control plane's logs for this many days.
    #[must_use]
    pub fn log_days(mut self, days: u32) -> Self {
        self.log_days = days;
        self
    }

    /// Makes the cloud refuse to delete it.
    #[must_use]
    pub fn deletion_protection(mut self, on: bool) -> Self {
        self.deletion_protection = on;
        self
    }
}

/// What others need of a cluster. Values are references until it exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClusterOutputs {
    /// The cluster's name in the cloud.
    pub name: Value,
    /// The URL of its API.
    pub endpoint: Value,
    /// Its certificate authority, base64 of PEM.
    pub certificate_authority: Value,
    /// The cloud's id of the cluster.
    pub id: Value,
    /// The security group (or its like) that all nodes are in.
    pub node_security_group: Value,
    /// The address of the cluster's native resource, which Kubernetes objects stand on.
    pub native: crate::resource::Address,
    /// The network it stands in.
    pub network: Ref<NetworkSpec>,
}

impl ClusterOutputs {
    /// Outputs of a cluster.
    #[must_use]
    pub fn new(native: crate::resource::Address, network: Ref<NetworkSpec>, name: Value) -> Self {
        Self {
            name,
            endpoint: Value::Null,
            certificate_authority: Value::Null,
            id: Value::Null,
            node_security_group: Value::Null,
            native,
            network,
        }
    }
}
