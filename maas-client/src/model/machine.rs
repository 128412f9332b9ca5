//! Machines.

use compact_str::CompactString;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::ids::{
    BcacheId, BlockDeviceId, CacheSetId, InterfaceId, LinkId, RaidId, ScriptSetId, SystemId,
    VolumeGroupId,
};
use crate::macros::model;
use crate::model::{
    BlockDevice, Domain, Filesystem, HardwareInfo, Interface, NodeStatus, PowerState, ResourcePool,
    Zone,
};
use crate::shared::Shared;

model! {
    /// A machine.
    Machine {
        [
            /// Its id.
            system_id: SystemId,
        ]
        /// Its name.
        hostname: String,
        /// Its name with the domain.
        fqdn: String,
        /// Its state.
        status: NodeStatus,
        /// The state in MAAS's words.
        status_name: CompactString,
        /// What was last said about the state.
        status_message: CompactString,
        /// What it is doing in this state.
        status_action: CompactString,
        /// Whether it has power, as MAAS last saw it.
        power_state: PowerState,
        /// The power driver.
        power_type: String,
        /// Architecture and subarchitecture, such as `amd64/generic`.
        architecture: String,
        /// Cores.
        cpu_count: u32,
        /// The processor's speed in MHz.
        cpu_speed: u32,
        /// Memory in MiB.
        memory: u64,
        /// Disks in MB.
        storage: f64,
        /// Tags.
        tag_names: Vec<String>,
        /// Whom it is allocated to.
        owner: Option<String>,
        /// Key-value pairs of the owner.
        owner_data: BTreeMap<String, String>,
        /// Annotations of the workload (3.0 and later).
        workload_annotations: BTreeMap<String, String>,
        /// Free text.
        description: String,
        /// The addresses that it has, or is given at deployment.
        ip_addresses: Vec<String>,
        /// The interface it boots from.
        boot_interface: Option<Shared<Interface>>,
        /// All its interfaces.
        interface_set: Vec<Shared<Interface>>,
        /// The disk it boots from.
        boot_disk: Option<Shared<BlockDevice>>,
        /// All its block devices.
        blockdevice_set: Vec<Shared<BlockDevice>>,
        /// Only those that are hardware.
        physicalblockdevice_set: Vec<Shared<BlockDevice>>,
        /// Only those that are not.
        virtualblockdevice_set: Vec<Shared<BlockDevice>>,
        /// Its zone.
        zone: Option<Shared<Zone>>,
        /// Its pool.
        pool: Option<Shared<ResourcePool>>,
        /// Its domain.
        domain: Option<Shared<Domain>>,
        /// The VM host that it was composed on.
        pod: Option<Shared<PodRef>>,
        /// The node it is a part of.
        parent: Option<SystemId>,
        /// Locked: it is neither released nor deleted.
        locked: bool,
        /// Whether it boots from the network next.
        netboot: bool,
        /// The operating system deployed.
        osystem: String,
        /// The release deployed.
        distro_series: String,
        /// The kernel deployed.
        hwe_kernel: Option<CompactString>,
        /// The oldest kernel that it may be given.
        min_hwe_kernel: CompactString,
        /// `uefi` or `pxe`, where known.
        bios_boot_method: Option<CompactString>,
        /// The mainboard's UUID.
        hardware_uuid: Option<CompactString>,
        /// Vendor, product, firmware and so on.
        hardware_info: Box<HardwareInfo>,
        /// NUMA nodes.
        numanode_set: Vec<NumaNode>,
        /// The gateways it uses.
        default_gateways: Option<Shared<DefaultGateways>>,
        /// 0 machine, 1 device, 2 rack, 3 region, 4 both.
        node_type: i64,
        /// The same in words.
        node_type_name: CompactString,
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
        /// Swap in bytes.
        swap_size: Option<u64>,
        /// Deployed in memory (3.4 and later).
        ephemeral_deploy: bool,
        /// Hardware is reported again and again.
        enable_hw_sync: bool,
        /// How often, in seconds.
        sync_interval: Option<u64>,
        /// When it was last reported.
        last_sync: Option<CompactString>,
        /// When it will be reported next.
        next_sync: Option<CompactString>,
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
        /// The time to live of its names, in seconds.
        address_ttl: Option<u32>,
        /// Its volume groups, by id.
        volume_groups: Vec<VolumeGroupRef>,
        /// Its RAIDs, by id.
        raids: Vec<RaidRef>,
        /// Its bcaches, by id.
        bcaches: Vec<BcacheRef>,
        /// Its cache sets, by id.
        cache_sets: Vec<CacheSetRef>,
        /// File systems in memory.
        special_filesystems: Vec<Filesystem>,
        /// What matched which constraint, where `allocate` was asked to be verbose.
        constraints_by_type: Option<Box<Constraints>>,
        /// Its number among the virtual machines that MAAS knows of.
        virtualmachine_id: Option<i64>,
        /// Whether IPv4 is off in it (long without effect).
        disable_ipv4: bool,
        /// It is the processor of a network card (3.7 and later).
        is_dpu: bool,
        /// The kernel's crashes are dumped (3.6 and later).
        enable_kernel_crash_dump: bool,
    }
}

