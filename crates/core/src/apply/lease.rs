//! Waiting for the lease, and giving it back.

use super::cancel::Urgency;
use super::converge::Engine;
use crate::event::EventKind;
use crate::ledger::{AcquireOptions, Acquired, Session, Watched};
use crate::{Code, Error, Result};

/// What a converge waits for when another replica has the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Only its own turn is enough.
    Mine,
    /// It is enough that the other one settled everything.
    Settled,
}

impl Engine {
    /// Gives the lease back, whatever happened, so that nobody waits for it to run out.
    pub(super) async fn hand_back<T>(&self, mut session: Session, result: Result<T>) -> Result<T> {
        if session.state().lease.holder.is_some() && self.setup().options.cancel.asked() != Some(Urgency::ReturnNow) {
            let released = session.release(Vec::new()).await;
            if result.is_ok() {
                released?;
            }
        }
        result
    }

    /// Waits for the lease. `None` when meanwhile another replica settled everything, if that is enough.
    pub(super) async fn lease(&self, until: Until) -> Result<Option<Session>> {
        let setup = self.setup();
        let options = AcquireOptions::new(&setup.options.holder, setup.target.clone());
        let options = options.time_to_live(setup.options.time_to_live);
        let loaded = setup.ledger.load(&setup.stack).await?;
        if until == Until::Settled && !self.pause_after_failures(&loaded.state).await? {
            return Ok(None);
        }
        let mut watch = match setup.ledger.acquire_on(&setup.stack, &options, loaded).await? {
            Acquired::Session(session) => return Ok(Some(self.taken(*session))),
            Acquired::Held(watch) => watch,
        };
        loop {
            if setup.options.cancel.asked().is_some() {
                return Err(Error::new(Code::Cancelled, "the caller asked to stop while another holder works"));
            }
            let still = u64::try_from(watch.still().as_millis()).unwrap_or(u64::MAX);
            let holder = watch.holder().unwrap_or_default().to_owned();
            self.tell(&EventKind::WaitingForLease { holder, still });
            match watch.next().await? {
                Watched::Converged(peek)
                    if until == Until::Settled
                        && peek.converged().is_some_and(|converged| self.settled(converged).is_some()) =>
                {
                    return Ok(None);
                }
                Watched::Converged(_) | Watched::Released | Watched::Expired => {
                    if until == Until::Settled && !self.pause_after_failures(watch.load().await?).await? {
                        return Ok(None);
                    }
                    if let Some(session) = watch.acquire().await? {
                        return Ok(Some(self.taken(*session)));
                    }
                }
                _ => {}
            }
        }
    }

    fn taken(&self, session: Session) -> Session {
        self.tell(&EventKind::LeaseTaken { epoch: session.epoch() });
        session
    }
}
