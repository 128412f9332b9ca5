//! What an engine is given.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::event::Bus;
use super::secrets::MemorySecretStore;
use super::store::{MemoryStore, StateStore};
use super::{Approvals, Clock, Engine, Error, Graph, RealClock, SecretStore};

/// How often and how fast what failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often `apply` (and each observation) is tried.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each further one. A system's own
    /// Retry-After counts where it is longer.
    pub first: Duration,
    /// The longest pause of the engine's own.
    pub longest: Duration,
    /// How long a system is left to settle before it is observed after an unclear failure, and
    /// before what was applied must be seen.
    pub settle: Duration,
}

impl Default for Retry {
    /// 8 attempts, 2 s doubling up to 1 min (3 min in all), 3 s to settle.
    fn default() -> Self {
        Self {
            attempts: 8,
            first: Duration::from_secs(2),
            longest: Duration::from_secs(60),
            settle: Duration::from_secs(3),
        }
    }
}

/// Prepares an [`Engine`].
#[must_use]
pub struct EngineBuilder {
    graph: Graph,
    parts: Parts,
}

/// What an engine is given.
pub(super) struct Parts {
    pub(super) deployment: String,
    pub(super) store: Arc<dyn StateStore>,
    pub(super) secrets: Arc<dyn SecretStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) host_clock: Arc<dyn Clock>,
    pub(super) limits: BTreeMap<String, usize>,
    pub(super) approvals: Approvals,
    pub(super) cancel: CancellationToken,
    pub(super) retry: Retry,
    pub(super) lease_ttl: Duration,
    pub(super) patience: Duration,
}

impl EngineBuilder {
    pub(super) fn new(graph: Graph) -> Self {
        Self {
            graph,
            parts: Parts {
                deployment: "default".to_owned(),
                store: Arc::new(MemoryStore::new()),
                secrets: Arc::new(MemorySecretStore::new()),
                clock: Arc::new(RealClock::new()),
                host_clock: Arc::new(RealClock::new()),
                limits: BTreeMap::new(),
                approvals: Approvals::none(),
                cancel: CancellationToken::new(),
                retry: Retry::default(),
                lease_ttl: Duration::from_secs(30),
                patience: Duration::from_secs(600),
            },
        }
    }

    /// The deployment's name, under which the store keeps its journal. By default "default".
    pub fn deployment(mut self, name: impl Into<String>) -> Self {
        self.parts.deployment = name.into();
        self
    }

    /// Where the journal and the lease are. By default in memory.
    pub fn store(mut self, store: Arc<dyn StateStore>) -> Self {
        self.parts.store = store;
        self
    }

    /// Where secrets are. By default in memory.
    pub fn secrets(mut self, secrets: Arc<dyn SecretStore>) -> Self {
        self.parts.secrets = secrets;
        self
    }

    /// The clock of all waits, retries and deadlines. By default this machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.parts.clock = clock;
        self
    }

    /// The clock of this process's own matters: the lease, and the patience with a call that does
    /// not return. By default this machine's, whatever the other clock is.
    pub fn host_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.parts.host_clock = clock;
        self
    }

    /// How many steps may use a resource at once, whatever the steps say themselves.
    pub fn limit(mut self, resource: impl Into<String>, limit: usize) -> Self {
        self.parts.limits.insert(resource.into(), limit.max(1));
        self
    }

    /// Several limits at once.
    pub fn limits<N: Into<String>>(mut self, limits: impl IntoIterator<Item = (N, usize)>) -> Self {
        for (resource, limit) in limits {
            self = self.limit(resource, limit);
        }
        self
    }

    /// Who approves what is destructive or one-shot. By default nobody.
    pub fn approvals(mut self, approvals: Approvals) -> Self {
        self.parts.approvals = approvals;
        self
    }

    /// Stops the run at its next safe point when cancelled.
    pub fn cancel(mut self, cancel: CancellationToken) -> Self {
        self.parts.cancel = cancel;
        self
    }

    /// How often and how fast what failed is tried again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.parts.retry = retry;
        self
    }

    /// How long the lease stands without renewal, by the host's clock. By default 30 s.
    pub fn lease_ttl(mut self, ttl: Duration) -> Self {
        self.parts.lease_ttl = ttl;
        self
    }

    /// How long, by the host's clock, a call is waited for that does not return: an observation, or
    /// an `apply` whose deadline passed. By default 10 min.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.parts.patience = patience;
        self
    }

    /// Checks the graph and makes the engine.
    ///
    /// # Errors
    /// When something is wrong with the graph.
    pub fn build(self) -> Result<Engine, Error> {
        Ok(Engine {
            graph: Arc::new(self.graph.build()?),
            parts: Arc::new(self.parts),
            bus: Bus::default(),
            outputs: Mutex::default(),
        })
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("graph", &self.graph)
            .finish_non_exhaustive()
    }
}
