//! What the cloud answers, and what follows from it.

use std::time::Duration;

use super::look::{PAUSE, absence};
use super::retry::back_off;
use super::run::{Op, Phase, Purpose, Run, interval, millis, millis3};
use crate::driver::{self, Health, Observation, Observed, Progress};
use crate::event::EventKind;
use crate::ledger::Record;
use crate::plan::{self, Books};
use crate::resource::{IdentityClass, Ownership, Properties, Verb};
use crate::{Code, Error, Remains, Retry};

/// How long a create is repeated whose answer is that something does not exist.
const PATIENCE: Duration = Duration::from_secs(60);

impl Run<'_> {
    pub(super) fn accepted(&mut self, index: usize, operation: driver::Operation) {
        let slot = self.plan.operations[index].slot.clone();
        let op = &mut self.ops[index];
        op.attempt = 0;
        let progress = operation.progress.clone();
        if let Some(id) = &operation.identity.id {
            let made = matches!(progress, Progress::Running { .. } | Progress::Unfinished(_));
            if operation.verb == Verb::Create && made {
                self.outbox.push(Record::Accepted { slot, id: id.clone() });
            }
            if let Some(identity) = &mut op.identity {
                identity.id = Some(id.clone());
            }
        }
        op.operation = Some(operation);
        self.progress(index, progress);
    }

    /// What a look at an accepted call shows. That a deleted object is out of sight proves nothing while a read may come
    /// from a part of the cloud that has not heard of it yet.
    pub(super) fn polled(&mut self, index: usize, progress: Progress) {
        let operation = &self.plan.operations[index];
        if operation.verb == Verb::Delete && matches!(progress, Progress::Done(_)) && !self.is_proof(index) {
            self.ops[index].phase = Phase::Polling;
            return self.rest(index, PAUSE, None);
        }
        self.progress(index, progress);
    }

    /// Whether an object of the ledger that is not to be seen now is gone.
    fn is_proof(&self, index: usize) -> bool {
        let of = self.setup.catalog.get(&self.plan.operations[index].type_name);
        let passed = self.ops[index].asked.saturating_sub(self.began);
        of.is_ok_and(|of| of.lag.is_zero() || passed > absence(of.lag + self.setup.options.call_timeout))
    }

    pub(super) fn progress(&mut self, index: usize, progress: Progress) {
        match progress {
            Progress::Done(outputs) => self.done(index, outputs),
            // What may pass by itself is repeated, and what is there already is looked at, as when the call says so at once.
            Progress::Failed(error) if error.retry_class() != Retry::Never || error.code() == Code::AlreadyExists => {
                self.refused(index, error);
            }
            Progress::Failed(error) if self.is_taken_over(index) => {
                self.came_to_nothing(index, error.message());
            }
            Progress::Failed(error) => {
                let remains = match error.remains() {
                    Remains::Nothing if self.plan.operations[index].verb == Verb::Create => Remains::Something,
                    remains => remains,
                };
                self.fail(index, error.leaves(remains));
            }
            Progress::Unfinished(outputs) => self.unfinished(index, outputs),
            Progress::Running { phase, message } => {
                let now = self.setup.clock.now();
                let op = &mut self.ops[index];
                op.phase = Phase::Polling;
                let passed = now.saturating_sub(op.began);
                if passed > op.deadline() {
                    let error =
                        Error::new(Code::DeadlineExceeded, format!("still {phase} after {} s", passed.as_secs()))
                            .leaves(Remains::Something)
                            .hint("run converge again: it waits for the same operation and starts no other");
                    return self.give_up(index, error);
                }
                let wait = interval(op.usual, passed);
                let waiting = EventKind::Waiting {
                    address: self.plan.operations[index].slot.address.clone(),
                    verb: self.plan.operations[index].verb,
                    phase,
                    message: self.setup.scrub(&message),
                    since: millis(passed),
                    usually: millis3(op.usual),
                    next_look: millis(wait),
                };
                self.setup.events.send(now, &waiting);
                if self.cancelled.is_none() {
                    self.resting.insert((now + wait, index));
                }
            }
        }
    }

    /// Whether what an earlier run began is waited for, and this run has not called for it.
    fn is_taken_over(&self, index: usize) -> bool {
        let operation = &self.plan.operations[index];
        let begun = operation.verb == Verb::Create && self.begun.contains(&operation.slot);
        !self.ops[index].called && (begun || operation.books == Some(Books::Adopt))
    }

    /// What an earlier run began has failed: the next plan deletes it and makes it anew.
    fn came_to_nothing(&mut self, index: usize, reason: &str) {
        let error =
            Error::new(Code::StalePlan, format!("what an earlier run began is there, and has failed: {reason}"))
                .leaves(Remains::Something)
                .hint("plan again: it is deleted and made anew");
        self.give_up(index, error);
    }

    /// It is there, and the rest of what was asked for takes an update.
    fn unfinished(&mut self, index: usize, outputs: Properties) {
        let now = self.setup.clock.now();
        let operation = &self.plan.operations[index];
        if !matches!(operation.verb, Verb::Create | Verb::Update) {
            // What is adopted is made whole by an update of its own, as the plan says.
            return self.done(index, outputs);
        }
        let of = self.setup.catalog.get(&operation.type_name);
        // What cannot change in place was set when it was made.
        let changeable = |name: &&String| of.as_ref().is_ok_and(|of| !of.replaces_on(name));
        let op = &mut self.ops[index];
        if now.saturating_sub(op.began) > op.deadline() {
            let error = Error::new(Code::DeadlineExceeded, "it is there, and not all of it could be set in time")
                .leaves(Remains::Something)
                .hint("run converge again: it goes on where this run stopped");
            return self.give_up(index, error);
        }
        op.rest = Some(match operation.verb {
            Verb::Update => operation.changed.clone(),
            _ => op.properties.keys().filter(changeable).cloned().collect(),
        });
        op.phase = Phase::Ready;
        if self.cancelled.is_none() {
            self.enqueue(index);
        }
    }

    pub(super) fn refused(&mut self, index: usize, error: Error) {
        let verb = self.plan.operations[index].verb;
        let now = self.setup.clock.now();
        if error.code() == Code::AlreadyExists && verb == Verb::Create {
            self.ops[index].doubt.get_or_insert(now);
            self.ops[index].unseen.get_or_insert(now);
            self.ops[index].refusal = Some(error);
            return self.look_at(index, Purpose::Exists);
        }
        // Right after its create, a part of the cloud may not know yet what the new object stands in; or the create has
        // acted, and a part of the cloud that does not know the new object answers.
        let unknown_parent = error.code() == Code::NotFound && verb == Verb::Create;
        let error = if unknown_parent { error.retry(Retry::Unknown).leaves(Remains::Unknown) } else { error };
        if error.retry_class() == Retry::Unknown && verb != Verb::Update {
            let since = now.saturating_sub(*self.ops[index].doubt.get_or_insert(now));
            self.ops[index].unseen.get_or_insert(now);
            if unknown_parent && since > PATIENCE {
                return self.fail(index, error);
            }
            self.ops[index].phase = Phase::Look(Purpose::Doubt);
            let wait = back_off(&error, self.ops[index].attempt, &mut self.jitter).unwrap_or_default();
            self.ops[index].attempt += 1;
            return self.rest(index, wait, Some(&error));
        }
        if let Retry::Throttled(after) = error.retry_class()
            && let Ok(of) = self.setup.catalog.get(&self.plan.operations[index].type_name)
        {
            self.setup.limits.refused(
                &self.setup.limit_key(of, verb),
                now,
                after.unwrap_or(Duration::from_millis(200)),
            );
        }
        let op = &mut self.ops[index];
        match back_off(&error, op.attempt, &mut self.jitter) {
            Some(wait) if now.saturating_sub(op.began) + wait < op.deadline() => {
                op.attempt += 1;
                op.phase = Phase::Ready;
                self.rest(index, wait, Some(&error));
            }
            _ => self.fail(index, error),
        }
    }

    pub(super) fn looked(&mut self, index: usize, observation: Observation) {
        let Phase::Look(purpose) = self.ops[index].phase else { return };
        let now = self.setup.clock.now();
        match observation {
            Observation::Present(seen) => self.present(index, purpose, *seen),
            Observation::Absent => self.absent(index, purpose, now),
            Observation::Unknown(error) => {
                let op = &mut self.ops[index];
                match back_off(&error, op.attempt, &mut self.jitter) {
                    Some(wait) if now.saturating_sub(op.began) + wait < op.deadline() => {
                        op.attempt += 1;
                        self.rest(index, wait, Some(&error));
                    }
                    _ => self.give_up(index, error.leaves(Remains::Unknown)),
                }
            }
        }
    }

    pub(super) fn present(&mut self, index: usize, purpose: Purpose, seen: Observed) {
        let operation = &self.plan.operations[index];
        let address = &operation.slot.address;
        let generation = operation.slot.generation;
        match &seen.owner {
            Ownership::Foreign => {
                let error = Error::new(Code::ForeignResource, format!("it exists and is not ours: {}", seen.id))
                    .hint("choose another name, or delete or adopt what stands there");
                return self.fail(index, error);
            }
            Ownership::Ours(marks) if !self.session.state().may_be_marked(address, &marks.address) => {
                let error = Error::new(
                    Code::ForeignResource,
                    format!("it belongs to another address of this stack: {}", marks.address),
                );
                return self.fail(index, error);
            }
            Ownership::Ours(marks) if marks.generation != generation && purpose != Purpose::BeforeDelete => {
                return self.not_yet(index, "an older object of this address is still there");
            }
            // Without marks it may be one of the same name that was deleted before this create was sent.
            Ownership::Inherited if operation.verb == Verb::Create && !self.is_seen_late(index) => {
                return self.rest(index, PAUSE, None);
            }
            Ownership::Inherited if operation.verb != Verb::Delete => {
                if let Some(parent) = self.other_parent(index, &seen) {
                    let message =
                        format!("it exists and belongs to something that is not ours ({parent}): {}", seen.id);
                    let error = Error::new(Code::ForeignResource, message)
                        .hint("choose another name, or delete what stands there");
                    return self.fail(index, error);
                }
            }
            _ => {}
        }
        if purpose == Purpose::BeforeDelete {
            return self.intend(index);
        }
        if operation.verb == Verb::Delete {
            if self.may_still_arrive(index) {
                return self.rest(index, PAUSE, None);
            }
            self.ops[index].phase = Phase::Ready;
            return self.enqueue(index);
        }
        match seen.health {
            Health::Deleting => self.not_yet(index, "an older object of this name is being deleted"),
            Health::Failed(reason) => {
                let reason = self.setup.scrub(&reason);
                if operation.verb == Verb::Create && self.begun.contains(&operation.slot) {
                    return self.came_to_nothing(index, &reason);
                }
                let hint = match operation.verb {
                    Verb::Create => "run converge again: it is deleted and made anew",
                    _ => "remove the declaration or the object, converge, and declare it again",
                };
                let error = Error::new(Code::ProvisioningFailed, format!("it exists and has failed: {reason}"))
                    .leaves(Remains::Something)
                    .hint(hint);
                self.fail(index, error);
            }
            health => {
                if let Some(identity) = &mut self.ops[index].identity {
                    identity.id = Some(seen.id.clone());
                }
                if !self.ops[index].intended
                    && let Some(intent) = self.intent(index)
                {
                    self.outbox.push(Record::Intent(Box::new(intent)));
                    self.ops[index].intended = true;
                }
                let Some(identity) = self.ops[index].identity.clone() else { return };
                // An earlier call may have made it and not lived to set all of it.
                let whole = self.plan.operations[index].verb != Verb::Create
                    || self
                        .setup
                        .catalog
                        .get(&self.plan.operations[index].type_name)
                        .is_ok_and(|of| plan::unlike(of, &self.ops[index].properties, &seen.properties).is_empty());
                let progress = match health {
                    Health::Busy(phase) => Progress::Running { phase, message: String::new() },
                    _ if whole => Progress::Done(seen.outputs),
                    _ => Progress::Unfinished(seen.outputs),
                };
                self.accepted(index, driver::Operation { identity, verb: Verb::Create, handle: None, progress });
            }
        }
    }

    /// Whether a delete whose answer was lost may still be on its way: were it repeated now, the first one could hit what is
    /// made anew under the same name.
    fn may_still_arrive(&self, index: usize) -> bool {
        let of = self.setup.catalog.get(&self.plan.operations[index].type_name);
        let (Ok(of), Some(unseen)) = (of, self.ops[index].unseen) else { return false };
        let waited = self.ops[index].asked.saturating_sub(unseen);
        let named = matches!(of.identity, IdentityClass::Named(_) | IdentityClass::Tuple(_));
        named && waited <= absence(of.lag + self.setup.options.call_timeout)
    }

    /// Whether the look began so late that it cannot show what was deleted before the call.
    fn is_seen_late(&self, index: usize) -> bool {
        let of = self.setup.catalog.get(&self.plan.operations[index].type_name);
        let Op { asked, doubt, .. } = &self.ops[index];
        let passed = asked.saturating_sub(doubt.unwrap_or_default());
        of.is_ok_and(|of| of.lag.is_zero() || passed > absence(of.lag))
    }

    /// The parent that an object without marks belongs to, when it is neither the one that is wanted nor one of ours.
    /// Where a parent is part of what the object was found by, it is the right one.
    fn other_parent(&self, index: usize, seen: &Observed) -> Option<String> {
        let op = &self.ops[index];
        let of = self.setup.catalog.get(&self.plan.operations[index].type_name).ok()?;
        let (IdentityClass::Named(found_by) | IdentityClass::Tuple(found_by)) = of.identity else { return None };
        if of.parents.iter().any(|(property, _)| found_by.contains(property)) {
            return None;
        }
        let held = &self.session.state().resources;
        of.parents.iter().find_map(|(property, type_name)| {
            let parent = seen.properties.get(*property)?;
            let ours = |id: &str| held.values().any(|one| one.type_name == *type_name && one.id == id);
            let other = op.properties.get(*property) != Some(parent) && !parent.as_str().is_some_and(ours);
            other.then(|| format!("{property} {}", parent.as_str().unwrap_or_default()))
        })
    }

    pub(super) fn absent(&mut self, index: usize, purpose: Purpose, now: Duration) {
        let operation = &self.plan.operations[index];
        if operation.verb == Verb::Delete {
            if self.is_proof(index) {
                return self.done(index, Properties::new());
            }
            return self.rest(index, PAUSE, None);
        }
        let Ok(of) = self.setup.catalog.get(&operation.type_name) else { return };
        let lag = absence(of.lag + self.setup.options.call_timeout);
        let op = &mut self.ops[index];
        op.doubt.get_or_insert(now);
        let since = op.asked.saturating_sub(*op.unseen.get_or_insert(now));
        match purpose {
            Purpose::Doubt if of.identity != IdentityClass::Tagged => {
                op.phase = Phase::Ready;
                if self.cancelled.is_none() {
                    self.enqueue(index);
                }
            }
            Purpose::Doubt if since > lag => {
                if self.cancelled.is_none() {
                    self.repeat(index);
                }
            }
            Purpose::Doubt => {
                op.attempt += 1;
                self.rest(index, PAUSE.min(lag), None);
            }
            Purpose::Exists if since > lag => {
                let message = "the cloud says that it exists, and none that bears this stack's marks is to be seen";
                let error = Error::new(Code::ForeignResource, message)
                    .hint("find out what is in its way by what the cloud says; choose another name, or free this one");
                let answer = op.refusal.take().and_then(|refusal| refusal.cloud_answer().cloned());
                self.fail(index, answer.into_iter().fold(error, Error::answer));
            }
            _ if since > lag => {
                let error =
                    Error::new(Code::StalePlan, "the plan takes over an object that is no longer there".to_owned())
                        .leaves(Remains::Unknown)
                        .hint("plan again");
                self.give_up(index, error);
            }
            _ => self.not_yet(index, "the cloud does not show it yet"),
        }
    }

    /// Looks again later, until the deadline.
    pub(super) fn not_yet(&mut self, index: usize, why: &str) {
        let error = Error::new(Code::Conflict, why).retry(Retry::NotReady);
        let now = self.setup.clock.now();
        let op = &mut self.ops[index];
        match back_off(&error, op.attempt, &mut self.jitter) {
            Some(wait) if now.saturating_sub(op.began) + wait < op.deadline() => {
                op.attempt += 1;
                self.rest(index, wait, Some(&error));
            }
            _ => self.give_up(index, error.leaves(Remains::Unknown)),
        }
    }

    pub(super) fn rest(&mut self, index: usize, wait: Duration, error: Option<&Error>) {
        let now = self.setup.clock.now();
        if let Some(error) = error {
            let operation = &self.plan.operations[index];
            let retrying = EventKind::Retrying {
                address: operation.slot.address.clone(),
                verb: operation.verb,
                error: self.setup.scrub(&error.to_string()),
                after: millis(wait),
            };
            self.setup.events.send(now, &retrying);
        }
        self.resting.insert((now + wait, index));
    }
}
