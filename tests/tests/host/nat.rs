//! nftables and forwarding for real: three network namespaces, a client, a router and a server that has no way back to the client.
#![allow(clippy::disallowed_types)] // Tests start their peers.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudboot::host::nat::NatSpec;
use cloudboot::host::netplan::DbusNetplan;
use cloudboot::host::postgres::LocalPostgres;
use cloudboot::host::preflight::Wanted;
use cloudboot::host::units::UnitState;
use cloudboot::host::{Files, Host, LocalExec, Result, Snaps, Units};

use crate::bodies;
use crate::real::program;

/// What this process does inside a namespace, and the folder that is its host's root.
const ROLE: &str = "CLOUDBOOT_TEST_ROLE";
const ROOT: &str = "CLOUDBOOT_TEST_ROOT";
const SERVER: &str = "192.0.2.1";

/// systemd's part in memory: a namespace has none.
#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<String, UnitState>>);

#[async_trait::async_trait]
impl Units for Memory {
    async fn state(&self, unit: &str) -> Result<UnitState> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .get(unit)
            .cloned()
            .unwrap_or_default())
    }
    async fn daemon_reload(&self) -> Result<()> {
        Ok(())
    }
    async fn enable(&self, unit: &str) -> Result<()> {
        self.0
            .lock()
            .unwrap()
            .entry(unit.into())
            .or_default()
            .enabled = true;
        Ok(())
    }
    async fn disable(&self, unit: &str) -> Result<()> {
        self.0.lock().unwrap().remove(unit);
        Ok(())
    }
    async fn start(&self, _: &str) -> Result<()> {
        Ok(())
    }
    async fn stop(&self, _: &str) -> Result<()> {
        Ok(())
    }
}

fn host(root: &Path) -> Host {
    Host::assemble(
        Arc::new(LocalExec),
        Files::rooted(root),
        Snaps::at("/nowhere"),
        Arc::new(LocalPostgres::default()),
        Arc::new(DbusNetplan::at("unix:path=/nowhere")),
        Arc::new(Memory::default()),
    )
}

