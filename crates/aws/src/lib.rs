//! Landfall: aws.
