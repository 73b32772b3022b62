//! One process of a test: this binary once more, told by its environment what to make and where.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use landfall::apply::{Cancel, Engine, Limits, Options, Setup};
use landfall::aws::live::Connection;
use landfall::driver::Drivers as _;
use landfall::event::Events;
use landfall::ledger::s3;
use landfall::prelude::*;
use landfall::resource::{Catalog, ResourceType};
use landfall::units::Date;
use serde::{Deserialize, Serialize};

use crate::others::Beside;
use crate::world::{connect, variable};

/// How a process learns that it is a replica.
const ORDERS: &str = "LANDFALL_TEST_AWS_ORDERS";

/// What a process is told.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Orders {
    /// The stack.
    pub(crate) stack: String,
    /// Who it is to the others.
    pub(crate) holder: String,
    /// Where the API is found.
    pub(crate) url: url::Url,
    /// Where the ledger is.
    pub(crate) ledger: Place,
    /// The lease's time to live, in milliseconds.
    pub(crate) time_to_live: u64,
}

/// Where a ledger is.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum Place {
    Folder(PathBuf),
    /// A server and a bucket in it, of which the ledger has the part that begins with the stack's name.
    Bucket(url::Url, String),
}

#[test]
#[ignore = "the other tests start it as a process of its own"]
fn replica_process() {
    let Some(orders) = variable(ORDERS) else { return };
    let orders: Orders = serde_json::from_str(&orders).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outputs = runtime.block_on(async {
        let engine = orders.engine(connect(&orders.url).await);
        engine.converge().await.unwrap_or_else(|error| panic!("{error}"))
    });
    let mut out = std::io::stdout().lock();
    std::io::Write::write_all(&mut out, format!("OUTPUTS {}\n", serde_json::to_string(&outputs).unwrap()).as_bytes())
        .unwrap();
}

/// A network in two zones, with all that belongs to it.
pub(crate) fn declare(stack: &str) -> PlatformBuilder {
    let mut platform = Platform::builder(stack, "test", Aws::new("eu-west-1"));
    platform.today(Date::new(2026, 11, 23));
    platform.network("core", NetworkSpec::new("10.0.0.0/16".parse().unwrap()).zones(2).nat(Nat::One));
    platform
}

impl Orders {
    fn ledger(&self) -> Ledger {
        match &self.ledger {
            Place::Folder(path) => Ledger::folder(path).unwrap(),
            Place::Bucket(url, bucket) => {
                let credentials = s3::Credentials::key("AKIAIOSFODNN7EXAMPLE", "secret".into());
                let options = s3::Options::new(bucket, "eu-west-1", credentials);
                Ledger::s3(options.emulator(url.clone()).prefix(&self.stack)).unwrap()
            }
        }
    }

    /// The engine of this process. The servers show at once what was made, so that nothing is waited for which is not there.
    pub(crate) fn engine(&self, connection: Connection) -> Engine {
        self.engine_of(declare(&self.stack).build().unwrap(), connection, Duration::ZERO)
    }

    /// The engine of this platform, whose types may lag behind by so much.
    pub(crate) fn engine_of(&self, platform: Platform, connection: Connection, lag: Duration) -> Engine {
        let setup = platform.engine().setup();
        let lagging = |of: &ResourceType| ResourceType { lag, ..of.clone() };
        let catalog = Catalog::new(setup.catalog.iter().map(lagging));
        let mut expanded = setup.expanded.clone();
        expanded.catalog = catalog.clone();
        let clock = connection.clock();
        Engine::new(Setup {
            stack: setup.stack.clone(),
            expanded,
            specs: setup.specs.clone(),
            ledger: self.ledger().with_clock(clock.clone()),
            target: connection.target().clone(),
            drivers: Arc::new(Beside::new(connection, catalog.clone())),
            limits: Limits::new(),
            events: Events::default(),
            clock,
            catalog,
            secrets: Vec::new(),
            options: Options {
                cancel: Cancel::new(),
                time_to_live: Duration::from_millis(self.time_to_live),
                ..Options::new(&self.holder)
            },
        })
    }

    /// Starts the process.
    pub(crate) fn start(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "replica::replica_process", "--test-threads", "1", "--nocapture"])
            .env(ORDERS, serde_json::to_string(self).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Lets the process come to its end, and returns what it handed out.
    pub(crate) fn finish(&self, child: Child) -> serde_json::Value {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let outputs = text.lines().find_map(|line| line.split_once("OUTPUTS ")).unwrap_or_else(|| {
            panic!("{} of {}: {text}\n{}", self.holder, self.stack, String::from_utf8_lossy(&output.stderr))
        });
        serde_json::from_str(outputs.1).unwrap()
    }
}
