//! Amazon Web Services for Landfall: what a network, a cluster, a node pool, a database, a cache and a bucket are made
//! of there, in CloudFormation's own resource types.
//!
//! Nothing here opens a socket or knows credentials: expansions and tables are pure, and planning needs nothing else.

mod access;
mod bucket;
mod cache;
mod check;
mod cluster;
mod data_tier;
mod database;
#[cfg(feature = "live")]
mod driver;
mod iam;
mod key;
mod ledger_bucket;
mod machine;
mod name;
mod network;
mod node_pool;
mod policy;
mod region;
mod server_size;
mod subnet;
mod template;
mod types;
mod version;

#[cfg(test)]
mod testing;

pub use ledger_bucket::LedgerBucket;
pub use template::template;

/// Connections to AWS: drivers on the AWS SDK, which need the feature `live` (`aws` of the facade).
#[cfg(feature = "live")]
pub mod live {
    pub use crate::driver::{Connection, Options, Provider, Service};
}

use landfall_core::Error;
use landfall_core::cloud::Cloud;
use landfall_core::resource::ResourceType;
use landfall_core::stack::Stack;

/// Amazon Web Services in one region: expansions and tables, no connection.
///
/// ```
/// use landfall_aws::Aws;
/// use landfall_core::cloud::Cloud;
///
/// let aws = Aws::new("eu-west-1");
/// assert_eq!(aws.name(), "aws");
/// assert!(aws.types().iter().any(|of| of.name == "AWS::EKS::Cluster"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aws {
    region: String,
}

impl Aws {
    /// The cloud, with everything made in this region, such as `eu-west-1`. Whether there is such a region is checked
    /// together with everything else that a stack declares.
    #[must_use]
    pub fn new(region: impl Into<String>) -> Self {
        Self { region: region.into() }
    }

    /// Whether the account must enable the region before anything can be made in it.
    ///
    /// ```
    /// use landfall_aws::Aws;
    ///
    /// assert!(Aws::new("eu-south-2").needs_opt_in());
    /// assert!(!Aws::new("eu-west-1").needs_opt_in());
    /// ```
    #[must_use]
    pub fn needs_opt_in(&self) -> bool {
        region::is_opt_in(&self.region)
    }
}

