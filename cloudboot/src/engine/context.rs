//! What a step is given besides its needs: time, waiting, the journal, secrets.

use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::event::Bus;
use super::journal::{Intent, Journal, Made};
use super::scrub::Scrubber;
use super::store::Record;
use super::wait::{Polled, Wait};
use super::{Clock, Deadline, Error, Event, SecretStore, StepId, Waited};

/// What all steps of a run share.
pub(super) struct Common {
    pub(super) deployment: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) host_clock: Arc<dyn Clock>,
    pub(super) secrets: Arc<Scrubber>,
    pub(super) journal: Journal,
    pub(super) bus: Bus,
    /// The user asked to stop.
    pub(super) cancel: CancellationToken,
    /// The lease went to another runner.
    pub(super) lost: CancellationToken,
    /// What did not stop the run and should be known.
    pub(super) notes: Mutex<Vec<String>>,
}

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    /// By the engine's clock.
    pub(super) clock: Duration,
    /// By the host's.
    host: Duration,
}

impl Common {
    /// Now.
    pub(super) fn moment(&self) -> Moment {
        Moment {
            clock: self.clock.now(),
            host: self.host_clock.now(),
        }
    }

    /// How long it is until `limit` after a moment, by the engine's clock; zero when it is past and
    /// the real time that the clock leaves is past as well.
    pub(super) fn left(&self, since: Moment, limit: Duration) -> Duration {
        let now = self.moment();
        let left = (since.clock + limit).saturating_sub(now.clock);
        if left.is_zero() && now.host.saturating_sub(since.host) < self.clock.least_real() {
            return (limit / 8).max(Duration::from_secs(1));
        }
        left
    }

    pub(super) fn tell(&self, event: Event) {
        self.bus.tell(self.secrets.clean_all(event));
    }

    pub(super) async fn append(&self, attempted: &str, record: Record) -> Result<(), Error> {
        let record = self.secrets.clean_all(record);
        let result = self
            .journal
            .append(attempted, self.clock.timestamp(), record)
            .await;
        if result.as_ref().is_err_and(Error::is_lease_lost) {
            self.lost.cancel();
        }
        result
    }

    pub(super) fn note(&self, note: String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    pub(super) fn notes(&self) -> Vec<String> {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What the engine keeps of one step while it runs.
#[derive(Default)]
pub(super) struct Track {
    /// When something was last seen to change.
    pub(super) touched: Mutex<Moment>,
    /// How many waits of the step are under way: they watch for a stall themselves.
    pub(super) waits: AtomicUsize,
    /// What the step meant to change in this run.
    pub(super) did: Mutex<Vec<String>>,
    /// What was last told of it.
    pub(super) seen: Mutex<Option<String>>,
    pub(super) longest: Mutex<Option<Waited>>,
    /// The step's deadline passed.
    pub(super) expired: CancellationToken,
    pub(super) why_expired: Mutex<Option<Error>>,
}

/// What a step is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Observe,
    Apply,
    Undo,
}

/// What a step is given besides its needs. Clones are the same context.
#[derive(Clone)]
pub struct Context {
    pub(super) common: Arc<Common>,
    pub(super) step: StepId,
    pub(super) phase: Phase,
    pub(super) track: Arc<Track>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("step", &self.step)
            .field("phase", &self.phase)
            .finish()
    }
}

impl Context {
    /// The step's own name.
    pub fn step(&self) -> &StepId {
        &self.step
    }

    /// The deployment's name.
    pub fn deployment(&self) -> &str {
        &self.common.deployment
    }

    /// The engine's clock. Whatever a step measures, it measures with it.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.common.clock
    }

    /// Where secrets are.
    pub fn secrets(&self) -> Arc<dyn SecretStore> {
        Arc::clone(&self.common.secrets) as Arc<dyn SecretStore>
    }

    /// The mark to leave on what is made, wherever its system has a place for one (description,
    /// tag, annotation, file header): `cloudboot:<deployment>`.
    pub fn owner_mark(&self) -> String {
        format!("cloudboot:{}", self.common.deployment)
    }

    /// Says what is about to be changed, before it is. Durable when it returns.
    ///
    /// This is where a run stops that was cancelled, whose deadline passed, or whose lease another
    /// runner took: call it before each change, in the imperative ("create the VM host lab-1").
    ///
    /// # Errors
    /// When the change must not be made.
    pub async fn intend(&self, what: impl Into<String>) -> Result<(), Error> {
        let what = what.into();
        if self.phase == Phase::Observe {
            return Err(Error::terminal(
                &what,
                "a step may change nothing while it observes",
            ));
        }
        self.go_on(&what)?;
        let record = Record::Intent {
            step: self.step.clone(),
            what: what.clone(),
        };
        self.append(&what, record).await?;
        self.saw(format!("it was about to {what}"));
        self.track
            .did
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(what);
        Ok(())
    }

