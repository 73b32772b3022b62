//! Platforms to test with: one for each seed, all different, all valid.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use crate::kind::{
    Accelerator, BucketSpec, CacheSpec, ClusterSpec, DatabaseSpec, Dependency, DependencyKind, Disruption, Effect,
    Eviction, Ingress, Isolation, MeshSpec, Metrics, Mtls, Nat, NetworkSpec, NodePoolSpec, Ref, Resources, ServiceMesh,
    ServiceSpec, ServiceType, Size, Tier, Tracing, Weekday,
};
use crate::resource::StackId;
use crate::secret::Secret;
use crate::stack::{Declarations, Declared, Stack};
use crate::units::{Cpu, Date, GiB, Memory, Per, Range, Rate, Span};

/// The day that all samples are declared on.
const TODAY: Date = Date::new(2026, 11, 23);

/// A valid platform, the same for the same seed.
///
/// Over a few dozen seeds all kinds appear in many shapes: networks of one to three zones with every sort of NAT, spot
/// and accelerated node pools, databases and caches of several sizes, both meshes, and services that depend on all of
/// them and on each other. Nothing in it names a cloud, so that every cloud can be tested with it, but one thing: the
/// administrators of a cluster are always a cloud's own identities, here a role of AWS.
///
/// ```
/// use landfall_core::sample;
///
/// let stack = sample::stack(7);
/// assert_eq!(format!("{stack:?}"), format!("{:?}", sample::stack(7)));
/// assert!(!stack.networks.is_empty());
/// ```
#[must_use]
pub fn stack(seed: u64) -> Stack {
    let mut random = Random::new(seed);
    let environment = random.pick(&["dev", "staging", "prod"]);
    let mut stack = Stack::new(StackId::new("sample", environment), TODAY);
    stack.tags.insert("CostCentre".into(), format!("team-{}", random.below(5)));
    if random.chance(50) {
        stack.tags.insert("Owner".into(), "platform@example.com".into());
    }

    let one_zone = random.chance(10);
    let zones = if one_zone { 1 } else { 2 + random.below(2) };
    let network = random.network(&mut stack, "core", 0, zones);
    if random.chance(20) {
        let zones = 1 + random.below(3);
        random.network(&mut stack, "spare", 1, zones);
    }
    // A managed control plane and a database each want two zones.
    if !one_zone {
        random.databases(&mut stack, &network);
    }
    random.caches(&mut stack, &network, one_zone);
    random.buckets(&mut stack);
    if !one_zone {
        let cluster = random.cluster(&mut stack, &network);
        random.services(&mut stack, &cluster);
    }
    stack
}

