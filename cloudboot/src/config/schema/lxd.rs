//! `lxd`, `vm_host`, `vm`, `compute`: the VM host on the controller and what is built on it and on the nodes.

use std::fmt;
use std::net::Ipv4Addr;

use crate::config::error::FaultKind;
use crate::config::kinds::{
    CHANNEL, ENDPOINT, HOSTNAME, INTERFACE, NAME, PORT, POSITIVE, TAG, TEXT,
};
use crate::config::reader::{Scalar, Section};
use crate::config::redact::redacted;
use crate::config::value::{Channel, Secret};

/// `lxd`: LXD on the controller.
#[derive(Clone)]
#[non_exhaustive]
pub struct Lxd {
    /// `channel` of the snap. Default `5.21/stable`, the LTS that MAAS 3.4 to 3.7 talk to.
    pub channel: Channel,
    /// `bridge`: the bridge that is made over the internal NIC. Default `br0`.
    pub bridge: String,
    /// `interface`: the internal NIC. Default: the one that holds `maas.dhcp.gateway` when the step runs.
    pub interface: Option<String>,
    /// `password`: the trust password, for LXD before 6. None: a trust token is used.
    pub password: Option<Secret>,
    /// `port` of LXD's API. Default: that of `init_file`'s `core.https_address`, else 8443.
    pub port: u16,
    /// `init_file_name`: the thesis's name of the preseed file. Kept for its configuration; nothing is written there,
    /// since LXD is configured through its API.
    pub init_file_name: Option<String>,
    /// `init_file`: the preseed as JSON, with `{password}` still in place: see [`Lxd::preseed`]. Null if not given:
    /// a `dir` pool named default and a default profile on `bridge`.
    pub init_file: serde_json::Value,
}

impl Lxd {
    /// The preseed, with `{password}` replaced in each string by the trust password. The result holds a secret.
    pub fn preseed(&self) -> serde_json::Value {
        fn fill(value: &mut serde_json::Value, password: &str) {
            match value {
                serde_json::Value::String(text) => *text = text.replace("{password}", password),
                serde_json::Value::Array(items) => items.iter_mut().for_each(|v| fill(v, password)),
                serde_json::Value::Object(map) => map.values_mut().for_each(|v| fill(v, password)),
                _ => {}
            }
        }
        let mut preseed = self.init_file.clone();
        if let Some(password) = &self.password {
            fill(&mut preseed, password.expose());
        }
        preseed
    }
}

/// `vm_host`: LXD as MAAS sees it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VmHost {
    /// `name` in MAAS. Default `lxd-controller`.
    pub name: String,
    /// `type` in MAAS's words. Only `lxd`.
    pub kind: String,
    /// `project` of LXD in which MAAS makes its VMs. Default `maas`.
    pub project: String,
    /// `address`: where MAAS reaches LXD, host or host:port. Default: `maas.dhcp.gateway` at `lxd.port`.
    pub address: String,
}

/// `vm.juju`: the empty VM that becomes Juju's controller.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JujuVm {
    /// `hostname`. Default `juju-machine`.
    pub hostname: String,
    /// `cpus`: cores. Default 2.
    pub cpus: u32,
    /// `ram` in GiB. Default 4; Juju's client asks for at least 3.5.
    pub ram_gib: u32,
    /// `storage` in GB (10^9 bytes, as MAAS counts). Default 50.
    pub storage_gb: u32,
    /// `tag` by which Juju picks it. Default `juju`.
    pub tag: String,
}

/// `compute`: what is done to each compute node.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Compute {
    /// `tag` of the compute nodes; the bundle's constraints use it. Default `compute`.
    pub tag: String,
    /// `hostname`: prefix of the nodes' names where `machines` gives none: compute0, compute1, ... Default `compute`.
    pub hostname: String,
    /// `bridge` over the boot NIC.
    pub bridge: ComputeBridge,
}

/// `compute.bridge`: the bridge that MAAS makes over a node's boot NIC.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ComputeBridge {
    /// `name`. Default `br-ex`.
    pub name: String,
    /// `type`: `ovs` or `standard`. Default `ovs`.
    pub kind: String,
    /// `link_mode` in MAAS's words: `AUTO`, `DHCP`, `LINK_UP` (`STATIC` wants an address a node). Default `AUTO`.
    pub link_mode: String,
}

/// What `lxd init --preseed` takes.
const PRESEED_KEYS: [&str; 9] = [
    "certificates",
    "cluster",
    "cluster_groups",
    "config",
    "networks",
    "profiles",
    "projects",
    "storage_pools",
    "storage_volumes",
];

impl Lxd {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let lxd = root.section("lxd");
        let channel = match lxd.optional("channel", &CHANNEL)? {
            Some(channel) => Some(channel),
            None => "5.21/stable".parse().ok(),
        };
        let bridge = lxd.or("bridge", &INTERFACE, "br0".to_owned());
        let interface = lxd.optional("interface", &INTERFACE);
        let password = lxd.optional_secret("password");
        let init_file_name = lxd.optional("init_file_name", &TEXT);
        let init_file = read_preseed(&lxd, password.as_ref().is_some_and(Option::is_none));
        let port = lxd.optional("port", &PORT);

