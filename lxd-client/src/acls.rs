//! Network ACLs: rules that networks and instances' cards are put under.

use crate::answer::Versioned;
use crate::listing::{Collection, Listing};
use crate::operation::{Finished, Started};
use crate::request::{Request, segment};
use crate::types::NetworkAcl;
use crate::{Client, Etag, Result};

const NEEDS: &[&str] = &["network_acl"];

/// The server's network ACLs.
#[derive(Debug, Clone)]
pub struct NetworkAcls {
    client: Client,
}

impl Client {
    /// The network ACLs of the client's project.
    pub fn network_acls(&self) -> NetworkAcls {
        NetworkAcls {
            client: self.clone(),
        }
    }
}

impl NetworkAcls {
    /// All of them.
    ///
    /// # Errors
    /// Missing extension before LXD 4.12.
    pub async fn list(&self) -> Result<Vec<NetworkAcl>> {
        self.list_with(&Listing::new()).await
    }

    /// Those of every project, if `listing` says so (LXD 6.4).
    ///
    /// # Errors
    /// As [`NetworkAcls::list`]; missing extension.
    pub async fn list_with(&self, listing: &Listing) -> Result<Vec<NetworkAcl>> {
        self.client.require("listing network ACLs", NEEDS).await?;
        let collection = Collection {
            path: "/1.0/network-acls".into(),
            filter: None,
            all_projects: Some("network_acls_all_projects"),
        };
        self.client.list(collection, 1, listing).await
    }

    /// Their names.
    ///
    /// # Errors
    /// As [`NetworkAcls::list`].
    pub async fn names(&self) -> Result<Vec<String>> {
        self.client.require("listing network ACLs", NEEDS).await?;
        self.client.names("/1.0/network-acls".into()).await
    }

    /// One, with its ETag.
    ///
    /// # Errors
    /// Not found.
    pub async fn get(&self, name: &str) -> Result<Versioned<NetworkAcl>> {
        self.client.get(&path(name)).await
    }

    /// Makes one.
    ///
    /// # Errors
    /// Conflict if it exists (400 in LXD 5.0), refused on a bad rule or name (500 there).
    pub async fn create(&self, acl: &NetworkAcl) -> Result<Started> {
        self.client.require("making a network ACL", NEEDS).await?;
        let mut body = acl.put();
        body["name"] = acl.name.clone().into();
        self.client
            .change(Request::post("/1.0/network-acls").json(body))
            .await
    }

    /// Replaces its rules, configuration and description, if it still is what `etag` was read
    /// with.
    ///
    /// # Errors
    /// Precondition if it was changed since.
    pub async fn update(&self, acl: &NetworkAcl, etag: Option<&Etag>) -> Result<Started> {
        self.client.put(&path(&acl.name), acl.put(), etag).await
    }

    /// Reads it, changes it, writes it; and again if somebody else changed it in between.
    ///
    /// # Errors
    /// Not found, refused, or still in somebody's way after ten tries.
    pub async fn modify(
        &self,
        name: &str,
        change: impl FnMut(&mut NetworkAcl),
    ) -> Result<Finished> {
        self.client
            .modify(&path(name), NetworkAcl::put, change)
            .await
    }

    /// Renames it.
    ///
    /// # Errors
    /// Not found, in use, or the new name is taken.
    pub async fn rename(&self, name: &str, to: &str) -> Result<Started> {
        let body = serde_json::json!({"name": to});
        self.client
            .change(Request::post(path(name)).json(body))
            .await
    }

    /// Deletes it; nothing may use it.
    ///
    /// # Errors
    /// Not found, or in use.
    pub async fn delete(&self, name: &str) -> Result<Started> {
        self.client.change(Request::delete(path(name))).await
    }
}

fn path(name: &str) -> String {
    format!("/1.0/network-acls/{}", segment(name))
}
