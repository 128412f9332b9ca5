//! Instances: made, started, changed, listed, deleted.

use futures_util::StreamExt;
use futures_util::stream::iter;
use lxd_client::{
    InstanceKind, InstanceSource, InstanceStatus, Listing, NewInstance, StorageVolume,
};

use crate::stage::{ALIAS, POOL, Stage, bodies, ended, refused};

bodies!(
    makes_starts_stops_and_deletes,
    makes_an_empty_instance,
    makes_an_empty_virtual_machine,
    changes_configuration,
    lists_many_in_one_call,
    works_in_a_project,
);

async fn makes_starts_stops_and_deletes(stage: Stage) {
    stage.image().await;
    let instances = stage.lxd.instances();
    let name = stage.name("c");
    let new = stage.container("c").config("user.owner", "cloudboot");
    let done = instances.create(&new).await.unwrap().wait().await.unwrap();
    assert!(done.operation.is_some());
    let instance = instances.get(&name).await.unwrap();
    assert_eq!(instance.status, InstanceStatus::Stopped);
    assert_eq!(instance.kind, InstanceKind::Container);
    assert_eq!(instance.config["user.owner"], "cloudboot");
    // A duplicate is told by the operation in 5.0.2, and at once later.
    let error = refused(instances.create(&new).await).await;
    assert!(error.is_conflict(), "{error}");
    assert_ne!(error.operation().is_some(), stage.since(5, 21));

    instances.start(&name).await.unwrap().wait().await.unwrap();
    assert_eq!(
        instances.state(&name).await.unwrap().status,
        InstanceStatus::Running
    );
    assert!(instances.state(&name).await.unwrap().pid > 0);
    let error = instances
        .start(&name)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap_err();
    assert!(error.message().contains("already running"), "{error}");
    let error = refused(instances.delete(&name).await).await;
    assert!(error.message().contains("running"), "{error}");
    instances
        .stop_forced(&name)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    instances.delete(&name).await.unwrap().wait().await.unwrap();
    assert!(!instances.exists(&name).await.unwrap());
    instances.delete_forced(&name).await.unwrap();

    let nowhere = NewInstance::container(&name, InstanceSource::LocalAlias("cbt-no".into()));
    let missing = refused(instances.create(&nowhere).await).await;
    assert!(missing.is_not_found(), "{missing}");
}

async fn makes_an_empty_instance(stage: Stage) {
    let instances = stage.lxd.instances();
    let name = stage.name("c");
    let new = NewInstance::container(&name, InstanceSource::Empty)
        .profiles(Vec::<String>::new())
        .device("root", [("type", "disk"), ("pool", POOL), ("path", "/")]);
    instances.create(&new).await.unwrap().wait().await.unwrap();
    // It has no file system yet: that is no missing file.
    let error = stage
        .lxd
        .instances()
        .files(&name)
        .read("/etc/hostname")
        .await
        .unwrap_err();
    assert!(!error.is_not_found(), "{error}");
    // Without a disk there is none.
    let bare = NewInstance::container(stage.name("d"), InstanceSource::Empty)
        .profiles(Vec::<String>::new());
    let error = instances
        .create(&bare)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap_err();
    assert!(error.message().contains("root disk"), "{error}");
    instances.delete_forced(&name).await.unwrap();
}

