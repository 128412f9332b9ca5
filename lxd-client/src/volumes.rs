//! Storage volumes: custom ones in full, all kinds to look at; their snapshots and backups.

use bytes::Bytes;
use serde_json::json;

use crate::answer::Versioned;
use crate::listing::{Collection, Listing};
use crate::operation::{Finished, Started};
use crate::request::{Request, segment};
use crate::storage::{StoragePools, path as pool_path};
use crate::types::{StorageVolume, VolumeBackup, VolumeSnapshot, VolumeState};
use crate::{Download, Etag, Result};

const SNAPSHOTS: &[&str] = &["storage_api_volume_snapshots"];
const BACKUPS: &[&str] = &["custom_volume_backup"];

impl StoragePools {
    /// A pool's volumes, of every kind.
    ///
    /// # Errors
    /// Not found.
    pub async fn volumes(&self, pool: &str) -> Result<Vec<StorageVolume>> {
        self.volumes_with(pool, &Listing::new()).await
    }

    /// Those that `listing` asks for.
    ///
    /// # Errors
    /// Not found; missing extension, where the server cannot narrow (before 4.23) or widen (before
    /// 5.0.1).
    pub async fn volumes_with(&self, pool: &str, listing: &Listing) -> Result<Vec<StorageVolume>> {
        let collection = Collection {
            path: format!("{}/volumes", pool_path(pool)),
            filter: Some("storage_volume_api_filtering"),
            all_projects: Some("storage_volumes_all_projects"),
        };
        self.client.list(collection, 1, listing).await
    }

    /// One custom volume, with its ETag.
    ///
    /// # Errors
    /// Not found.
    pub async fn volume(&self, pool: &str, name: &str) -> Result<Versioned<StorageVolume>> {
        self.client.get(&path(pool, name)).await
    }

    /// How much of a custom volume is used.
    ///
    /// # Errors
    /// Not found; refused where the pool's driver cannot tell (`dir`).
    pub async fn volume_state(&self, pool: &str, name: &str) -> Result<VolumeState> {
        let at = format!("{}/state", path(pool, name));
        self.client
            .require("reading a volume's state", &["storage_volume_state"])
            .await?;
        Ok(self.client.get::<VolumeState>(&at).await?.into_inner())
    }

    /// Makes a custom volume.
    ///
    /// # Errors
    /// Conflict if it exists.
    pub async fn create_volume(&self, pool: &str, volume: &StorageVolume) -> Result<Started> {
        let mut body = volume.put();
        body["name"] = volume.name.clone().into();
        body["type"] = "custom".into();
        body["content_type"] = volume.content_type.clone().into();
        self.client
            .change(Request::post(format!("{}/volumes/custom", pool_path(pool))).json(body))
            .await
    }

    /// Makes a custom volume as a copy of another, of this pool or another one, with its
    /// snapshots.
    ///
    /// # Errors
    /// Conflict if it exists; not found (500 in 5.0) if the other one does not.
    pub async fn copy_volume(
        &self,
        pool: &str,
        name: &str,
        from_pool: &str,
        from: &str,
    ) -> Result<Started> {
        let body = json!({
            "name": name, "type": "custom",
            "source": {"type": "copy", "pool": from_pool, "name": from, "volume_only": false},
        });
        self.client
            .change(Request::post(format!("{}/volumes/custom", pool_path(pool))).json(body))
            .await
    }

    /// Replaces a custom volume's configuration and description, if it still is what `etag` was
    /// read with.
    ///
    /// # Errors
    /// Precondition if it was changed since.
    pub async fn update_volume(
        &self,
        pool: &str,
        volume: &StorageVolume,
        etag: Option<&Etag>,
    ) -> Result<Started> {
        let at = path(pool, &volume.name);
        self.client.put(&at, volume.put(), etag).await
    }

    /// Reads it, changes it, writes it; and again if somebody else changed it in between.
    ///
    /// # Errors
    /// Not found, refused, or still in somebody's way after ten tries.
    pub async fn modify_volume(
        &self,
        pool: &str,
        name: &str,
        change: impl FnMut(&mut StorageVolume),
    ) -> Result<Finished> {
        self.client
            .modify(&path(pool, name), StorageVolume::put, change)
            .await
    }

    /// Renames a custom volume.
    ///
    /// # Errors
    /// Not found; conflict if the new name is taken.
    pub async fn rename_volume(&self, pool: &str, name: &str, to: &str) -> Result<Started> {
        let request = Request::post(path(pool, name)).json(json!({"name": to}));
        self.client.change(request).await
    }

    /// Deletes a custom volume.
    ///
    /// # Errors
    /// Not found, or in use.
    pub async fn delete_volume(&self, pool: &str, name: &str) -> Result<Started> {
        self.client.change(Request::delete(path(pool, name))).await
    }

