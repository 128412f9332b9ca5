//! Images and their aliases.

use std::path::Path;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::answer::Versioned;
use crate::listing::{Collection, Listing};
use crate::operation::{Finished, Started};
use crate::request::{Request, segment};
use crate::types::{Config, Image, ImageAlias, ImageRemote, InstanceKind};
use crate::{Client, Download, Error, ErrorKind, Result};

/// The server's images.
#[derive(Debug, Clone)]
pub struct Images {
    pub(crate) client: Client,
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
    /// Which of a remote's images of a name is meant; what an image of two files is for.
    pub kind: InstanceKind,
}

impl ImageImport {
    /// One alias, nothing else.
    pub fn alias(name: impl Into<String>) -> Self {
        Self {
            aliases: vec![name.into()],
            ..Self::default()
        }
    }

    fn post(&self) -> Value {
        let aliases: Vec<Value> = self.aliases.iter().map(|n| json!({"name": n})).collect();
        json!({
            "aliases": aliases,
            "auto_update": self.auto_update,
            "public": self.public,
            "properties": self.properties,
        })
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

    /// Brings in a unified image tarball (`metadata.yaml` and `rootfs/`), compressed or not, and
    /// tells its fingerprint. LXD sets no aliases on an upload's body: they are made once the
    /// image is there, and a failure to make one leaves the image.
    ///
    /// # Errors
    /// Conflict if the very same image, or an alias, exists already.
    pub async fn import(&self, tarball: impl Into<Bytes>, import: &ImageImport) -> Result<String> {
        self.upload(Request::post("/1.0/images").bytes(tarball), import)
            .await
    }

    /// As [`Images::import`], from a stream: the image is never in memory at once.
    ///
    /// # Errors
    /// As [`Images::import`]; the stream's own error breaks the request.
    pub async fn import_stream<S, E>(&self, tarball: S, import: &ImageImport) -> Result<String>
    where
        S: futures_core::Stream<Item = std::result::Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.upload(Request::post("/1.0/images").stream(tarball), import)
            .await
    }

    /// As [`Images::import`], from a file of this machine, piece by piece.
    ///
    /// # Errors
    /// As [`Images::import`]; if the file cannot be read.
    pub async fn import_file(&self, tarball: &Path, import: &ImageImport) -> Result<String> {
        let file = tokio::fs::File::open(tarball).await.map_err(|e| {
            Error::invalid(format!("reading {}", tarball.display()), e.to_string()).with_source(e)
        })?;
        let stream = tokio_util::io::ReaderStream::with_capacity(file, 64 * 1024);
        self.import_stream(stream, import).await
    }

    pub(crate) async fn upload(&self, request: Request, import: &ImageImport) -> Result<String> {
        let properties: String = {
            let mut s = url::form_urlencoded::Serializer::new(String::new());
            s.extend_pairs(&import.properties);
            s.finish()
        };
        let mut request = request
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
        let mut body = import.post();
        body["source"] = json!({
            "type": "image", "mode": "pull", "server": remote.server,
            "protocol": remote.protocol, "alias": alias, "image_type": import.kind,
        });
        self.client
            .change(Request::post("/1.0/images").json(body))
            .await
    }

    /// Has this server fetch an image from another LXD server that trusts `from`, private ones
    /// included: `from` makes a secret that is good for this image, and this server comes for it.
    /// It must be able to reach `address` (`https://host:8443`), which need not be how `from` is
    /// reached from here.
    ///
    /// # Errors
    /// Not found at `from`; through the operation, if it cannot be reached.
    pub async fn copy_between(
        &self,
        from: &Client,
        address: &url::Url,
        fingerprint: &str,
        import: &ImageImport,
    ) -> Result<Started> {
        let (image, secret) = from.images().secret(fingerprint).await?;
        let certificate = from.server().await?.environment.certificate.clone();
        let mut body = import.post();
        body["source"] = json!({
            "type": "image", "mode": "pull", "protocol": "lxd",
            "server": address.as_str().trim_end_matches('/'), "certificate": certificate,
            "fingerprint": image, "secret": secret.expose_secret(),
            "project": from.project_name(),
        });
        self.client
            .change(Request::post("/1.0/images").json(body))
            .await
    }

    /// A secret by which another server may fetch a private image, and the image's whole
    /// fingerprint.
    ///
    /// # Errors
    /// Not found.
    pub async fn secret(&self, fingerprint: &str) -> Result<(String, SecretString)> {
        let image = self.get(fingerprint).await?.fingerprint.clone();
        let request = Request::post(format!("{}/secret", path(&image)));
        let attempted = request.describe();
        let answer = self.client.send(request).await?;
        // The operation lives until the secret is used or two hours are over: nobody waits for it.
        match answer.metadata["metadata"]["secret"].as_str() {
            Some(secret) => Ok((image, secret.to_owned().into())),
            None => Err(Error::new(
                ErrorKind::Protocol,
                attempted,
                "the operation tells no secret",
            )),
        }
    }

    /// The image's tarball, piece by piece. (Of an image that was brought in as two files, a
    /// `multipart/form-data` body with both: [`Images::export_files`] takes it apart.)
    ///
    /// # Errors
    /// Not found.
    pub async fn export(&self, fingerprint: &str) -> Result<Download> {
        let request = Request::get(format!("{}/export", path(fingerprint)));
        self.client.export(request).await
    }

    /// Reads it, changes it (its properties, whether it is public, whether it is kept up to date),
    /// writes it; and again if somebody else changed it in between.
    ///
    /// # Errors
    /// Not found, refused, or still in somebody's way after ten tries.
    pub async fn modify(
        &self,
        fingerprint: &str,
        change: impl FnMut(&mut Image),
    ) -> Result<Finished> {
        self.client
            .modify(&path(fingerprint), Image::put, change)
            .await
    }

    /// Asks its source for a newer one.
    ///
    /// # Errors
    /// Not found; through the operation, if the source cannot be reached.
    pub async fn refresh(&self, fingerprint: &str) -> Result<Started> {
        let at = format!("{}/refresh", path(fingerprint));
        self.client.change(Request::post(at)).await
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

    /// Points an alias to another image.
    ///
    /// # Errors
    /// Not found, of the alias or the image; precondition if it was changed meanwhile.
    pub async fn move_alias(&self, name: &str, fingerprint: &str) -> Result<()> {
        let old = self.alias(name).await?;
        let body = json!({"description": old.description, "target": fingerprint});
        let started = self.client.put(&alias_path(name), body, old.etag()).await?;
        started.wait().await?;
        Ok(())
    }

    /// Renames an alias.
    ///
    /// # Errors
    /// Not found; conflict if the new name is taken.
    pub async fn rename_alias(&self, name: &str, to: &str) -> Result<()> {
        let request = Request::post(alias_path(name)).json(json!({"name": to}));
        self.client.change(request).await?.wait().await?;
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

pub(crate) fn path(fingerprint: &str) -> String {
    format!("/1.0/images/{}", segment(fingerprint))
}

fn alias_path(name: &str) -> String {
    format!("/1.0/images/aliases/{}", segment(name))
}
