//! The facades `Spaces` and `Subnets`.

use serde::Deserialize;
use serde_json::json;

use super::{Results, nullable};
use crate::client::Client;
use crate::error::Result;

/// A space.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Space {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its subnets; `alpha` of a MAAS model has none.
    #[serde(deserialize_with = "nullable")]
    pub subnets: Vec<Subnet>,
}

/// A subnet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Subnet {
    /// `10.20.0.0/24`.
    pub cidr: String,
    /// The cloud's id.
    #[serde(deserialize_with = "nullable")]
    pub provider_id: String,
    /// VLAN.
    pub vlan_tag: i64,
    /// `space-internal`.
    #[serde(deserialize_with = "nullable")]
    pub space_tag: String,
    /// Zones.
    #[serde(deserialize_with = "nullable")]
    pub zones: Vec<String>,
}

/// An availability zone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Whether it can be used.
    pub available: bool,
}

impl Client {
    /// The model's spaces. On MAAS they come from MAAS when the model is made.
    ///
    /// # Errors
    /// As every call.
    pub async fn spaces(&self) -> Result<Vec<Space>> {
        let r: Results<Space> = self.read("Spaces", "ListSpaces", json!({})).await?;
        Ok(r.results.unwrap_or_default())
    }

    /// The model's subnets.
    ///
    /// # Errors
    /// As every call.
    pub async fn subnets(&self) -> Result<Vec<Subnet>> {
        let r: Results<Subnet> = self.read("Subnets", "ListSubnets", json!({})).await?;
        Ok(r.results.unwrap_or_default())
    }

    /// Makes a space of these subnets (by network). On MAAS spaces are made in MAAS.
    ///
    /// # Errors
    /// `is_already_exists()`; an unknown subnet.
    pub async fn create_space(&self, name: &str, cidrs: &[&str]) -> Result<()> {
        let params = json!({"spaces": [{"space-tag": format!("space-{name}"), "public": false, "cidrs": cidrs}]});
        let r: Results<super::ErrorResult> = self.call("Spaces", "CreateSpaces", params).await?;
        super::all_ok(r, "Spaces.CreateSpaces")
    }

    /// The zones of the model's cloud.
    ///
    /// # Errors
    /// As every call; a cloud without zones.
    pub async fn zones(&self) -> Result<Vec<Zone>> {
        let r: Results<Zone> = self.read("Subnets", "AllZones", json!({})).await?;
        Ok(r.results.unwrap_or_default())
    }

    /// Reads the spaces from the cloud again.
    ///
    /// # Errors
    /// As every call.
    pub async fn reload_spaces(&self) -> Result<()> {
        self.call::<serde_json::Value>("Spaces", "ReloadSpaces", json!({}))
            .await
            .map(drop)
    }
}
