//! What every fake of the lab takes from the one who starts it: the time, and a hand on every call.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

/// Virtual time since the lab's world began. Never goes back.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Real time since this call.
pub fn real_clock() -> Clock {
    let start = Instant::now();
    Arc::new(move || start.elapsed())
}

/// When a tap is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The call has arrived and was not acted upon.
    Before,
    /// The call was acted upon and not answered yet.
    After,
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// The connection is cut without an answer.
    Drop,
    /// This is answered instead: status, headers, body. Where the protocol is not HTTP it is an error with the body as its text.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
}

/// Sees every call ("POST /v2/snaps/maas", "exec maas init") twice and may hold it, cut it or answer it.
pub type Tap = Arc<dyn Fn(Phase, &str) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// A tap that lets everything pass.
pub fn open_tap() -> Tap {
    Arc::new(|_, _| Box::pin(async { Verdict::Continue }))
}

/// Called after each change of a fake's state, before the answer goes out.
pub type Changed = Arc<dyn Fn() + Send + Sync>;

/// Nobody listens.
pub fn nobody() -> Changed {
    Arc::new(|| {})
}

/// Time, tap and listener together.
#[derive(Clone)]
pub struct Hooks {
    /// The time.
    pub clock: Clock,
    /// The hand on every call.
    pub tap: Tap,
    /// The listener.
    pub changed: Changed,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            clock: real_clock(),
            tap: open_tap(),
            changed: nobody(),
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}
