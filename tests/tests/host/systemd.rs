//! The live network and real units: a Debian with systemd, D-Bus, netplan and networkd in namespaces of its own.
#![allow(clippy::disallowed_types)] // Tests start their peers.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudboot::host::bridge::BridgeState;
use cloudboot::host::exec::{Cmd, Exec, Output};
use cloudboot::host::nat::NatSpec;
use cloudboot::host::netplan::{DbusNetplan, Setting};
use cloudboot::host::postgres::LocalPostgres;
use cloudboot::host::units::DbusUnits;
use cloudboot::host::{Error, Files, Host, Kind, Result, Snaps, Watch};
use cloudboot_tests::peer;
use secrecy::ExposeSecret;

use crate::bodies;

/// Programs of the machine in the namespaces.
#[derive(Debug)]
struct Inside(String);

#[async_trait::async_trait]
impl Exec for Inside {
    async fn run(&self, cmd: Cmd) -> Result<Output> {
        let mut command = tokio::process::Command::new("nsenter");
        command
            .args(["-t", &self.0, "-a", "--", &cmd.program])
            .args(&cmd.args);
        command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let failed = |e: std::io::Error| Error::new(Kind::Failed, cmd.title(), e.to_string());
        let mut child = command.spawn().map_err(failed)?;
        if let (Some(mut pipe), Some(text)) = (child.stdin.take(), &cmd.stdin) {
            tokio::io::AsyncWriteExt::write_all(&mut pipe, text.expose_secret().as_bytes())
                .await
                .map_err(failed)?;
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        Ok(Output {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }

    fn is_root(&self) -> bool {
        true
    }
}

/// There is one machine in the namespaces, with one network: who changes either holds this.
pub(crate) static NETWORK: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub(crate) fn host(pid: &str) -> Host {
    host_with(pid, None)
}

/// With all that it is asked told to `watch`, down to netplan's methods of D-Bus.
pub(crate) fn host_with(pid: &str, watch: Option<Watch>) -> Host {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let bus = format!(
        "unix:path={}",
        root.join("run/dbus/system_bus_socket").display()
    );
    let mut netplan = DbusNetplan::at(bus.clone());
    if let Some(watch) = &watch {
        netplan = netplan.watched(watch.clone());
    }
    let host = Host::assemble(
        Arc::new(Inside(pid.into())),
        Files::rooted(&root),
        Snaps::at(root.join("run/snapd.socket")),
        Arc::new(LocalPostgres::default()),
        Arc::new(netplan),
        Arc::new(DbusUnits::at(bus)),
    );
    match watch {
        Some(watch) => host.watched(watch),
        None => host,
    }
}

pub(crate) fn inside(pid: &str, args: &[&str]) -> String {
    let output = Command::new("nsenter")
        .args(["-t", pid, "-a", "--"])
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) const NETPLAN: &str = "# The operator's own words.\nnetwork:\n  version: 2\n  ethernets:\n    eno3:\n      addresses: [10.42.0.1/16]\n      routes: [{to: 10.50.0.0/16, via: 10.42.0.9}]\n";

/// Waits until a link holds the machine's address.
async fn held_by(host: &Host, link: &str, seconds: u64) {
    let until = Instant::now() + Duration::from_secs(seconds);
    let address = "10.42.0.1".parse().unwrap();
    while host
        .interface_of(address)
        .await
        .unwrap()
        .is_none_or(|i| i.name != link)
    {
        assert!(
            Instant::now() < until,
            "{link} does not get the address within {seconds} s"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A NIC with an address and a route, as netplan's file says.
pub(crate) async fn prepare(pid: &str) {
    let host = host(pid);
    let links = inside(pid, &["ip", "-br", "link"]);
    if !links.contains("eno3") {
        inside(
            pid,
            &[
                "ip", "link", "add", "eno3", "type", "veth", "peer", "name", "eno3p",
            ],
        );
    }
    inside(pid, &["ip", "link", "set", "eno3p", "up"]);
    host.files
        .write("/etc/netplan/50-cloud-init.yaml", NETPLAN, Some(0o600))
        .await
        .unwrap();
    inside(pid, &["netplan", "apply"]);
    held_by(&host, "eno3", 20).await;
}

#[tokio::test]
async fn the_live_network_moves_and_comes_back() {
    let Some(pid) = peer("systemd") else { return };
    let _one = NETWORK.lock().await;
    prepare(&pid).await;
    let host = host(&pid);
    assert!(
        host.netplan
            .current()
            .await
            .unwrap()
            .contains("10.42.0.1/16")
    );
    assert!(
        host.netplan.pending().await.unwrap().is_empty(),
        "a question leaves nothing on trial"
    );

    bodies::bridge(&host, "eno3", Duration::from_secs(30)).await;
    assert!(
        host.routes()
            .await
            .unwrap()
            .iter()
            .any(|r| r.destination == "10.50.0.0/16" && r.interface == "eno3")
    );

    // A change that nobody confirms reverts by itself, within its time.
    let change = vec![
        Setting {
            origin: "50-cloud-init".into(),
            assignment: "ethernets.eno3={addresses: NULL, routes: NULL, dhcp4: false}".into(),
        },
        Setting {
            origin: "60-cloudboot".into(),
            assignment: "bridges.br0={interfaces: [eno3], addresses: [10.42.0.1/16]}".into(),
        },
    ];
    let trial = host
        .netplan
        .attempt(&change, Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(
        host.netplan.pending().await.unwrap(),
        std::slice::from_ref(&trial)
    );
    held_by(&host, "br0", 20).await;
    held_by(&host, "eno3", 25).await;
    // netplan's service puts the files back after the links.
    let until = Instant::now() + Duration::from_secs(10);
    let file = "/etc/netplan/50-cloud-init.yaml";
    while host.files.read_text(file).await.unwrap().as_deref() != Some(NETPLAN) {
        assert!(Instant::now() < until, "{file} is not as it was");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let late = host.netplan.confirm(&trial).await;
    assert!(late.is_err(), "what has reverted cannot be kept");

    // And the bridge is made over what the revert left behind.
    host.create_bridge("eno3", "br0", "cloud-a", Duration::from_secs(30))
        .await
        .unwrap();
    assert!(matches!(
        host.observe_bridge("eno3", "br0").await.unwrap(),
        BridgeState::Ready { .. }
    ));
    host.remove_bridge("eno3", "br0", Duration::from_secs(30))
        .await
        .unwrap();

    // Real units: the table of ours comes back with the machine.
    bodies::nat(&host.nat).await;
    let spec = NatSpec {
        source: "10.42.0.0/16".parse().unwrap(),
        out_interface: "eno2".into(),
        to: None,
    };
    host.nat.apply(&spec, "cloud-a").await.unwrap();
    inside(&pid, &["nft", "delete", "table", "ip", "cloudboot"]);
    host.units.start("cloudboot-nat.service").await.unwrap();
    assert!(host.nat.observe().await.unwrap().satisfies(&spec));
    let state = host.units.state("cloudboot-nat.service").await.unwrap();
    assert!(state.loaded && state.active && state.enabled, "{state:?}");
    host.nat.remove().await.unwrap();
    let state = host.units.state("cloudboot-nat.service").await.unwrap();
    assert!(!state.loaded && !state.enabled, "{state:?}");
    assert!(
        host.units
            .start("no-such.service")
            .await
            .unwrap_err()
            .is_not_found()
    );
    host.units.stop("no-such.service").await.unwrap();
    host.units.disable("no-such.service").await.unwrap();
}