impl Machine {
    /// Whether it has the tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tag_names.iter().any(|t| t == tag)
    }

    /// Whether one of its interfaces has this MAC address (case does not matter).
    pub fn has_mac(&self, mac: &str) -> bool {
        self.interface_set.iter().any(|i| {
            i.mac_address
                .as_deref()
                .is_some_and(|m| m.eq_ignore_ascii_case(mac))
        })
    }

    /// The interface of this name.
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interface_set
            .iter()
            .find(|i| i.name == name)
            .map(AsRef::as_ref)
    }
}

model! {
    /// The VM host of a composed machine.
    PodRef {
        /// Its id.
        id: Option<i64>,
        /// Its name.
        name: String,
    }
}

model! {
    /// A NUMA node.
    NumaNode {
        /// Its number.
        index: u32,
        /// Its memory in MiB.
        memory: u64,
        /// Its cores.
        cores: Vec<u32>,
        /// Its huge pages.
        hugepages_set: Vec<HugePages>,
    }
}

model! {
    /// Huge pages of a NUMA node, in bytes.
    HugePages {
        /// The size of each.
        page_size: u64,
        /// All of them.
        total: u64,
    }
}

model! {
    /// The gateways of a machine.
    DefaultGateways {
        /// For IPv4.
        ipv4: Option<Gateway>,
        /// For IPv6.
        ipv6: Option<Gateway>,
    }
}

model! {
    /// A default gateway.
    Gateway {
        /// Its address.
        gateway_ip: Option<String>,
        /// The link it is reached by.
        link_id: Option<LinkId>,
    }
}

model! {
    /// What `query_power_state` answers.
    PowerQuery {
        [
            /// The BMC's answer.
            state: PowerState,
        ]
    }
}

/// The power parameters of a node: they hold the BMC's password.
pub type PowerParameterMap = Map<String, Value>;

model! {
    /// A volume group of a machine, named: read it for the rest.
    VolumeGroupRef {
        [
            /// Its id.
            id: VolumeGroupId,
        ]
        /// The machine.
        system_id: Option<SystemId>,
    }
}

model! {
    /// A RAID of a machine, named: read it for the rest.
    RaidRef {
        [
            /// Its id.
            id: RaidId,
        ]
        /// The machine.
        system_id: Option<SystemId>,
    }
}

model! {
    /// A bcache of a machine, named: read it for the rest.
    BcacheRef {
        [
            /// Its id.
            id: BcacheId,
        ]
        /// The machine.
        system_id: Option<SystemId>,
    }
}

model! {
    /// A cache set of a machine, named: read it for the rest.
    CacheSetRef {
        [
            /// Its id.
            id: CacheSetId,
        ]
        /// The machine.
        system_id: Option<SystemId>,
    }
}

model! {
    /// What of a machine matched the constraints of an `allocate`, by the constraints' labels.
    Constraints {
        /// Interfaces.
        interfaces: BTreeMap<String, Vec<InterfaceId>>,
        /// Block devices and partitions.
        storage: BTreeMap<String, Vec<StorageMatch>>,
        /// For each machine that would fit (by MAAS's own number of it): interfaces.
        verbose_interfaces: BTreeMap<String, BTreeMap<String, Vec<InterfaceId>>>,
        /// For each machine that would fit: block devices.
        verbose_storage: BTreeMap<String, BTreeMap<String, Vec<StorageMatch>>>,
    }
}

/// What matched a storage constraint.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum StorageMatch {
    /// A block device.
    BlockDevice(BlockDeviceId),
    /// Something else, such as `partition:7`.
    Other(String),
}
