//! The drivers of the simulated cloud: requests go out, travel, act on the server, and replies travel back.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::SimCloud;
use super::act::{Request, mixed_up};
use super::call::Outcome;
use super::fault::Subject;
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
        match self.0.call(cx, Request::Census(types.to_vec())).await? {
            Reply::Found(all) => Ok(all),
            _ => Err(mixed_up()),
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
        let reply = Slot::default();
        let (id, stack) = (pass.request().to_owned(), cx.stack.clone());
        // From here on the request is on the wire, and acts whether or not this future lives to see it.
        let flight = Flight { stack, id, request, fault, reply: reply.clone() };
        self.world().send(self.clock.now() + pass.there, flight);
        self.clock.sleep(pass.there).await;
        let answer = loop {
            drop(self.settle());
            if let Some(answer) = reply.lock().unwrap_or_else(PoisonError::into_inner).take() {
                break answer;
            }
            // A clock made from a real one may wake a little early.
            self.clock.sleep(Duration::from_millis(1)).await;
        };
        pass.arrive(match &answer {
            Ok(_) => Outcome::Accepted,
            Err(error) => Outcome::Failed(error.code()),
        })
        .await;
        answer
    }
}
