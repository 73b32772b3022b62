//! A cache on Google Cloud: Memorystore for Valkey, or Memorystore for Redis when Redis is asked for, with in-transit
//! encryption and authentication.
