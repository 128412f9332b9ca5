//! The facade `Resources`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::charms::{CharmResource, Origin};
use super::{WireError, nullable};
use crate::client::Client;
use crate::error::{Error, Result};

impl Client {
    /// Announces resources for an application that is about to be deployed; the ids go into `Deploy`, each once.
    /// A revision of -1 is the store's current one.
    ///
    /// # Errors
    /// A resource that the charm does not have.
    pub async fn add_pending_resources(
        &self,
        application: &str,
        url: &str,
        origin: &Origin,
        resources: &[(CharmResource, i64)],
    ) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Wire {
            #[serde(default)]
            error: Option<WireError>,
            #[serde(default, deserialize_with = "nullable")]
            pending_ids: Vec<String>,
        }
        const OP: &str = "Resources.AddPendingResources";
        let list: Vec<Value> = resources
            .iter()
            .map(|(r, revision)| {
                json!({"name": r.name, "type": r.kind, "path": r.path, "description": r.description,
                       "origin": "store", "revision": revision, "fingerprint": "", "size": 0})
            })
            .collect();
        let params = json!({"tag": crate::application_tag(application), "url": url, "charm-origin": origin, "macaroon": null, "resources": list});
        let w: Wire = self
            .call("Resources", "AddPendingResources", params)
            .await?;
        if let Some(e) = w.error.filter(|e| !e.message.is_empty()) {
            return Err(e.into_error(OP));
        }
        if w.pending_ids.len() != resources.len() {
            return Err(Error::new(
                crate::ErrorKind::Protocol,
                OP,
                format!(
                    "{} ids for {} resources",
                    w.pending_ids.len(),
                    resources.len()
                ),
            ));
        }
        Ok(w.pending_ids)
    }
}
