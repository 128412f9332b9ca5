//! Juju 4.x, bootstrapped natively on the lab: MAAS deploys the Juju machine with our user data, and nothing else is done.

use cloudboot::engine::{Outcome, Report, TeardownOptions};
use cloudboot::testing::{Durations, Fault, Lab};
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
    assert_eq!(
        token_names(&four),
        ["cloudboot-lab"],
        "the first MAAS key was deleted"
    );

    // `juju` on the operator's machine works with what was written.
    let operator = four.operator();
    let folder = find_store(&operator.folder);
    let store = Store::read(&folder).unwrap();
    has_the_clients_own_keys(&folder);
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

async fn until_model(lab: &Lab, overlay: &str) -> Report {
    let (engine, _) = prepare_with(lab, overlay).await;
    engine
        .build()
        .unwrap()
        .run_until("juju.model")
        .await
        .unwrap()
}

fn token_names(lab: &Lab) -> Vec<String> {
    let tokens = lab.maas().snapshot()["tokens"].take();
    let names = tokens.as_array().unwrap().iter();
    names
        .map(|token| token["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_make_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    let calls = [
        "op=create_authorisation_token",
        "op=allocate",
        "op=set_owner_data",
        "op=deploy",
        "juju UserManager.SetPassword",
        "juju Cloud.UpdateCredentialsCheckModels",
        "op=delete_authorisation_token",
    ];
    for call in calls {
        lab.faults().next(call, 1, Fault::CutAfter);
    }
    assert_done(&until_model(&lab, FOUR).await);
    let met = lab.faults().met();
    for call in calls {
        assert!(
            met.keys().any(|met| met.contains(call)),
            "{call} in {met:?}"
        );
    }
    assert_eq!(lab.maas().counts()["allocate"], 1);
    assert_eq!(token_names(&lab), ["cloudboot-lab"]);
    let juju = lab.juju().unwrap();
    assert_ne!(
        juju.access().password.expose_secret(),
        juju.identity().password
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_fails_is_told_of_given_back_and_deployed_anew() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    let sha = "00".repeat(32);
    let wrong = format!(
        "juju: {{channel: 4.0/stable, controller: {{agent: {{version: 4.0.15, url: 'http://mirror.lab/other.tgz', sha256: '{sha}', size: 3}}}}}}"
    );
    let report = until_model(&lab, &wrong).await;
    let said = failures(&report).join("\n");
    assert!(
        said.contains("could not fetch the archive of Juju's agent")
            && said.contains("mirrors.juju_agents"),
        "{said}"
    );
    assert!(lab.juju().is_none());
    let before = lab.maas().machines();
    let before = before
        .iter()
        .find(|machine| machine.hostname == "juju-machine")
        .unwrap();

    assert_done(&until_model(&lab, FOUR).await);
    let after = lab.maas().machine(&before.system_id).unwrap();
    assert_ne!(after.agent_name, before.agent_name, "with UUIDs of its own");
    assert_eq!(token_names(&lab), ["cloudboot-lab"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_juju_machine_has_every_tag_that_its_bootstrap_asks_for() {
    for channel in ["3.1", "4.0"] {
        let folder = tempfile::tempdir().unwrap();
        let lab = lab(&folder).await;
        let overlay = format!("juju: {{channel: '{channel}', bootstrap: {{tags: [juju, big]}}}}");
        assert_done(&until_model(&lab, &overlay).await);
        let machines = lab.maas().machines();
        let machine = machines
            .iter()
            .find(|machine| machine.hostname == "juju-machine")
            .unwrap();
        for tag in ["juju", "big"] {
            assert!(
                machine.tags.iter().any(|has| has == tag),
                "{tag} in {:?}",
                machine.tags
            );
        }
        assert_eq!(machine.status, 6, "it is the controller's");
        let identity = lab.juju().unwrap().identity();
        assert_eq!(machine.agent_name, identity.model_uuid);
    }
}

/// Every key of the files that `juju bootstrap` and `juju add-model` leave (Juju's `jujuclient` package), private files.
fn has_the_clients_own_keys(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let files: [(&str, &[&str]); 5] = [
        (
            "controllers.yaml",
            &[
                "controllers:",
                "maas-controller:",
                "uuid:",
                "api-endpoints:",
                ":17070",
                "ca-cert:",
                "BEGIN CERTIFICATE",
                "cloud: maas-one",
                "region: default",
                "type: maas",
                "agent-version: 4.0.15",
                "controller-machine-count: 1",
                "active-controller-machine-count: 1",
                "current-controller: maas-controller",
            ],
        ),
        (
            "accounts.yaml",
            &[
                "controllers:",
                "user: admin",
                "password:",
                "last-known-access: superuser",
            ],
        ),
        (
            "models.yaml",
            &[
                "models:",
                "admin/openstack:",
                "uuid:",
                "type: iaas",
                "branch: master",
                "current-model: admin/openstack",
            ],
        ),
        (
            "clouds.yaml",
            &[
                "clouds:",
                "maas-one:",
                "type: maas",
                "auth-types:",
                "oauth1",
                "endpoint:",
            ],
        ),
        (
            "credentials.yaml",
            &[
                "credentials:",
                "maas-one:",
                "anyuser:",
                "auth-type: oauth1",
                "maas-oauth:",
            ],
        ),
    ];
    for (name, keys) in files {
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let plain = text.replace(['"', '\''], "");
        for key in keys {
            assert!(plain.contains(key), "{key} in {name}");
        }
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// The folder `juju` under the operator's state.
fn find_store(folder: &std::path::Path) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if folder.join("controllers.yaml").exists() {
            return folder;
        }
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    panic!("no controllers.yaml under {}", folder.display());
}
