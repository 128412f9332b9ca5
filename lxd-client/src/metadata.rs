//! What an instance's image says of itself, and the templates of files that it brings.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::answer::Versioned;
use crate::instances::{Instances, path};
use crate::operation::{Finished, Started};
use crate::request::Request;
use crate::types::{Config, Extra, config, nullable};
use crate::{Etag, Result};

const NEEDS: &[&str] = &["container_edit_metadata"];

/// An instance's `metadata.yaml`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ImageMetadata {
    /// Such as `x86_64`.
    pub architecture: String,
    /// Seconds since 1970.
    pub creation_date: i64,
    /// Seconds since 1970; 0 is never.
    pub expiry_date: i64,
    /// Such as `os`, `release`.
    #[serde(deserialize_with = "config")]
    pub properties: Config,
    /// Files that LXD writes from templates, by their paths in the instance.
    #[serde(deserialize_with = "nullable")]
    pub templates: BTreeMap<String, ImageTemplate>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// When a file is written, and from which template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ImageTemplate {
    /// Of `create`, `copy`, `start`.
    #[serde(deserialize_with = "nullable")]
    pub when: Vec<String>,
    /// Only if there is no such file.
    pub create_only: bool,
    /// The template's name.
    pub template: String,
    /// What the template is told.
    #[serde(deserialize_with = "config")]
    pub properties: Config,
}

impl ImageTemplate {
    /// A file from this template, written at each of these times.
    pub fn new<S: Into<String>>(
        template: impl Into<String>,
        when: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            when: when.into_iter().map(Into::into).collect(),
            template: template.into(),
            ..Self::default()
        }
    }
}

impl Instances {
    /// An instance's metadata, with its ETag.
    ///
    /// # Errors
    /// Not found.
    pub async fn metadata(&self, name: &str) -> Result<Versioned<ImageMetadata>> {
        self.client.get(&metadata_path(name)).await
    }

    /// Replaces it, if it still is what `etag` was read with (which LXD 5.0.2 does not look at).
    ///
    /// # Errors
    /// Precondition if it was changed since; missing extension before LXD 2.20.
    pub async fn update_metadata(
        &self,
        name: &str,
        metadata: &ImageMetadata,
        etag: Option<&Etag>,
    ) -> Result<Started> {
        self.client.require("changing metadata", NEEDS).await?;
        self.client
            .put(&metadata_path(name), serde_json::json!(metadata), etag)
            .await
    }

    /// Reads it, changes it, writes it; and again if somebody else changed it in between.
    ///
    /// # Errors
    /// Not found, refused, or still in somebody's way after ten tries.
    pub async fn modify_metadata(
        &self,
        name: &str,
        change: impl FnMut(&mut ImageMetadata),
    ) -> Result<Finished> {
        let at = metadata_path(name);
        self.client
            .modify(&at, |m: &ImageMetadata| serde_json::json!(m), change)
            .await
    }

    /// The names of its templates.
    ///
    /// # Errors
    /// Not found.
    pub async fn templates(&self, name: &str) -> Result<Vec<String>> {
        self.client.collect(Request::get(templates(name))).await
    }

    /// A template's text.
    ///
    /// # Errors
    /// Not found, of the instance or the template.
    pub async fn template(&self, name: &str, template: &str) -> Result<Bytes> {
        let request = Request::get(templates(name)).query("path", template);
        Ok(self.client.raw(request).await?.1)
    }

    /// Writes a template, in place of what was there.
    ///
    /// # Errors
    /// Not found; missing extension before LXD 2.20.
    pub async fn write_template(
        &self,
        name: &str,
        template: &str,
        content: impl Into<Bytes>,
    ) -> Result<()> {
        self.client.require("writing a template", NEEDS).await?;
        let request = Request::post(templates(name))
            .query("path", template)
            .bytes(content);
        self.client.change(request).await?.wait().await?;
        Ok(())
    }

    /// Deletes a template.
    ///
    /// # Errors
    /// Not found, of the instance or the template.
    pub async fn delete_template(&self, name: &str, template: &str) -> Result<()> {
        let request = Request::delete(templates(name)).query("path", template);
        self.client.change(request).await?.wait().await?;
        Ok(())
    }
}

fn metadata_path(name: &str) -> String {
    format!("{}/metadata", path(name))
}

fn templates(name: &str) -> String {
    format!("{}/metadata/templates", path(name))
}
