//! The engine, and what it can be asked.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::builder::{EngineBuilder, Parts};
use super::context::Common;
use super::event::Bus;
use super::graph::{Built, Outputs};
use super::journal::Journal;
use super::lease::{self, Held};
use super::report::mark_critical;
use super::schedule::{Mode, Node, State, Walk};
use super::scrub::Scrubber;
use super::store::Record;
use super::{
    Class, Error, Event, Events, Failure, Graph, Handle, Observation, Outcome, REPORT_VERSION,
    Report, RunKind, StepId, StepReport, StepResult,
};

/// Runs the steps of a graph.
pub struct Engine {
    pub(super) graph: Arc<Built>,
    pub(super) parts: Arc<Parts>,
    pub(super) bus: Bus,
    pub(super) outputs: Mutex<Outputs>,
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
        EngineBuilder::new(graph)
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

    /// Runs all steps. To resume a run that was killed or failed is to run again.
    ///
    /// Dropping the future is like killing the process, for this run. To stop it cleanly, cancel
    /// the token given to [`EngineBuilder::cancel`].
    ///
    /// # Errors
    /// When the run could not begin: the journal cannot be used, or another runner is alive. What
    /// fails later is in the report.
    pub async fn run(&self) -> Result<Report, Error> {
        self.run_part((0..self.graph.len()).collect(), None).await
    }

    /// Runs one step; what it needs is observed and not applied.
    ///
    /// # Errors
    /// As [`run`](Self::run); when there is no such step (the error lists the known ones); and when
    /// something that it needs does not stand.
    pub async fn run_only(&self, id: impl Into<StepId>) -> Result<Report, Error> {
        let target = self.graph.find(&id.into())?;
        self.run_part(BTreeSet::from([target]), Some(target)).await
    }

    /// Runs one step and all that comes before it.
    ///
    /// # Errors
    /// As [`run`](Self::run), and when there is no such step (the error lists the known ones).
    pub async fn run_until(&self, id: impl Into<StepId>) -> Result<Report, Error> {
        let target = self.graph.find(&id.into())?;
        self.run_part(self.graph.closure(target, false), None).await
    }

    /// A step's output, as it was last observed by this engine's plan, run or teardown.
    pub fn output<T: Clone + Send + Sync + 'static>(&self, handle: &Handle<T>) -> Option<T> {
        if handle.graph() != self.graph.id {
            return None;
        }
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        outputs.get(&handle.index())?.downcast_ref::<T>().cloned()
    }

    async fn run_part(&self, part: BTreeSet<usize>, only: Option<usize>) -> Result<Report, Error> {
        let run = Run::begin(self, RunKind::Run, part.len()).await?;
        let outputs = match only {
            Some(target) => match self.needs_of(target, &run.common).await {
                Ok(outputs) => outputs,
                Err(error) => {
                    run.end(&Outcome::Failed).await;
                    return Err(error);
                }
            },
            None => Outputs::new(),
        };
        let mut walk = self.walk(&run.common, Mode::Run, &part, outputs);
        walk.run().await;
        self.remember(&walk);
        let mut report = run.report(self, &walk);
        run.end(&report.outcome).await;
        report.notes = run.common.notes();
        Ok(run.common.secrets.clean_all(report))
    }

    /// What a step needs, by observation alone.
    async fn needs_of(&self, target: usize, common: &Arc<Common>) -> Result<Outputs, Error> {
        let mut part = self.graph.closure(target, true);
        part.remove(&target);
        let mut walk = self.walk(common, Mode::Look, &part, Outputs::new());
        walk.run().await;
        let unmet = self.graph.order.iter().find_map(|index| {
            let node = walk.nodes.get(index)?;
            let found = match &node.state {
                State::Stands(_) => return None,
                State::Unmet(seen) => unmet(seen),
                State::Failed(error) => format!("could not be observed: {error}"),
                _ => "was not reached".to_owned(),
            };
            Some((self.graph.step(*index).id(), found))
        });
        match unmet {
            None => Ok(walk.outputs),
            Some((need, found)) => {
                let id = self.graph.step(target).id();
                Err(Error::terminal(
                    format!("run only `{id}`"),
                    format!("`{need}`, which it needs, {found}"),
                )
                .next(format!("run until `{id}`, or run everything")))
            }
        }
    }

    pub(super) fn walk(
        &self,
        common: &Arc<Common>,
        mode: Mode,
        part: &BTreeSet<usize>,
        outputs: Outputs,
    ) -> Walk {
        let (graph, parts) = (Arc::clone(&self.graph), Arc::clone(&self.parts));
        Walk::new(graph, parts, Arc::clone(common), mode, part, outputs)
    }

    pub(super) fn remember(&self, walk: &Walk) {
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        outputs.extend(
            walk.outputs
                .iter()
                .map(|(index, value)| (*index, Arc::clone(value))),
        );
    }

    /// What the steps of a run share.
    pub(super) fn common(&self, journal: Journal, lost: CancellationToken) -> Arc<Common> {
        Arc::new(Common {
            deployment: self.parts.deployment.clone(),
            clock: Arc::clone(&self.parts.clock),
            host_clock: Arc::clone(&self.parts.host_clock),
            secrets: Arc::new(Scrubber::new(Arc::clone(&self.parts.secrets))),
            journal,
            bus: self.bus.clone(),
            cancel: self.parts.cancel.clone(),
            lost,
            notes: Mutex::default(),
        })
    }
}

