//! What the server does with a request: create, update, delete.

use super::dialect::{self, Fact};
use super::fault::FaultKind;
use super::kubernetes::{self, Place};
use super::object::{self, Object, Phase};
use super::random::Random;
use super::shape::at;
use super::world::{Flight, New, Reply, Token, World};
use crate::driver::{Operation, Progress};
use crate::resource::{Address, Api, Claim, Identity, IdentityClass, Properties, ResourceType, Value, Verb};
use crate::{Code, Error, Result};
use std::time::Duration;

/// Where a page begins: with this object of the type at this place of the list. `None` is the beginning, and in an answer
/// the end.
pub(super) type Next = Option<(usize, u64)>;

/// A request as it travels.
#[derive(Debug)]
pub(super) enum Request {
    Observe(Vec<Identity>),
    /// Types, and where the page begins.
    Census(Vec<String>, Next),
    Create(Identity, Properties),
    Update(Identity, Properties, Vec<String>),
    Delete(Identity),
    Poll(Vec<Operation>),
}

impl Request {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Observe(_) => "observe",
            Self::Census(..) => "census",
            Self::Create(..) => "create",
            Self::Update(..) => "update",
            Self::Delete(_) => "delete",
            Self::Poll(_) => "poll",
        }
    }

    pub(super) fn verb(&self) -> Verb {
        match self {
            Self::Observe(_) | Self::Census(..) | Self::Poll(_) => Verb::Read,
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
            Self::Census(..) => return None,
        };
        Some(&identity.type_name)
    }

    pub(super) fn addresses(&self) -> Vec<Address> {
        match self {
            Self::Observe(these) => these.iter().map(|at| at.address.clone()).collect(),
            Self::Create(at, _) | Self::Update(at, ..) | Self::Delete(at) => vec![at.address.clone()],
            Self::Poll(these) => these.iter().map(|operation| operation.identity.address.clone()).collect(),
            Self::Census(..) => Vec::new(),
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
            Some(FaultKind::Disguised) => return Err(arrival.refuse(&Fact::Disguised)),
            Some(FaultKind::NoAnswer { acted } | FaultKind::ServerError { acted } | FaultKind::Garbage { acted }) => {
                if *acted {
                    let _ = self.act_in_peace(arrival);
                }
                let server = matches!(flight.fault, Some(FaultKind::ServerError { .. }));
                return Err(arrival.refuse(if server { &Fact::ServerError } else { &Fact::Garbage }));
            }
            Some(FaultKind::ActedThenNotFound) => {
                let _ = self.act_in_peace(arrival);
                let what = flight.request.addresses().first().map(ToString::to_string).unwrap_or_default();
                return Err(arrival.refuse(&Fact::NotFound(&what)));
            }
            // What is read of many can be told in part; what is read of one thing cannot.
            Some(FaultKind::Partial) if !matches!(flight.request, Request::Observe(_)) => {
                return Err(arrival.refuse(&Fact::Throttled(None)));
            }
            Some(
                FaultKind::ProvisioningFailed { .. }
                | FaultKind::Slow(_)
                | FaultKind::Partial
                | FaultKind::ShortPage
                | FaultKind::Stale
                | FaultKind::Unfinished
                | FaultKind::Delayed(_),
            )
            | None => {}
        }
        self.act_in_peace(arrival)
    }

    fn act_in_peace(&mut self, arrival: Arrival<'_>) -> Result<Reply> {
        match &arrival.flight.request {
            Request::Observe(these) => Ok(Reply::Observations(self.observe(arrival, these))),
            Request::Census(types, from) => {
                let (found, next) = self.census(arrival, types, *from)?;
                Ok(Reply::Found(found, next))
            }
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
        let made = match &flight.fault {
            Some(FaultKind::Unfinished) => object::begun(of, &properties),
            _ => properties.clone(),
        };
        let unfinished = made.len() < properties.len();
        let new = New { of, slot, address: Some(identity.address.clone()), cluster, properties: made };
        let serial = self.insert(now, new);
        if let Some(object) = self.objects.get_mut(&serial) {
            object.unfinished = unfinished;
        }
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
        // A rollout that is under way is not shortened by another one.
        let left = object.phase.work().map(|work| work.until.saturating_sub(now)).unwrap_or_default();
        self.change(serial, of, properties);
        let took = self.took(&slot, Verb::Update, of.update, flight.fault.as_ref()).max(left);
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
        self.check_at_rest(arrival, serial)?;
        if of.api != Api::Kubernetes
            && let Some(user) = self.user(object)
        {
            return Err(arrival.refuse(&Fact::InUse(&user.id)));
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
            // An API server takes changes while a rollout goes on.
            Phase::Creating(_) | Phase::Updating(_) if arrival.of.api == Api::Kubernetes => return Ok(()),
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
                let granted = |object: &Object| self.is_granted(object, arrival.now);
                if self.named(text).any(|object| types.contains(&&*object.type_name) && !granted(object)) {
                    return Err(arrival.refuse(&Fact::NotYetPermitted(text)));
                }
                if !found.any(kubernetes::usable) {
                    return Err(arrival.refuse(&Fact::NotReady(text, "not ready")));
                }
            }
        }
        Ok(())
    }

    /// Whether what this object permits is known everywhere.
    fn is_granted(&self, object: &Object, now: Duration) -> bool {
        if self.permission_lag.is_zero() || !object.type_name.starts_with("AWS::IAM::") {
            return true;
        }
        let lag = Random::of(self.seed, &["permission", &object.slot]).between(Duration::ZERO, self.permission_lag);
        now >= object.born + lag
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

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::super::fixture::Bench;
    use super::super::{Fault, On};
    use super::*;
    use crate::driver::{Health, Observation};
    use crate::resource::{Reference, TargetField};
    use crate::secret::Secret;
    use crate::{Retry, list, map, properties};

    fn vpc() -> Properties {
        properties! { "CidrBlock" => "10.0.0.0/16" }
    }

    #[tokio::test]
    async fn a_name_and_a_tuple_exist_once() {
        let bench = Bench::new(1);
        let role = properties! { "RoleName" => "nodes" };
        let at = bench.identity("role", "AWS::IAM::Role", &role);
        bench.create(&at, &role).await.unwrap();
        let error = bench.create(&at, &role).await.unwrap_err();
        assert_eq!((error.code(), error.retry_class()), (Code::AlreadyExists, Retry::Never));
        assert_eq!(error.cloud_answer().unwrap().code, "EntityAlreadyExists");

        let vpc = bench.make("vpc", "AWS::EC2::VPC", vpc()).await;
        let subnet = properties! { "VpcId" => vpc.id(), "CidrBlock" => "10.0.0.0/24" };
        bench.make("subnet", "AWS::EC2::Subnet", subnet.clone()).await;
        let at = bench.identity("other", "AWS::EC2::Subnet", &subnet);
        let error = bench.create(&at, &subnet).await.unwrap_err();
        assert_eq!(error.cloud_answer().unwrap().code, "InvalidSubnet.Conflict");
    }

    #[tokio::test]
    async fn what_has_only_tags_is_made_twice() {
        let bench = Bench::new(1);
        let at = bench.identity("vpc", "AWS::EC2::VPC", &vpc());
        let first = bench.create(&at, &vpc()).await.unwrap();
        let second = bench.create(&at, &vpc()).await.unwrap();
        assert_ne!(first.identity.id, second.identity.id);
        bench.sleep(Duration::from_secs(20)).await;
        assert_eq!(bench.census().await.len(), 2);
    }

    #[tokio::test]
    async fn a_token_gives_what_it_made_and_nothing_else() {
        let bench = Bench::new(1);
        let vpc = bench.make("vpc", "AWS::EC2::VPC", vpc()).await;
        let subnet = properties! { "VpcId" => vpc.id(), "CidrBlock" => "10.0.0.0/24" };
        let subnet = bench.make("subnet", "AWS::EC2::Subnet", subnet).await;
        let nat = properties! { "SubnetId" => subnet.id() };
        let at = bench.identity("nat", "AWS::EC2::NatGateway", &nat);
        let first = bench.create(&at, &nat).await.unwrap();
        let again = bench.create(&at, &nat).await.unwrap();
        assert_eq!(first.identity.id, again.identity.id);
        let other = properties! { "SubnetId" => subnet.id(), "ConnectivityType" => "private" };
        let error = bench.create(&at, &other).await.unwrap_err();
        assert_eq!(error.cloud_answer().unwrap().code, "IdempotentParameterMismatch");

        bench.finish(&first).await;
        let gone = bench.delete(&first.identity).await.unwrap();
        bench.finish(&gone).await;
        assert_eq!(bench.create(&at, &nat).await.unwrap_err().code(), Code::Conflict);
        bench.sleep(Duration::from_secs(24 * 3600)).await;
        assert_ne!(bench.create(&at, &nat).await.unwrap().identity.id, first.identity.id);
    }

    #[tokio::test]
    async fn nine_minutes_pass_in_no_time_and_in_phases() {
        let started = std::time::Duration::from_secs(360);
        let bench = Bench::new(1);
        let database = properties! { "DBInstanceIdentifier" => "main" };
        let at = bench.identity("database", "AWS::RDS::DBInstance", &database);
        let operation = bench.create(&at, &database).await.unwrap();
        assert!(matches!(&operation.progress, Progress::Running { phase, .. } if phase == "creating"));
        bench.sleep(Duration::from_secs(20)).await;
        assert_eq!(bench.present(&operation.identity).await.health, Health::Busy("creating".into()));

        let busy = bench.delete(&operation.identity).await.unwrap_err();
        assert_eq!((busy.code(), busy.retry_class()), (Code::Conflict, Retry::NotReady));
        let busy = bench.update(&operation.identity, &database, &["Engine"]).await.unwrap_err();
        assert_eq!(busy.cloud_answer().unwrap().code, "InvalidDBInstanceState");

        let (done, phases) = bench.finish(&operation).await;
        assert!(matches!(done, Progress::Done(outputs) if outputs["Endpoint.Port"] == 5432.into()));
        assert_eq!(phases, ["creating", "backing-up"]);
        assert!(bench.cloud.clock().now() >= started);
        assert_eq!(bench.present(&operation.identity).await.health, Health::Ready);
    }

    #[tokio::test]
    async fn deleting_takes_its_time_and_may_be_asked_for_again() {
        let bench = Bench::new(1);
        let at = bench.make("database", "AWS::RDS::DBInstance", properties! { "DBInstanceIdentifier" => "main" }).await;
        let first = bench.delete(&at.at).await.unwrap();
        assert!(matches!(first.progress, Progress::Running { .. }));
        assert_eq!(bench.present(&at.at).await.health, Health::Deleting);
        assert!(matches!(bench.delete(&at.at).await.unwrap().progress, Progress::Running { .. }));
        bench.finish(&first).await;
        assert!(matches!(bench.observe(&at.at).await, Observation::Absent));
        assert!(matches!(bench.delete(&at.at).await.unwrap().progress, Progress::Done(_)));
    }

    #[tokio::test]
    async fn what_others_stand_in_is_not_deleted() {
        let bench = Bench::new(1);
        let vpc = bench.make("vpc", "AWS::EC2::VPC", vpc()).await;
        let subnet = properties! { "VpcId" => vpc.id(), "CidrBlock" => "10.0.0.0/24" };
        let subnet = bench.make("subnet", "AWS::EC2::Subnet", subnet).await;
        let nat = bench.make("nat", "AWS::EC2::NatGateway", properties! { "SubnetId" => subnet.id() }).await;
        for parent in [&vpc, &subnet] {
            let error = bench.delete(&parent.at).await.unwrap_err();
            assert_eq!((error.code(), error.retry_class()), (Code::DependencyViolation, Retry::NotReady));
        }
        // A user that is going still holds on until it is gone.
        let going = bench.delete(&nat.at).await.unwrap();
        assert_eq!(bench.delete(&subnet.at).await.unwrap_err().code(), Code::DependencyViolation);
        bench.finish(&going).await;
        bench.unmake(&subnet).await;
        bench.unmake(&vpc).await;
        assert!(bench.cloud.objects().is_empty());
    }

    #[tokio::test]
    async fn a_role_that_is_used_may_go_and_a_parent_must_come_first() {
        let bench = Bench::new(1);
        let role = bench.make("role", "AWS::IAM::Role", properties! { "RoleName" => "cluster" }).await;
        let cluster = properties! { "Name" => "prod", "RoleArn" => role.outputs["Arn"].clone() };
        let at = bench.identity("cluster", "AWS::EKS::Cluster", &cluster);
        let operation = bench.create(&at, &cluster).await.unwrap();
        bench.unmake(&role).await;

        let nodes = properties! { "ClusterName" => "prod", "NodegroupName" => "general" };
        let nodes_at = bench.identity("nodes", "AWS::EKS::Nodegroup", &nodes);
        let early = bench.create(&nodes_at, &nodes).await.unwrap_err();
        assert_eq!((early.code(), early.retry_class()), (Code::Conflict, Retry::NotReady));
        bench.finish(&operation).await;
        assert_eq!(bench.create(&nodes_at, &nodes).await.unwrap().identity.id.as_deref(), Some("prod/general"));

        let nodes = properties! { "ClusterName" => "other", "NodegroupName" => "general" };
        let at = bench.identity("stray", "AWS::EKS::Nodegroup", &nodes);
        let missing = bench.create(&at, &nodes).await.unwrap_err();
        assert_eq!((missing.code(), missing.retry_class()), (Code::NotFound, Retry::Never));
        // Two roles may have policies of one name.
        for name in ["a", "b"] {
            bench.make(name, "AWS::IAM::Role", properties! { "RoleName" => name }).await;
            let policy = properties! { "RoleName" => name, "PolicyName" => "access" };
            let policy = bench.make(&format!("policy-{name}"), "AWS::IAM::RolePolicy", policy).await;
            assert_eq!(bench.present(&policy.at).await.properties["RoleName"], name.into());
        }
    }

    #[tokio::test]
    async fn protection_holds_until_it_is_switched_off() {
        let bench = Bench::new(1);
        let database = properties! { "DBInstanceIdentifier" => "main", "DeletionProtection" => true };
        let made = bench.make("database", "AWS::RDS::DBInstance", database.clone()).await;
        let error = bench.delete(&made.at).await.unwrap_err();
        assert_eq!((error.code(), error.retry_class()), (Code::Conflict, Retry::Never));
        let open = Properties::from_iter(database.into_iter().chain([("DeletionProtection".into(), false.into())]));
        let operation = bench.update(&made.at, &open, &["DeletionProtection"]).await.unwrap();
        assert!(matches!(&operation.progress, Progress::Running { phase, .. } if phase == "modifying"));
        bench.finish(&operation).await;
        bench.unmake(&made).await;
    }

    #[tokio::test]
    async fn an_update_changes_what_it_names_and_leaves_what_others_own() {
        let bench = Bench::new(1);
        bench.make("cluster", "AWS::EKS::Cluster", properties! { "Name" => "prod" }).await;
        let wanted = |min: i64, desired: i64| {
            properties! {
                "ClusterName" => "prod",
                "NodegroupName" => "general",
                "ScalingConfig" => map! { "MinSize" => min, "DesiredSize" => desired },
            }
        };
        let made = bench.make("nodes", "AWS::EKS::Nodegroup", wanted(1, 1)).await;
        bench.cloud.edit(&made.id(), "ScalingConfig.DesiredSize", 6_i64).unwrap();
        let operation = bench.update(&made.at, &wanted(2, 1), &["ScalingConfig.MinSize"]).await.unwrap();
        bench.finish(&operation).await;
        let seen = bench.present(&made.at).await.properties;
        assert_eq!(seen["ScalingConfig"], map! { "MinSize" => 2, "DesiredSize" => 6 });
        assert_eq!(seen["Tags"], bench.tags(&made.at));

        let vpc = bench.make("vpc", "AWS::EC2::VPC", vpc()).await;
        let error = bench.update(&vpc.at, &properties! { "CidrBlock" => "10.1.0.0/16" }, &["CidrBlock"]).await;
        assert_eq!(error.unwrap_err().code(), Code::InvalidRequest);
    }

    #[tokio::test]
    async fn what_is_not_resolved_is_refused_and_secrets_lose_their_bytes() {
        let bench = Bench::new(1);
        let at = bench.identity("vpc", "AWS::EC2::VPC", &vpc());
        let reference = Reference { target: at.address.clone(), attribute: String::new() };
        for value in [Value::from(reference), Value::from(TargetField::Account)] {
            let properties = properties! { "Outer" => list![map! { "Inner" => value }] };
            assert_eq!(bench.create(&at, &properties).await.unwrap_err().code(), Code::InvalidRequest);
        }
        assert!(bench.cloud.objects().is_empty());

        let secret = Secret::new("password", SecretString::from("canary-7"), &SecretString::from("key"));
        let properties = properties! { "CidrBlock" => "10.0.0.0/16", "Note" => secret.clone() };
        let made = bench.make("vpc", "AWS::EC2::VPC", properties).await;
        let seen = bench.present(&made.at).await;
        assert_eq!(seen.properties["Note"], Value::Secret(secret));
        assert!(matches!(&seen.properties["Note"], Value::Secret(secret) if secret.value().is_none()));
    }

    #[tokio::test]
    async fn a_create_may_fail_late_and_leave_a_ruin_or_just_be_slow() {
        let bench = Bench::new(1);
        let cluster = properties! { "Name" => "prod" };
        let at = bench.identity("cluster", "AWS::EKS::Cluster", &cluster);
        let on = || On::Type("AWS::EKS::Cluster".into(), Verb::Create);
        let kind = FaultKind::ProvisioningFailed { message: "no free addresses".into() };
        bench.cloud.fail(Fault::new(on(), kind));
        let operation = bench.create(&at, &cluster).await.unwrap();
        let (Progress::Failed(error), _) = bench.finish(&operation).await else { panic!("it does not fail") };
        assert_eq!((error.code(), error.remains()), (Code::ProvisioningFailed, crate::Remains::Something));
        assert!(matches!(bench.present(&operation.identity).await.health, Health::Failed(_)));
        let gone = bench.delete(&operation.identity).await.unwrap();
        bench.finish(&gone).await;

        let before = bench.cloud.clock().now();
        bench.cloud.fail(Fault::new(on(), FaultKind::Slow(10)));
        let operation = bench.create(&at, &cluster).await.unwrap();
        assert!(matches!(bench.finish(&operation).await.0, Progress::Done(_)));
        assert!(bench.cloud.clock().now() - before >= Duration::from_secs(4800));
    }
}
