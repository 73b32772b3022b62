//! PostgreSQL on Azure: `Microsoft.DBforPostgreSQL/flexibleServers` in a delegated subnet with its private DNS zone,
//! `require_secure_transport`, zone-redundant high availability, and its configurations and databases.
