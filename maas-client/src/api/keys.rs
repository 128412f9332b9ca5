//! Keys of users and licence keys.

use crate::error::Result;
use crate::ids::SslKeyId;
use crate::macros::{at, bare, handle};
use crate::model::{LicenceKey, SslKey};

handle! {
    /// SSL keys of the user.
    SslKeys
}

impl SslKeys {
    /// All of them.
    pub async fn list(&self) -> Result<Vec<SslKey>> {
        self.get("account/prefs/sslkeys/").json().await
    }

    /// Adds a certificate in PEM form.
    pub async fn create(&self, key: &str) -> Result<SslKey> {
        self.post("account/prefs/sslkeys/")
            .form("key", key)
            .json()
            .await
    }

    /// One key.
    pub async fn read(&self, id: SslKeyId) -> Result<SslKey> {
        self.get(at!["account", "prefs", "sslkeys", id])
            .json()
            .await
    }

    /// Deletes a key.
    pub async fn delete(&self, id: SslKeyId) -> Result<()> {
        self.del(at!["account", "prefs", "sslkeys", id])
            .empty()
            .await
    }
}

handle! {
    /// Licence keys of operating systems.
    LicenceKeys
}

impl LicenceKeys {
    /// All of them.
    pub async fn list(&self) -> Result<Vec<LicenceKey>> {
        self.get("license-keys/").json().await
    }

    /// Adds a key for an operating system and release.
    pub async fn create(
        &self,
        osystem: &str,
        distro_series: &str,
        license_key: &str,
    ) -> Result<LicenceKey> {
        self.post("license-keys/")
            .form("osystem", osystem)
            .form("distro_series", distro_series)
            .form("license_key", license_key)
            .json()
            .await
    }

    /// The key of a release.
    pub async fn read(&self, osystem: &str, distro_series: &str) -> Result<LicenceKey> {
        self.get(bare!["license-key", osystem, distro_series])
            .json()
            .await
    }

    /// Changes the key of a release.
    pub async fn update(
        &self,
        osystem: &str,
        distro_series: &str,
        license_key: &str,
    ) -> Result<LicenceKey> {
        self.put(bare!["license-key", osystem, distro_series])
            .form("license_key", license_key)
            .json()
            .await
    }

    /// Deletes the key of a release.
    pub async fn delete(&self, osystem: &str, distro_series: &str) -> Result<()> {
        self.del(bare!["license-key", osystem, distro_series])
            .empty()
            .await
    }
}
