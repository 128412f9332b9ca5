//! What is not there, and what is there already: every object, and what LXD says of it.

use lxd_client::{
    Error, ErrorKind, ImageImport, InstanceSource, NetworkAcl, NetworkForward, Result, StoragePool,
    StorageVolume,
};
use lxd_client::{Exec, Network, OperationId, Profile, Project};

use crate::image::image_tarball;
use crate::stage::{NO_IMAGE, POOL, Stage, bodies, ended, refused};

bodies!(
    misses_every_object,
    refuses_every_duplicate,
    refuses_what_nobody_may_do,
);

fn lost<T>(what: &str, answer: Result<T>) {
    match answer {
        Ok(_) => panic!("{what}: there"),
        Err(e) => assert!(e.is_not_found(), "{what}: {e}"),
    }
}

async fn misses_every_object(stage: Stage) {
    let lxd = &stage.lxd;
    let no = "cbt-none";
    let instances = lxd.instances();
    lost("instance", instances.get(no).await);
    lost("its state", instances.state(no).await);
    lost("its stop", instances.stop_forced(no).await);
    lost(
        "its patch",
        instances.set_config(no, [("user.a", "1")]).await,
    );
    lost("its change", instances.modify(no, |_| ()).await);
    lost("its rename", instances.rename(no, "cbt-other").await);
    lost("its deletion", instances.delete(no).await);
    lost("its exec", instances.exec(no, &Exec::new(["true"])).await);
    lost("its console", instances.console_log(no).await);
    lost("its cleared console", instances.clear_console_log(no).await);
    lost("its logs", instances.logs(no).await);
    lost("its files", instances.files(no).read("/etc/hostname").await);
    lost("its snapshots", instances.snapshots(no).await);
    lost("its new snapshot", instances.snapshot(no, "s").await);
    lost("its backups", instances.backups(no).await);
    lost("its new backup", instances.backup(no, "b").await);
    lost("its metadata", instances.metadata(no).await);
    assert!(!instances.exists(no).await.unwrap());
    instances.delete_forced(no).await.unwrap();

    let images = lxd.images();
    lost("image", images.get(NO_IMAGE).await);
    lost("its export", images.export(NO_IMAGE).await);
    lost("its change", images.modify(NO_IMAGE, |_| ()).await);
    lost("its refresh", images.refresh(NO_IMAGE).await);
    lost("its deletion", images.delete(NO_IMAGE).await);
    // What is no fingerprint's beginning is none that is missing, but a mistake, in later versions.
    let wrong = images.get(no).await.unwrap_err();
    let kind = match stage.since(5, 21) {
        true => ErrorKind::Refused,
        false => ErrorKind::NotFound,
    };
    assert_eq!(wrong.kind(), kind, "{wrong}");
    lost("alias", images.alias(no).await);
    lost("alias of nothing", images.create_alias("cbt-a", no).await);
    lost("its rename", images.rename_alias(no, "cbt-b").await);
    lost("its move", images.move_alias(no, "abc").await);
    lost("its deletion", images.delete_alias(no).await);

    let projects = lxd.projects();
    lost("project", projects.get(no).await);
    lost("its change", projects.modify(no, |_| ()).await);
    lost("its deletion", projects.delete(no).await);
    let renamed = refused(projects.rename(no, "cbt-b").await).await;
    assert!(renamed.is_not_found(), "{renamed}");
    let profiles = lxd.profiles();
    lost("profile", profiles.get(no).await);
    lost("its change", profiles.modify(no, |_| ()).await);
    lost("its rename", profiles.rename(no, "cbt-b").await);
    lost("its deletion", profiles.delete(no).await);

    let networks = lxd.networks();
    lost("network", networks.get(no).await);
    lost("its state", networks.state(no).await);
    lost("its leases", networks.leases(no).await);
    lost("its change", networks.modify(no, |_| ()).await);
    lost("its rename", networks.rename(no, "cbtb0").await);
    lost("its deletion", networks.delete(no).await);
    lost("its forwards", networks.forwards(no).await);
    let forward = NetworkForward::on("10.1.1.1");
    lost(
        "its new forward",
        networks.create_forward(no, &forward).await,
    );
    let acls = lxd.network_acls();
    lost("ACL", acls.get(no).await);
    lost("its change", acls.modify(no, |_| ()).await);
    lost("its rename", acls.rename(no, "cbt-b").await);
    lost("its deletion", acls.delete(no).await);

    let pools = lxd.storage_pools();
    lost("pool", pools.get(no).await);
    lost("its space", pools.resources(no).await);
    lost("its change", pools.modify(no, |_| ()).await);
    lost("its deletion", pools.delete(no).await);
    lost("its volumes", pools.volumes(no).await);
    let volume = StorageVolume::custom("cbt-v");
    lost("its new volume", pools.create_volume(no, &volume).await);
    lost("volume", pools.volume(POOL, no).await);
    lost("its change", pools.modify_volume(POOL, no, |_| ()).await);
    lost("its rename", pools.rename_volume(POOL, no, "cbt-b").await);
    lost("its deletion", pools.delete_volume(POOL, no).await);
    // Of its snapshots one hears that there are none, but from 5.21.
    match pools.volume_snapshots(POOL, no).await {
        Err(e) if stage.since(5, 21) && !stage.since(6, 0) => assert!(e.is_not_found(), "{e}"),
        told => assert!(told.unwrap().is_empty()),
    }
    match pools.volume_backups(POOL, no).await {
        Ok(none) if stage.since(6, 0) => assert!(none.is_empty()),
        told => lost("its backups", told),
    }
    let copied = refused(pools.copy_volume(POOL, "cbt-c", POOL, no).await).await;
    assert!(copied.is_not_found(), "{copied}");

    let id = OperationId::new(no);
    lost("operation", lxd.operations().get(&id).await);
    lost("its end", lxd.operations().join(&id).await);
    lost("its cancelling", lxd.operations().cancel(&id).await);
    lost("warning", lxd.warning(no).await);
    // A project that is not there: of its instances 5.0.2 says that there are none, of its
    // operations it tells those that belong to no project; the rest is refused.
    let nowhere = lxd.project(no);
    if stage.since(5, 21) {
        lost("its instances", nowhere.instances().list().await);
        lost("all of them", nowhere.instances().list_full().await);
        lost("its operations", nowhere.operations().list().await);
    } else {
        assert!(nowhere.instances().list().await.unwrap().is_empty());
        assert!(nowhere.instances().list_full().await.unwrap().is_empty());
        nowhere.operations().list().await.unwrap();
    }
    lost("its profiles", nowhere.profiles().list().await);
    lost("its networks", nowhere.networks().list().await);
    lost("its images", nowhere.images().list().await);
    lost("its volumes", nowhere.storage_pools().volumes(POOL).await);
    let new = stage.container("c");
    lost("its new instance", nowhere.instances().create(&new).await);
}

