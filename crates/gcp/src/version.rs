//! The Kubernetes and PostgreSQL versions that Google Cloud offers, with the dates their support ends.
