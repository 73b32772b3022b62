//! A bucket on Google Cloud: `storage.buckets` with uniform access, public access prevented and versioning.
