//! Landfall: gcp.
