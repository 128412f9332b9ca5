//! What `--json` writes: one JSON object a line, described in `examples/JSON.md`.

use std::path::Path;

use cloudboot::engine::{Event, Plan, Report};
use cloudboot::openstack::Access;
use serde::Serialize;
use url::Url;

use super::exit::Exit;
use super::out;
use super::progress::Show;

/// The name of the schema.
pub(crate) const SCHEMA: &str = "cloudboot.deploy";
/// Its version: raised when a field goes or changes its meaning. Fields, lines and events may be added without that.
pub(crate) const VERSION: u32 = 1;

/// A line.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub(crate) enum Line<'a> {
    /// The first.
    Header {
        schema: &'static str,
        version: u32,
        /// The engine's version.
        cloudboot: &'static str,
        /// Whether the systems are the built-in lab's.
        lab: bool,
        /// Virtual seconds a real second; 1 on real systems.
        speed: f64,
    },
    /// Something happened.
    Event {
        #[serde(flatten)]
        event: &'a Event,
    },
    /// The last line of a run or a teardown.
    Report {
        exit: u8,
        report: &'a Report,
        #[serde(skip_serializing_if = "Option::is_none")]
        access: Option<AccessLine<'a>>,
    },
    /// The last line of `--plan`.
    Plan { exit: u8, plan: &'a Plan },
    /// The last line where it could not begin.
    Error { exit: u8, message: String },
}

/// The way into the cloud, without the password.
#[derive(Serialize)]
pub(crate) struct AccessLine<'a> {
    dashboard: &'a Url,
    auth_url: &'a Url,
    user: &'a str,
    user_domain: &'a str,
    project: &'a str,
    project_domain: &'a str,
    region: &'a str,
    /// The files; the password is in the first two.
    clouds_yaml: String,
    openrc: String,
    ca: String,
}

impl<'a> AccessLine<'a> {
    /// What is known of `access`, whose files are in `folder`.
    pub(crate) fn new(access: &'a Access, folder: &Path) -> Self {
        let file = |name: &str| folder.join(name).display().to_string();
        Self {
            dashboard: &access.dashboard,
            auth_url: &access.auth_url,
            user: &access.user,
            user_domain: &access.user_domain,
            project: &access.project,
            project_domain: &access.project_domain,
            region: &access.region,
            clouds_yaml: file("clouds.yaml"),
            openrc: file("openrc"),
            ca: file("ca.pem"),
        }
    }
}

impl Line<'_> {
    /// The first line.
    pub(crate) fn header(lab: bool, speed: f64) -> Self {
        Self::Header {
            schema: SCHEMA,
            version: VERSION,
            cloudboot: env!("CARGO_PKG_VERSION"),
            lab,
            speed,
        }
    }

    /// The last line of what could not begin.
    pub(crate) fn error(message: impl std::fmt::Display, exit: Exit) -> Self {
        Self::Error {
            exit: exit.code(),
            message: message.to_string(),
        }
    }

    /// Writes it.
    pub(crate) fn write(&self) {
        // Nothing in a line can fail to be serialised: there are only strings for keys.
        if let Ok(text) = serde_json::to_string(self) {
            out::line(text);
        }
    }
}

/// Writes each event as a line.
pub(crate) struct Lines;

