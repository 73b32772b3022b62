//! One seeded schedule: three hosts converge a small stack while everything goes wrong, and then it stops going wrong.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it serves tests and an example that prints")]

use std::collections::BTreeMap;
use std::time::Duration;

use landfall::Code;
use landfall::prelude::*;
use landfall::properties;
use landfall::resource::Properties;
use landfall::sim::{Chaos, Side, SimCloud, Skew, Time};
use landfall::units::Date;

/// What a schedule did, for sums.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) deaths: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) surplus: u64,
}

/// Small numbers that hang on a seed alone.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Errors that no fault explains.
const NEVER: [Code; 6] = [
    Code::Internal,
    Code::LedgerDamaged,
    Code::LostLedger,
    Code::ForeignResource,
    Code::WrongTarget,
    Code::LedgerUnconditional,
];

/// How often a host is started anew before it is left alone.
const STARTS: u64 = 5;

/// Runs the schedule of a seed.
///
/// # Errors
/// The law that was broken, in a line that says how to replay it.
pub(crate) async fn run(seed: u64) -> Result<Tally, String> {
    let schedule = Schedule::new(seed);
    let cloud = schedule.cloud.clone();
    let tally = schedule.go().await;
    if std::env::args().any(|argument| argument == "--ledger") {
        let stack = landfall::resource::StackId::new("schedule", "dev");
        let last = cloud.host("reader");
        let entries = last.run(async { last.ledger().history(&stack, None, 10_000).await }).await;
        for entry in entries.unwrap().unwrap().iter().rev() {
            println!("{} {} {:?}", entry.number, entry.writer, entry.records);
        }
    }
    if std::env::args().any(|argument| argument == "--calls") {
        for call in cloud.log() {
            println!("{call:?}");
        }
    }
    tally.map_err(|broken| format!("cargo run --release --example schedules -- --seed {seed} # {broken}"))
}

/// The hash of every call of a seed's schedule.
///
/// # Errors
/// As [`run`].
#[allow(dead_code, reason = "the example does not compare schedules")]
pub(crate) async fn trace(seed: u64) -> Result<String, String> {
    let schedule = Schedule::new(seed);
    let cloud = schedule.cloud.clone();
    schedule.go().await?;
    Ok(cloud.trace_hash())
}

struct Schedule {
    seed: u64,
    cloud: SimCloud,
    chaos: Chaos,
    shape: Shape,
    second: bool,
    destroy: bool,
}

