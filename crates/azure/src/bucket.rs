//! A bucket on Azure: a container in a `Microsoft.Storage/storageAccounts` of its own, without public access, with
//! versioning and soft delete.