/// As MAAS composes one: nothing on its disks, to be booted from the network. On the real daemon it
/// is made, never started: its peer has a stand-in for QEMU.
async fn makes_an_empty_virtual_machine(stage: Stage) {
    let instances = stage.lxd.instances();
    let pools = stage.lxd.storage_pools();
    let (name, disk) = (stage.name("vm"), stage.name("disk1"));
    if let Ok(deleted) = pools.delete_volume(POOL, &disk).await {
        deleted.wait().await.unwrap();
    }
    let mut volume = StorageVolume::custom(&disk);
    volume.content_type = "block".into();
    volume.config.insert("size".into(), "10000000000".into());
    let made = pools.create_volume(POOL, &volume).await.unwrap();
    made.wait().await.unwrap();
    let root = [
        ("type", "disk"),
        ("pool", POOL),
        ("path", "/"),
        ("size", "50000000000"),
        ("boot.priority", "0"),
    ];
    let nic = [
        ("type", "nic"),
        ("nictype", "bridged"),
        ("parent", "br0"),
        ("name", "eth0"),
        ("boot.priority", "1"),
    ];
    let second = [("type", "disk"), ("pool", POOL), ("source", disk.as_str())];
    let new = NewInstance::virtual_machine(&name, InstanceSource::Empty)
        .profiles(Vec::<String>::new())
        .config("limits.cpu", "2")
        .config("limits.memory", "4294967296")
        .config("security.secureboot", "false")
        .config("user.owner", "cloudboot")
        .device("root", root)
        .device("disk1", second)
        .device("eth0", nic);
    match instances.create(&new).await.unwrap().wait().await {
        Ok(_) => {}
        Err(e)
            if stage.real && e.message().contains("not supported")
                || e.message().contains("not operational") =>
        {
            let drivers = stage.lxd.server().await.unwrap();
            println!(
                "skipped: this LXD makes no virtual machines: {e} (its drivers: {:?}; its log says \
                 which of /dev/kvm, /dev/vsock, vhost_vsock, QEMU it misses)",
                drivers.environment.extra.get("driver")
            );
            return;
        }
        Err(e) => panic!("{e}"),
    }
    let vm = instances.get(&name).await.unwrap();
    assert_eq!(vm.kind, InstanceKind::VirtualMachine);
    assert_eq!(vm.status, InstanceStatus::Stopped);
    assert_eq!(vm.architecture, "x86_64");
    assert_eq!(vm.config["limits.memory"], "4294967296");
    assert_eq!(vm.expanded_devices["root"]["size"], "50000000000");
    assert_eq!(vm.expanded_devices["disk1"]["source"], disk);
    // By this MAAS knows its interface, and the one that it boots from.
    let mac = &vm.config["volatile.eth0.hwaddr"];
    assert!(mac.starts_with("00:16:3e:"), "{mac}");
    assert_eq!(vm.devices["eth0"]["boot.priority"], "1");
    let state = instances.state(&name).await.unwrap();
    assert_eq!(state.status, InstanceStatus::Stopped);
    let filter = Listing::new().filter(format!("type eq virtual-machine and name eq {name}"));
    let found = instances.list_full_with(&filter).await.unwrap();
    assert_eq!(found.len(), 1);
    // Its disk is its own as long as it stands.
    let held = pools.delete_volume(POOL, &disk).await.map(|_| ());
    assert!(held.is_err());
    instances
        .modify(&name, |vm| {
            vm.config.insert("limits.cpu".into(), "4".into());
        })
        .await
        .unwrap();
    assert_eq!(
        instances.get(&name).await.unwrap().config["limits.cpu"],
        "4"
    );
    assert!(refused(instances.create(&new).await).await.is_conflict());
    instances.delete_forced(&name).await.unwrap();
    let deleted = pools.delete_volume(POOL, &disk).await.unwrap();
    deleted.wait().await.unwrap();
}

