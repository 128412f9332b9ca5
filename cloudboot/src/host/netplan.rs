//! The network's configuration, over D-Bus (`io.netplan.Netplan`), with a rollback that fires by itself.
//!
//! Facts (netplan 0.106): `Try` reverts on its own after its timeout, also when the caller has died; a `Config` object
//! that another one has overtaken answers errors until it is cancelled; any bridge `parameters:` makes `Try` answer
//! false; a revert leaves a created bridge behind, down.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use zbus::zvariant::OwnedObjectPath;

use super::bus::{Bus, Peer};
use super::error::{Error, Kind, Result};
use super::watch::Watch;

/// One `Set` of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The file to write without `.yaml` ("50-cloud-init"); empty for the one that defines the key.
    pub origin: String,
    /// `key=value` in netplan's notation, the value in YAML's flow style: `ethernets.eno3={dhcp4: false}`.
    pub assignment: String,
}

/// Settings that are tried together.
pub type Change = Vec<Setting>;

/// A change on trial: the D-Bus path of its `Config` object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrialId(pub String);

/// Netplan's service.
#[async_trait]
pub trait Netplan: Send + Sync + fmt::Debug {
    /// The whole configuration, all files merged, as YAML (`network:` at its root).
    async fn current(&self) -> Result<String>;
    /// Writes and applies a change that reverts by itself after `rollback` unless it is confirmed.
    /// The trial lives in netplan's service: a caller that dies leaves it to revert.
    async fn attempt(&self, change: &Change, rollback: Duration) -> Result<TrialId>;
    /// The changes that are on trial right now (or begun and not ended), whoever started them.
    async fn pending(&self) -> Result<Vec<TrialId>>;
    /// Keeps a change that is on trial. [`Kind::NotFound`] if it has reverted already.
    async fn confirm(&self, trial: &TrialId) -> Result<()>;
    /// Reverts a change that is on trial.
    async fn cancel(&self, trial: &TrialId) -> Result<()>;
}

const PEER: Peer = Peer {
    service: "io.netplan.Netplan",
    hint: "install netplan.io (0.105 or later, with its D-Bus service), or configure the bridge by hand",
};
const ROOT: &str = "/io/netplan/Netplan";
const CONFIG: &str = "io.netplan.Netplan.Config";
/// What a `Set` or `Get` may take: each starts netplan's own program.
const QUICK: Duration = Duration::from_secs(30);
/// What applying may take besides: networkd is restarted, carriers come up.
const APPLY: Duration = Duration::from_secs(120);

/// Netplan on the system bus.
#[derive(Debug, Clone)]
pub struct DbusNetplan {
    bus: Bus,
}

impl DbusNetplan {
    /// This machine's.
    pub fn system() -> Self {
        Self {
            bus: Bus::of(PEER, None),
        }
    }

    /// The one on a bus at an address of D-Bus's form (`unix:path=/run/dbus/system_bus_socket`).
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            bus: Bus::of(PEER, Some(address.into())),
        }
    }

    /// With each method of D-Bus told to `watch` before it is called.
    #[must_use]
    pub fn watched(mut self, watch: Watch) -> Self {
        self.bus.watch = Some(watch);
        self
    }

    async fn open(&self, operation: &str) -> Result<String> {
        let path: OwnedObjectPath = self
            .bus
            .call(ROOT, "io.netplan.Netplan", "Config", &(), QUICK, operation)
            .await?;
        Ok(path.as_str().to_owned())
    }

    async fn set_all(
        &self,
        path: &str,
        change: &Change,
        rollback: Duration,
        operation: &str,
    ) -> Result<()> {
        for setting in change {
            let body = (setting.assignment.as_str(), setting.origin.as_str());
            let done: bool = self
                .bus
                .call(path, CONFIG, "Set", &body, QUICK, operation)
                .await?;
            if !done {
                return Err(Error::new(
                    Kind::Failed,
                    operation,
                    format!(
                        "netplan refused `{}` in {}",
                        setting.assignment, setting.origin
                    ),
                ));
            }
        }
        let seconds = u32::try_from(rollback.as_secs().max(1)).unwrap_or(u32::MAX);
        let tried: bool = self
            .bus
            .call(path, CONFIG, "Try", &seconds, APPLY + rollback, operation)
            .await?;
        if tried {
            return Ok(());
        }
        Err(Error::new(Kind::Unsupported, operation, "netplan's Try answered false: the configuration is invalid or cannot be reverted")
            .hint("`netplan try` on the controller says why; a bridge or bond with `parameters:` cannot be tried"))
    }
}

#[async_trait]
impl Netplan for DbusNetplan {
    async fn current(&self) -> Result<String> {
        let operation = "read the network's configuration";
        let path = self.open(operation).await?;
        let text = self
            .bus
            .call(&path, CONFIG, "Get", &(), QUICK, operation)
            .await;
        let _ = self.cancel(&TrialId(path)).await;
        text
    }

    async fn attempt(&self, change: &Change, rollback: Duration) -> Result<TrialId> {
        let operation = "try a change of the network";
        let path = self.open(operation).await?;
        match self.set_all(&path, change, rollback, operation).await {
            Ok(()) => Ok(TrialId(path)),
            Err(e) => {
                // An object that stays behind would make every later one fail.
                let _ = self.cancel(&TrialId(path)).await;
                Err(e)
            }
        }
    }

    async fn pending(&self) -> Result<Vec<TrialId>> {
        let operation = "look for changes of the network on trial";
        let folder = format!("{ROOT}/config");
        let xml: Result<String> = self
            .bus
            .call(
                &folder,
                "org.freedesktop.DBus.Introspectable",
                "Introspect",
                &(),
                QUICK,
                operation,
            )
            .await;
        match xml {
            Ok(xml) => Ok(children(&xml)
                .into_iter()
                .map(|name| TrialId(format!("{folder}/{name}")))
                .collect()),
            Err(e) if e.is_not_found() => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }

    async fn confirm(&self, trial: &TrialId) -> Result<()> {
        let operation = "keep a change of the network";
        let kept: bool = self
            .bus
            .call(&trial.0, CONFIG, "Apply", &(), APPLY, operation)
            .await?;
        if kept {
            Ok(())
        } else {
            Err(Error::new(
                Kind::NotFound,
                operation,
                "netplan's Apply answered false: the change has reverted",
            ))
        }
    }

    async fn cancel(&self, trial: &TrialId) -> Result<()> {
        let operation = "revert a change of the network";
        let done: Result<bool> = self
            .bus
            .call(&trial.0, CONFIG, "Cancel", &(), APPLY, operation)
            .await;
        match done {
            Ok(_) => Ok(()),
            Err(e) if e.is_not_found() => Ok(()),
            Err(e) => Err(e),
        }
    }
}

/// The names of the child nodes in D-Bus's introspection data.
fn children(xml: &str) -> Vec<String> {
    xml.split("<node name=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn child_nodes_are_read() {
        let xml = "<node>\n <interface name=\"x\"/>\n <node name=\"ABC\"/>\n <node name=\"DEF\"/>\n</node>\n";
        assert_eq!(super::children(xml), ["ABC", "DEF"]);
    }
}
