//! What the fake offers beyond a real LXD: virtual time, a world inside the instances, a state
//! that is kept, a tap for faults.

// A test's way to fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use lxd_client::testing::{
    Durations, ExecResult, Fake, Handle, InstanceChange, InstanceView, InstanceWorld, Phase,
    Verdict,
};
use lxd_client::{
    Client, Event, EventFilter, Exec, FileOptions, Identity, ImageImport, ImageRemote,
    InstanceSource, InstanceStatus, NewInstance, Preseed,
};

const SEED: &str = "config:\n  core.https_address: '[::]:8443'\n  core.trust_password: some_password\nstorage_pools:\n- {config: {}, description: '', name: default, driver: dir}\nprofiles:\n- config: {}\n  description: ''\n  devices:\n    eth0: {name: eth0, nictype: bridged, parent: br0, type: nic}\n    root: {path: /, pool: default, type: disk}\n  name: default\nnetworks: []\nprojects: []\ncluster: null\n";

fn ubuntu(name: &str) -> NewInstance {
    let source = InstanceSource::Remote {
        remote: ImageRemote::ubuntu(),
        alias: "22.04".into(),
    };
    NewInstance::container(name, source)
}

fn client(fake: &Fake) -> Client {
    Client::unix(fake.socket()).build().unwrap()
}

/// What runs inside: it writes a file once its instance starts, as cloud-init would.
#[derive(Default)]
struct Inside {
    seen: Mutex<Vec<(String, InstanceChange)>>,
    handle: Mutex<Option<Handle>>,
}

#[async_trait]
impl InstanceWorld for Inside {
    async fn changed(&self, instance: InstanceView) {
        let seen = (instance.name.clone(), instance.change);
        self.seen.lock().unwrap().push(seen);
        if instance.change == InstanceChange::Started {
            let asked = instance.config["user.user-data"].clone();
            let handle = self.handle.lock().unwrap().clone().unwrap();
            let path = "/var/lib/done/user-data";
            handle
                .put_file(&instance.project, &instance.name, path, asked)
                .unwrap();
        }
    }

    async fn exec(&self, _: InstanceView, command: Vec<String>, _: Bytes) -> Option<ExecResult> {
        (command == ["juju", "version"]).then(|| ExecResult {
            stdout: b"3.1.10\n".to_vec(),
            ..ExecResult::default()
        })
    }
}

#[tokio::test]
async fn a_world_lives_inside_the_instances() {
    let inside = Arc::new(Inside::default());
    let fake = Fake::builder().world(inside.clone()).start().await.unwrap();
    *inside.handle.lock().unwrap() = Some(fake.handle());
    let lxd = client(&fake);
    lxd.apply_preseed(&Preseed::from_yaml(SEED).unwrap())
        .await
        .unwrap();
    let instances = lxd.instances();
    let new = ubuntu("boot").user_data("#cloud-config\n");
    instances.create(&new).await.unwrap().wait().await.unwrap();
    let files = instances.files("boot");
    let key = FileOptions::mode(0o600);
    files.write("/root/key", "secret", key).await.unwrap();
    assert_eq!(
        fake.file("default", "boot", "/root/key").unwrap().mode,
        0o600
    );
    let done = "/var/lib/done/user-data";
    assert_eq!(files.read_if_there(done).await.unwrap(), None);
    instances.start("boot").await.unwrap().wait().await.unwrap();
    // Told before whoever waited was answered.
    assert_eq!(files.read(done).await.unwrap(), "#cloud-config\n");
    let out = instances
        .exec("boot", &Exec::new(["juju", "version"]))
        .await;
    assert_eq!(&out.unwrap().stdout[..], b"3.1.10\n");
    instances.delete_forced("boot").await.unwrap();
    let told: Vec<InstanceChange> = inside.seen.lock().unwrap().iter().map(|s| s.1).collect();
    use InstanceChange::{Created, Deleted, Started, Stopped};
    assert_eq!(told, [Created, Started, Stopped, Deleted]);
    assert_eq!(fake.counts()["instance:boot"], 1);
    // The image that the instance was made of stays, as in the real one.
    assert!(lxd.images().list().await.unwrap()[0].cached);
}

#[tokio::test]
async fn time_is_the_worlds() {
    let now = Arc::new(AtomicU64::new(0));
    let clock = now.clone();
    let mut durations = Durations::default();
    durations.image_download = Duration::from_secs(90);
    durations.create_container = Duration::from_secs(10);
    let fake = Fake::builder()
        .clock(Arc::new(move || {
            Duration::from_secs(clock.load(Ordering::SeqCst))
        }))
        .durations(durations)
        .start()
        .await
        .unwrap();
    let lxd = client(&fake);
    lxd.apply_preseed(&Preseed::from_yaml(SEED).unwrap())
        .await
        .unwrap();
    let started = lxd.instances().create(&ubuntu("c")).await.unwrap();
    let mut progress = Box::pin(started.progress());
    assert!(progress.next().await.is_some());
    now.store(50, Ordering::SeqCst);
    assert!(!lxd.instances().exists("c").await.unwrap());
    let seen = progress.next().await.unwrap();
    assert_eq!(seen.progress(), Some("rootfs: 50% (50.00MB/s)"));
    now.store(100, Ordering::SeqCst);
    started.wait().await.unwrap();
    assert!(lxd.instances().exists("c").await.unwrap());
}

