//! What an apply did, what it did not, and why.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::resource::{Address, Verb};
use crate::{Code, Error, Problems, Result};

/// What an apply did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Operations that were done and recorded.
    pub done: usize,
    /// Root causes: operations that failed themselves.
    pub failures: Vec<Problem>,
    /// Operations that were not tried, each with the failed one they stand on.
    pub skipped: Vec<(Address, Address)>,
    /// Operations that were under way when the caller asked to stop: they go on in the cloud, and the next run takes them
    /// up.
    pub abandoned: Vec<Address>,
    /// Operations that were not started because the caller asked to stop.
    pub not_started: Vec<Address>,
    /// Mutating calls that were sent.
    pub mutations: u64,
    /// How long it took on the platform's clock.
    pub took: Duration,
    /// Whether a call may still make an object that has only tags, or delete what has been made anew under the same name.
    pub(super) late: bool,
    /// When such an object was last made although an earlier call may have made it.
    pub(super) repeated: Option<Duration>,
    /// Why everything stopped, when it did: the ledger or the lease was lost, or the caller asked.
    pub stopped: Option<Error>,
}

/// One operation that failed itself.
#[derive(Debug)]
pub struct Problem {
    /// The resource.
    pub address: Address,
    /// What was tried.
    pub verb: Verb,
    /// What went wrong.
    pub error: Error,
}

impl Report {
    /// Adds what a later round of the same work did.
    pub(super) fn add(&mut self, later: Self) {
        self.done += later.done;
        self.mutations += later.mutations;
        self.took += later.took;
        self.repeated = self.repeated.max(later.repeated);
    }

    /// Whether nothing failed but what the cloud turned out to hold when the plan was carried out.
    pub(super) fn is_stale(&self) -> bool {
        let mut failures = self.failures.iter();
        self.stopped.is_none() && !self.failures.is_empty() && failures.all(|one| one.error.code() == Code::StalePlan)
    }

    /// The report itself when everything was done.
    ///
    /// # Errors
    /// The reason for a stop; else [`Code::ApplyFailed`] with every root cause, and with what was skipped in its details.
    pub fn into_result(self) -> Result<Self> {
        if self.stopped.is_none() && self.failures.is_empty() {
            return Ok(self);
        }
        let detail = self.left_open();
        if let Some(error) = self.stopped {
            return Err(error.detail(detail));
        }
        let count = self.failures.len();
        let mut problems = Problems::default();
        problems.extend(self.failures.into_iter().map(|problem| problem.error));
        match problems.finish() {
            Err(error) if count == 1 => Err(error.detail(detail)),
            Err(error) => Err(error
                .renamed(Code::ApplyFailed, format!("{count} changes failed, {} were made", self.done))
                .detail(detail)),
            Ok(()) => Err(Error::internal("failures without errors")),
        }
    }

    /// What the next run will take up, a line each.
    fn left_open(&self) -> String {
        let mut lines = vec![format!("{} changes were made and are recorded", self.done)];
        let mut skipped: BTreeMap<&Address, Vec<&Address>> = BTreeMap::new();
        for (address, because) in &self.skipped {
            skipped.entry(because).or_default().push(address);
        }
        lines.extend(skipped.iter().map(|(because, all)| format!("skipped, because {because} failed: {}", few(all))));
        lines.extend(self.abandoned.iter().map(|address| format!("still under way in the cloud: {address}")));
        if !self.not_started.is_empty() {
            let all: Vec<&Address> = self.not_started.iter().collect();
            lines.push(format!("not started: {}", few(&all)));
        }
        lines.push("run converge again to continue from here".to_owned());
        lines.join("\n")
    }
}

/// The first of them, and how many more there are: the plan has them all.
fn few(all: &[&Address]) -> String {
    const SHOWN: usize = 3;
    let mut words: Vec<String> = all.iter().take(SHOWN).map(ToString::to_string).collect();
    if all.len() > SHOWN {
        words.push(format!("and {} more", all.len() - SHOWN));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(part: usize) -> Address {
        format!("test/kind/main/p{part}").parse().unwrap()
    }

    #[test]
    fn what_failed_is_said_in_full_and_what_follows_from_it_in_short() {
        let failed = Problem {
            address: address(0),
            verb: Verb::Create,
            error: Error::new(Code::PermissionDenied, "not allowed"),
        };
        let report = Report {
            done: 2,
            skipped: (1..=5).map(|part| (address(part), address(0))).collect(),
            not_started: vec![address(6)],
            failures: vec![failed],
            ..Report::default()
        };
        let error = report.into_result().unwrap_err();
        assert_eq!(error.code(), Code::PermissionDenied);
        let details = error.details().unwrap();
        let skipped = "skipped, because test/kind/main/p0 failed: \
            test/kind/main/p1, test/kind/main/p2, test/kind/main/p3, and 2 more";
        assert!(details.lines().any(|line| line == skipped), "{details}");
        assert!(details.lines().any(|line| line == "not started: test/kind/main/p6"), "{details}");
    }
}
