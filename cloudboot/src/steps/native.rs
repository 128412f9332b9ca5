//! Juju 4.x bootstrapped natively: one user data for the Juju machine, and no client anywhere.
//!
//! What must not be lost (UUIDs, the one-time key, both passwords) is in the secret store before MAAS is asked for
//! anything. The first password and the first MAAS key have been in the user data, so they count as seen: both are
//! replaced right after the first login, and only then the access is kept.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use juju_client::api::cloud::CloudCredential;
use juju_client::{Client as Juju, ControllerAccess, ErrorKind, Options, first_contact};
use maas_client::{
    AllocateParams, Client as Maas, DeployParams, EventParams, Judgement, Machine, MachineFilter,
    MachineGoal, NodeStatus, Pairs, ReleaseParams, SystemId,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::controller::{keep, kept, maas_key, way_out};
use super::{Attempt as _, Site, create};
use crate::engine::{Context, Deadline, Error, Polled};
use crate::juju_bootstrap::{
    self, Agent, Bootstrap, Charm, Cloud, Keys, MaasCloud, PORT, ProofKey, agents, trouble,
};

/// What is begun and not yet in our hands, in the secret store.
const BEGUN: &str = "juju-bootstrap";

/// A bootstrap under way.
#[derive(Clone, Serialize, Deserialize)]
struct Begun {
    controller_uuid: String,
    model_uuid: String,
    agent: Agent,
    /// In the user data, and worth nothing after the first login.
    first_password: String,
    /// The administrator's from then on.
    password: String,
    /// The one-time key, in hexadecimal.
    proof: String,
    /// The CA, once it is pinned.
    ca_cert: Option<String>,
    /// Why its machine will not become a controller any more: the next run gives it back and begins anew.
    given_up: Option<String>,
}

/// The bootstrap onto the Juju machine.
pub(super) struct Native {
    site: Arc<Site>,
    maas: Maas,
    lxd: lxd_client::Client,
    machine: SystemId,
}

fn password() -> String {
    use base64::Engine as _;
    let bytes: [u8; 18] = rand::random();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

async fn begun(cx: &Context) -> Result<Option<Begun>, Error> {
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

async fn note(begun: &Begun, cx: &Context) -> Result<(), Error> {
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
        let mut begun = self.begin(cx).await?;
        if begun.ca_cert.is_none() {
            self.deploy(&begun, cx).await?;
            self.await_deployed(&mut begun, cx, deadline).await?;
            let ca = self.await_contact(&mut begun, cx, deadline).await?;
            begun.ca_cert = Some(ca);
            note(&begun, cx).await?;
        }
        self.take_over(&begun, cx, deadline).await
    }

    /// What the bootstrap needs, durable before it is used.
    async fn begin(&self, cx: &Context) -> Result<Begun, Error> {
        match begun(cx).await? {
            Some(found) if found.given_up.is_none() => return Ok(found),
            Some(_) => self.give_back(cx).await?,
            None => {}
        }
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

    async fn read(&self) -> Result<Machine, Error> {
        self.maas
            .machines()
            .read(&self.machine)
            .await
            .attempt("read the Juju machine")
    }

    /// Whether MAAS holds the machine for this controller.
    async fn is_ours(&self, begun: &Begun) -> Result<bool, Error> {
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
        let proof = ProofKey::from_hex(&begun.proof).ok_or_else(|| {
            Error::needs_operator(
                format!("read the secret {BEGUN}"),
                "its one-time key is not 32 bytes",
            )
        })?;
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
            Keys::OnMachine(proof),
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

    /// The key that MAAS gives to machines opens the controller as well: what goes wrong there can be looked at.
    async fn authorized_keys(&self) -> Vec<String> {
        let keys = self.maas.ssh_keys().list().await.unwrap_or_default();
        keys.into_iter().map(|key| key.key).collect()
    }

    async fn await_deployed(
        &self,
        begun: &mut Begun,
        cx: &Context,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let hostname = &self.site.config.juju_vm.hostname;
        let deployed = cx
            .waiting(format!("MAAS to deploy {hostname}"), deadline)
            .backoff(Duration::from_secs(1), Duration::from_secs(5))
            .advice("look at the machine's installation log in MAAS")
            .poll(async || {
                let machine = self.read().await?;
                Ok(match MachineGoal::Deployed.judge(Some(&machine)) {
                    Judgement::Reached => Polled::Done(Ok(())),
                    Judgement::Pending(what) => Polled::pending(what),
                    Judgement::Failed(why) => Polled::Done(Err(why)),
                    _ => Polled::pending("in a state that this version does not know"),
                })
            })
            .await?;
        match deployed {
            Ok(()) => Ok(()),
            Err(why) => {
                let last = self.last_event().await.unwrap_or_default();
                self.give_up(begun, &why, cx).await?;
                Err(Error::terminal(format!("deploy {hostname}"), format!("{why}{last}"))
                    .next("look at its installation log in MAAS, then run again: the machine is given back and deployed anew"))
            }
        }
    }

    /// The last thing that MAAS noted of the machine.
    async fn last_event(&self) -> Option<String> {
        let wanted = EventParams::new()
            .id(vec![self.machine.clone()])
            .limit(1u32);
        let events = self.maas.events().query(&wanted).await.ok()?.events;
        let event = events.into_iter().next()?;
        Some(format!(
            " (MAAS's last word of it: {} {})",
            event.r#type, event.description
        ))
    }

    fn addresses(machine: &Machine) -> Vec<String> {
        let mut ips: Vec<IpAddr> = machine
            .ip_addresses
            .iter()
            .filter_map(|ip| ip.parse().ok())
            .collect();
        ips.sort_by_key(IpAddr::is_ipv6);
        ips.iter()
            .map(|ip| std::net::SocketAddr::new(*ip, PORT).to_string())
            .collect()
    }

    /// Waits for the controller's port, reading meanwhile what the machine says of itself; the CA that is behind it.
    async fn await_contact(
        &self,
        begun: &mut Begun,
        cx: &Context,
        deadline: Deadline,
    ) -> Result<String, Error> {
        let hostname = &self.site.config.juju_vm.hostname;
        let attempted = format!("bring up Juju's controller on {hostname}");
        let proof = ProofKey::from_hex(&begun.proof).unwrap_or_default();
        let advice = format!(
            "log in with `ssh ubuntu@{hostname}` and the key {}, and look at /var/log/cloud-init-output.log and /var/log/juju/machine-0.log",
            self.site.config.ssh.maas_key.display()
        );
        let outcome = cx
            .waiting(format!("port {PORT} of {hostname}"), deadline)
            .backoff(Duration::from_secs(1), Duration::from_secs(5))
            .advice(advice.clone())
            .poll(async || {
                let machine = self.read().await?;
                if machine.status != NodeStatus::Deployed {
                    let why = format!("the machine is {} in MAAS", machine.status_name);
                    return Ok(Polled::Done(Err((why, advice.clone()))));
                }
                let mut said = "the machine has no address".to_owned();
                for address in Self::addresses(&machine) {
                    let soon = Duration::from_secs(10);
                    match first_contact(&address, proof.expose(), self.site.proxy(), soon).await {
                        Ok(ca) => return Ok(Polled::Done(Ok(ca))),
                        Err(error) if error.kind() == ErrorKind::Forbidden => {
                            return Ok(Polled::Failed(
                                Error::needs_operator(&attempted, error.to_string()).next(
                                    "look at the machine's console before anything is sent there",
                                ),
                            ));
                        }
                        Err(error) => said = error.message().to_owned(),
                    }
                }
                Ok(match self.look_inside().await {
                    Some(Seen::Failed(log)) => {
                        let told = match trouble::explain(&log) {
                            Some((why, next)) => (why.to_owned(), next.to_owned()),
                            None => (
                                format!("its log ends: {}", trouble::tail(&log, 6)),
                                advice.clone(),
                            ),
                        };
                        Polled::Done(Err(told))
                    }
                    Some(Seen::Working(line)) => Polled::pending(line),
                    None => Polled::pending(said),
                })
            })
            .await;
        match outcome {
            Ok(Ok(ca)) => Ok(ca),
            Ok(Err((why, next))) => {
                self.give_up(begun, &why, cx).await?;
                Err(Error::terminal(attempted, why).next(format!(
                    "{next}; the next run gives the machine back and deploys it anew"
                )))
            }
            Err(error) if error.class() == crate::engine::Class::Terminal => {
                // The deadline: what the agent wrote last may say why, however often it tries again.
                let told = match self.look_inside().await {
                    Some(Seen::Failed(log) | Seen::Working(log)) => trouble::explain(&log),
                    None => None,
                };
                self.give_up(begun, "the port did not open in time", cx)
                    .await?;
                Err(match told {
                    Some((why, next)) => Error::terminal(attempted, why).next(next).because(error),
                    None => error,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// What cloud-init and the agent write, through LXD's agent in the VM; none where that does not answer.
    async fn look_inside(&self) -> Option<Seen> {
        let files = self
            .lxd
            .instances()
            .files(&self.site.config.juju_vm.hostname);
        let read = async |path: &str| -> Option<String> {
            let bytes = files.read_if_there(path).await.ok()??;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let output = read("/var/log/cloud-init-output.log").await?;
        let log = read("/var/log/juju/machine-0.log")
            .await
            .unwrap_or_default();
        let status = read("/run/cloud-init/status.json")
            .await
            .unwrap_or_default();
        let all = format!("{output}\n{log}");
        // The script's own last words; cloud-init tells of a command that failed when all have ended.
        let ended = output.contains("native-bootstrap: could not")
            || output.contains("not fetched or wrong sha256")
            || output.contains("did not open within")
            || failed(&status);
        if ended || log.contains("agent should be terminated") {
            return Some(Seen::Failed(all));
        }
        let last = |text: &str| trouble::tail(text, 1);
        Some(Seen::Working(if log.trim().is_empty() {
            format!("cloud-init: {}", last(&output))
        } else {
            format!("jujud: {}", last(&log))
        }))
    }

    /// This machine will not become the controller any more.
    async fn give_up(&self, begun: &mut Begun, why: &str, cx: &Context) -> Result<(), Error> {
        begun.given_up = Some(why.to_owned());
        note(begun, cx).await
    }

    /// Gives the machine of a bootstrap that was given up back, so that it can be deployed anew.
    async fn give_back(&self, cx: &Context) -> Result<(), Error> {
        self.delete_first_key(cx).await?;
        let machine = self.read().await?;
        if machine.status == NodeStatus::Ready {
            return Ok(());
        }
        let hostname = &self.site.config.juju_vm.hostname;
        if let Some(former) = begun(cx).await?
            && !self.is_ours(&former).await?
        {
            return Ok(());
        }
        cx.intend(format!("release {hostname}, whose bootstrap failed"))
            .await?;
        let comment = ReleaseParams::new().comment(cx.owner_mark());
        self.maas
            .machines()
            .release(&self.machine, &comment)
            .await
            .attempt(&format!("release {hostname}"))?;
        cx.wait(
            format!("{hostname} to be released"),
            Deadline::minutes(10, 30),
            async || {
                let machine = self.read().await?;
                Ok(if machine.status == NodeStatus::Ready {
                    Polled::Done(())
                } else {
                    Polled::pending(machine.status_name)
                })
            },
        )
        .await
    }

    /// Logs in, replaces the first password and the first key, and keeps the access.
    async fn take_over(
        &self,
        begun: &Begun,
        cx: &Context,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let juju = &self.site.config.juju;
        let endpoints = match kept(cx).await? {
            Some(access) => access.endpoints,
            None => Self::addresses(&self.read().await?),
        };
        let access = |password: &str| {
            let mut access = ControllerAccess::new(
                &juju.bootstrap.name,
                &begun.controller_uuid,
                endpoints.clone(),
                begun.ca_cert.clone().unwrap_or_default(),
                "admin",
                password.to_owned().into(),
            );
            access.cloud.clone_from(&juju.cloud.name);
            "default".clone_into(&mut access.region);
            access.agent_version.clone_from(&begun.agent.version);
            access
        };
        let ours = access(&begun.password);
        let first = access(&begun.first_password);
        let (client, is_first) = cx
            .waiting("the controller to answer", deadline)
            .poll(async || self.log_in(&first, &ours).await)
            .await?;
        if is_first {
            cx.intend("replace the controller's first password").await?;
            client
                .controller()
                .set_password("admin", &ours.password)
                .await
                .attempt("replace the controller's first password")?;
        }
        let key = maas_key(&self.site, cx).await?;
        cx.intend("replace the controller's first MAAS key").await?;
        let credential = CloudCredential::maas(key.expose().expose_secret());
        client
            .cloud()
            .update_credential(&juju.cloud.name, &juju.credential.name, &credential)
            .await
            .attempt("replace the controller's first MAAS key")?;
        self.delete_first_key(cx).await?;
        keep(&ours, cx).await?;
        cx.made("juju-controller", ours.uuid.clone()).await?;
        self.forget(cx).await
    }

    /// With the first password, or with ours where a former run replaced it already.
    async fn log_in(
        &self,
        first: &ControllerAccess,
        ours: &ControllerAccess,
    ) -> Result<Polled<(Juju, bool)>, Error> {
        let mut refused = None;
        for (access, is_first) in [(first, true), (ours, false)] {
            let connected = access.connect(self.site.proxy().cloned(), Options::default());
            match connected.await {
                Ok(client) => return Ok(Polled::Done((client, is_first))),
                Err(error) if error.is_unauthorized() => refused = Some(error),
                Err(error) => return Ok(Polled::pending(error.to_string())),
            }
        }
        Ok(Polled::Failed(match refused {
            Some(error) => Error::needs_operator(
                "log in to the new controller",
                "it refuses both the first password and the one that replaces it",
            )
            .next("somebody else has changed it: put the right one into the secret juju-controller, or release the machine and run again")
            .because(error),
            None => Error::transient("log in to the new controller", "nothing was tried"),
        }))
    }

    /// Forgets what only the bootstrap needed.
    pub(super) async fn forget(&self, cx: &Context) -> Result<(), Error> {
        cx.secrets().remove(BEGUN).await.map(drop)
    }
}

/// What the machine says of itself.
enum Seen {
    /// It goes on; the last line.
    Working(String),
    /// It has ended without a controller; the logs.
    Failed(String),
}

/// Whether cloud-init has ended with errors. Source: its `status.json`.
fn failed(status: &str) -> bool {
    let Ok(status) = serde_json::from_str::<serde_json::Value>(status) else {
        return false;
    };
    let last = &status["v1"]["modules-final"];
    let ended = last["finished"].as_f64().is_some_and(|at| at > 0.0);
    ended
        && last["errors"]
            .as_array()
            .is_some_and(|errors| !errors.is_empty())
}
