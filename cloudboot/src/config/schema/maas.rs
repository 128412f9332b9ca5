//! `maas`: the region, its network and its images.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use url::Url;

use crate::config::error::FaultKind;
use crate::config::kinds::{
    ADDRESS, ARCHITECTURE, CHANNEL, COUNT, EMAIL, FLAG, IPV4, NAME, POSITIVE, RELEASE, SERVICE_URL,
    SHA256, SUBNET, TEXT,
};
use crate::config::net::{is_host, most_blocks, range_end, range_fault};
use crate::config::reader::Section;
use crate::config::tree::Kind;
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

/// The thesis's archive and its checksum.
const SYSLINUX: &str =
    "https://mirrors.edge.kernel.org/pub/linux/utils/boot/syslinux/6.xx/syslinux-6.03.tar.xz";
const SYSLINUX_SHA256: &str = "26d3986d2bea109d5dc0e4f8c4822a459276cf021125e8c9f23c3cca5d8c850e";

impl Maas {
    /// `machines`: how many are listed, if any.
    pub(crate) fn read(root: &Section<'_>, machines: Option<usize>) -> Option<Self> {
        let maas = root.section("maas");
        // The thesis's listing has `dhcp` beside `maas`, and `dns` and two others within it; its code looks for all
        // of them under `maas`. Both are read.
        let beside = !maas.has("dhcp") && root.has("dhcp");
        let dhcp_section = if beside {
            root.section("dhcp")
        } else {
            maas.section("dhcp")
        };
        let place = |key: &str| {
            if !maas.has(key) && dhcp_section.has(key) {
                &dhcp_section
            } else {
                &maas
            }
        };

        let channel = maas.required("channel", &CHANNEL);
        let username = maas.required("username", &NAME);
        let password = maas.secret("password");
        let email = maas.required("email", &EMAIL);
        let dns = place("dns").list("dns", &ADDRESS);
        let image_release =
            place("image_release").or("image_release", &RELEASE, "jammy".to_owned());
        let image_arches = maas.list("image_arches", &ARCHITECTURE);
        let nodes_amount = nodes_amount(place("nodes_amount"), machines);
        let quorum = maas.optional("quorum", &POSITIVE);
        let commission_retries = maas.or("commission_retries", &COUNT, 2);
        let pxe_loader_fix = PxeLoaderFix::read(&maas);
        let dhcp = Dhcp::read(&dhcp_section);
        let server = maas.optional("server", &SERVICE_URL);

        let (dhcp, nodes_amount) = (dhcp?, nodes_amount?);
        let quorum = quorum?.map_or(nodes_amount, |quorum| quorum as usize);
        if quorum > nodes_amount {
            maas.fault(
                "quorum",
                FaultKind::Conflict,
                format!("{quorum}, more than the {nodes_amount} nodes there are"),
                "a number from 1 to maas.nodes_amount",
            );
            return None;
        }
        let server = match server? {
            Some(server) => server,
            None => default_server(dhcp.gateway)?,
        };
        let image_arches = image_arches?;
        let image_arches = if image_arches.is_empty() {
            vec!["amd64".to_owned()]
        } else {
            image_arches
        };
        Some(Self {
            channel: channel?,
            server,
            username: username?,
            password: password?,
            email: email?,
            dhcp,
            dns: dns?,
            image_release: image_release?,
            image_arches,
            nodes_amount,
            quorum,
            commission_retries: commission_retries?,
            pxe_loader_fix: pxe_loader_fix?,
        })
    }
}

/// MAAS at an address of the controller.
pub(crate) fn default_server(gateway: Ipv4Addr) -> Option<Url> {
    Url::parse(&format!("http://{gateway}:5240/MAAS")).ok()
}

fn nodes_amount(section: &Section<'_>, machines: Option<usize>) -> Option<usize> {
    let said = section
        .optional("nodes_amount", &POSITIVE)?
        .map(|amount| amount as usize);
    match (said, machines) {
        (Some(said), Some(listed)) if said != listed => {
            section.fault(
                "nodes_amount",
                FaultKind::Conflict,
                format!("{said}, and `machines` lists {listed}"),
                format!("{listed}, or no maas.nodes_amount at all"),
            );
            None
        }
        (Some(said), _) => Some(said),
        (None, Some(listed)) => Some(listed),
        (None, None) => {
            section.missing(
                "nodes_amount",
                "how many compute nodes there are, or a list of `machines`",
                None,
            );
            None
        }
    }
}

