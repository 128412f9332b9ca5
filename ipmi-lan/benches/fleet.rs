//! Our client and ipmipower on the same BMCs in the same run, behind one UDP relay that adds the delay and the loss for both.
//!
//! `cargo bench -p ipmi-lan --features testing --bench fleet`. It prints a table, the ratios and whether they are within the bar, and exits with 1 where
//! one is not; words after `--` choose cases. ipmipower comes with freeipmi-tools; without it only our own times are printed. The BMCs (our simulator) and the relay run in a child
//! process, so that neither client shares a process with them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_types,
    missing_docs,
    reason = "a benchmark"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use ipmi_lan::testing::{BmcSpec, Network, Relay, Simulator, User};
use ipmi_lan::{Client, Credentials, Privilege};

fn admin() -> Credentials {
    Credentials::new("admin", "secret".into())
}

/// The child: BMCs and relay; one line of orders, one line of answer.
async fn serve() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut running: Option<(Simulator, Relay)> = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let words: Vec<f64> = line.split(' ').filter_map(|w| w.parse().ok()).collect();
        match words[..] {
            [count, users, delay_ms, loss] => {
                drop(running.take());
                let users: Vec<User> = std::iter::once("admin".to_owned())
                    .chain((1..users as usize).map(|n| format!("user{n}")))
                    .map(|name| User::new(&name, "secret", Privilege::Administrator))
                    .collect();
                let bmc = |n| {
                    BmcSpec::new(format!("node{n}"))
                        .users(users.clone())
                        .slots(256)
                };
                let sim = Simulator::builder()
                    .bmcs((0..count as usize).map(bmc))
                    .start()
                    .await
                    .unwrap();
                let network = Network::delay(Duration::from_secs_f64(delay_ms / 2000.0)).loss(loss);
                let relay = Relay::start(sim.addrs(), network).await.unwrap();
                let addrs: Vec<String> = relay.addrs().iter().map(ToString::to_string).collect();
                println!("{}", addrs.join(","));
                running = Some((sim, relay));
            }
            _ => println!(
                "{}",
                running.as_ref().map_or(0, |(_, relay)| relay.datagrams().0)
            ),
        }
    }
}

struct World {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl World {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, answers) = (
            child.stdin.take().unwrap(),
            BufReader::new(child.stdout.take().unwrap()),
        );
        Self {
            child,
            orders,
            answers,
        }
    }

    fn ask(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn bmcs(&mut self, count: usize, users: usize, rtt_ms: f64, loss: f64) -> Vec<SocketAddr> {
        self.ask(&format!("{count} {users} {rtt_ms} {loss}"))
            .split(',')
            .map(|a| a.parse().unwrap())
            .collect()
    }

    fn datagrams(&mut self) -> u64 {
        self.ask("count").parse().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// To the last answer, and with every session closed.
fn ours(addrs: &[SocketAddr]) -> (Duration, Duration, usize) {
    // One thread, as ipmipower has.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let begun = Instant::now();
        let client = Client::builder().deadline(Duration::from_secs(20)).build();
        let targets = addrs.iter().map(|addr| (*addr, admin()));
        let results = client
            .fleet(targets)
            .collect(|bmc| async move { bmc.power_state().await })
            .await;
        let answered = begun.elapsed();
        for error in results
            .iter()
            .filter_map(|r| r.result.as_ref().err())
            .take(3)
        {
            eprintln!("    {error}");
        }
        client.close().await;
        (
            answered,
            begun.elapsed(),
            results.iter().filter(|r| r.result.is_ok()).count(),
        )
    })
}

fn ipmipower(addrs: &[SocketAddr]) -> Option<(Duration, usize)> {
    let hosts = addrs
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let begun = Instant::now();
    let output = Command::new("ipmipower")
        .env("PATH", path)
        .args([
            "-D", "LAN_2_0", "-I", "17", "-u", "admin", "-p", "secret", "-l", "OPERATOR", "--stat",
            "-h", &hosts,
        ])
        .output()
        .ok()?;
    let ok = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|l| l.ends_with(": off"))
        .count();
    Some((begun.elapsed(), ok))
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|l| l.starts_with("VmRSS:"))
        .unwrap_or("");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0)
}

