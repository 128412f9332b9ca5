//! VM hosts and what is composed on them.

use crate::ids::{SystemId, VmHostId};
use crate::macros::model;
use crate::model::{ResourcePool, Zone};

model! {
    /// A VM host (a pod).
    VmHost {
        [
            /// Its id.
            id: VmHostId,
        ]
        /// Its name.
        name: String,
        /// `lxd` or `virsh`.
        r#type: String,
        /// The version of what runs there; empty as long as it was never reached.
        version: String,
        /// Tags; `allocate` matches a machine's wanted tags against them.
        tags: Vec<String>,
        /// What it has in all.
        total: VmResources,
        /// What is used of it.
        used: VmResources,
        /// What is left.
        available: VmResources,
        /// Architectures.
        architectures: Vec<String>,
        /// What it can do (`composable`...).
        capabilities: Vec<String>,
        /// Its storage pools.
        storage_pools: Vec<VmStoragePool>,
        /// How often each core may be given.
        cpu_over_commit_ratio: f64,
        /// How often memory may be given.
        memory_over_commit_ratio: f64,
        /// The mode of macvlan interfaces.
        default_macvlan_mode: Option<String>,
        /// The node that it runs on.
        host: Option<VmHostNode>,
        /// Its pool.
        pool: Option<ResourcePool>,
        /// Its zone.
        zone: Option<Zone>,
    }
}

impl VmHost {
    /// Whether it was reached and has something to give: MAAS saves a VM host even when nothing
    /// answers at its address, and then all its resources are zero.
    pub fn is_usable(&self) -> bool {
        self.total.cores > 0 && self.total.memory > 0
    }
}

/// Cores, memory and disk. What is available can be below zero on an overcommitted host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct VmResources {
    /// Cores.
    #[serde(default, deserialize_with = "whole")]
    pub cores: i64,
    /// Memory in MiB.
    #[serde(default, deserialize_with = "whole")]
    pub memory: i64,
    /// Disk in bytes.
    #[serde(default, deserialize_with = "whole")]
    pub local_storage: i64,
}

/// Reads a number that MAAS may have multiplied with a ratio.
fn whole<'de, D: serde::Deserializer<'de>>(d: D) -> Result<i64, D::Error> {
    use serde::Deserialize;
    #[allow(clippy::cast_possible_truncation)]
    let whole = Option::<f64>::deserialize(d)?.unwrap_or(0.0) as i64;
    Ok(whole)
}

model! {
    /// A storage pool of a VM host.
    VmStoragePool {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// Its type.
        r#type: String,
        /// Its path.
        path: String,
        /// Its size in bytes.
        total: u64,
        /// What is used of it.
        used: u64,
        /// What is left.
        available: u64,
        /// Whether it is used where none is named.
        default: bool,
    }
}

model! {
    /// The node that a VM host runs on.
    VmHostNode {
        /// Its id, where MAAS knows it.
        system_id: Option<SystemId>,
    }
}

model! {
    /// What `compose` answers.
    Composed {
        [
            /// The new machine.
            system_id: SystemId,
        ]
        /// Its path in the API.
        resource_uri: String,
    }
}

model! {
    /// A VM cluster.
    VmCluster {
        [
            /// Its id.
            id: crate::ids::VmClusterId,
        ]
        /// Its name.
        name: String,
        /// Its LXD project.
        project: String,
        /// How many hosts it has.
        vm_host_count: Option<u64>,
        /// Its pool.
        pool: Option<ResourcePool>,
        /// Its zone.
        zone: Option<Zone>,
    }
}
