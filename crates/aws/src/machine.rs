//! Machine types: from cores, memory and accelerator to the cheapest current one, or a named one checked.
//!
//! "Cheapest" goes by the on-demand price of Linux in us-east-1, rounded, as of November 2026. The order matters here and
//! not the amount: it hardly differs between regions.

use landfall_core::kind::{Accelerator, Machine, MachineSize, NodePoolSpec};
use landfall_core::units::{Date, GiB};
use landfall_core::{Code, Error, Result};

use crate::region;

mod table;

use table::{EXACT, FAMILIES, RETIRED};

/// The processor's instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// 64-bit x86.
    X86,
    /// 64-bit Arm (Graviton).
    Arm,
}

/// A machine type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MachineType {
    pub(crate) name: String,
    pub(crate) vcpu: u32,
    pub(crate) memory: GiB,
    pub(crate) accelerator: Option<(Accelerator, u32)>,
    pub(crate) architecture: Architecture,
    /// Millionths of a dollar an hour.
    price: u32,
    /// Whether a request by cores and memory may choose it. Not so for burstable types, which slow down under steady
    /// load; for Arm, which not every container image runs on; and for what AWS has superseded.
    offered: bool,
}

/// What a pool's spec means in this region. Several types when spare capacity is wanted: the more there are to take from,
/// the less often a node is taken back; they are alike in cores, memory and accelerators.
///
/// # Errors
/// [`Code::UnknownMachine`] with the nearest name, or [`Code::RetiredMachine`] with a replacement.
pub(crate) fn choose(region: &str, spec: &NodePoolSpec, today: Date) -> Result<Vec<MachineType>> {
    let first = match &spec.machine {
        Machine::Named(name) => return named(region, name, today).map(|machine| vec![machine]),
        Machine::AtLeast { vcpu, memory, accelerator } => at_least(region, *vcpu, *memory, *accelerator)?,
        _ => return Err(Error::internal("a machine request that this cloud does not know")),
    };
    if !spec.spot {
        return Ok(vec![first]);
    }
    let alike = |other: &MachineType| {
        (other.vcpu, other.memory, other.accelerator) == (first.vcpu, first.memory, first.accelerator)
    };
    let mut all: Vec<_> = candidates(region).filter(alike).collect();
    all.sort_by(|one, two| (one.price, &one.name).cmp(&(two.price, &two.name)));
    all.truncate(4);
    Ok(all)
}

/// The size of what a pool's spec means, for capacity checks.
///
/// # Errors
/// As [`choose`].
pub(crate) fn size(region: &str, spec: &NodePoolSpec, today: Date) -> Result<MachineSize> {
    let machine = choose(region, spec, today)?.into_iter().next();
    let machine = machine.ok_or_else(|| Error::internal("a machine request without an answer"))?;
    Ok(MachineSize { name: machine.name, vcpu: machine.vcpu, memory: machine.memory, accelerator: machine.accelerator })
}

fn named(region: &str, name: &str, today: Date) -> Result<MachineType> {
    let family = name.split_once('.').map_or(name, |(family, _)| family);
    if let Some(retired) = RETIRED.iter().find(|retired| retired.family == family) {
        let when = match retired.on {
            Some(day) if day > today => {
                return unknown(name, &format!("AWS retires it on {day}; use {}", retired.instead));
            }
            Some(day) => format!(" on {day}"),
            None => String::new(),
        };
        return Err(Error::new(Code::RetiredMachine, format!("AWS has retired this machine type{when}: {name}"))
            .hint(format!("use {}", retired.instead)));
    }
    let Some(machine) = all().find(|machine| machine.name == name) else {
        let nearest = all()
            .map(|machine| (strsim::damerau_levenshtein(&machine.name, name), machine.name))
            .min()
            .map_or_else(String::new, |(_, nearest)| nearest);
        return unknown(name, &format!("did you mean {nearest}?"));
    };
    if region::lacks(region, family) {
        let message = format!("{region} does not offer this machine type: {name}");
        let hint = match at_least(region, machine.vcpu, machine.memory, machine.accelerator) {
            Ok(instead) => format!("use {}, or another region", instead.name),
            Err(_) => "use another region".to_owned(),
        };
        return Err(Error::new(Code::UnknownMachine, message).hint(hint));
    }
    Ok(machine)
}

fn at_least(region: &str, vcpu: u32, memory: GiB, accelerator: Option<(Accelerator, u32)>) -> Result<MachineType> {
    let fits = |machine: &MachineType| {
        machine.vcpu >= vcpu
            && machine.memory >= memory
            && match (accelerator, machine.accelerator) {
                (None, None) => true,
                (Some((model, count)), Some((has, number))) => model == has && number >= count,
                _ => false,
            }
    };
    let cheapest = |fits: &dyn Fn(&MachineType) -> bool| {
        candidates(region)
            .filter(|machine| fits(machine))
            .min_by(|one, two| (one.price, &one.name).cmp(&(two.price, &two.name)))
    };
    cheapest(&fits).ok_or_else(|| {
        let wanted = match accelerator {
            Some((model, count)) => format!("{vcpu} CPUs, {memory}, {count} × {model:?}"),
            None => format!("{vcpu} CPUs, {memory}"),
        };
        let largest = candidates(region)
            .filter(|machine| machine.accelerator.map(|(model, _)| model) == accelerator.map(|(model, _)| model))
            .max_by_key(|machine| (machine.accelerator.map(|(_, count)| count), machine.memory, machine.vcpu));
        let hint = match largest {
            Some(MachineType { name, vcpu, memory, accelerator: Some((_, count)), .. }) => {
                format!("the largest here is {name} with {vcpu} CPUs, {memory} and {count} accelerators")
            }
            Some(MachineType { name, vcpu, memory, .. }) => {
                format!("the largest here is {name} with {vcpu} CPUs and {memory}")
            }
            None => format!("{region} has no machine with this accelerator; use another model or region"),
        };
        Error::new(Code::UnknownMachine, format!("no machine type has at least what is asked for: {wanted}")).hint(hint)
    })
}

