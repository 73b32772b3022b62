//! Whether the declared pools can hold the declared services, and have the accelerators they ask for.
//!
//! All bounds are generous: what is refused here can run on no cloud, and what is let through may still have to wait.

use std::collections::BTreeMap;

use super::super::Report;
use crate::kind::{MachineSize, NodePoolSpec, ServiceSpec};
use crate::stack::Declared;
use crate::{Code, Error, Result};

/// A pool, and what one of its nodes offers.
type Sized<'a> = (&'a str, &'a NodePoolSpec, MachineSize);

pub(super) fn check(report: &mut Report<'_>, machine: &dyn Fn(&NodePoolSpec) -> Result<MachineSize>) {
    let stack = report.stack;
    for cluster in stack.clusters.keys() {
        let pools: Option<Vec<Sized<'_>>> = stack
            .node_pools
            .iter()
            .filter(|(_, pool)| pool.spec.cluster.name() == cluster)
            .map(|(name, pool)| Some((name.as_str(), &pool.spec, machine(&pool.spec).ok()?)))
            .collect();
        // A machine that the cloud does not know is the cloud's to report, and leaves nothing to compare with.
        let Some(pools) = pools else { continue };
        let mut held = Vec::new();
        for (name, service) in stack.services.iter().filter(|(_, service)| service.spec.cluster.name() == cluster) {
            match misfit(name, &service.spec, &pools) {
                None => held.push((name.as_str(), service)),
                Some((field, error)) => report.add(service, field, error),
            }
        }
        check_total(report, cluster, &held, &pools);
    }
}

