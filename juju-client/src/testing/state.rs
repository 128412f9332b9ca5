//! The fake's world as data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::{Actions, Changed, Clock, Durations, Identity, Instance, Provider, Tap};
use crate::api::cloud::Cloud;
use crate::api::status::Base;
use crate::bundle::Constraints;

/// How vault is, as its charm sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum VaultState {
    /// Wants `sys/init`.
    #[default]
    Uninitialised,
    /// Wants its keys.
    Sealed,
    /// Wants `authorize-charm`.
    Unsealed,
    /// Wants `generate-root-ca`.
    Authorised,
    /// Serves certificates.
    HasRootCa,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) identity: Identity,
    pub(crate) controller_cloud: String,
    pub(crate) users: BTreeMap<String, String>,
    pub(crate) clouds: BTreeMap<String, Cloud>,
    /// By tag: auth type and attributes.
    pub(crate) credentials: BTreeMap<String, (String, BTreeMap<String, String>)>,
    pub(crate) models: BTreeMap<String, Model>,
    pub(crate) vault: VaultState,
    pub(crate) vault_ca_at: Option<Duration>,
    pub(crate) unit_errors: BTreeMap<String, String>,
    pub(crate) machine_faults: BTreeMap<String, String>,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) durations: Durations,
    pub(crate) destroyed_at: Option<Duration>,
    /// Defaults of models by cloud, as they were set.
    #[serde(default)]
    pub(crate) model_defaults: BTreeMap<String, Map<String, Value>>,
    /// What units publish in their relations, by unit.
    #[serde(default)]
    pub(crate) relation_data: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) owner: String,
    pub(crate) cloud: String,
    pub(crate) region: String,
    pub(crate) credential: String,
    pub(crate) config: Map<String, Value>,
    pub(crate) gone_at: Option<Duration>,
    pub(crate) machines: BTreeMap<String, Machine>,
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) next_machine: u64,
    pub(crate) next_container: BTreeMap<String, u64>,
    pub(crate) next_relation: i64,
    pub(crate) annotations: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) actions: BTreeMap<u64, Action>,
    pub(crate) next_action: u64,
    pub(crate) charms: BTreeMap<String, Value>,
    pub(crate) pending_resources: BTreeSet<String>,
    pub(crate) spaces: Vec<String>,
    #[serde(default)]
    pub(crate) constraints: Constraints,
    /// Pending ids that were used.
    #[serde(default)]
    pub(crate) used_resources: BTreeSet<String>,
    /// Applications of other models, by name: the offer's details.
    #[serde(default)]
    pub(crate) consumed: BTreeMap<String, Value>,
    /// Charms that were uploaded, by URL: `sha256` and `info`.
    #[serde(default)]
    pub(crate) uploaded: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) keys: Vec<String>,
    #[serde(default)]
    pub(crate) offers: BTreeMap<String, Offer>,
    /// When the first application was submitted.
    pub(crate) submitted: Option<Duration>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) base: Base,
    pub(crate) constraints: Constraints,
    pub(crate) placement: Option<String>,
    pub(crate) created: Duration,
    pub(crate) instance: Option<Instance>,
    pub(crate) error: Option<String>,
    pub(crate) tries: u32,
    pub(crate) next_try: Duration,
    pub(crate) given_up: bool,
    /// When its agent is started; set once the instance runs.
    pub(crate) started: Option<Duration>,
    pub(crate) dying: Option<Duration>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) charm: String,
    pub(crate) origin: Value,
    pub(crate) channel: String,
    pub(crate) base: Base,
    pub(crate) config: BTreeMap<String, Value>,
    pub(crate) trust: bool,
    pub(crate) constraints: Constraints,
    pub(crate) bindings: BTreeMap<String, String>,
    pub(crate) exposed: bool,
    pub(crate) exposed_endpoints: Map<String, Value>,
    pub(crate) units: BTreeMap<u64, Unit>,
    pub(crate) next_unit: u64,
    pub(crate) subordinate: bool,
    pub(crate) created: Duration,
    /// What a charm that was uploaded says of itself.
    #[serde(default)]
    pub(crate) own_info: Option<Value>,
    /// Resources that were uploaded, by name.
    #[serde(default)]
    pub(crate) uploads: BTreeMap<String, UploadedResource>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct UploadedResource {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) fingerprint: String,
    pub(crate) username: String,
}

