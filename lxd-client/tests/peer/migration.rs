//! Instances copied from server to server: from one to itself, and between two.

use lxd_client::testing::Fake;
use lxd_client::{Client, CopyMode, InstanceCopy, StoragePool};
use url::Url;

use crate::own::Own;
use crate::stage::{POOL, Stage, bodies, mode, refused};

bodies!(
    copies_an_instance_by_pull,
    copies_an_instance_by_push,
    copies_an_instance_by_relay,
    tells_why_a_copy_fails,
    moves_within_a_server,
);

/// Brings an instance with a file and a snapshot from the one to the other.
async fn copies(stage: &Stage, to: &Client, by: CopyMode) {
    stage.image().await;
    let (from, to) = (stage.lxd.instances(), to.instances());
    let name = stage.name("c");
    let new = stage.container("c").config("user.kept", "yes");
    from.create(&new).await.unwrap().wait().await.unwrap();
    from.files(&name)
        .write("/root/mark", "it was here\n", mode(0o600))
        .await
        .unwrap();
    let taken = from.snapshot(&name, "s0").await.unwrap();
    taken.wait().await.unwrap();
    let old = from.get(&name).await.unwrap();

    let copy = InstanceCopy::by(by.clone()).on_pool(POOL);
    let started = to.copy_from(&stage.lxd, &name, &copy).await.unwrap();
    started.wait().await.unwrap();
    let new = to.get(&name).await.unwrap();
    assert_eq!(new.config["user.kept"], "yes");
    assert_eq!(
        new.config.get("volatile.base_image"),
        old.config.get("volatile.base_image")
    );
    assert_ne!(new.config["volatile.uuid"], old.config["volatile.uuid"]);
    let mark = to.files(&name).read("/root/mark").await.unwrap();
    assert_eq!(&mark[..], b"it was here\n");
    let kept = to.snapshots(&name).await.unwrap();
    assert_eq!(kept.len(), 1);

    // There is one now.
    let again = to.copy_from(&stage.lxd, &name, &copy).await;
    let error = again.map(|_| ()).unwrap_err();
    assert!(error.is_conflict(), "{error}");
    to.delete_forced(&name).await.unwrap();

    // As for a move: under another name, the same to others, its past left behind.
    let there = stage.name("d");
    let copy = InstanceCopy::by(by)
        .named(&there)
        .without_snapshots()
        .same_machine();
    let started = to.copy_from(&stage.lxd, &name, &copy).await.unwrap();
    started.wait().await.unwrap();
    let new = to.get(&there).await.unwrap();
    assert_eq!(new.config["volatile.uuid"], old.config["volatile.uuid"]);
    assert!(to.snapshots(&there).await.unwrap().is_empty());
    to.delete_forced(&there).await.unwrap();
    from.delete_forced(&name).await.unwrap();
}

/// From a server to itself: from one project into another.
async fn to_itself(stage: Stage, by: impl FnOnce(Url) -> CopyMode) {
    let url = stage.https().await;
    let (project, within) = stage.project().await;
    copies(&stage, &within, by(url)).await;
    let deleted = stage.lxd.projects().delete(&project).await.unwrap();
    deleted.wait().await.unwrap();
}

async fn copies_an_instance_by_pull(stage: Stage) {
    to_itself(stage, CopyMode::Pull).await;
}

async fn copies_an_instance_by_push(stage: Stage) {
    to_itself(stage, CopyMode::Push).await;
}

async fn copies_an_instance_by_relay(stage: Stage) {
    to_itself(stage, |_| CopyMode::Relay).await;
}

