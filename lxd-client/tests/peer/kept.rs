//! Snapshots, backups, metadata.

use lxd_client::ImageTemplate;

use crate::stage::{Stage, bodies, mode};

bodies!(takes_snapshots, takes_backups, tells_its_metadata,);

async fn takes_snapshots(stage: Stage) {
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
    let files = instances.files(&name);
    files
        .write("/root/state", "before", mode(0o644))
        .await
        .unwrap();
    instances
        .snapshot(&name, "s0")
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    let again = match instances.snapshot(&name, "s0").await {
        Ok(started) => started.wait().await.map(|_| ()),
        Err(e) => Err(e),
    };
    assert!(again.unwrap_err().is_conflict());
    files
        .write("/root/state", "after", mode(0o644))
        .await
        .unwrap();
    let listed = instances.snapshots(&name).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name, "s0");
    instances.restore(&name, "s0").await.unwrap();
    assert_eq!(files.read("/root/state").await.unwrap(), "before");
    let renamed = instances.rename_snapshot(&name, "s0", "s1").await.unwrap();
    renamed.wait().await.unwrap();
    assert_eq!(
        instances.get_snapshot(&name, "s1").await.unwrap().name,
        "s1"
    );
    instances
        .delete_snapshot(&name, "s1")
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    assert!(instances.snapshots(&name).await.unwrap().is_empty());
    assert!(
        instances
            .delete_snapshot(&name, "s0")
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(
        instances
            .get_snapshot(&name, "s0")
            .await
            .unwrap_err()
            .is_not_found()
    );
    instances.delete_forced(&name).await.unwrap();
}

async fn takes_backups(stage: Stage) {
    stage.image().await;
    let instances = stage.lxd.instances();
    let name = stage.name("c");
    let made = instances.create(&stage.container("c")).await.unwrap();
    made.wait().await.unwrap();
    let files = instances.files(&name);
    files.write("/root/kept", "yes", mode(0o600)).await.unwrap();
    let made = instances.backup(&name, "b0").await.unwrap();
    made.wait().await.unwrap();
    assert_eq!(instances.backups(&name).await.unwrap()[0].name, "b0");
    assert!(
        !instances
            .get_backup(&name, "b0")
            .await
            .unwrap()
            .instance_only
    );
    // A second of that name, and one that is not there.
    let again = match instances.backup(&name, "b0").await {
        Ok(started) => started.wait().await.map(|_| ()),
        Err(e) => Err(e),
    };
    assert!(again.is_err());
    let missing = instances.get_backup(&name, "b9").await;
    assert!(missing.unwrap_err().is_not_found());
    let missing = instances.export_backup(&name, "b9").await;
    assert!(missing.unwrap_err().is_not_found());
    // Out of the server and into it again, without ever being whole in memory.
    let to = stage.name("copy");
    let out = instances.export_backup(&name, "b0").await.unwrap();
    let started = instances
        .import_backup(out, Some(&to), Some(crate::stage::POOL))
        .await
        .unwrap();
    started.wait().await.unwrap();
    assert_eq!(
        instances.files(&to).read("/root/kept").await.unwrap(),
        "yes"
    );
    // Where it came from there is one of its name.
    let out = instances.export_backup(&name, "b0").await.unwrap();
    let taken = match instances.import_backup(out, Some(&to), None).await {
        Ok(started) => started.wait().await.map(|_| ()),
        Err(e) => Err(e),
    };
    assert!(taken.is_err());
    let renamed = instances.rename_backup(&name, "b0", "b1").await.unwrap();
    renamed.wait().await.unwrap();
    let deleted = instances.delete_backup(&name, "b1").await.unwrap();
    deleted.wait().await.unwrap();
    let missing = instances.delete_backup(&name, "b1").await.map(|_| ());
    assert!(missing.unwrap_err().is_not_found());
    for name in [name, to] {
        instances.delete_forced(&name).await.unwrap();
    }
}

async fn tells_its_metadata(stage: Stage) {
    stage.image().await;
    let instances = stage.lxd.instances();
    let name = stage.name("c");
    let made = instances.create(&stage.container("c")).await.unwrap();
    made.wait().await.unwrap();
    let read = instances.metadata(&name).await.unwrap();
    assert_eq!(read.properties["os"], "busybox");
    assert!(read.templates.is_empty());
    instances
        .modify_metadata(&name, |m| {
            m.properties.insert("purpose".into(), "a test".into());
            let template = ImageTemplate::new("hello.tpl", ["start"]);
            m.templates.insert("/etc/hello".into(), template);
        })
        .await
        .unwrap();
    let now = instances.metadata(&name).await.unwrap();
    assert_eq!(now.properties["purpose"], "a test");
    assert_eq!(now.templates["/etc/hello"].template, "hello.tpl");
    // 5.0.2 gives an ETag here, and does not look at it when it is written.
    assert_ne!(read.etag(), now.etag());
    let stale = instances.update_metadata(&name, &now, read.etag()).await;
    stale.unwrap().wait().await.unwrap();
    assert!(instances.templates(&name).await.unwrap().is_empty());
    let text = "hello {{ container.name }}\n";
    instances
        .write_template(&name, "hello.tpl", text)
        .await
        .unwrap();
    assert_eq!(instances.templates(&name).await.unwrap(), ["hello.tpl"]);
    let read = instances.template(&name, "hello.tpl").await.unwrap();
    assert_eq!(read, text);
    let missing = instances.template(&name, "no.tpl").await;
    assert!(missing.unwrap_err().is_not_found());
    instances.delete_template(&name, "hello.tpl").await.unwrap();
    let missing = instances.delete_template(&name, "hello.tpl").await;
    assert!(missing.unwrap_err().is_not_found());
    let missing = instances.metadata("cbt-nobody").await;
    assert!(missing.unwrap_err().is_not_found());
    instances.delete_forced(&name).await.unwrap();
}
