//! What the controller is: cores, memory, disk, interfaces.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Host;
use super::error::{Error, Kind, Result};
use super::exec::Cmd;

/// The controller's measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its host name.
    pub hostname: String,
    /// Logical processors.
    pub cores: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Free room below `/var`, in MiB.
    pub disk_free_mib: u64,
    /// Programs run as root there.
    pub root: bool,
}

/// A network interface as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// "eno3".
    pub name: String,
    /// Its hardware address, lower case.
    pub mac: String,
    /// It is set up (IFF_UP).
    pub up: bool,
    /// The bridge or bond that it belongs to.
    pub master: Option<String>,
    /// "bridge", "vlan", "bond", "veth"; `None` for a real one.
    pub kind: Option<String>,
    /// Its global addresses in CIDR notation.
    pub addresses: Vec<IpNet>,
}

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// "default" or a network.
    pub destination: String,
    /// The next hop.
    pub gateway: Option<IpAddr>,
    /// The interface.
    pub interface: String,
}

// What `ip -j` writes; only what is read here.
#[derive(Deserialize)]
struct IpLink {
    ifname: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    flags: Vec<String>,
    master: Option<String>,
    linkinfo: Option<LinkInfo>,
    #[serde(default)]
    addr_info: Vec<AddrInfo>,
}

#[derive(Deserialize)]
struct LinkInfo {
    info_kind: Option<String>,
}

#[derive(Deserialize)]
struct AddrInfo {
    local: Option<IpAddr>,
    #[serde(default)]
    prefixlen: u8,
    #[serde(default)]
    scope: String,
}

#[derive(Deserialize)]
struct IpRoute {
    #[serde(default)]
    dst: String,
    gateway: Option<IpAddr>,
    dev: Option<String>,
}

impl Host {
    /// What the machine is.
    pub async fn machine(&self) -> Result<Machine> {
        let cpuinfo = self
            .files
            .read_text("/proc/cpuinfo")
            .await?
            .unwrap_or_default();
        let meminfo = self
            .files
            .read_text("/proc/meminfo")
            .await?
            .unwrap_or_default();
        let hostname = self
            .files
            .read_text("/etc/hostname")
            .await?
            .unwrap_or_default();
        let memory_kib = meminfo.lines().find_map(|l| {
            l.strip_prefix("MemTotal:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse::<u64>()
                .ok()
        });
        Ok(Machine {
            hostname: hostname.trim().to_owned(),
            cores: u32::try_from(
                cpuinfo
                    .lines()
                    .filter(|l| l.starts_with("processor"))
                    .count(),
            )
            .unwrap_or(u32::MAX),
            memory_mib: memory_kib.unwrap_or(0) / 1024,
            disk_free_mib: self.files.space("/var").await?.available >> 20,
            root: self.exec.is_root(),
        })
    }

    /// Its interfaces, from the kernel (`ip -j address`), without loopback.
    pub async fn interfaces(&self) -> Result<Vec<Interface>> {
        let links: Vec<IpLink> = self.ip(&["-j", "-d", "address", "show"]).await?;
        Ok(links
            .into_iter()
            .filter(|l| l.ifname != "lo")
            .map(|l| Interface {
                up: l.flags.iter().any(|f| f == "UP"),
                mac: l.address.to_ascii_lowercase(),
                kind: l.linkinfo.and_then(|i| i.info_kind),
                addresses: l
                    .addr_info
                    .iter()
                    .filter(|a| a.scope == "global")
                    .filter_map(|a| IpNet::new(a.local?, a.prefixlen).ok())
                    .collect(),
                name: l.ifname,
                master: l.master,
            })
            .collect())
    }

    /// The interface that holds an address.
    pub async fn interface_of(&self, address: IpAddr) -> Result<Option<Interface>> {
        Ok(self
            .interfaces()
            .await?
            .into_iter()
            .find(|i| i.addresses.iter().any(|n| n.addr() == address)))
    }

    /// The routes of the main table, IPv4.
    pub async fn routes(&self) -> Result<Vec<Route>> {
        let routes: Vec<IpRoute> = self.ip(&["-j", "route", "show"]).await?;
        Ok(routes
            .into_iter()
            .filter_map(|r| {
                Some(Route {
                    destination: r.dst,
                    gateway: r.gateway,
                    interface: r.dev?,
                })
            })
            .collect())
    }

    async fn ip<T: serde::de::DeserializeOwned>(&self, args: &[&str]) -> Result<T> {
        let operation = format!("ask the kernel: ip {}", args.join(" "));
        let output = self
            .exec
            .run(
                Cmd::new("ip")
                    .args(args.iter().copied())
                    .timeout(Duration::from_secs(10)),
            )
            .await?
            .check(&operation)?;
        let mut json = serde_json::Deserializer::from_slice(&output.stdout);
        serde_path_to_error::deserialize(&mut json)
            .map_err(|e| Error::new(Kind::Malformed, operation, e.to_string()))
    }
}
