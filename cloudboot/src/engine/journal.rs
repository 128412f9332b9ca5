//! A run's view of its journal: appends are fenced by the lease, and what was meant is remembered.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::store::{Entry, Record, StateStore};
use super::{Error, StepId, Undo};

/// Something that a step was about to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// What.
    pub what: String,
    /// When.
    pub at: Timestamp,
    /// In which run (the lease's generation).
    pub generation: u64,
}

/// Something that a step made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What kind of thing.
    pub what: String,
    /// Its id in its system.
    pub id: String,
    /// When.
    pub at: Timestamp,
}

/// The journal of one deployment, as one run sees and writes it.
pub(super) struct Journal {
    store: Arc<dyn StateStore>,
    deployment: String,
    /// The lease's generation; `None` for those who only read.
    generation: Option<u64>,
    entries: Mutex<Vec<Entry>>,
}

impl Journal {
    pub(super) async fn read(
        store: Arc<dyn StateStore>,
        deployment: String,
        generation: Option<u64>,
    ) -> Result<Self, Error> {
        let entries = store.read(&deployment).await?;
        Ok(Self {
            store,
            deployment,
            generation,
            entries: Mutex::new(entries),
        })
    }

    pub(super) async fn append(
        &self,
        attempted: &str,
        at: Timestamp,
        record: Record,
    ) -> Result<(), Error> {
        let Some(generation) = self.generation else {
            return Err(Error::terminal(
                attempted,
                "this run only looks, and may change nothing",
            ));
        };
        if !self
            .store
            .append(&self.deployment, generation, at, &record)
            .await?
        {
            let holder = self
                .store
                .lease(&self.deployment)
                .await
                .ok()
                .flatten()
                .and_then(|lease| lease.holder);
            let found = match holder {
                Some(holder) => format!("the lease was taken over by another runner ({holder})"),
                None => "the lease was taken over by another runner".to_owned(),
            };
            return Err(Error::lease_lost(attempted, found));
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = entries.last().map_or(1, |entry| entry.seq + 1);
        entries.push(Entry {
            seq,
            version: super::store::JOURNAL_VERSION,
            generation,
            at,
            record,
        });
        Ok(())
    }

    /// What the step meant to change and was not taken back since.
    pub(super) fn intents(&self, id: &StepId) -> Vec<Intent> {
        self.fold(id, |entry| match &entry.record {
            Record::Intent { what, .. } => Some(Intent {
                what: what.clone(),
                at: entry.at,
                generation: entry.generation,
            }),
            _ => None,
        })
    }

    /// What the step made and was not taken back since.
    pub(super) fn made(&self, id: &StepId) -> Vec<Made> {
        self.fold(id, |entry| match &entry.record {
            Record::Made { what, id, .. } => Some(Made {
                what: what.clone(),
                id: id.clone(),
                at: entry.at,
            }),
            _ => None,
        })
    }

    fn fold<T>(&self, id: &StepId, pick: impl Fn(&Entry) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for entry in self
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            match &entry.record {
                Record::Undone {
                    step,
                    result: Undo::Removed { .. } | Undo::NothingToDo,
                } if step == id => found.clear(),
                Record::Intent { step, .. } | Record::Made { step, .. } if step == id => {
                    found.extend(pick(entry))
                }
                _ => {}
            }
        }
        found
    }
}
