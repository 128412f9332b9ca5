//! The real things: PostgreSQL, snapd, nftables in a network namespace, netplan's generator, ssh-keygen.
#![allow(clippy::disallowed_types)] // Tests start their peers.

use std::process::Command;

use cloudboot::host::postgres::LocalPostgres;
use cloudboot::host::{Files, Kind, Postgres, Snaps, keys};
use cloudboot_tests::peer;

use crate::bodies;

/// Whether a program is here; if not, says so, and fails where the peers are demanded.
pub(crate) fn program(name: &str, package: &str) -> bool {
    let here = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|d| std::path::Path::new(d).join(name).exists());
    if !here {
        let how = format!("{name} is not here: apt-get install {package}");
        assert_ne!(
            std::env::var("CLOUDBOOT_PEERS").as_deref(),
            Ok("1"),
            "{how}; CLOUDBOOT_PEERS=1 demands it"
        );
        println!("skipped: {how}");
    }
    here
}

/// Whether this is root, as namespaces need.
pub(crate) fn root() -> bool {
    let root = std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|s| s.lines().any(|l| l.starts_with("Uid:\t0\t")));
    if !root {
        assert_ne!(
            std::env::var("CLOUDBOOT_PEERS").as_deref(),
            Ok("1"),
            "namespaces need root; CLOUDBOOT_PEERS=1 demands it"
        );
        println!("skipped: namespaces need root");
    }
    root
}

#[tokio::test]
async fn postgresql() {
    let Some(url) = peer("postgres") else { return };
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let row = client
        .query_one("SHOW unix_socket_directories", &[])
        .await
        .unwrap();
    let folder: String = row.get(0);
    let postgres = LocalPostgres::at(&folder);
    bodies::database(&postgres).await;
    // And as an administrator from elsewhere.
    let address: tokio_postgres::Config = url.parse().unwrap();
    let port = address.get_ports()[0];
    let from_elsewhere = |password: &str, port| {
        LocalPostgres::over_tcp("127.0.0.1", port, "postgres", password.into())
    };
    let password = String::from_utf8(address.get_password().unwrap().to_vec()).unwrap();
    bodies::database(&from_elsewhere(&password, port)).await;
    let refused = from_elsewhere("wrong", port).version().await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.code()),
        (Kind::Denied, Some("28P01"))
    );
    assert!(
        refused.next().unwrap().contains("postgres.admin"),
        "{refused}"
    );
    let nobody = from_elsewhere("wrong", 1).version().await.unwrap_err();
    assert_eq!(nobody.kind(), Kind::Unavailable, "{nobody}");
    assert!(nobody.to_string().contains("127.0.0.1:1"), "{nobody}");

    // A database in use goes all the same, and its role's password never reached the server in clear.
    let password = secrecy::SecretString::from("never-in-clear");
    postgres
        .create_role("busy", &password, "cloud-a")
        .await
        .unwrap();
    postgres
        .create_database("busy", "busy", "cloud-a")
        .await
        .unwrap();
    let user = url
        .replace("postgres:secret@", "busy:never-in-clear@")
        .replace("/postgres", "/busy");
    let (guest, connection) = tokio_postgres::connect(&user, tokio_postgres::NoTls)
        .await
        .unwrap();
    let guest_task = tokio::spawn(connection);
    assert!(postgres.drop_database("busy").await.unwrap());
    assert!(guest_task.await.unwrap().is_err() || guest.is_closed());
    assert!(postgres.drop_role("busy").await.unwrap());
    let log = std::path::Path::new(&folder).parent().unwrap().join("log");
    if let Ok(log) = std::fs::read_to_string(log) {
        assert!(
            log.contains("already exists")
                && !log.contains("never-in-clear")
                && !log.contains("other'"),
            "{log}"
        );
    }
}

#[tokio::test]
async fn snapd() {
    let Some(socket) = peer("snapd") else { return };
    bodies::snaps_absent(&Snaps::at(socket)).await;
}

#[tokio::test]
async fn openssh_reads_our_key() {
    if !program("ssh-keygen", "openssh-client") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let files = Files::rooted(root.path());
    let key = keys::ensure(&files, "/k/id", "maas@cloud-a").await.unwrap();
    let path = files.resolve("/k/id");
    let public = Command::new("ssh-keygen")
        .args(["-y", "-f"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(public.status.success(), "{public:?}");
    assert_eq!(String::from_utf8(public.stdout).unwrap().trim(), key.text);
    let print = Command::new("ssh-keygen")
        .args(["-l", "-f"])
        .arg(path.with_extension("pub"))
        .output()
        .unwrap();
    assert!(
        String::from_utf8(print.stdout)
            .unwrap()
            .contains(&key.fingerprint)
    );

    // One that ssh-keygen made is used as it is.
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "theirs", "-f"])
        .arg(files.resolve("/k/theirs"))
        .status()
        .unwrap();
    assert!(made.success());
    assert!(
        keys::ensure(&files, "/k/theirs", "ours")
            .await
            .unwrap()
            .text
            .ends_with(" theirs")
    );
}
