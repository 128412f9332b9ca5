//! The facade `Storage`: what charms were given to keep their data on. On a model's connection.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::status::{Life, Status, StorageStatus};
use super::{ErrorResult, OneResult, Results, nullable, single};
use crate::client::Client;
use crate::error::Result;

/// A piece of storage.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct StorageDetails {
    /// `storage-pgdata-0`.
    pub storage_tag: String,
    /// `unit-database-0`.
    #[serde(deserialize_with = "nullable")]
    pub owner_tag: String,
    /// 1: block device, 2: filesystem.
    pub kind: i64,
    /// How far it is.
    pub status: Status<StorageStatus>,
    /// Whether it lives.
    pub life: Life,
    /// Whether it outlives its unit.
    pub persistent: bool,
    /// By unit's tag.
    #[serde(deserialize_with = "nullable")]
    pub attachments: BTreeMap<String, StorageAttachment>,
}

/// Where storage is attached.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct StorageAttachment {
    /// The unit's tag.
    #[serde(deserialize_with = "nullable")]
    pub unit_tag: String,
    /// The machine's tag.
    #[serde(deserialize_with = "nullable")]
    pub machine_tag: String,
    /// Where it is mounted.
    #[serde(deserialize_with = "nullable")]
    pub location: String,
    /// Whether it lives.
    pub life: Life,
}

/// A volume or a filesystem under a piece of storage.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Volume {
    /// `volume-0`.
    #[serde(deserialize_with = "nullable")]
    pub volume_tag: String,
    /// `filesystem-0`.
    #[serde(deserialize_with = "nullable")]
    pub filesystem_tag: String,
    /// Pool, size and the provider's id, as they come.
    #[serde(deserialize_with = "nullable")]
    pub info: BTreeMap<String, Value>,
    /// Whether it lives.
    pub life: Life,
    /// How far it is.
    pub status: Status<StorageStatus>,
    /// The storage that is on it.
    pub storage: Option<StorageDetails>,
}

/// A pool that storage comes out of.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct StoragePool {
    /// Its name.
    pub name: String,
    /// `loop`, `tmpfs`, `maas`.
    pub provider: String,
    /// Its settings.
    #[serde(deserialize_with = "nullable")]
    pub attrs: BTreeMap<String, Value>,
}

/// What storage is asked for.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct StorageRequest {
    /// The pool; none: the model's own choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl StorageRequest {
    /// `count` pieces of `size` MiB.
    pub fn new(count: u64, size: u64) -> Self {
        Self {
            pool: None,
            size: Some(size),
            count: Some(count),
        }
    }

    /// Out of this pool.
    #[must_use]
    pub fn pool(mut self, pool: impl Into<String>) -> Self {
        self.pool = Some(pool.into());
        self
    }
}

/// The facade, as [`Client::storage`] gives it.
#[derive(Debug, Clone)]
pub struct Storage(Client);

impl Client {
    /// Storage, on a model's connection.
    pub fn storage(&self) -> Storage {
        Storage(self.clone())
    }
}

fn tag(id: &str) -> String {
    if id.starts_with("storage-") {
        id.to_owned()
    } else {
        format!("storage-{}", id.replace('/', "-"))
    }
}

impl Storage {
    async fn filtered<T: serde::de::DeserializeOwned>(&self, method: &str) -> Result<Vec<T>> {
        let r: Results<OneResult<Option<Vec<T>>>> = self
            .0
            .read("Storage", method, json!({"filters": [{}]}))
            .await?;
        let one = single(r, &format!("Storage.{method}"))?;
        ErrorResult { error: one.error }.check(&format!("Storage.{method}"))?;
        Ok(one.result.flatten().unwrap_or_default())
    }

    /// Every piece of storage.
    ///
    /// # Errors
    /// As every call.
    pub async fn list(&self) -> Result<Vec<StorageDetails>> {
        self.filtered("ListStorageDetails").await
    }

    /// Every volume.
    ///
    /// # Errors
    /// As every call.
    pub async fn volumes(&self) -> Result<Vec<Volume>> {
        self.filtered("ListVolumes").await
    }

