//! The configuration as its users meet it: the thesis's file, overlays, secrets, and everything that can be wrong.

#![allow(clippy::unwrap_used)] // Helpers of tests, which clippy does not know as tests.

use std::path::Path;

use cloudboot::config::{Config, ConfigErrors, ControllerMode, FaultKind, Loader, Privilege};

mod examples;
mod faults;
mod forms;
mod junk;

/// The folder with the bundle, relative to the crate: so that messages are the same everywhere.
const DIR: &str = "src/testing/data";
const THESIS: &str = include_str!("../../src/testing/data/thesis.yaml");
const PRINTED: &str = include_str!("data/thesis-as-printed.yaml");

fn text(yaml: &str) -> Result<Config, ConfigErrors> {
    Config::from_str(yaml, DIR)
}

fn overlaid(overlay: &str) -> Result<Config, ConfigErrors> {
    Loader::new()
        .overlay_text(overlay, DIR)
        .load_text(THESIS, DIR)
}

fn sound(result: Result<Config, ConfigErrors>) -> Config {
    result.unwrap_or_else(|errors| panic!("{errors}"))
}

/// The only fault's kind, path and line.
fn only_fault(result: Result<Config, ConfigErrors>) -> (FaultKind, String, String) {
    let errors = result.unwrap_err();
    assert_eq!(errors.faults().len(), 1, "{errors}");
    let fault = &errors.faults()[0];
    (
        fault.kind,
        fault.path.clone(),
        format!("found {}, expected {}", fault.found, fault.expected),
    )
}

#[test]
fn the_thesis_as_printed_lacks_its_blanks_and_the_bmcs_credentials() {
    let errors = text(PRINTED).unwrap_err();
    let paths: Vec<&str> = errors
        .faults()
        .iter()
        .map(|fault| fault.path.as_str())
        .collect();
    assert_eq!(paths, ["ipmi.user", "maas.dns", "net_fix.forward_ip"]);
    insta::assert_snapshot!(errors);
}

#[test]
fn the_thesis_filled_loads() {
    let config = sound(text(THESIS));
    assert_eq!(config.maas.channel.to_string(), "3.4/stable");
    assert_eq!(config.juju.channel.to_string(), "3.1/stable");
    assert_eq!(config.maas.dhcp.ip_range.start.to_string(), "10.42.191.255");
    assert_eq!(config.maas.dhcp.ip_range.end.to_string(), "10.42.255.254");
    assert_eq!(config.maas.server.as_str(), "http://127.0.1.1:5240/MAAS");
    assert_eq!((config.maas.nodes_amount, config.maas.quorum), (2, 2));
    assert!(config.maas.pxe_loader_fix.enabled);
    assert_eq!(config.postgres.version, "postgresql-14");
    assert_eq!(config.postgres.password.expose(), "some_password");
    assert_eq!(config.juju.cloud.name, "maas-one");
    assert_eq!(config.juju.credential.name, "anyuser");
    assert!(config.juju.credential.maas_oauth.is_none());
    assert_eq!(config.juju.bootstrap.name, "maas-controller");
    assert_eq!(config.juju.controller_mode(), ControllerMode::Delegated);
    assert_eq!(config.juju.bundle.path, Path::new(DIR).join("bundle.yaml"));
    assert_eq!(config.vm_host.project, "tst-project");
    assert_eq!(config.compute.bridge.kind, "ovs");
    assert_eq!(config.net_fix.as_ref().unwrap().ethernet, "eno2");
    let preseed = config.lxd.preseed();
    assert_eq!(preseed["config"]["core.trust_password"], "some_password");
    assert_eq!(preseed["profiles"][0]["devices"]["eth0"]["parent"], "br0");
    assert!(preseed["cluster"].is_null());
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.origin("maas.dhcp.gateway").unwrap().line, 21);
    assert_eq!(
        config.origin("maas.dhcp.nowhere").unwrap(),
        config.origin("maas.dhcp").unwrap()
    );
}

