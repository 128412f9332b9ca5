//! Files inside instances, folders.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::iter;
use lxd_client::{CloudInit, FileContent};

use crate::stage::{Stage, bodies, mode};

bodies!(keeps_files, copies_folders,);

async fn keeps_files(stage: Stage) {
    stage.image().await;
    let instances = stage.lxd.instances();
    let name = stage.name("c");
    let user_data = CloudInit::default()
        .packages(["juju"])
        .to_user_data()
        .unwrap();
    let new = stage.container("c").user_data(&user_data);
    instances.create(&new).await.unwrap().wait().await.unwrap();
    assert_eq!(
        instances.get(&name).await.unwrap().config["user.user-data"],
        user_data
    );

    let files = instances.files(&name);
    assert!(!files.read("/etc/hostname").await.unwrap().is_empty());
    assert!(files.read("/etc/nothing").await.unwrap_err().is_not_found());
    assert_eq!(files.read_if_there("/etc/nothing").await.unwrap(), None);
    let nobody = instances.files("cbt-nobody");
    assert!(
        nobody
            .read_if_there("/etc/nothing")
            .await
            .unwrap_err()
            .is_not_found()
    );

    let content: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    files.mkdir_all("/root/a/b c", mode(0o700)).await.unwrap();
    files
        .write("/root/a/b c/key+ü.bin", content.clone(), mode(0o600))
        .await
        .unwrap();
    let (meta, read) = files.get("/root/a/b c/key+ü.bin").await.unwrap();
    assert_eq!(
        (meta.mode & 0o777, meta.uid, meta.kind.as_str()),
        (0o600, 0, "file")
    );
    assert_eq!(read, FileContent::File(content.into()));
    assert_eq!(files.list("/root/a/b c").await.unwrap(), ["key+ü.bin"]);
    files
        .write("/root/log", "one\n", mode(0o644).owner(1000, 1000))
        .await
        .unwrap();
    files
        .append("/root/log", "two\n", mode(0o644))
        .await
        .unwrap();
    assert_eq!(files.read("/root/log").await.unwrap(), "one\ntwo\n");
    files
        .write("/root/log", "three\n", mode(0o644))
        .await
        .unwrap();
    assert_eq!(files.read("/root/log").await.unwrap(), "three\n");
    files.write("/root/empty", "", mode(0o644)).await.unwrap();
    assert!(files.read("/root/empty").await.unwrap().is_empty());
    assert!(
        files
            .write("/no/such/dir/file", "x", mode(0o644))
            .await
            .is_err()
    );
    files.mkdir("/root/d", mode(0o711)).await.unwrap();
    assert_eq!(files.stat("/root/d").await.unwrap().mode & 0o777, 0o711);
    let pieces = ["from ", "a ", "stream"].map(|p| Ok::<_, std::io::Error>(Bytes::from(p)));
    files
        .write_stream("/root/d/streamed", iter(pieces), mode(0o640))
        .await
        .unwrap();
    let streamed = files.read("/root/d/streamed").await.unwrap();
    assert_eq!(streamed, "from a stream");
    files.delete("/root/log").await.unwrap();
    assert!(files.read("/root/log").await.unwrap_err().is_not_found());
    assert!(files.delete("/root/log").await.unwrap_err().is_not_found());
    files.symlink("/root/link", "/root/empty").await.unwrap();
    let stat = files.stat("/root/a/b c/key+ü.bin").await.unwrap();
    assert_eq!((stat.kind.as_str(), stat.mode & 0o777), ("file", 0o600));
    assert_eq!(files.stat("/root").await.unwrap().kind, "directory");
    let missing = files.stat("/root/nothing").await;
    assert!(missing.unwrap_err().is_not_found());
    instances.delete_forced(&name).await.unwrap();
}

async fn copies_folders(stage: Stage) {
    use std::os::unix::fs::PermissionsExt;
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
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(from.path().join("a/b")).unwrap();
    std::fs::write(from.path().join("a/b/deep"), b"deep").unwrap();
    let script = from.path().join("run.sh");
    std::fs::write(&script, vec![7u8; 300_000]).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o750)).unwrap();
    std::os::unix::fs::symlink("run.sh", from.path().join("link")).unwrap();

    let files = instances.files(&name);
    files
        .push_folder(from.path(), "/root/x/y", mode(0o755))
        .await
        .unwrap();
    files
        .push_folder(from.path(), "/root/x/y", mode(0o755))
        .await
        .unwrap();
    assert_eq!(files.read("/root/x/y/a/b/deep").await.unwrap(), "deep");
    assert_eq!(
        files.get("/root/x/y/run.sh").await.unwrap().0.mode & 0o777,
        0o750
    );
    let skipped = files.pull_folder("/root/x", to.path()).await.unwrap();
    assert_eq!(skipped, ["/root/x/y/link"]);
    assert_eq!(
        std::fs::read(to.path().join("y/a/b/deep")).unwrap(),
        b"deep"
    );
    let pulled = std::fs::metadata(to.path().join("y/run.sh")).unwrap();
    assert_eq!(
        (pulled.len(), pulled.permissions().mode() & 0o777),
        (300_000, 0o750)
    );
    let stream = files.read_stream("/root/x/y/run.sh").await.unwrap();
    let sizes = stream.map(|piece| piece.unwrap().len());
    let total = sizes.fold(0, |a, b| async move { a + b }).await;
    assert_eq!(total, 300_000);
    instances.delete_forced(&name).await.unwrap();
}
