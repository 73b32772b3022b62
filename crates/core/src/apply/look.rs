//! Looking at the cloud until what it says can be relied on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::converge::Engine;
use super::retry::{Jitter, back_off};
use crate::driver::{Observation, Reader};
use crate::event::EventKind;
use crate::ledger::{Record, Session, Slot, State};
use crate::plan::{self, Seen};
use crate::resource::{Identity, IdentityClass, Verb};
use crate::{Error, Result};

/// How often a read that failed in passing is repeated before planning gives up.
const ATTEMPTS: u32 = 8;
/// How long to wait before looking again for something that is not to be seen.
const PAUSE: Duration = Duration::from_secs(2);

impl Engine {
    /// Looks at everything the ledger leads to. What is held but not to be seen, and what an interrupted create may have
    /// made and another create would make twice, is looked for until it is seen or has been absent for longer than reads
    /// may lag.
    ///
    /// Whoever has the lease gives the session, so that it is renewed meanwhile.
    pub(super) async fn look(&self, state: &State, mut session: Option<&mut Session>) -> Result<Seen> {
        let setup = self.setup();
        let reader = Reader::new(setup.drivers.clone());
        if !state.intents.is_empty() {
            self.tell(&EventKind::Resolving { open: state.intents.len() });
        }
        let cx = setup.context();
        let mut seen = self.again(|| plan::look(&reader, &cx, state)).await?;
        let began = setup.clock.now();
        let mut missing = self.missing(state, &seen)?;
        loop {
            let passed = setup.clock.now().saturating_sub(began);
            missing.retain(|slot, (_, lag)| {
                let absent = matches!(seen.by_slot.get(slot), Some(Observation::Absent | Observation::Unknown(_)));
                absent && passed <= *lag
            });
            if missing.is_empty() {
                return Ok(seen);
            }
            setup.clock.sleep(PAUSE).await;
            if let Some(session) = session.as_deref_mut()
                && session.renew_due().is_zero()
            {
                session.commit(vec![Record::Renew]).await?;
            }
            let mut by_type: BTreeMap<&str, Vec<(&Slot, &Identity)>> = BTreeMap::new();
            for (slot, (identity, _)) in &missing {
                by_type.entry(&identity.type_name).or_default().push((slot, identity));
            }
            for (type_name, these) in by_type {
                let identities: Vec<_> = these.iter().map(|(_, identity)| (*identity).clone()).collect();
                // A look that fails leaves what was seen before, which is not enough to act on until the lag is over.
                let Ok(all) = reader.observe(&setup.context(), type_name, &identities).await else { continue };
                for ((slot, _), observation) in these.into_iter().zip(all) {
                    seen.by_slot.insert(slot.clone(), observation);
                }
            }
        }
    }

    /// Reads, and reads again what failed in passing.
    pub(super) async fn again<T, F: Future<Output = Result<T>>>(&self, mut read: impl FnMut() -> F) -> Result<T> {
        let setup = self.setup();
        let mut jitter = Jitter::new(&setup.options.holder);
        let mut attempt = 0;
        loop {
            match read().await {
                Ok(value) => return Ok(value),
                Err(error) => match passing(&error).and_then(|error| back_off(error, attempt, &mut jitter)) {
                    Some(wait) if attempt < ATTEMPTS => {
                        attempt += 1;
                        setup.clock.sleep(wait).await;
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// Objects whose absence is not yet proven, and how long it must last.
    fn missing(&self, state: &State, seen: &Seen) -> Result<BTreeMap<Slot, (Identity, Duration)>> {
        let setup = self.setup();
        let mut missing = BTreeMap::new();
        let is_absent = |slot: &Slot| matches!(seen.by_slot.get(slot), Some(Observation::Absent));
        for (address, held) in &state.resources {
            let slot = Slot::new(address, held.generation);
            if is_absent(&slot) && !state.intents.contains_key(&slot) {
                let lag = setup.catalog.get(&held.type_name)?.lag;
                missing.insert(slot, (held.identity(address), lag));
            }
        }
        for (slot, intent) in &state.intents {
            let of = setup.catalog.get(&intent.type_name)?;
            // What has a name, a tuple or a token may be asked for again; what has only marks, or was seen to exist, must not.
            let is_known = of.identity == IdentityClass::Tagged || intent.id.is_some();
            if intent.verb == Verb::Create && is_known && is_absent(slot) {
                // A call of the process that died may still be on its way.
                missing.insert(slot.clone(), (intent.identity(), of.lag + setup.options.call_timeout));
            }
        }
        Ok(missing)
    }
}

/// The first problem, when every problem is a passing one.
fn passing(error: &Error) -> Option<&Error> {
    let problems = error.problems();
    let pass = problems.iter().all(|problem| problem.retry_class() != crate::Retry::Never);
    pass.then(|| problems[0])
}
