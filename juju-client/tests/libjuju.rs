//! The fake, as a 3.6 controller, driven by a client that nobody here wrote: PyPI's `juju` 3.6.1.3.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_types
)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use juju_client::api::models::NewModel;
use juju_client::bundle::{ApplyOptions, Bundle};
use juju_client::testing::{Actions, FakeController, VaultState};
use juju_client::{Options, Store};
use serde_json::{Map, Value, json};

struct Password;

#[async_trait]
impl Actions for Password {
    async fn run(
        &self,
        _: &str,
        name: &str,
        _: &Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        match name {
            "get-admin-password" => Ok([("admin-password".to_owned(), json!("pw"))]
                .into_iter()
                .collect()),
            other => Err(format!("no action {other}")),
        }
    }
}

/// A Python that has the package: `JUJU_PYTHON`, else `python3`.
fn python() -> Option<String> {
    let python = std::env::var("JUJU_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = std::process::Command::new(&python)
        .args(["-c", "import juju.model"])
        .output()
        .is_ok_and(|o| o.status.success());
    found.then_some(python)
}

#[tokio::test]
async fn libjuju_works_with_the_fake() {
    let Some(python) = python() else {
        let how = "pip install juju==3.6.1.3 in a venv, and set JUJU_PYTHON to its python";
        assert!(
            std::env::var("CLOUDBOOT_PEERS").as_deref() != Ok("1"),
            "PyPI's juju is absent: {how}"
        );
        println!("skipped: PyPI's juju is absent ({how})");
        return;
    };
    let fake = FakeController::builder()
        .version("3.6.9")
        .actions(Arc::new(Password))
        .start()
        .await
        .unwrap();
    let access = fake.access();
    let controller = access.connect(None, Options::default()).await.unwrap();
    let made = controller
        .models()
        .create(&NewModel::new("openstack"))
        .await
        .unwrap();
    let model = controller
        .open_model(&made.uuid.parse().unwrap())
        .await
        .unwrap();
    Bundle::parse(include_str!("fixtures/openstack.yaml"))
        .unwrap()
        .apply(&model, &ApplyOptions::default())
        .await
        .unwrap();
    fake.vault_state(VaultState::HasRootCa);
    // What libjuju asks of a charm store by itself, on loopback.
    let store = wiremock::MockServer::start().await;
    wiremock::Mock::given(wiremock::matchers::method("GET"))
        .and(wiremock::matchers::path_regex("^/v2/charms/info/.*"))
        .respond_with(wiremock::ResponseTemplate::new(200).set_body_json(json!({
            "id": "idweb", "name": "web", "channel-map": [],
            "default-release": {"revision": {"subordinate": false}, "resources": []}
        })))
        .mount(&store)
        .await;
    let second = controller
        .models()
        .create(&NewModel::new("empty").set("charmhub-url", store.uri()))
        .await
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let charm = dir.path().join("mine");
    std::fs::create_dir(&charm).unwrap();
    for (file, text) in [
        (
            "metadata.yaml",
            "name: mine\nsummary: s\ndescription: d\nseries: [jammy]\nprovides:\n  site:\n    interface: http\nresources:\n  blob:\n    type: file\n    filename: blob.txt\n    description: d\n",
        ),
        (
            "actions.yaml",
            "get-admin-password:\n  description: says it\n",
        ),
        (
            "config.yaml",
            "options:\n  title:\n    type: string\n    default: t\n    description: d\n",
        ),
    ] {
        std::fs::write(charm.join(file), text).unwrap();
    }
    std::fs::write(dir.path().join("blob.txt"), "12345").unwrap();
    // The client store, for a reader that nobody here wrote either.
    let data = dir.path().join("juju-data");
    Store::update(&data, |s| {
        s.set_controller(&access, "maas");
        s.set_model(&access.name, "admin", "openstack", &made.uuid.parse()?);
        Ok(())
    })
    .unwrap();
    // It wants a file of cookies, which the official client makes when it has some.
    std::fs::create_dir(data.join("cookies")).unwrap();
    std::fs::write(data.join(format!("cookies/{}.json", access.name)), "[]").unwrap();
    std::fs::write(
        dir.path().join("bundle.yaml"),
        "default-base: ubuntu@22.04/stable\napplications:\n  front:\n    charm: web\n    channel: stable\n    num_units: 1\n    expose: true\n    options:\n      title: hi\n  db:\n    charm: database\n    channel: stable\n    num_units: 2\nrelations:\n- [front:db, db:db]\n",
    )
    .unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &access.ca_cert).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/libjuju.py");
    let password = fake.identity().password;
    let run = tokio::process::Command::new(python)
        .arg(script)
        .args([&access.endpoints[0], &made.uuid, &password])
        .arg(&ca)
        .arg(&second.uuid)
        .arg(dir.path())
        .env("JUJU_DATA", &data)
        .kill_on_drop(true)
        .output();
    let out = tokio::time::timeout(Duration::from_secs(180), run)
        .await
        .expect("libjuju took more than 180 s")
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    println!("{text}");
    println!("calls: {:?}", fake.calls());
    assert!(out.status.success() && text.contains("done"), "{text}");
    assert_eq!(fake.counts()["unit:rabbitmq-server"], 2);
    assert_eq!(fake.counts()["unit:mine"], 1);
    assert_eq!(fake.counts()["unit:db"], 2);
    // What it uploaded (its own list of resources leaves out what a real controller says of them).
    let empty = controller
        .open_model(&second.uuid.parse().unwrap())
        .await
        .unwrap();
    let resources = empty.list_resources("mine").await.unwrap();
    assert_eq!(resources.len(), 1);
    assert_eq!(
        (resources[0].name.as_str(), resources[0].size),
        ("blob", 14)
    );
    assert_eq!(resources[0].origin, "upload");
}
