//! The lab's host.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudboot::host::bridge::BridgeState;
use cloudboot::host::postgres::DatabaseSpec;
use cloudboot::host::preflight::{Level, Wanted};
use cloudboot::host::{Kind, keys};
use cloudboot::testing::hooks::{Hooks, Phase, Tap, Verdict};
use cloudboot::testing::lab_host::{HostDurations, HostWorld, LabHostServer, connect};
use secrecy::SecretString;

use crate::bodies;

const MINUTE: Duration = Duration::from_secs(60);

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("lab")
        .tempdir_in("/tmp")
        .unwrap()
}

/// A clock that is set by hand.
fn hand_clock() -> (Arc<AtomicU64>, Hooks) {
    let now = Arc::new(AtomicU64::new(0));
    let read = now.clone();
    let clock = Arc::new(move || Duration::from_millis(read.load(Ordering::SeqCst)));
    (
        now,
        Hooks {
            clock,
            ..Hooks::default()
        },
    )
}

#[tokio::test]
async fn the_database_behaves_as_a_real_one() {
    let root = folder();
    let lab = LabHostServer::builder(root.path()).start().await.unwrap();
    let host = lab.host();
    let none = host.postgres.version().await.unwrap_err();
    assert_eq!(none.kind(), Kind::Unavailable, "nothing is installed yet");
    assert_eq!(
        host.packages.installed("postgresql-14").await.unwrap(),
        None
    );
    host.packages.update().await.unwrap();
    host.packages.install(&["postgresql-14"]).await.unwrap();
    assert!(
        host.packages
            .installed("postgresql-14")
            .await
            .unwrap()
            .unwrap()
            .starts_with("14.")
    );
    bodies::database(&*host.postgres).await;
    host.packages
        .remove(&["postgresql-14"], true)
        .await
        .unwrap();
    assert_eq!(
        host.packages.installed("postgresql-14").await.unwrap(),
        None
    );
    assert_eq!(
        host.packages
            .install(&["no-such-package"])
            .await
            .unwrap_err()
            .kind(),
        Kind::NotFound
    );
}

#[tokio::test]
async fn snaps_nat_and_sysctl_behave_as_real_ones() {
    let root = folder();
    let lab = LabHostServer::builder(root.path()).start().await.unwrap();
    let host = lab.host();
    bodies::snaps_absent(&host.snaps).await;
    bodies::nat(&host.nat).await;
    host.sysctl
        .set("net.ipv4.ip_forward", "1", "cloud-a")
        .await
        .unwrap();
    host.sysctl.restore("net.ipv4.ip_forward").await.unwrap();

    let id = host.snaps.install("maas", "3.4").await.unwrap();
    let mut seen = Vec::new();
    host.snaps
        .follow(&id, MINUTE, |c| seen.push(c.progress()))
        .await
        .unwrap();
    assert!(!seen.is_empty());
    let snap = host.snaps.get("maas").await.unwrap().unwrap();
    assert!(
        snap.is_active()
            && snap.follows("3.4/stable")
            && snap.follows("3.4")
            && !snap.follows("3.5"),
        "{snap:?}"
    );
    let again = host.snaps.install("maas", "3.4").await.unwrap_err();
    assert_eq!(
        (again.kind(), again.code()),
        (Kind::Conflict, Some("snap-already-installed"))
    );
    let id = host.snaps.hold("maas").await.unwrap();
    host.snaps.follow(&id, MINUTE, |_| {}).await.unwrap();
    assert!(
        host.snaps
            .get("maas")
            .await
            .unwrap()
            .unwrap()
            .hold
            .is_some()
    );
    let id = host.snaps.refresh("maas", "3.5/stable").await.unwrap();
    host.snaps.follow(&id, MINUTE, |_| {}).await.unwrap();
    assert!(
        host.snaps
            .get("maas")
            .await
            .unwrap()
            .unwrap()
            .follows("3.5")
    );
    assert!(
        !host.snaps.services("maas").await.unwrap()[0].active,
        "MAAS does nothing before it is initialised"
    );
    let id = host.snaps.remove("maas", true).await.unwrap();
    host.snaps.follow(&id, MINUTE, |_| {}).await.unwrap();
    assert!(host.snaps.get("maas").await.unwrap().is_none());
}

