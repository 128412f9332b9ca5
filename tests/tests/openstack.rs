//! Keystone and Nova: one body against the fakes and against Debian's Keystone 22, Nova 26 and Placement.

use std::time::{Duration, Instant};

use cloudboot::openstack::nova::{
    Microversion, Move, NewServer, Server, ServerFilter, ServerId, ServerStatus, ServiceState,
    ServiceStatus,
};
use cloudboot::openstack::{Credential, ErrorKind, Keystone, Nova, Placement, Reach, Scope};
use cloudboot::testing::{keystone, nova};
use cloudboot_tests::peer;

/// Asks until the answer is there; real services take some seconds.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let end = Instant::now() + Duration::from_secs(90);
    while Instant::now() < end {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: not within 90 s")
}

async fn settled(nova: &Nova, id: &ServerId) -> Server {
    until("a server at rest", || async {
        let server = nova.server(id).await.unwrap();
        assert_ne!(server.status, ServerStatus::Error, "{server:?}");
        (server.status == ServerStatus::Active && server.task_state.is_none()).then_some(server)
    })
    .await
}

async fn outcome(
    nova: &Nova,
    id: &ServerId,
    source: &str,
    request: &cloudboot::openstack::nova::RequestId,
) -> Move {
    until("the end of a move", || async {
        match nova.moved(id, source, request).await.unwrap() {
            Move::Running { .. } => None,
            over => Some(over),
        }
    })
    .await
}

/// A hand on the compute hosts.
trait Hosts {
    /// The host's power is gone.
    async fn kill(&self, name: &str);
    /// It is back.
    async fn revive(&self, name: &str);
}

impl Hosts for nova::Fake {
    async fn kill(&self, name: &str) {
        self.kill_host(name);
    }

    async fn revive(&self, name: &str) {
        self.revive_host(name);
    }
}

/// The peer's folder: a host is a nova-compute process.
struct Processes(std::path::PathBuf);

#[allow(clippy::disallowed_types)] // Tests drive their peers.
impl Hosts for Processes {
    async fn kill(&self, name: &str) {
        let pid = std::fs::read_to_string(self.0.join(format!("run/{name}.pid"))).unwrap();
        let killed = std::process::Command::new("kill")
            .arg("-KILL")
            .arg(pid.trim())
            .status()
            .unwrap();
        assert!(killed.success());
    }

    async fn revive(&self, name: &str) {
        let script = self.0.join("start.sh");
        let started = std::process::Command::new(script)
            .arg(name)
            .env("OS_DIR", &self.0)
            .status()
            .unwrap();
        assert!(started.success());
    }
}

/// What a test wants of a cloud with the hosts node1 and node2.
struct Cloud {
    keystone: Keystone,
    nova: Nova,
    placement: Placement,
    /// The image that servers are made of.
    image: String,
    flavor: String,
}

