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

fn juju_machine(lab: &Lab) -> maas_client::testing::MachineView {
    let machines = lab.maas().machines();
    let found = machines
        .into_iter()
        .find(|machine| machine.hostname == "juju-machine");
    found.unwrap()
}

/// A deployment that fails is begun anew by itself, with secrets of its own; not more than three times.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_fails_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let lab = std::sync::Arc::new(lab(&folder).await);
    let (engine, _) = prepare_with(&lab, FOUR).await;
    let ready = engine
        .build()
        .unwrap()
        .run_until("juju.machine")
        .await
        .unwrap();
    assert_done(&ready);
    let id = juju_machine(&lab).system_id;

    // Whenever it is Ready, its next deployment fails.
    let fails = {
        let (lab, id) = (std::sync::Arc::clone(&lab), id.clone());
        tokio::spawn(async move {
            loop {
                lab.maas().fail_next(&id);
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        })
    };
    let report = until_model(&lab, FOUR).await;
    fails.abort();
    let said = failures(&report).join("\n");
    assert!(
        said.contains("deploy juju-machine") && said.contains("so it was 3 times"),
        "{said}"
    );
    assert_eq!(lab.maas().counts()["allocate"], 3);

    // What a run leaves behind, the next one gives back, and then one failure does not matter.
    lab.maas().fail_next(&id);
    assert_done(&until_model(&lab, FOUR).await);
    assert!(lab.maas().counts()["allocate"] <= 5);
    assert_eq!(token_names(&lab), ["cloudboot-lab"]);
}

/// A machine of ours that somebody's deployment left failed is not a person's matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_juju_machine_that_is_found_failed_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    let (engine, _) = prepare_with(&lab, FOUR).await;
    let ready = engine
        .build()
        .unwrap()
        .run_until("juju.machine")
        .await
        .unwrap();
    assert_done(&ready);
    let id: maas_client::SystemId = juju_machine(&lab).system_id.parse().unwrap();
    let maas = administrator(&lab).await;
    let wanted = maas_client::AllocateParams::new().system_id(id.clone());
    maas.machines().allocate(&wanted).await.unwrap();
    lab.maas().fail_next(id.as_str());
    maas.machines()
        .deploy(&id, &maas_client::DeployParams::new())
        .await
        .unwrap();
    let failed = maas.machines().read(&id).await.unwrap().status;
    for _ in 0..500 {
        if maas.machines().read(&id).await.unwrap().status
            == maas_client::NodeStatus::FailedDeployment
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let (engine, _) = prepare_with(&lab, FOUR).await;
    let plan = serde_json::to_string(&engine.build().unwrap().plan().await.unwrap()).unwrap();
    assert!(
        plan.contains("it is released, to be deployed again"),
        "{failed:?} {plan}"
    );
    assert_done(&until_model(&lab, FOUR).await);
}

/// MAAS, as its administrator.
async fn administrator(lab: &Lab) -> maas_client::Client {
    let config = lab.config().unwrap();
    let mut builder = maas_client::Client::builder(&config.maas.server);
    if let Some(proxy) = &config.reach.proxy {
        builder = builder.proxy(proxy.clone());
    }
    let maas = builder.build().unwrap();
    let password = config.maas.password.value();
    let key = maas
        .authenticate(&config.maas.username, password, "a-test")
        .await
        .unwrap();
    maas.with_api_key(key)
}

/// With keys of one's own the machine makes none, and only who holds that CA's key is talked to.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_given_are_the_controllers() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    let made = juju_client::testing::Identity::generate().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let overlay = format!(
        "juju: {{channel: 4.0/stable, controller: {{keys: {{ca: {}, ca_key: {}, cert: {}, key: {}}}}}}}",
        write("ca.crt", &made.ca_cert),
        write("ca.key", &made.ca_key),
        write("c.crt", &made.cert),
        write("c.key", &made.key),
    );
    assert_done(&until_model(&lab, &overlay).await);
    let juju = lab.juju().unwrap();
    assert_eq!(juju.access().ca_cert.trim(), made.ca_cert.trim());
    assert_ne!(
        juju.access().password.expose_secret(),
        juju.identity().password
    );
    let store = Store::read(&find_store(&lab.operator().folder)).unwrap();
    assert_eq!(
        store.controller(None).unwrap().ca_cert.trim(),
        made.ca_cert.trim()
    );
}

/// A controller that the juju client knows is adopted by its files alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_is_adopted_from_the_clients_files() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    assert_done(&until_model(&lab, FOUR).await);
    let theirs = folder.path().join("theirs");
    let written = find_store(&lab.operator().folder);
    Store::read(&written).unwrap().write(&theirs).unwrap();
    let made = lab.maas().counts();

    let state = lab.operator().folder.join("second");
    let second = |name: &str| {
        format!(
            "deployment: second\nstate_dir: {}\naccess: {{dir: {}}}\njuju: {{channel: 4.0/stable, model: {{name: other}}, controller: {{adopt: {{store: {}, controller: {name}}}}}}}\n",
            state.display(),
            state.join("access").display(),
            theirs.display()
        )
    };
    let report = until_model(&lab, &second("nobody")).await;
    let said = failures(&report).join("\n");
    assert!(
        said.contains("there is none of that name") && said.contains("juju controllers"),
        "{said}"
    );

    let (engine, _) = prepare_with(&lab, &second("maas-controller")).await;
    let plan = engine.build().unwrap().plan().await.unwrap();
    let told = serde_json::to_string(&plan).unwrap();
    assert!(
        told.contains("adopt the controller maas-controller of the juju client's files"),
        "{told}"
    );
    assert_done(&until_model(&lab, &second("maas-controller")).await);
    assert_eq!(
        lab.maas().counts().get("allocate"),
        made.get("allocate"),
        "no machine is taken for it"
    );
    let ours = Store::read(&state.join("access/juju")).unwrap();
    assert_eq!(ours.current_model("maas-controller"), Some("admin/other"));

    // What was there before stays.
    let (engine, _) = prepare_with(&lab, &second("maas-controller")).await;
    let report = engine
        .build()
        .unwrap()
        .teardown(TeardownOptions::default())
        .await
        .unwrap();
    assert_done(&report);
    let store = Store::read(&theirs).unwrap();
    assert!(store.controller(None).is_ok());
    assert!(lab.juju().is_some());
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
