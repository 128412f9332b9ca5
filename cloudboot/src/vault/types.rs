//! Vault's answers. Every field has a default: versions differ in what they send.

use secrecy::SecretString;
use serde::Deserialize;

use crate::rest::null_is_default;

/// How the master key is split: `shares` keys are made, any `threshold` of them unseal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Shares {
    /// How many keys are made (1 to 255).
    pub shares: u8,
    /// How many of them unseal (2 to `shares`, or 1 of 1).
    pub threshold: u8,
}

impl Shares {
    /// So many keys, so many of which unseal.
    pub fn new(shares: u8, threshold: u8) -> Self {
        Self { shares, threshold }
    }
}

impl Default for Shares {
    /// 5 shares of which 3 unseal: what the Vault charm's guide and the thesis use.
    fn default() -> Self {
        Self {
            shares: 5,
            threshold: 3,
        }
    }
}

/// What a Vault server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It was never initialised: it has no keys yet (health 501).
    Uninitialised,
    /// It has keys and waits for a threshold of them (health 503), as after each restart.
    Sealed,
    /// It serves (health 200).
    Active,
    /// It is unsealed, and another unit serves (health 429, 472, 473).
    Standby,
}

/// The answer of `GET /v1/sys/health`.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// Whether keys exist.
    pub initialized: bool,
    /// Whether it waits for keys.
    #[serde(default)]
    pub sealed: bool,
    /// Whether another unit serves.
    #[serde(default)]
    pub standby: bool,
    /// The server's version, as it says it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub version: String,
    /// The cluster's id, once unsealed: it tells one Vault from another at the same address.
    #[serde(default)]
    pub cluster_id: Option<String>,
}

impl Health {
    /// The state that these flags mean.
    pub fn state(&self) -> State {
        match self {
            Self {
                initialized: false, ..
            } => State::Uninitialised,
            Self { sealed: true, .. } => State::Sealed,
            Self { standby: true, .. } => State::Standby,
            _ => State::Active,
        }
    }
}

/// The answer of `GET /v1/sys/seal-status` and of each unseal call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SealStatus {
    /// Whether keys exist.
    pub initialized: bool,
    /// Whether it waits for keys.
    pub sealed: bool,
    /// The threshold.
    pub t: u32,
    /// The number of shares.
    pub n: u32,
    /// How many different keys it holds of the threshold.
    pub progress: u32,
    /// The server's version, as it says it.
    #[serde(deserialize_with = "null_is_default")]
    pub version: String,
}

/// What initialising gives, once: whoever loses it loses the Vault.
#[derive(Debug, Clone)]
pub struct InitKeys {
    /// The unseal keys, base64.
    pub keys: Vec<SecretString>,
    /// The root token.
    pub root_token: SecretString,
    /// How many keys unseal.
    pub threshold: u8,
}

/// A token that was created.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Token {
    /// The token. Its prefix (`s.`, `hvs.`) differs between versions and means nothing.
    pub token: SecretString,
    /// How long it lives, in seconds (0: for ever).
    pub lease_duration: u64,
    /// Its policies.
    pub policies: Vec<String>,
}

/// What a token is (`auth/token/lookup-self`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TokenInfo {
    /// What it was made for, in the server's words (`token-root-root`, `token`).
    pub display_name: String,
    /// The seconds that it still lives (0: for ever).
    pub ttl: u64,
    /// The seconds that it was made for (0: for ever).
    pub creation_ttl: u64,
    /// Its policies.
    #[serde(deserialize_with = "null_is_default")]
    pub policies: Vec<String>,
}