        let (bridge, interface, init_file) = (bridge?, interface?, init_file?);
        if interface.as_ref() == Some(&bridge) {
            let found = format!("`{bridge}`, the name of the NIC under it");
            lxd.fault("bridge", FaultKind::Conflict, found, "a name of its own");
            return None;
        }
        let listens = init_file["config"]["core.https_address"]
            .as_str()
            .and_then(|address| address.rsplit_once(':'))
            .and_then(|(_, port)| port.parse().ok());
        Some(Self {
            channel: channel?,
            bridge,
            interface,
            password: password?,
            port: port?.or(listens).unwrap_or(8443),
            init_file_name: init_file_name?,
            init_file,
        })
    }
}

fn read_preseed(lxd: &Section<'_>, no_password: bool) -> Option<serde_json::Value> {
    let Some(value) = lxd.value("init_file") else {
        return Some(serde_json::Value::Null);
    };
    let preseed = value.section();
    let mut wants_password = false;
    for key in PRESEED_KEYS {
        if let Some(part) = preseed.raw(key) {
            wants_password |= part.node.json().to_string().contains("{password}");
        }
    }
    if preseed.is_broken() {
        return None;
    }
    if wants_password && no_password {
        lxd.missing(
            "password",
            "the password that `{password}` in lxd.init_file stands for",
            None,
        );
        return None;
    }
    Some(value.node.json())
}

impl fmt::Debug for Lxd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lxd")
            .field("channel", &self.channel)
            .field("bridge", &self.bridge)
            .field("interface", &self.interface)
            .field("password", &self.password)
            .field("port", &self.port)
            .field("init_file_name", &self.init_file_name)
            .field("init_file", &redacted(&self.init_file))
            .finish()
    }
}

const VM_HOST_TYPE: Scalar<String> = Scalar {
    expected: "lxd",
    parse: |text| (text == "lxd").then(|| text.to_owned()),
};

impl VmHost {
    pub(crate) fn read(
        root: &Section<'_>,
        gateway: Option<Ipv4Addr>,
        port: Option<u16>,
    ) -> Option<Self> {
        let vm_host = root.section("vm_host");
        let name = vm_host.or("name", &HOSTNAME, "lxd-controller".to_owned());
        let kind = vm_host.or("type", &VM_HOST_TYPE, "lxd".to_owned());
        let project = vm_host.or("project", &NAME, "maas".to_owned());
        let address = vm_host.optional("address", &ENDPOINT);
        let address = match address? {
            Some(address) => address,
            None => format!("{}:{}", gateway?, port?),
        };
        Some(Self {
            name: name?,
            kind: kind?,
            project: project?,
            address,
        })
    }
}

impl JujuVm {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let vm = root.section("vm");
        let juju = vm.section("juju");
        let hostname = juju.or("hostname", &HOSTNAME, "juju-machine".to_owned());
        let cpus = juju.or("cpus", &POSITIVE, 2);
        let ram_gib = juju.or("ram", &POSITIVE, 4);
        let storage_gb = juju.or("storage", &POSITIVE, 50);
        let tag = juju.or("tag", &TAG, "juju".to_owned());
        if ram_gib.is_some_and(|ram| ram < 4) {
            // Source: Juju's `bootstrap.go`: mem=3584M unless constrained otherwise.
            juju.fault(
                "ram",
                FaultKind::Invalid,
                "less than 4 (GiB)",
                "at least 4: Juju's controller needs 3.5 GiB",
            );
            return None;
        }
        Some(Self {
            hostname: hostname?,
            cpus: cpus?,
            ram_gib: ram_gib?,
            storage_gb: storage_gb?,
            tag: tag?,
        })
    }
}

/// Source: MAAS's `BRIDGE_TYPE_CHOICES`.
const BRIDGE_TYPE: Scalar<String> = Scalar {
    expected: "ovs or standard",
    parse: |text| ["ovs", "standard"].contains(&text).then(|| text.to_owned()),
};

/// Source: MAAS's `INTERFACE_LINK_TYPE`, without STATIC, which wants an address for each node.
const LINK_MODE: Scalar<String> = Scalar {
    expected: "AUTO, DHCP or LINK_UP",
    parse: |text| {
        let mode = text.to_ascii_uppercase();
        ["AUTO", "DHCP", "LINK_UP"]
            .contains(&mode.as_str())
            .then_some(mode)
    },
};

impl Compute {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let compute = root.section("compute");
        let tag = compute.or("tag", &TAG, "compute".to_owned());
        let hostname = compute.or("hostname", &HOSTNAME, "compute".to_owned());
        let bridge = compute.section("bridge");
        let name = bridge.or("name", &INTERFACE, "br-ex".to_owned());
        let kind = bridge.or("type", &BRIDGE_TYPE, "ovs".to_owned());
        let link_mode = bridge.or("link_mode", &LINK_MODE, "AUTO".to_owned());
        let bridge = ComputeBridge {
            name: name?,
            kind: kind?,
            link_mode: link_mode?,
        };
        Some(Self {
            tag: tag?,
            hostname: hostname?,
            bridge,
        })
    }
}
