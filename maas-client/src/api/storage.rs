//! Disks and their partitions.

use crate::error::Result;
use crate::ids::{BlockDeviceId, PartitionId, SystemId};
use crate::macros::{at, bare, handle};
use crate::model::{BlockDevice, Partition};
use crate::params::params;

params! {
    /// What a block device has.
    BlockDeviceParams {
        /// Its name.
        name: String,
        /// Its model.
        model: String,
        /// Its serial number.
        serial: String,
        /// Its path by id, where model and serial number are not known.
        id_path: String,
        /// Its size in bytes.
        size: u64,
        /// Its block's size in bytes.
        block_size: u32,
        /// Its UUID.
        uuid: String,
    }
}

params! {
    /// What a partition has.
    PartitionParams {
        /// Its size in bytes; all that is left when it is not given.
        size: u64,
        /// Its UUID.
        uuid: String,
        /// Whether it can be booted.
        bootable: bool,
    }
}

params! {
    /// What a file system has.
    FormatParams {
        /// Its UUID.
        uuid: String,
        /// Its label.
        label: String,
    }
}

params! {
    /// How to mount.
    MountParams {
        /// Options.
        mount_options: String,
    }
}

handle! {
    /// Block devices of nodes.
    BlockDevices
}

impl BlockDevices {
    /// All of a node.
    pub async fn list(&self, node: &SystemId) -> Result<Vec<BlockDevice>> {
        self.get(at!["nodes", node, "blockdevices"]).json().await
    }

    /// Adds a physical block device.
    pub async fn create(&self, node: &SystemId, params: &BlockDeviceParams) -> Result<BlockDevice> {
        self.post(at!["nodes", node, "blockdevices"])
            .params(params)
            .json()
            .await
    }

    /// One.
    pub async fn read(&self, node: &SystemId, id: BlockDeviceId) -> Result<BlockDevice> {
        self.get(at!["nodes", node, "blockdevices", id])
            .json()
            .await
    }

