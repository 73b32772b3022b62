//! What is rehearsed: which calls go wrong, and how.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sim::{Call, Fault, FaultKind, Moment, On, SimCloud};
use crate::{Code, Error, Result};

/// What a rehearsal tries.
///
/// ```
/// use landfall_core::rehearse::{Mishap, Options};
///
/// let quick = Options::new();
/// let thorough = Options::new().every_call().mishaps(Mishap::ALL).twice().destroying();
/// let one = Options::new().only("1-150-acted".parse()?);
/// # Ok::<_, landfall_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Options {
    /// What all chance is drawn from.
    pub seed: u64,
    /// At most how many branches are run; `None` runs all.
    pub limit: Option<usize>,
    /// What goes wrong.
    pub mishaps: Vec<Mishap>,
    /// Whether a process that was killed is killed once more while it resumes.
    pub twice: bool,
    /// Whether each branch ends with a destroy.
    pub destroying: bool,
    /// The one branch to run.
    pub only: Option<Branch>,
}

impl Options {
    /// The defaults: a kill at each call and moment, all of them up to 300, else 300 spread evenly.
    #[must_use]
    pub fn new() -> Self {
        Self { seed: 1, limit: Some(300), mishaps: Mishap::KILLS.to_vec(), twice: false, destroying: false, only: None }
    }

    /// Draws chance from another seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs at most so many branches, spread evenly over calls and mishaps.
    #[must_use]
    pub fn at_most(mut self, branches: usize) -> Self {
        self.limit = Some(branches);
        self
    }

    /// Runs every branch, however many there are.
    #[must_use]
    pub fn every_call(mut self) -> Self {
        self.limit = None;
        self
    }

    /// Tries these mishaps instead of the kills.
    #[must_use]
    pub fn mishaps(mut self, mishaps: impl IntoIterator<Item = Mishap>) -> Self {
        self.mishaps = mishaps.into_iter().collect();
        self
    }

    /// Kills whoever resumes once more, at a call drawn from the seed.
    #[must_use]
    pub fn twice(mut self) -> Self {
        self.twice = true;
        self
    }

    /// Destroys at the end of each branch and looks what is left.
    #[must_use]
    pub fn destroying(mut self) -> Self {
        self.destroying = true;
        self
    }

    /// Repeats one branch, with its seed.
    #[must_use]
    pub fn only(mut self, branch: Branch) -> Self {
        self.seed = branch.seed;
        self.only = Some(branch);
        self
    }

    /// The branches to run, in order, and how many there are in all.
    pub(super) fn branches(&self, calls: &[Call]) -> (Vec<Branch>, usize) {
        if let Some(only) = self.only {
            let made = calls.iter().any(|call| call.number == only.call);
            return (made.then_some(only).into_iter().collect(), 1);
        }
        let mut all = Vec::new();
        for call in calls {
            // A store of the ledger knows no such faults: each of them would strike the next call to the cloud.
            let fits = |mishap: &&Mishap| mishap.is_kill() || !call.name.starts_with("ledger");
            for mishap in self.mishaps.iter().filter(fits) {
                all.push(Branch { seed: self.seed, call: call.number, mishap: *mishap, again: None });
            }
        }
        if self.twice {
            let last = calls.len() as u64;
            for branch in all.iter_mut().filter(|branch| branch.mishap.is_kill()) {
                let chance = mixed(self.seed ^ (branch.call << 8) ^ branch.mishap as u64);
                let ahead = last.saturating_sub(branch.call) + 20;
                let kill = Mishap::KILLS[usize::try_from(chance % 3).unwrap_or_default()];
                branch.again = Some((1 + (chance >> 8) % ahead, kill));
            }
        }
        let count = all.len();
        (spread(all, self.limit.unwrap_or(usize::MAX), self.seed), count)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// What goes wrong at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Mishap {
    /// The process is killed before the request is sent.
    Before,
    /// The process is killed when the other side has acted and the reply is on its way.
    Acted,
    /// The process is killed when the reply has arrived and nothing was done with it.
    Replied,
    /// The cloud refuses the call: too many.
    Throttled,
    /// The cloud refuses the call: unavailable.
    Unavailable,
    /// The request is lost, and the caller cannot know.
    Lost,
    /// The cloud acts, the answer is lost, and the caller cannot know.
    Unanswered,
}

impl Mishap {
    /// The ways to die.
    pub const KILLS: [Self; 3] = [Self::Before, Self::Acted, Self::Replied];
    /// All mishaps.
    pub const ALL: [Self; 7] =
        [Self::Before, Self::Acted, Self::Replied, Self::Throttled, Self::Unavailable, Self::Lost, Self::Unanswered];

    /// Whether the process dies of it.
    #[must_use]
    pub fn is_kill(self) -> bool {
        Self::KILLS.contains(&self)
    }

    /// Its name within the name of a branch.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Acted => "acted",
            Self::Replied => "replied",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Lost => "lost",
            Self::Unanswered => "unanswered",
        }
    }

    fn explained(self) -> &'static str {
        match self {
            Self::Before => "killed before the request was sent",
            Self::Acted => "killed after the other side acted, before its reply",
            Self::Replied => "killed when the reply arrived",
            Self::Throttled => "throttled",
            Self::Unavailable => "the cloud was unavailable",
            Self::Lost => "the request was lost",
            Self::Unanswered => "the cloud acted and its answer was lost",
        }
    }

    /// Orders it in a simulated cloud.
    pub(super) fn order(self, cloud: &SimCloud, call: u64) {
        let fault = |kind| cloud.fail(Fault::new(On::CallsFrom(call), kind));
        match self {
            Self::Before => cloud.crash_at(call, Moment::Before),
            Self::Acted => cloud.crash_at(call, Moment::Acted),
            Self::Replied => cloud.crash_at(call, Moment::Replied),
            Self::Throttled => fault(FaultKind::Throttled { retry_after: None }),
            Self::Unavailable => fault(FaultKind::Unavailable),
            Self::Lost => fault(FaultKind::OutcomeUnknown { acted: false }),
            Self::Unanswered => fault(FaultKind::OutcomeUnknown { acted: true }),
        }
    }
}

