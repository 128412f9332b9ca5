//! The lab's controller machine: files in a folder, snapd on a real socket, programs played.
//!
//! Two sockets lie in its folder: `run/snapd.socket` speaks snapd's REST, `run/lab-host.socket` carries what a real
//! host does through processes, PostgreSQL's socket and D-Bus. [`connect`] gives the [`Host`] behind them, also to another
//! process: the kill test's pipeline is a child. What was started goes on when its caller dies, as a real apt would.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::hooks::{Hooks, Phase, Verdict};
use crate::host::files::Space;
use crate::host::{Error, Files, Host, Kind, Result, Snaps};

mod client;
mod network;
mod nft;
mod postgres;
mod programs;
mod seed;
mod server;
mod snapd;
mod state;
mod wire;

use state::State;

/// What the rest of the lab does when something happens on the host.
///
/// A hook may be called again for the same event after the lab was killed and reopened, so each must bear that.
#[async_trait]
pub trait HostWorld: Send + Sync {
    /// A snap's installation has ended.
    async fn snap_installed(&self, name: &str, channel: &str) {
        let _ = (name, channel);
    }
    /// A snap is gone.
    async fn snap_removed(&self, name: &str) {
        let _ = name;
    }
    /// A package's installation has ended.
    async fn package_installed(&self, name: &str) {
        let _ = name;
    }
    /// `maas init region+rack` has ended: the region starts. An error is what the command prints as it fails.
    async fn maas_initialised(&self, maas_url: &str, database_uri: &str) -> Result<(), String> {
        let _ = (maas_url, database_uri);
        Ok(())
    }
    /// `maas createadmin` was run. An error is what the command prints as it fails.
    async fn maas_admin_created(
        &self,
        username: &str,
        email: &str,
        password: &str,
    ) -> Result<(), String> {
        let _ = (username, email, password);
        Ok(())
    }
    /// The network was changed: what each link has now.
    async fn network_changed(&self, links: &BTreeMap<String, Vec<String>>) {
        let _ = links;
    }
}

/// A host alone in the world.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWorld;

#[async_trait]
impl HostWorld for NoWorld {}

/// How long things last on the host, in virtual time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostDurations {
    /// `apt-get install`, by package ("postgresql-14"); others take none.
    pub apt_install: BTreeMap<String, Duration>,
    /// `apt-get update`.
    pub apt_update: Duration,
    /// `apt-get remove` and `purge`.
    pub apt_remove: Duration,
    /// A snap's installation or refresh, by name.
    pub snap_install: BTreeMap<String, Duration>,
    /// A snap's removal.
    pub snap_remove: Duration,
    /// `maas init`.
    pub maas_init: Duration,
    /// `maas createadmin`.
    pub maas_createadmin: Duration,
    /// Applying a netplan change.
    pub netplan_apply: Duration,
    /// Virtual seconds that a trial's rollback waits for each second that it was given. A rollback guards a program,
    /// which lives in real time: a lab that runs fast says its speed here.
    pub rollback_stretch: Option<f64>,
}

/// What the controller is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Hardware {
    /// Its host name.
    pub hostname: String,
    /// Logical processors.
    pub cores: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Free disk in MiB.
    pub disk_mib: u64,
    /// The NIC towards the Internet.
    pub external_nic: String,
    /// Its address in CIDR notation.
    pub external_address: String,
    /// The next hop towards the Internet.
    pub external_gateway: String,
    /// The NIC of the machines' network.
    pub internal_nic: String,
    /// Its address in CIDR notation.
    pub internal_address: String,
}

impl Default for Hardware {
    fn default() -> Self {
        Self {
            hostname: "controller".into(),
            cores: 64,
            memory_mib: 256 * 1024,
            disk_mib: 4 * 1024 * 1024,
            external_nic: "eno2".into(),
            external_address: "192.0.2.10/24".into(),
            external_gateway: "192.0.2.1".into(),
            internal_nic: "eno3".into(),
            internal_address: "10.42.0.1/16".into(),
        }
    }
}

/// What the tasks of the server share.
pub(crate) struct Inner {
    files: Files,
    hooks: Hooks,
    world: Arc<dyn HostWorld>,
    durations: HostDurations,
    state: Mutex<State>,
    /// Only one runs what is due at a time: hooks are awaited in order.
    ticking: tokio::sync::Mutex<()>,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        (self.hooks.clock)()
    }

    fn changed(&self) {
        (self.hooks.changed)();
    }

    async fn tap(&self, phase: Phase, title: &str) -> Verdict {
        (self.hooks.tap)(phase, title).await
    }
}

/// The lab's host. Stops when dropped; its files stay.
pub struct LabHostServer {
    root: PathBuf,
    inner: Arc<Inner>,
    tasks: Vec<JoinHandle<()>>,
}

