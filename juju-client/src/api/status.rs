//! `Client.FullStatus`, typed. Shapes of 3.1 to 4.0; what a newer server adds is ignored, new words survive as `Unknown`.
//! The texts that there are by the thousand are [`CompactString`]s, which hold up to 24 bytes in place.

use std::collections::BTreeMap;
use std::fmt;

use compact_str::CompactString;
use litemap::LiteMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::nullable;
use super::object::object;
use crate::client::Client;
use crate::error::Result;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A word that this library does not know.
            Unknown(String),
        }
        impl $name {
            /// The word on the wire.
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $word,)+ Self::Unknown(s) => s }
            }
        }
        impl From<&str> for $name {
            fn from(s: &str) -> Self {
                match s { $($word => Self::$variant,)+ other => Self::Unknown(other.to_owned()) }
            }
        }
        impl Default for $name {
            fn default() -> Self { Self::from("") }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
                d.deserialize_option($crate::api::status::Word(std::marker::PhantomData))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> { s.serialize_str(self.as_str()) }
        }
    };
}
pub(crate) use words;

/// Reads a word without keeping its text; `null` is none.
pub(crate) struct Word<T>(pub(crate) std::marker::PhantomData<T>);

impl<'de, T: for<'a> From<&'a str>> serde::de::Visitor<'de> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word")
    }

    fn visit_str<E>(self, s: &str) -> std::result::Result<T, E> {
        Ok(T::from(s))
    }

    fn visit_none<E>(self) -> std::result::Result<T, E> {
        Ok(T::from(""))
    }

    fn visit_unit<E>(self) -> std::result::Result<T, E> {
        Ok(T::from(""))
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> std::result::Result<T, D::Error> {
        d.deserialize_str(self)
    }
}

words! {
    /// Status of a unit's workload, and of an application (`core/status`).
    WorkloadStatus {
        /// In service.
        Active = "active",
        /// Needs a human.
        Blocked = "blocked",
        /// Waits for another unit or for its machine.
        Waiting = "waiting",
        /// Works on itself.
        Maintenance = "maintenance",
        /// A hook failed.
        Error = "error",
        /// Nothing is known.
        Unset = "unset",
        /// The charm has said nothing.
        NotKnown = "unknown",
        /// Ended.
        Terminated = "terminated",
    }
}
words! {
    /// Status of a unit's agent.
    AgentStatus {
        /// Its machine is being found.
        Allocating = "allocating",
        /// Runs a hook or an action.
        Executing = "executing",
        /// Nothing to do.
        Idle = "idle",
        /// It runs in error (3.x, shown on the agent).
        Error = "error",
        /// Cannot come up.
        Failed = "failed",
        /// Not heard of.
        Lost = "lost",
        /// Restarts.
        Rebooting = "rebooting",
        /// Not connected.
        Down = "down",
    }
}
words! {
    /// Status of a machine's agent.
    MachineStatus {
        /// Not there yet.
        Pending = "pending",
        /// Runs.
        Started = "started",
        /// Could not be started.
        Error = "error",
        /// Not connected, or provisioning failed.
        Down = "down",
        /// Going away.
        Stopped = "stopped",
    }
}
words! {
    /// Status of the instance under a machine.
    InstanceStatus {
        /// Not asked for yet.
        Pending = "pending",
        /// Being allocated and deployed.
        Allocating = "allocating",
        /// Runs.
        Running = "running",
        /// The provider's error.
        Error = "error",
        /// The provider could not start it and has given up.
        ProvisioningError = "provisioning error",
        /// Nothing is known.
        NotKnown = "unknown",
        /// Nothing.
        Empty = "",
    }
}
words! {
    /// Whether a thing lives.
    Life {
        /// Lives.
        Alive = "alive",
        /// Is being removed.
        Dying = "dying",
        /// Is gone but for its cleaning.
        Dead = "dead",
        /// Not said.
        Empty = "",
    }
}

words! {
    /// Status of storage, volumes and filesystems.
    StorageStatus {
        /// Not there yet.
        Pending = "pending",
        /// There, and on no machine yet.
        Attaching = "attaching",
        /// In use.
        Attached = "attached",
        /// Being taken off.
        Detaching = "detaching",
        /// On no machine.
        Detached = "detached",
        /// Being destroyed.
        Destroying = "destroying",
        /// Cannot be had.
        Error = "error",
        /// Not said.
        Empty = "",
    }
}

