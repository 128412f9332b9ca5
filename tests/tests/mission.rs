//! The whole mission on the lab.

use cloudboot::engine::{Outcome, TeardownOptions};
use cloudboot::testing::{Durations, Lab};
use cloudboot_tests::mission::{engine, failures, run};

#[tokio::test(flavor = "multi_thread")]
async fn the_mission_ends_a_second_run_changes_nothing_and_teardown_takes_it_away() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::builder(folder.path().join("lab"))
        .speed(600.0)
        .start()
        .await
        .unwrap();

    let plan = engine(&lab).await.plan().await.unwrap();
    assert!(plan.changes_pending());
    assert!(
        lab.counts().is_empty(),
        "a plan changes nothing: {:?}",
        lab.counts()
    );

    let report = run(&lab).await;
    assert!(
        matches!(report.outcome, Outcome::Done { .. }),
        "{:#?}",
        failures(&report)
    );
    let made = lab.counts();
    assert!(!engine(&lab).await.plan().await.unwrap().changes_pending());

    let again = run(&lab).await;
    assert!(
        matches!(again.outcome, Outcome::Done { changed: 0 }),
        "{:#?}",
        failures(&again)
    );
    assert_eq!(lab.counts(), made);

    let report = engine(&lab)
        .await
        .teardown(TeardownOptions::default())
        .await
        .unwrap();
    assert!(
        matches!(report.outcome, Outcome::Done { .. }),
        "{:#?}",
        failures(&report)
    );
    assert!(lab.maas().machines().is_empty());

    // What was torn down can be built again.
    let report = run(&lab).await;
    assert!(
        matches!(report.outcome, Outcome::Done { .. }),
        "{:#?}",
        failures(&report)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn vaults_steps_hold_on_a_real_vault() {
    let Some(url) = cloudboot_tests::peer("openbao-mission") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::builder(folder.path().join("lab"))
        .speed(1000.0)
        .durations(Durations::instant())
        .vault_at(url.parse().unwrap())
        .start()
        .await
        .unwrap();
    let report = run(&lab).await;
    assert!(
        matches!(report.outcome, Outcome::Done { .. }),
        "{:#?}",
        failures(&report)
    );
    assert!(
        !lab.vault().is_initialised(),
        "the lab's own Vault was not in the way"
    );
    let again = run(&lab).await;
    assert!(
        matches!(again.outcome, Outcome::Done { changed: 0 }),
        "{:#?}",
        failures(&again)
    );
}
