//! Whole folders, to and from instances.

use std::path::Path;

use crate::files::{FileOptions, Files};
use crate::{Error, Result};

/// How deep folders may lie in each other.
const DEEPEST: usize = 64;

fn local(at: &Path, e: &std::io::Error) -> Error {
    Error::invalid(format!("copying {}", at.display()), e.to_string())
}

/// The name of something inside a folder, which must not lead out of it.
fn inside(name: &str) -> Result<&str> {
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        return Err(Error::invalid(
            "copying a folder",
            format!("the server tells a file of the name {name:?}"),
        ));
    }
    Ok(name)
}

impl Files {
    /// Copies a folder of this machine into the instance, under the path `to`: files with their
    /// permission bits, folders, symbolic links; all become `options`' owner's. What is there
    /// already is overwritten, nothing is deleted. Cancelled or failed, it leaves what was copied.
    ///
    /// # Errors
    /// If something cannot be read here or written there.
    pub async fn push_folder(&self, from: &Path, to: &str, options: FileOptions) -> Result<()> {
        let mut open = vec![(from.to_owned(), to.trim_end_matches('/').to_owned())];
        self.mkdir_all(to, options).await?;
        while let Some((from, to)) = open.pop() {
            let mut entries = tokio::fs::read_dir(&from)
                .await
                .map_err(|e| local(&from, &e))?;
            while let Some(entry) = entries.next_entry().await.map_err(|e| local(&from, &e))? {
                let path = entry.path();
                let name = entry.file_name();
                let Some(name) = name.to_str() else {
                    let what = "its name is not UTF-8, which LXD's API cannot carry";
                    return Err(Error::invalid(format!("copying {}", path.display()), what));
                };
                let there = format!("{to}/{name}");
                let meta = tokio::fs::symlink_metadata(&path)
                    .await
                    .map_err(|e| local(&path, &e))?;
                let options = FileOptions {
                    mode: permissions(&meta, options.mode),
                    ..options
                };
                if meta.is_dir() {
                    self.mkdir(&there, options).await?;
                    open.push((path, there));
                } else if meta.is_symlink() {
                    let target = tokio::fs::read_link(&path)
                        .await
                        .map_err(|e| local(&path, &e))?;
                    self.symlink(&there, &target.to_string_lossy()).await?;
                } else if meta.is_file() {
                    let file = tokio::fs::File::open(&path)
                        .await
                        .map_err(|e| local(&path, &e))?;
                    let stream = tokio_util::io::ReaderStream::with_capacity(file, 64 * 1024);
                    self.write_stream(&there, stream, options).await?;
                }
            }
        }
        Ok(())
    }

    /// Copies a folder of the instance to this machine: files and folders with their permission
    /// bits, owned by whoever runs this. Symbolic links are skipped and told of: they could lead
    /// anywhere here.
    ///
    /// # Errors
    /// If something cannot be read there or written here.
    pub async fn pull_folder(&self, from: &str, to: &Path) -> Result<Vec<String>> {
        let mut skipped = Vec::new();
        let mut open = vec![(from.trim_end_matches('/').to_owned(), to.to_owned(), 0)];
        tokio::fs::create_dir_all(to)
            .await
            .map_err(|e| local(to, &e))?;
        while let Some((from, to, depth)) = open.pop() {
            if depth > DEEPEST {
                let what = format!("more than {DEEPEST} folders in each other");
                return Err(Error::invalid(format!("copying {from}"), what));
            }
            let listed = if from.is_empty() { "/" } else { &from };
            for name in self.list(listed).await? {
                let name = inside(&name)?;
                let (there, here) = (format!("{from}/{name}"), to.join(name));
                let (meta, _, download) = self.open(&there).await?;
                match meta.kind.as_str() {
                    "directory" => {
                        tokio::fs::create_dir_all(&here)
                            .await
                            .map_err(|e| local(&here, &e))?;
                        open.push((there, here, depth + 1));
                    }
                    "symlink" => skipped.push(there),
                    _ => {
                        download.save(&here).await?;
                        allow(&here, meta.mode).await?;
                    }
                }
            }
        }
        Ok(skipped)
    }
}

#[cfg(unix)]
fn permissions(meta: &std::fs::Metadata, _otherwise: u32) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o7777
}

#[cfg(not(unix))]
fn permissions(_: &std::fs::Metadata, otherwise: u32) -> u32 {
    otherwise
}

#[cfg(unix)]
async fn allow(at: &Path, mode: u32) -> Result<()> {
    // Without set-user-id bits: what was root's inside is not root's here.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode & 0o777);
    tokio::fs::set_permissions(at, permissions)
        .await
        .map_err(|e| local(at, &e))
}

#[cfg(not(unix))]
async fn allow(_: &Path, _: u32) -> Result<()> {
    Ok(())
}
