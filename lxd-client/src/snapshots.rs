//! Snapshots of instances.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Result;
use crate::answer::Versioned;
use crate::instances::{Instances, path};
use crate::operation::{Finished, Started};
use crate::request::{Request, segment};
use crate::types::{Config, Extra, config};

/// A snapshot of an instance.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name, without the instance's.
    pub name: String,
    /// When it was taken.
    pub created_at: String,
    /// Whether the running state is in it.
    pub stateful: bool,
    /// The instance's configuration then.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Instances {
    /// An instance's snapshots.
    ///
    /// # Errors
    /// Not found.
    pub async fn snapshots(&self, name: &str) -> Result<Vec<Snapshot>> {
        let request = Request::get(format!("{}/snapshots", path(name))).query("recursion", "1");
        self.client.collect(request).await
    }

    /// One of them, with its ETag.
    ///
    /// # Errors
    /// Not found, of the instance or the snapshot.
    pub async fn get_snapshot(&self, name: &str, snapshot: &str) -> Result<Versioned<Snapshot>> {
        let at = format!("{}/snapshots/{}", path(name), segment(snapshot));
        self.client.get(&at).await
    }

    /// Renames a snapshot.
    ///
    /// # Errors
    /// Not found; conflict if the new name is taken.
    pub async fn rename_snapshot(&self, name: &str, snapshot: &str, to: &str) -> Result<Started> {
        let at = format!("{}/snapshots/{}", path(name), segment(snapshot));
        self.client
            .change(Request::post(at).json(json!({"name": to})))
            .await
    }

    /// Takes a snapshot.
    ///
    /// # Errors
    /// Not found; through the operation: conflict if there is one of that name.
    pub async fn snapshot(&self, name: &str, snapshot: &str) -> Result<Started> {
        let body = json!({"name": snapshot, "stateful": false});
        self.client
            .change(Request::post(format!("{}/snapshots", path(name))).json(body))
            .await
    }

    /// Brings the instance back to a snapshot.
    ///
    /// # Errors
    /// Not found; through the operation, if it cannot.
    pub async fn restore(&self, name: &str, snapshot: &str) -> Result<Finished> {
        self.client
            .change(Request::put(path(name)).json(json!({"restore": snapshot})))
            .await?
            .wait()
            .await
    }

    /// Deletes a snapshot.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_snapshot(&self, name: &str, snapshot: &str) -> Result<Started> {
        let at = format!("{}/snapshots/{}", path(name), segment(snapshot));
        self.client.change(Request::delete(at)).await
    }
}
