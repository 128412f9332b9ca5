//! Before anything is changed: all that the mission will need, of the controller, the bundle, the BMCs, and the ways out.
//!
//! The thesis had none: it found each of these out by failing, an hour in.

use std::net::IpAddr;
use std::time::Duration;

use juju_client::bundle::Bundle;

use super::capacity::Sum;
use super::controller_access::{Way, adopted, log_in, way};
use super::{Site, bundle};
use crate::host::preflight::{Level, Preflight, Wanted};

/// How long one question over the network may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// PostgreSQL 12, as a server says its version.
const OLDEST_POSTGRES: u32 = 120_000;
/// How long a DHCP server may take to offer (it may ping the address first: dnsmasq 3 s at most).
const DHCP: Duration = Duration::from_secs(4);
/// How many are asked at once.
pub(super) const AT_ONCE: usize = 16;

/// What a finding is about, how grave it is, what was found, and what to do.
pub(super) type Line = (String, Level, String, Option<String>);

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
        let (dhcp, lxd, database, controller, bmcs, ways) = tokio::join!(
            self.check_dhcp(),
            self.check_lxd(),
            self.check_database(),
            self.check_controller(),
            self.check_bmcs(),
            self.check_ways_out()
        );
        let charms = self.charm_store();
        let store = ways
            .iter()
            .any(|way| way.0.ends_with(charms.as_str()) && way.1 == Level::Fine);
        let here = dhcp
            .into_iter()
            .chain([lxd])
            .chain(database)
            .chain(controller);
        for line in here.chain(bmcs).chain(ways) {
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
            wanted.udp_ports = vec![
                (53, "MAAS's DNS".into()),
                (67, "MAAS's DHCP".into()),
                (69, "MAAS's TFTP".into()),
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

    /// A database server that stands elsewhere: whether its administrator gets in, and MAAS takes its version.
    async fn check_database(&self) -> Option<Line> {
        let postgres = &self.config.postgres;
        let host = postgres.host.as_ref()?;
        let check = "PostgreSQL".to_owned();
        let at = format!("{host}:{}", postgres.port);
        Some(match self.host.postgres.version().await {
            Ok(version) if version < OLDEST_POSTGRES => (
                check,
                Level::Missing,
                format!("{at} is {}", version / 10_000),
                Some("MAAS needs 12 or later up to its 3.7, 14 after".to_owned()),
            ),
            Ok(version) => {
                let found = format!("{} answers at {at}", version / 10_000);
                (check, Level::Fine, found, None)
            }
            Err(error) => (
                check,
                Level::Missing,
                error.detail().to_owned(),
                error.next().map(str::to_owned),
            ),
        })
    }

    /// A controller that is to be adopted: whether it takes the login that we have.
    async fn check_controller(&self) -> Option<Line> {
        if way(self) != Way::Adopt {
            return None;
        }
        let check = "Juju controller".to_owned();
        let missing = |found: String, advice: &str| {
            let advice = Some(advice.to_owned());
            Some((check.clone(), Level::Missing, found, advice))
        };
        let access = match adopted(self) {
            Ok(Some(access)) => access,
            Ok(None) => return None,
            Err(error) => {
                let advice = error.what_next().unwrap_or("correct juju.controller.adopt");
                return missing(error.found().to_owned(), advice);
            }
        };
        let at = access.endpoints.join(", ");
        match tokio::time::timeout(PATIENCE, log_in(self, &access)).await {
            Ok(Ok(client)) => {
                let version = client.session().login.server_version;
                let found = format!("{} {version} at {at} takes the login", access.name);
                Some((check, Level::Fine, found, None))
            }
            Ok(Err(error)) => missing(
                format!("{at}: {error}"),
                "correct the endpoints, the CA and the password under juju.controller.adopt",
            ),
            Err(_) => missing(
                format!("{at}: no answer within {} s", PATIENCE.as_secs()),
                "see whether this host reaches it",
            ),
        }
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
}
