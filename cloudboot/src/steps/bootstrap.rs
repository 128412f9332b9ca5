//! The throwaway container on the controller that runs `juju bootstrap` for Juju 3.x, driven through LXD's API.
//!
//! Its user data installs the juju client; a systemd path unit inside starts the bootstrap when a file appears, so
//! that it runs on whether or not this program lives. What comes in (cloud, credential) and what goes out (log,
//! exit status, client store) passes as files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use juju_client::{ControllerAccess, Store};
use lxd_client::{CloudInit, FileOptions, ImageRemote, InstanceSource, NewInstance, WriteFile};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{Attempt as _, Site, create};
use crate::engine::{Context, Deadline, Error, Polled};

/// The folder inside the container.
const FOLDER: &str = "/root/bootstrap";
/// Where the juju client keeps its store.
const STORE: &str = "/root/.local/share/juju";
/// The key of an instance's configuration that carries our mark.
const MARK: &str = "user.cloudboot";

/// The container.
pub(super) struct Container {
    site: Arc<Site>,
    lxd: lxd_client::Client,
}

impl Container {
    pub(super) fn new(site: &Arc<Site>, lxd: &lxd_client::Client) -> Self {
        Self {
            site: Arc::clone(site),
            lxd: lxd.clone(),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("juju-bootstrap-{}", self.site.config.deployment)
    }

    fn file(&self, name: &str) -> String {
        format!("{FOLDER}/{name}")
    }

    fn files(&self) -> lxd_client::Files {
        self.lxd.instances().files(self.name())
    }

    async fn read(&self, path: &str) -> Result<Option<String>, Error> {
        let bytes = self
            .files()
            .read_if_there(path)
            .await
            .attempt(&format!("read {path} in the container"))?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    pub(super) async fn exists(&self) -> Result<bool, Error> {
        self.lxd
            .instances()
            .exists(&self.name())
            .await
            .attempt("look for the bootstrap container")
    }

    /// Whether the juju client is installed.
    pub(super) async fn is_ready(&self) -> Result<bool, Error> {
        Ok(self.exists().await? && self.read(&self.file("ready")).await?.is_some())
    }

    /// Whether the bootstrap was begun, and how it ended if it has.
    async fn exit_status(&self) -> Result<Option<String>, Error> {
        Ok(self
            .read(&self.file("exit"))
            .await?
            .map(|text| text.trim().to_owned()))
    }

    fn script(&self) -> String {
        let juju = &self.site.config.juju;
        let (cloud, name) = (quoted(&juju.cloud.name), quoted(&juju.bootstrap.name));
        let constraints = quoted(&format!("tags={}", juju.bootstrap.tags.join(",")));
        let series = quoted(&juju.bootstrap.series);
        let way_out: String = super::controller_access::way_out(&self.site)
            .iter()
            .map(|(key, value)| format!(" --model-default {}", quoted(&format!("{key}={value}"))))
            .collect();
        format!(
            "#!/bin/sh\n\
             # Runs once; the exit status appears whole or not at all.\n\
             cd {FOLDER} || exit 1\n\
             export HOME=/root PATH=\"$PATH:/snap/bin\"\n\
             {{\n\
             juju add-cloud --client {cloud} clouds.yaml &&\n\
             juju add-credential --client -f credentials.yaml {cloud} &&\n\
             juju bootstrap --bootstrap-series={series} --bootstrap-constraints {constraints}{way_out} {cloud} {name}\n\
             }} >log 2>&1 </dev/null\n\
             echo $? >exit.new && mv exit.new exit\n"
        )
    }

    fn user_data(&self) -> Result<String, Error> {
        let service = format!("[Service]\nType=oneshot\nExecStart={FOLDER}/run\n");
        let path = format!(
            "[Path]\nPathExists={FOLDER}/go\nUnit=cloudboot-bootstrap.service\n\n[Install]\nWantedBy=multi-user.target\n"
        );
        let mut cloud_init = CloudInit::default();
        let proxy = &self.site.config.proxy;
        for (key, url) in [("proxy.http", &proxy.http), ("proxy.https", &proxy.https)] {
            if let Some(url) = url {
                // cloud-init runs its snap commands in order: the proxy comes before the snap.
                let command = [
                    "set".to_owned(),
                    "system".to_owned(),
                    format!("{key}={url}"),
                ];
                cloud_init
                    .snap
                    .get_or_insert_default()
                    .commands
                    .push(command.into());
            }
        }
        cloud_init
            .write_file(WriteFile::new(self.file("run"), self.script(), 0o700))
            .write_file(WriteFile::new(
                "/etc/systemd/system/cloudboot-bootstrap.service",
                service,
                0o644,
            ))
            .write_file(WriteFile::new(
                "/etc/systemd/system/cloudboot-bootstrap.path",
                path,
                0o644,
            ))
            .snap("juju", &self.site.config.juju.channel.to_string())
            .run(["systemctl", "daemon-reload"])
            .run(["systemctl", "enable", "--now", "cloudboot-bootstrap.path"])
            // Only where the snap is there: `ready` says what it says.
            .run_shell(format!("test -x /snap/bin/juju && touch {FOLDER}/ready"))
            .to_user_data()
            .attempt("write the container's user data")
    }

    /// Creates and starts the container where it is missing, and waits for the juju client in it.
    pub(super) async fn ensure(&self, cx: &Context, deadline: Deadline) -> Result<(), Error> {
        let name = self.name();
        if !self.exists().await? {
            let image = &self.site.config.juju.controller.container;
            let alias = image.alias.clone();
            let source = match &image.server {
                Some(server) => InstanceSource::Remote {
                    remote: ImageRemote::simplestreams(server.as_str()),
                    alias,
                },
                None => InstanceSource::LocalAlias(alias),
            };
            let instance = NewInstance::container(&name, source)
                .user_data(self.user_data()?)
                .config(MARK, cx.owner_mark());
            create(cx, &format!("container {name}")).await?;
            let attempted = format!("create the container {name}");
            let started = self
                .lxd
                .instances()
                .create(&instance)
                .await
                .attempt(&attempted)?;
            started.wait().await.attempt(&attempted)?;
        }
        let running = self
            .lxd
            .instances()
            .get(&name)
            .await
            .attempt("look at the bootstrap container")?;
        if running.status != lxd_client::InstanceStatus::Running {
            cx.intend(format!("start container {name}")).await?;
            let attempted = format!("start the container {name}");
            self.lxd
                .instances()
                .start(&name)
                .await
                .attempt(&attempted)?
                .wait()
                .await
                .attempt(&attempted)?;
        }
        cx.waiting("the juju client in the container", deadline)
            .advice(format!("look at `lxc exec {name} -- cloud-init status --long` on the controller: has it a way to the Internet?"))
            .poll(async || {
                Ok(if self.is_ready().await? { Polled::Done(()) } else { Polled::pending(format!("cloud-init works in {name}")) })
            })
            .await
    }

    /// Runs the bootstrap to its end, or goes on watching one that a killed run began.
    pub(super) async fn bootstrap(
        &self,
        key: &maas_client::ApiKey,
        cx: &Context,
        deadline: Deadline,
    ) -> Result<ControllerAccess, Error> {
        let juju = &self.site.config.juju;
        if self.read(&self.file("go")).await?.is_none() {
            let (cloud, credential) = (&juju.cloud.name, &juju.credential.name);
            let clouds = json!({"clouds": {cloud: {"type": "maas", "auth-types": ["oauth1"], "endpoint": juju.cloud.endpoint}}});
            let secret = key.expose();
            let credentials = json!({"credentials": {cloud: {credential: {"auth-type": "oauth1", "maas-oauth": secret.expose_secret()}}}});
            cx.intend(format!("hand cloud and credential to {}", self.name()))
                .await?;
            // JSON is YAML, and has nothing that could be mis-indented.
            for (name, content) in [("clouds.yaml", clouds), ("credentials.yaml", credentials)] {
                let written = self
                    .files()
                    .write(
                        &self.file(name),
                        content.to_string().into_bytes(),
                        FileOptions::mode(0o600),
                    )
                    .await;
                written.attempt(&format!("write {name} into the container"))?;
            }
            create(cx, &format!("controller {}", juju.bootstrap.name)).await?;
            self.files()
                .write(&self.file("go"), "", FileOptions::mode(0o600))
                .await
                .attempt("start the bootstrap")?;
        }
        let status = cx
            .waiting("juju bootstrap", deadline)
            // Everything after it waits for it.
            .backoff(Duration::from_secs(1), Duration::from_secs(5))
            .advice(format!(
                "look at {FOLDER}/log in the container {}",
                self.name()
            ))
            .poll(async || {
                if let Some(status) = self.exit_status().await? {
                    return Ok(Polled::Done(status));
                }
                let log = self.read(&self.file("log")).await?.unwrap_or_default();
                Ok(Polled::pending(
                    log.lines()
                        .rev()
                        .find(|line| !line.trim().is_empty())
                        .unwrap_or("it has begun")
                        .trim()
                        .to_owned(),
                ))
            })
            .await?;
        if status != "0" {
            let log = self.read(&self.file("log")).await?.unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(8)..].join(" | ");
            // The container goes also after a failure, and what it made half is for a person to look at.
            self.delete(cx).await?;
            return Err(Error::needs_operator("bootstrap Juju's controller", format!("juju bootstrap ended with {status}: {tail}"))
                .next("mend what it says, release the Juju machine in MAAS if it is deployed, and run again"));
        }
        self.access().await
    }

    /// The controller in the container's client store.
    async fn access(&self) -> Result<ControllerAccess, Error> {
        let mut files = BTreeMap::new();
        for name in juju_client::store::FILES {
            let path = format!("{STORE}/{name}");
            if let Some(bytes) = self
                .files()
                .read_if_there(&path)
                .await
                .attempt(&format!("read {path} in the container"))?
            {
                files.insert(name.to_owned(), bytes.to_vec());
            }
        }
        let attempted = "read the juju client's store";
        let store = Store::from_files(&files).attempt(attempted)?;
        store
            .controller(Some(&self.site.config.juju.bootstrap.name))
            .attempt(attempted)
    }

    /// Whether the container is there, and ours.
    pub(super) async fn is_left(&self, cx: &Context) -> Result<bool, Error> {
        match self.lxd.instances().get(&self.name()).await {
            Ok(found) => Ok(found.config.get(MARK) == Some(&cx.owner_mark())),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error).attempt("look for the bootstrap container"),
        }
    }

    /// Deletes the container, if it is there and ours.
    pub(super) async fn delete(&self, cx: &Context) -> Result<bool, Error> {
        let name = self.name();
        let attempted = format!("delete the container {name}");
        let found = match self.lxd.instances().get(&name).await {
            Ok(found) => found,
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error).attempt(&attempted),
        };
        if found.config.get(MARK) != Some(&cx.owner_mark()) {
            return Err(
                Error::needs_operator(attempted, "it does not carry our mark")
                    .next("rename or delete it by hand"),
            );
        }
        cx.intend(format!("delete container {name}")).await?;
        self.lxd
            .instances()
            .delete_forced(&name)
            .await
            .attempt(&attempted)?;
        Ok(true)
    }
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(all(test, feature = "testing"))]
#[path = "bootstrap_tests.rs"]
mod tests;
