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

/// A forward: packets for an address of the outside go to addresses inside a network.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NetworkForward {
    /// The address of the outside; its name.
    pub listen_address: String,
    /// Free text.
    pub description: String,
    /// Such as `target_address`: where what no port names goes.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// Ports with targets of their own.
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<NetworkForwardPort>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl NetworkForward {
    /// One that listens on this address and sends nothing anywhere yet.
    pub fn on(listen_address: impl Into<String>) -> Self {
        Self {
            listen_address: listen_address.into(),
            ..Self::default()
        }
    }

    /// Sends what comes for a port to an address inside (the same port there).
    #[must_use]
    pub fn port(
        mut self,
        protocol: impl Into<String>,
        ports: impl Into<String>,
        target: impl Into<String>,
    ) -> Self {
        self.ports.push(NetworkForwardPort {
            protocol: protocol.into(),
            listen_port: ports.into(),
            target_address: target.into(),
            ..NetworkForwardPort::default()
        });
        self
    }

    pub(crate) fn put(&self) -> serde_json::Value {
        serde_json::json!({
            "config": self.config, "description": self.description, "ports": self.ports,
        })
    }
}

/// A port of a forward.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NetworkForwardPort {
    /// Free text.
    pub description: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Such as `80,90-100`.
    pub listen_port: String,
    /// Where to; the same as `listen_port` if empty.
    pub target_port: String,
    /// The address inside.
    pub target_address: String,
}

/// Rules for packets.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NetworkAcl {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// `user.*` keys.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// For what leaves.
    #[serde(deserialize_with = "nullable")]
    pub egress: Vec<NetworkAclRule>,
    /// For what comes in.
    #[serde(deserialize_with = "nullable")]
    pub ingress: Vec<NetworkAclRule>,
    /// What uses it, as URLs.
    #[serde(deserialize_with = "nullable")]
    pub used_by: Vec<String>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl NetworkAcl {
    /// One without rules.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    pub(crate) fn put(&self) -> serde_json::Value {
        serde_json::json!({
            "config": self.config, "description": self.description,
            "egress": self.egress, "ingress": self.ingress,
        })
    }
}

/// A rule of a [`NetworkAcl`]; an empty field matches anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NetworkAclRule {
    /// `allow`, `drop` or `reject`.
    pub action: String,
    /// From where: addresses, ranges, subnets, ACLs, joined by commas.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Where to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination: String,
    /// `tcp`, `udp`, `icmp4`, `icmp6`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// From which ports.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_port: String,
    /// To which ports.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination_port: String,
    /// Of ICMP.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icmp_type: String,
    /// Of ICMP.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icmp_code: String,
    /// Free text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// `enabled`, `disabled` or `logged`.
    pub state: String,
}

impl NetworkAclRule {
    /// A rule that lets through (or not) what its fields match; enabled.
    pub fn new(action: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            state: "enabled".into(),
            ..Self::default()
        }
    }
}