/// What an observation that is not satisfied says, as the end of a sentence.
pub(super) fn unmet(seen: &Observation<()>) -> String {
    match seen {
        Observation::Satisfied(()) => "stands".to_owned(),
        Observation::Absent { why } => format!("does not stand: {why}"),
        Observation::Drifted { what, .. } => format!("has drifted: {}", what.join("; ")),
        Observation::Blocked { by, .. } => format!("is blocked: {by}"),
    }
}

/// A run under its lease.
pub(super) struct Run {
    pub(super) common: Arc<Common>,
    held: Mutex<Option<Held>>,
    kind: RunKind,
    began: Duration,
    began_at: jiff::Timestamp,
}

impl Run {
    /// Takes the lease and opens the journal.
    pub(super) async fn begin(engine: &Engine, kind: RunKind, steps: usize) -> Result<Self, Error> {
        let parts = &engine.parts;
        let lost = CancellationToken::new();
        let clock = Arc::clone(&parts.host_clock);
        let (held, adopted) = lease::acquire(
            Arc::clone(&parts.store),
            &parts.deployment,
            parts.lease_ttl,
            clock,
            lost.clone(),
        )
        .await?;
        let opened = Self::open(engine, kind, &held, lost).await;
        let common = match opened {
            Ok(common) => common,
            Err(error) => {
                // Whether or not this succeeds, the error is what went wrong.
                let _ = held.release().await;
                return Err(error);
            }
        };
        let began_at = common.clock.timestamp();
        common.tell(Event::RunStarted {
            at: began_at,
            deployment: parts.deployment.clone(),
            kind,
            steps,
            adopted: adopted.map(|holder| holder.to_string()),
        });
        Ok(Self {
            began: common.clock.now(),
            held: Mutex::new(Some(held)),
            common,
            kind,
            began_at,
        })
    }

    /// Reads the journal, and writes the run's beginning.
    async fn open(
        engine: &Engine,
        kind: RunKind,
        held: &Held,
        lost: CancellationToken,
    ) -> Result<Arc<Common>, Error> {
        let parts = &engine.parts;
        let (store, generation) = (Arc::clone(&parts.store), Some(held.generation()));
        let journal = Journal::read(store, parts.deployment.clone(), generation).await?;
        let common = engine.common(journal, lost);
        let record = Record::RunStarted {
            kind,
            holder: held.holder().clone(),
        };
        common
            .append(&format!("begin a run of `{}`", parts.deployment), record)
            .await?;
        Ok(common)
    }

    /// Journals the end and gives the lease back. What fails here is a note: the systems stand as
    /// they stand.
    pub(super) async fn end(&self, outcome: &Outcome) {
        let at = self.common.clock.timestamp();
        if !self.common.lost.is_cancelled() {
            let record = Record::RunEnded {
                outcome: outcome.clone(),
            };
            if let Err(error) = self
                .common
                .journal
                .append("journal the run's end", at, record)
                .await
            {
                self.common.note(error.to_string());
            }
        }
        let held = self
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(held) = held
            && let Err(error) = held.release().await
        {
            self.common.note(error.to_string());
        }
        let took = self.common.clock.now().saturating_sub(self.began);
        self.common.tell(Event::RunEnded {
            at,
            outcome: outcome.clone(),
            took,
        });
    }

