//! A server behind a proxy, a ledger, and platforms on them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use landfall::Code;
use landfall::apply::{Cancel, Engine, Limits, Setup};
use landfall::aws::live::{Connection, Options};
use landfall::driver::Drivers;
use landfall::plan::{Mode, Style};
use landfall::prelude::*;
use landfall::resource::{Catalog, ResourceType, Usual, Value};
use landfall::{list, map};

use crate::others::Beside;
use crate::proxy::Proxy;
use crate::servers::Servers;

/// One account of a server, seen through a proxy, and a folder for ledgers.
pub(crate) struct World {
    pub(crate) proxy: Proxy,
    folder: PathBuf,
}

#[expect(clippy::disallowed_methods, reason = "it is how a process is told what it is, and where servers are")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A server from the environment; without it the test says that it is passed over.
pub(crate) fn server(name: &str) -> Option<String> {
    let url = variable(name);
    if url.is_none() {
        let _ = writeln!(std::io::stderr(), "PASSED OVER: {name} names no server; `bash .ci/aws` starts them");
    }
    url
}

impl World {
    /// moto and ministack behind a proxy.
    pub(crate) fn new() -> Option<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (moto, ministack) = (server("LANDFALL_TEST_MOTO")?, server("LANDFALL_TEST_MINISTACK")?);
        let name = format!("landfall-aws-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Some(Self { proxy: Proxy::new(Servers::new(&moto, &ministack)), folder })
    }

    /// The same in an account of its own on moto, where nothing counts against its quotas but what it makes.
    pub(crate) fn alone() -> Option<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let world = Self::new()?;
        world.proxy.in_account(format!(
            "2{:05}{:06}",
            std::process::id() % 100_000,
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        Some(world)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) async fn connection(&self) -> Connection {
        connect(&self.proxy.url).await
    }

    /// A platform in this world, with the ledger of this name.
    pub(crate) async fn place(&self, declare: impl Fn() -> PlatformBuilder, ledger: &str) -> Platform {
        place(declare, self.connection().await, Ledger::folder(self.folder.join(ledger)).unwrap(), "tester")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A connection to whatever is found there.
pub(crate) async fn connect(url: &url::Url) -> Connection {
    let options = Options::key("AKIAIOSFODNN7EXAMPLE", "secret".into()).emulator(url.clone());
    connected("eu-west-1", &options).await
}

/// A connection to a server that other tests may keep busy for longer than STS may take to answer.
pub(crate) async fn connected(region: &str, options: &Options) -> Connection {
    for _ in 0..100 {
        match Aws::new(region).connect(options.clone()).await {
            Err(error) if error.code() == Code::Unavailable => {}
            connection => return connection.unwrap(),
        }
    }
    panic!("the server answers nobody");
}

/// A platform on this connection and this ledger.
pub(crate) fn place(
    declare: impl Fn() -> PlatformBuilder,
    connection: Connection,
    ledger: Ledger,
    holder: &str,
) -> Platform {
    let target = connection.target().clone();
    // The same platform on a simulated cloud knows which types there are.
    let catalog = declare().build().unwrap().catalog().clone();
    let mut builder = declare();
    builder.live(Arc::new(Beside::new(connection, catalog)), target).ledger(ledger).holder(holder);
    builder.cancel(&Cancel::new());
    builder.build().unwrap()
}

/// The engine of a platform whose types take no time: the servers show at once what was made, and nothing is waited for which
/// is not there.
pub(crate) fn at_once(setup: &Setup, drivers: &Arc<dyn Drivers>) -> Engine {
    let now = Usual { low: Duration::ZERO, typical: Duration::from_millis(200), high: Duration::from_secs(1) };
    let of =
        |of: &ResourceType| ResourceType { lag: Duration::ZERO, create: now, update: now, delete: now, ..of.clone() };
    let catalog = Catalog::new(setup.catalog.iter().map(of));
    let mut expanded = setup.expanded.clone();
    expanded.catalog = catalog.clone();
    Engine::new(Setup {
        stack: setup.stack.clone(),
        expanded,
        specs: setup.specs.clone(),
        ledger: setup.ledger.clone(),
        target: setup.target.clone(),
        drivers: drivers.clone(),
        limits: Limits::new(),
        events: setup.events.clone(),
        clock: setup.clock.clone(),
        catalog,
        secrets: setup.secrets.clone(),
        options: setup.options.clone(),
    })
}

pub(crate) async fn converge(world: &World, engine: &Engine) {
    let before = world.proxy.calls().len();
    troubles(world, before, engine.converge().await);
}

/// Fails with every problem, and with every call since `before` that did not go well.
pub(crate) fn troubles<T>(world: &World, before: usize, result: Result<T>) {
    let Err(error) = result else { return };
    let calls = world.proxy.calls();
    let bad = calls[before..].iter().filter(|call| call.status.is_none_or(|status| status >= 400));
    let problems: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    panic!("{problems:#?} {:#?}", bad.collect::<Vec<_>>());
}

/// The next plan is empty.
pub(crate) async fn is_whole(engine: &Engine) {
    let plan = engine.plan(Mode::Converge).await.unwrap();
    assert!(plan.is_empty(), "{}", plan.details(Style::Plain));
}

/// A policy by which the account may do everything with a key.
pub(crate) fn key_policy() -> Value {
    map! {
        "Version" => "2012-10-17",
        "Statement" => list![map! {
            "Effect" => "Allow",
            "Principal" => map! { "AWS" => "arn:aws:iam::123456789012:root" },
            "Action" => "kms:*",
            "Resource" => "*",
        }],
    }
}
