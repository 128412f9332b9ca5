//! What runs inside the throwaway container that bootstraps Juju: cloud-init, the juju snap, `juju bootstrap`.

use std::sync::Arc;
use std::time::Duration;

use juju_client::testing::{FakeController, Identity};
use lxd_client::testing::Handle;
use lxd_client::{InstanceKind, InstanceStatus};
use maas_client::testing::Constraints;
use serde_json::{Value, json};

use super::Durations;
use super::book::Inside;
use super::drivers::Drivers;
use super::world::World;

const FOLDER: &str = "/root/bootstrap";
const STORE: &str = "/root/.local/share/juju";

/// A controller that comes up for the first time.
pub(super) struct NewController<'a> {
    pub(super) identity: Identity,
    pub(super) name: &'a str,
    pub(super) cloud: &'a str,
    pub(super) version: &'a str,
    pub(super) ip: &'a str,
}

/// What the container's user data asks for.
pub(super) struct Asked {
    channel: String,
    cloud: String,
    controller: String,
    tags: Vec<String>,
    series: String,
}

/// Reads the user data as cloud-init and a shell would: nothing happens that it does not ask for.
fn asked(user_data: &str) -> Option<Asked> {
    if !user_data.starts_with("#cloud-config") {
        return None;
    }
    let words: Vec<&str> = user_data
        .split_whitespace()
        .map(|word| word.trim_matches(['\'', '"', ',']))
        .collect();
    let after = |prefix: &str| {
        words
            .iter()
            .find_map(|word| word.strip_prefix(prefix))
            .map(|value| value.trim_matches(['\'', '"']).to_owned())
    };
    let at = words
        .windows(2)
        .position(|pair| pair == ["juju", "bootstrap"])?;
    let line: Vec<&str> = words[at + 2..]
        .iter()
        .copied()
        .take_while(|word| *word != "}")
        .collect();
    let mut names = Vec::new();
    let mut rest = line.iter();
    while let Some(word) = rest.next() {
        match *word {
            "--bootstrap-constraints" | "--constraints" | "--model-default" => {
                rest.next();
            }
            word if word.starts_with("--") => {}
            word => names.push(word.to_owned()),
        }
    }
    Some(Asked {
        channel: after("--channel=")?,
        cloud: names.first()?.clone(),
        controller: names.get(1)?.clone(),
        tags: after("tags=")
            .map(|tags| tags.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
        series: after("--bootstrap-series=").unwrap_or_else(|| "jammy".to_owned()),
    })
}

impl World {
    /// Lets every container live on by so much time as has passed.
    pub(super) async fn inside(self: &Arc<Self>, lxd: &Handle) {
        let now = self.clock.now();
        let there = lxd.instances();
        self.forget_gone(&there);
        for container in there.into_iter().filter(|instance| {
            instance.kind == InstanceKind::Container && instance.status == InstanceStatus::Running
        }) {
            let Some(asked) = container
                .config
                .get("user.user-data")
                .and_then(|data| asked(data))
            else {
                continue;
            };
            let key = format!("{} {}", container.project, container.name);
            let state = match self.read(|book| book.inside.get(&key).cloned()) {
                Some(state) => state,
                None => self.note(|book| {
                    book.inside
                        .entry(key.clone())
                        .or_insert(Inside {
                            started: now,
                            ..Inside::default()
                        })
                        .clone()
                }),
            };
            if state.ended {
                continue;
            }
            let place = Place {
                lxd,
                project: &container.project,
                name: &container.name,
            };
            let (client, bootstrap) =
                self.read(|book| (book.durations.juju_client, book.durations.bootstrap));
            if now < state.started + Durations::seconds(client) {
                continue;
            }
            if place.read("ready").is_none() {
                place.put(&format!("{FOLDER}/ready"), "");
            }
            match state.begun {
                None if place.read("go").is_some() => self.begin(&place, &key, &asked, now).await,
                Some(begun) if now >= begun + Durations::seconds(bootstrap) => {
                    self.finish(&place, &key, &asked, &state).await
                }
                Some(begun) => {
                    let done = (now - begun).as_secs_f64() / bootstrap.max(1.0);
                    let lines = [
                        (0.0, "Creating Juju controller on the cloud"),
                        (0.05, "Looking for packaged Juju agent binaries"),
                        (0.1, "Launching controller instance(s)"),
                        (0.5, "Installing Juju agent on bootstrap instance"),
                        (0.8, "Waiting for address"),
                        (0.9, "Contacting Juju controller to verify accessibility"),
                    ];
                    let log: Vec<&str> = lines
                        .iter()
                        .filter(|(from, _)| done >= *from)
                        .map(|(_, line)| *line)
                        .collect();
                    let log = log.join("\n") + "\n";
                    if place.read("log").as_deref() != Some(log.as_bytes()) {
                        place.put(&format!("{FOLDER}/log"), &log);
                    }
                }
                None => {}
            }
        }
    }

    /// What ran in containers that are gone.
    fn forget_gone(&self, there: &[lxd_client::testing::InstanceView]) {
        let gone: Vec<String> = self.read(|book| {
            let alive = |key: &String| {
                there
                    .iter()
                    .any(|instance| format!("{} {}", instance.project, instance.name) == *key)
            };
            book.inside
                .keys()
                .filter(|key| !alive(key))
                .cloned()
                .collect()
        });
        if !gone.is_empty() {
            self.note(|book| book.inside.retain(|key, _| !gone.contains(key)));
        }
    }

    /// `juju bootstrap` has cloud and credential, and asks MAAS for its machine.
    async fn begin(self: &Arc<Self>, place: &Place<'_>, key: &str, asked: &Asked, now: Duration) {
        let fail = |said: String| {
            place.put(
                &format!("{FOLDER}/log"),
                &format!(
                    "Creating Juju controller \"{}\" on {}\nERROR {said}\n",
                    asked.controller, asked.cloud
                ),
            );
            place.put(&format!("{FOLDER}/exit"), "1\n");
            self.note(|book| book.inside.entry(key.to_owned()).or_default().ended = true);
        };
        let endpoint = place.json("clouds.yaml").and_then(|clouds| {
            Some(
                clouds["clouds"][&asked.cloud]["endpoint"]
                    .as_str()?
                    .to_owned(),
            )
        });
        let credential = place.json("credentials.yaml").and_then(|all| {
            let cloud = all["credentials"][&asked.cloud].as_object()?.clone();
            Some(
                cloud
                    .values()
                    .next()?
                    .get("maas-oauth")?
                    .as_str()?
                    .to_owned(),
            )
        });
        let (Some(_), Some(credential)) = (endpoint, credential) else {
            return fail("cloud or credential is not defined".to_owned());
        };
        let Some(user) = self.admin() else {
            return fail("cannot authenticate to MAAS".to_owned());
        };
        let client = maas_client::Client::builder(self.maas().url());
        let valid = match credential
            .parse::<maas_client::ApiKey>()
            .map(|api_key| client.api_key(api_key).build())
        {
            Ok(Ok(client)) => client.users().whoami().await.is_ok(),
            _ => false,
        };
        if !valid {
            return fail("authorization failed: the MAAS credential is not valid".to_owned());
        }
        let identity = match Identity::generate() {
            Ok(identity) => identity,
            Err(error) => return fail(error.to_string()),
        };
        let mut wanted = Constraints::new()
            .with("agent_name", &identity.model_uuid)
            .with("arch", "amd64")
            .with("mem", 3584);
        for tag in &asked.tags {
            wanted = wanted.with("tags", tag);
        }
        let id = match self.maas().allocate_for(&user, &wanted).await {
            Ok(id) => id,
            Err((_, said)) => {
                return fail(format!(
                    "failed to bootstrap model: cannot start bootstrap instance: {said}"
                ));
            }
        };
        let data = format!(
            "#cloud-config\n# juju controller {}\n",
            identity.controller_uuid
        );
        if let Err((_, said)) = self
            .maas()
            .deploy(&id, &user, &asked.series, Some(data.as_bytes()))
            .await
        {
            return fail(format!(
                "failed to bootstrap model: cannot start bootstrap instance: {said}"
            ));
        }
        let identity = serde_json::to_value(identity).unwrap_or_default();
        self.note(|book| {
            let inside = book.inside.entry(key.to_owned()).or_default();
            inside.begun = Some(now);
            inside.identity = Some(identity);
            inside.machine = Some(id);
        });
    }

    /// The controller is up; the client writes its store.
    async fn finish(self: &Arc<Self>, place: &Place<'_>, key: &str, asked: &Asked, state: &Inside) {
        let machine = state
            .machine
            .as_ref()
            .and_then(|id| self.maas().machine(id));
        // Status 6: deployed. A machine that is late is waited for.
        let Some(address) = machine
            .filter(|machine| machine.status == 6)
            .and_then(|machine| machine.ip_addresses.first().cloned())
        else {
            return;
        };
        let identity = state
            .identity
            .clone()
            .and_then(|value| serde_json::from_value(value).ok());
        let Some(identity) = identity else { return };
        let version = version_of(&asked.channel);
        let controller = match self
            .start_juju(
                None,
                Some(NewController {
                    identity,
                    name: &asked.controller,
                    cloud: &asked.cloud,
                    version: &version,
                    ip: &address,
                }),
            )
            .await
        {
            Ok(controller) => controller,
            Err(error) => {
                tracing::error!(%error, "the lab's Juju controller does not start");
                return;
            }
        };
        let files = controller.store().to_files().unwrap_or_default();
        for (name, bytes) in files {
            place.put(&format!("{STORE}/{name}"), &String::from_utf8_lossy(&bytes));
        }
        place.put(&format!("{FOLDER}/exit"), "0\n");
        self.note(|book| book.inside.entry(key.to_owned()).or_default().ended = true);
    }

    /// Starts the controller: a new one, or one that was saved.
    pub(super) async fn start_juju(
        self: &Arc<Self>,
        saved: Option<Value>,
        new: Option<NewController<'_>>,
    ) -> Result<FakeController, String> {
        let mut builder = FakeController::builder()
            .clock(self.clock.as_fn())
            .durations(self.read(|book| juju_durations(&book.durations)))
            .provider(Arc::new(Drivers(Arc::downgrade(self))))
            .actions(Arc::new(Drivers(Arc::downgrade(self))))
            .tap(super::builder::juju_tap(self))
            .changed(super::builder::changed(self, "juju", |world| {
                world.juju_state()
            }));
        let address = match (&saved, new) {
            (Some(saved), _) => {
                let address = saved["lab-address"].as_str().unwrap_or_default().to_owned();
                builder = builder.state(saved["state"].clone());
                address
            }
            (None, Some(new)) => {
                builder = builder
                    .version(new.version)
                    .name(new.name)
                    .cloud(new.cloud, "http://10.42.0.1:5240/MAAS")
                    .identity(new.identity);
                format!("{}:17070", new.ip)
            }
            (None, None) => return Err("nothing to start a controller from".to_owned()),
        };
        let controller = builder
            .advertise([address.clone()])
            .start()
            .await
            .map_err(|error| error.to_string())?;
        self.route_juju(&address, &controller);
        self.set_juju(Some((controller.clone(), address)));
        Ok(controller)
    }
}

/// Durations as the controller takes them.
pub(super) fn juju_durations(all: &Durations) -> juju_client::testing::Durations {
    let seconds = Durations::seconds;
    let actions = if all.vault > 0.0 { 5.0 } else { 0.0 };
    let lasts = |figure: f64| seconds(if all.bundle > 0.0 { figure } else { 0.0 });
    juju_client::testing::Durations {
        bundle: seconds(all.bundle),
        vault_blocked: seconds(all.vault_waits),
        compute: seconds(all.compute),
        integrations: seconds(all.integrations),
        certificates: seconds((all.vault - 2.0 * actions).max(0.0)),
        agent: lasts(60.0),
        retry: Duration::from_secs(10),
        destroy: lasts(40.0),
        actions: ["authorize-charm", "generate-root-ca"]
            .map(|action| (action.to_owned(), seconds(actions)))
            .into(),
        ..juju_client::testing::Durations::default()
    }
}

/// A version of a snap's channel.
fn version_of(channel: &str) -> String {
    let track = channel.split('/').next().unwrap_or_default();
    if track.split('.').count() == 2 {
        format!("{track}.10")
    } else {
        "3.6.10".to_owned()
    }
}

/// A container's files.
struct Place<'a> {
    lxd: &'a Handle,
    project: &'a str,
    name: &'a str,
}

impl Place<'_> {
    fn read(&self, file: &str) -> Option<Vec<u8>> {
        self.lxd
            .read_file(self.project, self.name, &format!("{FOLDER}/{file}"))
    }

    fn json(&self, file: &str) -> Option<Value> {
        serde_json::from_slice(&self.read(file)?).ok()
    }

    fn put(&self, path: &str, content: &str) {
        if let Err(error) = self.lxd.put_file(self.project, self.name, path, content) {
            tracing::warn!(%error, path, "a file inside a container of the lab could not be written");
        }
    }
}

/// A controller's saved state with the address that it has in the world.
pub(super) fn kept(state: Value, address: &str) -> Value {
    json!({"state": state, "lab-address": address})
}
