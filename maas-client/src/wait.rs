//! Waiting: what an observation means, and loops that make one call a round.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::{EventParams, Machines, ResultParams};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::SystemId;
use crate::model::{Event, Machine, NodeStatus, ScriptSet};
use crate::{Client, MachineFilter};

mod images;

pub use images::{ImportObservation, WantedImage};

/// What a machine is waited to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MachineGoal {
    /// It exists in any state.
    Known,
    /// Commissioned and free.
    Ready,
    /// Deployed.
    Deployed,
    /// Given back: Ready again, or gone because it was composed on demand.
    Released,
    /// Any state given.
    Status(NodeStatus),
    /// Deleted.
    Gone,
}

/// What an observation of a machine means for a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Judgement {
    /// The goal is reached.
    Reached,
    /// It may still come; the text says what the machine is doing.
    Pending(String),
    /// It cannot come any more without somebody doing something; the text says why.
    Failed(String),
}

impl MachineGoal {
    /// Judges one observation; `None` is a machine that the list did not hold.
    pub fn judge(self, machine: Option<&Machine>) -> Judgement {
        use NodeStatus as S;
        let Some(machine) = machine else {
            return match self {
                Self::Gone | Self::Released => Judgement::Reached,
                Self::Known => Judgement::Pending("not there yet".to_owned()),
                _ => Judgement::Failed("the machine is gone from MAAS".to_owned()),
            };
        };
        let status = machine.status;
        let said = |m: &Machine| {
            let message = m.status_message.trim();
            if message.is_empty() || message == status.to_string() {
                status.to_string()
            } else {
                format!("{status}: {message}")
            }
        };
        let reached = match self {
            Self::Known => true,
            Self::Ready | Self::Released => status == S::Ready,
            Self::Deployed => status == S::Deployed,
            Self::Status(wanted) => status == wanted,
            Self::Gone => false,
        };
        if reached {
            return Judgement::Reached;
        }
        let failed = status.is_failed()
            || match self {
                // Commissioning that was aborted, or never started, ends where it began.
                Self::Ready => matches!(status, S::Deployed | S::Allocated | S::Deploying),
                Self::Deployed => {
                    matches!(status, S::New | S::Ready | S::Releasing | S::Commissioning)
                }
                _ => false,
            };
        if failed && self != Self::Gone {
            Judgement::Failed(said(machine))
        } else {
            Judgement::Pending(said(machine))
        }
    }
}

/// How long to wait, and how often to look.
#[derive(Clone, Copy, Debug)]
pub struct WaitLimits {
    /// In all.
    pub total: Duration,
    /// Without any change of what is observed.
    pub stall: Duration,
    /// Between two looks.
    pub interval: Duration,
}

impl WaitLimits {
    /// So long in all, with no limit of its own for standing still, looking every two seconds.
    pub const fn within(total: Duration) -> Self {
        Self {
            total,
            stall: total,
            interval: Duration::from_secs(2),
        }
    }

    /// Gives up when nothing changes for so long.
    #[must_use]
    pub const fn stall(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Looks so often.
    #[must_use]
    pub const fn every(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }
}

/// Watches one wait: tells when it has taken too long, or stands still.
struct Watch {
    limits: WaitLimits,
    began: Instant,
    changed: Instant,
    last: String,
}

impl Watch {
    fn new(limits: WaitLimits) -> Self {
        let now = Instant::now();
        Self {
            limits,
            began: now,
            changed: now,
            last: String::new(),
        }
    }

    /// Notes an observation and sleeps until the next; an error when a limit is passed.
    async fn next(&mut self, what: &str, seen: String) -> Result<()> {
        if seen != self.last {
            self.last = seen;
            self.changed = Instant::now();
        }
        let over = if self.began.elapsed() >= self.limits.total {
            format!("not done within {:?}", self.limits.total)
        } else if self.changed.elapsed() >= self.limits.stall {
            format!("nothing has changed for {:?}", self.limits.stall)
        } else {
            String::new()
        };
        if !over.is_empty() {
            // Of thousands that are waited for, a page says enough.
            let seen = crate::error::cut(&self.last, 1500);
            let more = if seen.len() < self.last.len() {
                "..."
            } else {
                ""
            };
            let message = format!("{over}; last seen: {seen}{more}");
            return Err(Error::new(ErrorKind::Deadline, what, message));
        }
        let left = self.limits.total.saturating_sub(self.began.elapsed());
        tokio::time::sleep(self.limits.interval.min(left)).await;
        Ok(())
    }
}

impl Machines {
    /// Waits until every machine of `ids` has reached the goal, with one list call a round, and gives
    /// them as they were then (those that are gone are missing).
    ///
    /// Failures of a look that are retryable are looked past.
    ///
    /// # Errors
    /// [`ErrorKind::Failed`] at once when one can no longer reach it, with the scripts that failed and the
    /// last events; [`ErrorKind::Deadline`] with what was last seen.
    pub async fn wait(
        &self,
        ids: &[SystemId],
        goal: MachineGoal,
        limits: WaitLimits,
    ) -> Result<Vec<Machine>> {
        self.wait_watching(ids, goal, limits, |_| {}).await
    }

