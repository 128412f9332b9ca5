//! Before anything is changed: all that the mission will need, of the controller, the bundle, the BMCs, and the ways out.
//!
//! The thesis had none: it found each of these out by failing, an hour in.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use juju_client::bundle::Bundle;
use serde::Deserialize;
use url::Url;

use super::capacity::Sum;
use super::power::{Racked, answering, configured, in_ranges, racked};
use super::{Site, bundle};
use crate::config::Privilege;
use crate::host::preflight::{Level, Preflight, Wanted};
use crate::host::snaps::normal_channel;
use crate::rest::{ErrorKind, download};

/// Where things come from, where the configuration names no mirror.
const SNAPS: &str = "https://api.snapcraft.io/";
const CHARMS: &str = "https://api.charmhub.io/";
const IMAGES: &str = "https://images.maas.io/ephemeral-v3/stable/";
const AGENTS: &str = "https://streams.canonical.com/juju/tools/";
const PACKAGES: &str = "http://archive.ubuntu.com/ubuntu/";

/// How long one question over the network may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a DHCP server may take to offer (it may ping the address first: dnsmasq 3 s at most).
const DHCP: Duration = Duration::from_secs(4);
/// How many are asked at once.
const AT_ONCE: usize = 16;

/// What a finding is about, how grave it is, what was found, and what to do.
type Line = (String, Level, String, Option<String>);

impl Site {
    /// Asks all that the mission will need before it changes anything. What can't be asked is a finding, not an error.
    pub async fn preflight(&self) -> Preflight {
        let mut report = self.host.preflight(&self.wanted().await).await;
        let bundle = match bundle::read(&self.config) {
            Ok(bundle) => {
                let applications = bundle.data().applications.len();
                report.add(
                    "bundle",
                    Level::Fine,
                    format!("{applications} applications"),
                    None,
                );
                self.check_capacity(&mut report, &bundle).await;
                Some(bundle)
            }
            Err(error) => {
                report.add(
                    "bundle",
                    Level::Missing,
                    error.to_string(),
                    Some("mend the file that juju.bundle names"),
                );
                None
            }
        };
        let (dhcp, lxd, bmcs, ways) = tokio::join!(
            self.check_dhcp(),
            self.check_lxd(),
            self.check_bmcs(),
            self.check_ways_out()
        );
        let charms = self.charm_store();
        let store = ways
            .iter()
            .any(|way| way.0.ends_with(charms.as_str()) && way.1 == Level::Fine);
        for line in dhcp.into_iter().chain([lxd]).chain(bmcs).chain(ways) {
            report.add(&line.0, line.1, line.2, line.3.as_deref());
        }
        // A store that was not reached is told above, once.
        if let Some(bundle) = bundle.filter(|_| store) {
            for line in self.check_charms(&bundle, &charms).await {
                report.add(&line.0, line.1, line.2, line.3.as_deref());
            }
        }
        report
    }

    /// What is asked of the controller machine itself.
    async fn wanted(&self) -> Wanted {
        let initialised = matches!(self.host.maas_cli.observe().await, Ok(Some(_)));
        let mut wanted = Wanted {
            address: Some(IpAddr::V4(self.config.maas.dhcp.gateway)),
            out_interface: self.config.net_fix.as_ref().map(|fix| fix.ethernet.clone()),
            ..Wanted::default()
        };
        if !initialised {
            wanted.ports = vec![
                (
                    self.config
                        .maas
                        .server
                        .port_or_known_default()
                        .unwrap_or(5240),
                    "MAAS's region".into(),
                ),
                (53, "MAAS's DNS".into()),
            ];
        }
        let lxd = self.host.snaps.get("lxd").await;
        if matches!(lxd, Ok(None)) {
            wanted.ports.push((self.config.lxd.port, "LXD".into()));
        }
        wanted
    }

