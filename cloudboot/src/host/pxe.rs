//! The PXE loader fix: another `lpxelinux.0` in MAAS 3.4's boot resources. Off by default; BIOS machines only.
//!
//! Facts: the files in `boot-resources/current/bootloader/pxe/i386/` are hard links into MAAS's image cache, so one that
//! is written in place poisons the cache and one that is renamed over does not; a new snapshot of the images brings
//! the old file back; from 3.5 the folder is gone.

use std::io::Read;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{Error, Kind, Result};
use super::files::Files;

/// Where MAAS 3.4 keeps the loaders of BIOS machines.
pub const FOLDER: &str = "/var/snap/maas/common/maas/boot-resources/current/bootloader/pxe/i386";
const LOADER: &str =
    "/var/snap/maas/common/maas/boot-resources/current/bootloader/pxe/i386/lpxelinux.0";
/// The loader from before ours.
const ORIGINAL: &str = "/var/lib/cloudboot/pxe/lpxelinux.0.original";
/// The SHA-256 of the loader that we put there.
const INSTALLED: &str = "/var/lib/cloudboot/pxe/installed.sha256";
/// Where the loader lies in the syslinux archive.
const MEMBER: &str = "bios/core/lpxelinux.0";
/// No loader is bigger (the one of syslinux 6.03 has 90 KiB).
const LOADER_LIMIT: u64 = 4 << 20;
/// No archive unpacks to more.
const ARCHIVE_LIMIT: u64 = 512 << 20;

/// Where the loader comes from.
#[derive(Debug, Clone)]
pub struct LoaderSource {
    /// The syslinux archive (`.tar.xz` or `.tar`), or the loader itself.
    pub archive: Vec<u8>,
    /// The archive's SHA-256, in hexadecimal.
    pub sha256: String,
}

/// How the loader stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoaderState {
    /// This MAAS has no such folder (3.5 and later, or no image yet).
    NoFolder,
    /// There is a loader.
    Present {
        /// SHA-256 of `lpxelinux.0`, in hexadecimal.
        sha256: String,
        /// It is ours, and the former one is kept.
        replaced: bool,
    },
}

/// How the loader stands.
pub async fn observe(files: &Files) -> Result<LoaderState> {
    match files.read(LOADER).await {
        Ok(bytes) => {
            let sha256 = digest(&bytes);
            let replaced = installed(files).await?.as_deref() == Some(sha256.as_str());
            Ok(LoaderState::Present { sha256, replaced })
        }
        Err(e) if e.is_not_found() => Ok(LoaderState::NoFolder),
        Err(e) => Err(e),
    }
}

/// Puts the archive's `lpxelinux.0` in place, after the archive's checksum was compared. Returns the loader's own SHA-256.
///
/// The former loader is kept for [`undo`]; every part is an atomic replacement, so a kill leaves the old or the new one.
pub async fn apply(files: &Files, source: &LoaderSource) -> Result<String> {
    let operation = "replace MAAS's PXE loader";
    let loader = extract(source)?;
    let wanted = digest(&loader);
    let current = match files.read(LOADER).await {
        Ok(bytes) => bytes,
        Err(e) if e.is_not_found() => {
            return Err(Error::new(Kind::NotFound, operation, format!("there is no {LOADER}"))
                .hint("MAAS 3.5 and later need no fix: set `maas.pxe_loader_fix: false`; on 3.4 wait until an image is imported"));
        }
        Err(e) => return Err(e),
    };
    if digest(&current) == wanted {
        return Ok(wanted);
    }
    if installed(files).await?.as_deref() != Some(digest(&current).as_str()) {
        files.write(ORIGINAL, current, Some(0o644)).await?;
    }
    files
        .write(INSTALLED, format!("{wanted}\n"), Some(0o644))
        .await?;
    files.write(LOADER, loader, None).await?;
    Ok(wanted)
}

/// Puts the original back. Does nothing where the loader is not the one that we put there.
pub async fn undo(files: &Files) -> Result<()> {
    if let LoaderState::Present { replaced: true, .. } = observe(files).await? {
        let original = files.read(ORIGINAL).await?;
        files.write(LOADER, original, None).await?;
    }
    files.remove_dir("/var/lib/cloudboot/pxe").await.map(drop)
}

