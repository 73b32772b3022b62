//! Stands in for the kinds that another branch brings; deleted when both are joined.

use landfall_core::kind::{
    Access, AccessOutputs, Bucket, BucketOutputs, BucketSpec, Cache, CacheOutputs, CacheSpec, Database,
    DatabaseOutputs, DatabaseSpec, ServiceSpec,
};
use landfall_core::scope::Scope;
use landfall_core::{Error, Result};

use crate::Aws;

fn missing<T>() -> Result<T> {
    Err(Error::internal("this kind is not joined in yet"))
}

impl Database for Aws {
    fn expand_database(&self, _: &DatabaseSpec, _: &mut Scope<'_>) -> Result<DatabaseOutputs> {
        missing()
    }
}

impl Cache for Aws {
    fn expand_cache(&self, _: &CacheSpec, _: &mut Scope<'_>) -> Result<CacheOutputs> {
        missing()
    }
}

impl Bucket for Aws {
    fn expand_bucket(&self, _: &BucketSpec, _: &mut Scope<'_>) -> Result<BucketOutputs> {
        missing()
    }
}

impl Access for Aws {
    fn expand_access(&self, _: &ServiceSpec, _: &mut Scope<'_>) -> Result<AccessOutputs> {
        missing()
    }
}