object! {
    /// A status with its text.
    #[derive(PartialEq)]
    pub struct Status<S> {
        /// The word.
        pub status: S,
        /// The text beside it.
        pub info: CompactString,
        /// Since when; RFC 3339, or none.
        pub since: Option<CompactString>,
        /// What else is known; `hook` and `hook-name` of a failed hook.
        pub data: BTreeMap<String, serde_json::Value>,
        /// The agent's version.
        pub version: CompactString,
        /// Whether the thing lives.
        pub life: Life,
    }
}

/// An operating system and its channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Base {
    /// `ubuntu`.
    pub name: String,
    /// `22.04/stable` or `22.04`.
    pub channel: String,
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.channel)
    }
}

object! {
    /// All of a model.
    #[non_exhaustive]
    pub struct FullStatus {
        /// The model.
        pub model: ModelStatus,
        /// Machines by id; containers are inside.
        pub machines: BTreeMap<CompactString, Machine>,
        /// Applications by name.
        pub applications: BTreeMap<String, Application>,
        /// Applications of other models.
        pub remote_applications: BTreeMap<String, serde_json::Value>,
        /// Offers.
        pub offers: BTreeMap<String, serde_json::Value>,
        /// Relations, in no order.
        pub relations: Vec<Relation>,
        /// The controller's clock.
        pub controller_timestamp: Option<String>,
    }
}

/// The model in a status.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct ModelStatus {
    /// Its name without owner.
    pub name: String,
    /// `iaas` or `caas`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `cloud-maas`.
    pub cloud_tag: String,
    /// The cloud's region.
    #[serde(deserialize_with = "nullable")]
    pub region: String,
    /// Its agents' version.
    pub version: String,
    /// Available, or being moved or destroyed.
    pub model_status: Status<WorkloadStatus>,
}

object! {
    /// A machine or container.
    #[non_exhaustive]
    pub struct Machine {
        /// `0`, `0/lxd/1`.
        pub id: CompactString,
        /// The agent.
        pub agent_status: Status<MachineStatus>,
        /// The instance.
        pub instance_status: Status<InstanceStatus>,
        /// The provider's id (MAAS: the system id), or `pending`.
        pub instance_id: CompactString,
        /// The name in the provider.
        pub display_name: CompactString,
        /// The machine's own name.
        pub hostname: CompactString,
        /// The address that Juju prefers.
        pub dns_name: CompactString,
        /// All addresses.
        pub ip_addresses: Vec<CompactString>,
        /// 3.x before bases.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub series: Option<CompactString>,
        /// Operating system.
        pub base: Base,
        /// `cores=2 mem=4096M`.
        pub constraints: CompactString,
        /// `arch=amd64 cores=4 mem=8192M tags=control availability-zone=default`.
        pub hardware: CompactString,
        /// Containers on it.
        pub containers: BTreeMap<CompactString, Machine>,
        /// Interfaces with their spaces.
        #[serde(skip_serializing_if = "LiteMap::is_empty")]
        pub network_interfaces: LiteMap<CompactString, NetworkInterface>,
    }
}

object! {
    /// An interface of a machine.
    #[non_exhaustive]
    pub struct NetworkInterface {
        /// With prefix length.
        pub ip_addresses: Vec<CompactString>,
        /// Hardware address.
        pub mac_address: CompactString,
        /// Juju's space.
        pub space: CompactString,
        /// Link state.
        pub is_up: bool,
    }
}

object! {
    /// An application.
    #[non_exhaustive]
    pub struct Application {
        /// `ch:amd64/keystone-1101`, `local:web-0`.
        pub charm: String,
        /// Only of charms from a store.
        pub charm_channel: String,
        /// Only of charms from a store.
        pub charm_rev: Option<i64>,
        /// 3.x before bases.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub series: Option<String>,
        /// Operating system.
        pub base: Base,
        /// Open to the world.
        pub exposed: bool,
        /// By endpoint, where it is narrower.
        pub exposed_endpoints: BTreeMap<String, ExposedEndpoint>,
        /// Whether it lives.
        pub life: Life,
        /// By endpoint: the applications related.
        pub relations: BTreeMap<String, Vec<String>>,
        /// The principals of a subordinate.
        pub subordinate_to: Vec<String>,
        /// Units by name; a subordinate's are under its principals'.
        pub units: BTreeMap<CompactString, Unit>,
        /// The worst of its units', or what its leader set.
        pub status: Status<WorkloadStatus>,
        /// What the charm says that it runs.
        pub workload_version: String,
        /// Endpoint to space.
        pub endpoint_bindings: BTreeMap<String, String>,
    }
}

