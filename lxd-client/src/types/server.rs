use serde::{Deserialize, Serialize};

use super::{Config, Extra, config, nullable};

/// GET `/1.0`: the server, its extensions and, for a trusted client, its configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Server {
    /// Configuration; empty where we are not trusted. `core.trust_password` reads as `true`.
    #[serde(default, deserialize_with = "config")]
    pub config: Config,
    /// The names of the API extensions that the server has.
    #[serde(default, deserialize_with = "nullable")]
    pub api_extensions: Vec<String>,
    /// `stable`.
    #[serde(default)]
    pub api_status: String,
    /// `1.0`.
    #[serde(default)]
    pub api_version: String,
    /// `trusted` or `untrusted`.
    #[serde(default)]
    pub auth: String,
    /// `tls`, `candid`, `oidc`.
    #[serde(default, deserialize_with = "nullable")]
    pub auth_methods: Vec<String>,
    /// What it runs on; default where we are not trusted.
    #[serde(default)]
    pub environment: Environment,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Server {
    /// Whether the server trusts this client.
    pub fn is_trusted(&self) -> bool {
        self.auth == "trusted"
    }

    /// Whether the server has an API extension.
    pub fn has_extension(&self, name: &str) -> bool {
        self.api_extensions.iter().any(|e| e == name)
    }
}

/// What the server runs on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Environment {
    /// The addresses it listens on, `host:port`.
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<String>,
    /// Architectures that it can run, the native one first.
    #[serde(deserialize_with = "nullable")]
    pub architectures: Vec<String>,
    /// Its certificate in PEM form.
    pub certificate: String,
    /// The SHA-256 of its certificate.
    pub certificate_fingerprint: String,
    /// `lxc | qemu`: what it can run.
    pub driver: String,
    /// The server's name.
    pub server_name: String,
    /// The project this answer was given for.
    pub project: String,
    /// The LXD version, such as `5.0.2`.
    pub server_version: String,
    /// Whether it is a cluster.
    pub server_clustered: bool,
    /// The kernel's release.
    pub kernel_version: String,
    /// The distribution's name.
    pub os_name: String,
    /// The distribution's release.
    pub os_version: String,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}
