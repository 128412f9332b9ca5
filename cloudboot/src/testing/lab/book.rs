//! What the lab itself knows besides its systems' own states: kept with them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Durations;

/// The lab's own notes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Book {
    /// How long the systems take.
    pub(super) durations: Durations,
    /// The date of the world's first day.
    pub(super) epoch: Option<jiff::Timestamp>,
    /// How many compute nodes are racked.
    pub(super) nodes: usize,
    /// The BMCs' password.
    pub(super) bmc_password: String,
    /// The region's administrator, whom Juju works as.
    pub(super) admin: Option<String>,
    /// The snaps that are installed.
    pub(super) snaps: BTreeMap<String, String>,
    /// When the BMCs have their leases.
    pub(super) leases_at: Option<Duration>,
    /// Machines that have been powered and look for a network to boot from, by MAC address.
    pub(super) booting: BTreeMap<String, usize>,
    /// What runs inside containers, by project and name.
    pub(super) inside: BTreeMap<String, Inside>,
    /// What runs on machines that were deployed to become Juju's controller, by machine and controller.
    pub(super) natives: BTreeMap<String, Native>,
    /// The instance of each of Juju's machines, by model and machine.
    pub(super) instances: BTreeMap<String, String>,
    /// The VM that MAAS has LXD make, or had it make last.
    pub(super) composing: Option<Composing>,
    /// MAAS's own client certificate and key towards LXD.
    pub(super) maas_certificate: Option<(String, String)>,
    /// What the faults' tests ask of the mirror: its archive's checksum.
    pub(super) mirror_sha256: String,
}

/// A VM that is composed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Composing {
    /// Its name in LXD.
    pub(super) name: String,
    /// Its processors.
    pub(super) cores: u64,
    /// Its memory in MiB.
    pub(super) memory_mb: u64,
    /// Its disks in bytes.
    pub(super) disks: Vec<u64>,
}

impl Composing {
    /// Whether it is as large as another.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let size = |it: &Self| (it.cores, it.memory_mb, it.disks.clone());
        size(self) == size(other)
    }
}

/// A container that bootstraps Juju.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Inside {
    /// When it was started.
    pub(super) started: Duration,
    /// When the bootstrap was begun.
    pub(super) begun: Option<Duration>,
    /// The controller's keys and names, made when it was begun.
    pub(super) identity: Option<serde_json::Value>,
    /// The machine that becomes the controller.
    pub(super) machine: Option<String>,
    /// It has ended.
    pub(super) ended: bool,
}

/// A machine that makes itself Juju's controller.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Native {
    /// When it was deployed.
    pub(super) deployed: Duration,
    /// Its script has ended, one way or the other.
    pub(super) ended: bool,
}
