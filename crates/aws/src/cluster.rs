//! A Kubernetes cluster on AWS: EKS with private API, encrypted secrets, all logs, access by entries and pod identity.
//!
//! Three keys, one for each sort of data: Kubernetes secrets, the control plane's logs, the disks of nodes and volumes.
//!
//! # What the cluster brings along
//! The add-ons that a cluster needs to run services: pod network with network policies, service proxy, DNS, pod identity,
//! EBS volumes, metrics for autoscaling and mounted secrets. Those that run on nodes come with the first node pool. What
//! calls AWS has a role of its own through pod identity; nodes themselves can do little. The NVIDIA device plug-in is no
//! EKS add-on: it is a Kubernetes object of the workloads.
//!
//! A role for the cluster autoscaler (service account `kube-system/cluster-autoscaler`) is ready. EKS tags the groups
//! behind managed node groups for its auto-discovery, and the autoscaler reads labels and taints of an empty pool with
//! `eks:DescribeNodegroup`, so no tag of ours is needed to scale from zero.

use landfall_core::graph::hex;
use landfall_core::kind::{Cluster, ClusterOutputs, ClusterSpec, NodePoolSpec, Tier};
use landfall_core::resource::{Address, TargetField, Value};
use landfall_core::scope::{Native, Scope};
use landfall_core::units::Date;
use landfall_core::{Result, join, list, map, properties};
use sha2::{Digest, Sha256};

use crate::iam::Rights;
use crate::key::User;
use crate::{Aws, iam, key, machine, name, version};

/// The namespace that all add-ons live in.
const NAMESPACE: &str = "kube-system";
/// Service account of the cluster autoscaler.
const AUTOSCALER: &str = "cluster-autoscaler";
/// Ranges for the addresses of Kubernetes services; the first is taken unless the network overlaps it.
const SERVICE_RANGES: [&str; 2] = ["172.20.0.0/16", "10.100.0.0/16"];
const LOG_TYPES: [&str; 5] = ["api", "audit", "authenticator", "controllerManager", "scheduler"];

impl Cluster for Aws {
    fn expand_cluster(&self, spec: &ClusterSpec, scope: &mut Scope<'_>) -> Result<ClusterOutputs> {
        let version = version::supported(&spec.version, scope.stack().today)?;
        let name = cluster_name(scope, scope.name())?;
        let secrets_key = key::add(scope, "secrets-key", "Encrypts the secrets of the Kubernetes cluster", &[])?;
        key::add(scope, "disk-key", "Encrypts disks of nodes and volumes of pods", &[User::Through("ec2")])?;
        let logs = log_group(spec, &name, scope)?;
        let role = control_plane_role(&name, &secrets_key, scope)?;
        let cluster = control_plane(spec, &name, version.to_string(), &secrets_key, &role, &logs, scope)?;
        node_role(scope)?;
        for principal in &spec.administrators {
            administrator(principal, &cluster, scope)?;
        }
        addons(&cluster, scope)?;
        autoscaler(&cluster, scope)?;

        let mut outputs = ClusterOutputs::new(cluster.address().clone(), spec.network.clone(), cluster.id());
        outputs.endpoint = cluster.attribute("Endpoint");
        outputs.certificate_authority = cluster.attribute("CertificateAuthorityData");
        outputs.id = cluster.attribute("Arn");
        outputs.node_security_group = cluster.attribute("ClusterSecurityGroupId");
        Ok(outputs)
    }
}

/// A part of a cluster that another expansion builds on.
///
/// # Errors
/// As [`Address::new`].
pub(crate) fn part(scope: &Scope<'_>, cluster: &str, part: &str) -> Result<Native> {
    Address::new(scope.cloud(), "cluster", cluster, part).map(Native::at)
}

/// The parts of a cluster that must be there before a node can become ready.
pub(crate) const BEFORE_NODES: [&str; 3] = ["addon-vpc-cni", "addon-kube-proxy", "addon-eks-pod-identity-agent"];

fn cluster_name(scope: &Scope<'_>, cluster: &str) -> Result<String> {
    name::name(&scope.stack().id, &[cluster], name::CLUSTER)
}

/// EKS makes this log group by itself when it is missing, without an end and without our key; so it is made before.
fn log_group(spec: &ClusterSpec, name: &str, scope: &mut Scope<'_>) -> Result<Native> {
    let group = format!("/aws/eks/{name}/cluster");
    let users = [User::LogGroup(group.clone())];
    let key = key::add(scope, "logs-key", "Encrypts the logs of the Kubernetes control plane", &users)?;
    let properties = properties! {
        "LogGroupName" => group, "RetentionInDays" => spec.log_days, "KmsKeyId" => key.attribute("Arn"),
    };
    scope.native("logs", "AWS::Logs::LogGroup", properties)
}

