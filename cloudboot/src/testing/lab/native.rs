//! What happens on a machine that is deployed to become Juju's controller by itself: cloud-init writes the files, the
//! script runs, the agent reads what it is given.
//!
//! The lab's agent stumbles over what a real 4.0.15 stumbled over, in its words (the recordings of the bootstrap); its log
//! lies in the VM, where LXD's file API reads it.

use std::sync::Arc;

use base64::Engine as _;
use juju_client::testing::Identity;
use lxd_client::testing::Handle;
use maas_client::testing::MachineView;
use serde_json::Value;

use super::book::Native;
use super::inside::NewController;
use super::world::World;
use super::{Durations, mirror};

const CONF: &str = "/var/lib/juju/agents/machine-0/agent.conf";
const PARAMS: &str = "/var/lib/juju/bootstrap-params";
const UNIT: &str = "/etc/systemd/system/jujud-machine-0.service";
const OUTPUT: &str = "/var/log/cloud-init-output.log";
const LOG: &str = "/var/log/juju/machine-0.log";
/// From a deployed machine to an open port, without the download: a real one took 7 s. Seconds.
const TAKES: f64 = 60.0;

/// What the machine's files come to.
struct Controller {
    identity: Identity,
    name: String,
    cloud: String,
    version: String,
}

/// How far a machine comes.
enum Course {
    Up(Box<Controller>),
    /// The script ends with an error; this is in cloud-init's output.
    ScriptFails(String),
    /// The agent runs, and its port never opens; this is in its log.
    NeverOpens(String),
}

/// The files of a cloud-config, written as cloud-init would.
fn written(config: &Value) -> Vec<(String, String)> {
    let decode = |file: &Value| {
        let content = file["content"].as_str()?;
        let text = match file["encoding"].as_str() {
            Some("b64" | "base64") => {
                let bytes = base64::engine::general_purpose::STANDARD
                    .decode(content)
                    .ok()?;
                String::from_utf8(bytes).ok()?
            }
            None => content.to_owned(),
            Some(_) => return None,
        };
        Some((file["path"].as_str()?.to_owned(), text))
    };
    let files = config["write_files"].as_array();
    files.into_iter().flatten().filter_map(decode).collect()
}

/// The one-time key that a script is given, if its machine makes the keys itself.
fn proof(script: &str) -> Option<Vec<u8>> {
    let (_, rest) = script.split_once("-macopt hexkey:")?;
    hex::decode(rest.split_whitespace().next()?).ok()
}

