//! PostgreSQL on Google Cloud: a Cloud SQL instance on a private address, with TLS required, regional availability,
//! backups with point-in-time recovery, deletion protection, and its databases.
