//! Taking the lease.

use std::time::Duration;

use super::{Ledger, Loaded, Record, Session, Watch};
use crate::driver::Target;
use crate::resource::StackId;
use crate::{Code, Error, Result};

/// The time to live of a lease unless another is asked for.
const TIME_TO_LIVE: Duration = Duration::from_secs(30);
/// The shortest time to live: a waiter looks once a second.
const SHORTEST: Duration = Duration::from_secs(3);

/// Who wants the lease, and on what terms.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AcquireOptions {
    /// The name of the holder: unique among all processes that are alive, such as a pod's name with its start time.
    pub holder: String,
    /// How long the lease lasts without a sign of life. 30 seconds unless set, 3 at least.
    pub time_to_live: Duration,
    /// The target the stack is applied to. The first holder pins it.
    pub target: Target,
}

impl AcquireOptions {
    /// A lease of 30 seconds for this holder and target.
    #[must_use]
    pub fn new(holder: impl Into<String>, target: Target) -> Self {
        Self { holder: holder.into(), time_to_live: TIME_TO_LIVE, target }
    }

    /// Sets how long the lease lasts without a sign of life.
    #[must_use]
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = time_to_live;
        self
    }
}

/// What asking for the lease led to.
#[derive(Debug)]
pub enum Acquired {
    /// The lease is ours.
    Session(Box<Session>),
    /// Somebody else has it, and can be watched.
    Held(Box<Watch>),
}

impl Ledger {
    /// Takes the lease if it is free. Does not wait: a lease that is held gives a [`Watch`].
    ///
    /// # Errors
    /// - [`Code::WrongTarget`] when the stack is pinned to another target; nothing is written.
    /// - [`Code::LedgerUnconditional`] when the store does not keep put-if-absent.
    /// - [`Code::InvalidValue`] for options out of range.
    /// - Those of [`Ledger::load`].
    pub async fn acquire(&self, stack: &StackId, options: &AcquireOptions) -> Result<Acquired> {
        check(options)?;
        loop {
            let loaded = self.load(stack).await?;
            if loaded.state.lease.holder.is_some() {
                return Ok(Acquired::Held(Box::new(Watch::new(self, stack, options, &loaded))));
            }
            if let Some(session) = self.take(stack, options, loaded).await? {
                return Ok(Acquired::Session(session));
            }
            // Somebody was faster. Whoever it was made progress, so this ends.
        }
    }

    /// Puts the entry that takes the lease after the head that was loaded; `None` when another entry is there by now.
    pub(super) async fn take(
        &self,
        stack: &StackId,
        options: &AcquireOptions,
        loaded: Loaded,
    ) -> Result<Option<Box<Session>>> {
        let mut records = Vec::new();
        match &loaded.state.target {
            None => records.push(Record::Target(options.target.clone())),
            Some(pinned) if *pinned != options.target => return Err(wrong(pinned, &options.target)),
            Some(_) => {}
        }
        records.push(Record::Lease {
            holder: options.holder.clone(),
            epoch: loaded.state.lease.epoch + 1,
            time_to_live: u64::try_from(options.time_to_live.as_millis()).unwrap_or(u64::MAX),
        });
        self.prove_conditional(stack).await?;
        let mut session = Session::taking(self.clone(), stack, &options.holder, options.time_to_live, loaded);
        Ok(session.open(records).await?.then(|| Box::new(session)))
    }
}

fn check(options: &AcquireOptions) -> Result<()> {
    if options.holder.is_empty() {
        return Err(Error::new(Code::InvalidValue, "the holder of a lease has no name")
            .hint("give each process a name of its own, such as the pod's name"));
    }
    if options.time_to_live < SHORTEST {
        return Err(Error::new(
            Code::InvalidValue,
            format!("a lease is too short, {SHORTEST:?} is the least: {:?}", options.time_to_live),
        )
        .hint("leave the time to live at its default of 30 seconds"));
    }
    Ok(())
}

fn wrong(pinned: &Target, given: &Target) -> Error {
    let print = |target: &Target| {
        [&target.cloud, &target.partition, &target.account, &target.region]
            .into_iter()
            .filter(|part| !part.is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join("/")
    };
    Error::new(Code::WrongTarget, format!("the stack is pinned to {}, not to: {}", print(pinned), print(given)))
        .hint("use the credentials and region of the pinned target, or another environment name for this one")
}
