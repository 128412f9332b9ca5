//! The one way to wait: watch where the system can push, poll with backoff where it cannot.

use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt;
use tokio::sync::{Mutex, Notify};

use super::report::say;
use super::{Context, Deadline, Error, Event, Failure, Waited};

/// What one look at a condition says.
#[derive(Clone, Debug)]
pub enum Polled<T> {
    /// It is met.
    Done(T),
    /// Not yet.
    Pending {
        /// What is seen, in a sentence. When it changes, the stall begins anew.
        state: String,
        /// How far it is, 0 to 1. When it changes, the stall begins anew.
        progress: Option<f32>,
        /// What holds it up, where that is known.
        blocker: Option<String>,
    },
    /// It never will be: the wait fails at once.
    Failed(Error),
}

impl<T> Polled<T> {
    /// Not yet, and what is seen.
    pub fn pending(state: impl Into<String>) -> Self {
        Self::Pending {
            state: state.into(),
            progress: None,
            blocker: None,
        }
    }

    /// Says how far it is, 0 to 1.
    #[must_use]
    pub fn progress(mut self, how_far: f32) -> Self {
        if let Self::Pending { progress, .. } = &mut self {
            *progress = Some(how_far);
        }
        self
    }

    /// Says what holds it up.
    #[must_use]
    pub fn blocked_by(mut self, what: impl Into<String>) -> Self {
        if let Self::Pending { blocker, .. } = &mut self {
            *blocker = Some(what.into());
        }
        self
    }
}

/// Wakes a wait when its system pushes.
pub struct Watch(Pin<Box<dyn Stream<Item = ()> + Send>>);

impl Watch {
    /// Wakes at each item of a stream. When the stream ends, polling goes on.
    pub fn stream<S>(stream: S) -> Self
    where
        S: Stream + Send + 'static,
    {
        Self(Box::pin(stream.map(drop)))
    }
}

impl From<Arc<Notify>> for Watch {
    fn from(notify: Arc<Notify>) -> Self {
        Self(Box::pin(futures_util::stream::unfold(
            notify,
            |notify| async {
                notify.notified().await;
                Some(((), notify))
            },
        )))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// A wait that is being prepared, from [`Context::waiting`].
#[derive(Debug)]
#[must_use = "nothing is waited for until `poll` is called"]
pub struct Wait<'a> {
    cx: &'a Context,
    what: String,
    deadline: Deadline,
    first: Duration,
    longest: Duration,
    watch: Option<Watch>,
    next: Option<String>,
}

impl<'a> Wait<'a> {
    pub(super) fn new(cx: &'a Context, what: String, deadline: Deadline) -> Self {
        Self {
            cx,
            what,
            deadline,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(15),
            watch: None,
            next: None,
        }
    }

    /// Polls at this pace (by default: 1 s at first, slowing down to 15 s while nothing changes).
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first = first;
        self.longest = longest.max(first);
        self
    }

    /// Polls whenever the watch wakes, and at its pace besides, in case the watch misses something.
    pub fn watch(mut self, watch: impl Into<Watch>) -> Self {
        self.watch = Some(watch.into());
        self
    }

    /// What a person should do when the deadline passes.
    pub fn advice(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Waits. A poll under way is never interrupted; the time between polls is.
    ///
    /// # Errors
    /// When `poll` says failed or fails for good (transient and unclear errors are tolerated and
    /// told), when the deadline passes, and when the run is to stop.
    pub async fn poll<T, F, Fut>(self, mut poll: F) -> Result<T, Error>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Polled<T>, Error>>,
    {
        let _ = &mut poll;
        let _ = (
            &self.first,
            &self.longest,
            &self.watch,
            &self.next,
            &self.deadline,
        );
        Err(Error::terminal(
            format!("wait for {}", self.what),
            "not yet written",
        ))
    }
}
