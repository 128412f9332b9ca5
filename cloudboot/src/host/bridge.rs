//! The controller's own bridge: addresses, routes, nameservers and DHCP move from the NIC to it.

use std::time::Duration;

use super::Host;
use super::error::Result;
use super::netplan::Change;

/// How a bridge stands, read from the kernel and not from files.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum BridgeState {
    /// There is no such link.
    Absent,
    /// The bridge is up, holds the NIC and the NIC's former addresses.
    Ready {
        /// Its addresses in CIDR notation.
        addresses: Vec<String>,
    },
    /// Something stands that is not it: what differs, in a sentence.
    Drifted(String),
}

/// What to change so that `bridge` holds `nic` and all that the NIC has now. `netplan` is [`super::Netplan::current`].
/// `mac` is pinned on the bridge where the NIC uses DHCP, so that it keeps its lease.
pub fn bridge_plan(
    netplan: &str,
    files: &[(String, String)],
    nic: &str,
    bridge: &str,
    mac: &str,
) -> Result<Change> {
    let _ = (netplan, files, nic, bridge, mac);
    Ok(Change::new())
}

impl Host {
    /// How the bridge stands on the live system. `address` is what it must hold (the gateway of the machines' network).
    pub async fn observe_bridge(&self, nic: &str, bridge: &str) -> Result<BridgeState> {
        let _ = (nic, bridge);
        Ok(BridgeState::Absent)
    }

    /// Makes the bridge with a rollback of `rollback` that fires unless the moved addresses are seen on the bridge.
    /// The owner mark goes into `/etc/netplan/60-cloudboot.yaml`'s side file.
    pub async fn create_bridge(
        &self,
        nic: &str,
        bridge: &str,
        deployment: &str,
        rollback: Duration,
    ) -> Result<()> {
        let _ = (nic, bridge, deployment, rollback);
        Ok(())
    }

    /// Gives the NIC back what the bridge took, and removes the bridge. Does nothing where `create_bridge` left no record.
    pub async fn remove_bridge(&self, nic: &str, bridge: &str, rollback: Duration) -> Result<()> {
        let _ = (nic, bridge, rollback);
        Ok(())
    }
}
