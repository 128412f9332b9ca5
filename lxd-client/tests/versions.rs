//! Changes that are answered at once by 5.0 and with an operation by 6.x: the same calls do for
//! both, and nothing is taken for done before it is.

// A test's way to fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use lxd_client::testing::{Durations, Fake};
use lxd_client::{
    CertificateOptions, Client, ErrorKind, Identity, InstanceSource, Listing, Network, NetworkAcl,
    NetworkForward, NewInstance, Preseed, Profile, Project, Result, Started, StoragePool,
    StorageVolume,
};

async fn like(version: &str) -> (Fake, Client) {
    let fake = Fake::builder().like(version).start().await.unwrap();
    let lxd = Client::unix(fake.socket()).build().unwrap();
    (fake, lxd)
}

/// Ends a change and tells whether it went on in the background.
async fn ended(started: Result<Started>) -> bool {
    let done = started.unwrap().wait().await.unwrap();
    done.operation.is_some()
}

/// Goes through every change and tells of each whether it was an operation.
async fn changes(lxd: &Client) -> Vec<(&'static str, bool)> {
    let mut seen = Vec::new();
    let (projects, profiles) = (lxd.projects(), lxd.profiles());
    let (networks, pools, acls) = (lxd.networks(), lxd.storage_pools(), lxd.network_acls());

    seen.push((
        "pool made",
        ended(pools.create(&StoragePool::new("p", "dir")).await).await,
    ));
    let mut pool = pools.get("p").await.unwrap().into_inner();
    pool.description = "changed".into();
    seen.push(("pool changed", ended(pools.update(&pool, None).await).await));
    assert_eq!(pools.get("p").await.unwrap().description, "changed");

    let volume = StorageVolume::custom("v");
    seen.push((
        "volume made",
        ended(pools.create_volume("p", &volume).await).await,
    ));
    let change = pools
        .modify_volume("p", "v", |v| {
            v.config.insert("user.a".into(), "1".into());
        })
        .await
        .unwrap();
    seen.push(("volume changed", change.operation.is_some()));
    assert_eq!(pools.volume("p", "v").await.unwrap().config["user.a"], "1");
    seen.push((
        "volume renamed",
        ended(pools.rename_volume("p", "v", "w").await).await,
    ));
    seen.push((
        "volume deleted",
        ended(pools.delete_volume("p", "w").await).await,
    ));
    assert!(pools.volume("p", "w").await.unwrap_err().is_not_found());

    seen.push((
        "network made",
        ended(networks.create(&Network::bridge("n0")).await).await,
    ));
    let change = networks.modify("n0", |n| n.description = "changed".into());
    seen.push(("network changed", change.await.unwrap().operation.is_some()));
    let forward = NetworkForward::on("10.0.0.9");
    seen.push((
        "forward made",
        ended(networks.create_forward("n0", &forward).await).await,
    ));
    seen.push((
        "forward deleted",
        ended(networks.delete_forward("n0", "10.0.0.9").await).await,
    ));
    seen.push((
        "network renamed",
        ended(networks.rename("n0", "n1").await).await,
    ));
    seen.push(("network deleted", ended(networks.delete("n1").await).await));
    assert!(networks.get("n1").await.unwrap_err().is_not_found());

    seen.push((
        "ACL made",
        ended(acls.create(&NetworkAcl::named("a")).await).await,
    ));
    seen.push(("ACL deleted", ended(acls.delete("a").await).await));

    seen.push((
        "profile made",
        ended(profiles.create(&Profile::named("x")).await).await,
    ));
    let change = profiles.modify("x", |p| p.description = "changed".into());
    seen.push(("profile changed", change.await.unwrap().operation.is_some()));
    assert_eq!(profiles.get("x").await.unwrap().description, "changed");
    seen.push(("profile deleted", ended(profiles.delete("x").await).await));

    seen.push((
        "project made",
        ended(projects.create(&Project::named("q")).await).await,
    ));
    let change = projects.modify("q", |p| p.description = "changed".into());
    seen.push(("project changed", change.await.unwrap().operation.is_some()));
    seen.push(("project deleted", ended(projects.delete("q").await).await));
    assert!(projects.get("q").await.unwrap_err().is_not_found());

    seen.push(("pool deleted", ended(pools.delete("p").await).await));
    assert!(pools.get("p").await.unwrap_err().is_not_found());
    seen
}

