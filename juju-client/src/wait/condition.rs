//! Conditions over applications, units and machines.

use std::fmt;

use super::judge::{Failure, Judgement, describe, machine_failure};
use crate::api::status::{
    AgentStatus, FullStatus, InstanceStatus, Life, Machine, MachineStatus, Unit, WorkloadStatus,
};

/// What is looked at.
#[derive(Debug, Clone)]
enum Of {
    Applications(Vec<String>),
    Units(Vec<String>),
    Machines(Vec<String>),
}

#[derive(Debug, Clone)]
enum Inner {
    Each(Each),
    Gone(Of),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// What each of the things looked at must be.
#[derive(Debug, Clone)]
struct Each {
    of: Of,
    workload: Option<WorkloadStatus>,
    idle: bool,
    message: Option<String>,
    at_least: Option<usize>,
    strict: bool,
}

/// Something that a model's status can be waited for to show.
///
/// ```
/// use juju_client::wait::Condition;
/// // Two of keystone's units (three, say) in service and at rest.
/// let two = Condition::application("keystone").active().idle().at_least(2);
/// // Vault blocked, and saying why.
/// let sealed = Condition::unit("vault/0").blocked().message("needs to be initialized");
/// let both = Condition::all([two, sealed]);
/// # let _ = both.judge(&juju_client::FullStatus::default());
/// ```
#[derive(Debug, Clone)]
pub struct Condition(Inner);

impl Condition {
    fn each(of: Of) -> Self {
        Self(Inner::Each(Each {
            of,
            workload: None,
            idle: false,
            message: None,
            at_least: None,
            strict: false,
        }))
    }

    /// Over all units of an application; at least one must be there.
    pub fn application(name: impl Into<String>) -> Self {
        Self::each(Of::Applications(vec![name.into()]))
    }

    /// Over all units of these applications.
    pub fn applications<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::each(Of::Applications(
            names.into_iter().map(Into::into).collect(),
        ))
    }

    /// Over a unit.
    pub fn unit(name: impl Into<String>) -> Self {
        Self::each(Of::Units(vec![name.into()]))
    }

    /// Over these units.
    pub fn units<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::each(Of::Units(names.into_iter().map(Into::into).collect()))
    }

    /// A machine or container that is started.
    pub fn machine(id: impl Into<String>) -> Self {
        Self::each(Of::Machines(vec![id.into()]))
    }

    /// These machines or containers started; with none named, all of the model's.
    pub fn machines<S: Into<String>>(ids: impl IntoIterator<Item = S>) -> Self {
        Self::each(Of::Machines(ids.into_iter().map(Into::into).collect()))
    }

    /// All of these. The first that fails fails them.
    pub fn all(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self(Inner::All(conditions.into_iter().collect()))
    }

    /// Any of these. It fails when all have.
    pub fn any(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self(Inner::Any(conditions.into_iter().collect()))
    }

    /// That what is looked at is not there (any more).
    #[must_use]
    pub fn gone(self) -> Self {
        match self.0 {
            Inner::Each(e) => Self(Inner::Gone(e.of)),
            other => Self(other),
        }
    }

    fn change(mut self, f: impl FnOnce(&mut Each)) -> Self {
        if let Inner::Each(e) = &mut self.0 {
            f(e);
        }
        self
    }

    /// In service.
    #[must_use]
    pub fn active(self) -> Self {
        self.workload(WorkloadStatus::Active)
    }

    /// Waiting for a human.
    #[must_use]
    pub fn blocked(self) -> Self {
        self.workload(WorkloadStatus::Blocked)
    }

    /// With this workload status.
    #[must_use]
    pub fn workload(self, status: WorkloadStatus) -> Self {
        self.change(|e| e.workload = Some(status))
    }

    /// With nothing to do.
    #[must_use]
    pub fn idle(self) -> Self {
        self.change(|e| e.idle = true)
    }

    /// With this in the workload's text (of machines: the instance's), in whatever case.
    #[must_use]
    pub fn message(self, part: impl Into<String>) -> Self {
        self.change(|e| e.message = Some(part.into().to_lowercase()))
    }

    /// `n` of them are enough ("n of m"). Without this all must be as wanted.
    #[must_use]
    pub fn at_least(self, n: usize) -> Self {
        self.change(|e| e.at_least = Some(n))
    }

    /// A unit in error counts as failed. Without this it is waited for: Juju tries a failed hook again.
    #[must_use]
    pub fn strict(self) -> Self {
        self.change(|e| e.strict = true)
    }

    /// What a status means for it. What does not mend itself (a machine that cannot be had, an agent that cannot come up, a thing that
    /// is being removed) fails it at once, unless enough others are left.
    pub fn judge(&self, status: &FullStatus) -> Judgement {
        match &self.0 {
            Inner::Each(e) => e.judge(status),
            Inner::Gone(of) => gone(of, status),
            Inner::All(all) => {
                let (mut done, mut of, mut first) = (0, 0, None);
                for c in all {
                    match c.judge(status) {
                        Judgement::Settled => {
                            done += 1;
                            of += 1;
                        }
                        Judgement::Failed(f) => return Judgement::Failed(f),
                        Judgement::Pending {
                            state,
                            done: d,
                            of: o,
                        } => {
                            done += d;
                            of += o;
                            first.get_or_insert(state);
                        }
                    }
                }
                match first {
                    None => Judgement::Settled,
                    Some(state) => Judgement::Pending { state, done, of },
                }
            }
            Inner::Any(any) => {
                let mut failure = None;
                let mut pending = None;
                for c in any {
                    match c.judge(status) {
                        Judgement::Settled => return Judgement::Settled,
                        Judgement::Failed(f) => drop(failure.get_or_insert(f)),
                        p => drop(pending.get_or_insert(p)),
                    }
                }
                match (pending, failure) {
                    (Some(p), _) => p,
                    (None, Some(f)) => Judgement::Failed(f),
                    (None, None) => Judgement::Settled,
                }
            }
        }
    }
}

