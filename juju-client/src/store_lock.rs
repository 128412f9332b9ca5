//! The official client's lock over its store (`jujuclient/file.go`, and `mutex_flock.go` of its mutex package): `flock` on
//! `juju-store-lock-<...>` in the folder for temporary files, named after the path of `controllers.yaml`.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::Digest as _;

use crate::error::{Error, ErrorKind, Result};

/// As long as the official client waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lock's file. The hash goes through hexadecimal twice there: eight digits of it, each as its own code.
pub(super) fn path(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let controllers = absolute.join("controllers.yaml");
    let digest = hex::encode(sha2::Sha256::digest(
        controllers.as_os_str().as_encoded_bytes(),
    ));
    std::env::temp_dir().join(format!("juju-store-lock-{}", hex::encode(&digest[..8])))
}

/// Held until it is dropped.
pub(super) fn acquire(dir: &Path) -> Result<File> {
    let path = path(dir);
    let failed = |m: String| {
        Error::new(
            ErrorKind::Store,
            format!("lock the client store {}", dir.display()),
            m,
        )
    };
    let mut open = OpenOptions::new();
    open.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        open.mode(0o600);
    }
    let file = open
        .open(&path)
        .map_err(|e| failed(format!("{}: {e}", path.display())).with_source(e))?;
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(failed(format!("{} is held by another", path.display()))
                    .hint("another juju client is at work: try again when it is done"));
            }
            Err(TryLockError::Error(e)) => {
                return Err(failed(format!("{}: {e}", path.display())).with_source(e));
            }
        }
    }
}
