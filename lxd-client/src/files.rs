//! Files inside instances.

use bytes::Bytes;
use http::HeaderMap;

use crate::instances::{Instances, path};
use crate::request::Request;
use crate::{Client, Download, Error, ErrorKind, Result};

/// The files inside one instance. Paths are absolute.
#[derive(Debug, Clone)]
pub struct Files {
    client: Client,
    instance: String,
}

impl Instances {
    /// The files inside an instance; it need not run.
    pub fn files(&self, name: impl Into<String>) -> Files {
        Files {
            client: self.client.clone(),
            instance: name.into(),
        }
    }
}

/// Whose a file is and who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileOptions {
    /// Owner, as numbered inside the instance.
    pub uid: u32,
    /// Group, as numbered inside the instance.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

impl FileOptions {
    /// Root's, with these permission bits (such as `0o600`).
    pub fn mode(mode: u32) -> Self {
        Self {
            uid: 0,
            gid: 0,
            mode,
        }
    }

    /// Of this owner and group.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        self.uid = uid;
        self.gid = gid;
        self
    }
}

/// What the server tells of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileMeta {
    /// Owner, as numbered inside the instance.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// `file`, `directory` or `symlink`.
    pub kind: String,
}

impl FileMeta {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let number = |name: &str| text(name).and_then(|t| t.parse().ok()).unwrap_or(0);
        Self {
            uid: number("x-lxd-uid"),
            gid: number("x-lxd-gid"),
            // Octal, with a leading zero.
            mode: text("x-lxd-mode")
                .and_then(|t| u32::from_str_radix(t, 8).ok())
                .unwrap_or(0),
            kind: text("x-lxd-type").unwrap_or("file").to_owned(),
        }
    }
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileContent {
    /// A file's bytes.
    File(Bytes),
    /// The names in a directory.
    Directory(Vec<String>),
    /// Where a symbolic link points.
    Symlink(String),
}

impl Files {
    fn url(&self) -> String {
        format!("{}/files", path(&self.instance))
    }

    /// What is at a path, its content still to be fetched.
    pub(crate) async fn open(&self, at: &str) -> Result<(FileMeta, HeaderMap, Download)> {
        let request = Request::get(self.url()).query("path", at);
        let (headers, download) = self.client.download(request).await?;
        Ok((FileMeta::of(&headers), headers, download))
    }

    /// What is at a path, and whose it is.
    ///
    /// # Errors
    /// Not found, of the instance or of the path.
    pub async fn get(&self, at: &str) -> Result<(FileMeta, FileContent)> {
        let attempted = format!("reading {at} in {}", self.instance);
        let (meta, headers, download) = self.open(at).await?;
        let body = download.bytes().await?;
        let content = match meta.kind.as_str() {
            "directory" => {
                let answer =
                    crate::answer::read_answer(&attempted, http::StatusCode::OK, &headers, &body)?;
                let names = answer.decode::<Option<Vec<String>>>(&attempted)?;
                FileContent::Directory(names.unwrap_or_default())
            }
            "symlink" => FileContent::Symlink(String::from_utf8_lossy(&body).trim_end().to_owned()),
            _ => FileContent::File(body),
        };
        Ok((meta, content))
    }

    /// Whose a file is and what it is, without its content.
    ///
    /// # Errors
    /// Not found; missing extension before LXD 5.0.1.
    pub async fn stat(&self, at: &str) -> Result<FileMeta> {
        let attempted = format!("looking at {at} in {}", self.instance);
        self.client
            .require(&attempted, &["instance_file_head"])
            .await?;
        let request = Request::head(self.url()).query("path", at);
        let (headers, _) = self
            .client
            .raw(request)
            .await
            .map_err(|e| match e.status() {
                // The answer to HEAD has no body that could say so.
                Some(404) => {
                    Error::new(ErrorKind::NotFound, &attempted, "not found").with_status(404)
                }
                _ => e,
            })?;
        Ok(FileMeta::of(&headers))
    }

    /// A file's bytes. A symbolic link reads as what it points to, where LXD follows it.
    ///
    /// # Errors
    /// Not found; refused if it is a directory.
    pub async fn read(&self, at: &str) -> Result<Bytes> {
        match self.get(at).await? {
            (_, FileContent::File(bytes)) => Ok(bytes),
            (meta, _) => Err(Error::new(
                ErrorKind::Refused,
                format!("reading {at} in {}", self.instance),
                format!("it is a {}, not a file", meta.kind),
            )),
        }
    }