/// One of the things looked at.
enum One {
    Right,
    Pending(String),
    Failed(Failure),
}

impl Each {
    fn judge(&self, status: &FullStatus) -> Judgement {
        let all: Vec<One> = match &self.of {
            Of::Applications(names) => names
                .iter()
                .flat_map(|n| self.application(n, status))
                .collect(),
            Of::Units(names) => names
                .iter()
                .map(|n| match status.unit(n) {
                    Some(u) => self.unit(n, u, status),
                    None => One::Pending(format!("unit {n} is not there")),
                })
                .collect(),
            Of::Machines(ids) if ids.is_empty() => status
                .all_machines()
                .into_iter()
                .map(|m| self.machine(m))
                .collect(),
            Of::Machines(ids) => ids
                .iter()
                .map(|id| match status.machine(id) {
                    Some(m) => self.machine(m),
                    None => One::Pending(format!("machine {id} is not there")),
                })
                .collect(),
        };
        let of = all.len();
        let done = all.iter().filter(|o| matches!(o, One::Right)).count();
        let needed = self.at_least.unwrap_or_else(|| of.max(1));
        if done >= needed {
            return Judgement::Settled;
        }
        let failed = all.iter().filter(|o| matches!(o, One::Failed(_))).count();
        let mut first = None;
        for one in all {
            match one {
                // Enough may be left: units may still be added, so only what was asked for without a number fails at once.
                One::Failed(f) if self.at_least.is_none() || of - failed < needed => {
                    return Judgement::Failed(f);
                }
                One::Pending(why) => drop(first.get_or_insert(why)),
                _ => {}
            }
        }
        let of = of.max(needed);
        let why = first.unwrap_or_else(|| format!("{self} shows no more"));
        Judgement::Pending {
            state: format!("{done} of {needed}; {why}"),
            done,
            of,
        }
    }

    fn application(&self, name: &str, status: &FullStatus) -> Vec<One> {
        let Some(app) = status.applications.get(name) else {
            return vec![One::Pending(format!("application {name} is not there"))];
        };
        let units: Vec<One> = status
            .units_of(name)
            .map(|(n, u)| self.unit(n, u, status))
            .collect();
        if app.life == Life::Dying && units.is_empty() {
            return vec![One::Failed(Failure {
                what: format!("application {name}"),
                message: "is being removed".into(),
            })];
        }
        if units.is_empty() {
            return vec![One::Pending(format!("application {name} has no unit yet"))];
        }
        units
    }

    fn unit(&self, name: &str, u: &Unit, status: &FullStatus) -> One {
        let failed = |message: String| {
            One::Failed(Failure {
                what: format!("unit {name}"),
                message,
            })
        };
        let w = &u.workload_status;
        if u.agent_status.status == AgentStatus::Failed {
            return failed(u.agent_status.info.to_string());
        }
        let right = self.workload.as_ref().is_none_or(|s| *s == w.status)
            && (!self.idle || u.agent_status.status == AgentStatus::Idle)
            && self
                .message
                .as_ref()
                .is_none_or(|m| w.info.to_lowercase().contains(m));
        if right {
            return One::Right;
        }
        if self.strict && w.status == WorkloadStatus::Error {
            return failed(w.info.to_string());
        }
        if u.agent_status.life == Life::Dying {
            return failed("is being removed".into());
        }
        // A unit whose machine cannot be had never comes.
        if let Some(f) = status.machine(&u.machine).and_then(machine_failure) {
            return failed(f.to_string());
        }
        One::Pending(describe(name, u))
    }

    fn machine(&self, m: &Machine) -> One {
        if let Some(f) = machine_failure(m) {
            return One::Failed(f);
        }
        let right = m.agent_status.status == MachineStatus::Started
            && (!self.idle || m.instance_status.status == InstanceStatus::Running)
            && self
                .message
                .as_ref()
                .is_none_or(|p| m.instance_status.info.to_lowercase().contains(p));
        if right {
            return One::Right;
        }
        let info = if m.instance_status.info.is_empty() {
            m.instance_status.status.to_string()
        } else {
            m.instance_status.info.to_string()
        };
        One::Pending(format!(
            "machine {} is {} ({info})",
            m.id, m.agent_status.status
        ))
    }
}

fn gone(of: &Of, status: &FullStatus) -> Judgement {
    let (kind, names, left): (&str, &[String], Vec<&String>) = match of {
        Of::Applications(n) => (
            "application",
            n,
            n.iter()
                .filter(|n| status.applications.contains_key(*n))
                .collect(),
        ),
        Of::Units(n) => (
            "unit",
            n,
            n.iter().filter(|n| status.unit(n).is_some()).collect(),
        ),
        Of::Machines(n) if n.is_empty() => {
            return match status.all_machines().len() {
                0 => Judgement::Settled,
                left => Judgement::Pending {
                    state: format!("{left} machines are still there"),
                    done: 0,
                    of: left,
                },
            };
        }
        Of::Machines(n) => (
            "machine",
            n,
            n.iter().filter(|n| status.machine(n).is_some()).collect(),
        ),
    };
    match left.first() {
        None => Judgement::Settled,
        Some(first) => Judgement::Pending {
            state: format!("{kind} {first} is still there"),
            done: names.len() - left.len(),
            of: names.len(),
        },
    }
}

impl fmt::Display for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, names) = match &self.of {
            Of::Applications(n) => ("application", n),
            Of::Units(n) => ("unit", n),
            Of::Machines(n) => ("machine", n),
        };
        write!(f, "{kind} {}", names.join(", "))
    }
}
