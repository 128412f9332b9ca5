//! Interfaces of nodes.

use compact_str::CompactString;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::ids::{InterfaceId, LinkId, SystemId};
use crate::macros::model;
use crate::model::{InterfaceType, LinkMode, Subnet, Vlan};
use crate::shared::Shared;

model! {
    /// A network interface.
    Interface {
        [
            /// Its id.
            id: InterfaceId,
        ]
        /// Its name.
        name: String,
        /// What kind it is.
        r#type: InterfaceType,
        /// Its MAC address.
        mac_address: Option<String>,
        /// The VLAN that it is in.
        vlan: Option<Shared<Vlan>>,
        /// Its links to subnets.
        links: Vec<Link>,
        /// Names of the interfaces that it is made of.
        parents: Vec<String>,
        /// Names of the interfaces made of it.
        children: Vec<String>,
        /// Whether it is used.
        enabled: bool,
        /// Whether it has a carrier.
        link_connected: bool,
        /// Its speed in Mbit/s.
        link_speed: u64,
        /// The card's speed in Mbit/s.
        interface_speed: u64,
        /// Its MTU in bytes.
        effective_mtu: u32,
        /// Tags.
        tags: Vec<String>,
        /// What its kind is set to (a bond's mode, a bridge's forward delay...).
        params: Shared<InterfaceSettings>,
        /// Addresses seen during commissioning.
        discovered: Option<Vec<Discovered>>,
        /// The node that it belongs to.
        system_id: Option<SystemId>,
        /// The vendor.
        vendor: Option<CompactString>,
        /// The product.
        product: Option<CompactString>,
        /// The firmware's version.
        firmware_version: Option<CompactString>,
        /// The NUMA node.
        numa_node: Option<u32>,
        /// How many virtual functions it can have.
        sriov_max_vf: u32,
    }
}

impl Interface {
    /// The link to this subnet.
    pub fn link_to(&self, subnet: crate::ids::SubnetId) -> Option<&Link> {
        self.links
            .iter()
            .find(|l| l.subnet.as_ref().is_some_and(|s| s.id == subnet))
    }
}

model! {
    /// A link between an interface and a subnet.
    Link {
        [
            /// Its id.
            id: LinkId,
        ]
        /// How the address is come by.
        mode: LinkMode,
        /// The address.
        ip_address: Option<String>,
        /// The subnet.
        subnet: Option<Shared<Subnet>>,
    }
}

model! {
    /// An address seen during commissioning.
    Discovered {
        /// The address.
        ip_address: Option<String>,
        /// The subnet.
        subnet: Option<Shared<Subnet>>,
    }
}

/// What the kind of an interface is set to; MAAS sends an empty text where it has nothing to say.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct InterfaceSettings {
    /// `standard` or `ovs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge_type: Option<String>,
    /// Spanning tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge_stp: Option<bool>,
    /// Forward delay in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge_fd: Option<u32>,
    /// A bond's mode, such as `802.3ad`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond_mode: Option<String>,
    /// How often a bond's links are looked at, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond_miimon: Option<u32>,
    /// The delay before a link is given up, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond_downdelay: Option<u32>,
    /// The delay before a link is used, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond_updelay: Option<u32>,
    /// `fast` or `slow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond_lacp_rate: Option<String>,
    /// How packets are spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond_xmit_hash_policy: Option<String>,
    /// Peer notifications after a failover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond_num_grat_arp: Option<u32>,
    /// Its MTU in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Accept router advertisements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_ra: Option<bool>,
    /// Whatever else it is.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl InterfaceSettings {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl<'de> Deserialize<'de> for InterfaceSettings {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        // A setting of another type than expected stays among the rest.
        let Value::Object(mut all) = Value::deserialize(d)? else {
            return Ok(Self::default());
        };
        fn take<T: serde::de::DeserializeOwned>(
            all: &mut Map<String, Value>,
            name: &str,
        ) -> Option<T> {
            let value = serde_json::from_value(all.get(name)?.clone()).ok()?;
            all.remove(name);
            Some(value)
        }
        Ok(Self {
            bridge_type: take(&mut all, "bridge_type"),
            bridge_stp: take(&mut all, "bridge_stp"),
            bridge_fd: take(&mut all, "bridge_fd"),
            bond_mode: take(&mut all, "bond_mode"),
            bond_miimon: take(&mut all, "bond_miimon"),
            bond_downdelay: take(&mut all, "bond_downdelay"),
            bond_updelay: take(&mut all, "bond_updelay"),
            bond_lacp_rate: take(&mut all, "bond_lacp_rate"),
            bond_xmit_hash_policy: take(&mut all, "bond_xmit_hash_policy"),
            bond_num_grat_arp: take(&mut all, "bond_num_grat_arp"),
            mtu: take(&mut all, "mtu"),
            accept_ra: take(&mut all, "accept_ra"),
            more: all,
        })
    }
}
