//! The status of a model of 1,000 units and 10,000 pipelined calls, beside PyPI's `juju` on the same fake in the same run.
//! `cargo test --release -p juju-client --test benchmark -- --nocapture` for numbers that mean something.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_types
)]

use std::time::{Duration, Instant};

use juju_client::api::application::Deploy;
use juju_client::api::charms::Origin;
use juju_client::api::models::NewModel;
use juju_client::testing::FakeController;
use juju_client::{FullStatus, Options};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_units_and_ten_thousand_calls() {
    let fake = FakeController::builder()
        .version("3.6.9")
        .start()
        .await
        .unwrap();
    let access = fake.access();
    let controller = access.connect(None, Options::default()).await.unwrap();
    let made = controller
        .models()
        .create(&NewModel::new("big"))
        .await
        .unwrap();
    let model = controller
        .open_model(&made.uuid.parse().unwrap())
        .await
        .unwrap();
    for app in ["a", "b", "c", "d"] {
        let mut d = Deploy::new(
            app,
            "local:web-0",
            Origin::local("amd64", Default::default()),
        );
        d.num_units = 250;
        model.applications().deploy(&d).await.unwrap();
    }
    while model.status().await.unwrap().units().count() < 1000 {}
    // Decoding alone.
    let reply = model
        .raw(
            "Client",
            8,
            "",
            "FullStatus",
            json!({"patterns": []}),
            Duration::from_secs(30),
        )
        .await
        .unwrap();
    let mut decoded = Duration::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        let status: FullStatus = reply.decode().unwrap();
        decoded = decoded.min(begin.elapsed());
        assert_eq!(status.units().count(), 1000);
    }
    let mut status = Duration::MAX;
    for _ in 0..3 {
        let begin = Instant::now();
        model.status().await.unwrap();
        status = status.min(begin.elapsed());
    }
    let begin = Instant::now();
    let calls: u32 = 10_000;
    let pings = (0..calls).map(|_| model.call::<serde_json::Value>("Pinger", "Ping", json!({})));
    for r in futures_util::future::join_all(pings).await {
        r.unwrap();
    }
    let pipelined = begin.elapsed();
    println!(
        "status of 1,000 units ({} bytes): decoded in {decoded:?}, with the fake's answer {status:?}; {calls} pipelined calls {pipelined:?}",
        reply.frame().len()
    );
    assert!(decoded < Duration::from_millis(500));

    let python = std::env::var("JUJU_PYTHON").unwrap_or_else(|_| "python3".into());
    if !std::process::Command::new(&python)
        .args(["-c", "import juju.model"])
        .output()
        .is_ok_and(|o| o.status.success())
    {
        println!(
            "skipped: the comparison with PyPI's juju (pip install juju==3.6.1.3 in a venv, and set JUJU_PYTHON to its python)"
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &access.ca_cert).unwrap();
    let password = fake.identity().password;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/libjuju_bench.py");
    let out = tokio::process::Command::new(python)
        .arg(script)
        .args([&access.endpoints[0], &made.uuid, &password])
        .arg(&ca)
        .args(["3", &calls.to_string()])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let numbers: Vec<f64> = text
        .split_whitespace()
        .filter_map(|w| w.parse().ok())
        .collect();
    let [their_status, their_calls] = numbers[..] else {
        panic!("{text}{}", String::from_utf8_lossy(&out.stderr))
    };
    // The fake's own share is in both; the decoding is told apart by taking our whole status, answer included, from theirs.
    let their_decoding = their_status - (status - decoded).as_secs_f64();
    println!(
        "beside libjuju: status {:.1} times, decoding alone {:.0} times, pipelined calls {:.1} times as fast",
        their_status / status.as_secs_f64(),
        their_decoding / decoded.as_secs_f64(),
        their_calls / pipelined.as_secs_f64()
    );
}
