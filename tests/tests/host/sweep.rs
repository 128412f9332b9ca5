//! The move of the live network to a bridge, and the way back, killed (-9) before each of their operations in turn: the network is
//! there within the rollback's time, and the next run goes on from whatever was left.
#![allow(clippy::disallowed_types)] // Tests start their peers.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cloudboot::host::bridge::BridgeState;
use cloudboot::host::{Deed, Host, Watch};
use cloudboot_tests::peer;

use crate::systemd::{NETPLAN, NETWORK, host, host_with, prepare};

const PID: &str = "CLOUDBOOT_TEST_PID";
const AT: &str = "CLOUDBOOT_TEST_KILL_AT";
const BACK: &str = "CLOUDBOOT_TEST_GIVE_BACK";
const FILE: &str = "/etc/netplan/50-cloud-init.yaml";
const ROLLBACK: Duration = Duration::from_secs(10);
/// What networkd may take to bring a carrier up.
const SLACK: Duration = Duration::from_secs(8);

/// What is about to be done, in a word; looks in a row are one.
fn word(deed: &Deed<'_>) -> Option<String> {
    Some(match deed {
        Deed::Program(cmd) => format!("run {}", cmd.title()),
        Deed::File(what, path) => format!("{what} {}", path.display()),
        Deed::Netplan(method) => format!("netplan {method}"),
        _ => return None,
    })
}

/// The move itself: killed before its `AT`th operation, each of which is printed.
#[tokio::test]
#[ignore = "started by `killed_before_every_operation`"]
async fn inside() {
    let (Ok(pid), Ok(at)) = (std::env::var(PID), std::env::var(AT)) else {
        return;
    };
    let at: usize = at.parse().unwrap();
    let done = Mutex::new((0, String::new()));
    let watch: Watch = Arc::new(move |deed| {
        let Some(word) = word(deed) else { return };
        let mut done = done.lock().unwrap();
        let look = word.starts_with("run ip") && !word.contains("delete");
        if look && done.1 == word {
            return;
        }
        done.0 += 1;
        done.1.clone_from(&word);
        println!("deed {word}");
        if done.0 == at {
            let me = std::process::id().to_string();
            let _ = Command::new("kill").args(["-KILL", &me]).status();
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    });
    let host = host_with(&pid, Some(watch));
    if std::env::var(BACK).is_ok() {
        host.remove_bridge("eno3", "br0", ROLLBACK).await.unwrap();
        return;
    }
    host.create_bridge("eno3", "br0", "cloud-a", ROLLBACK)
        .await
        .unwrap();
}

/// Runs [`inside`] until it is killed before its `at`th operation. Its operations, and whether it ended before that.
fn killed(pid: &str, at: usize, back: bool) -> (Vec<String>, bool) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "sweep::inside", "--ignored", "--nocapture"])
        .env(PID, pid)
        .env(AT, at.to_string());
    if back {
        command.env(BACK, "1");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() || output.status.signal() == Some(9),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let deeds = text
        .lines()
        .filter_map(|l| l.split_once("deed ").map(|d| d.1.to_owned()));
    (deeds.collect(), output.status.success())
}

