//! Futures that go on although whoever waits for them is busy with something else.
//!
//! A connection to LXD must never stand and stay silent: of 5.0 the daemon's accept loop waits for
//! the first bytes of each connection to its unix socket before it takes the next one, so that a
//! silent one stalls everybody. A future only moves when it is polled, and one that waits its turn
//! in a `buffer_unordered` or lost a round of a `select!` may rest right between connecting and
//! writing. So what connects runs in a task of its own, which is cut off when its future is
//! dropped: the connection is closed then, which lets the daemon go on too.

use std::future::Future;

use tokio::task::JoinSet;

use crate::{Error, ErrorKind};

/// Runs a future in a task that ends with this one. `None` for an error: the runtime is shutting
/// down.
pub(crate) async fn to_the_end<T, E>(
    future: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, Option<E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    // Aborts its tasks when it is dropped.
    let mut task = JoinSet::new();
    task.spawn(future);
    match task.join_next().await {
        Some(Ok(result)) => result.map_err(Some),
        Some(Err(_)) | None => Err(None),
    }
}

/// What the second kind of failure means.
pub(crate) fn shut_down(attempted: &str, mutating: bool) -> Error {
    let what = "the runtime was shut down before the answer came";
    Error::new(ErrorKind::Connection, attempted, what).unclear(mutating)
}
