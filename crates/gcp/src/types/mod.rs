//! The native types of Google Cloud: REST resources of its discovery documents with their identity, replacing
//! properties, durations and permissions.