#[tokio::test]
async fn every_change_may_be_an_operation() {
    let (_old_fake, old) = like("5.0.2").await;
    for (what, operation) in changes(&old).await {
        assert!(!operation, "{what}");
    }
    for (version, expected) in [("6.6", 5), ("6.7", 6), ("6.9", 17)] {
        let (_fake, new) = like(version).await;
        let seen = changes(&new).await;
        let operations = seen.iter().filter(|(_, operation)| *operation).count();
        assert_eq!(operations, expected, "{version}: {seen:?}");
    }
}

const SEED: &str = "config:\n  core.https_address: '[::]:8443'\n\
    networks: [{name: n0, type: bridge, config: {ipv4.address: 10.1.2.1/24}}]\n\
    storage_pools: [{name: default, driver: dir}]\n\
    storage_volumes: [{name: v, pool: default}]\n\
    projects: [{name: p, description: ours}]\n\
    profiles: [{name: default, devices: {root: {type: disk, path: /, pool: default}}}]\n";

#[tokio::test]
async fn a_preseed_does_for_every_version() {
    for version in ["5.0.2", "5.21", "6.1", "6.6", "6.9"] {
        let (_fake, lxd) = like(version).await;
        let preseed = Preseed::from_yaml(SEED).unwrap();
        assert!(!lxd.apply_preseed(&preseed).await.unwrap().is_empty());
        assert!(lxd.apply_preseed(&preseed).await.unwrap().is_empty());
        let bad = Preseed::from_yaml(
            "projects: [{name: q}]\nprofiles: [{name: x, config: {no.such: '1'}}]",
        );
        // Taken back, by whichever kind of answer.
        lxd.apply_preseed(&bad.unwrap()).await.unwrap_err();
        let missing = lxd.projects().get("q").await;
        assert!(missing.unwrap_err().is_not_found(), "{version}");
    }
}

#[tokio::test]
async fn a_duplicate_instance_is_a_conflict_however_it_is_told() {
    for (version, at_once) in [("5.0.2", false), ("6.9", true)] {
        let (_fake, lxd) = like(version).await;
        let pool = StoragePool::new("p", "dir");
        ended(lxd.storage_pools().create(&pool).await).await;
        let new = NewInstance::container("c", InstanceSource::Empty)
            .profiles(Vec::<String>::new())
            .device("root", [("type", "disk"), ("pool", "p"), ("path", "/")]);
        ended(lxd.instances().create(&new).await).await;
        let error = match lxd.instances().create(&new).await {
            Ok(started) => {
                assert!(!at_once, "{version}");
                started.wait().await.map(|_| ()).unwrap_err()
            }
            Err(e) => {
                assert!(at_once, "{version}");
                e
            }
        };
        assert!(error.is_conflict(), "{version}: {error}");
    }
}

#[tokio::test]
async fn a_token_goes_in_the_field_that_the_server_knows() {
    for version in ["5.0.2", "6.9"] {
        let (fake, lxd) = like(version).await;
        lxd.set_config([("core.https_address", "[::]:8443")])
            .await
            .unwrap();
        let me = Identity::generate("me").unwrap();
        let remote = Client::https(fake.url().unwrap(), fake.fingerprint())
            .identity(me)
            .build()
            .unwrap();
        let refused = remote
            .certificates()
            .trust_by_password(&"some".to_owned().into())
            .await
            .unwrap_err();
        assert!(
            refused.is_not_trusted() || refused.status() == Some(501),
            "{version}: {refused}"
        );
        let options = CertificateOptions::named("me");
        let token = lxd.certificates().make_token(&options).await.unwrap();
        remote.certificates().trust_by_token(&token).await.unwrap();
        assert!(remote.server().await.unwrap().is_trusted(), "{version}");
    }
}