    /// Every filesystem.
    ///
    /// # Errors
    /// As every call.
    pub async fn filesystems(&self) -> Result<Vec<Volume>> {
        self.filtered("ListFilesystems").await
    }

    /// The pools.
    ///
    /// # Errors
    /// As every call.
    pub async fn pools(&self) -> Result<Vec<StoragePool>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Wire {
            #[serde(default, deserialize_with = "nullable")]
            storage_pools: Vec<StoragePool>,
            #[serde(default)]
            error: Option<super::WireError>,
        }
        const OP: &str = "Storage.ListPools";
        let params = json!({"filters": [{"names": null, "providers": null}]});
        let r: Results<Wire> = self.0.read("Storage", "ListPools", params).await?;
        let one = single(r, OP)?;
        ErrorResult { error: one.error }.check(OP)?;
        Ok(one.storage_pools)
    }

    /// Makes a pool.
    ///
    /// # Errors
    /// An unknown provider; `is_already_exists()`.
    pub async fn create_pool(
        &self,
        name: &str,
        provider: &str,
        attrs: &BTreeMap<String, Value>,
    ) -> Result<()> {
        let params = json!({"pools": [{"name": name, "provider": provider, "attrs": attrs}]});
        let r: Results<ErrorResult> = self.0.call("Storage", "CreatePool", params).await?;
        super::all_ok(r, "Storage.CreatePool")
    }

    /// Forgets a pool.
    ///
    /// # Errors
    /// Unknown, or in use.
    pub async fn remove_pool(&self, name: &str) -> Result<()> {
        let params = json!({"pools": [{"name": name}]});
        let r: Results<ErrorResult> = self.0.call("Storage", "RemovePool", params).await?;
        super::all_ok(r, "Storage.RemovePool")
    }

    /// Gives a unit more storage of one of its charm's names, and says the new pieces' tags.
    ///
    /// # Errors
    /// An unknown unit or name. After an unclear failure look with [`Storage::list`].
    pub async fn add(
        &self,
        unit: &str,
        name: &str,
        request: &StorageRequest,
    ) -> Result<Vec<String>> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "kebab-case", default)]
        struct Added {
            #[serde(deserialize_with = "nullable")]
            storage_tags: Vec<String>,
        }
        const OP: &str = "Storage.AddToUnit";
        let params = json!({"storages": [{"unit": crate::unit_tag(unit), "name": name, "storage": request}]});
        let r: Results<OneResult<Added>> = self.0.call("Storage", "AddToUnit", params).await?;
        let one = single(r, OP)?;
        ErrorResult { error: one.error }.check(OP)?;
        Ok(one.result.unwrap_or_default().storage_tags)
    }

    /// Attaches a piece (`pgdata/0`) to a unit.
    ///
    /// # Errors
    /// As every call.
    pub async fn attach(&self, storage: &str, unit: &str) -> Result<()> {
        let params =
            json!({"ids": [{"storage-tag": tag(storage), "unit-tag": crate::unit_tag(unit)}]});
        let r: Results<ErrorResult> = self.0.call("Storage", "Attach", params).await?;
        super::all_ok(r, "Storage.Attach")
    }

    /// Detaches a piece from wherever it is.
    ///
    /// # Errors
    /// As every call.
    pub async fn detach(&self, storage: &str, force: bool) -> Result<()> {
        let mut params = json!({"ids": {"ids": [{"storage-tag": tag(storage), "unit-tag": ""}]}});
        if force {
            params["force"] = json!(true);
        }
        let r: Results<ErrorResult> = self.0.call("Storage", "DetachStorage", params).await?;
        super::all_ok(r, "Storage.DetachStorage")
    }

    /// Removes a piece; with `destroy` its data too.
    ///
    /// # Errors
    /// Attached and not to be detached.
    pub async fn remove(&self, storage: &str, destroy: bool, force: bool) -> Result<()> {
        let mut one =
            json!({"tag": tag(storage), "destroy-attachments": force, "destroy-storage": destroy});
        if force {
            one["force"] = json!(true);
        }
        let r: Results<ErrorResult> = self
            .0
            .call("Storage", "Remove", json!({"storage": [one]}))
            .await?;
        super::all_ok(r, "Storage.Remove")
    }
}
