//! The facade `KeyManager`: the SSH keys of a model's machines. 4.0 puts none into a new model.

use serde_json::json;

use super::{ErrorResult, OneResult, Results, single};
use crate::client::Client;
use crate::error::Result;

/// The facade, as [`Client::ssh_keys`] gives it.
#[derive(Debug, Clone)]
pub struct SshKeys(Client);

impl Client {
    /// SSH keys, on a model's connection. They are the logged-in user's.
    pub fn ssh_keys(&self) -> SshKeys {
        SshKeys(self.clone())
    }
}

impl SshKeys {
    /// The keys in full, or their fingerprints.
    ///
    /// # Errors
    /// As every call.
    pub async fn list(&self, full: bool) -> Result<Vec<String>> {
        const OP: &str = "KeyManager.ListKeys";
        // The user goes as a bare name here, not as a tag.
        let params = json!({"entities": {"entities": [{"tag": self.0.user()}]}, "mode": full});
        let r: Results<OneResult<Vec<String>>> =
            self.0.read("KeyManager", "ListKeys", params).await?;
        let one = single(r, OP)?;
        ErrorResult { error: one.error }.check(OP)?;
        Ok(one.result.unwrap_or_default())
    }

    async fn change(&self, method: &str, keys: &[&str]) -> Result<()> {
        let params = json!({"user": self.0.user(), "ssh-keys": keys});
        let r: Results<ErrorResult> = self.0.call("KeyManager", method, params).await?;
        super::all_ok(r, &format!("KeyManager.{method}"))
    }

    /// Adds keys, as `authorized_keys` has them.
    ///
    /// # Errors
    /// Not a key; code `public key already exists` where one is there.
    pub async fn add(&self, keys: &[&str]) -> Result<()> {
        self.change("AddKeys", keys).await
    }

    /// Takes keys away, by fingerprint or comment.
    ///
    /// # Errors
    /// As every call.
    pub async fn delete(&self, keys: &[&str]) -> Result<()> {
        self.change("DeleteKeys", keys).await
    }

    /// Has the controller fetch keys, `gh:<user>` or `lp:<user>`.
    ///
    /// # Errors
    /// They cannot be had.
    pub async fn import(&self, sources: &[&str]) -> Result<()> {
        self.change("ImportKeys", sources).await
    }
}