    async fn check_capacity(&self, report: &mut Preflight, bundle: &Bundle) {
        let check = "capacity";
        let machines = match bundle.machines() {
            Ok(machines) => machines,
            Err(error) => {
                return report.add(
                    check,
                    Level::Missing,
                    error.to_string(),
                    Some("mend the bundle's machines and placements"),
                );
            }
        };
        let sum = Sum::of_bundle(self, &machines).and_juju(self);
        let all = format!(
            "{} VMs take {} cores, {} GiB of memory, {} GiB of disk",
            sum.vms,
            sum.cores,
            sum.memory_mib / 1024,
            sum.disk_mib / 1024
        );
        match self.host.machine().await {
            Err(error) => report.add(
                check,
                Level::Missing,
                error.to_string(),
                Some("run this on the controller"),
            ),
            Ok(have) => {
                let short = sum.short_of(
                    self,
                    u64::from(have.cores),
                    have.memory_mib,
                    have.disk_free_mib,
                );
                if short.is_empty() {
                    report.add(check, Level::Fine, all, None);
                } else {
                    let advice = "take a larger controller, shrink the bundle's constraints by an overlay, or set capacity.cpu and capacity.memory";
                    report.add(check, Level::Missing, short.join("; "), Some(advice));
                }
            }
        }
    }

    /// Nobody but MAAS may serve DHCP where the machines boot.
    async fn check_dhcp(&self) -> Option<Line> {
        let check = "DHCP".to_owned();
        let gateway = self.config.maas.dhcp.gateway;
        let Ok(Some(link)) = self.host.interface_of(IpAddr::V4(gateway)).await else {
            return None; // told as "holds ..."
        };
        Some(
            match self
                .host
                .segment
                .dhcp_servers(gateway, &link.mac, DHCP)
                .await
            {
                Ok(servers) => {
                    let others: Vec<String> = servers
                        .iter()
                        .filter(|server| **server != gateway)
                        .map(ToString::to_string)
                        .collect();
                    if others.is_empty() {
                        (
                            check,
                            Level::Fine,
                            format!("nobody else serves it on {}", link.name),
                            None,
                        )
                    } else {
                        let found = format!("{} serves it on {}", others.join(" and "), link.name);
                        (
                            check,
                            Level::Missing,
                            found,
                            Some(
                                "turn that server off: machines that it answers never reach MAAS"
                                    .to_owned(),
                            ),
                        )
                    }
                }
                Err(error) => {
                    let advice = error
                        .next()
                        .unwrap_or("make sure that nobody else serves DHCP there")
                        .to_owned();
                    (
                        check,
                        Level::Doubtful,
                        format!("{}: {}", error.operation(), error.detail()),
                        Some(advice),
                    )
                }
            },
        )
    }

    async fn check_lxd(&self) -> Line {
        let check = "LXD".to_owned();
        match self.host.snaps.get("lxd").await {
            Ok(None) => {
                return (
                    check,
                    Level::Fine,
                    format!(
                        "not there yet: it is installed from {}",
                        self.config.lxd.channel
                    ),
                    None,
                );
            }
            Err(error) => {
                return (
                    check,
                    Level::Missing,
                    error.detail().to_owned(),
                    error.next().map(str::to_owned),
                );
            }
            Ok(Some(_)) => {}
        }
        let asked = async { self.lxd()?.server().await };
        match asked.await {
            Ok(server) => {
                let version = server.into_inner().environment.server_version;
                (
                    check,
                    Level::Fine,
                    format!("{version} answers on its socket"),
                    None,
                )
            }
            Err(error) => (
                check,
                Level::Missing,
                error.to_string(),
                Some(
                    "look at `snap logs lxd`, or remove the snap and let the run install it"
                        .to_owned(),
                ),
            ),
        }
    }

