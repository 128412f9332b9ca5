//! `machines`, `ipmi`: the racked machines and how their BMCs are reached.

use std::net::{IpAddr, SocketAddr};

use crate::config::value::Secret;

/// One of `machines`: a racked compute node.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Machine {
    /// `name`: its host name in MAAS.
    pub name: String,
    /// `bmc`: how its power is reached.
    pub bmc: Bmc,
    /// `boot_mac`: the MAC of the NIC that it boots from, lower-case with colons. With it a machine is recognised
    /// whatever address it gets; without it by its BMC.
    pub boot_mac: Option<String>,
    /// `arch`: architecture in MAAS's words. Default `amd64/generic`.
    pub arch: String,
    /// `tags` besides `compute.tag`.
    pub tags: Vec<String>,
}

/// `machines[].bmc`: a BMC, with what `ipmi` says where the machine itself says nothing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Bmc {
    /// `address`: `ip`, `ip:port` or `[ipv6]:port`; the port is `ipmi.port` if left out.
    pub address: SocketAddr,
    /// `user`. Default `ipmi.user`.
    pub user: String,
    /// `password`. Default `ipmi.password`.
    pub password: Secret,
    /// `kg`: the BMC key for two-key logins, seldom set. Default `ipmi.kg`.
    pub kg: Option<Secret>,
    /// `suites`: cipher suites to try, in that order. Default `ipmi.suites`.
    pub suites: Vec<u8>,
    /// `privilege` to ask for. Default `ipmi.privilege`.
    pub privilege: Privilege,
    /// `uefi`: whether it boots by UEFI, which the boot flags must say. Default `ipmi.uefi`.
    pub uefi: bool,
}

/// `ipmi`: what holds for all BMCs, and where to look for those that `machines` does not name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ipmi {
    /// `user`: no default. None only if every machine brings its own.
    pub user: Option<String>,
    /// `password`: no default. None only if every machine brings its own.
    pub password: Option<Secret>,
    /// `kg`: the BMC key for two-key logins.
    pub kg: Option<Secret>,
    /// `port`: UDP. Default 623.
    pub port: u16,
    /// `suites`: cipher suites to try, in that order. Default 17, then 3.
    pub suites: Vec<u8>,
    /// `privilege` to ask for. Default operator, which is enough for power and boot device.
    pub privilege: Privilege,
    /// `uefi`: whether the machines boot by UEFI. Default false.
    pub uefi: bool,
    /// `ranges`: where BMCs are, rack by rack. Empty, and no `machines` either: the leases of MAAS's subnet that
    /// answer an RMCP ping.
    pub ranges: Vec<BmcRange>,
}

/// One of `ipmi.ranges`: addresses, first to last inclusive; written as `from` and `to`, or as `cidr` (then without
/// its network and broadcast addresses).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BmcRange {
    /// `rack`: a name for the people who read the report.
    pub rack: Option<String>,
    /// The first address.
    pub from: IpAddr,
    /// The last address.
    pub to: IpAddr,
}

/// `privilege` of an IPMI session. Source: IPMI v2.0, table 13-17 (requested maximum privilege level).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Privilege {
    /// May read.
    User,
    /// May read, and switch power and boot device.
    Operator,
    /// May change everything.
    Administrator,
}
