//! A node pool on Azure: `Microsoft.ContainerService/managedClusters/agentPools`, with zones, spot, taints, labels and
//! scaling from zero.
