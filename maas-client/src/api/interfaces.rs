//! Interfaces of nodes.

use crate::error::Result;
use crate::ids::{InterfaceId, LinkId, SubnetId, SystemId, VlanId};
use crate::macros::{at, handle};
use crate::model::{Interface, LinkMode};
use crate::params::params;

params! {
    /// A bridge.
    BridgeParams {
        /// Its name.
        name: String,
        /// The interface that it is put over.
        parent: InterfaceId,
        /// `standard` or `ovs`.
        bridge_type: String,
        /// Spanning tree.
        bridge_stp: bool,
        /// Forward delay in seconds.
        bridge_fd: u32,
        /// Its MAC address; the parent's by default.
        mac_address: String,
        /// Its VLAN; the parent's by default.
        vlan: VlanId,
        /// Its MTU in bytes.
        mtu: u32,
        /// Tags, separated by commas.
        tags: String,
        /// Accept router advertisements.
        accept_ra: bool,
    }
}

params! {
    /// A bond.
    BondParams {
        /// Its name.
        name: String,
        /// The interfaces that it is made of.
        parents: Vec<InterfaceId>,
        /// Its mode, such as `802.3ad`.
        bond_mode: String,
        /// How often the link is looked at, in ms.
        bond_miimon: u32,
        /// The delay before a link is given up, in ms.
        bond_downdelay: u32,
        /// The delay before a link is used, in ms.
        bond_updelay: u32,
        /// `fast` or `slow`.
        bond_lacp_rate: String,
        /// How packets are spread.
        bond_xmit_hash_policy: String,
        /// Peer notifications after a failover.
        bond_num_grat_arp: u32,
        /// Its MAC address.
        mac_address: String,
        /// Its VLAN.
        vlan: VlanId,
        /// Its MTU in bytes.
        mtu: u32,
        /// Tags, separated by commas.
        tags: String,
        /// Accept router advertisements.
        accept_ra: bool,
    }
}

params! {
    /// A physical interface.
    PhysicalParams {
        /// Its name.
        name: String,
        /// Its MAC address.
        mac_address: String,
        /// Its VLAN.
        vlan: VlanId,
        /// Its MTU in bytes.
        mtu: u32,
        /// Tags, separated by commas.
        tags: String,
        /// Accept router advertisements.
        accept_ra: bool,
    }
}

params! {
    /// A tagged VLAN on an interface.
    VlanInterfaceParams {
        /// The interface below.
        parent: InterfaceId,
        /// The VLAN.
        vlan: VlanId,
        /// Its MTU in bytes.
        mtu: u32,
        /// Tags, separated by commas.
        tags: String,
        /// Accept router advertisements.
        accept_ra: bool,
    }
}

params! {
    /// What can be changed of an interface.
    InterfaceParams {
        /// Its name.
        name: String,
        /// Its MAC address.
        mac_address: String,
        /// Its VLAN; the empty text takes it away.
        vlan: String,
        /// The interface below (bridge, VLAN).
        parent: InterfaceId,
        /// The interfaces below (bond).
        parents: Vec<InterfaceId>,
        /// `standard` or `ovs`.
        bridge_type: String,
        /// Spanning tree.
        bridge_stp: bool,
        /// Forward delay in seconds.
        bridge_fd: u32,
        /// A bond's mode.
        bond_mode: String,
        /// How often the link is looked at, in ms.
        bond_miimon: u32,
        /// Its MTU in bytes.
        mtu: u32,
        /// Tags, separated by commas.
        tags: String,
        /// Accept router advertisements.
        accept_ra: bool,
        /// Whether it has a carrier.
        link_connected: bool,
        /// Mbit/s.
        link_speed: u32,
        /// Mbit/s of the card.
        interface_speed: u32,
    }
}

params! {
    /// A link to a subnet.
    LinkParams {
        /// A fixed address; without one MAAS chooses (mode `static`).
        ip_address: String,
        /// Make this subnet's gateway the default one.
        default_gateway: bool,
        /// Link even where another link stands in the way.
        force: bool,
    }
}

handle! {
    /// Interfaces of nodes. An interface is named by its id or its name.
    Interfaces
}

impl Interfaces {
    /// All interfaces of a node.
    pub async fn list(&self, node: &SystemId) -> Result<Vec<Interface>> {
        self.get(at!["nodes", node, "interfaces"]).json().await
    }

