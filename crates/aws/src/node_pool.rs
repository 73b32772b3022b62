//! A node pool on AWS: an EKS managed node group with a launch template of its own.
//!
//! Nodes answer for their metadata with session tokens only and not to pods (hop limit 1), and have encrypted disks. The
//! number of nodes is the autoscaler's once the group exists. Pools with accelerators are tainted and labelled, so that
//! only pods which ask for an accelerator land there.

use landfall_core::kind::{
    ACCELERATED, Accelerator, DevicePlugin, Effect, MachineSize, NodePool, NodePoolOutputs, NodePoolSpec, Taint, Tier,
    Version,
};
use landfall_core::resource::Value;
use landfall_core::scope::{Native, Scope};
use landfall_core::units::Date;
use landfall_core::{Error, Result, list, map, properties};

use crate::machine::{self, Architecture, MachineType};
use crate::{Aws, cluster, name, network, version};

impl NodePool for Aws {
    fn expand_node_pool(&self, spec: &NodePoolSpec, scope: &mut Scope<'_>) -> Result<NodePoolOutputs> {
        let machines = machine::choose(scope.region(), spec, scope.stack().today)?;
        let Some(machine) = machines.first() else {
            return Err(Error::internal("a machine request without an answer"));
        };
        let name = name::local(scope.name(), name::NODE_GROUP);
        let labels = labels(spec, machine, scope.name());
        let taints = taints(spec, machine);
        let template = launch_template(spec, scope)?;
        let mut properties = node_group(spec, &machines, machine, &template, scope)?;
        properties.insert("NodegroupName".into(), name.as_str().into());
        let as_map = labels.iter().map(|(key, value)| (key.clone(), value.into())).collect();
        properties.insert("Labels".into(), Value::Map(as_map));
        if !taints.is_empty() {
            properties.insert("Taints".into(), taints.iter().map(taint).collect());
        }
        let before = before(spec, scope)?;
        let group = scope
            .native_with("node-group", "AWS::EKS::Nodegroup", properties, |group| group.depends_on.extend(before))?;

        let mut outputs = NodePoolOutputs::new(group.address().clone(), name.into(), machine.name.clone());
        outputs.accelerator = machine.accelerator;
        // "When using the EKS-optimized AL2023 AMIs with NVIDIA GPUs, you must install the NVIDIA Kubernetes device
        // plugin": https://docs.aws.amazon.com/eks/latest/userguide/ml-eks-k8s-device-plugin.html
        outputs.device_plugin = DevicePlugin::Ours;
        outputs.labels = labels;
        outputs.taints = taints;
        Ok(outputs)
    }

    fn machine(&self, spec: &NodePoolSpec, today: Date) -> Result<MachineSize> {
        machine::size(&self.region, spec, today)
    }
}

fn launch_template(spec: &NodePoolSpec, scope: &mut Scope<'_>) -> Result<Native> {
    let name = name::name(&scope.stack().id, &[scope.name()], name::LAUNCH_TEMPLATE)?;
    let key = cluster::part(scope, spec.cluster.name(), "disk-key")?;
    // Instances and their disks come and go with the autoscaler: they bear the stack's tags for the bill, and no
    // ownership marks, which are for what Landfall itself keeps.
    let mut tags = scope.stack().tags.clone();
    tags.entry("Name".into()).or_insert_with(|| name.clone());
    let tags: Value = tags.iter().map(|(key, value)| map! { "Key" => key, "Value" => value }).collect();
    let specification = |resource: &str| map! { "ResourceType" => resource, "Tags" => tags.clone() };
    let data = map! {
        "MetadataOptions" => map! {
            "HttpEndpoint" => "enabled", "HttpTokens" => "required", "HttpPutResponseHopLimit" => 1,
        },
        "BlockDeviceMappings" => list![map! {
            // The root device of Amazon Linux 2023.
            "DeviceName" => "/dev/xvda",
            "Ebs" => map! {
                "VolumeType" => "gp3",
                "VolumeSize" => spec.disk.0,
                "Encrypted" => true,
                "KmsKeyId" => key.attribute("Arn"),
                "DeleteOnTermination" => true,
            },
        }],
        "TagSpecifications" => list![specification("instance"), specification("volume")],
    };
    scope.native(
        "launch-template",
        "AWS::EC2::LaunchTemplate",
        properties! { "LaunchTemplateName" => name, "LaunchTemplateData" => data },
    )
}

