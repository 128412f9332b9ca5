//! The SSH key that MAAS puts on the machines: ed25519, in OpenSSH's format, made once.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey};

use super::error::{Error, Kind, Result};
use super::files::Files;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// As in `authorized_keys`: `ssh-ed25519 AAAA... comment`.
    pub text: String,
    /// `SHA256:...`.
    pub fingerprint: String,
}

/// The key pair at `path` (and `path`.pub), if both halves are there and belong together.
///
/// A private key that is encrypted or cannot be read is told as an error, never replaced.
pub async fn observe(files: &Files, path: impl AsRef<Path>) -> Result<Option<PublicKey>> {
    let path = path.as_ref();
    let Some((key, public)) = load(files, path).await? else {
        return Ok(None);
    };
    let Some(text) = files.read_text(public_path(path)).await? else {
        return Ok(None);
    };
    let same = ssh_key::PublicKey::from_openssh(text.trim())
        .is_ok_and(|p| p.key_data() == key.public_key().key_data());
    let private = files.mode(path).await? & 0o077 == 0;
    Ok((same && private).then_some(public))
}

/// The key pair at `path`, made if it is not there: private 0600, public 0644, folder 0700.
///
/// One that is there is used as it is; a missing public half is written from the private one, and modes are put right.
pub async fn ensure(files: &Files, path: impl AsRef<Path>, comment: &str) -> Result<PublicKey> {
    let path = path.as_ref();
    let operation = || format!("make the SSH key {}", path.display());
    let public = match load(files, path).await? {
        Some((_, public)) => {
            files.set_mode(path, 0o600).await?;
            public
        }
        None => {
            let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&rand::random::<[u8; 32]>()));
            key.set_comment(comment);
            let text = key
                .to_openssh(LineEnding::LF)
                .map_err(|e| Error::new(Kind::Failed, operation(), e.to_string()))?;
            if let Some(folder) = path.parent() {
                files.mkdir(folder, 0o700).await?;
            }
            files
                .write(path, text.as_bytes().to_vec(), Some(0o600))
                .await?;
            describe(&key, path)?
        }
    };
    files
        .write(public_path(path), format!("{}\n", public.text), Some(0o644))
        .await?;
    Ok(public)
}

/// Removes both halves. That they are not there is no error.
pub async fn remove(files: &Files, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    files.remove(public_path(path)).await?;
    files.remove(path).await.map(drop)
}

fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

async fn load(files: &Files, path: &Path) -> Result<Option<(PrivateKey, PublicKey)>> {
    let Some(text) = files.read_text(path).await?.map(zeroizing) else {
        return Ok(None);
    };
    let bad = |detail: String| {
        Error::new(
            Kind::Malformed,
            format!("read the SSH key {}", path.display()),
            detail,
        )
        .hint("name another file in `ssh.maas_key`, or move this one away: it is never overwritten")
    };
    let key = PrivateKey::from_openssh(text.as_bytes())
        .map_err(|e| bad(format!("it is no private key in OpenSSH's format: {e}")))?;
    let public = describe(&key, path)?;
    Ok(Some((key, public)))
}

fn zeroizing(text: String) -> secrecy::zeroize::Zeroizing<String> {
    secrecy::zeroize::Zeroizing::new(text)
}

fn describe(key: &PrivateKey, path: &Path) -> Result<PublicKey> {
    let text = key.public_key().to_openssh().map_err(|e| {
        Error::new(
            Kind::Malformed,
            format!("read the SSH key {}", path.display()),
            e.to_string(),
        )
    })?;
    Ok(PublicKey {
        text,
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_made_once_and_kept() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::rooted(root.path());
        let path = "/root/.ssh/maaskey";
        assert_eq!(observe(&files, path).await.unwrap(), None);
        let made = ensure(&files, path, "maas@cloud-a").await.unwrap();
        assert!(
            made.text.starts_with("ssh-ed25519 AAAA") && made.text.ends_with(" maas@cloud-a"),
            "{made:?}"
        );
        assert_eq!(files.mode(path).await.unwrap(), 0o600);
        assert_eq!(files.mode("/root/.ssh").await.unwrap(), 0o700);
        assert_eq!(ensure(&files, path, "another").await.unwrap(), made);

        files.remove("/root/.ssh/maaskey.pub").await.unwrap();
        assert_eq!(observe(&files, path).await.unwrap(), None);
        assert_eq!(ensure(&files, path, "another").await.unwrap(), made);
        files.set_mode(path, 0o644).await.unwrap();
        assert_eq!(
            observe(&files, path).await.unwrap(),
            None,
            "a private key that others read is no satisfied one"
        );
        ensure(&files, path, "x").await.unwrap();
        assert_eq!(observe(&files, path).await.unwrap(), Some(made));
    }

    #[tokio::test]
    async fn what_is_no_key_is_never_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::rooted(root.path());
        files.write("/k", "precious", None).await.unwrap();
        let error = ensure(&files, "/k", "x").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        assert_eq!(files.read("/k").await.unwrap(), b"precious");
    }
}
