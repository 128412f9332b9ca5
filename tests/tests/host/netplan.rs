//! netplan's own program on our settings: `netplan set` as its D-Bus service runs it, and `netplan generate`, in a folder.
#![allow(clippy::disallowed_types)] // Tests start their peers.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use cloudboot::host::bridge::bridge_plan;
use cloudboot::host::netplan::Change;

use crate::real::program;

const MAC: &str = "02:00:00:00:00:01";

/// A layout: its name, the NIC (or bond, or VLAN) to bridge, netplan's files, and what networkd must be told of the bridge.
struct Layout {
    name: &'static str,
    nic: &'static str,
    files: &'static [&'static str],
    bridge_has: &'static [&'static str],
}

const LAYOUTS: &[Layout] = &[
    Layout {
        name: "static",
        nic: "eno3",
        files: &["network: {version: 2, ethernets: {eno3: {addresses: [10.42.0.1/16]}}}"],
        bridge_has: &["Address=10.42.0.1/16"],
    },
    Layout {
        name: "dhcp",
        nic: "eno3",
        files: &[
            "network: {version: 2, ethernets: {eno3: {dhcp4: true, dhcp4-overrides: {use-dns: false}}}}",
        ],
        bridge_has: &["DHCP=ipv4", "UseDNS=false"],
    },
    Layout {
        name: "vlan",
        nic: "eno3.100",
        files: &[
            "network: {version: 2, ethernets: {eno3: {dhcp4: true}}, vlans: {eno3.100: {id: 100, link: eno3, addresses: [10.42.0.1/16]}}}",
        ],
        bridge_has: &["Address=10.42.0.1/16"],
    },
    Layout {
        name: "bond",
        nic: "bond0",
        files: &[
            "network: {version: 2, ethernets: {a: {}, b: {}}, bonds: {bond0: {interfaces: [a, b], parameters: {mode: active-backup}, addresses: [10.42.0.1/16]}}}",
        ],
        bridge_has: &["Address=10.42.0.1/16"],
    },
    Layout {
        name: "two NICs",
        nic: "eno3",
        files: &[
            "network: {version: 2, ethernets: {eno2: {addresses: [192.0.2.10/24], routes: [{to: default, via: 192.0.2.1}]}, eno3: {addresses: [10.42.0.1/16], mtu: 9000}}}",
        ],
        bridge_has: &["Address=10.42.0.1/16"],
    },
    Layout {
        name: "another bridge beside",
        nic: "eno3",
        files: &[
            "network: {version: 2, ethernets: {eno2: {}, eno3: {addresses: [10.42.0.1/16]}}, bridges: {br9: {interfaces: [eno2], dhcp4: true, parameters: {stp: false}}}}",
        ],
        bridge_has: &["Address=10.42.0.1/16"],
    },
    Layout {
        name: "IPv6",
        nic: "eno3",
        files: &[
            "network: {version: 2, ethernets: {eno3: {addresses: [10.42.0.1/16, 'fd00:42::1/64'], accept-ra: false, link-local: [ipv6], routes: [{to: 'fd00:43::/64', via: 'fd00:42::2'}]}}}",
        ],
        bridge_has: &[
            "Address=10.42.0.1/16",
            "Address=fd00:42::1/64",
            "IPv6AcceptRA=no",
            "Gateway=fd00:42::2",
        ],
    },
    Layout {
        name: "routes",
        nic: "eno3",
        files: &[
            "network: {version: 2, ethernets: {eno3: {addresses: [10.42.0.1/16], routes: [{to: 10.50.0.0/16, via: 10.42.0.9, metric: 50}, {to: default, via: 10.42.0.254}], routing-policy: [{from: 10.42.0.0/16, table: 42}]}}}",
        ],
        bridge_has: &[
            "Destination=10.50.0.0/16",
            "Gateway=10.42.0.254",
            "Table=42",
        ],
    },
    Layout {
        name: "nameservers over two files",
        nic: "eno3",
        files: &[
            "network: {version: 2, ethernets: {eno3: {addresses: [10.42.0.1/16], nameservers: {addresses: [1.1.1.1], search: [a.example]}}}}",
            "network: {version: 2, ethernets: {eno3: {addresses: [10.43.0.1/24], nameservers: {addresses: [9.9.9.9]}}}}",
        ],
        bridge_has: &[
            "Address=10.42.0.1/16",
            "Address=10.43.0.1/24",
            "DNS=1.1.1.1",
            "DNS=9.9.9.9",
            "Domains=a.example",
        ],
    },
    Layout {
        name: "matched by address, renamed",
        nic: "lan0",
        files: &[
            "network: {version: 2, ethernets: {id0: {match: {macaddress: '02:00:00:00:00:01'}, set-name: lan0, addresses: [10.42.0.1/16], gateway4: 10.42.0.254, optional: true}}}",
        ],
        bridge_has: &["Address=10.42.0.1/16", "Gateway=10.42.0.254"],
    },
];

