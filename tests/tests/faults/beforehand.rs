//! What is found before anything, or instead of what was expected.

use std::time::Duration;

use cloudboot::engine::{Outcome, TeardownOptions};
use cloudboot::host::Host;
use cloudboot::host::snaps::ChangeId;
use cloudboot::testing::lab_host::Hardware;
use cloudboot::testing::{Durations, Lab};
use insta::assert_snapshot;

use crate::kit::{builder, counts, engine, folder, run, told, until};

#[tokio::test(flavor = "multi_thread")]
async fn bundle_too_large() {
    let folder = folder();
    let small = Hardware {
        cores: 8,
        ..Hardware::default()
    };
    let lab = builder(&folder).hardware(small).start().await.unwrap();
    let before = counts(&lab);
    let report = run(&lab, "").await;
    assert_snapshot!(told(&lab, &report));
    assert_eq!(counts(&lab), before, "something was created");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bmc_password() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let report = until(&lab, "ipmi: {password: wrong-one}", "metal.power").await;
    assert_snapshot!(told(&lab, &report));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_bmcs() {
    let folder = folder();
    let lab = builder(&folder).nodes(1).start().await.unwrap();
    let overlay = "{maas: {nodes_amount: 2}, deadlines: {metal.bmcs: {stall: 60s, total: 7200s}}}";
    let report = until(&lab, overlay, "metal.bmcs").await;
    assert_snapshot!(told(&lab, &report));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_bmcs_than_asked_for() {
    let folder = folder();
    let mut durations = Durations::instant();
    durations.leases = 4.0;
    let lab = builder(&folder)
        .nodes(3)
        .durations(durations)
        .start()
        .await
        .unwrap();
    let report = until(&lab, "maas: {nodes_amount: 2}", "metal.power").await;
    assert_snapshot!(told(&lab, &report));
    assert!(
        lab.maas().machines().is_empty(),
        "a machine was powered that nobody named"
    );
}

async fn finished(host: &Host, change: ChangeId) {
    while !host.snaps.change(&change).await.unwrap().outcome().unwrap() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maas_of_another_version() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    let host = lab.host();
    let change = host.snaps.install("maas", "3.5/stable").await.unwrap();
    finished(&host, change).await;
    let before = counts(&lab);
    let plan = engine(&lab, "").await.plan().await.unwrap();
    let plan = serde_json::to_value(&plan).unwrap();
    let steps = plan["steps"].as_array().unwrap().iter();
    let snap = steps
        .clone()
        .find(|step| step["id"] == "host.maas")
        .unwrap();
    assert_eq!(
        (&snap["state"], &snap["destructive"]),
        (&"drifted".into(), &true.into())
    );
    let report = until(&lab, "", "maas.init").await;
    assert_snapshot!(told(&lab, &report));
    let snap = host.snaps.get("maas").await.unwrap().unwrap();
    assert!(snap.follows("3.5/stable"), "{snap:?}");
    assert_eq!(
        counts(&lab).get("host/snap:maas"),
        before.get("host/snap:maas")
    );
}

/// A region that somebody else initialised, with an administrator of this password.
async fn by_hand(lab: &Lab, password: &str) {
    let state = lab.operator().folder.join("hand");
    let overlay = format!("{{deployment: by-hand, state_dir: {}}}", state.display());
    let report = until(lab, &overlay, "maas.http").await;
    assert!(report.outcome.is_done(), "{report:#?}");
    lab.host()
        .maas_cli
        .create_admin(
            "jesus",
            "admin@example.com",
            &password.to_owned().into(),
            Duration::from_secs(60),
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maas_made_by_hand_with_another_password() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    by_hand(&lab, "known-to-others").await;
    let report = until(&lab, "", "maas.admin").await;
    assert_snapshot!(told(&lab, &report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maas_made_by_hand_is_adopted_and_left() {
    let folder = folder();
    let lab = builder(&folder).start().await.unwrap();
    by_hand(&lab, "some_password").await;
    let before = counts(&lab);
    let engine = engine(&lab, "").await;
    let report = engine.run_until("maas.network").await.unwrap();
    assert!(
        matches!(report.outcome, Outcome::Done { .. }),
        "{report:#?}"
    );
    assert_eq!(counts(&lab).get("maas/user"), before.get("maas/user"));
    let report = engine.teardown(TeardownOptions::default()).await.unwrap();
    assert_snapshot!(told(&lab, &report));
    assert!(lab.maas().is_serving() && lab.maas().has_user("jesus"));
    let snap = lab.host().snaps.get("maas").await.unwrap();
    assert!(snap.is_some(), "a snap that was there before is gone");
}
