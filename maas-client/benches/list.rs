//! Ten thousand machines in one list, and a thousand concurrent reads over one client; beside
//! python-libmaas on the same fake region in the same run, where Python has it.
//!
//! The fake region and each client are a process of their own, so that none is counted with another.
//!
//! `PYTHON=python3 cargo bench -p maas-client --features testing --bench list`
//! (`pip install --target lm python-libmaas`, then `PYTHONPATH=lm`).
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a benchmark, which starts its parts as processes"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use maas_client::testing::{FakeRegion, Phase, Verdict};
use maas_client::{Client, MachineFilter};
use serde_json::{Value, json};

const MACHINES: usize = 10_000;
const READS: usize = 1_000;
/// The best of so many runs counts, for both: the machine may be busy with something else.
const RUNS: usize = 5;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[1..] {
        ["--serve", body] => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(serve(Path::new(body))),
        ["--ours", url, key, body] => {
            tokio::runtime::Runtime::new()
                .unwrap()
                .block_on(ours(url, key, Path::new(body)))
        }
        _ => compare(),
    }
}

fn compare() {
    let body = std::env::temp_dir().join(format!("machines-{}.json", std::process::id()));
    let whole = machines();
    println!(
        "{MACHINES} machines, each as a real region answered one: {} MB of JSON",
        whole.len() / 1_000_000
    );
    std::fs::write(&body, whole).unwrap();
    let mut region = Region::start(&body);
    let mut ours = Command::new(std::env::current_exe().unwrap());
    ours.arg("--ours")
        .args([&region.url, &region.key])
        .arg(&body);
    let ours = Measured::of(ours).unwrap();
    println!("maas-client:    {}", ours.line());

    let interpreter = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let mut theirs = Command::new(interpreter);
    theirs
        .args(["-W", "ignore", "-c", SCRIPT, &region.url, &region.key])
        .arg(&body)
        .args([MACHINES, READS, RUNS].map(|n| n.to_string()));
    match Measured::of(theirs) {
        Ok(theirs) => {
            println!("python-libmaas: {}", theirs.line());
            println!(
                "ratio: decode {:.1}, peak memory {:.1}, list over HTTP {:.1}, concurrent reads {:.1}",
                theirs.decode / ours.decode,
                theirs.decode_peak / ours.decode_peak,
                theirs.list / ours.list,
                theirs.reads / ours.reads
            );
        }
        Err(why) => {
            assert!(
                std::env::var("CLOUDBOOT_PEERS").as_deref() != Ok("1"),
                "python-libmaas did not run: {why}"
            );
            println!(
                "skipped: python-libmaas is not there (`pip install python-libmaas`, `PYTHON=` its interpreter): {why}"
            );
        }
    }
    region.stop();
    let _ = std::fs::remove_file(&body);
}

/// What is measured of either client: seconds, and MiB beyond what the process held before.
#[derive(Debug)]
struct Measured {
    decode: f64,
    decode_peak: f64,
    list: f64,
    reads: f64,
}

impl Measured {
    /// The four numbers that a client prints of itself.
    fn of(mut client: Command) -> Result<Self, String> {
        let output = client.output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<f64> = text
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect();
        let [decode, decode_peak, list, reads] = numbers[..] else {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(said.lines().last().unwrap_or("it said nothing").to_owned());
        };
        Ok(Self {
            decode,
            decode_peak,
            list,
            reads,
        })
    }

    fn line(&self) -> String {
        format!(
            "decode {:.3} s and {:.1} MiB at its peak, list over HTTP {:.3} s, {READS} concurrent reads {:.3} s",
            self.decode, self.decode_peak, self.list, self.reads
        )
    }
}

/// A list of machines, each the recorded one under names, addresses, numbers and ids of its own.
fn machines() -> String {
    let recorded = include_str!("../tests/fixtures/recordings/316_machine_get_after.json");
    let recorded: Value = serde_json::from_str(recorded).unwrap();
    let one = &recorded["response"]["json"];
    let of_its_own = [
        one["system_id"].as_str().unwrap(),
        one["hostname"].as_str().unwrap(),
    ];
    let mut list = Vec::with_capacity(MACHINES);
    for n in 0..MACHINES {
        let mut machine = one.clone();
        rename(&mut machine, n, &of_its_own, "");
        list.push(machine.to_string());
    }
    format!("[{}]", list.join(","))
}

