//! `lxd`, `vm_host`, `vm`, `compute`: the VM host on the controller and what is built on it and on the nodes.

use crate::config::value::{Channel, Secret};

/// `lxd`: LXD on the controller.
#[derive(Debug, Clone)]
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
