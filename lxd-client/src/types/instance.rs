use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Config, Devices, Extra, ImageRemote, NetworkAddress, config, devices, nullable};

super::text_enum! {
    /// What an instance is.
    #[derive(Default)]
    InstanceKind {
        /// A system container.
        #[default]
        Container = "container",
        /// A virtual machine.
        VirtualMachine = "virtual-machine",
    }
}

super::text_enum! {
    /// Where an instance stands.
    #[derive(Default)]
    InstanceStatus {
        /// Runs.
        Running = "Running",
        /// Does not run.
        #[default]
        Stopped = "Stopped",
        /// Its processes are frozen.
        Frozen = "Frozen",
        /// Its state cannot be told.
        Error = "Error",
        /// Between two.
        Starting = "Starting",
        /// Between two.
        Stopping = "Stopping",
    }
}

/// An instance: a container or a virtual machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Container or VM.
    #[serde(rename = "type")]
    pub kind: InstanceKind,
    /// Where it stands.
    pub status: InstanceStatus,
    /// The project it lives in.
    pub project: String,
    /// The cluster member it is on, or `none`.
    pub location: String,
    /// Such as `x86_64`.
    pub architecture: String,
    /// Free text.
    pub description: String,
    /// Deleted when it stops.
    pub ephemeral: bool,
    /// Whether its state is kept.
    pub stateful: bool,
    /// Its own configuration, `volatile.*` keys included: a write must carry those too.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// Its own devices.
    #[serde(deserialize_with = "devices")]
    pub devices: Devices,
    /// Its profiles, in the order they are applied.
    #[serde(deserialize_with = "nullable")]
    pub profiles: Vec<String>,
    /// With the profiles' keys.
    #[serde(deserialize_with = "config")]
    pub expanded_config: Config,
    /// With the profiles' devices.
    #[serde(deserialize_with = "devices")]
    pub expanded_devices: Devices,
    /// When it was made.
    pub created_at: String,
    /// Its running state, where recursion 2 asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<InstanceState>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Instance {
    /// The part that PUT takes.
    pub(crate) fn put(&self) -> Value {
        json!({
            "architecture": self.architecture,
            "config": self.config,
            "devices": self.devices,
            "ephemeral": self.ephemeral,
            "profiles": self.profiles,
            "stateful": self.stateful,
            "description": self.description,
        })
    }
}

/// Where a new instance's root comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstanceSource {
    /// Nothing: an empty disk that boots from the network, as MAAS composes machines.
    Empty,
    /// An alias of an image in the server's store.
    LocalAlias(String),
    /// A fingerprint (or its beginning) of an image in the server's store.
    LocalImage(String),
    /// An image that the server fetches first, as `lxc launch ubuntu:22.04` does.
    Remote {
        /// From where.
        remote: ImageRemote,
        /// Such as `22.04`.
        alias: String,
    },
    /// A copy of another instance (or `INSTANCE/SNAPSHOT`) of this server.
    Copy(String),
}

/// A new instance, for POST `/1.0/instances`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewInstance {
    /// Its name.
    pub name: String,
    /// Container or VM.
    pub kind: InstanceKind,
    /// Where its root comes from.
    pub source: InstanceSource,
    /// Its own configuration.
    pub config: Config,
    /// Its own devices.
    pub devices: Devices,
    /// Its profiles; `None` is the server's default, the profile `default`.
    pub profiles: Option<Vec<String>>,
    /// Free text.
    pub description: String,
    /// Deleted when it stops.
    pub ephemeral: bool,
    /// Such as `x86_64`; the server's own if empty.
    pub architecture: String,
}

impl NewInstance {
    fn new(name: impl Into<String>, kind: InstanceKind, source: InstanceSource) -> Self {
        Self {
            name: name.into(),
            kind,
            source,
            config: Config::new(),
            devices: Devices::new(),
            profiles: None,
            description: String::new(),
            ephemeral: false,
            architecture: String::new(),
        }
    }

