//! The controller's own bridge: addresses, routes, nameservers and DHCP move from the NIC to it.
//!
//! [`plan`](bridge_plan) is arithmetic over netplan's files; [`Host::create_bridge`] has `netplan generate` judge it, tries it with a rollback that fires by
//! itself, looks at the kernel, and only then keeps it. A record in `/var/lib/cloudboot` says what was moved and holds the
//! files as they were, so that a run that was killed, and teardown, know what to give back.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Host;
use super::error::{Error, Kind, Result};
use super::exec::Cmd;
use super::machine::Interface;
use super::netplan::{Change, TrialId};

mod plan;

pub use plan::{BridgePlan, bridge_plan};

const FOLDER: &str = "/etc/netplan";
/// Where a change is validated before anything is tried; `/etc/netplan` lies in it.
const TRIAL_FOLDER: &str = "/run/cloudboot-netplan";
/// How often the kernel is looked at while a change is on trial.
const LOOK: Duration = Duration::from_millis(100);

/// How a bridge stands, read from the kernel and not from files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BridgeState {
    /// There is no such link, or only the empty one that a reverted trial left behind.
    Absent,
    /// The bridge is up, holds the NIC, and will do so after the next boot.
    Ready {
        /// Its addresses in CIDR notation.
        addresses: Vec<IpNet>,
    },
    /// Something stands that is not it: what differs, in a sentence.
    Drifted(String),
}

/// What a bridge of ours came from.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    deployment: String,
    nic: String,
    bridge: String,
    /// It was confirmed.
    kept: bool,
    /// What is on trial, if anything is and its name is known.
    trial: Option<TrialId>,
    undo: Change,
    /// The NIC's addresses as they were.
    addresses: Vec<IpNet>,
    /// Where it led besides: routes that netplan gave it.
    #[serde(default)]
    routes: Vec<String>,
    /// Netplan's files as they were, with their modes: comments do not survive netplan's `Set`.
    files: BTreeMap<String, (String, u32)>,
}

impl Host {
    /// How the bridge stands on the live system.
    pub async fn observe_bridge(&self, nic: &str, bridge: &str) -> Result<BridgeState> {
        let links = self.interfaces().await?;
        let Some(port) = links.iter().find(|l| l.name == nic) else {
            return Err(no_nic(nic, &links));
        };
        let state = look(port, links.iter().find(|l| l.name == bridge), bridge);
        let BridgeState::Ready { .. } = state else {
            return Ok(state);
        };
        if self.record(bridge).await?.is_some_and(|r| !r.kept) {
            return Ok(BridgeState::Drifted(format!(
                "{bridge} is on trial and reverts by itself unless it is confirmed"
            )));
        }
        let files = self.netplan_files().await?;
        if !plan::holds(&files, nic, &port.mac, bridge)? {
            return Ok(BridgeState::Drifted(format!(
                "{bridge} holds {nic} now, but not in {FOLDER}: it would be gone after the next boot"
            )));
        }
        Ok(state)
    }

    /// The deployment whose bridge it is; `None` if we did not make it.
    pub async fn bridge_mark(&self, bridge: &str) -> Result<Option<String>> {
        Ok(self.record(bridge).await?.map(|r| r.deployment))
    }

    /// Makes the bridge, under a rollback that fires by itself after `rollback` unless the NIC's addresses are seen on it.
    ///
    /// May be repeated at any time: what an earlier run left on trial is kept if it is right and reverted if not.
    pub async fn create_bridge(
        &self,
        nic: &str,
        bridge: &str,
        deployment: &str,
        rollback: Duration,
    ) -> Result<()> {
        let operation = format!("move {nic} to the bridge {bridge}");
        if let Some(record) = self.record(bridge).await?
            && self.finish_trial(&record, &operation).await?
        {
            return Ok(());
        }
        if let BridgeState::Ready { .. } = self.observe_bridge(nic, bridge).await? {
            return Ok(());
        }
        let links = self.interfaces().await?;
        let port = links
            .iter()
            .find(|l| l.name == nic)
            .ok_or_else(|| no_nic(nic, &links))?;
        self.delete_leftover(bridge).await?;

        let files = self.netplan_files().await?;
        let plan = bridge_plan(&files, nic, bridge, &port.mac)?;
        self.validate(&files, &plan.change, &operation).await?;
        let mut originals = BTreeMap::new();
        for (name, text) in &files {
            let mode = self.files.mode(format!("{FOLDER}/{name}.yaml")).await?;
            originals.insert(name.clone(), (text.clone(), mode));
        }
        let mut record = Record {
            deployment: deployment.to_owned(),
            nic: nic.to_owned(),
            bridge: bridge.to_owned(),
            kept: false,
            trial: None,
            undo: plan.undo,
            addresses: port.addresses.clone(),
            routes: self.routes_of(nic).await?,
            files: originals,
        };
        // The intent is durable before the network moves.
        self.save(&record).await?;
        let trial = match self.netplan.attempt(&plan.change, rollback).await {
            Ok(trial) => trial,
            Err(e) if e.is_unclear() => return Err(e),
            Err(e) => {
                self.files.remove(record_path(bridge)).await?;
                return Err(e);
            }
        };
        record.trial = Some(trial);
        self.save(&record).await?;
        self.keep_if_right(record, rollback, &operation).await
    }

