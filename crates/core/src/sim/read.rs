//! What the server says when it is asked: observe, census, poll.

use std::time::Duration;

use super::act::{Arrival, running};
use super::dialect::{self, Fact};
use super::object::{Object, Phase, Work};
use super::world::World;
use crate::Result;
use crate::driver::{Found, Observation, Operation, Progress};
use crate::resource::{Claim, Identity, Properties, ResourceType, Verb};

impl World {
    pub(super) fn observe(&self, arrival: Arrival<'_>, these: &[Identity]) -> Vec<Observation> {
        these.iter().map(|identity| self.observe_one(arrival, identity)).collect()
    }

    fn observe_one(&self, arrival: Arrival<'_>, identity: &Identity) -> Observation {
        let Arrival { now, flight, of } = arrival;
        let found = match self.locate(arrival, identity) {
            Ok(found) => found.and_then(|(serial, _)| self.objects.get(&serial)),
            Err(error) => return Observation::Unknown(error.at(&identity.address)),
        };
        // Looking by tags goes through an index that lags behind more than the object itself.
        let by_tags = identity.id.is_none() && matches!(identity.claim, Claim::Marks | Claim::Token(_));
        match found {
            Some(object) if now >= if by_tags { object.indexed } else { object.visible } => {
                let health = self.health(of, object, now);
                Observation::Present(Box::new(object.observed(of, &flight.stack, health)))
            }
            _ => Observation::Absent,
        }
    }

    pub(super) fn census(&self, arrival: Arrival<'_>, types: &[String]) -> Result<Vec<Found>> {
        let Arrival { now, flight, .. } = arrival;
        let stack = flight.stack.to_string();
        let mut all = Vec::new();
        for name in types {
            let of = self.catalog.get(name)?;
            for object in self.of_type(name).filter(|object| now >= object.indexed) {
                let Some(marks) = object.marks(of).filter(|marks| marks.stack == stack) else { continue };
                let health = self.health(of, object, now);
                let observed = object.observed(of, &flight.stack, health);
                all.push(Found { type_name: name.clone(), id: object.id.clone(), marks, observed });
            }
        }
        Ok(all)
    }

    pub(super) fn poll(&self, arrival: Arrival<'_>, these: &[Operation]) -> Result<Vec<Progress>> {
        these.iter().map(|operation| self.poll_one(arrival, operation)).collect()
    }

    fn poll_one(&self, arrival: Arrival<'_>, operation: &Operation) -> Result<Progress> {
        let Operation { identity, verb, .. } = operation;
        let found = self.locate(arrival, identity)?.and_then(|(serial, _)| self.objects.get(&serial));
        Ok(match (found, verb) {
            (None, Verb::Delete) => Progress::Done(Properties::new()),
            (None, _) => {
                let id = identity.id.as_deref().unwrap_or(identity.address.as_str());
                Progress::Failed(arrival.refuse(&Fact::NotFound(id)).at(&identity.address))
            }
            (Some(object), verb) => match self.progress(arrival.of, object, arrival.now, &arrival.flight.id) {
                // Nothing deletes it any more, so it stays: whoever waits hears that it is there.
                Progress::Done(_) if *verb == Verb::Delete => running(("available", "it is not being deleted")),
                Progress::Failed(error) => Progress::Failed(error.at(&identity.address)),
                other => other,
            },
        })
    }

    /// How far the cloud is with an object.
    pub(super) fn progress(&self, of: &ResourceType, object: &Object, now: Duration, request: &str) -> Progress {
        let working = |verb, work: &Work| {
            let elapsed = now.saturating_sub(work.since);
            running(dialect::phase(of, verb, elapsed, work.until.saturating_sub(work.since)))
        };
        match &object.phase {
            Phase::Deleting(work) => working(Verb::Delete, work),
            Phase::Failed(message) => {
                Progress::Failed(dialect::error(of, Verb::Create, request, &Fact::ProvisioningFailed(message)))
            }
            _ if self.waits_for_nodes(object) => running(("Pending", "0/1 nodes are available")),
            Phase::Creating(work) => working(Verb::Create, work),
            Phase::Updating(work) => working(Verb::Update, work),
            Phase::Ready => Progress::Done(object.outputs.clone()),
        }
    }
}
