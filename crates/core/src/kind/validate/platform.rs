//! Problems of what services stand on: networks, clusters, node pools, databases, caches, meshes.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::kind::{CacheSpec, DatabaseSpec, Nat, NetworkSpec, Ref, Tier};
use crate::stack::Declared;
use crate::units::GiB;
use crate::{Code, Error};

pub(super) fn check(report: &mut Report<'_>) {
    let stack = report.stack;
    for (name, network) in &stack.networks {
        check_network(report, name, network);
    }
    for (name, cluster) in &stack.clusters {
        let who = format!("cluster {name}");
        report.reference(cluster, "network", &who, &cluster.spec.network, &stack.networks);
        needs_tier(report, cluster, &who, &cluster.spec.network, Tier::Private);
    }
    for (name, pool) in &stack.node_pools {
        let who = format!("node pool {name}");
        report.reference(pool, "cluster", &who, &pool.spec.cluster, &stack.clusters);
        let message = format!("{who} has disks of less than 20 GiB: {}", pool.spec.disk);
        report.require(pool.spec.disk >= GiB(20), pool, "disk", message, "the images of nodes alone take 20 GiB");
    }
    for (name, database) in &stack.databases {
        check_database(report, name, database);
    }
    for (name, cache) in &stack.caches {
        check_cache(report, name, cache);
    }
    let mut meshed: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, mesh) in &stack.meshes {
        report.reference(mesh, "cluster", &format!("mesh {name}"), &mesh.spec.cluster, &stack.clusters);
        if let Some(first) = meshed.insert(mesh.spec.cluster.name(), name) {
            let message = format!("two meshes span the cluster {}: {first} and {name}", mesh.spec.cluster.name());
            report.add(mesh, "cluster", Error::new(Code::Contradiction, message).hint("remove one of them"));
        }
    }
}

fn check_network(report: &mut Report<'_>, name: &str, network: &Declared<NetworkSpec>) {
    let spec = &network.spec;
    let message = format!("network {name} has from 1 to 6 zones, not: {}", spec.zones);
    report.require((1..=6).contains(&spec.zones), network, "zones", message, "write zones(3), the usual number");
    let distinct: BTreeSet<_> = spec.zone_names.iter().collect();
    if !spec.zone_names.is_empty()
        && (distinct.len() != spec.zone_names.len() || usize::from(spec.zones) != spec.zone_names.len())
    {
        let message = format!("zones of network {name} are named twice or not as many as `zones` says: {}", spec.zones);
        let error = Error::new(Code::Contradiction, message).hint("name each zone once, and leave their number out");
        report.add(network, "zone_names", error);
    }
    let tiers: BTreeSet<_> = spec.tiers.iter().collect();
    let message = format!("network {name} has each tier once and at least one, not: {:?}", spec.tiers);
    let whole = !tiers.is_empty() && tiers.len() == spec.tiers.len();
    report.require(whole, network, "tiers", message, "write tiers([Tier::Public, Tier::Private, Tier::Data])");
    if spec.nat != Nat::None && !tiers.contains(&Tier::Public) && tiers.contains(&Tier::Private) {
        let message = format!("network {name} has NAT but no public subnets for its gateways: {:?}", spec.nat);
        let error = Error::new(Code::Contradiction, message).hint("add Tier::Public, or write nat(Nat::None)");
        report.add(network, "nat", error);
    }
}

fn check_database(report: &mut Report<'_>, name: &str, database: &Declared<DatabaseSpec>) {
    let (stack, spec, who) = (report.stack, &database.spec, format!("database {name}"));
    report.reference(database, "network", &who, &spec.network, &stack.networks);
    needs_tier(report, database, &who, &spec.network, Tier::Data);
    let message = format!("{who} has less than 20 GiB of storage: {}", spec.storage);
    report.require(spec.storage >= GiB(20), database, "storage", message, "write at least GiB(20)");
    let message = format!("{who} may grow to less than its {} at the start: {}", spec.storage, spec.storage_limit);
    let hint = "make the limit at least as large as the storage at the start";
    report.require(spec.storage_limit >= spec.storage, database, "storage_limit", message, hint);
    let message = format!("{who} keeps backups for at most 35 days, not: {}", spec.backup_days);
    report.require(spec.backup_days <= 35, database, "backup_days", message, "write 35 or fewer");
    let message = format!("{who} is maintained at an hour from 0 to 23, not: {}", spec.maintenance.hour);
    report.require(spec.maintenance.hour <= 23, database, "maintenance.hour", message, "hours are in UTC");
}

fn check_cache(report: &mut Report<'_>, name: &str, cache: &Declared<CacheSpec>) {
    let (stack, spec, who) = (report.stack, &cache.spec, format!("cache {name}"));
    report.reference(cache, "network", &who, &spec.network, &stack.networks);
    needs_tier(report, cache, &who, &spec.network, Tier::Data);
    let message = format!("{who} has at most 5 replicas, not: {}", spec.replicas);
    report.require(spec.replicas <= 5, cache, "replicas", message, "one replica takes over when the primary fails");
    let message = format!("{who} keeps snapshots for at most 35 days, not: {}", spec.snapshot_days);
    report.require(spec.snapshot_days <= 35, cache, "snapshot_days", message, "write 35 or fewer");
}