/// Runs in a namespace, started by the test below.
#[tokio::test]
#[ignore = "started by `packets_are_translated` in a namespace"]
async fn inside() {
    let (Ok(role), Ok(root)) = (std::env::var(ROLE), std::env::var(ROOT)) else {
        return;
    };
    let host = host(Path::new(&root));
    let spec = NatSpec {
        source: "10.42.0.0/16".parse().unwrap(),
        out_interface: "eno2".into(),
        to: None,
    };
    match role.as_str() {
        "apply" => {
            bodies::nat(&host.nat).await;
            for _ in 0..2 {
                host.nat.apply(&spec, "cloud-a").await.unwrap();
                host.sysctl
                    .set("net.ipv4.ip_forward", "1", "cloud-a")
                    .await
                    .unwrap();
            }
            let bad = NatSpec {
                out_interface: "a-name-that-is-much-too-long".into(),
                ..spec.clone()
            };
            let refused = host.nat.apply(&bad, "cloud-a").await.unwrap_err();
            assert!(
                refused.to_string().contains("translate 10.42.0.0/16"),
                "{refused}"
            );
            let state = host.nat.observe().await.unwrap();
            assert!(
                state.satisfies(&spec),
                "a bad transaction changes nothing: {state:?}"
            );
        }
        "preflight" => {
            let report = host.preflight(&Wanted::default()).await;
            let found: Vec<&str> = report
                .findings
                .iter()
                .filter(|f| f.check == "nftables")
                .map(|f| f.found.as_str())
                .collect();
            assert_eq!(found.len(), 2, "{report}");
            assert!(
                found[0].starts_with("table ip filter, chain FORWARD of Docker and ufw"),
                "{report}"
            );
            assert!(
                found[1].starts_with("table inet lxd, chain fwd.lxdbr0 of LXD"),
                "{report}"
            );
        }
        "remove" => {
            for _ in 0..2 {
                host.nat.remove().await.unwrap();
                host.sysctl.restore("net.ipv4.ip_forward").await.unwrap();
            }
            assert_eq!(
                host.sysctl
                    .observe("net.ipv4.ip_forward")
                    .await
                    .unwrap()
                    .live,
                "0"
            );
        }
        "serve" => {
            let listener = TcpListener::bind((SERVER, 7000)).unwrap();
            let (mut stream, from) = listener.accept().unwrap();
            std::fs::write(Path::new(&root).join("seen"), from.ip().to_string()).unwrap();
            let _ = stream.read(&mut [0; 1]);
        }
        "connect" => {
            let mut last = None;
            for _ in 0..40 {
                match TcpStream::connect_timeout(
                    &format!("{SERVER}:7000").parse().unwrap(),
                    Duration::from_millis(500),
                ) {
                    Ok(_) => return,
                    Err(e) => last = Some(e),
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            panic!("no connection: {last:?}");
        }
        "unreachable" => {
            let address = format!("{SERVER}:7000").parse().unwrap();
            assert!(TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_err());
        }
        other => panic!("{other}"),
    }
}

struct Namespaces(String);

impl Namespaces {
    fn name(&self, which: &str) -> String {
        format!("{}{which}", self.0)
    }

    fn inside(&self, which: &str, role: &str, root: &Path) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name(which)])
            .arg(std::env::current_exe().unwrap());
        command
            .args(["--exact", "nat::inside", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .env(ROOT, root);
        command
    }

    fn run(&self, which: &str, role: &str, root: &Path) {
        let output = self.inside(which, role, root).output().unwrap();
        assert!(
            output.status.success(),
            "{role}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for which in ["c", "r", "s"] {
            let _ = Command::new("ip")
                .args(["netns", "delete", &self.name(which)])
                .status();
        }
    }
}

fn ip(line: &str) {
    let output = Command::new("ip")
        .args(line.split_whitespace())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "ip {line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn packets_are_translated() {
    if !program("nft", "nftables") || !program("ip", "iproute2") || !crate::real::root() {
        return;
    }
    let spaces = Namespaces(format!("cb{}", std::process::id()));
    let (c, r, s) = (spaces.name("c"), spaces.name("r"), spaces.name("s"));
    for name in [&c, &r, &s] {
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
    }
    ip(&format!(
        "-n {r} link add eno3 type veth peer name eth0 netns {c}"
    ));
    ip(&format!(
        "-n {r} link add eno2 type veth peer name eth0 netns {s}"
    ));
    for (name, link, address) in [
        (&c, "eth0", "10.42.0.2/16"),
        (&r, "eno3", "10.42.0.1/16"),
        (&r, "eno2", "192.0.2.10/24"),
        (&s, "eth0", "192.0.2.1/24"),
    ] {
        ip(&format!("-n {name} address add {address} dev {link}"));
        ip(&format!("-n {name} link set {link} up"));
    }
    ip(&format!("-n {c} route add default via 10.42.0.1"));
    let nft = |args: &[&str]| {
        Command::new("ip")
            .args(["netns", "exec", &r, "nft"])
            .args(args)
            .output()
            .unwrap()
    };
    assert!(nft(&["add", "table", "ip", "theirs"]).status.success());

    // Who would drop what is forwarded is named. As Docker, ufw and LXD (5.0, `ipv4.firewall`) leave their chains.
    let theirs = [
        "add table ip filter",
        "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
        "add chain ip filter DOCKER-USER",
        "add chain ip filter ufw-before-forward",
        "add table inet lxd",
        "add chain inet lxd fwd.lxdbr0 { type filter hook forward priority 0; policy accept; }",
        "add rule inet lxd fwd.lxdbr0 counter reject",
        "add table inet harmless",
        "add chain inet harmless forward { type filter hook forward priority 0; policy accept; }",
        "add rule inet harmless forward ip saddr 192.0.2.66 drop",
    ];
    for rule in theirs {
        assert!(nft(&[rule]).status.success(), "{rule}");
    }
    let root = tempfile::tempdir().unwrap();
    spaces.run("r", "preflight", root.path());
    for table in ["ip filter", "inet lxd", "inet harmless"] {
        assert!(nft(&[&format!("delete table {table}")]).status.success());
    }
    std::os::unix::fs::symlink("/proc", root.path().join("proc")).unwrap();
    spaces.run("c", "unreachable", root.path());
    spaces.run("r", "apply", root.path());
    let mut server = spaces.inside("s", "serve", root.path()).spawn().unwrap();
    spaces.run("c", "connect", root.path());
    assert!(server.wait().unwrap().success());
    assert_eq!(
        std::fs::read_to_string(root.path().join("seen")).unwrap(),
        "192.0.2.10",
        "the server sees the translated address"
    );
    spaces.run("r", "remove", root.path());
    spaces.run("c", "unreachable", root.path());
    let left = String::from_utf8(nft(&["list", "tables"]).stdout).unwrap();
    assert_eq!(left.trim(), "table ip theirs");
}
