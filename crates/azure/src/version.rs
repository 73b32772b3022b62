//! The Kubernetes and PostgreSQL versions that Azure offers, with the dates their support ends.
