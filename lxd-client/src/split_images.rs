//! Images of two files: metadata and root file system apart, as Ubuntu's and every VM's are.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_core::Stream;
use http::header;

use crate::images::{ImageImport, Images, path};
use crate::multipart::{Form, boundary, save_parts};
use crate::request::Request;
use crate::types::InstanceKind;
use crate::{Error, ErrorKind, Result};

/// Where [`Images::export_files`] has put an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageFiles {
    /// The metadata's tarball; of a unified image, the whole of it.
    pub metadata: PathBuf,
    /// The root file system (a squashfs or a tarball; of a VM, a qcow2 disk); `None` for a unified
    /// image.
    pub rootfs: Option<PathBuf>,
}

impl Images {
    /// Brings in an image of two files: the metadata's tarball (`metadata.yaml` and templates) and
    /// the root file system, a squashfs or tarball for containers, a qcow2 disk for
    /// [`InstanceKind::VirtualMachine`] ([`ImageImport::kind`] says which). Tells its fingerprint,
    /// which is of both. Otherwise as [`Images::import`].
    ///
    /// # Errors
    /// Conflict if the very same image, or an alias, exists already; the stream's own error breaks
    /// the request.
    pub async fn import_split<S, E>(
        &self,
        metadata: impl Into<Bytes>,
        rootfs: S,
        import: &ImageImport,
    ) -> Result<String>
    where
        S: Stream<Item = std::result::Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        // By this name LXD tells what the image is for.
        let name = match import.kind {
            InstanceKind::VirtualMachine => "rootfs.img",
            _ => "rootfs",
        };
        let form = Form::new();
        let body = form.body(metadata.into(), name, rootfs);
        let request = Request::post("/1.0/images")
            .stream(body)
            .header("content-type", &form.content_type());
        self.upload(request, import).await
    }

    /// As [`Images::import_split`], from files of this machine; the root file system piece by
    /// piece.
    ///
    /// # Errors
    /// As [`Images::import_split`]; if a file cannot be read.
    pub async fn import_split_files(
        &self,
        metadata: &Path,
        rootfs: &Path,
        import: &ImageImport,
    ) -> Result<String> {
        let failed = |at: &Path| {
            let attempted = format!("reading {}", at.display());
            move |e: std::io::Error| Error::invalid(attempted, e.to_string()).with_source(e)
        };
        let metadata = tokio::fs::read(metadata).await.map_err(failed(metadata))?;
        let rootfs = tokio::fs::File::open(rootfs)
            .await
            .map_err(failed(rootfs))?;
        let rootfs = tokio_util::io::ReaderStream::with_capacity(rootfs, 64 * 1024);
        self.import_split(metadata, rootfs, import).await
    }

    /// Writes an image into a folder of this machine, piece by piece: `metadata` and `rootfs` (of
    /// a VM, `rootfs.img`), or `metadata` alone where it is a unified one. Both can be brought in
    /// again.
    ///
    /// # Errors
    /// Not found; if a file cannot be written.
    pub async fn export_files(&self, fingerprint: &str, dir: &Path) -> Result<ImageFiles> {
        let request = Request::get(format!("{}/export", path(fingerprint)));
        let attempted = request.describe();
        let (headers, body) = self.client.download(request).await?;
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        let Some(boundary) = boundary(kind) else {
            let metadata = dir.join("metadata");
            body.save(&metadata).await?;
            return Ok(ImageFiles {
                metadata,
                rootfs: None,
            });
        };
        let mut metadata = None;
        let mut rootfs = None;
        for (name, at) in save_parts(body, &boundary, dir).await? {
            let part = if name == "metadata" {
                &mut metadata
            } else {
                &mut rootfs
            };
            *part = Some(at);
        }
        let what = "the server's answer has no metadata in it";
        let metadata = metadata.ok_or_else(|| Error::new(ErrorKind::Protocol, attempted, what))?;
        Ok(ImageFiles { metadata, rootfs })
    }
}