    /// A custom volume's snapshots. 5.0 tells of none where there is no such volume.
    ///
    /// # Errors
    /// Not found, of the pool; missing extension before LXD 3.6.
    pub async fn volume_snapshots(&self, pool: &str, name: &str) -> Result<Vec<VolumeSnapshot>> {
        self.client
            .require("listing a volume's snapshots", SNAPSHOTS)
            .await?;
        let request =
            Request::get(format!("{}/snapshots", path(pool, name))).query("recursion", "1");
        let mut listed: Vec<VolumeSnapshot> = self.client.collect(request).await?;
        for snapshot in &mut listed {
            // A list has `VOLUME/SNAPSHOT` here, a single one its name.
            if let Some((_, own)) = snapshot.name.rsplit_once('/') {
                snapshot.name = own.to_owned();
            }
        }
        Ok(listed)
    }

    /// Takes a snapshot of a custom volume.
    ///
    /// # Errors
    /// Not found; conflict if there is one of that name.
    pub async fn snapshot_volume(&self, pool: &str, name: &str, snapshot: &str) -> Result<Started> {
        self.client
            .require("taking a volume's snapshot", SNAPSHOTS)
            .await?;
        let at = format!("{}/snapshots", path(pool, name));
        self.client
            .change(Request::post(at).json(json!({"name": snapshot})))
            .await
    }

    /// Brings a custom volume back to a snapshot; nothing may use it.
    ///
    /// # Errors
    /// Not found, of the volume or (500 in 5.0) the snapshot.
    pub async fn restore_volume(&self, pool: &str, name: &str, snapshot: &str) -> Result<Finished> {
        let request = Request::put(path(pool, name)).json(json!({"restore": snapshot}));
        self.client.change(request).await?.wait().await
    }

    /// Renames a snapshot.
    ///
    /// # Errors
    /// Not found.
    pub async fn rename_volume_snapshot(
        &self,
        pool: &str,
        name: &str,
        snapshot: &str,
        to: &str,
    ) -> Result<Started> {
        let at = snapshot_path(pool, name, snapshot);
        self.client
            .change(Request::post(at).json(json!({"name": to})))
            .await
    }

    /// Deletes a snapshot.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_volume_snapshot(
        &self,
        pool: &str,
        name: &str,
        snapshot: &str,
    ) -> Result<Started> {
        let at = snapshot_path(pool, name, snapshot);
        self.client.change(Request::delete(at)).await
    }

    /// A custom volume's backups.
    ///
    /// # Errors
    /// Not found; missing extension before LXD 4.7.
    pub async fn volume_backups(&self, pool: &str, name: &str) -> Result<Vec<VolumeBackup>> {
        self.client
            .require("listing a volume's backups", BACKUPS)
            .await?;
        let request = Request::get(format!("{}/backups", path(pool, name))).query("recursion", "1");
        self.client.collect(request).await
    }

    /// Makes a backup of a custom volume on the server, snapshots included.
    ///
    /// # Errors
    /// Not found; through the operation, if it cannot.
    pub async fn backup_volume(&self, pool: &str, name: &str, backup: &str) -> Result<Started> {
        self.client.require("backing a volume up", BACKUPS).await?;
        let body = json!({"name": backup, "volume_only": false, "optimized_storage": false});
        let at = format!("{}/backups", path(pool, name));
        self.client.change(Request::post(at).json(body)).await
    }

    /// A backup's tarball, piece by piece.
    ///
    /// # Errors
    /// Not found.
    pub async fn export_volume_backup(
        &self,
        pool: &str,
        name: &str,
        backup: &str,
    ) -> Result<Download> {
        let at = format!("{}/export", backup_path(pool, name, backup));
        self.client.export(Request::get(at)).await
    }

    /// Makes a custom volume of a backup's tarball.
    ///
    /// # Errors
    /// Through the operation: conflict if it exists; if the tarball is none. The stream's own
    /// error breaks the request.
    pub async fn import_volume_backup<S, E>(
        &self,
        pool: &str,
        name: &str,
        tarball: S,
    ) -> Result<Started>
    where
        S: futures_core::Stream<Item = std::result::Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.client
            .require("importing a volume's backup", BACKUPS)
            .await?;
        let request = Request::post(format!("{}/volumes/custom", pool_path(pool)))
            .stream(tarball)
            .header("x-lxd-name", name);
        self.client.change(request).await
    }

    /// Deletes a backup.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_volume_backup(
        &self,
        pool: &str,
        name: &str,
        backup: &str,
    ) -> Result<Started> {
        let at = backup_path(pool, name, backup);
        self.client.change(Request::delete(at)).await
    }
}

fn path(pool: &str, name: &str) -> String {
    format!("{}/volumes/custom/{}", pool_path(pool), segment(name))
}

fn snapshot_path(pool: &str, name: &str, snapshot: &str) -> String {
    format!("{}/snapshots/{}", path(pool, name), segment(snapshot))
}

fn backup_path(pool: &str, name: &str, backup: &str) -> String {
    format!("{}/backups/{}", path(pool, name), segment(backup))
}