    /// The same, and shows each round's list as it came: for progress, at no further call. (Of many machines the
    /// list may hold more than those that are waited for.)
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    pub async fn wait_watching(
        &self,
        ids: &[SystemId],
        goal: MachineGoal,
        limits: WaitLimits,
        mut watching: impl FnMut(&[Machine]),
    ) -> Result<Vec<Machine>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let what = format!("wait for {} machine(s) to be {goal:?}", ids.len());
        // An address line holds only so much: for many machines the whole list is cheaper than its filter.
        let filter = if ids.len() <= 50 {
            MachineFilter::new().id(ids.to_vec())
        } else {
            MachineFilter::new()
        };
        let mut watch = Watch::new(limits);
        loop {
            let seen = match self.list(&filter).await {
                Ok(machines) => {
                    watching(&machines);
                    let found: BTreeMap<&SystemId, &Machine> =
                        machines.iter().map(|m| (&m.system_id, m)).collect();
                    let mut pending = Vec::new();
                    for id in ids {
                        match goal.judge(found.get(id).copied()) {
                            Judgement::Reached => {}
                            Judgement::Pending(doing) => pending.push(format!("{id} {doing}")),
                            Judgement::Failed(why) => {
                                return Err(self
                                    .0
                                    .failure(&what, id, found.get(id).copied(), &why)
                                    .await);
                            }
                        }
                    }
                    if pending.is_empty() {
                        let wanted: BTreeSet<&SystemId> = ids.iter().collect();
                        return Ok(machines
                            .into_iter()
                            .filter(|m| wanted.contains(&m.system_id))
                            .collect());
                    }
                    pending.join(", ")
                }
                Err(error) if error.is_retryable() => format!("MAAS does not answer: {error}"),
                Err(error) => return Err(error),
            };
            watch.next(&what, seen).await?;
        }
    }
}

/// What MAAS knows of a machine that can no longer become what was waited for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MachineFailure {
    /// Which machine.
    pub system_id: SystemId,
    /// As it was last seen; `None` when it is gone.
    pub machine: Option<Machine>,
    /// The results of the commissioning, tests or installation that failed; see [`ScriptSet::failures`].
    pub results: Option<ScriptSet>,
    /// Its last events, newest first.
    pub events: Vec<Event>,
}

impl Client {
    /// The error for a machine that failed, with what MAAS knows of why.
    async fn failure(
        &self,
        what: &str,
        id: &SystemId,
        machine: Option<&Machine>,
        why: &str,
    ) -> Error {
        let mut message = match machine {
            Some(m) => format!("{} ({id}) is {why}", m.hostname),
            None => format!("{id}: {why}"),
        };
        let set = match machine.map(|m| m.status) {
            Some(NodeStatus::FailedTesting) => Some("current-testing"),
            Some(NodeStatus::FailedDeployment) => Some("current-installation"),
            Some(NodeStatus::FailedCommissioning) => Some("current-commissioning"),
            _ => None,
        };
        let mut failure = MachineFailure {
            system_id: id.clone(),
            machine: machine.cloned(),
            results: None,
            events: Vec::new(),
        };
        if let Some(set) = set
            && let Ok(set) = self.results().read(id, set, &ResultParams::new()).await
        {
            let failed: Vec<String> = set
                .failures()
                .map(|r| format!("{} {}", r.name, r.status_name))
                .collect();
            if !failed.is_empty() {
                message.push_str(&format!("; scripts: {}", failed.join(", ")));
            }
            failure.results = Some(set);
        }
        let newest = EventParams::new().id(vec![id.clone()]).limit(5u32);
        if let Ok(events) = self.events().query(&newest).await {
            failure.events = events.events;
        }
        if !failure.events.is_empty() {
            let lines: Vec<String> = failure
                .events
                .iter()
                .map(|e| format!("{} {} {}", e.created, e.r#type, e.description))
                .collect();
            message.push_str(&format!("; last events: {}", lines.join(" | ")));
        }
        Error::new(ErrorKind::Failed, what, message).with_failure(failure)
    }
}
