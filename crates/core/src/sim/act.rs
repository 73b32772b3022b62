//! What the server does with a request: create, update, delete.

use super::dialect::{self, Fact};
use super::fault::FaultKind;
use super::kubernetes::{self, Place};
use super::object::{self, Phase};
use super::shape::at;
use super::world::{Flight, New, Reply, Token, World};
use crate::driver::{Operation, Progress};
use crate::resource::{Address, Api, Claim, Identity, IdentityClass, Properties, ResourceType, Value, Verb};
use crate::{Code, Error, Result};
use std::time::Duration;

/// A request as it travels.
#[derive(Debug)]
pub(super) enum Request {
    Observe(Vec<Identity>),
    Census(Vec<String>),
    Create(Identity, Properties),
    Update(Identity, Properties, Vec<String>),
    Delete(Identity),
    Poll(Vec<Operation>),
}

impl Request {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Observe(_) => "observe",
            Self::Census(_) => "census",
            Self::Create(..) => "create",
            Self::Update(..) => "update",
            Self::Delete(_) => "delete",
            Self::Poll(_) => "poll",
        }
    }

    pub(super) fn verb(&self) -> Verb {
        match self {
            Self::Observe(_) | Self::Census(_) | Self::Poll(_) => Verb::Read,
            Self::Create(..) => Verb::Create,
            Self::Update(..) => Verb::Update,
            Self::Delete(_) => Verb::Delete,
        }
    }

    pub(super) fn type_name(&self) -> Option<&str> {
        let identity = match self {
            Self::Observe(these) => these.first()?,
            Self::Create(at, _) | Self::Update(at, ..) | Self::Delete(at) => at,
            Self::Poll(these) => &these.first()?.identity,
            Self::Census(_) => return None,
        };
        Some(&identity.type_name)
    }

    pub(super) fn addresses(&self) -> Vec<Address> {
        match self {
            Self::Observe(these) => these.iter().map(|at| at.address.clone()).collect(),
            Self::Create(at, _) | Self::Update(at, ..) | Self::Delete(at) => vec![at.address.clone()],
            Self::Poll(these) => these.iter().map(|operation| operation.identity.address.clone()).collect(),
            Self::Census(_) => Vec::new(),
        }
    }
}

/// One request at the moment at which it arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    pub(super) now: Duration,
    pub(super) flight: &'a Flight,
    pub(super) of: &'a ResourceType,
}

impl Arrival<'_> {
    /// What the cloud answers to the request.
    pub(super) fn refuse(self, fact: &Fact<'_>) -> Error {
        let error = dialect::error(self.of, self.flight.request.verb(), &self.flight.id, fact);
        match &self.flight.request {
            Request::Create(at, _) | Request::Update(at, ..) | Request::Delete(at) => error.at(&at.address),
            _ => error,
        }
    }
}

impl World {
    /// Does what a request asks for.
    pub(super) fn act(&mut self, now: Duration, flight: &Flight) -> Result<Reply> {
        let catalog = self.catalog.clone();
        let of = flight.request.type_name().map_or(Ok(&ResourceType::DEFAULT), |name| catalog.get(name))?;
        let arrival = Arrival { now, flight, of };
        match &flight.fault {
            Some(FaultKind::Throttled { retry_after }) => return Err(arrival.refuse(&Fact::Throttled(*retry_after))),
            Some(FaultKind::Unavailable) => return Err(arrival.refuse(&Fact::Unavailable)),
            Some(FaultKind::PermissionDenied) => return Err(arrival.refuse(&Fact::PermissionDenied)),
            Some(FaultKind::Quota) => {
                let name = of.quota.map_or(&*of.name, |quota| quota.name);
                return Err(arrival.refuse(&Fact::Quota(name)));
            }
            Some(FaultKind::NoCapacity) => return Err(arrival.refuse(&Fact::NoCapacity)),
            Some(FaultKind::OutcomeUnknown { acted }) => {
                if *acted {
                    // Whatever comes of it, nobody hears of it.
                    let _ = self.act_in_peace(arrival);
                }
                return Err(arrival.refuse(&Fact::Reset));
            }
            Some(FaultKind::ProvisioningFailed { .. } | FaultKind::Slow(_)) | None => {}
        }
        self.act_in_peace(arrival)
    }