    /// Changes one.
    pub async fn update(
        &self,
        node: &SystemId,
        id: BlockDeviceId,
        params: &BlockDeviceParams,
    ) -> Result<BlockDevice> {
        self.put(at!["nodes", node, "blockdevices", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes one.
    pub async fn delete(&self, node: &SystemId, id: BlockDeviceId) -> Result<()> {
        self.del(at!["nodes", node, "blockdevices", id])
            .empty()
            .await
    }

    /// Adds a tag.
    pub async fn add_tag(
        &self,
        node: &SystemId,
        id: BlockDeviceId,
        tag: &str,
    ) -> Result<BlockDevice> {
        self.post(at!["nodes", node, "blockdevices", id])
            .op("add_tag")
            .form("tag", tag)
            .json()
            .await
    }

    /// Takes a tag away.
    pub async fn remove_tag(
        &self,
        node: &SystemId,
        id: BlockDeviceId,
        tag: &str,
    ) -> Result<BlockDevice> {
        self.post(at!["nodes", node, "blockdevices", id])
            .op("remove_tag")
            .form("tag", tag)
            .json()
            .await
    }

    /// Puts a file system on it.
    pub async fn format(
        &self,
        node: &SystemId,
        id: BlockDeviceId,
        fstype: &str,
        params: &FormatParams,
    ) -> Result<BlockDevice> {
        self.post(at!["nodes", node, "blockdevices", id])
            .op("format")
            .form("fstype", fstype)
            .params(params)
            .json()
            .await
    }

    /// Takes its file system away.
    pub async fn unformat(&self, node: &SystemId, id: BlockDeviceId) -> Result<BlockDevice> {
        self.post(at!["nodes", node, "blockdevices", id])
            .op("unformat")
            .json()
            .await
    }

    /// Mounts its file system.
    pub async fn mount(
        &self,
        node: &SystemId,
        id: BlockDeviceId,
        mount_point: &str,
        params: &MountParams,
    ) -> Result<BlockDevice> {
        self.post(at!["nodes", node, "blockdevices", id])
            .op("mount")
            .form("mount_point", mount_point)
            .params(params)
            .json()
            .await
    }

    /// Unmounts it.
    pub async fn unmount(&self, node: &SystemId, id: BlockDeviceId) -> Result<BlockDevice> {
        self.post(at!["nodes", node, "blockdevices", id])
            .op("unmount")
            .json()
            .await
    }

    /// Boots from it.
    pub async fn set_boot_disk(&self, node: &SystemId, id: BlockDeviceId) -> Result<()> {
        self.post(at!["nodes", node, "blockdevices", id])
            .op("set_boot_disk")
            .empty()
            .await
    }
}

handle! {
    /// Partitions of block devices.
    Partitions
}

impl Partitions {
    /// All of a device.
    pub async fn list(&self, node: &SystemId, device: BlockDeviceId) -> Result<Vec<Partition>> {
        self.get(at!["nodes", node, "blockdevices", device, "partitions"])
            .json()
            .await
    }

    /// Adds a partition.
    pub async fn create(
        &self,
        node: &SystemId,
        device: BlockDeviceId,
        params: &PartitionParams,
    ) -> Result<Partition> {
        self.post(at!["nodes", node, "blockdevices", device, "partitions"])
            .params(params)
            .json()
            .await
    }

    /// One.
    pub async fn read(
        &self,
        node: &SystemId,
        device: BlockDeviceId,
        id: PartitionId,
    ) -> Result<Partition> {
        self.get(bare![
            "nodes",
            node,
            "blockdevices",
            device,
            "partition",
            id
        ])
        .json()
        .await
    }

    /// Deletes one.
    pub async fn delete(
        &self,
        node: &SystemId,
        device: BlockDeviceId,
        id: PartitionId,
    ) -> Result<()> {
        self.del(bare![
            "nodes",
            node,
            "blockdevices",
            device,
            "partition",
            id
        ])
        .empty()
        .await
    }

    /// Adds a tag.
    pub async fn add_tag(
        &self,
        node: &SystemId,
        device: BlockDeviceId,
        id: PartitionId,
        tag: &str,
    ) -> Result<Partition> {
        self.post(bare![
            "nodes",
            node,
            "blockdevices",
            device,
            "partition",
            id
        ])
        .op("add_tag")
        .form("tag", tag)
        .json()
        .await
    }

    /// Takes a tag away.
    pub async fn remove_tag(
        &self,
        node: &SystemId,
        device: BlockDeviceId,
        id: PartitionId,
        tag: &str,
    ) -> Result<Partition> {
        self.post(bare![
            "nodes",
            node,
            "blockdevices",
            device,
            "partition",
            id
        ])
        .op("remove_tag")
        .form("tag", tag)
        .json()
        .await
    }

    /// Puts a file system on it.
    pub async fn format(
        &self,
        node: &SystemId,
        device: BlockDeviceId,
        id: PartitionId,
        fstype: &str,
        params: &FormatParams,
    ) -> Result<Partition> {
        self.post(bare![
            "nodes",
            node,
            "blockdevices",
            device,
            "partition",
            id
        ])
        .op("format")
        .form("fstype", fstype)
        .params(params)
        .json()
        .await
    }

    /// Takes its file system away.
    pub async fn unformat(
        &self,
        node: &SystemId,
        device: BlockDeviceId,
        id: PartitionId,
    ) -> Result<Partition> {
        self.post(bare![
            "nodes",
            node,
            "blockdevices",
            device,
            "partition",
            id
        ])
        .op("unformat")
        .json()
        .await
    }

    /// Mounts its file system.
    pub async fn mount(
        &self,
        node: &SystemId,
        device: BlockDeviceId,
        id: PartitionId,
        mount_point: &str,
        params: &MountParams,
    ) -> Result<Partition> {
        self.post(bare![
            "nodes",
            node,
            "blockdevices",
            device,
            "partition",
            id
        ])
        .op("mount")
        .form("mount_point", mount_point)
        .params(params)
        .json()
        .await
    }

    /// Unmounts it.
    pub async fn unmount(
        &self,
        node: &SystemId,
        device: BlockDeviceId,
        id: PartitionId,
    ) -> Result<Partition> {
        self.post(bare![
            "nodes",
            node,
            "blockdevices",
            device,
            "partition",
            id
        ])
        .op("unmount")
        .json()
        .await
    }
}