/// Xorshift: enough to vary, and the same everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds differ in few bits only; this spreads them.
        let mut random = Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u8) -> u8 {
        u8::try_from((self.next() >> 32) % u64::from(limit.max(1))).unwrap_or_default()
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let limit = u8::try_from(from.len()).unwrap_or(u8::MAX);
        from[usize::from(self.below(limit))]
    }

    fn network(&mut self, stack: &mut Stack, name: &str, index: u8, zones: u8) -> Ref<NetworkSpec> {
        let range = Ipv4Net::new_assert([10, 16 * index + self.below(16), 0, 0].into(), 16);
        // Nodes fetch their images from outside, so that a network with a cluster needs a way there.
        let has_cluster = name == "core" && zones > 1;
        let nat = self.pick(if has_cluster { &[Nat::One, Nat::PerZone] } else { &[Nat::None, Nat::One] });
        let mut spec = NetworkSpec::new(range).zones(zones).nat(nat).flow_logs(self.chance(80));
        if nat == Nat::None && self.chance(50) {
            spec = spec.tiers([Tier::Private, Tier::Data]);
        }
        declare(&mut stack.networks, name, spec);
        Ref::named(name)
    }

    fn cluster(&mut self, stack: &mut Stack, network: &Ref<NetworkSpec>) -> Ref<ClusterSpec> {
        let version = self.pick(&["1.34", "1.35"]);
        let mut spec = ClusterSpec::new(network, version)
            .administrators(["arn:aws:iam::123456789012:role/platform"])
            .log_days(self.pick(&[30, 90, 365]))
            .deletion_protection(self.chance(50));
        if self.chance(40) {
            spec = spec.public_access([Ipv4Net::new_assert([203, 0, 113, 0].into(), 24)]);
        }
        declare(&mut stack.clusters, "main", spec);
        let cluster = Ref::named("main");

        let general = NodePoolSpec::new(&cluster).at_least(self.pick(&[8, 16]), GiB(64)).nodes(range(3, 6));
        declare(&mut stack.node_pools, "general", general.label("pool", "general"));
        if self.chance(40) {
            let batch = NodePoolSpec::new(&cluster)
                .at_least(self.pick(&[2, 4, 8]), GiB(self.pick(&[8, 16, 32])))
                .nodes(range(u32::from(self.below(2)), 5))
                .spot(true)
                .disk(GiB(self.pick(&[50, 100, 200])))
                .taint("batch", "true", self.pick(&[Effect::NoSchedule, Effect::PreferNoSchedule]));
            declare(&mut stack.node_pools, "batch", batch);
        }
        if self.chance(50) {
            // The one model that every cloud has nearly everywhere.
            let gpu = NodePoolSpec::new(&cluster)
                .at_least(4, GiB(16))
                .accelerator(Accelerator::T4, 1)
                .nodes(range(u32::from(self.below(2)), 4))
                .spot(self.chance(30))
                .disk(GiB(200));
            declare(&mut stack.node_pools, "gpu", gpu);
        }
        if self.chance(60) {
            let mesh = if self.chance(60) { MeshSpec::istio(&cluster) } else { MeshSpec::linkerd(&cluster) };
            declare(&mut stack.meshes, "mesh", mesh.mtls(self.pick(&[Mtls::Strict, Mtls::Strict, Mtls::Permissive])));
        }
        cluster
    }

    fn databases(&mut self, stack: &mut Stack, network: &Ref<NetworkSpec>) {
        const DAYS: [Weekday; 7] = [
            Weekday::Monday,
            Weekday::Tuesday,
            Weekday::Wednesday,
            Weekday::Thursday,
            Weekday::Friday,
            Weekday::Saturday,
            Weekday::Sunday,
        ];
        for name in ["postgres", "warehouse"].into_iter().take(usize::from(self.below(3))) {
            let (vcpu, memory) = self.pick(&[(1, 2), (2, 4), (2, 8), (4, 16), (4, 32), (16, 128)]);
            let storage = self.pick(&[20, 50, 100, 1_000]);
            let spec = DatabaseSpec::postgres(network, self.pick(&["16", "17", "18"]))
                .size(Size::AtLeast { vcpu, memory: GiB(memory) })
                .storage(GiB(storage), GiB(storage * self.pick(&[1, 2, 10])))
                .high_availability(self.chance(60))
                .backup_days(self.pick(&[1, 7, 14, 35]))
                .maintenance(self.pick(&DAYS), self.below(24))
                .deletion_protection(self.chance(70));
            declare(&mut stack.databases, name, spec);
        }
    }

    fn caches(&mut self, stack: &mut Stack, network: &Ref<NetworkSpec>, one_zone: bool) {
        for name in ["redis", "sessions"].into_iter().take(usize::from(self.below(3))) {
            let (vcpu, memory) = self.pick(&[(1, 1), (2, 3), (2, 6), (4, 12), (4, 24)]);
            let spec = if self.chance(60) { CacheSpec::valkey(network) } else { CacheSpec::redis(network) };
            let eviction = self.pick(&[
                Eviction::None,
                Eviction::LeastRecentlyUsed,
                Eviction::LeastRecentlyUsedExpiring,
                Eviction::LeastFrequentlyUsed,
            ]);
            let spec = spec
                .size(Size::AtLeast { vcpu, memory: GiB(memory) })
                .replicas(if one_zone { 0 } else { self.below(3) })
                .eviction(eviction)
                .snapshot_days(self.pick(&[0, 1, 7]));
            declare(&mut stack.caches, name, spec);
        }
    }

    fn buckets(&mut self, stack: &mut Stack) {
        for name in ["model-storage", "exports"].into_iter().take(usize::from(self.below(3))) {
            declare(&mut stack.buckets, name, BucketSpec::new().versioning(self.chance(70)));
        }
    }

    fn services(&mut self, stack: &mut Stack, cluster: &Ref<ClusterSpec>) {
        let has_gpu = stack.node_pools.contains_key("gpu");
        let has_mesh = !stack.meshes.is_empty();
        if self.chance(60) {
            let secret = Secret::new("api-key", "sample-value".into(), &"sample-key".into());
            stack.secrets.insert("api-key".into(), secret);
        }
        let count = usize::from(1 + self.below(4));
        for (index, name) in ["tabular", "textnlp", "syndoc", "batch-worker"].into_iter().take(count).enumerate() {
            let digest = format!("{:016x}", self.next()).repeat(4);
            let mut spec = ServiceSpec::new(cluster, format!("registry.example.com/{name}@sha256:{digest}"));
            spec.replicas = u32::from(1 + self.below(3));
            spec.resources = Resources {
                cpu: Cpu::millis(self.pick(&[100, 250, 500])),
                memory: Memory::mebibytes(self.pick(&[256, 512, 1024])),
                gpu: u32::from(has_gpu && self.chance(40)),
            };
            if spec.resources.gpu > 0 {
                // Each takes a node of its own, and a spot node only if it may be interrupted.
                spec.replicas = 1;
                spec.interruptible = stack.node_pools.get("gpu").is_some_and(|pool| pool.spec.spot);
            } else if self.chance(40) {
                spec = spec.autoscale(4, self.pick(&[50, 70, 80]));
            }
            if spec.replicas > 1 && self.chance(50) {
                spec.disruption = Some(self.pick(&[Disruption::MinAvailable(1), Disruption::MaxUnavailable(1)]));
            }
            if name == "batch-worker" {
                spec.service_type = ServiceType::Worker;
                spec.port = None;
                spec.interruptible |= self.chance(50);
            } else {
                self.callable(&mut spec, name, has_mesh);
            }
            if self.chance(20) {
                spec.namespace = Some("shared".into());
            }
            if stack.secrets.contains_key("api-key") && self.chance(40) {
                spec = spec.secret("api-key", "api-key");
            }
            spec.labels.insert("team".into(), self.pick(&["data", "language"]).into());
            spec = spec.environment("LOG_LEVEL", self.pick(&["info", "debug"]));
            self.dependencies(stack, &mut spec, name, index);
            declare(&mut stack.services, name, spec);
        }
    }

    fn callable(&mut self, spec: &mut ServiceSpec, name: &str, has_mesh: bool) {
        if has_mesh && self.chance(60) {
            spec.mesh = Some(ServiceMesh {
                retries: u32::from(self.below(4)),
                timeout: self.chance(50).then_some(Span::seconds(30)),
            });
        }
        if self.chance(60) {
            let rate = Rate { count: 1_000, per: self.pick(&[Per::Second, Per::Minute]) };
            // It is the mesh that keeps a limit.
            let rate_limit = (spec.mesh.is_some() && self.chance(50)).then_some(rate);
            spec.ingress = Some(Ingress { path: format!("/api/{name}"), host: None, rate_limit });
        }
        if self.chance(50) {
            spec.metrics = Some(Metrics { path: "/metrics".into(), port: self.chance(30).then_some(9090) });
        }
        if self.chance(30) {
            spec.tracing = Some(Tracing { sampling_rate: 0.1 });
        }
        spec.isolation = self.pick(&[Isolation::Dependants, Isolation::Dependants, Isolation::Open]);
    }

    fn dependencies(&mut self, stack: &Stack, spec: &mut ServiceSpec, name: &str, index: usize) {
        let databases = stack.databases.keys().map(|target| (DependencyKind::Database, target));
        let caches = stack.caches.keys().map(|target| (DependencyKind::Cache, target));
        let buckets = stack.buckets.keys().map(|target| (DependencyKind::Storage, target));
        for (kind, target) in databases.chain(caches).chain(buckets) {
            if self.chance(60) {
                let path = (kind == DependencyKind::Storage && self.chance(70)).then(|| format!("/data/{name}"));
                let target = Some(target.clone());
                let name = target.clone().unwrap_or_default();
                spec.dependencies.push(Dependency { name, kind, target, shared: true, path });
            }
        }
        // Only on those declared before it, so that there is no circle, and only on those that can be called.
        let callable = stack.services.iter().filter(|(_, service)| service.spec.port.is_some());
        if let Some((target, _)) = callable.take(index).last()
            && self.chance(40)
        {
            *spec = spec.clone().depends_on(DependencyKind::Service, target.as_str());
        }
    }
}

