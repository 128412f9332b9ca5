//! Bundles on living models: offers made, granted and found again; what is beyond the bundle told, and removed only when asked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use juju_client::api::models::NewModel;
use juju_client::bundle::{ApplyOptions, Bundle};
use juju_client::testing::FakeController;
use juju_client::{Client, Options};

async fn model(version: &str) -> (FakeController, Client) {
    let fake = FakeController::builder()
        .version(version)
        .start()
        .await
        .unwrap();
    let controller = fake
        .access()
        .connect(None, Options::default())
        .await
        .unwrap();
    let made = controller
        .models()
        .create(&NewModel::new("m"))
        .await
        .unwrap();
    let client = controller
        .open_model(&made.uuid.parse().unwrap())
        .await
        .unwrap();
    (fake, client)
}

#[tokio::test]
async fn offers_are_made_once() {
    for version in ["3.6.9", "4.0.15"] {
        let (_fake, client) = model(version).await;
        let bundle = Bundle::parse(
            "applications:\n  db: {charm: database, num_units: 1}\n---\napplications:\n  db: {offers: {shared: {endpoints: [db], acl: {admin: admin}}}}\n",
        )
        .unwrap();
        let applied = bundle
            .apply(&client, &ApplyOptions::default())
            .await
            .unwrap();
        assert!(applied.changes >= 4, "{applied:?}");
        let status = client.status().await.unwrap();
        assert!(status.offers.contains_key("shared"), "{:?}", status.offers);
        let plan = bundle.diff(&client).await.unwrap();
        assert!(plan.is_empty(), "{version}: {plan}");
        // More of it is offered.
        let more = Bundle::parse(
            "applications:\n  db: {charm: database, num_units: 1}\n---\napplications:\n  db: {offers: {shared: {endpoints: [juju-info, db]}}}\n",
        )
        .unwrap();
        let plan = more.diff(&client).await.unwrap();
        let args = serde_json::json!({"application": "db", "endpoints": ["juju-info", "db"], "offer-name": "shared", "update": true});
        assert_eq!(plan.changes.len(), 1, "{plan}");
        assert_eq!(serde_json::json!(plan.changes[0].args), args);
        more.apply(&client, &ApplyOptions::default()).await.unwrap();
        let plan = more.diff(&client).await.unwrap();
        assert!(plan.is_empty(), "{version}: {plan}");
    }
}

#[tokio::test]
async fn what_is_consumed_is_consumed_once() {
    for version in ["3.6.9", "4.0.15"] {
        let (_fake, client) = model(version).await;
        let offering = Bundle::parse(
            "applications:\n  db: {charm: database, num_units: 1}\n---\napplications:\n  db: {offers: {shared: {endpoints: [db]}}}\n",
        )
        .unwrap();
        offering
            .apply(&client, &ApplyOptions::default())
            .await
            .unwrap();
        let controller = client.open_controller().await.unwrap();
        let other = controller
            .models()
            .create(&NewModel::new("other"))
            .await
            .unwrap();
        let other = client
            .open_model(&other.uuid.parse().unwrap())
            .await
            .unwrap();
        let name = client.status().await.unwrap().model.name;
        let consuming = Bundle::parse(&format!(
            "saas: {{far: {{url: admin/{name}.shared}}}}\napplications:\n  web: {{charm: web, num_units: 1}}\n"
        ))
        .unwrap();
        consuming
            .apply(&other, &ApplyOptions::default())
            .await
            .unwrap();
        let status = other.status().await.unwrap();
        assert!(status.remote_applications.contains_key("far"), "{version}");
        let plan = consuming.diff(&other).await.unwrap();
        assert!(plan.is_empty(), "{version}: {plan}");
    }
}

#[tokio::test]
async fn what_is_beyond_the_bundle_goes_only_when_asked() {
    let (_fake, client) = model("4.0.15").await;
    let whole = Bundle::parse(
        "applications:\n  web: {charm: web, num_units: 2, expose: true}\n  db: {charm: database, num_units: 1}\n  cache: {charm: web, num_units: 1}\nrelations:\n- [web:db, db:db]\n",
    )
    .unwrap();
    whole
        .apply(&client, &ApplyOptions::default())
        .await
        .unwrap();
    let less = Bundle::parse(
        "applications:\n  web: {charm: web, num_units: 1}\n  db: {charm: database, num_units: 1}\n",
    )
    .unwrap();
    let plan = less.diff(&client).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let methods: Vec<&str> = plan.removals.iter().map(|c| c.method.as_str()).collect();
    assert_eq!(
        methods,
        [
            "removeRelation",
            "unexpose",
            "removeUnits",
            "removeApplication"
        ]
    );
    assert_eq!(plan.extra.len(), 4, "{:?}", plan.extra);
    let applied = less.apply(&client, &ApplyOptions::default()).await.unwrap();
    assert_eq!((applied.changes, applied.removed), (0, 0));
    assert_eq!(client.status().await.unwrap().applications.len(), 3);

    let mut options = ApplyOptions::default();
    options.remove = true;
    let applied = less.apply(&client, &options).await.unwrap();
    assert_eq!(applied.removed, 4);
    let mut left = less.diff(&client).await.unwrap();
    for _ in 0..100 {
        if left.extra.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        left = less.diff(&client).await.unwrap();
    }
    assert!(left.is_empty() && left.extra.is_empty(), "{left}");
    let status = client.status().await.unwrap();
    assert_eq!((status.applications.len(), status.units().count()), (2, 2));
}

#[test]
fn older_bundles_series_stand_for_their_base() {
    let bundle = Bundle::parse("series: jammy\napplications:\n  a: {charm: web, num_units: 1}\n  b: {charm: web, series: focal}\n").unwrap();
    let plan = bundle
        .changes_against(Default::default(), &Default::default())
        .unwrap();
    let bases: Vec<&str> = plan
        .changes
        .iter()
        .filter(|c| c.method == "deploy")
        .filter_map(|c| c.arg("base"))
        .collect();
    assert_eq!(bases, ["ubuntu@22.04/stable", "ubuntu@20.04/stable"]);
    // Juju 4's own planner knows no series.
    assert!(
        bundle
            .changes()
            .unwrap()
            .changes
            .iter()
            .all(|c| c.arg("base").is_none())
    );
    let warned: Vec<String> = Bundle::parse("applications:\n  a: {charm: web, num-units: 1}\n")
        .unwrap()
        .warnings()
        .collect();
    assert!(
        warned[0].starts_with("applications.a.num-units: Juju knows no such key"),
        "{warned:?}"
    );
}