    /// A file's bytes, or `None` where there is no such file (yet).
    ///
    /// # Errors
    /// As [`Files::read`], and not found if the instance itself does not exist.
    pub async fn read_if_there(&self, at: &str) -> Result<Option<Bytes>> {
        match self.read(at).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.is_not_found() => {
                // The same 404 tells of a missing file and of a missing instance.
                self.client
                    .get::<serde_json::Value>(&path(&self.instance))
                    .await?;
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// The names in a directory.
    ///
    /// # Errors
    /// Not found; refused if it is no directory.
    pub async fn list(&self, at: &str) -> Result<Vec<String>> {
        match self.get(at).await? {
            (_, FileContent::Directory(names)) => Ok(names),
            (meta, _) => Err(Error::new(
                ErrorKind::Refused,
                format!("listing {at} in {}", self.instance),
                format!("it is a {}, not a directory", meta.kind),
            )),
        }
    }

    /// Writes a file whole, in place of what was there. Its directory must exist.
    ///
    /// # Errors
    /// Not found, of the instance or the directory.
    pub async fn write(
        &self,
        at: &str,
        content: impl Into<Bytes>,
        options: FileOptions,
    ) -> Result<()> {
        self.post(at, content.into(), options, "file", "overwrite")
            .await
    }

    /// Writes a file whole from a stream of bytes, so that a large one is never in memory at once.
    ///
    /// # Errors
    /// As [`Files::write`]; the stream's own error breaks the request.
    pub async fn write_stream<S, E>(&self, at: &str, content: S, options: FileOptions) -> Result<()>
    where
        S: futures_core::Stream<Item = std::result::Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let request = self
            .posting(at, options, "file", "overwrite")
            .stream(content);
        self.client.change(request).await?.wait().await?;
        Ok(())
    }

    /// A file's bytes as a stream.
    ///
    /// # Errors
    /// Not found; refused if it is a directory.
    pub async fn read_stream(&self, at: &str) -> Result<Download> {
        let (meta, _, download) = self.open(at).await?;
        if meta.kind == "directory" {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("reading {at} in {}", self.instance),
                "it is a directory, not a file",
            ));
        }
        Ok(download)
    }

    /// Adds to the end of a file, which is made if missing.
    ///
    /// # Errors
    /// As [`Files::write`].
    pub async fn append(
        &self,
        at: &str,
        content: impl Into<Bytes>,
        options: FileOptions,
    ) -> Result<()> {
        self.post(at, content.into(), options, "file", "append")
            .await
    }

    /// Makes a directory. Succeeds if it is there.
    ///
    /// # Errors
    /// Not found, of the instance or the parent.
    pub async fn mkdir(&self, at: &str, options: FileOptions) -> Result<()> {
        self.post(at, Bytes::new(), options, "directory", "overwrite")
            .await
    }

    /// Makes a directory and those above it. Those that exist keep their owner and mode.
    ///
    /// # Errors
    /// As [`Files::mkdir`].
    pub async fn mkdir_all(&self, at: &str, options: FileOptions) -> Result<()> {
        let mut missing = Vec::new();
        let mut here = at.trim_end_matches('/');
        while !here.is_empty() {
            match self.list(here).await {
                Ok(_) => break,
                Err(e) if e.is_not_found() => missing.push(here.to_owned()),
                Err(e) => return Err(e),
            }
            here = here.rsplit_once('/').map_or("", |(up, _)| up);
        }
        for dir in missing.iter().rev() {
            self.mkdir(dir, options).await?;
        }
        Ok(())
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As [`Files::write`].
    pub async fn symlink(&self, at: &str, target: &str) -> Result<()> {
        let options = FileOptions::mode(0o777);
        self.post(
            at,
            Bytes::copy_from_slice(target.as_bytes()),
            options,
            "symlink",
            "overwrite",
        )
        .await
    }

    /// Deletes a file or an empty directory.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete(&self, at: &str) -> Result<()> {
        self.client
            .change(Request::delete(self.url()).query("path", at))
            .await?
            .wait()
            .await?;
        Ok(())
    }

    async fn post(
        &self,
        at: &str,
        content: Bytes,
        options: FileOptions,
        kind: &str,
        write: &str,
    ) -> Result<()> {
        let request = self.posting(at, options, kind, write).bytes(content);
        self.client.change(request).await?.wait().await?;
        Ok(())
    }

    // Bodies go out as octet-stream: with anything else (a form's type, say) LXD writes an empty
    // file silently.
    fn posting(&self, at: &str, options: FileOptions, kind: &str, write: &str) -> Request {
        Request::post(self.url())
            .query("path", at)
            .header("x-lxd-uid", &options.uid.to_string())
            .header("x-lxd-gid", &options.gid.to_string())
            .header("x-lxd-mode", &format!("{:04o}", options.mode & 0o7777))
            .header("x-lxd-type", kind)
            .header("x-lxd-write", write)
    }
}
