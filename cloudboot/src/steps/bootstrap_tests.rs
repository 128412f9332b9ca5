//! The throwaway container, on LXD's fake and on the real LXD: the same bodies.
//!
//! cloud-init and systemd inside of it are played by the test and a shell loop, `juju` by a shell script that writes a store.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use async_trait::async_trait;
use base64::Engine as _;
use lxd_client::testing::Fake;
use lxd_client::{Client, ImageImport, InstanceStatus, Profile, Project, StoragePool};
use serde_json::Value;

use super::*;
use crate::engine::{Engine, Graph, Observation, Outcome, Report, Step, StepId};
use crate::host::Host;
use crate::testing::lab::{BUNDLE, THESIS};

const ALIAS: &str = "cloudboot-bootstrap";
const POOL: &str = "cloudboot-bootstrap";
const KEY: &str = "consumer:token:secret";
const BAD_KEY: &str = "consumer:token:refused";

/// What `juju` does: it wants cloud and credential, takes its time, and counts its runs in the endpoint it writes.
const JUJU: &str = r#"#!/bin/sh
case "$1" in
add-cloud) [ -s clouds.yaml ] ;;
add-credential) [ -s credentials.yaml ] ;;
bootstrap)
  echo run >>/root/runs
  echo 'Creating Juju controller "maas-controller" on maas-one'
  case "$*" in *"--bootstrap-constraints tags=juju,big maas-one maas-controller") ;; *) echo "ERROR unknown arguments $*"; exit 2 ;; esac
  i=0; while [ $i -lt 4 ]; do i=$((i+1)); echo "Installing Juju agent, $i"; sleep 1; done
  if grep -q refused credentials.yaml; then echo 'ERROR authorization failed'; exit 1; fi
  s=$HOME/.local/share/juju; mkdir -p $s
  n=$(wc -l </root/runs)
  printf 'controllers:\n  maas-controller:\n    uuid: 5d4e0b4e-8b52-4a52-8d39-0c6b4c1d3a11\n    api-endpoints: ["10.42.0.%d:17070"]\n    ca-cert: CA\n    cloud: maas-one\n    agent-version: 3.6.9\ncurrent-controller: maas-controller\n' $n >$s/controllers.yaml
  printf 'controllers:\n  maas-controller:\n    user: admin\n    password: made-by-juju\n    last-known-access: superuser\n' >$s/accounts.yaml ;;
esac
"#;

/// What systemd's path unit does.
const INIT: &str = r#"#!/bin/sh
while :; do
  if [ -e /root/bootstrap/go ] && [ ! -e /run/begun ]; then : >/run/begun; /root/bootstrap/run & fi
  sleep 1
done
"#;

struct Stage {
    lxd: Client,
    fake: Option<Fake>,
    site: Arc<Site>,
    _folder: tempfile::TempDir,
}

/// Bodies share the real server's project: one at a time.
fn alone() -> &'static tokio::sync::Mutex<()> {
    static ALONE: OnceLock<tokio::sync::Mutex<()>> = OnceLock::new();
    ALONE.get_or_init(tokio::sync::Mutex::default)
}

impl Stage {
    async fn fake(deployment: &str) -> Self {
        let fake = Fake::builder().start().await.unwrap();
        let lxd = Client::unix(fake.socket()).build().unwrap();
        Self::ready(lxd, Some(fake), deployment).await
    }

    async fn real(deployment: &str) -> Option<Self> {
        let Ok(socket) = std::env::var("CLOUDBOOT_LXD_SOCKET") else {
            assert!(
                std::env::var("CLOUDBOOT_PEERS").as_deref() != Ok("1"),
                "CLOUDBOOT_PEERS=1, but CLOUDBOOT_LXD_SOCKET is not set"
            );
            println!(
                "skipped: lxd is not here (CLOUDBOOT_LXD_SOCKET is not set): `. <(tests/peers/start lxd)` starts it"
            );
            return None;
        };
        let lxd = Client::unix(&socket).build().unwrap();
        Some(Self::ready(lxd, None, deployment).await)
    }

    async fn ready(lxd: Client, fake: Option<Fake>, deployment: &str) -> Self {
        if let Ok(started) = lxd
            .storage_pools()
            .create(&StoragePool::new(POOL, "dir"))
            .await
        {
            started.wait().await.unwrap();
        }
        // Images and profiles of its own: the server is shared.
        let mut project = Project::named("cloudboot-bootstrap");
        for feature in ["features.images", "features.profiles"] {
            project.config.insert(feature.into(), "true".into());
        }
        if let Ok(started) = lxd.projects().create(&project).await {
            started.wait().await.unwrap();
        }
        let lxd = lxd.project("cloudboot-bootstrap");
        let root = [("type", "disk"), ("pool", POOL), ("path", "/")];
        let root: BTreeMap<String, String> = root
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        lxd.profiles()
            .modify("default", |profile: &mut Profile| {
                profile.devices.insert("root".into(), root.clone());
            })
            .await
            .unwrap();
        if lxd.images().alias(ALIAS).await.is_err() {
            lxd.images()
                .import(image(fake.is_none()), &ImageImport::alias(ALIAS))
                .await
                .unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("maas.yaml"), THESIS).unwrap();
        std::fs::write(folder.path().join("bundle.yaml"), BUNDLE).unwrap();
        let overlay = format!(
            "deployment: {deployment}\nipmi: {{user: root, password: x}}\njuju: {{bootstrap: {{tags: [juju, big]}}, controller: {{container: {{alias: {ALIAS}, server: local}}}}}}\n"
        );
        let config = crate::config::Loader::new()
            .overlay_text(overlay, folder.path())
            .load(folder.path().join("maas.yaml"))
            .unwrap();
        let stage = Self {
            lxd,
            fake,
            site: Arc::new(Site::new(config, Host::local())),
            _folder: folder,
        };
        let _ = stage
            .lxd
            .instances()
            .delete_forced(&stage.container().name())
            .await;
        stage
    }

