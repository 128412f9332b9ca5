//! The facade `Cloud`: clouds and credentials. On the controller's connection.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ErrorResult, Results, nullable, single};
use crate::client::Client;
use crate::error::Result;
use crate::ids::check_name;

/// A cloud that a controller knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Cloud {
    /// `maas`, `lxd`, `openstack`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `oauth1` for MAAS.
    #[serde(deserialize_with = "nullable")]
    pub auth_types: Vec<String>,
    /// The API's URL.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub endpoint: String,
    /// Regions.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// CA certificates in PEM, where the cloud's are not public.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub ca_certificates: Vec<String>,
    /// Whether the controller itself lives there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_controller_cloud: bool,
}

/// A region of a cloud.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// Its API's URL.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub endpoint: String,
}

impl Cloud {
    /// A MAAS, by the URL that ends in `/MAAS`.
    pub fn maas(endpoint: impl Into<String>) -> Self {
        Self {
            kind: "maas".into(),
            auth_types: vec!["oauth1".into()],
            endpoint: endpoint.into(),
            ..Self::default()
        }
    }
}

/// A cloud's credential.
#[derive(Debug, Clone)]
pub struct CloudCredential {
    /// `oauth1`.
    pub auth_type: String,
    /// `maas-oauth`, say. Secret.
    pub attrs: BTreeMap<String, SecretString>,
}

impl CloudCredential {
    /// MAAS's API key, `consumer:token:secret`.
    pub fn maas(api_key: impl Into<String>) -> Self {
        Self {
            auth_type: "oauth1".into(),
            attrs: [("maas-oauth".to_owned(), SecretString::from(api_key.into()))].into(),
        }
    }

    fn wire(&self) -> serde_json::Value {
        let attrs: BTreeMap<_, _> = self
            .attrs
            .iter()
            .map(|(k, v)| (k, v.expose_secret()))
            .collect();
        json!({"auth-type": self.auth_type, "attrs": attrs})
    }
}

/// `cloudcred-<cloud>_<user>_<name>`.
pub fn credential_tag(cloud: &str, user: &str, name: &str) -> String {
    format!("cloudcred-{cloud}_{user}_{name}")
}

/// The facade, as [`Client::cloud`] gives it.
#[derive(Debug, Clone)]
pub struct Clouds(Client);

impl Client {
    /// Clouds and credentials.
    pub fn cloud(&self) -> Clouds {
        Clouds(self.clone())
    }
}