/// What stands in the subnets of a tier needs a network that has them.
fn needs_tier<S>(report: &mut Report<'_>, declared: &Declared<S>, who: &str, network: &Ref<NetworkSpec>, tier: Tier) {
    let Some(found) = report.stack.networks.get(network.name()) else { return };
    if !found.spec.tiers.contains(&tier) {
        let message = format!("{who} stands in {tier:?} subnets, which its network has not: {}", network.name());
        let error = Error::new(Code::Contradiction, message).hint(format!("add Tier::{tier:?} to the network's tiers"));
        report.add(declared, "network", error);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{codes, declared, sound};
    use super::*;
    use crate::kind::{MeshSpec, Weekday};
    use crate::stack::Stack;

    fn spoil(change: impl FnOnce(&mut Stack)) -> Vec<Code> {
        let mut stack = sound();
        change(&mut stack);
        codes(&stack)
    }

    fn network(change: impl FnOnce(&mut NetworkSpec)) -> Vec<Code> {
        spoil(|stack| change(&mut stack.networks.get_mut("core").unwrap().spec))
    }

    fn database(change: impl FnOnce(&mut DatabaseSpec)) -> Vec<Code> {
        spoil(|stack| change(&mut stack.databases.get_mut("main").unwrap().spec))
    }

    fn cache(change: impl FnOnce(&mut CacheSpec)) -> Vec<Code> {
        spoil(|stack| change(&mut stack.caches.get_mut("shared").unwrap().spec))
    }

    #[test]
    fn zones_have_a_range() {
        assert_eq!(network(|spec| spec.zones = 0), [Code::InvalidValue]);
        assert_eq!(network(|spec| spec.zones = 7), [Code::InvalidValue]);
        assert_eq!(network(|spec| spec.zones = 6), []);
    }

    #[test]
    fn zone_names_are_distinct_and_as_many_as_said() {
        assert_eq!(network(|spec| *spec = spec.clone().zone_names(["a", "a"])), [Code::Contradiction]);
        assert_eq!(network(|spec| spec.zone_names = vec!["a".into()]), [Code::Contradiction]);
        assert_eq!(network(|spec| *spec = spec.clone().zone_names(["a", "b"])), []);
    }

    #[test]
    fn tiers_are_distinct() {
        let twice = [Tier::Public, Tier::Private, Tier::Data, Tier::Data];
        assert_eq!(network(|spec| spec.tiers = twice.into()), [Code::InvalidValue]);
    }

    #[test]
    fn nat_needs_public_subnets() {
        let inner = vec![Tier::Private, Tier::Data];
        assert_eq!(network(|spec| spec.tiers = inner.clone()), [Code::Contradiction]);
        assert_eq!(network(|spec| *spec = spec.clone().tiers(inner).nat(Nat::None)), []);
    }

    #[test]
    fn what_stands_in_a_tier_needs_it() {
        let found = network(|spec| spec.tiers = vec![Tier::Public, Tier::Private]);
        assert_eq!(found, [Code::Contradiction, Code::Contradiction], "database and cache");
        let found = network(|spec| *spec = spec.clone().tiers([Tier::Data]).nat(Nat::None));
        assert_eq!(found, [Code::Contradiction], "cluster");
    }

    #[test]
    fn references_lead_somewhere() {
        let lost = [Code::UnknownReference];
        assert_eq!(spoil(|stack| stack.clusters.get_mut("prod").unwrap().spec.network = Ref::named("x")), lost);
        assert_eq!(spoil(|stack| stack.node_pools.get_mut("gpu").unwrap().spec.cluster = Ref::named("x")), lost);
        assert_eq!(database(|spec| spec.network = Ref::named("x")), lost);
        assert_eq!(cache(|spec| spec.network = Ref::named("x")), lost);
        let mesh = |stack: &mut Stack| {
            stack.meshes.insert("other".into(), declared(MeshSpec::linkerd(&Ref::named("x"))));
        };
        assert_eq!(spoil(mesh), lost);
    }

    #[test]
    fn disks_hold_an_image() {
        let small = |stack: &mut Stack| stack.node_pools.get_mut("general").unwrap().spec.disk = GiB(10);
        assert_eq!(spoil(small), [Code::InvalidValue]);
    }

    #[test]
    fn storage_has_a_floor_and_a_limit_above_it() {
        assert_eq!(database(|spec| spec.storage = GiB(19)), [Code::InvalidValue]);
        assert_eq!(database(|spec| spec.storage_limit = GiB(49)), [Code::InvalidValue]);
        assert_eq!(database(|spec| spec.storage_limit = GiB(50)), []);
    }

    #[test]
    fn backups_are_kept_for_35_days_at_most() {
        assert_eq!(database(|spec| spec.backup_days = 36), [Code::InvalidValue]);
        assert_eq!(cache(|spec| spec.snapshot_days = 36), [Code::InvalidValue]);
    }

    #[test]
    fn maintenance_has_an_hour_of_the_day() {
        assert_eq!(database(|spec| *spec = spec.clone().maintenance(Weekday::Monday, 24)), [Code::InvalidValue]);
    }

    #[test]
    fn caches_have_few_replicas() {
        assert_eq!(cache(|spec| spec.replicas = 6), [Code::InvalidValue]);
    }

    #[test]
    fn one_mesh_spans_a_cluster() {
        let second = |stack: &mut Stack| {
            stack.meshes.insert("linkerd".into(), declared(MeshSpec::linkerd(&Ref::named("prod"))));
        };
        assert_eq!(spoil(second), [Code::Contradiction]);
    }
}
