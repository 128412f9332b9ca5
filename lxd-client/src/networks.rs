//! Networks: LXD's own, and the host's interfaces as it sees them.

use crate::answer::Versioned;
use crate::operation::Started;
use crate::request::{Request, segment};
use crate::types::{Network, NetworkLease, NetworkState};
use crate::{Client, Etag, Result};

/// The server's networks.
#[derive(Debug, Clone)]
pub struct Networks {
    client: Client,
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
        let request = Request::get("/1.0/networks").query("recursion", "1");
        Ok(self
            .client
            .fetch::<Option<Vec<Network>>>(request)
            .await?
            .into_inner()
            .unwrap_or_default())
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

    /// Deletes it.
    ///
    /// # Errors
    /// Not found, or in use.
    pub async fn delete(&self, name: &str) -> Result<Started> {
        self.client.change(Request::delete(path(name))).await
    }
}

fn path(name: &str) -> String {
    format!("/1.0/networks/{}", segment(name))
}
