//! Network forwards: an address of the outside whose packets go to addresses inside a network.

use crate::answer::Versioned;
use crate::listing::{Collection, Listing};
use crate::networks::{Networks, path as network_path};
use crate::operation::{Finished, Started};
use crate::request::{Request, segment};
use crate::types::NetworkForward;
use crate::{Etag, Result};

const NEEDS: &[&str] = &["network_forward"];

impl Networks {
    /// A network's forwards.
    ///
    /// # Errors
    /// Not found; missing extension before LXD 4.18.
    pub async fn forwards(&self, network: &str) -> Result<Vec<NetworkForward>> {
        self.client.require("listing forwards", NEEDS).await?;
        let collection = Collection {
            path: format!("{}/forwards", network_path(network)),
            filter: None,
            all_projects: None,
        };
        self.client.list(collection, 1, &Listing::new()).await
    }

    /// One, by the address that it listens on, with its ETag.
    ///
    /// # Errors
    /// Not found, of the network or the forward.
    pub async fn forward(
        &self,
        network: &str,
        listen_address: &str,
    ) -> Result<Versioned<NetworkForward>> {
        self.client.get(&path(network, listen_address)).await
    }

    /// Makes one.
    ///
    /// # Errors
    /// Conflict if there is one for the address; refused (500 in 5.0) if the address is none.
    pub async fn create_forward(&self, network: &str, forward: &NetworkForward) -> Result<Started> {
        self.client.require("making a forward", NEEDS).await?;
        let mut body = forward.put();
        body["listen_address"] = forward.listen_address.clone().into();
        let at = format!("{}/forwards", network_path(network));
        self.client.change(Request::post(at).json(body)).await
    }

    /// Replaces its configuration, description and ports, if it still is what `etag` was read
    /// with (which LXD 5.0.2 does not look at).
    ///
    /// # Errors
    /// Precondition if it was changed since.
    pub async fn update_forward(
        &self,
        network: &str,
        forward: &NetworkForward,
        etag: Option<&Etag>,
    ) -> Result<Started> {
        let at = path(network, &forward.listen_address);
        self.client.put(&at, forward.put(), etag).await
    }

    /// Reads it, changes it, writes it; and again if somebody else changed it in between.
    ///
    /// # Errors
    /// Not found, refused, or still in somebody's way after ten tries.
    pub async fn modify_forward(
        &self,
        network: &str,
        listen_address: &str,
        change: impl FnMut(&mut NetworkForward),
    ) -> Result<Finished> {
        let at = path(network, listen_address);
        self.client.modify(&at, NetworkForward::put, change).await
    }

    /// Deletes it.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_forward(&self, network: &str, listen_address: &str) -> Result<Started> {
        let at = path(network, listen_address);
        self.client.change(Request::delete(at)).await
    }
}

fn path(network: &str, listen_address: &str) -> String {
    format!(
        "{}/forwards/{}",
        network_path(network),
        segment(listen_address)
    )
}
