//! Fifty instances made and deleted: here, by the `lxc` command, by pylxd. Prints the ratios.
//!
//! Runs with `CLOUDBOOT_BENCH=1` only; with `CLOUDBOOT_BENCH=hold` the ratios are held to (1.5
//! and 3), which takes a quiet machine: the server's own work is most of the time.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::iter;
use lxd_client::{InstanceSource, NewInstance};

use crate::stage::{POOL, Stage};

const MANY: usize = 50;

const PYLXD: &str = r#"
import sys
from pylxd import Client
client = Client(endpoint="http+unix://" + sys.argv[1].replace("/", "%2F"))
many, pool = int(sys.argv[2]), sys.argv[3]
made = []
for n in range(many):
    made.append(client.instances.create({
        "name": "race-py-%d" % n, "source": {"type": "none"}, "profiles": [],
        "devices": {"root": {"type": "disk", "pool": pool, "path": "/"}},
    }, wait=True))
for instance in made:
    instance.delete(wait=True)
"#;

// The others are processes of the test's own.
#[allow(clippy::disallowed_types)]
fn run(program: &str, args: &[&str]) -> Option<Duration> {
    let began = Instant::now();
    let output = std::process::Command::new(program)
        .args(args)
        .env("LXD_DIR", lxd_dir())
        .output()
        .ok()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        println!("skipped: {program}: {}", complaint.trim());
        return None;
    }
    Some(began.elapsed())
}

fn lxd_dir() -> String {
    let socket = std::env::var("CLOUDBOOT_LXD_SOCKET").unwrap();
    socket.trim_end_matches("/unix.socket").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_made_and_deleted() {
    let Ok(bench) = std::env::var("CLOUDBOOT_BENCH") else {
        println!("skipped: a benchmark (set CLOUDBOOT_BENCH=1)");
        return;
    };
    let Some(stage) = Stage::real("race").await else {
        return;
    };
    let instances = stage.lxd.instances();
    let names: Vec<String> = (0..MANY).map(|n| stage.name(&n.to_string())).collect();
    let mut ours = Duration::MAX;
    for at_once in [1, 4, MANY] {
        let began = Instant::now();
        let make = names.iter().map(|name| {
            let new = NewInstance::container(name, InstanceSource::Empty)
                .profiles(Vec::<String>::new())
                .device("root", [("type", "disk"), ("pool", POOL), ("path", "/")]);
            let instances = &instances;
            async move { instances.create(&new).await.unwrap().wait().await.unwrap() }
        });
        let made = iter(make).buffer_unordered(at_once).count().await;
        let delete = names.iter().map(|name| {
            let instances = &instances;
            async move { instances.delete(name).await.unwrap().wait().await.unwrap() }
        });
        let deleted = iter(delete).buffer_unordered(at_once).count().await;
        let took = began.elapsed();
        println!("lxd-client, {at_once} at once: {made} made, {deleted} deleted in {took:.2?}");
        ours = ours.min(took);
    }

    // All of them at once too: the command at its best.
    let line = format!(
        "seq {MANY} | xargs -P {MANY} -I{{}} lxc init --empty --no-profiles -s {POOL} race-lxc-{{}} >/dev/null \
         && seq {MANY} | xargs -P {MANY} -I{{}} lxc delete race-lxc-{{}} >/dev/null"
    );
    let in_turn = format!(
        "for n in $(seq {MANY}); do lxc init --empty --no-profiles -s {POOL} race-lxc-$n >/dev/null || exit 1; done; \
         for n in $(seq {MANY}); do lxc delete race-lxc-$n >/dev/null || exit 1; done"
    );
    let socket = std::env::var("CLOUDBOOT_LXD_SOCKET").unwrap();
    let held = bench == "hold";
    let many = MANY.to_string();
    let others = [
        ("lxc, all at once", run("sh", &["-c", &line]), 1.5),
        ("lxc, one by one", run("sh", &["-c", &in_turn]), 1.5),
        (
            "pylxd",
            run("python3", &["-c", PYLXD, &socket, &many, POOL]),
            3.0,
        ),
    ];
    for (who, took, wanted) in others {
        let Some(took) = took else { continue };
        let ratio = took.as_secs_f64() / ours.as_secs_f64();
        println!("{who}: {took:.2?}, {ratio:.1} times as long (wanted: {wanted})");
        assert!(!held || ratio >= wanted, "{who}: {ratio:.1} < {wanted}");
    }
}