fn control_plane_role(name: &str, key: &Native, scope: &mut Scope<'_>) -> Result<Native> {
    let actions = ["kms:Encrypt", "kms:Decrypt", "kms:ListGrants", "kms:DescribeKey"];
    iam::role(
        scope,
        "control-plane-role",
        "Lets EKS run the control plane",
        iam::trust_service("eks.amazonaws.com", Some(iam::for_source(iam::arn("eks", format!("cluster/{name}"))))),
        Rights {
            managed: vec!["AmazonEKSClusterPolicy"],
            inline: vec![("secrets", iam::policy([iam::allow(&actions, key.attribute("Arn"))]))],
        },
    )
}

fn control_plane(
    spec: &ClusterSpec,
    name: &str,
    version: String,
    key: &Native,
    role: &Native,
    logs: &Native,
    scope: &mut Scope<'_>,
) -> Result<Native> {
    let network = scope.network(&spec.network)?;
    let mut access = properties! {
        "SubnetIds" => network.ids(Tier::Private),
        "EndpointPrivateAccess" => true,
        "EndpointPublicAccess" => !spec.public_access.is_empty(),
    };
    if !spec.public_access.is_empty() {
        let ranges: Value = spec.public_access.iter().map(ToString::to_string).collect();
        access.insert("PublicAccessCidrs".into(), ranges);
    }
    let types: Value = LOG_TYPES.iter().map(|kind| map! { "Type" => *kind }).collect();
    let services = SERVICE_RANGES
        .into_iter()
        .find(|range| range.parse().is_ok_and(|range| !overlap(network.cidr, range)))
        .unwrap_or(SERVICE_RANGES[0]);
    let properties = properties! {
        "Name" => name,
        "Version" => version,
        "RoleArn" => role.attribute("Arn"),
        "ResourcesVpcConfig" => access,
        "KubernetesNetworkConfig" => map! { "IpFamily" => "ipv4", "ServiceIpv4Cidr" => services },
        // Whoever creates the cluster gets no standing access by that; access is what the entries say.
        "AccessConfig" => map! { "AuthenticationMode" => "API", "BootstrapClusterCreatorAdminPermissions" => false },
        "EncryptionConfig" => list![map! {
            "Provider" => map! { "KeyArn" => key.attribute("Arn") }, "Resources" => ["secrets"],
        }],
        "Logging" => map! { "ClusterLogging" => map! { "EnabledTypes" => types } },
        // Pod network, proxy and DNS are add-ons of ours, so that they are updated like everything else.
        "BootstrapSelfManagedAddons" => false,
        // Otherwise AWS moves the cluster to the next version on its own when standard support ends.
        "UpgradePolicy" => map! { "SupportType" => "EXTENDED" },
        "DeletionProtection" => spec.deletion_protection,
    };
    scope.native_with("cluster", "AWS::EKS::Cluster", properties, |cluster| {
        cluster.depends_on.insert(logs.address().clone());
    })
}

/// What every node may do: join the cluster and pull images. Pods have roles of their own.
fn node_role(scope: &mut Scope<'_>) -> Result<Native> {
    let rights =
        Rights { managed: vec!["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"], inline: Vec::new() };
    iam::role(scope, "node-role", "Lets nodes join the cluster", iam::trust_service("ec2.amazonaws.com", None), rights)
}

fn administrator(principal: &str, cluster: &Native, scope: &mut Scope<'_>) -> Result<Native> {
    // The part is named after the principal and not after its place in the list, which changes with the others.
    let digest = hex(&Sha256::digest(principal.as_bytes()));
    let policy = join!["arn:", TargetField::Partition, ":eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"];
    scope.native(
        &format!("administrator-{}", &digest[..8]),
        "AWS::EKS::AccessEntry",
        properties! {
            "ClusterName" => cluster.id(),
            "PrincipalArn" => principal,
            "Type" => "STANDARD",
            "AccessPolicies" => list![map! {
                "PolicyArn" => policy, "AccessScope" => map! { "Type" => "cluster" },
            }],
        },
    )
}

/// An EKS add-on. The version is left to EKS: the default one for the cluster's version.
#[derive(Default)]
struct Addon {
    name: &'static str,
    configuration: Option<Value>,
    /// Service account and managed policy of what calls AWS.
    identity: Option<(&'static str, &'static str)>,
    after: Vec<Address>,
}

