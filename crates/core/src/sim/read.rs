//! What the server says when it is asked: observe, census, poll.

use std::time::Duration;

use super::act::{Arrival, Next, running};
use super::dialect::{self, Fact};
use super::fault::FaultKind;
use super::object::{self, Object, Phase, Work};
use super::random::Random;
use super::world::World;
use crate::Result;
use crate::driver::{Found, Health, Observation, Operation, Progress};
use crate::resource::{Claim, Identity, Properties, ResourceType, Verb};

/// How many objects a page of a census holds.
const PAGE: u64 = 100;

impl World {
    pub(super) fn observe(&self, arrival: Arrival<'_>, these: &[Identity]) -> Vec<Observation> {
        let observe = |(number, identity): (usize, &Identity)| {
            let left_out = arrival.flight.fault == Some(FaultKind::Partial)
                && Random::of(self.seed, &["partial", &arrival.flight.id, &number.to_string()])
                    .next()
                    .is_multiple_of(2);
            if left_out {
                return Observation::Unknown(arrival.refuse(&Fact::Throttled(None)).at(&identity.address));
            }
            self.observe_one(arrival, identity)
        };
        these.iter().enumerate().map(observe).collect()
    }

    fn observe_one(&self, arrival: Arrival<'_>, identity: &Identity) -> Observation {
        let Arrival { now, flight, of } = arrival;
        let found = match self.locate(arrival, identity) {
            Ok(found) => found.and_then(|(serial, _)| self.objects.get(&serial)),
            Err(error) => return Observation::Unknown(error.at(&identity.address)),
        };
        // Looking by tags goes through an index that lags behind more than the object itself.
        let by_tags = identity.id.is_none() && matches!(identity.claim, Claim::Marks | Claim::Token(_));
        let stale = flight.fault == Some(FaultKind::Stale);
        match found {
            Some(object) if stale && now < object.born + of.lag => Observation::Absent,
            None if stale => match self.ghost(arrival, identity) {
                Some(ghost) => Observation::Present(Box::new(ghost.observed(of, &flight.stack, Health::Ready))),
                None => Observation::Absent,
            },
            Some(object) if now >= if by_tags { object.indexed } else { object.visible } => {
                let health = self.health(of, object, now);
                Observation::Present(Box::new(object.observed(of, &flight.stack, health)))
            }
            _ => Observation::Absent,
        }
    }

    /// What is gone, and still shown by a replica that is behind.
    fn ghost(&self, arrival: Arrival<'_>, identity: &Identity) -> Option<&Object> {
        let Arrival { now, of, flight } = arrival;
        let stack = flight.stack.to_string();
        let mut fitting = self.ghosts.iter().filter(|(until, ghost)| {
            let marked = || {
                ghost.marks(of).is_some_and(|marks| {
                    marks.stack == stack && marks.address == identity.address && marks.generation == identity.generation
                })
            };
            *until > now
                && ghost.type_name == of.name
                && match (&identity.id, object::claimed(of, ghost.cluster, &identity.claim)) {
                    (Some(id), _) => ghost.id == *id && ghost.address.as_ref() == Some(&identity.address),
                    (None, Some(key)) => object::key(of, ghost.cluster, &ghost.properties) == Some(key),
                    (None, None) => marked(),
                }
        });
        fitting.next().map(|(_, ghost)| ghost)
    }