/// Runs the files to their end. `agent_name` is what MAAS knows the machine's holder by.
fn course(
    config: &Value,
    machine: &MachineView,
    key_holds: impl Fn(&str) -> bool,
) -> Option<Course> {
    let files = written(config);
    let file = |path: &str| {
        let found = files.iter().find(|(at, _)| at == path);
        found.map(|(_, text)| text.as_str())
    };
    let conf_text = file(CONF)?;
    let script = config["runcmd"][0][0].as_str().and_then(file)?;
    let (fails, never) = (
        |said: &str| Some(Course::ScriptFails(format!("ERROR {said}"))),
        |said: &str| {
            Some(Course::NeverOpens(format!(
                "ERROR juju.worker.dependency {said}"
            )))
        },
    );
    let yaml = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap_or_default();
    let (conf, params) = (yaml(conf_text), yaml(file(PARAMS).unwrap_or_default()));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();

    // The archive.
    let tools = files
        .iter()
        .find(|(path, _)| path.ends_with("/downloaded-tools.txt"));
    let tools: Value = tools
        .and_then(|(_, text)| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let agent = mirror::agent();
    if !script.contains(&mirror::sha256(agent)) {
        return fails("agent archive: not fetched or wrong sha256");
    }

    // bootstrap-state: agent.conf, then the parameters.
    if !conf_text.starts_with("# format 2.0\n") {
        return fails("cannot read config: malformed agent config format");
    }
    for field in ["tag", "controller", "model"] {
        let tag = text(&conf[field]);
        if tag.is_empty() || tag.to_lowercase() != tag {
            return fails(&format!(
                "cannot read config: reading agent config for \"0\": {tag:?} is not a valid tag"
            ));
        }
    }
    if text(&conf["upgradedToVersion"]).is_empty() {
        return fails("panic: runtime error: invalid memory address or nil pointer dereference");
    }
    let placed = [
        ("cacert", "@CA@"),
        ("controllercert", "@CERT@"),
        ("controllerkey", "@KEY@"),
        ("caprivatekey", "@CAKEY@"),
    ];
    let on_machine = proof(script);
    let is_key = |field: &str, place: &str| {
        let value = text(&conf[field]);
        value.contains("-----BEGIN ") || (on_machine.is_some() && value == place)
    };
    for ((field, place), said) in placed.iter().zip([
        "failed to append controller CA cert to pool",
        "parsing controller certificate: tls: failed to find any PEM data",
        "bootstrap machine config has no state serving info",
    ]) {
        if !is_key(field, place) {
            return fails(said);
        }
    }
    let password = text(&conf["oldpassword"]);
    if !(1..=1024).contains(&password.len()) {
        return fails("password not valid, size must be greater then zero");
    }
    let version = text(&params["agent-version"]);
    if version.is_empty() {
        return fails("invalid version \"\"");
    }
    if version != mirror::AGENT_VERSION {
        return fails(&format!(
            "agent version not supported {version:?} during bootstrap"
        ));
    }
    let model = &params["controller-model-config"];
    if ["name", "type", "uuid"]
        .iter()
        .any(|key| text(&model[*key]).is_empty())
    {
        return fails("name: expected string, got nothing");
    }
    if !matches!(
        params["custom-image-metadata"].as_str(),
        Some("null" | "[]")
    ) {
        return fails("unexpected end of JSON input");
    }
    let cloud = yaml(params["controller-cloud"].as_str().unwrap_or_default());
    let region = text(&params["controller-cloud-region"]);
    if cloud["regions"][&region].is_null() {
        return fails(&format!(
            "region {region:?} not found (cloud has no regions)"
        ));
    }
    if text(&cloud["name"]).is_empty() {
        return fails("cloud name \"\" not valid");
    }
    if text(&cloud["type"]) != "maas" {
        return fails(&format!(
            "no registered provider for {:?}",
            text(&cloud["type"])
        ));
    }
    if !text(&cloud["endpoint"])
        .trim_end_matches('/')
        .ends_with("/MAAS")
    {
        return fails("creating MAAS environ: does not support any of [2.0]");
    }
    if text(&params["controller-cloud-credential-name"]).is_empty() {
        return fails(
            "cloud \"maas\" does not support empty authentication, a credential needs to be supplied",
        );
    }
    let key = text(&params["controller-cloud-credential"]["maas-oauth"]);
    if key.split(':').count() != 3 {
        return fails("malformed maas-oauth (3 items separated by colons)");
    }
    if !key_holds(&key) {
        return fails("creating MAAS environ: Authorization Error: Invalid API key.");
    }
    if text(&model["uuid"]) != machine.agent_name {
        return fails("getting bootstrap instance: instances not found");
    }
    if text(&params["bootstrap-machine-instance-id"]) != machine.system_id {
        return fails("getting bootstrap instance: only some instances were found");
    }

    // The agent.
    if file(UNIT)
        .is_none_or(|unit| !unit.contains("jujud machine --data-dir /var/lib/juju --machine-id 0"))
    {
        return fails("Failed to enable unit: Unit file jujud-machine-0.service does not exist.");
    }
    if text(&conf["nonce"]) != "user-admin:bootstrap" {
        return never("agent should be terminated");
    }
    if text(&conf["caprivatekey"]).contains("EC PRIVATE KEY") {
        return never("block type EC PRIVATE KEY not supported");
    }
    if !is_key("caprivatekey", "@CAKEY@")
        || text(&params["controller-config"]["ca-cert"]).is_empty()
    {
        return never("the CA's key is missing");
    }
    if conf["apiaddresses"].as_array().is_none_or(Vec::is_empty) {
        return never("cannot open api: API info not available");
    }
    if text(&tools["sha256"]) != mirror::sha256(agent) {
        return never("cannot read agent metadata: SHA256 mismatch");
    }
    if tools["size"].as_u64() != Some(agent.len() as u64) {
        return never("agent binary size mismatch");
    }
    let channel = &params["controller-charm-channel"];
    if text(&channel["track"]) != "4.0" && !script.contains("charms/controller.charm") {
        return never(
            "\"bootstrap\" manifold worker returned unexpected error: resolving \"juju-controller\": not found for channel",
        );
    }

    let identity = match on_machine {
        Some(proof) => Identity::generate_with_proof(&proof),
        None => Identity::generate(),
    };
    let mut identity = match identity {
        Ok(identity) => identity,
        Err(error) => return fails(&error.to_string()),
    };
    if text(&conf["cacert"]) != "@CA@" {
        identity.ca_cert = text(&conf["cacert"]);
        identity.ca_key = text(&conf["caprivatekey"]);
        identity.cert = text(&conf["controllercert"]);
        identity.key = text(&conf["controllerkey"]);
    }
    let id = |field: &str, kind: &str| text(&conf[field]).trim_start_matches(kind).to_owned();
    identity.controller_uuid = id("controller", "controller-");
    identity.model_uuid = id("model", "model-");
    identity.password = password;
    Some(Course::Up(Box::new(Controller {
        identity,
        name: text(&params["controller-config"]["controller-name"]),
        cloud: text(&cloud["name"]),
        version,
    })))
}

impl World {
    /// Lets every machine that is deployed to become a controller come on by so much time as has passed.
    pub(super) async fn natives(self: &Arc<Self>, lxd: &Handle) {
        let now = self.clock.now();
        let machines = self.maas().machines();
        // Status 6: deployed.
        let deployed = machines.iter().filter(|machine| machine.status == 6);
        let mut alive = Vec::new();
        for machine in deployed {
            let Some(config) = machine.user_data.as_deref().and_then(cloud_config) else {
                continue;
            };
            let key = format!("{} {}", machine.system_id, machine.agent_name);
            alive.push(key.clone());
            let state = match self.read(|book| book.natives.get(&key).cloned()) {
                Some(state) => state,
                None => self.note(|book| {
                    let new = Native {
                        deployed: now,
                        ended: false,
                    };
                    book.natives.entry(key.clone()).or_insert(new).clone()
                }),
            };
            let takes = self.read(|book| book.durations.bootstrap.min(TAKES));
            if state.ended || now < state.deployed + Durations::seconds(takes) {
                continue;
            }
            self.run(machine, &config, &key, lxd).await;
        }
        if self.read(|book| book.natives.keys().any(|key| !alive.contains(key))) {
            self.note(|book| book.natives.retain(|key, _| alive.contains(key)));
        }
    }

    async fn run(self: &Arc<Self>, machine: &MachineView, config: &Value, key: &str, lxd: &Handle) {
        let Some(user) = self.admin() else { return };
        let holds = |given: &str| self.maas().holds_key(&user, given);
        let ended =
            || self.note(|book| book.natives.entry(key.to_owned()).or_default().ended = true);
        match course(config, machine, holds) {
            // A machine that is to become something else.
            None => ended(),
            Some(Course::Up(controller)) => {
                let Some(ip) = machine.ip_addresses.first() else {
                    return;
                };
                let new = NewController {
                    identity: controller.identity,
                    name: &controller.name,
                    cloud: &controller.cloud,
                    version: &controller.version,
                    ip,
                };
                match self.start_juju(None, Some(new)).await {
                    Ok(_) => ended(),
                    Err(error) => {
                        tracing::error!(%error, "the lab's Juju controller does not start");
                    }
                }
            }
            Some(Course::ScriptFails(said)) => {
                let output = format!(
                    "{said}\nnative-bootstrap: could not set up the controller (jujud bootstrap-state)\n"
                );
                write(lxd, machine, OUTPUT, &output);
                ended();
            }
            Some(Course::NeverOpens(said)) => {
                write(
                    lxd,
                    machine,
                    OUTPUT,
                    "Created symlink /etc/systemd/system/multi-user.target.wants/jujud-machine-0.service\n",
                );
                write(lxd, machine, LOG, &format!("{said}\n"));
                ended();
            }
        }
    }
}

/// The cloud-config of a user data, if it is one that makes a controller.
fn cloud_config(user_data: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(user_data).ok()?;
    if !text.starts_with("#cloud-config\n") || !text.contains(CONF) {
        return None;
    }
    serde_saphyr::from_str(text).ok()
}

/// A file in a VM, by its agent.
fn write(lxd: &Handle, machine: &MachineView, path: &str, content: &str) {
    let name = machine.instance.as_deref().unwrap_or(&machine.hostname);
    let there = lxd.instances();
    let Some(vm) = there.iter().find(|instance| instance.name == name) else {
        return;
    };
    if let Err(error) = lxd.put_file(&vm.project, name, path, content) {
        tracing::warn!(%error, path, "a file inside a VM of the lab could not be written");
    }
}
