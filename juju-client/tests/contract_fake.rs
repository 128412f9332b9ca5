//! The fake controller against a real 4.0.15's recorded exchanges: asked what was recorded, in the same order, it answers in the same
//! shape, with the same errors in the same words and codes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/shape.rs"]
mod shape;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use juju_client::api::models::NewModel;
use juju_client::testing::{Actions, Durations, FakeController, Instance, Provider, StartInstance};
use juju_client::{Client, Options};
use serde_json::{Map, Value, json};
use shape::{differ, errors, learn, translate};

const EXCHANGES: &str = include_str!("fixtures/recordings/exchanges.jsonl");

/// Calls that nobody's mission needs, and that the fake therefore does not have.
const NOT_NAMED: &[(&str, &str)] = &[
    ("Bundle.ExportBundle", "not implemented in 4.0 either"),
    ("Charms.GetDownloadInfos", "agents' business"),
    ("Client.StatusHistory", "for people who look back"),
    ("Cloud.Credential", "CredentialContents says the same"),
    ("Cloud.ListCloudInfo", "CloudInfo says the same"),
    ("Controller.CloudSpec", "agents' business"),
    ("Controller.ConfigSet", "the controller's own settings"),
    ("Controller.HostedModelConfigs", "migrations' business"),
    ("Controller.ListBlockedModels", "blocks"),
    ("Controller.MongoVersion", "agents' business"),
    ("Controller.WatchAllModelSummaries", "not supported in 4.0"),
    ("Controller.WatchAllModels", "not supported in 4.0"),
    ("Block.SwitchBlockOff", "blocks"),
    ("Block.SwitchBlockOn", "blocks"),
    ("HighAvailability.ControllerDetails", "high availability"),
    ("HighAvailability.EnableHA", "high availability"),
    ("ImageMetadataManager.List", "images"),
    ("MachineManager.InstanceTypes", "clouds with instance types"),
    ("MachineManager.ProvisioningScript", "machines by hand"),
    ("ModelManager.ModifyModelAccess", "other users"),
    ("SSHClient.PublicAddress", "ssh"),
    ("UserManager.DisableUser", "other users"),
    ("UserManager.RemoveUser", "other users"),
    ("UserManager.UserInfo", "other users"),
];

/// Exchanges that are about a state that the fake is not in, or that cannot be asked twice.
const LEFT_OUT: &[(&str, &str)] = &[
    ("538_login_plain_user_controller", "another user"),
    ("539_createmodel_plain_user", "another user"),
    ("540_addcloud_plain_user", "another user"),
    ("541_login_plain_user_model", "another user"),
    ("543_login_reader_model", "another user"),
    ("544_deploy_reader", "another user"),
    ("546_login_disabled_user", "another user"),
    ("102_cloud_add_maas", "a controller on an unmanaged cloud"),
    (
        "130_cloud_add_unmanaged",
        "a controller on an unmanaged cloud",
    ),
    (
        "352_addunits_placement_model",
        "a controller on an unmanaged cloud",
    ),
    ("493_spaces_reload", "a controller on an unmanaged cloud"),
    (
        "981_enqueue_leader",
        "an application that other calls had deployed",
    ),
    (
        "982_setcharm_local",
        "an application that other calls had deployed",
    ),
    (
        "984_destroymodel_live_units",
        "a model that other calls had made",
    ),
    ("502_blocked_destroy", "a block is on"),
    ("548_cloudspec", "agents' business"),
    ("072_big_request", "the recording holds no 16 MiB"),
    (
        "960_modelconfig_set_uuid",
        "damages the model: the fake's must live",
    ),
    ("961_modelconfig_set_uuid_only", "damages the model"),
    ("962_modelconfig_get_after_uuid", "a damaged model"),
    ("963_deploy_after_uuid", "a damaged model"),
    ("964_model_create_bad_name", "poisons the controller"),
    ("965_model_list_after_bad_name", "a poisoned controller"),
    ("968_model_summaries_after", "a poisoned controller"),
    ("972_cloud_add_bad_name", "poisons the controller"),
    ("973_cloud_clouds_after_bad_name", "a poisoned controller"),
    ("974_cloud_remove_bad_name", "a poisoned controller"),
    ("1051_destroycontroller", "the last word"),
    ("1054_after_destroycontroller_createmodel", "after the end"),
];