fn netplan(root: &Path, args: &[&str]) -> String {
    let mut command = Command::new("netplan");
    command
        .arg(args[0])
        .args(["--root-dir"])
        .arg(root)
        .args(&args[1..]);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "netplan {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn set_all(root: &Path, change: &Change) {
    for setting in change {
        netplan(
            root,
            &["set", "--origin-hint", &setting.origin, &setting.assignment],
        );
    }
}

/// What networkd is told, by file.
fn generated(root: &Path) -> BTreeMap<String, String> {
    let _ = std::fs::remove_dir_all(root.join("run"));
    netplan(root, &["generate"]);
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(root.join("run/systemd/network"))
        .unwrap()
        .flatten()
    {
        files.insert(
            entry.file_name().into_string().unwrap(),
            std::fs::read_to_string(entry.path()).unwrap(),
        );
    }
    files
}

fn files_of(root: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(root.join("etc/netplan"))
        .unwrap()
        .flatten()
        .map(|e| {
            (
                e.path().file_stem().unwrap().to_str().unwrap().to_owned(),
                std::fs::read_to_string(e.path()).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn ten_layouts_are_moved_and_given_back() {
    if !program("netplan", "netplan.io") {
        return;
    }
    std::thread::scope(|scope| {
        for layout in LAYOUTS {
            scope.spawn(|| moved_and_given_back(layout));
        }
    });
}

/// netplan takes the file, and we refuse the NIC before anything is set.
#[test]
fn wifi_is_refused() {
    if !program("netplan", "netplan.io") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    std::fs::create_dir_all(root.join("etc/netplan")).unwrap();
    let text = "network: {version: 2, wifis: {wlan0: {dhcp4: true, access-points: {home: {password: some_password}}}}}";
    let path = root.join("etc/netplan/50-config.yaml");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    netplan(root, &["generate"]);
    let refused = bridge_plan(&files_of(root), "wlan0", "br0", MAC).unwrap_err();
    assert_eq!(
        refused.kind(),
        cloudboot::host::Kind::Unsupported,
        "{refused}"
    );
    assert!(
        refused.to_string().contains("cannot be a bridge's port") && refused.next().is_some(),
        "{refused}"
    );
}

fn moved_and_given_back(layout: &Layout) {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    std::fs::create_dir_all(root.join("etc/netplan")).unwrap();
    for (n, text) in layout.files.iter().enumerate() {
        let path = root.join(format!("etc/netplan/5{n}-config.yaml"));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
    }
    let before = generated(root);
    let plan = bridge_plan(&files_of(root), layout.nic, "br0", MAC).unwrap();
    set_all(root, &plan.change);
    let now = generated(root);
    let name = layout.name;
    let bridge = &now["10-netplan-br0.network"];
    for line in layout.bridge_has {
        assert!(bridge.contains(line), "{name}: no {line} in\n{bridge}");
    }
    let id = if layout.nic == "lan0" {
        "id0"
    } else {
        layout.nic
    };
    let port = &now[&format!("10-netplan-{id}.network")];
    assert!(port.contains("Bridge=br0"), "{name}: {port}");
    for gone in [
        "\nAddress=",
        "\nDHCP=",
        "\nGateway=",
        "\nDNS=",
        "[Route]",
        "[RoutingPolicyRule]",
    ] {
        assert!(
            !port.contains(gone),
            "{name}: the port keeps {gone:?}\n{port}"
        );
    }
    // Whatever is not the port or the bridge is told the same as before.
    for (file, text) in &before {
        if !file.contains(&format!("-{id}.network")) {
            assert_eq!(now.get(file), Some(text), "{name}: {file}");
        }
    }
    assert!(
        bridge_plan(&files_of(root), layout.nic, "br0", MAC)
            .unwrap_err()
            .is_conflict(),
        "{name}: planned twice"
    );

    for entry in std::fs::read_dir(root.join("etc/netplan"))
        .unwrap()
        .flatten()
    {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&entry.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{name}: {:?}", entry.path());
    }
    set_all(root, &plan.undo);
    assert_eq!(generated(root), before, "{name}: undone");
}
