//! The loop itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::call::{Future, Happening};
use super::cancel::Urgency;
use super::converge::Setup;
use super::limits::LimitKey;
use super::report::Report;
use super::retry::{Jitter, back_off};
use crate::driver::{self, Observation};
use crate::ledger::{Pending, Record, Session, Slot, Written};
use crate::plan::Plan;
use crate::resource::{Address, Identity, Properties, Usual, Value, Verb};
use crate::{Error, Result};

/// Makes the changes of a plan. The session holds the lease.
pub(super) async fn run(setup: Arc<Setup>, session: &mut Session, plan: &Plan) -> Report {
    let began = setup.clock.now();
    let mut run = match Run::new(setup, session, plan) {
        Ok(run) => run,
        Err(error) => return Report { stopped: Some(error), ..Report::default() },
    };
    run.go().await;
    run.report.took = run.setup.clock.now().saturating_sub(began);
    run.report
}

pub(super) struct Run<'a> {
    pub(super) setup: Arc<Setup>,
    pub(super) session: &'a mut Session,
    pub(super) plan: &'a Plan,
    /// When it began: whatever the ledger held then is at least as old.
    pub(super) began: Duration,
    /// What was being created when the process before this run ended.
    pub(super) begun: BTreeSet<Slot>,
    /// The plan's hash, which every intent names.
    pub(super) hash: String,
    pub(super) ops: Vec<Op>,
    /// Outputs of everything that exists, as far as it is known.
    pub(super) outputs: BTreeMap<Address, Properties>,
    /// The output that a plain reference to an address gives.
    pub(super) identifiers: BTreeMap<Address, &'static str>,
    pub(super) jitter: Jitter,
    /// Operations that may be called as soon as their limit lets them, the longest remaining path first.
    pub(super) queues: BTreeMap<LimitKey, Queue>,
    /// Operations that rest until a moment.
    pub(super) resting: BTreeSet<(Duration, usize)>,
    /// Operations whose objects are to be looked at, by type.
    pub(super) looks: BTreeMap<String, Vec<usize>>,
    /// Records that are to be written, and what to do once they are.
    pub(super) outbox: Vec<Record>,
    pub(super) outbox_then: Vec<Then>,
    /// The put in flight, and what to do once it is there.
    pub(super) put: Option<(Pin<Box<Pending>>, Vec<Then>)>,
    pub(super) calls: FuturesUnordered<Future>,
    pub(super) cancelled: Option<Urgency>,
    pub(super) report: Report,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) waiting: BTreeSet<(Reverse<Duration>, usize)>,
    pub(super) opens: Duration,
}

pub(super) struct Op {
    pub(super) phase: Phase,
    pub(super) waits: usize,
    pub(super) dependants: Vec<usize>,
    /// Usual time from the start of this operation to the end of the longest chain that waits for it.
    pub(super) path: Duration,
    pub(super) usual: Usual,
    /// Near the slowest seen of what it may have to wait for.
    pub(super) slowest: Duration,
    pub(super) identity: Option<Identity>,
    pub(super) properties: Properties,
    pub(super) operation: Option<driver::Operation>,
    pub(super) intended: bool,
    pub(super) called: bool,
    pub(super) attempt: u32,
    pub(super) began: Duration,
    /// Since when it is in doubt whether a call acted.
    pub(super) doubt: Option<Duration>,
    /// Since when, after the last call, it has been looked for and not seen.
    pub(super) unseen: Option<Duration>,
    /// When the cloud was last asked for it. An answer says how things were then, however late it is heard.
    pub(super) asked: Duration,
    /// When it was last called although an earlier call may have made it.
    pub(super) repeated: Option<Duration>,
    /// With what words a create was refused because something is there already.
    pub(super) refusal: Option<Error>,
    /// What is still to be set by an update, when the object is there and not all of it was done.
    pub(super) rest: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    /// Its intent is on the way to the ledger.
    Recorded,
    /// It is in a queue, or rests before it goes there.
    Ready,
    /// It is in a list of looks, or rests before it goes there.
    Look(Purpose),
    /// A call is under way.
    InFlight,
    /// It rests until it is polled.
    Polling,
    /// Its outcome is on the way to the ledger.
    Closing,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    BeforeDelete,
    Adopt,
    Doubt,
    Exists,
}

