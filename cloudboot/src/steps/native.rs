//! Juju 4.x bootstrapped natively: one user data for the Juju machine, and no client anywhere.
//!
//! What must not be lost (UUIDs, the one-time key, both passwords) is in the secret store before MAAS is asked for
//! anything. The first password and the first MAAS key have been in the user data, so they count as seen: both are
//! replaced right after the first login, and only then the access is kept.

use std::sync::Arc;

use maas_client::{
    AllocateParams, Client as Maas, DeployParams, Machine, MachineFilter, NodeStatus, Pairs,
    SystemId,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::controller_access::way_out;
use super::{Attempt as _, Site, create};
use crate::engine::{Context, Deadline, Error};
use crate::juju_bootstrap::{
    self, Agent, Bootstrap, Charm, Cloud, GivenKeys, Keys, MaasCloud, ProofKey, agents,
};

/// How often a machine whose deployment failed is deployed in one run.
const DEPLOYMENTS: u32 = 3;

/// What is begun and not yet in our hands, in the secret store.
const BEGUN: &str = "juju-bootstrap";

/// A bootstrap under way.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) controller_uuid: String,
    model_uuid: String,
    pub(super) agent: Agent,
    /// In the user data, and worth nothing after the first login.
    pub(super) first_password: String,
    /// The administrator's from then on.
    pub(super) password: String,
    /// The one-time key, in hexadecimal.
    pub(super) proof: String,
    /// The CA, once it is pinned.
    pub(super) ca_cert: Option<String>,
    /// Why its machine will not become a controller any more: it is given back, and all of this is chosen anew.
    pub(super) given_up: Option<String>,
    /// How many deployments failed in this run before this one.
    #[serde(default)]
    failed: u32,
}

/// The bootstrap onto the Juju machine.
pub(super) struct Native {
    pub(super) site: Arc<Site>,
    pub(super) maas: Maas,
    pub(super) lxd: lxd_client::Client,
    pub(super) machine: SystemId,
}

