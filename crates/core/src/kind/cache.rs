//! A Redis-compatible cache.

use serde::{Deserialize, Serialize};

use super::{NetworkSpec, Ref, Size};
use crate::Result;
use crate::resource::Value;
use crate::scope::Scope;
use crate::units::GiB;

/// How one cloud makes a Redis-compatible cache.
pub trait Cache: Send + Sync {
    /// Adds to `scope` the native resources that make up `spec`. Pure: no clock, no randomness, no I/O.
    ///
    /// # Errors
    /// What is wrong with the spec on this cloud.
    fn expand_cache(&self, spec: &CacheSpec, scope: &mut Scope<'_>) -> Result<CacheOutputs>;
}

/// A cache as a user means it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CacheSpec {
    /// The network whose data subnets it stands in.
    pub network: Ref<NetworkSpec>,
    /// Which server.
    pub engine: CacheEngine,
    /// The server's version, such as `8.1`.
    pub version: String,
    /// How large each node is.
    pub size: Size,
    /// Copies besides the primary; from one on, a copy takes over when the primary fails.
    pub replicas: u8,
    /// What to drop when memory is full.
    pub eviction: Eviction,
    /// How many days of snapshots to keep; 0 keeps none.
    pub snapshot_days: u16,
}

/// Which Redis-compatible server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CacheEngine {
    /// Valkey.
    Valkey,
    /// Redis.
    Redis,
}

/// What to drop when memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Eviction {
    /// Nothing: writes fail.
    None,
    /// The least recently used of all keys.
    LeastRecentlyUsed,
    /// The least recently used of the keys that expire.
    LeastRecentlyUsedExpiring,
    /// The least frequently used of all keys.
    LeastFrequentlyUsed,
}

impl CacheSpec {
    /// A Valkey 8.1 cache of two CPUs and 3 GiB with one replica, encrypted in transit and with a password.
    #[must_use]
    pub fn valkey(network: &Ref<NetworkSpec>) -> Self {
        Self {
            network: network.clone(),
            engine: CacheEngine::Valkey,
            version: "8.1".to_owned(),
            size: Size::AtLeast { vcpu: 2, memory: GiB(3) },
            replicas: 1,
            eviction: Eviction::LeastRecentlyUsed,
            snapshot_days: 1,
        }
    }

    /// The same with Redis 7.1.
    #[must_use]
    pub fn redis(network: &Ref<NetworkSpec>) -> Self {
        Self { engine: CacheEngine::Redis, version: "7.1".to_owned(), ..Self::valkey(network) }
    }

    /// Sets the server's version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Sets the size of each node.
    #[must_use]
    pub fn size(mut self, size: Size) -> Self {
        self.size = size;
        self
    }

    /// Sets the number of copies besides the primary.
    #[must_use]
    pub fn replicas(mut self, replicas: u8) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets what to drop when memory is full.
    #[must_use]
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.eviction = eviction;
        self
    }

    /// Keeps this many days of snapshots.
    #[must_use]
    pub fn snapshot_days(mut self, days: u16) -> Self {
        self.snapshot_days = days;
        self
    }
}

/// What others need of a cache. Values are references until it exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CacheOutputs {
    /// Host name of the primary.
    pub host: Value,
    /// Port.
    pub port: Value,
    /// Id of the secret in the cloud's store that holds the password.
    pub secret: Value,
    /// The cloud's id of the cache.
    pub id: Value,
    /// The address of the cache's native resource.
    pub native: crate::resource::Address,
}

impl CacheOutputs {
    /// Outputs of a cache.
    #[must_use]
    pub fn new(native: crate::resource::Address, id: Value) -> Self {
        Self { host: Value::Null, port: Value::Null, secret: Value::Null, id, native }
    }
}