impl Clouds {
    /// All clouds by name.
    ///
    /// # Errors
    /// As every call.
    pub async fn list(&self) -> Result<BTreeMap<String, Cloud>> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(deserialize_with = "nullable", default)]
            clouds: BTreeMap<String, Cloud>,
        }
        let w: Wire = self.0.read("Cloud", "Clouds", json!({})).await?;
        Ok(w.clouds
            .into_iter()
            .map(|(k, v)| (k.strip_prefix("cloud-").unwrap_or(&k).to_owned(), v))
            .collect())
    }

    /// Adds a cloud. `force` is needed where the controller lives on another kind of cloud (code `incompatible clouds`).
    /// The name is checked here: a bad one poisons a 4.0 controller for everybody.
    ///
    /// # Errors
    /// A bad name; `is_already_exists()`; the server's refusal.
    pub async fn add(&self, name: &str, cloud: &Cloud, force: bool) -> Result<()> {
        check_name("cloud", name)?;
        let mut params = json!({"name": name, "cloud": cloud});
        if force {
            params["force"] = json!(true);
        }
        self.0
            .call::<serde_json::Value>("Cloud", "AddCloud", params)
            .await
            .map(drop)
    }

    /// One cloud.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn get(&self, name: &str) -> Result<Cloud> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            cloud: Option<Cloud>,
            #[serde(default)]
            error: Option<super::WireError>,
        }
        const OP: &str = "Cloud.Cloud";
        let params = json!({"entities": [{"tag": format!("cloud-{name}")}]});
        let r: Results<Wire> = self.0.read("Cloud", "Cloud", params).await?;
        let one = single(r, OP)?;
        super::OneResult {
            result: one.cloud,
            error: one.error,
        }
        .take(OP)
    }

    /// Makes a credential of the logged-in user. One of that name is replaced without a look at the models that use it:
    /// [`Clouds::update_credential`] looks.
    ///
    /// # Errors
    /// The cloud is unknown, the attributes are not those of its kind.
    pub async fn add_credential(
        &self,
        cloud: &str,
        name: &str,
        credential: &CloudCredential,
    ) -> Result<()> {
        let tag = credential_tag(cloud, self.0.user(), name);
        let params = json!({"credentials": [{"tag": tag, "credential": credential.wire()}]});
        let r: Results<ErrorResult> = self.0.call("Cloud", "AddCredentials", params).await?;
        super::all_ok(r, "Cloud.AddCredentials")
    }

    /// Forgets a credential of the logged-in user; with `force` even if models use it.
    ///
    /// # Errors
    /// It is in use.
    pub async fn revoke_credential(&self, cloud: &str, name: &str, force: bool) -> Result<()> {
        let tag = credential_tag(cloud, self.0.user(), name);
        let params = json!({"credentials": [{"tag": tag, "force": force}]});
        let r: Results<ErrorResult> = self
            .0
            .call("Cloud", "RevokeCredentialsCheckModels", params)
            .await?;
        super::all_ok(r, "Cloud.RevokeCredentialsCheckModels")
    }

    /// Changes a cloud's definition.
    ///
    /// # Errors
    /// As every call.
    pub async fn update(&self, name: &str, cloud: &Cloud) -> Result<()> {
        const OP: &str = "Cloud.UpdateCloud";
        let r: Results<ErrorResult> = self
            .0
            .call(
                "Cloud",
                "UpdateCloud",
                json!({"clouds": [{"name": name, "cloud": cloud}]}),
            )
            .await?;
        super::all_ok(r, OP)
    }

    /// Forgets a cloud.
    ///
    /// # Errors
    /// Unknown, or in use.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let r: Results<ErrorResult> = self
            .0
            .call(
                "Cloud",
                "RemoveClouds",
                json!({"entities": [{"tag": format!("cloud-{name}")}]}),
            )
            .await?;
        super::all_ok(r, "Cloud.RemoveClouds")
    }

    /// Makes a credential of the logged-in user, or changes it; models that use it are checked against it.
    ///
    /// # Errors
    /// The cloud is unknown, the attributes are not those of its kind.
    pub async fn update_credential(
        &self,
        cloud: &str,
        name: &str,
        credential: &CloudCredential,
    ) -> Result<()> {
        #[derive(Deserialize)]
        struct Updated {
            #[serde(default)]
            error: Option<super::WireError>,
            #[serde(default, deserialize_with = "nullable")]
            models: Vec<ModelCheck>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct ModelCheck {
            #[serde(default)]
            name: String,
            #[serde(default, deserialize_with = "nullable")]
            errors: Vec<ErrorResult>,
        }
        const OP: &str = "Cloud.UpdateCredentialsCheckModels";
        let tag = credential_tag(cloud, self.0.user(), name);
        let params =
            json!({"credentials": [{"tag": tag, "credential": credential.wire()}], "force": false});
        let r: Results<Updated> = self
            .0
            .call("Cloud", "UpdateCredentialsCheckModels", params)
            .await?;
        let one = single(r, OP)?;
        for m in one.models {
            if let Some(e) = m.errors.into_iter().find_map(|e| e.error) {
                return Err(e
                    .into_error(OP)
                    .hint(format!("model {:?} would not work with it", m.name)));
            }
        }
        ErrorResult { error: one.error }.check(OP)
    }

    /// Names of the logged-in user's credentials for a cloud.
    ///
    /// # Errors
    /// As every call.
    pub async fn credentials(&self, cloud: &str) -> Result<Vec<String>> {
        let params = json!({"user-clouds": [{"user-tag": format!("user-{}", self.0.user()), "cloud-tag": format!("cloud-{cloud}")}]});
        let r: Results<super::OneResult<Vec<String>>> =
            self.0.read("Cloud", "UserCredentials", params).await?;
        let one = single(r, "Cloud.UserCredentials")?;
        if let Some(e) = one.error {
            return Err(e.into_error("Cloud.UserCredentials"));
        }
        let prefix = credential_tag(cloud, self.0.user(), "");
        let mut names: Vec<String> = one
            .result
            .unwrap_or_default()
            .into_iter()
            .map(|t| t.strip_prefix(&prefix).map_or(t.clone(), str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    /// The credential's attributes that the server shows, secrets included: for comparing with what is wanted.
    ///
    /// # Errors
    /// `is_not_found()` for an unknown one.
    pub async fn credential(&self, cloud: &str, name: &str) -> Result<CloudCredential> {
        #[derive(Deserialize)]
        struct Wire {
            content: Content,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Content {
            auth_type: String,
            #[serde(default, deserialize_with = "nullable")]
            attrs: BTreeMap<String, SecretString>,
        }
        const OP: &str = "Cloud.CredentialContents";
        let params = json!({"credentials": [{"cloud-name": cloud, "credential-name": name}], "include-secrets": true});
        let r: Results<super::OneResult<Wire>> =
            self.0.read("Cloud", "CredentialContents", params).await?;
        let c = single(r, OP)?.take(OP)?.content;
        Ok(CloudCredential {
            auth_type: c.auth_type,
            attrs: c.attrs,
        })
    }
}
