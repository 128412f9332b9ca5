//! `vault`, `limits`, `deadlines`, `access`, `capacity`: how the run behaves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::error::FaultKind;
use crate::config::kinds::{DURATION, POSITIVE, RATIO, SHARES};
use crate::config::reader::{Section, Value};
use crate::config::tree::Kind;

/// `vault`: how Vault's unseal key is split when it is initialised.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct VaultKeys {
    /// `shares`. Default 5.
    pub shares: u8,
    /// `threshold`: how many of them unseal it. Default 3.
    pub threshold: u8,
}

/// `limits`: how many steps may work on a resource at once. Only what the file says: the steps have limits of their own.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits(pub BTreeMap<String, usize>);

impl Limits {
    /// The limit that the configuration gives a resource, such as `maas`; None: the steps' own.
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

impl VaultKeys {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let vault = root.section("vault");
        let shares = vault.or("shares", &SHARES, 5);
        let threshold = vault.or(
            "threshold",
            &SHARES,
            shares.map_or(3, |shares| shares.min(3)),
        );
        let (shares, threshold) = (shares?, threshold?);
        if threshold > shares {
            let found = format!("{threshold}, more than the {shares} shares there are");
            vault.fault(
                "threshold",
                FaultKind::Conflict,
                found,
                "at most vault.shares",
            );
            return None;
        }
        if threshold == 1 && shares > 1 {
            // Source: Vault's `SealConfig.Validate`.
            let found = format!("1 of {shares} shares");
            vault.fault(
                "threshold",
                FaultKind::Conflict,
                found,
                "at least 2 where there are several shares",
            );
            return None;
        }
        Some(Self { shares, threshold })
    }
}

/// The resources that steps share.
const RESOURCES: [&str; 9] = [
    "apt",
    "host",
    "ipmi",
    "juju",
    "lxd",
    "maas",
    "openstack",
    "snap",
    "vault",
];

impl Limits {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let limits = root.section("limits");
        let read = |resource: &str| {
            let limit = limits.optional(resource, &POSITIVE)?;
            Some(limit.map(|limit| (resource.to_owned(), limit as usize)))
        };
        let all: Vec<_> = RESOURCES.into_iter().map(read).collect();
        let said: Option<Vec<_>> = all.into_iter().collect();
        said.map(|said| Self(said.into_iter().flatten().collect()))
    }
}

impl Deadlines {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let deadlines = root.section("deadlines");
        let default = match deadlines.value("default") {
            Some(value) => Deadline::read(&value).map(Some),
            None => Some(None),
        };
        let steps: Vec<_> = deadlines
            .entries()
            .into_iter()
            .filter(|(name, value)| *name != "default" && !value.node.is_null())
            .map(|(name, value)| Some((name.to_owned(), Deadline::read(&value)?)))
            .collect();
        Some(Self {
            default: default?,
            steps: steps.into_iter().collect::<Option<_>>()?,
        })
    }
}

impl Deadline {
    /// `2h` alone is both.
    fn read(value: &Value<'_>) -> Option<Self> {
        if matches!(value.node.kind, Kind::Scalar { .. }) {
            let total = value.scalar(&DURATION)?;
            return Some(Self {
                stall: total,
                total,
            });
        }
        let section = value.section();
        let total = section.required("total", &DURATION);
        let stall = section.optional("stall", &DURATION);
        let total = total?;
        let stall = stall?.unwrap_or(total);
        if stall > total {
            section.fault(
                "stall",
                FaultKind::Conflict,
                "more than `total`",
                "at most `total`",
            );
            return None;
        }
        Some(Self { stall, total })
    }
}

impl Access {
    pub(crate) fn read(root: &Section<'_>, state_dir: Option<&Path>) -> Option<Self> {
        let access = root.section("access");
        let dir = match access.value("dir") {
            Some(value) => value.path()?,
            None => state_dir?.join("access"),
        };
        Some(Self { dir })
    }
}

impl Capacity {
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let capacity = root.section("capacity");
        let cpu = capacity.or("cpu", &RATIO, 1.0);
        let memory = capacity.or("memory", &RATIO, 1.0);
        Some(Self {
            cpu: cpu?,
            memory: memory?,
        })
    }
}
