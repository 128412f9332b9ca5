//! `lxd init --preseed`, natively: from the same YAML, in the same order, with the same merging.
//!
//! Order: server configuration, storage pools, networks of the default project, projects, networks
//! of other projects, profiles, the cluster. What exists is read, merged and written back with its ETag: keys
//! are never removed, a description only changes if the preseed has one, a profile's devices merge
//! key by key. A pool of another driver is an error. A failure takes back what was done.

mod apply;
mod compare;
mod plan;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::types::{Config, Devices, config, devices, nullable};
use crate::{ClusterJoin, Error, MemberConfig, Result, TrustToken};

pub use plan::{PreseedChange, PreseedPlan};

/// A preseed document, as `lxd init --dump` prints it and `lxd init --preseed` reads it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Preseed {
    /// Server configuration. An empty value unsets a key.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// Networks.
    #[serde(deserialize_with = "nullable")]
    pub networks: Vec<ProjectNetwork>,
    /// Storage pools.
    #[serde(deserialize_with = "nullable")]
    pub storage_pools: Vec<PreseedPool>,
    /// Custom storage volumes (LXD 5.21 and later read these).
    #[serde(deserialize_with = "nullable")]
    pub storage_volumes: Vec<PreseedVolume>,
    /// Profiles.
    #[serde(deserialize_with = "nullable")]
    pub profiles: Vec<PreseedProfile>,
    /// Projects.
    #[serde(deserialize_with = "nullable")]
    pub projects: Vec<PreseedProject>,
    /// Whether this is to be the first member of a cluster, made last of all; or a member of one
    /// that stands, whose pools, networks, projects and profiles it takes over: nothing else of the
    /// document is looked at then, as `lxd init` does.
    pub cluster: Option<PreseedCluster>,
}

/// A network of a preseed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProjectNetwork {
    /// Its name.
    pub name: String,
    /// Its project; `default` if empty.
    pub project: String,
    /// `bridge` if empty.
    #[serde(rename = "type")]
    pub kind: String,
    /// Free text.
    pub description: String,
    /// Such as `ipv4.address`.
    #[serde(deserialize_with = "config")]
    pub config: Config,
}

/// A storage pool of a preseed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PreseedPool {
    /// Its name.
    pub name: String,
    /// `dir`, `zfs`...
    pub driver: String,
    /// Free text.
    pub description: String,
    /// Such as `source`.
    #[serde(deserialize_with = "config")]
    pub config: Config,
}

/// A custom storage volume of a preseed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PreseedVolume {
    /// Its name.
    pub name: String,
    /// Its pool.
    pub pool: String,
    /// Its project; `default` if empty.
    pub project: String,
    /// `custom`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `filesystem` if empty.
    pub content_type: String,
    /// Free text.
    pub description: String,
    /// Such as `size`.
    #[serde(deserialize_with = "config")]
    pub config: Config,
}

/// A profile of a preseed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PreseedProfile {
    /// Its name.
    pub name: String,
    /// Its project; `default` if empty.
    pub project: String,
    /// Free text.
    pub description: String,
    /// Instance configuration.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// Instance devices.
    #[serde(deserialize_with = "devices")]
    pub devices: Devices,
}

/// A project of a preseed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PreseedProject {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Such as `features.images`.
    #[serde(deserialize_with = "config")]
    pub config: Config,
}

/// The cluster part of a preseed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PreseedCluster {
    /// Whether it is to be a cluster.
    pub enabled: bool,
    /// The member's name (a token holds it as well).
    pub server_name: String,
    /// Where a joining member listens for the others: `HOST:PORT`.
    pub server_address: String,
    /// A member of the cluster to be joined; empty where a new one is begun, or there is a token.
    pub cluster_address: String,
    /// The certificate of the cluster to be joined, in PEM; not needed with a token.
    pub cluster_certificate: String,
    /// The password of the cluster to be joined.
    #[serde(skip_serializing)]
    pub cluster_password: Option<SecretString>,
    /// The token by which one is to be joined.
    #[serde(skip_serializing)]
    pub cluster_token: Option<SecretString>,
    /// What a joining member says of the cluster's pools and networks.
    #[serde(deserialize_with = "nullable")]
    pub member_config: Vec<MemberConfig>,
}

