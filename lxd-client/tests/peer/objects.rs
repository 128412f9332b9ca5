//! Server, projects, profiles, networks, pools, preseed: what exists, what does not, what changed.

use lxd_client::{ErrorKind, Network, Preseed, Profile, Project, Request, StoragePool};

use crate::stage::{NO_IMAGE, POOL, Stage, bodies, ended, refused};

bodies!(
    tells_what_it_is,
    refuses_duplicates,
    tells_what_is_missing,
    guards_writes_by_etag,
    preseeds_twice,
    preseeds_over_what_stands,
    takes_a_failed_preseed_back,
    refuses_bad_values,
    changes_the_servers_own_keys,
    takes_any_request,
);

async fn tells_what_it_is(stage: Stage) {
    let server = stage.lxd.server().await.unwrap();
    assert!(server.is_trusted());
    assert_eq!(server.environment.certificate_fingerprint.len(), 64);
    for extension in ["projects", "virtual-machines", "custom_block_volumes"] {
        assert!(server.has_extension(extension));
    }
    stage.lxd.require("a test", &["projects"]).await.unwrap();
    let known = match stage.like() {
        "5.0.2" => 318,
        "5.21.7" => 442,
        _ => 475,
    };
    if server.environment.server_version == stage.like() {
        assert_eq!(server.api_extensions.len(), known);
    }
    let newer = stage.lxd.require("a test", &["operation_wait"]).await;
    if stage.since(5, 21) {
        newer.unwrap();
    } else {
        let error = newer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingExtension);
        let told = error.to_string();
        assert!(
            told.contains("operation_wait (in LXD 5.0.3 and later)"),
            "{told}"
        );
    }
    let resources = stage.lxd.resources().await.unwrap();
    assert!(resources.cpu.total > 0 && resources.memory.total > 0);
    let pool = stage.lxd.storage_pools().resources(POOL).await.unwrap();
    assert!(pool.space.total > 0 && pool.space.free() <= pool.space.total);
    assert!(
        stage
            .lxd
            .networks()
            .list()
            .await
            .unwrap()
            .iter()
            .any(|n| !n.managed)
    );
}

async fn refuses_duplicates(stage: Stage) {
    let lxd = &stage.lxd;
    let project = Project::named(stage.name("p"));
    let profile = Profile::named(stage.name("p"));
    let network = Network::bridge("cbtdup0");
    let pool = StoragePool::new(POOL, "dir");
    let _ = ended(lxd.projects().delete(&project.name).await).await;
    let _ = ended(lxd.profiles().delete(&profile.name).await).await;
    let _ = ended(lxd.networks().delete(&network.name).await).await;
    lxd.projects()
        .create(&project)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    lxd.profiles()
        .create(&profile)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    lxd.networks()
        .create(&network)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();

    // LXD tells these in three different ways; all are conflicts here.
    let error = refused(lxd.projects().create(&project).await).await;
    assert!(
        error.is_conflict() && error.status() == Some(409),
        "{error}"
    );
    let error = refused(lxd.profiles().create(&profile).await).await;
    assert!(
        error.is_conflict() && error.status() == Some(500),
        "{error}"
    );
    let error = refused(lxd.networks().create(&network).await).await;
    assert!(
        error.is_conflict() && error.status() == Some(400),
        "{error}"
    );
    let error = refused(lxd.storage_pools().create(&pool).await).await;
    assert!(
        error.is_conflict() && error.status() == Some(409),
        "{error}"
    );

    lxd.projects()
        .delete(&project.name)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    lxd.profiles()
        .delete(&profile.name)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    lxd.networks()
        .delete(&network.name)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
}

