//! Who approves what is destructive or one-shot.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Context, Error, Event, StepId};

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

impl Approvals {
    /// Asks where it is to be asked; an error says who may approve it how.
    pub(super) async fn decide(
        &self,
        cx: &Context,
        about: &str,
        question: &str,
    ) -> Result<(), Error> {
        let step = cx.step();
        let tell = || {
            cx.tell(Event::NeedsApproval {
                at: cx.now(),
                step: step.clone(),
                question: question.to_owned(),
            });
        };
        let approved = match self {
            Self::AllowAll => true,
            Self::Allow(steps) => steps.contains(step),
            Self::Deny(steps) => !steps.contains(step),
            Self::Ask(ask) => {
                tell();
                let request = ApprovalRequest {
                    step: step.clone(),
                    about: about.to_owned(),
                    question: question.to_owned(),
                };
                let answer = tokio::select! {
                    biased;
                    () = cx.stopped() => None,
                    answer = ask(request) => Some(answer),
                };
                cx.go_on(about)?;
                if answer == Some(false) {
                    return Err(Error::needs_operator(
                        about,
                        format!("it was not approved: {question}"),
                    )
                    .next(format!("run again and approve `{step}` when it is right")));
                }
                return Ok(());
            }
        };
        if approved {
            return Ok(());
        }
        tell();
        Err(
            Error::needs_operator(about, format!("it asks for approval: {question}"))
                .next(format!("approve `{step}` and run again")),
        )
    }
}
