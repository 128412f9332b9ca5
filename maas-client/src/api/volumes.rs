//! What is made of disks: volume groups, RAIDs, bcaches, datastores; and VM clusters.

use crate::error::Result;
use crate::ids::{
    BcacheId, BlockDeviceId, CacheSetId, PartitionId, RaidId, SystemId, VmClusterId, VmfsId,
    VolumeGroupId,
};
use crate::macros::{at, bare, handle};
use crate::model::{Bcache, BlockDevice, CacheSet, Raid, VmCluster, VmfsDatastore, VolumeGroup};
use crate::params::params;

params! {
    /// What a volume group has.
    VolumeGroupParams {
        /// Its name.
        name: String,
        /// Its UUID.
        uuid: String,
        /// Block devices that it lies on.
        block_devices: Vec<BlockDeviceId>,
        /// Partitions that it lies on.
        partitions: Vec<PartitionId>,
        /// Block devices to add.
        add_block_devices: Vec<BlockDeviceId>,
        /// Block devices to take away.
        remove_block_devices: Vec<BlockDeviceId>,
        /// Partitions to add.
        add_partitions: Vec<PartitionId>,
        /// Partitions to take away.
        remove_partitions: Vec<PartitionId>,
    }
}

params! {
    /// What a logical volume has.
    LogicalVolumeParams {
        /// Its size in bytes; all that is left when it is not given.
        size: u64,
        /// Its UUID.
        uuid: String,
    }
}

params! {
    /// What a RAID has.
    RaidParams {
        /// Its name.
        name: String,
        /// Its UUID.
        uuid: String,
        /// Its level, such as `raid-1`.
        level: String,
        /// Block devices that it lies on.
        block_devices: Vec<BlockDeviceId>,
        /// Partitions that it lies on.
        partitions: Vec<PartitionId>,
        /// Block devices that stand by.
        spare_devices: Vec<BlockDeviceId>,
        /// Partitions that stand by.
        spare_partitions: Vec<PartitionId>,
        /// Block devices to add.
        add_block_devices: Vec<BlockDeviceId>,
        /// Block devices to take away.
        remove_block_devices: Vec<BlockDeviceId>,
        /// Partitions to add.
        add_partitions: Vec<PartitionId>,
        /// Partitions to take away.
        remove_partitions: Vec<PartitionId>,
        /// Spare block devices to add.
        add_spare_devices: Vec<BlockDeviceId>,
        /// Spare block devices to take away.
        remove_spare_devices: Vec<BlockDeviceId>,
        /// Spare partitions to add.
        add_spare_partitions: Vec<PartitionId>,
        /// Spare partitions to take away.
        remove_spare_partitions: Vec<PartitionId>,
    }
}

params! {
    /// What a bcache has.
    BcacheParams {
        /// Its name.
        name: String,
        /// Its UUID.
        uuid: String,
        /// Its cache set.
        cache_set: CacheSetId,
        /// The block device behind it.
        backing_device: BlockDeviceId,
        /// The partition behind it.
        backing_partition: PartitionId,
        /// `writeback`, `writethrough` or `writearound`.
        cache_mode: String,
    }
}

params! {
    /// What a cache set has.
    CacheSetParams {
        /// The block device it lies on.
        cache_device: BlockDeviceId,
        /// The partition it lies on.
        cache_partition: PartitionId,
    }
}

params! {
    /// What a datastore has.
    VmfsParams {
        /// Its name.
        name: String,
        /// Its UUID.
        uuid: String,
        /// Block devices that it lies on.
        block_devices: Vec<BlockDeviceId>,
        /// Partitions that it lies on.
        partitions: Vec<PartitionId>,
        /// Block devices to add.
        add_block_devices: Vec<BlockDeviceId>,
        /// Partitions to add.
        add_partitions: Vec<PartitionId>,
        /// Partitions to take away.
        remove_partitions: Vec<PartitionId>,
    }
}

params! {
    /// What can be changed of a VM cluster.
    VmClusterParams {
        /// Its name.
        name: String,
        /// Its pool.
        pool: String,
        /// Its zone.
        zone: String,
    }
}

handle! {
    /// LVM volume groups.
    VolumeGroups
}

impl VolumeGroups {
    /// All of a node.
    pub async fn list(&self, node: &SystemId) -> Result<Vec<VolumeGroup>> {
        self.get(at!["nodes", node, "volume-groups"]).json().await
    }

    /// Makes a volume group.
    pub async fn create(&self, node: &SystemId, params: &VolumeGroupParams) -> Result<VolumeGroup> {
        self.post(at!["nodes", node, "volume-groups"])
            .params(params)
            .json()
            .await
    }

    /// One.
    pub async fn read(&self, node: &SystemId, id: VolumeGroupId) -> Result<VolumeGroup> {
        self.get(at!["nodes", node, "volume-group", id])
            .json()
            .await
    }

