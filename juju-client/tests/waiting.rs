//! Waiting and explaining, over both families: one look for all, terminal states at once, no change as a stall.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use juju_client::api::application::Deploy;
use juju_client::api::charms::{Channel, Origin};
use juju_client::api::logs::LogFilter;
use juju_client::api::models::NewModel;
use juju_client::api::status::Base;
use juju_client::testing::{Durations, FakeController};
use juju_client::wait::{Condition, Converged, Deadline, Judgement};
use juju_client::{Client, ErrorKind, Options, wait_for};

async fn model(fake: &FakeController) -> Client {
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
    controller
        .open_model(&made.uuid.parse().unwrap())
        .await
        .unwrap()
}

async fn deploy(c: &Client, charm: &str, units: u32) {
    let base = Base {
        name: "ubuntu".into(),
        channel: "22.04/stable".into(),
    };
    let origin = Origin::charmhub(
        &Channel::parse("stable").unwrap(),
        "amd64",
        Some(base),
        None,
    );
    let resolved = c
        .charms()
        .resolve(&[(charm.to_owned(), origin)])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    let origin = c
        .charms()
        .add(&resolved.url, &resolved.origin, false)
        .await
        .unwrap();
    let mut d = Deploy::new(charm, resolved.url, origin);
    d.num_units = units;
    c.applications().deploy(&d).await.unwrap();
}

fn quick(total: Duration) -> Deadline {
    Deadline {
        total,
        stall: total,
        poll: Duration::from_millis(100),
    }
}

const LONG: Duration = Duration::from_secs(60);

async fn many_waiters(version: &str) -> (u64, u64) {
    let fake = FakeController::builder()
        .version(version)
        .start()
        .await
        .unwrap();
    let c = model(&fake).await;
    deploy(&c, "web", 3).await;
    let begin = Instant::now();
    let waiters: Vec<_> = (0..30)
        .map(|i| {
            let c = c.clone();
            tokio::spawn(async move {
                let two = Condition::application("web")
                    .active()
                    .idle()
                    .at_least(1 + i % 3);
                wait_for(&c, "units", |s| two.judge(s), quick(LONG)).await
            })
        })
        .collect();
    for w in waiters {
        w.await.unwrap().unwrap();
    }
    let calls = fake.calls();
    let looks = calls.get("Client.FullStatus").copied().unwrap_or(0);
    let rounds = u64::try_from(begin.elapsed().as_millis() / 100).unwrap();
    // Those that begin a moment later ask for a look of their own, which all others share.
    assert!(looks <= rounds + 32, "{looks} looks in {rounds} rounds");
    // Nobody waits any more: nobody looks any more.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = fake.calls()["Client.FullStatus"];
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(fake.calls()["Client.FullStatus"], after);
    (looks, calls.get("AllWatcher.Next").copied().unwrap_or(0))
}

#[tokio::test]
async fn all_who_wait_share_one_look() {
    let (looks, next) = many_waiters("4.0.15").await;
    println!("4.x: {looks} looks for 30 waiters");
    assert_eq!(next, 0);
    let (looks, next) = many_waiters("3.6.9").await;
    println!("3.x: {looks} looks, {next} answers of AllWatcher");
    assert!(next > 0);
}

