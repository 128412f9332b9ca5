//! Placement: where a server's resources are booked. A migration is over when its booking has moved.

use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use url::Url;

use super::Keystone;
use super::nova::ServerId;
use crate::rest::{Result, under};

/// The microversion that is asked for: 1.28 (allocations with consumer generations), in Rocky and later.
const VERSION: &str = "placement 1.28";

/// A client of Placement.
#[derive(Debug, Clone)]
pub struct Placement {
    keystone: Keystone,
    url: Url,
}

/// What offers resources: one a compute node.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct ResourceProvider {
    /// Its id.
    pub uuid: String,
    /// Its name: the hypervisor's host name.
    #[serde(default)]
    pub name: String,
}

impl Placement {
    pub(super) async fn connect(keystone: Keystone) -> Result<Self> {
        let url = keystone.endpoint("placement").await?;
        Ok(Self { keystone, url })
    }

    async fn get(&self, path: &str) -> Result<crate::rest::Answer> {
        let version = (
            HeaderName::from_static("openstack-api-version"),
            HeaderValue::from_static(VERSION),
        );
        self.keystone
            .send(Method::GET, under(&self.url, path), &[version], None)
            .await
    }

    /// All providers.
    pub async fn providers(&self) -> Result<Vec<ResourceProvider>> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(default)]
            resource_providers: Vec<ResourceProvider>,
        }
        Ok(self
            .get("resource_providers")
            .await?
            .json::<Found>()?
            .resource_providers)
    }

    /// The ids of the providers on which a server's resources are booked. Two during a migration.
    pub async fn booked_on(&self, server: &ServerId) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(default)]
            allocations: std::collections::BTreeMap<String, serde_json::Value>,
        }
        let found: Found = self.get(&format!("allocations/{server}")).await?.json()?;
        Ok(found.allocations.into_keys().collect())
    }
}