impl App {
    /// What its charm says of itself; nothing, if nobody knows.
    pub(crate) fn info(&self) -> Value {
        match &self.own_info {
            Some(i) => i.clone(),
            None => super::charms::info(&self.charm).unwrap_or_default(),
        }
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) machine: String,
    pub(crate) principal: Option<String>,
    pub(crate) created: Duration,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Relation {
    pub(crate) id: i64,
    pub(crate) interface: String,
    pub(crate) scope: String,
    /// Application, endpoint, role.
    pub(crate) ends: Vec<(String, String, String)>,
    pub(crate) created: Duration,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) uuid: String,
    pub(crate) application: String,
    pub(crate) endpoints: Vec<String>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Action {
    pub(crate) operation: u64,
    pub(crate) unit: String,
    pub(crate) name: String,
    pub(crate) params: Map<String, Value>,
    pub(crate) enqueued: Duration,
    pub(crate) started: Option<Duration>,
    pub(crate) done: Option<Duration>,
    pub(crate) status: String,
    pub(crate) message: String,
    pub(crate) output: Map<String, Value>,
    /// What it logged, and when.
    #[serde(default)]
    pub(crate) log: Vec<(Duration, String)>,
    #[serde(default)]
    pub(crate) parallel: bool,
}

impl State {
    pub(crate) fn password(&self, user: &str) -> Option<String> {
        self.users.get(user).cloned()
    }

    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    pub(crate) fn set_vault(&mut self, v: VaultState, now: Duration) {
        self.vault = v;
        // A vault that is sealed again keeps the certificates that it gave.
        if v == VaultState::HasRootCa && self.vault_ca_at.is_none() {
            self.vault_ca_at = Some(now);
        }
    }

    pub(crate) fn is_3x(&self) -> bool {
        self.version.starts_with("3.")
    }
}

impl Model {
    /// What a charm says of itself: one that was uploaded, or one of the store's.
    pub(crate) fn charm_info(&self, url: &str) -> Option<Value> {
        match self
            .uploaded
            .get(&url.replacen("local:amd64/", "local:", 1))
        {
            Some(u) => Some(u["info"].clone()),
            None => super::charms::info(url),
        }
    }

    pub(crate) fn unit(&self, name: &str) -> Option<&Unit> {
        let (app, n) = name.rsplit_once('/')?;
        self.apps.get(app)?.units.get(&n.parse().ok()?)
    }
}

pub(crate) struct Shared {
    pub(crate) addr: SocketAddr,
    pub(crate) advertise: Vec<String>,
    pub(crate) clock: Clock,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) actions: Option<Arc<dyn Actions>>,
    pub(crate) tap: Option<Tap>,
    pub(crate) changed: Option<Changed>,
    pub(crate) state: Mutex<State>,
    pub(crate) calls: Mutex<BTreeMap<String, u64>>,
    /// Answers made beforehand, by call.
    pub(crate) ready: RwLock<BTreeMap<String, Arc<str>>>,
    /// One advance at a time.
    pub(crate) advancing: tokio::sync::Mutex<()>,
    /// Raised to cut every connection.
    pub(crate) cut: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A change, told before anything answers.
    pub(crate) fn change<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let r = self.with(f);
        if let Some(c) = &self.changed {
            c();
        }
        r
    }

    pub(crate) fn now(&self) -> Duration {
        (self.clock)()
    }

    pub(crate) fn addresses(&self, _: &State) -> Vec<String> {
        if self.advertise.is_empty() {
            vec![self.addr.to_string()]
        } else {
            self.advertise.clone()
        }
    }
}
