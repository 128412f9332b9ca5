//! Taking back, last first, what is ours.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::attempt::Attempt;
use super::graph::Outputs;
use super::run::{Run, unmet};
use super::schedule::{Mode, State, Walk};
use super::{
    Engine, Error, Event, Failure, Observation, Report, RunKind, StepId, StepReport, StepResult,
    Undo,
};

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

impl Engine {
    /// Takes back, last first, what the journal says that we meant to make; nothing else is asked
    /// to undo anything.
    ///
    /// Every step is observed first, to have the outputs that its dependants' undo needs. Where a
    /// step cannot be taken back, what it needs stays as well.
    ///
    /// # Errors
    /// As [`run`](Self::run), and when an option names a step that is none (the error lists the
    /// known ones).
    pub async fn teardown(&self, options: TeardownOptions) -> Result<Report, Error> {
        let find = |ids: &[StepId]| {
            ids.iter()
                .map(|id| self.graph.find(id))
                .collect::<Result<BTreeSet<_>, _>>()
        };
        let keep: BTreeSet<usize> = find(&options.keep)?
            .into_iter()
            .flat_map(|index| self.graph.closure(index, false))
            .collect();
        let only = find(&options.only)?;
        let part: BTreeSet<usize> = if only.is_empty() {
            (0..self.graph.len()).collect()
        } else {
            only
        };

        let run = Run::begin(self, RunKind::Teardown, part.len()).await?;
        let observed = part
            .iter()
            .flat_map(|&index| self.graph.closure(index, false))
            .collect();
        let mut walk = self.walk(&run.common, Mode::Recall, &observed, Outputs::new());
        walk.run().await;
        self.remember(&walk);

        let mut reports: BTreeMap<usize, StepReport> = BTreeMap::new();
        let mut previous = None;
        for &index in self
            .graph
            .order
            .iter()
            .rev()
            .filter(|index| part.contains(index))
        {
            let start = run.since_began();
            let (result, longest_wait) = if keep.contains(&index) {
                (
                    StepResult::Undone {
                        undo: Undo::kept("it was to be kept"),
                    },
                    None,
                )
            } else {
                self.take_back(&run, &walk, index, &reports, options.dry_run)
                    .await
            };
            let step = self.graph.step(index);
            let changed = matches!(
                &result,
                StepResult::Undone {
                    undo: Undo::Removed { .. }
                }
            );
            reports.insert(
                index,
                StepReport {
                    id: step.id(),
                    about: step.about(),
                    result,
                    start,
                    wall: run.since_began().saturating_sub(start),
                    attempts: 0,
                    changed,
                    longest_wait,
                    needs: self
                        .graph
                        .dependants(index)
                        .into_iter()
                        .map(|it| self.graph.step(it).id())
                        .collect(),
                    released_by: previous.replace(step.id()),
                    critical: false,
                },
            );
        }
        let mut steps: Vec<_> = reports.into_values().collect();
        steps.sort_by_key(|step| step.start);
        let mut report = run.assemble(steps, run.since_began());
        run.end(&report.outcome).await;
        report.notes = run.common.notes();
        Ok(run.common.secrets.clean_all(report))
    }

    async fn take_back(
        &self,
        run: &Run,
        walk: &Walk,
        index: usize,
        reports: &BTreeMap<usize, StepReport>,
        dry_run: bool,
    ) -> (StepResult, Option<super::Waited>) {
        let step = Arc::clone(self.graph.step(index));
        let common = &run.common;
        let intents = common.journal.intents(&step.id());
        if intents.is_empty() {
            return (
                StepResult::Undone {
                    undo: Undo::NothingToDo,
                },
                None,
            );
        }
        if let Some(because) = self.hindrance(run, walk, index, reports) {
            return (because, None);
        }
        if dry_run {
            return (
                StepResult::WouldUndo {
                    intents: intents.into_iter().map(|intent| intent.what).collect(),
                },
                None,
            );
        }
        let at = || common.clock.timestamp();
        common.tell(Event::Started {
            at: at(),
            step: step.id(),
            about: format!("Take back: {}", step.about()),
        });
        let outputs: Outputs = self
            .graph
            .needs(index)
            .into_iter()
            .filter_map(|need| Some((need, Arc::clone(walk.outputs.get(&need)?))))
            .collect();
        let id = step.id();
        let attempt = Attempt::new(step, outputs, Arc::clone(&self.parts), Arc::clone(common));
        let result = match attempt.undo().await {
            Ok(undo) => {
                common.tell(Event::Undone {
                    at: at(),
                    step: id,
                    result: undo.clone(),
                });
                StepResult::Undone { undo }
            }
            Err(error) => {
                let error = Failure::from(&error);
                common.tell(Event::Failed {
                    at: at(),
                    step: id,
                    error: error.clone(),
                });
                StepResult::Failed { error }
            }
        };
        (result, attempt.longest_wait())
    }

    /// Why a step cannot be taken back now.
    fn hindrance(
        &self,
        run: &Run,
        walk: &Walk,
        index: usize,
        reports: &BTreeMap<usize, StepReport>,
    ) -> Option<StepResult> {
        let skipped = |because: String| Some(StepResult::Skipped { because });
        if run.common.lost.is_cancelled() {
            return skipped("another runner took the deployment over".to_owned());
        }
        if run.common.cancel.is_cancelled() {
            return skipped("the run was asked to stop".to_owned());
        }
        let stuck = self.graph.dependants(index).into_iter().find(|later| {
            let result = reports.get(later).map(|report| &report.result);
            matches!(
                result,
                Some(StepResult::Failed { .. } | StepResult::Skipped { .. })
            )
        });
        if let Some(later) = stuck {
            return skipped(format!(
                "`{}`, which needs it, could not be taken back",
                self.graph.step(later).id()
            ));
        }
        let need = self
            .graph
            .needs(index)
            .into_iter()
            .find(|need| !walk.outputs.contains_key(need))?;
        match self.unreachable(walk, need) {
            Ok(why) => Some(StepResult::Undone {
                undo: Undo::kept(why),
            }),
            Err(because) => skipped(because),
        }
    }

    /// Why a step's output is not known: it went away (and what was made in it with it), or it
    /// could not be seen.
    fn unreachable(&self, walk: &Walk, index: usize) -> Result<String, String> {
        let id = self.graph.step(index).id();
        match walk.nodes.get(&index).map(|node| &node.state) {
            Some(State::Unmet(Observation::Absent { why })) => Ok(format!(
                "`{id}`, in which it was made, is not there any more ({why})"
            )),
            Some(State::Unmet(seen)) => Err(format!("`{id}`, which it needs, {}", unmet(seen))),
            Some(State::Failed(error)) => Err(format!(
                "`{id}`, which it needs, could not be observed: {error}"
            )),
            Some(State::Pending) => {
                let missing = self
                    .graph
                    .needs(index)
                    .into_iter()
                    .filter(|need| !walk.outputs.contains_key(need));
                let mut reasons = missing.map(|need| self.unreachable(walk, need)).peekable();
                match reasons.peek() {
                    Some(_) => reasons
                        .collect::<Result<Vec<_>, _>>()
                        .map(|why| why.join("; ")),
                    None => Err(format!("`{id}`, which it needs, could not be reached")),
                }
            }
            _ => Err(format!("`{id}`, which it needs, could not be reached")),
        }
    }
}