#[tokio::test]
async fn the_state_outlives_the_server() {
    let saved = Arc::new(AtomicU64::new(0));
    let counter = saved.clone();
    let mut durations = Durations::default();
    durations.start = Duration::from_millis(300);
    let fake = Fake::builder()
        .durations(durations)
        .changed(Arc::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        }))
        .start()
        .await
        .unwrap();
    let lxd = client(&fake);
    lxd.apply_preseed(&Preseed::from_yaml(SEED).unwrap())
        .await
        .unwrap();
    let me = Identity::generate("me").unwrap();
    let (url, print) = (fake.url().unwrap(), fake.fingerprint());
    let remote = Client::https(url, print.clone())
        .identity(me.clone())
        .build()
        .unwrap();
    let password = "some_password".to_owned().into();
    remote
        .certificates()
        .trust_by_password(&password)
        .await
        .unwrap();
    let instances = lxd.instances();
    instances
        .create(&ubuntu("c"))
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    assert!(saved.load(Ordering::SeqCst) > 3);
    // An operation in flight goes on in the next life: the world does not end with the program.
    let started = instances.start("c").await.unwrap();
    let snapshot = fake.snapshot();
    drop(fake);
    let error = started.wait().await.unwrap_err();
    assert!(error.is_unclear() && error.is_connection(), "{error}");

    let fake = Fake::builder().restore(snapshot).start().await.unwrap();
    assert_eq!(fake.fingerprint(), print);
    let remote = Client::https(fake.url().unwrap(), print)
        .identity(me)
        .build()
        .unwrap();
    assert!(remote.server().await.unwrap().is_trusted());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let state = remote.instances().state("c").await.unwrap();
    assert_eq!(state.status, InstanceStatus::Running);
    assert_eq!(fake.counts()["instance"], 1);
}

#[tokio::test]
async fn events_out_of_order_fool_nobody() {
    let fake = Fake::builder().events_out_of_order().start().await.unwrap();
    let lxd = client(&fake);
    lxd.apply_preseed(&Preseed::from_yaml(SEED).unwrap())
        .await
        .unwrap();
    let mut events = lxd.events(EventFilter::default()).await.unwrap();
    let started = lxd.instances().create(&ubuntu("c")).await.unwrap();
    let id = started.id().unwrap().as_str().to_owned();
    started.wait().await.unwrap();
    let mut codes = Vec::new();
    while codes.len() < 3 {
        if let Some(Ok(Event::Operation { operation, .. })) = events.next().await
            && operation.id == id
        {
            codes.push(operation.status_code);
        }
    }
    assert_eq!(codes, [200, 105, 103]);
}

#[tokio::test]
async fn faults_are_told_for_what_they_are() {
    let next: Arc<Mutex<Option<(Phase, Verdict)>>> = Arc::default();
    let wanted = next.clone();
    let fake = Fake::builder()
        .tap(Arc::new(move |phase, _label| {
            let mut next = wanted.lock().unwrap();
            let verdict = match next.take() {
                Some((at, verdict)) if at == phase => verdict,
                other => {
                    *next = other;
                    Verdict::Continue
                }
            };
            Box::pin(async move { verdict })
        }))
        .start()
        .await
        .unwrap();
    let lxd = client(&fake);
    lxd.apply_preseed(&Preseed::from_yaml(SEED).unwrap())
        .await
        .unwrap();
    let fault = |phase, verdict| *next.lock().unwrap() = Some((phase, verdict));
    // Cut after it was acted on: the project stands, the error says that it may.
    fault(Phase::After, Verdict::Drop);
    let project = lxd_client::Project::named("p");
    let error = lxd.projects().create(&project).await.unwrap_err();
    assert!(error.is_unclear() && !error.is_retryable(), "{error}");
    assert!(lxd.projects().get("p").await.is_ok());
    fault(Phase::Before, Verdict::Drop);
    let error = lxd.projects().get("p").await.unwrap_err();
    assert!(!error.is_unclear() && error.is_retryable(), "{error}");
    let busy = vec![("retry-after".to_owned(), "7".to_owned())];
    fault(
        Phase::Before,
        Verdict::Answer(503, busy, b"<html>busy</html>".to_vec()),
    );
    let error = lxd.projects().get("p").await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(
        error.is_retryable() && error.body() == Some("<html>busy</html>"),
        "{error}"
    );
    fault(
        Phase::Before,
        Verdict::Answer(200, vec![], b"hello".to_vec()),
    );
    let error = lxd.projects().get("p").await.unwrap_err();
    assert!(
        error.to_string().contains("is this an LXD server"),
        "{error}"
    );
    fault(
        Phase::Before,
        Verdict::Answer(
            200,
            vec![],
            br#"{"type":"sync","metadata":{"config":{"a":[]}}}"#.to_vec(),
        ),
    );
    let error = lxd.projects().get("p").await.unwrap_err();
    assert!(error.to_string().contains("config.a"), "{error}");
}