    /// A container.
    pub fn container(name: impl Into<String>, source: InstanceSource) -> Self {
        Self::new(name, InstanceKind::Container, source)
    }

    /// A virtual machine.
    pub fn virtual_machine(name: impl Into<String>, source: InstanceSource) -> Self {
        Self::new(name, InstanceKind::VirtualMachine, source)
    }

    /// Sets a configuration key.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.insert(key.into(), value.into());
        self
    }

    /// Adds a device, such as `("root", [("type", "disk"), ("pool", "default"), ("path", "/")])`.
    #[must_use]
    pub fn device<K: Into<String>, V: Into<String>>(
        mut self,
        name: impl Into<String>,
        keys: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.devices.insert(
            name.into(),
            keys.into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
        );
        self
    }

    /// Uses these profiles instead of `default`.
    #[must_use]
    pub fn profiles<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.profiles = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Processors and memory, as `limits.cpu` and `limits.memory` (MiB).
    #[must_use]
    pub fn limits(self, cpus: u32, memory_mib: u64) -> Self {
        self.config("limits.cpu", cpus.to_string())
            .config("limits.memory", format!("{memory_mib}MiB"))
    }

    /// Cloud-init user data, read at the first boot (`user.user-data`; `cloud-init.user-data` is
    /// newer and images older than 22.04 do not read it).
    #[must_use]
    pub fn user_data(self, user_data: impl Into<String>) -> Self {
        self.config("user.user-data", user_data.into())
    }

    pub(crate) fn post(&self) -> Value {
        let source = match &self.source {
            InstanceSource::Empty => json!({"type": "none"}),
            InstanceSource::LocalAlias(alias) => json!({"type": "image", "alias": alias}),
            InstanceSource::LocalImage(fp) => json!({"type": "image", "fingerprint": fp}),
            InstanceSource::Remote { remote, alias } => json!({
                "type": "image", "mode": "pull",
                "server": remote.server, "protocol": remote.protocol, "alias": alias,
            }),
            InstanceSource::Copy(from) => json!({"type": "copy", "source": from}),
        };
        let mut body = json!({
            "name": self.name,
            "type": self.kind,
            "source": source,
            "config": self.config,
            "devices": self.devices,
            "description": self.description,
            "ephemeral": self.ephemeral,
        });
        if let Some(profiles) = &self.profiles {
            body["profiles"] = json!(profiles);
        }
        if !self.architecture.is_empty() {
            body["architecture"] = json!(self.architecture);
        }
        body
    }
}

super::text_enum! {
    /// What PUT `.../state` asks for.
    StateAction {
        /// Start it.
        Start = "start",
        /// Ask it to shut down, or (forced) cut its power.
        Stop = "stop",
        /// Stop, then start.
        Restart = "restart",
        /// Freeze its processes.
        Freeze = "freeze",
        /// Let them go on.
        Unfreeze = "unfreeze",
    }
}

/// GET `/1.0/instances/NAME/state`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct InstanceState {
    /// Where it stands.
    pub status: InstanceStatus,
    /// LXD's number for it.
    pub status_code: u16,
    /// The init process in the host's numbering; 0 or -1 if none.
    pub pid: i64,
    /// Processes.
    pub processes: i64,
    /// Interfaces inside, by name.
    #[serde(deserialize_with = "nullable")]
    pub network: BTreeMap<String, InstanceInterface>,
    /// Memory.
    #[serde(deserialize_with = "nullable")]
    pub memory: InstanceMemory,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An instance's memory, in bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct InstanceMemory {
    /// In use, bytes.
    pub usage: i64,
    /// The most that was in use, bytes.
    pub usage_peak: i64,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An interface inside an instance.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct InstanceInterface {
    /// The addresses it bears.
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<NetworkAddress>,
    /// Its MAC.
    pub hwaddr: String,
    /// `up` or `down`.
    pub state: String,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}
