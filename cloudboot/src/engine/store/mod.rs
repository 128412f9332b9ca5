//! The journal and the lease: what was tried, when, what was made, and who may go on.
//!
//! The journal is never trusted over the system. It never holds secrets.

mod memory;
mod postgres;
mod sqlite;

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use memory::MemoryStore;
pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;

use super::{By, Class, Error, Outcome, RunKind, StepId, Undo};

/// The version of the journal's records.
pub const JOURNAL_VERSION: u32 = 1;

/// Who runs a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The host's name.
    pub host: String,
    /// The host's `/etc/machine-id`, or nothing.
    #[serde(default)]
    pub machine: String,
    /// The kernel's boot id.
    #[serde(default)]
    pub boot: String,
    /// The process id.
    pub pid: u32,
    /// When the process began, in the kernel's ticks since boot (field 22 of `/proc/PID/stat`).
    #[serde(default)]
    pub started: u64,
    /// The process id's namespace (`/proc/self/ns/pid`).
    #[serde(default)]
    pub namespace: String,
    /// The run's own id.
    pub run: String,
    /// Since when it holds the lease.
    pub since: Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "process {} on {}, since {:.0}",
            self.pid, self.host, self.since
        )
    }
}

/// The right to change a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Counts the runs: each acquisition is one more, and fences off what came before.
    pub generation: u64,
    /// Counts the renewals.
    pub beat: u64,
    /// Who holds it; `None` once released.
    pub holder: Option<Holder>,
    /// The date of the last renewal, by the holder's clock.
    pub renewed: Timestamp,
    /// How long it stands without renewal, in seconds.
    pub ttl_seconds: u64,
}

/// One thing that the journal knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
#[non_exhaustive]
pub enum Record {
    /// A run began.
    RunStarted {
        /// What is done.
        kind: RunKind,
        /// By whom.
        holder: Holder,
    },
    /// A step's `apply` began.
    Applying {
        /// Which.
        step: StepId,
        /// What observation asked for it.
        why: String,
    },
    /// A step was about to change something.
    Intent {
        /// Which.
        step: StepId,
        /// What.
        what: String,
    },
    /// A step made something.
    Made {
        /// Which.
        step: StepId,
        /// What kind of thing ("vm-host").
        what: String,
        /// Its id in its system.
        id: String,
    },
    /// A step stands.
    Stood {
        /// Which.
        step: StepId,
        /// How it came to.
        by: By,
    },
    /// A step failed.
    Failed {
        /// Which.
        step: StepId,
        /// What it means.
        class: Class,
        /// Why.
        error: String,
    },
    /// A step is about to be taken back.
    Undoing {
        /// Which.
        step: StepId,
    },
    /// A step was taken back.
    Undone {
        /// Which.
        step: StepId,
        /// What it came to.
        result: Undo,
    },
    /// A run ended.
    RunEnded {
        /// How.
        outcome: Outcome,
    },
    /// Written by a later version.
    #[serde(other)]
    Unknown,
}

/// A record with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Grows with each record; not necessarily by one.
    pub seq: u64,
    /// [`JOURNAL_VERSION`] at the time of writing.
    pub version: u32,
    /// The generation of the lease under which it was written.
    pub generation: u64,
    /// The date, by the engine's clock.
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub record: Record,
}

/// Keeps the journals and leases of deployments.
///
/// A store decides nothing: it compares and swaps leases, and appends where the generation still
/// is the lease's. Who may take a lease over is the engine's matter.
#[async_trait]
pub trait StateStore: Send + Sync + 'static {
    /// What and where it is, for errors ("the journal at /var/lib/...").
    fn describe(&self) -> String;

    /// The deployment's lease, if it ever had one.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn lease(&self, deployment: &str) -> Result<Option<Lease>, Error>;

    /// Replaces the lease if it still is `expected`, in one atomic step; says whether it did.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn swap_lease(
        &self,
        deployment: &str,
        expected: Option<&Lease>,
        new: &Lease,
    ) -> Result<bool, Error>;

    /// Appends a record if the lease still is of that generation, in one atomic step; says whether
    /// it did. When it returns true the record survives a loss of power.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn append(
        &self,
        deployment: &str,
        generation: u64,
        at: Timestamp,
        record: &Record,
    ) -> Result<bool, Error>;

    /// All records of the deployment, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn read(&self, deployment: &str) -> Result<Vec<Entry>, Error>;
}
