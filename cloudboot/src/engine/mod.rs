//! Steps, graph, scheduler, deadlines, journal, events, report: knows nothing of clouds.
//!
//! A [`Step`] is one thing that should stand in a real system. Steps are added to a [`Graph`], which
//! gives a typed [`Handle`] to each one's output; a later step holds the handles that it reads. The
//! [`Engine`] observes each step, applies what does not stand, and observes again: a step is done
//! when its system says so. A run that was killed goes on by running again.

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
