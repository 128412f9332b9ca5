//! A step: one thing that should stand in a real system, and how to see it, make it and unmake it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Context, Error};

/// A step's name: dotted, lower case, unique in its graph ("maas.images", "machine.node-1.commission").
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct StepId(Arc<str>);

impl StepId {
    /// A step's name. Whether it is well formed and unique is told by the graph's check.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(Arc::from(id.as_ref()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Letters, digits, `-` and `_` between dots; nothing empty.
    pub(super) fn is_well_formed(&self) -> bool {
        self.0.split('.').all(|part| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        })
    }
}

impl From<&str> for StepId {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

impl From<String> for StepId {
    fn from(id: String) -> Self {
        Self::new(id)
    }
}

impl From<&StepId> for StepId {
    fn from(id: &StepId) -> Self {
        id.clone()
    }
}

impl From<StepId> for String {
    fn from(id: StepId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl PartialEq<str> for StepId {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for StepId {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

/// How long something may take: without any visible change, and altogether.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The longest time without any change of what is seen.
    pub stall: Duration,
    /// The longest time altogether.
    pub total: Duration,
}

impl Deadline {
    /// A deadline of both kinds.
    pub const fn new(stall: Duration, total: Duration) -> Self {
        Self { stall, total }
    }

    /// A deadline on the whole only.
    pub const fn within(total: Duration) -> Self {
        Self {
            stall: total,
            total,
        }
    }

    /// The same with both in whole minutes, as steps mostly say it.
    pub const fn minutes(stall: u64, total: u64) -> Self {
        Self::new(
            Duration::from_secs(stall * 60),
            Duration::from_secs(total * 60),
        )
    }
}

impl Default for Deadline {
    /// 15 minutes without a change, one hour altogether.
    fn default() -> Self {
        Self::minutes(15, 60)
    }
}

/// Something of which only so many steps may make use at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    pub(super) name: String,
    pub(super) limit: usize,
}

impl Resource {
    /// A resource that one step uses at a time (the package manager's lock).
    pub fn exclusive(name: impl Into<String>) -> Self {
        Self::up_to(name, 1)
    }

    /// A resource that up to `limit` steps use at a time, unless the engine's builder says otherwise.
    /// Where steps differ in the limit, the smallest holds; zero counts as one.
    pub fn up_to(name: impl Into<String>, limit: usize) -> Self {
        Self {
            name: name.into(),
            limit: limit.max(1),
        }
    }

    /// The resource's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What a step saw of its system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation<T> {
    /// It stands as desired; here is the step's output.
    Satisfied(T),
    /// It is not there.
    Absent {
        /// What is missing, in a sentence ("no tag `compute`").
        why: String,
    },
    /// It is there and differs from what is desired.
    Drifted {
        /// Each difference ("name server is 8.8.8.8, not 1.1.1.1").
        what: Vec<String>,
        /// Whether mending it destroys something: then approval is asked first.
        destructive: bool,
    },
    /// Something else must come first.
    Blocked {
        /// By what.
        by: String,
        /// Whether it takes a person; otherwise it is looked at again until the step's stall deadline.
        operator: bool,
    },
}

impl<T> Observation<T> {
    /// It is not there.
    pub fn absent(why: impl Into<String>) -> Self {
        Self::Absent { why: why.into() }
    }

    /// It differs, and mending it destroys nothing.
    pub fn drifted<W: Into<String>>(what: impl IntoIterator<Item = W>) -> Self {
        Self::Drifted {
            what: what.into_iter().map(Into::into).collect(),
            destructive: false,
        }
    }

    /// It waits for something that comes by itself.
    pub fn blocked(by: impl Into<String>) -> Self {
        Self::Blocked {
            by: by.into(),
            operator: false,
        }
    }

    /// It waits for a person.
    pub fn needs_operator(by: impl Into<String>) -> Self {
        Self::Blocked {
            by: by.into(),
            operator: true,
        }
    }

    /// The same with another output.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Observation<U> {
        match self {
            Self::Satisfied(output) => Observation::Satisfied(f(output)),
            Self::Absent { why } => Observation::Absent { why },
            Self::Drifted { what, destructive } => Observation::Drifted { what, destructive },
            Self::Blocked { by, operator } => Observation::Blocked { by, operator },
        }
    }
}

/// What taking a step back came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Undo {
    /// There was nothing to take away.
    NothingToDo,
    /// This was taken away.
    Removed {
        /// Each thing, in the field's words.
        what: Vec<String>,
    },
    /// It stays.
    Kept {
        /// Why ("it does not carry our mark").
        why: String,
    },
}

impl Undo {
    /// One thing was taken away.
    pub fn removed(what: impl Into<String>) -> Self {
        Self::Removed {
            what: vec![what.into()],
        }
    }

    /// It stays, and why.
    pub fn kept(why: impl Into<String>) -> Self {
        Self::Kept { why: why.into() }
    }
}

/// One thing that should stand in a real system.
///
/// `observe` looks and changes nothing; `apply` changes, and runs only where `observe` says absent
/// or drifted; a step is done when `observe` says so afterwards. `apply` is idempotent, calls
/// [`Context::intend`] before each change and [`Context::made`] after it.
#[async_trait]
pub trait Step: Send + Sync + 'static {
    /// What the step reads of earlier steps: the outputs behind the handles given to
    /// [`Graph::add`](super::Graph::add).
    type Needs: Send + Sync + 'static;
    /// What later steps can read of this one.
    type Output: Clone + Send + Sync + 'static;

    /// The step's name, unique in its graph.
    fn id(&self) -> StepId;

    /// What the step is about, in the guide's words, for the plan and the progress.
    fn about(&self) -> String;

    /// How long `apply` may take as a whole, its retries included.
    fn deadline(&self) -> Deadline {
        Deadline::default()
    }

    /// What the step shares with others under a limit.
    fn resources(&self) -> Vec<Resource> {
        Vec::new()
    }

    /// What is asked of a person before `apply` runs, for what cannot be taken back. `None` asks nothing.
    fn approval(&self) -> Option<String> {
        None
    }

    /// How long `apply` usually takes.
    fn estimate(&self) -> Option<Duration> {
        None
    }

    /// Asks the real system, and changes nothing.
    ///
    /// # Errors
    /// When the system could not be asked.
    async fn observe(
        &self,
        needs: &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<Self::Output>, Error>;

    /// Changes the system towards what is desired.
    ///
    /// # Errors
    /// When it could not; the class says whether the engine tries again.
    async fn apply(&self, needs: &Self::Needs, cx: &Context) -> Result<(), Error>;

    /// Takes away what this step made, and only that, after an observation of its own.
    ///
    /// # Errors
    /// When it could not.
    async fn undo(&self, needs: &Self::Needs, cx: &Context) -> Result<Undo, Error> {
        let _ = (needs, cx);
        Ok(Undo::NothingToDo)
    }

    /// The output of what stands only in part. Teardown asks where `observe` is not satisfied, so
    /// that what later steps made inside of it can still be taken away.
    ///
    /// # Errors
    /// When the system could not be asked.
    async fn recall(
        &self,
        needs: &Self::Needs,
        cx: &Context,
    ) -> Result<Option<Self::Output>, Error> {
        let _ = (needs, cx);
        Ok(None)
    }
}
