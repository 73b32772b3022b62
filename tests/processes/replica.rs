//! One process: it says that it is ready, waits for the word, converges, and leaves what came of it in a file.

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use landfall::apply::{Cancel, Engine, Limits, Options, Setup};
use landfall::clock::{Clock, SystemClock};
use landfall::driver::Target;
use landfall::event::Events;
use landfall::ledger::{Ledger, Put, Store};
use landfall::prelude::*;
use landfall::resource::Catalog;
use landfall::units::Date;
use serde::{Deserialize, Serialize};

use crate::cloud::FolderCloud;

/// What a process is told on its command's environment, as JSON.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Orders {
    /// Its name, and that of the file its result goes to.
    pub(crate) name: String,
    /// The folder of this world.
    pub(crate) world: std::path::PathBuf,
    /// Where the ledger is: a bucket's URL and a prefix, else a folder of the world.
    pub(crate) bucket: Option<(String, String)>,
    /// The lease's time to live, in milliseconds.
    pub(crate) time_to_live: u64,
    /// Whether each call to the ledger waits for the parent's word, before and after, and each create in its middle.
    pub(crate) asks: bool,
}

/// What came of a process.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Outcome {
    /// What it handed out.
    Outputs(serde_json::Value),
    /// The codes of its errors.
    Failed(Vec<String>),
}

impl Orders {
    pub(crate) fn ledger(&self) -> Ledger {
        let Some((url, prefix)) = &self.bucket else { return Ledger::folder(self.world.join("ledger")).unwrap() };
        in_bucket(url, prefix)
    }

    /// The engine of this process. The types are AWS's, in a cloud that shows at once what was made.
    pub(crate) fn engine(&self) -> Engine {
        let clock: Arc<dyn Clock> = SystemClock::new();
        let mut platform = Platform::builder("shop", "dev", Aws::new("eu-west-1"));
        platform.today(Date::new(2026, 11, 23));
        platform.bucket("files", BucketSpec::new());
        let platform = platform.build().unwrap();
        let setup = platform.engine().setup();
        let at_once = |of: &landfall::resource::ResourceType| landfall::resource::ResourceType {
            lag: Duration::ZERO,
            ..of.clone()
        };
        let catalog = Catalog::new(setup.catalog.iter().map(at_once));
        let mut expanded = setup.expanded.clone();
        expanded.catalog = catalog.clone();
        let cloud = FolderCloud::new(self, catalog.clone(), clock.clone());
        let ledger = self.ledger();
        let ledger = if self.asks { Ledger::new(Arc::new(Asking::new(ledger.store().clone()))) } else { ledger };
        Engine::new(Setup {
            stack: setup.stack.clone(),
            expanded,
            specs: setup.specs.clone(),
            ledger: ledger.with_clock(clock.clone()),
            drivers: Arc::new(cloud),
            target: target(),
            limits: Limits::new(),
            events: Events::default(),
            clock,
            catalog,
            secrets: Vec::new(),
            options: Options {
                cancel: Cancel::new(),
                time_to_live: Duration::from_millis(self.time_to_live),
                call_timeout: Duration::from_millis(self.time_to_live / 4),
                ..Options::new(&self.name)
            },
        })
    }

    pub(crate) fn result(&self) -> std::path::PathBuf {
        self.world.join(format!("{}.json", self.name))
    }
}

#[cfg(feature = "s3")]
fn in_bucket(url: &str, prefix: &str) -> Ledger {
    use landfall::ledger::s3::{Credentials, Options};
    let (server, bucket) = url.rsplit_once('/').unwrap();
    let options = Options::new(bucket, "eu-west-1", Credentials::key("AKIAIOSFODNN7EXAMPLE", "secret".into()));
    Ledger::s3(options.emulator(server.parse().unwrap()).prefix(prefix)).unwrap()
}

#[cfg(not(feature = "s3"))]
fn in_bucket(_: &str, _: &str) -> Ledger {
    panic!("built without S3");
}

fn target() -> Target {
    Target { cloud: "aws".into(), partition: "aws".into(), account: "123456789012".into(), region: "eu-west-1".into() }
}

/// Converges as it was ordered.
pub(crate) fn run(orders: &Orders) {
    let engine = orders.engine();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    ask("ready");
    let outcome = match runtime.block_on(engine.converge()) {
        Ok(outputs) => Outcome::Outputs(serde_json::to_value(&outputs).unwrap()),
        Err(error) => Outcome::Failed(error.problems().iter().map(|one| one.to_string()).collect()),
    };
    write_whole(&orders.result(), &serde_json::to_vec(&outcome).unwrap());
}

fn write_whole(path: &Path, bytes: &[u8]) {
    let staged = path.with_extension("staged");
    std::fs::write(&staged, bytes).unwrap();
    std::fs::rename(staged, path).unwrap();
}

/// Says where it stands and waits for a line of the parent, all of the process with it.
pub(crate) fn ask(what: &str) {
    // Past the harness, which keeps for itself what macros print.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("@{what}\n").as_bytes()).unwrap();
    out.flush().unwrap();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
}

/// A store that asks before and after each call.
#[derive(Debug)]
struct Asking {
    store: Arc<dyn Store>,
    calls: AtomicU64,
}

impl Asking {
    fn new(store: Arc<dyn Store>) -> Self {
        Self { store, calls: AtomicU64::new(0) }
    }

    async fn asked<T>(&self, verb: &str, call: impl Future<Output = T>) -> T {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        ask(&format!("before {verb} {number}"));
        let result = call.await;
        ask(&format!("after {verb} {number}"));
        result
    }
}

#[async_trait]
impl Store for Asking {
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put> {
        self.asked("put", self.store.put_if_absent(key, bytes)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.asked("get", self.store.get(key)).await
    }

    async fn newest(&self, prefix: &str) -> Result<Option<String>> {
        self.asked("list", self.store.newest(prefix)).await
    }

    fn is_real(&self) -> bool {
        true
    }
}