fn declare<S>(all: &mut Declarations<S>, name: &str, spec: S) {
    let all: &mut BTreeMap<_, _> = all;
    all.insert(name.to_owned(), Declared::new(spec, None));
}

fn range(min: u32, max: u32) -> Range {
    Range::new(min, max.max(min).max(1)).unwrap_or_else(|_| unreachable!("min ≤ max and max ≥ 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_platform_and_others_differ() {
        let print = |seed| format!("{:?}", stack(seed));
        assert_eq!(print(3), print(3));
        let all: std::collections::BTreeSet<_> = (0..50).map(print).collect();
        assert_eq!(all.len(), 50);
    }

    #[test]
    fn fifty_seeds_cover_all_kinds() {
        let all: Vec<_> = (0..50).map(stack).collect();
        let some = |has: &dyn Fn(&Stack) -> bool| all.iter().filter(|stack| has(stack)).count() >= 3;
        assert!(some(&|stack| stack.networks["core"].spec.zones == 1));
        assert!(some(&|stack| stack.networks.values().any(|network| network.spec.nat == Nat::None)));
        assert!(some(&|stack| stack.node_pools.contains_key("gpu")));
        assert!(some(&|stack| stack.node_pools.contains_key("batch")));
        assert!(some(&|stack| stack.databases.len() == 2));
        assert!(some(&|stack| stack.caches.len() == 2));
        assert!(some(&|stack| stack.buckets.len() == 2));
        assert!(some(&|stack| !stack.meshes.is_empty()));
        assert!(some(&|stack| !stack.secrets.is_empty()));
        for kind in [DependencyKind::Database, DependencyKind::Cache, DependencyKind::Storage, DependencyKind::Service]
        {
            assert!(some(&|stack| {
                let mut services = stack.services.values();
                services.any(|service| service.spec.dependencies.iter().any(|dependency| dependency.kind == kind))
            }));
        }
    }

    #[test]
    fn all_dependencies_lead_somewhere() {
        for stack in (0..200).map(stack) {
            for service in stack.services.values() {
                for dependency in &service.spec.dependencies {
                    assert!(stack.target_of(dependency).is_some(), "{dependency:?}");
                }
            }
        }
    }
}
