//! The service catalog: where each service answers.

use serde::{Deserialize, Serialize};
use url::Url;

/// Who an endpoint is meant for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Interface {
    /// Users.
    Public,
    /// Other services.
    Internal,
    /// Operators.
    Admin,
    /// One that this version does not know.
    #[serde(untagged)]
    Unknown(String),
}

/// One address of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Endpoint {
    /// Who it is meant for.
    pub interface: Interface,
    /// The region's id (`RegionOne`).
    #[serde(default)]
    pub region_id: Option<String>,
    /// The address as the catalog gives it.
    pub url: String,
}

/// One service of the catalog.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceEntry {
    /// Its type (`compute`, `identity`, `placement`).
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name (`nova`).
    #[serde(default)]
    pub name: String,
    /// Where it answers.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

/// The services that a token may use.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Catalog(pub Vec<ServiceEntry>);

impl Catalog {
    /// The address of the service of type `kind` for `interface`, in `region` if one is given. An address that is no URL does not count.
    pub fn url(&self, kind: &str, interface: &Interface, region: Option<&str>) -> Option<Url> {
        self.0
            .iter()
            .filter(|s| s.kind == kind)
            .flat_map(|s| &s.endpoints)
            .filter(|e| {
                e.interface == *interface && (region.is_none() || e.region_id.as_deref() == region)
            })
            .find_map(|e| e.url.parse().ok())
    }

    /// The types of the services, as they stand.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|s| s.kind.as_str())
    }
}
