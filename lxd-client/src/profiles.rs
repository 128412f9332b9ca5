//! Profiles.

use crate::answer::Versioned;
use crate::listing::{Collection, Listing};
use crate::operation::{Finished, Started};
use crate::request::{Request, segment};
use crate::types::Profile;
use crate::{Client, Etag, Result};

/// The server's profiles.
#[derive(Debug, Clone)]
pub struct Profiles {
    client: Client,
}

impl Client {
    /// The server's profiles.
    pub fn profiles(&self) -> Profiles {
        Profiles {
            client: self.clone(),
        }
    }
}

impl Profiles {
    /// All of them.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn list(&self) -> Result<Vec<Profile>> {
        self.list_with(&Listing::new()).await
    }

    /// Those that `listing` asks for.
    ///
    /// # Errors
    /// Missing extension, where the server cannot narrow or widen this list.
    pub async fn list_with(&self, listing: &Listing) -> Result<Vec<Profile>> {
        let collection = Collection {
            path: "/1.0/profiles".into(),
            filter: None,
            all_projects: Some("profiles_all_projects"),
        };
        self.client.list(collection, 1, listing).await
    }

    /// Their names alone.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn names(&self) -> Result<Vec<String>> {
        self.client.names("/1.0/profiles".into()).await
    }

    /// One, with its ETag.
    ///
    /// # Errors
    /// Not found.
    pub async fn get(&self, name: &str) -> Result<Versioned<Profile>> {
        self.client.get(&path(name)).await
    }

    /// Makes one. It starts with exactly what is given.
    ///
    /// # Errors
    /// Conflict if it exists.
    pub async fn create(&self, profile: &Profile) -> Result<Started> {
        let mut body = profile.put();
        body["name"] = profile.name.clone().into();
        self.client
            .change(Request::post("/1.0/profiles").json(body))
            .await
    }

    /// Replaces its configuration, devices and description, if it still is what `etag` was read with.
    ///
    /// # Errors
    /// Precondition if it was changed since.
    pub async fn update(&self, profile: &Profile, etag: Option<&Etag>) -> Result<Started> {
        self.client
            .put(&path(&profile.name), profile.put(), etag)
            .await
    }

    /// Reads it, changes it, writes it; and again if somebody else changed it in between (`change`
    /// then runs on what was read anew).
    ///
    /// # Errors
    /// Not found, refused, or still in somebody's way after ten tries.
    pub async fn modify(&self, name: &str, change: impl FnMut(&mut Profile)) -> Result<Finished> {
        self.client.modify(&path(name), Profile::put, change).await
    }

    /// Renames it.
    ///
    /// # Errors
    /// If it is in use or the new name is taken.
    pub async fn rename(&self, name: &str, to: &str) -> Result<Started> {
        let body = serde_json::json!({"name": to});
        self.client
            .change(Request::post(path(name)).json(body))
            .await
    }

    /// Deletes it; no instance may use it.
    ///
    /// # Errors
    /// Not found, or in use.
    pub async fn delete(&self, name: &str) -> Result<Started> {
        self.client.change(Request::delete(path(name))).await
    }
}

fn path(name: &str) -> String {
    format!("/1.0/profiles/{}", segment(name))
}
