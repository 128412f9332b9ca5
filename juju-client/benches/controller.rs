//! The full status of a model of 1,000 units, and 10,000 pipelined calls over one connection, beside PyPI's `juju` (python-libjuju
//! 3.6.1.3) on the same fake controller in the same run.
//!
//! `cargo bench -p juju-client --features testing --bench controller`; the comparison wants `JUJU_PYTHON` to name a Python that has
//! `juju` (`tests/peers/start libjuju` prints one). Each client runs in a process of its own, so that time and memory are its own,
//! and the fake answers with frames made beforehand, so that it is not the fake that is measured.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_types
)]

use std::process::Command;
use std::time::{Duration, Instant};

use juju_client::api::application::Deploy;
use juju_client::api::charms::Origin;
use juju_client::api::models::NewModel;
use juju_client::testing::FakeController;
use juju_client::{Client, ControllerAccess, FullStatus, Options};
use serde::de::IgnoredAny;
use serde_json::json;

const UNITS: usize = 1000;
const CALLS: usize = 10_000;
const ROUNDS: usize = 10;

/// What one client needed.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// Seconds from asking for the status until it is there, decoded; the fake's and the network's share in it.
    status: f64,
    /// Seconds that the client computed for it.
    status_cpu: f64,
    /// Of them, seconds of decoding.
    decoding: f64,
    /// Memory on top of what the process had before, at the peak, in KiB.
    peak: f64,
    /// Seconds for all calls.
    calls: f64,
    /// Seconds that the client computed for them.
    calls_cpu: f64,
}

impl Figures {
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|l| l.strip_prefix("figures "))?;
        let n: Vec<f64> = line.split(' ').filter_map(|w| w.parse().ok()).collect();
        let [status, status_cpu, decoding, peak, calls, calls_cpu] = n[..] else {
            return None;
        };
        Some(Self {
            status,
            status_cpu,
            decoding,
            peak,
            calls,
            calls_cpu,
        })
    }
}

/// A line of `/proc/self/status`, in KiB.
fn memory(key: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(key))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0.0)
}

async fn connect(fake: &FakeController, uuid: &str) -> (ControllerAccess, Client) {
    let access = fake.access();
    let controller = access.connect(None, Options::default()).await.unwrap();
    let model = controller.open_model(&uuid.parse().unwrap()).await.unwrap();
    (access, model)
}

/// A fake that answers with frames made beforehand, out of another fake's model of many units: it does nothing else meanwhile.
async fn world() -> (FakeController, String) {
    let crowded = FakeController::builder()
        .version("3.6.9")
        .start()
        .await
        .unwrap();
    let controller = crowded
        .access()
        .connect(None, Options::default())
        .await
        .unwrap();
    let uuid = controller
        .models()
        .create(&NewModel::new("big"))
        .await
        .unwrap()
        .uuid;
    let (_, model) = connect(&crowded, &uuid).await;
    for app in ["a", "b", "c", "d"] {
        let mut d = Deploy::new(
            app,
            "local:web-0",
            Origin::local("amd64", Default::default()),
        );
        d.num_units = u32::try_from(UNITS / 4).unwrap();
        model.applications().deploy(&d).await.unwrap();
    }
    loop {
        let status = model.status().await.unwrap();
        let active =
            |u: &juju_client::api::status::Unit| u.workload_status.status.as_str() == "active";
        if status.units().filter(|(_, u)| active(u)).count() == UNITS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let status: serde_json::Value = model
        .call("Client", "FullStatus", json!({"patterns": []}))
        .await
        .unwrap();
    drop((model, controller, crowded));
    let fake = FakeController::builder()
        .version("3.6.9")
        .start()
        .await
        .unwrap();
    let controller = fake
        .access()
        .connect(None, Options::default())
        .await
        .unwrap();
    let uuid = controller
        .models()
        .create(&NewModel::new("big"))
        .await
        .unwrap()
        .uuid;
    fake.always_answer("Client.FullStatus", &status);
    fake.always_answer("Pinger.Ping", &json!({}));
    println!("the answer is {} KiB long", status.to_string().len() / 1024);
    (fake, uuid)
}

/// Seconds that the process's main thread has computed, waits left out: on a machine that others use too, this is what a client costs.
fn cpu() -> f64 {
    // The kernel brings the figure up to date when the thread has waited.
    std::thread::sleep(Duration::from_millis(2));
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|n| n.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1e9
}

/// This library's figures, in a process of its own.
async fn measure(args: &[String]) {
    let [address, uuid, password, ca] = args else {
        panic!("{args:?}")
    };
    let access = ControllerAccess::new(
        "bench",
        "",
        vec![address.clone()],
        std::fs::read_to_string(ca).unwrap(),
        "admin",
        password.clone().into(),
    );
    let controller = access.connect(None, Options::default()).await.unwrap();
    let model = controller.open_model(&uuid.parse().unwrap()).await.unwrap();
    // The peak counts from here.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory("VmRSS:");
    let all = model.status().await.unwrap();
    assert_eq!(all.units().count(), UNITS);
    let (peak, held) = (memory("VmHWM:"), memory("VmRSS:"));
    drop(all);
    assert!(before > 0.0 && peak > before, "{before} KiB, then {peak}");
    eprintln!("juju-client: {before} KiB before the status, {peak} at the peak, {held} with it");
    let peak = peak - before;
    let (mut status, begin) = (f64::MAX, cpu());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        drop(model.status().await.unwrap());
        status = status.min(begin.elapsed().as_secs_f64());
    }
    let status_cpu = (cpu() - begin) / ROUNDS as f64;
    let reply = model
        .raw(
            "Client",
            8,
            "",
            "FullStatus",
            json!({"patterns": []}),
            Duration::from_secs(30),
        )
        .await
        .unwrap();
    let begin = cpu();
    for _ in 0..ROUNDS {
        drop(reply.decode_large::<FullStatus>().unwrap());
    }
    let decoding = (cpu() - begin) / ROUNDS as f64;
    let (mut calls, begin) = (f64::MAX, cpu());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let all = (0..CALLS).map(|_| model.call::<IgnoredAny>("Pinger", "Ping", json!({})));
        for r in futures_util::future::join_all(all).await {
            r.unwrap();
        }
        calls = calls.min(begin.elapsed().as_secs_f64());
    }
    let calls_cpu = (cpu() - begin) / ROUNDS as f64;
    println!("figures {status} {status_cpu} {decoding} {peak} {calls} {calls_cpu}");
}

