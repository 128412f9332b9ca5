//! The pipeline's own process: this test binary, started again. It can be killed without taking the lab with it, or
//! with a lab of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
// Starting and killing the pipeline's process is what these tests are about.
#[allow(clippy::disallowed_types)]
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cloudboot::config::Loader;
use cloudboot::engine::{Approvals, Clock, Outcome, Report, ScaledClock};
use cloudboot::steps::{Mission, Site};
use cloudboot::testing::{Durations, Lab, lab_host};
use serde::{Deserialize, Serialize};

/// The order that a child finds in its environment.
const ORDER: &str = "CLOUDBOOT_TESTS_CHILD";

/// What a child is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Run the pipeline against a lab that lives elsewhere.
    Pipeline {
        config: PathBuf,
        overlays: Vec<PathBuf>,
        host_root: PathBuf,
        speed: f64,
        report: PathBuf,
    },
    /// Hold the lab and the pipeline both, as the deploy example does.
    Both {
        lab: PathBuf,
        speed: f64,
        calls: PathBuf,
        report: PathBuf,
    },
}

/// The order to run a pipeline against `lab`, with its report in `report`.
pub(crate) fn pipeline(lab: &Lab, report: &Path) -> Order {
    let operator = lab.operator();
    Order::Pipeline {
        config: operator.config.clone(),
        overlays: operator.overlays.clone(),
        host_root: lab.host_root().to_owned(),
        speed: lab.speed(),
        report: report.to_owned(),
    }
}

/// Starts a child; what it says is added to `log`.
#[allow(clippy::disallowed_types)]
pub(crate) fn start(order: &Order, log: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(ORDER, serde_json::to_string(order).unwrap())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// What a child does: nothing where nobody ordered anything (`cargo test -- --ignored`).
pub(crate) fn obey() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    let order: Order = serde_json::from_str(&order).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match order {
            Order::Pipeline {
                config,
                overlays,
                host_root,
                speed,
                report,
            } => {
                let mut loader = Loader::new();
                for overlay in &overlays {
                    loader = loader.overlay(overlay);
                }
                let site = Site::new(loader.load(&config).unwrap(), lab_host::connect(host_root));
                let told = run(site, Arc::new(ScaledClock::new(speed))).await;
                std::fs::write(report, serde_json::to_vec(&told).unwrap()).unwrap();
            }
            Order::Both {
                lab,
                speed,
                calls,
                report,
            } => {
                let calls = Arc::new(
                    File::options()
                        .create(true)
                        .append(true)
                        .open(calls)
                        .unwrap(),
                );
                let lab = Lab::builder(lab)
                    .speed(speed)
                    .durations(Durations::instant())
                    .on_call(Arc::new(move |_, call| {
                        use std::io::Write as _;
                        writeln!(&*calls, "{call}").unwrap();
                        Box::pin(async { cloudboot::testing::hooks::Verdict::Continue })
                    }))
                    .start()
                    .await
                    .unwrap();
                let told = run_on(&lab).await;
                let told = Both {
                    report: told,
                    end_state: lab.end_state(),
                    counts: lab.counts(),
                };
                std::fs::write(report, serde_json::to_vec(&told).unwrap()).unwrap();
            }
        }
    });
}

/// What a child that holds the lab as well tells at its end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Both {
    pub(crate) report: Report,
    pub(crate) end_state: String,
    pub(crate) counts: std::collections::BTreeMap<String, u64>,
}

/// The mission against a lab of this process.
pub(crate) async fn run_on(lab: &Lab) -> Report {
    run(Site::new(lab.config().unwrap(), lab.host()), lab.clock()).await
}

async fn run(site: Site, clock: Arc<dyn Clock>) -> Report {
    let engine = Mission::new(site).unwrap().engine().await.unwrap();
    let engine = engine
        .clock(clock)
        .approvals(Approvals::AllowAll)
        .build()
        .unwrap();
    engine.run().await.unwrap()
}

/// Fails, with what each step said, unless everything stands.
pub(crate) fn assert_done(report: &Report) {
    let failures: Vec<String> = report
        .failures()
        .map(|(step, error)| format!("{step}: {error}"))
        .collect();
    assert!(
        matches!(report.outcome, Outcome::Done { .. }),
        "{:?}: {failures:#?}",
        report.outcome
    );
}
