//! Snapshots and backups of instances.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Result;
use crate::instances::{Instances, path};
use crate::operation::{Finished, Started};
use crate::request::{Request, segment};
use crate::types::{Config, Extra, config};

/// A snapshot of an instance.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name, without the instance's.
    pub name: String,
    /// When it was taken.
    pub created_at: String,
    /// Whether the running state is in it.
    pub stateful: bool,
    /// The instance's configuration then.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A backup of an instance, kept by the server as a tarball.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Backup {
    /// Its name.
    pub name: String,
    /// When it was taken.
    pub created_at: String,
    /// When the server throws it away.
    pub expires_at: String,
    /// Whether the snapshots are left out.
    pub instance_only: bool,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Instances {
    /// An instance's snapshots.
    ///
    /// # Errors
    /// Not found.
    pub async fn snapshots(&self, name: &str) -> Result<Vec<Snapshot>> {
        let request = Request::get(format!("{}/snapshots", path(name))).query("recursion", "1");
        self.client.collect(request).await
    }

    /// Takes a snapshot.
    ///
    /// # Errors
    /// Not found; through the operation: conflict if there is one of that name.
    pub async fn snapshot(&self, name: &str, snapshot: &str) -> Result<Started> {
        let body = json!({"name": snapshot, "stateful": false});
        self.client
            .change(Request::post(format!("{}/snapshots", path(name))).json(body))
            .await
    }

    /// Brings the instance back to a snapshot.
    ///
    /// # Errors
    /// Not found; through the operation, if it cannot.
    pub async fn restore(&self, name: &str, snapshot: &str) -> Result<Finished> {
        self.client
            .change(Request::put(path(name)).json(json!({"restore": snapshot})))
            .await?
            .wait()
            .await
    }

    /// Deletes a snapshot.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_snapshot(&self, name: &str, snapshot: &str) -> Result<Started> {
        let at = format!("{}/snapshots/{}", path(name), segment(snapshot));
        self.client.change(Request::delete(at)).await
    }

    /// An instance's backups.
    ///
    /// # Errors
    /// Not found.
    pub async fn backups(&self, name: &str) -> Result<Vec<Backup>> {
        let request = Request::get(format!("{}/backups", path(name))).query("recursion", "1");
        self.client.collect(request).await
    }

    /// Makes a backup on the server; fetch it with [`Instances::export_backup`].
    ///
    /// # Errors
    /// Not found; through the operation, if it cannot.
    pub async fn backup(&self, name: &str, backup: &str) -> Result<Started> {
        let body = json!({"name": backup, "instance_only": false, "optimized_storage": false});
        self.client
            .change(Request::post(format!("{}/backups", path(name))).json(body))
            .await
    }

    /// A backup's tarball.
    ///
    /// # Errors
    /// Not found.
    pub async fn export_backup(&self, name: &str, backup: &str) -> Result<Bytes> {
        let at = format!("{}/backups/{}/export", path(name), segment(backup));
        Ok(self.client.raw(Request::get(at)).await?.1)
    }

    /// Deletes a backup.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_backup(&self, name: &str, backup: &str) -> Result<Started> {
        let at = format!("{}/backups/{}", path(name), segment(backup));
        self.client.change(Request::delete(at)).await
    }
}
