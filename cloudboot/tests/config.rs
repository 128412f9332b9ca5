//! The configuration as its users meet it: the thesis's file, overlays, secrets, and everything that can be wrong.

#![allow(clippy::unwrap_used)] // Helpers of tests, which clippy does not know as tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloudboot::config::{Config, ConfigErrors, ControllerMode, FaultKind, Loader, Privilege};
use proptest::prelude::*;

/// The folder with the bundle, relative to the crate: so that messages are the same everywhere.
const DIR: &str = "src/testing/data";
const THESIS: &str = include_str!("../src/testing/data/thesis.yaml");
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

#[test]
fn each_fault_alone() {
    use FaultKind::{
        Blank, Conflict, DuplicateKey, Invalid, Missing, UnknownKey, Unreadable, WrongType,
    };
    let cases = [
        (
            "maas: {dhcp: {gateway: 10.43.0.1}}",
            Conflict,
            "maas.dhcp.gateway",
            "10.42.0.0/16",
        ),
        (
            "maas: {dhcp: {gateway: 10.42.255.255}}",
            Conflict,
            "maas.dhcp.gateway",
            "a host's address",
        ),
        (
            "maas: {dhcp: {gateway: 10.42.200.7}}",
            Conflict,
            "maas.dhcp.ip_range.size",
            "overlaps the gateway",
        ),
        (
            "maas: {dhcp: {ip_range: {size: 65}}}",
            Conflict,
            "maas.dhcp.ip_range.size",
            "at most 64 blocks",
        ),
        (
            "maas: {dhcp: {ip_range: {start: 10.42.192.0}}}",
            Conflict,
            "maas.dhcp.ip_range.size",
            "broadcast",
        ),
        (
            "maas: {dhcp: {ip_range: {start: 10.41.0.0}}}",
            Conflict,
            "maas.dhcp.ip_range.size",
            "leaves 10.42.0.0/16",
        ),
        (
            "maas: {dhcp: {ip_range: {start: 10.42.0.0, size: null, end: 10.42.0.9}}}",
            Conflict,
            "maas.dhcp.ip_range.end",
            "network",
        ),
        (
            "maas: {dhcp: {ip_range: {end: 10.42.0.9}}}",
            Conflict,
            "maas.dhcp.ip_range.end",
            "one of them",
        ),
        (
            "maas: {dhcp: {cidr: 10.42.0.1/16}}",
            Invalid,
            "maas.dhcp.cidr",
            "host bits zero",
        ),
        (
            "maas: {dhcp: {subnet: 10.44.0.0/16}}",
            Conflict,
            "maas.dhcp.subnet",
            "10.42.0.0/16",
        ),
        (
            "maas: {channel: 3.4/sable}",
            Invalid,
            "maas.channel",
            "3.4/stable",
        ),
        ("maas: {server: 127.0.0.1}", Invalid, "maas.server", "URL"),
        (
            "maas: {email: jesus}",
            Invalid,
            "maas.email",
            "admin@example.com",
        ),
        ("maas: {password: ''}", Blank, "maas.password", "nothing"),
        (
            "maas: {nodes_amount: two}",
            Invalid,
            "maas.nodes_amount",
            "whole number",
        ),
        ("maas: {quorum: 3}", Conflict, "maas.quorum", "2 nodes"),
        (
            "maas: {image_release: [jammy]}",
            WrongType,
            "maas.image_release",
            "a list",
        ),
        (
            "maas: {pxe_loader_fix: {url: 'http://example.com/x'}}",
            Missing,
            "maas.pxe_loader_fix.sha256",
            "digest",
        ),
        ("maas: [1]", WrongType, "maas", "a list"),
        (
            "maas: {gateway: 10.42.0.1}",
            UnknownKey,
            "maas.gateway",
            "an unknown key",
        ),
        (
            "limits: {mass: 3}",
            UnknownKey,
            "limits.mass",
            "nearest is `maas`",
        ),
        (
            "vault: {shares: 2, threshold: 3}",
            Conflict,
            "vault.threshold",
            "2 shares",
        ),
        (
            "vault: {shares: 3, threshold: 1}",
            Conflict,
            "vault.threshold",
            "at least 2",
        ),
        (
            "machines: [{name: a, bmc: {address: 10.0.0.1}}]",
            Conflict,
            "maas.nodes_amount",
            "lists 1",
        ),
        (
            "machines: [{name: a, bmc: {address: 10.0.0.1}}, {name: b, bmc: {address: 10.0.0.1}}]",
            Conflict,
            "machines[1].bmc.address",
            "machines[0]",
        ),
        (
            "machines: [{name: a, bmc: {address: 10.0.0.1}, boot_mac: '52:54:00:00:00:0a'},
              {name: b, bmc: {address: 10.0.0.2}, boot_mac: '52-54-00-00-00-0A'}]",
            Conflict,
            "machines[1].boot_mac",
            "machines[0]",
        ),
        (
            "ipmi: {privilege: root}",
            Invalid,
            "ipmi.privilege",
            "operator",
        ),
        (
            "ipmi: {suites: [17, 0]}",
            Invalid,
            "ipmi.suites[1]",
            "authentication",
        ),
        (
            "ipmi: {password: this-is-longer-than-20}",
            Invalid,
            "ipmi.password",
            "20 bytes",
        ),
        (
            "ipmi: {ranges: [{from: 10.0.0.9, to: 10.0.0.1}]}",
            Conflict,
            "ipmi.ranges[0].to",
            "after `from`",
        ),
        (
            "ipmi: {ranges: [{cidr: 10.0.0.0/24}, {from: 10.0.0.9, to: 10.0.0.9}]}",
            Conflict,
            "ipmi.ranges[1].from",
            "overlaps",
        ),
        (
            "ipmi: {ranges: [{cidr: 10.0.0.0/8}]}",
            Invalid,
            "ipmi.ranges[0].cidr",
            "65536",
        ),
        (
            "compute: {bridge: {type: linux}}",
            Invalid,
            "compute.bridge.type",
            "ovs or standard",
        ),
        ("vm_host: {type: virsh}", Invalid, "vm_host.type", "lxd"),
        ("vm: {juju: {ram: 2}}", Invalid, "vm.juju.ram", "3.5 GiB"),
        (
            "lxd: {init_file: {profile: []}}",
            UnknownKey,
            "lxd.init_file.profile",
            "profiles",
        ),
        (
            "lxd: {password: null}",
            Missing,
            "lxd.password",
            "{password}",
        ),
        (
            "lxd: {interface: br0}",
            Conflict,
            "lxd.bridge",
            "name of the NIC",
        ),
        (
            "juju: {bundle: nowhere.yaml}",
            Unreadable,
            "juju.bundle",
            "nowhere.yaml",
        ),
        (
            "juju: {bundle: {path: bundle.yaml, overlays: [no.yaml]}}",
            Unreadable,
            "juju.bundle.overlays[0]",
            "no.yaml",
        ),
        (
            "juju: {bootstrap: {tags: other}}",
            Conflict,
            "juju.bootstrap.tags",
            "`juju`",
        ),
        (
            "juju: {controller: {mode: native}}",
            Conflict,
            "juju.controller.mode",
            "delegated",
        ),
        (
            "juju: {model: {config: {uuid: x}}}",
            Invalid,
            "juju.model.config.uuid",
            "identity",
        ),
        (
            "juju: {clouds: {other: {}}}",
            Conflict,
            "juju.clouds.other",
            "one cloud",
        ),
        ("deadlines: {bundle: 90}", Invalid, "deadlines.bundle", "2h"),
        (
            "deadlines: {bundle: {stall: 2h, total: 1h}}",
            Conflict,
            "deadlines.bundle.stall",
            "total",
        ),
        ("capacity: {cpu: 11}", Invalid, "capacity.cpu", "at most 10"),
        (
            "net_fix: {ethernet: null}",
            Missing,
            "net_fix.ethernet",
            "interface",
        ),
        ("reach: {proxy: bastion}", Invalid, "reach.proxy", "URL"),
        (
            "vault: {shares: 5, shares: 6}",
            DuplicateKey,
            "vault.shares",
            "second time",
        ),
        ("reach: !mine {}", FaultKind::Syntax, "reach", "tag"),
        ("a: 1\n---\nb: 2", FaultKind::Syntax, "", "second document"),
    ];
    for (overlay, kind, path, said) in cases {
        let errors = overlaid(overlay).map(|_| ()).expect_err(overlay);
        let fault = errors
            .faults()
            .iter()
            .find(|fault| fault.kind == kind && fault.path == path);
        let fault =
            fault.unwrap_or_else(|| panic!("{overlay}: {kind:?} at {path} is not in:\n{errors}"));
        assert!(
            fault.to_string().contains(said),
            "{overlay}: {said:?} is not in:\n{fault}"
        );
        assert!(fault.place.is_some(), "{overlay}: no place:\n{fault}");
        // One cause, one fault; a second document adds its unknown keys.
        assert!(
            errors.faults().len() == 1 || path.is_empty(),
            "{overlay}:\n{errors}"
        );
    }
}

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

