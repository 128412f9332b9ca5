//! Daemons of the tests' own: one that is killed with SIGKILL in the middle of everything and
//! started again, one that becomes a cluster. (The fake's versions of these are in `tests/fake.rs`
//! and `tests/versions.rs`.)

use std::time::Duration;

use lxd_client::{Client, ErrorKind, Event, EventFilter, Exec, Preseed};

use crate::own::Own;
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn leaves_nobody_hanging() {
    let Some(own) = Own::start(1) else { return };
    let lxd = Client::unix(own.socket()).build().unwrap();
    let stage = Stage::at(lxd, "killed").await;
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

    own.kill();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let error = instances.list().await.unwrap_err();
    assert!(error.is_connection() && error.is_retryable(), "{error}");
    let restart = tokio::task::spawn_blocking(move || {
        own.script("start");
        own
    });
    let ends = async {
        let own = restart.await.unwrap();
        // Operations do not survive their daemon: what became of this one is unclear.
        let error = stop.wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OperationVanished, "{error}");
        assert!(error.is_unclear(), "{error}");
        let error = session.wait().await.unwrap_err();
        assert!(error.is_unclear(), "{error}");
        // The events go on, and say that something was missed.
        events.find(resynced).await.unwrap();
        own
    };
    let _own = tokio::time::timeout(Duration::from_secs(60), ends)
        .await
        .unwrap();
    for name in [name, other] {
        instances.delete_forced(&name).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_a_cluster() {
    let Some(own) = Own::start(2) else { return };
    let lxd = Client::unix(own.socket()).build().unwrap();
    let cluster = lxd.cluster();
    assert!(cluster.members().await.unwrap().is_empty());
    assert!(cluster.enable("one").await.is_err());
    let preseed = "config: {core.https_address: '198.18.53.10:8443'}\n\
                   cluster: {enabled: true, server_name: one}";
    let preseed = Preseed::from_yaml(preseed).unwrap();
    let done = lxd.apply_preseed(&preseed).await.unwrap();
    assert_eq!(done.changes.last().unwrap().object, "cluster");
    assert!(lxd.plan_preseed(&preseed).await.unwrap().is_empty());
    let info = cluster.info().await.unwrap();
    assert!(info.enabled);
    assert_eq!(info.server_name, "one");
    let members = lxd.cluster_members().await.unwrap();
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].status, "Online");
    cluster
        .modify_member("one", |m| m.description = "rack 1".into())
        .await
        .unwrap();
    assert_eq!(cluster.member("one").await.unwrap().description, "rack 1");
    let read = cluster.member("one").await.unwrap();
    let written = cluster.update_member(&read, read.etag()).await.unwrap();
    written.wait().await.unwrap();
    let missing = cluster.member("two").await;
    assert!(missing.unwrap_err().is_not_found());
    cluster.join_token("two").await.unwrap();
    let alone = cluster.remove_member("one", false).await.map(|_| ());
    assert!(alone.is_err());
    // Calls aim at a member by its name.
    lxd.target("one").resources().await.unwrap();
    let nobody = lxd.target("nobody").resources().await;
    assert!(nobody.is_err());
    let renamed = cluster.rename_member("one", "first").await.unwrap();
    renamed.wait().await.unwrap();
    assert_eq!(lxd.cluster_members().await.unwrap()[0].server_name, "first");
}
