//! Stage 14: Juju: its client, its controller, the model.
//!
//! The thesis: `juju_install()`, `juju_config()`, `juju_bootstrap()`, `create_model()`.
//!
//! A controller is adopted where the configuration names one. Else Juju 3.x is bootstrapped by a throwaway container
//! on the controller host (`steps/bootstrap.rs`), and Juju 4.x by the Juju machine itself (`steps/native.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use juju_client::api::models::{DestroyModel, NewModel};
use juju_client::{Client as Juju, ControllerAccess, Options};
use maas_client::SystemId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::bootstrap::Container;
use super::client_store;
use super::first_config::MachineNetwork;
use super::native::{self, Native};
use super::{Attempt as _, Site, create, created};
use crate::config::ControllerMode;
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId, Undo};

/// The controller's access in the secret store.
const ACCESS: &str = "juju-controller";

/// [`ControllerAccess`] as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    uuid: String,
    endpoints: Vec<String>,
    ca_cert: String,
    user: String,
    password: String,
    /// The region of its cloud, as it was bootstrapped.
    #[serde(default)]
    region: String,
}

/// How the controller comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Adopt,
    Delegated,
    Native,
}

fn way(site: &Site) -> Way {
    match site.config.juju.controller_mode() {
        ControllerMode::Adopt => Way::Adopt,
        ControllerMode::Native => Way::Native,
        _ => Way::Delegated,
    }
}

/// What we hold of the controller.
async fn held(site: &Site, cx: &Context) -> Result<Option<ControllerAccess>, Error> {
    Ok(match way(site) {
        Way::Adopt => adopted(site),
        Way::Delegated | Way::Native => kept(cx).await?,
    })
}

pub(super) async fn kept(cx: &Context) -> Result<Option<ControllerAccess>, Error> {
    let Some(secret) = cx.secrets().get(ACCESS).await? else {
        return Ok(None);
    };
    let kept: Kept = serde_json::from_str(secret.expose_secret()).map_err(|error| {
        Error::needs_operator(
            format!("read the secret {ACCESS}"),
            format!("line {}: not what we keep", error.line()),
        )
    })?;
    let mut access = ControllerAccess::new(
        kept.name,
        kept.uuid,
        kept.endpoints,
        kept.ca_cert,
        kept.user,
        kept.password.into(),
    );
    access.region = kept.region;
    Ok(Some(access))
}

pub(super) async fn keep(access: &ControllerAccess, cx: &Context) -> Result<(), Error> {
    let kept = Kept {
        name: access.name.clone(),
        uuid: access.uuid.clone(),
        endpoints: access.endpoints.clone(),
        ca_cert: access.ca_cert.clone(),
        user: access.user.clone(),
        password: access.password.expose_secret().to_owned(),
        region: access.region.clone(),
    };
    let text = serde_json::to_string(&kept)
        .map_err(|error| Error::terminal("keep the controller's access", error.to_string()))?;
    cx.secrets().put(ACCESS, &SecretString::from(text)).await
}

fn adopted(site: &Site) -> Option<ControllerAccess> {
    let juju = &site.config.juju;
    let adopt = juju.controller.adopt.as_ref()?;
    Some(ControllerAccess::new(
        juju.bootstrap.name.clone(),
        String::new(),
        adopt.endpoints.clone(),
        adopt.ca.clone(),
        adopt.user.clone(),
        adopt.password.value().clone(),
    ))
}

async fn log_in(site: &Site, access: &ControllerAccess) -> Result<Juju, juju_client::Error> {
    access
        .connect(site.proxy().cloned(), Options::default())
        .await
}

/// The proxies and mirrors of the configuration, as keys of a Juju model.
pub(super) fn way_out(site: &Site) -> BTreeMap<String, String> {
    let (proxy, mirrors) = (&site.config.proxy, &site.config.mirrors);
    let mut settings = BTreeMap::new();
    let mut set = |key: &str, url: &Option<url::Url>| {
        if let Some(url) = url {
            settings.insert(key.to_owned(), url.to_string());
        }
    };
    for (key, url) in [
        ("juju-http-proxy", &proxy.http),
        ("juju-https-proxy", &proxy.https),
        ("apt-http-proxy", &proxy.http),
    ] {
        set(key, url);
    }
    for (key, url) in [
        ("snap-http-proxy", &proxy.http),
        ("snap-https-proxy", &proxy.https),
        ("snap-store-proxy-url", &mirrors.snap),
    ] {
        set(key, url);
    }
    for (key, url) in [
        ("apt-mirror", &mirrors.apt),
        ("agent-metadata-url", &mirrors.juju_agents),
        ("charmhub-url", &mirrors.charm_store),
    ] {
        set(key, url);
    }
    if !proxy.no_proxy.is_empty() {
        settings.insert("juju-no-proxy".to_owned(), proxy.no_proxy.join(","));
    }
    settings
}

