//! A store in memory: for tests, and for jobs that need no resumption.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Entry, JOURNAL_VERSION, Lease, Record, StateStore};
use crate::engine::Error;

/// Keeps everything in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<HashMap<String, Deployment>>>);

#[derive(Debug, Default)]
struct Deployment {
    lease: Option<Lease>,
    entries: Vec<Entry>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, deployment: &str, f: impl FnOnce(&mut Deployment) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f(all.entry(deployment.to_owned()).or_default())
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    fn describe(&self) -> String {
        "the journal in memory".to_owned()
    }

    async fn lease(&self, deployment: &str) -> Result<Option<Lease>, Error> {
        Ok(self.with(deployment, |it| it.lease.clone()))
    }

    async fn swap_lease(
        &self,
        deployment: &str,
        expected: Option<&Lease>,
        new: &Lease,
    ) -> Result<bool, Error> {
        Ok(self.with(deployment, |it| {
            let same = it.lease.as_ref() == expected;
            if same {
                it.lease = Some(new.clone());
            }
            same
        }))
    }

    async fn append(
        &self,
        deployment: &str,
        generation: u64,
        at: Timestamp,
        record: &Record,
    ) -> Result<bool, Error> {
        Ok(self.with(deployment, |it| {
            let current = it
                .lease
                .as_ref()
                .is_some_and(|lease| lease.generation == generation && lease.holder.is_some());
            if current {
                let seq = it.entries.len() as u64 + 1;
                it.entries.push(Entry {
                    seq,
                    version: JOURNAL_VERSION,
                    generation,
                    at,
                    record: record.clone(),
                });
            }
            current
        }))
    }

    async fn read(&self, deployment: &str) -> Result<Vec<Entry>, Error> {
        Ok(self.with(deployment, |it| it.entries.clone()))
    }
}
