//! Boot sources, selections and resources.

use bytes::Bytes;

use crate::error::Result;
use crate::ids::{BootResourceId, BootSourceId, SelectionId};
use crate::macros::{at, handle};
use crate::model::{BootResource, BootSource, BootSourceSelection};
use crate::params::params;

params! {
    /// A boot source. Either keyring is required.
    BootSourceParams {
        /// The stream's URL.
        url: String,
        /// The keyring's path on the region.
        keyring_filename: String,
    }
}

params! {
    /// What to import from a source; the lists default to everything.
    SelectionParams {
        /// The operating system.
        os: String,
        /// The release.
        release: String,
        /// Architectures, such as `amd64`.
        arches: Vec<String>,
        /// Subarchitectures.
        subarches: Vec<String>,
        /// Labels.
        labels: Vec<String>,
    }
}

impl SelectionParams {
    /// A release of Ubuntu for some architectures, with all kernels.
    pub fn ubuntu(release: &str, arches: &[&str]) -> Self {
        Self::new()
            .os("ubuntu")
            .release(release)
            .arches(arches.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
            .subarches(vec!["*".to_owned()])
            .labels(vec!["*".to_owned()])
    }
}

handle! {
    /// Where images come from, and which are imported.
    BootSources
}

impl BootSources {
    /// All sources. On a new region this is empty for a while.
    pub async fn list(&self) -> Result<Vec<BootSource>> {
        self.get("boot-sources/").json().await
    }

    /// Adds a source whose keyring is a file on the region.
    pub async fn create(&self, url: &str, keyring_filename: &str) -> Result<BootSource> {
        self.post("boot-sources/")
            .form("url", url)
            .form("keyring_filename", keyring_filename)
            .json()
            .await
    }

    /// Adds a source with the keyring itself.
    pub async fn create_with_keyring(
        &self,
        url: &str,
        keyring: impl Into<Bytes>,
    ) -> Result<BootSource> {
        self.post("boot-sources/")
            .form("url", url)
            .file("keyring_data", keyring)
            .json()
            .await
    }

    /// One source.
    pub async fn read(&self, id: BootSourceId) -> Result<BootSource> {
        self.get(at!["boot-sources", id]).json().await
    }

