//! What the pipeline does with Juju, from adoption to the password, against the fake of each family.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use juju_client::api::cloud::{Cloud, CloudCredential};
use juju_client::api::models::{DestroyModel, NewModel};
use juju_client::bundle::{ApplyOptions, Bundle};
use juju_client::testing::{
    Actions, Durations, FakeController, Instance, Provider, StartInstance, VaultState,
};
use juju_client::wait::{Converged, Deadline, Judgement, vault_waits_for_init, wait_for};
use juju_client::{Client, Options, Store};
use serde_json::{Map, Value, json};

const BUNDLE: &str = include_str!("fixtures/openstack.yaml");

struct Keystone;

#[async_trait]
impl Actions for Keystone {
    async fn run(
        &self,
        unit: &str,
        name: &str,
        params: &Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        match (unit, name) {
            ("keystone/0", "get-admin-password") => {
                Ok([("admin-password".to_owned(), json!("pw"))]
                    .into_iter()
                    .collect())
            }
            ("vault/0", "authorize-charm") if params.contains_key("token") => Ok(Map::new()),
            ("vault/0", "generate-root-ca") => {
                Ok([("output".to_owned(), json!("CERT"))].into_iter().collect())
            }
            _ => Err(format!("no such action {name}")),
        }
    }
}

/// Composes up to `left` machines.
struct Limited(std::sync::Mutex<u32>);

#[async_trait]
impl Provider for Limited {
    async fn start_instance(&self, start: StartInstance) -> Result<Instance, String> {
        let mut left = self.0.lock().unwrap();
        if *left == 0 {
            return Err("No available machine matches constraints".into());
        }
        *left -= 1;
        Ok(Instance {
            system_id: format!("n{}", start.machine_id),
            hostname: format!("n{}", start.machine_id),
            addresses: vec!["10.0.0.1".into()],
        })
    }
    async fn stop_instance(&self, _: &str) -> Result<(), String> {
        *self.0.lock().unwrap() += 1;
        Ok(())
    }
    async fn instance_running(&self, _: &str) -> bool {
        true
    }
}

async fn model(fake: &FakeController) -> (Client, Client) {
    // Through the files of a client store, as the pipeline reads them out of a container.
    let files = fake.store().to_files().unwrap();
    let access = Store::from_files(&files).unwrap().controller(None).unwrap();
    let controller = access.connect(None, Options::default()).await.unwrap();
    controller
        .cloud()
        .add("lab-maas", &Cloud::maas("http://10.0.0.2:5240/MAAS"), false)
        .await
        .unwrap();
    controller
        .cloud()
        .update_credential("lab-maas", "cred", &CloudCredential::maas("a:b:c"))
        .await
        .unwrap();
    assert_eq!(
        controller.cloud().credentials("lab-maas").await.unwrap(),
        ["cred"]
    );
    let new = NewModel::new("openstack")
        .on("lab-maas", "cred")
        .set("default-space", "alpha");
    controller.models().create(&new).await.unwrap();
    assert!(
        controller
            .models()
            .create(&new)
            .await
            .unwrap_err()
            .is_already_exists()
    );
    let uuid = controller
        .models()
        .find("openstack")
        .await
        .unwrap()
        .unwrap();
    let model = access
        .connect_model(&uuid, None, Options::default())
        .await
        .unwrap();
    (controller, model)
}

