//! A cluster on Google Cloud: `container.projects.locations.clusters`, regional, with private nodes, workload identity,
//! secrets encrypted by a Cloud KMS key, and without the default node pool.