impl fmt::Debug for LabHostServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LabHostServer")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl Drop for LabHostServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts a [`LabHostServer`].
pub struct LabHostBuilder {
    root: PathBuf,
    hooks: Hooks,
    world: Arc<dyn HostWorld>,
    durations: HostDurations,
    hardware: Hardware,
    state: Option<Value>,
}

impl LabHostBuilder {
    /// Clock, tap and listener.
    #[must_use]
    pub fn hooks(mut self, hooks: Hooks) -> Self {
        self.hooks = hooks;
        self
    }

    /// The rest of the lab.
    #[must_use]
    pub fn world(mut self, world: Arc<dyn HostWorld>) -> Self {
        self.world = world;
        self
    }

    /// How long things last.
    #[must_use]
    pub fn durations(mut self, durations: HostDurations) -> Self {
        self.durations = durations;
        self
    }

    /// What the machine is made of (only where no state is given).
    #[must_use]
    pub fn hardware(mut self, hardware: Hardware) -> Self {
        self.hardware = hardware;
        self
    }

    /// Goes on from a [`LabHostServer::snapshot`]. `null` is a new host.
    #[must_use]
    pub fn state(mut self, state: Value) -> Self {
        self.state = Some(state).filter(|s| !s.is_null());
        self
    }

    /// Seeds the folder where it is new, and listens on its two sockets.
    pub async fn start(self) -> Result<LabHostServer> {
        let state = match self.state {
            Some(value) => serde_json::from_value(value)
                .map_err(|e| Error::new(Kind::Malformed, "reopen the lab's host", e.to_string()))?,
            None => State {
                hardware: self.hardware,
                ..State::default()
            },
        };
        let files = Files::rooted(&self.root);
        let inner = Arc::new(Inner {
            files,
            hooks: self.hooks,
            world: self.world,
            durations: self.durations,
            state: Mutex::new(state),
            ticking: tokio::sync::Mutex::new(()),
        });
        seed::plant(&inner).await?;
        let tasks = vec![
            server::listen(inner.clone(), &self.root)?,
            snapd::listen(inner.clone(), &self.root)?,
            server::clockwork(inner.clone()),
        ];
        Ok(LabHostServer {
            root: self.root,
            inner,
            tasks,
        })
    }
}

impl LabHostServer {
    /// A host whose `/` is a folder. The folder's path must be short: a socket's path has at most 107 bytes.
    pub fn builder(root: impl Into<PathBuf>) -> LabHostBuilder {
        LabHostBuilder {
            root: root.into(),
            hooks: Hooks::default(),
            world: Arc::new(NoWorld),
            durations: HostDurations::default(),
            hardware: Hardware::default(),
            state: None,
        }
    }

    /// The folder that is its `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The host as the pipeline sees it.
    pub fn host(&self) -> Host {
        connect(&self.root)
    }

    /// Its whole state, files excepted.
    pub fn snapshot(&self) -> Value {
        serde_json::to_value(&*self.inner.state()).unwrap_or_default()
    }

    /// Takes a state of [`LabHostServer::snapshot`] in place of its own.
    pub fn restore(&self, state: Value) -> Result<()> {
        *self.inner.state() = serde_json::from_value(state)
            .map_err(|e| Error::new(Kind::Malformed, "restore the lab's host", e.to_string()))?;
        Ok(())
    }

    /// How often each thing was made: "snap:maas", "package:postgresql-14", "role:maas", "database:maas", "nat-table",
    /// "bridge:br0", "unit:cloudboot-nat.service", "maas-init", "maas-admin:jesus".
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.inner.state().counts.clone()
    }

    /// Runs all that is due.
    pub async fn advance(&self) {
        server::tick(&self.inner).await;
    }
}

/// The host behind a folder that a [`LabHostServer`] serves, perhaps in another process.
pub fn connect(root: impl AsRef<Path>) -> Host {
    let root = root.as_ref();
    let line = Arc::new(client::Line::to(root.join("run/lab-host.socket")));
    let mut files = Files::rooted(root);
    if let Some(disk) = std::fs::read_to_string(root.join("run/lab-disk-mib"))
        .ok()
        .and_then(|t| t.trim().parse::<u64>().ok())
    {
        files = files.with_space(Space {
            total: disk << 20,
            available: disk << 20,
        });
    }
    Host::assemble(
        Arc::new(client::LabExec(line.clone())),
        files,
        Snaps::at(root.join("run/snapd.socket")),
        Arc::new(client::LabPostgres(line.clone())),
        Arc::new(client::LabNetplan(line.clone())),
        Arc::new(client::LabUnits(line)),
    )
    .with_segment(Arc::new(client::LabSegment(root.to_owned())))
}
