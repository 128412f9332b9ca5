//! A bad network between the console and a BMC, in real time.

use std::time::Duration;

use rand::Rng;

/// Faults of the way to a BMC and back, each direction on its own. The default is a perfect network.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Network {
    /// Which part of the datagrams is lost, 0 to 1.
    pub loss: f64,
    /// Which part arrives twice.
    pub duplicate: f64,
    /// Which part is held back until later ones have passed.
    pub reorder: f64,
    /// How long each datagram takes, one way.
    pub delay: Duration,
    /// Nothing passes at all.
    pub down: bool,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            delay: Duration::ZERO,
            down: false,
        }
    }
}

impl Network {
    /// A network that only delays, one way.
    #[must_use]
    pub fn delay(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    /// Sets the loss.
    #[must_use]
    pub fn loss(mut self, loss: f64) -> Self {
        self.loss = loss;
        self
    }

    /// Sets duplication and reordering.
    #[must_use]
    pub fn chaos(mut self, duplicate: f64, reorder: f64) -> Self {
        self.duplicate = duplicate;
        self.reorder = reorder;
        self
    }

    pub(crate) fn is_perfect(&self) -> bool {
        *self == Self::default()
    }

    /// When the copies of one datagram arrive, counted from now.
    pub(crate) fn fate(&self) -> Vec<Duration> {
        if self.down {
            return Vec::new();
        }
        let mut rng = rand::rng();
        let mut chance = |part: f64| part > 0.0 && rng.random::<f64>() < part;
        if chance(self.loss) {
            return Vec::new();
        }
        let held = if chance(self.reorder) {
            self.delay + Duration::from_millis(15)
        } else {
            self.delay
        };
        if chance(self.duplicate) {
            vec![held, held + Duration::from_millis(2)]
        } else {
            vec![held]
        }
    }
}
