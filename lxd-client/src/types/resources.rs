use serde::{Deserialize, Serialize};

use super::{Extra, nullable};

/// GET `/1.0/resources`: the machine under LXD.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Resources {
    /// Processors.
    pub cpu: CpuResources,
    /// Memory.
    pub memory: MemoryResources,
    /// Disks.
    pub storage: DiskResources,
    /// Network cards.
    pub network: NicResources,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Processors.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CpuResources {
    /// The architecture, such as `x86_64`.
    pub architecture: String,
    /// Hardware threads altogether.
    pub total: u64,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MemoryResources {
    /// In use, bytes.
    pub used: u64,
    /// Altogether, bytes.
    pub total: u64,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Disks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DiskResources {
    /// Each disk.
    #[serde(deserialize_with = "nullable")]
    pub disks: Vec<Disk>,
    /// How many, partitions included.
    pub total: u64,
}

/// A disk of the host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Disk {
    /// Such as `sda`.
    pub id: String,
    /// Bytes.
    pub size: u64,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Network cards.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NicResources {
    /// Each card, as LXD describes it.
    #[serde(deserialize_with = "nullable")]
    pub cards: Vec<serde_json::Value>,
    /// How many.
    pub total: u64,
}
