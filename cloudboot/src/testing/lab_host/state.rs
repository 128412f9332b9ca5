//! What the lab's host remembers, files excepted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Hardware;
use crate::host::exec::Output;
use crate::host::units::UnitState;

/// The whole of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) hardware: Hardware,
    pub(crate) seeded: bool,
    pub(crate) snaps: BTreeMap<String, SnapRecord>,
    pub(crate) changes: Vec<ChangeRecord>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) databases: BTreeMap<String, Database>,
    /// The items of every nftables table, as `nft -j list ruleset` has them.
    pub(crate) nft: Vec<Value>,
    pub(crate) units: BTreeMap<String, UnitState>,
    pub(crate) links: BTreeMap<String, Link>,
    pub(crate) trials: Vec<Trial>,
    pub(crate) next_trial: u64,
    pub(crate) maas: Option<MaasRecord>,
    pub(crate) counts: BTreeMap<String, u64>,
}

impl State {
    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SnapRecord {
    pub(crate) channel: String,
    pub(crate) version: String,
    pub(crate) revision: String,
    #[serde(default)]
    pub(crate) held: bool,
    #[serde(default)]
    pub(crate) config: serde_json::Map<String, Value>,
    /// Services that were stopped.
    #[serde(default)]
    pub(crate) stopped: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SnapAction {
    Install,
    Refresh,
    Remove,
    Hold,
    Unhold,
    Configure,
    Service,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ChangeRecord {
    pub(crate) id: u64,
    pub(crate) action: SnapAction,
    pub(crate) snap: String,
    pub(crate) channel: String,
    pub(crate) start: Duration,
    pub(crate) due: Duration,
    pub(crate) ended: bool,
    pub(crate) error: Option<String>,
    pub(crate) aborted: bool,
}

/// A program that is running.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: u64,
    /// Which run it is: a second start of the same joins it.
    pub(crate) key: String,
    pub(crate) work: Work,
    pub(crate) due: Duration,
    pub(crate) output: Option<Output>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Work {
    AptUpdate,
    AptInstall(Vec<String>),
    AptRemove {
        names: Vec<String>,
        purge: bool,
    },
    MaasInit {
        url: String,
        database_uri: String,
    },
    MaasAdmin {
        username: String,
        email: String,
        password: String,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Role {
    /// SHA-256 of the password: the lab keeps no secrets in clear text either.
    pub(crate) password: String,
    pub(crate) comment: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Database {
    pub(crate) owner: String,
    pub(crate) comment: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) mac: String,
    pub(crate) kind: Option<String>,
    pub(crate) master: Option<String>,
    pub(crate) up: bool,
    pub(crate) addresses: Vec<String>,
    /// Destination and next hop.
    #[serde(default)]
    pub(crate) routes: Vec<(String, Option<String>)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Trial {
    pub(crate) id: String,
    pub(crate) due: Duration,
    /// The files of /etc/netplan as they were.
    pub(crate) files: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MaasRecord {
    pub(crate) url: String,
    pub(crate) admins: Vec<String>,
}
