//! What the preflight of a whole site says, on the lab: nothing where nothing is missing, and each thing that is, by name; and the
//! program around it.
#![allow(clippy::disallowed_types)] // The program is started.

use std::process::Command;

use cloudboot::config::{Config, Loader};
use cloudboot::host::preflight::{Level, Preflight};
use cloudboot::steps::Site;
use cloudboot::testing::{Durations, Lab};

const MIRRORS: &str = "mirrors: {snap: 'http://mirror.lab/', apt: 'http://mirror.lab/', images: {url: 'http://mirror.lab/'}, \
     juju_agents: 'http://mirror.lab/', charm_store: 'http://mirror.lab/'}\n\
     juju: {controller: {container: {server: 'http://mirror.lab/'}}}\n";

async fn lab(folder: &tempfile::TempDir) -> Lab {
    Lab::builder(folder.path().join("lab"))
        .durations(Durations::instant())
        .start()
        .await
        .unwrap()
}

fn config(lab: &Lab, overlay: &str) -> Config {
    let operator = lab.operator();
    let mut loader = Loader::new();
    for path in &operator.overlays {
        loader = loader.overlay(path);
    }
    loader
        .overlay_text(MIRRORS, &operator.folder)
        .overlay_text(overlay, &operator.folder)
        .load(&operator.config)
        .unwrap()
}

async fn ask(lab: &Lab, overlay: &str) -> Preflight {
    Site::new(config(lab, overlay), lab.host())
        .preflight()
        .await
}

/// The machines by their BMCs, one of which may be logged in to otherwise.
fn machines(lab: &Lab, login: &str) -> String {
    let bmcs: Vec<String> = config(lab, "{}")
        .reach
        .forwards
        .keys()
        .map(ToString::to_string)
        .collect();
    let password = lab.operator().folder.join("bmc-password");
    format!(
        "machines:\n- {{name: node1, bmc: {{address: '{}', user: root, password: 'file:{}'}}}}\n- {{name: node2, bmc: {{address: '{}', {login}}}}}\n",
        bmcs[0].trim_end_matches(":623"),
        password.display(),
        bmcs[1].trim_end_matches(":623"),
    )
}

fn line<'a>(report: &'a Preflight, check: &str) -> (Level, &'a str) {
    report
        .findings
        .iter()
        .find(|f| f.check == check)
        .map(|f| (f.level, f.found.as_str()))
        .unwrap_or_else(|| panic!("no {check} in\n{report}"))
}