/// The key with which Juju talks to MAAS: the configuration's, else ours.
pub(super) async fn maas_key(site: &Site, cx: &Context) -> Result<maas_client::ApiKey, Error> {
    match &site.config.juju.credential.maas_oauth {
        Some(own) => own.expose().parse().attempt("read Juju's MAAS key"),
        None => super::region::kept_key(cx).await,
    }
}

/// The container with the juju client, prepared while the Juju machine is still being composed.
pub struct JujuClient {
    pub(super) site: Arc<Site>,
}

#[async_trait]
impl Step for JujuClient {
    type Needs = (lxd_client::Client, MachineNetwork, ());
    type Output = ();

    fn id(&self) -> StepId {
        "juju.client".into()
    }

    fn about(&self) -> String {
        match way(&self.site) {
            Way::Delegated => format!(
                "install the juju client {} in a throwaway container",
                self.site.config.juju.channel
            ),
            Way::Adopt | Way::Native => "need no juju client".to_owned(),
        }
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("juju.client", Deadline::minutes(30, 45))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(150))
    }

    async fn observe(
        &self,
        (lxd, _, ()): &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<()>, Error> {
        // Its work is done when the controller's access is in our hands.
        if way(&self.site) != Way::Delegated || kept(cx).await?.is_some() {
            return Ok(Observation::Satisfied(()));
        }
        let container = Container::new(&self.site, lxd);
        Ok(if container.is_ready().await? {
            Observation::Satisfied(())
        } else if container.exists().await? {
            Observation::absent(format!(
                "the container {} has no juju client yet",
                container.name()
            ))
        } else {
            Observation::absent(format!("there is no container {}", container.name()))
        })
    }

    async fn apply(&self, (lxd, _, ()): &Self::Needs, cx: &Context) -> Result<(), Error> {
        Container::new(&self.site, lxd)
            .ensure(cx, self.deadline())
            .await
    }

    async fn undo(&self, (lxd, _, ()): &Self::Needs, cx: &Context) -> Result<Undo, Error> {
        let container = Container::new(&self.site, lxd);
        Ok(if container.delete(cx).await? {
            Undo::removed(format!("the container {}", container.name()))
        } else {
            Undo::NothingToDo
        })
    }
}

/// The controller, logged in to.
pub struct Controller {
    pub(super) site: Arc<Site>,
}

#[async_trait]
impl Step for Controller {
    type Needs = (maas_client::Client, lxd_client::Client, SystemId, (), ());
    /// Connected to the controller.
    type Output = Juju;

    fn id(&self) -> StepId {
        "juju.controller".into()
    }