    fn act_in_peace(&mut self, arrival: Arrival<'_>) -> Result<Reply> {
        match &arrival.flight.request {
            Request::Observe(these) => Ok(Reply::Observations(self.observe(arrival, these))),
            Request::Census(types) => Ok(Reply::Found(self.census(arrival, types)?)),
            Request::Create(at, desired) => self.create(arrival, at, desired).map(Reply::Operation),
            Request::Update(at, desired, changed) => self.update(arrival, at, desired, changed).map(Reply::Operation),
            Request::Delete(at) => self.delete(arrival, at).map(Reply::Operation),
            Request::Poll(these) => self.poll(arrival, these).map(Reply::Progress),
        }
    }

    fn create(&mut self, arrival: Arrival<'_>, identity: &Identity, desired: &Properties) -> Result<Operation> {
        let Arrival { now, flight, of } = arrival;
        self.check_resolved(arrival, desired)?;
        let cluster = match self.place(&flight.stack, of, identity, Some(desired)) {
            Place::Open => None,
            Place::Cluster(serial) => Some(serial),
            Place::Away | Place::Gone => return Err(arrival.refuse(&Fact::Unavailable)),
        };
        let properties = object::masked_all(desired);
        let token = self.token(of, identity);
        if let Some(token) = token.as_ref().and_then(|token| self.tokens.get(token))
            && token.until > now
        {
            if token.properties != properties {
                return Err(arrival.refuse(&Fact::TokenMismatch));
            }
            if !self.objects.contains_key(&token.serial) {
                return Err(arrival.refuse(&Fact::TokenSpent(&token.id)));
            }
            return Ok(self.operation(arrival, identity, Verb::Create, token.serial));
        }
        if let Some(namespace) = cluster.and_then(|cluster| self.missing_namespace(cluster, &properties)) {
            return Err(arrival.refuse(&Fact::NotFound(namespace)));
        }
        self.check_parents(arrival, &properties)?;
        self.check_unique(arrival, cluster, &properties, None)?;
        self.check_quota(arrival)?;

        let slot = format!("{} {}@{} {}", flight.stack, identity.address, identity.generation, of.name);
        let new = New { of, slot, address: Some(identity.address.clone()), cluster, properties: properties.clone() };
        let serial = self.insert(now, new);
        let (slot, id) =
            self.objects.get(&serial).map(|object| (object.slot.clone(), object.id.clone())).unwrap_or_default();
        if let Some(token) = token {
            self.tokens.insert(token, Token { serial, id, properties, until: now + self.token_lifetime });
        }
        let took = self.took(&slot, Verb::Create, of.create, flight.fault.as_ref());
        let failure = match &flight.fault {
            Some(FaultKind::ProvisioningFailed { message }) => Some(message.clone()),
            _ => None,
        };
        self.begin(serial, now, took, failure, Phase::Creating);
        Ok(self.operation(arrival, identity, Verb::Create, serial))
    }