impl PreseedCluster {
    /// Whether it is one that stands already.
    pub(super) fn joins(&self) -> bool {
        self.token().is_some() || !self.cluster_address.is_empty()
    }

    pub(super) fn token(&self) -> Option<&SecretString> {
        let given = |t: &&SecretString| !t.expose_secret().is_empty();
        self.cluster_token.as_ref().filter(given)
    }

    /// The member's name.
    pub(super) fn name(&self) -> Result<String> {
        match self.token() {
            Some(token) if self.server_name.is_empty() => {
                let token: TrustToken = token.expose_secret().parse()?;
                Ok(token.server_name().to_owned())
            }
            _ => Ok(self.server_name.clone()),
        }
    }
}

impl PreseedCluster {
    /// What is to be sent to join.
    pub(super) async fn join(&self, proxy: Option<&url::Url>) -> Result<ClusterJoin> {
        let at = |address: &str| match address.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V6(ip)) => format!("[{ip}]:8443"),
            _ if address.rsplit_once(':').is_some() => address.to_owned(),
            _ => format!("{address}:8443"),
        };
        let here = at(&self.server_address);
        let join = match self.token() {
            Some(token) => ClusterJoin::by_token(token, here, proxy).await?,
            None => ClusterJoin::by_secret(
                self.name()?,
                here,
                at(&self.cluster_address),
                self.cluster_certificate.clone(),
                self.cluster_password.clone().unwrap_or_default(),
            ),
        };
        Ok(join.member_config(self.member_config.clone()))
    }
}

impl Preseed {
    /// Reads a preseed document.
    ///
    /// # Errors
    /// If it is not YAML, or holds a key that a preseed has not.
    pub fn from_yaml(text: &str) -> Result<Self> {
        let read: Option<Self> = serde_saphyr::from_str(text)
            .map_err(|e| Error::invalid("reading the preseed", e.to_string()))?;
        Ok(read.unwrap_or_default())
    }
}

/// Configuration keys whose values are secrets: LXD never tells them again, nor do we.
pub(crate) fn is_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    last.contains("password") || last.contains("secret") || last.ends_with("_key")
}

impl fmt::Debug for Preseed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config: Config = self
            .config
            .iter()
            .map(|(k, v)| {
                (
                    k.clone(),
                    if is_secret(k) {
                        "***".into()
                    } else {
                        v.clone()
                    },
                )
            })
            .collect();
        f.debug_struct("Preseed")
            .field("config", &config)
            .field("networks", &self.networks)
            .field("storage_pools", &self.storage_pools)
            .field("storage_volumes", &self.storage_volumes)
            .field("profiles", &self.profiles)
            .field("projects", &self.projects)
            .field("cluster", &self.cluster)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_documents_people_have() {
        let preseed = Preseed::from_yaml(
            "config:\n  core.https_address: '[::]:8443'\n  core.trust_password: hunter2\n  images.auto_update_interval: 6\n  core.proxy_ignore_hosts: yes\nnetworks: []\nstorage_pools:\n- config: {}\n  description: \"\"\n  name: default\n  driver: dir\nprofiles:\n- config:\n    limits.cpu: 2\n    boot.autostart: true\n  devices:\n    eth0:\n      name: eth0\n      nictype: bridged\n      parent: br0\n      type: nic\n      vlan: 0755\n  name: default\nprojects: null\ncluster: null\n",
        )
        .unwrap();
        assert_eq!(preseed.config["images.auto_update_interval"], "6");
        assert_eq!(preseed.profiles[0].config["limits.cpu"], "2");
        assert_eq!(preseed.profiles[0].config["boot.autostart"], "true");
        assert!(preseed.projects.is_empty());
        assert!(!format!("{preseed:?}").contains("hunter2"));
        assert_eq!(preseed.profiles[0].devices["eth0"]["vlan"], "0755");
        assert!(Preseed::from_yaml("netwroks: []\n").is_err());
        let empty = Preseed::from_yaml("").unwrap();
        assert_eq!(format!("{empty:?}"), format!("{:?}", Preseed::default()));
    }
}
