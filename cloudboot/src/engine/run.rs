//! The engine: what it is given, and what it can be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::event::Bus;
use super::graph::Built;
use super::secrets::MemorySecretStore;
use super::store::{MemoryStore, StateStore};
use super::{Clock, Error, Events, Graph, Handle, Plan, RealClock, Report, SecretStore, StepId};

/// What a person is asked before something destructive or one-shot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRequest {
    /// Which step asks.
    pub step: StepId,
    /// What the step is about.
    pub about: String,
    /// What is asked.
    pub question: String,
}

/// Asks a person; true approves.
pub type Approver = Arc<dyn Fn(ApprovalRequest) -> BoxFuture<'static, bool> + Send + Sync>;

/// Who approves what is destructive or one-shot.
#[derive(Clone)]
#[non_exhaustive]
pub enum Approvals {
    /// Ask; the answer counts for that step in that run.
    Ask(Approver),
    /// Everything is approved beforehand.
    AllowAll,
    /// These steps are approved beforehand, and no other.
    Allow(BTreeSet<StepId>),
    /// Everything is approved beforehand but these steps.
    Deny(BTreeSet<StepId>),
}

impl Approvals {
    /// Asks through an async function.
    pub fn ask<F, Fut>(ask: F) -> Self
    where
        F: Fn(ApprovalRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        Self::Ask(Arc::new(move |request| Box::pin(ask(request))))
    }

    /// Nothing is approved: each step that asks ends with "needs operator".
    pub fn none() -> Self {
        Self::Allow(BTreeSet::new())
    }
}

impl fmt::Debug for Approvals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(_) => f.write_str("Ask"),
            Self::AllowAll => f.write_str("AllowAll"),
            Self::Allow(steps) => f.debug_tuple("Allow").field(steps).finish(),
            Self::Deny(steps) => f.debug_tuple("Deny").field(steps).finish(),
        }
    }
}

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
    /// 5 attempts, 2 s doubling up to 1 min, 3 s to settle.
    fn default() -> Self {
        Self {
            attempts: 5,
            first: Duration::from_secs(2),
            longest: Duration::from_secs(60),
            settle: Duration::from_secs(3),
        }
    }
}

/// What to take back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeardownOptions {
    /// These steps stay, and so does all that they need.
    pub keep: Vec<StepId>,
    /// Where not empty, only these steps are taken back.
    pub only: Vec<StepId>,
    /// Only say what would be taken back.
    pub dry_run: bool,
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
        let graph = Arc::new(self.graph.build()?);
        Ok(Engine {
            graph,
            parts: self.parts,
            bus: Bus::default(),
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

/// Runs the steps of a graph.
pub struct Engine {
    pub(super) graph: Arc<Built>,
    pub(super) parts: Parts,
    pub(super) bus: Bus,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("deployment", &self.parts.deployment)
            .field("steps", &self.graph.len())
            .finish()
    }
}

impl Engine {
    /// Prepares an engine for the graph.
    pub fn builder(graph: Graph) -> EngineBuilder {
        EngineBuilder {
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

    /// What happens from now on.
    pub fn events(&self) -> Events {
        self.bus.subscribe()
    }

    /// The names of all steps, each after what it needs.
    pub fn ids(&self) -> Vec<StepId> {
        self.graph
            .order
            .iter()
            .map(|&index| self.graph.step(index).id())
            .collect()
    }

    /// Observes what can be observed, and changes nothing.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn plan(&self) -> Result<Plan, Error> {
        Err(Error::terminal("plan", "not yet written"))
    }

    /// Runs all steps. To resume a run that was killed or failed is to run again.
    ///
    /// # Errors
    /// When the run could not begin: the journal cannot be used, or another runner is alive. What
    /// fails later is in the report.
    pub async fn run(&self) -> Result<Report, Error> {
        Err(Error::terminal("run", "not yet written"))
    }

    /// Runs one step; what it needs is observed and not applied.
    ///
    /// # Errors
    /// As [`run`](Self::run), and when there is no such step (the error lists the known ones).
    pub async fn run_only(&self, id: impl Into<StepId>) -> Result<Report, Error> {
        self.graph.find(&id.into())?;
        Err(Error::terminal("run", "not yet written"))
    }

    /// Runs one step and all that comes before it.
    ///
    /// # Errors
    /// As [`run_only`](Self::run_only).
    pub async fn run_until(&self, id: impl Into<StepId>) -> Result<Report, Error> {
        self.graph.find(&id.into())?;
        Err(Error::terminal("run", "not yet written"))
    }

    /// Takes back, last first, what the journal says that we meant to make.
    ///
    /// # Errors
    /// As [`run_only`](Self::run_only).
    pub async fn teardown(&self, options: TeardownOptions) -> Result<Report, Error> {
        let _ = options;
        Err(Error::terminal("tear down", "not yet written"))
    }

    /// A step's output, as it was last observed by this engine.
    pub fn output<T: Clone + Send + Sync + 'static>(&self, handle: &Handle<T>) -> Option<T> {
        let _ = (handle.graph(), handle.index());
        None
    }
}
