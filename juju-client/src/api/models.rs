//! The facades `ModelManager` (on the controller's connection) and `ModelConfig` (on a model's).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::status::{Life, Status, WorkloadStatus};
use super::{ErrorResult, OneResult, Results, nullable, single};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::ids::{ModelUuid, check_name};

/// A model in a list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ModelSummary {
    /// Name without owner.
    pub name: String,
    /// The owner (3.x) or qualifier (4.x), `admin`.
    pub qualifier: String,
    /// Its UUID.
    pub uuid: String,
    /// `iaas` or `caas`.
    pub kind: String,
}

/// A model in full.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Name without owner.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// `iaas` or `caas`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The controller's UUID.
    pub controller_uuid: String,
    /// Whether it is the controller's own model.
    pub is_controller: bool,
    /// `maas`.
    #[serde(deserialize_with = "nullable")]
    pub provider_type: String,
    /// `cloud-maas`.
    pub cloud_tag: String,
    /// The region.
    #[serde(deserialize_with = "nullable")]
    pub cloud_region: String,
    /// `cloudcred-maas_admin_cred`.
    #[serde(deserialize_with = "nullable")]
    pub cloud_credential_tag: String,
    /// 3.x and ModelManager before 11: `user-admin`.
    #[serde(deserialize_with = "nullable")]
    pub owner_tag: String,
    /// ModelManager 11: `admin`.
    #[serde(deserialize_with = "nullable")]
    pub qualifier: String,
    /// Whether it lives.
    pub life: Life,
    /// Available, or being moved or destroyed.
    pub status: Status<WorkloadStatus>,
    /// Its agents' version.
    #[serde(deserialize_with = "nullable")]
    pub agent_version: String,
}

/// What a new model is to be.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct NewModel {
    /// Its name.
    pub name: String,
    /// The cloud's name; none: the controller's.
    pub cloud: Option<String>,
    /// The cloud's region.
    pub region: Option<String>,
    /// A credential's name, of the logged-in user.
    pub credential: Option<String>,
    /// Model configuration, `default-space` say.
    pub config: BTreeMap<String, Value>,
    /// How long the server may take. On a MAAS cloud it asks MAAS first: look there beforehand, and keep this short.
    pub timeout: Option<Duration>,
}

impl NewModel {
    /// A model of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// On this cloud, with this credential.
    #[must_use]
    pub fn on(mut self, cloud: impl Into<String>, credential: impl Into<String>) -> Self {
        self.cloud = Some(cloud.into());
        self.credential = Some(credential.into());
        self
    }

    /// With this setting.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.config.insert(key.into(), value.into());
        self
    }
}

/// How a model is destroyed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DestroyModel {
    /// Its storage with it.
    pub destroy_storage: bool,
    /// Go on over errors.
    pub force: bool,
}

impl Default for DestroyModel {
    fn default() -> Self {
        Self {
            destroy_storage: true,
            force: false,
        }
    }
}

/// The facade, as [`Client::models`] gives it.
#[derive(Debug, Clone)]
pub struct Models(Client);

/// The facade, as [`Client::model_config`] gives it.
#[derive(Debug, Clone)]
pub struct ModelConfig(Client);

impl Client {
    /// Models, on the controller's connection.
    pub fn models(&self) -> Models {
        Models(self.clone())
    }

    /// The configuration of this connection's model.
    pub fn model_config(&self) -> ModelConfig {
        ModelConfig(self.clone())
    }
}

impl Models {
    /// Makes a model. Its name is checked here: bad ones poison a 4.0 controller.
    ///
    /// The answer can be long in coming (a MAAS that does not answer: for ever). A timeout is *unclear*: look with [`Models::find`].
    ///
    /// # Errors
    /// `is_already_exists()`; the cloud or credential is unknown.
    pub async fn create(&self, new: &NewModel) -> Result<ModelInfo> {
        const OP: &str = "ModelManager.CreateModel";
        check_name("model", &new.name)?;
        if let Some(k) = ["uuid", "name", "type"]
            .iter()
            .find(|k| new.config.contains_key(**k))
        {
            return Err(Error::invalid(OP, format!("{k:?} is not a setting")));
        }
        let version = self.0.negotiate("ModelManager", Some(&[9, 10, 11]), OP)?;
        let mut params = json!({"name": new.name, "config": new.config});
        let user = self.0.user();
        if version >= 11 {
            params["qualifier"] = json!(user);
        } else {
            params["owner-tag"] = json!(format!("user-{user}"));
        }
        if let Some(cloud) = &new.cloud {
            params["cloud-tag"] = json!(format!("cloud-{cloud}"));
        }
        if let Some(region) = &new.region {
            params["region"] = json!(region);
        }
        if let Some(credential) = &new.credential {
            let cloud = new
                .cloud
                .as_deref()
                .ok_or_else(|| Error::invalid(OP, "a credential is given without its cloud"))?;
            params["credential"] = json!(super::cloud::credential_tag(cloud, user, credential));
        }
        self.0
            .call_full(
                "ModelManager",
                version,
                "",
                "CreateModel",
                params,
                new.timeout.unwrap_or(Duration::from_secs(180)),
            )
            .await
    }

