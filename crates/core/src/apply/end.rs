//! How operations end: done, failed, skipped, or stopped by the caller.

use super::cancel::Urgency;
use super::report::Problem;
use super::run::{Phase, Run, Then, millis, text};
use crate::driver;
use crate::event::EventKind;
use crate::ledger::Record;
use crate::resource::{Address, IdentityClass, Properties, Verb};
use crate::{Code, Error, Remains};

impl Run<'_> {
    pub(super) fn done(&mut self, index: usize, outputs: Properties) {
        let operation = &self.plan.operations[index];
        let slot = operation.slot.clone();
        let record = if operation.verb == Verb::Delete {
            Record::Deleted { slot }
        } else {
            let identifier = self.setup.catalog.get(&operation.type_name).map(|of| of.identifier);
            let told = identifier.ok().and_then(|identifier| driver::output(&outputs, identifier)).and_then(text);
            let known = self.ops[index].identity.as_ref().and_then(|identity| identity.id.clone());
            let Some(id) = known.or(told) else {
                return self.fail(
                    index,
                    Error::internal("the cloud made something and did not say what").leaves(Remains::Something),
                );
            };
            self.outputs.insert(slot.address.clone(), outputs.clone());
            Record::Done { slot, id, outputs }
        };
        self.ops[index].phase = Phase::Closing;
        self.outbox.push(record);
        self.outbox_then.push(Then::Close(index));
        // What waited for this one starts now, so that its intent shares the entry with this outcome. Its call is sent
        // only after that entry is written.
        self.release(index);
    }

    pub(super) fn close(&mut self, index: usize) {
        let now = self.setup.clock.now();
        let operation = &self.plan.operations[index];
        self.ops[index].phase = Phase::Ended;
        self.report.done += 1;
        let took = millis(now.saturating_sub(self.ops[index].began));
        self.setup
            .events
            .send(now, &EventKind::Finished { address: operation.slot.address.clone(), verb: operation.verb, took });
    }

    /// It cannot be done in this run, and its outcome is open: the intent stays.
    pub(super) fn give_up(&mut self, index: usize, error: Error) {
        self.end(index, error);
    }

    pub(super) fn fail(&mut self, index: usize, error: Error) {
        let operation = &self.plan.operations[index];
        // That this call made nothing says nothing of an earlier one that made a part of it, or whose answer is not known, in
        // this run or before.
        let op = &self.ops[index];
        let begun = op.rest.is_some() || op.doubt.is_some() || self.begun.contains(&operation.slot);
        let earlier = match operation.verb {
            Verb::Create => begun,
            // What an earlier run made in part is led to by this intent alone.
            _ => !self.session.state().is_held(&operation.slot),
        };
        if self.ops[index].intended {
            self.outbox.push(Record::Failed {
                slot: operation.slot.clone(),
                verb: operation.verb,
                code: error.code().as_str().to_owned(),
                message: self.setup.scrub(&error.to_string()),
                remains: error.remains() != Remains::Nothing || earlier,
            });
        }
        self.end(index, error);
    }

    pub(super) fn end(&mut self, index: usize, error: Error) {
        let operation = &self.plan.operations[index];
        let address = operation.slot.address.clone();
        let action = self
            .setup
            .catalog
            .get(&operation.type_name)
            .ok()
            .and_then(|of| of.verbs.of(operation.verb).first().copied());
        let mut error = error.at(&address);
        if let Some(action) = action {
            error = error.during(action);
        }
        if let Some(origin) = self.plan.steps.get(operation.step).and_then(|step| step.origin.clone()) {
            error = error.position(origin);
        }
        let error = self.setup.scrubbed(error);
        self.ops[index].phase = Phase::Ended;
        let failed = EventKind::Failed { address: address.clone(), verb: operation.verb, error: error.to_string() };
        self.setup.events.send(self.setup.clock.now(), &failed);
        self.report.failures.push(Problem { address: address.clone(), verb: operation.verb, error });
        self.skip_dependants(index, &address);
    }

    pub(super) fn skip_dependants(&mut self, index: usize, because: &Address) {
        for dependant in self.ops[index].dependants.clone() {
            if self.ops[dependant].phase == Phase::Waiting {
                self.ops[dependant].phase = Phase::Ended;
                let address = self.plan.operations[dependant].slot.address.clone();
                let skipped = EventKind::Skipped { address: address.clone(), because: because.clone() };
                self.setup.events.send(self.setup.clock.now(), &skipped);
                self.report.skipped.push((address, because.clone()));
                self.skip_dependants(dependant, because);
            }
        }
    }

    pub(super) fn cancel(&mut self, urgency: Urgency) {
        self.cancelled = Some(urgency);
        let error = Error::new(Code::Cancelled, "the caller asked to stop").hint("run converge again to continue");
        if urgency == Urgency::ReturnNow {
            self.report.stopped = Some(error);
            return;
        }
        self.setup.events.send(self.setup.clock.now(), &EventKind::Cancelling { in_flight: self.calls.len() });
        self.queues.clear();
        self.resting.clear();
        self.looks.clear();
        for index in 0..self.ops.len() {
            if self.ops[index].phase == Phase::Ready {
                self.withdraw(index);
            }
        }
    }

    /// Its intent is written and nothing was called: takes the intent back.
    pub(super) fn withdraw(&mut self, index: usize) {
        let op = &self.ops[index];
        if op.intended && !op.called {
            let operation = &self.plan.operations[index];
            self.outbox.push(Record::Failed {
                slot: operation.slot.clone(),
                verb: operation.verb,
                code: Code::Cancelled.as_str().to_owned(),
                message: "not started: the caller asked to stop".to_owned(),
                remains: false,
            });
            self.ops[index].intended = false;
        }
    }

    pub(super) fn is_tagged(&self, type_name: &str) -> bool {
        self.setup.catalog.get(type_name).is_ok_and(|of| of.identity == IdentityClass::Tagged)
    }

    pub(super) fn sum_up(&mut self) {
        for (op, operation) in self.ops.iter().zip(&self.plan.operations) {
            let address = operation.slot.address.clone();
            match op.phase {
                Phase::Ended => {}
                _ if op.called => self.report.abandoned.push(address),
                _ => self.report.not_started.push(address),
            }
            let unclear = op.called && op.phase != Phase::Ended;
            // What has only tags may be made once more; what is found by its name, and was made anew by somebody else, may be
            // hit by the delete of the one before it.
            let matters = match operation.verb {
                Verb::Create => self.is_tagged(&operation.type_name),
                Verb::Delete => !self.is_tagged(&operation.type_name),
                Verb::Update | Verb::Read => false,
            };
            self.report.late |= unclear && matters;
            self.report.repeated = self.report.repeated.max(op.repeated);
        }
        if self.cancelled.is_some() && self.report.stopped.is_none() {
            let error = Error::new(Code::Cancelled, "the caller asked to stop").hint("run converge again to continue");
            self.report.stopped = Some(error);
        }
    }
}
