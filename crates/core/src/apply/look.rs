//! Looking at the cloud until what it says can be relied on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::converge::Engine;
use super::retry::{Jitter, back_off};
use crate::driver::{Found, Observation, Reader};
use crate::event::EventKind;
use crate::ledger::{Record, Session, Slot, State};
use crate::plan::{self, Mode, Seen, observations_needed};
use crate::resource::{Api, Identity, IdentityClass, Verb};
use crate::{Error, Result};

/// How often a read that failed in passing is repeated before planning gives up.
const ATTEMPTS: u32 = 8;
/// How long to wait before looking again for something that is not to be seen.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// How long something must have been out of sight, by this process's clock, to be gone, when reads lag behind by `lag`:
/// that long by a clock that runs at twice the right rate.
pub(super) fn absence(lag: Duration) -> Duration {
    lag * 2
}

/// Something to look at until it is known.
struct Question {
    identity: Identity,
    /// How long it must have been out of sight to be gone.
    lag: Duration,
    /// When the newest look at it that was answered began.
    looked: Duration,
}

impl Engine {
    /// Looks at everything the ledger leads to. What is not to be seen is looked for until it is seen, or until a look
    /// shows it absent that began later than reads may lag behind.
    ///
    /// Whoever has the lease gives the session, so that it is renewed meanwhile.
    pub(super) async fn look(&self, state: &State, mode: Mode, mut session: Option<&mut Session>) -> Result<Seen> {
        let setup = self.setup();
        let reader = Reader::new(setup.drivers.clone());
        if !state.intents.is_empty() {
            self.tell(&EventKind::Resolving { open: state.intents.len() });
        }
        let cx = setup.context();
        let began = setup.clock.now();
        let mut seen = self.again(&mut session, || plan::look(&reader, &cx, state)).await?;
        let mut questions = self.questions(state, mode, began)?;
        let mut jitter = Jitter::new(&setup.options.holder);
        let mut attempt = 0;
        loop {
            let mut open: BTreeMap<&str, Vec<(&Slot, &Identity)>> = BTreeMap::new();
            let mut wait = Duration::ZERO;
            for (slot, question) in &questions {
                let pause = match seen.by_slot.get(slot) {
                    Some(Observation::Absent) if !question.lag.is_zero() => {
                        (question.looked.saturating_sub(began) <= question.lag).then_some(PAUSE)
                    }
                    Some(Observation::Unknown(error))
                        if attempt < ATTEMPTS && self.may_answer(state, &seen, &question.identity) =>
                    {
                        passing(error).and_then(|error| back_off(error, attempt, &mut jitter))
                    }
                    _ => None,
                };
                if let Some(pause) = pause {
                    wait = wait.max(pause);
                    let identity = &question.identity;
                    open.entry(&identity.type_name).or_default().push((slot, identity));
                }
            }
            if open.is_empty() {
                break;
            }
            attempt += u32::from(
                open.values()
                    .flatten()
                    .any(|(slot, _)| matches!(seen.by_slot.get(slot), Some(Observation::Unknown(_)))),
            );
            self.rest(wait, &mut session).await?;
            let mut answers = Vec::new();
            for (type_name, these) in open {
                let identities: Vec<_> = these.iter().map(|(_, identity)| (*identity).clone()).collect();
                let looked = setup.clock.now();
                // A look that fails leaves what was seen before, and when.
                let Ok(all) = reader.observe(&setup.context(), type_name, &identities).await else { continue };
                answers.extend(these.into_iter().zip(all).map(|((slot, _), answer)| (slot.clone(), looked, answer)));
            }
            for (slot, looked, answer) in answers {
                if let Some(question) = questions.get_mut(&slot) {
                    question.looked = looked;
                }
                seen.by_slot.insert(slot, answer);
            }
        }
        // An interrupted create may have made more than the ledger leads to, and a destroy must leave nothing behind.
        let creating = state.intents.values().any(|intent| intent.verb == Verb::Create);
        if mode == Mode::Destroy || creating || !state.recheck.is_no() {
            seen.found = self.count(&mut session).await?;
        }
        Ok(seen)
    }