async fn tells_what_is_missing(stage: Stage) {
    let lxd = &stage.lxd;
    let none = "cbt-there-is-none";
    assert!(lxd.projects().get(none).await.unwrap_err().is_not_found());
    assert!(lxd.profiles().get(none).await.unwrap_err().is_not_found());
    assert!(lxd.networks().get(none).await.unwrap_err().is_not_found());
    assert!(
        lxd.storage_pools()
            .get(none)
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(lxd.instances().get(none).await.unwrap_err().is_not_found());
    let image = lxd.images().get(NO_IMAGE).await;
    assert!(image.unwrap_err().is_not_found());
    assert!(lxd.images().alias(none).await.unwrap_err().is_not_found());
    assert!(
        lxd.profiles()
            .delete(none)
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(
        lxd.instances()
            .delete(none)
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(
        lxd.instances()
            .start(none)
            .await
            .unwrap_err()
            .is_not_found()
    );
    let error = lxd
        .operations()
        .get(&lxd_client::OperationId::new(none))
        .await
        .unwrap_err();
    assert!(error.is_not_found());
    let error = lxd
        .get::<serde_json::Value>("/1.0/nothing-of-the-kind")
        .await
        .unwrap_err();
    assert!(error.is_not_found());
    assert!(
        lxd.project(none)
            .profiles()
            .get("default")
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(lxd.operations().list().await.is_ok());
}

async fn guards_writes_by_etag(stage: Stage) {
    let lxd = &stage.lxd;
    let mut profile = Profile::named(stage.name("p"));
    let _ = lxd.profiles().delete(&profile.name).await;
    lxd.profiles()
        .create(&profile)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    let read = lxd.profiles().get(&profile.name).await.unwrap();
    let etag = read.etag().cloned().expect("profiles have ETags");
    profile.config.insert("user.a".into(), "1".into());
    lxd.profiles()
        .update(&profile, Some(&etag))
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    profile.config.insert("user.a".into(), "2".into());
    let error = refused(lxd.profiles().update(&profile, Some(&etag)).await).await;
    assert!(
        error.is_precondition_failed() && error.is_retryable(),
        "{error}"
    );
    assert_eq!(
        lxd.profiles().get(&profile.name).await.unwrap().config["user.a"],
        "1"
    );
    lxd.profiles()
        .delete(&profile.name)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    // Pools have none in 5.0.2, as in it they tell none.
    let pool = lxd.storage_pools().get(POOL).await.unwrap();
    assert_eq!(pool.etag().is_some(), stage.since(5, 21));
}

fn preseed(stage: &Stage, extra: &str) -> Preseed {
    Preseed::from_yaml(&format!(
        "config:\n  core.https_address: '[::]:8443'\n  core.trust_password: some_password\nnetworks:\n- name: cbtpre0\n  type: bridge\n  config:\n    ipv4.address: 10.98.7.1/24\n    ipv6.address: none\nstorage_pools:\n- config: {{}}\n  description: ''\n  name: cbt-pre\n  driver: dir\nprojects:\n- name: {0}\n  description: ours\nprofiles:\n- name: {0}\n  config:\n    limits.cpu: 2\n  devices:\n    eth0:\n      name: eth0\n      nictype: bridged\n      parent: br0\n      type: nic\n    root:\n      path: /\n      pool: cbt-pre\n      type: disk\n{extra}cluster: null\n",
        stage.prefix
    ))
    .unwrap()
}

async fn forget(stage: &Stage) {
    let lxd = &stage.lxd;
    let _ = ended(lxd.profiles().delete(&stage.prefix).await).await;
    let _ = ended(lxd.projects().delete(&stage.prefix).await).await;
    let _ = ended(lxd.networks().delete("cbtpre0").await).await;
    let _ = ended(lxd.storage_pools().delete("cbt-pre").await).await;
    lxd.set_config([("core.https_address", "")]).await.unwrap();
    stage.password("").await;
}

async fn preseeds_twice(stage: Stage) {
    forget(&stage).await;
    let lxd = &stage.lxd;
    let preseed = preseed(&stage, "");
    let plan = lxd.plan_preseed(&preseed).await.unwrap();
    let objects: Vec<&str> = plan.changes.iter().map(|c| c.object.as_str()).collect();
    let (project, profile) = (
        format!("project {}", stage.prefix),
        format!("profile {}", stage.prefix),
    );
    assert_eq!(
        objects,
        [
            "server configuration",
            "storage pool cbt-pre",
            "network cbtpre0",
            &project,
            &profile
        ]
    );
    assert!(!plan.to_string().contains("some_password"), "{plan}");
    assert!(
        lxd.storage_pools()
            .get("cbt-pre")
            .await
            .unwrap_err()
            .is_not_found()
    );

    let done = lxd.apply_preseed(&preseed).await.unwrap();
    assert_eq!(done.changes, plan.changes);
    let plan = lxd.plan_preseed(&preseed).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert!(lxd.apply_preseed(&preseed).await.unwrap().is_empty());
    let profile = lxd.profiles().get(&stage.prefix).await.unwrap();
    assert_eq!(profile.devices["root"]["pool"], "cbt-pre");
    assert_eq!(profile.config["limits.cpu"], "2");
    let network = lxd.networks().get("cbtpre0").await.unwrap();
    assert_eq!(network.config["ipv4.address"], "10.98.7.1/24");
    let server = lxd.server().await.unwrap();
    let password = server.config.get("core.trust_password");
    assert_eq!(password.is_some_and(|p| p == "true"), !stage.since(6, 1));
    forget(&stage).await;
}

async fn preseeds_over_what_stands(stage: Stage) {
    forget(&stage).await;
    let lxd = &stage.lxd;
    // Made by hand before, with keys that the preseed does not name.
    let pool = StoragePool::new("cbt-pre", "dir");
    lxd.storage_pools()
        .create(&pool)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    let mut profile = Profile::named(&stage.prefix);
    profile.description = "by hand".into();
    profile.config.insert("user.kept".into(), "yes".into());
    profile.config.insert("limits.cpu".into(), "1".into());
    lxd.profiles()
        .create(&profile)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();

    let preseed = preseed(&stage, "");
    let plan = lxd.plan_preseed(&preseed).await.unwrap();
    let change = plan
        .changes
        .iter()
        .find(|c| c.object.starts_with("profile"))
        .unwrap();
    assert!(!change.create);
    assert!(
        change
            .differs
            .contains(&"config.limits.cpu: 1 -> 2".to_owned()),
        "{plan}"
    );
    lxd.apply_preseed(&preseed).await.unwrap();
    let now = lxd.profiles().get(&stage.prefix).await.unwrap();
    assert_eq!(now.config["user.kept"], "yes");
    assert_eq!(now.config["limits.cpu"], "2");
    assert_eq!(now.description, "by hand");

    let other = Preseed::from_yaml("storage_pools: [{name: cbt-pre, driver: btrfs}]").unwrap();
    let error = lxd.plan_preseed(&other).await.unwrap_err();
    assert!(
        error.is_conflict() && error.to_string().contains("\"dir\""),
        "{error}"
    );
    forget(&stage).await;
}

async fn takes_a_failed_preseed_back(stage: Stage) {
    forget(&stage).await;
    let lxd = &stage.lxd;
    let bad = preseed(&stage, "- name: cbt-bad\n  config:\n    no.such.key: '1'\n");
    let error = lxd.apply_preseed(&bad).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("profile cbt-bad") && text.contains("no.such.key"),
        "{text}"
    );
    assert!(
        lxd.storage_pools()
            .get("cbt-pre")
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(
        lxd.networks()
            .get("cbtpre0")
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(
        lxd.projects()
            .get(&stage.prefix)
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(
        lxd.profiles()
            .get(&stage.prefix)
            .await
            .unwrap_err()
            .is_not_found()
    );
    let server = lxd.server().await.unwrap();
    assert!(!server.config.contains_key("core.trust_password"));
    assert!(!server.config.contains_key("core.https_address"));
}

async fn refuses_bad_values(stage: Stage) {
    let lxd = &stage.lxd;
    let error = lxd.set_config([("no.such.key", "1")]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Refused, Some(400)),
        "{error}"
    );
    let mut network = Network::bridge("cbtbad0");
    network
        .config
        .insert("ipv4.address".into(), "not an address".into());
    let error = refused(lxd.networks().create(&network).await).await;
    let kind = stage.refusal_of_network_or_pool();
    assert_eq!((error.kind(), error.status()), (kind, Some(500)), "{error}");
    let mut profile = Profile::named(stage.name("p"));
    profile.config.insert("bogus".into(), "1".into());
    let error = refused(lxd.profiles().create(&profile).await).await;
    assert_eq!(error.status(), Some(400), "{error}");
    // A number where a string should be, which our own types cannot send.
    let body = serde_json::json!({"name": "x", "config": {"limits.cpu": 2}});
    let error = lxd
        .send(lxd_client::Request::post("/1.0/profiles").json(body))
        .await
        .unwrap_err();
    assert!(
        error.message().contains("cannot unmarshal number"),
        "{error}"
    );
}

async fn changes_the_servers_own_keys(stage: Stage) {
    let lxd = &stage.lxd;
    let interval = "images.auto_update_interval";
    stage.password("kept").await;
    lxd.set_config([("user.cbt", "1"), (interval, "7")])
        .await
        .unwrap();
    // Read, changed, written whole: what is left out goes (not the user's own keys, which 5.0.2
    // keeps until they are set to nothing), what reads as `true` stays.
    lxd.modify_config(|keys| {
        assert_eq!(keys.remove(interval).as_deref(), Some("7"));
        keys.remove("user.cbt");
        keys.insert("user.cbt2".into(), "2".into());
    })
    .await
    .unwrap();
    let server = lxd.server().await.unwrap();
    assert_eq!(server.config["user.cbt2"], "2");
    assert_eq!(server.config["user.cbt"], "1");
    assert!(!server.config.contains_key(interval));
    let password = server.config.get("core.trust_password");
    assert_eq!(password.is_some_and(|p| p == "true"), !stage.since(6, 1));
    let bad = lxd.modify_config(|keys| {
        keys.insert("no.such.key".into(), "1".into());
    });
    assert_eq!(bad.await.unwrap_err().kind(), ErrorKind::Refused);
    stage.password("").await;
    lxd.set_config([("user.cbt", ""), ("user.cbt2", "")])
        .await
        .unwrap();
}

/// Endpoints that have no call here are reached all the same.
async fn takes_any_request(stage: Stage) {
    let lxd = &stage.lxd;
    let name = stage.name("p");
    let at = format!("/1.0/profiles/{name}");
    let _ = lxd.profiles().delete(&name).await;
    let new = Request::post("/1.0/profiles").json(serde_json::json!({"name": name}));
    lxd.change(new).await.unwrap().wait().await.unwrap();
    let read = lxd.fetch::<Profile>(Request::get(&at)).await.unwrap();
    let etag = read.etag().cloned().unwrap();
    let body = serde_json::json!({"config": {"user.a": "1"}});
    let patch = Request::patch(&at).json(body.clone());
    lxd.change(patch).await.unwrap().wait().await.unwrap();
    let stale = Request::put(&at).json(body).if_match(etag);
    assert!(lxd.send(stale).await.unwrap_err().is_precondition_failed());
    let listed = Request::get("/1.0/profiles").query("recursion", "1");
    let listed: Vec<Profile> = lxd.send(listed).await.unwrap().decode("a list").unwrap();
    let mine = listed.iter().find(|p| p.name == name).unwrap();
    assert_eq!(mine.config["user.a"], "1");
    let wrong = lxd.get::<Vec<String>>(&at).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Protocol, "{wrong}");
    let gone = Request::delete(&at);
    lxd.change(gone).await.unwrap().wait().await.unwrap();
    let head = lxd.send(Request::head(&at)).await;
    assert!(head.is_err());
}
