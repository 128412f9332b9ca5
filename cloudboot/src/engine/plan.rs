//! What a run would do, by observation alone.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StepId;
use super::event::seconds;

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