#[test]
fn the_thesis_with_the_nesting_of_its_listing_loads_too() {
    // In the listing `dhcp` stands beside `maas`, and `dns`, `image_release` and `nodes_amount` stand in it.
    let listing: String = {
        let mut within = false;
        let lines = THESIS.lines().map(|line| {
            within = (within || line.starts_with("  dhcp:")) && !line.starts_with("ipmi:");
            let deeper = line.starts_with("  dns:")
                || line.starts_with("  image_release:")
                || line.starts_with("  nodes_amount:");
            if line.starts_with("  pxe_loader_fix") {
                "\n".to_owned()
            } else if within && !deeper {
                format!("{}\n", line.strip_prefix("  ").unwrap_or(line))
            } else {
                format!("{line}\n")
            }
        });
        lines.collect()
    };
    assert!(listing.contains("\ndhcp:\n  subnet"), "{listing}");
    let config = sound(text(&listing));
    assert_eq!(config.maas.dhcp.gateway.to_string(), "10.42.0.1");
    assert_eq!(config.maas.nodes_amount, 2);
    assert_eq!(config.maas.dns[0].to_string(), "192.0.2.53");
}

#[test]
fn ten_faults_are_said_at_once() {
    let errors = text(include_str!("data/ten-faults.yaml")).unwrap_err();
    assert_eq!(errors.faults().len(), 10, "{errors}");
    insta::assert_snapshot!(errors);
}

#[test]
fn an_empty_file_says_what_is_required() {
    insta::assert_snapshot!(text("").unwrap_err());
}

#[test]
fn no_yaml_has_a_place() {
    insta::assert_snapshot!(text("maas:\n  channel: '3.4\npostgres: [").unwrap_err());
    let errors = Config::load("src/testing/data/nowhere.yaml", &[]).unwrap_err();
    assert_eq!(errors.faults()[0].kind, FaultKind::Unreadable);
    assert!(errors.to_string().contains("nowhere.yaml"), "{errors}");
}

#[test]
fn overlays_merge_replace_and_remove() {
    let config = sound(overlaid(
        "
maas:
  channel: 3.6/edge
  dns: [192.0.2.1, 192.0.2.2]
  nodes_amount: null
machines:
  - {name: a, bmc: {address: 10.43.0.1}, boot_mac: '52:54:00:00:00:01'}
  - {name: b, bmc: {address: '10.43.0.2:6230', user: other, password: 'plain:env:x', privilege: administrator}}
  - {name: c, bmc: {address: '[fd00::3]:623', uefi: true, suites: [3]}}
net_fix: null
lxd: {init_file: {storage_pools: [{name: zfs, driver: zfs}]}}
",
    ));
    assert_eq!(config.maas.channel.to_string(), "3.6/edge");
    assert_eq!(config.maas.dns.len(), 2, "lists replace");
    assert_eq!(config.maas.username, "jesus", "maps merge");
    assert_eq!(
        config.maas.nodes_amount, 3,
        "removed, so as many as are listed"
    );
    assert!(config.net_fix.is_none());
    assert_eq!(config.lxd.init_file["storage_pools"][0]["name"], "zfs");
    assert_eq!(config.lxd.init_file["profiles"][0]["name"], "default");
    let [a, b, c] = &config.machines[..] else {
        panic!()
    };
    assert_eq!(a.bmc.address.to_string(), "10.43.0.1:623");
    assert_eq!(
        (a.bmc.user.as_str(), a.bmc.privilege),
        ("root", Privilege::Operator)
    );
    assert_eq!(
        (b.bmc.user.as_str(), b.bmc.password.expose()),
        ("other", "env:x")
    );
    assert_eq!(b.bmc.privilege, Privilege::Administrator);
    assert_eq!(
        (c.bmc.uefi, &c.bmc.suites[..], c.arch.as_str()),
        (true, &[3][..], "amd64/generic")
    );
    let origin = config.origin("maas.channel").unwrap();
    assert_eq!((origin.file.ends_with("overlay-1"), origin.line), (true, 3));
}