impl Show for Lines {
    fn event(&mut self, event: &Event) {
        Line::Event { event }.write();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A step as a report's JSON has it.
    fn step(id: &str, start: f64, wall: f64, needs: &[&str], critical: bool) -> serde_json::Value {
        json!({
            "id": id, "about": format!("see to {id}"), "result": {"result": "stands", "by": "applied"},
            "start": start, "wall": wall, "attempts": 1, "changed": true, "needs": needs, "critical": critical,
        })
    }

    /// A run of some steps with the thesis's times.
    pub(crate) fn report() -> Report {
        let mut capacity = step("host.capacity", 0.0, 0.1, &[], true);
        capacity["result"] = json!({"result": "stands", "by": "already_stood"});
        capacity["changed"] = json!(false);
        serde_json::from_value(json!({
            "version": 1, "deployment": "lab", "kind": "run", "outcome": {"result": "done", "changed": 8},
            "began": "2025-01-01T00:00:00Z", "total": 7676.2,
            "critical_path": ["host.capacity", "host.maas", "juju.controller", "juju.model", "cloud.bundle", "cloud.converged"],
            "critical_time": 7663.1,
            "steps": [
                capacity,
                step("host.maas", 0.1, 52.0, &["host.capacity"], true),
                step("host.lxd", 0.1, 52.5, &["host.capacity"], false),
                step("host.nat", 0.1, 120.0, &["host.capacity"], false),
                step("juju.controller", 52.1, 1210.0, &["host.maas"], true),
                step("juju.model", 1262.1, 1.0, &["juju.controller"], true),
                step("cloud.bundle", 1263.1, 100.0, &["juju.model"], true),
                step("cloud.converged", 1363.1, 6300.0, &["cloud.bundle"], true),
                step("site.audit", 7663.1, 13.1, &["cloud.converged"], false),
            ],
        }))
        .unwrap()
    }

    /// The same where Juju's bootstrap failed.
    pub(crate) fn failed() -> Report {
        let mut report = serde_json::to_value(report()).unwrap();
        let next = "read the log of the container juju-bootstrap";
        report["outcome"] = json!({"result": "failed"});
        report["next"] = json!(format!("`juju.controller`: {next}"));
        let steps = report["steps"].as_array_mut().unwrap();
        steps.truncate(7);
        let error = json!({"class": "terminal", "attempted": "bootstrap Juju", "found": "the container ended with status 1", "next": next});
        steps[4]["result"] = json!({"result": "failed", "error": error});
        for skipped in &mut steps[5..] {
            skipped["result"] = json!({"result": "skipped", "because": "what it needs failed"});
        }
        serde_json::from_value(report).unwrap()
    }

    /// A plan with each of the states.
    pub(crate) fn plan() -> Plan {
        serde_json::from_value(json!({
            "version": 1, "deployment": "lab", "at": "2025-01-01T00:00:00Z", "time_left": 7810.0,
            "longest_chain": ["juju.controller", "cloud.converged"],
            "steps": [
                {"id": "host.maas", "about": "install MAAS", "state": "stands", "estimate_seconds": 52},
                {"id": "maas.dns", "about": "set the name servers", "state": "drifted", "what": ["it is 192.0.2.1, not 192.0.2.53"], "destructive": false},
                {"id": "lxd.init", "about": "initialise LXD", "state": "drifted", "what": ["the pool `default` is zfs, not dir"], "destructive": true},
                {"id": "juju.controller", "about": "bootstrap Juju", "state": "to_do", "why": "there is no controller", "estimate_seconds": 1210},
                {"id": "vault.initialised", "about": "initialise Vault", "state": "pending", "waits_for": ["juju.controller"], "approval": "its keys are made once"},
                {"id": "vault.unsealed", "about": "unseal Vault", "state": "blocked", "by": "Vault is initialised and its keys are nowhere", "operator": true},
            ],
        }))
        .unwrap()
    }

    /// The schema as its readers rely on it: where this snapshot changes but for additions, [`VERSION`] is raised.
    #[test]
    fn the_schema_is_as_it_was() {
        let (report, plan) = (report(), plan());
        let event: Event = serde_json::from_value(json!({
            "event": "waiting", "at": "2025-01-01T00:03:39Z", "step": "maas.image-ready", "for": "the image",
            "since": "2025-01-01T00:03:39Z", "state": "43 % imported", "progress": 0.5,
        }))
        .unwrap();
        let access = Access {
            dashboard: "https://10.42.0.21/horizon".parse().unwrap(),
            auth_url: "https://10.42.0.7:5000/v3".parse().unwrap(),
            user: "admin".into(),
            user_domain: "admin_domain".into(),
            password: "s3cret".into(),
            project: "admin".into(),
            project_domain: "admin_domain".into(),
            region: "RegionOne".into(),
            ca_pem: String::new(),
        };
        let lines = [
            Line::header(true, 600.0),
            Line::Event { event: &event },
            Line::Report {
                exit: 0,
                report: &report,
                access: Some(AccessLine::new(&access, Path::new("/tmp/access"))),
            },
            Line::Plan {
                exit: 2,
                plan: &plan,
            },
            Line::error("read the configuration: no such file", Exit::Failed),
        ];
        let text: Vec<_> = lines
            .iter()
            .map(|line| serde_json::to_string_pretty(line).unwrap())
            .collect();
        let text = text.join("\n");
        assert!(!text.contains("s3cret"));
        insta::assert_snapshot!(text);
    }
}
