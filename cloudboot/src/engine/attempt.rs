//! One step's way to its end: observe, apply what does not stand, observe again.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::builder::Parts;
use super::context::{Common, Moment, Phase, Track};
use super::deadline::Resting;
use super::erased::Erased;
use super::graph::{Outputs, Value};
use super::report::say;
use super::store::Record;
use super::{By, Class, Context, Error, Event, Failure, Observation, Undo, Waited};

/// How long, by the host's clock, an observation may go on after the run was to stop.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

/// How a step's attempt ended.
pub(super) enum End {
    /// It stands.
    Stands(Value, By),
    /// It was only looked at, and does not stand; what is left of it may still have an output.
    Unmet(Observation<()>, Option<Value>),
    /// It failed.
    Failed(Error),
}

/// How a step's attempt ended, and what it took.
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) attempts: u32,
    pub(super) changed: bool,
    pub(super) longest_wait: Option<Waited>,
}

/// A step that is about to run, with what it needs.
pub(super) struct Attempt {
    pub(super) step: Arc<dyn Erased>,
    pub(super) about: String,
    outputs: Outputs,
    pub(super) parts: Arc<Parts>,
    pub(super) cx: Context,
    pub(super) begun: Notify,
}

impl Attempt {
    pub(super) fn new(
        step: Arc<dyn Erased>,
        outputs: Outputs,
        parts: Arc<Parts>,
        common: Arc<Common>,
    ) -> Self {
        let cx = Context {
            common,
            step: step.id(),
            phase: Phase::Observe,
            track: Arc::new(Track::default()),
        };
        Self {
            about: step.about(),
            step,
            outputs,
            parts,
            cx,
            begun: Notify::new(),
        }
    }

    /// The whole way.
    pub(super) async fn run(self) -> Ended {
        let mut attempts = 0;
        let deadline = self.supervise();
        let result = tokio::select! {
            biased;
            result = self.until_it_stands(&mut attempts) => result,
            error = deadline => Err(error),
        }
        .map_err(|error| self.clean(error));
        if let Err(error) = &result {
            let step = self.cx.step.clone();
            self.note(Record::Failed {
                step,
                class: error.class(),
                error: error.to_string(),
            })
            .await;
        }
        let end = match result {
            Ok((output, by)) => End::Stands(output, by),
            Err(error) => End::Failed(error),
        };
        self.ended(end, attempts)
    }

    /// Observes, and no more. A patient look tries again where it failed; a recalling one asks for
    /// the output of what stands only in part.
    pub(super) async fn look(self, patient: bool, recall: bool) -> Ended {
        let seen = if patient {
            self.observe().await
        } else {
            self.observe_once().await
        };
        let end = match seen {
            Ok(Observation::Satisfied(output)) => End::Stands(output, By::AlreadyStood),
            Ok(unmet) if recall => match self.recall().await {
                Ok(recalled) => End::Unmet(unmet.map(drop), recalled),
                Err(error) => End::Failed(self.clean(error)),
            },
            Ok(unmet) => End::Unmet(unmet.map(drop), None),
            Err(error) => End::Failed(self.clean(error)),
        };
        self.ended(end, 0)
    }

    async fn recall(&self) -> Result<Option<Value>, Error> {
        self.guarded(
            "look at what is left of it",
            self.step.recall(&self.outputs, &self.cx),
        )
        .await
    }

    /// Takes the step back under its deadline; tried again like `apply`.
    pub(super) async fn undo(&self) -> Result<Undo, Error> {
        self.begun.notify_one();
        tokio::select! {
            biased;
            result = self.until_undone() => result,
            error = self.supervise() => Err(error),
        }
        .map_err(|error| self.clean(error))
    }