    fn container(&self) -> Container {
        Container::new(&self.site, &self.lxd)
    }

    async fn gone(&self) -> bool {
        !self
            .lxd
            .instances()
            .exists(&self.container().name())
            .await
            .unwrap()
    }

    /// What cloud-init does in the container, and on the fake all the rest, until it is gone again.
    fn play(&self) -> tokio::task::JoinHandle<()> {
        let (lxd, name) = (self.lxd.clone(), self.container().name());
        let fake = self.fake.as_ref().map(Fake::handle);
        tokio::spawn(async move {
            let files = lxd.instances().files(&name);
            let found = loop {
                match lxd.instances().get(&name).await {
                    Ok(found) if found.status == InstanceStatus::Running => break found,
                    _ => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            };
            let data = found.config["user.user-data"].clone();
            assert!(data.starts_with("#cloud-config\n"));
            let data: Value = serde_saphyr::from_str(&data).unwrap();
            files
                .mkdir_all(FOLDER, FileOptions::mode(0o700))
                .await
                .unwrap();
            for file in data["write_files"].as_array().unwrap() {
                let path = file["path"].as_str().unwrap();
                if !path.starts_with(FOLDER) {
                    continue;
                }
                let content = file["content"].as_str().unwrap();
                let content = match file["encoding"].as_str() {
                    Some("b64") => base64::engine::general_purpose::STANDARD
                        .decode(content)
                        .unwrap(),
                    _ => content.as_bytes().to_vec(),
                };
                let mode = u32::from_str_radix(file["permissions"].as_str().unwrap(), 8).unwrap();
                files
                    .write(path, content, FileOptions::mode(mode))
                    .await
                    .unwrap();
            }
            files
                .write(&format!("{FOLDER}/ready"), "", FileOptions::mode(0o600))
                .await
                .unwrap();
            let Some(fake) = fake else { return };
            let read = |file: &str| {
                let bytes =
                    fake.read_file("cloudboot-bootstrap", &name, &format!("{FOLDER}/{file}"))?;
                Some(String::from_utf8(bytes).unwrap())
            };
            let put = |path: &str, content: &str| {
                fake.put_file("cloudboot-bootstrap", &name, path, content)
                    .unwrap();
            };
            while read("go").is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            put(&format!("{FOLDER}/log"), "Installing Juju agent, 1\n");
            tokio::time::sleep(Duration::from_secs(2)).await;
            if read("credentials.yaml").unwrap().contains("refused") {
                put(
                    &format!("{FOLDER}/log"),
                    "Installing Juju agent, 4\nERROR authorization failed\n",
                );
                put(&format!("{FOLDER}/exit"), "1\n");
                return;
            }
            put(
                &format!("{STORE}/controllers.yaml"),
                "controllers: {maas-controller: {uuid: 5d4e0b4e-8b52-4a52-8d39-0c6b4c1d3a11, api-endpoints: ['10.42.0.1:17070'], ca-cert: CA, cloud: maas-one}}\ncurrent-controller: maas-controller\n",
            );
            put(
                &format!("{STORE}/accounts.yaml"),
                "controllers: {maas-controller: {user: admin, password: made-by-juju}}\n",
            );
            put(&format!("{FOLDER}/exit"), "0\n");
        })
    }

    /// A run of the step alone, by a program that knows nothing of an earlier one.
    fn run(&self, key: &'static str) -> (tokio::task::JoinHandle<Report>, Arc<Got>) {
        let got = Arc::new(Got::default());
        let step = Delegated {
            site: Arc::clone(&self.site),
            lxd: self.lxd.clone(),
            key,
            got: Arc::clone(&got),
        };
        let mut graph = Graph::new();
        graph.add(step, ());
        let engine = Engine::builder(graph)
            .deployment(self.site.config.deployment.clone())
            .build()
            .unwrap();
        (
            tokio::spawn(async move { engine.run().await.unwrap() }),
            got,
        )
    }
}

type Got = Mutex<Option<ControllerAccess>>;

/// What the step `juju.controller` does with the container, alone.
struct Delegated {
    site: Arc<Site>,
    lxd: Client,
    key: &'static str,
    got: Arc<Got>,
}

#[async_trait]
impl Step for Delegated {
    type Needs = ();
    type Output = ();

