//! Devices, and nodes of every kind.

use crate::api::MachineFilter;
use crate::error::Result;
use crate::ids::{NodeDeviceId, SystemId};
use crate::macros::{at, handle};
use crate::model::{Device, Node, NodeDetails, NodeDevice, PowerParameterMap};
use crate::params::Pairs;
use crate::params::params;

params! {
    /// What a device has.
    DeviceParams {
        /// Its name.
        hostname: String,
        /// Its domain.
        domain: String,
        /// The node that it is a part of.
        parent: SystemId,
        /// Free text.
        description: String,
        /// Its zone.
        zone: String,
    }
}

params! {
    /// Which PCI and USB devices to list.
    NodeDeviceFilter {
        /// `pcie` or `usb`.
        bus: String,
        /// The hardware's type.
        hardware_type: String,
        /// The vendor's id.
        vendor_id: String,
        /// The product's id.
        product_id: String,
        /// The vendor.
        vendor_name: String,
        /// The product.
        product_name: String,
        /// The driver seen in commissioning.
        commissioning_driver: String,
    }
}

handle! {
    /// Devices: what has addresses and names here, but is not deployed.
    Devices
}

impl Devices {
    /// The devices that pass the filter.
    pub async fn list(&self, params: &MachineFilter) -> Result<Vec<Device>> {
        self.get("devices/").query_params(params).json().await
    }

    /// Adds a device.
    pub async fn create(&self, mac_addresses: &[String], params: &DeviceParams) -> Result<Device> {
        self.post("devices/")
            .form("mac_addresses", mac_addresses)
            .params(params)
            .json()
            .await
    }

    /// Whether some device has this MAC address.
    pub async fn is_registered(&self, mac_address: &str) -> Result<bool> {
        self.get("devices/")
            .op("is_registered")
            .query("mac_address", mac_address)
            .json()
            .await
    }

    /// Puts devices into a zone.
    pub async fn set_zone(&self, nodes: &[SystemId], zone: &str) -> Result<()> {
        self.post("devices/")
            .op("set_zone")
            .form("nodes", nodes)
            .form("zone", zone)
            .empty()
            .await
    }

    /// One device.
    pub async fn read(&self, id: &SystemId) -> Result<Device> {
        self.get(at!["devices", id]).json().await
    }

    /// Changes a device.
    pub async fn update(&self, id: &SystemId, params: &DeviceParams) -> Result<Device> {
        self.put(at!["devices", id]).params(params).json().await
    }

    /// Deletes a device.
    pub async fn delete(&self, id: &SystemId) -> Result<()> {
        self.del(at!["devices", id]).empty().await
    }

    /// What `lshw` and `lldp` found.
    pub async fn details(&self, id: &SystemId) -> Result<NodeDetails> {
        self.get(at!["devices", id]).op("details").details().await
    }

    /// Its power parameters (with the password).
    pub async fn power_parameters(&self, id: &SystemId) -> Result<PowerParameterMap> {
        self.get(at!["devices", id])
            .op("power_parameters")
            .secret()
            .json()
            .await
    }

    /// Takes back every change of its configuration.
    pub async fn restore_default_configuration(&self, id: &SystemId) -> Result<Device> {
        self.post(at!["devices", id])
            .op("restore_default_configuration")
            .json()
            .await
    }

    /// Takes back every change of its network.
    pub async fn restore_networking_configuration(&self, id: &SystemId) -> Result<Device> {
        self.post(at!["devices", id])
            .op("restore_networking_configuration")
            .json()
            .await
    }

    /// Sets key-value pairs of the owner.
    pub async fn set_owner_data(&self, id: &SystemId, params: &Pairs) -> Result<Device> {
        self.post(at!["devices", id])
            .op("set_owner_data")
            .params(params)
            .json()
            .await
    }

    /// Sets annotations of the workload.
    pub async fn set_workload_annotations(&self, id: &SystemId, params: &Pairs) -> Result<Device> {
        self.post(at!["devices", id])
            .op("set_workload_annotations")
            .params(params)
            .json()
            .await
    }
}

handle! {
    /// Nodes of every kind.
    Nodes
}

impl Nodes {
    /// The nodes that pass the filter.
    pub async fn list(&self, params: &MachineFilter) -> Result<Vec<Node>> {
        self.get("nodes/").query_params(params).json().await
    }

    /// Whether some node has this MAC address.
    pub async fn is_registered(&self, mac_address: &str) -> Result<bool> {
        self.get("nodes/")
            .op("is_registered")
            .query("mac_address", mac_address)
            .json()
            .await
    }

    /// Puts nodes into a zone.
    pub async fn set_zone(&self, nodes: &[SystemId], zone: &str) -> Result<()> {
        self.post("nodes/")
            .op("set_zone")
            .form("nodes", nodes)
            .form("zone", zone)
            .empty()
            .await
    }

    /// One node.
    pub async fn read(&self, id: &SystemId) -> Result<Node> {
        self.get(at!["nodes", id]).json().await
    }

    /// Deletes a node.
    pub async fn delete(&self, id: &SystemId) -> Result<()> {
        self.del(at!["nodes", id]).empty().await
    }

    /// What `lshw` and `lldp` found.
    pub async fn details(&self, id: &SystemId) -> Result<NodeDetails> {
        self.get(at!["nodes", id]).op("details").details().await
    }

    /// Its power parameters (with the password).
    pub async fn power_parameters(&self, id: &SystemId) -> Result<PowerParameterMap> {
        self.get(at!["nodes", id])
            .op("power_parameters")
            .secret()
            .json()
            .await
    }

    /// PCI and USB devices of a node.
    pub async fn hardware(
        &self,
        node: &SystemId,
        params: &NodeDeviceFilter,
    ) -> Result<Vec<NodeDevice>> {
        self.get(at!["nodes", node, "devices"])
            .query_params(params)
            .json()
            .await
    }

    /// A PCI or USB device of a node.
    pub async fn read_hardware(&self, node: &SystemId, id: NodeDeviceId) -> Result<NodeDevice> {
        self.get(at!["nodes", node, "devices", id]).json().await
    }

    /// Forgets a PCI or USB device of a node.
    pub async fn delete_hardware(&self, node: &SystemId, id: NodeDeviceId) -> Result<()> {
        self.del(at!["nodes", node, "devices", id]).empty().await
    }
}
