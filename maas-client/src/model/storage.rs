//! Disks and what is on them.

use crate::ids::{
    BcacheId, BlockDeviceId, CacheSetId, PartitionId, RaidId, SystemId, VmfsId, VolumeGroupId,
};
use crate::macros::model;
use compact_str::CompactString;

model! {
    /// A block device.
    BlockDevice {
        [
            /// Its id.
            id: BlockDeviceId,
        ]
        /// Its name, such as `sda`.
        name: String,
        /// `physical` or `virtual`.
        r#type: CompactString,
        /// Its size in bytes.
        size: u64,
        /// What is not used of it, in bytes.
        available_size: u64,
        /// What is used of it, in bytes.
        used_size: u64,
        /// Its block's size in bytes.
        block_size: u32,
        /// Its path.
        path: CompactString,
        /// Its path by id.
        id_path: Option<CompactString>,
        /// The model.
        model: Option<CompactString>,
        /// The serial number.
        serial: Option<CompactString>,
        /// The firmware's version.
        firmware_version: Option<CompactString>,
        /// Tags (`ssd`, `rotary`...).
        tags: Vec<String>,
        /// What it is used for, in words.
        used_for: CompactString,
        /// `GPT`, `MBR` or none.
        partition_table_type: Option<CompactString>,
        /// Its partitions.
        partitions: Vec<Partition>,
        /// Its file system.
        filesystem: Option<Box<Filesystem>>,
        /// Its UUID.
        uuid: Option<CompactString>,
        /// The NUMA node.
        numa_node: Option<u32>,
        /// The node.
        system_id: Option<SystemId>,
        /// The storage pool of its VM host, of a composed machine's disk.
        storage_pool: Option<CompactString>,
    }
}

model! {
    /// A partition.
    Partition {
        [
            /// Its id.
            id: PartitionId,
        ]
        /// Its UUID.
        uuid: Option<CompactString>,
        /// Its size in bytes.
        size: u64,
        /// Whether it can be booted.
        bootable: bool,
        /// Its path.
        path: CompactString,
        /// Tags.
        tags: Vec<String>,
        /// Its file system.
        filesystem: Option<Box<Filesystem>>,
        /// What it is used for, in words.
        used_for: CompactString,
        /// `partition`.
        r#type: CompactString,
        /// The device that it lies on.
        device_id: Option<BlockDeviceId>,
        /// The node.
        system_id: Option<SystemId>,
    }
}

model! {
    /// A file system.
    Filesystem {
        /// Its type, such as `ext4`.
        fstype: CompactString,
        /// Its label.
        label: Option<CompactString>,
        /// Its UUID.
        uuid: Option<CompactString>,
        /// Where it is mounted.
        mount_point: Option<CompactString>,
        /// How.
        mount_options: Option<CompactString>,
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
        r#type: CompactString,
        /// Its name; a partition has none.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// Its path.
        path: CompactString,
        /// Its UUID.
        uuid: Option<CompactString>,
        /// What it is used for, in words.
        used_for: CompactString,
        /// The node.
        system_id: Option<SystemId>,
    }
}
