//! EKS on moto (a cluster and its node group) and on ministack (what stands in a cluster besides nodes).
//!
//! Neither keeps all: moto drops a cluster's access configuration, upgrade policy, zonal shift and deletion protection, and
//! changes no tags but a cluster's; ministack shows the tags of the create for ever, has no versions of add-ons, and answers
//! with an add-on's pod identity associations in a shape that EKS does not have. Neither knows `UpdateClusterVersion`,
//! `UpdateNodegroupVersion` or `DescribeUpdate`. What no server proves is proved of the pure functions beside the drivers:
//! which change comes next, what an update's state means, how a cluster and a group with everything in them are shown; and
//! through the proxy of `tests/aws`, which answers in the servers' place.

use landfall_core::driver::Progress;
use landfall_core::resource::{Properties, Value};
use landfall_core::{Code, list, map, properties};

use crate::bench::{Bench, Made};

fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

fn cluster(name: &str) -> Properties {
    properties! {
        "Name" => name,
        "Version" => "1.34",
        "RoleArn" => role("control-plane"),
        "BootstrapSelfManagedAddons" => false,
        "ResourcesVpcConfig" => map! {
            "SubnetIds" => ["subnet-2", "subnet-1"],
            "EndpointPrivateAccess" => true,
            "EndpointPublicAccess" => true,
            "PublicAccessCidrs" => ["203.0.113.0/24"],
        },
        "KubernetesNetworkConfig" => map! { "IpFamily" => "ipv4", "ServiceIpv4Cidr" => "172.20.0.0/16" },
        "EncryptionConfig" => list![map! {
            "Provider" => map! { "KeyArn" => "arn:aws:kms:eu-west-1:123456789012:key/1" }, "Resources" => ["secrets"],
        }],
    }
}

fn logs(types: &[&str]) -> Value {
    let types: Value = types.iter().map(|one| map! { "Type" => *one }).collect();
    map! { "ClusterLogging" => map! { "EnabledTypes" => types } }
}

/// One test, because moto fails when the node groups of a cluster are listed that another test has just deleted.
#[tokio::test]
async fn a_cluster_is_made_and_changed_and_so_are_its_nodes() {
    let Some(bench) = Bench::new("eks").await else { return };
    let mut made = bench.make("cluster", "AWS::EKS::Cluster", cluster("eks")).await;
    bench.holds(&made).await;
    // moto keeps the sorts of logs that an update names, and forgets those that were on before.
    let changes = properties! { "Logging" => logs(&["api", "audit"]), "Tags" => bench.retagged("cluster") };
    bench.change(&mut made, changes).await;
    bench.holds(&made).await;
    let again = bench.wanted("cluster", "AWS::EKS::Cluster", cluster("eks"));
    assert_eq!(again.refused(&bench).await, Code::AlreadyExists);

    let wanted = properties! {
        "ClusterName" => "eks",
        "NodegroupName" => "gpu",
        "NodeRole" => role("nodes"),
        "Subnets" => ["subnet-2", "subnet-1"],
        "AmiType" => "AL2023_x86_64_NVIDIA",
        "CapacityType" => "SPOT",
        "InstanceTypes" => ["g4dn.xlarge"],
        "Version" => "1.34",
        "Labels" => map! { "landfall.dev/pool" => "gpu", "old" => "yes" },
        "LaunchTemplate" => map! { "Id" => "lt-1", "Version" => 1 },
        "ScalingConfig" => map! { "MinSize" => 0, "MaxSize" => 5, "DesiredSize" => 2 },
        "Taints" => list![
            map! { "Key" => "nvidia.com/gpu", "Value" => "true", "Effect" => "NO_SCHEDULE" },
            map! { "Key" => "old", "Value" => "yes", "Effect" => "NO_EXECUTE" },
        ],
    };
    let mut group = bench.make("group", "AWS::EKS::Nodegroup", wanted).await;
    assert_eq!(group.id(), "eks/gpu");
    bench.holds(&group).await;
    let changes = properties! {
        "Labels" => map! { "landfall.dev/pool" => "gpu", "team" => "research" },
        "NodeRepairConfig" => map! { "Enabled" => true },
        "ScalingConfig" => map! { "MinSize" => 1, "MaxSize" => 3, "DesiredSize" => 1 },
        "Taints" => list![map! { "Key" => "nvidia.com/gpu", "Value" => "present", "Effect" => "NO_SCHEDULE" }],
        "UpdateConfig" => map! { "MaxUnavailable" => 1 },
    };
    bench.change(&mut group, changes).await;
    bench.holds(&group).await;
    let seen = bench.look(&group).await.unwrap();
    assert_eq!(seen.properties["ScalingConfig"].at("DesiredSize"), Some(&2.into()), "as many nodes as there were");

    let in_use = made.undeleted(&bench).await;
    assert_eq!(in_use, Code::DependencyViolation);
    bench.unmake(&group).await;
    bench.unmake(&made).await;
}

async fn stands(bench: &Bench, name: &str) -> Made {
    let mut wanted = cluster(name);
    wanted.extend(properties! {
        "AccessConfig" => map! { "AuthenticationMode" => "API", "BootstrapClusterCreatorAdminPermissions" => false },
        "Logging" => logs(&["api", "audit"]),
    });
    let made = bench.make("cluster", "AWS::EKS::Cluster", wanted).await;
    bench.holds(&made).await;
    made
}

