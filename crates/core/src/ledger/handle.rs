//! A handle on a ledger: counts, bounds and repeats the calls to its store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, select};
use object_store::memory::InMemory;

use super::object_store::Objects;
use super::{Put, Store, key};
use crate::clock::{Clock, SystemClock};
use crate::resource::StackId;
use crate::{Code, Error, Result, Retry};

/// How long one call to the store may take.
const CALL: Duration = Duration::from_secs(10);
/// How often a read is tried.
const TRIES: u32 = 4;
/// The first pause between two tries; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// A place that keeps ledgers, one for each stack. Cheap to clone; clones share their counts.
///
/// ```
/// use landfall_core::driver::Target;
/// use landfall_core::ledger::{AcquireOptions, Acquired, Ledger, Record};
/// use landfall_core::resource::StackId;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let ledger = Ledger::memory();
/// let stack = StackId::new("inferloop", "dev");
/// let target = Target {
///     cloud: "aws".into(),
///     partition: "aws".into(),
///     account: "123456789012".into(),
///     region: "eu-west-1".into(),
/// };
/// match ledger.acquire(&stack, &AcquireOptions::new("pod-7f9c", target)).await? {
///     Acquired::Session(mut session) => {
///         session.commit(vec![Record::Renew]).await?;
///         session.release(vec![]).await?;
///     }
///     Acquired::Held(watch) => println!("waiting for {:?}", watch.holder()),
/// }
/// assert_eq!(ledger.load(&stack).await?.head.number, 3);
/// # Ok::<_, landfall_core::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    conditional: AtomicBool,
    writers: AtomicU64,
    reads: AtomicU64,
    writes: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
}

impl Ledger {
    /// A ledger that lives as long as its handles, for tests and rehearsals.
    #[must_use]
    pub fn memory() -> Self {
        let ledger = Self::new(Arc::new(Objects::of(Arc::new(InMemory::new()))));
        ledger.shared.conditional.store(true, Ordering::Relaxed);
        ledger
    }

