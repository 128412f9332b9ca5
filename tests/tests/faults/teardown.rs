//! Taking back: all of it, a part, and building again.

use cloudboot::engine::{Report, StepResult, TeardownOptions, Undo};
use cloudboot::host::postgres::DatabaseSpec;
use cloudboot::testing::Lab;
use insta::assert_snapshot;

use crate::kit::{builder, engine, folder, redact, run, told};

/// What was taken back and what was kept, a line a step.
fn undone(lab: &Lab, report: &Report) -> String {
    let mut lines: Vec<String> = report
        .steps
        .iter()
        .filter_map(|step| match &step.result {
            StepResult::Undone { undo } if *undo != Undo::NothingToDo => {
                Some(redact(lab, &format!("{}: {undo:?}\n", step.id)))
            }
            _ => None,
        })
        .collect();
    lines.sort();
    lines.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_and_then_again() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let report = run(&lab, "").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    let stood = lab.end_state();
    let engine = engine(&lab, "").await;
    let report = engine.teardown(TeardownOptions::default()).await.unwrap();
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    assert_snapshot!(undone(&lab, &report));
    assert!(lab.host().snaps.get("maas").await.unwrap().is_none());
    let report = run(&lab, "").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    assert_eq!(lab.end_state(), stood);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_but_the_database() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let report = run(&lab, "").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    let engine = engine(&lab, "").await;
    let report = engine
        .teardown(TeardownOptions {
            keep: vec!["maas.database".into()],
            ..TeardownOptions::default()
        })
        .await
        .unwrap();
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    let lines = undone(&lab, &report);
    for kept in [
        "maas.database: Kept",
        "host.postgresql: Kept",
        "host.maas: Removed",
    ] {
        assert!(lines.contains(kept), "{lines}");
    }
    // The database alone, afterwards.
    let report = engine
        .teardown(TeardownOptions {
            only: vec!["maas.database".into()],
            ..TeardownOptions::default()
        })
        .await
        .unwrap();
    assert_snapshot!(undone(&lab, &report));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_alone_while_maas_runs() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let report = crate::kit::until(&lab, "", "maas.network").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    let engine = engine(&lab, "").await;
    let only = |steps: &[&str]| TeardownOptions {
        only: steps.iter().map(|&step| step.into()).collect(),
        ..TeardownOptions::default()
    };
    // It is refused: what runs on it would be lost without a word.
    let report = engine.teardown(only(&["maas.database"])).await.unwrap();
    assert_snapshot!(told(&lab, &report));
    let spec = DatabaseSpec {
        role: "maas".into(),
        password: "unknown".into(),
        database: "maas".into(),
    };
    let there = lab.host().postgres.observe(&spec).await.unwrap();
    assert_eq!(there.owner.as_deref(), Some("maas"));

    // A region that was stopped is started by the next run.
    let report = engine.teardown(only(&["maas.init"])).await.unwrap();
    assert_eq!(
        undone(&lab, &report),
        "maas.init: Removed { what: [\"MAAS's running services\"] }\n"
    );
    assert!(!lab.host().snaps.services("maas").await.unwrap()[0].active);
    let report = crate::kit::until(&lab, "", "maas.network").await;
    assert!(report.outcome.is_done(), "{}", told(&lab, &report));
    assert!(lab.host().snaps.services("maas").await.unwrap()[0].active);

    // Both at once: MAAS first.
    let report = engine
        .teardown(only(&["maas.database", "maas.init"]))
        .await
        .unwrap();
    assert_snapshot!(undone(&lab, &report));
}
