//! The wire of the real `juju` 4.0.15 CLI replayed against the fake controller: every frame is answered, in the recorded shape.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/shape.rs"]
mod shape;

use std::collections::BTreeMap;
use std::time::Duration;

use juju_client::testing::FakeController;
use juju_client::{Client, Options};
use serde_json::{Value, json};
use shape::{differ, learn, translate};

const WIRE: &str = include_str!("fixtures/recordings/cli_wire.jsonl");

#[tokio::test]
async fn the_official_clients_frames_are_answered_in_the_recorded_shape() {
    let fake = FakeController::builder()
        .version("4.0.15")
        .cloud("lab", "http://10.20.0.2")
        .start()
        .await
        .unwrap();
    let access = fake.access();
    let mut clients: BTreeMap<String, Client> = BTreeMap::new();
    clients.insert(
        "/api".into(),
        access.connect(None, Options::default()).await.unwrap(),
    );
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let mut elsewhere: BTreeMap<String, u32> = BTreeMap::new();
    let (mut frames, mut shaped, mut unanswered, mut other) = (
        0,
        0,
        BTreeMap::<String, u32>::new(),
        BTreeMap::<String, Vec<String>>::new(),
    );
    for line in WIRE.lines() {
        let run: Value = serde_json::from_str(line).unwrap();
        for f in run["frames"].as_array().unwrap() {
            let path = translate(f[0].as_str().unwrap(), &ids);
            let request: Value = serde_json::from_str(&translate(&f[1].to_string(), &ids)).unwrap();
            let real: Value = serde_json::from_str(&translate(&f[2].to_string(), &ids)).unwrap();
            let (facade, method) = (
                request["type"].as_str().unwrap(),
                request["request"].as_str().unwrap(),
            );
            let name = format!("{facade}.{method}");
            if !clients.contains_key(&path) {
                let uuid = path
                    .trim_start_matches("/model/")
                    .trim_end_matches("/api")
                    .parse()
                    .unwrap();
                match access.connect_model(&uuid, None, Options::default()).await {
                    Ok(c) => drop(clients.insert(path.clone(), c)),
                    Err(e) if e.is_not_found() => {
                        *elsewhere.entry(run["name"].to_string()).or_insert(0) += 1;
                        continue;
                    }
                    Err(e) => panic!("{}: {path}: {e}", run["name"]),
                }
            }
            frames += 1;
            let version = u32::try_from(request["version"].as_u64().unwrap()).unwrap();
            let id = request["id"].as_str().unwrap_or_default();
            let outcome = clients[&path]
                .raw(
                    facade,
                    version,
                    id,
                    method,
                    &request["params"],
                    Duration::from_secs(10),
                )
                .await;
            let ours = match outcome {
                Ok(reply) => serde_json::from_slice::<Value>(reply.frame()).unwrap(),
                Err(e)
                    if e.code() == Some("not implemented")
                        && real["error-code"] != "not implemented" =>
                {
                    *unanswered.entry(name).or_default() += 1;
                    continue;
                }
                Err(e) => json!({"error": e.message(), "error-code": e.code()}),
            };
            learn(&f[2], &ours, &mut ids);
            // What the answer only began is given its time.
            if method.starts_with("Destroy") {
                fake.advance().await;
            }
            if real["too-long"] == json!(true) {
                shaped += 1;
                continue;
            }
            let mut differences = Vec::new();
            differ("", &real["response"], &ours["response"], &mut differences);
            if real["error"].is_string() != ours["error"].is_string() {
                differences.push(format!("recorded {} ours {}", real["error"], ours["error"]));
            }
            if differences.is_empty() {
                shaped += 1;
            } else {
                differences.truncate(3);
                other.entry(name).or_default().push(format!(
                    "{}: {}",
                    run["name"],
                    differences.join("; ")
                ));
            }
        }
    }
    println!(
        "frames {frames}, answered in the recorded shape {shaped} ({} %)",
        shaped * 100 / frames
    );
    println!("left out, since their models were filled by other calls than these: {elsewhere:?}");
    println!("not answered: {unanswered:?}");
    for (name, cases) in &other {
        println!("{name} ({}): {}", cases.len(), cases[0]);
    }
    assert!(shaped * 100 >= frames * 97, "{shaped} of {frames}");
}