    /// A ledger in a folder of this machine, durable before a write returns. What is made in it, folders and files, is
    /// its owner's only.
    ///
    /// # Errors
    /// [`Code::LedgerUnavailable`] when the folder cannot be made or opened.
    pub fn folder(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::new(Arc::new(Objects::folder(path.as_ref())?)))
    }

    /// A ledger in any store. Before the first write the store is tried for keeping put-if-absent.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        let shared = Shared {
            store,
            conditional: AtomicBool::new(false),
            writers: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), clock: SystemClock::new() }
    }

    /// The same ledger with entries that only holders of this key can read, bound to their stack and number. Entries that
    /// are there already stay as they are and can be read; none that is not encrypted is read once one was.
    ///
    /// With another key, or without one, an encrypted ledger answers [`Code::LedgerSealed`] and is not written to. Names of
    /// objects in the store stay plain: they tell the stack and how many entries there are.
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn encrypted(&self, key: &super::EncryptionKey) -> Self {
        let store = super::encrypted::Encrypted::new(self.shared.store.clone(), key);
        let ledger = Self::new(Arc::new(store));
        let conditional = self.shared.conditional.load(Ordering::Relaxed);
        ledger.shared.conditional.store(conditional, Ordering::Relaxed);
        Self { clock: self.clock.clone(), ..ledger }
    }

    /// The same ledger, with leases, time-outs and pauses by this clock.
    #[must_use]
    pub fn with_clock(&self, clock: Arc<dyn Clock>) -> Self {
        Self { shared: self.shared.clone(), clock }
    }

    /// The store beneath: to be wrapped by another one, or looked into.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// The clock that leases go by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// How many reads (gets and listings) the store was asked for, repeated ones included.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.shared.reads.load(Ordering::Relaxed)
    }

    /// How many writes the store was asked for, repeated ones included.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::Relaxed)
    }

    /// How many bytes were read.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.shared.bytes_read.load(Ordering::Relaxed)
    }

    /// How many bytes the store was given to write.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.shared.bytes_written.load(Ordering::Relaxed)
    }

    /// One try of a write.
    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<Put> {
        self.shared.writes.fetch_add(1, Ordering::Relaxed);
        self.shared.bytes_written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.bounded("put", key, self.shared.store.put_if_absent(key, bytes)).await
    }

    /// One try of a read.
    pub(super) async fn get_once(&self, key: &str) -> Result<Option<Bytes>> {
        self.shared.reads.fetch_add(1, Ordering::Relaxed);
        let found = self.bounded("get", key, self.shared.store.get(key)).await?;
        self.shared.bytes_read.fetch_add(found.as_ref().map_or(0, |bytes| bytes.len() as u64), Ordering::Relaxed);
        Ok(found)
    }

    /// A read, repeated when it fails for a passing reason.
    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.repeated(|| self.get_once(key)).await
    }

    /// The number of the newest entry; `None` when there is none.
    pub(super) async fn newest(&self, stack: &StackId) -> Result<Option<u64>> {
        let prefix = key::entries(stack);
        let found = self
            .repeated(|| {
                self.shared.reads.fetch_add(1, Ordering::Relaxed);
                self.bounded("list", &prefix, self.shared.store.newest(&prefix))
            })
            .await?;
        let strange = |key: &String| {
            Error::new(Code::LedgerDamaged, format!("the store lists what is not an entry: {key}"))
                .hint("look at what else writes below the ledger's prefix")
        };
        found.map(|key| key::number(&key).ok_or_else(|| strange(&key))).transpose()
    }

    /// Tries once per handle whether the store keeps put-if-absent.
    ///
    /// # Errors
    /// [`Code::LedgerUnconditional`] when it does not.
    pub(super) async fn prove_conditional(&self, stack: &StackId) -> Result<()> {
        if self.shared.conditional.load(Ordering::Relaxed) {
            return Ok(());
        }
        let key = key::probe(stack);
        // The first put makes the object unless an earlier run did; the second must find it.
        for _ in 0..2 {
            let put =
                self.repeated(|| self.put(&key, Bytes::from_static(b"landfall: is put-if-absent kept?\n"))).await?;
            if put == Put::Exists {
                self.shared.conditional.store(true, Ordering::Relaxed);
                return Ok(());
            }
        }
        Err(Error::new(Code::LedgerUnconditional, format!("the store overwrote what it should have left alone: {key}"))
            .hint("keep the ledger in a store with conditional writes: a local folder, S3, Cloud Storage, Azure Blob"))
    }

    /// A name for one session's entries: unlike every other session's of the same holder in this process.
    pub(super) fn writer(&self, holder: &str) -> String {
        format!("{holder}#{}", self.shared.writers.fetch_add(1, Ordering::Relaxed) + 1)
    }

    async fn bounded<T>(&self, verb: &str, key: &str, call: BoxFuture<'_, Result<T>>) -> Result<T> {
        let _hold = self.shared.store.is_real().then(|| self.clock.hold());
        match select(call, self.clock.sleep(CALL)).await {
            Either::Left((result, _)) => result.map_err(|error| error.during(format!("ledger {verb} {key}"))),
            Either::Right(_) => {
                Err(Error::new(Code::LedgerUnavailable, format!("the ledger's store does not answer: {key}"))
                    .during(format!("ledger {verb} {key}"))
                    .retry(Retry::Unknown)
                    .hint("check the store and the way to it, then run again"))
            }
        }
    }

    async fn repeated<T, F: Future<Output = Result<T>>>(&self, call: impl Fn() -> F) -> Result<T> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match call().await {
                Err(error) if error.retry_class() != Retry::Never => {}
                done => return done,
            }
            self.clock.sleep(pause).await;
            pause *= 2;
        }
        call().await
    }
}