/// What a server cannot narrow or widen, it would answer with the wrong things: it is not asked.
#[tokio::test]
async fn a_list_that_the_server_cannot_make_is_refused() {
    let (_fake, old) = like("5.0.2").await;
    let all = Listing::new().all_projects();
    let error = old.profiles().list_with(&all).await.unwrap_err();
    assert!(error.to_string().contains("LXD 6.3"), "{error}");
    let error = old.network_acls().list_with(&all).await.unwrap_err();
    assert!(error.to_string().contains("LXD 6.4"), "{error}");
    old.instances().list_with(&all).await.unwrap();
    let filter = Listing::new().filter("name eq x");
    let error = old.profiles().list_with(&filter).await.unwrap_err();
    assert_eq!(error.kind(), lxd_client::ErrorKind::Invalid, "{error}");
    let (_fake, new) = like("6.9").await;
    new.profiles().list_with(&all).await.unwrap();
    new.networks().list_with(&all).await.unwrap();
    new.images().list_with(&all).await.unwrap();
}

#[tokio::test]
async fn a_cluster_is_kept() {
    let (_fake, lxd) = like("5.0.2").await;
    let cluster = lxd.cluster();
    let error = cluster.enable("one").await.unwrap_err();
    assert!(error.message().contains("core.https_address"), "{error}");
    lxd.set_config([("core.https_address", "[::]:8443")])
        .await
        .unwrap();
    cluster.enable("one").await.unwrap();
    assert!(cluster.enable("two").await.is_err());
    assert_eq!(cluster.info().await.unwrap().server_name, "one");
    assert_eq!(lxd.cluster_members().await.unwrap()[0].status, "Online");
    cluster
        .modify_member("one", |m| m.description = "rack 1".into())
        .await
        .unwrap();
    assert_eq!(cluster.member("one").await.unwrap().description, "rack 1");
    ended(cluster.evacuate("one").await).await;
    assert_eq!(cluster.member("one").await.unwrap().status, "Evacuated");
    ended(cluster.restore("one").await).await;
    let missing = cluster.member("two").await;
    assert!(missing.unwrap_err().is_not_found());
    let alone = cluster.remove_member("one", false).await.map(|_| ());
    assert!(alone.unwrap_err().message().contains("only member"));
    let token = cluster.join_token("two").await.unwrap();
    assert!(!format!("{token:?}").contains("ey"));
    ended(cluster.rename_member("one", "first").await).await;
    assert_eq!(cluster.info().await.unwrap().server_name, "first");
    // Calls aim at one member.
    let aimed = lxd.target("first");
    assert!(format!("{aimed:?}").contains("first"));
    aimed.resources().await.unwrap();
}

/// What 5.20 and later answer to a wait that ends before the operation does, or whose operation
/// fails, is an error with status 200: neither is taken for trouble with the waiting.
#[tokio::test]
async fn a_wait_may_answer_with_an_error() {
    for version in ["5.0.2", "5.20", "6.9"] {
        let mut durations = Durations::default();
        durations.create_container = Duration::from_millis(1500);
        let fake = Fake::builder().like(version).durations(durations);
        let fake = fake.start().await.unwrap();
        let lxd = Client::unix(fake.socket()).build().unwrap();
        let pools = lxd.storage_pools();
        ended(pools.create(&StoragePool::new("p", "dir")).await).await;
        let new = NewInstance::container("c", InstanceSource::Empty)
            .profiles(Vec::<String>::new())
            .device("root", [("type", "disk"), ("pool", "p"), ("path", "/")]);
        let instances = lxd.instances();
        ended(instances.create(&new).await).await;
        // It has nothing to start from.
        let started = instances.start("c").await.unwrap();
        let error = started.wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OperationFailed, "{error}");
        assert!(error.message().contains("root file system"), "{error}");
        assert!(!error.is_unclear(), "{error}");
    }
}
