//! A fake LXD over real sockets, to test against.
//!
//! It serves a unix socket and, once `core.https_address` is set, HTTPS with client certificates,
//! in the shapes that LXD 5.0.2 (or, by [`Builder::like`], a later one) was observed to answer: 201 with a `status_code` of 200, error
//! bodies, what a duplicate or a missing object answers, `null`s, ETags (none for pools),
//! operations that are forgotten five seconds after they end, failed operations answered with 200.
//!
//! ```no_run
//! # async fn f() -> lxd_client::Result<()> {
//! let fake = lxd_client::testing::Fake::builder().start().await?;
//! let client = lxd_client::Client::unix(fake.socket()).build()?;
//! # Ok(()) }
//! ```

mod about;
mod accept;
mod acls;
mod answers;
mod backups;
mod builder;
mod certificate;
mod cluster;
mod events;
mod exec;
mod extensions;
mod files;
mod images;
mod instances;
mod jobs;
mod migration;
mod networks;
mod operations;
mod pools;
mod profiles;
mod projects;
mod routes;
mod server;
mod snapshots;
mod state;
mod trust;
mod volumes;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::types::{Config, Devices, InstanceKind, InstanceStatus};
use crate::{Error, Fingerprint, Result};

pub use builder::Builder;
pub use state::{FileEntry, State};

use server::Core;

/// Virtual time since the world began; it never goes back.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Told after each change of the state, before the answer goes out.
pub type Changed = Arc<dyn Fn() + Send + Sync>;

/// Asked about every request, twice.
pub type Tap = Arc<dyn Fn(Phase, &str) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// When a [`Tap`] is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before the request is acted on.
    Before,
    /// After it was acted on, before its answer goes out.
    After,
}

/// What a [`Tap`] decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Cut the connection without an answer.
    Drop,
    /// Answer this: status, headers, body.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
}

/// How long things last, in virtual time. By default everything is done at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Durations {
    /// Creating a container from an image that is here.
    pub create_container: Duration,
    /// Creating a virtual machine.
    pub create_virtual_machine: Duration,
    /// Starting an instance.
    pub start: Duration,
    /// Stopping one.
    pub stop: Duration,
    /// Deleting one.
    pub delete: Duration,
    /// Changing one's configuration.
    pub update: Duration,
    /// Taking in an uploaded image.
    pub image_import: Duration,
    /// Fetching an image from a remote.
    pub image_download: Duration,
}

/// What the machine under the fake has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Machine {
    /// Hardware threads.
    pub cores: u64,
    /// Memory, bytes.
    pub memory: u64,
    /// The size of each pool, bytes.
    pub pool: u64,
    /// The host's interfaces, by name and type.
    pub interfaces: BTreeMap<String, String>,
    /// Whether an instance whose device names a parent that is no interface fails to start.
    pub check_parents: bool,
    /// The host's name.
    pub name: String,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            cores: 16,
            memory: 64 << 30,
            pool: 1 << 40,
            interfaces: [("lo", "loopback"), ("eth0", "physical")]
                .map(|(n, t)| (n.to_owned(), t.to_owned()))
                .into(),
            check_parents: false,
            name: "fake".into(),
        }
    }
}

/// What the world outside is told of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceView {
    /// Its name.
    pub name: String,
    /// Its project.
    pub project: String,
    /// Container or VM.
    pub kind: InstanceKind,
    /// Its configuration, the profiles' included.
    pub config: Config,
    /// Its devices, the profiles' included.
    pub devices: Devices,
    /// Where it stands.
    pub status: InstanceStatus,
    /// What has just happened to it.
    pub change: InstanceChange,
}

/// What has just happened to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InstanceChange {
    /// Made.
    Created,
    /// Started.
    Started,
    /// Stopped.
    Stopped,
    /// Its configuration, or something smaller.
    Updated,
    /// Deleted: this is the last that is heard of it.
    Deleted,
    /// Nothing: it is only being looked at.
    Seen,
}

/// What a command inside an instance left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecResult {
    /// Exit code.
    pub code: i32,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
}

/// What runs inside the instances: whoever ties several fakes together says.
#[async_trait]
pub trait InstanceWorld: Send + Sync {
    /// Told of each change of an instance, in order, before the answer of whoever waits for it.
    /// The fake may be written to from here ([`Handle::put_file`], [`Handle::set_status`]), but
    /// [`Handle::advance`] must not be called.
    async fn changed(&self, instance: InstanceView);

    /// A command in a running instance; `None` leaves it to the fake, which knows `true`,
    /// `false`, `echo`, `cat`, `sleep` and `sh -c 'exit N'`.
    async fn exec(
        &self,
        instance: InstanceView,
        command: Vec<String>,
        stdin: Bytes,
    ) -> Option<ExecResult> {
        let _ = (instance, command, stdin);
        None
    }
}

