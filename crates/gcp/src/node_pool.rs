//! A node pool on Google Cloud: `container.projects.locations.clusters.nodePools`, with spot, taints, labels, scaling
//! from zero and, for accelerators, the driver installation that GKE offers.
