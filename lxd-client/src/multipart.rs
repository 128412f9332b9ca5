//! `multipart/form-data`: how an image of two files travels.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;

use crate::{Download, Error, ErrorKind, Result};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A body of parts that are sent one after the other.
pub(crate) struct Form {
    boundary: String,
}

impl Form {
    pub(crate) fn new() -> Self {
        let boundary = format!("lxd-client-{:032x}", rand::random::<u128>());
        Self { boundary }
    }

    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The metadata's bytes, then the root file system's stream under `name`.
    pub(crate) fn body<S, E>(
        &self,
        metadata: Bytes,
        name: &str,
        rootfs: S,
    ) -> impl Stream<Item = std::result::Result<Bytes, Cause>> + Send + use<S, E>
    where
        S: Stream<Item = std::result::Result<Bytes, E>> + Send + 'static,
        E: Into<Cause> + 'static,
    {
        let head = |name: &str| {
            Bytes::from(format!(
                "--{}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n",
                self.boundary
            ))
        };
        let before = [
            Ok(head("metadata")),
            Ok(metadata),
            Ok(Bytes::from_static(b"\r\n")),
            Ok(head(name)),
        ];
        let after = Ok(Bytes::from(format!("\r\n--{}--\r\n", self.boundary)));
        futures_util::stream::iter(before)
            .chain(rootfs.map(|piece| piece.map_err(Into::into)))
            .chain(futures_util::stream::iter([after]))
    }
}

/// The boundary that a content type names.
pub(crate) fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// A body of parts as it comes in.
struct Parts {
    body: Download,
    held: BytesMut,
    /// `\r\n--BOUNDARY`, which ends a part.
    mark: Vec<u8>,
}

impl Parts {
    fn new(body: Download, boundary: &str) -> Self {
        // The first mark has no line end before it: it is lent one.
        Self {
            body,
            held: BytesMut::from(&b"\r\n"[..]),
            mark: format!("\r\n--{boundary}").into_bytes(),
        }
    }

    fn broken(what: &str) -> Error {
        let attempted = "reading an image of two files";
        Error::new(ErrorKind::Protocol, attempted, what)
    }

    async fn more(&mut self) -> Result<()> {
        match self.body.next().await {
            Some(piece) => {
                self.held.extend_from_slice(&piece?);
                Ok(())
            }
            None => Err(Self::broken("the answer ends in the middle of a file")),
        }
    }

    /// What is held up to `mark`, which is taken away; `None` if it is not held yet.
    fn up_to(&mut self, mark: &[u8]) -> Option<BytesMut> {
        let at = find(&self.held, mark)?;
        let before = self.held.split_to(at);
        let _ = self.held.split_to(mark.len());
        Some(before)
    }

    /// Skips to the next part and tells its name; `None` at the end.
    async fn next(&mut self) -> Result<Option<String>> {
        const LONGEST: usize = 16 * 1024;
        let mark = self.mark.clone();
        while self.up_to(&mark).is_none() {
            self.more().await?;
        }
        loop {
            if self.held.starts_with(b"--") {
                return Ok(None);
            }
            if let Some(head) = self.up_to(b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&head);
                let (_, rest) = head
                    .split_once("name=\"")
                    .ok_or_else(|| Self::broken("a file without a name"))?;
                let name = rest.split('"').next().unwrap_or_default();
                return Ok(Some(name.to_owned()));
            }
            if self.held.len() > LONGEST {
                return Err(Self::broken("a file's head has no end"));
            }
            self.more().await?;
        }
    }

    /// Writes this part's content to a file. The mark after it stays.
    async fn save(&mut self, to: &Path) -> Result<()> {
        let failed = |e: std::io::Error| {
            Error::invalid(format!("writing {}", to.display()), e.to_string()).with_source(e)
        };
        let mut file = tokio::fs::File::create(to).await.map_err(failed)?;
        loop {
            if let Some(at) = find(&self.held, &self.mark) {
                let last = self.held.split_to(at);
                file.write_all(&last).await.map_err(failed)?;
                return file.flush().await.map_err(failed);
            }
            // The mark may have come in part.
            let sure = self.held.len().saturating_sub(self.mark.len());
            let sure = self.held.split_to(sure);
            file.write_all(&sure).await.map_err(failed)?;
            self.more().await?;
        }
    }
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|w| w == what)
}

/// Saves the parts in a folder, each under its name there.
pub(crate) async fn save_parts(
    body: Download,
    boundary: &str,
    dir: &Path,
) -> Result<Vec<(String, PathBuf)>> {
    let mut parts = Parts::new(body, boundary);
    let mut saved = Vec::new();
    while let Some(name) = parts.next().await? {
        // Names are the server's: what is no plain one is not written anywhere.
        let plain = matches!(name.as_str(), "metadata" | "rootfs" | "rootfs.img");
        if !plain {
            return Err(Parts::broken(&format!("a file called {name:?}")));
        }
        let to = dir.join(&name);
        parts.save(&to).await?;
        saved.push((name, to));
    }
    Ok(saved)
}