    fn about(&self) -> String {
        let name = &self.site.config.juju.bootstrap.name;
        match way(&self.site) {
            Way::Adopt => format!("adopt the controller {name}"),
            Way::Delegated => format!(
                "bootstrap the controller {name} onto {} with the juju client {}",
                self.site.config.juju_vm.hostname, self.site.config.juju.channel
            ),
            Way::Native => format!(
                "bootstrap the controller {name} natively: {} comes up as it, from one user data with Juju {}",
                self.site.config.juju_vm.hostname, self.site.config.juju.channel
            ),
        }
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("juju.controller", Deadline::minutes(30, 90))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(1210))
    }

    async fn observe(
        &self,
        (_, lxd, machine, (), ()): &Self::Needs,
        cx: &Context,
    ) -> Result<Observation<Juju>, Error> {
        let name = &self.site.config.juju.bootstrap.name;
        if way(&self.site) == Way::Native && native::is_begun(cx).await? {
            return Ok(Observation::absent(
                "the bootstrap is under way, or its first password and key still hold",
            ));
        }
        let access = held(&self.site, cx).await?;
        let Some(access) = access else {
            return Ok(Observation::absent(format!(
                "we hold no access to a controller {name}"
            )));
        };
        // It holds the administrator's password and MAAS's key: a run that was killed before it deleted it has not ended.
        let delegated = matches!(way(&self.site), Way::Delegated);
        if delegated && Container::new(&self.site, lxd).is_left(cx).await? {
            return Ok(Observation::absent(
                "the controller is there, and so is still the container that bootstrapped it",
            ));
        }
        match log_in(&self.site, &access).await {
            Ok(client) => Ok(Observation::Satisfied(client)),
            Err(error) if error.is_unauthorized() => Ok(Observation::needs_operator(format!(
                "the controller {name} refuses the password that we hold: put the right one into the secret {ACCESS}"
            ))),
            Err(error) => Ok(Observation::blocked(format!(
                "the controller {name} on {machine} does not answer: {error}"
            ))),
        }
    }

    async fn apply(
        &self,
        (maas, lxd, machine, (), ()): &Self::Needs,
        cx: &Context,
    ) -> Result<(), Error> {
        if way(&self.site) == Way::Native {
            return Native::new(&self.site, maas, lxd, machine)
                .bootstrap(cx, self.deadline())
                .await;
        }
        let container = Container::new(&self.site, lxd);
        let access = match kept(cx).await? {
            Some(access) => access,
            None => {
                container.ensure(cx, self.deadline()).await?;
                let key = maas_key(&self.site, cx).await?;
                let access = container.bootstrap(&key, cx, self.deadline()).await?;
                keep(&access, cx).await?;
                access
            }
        };
        cx.made("juju-controller", access.uuid.clone()).await?;
        cx.wait("the controller to answer", self.deadline(), async || {
            Ok(match log_in(&self.site, &access).await {
                Ok(_) => Polled::Done(()),
                Err(error) => Polled::pending(error.to_string()),
            })
        })
        .await?;
        container.delete(cx).await.map(drop)
    }

    async fn undo(
        &self,
        (maas, lxd, machine, (), ()): &Self::Needs,
        cx: &Context,
    ) -> Result<Undo, Error> {
        let name = &self.site.config.juju.bootstrap.name;
        if native::is_begun(cx).await? {
            let native = Native::new(&self.site, maas, lxd, machine);
            native.delete_first_key(cx).await?;
            native.forget(cx).await?;
        }
        if !made_controller(cx, name) {
            return Ok(Undo::kept(format!(
                "the controller {name} was there before"
            )));
        }
        let mut removed = Vec::new();
        Container::new(&self.site, lxd).delete(cx).await?;
        if let Some(access) = kept(cx).await? {
            if let Ok(client) = log_in(&self.site, &access).await {
                cx.intend(format!("destroy controller {name}")).await?;
                match client.controller().destroy(true).await {
                    Ok(()) => {}
                    // The connection ends with the controller.
                    Err(error) if error.is_closed() || error.is_unclear() => {}
                    Err(error) => {
                        return Err(error).attempt(&format!("destroy the controller {name}"));
                    }
                }
                removed.push(format!("the controller {name}"));
            }
            cx.secrets().remove(ACCESS).await?;
        }
        // A controller does not release its own machine.
        let found = maas.machines().read(machine).await;
        if found.is_ok_and(|machine| machine.status != maas_client::NodeStatus::Ready) {
            cx.intend(format!("release machine {machine}")).await?;
            let comment = maas_client::ReleaseParams::new().comment(cx.owner_mark());
            maas.machines()
                .release(machine, &comment)
                .await
                .attempt("release the Juju machine")?;
            cx.wait(
                "the Juju machine to be released",
                Deadline::minutes(10, 30),
                async || {
                    Ok(match maas.machines().read(machine).await {
                        Ok(machine) if machine.status != maas_client::NodeStatus::Ready => {
                            Polled::pending(machine.status_name)
                        }
                        Err(error) if !error.is_not_found() => {
                            return Err(error).attempt("read the Juju machine");
                        }
                        _ => Polled::Done(()),
                    })
                },
            )
            .await?;
        }
        Ok(super::removed(removed))
    }
}

fn made_controller(cx: &Context, name: &str) -> bool {
    created(cx, &format!("controller {name}"))
}

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

    async fn undo(&self, (controller, _, _): &Self::Needs, cx: &Context) -> Result<Undo, Error> {
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
            Deadline::minutes(30, 60),
            async || {
                let there = controller
                    .models()
                    .find(name)
                    .await
                    .attempt("list the models")?
                    .is_some();
                Ok(if there {
                    Polled::pending("its machines are being released")
                } else {
                    Polled::Done(())
                })
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
