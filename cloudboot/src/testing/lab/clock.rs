//! The lab's time: virtual, at any speed, and kept over restarts.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// Virtual time since the world began.
///
/// It runs `speed` times as fast as real time while the lab is open, stands still while it is closed,
/// and goes on from where it was saved.
#[derive(Clone, Debug)]
pub struct LabClock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    saved: Duration,
    opened: Instant,
    speed: f64,
}

impl LabClock {
    /// A clock that goes on from `saved` at `speed` virtual seconds a real second.
    pub fn resume(saved: Duration, speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 {
            speed
        } else {
            1.0
        };
        Self {
            inner: Arc::new(Inner {
                saved,
                opened: Instant::now(),
                speed,
            }),
        }
    }

    /// Virtual time since the world began.
    pub fn now(&self) -> Duration {
        self.inner.saved + self.inner.opened.elapsed().mul_f64(self.inner.speed)
    }

    /// Virtual seconds a real second.
    pub fn speed(&self) -> f64 {
        self.inner.speed
    }

    /// The same as a function: the form that the clients' fakes take.
    pub fn as_fn(&self) -> Arc<dyn Fn() -> Duration + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}
