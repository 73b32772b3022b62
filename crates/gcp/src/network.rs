//! A network on Google Cloud: a VPC network in custom mode, one subnetwork per tier with secondary ranges for pods and
//! services, a Cloud Router with Cloud NAT, firewall rules generated from the graph's edges, and the private services
//! connection that managed databases are reached over.
//!
//! Subnetworks span the zones of a region.
