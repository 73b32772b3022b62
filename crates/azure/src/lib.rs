//! Landfall: azure.
