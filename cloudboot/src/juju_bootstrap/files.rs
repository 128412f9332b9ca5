//! The files that `jujud` reads: YAML whose values are written as JSON, which it takes as they are.

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::{Agent, Bootstrap, Charm, Cloud, Keys, NONCE, PORT};

/// What stands for the keys until the machine has made them.
pub(super) const PLACES: [&str; 4] = ["@CA@", "@CERT@", "@KEY@", "@CAKEY@"];

/// `4.0.15-ubuntu-amd64`.
pub(super) fn tools(agent: &Agent) -> String {
    format!("{}-ubuntu-amd64", agent.version)
}

fn provider(cloud: &Cloud) -> &'static str {
    match cloud {
        Cloud::Maas(_) => "maas",
        Cloud::Lxd(_) => "lxd",
    }
}

/// A PEM text that ends in one newline.
fn ended(pem: &str) -> String {
    format!("{}\n", pem.trim_end())
}

/// CA, certificate (leaf, then CA), key and the CA's key.
fn keys(keys: &Keys) -> [String; 4] {
    match keys {
        Keys::OnMachine(_) => PLACES.map(str::to_owned),
        Keys::Given(given) => [
            ended(&given.ca_cert),
            format!("{}{}", ended(&given.cert), ended(&given.ca_cert)),
            ended(given.key.expose_secret()),
            ended(given.ca_key.expose_secret()),
        ],
    }
}