#[tokio::test]
async fn an_add_on_is_made_configured_and_deleted() {
    let Some(bench) = Bench::ministack("eks-addon").await else { return };
    let cluster = stands(&bench, "eks-addon").await;
    let wanted = properties! {
        "ClusterName" => cluster.id(),
        "AddonName" => "vpc-cni",
        "AddonVersion" => "v1.20.0-eksbuild.1",
        "ConfigurationValues" => "{\"enableNetworkPolicy\":\"true\"}",
        "ResolveConflicts" => "OVERWRITE",
        "PreserveOnDelete" => false,
    };
    let changes = properties! {
        "AddonVersion" => "v1.21.0-eksbuild.1",
        "ConfigurationValues" => "{\"enableNetworkPolicy\":\"false\"}",
        "ServiceAccountRoleArn" => role("cni"),
    };
    bench.lives("addon", "AWS::EKS::Addon", wanted, changes).await;
    bench.unmake(&cluster).await;
}

#[tokio::test]
async fn an_access_entry_gets_its_policies_and_loses_those_that_are_not_wanted_any_more() {
    let Some(bench) = Bench::ministack("eks-access").await else { return };
    let cluster = stands(&bench, "eks-access").await;
    let policy = |name: &str, scope: Value| {
        map! { "PolicyArn" => format!("arn:aws:eks::aws:cluster-access-policy/{name}"), "AccessScope" => scope }
    };
    let everywhere = || map! { "Type" => "cluster" };
    let within = |names: &[&str]| map! { "Type" => "namespace", "Namespaces" => names.to_vec() };
    let wanted = properties! {
        "ClusterName" => cluster.id(),
        "PrincipalArn" => role("teams/platform"),
        "Type" => "STANDARD",
        "AccessPolicies" => list![
            policy("AmazonEKSClusterAdminPolicy", everywhere()),
            policy("AmazonEKSEditPolicy", within(&["web"])),
        ],
    };
    let changes = properties! {
        "KubernetesGroups" => ["readers"],
        "Username" => "platform",
        "AccessPolicies" => list![
            policy("AmazonEKSViewPolicy", everywhere()),
            policy("AmazonEKSEditPolicy", within(&["web", "jobs"])),
        ],
    };
    bench.lives("entry", "AWS::EKS::AccessEntry", wanted, changes).await;
    bench.unmake(&cluster).await;
}

#[tokio::test]
async fn an_access_entry_whose_policy_is_refused_is_begun_and_finished_by_an_update() {
    let Some(bench) = Bench::ministack("eks-begun").await else { return };
    let cluster = stands(&bench, "eks-begun").await;
    let policy = |scope: Value| {
        list![
            map! { "PolicyArn" => "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy", "AccessScope" => scope }
        ]
    };
    let wanted = properties! {
        "ClusterName" => cluster.id(),
        "PrincipalArn" => role("viewers"),
        "AccessPolicies" => policy(map! { "Type" => "namespace" }),
    };
    let mut made = bench.wanted("entry", "AWS::EKS::AccessEntry", wanted);
    let begun = made.begin(&bench).await;
    assert!(matches!(begun.progress, Progress::Unfinished(_)), "{:?}", begun.progress);
    bench.change(&mut made, properties! { "AccessPolicies" => policy(map! { "Type" => "cluster" }) }).await;
    bench.holds(&made).await;
    bench.unmake(&made).await;
    bench.unmake(&cluster).await;
}

#[tokio::test]
async fn a_service_account_gets_one_role_and_then_another() {
    let Some(bench) = Bench::ministack("eks-identity").await else { return };
    let cluster = stands(&bench, "eks-identity").await;
    let wanted = || {
        properties! {
            "ClusterName" => cluster.id(),
            "Namespace" => "web",
            "ServiceAccount" => "front",
            "RoleArn" => role("front"),
        }
    };
    let made = bench.make("identity", "AWS::EKS::PodIdentityAssociation", wanted()).await;
    let again = bench.wanted("identity", "AWS::EKS::PodIdentityAssociation", wanted());
    assert_eq!(again.refused(&bench).await, Code::AlreadyExists);
    let mut other = wanted();
    other.insert("ServiceAccount".into(), "back".into());
    let changes = properties! { "RoleArn" => role("back"), "DisableSessionTags" => true };
    bench.lives("other", "AWS::EKS::PodIdentityAssociation", other, changes).await;
    bench.holds(&made).await;
    bench.unmake(&made).await;
    bench.unmake(&cluster).await;
}

#[tokio::test]
async fn what_the_driver_cannot_set_is_refused_before_anything_is_made() {
    let Some(bench) = Bench::new("eks-refused").await else { return };
    let mut wanted = cluster("eks-refused");
    wanted.insert("KubernetesNetworkConfig".into(), map! { "ElasticLoadBalancing" => map! { "Enabled" => true } });
    let refused = bench.wanted("cluster", "AWS::EKS::Cluster", wanted);
    assert_eq!(refused.refused(&bench).await, Code::InvalidRequest);
    assert!(bench.look(&refused).await.is_none());
}