    /// Whether each BMC takes the login, and lets it power the machine.
    async fn check_bmcs(&self) -> Vec<Line> {
        let mut machines = configured(&self.config);
        if machines.is_empty() {
            let check = || "BMCs".to_owned();
            let candidates = in_ranges(&self.config.ipmi);
            if candidates.is_empty() {
                let found =
                    "none is named: they are looked for among the leases of the machines' network"
                        .to_owned();
                return vec![(check(), Level::Doubtful, found, Some("name them under `machines`, or in ipmi.ranges, and their login is tried here".to_owned()))];
            }
            let found = answering(&self.config, candidates).await;
            let wanted = self.config.maas.nodes_amount;
            if found.len() != wanted {
                let text = format!(
                    "{} answer in ipmi.ranges, and maas.nodes_amount is {wanted}",
                    found.len()
                );
                return vec![(
                    check(),
                    Level::Missing,
                    text,
                    Some(
                        "look at their cables and addresses, or name the machines under `machines`"
                            .to_owned(),
                    ),
                )];
            }
            machines = match racked(&self.config, &found) {
                Ok(machines) => machines,
                Err(error) => {
                    return vec![(
                        check(),
                        Level::Missing,
                        error.to_string(),
                        Some("set ipmi.user and ipmi.password".to_owned()),
                    )];
                }
            };
        }
        futures_util::stream::iter(machines)
            .map(async |machine| self.check_bmc(&machine).await)
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn check_bmc(&self, machine: &Racked) -> Line {
        let check = format!("BMC {}", machine.name);
        let at = machine.address();
        if machine.bmc.privilege == Privilege::User {
            let found = format!("{at}: the privilege `user` may not power a machine");
            return (
                check,
                Level::Missing,
                found,
                Some("set the BMC's privilege to operator or administrator".to_owned()),
            );
        }
        // The session is opened with the privilege that powering needs: a BMC refuses it to a user who has less.
        let client = machine.client();
        let bmc = machine.bmc(&client, self);
        let asked = tokio::time::timeout(PATIENCE, bmc.power_state()).await;
        bmc.close().await;
        let privilege = format!("{:?}", machine.bmc.privilege).to_lowercase();
        match asked {
            Ok(Ok(state)) => (
                check,
                Level::Fine,
                format!(
                    "{at}: {} logs in as {privilege}; power is {state:?}",
                    machine.bmc.user
                ),
                None,
            ),
            Ok(Err(error)) => {
                let advice = if error.is_credentials() {
                    format!(
                        "correct the BMC's user and password, and give that user the privilege {privilege} on its LAN channel"
                    )
                } else {
                    "look whether IPMI over LAN is switched on, and UDP port 623 reaches it"
                        .to_owned()
                };
                (
                    check,
                    Level::Missing,
                    format!("{at}: {error}"),
                    Some(advice),
                )
            }
            Err(_) => (
                check,
                Level::Missing,
                format!("{at}: no answer within {} s", PATIENCE.as_secs()),
                Some("look at its cable and address".to_owned()),
            ),
        }
    }

    fn charm_store(&self) -> Url {
        self.place(self.config.mirrors.charm_store.as_ref(), CHARMS)
    }

    fn place(&self, mirror: Option<&Url>, own: &str) -> Url {
        // The constants are URLs; the region's own stands for what can't be.
        mirror
            .cloned()
            .or_else(|| own.parse().ok())
            .unwrap_or_else(|| self.config.maas.server.clone())
    }

    /// Whether what the run and the machines take from elsewhere can be reached: the mirrors, or the Internet's own.
    async fn check_ways_out(&self) -> Vec<Line> {
        let mirrors = &self.config.mirrors;
        let places: BTreeSet<(&str, Url)> = [
            ("snaps", self.place(mirrors.snap.as_ref(), SNAPS)),
            ("packages", self.place(mirrors.apt.as_ref(), PACKAGES)),
            (
                "images",
                self.place(mirrors.images.as_ref().map(|it| &it.url), IMAGES),
            ),
            (
                "Juju's agents",
                self.place(mirrors.juju_agents.as_ref(), AGENTS),
            ),
            ("charms", self.charm_store()),
        ]
        .into();
        let ask = async |(what, url): (&str, Url)| {
            let check = format!("{what} from {url}");
            match self.fetch(&url).await {
                Ok(_) => (check, Level::Fine, "answers".to_owned(), None),
                // Whatever the status, there is somebody.
                Err(error)
                    if error
                        .status()
                        .is_some_and(|status| !status.is_server_error()) =>
                {
                    (check, Level::Fine, "answers".to_owned(), None)
                }
                Err(error) => {
                    let advice = match error.kind() {
                        ErrorKind::Tls => {
                            "its certificate is not a public CA's: a proxy in between rewrites TLS; go around it, or set a mirror"
                        }
                        _ => {
                            "open the way out (route, DNS, firewall, proxy), or name a mirror under `mirrors`"
                        }
                    };
                    (
                        check,
                        Level::Missing,
                        error.to_string(),
                        Some(advice.to_owned()),
                    )
                }
            }
        };
        futures_util::stream::iter(places)
            .map(ask)
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn fetch(&self, url: &Url) -> crate::rest::Result<bytes::Bytes> {
        let mut reach = self.reach();
        reach.timeout = PATIENCE;
        download(url, &reach).await
    }

    /// Whether the store has each charm of the bundle in the channel that it asks for.
    async fn check_charms(&self, bundle: &Bundle, store: &Url) -> Vec<Line> {
        let wanted: BTreeSet<(String, String)> = bundle
            .data()
            .applications
            .values()
            .flatten()
            .filter(|app| !app.charm.starts_with(['.', '/']) && !app.charm.starts_with("local:"))
            .map(|app| {
                (
                    app.charm.trim_start_matches("ch:").to_owned(),
                    app.channel.clone(),
                )
            })
            .collect();
        let all = wanted.len();
        let ask = async |(charm, channel): (String, String)| {
            self.check_charm(store, &charm, &channel).await
        };
        let wrong: Vec<Line> = futures_util::stream::iter(wanted)
            .map(ask)
            .buffered(AT_ONCE)
            .filter_map(async |line| line)
            .collect()
            .await;
        if wrong.is_empty() {
            vec![(
                "charms".to_owned(),
                Level::Fine,
                format!("all {all} are in the store, in their channels"),
                None,
            )]
        } else {
            wrong
        }
    }

    /// What is wrong with a charm. Source: Charmhub's API, `GET /v2/charms/info/<name>?fields=channel-map`.
    async fn check_charm(&self, store: &Url, charm: &str, channel: &str) -> Option<Line> {
        let check = format!("charm {charm}");
        let doubt = |why: String| {
            Some((
                check.clone(),
                Level::Doubtful,
                why,
                Some("look at it in the store".to_owned()),
            ))
        };
        let Ok(mut url) = store.join(&format!("v2/charms/info/{charm}")) else {
            return doubt("its name makes no URL".to_owned());
        };
        url.set_query(Some("fields=channel-map"));
        let body = match self.fetch(&url).await {
            Ok(body) => body,
            Err(error) if error.is_not_found() => {
                return Some((
                    check,
                    Level::Missing,
                    "the store has no such charm".to_owned(),
                    Some("correct its name in the bundle".to_owned()),
                ));
            }
            Err(error) => return doubt(error.to_string()),
        };
        let info: Info = match serde_json::from_slice(&body) {
            Ok(info) => info,
            Err(error) => return doubt(format!("the store's answer does not read: {error}")),
        };
        let has: BTreeSet<String> = info
            .channel_map
            .iter()
            .map(|it| normal_channel(&it.channel.name))
            .collect();
        // Without a channel Juju takes the charm's default, which it always has.
        if channel.is_empty() || has.contains(&normal_channel(channel)) {
            return None;
        }
        let there: Vec<&str> = has.iter().map(String::as_str).take(12).collect();
        let found = format!(
            "it has no channel {channel}; there are {}",
            there.join(", ")
        );
        Some((
            check,
            Level::Missing,
            found,
            Some("correct `channel` in the bundle or an overlay".to_owned()),
        ))
    }
}

#[derive(Deserialize)]
struct Info {
    #[serde(rename = "channel-map", default)]
    channel_map: Vec<Mapped>,
}

#[derive(Deserialize)]
struct Mapped {
    channel: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}
