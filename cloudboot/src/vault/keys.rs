//! Vault's one-shot keys, in the order that loses none: intent, initialise, keys durable, and only then the next call.
//!
//! Initialising answers with the keys once. If that answer is lost the Vault can never be opened, so a run that finds an initialised
//! Vault, an intent and no keys stops and says so: no repetition can help.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Client, InitKeys, SealStatus, Shares};
use crate::engine::SecretStore;
use crate::rest::{Error, ErrorKind, Result};

/// How often, a second apart, the keys are offered to a secret store that does not take them.
const PATIENCE: u32 = 60;

#[derive(Serialize, Deserialize)]
struct Stored {
    keys_base64: Vec<String>,
    root_token: String,
    threshold: u8,
}

impl InitKeys {
    /// The keys as one secret, in JSON (`keys_base64`, `root_token`, `threshold`).
    pub fn to_secret(&self) -> SecretString {
        let stored = Stored {
            keys_base64: self
                .keys
                .iter()
                .map(|k| k.expose_secret().to_owned())
                .collect(),
            root_token: self.root_token.expose_secret().to_owned(),
            threshold: self.threshold,
        };
        // Strings and a number: this cannot fail.
        serde_json::to_string(&stored).unwrap_or_default().into()
    }

    /// The keys out of [`InitKeys::to_secret`], also when an operator wrote it by hand.
    pub fn from_secret(secret: &SecretString) -> Result<Self> {
        let stored: Stored = serde_json::from_str(secret.expose_secret()).map_err(|e| {
            // Not the error's own words: they may quote a key.
            Error::new(
                ErrorKind::Store,
                "Vault: read the stored keys",
                format!(
                    "not the expected JSON (line {} column {})",
                    e.line(),
                    e.column()
                ),
            )
            .advice(
                r#"It has the form {"keys_base64": ["..."], "root_token": "...", "threshold": 3}"#,
            )
        })?;
        Ok(Self {
            keys: stored
                .keys_base64
                .into_iter()
                .map(SecretString::from)
                .collect(),
            root_token: stored.root_token.into(),
            threshold: stored.threshold,
        })
    }
}

/// The name under which the intent of `name` is kept.
fn intent_name(name: &str) -> String {
    format!("{name}.intent")
}

/// The keys that are kept under `name`, if there are any.
pub async fn load(store: &dyn SecretStore, name: &str) -> Result<Option<InitKeys>> {
    match get(store, name).await? {
        Some(secret) => InitKeys::from_secret(&secret).map(Some),
        None => Ok(None),
    }
}

/// The keys of the Vault behind `client` that are kept under `name`; `None` if it was never initialised and there are none.
/// It changes nothing.
///
/// # Errors
/// [`Error::needs_operator`] when the Vault is initialised and its keys are nowhere, or when keys are kept and the Vault is a new one.
pub async fn kept(
    client: &Client,
    store: &dyn SecretStore,
    name: &str,
) -> Result<Option<InitKeys>> {
    let status = client.seal_status().await?;
    match (load(store, name).await?, status.initialized) {
        (Some(keys), true) => Ok(Some(keys)),
        (Some(_), false) => Err(another_vault(client, name)),
        (None, true) => {
            let ours = get(store, &intent_name(name)).await?.is_some();
            Err(keys_nowhere(client, name, ours))
        }
        (None, false) => Ok(None),
    }
}

/// The keys of the Vault behind `client`: those kept under `name`, or those of initialising it now.
///
/// May be repeated after a crash at any point. It initialises only a Vault that says it was never initialised, and only when no keys are
/// kept under `name`. Not cancel safe between the initialisation and the keys' writing: run it to its end.
///
/// # Errors
/// [`Error::needs_operator`] when the Vault is initialised and its keys are nowhere, or when keys are kept and the Vault is a new one.
pub async fn initialise(
    client: &Client,
    store: &dyn SecretStore,
    name: &str,
    shares: Shares,
) -> Result<InitKeys> {
    if let Some(keys) = kept(client, store, name).await? {
        return Ok(keys);
    }
    put(
        store,
        &intent_name(name),
        &format!("initialising {}", client.url()).into(),
    )
    .await?;
    let keys = match client.init(shares).await {
        Ok(keys) => keys,
        Err(e) if e.is_unclear() => {
            // Only the Vault knows whether the answer that we did not get held keys.
            return Err(match client.seal_status().await {
                Ok(status) if status.initialized => keys_nowhere(client, name, true).with_source(e),
                _ => e,
            });
        }
        Err(e) => return Err(e),
    };
    keep(client, store, name, &keys).await?;
    Ok(keys)
}

