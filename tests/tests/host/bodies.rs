//! What must hold of a port, whoever plays it.

use std::net::Ipv4Addr;
use std::time::Duration;

use cloudboot::host::bridge::BridgeState;
use cloudboot::host::nat::NatSpec;
use cloudboot::host::postgres::{DatabaseSpec, Password};
use cloudboot::host::{Host, Kind, Nat, Postgres, Snaps};
use secrecy::SecretString;

/// A role with its database: made once, told when it stands, checked by a login, gone without a trace.
pub(crate) async fn database(postgres: &dyn Postgres) {
    assert!(postgres.version().await.unwrap() >= 120_000);
    let spec = |password: &str| DatabaseSpec {
        role: "ma\"as".into(),
        password: SecretString::from(password),
        database: "maas's db".into(),
    };
    let (right, wrong) = (spec("it's \\ a p\u{e4}ssword"), spec("other"));
    let state = postgres.observe(&right).await.unwrap();
    assert!(
        !state.role && state.owner.is_none() && state.password == Password::Unknown,
        "{state:?}"
    );

    let early = postgres
        .create_database(&right.database, &right.role, "cloud-a")
        .await
        .unwrap_err();
    assert!(early.is_not_found(), "a database needs its owner: {early}");
    postgres
        .create_role(&right.role, &right.password, "cloud-a")
        .await
        .unwrap();
    let again = postgres
        .create_role(&right.role, &right.password, "cloud-a")
        .await
        .unwrap_err();
    assert_eq!(
        (again.kind(), again.code()),
        (Kind::Conflict, Some("42710"))
    );
    postgres
        .create_database(&right.database, &right.role, "cloud-a")
        .await
        .unwrap();
    let again = postgres
        .create_database(&right.database, &right.role, "cloud-a")
        .await
        .unwrap_err();
    assert_eq!(
        (again.kind(), again.code()),
        (Kind::Conflict, Some("42P04"))
    );

    let state = postgres.observe(&right).await.unwrap();
    assert_eq!(
        (state.role, state.password, state.owner.as_deref()),
        (true, Password::Verified, Some("ma\"as"))
    );
    assert_eq!(
        (state.role_mark.as_deref(), state.database_mark.as_deref()),
        (Some("cloud-a"), Some("cloud-a"))
    );
    assert_eq!(
        postgres.observe(&wrong).await.unwrap().password,
        Password::Wrong
    );
    postgres
        .set_password(&wrong.role, &wrong.password)
        .await
        .unwrap();
    assert_eq!(
        postgres.observe(&wrong).await.unwrap().password,
        Password::Verified
    );

    let owner = postgres.drop_role(&right.role).await.unwrap_err();
    assert!(owner.is_conflict(), "an owner cannot go first: {owner}");
    assert!(postgres.drop_database(&right.database).await.unwrap());
    assert!(!postgres.drop_database(&right.database).await.unwrap());
    assert!(postgres.drop_role(&right.role).await.unwrap());
    assert!(!postgres.drop_role(&right.role).await.unwrap());
}

/// What snapd answers to questions about what is not there.
pub(crate) async fn snaps_absent(snaps: &Snaps) {
    let info = snaps.system_info().await.unwrap();
    assert_eq!(info.series, "16");
    assert!(snaps.get("maas").await.unwrap().is_none());
    let gone = snaps.remove("maas", true).await.unwrap_err();
    assert_eq!(
        (gone.kind(), gone.code()),
        (Kind::NotFound, Some("snap-not-installed")),
        "{gone}"
    );
    let gone = snaps.refresh("maas", "3.4/stable").await.unwrap_err();
    assert_eq!(
        (gone.kind(), gone.code()),
        (Kind::NotFound, Some("snap-not-installed")),
        "{gone}"
    );
    assert!(snaps.services("maas").await.unwrap_err().is_not_found());
    assert!(
        snaps
            .change(&cloudboot::host::snaps::ChangeId("4711".into()))
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(snaps.changes_in_progress("maas").await.unwrap().is_empty());
}

/// Our table: applied twice, replaced, removed twice.
pub(crate) async fn nat(nat: &Nat) {
    let first = NatSpec {
        source: "10.42.0.0/16".parse().unwrap(),
        out_interface: "eno2".into(),
        to: None,
    };
    let second = NatSpec {
        to: Some(Ipv4Addr::new(192, 0, 2, 10)),
        ..first.clone()
    };
    assert!(!nat.observe().await.unwrap().table);
    for spec in [&first, &first, &second] {
        nat.apply(spec, "cloud-a").await.unwrap();
        let state = nat.observe().await.unwrap();
        assert!(state.satisfies(spec), "{state:?}");
        assert_eq!(state.mark.as_deref(), Some("cloud-a"));
    }
    for _ in 0..2 {
        nat.remove().await.unwrap();
        let state = nat.observe().await.unwrap();
        assert!(
            !state.table && state.persisted.is_none() && state.mark.is_none(),
            "{state:?}"
        );
    }
}

/// The bridge takes the NIC's address, is made once, and gives everything back, comments and all.
pub(crate) async fn bridge(host: &Host, nic: &str, rollback: Duration) {
    let file = "/etc/netplan/50-cloud-init.yaml";
    let before = host.files.read(file).await.unwrap();
    let mode = host.files.mode(file).await.unwrap();
    let address = "10.42.0.1".parse().unwrap();
    let mac = host.interface_of(address).await.unwrap().unwrap().mac;
    assert_eq!(
        host.observe_bridge(nic, "br0").await.unwrap(),
        BridgeState::Absent
    );
    for _ in 0..2 {
        host.create_bridge(nic, "br0", "cloud-a", rollback)
            .await
            .unwrap();
        let BridgeState::Ready { addresses } = host.observe_bridge(nic, "br0").await.unwrap()
        else {
            panic!("not ready")
        };
        assert!(
            addresses.iter().any(|a| a.to_string() == "10.42.0.1/16"),
            "{addresses:?}"
        );
    }
    assert_eq!(
        host.bridge_mark("br0").await.unwrap().as_deref(),
        Some("cloud-a")
    );
    let link = host.interface_of(address).await.unwrap().unwrap();
    assert_eq!(
        (link.name.as_str(), link.mac),
        ("br0", mac),
        "the bridge has the NIC's own hardware address"
    );
    assert_eq!(
        host.files
            .mode("/etc/netplan/60-cloudboot.yaml")
            .await
            .unwrap(),
        0o600
    );
    // Nothing is on trial any more: it stands after the rollback's time.
    assert!(host.netplan.pending().await.unwrap().is_empty());
    for _ in 0..2 {
        host.remove_bridge(nic, "br0", rollback).await.unwrap();
        assert_eq!(
            host.observe_bridge(nic, "br0").await.unwrap(),
            BridgeState::Absent
        );
    }
    assert_eq!(host.interface_of(address).await.unwrap().unwrap().name, nic);
    assert!(
        !host
            .interfaces()
            .await
            .unwrap()
            .iter()
            .any(|l| l.name == "br0"),
        "no empty bridge stays behind"
    );
    assert_eq!(
        String::from_utf8_lossy(&host.files.read(file).await.unwrap()),
        String::from_utf8_lossy(&before),
        "comments and all"
    );
    assert_eq!(host.files.mode(file).await.unwrap(), mode);
    assert!(
        !host
            .files
            .exists("/etc/netplan/60-cloudboot.yaml")
            .await
            .unwrap()
    );
}