    /// One, by its id.
    pub async fn read(&self, node: &SystemId, id: InterfaceId) -> Result<Interface> {
        self.get(at!["nodes", node, "interfaces", id]).json().await
    }

    /// One, by its name.
    pub async fn read_by_name(&self, node: &SystemId, name: &str) -> Result<Interface> {
        self.get(at!["nodes", node, "interfaces", name])
            .json()
            .await
    }

    /// Puts a bridge over an interface. The parent's link to its subnet goes, and the bridge has none:
    /// [`link_subnet`](Self::link_subnet) it.
    pub async fn create_bridge(&self, node: &SystemId, params: &BridgeParams) -> Result<Interface> {
        self.post(at!["nodes", node, "interfaces"])
            .op("create_bridge")
            .params(params)
            .json()
            .await
    }

    /// Makes a bond of interfaces in one VLAN.
    pub async fn create_bond(&self, node: &SystemId, params: &BondParams) -> Result<Interface> {
        self.post(at!["nodes", node, "interfaces"])
            .op("create_bond")
            .params(params)
            .json()
            .await
    }

    /// Adds a physical interface.
    pub async fn create_physical(
        &self,
        node: &SystemId,
        params: &PhysicalParams,
    ) -> Result<Interface> {
        self.post(at!["nodes", node, "interfaces"])
            .op("create_physical")
            .params(params)
            .json()
            .await
    }

    /// Adds a tagged VLAN.
    pub async fn create_vlan(
        &self,
        node: &SystemId,
        params: &VlanInterfaceParams,
    ) -> Result<Interface> {
        self.post(at!["nodes", node, "interfaces"])
            .op("create_vlan")
            .params(params)
            .json()
            .await
    }

    /// Changes an interface.
    pub async fn update(
        &self,
        node: &SystemId,
        id: InterfaceId,
        params: &InterfaceParams,
    ) -> Result<Interface> {
        self.put(at!["nodes", node, "interfaces", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes an interface.
    pub async fn delete(&self, node: &SystemId, id: InterfaceId) -> Result<()> {
        self.del(at!["nodes", node, "interfaces", id]).empty().await
    }

    /// Links an interface to a subnet of its own VLAN.
    ///
    /// # Errors
    /// A subnet in another VLAN is a field error of `subnet` ("None found with id=...");
    /// [`ErrorKind::Exhausted`](crate::ErrorKind::Exhausted) when the subnet has no address left.
    pub async fn link_subnet(
        &self,
        node: &SystemId,
        id: InterfaceId,
        mode: LinkMode,
        subnet: SubnetId,
        params: &LinkParams,
    ) -> Result<Interface> {
        self.post(at!["nodes", node, "interfaces", id])
            .op("link_subnet")
            .form("mode", mode.as_str().to_ascii_uppercase())
            .form("subnet", subnet)
            .params(params)
            .json()
            .await
    }

    /// Takes a link away.
    pub async fn unlink_subnet(
        &self,
        node: &SystemId,
        id: InterfaceId,
        link: LinkId,
    ) -> Result<Interface> {
        self.post(at!["nodes", node, "interfaces", id])
            .op("unlink_subnet")
            .form("id", link)
            .json()
            .await
    }

    /// Takes every link and the VLAN away.
    pub async fn disconnect(&self, node: &SystemId, id: InterfaceId) -> Result<Interface> {
        self.post(at!["nodes", node, "interfaces", id])
            .op("disconnect")
            .json()
            .await
    }

    /// Makes a link's gateway the node's default one.
    pub async fn set_default_gateway(
        &self,
        node: &SystemId,
        id: InterfaceId,
        link: Option<LinkId>,
    ) -> Result<Interface> {
        self.post(at!["nodes", node, "interfaces", id])
            .op("set_default_gateway")
            .form("link_id", link)
            .json()
            .await
    }

    /// Adds a tag.
    pub async fn add_tag(&self, node: &SystemId, id: InterfaceId, tag: &str) -> Result<Interface> {
        self.post(at!["nodes", node, "interfaces", id])
            .op("add_tag")
            .form("tag", tag)
            .json()
            .await
    }

    /// Takes a tag away.
    pub async fn remove_tag(
        &self,
        node: &SystemId,
        id: InterfaceId,
        tag: &str,
    ) -> Result<Interface> {
        self.post(at!["nodes", node, "interfaces", id])
            .op("remove_tag")
            .form("tag", tag)
            .json()
            .await
    }
}
