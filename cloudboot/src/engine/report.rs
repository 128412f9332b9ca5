//! What a run came to: each step's time, what it waited for, and the chain that determined the end.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::seconds;
use super::{By, Failure, RunKind, StepId, Undo};

/// The version of the report's JSON.
pub const REPORT_VERSION: u32 = 1;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
#[non_exhaustive]
pub enum Outcome {
    /// Every step that was asked for stands (or, in a teardown, is taken back).
    Done {
        /// How many steps changed anything.
        changed: usize,
    },
    /// At least one step failed.
    Failed,
    /// At least one step needs a person, and none failed otherwise.
    NeedsOperator,
    /// The run was asked to stop.
    Cancelled,
    /// Another runner took the deployment over.
    LeaseLost,
}

impl Outcome {
    /// Whether everything stands.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

/// How one step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
#[non_exhaustive]
pub enum StepResult {
    /// It stands.
    Stands {
        /// How it came to.
        by: By,
    },
    /// It failed.
    Failed {
        /// Why.
        error: Failure,
    },
    /// It was not begun.
    Skipped {
        /// Why.
        because: String,
    },
    /// It was taken back.
    Undone {
        /// What it came to.
        undo: Undo,
    },
    /// It would be taken back (a teardown that only looks).
    WouldUndo {
        /// What the journal says that it meant to change.
        intents: Vec<String>,
    },
}

/// What a step waited for the longest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// What for.
    pub what: String,
    /// How long, in seconds.
    #[serde(with = "seconds")]
    pub time: Duration,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its name.
    pub id: StepId,
    /// The guide's sentence.
    pub about: String,
    /// How it ended.
    pub result: StepResult,
    /// When it began, in seconds after the run did.
    #[serde(with = "seconds")]
    pub start: Duration,
    /// How long it took, in seconds.
    #[serde(with = "seconds")]
    pub wall: Duration,
    /// How often `apply` was tried.
    pub attempts: u32,
    /// Whether it changed anything: whether it declared at least one intent.
    pub changed: bool,
    /// What it waited for the longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_wait: Option<Waited>,
    /// What it needed, by data or by order.
    pub needs: Vec<StepId>,
    /// Whose end let it begin: the last of its needs, or what held a resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_by: Option<StepId>,
    /// Whether it is part of the chain that determined when the run ended.
    pub critical: bool,
}

impl StepReport {
    /// When it ended, after the run began.
    pub fn end(&self) -> Duration {
        self.start + self.wall
    }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// The deployment's name.
    pub deployment: String,
    /// What was done.
    pub kind: RunKind,
    /// How it ended.
    pub outcome: Outcome,
    /// When the run began.
    pub began: Timestamp,
    /// How long the run took, in seconds.
    #[serde(with = "seconds")]
    pub total: Duration,
    /// The chain that determined the end, first to last.
    pub critical_path: Vec<StepId>,
    /// How long the steps of that chain took together, in seconds.
    #[serde(with = "seconds")]
    pub critical_time: Duration,
    /// Every step that took part, in the order in which they began.
    pub steps: Vec<StepReport>,
    /// What a person should do next, where not all is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What did not stop the run and should be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Report {
    /// The step of that name.
    pub fn step(&self, id: impl Into<StepId>) -> Option<&StepReport> {
        let id = id.into();
        self.steps.iter().find(|step| step.id == id)
    }

    /// The steps that failed, with why.
    pub fn failures(&self) -> impl Iterator<Item = (&StepId, &Failure)> {
        self.steps.iter().filter_map(|step| match &step.result {
            StepResult::Failed { error } => Some((&step.id, error)),
            _ => None,
        })
    }

    /// How long the steps took together: the time of a run in one line.
    pub fn in_line(&self) -> Duration {
        self.steps.iter().map(|step| step.wall).sum()
    }
}

/// The chain of steps that determined the end: from the step that ended last, each time to the one
/// whose end let it begin.
pub(super) fn mark_critical(steps: &mut [StepReport]) -> (Vec<StepId>, Duration) {
    let place = |steps: &[StepReport], id: &StepId| steps.iter().position(|step| step.id == *id);
    let mut at = (0..steps.len())
        .filter(|&i| !matches!(steps[i].result, StepResult::Skipped { .. }))
        .max_by_key(|&i| (steps[i].end(), steps[i].start, i));
    let (mut path, mut time) = (Vec::new(), Duration::ZERO);
    while let Some(i) = at.filter(|&i| !steps[i].critical) {
        steps[i].critical = true;
        path.push(steps[i].id.clone());
        time += steps[i].wall;
        let before = steps[i].needs.iter().chain(&steps[i].released_by);
        at = before
            .filter_map(|id| place(steps, id))
            .max_by_key(|&i| (steps[i].end(), steps[i].start, i));
    }
    path.reverse();
    (path, time)
}

/// A duration as people say it: `2 h 17 min 56 s`, `3 min 20 s`, `4.2 s`, `80 ms`.
pub fn say(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{} ms", duration.as_millis()),
        (0, 0, s) if s < 10 && duration.subsec_millis() >= 100 => {
            format!("{s}.{} s", duration.subsec_millis() / 100)
        }
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, 0) => format!("{h} h"),
        (h, m, 0) => format!("{h} h {m} min"),
        (h, m, s) => format!("{h} h {m} min {s} s"),
    }
}
