//! `net_fix`, `reach`, `proxy`, `mirrors`: how things reach each other and the world.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::Ipv4Net;
use url::Url;

use crate::config::kinds::{INTERFACE, IPV4, SUBNET, TEXT, URL};
use crate::config::reader::{Section, Value};
use crate::config::tree::Kind;

/// `net_fix`: forwarding and source NAT on the controller, so that the machines reach the world. Left out: none.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NetFix {
    /// `ip_saddr`: whose packets are translated. Default: `maas.dhcp.cidr`.
    pub ip_saddr: Ipv4Net,
    /// `forward_ip`: the address that they leave with. None: whatever address `ethernet` has (masquerade).
    pub forward_ip: Option<Ipv4Addr>,
    /// `ethernet`: the NIC that they leave through.
    pub ethernet: String,
}

/// `reach`: how this program, not the machines, reaches addresses inside the cloud.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Reach {
    /// `proxy`: an HTTP proxy, such as a bastion's. None: directly, or as the environment says.
    pub proxy: Option<Url>,
    /// `forwards`: BMCs that are reached by another address and port, such as one forwarded by a bastion (IPMI is UDP,
    /// which no HTTP proxy carries): from the BMC's own `ip:port` to that one.
    pub forwards: BTreeMap<SocketAddr, SocketAddr>,
}

impl Reach {
    /// Where a datagram for a BMC is sent.
    pub fn forwarded(&self, bmc: SocketAddr) -> SocketAddr {
        self.forwards.get(&bmc).copied().unwrap_or(bmc)
    }
}

/// `proxy`: the way out for the machines: MAAS, snapd, apt, Juju. A URL alone stands for both `http` and `https`.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Proxy {
    /// `http`.
    pub http: Option<Url>,
    /// `https`.
    pub https: Option<Url>,
    /// `no_proxy`: hosts, domains and CIDRs that are reached directly.
    pub no_proxy: Vec<String>,
}

/// `mirrors`: what is taken from elsewhere than its public origin.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Mirrors {
    /// `snap`: a snap store proxy.
    pub snap: Option<Url>,
    /// `apt`: an Ubuntu archive.
    pub apt: Option<Url>,
    /// `images`: MAAS's boot images; a URL, or a map with `url` and `keyring`.
    pub images: Option<ImageMirror>,
    /// `juju_agents`: Juju's agent binaries (model key `agent-metadata-url`).
    pub juju_agents: Option<Url>,
    /// `charm_store`: Charmhub (controller key `charmhub-url`).
    pub charm_store: Option<Url>,
}

/// `mirrors.images`.
#[derive(Clone)]
#[non_exhaustive]
pub struct ImageMirror {
    /// `url` of the simplestreams folder.
    pub url: Url,
    /// `keyring`: a keyring file on the controller that its index is signed with. Default: Ubuntu's.
    pub keyring: Option<PathBuf>,
}

impl NetFix {
    /// Outer `None`: it is wrong. Inner `None`: there is none.
    #[allow(clippy::option_option)] // The two absences are what the caller must tell apart.
    pub(crate) fn read(root: &Section<'_>, cidr: Option<Ipv4Net>) -> Option<Option<Self>> {
        let net_fix = root.section("net_fix");
        let ip_saddr = net_fix.optional("ip_saddr", &SUBNET);
        let forward_ip = net_fix.optional("forward_ip", &IPV4);
        if !net_fix.is_there() {
            let _ = net_fix.optional("ethernet", &INTERFACE);
            return Some(None);
        }
        let ethernet = net_fix.required("ethernet", &INTERFACE);
        let ip_saddr = ip_saddr?.or(cidr)?;
        Some(Some(Self {
            ip_saddr,
            forward_ip: forward_ip?,
            ethernet: ethernet?,
        }))
    }
}

impl Reach {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let reach = root.section("reach");
        let proxy = reach.optional("proxy", &URL);
        let forwards: Vec<_> = reach
            .section("forwards")
            .entries()
            .into_iter()
            .map(|(own, value)| Self::forward(own, &value))
            .collect();
        Some(Self {
            proxy: proxy?,
            forwards: forwards.into_iter().collect::<Option<_>>()?,
        })
    }

    fn forward(own: &str, value: &Value<'_>) -> Option<(SocketAddr, SocketAddr)> {
        const EXPECTED: &str =
            "`own ip:port: forwarded ip:port`, such as \"10.42.192.11:623\": 127.0.0.1:40623";
        let other = value.text(EXPECTED)?;
        match (own.parse(), other.parse()) {
            (Ok(own), Ok(other)) => Some((own, other)),
            _ => {
                value.invalid(EXPECTED);
                None
            }
        }
    }
}

impl Proxy {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let Some(value) = root.value("proxy") else {
            return Self::read_section(&root.section("proxy"));
        };
        if matches!(value.node.kind, Kind::Scalar { .. }) {
            let both = value.scalar(&URL)?;
            return Some(Self {
                http: Some(both.clone()),
                https: Some(both),
                no_proxy: Vec::new(),
            });
        }
        Self::read_section(&value.section())
    }

    fn read_section(proxy: &Section<'_>) -> Option<Self> {
        let http = proxy.optional("http", &URL);
        let https = proxy.optional("https", &URL);
        let no_proxy = proxy.list("no_proxy", &TEXT);
        Some(Self {
            http: http?,
            https: https?,
            no_proxy: no_proxy?,
        })
    }
}

impl Mirrors {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let mirrors = root.section("mirrors");
        let snap = mirrors.optional("snap", &URL);
        let apt = mirrors.optional("apt", &URL);
        let juju_agents = mirrors.optional("juju_agents", &URL);
        let charm_store = mirrors.optional("charm_store", &URL);
        let images = match mirrors.value("images") {
            None => Some(None),
            Some(value) if matches!(value.node.kind, Kind::Scalar { .. }) => value
                .scalar(&URL)
                .map(|url| Some(ImageMirror { url, keyring: None })),
            Some(value) => {
                let images = value.section();
                let url = images.required("url", &URL);
                // A path on the controller, where MAAS reads it.
                let keyring = images.optional("keyring", &TEXT);
                url.zip(keyring).map(|(url, keyring)| {
                    Some(ImageMirror {
                        url,
                        keyring: keyring.map(PathBuf::from),
                    })
                })
            }
        };
        Some(Self {
            snap: snap?,
            apt: apt?,
            images: images?,
            juju_agents: juju_agents?,
            charm_store: charm_store?,
        })
    }
}

/// A URL without what may be a password.
fn guarded(url: &Option<Url>) -> Option<String> {
    url.as_ref()
        .map(|url| crate::config::reader::shown(url.as_str()))
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach")
            .field("proxy", &guarded(&self.proxy))
            .field("forwards", &self.forwards)
            .finish()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("http", &guarded(&self.http))
            .field("https", &guarded(&self.https))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

impl fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrors")
            .field("snap", &guarded(&self.snap))
            .field("apt", &guarded(&self.apt))
            .field("images", &self.images)
            .field("juju_agents", &guarded(&self.juju_agents))
            .field("charm_store", &guarded(&self.charm_store))
            .finish()
    }
}

impl fmt::Debug for ImageMirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageMirror")
            .field("url", &guarded(&Some(self.url.clone())))
            .field("keyring", &self.keyring)
            .finish()
    }
}
