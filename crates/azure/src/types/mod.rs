//! The native types of Azure: ARM resource types with their API version, identity, replacing properties, durations and
//! permissions. Every ARM resource has a name that the caller chooses.
