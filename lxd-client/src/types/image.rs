use serde::{Deserialize, Serialize};

use super::{Config, Extra, config, nullable};

/// An image in the server's store.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Image {
    /// The SHA-256 of its content: its id.
    pub fingerprint: String,
    /// The aliases that point to it.
    #[serde(deserialize_with = "nullable")]
    pub aliases: Vec<ImageAliasName>,
    /// Such as `x86_64`.
    pub architecture: String,
    /// `container` or `virtual-machine`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Such as `os`, `release`, `description`.
    #[serde(deserialize_with = "config")]
    pub properties: Config,
    /// Bytes.
    pub size: u64,
    /// Whether anyone may read it.
    pub public: bool,
    /// Whether it was fetched only because an instance asked for it.
    pub cached: bool,
    /// Whether LXD keeps it up to date from its source.
    pub auto_update: bool,
    /// The file it was uploaded as.
    pub filename: String,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Image {
    pub(crate) fn put(&self) -> serde_json::Value {
        let mut body = serde_json::json!({
            "auto_update": self.auto_update, "properties": self.properties, "public": self.public,
        });
        for kept in ["expires_at", "profiles"] {
            if let Some(value) = self.extra.get(kept) {
                body[kept] = value.clone();
            }
        }
        body
    }
}

/// An alias as an image lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ImageAliasName {
    /// The alias.
    pub name: String,
    /// Free text.
    pub description: String,
}

/// An alias: a name for an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ImageAlias {
    /// The alias.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The image's fingerprint.
    pub target: String,
    /// `container` or `virtual-machine`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// A server that images are copied from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageRemote {
    /// Its address.
    pub server: String,
    /// `simplestreams` or `lxd`.
    pub protocol: String,
}

impl ImageRemote {
    /// The remote `ubuntu:` of the `lxc` command.
    pub fn ubuntu() -> Self {
        Self::simplestreams("https://cloud-images.ubuntu.com/releases")
    }

    /// Any simplestreams server.
    pub fn simplestreams(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            protocol: "simplestreams".into(),
        }
    }
}
