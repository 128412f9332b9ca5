//! `net_fix`, `reach`, `proxy`, `mirrors`: how things reach each other and the world.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use ipnet::Ipv4Net;
use url::Url;

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
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Reach {
    /// `proxy`: an HTTP proxy, such as a bastion's. None: directly, or as the environment says.
    pub proxy: Option<Url>,
}

/// `proxy`: the way out for the machines: MAAS, snapd, apt, Juju. A URL alone stands for both `http` and `https`.
#[derive(Debug, Clone, Default)]
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
#[derive(Debug, Clone, Default)]
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
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImageMirror {
    /// `url` of the simplestreams folder.
    pub url: Url,
    /// `keyring`: a keyring file on the controller that its index is signed with. Default: Ubuntu's.
    pub keyring: Option<PathBuf>,
}
