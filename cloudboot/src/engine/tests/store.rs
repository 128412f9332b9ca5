//! Both stores keep the same promises; the file says what is wrong with it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::kit::*;
use crate::engine::store::{Holder, Lease, Record, StateStore};
use crate::engine::*;

fn holder(pid: u32) -> Holder {
    Holder {
        host: "elsewhere".into(),
        machine: "m".into(),
        boot: "b".into(),
        pid,
        started: 1,
        namespace: "n".into(),
        run: format!("run-{pid}"),
        since: Timestamp::UNIX_EPOCH,
    }
}

fn lease(generation: u64, beat: u64) -> Lease {
    Lease {
        generation,
        beat,
        holder: Some(holder(7)),
        renewed: Timestamp::UNIX_EPOCH,
        ttl_seconds: 30,
    }
}

fn intent(what: &str) -> Record {
    Record::Intent {
        step: "a".into(),
        what: what.into(),
    }
}

async fn keeps_its_promises(store: &dyn StateStore) {
    let now = Timestamp::UNIX_EPOCH;
    assert_eq!(store.lease("x").await.unwrap(), None);
    assert!(
        !store
            .append("x", 1, now, &intent("without a lease"))
            .await
            .unwrap()
    );
    assert!(store.swap_lease("x", None, &lease(1, 0)).await.unwrap());
    assert!(
        !store.swap_lease("x", None, &lease(2, 0)).await.unwrap(),
        "it is no longer free"
    );
    assert!(store.append("x", 1, now, &intent("one")).await.unwrap());
    assert!(
        store
            .swap_lease("x", Some(&lease(1, 0)), &lease(1, 1))
            .await
            .unwrap()
    );
    assert!(
        !store
            .swap_lease("x", Some(&lease(1, 0)), &lease(1, 2))
            .await
            .unwrap(),
        "it was renewed in between"
    );
    assert!(
        store.append("x", 1, now, &intent("two")).await.unwrap(),
        "a renewal is the same generation"
    );
    assert!(
        store
            .swap_lease("x", Some(&lease(1, 1)), &lease(2, 0))
            .await
            .unwrap()
    );
    assert!(
        !store
            .append("x", 1, now, &intent("fenced off"))
            .await
            .unwrap()
    );
    assert!(store.append("x", 2, now, &intent("three")).await.unwrap());
    let released = Lease {
        holder: None,
        ..lease(2, 0)
    };
    assert!(
        store
            .swap_lease("x", Some(&lease(2, 0)), &released)
            .await
            .unwrap()
    );
    assert!(
        !store
            .append("x", 2, now, &intent("after the release"))
            .await
            .unwrap()
    );
    assert_eq!(store.lease("x").await.unwrap(), Some(released));
    assert!(
        store.read("y").await.unwrap().is_empty(),
        "deployments are apart"
    );
    let entries = store.read("x").await.unwrap();
    let said: Vec<_> = entries
        .iter()
        .map(|entry| (entry.generation, entry.record.clone()))
        .collect();
    assert_eq!(
        said,
        [(1, intent("one")), (1, intent("two")), (2, intent("three"))]
    );
    assert!(entries.is_sorted_by_key(|entry| entry.seq));
}

#[tokio::test]
async fn memory_keeps_its_promises() {
    keeps_its_promises(&MemoryStore::new()).await;
}

#[tokio::test]
async fn sqlite_keeps_its_promises_and_what_it_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/journal.db");
    let store = SqliteStore::open(&path).await.unwrap();
    keeps_its_promises(&store).await;
    // Another process would see the same.
    let other = SqliteStore::open(&path).await.unwrap();
    assert_eq!(
        other.read("x").await.unwrap(),
        store.read("x").await.unwrap()
    );
}

/// Where a real PostgreSQL is, or nothing where there is none.
fn postgres() -> Option<String> {
    let url = std::env::var("CLOUDBOOT_POSTGRES_URL")
        .ok()
        .filter(|url| !url.is_empty());
    if url.is_none() {
        let how =
            "CLOUDBOOT_POSTGRES_URL is not set: `. <(tests/peers/start postgres)` starts a server";
        assert_ne!(
            std::env::var("CLOUDBOOT_PEERS").as_deref(),
            Ok("1"),
            "{how}"
        );
        println!("skipped: {how}");
    }
    url
}