async fn tells_why_a_copy_fails(stage: Stage) {
    stage.image().await;
    let instances = stage.lxd.instances();
    let missing = InstanceCopy::by(CopyMode::Relay).named(stage.name("d"));
    let missing = instances
        .copy_from(&stage.lxd, &stage.name("none"), &missing)
        .await;
    assert!(missing.map(|_| ()).unwrap_err().is_not_found());
    let name = stage.name("c");
    let made = instances.create(&stage.container("c")).await.unwrap();
    made.wait().await.unwrap();
    // Nobody listens there.
    let nobody = CopyMode::Pull("https://127.0.0.1:9".parse().unwrap());
    let copy = InstanceCopy::by(nobody).named(stage.name("d"));
    let started = instances.copy_from(&stage.lxd, &name, &copy).await.unwrap();
    let error = started.wait().await.unwrap_err();
    assert!(error.operation().is_some(), "{error}");
    assert!(error.message().contains("refused"), "{error}");
    assert!(!instances.exists(&stage.name("d")).await.unwrap());
    instances.delete_forced(&name).await.unwrap();
}

async fn moves_within_a_server(stage: Stage) {
    let (lxd, name) = (&stage.lxd, stage.name("c"));
    let (instances, pools) = (lxd.instances(), lxd.storage_pools());
    let (project, within) = stage.project().await;
    let within = within.instances();
    let _ = pools.delete("cbt-move").await;
    let made = pools.create(&StoragePool::new("cbt-move", "dir")).await;
    made.unwrap().wait().await.unwrap();
    stage.image().await;
    let made = instances.create(&stage.container("c")).await.unwrap();
    made.wait().await.unwrap();
    let uuid = instances.get(&name).await.unwrap().config["volatile.uuid"].clone();

    let moved = instances.move_to_pool(&name, "cbt-move").await.unwrap();
    moved.wait().await.unwrap();
    let now = instances.get(&name).await.unwrap();
    assert_eq!(now.expanded_devices["root"]["pool"], "cbt-move");
    let moved = instances.move_to_project(&name, &project).await;
    moved.unwrap().wait().await.unwrap();
    assert!(!instances.exists(&name).await.unwrap());
    let now = within.get(&name).await.unwrap();
    assert_eq!(now.config["volatile.uuid"], uuid);
    let hostname = within.files(&name).read("/etc/hostname").await;
    assert!(!hostname.unwrap().is_empty());
    // To where nothing is.
    let nowhere = refused(within.move_to_pool(&name, "cbt-none").await).await;
    assert!(nowhere.is_not_found(), "{nowhere}");
    assert!(within.move_to_member(&name, "nobody").await.is_err());
    within.delete_forced(&name).await.unwrap();
    let deleted = lxd.projects().delete(&project).await.unwrap();
    deleted.wait().await.unwrap();
    let deleted = pools.delete("cbt-move").await.unwrap();
    deleted.wait().await.unwrap();
}

/// All three ways between two servers that know nothing of each other.
async fn between(stage: &Stage, to: &Client, at: Url, and: Url) {
    to.storage_pools()
        .create(&StoragePool::new(POOL, "dir"))
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    for by in [CopyMode::Pull(at), CopyMode::Push(and), CopyMode::Relay] {
        copies(stage, to, by).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_fakes() {
    let stage = Stage::fake("5.0.2", "two").await;
    let other = Fake::builder().start().await.unwrap();
    let to = Client::unix(other.socket()).build().unwrap();
    to.set_config([("core.https_address", "[::]:8443")])
        .await
        .unwrap();
    let at = stage.https().await;
    between(&stage, &to, at, other.url().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_daemons() {
    let (Some(one), Some(two)) = (Own::start(3), Own::start(4)) else {
        return;
    };
    let (at, and) = one.line(&two);
    let stage = Stage::at(Client::unix(one.socket()).build().unwrap(), "two").await;
    let to = Client::unix(two.socket()).build().unwrap();
    for lxd in [&stage.lxd, &to] {
        lxd.set_config([("core.https_address", "[::]:8443")])
            .await
            .unwrap();
    }
    let url = |at: &str| format!("https://{at}:8443").parse().unwrap();
    between(&stage, &to, url(&at), url(&and)).await;
}
