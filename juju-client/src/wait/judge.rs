//! The pure judgement.

use std::fmt;

use crate::api::status::{
    AgentStatus, FullStatus, InstanceStatus, MachineStatus, Unit, WorkloadStatus,
};

/// What a status means for who waits.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Judgement {
    /// As wanted.
    Settled,
    /// On its way.
    Pending {
        /// A sentence.
        state: String,
        /// How many are as wanted.
        done: usize,
        /// Of how many.
        of: usize,
    },
    /// It does not mend itself.
    Failed(Failure),
}

/// What failed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// `unit keystone/0`, `machine 3`.
    pub what: String,
    /// In its own words.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.message)
    }
}

/// All units active and idle, all machines started.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Converged {
    /// Applications to look at; empty: all.
    pub applications: Vec<String>,
    /// A failed hook is tried again by Juju after some seconds; with this a unit in error is pending, not failed.
    pub tolerate_hook_errors: bool,
}

impl Default for Converged {
    fn default() -> Self {
        Self {
            applications: Vec::new(),
            tolerate_hook_errors: true,
        }
    }
}

impl Converged {
    /// The whole model, hooks in error being retried by Juju.
    pub fn judge(status: &FullStatus) -> Judgement {
        Self::default().of(status)
    }

    /// These applications only.
    pub fn applications<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self {
            applications: names.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// A unit in error counts as failed.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.tolerate_hook_errors = false;
        self
    }

    /// The judgement.
    pub fn of(&self, status: &FullStatus) -> Judgement {
        let wanted =
            |app: &str| self.applications.is_empty() || self.applications.iter().any(|a| a == app);
        for m in status.all_machines() {
            if let Some(f) = machine_failure(m) {
                return Judgement::Failed(f);
            }
        }
        let (mut of, mut done) = (0, 0);
        let mut waiting: Vec<String> = Vec::new();
        for m in status.all_machines() {
            of += 1;
            if m.agent_status.status == MachineStatus::Started {
                done += 1;
            } else {
                let info = if m.instance_status.info.is_empty() {
                    m.instance_status.status.to_string()
                } else {
                    m.instance_status.info.to_string()
                };
                waiting.push(format!(
                    "machine {} is {} ({info})",
                    m.id, m.agent_status.status
                ));
            }
        }
        for name in self
            .applications
            .iter()
            .filter(|n| !status.applications.contains_key(*n))
        {
            of += 1;
            waiting.push(format!("application {name} is not there"));
        }
        for (name, app) in status.applications.iter().filter(|(n, _)| wanted(n)) {
            if app.is_subordinate() || !app.units.is_empty() {
                continue;
            }
            // A subordinate that no principal carries yet shows no units and no principals either.
            if status.units_of(name).next().is_none()
                && app.status.status == WorkloadStatus::Waiting
            {
                of += 1;
                waiting.push(format!(
                    "application {name} has no unit yet ({})",
                    app.status.info
                ));
            }
        }
        for (name, unit) in status.units() {
            if !name.rsplit_once('/').is_some_and(|(a, _)| wanted(a)) {
                continue;
            }
            if unit.workload_status.status == WorkloadStatus::Error && !self.tolerate_hook_errors {
                return Judgement::Failed(Failure {
                    what: format!("unit {name}"),
                    message: unit.workload_status.info.to_string(),
                });
            }
            if unit.agent_status.status == AgentStatus::Failed {
                return Judgement::Failed(Failure {
                    what: format!("unit {name}"),
                    message: unit.agent_status.info.to_string(),
                });
            }
            of += 1;
            if is_settled(unit) {
                done += 1;
            } else {
                waiting.push(describe(name, unit));
            }
        }
        if waiting.is_empty() && of > 0 {
            return Judgement::Settled;
        }
        let state = match waiting.first() {
            None => "the model is empty".to_owned(),
            Some(first) => {
                let first = waiting
                    .iter()
                    .find(|w| w.contains(" blocked") || w.contains(" error"))
                    .unwrap_or(first);
                format!("{done} of {of} at rest; {first}")
            }
        };
        Judgement::Pending { state, done, of }
    }
}

/// Active (or a charm that says nothing) and idle.
fn is_settled(unit: &Unit) -> bool {
    unit.agent_status.status == AgentStatus::Idle
        && matches!(unit.workload_status.status, WorkloadStatus::Active)
}

pub(super) fn describe(name: &str, unit: &Unit) -> String {
    let (w, a) = (&unit.workload_status, &unit.agent_status);
    let mut text = format!("unit {name} is {}", w.status);
    if a.status != AgentStatus::Idle {
        text.push_str(&format!(" and its agent {}", a.status));
    }
    let info = if w.info.is_empty() { &a.info } else { &w.info };
    if !info.is_empty() {
        text.push_str(&format!(" ({info})"));
    }
    text
}

/// Provisioning that Juju has given up. While it retries, the instance's status is `allocating` with the error as its text.
pub(super) fn machine_failure(m: &crate::api::status::Machine) -> Option<Failure> {
    let failed = matches!(
        m.instance_status.status,
        InstanceStatus::ProvisioningError | InstanceStatus::Error
    ) || m.agent_status.status == MachineStatus::Error;
    failed.then(|| {
        let info = [&m.instance_status.info, &m.agent_status.info]
            .into_iter()
            .find(|i| !i.is_empty())
            .map(|i| i.to_string());
        Failure {
            what: format!("machine {}", m.id),
            message: info.unwrap_or_else(|| m.instance_status.status.to_string()),
        }
    })
}

/// The units of `application` (the charm vault, under whatever name) that wait to be initialised.
pub fn vault_waits_for_init(status: &FullStatus, application: &str) -> Vec<String> {
    status
        .units_of(application)
        .filter(|(_, u)| {
            u.workload_status.status == WorkloadStatus::Blocked
                && u.workload_status
                    .info
                    .to_ascii_lowercase()
                    .contains("needs to be initialized")
        })
        .map(|(n, _)| n.to_owned())
        .collect()
}
