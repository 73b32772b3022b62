//! A service that starts, fails and starts again: how often it may try, across all its processes.

use std::time::Duration;

use super::converge::Engine;
use crate::event::EventKind;
use crate::ledger::State;
use crate::{Code, Error, Result};

/// So many attempts without progress follow each other freely: a dead holder is replaced without delay.
const FREE: u32 = 3;
/// The longest pause before an attempt.
const LONGEST: Duration = Duration::from_secs(60);
/// How soon a request to stop is heard.
const SLICE: Duration = Duration::from_secs(1);

impl Engine {
    /// Waits before the lease is taken, the longer the more often it was taken since something last got done. The count
    /// stands in the ledger, so it survives the process; the wait goes by this process's own clock, so nobody has to
    /// write down when an attempt was made.
    ///
    /// Whether the lease is worth taking: not when everything is as it is wanted.
    pub(super) async fn pause_after_failures(&self, state: &State) -> Result<bool> {
        let setup = self.setup();
        match &state.converged {
            None => self.check_generation(state)?,
            Some(converged)
                if !self.must_recheck(converged, !state.recheck.is_no()) && self.settled(converged).is_some() =>
            {
                return Ok(false);
            }
            Some(_) => {}
        }
        let wait = pause(state.attempts);
        if wait.is_zero() {
            return Ok(true);
        }
        let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.tell(&EventKind::BackingOff { attempts: state.attempts, wait: milliseconds });
        let until = setup.clock.now() + wait;
        loop {
            if setup.options.cancel.asked().is_some() {
                return Err(Error::new(Code::Cancelled, "the caller asked to stop before the next attempt"));
            }
            let left = until.saturating_sub(setup.clock.now());
            if left.is_zero() {
                return Ok(true);
            }
            setup.clock.sleep(left.min(SLICE)).await;
        }
    }
}

/// How long to wait after so many attempts without progress.
fn pause(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(FREE);
    if doublings == 0 { Duration::ZERO } else { Duration::from_secs(1 << doublings.min(6)).min(LONGEST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let seconds: Vec<_> = [0, 3, 4, 5, 8, 9, 10, u32::MAX].map(|attempts| pause(attempts).as_secs()).into();
        assert_eq!(seconds, [0, 0, 2, 4, 32, 60, 60, 60]);
    }
}
