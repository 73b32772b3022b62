//! A private network: an address range cut into tiers, one subnet a tier and zone.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::resource::Value;
use crate::scope::Scope;

/// How one cloud makes a network.
pub trait Network: Send + Sync {
    /// Adds to `scope` the native resources that make up `spec`. Pure: no clock, no randomness, no I/O.
    ///
    /// # Errors
    /// What is wrong with the spec on this cloud.
    fn expand_network(&self, spec: &NetworkSpec, scope: &mut Scope<'_>) -> Result<NetworkOutputs>;
}

/// A private network as a user means it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NetworkSpec {
    /// The whole address range.
    pub cidr: Ipv4Net,
    /// How many zones to use, from 1; the first ones of the region by name.
    pub zones: u8,
    /// The zones by name, when they matter; then `zones` is their number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zone_names: Vec<String>,
    /// The tiers to cut the range into.
    pub tiers: Vec<Tier>,
    /// How private subnets reach the internet.
    pub nat: Nat,
    /// Whether to record the flows of the network.
    pub flow_logs: bool,
    /// How many days to keep them.
    pub flow_log_days: u32,
}

/// What a subnet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Reaches and is reached by the internet: load balancers, NAT.
    Public,
    /// Reaches the internet through NAT: nodes and pods.
    Private,
    /// Reaches nothing outside: databases and caches.
    Data,
}

/// How private subnets reach the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nat {
    /// Not at all.
    None,
    /// Through one gateway: cheaper, and gone with its zone.
    One,
    /// Through one gateway in each zone.
    PerZone,
}

impl NetworkSpec {
    /// A network of three zones with all three tiers, a NAT gateway in each zone and flow logs kept for 30 days.
    #[must_use]
    pub fn new(cidr: Ipv4Net) -> Self {
        Self {
            cidr,
            zones: 3,
            zone_names: Vec::new(),
            tiers: vec![Tier::Public, Tier::Private, Tier::Data],
            nat: Nat::PerZone,
            flow_logs: true,
            flow_log_days: 30,
        }
    }

    /// Uses this many zones.
    #[must_use]
    pub fn zones(mut self, zones: u8) -> Self {
        self.zones = zones;
        self.zone_names.clear();
        self
    }

    /// Uses these zones.
    #[must_use]
    pub fn zone_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.zone_names = names.into_iter().map(Into::into).collect();
        self.zones = u8::try_from(self.zone_names.len()).unwrap_or(u8::MAX);
        self
    }

    /// Cuts the range into these tiers.
    #[must_use]
    pub fn tiers(mut self, tiers: impl IntoIterator<Item = Tier>) -> Self {
        self.tiers = tiers.into_iter().collect();
        self
    }

    /// Sets how private subnets reach the internet.
    #[must_use]
    pub fn nat(mut self, nat: Nat) -> Self {
        self.nat = nat;
        self
    }

    /// Records the flows of the network, or not.
    #[must_use]
    pub fn flow_logs(mut self, on: bool) -> Self {
        self.flow_logs = on;
        self
    }
}

/// What others need of a network. Values are references until it exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NetworkOutputs {
    /// The network's id.
    pub id: Value,
    /// The whole address range.
    pub cidr: Ipv4Net,
    /// The subnets, by tier and zone.
    pub subnets: Vec<Subnet>,
}

/// One subnet of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subnet {
    /// What it is for.
    pub tier: Tier,
    /// Its zone.
    pub zone: String,
    /// Its address range.
    pub cidr: Ipv4Net,
    /// Its id.
    pub id: Value,
}

impl NetworkOutputs {
    /// Outputs of a network.
    #[must_use]
    pub fn new(id: Value, cidr: Ipv4Net, subnets: Vec<Subnet>) -> Self {
        Self { id, cidr, subnets }
    }

    /// Ids of the subnets of one tier, in the order of their zones.
    #[must_use]
    pub fn ids(&self, tier: Tier) -> Vec<Value> {
        self.subnets.iter().filter(|subnet| subnet.tier == tier).map(|subnet| subnet.id.clone()).collect()
    }
}