    /// Gives the NIC back what the bridge took, and removes the bridge. Does nothing where [`Host::create_bridge`] left no record.
    pub async fn remove_bridge(&self, nic: &str, bridge: &str, rollback: Duration) -> Result<()> {
        let operation = format!("give {nic} back what {bridge} took");
        let Some(record) = self.record(bridge).await? else {
            return Ok(());
        };
        for trial in self.netplan.pending().await? {
            self.netplan.cancel(&trial).await?;
        }
        let links = self.interfaces().await?;
        let mac = links
            .iter()
            .find(|l| l.name == nic)
            .map(|l| l.mac.clone())
            .unwrap_or_default();
        if plan::holds(&self.netplan_files().await?, nic, &mac, bridge)? {
            let trial = self.netplan.attempt(&record.undo, rollback).await?;
            let back = |links: &[Interface]| {
                let port = links.iter().find(|l| l.name == nic);
                port.is_some_and(|p| {
                    p.master.is_none() && record.addresses.iter().all(|a| p.addresses.contains(a))
                })
            };
            if !self.seen(rollback / 2, &record.routes, nic, back).await? {
                self.netplan.cancel(&trial).await?;
                return Err(Error::new(
                    Kind::Failed,
                    operation,
                    format!("{nic} did not get its addresses back; {bridge} stands as before"),
                )
                .hint(format!("look at {FOLDER} and `networkctl status {nic}`")));
            }
            self.netplan.confirm(&trial).await?;
        }
        // Where the content is what it was, the text with its comments comes back too.
        let now: BTreeMap<String, String> = self.netplan_files().await?.into_iter().collect();
        for (name, (text, mode)) in &record.files {
            if now
                .get(name)
                .is_none_or(|n| n != text && plan::same(n, text))
            {
                self.files
                    .write(format!("{FOLDER}/{name}.yaml"), text.clone(), Some(*mode))
                    .await?;
            }
        }
        self.delete_leftover(bridge).await?;
        self.files.remove(record_path(bridge)).await.map(drop)
    }

