//! The lab's controller machine: files in a folder, snapd on a real socket, programs played.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hooks::Hooks;
use crate::host::{Host, Result};

/// What the rest of the lab does when something happens on the host.
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
    /// `maas init region+rack` has ended: the region starts.
    async fn maas_initialised(&self, maas_url: &str, database_uri: &str) -> Result<(), String> {
        let _ = (maas_url, database_uri);
        Ok(())
    }
    /// `maas createadmin` was run.
    async fn maas_admin_created(
        &self,
        username: &str,
        email: &str,
        password: &str,
    ) -> Result<(), String> {
        let _ = (username, email, password);
        Ok(())
    }
}

/// A host alone in the world.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWorld;
impl HostWorld for NoWorld {}

/// How long things last on the host, in virtual time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostDurations {
    /// `apt-get install`, by package ("postgresql-14"); others take none.
    pub apt_install: BTreeMap<String, Duration>,
    /// `apt-get update`.
    pub apt_update: Duration,
    /// A snap's installation, by name.
    pub snap_install: BTreeMap<String, Duration>,
    /// A snap's removal.
    pub snap_remove: Duration,
    /// `maas init`.
    pub maas_init: Duration,
    /// `maas createadmin`.
    pub maas_createadmin: Duration,
    /// Applying a netplan change.
    pub netplan_apply: Duration,
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
    /// The NIC towards the Internet.
    pub external_nic: String,
    /// Its address in CIDR notation.
    pub external_address: String,
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
            external_nic: "eno2".into(),
            external_address: "192.0.2.10/24".into(),
            internal_nic: "eno3".into(),
            internal_address: "10.42.0.1/16".into(),
        }
    }
}

/// The lab's host. Stops when dropped; its files stay.
pub struct LabHostServer {
    root: PathBuf,
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
    /// What the machine is made of (only where the folder is still empty).
    #[must_use]
    pub fn hardware(mut self, hardware: Hardware) -> Self {
        self.hardware = hardware;
        self
    }
    /// Goes on from a [`LabHostServer::snapshot`].
    #[must_use]
    pub fn state(mut self, state: Value) -> Self {
        self.state = Some(state);
        self
    }
    /// Seeds the folder where it is empty, and listens on its two sockets.
    pub async fn start(self) -> Result<LabHostServer> {
        let _ = (
            self.hooks,
            self.world,
            self.durations,
            self.hardware,
            self.state,
        );
        Ok(LabHostServer { root: self.root })
    }
}

impl LabHostServer {
    /// A host whose `/` is a folder.
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
        Value::Null
    }
    /// How often each thing was made: "snap:maas", "package:postgresql-14", "role", "database", "nat-table", "bridge", "maas-init", "maas-admin".
    pub fn counts(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
    /// Runs all that is due.
    pub async fn advance(&self) {}
}

/// The host behind a folder that a [`LabHostServer`] serves, perhaps in another process.
pub fn connect(root: impl AsRef<Path>) -> Host {
    let _ = root.as_ref();
    Host::local()
}
