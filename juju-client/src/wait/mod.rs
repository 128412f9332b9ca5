//! Convergence: whether a model has come to rest as it should, why not, and waiting for it.

mod condition;
mod explain;
mod feed;
mod judge;

use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

pub use condition::Condition;
pub use explain::{Blocker, explain};
pub(crate) use feed::FeedSlot;
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
    /// Between two looks. Those who wait on one client share its looks: the shortest pause counts.
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

/// Waits until a condition holds over the model's status, be it a closure, [`Converged`] or a [`Condition`].
///
/// All who wait on one client (or its clones) share its looks at the model. On 3.x `AllWatcher` says when to look; 4.x has no such
/// watcher and is polled.
///
/// Cancel safe.
///
/// # Errors
/// [`ErrorKind::Failed`] at once on a state that does not mend itself, [`ErrorKind::Timeout`] with the last observation and the
/// root blocker when a deadline passes or nothing has changed for too long; the connection's errors are waited out while the deadline lasts.
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
    let feed = feed::Feed::of(client, deadline.poll);
    let mut looks = feed.subscribe();
    let mut changed = begin;
    let mut last: Option<(u64, String)> = None;
    let mut seen: Option<FullStatus> = None;
    let mut trouble: Option<Error> = None;
    loop {
        let look = looks.borrow_and_update().clone();
        // What was asked for before may not show what the caller has done since.
        if let Some(look) = look.filter(|l| l.begun >= begin) {
            match &look.outcome {
                Ok(status) => {
                    let state = match condition(status) {
                        Judgement::Settled => return Ok(status.clone()),
                        Judgement::Failed(f) => {
                            return Err(Error::new(
                                ErrorKind::Failed,
                                format!("wait for {what}"),
                                f.to_string(),
                            ));
                        }
                        Judgement::Pending { state, .. } => state,
                    };
                    let now = (digest(status), state);
                    if last.as_ref() != Some(&now) {
                        changed = tokio::time::Instant::now();
                        last = Some(now);
                    }
                    seen = Some(status.clone());
                    trouble = None;
                }
                Err(e) if e.is_retryable() => {
                    tracing::debug!(service = "juju", error = %e, "status");
                    trouble = Some(e.again());
                }
                Err(e) => return Err(e.again()),
            }
        }
        let over = begin + deadline.total;
        let still = changed + deadline.stall;
        // The connection's trouble is no stall of the model's.
        let until = if trouble.is_some() {
            over
        } else {
            over.min(still)
        };
        if tokio::time::Instant::now() >= until {
            if let Some(e) = trouble {
                return Err(e);
            }
            let how = if tokio::time::Instant::now() >= over {
                format!("not within {:?}", deadline.total)
            } else {
                format!("no change for {:?}", changed.elapsed())
            };
            let last = last.map_or_else(|| "nothing".to_owned(), |(_, s)| s);
            let mut e = Error::new(
                ErrorKind::Timeout,
                format!("wait for {what}"),
                format!("{how}; last seen: {last}"),
            );
            if let Some(b) = seen.as_ref().and_then(explain) {
                e = e.hint(format!("what blocks: {b}"));
            }
            return Err(e);
        }
        if let Ok(Err(_)) = tokio::time::timeout_at(until, looks.changed()).await {
            return Err(Error::new(
                ErrorKind::Closed,
                format!("wait for {what}"),
                "the looks at the model have ended",
            ));
        }
    }
}

/// All that moves in a model, without its times: what has another digest has changed.
fn digest(status: &FullStatus) -> u64 {
    let mut h = std::hash::DefaultHasher::new();
    for (name, u) in status.units() {
        (name, &u.machine, &u.public_address).hash(&mut h);
        (&u.agent_status.status, &u.agent_status.info).hash(&mut h);
        (&u.workload_status.status, &u.workload_status.info).hash(&mut h);
    }
    for m in status.all_machines() {
        (&m.id, &m.instance_id, &m.dns_name).hash(&mut h);
        (&m.agent_status.status, &m.agent_status.info).hash(&mut h);
        (&m.instance_status.status, &m.instance_status.info).hash(&mut h);
    }
    for (name, a) in &status.applications {
        (name, &a.life, &a.charm, &a.status.status, &a.status.info).hash(&mut h);
    }
    h.finish()
}
