//! A ledger's store in the simulator: its calls count, take part in crashes and faults, and what it holds survives them.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::SimCloud;
use super::call::Pass;
use super::chaos::StoreFault;
use crate::ledger::{Ledger, Put, Store, is_entry_key};
use crate::{Code, Error, Result, Retry};

/// What the store lets its callers do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreMode {
    /// All that a store should do.
    #[default]
    Sound,
    /// It answers reads only: writes are refused.
    ReadOnly,
    /// It writes over what is there, whatever the condition says.
    Unconditional,
    /// It says that it has written and has not.
    Forgetful,
    /// It cannot be reached.
    Down,
}

impl SimCloud {
    /// The cloud's one object store as this host sees it, as a ledger: empty at first, shared by all hosts. Its reads and
    /// writes are outbound calls of the host: they are counted, and the host can die at each of them. What was written
    /// survives a crash.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::new(Arc::new(SimStore(self.clone()))).with_clock(self.clock())
    }

    /// Lets the store be sound or not, for all hosts, from now on.
    pub fn set_store(&self, mode: StoreMode) {
        *self.shared.store.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }
}

#[derive(Debug)]
struct SimStore(SimCloud);

impl SimStore {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.0.shared.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mode(&self) -> StoreMode {
        *self.0.shared.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call on its way, and what will go wrong with it. What goes wrong before it acts ends it here.
    async fn send(&self, name: &'static str) -> Result<(Pass, Option<StoreFault>)> {
        let pass = self.0.outbound_as(name.into()).await;
        let fault = self.0.chaos().store_fault(&mut self.0.chance("store", pass.number));
        if self.mode() == StoreMode::Down || fault == Some(StoreFault::Down) {
            pass.replied().await;
            return Err(unavailable("the store is unavailable"));
        }
        match fault {
            Some(StoreFault::Silent { acted: false }) => pending().await,
            _ => Ok((pass, fault)),
        }
    }

    /// The reply on its way back, unless it is lost.
    async fn reply<T>(&self, pass: Pass, fault: Option<StoreFault>, reply: T) -> Result<T> {
        match fault {
            Some(StoreFault::Silent { .. }) => pending().await,
            Some(StoreFault::Lost) => {
                pass.replied().await;
                Err(unavailable("the connection to the store broke"))
            }
            _ => {
                pass.replied().await;
                Ok(reply)
            }
        }
    }
}

#[async_trait]
impl Store for SimStore {
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put> {
        let (pass, fault) = self.send("ledger put").await?;
        if fault == Some(StoreFault::Conflict) {
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
            pass.replied().await;
            return Err(unavailable("a conflicting write is under way"));
        }
        let put = {
            let mut objects = self.objects();
            match self.mode() {
                StoreMode::ReadOnly => Err(Error::new(Code::LedgerUnavailable, "the store refuses writes")
                    .retry(Retry::Never)
                    .hint("grant the permission to write")),
                StoreMode::Unconditional => {
                    objects.insert(key.to_owned(), bytes);
                    Ok(Put::Created)
                }
                _ if objects.contains_key(key) => Ok(Put::Exists),
                StoreMode::Forgetful => Ok(Put::Created),
                _ => {
                    objects.insert(key.to_owned(), bytes);
                    Ok(if fault == Some(StoreFault::Own) { Put::Exists } else { Put::Created })
                }
            }
        };
        self.reply(pass, fault, put).await?
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let (pass, fault) = self.send("ledger get").await?;
        let found = self.objects().get(key).cloned();
        self.reply(pass, fault, found).await
    }

    async fn newest(&self, prefix: &str) -> Result<Option<String>> {
        let (pass, fault) = self.send("ledger list").await?;
        let found = {
            let objects = self.objects();
            let mut all = objects
                .range(prefix.to_owned()..)
                .map(|(key, _)| key)
                .take_while(|key| key.starts_with(prefix))
                .filter(|key| is_entry_key(key));
            if fault == Some(StoreFault::Stale) { all.nth(1).cloned() } else { all.next().cloned() }
        };
        self.reply(pass, fault, found).await
    }

    fn is_real(&self) -> bool {
        false
    }
}

fn unavailable(what: &str) -> Error {
    Error::new(Code::LedgerUnavailable, what).retry(Retry::Transient)
}