    async fn until_undone(&self) -> Result<Undo, Error> {
        let cx = Context {
            phase: Phase::Undo,
            ..self.cx.clone()
        };
        let step = || self.cx.step.clone();
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.cx.touch();
            let attempted = format!("take back `{}`", step());
            self.cx.go_on(&attempted)?;
            self.journal(&attempted, Record::Undoing { step: step() })
                .await?;
            match self
                .guarded("take it back", self.step.undo(&self.outputs, &cx))
                .await
            {
                Ok(result) => {
                    self.note(Record::Undone {
                        step: step(),
                        result: result.clone(),
                    })
                    .await;
                    return Ok(result);
                }
                Err(error) => self.pause_or_give_up(error, attempt).await?,
            }
        }
    }

    /// What the step waited for the longest.
    pub(super) fn longest_wait(&self) -> Option<Waited> {
        self.cx
            .track
            .longest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn clean(&self, error: Error) -> Error {
        self.cx.common.secrets.clean_error(error)
    }

    fn ended(self, end: End, attempts: u32) -> Ended {
        let track = &self.cx.track;
        let changed = !track
            .did
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        Ended {
            end,
            attempts,
            changed,
            longest_wait: self.longest_wait(),
        }
    }

    async fn until_it_stands(&self, attempts: &mut u32) -> Result<(Value, By), Error> {
        let mut approved = false;
        let mut failed: Option<Error> = None;
        loop {
            let (why, destroys) = match self.seen().await? {
                Observation::Satisfied(output) if *attempts == 0 => {
                    return Ok((output, By::AlreadyStood));
                }
                Observation::Satisfied(output) => return self.applied(output).await,
                Observation::Absent { why } | Observation::Blocked { by: why, .. } => (why, false),
                Observation::Drifted { what, destructive } => (what.join("; "), destructive),
            };
            if let Some(error) = failed.take()
                && *attempts >= self.parts.retry.attempts
            {
                return Err(gave_up(error, *attempts));
            }
            if !approved {
                self.approve(&why, destroys).await?;
                approved = true;
            }
            self.cx.go_on(&self.about)?;
            let step = self.cx.step.clone();
            self.journal(
                &self.about,
                Record::Applying {
                    step: step.clone(),
                    why: why.clone(),
                },
            )
            .await?;
            self.cx.tell(Event::Applying {
                at: self.cx.now(),
                step,
                why,
            });
            *attempts += 1;
            self.cx.touch();
            self.begun.notify_one();
            let cx = Context {
                phase: Phase::Apply,
                ..self.cx.clone()
            };
            match self
                .guarded("apply it", self.step.apply(&self.outputs, &cx))
                .await
            {
                Ok(()) => return self.confirm().await,
                Err(error) => {
                    // An unclear failure is observed again even where it was the last attempt.
                    let attempt = (*attempts).min(self.parts.retry.attempts.saturating_sub(1));
                    failed = Some(error.clone());
                    self.pause_or_give_up(error, attempt).await?;
                }
            }
        }
    }

    async fn applied(&self, output: Value) -> Result<(Value, By), Error> {
        self.note(Record::Stood {
            step: self.cx.step.clone(),
            by: By::Applied,
        })
        .await;
        Ok((output, By::Applied))
    }

    /// `apply` said that it is done: it is when the system says so.
    async fn confirm(&self) -> Result<(Value, By), Error> {
        let mut settle = self.parts.retry.settle;
        let mut looks = 0;
        let still = loop {
            let still = match self.seen().await? {
                Observation::Satisfied(output) => return self.applied(output).await,
                Observation::Absent { why } | Observation::Blocked { by: why, .. } => why,
                Observation::Drifted { what, .. } => what.join("; "),
            };
            looks += 1;
            if looks > 3 {
                break still;
            }
            self.cx.sleep(settle).await?;
            settle *= 2;
        };
        let did = self
            .cx
            .track
            .did
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join(", ");
        let did = if did.is_empty() {
            "change nothing".to_owned()
        } else {
            did
        };
        Err(Error::terminal(
            &self.about,
            format!("it set out to {did}, met no error, and still: {still}"),
        )
        .next("look at the system; running again tries anew"))
    }

    async fn approve(&self, why: &str, destroys: bool) -> Result<(), Error> {
        let mending = destroys.then(|| format!("mending this destroys something: {why}"));
        let question = match (self.step.approval(), mending) {
            (None, None) => return Ok(()),
            (Some(question), None) | (None, Some(question)) => question,
            (Some(question), Some(mending)) => format!("{question}; {mending}"),
        };
        self.parts
            .approvals
            .decide(&self.cx, &self.about, &question)
            .await
    }

    /// Observes until something can be done: what blocks may go away by itself.
    async fn seen(&self) -> Result<Observation<Value>, Error> {
        let deadline = self.step.deadline();
        let mut blocked: Option<Blocked> = None;
        let mut pause = self.parts.retry.first;
        loop {
            let by = match self.observe().await? {
                Observation::Blocked { by, operator: true } => {
                    return Err(
                        Error::needs_operator(&self.about, by).next("see to it, then run again")
                    );
                }
                Observation::Blocked {
                    by,
                    operator: false,
                } => by,
                other => return Ok(other),
            };
            let now = self.cx.common.moment();
            let at = self.cx.now();
            let before = blocked.get_or_insert_with(|| Blocked {
                by: String::new(),
                began: now,
                began_at: at,
                changed: now,
            });
            if before.by != by {
                self.cx.tell(Event::Waiting {
                    at,
                    step: self.cx.step.clone(),
                    what: "what comes before it".to_owned(),
                    since: before.began_at,
                    state: by.clone(),
                    progress: None,
                });
                self.cx.saw(by.clone());
                (before.by, before.changed) = (by, now);
            }
            let stall = self.cx.common.left(before.changed, deadline.stall);
            let left = stall.min(self.cx.common.left(before.began, deadline.total));
            if left.is_zero() {
                let found = format!(
                    "for {} it was blocked: {}",
                    say(now.clock.saturating_sub(before.began.clock)),
                    before.by
                );
                return Err(Error::terminal(&self.about, found)
                    .next("see to what blocks it, then run again"));
            }
            let _resting = Resting::new(&self.cx);
            self.cx.sleep(pause.min(left)).await?;
            pause = (pause * 2).min(self.parts.retry.longest);
        }
    }

    /// Observes; where the system could not be asked, tries again.
    async fn observe(&self) -> Result<Observation<Value>, Error> {
        let mut attempt = 0;
        loop {
            match self.observe_once().await {
                Ok(seen) => return Ok(seen),
                Err(error) => {
                    attempt += 1;
                    self.pause_or_give_up(error, attempt).await?;
                }
            }
        }
    }

    async fn observe_once(&self) -> Result<Observation<Value>, Error> {
        let patience = self.parts.patience;
        tokio::select! {
            biased;
            seen = self.guarded("observe it", self.step.observe(&self.outputs, &self.cx)) => seen,
            () = self.stopped_for(CANCEL_PATIENCE) => {
                self.cx.go_on(&self.about)?;
                Err(Error::cancelled(&self.about))
            }
            () = self.parts.host_clock.sleep(patience) => Err(Error::terminal(
                &self.about,
                format!("its system did not answer within {}", say(patience)),
            )
            .next("see whether the system answers at all, then run again")),
        }
    }

    /// Ends so long after the run was to stop: to drop an observation changes nothing.
    async fn stopped_for(&self, patience: Duration) {
        self.cx.stopped().await;
        self.parts.host_clock.sleep(patience).await;
    }

    /// A panic in a step is the step's failure, not the run's.
    async fn guarded<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => {
                let said = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "without a word".to_owned());
                Err(Error::terminal(
                    &self.about,
                    format!("the attempt to {doing} panicked: {said}"),
                )
                .next("this is a mistake in the step's program: report it"))
            }
        }
    }

    /// Sleeps before the next attempt, or gives the error back where there is to be none.
    async fn pause_or_give_up(&self, error: Error, attempt: u32) -> Result<(), Error> {
        let retry = &self.parts.retry;
        if !matches!(error.class(), Class::Transient | Class::Unclear) {
            return Err(error);
        }
        if attempt >= retry.attempts {
            return Err(gave_up(error, attempt));
        }
        let doubled = retry
            .first
            .saturating_mul(1 << attempt.saturating_sub(1).min(20))
            .min(retry.longest);
        let settle = if error.is_unclear() {
            retry.settle
        } else {
            Duration::ZERO
        };
        let after = doubled
            .max(settle)
            .max(error.wait_before_retry().unwrap_or_default());
        self.cx.tell(Event::Retried {
            at: self.cx.now(),
            step: self.cx.step.clone(),
            attempt,
            after,
            error: Failure::from(&error),
        });
        let _resting = Resting::new(&self.cx);
        self.cx.sleep(after).await
    }

    async fn journal(&self, attempted: &str, record: Record) -> Result<(), Error> {
        self.cx.append(attempted, record).await
    }

    /// Journals what the system knows anyway: where that fails, the run goes on and says so.
    async fn note(&self, record: Record) {
        if let Err(error) = self.journal("journal how a step ended", record).await {
            self.cx.common.note(error.to_string());
        }
    }
}

/// What blocks a step, and since when.
struct Blocked {
    by: String,
    began: Moment,
    began_at: jiff::Timestamp,
    changed: Moment,
}

fn gave_up(error: Error, attempts: u32) -> Error {
    let mut last = Error::new(
        error.class(),
        error.attempted(),
        format!("{} (tried {attempts} times)", error.found()),
    );
    if let Some(next) = error.what_next() {
        last = last.next(next);
    }
    last.because(error)
}
