//! A real daemon killed with SIGKILL in the middle of everything, and started again.
//! (The fake's own version of this is in `tests/fake.rs`.)

use std::path::{Path, PathBuf};
use std::time::Duration;

use lxd_client::{ErrorKind, Event, EventFilter, Exec};

use crate::stage::Stage;

/// The folder of `lxd-peer.sh`, if that is what runs the server.
fn peer() -> Option<(PathBuf, PathBuf)> {
    let socket = std::env::var("CLOUDBOOT_LXD_SOCKET").ok()?;
    let dir = Path::new(&socket).parent()?.parent()?.to_owned();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/lxd-peer.sh");
    (dir.join("pid").exists() && script.exists()).then_some((dir, script))
}

// The peer is a process of the test's own.
#[allow(clippy::disallowed_types)]
fn run(program: &str, args: &[&str]) {
    let status = std::process::Command::new(program).args(args).status();
    assert!(status.unwrap().success(), "{program} {args:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_nobody_hanging() {
    let Some(stage) = Stage::real("killed").await else {
        return;
    };
    let Some((dir, script)) = peer() else {
        println!("skipped: the LXD at CLOUDBOOT_LXD_SOCKET was not started by lxd-peer.sh");
        return;
    };
    let name = stage.running("c").await;
    let instances = stage.lxd.instances();
    let mut events = stage.lxd.events(EventFilter::default()).await.unwrap();
    let resynced = |e: &Event| matches!(e, Event::Resynced).then_some(());
    events.find(resynced).await.unwrap();
    // Its init ignores the power signal: this goes on for as long as it is let.
    let stop = instances
        .stop(&name, Duration::from_secs(300))
        .await
        .unwrap();
    let other = stage.running("d").await;
    let exec = Exec::new(["sleep", "600"]);
    let session = instances.exec_session(&other, &exec).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;

    let pid = std::fs::read_to_string(dir.join("pid")).unwrap();
    run("kill", &["-KILL", pid.trim()]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let error = instances.list().await.unwrap_err();
    assert!(error.is_connection() && error.is_retryable(), "{error}");
    let restart = tokio::task::spawn_blocking(move || {
        run(script.to_str().unwrap(), &["start", dir.to_str().unwrap()]);
    });
    let ends = async {
        restart.await.unwrap();
        // Operations do not survive their daemon: what became of this one is unclear.
        let error = stop.wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OperationVanished, "{error}");
        assert!(error.is_unclear(), "{error}");
        let error = session.wait().await.unwrap_err();
        assert!(error.is_unclear(), "{error}");
        // The events go on, and say that something was missed.
        events.find(resynced).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(60), ends)
        .await
        .unwrap();
    for name in [name, other] {
        instances.delete_forced(&name).await.unwrap();
    }
}