#[tokio::test]
async fn an_installation_lasts_and_says_how_far_it_is() {
    let root = folder();
    let (now, hooks) = hand_clock();
    let durations = HostDurations {
        snap_install: [("maas".to_owned(), Duration::from_secs(100))].into(),
        ..HostDurations::default()
    };
    let lab = LabHostServer::builder(root.path())
        .hooks(hooks.clone())
        .durations(durations.clone())
        .start()
        .await
        .unwrap();
    let host = lab.host();
    let id = host.snaps.install("maas", "3.4/stable").await.unwrap();
    let busy = host.snaps.install("maas", "3.4/stable").await.unwrap_err();
    assert!(busy.kind() == Kind::Busy && busy.is_retryable(), "{busy}");
    now.store(42_000, Ordering::SeqCst);
    assert!(
        host.snaps
            .change(&id)
            .await
            .unwrap()
            .progress()
            .ends_with("(42 %)")
    );
    assert_eq!(
        host.snaps.changes_in_progress("maas").await.unwrap()[0].id,
        id
    );

    // The lab is killed and opened again: the installation goes on.
    let state = lab.snapshot();
    drop(lab);
    let lab = LabHostServer::builder(root.path())
        .hooks(hooks)
        .durations(durations)
        .state(state)
        .start()
        .await
        .unwrap();
    let host = connect(root.path());
    assert!(!host.snaps.change(&id).await.unwrap().outcome().unwrap());
    now.store(100_000, Ordering::SeqCst);
    assert!(host.snaps.change(&id).await.unwrap().outcome().unwrap());
    assert_eq!(lab.counts()["snap:maas"], 1);
}

#[derive(Default)]
struct World(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl HostWorld for World {
    async fn maas_initialised(&self, url: &str, uri: &str) -> Result<(), String> {
        self.0.lock().unwrap().push(format!("init {url} {uri}"));
        Ok(())
    }
    async fn maas_admin_created(
        &self,
        username: &str,
        email: &str,
        password: &str,
    ) -> Result<(), String> {
        self.0
            .lock()
            .unwrap()
            .push(format!("admin {username} {email} {password}"));
        Ok(())
    }
}

#[tokio::test]
async fn maas_is_initialised_once_and_no_secret_is_an_argument() {
    let root = folder();
    let world = Arc::new(World::default());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let tap: Tap = {
        let calls = calls.clone();
        Arc::new(move |phase, title| {
            if phase == Phase::Before {
                calls.lock().unwrap().push(title.to_owned());
            }
            Box::pin(async { Verdict::Continue })
        })
    };
    let lab = LabHostServer::builder(root.path())
        .world(world.clone())
        .hooks(Hooks {
            tap,
            ..Hooks::default()
        })
        .start()
        .await
        .unwrap();
    let host = lab.host();
    let uri =
        |password: &str| SecretString::from(format!("postgres://maas:{password}@localhost/maas"));
    let url = "http://10.42.0.1:5240/MAAS";
    assert!(
        host.maas_cli.init(url, &uri("x"), MINUTE).await.is_err(),
        "there is no maas yet"
    );
    let id = host.snaps.install("maas", "3.4").await.unwrap();
    host.snaps.follow(&id, MINUTE, |_| {}).await.unwrap();
    host.packages.install(&["postgresql-14"]).await.unwrap();
    let refused = host
        .maas_cli
        .init(url, &uri("se cret"), MINUTE)
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("password authentication failed")
            && !refused.to_string().contains("se cret"),
        "{refused}"
    );

    let spec = DatabaseSpec {
        role: "maas".into(),
        password: SecretString::from("p@ss/word"),
        database: "maas".into(),
    };
    host.postgres
        .create_role(&spec.role, &spec.password, "cloud-a")
        .await
        .unwrap();
    host.postgres
        .create_database(&spec.database, &spec.role, "cloud-a")
        .await
        .unwrap();
    assert_eq!(host.maas_cli.observe().await.unwrap(), None);
    host.maas_cli
        .init(url, &uri("p%40ss%2Fword"), MINUTE)
        .await
        .unwrap();
    let there = host.maas_cli.observe().await.unwrap().unwrap();
    assert_eq!(
        (there.mode.as_str(), there.maas_url.as_deref()),
        ("region+rack", Some(url))
    );
    assert!(
        host.maas_cli
            .init(url, &uri("p%40ss%2Fword"), MINUTE)
            .await
            .unwrap_err()
            .is_conflict()
    );
    assert!(host.snaps.services("maas").await.unwrap()[0].active);

    let password = SecretString::from("some_password");
    host.maas_cli
        .create_admin("jesus", "admin@example.com", &password, MINUTE)
        .await
        .unwrap();
    assert!(
        host.maas_cli
            .create_admin("jesus", "admin@example.com", &password, MINUTE)
            .await
            .unwrap_err()
            .is_conflict()
    );
    assert_eq!(
        *world.0.lock().unwrap(),
        [
            format!("init {url} postgres://maas:p%40ss%2Fword@localhost/maas"),
            "admin jesus admin@example.com some_password".into()
        ]
    );
    assert_eq!(
        (lab.counts()["maas-init"], lab.counts()["maas-admin:jesus"]),
        (1, 1)
    );
    let calls = calls.lock().unwrap();
    assert!(
        calls.contains(&"exec maas init region+rack".to_owned())
            && calls.contains(&"snapd POST /v2/snaps/maas".to_owned()),
        "{calls:?}"
    );
    let state = lab.snapshot().to_string();
    assert!(
        !state.contains("some_password") && !state.contains("p%40ss"),
        "the state keeps no secret of a job that has ended"
    );
}

