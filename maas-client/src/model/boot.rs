//! Boot sources, selections, resources, and what racks hold of them.

use std::collections::BTreeMap;

use crate::ids::{BootResourceId, BootSourceId, SelectionId};
use crate::macros::{model, string_enum};

model! {
    /// Where images come from.
    BootSource {
        [
            /// Its id.
            id: BootSourceId,
            /// The stream's URL.
            url: String,
        ]
        /// The keyring's path on the region.
        keyring_filename: String,
        /// The keyring itself, base64.
        keyring_data: String,
        /// When it was made.
        created: String,
        /// When it was last changed.
        updated: String,
    }
}

model! {
    /// What is imported from a source.
    BootSourceSelection {
        [
            /// Its id.
            id: SelectionId,
            /// The operating system, such as `ubuntu`.
            os: String,
            /// The release, such as `jammy`.
            release: String,
        ]
        /// Architectures.
        arches: Vec<String>,
        /// Subarchitectures; `*` for all.
        subarches: Vec<String>,
        /// Labels; `*` for all.
        labels: Vec<String>,
        /// The source it belongs to.
        boot_source_id: BootSourceId,
    }
}

model! {
    /// An image that the region has, or is getting.
    BootResource {
        [
            /// Its id.
            id: BootResourceId,
            /// Operating system and release, such as `ubuntu/jammy`.
            name: String,
            /// Architecture and kernel, such as `amd64/ga-22.04`.
            architecture: String,
        ]
        /// `Synced` or `Uploaded`.
        r#type: String,
        /// Subarchitectures, separated by commas.
        subarches: String,
        /// When it was last deployed.
        last_deployed: Option<String>,
        /// The versions, with their files (only when one resource is read).
        sets: BTreeMap<String, BootResourceSet>,
    }
}

impl BootResource {
    /// Whether this read says that some version of it is whole. A list does not hold versions: `None`.
    pub fn is_complete(&self) -> Option<bool> {
        if self.sets.is_empty() {
            None
        } else {
            Some(self.sets.values().any(|s| s.complete))
        }
    }
}

model! {
    /// A version of a boot resource.
    BootResourceSet {
        /// The version, such as `20240101`.
        version: String,
        /// Its label, such as `stable`.
        label: String,
        /// Its size in bytes.
        size: u64,
        /// Whether every file is there.
        complete: bool,
        /// The files by name.
        files: BTreeMap<String, BootResourceFile>,
    }
}

model! {
    /// A file of a boot resource.
    BootResourceFile {
        /// The file's name.
        filename: String,
        /// What it is, such as `squashfs`.
        filetype: String,
        /// Its SHA-256 in hexadecimal.
        sha256: String,
        /// Its size in bytes.
        size: u64,
        /// Whether it is all there.
        complete: bool,
        /// How much of it is there, from 0 to 1, while it is not.
        progress: Option<f64>,
        /// Where the rest of an upload is to be sent.
        upload_uri: Option<String>,
    }
}

string_enum! {
    /// How far a rack's images are.
    RackImageStatus {
        /// The rack has what the region has.
        Synced = "synced",
        /// It is getting it.
        Syncing = "syncing",
        /// It has less, and is not getting it.
        OutOfSync = "out-of-sync",
        /// The region itself imports.
        RegionImporting = "region-importing",
        /// The rack is not connected (MAAS says `unknown`).
        NotConnected = "unknown",
    }
}

model! {
    /// What `list_boot_images` of a rack answers.
    RackImages {
        [
            /// How far it is.
            status: RackImageStatus,
        ]
        /// Whether the region reaches the rack.
        connected: bool,
        /// The images that it has.
        images: Vec<RackImage>,
    }
}

model! {
    /// An image on a rack.
    RackImage {
        /// Operating system and release, such as `ubuntu/jammy`.
        name: String,
        /// The architecture.
        architecture: String,
        /// The kernels.
        subarches: Vec<String>,
    }
}
