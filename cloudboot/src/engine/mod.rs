//! Steps, graph, scheduler, deadlines, journal, events, report: knows nothing of clouds.
//!
//! A [`Step`] is one thing that should stand in a real system. Steps are added to a [`Graph`], which
//! gives a typed [`Handle`] to each one's output; a later step holds the handles that it reads. The
//! [`Engine`] observes each step, applies what does not stand, and observes again: a step is done
//! when its system says so. A run that was killed goes on by running again.
//!
//! ```
//! use std::sync::Mutex;
//! use cloudboot::engine::{Context, Engine, Error, Graph, Observation, Outcome, Step, StepId, Undo, async_trait};
//!
//! // A real system, small enough for an example.
//! static TAGS: Mutex<Vec<String>> = Mutex::new(Vec::new());
//!
//! struct Tag(&'static str);
//!
//! #[async_trait]
//! impl Step for Tag {
//!     type Needs = ();
//!     type Output = String;
//!
//!     fn id(&self) -> StepId {
//!         format!("tag.{}", self.0).into()
//!     }
//!
//!     fn about(&self) -> String {
//!         format!("Create the tag {}", self.0)
//!     }
//!
//!     async fn observe(&self, _: &(), _: &Context) -> Result<Observation<String>, Error> {
//!         Ok(match TAGS.lock().unwrap().iter().find(|tag| *tag == self.0) {
//!             Some(tag) => Observation::Satisfied(tag.clone()),
//!             None => Observation::absent(format!("there is no tag {}", self.0)),
//!         })
//!     }
//!
//!     async fn apply(&self, _: &(), cx: &Context) -> Result<(), Error> {
//!         cx.intend(format!("create the tag {}", self.0)).await?;
//!         TAGS.lock().unwrap().push(self.0.to_owned());
//!         cx.made("tag", self.0).await
//!     }
//!
//!     async fn undo(&self, _: &(), cx: &Context) -> Result<Undo, Error> {
//!         cx.intend(format!("remove the tag {}", self.0)).await?;
//!         TAGS.lock().unwrap().retain(|tag| tag != self.0);
//!         Ok(Undo::removed(format!("the tag {}", self.0)))
//!     }
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let mut graph = Graph::new();
//! let tag = graph.add(Tag("compute"), ());
//! let engine = Engine::builder(graph).deployment("rack-7").build()?;
//! assert!(engine.plan().await?.changes_pending());
//! assert_eq!(engine.run().await?.outcome, Outcome::Done { changed: 1 });
//! assert_eq!(engine.output(&tag).as_deref(), Some("compute"));
//! assert_eq!(engine.run().await?.outcome, Outcome::Done { changed: 0 });
//! engine.teardown(Default::default()).await?;
//! assert!(TAGS.lock().unwrap().is_empty());
//! # Ok::<(), Error>(()) }).unwrap();
//! ```

mod approval;
mod attempt;
mod builder;
mod clock;
mod context;
mod deadline;
mod erased;
mod error;
mod event;
mod graph;
mod journal;
mod lease;
mod needs;
mod plan;
mod report;
mod run;
mod schedule;
mod scrub;
mod secrets;
mod shared;
mod step;
pub mod store;
mod teardown;
#[cfg(test)]
mod tests;
mod wait;

pub use async_trait::async_trait;
pub use tokio_util::sync::CancellationToken;

pub use approval::{ApprovalRequest, Approvals, Approver};
pub use builder::{EngineBuilder, Retry};
pub use clock::{Clock, ManualClock, RealClock, ScaledClock};
pub use context::Context;
pub use error::{Class, Error};
pub use event::{By, Event, Events, Failure, RunKind};
pub use graph::Graph;
pub use journal::{Intent, Made};
pub use needs::{Handle, Key, Needs};
pub use plan::{PLAN_VERSION, Plan, PlanChange, PlanState, PlannedStep};
pub use report::{Outcome, REPORT_VERSION, Report, StepReport, StepResult, Waited, say};
pub use run::Engine;
pub use secrets::{DirSecretStore, MemorySecretStore, SecretStore, check_secret_name};
pub use shared::Shared;
pub use step::{Deadline, Observation, Resource, Step, StepId, Undo};
pub use store::{MemoryStore, PostgresStore, SqliteStore, StateStore};
pub use teardown::TeardownOptions;
pub use wait::{Polled, Wait, Watch};
