//! Each thing that can be wrong, alone: its kind, its path, and what is said.

use cloudboot::config::FaultKind;

use crate::overlaid;

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
            "juju: {controller: {adopt: {store: /x, endpoints: 10.0.0.1}}}",
            Conflict,
            "juju.controller.adopt.endpoints",
            "either",
        ),
        (
            "postgres: {admin: {password: x}}",
            Conflict,
            "postgres.admin",
            "postgres.host",
        ),
        (
            "postgres: {host: 'db:5432', admin: {password: x}}",
            Invalid,
            "postgres.host",
            "without a port",
        ),
        (
            "postgres: {version: 'postgresql-14=x y'}",
            Invalid,
            "postgres.version",
            "postgresql-12",
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
