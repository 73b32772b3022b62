//! Starting operations: resolving, writing intents, queueing, sending.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use super::call;
use super::run::{Phase, Purpose, Run, Then, interval, millis3};
use crate::driver;
use crate::event::EventKind;
use crate::ledger::{Intent, Record};
use crate::plan::Books;
use crate::resource::{Claim, Identity, Value, Verb};
use crate::{Error, Result};

impl Run<'_> {
    /// All that it waited for is done: writes down what it is about to do, or looks first.
    pub(super) fn start(&mut self, index: usize) {
        if self.cancelled.is_some() {
            return;
        }
        self.ops[index].began = self.setup.clock.now();
        let result = match self.plan.operations[index].verb {
            Verb::Create | Verb::Update => self.prepare(index).map(|()| self.intend(index)),
            Verb::Delete => self.prepare(index).map(|()| self.look_at(index, Purpose::BeforeDelete)),
            Verb::Read => self.note(index),
        };
        if let Err(error) = result {
            self.fail(index, error);
        }
    }

    /// Resolves references and makes the identity.
    pub(super) fn prepare(&mut self, index: usize) -> Result<()> {
        let operation = &self.plan.operations[index];
        let of = self.setup.catalog.get(&operation.type_name)?;
        let properties = operation.properties.resolve(&|value| self.resolve(value));
        if let Some((name, _)) = properties.iter().find(|(_, value)| !value.is_known()) {
            return Err(Error::internal(format!("a reference is not known when it is needed: {name}")));
        }
        let slot = &operation.slot;
        let claim = match (&operation.claim, operation.verb) {
            (Some(claim), Verb::Update | Verb::Delete | Verb::Read) => claim.clone(),
            _ => Claim::of(of, &self.setup.stack, &slot.address, slot.generation, &properties),
        };
        let identity = Identity {
            address: slot.address.clone(),
            type_name: operation.type_name.clone(),
            generation: slot.generation,
            id: operation.id.clone(),
            claim,
            cluster: operation.cluster.as_ref().map(|cluster| self.session.state().first_address(cluster)),
        };
        let op = &mut self.ops[index];
        op.identity = Some(identity);
        op.properties = properties;
        Ok(())
    }

    pub(super) fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Reference(reference) => {
                let outputs = self.outputs.get(&reference.target)?;
                if reference.attribute.is_empty() {
                    let identifier = self.identifiers.get(&reference.target)?;
                    return driver::output(outputs, identifier).cloned();
                }
                driver::output(outputs, &reference.attribute).cloned()
            }
            Value::Target(field) => Some(self.setup.target_field(*field)),
            _ => None,
        }
    }

    /// Changes of the ledger alone.
    pub(super) fn note(&mut self, index: usize) -> Result<()> {
        let operation = &self.plan.operations[index];
        let slot = operation.slot.clone();
        let record = match operation.books {
            Some(Books::Gone) => Record::Deleted { slot },
            Some(Books::Protection) => Record::Protection { address: slot.address, protected: operation.protected },
            Some(Books::Adopt | Books::Settle) | None => {
                self.prepare(index)?;
                self.look_at(index, Purpose::Adopt);
                return Ok(());
            }
        };
        self.ops[index].phase = Phase::Closing;
        self.outbox.push(record);
        self.outbox_then.push(Then::Close(index));
        self.release(index);
        Ok(())
    }

    pub(super) fn intend(&mut self, index: usize) {
        let Some(intent) = self.intent(index) else { return };
        self.outbox.push(Record::Intent(Box::new(intent)));
        self.ops[index].intended = true;
        let operation = &self.plan.operations[index];
        if operation.verb == Verb::Create
            && self.begun.contains(&operation.slot)
            && self.is_tagged(&operation.type_name)
        {
            return self.repeat(index);
        }
        self.outbox_then.push(Then::Call(index));
        self.ops[index].phase = Phase::Recorded;
    }

    /// Makes what has only tags although an earlier call may have made it. That is written down first: whoever comes next
    /// counts, once an index of tags knows both.
    pub(super) fn repeat(&mut self, index: usize) {
        self.outbox.push(Record::Recheck);
        self.outbox_then.push(Then::Call(index));
        let op = &mut self.ops[index];
        op.repeated = Some(self.setup.clock.now());
        op.phase = Phase::Recorded;
    }

    pub(super) fn intent(&self, index: usize) -> Option<Intent> {
        let operation = &self.plan.operations[index];
        let identity = self.ops[index].identity.as_ref()?;
        Some(Intent {
            slot: operation.slot.clone(),
            verb: if operation.verb == Verb::Read { Verb::Create } else { operation.verb },
            type_name: operation.type_name.clone(),
            claim: identity.claim.clone(),
            id: identity.id.clone(),
            properties: self.ops[index].properties.clone(),
            dependencies: operation.dependencies.clone(),
            cluster: operation.cluster.clone(),
            protected: operation.protected,
            origin: self.plan.steps.get(operation.step).and_then(|step| step.origin.clone()),
            plan: self.hash.clone(),
        })
    }

    pub(super) fn look_at(&mut self, index: usize, purpose: Purpose) {
        self.ops[index].phase = Phase::Look(purpose);
        self.looks.entry(self.plan.operations[index].type_name.clone()).or_default().push(index);
    }

    /// Lets those go on that waited for this one.
    pub(super) fn release(&mut self, index: usize) {
        for dependant in self.ops[index].dependants.clone() {
            self.ops[dependant].waits -= 1;
            if self.ops[dependant].waits == 0 && self.ops[dependant].phase == Phase::Waiting {
                self.start(dependant);
            }
        }
    }

    /// Writes what there is to write, unless a write is under way: what comes meanwhile shares the next entry.
    pub(super) fn flush(&mut self) {
        if self.put.is_some() {
            return;
        }
        if self.outbox.is_empty() {
            if !self.session.renew_due().is_zero() || self.nothing_left() {
                return;
            }
            self.outbox.push(Record::Renew);
        }
        let records = std::mem::take(&mut self.outbox);
        let then = std::mem::take(&mut self.outbox_then);
        match self.session.prepare(records) {
            Ok(pending) => self.put = Some((Box::pin(pending), then)),
            Err(error) => self.report.stopped = Some(error),
        }
    }

    pub(super) fn dispatch(&mut self) {
        let now = self.setup.clock.now();
        while let Some((due, index)) = self.resting.first().copied().filter(|(due, _)| *due <= now) {
            self.resting.remove(&(due, index));
            match self.ops[index].phase {
                Phase::Ready => self.enqueue(index),
                Phase::Look(purpose) => self.look_at(index, purpose),
                Phase::Polling => self.gather_polls(index, now),
                _ => {}
            }
        }
        for (type_name, indices) in std::mem::take(&mut self.looks) {
            self.send_look(&type_name, indices, now);
        }
        if self.cancelled.is_none() {
            self.send_ready(now);
        }
    }

    pub(super) fn enqueue(&mut self, index: usize) {
        let operation = &self.plan.operations[index];
        let Ok(of) = self.setup.catalog.get(&operation.type_name) else { return };
        let key = self.setup.limit_key(of, operation.verb);
        let path = Reverse(self.ops[index].path);
        self.queues.entry(key).or_default().waiting.insert((path, index));
    }

    pub(super) fn send_ready(&mut self, now: Duration) {
        let keys: Vec<_> = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.opens <= now && !queue.waiting.is_empty())
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            while let Some((path, index)) = self.queues.get(&key).and_then(|queue| queue.waiting.first().copied()) {
                // A call must not outlive the lease it was made under.
                if self.session.remaining() <= self.setup.options.call_timeout {
                    if let Some(queue) = self.queues.get_mut(&key) {
                        queue.opens = now + Duration::from_millis(100);
                    }
                    if self.put.is_none() && self.outbox.is_empty() {
                        self.outbox.push(Record::Renew);
                        self.flush();
                    }
                    return;
                }
                let Some(queue) = self.queues.get_mut(&key) else { break };
                if let Err(wait) = self.setup.limits.take(&key, now) {
                    queue.opens = now + wait;
                    break;
                }
                queue.waiting.remove(&(path, index));
                self.send(index);
            }
        }
    }

    pub(super) fn send(&mut self, index: usize) {
        let operation = &self.plan.operations[index];
        let driver = match self.setup.drivers.driver(&operation.type_name) {
            Ok(driver) => driver,
            Err(error) => return self.fail(index, error),
        };
        let op = &mut self.ops[index];
        let Some(identity) = op.identity.clone() else { return };
        if !op.called {
            let usually = millis3(op.usual);
            let started = EventKind::Started {
                address: operation.slot.address.clone(),
                type_name: operation.type_name.clone(),
                verb: operation.verb,
                usually,
            };
            self.setup.events.send(self.setup.clock.now(), &started);
        }
        op.phase = Phase::InFlight;
        op.called = true;
        // What this call makes may be out of sight for as long as what the last one made.
        op.unseen = None;
        self.report.mutations += 1;
        let (verb, changed) = match &op.rest {
            Some(rest) => (Verb::Update, rest),
            None => (operation.verb, &operation.changed),
        };
        let (properties, changed) = (op.properties.clone(), changed.clone());
        self.calls.push(call::mutate(&self.setup, driver, index, verb, identity, properties, changed));
    }

    pub(super) fn send_look(&mut self, type_name: &str, indices: Vec<usize>, now: Duration) {
        let Some((driver, wait)) = self.reader(type_name, now) else { return };
        if let Some(wait) = wait {
            return self.resting.extend(indices.into_iter().map(|index| (now + wait, index)));
        }
        // A page of ids costs the price of one call.
        for page in indices.chunks(100) {
            let these = page.iter().filter_map(|index| self.ops[*index].identity.clone()).collect();
            for index in page {
                self.ops[*index].asked = now;
            }
            self.calls.push(call::look(&self.setup, driver.clone(), page.to_vec(), these));
        }
    }

    /// Polls this operation, and with the same call every other of its type that is due soon.
    pub(super) fn gather_polls(&mut self, index: usize, now: Duration) {
        let type_name = self.plan.operations[index].type_name.clone();
        let Some((driver, wait)) = self.reader(&type_name, now) else { return };
        if let Some(wait) = wait {
            self.resting.insert((now + wait, index));
            return;
        }
        let soon = now + interval(self.ops[index].usual, Duration::ZERO) / 2;
        let mut indices = vec![index];
        let others = self.resting.iter().take_while(|(due, _)| *due <= soon).copied();
        let others: Vec<_> = others
            .filter(|(_, other)| {
                self.ops[*other].phase == Phase::Polling && self.plan.operations[*other].type_name == type_name
            })
            .take(99)
            .collect();
        for (due, other) in others {
            self.resting.remove(&(due, other));
            indices.push(other);
        }
        let these = indices.iter().filter_map(|index| self.ops[*index].operation.clone()).collect();
        for index in &indices {
            self.ops[*index].phase = Phase::InFlight;
            self.ops[*index].asked = now;
        }
        self.calls.push(call::poll(&self.setup, driver, indices, these));
    }

    /// The driver for reads of a type, and how long its limit wants us to wait.
    pub(super) fn reader(
        &mut self,
        type_name: &str,
        now: Duration,
    ) -> Option<(Arc<dyn driver::Driver>, Option<Duration>)> {
        let of = self.setup.catalog.get(type_name).ok()?;
        let key = self.setup.limit_key(of, Verb::Read);
        let wait = self.setup.limits.take(&key, now).err();
        Some((self.setup.drivers.driver(type_name).ok()?, wait))
    }
}