    fn update(
        &mut self,
        arrival: Arrival<'_>,
        identity: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Operation> {
        let Arrival { now, flight, of } = arrival;
        self.check_resolved(arrival, desired)?;
        let (serial, cluster) = match self.locate(arrival, identity)? {
            Some(found) => found,
            None => return Err(arrival.refuse(&Fact::NotFound(name_of(identity)))),
        };
        let Some(object) = self.objects.get(&serial) else { return Err(Error::internal("an object without itself")) };
        if let Phase::Failed(reason) = &object.phase {
            return Err(arrival.refuse(&Fact::Invalid(format!("it has failed: {reason}"))));
        }
        self.check_at_rest(arrival, serial)?;
        if let Some(path) = changed.iter().find(|path| of.replaces_on(path)) {
            return Err(arrival.refuse(&Fact::Invalid(format!("cannot be changed in place: {path}"))));
        }
        let properties = merge(of, &object.properties, &object::masked_all(desired), changed);
        self.check_parents(arrival, &properties)?;
        self.check_unique(arrival, cluster, &properties, Some(serial))?;
        let slot = object.slot.clone();
        self.change(serial, of, properties);
        let took = self.took(&slot, Verb::Update, of.update, flight.fault.as_ref());
        self.begin(serial, now, took, None, Phase::Updating);
        Ok(self.operation(arrival, identity, Verb::Update, serial))
    }

    fn delete(&mut self, arrival: Arrival<'_>, identity: &Identity) -> Result<Operation> {
        let Arrival { now, flight, of } = arrival;
        let Some((serial, _)) = self.locate(arrival, identity)? else {
            return Ok(Operation::done(identity.clone(), Verb::Delete, Properties::new()));
        };
        let Some(object) = self.objects.get(&serial) else { return Err(Error::internal("an object without itself")) };
        if matches!(object.phase, Phase::Deleting(_)) {
            return Ok(self.operation(arrival, identity, Verb::Delete, serial));
        }
        if of.api != Api::Kubernetes {
            self.check_at_rest(arrival, serial)?;
            if let Some(user) = self.user(object) {
                return Err(arrival.refuse(&Fact::InUse(&user.id)));
            }
        }
        if !of.guard.is_empty() && at(&object.properties, of.guard) == Some(&Value::Bool(true)) {
            return Err(arrival.refuse(&Fact::Guarded(of.guard)));
        }
        let (slot, id) = (object.slot.clone(), object.id.clone());
        let took = self.took(&slot, Verb::Delete, of.delete, flight.fault.as_ref());
        self.begin(serial, now, took, None, Phase::Deleting);
        if self.objects.contains_key(&serial) {
            return Ok(self.operation(arrival, identity, Verb::Delete, serial));
        }
        let identity = Identity { id: Some(id), ..identity.clone() };
        Ok(Operation::done(identity, Verb::Delete, Properties::new()))
    }

    /// The object that an identity means and the cluster it lives in; `None` when there is none.
    pub(super) fn locate(&self, arrival: Arrival<'_>, at: &Identity) -> Result<Option<(u64, Option<u64>)>> {
        let Arrival { flight, of, .. } = arrival;
        let cluster = match self.place(&flight.stack, of, at, None) {
            Place::Open => None,
            Place::Cluster(serial) => Some(serial),
            Place::Gone => return Ok(None),
            Place::Away => return Err(arrival.refuse(&Fact::Unavailable)),
        };
        Ok(self.find(&flight.stack, of, cluster, at).map(|serial| (serial, cluster)))
    }

    fn operation(&self, arrival: Arrival<'_>, identity: &Identity, verb: Verb, serial: u64) -> Operation {
        let Arrival { now, flight, of } = arrival;
        let Some(object) = self.objects.get(&serial) else {
            return Operation::done(identity.clone(), verb, Properties::new());
        };
        Operation {
            identity: Identity { id: Some(object.id.clone()), ..identity.clone() },
            verb,
            handle: matches!(of.api, Api::Azure | Api::Gcp).then(|| format!("operation-{}", flight.id)),
            progress: self.progress(of, object, now, &flight.id),
        }
    }

    fn token(&self, of: &ResourceType, identity: &Identity) -> Option<String> {
        match (&identity.claim, of.identity) {
            (Claim::Token(token), IdentityClass::Token) => Some(format!("{} {token}", of.name)),
            _ => None,
        }
    }

    fn check_resolved(&self, arrival: Arrival<'_>, desired: &Properties) -> Result<()> {
        object::unresolved(desired).map_or(Ok(()), |property| {
            Err(arrival.refuse(&Fact::Invalid(format!("holds a reference that is not resolved: {property}"))))
        })
    }

    fn check_at_rest(&self, arrival: Arrival<'_>, serial: u64) -> Result<()> {
        let Some(object) = self.objects.get(&serial) else { return Ok(()) };
        let (verb, work) = match &object.phase {
            Phase::Creating(work) => (Verb::Create, work),
            Phase::Updating(work) => (Verb::Update, work),
            Phase::Deleting(work) => (Verb::Delete, work),
            Phase::Ready | Phase::Failed(_) => return Ok(()),
        };
        let elapsed = arrival.now.saturating_sub(work.since);
        let (phase, _) = dialect::phase(arrival.of, verb, elapsed, work.until.saturating_sub(work.since));
        Err(arrival.refuse(&Fact::Busy(phase)))
    }

    /// Whatever the properties say it stands in must exist and answer.
    fn check_parents(&self, arrival: Arrival<'_>, properties: &Properties) -> Result<()> {
        let parents = arrival.of.parents;
        for (property, _) in parents {
            let types: Vec<&str> =
                parents.iter().filter(|(other, _)| other == property).map(|(_, parent)| *parent).collect();
            for text in object::texts_at(properties, property) {
                if kept_by_the_cloud(arrival.of, text) {
                    continue;
                }
                let mut found = self.named(text).filter(|object| types.contains(&&*object.type_name)).peekable();
                if found.peek().is_none() {
                    return Err(arrival.refuse(&Fact::NotFound(text)));
                }
                if !found.any(kubernetes::usable) {
                    return Err(arrival.refuse(&Fact::NotReady(text, "not ready")));
                }
            }
        }
        Ok(())
    }

    fn check_unique(
        &self,
        arrival: Arrival<'_>,
        cluster: Option<u64>,
        properties: &Properties,
        own: Option<u64>,
    ) -> Result<()> {
        let other = object::key(arrival.of, cluster, properties).and_then(|key| self.keyed(&key));
        match other {
            Some(other) if Some(other.serial) != own => Err(arrival.refuse(&Fact::AlreadyExists(&other.id))),
            _ => Ok(()),
        }
    }

    fn check_quota(&self, arrival: Arrival<'_>) -> Result<()> {
        let Some(quota) = arrival.of.quota else { return Ok(()) };
        let Some(limit) = self.quotas.get(quota.code) else { return Ok(()) };
        let counted = self.catalog.iter().filter(|of| of.quota.is_some_and(|other| other.code == quota.code));
        if counted.map(|of| self.of_type(&of.name).count()).sum::<usize>() < *limit {
            return Ok(());
        }
        Err(arrival.refuse(&Fact::Quota(quota.name)))
    }
}

/// The properties after an update: what was changed is taken from what is desired, what another manager owns stays.
fn merge(of: &ResourceType, before: &Properties, desired: &Properties, changed: &[String]) -> Properties {
    let mut after = before.clone();
    let all: Vec<String> = before.keys().chain(desired.keys()).cloned().collect();
    for path in if changed.is_empty() { &all } else { changed } {
        let name = path.split('.').next().unwrap_or_default();
        match desired.get(name) {
            Some(value) => after.insert(name.to_owned(), value.clone()),
            None => after.remove(name),
        };
    }
    for path in of.foreign {
        if let Some(value) = at(before, path) {
            object::put(&mut after, path, value.clone());
        }
    }
    after
}

/// Parts that the cloud brings itself: its own keys, policies and namespaces.
fn kept_by_the_cloud(of: &ResourceType, text: &str) -> bool {
    of.api == Api::Kubernetes || text.starts_with("alias/aws/") || text.contains(":iam::aws:")
}

fn name_of(identity: &Identity) -> &str {
    identity.id.as_deref().unwrap_or(identity.address.as_str())
}

/// What a driver answers when the server sent something else than was asked for, which is a bug of the simulator.
pub(super) fn mixed_up() -> Error {
    Error::new(Code::Internal, "the simulated cloud answered another question")
}

/// An operation that has not ended.
pub(super) fn running((phase, message): (&str, &str)) -> Progress {
    Progress::Running { phase: phase.to_owned(), message: message.to_owned() }
}
