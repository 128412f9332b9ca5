//! The client against a real 4.0.15 controller's recorded exchanges: what we send is what was sent, and what came back
//! decodes, or errors, as it should.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;

use common::Replay;
use juju_client::api::application::{Deploy, SetCharm};
use juju_client::api::charms::{CharmResource, Origin};
use juju_client::api::cloud::{Cloud, CloudCredential};
use juju_client::api::machines::{NewMachine, Placement};
use juju_client::api::models::{DestroyModel, NewModel};
use juju_client::bundle::Constraints;
use juju_client::{ActionId, Client, ErrorKind, FullStatus, Result};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const EXCHANGES: &str = include_str!("fixtures/recordings/exchanges.jsonl");
const SEQUENCES: &str = include_str!("fixtures/recordings/sequences.jsonl");

fn of<T: DeserializeOwned + Default>(v: &Value) -> T {
    serde_json::from_value(v.clone()).unwrap_or_default()
}

fn text(v: &Value, key: &str) -> String {
    v[key].as_str().unwrap_or_default().to_owned()
}

fn unit(tag: &str) -> String {
    tag.strip_prefix("unit-")
        .and_then(|t| t.rsplit_once('-'))
        .map_or(tag.to_owned(), |(a, n)| format!("{a}/{n}"))
}

fn app(tag: &str) -> String {
    tag.strip_prefix("application-").unwrap_or(tag).to_owned()
}

/// Null, empty and absent are one to Go; what only says the default is nothing.
fn plain(v: &Value) -> Value {
    match v {
        Value::Object(m) => {
            let m: serde_json::Map<String, Value> = m
                .iter()
                .map(|(k, v)| (k.clone(), plain(v)))
                .filter(|(_, v)| !v.is_null())
                .collect();
            if m.is_empty() {
                Value::Null
            } else {
                Value::Object(m)
            }
        }
        Value::Array(a) if a.is_empty() => Value::Null,
        Value::Array(a) => Value::Array(a.iter().map(plain).collect()),
        Value::String(s) if s.is_empty() => Value::Null,
        Value::Bool(false) => Value::Null,
        Value::Number(n) if n.as_i64() == Some(0) => Value::Null,
        other => other.clone(),
    }
}