pub(super) enum Then {
    Call(usize),
    Close(usize),
}

pub(super) enum Next {
    Call(Happening),
    Put(Written, Vec<Then>),
    Timer,
    Cancel(Urgency),
}

impl<'a> Run<'a> {
    pub(super) fn new(setup: Arc<Setup>, session: &'a mut Session, plan: &'a Plan) -> Result<Self> {
        let state = session.state();
        let outputs = state.resources.iter().map(|(address, held)| (address.clone(), held.outputs.clone())).collect();
        let begun = state.intents.iter().filter(|(_, intent)| intent.verb == Verb::Create);
        let begun = begun.map(|(slot, _)| slot.clone()).collect();
        let mut identifiers = BTreeMap::new();
        for (address, held) in &state.resources {
            identifiers.insert(address.clone(), setup.catalog.get(&held.type_name)?.identifier);
        }
        let mut ops = Vec::with_capacity(plan.operations.len());
        for operation in &plan.operations {
            let of = setup.catalog.get(&operation.type_name)?;
            if operation.verb != Verb::Delete {
                identifiers.insert(operation.slot.address.clone(), of.identifier);
            }
            let usual = of.usual(operation.verb);
            // What is only recorded may still be under way, as an interrupted run began it.
            let slowest = match operation.verb {
                Verb::Read => of.create.high.max(of.update.high),
                _ => usual.high,
            };
            ops.push(Op {
                phase: Phase::Waiting,
                waits: operation.after.len(),
                dependants: Vec::new(),
                path: usual.typical,
                usual,
                slowest,
                identity: None,
                properties: Properties::new(),
                operation: None,
                intended: false,
                called: false,
                attempt: 0,
                began: Duration::ZERO,
                doubt: None,
                unseen: None,
                asked: Duration::ZERO,
                repeated: None,
                refusal: None,
                rest: None,
            });
        }
        for (index, operation) in plan.operations.iter().enumerate() {
            for before in &operation.after {
                ops.get_mut(*before)
                    .ok_or_else(|| Error::internal("an operation waits for none"))?
                    .dependants
                    .push(index);
            }
        }
        // Operations come after those they wait for, so one pass from the end knows every longest path.
        for index in (0..ops.len()).rev() {
            let beyond = ops[index].dependants.iter().map(|dependant| ops[*dependant].path).max().unwrap_or_default();
            ops[index].path += beyond;
        }
        let jitter = Jitter::new(&format!("{}/{}", setup.stack, plan.base.number));
        Ok(Self {
            begun,
            hash: plan.hash(),
            began: setup.clock.now(),
            setup,
            session,
            plan,
            ops,
            outputs,
            identifiers,
            jitter,
            queues: BTreeMap::new(),
            resting: BTreeSet::new(),
            looks: BTreeMap::new(),
            outbox: Vec::new(),
            outbox_then: Vec::new(),
            put: None,
            calls: FuturesUnordered::new(),
            cancelled: None,
            report: Report::default(),
        })
    }

    pub(super) async fn go(&mut self) {
        let records = self.plan.consents.iter().cloned().map(Record::Consent);
        self.outbox.extend(records);
        for index in 0..self.ops.len() {
            if self.ops[index].waits == 0 {
                self.start(index);
            }
        }
        while self.report.stopped.is_none() {
            self.flush();
            self.dispatch();
            if self.put.is_none() && self.outbox.is_empty() && self.calls.is_empty() && self.nothing_left() {
                break;
            }
            match self.next().await {
                Next::Call(happening) => self.take(happening),
                Next::Put(written, then) => self.written(written, then),
                Next::Timer => {}
                Next::Cancel(urgency) => self.cancel(urgency),
            }
        }
        self.sum_up();
    }

    pub(super) fn nothing_left(&self) -> bool {
        self.cancelled.is_some() || self.ops.iter().all(|op| op.phase == Phase::Ended)
    }