fn main() {
    if std::env::args().any(|arg| arg == "--serve") {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(serve());
        return;
    }
    let mut world = World::start();
    let mut missed = 0;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "{} cores, load before {}; medians of as many runs each, in turn\n",
        std::thread::available_parallelism().map_or(0, usize::from),
        load.split(' ').next().unwrap_or("unknown"),
    );
    println!(
        "| case | ours, to the answers | ours, closed | ipmipower | ratio | bar | all answered | datagrams to each BMC |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let cases: [(&str, usize, f64, f64, usize, f64); 7] = [
        ("1, no delay", 1, 0.0, 0.0, 15, f64::INFINITY),
        ("1 @10 ms", 1, 10.0, 0.0, 15, 0.55),
        ("256, no delay", 256, 0.0, 0.0, 15, 1.0),
        ("250 @10 ms", 250, 10.0, 0.0, 15, 0.5),
        ("1000 @10 ms", 1000, 10.0, 0.0, 9, 0.25),
        ("250 @10 ms, 2 % loss", 250, 10.0, 0.02, 15, 0.5),
        ("250 @10 ms, 10 % loss", 250, 10.0, 0.10, 5, f64::INFINITY),
    ];
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    for (name, count, rtt, loss, runs, bar) in cases {
        if !only.is_empty() && !only.iter().any(|part| name.contains(part)) {
            continue;
        }
        let addrs = world.bmcs(count, 1, rtt, loss);
        let (mut answered, mut closed, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        let mut all = true;
        let mut their_all = true;
        let (mut we_sent, mut they_sent) = (0, 0);
        // In turn, so that a busy machine is busy for both.
        for _ in 0..runs {
            let before = world.datagrams();
            let (to_answers, with_close, ok) = ours(&addrs);
            let between = world.datagrams();
            all &= ok == count;
            answered.push(to_answers);
            closed.push(with_close);
            we_sent += between - before;
            if let Some((time, ok)) = ipmipower(&addrs) {
                they_sent += world.datagrams() - between;
                their_all &= ok == count;
                theirs.push(time);
            }
        }
        let (answered, closed) = (median(answered), median(closed));
        let ratio = (!theirs.is_empty()).then(|| {
            (
                median(theirs.clone()),
                answered.as_secs_f64() / median(theirs).as_secs_f64(),
            )
        });
        let within = all && ratio.is_none_or(|(_, ratio)| ratio <= bar);
        missed += usize::from(!within);
        let (their, ratio) = ratio
            .map_or(("not installed".to_owned(), "-".to_owned()), |(t, r)| {
                (format!("{t:.1?}"), format!("{r:.2}"))
            });
        let bar = if bar.is_finite() {
            format!("<= {bar}")
        } else {
            "-".to_owned()
        };
        let mark = if within { "" } else { " MISSED" };
        println!(
            "| {name} | {answered:.1?} | {closed:.1?} | {their} | {ratio} | {bar}{mark} | ours {all}, ipmipower {their_all} | {:.1}, {:.1} |",
            we_sent as f64 / (runs * count) as f64,
            they_sent as f64 / (runs * count) as f64,
        );
    }

    let addrs = world.bmcs(1, 1, 10.0, 0.0);
    let before = world.datagrams();
    let (time, ..) = ours(&addrs);
    let sent = world.datagrams() - before;
    println!(
        "\none-shot status: {sent} datagrams sent, the unawaited Close among them: {} round trips to the answer, {time:.1?}",
        sent - 1
    );
    missed += usize::from(sent > 6);

    let addrs = world.bmcs(100, 100, 0.0, 0.0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let before = resident_kib();
    runtime.block_on(async {
        let client = Client::builder().deadline(Duration::from_secs(60)).build();
        let mut held = Vec::new();
        for n in 0..100 {
            let name = if n == 0 {
                "admin".to_owned()
            } else {
                format!("user{n}")
            };
            let bmcs: Vec<_> = addrs
                .iter()
                .map(|a| client.bmc(*a, Credentials::new(name.clone(), "secret".into())))
                .collect();
            for result in
                futures_util::future::join_all(bmcs.iter().map(|bmc| bmc.power_state())).await
            {
                result.unwrap();
            }
            held.extend(bmcs);
        }
        let kib = resident_kib() - before;
        println!(
            "{} open sessions: {kib} KiB, {:.1} KiB each",
            held.len(),
            kib as f64 / held.len() as f64
        );
    });
    drop(runtime);
    std::process::exit(i32::from(missed > 0));
}
