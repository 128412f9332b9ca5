//! The client against a real 4.0.15 controller's recorded exchanges: what we send is what was sent, and what came back
//! decodes, or errors, as it should.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "common/typed.rs"]
mod typed;

use std::collections::BTreeMap;

use common::Replay;
use juju_client::{ErrorKind, FullStatus};
use serde_json::{Value, json};
use typed::make;

const EXCHANGES: &str = include_str!("fixtures/recordings/exchanges.jsonl");
const WIRE: &str = include_str!("fixtures/recordings/cli_wire.jsonl");
const SEQUENCES: &str = include_str!("fixtures/recordings/sequences.jsonl");

/// Calls without a typed form, and why.
const UNNAMED: &[(&str, &str)] = &[
    ("Action.Run", "without `parallel`: ours is always so"),
    (
        "Application.AddRelation",
        "of one or three endpoints: cannot be said",
    ),
    ("Application.AddUnits", "fewer than none: cannot be said"),
    (
        "Application.ApplicationsInfo",
        "Get and the status say the same",
    ),
    ("Application.CharmConfig", "Get says the same"),
    ("Application.CharmRelations", "CharmInfo says the same"),
    ("Application.DestroyApplication", "dry runs"),
    ("Application.DestroyUnit", "dry runs"),
    ("Application.GetConfig", "Get says the same"),
    ("Application.GetConstraints", "Get says the same"),
    (
        "Application.SetConfigs",
        "as YAML or with a generation: 4.0 refuses it",
    ),
    ("Block.List", "blocks"),
    ("Block.SwitchBlockOff", "blocks"),
    ("Block.SwitchBlockOn", "blocks"),
    ("Bundle.ExportBundle", "not implemented in 4.0"),
    ("Bundle.GetChangesMapArgs", "tests/bundle_oracle.rs"),
    (
        "Charms.CheckCharmPlacement",
        "the official client's own check",
    ),
    ("Charms.GetDownloadInfos", "agents' business"),
    ("Client.Nope", "there is no such call"),
    ("Client.StatusHistory", "for people who look back"),
    (
        "Client.WatchAll",
        "refused on our side: 4.0 has no AllWatcher",
    ),
    ("Cloud.CloudInfo", "Clouds says the same"),
    ("Cloud.Credential", "CredentialContents says the same"),
    ("Cloud.CredentialContents", "without secrets"),
    ("Cloud.ListCloudInfo", "Clouds says the same"),
    (
        "Cloud.UpdateCredentialsCheckModels",
        "a tag that is none: cannot be said",
    ),
    (
        "Controller",
        "the controller's own affairs, save its settings and its end",
    ),
    ("HighAvailability", "high availability"),
    ("ImageMetadataManager.List", "images"),
    ("KeyManager.AddKeys", "for a user by tag: cannot be said"),
    ("MachineManager.AddMachines", "by hand, or without jobs"),
    (
        "MachineManager.DestroyMachineWithParams",
        "dry runs, and keeping the instance",
    ),
    ("MachineManager.InstanceTypes", "clouds with instance types"),
    ("MachineManager.ProvisioningScript", "machines by hand"),
    ("ModelConfig.Sequences", "says nothing in 4.0"),
    (
        "ModelManager.ListModelSummaries",
        "ListModels says what is needed",
    ),
    ("ModelManager.ModelStatus", "the status says more"),
    ("Nonesuch.Foo", "there is no such call"),
    ("SSHClient.PublicAddress", "ssh"),
    ("Spaces.ShowSpace", "ListSpaces says the same"),
    ("StringsWatcher", "within the progress of an action"),
    ("UserManager", "other users, save the password"),
    (
        "Application.UnitsInfo",
        "of an application: asked unit by unit",
    ),
    ("Application.ResolveUnitErrors", "of all units at once"),
    ("Action.EnqueueOperation", "of no action: cannot be said"),
];

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

/// What only the official client was recorded to ask.
const OFFICIAL: &[&str] = &[
    "AddRelation",
    "DestroyRelation",
    "ListApplicationOffers",
    "ListFilesystems",
    "ListKeys",
    "ListStorageDetails",
    "ListVolumes",
    "Offer",
    "AddKeys",
    "SetConstraints",
    "Expose",
];

#[tokio::test]
async fn what_we_send_and_understand_is_what_was_recorded() {
    let mut exchanges: Vec<Value> = EXCHANGES
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    // The official client's own frames: what it sends is what we send, where it is asked the same.
    for run in WIRE.lines() {
        let run: Value = serde_json::from_str(run).unwrap();
        for f in run["frames"].as_array().unwrap() {
            if OFFICIAL.contains(&f[1]["request"].as_str().unwrap_or_default()) {
                exchanges.push(json!({"name": run["name"], "request": f[1], "responses": [f[2]]}));
            }
        }
    }
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
    let mut named = 0;
    println!("no typed call (the raw call makes them):");
    for (call, n) in &left {
        let facade = call.split('.').next().unwrap();
        match UNNAMED.iter().find(|(c, _)| c == call || *c == facade) {
            Some((_, why)) => println!("  {call} ({n}): {why}"),
            None => {
                named += n;
                println!("  {call} ({n}): MISSING");
            }
        }
    }
    let covered = same + other.len() + ours_refuses.len();
    println!(
        "of the calls that are named, typed: {covered} of {}",
        covered + named
    );
    assert!(covered * 100 >= (covered + named) * 90);
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
