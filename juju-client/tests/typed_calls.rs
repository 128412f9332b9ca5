//! The typed calls against the fake of both families, where what they do can be seen afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use juju_client::api::application::Deploy;
use juju_client::api::charms::Origin;
use juju_client::api::cloud::{Cloud, CloudCredential};
use juju_client::api::models::NewModel;
use juju_client::api::progress::ExecTarget;
use juju_client::api::repository::{FromRepository, Refresh};
use juju_client::api::status::Base;
use juju_client::testing::{Actions, Durations, FakeController};
use juju_client::wait::{Condition, Deadline};
use juju_client::{Client, ModelUuid, Options, wait_for};
use serde_json::{Map, Value, json};

const FAMILIES: [&str; 3] = ["3.1.8", "3.6.9", "4.0.15"];

struct Backup;

#[async_trait]
impl Actions for Backup {
    fn log(&self, _: &str, name: &str) -> Vec<String> {
        if name == "backup" {
            vec!["starting".into(), "half way".into(), "nearly".into()]
        } else {
            Vec::new()
        }
    }

    async fn run(
        &self,
        _: &str,
        name: &str,
        params: &Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        let out = match name {
            "juju-exec" => json!({"stdout": params["command"], "return-code": 0}),
            _ => json!({"size": 7}),
        };
        Ok(out.as_object().cloned().unwrap_or_default())
    }
}

async fn world(version: &str) -> (FakeController, Client, Client, ModelUuid) {
    let slow = Duration::from_millis(400);
    let durations = Durations {
        actions: [
            ("backup".to_owned(), slow),
            ("pause".to_owned(), Duration::from_secs(600)),
        ]
        .into(),
        ..Durations::default()
    };
    let fake = FakeController::builder()
        .version(version)
        .actions(Arc::new(Backup))
        .durations(durations)
        .start()
        .await
        .unwrap();
    let controller = fake
        .access()
        .connect(None, Options::default())
        .await
        .unwrap();
    let made = controller
        .models()
        .create(&NewModel::new("m"))
        .await
        .unwrap();
    let uuid: ModelUuid = made.uuid.parse().unwrap();
    let model = controller.open_model(&uuid).await.unwrap();
    (fake, controller, model, uuid)
}

/// A zip of stored files.
fn zip(files: &[(&str, &str)]) -> Bytes {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let offset = u32::try_from(out.len()).unwrap();
        let size = u32::try_from(text.len()).unwrap().to_le_bytes();
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        out.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
        out.extend([size, size].concat());
        out.extend(length);
        out.extend([0, 0]);
        out.extend(name.bytes().chain(text.bytes()));
        directory.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
        directory.extend([size, size].concat());
        directory.extend(length);
        directory.extend([0; 12]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.bytes());
    }
    let at = u32::try_from(out.len()).unwrap();
    let n = u16::try_from(files.len()).unwrap().to_le_bytes();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([n, n].concat());
    out.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0, 0]);
    out.into()
}

async fn idle(c: &Client, app: &str) {
    let deadline = Deadline {
        total: Duration::from_secs(60),
        stall: Duration::from_secs(60),
        poll: Duration::from_millis(50),
    };
    let there = Condition::application(app).active().idle();
    wait_for(c, app, |s| there.judge(s), deadline)
        .await
        .unwrap();
}

async fn deploy_local(c: &Client, url: &str) {
    let base = Base {
        name: "ubuntu".into(),
        channel: "22.04/stable".into(),
    };
    let mut d = Deploy::new("mine", url, Origin::local("amd64", base));
    d.num_units = 1;
    c.applications().deploy(&d).await.unwrap();
}

