use serde::{Deserialize, Serialize};

use super::{Config, Devices, Extra, config, devices, nullable};

/// A project: a namespace of instances, images, profiles.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Such as `features.images`.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// What uses it, as URLs.
    #[serde(deserialize_with = "nullable")]
    pub used_by: Vec<String>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Project {
    /// A project with this name and the server's defaults.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    pub(crate) fn put(&self) -> serde_json::Value {
        serde_json::json!({"config": self.config, "description": self.description})
    }
}

/// A profile: configuration and devices that instances share.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Instance configuration.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// Instance devices.
    #[serde(deserialize_with = "devices")]
    pub devices: Devices,
    /// What uses it, as URLs.
    #[serde(deserialize_with = "nullable")]
    pub used_by: Vec<String>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Profile {
    /// An empty profile with this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    pub(crate) fn put(&self) -> serde_json::Value {
        serde_json::json!({
            "config": self.config,
            "description": self.description,
            "devices": self.devices,
        })
    }
}
