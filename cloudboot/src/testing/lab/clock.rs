//! The lab's time: virtual, at any speed, and kept over restarts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How far the time runs ahead of a world that doesn't keep up, in real time.
const AHEAD: Duration = Duration::from_millis(500);

/// Virtual time since the world began.
///
/// It runs `speed` times as fast as real time while the lab is open, stands still while it is closed,
/// and goes on from where it was saved. While this machine is so busy that the world's causes don't get their turn, it waits for
/// them: nobody's deadline passes because of work that the lab itself has not done.
#[derive(Clone, Debug)]
pub struct LabClock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The time at the last beat.
    beat: Mutex<Beat>,
    speed: f64,
}

#[derive(Debug, Clone, Copy)]
struct Beat {
    virtual_time: Duration,
    at: Instant,
    /// There is a world that beats.
    held: bool,
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
                beat: Mutex::new(Beat {
                    virtual_time: saved,
                    at: Instant::now(),
                    held: false,
                }),
                speed,
            }),
        }
    }

    /// Virtual time since the world began.
    pub fn now(&self) -> Duration {
        self.since(*self.beat_of())
    }

    fn beat_of(&self) -> MutexGuard<'_, Beat> {
        let beat = &self.inner.beat;
        beat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since(&self, beat: Beat) -> Duration {
        let passed = beat.at.elapsed();
        let passed = if beat.held { passed.min(AHEAD) } else { passed };
        beat.virtual_time + passed.mul_f64(self.inner.speed)
    }

    /// The world has seen to all that was due.
    pub(super) fn keeps_up(&self) {
        let mut beat = self.beat_of();
        *beat = Beat {
            virtual_time: self.since(*beat),
            at: Instant::now(),
            held: true,
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_a_world_that_does_not_keep_up() {
        let clock = LabClock::resume(Duration::from_secs(100), 1000.0);
        clock.keeps_up();
        std::thread::sleep(AHEAD + Duration::from_millis(200));
        let late = clock.now();
        assert!(
            late <= Duration::from_secs(100) + AHEAD.mul_f64(1001.0),
            "{late:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(clock.now(), late);
        clock.keeps_up();
        std::thread::sleep(Duration::from_millis(20));
        assert!(clock.now() >= late + Duration::from_secs(20));
    }
}
