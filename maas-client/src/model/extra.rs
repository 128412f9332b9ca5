//! What the rest of the API answers.

use serde_json::{Map, Value};

use crate::ids::*;
use crate::macros::model;
use crate::model::{BlockDevice, Domain, Filesystem, Interface, Subnet, User, Zone};

model! {
    /// A licence key of an operating system's release.
    LicenceKey {
        /// The operating system.
        osystem: String,
        /// The release.
        distro_series: String,
        /// The key.
        license_key: String,
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
        domain: Option<Domain>,
        /// Its zone.
        zone: Option<Zone>,
        /// Free text.
        description: String,
        /// Whose it is.
        owner: Option<String>,
        /// The node that it is a part of.
        parent: Option<SystemId>,
        /// Its addresses.
        ip_addresses: Vec<String>,
        /// Its interfaces.
        interface_set: Vec<Interface>,
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
        node_type_name: String,
        /// Its domain.
        domain: Option<Domain>,
        /// Its zone.
        zone: Option<Zone>,
        /// Its addresses.
        ip_addresses: Vec<String>,
        /// Its interfaces.
        interface_set: Vec<Interface>,
        /// Tags.
        tag_names: Vec<String>,
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
    /// A name with addresses.
    DnsResource {
        [
            /// Its id.
            id: DnsResourceId,
        ]
        /// The name with the domain.
        fqdn: String,
        /// Its time to live in seconds.
        address_ttl: Option<u32>,
        /// Its addresses.
        ip_addresses: Vec<IpAddress>,
        /// Its records of other types.
        resource_records: Vec<DnsRecord>,
    }
}

model! {
    /// A DNS record.
    DnsRecord {
        [
            /// Its id.
            id: DnsRecordId,
        ]
        /// The name with the domain.
        fqdn: String,
        /// Its type.
        rrtype: String,
        /// Its data.
        rrdata: String,
        /// Its time to live in seconds.
        ttl: Option<u32>,
    }
}

model! {
    /// A reserved address.
    IpAddress {
        [
            /// The address.
            ip: String,
        ]
        /// How it is allocated, as a number.
        alloc_type: i64,
        /// The same in words.
        alloc_type_name: String,
        /// When it came to be.
        created: String,
        /// Its subnet.
        subnet: Option<Subnet>,
        /// Whose it is.
        owner: Option<User>,
    }
}

model! {
    /// A piece of the DHCP server's configuration.
    DhcpSnippet {
        [
            /// Its id.
            id: DhcpSnippetId,
        ]
        /// Its name.
        name: String,
        /// The configuration.
        value: String,
        /// Free text.
        description: String,
        /// Whether it is used.
        enabled: bool,
        /// Whether it holds everywhere.
        global_snippet: bool,
        /// The node it holds for.
        node: Option<Value>,
        /// The subnet it holds for.
        subnet: Option<Subnet>,
        /// Its older versions.
        history: Vec<Revision>,
    }
}

model! {
    /// An older version of something.
    Revision {
        /// Its id.
        id: i64,
        /// Why it was made.
        comment: String,
        /// When.
        created: String,
        /// What it held.
        value: String,
    }
}

model! {
    /// A network, as before MAAS 1.9.
    Network {
        /// Its name.
        name: String,
        /// Its address.
        ip: String,
        /// Its mask.
        netmask: String,
        /// Free text.
        description: String,
    }
}

model! {
    /// A MAC address in a network.
    ConnectedMac {
        /// The address.
        mac_address: String,
    }
}

model! {
    /// A commissioning or testing script.
    Script {
        [
            /// Its name.
            name: String,
        ]
        /// Its id.
        id: Option<ScriptId>,
        /// What people read.
        title: String,
        /// What it does.
        description: String,
        /// Tags.
        tags: Vec<String>,
        /// 0 commissioning, 2 testing, 3 release.
        r#type: i64,
        /// The same in words.
        type_name: String,
        /// What kind of hardware it is for, as a number.
        hardware_type: i64,
        /// The same in words.
        hardware_type_name: String,
        /// Whether it runs beside others, as a number.
        parallel: i64,
        /// The same in words.
        parallel_name: String,
        /// How long it may run.
        timeout: String,
        /// Whether it destroys data.
        destructive: bool,
        /// Whether it is MAAS's own.
        default: bool,
        /// Hardware it is for, as ids.
        for_hardware: Vec<String>,
        /// Whether it may boot the machine.
        may_reboot: bool,
        /// Whether commissioning runs again after it.
        recommission: bool,
        /// Its versions.
        history: Vec<Revision>,
    }
}

model! {
    /// A commissioning script, as before MAAS 2.3.
    CommissioningScript {
        /// Its name.
        name: String,
        /// Its content, base64.
        content: Option<String>,
    }
}

model! {
    /// A result, as before MAAS 2.0.
    InstallationResult {
        /// Its name.
        name: String,
        /// The script's exit status.
        script_result: i64,
        /// What kind of result, as a number.
        result_type: i64,
        /// The node.
        node: Option<Value>,
        /// When it was last changed.
        updated: String,
        /// The output, base64.
        data: String,
    }
}

model! {
    /// A file that a user keeps in MAAS.
    StoredFile {
        /// Its name.
        filename: String,
        /// Where anybody can get it.
        anon_resource_uri: String,
        /// Its content, base64 (only when it is read alone).
        content: Option<String>,
    }
}

model! {
    /// A message to users.
    Notification {
        [
            /// Its id.
            id: NotificationId,
        ]
        /// A name by which a program finds it again.
        ident: Option<String>,
        /// To one user.
        user: Option<Value>,
        /// To all users.
        users: bool,
        /// To all administrators.
        admins: bool,
        /// The text; may hold HTML.
        message: String,
        /// Values for the text.
        context: Map<String, Value>,
        /// `error`, `warning`, `success` or `info`.
        category: String,
        /// Whether a user can take it off.
        dismissable: bool,
    }
}

model! {
    /// Where deployed machines get packages.
    PackageRepository {
        [
            /// Its id.
            id: PackageRepositoryId,
        ]
        /// Its name.
        name: String,
        /// Its URL.
        url: String,
        /// Its distributions.
        distributions: Vec<String>,
        /// Pockets not used.
        disabled_pockets: Vec<String>,
        /// Components not used.
        disabled_components: Vec<String>,
        /// Whether sources are left out.
        disable_sources: bool,
        /// Its components.
        components: Vec<String>,
        /// Its architectures.
        arches: Vec<String>,
        /// The key that signs it.
        key: String,
        /// Whether it is used.
        enabled: bool,
    }
}

model! {
    /// An LVM volume group.
    VolumeGroup {
        [
            /// Its id.
            id: VolumeGroupId,
        ]
        /// Its name.
        name: String,
        /// Its UUID.
        uuid: String,
        /// Its size in bytes.
        size: u64,
        /// What is left, in bytes.
        available_size: u64,
        /// What is used, in bytes.
        used_size: u64,
        /// What it lies on.
        devices: Vec<BackingDevice>,
        /// Its logical volumes.
        logical_volumes: Vec<BlockDevice>,
    }
}

model! {
    /// A software RAID.
    Raid {
        [
            /// Its id.
            id: RaidId,
        ]
        /// Its name.
        name: String,
        /// Its UUID.
        uuid: String,
        /// Its level, such as `raid-1`.
        level: String,
        /// Its size in bytes.
        size: u64,
        /// What it lies on: block devices and partitions.
        devices: Vec<BackingDevice>,
        /// What stands by.
        spare_devices: Vec<BackingDevice>,
        /// The device that it makes.
        virtual_device: Option<BlockDevice>,
    }
}

model! {
    /// A bcache device.
    Bcache {
        [
            /// Its id.
            id: BcacheId,
        ]
        /// Its name.
        name: String,
        /// Its UUID.
        uuid: String,
        /// Its cache set.
        cache_set: Option<CacheSet>,
        /// What it caches: a block device or a partition.
        backing_device: Option<BackingDevice>,
        /// `writeback`, `writethrough` or `writearound`.
        cache_mode: String,
        /// Its size in bytes.
        size: u64,
        /// The device that it makes.
        virtual_device: Option<BlockDevice>,
    }
}

model! {
    /// A cache set of bcaches.
    CacheSet {
        [
            /// Its id.
            id: CacheSetId,
        ]
        /// Its name.
        name: String,
        /// What it lies on: a block device or a partition.
        cache_device: Option<BackingDevice>,
    }
}

model! {
    /// A VMFS datastore.
    VmfsDatastore {
        [
            /// Its id.
            id: VmfsId,
        ]
        /// Its name.
        name: String,
        /// Its UUID.
        uuid: String,
        /// Its size in bytes.
        size: u64,
        /// What it lies on.
        devices: Vec<BackingDevice>,
        /// Its file system.
        filesystem: Option<Filesystem>,
    }
}

model! {
    /// What something is made of: a block device or a partition.
    BackingDevice {
        [
            /// Its id, of a block device or a partition.
            id: i64,
        ]
        /// `physical`, `virtual` or `partition`.
        r#type: String,
        /// Its name; a partition has none.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// Its path.
        path: String,
        /// Its UUID.
        uuid: Option<String>,
        /// What it is used for, in words.
        used_for: String,
        /// The node.
        system_id: Option<SystemId>,
    }
}

model! {
    /// What rebuilding a tag answers.
    TagRebuild {
        [
            /// The tag.
            rebuilding: String,
        ]
    }
}

model! {
    /// What a scan of the network did.
    ScanResult {
        /// What happened, in words.
        result: String,
        /// How many racks were asked in vain.
        failed_to_connect_to: Vec<RackName>,
        /// Which racks began.
        scan_started_on: Vec<RackName>,
        /// Which racks failed.
        scan_failed_on: Vec<RackName>,
    }
}

model! {
    /// A rack, named.
    RackName {
        /// Its id.
        system_id: Option<SystemId>,
        /// Its name.
        hostname: String,
    }
}
