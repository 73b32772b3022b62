//! Azure's regions, and which of them have availability zones.
