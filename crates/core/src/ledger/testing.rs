//! A clock that moves when nothing else can, a store that fails on request, and records to write.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{AcquireOptions, Acquired, Converged, Intent, Ledger, Put, Record, Session, Slot, Store};
use crate::clock::Clock;
use crate::driver::Target;
use crate::resource::{Address, Claim, Properties, StackId, Verb};
use crate::scope::AllOutputs;
use crate::{Code, Error, Result, Retry, properties};

/// Time that stands still while anything can run and jumps to the next sleeper when nothing can.
#[derive(Clone, Debug, Default)]
pub(super) struct TestClock(Arc<Mutex<Time>>);

#[derive(Debug, Default)]
struct Time {
    now: Duration,
    next: u64,
    sleepers: BTreeMap<(Duration, u64), Waker>,
}

struct Sleep {
    clock: TestClock,
    key: (Duration, u64),
}

impl TestClock {
    pub(super) fn advance(&self, by: Duration) {
        self.0.lock().unwrap().now += by;
    }

    /// Runs a future to its end, moving time when it waits.
    pub(super) fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(flag.clone());
        loop {
            while flag.0.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return value;
                }
            }
            let next = {
                let mut time = self.0.lock().unwrap();
                let ((at, _), waker) = time.sleepers.pop_first().expect("nobody sleeps and nothing runs");
                time.now = time.now.max(at);
                waker
            };
            next.wake();
        }
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut time = self.0.lock().unwrap();
        time.next += 1;
        let key = (time.now + duration, time.next);
        Sleep { clock: self.clone(), key }.boxed()
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut time = self.clock.0.lock().unwrap();
        if time.now >= self.key.0 {
            return Poll::Ready(());
        }
        time.sleepers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.0.lock().unwrap().sleepers.remove(&self.key);
    }
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// Nothing: passes this call.
    None,
    /// The call acts and its answer is lost.
    ActsThenFails,
    /// The call fails before it acts.
    Fails,
    /// The call fails for good.
    Refuses,
    /// The call acts, is repeated underneath, and the second answer comes back.
    SaysExists,
    /// The call never answers.
    Hangs,
    /// A listing does not show the newest entry yet.
    Behind,
}

/// A store in memory that fails on request and takes time by a clock.
#[derive(Clone, Debug)]
pub(super) struct TestStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: TestClock,
    latency: Duration,
    unconditional: bool,
    objects: Mutex<BTreeMap<String, Bytes>>,
    puts: Mutex<VecDeque<Fault>>,
    gets: Mutex<VecDeque<Fault>>,
}

impl TestStore {
    pub(super) fn new(clock: &TestClock, latency: Duration) -> Self {
        Self::with(clock, latency, false)
    }

    /// A store that overwrites whatever the condition says.
    pub(super) fn unconditional(clock: &TestClock) -> Self {
        Self::with(clock, Duration::ZERO, true)
    }

    fn with(clock: &TestClock, latency: Duration, unconditional: bool) -> Self {
        Self(Arc::new(Inner {
            clock: clock.clone(),
            latency,
            unconditional,
            objects: Mutex::default(),
            puts: Mutex::default(),
            gets: Mutex::default(),
        }))
    }

    /// A ledger on this store, by its clock.
    pub(super) fn ledger(&self) -> Ledger {
        Ledger::new(Arc::new(self.clone())).with_clock(Arc::new(self.0.clock.clone()))
    }

    /// What the next puts meet.
    pub(super) fn puts(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.puts.lock().unwrap().extend(faults);
    }

    /// What the next gets and listings meet.
    pub(super) fn gets(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.gets.lock().unwrap().extend(faults);
    }

    /// Everything that goes wrong from now on goes right again.
    pub(super) fn heal(&self) {
        self.0.puts.lock().unwrap().clear();
        self.0.gets.lock().unwrap().clear();
    }

    /// All objects, to look at and to damage.
    pub(super) fn objects(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.0.objects.lock().unwrap()
    }

