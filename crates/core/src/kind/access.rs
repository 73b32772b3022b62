//! What a service may reach, as the cloud grants it: an identity, and nothing wider than its declared dependencies.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::ServiceSpec;
use crate::Result;
use crate::resource::{Address, Value};
use crate::scope::Scope;

/// How one cloud lets the pods of a service reach what the service depends on.
pub trait Access: Send + Sync {
    /// Adds to `scope` the identity of one service, its grants, and its part of each thing it depends on (a logical
    /// database and role, a prefix of a bucket). Pure: no clock, no randomness, no I/O.
    ///
    /// # Errors
    /// What is wrong with the dependencies on this cloud.
    fn expand_access(&self, spec: &ServiceSpec, scope: &mut Scope<'_>) -> Result<AccessOutputs>;
}

/// What the workload of a service needs to use its grants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessOutputs {
    /// Annotations of the Kubernetes service account.
    pub annotations: BTreeMap<String, Value>,
    /// Environment variables without secrets, such as hosts and names.
    pub environment: BTreeMap<String, Value>,
    /// Files of secrets, mounted from the cloud's store: file name to the secret's id there.
    pub secret_files: BTreeMap<String, Value>,
    /// The Secrets Store CSI provider of the cloud, such as `aws`; empty when there are no files.
    pub secret_provider: String,
    /// Ports it may call on the data subnets: (what for, port).
    pub egress_ports: Vec<(String, u16)>,
    /// Fixed addresses it may call besides: (what for, range, port), such as the agent that hands out credentials.
    pub egress_addresses: Vec<(String, Ipv4Net, u16)>,
    /// What must exist before the first pod starts although no value refers to it, such as the binding of its identity.
    pub wait_for: Vec<Address>,
}

impl AccessOutputs {
    /// The directory in which a workload finds its files of secrets; the variable `SECRETS_DIRECTORY` names it too.
    pub const SECRETS_DIRECTORY: &'static str = "/etc/secrets";
}