async fn body(c: &Cloud) {
    let nova = &c.nova;
    assert_eq!(nova.version(), Microversion::NEWEST);

    // A compute node is usable when it is in all three places.
    let services = nova.services(Some("nova-compute"), None).await.unwrap();
    let hosts: Vec<_> = services.iter().map(|s| s.host.as_str()).collect();
    assert!(
        hosts.contains(&"node1") && hosts.contains(&"node2"),
        "{hosts:?}"
    );
    assert!(
        services.iter().all(|s| s.state == ServiceState::Up
            && s.status == ServiceStatus::Enabled
            && !s.forced_down),
        "{services:?}"
    );
    let hypervisors = nova.hypervisors(None).await.unwrap();
    let providers = c.placement.providers().await.unwrap();
    for name in ["node1", "node2"] {
        assert!(hypervisors.iter().any(|h| h.hypervisor_hostname == name));
        assert!(providers.iter().any(|p| p.name == name));
    }
    assert!(
        nova.hypervisors(Some("nothing-like-it"))
            .await
            .unwrap()
            .is_empty(),
        "404 for a pattern is an empty list"
    );
    assert!(
        nova.compute_service("nothing-like-it")
            .await
            .unwrap()
            .is_none()
    );
    let provider_of = |host: &str| {
        providers
            .iter()
            .find(|p| p.name == host)
            .unwrap()
            .uuid
            .clone()
    };

    let id = nova
        .create_server(&NewServer::new("vm1", &c.flavor, &c.image).on("node1"))
        .await
        .unwrap();
    let server = settled(nova, &id).await;
    assert_eq!(
        (server.name.as_str(), server.host.as_deref()),
        ("vm1", Some("node1"))
    );
    assert!(
        nova.servers(&ServerFilter::on_host("node1"))
            .await
            .unwrap()
            .iter()
            .any(|s| s.id == id)
    );
    assert!(
        nova.servers(&ServerFilter::on_host("node2"))
            .await
            .unwrap()
            .iter()
            .all(|s| s.id != id)
    );
    let on = nova.hypervisors(Some("node1")).await.unwrap();
    assert!(on[0].servers.iter().any(|s| s.id == id), "{on:?}");
    assert_eq!(
        c.placement.booked_on(&id).await.unwrap(),
        [provider_of("node1")]
    );

    // It moves, and its booking with it.
    let request = nova.live_migrate(&id, Some("node2")).await.unwrap();
    match outcome(nova, &id, "node1", &request).await {
        Move::Done { host } => assert_eq!(host, "node2"),
        other => panic!("{other:?}"),
    }
    until("the booking to move", || async {
        (c.placement.booked_on(&id).await.unwrap() == [provider_of("node2")]).then_some(())
    })
    .await;
    assert!(nova.running_migrations(&id).await.unwrap().is_empty());
    let action = nova.action(&id, &request).await.unwrap();
    assert_eq!(action.action, "live-migration");

    // The scheduler picks; the migration is aborted while it runs.
    let request = nova.live_migrate(&id, None).await.unwrap();
    let running = until("a running migration", || async {
        nova.running_migrations(&id)
            .await
            .unwrap()
            .into_iter()
            .find(|m| m.status.as_str() == "running")
    })
    .await;
    nova.abort_migration(&id, running.id).await.unwrap();
    match outcome(nova, &id, "node2", &request).await {
        Move::Failed { reason } => assert!(reason.contains("cancelled"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        settled(nova, &id).await.host.as_deref(),
        Some("node2"),
        "it stays where it was"
    );

    // And one that is made to end.
    let request = nova.live_migrate(&id, None).await.unwrap();
    let running = until("a running migration", || async {
        nova.running_migrations(&id)
            .await
            .unwrap()
            .into_iter()
            .find(|m| m.status.as_str() == "running")
    })
    .await;
    nova.force_complete(&id, running.id).await.unwrap();
    assert!(matches!(
        outcome(nova, &id, "node2", &request).await,
        Move::Done { .. }
    ));

    // 202 is not success: a disabled target is accepted, and the server stays.
    let node2 = nova.compute_service("node2").await.unwrap().unwrap();
    let disabled = nova
        .disable_service(&node2.id, "maintenance")
        .await
        .unwrap();
    assert_eq!(
        (disabled.status, disabled.disabled_reason.as_deref()),
        (ServiceStatus::Disabled, Some("maintenance"))
    );
    let request = nova.live_migrate(&id, Some("node2")).await.unwrap();
    match outcome(nova, &id, "node1", &request).await {
        Move::Failed { reason } => assert!(
            reason.contains("error")
                && reason.len() > "the migration to no host ended as error".len(),
            "{reason}"
        ),
        other => panic!("{other:?}"),
    }
    assert_eq!(settled(nova, &id).await.host.as_deref(), Some("node1"));
    assert_eq!(
        nova.enable_service(&node2.id).await.unwrap().status,
        ServiceStatus::Enabled
    );

    // What is refused at once.
    let unknown = nova.live_migrate(&id, Some("node9")).await.unwrap_err();
    assert_eq!(unknown.status().unwrap().as_u16(), 400);
    assert!(
        unknown.answer().contains("node9")
            && !unknown.is_retryable()
            && unknown.request_id().is_some(),
        "{unknown}"
    );
    let in_use = nova.evacuate(&id, None).await.unwrap_err();
    assert_eq!(
        (in_use.status().unwrap().as_u16(), in_use.answer()),
        (400, "Compute service of node1 is still in use.")
    );
    let node1 = nova.compute_service("node1").await.unwrap().unwrap();
    assert!(
        nova.delete_service(&node1.id)
            .await
            .unwrap_err()
            .is_conflict(),
        "it hosts a server"
    );
    let nobody: ServerId = "00000000-0000-0000-0000-000000000000".parse().unwrap();
    assert!(nova.server(&nobody).await.unwrap_err().is_not_found());
    nova.delete_server(&nobody).await.unwrap();

    nova.request(
        http::Method::POST,
        &format!("servers/{id}/action"),
        Some(&serde_json::json!({"os-stop": null})),
    )
    .await
    .unwrap();
    until("a stopped server", || async {
        (nova.server(&id).await.unwrap().status == ServerStatus::Shutoff).then_some(())
    })
    .await;
    assert!(
        nova.live_migrate(&id, None)
            .await
            .unwrap_err()
            .is_conflict(),
        "a server that is shut off cannot be moved live"
    );

    nova.delete_server(&id).await.unwrap();
    until("the server to be gone", || async {
        nova.server(&id).await.err().filter(|e| e.is_not_found())
    })
    .await;
    for text in [
        format!("{:?}", c.keystone),
        format!("{nova:?}"),
        format!("{:?}", c.keystone.token().await.unwrap()),
    ] {
        assert!(
            !text.contains("secret") && !text.contains("gAAAA"),
            "a secret in {text}"
        );
    }
}

async fn keystone(auth_url: &str, domain: &str) -> Keystone {
    let credential = Credential::Password {
        user: "admin".into(),
        user_domain: domain.into(),
        password: "secret".into(),
    };
    let scope = Scope::Project {
        name: "admin".into(),
        domain: domain.into(),
    };
    Keystone::new(
        auth_url.parse().unwrap(),
        credential,
        scope,
        &Reach::default(),
    )
    .unwrap()
}

struct Fakes {
    keystone: keystone::Fake,
    nova: nova::Fake,
}

async fn fakes() -> (Fakes, Cloud) {
    let keystone = keystone::Fake::builder()
        .admin("admin", "admin_domain", "secret")
        .start()
        .await
        .unwrap();
    let mut durations = nova::Durations::default();
    durations.migrate = Duration::from_millis(1500);
    let nova = nova::Fake::builder()
        .tokens(keystone.token_check())
        .durations(durations)
        .start()
        .await
        .unwrap();
    nova.add_host("node1");
    nova.add_host("node2");
    nova.add_host("node2");
    keystone.register("compute", "nova", nova.url().as_str());
    let mut placement = nova.url();
    placement.set_path("/");
    keystone.register("placement", "placement", placement.as_str());
    let client = self::keystone(keystone.url().as_str(), "admin_domain").await;
    let api = client.nova().await.unwrap();
    until("the hypervisors", || async {
        (api.hypervisors(None).await.unwrap().len() == 2).then_some(())
    })
    .await;
    let placement = client.placement().await.unwrap();
    let cloud = Cloud {
        keystone: client,
        nova: api,
        placement,
        image: "an-image".into(),
        flavor: "1".into(),
    };
    (Fakes { keystone, nova }, cloud)
}

#[tokio::test]
async fn fake() {
    let (fakes, cloud) = fakes().await;
    body(&cloud).await;
    let counts = fakes.nova.counts();
    assert_eq!(
        (counts["host"], counts["server"], counts["migration"]),
        (2, 1, 4)
    );
}

/// Debian's own. The real one needs a flavor and an image to be there first.
#[tokio::test]
async fn debian() {
    let Some(auth_url) = peer("openstack") else {
        return;
    };
    let keystone = keystone(&auth_url, "Default").await;
    let nova = keystone.nova().await.unwrap();
    let token = keystone.token().await.unwrap();
    let glance = keystone.endpoint("image").await.unwrap();
    let http = reqwest_client();
    let auth = secrecy::ExposeSecret::expose_secret(&token.id).to_owned();
    let image: serde_json::Value = http
        .post(format!(
            "{}/v2/images",
            glance.as_str().trim_end_matches('/')
        ))
        .header("x-auth-token", &auth)
        .json(
            &serde_json::json!({"name": "test", "disk_format": "raw", "container_format": "bare"}),
        )
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let image = image["id"].as_str().unwrap().to_owned();
    let uploaded = http
        .put(format!(
            "{}/v2/images/{image}/file",
            glance.as_str().trim_end_matches('/')
        ))
        .header("x-auth-token", &auth)
        .header("content-type", "application/octet-stream")
        .body("nothing")
        .send()
        .await
        .unwrap();
    assert!(uploaded.status().is_success(), "{uploaded:?}");
    let flavor = serde_json::json!({"flavor": {"name": format!("f-{image}"), "ram": 64, "vcpus": 1, "disk": 0}});
    let flavor = nova
        .request(http::Method::POST, "flavors", Some(&flavor))
        .await
        .unwrap();
    let flavor = flavor["flavor"]["id"].as_str().unwrap().to_owned();
    let placement = keystone.placement().await.unwrap();
    let wrong = self::keystone(&auth_url, "Nowhere")
        .await
        .authenticate()
        .await
        .unwrap_err();
    assert!(
        wrong.is_denied() && wrong.answer() == "The request you have made requires authentication.",
        "{wrong}"
    );
    let cloud = Cloud {
        keystone,
        nova,
        placement,
        image,
        flavor,
    };
    body(&cloud).await;
    let folder = std::env::var("CLOUDBOOT_OPENSTACK_DIR").expect("the peer's folder");
    evacuation(&cloud, &Processes(folder.into())).await;
}

fn reqwest_client() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(rustls::RootCertStore::empty())
    .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .timeout(Duration::from_secs(30))
        .no_proxy()
        .build()
        .unwrap()
}

/// A dead host's server is evacuated after a fence; the host comes back and is taken in again.
async fn evacuation(c: &Cloud, hosts: &impl Hosts) {
    let nova = &c.nova;
    let id = nova
        .create_server(&NewServer::new("vm2", &c.flavor, &c.image).on("node1"))
        .await
        .unwrap();
    settled(nova, &id).await;
    hosts.kill("node1").await;
    let node1 = nova.compute_service("node1").await.unwrap().unwrap();
    let fenced = nova.force_down(&node1.id, true).await.unwrap();
    assert!(
        fenced.forced_down && fenced.state == ServiceState::Down,
        "down at once: {fenced:?}"
    );
    let request = nova.evacuate(&id, None).await.unwrap();
    match outcome(nova, &id, "node1", &request).await {
        Move::Done { host } => assert_eq!(host, "node2"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        settled(nova, &id).await.status,
        ServerStatus::Active,
        "up to 2.94 it runs again"
    );
    let latest = nova.migrations(Some(&id), None).await.unwrap().remove(0);
    assert_eq!(
        (latest.migration_type.as_deref(), latest.status.as_str()),
        (Some("evacuation"), "done")
    );
    let early = nova.force_down(&node1.id, false).await.unwrap_err();
    assert_eq!(
        early.status().unwrap().as_u16(),
        400,
        "the source has not tidied up yet: {early}"
    );
    assert!(
        early.answer().starts_with(
            "Unable to force up host node1 as `done` evacuation migration records remain"
        ),
        "{early}"
    );

    hosts.revive("node1").await;
    until("the source to tidy up", || async {
        (nova.migrations(Some(&id), None).await.unwrap()[0]
            .status
            .as_str()
            == "completed")
            .then_some(())
    })
    .await;
    assert!(
        nova.compute_service("node1")
            .await
            .unwrap()
            .unwrap()
            .forced_down,
        "it stays down until it is let in"
    );
    nova.force_down(&node1.id, false).await.unwrap();
    until("node1 to be up", || async {
        (nova.compute_service("node1").await.unwrap()?.state == ServiceState::Up).then_some(())
    })
    .await;
    nova.delete_server(&id).await.unwrap();
    until("the server to be gone", || async {
        nova.server(&id).await.err().filter(|e| e.is_not_found())
    })
    .await;
}

#[tokio::test]
async fn a_dead_hosts_server_is_evacuated_after_a_fence() {
    let (fakes, cloud) = fakes().await;
    evacuation(&cloud, &fakes.nova).await;
    let node1 = cloud.nova.compute_service("node1").await.unwrap().unwrap();
    cloud.nova.delete_service(&node1.id).await.unwrap();
    assert!(cloud.nova.compute_service("node1").await.unwrap().is_none());
    assert_eq!(fakes.nova.counts()["evacuation"], 1);
}

#[tokio::test]
async fn a_token_that_ended_is_replaced_in_the_middle() {
    let (fakes, cloud) = fakes().await;
    let before = fakes.keystone.counts()["token"];
    fakes.keystone.expire_tokens();
    let (a, b) = tokio::join!(
        cloud.nova.services(None, None),
        cloud.nova.hypervisors(None)
    );
    assert_eq!((a.unwrap().len(), b.unwrap().len()), (2, 2));
    assert_eq!(
        fakes.keystone.counts()["token"],
        before + 1,
        "two callers share one authentication"
    );
}

#[tokio::test]
async fn a_reopened_lab_goes_on() {
    let (fakes, cloud) = fakes().await;
    let id = cloud
        .nova
        .create_server(&NewServer::new("vm1", "1", "an-image").on("node2"))
        .await
        .unwrap();
    settled(&cloud.nova, &id).await;
    let (saved, port) = (fakes.nova.snapshot(), fakes.nova.addr().port());
    fakes.nova.stop().await;
    let gone = cloud.nova.server(&id).await.unwrap_err();
    assert!(
        gone.is_retryable() && matches!(gone.kind(), ErrorKind::Connect | ErrorKind::Cut),
        "{gone:?}"
    );
    let _again = nova::Fake::builder()
        .port(port)
        .tokens(fakes.keystone.token_check())
        .restore(saved)
        .start()
        .await
        .unwrap();
    assert_eq!(
        cloud.nova.server(&id).await.unwrap().host.as_deref(),
        Some("node2")
    );
}
