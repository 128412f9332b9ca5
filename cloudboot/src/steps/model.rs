//! Stage 14b: The model that the cloud lives in, and the official client's files with it.
//!
//! The thesis: `create_model()`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use juju_client::Client as Juju;
use juju_client::api::models::{DestroyModel, NewModel};
use maas_client::MachineFilter;
use secrecy::ExposeSecret as _;

use super::client_store;
use super::controller_access::{held, maas_key, way_out};
use super::first_config::MachineNetwork;
use super::{Attempt as _, Site, create, created};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId, Undo};

/// The model that the cloud lives in.
pub struct Model {
    pub(super) site: Arc<Site>,
}

impl Model {
    /// The model's configuration: the file's, and the space that unbound endpoints go to. Without one they go to
    /// `alpha`, which has no subnet on MAAS, and machines fail.
    fn settings(&self, network: &MachineNetwork) -> BTreeMap<String, serde_json::Value> {
        let mut settings = way_out(&self.site);
        if !network.space.is_empty() && network.space != "undefined" {
            settings.insert("default-space".to_owned(), network.space.clone());
        }
        let mut settings: BTreeMap<String, serde_json::Value> = settings
            .into_iter()
            .map(|(key, value)| (key, value.into()))
            .collect();
        settings.extend(self.site.config.juju.model.config.clone());
        settings
    }

    /// The cloud and the credential on the controller: a bootstrap brings them, an adopted controller may not have them.
    async fn ensure_credential(&self, controller: &Juju, cx: &Context) -> Result<(), Error> {
        let juju = &self.site.config.juju;
        let clouds = controller
            .cloud()
            .list()
            .await
            .attempt("list Juju's clouds")?;
        if !clouds.contains_key(&juju.cloud.name) {
            create(cx, &format!("cloud {}", juju.cloud.name)).await?;
            let cloud = juju_client::api::cloud::Cloud::maas(juju.cloud.endpoint.as_str());
            controller
                .cloud()
                .add(&juju.cloud.name, &cloud, true)
                .await
                .attempt(&format!("add the cloud {}", juju.cloud.name))?;
        }
        let known = controller
            .cloud()
            .credentials(&juju.cloud.name)
            .await
            .attempt("list Juju's credentials")?;
        if !known.contains(&juju.credential.name) {
            let key = maas_key(&self.site, cx).await?;
            create(cx, &format!("credential {}", juju.credential.name)).await?;
            let credential =
                juju_client::api::cloud::CloudCredential::maas(key.expose().expose_secret());
            let updated = controller
                .cloud()
                .update_credential(&juju.cloud.name, &juju.credential.name, &credential)
                .await;
            updated.attempt(&format!("add the credential {}", juju.credential.name))?;
        }
        Ok(())
    }

    async fn create(
        &self,
        controller: &Juju,
        network: &MachineNetwork,
        maas: &maas_client::Client,
        cx: &Context,
    ) -> Result<juju_client::ModelUuid, Error> {
        let juju = &self.site.config.juju;
        // CreateModel on a MAAS that does not answer blocks for minutes and leaves a model that can't be destroyed.
        maas.version()
            .await
            .attempt("see whether MAAS answers before the model is made")?;
        self.ensure_credential(controller, cx).await?;
        create(cx, &format!("model {}", juju.model.name)).await?;
        let mut new = NewModel::new(&juju.model.name).on(&juju.cloud.name, &juju.credential.name);
        for (key, value) in self.settings(network) {
            new = new.set(key, value);
        }
        let attempted = format!("create the model {}", juju.model.name);
        let made = controller.models().create(&new).await.attempt(&attempted)?;
        made.uuid.parse().attempt(&attempted)
    }

    async fn find(&self, controller: &Juju) -> Result<Option<Juju>, Error> {
        let name = &self.site.config.juju.model.name;
        let Some(uuid) = controller
            .models()
            .find(name)
            .await
            .attempt("list the models")?
        else {
            return Ok(None);
        };
        controller
            .open_model(&uuid)
            .await
            .attempt(&format!("open the model {name}"))
            .map(Some)
    }
}

#[async_trait]
impl Step for Model {
    type Needs = (Juju, MachineNetwork, maas_client::Client);
    /// Connected to the model.
    type Output = Juju;

    fn id(&self) -> StepId {
        "juju.model".into()
    }

    fn about(&self) -> String {
        format!("make the model {}", self.site.config.juju.model.name)
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("juju.model", Deadline::minutes(5, 15))
    }

    async fn observe(
        &self,
        (controller, _, _): &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<Juju>, Error> {
        let name = &self.site.config.juju.model.name;
        let Some(model) = self.find(controller).await? else {
            return Ok(Observation::absent(format!("there is no model {name}")));
        };
        if let (Some(access), Some(uuid)) = (held(&self.site, cx).await?, model.model_uuid())
            && !client_store::is_written(&self.site, access, controller, &uuid)
        {
            return Ok(Observation::absent(format!(
                "the juju client's files in {} do not have it",
                client_store::folder(&self.site).display()
            )));
        }
        Ok(Observation::Satisfied(model))
    }

    async fn apply(
        &self,
        (controller, network, maas): &Self::Needs,
        cx: &Context,
    ) -> Result<(), Error> {
        let name = &self.site.config.juju.model.name;
        let uuid = match controller
            .models()
            .find(name)
            .await
            .attempt("list the models")?
        {
            Some(uuid) => uuid,
            None => self.create(controller, network, maas, cx).await?,
        };
        if let Some(access) = held(&self.site, cx).await? {
            let key = maas_key(&self.site, cx).await?;
            cx.intend("write the juju client's files").await?;
            client_store::write(&self.site, access, controller, &uuid, &key)?;
        }
        Ok(())
    }

    async fn undo(&self, (controller, _, maas): &Self::Needs, cx: &Context) -> Result<Undo, Error> {
        let name = &self.site.config.juju.model.name;
        if !cx.own_intents().is_empty() {
            client_store::remove(&self.site)?;
        }
        if !created(cx, &format!("model {name}")) {
            return Ok(Undo::kept(format!("the model {name} was there before")));
        }
        let Some(uuid) = controller
            .models()
            .find(name)
            .await
            .attempt("list the models")?
        else {
            super::vault::retire(cx).await?;
            return Ok(Undo::NothingToDo);
        };
        cx.intend(format!("destroy model {name}")).await?;
        controller
            .models()
            .destroy(&uuid, DestroyModel::default())
            .await
            .attempt(&format!("destroy the model {name}"))?;
        // Its absence from the list is the only sure sign.
        cx.wait(
            format!("the model {name} to be gone"),
            self.site.deadline("juju.model", Deadline::minutes(30, 60)),
            async || {
                let there = controller
                    .models()
                    .find(name)
                    .await
                    .attempt("list the models")?
                    .is_some();
                if !there {
                    return Ok(Polled::Done(()));
                }
                // How many MAAS still holds for it: what changes while it goes on.
                let filter = MachineFilter::new().agent_name(uuid.to_string());
                Ok(Polled::pending(match maas.machines().list(&filter).await {
                    Ok(held) if held.is_empty() => "its machines are released".to_owned(),
                    Ok(held) => format!("{} machines are still to be released", held.len()),
                    Err(_) => "its machines are being released".to_owned(),
                }))
            },
        )
        .await?;
        // Its Vault and Keystone are gone with it. Keys that opened something once are put aside, not destroyed.
        super::vault::retire(cx).await?;
        Ok(Undo::removed(format!(
            "the model {name} with its applications and machines"
        )))
    }
}