    pub(super) async fn next(&mut self) -> Next {
        let now = self.setup.clock.now();
        let opens = self.queues.values().filter(|queue| !queue.waiting.is_empty()).map(|queue| queue.opens).min();
        let rests = self.resting.first().map(|(due, _)| *due);
        let renewal = self.put.is_none().then(|| now + self.session.renew_due());
        let due = [opens.filter(|_| self.cancelled.is_none()), rests, renewal].into_iter().flatten().min();
        let mut timer = due.map(|due| self.setup.clock.sleep(due.saturating_sub(now)));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(urgency) = self.setup.options.cancel.poll_beyond(self.cancelled, cx.waker()) {
                return Poll::Ready(Next::Cancel(urgency));
            }
            if let Some((put, _)) = &mut self.put
                && let Poll::Ready(written) = put.as_mut().poll(cx)
                && let Some((_, then)) = self.put.take()
            {
                return Poll::Ready(Next::Put(written, then));
            }
            if let Poll::Ready(Some(happening)) = self.calls.poll_next_unpin(cx) {
                return Poll::Ready(Next::Call(happening));
            }
            match timer.as_mut().map(|timer| timer.as_mut().poll(cx)) {
                Some(Poll::Ready(())) => Poll::Ready(Next::Timer),
                _ => Poll::Pending,
            }
        })
        .await
    }

    pub(super) fn written(&mut self, written: Written, then: Vec<Then>) {
        if let Err(error) = self.session.settle(written) {
            self.report.stopped = Some(error);
            return;
        }
        for then in then {
            match then {
                Then::Call(index) => {
                    self.ops[index].phase = Phase::Ready;
                    if self.cancelled.is_none() {
                        self.enqueue(index);
                    } else {
                        self.withdraw(index);
                    }
                }
                Then::Close(index) => self.close(index),
            }
        }
    }

    pub(super) fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Called { index, result } => match result {
                Ok(operation) => self.accepted(index, operation),
                Err(error) => self.refused(index, error),
            },
            Happening::Polled { indices, result: Ok(all) } => {
                for (index, progress) in indices.into_iter().zip(all) {
                    self.polled(index, progress);
                }
            }
            Happening::Polled { indices, result: Err(error) } => {
                // A failed poll is not a failed operation.
                for index in indices {
                    let wait =
                        back_off(&error, self.ops[index].attempt, &mut self.jitter).unwrap_or(Duration::from_secs(5));
                    self.ops[index].attempt += 1;
                    self.ops[index].phase = Phase::Polling;
                    self.rest(index, wait, Some(&error));
                }
            }
            Happening::Looked { indices, result: Ok(all) } => {
                for (index, observation) in indices.into_iter().zip(all) {
                    self.looked(index, observation);
                }
            }
            Happening::Looked { indices, result: Err(error) } => {
                for index in indices {
                    self.looked(index, Observation::Unknown(error.clone()));
                }
            }
        }
    }
}

impl Op {
    /// How long it may take before this run stops waiting for it.
    pub(super) fn deadline(&self) -> Duration {
        (self.slowest * 4).max(Duration::from_secs(900))
    }
}

/// How long to wait before the next look at an operation that usually takes this long and began `passed` ago: the first
/// one near the fastest time seen, then every 2.5 % of the usual time until that is well past, so that little more than 1 %
/// is lost on average; every 4 % after that; and less often once it is slower than anything seen.
pub(super) fn interval(usual: Usual, passed: Duration) -> Duration {
    let share = |share: f64| usual.typical.mul_f64(share).max(Duration::from_millis(600));
    let soon = share(0.025);
    if passed + soon < usual.low {
        return usual.low.saturating_sub(passed);
    }
    match passed {
        _ if passed <= usual.typical.mul_f64(1.15) => soon,
        _ if passed <= usual.high => share(0.04),
        _ => (share(0.04) * 2).min(Duration::from_secs(60)),
    }
}

pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn millis3(usual: Usual) -> (u64, u64, u64) {
    (millis(usual.low), millis(usual.typical), millis(usual.high))
}
