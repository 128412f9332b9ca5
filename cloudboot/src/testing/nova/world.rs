//! What there is behind the API: hosts, servers, migrations, and what time makes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Durations;

/// Hosts by name; servers by id, in the order of their making by `made`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct World {
    pub(super) hosts: BTreeMap<String, Host>,
    pub(super) servers: BTreeMap<String, Server>,
    pub(super) migrations: Vec<Migration>,
    pub(super) actions: Vec<Action>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Host {
    pub(super) service: String,
    pub(super) hypervisor: String,
    /// When the hypervisor appears.
    pub(super) appears: Duration,
    pub(super) alive: bool,
    pub(super) disabled: Option<String>,
    pub(super) forced_down: bool,
}

impl Host {
    pub(super) fn is_up(&self) -> bool {
        self.alive && !self.forced_down
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) host: Option<String>,
    pub(super) task: Option<String>,
    pub(super) fault: Option<String>,
    pub(super) made: usize,
    /// When it runs, while it is being built.
    pub(super) boots: Option<Duration>,
    /// The host that it must be on.
    pub(super) wanted: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Migration {
    pub(super) id: u64,
    pub(super) kind: String,
    pub(super) server: String,
    pub(super) source: String,
    pub(super) dest: Option<String>,
    pub(super) status: String,
    /// When the next thing happens.
    pub(super) due: Duration,
    pub(super) request: String,
    /// The host that was asked for.
    pub(super) wanted: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Action {
    pub(super) server: String,
    pub(super) request: String,
    pub(super) action: String,
    pub(super) event: String,
    pub(super) result: Option<String>,
    pub(super) details: Option<String>,
}

/// The statuses of a migration that goes on.
pub(super) const GOING: [&str; 4] = ["accepted", "queued", "preparing", "running"];

impl World {
    pub(super) fn add_host(&mut self, name: &str, appears: Duration) -> bool {
        if self.hosts.contains_key(name) {
            return false;
        }
        let id = || uuid::Uuid::new_v4().to_string();
        let host = Host {
            service: id(),
            hypervisor: id(),
            appears,
            alive: true,
            disabled: None,
            forced_down: false,
        };
        self.hosts.insert(name.to_owned(), host);
        true
    }

    pub(super) fn set_alive(&mut self, name: &str, alive: bool) {
        let Some(host) = self.hosts.get_mut(name) else {
            return;
        };
        host.alive = alive;
        if alive {
            // A compute service that starts removes what was evacuated from it, and says so.
            for m in self
                .migrations
                .iter_mut()
                .filter(|m| m.kind == "evacuation" && m.source == name && m.status == "done")
            {
                m.status = "completed".into();
            }
        }
    }

    pub(super) fn servers_on(&self, host: &str) -> usize {
        self.servers
            .values()
            .filter(|s| s.host.as_deref() == Some(host))
            .count()
    }

    /// A host that the scheduler would take: up, enabled, not `without`; the emptiest one. A wanted one is held to the same.
    fn place(&self, wanted: Option<&str>, without: Option<&str>, now: Duration) -> Option<String> {
        self.hosts
            .iter()
            .filter(|(name, h)| {
                let asked = wanted.is_none_or(|w| w == name.as_str());
                asked
                    && Some(name.as_str()) != without
                    && h.is_up()
                    && h.disabled.is_none()
                    && h.appears <= now
            })
            .min_by_key(|(name, _)| self.servers_on(name))
            .map(|(name, _)| name.clone())
    }

    /// Lets everything happen that is due, in its order.
    pub(super) fn advance(&mut self, now: Duration, durations: &Durations) {
        loop {
            let boot = self
                .servers
                .iter()
                .filter_map(|(id, s)| Some((s.boots?, id.clone())))
                .min();
            let going = |m: &&Migration| GOING.contains(&m.status.as_str());
            let move_ = self
                .migrations
                .iter()
                .filter(going)
                .map(|m| (m.due, m.id))
                .min();
            match (boot, move_) {
                (Some((at, id)), other) if at <= now && other.is_none_or(|(due, _)| at <= due) => {
                    self.boot(&id, at)
                }
                (_, Some((at, id))) if at <= now => self.step(id, at, durations),
                _ => return,
            }
        }
    }

    fn boot(&mut self, id: &str, at: Duration) {
        let wanted = self.servers.get(id).and_then(|s| s.wanted.clone());
        let host = self.place(wanted.as_deref(), None, at);
        let Some(server) = self.servers.get_mut(id) else {
            return;
        };
        (server.boots, server.task) = (None, None);
        match host {
            Some(host) => (server.status, server.host) = ("ACTIVE".into(), Some(host)),
            None => {
                server.status = "ERROR".into();
                server.fault =
                    Some("No valid host was found. There are not enough hosts available.".into());
            }
        }
    }

    /// The next thing that happens to a migration.
    fn step(&mut self, id: u64, at: Duration, durations: &Durations) {
        let Some(index) = self.migrations.iter().position(|m| m.id == id) else {
            return;
        };
        let m = &self.migrations[index];
        let evacuation = m.kind == "evacuation";
        match m.status.as_str() {
            "accepted" | "queued" => {
                let (source, wanted) = (m.source.clone(), m.wanted.clone());
                let source_up = evacuation || self.hosts.get(&source).is_some_and(Host::is_up);
                match self
                    .place(wanted.as_deref(), Some(&source), at)
                    .filter(|_| source_up)
                {
                    Some(dest) => {
                        let m = &mut self.migrations[index];
                        (m.dest, m.status) = (Some(dest), "preparing".into());
                        m.due = at
                            + if evacuation {
                                durations.evacuate
                            } else {
                                durations.prepare
                            };
                    }
                    None => {
                        let why = match wanted {
                            Some(host) => format!(
                                "No valid host was found. {host} cannot take the server: its compute service is down or disabled"
                            ),
                            None => {
                                "No valid host was found. There are not enough hosts available."
                                    .into()
                            }
                        };
                        self.fail(index, "error", &why);
                    }
                }
            }
            "preparing" if !evacuation => {
                let m = &mut self.migrations[index];
                (m.status, m.due) = ("running".into(), at + durations.migrate);
            }
            _ => self.arrive(index, evacuation),
        }
    }

    fn arrive(&mut self, index: usize, evacuation: bool) {
        let m = &mut self.migrations[index];
        let Some(dest) = m.dest.clone() else { return };
        let source_up = evacuation || self.hosts.get(&m.source).is_some_and(Host::is_up);
        if !source_up || !self.hosts.get(&dest).is_some_and(Host::is_up) {
            return self.fail(
                index,
                "error",
                &format!("the compute service of {dest} or of the source went away"),
            );
        }
        m.status = if evacuation { "done" } else { "completed" }.into();
        let (server, request) = (m.server.clone(), m.request.clone());
        if let Some(server) = self.servers.get_mut(&server) {
            (server.host, server.task, server.status) = (Some(dest), None, "ACTIVE".into());
        }
        if let Some(action) = self.actions.iter_mut().find(|a| a.request == request) {
            action.result = Some("Success".into());
        }
    }

    /// Ends a migration without a move.
    pub(super) fn fail(&mut self, index: usize, status: &str, why: &str) {
        let Some(m) = self.migrations.get_mut(index) else {
            return;
        };
        m.status = status.to_owned();
        let (server, request, evacuation) =
            (m.server.clone(), m.request.clone(), m.kind == "evacuation");
        if let Some(server) = self.servers.get_mut(&server) {
            server.task = None;
            server.status = if evacuation { "ERROR" } else { "ACTIVE" }.into();
        }
        if let Some(action) = self.actions.iter_mut().find(|a| a.request == request) {
            action.result = Some("Error".into());
            action.details = Some(why.to_owned());
        }
    }
}
