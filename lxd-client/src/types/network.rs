use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Config, Extra, config, nullable};

/// A network: one of LXD's own (managed) or an interface of the host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// `bridge`, `physical`, `loopback`, `ovn`...
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether LXD made it.
    pub managed: bool,
    /// `Created`, `Pending`, `Errored`; empty where it is the host's.
    pub status: String,
    /// Such as `ipv4.address`.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// What uses it, as URLs.
    #[serde(deserialize_with = "nullable")]
    pub used_by: Vec<String>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Network {
    /// A managed bridge with this name and no configuration of ours.
    pub fn bridge(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: "bridge".into(),
            ..Self::default()
        }
    }

    pub(crate) fn put(&self) -> serde_json::Value {
        serde_json::json!({"config": self.config, "description": self.description})
    }
}

/// GET `/1.0/networks/NAME/state`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NetworkState {
    /// The addresses it bears.
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<NetworkAddress>,
    /// Its MAC.
    pub hwaddr: String,
    /// Bytes.
    pub mtu: u64,
    /// `up` or `down`.
    pub state: String,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An address of an interface.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NetworkAddress {
    /// `inet` or `inet6`.
    pub family: String,
    /// The address.
    pub address: String,
    /// The prefix's length, as text.
    pub netmask: String,
    /// `global`, `link`, `local`.
    pub scope: String,
}

/// A lease of a managed network's DHCP server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NetworkLease {
    /// Who holds it.
    pub hostname: String,
    /// Its MAC.
    pub hwaddr: String,
    /// The address.
    pub address: String,
    /// `static`, `dynamic`, `gateway`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The rest.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}
