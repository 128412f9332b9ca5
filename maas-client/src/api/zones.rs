//! Zones and resource pools.

use crate::error::Result;
use crate::ids::PoolId;
use crate::macros::{at, handle};
use crate::model::{ResourcePool, Zone};
use crate::params::params;

params! {
    /// What can be changed of a zone or a pool.
    NamedParams {
        /// Its name.
        name: String,
        /// What it is.
        description: String,
    }
}

handle! {
    /// Zones.
    Zones
}

impl Zones {
    /// All zones.
    pub async fn list(&self) -> Result<Vec<Zone>> {
        self.get("zones/").json().await
    }

    /// Makes a zone.
    pub async fn create(&self, name: &str, description: Option<&str>) -> Result<Zone> {
        self.post("zones/")
            .form("name", name)
            .form("description", description)
            .json()
            .await
    }

    /// One zone.
    pub async fn read(&self, name: &str) -> Result<Zone> {
        self.get(at!["zones", name]).json().await
    }

    /// Changes a zone.
    pub async fn update(&self, name: &str, params: &NamedParams) -> Result<Zone> {
        self.put(at!["zones", name]).params(params).json().await
    }

    /// Deletes a zone; its nodes go to the default one.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.del(at!["zones", name]).empty().await
    }
}

handle! {
    /// Resource pools.
    ResourcePools
}

impl ResourcePools {
    /// All pools.
    pub async fn list(&self) -> Result<Vec<ResourcePool>> {
        self.get("resourcepools/").json().await
    }

    /// Makes a pool.
    pub async fn create(&self, name: &str, description: Option<&str>) -> Result<ResourcePool> {
        self.post("resourcepools/")
            .form("name", name)
            .form("description", description)
            .json()
            .await
    }

    /// One pool.
    pub async fn read(&self, id: PoolId) -> Result<ResourcePool> {
        self.get(at!["resourcepool", id]).json().await
    }

    /// Changes a pool.
    pub async fn update(&self, id: PoolId, params: &NamedParams) -> Result<ResourcePool> {
        self.put(at!["resourcepool", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes a pool that has no machines.
    pub async fn delete(&self, id: PoolId) -> Result<()> {
        self.del(at!["resourcepool", id]).empty().await
    }
}