    /// The models that the logged-in user sees.
    ///
    /// # Errors
    /// As every call.
    pub async fn list(&self) -> Result<Vec<ModelSummary>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Wire {
            #[serde(default, deserialize_with = "nullable")]
            user_models: Vec<UserModel>,
        }
        #[derive(Deserialize)]
        struct UserModel {
            model: Model,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "kebab-case", default)]
        struct Model {
            name: String,
            qualifier: String,
            owner_tag: String,
            uuid: String,
            #[serde(rename = "type")]
            kind: String,
        }
        let version = self.0.negotiate(
            "ModelManager",
            Some(&[9, 10, 11]),
            "ModelManager.ListModels",
        )?;
        let params = json!({"tag": format!("user-{}", self.0.user())});
        let _ = version;
        let w: Wire = self.0.read("ModelManager", "ListModels", params).await?;
        Ok(w.user_models
            .into_iter()
            .map(|m| ModelSummary {
                qualifier: if m.model.qualifier.is_empty() {
                    m.model
                        .owner_tag
                        .strip_prefix("user-")
                        .unwrap_or(&m.model.owner_tag)
                        .to_owned()
                } else {
                    m.model.qualifier
                },
                name: m.model.name,
                uuid: m.model.uuid,
                kind: m.model.kind,
            })
            .collect())
    }

    /// A model of the logged-in user by name.
    ///
    /// # Errors
    /// As every call; an unknown name is `None`.
    pub async fn find(&self, name: &str) -> Result<Option<ModelUuid>> {
        let user = self.0.user();
        let of_user = self
            .list()
            .await?
            .into_iter()
            .find(|m| m.name == name && (m.qualifier == user || m.qualifier.is_empty()));
        of_user.map(|m| m.uuid.parse()).transpose()
    }

    /// A model in full. A dying one can say `not found` too early: take its absence from [`Models::list`].
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn info(&self, model: &ModelUuid) -> Result<ModelInfo> {
        const OP: &str = "ModelManager.ModelInfo";
        let r: Results<OneResult<ModelInfo>> = self
            .0
            .read(
                "ModelManager",
                "ModelInfo",
                json!({"entities": [{"tag": model.tag()}]}),
            )
            .await?;
        single(r, OP)?.take(OP)
    }

    /// Asks for a model's end; it goes on after the answer.
    ///
    /// # Errors
    /// `is_not_found()`; storage that nobody said should go.
    pub async fn destroy(&self, model: &ModelUuid, how: DestroyModel) -> Result<()> {
        const OP: &str = "ModelManager.DestroyModels";
        let mut one = json!({"model-tag": model.tag(), "destroy-storage": how.destroy_storage});
        if how.force {
            one["force"] = json!(true);
            one["max-wait"] = json!(0);
        }
        let r: Results<ErrorResult> = self
            .0
            .call("ModelManager", "DestroyModels", json!({"models": [one]}))
            .await?;
        super::all_ok(r, OP)
    }
}

/// A default of a cloud's models.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ModelDefault {
    /// Juju's own.
    pub default: Option<Value>,
    /// The controller's, where it was set.
    pub controller: Option<Value>,
    /// By region, where it was set, as it comes.
    #[serde(deserialize_with = "nullable")]
    pub regions: Vec<Value>,
}

