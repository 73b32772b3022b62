//! What plans must be like, whatever they are made from.

use proptest::prelude::*;
use proptest::sample::Index;

use super::fake::*;
use super::*;
use crate::properties;

/// A random declaration of up to ten resources that refer to each other.
#[derive(Clone)]
struct Wanted {
    on: bool,
    of: usize,
    fixed: u8,
    size: u8,
    refs: Vec<Index>,
    fixed_refs: Vec<Index>,
    rank: u16,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { on, of, fixed, size, refs, fixed_refs, rank } = self;
        if !on {
            return f.write_str("-");
        }
        write!(f, "{} fixed {fixed} size {size} rank {rank} {refs:?} {fixed_refs:?}", TYPES[*of])
    }
}

fn wanted() -> impl Strategy<Value = Vec<Wanted>> {
    let one = (
        any::<bool>(),
        0..5_usize,
        0..2_u8,
        0..2_u8,
        prop::collection::vec(any::<Index>(), 0..3),
        prop::collection::vec(any::<Index>(), 0..2),
        any::<u16>(),
    );
    let one = one.prop_map(|(on, of, fixed, size, refs, fixed_refs, rank)| Wanted {
        on,
        of,
        fixed,
        size,
        refs,
        fixed_refs,
        rank,
    });
    prop::collection::vec(one, 10)
}

const TYPES: [&str; 5] = ["Test::Net", "Test::Role", "Test::Database", "Test::Template", "Test::Server"];

fn declare(case: &mut Case, all: &[Wanted]) {
    case.wanted.clear();
    for (index, one) in all.iter().enumerate().filter(|(_, one)| one.on) {
        let refer = |list: &[Index]| -> Value {
            let before: Vec<usize> = (0..all.len())
                .filter(|other| all[*other].on && (all[*other].rank, *other) < (one.rank, index))
                .collect();
            let pick = |pick: &Index| {
                let other = before[pick.index(before.len())];
                let attribute = if all[other].of == 3 { "Version" } else { "" };
                reference(&format!("r{other}"), attribute)
            };
            if before.is_empty() { Value::List(Vec::new()) } else { list.iter().map(pick).collect() }
        };
        let mut properties = properties! {
            "Name" => format!("n{index}"), "Fixed" => i64::from(one.fixed), "Size" => i64::from(one.size),
            "Refs" => refer(&one.refs), "FixedRefs" => refer(&one.fixed_refs),
        };
        if one.of == 2 {
            properties.insert("DeletionProtection".to_owned(), (one.size == 1).into());
        }
        case.want(&format!("r{index}"), TYPES[one.of], properties);
    }
}

fn sound(plan: &Plan) {
    for (index, operation) in plan.operations.iter().enumerate() {
        assert!(operation.after.iter().all(|before| *before < index));
    }
    for step in &plan.steps {
        assert!(step.reasons.last().is_some_and(Reason::is_root), "{}: {:?}", step.address, step.reasons);
    }
    assert!(plan.steps.is_sorted_by_key(|step| (step.risk, step.address.clone())));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was there, wherever a run was killed, whatever is wanted next: the plan can be applied as it is ordered,
    /// every change has a root cause, and after it nothing is left to do.
    #[test]
    fn every_plan_leads_to_the_end(
        first in wanted(), second in wanted(), third in wanted(),
        kills in prop::collection::vec((any::<Index>(), 0..3_usize), 2),
    ) {
        let mut case = Case::new();
        for (wanted, (at, how)) in [&first, &second].into_iter().zip(&kills) {
            declare(&mut case, wanted);
            let plan = case.plan().unwrap();
            sound(&plan);
            if !plan.operations.is_empty() {
                let how = [Kill::BeforeIntent, Kill::BeforeCall, Kill::AfterCall][*how];
                case.apply(&plan, Some((at.index(plan.operations.len()), how)));
            }
        }
        declare(&mut case, &third);
        let plan = case.converge();
        sound(&plan);
        prop_assert_eq!(case.world.len(), case.wanted.len());
        prop_assert!(case.state.intents.is_empty() && case.state.deposed.is_empty());

        case.strict = true;
        let plan = case.plan_with(Mode::Destroy, &case.seen()).unwrap();
        sound(&plan);
        case.apply(&plan, None);
        prop_assert!(case.world.is_empty() && case.state.is_empty());
    }

    /// An unchanged graph that lost some of its objects and some of their properties is made whole in one go.
    #[test]
    fn what_was_damaged_is_made_whole(all in wanted(), lost in prop::collection::vec(any::<(bool, bool)>(), 10)) {
        let mut case = Case::new();
        declare(&mut case, &all);
        case.arrive();
        for (index, (gone, drifted)) in lost.into_iter().enumerate() {
            let Some(held) = case.state.resources.get(&address(&format!("r{index}"))) else { continue };
            if gone {
                case.world.remove(&held.id);
            } else if drifted {
                case.world.get_mut(&held.id).unwrap().properties.insert("Size".to_owned(), 77.into());
            }
        }
        let plan = case.converge();
        sound(&plan);
        prop_assert_eq!(case.world.len(), case.wanted.len());
    }
}