fn libjuju() -> Option<String> {
    let python = std::env::var("JUJU_PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python)
        .args(["-c", "import juju.model"])
        .output()
        .is_ok_and(|o| o.status.success());
    if there {
        return Some(python);
    }
    assert!(
        std::env::var("CLOUDBOOT_PEERS").as_deref() != Ok("1"),
        "PyPI's juju is not there: `tests/peers/start libjuju`, and set JUJU_PYTHON"
    );
    println!(
        "skipped: the comparison with PyPI's juju (`tests/peers/start libjuju`, and set JUJU_PYTHON to the Python that it prints)"
    );
    None
}

async fn run(program: String, args: Vec<String>) -> Figures {
    let out = tokio::process::Command::new(&program)
        .args(&args)
        .output()
        .await
        .unwrap();
    eprint!("{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    Figures::parse(&text)
        .unwrap_or_else(|| panic!("{program}: {text}{}", String::from_utf8_lossy(&out.stderr)))
}

async fn compare() {
    let (fake, uuid) = world().await;
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, fake.ca_cert()).unwrap();
    let access = fake.access();
    let at = vec![
        access.endpoints[0].clone(),
        uuid,
        fake.identity().password,
        ca.display().to_string(),
    ];
    let me = std::env::current_exe().unwrap().display().to_string();
    let mut args = vec!["--measure".to_owned()];
    args.extend(at.clone());
    let ours = run(me, args).await;
    let show = |who: &str, f: Figures| {
        println!(
            "{who:<12} status of {UNITS} units {:.2} ms, computing {:.2} ms (decoding {:.2} ms), {:.0} KiB more memory at the peak; {CALLS} pipelined calls {:.0} ms, computing {:.0} ms",
            f.status * 1e3,
            f.status_cpu * 1e3,
            f.decoding * 1e3,
            f.peak,
            f.calls * 1e3,
            f.calls_cpu * 1e3
        );
    };
    show("juju-client", ours);
    let Some(python) = libjuju() else { return };
    let mut args = vec![concat!(env!("CARGO_MANIFEST_DIR"), "/benches/libjuju.py").to_owned()];
    args.extend(at);
    args.extend(["3".to_owned(), CALLS.to_string()]);
    let theirs = run(python, args).await;
    show("libjuju", theirs);
    let ratios = [
        ("status", theirs.status / ours.status),
        ("status, computing", theirs.status_cpu / ours.status_cpu),
        ("decoding", theirs.decoding / ours.decoding),
        ("memory", theirs.peak / ours.peak.max(1.0)),
        ("calls", theirs.calls / ours.calls),
        ("calls, computing", theirs.calls_cpu / ours.calls_cpu),
    ];
    println!(
        "times less: {}",
        ratios.map(|(n, r)| format!("{n} {r:.1}")).join("; ")
    );
    // Decoding is the client's alone; what others do on the machine is in the seconds that passed, not in those that were computed.
    for (name, ratio) in ratios
        .into_iter()
        .filter(|(n, r)| ["decoding", "calls, computing"].contains(n) && *r < 20.0)
    {
        println!("short of 20 times: {name}, {ratio:.1}");
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let threads = if args.first().is_some_and(|a| a == "--measure") {
        1
    } else {
        2
    };
    let runtime = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    } else {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap()
    };
    match args.split_first() {
        Some((first, rest)) if first == "--measure" => runtime.block_on(measure(rest)),
        _ => runtime.block_on(compare()),
    }
}
