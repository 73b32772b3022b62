//! A ledger's store in the simulator: its calls count, take part in crashes, and survive them.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::SimCloud;
use crate::Result;
use crate::ledger::{Ledger, Put, Store, is_entry_key};

impl SimCloud {
    /// The cloud's one object store as this host sees it, as a ledger: empty at first, shared by all hosts. Its reads and
    /// writes are outbound calls of the host: they are counted, and the host can die at each of them. What was written
    /// survives a crash.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::new(Arc::new(SimStore(self.clone()))).with_clock(self.clock())
    }
}

#[derive(Debug)]
struct SimStore(SimCloud);

impl SimStore {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.0.shared.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for SimStore {
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put> {
        let pass = self.0.outbound("ledger put").await;
        let put = {
            let mut objects = self.objects();
            if objects.contains_key(key) {
                Put::Exists
            } else {
                objects.insert(key.to_owned(), bytes);
                Put::Created
            }
        };
        pass.replied().await;
        Ok(put)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let pass = self.0.outbound("ledger get").await;
        let found = self.objects().get(key).cloned();
        pass.replied().await;
        Ok(found)
    }

    async fn newest(&self, prefix: &str) -> Result<Option<String>> {
        let pass = self.0.outbound("ledger list").await;
        let found = self
            .objects()
            .range(prefix.to_owned()..)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .find(|key| is_entry_key(key))
            .cloned();
        pass.replied().await;
        Ok(found)
    }

    fn is_real(&self) -> bool {
        false
    }
}
