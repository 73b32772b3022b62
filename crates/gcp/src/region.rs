//! Google Cloud's regions and their zones.
