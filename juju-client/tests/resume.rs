//! The connection is cut after, and before, every single call of a bundle's deployment in turn.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use juju_client::api::models::NewModel;
use juju_client::bundle::{ApplyOptions, Bundle};
use juju_client::testing::{FakeController, Phase, Verdict};
use juju_client::{Client, Options};
use std::time::Duration;

const BUNDLE: &str = "
default-base: ubuntu@22.04/stable
machines:
  '0': {constraints: mem=4G}
  '1': {constraints: mem=4G}
  '2': {annotations: {role: x}}
applications:
  web: {charm: web, num_units: 3, to: ['0', 'lxd:1', new], expose: true, options: {title: t}, annotations: {a: b}}
  db: {charm: database, num_units: 2, to: ['lxd:web/0', '2'], bindings: {'': alpha}}
  proxy: {charm: proxy, num_units: 2, to: [web]}
  ks: {charm: keystone, channel: 2023.1/stable, num_units: 1, to: ['1'], trust: true}
  logger: {charm: logger}
relations:
- [web:db, db:db]
- [logger:info, web:juju-info]
- [proxy:reverseproxy, web:website]
";

struct Cut {
    at: AtomicU64,
    seen: AtomicU64,
    phase: Phase,
}

async fn deploy(cut: Arc<Cut>, retries: u32) -> (FakeController, u64) {
    let c = cut.clone();
    let tap: juju_client::testing::Tap = Arc::new(move |phase, name| {
        let counts = phase == c.phase
            && !name.starts_with("Admin.")
            && !name.starts_with("Pinger.")
            && !name.starts_with("ModelManager.");
        let n = if counts {
            c.seen.fetch_add(1, Ordering::SeqCst) + 1
        } else {
            0
        };
        let verdict = if counts && n == c.at.load(Ordering::SeqCst) {
            Verdict::Drop
        } else {
            Verdict::Continue
        };
        Box::pin(async move { verdict })
    });
    let fake = FakeController::builder()
        .version("4.0.15")
        .tap(tap)
        .start()
        .await
        .unwrap();
    let options = {
        let mut o = Options::default();
        o.reconnect_min = Duration::from_millis(5);
        o
    };
    let controller = fake.access().connect(None, options.clone()).await.unwrap();
    let info = controller
        .models()
        .create(&NewModel::new("m"))
        .await
        .unwrap();
    let uuid = info.uuid.parse().unwrap();
    let bundle = Bundle::parse(BUNDLE).unwrap();
    let mut apply = ApplyOptions::default();
    apply.retries = retries;
    // With no retries of its own the caller begins again, with a new client, as after a kill.
    let mut last = None;
    for _ in 0..3 {
        let client: Client = fake
            .access()
            .connect_model(&uuid, None, options.clone())
            .await
            .unwrap();
        match bundle.apply(&client, &apply).await {
            Ok(_) => {
                assert!(bundle.diff(&client).await.unwrap().is_empty());
                return (fake, cut.seen.load(Ordering::SeqCst));
            }
            Err(e) => last = Some(e),
        }
    }
    panic!(
        "cut at {}: {}",
        cut.at.load(Ordering::SeqCst),
        last.unwrap()
    );
}

/// What is there, without times and ids that are by chance.
fn world(fake: &FakeController) -> serde_json::Value {
    let counts = fake.counts();
    let keep = [
        "machine",
        "container",
        "unit",
        "unit:web",
        "unit:db",
        "unit:proxy",
        "unit:ks",
        "application",
        "relation",
        "charm",
    ];
    serde_json::json!(
        keep.iter()
            .map(|k| (*k, counts.get(*k).copied().unwrap_or(0)))
            .collect::<std::collections::BTreeMap<_, _>>()
    )
}

async fn at_every_call(phase: Phase, retries: u32) {
    let never = Arc::new(Cut {
        at: AtomicU64::new(0),
        seen: AtomicU64::new(0),
        phase,
    });
    let (fake, calls) = deploy(never, retries).await;
    let wanted = world(&fake);
    println!("{calls} calls, {wanted}");
    for at in 1..=calls {
        let cut = Arc::new(Cut {
            at: AtomicU64::new(at),
            seen: AtomicU64::new(0),
            phase,
        });
        let (fake, _) = deploy(cut, retries).await;
        assert_eq!(world(&fake), wanted, "cut {phase:?} call {at}");
    }
}

#[tokio::test]
async fn cut_after_every_call_and_begun_again() {
    at_every_call(Phase::After, 0).await;
}

#[tokio::test]
async fn cut_before_every_call_and_survived() {
    at_every_call(Phase::Before, 5).await;
}
