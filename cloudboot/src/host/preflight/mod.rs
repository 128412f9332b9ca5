//! What must be true of the controller before anything is changed, each finding with what to do.
//!
//! Only questions are asked here; nothing on the host is changed.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Host;
use super::error::{Error, Result};
use super::exec::Cmd;

mod tables;

use tables::{forward_droppers, listening};

/// What the run will ask of the controller. An empty one asks only for what every run needs.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Logical processors.
    pub cores: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Free disk below `/var` in MiB.
    pub disk_mib: u64,
    /// The address that one of its interfaces must hold: the machines' gateway.
    pub address: Option<IpAddr>,
    /// The interface towards the Internet.
    pub out_interface: Option<String>,
    /// TCP ports that must be free, each with who wants it (5240, "MAAS").
    pub ports: Vec<(u16, String)>,
    /// The same of UDP (69, "MAAS's TFTP").
    pub udp_ports: Vec<(u16, String)>,
    /// `host:port` that must be reachable from here: the store, the mirrors, the image server. Asked from this process.
    pub egress: Vec<String>,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Fine,
    /// The run may succeed.
    Doubtful,
    /// The run would fail.
    Missing,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at: "memory", "snapd".
    pub check: String,
    /// How grave it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub todo: Option<String>,
}

/// All answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preflight {
    /// In the order in which they were asked.
    pub findings: Vec<Finding>,
}

impl Preflight {
    /// Nothing is missing.
    pub fn passes(&self) -> bool {
        self.findings.iter().all(|f| f.level != Level::Missing)
    }

    /// Adds a finding of its own, so that a caller's checks stand in the same report.
    pub fn add(&mut self, check: &str, level: Level, found: impl Into<String>, todo: Option<&str>) {
        self.findings.push(Finding {
            check: check.into(),
            level,
            found: found.into(),
            todo: todo.map(Into::into),
        });
    }

    fn demand(&mut self, check: &str, holds: bool, found: impl Into<String>, todo: &str) {
        let (level, todo) = if holds {
            (Level::Fine, None)
        } else {
            (Level::Missing, Some(todo))
        };
        self.add(check, level, found, todo);
    }

    fn failed(&mut self, check: &str, error: &Error) {
        self.add(
            check,
            Level::Missing,
            format!("{}: {}", error.operation(), error.detail()),
            error.next(),
        );
    }
}

impl fmt::Display for Preflight {
    /// A line a finding, what to do below it, and at the end how many there are of each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.findings.iter().map(|f| f.check.chars().count()).max();
        let width = widest.unwrap_or_default().clamp(12, 40);
        for finding in &self.findings {
            let sign = match finding.level {
                Level::Fine => "ok     ",
                Level::Doubtful => "doubt  ",
                Level::Missing => "MISSING",
            };
            writeln!(f, "{sign}  {:<width$}  {}", finding.check, finding.found)?;
            if let Some(todo) = &finding.todo {
                writeln!(f, "{:indent$}-> {todo}", "", indent = width + 11)?;
            }
        }
        let count = |level| self.findings.iter().filter(|f| f.level == level).count();
        let (missing, doubtful) = (count(Level::Missing), count(Level::Doubtful));
        writeln!(
            f,
            "\n{} looked at: {missing} missing, {doubtful} doubtful{}",
            self.findings.len(),
            match (missing, doubtful) {
                (0, 0) => ". It can begin.",
                (0, _) => ". It can begin; look at the doubts first.",
                _ => ". Mend what is missing before it begins.",
            }
        )
    }
}

/// How much there is, and how much is wanted where that is known.
fn of(there: u64, unit: &str, wanted: u64) -> String {
    match wanted {
        0 => format!("{there}{unit}"),
        _ => format!("{there}{unit} of {wanted} wanted"),
    }
}

