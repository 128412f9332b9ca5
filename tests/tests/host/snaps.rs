//! A real snapd under a real systemd, with a snap of our own making.
#![allow(clippy::disallowed_types)] // Tests start their peers.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cloudboot::host::snaps::ServiceAction;
use cloudboot::host::{Kind, Snaps};
use cloudboot_tests::peer;

use crate::systemd::{NETWORK, inside as run};

const PID: &str = "CLOUDBOOT_TEST_PID";
const SNAP: &str = "cloudboot-hello";
const MINUTE: Duration = Duration::from_secs(60);

/// snapd answers only whom it can see: this runs in its process namespace, started by the test below.
#[tokio::test]
#[ignore = "started by `a_snap_of_our_own` in a namespace"]
async fn inside() {
    let Ok(pid) = std::env::var(PID) else { return };
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let snaps = Snaps::at(root.join("run/snapd.socket"));
    let snap = snaps.get(SNAP).await.unwrap().unwrap();
    assert!(
        snap.is_active() && snap.version == "1.0" && snap.revision.starts_with('x'),
        "{snap:?}"
    );
    assert!(
        !snap.follows("3.4/stable"),
        "a snap of a file follows no channel that we ask for"
    );
    let again = snaps.install(SNAP, "latest/stable").await.unwrap_err();
    assert_eq!(
        (again.kind(), again.code()),
        (Kind::Conflict, Some("snap-already-installed")),
        "{again}"
    );

    for (action, active) in [
        (ServiceAction::Stop, false),
        (ServiceAction::Start, true),
        (ServiceAction::Restart, true),
    ] {
        let id = snaps.service(action, SNAP).await.unwrap();
        let mut seen = 0;
        let change = snaps.follow(&id, MINUTE, |_| seen += 1).await.unwrap();
        assert!(
            change.ready && seen > 0 && !change.tasks.is_empty(),
            "{change:?}"
        );
        let services = snaps.services(SNAP).await.unwrap();
        assert_eq!((services.len(), services[0].name.as_str()), (1, "sleeper"));
        assert_eq!(
            (services[0].active, services[0].enabled),
            (active, active),
            "{action:?} {services:?}"
        );
    }

    let values = serde_json::json!({"greeting": "hello"});
    let id = snaps
        .configure(SNAP, values.as_object().unwrap())
        .await
        .unwrap();
    snaps.follow(&id, MINUTE, |_| {}).await.unwrap();
    // A change that fails says which task, and what its log says.
    let refuse = root.join("var/snap").join(SNAP).join("common/refuse");
    std::fs::write(&refuse, "").unwrap();
    let values = serde_json::json!({"greeting": "goodbye"});
    let id = snaps
        .configure(SNAP, values.as_object().unwrap())
        .await
        .unwrap();
    let failed = snaps.follow(&id, MINUTE, |_| {}).await.unwrap_err();
    assert_eq!(failed.kind(), Kind::Failed, "{failed}");
    assert!(
        failed.to_string().contains("the hook does not like it"),
        "{failed}"
    );
    assert!(
        failed
            .next()
            .unwrap()
            .contains(&format!("snap change {id}")),
        "{failed}"
    );
    let ended = snaps.abort(&id).await.unwrap_err();
    assert_eq!(
        ended.kind(),
        Kind::Failed,
        "what has ended cannot be stopped: {ended}"
    );
    assert!(snaps.changes_in_progress(SNAP).await.unwrap().is_empty());

    let id = snaps.remove(SNAP, true).await.unwrap();
    snaps.follow(&id, MINUTE, |_| {}).await.unwrap();
    assert!(snaps.get(SNAP).await.unwrap().is_none());
    assert!(!root.join("var/snap").join(SNAP).exists(), "purged");
    assert!(snaps.remove(SNAP, true).await.unwrap_err().is_not_found());
}

#[test]
fn a_snap_of_our_own() {
    let Some(pid) = peer("systemd") else { return };
    // A snap's mounts have systemd read everything anew, in the middle of a network that is being given back.
    let _one = NETWORK.blocking_lock();
    run(
        &pid,
        &["timeout", "60", "snap", "wait", "system", "seed.loaded"],
    );
    for file in ["/root/core.snap", "/root/cloudboot-hello.snap"] {
        run(
            &pid,
            &["timeout", "100", "snap", "install", "--dangerous", file],
        );
    }
    let output = Command::new("nsenter")
        .args(["-t", &pid, "-p", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "snaps::inside", "--ignored", "--nocapture"])
        .env(PID, &pid)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
