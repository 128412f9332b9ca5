//! The facade `Secrets`: which secrets a model holds. Their contents are not asked for.

use serde::Deserialize;
use serde_json::json;

use super::{Results, nullable};
use crate::client::Client;
use crate::error::Result;

/// A secret, without what it holds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct SecretInfo {
    /// `secret:9m4e2mr0ui3e8a215n4g`.
    pub uri: String,
    /// The form of its metadata.
    pub version: i64,
    /// `application-keystone`, `unit-vault-0`, `model-<uuid>`.
    #[serde(deserialize_with = "nullable")]
    pub owner_tag: String,
    /// What it is.
    #[serde(deserialize_with = "nullable")]
    pub description: String,
    /// Its owner's name for it.
    #[serde(deserialize_with = "nullable")]
    pub label: String,
    /// How often it is replaced.
    #[serde(deserialize_with = "nullable")]
    pub rotate_policy: String,
    /// The newest revision.
    pub latest_revision: i64,
    /// RFC 3339.
    pub create_time: Option<String>,
    /// RFC 3339.
    pub update_time: Option<String>,
}

impl Client {
    /// The model's secrets, without their contents; perhaps of one owner (by tag).
    ///
    /// # Errors
    /// As every call.
    pub async fn secrets(&self, owner: Option<&str>) -> Result<Vec<SecretInfo>> {
        let mut filter = json!({});
        if let Some(o) = owner {
            filter["owner-tag"] = json!(o);
        }
        let r: Results<SecretInfo> = self
            .read(
                "Secrets",
                "ListSecrets",
                json!({"show-secrets": false, "filter": filter}),
            )
            .await?;
        Ok(r.results.unwrap_or_default())
    }
}