impl Host {
    /// Asks all that the run will need of this host. A question that cannot be asked is a finding, not an error.
    pub async fn preflight(&self, wanted: &Wanted) -> Preflight {
        let mut report = Preflight::default();
        report.demand(
            "root",
            self.exec.is_root(),
            if self.exec.is_root() { "yes" } else { "no" },
            "run as root: snapd, apt, netplan and nftables change nothing for others",
        );
        self.check_system(&mut report).await;
        self.check_size(&mut report, wanted).await;
        self.check_services(&mut report).await;
        self.check_packages(&mut report).await;
        self.check_network(&mut report, wanted).await;
        self.check_firewall(&mut report).await;
        self.check_ports(&mut report, wanted).await;
        for target in &wanted.egress {
            let reached = tokio::time::timeout(
                Duration::from_secs(5),
                tokio::net::TcpStream::connect(target.as_str()),
            )
            .await;
            let found = match &reached {
                Ok(Ok(_)) => "reachable".to_owned(),
                Ok(Err(e)) => e.to_string(),
                Err(_) => "no answer within 5 s".to_owned(),
            };
            report.demand(
                &format!("egress {target}"),
                matches!(reached, Ok(Ok(_))),
                found,
                "check the route, DNS and the firewall, or configure a proxy or a mirror",
            );
        }
        report
    }

    async fn check_system(&self, report: &mut Preflight) {
        let release = self
            .files
            .read_text("/etc/os-release")
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
        let field = |key: &str| {
            release
                .lines()
                .find_map(|l| l.strip_prefix(key))
                .map(|v| v.trim_matches('"').to_owned())
                .unwrap_or_default()
        };
        let (id, version) = (field("ID="), field("VERSION_ID="));
        match (id.as_str(), version.as_str()) {
            ("ubuntu", "22.04" | "24.04") => {
                report.add("system", Level::Fine, format!("{id} {version}"), None)
            }
            ("ubuntu" | "debian", _) => report.add(
                "system",
                Level::Doubtful,
                format!("{id} {version}"),
                Some("Ubuntu 22.04 and 24.04 are what this was written for"),
            ),
            _ => report.add(
                "system",
                Level::Missing,
                if id.is_empty() {
                    "unknown".into()
                } else {
                    format!("{id} {version}")
                },
                Some("use Ubuntu 22.04 or 24.04 on the controller"),
            ),
        }
    }

    async fn check_size(&self, report: &mut Preflight, wanted: &Wanted) {
        match self.machine().await {
            Ok(m) => {
                report.demand(
                    "cores",
                    m.cores >= wanted.cores,
                    of(m.cores.into(), "", wanted.cores.into()),
                    "take a larger controller, or lower the bundle's constraints",
                );
                let memory = of(m.memory_mib, " MiB", wanted.memory_mib);
                report.demand(
                    "memory",
                    m.memory_mib >= wanted.memory_mib,
                    memory,
                    "take a larger controller, or lower the bundle's constraints",
                );
                let disk = of(m.disk_free_mib, " MiB free below /var", wanted.disk_mib);
                report.demand(
                    "disk",
                    m.disk_free_mib >= wanted.disk_mib,
                    disk,
                    "make room, or give LXD a storage pool on another disk",
                );
            }
            Err(e) => report.failed("size", &e),
        }
    }

    async fn check_services(&self, report: &mut Preflight) {
        match self.snaps.system_info().await {
            Ok(info) => report.add("snapd", Level::Fine, info.version, None),
            Err(e) => report.failed("snapd", &e),
        }
        match self.netplan.pending().await {
            Ok(trials) if trials.is_empty() => report.add("netplan", Level::Fine, "its D-Bus service answers", None),
            Ok(trials) => report.add("netplan", Level::Doubtful, format!("{} changes are on trial", trials.len()), Some("wait until `netplan try` has ended, or let this deployment's own run finish it")),
            Err(e) => report.failed("netplan", &e),
        }
        match self.units.state("cloudboot-nat.service").await {
            Ok(_) => report.add("systemd", Level::Fine, "answers", None),
            Err(e) => report.failed("systemd", &e),
        }
        match self.maas_cli.observe().await {
            Ok(None) => {}
            Ok(Some(there)) => report.add(
                "MAAS",
                Level::Doubtful,
                format!("initialised here already as {}", there.mode),
                Some("it is adopted if it is this deployment's own; otherwise use another host"),
            ),
            Err(e) => report.failed("MAAS", &e),
        }
    }

