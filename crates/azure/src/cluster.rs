//! A cluster on Azure: `Microsoft.ContainerService/managedClusters` with a private API server, workload identity,
//! secrets encrypted by a key of their own, control-plane logs to a workspace, and the system pool that AKS demands.
