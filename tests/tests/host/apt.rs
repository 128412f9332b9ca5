//! apt, dpkg and their locks, on the Debian in namespaces, with packages of our own making.

use std::time::{Duration, Instant};

use cloudboot::host::Kind;
use cloudboot_tests::peer;

use crate::systemd::{NETWORK, host, inside};

/// Two packages in two versions, one of which needs the other, as a repository in a folder.
const REPOSITORY: &str = r#"set -e
rm -rf /srv/apt; mkdir -p /srv/apt; cd /srv/apt
make() { # name version depends
  mkdir -p build/DEBIAN
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: us <us@example.com>\nDescription: ours\n%s' "$1" "$2" "$3" >build/DEBIAN/control
  dpkg-deb --root-owner-group -b build "$1_$2.deb" >/dev/null; rm -rf build
  dpkg-deb -f "$1_$2.deb" >>Packages
  printf 'Filename: ./%s_%s.deb\nSize: %s\nSHA256: %s\n\n' "$1" "$2" "$(stat -c %s "$1_$2.deb")" "$(sha256sum "$1_$2.deb" | cut -d' ' -f1)" >>Packages
}
make cb-server 1.0 'Depends: cb-common
'
make cb-server 2.0 'Depends: cb-common
'
make cb-common 1.0 ''
make cb-guest 1.0 'Depends: cb-common
'
mkdir -p /srv/apt/lists
echo 'deb [trusted=yes] file:/srv/apt ./' >/etc/apt/sources.list
rm -f /etc/apt/sources.list.d/*
"#;

/// Holds a lock as apt and dpkg do, for so many seconds.
const HOLD: &str = "import fcntl, sys, time\nf = open(sys.argv[1], 'w')\nfcntl.lockf(f, fcntl.LOCK_EX)\nopen('/run/held', 'w')\ntime.sleep(float(sys.argv[2]))\n";

/// Takes a lock in the machine; it is given back after so long.
fn held(pid: &str, lock: &str, seconds: &str) {
    inside(pid, &["rm", "-f", "/run/held"]);
    inside(
        pid,
        &[
            "systemd-run",
            "-q",
            "--collect",
            "python3",
            "-c",
            HOLD,
            lock,
            seconds,
        ],
    );
    let until = Instant::now() + Duration::from_secs(20);
    let there = std::path::PathBuf::from(format!("/proc/{pid}/root/run/held"));
    while !there.exists() {
        assert!(Instant::now() < until, "nobody holds {lock}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_the_lock_is_waited_for() {
    let Some(pid) = peer("systemd") else { return };
    let _one = NETWORK.lock().await;
    inside(&pid, &["bash", "-c", REPOSITORY]);
    let packages = host(&pid).packages;

    // apt's lists: it does not wait by itself.
    held(&pid, "/var/lib/apt/lists/lock", "4");
    let from = Instant::now();
    packages.update().await.unwrap();
    assert!(
        from.elapsed() >= Duration::from_secs(3),
        "{:?}",
        from.elapsed()
    );

    // dpkg's own.
    let brings = packages.would_install(&["cb-server=1.0"]).await.unwrap();
    assert_eq!(brings.len(), 2, "{brings:?}");
    assert!(
        ["cb-server", "cb-common"]
            .iter()
            .all(|name| brings.iter().any(|it| it == name))
    );
    for name in ["cb-server", "cb-common"] {
        assert_eq!(packages.installed(name).await.unwrap(), None, "only asked");
    }
    held(&pid, "/var/lib/dpkg/lock-frontend", "4");
    let from = Instant::now();
    packages.install(&["cb-server=1.0"]).await.unwrap();
    assert!(
        from.elapsed() >= Duration::from_secs(3),
        "{:?}",
        from.elapsed()
    );
    println!("waited {:?} for dpkg's lock", from.elapsed());
    assert_eq!(
        packages.installed("cb-server").await.unwrap().as_deref(),
        Some("1.0"),
        "pinned"
    );
    assert_eq!(
        packages.installed("cb-common").await.unwrap().as_deref(),
        Some("1.0")
    );

    // What is there stays as it is.
    packages.install(&["cb-server"]).await.unwrap();
    assert_eq!(
        packages.installed("cb-server").await.unwrap().as_deref(),
        Some("1.0")
    );
    assert!(
        packages
            .would_install(&["cb-server"])
            .await
            .unwrap()
            .is_empty()
    );

    // Who needs what we would take away is seen beforehand.
    packages.install(&["cb-guest"]).await.unwrap();
    let going = packages
        .would_remove(&["cb-server", "cb-common"])
        .await
        .unwrap();
    assert!(going.iter().any(|name| name == "cb-guest"), "{going:?}");
    assert_eq!(
        packages.would_remove(&["cb-server"]).await.unwrap(),
        ["cb-server"]
    );
    packages.remove(&["cb-server"], true).await.unwrap();
    packages.remove(&["cb-server"], true).await.unwrap();
    assert_eq!(packages.installed("cb-server").await.unwrap(), None);
    assert!(packages.installed("cb-guest").await.unwrap().is_some());
    packages
        .remove(&["cb-guest", "cb-common"], true)
        .await
        .unwrap();

    let error = packages.install(&["no-such-package"]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    let error = packages.install(&["cb-server=3.0"]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
}
