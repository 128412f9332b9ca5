//! Images and their aliases.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::answer::Versioned;
use crate::listing::{Collection, Listing};
use crate::operation::Started;
use crate::request::{Request, segment};
use crate::types::{Config, Image, ImageAlias, ImageRemote};
use crate::{Client, Result};

/// The server's images.
#[derive(Debug, Clone)]
pub struct Images {
    client: Client,
}

impl Client {
    /// The server's images.
    pub fn images(&self) -> Images {
        Images {
            client: self.clone(),
        }
    }
}

/// What is said of an image that is brought in.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ImageImport {
    /// Names to give it.
    pub aliases: Vec<String>,
    /// Properties beside those that its own metadata tells.
    pub properties: Config,
    /// Whether anyone may read it.
    pub public: bool,
    /// Whether LXD keeps it up to date from its source (copies only).
    pub auto_update: bool,
}

impl ImageImport {
    /// One alias, nothing else.
    pub fn alias(name: impl Into<String>) -> Self {
        Self {
            aliases: vec![name.into()],
            ..Self::default()
        }
    }
}

impl Images {
    /// All of them.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn list(&self) -> Result<Vec<Image>> {
        self.list_with(&Listing::new()).await
    }

    /// Those that `listing` asks for.
    ///
    /// # Errors
    /// Missing extension, where the server cannot narrow or widen this list.
    pub async fn list_with(&self, listing: &Listing) -> Result<Vec<Image>> {
        let collection = Collection {
            path: "/1.0/images".into(),
            filter: Some("api_filtering"),
            all_projects: Some("images_all_projects"),
        };
        self.client.list(collection, 1, listing).await
    }

    /// Their fingerprints alone.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn names(&self) -> Result<Vec<String>> {
        self.client.names("/1.0/images".into()).await
    }

    /// One, by its fingerprint or the beginning of it.
    ///
    /// # Errors
    /// Not found.
    pub async fn get(&self, fingerprint: &str) -> Result<Versioned<Image>> {
        self.client.get(&path(fingerprint)).await
    }

    /// Brings in a unified image tarball (`metadata.yaml` and `rootfs/`), compressed or not.
    /// The operation's metadata holds the `fingerprint`. LXD sets no aliases on an upload's
    /// body: they are made once the image is there, and a failure to make one leaves the image.
    ///
    /// # Errors
    /// Conflict if the very same image, or an alias, exists already.
    pub async fn import(&self, tarball: impl Into<Bytes>, import: &ImageImport) -> Result<String> {
        let properties: String = {
            let mut s = url::form_urlencoded::Serializer::new(String::new());
            s.extend_pairs(&import.properties);
            s.finish()
        };
        let mut request = Request::post("/1.0/images")
            .bytes(tarball)
            .header("x-lxd-filename", "image.tar")
            .header("x-lxd-public", if import.public { "true" } else { "false" });
        if !properties.is_empty() {
            request = request.header("x-lxd-properties", &properties);
        }
        let finished = self.client.change(request).await?.wait().await?;
        let fingerprint = finished.metadata["fingerprint"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        for name in &import.aliases {
            self.create_alias(name, &fingerprint).await?;
        }
        Ok(fingerprint)
    }

    /// Has the server fetch an image from another server, as `lxc image copy ubuntu:22.04 local:`
    /// does; progress is in the operation's metadata.
    ///
    /// # Errors
    /// Through the operation: if the remote cannot be reached or has no such image.
    pub async fn copy_from(
        &self,
        remote: &ImageRemote,
        alias: &str,
        import: &ImageImport,
    ) -> Result<Started> {
        let aliases: Vec<Value> = import.aliases.iter().map(|n| json!({"name": n})).collect();
        let body = json!({
            "source": {
                "type": "image", "mode": "pull", "server": remote.server,
                "protocol": remote.protocol, "alias": alias, "image_type": "container",
            },
            "aliases": aliases,
            "auto_update": import.auto_update,
            "public": import.public,
            "properties": import.properties,
        });
        self.client
            .change(Request::post("/1.0/images").json(body))
            .await
    }

    /// The image's tarball.
    ///
    /// # Errors
    /// Not found.
    pub async fn export(&self, fingerprint: &str) -> Result<Bytes> {
        let request = Request::get(format!("{}/export", path(fingerprint)));
        Ok(self.client.raw(request).await?.1)
    }

    /// Deletes it, its aliases with it.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete(&self, fingerprint: &str) -> Result<Started> {
        self.client.change(Request::delete(path(fingerprint))).await
    }

    /// All aliases.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn aliases(&self) -> Result<Vec<ImageAlias>> {
        let request = Request::get("/1.0/images/aliases").query("recursion", "1");
        self.client.collect(request).await
    }

    /// What an alias points to.
    ///
    /// # Errors
    /// Not found.
    pub async fn alias(&self, name: &str) -> Result<Versioned<ImageAlias>> {
        self.client.get(&alias_path(name)).await
    }

    /// Makes an alias.
    ///
    /// # Errors
    /// Conflict if it exists; not found if the image does not.
    pub async fn create_alias(&self, name: &str, fingerprint: &str) -> Result<()> {
        let body = json!({"name": name, "target": fingerprint});
        self.client
            .change(Request::post("/1.0/images/aliases").json(body))
            .await?
            .wait()
            .await?;
        Ok(())
    }

    /// Deletes an alias; the image stays.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_alias(&self, name: &str) -> Result<()> {
        self.client
            .change(Request::delete(alias_path(name)))
            .await?
            .wait()
            .await?;
        Ok(())
    }
}

fn path(fingerprint: &str) -> String {
    format!("/1.0/images/{}", segment(fingerprint))
}

fn alias_path(name: &str) -> String {
    format!("/1.0/images/aliases/{}", segment(name))
}