fn rename(value: &mut Value, n: usize, [id, name]: &[&str; 2], key: &str) {
    match value {
        Value::Object(map) => {
            // Interfaces, disks and partitions are the machine's own; zones and the like are everybody's.
            let own = ["mac_address", "block_size", "device_id"];
            let own = own.iter().any(|k| map.contains_key(*k));
            for (key, value) in map {
                if own && (key == "id" || key == "device_id") {
                    *value = json!(value.as_u64().unwrap_or(0) + 10 * n as u64);
                }
                rename(value, n, &[id, name], key);
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| rename(item, n, &[id, name], key)),
        Value::String(text) => {
            let renamed = text
                .replace(id, &own_id(n))
                .replace(name, &format!("node-{n:05}"))
                // Of MAC addresses, and of the serial numbers made of them.
                .replace("52:54:00", &format!("52:{:02x}:{:02x}", n >> 8, n & 255));
            *text = match key {
                "uuid" | "hardware_uuid" => format!("{n:08x}{}", renamed.get(8..).unwrap_or("")),
                "serial" | "id_path" => format!("{renamed}{n:05}"),
                _ => renamed,
            };
        }
        _ => {}
    }
}

/// The first machine keeps the recorded one's id, by which it is read.
fn own_id(n: usize) -> String {
    const LETTERS: &[u8; 24] = b"34678abcdefghkmnpqrstwxy";
    if n == 0 {
        return READ.to_owned();
    }
    (0..6)
        .map(|place| char::from(LETTERS[n / 24_usize.pow(place) % 24]))
        .collect()
}

/// The machine that is read a thousand times.
const READ: &str = "gxg7pw";

/// The fake region in a process of its own.
struct Region {
    process: Child,
    url: String,
    key: String,
}

impl Region {
    fn start(body: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg("--serve")
            .arg(body)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.as_mut().unwrap();
        std::io::BufReader::new(output)
            .read_line(&mut line)
            .unwrap();
        let (url, key) = line.trim().split_once(' ').unwrap();
        Self {
            url: url.to_owned(),
            key: key.to_owned(),
            process,
        }
    }

    /// It ends with its standard input.
    fn stop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A fake region that answers with the recorded machine, and with a description of itself that
/// python-libmaas asks for before anything else.
async fn serve(body: &Path) {
    let whole = Bytes::from(std::fs::read(body).unwrap());
    let one: Value = serde_json::from_slice::<Value>(&whole).unwrap()[0].take();
    let one = Bytes::from(one.to_string());
    let described = std::sync::Arc::new(std::sync::OnceLock::<Bytes>::new());
    let for_tap = described.clone();
    let read = format!("GET /MAAS/api/2.0/machines/{READ}/");
    let tap = std::sync::Arc::new(move |phase: Phase, request: &str| {
        let body = match (phase, request) {
            (Phase::Before, "GET /MAAS/api/2.0/describe/") => for_tap.get().cloned(),
            (Phase::Before, r) if r.starts_with(&read) => Some(one.clone()),
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
    println!("{} {}", region.url(), region.api_key("admin"));
    std::io::stdout().flush().unwrap();
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    let _ = end.await;
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

/// A line of `/proc/self/status` in MiB.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kb = status.lines().find_map(|l| l.strip_prefix(line));
    kb.and_then(|l| l.trim().split(' ').next()?.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}

async fn ours(url: &str, key: &str, body: &Path) {
    let client = Client::builder(url)
        .api_key(key.parse().unwrap())
        .timeout(Duration::from_secs(600))
        .build()
        .unwrap();
    let whole = std::fs::read(body).unwrap();
    let [mut decode, mut decode_peak, mut list, mut reads] = [f64::MAX, 0.0, f64::MAX, f64::MAX];
    for run in 0..RUNS {
        // Linux forgets a process's peak on request.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let before = memory("VmRSS:");
        let began = Instant::now();
        let machines = maas_client::decode::<Vec<maas_client::Machine>>(&whole).unwrap();
        decode = f64::min(decode, began.elapsed().as_secs_f64());
        if run == 0 {
            decode_peak = memory("VmHWM:") - before;
        }
        assert_eq!(machines.len(), MACHINES);
        let ids: std::collections::BTreeSet<_> = machines.iter().map(|m| &m.system_id).collect();
        assert_eq!(ids.len(), MACHINES);
        drop(machines);

        let began = Instant::now();
        let listed = client.machines().list(&MachineFilter::new()).await.unwrap();
        list = f64::min(list, began.elapsed().as_secs_f64());
        assert_eq!(listed.len(), MACHINES);
        drop(listed);

        let id: maas_client::SystemId = READ.parse().unwrap();
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..READS {
            let (machines, id) = (client.machines(), id.clone());
            tasks.spawn(async move { machines.read(&id).await });
        }
        let done = tasks.join_all().await;
        reads = f64::min(reads, began.elapsed().as_secs_f64());
        assert!(done.iter().all(Result::is_ok));
    }
    println!("{decode} {decode_peak} {list} {reads}");
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
        assert len(listed) == machines and len({m.system_id for m in listed}) == machines
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