/// The way back is killed: the network is on the bridge or on the NIC within the rollback's time, and what is run again ends it.
#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_killed_before_every_operation() {
    let Some(pid) = peer("systemd") else { return };
    let _one = NETWORK.lock().await;
    prepare(&pid).await;
    let host = host(&pid);
    let address = "10.42.0.1".parse().unwrap();
    let (mut kills, mut longest, mut ended) = (0, Duration::ZERO, false);
    let mut words: Vec<String> = Vec::new();
    for at in 1..40 {
        host.create_bridge("eno3", "br0", "cloud-a", ROLLBACK)
            .await
            .unwrap();
        let (deeds, done) = killed(&pid, at, true);
        if done {
            ended = true;
            break;
        }
        let from = Instant::now();
        kills += 1;
        let last = deeds.last().cloned().unwrap_or_default();
        // What is on trial goes back to the bridge by itself; what was kept stays on the NIC.
        let kept = deeds[..deeds.len() - 1]
            .iter()
            .any(|deed| deed == "netplan Apply");
        let home = if kept { "eno3" } else { "br0" };
        loop {
            let there = host.interface_of(address).await.unwrap();
            if there.is_some_and(|link| link.name == home)
                && host.netplan.pending().await.unwrap().is_empty()
            {
                break;
            }
            // Before it is tried, a change that was begun and not ended waits for whoever comes next.
            let only_begun = !deeds[..deeds.len() - 1]
                .iter()
                .any(|deed| deed == "netplan Try");
            if only_begun {
                break;
            }
            assert!(
                from.elapsed() < ROLLBACK + SLACK,
                "killed before `{last}`: {home} does not have the address after {:?}; {deeds:?}",
                from.elapsed()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        longest = longest.max(from.elapsed());
        println!(
            "way back killed before `{last}` ({at}): {home} has the address after {:.1} s",
            from.elapsed().as_secs_f32()
        );
        words.push(last);
        host.remove_bridge("eno3", "br0", ROLLBACK).await.unwrap();
        assert_eq!(
            host.interface_of(address).await.unwrap().unwrap().name,
            "eno3"
        );
        let text = host.files.read_text(FILE).await.unwrap();
        assert_eq!(
            text.as_deref(),
            Some(NETPLAN),
            "comments and all, after {words:?}"
        );
        assert!(host.netplan.pending().await.unwrap().is_empty());
    }
    assert!(ended, "more than 40 operations");
    assert!(kills >= 8, "{kills} kills: {words:?}");
    println!("{kills} kills of the way back; the network was there after at most {longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_every_operation() {
    let Some(pid) = peer("systemd") else { return };
    let _one = NETWORK.lock().await;
    prepare(&pid).await;
    let host = host(&pid);
    // Each in a first run, and some in a run after one that was killed.
    let mut swept = (0, Duration::ZERO);
    for (clean, step) in [(true, 1), (false, 3)] {
        let (kills, longest) = sweep(&host, &pid, clean, step).await;
        assert!(!clean || kills >= 10, "{kills} kills");
        swept = (swept.0 + kills, swept.1.max(longest));
        let state = host.observe_bridge("eno3", "br0").await.unwrap();
        assert!(matches!(state, BridgeState::Ready { .. }), "{state:?}");
        host.remove_bridge("eno3", "br0", Duration::from_secs(30))
            .await
            .unwrap();
    }
    let (kills, longest) = swept;
    println!(
        "{kills} kills; the network was back after at most {longest:?} of {ROLLBACK:?} and {SLACK:?}"
    );
    let text = host.files.read_text(FILE).await.unwrap();
    assert_eq!(text.as_deref(), Some(NETPLAN), "comments and all");
}

/// Kills the move before every `step`th operation, until one ends by itself. How often, and how long the network was away at most.
async fn sweep(host: &Host, pid: &str, clean: bool, step: usize) -> (usize, Duration) {
    let address = "10.42.0.1".parse().unwrap();
    let (mut kills, mut longest, mut ended) = (0, Duration::ZERO, false);
    for at in (1..40).step_by(step) {
        let (deeds, done) = killed(pid, at, false);
        let killed = Instant::now();
        if done {
            ended = true;
            break;
        }
        kills += 1;
        // Before the last one that was told, all were done.
        let last = deeds.last().cloned().unwrap_or_default();
        let kept = deeds[..deeds.len() - 1]
            .iter()
            .any(|deed| deed == "netplan Apply");
        let home = if kept { "br0" } else { "eno3" };
        loop {
            let there = host.interface_of(address).await.unwrap();
            let file = host.files.read_text(FILE).await.unwrap();
            if there.is_some_and(|l| l.name == home) && (kept || file.as_deref() == Some(NETPLAN)) {
                break;
            }
            assert!(
                killed.elapsed() < ROLLBACK + SLACK,
                "killed before `{last}`: {home} does not have the address after {:?}; {deeds:?}",
                killed.elapsed()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        println!(
            "killed before `{last}` ({at}): {home} has the address after {:.1} s",
            killed.elapsed().as_secs_f32()
        );
        longest = longest.max(killed.elapsed());
        if kept {
            // What was kept and not noted is ours all the same; then from the beginning, for the operations that come later.
            host.create_bridge("eno3", "br0", "cloud-a", ROLLBACK)
                .await
                .unwrap();
            assert_eq!(
                host.bridge_mark("br0").await.unwrap().as_deref(),
                Some("cloud-a")
            );
            host.remove_bridge("eno3", "br0", ROLLBACK).await.unwrap();
        } else if clean {
            for trial in host.netplan.pending().await.unwrap() {
                host.netplan.cancel(&trial).await.unwrap();
            }
            host.files
                .remove("/var/lib/cloudboot/bridge-br0.json")
                .await
                .unwrap();
        }
    }
    assert!(ended, "more than 40 operations");
    (kills, longest)
}
