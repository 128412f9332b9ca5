//! The same work on the same LXD by this crate, by the `lxc` command and by pylxd, in one run:
//! fifty instances made and deleted, and the states of two hundred read.
//!
//! ```text
//! tests/peers/lxd-peer.sh start DIR          # as root; pip install pylxd
//! CLOUDBOOT_LXD_SOCKET=DIR/var/unix.socket cargo bench -p lxd-client
//! ```
//!
//! With `RACE_HOLD=1` it fails where the ratios are less than wanted. Each is the best of
//! `RACE_ROUNDS` (1) rounds, the competitors in turn within a round. `PYLXD_PYTHON` names the
//! Python that has pylxd (default `python3`).

// A benchmark's way to fail; the others are processes of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_types
)]
#![allow(missing_docs)]

use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::iter;
use lxd_client::{Client, InstanceSource, InstanceStatus, NewInstance, StoragePool};

const MANY: usize = 50;
const STATES: usize = 200;
const POOL: &str = "race";

struct Racer {
    what: &'static str,
    who: &'static str,
    best: Option<Duration>,
    wanted: f64,
}

fn new(name: &str) -> NewInstance {
    NewInstance::container(name, InstanceSource::Empty)
        .profiles(Vec::<String>::new())
        .device("root", [("type", "disk"), ("pool", POOL), ("path", "/")])
}

async fn make(lxd: &Client, names: &[String], at_once: usize) {
    let instances = lxd.instances();
    let make = names.iter().map(|name| {
        let instances = &instances;
        async move {
            let made = instances.create(&new(name)).await.unwrap();
            made.wait().await.unwrap()
        }
    });
    let made = iter(make).buffer_unordered(at_once).count().await;
    assert_eq!(made, names.len(), "an operation was lost");
}

async fn delete(lxd: &Client, names: &[String], at_once: usize) {
    let instances = lxd.instances();
    let delete = names.iter().map(|name| {
        let instances = &instances;
        async move {
            let deleted = instances.delete(name).await.unwrap();
            deleted.wait().await.unwrap()
        }
    });
    let deleted = iter(delete).buffer_unordered(at_once).count().await;
    assert_eq!(deleted, names.len(), "an operation was lost");
}

fn names(prefix: &str, many: usize) -> Vec<String> {
    (0..many).map(|n| format!("{prefix}-{n}")).collect()
}

/// Runs another's program; `None`, and why, if it is not there.
fn run(mut command: Command, socket: &str) -> Option<Duration> {
    let began = Instant::now();
    let output = command
        .env("LXD_DIR", socket.trim_end_matches("/unix.socket"))
        .output()
        .ok()?;
    let took = began.elapsed();
    if output.status.success() {
        return Some(took);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    println!("skipped: {}", complaint.lines().last().unwrap_or_default());
    None
}

fn lxc(line: &str, socket: &str) -> Option<Duration> {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    run(command, socket)
}

/// pylxd's own seconds: what Python takes to start is not counted.
fn pylxd(what: &str, many: usize, socket: &str) -> Option<Duration> {
    let python = std::env::var("PYLXD_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/race_pylxd.py");
    let output = Command::new(python)
        .args([script, socket, POOL, &many.to_string(), what])
        .output()
        .ok()?;
    let told = serde_json::from_slice::<serde_json::Value>(&output.stdout).ok();
    let seconds = told.and_then(|t| t["seconds"].as_f64());
    if seconds.is_none() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let last = complaint.lines().last().unwrap_or_default();
        println!("skipped: pylxd {what}: {last}");
    }
    seconds.map(Duration::from_secs_f64)
}

async fn clean(lxd: &Client) {
    for name in lxd.instances().names().await.unwrap() {
        if name.starts_with("race-") {
            lxd.instances().delete_forced(&name).await.unwrap();
        }
    }
}