fn addons(cluster: &Native, scope: &mut Scope<'_>) -> Result<()> {
    let agent = Addon { name: "eks-pod-identity-agent", ..Addon::default() }.add(cluster, scope)?;
    // Nothing works before pods have addresses: these two come before nodes, the others need nodes to run on.
    Addon {
        name: "vpc-cni",
        configuration: Some(map! { "enableNetworkPolicy" => "true" }),
        identity: Some(("aws-node", "AmazonEKS_CNI_Policy")),
        after: vec![agent.address().clone()],
    }
    .add(cluster, scope)?;
    Addon { name: "kube-proxy", ..Addon::default() }.add(cluster, scope)?;

    let pools = pools(scope)?;
    if pools.is_empty() {
        return Ok(());
    }
    let on_nodes = |name, identity| Addon { name, identity, after: pools.clone(), configuration: None };
    on_nodes("coredns", None).add(cluster, scope)?;
    on_nodes("aws-ebs-csi-driver", Some(("ebs-csi-controller-sa", "service-role/AmazonEBSCSIDriverPolicy")))
        .add(cluster, scope)?;
    on_nodes("metrics-server", None).add(cluster, scope)?;
    on_nodes("aws-secrets-store-csi-driver-provider", None).add(cluster, scope)?;
    Ok(())
}

impl Addon {
    fn add(self, cluster: &Native, scope: &mut Scope<'_>) -> Result<Native> {
        let mut properties = properties! {
            "ClusterName" => cluster.id(),
            "AddonName" => self.name,
            "ResolveConflicts" => "OVERWRITE",
            "PreserveOnDelete" => false,
        };
        if let Some(configuration) = self.configuration {
            properties.insert("ConfigurationValues".into(), configuration.to_json().to_string().into());
        }
        if let Some((service_account, policy)) = self.identity {
            let role = iam::role(
                scope,
                &format!("{}-role", self.name),
                &format!("Lets the EKS add-on {} call AWS", self.name),
                iam::trust_pods(cluster.id(), NAMESPACE, service_account),
                Rights { managed: vec![policy], inline: Vec::new() },
            )?;
            properties.insert(
                "PodIdentityAssociations".into(),
                list![map! { "ServiceAccount" => service_account, "RoleArn" => role.attribute("Arn") }],
            );
        }
        scope.native_with(&format!("addon-{}", self.name), "AWS::EKS::Addon", properties, |addon| {
            addon.depends_on.extend(self.after);
        })
    }
}

fn autoscaler(cluster: &Native, scope: &mut Scope<'_>) -> Result<()> {
    let reads = [
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeLaunchConfigurations",
        "autoscaling:DescribeScalingActivities",
        "autoscaling:DescribeTags",
        "ec2:DescribeImages",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:GetInstanceTypesFromInstanceRequirements",
    ];
    let writes = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"];
    // EKS puts this tag on the groups behind its managed node groups.
    let ours = map! { "StringEquals" => map! { "aws:ResourceTag/eks:cluster-name" => cluster.id() } };
    let node_groups = iam::arn("eks", join!["nodegroup/", cluster.id(), "/*/*"]);
    let rights = Rights {
        managed: Vec::new(),
        inline: vec![(
            "scale",
            iam::policy([
                iam::allow(&reads, "*"),
                iam::allow(&["eks:DescribeNodegroup"], node_groups),
                iam::allow_if(&writes, iam::arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*"), ours),
            ]),
        )],
    };
    let trust = iam::trust_pods(cluster.id(), NAMESPACE, AUTOSCALER);
    let role = iam::role(scope, "autoscaler-role", "Lets the cluster autoscaler scale node groups", trust, rights)?;
    scope.native(
        "autoscaler-identity",
        "AWS::EKS::PodIdentityAssociation",
        properties! {
            "ClusterName" => cluster.id(),
            "Namespace" => NAMESPACE,
            "ServiceAccount" => AUTOSCALER,
            "RoleArn" => role.attribute("Arn"),
        },
    )?;
    Ok(())
}

/// The node groups that add-ons can run on: those that always have a node which takes any pod.
fn pools(scope: &Scope<'_>) -> Result<Vec<Address>> {
    let pools = &scope.stack().node_pools;
    let ours = pools.iter().filter(|(_, pool)| pool.spec.cluster.name() == scope.name());
    ours.filter(|(_, pool)| runs_anything(&pool.spec, scope.region(), scope.stack().today))
        .map(|(name, _)| Address::new(scope.cloud(), "node-pool", name, "node-group"))
        .collect()
}

/// Whether a pool always has a node that takes any pod. A machine that cannot be found is another problem.
pub(crate) fn runs_anything(pool: &NodePoolSpec, region: &str, today: Date) -> bool {
    let plain = machine::size(region, pool, today).map_or(true, |machine| machine.accelerator.is_none());
    pool.nodes.min() > 0 && pool.taints.is_empty() && plain
}

fn overlap(one: ipnet::Ipv4Net, two: ipnet::Ipv4Net) -> bool {
    one.contains(&two) || two.contains(&one)
}
