//! Machines, controllers, their interfaces, results and events.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::ids::{BlockDeviceId, EventId, InterfaceId, LinkId, ScriptId, ScriptSetId, SystemId};
use crate::macros::model;
use crate::model::{
    BlockDevice, Domain, InterfaceType, LinkMode, NodeStatus, PowerState, ResourcePool, Subnet,
    Vlan, Zone,
};

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
        status_name: String,
        /// What was last said about the state.
        status_message: String,
        /// What it is doing in this state.
        status_action: String,
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
        boot_interface: Option<Interface>,
        /// All its interfaces.
        interface_set: Vec<Interface>,
        /// The disk it boots from.
        boot_disk: Option<BlockDevice>,
        /// All its block devices.
        blockdevice_set: Vec<BlockDevice>,
        /// Only those that are hardware.
        physicalblockdevice_set: Vec<BlockDevice>,
        /// Only those that are not.
        virtualblockdevice_set: Vec<BlockDevice>,
        /// Its zone.
        zone: Option<Zone>,
        /// Its pool.
        pool: Option<ResourcePool>,
        /// Its domain.
        domain: Option<Domain>,
        /// The VM host that it was composed on.
        pod: Option<PodRef>,
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
        hwe_kernel: Option<String>,
        /// The oldest kernel that it may be given.
        min_hwe_kernel: String,
        /// `uefi` or `pxe`, where known.
        bios_boot_method: Option<String>,
        /// The mainboard's UUID.
        hardware_uuid: Option<String>,
        /// Vendor, product, firmware and so on.
        hardware_info: BTreeMap<String, String>,
        /// NUMA nodes.
        numanode_set: Vec<NumaNode>,
        /// The gateways it uses.
        default_gateways: Option<DefaultGateways>,
        /// 0 machine, 1 device, 2 rack, 3 region, 4 both.
        node_type: i64,
        /// The same in words.
        node_type_name: String,
        /// How commissioning ended, as a script status number (2 is passed, 3 failed).
        commissioning_status: i64,
        /// The same in words.
        commissioning_status_name: String,
        /// How the tests ended.
        testing_status: i64,
        /// The same in words.
        testing_status_name: String,
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
        self.interface_set.iter().find(|i| i.name == name)
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
    /// A network interface.
    Interface {
        [
            /// Its id.
            id: InterfaceId,
            /// Its name.
            name: String,
        ]
        /// What kind it is.
        r#type: InterfaceType,
        /// Its MAC address.
        mac_address: Option<String>,
        /// The VLAN that it is in.
        vlan: Option<Vlan>,
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
        /// Parameters of the kind (bond mode, bridge's forward delay...).
        params: Option<Value>,
        /// Addresses seen during commissioning.
        discovered: Option<Vec<Discovered>>,
        /// The node that it belongs to.
        system_id: Option<SystemId>,
        /// The vendor.
        vendor: Option<String>,
        /// The product.
        product: Option<String>,
        /// The firmware's version.
        firmware_version: Option<String>,
        /// The NUMA node.
        numa_node: Option<u32>,
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
            /// How the address is come by.
            mode: LinkMode,
        ]
        /// The address.
        ip_address: Option<String>,
        /// The subnet.
        subnet: Option<Subnet>,
    }
}

model! {
    /// An address seen during commissioning.
    Discovered {
        /// The address.
        ip_address: Option<String>,
        /// The subnet.
        subnet: Option<Subnet>,
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
        interface_set: Vec<Interface>,
        /// 2 rack, 3 region, 4 both.
        node_type: i64,
        /// The same in words.
        node_type_name: String,
        /// Its zone.
        zone: Option<Zone>,
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
            /// `running`, `degraded`, `dead`, `off` or `unknown`.
            status: String,
        ]
        /// Why.
        status_info: String,
    }
}

model! {
    /// A page of events.
    Events {
        [
            /// The events, newest first.
            events: Vec<Event>,
        ]
        /// How many there are in this page.
        count: u64,
        /// Where the next page is.
        next_uri: Option<String>,
        /// Where the previous page is.
        prev_uri: Option<String>,
    }
}

model! {
    /// Something that happened.
    Event {
        [
            /// Its id.
            id: EventId,
        ]
        /// The node's id.
        node: String,
        /// The node's name.
        hostname: String,
        /// Who did it.
        username: String,
        /// `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.
        level: String,
        /// When.
        created: String,
        /// What kind.
        r#type: String,
        /// What exactly.
        description: String,
    }
}

model! {
    /// A set of script results of a node.
    ScriptSet {
        [
            /// Its id.
            id: ScriptSetId,
        ]
        /// The node.
        system_id: Option<SystemId>,
        /// What ran: 0 commissioning, 1 installation, 2 testing.
        r#type: i64,
        /// The same in words.
        type_name: String,
        /// How it went, as a number (0 pending, 1 running, 2 passed, 3 failed...).
        status: i64,
        /// The same in words.
        status_name: String,
        /// When the node was last heard of.
        last_ping: Option<String>,
        /// When it began.
        started: Option<String>,
        /// When it ended.
        ended: Option<String>,
        /// How long it ran.
        runtime: String,
        /// The scripts.
        results: Vec<ScriptResult>,
    }
}

impl ScriptSet {
    /// The scripts that did not pass.
    pub fn failures(&self) -> impl Iterator<Item = &ScriptResult> {
        // 3 failed, 4 timed out, 5 aborted, 6 degraded, 8 failed installing, 10 failed applying netplan.
        self.results
            .iter()
            .filter(|r| matches!(r.status, 3..=6 | 8 | 10) && !r.suppressed)
    }
}

model! {
    /// The result of one script.
    ScriptResult {
        /// Its id.
        id: i64,
        /// The script's name.
        name: String,
        /// The script.
        script_id: Option<ScriptId>,
        /// How it went, as a number.
        status: i64,
        /// The same in words.
        status_name: String,
        /// The script's exit status.
        exit_status: Option<i64>,
        /// When it began.
        started: Option<String>,
        /// When it ended.
        ended: Option<String>,
        /// How long it ran.
        runtime: String,
        /// Both outputs, base64 (only where asked for).
        output: Option<String>,
        /// Standard output, base64.
        stdout: Option<String>,
        /// Standard error, base64.
        stderr: Option<String>,
        /// The result that it stated, base64.
        result: Option<String>,
        /// Whether it counts no longer.
        suppressed: bool,
        /// The disk that was tested.
        physical_blockdevice: Option<Value>,
        /// The interface that was tested.
        interface: Option<Value>,
        /// The parameters that it ran with.
        parameters: Option<Value>,
    }
}

model! {
    /// A disk that was tested.
    TestedDevice {
        /// Its id.
        id: BlockDeviceId,
    }
}
