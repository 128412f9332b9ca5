//! The client store: what is written can be read by the official client, and both keep out of each other's way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt as _;

use juju_client::api::cloud::{Cloud, CloudCredential};
use juju_client::testing::FakeController;
use juju_client::{ErrorKind, Options, Store};

#[tokio::test]
async fn a_store_is_written_for_others_to_use() {
    let fake = FakeController::builder().start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("juju");
    // What this library does not know stays.
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(
        dir.join("controllers.yaml"),
        "controllers:\n  other:\n    uuid: x\n    future: {a: 1}\n",
    )
    .unwrap();
    let access = fake.access();
    Store::update(&dir, |s| {
        s.set_controller(&access, "maas");
        s.set_cloud("maas", &Cloud::maas("http://10.0.0.1/MAAS"));
        s.set_credential("maas", "admin", &CloudCredential::maas("a:b:c"));
        Ok(())
    })
    .unwrap();
    for file in juju_client::store::FILES {
        let path = dir.join(file);
        if path.exists() {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file}");
        }
    }
    let text = std::fs::read_to_string(dir.join("controllers.yaml")).unwrap();
    assert!(text.contains("future"), "{text}");
    let back = Store::read(&dir).unwrap();
    assert_eq!(back.current_controller(), Some("controller"));
    let client = back
        .controller(None)
        .unwrap()
        .connect(None, Options::default())
        .await
        .unwrap();
    assert_eq!(client.models().list().await.unwrap().len(), 1);
    // Nothing is left beside the files.
    let strange: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with('.'))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// The name of the lock, as `generateStoreLockName` makes it.
fn lock_file(dir: &std::path::Path) -> std::path::PathBuf {
    use sha2::Digest as _;
    let controllers = format!("{}/controllers.yaml", dir.display());
    let full: String = sha2::Sha256::digest(controllers.as_bytes())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let twice: String = full.bytes().take(8).map(|b| format!("{b:02x}")).collect();
    std::env::temp_dir().join(format!("juju-store-lock-{twice}"))
}

#[test]
fn who_holds_the_official_clients_lock_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    Store::update(dir.path(), |_| Ok(())).unwrap();
    let path = lock_file(dir.path());
    let other = std::fs::OpenOptions::new().read(true).open(&path).unwrap();
    other.lock().unwrap();
    let held = dir.path().to_owned();
    let writer = std::thread::spawn(move || Store::update(&held, |_| Ok(())));
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!writer.is_finished(), "it did not wait");
    other.unlock().unwrap();
    writer.join().unwrap().unwrap();
    // Who never lets go is told of.
    other.lock().unwrap();
    let e = Store::read(dir.path()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Store);
    assert!(e.to_string().contains("held by another"), "{e}");
    drop(other);
    let _ = std::fs::remove_file(path);
}

#[test]
fn many_writers_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let threads: Vec<_> = (0..8)
        .map(|i| {
            let dir = dir.path().to_owned();
            std::thread::spawn(move || {
                for j in 0..5 {
                    Store::update(&dir, |s| {
                        s.set_cloud(&format!("c{i}-{j}"), &Cloud::maas("http://x/MAAS"));
                        Ok(())
                    })
                    .unwrap();
                }
            })
        })
        .collect();
    for t in threads {
        t.join().unwrap();
    }
    let text = String::from_utf8(
        Store::read(dir.path()).unwrap().to_files().unwrap()["clouds.yaml"].clone(),
    )
    .unwrap();
    for i in 0..8 {
        for j in 0..5 {
            assert!(text.contains(&format!("c{i}-{j}")), "c{i}-{j}");
        }
    }
    let _ = std::fs::remove_file(lock_file(dir.path()));
}