impl Models {
    /// The defaults of the models of a cloud.
    ///
    /// # Errors
    /// As every call.
    pub async fn defaults(&self, cloud: &str) -> Result<BTreeMap<String, ModelDefault>> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default, deserialize_with = "nullable")]
            config: BTreeMap<String, ModelDefault>,
            #[serde(default)]
            error: Option<super::WireError>,
        }
        const OP: &str = "ModelManager.ModelDefaultsForClouds";
        let params = json!({"entities": [{"tag": format!("cloud-{cloud}")}]});
        let r: Results<Wire> = self
            .0
            .read("ModelManager", "ModelDefaultsForClouds", params)
            .await?;
        let one = single(r, OP)?;
        ErrorResult { error: one.error }.check(OP)?;
        Ok(one.config)
    }

    /// Sets defaults for models that are made from now on, in a cloud and perhaps in one region of it.
    ///
    /// # Errors
    /// A setting or value that the server does not take.
    pub async fn set_defaults(
        &self,
        cloud: &str,
        region: Option<&str>,
        settings: &BTreeMap<String, Value>,
    ) -> Result<()> {
        const OP: &str = "ModelManager.SetModelDefaults";
        refuse_identity(OP, settings.keys().map(String::as_str))?;
        let mut one = json!({"config": settings, "cloud-tag": format!("cloud-{cloud}")});
        if let Some(r) = region {
            one["cloud-region"] = json!(r);
        }
        let r: Results<ErrorResult> = self
            .0
            .call("ModelManager", "SetModelDefaults", json!({"config": [one]}))
            .await?;
        super::all_ok(r, OP)
    }

    /// Takes such defaults back.
    ///
    /// # Errors
    /// As every call.
    pub async fn unset_defaults(
        &self,
        cloud: &str,
        region: Option<&str>,
        keys: &[&str],
    ) -> Result<()> {
        let mut one = json!({"cloud-tag": format!("cloud-{cloud}"), "keys": keys});
        if let Some(r) = region {
            one["cloud-region"] = json!(r);
        }
        let r: Results<ErrorResult> = self
            .0
            .call("ModelManager", "UnsetModelDefaults", json!({"keys": [one]}))
            .await?;
        super::all_ok(r, "ModelManager.UnsetModelDefaults")
    }

    /// Gives a user access (`read`, `write`, `admin`) to a model.
    ///
    /// # Errors
    /// An unknown user; the user has it already.
    pub async fn grant(&self, model: &ModelUuid, user: &str, access: &str) -> Result<()> {
        self.access(model, user, "grant", access).await
    }

    /// Takes a user's access away.
    ///
    /// # Errors
    /// An unknown user.
    pub async fn revoke(&self, model: &ModelUuid, user: &str, access: &str) -> Result<()> {
        self.access(model, user, "revoke", access).await
    }

    async fn access(
        &self,
        model: &ModelUuid,
        user: &str,
        action: &str,
        access: &str,
    ) -> Result<()> {
        let params = json!({"changes": [{"user-tag": format!("user-{user}"), "action": action, "access": access, "model-tag": model.tag()}]});
        let r: Results<ErrorResult> = self
            .0
            .call("ModelManager", "ModifyModelAccess", params)
            .await?;
        super::all_ok(r, "ModelManager.ModifyModelAccess")
    }
}

/// `uuid`, `name` and `type` are no settings: a 4.0 server would take them and damage the model.
fn refuse_identity<'a>(operation: &str, mut keys: impl Iterator<Item = &'a str>) -> Result<()> {
    match keys.find(|k| ["uuid", "name", "type"].contains(k)) {
        Some(k) => Err(Error::invalid(
            operation,
            format!("{k:?} cannot be set: it would damage the model"),
        )),
        None => Ok(()),
    }
}

impl ModelConfig {
    /// What every machine of the model must have.
    ///
    /// # Errors
    /// As every call.
    pub async fn constraints(&self) -> Result<crate::bundle::Constraints> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default, deserialize_with = "nullable")]
            constraints: crate::bundle::Constraints,
        }
        let w: Wire = self
            .0
            .read("ModelConfig", "GetModelConstraints", json!({}))
            .await?;
        Ok(w.constraints)
    }

    /// Sets what every machine of the model must have.
    ///
    /// # Errors
    /// A constraint that the server does not take.
    pub async fn set_constraints(&self, constraints: &crate::bundle::Constraints) -> Result<()> {
        let params = json!({"application": "", "constraints": constraints});
        self.0
            .call::<Value>("ModelConfig", "SetModelConstraints", params)
            .await
            .map(drop)
    }

    /// Every setting with its value.
    ///
    /// # Errors
    /// As every call.
    pub async fn get(&self) -> Result<BTreeMap<String, Value>> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default, deserialize_with = "nullable")]
            config: BTreeMap<String, Setting>,
        }
        #[derive(Deserialize)]
        struct Setting {
            #[serde(default)]
            value: Value,
        }
        let w: Wire = self.0.read("ModelConfig", "ModelGet", json!({})).await?;
        Ok(w.config.into_iter().map(|(k, v)| (k, v.value)).collect())
    }

    /// Changes settings. `uuid`, `name` and `type` are refused here: a 4.0 server would take and change them.
    ///
    /// # Errors
    /// A setting or value that the server does not take.
    pub async fn set(&self, settings: &BTreeMap<String, Value>) -> Result<()> {
        const OP: &str = "ModelConfig.ModelSet";
        refuse_identity(OP, settings.keys().map(String::as_str))?;
        self.0
            .call::<Value>("ModelConfig", "ModelSet", json!({"config": settings}))
            .await
            .map(drop)
    }

    /// Back to the defaults.
    ///
    /// # Errors
    /// As every call.
    pub async fn unset(&self, keys: &[&str]) -> Result<()> {
        self.0
            .call::<Value>("ModelConfig", "ModelUnset", json!({"keys": keys}))
            .await
            .map(drop)
    }
}