/// `agent.conf` of the first machine. Source: `recorded/native-agent.conf`.
pub(super) fn agent_conf(bootstrap: &Bootstrap) -> String {
    let [ca, cert, key, ca_key] = keys(&bootstrap.keys);
    let values = json!({
        "AGENT_SERVICE_NAME": "jujud-machine-0",
        "CONTAINER_TYPE": "",
        "NUMA_CTL_PREFERENCE": "false",
        "PROVIDER_TYPE": provider(&bootstrap.cloud),
    });
    let lines: [(&str, Value); 19] = [
        ("tag", json!("machine-0")),
        ("datadir", json!(super::DATA)),
        ("transient-datadir", json!("/var/run/juju")),
        ("logdir", json!("/var/log/juju")),
        ("metricsspooldir", json!("/var/lib/juju/metricspool")),
        ("nonce", json!(NONCE)),
        ("jobs", json!(["JobManageModel", "JobHostUnits"])),
        ("upgradedToVersion", json!(bootstrap.agent.version)),
        ("cacert", json!(ca)),
        (
            "controller",
            json!(format!("controller-{}", bootstrap.controller_uuid)),
        ),
        ("model", json!(format!("model-{}", bootstrap.model_uuid))),
        ("apiaddresses", json!([format!("localhost:{PORT}")])),
        ("oldpassword", json!(bootstrap.password.expose_secret())),
        ("values", values),
        ("agent-logfile-max-size", json!(100)),
        ("agent-logfile-max-backups", json!(2)),
        ("controllercert", json!(cert)),
        ("controllerkey", json!(key)),
        ("caprivatekey", json!(ca_key)),
    ];
    let mut text = "# format 2.0\n".to_owned();
    for (name, value) in lines {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push_str(&format!("apiport: {PORT}\n"));
    text
}

/// `bootstrap-params`. Source: `recorded/native-bootstrap-params`; the cloud of type lxd: the recordings' README.
pub(super) fn bootstrap_params(bootstrap: &Bootstrap) -> String {
    let agent = &bootstrap.agent;
    let [ca, ..] = keys(&bootstrap.keys);
    let charmhub = bootstrap.charmhub.as_ref().map_or_else(
        || "https://api.charmhub.io".to_owned(),
        |url| url.as_str().trim_end_matches('/').to_owned(),
    );
    let (cores, memory) = bootstrap.hardware;
    let mut model = Map::from_iter(bootstrap.settings.clone());
    for (key, value) in [
        ("name", "controller"),
        ("type", provider(&bootstrap.cloud)),
        ("uuid", &bootstrap.model_uuid),
        ("agent-version", &agent.version),
        ("charmhub-url", &charmhub),
    ] {
        model.insert(key.to_owned(), json!(value));
    }
    let cloud = Described::of(&bootstrap.cloud);
    let mut params = json!({
        "agent-version": agent.version,
        "controller-config": {
            "controller-uuid": bootstrap.controller_uuid,
            "controller-name": bootstrap.name,
            "ca-cert": ca,
            "api-port": PORT,
            "object-store-type": "file",
        },
        "controller-model-config": model,
        "controller-model-authorized-keys": bootstrap.authorized_keys,
        "controller-model-version": 0,
        "controller-config-defaults": {"charmhub-url": charmhub},
        "bootstrap-machine-instance-id": bootstrap.instance_id,
        "bootstrap-machine-constraints": {},
        "bootstrap-machine-hardware": {"arch": "amd64", "mem": memory, "cpucores": cores},
        "model-constraints": {},
        // A string: any other kind ends in `unexpected end of JSON input`.
        "custom-image-metadata": "null",
        // A string as well, with YAML in it.
        "controller-cloud": cloud.definition.to_string(),
        "controller-cloud-region": REGION,
        "controller-cloud-credential": cloud.credential,
        "controller-cloud-credential-name": cloud.credential_name,
    });
    if let Charm::Store { track, risk } = &bootstrap.charm {
        params["controller-charm-channel"] = json!({"track": track, "risk": risk});
    }
    format!("{params:#}\n")
}

/// The one region of a cloud that has none of its own.
const REGION: &str = "default";

/// A cloud and its credential as Juju writes them.
struct Described {
    definition: Value,
    credential: Value,
    credential_name: String,
}

impl Described {
    fn of(cloud: &Cloud) -> Self {
        let definition = |name: &str, auth: &str, endpoint: &str| {
            json!({
                "name": name,
                "type": provider(cloud),
                "auth-types": [auth],
                "endpoint": endpoint,
                "regions": {REGION: {"endpoint": endpoint}},
            })
        };
        match cloud {
            Cloud::Maas(maas) => Self {
                definition: definition(
                    &maas.name,
                    "oauth1",
                    maas.endpoint.as_str().trim_end_matches('/'),
                ),
                credential: json!({"auth-type": "oauth1", "maas-oauth": maas.api_key.expose_secret()}),
                credential_name: maas.credential.clone(),
            },
            Cloud::Lxd(lxd) => Self {
                definition: definition(
                    &lxd.name,
                    "certificate",
                    lxd.endpoint.as_str().trim_end_matches('/'),
                ),
                credential: json!({
                    "auth-type": "certificate",
                    "client-cert": lxd.client_cert,
                    "client-key": lxd.client_key.expose_secret(),
                    "server-cert": lxd.server_cert,
                }),
                credential_name: lxd.credential.clone(),
            },
        }
    }
}

/// What the agent knows of its own archive. Source: `recorded/native-downloaded-tools.txt`.
pub(super) fn downloaded_tools(agent: &Agent) -> String {
    json!({
        "version": tools(agent),
        "url": agent.url.as_str(),
        "sha256": agent.sha256.to_ascii_lowercase(),
        "size": agent.size,
    })
    .to_string()
}

/// The agent's unit. Source: `recorded/native-jujud-machine-0.service`.
pub(super) const UNIT: &str = "\
[Unit]
Description=juju agent for machine-0
Wants=network-online.target
After=network-online.target local-fs.target systemd-user-sessions.service

[Service]
LimitNOFILE=64000
ExecStart=/bin/sh -c 'exec /var/lib/juju/tools/machine-0/jujud machine --data-dir /var/lib/juju --machine-id 0 >>/var/log/juju/machine-0.log 2>&1'
Restart=on-failure
TimeoutSec=300

[Install]
WantedBy=multi-user.target
";