#[tokio::test]
async fn the_bridge_takes_all_and_gives_all_back() {
    let root = folder();
    let lab = LabHostServer::builder(root.path()).start().await.unwrap();
    let host = lab.host();
    bodies::bridge(&host, "eno3", MINUTE).await;
    assert_eq!(lab.counts()["bridge:br0"], 1);
    assert!(
        host.observe_bridge("eno9", "br0")
            .await
            .unwrap_err()
            .to_string()
            .contains("eno2, eno3")
    );
    // The external one moves as well, with its default route.
    host.create_bridge("eno2", "br1", "cloud-a", MINUTE)
        .await
        .unwrap();
    let route = host
        .routes()
        .await
        .unwrap()
        .into_iter()
        .find(|r| r.destination == "default")
        .unwrap();
    assert_eq!(route.interface, "br1");
}

#[tokio::test]
async fn a_trial_that_nobody_confirms_reverts_and_one_that_was_lost_is_found() {
    let root = folder();
    let (now, mut hooks) = hand_clock();
    let cut = Arc::new(Mutex::new(None::<(Phase, &str)>));
    hooks.tap = {
        let cut = cut.clone();
        Arc::new(move |phase, title| {
            let hit = cut.lock().unwrap().is_some_and(|c| c == (phase, title));
            Box::pin(async move {
                if hit {
                    Verdict::Drop
                } else {
                    Verdict::Continue
                }
            })
        })
    };
    let lab = LabHostServer::builder(root.path())
        .hooks(hooks)
        .start()
        .await
        .unwrap();
    let host = lab.host();
    *cut.lock().unwrap() = Some((Phase::After, "netplan Try"));
    let lost = host
        .create_bridge("eno3", "br0", "cloud-a", MINUTE)
        .await
        .unwrap_err();
    assert!(lost.is_unclear(), "{lost}");
    let BridgeState::Drifted(why) = host.observe_bridge("eno3", "br0").await.unwrap() else {
        panic!("it is on trial")
    };
    assert!(why.contains("on trial"), "{why}");

    // Nobody comes back in time: the network is as before.
    now.store(61_000, Ordering::SeqCst);
    lab.advance().await;
    assert_eq!(
        host.observe_bridge("eno3", "br0").await.unwrap(),
        BridgeState::Absent
    );
    assert_eq!(
        host.interface_of("10.42.0.1".parse().unwrap())
            .await
            .unwrap()
            .unwrap()
            .name,
        "eno3"
    );

    // Somebody comes back in time: what is on trial is kept, not made again.
    assert!(
        host.create_bridge("eno3", "br0", "cloud-a", MINUTE)
            .await
            .unwrap_err()
            .is_unclear()
    );
    *cut.lock().unwrap() = None;
    let made = lab.counts()["bridge:br0"];
    host.create_bridge("eno3", "br0", "cloud-a", MINUTE)
        .await
        .unwrap();
    assert!(matches!(
        host.observe_bridge("eno3", "br0").await.unwrap(),
        BridgeState::Ready { .. }
    ));
    now.store(600_000, Ordering::SeqCst);
    lab.advance().await;
    assert!(matches!(
        host.observe_bridge("eno3", "br0").await.unwrap(),
        BridgeState::Ready { .. }
    ));
    assert_eq!(lab.counts()["bridge:br0"], made);
}

