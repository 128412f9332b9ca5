//! The forms in which a value may be written.

use std::time::Duration;

use cloudboot::config::{Adopt, ControllerMode, FaultKind};

use crate::{overlaid, sound, text};

#[test]
fn forms_that_are_short_for_others() {
    let config = sound(overlaid(
        "
proxy: http://proxy:3128
limits: {ipmi: 7}
deadlines: {default: {stall: 10m, total: 1h}, bundle: 2h30m}
juju:
  channel: 4.0
  bundle: {path: bundle.yaml, trust: true, options: {nova-compute: {virt-type: kvm, debug: true}}}
maas: {pxe_loader_fix: false, image_arches: arm64}
ipmi: {ranges: [{cidr: 10.43.0.0/30}, {rack: r2, from: 10.43.1.1, to: 10.43.1.9}]}
",
    ));
    assert_eq!(config.proxy.http, config.proxy.https);
    assert_eq!(config.limits.0, [("ipmi".to_owned(), 7)].into());
    let deadline = config.deadlines.get("bundle").unwrap();
    assert_eq!(
        (deadline.stall, deadline.total),
        (Duration::from_secs(9000), Duration::from_secs(9000))
    );
    assert_eq!(
        config.deadlines.get("any").unwrap().stall,
        Duration::from_secs(600)
    );
    assert_eq!(config.juju.controller_mode(), ControllerMode::Native);
    assert_eq!(config.juju.bundle.options["nova-compute"]["debug"], true);
    assert!(config.juju.bundle.trust_all);
    assert!(!config.maas.pxe_loader_fix.enabled);
    assert_eq!(config.maas.image_arches, ["arm64"]);
    assert_eq!(config.ipmi.ranges[0].from.to_string(), "10.43.0.1");
    assert_eq!(config.ipmi.ranges[0].to.to_string(), "10.43.0.2");
    let errors = config.check_step_names(&["bundel", "vault"]).unwrap_err();
    assert!(
        errors.to_string().contains("the nearest is `bundel`"),
        "{errors}"
    );
    assert!(config.check_step_names(&["bundle"]).is_ok());
}

#[test]
fn anchors_and_merge_keys_are_understood_and_bombs_are_not() {
    let config = sound(overlaid(
        "
maas: {nodes_amount: null}
machines:
  - &first {name: a, arch: arm64, bmc: {address: 10.0.0.1}}
  - {<<: *first, name: b, bmc: {address: 10.0.0.2}}
",
    ));
    assert_eq!(config.machines[1].arch, "arm64/generic");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    let errors = text(&bomb).unwrap_err();
    assert!(
        errors
            .faults()
            .iter()
            .any(|fault| fault.kind == FaultKind::Syntax),
        "{errors}"
    );
    let deep = format!("a: {}", "[".repeat(100_000));
    assert!(text(&deep).is_err());
}

/// A controller to adopt: told, or in the client's files; keys of one's own; a database server that stands elsewhere.
#[test]
fn what_stands_already() {
    let adopted = |yaml: &str| sound(overlaid(yaml)).juju.controller.adopt.unwrap();
    let Adopt::Told(told) = adopted(&format!(
        "juju: {{controller: {{adopt: {{endpoints: 10.42.0.5, password: x, ca: '{CERTIFICATE}'}}}}}}"
    )) else {
        panic!("it was told")
    };
    assert_eq!(told.endpoints, ["10.42.0.5:17070"]);
    for (yaml, folder, name) in [
        ("{store: /home/me/juju}", Some("/home/me/juju"), None),
        ("{controller: mine}", None, Some("mine")),
        (
            "{store: juju, controller: mine}",
            Some("src/testing/data/juju"),
            Some("mine"),
        ),
    ] {
        let config = sound(overlaid(&format!(
            "juju: {{controller: {{adopt: {yaml}}}}}"
        )));
        assert_eq!(config.juju.controller_mode(), ControllerMode::Adopt);
        let Some(Adopt::Store(store)) = config.juju.controller.adopt else {
            panic!("it is in the store")
        };
        assert_eq!(store.folder.as_deref(), folder.map(std::path::Path::new));
        assert_eq!(store.controller.as_deref(), name);
    }

    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    std::fs::write(
        &key,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    let keys = |key: &std::path::Path| {
        let key = key.display();
        overlaid(&format!(
            "juju: {{channel: 4.0, controller: {{keys: {{ca: '{CERTIFICATE}', ca_key: {key}, cert: '{CERTIFICATE}', key: {key}}}}}}}"
        ))
    };
    let config = sound(keys(&key));
    assert!(config.juju.controller.keys.is_some());
    assert!(
        !format!("{config:?}").contains("AAAA\\n-----END PRIVATE"),
        "a private key is not shown"
    );
    std::fs::write(&key, "-----BEGIN EC PRIVATE KEY-----\n").unwrap();
    let errors = keys(&key).unwrap_err();
    assert_eq!(errors.faults().len(), 2, "{errors}");
    assert!(
        errors.to_string().contains("openssl pkcs8 -topk8"),
        "{errors}"
    );

    let config = sound(overlaid(
        "postgres: {host: db.example, port: 5433, admin: {password: x}, version: postgresql-14=14.11-0ubuntu0.22.04.1}",
    ));
    let postgres = config.postgres;
    assert_eq!(postgres.host.as_deref(), Some("db.example"));
    assert_eq!(postgres.admin.unwrap().username, "postgres");
    assert_eq!(
        (postgres.version.split('=').count(), postgres.port),
        (2, 5433)
    );
}

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