/// Writes the keys, again and again for a minute: they are nowhere else, and somebody may make room on the disk.
async fn keep(client: &Client, store: &dyn SecretStore, name: &str, keys: &InitKeys) -> Result<()> {
    let secret = keys.to_secret();
    for _ in 0..PATIENCE {
        match put(store, name, &secret).await {
            Ok(()) => return Ok(()),
            Err(e) => {
                tracing::error!("Vault's keys exist in this process only, do not stop it: {e}")
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    put(store, name, &secret)
        .await
        .map_err(|e| keys_nowhere(client, name, true).with_source(e))
}

/// Unseals the Vault behind `client` with `keys`; one that is unsealed already is left alone. May be repeated.
///
/// A unit that was given wrong keys by somebody before refuses at the threshold and starts again: the keys are then given once more.
pub async fn unseal(client: &Client, keys: &InitKeys) -> Result<SealStatus> {
    let mut status = client.seal_status().await?;
    for attempt in 0..2 {
        for key in &keys.keys {
            if status.initialized && !status.sealed {
                return Ok(status);
            }
            status = match client.unseal(key).await {
                Ok(status) => status,
                Err(e) if e.status() == Some(http::StatusCode::BAD_REQUEST) && attempt == 0 => {
                    break;
                }
                Err(e) if e.status() == Some(http::StatusCode::BAD_REQUEST) => {
                    return Err(do_not_open(client).with_source(e));
                }
                Err(e) => return Err(e),
            };
        }
        if status.initialized && !status.sealed {
            return Ok(status);
        }
        status = client.reset_unseal().await?;
    }
    Err(do_not_open(client))
}

fn do_not_open(client: &Client) -> Error {
    Error::new(ErrorKind::NeedsOperator, format!("Vault: unseal {}", client.url()), "the kept keys do not open this Vault")
        .advice("Either it was initialised again by somebody else, or the keys are another Vault's: put the right ones into the secret store")
}

fn keys_nowhere(client: &Client, name: &str, ours: bool) -> Error {
    let (url, answer) = (client.url(), "it is initialised, and its keys are nowhere");
    Error::new(ErrorKind::NeedsOperator, format!("Vault: initialise {url}"), answer).advice(if ours {
        format!(
            "This run asked for the initialisation and its answer, the only place where the keys ever stood, was lost. \
             If nothing is kept in this Vault yet, empty its storage (remove and deploy the vault application again) and run again; \
             nothing else can open it (`{name}` in the secret store is where the keys would be)"
        )
    } else {
        format!(
            "Somebody else initialised it: put their keys into the secret store as `{name}` \
             ({{\"keys_base64\": [\"...\"], \"root_token\": \"...\", \"threshold\": 3}}) and run again"
        )
    })
}

fn another_vault(client: &Client, name: &str) -> Error {
    Error::new(
        ErrorKind::NeedsOperator,
        format!("Vault: initialise {}", client.url()),
        format!("it was never initialised, and keys of an earlier Vault are kept as `{name}`"),
    )
    .advice("If that Vault is gone for good, rename or remove the kept keys and run again; otherwise find out why its storage is empty")
}

async fn get(store: &dyn SecretStore, name: &str) -> Result<Option<SecretString>> {
    store.get(name).await.map_err(|e| {
        Error::new(
            ErrorKind::Store,
            format!("the secret store: read `{name}`"),
            e.to_string(),
        )
        .with_source(e)
    })
}

async fn put(store: &dyn SecretStore, name: &str, secret: &SecretString) -> Result<()> {
    store.put(name, secret).await.map_err(|e| {
        Error::new(
            ErrorKind::Store,
            format!("the secret store: write `{name}`"),
            e.to_string(),
        )
        .with_source(e)
    })
}
