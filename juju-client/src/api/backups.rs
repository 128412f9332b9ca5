//! The facade `Backups` of 3.x. 4.0 still lists it, with nothing behind it; after 4.1-beta it makes archives again
//! (`apiserver/facades/client/backups/create.go`), which stay on the controller's machine.

use serde::Deserialize;
use serde_json::json;

use super::nullable;
use crate::client::Client;
use crate::error::{Error, Result};

/// A backup of a controller.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Backup {
    /// Its id.
    pub id: String,
    /// The file on the controller's machine.
    #[serde(deserialize_with = "nullable")]
    pub filename: String,
    /// SHA-1, in base64.
    #[serde(deserialize_with = "nullable")]
    pub checksum: String,
    /// Bytes.
    pub size: i64,
}

impl Client {
    /// Makes a backup of a controller; it stays on its machine. On the connection of the controller's own model.
    ///
    /// # Errors
    /// `is_not_supported()` on 4.0, which has no backups through its API.
    pub async fn create_backup(&self, notes: &str) -> Result<Backup> {
        const OP: &str = "Backups.Create";
        const HINT: &str = "Juju 4.0 has no backups through its API: keep copies of the controller machine's /var/lib/juju; on others use the connection of the controller's own model";
        if !self.has_facade("Backups") {
            return Err(Error::new(
                crate::ErrorKind::NotSupported,
                OP,
                format!(
                    "the server (Juju {}) has no facade Backups on this connection",
                    self.server_version()
                ),
            )
            .hint(HINT));
        }
        let params = json!({"notes": notes, "no-download": true});
        // 4.0 still lists the facade; nothing is behind it.
        match self.call("Backups", "Create", params).await {
            Err(e) if e.is_not_supported() || e.message().contains("not implemented") => {
                Err(e.hint(HINT))
            }
            outcome => outcome,
        }
    }
}
