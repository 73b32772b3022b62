//! A namespace and what bounds it: pod security, network, quota, limits. Services of one namespace share all of it.

use std::collections::BTreeMap;

use landfall_core::kind::{ServiceSpec, Version};
use landfall_core::resource::{Address, Value};
use landfall_core::units::{Cpu, Memory};
use landfall_core::{Result, list, map};

use super::{Membership, Workload, known, namespace_of, tag_labels};
use crate::name;
use crate::object::{Labels, Object, Objects, one};
use crate::types;

/// CPU and memory that a mesh's proxy may use at most beside each replica.
const PROXY: (Cpu, Memory) = (Cpu::millis(2000), Memory::gibibytes(1));
/// During a rollout old and new replicas stand side by side.
const ROLLOUT: u64 = 2;

/// What a namespace consists of.
pub(super) struct Namespace {
    pub(super) address: Address,
    pub(super) isolation: Address,
    pub(super) quota: Address,
    pub(super) limits: Address,
}

/// Adds the namespace of a service, unless another service of it did.
///
/// Its address has the cluster's and the namespace's name, not a service's: a namespace that moved from one owner to
/// another would be deleted with everything in it.
pub(super) fn add(workload: &Workload<'_>, objects: &mut Objects<'_, '_>) -> Result<Namespace> {
    let (cluster, name) = (workload.spec.cluster.name(), workload.namespace);
    let shared = Shared::new(workload);
    // Proxies are put into pods as they start, by the policy that stands then: the mesh comes first.
    let mesh = shared.mesh.map(|mesh| Address::new(workload.cloud, "mesh", mesh.name, mesh.provider.last_part()));
    let mesh = mesh.transpose()?;
    let after: Vec<&Address> = mesh.iter().collect();
    let address = objects.share("namespace", cluster, name, shared.namespace(workload), &after)?;
    let within = |type_name: &'static str, object: &str| Object::new(type_name, object).within(name);
    let labels = Shared::labels(workload);
    let isolation = within(types::NETWORK_POLICY, "default-deny")
        .labels(&labels)
        .with("spec", map! { "podSelector" => map! {}, "policyTypes" => ["Ingress", "Egress"] });
    let isolation = objects.share("isolation", cluster, name, isolation, &[&address])?;
    let quota = within(types::RESOURCE_QUOTA, "quota").labels(&labels).with("spec", shared.quota());
    let quota = objects.share("quota", cluster, name, quota, &[&address])?;
    let limits = within(types::LIMIT_RANGE, "limits").labels(&labels).with("spec", limits());
    let limits = objects.share("limits", cluster, name, limits, &[&address])?;
    Ok(Namespace { address, isolation, quota, limits })
}

/// All services of one namespace together.
struct Shared<'a> {
    services: Vec<&'a ServiceSpec>,
    /// The mesh, when one of them takes part in it.
    mesh: Option<Membership<'a>>,
}

impl<'a> Shared<'a> {
    fn new(workload: &Workload<'a>) -> Self {
        let services: Vec<_> = workload
            .stack
            .services
            .iter()
            .filter(|(name, other)| {
                other.spec.cluster == workload.spec.cluster && namespace_of(name, &other.spec) == workload.namespace
            })
            .map(|(_, other)| &other.spec)
            .collect();
        let mesh = workload.around.filter(|_| services.iter().any(|spec| spec.mesh.is_some()));
        Self { services, mesh }
    }

    fn labels(workload: &Workload<'_>) -> Labels {
        let mut labels = tag_labels(&workload.stack.tags);
        labels.extend(one("app.kubernetes.io/part-of", &name::label_value(&workload.stack.id.project)));
        labels
    }

    fn namespace(&self, workload: &Workload<'_>) -> Object {
        let mut labels = Self::labels(workload);
        let version = pod_security_version(workload);
        for mode in ["enforce", "audit", "warn"] {
            labels.extend(one(&format!("pod-security.kubernetes.io/{mode}"), "restricted"));
            labels.extend(one(&format!("pod-security.kubernetes.io/{mode}-version"), &version));
        }
        let mut annotations = Labels::new();
        if let Some(mesh) = self.mesh {
            labels.extend(mesh.provider.namespace_labels());
            annotations.extend(mesh.provider.namespace_annotations(mesh.mtls));
        }
        Object::new(types::NAMESPACE, workload.namespace).labels(&labels).annotations(known(annotations))
    }

    /// Room for all replicas twice, so that it stops what runs away and never a rollout.
    fn quota(&self) -> Value {
        let (mut pods, mut cpu, mut memory, mut gpu) = (0, 0, 0, 0);
        for spec in &self.services {
            let replicas = ROLLOUT * u64::from(spec.most_replicas());
            let resources = spec.resources;
            let proxy = if self.mesh.is_some() { (PROXY.0.as_millis(), PROXY.1.as_bytes()) } else { (0, 0) };
            pods += replicas;
            cpu += replicas * (resources.cpu.as_millis() + proxy.0);
            memory += replicas * (resources.memory.as_bytes() + proxy.1);
            gpu += replicas * u64::from(resources.gpu);
        }
        // Written as the API server writes quantities back: in the largest unit that divides them.
        let (cpu, memory) = (Cpu::millis(cpu).to_string(), Memory::mebibytes(memory.div_ceil(1 << 20)).to_string());
        let mut hard: BTreeMap<String, Value> = [
            ("pods", pods.to_string()),
            ("requests.cpu", cpu.clone()),
            ("limits.cpu", cpu),
            ("requests.memory", memory.clone()),
            ("limits.memory", memory),
            // Only the gateway is reached from outside.
            ("services.loadbalancers", "0".into()),
            ("services.nodeports", "0".into()),
        ]
        .map(|(key, value)| (key.to_owned(), Value::Text(value)))
        .into();
        hard.insert("requests.nvidia.com/gpu".into(), gpu.to_string().into());
        map! { "hard" => hard }
    }
}

/// What containers get that do not ask, such as those that a mesh adds.
fn limits() -> Value {
    map! {
        "limits" => list![map! {
            "type" => "Container",
            "default" => map! { "cpu" => "1", "memory" => "512Mi" },
            "defaultRequest" => map! { "cpu" => "100m", "memory" => "128Mi" },
        }],
    }
}

/// The standard as the cluster's own version defines it, so that an upgrade alone refuses no pod.
fn pod_security_version(workload: &Workload<'_>) -> String {
    let declared = workload.stack.clusters.get(workload.spec.cluster.name()).map(|cluster| &cluster.spec.version);
    declared
        .and_then(|version| version.parse::<Version>().ok())
        .map_or_else(|| "latest".to_owned(), |version| format!("v{version}"))
}