async fn installed(files: &Files) -> Result<Option<String>> {
    Ok(files
        .read_text(INSTALLED)
        .await?
        .map(|t| t.trim().to_owned()))
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The loader of an archive whose checksum is right.
pub fn extract(source: &LoaderSource) -> Result<Vec<u8>> {
    let operation = "unpack the PXE loader";
    let got = digest(&source.archive);
    if !got.eq_ignore_ascii_case(source.sha256.trim()) {
        return Err(Error::new(
            Kind::Conflict,
            operation,
            format!(
                "the archive's SHA-256 is {got}, and {} was expected",
                source.sha256.trim()
            ),
        )
        .hint("the download is damaged or another version; nothing was changed"));
    }
    let bytes = &source.archive;
    if bytes.starts_with(b"\xfd7zXZ\0") {
        member(liblzma::read::XzDecoder::new(bytes.as_slice()).take(ARCHIVE_LIMIT))
    } else if bytes.get(257..262) == Some(b"ustar") {
        member(bytes.as_slice())
    } else {
        Ok(bytes.clone())
    }
}

fn member(archive: impl Read) -> Result<Vec<u8>> {
    let operation = "unpack the PXE loader";
    let bad = |e: std::io::Error| {
        Error::new(
            Kind::Malformed,
            operation,
            format!("the archive cannot be read: {e}"),
        )
    };
    for entry in tar::Archive::new(archive).entries().map_err(bad)? {
        let entry = entry.map_err(bad)?;
        let ours = entry.path().is_ok_and(|p| p.ends_with(MEMBER));
        if !ours || !entry.header().entry_type().is_file() {
            continue;
        }
        let mut loader = Vec::new();
        entry
            .take(LOADER_LIMIT + 1)
            .read_to_end(&mut loader)
            .map_err(bad)?;
        if loader.is_empty() || loader.len() as u64 > LOADER_LIMIT {
            return Err(Error::new(
                Kind::Malformed,
                operation,
                format!("the archive's {MEMBER} has an impossible size"),
            ));
        }
        return Ok(loader);
    }
    Err(Error::new(
        Kind::NotFound,
        operation,
        format!("the archive holds no {MEMBER}"),
    )
    .hint("a syslinux 6.03 archive has it"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn archive(name: &str, content: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(liblzma::write::XzEncoder::new(Vec::new(), 1));
        for (name, content) in [
            ("syslinux-6.03/efi64/efi/lpxelinux.0", &b"wrong"[..]),
            (name, content),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn source(content: &[u8]) -> LoaderSource {
        let archive = archive("syslinux-6.03/bios/core/lpxelinux.0", content);
        LoaderSource {
            sha256: digest(&archive),
            archive,
        }
    }

    #[tokio::test]
    async fn the_loader_is_replaced_and_given_back_and_the_cache_is_not_poisoned() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::rooted(root.path());
        assert_eq!(observe(&files).await.unwrap(), LoaderState::NoFolder);
        assert!(
            apply(&files, &source(b"new"))
                .await
                .unwrap_err()
                .is_not_found()
        );

        files.write(LOADER, "old", None).await.unwrap();
        let cache = root.path().join("cache");
        std::fs::hard_link(files.resolve(LOADER), &cache).unwrap();
        assert_eq!(std::fs::metadata(&cache).unwrap().nlink(), 2);
        for content in [&b"new"[..], b"newer", b"newer"] {
            let sha256 = apply(&files, &source(content)).await.unwrap();
            assert_eq!(
                observe(&files).await.unwrap(),
                LoaderState::Present {
                    sha256,
                    replaced: true
                }
            );
        }
        assert_eq!(std::fs::read(&cache).unwrap(), b"old");
        undo(&files).await.unwrap();
        assert_eq!(files.read(LOADER).await.unwrap(), b"old");

        // A new snapshot of MAAS after ours: nothing of it is ours to give back.
        apply(&files, &source(b"new")).await.unwrap();
        files.write(LOADER, "snapshot", None).await.unwrap();
        undo(&files).await.unwrap();
        assert_eq!(files.read(LOADER).await.unwrap(), b"snapshot");
    }

    #[test]
    fn a_wrong_checksum_or_archive_is_refused() {
        let mut wrong = source(b"new");
        wrong.sha256 = "00".into();
        assert!(extract(&wrong).unwrap_err().is_conflict());
        let archive = archive("readme", b"x");
        assert!(
            extract(&LoaderSource {
                sha256: digest(&archive),
                archive
            })
            .unwrap_err()
            .is_not_found()
        );
        let mut cut = source(&[7; 5000]).archive;
        cut.truncate(cut.len() / 2);
        assert_eq!(
            extract(&LoaderSource {
                sha256: digest(&cut),
                archive: cut
            })
            .unwrap_err()
            .kind(),
            Kind::Malformed
        );
    }
}
