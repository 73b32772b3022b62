//! Writes the CloudFormation templates of fifty generated platforms into a directory, and into its folder `policies` the IAM
//! policies that those platforms and their ledger need, for `scripts/lint.py`.
//!
//! ```text
//! cargo run --package landfall-aws --example templates -- target/templates
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use landfall_aws::{Aws, LedgerBucket, template};
use landfall_core::Result;
use landfall_core::cloud::{Clouds, Workloads};
use landfall_core::graph::expand;
use landfall_core::kind::{Mesh, MeshOutputs, MeshSpec, Service, ServiceOutputs, ServiceSpec};
use landfall_core::resource::ResourceType;
use landfall_core::sample;
use landfall_core::scope::Scope;
use landfall_core::stack::Stack;

/// How many platforms.
const PLATFORMS: u64 = 50;
/// They take turns in these regions, among them some that lack what others have.
const REGIONS: [&str; 5] = ["eu-west-1", "us-east-1", "eu-central-1", "ap-southeast-2", "ca-central-1"];

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args_os().nth(1).ok_or("name the directory to write to")?);
    let policies = directory.join("policies");
    std::fs::create_dir_all(&policies)?;
    for (seed, region) in (0..PLATFORMS).zip(REGIONS.into_iter().cycle()) {
        let clouds = Clouds { cloud: Arc::new(Aws::new(region)), workloads: Arc::new(NoWorkloads) };
        let stack = sample::stack(seed);
        let expanded = expand(&stack, &clouds)?;
        let template = template(&expanded.graph, &expanded.catalog)?;
        let text = serde_json::to_string_pretty(&template)?;
        std::fs::write(directory.join(format!("{seed:02}.{region}.json")), text)?;
        let policy = Aws::new(region).policy("123456789012", &stack.id, &expanded.graph);
        let text = serde_json::to_string_pretty(&policy)?;
        std::fs::write(policies.join(format!("{seed:02}.{region}.json")), text)?;
    }
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let bucket = LedgerBucket::new("ledgers-123456789012").prefix("platform").key(key);
    let text = serde_json::to_string_pretty(&Aws::new("eu-west-1").ledger_policy(bucket))?;
    std::fs::write(policies.join("ledger.eu-west-1.json"), text)?;
    Ok(())
}

/// Stands in for Kubernetes: templates have no room for its objects.
#[derive(Debug)]
struct NoWorkloads;

impl Mesh for NoWorkloads {
    fn expand_mesh(&self, spec: &MeshSpec, _: &mut Scope<'_>) -> Result<MeshOutputs> {
        Ok(MeshOutputs::new(spec.provider, spec.cluster.clone(), "mesh".into()))
    }
}

impl Service for NoWorkloads {
    fn expand_service(&self, _: &ServiceSpec, scope: &mut Scope<'_>) -> Result<ServiceOutputs> {
        Ok(ServiceOutputs::new(scope.address("deployment")?, scope.name().into(), String::new()))
    }
}

impl Workloads for NoWorkloads {
    fn types(&self) -> Vec<ResourceType> {
        Vec::new()
    }

    fn check(&self, _: &Stack) -> Vec<landfall_core::Error> {
        Vec::new()
    }
}
