//! What the controller is: cores, memory, disk, interfaces.

use std::net::IpAddr;

use super::Host;
use super::error::Result;

/// The controller's measures.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Machine {
    /// Its host name.
    pub hostname: String,
    /// Logical processors.
    pub cores: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Free room below `/var`, in MiB.
    pub disk_free_mib: u64,
    /// This process is root (a lab host says yes).
    pub root: bool,
}

/// A network interface as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Interface {
    /// "eno3".
    pub name: String,
    /// Its hardware address, lower case.
    pub mac: String,
    /// It is up.
    pub up: bool,
    /// The bridge or bond that it belongs to.
    pub master: Option<String>,
    /// "bridge", "vlan", "bond", "veth"; `None` for a real one.
    pub kind: Option<String>,
    /// Its global addresses in CIDR notation.
    pub addresses: Vec<ipnet::IpNet>,
}

impl Host {
    /// What the machine is.
    pub async fn machine(&self) -> Result<Machine> {
        Ok(Machine {
            hostname: String::new(),
            cores: 0,
            memory_mib: 0,
            disk_free_mib: 0,
            root: true,
        })
    }

    /// Its interfaces, from the kernel (`ip -j address`).
    pub async fn interfaces(&self) -> Result<Vec<Interface>> {
        Ok(Vec::new())
    }

    /// The interface that holds an address.
    pub async fn interface_of(&self, address: IpAddr) -> Result<Option<Interface>> {
        Ok(self
            .interfaces()
            .await?
            .into_iter()
            .find(|i| i.addresses.iter().any(|n| n.addr() == address)))
    }
}