    async fn meet(&self, faults: &Mutex<VecDeque<Fault>>) -> Result<Fault> {
        if !self.0.latency.is_zero() {
            self.0.clock.sleep(self.0.latency).await;
        }
        let fault = faults.lock().unwrap().pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::Fails => Err(failure(Retry::Transient)),
            Fault::Refuses => Err(failure(Retry::Never)),
            Fault::Hangs => std::future::pending().await,
            fault => Ok(fault),
        }
    }
}

fn failure(retry: Retry) -> Error {
    Error::new(Code::LedgerUnavailable, "the test wants it so: yes").retry(retry)
}

#[async_trait]
impl Store for TestStore {
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put> {
        let fault = self.meet(&self.0.puts).await?;
        let mut objects = self.objects();
        if objects.contains_key(key) && !self.0.unconditional {
            return Ok(Put::Exists);
        }
        objects.insert(key.to_owned(), bytes);
        match fault {
            Fault::ActsThenFails => Err(failure(Retry::Unknown)),
            Fault::SaysExists => Ok(Put::Exists),
            _ => Ok(Put::Created),
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.meet(&self.0.gets).await?;
        Ok(self.objects().get(key).cloned())
    }

    async fn newest(&self, prefix: &str) -> Result<Option<String>> {
        let fault = self.meet(&self.0.gets).await?;
        let objects = self.objects();
        let below = objects.range(prefix.to_owned()..).map(|(key, _)| key).take_while(|key| key.starts_with(prefix));
        let mut entries = below.filter(|key| super::is_entry_key(key));
        Ok(entries.nth(usize::from(fault == Fault::Behind)).cloned())
    }

    fn is_real(&self) -> bool {
        false
    }
}

pub(super) fn stack() -> StackId {
    StackId::new("inferloop", "dev")
}

pub(super) fn target() -> Target {
    Target { cloud: "aws".into(), partition: "aws".into(), account: "123456789012".into(), region: "eu-west-1".into() }
}

pub(super) fn options(holder: &str) -> AcquireOptions {
    AcquireOptions::new(holder, target())
}

/// The lease, which must be free.
pub(super) async fn session(ledger: &Ledger, holder: &str) -> Session {
    match ledger.acquire(&stack(), &options(holder)).await.unwrap() {
        Acquired::Session(session) => *session,
        Acquired::Held(watch) => panic!("the lease is held by {:?}", watch.holder()),
    }
}

pub(super) fn slot(number: usize) -> Slot {
    Slot::new(&Address::new("aws", "network", "core", &format!("subnet-{number:06}")).unwrap(), 0)
}

pub(super) fn intent(number: usize, round: usize) -> Record {
    Record::Intent(Box::new(Intent {
        slot: slot(number),
        verb: Verb::Create,
        type_name: "AWS::EC2::Subnet".into(),
        claim: Claim::Tuple(vec![("CidrBlock".into(), format!("10.0.{number}.0/24").into())]),
        id: None,
        properties: some_properties(number, round),
        dependencies: [Address::new("aws", "network", "core", "vpc").unwrap()].into(),
        cluster: None,
        protected: false,
        origin: None,
        plan: "0123456789abcdef".into(),
    }))
}

pub(super) fn done(number: usize) -> Record {
    let outputs = properties! { "SubnetId" => format!("subnet-{number:017}"), "AvailabilityZone" => "eu-west-1a" };
    Record::Done { slot: slot(number), id: format!("subnet-{number:017}"), outputs }
}

fn some_properties(number: usize, round: usize) -> Properties {
    properties! {
        "CidrBlock" => format!("10.0.{number:06}.0/24"),
        "MapPublicIpOnLaunch" => false,
        "Tags" => [crate::map! { "Key" => "round", "Value" => format!("{round:06}") }],
        "Ratio" => 0.1 + 0.2,
    }
}

pub(super) fn converged(graph: &str) -> Record {
    Record::Converged(Box::new(Converged {
        graph: graph.into(),
        generation: 0,
        outputs: AllOutputs::default(),
        specs: BTreeMap::new(),
        recheck: false,
    }))
}