    async fn check_packages(&self, report: &mut Preflight) {
        match self.files.exists("/var/lib/dpkg/status").await {
            Ok(true) => {
                let unfinished = self
                    .files
                    .list("/var/lib/dpkg/updates")
                    .await
                    .unwrap_or_default();
                report.demand(
                    "packages",
                    unfinished.is_empty(),
                    if unfinished.is_empty() {
                        "dpkg is at rest"
                    } else {
                        "dpkg was interrupted"
                    },
                    "run `dpkg --configure -a`",
                );
            }
            _ => report.add(
                "packages",
                Level::Missing,
                "no dpkg here",
                Some("use Ubuntu on the controller"),
            ),
        }
    }

    async fn check_network(&self, report: &mut Preflight, wanted: &Wanted) {
        let links = match self.interfaces().await {
            Ok(links) => links,
            Err(e) => return report.failed("network", &e),
        };
        if let Some(address) = wanted.address {
            let holder = links
                .iter()
                .find(|l| l.addresses.iter().any(|n| n.addr() == address));
            let all: Vec<String> = links
                .iter()
                .flat_map(|l| l.addresses.iter().map(move |a| format!("{} {a}", l.name)))
                .collect();
            let found = holder.map_or_else(
                || format!("nobody; there are {}", all.join(", ")),
                |l| l.name.clone(),
            );
            report.demand(&format!("holds {address}"), holder.is_some(), found, "give the controller's interface on the machines' network this address, or correct `maas.dhcp.gateway`");
        }
        if let Some(name) = &wanted.out_interface {
            let link = links.iter().find(|l| l.name == *name);
            let found = link.map_or_else(
                || {
                    format!(
                        "not there; there are {}",
                        links
                            .iter()
                            .map(|l| l.name.as_str())
                            .collect::<Vec<_>>()
                            .join(", ")
                    )
                },
                |l| if l.up { "up".into() } else { "down".into() },
            );
            report.demand(
                &format!("interface {name}"),
                link.is_some_and(|l| l.up),
                found,
                "correct `net_fix.ethernet`, or bring it up",
            );
        }
        match self.routes().await {
            Ok(routes) => match routes.iter().find(|r| r.destination == "default") {
                Some(route) => report.add(
                    "default route",
                    Level::Fine,
                    format!("by {}", route.interface),
                    None,
                ),
                None => report.add(
                    "default route",
                    Level::Doubtful,
                    "none",
                    Some("without one, packages and images must come from mirrors on this network"),
                ),
            },
            Err(e) => report.failed("default route", &e),
        }
    }

    /// Whoever else filters what passes through here would drop the machines' traffic.
    async fn check_firewall(&self, report: &mut Preflight) {
        let listing = async {
            let output = self
                .exec
                .run(
                    Cmd::new("nft")
                        .args(["-j", "list", "ruleset"])
                        .timeout(Duration::from_secs(20)),
                )
                .await?;
            Ok(output.check("list the nftables ruleset")?.stdout_text())
        };
        let listing: Result<String> = listing.await;
        match listing {
            Err(e) => report.failed("nftables", &e),
            Ok(text) => {
                let droppers = forward_droppers(&serde_json::from_str(&text).unwrap_or_default());
                if droppers.is_empty() {
                    report.add(
                        "nftables",
                        Level::Fine,
                        "nothing drops what is forwarded",
                        None,
                    );
                }
                for dropper in droppers {
                    report.add("nftables", Level::Doubtful, format!("{dropper} drops what is forwarded and not let through"), Some("let the machines' network through there (Docker: the chain DOCKER-USER; ufw: `ufw route allow`; LXD: `lxc network set ... ipv4.firewall false`)"));
                }
            }
        }
    }

    async fn check_ports(&self, report: &mut Preflight, wanted: &Wanted) {
        let kinds = [
            ("tcp", "", &wanted.ports),
            ("udp", "/udp", &wanted.udp_ports),
        ];
        for (kind, suffix, ports) in kinds {
            let mut taken = Vec::new();
            for path in [format!("/proc/net/{kind}"), format!("/proc/net/{kind}6")] {
                if let Ok(Some(text)) = self.files.read_text(path).await {
                    taken.extend(listening(&text));
                }
            }
            for (port, who) in ports {
                let free = !taken.contains(port);
                report.demand(
                    &format!("port {port}{suffix}"),
                    free,
                    if free { "free" } else { "taken" },
                    &format!(
                        "{who} needs it: `ss -lnp{} sport = :{port}` shows who has it",
                        kind.chars().take(1).collect::<String>()
                    ),
                );
            }
        }
    }
}