#[test]
fn the_examples_hold_the_same_text() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/configs");
    if !examples.exists() {
        println!("skipped: examples/configs is not beside this crate; run it in the workspace");
        return;
    }
    for name in ["thesis.yaml", "bundle.yaml"] {
        let read = |dir: PathBuf| std::fs::read_to_string(dir.join(name)).unwrap();
        assert_eq!(
            read(examples.clone()),
            read(DIR.into()),
            "{name}: copy src/testing/data to examples/configs"
        );
    }
    sound(Config::load(examples.join("thesis.yaml"), &[]));
    let racks = Loader::new()
        .env(|name| Some(format!("{name} value")))
        .overlay(examples.join("racks.overlay.yaml"));
    let config = sound(racks.load(examples.join("thesis.yaml")));
    assert_eq!(
        (
            config.maas.nodes_amount,
            config.maas.quorum,
            config.machines.len()
        ),
        (4, 3, 4)
    );
    assert_eq!(config.warnings.len(), 0, "{:?}", config.warnings);
}

#[test]
fn the_least_that_works_in_the_readme_works() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/configs/README.md");
    let Ok(readme) = std::fs::read_to_string(readme) else {
        println!("skipped: examples/configs is not beside this crate; run it in the workspace");
        return;
    };
    let (_, block) = readme.split_once("```yaml\n").unwrap();
    let (yaml, _) = block.split_once("```").unwrap();
    sound(
        Loader::new()
            .env(|name| Some(format!("{name} value")))
            .load_text(yaml, DIR),
    );
}