fn missing(report: &Preflight) -> Vec<&str> {
    assert!(
        report
            .findings
            .iter()
            .all(|f| f.level == Level::Fine || f.todo.is_some()),
        "every finding says what to do\n{report}"
    );
    report
        .findings
        .iter()
        .filter(|f| f.level == Level::Missing)
        .map(|f| f.check.as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lab_lacks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    let login = format!(
        "user: root, password: 'file:{}'",
        lab.operator().folder.join("bmc-password").display()
    );
    let report = ask(&lab, &machines(&lab, &login)).await;
    assert_eq!(missing(&report), [""; 0], "{report}");
    for check in [
        "root",
        "bundle",
        "capacity",
        "DHCP",
        "LXD",
        "BMC node1",
        "BMC node2",
        "charms",
        "holds 10.42.0.1",
        "port 5240",
        "port 69/udp",
    ] {
        assert_eq!(line(&report, check).0, Level::Fine, "{report}");
    }
    assert!(
        line(&report, "BMC node2").1.contains("root logs in as"),
        "{report}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["findings"].as_array().unwrap().len(),
        report.findings.len()
    );
    let back: Preflight = serde_json::from_value(json).unwrap();
    assert_eq!(back, report);
    // A question makes nothing.
    assert!(lab.counts().is_empty(), "{:?}", lab.counts());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    lab.host()
        .files
        .write("/run/lab-dhcp-servers", "10.42.0.1\n10.42.0.66\n", None)
        .await
        .unwrap();
    let overlay = lab.operator().folder.join("wrong-channel.yaml");
    std::fs::write(
        &overlay,
        "applications:\n  keystone: {channel: no-such/stable}\n",
    )
    .unwrap();
    let report = ask(
        &lab,
        &format!(
            "{}juju: {{bundle: {{path: bundle.yaml, overlays: ['{}']}}}}\nmirrors: {{snap: 'http://nowhere.lab/'}}\ncapacity: {{cpu: 0.1}}\n",
            machines(&lab, "user: root, password: wrong-password"),
            overlay.display()
        ),
    )
    .await;
    let missing = missing(&report);
    for check in [
        "BMC node2",
        "DHCP",
        "capacity",
        "charm keystone",
        "snaps from http://nowhere.lab/",
    ] {
        assert!(
            missing.contains(&check),
            "no {check}: {missing:?}\n{report}"
        );
    }
    assert_eq!(missing.len(), 5, "{report}");
    assert!(
        line(&report, "DHCP").1.starts_with("10.42.0.66 serves it"),
        "{report}"
    );
    assert!(
        line(&report, "charm keystone")
            .1
            .contains("no channel no-such/stable; there are"),
        "{report}"
    );
    assert!(!report.to_string().contains("wrong-password"), "{report}");

    // Too little a privilege, and a bundle that is none.
    std::fs::write(&overlay, "applications: [1, 2").unwrap();
    let report = ask(
        &lab,
        &format!(
            "{}juju: {{bundle: {{path: bundle.yaml, overlays: ['{}']}}}}\n",
            machines(&lab, "user: root, password: x1234567, privilege: user"),
            overlay.display()
        ),
    )
    .await;
    assert!(
        line(&report, "BMC node2").1.contains("may not power"),
        "{report}"
    );
    assert_eq!(line(&report, "bundle").0, Level::Missing, "{report}");
}

/// A controller that is to be adopted and a database server elsewhere that are not there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_used_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let lab = lab(&folder).await;
    let report = ask(
        &lab,
        "postgres: {host: 127.0.0.1, port: 1, admin: {password: hunter2}}\njuju: {controller: {adopt: {store: /nowhere, controller: mine}}}\n",
    )
    .await;
    let missing = missing(&report);
    for check in ["PostgreSQL", "Juju controller"] {
        assert!(missing.contains(&check), "no {check}: {report}");
    }
    assert!(!report.to_string().contains("hunter2"), "{report}");
    // Bootstrapped natively, its own charm and agent are looked for as well.
    let report = ask(&lab, "juju: {channel: 4.0/edge}\n").await;
    assert!(
        line(&report, "charm juju-controller")
            .1
            .contains("no channel 4.0/edge"),
        "{report}"
    );
}

/// The example beside these tests: its exit codes, its text and its JSON. `cargo test --workspace` builds it.
#[test]
fn the_program_says_it_by_its_exit_code() {
    let here = std::env::current_exe().unwrap();
    let program = here
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/preflight");
    if !program.exists() {
        println!(
            "skipped: {} is not built: `cargo build -p cloudboot-examples --example preflight`",
            program.display()
        );
        return;
    }
    let run = |args: &[&str]| Command::new(&program).args(args).output().unwrap();
    let lab = run(&["--lab"]);
    let text = String::from_utf8_lossy(&lab.stdout).into_owned();
    assert_eq!(
        lab.status.code(),
        Some(0),
        "{text}{}",
        String::from_utf8_lossy(&lab.stderr)
    );
    assert!(text.contains(" 0 missing"), "{text}");

    // This machine is no controller: it has no systemd, or too little of something.
    let bare = run(&["--json"]);
    let told: serde_json::Value = serde_json::from_slice(&bare.stdout).unwrap();
    assert_eq!(
        bare.status.code(),
        Some(if told["passes"] == true { 0 } else { 1 })
    );
    let findings = told["findings"].as_array().unwrap();
    assert!(findings.len() > 10, "{told:#}");
    for finding in findings {
        assert!(
            finding["level"] == "fine" || finding["todo"].is_string(),
            "{finding}"
        );
    }
    let problems = run(&["--json", "--problems"]);
    let told: serde_json::Value = serde_json::from_slice(&problems.stdout).unwrap();
    assert!(
        told["findings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["level"] != "fine")
    );

    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cloud.yaml");
    std::fs::write(&config, "maas: []\n").unwrap();
    let wrong = run(&["--config", config.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("maas"));
}
