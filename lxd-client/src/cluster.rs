//! What watches over a server: cluster members, warnings, metrics.

use serde::{Deserialize, Serialize};

use crate::request::{Request, segment};
use crate::types::{Extra, nullable};
use crate::{Client, Result};

/// A member of a cluster.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ClusterMember {
    /// Its name.
    pub server_name: String,
    /// Its address.
    pub url: String,
    /// `Online`, `Offline`, `Evacuated`...
    pub status: String,
    /// More about it.
    pub message: String,
    /// Such as `database`.
    #[serde(deserialize_with = "nullable")]
    pub roles: Vec<String>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Something that the server is worried about.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Warning {
    /// Its id.
    pub uuid: String,
    /// `new`, `acknowledged`, `resolved`.
    pub status: String,
    /// `low`, `moderate`, `high`.
    pub severity: String,
    /// What kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// How often it was seen.
    pub count: u64,
    /// What happened last.
    pub last_message: String,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Client {
    /// The members of the cluster; none where the server is alone.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn cluster_members(&self) -> Result<Vec<ClusterMember>> {
        let cluster = self.get::<serde_json::Value>("/1.0/cluster").await?;
        if cluster["enabled"] != true {
            return Ok(Vec::new());
        }
        let request = Request::get("/1.0/cluster/members").query("recursion", "1");
        self.collect(request).await
    }

    /// What the server is worried about.
    ///
    /// # Errors
    /// Missing extension before LXD 4.13.
    pub async fn warnings(&self) -> Result<Vec<Warning>> {
        self.require("reading warnings", &["warnings"]).await?;
        let request = Request::get("/1.0/warnings").query("recursion", "1");
        self.collect(request).await
    }

    /// Throws a warning away.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_warning(&self, uuid: &str) -> Result<()> {
        let path = format!("/1.0/warnings/{}", segment(uuid));
        self.change(Request::delete(path)).await?.wait().await?;
        Ok(())
    }

    /// The instances' metrics, in Prometheus's text format.
    ///
    /// # Errors
    /// Missing extension before LXD 4.16.
    pub async fn metrics(&self) -> Result<String> {
        self.require("reading metrics", &["metrics"]).await?;
        let (_, body) = self.raw(Request::get("/1.0/metrics")).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}
