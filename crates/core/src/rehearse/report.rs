//! What a rehearsal found, for people and for machines.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::branch::Judged;
use super::law::Law;
use super::options::{Branch, Options};
use super::world::World;
use crate::apply::Engine;
use crate::driver::Target;
use crate::resource::{Address, Verb};
use crate::{Code, Error, Result};

/// What a rehearsal found. `Display` is for people, serde for machines; durations are virtual time, in milliseconds in JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rehearsal {
    /// The stack that was rehearsed.
    pub stack: String,
    /// Where it would stand.
    pub target: Target,
    /// What was tried; with the same options the same happens again.
    pub options: Options,
    /// How many native resources it makes.
    pub resources: usize,
    /// How many outbound calls an undisturbed run makes.
    pub calls: u64,
    /// How long an undisturbed run takes.
    #[serde(serialize_with = "millis")]
    pub took: Duration,
    /// How many branches were run.
    pub branches: usize,
    /// How many branches there are with these options and no limit.
    pub possible: usize,
    /// How many branches each law was checked in.
    pub laws: BTreeMap<Law, usize>,
    /// What broke a law.
    pub broken: Vec<Broken>,
    /// The longest recovery.
    pub longest: Option<Recovery>,
    /// What would be left if nobody resumed, for the branches with the most of it.
    pub left: Vec<LeftBehind>,
}

/// A law that did not hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Broken {
    /// In which branch.
    pub branch: Branch,
    /// Which law.
    pub law: Law,
    /// What breaks it.
    pub what: Vec<String>,
}

/// How a branch recovered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Recovery {
    /// Which branch.
    pub branch: Branch,
    /// From the mishap to the end of the resume, the rest of the work included.
    #[serde(serialize_with = "millis")]
    pub took: Duration,
    /// How much longer the whole took than the undisturbed run.
    #[serde(serialize_with = "millis")]
    pub lost: Duration,
}

/// What a process that died left behind, before another one resumed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LeftBehind {
    /// In which branch.
    pub branch: Branch,
    /// When it died.
    #[serde(serialize_with = "millis")]
    pub at: Duration,
    /// How many objects stood in the cloud.
    pub objects: usize,
    /// The calls whose outcome the ledger did not know.
    pub open: Vec<Open>,
}

/// A call whose outcome the ledger did not know.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Open {
    /// What it was about.
    pub address: Address,
    /// The native type's name.
    pub type_name: String,
    /// What was to be done.
    pub verb: Verb,
    /// The id of the object, if it stood in the cloud.
    pub id: Option<String>,
}

impl Rehearsal {
    pub(super) fn new(engine: &Engine, options: &Options, clean: &World) -> Self {
        Self {
            stack: engine.setup().stack.to_string(),
            target: engine.setup().target.clone(),
            options: options.clone(),
            resources: engine.graph().len(),
            calls: clean.cloud.calls(),
            took: clean.now(),
            branches: 0,
            possible: 0,
            laws: BTreeMap::new(),
            broken: Vec::new(),
            longest: None,
            left: Vec::new(),
        }
    }

    /// Whether every law held in every branch.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken.is_empty()
    }

    /// Turns broken laws into an error.
    ///
    /// # Errors
    /// [`Code::RehearsalFailed`] with the first broken law and the branch that repeats it.
    pub fn check(&self) -> Result<()> {
        let Some(first) = self.broken.first() else { return Ok(()) };
        let message = format!("{} of {} branches broke a law, the first: {first}", self.failing(), self.branches);
        Err(Error::new(Code::RehearsalFailed, message)
            .hint(format!("repeat it alone with rehearse::Options::new().only(\"{}\".parse()?)", first.branch)))
    }

    pub(super) fn add(&mut self, judged: Judged) {
        let Judged { branch, laws, recovery: took, lost, left } = judged;
        self.branches += 1;
        for (law, what) in laws {
            *self.laws.entry(law).or_default() += 1;
            if !what.is_empty() {
                self.broken.push(Broken { branch, law, what });
            }
        }
        if self.longest.as_ref().is_none_or(|longest| longest.took < took) {
            self.longest = Some(Recovery { branch, took, lost });
        }
        if let Some(left) = left.filter(|left| !left.open.is_empty()) {
            self.left.push(left);
            // Those with the most unknown objects first; the earliest branch among equals.
            self.left.sort_by_key(|left| std::cmp::Reverse((left.unknown(), left.open.len())));
            self.left.truncate(super::WORST);
        }
    }

    fn failing(&self) -> usize {
        let branches: std::collections::BTreeSet<_> = self.broken.iter().map(|broken| broken.branch).collect();
        branches.len()
    }
}