#[tokio::main]
async fn main() {
    let Ok(socket) = std::env::var("CLOUDBOOT_LXD_SOCKET") else {
        println!("skipped: no real LXD (CLOUDBOOT_LXD_SOCKET; see the head of benches/race.rs)");
        return;
    };
    let lxd = Client::unix(&socket).build().unwrap();
    match lxd
        .storage_pools()
        .create(&StoragePool::new(POOL, "dir"))
        .await
    {
        Ok(started) => drop(started.wait().await.unwrap()),
        Err(e) => assert!(e.is_conflict(), "{e}"),
    }
    clean(&lxd).await;

    let cycle = "50 instances made and deleted";
    let states = "200 instances' states read";
    let racer = |what, who, wanted| Racer {
        what,
        who,
        best: None,
        wanted,
    };
    let mut racers = [
        racer(cycle, "lxd-client, 50 at once", 0.0),
        racer(cycle, "lxd-client, 8 at once", 0.0),
        racer(cycle, "lxd-client, one by one", 0.0),
        racer(cycle, "lxc, one by one", 1.5),
        racer(cycle, "pylxd, one by one, wait=True", 3.0),
        racer(states, "lxd-client, recursion 2, one call", 0.0),
        racer(states, "lxc list, all columns", 0.0),
        racer(states, "pylxd, all() then state() of each", 3.0),
    ];
    // Not fifty `lxc` at once: where that was tried, one `lxc delete` of them never came back.
    let in_turn = format!(
        "for n in $(seq {MANY}); do lxc init --empty --no-profiles -s {POOL} race-lxc-$n >/dev/null || exit 1; done; \
         for n in $(seq {MANY}); do lxc delete race-lxc-$n >/dev/null || exit 1; done"
    );
    let rounds = std::env::var("RACE_ROUNDS")
        .ok()
        .and_then(|r| r.parse().ok())
        .unwrap_or(1);
    for _ in 0..rounds {
        let mut took = Vec::new();
        for at_once in [MANY, 8, 1] {
            let names = names("race-rs", MANY);
            let began = Instant::now();
            make(&lxd, &names, at_once).await;
            delete(&lxd, &names, at_once).await;
            took.push(Some(began.elapsed()));
        }
        took.push(lxc(&in_turn, &socket));
        took.push(pylxd("cycle", MANY, &socket));
        clean(&lxd).await;

        let names = names("race-state", STATES);
        make(&lxd, &names, 8).await;
        let began = Instant::now();
        let listed = lxd.instances().list_full().await.unwrap();
        let told = listed
            .iter()
            .filter(|i| i.name.starts_with("race-state"))
            .filter_map(|i| i.state.as_ref())
            .filter(|s| s.status == InstanceStatus::Stopped)
            .count();
        took.push(Some(began.elapsed()));
        assert_eq!(told, STATES);
        took.push(lxc(
            "lxc list race-state -c nstDmSP46 -f json >/dev/null",
            &socket,
        ));
        took.push(pylxd("states", STATES, &socket));
        delete(&lxd, &names, 8).await;
        for (racer, took) in racers.iter_mut().zip(took) {
            racer.best = match (racer.best, took) {
                (Some(best), Some(took)) => Some(best.min(took)),
                (best, took) => best.or(took),
            };
        }
    }

    let ours = |what: &str| {
        racers
            .iter()
            .filter(|r| r.what == what && r.who.starts_with("lxd-client"))
            .filter_map(|r| r.best)
            .min()
            .unwrap()
    };
    let hold = std::env::var("RACE_HOLD").is_ok();
    println!("best of {rounds} rounds; ratios to the best of lxd-client");
    for racer in &racers {
        let Some(best) = racer.best else { continue };
        let ratio = best.as_secs_f64() / ours(racer.what).as_secs_f64();
        let wanted = match racer.wanted {
            0.0 => String::new(),
            wanted => format!("  (wanted: {wanted})"),
        };
        println!(
            "{:30} {:35} {:8.3} s {ratio:6.2}x{wanted}",
            racer.what,
            racer.who,
            best.as_secs_f64()
        );
        assert!(
            !hold || ratio >= racer.wanted,
            "{}: {ratio:.2} < {}",
            racer.who,
            racer.wanted
        );
    }
}
