//! With the durations of the thesis's Table 1 the mission takes as long as the critical path of its graph does.

use cloudboot::engine::{Approvals, Outcome, Report};
use cloudboot::steps::{Mission, Site};
use cloudboot::testing::{Durations, Lab};

/// The critical path of Table 1's durations in the mission's graph, in seconds:
/// installation 52, database 1, `maas init` 110, its HTTP server 14, first configuration 42, image 247,
/// Juju's machine 300, bootstrap 1210, bundle 6300, in which Vault hides.
const BOUND: f64 = 8276.0;

/// How much longer the run may take: the program's own work, and the time between two looks at a system.
const SHARE: f64 = 0.02;

/// Virtual seconds a real second. 2 % of the bound have to be two real seconds at least.
const SPEED: f64 = 50.0;

/// A run on a fresh lab, its graph changed before it is run.
async fn run(change: impl FnOnce(&mut Mission)) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::builder(folder.path().join("lab"))
        .speed(SPEED)
        .durations(Durations::table1())
        .start()
        .await
        .unwrap();
    let mut mission = Mission::new(Site::new(lab.config().unwrap(), lab.host())).unwrap();
    change(&mut mission);
    let engine = mission.engine().await.unwrap();
    let engine = engine
        .clock(lab.clock())
        .approvals(Approvals::AllowAll)
        .build()
        .unwrap();
    let report = engine.run().await.unwrap();
    let failures: Vec<String> = report
        .failures()
        .map(|(step, error)| format!("{step}: {error}"))
        .collect();
    assert!(
        matches!(report.outcome, Outcome::Done { .. }),
        "{failures:#?}"
    );
    report
}

fn table(report: &Report) -> String {
    let line = |step: &cloudboot::engine::StepReport| {
        format!(
            "{} {:>8.1} {:>8.1}  {}",
            if step.critical { '*' } else { ' ' },
            step.start.as_secs_f64(),
            step.wall.as_secs_f64(),
            step.id
        )
    };
    report.steps.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_takes_as_long_as_its_critical_path_and_a_needless_edge_shows() {
    const { assert!(BOUND * SHARE / SPEED >= 2.0) };
    let bar = BOUND * (1.0 + SHARE);
    let (report, needless) = tokio::join!(
        run(|_| {}),
        // The Juju machine has no need of the compute nodes: the metal would be in the way of everything after it.
        run(|mission| {
            let handles = mission.handles.clone();
            mission.graph.after(&handles.juju_machine, &handles.nodes);
        })
    );
    println!("{}\n", table(&report));
    println!("{}", table(&needless));
    let total = report.total.as_secs_f64();
    println!(
        "{total:.1} s ({:+.2} %), with a needless edge {:.1} s",
        (total / BOUND - 1.0) * 100.0,
        needless.total.as_secs_f64()
    );

    for step in [
        "maas.init",
        "maas.http",
        "maas.image-ready",
        "juju.machine",
        "juju.controller",
        "cloud.converged",
    ] {
        assert!(
            report
                .critical_path
                .iter()
                .any(|known| known.as_str() == step),
            "{step} is not in {:?}",
            report.critical_path
        );
    }
    let first = report.critical_path.iter().take(3);
    assert!(
        first
            .into_iter()
            .any(|step| step.as_str().starts_with("host.")),
        "no installation begins {:?}",
        report.critical_path
    );
    // The machine cannot be faster than the systems are: a shorter run has left something out.
    assert!(total > BOUND * (1.0 - SHARE), "{total} s is too short");
    assert!(
        total < bar,
        "{total} s misses the bar of {bar} s:\n{}",
        table(&report)
    );
    assert!(
        needless.total.as_secs_f64() > bar,
        "a needless edge is not seen: {} s",
        needless.total.as_secs_f64()
    );
}
