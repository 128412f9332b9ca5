//! What a run would do, by observation alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::event::seconds;
use super::graph::{Built, Outputs};
use super::journal::Journal;
use super::schedule::{Mode, State, Walk};
use super::{Engine, Error, Observation, StepId};

/// The version of the plan's JSON.
pub const PLAN_VERSION: u32 = 1;

/// What a plan says of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
#[non_exhaustive]
pub enum PlanState {
    /// It stands as desired.
    Stands,
    /// It is to be done.
    ToDo {
        /// What is missing.
        why: String,
    },
    /// It differs from what is desired.
    Drifted {
        /// Each difference.
        what: Vec<String>,
        /// Whether mending it destroys something, so that approval will be asked.
        destructive: bool,
    },
    /// Something else must come first, or it could not be observed.
    Blocked {
        /// By what.
        by: String,
        /// Whether it takes a person.
        operator: bool,
    },
    /// It cannot be observed yet: its inputs do not exist.
    Pending {
        /// The steps that it waits for.
        waits_for: Vec<StepId>,
    },
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its name.
    pub id: StepId,
    /// The guide's sentence.
    pub about: String,
    /// What a run would find.
    #[serde(flatten)]
    pub state: PlanState,
    /// What will be asked before it is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// How long it usually takes, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_seconds: Option<u64>,
}

/// What a run would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub version: u32,
    /// The deployment's name.
    pub deployment: String,
    /// When it was observed.
    pub at: Timestamp,
    /// Every step, each after what it needs.
    pub steps: Vec<PlannedStep>,
    /// The time left, in seconds: the longest chain of what is to be done, by the steps' estimates.
    #[serde(with = "seconds")]
    pub time_left: Duration,
    /// The steps of that chain.
    pub longest_chain: Vec<StepId>,
}

/// How one step differs between two plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanChange {
    /// The step's name.
    pub id: StepId,
    /// What this plan says; `None` where it has no such step.
    pub before: Option<PlanState>,
    /// What the other plan says; `None` where it has no such step.
    pub after: Option<PlanState>,
}

impl Plan {
    /// The step of that name.
    pub fn step(&self, id: impl Into<StepId>) -> Option<&PlannedStep> {
        let id = id.into();
        self.steps.iter().find(|step| step.id == id)
    }

    /// Whether a run would find anything that does not stand.
    pub fn changes_pending(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.state != PlanState::Stands)
    }

    /// What differs between this plan and another, in this plan's order and then the other's.
    pub fn diff(&self, other: &Self) -> Vec<PlanChange> {
        let state = |plan: &Self, id: &StepId| plan.step(id).map(|step| step.state.clone());
        let added = other
            .steps
            .iter()
            .filter(|step| self.step(&step.id).is_none());
        self.steps
            .iter()
            .chain(added)
            .map(|step| PlanChange {
                id: step.id.clone(),
                before: state(self, &step.id),
                after: state(other, &step.id),
            })
            .filter(|change| change.before != change.after)
            .collect()
    }
}

impl Engine {
    /// Observes what can be observed, and changes nothing, the journal included.
    ///
    /// # Errors
    /// When the journal cannot be read, or the run is cancelled.
    pub async fn plan(&self) -> Result<Plan, Error> {
        let parts = &self.parts;
        let journal =
            Journal::read(Arc::clone(&parts.store), parts.deployment.clone(), None).await?;
        let common = self.common(journal, CancellationToken::new());
        let part = (0..self.graph.len()).collect();
        let mut walk = self.walk(&common, Mode::Look, &part, Outputs::new());
        walk.run().await;
        if common.cancel.is_cancelled() {
            return Err(Error::cancelled("plan"));
        }
        self.remember(&walk);
        let mut left = BTreeMap::new();
        let mut steps = Vec::new();
        for &index in &self.graph.order {
            let (step, state) = (self.graph.step(index), self.planned(&walk, index));
            let estimate = step.estimate();
            if state != PlanState::Stands {
                left.insert(index, estimate.unwrap_or_default());
            }
            steps.push(PlannedStep {
                id: step.id(),
                about: step.about(),
                approval: step.approval().filter(|_| state != PlanState::Stands),
                estimate_seconds: estimate.map(|time| time.as_secs()),
                state,
            });
        }
        let (longest_chain, time_left) = longest_chain(&self.graph, &left);
        Ok(common.secrets.clean_all(Plan {
            version: PLAN_VERSION,
            deployment: parts.deployment.clone(),
            at: common.clock.timestamp(),
            steps,
            time_left,
            longest_chain,
        }))
    }

    fn planned(&self, walk: &Walk, index: usize) -> PlanState {
        let before_it = || -> Vec<StepId> {
            let before = self
                .graph
                .before(index)
                .into_iter()
                .map(|(before, _)| before);
            before
                .filter(|before| {
                    walk.nodes
                        .get(before)
                        .is_some_and(|node| !node.state.stands())
                })
                .map(|before| self.graph.step(before).id())
                .collect()
        };
        match walk.nodes.get(&index).map(|node| &node.state) {
            Some(State::Stands(_)) => PlanState::Stands,
            Some(State::Unmet(Observation::Satisfied(()))) => PlanState::Stands,
            Some(State::Unmet(Observation::Absent { why })) => PlanState::ToDo { why: why.clone() },
            Some(State::Unmet(Observation::Drifted { what, destructive })) => PlanState::Drifted {
                what: what.clone(),
                destructive: *destructive,
            },
            Some(State::Unmet(Observation::Blocked { by, operator })) => PlanState::Blocked {
                by: by.clone(),
                operator: *operator,
            },
            Some(State::Pending) => PlanState::Pending {
                waits_for: before_it(),
            },
            Some(State::Failed(error)) => match before_it() {
                before if !before.is_empty() => PlanState::Pending { waits_for: before },
                _ => PlanState::Blocked {
                    by: error.to_string(),
                    operator: error.is_needs_operator(),
                },
            },
            Some(State::Skipped(because)) => PlanState::Blocked {
                by: because.clone(),
                operator: false,
            },
            Some(State::Todo | State::Running) | None => PlanState::Pending {
                waits_for: before_it(),
            },
        }
    }
}

/// For each step that is to be done, the longest chain of estimates that ends with it.
fn longest_chain(graph: &Built, left: &BTreeMap<usize, Duration>) -> (Vec<StepId>, Duration) {
    let mut best: BTreeMap<usize, (Duration, Option<usize>)> = BTreeMap::new();
    for &index in &graph.order {
        let before = graph
            .before(index)
            .into_iter()
            .map(|(before, _)| (best[&before].0, before))
            .max();
        let (time, from) = before.map_or((Duration::ZERO, None), |(time, before)| {
            (time, Some(before))
        });
        best.insert(
            index,
            (time + left.get(&index).copied().unwrap_or_default(), from),
        );
    }
    let mut at = best
        .iter()
        .max_by_key(|(_, (time, _))| *time)
        .map(|(index, _)| *index);
    let total = at.map_or(Duration::ZERO, |index| best[&index].0);
    let mut chain = Vec::new();
    while let Some(index) = at {
        if left.contains_key(&index) {
            chain.push(graph.step(index).id());
        }
        at = best[&index].1;
    }
    chain.reverse();
    (chain, total)
}