/// Documents made of the schema's own words, so that they get past the first check.
fn yaml() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("maas".to_owned()),
        Just("dhcp".to_owned()),
        Just("ip_range".to_owned()),
        Just("juju".to_owned()),
        Just("machines".to_owned()),
        Just("bmc".to_owned()),
        Just("ipmi".to_owned()),
        Just("10.42.0.0/16".to_owned()),
        Just("255.255.255.255".to_owned()),
        Just("env:X".to_owned()),
        Just("<<".to_owned()),
        Just("4294967295".to_owned()),
        Just("null".to_owned()),
        "[a-z0-9/:.é\\-]{0,9}",
        "\\PC{0,6}",
    ];
    let leaf = word
        .clone()
        .prop_map(|word| serde_json::Value::String(word).to_string());
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((word.clone(), inner), 0..5).prop_map(|entries| {
                let entries = entries.iter().map(|(key, value)| {
                    format!("{}: {value}", serde_json::Value::String(key.clone()))
                });
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }),
        ]
    })
}

/// The paths of all values of a document, so that each can be replaced.
fn paths(value: &serde_json::Value, at: &[String], all: &mut Vec<Vec<String>>) {
    if let serde_json::Value::Object(map) = value {
        for (key, value) in map {
            let at = [at, std::slice::from_ref(key)].concat();
            paths(value, &at, all);
            all.push(at);
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(junk in "\\PC*", yaml in yaml(), seed in "[ \\-:{}\\[\\]&*!|>'\"%@`#,?a-c\n\t]{0,60}") {
        let _ = text(&junk);
        let _ = text(&yaml);
        let _ = text(&seed);
    }

    /// Any value of a sound configuration replaced by anything: sound, or faults with places; never a panic, and
    /// never the excuse of a reader that gave up without a word.
    #[test]
    fn nothing_in_the_place_of_a_value_panics(which in any::<prop::sample::Index>(), junk in yaml()) {
        let base = sound(text(THESIS));
        let mut all = Vec::new();
        paths(base.redacted_json(), &[], &mut all);
        let path = &all[which.index(all.len())];
        let overlay = path.iter().rev().fold(junk, |inner, key| {
            format!("{{{}: {inner}}}", serde_json::Value::String(key.clone()))
        });
        if let Err(errors) = overlaid(&overlay) {
            prop_assert!(!errors.faults().is_empty());
            for fault in errors.faults() {
                prop_assert!(fault.place.is_some(), "{} from {}", fault, overlay);
            }
        }
    }
}
