//! The one way to wait: watch where the system can push, poll with backoff where it cannot.

use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt;
use tokio::sync::Notify;

use super::context::Moment;
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
    pub async fn poll<T, F, Fut>(mut self, mut poll: F) -> Result<T, Error>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Polled<T>, Error>>,
    {
        let mut sight = Sight::new(self.cx, self.what.clone());
        let attempted = format!("wait for {}", self.what);
        let mut pause = self.first;
        loop {
            self.cx
                .go_on(&attempted)
                .map_err(|error| sight.stopped(error))?;
            let mut least = Duration::ZERO;
            let changed = match poll().await {
                Ok(Polled::Done(output)) => return Ok(output),
                Ok(Polled::Failed(error)) => return Err(error),
                Ok(Polled::Pending {
                    state,
                    progress,
                    blocker,
                }) => sight.saw(state, progress, blocker),
                Err(error) if error.is_transient() || error.is_unclear() => {
                    least = error.wait_before_retry().unwrap_or_default();
                    sight.failed(error, pause.max(least));
                    false
                }
                Err(error) => return Err(error),
            };
            pause = if changed {
                self.first
            } else {
                (pause * 2).min(self.longest)
            };
            let left = sight.left(self.deadline);
            if left.is_zero() {
                return Err(sight.overdue(attempted, self.deadline, self.next));
            }
            // At the deadline there is one last poll.
            self.rest(pause.max(least).min(left)).await;
        }
    }

    /// Until the pause is over, the watch wakes, or the run is to stop.
    async fn rest(&mut self, pause: Duration) {
        let mut ended = false;
        let watch = &mut self.watch;
        let woken = async {
            match watch {
                Some(Watch(stream)) => match stream.next().await {
                    Some(()) => {}
                    None => {
                        ended = true;
                        pending::<()>().await;
                    }
                },
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cx.stopped() => {}
            () = woken => {}
            () = self.cx.common.clock.sleep(pause) => {}
        }
        if ended {
            self.watch = None;
        }
    }
}

/// What a wait has seen so far.
struct Sight<'a> {
    cx: &'a Context,
    what: String,
    began: Moment,
    since: jiff::Timestamp,
    changed: Moment,
    seen: Option<(String, Option<f32>)>,
    blocker: Option<String>,
    trouble: Option<Error>,
    failures: u32,
}

impl<'a> Sight<'a> {
    fn new(cx: &'a Context, what: String) -> Self {
        cx.track.waits.fetch_add(1, Ordering::SeqCst);
        let now = cx.common.moment();
        Self {
            cx,
            what,
            began: now,
            since: cx.now(),
            changed: now,
            seen: None,
            blocker: None,
            trouble: None,
            failures: 0,
        }
    }

    /// Takes in a look; says whether anything changed.
    fn saw(&mut self, state: String, progress: Option<f32>, blocker: Option<String>) -> bool {
        self.trouble = None;
        self.failures = 0;
        self.blocker = blocker;
        if self
            .seen
            .as_ref()
            .is_some_and(|(before, at)| *before == state && *at == progress)
        {
            return false;
        }
        self.changed = self.cx.common.moment();
        self.cx.saw(format!("{}: {state}", self.what));
        self.cx.tell(Event::Waiting {
            at: self.cx.now(),
            step: self.cx.step().clone(),
            what: self.what.clone(),
            since: self.since,
            state: state.clone(),
            progress,
        });
        self.seen = Some((state, progress));
        true
    }

    /// Takes in that the system could not be asked.
    fn failed(&mut self, error: Error, after: Duration) {
        self.failures += 1;
        self.cx.tell(Event::Retried {
            at: self.cx.now(),
            step: self.cx.step().clone(),
            attempt: self.failures,
            after,
            error: Failure::from(&error),
        });
        self.trouble = Some(error);
    }

    /// How long may still be waited.
    fn left(&self, deadline: Deadline) -> Duration {
        let stall = self.cx.common.left(self.changed, deadline.stall);
        stall.min(self.cx.common.left(self.began, deadline.total))
    }

    fn last_seen(&self) -> String {
        let mut text = match &self.seen {
            Some((state, Some(progress))) => {
                format!("last seen: {state} ({:.0} %)", progress * 100.0)
            }
            Some((state, None)) => format!("last seen: {state}"),
            None => "nothing was seen".to_owned(),
        };
        if let Some(blocker) = &self.blocker {
            text.push_str(&format!(", held up by {blocker}"));
        }
        if let Some(trouble) = &self.trouble {
            text.push_str(&format!(
                ", and then it could not be asked any more ({trouble})"
            ));
        }
        text
    }

    fn overdue(&self, attempted: String, deadline: Deadline, next: Option<String>) -> Error {
        let now = self.cx.clock().now();
        let (waited, still) = (
            now.saturating_sub(self.began.clock),
            now.saturating_sub(self.changed.clock),
        );
        let found = if waited >= deadline.total {
            format!("it was not so after {}", say(waited))
        } else {
            format!(
                "nothing changed for {} ({} in all)",
                say(still),
                say(waited)
            )
        };
        let next = next.unwrap_or_else(|| match &self.blocker {
            Some(blocker) => format!("see to {blocker}, then run again: it goes on from here"),
            None => {
                "look at why it does not go on, then run again: it goes on from here".to_owned()
            }
        });
        let error = Error::terminal(attempted, format!("{found}; {}", self.last_seen())).next(next);
        match &self.trouble {
            Some(trouble) => error.because(trouble.clone()),
            None => error,
        }
    }

    /// The run is to stop: the error keeps what was seen.
    fn stopped(&self, error: Error) -> Error {
        if self.seen.is_none() {
            return error;
        }
        let stopped = Error::new(
            error.class(),
            error.attempted(),
            format!("{}; {}", error.found(), self.last_seen()),
        );
        match error.what_next() {
            Some(next) => stopped.next(next),
            None => stopped,
        }
    }
}

impl Drop for Sight<'_> {
    fn drop(&mut self) {
        self.cx.touch();
        self.cx.track.waits.fetch_sub(1, Ordering::SeqCst);
        let time = self.cx.clock().now().saturating_sub(self.began.clock);
        let mut longest = self
            .cx
            .track
            .longest
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if longest.as_ref().is_none_or(|before| before.time < time) {
            *longest = Some(Waited {
                what: self.what.clone(),
                time,
            });
        }
    }
}