#[tokio::test]
async fn newer_servers_have_no_trust_password() {
    let fake = Fake::builder().like("6.1").start().await.unwrap();
    let lxd = client(&fake);
    let preseed = Preseed::from_yaml(SEED).unwrap();
    let done = lxd.apply_preseed(&preseed).await.unwrap();
    assert!(done.notes[0].contains("removed in 6.1"), "{done}");
    assert!(lxd.plan_preseed(&preseed).await.unwrap().is_empty());
    let fake = Fake::builder()
        .without_extensions(["certificate_token"])
        .start()
        .await
        .unwrap();
    let options = lxd_client::CertificateOptions::named("me");
    let error = client(&fake)
        .certificates()
        .make_token(&options)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("4.23"), "{error}");
}

#[tokio::test]
async fn an_image_comes_from_a_remote() {
    let fake = Fake::builder().start().await.unwrap();
    let lxd = client(&fake);
    let remote = ImageRemote::ubuntu();
    let mut import = ImageImport::alias("jammy");
    import.auto_update = true;
    let started = lxd
        .images()
        .copy_from(&remote, "22.04", &import)
        .await
        .unwrap();
    let done = started.wait().await.unwrap();
    let alias = lxd.images().alias("jammy").await.unwrap();
    assert_eq!(done.metadata["fingerprint"], alias.target);
    assert_eq!(
        lxd.images().get(&alias.target).await.unwrap().properties["release"],
        "jammy"
    );
    let started = lxd
        .images()
        .copy_from(&remote, "no-such", &import)
        .await
        .unwrap();
    assert!(started.wait().await.unwrap_err().operation().is_some());
}

#[tokio::test]
async fn a_daemon_that_dies_leaves_nobody_hanging() {
    let mut durations = Durations::default();
    durations.stop = Duration::from_secs(600);
    let fake = Fake::builder().durations(durations).start().await.unwrap();
    let lxd = Client::unix(fake.socket())
        .reconnect_for(Duration::from_secs(1))
        .build()
        .unwrap();
    lxd.apply_preseed(&Preseed::from_yaml(SEED).unwrap())
        .await
        .unwrap();
    let instances = lxd.instances();
    instances
        .create(&ubuntu("c"))
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    instances.start("c").await.unwrap().wait().await.unwrap();
    let mut filter = EventFilter::default();
    filter.give_up_after = Some(Duration::from_secs(1));
    let mut events = lxd.events(filter).await.unwrap();
    let stop = instances.stop_forced("c").await.unwrap();
    let session = instances
        .exec_session("c", &Exec::new(["sleep", "600"]))
        .await
        .unwrap();
    drop(fake);
    let ends = async {
        let error = stop.wait().await.unwrap_err();
        assert!(error.is_unclear() && error.is_connection(), "{error}");
        let error = session.wait().await.unwrap_err();
        assert!(error.is_unclear(), "{error}");
        let error = events.find(|_| None::<()>).await.unwrap_err();
        assert!(error.is_connection(), "{error}");
    };
    tokio::time::timeout(Duration::from_secs(20), ends)
        .await
        .unwrap();
}

/// The first member of a cluster is made by a preseed; what joining one lacks is told before anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_preseed_begins_a_cluster() {
    let fake = Fake::builder().start().await.unwrap();
    let lxd = client(&fake);
    let begin = "config: {core.https_address: '[::]:8443'}\n\
                 cluster: {enabled: true, server_name: one}";
    let begin = Preseed::from_yaml(begin).unwrap();
    let plan = lxd.plan_preseed(&begin).await.unwrap();
    assert!(
        plan.to_string()
            .contains("create cluster\n    server_name: one"),
        "{plan}"
    );
    lxd.apply_preseed(&begin).await.unwrap();
    assert_eq!(lxd.cluster_members().await.unwrap()[0].server_name, "one");
    assert!(lxd.apply_preseed(&begin).await.unwrap().is_empty());
    let other = Preseed::from_yaml("cluster: {enabled: true, server_name: two}").unwrap();
    assert!(lxd.plan_preseed(&other).await.unwrap_err().is_conflict());
    for (joining, lacks) in [
        ("server_address: '10.0.0.2', cluster_token: abcdef", "token"),
        ("cluster_token: abcdef", "server_address"),
        ("cluster_address: '10.0.0.1:8443'", "server_address"),
        (
            "cluster_address: '10.0.0.1', server_address: '10.0.0.2', cluster_password: abcdef",
            "cluster_certificate",
        ),
    ] {
        let yaml = format!("cluster: {{enabled: true, server_name: two, {joining}}}");
        let join = Preseed::from_yaml(&yaml).unwrap();
        assert!(!format!("{join:?}").contains("abcdef"));
        let error = client(&Fake::builder().start().await.unwrap())
            .apply_preseed(&join)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), lxd_client::ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(lacks), "{error}");
    }
    let off = Preseed::from_yaml("cluster: {enabled: false}").unwrap();
    assert!(lxd.plan_preseed(&off).await.unwrap().is_empty());
}