fn password() -> String {
    use base64::Engine as _;
    let bytes: [u8; 18] = rand::random();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(super) async fn begun(cx: &Context) -> Result<Option<Begun>, Error> {
    let Some(secret) = cx.secrets().get(BEGUN).await? else {
        return Ok(None);
    };
    serde_json::from_str(secret.expose_secret())
        .map(Some)
        .map_err(|error| {
            Error::needs_operator(
                format!("read the secret {BEGUN}"),
                format!("line {}: not what we keep", error.line()),
            )
            .next("release the Juju machine in MAAS, remove that secret, and run again")
        })
}

pub(super) async fn note(begun: &Begun, cx: &Context) -> Result<(), Error> {
    let text = serde_json::to_string(begun)
        .map_err(|error| Error::terminal("keep what the bootstrap needs", error.to_string()))?;
    cx.secrets().put(BEGUN, &SecretString::from(text)).await
}

/// Whether a bootstrap was begun whose first password and key may still hold.
pub(super) async fn is_begun(cx: &Context) -> Result<bool, Error> {
    Ok(cx.secrets().get(BEGUN).await?.is_some())
}

impl Native {
    pub(super) fn new(
        site: &Arc<Site>,
        maas: &Maas,
        lxd: &lxd_client::Client,
        machine: &SystemId,
    ) -> Self {
        Self {
            site: Arc::clone(site),
            maas: maas.clone(),
            lxd: lxd.project(&site.config.vm_host.project),
            machine: machine.clone(),
        }
    }

    /// MAAS's name for the key that is in the user data.
    fn first_key_name(&self) -> String {
        format!("cloudboot-{}-juju-first", self.site.config.deployment)
    }

    /// Begins, or goes on with what was begun, to a controller whose access is kept.
    pub(super) async fn bootstrap(&self, cx: &Context, deadline: Deadline) -> Result<(), Error> {
        loop {
            let mut begun = self.begin(cx).await?;
            if begun.ca_cert.is_none() {
                self.deploy(&begun, cx).await?;
                if let Err(why) = self.await_deployed(cx, deadline).await? {
                    self.deploy_again(begun, why, cx).await?;
                    continue;
                }
                let ca = self.await_contact(&mut begun, cx, deadline).await?;
                begun.ca_cert = Some(ca);
                note(&begun, cx).await?;
            }
            return self.take_over(&begun, cx, deadline).await;
        }
    }

    /// A deployment failed: a disk or a download that is well the next time. Not for ever, though.
    async fn deploy_again(&self, mut begun: Begun, why: String, cx: &Context) -> Result<(), Error> {
        let hostname = &self.site.config.juju_vm.hostname;
        begun.failed += 1;
        let told = format!("{why}{}", self.last_event().await.unwrap_or_default());
        if begun.failed < DEPLOYMENTS {
            tracing::warn!(machine = %hostname, %told, "the deployment failed: it is given back and deployed anew");
            return self.give_up(&mut begun, &why, cx).await;
        }
        // The next run may try as often again.
        begun.failed = 0;
        self.give_up(&mut begun, &why, cx).await?;
        Err(Error::terminal(
            format!("deploy {hostname}"),
            format!("{told}; so it was {DEPLOYMENTS} times"),
        )
        .next("look at its installation log in MAAS, then run again: the machine is given back and deployed anew"))
    }

    /// What the bootstrap needs, durable before it is used.
    async fn begin(&self, cx: &Context) -> Result<Begun, Error> {
        let failed = match begun(cx).await? {
            Some(found) if found.given_up.is_none() => return Ok(found),
            Some(found) => {
                self.give_back(cx).await?;
                found.failed
            }
            None => 0,
        };
        let uuid = || uuid::Uuid::new_v4().to_string();
        let begun = Begun {
            controller_uuid: uuid(),
            model_uuid: uuid(),
            agent: self.agent().await?,
            first_password: password(),
            password: password(),
            proof: hex::encode(ProofKey::new().expose()),
            ca_cert: None,
            given_up: None,
            failed,
        };
        cx.intend("choose the controller's UUIDs and first secrets")
            .await?;
        note(&begun, cx).await?;
        Ok(begun)
    }

    /// The agent's archive: the configuration's, else the channel's newest in Juju's streams or their mirror.
    async fn agent(&self) -> Result<Agent, Error> {
        let juju = &self.site.config.juju;
        if let Some(own) = &juju.controller.agent {
            return Ok(Agent::new(
                &own.version,
                own.url.clone(),
                &own.sha256,
                own.size,
            ));
        }
        let base = match &self.site.config.mirrors.juju_agents {
            Some(mirror) => mirror.clone(),
            None => agents::STREAMS.parse().map_err(|error: url::ParseError| {
                Error::terminal("read the address of Juju's streams", error.to_string())
            })?,
        };
        let channel = &juju.channel;
        let stream = match channel.risk.as_str() {
            "stable" | "candidate" => "released",
            _ => "devel",
        };
        let mut reach = self.site.reach();
        if reach.proxy.is_none() {
            let proxy = &self.site.config.proxy;
            reach.proxy = proxy.https.clone().or_else(|| proxy.http.clone());
        }
        agents::find(&base, stream, &channel.track, &reach).await
    }

    /// The key for the user data: one of its own, so that it can be deleted alone.
    async fn first_key(&self, cx: &Context) -> Result<maas_client::ApiKey, Error> {
        let name = self.first_key_name();
        let attempted = format!("make the API key {name}");
        let known = self.maas.account().tokens().await.attempt(&attempted)?;
        if let Some((_, key)) = known.into_iter().find(|(token, _)| token.name == name) {
            return Ok(key);
        }
        create(cx, &format!("API key {name}")).await?;
        self.maas
            .account()
            .create_token(Some(&name))
            .await
            .attempt(&attempted)
    }

    /// Deletes the first key. Says whether there was one.
    pub(super) async fn delete_first_key(&self, cx: &Context) -> Result<bool, Error> {
        let name = self.first_key_name();
        let attempted = format!("delete the API key {name}");
        let known = self.maas.account().tokens().await.attempt(&attempted)?;
        let mut there = false;
        for (_, key) in known.iter().filter(|(token, _)| token.name == name) {
            cx.intend(attempted.clone()).await?;
            self.maas
                .account()
                .delete_token(key.token())
                .await
                .attempt(&attempted)?;
            there = true;
        }
        Ok(there)
    }

    pub(super) async fn read(&self) -> Result<Machine, Error> {
        self.maas
            .machines()
            .read(&self.machine)
            .await
            .attempt("read the Juju machine")
    }

    /// Whether MAAS holds the machine for this controller.
    pub(super) async fn is_ours(&self, begun: &Begun) -> Result<bool, Error> {
        let filter = MachineFilter::new()
            .agent_name(begun.model_uuid.clone())
            .id(vec![self.machine.clone()]);
        let found = self.maas.machines().list(&filter).await;
        Ok(!found.attempt("look whose the Juju machine is")?.is_empty())
    }

    /// Has MAAS deploy the machine, unless it does already.
    async fn deploy(&self, begun: &Begun, cx: &Context) -> Result<(), Error> {
        let juju = &self.site.config.juju;
        let hostname = &self.site.config.juju_vm.hostname;
        let machine = self.read().await?;
        let ready = machine.status == NodeStatus::Ready;
        if !ready && !self.is_ours(begun).await? {
            return Err(Error::needs_operator(
                format!("deploy {hostname} as Juju's controller"),
                format!(
                    "it is {} and not held for this controller",
                    machine.status_name
                ),
            )
            .next("release it in MAAS if nobody needs it, and run again"));
        }
        if !ready && machine.status != NodeStatus::Allocated {
            return Ok(());
        }
        // Before it is allocated: what would stop it stops it here.
        let bootstrap = self.describe(begun, &machine, cx).await?;
        bootstrap.check()?;
        if ready {
            create(cx, &format!("controller {}", juju.bootstrap.name)).await?;
            let wanted = AllocateParams::new()
                .system_id(self.machine.clone())
                .agent_name(begun.model_uuid.clone())
                .comment(cx.owner_mark());
            self.maas
                .machines()
                .allocate(&wanted)
                .await
                .attempt(&format!("allocate {hostname}"))?;
        }
        let user_data = juju_bootstrap::render(&bootstrap).to_cloud_config();
        cx.intend(format!("deploy {hostname} as Juju's controller"))
            .await?;
        // Juju's kill-controller looks for these.
        let owner = Pairs::new()
            .with("juju-controller-uuid", &begun.controller_uuid)
            .with("juju-model-uuid", &begun.model_uuid)
            .with("juju-is-controller", "true");
        self.maas
            .machines()
            .set_owner_data(&self.machine, &owner)
            .await
            .attempt(&format!("mark {hostname} as Juju's"))?;
        let wanted = DeployParams::new()
            .distro_series(juju.bootstrap.series.clone())
            .cloud_config(user_data.expose_secret());
        self.maas
            .machines()
            .deploy(&self.machine, &wanted)
            .await
            .attempt(&format!("deploy {hostname}"))
            .map(drop)
    }

    async fn describe(
        &self,
        begun: &Begun,
        machine: &Machine,
        cx: &Context,
    ) -> Result<Bootstrap, Error> {
        let config = &self.site.config;
        let juju = &config.juju;
        let keys = match self.given_keys() {
            Some(given) => Keys::Given(Box::new(given)),
            None => Keys::OnMachine(ProofKey::from_hex(&begun.proof).ok_or_else(|| {
                Error::needs_operator(
                    format!("read the secret {BEGUN}"),
                    "its one-time key is not 32 bytes",
                )
            })?),
        };
        let cloud = Cloud::Maas(MaasCloud {
            name: juju.cloud.name.clone(),
            endpoint: juju.cloud.endpoint.clone(),
            credential: juju.credential.name.clone(),
            api_key: self.first_key(cx).await?.expose(),
        });
        let mut wanted = Bootstrap::new(
            &juju.bootstrap.name,
            begun.agent.clone(),
            cloud,
            self.machine.as_str(),
            begun.first_password.clone().into(),
            keys,
        );
        wanted.controller_uuid.clone_from(&begun.controller_uuid);
        wanted.model_uuid.clone_from(&begun.model_uuid);
        wanted.charm = match &juju.controller.charm {
            Some(file) => Charm::File {
                url: file.url.clone(),
                sha256: file.sha256.clone(),
            },
            None => Charm::Store {
                track: begun.agent.track(),
                risk: juju.channel.risk.as_str().to_owned(),
            },
        };
        wanted.charmhub.clone_from(&config.mirrors.charm_store);
        wanted.settings = way_out(&self.site)
            .into_iter()
            .map(|(key, value)| (key, value.into()))
            .collect();
        wanted.authorized_keys = self.authorized_keys().await;
        wanted.hardware = (u64::from(machine.cpu_count), machine.memory);
        wanted.proxy = (config.proxy.http.clone(), config.proxy.https.clone());
        Ok(wanted)
    }

    /// The controller's keys, where the configuration gives them.
    pub(super) fn given_keys(&self) -> Option<GivenKeys> {
        let keys = self.site.config.juju.controller.keys.as_ref()?;
        Some(GivenKeys {
            ca_cert: keys.ca.clone(),
            ca_key: keys.ca_key.clone(),
            cert: keys.cert.clone(),
            key: keys.key.clone(),
        })
    }

    /// The key that MAAS gives to machines opens the controller as well: what goes wrong there can be looked at.
    async fn authorized_keys(&self) -> Vec<String> {
        let keys = self.maas.ssh_keys().list().await.unwrap_or_default();
        keys.into_iter().map(|key| key.key).collect()
    }

    /// This machine will not become the controller any more.
    pub(super) async fn give_up(
        &self,
        begun: &mut Begun,
        why: &str,
        cx: &Context,
    ) -> Result<(), Error> {
        begun.given_up = Some(why.to_owned());
        note(begun, cx).await
    }

    /// Forgets what only the bootstrap needed.
    pub(super) async fn forget(&self, cx: &Context) -> Result<(), Error> {
        cx.secrets().remove(BEGUN).await.map(drop)
    }
}
