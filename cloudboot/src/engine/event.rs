//! What happens in a run, as one stream of one enum: progress bars, logs and pages are its readers.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use futures_core::Stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{Class, Error, Outcome, StepId, Undo};

/// An error as it is shown, journalled and reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What it means for the step.
    pub class: Class,
    /// What was attempted.
    pub attempted: String,
    /// What came back.
    pub found: String,
    /// What a person should do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            class: error.class(),
            attempted: error.attempted().to_owned(),
            found: error.found().to_owned(),
            next: error.what_next().map(ToOwned::to_owned),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.attempted, self.found)?;
        match &self.next {
            Some(next) => write!(f, "; next: {next}"),
            None => Ok(()),
        }
    }
}

/// How a step came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum By {
    /// It stood already.
    AlreadyStood,
    /// This run applied it.
    Applied,
}

/// What kind of run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunKind {
    /// Steps are observed and applied.
    Run,
    /// Steps are observed.
    Plan,
    /// Steps are undone.
    Teardown,
}

/// Something that happened. `at` is the engine clock's date (virtual in the lab).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// A run began.
    RunStarted {
        /// When.
        at: Timestamp,
        /// The deployment's name.
        deployment: String,
        /// What is done.
        kind: RunKind,
        /// How many steps take part.
        steps: usize,
        /// The dead runner whose run this one continues.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adopted: Option<String>,
    },
    /// A step began.
    Started {
        /// When.
        at: Timestamp,
        /// Which.
        step: StepId,
        /// The guide's sentence.
        about: String,
    },
    /// A step's `apply` began.
    Applying {
        /// When.
        at: Timestamp,
        /// Which.
        step: StepId,
        /// What observation asked for it.
        why: String,
    },
    /// A step waits; told whenever what it sees changes.
    Waiting {
        /// When.
        at: Timestamp,
        /// Which.
        step: StepId,
        /// What for.
        #[serde(rename = "for")]
        what: String,
        /// Since when.
        since: Timestamp,
        /// What is seen.
        state: String,
        /// How far it is, 0 to 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<f32>,
    },
    /// A step says how far it is.
    Progress {
        /// When.
        at: Timestamp,
        /// Which.
        step: StepId,
        /// In words.
        text: String,
        /// How far it is, 0 to 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<f32>,
    },
    /// Something failed and is tried again.
    Retried {
        /// When.
        at: Timestamp,
        /// Which step.
        step: StepId,
        /// How often it was tried so far.
        attempt: u32,
        /// After how many seconds it is tried again.
        #[serde(with = "seconds")]
        after: Duration,
        /// What failed.
        error: Failure,
    },
    /// A step was seen to stand.
    Satisfied {
        /// When.
        at: Timestamp,
        /// Which.
        step: StepId,
        /// How it came to.
        by: By,
    },
    /// A step is done.
    Finished {
        /// When.
        at: Timestamp,
        /// Which.
        step: StepId,
        /// How long it took, in seconds.
        #[serde(with = "seconds")]
        took: Duration,
        /// Whether it changed anything.
        changed: bool,
    },
    /// A step failed.
    Failed {
        /// When.
        at: Timestamp,
        /// Which.
        step: StepId,
        /// Why.
        error: Failure,
    },
    /// A step was not begun.
    Skipped {
        /// When.
        at: Timestamp,
        /// Which.
        step: StepId,
        /// Why.
        because: String,
    },
    /// A step waits for a person's approval.
    NeedsApproval {
        /// When.
        at: Timestamp,
        /// Which.
        step: StepId,
        /// What is asked.
        question: String,
    },
    /// A step was taken back.
    Undone {
        /// When.
        at: Timestamp,
        /// Which.
        step: StepId,
        /// What it came to.
        result: Undo,
    },
    /// A run ended.
    RunEnded {
        /// When.
        at: Timestamp,
        /// How.
        outcome: Outcome,
        /// How long it took, in seconds.
        #[serde(with = "seconds")]
        took: Duration,
    },
    /// Written by a later version.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// When it happened.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::RunStarted { at, .. }
            | Self::Started { at, .. }
            | Self::Applying { at, .. }
            | Self::Waiting { at, .. }
            | Self::Progress { at, .. }
            | Self::Retried { at, .. }
            | Self::Satisfied { at, .. }
            | Self::Finished { at, .. }
            | Self::Failed { at, .. }
            | Self::Skipped { at, .. }
            | Self::NeedsApproval { at, .. }
            | Self::Undone { at, .. }
            | Self::RunEnded { at, .. } => Some(*at),
            Self::Unknown => None,
        }
    }

    /// The step that it is about.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::Started { step, .. }
            | Self::Applying { step, .. }
            | Self::Waiting { step, .. }
            | Self::Progress { step, .. }
            | Self::Retried { step, .. }
            | Self::Satisfied { step, .. }
            | Self::Finished { step, .. }
            | Self::Failed { step, .. }
            | Self::Skipped { step, .. }
            | Self::NeedsApproval { step, .. }
            | Self::Undone { step, .. } => Some(step),
            Self::RunStarted { .. } | Self::RunEnded { .. } | Self::Unknown => None,
        }
    }
}

/// The events from the moment of subscription on. Ends when the engine is gone.
///
/// Nothing is dropped: a reader that does not read holds what it has not read in memory.
#[derive(Debug)]
pub struct Events(mpsc::UnboundedReceiver<Event>);

impl Events {
    /// The next event; `None` when the engine is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// An event that has already happened and was not read, if there is one.
    pub fn try_next(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(cx)
    }
}

/// Where events are told to all who listen.
#[derive(Clone, Debug, Default)]
pub(super) struct Bus(Arc<Mutex<Vec<mpsc::UnboundedSender<Event>>>>);

impl Bus {
    pub(super) fn subscribe(&self) -> Events {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sender);
        Events(receiver)
    }

    pub(super) fn tell(&self, event: Event) {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.send(event.clone()).is_ok());
    }
}

/// Durations as seconds with a fraction, for people and other languages.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((duration.as_secs_f64() * 1000.0).round() / 1000.0)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?)
            .map_err(serde::de::Error::custom)
    }
}