/// What the stack of a schedule holds. Short ones are many, so that a minute runs thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// A key, which has only tags, and a log group, which has a name.
    Pair,
    /// A bucket with its key.
    Bucket,
    /// A network without gateways to the internet that take minutes.
    Network,
    /// A network with a NAT gateway, a cache of several minutes, a bucket.
    Long,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let chaos = Chaos::drawn(seed);
        let cloud = landfall::aws::simulated("eu-west-1", seed, Time::Virtual);
        cloud.set_chaos(chaos);
        let shape = match dice.below(64) {
            0 => Shape::Long,
            1..5 => Shape::Network,
            5..32 => Shape::Bucket,
            _ => Shape::Pair,
        };
        Self { seed, cloud, chaos, shape, second: dice.below(3) == 0, destroy: dice.below(3) == 0 }
    }

    async fn go(self) -> Result<Tally, String> {
        let mut tally = Tally::default();
        self.wave(0, false, &mut tally).await?;
        if self.second {
            self.wave(1, true, &mut tally).await?;
        }
        let last = self.cloud.host("last");
        self.settled();
        self.at_most_one(&mut tally).await?;
        let platform = self.place(&last, self.second, "last");
        let mut tries = 0;
        while let Err(error) = last.run(platform.converge()).await.unwrap() {
            if error.problems().iter().all(|problem| problem.code() == Code::Protected) && self.chaos.failing > 0 {
                // What failed after it was made may hold data: a person decides.
                let again = async { platform.apply(super::consented(platform.plan().await?)).await };
                last.run(again).await.unwrap().map_err(|error| format!("with consent: {error:?}"))?;
                continue;
            }
            // What the cloud was told to make slowly is waited for by the next run.
            tries += 1;
            let slow = error.problems().iter().all(|problem| problem.code() == Code::DeadlineExceeded);
            if !slow || tries > 4 {
                return Err(format!("the last converge: {error:?}"));
            }
        }
        self.check(&last, &platform).await?;
        if self.destroy {
            self.cloud.set_chaos(self.chaos);
            self.destroying(&mut tally).await?;
            self.settled();
        }
        let plan = last.run(platform.plan_destroy()).await.unwrap().map_err(|error| format!("destroy: {error:?}"))?;
        let plan = super::consented(plan);
        last.run(platform.destroy(plan)).await.unwrap().map_err(|error| format!("destroy: {error:?}"))?;
        let left: Vec<_> = self.cloud.objects().iter().map(|object| object.id.clone()).collect();
        if !left.is_empty() {
            return Err(format!("I1: a destroy leaves {left:?}"));
        }
        tally.calls = self.cloud.log().len() as u64;
        Ok(tally)
    }

    /// From here on nothing goes wrong any more. What is on the wire still arrives.
    fn settled(&self) {
        self.cloud.set_chaos(Chaos::NONE);
    }

    /// Three hosts converge at once.
    async fn wave(&self, wave: u64, second: bool, tally: &mut Tally) -> Result<(), String> {
        let mut dice = Dice::new(self.seed ^ (wave + 1) << 32);
        let skewed = dice.below(4) == 0;
        let hosts: Vec<_> = (0..3)
            .map(|number| {
                let rate = if skewed { 500 + u32::try_from(dice.below(1500)).unwrap() } else { 1000 };
                let ahead = Duration::from_secs(dice.below(3) * 86_400);
                let host = self.cloud.host_with(&format!("w{wave}h{number}"), Skew { ahead, rate });
                if dice.below(6) == 0 {
                    let side = if dice.below(2) == 0 { Side::Cloud } else { Side::Store };
                    let from = Duration::from_secs(dice.below(200));
                    host.cut_off(side, from, from + Duration::from_secs(dice.below(600)));
                }
                (host, Dice::new(self.seed ^ (number + 7 + wave * 3) << 16))
            })
            .collect();
        let lives = hosts.into_iter().map(|(host, dice)| self.life(host, dice, second, wave));
        for life in futures_util::future::join_all(lives).await {
            let (deaths, errors) = life?;
            tally.deaths += deaths;
            for code in errors {
                *tally.errors.entry(code).or_default() += 1;
            }
        }
        Ok(())
    }

    async fn life(
        &self,
        host: SimCloud,
        mut dice: Dice,
        second: bool,
        wave: u64,
    ) -> Result<(u64, Vec<String>), String> {
        let (mut deaths, mut errors) = (0, Vec::new());
        for start in 0..STARTS {
            let pause = Duration::from_millis(dice.below(60_000));
            host.run(host.clock().sleep(pause)).await;
            let holder = format!("{wave}-{start}-{}", dice.below(u64::MAX));
            let platform = self.place(&host, second, &holder);
            match host.run(platform.converge()).await {
                None => deaths += 1,
                Some(Ok(_)) => break,
                Some(Err(error)) => {
                    for problem in error.problems() {
                        if NEVER.contains(&problem.code()) {
                            return Err(format!("{holder}: {error:?}"));
                        }
                        errors.push(problem.code().to_string());
                    }
                }
            }
        }
        Ok((deaths, errors))
    }

    /// One host destroys while everything goes wrong.
    async fn destroying(&self, tally: &mut Tally) -> Result<(), String> {
        let host = self.cloud.host("breaker");
        for start in 0..STARTS {
            let platform = self.place(&host, self.second, &format!("breaker-{start}"));
            let work = async {
                let plan = platform.plan_destroy().await?;
                platform.destroy(super::consented(plan)).await
            };
            match host.run(work).await {
                None => tally.deaths += 1,
                Some(Ok(_)) => break,
                Some(Err(error)) => {
                    for problem in error.problems() {
                        if NEVER.contains(&problem.code()) {
                            return Err(format!("destroying: {error:?}"));
                        }
                        *tally.errors.entry(problem.code().to_string()).or_default() += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// I2, before the last converge: no more objects at an address than the ledger leads to. Only what has nothing but tags
    /// may be there once more.
    async fn at_most_one(&self, tally: &mut Tally) -> Result<(), String> {
        let reader = self.cloud.host("reader");
        let (ledger, stack) = (reader.ledger(), landfall::resource::StackId::new("schedule", "dev"));
        let loaded = reader.run(ledger.load(&stack)).await.unwrap().map_err(|error| format!("I6: {error:?}"))?;
        let mut led = BTreeMap::new();
        for (slot, _) in loaded.state.all() {
            *led.entry(slot.address).or_insert(0) += 1;
        }
        for object in self.cloud.objects() {
            let Some(address) = object.address.clone() else { continue };
            let left = led.entry(address.clone()).or_insert(0);
            *left -= 1;
            if *left >= 0 {
                continue;
            }
            let reader = self.place(&reader, self.second, "reader");
            let of = reader.catalog().get(&object.type_name);
            if !of.is_ok_and(|of| of.identity == landfall::resource::IdentityClass::Tagged) {
                return Err(format!("I2: the ledger does not lead to {} at {address}", object.id));
            }
            tally.surplus += 1;
        }
        Ok(())
    }

    /// I1, I2, I6 and I18: ledger and cloud know the same objects, one for each address, and the next run changes nothing.
    async fn check(&self, last: &SimCloud, platform: &Platform) -> Result<(), String> {
        let state = last.run(platform.engine().state()).await.unwrap().map_err(|error| format!("I6: {error:?}"))?;
        if !state.intents.is_empty() || !state.deposed.is_empty() {
            return Err(format!("I18: open {:?}, deposed {:?}", state.intents.keys(), state.deposed.keys()));
        }
        let mut known: Vec<_> =
            state.resources.iter().map(|(address, held)| (address.to_string(), held.id.clone())).collect();
        let objects = self.cloud.objects();
        let mut real: Vec<_> = objects
            .iter()
            .map(|object| (object.address.as_ref().map(ToString::to_string).unwrap_or_default(), object.id.clone()))
            .collect();
        known.sort();
        real.sort();
        if known != real {
            let lost: Vec<_> = real.iter().filter(|one| !known.contains(one)).collect();
            let made_up: Vec<_> = known.iter().filter(|one| !real.contains(one)).collect();
            return Err(format!("I1: in the cloud alone {lost:?}, in the ledger alone {made_up:?}"));
        }
        let mutations = last.mutations();
        let next = self.place(last, self.second, "next");
        last.run(next.converge()).await.unwrap().map_err(|error| format!("I18: {error:?}"))?;
        let plan = last.run(next.plan()).await.unwrap().map_err(|error| format!("I18: {error:?}"))?;
        if !plan.is_empty() || last.mutations() != mutations {
            return Err(format!(
                "I18: the next run has something to do: {}",
                plan.details(landfall::plan::Style::Plain)
            ));
        }
        Ok(())
    }

    /// The stack as one process declares it.
    fn place(&self, host: &SimCloud, second: bool, holder: &str) -> Platform {
        let mut platform = Platform::builder("schedule", "dev", Aws::new("eu-west-1"));
        platform.today(Date::new(2026, 11, 23));
        if self.shape == Shape::Pair {
            platform.native("key", "AWS::KMS::Key", properties! { "Description" => "a pair" });
            platform.native("logs", "AWS::Logs::LogGroup", properties! { "LogGroupName" => "/schedule/pair" });
        }
        if matches!(self.shape, Shape::Network | Shape::Long) {
            let nat = if self.shape == Shape::Long { Nat::One } else { Nat::None };
            let spec = NetworkSpec::new("10.30.0.0/16".parse().unwrap()).zones(2).nat(nat);
            let network = platform.network("core", spec);
            if self.shape == Shape::Long {
                platform.cache("redis", CacheSpec::valkey(&network));
            }
        }
        if matches!(self.shape, Shape::Bucket | Shape::Long) {
            platform.bucket("files", BucketSpec::new());
        }
        if second {
            platform.tag("CostCenter", "engineering");
            if self.shape == Shape::Pair {
                platform.native("role", "AWS::IAM::Role", role());
            } else {
                platform.bucket("models", BucketSpec::new());
            }
        }
        platform.simulate(host).ledger(host.ledger()).holder(holder);
        platform.build().unwrap()
    }
}

fn role() -> Properties {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{"Service":"ec2.amazonaws.com"}}]}"#;
    properties! { "RoleName" => "schedule-role", "AssumeRolePolicyDocument" => trust }
}
