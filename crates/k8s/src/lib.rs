//! Landfall: k8s.