/// Why no node of these pools can take a replica.
fn misfit(name: &str, spec: &ServiceSpec, pools: &[Sized<'_>]) -> Option<(&'static str, Error)> {
    let cluster = spec.cluster.name();
    let wanted = spec.resources.gpu;
    if wanted > 0 {
        let most = pools.iter().map(|(_, _, size)| accelerators(size)).max().unwrap_or(0);
        if most == 0 {
            let message = format!("service {name} wants {wanted} accelerators, and no node pool has any in: {cluster}");
            let hint = "declare one, such as NodePoolSpec::new(&cluster).accelerator(Accelerator::L4, 1)";
            return Some(("resources.gpu", Error::new(Code::NoGpuPool, message).hint(hint)));
        }
        if most < wanted {
            let message = format!("service {name} wants more accelerators than the {most} of one node: {wanted}");
            let hint = format!("ask for {most} or fewer, or declare a pool with {wanted} a node");
            return Some(("resources.gpu", Error::new(Code::Capacity, message).hint(hint)));
        }
    }
    let open: Vec<_> = pools.iter().filter(|(_, pool, size)| spec.may_run_on(pool, accelerators(size))).collect();
    if open.is_empty() {
        let code = if wanted > 0 { Code::NoGpuPool } else { Code::Capacity };
        let message =
            format!("service {name} may run on no node pool: all are spot, tainted or for other work in: {cluster}");
        let hint = "add a pool without spot and taints, or make the service interruptible to let it run on spot nodes";
        return Some(("cluster", Error::new(code, message).hint(hint)));
    }
    if open.iter().any(|(_, _, size)| {
        spec.resources.cpu.as_millis() <= usable_cpu(size) && spec.resources.memory.as_bytes() <= usable_memory(size)
    }) {
        return None;
    }
    let sizes: Vec<_> =
        open.iter().map(|(pool, _, size)| format!("{pool} has {} CPUs and {}", size.vcpu, size.memory)).collect();
    let message = format!(
        "a replica of service {name} fits no node, of which the system keeps a part: {} CPUs and {} of memory",
        spec.resources.cpu, spec.resources.memory
    );
    let error =
        Error::new(Code::Capacity, message).hint(format!("ask for less or declare larger nodes: {}", sizes.join(", ")));
    Some(("resources", error))
}

/// Compares what all services need at their fewest replicas with all pools at their most nodes.
fn check_total(
    report: &mut Report<'_>,
    cluster: &str,
    services: &[(&str, &Declared<ServiceSpec>)],
    pools: &[Sized<'_>],
) {
    // What asks for accelerators and what does not never share a node.
    for with_accelerators in [false, true] {
        let alike: Vec<_> =
            services.iter().filter(|(_, service)| (service.spec.resources.gpu > 0) == with_accelerators).collect();
        let Some((_, last)) = alike.last() else { continue };
        let mut needs: BTreeMap<&str, u64> = BTreeMap::new();
        let mut has: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, service) in &alike {
            let resources = service.spec.resources;
            for (what, each) in [
                ("thousandths of a CPU", resources.cpu.as_millis()),
                ("bytes of memory", resources.memory.as_bytes()),
                ("accelerators", u64::from(resources.gpu)),
            ] {
                let all = each.saturating_mul(u64::from(service.spec.replicas));
                let sum = needs.entry(what).or_default();
                *sum = sum.saturating_add(all);
            }
        }
        for (_, pool, size) in pools.iter().filter(|(_, _, size)| (accelerators(size) > 0) == with_accelerators) {
            for (what, each) in [
                ("thousandths of a CPU", usable_cpu(size)),
                ("bytes of memory", usable_memory(size)),
                ("accelerators", u64::from(accelerators(size))),
            ] {
                *has.entry(what).or_default() += each * u64::from(pool.nodes.max());
            }
        }
        for (what, need) in needs {
            let offered = has.get(what).copied().unwrap_or(0);
            if need > offered {
                let message =
                    format!("services of cluster {cluster} need more {what} than all nodes have, {need} of: {offered}");
                let hint = "allow more or larger nodes in the pools, or fewer replicas";
                report.add(last, "replicas", Error::new(Code::Capacity, message).hint(hint));
                break;
            }
        }
    }
}

fn accelerators(size: &MachineSize) -> u32 {
    size.accelerator.map_or(0, |(_, count)| count)
}

/// Thousandths of a CPU that pods can have at most: every cloud keeps at least a fiftieth of a node for itself.
fn usable_cpu(size: &MachineSize) -> u64 {
    u64::from(size.vcpu) * 980
}

/// Bytes that pods can have at most: every cloud keeps at least a twentieth of a node for itself.
fn usable_memory(size: &MachineSize) -> u64 {
    (u64::from(size.memory.0) << 30) / 20 * 19
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{codes, range, sound};
    use super::*;
    use crate::kind::Effect;
    use crate::stack::Stack;
    use crate::units::{Cpu, Memory};

    fn spoil(change: impl FnOnce(&mut Stack)) -> Vec<Code> {
        let mut stack = sound();
        change(&mut stack);
        codes(&stack)
    }

    fn service(stack: &mut Stack) -> &mut ServiceSpec {
        &mut stack.services.get_mut("textnlp").unwrap().spec
    }

    #[test]
    fn accelerators_need_a_pool() {
        let found = spoil(|stack| {
            service(stack).resources.gpu = 1;
            stack.node_pools.remove("gpu");
        });
        assert_eq!(found, [Code::NoGpuPool]);
        assert_eq!(spoil(|stack| service(stack).resources.gpu = 1), []);
    }

    #[test]
    fn accelerators_of_one_node_are_a_limit() {
        assert_eq!(spoil(|stack| service(stack).resources.gpu = 2), [Code::Capacity]);
    }

    #[test]
    fn spot_accelerators_are_for_the_interruptible() {
        let spot = |interruptible| {
            spoil(|stack| {
                service(stack).resources.gpu = 1;
                service(stack).interruptible = interruptible;
                stack.node_pools.get_mut("gpu").unwrap().spec.spot = true;
            })
        };
        assert_eq!(spot(false), [Code::NoGpuPool]);
        assert_eq!(spot(true), []);
    }

    #[test]
    fn taints_keep_services_off() {
        let tainted = |effect| {
            spoil(|stack| {
                let pool = &mut stack.node_pools.get_mut("general").unwrap().spec;
                *pool = pool.clone().taint("team", "data", effect);
            })
        };
        assert_eq!(tainted(Effect::NoSchedule), [Code::Capacity]);
        assert_eq!(tainted(Effect::PreferNoSchedule), []);
    }

    #[test]
    fn a_replica_fits_a_node() {
        assert_eq!(spoil(|stack| service(stack).resources.cpu = Cpu::millis(4000)), [Code::Capacity]);
        assert_eq!(spoil(|stack| service(stack).resources.memory = Memory::gibibytes(16)), [Code::Capacity]);
        assert_eq!(spoil(|stack| service(stack).resources.memory = Memory::gibibytes(15)), []);
    }

    #[test]
    fn all_replicas_fit_all_nodes() {
        let found = spoil(|stack| {
            stack.node_pools.get_mut("general").unwrap().spec.nodes = range(1, 1);
            service(stack).resources.memory = Memory::gibibytes(10);
        });
        assert_eq!(found, [Code::Capacity], "two replicas of 10 GiB on one node of 16 GiB");
        let found = spoil(|stack| {
            service(stack).resources.gpu = 1;
            service(stack).replicas = 5;
        });
        assert_eq!(found, [Code::Capacity], "five accelerators of four");
    }

    #[test]
    fn unknown_machines_are_the_clouds_to_report() {
        let found = spoil(|stack| {
            let pool = &mut stack.node_pools.get_mut("general").unwrap().spec;
            *pool = pool.clone().machine("m9.imaginary");
            service(stack).resources.cpu = Cpu::millis(400_000);
        });
        assert_eq!(found, []);
    }
}