async fn refuses_every_duplicate(stage: Stage) {
    let lxd = &stage.lxd;
    let (a, b) = (stage.name("a"), stage.name("b"));
    let status = |e: &Error| {
        assert!(e.is_conflict(), "{e}");
        e.status()
    };
    // Projects.
    let (projects, profiles, pools) = (lxd.projects(), lxd.profiles(), lxd.storage_pools());
    for name in [&a, &b] {
        let _ = ended(projects.delete(name).await).await;
        let made = projects.create(&Project::named(name)).await.unwrap();
        made.wait().await.unwrap();
        let _ = ended(profiles.delete(name).await).await;
        let made = profiles.create(&Profile::named(name)).await.unwrap();
        made.wait().await.unwrap();
    }
    let again = refused(projects.create(&Project::named(&a)).await).await;
    assert_eq!(status(&again), Some(409));
    let taken = refused(projects.rename(&a, &b).await).await;
    assert!(taken.is_conflict(), "{taken}");
    let again = refused(profiles.create(&Profile::named(&a)).await).await;
    assert_eq!(status(&again), Some(500));
    let taken = refused(profiles.rename(&a, &b).await).await;
    assert!(taken.is_conflict(), "{taken}");
    for name in [&a, &b] {
        projects.delete(name).await.unwrap().wait().await.unwrap();
        profiles.delete(name).await.unwrap().wait().await.unwrap();
    }
    let again = refused(pools.create(&StoragePool::new(POOL, "dir")).await).await;
    assert_eq!(status(&again), Some(409));
    // Networks and ACLs.
    let networks = lxd.networks();
    let _ = ended(networks.delete("cbtdup1").await).await;
    let bridge = Network::bridge("cbtdup1");
    let made = networks.create(&bridge).await.unwrap();
    made.wait().await.unwrap();
    let again = refused(networks.create(&bridge).await).await;
    assert_eq!(status(&again), Some(400));
    let deleted = networks.delete("cbtdup1").await.unwrap();
    deleted.wait().await.unwrap();
    let acls = lxd.network_acls();
    for name in [&a, &b] {
        let _ = ended(acls.delete(name).await).await;
        let made = acls.create(&NetworkAcl::named(name)).await.unwrap();
        made.wait().await.unwrap();
    }
    let again = refused(acls.create(&NetworkAcl::named(&a)).await).await;
    assert_eq!(status(&again), Some(400));
    let taken = refused(acls.rename(&a, &b).await).await;
    assert!(taken.is_conflict(), "{taken}");
    // Images and aliases.
    let images = lxd.images();
    let tar = image_tarball(&stage.prefix, false);
    if let Ok(old) = images.alias(&a).await {
        images
            .delete(&old.target)
            .await
            .unwrap()
            .wait()
            .await
            .unwrap();
    }
    let import = ImageImport::alias(&a);
    let print = images.import(tar.clone(), &import).await.unwrap();
    let again = images
        .import(tar, &ImageImport::default())
        .await
        .unwrap_err();
    assert!(
        again.is_conflict() && again.operation().is_some(),
        "{again}"
    );
    let again = images.create_alias(&a, &print).await.unwrap_err();
    assert_eq!(status(&again), Some(409));
    images.create_alias(&b, &print).await.unwrap();
    assert!(images.aliases().await.unwrap().iter().any(|x| x.name == b));
    let taken = images.rename_alias(&a, &b).await.unwrap_err();
    assert!(taken.is_conflict(), "{taken}");
    // An instance and its snapshot.
    let instances = lxd.instances();
    let mut new = stage.container("a");
    new.source = InstanceSource::Empty;
    instances.create(&new).await.unwrap().wait().await.unwrap();
    // 5.0.2 finds it in the operation, later ones say so at once.
    let again = refused(instances.create(&new).await).await;
    assert!(
        again.is_conflict() && again.operation().is_none() == stage.since(5, 21),
        "{again}"
    );
    for snapshot in ["s0", "s1"] {
        let taken = instances.snapshot(&a, snapshot).await.unwrap();
        taken.wait().await.unwrap();
    }
    let again = refused(instances.snapshot(&a, "s0").await).await;
    assert!(again.is_conflict(), "{again}");
    let taken = refused(instances.rename_snapshot(&a, "s0", "s1").await).await;
    assert!(taken.is_conflict(), "{taken}");
    instances.delete_forced(&a).await.unwrap();
    for name in [&a, &b] {
        acls.delete(name).await.unwrap().wait().await.unwrap();
    }
    images.delete(&print).await.unwrap().wait().await.unwrap();
}

async fn refuses_what_nobody_may_do(stage: Stage) {
    let lxd = &stage.lxd;
    // 403, and no matter of trust.
    let project = refused(lxd.projects().delete("default").await).await;
    let profile = refused(lxd.profiles().delete("default").await).await;
    for e in [project, profile] {
        assert_eq!(
            (e.kind(), e.status()),
            (ErrorKind::Refused, Some(403)),
            "{e}"
        );
        assert!(!e.to_string().contains("trust store"), "{e}");
    }
    let bad = refused(lxd.projects().create(&Project::named("a/b")).await).await;
    assert_eq!((bad.kind(), bad.status()), (ErrorKind::Refused, Some(400)));
    let driver = StoragePool::new(stage.name("p"), "nonsense");
    let bad = refused(lxd.storage_pools().create(&driver).await).await;
    let kind = stage.refusal_of_network_or_pool();
    assert_eq!((bad.kind(), bad.status()), (kind, Some(500)));
    assert!(bad.message().contains("driver"), "{bad}");
}
