//! How long the core waits for what.

use std::time::Duration;

/// Waiting times and attempts of a session. Retransmission adapts to the measured round-trip time; these are its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// The first timeout while nothing is known of the BMC (default 250 ms).
    pub first: Duration,
    /// The shortest timeout of RAKP messages, whose hashes a slow BMC needs time for (default 150 ms).
    pub rakp: Duration,
    /// The shortest timeout of commands (default 100 ms).
    pub command: Duration,
    /// The longest timeout between two transmissions (default 2 s).
    pub ceiling: Duration,
    /// Transmissions of a command without an answer after which the session is taken for lost and opened anew (default 4).
    pub lost_after: u32,
    /// The first pause after "no free session"; it grows by half each time up to the ceiling (default 200 ms).
    pub backoff: Duration,
    /// An open session without work is closed after this long, since slots are few (default 20 s; a BMC drops it after 60 s).
    pub idle: Duration,
    /// Instead of closing it, keep an idle session alive by a command this often (default: do not).
    pub keepalive: Option<Duration>,
    /// How often Close Session is sent when nothing answers (default 3).
    pub close_attempts: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            rakp: Duration::from_millis(150),
            command: Duration::from_millis(100),
            ceiling: Duration::from_secs(2),
            lost_after: 4,
            backoff: Duration::from_millis(200),
            idle: Duration::from_secs(20),
            keepalive: None,
            close_attempts: 3,
        }
    }
}