/// Our calls are about one thing; a recorded one about several is held to its first.
fn first_only(v: &Value) -> Value {
    let lists = [
        "entities",
        "applications",
        "Args",
        "params",
        "models",
        "units",
        "machine-tags",
        "actions",
        "annotations",
        "credentials",
        "changes",
        "results",
        "Results",
        "machines",
        "resolve",
        "args",
        "user-clouds",
        "clouds",
    ];
    match v {
        Value::Object(m) => m
            .iter()
            .map(|(k, v)| match v {
                Value::Array(a) if lists.contains(&k.as_str()) => (
                    k.clone(),
                    Value::Array(a.iter().take(1).map(first_only).collect()),
                ),
                v => (k.clone(), first_only(v)),
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        v => v.clone(),
    }
}

fn deploy(d: &Value) -> Deploy {
    let mut out = Deploy::new(
        text(d, "application"),
        text(d, "charm-url"),
        of(&d["charm-origin"]),
    );
    out.channel = text(d, "channel");
    out.num_units = of(&d["num-units"]);
    out.config_yaml = text(d, "config-yaml");
    out.constraints = of(&d["constraints"]);
    out.placement = d["placement"].is_array().then(|| of(&d["placement"]));
    out.endpoint_bindings = of(&d["endpoint-bindings"]);
    out.resources = of(&d["resources"]);
    out.storage = of(&d["storage"]);
    out.force = of(&d["Force"]);
    out
}

fn drop_ok<T>(r: Result<T>) -> Result<()> {
    r.map(drop)
}

/// Makes the typed call that the recorded one stands for; `None`: there is none.
async fn make(c: &Client, facade: &str, method: &str, p: &Value) -> Option<Result<()>> {
    let apps = c.applications();
    let first = |k: &str| p[k][0].clone();
    let entity = || text(&p["entities"][0], "tag");
    let model = |tag: String| tag.parse();
    Some(match (facade, method) {
        ("Application", "AddRelation")
            if p["endpoints"].as_array().is_some_and(|e| e.len() == 2) =>
        {
            apps.add_relation(p["endpoints"][0].as_str()?, p["endpoints"][1].as_str()?)
                .await
        }
        ("Application", "DestroyRelation")
            if p["endpoints"].as_array().is_some_and(|e| e.len() == 2) =>
        {
            apps.destroy_relation(p["endpoints"][0].as_str()?, p["endpoints"][1].as_str()?)
                .await
        }
        ("Application", "AddUnits") if p["num-units"].as_i64()? >= 0 => {
            let placement: Vec<Placement> = of(&p["placement"]);
            drop_ok(
                apps.add_units(&text(p, "application"), of(&p["num-units"]), &placement)
                    .await,
            )
        }
        ("Application", "Deploy") => apps.deploy(&deploy(&first("applications"))).await,
        ("Application", "DestroyApplication") if first("applications")["dry-run"].is_null() => {
            apps.destroy(
                &app(&text(&first("applications"), "application-tag")),
                of(&first("applications")["force"]),
            )
            .await
        }
        ("Application", "DestroyUnit") if first("units")["dry-run"].is_null() => {
            apps.destroy_units(
                &[&unit(&text(&first("units"), "unit-tag"))],
                of(&first("units")["force"]),
            )
            .await
        }
        ("Application", "Expose") => {
            apps.expose(&text(p, "application"), &of(&p["exposed-endpoints"]))
                .await
        }
        ("Application", "Unexpose") => apps.unexpose(&text(p, "application")).await,
        ("Application", "Get") => drop_ok(apps.get(&text(p, "application")).await),
        ("Application", "GetCharmURLOrigin") => {
            drop_ok(apps.charm_url_origin(&text(p, "application")).await)
        }
        ("Application", "Leader") => drop_ok(apps.leader(&app(&text(p, "tag"))).await),
        ("Application", "MergeBindings") => {
            apps.merge_bindings(
                &app(&text(&first("args"), "application-tag")),
                &of(&first("args")["bindings"]),
            )
            .await
        }
        ("Application", "ResolveUnitErrors") if p["all"] != json!(true) => {
            let units: Vec<String> = p["tags"]["entities"]
                .as_array()?
                .iter()
                .map(|t| unit(&text(t, "tag")))
                .collect();
            apps.resolve_errors(
                &units.iter().map(String::as_str).collect::<Vec<_>>(),
                of(&p["retry"]),
            )
            .await
        }
        ("Application", "SetCharm") => {
            let mut s = SetCharm::default();
            s.application = text(p, "application");
            s.charm_url = text(p, "charm-url");
            s.charm_origin = of(&p["charm-origin"]);
            s.channel = text(p, "channel");
            s.force = of(&p["force"]);
            s.force_base = of(&p["force-base"]);
            s.force_units = of(&p["force-units"]);
            s.resource_ids = of(&p["resource-ids"]);
            apps.set_charm(&s).await
        }
        ("Application", "SetConfigs")
            if text(&first("Args"), "config-yaml").is_empty()
                && text(&first("Args"), "generation").is_empty() =>
        {
            apps.set_config(
                &text(&first("Args"), "application"),
                &of(&first("Args")["config"]),
            )
            .await
        }
        ("Application", "UnsetApplicationsConfig") => {
            let options: Vec<String> = of(&first("Args")["options"]);
            apps.unset_config(
                &text(&first("Args"), "application"),
                &options.iter().map(String::as_str).collect::<Vec<_>>(),
            )
            .await
        }
        ("Application", "SetConstraints") => {
            apps.set_constraints(
                &text(p, "application"),
                &of::<Constraints>(&p["constraints"]),
            )
            .await
        }
        ("Application", "UnitsInfo") if entity().starts_with("unit-") => {
            drop_ok(apps.unit(&unit(&entity())).await)
        }
        ("Action", "EnqueueOperation")
            if p["actions"].as_array().is_some_and(|a| !a.is_empty()) =>
        {
            let a = first("actions");
            drop_ok(
                c.actions()
                    .enqueue(
                        &unit(&text(&a, "receiver")),
                        &text(&a, "name"),
                        &of(&a["parameters"]),
                    )
                    .await,
            )
        }
        ("Action", "Actions") => drop_ok(
            c.actions()
                .result(&ActionId(entity().trim_start_matches("action-").into()))
                .await,
        ),
        ("Action", "Cancel") => drop_ok(
            c.actions()
                .cancel(&ActionId(entity().trim_start_matches("action-").into()))
                .await,
        ),
        ("Action", "ListOperations") => {
            let (units, names): (Vec<String>, Vec<String>) = (of(&p["units"]), of(&p["actions"]));
            let refs = |v: &'_ [String]| v.iter().map(String::clone).collect::<Vec<_>>();
            let (units, names) = (refs(&units), refs(&names));
            drop_ok(
                c.actions()
                    .list(
                        &units.iter().map(String::as_str).collect::<Vec<_>>(),
                        &names.iter().map(String::as_str).collect::<Vec<_>>(),
                    )
                    .await,
            )
        }
        ("Annotations", "Get") => drop_ok(c.annotations().get(&entity()).await),
        ("Annotations", "Set") => {
            c.annotations()
                .set(
                    &text(&first("annotations"), "entity"),
                    &of(&first("annotations")["annotations"]),
                )
                .await
        }
        ("Charms", "AddCharm") => drop_ok(
            c.charms()
                .add(
                    &text(p, "url"),
                    &of::<Origin>(&p["charm-origin"]),
                    of(&p["force"]),
                )
                .await,
        ),
        ("Charms", "CharmInfo") => drop_ok(c.charms().info(&text(p, "url")).await),
        ("Charms", "List") => drop_ok(c.charms().list().await),
        ("Charms", "ListCharmResources") => {
            let e = first("entities");
            drop_ok(
                c.charms()
                    .resources(&text(&e, "charm-url"), &of(&e["charm-origin"]))
                    .await,
            )
        }
        ("Charms", "ResolveCharms") => {
            let questions: Vec<(String, Origin)> = p["resolve"]
                .as_array()?
                .iter()
                .take(1)
                .map(|q| (text(q, "reference"), of(&q["charm-origin"])))
                .collect();
            match c.charms().resolve(&questions).await {
                Ok(mut all) => drop_ok(all.remove(0)),
                Err(e) => Err(e),
            }
        }
        ("Client", "FullStatus") => drop_ok(c.status().await),
        ("Cloud", "Clouds") => drop_ok(c.cloud().list().await),
        ("Cloud", "AddCloud") => {
            c.cloud()
                .add(&text(p, "name"), &of::<Cloud>(&p["cloud"]), of(&p["force"]))
                .await
        }
        ("Cloud", "UpdateCloud") => {
            c.cloud()
                .update(
                    &text(&first("clouds"), "name"),
                    &of::<Cloud>(&first("clouds")["cloud"]),
                )
                .await
        }
        ("Cloud", "RemoveClouds") => {
            c.cloud()
                .remove(entity().trim_start_matches("cloud-"))
                .await
        }
        ("Cloud", "UserCredentials") => drop_ok(
            c.cloud()
                .credentials(text(&first("user-clouds"), "cloud-tag").trim_start_matches("cloud-"))
                .await,
        ),
        ("Cloud", "CredentialContents") if p["include-secrets"] == json!(true) => {
            let one = first("credentials");
            drop_ok(
                c.cloud()
                    .credential(&text(&one, "cloud-name"), &text(&one, "credential-name"))
                    .await,
            )
        }
        ("Cloud", "UpdateCredentialsCheckModels") => {
            let one = first("credentials");
            let tag = text(&one, "tag");
            let parts: Vec<&str> = tag.strip_prefix("cloudcred-")?.splitn(3, '_').collect();
            let mut credential = CloudCredential::maas("");
            credential.auth_type = text(&one["credential"], "auth-type");
            credential.attrs = of::<BTreeMap<String, String>>(&one["credential"]["attrs"])
                .into_iter()
                .map(|(k, v)| (k, SecretString::from(v)))
                .collect();
            c.cloud()
                .update_credential(parts.first()?, parts.get(2)?, &credential)
                .await
        }
        ("Controller", "ControllerConfig") => drop_ok(c.controller().config().await),
        ("Controller", "DestroyController") if p["force"].is_null() => {
            c.controller().destroy(of(&p["destroy-models"])).await
        }
        ("UserManager", "SetPassword") => {
            let one = first("changes");
            c.controller()
                .set_password(
                    text(&one, "tag").trim_start_matches("user-"),
                    &SecretString::from(text(&one, "password")),
                )
                .await
        }
        ("MachineManager", "AddMachines") => {
            let d = first("params");
            if d["jobs"].is_null()
                || !text(&d, "instance-id").is_empty()
                || !d["addresses"].is_null()
            {
                return None;
            }
            let mut m = NewMachine::new(
                d["base"].is_object().then(|| of(&d["base"])),
                of(&d["constraints"]),
            );
            m.parent = Some(text(&d, "parent-id"));
            m.container = Some(text(&d, "container-type"));
            m.placement = d["placement"].is_object().then(|| of(&d["placement"]));
            drop_ok(c.machines().add(&m).await)
        }
        ("MachineManager", "DestroyMachineWithParams")
            if p["dry-run"].is_null() && p["keep"].is_null() =>
        {
            let id = p["machine-tags"][0]
                .as_str()?
                .trim_start_matches("machine-")
                .replace('-', "/");
            c.machines().destroy(&[&id], of(&p["force"])).await
        }
        ("MachineManager", "RetryProvisioning") => {
            let ids: Vec<String> = of::<Vec<String>>(&p["machines"])
                .iter()
                .map(|t| t.trim_start_matches("machine-").to_owned())
                .collect();
            c.machines()
                .retry_provisioning(&ids.iter().map(String::as_str).collect::<Vec<_>>())
                .await
        }
        ("ModelConfig", "ModelGet") => drop_ok(c.model_config().get().await),
        ("ModelConfig", "ModelSet") => c.model_config().set(&of(&p["config"])).await,
        ("ModelConfig", "ModelUnset") => {
            let keys: Vec<String> = of(&p["keys"]);
            c.model_config()
                .unset(&keys.iter().map(String::as_str).collect::<Vec<_>>())
                .await
        }
        ("ModelManager", "CreateModel") => {
            let mut new = NewModel::new(text(p, "name"));
            new.cloud = p["cloud-tag"]
                .as_str()
                .map(|t| t.trim_start_matches("cloud-").to_owned());
            new.region = p["region"].as_str().map(str::to_owned);
            new.credential = p["credential"]
                .as_str()
                .and_then(|t| t.splitn(3, '_').nth(2))
                .map(str::to_owned);
            new.config = of(&p["config"]);
            drop_ok(c.models().create(&new).await)
        }
        ("ModelManager", "ListModels") => drop_ok(c.models().list().await),
        ("ModelManager", "ModelInfo") => drop_ok(c.models().info(&model(entity()).ok()?).await),
        ("ModelManager", "DestroyModels") => {
            let m = first("models");
            let mut how = DestroyModel::default();
            how.destroy_storage = of(&m["destroy-storage"]);
            how.force = of(&m["force"]);
            c.models()
                .destroy(&model(text(&m, "model-tag")).ok()?, how)
                .await
        }
        ("Resources", "AddPendingResources") => {
            let list: Vec<(CharmResource, i64)> = p["resources"]
                .as_array()?
                .iter()
                .map(|r| (of(r), r["revision"].as_i64().unwrap_or(-1)))
                .collect();
            drop_ok(
                c.add_pending_resources(
                    &app(&text(p, "tag")),
                    &text(p, "url"),
                    &of(&p["charm-origin"]),
                    &list,
                )
                .await,
            )
        }
        ("Spaces", "ListSpaces") => drop_ok(c.spaces().await),
        ("Spaces", "ReloadSpaces") => c.reload_spaces().await,
        ("Subnets", "ListSubnets") => drop_ok(c.subnets().await),
        _ => return None,
    })
}

/// Whether the recorded answer is a refusal (of the first thing asked about).
fn refused(answer: &Value) -> Option<String> {
    let message = |v: &Value| {
        v["error"]["message"]
            .as_str()
            .or_else(|| v["error"]["error"]["message"].as_str())
            .filter(|m| !m.is_empty())
            .map(str::to_owned)
    };
    if let Some(e) = answer["error"].as_str() {
        return Some(e.to_owned());
    }
    let r = &answer["response"];
    if let Some(m) = message(r) {
        return Some(m);
    }
    ["results", "Results", "machines", "actions"]
        .iter()
        .find_map(|k| r[*k].get(0).and_then(message))
}

#[tokio::test]
async fn what_we_send_and_understand_is_what_was_recorded() {
    let exchanges: Vec<Value> = EXCHANGES
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let login = |n: &str| {
        exchanges.iter().find(|e| e["name"] == n).unwrap()["responses"][0]["response"]["facades"]
            .as_array()
            .unwrap()
            .clone()
    };
    let mut facades = login("010_login_controller_ok");
    facades.extend(
        login("011_login_model_ok")
            .into_iter()
            .filter(|f| f["name"] != "ModelConfig"),
    );
    let newest = Replay::start(json!(facades), "4.0.15").await;
    // Some were asked in the version before.
    let mut older = facades.clone();
    for f in &mut older {
        if f["name"] == "ModelManager" {
            f["versions"] = json!([10]);
        }
    }
    let older = Replay::start(json!(older), "4.0.15").await;
    let (mut same, mut other, mut left, mut ours_refuses) =
        (0, Vec::new(), BTreeMap::<String, usize>::new(), Vec::new());
    for e in &exchanges {
        let (request, answer) = (&e["request"], &e["responses"][0]);
        let (Some(facade), Some(method)) = (request["type"].as_str(), request["request"].as_str())
        else {
            continue;
        };
        if facade == "Admin" || facade == "Pinger" || answer.is_null() {
            continue;
        }
        let replay = if facade == "ModelManager" && request["version"] == 10 {
            &older
        } else {
            &newest
        };
        *replay.answer.lock().unwrap() = first_only(answer);
        replay.asked.lock().unwrap().clear();
        let name = e["name"].as_str().unwrap();
        let Some(outcome) = make(&replay.client, facade, method, &request["params"]).await else {
            *left.entry(format!("{facade}.{method}")).or_default() += 1;
            continue;
        };
        let asked = replay.asked.lock().unwrap().first().cloned();
        let Some(asked) = asked else {
            // Bad names, damaging settings: refused before anything is sent.
            match outcome {
                Err(e) if e.kind() == ErrorKind::Invalid => {
                    ours_refuses.push(format!("{name}: {e}"))
                }
                other => panic!("{name}: nothing was sent, yet {other:?}"),
            }
            continue;
        };
        // The recorder left the status' patterns or a flag out where it did not matter.
        let (ours, theirs) = (
            plain(&asked["params"]),
            plain(&first_only(&request["params"])),
        );
        // Storage goes with what is removed: ours always says so.
        let strip = |mut v: Value| {
            for list in ["units", "applications"] {
                if let Some(o) = v
                    .get_mut(list)
                    .and_then(|l| l.get_mut(0))
                    .and_then(Value::as_object_mut)
                    .filter(|_| method.starts_with("Destroy"))
                {
                    o.remove("destroy-storage");
                }
            }
            v
        };
        let (ours, theirs) = (strip(ours), strip(theirs));
        let tolerated = matches!(
            (facade, method),
            ("Client", "FullStatus") | ("Charms", "List") | ("Action", "ListOperations")
        );
        if ours != theirs && !tolerated {
            other.push(format!("{name}: sent\n  {ours}\nrecorded\n  {theirs}"));
            continue;
        }
        match (refused(&first_only(answer)), outcome) {
            (None, Ok(())) => same += 1,
            (Some(m), Err(e)) if e.message() == m => same += 1,
            (want, got) => other.push(format!("{name}: recorded {want:?}, we say {got:?}")),
        }
    }
    let untyped: usize = left.values().sum();
    println!(
        "exchanges that our typed calls make: {} of {}; as recorded: {same}",
        same + other.len() + ours_refuses.len(),
        same + other.len() + ours_refuses.len() + untyped
    );
    println!(
        "refused on our side before sending ({}):\n  {}",
        ours_refuses.len(),
        ours_refuses.join("\n  ")
    );
    println!("no typed call (raw call): {left:?}");
    println!("other ({}):\n{}", other.len(), other.join("\n"));
    assert!(
        same * 100 >= (same + other.len()) * 95,
        "{} differ",
        other.len()
    );
}

#[test]
fn every_recorded_status_decodes_and_keeps_its_words() {
    let (mut n, mut units) = (0, 0);
    let statuses = SEQUENCES
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["response"].clone())
        .chain(
            EXCHANGES
                .lines()
                .map(|l| serde_json::from_str::<Value>(l).unwrap()["responses"][0].clone()),
        );
    for answer in statuses.filter(|a| a["response"]["applications"].is_object()) {
        let status: FullStatus = serde_json::from_value(answer["response"].clone()).unwrap();
        n += 1;
        for (name, u) in status.units() {
            units += 1;
            assert!(
                !matches!(
                    u.workload_status.status,
                    juju_client::api::status::WorkloadStatus::Unknown(_)
                ),
                "{name} {u:?}"
            );
            assert!(
                !matches!(
                    u.agent_status.status,
                    juju_client::api::status::AgentStatus::Unknown(_)
                ),
                "{name} {u:?}"
            );
        }
        for m in status.all_machines() {
            assert!(
                !matches!(
                    m.agent_status.status,
                    juju_client::api::status::MachineStatus::Unknown(_)
                ),
                "{m:?}"
            );
            assert!(
                !matches!(
                    m.instance_status.status,
                    juju_client::api::status::InstanceStatus::Unknown(_)
                ),
                "{m:?}"
            );
        }
        // Whatever the state, a judgement and an explanation come of it.
        let _ = juju_client::Converged::judge(&status);
        let _ = juju_client::wait::explain(&status);
    }
    println!("{n} statuses, {units} units");
    assert!(n > 50);
}