#[tokio::test]
async fn charms_and_resources_are_uploaded() {
    for version in FAMILIES {
        let (fake, _, c, _) = world(version).await;
        let archive = zip(&[
            (
                "metadata.yaml",
                "name: mine\nsummary: s\ndescription: d\nprovides:\n  site:\n    interface: http\nresources:\n  blob:\n    type: file\n    filename: blob.bin\n    description: a blob\n",
            ),
            (
                "config.yaml",
                "options:\n  title:\n    type: string\n    default: t\n",
            ),
            ("actions.yaml", "backup:\n  description: makes one\n"),
        ]);
        let url = c
            .charms()
            .upload("mine", archive.clone(), "jammy")
            .await
            .unwrap();
        assert_eq!(url, "local:mine-0", "{version}");
        // The same bytes are another revision, as on the real server.
        assert_eq!(
            c.charms().upload("mine", archive, "jammy").await.unwrap(),
            "local:mine-1"
        );
        let info = c.charms().info(&url).await.unwrap();
        assert_eq!(info.meta.provides["site"].interface, "http");
        assert!(info.config.contains_key("title"));
        let e = c
            .charms()
            .upload("mine", Bytes::from_static(b"nope"), "jammy")
            .await
            .unwrap_err();
        assert!(e.to_string().contains("not a valid zip file"), "{e}");
        deploy_local(&c, &url).await;
        idle(&c, "mine").await;
        let content = Bytes::from_static(b"some content");
        let r = c
            .upload_resource("mine", "blob", "my blob.bin", content, None)
            .await
            .unwrap();
        assert_eq!((r.origin.as_str(), r.size), ("upload", 12));
        let listed = c.list_resources("mine").await.unwrap();
        assert_eq!(listed[0].fingerprint, r.fingerprint);
        let e = c
            .upload_resource("mine", "nope", "x", Bytes::new(), None)
            .await
            .unwrap_err();
        assert!(e.is_not_found(), "{e}");
        let actions = c.actions().of_application("mine").await.unwrap();
        assert!(actions.contains_key("backup"));
        let seen: Vec<_> = fake
            .calls()
            .into_keys()
            .filter(|k| k.contains("/charms"))
            .collect();
        println!("{version}: {seen:?}");
    }
}

#[tokio::test]
async fn actions_log_while_they_run() {
    for version in FAMILIES {
        let (_fake, _, c, _) = world(version).await;
        let mut from = FromRepository::new("web");
        from.num_units = Some(1);
        if version == "3.1.8" {
            let e = c
                .applications()
                .deploy_from_repository(&from)
                .await
                .unwrap_err();
            assert!(
                e.is_not_supported() && e.to_string().contains("3.1.8"),
                "{e}"
            );
            continue;
        }
        let deployed = c
            .applications()
            .deploy_from_repository(&from)
            .await
            .unwrap();
        assert_eq!(deployed.name, "web");
        idle(&c, "web").await;
        let actions = c.actions();
        let parameters = [("target".to_owned(), json!("/srv"))].into();
        let id = actions
            .enqueue("web/leader", "backup", &parameters)
            .await
            .unwrap();
        let mut lines = Vec::new();
        let r = actions
            .wait_logged(&id, Duration::from_secs(30), |m| {
                lines.push(m.message.clone())
            })
            .await
            .unwrap();
        assert_eq!(lines, ["starting", "half way", "nearly"]);
        assert_eq!(r.get_str("size").as_deref(), Some("7"));
        let run = actions
            .exec(
                "uptime",
                &ExecTarget::unit("web/0"),
                Duration::from_secs(10),
            )
            .await
            .unwrap();
        let r = actions
            .wait(&run[0], Duration::from_secs(10))
            .await
            .unwrap();
        assert_eq!(r.get_str("stdout").as_deref(), Some("uptime"));
        // One that lasts is taken back, where the server can.
        let id = actions
            .enqueue("web/0", "pause", &BTreeMap::new())
            .await
            .unwrap();
        match actions.cancel(&id).await {
            Ok(_) => assert!(version.starts_with("3.")),
            Err(e) => assert!(
                version.starts_with("4.") && e.to_string().contains("4.0.15"),
                "{e}"
            ),
        }
        let found = actions.list(&["web/0"], &["backup"]).await.unwrap();
        assert_eq!(found.len(), 1);
        let e = actions.operation("999").await.unwrap_err();
        assert!(e.is_not_found(), "{e}");
    }
}