    fn id(&self) -> StepId {
        "bootstrap".into()
    }

    fn about(&self) -> String {
        "bootstrap".to_owned()
    }

    async fn observe(&self, (): &(), _: &Context) -> Result<Observation<()>, Error> {
        Ok(match *self.got.lock().unwrap() {
            Some(_) => Observation::Satisfied(()),
            None => Observation::absent("no access"),
        })
    }

    async fn apply(&self, (): &(), cx: &Context) -> Result<(), Error> {
        let deadline = Deadline::minutes(2, 2);
        let container = Container::new(&self.site, &self.lxd);
        container.ensure(cx, deadline).await?;
        let key = self.key.parse().unwrap();
        let access = container.bootstrap(&key, cx, deadline).await?;
        container.delete(cx).await?;
        *self.got.lock().unwrap() = Some(access);
        Ok(())
    }
}

/// A unified image: busybox, the loop and `juju`.
fn image(runnable: bool) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add =
        |path: &str, content: &[u8], mode: u32, kind: tar::EntryType, link: Option<&str>| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            header.set_mode(mode);
            match link {
                Some(to) => tar.append_link(&mut header, path, to).unwrap(),
                None => tar.append_data(&mut header, path, content).unwrap(),
            }
        };
    let (file, dir, link) = (
        tar::EntryType::Regular,
        tar::EntryType::Directory,
        tar::EntryType::Symlink,
    );
    let metadata = "architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  description: busybox with a stand-in for juju\n  os: busybox\n  release: test\n";
    add("metadata.yaml", metadata.as_bytes(), 0o644, file, None);
    for path in [
        "dev", "proc", "sys", "tmp", "root", "run", "sbin", "bin", "etc", "snap", "snap/bin",
    ] {
        add(&format!("rootfs/{path}"), b"", 0o755, dir, None);
    }
    if runnable {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let busybox =
            std::fs::read(busybox.expect("busybox-static is needed to run containers")).unwrap();
        add("rootfs/bin/busybox", &busybox, 0o755, file, None);
        for applet in [
            "sh", "cat", "echo", "sleep", "mkdir", "mv", "wc", "grep", "printf", "touch", "test",
        ] {
            add(
                &format!("rootfs/bin/{applet}"),
                b"",
                0o777,
                link,
                Some("busybox"),
            );
        }
    }
    add("rootfs/sbin/init", INIT.as_bytes(), 0o755, file, None);
    add("rootfs/snap/bin/juju", JUJU.as_bytes(), 0o755, file, None);
    tar.into_inner().unwrap()
}

/// A run is killed while `juju bootstrap` works; the next one finds the container and goes on watching it.
async fn a_killed_run_is_taken_up(stage: Stage) {
    let player = stage.play();
    let (killed, _) = stage.run(KEY);
    let until = Instant::now() + Duration::from_secs(60);
    let container = stage.container();
    let log = container.file("log");
    while !matches!(container.files().read_if_there(&log).await, Ok(Some(text)) if String::from_utf8_lossy(&text).contains("Installing"))
    {
        assert!(Instant::now() < until, "juju bootstrap does not begin");
        assert!(!killed.is_finished());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    killed.abort();
    let _ = killed.await;
    assert!(!stage.gone().await);

    let (run, got) = stage.run(KEY);
    let report = run.await.unwrap();
    assert!(matches!(report.outcome, Outcome::Done { .. }), "{report:?}");
    let access = got.lock().unwrap().take().unwrap();
    // The stand-in counts its runs there.
    assert_eq!(
        access.endpoints,
        ["10.42.0.1:17070"],
        "juju bootstrap ran once"
    );
    assert_eq!(access.password.expose_secret(), "made-by-juju");
    assert!(stage.gone().await, "the container is deleted");
    player.abort();
}

/// `juju bootstrap` fails: its last words are told, and the container, which holds MAAS's key, is deleted.
async fn a_failure_is_told_and_leaves_no_container(stage: Stage) {
    let player = stage.play();
    let (run, _) = stage.run(BAD_KEY);
    let report = run.await.unwrap();
    assert_eq!(report.outcome, Outcome::NeedsOperator);
    let said = format!("{:?}", report.failures().collect::<Vec<_>>());
    assert!(
        said.contains("ERROR authorization failed") && !said.contains("token:refused"),
        "{said}"
    );
    assert!(stage.gone().await, "the container is deleted");
    player.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn fake_a_killed_run_is_taken_up() {
    a_killed_run_is_taken_up(Stage::fake("boot-killed").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fake_a_failure_is_told_and_leaves_no_container() {
    a_failure_is_told_and_leaves_no_container(Stage::fake("boot-failed").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_a_killed_run_is_taken_up() {
    let _alone = alone().lock().await;
    if let Some(stage) = Stage::real("boot-killed").await {
        a_killed_run_is_taken_up(stage).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_a_failure_is_told_and_leaves_no_container() {
    let _alone = alone().lock().await;
    if let Some(stage) = Stage::real("boot-failed").await {
        a_failure_is_told_and_leaves_no_container(stage).await;
    }
}
