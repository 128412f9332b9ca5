//! Storage pools.

use crate::answer::Versioned;
use crate::listing::{Collection, Listing};
use crate::operation::{Finished, Started};
use crate::request::{Request, segment};
use crate::types::{PoolResources, Resources, StoragePool};
use crate::{Client, Etag, Result};

/// The server's storage pools.
#[derive(Debug, Clone)]
pub struct StoragePools {
    pub(crate) client: Client,
}

impl Client {
    /// The server's storage pools.
    pub fn storage_pools(&self) -> StoragePools {
        StoragePools {
            client: self.clone(),
        }
    }

    /// The machine under LXD: processors, memory, disks, network cards.
    ///
    /// # Errors
    /// If the server cannot be asked or does not trust us.
    pub async fn resources(&self) -> Result<Resources> {
        Ok(self.get::<Resources>("/1.0/resources").await?.into_inner())
    }
}

impl StoragePools {
    /// All of them.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn list(&self) -> Result<Vec<StoragePool>> {
        self.list_with(&Listing::new()).await
    }

    /// Those that `listing` asks for.
    ///
    /// # Errors
    /// Missing extension, where the server cannot narrow or widen this list.
    pub async fn list_with(&self, listing: &Listing) -> Result<Vec<StoragePool>> {
        let collection = Collection {
            path: "/1.0/storage-pools".into(),
            filter: None,
            all_projects: None,
        };
        self.client.list(collection, 1, listing).await
    }

    /// Their names alone.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn names(&self) -> Result<Vec<String>> {
        self.client.names("/1.0/storage-pools".into()).await
    }

    /// One; LXD 5.0 gives no ETag for pools.
    ///
    /// # Errors
    /// Not found.
    pub async fn get(&self, name: &str) -> Result<Versioned<StoragePool>> {
        self.client.get(&path(name)).await
    }

    /// What it holds and has left, in bytes.
    ///
    /// # Errors
    /// Not found.
    pub async fn resources(&self, name: &str) -> Result<PoolResources> {
        Ok(self
            .client
            .get::<PoolResources>(&format!("{}/resources", path(name)))
            .await?
            .into_inner())
    }

    /// Makes one.
    ///
    /// # Errors
    /// Conflict if it exists; refused if the driver is not to be had.
    pub async fn create(&self, pool: &StoragePool) -> Result<Started> {
        let mut body = pool.put();
        body["name"] = pool.name.clone().into();
        body["driver"] = pool.driver.clone().into();
        self.client
            .change(Request::post("/1.0/storage-pools").json(body))
            .await
    }

    /// Replaces its configuration and description.
    ///
    /// # Errors
    /// Precondition if it was changed since (where the server gives ETags for pools).
    pub async fn update(&self, pool: &StoragePool, etag: Option<&Etag>) -> Result<Started> {
        self.client.put(&path(&pool.name), pool.put(), etag).await
    }

    /// Reads it, changes it, writes it; and again if somebody else changed it in between (`change`
    /// then runs on what was read anew).
    ///
    /// # Errors
    /// Not found, refused, or still in somebody's way after ten tries.
    pub async fn modify(
        &self,
        name: &str,
        change: impl FnMut(&mut StoragePool),
    ) -> Result<Finished> {
        self.client
            .modify(&path(name), StoragePool::put, change)
            .await
    }

    /// Deletes it; it must be empty.
    ///
    /// # Errors
    /// Not found, or in use.
    pub async fn delete(&self, name: &str) -> Result<Started> {
        self.client.change(Request::delete(path(name))).await
    }
}

pub(crate) fn path(name: &str) -> String {
    format!("/1.0/storage-pools/{}", segment(name))
}
