use serde::{Deserialize, Serialize};

use super::{Config, Extra, config, nullable};

/// A storage pool.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct StoragePool {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// `dir`, `zfs`, `btrfs`, `lvm`, `ceph`...
    pub driver: String,
    /// `Created`, `Pending`, `Errored`.
    pub status: String,
    /// Such as `source`.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// What uses it, as URLs.
    #[serde(deserialize_with = "nullable")]
    pub used_by: Vec<String>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl StoragePool {
    /// A pool with this name and driver, the rest the server's defaults.
    pub fn new(name: impl Into<String>, driver: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            driver: driver.into(),
            ..Self::default()
        }
    }

    pub(crate) fn put(&self) -> serde_json::Value {
        serde_json::json!({"config": self.config, "description": self.description})
    }
}

/// GET `/1.0/storage-pools/NAME/resources`: what the pool has, in bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PoolResources {
    /// Bytes.
    pub space: Amount,
    /// Inodes.
    pub inodes: Amount,
}

/// An amount and how much of it is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Amount {
    /// In use.
    pub used: u64,
    /// Altogether.
    pub total: u64,
}

impl Amount {
    /// What is not in use.
    pub fn free(&self) -> u64 {
        self.total.saturating_sub(self.used)
    }
}

/// A storage volume.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct StorageVolume {
    /// Its name.
    pub name: String,
    /// `custom`, `container`, `virtual-machine`, `image`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Free text.
    pub description: String,
    /// `filesystem` or `block`.
    pub content_type: String,
    /// Such as `size`.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// What uses it, as URLs.
    #[serde(deserialize_with = "nullable")]
    pub used_by: Vec<String>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl StorageVolume {
    /// A custom filesystem volume.
    pub fn custom(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: "custom".into(),
            content_type: "filesystem".into(),
            ..Self::default()
        }
    }
}

impl StorageVolume {
    pub(crate) fn put(&self) -> serde_json::Value {
        serde_json::json!({"config": self.config, "description": self.description})
    }
}

/// A snapshot of a storage volume.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VolumeSnapshot {
    /// Its name, without the volume's.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The volume's configuration then.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A backup of a storage volume, kept by the server as a tarball.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VolumeBackup {
    /// Its name.
    pub name: String,
    /// When it was taken.
    pub created_at: String,
    /// When the server throws it away.
    pub expires_at: String,
    /// Whether the snapshots are left out.
    pub volume_only: bool,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How much of a storage volume is used, in bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VolumeState {
    /// Bytes, where the driver can tell.
    #[serde(deserialize_with = "nullable")]
    pub usage: Option<Amount>,
}
