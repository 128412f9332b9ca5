//! `AllWatcher`, on 3.x only: the model's changes as they happen.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::Result;

/// One change.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Delta {
    /// `unit`, `machine`, `application`, ...
    pub kind: String,
    /// `change` or `remove`.
    pub change: String,
    /// The whole thing as it is now.
    pub entity: Value,
}

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        let (kind, change, entity) = <(String, String, Value)>::deserialize(d)?;
        Ok(Self {
            kind,
            change,
            entity,
        })
    }
}

/// What a watcher says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Watched {
    /// The watch begins, or began anew after a lost connection: forget what was known. The deltas that follow are the whole state.
    Resynced,
    /// Changes.
    Deltas(Vec<Delta>),
}

/// A watch over a whole model.
#[derive(Debug)]
pub struct AllWatcher {
    client: Client,
    version: u32,
    id: Option<(String, u64)>,
}

impl Client {
    /// Watches the model. 4.0 has no such watcher: poll the status there.
    ///
    /// # Errors
    /// `is_not_supported()` on 4.x.
    pub async fn watch_all(&self) -> Result<AllWatcher> {
        let version = self.negotiate("AllWatcher", Some(&[1, 2, 3]), "Client.WatchAll")?;
        let mut w = AllWatcher {
            client: self.clone(),
            version,
            id: None,
        };
        w.start().await?;
        Ok(w)
    }
}

impl AllWatcher {
    async fn start(&mut self) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Wire {
            watcher_id: String,
        }
        let generation = self.client.session().generation;
        let w: Wire = self.client.read("Client", "WatchAll", json!({})).await?;
        self.id = Some((w.watcher_id, generation));
        Ok(())
    }

    /// The next changes; blocks until there are some. A lost connection shows as [`Watched::Resynced`].
    ///
    /// Not cancel safe: a cancelled call may swallow changes. Let it live in its own task, or start anew.
    ///
    /// # Errors
    /// The server's refusal, or a connection that has ended.
    pub async fn next(&mut self) -> Result<Watched> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default, deserialize_with = "super::nullable")]
            deltas: Vec<Delta>,
        }
        let Some((id, generation)) = self.id.clone() else {
            self.start().await?;
            return Ok(Watched::Resynced);
        };
        if self.client.session().generation != generation {
            self.id = None;
            self.start().await?;
            return Ok(Watched::Resynced);
        }
        match self
            .client
            .call_full::<Wire>(
                "AllWatcher",
                self.version,
                &id,
                "Next",
                json!({}),
                Duration::from_secs(24 * 3600),
            )
            .await
        {
            Ok(w) => Ok(Watched::Deltas(w.deltas)),
            Err(e) if e.is_closed() || e.is_not_found() => {
                self.id = None;
                self.start().await?;
                Ok(Watched::Resynced)
            }
            Err(e) => Err(e),
        }
    }

    /// Ends the watch on the server.
    ///
    /// # Errors
    /// As every call.
    pub async fn stop(self) -> Result<()> {
        match &self.id {
            Some((id, _)) => self
                .client
                .call_full::<Value>(
                    "AllWatcher",
                    self.version,
                    id,
                    "Stop",
                    json!({}),
                    Duration::from_secs(10),
                )
                .await
                .map(drop),
            None => Ok(()),
        }
    }
}