    /// One page of a census, from there on, as the world is when it is read, and where the next one begins.
    pub(super) fn census(&self, arrival: Arrival<'_>, types: &[String], from: Next) -> Result<(Vec<Found>, Next)> {
        let Arrival { now, flight, .. } = arrival;
        let stack = flight.stack.to_string();
        let room = match flight.fault {
            Some(FaultKind::ShortPage) => Random::of(self.seed, &["page", &flight.id]).next() % 4,
            _ => PAGE,
        };
        let mut page = Vec::new();
        for (place, name) in types.iter().enumerate() {
            let of = self.catalog.get(name)?;
            for object in self.of_type(name).filter(|object| now >= object.indexed) {
                let at = Some((place, object.serial));
                let Some(marks) = object.marks(of).filter(|marks| marks.stack == stack && at >= from) else { continue };
                if page.len() as u64 == room {
                    return Ok((page, at));
                }
                let health = self.health(of, object, now);
                let observed = object.observed(of, &flight.stack, health);
                page.push(Found { type_name: name.clone(), id: object.id.clone(), marks, observed });
            }
        }
        Ok((page, None))
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
                Progress::Done(_) | Progress::Unfinished(_) if *verb == Verb::Delete => {
                    running(("available", "it is not being deleted"))
                }
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
            Phase::Ready if object.unfinished => Progress::Unfinished(object.outputs.clone()),
            Phase::Ready => Progress::Done(object.outputs.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Bench;
    use super::super::{Fault, FaultKind, On};
    use super::*;
    use crate::properties;
    use crate::resource::Ownership;
    use crate::{Code, Retry};

    const LAG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn reads_lag_behind_and_then_never_forget() {
        let mut late = 0;
        for seed in 0..50 {
            let bench = Bench::new(seed);
            let vpc = properties! { "CidrBlock" => "10.0.0.0/16" };
            let claim = bench.identity("vpc", "AWS::EC2::VPC", &vpc);
            let made = bench.create(&claim, &vpc).await.unwrap().identity;
            let start = bench.cloud.clock().now();
            let (mut seen, mut indexed) = (None, None);
            while bench.cloud.clock().now() - start < 2 * LAG {
                let now = bench.cloud.clock().now() - start;
                let by_marks = matches!(bench.observe(&claim).await, Observation::Present(_));
                let by_id = matches!(bench.observe(&made).await, Observation::Present(_));
                let counted = bench.census().await.len() == 1;
                assert!(by_id || seen.is_none(), "it was seen before");
                assert!(counted >= by_marks, "both read the same index, the census later");
                assert!(!by_marks || by_id, "the index is never ahead of the object");
                if by_id {
                    seen.get_or_insert(now);
                }
                if counted {
                    indexed.get_or_insert(now);
                }
                bench.sleep(Duration::from_millis(500)).await;
            }
            let (seen, indexed) = (seen.unwrap(), indexed.unwrap());
            assert!(seen <= LAG + Duration::from_secs(2) && indexed <= LAG + Duration::from_secs(2));
            late += usize::from(seen > Duration::from_secs(1) && indexed > seen);
        }
        assert!(late > 10, "lag is drawn, and the index has its own: {late} of 50");
    }

    #[tokio::test]
    async fn a_census_finds_all_of_ours_and_nothing_else() {
        let bench = Bench::new(1);
        let stranger = bench.as_stack("other");
        for number in 0..20 {
            let part = format!("role-{number}");
            bench.make(&part, "AWS::IAM::Role", properties! { "RoleName" => format!("ours-{number}") }).await;
            stranger.make(&part, "AWS::IAM::Role", properties! { "RoleName" => format!("theirs-{number}") }).await;
            let nobodys = properties! { "RoleName" => format!("nobodys-{number}") };
            bench.cloud.add_foreign("AWS::IAM::Role", nobodys).unwrap();
        }
        let found = bench.census().await;
        assert_eq!(found.len(), 20);
        assert!(found.iter().all(|found| found.id.starts_with("ours-")));
        assert!(found.iter().all(|found| found.observed.owner == Ownership::Ours(found.marks.clone())));
        assert_eq!(bench.cloud.objects().len(), 60);
        assert!(!bench.cloud.drivers().census_types().contains(&"AWS::IAM::RolePolicy".to_owned()));
    }

    #[tokio::test]
    async fn a_census_is_read_page_by_page_and_a_page_may_be_empty() {
        let bench = Bench::new(1);
        for number in 0..150 {
            let part = format!("role-{number}");
            bench.make(&part, "AWS::IAM::Role", properties! { "RoleName" => format!("ours-{number}") }).await;
        }
        let calls = async || {
            let before = bench.cloud.calls();
            let mut found: Vec<_> = bench.census().await.into_iter().map(|found| found.id).collect();
            found.sort();
            found.dedup();
            assert_eq!(found.len(), 150);
            bench.cloud.calls() - before
        };
        assert_eq!(calls().await, 2);
        bench.cloud.fail(Fault::new(On::Verb(Verb::Read), FaultKind::ShortPage).times(20));
        // Twenty short pages, some of them empty, and two more.
        assert_eq!(calls().await, 22);
    }

    #[tokio::test]
    async fn ownership_is_read_from_marks_and_inherited_where_there_are_none() {
        let bench = Bench::new(1);
        let role = bench.make("role", "AWS::IAM::Role", properties! { "RoleName" => "nodes" }).await;
        assert!(matches!(bench.present(&role.at).await.owner, Ownership::Ours(_)));
        assert_eq!(bench.as_stack("other").present(&role.at).await.owner, Ownership::Foreign);
        let policy = properties! { "RoleName" => "nodes", "PolicyName" => "access" };
        let policy = bench.make("policy", "AWS::IAM::RolePolicy", policy).await;
        assert_eq!(bench.present(&policy.at).await.owner, Ownership::Inherited);
    }

    #[tokio::test]
    async fn what_is_written_only_does_not_come_back() {
        let bench = Bench::new(1);
        let properties = properties! { "DBInstanceIdentifier" => "main", "MasterUserPassword" => "x" };
        let made = bench.make("database", "AWS::RDS::DBInstance", properties).await;
        let seen = bench.present(&made.at).await.properties;
        assert!(!seen.contains_key("MasterUserPassword"));
        assert_eq!(seen["LicenseModel"], "postgresql-license".into());
    }

    #[tokio::test]
    async fn many_are_read_in_one_call_and_a_fault_strikes_them_all() {
        let bench = Bench::new(1);
        let role = bench.make("role", "AWS::IAM::Role", properties! { "RoleName" => "nodes" }).await;
        let before = bench.cloud.calls();
        bench.observe(&role.at).await;
        bench.census().await;
        assert_eq!(bench.cloud.calls() - before, 2);
        assert_eq!(bench.cloud.mutations(), 1);

        bench.cloud.fail(Fault::new(On::Verb(Verb::Read), FaultKind::OutcomeUnknown { acted: true }));
        let driver = bench.cloud.drivers().driver("AWS::IAM::Role").unwrap();
        let stack = crate::resource::StackId::new("inferloop", "dev");
        let target = bench.cloud.target();
        let cx = crate::driver::Context { stack: &stack, target: &target, timeout: LAG };
        let error = bench.cloud.run(driver.observe(&cx, std::slice::from_ref(&role.at))).await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.retry_class()), (Code::Unavailable, Retry::Transient));
    }
}