fn node_group(
    spec: &NodePoolSpec,
    machines: &[MachineType],
    machine: &MachineType,
    template: &Native,
    scope: &Scope<'_>,
) -> Result<landfall_core::resource::Properties> {
    let cluster = scope.cluster(&spec.cluster)?;
    let network = scope.network(&cluster.network)?;
    let role = cluster::part(scope, spec.cluster.name(), "node-role")?;
    let image = match (machine.architecture, machine.accelerator) {
        (Architecture::Arm, None) => "AL2023_ARM_64_STANDARD",
        (Architecture::Arm, Some(_)) => "AL2023_ARM_64_NVIDIA",
        (Architecture::X86, None) => "AL2023_x86_64_STANDARD",
        (Architecture::X86, Some(_)) => "AL2023_x86_64_NVIDIA",
    };
    Ok(properties! {
        "ClusterName" => cluster.name.clone(),
        "NodeRole" => role.attribute("Arn"),
        "Subnets" => network.ids(Tier::Private),
        "Version" => cluster_version(spec, scope)?.to_string(),
        "AmiType" => image,
        "CapacityType" => if spec.spot { "SPOT" } else { "ON_DEMAND" },
        "InstanceTypes" => machines.iter().map(|machine| machine.name.as_str()).collect::<Vec<_>>(),
        "LaunchTemplate" => map! { "Id" => template.id(), "Version" => template.attribute("LatestVersionNumber") },
        "ScalingConfig" => map! {
            "MinSize" => spec.nodes.min(), "MaxSize" => spec.nodes.max(), "DesiredSize" => spec.nodes.min(),
        },
        "UpdateConfig" => map! { "MaxUnavailable" => 1 },
        "NodeRepairConfig" => map! { "Enabled" => true },
    })
}

/// Nodes follow the version of their cluster, which EKS updates first.
fn cluster_version(spec: &NodePoolSpec, scope: &Scope<'_>) -> Result<Version> {
    let clusters = &scope.stack().clusters;
    let cluster = clusters
        .get(spec.cluster.name())
        .ok_or_else(|| Error::internal(format!("a cluster with outputs and no spec: {}", spec.cluster.name())))?;
    version::supported(&cluster.spec.version, scope.stack().today)
}

/// What no property refers to, and nodes cannot become ready without: a way out, and the network of pods.
fn before(spec: &NodePoolSpec, scope: &Scope<'_>) -> Result<Vec<landfall_core::resource::Address>> {
    let cluster = scope.cluster(&spec.cluster)?;
    let network = cluster.network.name();
    let mut all = match scope.stack().networks.get(network) {
        Some(declared) => network::ways_out(network, &declared.spec, scope)?,
        None => Vec::new(),
    };
    for part in cluster::BEFORE_NODES {
        all.push(cluster::part(scope, spec.cluster.name(), part)?.address().clone());
    }
    Ok(all)
}

fn labels(spec: &NodePoolSpec, machine: &MachineType, pool: &str) -> std::collections::BTreeMap<String, String> {
    let mut labels = spec.labels.clone();
    labels.insert("landfall.dev/pool".into(), pool.to_owned());
    if let Some((model, _)) = machine.accelerator {
        labels.insert(ACCELERATED.0.into(), ACCELERATED.1.into());
        // The cluster autoscaler waits for the accelerators of nodes with this label before it calls them ready.
        labels.insert("k8s.amazonaws.com/accelerator".into(), product(model).into());
    }
    labels
}

fn product(model: Accelerator) -> &'static str {
    match model {
        Accelerator::T4 => "nvidia-tesla-t4",
        Accelerator::A10 => "nvidia-a10g",
        Accelerator::L4 => "nvidia-l4",
        Accelerator::L40s => "nvidia-l40s",
        Accelerator::A100 => "nvidia-tesla-a100",
        Accelerator::H100 => "nvidia-h100",
        Accelerator::H200 => "nvidia-h200",
        _ => "nvidia",
    }
}

fn taints(spec: &NodePoolSpec, machine: &MachineType) -> Vec<Taint> {
    let mut taints = spec.taints.clone();
    let accelerated = Taint { key: "nvidia.com/gpu".into(), value: "true".into(), effect: Effect::NoSchedule };
    let has_one = taints.iter().any(|taint| taint.key == accelerated.key);
    if machine.accelerator.is_some() && !has_one {
        taints.push(accelerated);
    }
    taints
}

fn taint(taint: &Taint) -> Value {
    let effect = match taint.effect {
        Effect::NoSchedule => "NO_SCHEDULE",
        Effect::PreferNoSchedule => "PREFER_NO_SCHEDULE",
        Effect::NoExecute => "NO_EXECUTE",
    };
    map! { "Key" => &taint.key, "Value" => &taint.value, "Effect" => effect }
}
