//! Networks: LXD's own, and the host's interfaces as it sees them.

use crate::answer::Versioned;
use crate::listing::{Collection, Listing};
use crate::operation::{Finished, Started};
use crate::request::{Request, segment};
use crate::types::{Network, NetworkLease, NetworkState};
use crate::{Client, Etag, Result};

/// The server's networks.
#[derive(Debug, Clone)]
pub struct Networks {
    pub(crate) client: Client,
}

impl Client {
    /// The server's networks.
    pub fn networks(&self) -> Networks {
        Networks {
            client: self.clone(),
        }
    }
}

impl Networks {
    /// All of them, the host's interfaces included (`managed` is false for those).
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn list(&self) -> Result<Vec<Network>> {
        self.list_with(&Listing::new()).await
    }

    /// Those that `listing` asks for.
    ///
    /// # Errors
    /// Missing extension, where the server cannot narrow or widen this list.
    pub async fn list_with(&self, listing: &Listing) -> Result<Vec<Network>> {
        let collection = Collection {
            path: "/1.0/networks".into(),
            filter: None,
            all_projects: Some("networks_all_projects"),
        };
        self.client.list(collection, 1, listing).await
    }

    /// Their names alone.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn names(&self) -> Result<Vec<String>> {
        self.client.names("/1.0/networks".into()).await
    }

    /// One, with its ETag.
    ///
    /// # Errors
    /// Not found.
    pub async fn get(&self, name: &str) -> Result<Versioned<Network>> {
        self.client.get(&path(name)).await
    }

    /// Its addresses and counters.
    ///
    /// # Errors
    /// Not found.
    pub async fn state(&self, name: &str) -> Result<NetworkState> {
        Ok(self
            .client
            .get::<NetworkState>(&format!("{}/state", path(name)))
            .await?
            .into_inner())
    }

    /// The leases of its DHCP server.
    ///
    /// # Errors
    /// Not found, or not a managed network.
    pub async fn leases(&self, name: &str) -> Result<Vec<NetworkLease>> {
        Ok(self
            .client
            .get::<Option<Vec<NetworkLease>>>(&format!("{}/leases", path(name)))
            .await?
            .into_inner()
            .unwrap_or_default())
    }

    /// Makes one. The server fills in addresses that are not given.
    ///
    /// # Errors
    /// Conflict if it exists (400 in LXD 5.0), refused on a bad value (500 there).
    pub async fn create(&self, network: &Network) -> Result<Started> {
        let mut body = network.put();
        body["name"] = network.name.clone().into();
        if !network.kind.is_empty() {
            body["type"] = network.kind.clone().into();
        }
        self.client
            .change(Request::post("/1.0/networks").json(body))
            .await
    }

    /// Replaces its configuration and description, if it still is what `etag` was read with.
    ///
    /// # Errors
    /// Precondition if it was changed since.
    pub async fn update(&self, network: &Network, etag: Option<&Etag>) -> Result<Started> {
        self.client
            .put(&path(&network.name), network.put(), etag)
            .await
    }

    /// Reads it, changes it, writes it; and again if somebody else changed it in between (`change`
    /// then runs on what was read anew).
    ///
    /// # Errors
    /// Not found, refused, or still in somebody's way after ten tries.
    pub async fn modify(&self, name: &str, change: impl FnMut(&mut Network)) -> Result<Finished> {
        self.client.modify(&path(name), Network::put, change).await
    }

    /// Renames it; nothing may use it.
    ///
    /// # Errors
    /// Not found, in use, or the new name is taken.
    pub async fn rename(&self, name: &str, to: &str) -> Result<Started> {
        let body = serde_json::json!({"name": to});
        self.client
            .change(Request::post(path(name)).json(body))
            .await
    }

    /// Deletes it.
    ///
    /// # Errors
    /// Not found, or in use.
    pub async fn delete(&self, name: &str) -> Result<Started> {
        self.client.change(Request::delete(path(name))).await
    }
}

pub(crate) fn path(name: &str) -> String {
    format!("/1.0/networks/{}", segment(name))
}
