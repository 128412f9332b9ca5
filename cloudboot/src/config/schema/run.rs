//! `vault`, `limits`, `deadlines`, `access`, `capacity`: how the run behaves.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// `vault`: how Vault's unseal key is split when it is initialised.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct VaultKeys {
    /// `shares`. Default 5.
    pub shares: u8,
    /// `threshold`: how many of them unseal it. Default 3.
    pub threshold: u8,
}

/// `limits`: how many steps may work on a resource at once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits(pub BTreeMap<String, usize>);

impl Limits {
    /// The limit of a resource, such as `maas`; a resource that has none is not limited.
    pub fn get(&self, resource: &str) -> Option<usize> {
        self.0.get(resource).copied()
    }
}

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// `stall`: how long without any progress.
    pub stall: Duration,
    /// `total`: how long altogether.
    pub total: Duration,
}

/// `deadlines`: by step, and `default` for the others.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Deadlines {
    /// `default`: laid over each step's own deadline; None: the step's own.
    pub default: Option<Deadline>,
    /// The steps that are given one by name.
    pub steps: BTreeMap<String, Deadline>,
}

impl Deadlines {
    /// The deadline that the configuration gives a step, by its own name, else by `default`.
    pub fn get(&self, step: &str) -> Option<Deadline> {
        self.steps.get(step).copied().or(self.default)
    }
}

/// `access`: where the access parameters go.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Access {
    /// `dir` for `clouds.yaml`, `openrc` and the root CA. Default `<state_dir>/access`.
    pub dir: PathBuf,
}

/// `capacity`: how far the VM host may promise more than it has. Source: MAAS's `cpu_over_commit_ratio` and
/// `memory_over_commit_ratio`, 0 to 10.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Capacity {
    /// `cpu`: virtual cores a core. Default 1.
    pub cpu: f64,
    /// `memory`: promised memory over real memory. Default 1.
    pub memory: f64,
}
