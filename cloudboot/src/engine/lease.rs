//! Who may change a deployment: one runner at a time, a dead one's run is adopted.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::report::say;
use super::store::{Holder, Lease, StateStore};
use super::{Clock, Error};

/// The runs of this process that are under way. A run that was dropped is not among them, so
/// that it can be adopted although its process lives.
static UNDER_WAY: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn under_way<T>(f: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
    f(&mut UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A run of this process, until it ends or is dropped, wherever it is.
struct UnderWay(String);

impl UnderWay {
    fn begin(run: &str) -> Self {
        under_way(|runs| runs.insert(run.to_owned()));
        Self(run.to_owned())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        under_way(|runs| runs.remove(&self.0));
    }
}

/// What can be said of a lease's holder.
#[derive(Debug, PartialEq, Eq)]
enum Holds {
    /// It runs in this process.
    Alive,
    /// It is known to have ended.
    Dead,
    /// It is another living process, or on another machine: only its renewals tell.
    Elsewhere,
}

/// Where and what this process is.
fn me(run: &str, since: Timestamp) -> Holder {
    let line = |path: &str| {
        fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let host = line("/proc/sys/kernel/hostname");
    let pid = std::process::id();
    Holder {
        host: if host.is_empty() {
            "this host".to_owned()
        } else {
            host
        },
        machine: line("/etc/machine-id"),
        boot: line("/proc/sys/kernel/random/boot_id"),
        pid,
        started: started(pid).unwrap_or_default(),
        namespace: fs::read_link("/proc/self/ns/pid")
            .map(|it| it.display().to_string())
            .unwrap_or_default(),
        run: run.to_owned(),
        since,
    }
}

/// When a process began (field 22 of `/proc/PID/stat`); `None` when there is none, or it has ended
/// and only waits to be reaped.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces and parentheses itself.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn judge(holder: &Holder, me: &Holder) -> Holds {
    if holder.host != me.host || holder.machine != me.machine {
        return Holds::Elsewhere;
    }
    if holder.boot != me.boot {
        // The same machine was restarted; without a machine id it may be a namesake.
        return if me.machine.is_empty() {
            Holds::Elsewhere
        } else {
            Holds::Dead
        };
    }
    if holder.namespace != me.namespace {
        return Holds::Elsewhere;
    }
    if holder.pid == me.pid && holder.started == me.started {
        return if under_way(|runs| runs.contains(&holder.run)) {
            Holds::Alive
        } else {
            Holds::Dead
        };
    }
    match started(holder.pid) {
        // It may have dropped its run, or be stopped for good: its renewals tell.
        Some(started) if started == holder.started => Holds::Elsewhere,
        _ => Holds::Dead,
    }
}

/// A lease that is held and renewed until this is released or dropped.
pub(super) struct Held {
    store: Arc<dyn StateStore>,
    deployment: String,
    generation: u64,
    holder: Holder,
    renewal: JoinHandle<()>,
    _under_way: UnderWay,
}

impl Held {
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Gives the lease back.
    pub(super) async fn release(self) -> Result<(), Error> {
        self.renewal.abort();
        let Some(lease) = self.store.lease(&self.deployment).await? else {
            return Ok(());
        };
        if lease.generation == self.generation {
            let released = Lease {
                holder: None,
                ..lease.clone()
            };
            // Where it changed in between, it is no longer ours to release.
            self.store
                .swap_lease(&self.deployment, Some(&lease), &released)
                .await?;
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Takes the lease, and says whose run is adopted.
///
/// `lost` is cancelled when another runner takes it over. Dates come from the holders' clocks and
/// may jump: a lease that looks expired is watched for a while on the monotonic clock before it is
/// taken.
pub(super) async fn acquire(
    store: Arc<dyn StateStore>,
    deployment: &str,
    ttl: Duration,
    clock: Arc<dyn Clock>,
    lost: CancellationToken,
) -> Result<(Held, Option<Holder>), Error> {
    let run = uuid::Uuid::new_v4().to_string();
    let me = me(&run, clock.timestamp());
    let _under_way = UnderWay::begin(&run);
    let mut watched: Option<Lease> = None;
    for _ in 0..8 {
        let before = store.lease(deployment).await?;
        let holder = before.as_ref().and_then(|lease| lease.holder.clone());
        if let (Some(lease), Some(holder)) = (&before, &holder) {
            match judge(holder, &me) {
                Holds::Alive => return Err(refused(deployment, holder, "it is running")),
                Holds::Elsewhere if watched.as_ref() != Some(lease) => {
                    if watched.is_some() {
                        return Err(refused(deployment, holder, "it has just renewed its lease"));
                    }
                    let stands =
                        Duration::from_secs(lease.ttl_seconds).max(Duration::from_millis(1));
                    let age = Duration::try_from(clock.timestamp().duration_since(lease.renewed));
                    let watch = match age {
                        Ok(age) if age < stands => {
                            let found = format!(
                                "it renewed its lease {} ago, which stands for {}",
                                say(age),
                                say(stands)
                            );
                            return Err(refused(deployment, holder, &found));
                        }
                        // Expired, unless a clock jumped: a living holder renews within a third.
                        Ok(_) => stands / 2,
                        // Renewed in the future: a clock jumped back, and dates say nothing.
                        Err(_) => stands,
                    };
                    clock.sleep(watch).await;
                    watched = before;
                    continue;
                }
                Holds::Elsewhere | Holds::Dead => {}
            }
        }
        let lease = Lease {
            generation: before.as_ref().map_or(0, |lease| lease.generation) + 1,
            beat: 0,
            holder: Some(me.clone()),
            renewed: clock.timestamp(),
            ttl_seconds: ttl.as_secs().max(1),
        };
        if store
            .swap_lease(deployment, before.as_ref(), &lease)
            .await?
        {
            let generation = lease.generation;
            let renewal = renew(
                Arc::clone(&store),
                deployment.to_owned(),
                lease,
                ttl,
                clock,
                lost,
            );
            let renewal = tokio::spawn(renewal);
            let deployment = deployment.to_owned();
            return Ok((
                Held {
                    store,
                    deployment,
                    generation,
                    holder: me,
                    renewal,
                    _under_way,
                },
                holder,
            ));
        }
    }
    Err(Error::transient(
        attempted(deployment),
        "other runners took its lease again and again",
    )
    .next("see what else runs this deployment"))
}

fn attempted(deployment: &str) -> String {
    format!("begin a run of `{deployment}`")
}

fn refused(deployment: &str, holder: &Holder, found: &str) -> Error {
    Error::terminal(
        attempted(deployment),
        format!("another runner holds it: {holder}; {found}"),
    )
    .next("wait until that one ends, or stop it; its run then goes on here")
}

/// Renews the lease three times in its life, until it is lost.
async fn renew(
    store: Arc<dyn StateStore>,
    deployment: String,
    mut lease: Lease,
    ttl: Duration,
    clock: Arc<dyn Clock>,
    lost: CancellationToken,
) {
    loop {
        clock.sleep(ttl / 3).await;
        let next = Lease {
            beat: lease.beat + 1,
            renewed: clock.timestamp(),
            ..lease.clone()
        };
        match store.swap_lease(&deployment, Some(&lease), &next).await {
            Ok(true) => lease = next,
            Ok(false) => match store.lease(&deployment).await {
                // A renewal whose answer was lost.
                Ok(Some(now))
                    if now.generation == lease.generation && now.holder == lease.holder =>
                {
                    lease = now
                }
                Ok(_) => {
                    lost.cancel();
                    return;
                }
                Err(error) => tracing::warn!(%error, "the lease could not be read"),
            },
            // The store fences each append besides: what cannot renew cannot journal either.
            Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
        }
    }
}
