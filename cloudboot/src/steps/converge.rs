//! Stage 17: Convergence: every unit active and idle.
//!
//! The thesis: `await_services()`, which looked once and ignored what it saw.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use juju_client::Client as Juju;
use juju_client::wait::{Converged, Judgement, explain};

use super::{Attempt as _, Site};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId};

/// The whole model at rest.
pub struct Converge {
    pub(super) site: Arc<Site>,
}

#[async_trait]
impl Step for Converge {
    type Needs = (Juju, (), String);
    type Output = ();

    fn id(&self) -> StepId {
        "cloud.converged".into()
    }

    fn about(&self) -> String {
        "wait until every unit is active and idle".to_owned()
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("cloud.converged", Deadline::minutes(60, 360))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(6300))
    }

    async fn observe(
        &self,
        (model, (), _): &Self::Needs,
        _: &Context,
    ) -> Result<Observation<()>, Error> {
        let status = model.status().await.attempt("read the model's status")?;
        Ok(match Converged::judge(&status) {
            Judgement::Settled => Observation::Satisfied(()),
            Judgement::Pending { state, .. } => Observation::absent(state),
            Judgement::Failed(failure) => Observation::absent(failure.to_string()),
            _ => Observation::absent("the model is in a state that this version does not know"),
        })
    }

    async fn apply(&self, (model, (), _): &Self::Needs, cx: &Context) -> Result<(), Error> {
        cx.waiting("every unit to be active and idle", self.deadline())
            .advice("look at `juju status` and the log of the unit that is named")
            .poll(async || {
                let status = model.status().await.attempt("read the model's status")?;
                Ok(match Converged::judge(&status) {
                    Judgement::Settled => Polled::Done(()),
                    Judgement::Pending { state, done, of } => {
                        let pending =
                            Polled::pending(state).progress(done as f32 / of.max(1) as f32);
                        match explain(&status) {
                            Some(blocker) => pending.blocked_by(blocker.to_string()),
                            None => pending,
                        }
                    }
                    Judgement::Failed(failure) => Polled::Failed(
                        Error::terminal(
                            "wait until every unit is active and idle",
                            failure.to_string(),
                        )
                        .next("mend the unit, `juju resolve` it, and run again"),
                    ),
                    _ => Polled::pending("a state that this version does not know"),
                })
            })
            .await
    }
}