#[tokio::test]
async fn postgresql_keeps_its_promises_to_two_controllers() {
    let Some(url) = postgres() else { return };
    // A database of its own, so that the test can be repeated.
    let database = format!("cloudboot_{}", uuid::Uuid::new_v4().simple());
    let (admin, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    admin
        .batch_execute(&format!("CREATE DATABASE {database}"))
        .await
        .unwrap();
    let mut at = url::Url::parse(&url).unwrap();
    at.set_path(&database);

    // Two at once make the tables.
    let (store, other) = tokio::join!(
        PostgresStore::connect(at.as_str()),
        PostgresStore::connect(at.as_str())
    );
    let (store, other) = (store.unwrap(), other.unwrap());
    keeps_its_promises(&store).await;
    assert_eq!(
        other.read("x").await.unwrap(),
        store.read("x").await.unwrap()
    );
    // Of many who take a lease at once, one has it.
    let (one, two) = (lease(1, 0), lease(1, 1));
    let (first, second) = tokio::join!(
        store.swap_lease("y", None, &one),
        other.swap_lease("y", None, &two)
    );
    assert!(first.unwrap() ^ second.unwrap());
    // A connection that was cut is made anew; what was cut is told as transient.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    assert!(admin.execute(cut, &[&database]).await.unwrap() >= 2);
    let mut tries = 0;
    while let Err(error) = store.read("x").await {
        assert!(error.is_transient(), "{error}");
        tries += 1;
        assert!(tries < 3);
    }
    assert_eq!(store.read("x").await.unwrap().len(), 3);
    // A run over it, and another controller that is refused meanwhile.
    let (world, store, other) = (World::default(), Arc::new(store), Arc::new(other));
    let engine = |store: Arc<PostgresStore>| {
        let mut graph = Graph::new();
        let mut make = Make::new(&world, "a");
        make.takes = std::time::Duration::from_millis(300);
        graph.add(make, vec![]);
        Engine::builder(graph)
            .deployment("z")
            .store(store)
            .build()
            .unwrap()
    };
    let (first, second) = (engine(store), engine(other));
    let late = async {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        second.run().await.unwrap_err()
    };
    let (report, error) = tokio::join!(first.run(), late);
    assert_eq!(report.unwrap().outcome, Outcome::Done { changed: 1 });
    assert!(
        error.to_string().contains("another runner holds it"),
        "{error}"
    );

    let later = "UPDATE cloudboot.version SET version = 9";
    let (inside, connection) = tokio_postgres::connect(at.as_str(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    inside.batch_execute(later).await.unwrap();
    let error = PostgresStore::connect(at.as_str()).await.unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(&database, "DATABASE"), @"open the journal in the PostgreSQL database DATABASE on 127.0.0.1: a later version made its tables (9, this version knows 1); next: use the later version");
    admin
        .batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)"))
        .await
        .unwrap();

    at.set_password(Some("not-it")).unwrap();
    let error = PostgresStore::connect(at.as_str()).await.unwrap_err();
    assert!(
        error.is_needs_operator() && !error.to_string().contains("not-it"),
        "{error}"
    );
}

#[tokio::test]
async fn a_postgresql_that_is_not_there_is_told() {
    let error = PostgresStore::connect("host=127.0.0.1 port=1 user=cloudboot password=hunter2")
        .await
        .unwrap_err();
    assert!(
        error.is_transient() && !format!("{error:?}").contains("hunter2"),
        "{error}"
    );
    let error = PostgresStore::connect("password=hunter2 nonsense")
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @r#"connect to the journal's PostgreSQL: its connection string cannot be read; next: write it as "host=... user=... dbname=..." or postgresql://user@host/database"#);
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_run_is_resumed_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let world = World::default();
    let engine = async || {
        let mut graph = Graph::new();
        let mut make = Make::new(&world, "a");
        make.takes = std::time::Duration::ZERO;
        graph.add(make, vec![]);
        Engine::builder(graph)
            .store(Arc::new(SqliteStore::open(&path).await.unwrap()))
            .build()
            .unwrap()
    };
    assert_eq!(
        engine().await.run().await.unwrap().outcome,
        Outcome::Done { changed: 1 }
    );
    assert_eq!(
        engine().await.run().await.unwrap().outcome,
        Outcome::Done { changed: 0 }
    );
    // What the journal knows lets another process take it back.
    let report = engine()
        .await
        .teardown(TeardownOptions::default())
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::Done { changed: 1 });
    assert!(!world.has("a"));
}

