//! The drivers of the simulated cloud: requests go out, travel, act on the server, and replies travel back.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::SimCloud;
use super::act::{Request, mixed_up};
use super::call::{Outcome, Side};
use super::fault::{FaultKind, Subject};
use super::world::{Flight, Reply, Slot};
use crate::Result;
use crate::clock::Clock;
use crate::driver::{Context, Driver, Drivers, Found, Observation, Operation, Progress};
use crate::resource::{Identity, Properties, TagStyle};

/// All types of the catalogue, kept by one driver.
#[derive(Debug)]
pub(super) struct SimDrivers {
    cloud: SimCloud,
    driver: Arc<SimDriver>,
}

#[derive(Debug)]
struct SimDriver(SimCloud);

impl SimDrivers {
    pub(super) fn new(cloud: SimCloud) -> Arc<Self> {
        Arc::new(Self { driver: Arc::new(SimDriver(cloud.clone())), cloud })
    }
}

impl Drivers for SimDrivers {
    fn driver(&self, type_name: &str) -> Result<Arc<dyn Driver>> {
        self.cloud.shared.catalog.get(type_name)?;
        Ok(self.driver.clone())
    }

    fn census_types(&self) -> Vec<String> {
        let types = self.cloud.shared.catalog.iter();
        types.filter(|of| of.tags != TagStyle::None).map(|of| of.name.to_string()).collect()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.cloud.clock()
    }
}

#[async_trait]
impl Driver for SimDriver {
    async fn observe(&self, cx: &Context<'_>, these: &[Identity]) -> Result<Vec<Observation>> {
        match self.0.call(cx, Request::Observe(these.to_vec())).await? {
            Reply::Observations(all) => Ok(all),
            _ => Err(mixed_up()),
        }
    }

    async fn census(&self, cx: &Context<'_>, types: &[String]) -> Result<Vec<Found>> {
        let (mut all, mut from) = (Vec::new(), None);
        loop {
            match self.0.call(cx, Request::Census(types.to_vec(), from)).await? {
                Reply::Found(page, next) => {
                    all.extend(page);
                    // An empty page is not the last one.
                    from = next;
                }
                _ => return Err(mixed_up()),
            }
            if from.is_none() {
                return Ok(all);
            }
        }
    }

    async fn create(&self, cx: &Context<'_>, at: &Identity, desired: &Properties) -> Result<Operation> {
        self.0.change(cx, Request::Create(at.clone(), desired.clone())).await
    }

    async fn update(
        &self,
        cx: &Context<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Operation> {
        self.0.change(cx, Request::Update(at.clone(), desired.clone(), changed.to_vec())).await
    }

    async fn delete(&self, cx: &Context<'_>, at: &Identity) -> Result<Operation> {
        self.0.change(cx, Request::Delete(at.clone())).await
    }

    async fn poll(&self, cx: &Context<'_>, these: &[Operation]) -> Result<Vec<Progress>> {
        match self.0.call(cx, Request::Poll(these.to_vec())).await? {
            Reply::Progress(all) => Ok(all),
            _ => Err(mixed_up()),
        }
    }
}

impl SimCloud {
    async fn change(&self, cx: &Context<'_>, request: Request) -> Result<Operation> {
        match self.call(cx, request).await? {
            Reply::Operation(operation) => Ok(operation),
            _ => Err(mixed_up()),
        }
    }

    async fn call(&self, cx: &Context<'_>, request: Request) -> Result<Reply> {
        let addresses = request.addresses();
        let (name, verb) = (request.name(), request.verb());
        let type_name = request.type_name().map(str::to_owned);
        let mutation = matches!(request, Request::Create(..) | Request::Update(..) | Request::Delete(_));
        let pass = self.depart_to_cloud(name, type_name.as_deref(), &addresses, mutation).await;
        let subject = Subject { number: pass.number, verb, type_name: type_name.as_deref(), addresses: &addresses };
        let fault = self.faults().strike(subject);
        let fault = fault.or_else(|| self.chaos().fault(&mut self.chance("fault", pass.number), verb));
        self.reachable(Side::Cloud).await;
        let silent = matches!(fault, Some(FaultKind::NoAnswer { .. }));
        let there = match fault {
            Some(FaultKind::Delayed(delay)) => pass.there + delay,
            _ => pass.there,
        };
        let reply = Slot::default();
        let (id, stack) = (pass.request(), cx.stack.clone());
        // From here on the request is on the wire, and acts whether or not this future lives to see it.
        let flight = Flight { stack, id, request, fault, reply: reply.clone() };
        self.world().send(self.clock.now() + there, flight);
        self.clock.sleep(there).await;
        let answer = loop {
            drop(self.settle());
            if let Some(answer) = reply.lock().unwrap_or_else(PoisonError::into_inner).take() {
                break answer;
            }
            // A clock made from a real one may wake a little early.
            self.clock.sleep(Duration::from_millis(1)).await;
        };
        if silent {
            std::future::pending::<()>().await;
        }
        pass.arrive(match &answer {
            Ok(_) => Outcome::Accepted,
            Err(error) => Outcome::Failed(error.code()),
        })
        .await;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::super::Moment;
    use super::super::fixture::Bench;
    use super::*;
    use crate::Code;
    use crate::properties;

    #[tokio::test]
    async fn a_crash_leaves_what_its_moment_says() {
        let role = properties! { "RoleName" => "nodes" };
        for (moment, made) in [(Moment::Before, 0), (Moment::Acted, 1), (Moment::Replied, 1)] {
            let bench = Bench::new(1);
            let at = bench.identity("role", "AWS::IAM::Role", &role);
            bench.cloud.crash_at(1, moment);
            assert!(bench.cloud.run(bench.create(&at, &role)).await.is_none());
            bench.sleep(Duration::from_secs(20)).await;
            assert_eq!(bench.cloud.objects().len(), made);
            assert_eq!(bench.cloud.log()[0].outcome, Outcome::Unseen);
            let again = bench.cloud.run(bench.create(&at, &role)).await.unwrap();
            assert_eq!(again.err().map(|error| error.code()), (made == 1).then_some(Code::AlreadyExists));
            assert_eq!((bench.cloud.calls(), bench.cloud.mutations()), (2, 2));
        }
    }

    #[tokio::test]
    async fn a_request_lands_although_its_sender_is_gone() {
        let role = properties! { "RoleName" => "nodes" };
        let bench = Bench::new(1);
        let at = bench.identity("role", "AWS::IAM::Role", &role);
        let clock = bench.cloud.clock();
        // Nothing travels faster than ten milliseconds: the caller gives up while the request is on the wire.
        let gave_up = async {
            let create = std::pin::pin!(bench.create(&at, &role));
            futures_util::future::select(create, clock.sleep(Duration::from_millis(5))).await;
        };
        bench.cloud.run(gave_up).await.unwrap();
        assert!(bench.cloud.objects().is_empty());
        bench.sleep(Duration::from_millis(100)).await;
        assert_eq!(bench.cloud.objects().len(), 1);
    }

    #[test]
    fn a_type_that_is_in_no_catalogue_has_no_driver() {
        let drivers = SimCloud::empty(1).drivers();
        assert_eq!(drivers.driver("AWS::EC2::VPC").unwrap_err().code(), Code::UnknownType);
    }
}