#[tokio::test]
async fn on_3x_the_watcher_says_when_to_look() {
    let fake = FakeController::builder()
        .version("3.6.9")
        .start()
        .await
        .unwrap();
    let c = model(&fake).await;
    deploy(&c, "web", 1).await;
    let idle = Condition::application("web").active().idle();
    wait_for(&c, "web", |s| idle.judge(s), quick(LONG))
        .await
        .unwrap();
    let before = fake.calls()["Client.FullStatus"];
    // A poll of ten minutes: only the watcher can tell in time.
    let slow = Deadline {
        total: LONG,
        stall: LONG,
        poll: Duration::from_secs(600),
    };
    let waiting = {
        let c = c.clone();
        tokio::spawn(async move {
            let failed = Condition::unit("web/0")
                .workload("error".into())
                .message("hook failed");
            wait_for(&c, "the error", |s| failed.judge(s), slow).await
        })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    fake.unit_error("web/0", Some("config-changed"));
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("the watcher did not tell")
        .unwrap()
        .unwrap();
    assert!(fake.calls()["Client.FullStatus"] - before < 10);
    // A cut does not end a watch.
    fake.disconnect_all();
    fake.unit_error("web/0", None);
    wait_for(&c, "web again", |s| idle.judge(s), slow)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_does_not_mend_itself_ends_the_wait_at_once() {
    for version in ["3.6.9", "4.0.15"] {
        let durations = Durations {
            tries: 1,
            ..Durations::default()
        };
        let fake = FakeController::builder()
            .version(version)
            .durations(durations)
            .start()
            .await
            .unwrap();
        let c = model(&fake).await;
        fake.machine_refused("0", Some("No available machine matches"));
        deploy(&c, "web", 1).await;
        let begin = Instant::now();
        let idle = Condition::application("web").active();
        let e = wait_for(&c, "web", |s| idle.judge(s), quick(LONG))
            .await
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Failed, "{e}");
        assert!(e.to_string().contains("No available machine"), "{e}");
        assert!(begin.elapsed() < Duration::from_secs(30));
        let why = c.explain(3).await.unwrap().unwrap();
        assert_eq!(why.what, "machine 0");
        assert!(
            why.log.iter().any(|l| l.contains("cannot start instance")),
            "{why:?}"
        );
    }
}

#[tokio::test]
async fn no_change_is_a_stall() {
    for version in ["3.6.9", "4.0.15"] {
        let fake = FakeController::builder()
            .version(version)
            .start()
            .await
            .unwrap();
        let c = model(&fake).await;
        deploy(&c, "web", 1).await;
        let never = Condition::application("web").at_least(2);
        let deadline = Deadline {
            total: LONG,
            stall: Duration::from_secs(2),
            poll: Duration::from_millis(100),
        };
        let begin = Instant::now();
        let e = wait_for(&c, "two units", |s| never.judge(s), deadline)
            .await
            .unwrap_err();
        assert!(e.is_timeout(), "{e}");
        assert!(e.to_string().contains("no change for"), "{e}");
        assert!(e.to_string().contains("1 of 2"), "{e}");
        assert!(begin.elapsed() < LONG / 2);
    }
}

#[tokio::test]
async fn a_unit_in_error_is_explained_with_the_end_of_its_log() {
    for version in ["3.1.8", "3.6.9", "4.0.15"] {
        let fake = FakeController::builder()
            .version(version)
            .start()
            .await
            .unwrap();
        let c = model(&fake).await;
        deploy(&c, "web", 2).await;
        let idle = Condition::applications(["web"]).active().idle();
        wait_for(&c, "web", |s| idle.judge(s), quick(LONG))
            .await
            .unwrap();
        assert_eq!(c.explain(5).await.unwrap(), None);
        // The log is read while it grows.
        let mut filter = LogFilter::default();
        filter.entities = vec!["web/1".into()];
        filter.level = Some("WARNING".into());
        let mut log = c.logs(&filter).await.unwrap();
        fake.unit_error("web/1", Some("install"));
        let line = tokio::time::timeout(LONG, log.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(line.entity, "unit-web-1");
        assert_eq!(line.level, "WARNING");
        let why = c.explain(5).await.unwrap().unwrap();
        assert_eq!(why.what, "unit web/1");
        assert!(why.log.last().unwrap().contains("exit status 1"), "{why:?}");
        assert!(why.to_string().contains("its log ends with"), "{why}");
        // Juju tries failed hooks again: only who says so takes the error for an end.
        let status = c.status().await.unwrap();
        assert!(matches!(
            Converged::default().of(&status),
            Judgement::Pending { .. }
        ));
        assert!(matches!(
            idle.clone().strict().judge(&status),
            Judgement::Failed(_)
        ));
        // One of two is enough for who asks for one.
        let one = Condition::application("web").active().at_least(1);
        assert_eq!(one.judge(&status), Judgement::Settled);
        assert!(matches!(
            Condition::unit("web/0").gone().judge(&status),
            Judgement::Pending { .. }
        ));
        assert_eq!(
            Condition::unit("web/7").gone().judge(&status),
            Judgement::Settled
        );
        let any = Condition::any([
            Condition::unit("web/7").active(),
            Condition::machines(["0", "1"]),
        ]);
        assert_eq!(any.judge(&status), Judgement::Settled);
        let lines = c.last_log_lines("web/1", 2).await.unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
    }
}
