//! Round-trip estimation, as TCP does it (RFC 6298): retransmissions adapt to the BMC.

use std::time::Duration;

/// Smoothed round-trip time and its variation. Samples of retransmitted messages are ambiguous and are not taken (Karn).
#[derive(Debug, Clone, Copy, Default)]
pub struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
}

impl Rtt {
    /// Takes a sample.
    pub fn sample(&mut self, rtt: Duration) {
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.variation = rtt / 2;
            }
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(rtt)) / 4;
                self.smoothed = Some((smoothed * 7 + rtt) / 8);
            }
        }
    }

    /// The smoothed round-trip time, once there is a sample.
    #[must_use]
    pub fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// How long to wait before the `attempt`th transmission (counted from 1) is repeated: at least `floor`, half as long again each time, at most `ceiling`.
    #[must_use]
    pub fn timeout(
        &self,
        attempt: u32,
        unknown: Duration,
        floor: Duration,
        ceiling: Duration,
    ) -> Duration {
        let base = match self.smoothed {
            None => unknown,
            Some(smoothed) => (smoothed + self.variation * 4).max(floor),
        };
        let mut wait = base;
        for _ in 1..attempt.min(12) {
            wait = wait * 3 / 2;
            if wait >= ceiling {
                break;
            }
        }
        wait.min(ceiling)
    }
}