    /// Changes a source.
    pub async fn update(&self, id: BootSourceId, params: &BootSourceParams) -> Result<BootSource> {
        self.put(at!["boot-sources", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes a source with its selections.
    pub async fn delete(&self, id: BootSourceId) -> Result<()> {
        self.del(at!["boot-sources", id]).empty().await
    }

    /// The selections of a source.
    pub async fn selections(&self, source: BootSourceId) -> Result<Vec<BootSourceSelection>> {
        self.get(at!["boot-sources", source, "selections"])
            .json()
            .await
    }

    /// Adds a selection.
    ///
    /// # Errors
    /// [`is_images_unknown`](crate::Error::is_images_unknown) while the region has not read the source's
    /// catalogue (ask again a little later), or when the release is not in it;
    /// [`is_already_exists`](crate::Error::is_already_exists) when it is there.
    pub async fn create_selection(
        &self,
        source: BootSourceId,
        params: &SelectionParams,
    ) -> Result<BootSourceSelection> {
        self.post(at!["boot-sources", source, "selections"])
            .params(params)
            .json()
            .await
    }

    /// One selection.
    pub async fn read_selection(
        &self,
        source: BootSourceId,
        id: SelectionId,
    ) -> Result<BootSourceSelection> {
        self.get(at!["boot-sources", source, "selections", id])
            .json()
            .await
    }

    /// Changes a selection. MAAS wants all of it, not only what changes.
    pub async fn update_selection(
        &self,
        source: BootSourceId,
        id: SelectionId,
        params: &SelectionParams,
    ) -> Result<BootSourceSelection> {
        self.put(at!["boot-sources", source, "selections", id])
            .params(params)
            .json()
            .await
    }

    /// Deletes a selection.
    pub async fn delete_selection(&self, source: BootSourceId, id: SelectionId) -> Result<()> {
        self.del(at!["boot-sources", source, "selections", id])
            .empty()
            .await
    }
}

params! {
    /// An image to upload.
    UploadParams {
        /// Its name, such as `custom/mine`.
        name: String,
        /// Its architecture, such as `amd64/generic`.
        architecture: String,
        /// The SHA-256 of the whole content, in hexadecimal.
        sha256: String,
        /// The size of the whole content in bytes.
        size: u64,
        /// What people read.
        title: String,
        /// `tgz`, `ddtgz`, `squashfs`...
        filetype: String,
        /// The release that a custom image is built on, such as `ubuntu/jammy`.
        base_image: String,
    }
}

handle! {
    /// The images that the region has.
    BootResources
}

impl BootResources {
    /// All of them, without their files.
    pub async fn list(&self) -> Result<Vec<BootResource>> {
        self.get("boot-resources/").json().await
    }

    /// Only those of a type, `synced` or `uploaded`.
    pub async fn list_type(&self, kind: &str) -> Result<Vec<BootResource>> {
        self.get("boot-resources/").query("type", kind).json().await
    }

    /// One, with its versions and files.
    pub async fn read(&self, id: BootResourceId) -> Result<BootResource> {
        self.get(at!["boot-resources", id]).json().await
    }

    /// Starts the import of everything selected; answers at once.
    ///
    /// That [`is_importing`](Self::is_importing) turns false does not mean that it succeeded: one source
    /// that cannot be read fails the whole import, silently. Look at the list, and at the racks.
    pub async fn import(&self) -> Result<()> {
        // An import that runs already is left alone, so it may be repeated.
        self.post("boot-resources/")
            .op("import")
            .repeatable()
            .empty()
            .await
    }

    /// Whether the region imports.
    pub async fn is_importing(&self) -> Result<bool> {
        self.get("boot-resources/").op("is_importing").json().await
    }

    /// Stops the import.
    pub async fn stop_import(&self) -> Result<()> {
        self.post("boot-resources/")
            .op("stop_import")
            .repeatable()
            .empty()
            .await
    }

    /// Uploads a small image in one request. Its size must stay under MAAS's limit of 10 MB; for more,
    /// [`begin_upload`](Self::begin_upload) and [`upload_chunk`](Self::upload_chunk).
    pub async fn upload(
        &self,
        params: &UploadParams,
        content: impl Into<Bytes>,
    ) -> Result<BootResource> {
        self.post("boot-resources/")
            .params(params)
            .file("content", content)
            .json()
            .await
    }

    /// Announces an image: the answer's file holds the `upload_uri` for its parts.
    pub async fn begin_upload(&self, params: &UploadParams) -> Result<BootResource> {
        self.post("boot-resources/").params(params).json().await
    }

    /// Sends the next part of an announced image, in order, to the file's `upload_uri`.
    pub async fn upload_chunk(&self, upload_uri: &str, chunk: impl Into<Bytes>) -> Result<()> {
        let path = upload_uri.split("/api/2.0/").last().unwrap_or(upload_uri);
        self.put(path)
            .body("application/octet-stream", chunk)
            .empty()
            .await
    }

    /// Uploads an image of any size: announces it with its size and SHA-256, sends it in parts of 4 MiB, and gives
    /// what became of it. One that MAAS has already is not sent again.
    ///
    /// # Errors
    /// Those of its requests. A part that failed is not sent twice: begin the upload anew.
    pub async fn upload_in_parts(
        &self,
        params: &UploadParams,
        content: impl Into<Bytes>,
    ) -> Result<BootResource> {
        use sha2::Digest;
        const PART: usize = 4 << 20;
        let mut content: Bytes = content.into();
        let sum = sha2::Sha256::digest(&content);
        let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        let params = params
            .clone()
            .size(content.len() as u64)
            .sha256(sum.as_str());
        let announced = self.begin_upload(&params).await?;
        let mut files = announced.sets.values().flat_map(|s| s.files.values());
        let wanted = files.find(|f| !f.complete && (f.sha256.is_empty() || f.sha256 == sum));
        let Some(uri) = wanted.and_then(|f| f.upload_uri.as_deref()) else {
            return Ok(announced);
        };
        while !content.is_empty() {
            let part = content.split_to(content.len().min(PART));
            self.upload_chunk(uri, part).await?;
        }
        self.read(announced.id).await
    }

    /// Deletes one.
    pub async fn delete(&self, id: BootResourceId) -> Result<()> {
        self.del(at!["boot-resources", id]).empty().await
    }
}
