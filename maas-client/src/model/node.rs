//! Devices, and nodes of any kind.

use crate::ids::{NodeDeviceId, ScriptSetId, SystemId};
use crate::macros::model;
use crate::model::{Domain, Interface, PowerState, Service, Zone};
use crate::shared::Shared;
use compact_str::CompactString;

model! {
    #[derive(Default)]
    /// What a node says of its make; what it does not tell is `Unknown`.
    HardwareInfo {
        /// The maker of the whole.
        system_vendor: CompactString,
        /// What it is sold as.
        system_product: CompactString,
        /// The family of products.
        system_family: CompactString,
        /// Its version.
        system_version: CompactString,
        /// The number it is ordered by.
        system_sku: CompactString,
        /// Its serial number.
        system_serial: CompactString,
        /// The processor.
        cpu_model: CompactString,
        /// The mainboard's maker.
        mainboard_vendor: CompactString,
        /// The mainboard.
        mainboard_product: CompactString,
        /// Its version.
        mainboard_version: CompactString,
        /// Its serial number.
        mainboard_serial: CompactString,
        /// The firmware's maker.
        mainboard_firmware_vendor: CompactString,
        /// The firmware's version.
        mainboard_firmware_version: CompactString,
        /// The firmware's date, as its maker writes it.
        mainboard_firmware_date: CompactString,
        /// The chassis's maker.
        chassis_vendor: CompactString,
        /// Its kind.
        chassis_type: CompactString,
        /// Its version.
        chassis_version: CompactString,
        /// Its serial number.
        chassis_serial: CompactString,
    }
}

model! {
    /// A device: it has names and addresses, and is not deployed.
    Device {
        [
            /// Its id.
            system_id: SystemId,
        ]
        /// Its name.
        hostname: String,
        /// Its name with the domain.
        fqdn: String,
        /// Its domain.
        domain: Option<Shared<Domain>>,
        /// Its zone.
        zone: Option<Shared<Zone>>,
        /// Free text.
        description: String,
        /// Whose it is.
        owner: Option<String>,
        /// The node that it is a part of.
        parent: Option<SystemId>,
        /// Its addresses.
        ip_addresses: Vec<String>,
        /// Its interfaces.
        interface_set: Vec<Shared<Interface>>,
        /// Tags.
        tag_names: Vec<String>,
    }
}

model! {
    /// A node of any kind, with what all kinds have.
    Node {
        [
            /// Its id.
            system_id: SystemId,
        ]
        /// Its name.
        hostname: String,
        /// Its name with the domain.
        fqdn: String,
        /// 0 machine, 1 device, 2 rack, 3 region, 4 both.
        node_type: i64,
        /// The same in words.
        node_type_name: CompactString,
        /// Its domain.
        domain: Option<Shared<Domain>>,
        /// Its zone.
        zone: Option<Shared<Zone>>,
        /// Its addresses.
        ip_addresses: Vec<String>,
        /// Its interfaces.
        interface_set: Vec<Shared<Interface>>,
        /// Tags.
        tag_names: Vec<String>,
        /// Free text.
        description: String,
        /// Its architecture.
        architecture: String,
        /// Cores.
        cpu_count: u32,
        /// The processor's speed in MHz.
        cpu_speed: u32,
        /// Memory in MiB.
        memory: u64,
        /// Swap in bytes.
        swap_size: Option<u64>,
        /// Whether it has power.
        power_state: PowerState,
        /// Its power driver.
        power_type: String,
        /// The operating system.
        osystem: String,
        /// The release.
        distro_series: String,
        /// A controller's MAAS version.
        version: String,
        /// A controller's services.
        service_set: Vec<Service>,
        /// The mainboard's UUID.
        hardware_uuid: Option<CompactString>,
        /// Vendor, product, firmware and so on.
        hardware_info: Box<HardwareInfo>,
        /// What it is doing.
        status_action: CompactString,
        /// How commissioning ended, as a script status number (2 is passed, 3 failed).
        commissioning_status: i64,
        /// The same in words.
        commissioning_status_name: CompactString,
        /// How the tests ended.
        testing_status: i64,
        /// The same in words.
        testing_status_name: CompactString,
        /// The results of the last commissioning.
        current_commissioning_result_id: Option<ScriptSetId>,
        /// The results of the last tests.
        current_testing_result_id: Option<ScriptSetId>,
        /// The results of the last installation.
        current_installation_result_id: Option<ScriptSetId>,
        /// How the hardware tests of one kind last ended, as a script status number; -1 where none ran.
        cpu_test_status: i64,
        /// The same in words.
        cpu_test_status_name: CompactString,
        /// The same for memory.
        memory_test_status: i64,
        /// In words.
        memory_test_status_name: CompactString,
        /// The same for disks.
        storage_test_status: i64,
        /// In words.
        storage_test_status_name: CompactString,
        /// The same for the network.
        network_test_status: i64,
        /// In words.
        network_test_status_name: CompactString,
        /// The same for interfaces.
        interface_test_status: i64,
        /// In words.
        interface_test_status_name: CompactString,
        /// The same for the rest.
        other_test_status: i64,
        /// In words.
        other_test_status_name: CompactString,
    }
}

model! {
    /// A PCI or USB device of a node.
    NodeDevice {
        [
            /// Its id.
            id: NodeDeviceId,
        ]
        /// 1 PCIe, 2 USB.
        bus: i64,
        /// The same in words.
        bus_name: String,
        /// What kind of hardware, as a number.
        hardware_type: i64,
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
        /// The bus's number.
        bus_number: i64,
        /// The device's number.
        device_number: i64,
        /// Its PCI address.
        pci_address: Option<String>,
        /// The node.
        system_id: Option<SystemId>,
    }
}

model! {
    /// A node, named.
    NodeRef {
        /// Its id.
        system_id: Option<SystemId>,
    }
}
