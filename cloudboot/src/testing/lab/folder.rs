//! The folder in which the world is kept: one file a system, each replaced atomically.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The lab's own folder. The pipeline never reads it.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Opens the folder, making it where it is missing.
    ///
    /// # Errors
    /// The folder can't be made.
    pub(crate) fn open(root: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(root)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// What was saved under `name`; `None` at the world's first day.
    ///
    /// # Errors
    /// The file can't be read or holds no JSON.
    pub(crate) fn load(&self, name: &str) -> std::io::Result<Option<Value>> {
        match std::fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Saves `value` under `name`. A kill leaves the old file or the new one, never a half:
    /// the page cache outlives the process, so there is no need to wait for the disk.
    ///
    /// # Errors
    /// The file can't be written.
    pub(crate) fn save(&self, name: &str, value: &Value) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.root)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.persist(self.path(name)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Forgets what was saved under `name`.
    pub(crate) fn remove(&self, name: &str) {
        let _ = std::fs::remove_file(self.path(name));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.json"))
    }
}