impl LeftBehind {
    /// How many objects stood in the cloud of which the ledger knew only that they were intended.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.open.iter().filter(|open| open.id.is_some()).count()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): \"{}\" does not hold", self.branch, self.branch.explained(), self.law)?;
        match &self.what[..] {
            [] => Ok(()),
            [one] => write!(f, ": {one}"),
            [first, more @ ..] => write!(f, ": {first} (and {} more)", more.len()),
        }
    }
}

impl fmt::Display for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stack, target, resources, calls, took, branches, possible, .. } = self;
        writeln!(f, "Rehearsal of {stack} in a simulated {} {}, from an empty world", target.cloud, target.region)?;
        writeln!(f, "  undisturbed: {resources} resources, {calls} calls, {}", time(*took))?;
        let seed = self.options.seed;
        writeln!(f, "  disturbed: {branches} of {possible} branches, each resumed by a new process (seed {seed})")?;
        for (law, count) in &self.laws {
            let broken = self.broken.iter().filter(|broken| broken.law == *law).count();
            match broken {
                0 => writeln!(f, "  held in {count}: {law}")?,
                broken => writeln!(f, "  BROKEN in {broken} of {count}: {law}")?,
            }
        }
        if let Some(Recovery { branch, took, lost }) = &self.longest {
            writeln!(
                f,
                "  longest recovery: {}, {} in all lost ({branch}: {})",
                time(*took),
                time(*lost),
                branch.explained()
            )?;
        }
        for left in &self.left {
            writeln!(f, "  without a resume after {} ({}):", left.branch, left.branch.explained())?;
            writeln!(
                f,
                "    {} objects, {} calls open, {} of them had acted",
                left.objects,
                left.open.len(),
                left.unknown()
            )?;
            for Open { address, type_name, verb, id } in left.open.iter().take(5) {
                let id = id.as_deref().unwrap_or("not there");
                writeln!(f, "    {} {address} ({type_name}): {id}", word(*verb))?;
            }
            if left.open.len() > 5 {
                writeln!(f, "    and {} more", left.open.len() - 5)?;
            }
        }
        for broken in self.broken.iter().take(10) {
            writeln!(f, "  BROKEN {broken}")?;
        }
        if self.broken.len() > 10 {
            writeln!(f, "  and {} more", self.broken.len() - 10)?;
        }
        let one = self.broken.first().map(|broken| broken.branch);
        let one = one.or(self.longest.as_ref().map(|longest| longest.branch));
        match one {
            Some(branch) => write!(f, "  repeat one branch: rehearse::Options::new().only(\"{branch}\".parse()?)"),
            None => write!(f, "  nothing was interrupted: no call fits the options"),
        }
    }
}

fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "read",
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Delete => "delete",
    }
}

/// Minutes and seconds.
fn time(duration: Duration) -> String {
    let (minutes, seconds) = (duration.as_secs() / 60, duration.as_secs() % 60);
    if minutes == 0 { format!("{seconds} s") } else { format!("{minutes} min {seconds} s") }
}

fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_law_is_an_error_that_names_its_branch() {
        let options = Options::new();
        let target =
            Target { cloud: "aws".into(), partition: "aws".into(), account: "1".into(), region: "eu-west-1".into() };
        let mut rehearsal = Rehearsal {
            stack: "inferloop-dev".into(),
            target,
            options,
            resources: 2,
            calls: 20,
            took: Duration::from_secs(90),
            branches: 0,
            possible: 60,
            laws: BTreeMap::new(),
            broken: Vec::new(),
            longest: None,
            left: Vec::new(),
        };
        let judged = |branch: &str, broken: &[&str]| Judged {
            branch: branch.parse().unwrap(),
            laws: BTreeMap::from([(Law::AtMostOne, broken.iter().map(ToString::to_string).collect())]),
            recovery: Duration::from_secs(61),
            lost: Duration::from_secs(31),
            left: None,
        };
        rehearsal.add(judged("1-4-acted", &[]));
        rehearsal.check().unwrap();
        rehearsal.add(judged("1-5-acted", &["aws/network/core/vpc: vpc-1, vpc-2"]));
        assert!(!rehearsal.holds());
        let error = rehearsal.check().unwrap_err();
        assert_eq!(error.code(), Code::RehearsalFailed);
        assert!(error.to_string().contains("only(\"1-5-acted\".parse()?)"), "{error}");
        let text = rehearsal.to_string();
        assert!(text.contains("BROKEN in 1 of 2: no address has two objects"), "{text}");
        assert!(text.contains("vpc-1, vpc-2") && text.contains("longest recovery: 1 min 1 s, 31 s"), "{text}");
    }
}
