//! What a test or a lab gives the fake region: time, taps, drivers, durations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Virtual time since the world began; it never goes back.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Called after each change of state, before the answer goes out.
pub type Changed = Arc<dyn Fn() + Send + Sync>;

/// When a [`Tap`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the request is acted on.
    Before,
    /// After it was acted on, before its answer.
    After,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// The connection is cut without an answer.
    Drop,
    /// This is the answer: status, headers, body.
    Answer(u16, Vec<(String, String)>, Bytes),
}

/// Sees every request (`METHOD /path?op=...`) twice, and decides what becomes of it.
pub type Tap = Arc<dyn Fn(Phase, &str) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// What a BMC is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PowerAction {
    /// Switch on (MAAS first sets the next boot to the network).
    On,
    /// Switch off.
    Off,
    /// Switch off and on.
    Cycle,
    /// Say whether it is on.
    Query,
}

/// What a BMC answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Power {
    /// It is on.
    On,
    /// It is off.
    Off,
    /// It cannot be known (manual power).
    Unknown,
}

/// How the region powers machines.
#[async_trait]
pub trait PowerDriver: Send + Sync {
    /// Does it over the machine's power type and parameters; the error is the driver's sentence.
    ///
    /// When this switches a machine on that then boots from the network, call
    /// [`FakeRegion::machine_booted`](super::FakeRegion::machine_booted).
    async fn power(
        &self,
        power_type: &str,
        params: &Map<String, Value>,
        action: PowerAction,
    ) -> Result<Power, String>;
}

/// A storage pool of a VM host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPool {
    /// Its name.
    pub name: String,
    /// Its kind, such as `dir` or `zfs`.
    pub kind: String,
    /// Its size in bytes.
    pub total: u64,
}

/// What a VM host has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostResources {
    /// Cores.
    pub cores: u64,
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Storage pools.
    pub pools: Vec<HostPool>,
    /// The hypervisor's version.
    pub version: String,
}

/// A machine to be composed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComposeSpec {
    /// Its name.
    pub hostname: String,
    /// Cores.
    pub cores: u64,
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Disks in bytes.
    pub disks: Vec<u64>,
    /// Its architecture, such as `amd64/generic`.
    pub architecture: String,
}

/// A machine that was composed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composed {
    /// The MAC address of each interface.
    pub macs: Vec<String>,
    /// The instance's name on the host, MAAS's `instance_name`.
    pub instance: String,
}

/// How the region talks to VM hosts. `params` are the host's power parameters
/// (`power_address`, `project`, `certificate`, `key`, `power_pass`...).
#[async_trait]
pub trait VmHostDriver: Send + Sync {
    /// Says what the host has; the error is the reason why it cannot be reached.
    async fn discover(&self, params: &Map<String, Value>) -> Result<HostResources, String>;
    /// Makes a machine.
    async fn compose(
        &self,
        params: &Map<String, Value>,
        spec: &ComposeSpec,
    ) -> Result<Composed, String>;
    /// Takes a machine away.
    async fn remove(&self, params: &Map<String, Value>, instance: &str) -> Result<(), String>;
}

/// How long things last, in virtual time. The default is nothing for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Durations {
    /// From `set_serving(true)` until the HTTP server answers.
    pub http_up: Duration,
    /// Until a boot source's catalogue is known.
    pub cache_fill: Duration,
    /// The import of images.
    pub import: Duration,
    /// From the end of an import until the rack has it.
    pub rack_sync: Duration,
    /// From a machine's first boot until it is New.
    pub enlist: Duration,
    /// Commissioning a machine, from its boot.
    pub commission: Duration,
    /// Commissioning a virtual machine, from its boot.
    pub commission_vm: Duration,
    /// Testing a machine, where tests are asked for.
    pub testing: Duration,
    /// Deploying a machine, from its boot until its user data is fetched.
    pub deploy: Duration,
    /// Erasing disks.
    pub erase: Duration,
    /// From a VM host's creation until its resources are known.
    pub vmhost_ready: Duration,
    /// Composing a machine.
    pub compose: Duration,
    /// A power action: as long as it lasts other ones are answered with 503.
    pub power: Duration,
}

/// A machine that makes itself known by booting from the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineSpec {
    /// The MAC address of each interface; the first one boots.
    pub macs: Vec<String>,
    /// Its name; one is made up where it is empty.
    pub hostname: String,
    /// Its architecture, such as `amd64`.
    pub architecture: String,
    /// Cores, learnt by commissioning.
    pub cores: u64,
    /// Memory in MiB, learnt by commissioning.
    pub memory_mb: u64,
    /// Disks in bytes, learnt by commissioning.
    pub disks: Vec<u64>,
    /// How MAAS powers it, such as `ipmi`; MAAS's enlistment finds the BMC by itself.
    pub power_type: String,
    /// The parameters of that.
    pub power_parameters: Map<String, Value>,
}

/// A machine as a lab sees it.
#[derive(Clone, Debug)]
pub struct MachineView {
    /// Its id.
    pub system_id: String,
    /// Its name.
    pub hostname: String,
    /// Its state, in MAAS's numbers.
    pub status: i64,
    /// Tags.
    pub tags: Vec<String>,
    /// MAC addresses.
    pub macs: Vec<String>,
    /// Its addresses.
    pub ip_addresses: Vec<String>,
    /// Key-value pairs of the owner.
    pub owner_data: BTreeMap<String, String>,
    /// The user data given at deployment, decoded.
    pub user_data: Option<Vec<u8>>,
    /// Who allocated it.
    pub agent_name: String,
    /// Cores.
    pub cores: u64,
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Disks in bytes.
    pub disks: Vec<u64>,
    /// The zone's name.
    pub zone: String,
    /// The VM host it was composed on.
    pub vm_host: Option<i64>,
    /// The instance's name there.
    pub instance: Option<String>,
    /// Its names of interfaces with kind, MAC address and address.
    pub interfaces: Vec<InterfaceView>,
    /// The power type.
    pub power_type: String,
    /// The power parameters.
    pub power_parameters: Map<String, Value>,
}

/// An interface as a lab sees it.
#[derive(Clone, Debug)]
pub struct InterfaceView {
    /// Its name.
    pub name: String,
    /// `physical`, `bridge`...
    pub kind: String,
    /// Its MAC address.
    pub mac: String,
    /// Its addresses.
    pub addresses: Vec<String>,
}

/// What `allocate` is asked for by a lab's Juju.
#[derive(Clone, Debug, Default)]
pub struct Constraints(pub Vec<(String, String)>);

impl Constraints {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, by the API's name (`tags`, `not_tags`, `mem`, `cpu_count`, `arch`, `zone`, `storage`,
    /// `system_id`, `name`, `agent_name`); repeat a name for a list.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }
}