impl Application {
    /// Whether its units live under others'.
    pub fn is_subordinate(&self) -> bool {
        !self.subordinate_to.is_empty()
    }
}

object! {
    /// To whom an endpoint is open.
    #[derive(PartialEq, Eq)]
    pub struct ExposedEndpoint {
        /// Spaces.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub expose_to_spaces: Vec<String>,
        /// Networks.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub expose_to_cidrs: Vec<String>,
    }
}

object! {
    /// A unit.
    #[non_exhaustive]
    pub struct Unit {
        /// The agent.
        pub agent_status: Status<AgentStatus>,
        /// The workload.
        pub workload_status: Status<WorkloadStatus>,
        /// What the charm says that it runs.
        pub workload_version: CompactString,
        /// The machine's id; empty for subordinates.
        pub machine: CompactString,
        /// `80/tcp`.
        pub opened_ports: Vec<CompactString>,
        /// Address for clients.
        pub public_address: CompactString,
        /// The charm, while it differs from its application's.
        pub charm: CompactString,
        /// Units of subordinates by name.
        pub subordinates: BTreeMap<CompactString, Unit>,
        /// Whether it leads.
        pub leader: bool,
    }
}

object! {
    /// A relation.
    #[non_exhaustive]
    pub struct Relation {
        /// Its number.
        pub id: i64,
        /// `web:db database:db`.
        pub key: String,
        /// `pgsql`.
        pub interface: String,
        /// `global` or `container`.
        pub scope: String,
        /// One (peers) or two.
        pub endpoints: Vec<Endpoint>,
        /// `joining`, `joined`, `suspended`.
        pub status: Status<WorkloadStatus>,
    }
}

object! {
    /// One end of a relation.
    #[derive(PartialEq)]
    #[non_exhaustive]
    pub struct Endpoint {
        /// The application.
        pub application: String,
        /// The endpoint's name.
        pub name: String,
        /// `provider`, `requirer`, `peer`.
        pub role: String,
        /// Whether the application is a subordinate.
        pub subordinate: bool,
    }
}

impl FullStatus {
    /// Every unit with its application, subordinates included, in the order of names.
    pub fn units(&self) -> impl Iterator<Item = (&str, &Unit)> {
        self.applications
            .values()
            .flat_map(|a| a.units.iter())
            .flat_map(|(name, unit)| {
                std::iter::once((name.as_str(), unit))
                    .chain(unit.subordinates.iter().map(|(n, u)| (n.as_str(), u)))
            })
    }

    /// A unit by name, subordinates included.
    pub fn unit(&self, name: &str) -> Option<&Unit> {
        self.units().find(|(n, _)| *n == name).map(|(_, u)| u)
    }

    /// The units of an application, be it a subordinate or not.
    pub fn units_of<'a>(
        &'a self,
        application: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Unit)> {
        self.units()
            .filter(move |(n, _)| n.rsplit_once('/').is_some_and(|(a, _)| a == application))
    }

    /// The leader of an application.
    pub fn leader(&self, application: &str) -> Option<&str> {
        let application = application.to_owned();
        self.units()
            .find(|(n, u)| u.leader && n.rsplit_once('/').is_some_and(|(a, _)| a == application))
            .map(|(n, _)| n)
    }

    /// A machine or container by id.
    pub fn machine(&self, id: &str) -> Option<&Machine> {
        let mut at = self.machines.get(id.split('/').next()?)?;
        let parts: Vec<&str> = id.split('/').collect();
        for n in (3..=parts.len()).step_by(2) {
            at = at.containers.get(parts[..n].join("/").as_str())?;
        }
        Some(at)
    }

    /// Every machine, containers included.
    pub fn all_machines(&self) -> Vec<&Machine> {
        fn walk<'a>(m: &'a Machine, into: &mut Vec<&'a Machine>) {
            into.push(m);
            m.containers.values().for_each(|c| walk(c, into));
        }
        let mut all = Vec::new();
        self.machines.values().for_each(|m| walk(m, &mut all));
        all
    }
}

impl Client {
    /// All of this connection's model.
    ///
    /// # Errors
    /// What the server answers, or the connection's loss.
    pub async fn status(&self) -> Result<FullStatus> {
        self.read_large("Client", "FullStatus", serde_json::json!({"patterns": []}))
            .await
    }
}
