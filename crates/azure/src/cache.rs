//! A cache on Azure: Azure Managed Redis, which is `Microsoft.Cache/redisEnterprise` with one database on port 10000
//! behind a private endpoint.
//!
//! Azure Cache for Redis is retiring and closed to new customers, so nothing expands to `Microsoft.Cache/redis`.
