//! A kill at each call, and another one while the next process resumes: on stacks of 12, 60 and 500 native resources.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Content, MOMENTS, World, differences};
use landfall::prelude::*;
use landfall::sim::{Moment, SimCloud};
use landfall::units::Date;

/// A fifth of a run is small pieces of memory, taken and given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A stack of the sweep: how it is declared, and how many native resources it has.
#[derive(Clone, Copy)]
struct Stack {
    natives: usize,
    networks: usize,
    buckets: usize,
}

const SMALL: Stack = Stack { natives: 12, networks: 0, buckets: 3 };
const MIDDLE: Stack = Stack { natives: 60, networks: 1, buckets: 7 };
const LARGE: Stack = Stack { natives: 500, networks: 4, buckets: 93 };

/// Where a process dies: at which call of its life, counted from 1, at which moment.
type Kill = (u64, Moment);

impl Stack {
    fn declare(self) -> PlatformBuilder {
        let mut platform = Platform::builder("sweep", "dev", Aws::new("eu-west-1"));
        platform.today(Date::new(2026, 11, 23));
        for number in 0..self.networks {
            let range = format!("10.{number}.0.0/16").parse().unwrap();
            platform.network(&format!("network-{number}"), NetworkSpec::new(range).zones(2).nat(Nat::PerZone));
        }
        for number in 0..self.buckets {
            platform.bucket(&format!("bucket-{number}"), BucketSpec::new());
        }
        platform
    }

    /// What a run that nothing disturbs leaves, and how many calls it makes.
    fn clean(self) -> (Content, u64) {
        block_on(async {
            let world = World::new(1);
            let (host, platform) = self.process(&world, 0);
            assert_eq!(platform.graph().len(), self.natives);
            host.run(platform.converge()).await.unwrap().unwrap();
            (world.content(), host.calls())
        })
    }

    /// Lets processes die one after the other, and the last one live. Returns how many died and how many calls the last one
    /// made.
    fn killed(self, kills: &[Kill], content: &Content) -> (usize, u64) {
        block_on(async {
            let world = World::new(1);
            let mut deaths = 0;
            for (number, (call, moment)) in kills.iter().enumerate() {
                let (host, doomed) = self.process(&world, number);
                host.crash_at(*call, *moment);
                match host.run(doomed.converge()).await {
                    None => deaths += 1,
                    Some(outcome) => drop(outcome.unwrap()),
                }
            }
            let (host, heir) = self.process(&world, kills.len());
            let outcome = host.run(heir.converge()).await.unwrap();
            outcome.unwrap_or_else(|error| panic!("{kills:?}: {error:?}"));
            let calls = host.calls();
            assert_eq!(differences(&world.content(), content), [""; 0], "{kills:?}");
            world.check_census(&heir).await;
            let mutations = host.mutations();
            heir.converge().await.unwrap();
            assert_eq!(host.mutations(), mutations, "{kills:?}: the run after changes nothing");
            (deaths, calls)
        })
    }

    /// A process on a host of its own, so that a death that nobody came to hits nobody else. The same number makes the same
    /// calls, whether it is to die or not.
    fn process(self, world: &World, number: usize) -> (SimCloud, Platform) {
        let name = format!("process-{number}");
        let host = world.cloud.host(&name);
        let mut builder = self.declare();
        builder.simulate(&host).ledger(host.ledger()).holder(&name);
        (host, builder.build().unwrap())
    }

    /// Every pair of kills whose first one is at a call of this share.
    fn every_pair(self, share: u64, of: u64) {
        let (content, calls) = self.clean();
        for call in (1..=calls).filter(|call| call % of == share) {
            for moment in MOMENTS {
                let resumes = self.killed(&[(call, moment)], &content).1;
                assert!(resumes > 1, "who goes on after call {call} makes calls: {resumes}");
                for again in 1..=resumes {
                    for second in MOMENTS {
                        let kills = [(call, moment), (again, second)];
                        assert_eq!(self.killed(&kills, &content).0, 2, "{kills:?}: both calls are made");
                    }
                }
            }
        }
    }

    /// So many pairs of kills, spread evenly over the calls of the first process and over those of the one that resumes.
    fn pairs(self, share: u64, of: u64, count: u64) {
        let (content, calls) = self.clean();
        let mut deaths = 0;
        for number in (0..count).filter(|number| number % of == share) {
            let call = 1 + number * calls / count;
            let (first, second) = (MOMENTS[number as usize % 3], MOMENTS[number as usize / 3 % 3]);
            // Who resumes makes about as many calls as were left. A step that shares no factor with it visits all.
            let again = 1 + number * 7919 % (calls - call + 1);
            deaths += self.killed(&[(call, first), (again, second)], &content).0;
        }
        assert!(deaths as u64 * of > count * 9 / 5, "nearly all die twice: {deaths}");
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

macro_rules! shares {
    ($($(#[$meta:meta])* $name:ident: $run:expr;)*) => {
        $(#[test] $(#[$meta])* fn $name() { $run; })*
    };
}

shares! {
    a_hundred_pairs_on_12_resources: SMALL.pairs(0, 1, 100);
    #[ignore = "it takes a minute: the gate runs it with --release -- --ignored every_pair_of_kills_on_12"]
    every_pair_of_kills_on_12_resources_at_even_calls: SMALL.every_pair(0, 2);
    #[ignore = "it takes a minute: the gate runs it with --release -- --ignored every_pair_of_kills_on_12"]
    every_pair_of_kills_on_12_resources_at_odd_calls: SMALL.every_pair(1, 2);
    two_hundred_pairs_on_60_resources: MIDDLE.pairs(0, 1, 200);
    twenty_pairs_on_500_resources: LARGE.pairs(0, 1, 20);
    #[ignore = "it takes a minute: the gate runs it with --release -- --ignored two_thousand_pairs_on_60"]
    two_thousand_pairs_on_60_resources: MIDDLE.pairs(0, 1, 2_000);
    #[ignore = "it takes minutes: run it with --release -- --ignored pairs_on_500"]
    a_thousand_pairs_on_500_resources: LARGE.pairs(0, 2, 2_000);
    #[ignore = "it takes minutes: run it with --release -- --ignored pairs_on_500"]
    another_thousand_pairs_on_500_resources: LARGE.pairs(1, 2, 2_000);
    #[ignore = "it takes an hour: run it with --release -- --ignored every_pair_of_kills_on_60"]
    every_pair_of_kills_on_60_resources_at_even_calls: MIDDLE.every_pair(0, 2);
    #[ignore = "it takes an hour: run it with --release -- --ignored every_pair_of_kills_on_60"]
    every_pair_of_kills_on_60_resources_at_odd_calls: MIDDLE.every_pair(1, 2);
}