impl Dhcp {
    fn read(dhcp: &Section<'_>) -> Option<Self> {
        let cidr = dhcp.required("cidr", &SUBNET);
        let gateway = dhcp.required("gateway", &IPV4);
        let subnet = dhcp.optional("subnet", &TEXT);
        let range = dhcp.section("ip_range");
        let bounds = read_bounds(&range);

        let cidr = cidr?;
        let gateway = gateway.filter(|gateway| {
            let inside = is_host(cidr, *gateway);
            if !inside {
                dhcp.fault(
                    "gateway",
                    FaultKind::Conflict,
                    format!("`{gateway}`"),
                    format!("a host's address in maas.dhcp.cidr, {cidr}"),
                );
            }
            inside
        });
        let subnet = match subnet? {
            None => Some(cidr.to_string()),
            Some(subnet) => match subnet.parse::<Ipv4Net>() {
                Ok(other) if other != cidr => {
                    dhcp.fault(
                        "subnet",
                        FaultKind::Conflict,
                        format!("`{subnet}`"),
                        format!("the same subnet as maas.dhcp.cidr, {cidr}, or its name in MAAS"),
                    );
                    None
                }
                _ => Some(subnet),
            },
        };
        let (start, end, size) = bounds?;
        // Without a sound gateway the range is still held to the subnet; the network's address stands for none.
        let outside = gateway.unwrap_or(cidr.network());
        let wrong = range_fault(cidr, outside, start, end);
        if let Some(wrong) = wrong {
            let key = if size.is_some() { "size" } else { "end" };
            let mut expected = format!("a range of hosts inside {cidr} without the gateway");
            if let Some(most) = most_blocks(cidr, outside, start).filter(|_| size.is_some()) {
                expected = format!("{expected}; from {start} at most {most} blocks of 256");
            }
            range.fault(key, FaultKind::Conflict, wrong, expected);
            return None;
        }
        Some(Self {
            cidr,
            subnet: subnet?,
            gateway: gateway?,
            ip_range: IpRange { start, end },
        })
    }
}

/// First and last address, and the size where it was said by size.
fn read_bounds(range: &Section<'_>) -> Option<(Ipv4Addr, Ipv4Addr, Option<u32>)> {
    let start = range.required("start", &IPV4);
    let end = range.optional("end", &IPV4);
    let size = range.optional("size", &POSITIVE);
    match (end?, size?) {
        (Some(end), None) => Some((start?, end, None)),
        (Some(_), Some(_)) => {
            range.fault(
                "end",
                FaultKind::Conflict,
                "`end` beside `size`",
                "one of them",
            );
            None
        }
        (None, Some(size)) => {
            let start = start?;
            let end = range_end(start, size);
            if end.is_none() {
                let found = format!("{size} blocks of 256 addresses from {start}");
                range.fault(
                    "size",
                    FaultKind::Invalid,
                    found,
                    "a range that ends before 255.255.255.255",
                );
            }
            Some((start, end?, Some(size)))
        }
        (None, None) => {
            range.missing(
                "size",
                "how many blocks of 256 addresses the range has, or its `end`",
                None,
            );
            None
        }
    }
}

impl PxeLoaderFix {
    fn read(maas: &Section<'_>) -> Option<Self> {
        let value = maas.value("pxe_loader_fix");
        let (flag, section) = match &value {
            Some(value) if matches!(value.node.kind, Kind::Scalar { .. }) => {
                (value.scalar(&FLAG).map(Some), None)
            }
            Some(value) => (Some(None), Some(value.section())),
            None => (Some(None), None),
        };
        let (enabled, url, sha256) = match &section {
            None => (Some(false), Some(None), Some(None)),
            Some(section) => (
                section.or("enabled", &FLAG, true),
                section.optional("url", &SERVICE_URL),
                section.optional("sha256", &SHA256),
            ),
        };
        let (url, sha256) = (url?, sha256?);
        if let (Some(section), Some(_), None) = (&section, &url, &sha256) {
            section.missing("sha256", "the digest of the archive at `url`", None);
            return None;
        }
        Some(Self {
            enabled: flag?.unwrap_or(enabled?),
            url: match url {
                Some(url) => url,
                None => Url::parse(SYSLINUX).ok()?,
            },
            sha256: sha256.unwrap_or_else(|| SYSLINUX_SHA256.to_owned()),
        })
    }
}
