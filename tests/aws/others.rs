//! What is no part of AWS (Kubernetes objects, roles in a database), kept in memory: the tests beside it are about AWS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use landfall::aws::live::Connection;
use landfall::clock::Clock;
use landfall::driver::{Ahead, Context, Driver, Drivers, Found, Health, Observation, Observed, Operation, Progress};
use landfall::resource::{Catalog, Identity, Marks, Ownership, Properties, TagStyle, Verb};
use landfall::{Error, Result};

/// The drivers of a connection, and beside them something that keeps every other type.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    connection: Connection,
    others: Arc<Others>,
}

#[derive(Debug)]
struct Others {
    catalog: Catalog,
    objects: Mutex<BTreeMap<(String, u32), (String, Properties)>>,
}

impl Beside {
    pub(crate) fn new(connection: Connection, catalog: Catalog) -> Self {
        Self { connection, others: Arc::new(Others { catalog, objects: Mutex::default() }) }
    }
}

impl Drivers for Beside {
    fn driver(&self, type_name: &str) -> Result<Arc<dyn Driver>> {
        if type_name.starts_with("AWS::") { self.connection.driver(type_name) } else { Ok(self.others.clone()) }
    }

    fn census_types(&self) -> Vec<String> {
        let others = self.others.catalog.iter().filter(|of| !of.name.starts_with("AWS::") && of.tags != TagStyle::None);
        self.connection.census_types().into_iter().chain(others.map(|of| of.name.to_string())).collect()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.connection.clock()
    }

    fn preflight<'a>(&'a self, cx: &'a Context<'a>, ahead: &'a Ahead) -> BoxFuture<'a, Result<Vec<Error>>> {
        self.connection.preflight(cx, ahead)
    }
}

impl Others {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<(String, u32), (String, Properties)>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observed(&self, cx: &Context<'_>, type_name: &str, id: &str, properties: &Properties) -> Result<Observed> {
        let of = self.catalog.get(type_name)?;
        let owner = match Marks::read(of, properties) {
            Some(marks) if marks.stack == cx.stack.to_string() => Ownership::Ours(marks),
            None if of.tags == TagStyle::None => Ownership::Inherited,
            _ => Ownership::Foreign,
        };
        let names = of.outputs.iter().map(|output| output.name).chain([of.identifier]);
        let outputs = names.map(|name| (name.to_owned(), id.into())).collect();
        Ok(Observed { id: id.to_owned(), properties: properties.clone(), outputs, owner, health: Health::Ready })
    }
}

#[async_trait]
impl Driver for Others {
    async fn observe(&self, cx: &Context<'_>, these: &[Identity]) -> Result<Vec<Observation>> {
        let objects = self.objects();
        let look = |at: &Identity| match objects.get(&(at.address.to_string(), at.generation)) {
            Some((id, properties)) => {
                Ok(Observation::Present(Box::new(self.observed(cx, &at.type_name, id, properties)?)))
            }
            None => Ok(Observation::Absent),
        };
        these.iter().map(look).collect()
    }

    async fn census(&self, cx: &Context<'_>, types: &[String]) -> Result<Vec<Found>> {
        let mut all = Vec::new();
        for (id, properties) in self.objects().values() {
            let type_name = id.split(' ').next().unwrap_or_default();
            let observed = self.observed(cx, type_name, id, properties)?;
            if let (true, Ownership::Ours(marks)) = (types.iter().any(|one| one == type_name), observed.owner.clone()) {
                all.push(Found { type_name: type_name.to_owned(), id: id.clone(), marks, observed });
            }
        }
        Ok(all)
    }

    async fn create(&self, cx: &Context<'_>, at: &Identity, desired: &Properties) -> Result<Operation> {
        let id = format!("{} {}@{}", at.type_name, at.address, at.generation);
        self.objects().insert((at.address.to_string(), at.generation), (id.clone(), desired.clone()));
        let outputs = self.observed(cx, &at.type_name, &id, desired)?.outputs;
        Ok(Operation::done(Identity { id: Some(id), ..at.clone() }, Verb::Create, outputs))
    }

    async fn update(&self, cx: &Context<'_>, at: &Identity, desired: &Properties, _: &[String]) -> Result<Operation> {
        let made = self.create(cx, at, desired).await?;
        Ok(Operation { verb: Verb::Update, ..made })
    }

    async fn delete(&self, _: &Context<'_>, at: &Identity) -> Result<Operation> {
        self.objects().remove(&(at.address.to_string(), at.generation));
        Ok(Operation::done(at.clone(), Verb::Delete, Properties::new()))
    }

    async fn poll(&self, _: &Context<'_>, these: &[Operation]) -> Result<Vec<Progress>> {
        Err(Error::internal(format!("nothing here takes time: {}", these.len())))
    }
}
