//! Where secrets live: never in arguments, logs, events, the journal or Debug.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use secrecy::SecretString;

use super::Error;

/// Keeps secrets by name.
///
/// A name is 1 to 128 letters, digits, `.`, `-` and `_`, and begins with a letter or digit.
#[async_trait]
pub trait SecretStore: Send + Sync + 'static {
    /// The secret of that name, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read, or the name is not valid.
    async fn get(&self, name: &str) -> Result<Option<SecretString>, Error>;

    /// Stores a secret. When this returns it survives a loss of power.
    ///
    /// # Errors
    /// When it could not be made durable, or the name is not valid.
    async fn put(&self, name: &str, value: &SecretString) -> Result<(), Error>;

    /// Forgets a secret; says whether there was one.
    ///
    /// # Errors
    /// When the store cannot be written, or the name is not valid.
    async fn remove(&self, name: &str) -> Result<bool, Error>;

    /// The names of all secrets, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn names(&self) -> Result<Vec<String>, Error>;
}

/// Checks a secret's name.
///
/// # Errors
/// When it is not valid; the error says what a name may hold.
pub fn check_secret_name(name: &str) -> Result<(), Error> {
    let begins = name
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    let holds = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if begins && holds && name.len() <= 128 {
        return Ok(());
    }
    Err(Error::terminal(
        format!("use {name:?} as a secret's name"),
        "it is not a valid name",
    )
    .next("use 1 to 128 letters, digits, '.', '-' and '_', beginning with a letter or digit"))
}

/// Secrets in memory, for tests.
#[derive(Default)]
pub struct MemorySecretStore(Mutex<BTreeMap<String, SecretString>>);

impl MemorySecretStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for MemorySecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemorySecretStore")
    }
}

#[async_trait]
impl SecretStore for MemorySecretStore {
    async fn get(&self, name: &str) -> Result<Option<SecretString>, Error> {
        check_secret_name(name)?;
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned())
    }

    async fn put(&self, name: &str, value: &SecretString) -> Result<(), Error> {
        check_secret_name(name)?;
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), value.clone());
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<bool, Error> {
        check_secret_name(name)?;
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name)
            .is_some())
    }

    async fn names(&self) -> Result<Vec<String>, Error> {
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect())
    }
}

/// Secrets as files of mode 600 in a folder of mode 700, one file a secret.
#[derive(Debug)]
pub struct DirSecretStore {
    dir: PathBuf,
}

impl DirSecretStore {
    /// Opens the folder, and makes it where it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or others than its owner may look into it.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        files::open(&dir)?;
        Ok(Self { dir })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    async fn blocking<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Path, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (dir, name) = (self.dir.clone(), name.to_owned());
        tokio::task::spawn_blocking(move || work(&dir, &name))
            .await
            .map_err(|e| {
                Error::terminal("use the secret store", "its worker ended early").because(e)
            })?
    }
}

#[async_trait]
impl SecretStore for DirSecretStore {
    async fn get(&self, name: &str) -> Result<Option<SecretString>, Error> {
        check_secret_name(name)?;
        self.blocking(name, files::read).await
    }

    async fn put(&self, name: &str, value: &SecretString) -> Result<(), Error> {
        check_secret_name(name)?;
        let value = value.clone();
        self.blocking(name, move |dir, name| files::write(dir, name, &value))
            .await
    }

    async fn remove(&self, name: &str) -> Result<bool, Error> {
        check_secret_name(name)?;
        self.blocking(name, files::remove).await
    }

    async fn names(&self) -> Result<Vec<String>, Error> {
        self.blocking("", |dir, _| files::names(dir)).await
    }
}

/// The folder's files: written beside, made durable, then renamed over the old one.
mod files {
    use std::fs::{self, DirBuilder, File, OpenOptions};
    use std::io::{self, Write};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    use secrecy::{ExposeSecret, SecretString};

    use super::{Error, check_secret_name};

    fn failed(what: String, error: io::Error) -> Error {
        let next = match error.kind() {
            io::ErrorKind::StorageFull => "make room on that file system, then run again",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "run as the user that owns the folder, on a file system that can be written"
            }
            _ => "look at the folder and its file system, then run again",
        };
        Error::needs_operator(what, error.to_string())
            .next(next)
            .because(error)
    }

    pub(super) fn open(dir: &Path) -> Result<(), Error> {
        let what = || format!("open the secrets' folder {}", dir.display());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|e| failed(what(), e))?;
        let mode = fs::metadata(dir).map_err(|e| failed(what(), e))?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::needs_operator(
                what(),
                format!("others may look into it (mode {mode:o})"),
            )
            .next(format!(
                "chmod 700 {}, and consider what was read from it",
                dir.display()
            )));
        }
        Ok(())
    }

    pub(super) fn read(dir: &Path, name: &str) -> Result<Option<SecretString>, Error> {
        match fs::read_to_string(dir.join(name)).map(SecretString::from) {
            Ok(value) => Ok(Some(value)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed(
                format!("read the secret {name} in {}", dir.display()),
                e,
            )),
        }
    }

    pub(super) fn write(dir: &Path, name: &str, value: &SecretString) -> Result<(), Error> {
        let beside = dir.join(format!(".{name}.new"));
        let write = || -> io::Result<()> {
            // One left by a kill may be there, with a mode of its own: begin anew.
            match fs::remove_file(&beside) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(value.expose_secret().as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, dir.join(name))?;
            File::open(dir)?.sync_all()
        };
        write().map_err(|e| failed(format!("store the secret {name} in {}", dir.display()), e))
    }

    pub(super) fn remove(dir: &Path, name: &str) -> Result<bool, Error> {
        let remove = || -> io::Result<bool> {
            match fs::remove_file(dir.join(name)) {
                Ok(()) => File::open(dir)?.sync_all().map(|()| true),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(e) => Err(e),
            }
        };
        remove().map_err(|e| failed(format!("forget the secret {name} in {}", dir.display()), e))
    }

    pub(super) fn names(dir: &Path) -> Result<Vec<String>, Error> {
        let list = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(dir)? {
                if let Ok(name) = entry?.file_name().into_string()
                    && check_secret_name(&name).is_ok()
                {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        };
        list().map_err(|e| failed(format!("list the secrets in {}", dir.display()), e))
    }
}
