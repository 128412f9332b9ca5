use serde::{Deserialize, Serialize};

use super::{Extra, nullable};

/// A certificate in the server's trust store.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Certificate {
    /// Its name there.
    pub name: String,
    /// `client`, `server` or `metrics`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is confined to `projects`.
    pub restricted: bool,
    /// The projects it may see, if restricted.
    #[serde(deserialize_with = "nullable")]
    pub projects: Vec<String>,
    /// The certificate in PEM form.
    pub certificate: String,
    /// Its SHA-256.
    pub fingerprint: String,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What is asked of POST `/1.0/certificates` beside the way of trust.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CertificateOptions {
    /// The name in the trust store; the server chooses one if empty.
    pub name: String,
    /// Confine the client to these projects (`restricted`), if any.
    pub projects: Vec<String>,
}

impl CertificateOptions {
    /// An unrestricted entry with this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            projects: Vec::new(),
        }
    }
}
