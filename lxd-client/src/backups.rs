//! Backups of instances: tarballs that the server makes, gives out, and takes in again.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::instances::{Instances, path};
use crate::operation::Started;
use crate::request::{Request, segment};
use crate::types::Extra;
use crate::{Download, Result};

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
    /// An instance's backups.
    ///
    /// # Errors
    /// Not found.
    pub async fn backups(&self, name: &str) -> Result<Vec<Backup>> {
        let request = Request::get(format!("{}/backups", path(name))).query("recursion", "1");
        self.client.collect(request).await
    }

    /// One of them.
    ///
    /// # Errors
    /// Not found, of the instance or the backup.
    pub async fn get_backup(&self, name: &str, backup: &str) -> Result<Backup> {
        let read = self.client.get::<Backup>(&at(name, backup)).await?;
        Ok(read.into_inner())
    }

    /// Makes a backup on the server, snapshots included; fetch it with
    /// [`Instances::export_backup`].
    ///
    /// # Errors
    /// Not found; through the operation, if it cannot.
    pub async fn backup(&self, name: &str, backup: &str) -> Result<Started> {
        let body = json!({"name": backup, "instance_only": false, "optimized_storage": false});
        self.client
            .change(Request::post(format!("{}/backups", path(name))).json(body))
            .await
    }

    /// A backup's tarball, piece by piece.
    ///
    /// # Errors
    /// Not found.
    pub async fn export_backup(&self, name: &str, backup: &str) -> Result<Download> {
        let request = Request::get(format!("{}/export", at(name, backup)));
        self.client.export(request).await
    }

    /// Makes an instance of a backup's tarball, under the name `name` or, if `None`, the one it
    /// had; on the pool `pool` or, if `None`, the one it was on.
    ///
    /// # Errors
    /// Through the operation: conflict if there is an instance of that name; if the tarball is
    /// none. The stream's own error breaks the request.
    pub async fn import_backup<S, E>(
        &self,
        tarball: S,
        name: Option<&str>,
        pool: Option<&str>,
    ) -> Result<Started>
    where
        S: futures_core::Stream<Item = std::result::Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let mut needs = vec!["container_backup"];
        let mut request = Request::post("/1.0/instances").stream(tarball);
        if let Some(name) = name {
            needs.push("backup_override_name");
            request = request.header("x-lxd-name", name);
        }
        if let Some(pool) = pool {
            needs.push("container_backup_override_pool");
            request = request.header("x-lxd-pool", pool);
        }
        self.client.require("importing a backup", &needs).await?;
        self.client.change(request).await
    }

    /// Renames a backup.
    ///
    /// # Errors
    /// Not found.
    pub async fn rename_backup(&self, name: &str, backup: &str, to: &str) -> Result<Started> {
        let request = Request::post(at(name, backup)).json(json!({"name": to}));
        self.client.change(request).await
    }

    /// Deletes a backup.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_backup(&self, name: &str, backup: &str) -> Result<Started> {
        self.client.change(Request::delete(at(name, backup))).await
    }
}

fn at(name: &str, backup: &str) -> String {
    format!("{}/backups/{}", path(name), segment(backup))
}
