//! Juju 4.x, bootstrapped natively on the lab: MAAS deploys the Juju machine with our user data, and nothing else is done.

use cloudboot::engine::{Outcome, Report, TeardownOptions};
use cloudboot::testing::{Durations, Lab};
use cloudboot_tests::mission::{failures, prepare_with, run};
use juju_client::Store;
use secrecy::ExposeSecret as _;

const FOUR: &str = "juju: {channel: 4.0/stable}";

async fn lab(folder: &tempfile::TempDir) -> Lab {
    Lab::builder(folder.path().join("lab"))
        .speed(1000.0)
        .durations(Durations::instant())
        .start()
        .await
        .unwrap()
}

async fn run_with(lab: &Lab, overlay: &str) -> Report {
    let (engine, _) = prepare_with(lab, overlay).await;
    engine.build().unwrap().run().await.unwrap()
}

fn assert_done(report: &Report) {
    assert!(
        matches!(report.outcome, Outcome::Done { .. }),
        "{:#?}",
        failures(report)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mission_with_juju_4_ends_as_the_delegated_one_does() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (four, three) = (lab(&folders[0]).await, lab(&folders[1]).await);

    let (engine, _) = prepare_with(&four, FOUR).await;
    let plan = engine.build().unwrap().plan().await.unwrap();
    let told = serde_json::to_string(&plan).unwrap();
    assert!(
        told.contains("bootstrap the controller maas-controller natively")
            && told.contains("4.0/stable"),
        "{told}"
    );

    assert_done(&run_with(&four, FOUR).await);
    assert_done(&run(&three).await);
    assert_eq!(four.end_state(), three.end_state());

    // The controller is of the 4.0 family, with the UUIDs and on the machine that MAAS holds for it.
    let juju = four.juju().unwrap();
    let access = juju.access();
    assert_eq!(access.agent_version, "4.0.15");
    let machine = four
        .maas()
        .machines()
        .into_iter()
        .find(|machine| machine.hostname == "juju-machine")
        .unwrap();
    assert_eq!(machine.agent_name, juju.identity().model_uuid);
    assert_eq!(machine.owner_data["juju-controller-uuid"], access.uuid);
    assert_eq!(machine.owner_data["juju-is-controller"], "true");

    // What was in the user data is worth nothing any more.
    let user_data = String::from_utf8(machine.user_data.unwrap()).unwrap();
    let first = juju.identity().password;
    assert_ne!(
        access.password.expose_secret(),
        first,
        "the first password was replaced"
    );
    assert!(!user_data.contains(access.password.expose_secret()));
    let tokens: Vec<String> = four.maas().snapshot()["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| token["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(tokens, ["cloudboot-lab"], "the first MAAS key was deleted");

    // `juju` on the operator's machine works with what was written.
    let operator = four.operator();
    let store = find_store(&operator.folder);
    let written = store.controller(None).unwrap();
    assert_eq!(written.uuid, access.uuid);
    assert_eq!(
        written.password.expose_secret(),
        access.password.expose_secret()
    );
    assert_eq!(
        store.current_model("maas-controller"),
        Some("admin/openstack")
    );

    // Again: nothing is done.
    let made = four.counts();
    let again = run_with(&four, FOUR).await;
    assert!(
        matches!(again.outcome, Outcome::Done { changed: 0 }),
        "{:#?}",
        failures(&again)
    );
    assert_eq!(four.counts(), made);

    let (engine, _) = prepare_with(&four, FOUR).await;
    let report = engine
        .build()
        .unwrap()
        .teardown(TeardownOptions::default())
        .await
        .unwrap();
    assert_done(&report);
    assert!(four.maas().machines().is_empty());
}

/// The folder `juju` under the operator's state.
fn find_store(folder: &std::path::Path) -> Store {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if folder.join("controllers.yaml").exists() {
            return Store::read(&folder).unwrap();
        }
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    panic!("no controllers.yaml under {}", folder.display());
}