async fn mission(version: &str) {
    let fake = FakeController::builder()
        .version(version)
        .actions(Arc::new(Keystone))
        .start()
        .await
        .unwrap();
    let (controller, client) = model(&fake).await;
    let bundle = Bundle::parse(BUNDLE).unwrap();
    let machines = bundle.machines().unwrap();
    assert_eq!(machines.len(), 13);
    assert_eq!(machines[0].constraints.mem, Some(6144));
    assert_eq!(machines[0].constraints.unwanted_tags(), ["compute"]);
    assert_eq!(machines[10].constraints.root_disk, Some(532 * 1024));
    assert_eq!(
        machines[0].units,
        ["mysql-innodb-cluster/0", "ovn-central/0"]
    );

    let before = bundle.diff(&client).await.unwrap();
    let begin = Instant::now();
    let applied = bundle
        .apply(&client, &ApplyOptions::default())
        .await
        .unwrap();
    println!(
        "{version}: {} changes in {:?}",
        applied.changes,
        begin.elapsed()
    );
    assert_eq!(applied.changes, before.changes.len());
    let after = bundle.diff(&client).await.unwrap();
    assert!(after.is_empty(), "{after}");
    assert_eq!(
        bundle
            .apply(&client, &ApplyOptions::default())
            .await
            .unwrap()
            .changes,
        0
    );
    assert_eq!(fake.counts()["machine"], 13);

    // Vault is told.
    let limit = Deadline {
        total: Duration::from_secs(10),
        stall: Duration::from_secs(10),
        poll: Duration::from_millis(10),
    };
    wait_for(
        &client,
        "vault",
        |s| {
            if vault_waits_for_init(s, "vault").is_empty() {
                Judgement::Pending {
                    state: "not yet".into(),
                    done: 0,
                    of: 1,
                }
            } else {
                Judgement::Settled
            }
        },
        limit,
    )
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let status = client.status().await.unwrap();
    let Judgement::Pending { state, .. } = Converged::judge(&status) else {
        panic!("converged without vault")
    };
    assert!(
        state.contains("vault/0") && state.contains("needs to be initialized"),
        "{state}"
    );
    let blocker = juju_client::wait::explain(&status).unwrap();
    assert_eq!(blocker.what, "unit vault/0");
    assert!(
        blocker.waiting.iter().any(|u| u == "keystone/0"),
        "{blocker:?}"
    );

    fake.vault_state(VaultState::Unsealed);
    let token: BTreeMap<String, Value> = [("token".to_owned(), json!("t"))].into();
    client
        .actions()
        .run(
            "vault/leader",
            "authorize-charm",
            &token,
            Duration::from_secs(5),
        )
        .await
        .unwrap();
    fake.vault_state(VaultState::HasRootCa);
    let r = client
        .actions()
        .run(
            "vault/0",
            "generate-root-ca",
            &BTreeMap::new(),
            Duration::from_secs(5),
        )
        .await
        .unwrap();
    assert_eq!(r.get_str("output").as_deref(), Some("CERT"));
    wait_for(&client, "convergence", Converged::judge, limit)
        .await
        .unwrap();
    let r = client
        .actions()
        .run(
            "keystone/0",
            "get-admin-password",
            &BTreeMap::new(),
            Duration::from_secs(5),
        )
        .await
        .unwrap();
    assert_eq!(r.get_str("admin-password").as_deref(), Some("pw"));
    let failed = client
        .actions()
        .run(
            "keystone/0",
            "nope",
            &BTreeMap::new(),
            Duration::from_secs(5),
        )
        .await
        .unwrap_err();
    assert!(failed.to_string().contains("no such action"), "{failed}");

    let uuid = client.model_uuid().unwrap();
    controller
        .models()
        .destroy(&uuid, DestroyModel::default())
        .await
        .unwrap();
    let end = Instant::now() + Duration::from_secs(5);
    while controller
        .models()
        .find("openstack")
        .await
        .unwrap()
        .is_some()
    {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(client.status().await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn the_mission_on_3_6() {
    mission("3.6.9").await;
}

#[tokio::test]
async fn the_mission_on_3_1() {
    mission("3.1.8").await;
}

#[tokio::test]
async fn the_mission_on_4_0() {
    mission("4.0.15").await;
}

#[tokio::test]
async fn a_shortage_is_retried_and_told() {
    let provider = Arc::new(Limited(std::sync::Mutex::new(12)));
    let fake = FakeController::builder()
        .version("3.6.9")
        .provider(provider.clone())
        .start()
        .await
        .unwrap();
    let (_controller, client) = model(&fake).await;
    Bundle::parse(BUNDLE)
        .unwrap()
        .apply(&client, &ApplyOptions::default())
        .await
        .unwrap();
    fake.vault_state(VaultState::HasRootCa);
    let limit = Deadline {
        total: Duration::from_millis(900),
        stall: Duration::from_secs(10),
        poll: Duration::from_millis(20),
    };
    let e = wait_for(&client, "convergence", Converged::judge, limit)
        .await
        .unwrap_err();
    assert!(
        e.is_timeout() && e.to_string().contains("No available machine"),
        "{e}"
    );
    *provider.0.lock().unwrap() = 1;
    wait_for(
        &client,
        "convergence",
        Converged::judge,
        Deadline {
            total: Duration::from_secs(10),
            ..limit
        },
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn the_bundle_lasts_as_long_as_it_should() {
    // Time stands where the test puts it.
    let now = Arc::new(std::sync::Mutex::new(Duration::ZERO));
    let hand = now.clone();
    let s = Duration::from_secs;
    let durations = Durations {
        bundle: s(6300),
        vault_blocked: s(1500),
        compute: s(600),
        integrations: s(15),
        certificates: s(60),
        agent: s(30),
        ..Durations::default()
    };
    let fake = FakeController::builder()
        .clock(Arc::new(move || *hand.lock().unwrap()))
        .durations(durations)
        .start()
        .await
        .unwrap();
    let (_controller, client) = model(&fake).await;
    Bundle::parse(BUNDLE)
        .unwrap()
        .apply(&client, &ApplyOptions::default())
        .await
        .unwrap();
    let settled = async |at: u64| {
        *now.lock().unwrap() = s(at);
        fake.advance().await;
        fake.advance().await;
        Converged::judge(&client.status().await.unwrap())
    };
    settled(40).await;
    settled(1400).await;
    assert!(vault_waits_for_init(&client.status().await.unwrap(), "vault").is_empty());
    settled(1501).await;
    assert_eq!(
        vault_waits_for_init(&client.status().await.unwrap(), "vault"),
        ["vault/0"]
    );
    *now.lock().unwrap() = s(2770);
    fake.vault_state(VaultState::HasRootCa);
    assert!(matches!(settled(6290).await, Judgement::Pending { .. }));
    assert_eq!(settled(6300).await, Judgement::Settled);

    // And its state lives on.
    let again = FakeController::builder()
        .state(fake.snapshot())
        .clock(Arc::new(move || s(6301)))
        .start()
        .await
        .unwrap();
    let client = again
        .access()
        .connect_model(&client.model_uuid().unwrap(), None, Options::default())
        .await
        .unwrap();
    assert_eq!(
        Converged::judge(&client.status().await.unwrap()),
        Judgement::Settled
    );
}
