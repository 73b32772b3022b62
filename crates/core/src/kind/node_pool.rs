//! A pool of equal nodes in a cluster: by what they must have, or by an explicit machine type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ClusterSpec, Ref};
use crate::Result;
use crate::resource::Value;
use crate::scope::Scope;
use crate::units::{GiB, Range};

/// How one cloud makes a node pool.
pub trait NodePool: Send + Sync {
    /// Adds to `scope` the native resources that make up `spec`. Pure: no clock, no randomness, no I/O.
    ///
    /// Nodes with accelerators bear the label [`ACCELERATED`] and a taint that keeps others off; the outputs say whether
    /// they come with a [`DevicePlugin`].
    ///
    /// # Errors
    /// What is wrong with the spec on this cloud.
    fn expand_node_pool(&self, spec: &NodePoolSpec, scope: &mut Scope<'_>) -> Result<NodePoolOutputs>;

    /// The machine a spec means on this cloud, for capacity checks: cores, memory in GiB, accelerators.
    ///
    /// # Errors
    /// [`crate::Code::UnknownMachine`] or [`crate::Code::RetiredMachine`].
    fn machine(&self, spec: &NodePoolSpec, today: crate::units::Date) -> Result<MachineSize>;
}

/// The label of nodes with NVIDIA accelerators, in every cloud: key and value.
pub const ACCELERATED: (&str, &str) = ("nvidia.com/gpu.present", "true");

/// Who puts the program on nodes that tells Kubernetes of their accelerators. Without it a node offers none, and pods
/// that ask for one wait for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DevicePlugin {
    /// Landfall: nodes come with drivers and nothing else, as on EKS with Amazon Linux and on AKS.
    #[default]
    Ours,
    /// The cloud, as on GKE and on EKS with Bottlerocket.
    Theirs,
}

/// What one node of a pool offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineSize {
    /// The cloud's name of the machine type.
    pub name: String,
    /// Virtual CPUs.
    pub vcpu: u32,
    /// Memory.
    pub memory: GiB,
    /// Accelerators, and how many.
    pub accelerator: Option<(Accelerator, u32)>,
}

/// A pool of nodes as a user means it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NodePoolSpec {
    /// The cluster it belongs to.
    pub cluster: Ref<ClusterSpec>,
    /// What each node is.
    pub machine: Machine,
    /// How many nodes, between what the autoscaler may choose. Zero at the lower end scales from zero.
    pub nodes: Range,
    /// Whether to use spare capacity that the cloud may take back.
    pub spot: bool,
    /// Size of each node's disk.
    pub disk: GiB,
    /// Labels of the nodes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Taints of the nodes; pools with accelerators get theirs by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

/// What each node of a pool is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Machine {
    /// Exactly this machine type of the cloud.
    Named(String),
    /// The cheapest current type with at least this.
    AtLeast {
        /// Virtual CPUs.
        vcpu: u32,
        /// Memory.
        memory: GiB,
        /// Accelerators, and how many of them a node.
        accelerator: Option<(Accelerator, u32)>,
    },
}

/// A model of accelerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Accelerator {
    /// NVIDIA T4.
    T4,
    /// NVIDIA A10G (AWS) or A10.
    A10,
    /// NVIDIA L4.
    L4,
    /// NVIDIA L40S.
    L40s,
    /// NVIDIA A100.
    A100,
    /// NVIDIA H100.
    H100,
    /// NVIDIA H200.
    H200,
}

/// A taint of nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Taint {
    /// The key, such as `nvidia.com/gpu`.
    pub key: String,
    /// The value.
    pub value: String,
    /// What it does to pods that do not tolerate it.
    pub effect: Effect,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// They are not scheduled.
    NoSchedule,
    /// They are scheduled only when nothing else fits.
    PreferNoSchedule,
    /// They are evicted.
    NoExecute,
}

impl NodePoolSpec {
    /// A pool of the cheapest nodes with at least 4 CPUs and 16 GiB, one to three of them, with 100 GiB disks.
    #[must_use]
    pub fn new(cluster: &Ref<ClusterSpec>) -> Self {
        Self {
            cluster: cluster.clone(),
            machine: Machine::AtLeast { vcpu: 4, memory: GiB(16), accelerator: None },
            nodes: Range::new(1, 3).unwrap_or_else(|_| unreachable!("1 ≤ 3")),
            spot: false,
            disk: GiB(100),
            labels: BTreeMap::new(),
            taints: Vec::new(),
        }
    }

    /// Nodes with at least this many CPUs and this much memory.
    #[must_use]
    pub fn at_least(mut self, vcpu: u32, memory: GiB) -> Self {
        let accelerator = match self.machine {
            Machine::AtLeast { accelerator, .. } => accelerator,
            Machine::Named(_) => None,
        };
        self.machine = Machine::AtLeast { vcpu, memory, accelerator };
        self
    }

    /// Nodes with this many accelerators each.
    #[must_use]
    pub fn accelerator(mut self, model: Accelerator, per_node: u32) -> Self {
        let (vcpu, memory) = match self.machine {
            Machine::AtLeast { vcpu, memory, .. } => (vcpu, memory),
            Machine::Named(_) => (1, GiB(1)),
        };
        self.machine = Machine::AtLeast { vcpu, memory, accelerator: Some((model, per_node)) };
        self
    }

    /// Nodes of exactly this machine type.
    #[must_use]
    pub fn machine(mut self, name: impl Into<String>) -> Self {
        self.machine = Machine::Named(name.into());
        self
    }

    /// This many nodes.
    #[must_use]
    pub fn nodes(mut self, nodes: Range) -> Self {
        self.nodes = nodes;
        self
    }

    /// Uses spare capacity that the cloud may take back.
    #[must_use]
    pub fn spot(mut self, on: bool) -> Self {
        self.spot = on;
        self
    }

    /// Disks of this size.
    #[must_use]
    pub fn disk(mut self, size: GiB) -> Self {
        self.disk = size;
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Adds a taint.
    #[must_use]
    pub fn taint(mut self, key: impl Into<String>, value: impl Into<String>, effect: Effect) -> Self {
        self.taints.push(Taint { key: key.into(), value: value.into(), effect });
        self
    }
}

/// What others need of a node pool. Values are references until it exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodePoolOutputs {
    /// The pool's name in the cloud.
    pub name: Value,
    /// The machine type of its nodes.
    pub machine: String,
    /// The accelerators of each node.
    pub accelerator: Option<(Accelerator, u32)>,
    /// Who tells Kubernetes of these accelerators.
    #[serde(default)]
    pub device_plugin: DevicePlugin,
    /// All labels its nodes have.
    pub labels: BTreeMap<String, String>,
    /// All taints its nodes have.
    pub taints: Vec<Taint>,
    /// The address of the pool's native resource.
    pub native: crate::resource::Address,
}

impl NodePoolOutputs {
    /// Outputs of a node pool.
    #[must_use]
    pub fn new(native: crate::resource::Address, name: Value, machine: String) -> Self {
        Self {
            name,
            machine,
            accelerator: None,
            device_plugin: DevicePlugin::default(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            native,
        }
    }
}
