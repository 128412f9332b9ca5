//! Disks and what is on them.

use crate::ids::{BlockDeviceId, PartitionId, SystemId};
use crate::macros::model;

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
        r#type: String,
        /// Its size in bytes.
        size: u64,
        /// What is not used of it, in bytes.
        available_size: u64,
        /// What is used of it, in bytes.
        used_size: u64,
        /// Its block's size in bytes.
        block_size: u32,
        /// Its path.
        path: String,
        /// Its path by id.
        id_path: Option<String>,
        /// The model.
        model: Option<String>,
        /// The serial number.
        serial: Option<String>,
        /// The firmware's version.
        firmware_version: Option<String>,
        /// Tags (`ssd`, `rotary`...).
        tags: Vec<String>,
        /// What it is used for, in words.
        used_for: String,
        /// `GPT`, `MBR` or none.
        partition_table_type: Option<String>,
        /// Its partitions.
        partitions: Vec<Partition>,
        /// Its file system.
        filesystem: Option<Filesystem>,
        /// Its UUID.
        uuid: Option<String>,
        /// The NUMA node.
        numa_node: Option<u32>,
        /// The node.
        system_id: Option<SystemId>,
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
        uuid: Option<String>,
        /// Its size in bytes.
        size: u64,
        /// Whether it can be booted.
        bootable: bool,
        /// Its path.
        path: String,
        /// Tags.
        tags: Vec<String>,
        /// Its file system.
        filesystem: Option<Filesystem>,
        /// What it is used for, in words.
        used_for: String,
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
        fstype: String,
        /// Its label.
        label: Option<String>,
        /// Its UUID.
        uuid: Option<String>,
        /// Where it is mounted.
        mount_point: Option<String>,
        /// How.
        mount_options: Option<String>,
    }
}