/// One way in which a run goes wrong. Printed and parsed as `1-150-acted`: the seed, the call, the mishap, and after a
/// second kill `-12-before`: the call of the resume, counted from its beginning, and the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Branch {
    /// The seed of the world.
    pub seed: u64,
    /// The outbound call that goes wrong, counted from 1; calls to the ledger's store count.
    pub call: u64,
    /// What goes wrong.
    pub mishap: Mishap,
    /// The call of the resume, counted from 1, at which whoever resumes is killed, and the moment.
    pub again: Option<(u64, Mishap)>,
}

impl Branch {
    /// What happens, in words.
    #[must_use]
    pub fn explained(&self) -> String {
        let first = format!("{} at call {}", self.mishap.explained(), self.call);
        match self.again {
            Some((call, mishap)) => format!("{first}; then {} at call {call} of the resume", mishap.explained()),
            None => first,
        }
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.seed, self.call, self.mishap.name())?;
        match self.again {
            Some((call, mishap)) => write!(f, "-{call}-{}", mishap.name()),
            None => Ok(()),
        }
    }
}

impl FromStr for Branch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = || {
            let mut parts = text.split('-');
            let seed = parts.next()?.parse().ok()?;
            let mut pair = || -> Option<Option<(u64, Mishap)>> {
                let Some(call) = parts.next() else { return Some(None) };
                let name = parts.next()?;
                let mishap = Mishap::ALL.into_iter().find(|mishap| mishap.name() == name)?;
                Some(Some((call.parse().ok().filter(|call| *call > 0)?, mishap)))
            };
            let ((call, mishap), again) = (pair()??, pair()?);
            let second = again.is_none_or(|(_, again)| mishap.is_kill() && again.is_kill());
            (second && parts.next().is_none()).then_some(Self { seed, call, mishap, again })
        };
        parsed().ok_or_else(|| {
            Error::new(Code::InvalidValue, format!("a branch of a rehearsal cannot be read: {text}"))
                .hint("write it as the report printed it: seed, call and mishap, such as 1-150-acted")
        })
    }
}

impl Serialize for Branch {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// At most so many of them, spread evenly: steps of the golden ratio through all, each taken once.
fn spread(all: Vec<Branch>, limit: usize, seed: u64) -> Vec<Branch> {
    if all.len() <= limit {
        return all;
    }
    let mut step = (all.len() * 61_803 / 100_000).max(1);
    while divisor(step, all.len()) != 1 {
        step += 1;
    }
    let start = usize::try_from(mixed(seed) % all.len() as u64).unwrap_or_default();
    let mut some: Vec<_> = (0..limit).map(|turn| all[(start + turn * step) % all.len()]).collect();
    some.sort_unstable();
    some
}

fn divisor(one: usize, two: usize) -> usize {
    if two == 0 { one } else { divisor(two, one % two) }
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sim::Outcome;

    fn calls(names: &[&'static str]) -> Vec<Call> {
        let call = |(index, name): (usize, &&'static str)| Call {
            number: index as u64 + 1,
            host: "host".into(),
            at: Duration::ZERO,
            name: (*name).into(),
            type_name: None,
            address: None,
            many: 0,
            outcome: Outcome::Accepted,
        };
        names.iter().enumerate().map(call).collect()
    }

    #[test]
    fn a_branch_is_read_as_it_is_printed() {
        for text in ["1-150-acted", "7-2-throttled", "18446744073709551615-1-before-12-replied"] {
            assert_eq!(text.parse::<Branch>().unwrap().to_string(), text);
        }
        for text in
            ["", "1", "1-2", "1-0-acted", "1-2-eaten", "1-2-acted-3", "1-2-acted-3-before-4", "1-2-lost-3-acted"]
        {
            assert_eq!(text.parse::<Branch>().unwrap_err().code(), Code::InvalidValue, "{text}");
        }
    }

    #[test]
    fn what_the_ledgers_store_cannot_do_is_not_tried_on_it() {
        let calls = calls(&["ledger put", "create"]);
        let (all, count) = Options::new().every_call().mishaps(Mishap::ALL).branches(&calls);
        assert_eq!((all.len(), count), (10, 10));
        assert!(all.iter().all(|branch| branch.call == 2 || branch.mishap.is_kill()));
    }

    #[test]
    fn a_sample_is_spread_over_calls_and_mishaps_and_holds_none_twice() {
        let calls = calls(&["create"; 1000]);
        let (some, count) = Options::new().seed(9).at_most(300).branches(&calls);
        assert_eq!((some.len(), count), (300, 3000));
        let distinct: std::collections::BTreeSet<_> = some.iter().collect();
        assert_eq!(distinct.len(), 300);
        for kill in Mishap::KILLS {
            let share = some.iter().filter(|branch| branch.mishap == kill).count();
            assert!((80..=120).contains(&share), "{kill:?}: {share}");
        }
        for hundred in 0..10 {
            let share = some.iter().filter(|branch| (branch.call - 1) / 100 == hundred).count();
            assert!((25..=35).contains(&share), "calls from {}: {share}", hundred * 100);
        }
        assert_eq!(some, Options::new().seed(9).at_most(300).branches(&calls).0);
        assert_ne!(some, Options::new().seed(10).at_most(300).branches(&calls).0);
    }
}
