//! Region and rack controllers.

use crate::ids::{ScriptSetId, SystemId};
use crate::macros::model;
use crate::model::{Domain, HardwareInfo, Interface, PowerState, Zone};
use crate::shared::Shared;
use compact_str::CompactString;

model! {
    /// A region or rack controller.
    Controller {
        [
            /// Its id.
            system_id: SystemId,
        ]
        /// Its name.
        hostname: String,
        /// Its name with the domain.
        fqdn: String,
        /// Its MAAS version.
        version: String,
        /// Its architecture.
        architecture: String,
        /// Its addresses.
        ip_addresses: Vec<String>,
        /// Its services.
        service_set: Vec<Service>,
        /// Its interfaces.
        interface_set: Vec<Shared<Interface>>,
        /// 2 rack, 3 region, 4 both.
        node_type: i64,
        /// The same in words.
        node_type_name: CompactString,
        /// Its zone.
        zone: Option<Shared<Zone>>,
        /// Cores.
        cpu_count: u32,
        /// Memory in MiB.
        memory: u64,
        /// Tags.
        tag_names: Vec<String>,
        /// Free text.
        description: String,
        /// Whether it has power.
        power_state: PowerState,
        /// Its power driver.
        power_type: String,
        /// Its domain.
        domain: Option<Shared<Domain>>,
        /// The operating system.
        osystem: String,
        /// The release.
        distro_series: String,
        /// The processor's speed in MHz.
        cpu_speed: u32,
        /// Swap in bytes.
        swap_size: Option<u64>,
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

impl Controller {
    /// The state of a service (`dhcpd`, `rackd`, `tftp`...).
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.service_set.iter().find(|s| s.name == name)
    }
}

model! {
    /// A service of a controller.
    Service {
        [
            /// Its name.
            name: String,
        ]
        /// `running`, `degraded`, `dead`, `off` or `unknown`.
        status: String,
        /// Why.
        status_info: String,
    }
}
