//! What, at the root, keeps a model from coming to rest.

use std::collections::BTreeSet;
use std::fmt;

use super::judge::{describe, machine_failure};
use crate::api::status::{AgentStatus, FullStatus, MachineStatus, Unit, WorkloadStatus};
use crate::client::Client;
use crate::error::Result;

/// The root of what waits.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Blocker {
    /// `unit vault/0`, `machine 3`.
    pub what: String,
    /// A sentence.
    pub why: String,
    /// Units that wait because of it, nearest first.
    pub waiting: Vec<String>,
    /// The last lines of its log, where [`Client::explain`] was asked and it is in error.
    pub log: Vec<String>,
}

impl Client {
    /// What, at the root, keeps this connection's model from coming to rest, with the last `lines` lines of its log if it is a unit or a
    /// machine in error. `None` when all is at rest.
    ///
    /// # Errors
    /// The status cannot be had. A log that cannot be read is left out.
    pub async fn explain(&self, lines: u32) -> Result<Option<Blocker>> {
        let status = self.status().await?;
        let Some(mut blocker) = explain(&status) else {
            return Ok(None);
        };
        let in_error = blocker
            .what
            .strip_prefix("unit ")
            .filter(|u| {
                status.unit(u).is_some_and(|u| {
                    u.workload_status.status == WorkloadStatus::Error
                        || u.agent_status.status == AgentStatus::Failed
                })
            })
            .or_else(|| blocker.what.strip_prefix("machine "))
            .map(str::to_owned);
        if let Some(entity) = in_error.filter(|_| lines > 0) {
            match self.last_log_lines(&entity, lines).await {
                Ok(log) => {
                    blocker.log = log
                        .into_iter()
                        .map(|l| format!("{} {} {}", l.level, l.module, l.message))
                        .collect();
                }
                Err(e) => tracing::debug!(service = "juju", error = %e, "log"),
            }
        }
        Ok(Some(blocker))
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        match self.waiting.len() {
            0 => {}
            1 => write!(f, "; {} waits for it", self.waiting[0])?,
            n => write!(f, "; {} and {} more wait for it", self.waiting[0], n - 1)?,
        }
        match self.log.last() {
            Some(last) => write!(f, "; its log ends with: {last}"),
            None => Ok(()),
        }
    }
}

/// How bad: what others are likeliest to wait for comes first.
fn rank(unit: &Unit) -> Option<u8> {
    if matches!(
        unit.agent_status.status,
        AgentStatus::Lost | AgentStatus::Down | AgentStatus::Failed
    ) {
        return Some(1);
    }
    match unit.workload_status.status {
        WorkloadStatus::Error => Some(0),
        WorkloadStatus::Blocked => Some(2),
        WorkloadStatus::Active if unit.agent_status.status == AgentStatus::Idle => None,
        WorkloadStatus::Waiting => Some(4),
        _ => Some(3),
    }
}

/// Walks machines, units and relations from what waits to what it waits for. `None` when all is at rest.
pub fn explain(status: &FullStatus) -> Option<Blocker> {
    for m in status.all_machines() {
        if let Some(f) = machine_failure(m) {
            return Some(Blocker {
                waiting: on_machine(status, &m.id),
                why: format!("machine {} cannot be had: {}", m.id, f.message),
                what: f.what,
                log: Vec::new(),
            });
        }
    }
    let mut ranked: Vec<(u8, usize, &str, &Unit)> = status
        .units()
        .filter_map(|(n, u)| rank(u).map(|r| (r, n, u)))
        .map(|(r, n, u)| {
            (
                r,
                usize::MAX - dependants(status, application(n)).len(),
                n,
                u,
            )
        })
        .collect();
    ranked.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
    let machine = status
        .all_machines()
        .into_iter()
        .find(|m| m.agent_status.status != MachineStatus::Started);
    // Errors and blocks are roots of their own; units that merely wait may wait for a machine.
    match ranked.first() {
        Some((rank, _, name, unit)) if *rank <= 2 || machine.is_none() => Some(Blocker {
            what: format!("unit {name}"),
            why: describe(name, unit),
            waiting: waiting_for(status, name),
            log: Vec::new(),
        }),
        _ => machine.map(|m| {
            let info = if m.instance_status.info.is_empty() {
                m.instance_status.status.to_string()
            } else {
                m.instance_status.info.to_string()
            };
            Blocker {
                what: format!("machine {}", m.id),
                why: format!("machine {} is {} ({info})", m.id, m.agent_status.status),
                waiting: on_machine(status, &m.id),
                log: Vec::new(),
            }
        }),
    }
}

fn application(unit: &str) -> &str {
    unit.rsplit_once('/').map_or(unit, |(a, _)| a)
}

fn on_machine(status: &FullStatus, id: &str) -> Vec<String> {
    status
        .units()
        .filter(|(_, u)| u.machine == id || u.machine.starts_with(&format!("{id}/")))
        .map(|(n, _)| n.to_owned())
        .collect()
}

/// Applications related to this one.
fn dependants<'a>(status: &'a FullStatus, app: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    for r in &status.relations {
        if r.endpoints.iter().any(|e| e.application == app) {
            found.extend(
                r.endpoints
                    .iter()
                    .map(|e| e.application.as_str())
                    .filter(|a| *a != app),
            );
        }
    }
    found
}

/// Units that wait, of applications that are related to the blocker's, near before far.
fn waiting_for(status: &FullStatus, blocker: &str) -> Vec<String> {
    let mut seen: BTreeSet<&str> = BTreeSet::from([application(blocker)]);
    let mut edge: Vec<&str> = vec![application(blocker)];
    let mut waiting = Vec::new();
    while let Some(app) = (!edge.is_empty()).then(|| edge.remove(0)) {
        for next in dependants(status, app) {
            if !seen.insert(next) {
                continue;
            }
            let stuck: Vec<String> = status
                .units()
                .filter(|(n, u)| {
                    application(n) == next && u.workload_status.status == WorkloadStatus::Waiting
                })
                .map(|(n, _)| n.to_owned())
                .collect();
            if !stuck.is_empty() {
                edge.push(next);
                waiting.extend(stuck);
            }
        }
    }
    waiting
}