    /// Says what was made: its kind ("vm-host") and its id in its system. Durable when it returns.
    ///
    /// # Errors
    /// When it could not be journalled.
    pub async fn made(&self, what: impl Into<String>, id: impl Into<String>) -> Result<(), Error> {
        let (what, id) = (what.into(), id.into());
        let attempted = format!("journal that {what} {id} was made");
        self.touch();
        self.append(
            &attempted,
            Record::Made {
                step: self.step.clone(),
                what,
                id,
            },
        )
        .await
    }

    /// What a step meant to change, in this run and earlier ones, and was not taken back since.
    /// A hint of what may be ours; the system's own word counts.
    pub fn intents(&self, step: impl Into<StepId>) -> Vec<Intent> {
        self.common.journal.intents(&step.into())
    }

    /// What this step itself meant to change.
    pub fn own_intents(&self) -> Vec<Intent> {
        self.intents(&self.step)
    }

    /// What a step made, in this run and earlier ones, and was not taken back since.
    pub fn things_made(&self, step: impl Into<StepId>) -> Vec<Made> {
        self.common.journal.made(&step.into())
    }

    /// Tells how far the step is: in words, and 0 to 1 where that is known.
    pub fn progress(&self, text: impl Into<String>, progress: impl Into<Option<f32>>) {
        let (text, progress) = (text.into(), progress.into());
        self.saw(text.clone());
        self.tell(Event::Progress {
            at: self.now(),
            step: self.step.clone(),
            text,
            progress,
        });
    }

    /// Waits until `poll` says done, polling with backoff. See [`Wait`] for more.
    ///
    /// # Errors
    /// When `poll` fails for good, the deadline passes or the run is to stop.
    pub async fn wait<T, F, Fut>(
        &self,
        what: impl Into<String>,
        deadline: Deadline,
        poll: F,
    ) -> Result<T, Error>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Polled<T>, Error>>,
    {
        self.waiting(what, deadline).poll(poll).await
    }

    /// A wait whose pace or watch is to be set: `cx.waiting("the image", deadline).watch(notify).poll(..)`.
    pub fn waiting(&self, what: impl Into<String>, deadline: Deadline) -> Wait<'_> {
        Wait::new(self, what.into(), deadline)
    }

    /// Sleeps by the engine's clock, and wakes early where the run is to stop.
    ///
    /// # Errors
    /// When the run is to stop.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Error> {
        tokio::select! {
            biased;
            () = self.stopped() => {}
            () = self.common.clock.sleep(duration) => {}
        }
        self.go_on(&format!("go on with `{}`", self.step))
    }

    /// Whether the step should stop at its next safe point.
    ///
    /// # Errors
    /// When it should, and why.
    pub fn go_on(&self, attempted: &str) -> Result<(), Error> {
        if self.common.lost.is_cancelled() {
            return Err(Error::lease_lost(
                attempted,
                "another runner took the deployment over",
            ));
        }
        if self.common.cancel.is_cancelled() {
            return Err(Error::cancelled(attempted));
        }
        if self.track.expired.is_cancelled() {
            let why = self
                .track
                .why_expired
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            return Err(
                why.unwrap_or_else(|| Error::terminal(attempted, "the step's deadline passed"))
            );
        }
        Ok(())
    }

    pub(super) async fn stopped(&self) {
        tokio::select! {
            () = self.common.cancel.cancelled() => {}
            () = self.common.lost.cancelled() => {}
            () = self.track.expired.cancelled() => {}
        }
    }

    pub(super) async fn append(&self, attempted: &str, record: Record) -> Result<(), Error> {
        self.common.append(attempted, record).await
    }

    pub(super) fn now(&self) -> Timestamp {
        self.common.clock.timestamp()
    }

    pub(super) fn tell(&self, event: Event) {
        self.common.tell(event);
    }

    /// Something of the step was seen to change.
    pub(super) fn saw(&self, what: String) {
        *self
            .track
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(what);
        self.touch();
    }

    pub(super) fn touch(&self) {
        *self
            .track
            .touched
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = self.common.moment();
    }
}
