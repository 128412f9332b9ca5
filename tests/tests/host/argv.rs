//! No secret is an argument of a program, in a whole mission and its teardown.

use std::sync::{Arc, Mutex};

use cloudboot::config::Loader;
use cloudboot::engine::{Approvals, TeardownOptions};
use cloudboot::host::{Deed, Watch};
use cloudboot::steps::{Mission, Site};
use cloudboot::testing::{Durations, Lab};
use cloudboot_tests::mission::failures;
use secrecy::ExposeSecret;

/// The texts of a kept secret that would give it away: itself, or each long text within, where it is JSON or PEM.
fn texts(kept: &str, into: &mut Vec<String>) {
    match serde_json::from_str::<serde_json::Value>(kept) {
        Ok(serde_json::Value::String(text)) => into.push(text),
        Ok(serde_json::Value::Array(all)) => all.iter().for_each(|v| texts(&v.to_string(), into)),
        Ok(serde_json::Value::Object(all)) => {
            all.values().for_each(|v| texts(&v.to_string(), into))
        }
        Ok(_) => {}
        Err(_) => into.extend(kept.lines().map(|line| line.trim().to_owned())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_an_argument_in_a_whole_run() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::builder(folder.path().join("lab"))
        .speed(600.0)
        .durations(Durations::instant())
        .start()
        .await
        .unwrap();
    let operator = lab.operator();
    let mut loader = Loader::new();
    for path in &operator.overlays {
        loader = loader.overlay(path);
    }
    let config = loader.load(&operator.config).unwrap();
    let mut secrets = vec![
        config.postgres.password.expose().to_owned(),
        config.maas.password.expose().to_owned(),
    ];
    secrets.extend(config.lxd.password.iter().map(|s| s.expose().to_owned()));
    secrets.extend(config.ipmi.password.iter().map(|s| s.expose().to_owned()));
    let state = config.state_dir.clone();

    let told = Arc::new(Mutex::new((
        Vec::<Vec<String>>::new(),
        Vec::<String>::new(),
    )));
    let watch: Watch = {
        let told = told.clone();
        Arc::new(move |deed| {
            if let Deed::Program(cmd) = deed {
                let mut told = told.lock().unwrap();
                let mut argv = vec![cmd.program.clone()];
                argv.extend(cmd.args.iter().cloned());
                told.0.push(argv);
                told.1
                    .extend(cmd.stdin.iter().map(|s| s.expose_secret().to_owned()));
            }
        })
    };
    let host = lab.host().watched(watch);
    let engine = async || {
        let site = Site::new(config.clone(), host.clone());
        let builder = Mission::new(site).unwrap().engine().await.unwrap();
        builder
            .clock(lab.clock())
            .approvals(Approvals::AllowAll)
            .build()
            .unwrap()
    };
    let report = engine().await.run().await.unwrap();
    assert!(report.outcome.is_done(), "{:#?}", failures(&report));
    let mut kept = 0;
    for entry in std::fs::read_dir(state.join("secrets")).unwrap().flatten() {
        if let Ok(text) = std::fs::read_to_string(entry.path()) {
            kept += 1;
            texts(&text, &mut secrets);
        }
    }
    // How far the teardown comes is another test's matter; what it starts counts here.
    engine()
        .await
        .teardown(TeardownOptions::default())
        .await
        .unwrap();

    // What is no secret by its length alone ("1", "maas") would be found everywhere.
    secrets.retain(|secret| secret.len() >= 8);
    secrets.sort();
    secrets.dedup();
    let (argvs, stdins) = &*told.lock().unwrap();
    assert!(
        kept >= 3 && secrets.len() >= 6,
        "{kept} kept, {} secrets",
        secrets.len()
    );
    let programs: std::collections::BTreeSet<&str> =
        argvs.iter().map(|argv| argv[0].as_str()).collect();
    for program in ["apt-get", "ip", "maas", "nft"] {
        assert!(programs.contains(program), "{programs:?}");
    }
    // The test can fail: the same secrets are seen where they may be.
    let seen = stdins
        .iter()
        .filter(|text| secrets.iter().any(|secret| text.contains(secret.as_str())))
        .count();
    assert!(seen >= 2, "{seen} of {} inputs hold a secret", stdins.len());
    for argv in argvs {
        let line = argv.join(" ");
        let leaked = secrets
            .iter()
            .filter(|secret| line.contains(secret.as_str()))
            .count();
        assert_eq!(leaked, 0, "a secret is an argument of {}", argv[0]);
    }
    println!(
        "{} programs started, {} secrets looked for",
        argvs.len(),
        secrets.len()
    );
}