/// A running fake LXD. It ends when it is dropped.
pub struct Fake {
    handle: Handle,
    socket: PathBuf,
    made: Option<PathBuf>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Reaches into a running fake; does not keep it running.
#[derive(Clone)]
pub struct Handle {
    core: Arc<Core>,
}

impl Fake {
    /// Prepares one.
    pub fn builder() -> Builder {
        let began = std::time::Instant::now();
        Builder {
            socket: None,
            https: SocketAddr::from(([127, 0, 0, 1], 0)),
            clock: Arc::new(move || began.elapsed()),
            tap: None,
            changed: None,
            world: None,
            durations: Durations::default(),
            machine: Machine::default(),
            advertised: Vec::new(),
            version: "5.0.2".into(),
            without: Vec::new(),
            disorder: false,
            state: None,
        }
    }

    /// The unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What reaches into it, to be kept elsewhere.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl std::ops::Deref for Fake {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.handle.core.stop();
        let _ = std::fs::remove_file(&self.socket);
        if let Some(dir) = &self.made {
            let _ = std::fs::remove_dir(dir);
        }
    }
}

impl Handle {
    /// Where HTTPS listens, once `core.https_address` is set.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.core.https_addr()
    }

    /// The same as a URL.
    pub fn url(&self) -> Option<url::Url> {
        let address = self.https_addr()?;
        url::Url::parse(&format!("https://{address}")).ok()
    }

    /// The fingerprint of its certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        self.core.fingerprint.clone()
    }

    /// The whole state, to be kept.
    pub fn snapshot(&self) -> Value {
        self.core
            .with(|w| serde_json::to_value(&w.state).unwrap_or_default())
    }

    /// Replaces the state. The certificate in use stays that of the start; see
    /// [`Builder::restore`] for one that comes back with its certificate.
    ///
    /// # Errors
    /// If it is no snapshot of a fake LXD.
    pub async fn restore(&self, snapshot: Value) -> Result<()> {
        let state: State = serde_json::from_value(snapshot)
            .map_err(|e| Error::invalid("restoring the fake LXD", e.to_string()))?;
        self.core.with(|w| w.state = state);
        self.core.settle().await;
        Ok(())
    }

    /// Runs everything that is due by now (the clock's time is asked each time something is
    /// asked of the fake anyway).
    pub async fn advance(&self) {
        self.core.tick().await;
    }

    /// How often each thing was made, by kind (`instance`) and by kind and name
    /// (`instance:web`).
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.core.with(|w| w.state.counts.clone())
    }

    /// Has the server worried about something.
    pub fn warn(&self, kind: &str, message: &str) {
        self.core.with(|w| w.warn(kind, message));
        self.core.saved();
    }

    /// Ties it to what runs inside the instances.
    pub fn set_world(&self, world: Arc<dyn InstanceWorld>) {
        self.core.set_world(world);
    }

    /// How long things last from now on.
    pub fn set_durations(&self, durations: Durations) {
        self.core.with(|w| w.durations = durations);
    }

    /// Changes what the machine under it has: an interface that has come up, say.
    pub fn change_machine(&self, change: impl FnOnce(&mut Machine)) {
        self.core.with(|w| change(&mut w.machine));
    }

    /// Every instance, as it is.
    pub fn instances(&self) -> Vec<InstanceView> {
        self.core.with(|w| w.views())
    }

    /// One instance, as it is.
    pub fn instance(&self, project: &str, name: &str) -> Option<InstanceView> {
        self.instances()
            .into_iter()
            .find(|i| i.project == project && i.name == name)
    }

    /// Writes a file in an instance, from the inside; directories above it are made.
    ///
    /// # Errors
    /// Not found, if there is no such instance.
    pub fn put_file(
        &self,
        project: &str,
        instance: &str,
        path: &str,
        content: impl Into<Vec<u8>>,
    ) -> Result<()> {
        let file = FileEntry::file(content.into(), 0o644);
        self.core
            .with(|w| w.put_inside(project, instance, path, file))?;
        self.core.saved();
        Ok(())
    }

    /// Reads a file in an instance, from the inside.
    pub fn read_file(&self, project: &str, instance: &str, path: &str) -> Option<Vec<u8>> {
        self.file(project, instance, path).map(|f| f.content)
    }

    /// A file in an instance with its owner and mode.
    pub fn file(&self, project: &str, instance: &str, path: &str) -> Option<FileEntry> {
        self.core
            .with(|w| w.look_inside(project, instance, path).cloned())
    }

    /// The instance starts, stops or breaks by itself. The world is not told: it is the one who
    /// says so.
    ///
    /// # Errors
    /// Not found, if there is no such instance.
    pub fn set_status(&self, project: &str, instance: &str, status: InstanceStatus) -> Result<()> {
        self.core
            .with(|w| w.set_status(project, instance, status))?;
        self.core.saved();
        Ok(())
    }
}