/// The error with the path cut out.
async fn told(path: &Path) -> String {
    let error = SqliteStore::open(path).await.unwrap_err();
    error
        .to_string()
        .replace(&path.display().to_string(), "JOURNAL")
}

#[tokio::test]
async fn a_file_that_cannot_serve_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.db");
    std::fs::write(
        &path,
        "this is a shopping list, not a database, and it is long enough to be read as one"
            .repeat(20),
    )
    .unwrap();
    insta::assert_snapshot!(told(&path).await, @"open the journal JOURNAL: the file is damaged, or no journal; next: move JOURNAL aside and run again: what stands is observed anew, only teardown no longer knows what was ours");

    let path = folder.path().join("damaged-later.db");
    let store = SqliteStore::open(&path).await.unwrap();
    keeps_its_promises(&store).await;
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let error = match SqliteStore::open(&path).await {
        Err(error) => error,
        Ok(store) => store.read("x").await.unwrap_err(),
    };
    assert!(error.to_string().contains("damaged"), "{error}");

    let path = folder.path().join("foreign.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE photos (id INTEGER)")
        .unwrap();
    insta::assert_snapshot!(told(&path).await, @"open the journal JOURNAL: the file is a database of something else; next: give the journal a path of its own");

    let path = folder.path().join("later.db");
    drop(SqliteStore::open(&path).await.unwrap());
    rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 9)
        .unwrap();
    insta::assert_snapshot!(told(&path).await, @"open the journal JOURNAL: a later version wrote it (tables 9, this version knows 1); next: use the later version");

    let path = folder.path().join("a-folder");
    std::fs::create_dir(&path).unwrap();
    insta::assert_snapshot!(told(&path).await, @"open the journal JOURNAL: it cannot be written (unable to open database file: JOURNAL); next: run as a user that may write the file and its folder, or give the journal another path");

    std::fs::write(folder.path().join("file"), "").unwrap();
    insta::assert_snapshot!(told(&folder.path().join("file/journal.db")).await, @"open the journal JOURNAL: its folder cannot be made: File exists (os error 17); next: run as a user that may write there, or give the journal another path");
}

#[tokio::test]
async fn a_full_file_system_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.swap_lease("x", None, &lease(1, 0)).await.unwrap();
    // SQLite's own quota stands for the disk's: the error is the same.
    store.limit_pages(12).await.unwrap();
    let error = loop {
        match store
            .append("x", 1, Timestamp::UNIX_EPOCH, &intent(&"x".repeat(2000)))
            .await
        {
            Ok(done) => assert!(done),
            Err(error) => break error,
        }
    };
    assert!(error.is_needs_operator());
    let told = error
        .to_string()
        .replace(&path.display().to_string(), "JOURNAL");
    insta::assert_snapshot!(told, @"write the journal JOURNAL: the file system is full; next: make room there and run again: it goes on from what stands");
    // What was written stands.
    assert!(!store.read("x").await.unwrap().is_empty());
}

#[tokio::test]
async fn secrets_are_private_durable_and_named_well() {
    use secrecy::{ExposeSecret, SecretString};
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("secrets");
    let store = DirSecretStore::open(&dir).unwrap();
    assert!(store.get("vault.keys").await.unwrap().is_none());
    store
        .put("vault.keys", &SecretString::from("s3cret"))
        .await
        .unwrap();
    // What a kill left beside is no hindrance.
    std::fs::write(dir.join(".vault.keys.new"), "half").unwrap();
    store
        .put("vault.keys", &SecretString::from("s3cret2"))
        .await
        .unwrap();
    assert_eq!(
        store
            .get("vault.keys")
            .await
            .unwrap()
            .unwrap()
            .expose_secret(),
        "s3cret2"
    );
    assert_eq!(store.names().await.unwrap(), ["vault.keys"]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("vault.keys"))), (0o700, 0o600));
    assert!(!format!("{store:?}").contains("s3cret"));
    for name in ["", "../up", "a/b", ".hidden", "a b", &"x".repeat(129)] {
        assert!(
            store.put(name, &SecretString::from("x")).await.is_err(),
            "{name:?}"
        );
        assert!(store.get(name).await.is_err(), "{name:?}");
    }
    assert!(store.remove("vault.keys").await.unwrap());
    assert!(!store.remove("vault.keys").await.unwrap());

    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    let error = DirSecretStore::open(&dir).unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(&dir.display().to_string(), "DIR"), @"open the secrets' folder DIR: others may look into it (mode 755); next: chmod 700 DIR, and consider what was read from it");
}