#[test]
fn an_overlays_fault_is_placed_in_the_overlay() {
    let errors = overlaid("maas:\n  dhcp:\n    gateway: 10.43.0.1\n").unwrap_err();
    assert_eq!(errors.faults().len(), 1, "{errors}");
    let place = errors.faults()[0].place.clone().unwrap();
    assert_eq!(
        (place.file.ends_with("overlay-1"), place.line, place.column),
        (true, 3, 14)
    );
    let config = sound(overlaid("maas: {chanel: null}"));
    assert!(
        config.warnings[0].to_string().contains("removes nothing"),
        "{:?}",
        config.warnings
    );
}

#[test]
fn secrets_by_reference() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pg"), "from a file\n").unwrap();
    let overlay = "
postgres: {password: 'file:pg'}
maas: {password: 'env:MAAS_PASSWORD'}
";
    let load = |env: &'static str| {
        Loader::new()
            .env(move |name| (name == "MAAS_PASSWORD").then(|| env.to_owned()))
            .overlay_text(overlay, dir.path())
            .load_text(THESIS, DIR)
    };
    let config = sound(load("from the environment"));
    assert_eq!(config.postgres.password.expose(), "from a file");
    assert_eq!(config.maas.password.expose(), "from the environment");
    assert!(
        config
            .warnings
            .iter()
            .any(|warning| warning.path == "postgres.password"),
        "0644: {:?}",
        config.warnings
    );

    for shown in [format!("{config:?}"), config.redacted_yaml()] {
        assert!(
            !shown.contains("from") && !shown.contains("some_password"),
            "{shown}"
        );
        assert!(
            shown.contains("env:MAAS_PASSWORD"),
            "the reference is kept: {shown}"
        );
    }

    let (kind, path, message) = only_fault(load(""));
    assert_eq!((kind, path.as_str()), (FaultKind::Secret, "maas.password"));
    assert!(message.contains("MAAS_PASSWORD is empty"), "{message}");
    let (kind, _, message) = only_fault(overlaid("postgres: {password: 'file:no/where'}"));
    assert_eq!(kind, FaultKind::Secret);
    assert!(message.contains("no/where"), "{message}");
    let (kind, _, message) = only_fault(
        Loader::new()
            .env(|_| None)
            .overlay_text("postgres: {password: 'env:PG'}", DIR)
            .load_text(THESIS, DIR),
    );
    assert_eq!(kind, FaultKind::Secret);
    assert!(message.contains("PG is not set"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_plain_secret_in_a_file_that_all_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.yaml");
    std::fs::write(&file, THESIS).unwrap();
    std::fs::copy(
        Path::new(DIR).join("bundle.yaml"),
        dir.path().join("bundle.yaml"),
    )
    .unwrap();
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let config = sound(Config::load(&file, &[]));
        assert_eq!(
            config.warnings.len(),
            usize::from(warned),
            "{:?}",
            config.warnings
        );
        assert_eq!(config.deployment, "mine");
    }
}

#[test]
fn debug_and_redacted_yaml_show_no_secret() {
    let config = sound(overlaid(
        "
reach: {proxy: 'http://me:hunter2@bastion:3128'}
proxy: 'http://me:hunter2@proxy:3128'
lxd: {init_file: {config: {core.trust_password: hunter2}}}
juju: {model: {config: {some-token: hunter2}}, bundle: {path: bundle.yaml, options: {vault: {vip-password: hunter2}}}}
mirrors: {images: 'http://me:hunter2@images/'}
ipmi: {password: hunter2, kg: hunter2}
",
    ));
    assert_eq!(
        config.reach.proxy.as_ref().unwrap().password(),
        Some("hunter2")
    );
    for shown in [
        format!("{config:?}"),
        format!("{config:#?}"),
        config.redacted_yaml(),
    ] {
        assert!(
            !shown.contains("hunter2") && !shown.contains("some_password"),
            "{shown}"
        );
    }
    let errors =
        overlaid("reach: {proxy: 'ftp://me:hunter2@bastion'}\nipmi: {password: [hunter2]}")
            .unwrap_err();
    assert!(!errors.to_string().contains("hunter2"), "{errors}");
}
