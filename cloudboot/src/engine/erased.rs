//! Steps of all types behind one trait. Private: nobody outside of the engine meets an erased value.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::graph::{Outputs, Value};
use super::needs::Reader;
use super::{Context, Deadline, Error, Observation, Resource, Step, StepId, Undo};

/// [`Step`] without its types.
#[async_trait]
pub(super) trait Erased: Send + Sync {
    fn id(&self) -> StepId;
    fn about(&self) -> String;
    fn deadline(&self) -> Deadline;
    fn resources(&self) -> Vec<Resource>;
    fn approval(&self) -> Option<String>;
    fn estimate(&self) -> Option<Duration>;
    async fn observe(&self, outputs: &Outputs, cx: &Context) -> Result<Observation<Value>, Error>;
    async fn apply(&self, outputs: &Outputs, cx: &Context) -> Result<(), Error>;
    async fn undo(&self, outputs: &Outputs, cx: &Context) -> Result<Undo, Error>;
    async fn recall(&self, outputs: &Outputs, cx: &Context) -> Result<Option<Value>, Error>;
}

/// A step together with the way to read its needs.
pub(super) struct Bound<S: Step> {
    id: StepId,
    step: S,
    read: Reader<S::Needs>,
}

impl<S: Step> Bound<S> {
    pub(super) fn new(step: S, read: Reader<S::Needs>) -> Self {
        Self {
            id: step.id(),
            step,
            read,
        }
    }

    fn needs(&self, outputs: &Outputs) -> Result<S::Needs, Error> {
        (self.read)(outputs).ok_or_else(|| {
            Error::terminal(
                format!("read what `{}` needs", self.id),
                "an output that it needs is not known",
            )
        })
    }
}

#[async_trait]
impl<S: Step> Erased for Bound<S> {
    fn id(&self) -> StepId {
        self.id.clone()
    }

    fn about(&self) -> String {
        self.step.about()
    }

    fn deadline(&self) -> Deadline {
        self.step.deadline()
    }

    fn resources(&self) -> Vec<Resource> {
        self.step.resources()
    }

    fn approval(&self) -> Option<String> {
        self.step.approval()
    }

    fn estimate(&self) -> Option<Duration> {
        self.step.estimate()
    }

    async fn observe(&self, outputs: &Outputs, cx: &Context) -> Result<Observation<Value>, Error> {
        let needs = self.needs(outputs)?;
        let seen = self.step.observe(&needs, cx).await?;
        Ok(seen.map(|output| Arc::new(output) as Value))
    }

    async fn apply(&self, outputs: &Outputs, cx: &Context) -> Result<(), Error> {
        let needs = self.needs(outputs)?;
        self.step.apply(&needs, cx).await
    }

    async fn undo(&self, outputs: &Outputs, cx: &Context) -> Result<Undo, Error> {
        let needs = self.needs(outputs)?;
        self.step.undo(&needs, cx).await
    }

    async fn recall(&self, outputs: &Outputs, cx: &Context) -> Result<Option<Value>, Error> {
        let needs = self.needs(outputs)?;
        Ok(self
            .step
            .recall(&needs, cx)
            .await?
            .map(|output| Arc::new(output) as Value))
    }
}
