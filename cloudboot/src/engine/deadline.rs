//! Watching over a step's deadline while it is applied or undone.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::attempt::Attempt;
use super::report::say;
use super::{Context, Error};

impl Attempt {
    /// Watches over the deadline, from the first `apply` on. Ends only when the step did not stop
    /// at its deadline.
    pub(super) async fn supervise(&self) -> Error {
        self.begun.notified().await;
        let (clock, track) = (self.cx.clock(), &self.cx.track);
        let deadline = self.step.deadline();
        let began = self.cx.common.moment();
        let found = loop {
            let total = self.cx.common.left(began, deadline.total);
            let so_far = clock.now().saturating_sub(began.clock);
            if total.is_zero() {
                break format!("it was not done after {}", say(so_far));
            }
            let touched = *track.touched.lock().unwrap_or_else(PoisonError::into_inner);
            let mut stall = self.cx.common.left(touched, deadline.stall);
            if track.waits.load(Ordering::SeqCst) > 0 {
                // What waits has a stall of its own.
                stall = deadline.stall;
            }
            if stall.is_zero() {
                break format!(
                    "nothing was heard of it for {} ({} in all)",
                    say(clock.now().saturating_sub(touched.clock)),
                    say(so_far)
                );
            }
            clock.sleep(total.min(stall)).await;
        };
        let seen = track
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let found = match seen {
            Some(seen) => format!("{found}; last seen: {seen}"),
            None => found,
        };
        let error = Error::terminal(&self.about, found)
            .next("look at the system, then run again: it goes on from what stands");
        *track
            .why_expired
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        track.expired.cancel();
        // It stops at its next intent or wait. A call in flight is left to end.
        self.parts.host_clock.sleep(self.parts.patience).await;
        let found = format!(
            "{}; a call of it did not return for {} more",
            error.found(),
            say(self.parts.patience)
        );
        Error::terminal(&self.about, found)
            .next("look at the system before running again: the call may still be acted upon")
    }
}

/// A pause of the engine's own is no stall of the step.
pub(super) struct Resting<'a>(&'a Context);

impl<'a> Resting<'a> {
    pub(super) fn new(cx: &'a Context) -> Self {
        cx.track.waits.fetch_add(1, Ordering::SeqCst);
        Self(cx)
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.touch();
        self.0.track.waits.fetch_sub(1, Ordering::SeqCst);
    }
}