/// Netplan dies with its files written, all or the first of them, and nothing of it tried.
#[tokio::test]
async fn files_of_a_netplan_that_died_are_given_back_and_the_bridge_is_made() {
    for all in [true, false] {
        let root = folder();
        let netplan = root.path().join("etc/netplan");
        let texts = || -> std::collections::BTreeMap<std::ffi::OsString, String> {
            let files = std::fs::read_dir(&netplan).unwrap().map(Result::unwrap);
            files
                .map(|f| (f.file_name(), std::fs::read_to_string(f.path()).unwrap()))
                .collect()
        };
        let lab = LabHostServer::builder(root.path()).start().await.unwrap();
        let host = lab.host();
        let before = texts();
        host.create_bridge("eno3", "br0", "cloud-a", MINUTE)
            .await
            .unwrap();
        let written = texts();
        let record = "/var/lib/cloudboot/bridge-br0.json";
        let noted = host.files.read_text(record).await.unwrap().unwrap();
        host.remove_bridge("eno3", "br0", MINUTE).await.unwrap();
        assert_eq!(texts(), before);

        for (name, text) in &written {
            if all || before.contains_key(name) {
                std::fs::write(netplan.join(name), text).unwrap();
            }
        }
        assert_ne!(texts(), before);
        let mut noted: serde_json::Value = serde_json::from_str(&noted).unwrap();
        noted["kept"] = false.into();
        let noted = noted.to_string();
        host.files.write(record, noted, Some(0o600)).await.unwrap();

        host.create_bridge("eno3", "br0", "cloud-a", MINUTE)
            .await
            .unwrap();
        assert!(matches!(
            host.observe_bridge("eno3", "br0").await.unwrap(),
            BridgeState::Ready { .. }
        ));
        assert_eq!(texts(), written);
        host.remove_bridge("eno3", "br0", MINUTE).await.unwrap();
        assert_eq!(texts(), before);
    }
}

#[tokio::test]
async fn the_machine_is_what_it_is_said_to_be() {
    let root = folder();
    let lab = LabHostServer::builder(root.path()).start().await.unwrap();
    let machine = lab.host().machine().await.unwrap();
    assert_eq!(
        (
            machine.hostname.as_str(),
            machine.cores,
            machine.memory_mib,
            machine.root
        ),
        ("controller", 64, 256 * 1024, true)
    );
    assert_eq!(machine.disk_free_mib, 4 * 1024 * 1024);
    let key = keys::ensure(&lab.host().files, "/root/.ssh/maaskey", "maas@cloud-a")
        .await
        .unwrap();
    assert!(key.fingerprint.starts_with("SHA256:"));
}

#[tokio::test]
async fn preflight_passes_and_names_what_is_missing() {
    let root = folder();
    let lab = LabHostServer::builder(root.path()).start().await.unwrap();
    let host = lab.host();
    let wanted = Wanted {
        cores: 32,
        memory_mib: 64 * 1024,
        disk_mib: 1024,
        address: Some("10.42.0.1".parse().unwrap()),
        out_interface: Some("eno2".into()),
        ports: vec![(5240, "MAAS".into())],
        egress: Vec::new(),
        ..Wanted::default()
    };
    let report = host.preflight(&wanted).await;
    assert!(report.passes(), "{report}");
    let state = lab.snapshot();
    let more = Wanted {
        cores: 1000,
        address: Some("10.9.9.9".parse().unwrap()),
        out_interface: Some("eno9".into()),
        ..wanted
    };
    host.files
        .write(
            "/proc/net/tcp",
            "  sl\n   0: 00000000:1478 00000000:0000 0A 0\n",
            None,
        )
        .await
        .unwrap();
    host.files
        .write("/var/lib/dpkg/updates/0001", "", None)
        .await
        .unwrap();
    let report = host.preflight(&more).await;
    let missing: Vec<&str> = report
        .findings
        .iter()
        .filter(|f| f.level == Level::Missing)
        .map(|f| f.check.as_str())
        .collect();
    assert_eq!(
        missing,
        [
            "cores",
            "packages",
            "holds 10.9.9.9",
            "interface eno9",
            "port 5240"
        ]
    );
    assert!(
        report
            .findings
            .iter()
            .all(|f| f.level == Level::Fine || f.todo.is_some()),
        "every finding says what to do"
    );
    assert!(
        report.to_string().contains("-> run `dpkg --configure -a`"),
        "{report}"
    );
    assert_eq!(lab.snapshot(), state, "a preflight changes nothing");
}
