//! The facade `Resources`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::charms::{CharmResource, Origin};
use super::{Results, WireError, nullable, single};
use crate::client::Client;
use crate::error::{Error, Result};

/// A resource of an application.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// `file` or `oci-image`.
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    /// The file's name.
    #[serde(deserialize_with = "nullable")]
    pub path: String,
    /// `store` or `upload`.
    #[serde(deserialize_with = "nullable")]
    pub origin: String,
    /// The store's revision.
    pub revision: i64,
    /// SHA-384, in base64.
    #[serde(deserialize_with = "nullable")]
    pub fingerprint: String,
    /// Bytes.
    pub size: i64,
    /// Its id.
    #[serde(deserialize_with = "nullable")]
    pub id: String,
    /// Who uploaded it.
    #[serde(deserialize_with = "nullable")]
    pub username: String,
}

impl Client {
    /// The resources of an application.
    ///
    /// # Errors
    /// `is_not_found()` by its text.
    pub async fn list_resources(&self, application: &str) -> Result<Vec<Resource>> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            error: Option<WireError>,
            #[serde(default, deserialize_with = "nullable")]
            resources: Vec<Resource>,
        }
        const OP: &str = "Resources.ListResources";
        let params = json!({"entities": [{"tag": crate::application_tag(application)}]});
        let r: Results<Wire> = self.read("Resources", "ListResources", params).await?;
        let one = single(r, OP)?;
        super::ErrorResult { error: one.error }.check(OP)?;
        Ok(one.resources)
    }

    /// Uploads a resource of an application, or what a pending id announced. `file` is the name that the charm sees.
    ///
    /// # Errors
    /// `is_not_found()` for a resource that the charm does not have.
    pub async fn upload_resource(
        &self,
        application: &str,
        name: &str,
        file: &str,
        content: bytes::Bytes,
        pending: Option<&str>,
    ) -> Result<Resource> {
        use sha2::Digest as _;
        #[derive(Deserialize)]
        struct Wire {
            resource: Resource,
        }
        let op = format!("upload the resource {name:?} of {application}");
        let model = self.need_model(&op)?;
        let mut path = format!("/model/{model}/applications/{application}/resources/{name}");
        if let Some(id) = pending {
            path.push_str(&format!("?pendingid={id}"));
        }
        let plain = file
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        let disposition = if plain {
            format!("form-data; filename={file}")
        } else {
            format!(
                "form-data; filename=\"{}\"",
                file.replace('\\', "\\\\").replace('"', "\\\"")
            )
        };
        let request = http::Request::put(path)
            .header("Content-Type", "application/octet-stream")
            .header(
                "Content-Sha384",
                hex::encode(sha2::Sha384::digest(&content)),
            )
            .header("Content-Disposition", disposition);
        let limit = std::time::Duration::from_secs(3600);
        let json = self.http(&op, request, content, limit).await?.json(&op)?;
        serde_json::from_value::<Wire>(json)
            .map(|w| w.resource)
            .map_err(|e| {
                Error::new(
                    crate::ErrorKind::Protocol,
                    &op,
                    format!("the answer does not decode: {e}"),
                )
            })
    }

    /// Announces a resource that will be uploaded with the id that this says.
    ///
    /// # Errors
    /// A resource that the charm does not have.
    pub async fn add_pending_upload(
        &self,
        application: &str,
        url: &str,
        origin: &Origin,
        resource: &CharmResource,
    ) -> Result<String> {
        let one = json!({"name": resource.name, "type": resource.kind, "path": resource.path, "description": resource.description,
            "origin": "upload", "revision": 0, "fingerprint": "", "size": 0});
        let ids = self.announce(application, url, origin, vec![one]).await?;
        ids.into_iter().next().ok_or_else(|| {
            Error::new(
                crate::ErrorKind::Protocol,
                "Resources.AddPendingResources",
                "no id in the answer",
            )
        })
    }

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
        let list: Vec<Value> = resources
            .iter()
            .map(|(r, revision)| {
                json!({"name": r.name, "type": r.kind, "path": r.path, "description": r.description,
                       "origin": "store", "revision": revision, "fingerprint": "", "size": 0})
            })
            .collect();
        self.announce(application, url, origin, list).await
    }

    async fn announce(
        &self,
        application: &str,
        url: &str,
        origin: &Origin,
        list: Vec<Value>,
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
        let wanted = list.len();
        let params = json!({"tag": crate::application_tag(application), "url": url, "charm-origin": origin, "macaroon": null, "resources": list});
        let w: Wire = self
            .call("Resources", "AddPendingResources", params)
            .await?;
        if let Some(e) = w.error.filter(|e| !e.message.is_empty()) {
            return Err(e.into_error(OP));
        }
        if w.pending_ids.len() != wanted {
            return Err(Error::new(
                crate::ErrorKind::Protocol,
                OP,
                format!("{} ids for {} resources", w.pending_ids.len(), wanted),
            ));
        }
        Ok(w.pending_ids)
    }
}
