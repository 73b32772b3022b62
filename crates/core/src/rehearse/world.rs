//! A world of a rehearsal: a simulated cloud with a ledger, and engines that live and die in it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::apply::{self, Cancel, Engine, Limits, Setup};
use crate::driver::Target;
use crate::event::Events;
use crate::resource::Properties;
use crate::scope::AllOutputs;
use crate::sim::{Call, SimCloud, SimObject, SimOptions, Time};
use crate::{Error, Result};

/// How often a host may die within one run before that is a bug of the rehearsal.
const LIVES: usize = 4;

#[derive(Debug)]
pub(super) struct World {
    pub(super) cloud: SimCloud,
    model: Engine,
}

/// What is in the cloud: type, id and properties by address.
pub(super) type Content = BTreeMap<String, Vec<(String, String, Properties)>>;

impl World {
    /// An empty world for what this engine wants.
    pub(super) fn new(model: &Engine, seed: u64) -> Self {
        let Setup { catalog, target, .. } = model.setup();
        let target: Target = target.clone();
        let cloud = SimCloud::new(SimOptions { catalog: catalog.clone(), target, seed, time: Time::Virtual });
        Self { cloud, model: model.clone() }
    }

    /// A fresh engine, as a process that just started has it.
    pub(super) fn engine(&self, host: &SimCloud, holder: &str) -> Engine {
        let Setup { stack, expanded, specs, catalog, secrets, options, .. } = self.model.setup();
        self.model.another(Setup {
            stack: stack.clone(),
            expanded: expanded.clone(),
            specs: specs.clone(),
            ledger: host.ledger(),
            drivers: host.drivers(),
            target: host.target(),
            limits: Limits::new(),
            events: Events::default(),
            clock: host.clock(),
            catalog: catalog.clone(),
            secrets: secrets.clone(),
            options: apply::Options {
                time_to_live: options.time_to_live,
                call_timeout: options.call_timeout,
                cancel: Cancel::new(),
                ..apply::Options::new(holder)
            },
        })
    }

    /// Converges as a new process. Each time it is killed another one starts.
    pub(super) async fn converge(&mut self, holder: &str) -> Result<AllOutputs> {
        for life in 0..LIVES {
            let engine = self.engine(&self.cloud, &format!("{holder}-{life}"));
            if let Some(result) = self.cloud.run(engine.converge()).await {
                return result;
            }
        }
        Err(Error::internal("a rehearsed process died more often than was ordered"))
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.cloud.log()
    }

    pub(super) fn now(&self) -> Duration {
        self.cloud.clock().now()
    }

    pub(super) fn content(&self) -> Content {
        let mut content = Content::new();
        for object in self.cloud.objects() {
            let key = address(&object);
            content.entry(key).or_default().push((object.type_name, object.id, object.properties));
        }
        content
    }
}

/// The address it was made for; its type and id when nobody knows.
pub(super) fn address(object: &SimObject) -> String {
    object.address.as_ref().map_or_else(|| format!("{} {}", object.type_name, object.id), ToString::to_string)
}
