//! A real DHCP server (dnsmasq) on a segment is found, in network namespaces.
#![allow(clippy::disallowed_types)] // Tests start their peers.

use std::net::Ipv4Addr;
use std::process::{Child, Command};
use std::time::Duration;

use cloudboot::host::segment::{LocalSegment, Segment};

use crate::real::program;

const ROLE: &str = "CLOUDBOOT_TEST_ROLE";

/// Runs in a namespace, started by the test below.
#[tokio::test]
#[ignore = "started by `a_server_is_found` in a namespace"]
async fn inside() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let from = Ipv4Addr::new(10, 42, 0, 1);
    let servers = LocalSegment
        .dhcp_servers(from, "02:00:00:00:00:01", Duration::from_secs(4))
        .await
        .unwrap();
    let expected: Vec<Ipv4Addr> = match role.as_str() {
        "alone" => Vec::new(),
        _ => vec![Ipv4Addr::new(10, 42, 0, 66)],
    };
    assert_eq!(servers.into_iter().collect::<Vec<_>>(), expected);
}

struct Spaces(String, Option<Child>);

impl Drop for Spaces {
    fn drop(&mut self) {
        if let Some(mut child) = self.1.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for which in ["c", "s"] {
            let _ = Command::new("ip")
                .args(["netns", "delete", &format!("{}{which}", self.0)])
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
fn a_server_is_found() {
    if !program("dnsmasq", "dnsmasq-base") || !program("ip", "iproute2") || !crate::real::root() {
        return;
    }
    let mut spaces = Spaces(format!("cd{}", std::process::id()), None);
    let (c, s) = (format!("{}c", spaces.0), format!("{}s", spaces.0));
    for name in [&c, &s] {
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
    }
    ip(&format!(
        "-n {c} link add eno3 type veth peer name eth0 netns {s}"
    ));
    for (name, link, address) in [(&c, "eno3", "10.42.0.1/16"), (&s, "eth0", "10.42.0.66/16")] {
        ip(&format!("-n {name} address add {address} dev {link}"));
        ip(&format!("-n {name} link set {link} up"));
    }
    let ask = |role: &str| {
        let output = Command::new("ip")
            .args(["netns", "exec", &c])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "dhcp::inside", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{role}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    };
    ask("alone");
    let leases = tempfile::NamedTempFile::new().unwrap();
    let server = Command::new("ip")
        .args([
            "netns",
            "exec",
            &s,
            "dnsmasq",
            "--keep-in-foreground",
            "--port=0",
            "--conf-file=/dev/null",
            "--user=root",
        ])
        .args([
            "--interface=eth0",
            "--bind-interfaces",
            "--dhcp-range=10.42.9.10,10.42.9.20,10m",
            "--no-ping",
            "--pid-file",
        ])
        .arg(format!("--dhcp-leasefile={}", leases.path().display()))
        .spawn()
        .unwrap();
    spaces.1 = Some(server);
    std::thread::sleep(Duration::from_millis(500));
    ask("found");
    // It offered, and nothing was taken.
    assert_eq!(std::fs::read_to_string(leases.path()).unwrap().trim(), "");
}