fn number(name: &str) -> u32 {
    name.split(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(u32::MAX)
}

/// A zip with nothing in it: whose charm it is, its name says.
fn empty_zip() -> bytes::Bytes {
    let mut z = b"PK\x05\x06".to_vec();
    z.resize(22, 0);
    z.into()
}

/// Gives machines where the recording had some, and none where it had not.
struct Machines(Arc<AtomicBool>);

#[async_trait]
impl Provider for Machines {
    async fn start_instance(&self, start: StartInstance) -> Result<Instance, String> {
        if !self.0.load(Ordering::Relaxed) {
            return Err("no machines".into());
        }
        let name = format!("{}-{}", start.model_name, start.machine_id);
        Ok(Instance {
            system_id: name.clone(),
            hostname: name,
            addresses: vec!["10.20.0.9".into()],
        })
    }

    async fn stop_instance(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    async fn instance_running(&self, _: &str) -> bool {
        true
    }
}

/// The actions of the recording's charms.
struct Charms;

#[async_trait]
impl Actions for Charms {
    fn log(&self, _: &str, name: &str) -> Vec<String> {
        let lines: &[&str] = match name {
            "backup" => &["starting", "half way"],
            "slow" => &["step 1", "step 2", "step 3", "step 4", "step 5"],
            _ => &[],
        };
        lines.iter().map(|l| (*l).to_owned()).collect()
    }

    async fn run(
        &self,
        _: &str,
        name: &str,
        _: &Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        let out = match name {
            "fail" => return Err("it failed on purpose".into()),
            "slow" => json!({"done": "yes"}),
            "juju-exec" => json!({"return-code": 3, "stdout": "hello\n", "stderr": "err\n"}),
            _ => json!({}),
        };
        Ok(out.as_object().cloned().unwrap_or_default())
    }
}

struct World {
    fake: FakeController,
    clients: BTreeMap<String, Client>,
    ids: BTreeMap<String, String>,
    models: u32,
}

impl World {
    /// A connection to the model that the recording means: one that was made in between, or a new one.
    async fn client(&mut self, path: &str) -> Client {
        if let Some(c) = self.clients.get(path) {
            return c.clone();
        }
        let access = self.fake.access();
        let client = if path == "/api" {
            access.connect(None, Options::default()).await.unwrap()
        } else {
            let recorded = path.trim_start_matches("/model/").trim_end_matches("/api");
            let uuid = match self.ids.get(recorded) {
                Some(u) => u.clone(),
                None => {
                    self.models += 1;
                    let controller = access.connect(None, Options::default()).await.unwrap();
                    let new = NewModel::new(format!("recorded-{}", self.models));
                    let uuid = controller.models().create(&new).await.unwrap().uuid;
                    self.ids.insert(recorded.to_owned(), uuid.clone());
                    uuid
                }
            };
            access
                .connect_model(&uuid.parse().unwrap(), None, Options::default())
                .await
                .unwrap()
        };
        self.clients.insert(path.to_owned(), client.clone());
        client
    }
}

#[tokio::test]
async fn asked_what_was_recorded_the_fake_answers_the_same() {
    let mut exchanges: Vec<Value> = EXCHANGES
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    exchanges.sort_by_key(|e| number(e["name"].as_str().unwrap()));
    let machines = Arc::new(AtomicBool::new(false));
    // What lasts is over at once: the recordings were not made in a hurry.
    let durations = Durations {
        bundle: Duration::ZERO,
        agent: Duration::ZERO,
        destroy: Duration::ZERO,
        ..Durations::default()
    };
    let fake = FakeController::builder()
        .version("4.0.15")
        .provider(Arc::new(Machines(machines.clone())))
        .actions(Arc::new(Charms))
        .durations(durations)
        .cloud("lab", "http://10.20.0.2")
        .start()
        .await
        .unwrap();
    let mut w = World {
        fake,
        clients: BTreeMap::new(),
        ids: BTreeMap::new(),
        models: 0,
    };
    // The controller's own model.
    w.ids.insert(
        "6047bcb9-53f4-4d49-8010-dc5c8fe6b1f2".into(),
        w.fake.identity().model_uuid,
    );
    let (mut asked, mut same) = (0u32, 0u32);
    let mut left: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut other: Vec<String> = Vec::new();
    let mut uploaded: Vec<String> = Vec::new();
    for e in &exchanges {
        let name = e["name"].as_str().unwrap();
        let request = &e["request"];
        let (Some(facade), Some(method), Some(version)) = (
            request["type"].as_str(),
            request["request"].as_str(),
            request["version"].as_u64(),
        ) else {
            continue;
        };
        if number(name) < 90
            && !(40..=45).contains(&number(name))
            && !(26..=31).contains(&number(name))
        {
            // Logins and frames that are no requests: tests/frames.rs.
            continue;
        }
        let real = &e["responses"][0];
        if !real["request-id"].is_u64() || facade == "Admin" {
            continue;
        }
        let call = format!("{facade}.{method}");
        if let Some((_, why)) = NOT_NAMED.iter().find(|(c, _)| *c == call) {
            left.entry(format!("{call} ({why})"))
                .or_default()
                .push(name);
            continue;
        }
        if let Some((_, why)) = LEFT_OUT.iter().find(|(n, _)| *n == name) {
            left.entry((*why).to_owned()).or_default().push(name);
            continue;
        }
        machines.store(number(name) >= 900, Ordering::Relaxed);
        let path = e["socket"].as_str().unwrap();
        let client = w.client(path).await;
        // Local charms came over HTTPS.
        let text = request.to_string();
        for part in text.split("\"local:").skip(1) {
            let url = part.split('"').next().unwrap_or_default();
            let Some((charm, revision)) = url.rsplit_once('-') else {
                continue;
            };
            let known = format!("{path}{charm}");
            if ["nope", "nosuch"].contains(&charm)
                || revision.parse::<u32>().is_err()
                || uploaded.contains(&known)
                || number(name) < 250
            {
                continue;
            }
            if real["error"]
                .as_str()
                .is_some_and(|m| m.contains("not found"))
            {
                continue;
            }
            client
                .charms()
                .upload(charm, empty_zip(), "")
                .await
                .unwrap();
            uploaded.push(known);
        }
        let params: Value =
            serde_json::from_str(&translate(&request["params"].to_string(), &w.ids)).unwrap();
        let translated: Value =
            serde_json::from_str(&translate(&real.to_string(), &w.ids)).unwrap();
        if name == "938_resolve_live" {
            // Its charm's hook had failed.
            w.fake.unit_error("live/0", Some("config-changed"));
        }
        let outcome = client
            .raw(
                facade,
                u32::try_from(version).unwrap(),
                request["id"].as_str().unwrap_or_default(),
                method,
                &params,
                Duration::from_secs(5),
            )
            .await;
        let ours = match outcome {
            Ok(reply) => serde_json::from_slice::<Value>(reply.frame()).unwrap(),
            Err(e) => {
                json!({"error": e.message(), "error-code": e.code().unwrap_or_default(), "response": {}})
            }
        };
        learn(real, &ours, &mut w.ids);
        // What the answer only began is given its time.
        if method.starts_with("Destroy") || number(name) >= 900 {
            w.fake.advance().await;
            w.fake.advance().await;
        }
        asked += 1;
        let mut differences = Vec::new();
        differ(
            "",
            &translated["response"],
            &ours["response"],
            &mut differences,
        );
        let (want, got) = (errors(&translated), errors(&ours));
        if want != got {
            differences.push(format!("errors {want:?}\n      ours {got:?}"));
        }
        if differences.is_empty() {
            same += 1;
        } else {
            differences.truncate(3);
            other.push(format!("{name} {call}: {}", differences.join("; ")));
        }
    }
    println!(
        "asked {asked}, answered in the recorded shape, codes and texts {same} ({} %)",
        same * 100 / asked
    );
    println!("left out:");
    for (why, names) in &left {
        println!("  {why}: {}", names.join(" "));
    }
    println!("otherwise ({}):\n  {}", other.len(), other.join("\n  "));
    assert!(same * 100 >= asked * 97, "{same} of {asked}");
}
