//! Ten thousand machines in one list, and a thousand concurrent reads over one client; beside
//! python-libmaas on the same fake region in the same run, where Python has it.
//!
//! `PYTHON=python3 cargo bench -p maas-client --features testing --bench list`
//! (`pip install --target lm python-libmaas`, then `PYTHONPATH=lm`).
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a benchmark, which starts Python beside it"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use maas_client::testing::{FakeRegion, Phase, Verdict};
use maas_client::{Client, MachineFilter};
use serde_json::{Value, json};

const MACHINES: usize = 10_000;
const READS: usize = 1_000;
/// The best of so many runs counts, for both: the machine may be busy with something else.
const RUNS: usize = 5;

/// A line of `/proc/self/status` in MiB.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kb = status.lines().find_map(|l| l.strip_prefix(line));
    kb.and_then(|l| l.trim().split(' ').next()?.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}

/// What is measured of either client: seconds, and MiB beyond what the process held before.
#[derive(Debug)]
struct Measured {
    decode: f64,
    decode_peak: f64,
    list: f64,
    reads: f64,
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(compare());
}

async fn compare() {
    let recorded = include_str!("../tests/fixtures/recordings/316_machine_get_after.json");
    let recorded: Value = serde_json::from_str(recorded).unwrap();
    let one = recorded["response"]["json"].to_string();
    let whole = format!("[{}]", vec![one.as_str(); MACHINES].join(","));
    let (one, whole) = (Bytes::from(one), Bytes::from(whole));
    println!(
        "{MACHINES} machines as one of a real region's answers: {} MB of JSON",
        whole.len() / 1_000_000
    );

    let region = region(one, whole.clone()).await;
    let key = region.api_key("admin");
    let ours = ours(&region, &key, &whole).await;
    println!("maas-client:    {}", ours.line());
    match python(&region.url(), &key, &whole).await {
        Some(theirs) => {
            println!("python-libmaas: {}", theirs.line());
            println!(
                "ratio: decode {:.1}, peak memory {:.1}, list over HTTP {:.1}, concurrent reads {:.1}",
                theirs.decode / ours.decode,
                theirs.decode_peak / ours.decode_peak,
                theirs.list / ours.list,
                theirs.reads / ours.reads
            );
        }
        None => {
            assert!(
                std::env::var("CLOUDBOOT_PEERS").as_deref() != Ok("1"),
                "python-libmaas did not run"
            );
            println!(
                "skipped: python-libmaas is not there (`pip install python-libmaas`, `PYTHON=` its interpreter)"
            );
        }
    }
}

impl Measured {
    fn line(&self) -> String {
        format!(
            "decode {:.2} s and {:.0} MiB at its peak, list over HTTP {:.2} s, {READS} concurrent reads {:.2} s",
            self.decode, self.decode_peak, self.list, self.reads
        )
    }
}

/// A fake region that answers with the recorded machine, and with a description of itself that
/// python-libmaas asks for before anything else.
async fn region(one: Bytes, whole: Bytes) -> FakeRegion {
    let description = std::sync::OnceLock::<Bytes>::new();
    let described = std::sync::Arc::new(description);
    let for_tap = described.clone();
    let tap = std::sync::Arc::new(move |phase: Phase, request: &str| {
        let body = match (phase, request) {
            (Phase::Before, "GET /MAAS/api/2.0/describe/") => for_tap.get().cloned(),
            (Phase::Before, r) if r.starts_with("GET /MAAS/api/2.0/machines/gxg7pw/") => {
                Some(one.clone())
            }
            (Phase::Before, r) if r.starts_with("GET /MAAS/api/2.0/machines/") => {
                Some(whole.clone())
            }
            _ => None,
        };
        let verdict = body.map_or(Verdict::Continue, |body| {
            let kind = ("content-type".into(), "application/json".into());
            Verdict::Answer(200, vec![kind], body)
        });
        Box::pin(async move { verdict }) as _
    });
    let region = FakeRegion::builder().tap(tap).start().await.unwrap();
    region.create_admin("admin", "secret", "a@b.c");
    described
        .set(describe(&region.url()).to_string().into())
        .unwrap();
    region
}