#[tokio::test]
async fn offers_are_made_consumed_and_taken_back() {
    for version in FAMILIES {
        let (fake, controller, c, uuid) = world(version).await;
        let archive = zip(&[(
            "metadata.yaml",
            "name: mine\nprovides:\n  site:\n    interface: http\n",
        )]);
        let url = c.charms().upload("mine", archive, "jammy").await.unwrap();
        deploy_local(&c, &url).await;
        let offers = controller.offers();
        offers
            .create(&uuid, "mine", &["site"], Some("shop"))
            .await
            .unwrap();
        let all = offers.list("admin", "m").await.unwrap();
        assert_eq!(all[0].offer_url, "admin/m.shop");
        assert_eq!(all[0].endpoints[0].interface, "http");
        assert_eq!(offers.get("admin/m.shop").await.unwrap().offer_name, "shop");
        offers
            .grant("admin/m.shop", "admin", "consume")
            .await
            .unwrap();
        let other = controller
            .models()
            .create(&NewModel::new("other"))
            .await
            .unwrap();
        let other = controller
            .open_model(&other.uuid.parse().unwrap())
            .await
            .unwrap();
        let details = offers.consume_details("admin/m.shop").await.unwrap();
        assert!(!format!("{details:?}").contains("s64"));
        other.consume(&details, Some("far")).await.unwrap();
        assert_eq!(fake.counts()["consumed"], 1);
        other.destroy_consumed("far").await.unwrap();
        assert!(
            other
                .destroy_consumed("far")
                .await
                .unwrap_err()
                .is_not_found()
        );
        offers.destroy("admin/m.shop", false).await.unwrap();
        assert!(offers.get("admin/m.shop").await.unwrap_err().is_not_found());
        assert!(offers.list("admin", "m").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn clouds_models_keys_and_spaces() {
    for version in FAMILIES {
        let (fake, controller, c, uuid) = world(version).await;
        let clouds = controller.cloud();
        clouds
            .add("lab2", &Cloud::maas("http://10.0.0.1/MAAS"), true)
            .await
            .unwrap();
        assert_eq!(clouds.get("lab2").await.unwrap().kind, "maas");
        assert!(clouds.get("nope").await.unwrap_err().is_not_found());
        clouds
            .add_credential("lab2", "mine", &CloudCredential::maas("a:b:c"))
            .await
            .unwrap();
        assert_eq!(clouds.credentials("lab2").await.unwrap(), ["mine"]);
        clouds
            .revoke_credential("lab2", "mine", false)
            .await
            .unwrap();
        assert!(clouds.credentials("lab2").await.unwrap().is_empty());
        // Bad names never leave this side.
        assert!(
            clouds
                .add("Bad Name", &Cloud::maas("x"), true)
                .await
                .is_err()
        );

        let models = controller.models();
        let settings = [("default-space".to_owned(), json!("internal"))].into();
        models.set_defaults("maas", None, &settings).await.unwrap();
        let defaults = models.defaults("maas").await.unwrap();
        assert_eq!(
            defaults["default-space"].controller,
            Some(json!("internal"))
        );
        models
            .unset_defaults("maas", None, &["default-space"])
            .await
            .unwrap();
        assert_eq!(
            models.defaults("maas").await.unwrap()["default-space"].controller,
            None
        );
        assert!(
            models
                .set_defaults("maas", None, &[("uuid".to_owned(), json!("x"))].into())
                .await
                .is_err()
        );
        assert_eq!(models.info(&uuid).await.unwrap().name, "m");

        let config = c.model_config();
        let wanted = juju_client::bundle::Constraints::default();
        config.set_constraints(&wanted).await.unwrap();
        assert_eq!(config.constraints().await.unwrap(), wanted);

        let keys = c.ssh_keys();
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8bJVS5QC363Y0Ynu2FOpfBFCCWAVfXZTkytR/ONQue lab@client";
        keys.add(&[key]).await.unwrap();
        assert_eq!(keys.list(true).await.unwrap(), [key]);
        // As the real server showed it.
        assert_eq!(
            keys.list(false).await.unwrap(),
            ["SHA256:07biVOW87wls/7quDnVD+GhPIyaCI9g54ncAQBXA2VM"]
        );
        assert_eq!(
            keys.add(&[key]).await.unwrap_err().code(),
            Some("public key already exists")
        );
        keys.delete(&["lab@client"]).await.unwrap();
        assert!(keys.list(true).await.unwrap().is_empty());

        assert!(c.spaces().await.unwrap().iter().any(|s| s.name == "alpha"));
        c.create_space("internal", &[]).await.unwrap();
        assert!(
            c.create_space("internal", &[])
                .await
                .unwrap_err()
                .is_already_exists()
        );
        assert_eq!(c.spaces().await.unwrap().len(), 2);
        assert!(c.zones().await.unwrap().is_empty());
        assert!(c.subnets().await.unwrap().is_empty());

        assert!(c.storage().list().await.unwrap().is_empty());
        assert!(
            c.storage()
                .pools()
                .await
                .unwrap()
                .iter()
                .any(|p| p.name == "loop")
        );
        assert!(c.storage().volumes().await.unwrap().is_empty());
        assert!(c.secrets(None).await.unwrap().is_empty());
        let e = c.create_backup("nightly").await.unwrap_err();
        assert!(e.is_not_supported(), "{e}");
        if version.starts_with("4.") {
            assert!(e.to_string().contains("Juju 4.0 has no backups"), "{e}");
        } else {
            let own = fake.identity().model_uuid.parse().unwrap();
            let own = controller.open_model(&own).await.unwrap();
            let backup = own.create_backup("nightly").await.unwrap();
            assert!(backup.size > 0 && !backup.filename.is_empty());
        }
        let e = c.applications().scale("web", 3).await.unwrap_err();
        assert!(
            e.is_not_supported() && e.to_string().contains("add and remove units"),
            "{e}"
        );
    }
}

#[tokio::test]
async fn an_application_is_refreshed() {
    for version in ["3.6.9", "4.0.15"] {
        let (_fake, _, c, _) = world(version).await;
        let mut from = FromRepository::new("web");
        from.revision = Some(2901);
        from.channel = Some("latest/stable".into());
        let apps = c.applications();
        assert_eq!(
            apps.deploy_from_repository(&from).await.unwrap().revision,
            2901
        );
        let (url, changed) = apps.refresh("web", &Refresh::default()).await.unwrap();
        assert!(changed && url == "ch:amd64/web-2902", "{url}");
        let (_, changed) = apps.refresh("web", &Refresh::default()).await.unwrap();
        assert!(!changed);
        assert_eq!(
            c.status().await.unwrap().applications["web"].charm,
            "ch:amd64/web-2902"
        );
        assert!(
            apps.refresh("nope", &Refresh::default())
                .await
                .unwrap_err()
                .is_not_found()
        );
    }
}

#[tokio::test]
async fn a_relations_data_is_read() {
    let (fake, _, c, _) = world("4.0.15").await;
    let apps = c.applications();
    for charm in ["web", "database"] {
        apps.deploy_from_repository(&FromRepository::new(charm))
            .await
            .unwrap();
    }
    apps.add_relation("web:db", "database:db").await.unwrap();
    idle(&c, "web").await;
    idle(&c, "database").await;
    fake.relation_data("database/0", "password", "pw");
    let unit = apps.unit("web/0").await.unwrap();
    let bag = unit
        .relation_data
        .iter()
        .find_map(|r| r.unit_relation_data.get("database/0"))
        .unwrap();
    assert!(
        bag.in_scope && bag.data.contains_key("ingress-address"),
        "{bag:?}"
    );
    assert_eq!(
        apps.relation_value("web/0", "password")
            .await
            .unwrap()
            .as_deref(),
        Some("pw")
    );
    assert_eq!(apps.relation_value("web/0", "nothing").await.unwrap(), None);
}
