//! The fake of both families, driven by a client that nobody here wrote: npm's `@canonical/jujulib` 9.1.0.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_types
)]

use std::time::Duration;

use juju_client::testing::FakeController;

const HOW: &str =
    "npm install @canonical/jujulib@9.1.0 in a folder, and set JUJULIB_DIR to it; node is needed";

/// The folder with `node_modules`, if the package and node are there.
fn package() -> Option<String> {
    let dir = std::env::var("JUJULIB_DIR").ok()?;
    let found = std::path::Path::new(&dir)
        .join("node_modules/@canonical/jujulib/dist/api/client.js")
        .exists()
        && std::process::Command::new("node")
            .arg("--version")
            .output()
            .is_ok_and(|o| o.status.success());
    found.then_some(dir)
}

async fn drive(version: &str) {
    let Some(dir) = package() else {
        assert!(
            std::env::var("CLOUDBOOT_PEERS").as_deref() != Ok("1"),
            "npm's @canonical/jujulib is absent: {HOW}"
        );
        println!("skipped: npm's @canonical/jujulib is absent ({HOW})");
        return;
    };
    let fake = FakeController::builder()
        .version(version)
        .start()
        .await
        .unwrap();
    let access = fake.access();
    let files = tempfile::tempdir().unwrap();
    let ca = files.path().join("ca.pem");
    std::fs::write(&ca, &access.ca_cert).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/jujulib.mjs");
    let run = tokio::process::Command::new("node")
        .arg(script)
        .arg(&access.endpoints[0])
        .arg(&ca)
        .arg(&fake.identity().password)
        .env("JUJULIB_DIR", dir)
        .kill_on_drop(true)
        .output();
    let out = tokio::time::timeout(Duration::from_secs(120), run)
        .await
        .expect("jujulib took more than 120 s")
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    println!("{text}");
    assert!(out.status.success() && text.contains("done"), "{text}");
    assert_eq!(fake.counts()["unit:database"], 2);
    assert_eq!(fake.counts()["relation"], 1);
}

#[tokio::test]
async fn jujulib_works_with_the_fake_as_3x() {
    drive("3.6.9").await;
}

#[tokio::test]
async fn jujulib_works_with_the_fake_as_4x() {
    drive("4.0.15").await;
}