/// What `/describe/` says, made of the list of operations, as far as python-libmaas reads it.
fn describe(url: &str) -> Value {
    let operations = include_str!("../tests/fixtures/operations.txt");
    let mut resources: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for line in operations.lines().filter(|l| !l.starts_with('#')) {
        let mut fields = line.split('\t');
        let (Some(method), Some(path), Some(op)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let plain = match method {
            "GET" => "read",
            "POST" => "create",
            "PUT" => "update",
            _ => "delete",
        };
        let (name, op) = if op.is_empty() {
            (plain, Value::Null)
        } else {
            (op, json!(op))
        };
        resources.entry(path).or_default().push(json!({
            "name": name, "method": method, "op": op, "restful": op.is_null(), "doc": "",
        }));
    }
    let named = |path: &str| {
        let name = match path.trim_matches('/') {
            "machines" => "Machines",
            "machines/{system_id}" => "Machine",
            other => other,
        };
        format!("{name}Handler")
    };
    let resources: Vec<Value> = resources
        .iter()
        .map(|(path, actions)| {
            let params: Vec<&str> = path
                .split('{')
                .skip(1)
                .filter_map(|p| p.split('}').next())
                .collect();
            let path = path.trim_start_matches('/');
            let (name, uri) = (named(path), format!("{url}api/2.0/{path}"));
            json!({
                "name": name, "anon": null,
                "auth": { "name": name, "doc": "", "actions": actions, "params": params, "path": path, "uri": uri },
            })
        })
        .collect();
    json!({ "doc": "MAAS API", "hash": "", "resources": resources })
}

async fn ours(region: &FakeRegion, key: &str, whole: &Bytes) -> Measured {
    let client = Client::builder(region.url())
        .api_key(key.parse().unwrap())
        .timeout(Duration::from_secs(600))
        .build()
        .unwrap();
    let mut best = Measured {
        decode: f64::MAX,
        decode_peak: 0.0,
        list: f64::MAX,
        reads: f64::MAX,
    };
    for run in 0..RUNS {
        // Linux forgets a process's peak on request.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let before = memory("VmRSS:");
        let began = Instant::now();
        let machines = maas_client::decode::<Vec<maas_client::Machine>>(whole).unwrap();
        best.decode = best.decode.min(began.elapsed().as_secs_f64());
        assert_eq!(machines.len(), MACHINES);
        if run == 0 {
            best.decode_peak = memory("VmHWM:") - before;
        }
        drop(machines);

        let began = Instant::now();
        let listed = client.machines().list(&MachineFilter::new()).await.unwrap();
        best.list = best.list.min(began.elapsed().as_secs_f64());
        assert_eq!(listed.len(), MACHINES);
        drop(listed);

        let id: maas_client::SystemId = "gxg7pw".parse().unwrap();
        let began = Instant::now();
        let mut reads = tokio::task::JoinSet::new();
        for _ in 0..READS {
            let (machines, id) = (client.machines(), id.clone());
            reads.spawn(async move { machines.read(&id).await });
        }
        let reads = reads.join_all().await;
        best.reads = best.reads.min(began.elapsed().as_secs_f64());
        assert!(reads.iter().all(Result::is_ok));
    }
    best
}

/// The same three things with python-libmaas: its own client, its own objects.
const SCRIPT: &str = r#"
import asyncio, json, sys, time
url, key, body, machines, reads, runs = sys.argv[1], sys.argv[2], sys.argv[3], *map(int, sys.argv[4:])
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
from maas.client import connect

def memory(line):
    with open("/proc/self/status") as status:
        return next(int(l.split()[1]) for l in status if l.startswith(line)) / 1024

async def main():
    client = await connect(url, apikey=key)
    origin = client._origin
    best = [9e9, 0, 9e9, 9e9]
    with open(body, "rb") as file:
        content = file.read()
    for run in range(runs):
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
        before, began = memory("VmRSS:"), time.perf_counter()
        # What its dispatch and its Machines do with a body; the dispatch decodes each one twice.
        data = json.loads(content.decode("utf-8"))
        data = json.loads(content.decode("utf-8"))
        listed = origin.Machines(map(origin.Machine, data))
        del data
        best[0] = min(best[0], time.perf_counter() - began)
        if run == 0:
            best[1] = memory("VmHWM:") - before
        assert len(listed) == machines
        del listed
        began = time.perf_counter()
        listed = await client.machines.list()
        best[2] = min(best[2], time.perf_counter() - began)
        assert len(listed) == machines
        del listed
        began = time.perf_counter()
        await asyncio.gather(*[client.machines.get("gxg7pw") for _ in range(reads)])
        best[3] = min(best[3], time.perf_counter() - began)
    print(*best)

loop.run_until_complete(main())
"#;

async fn python(url: &str, key: &str, whole: &Bytes) -> Option<Measured> {
    let body = std::env::temp_dir().join(format!("machines-{}.json", std::process::id()));
    std::fs::write(&body, whole).ok()?;
    let interpreter = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let output = tokio::process::Command::new(interpreter)
        .args(["-W", "ignore", "-c", SCRIPT, url, key])
        .arg(&body)
        .args([MACHINES, READS, RUNS].map(|n| n.to_string()))
        .output()
        .await;
    let _ = std::fs::remove_file(&body);
    let output = output.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    let [decode, decode_peak, list, reads] = numbers[..] else {
        let said = String::from_utf8_lossy(&output.stderr);
        println!("python-libmaas: {}", said.lines().last().unwrap_or(""));
        return None;
    };
    Some(Measured {
        decode,
        decode_peak,
        list,
        reads,
    })
}