async fn changes_configuration(stage: Stage) {
    stage.image().await;
    let instances = stage.lxd.instances();
    let name = stage.name("c");
    instances
        .create(&stage.container("c"))
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    let before = instances.get(&name).await.unwrap();
    let uuid = before.config["volatile.uuid"].clone();
    instances
        .set_config(&name, [("user.a", "1"), ("user.b", "2")])
        .await
        .unwrap();
    instances
        .modify(&name, |i| {
            i.config.insert("user.b".into(), "3".into());
            i.description = "changed".into();
        })
        .await
        .unwrap();
    let now = instances.get(&name).await.unwrap();
    assert_eq!(
        (now.config["user.a"].as_str(), now.config["user.b"].as_str()),
        ("1", "3")
    );
    assert_eq!(now.config["volatile.uuid"], uuid);
    assert_eq!(now.description, "changed");
    // What was read first is stale now.
    let error = instances.update(&before, before.etag()).await.unwrap_err();
    assert!(error.is_precondition_failed(), "{error}");
    // Four writers at once: each change must survive.
    let writers = (0..4).map(|n| {
        let (instances, name) = (instances.clone(), name.clone());
        async move {
            instances
                .modify(&name, |i| {
                    i.config.insert(format!("user.w{n}"), "x".into());
                })
                .await
                .unwrap();
        }
    });
    futures_util::future::join_all(writers).await;
    let now = instances.get(&name).await.unwrap();
    for n in 0..4 {
        assert!(
            now.config.contains_key(&format!("user.w{n}")),
            "{:?}",
            now.config
        );
    }
    let to = stage.name("renamed");
    instances
        .create(&stage.container("renamed"))
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    let taken = instances.rename(&name, &to).await.map(|_| ());
    assert!(taken.unwrap_err().is_conflict());
    instances.delete_forced(&to).await.unwrap();
    instances
        .rename(&name, &to)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    assert!(instances.exists(&to).await.unwrap());
    instances.delete_forced(&to).await.unwrap();
}

async fn lists_many_in_one_call(stage: Stage) {
    stage.image().await;
    let instances = stage.lxd.instances();
    let many = 200;
    // Made of nothing but a disk: what counts is their number.
    let make = (0..many).map(|n| {
        let mut new = stage.container(&format!("c{n}"));
        new.source = InstanceSource::Empty;
        let instances = instances.clone();
        async move { instances.create(&new).await.unwrap().wait().await.unwrap() }
    });
    iter(make).buffer_unordered(16).collect::<Vec<_>>().await;
    let listed = instances.list_full().await.unwrap();
    let mine: Vec<_> = listed
        .iter()
        .filter(|i| i.name.starts_with(&stage.prefix))
        .collect();
    assert_eq!(mine.len(), many);
    assert!(
        mine.iter()
            .all(|i| i.state.as_ref().unwrap().status == InstanceStatus::Stopped)
    );
    let one = stage.name("c7");
    let filter = Listing::new().filter(format!("name eq {one} and status eq Stopped"));
    let found = instances.list_full_with(&filter).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, one);
    let error = instances.list_filtered("name eq").await.unwrap_err();
    assert!(error.message().contains("Invalid filter"), "{error}");
    let names = instances.names().await.unwrap();
    assert!(names.contains(&one));
    if let Some(fake) = &stage.fake {
        assert_eq!(fake.counts()["instance"], many as u64);
    }
    let gone = (0..many).map(|n| {
        let (instances, name) = (instances.clone(), stage.name(&format!("c{n}")));
        async move { instances.delete(&name).await.unwrap().wait().await.unwrap() }
    });
    iter(gone).buffer_unordered(16).collect::<Vec<_>>().await;
    let left = instances.list().await.unwrap();
    assert!(left.iter().all(|i| !i.name.starts_with(&stage.prefix)));
}

async fn works_in_a_project(stage: Stage) {
    let (project, within) = stage.project().await;
    // Its images are its own.
    let missing = NewInstance::container("c", InstanceSource::LocalAlias(ALIAS.into()));
    let missing = refused(within.instances().create(&missing).await).await;
    assert!(missing.is_not_found(), "{missing}");
    let new = NewInstance::container(stage.name("c"), InstanceSource::Empty)
        .profiles(Vec::<String>::new())
        .device("root", [("type", "disk"), ("pool", POOL), ("path", "/")]);
    within
        .instances()
        .create(&new)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    let all = stage.lxd.instances().list_all_projects().await.unwrap();
    let mine = all.iter().find(|i| i.name == new.name).unwrap();
    assert_eq!(mine.project, project);
    assert!(!stage.lxd.instances().exists(&new.name).await.unwrap());
    let error = refused(stage.lxd.projects().delete(&project).await).await;
    assert!(error.message().contains("empty"), "{error}");
    within.instances().delete_forced(&new.name).await.unwrap();
    let deleted = stage.lxd.projects().delete(&project).await;
    ended(deleted).await.unwrap();
}