    /// Changes one.
    pub async fn update(
        &self,
        node: &SystemId,
        id: VolumeGroupId,
        params: &VolumeGroupParams,
    ) -> Result<VolumeGroup> {
        self.put(at!["nodes", node, "volume-group", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes one.
    pub async fn delete(&self, node: &SystemId, id: VolumeGroupId) -> Result<()> {
        self.del(at!["nodes", node, "volume-group", id])
            .empty()
            .await
    }

    /// Makes a logical volume.
    pub async fn create_logical_volume(
        &self,
        node: &SystemId,
        id: VolumeGroupId,
        name: &str,
        params: &LogicalVolumeParams,
    ) -> Result<BlockDevice> {
        self.post(at!["nodes", node, "volume-group", id])
            .op("create_logical_volume")
            .form("name", name)
            .params(params)
            .json()
            .await
    }

    /// Deletes a logical volume.
    pub async fn delete_logical_volume(
        &self,
        node: &SystemId,
        id: VolumeGroupId,
        volume: BlockDeviceId,
    ) -> Result<()> {
        self.post(at!["nodes", node, "volume-group", id])
            .op("delete_logical_volume")
            .form("id", volume)
            .empty()
            .await
    }
}

handle! {
    /// Software RAIDs.
    Raids
}

impl Raids {
    /// All of a node.
    pub async fn list(&self, node: &SystemId) -> Result<Vec<Raid>> {
        self.get(at!["nodes", node, "raids"]).json().await
    }

    /// Makes a RAID.
    pub async fn create(&self, node: &SystemId, params: &RaidParams) -> Result<Raid> {
        self.post(at!["nodes", node, "raids"])
            .params(params)
            .json()
            .await
    }

    /// One.
    pub async fn read(&self, node: &SystemId, id: RaidId) -> Result<Raid> {
        self.get(at!["nodes", node, "raid", id]).json().await
    }

    /// Changes one.
    pub async fn update(&self, node: &SystemId, id: RaidId, params: &RaidParams) -> Result<Raid> {
        self.put(at!["nodes", node, "raid", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes one.
    pub async fn delete(&self, node: &SystemId, id: RaidId) -> Result<()> {
        self.del(at!["nodes", node, "raid", id]).empty().await
    }
}

handle! {
    /// Bcache devices.
    Bcaches
}

impl Bcaches {
    /// All of a node.
    pub async fn list(&self, node: &SystemId) -> Result<Vec<Bcache>> {
        self.get(at!["nodes", node, "bcaches"]).json().await
    }

    /// Makes a bcache.
    pub async fn create(&self, node: &SystemId, params: &BcacheParams) -> Result<Bcache> {
        self.post(at!["nodes", node, "bcaches"])
            .params(params)
            .json()
            .await
    }

    /// One.
    pub async fn read(&self, node: &SystemId, id: BcacheId) -> Result<Bcache> {
        self.get(at!["nodes", node, "bcache", id]).json().await
    }

    /// Changes one.
    pub async fn update(
        &self,
        node: &SystemId,
        id: BcacheId,
        params: &BcacheParams,
    ) -> Result<Bcache> {
        self.put(at!["nodes", node, "bcache", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes one.
    pub async fn delete(&self, node: &SystemId, id: BcacheId) -> Result<()> {
        self.del(at!["nodes", node, "bcache", id]).empty().await
    }
}

handle! {
    /// Cache sets of bcaches.
    CacheSets
}

impl CacheSets {
    /// All of a node.
    pub async fn list(&self, node: &SystemId) -> Result<Vec<CacheSet>> {
        self.get(at!["nodes", node, "bcache-cache-sets"])
            .json()
            .await
    }

    /// Makes a cache set.
    pub async fn create(&self, node: &SystemId, params: &CacheSetParams) -> Result<CacheSet> {
        self.post(at!["nodes", node, "bcache-cache-sets"])
            .params(params)
            .json()
            .await
    }

    /// One.
    pub async fn read(&self, node: &SystemId, id: CacheSetId) -> Result<CacheSet> {
        self.get(at!["nodes", node, "bcache-cache-set", id])
            .json()
            .await
    }

    /// Changes one.
    pub async fn update(
        &self,
        node: &SystemId,
        id: CacheSetId,
        params: &CacheSetParams,
    ) -> Result<CacheSet> {
        self.put(at!["nodes", node, "bcache-cache-set", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes one.
    pub async fn delete(&self, node: &SystemId, id: CacheSetId) -> Result<()> {
        self.del(at!["nodes", node, "bcache-cache-set", id])
            .empty()
            .await
    }
}

handle! {
    /// VMFS datastores.
    VmfsDatastores
}

impl VmfsDatastores {
    /// All of a node.
    pub async fn list(&self, node: &SystemId) -> Result<Vec<VmfsDatastore>> {
        self.get(at!["nodes", node, "vmfs-datastores"]).json().await
    }

    /// Makes a datastore.
    pub async fn create(&self, node: &SystemId, params: &VmfsParams) -> Result<VmfsDatastore> {
        self.post(at!["nodes", node, "vmfs-datastores"])
            .params(params)
            .json()
            .await
    }

    /// One.
    pub async fn read(&self, node: &SystemId, id: VmfsId) -> Result<VmfsDatastore> {
        self.get(at!["nodes", node, "vmfs-datastore", id])
            .json()
            .await
    }

    /// Changes one.
    pub async fn update(
        &self,
        node: &SystemId,
        id: VmfsId,
        params: &VmfsParams,
    ) -> Result<VmfsDatastore> {
        self.put(at!["nodes", node, "vmfs-datastore", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes one.
    pub async fn delete(&self, node: &SystemId, id: VmfsId) -> Result<()> {
        self.del(at!["nodes", node, "vmfs-datastore", id])
            .empty()
            .await
    }
}

handle! {
    /// Clusters of VM hosts.
    VmClusters
}

impl VmClusters {
    /// All clusters.
    pub async fn list(&self) -> Result<Vec<VmCluster>> {
        self.get("vm-clusters/").json().await
    }

    /// One cluster.
    pub async fn read(&self, id: VmClusterId) -> Result<VmCluster> {
        self.get(bare!["vm-clusters", id]).json().await
    }

    /// Changes a cluster.
    pub async fn update(&self, id: VmClusterId, params: &VmClusterParams) -> Result<VmCluster> {
        self.put(bare!["vm-clusters", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes a cluster.
    pub async fn delete(&self, id: VmClusterId) -> Result<()> {
        self.del(bare!["vm-clusters", id]).empty().await
    }
}
