//! Object storage: a private, encrypted bucket with a prefix for each service that depends on it.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::resource::Value;
use crate::scope::Scope;

/// How one cloud makes a bucket.
pub trait Bucket: Send + Sync {
    /// Adds to `scope` the native resources that make up `spec`. Pure: no clock, no randomness, no I/O.
    ///
    /// # Errors
    /// What is wrong with the spec on this cloud.
    fn expand_bucket(&self, spec: &BucketSpec, scope: &mut Scope<'_>) -> Result<BucketOutputs>;
}

/// A bucket as a user means it: private, encrypted with a key of its own, reached over TLS only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BucketSpec {
    /// Whether old versions of objects are kept.
    pub versioning: bool,
    /// After how many days old versions are dropped.
    pub old_version_days: u32,
}

impl BucketSpec {
    /// A bucket that keeps old versions for 30 days.
    #[must_use]
    pub fn new() -> Self {
        Self { versioning: true, old_version_days: 30 }
    }

    /// Keeps old versions of objects, or not.
    #[must_use]
    pub fn versioning(mut self, on: bool) -> Self {
        self.versioning = on;
        self
    }
}

impl Default for BucketSpec {
    fn default() -> Self {
        Self::new()
    }
}

/// What others need of a bucket. Values are references until it exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BucketOutputs {
    /// The bucket's name.
    pub name: Value,
    /// The cloud's id of it.
    pub id: Value,
    /// The cloud's id of the key that encrypts it.
    pub key: Value,
    /// The address of the bucket's native resource.
    pub native: crate::resource::Address,
}

impl BucketOutputs {
    /// Outputs of a bucket.
    #[must_use]
    pub fn new(native: crate::resource::Address, name: Value, id: Value, key: Value) -> Self {
        Self { name, id, key, native }
    }
}
