//! Convergence: whether a model has come to rest as it should, why not, and waiting for it.

mod explain;
mod judge;

use std::time::Duration;

pub use explain::{Blocker, explain};
pub use judge::{Converged, Failure, Judgement, vault_waits_for_init};

use crate::api::status::FullStatus;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};

/// How long to wait, and for how long with nothing changing.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// In all.
    pub total: Duration,
    /// Without any change.
    pub stall: Duration,
    /// Between two looks.
    pub poll: Duration,
}

impl Deadline {
    /// Up to `total` in all, up to half of it with nothing changing, a look every two seconds.
    pub fn total(total: Duration) -> Self {
        Self {
            total,
            stall: total / 2,
            poll: Duration::from_secs(2),
        }
    }
}

/// Waits until a condition holds over the model's status.
///
/// Cancel safe.
///
/// # Errors
/// [`ErrorKind::Failed`] at once on a state that does not mend itself, [`ErrorKind::Timeout`] with the last observation and the
/// root blocker when a deadline passes; the connection's errors are waited out while the deadline lasts.
pub async fn wait_for<F>(
    client: &Client,
    what: &str,
    mut condition: F,
    deadline: Deadline,
) -> Result<FullStatus>
where
    F: FnMut(&FullStatus) -> Judgement,
{
    let begin = tokio::time::Instant::now();
    let mut changed = begin;
    let mut last = String::new();
    loop {
        match client.status().await {
            Ok(status) => {
                let pending = match condition(&status) {
                    Judgement::Settled => return Ok(status),
                    Judgement::Failed(f) => {
                        return Err(Error::new(
                            ErrorKind::Failed,
                            format!("wait for {what}"),
                            f.to_string(),
                        ));
                    }
                    Judgement::Pending { state, .. } => state,
                };
                if pending != last {
                    changed = tokio::time::Instant::now();
                    last = pending;
                }
                let (waited, still) = (begin.elapsed(), changed.elapsed());
                if waited >= deadline.total || still >= deadline.stall {
                    let how = if waited >= deadline.total {
                        format!("not within {:?}", deadline.total)
                    } else {
                        format!("no change for {still:?}")
                    };
                    let mut e = Error::new(
                        ErrorKind::Timeout,
                        format!("wait for {what}"),
                        format!("{how}; last seen: {last}"),
                    );
                    if let Some(b) = explain(&status) {
                        e = e.hint(format!("what blocks: {b}"));
                    }
                    return Err(e);
                }
            }
            Err(e) if e.is_retryable() && begin.elapsed() < deadline.total => {
                tracing::debug!(service = "juju", error = %e, "status");
            }
            Err(e) => return Err(e),
        }
        tokio::time::sleep(deadline.poll).await;
    }
}