    /// Reads, and reads again what failed in passing. Whoever has the lease gives the session, so that it is renewed.
    pub(super) async fn again<T, F: Future<Output = Result<T>>>(
        &self,
        session: &mut Option<&mut Session>,
        mut read: impl FnMut() -> F,
    ) -> Result<T> {
        let mut jitter = Jitter::new(&self.setup().options.holder);
        let mut attempt = 0;
        loop {
            match read().await {
                Ok(value) => return Ok(value),
                Err(error) => match passing(&error).and_then(|error| back_off(error, attempt, &mut jitter)) {
                    Some(wait) if attempt < ATTEMPTS => {
                        attempt += 1;
                        self.rest(wait, session).await?;
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// Everything that bears the stack's marks.
    pub(super) async fn count(&self, session: &mut Option<&mut Session>) -> Result<Vec<Found>> {
        let (reader, cx) = (Reader::new(self.setup().drivers.clone()), self.setup().context());
        self.again(session, || reader.census(&cx)).await
    }

    /// Everything that is looked at, and how long its absence must last to be believed.
    fn questions(&self, state: &State, mode: Mode, began: Duration) -> Result<BTreeMap<Slot, Question>> {
        let setup = self.setup();
        let mut questions = BTreeMap::new();
        for identity in observations_needed(state).into_values().flatten() {
            let slot = Slot::new(&identity.address, identity.generation);
            let of = setup.catalog.get(&identity.type_name)?;
            let creating = state.intents.get(&slot).filter(|intent| intent.verb == Verb::Create);
            let lag = match creating {
                // Its name or tuple keeps the repeated create from making another.
                Some(intent)
                    if matches!(of.identity, IdentityClass::Named(_) | IdentityClass::Tuple(_))
                        && mode == Mode::Converge
                        && setup.expanded.graph.get(&intent.slot.address).is_some() =>
                {
                    Duration::ZERO
                }
                // A call of the process that died may still be on its way.
                Some(_) => absence(of.lag + setup.options.call_timeout),
                None => absence(of.lag),
            };
            questions.insert(slot, Question { identity, lag, looked: began });
        }
        Ok(questions)
    }

    /// Whether it is any use to ask again: what lives in something that is not there cannot be asked.
    fn may_answer(&self, state: &State, seen: &Seen, identity: &Identity) -> bool {
        let api = self.setup().catalog.get(&identity.type_name).map(|of| of.api);
        match (&identity.cluster, api) {
            (_, Ok(Api::Postgres) | Err(_)) => false,
            (None, _) => true,
            (Some(cluster), _) => {
                let moved = state.moved_from(cluster);
                let cluster = moved.as_ref().unwrap_or(cluster);
                state.resources.get(cluster).is_some_and(|held| {
                    let slot = Slot::new(cluster, held.generation);
                    matches!(seen.by_slot.get(&slot), Some(Observation::Present(_)))
                })
            }
        }
    }

    /// Waits, and says meanwhile that the holder is alive.
    pub(super) async fn rest(&self, wait: Duration, session: &mut Option<&mut Session>) -> Result<()> {
        let clock = &self.setup().clock;
        let until = clock.now() + wait;
        loop {
            if let Some(session) = session.as_deref_mut()
                && session.renew_due().is_zero()
            {
                session.commit(vec![Record::Renew]).await?;
            }
            let left = until.saturating_sub(clock.now());
            if left.is_zero() {
                return Ok(());
            }
            clock.sleep(left.min(PAUSE)).await;
        }
    }
}

/// The first problem, when every problem is a passing one.
fn passing(error: &Error) -> Option<&Error> {
    let problems = error.problems();
    let pass = problems.iter().all(|problem| problem.retry_class() != crate::Retry::Never);
    pass.then(|| problems[0])
}