    /// The report of a run's walk.
    fn report(&self, engine: &Engine, walk: &Walk) -> Report {
        let total = self.common.clock.now().saturating_sub(self.began);
        let mut order = walk.begun.clone();
        order.extend(
            engine
                .graph
                .order
                .iter()
                .filter(|index| walk.nodes.contains_key(index) && !walk.begun.contains(index)),
        );
        let steps = order
            .into_iter()
            .filter_map(|index| Some(step_report(engine, index, walk.nodes.get(&index)?)))
            .collect();
        self.assemble(steps, total)
    }

    /// A report of the given steps.
    pub(super) fn assemble(&self, mut steps: Vec<StepReport>, total: Duration) -> Report {
        let (critical_path, critical_time) = mark_critical(&mut steps);
        let (outcome, next) = self.outcome(&steps);
        Report {
            version: REPORT_VERSION,
            deployment: self.common.deployment.clone(),
            kind: self.kind,
            outcome,
            began: self.began_at,
            total,
            critical_path,
            critical_time,
            steps,
            next,
            notes: Vec::new(),
        }
    }

    pub(super) fn since_began(&self) -> Duration {
        self.common.clock.now().saturating_sub(self.began)
    }

    fn outcome(&self, steps: &[StepReport]) -> (Outcome, Option<String>) {
        let failed = |class: Class| {
            steps.iter().find_map(|step| match &step.result {
                StepResult::Failed { error } if error.class == class => Some((&step.id, error)),
                _ => None,
            })
        };
        let all = |step: &StepReport| {
            !matches!(
                step.result,
                StepResult::Failed { .. } | StepResult::Skipped { .. }
            )
        };
        let advice = |(id, error): (&StepId, &Failure)| {
            let next = error
                .next
                .clone()
                .unwrap_or_else(|| "mend it, then run again".to_owned());
            Some(format!("`{id}`: {next}"))
        };
        if steps.iter().all(all) {
            return (
                Outcome::Done {
                    changed: steps.iter().filter(|step| step.changed).count(),
                },
                None,
            );
        }
        if let Some(found) = failed(Class::LeaseLost) {
            return (Outcome::LeaseLost, advice(found));
        }
        if self.common.lost.is_cancelled() {
            return (
                Outcome::LeaseLost,
                Some("leave the deployment to the runner that took it over".to_owned()),
            );
        }
        if self.common.cancel.is_cancelled() {
            return (
                Outcome::Cancelled,
                Some("run again: it goes on from what stands".to_owned()),
            );
        }
        for class in [Class::Terminal, Class::Transient, Class::Unclear] {
            if let Some(found) = failed(class) {
                return (Outcome::Failed, advice(found));
            }
        }
        match failed(Class::NeedsOperator) {
            Some(found) => (Outcome::NeedsOperator, advice(found)),
            None => (Outcome::Failed, None),
        }
    }
}

fn step_report(engine: &Engine, index: usize, node: &Node) -> StepReport {
    let step = engine.graph.step(index);
    let result = match &node.state {
        State::Stands(by) => StepResult::Stands { by: *by },
        State::Failed(error) => StepResult::Failed {
            error: Failure::from(error),
        },
        State::Skipped(because) => StepResult::Skipped {
            because: because.clone(),
        },
        State::Unmet(seen) => StepResult::Skipped {
            because: unmet(seen),
        },
        State::Pending | State::Todo | State::Running => StepResult::Skipped {
            because: "it was not reached".to_owned(),
        },
    };
    StepReport {
        id: step.id(),
        about: step.about(),
        result,
        start: node.start,
        wall: node.end.saturating_sub(node.start),
        attempts: node.attempts,
        changed: node.changed,
        longest_wait: node.longest_wait.clone(),
        needs: engine
            .graph
            .before(index)
            .into_iter()
            .map(|(before, _)| engine.graph.step(before).id())
            .collect(),
        released_by: node
            .released_by
            .map(|before| engine.graph.step(before).id()),
        critical: false,
    }
}