impl Cloud for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn region(&self) -> &str {
        &self.region
    }

    fn partition(&self) -> &'static str {
        region::partition(&self.region)
    }

    fn types(&self) -> Vec<ResourceType> {
        types::all()
    }

    fn check(&self, stack: &Stack) -> Vec<Error> {
        check::stack(&self.region, stack)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_core::Code;
    use landfall_core::graph::{Expanded, expand};
    use landfall_core::kind::{Accelerator, ClusterSpec, Nat, NetworkSpec, NodePoolSpec, Ref, Tier};
    use landfall_core::resource::{Properties, StackId, Value};
    use landfall_core::stack::{Declared, NativeSpec};
    use landfall_core::units::{Date, Range};

    use super::*;

    fn expanded(region: &str, stack: &Stack) -> Expanded {
        expand(stack, &testing::clouds(Arc::new(Aws::new(region)))).unwrap()
    }

    fn platform() -> Stack {
        let mut stack = Stack::new(StackId::new("inferloop", "dev"), Date::new(2026, 11, 23));
        stack.tags.insert("CostCenter".into(), "engineering".into());
        stack.networks.insert("core".into(), declared(NetworkSpec::new("10.0.0.0/16".parse().unwrap())));
        let cluster = ClusterSpec::new(&Ref::named("core"), "1.35")
            .administrators(["arn:aws:iam::123456789012:role/deployer"])
            .public_access(["203.0.113.0/24".parse().unwrap()]);
        stack.clusters.insert("prod".into(), declared(cluster));
        let pool = NodePoolSpec::new(&Ref::named("prod"));
        let general = pool.clone().machine("m5.xlarge").nodes(Range::new(3, 10).unwrap());
        let gpu = pool.accelerator(Accelerator::T4, 1).nodes(Range::new(0, 5).unwrap()).spot(true);
        stack.node_pools.insert("general".into(), declared(general));
        stack.node_pools.insert("gpu".into(), declared(gpu));
        stack
    }

    fn declared<S>(spec: S) -> Declared<S> {
        Declared::new(spec, None)
    }

    fn codes(stack: &Stack) -> Vec<Code> {
        Aws::new("eu-west-1").check(stack).iter().map(Error::code).collect()
    }

    #[test]
    fn the_resources_of_a_platform() {
        let expanded = expanded("eu-west-1", &platform());
        let list: Vec<_> =
            expanded.graph.iter().map(|resource| format!("{} {}", resource.address, resource.type_name)).collect();
        insta::assert_snapshot!(list.join("\n"));
    }

    #[test]
    fn the_properties_of_a_cluster_and_its_nodes() {
        let expanded = expanded("eu-west-1", &platform());
        let parts = [
            "aws/cluster/prod/cluster",
            "aws/cluster/prod/logs-key",
            "aws/cluster/prod/autoscaler-role",
            "aws/cluster/prod/addon-vpc-cni",
            "aws/network/core/subnet-public-a",
            "aws/node-pool/gpu/launch-template",
            "aws/node-pool/gpu/node-group",
        ];
        let text: Vec<_> = parts
            .iter()
            .map(|part| {
                let resource = expanded.graph.get(&part.parse().unwrap()).unwrap();
                let json = serde_json::to_string_pretty(&resource.properties).unwrap();
                format!("{part} {json} after {:?}", resource.depends_on)
            })
            .collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn the_policy_grants_each_action_that_keeps_a_type_of_the_platform() {
        let expanded = expanded("eu-west-1", &platform());
        let policy = Aws::new("eu-west-1").policy("123456789012", &platform().id, &expanded.graph);
        let statements = policy["Statement"].as_array().unwrap();
        let granted: std::collections::BTreeSet<&str> = statements
            .iter()
            .flat_map(|statement| statement["Action"].as_array().unwrap())
            .map(|action| action.as_str().unwrap())
            .collect();
        for resource in expanded.graph.iter() {
            let verbs = expanded.catalog.get(&resource.type_name).unwrap().verbs;
            for action in [verbs.read, verbs.create, verbs.update, verbs.delete].concat() {
                assert!(granted.contains(action), "{}: {action}", resource.type_name);
            }
        }
        // What changes something on everything must be bound by a condition, but for those that IAM cannot bind.
        for statement in statements.iter().filter(|statement| statement["Resource"][0] == "*") {
            if statement.get("Condition").is_none() {
                for action in statement["Action"].as_array().unwrap().iter().map(|action| action.as_str().unwrap()) {
                    let call = action.split_once(':').unwrap().1;
                    let reads = ["Describe", "List", "Get", "Decode"].iter().any(|verb| call.starts_with(verb));
                    assert!(reads || action == "ec2:RunInstances" || action.starts_with("logs:"), "{action}");
                }
            }
        }
        insta::assert_snapshot!(serde_json::to_string_pretty(&policy).unwrap());
    }

    #[test]
    fn the_policy_grants_the_calls_to_cloud_control_and_none_when_nothing_needs_them() {
        let granted = |natives: &[(&str, &str)]| {
            let mut stack = testing::stack();
            for (name, type_name) in natives {
                let spec = NativeSpec { type_name: (*type_name).to_owned(), properties: Properties::new() };
                testing::declare(&mut stack.natives, name, spec);
            }
            let expanded = expanded("eu-west-1", &stack);
            let policy = Aws::new("eu-west-1").policy("123456789012", &stack.id, &expanded.graph);
            let all = policy["Statement"].as_array().unwrap().clone();
            let actions = |one: serde_json::Value| one["Action"].as_array().unwrap().clone();
            let actions: Vec<_> = all.into_iter().flat_map(actions).collect();
            actions.iter().filter(|action| action.as_str().unwrap().starts_with("cloudformation:")).count()
        };
        assert_eq!(granted(&[("logs", "AWS::Logs::LogGroup")]), 0);
        assert_eq!(granted(&[("jobs", "AWS::SQS::Queue"), ("news", "AWS::SNS::Topic")]), 7);
    }

    #[test]
    fn a_platform_is_without_problems_and_the_same_each_time() {
        assert_eq!(codes(&platform()), []);
        let hash = || expanded("eu-west-1", &platform()).graph.hash();
        assert_eq!(hash(), hash());
    }

    #[test]
    fn every_reference_is_an_output_of_its_type() {
        let expanded = expanded("eu-west-1", &platform());
        for resource in expanded.graph.iter() {
            for value in resource.properties.values() {
                value.visit_references(&mut |reference| {
                    let target = expanded.graph.get(&reference.target).unwrap();
                    let of = expanded.catalog.get(&target.type_name).unwrap();
                    let known = reference.attribute.is_empty()
                        || reference.attribute == of.identifier
                        || of.outputs.iter().any(|output| output.name == reference.attribute);
                    assert!(known, "{}#{}", reference.target, reference.attribute);
                });
            }
        }
    }

    #[test]
    fn pools_with_accelerators_are_tainted_and_labelled() {
        let expanded = expanded("eu-west-1", &platform());
        let gpu = &expanded.outputs.node_pools["gpu"];
        assert_eq!((gpu.machine.as_str(), gpu.accelerator), ("g4dn.xlarge", Some((Accelerator::T4, 1))));
        assert_eq!(gpu.taints[0].key, "nvidia.com/gpu");
        assert_eq!(gpu.labels["k8s.amazonaws.com/accelerator"], "nvidia-tesla-t4");
        let group = expanded.graph.get(&gpu.native).unwrap();
        assert_eq!(group.properties["AmiType"].as_str(), Some("AL2023_x86_64_NVIDIA"));
        assert_eq!(group.properties["ScalingConfig"].at("MinSize"), Some(&Value::Integer(0)));
        assert!(expanded.outputs.node_pools["general"].taints.is_empty());
    }

    #[test]
    fn the_api_is_private_unless_ranges_are_named() {
        let mut stack = platform();
        stack.clusters.get_mut("prod").unwrap().spec.public_access.clear();
        let expanded = expanded("eu-west-1", &stack);
        let cluster = expanded.graph.get(&expanded.outputs.clusters["prod"].native).unwrap();
        let access = &cluster.properties["ResourcesVpcConfig"];
        assert_eq!(access.at("EndpointPublicAccess"), Some(&Value::Bool(false)));
        assert_eq!(access.at("EndpointPrivateAccess"), Some(&Value::Bool(true)));
        assert_eq!(access.at("PublicAccessCidrs"), None);
    }

    #[test]
    fn data_subnets_have_no_way_out() {
        let expanded = expanded("eu-west-1", &platform());
        let routes: Vec<_> = expanded.graph.iter().filter(|resource| resource.type_name == "AWS::EC2::Route").collect();
        assert_eq!(routes.len(), 4);
        assert!(routes.iter().all(|route| !route.address.part().contains("data")));
    }

    #[test]
    fn gateways_are_as_many_as_asked_for() {
        for (nat, gateways, routes) in [(Nat::PerZone, 3, 4), (Nat::One, 1, 4), (Nat::None, 0, 1)] {
            let mut stack = platform();
            stack.networks.get_mut("core").unwrap().spec.nat = nat;
            let expanded = expanded("eu-west-1", &stack);
            let count = |name: &str| expanded.graph.iter().filter(|resource| resource.type_name == name).count();
            assert_eq!((count("AWS::EC2::NatGateway"), count("AWS::EC2::Route")), (gateways, routes), "{nat:?}");
        }
    }

    #[test]
    fn all_problems_come_at_once() {
        let mut stack = platform();
        stack.tags.insert("costcenter".into(), "other".into());
        let mut network = NetworkSpec::new("10.0.128.0/24".parse().unwrap());
        network.zone_names = vec!["eu-west-1x".into()];
        stack.networks.insert("other".into(), declared(network));
        let cluster = &mut stack.clusters.get_mut("prod").unwrap().spec;
        cluster.version = "1.28".into();
        cluster.public_access = vec!["0.0.0.0/0".parse().unwrap()];
        cluster.log_days = 91;
        cluster.administrators = vec!["arn:aws:sts::123456789012:assumed-role/deployer/session".into()];
        stack.node_pools.get_mut("gpu").unwrap().spec = NodePoolSpec::new(&Ref::named("prod")).machine("p3.2xlarge");
        let mut found = codes(&stack);
        found.sort();
        let mut expected = vec![
            Code::InvalidTag,
            Code::UnknownZone,
            Code::CidrTooSmall,
            Code::CidrOverlap,
            Code::UnsupportedVersion,
            Code::InvalidValue,
            Code::InvalidValue,
            Code::InvalidValue,
            Code::RetiredMachine,
        ];
        expected.sort();
        assert_eq!(found, expected);
        assert!(Aws::new("eu-west-1").check(&stack).iter().all(|error| error.next_step().is_some()));
    }

    #[test]
    fn an_unknown_region_is_one_problem() {
        let found: Vec<_> = Aws::new("eu-west-9").check(&platform()).iter().map(Error::code).collect();
        assert_eq!(found, [Code::UnknownRegion]);
    }

    #[test]
    fn networks_that_no_cluster_can_stand_in_are_refused() {
        let with = |change: fn(&mut NetworkSpec)| {
            let mut stack = platform();
            change(&mut stack.networks.get_mut("core").unwrap().spec);
            codes(&stack)
        };
        assert_eq!(with(|network| network.zones = 1), [Code::InvalidValue]);
        assert_eq!(with(|network| network.nat = Nat::None), [Code::InvalidValue]);
        assert_eq!(with(|network| network.tiers = vec![Tier::Public]), [Code::InvalidValue, Code::InvalidValue]);
        assert_eq!(with(|network| network.cidr = "8.8.0.0/16".parse().unwrap()), [Code::InvalidValue]);
        assert_eq!(with(|network| network.cidr = "10.0.0.0/8".parse().unwrap()), [Code::InvalidValue]);
    }

    #[test]
    fn a_cluster_needs_a_pool_for_what_it_brings_along() {
        let mut stack = platform();
        stack.node_pools.remove("general");
        assert_eq!(codes(&stack), [Code::Capacity]);
    }

    #[test]
    fn a_stack_with_too_long_a_name_is_refused() {
        let mut stack = platform();
        stack.id = StackId::new("a".repeat(60), "production");
        assert_eq!(codes(&stack), [Code::NameTooLong]);
    }

    #[test]
    fn no_type_stands_twice() {
        let types = types::all();
        for (index, of) in types.iter().enumerate() {
            assert!(types[..index].iter().all(|other| other.name != of.name), "{}", of.name);
        }
    }

    #[test]
    fn every_type_names_the_calls_that_keep_it() {
        for of in types::all() {
            let verbs = of.verbs;
            assert!(!verbs.create.is_empty() && !verbs.read.is_empty() && !verbs.delete.is_empty(), "{}", of.name);
        }
    }
}
