//! Single calls to drivers, as futures that own what they need and end in time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};

use super::converge::Setup;
use crate::clock::Clock;
use crate::driver::{Context, Driver, Observation, Operation, Progress};
use crate::resource::{Identity, Properties, Verb};
use crate::{Code, Error, Remains, Result, Retry};

/// What came of a call, with the indices of the operations it was made for.
pub(super) enum Happening {
    Called { index: usize, result: Result<Operation> },
    Polled { indices: Vec<usize>, result: Result<Vec<Progress>> },
    Looked { indices: Vec<usize>, result: Result<Vec<Observation>> },
}

pub(super) type Future = BoxFuture<'static, Happening>;

/// One mutating call.
pub(super) fn mutate(
    setup: &Arc<Setup>,
    driver: Arc<dyn Driver>,
    index: usize,
    verb: Verb,
    identity: Identity,
    properties: Properties,
    changed: Vec<String>,
) -> Future {
    let setup = setup.clone();
    Box::pin(async move {
        let cx = setup.context();
        let call = async {
            match verb {
                Verb::Create => driver.create(&cx, &identity, &properties).await,
                Verb::Update => driver.update(&cx, &identity, &properties, &changed).await,
                Verb::Delete => driver.delete(&cx, &identity).await,
                Verb::Read => Err(Error::internal("a read is not a mutating call")),
            }
        };
        let result = bounded(&*setup.clock, setup.options.call_timeout, call, || {
            Error::new(Code::OutcomeUnknown, format!("no answer within {}", seconds(setup.options.call_timeout)))
                .retry(Retry::Unknown)
                .leaves(Remains::Unknown)
        })
        .await;
        Happening::Called { index, result }
    })
}

/// One look at several objects of one type.
pub(super) fn look(setup: &Arc<Setup>, driver: Arc<dyn Driver>, indices: Vec<usize>, these: Vec<Identity>) -> Future {
    let setup = setup.clone();
    Box::pin(async move {
        let cx = setup.context();
        let result =
            bounded(&*setup.clock, setup.options.call_timeout, driver.observe(&cx, &these), || no_answer(&setup)).await;
        Happening::Looked { indices, result: result.and_then(|all| same_length(all, these.len())) }
    })
}

/// One question about several operations of one type.
pub(super) fn poll(setup: &Arc<Setup>, driver: Arc<dyn Driver>, indices: Vec<usize>, these: Vec<Operation>) -> Future {
    let setup = setup.clone();
    Box::pin(async move {
        let cx = setup.context();
        let result =
            bounded(&*setup.clock, setup.options.call_timeout, driver.poll(&cx, &these), || no_answer(&setup)).await;
        Happening::Polled { indices, result: result.and_then(|all| same_length(all, these.len())) }
    })
}

impl Setup {
    pub(super) fn context(&self) -> Context<'_> {
        Context { stack: &self.stack, target: &self.target, timeout: self.options.call_timeout }
    }
}

/// The time-out comes first: a process that slept past it, and past its lease, sends nothing that it had not sent before.
async fn bounded<T>(
    clock: &dyn Clock,
    limit: Duration,
    call: impl std::future::Future<Output = Result<T>>,
    late: impl FnOnce() -> Error,
) -> Result<T> {
    match select(clock.sleep(limit), std::pin::pin!(call)).await {
        Either::Left(((), _)) => Err(late()),
        Either::Right((result, _)) => result,
    }
}

fn no_answer(setup: &Setup) -> Error {
    Error::new(Code::Unavailable, format!("no answer within {}", seconds(setup.options.call_timeout)))
        .retry(Retry::Transient)
}

fn same_length<T>(all: Vec<T>, expected: usize) -> Result<Vec<T>> {
    if all.len() == expected {
        return Ok(all);
    }
    Err(Error::internal(format!("a driver answered {} of {expected} questions", all.len())))
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::drive;
    use crate::sim::SimCloud;

    #[tokio::test]
    async fn what_is_due_when_the_time_is_over_is_not_sent() {
        let cloud = SimCloud::empty(1);
        let (clock, limit) = (cloud.clock(), Duration::from_secs(10));
        for (before, sends) in [(9, true), (10, false), (600, false)] {
            let mut sent = false;
            let call = async {
                clock.sleep(Duration::from_secs(before)).await;
                sent = true;
                Ok(())
            };
            let late = || Error::internal("late");
            let result = drive(clock.clone(), bounded(&*clock, limit, call, late)).await;
            assert_eq!((result.is_ok(), sent), (sends, sends), "{before} s");
        }
    }
}