    /// Ends what an earlier run left on trial. True if the bridge stands and is kept now.
    async fn finish_trial(&self, record: &Record, operation: &str) -> Result<bool> {
        if record.kept {
            return Ok(false);
        }
        let pending = self.netplan.pending().await?;
        let known = record
            .trial
            .as_ref()
            .filter(|t| pending.contains(t))
            .cloned();
        // A trial whose name was lost with the run that started it is the only one there is.
        let only = match pending.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        };
        let Some(trial) = known.or(only) else {
            // It has reverted, or it was kept and the run died before it could note that.
            let links = self.interfaces().await?;
            let port = links.iter().find(|l| l.name == record.nic);
            let bridge = links.iter().find(|l| l.name == record.bridge);
            let stands = port.is_some_and(|p| {
                matches!(look(p, bridge, &record.bridge), BridgeState::Ready { .. })
            });
            let mac = port.map(|p| p.mac.clone()).unwrap_or_default();
            let files = self.netplan_files().await?;
            let written = plan::holds(&files, &record.nic, &mac, &record.bridge)?;
            if stands && written {
                let mut record = record.clone();
                record.kept = true;
                record.trial = None;
                self.save(&record).await?;
                return Ok(true);
            }
            let before: Vec<(String, String)> = record
                .files
                .iter()
                .map(|(name, (text, _))| (name.clone(), text.clone()))
                .collect();
            let half_written = plan::stripped(&files, &record.nic, &mac)?
                && !plan::stripped(&before, &record.nic, &mac)?;
            if !stands && (written || half_written) {
                // Netplan died while it wrote its files, or before it tried them: nobody else gives them back.
                self.give_back(record, &files).await?;
            }
            self.files.remove(record_path(&record.bridge)).await?;
            return Ok(false);
        };
        tracing::info!(bridge = %record.bridge, "a bridge is on trial from an earlier run");
        let mut record = record.clone();
        record.trial = Some(trial);
        match self
            .keep_if_right(record.clone(), Duration::from_secs(4), operation)
            .await
        {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == Kind::Failed || e.is_not_found() => {
                self.files.remove(record_path(&record.bridge)).await?;
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    /// Writes netplan's files as they were before the bridge, where they are not; nothing is applied.
    async fn give_back(&self, record: &Record, now: &[(String, String)]) -> Result<()> {
        if !record.files.contains_key(plan::OWN_FILE) {
            let ours = format!("{FOLDER}/{}.yaml", plan::OWN_FILE);
            self.files.remove(ours).await?;
        }
        for (name, (text, mode)) in &record.files {
            if !now.iter().any(|(n, t)| n == name && t == text) {
                self.files
                    .write(format!("{FOLDER}/{name}.yaml"), text.clone(), Some(*mode))
                    .await?;
            }
        }
        Ok(())
    }

    /// Looks at the kernel while the change is on trial, keeps it if it is right, reverts it if not.
    async fn keep_if_right(
        &self,
        mut record: Record,
        rollback: Duration,
        operation: &str,
    ) -> Result<()> {
        let Some(trial) = record.trial.clone() else {
            return Ok(());
        };
        let right = |links: &[Interface]| {
            let bridge = links.iter().find(|l| l.name == record.bridge);
            let port = links.iter().find(|l| l.name == record.nic);
            let all = bridge.is_some_and(|b| {
                record.addresses.iter().all(|a| {
                    b.addresses.contains(a)
                        || (a.addr().is_ipv4()
                            && b.addresses.iter().any(|x| x.contains(&a.network())))
                })
            });
            let state = port.map(|p| look(p, bridge, &record.bridge));
            all && matches!(state, Some(BridgeState::Ready { .. }))
        };
        if self
            .seen(rollback / 2, &record.routes, &record.bridge, right)
            .await?
        {
            self.netplan.confirm(&trial).await?;
            record.kept = true;
            record.trial = None;
            return self.save(&record).await;
        }
        self.netplan.cancel(&trial).await?;
        self.delete_leftover(&record.bridge).await?;
        self.files.remove(record_path(&record.bridge)).await?;
        let wanted: Vec<String> = record.addresses.iter().map(ToString::to_string).collect();
        Err(Error::new(
            Kind::Failed,
            operation,
            format!(
                "{} did not come up with {} and was taken back; the network is as before",
                record.bridge,
                wanted.join(", ")
            ),
        )
        .hint(format!(
            "look at `journalctl -u systemd-networkd` and {FOLDER}"
        )))
    }

    /// Where an interface leads besides its own networks, by netplan's static routes.
    async fn routes_of(&self, name: &str) -> Result<Vec<String>> {
        let routes = self.routes().await?;
        let of_it = routes.into_iter().filter(|route| route.interface == name);
        Ok(of_it
            .filter(|route| route.gateway.is_some())
            .map(|route| route.destination)
            .collect())
    }

    /// Whether all that netplan will be told makes a configuration that it can read, in a folder beside the real one.
    async fn validate(
        &self,
        files: &[(String, String)],
        change: &Change,
        operation: &str,
    ) -> Result<()> {
        self.files.remove_dir(TRIAL_FOLDER).await?;
        // As private as the real ones: they may hold secrets.
        self.files.mkdir(TRIAL_FOLDER, 0o700).await?;
        for (name, text) in files {
            let path = format!("{TRIAL_FOLDER}{FOLDER}/{name}.yaml");
            self.files.write(path, text.clone(), Some(0o600)).await?;
        }
        let mut commands: Vec<Cmd> = change
            .iter()
            .map(|setting| {
                Cmd::new("netplan")
                    .arg("set")
                    .arg(format!("--origin-hint={}", setting.origin))
                    .arg(format!("--root-dir={TRIAL_FOLDER}"))
                    .arg(&setting.assignment)
            })
            .collect();
        commands.push(
            Cmd::new("netplan")
                .arg("generate")
                .arg(format!("--root-dir={TRIAL_FOLDER}")),
        );
        for command in commands {
            let output = self.exec.run(command).await?;
            output.check(operation).map_err(|e| {
                e.hint(format!(
                    "netplan would not take it, and nothing was changed: look at {FOLDER}"
                ))
            })?;
        }
        self.files.remove_dir(TRIAL_FOLDER).await.map(drop)
    }

    async fn seen(
        &self,
        within: Duration,
        routes: &[String],
        through: &str,
        condition: impl Fn(&[Interface]) -> bool,
    ) -> Result<bool> {
        let until = tokio::time::Instant::now() + within;
        loop {
            if condition(&self.interfaces().await?) {
                let now = if routes.is_empty() {
                    Vec::new()
                } else {
                    self.routes_of(through).await?
                };
                if routes.iter().all(|route| now.contains(route)) {
                    return Ok(true);
                }
            }
            if tokio::time::Instant::now() >= until {
                return Ok(false);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A reverted trial leaves its bridge behind, down and empty.
    async fn delete_leftover(&self, bridge: &str) -> Result<()> {
        let links = self.interfaces().await?;
        let empty = links.iter().any(|l| {
            l.name == bridge && l.kind.as_deref() == Some("bridge") && l.addresses.is_empty()
        });
        let unused = !links.iter().any(|l| l.master.as_deref() == Some(bridge));
        if empty && unused {
            let cmd = Cmd::new("ip")
                .args(["link", "delete", "dev", bridge])
                .timeout(Duration::from_secs(10));
            self.exec
                .run(cmd)
                .await?
                .check(&format!("delete the empty link {bridge}"))?;
        }
        Ok(())
    }

    /// Netplan's files in the order in which it reads them, by name without `.yaml`.
    async fn netplan_files(&self) -> Result<Vec<(String, String)>> {
        let mut files = Vec::new();
        for name in self.files.list(FOLDER).await? {
            if let Some(stem) = name.strip_suffix(".yaml") {
                let text = self
                    .files
                    .read_text(format!("{FOLDER}/{name}"))
                    .await?
                    .unwrap_or_default();
                files.push((stem.to_owned(), text));
            }
        }
        Ok(files)
    }

    async fn record(&self, bridge: &str) -> Result<Option<Record>> {
        let path = record_path(bridge);
        let Some(text) = self.files.read_text(&path).await? else {
            return Ok(None);
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|e| Error::new(Kind::Malformed, format!("read {path}"), e.to_string()))
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let path = record_path(&record.bridge);
        let text = serde_json::to_string_pretty(record)
            .map_err(|e| Error::new(Kind::Malformed, format!("write {path}"), e.to_string()))?;
        // Netplan's files may hold secrets (802.1X): so may this.
        self.files.write(path, text, Some(0o600)).await
    }
}

fn record_path(bridge: &str) -> String {
    format!("/var/lib/cloudboot/bridge-{bridge}.json")
}

fn no_nic(nic: &str, links: &[Interface]) -> Error {
    let names: Vec<&str> = links.iter().map(|l| l.name.as_str()).collect();
    Error::new(
        Kind::NotFound,
        format!("look for the interface {nic}"),
        format!("this host has {}", names.join(", ")),
    )
    .hint("name the interface of the machines' network in the configuration")
}

/// What the kernel says of the bridge, files aside.
fn look(port: &Interface, bridge: Option<&Interface>, name: &str) -> BridgeState {
    let nic = &port.name;
    let Some(bridge) = bridge else {
        return match &port.master {
            Some(other) => BridgeState::Drifted(format!("{nic} belongs to {other} already")),
            None => BridgeState::Absent,
        };
    };
    if bridge.kind.as_deref() != Some("bridge") {
        return BridgeState::Drifted(format!("{name} is no bridge"));
    }
    match port.master.as_deref() {
        Some(master) if master == name => {}
        Some(other) => {
            return BridgeState::Drifted(format!("{nic} belongs to {other}, not to {name}"));
        }
        None if bridge.addresses.is_empty() => return BridgeState::Absent,
        None => return BridgeState::Drifted(format!("{name} exists without {nic}")),
    }
    if let Some(address) = port.addresses.first() {
        return BridgeState::Drifted(format!("{nic} still has {address} itself"));
    }
    if !bridge.up {
        return BridgeState::Drifted(format!("{name} is down"));
    }
    BridgeState::Ready {
        addresses: bridge.addresses.clone(),
    }
}
