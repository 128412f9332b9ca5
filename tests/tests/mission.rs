//! The whole mission on the lab.

use cloudboot::engine::{Approvals, Outcome, Report};
use cloudboot::steps::{Mission, Site};
use cloudboot::testing::{Durations, Lab};

async fn run(lab: &Lab) -> Report {
    let site = Site::new(lab.config().unwrap(), lab.host());
    let engine = Mission::new(site).unwrap().engine().await.unwrap();
    let engine = engine
        .clock(lab.clock())
        .approvals(Approvals::AllowAll)
        .build()
        .unwrap();
    let mut events = engine.events();
    let printer = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if std::env::var_os("SHOW").is_some() {
                println!("{}", serde_json::to_string(&event).unwrap());
            }
        }
    });
    let report = engine.run().await.unwrap();
    drop(engine);
    let _ = printer.await;
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mission_ends_and_a_second_run_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::builder(folder.path().join("lab"))
        .speed(600.0)
        .durations(Durations::table1())
        .start()
        .await
        .unwrap();
    let report = run(&lab).await;
    assert!(
        matches!(report.outcome, Outcome::Done { .. }),
        "{report:#?}"
    );
    let before = lab.counts();
    let again = run(&lab).await;
    assert!(
        matches!(again.outcome, Outcome::Done { changed: 0 }),
        "{again:#?}"
    );
    assert_eq!(lab.counts(), before);
}
