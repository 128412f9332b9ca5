//! `maas`: the region, its network and its images.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use url::Url;

use crate::config::value::{Channel, Secret};

/// `maas`: the region and rack controller.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Maas {
    /// `channel` of the snap. `3.4` means `3.4/stable`.
    pub channel: Channel,
    /// `server`: the region's URL as the controller itself reaches it, with its path `/MAAS`.
    pub server: Url,
    /// `username` of the administrator that is made.
    pub username: String,
    /// `password` of the administrator.
    pub password: Secret,
    /// `email` of the administrator.
    pub email: String,
    /// `dhcp`: the machines' network.
    pub dhcp: Dhcp,
    /// `dns`: the upstream name servers, one or a list. Empty: MAAS's own default is left.
    pub dns: Vec<IpAddr>,
    /// `image_release`: the Ubuntu release that is imported, commissioned and deployed with. Default `jammy`.
    pub image_release: String,
    /// `image_arches`: the architectures to import. Default `[amd64]`.
    pub image_arches: Vec<String>,
    /// `nodes_amount`: how many compute nodes there are. Default: as many as `machines` lists.
    pub nodes_amount: usize,
    /// `quorum`: with how many Ready nodes the mission goes on when others stay broken. Default: all of them.
    pub quorum: usize,
    /// `commission_retries`: how often a failed commissioning is tried again before the node is set aside. Default 2.
    pub commission_retries: u32,
    /// `pxe_loader_fix`: the loader that the thesis had to replace; off by default. Only MAAS up to 3.4 has the file.
    pub pxe_loader_fix: PxeLoaderFix,
}

/// `maas.dhcp`: the network on which the machines boot.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dhcp {
    /// `cidr` of the subnet, host bits zero.
    pub cidr: Ipv4Net,
    /// `subnet`: how MAAS is asked for the subnet: its CIDR or name. Default: `cidr`.
    pub subnet: String,
    /// `gateway`: the machines' gateway, which is the controller's own address on that network.
    pub gateway: Ipv4Addr,
    /// `ip_range`: the dynamic range, computed.
    pub ip_range: IpRange,
}

/// `maas.dhcp.ip_range`: the addresses that DHCP hands out, first to last inclusive.
///
/// Written as `start` and `size` in blocks of 256 addresses (the thesis's form: 64 means 16384 addresses), or as
/// `start` and `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IpRange {
    /// The first address.
    pub start: Ipv4Addr,
    /// The last address: `start` + 256 * `size` - 1.
    pub end: Ipv4Addr,
}

/// `maas.pxe_loader_fix`: replaces the rack's `lpxelinux.0` by that of an upstream syslinux archive.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PxeLoaderFix {
    /// `enabled`, or the section written as a boolean. Default false.
    pub enabled: bool,
    /// `url` of the archive (`.tar.xz`). Default: syslinux 6.03, the thesis's.
    pub url: Url,
    /// `sha256` of the archive, lower-case hex. Default: the thesis's, of syslinux 6.03.
    pub sha256: String,
}