fn unknown<T>(name: &str, hint: &str) -> Result<T> {
    Err(Error::new(Code::UnknownMachine, format!("AWS has no such machine type that Landfall knows: {name}"))
        .hint(hint.to_owned()))
}

fn candidates(region: &str) -> impl Iterator<Item = MachineType> + '_ {
    all().filter(|machine| machine.offered).filter(move |machine| {
        let family = machine.name.split_once('.').map_or("", |(family, _)| family);
        !region::lacks(region, family)
    })
}

fn all() -> impl Iterator<Item = MachineType> {
    let regular = FAMILIES.iter().flat_map(|family| {
        family.sizes.iter().map(|(size, vcpu)| MachineType {
            name: format!("{}.{size}", family.name),
            vcpu: *vcpu,
            memory: GiB(vcpu * family.memory),
            accelerator: None,
            architecture: family.architecture,
            price: vcpu * family.price,
            offered: family.offered,
        })
    });
    let exact = EXACT.iter().map(|exact| MachineType {
        name: exact.name.to_owned(),
        vcpu: exact.vcpu,
        memory: GiB(exact.memory),
        accelerator: exact.accelerator,
        architecture: exact.architecture,
        price: exact.price,
        offered: exact.accelerator.is_some(),
    });
    regular.chain(exact)
}

#[cfg(test)]
mod tests {
    use landfall_core::kind::Ref;
    use proptest::prelude::*;

    use super::*;

    const TODAY: Date = Date::new(2026, 11, 23);

    fn pool() -> NodePoolSpec {
        NodePoolSpec::new(&Ref::named("prod"))
    }

    fn name(spec: &NodePoolSpec) -> String {
        size("us-east-1", spec, TODAY).unwrap().name
    }

    #[test]
    fn the_plans_own_machines_are_accepted() {
        let general = size("us-east-1", &pool().machine("m5.xlarge"), TODAY).unwrap();
        assert_eq!((general.vcpu, general.memory, general.accelerator), (4, GiB(16), None));
        let gpu = size("us-east-1", &pool().machine("g4dn.xlarge"), TODAY).unwrap();
        assert_eq!((gpu.vcpu, gpu.memory, gpu.accelerator), (4, GiB(16), Some((Accelerator::T4, 1))));
    }

    #[test]
    fn the_cheapest_that_fits_is_chosen() {
        assert_eq!(name(&pool()), "m6a.xlarge");
        assert_eq!(name(&pool().at_least(8, GiB(16))), "c6a.2xlarge");
        assert_eq!(name(&pool().at_least(2, GiB(16))), "r6a.large");
        assert_eq!(name(&pool().accelerator(Accelerator::T4, 1)), "g4dn.xlarge");
        assert_eq!(name(&pool().accelerator(Accelerator::L4, 4)), "g6.12xlarge");
        assert_eq!(name(&pool().accelerator(Accelerator::H100, 8)), "p5.48xlarge");
        assert_eq!(name(&pool().accelerator(Accelerator::H200, 8)), "p5en.48xlarge");
    }

    #[test]
    fn regions_without_the_cheapest_family_get_the_next() {
        assert_eq!(size("ap-northeast-2", &pool(), TODAY).unwrap().name, "m7i-flex.xlarge");
        let error = size("ap-southeast-1", &pool().machine("g6.xlarge"), TODAY).unwrap_err();
        assert_eq!(error.code(), Code::UnknownMachine);
    }

    #[test]
    fn spare_capacity_comes_from_several_types_alike() {
        let all = choose("us-east-1", &pool().spot(true), TODAY).unwrap();
        assert_eq!(all.len(), 4);
        assert_eq!(all[0].name, "m6a.xlarge");
        assert!(all.iter().all(|machine| (machine.vcpu, machine.memory) == (4, GiB(16))));
    }

    #[test]
    fn unknown_and_retired_machines_say_what_to_use() {
        let unknown = size("us-east-1", &pool().machine("m5.xlrage"), TODAY).unwrap_err();
        assert_eq!((unknown.code(), unknown.next_step()), (Code::UnknownMachine, Some("did you mean m5.xlarge?")));
        for retired in ["g3.4xlarge", "p2.xlarge", "p3.2xlarge"] {
            let error = size("us-east-1", &pool().machine(retired), TODAY).unwrap_err();
            assert_eq!(error.code(), Code::RetiredMachine, "{retired}");
        }
        let huge = size("us-east-1", &pool().at_least(1000, GiB(1)), TODAY).unwrap_err();
        assert_eq!(huge.code(), Code::UnknownMachine);
    }

    #[test]
    fn every_replacement_of_a_retired_machine_exists() {
        for retired in RETIRED {
            assert!(all().any(|machine| machine.name == retired.instead), "{}", retired.instead);
        }
    }

    proptest! {
        #[test]
        fn what_is_chosen_has_what_was_asked_for(vcpu in 1_u32..=96, memory in 1_u32..=384) {
            let size = size("eu-west-1", &pool().at_least(vcpu, GiB(memory)), TODAY).unwrap();
            prop_assert!(size.vcpu >= vcpu && size.memory >= GiB(memory) && size.accelerator.is_none());
        }
    }
}
