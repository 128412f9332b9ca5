//! The data centre: every client's fake, the controller host and the BMCs, tied together by cause.

mod book;
mod builder;
mod clock;
mod drivers;
mod durations;
mod faults;
mod folder;
mod host_events;
mod inside;
mod mirror;
mod native;
mod operator;
mod real_vault;
mod shown;
mod systems;
mod turns;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use builder::LabBuilder;
pub use clock::LabClock;
pub use durations::Durations;
pub use faults::{Fault, Faults};
pub use world::SeenCall;

use crate::config::{Config, ConfigErrors, Loader};
use crate::engine::{Clock, ScaledClock};
use crate::host::Host;
use world::World;

/// The thesis's configuration with its blanks filled.
pub const THESIS: &str = include_str!("../data/thesis.yaml");
/// The thesis's bundle, repaired.
pub const BUNDLE: &str = include_str!("../data/bundle.yaml");

/// A running data centre. Its world is kept in its folder: dropping it closes it, starting it again on the same
/// folder reopens it, at the virtual time at which it was left.
pub struct Lab {
    world: Arc<World>,
    operator: Operator,
    ticker: tokio::task::JoinHandle<()>,
}

/// What the lab's operator has in hand: the configuration, and nothing of the world's own folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Operator {
    /// The folder with the files.
    pub folder: PathBuf,
    /// The thesis's file.
    pub config: PathBuf,
    /// What the lab adds to it: how its addresses are reached.
    pub overlays: Vec<PathBuf>,
}

/// An address of the lab, and how to log in there.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct InventoryLine {
    /// What it is.
    pub what: String,
    /// Its address.
    pub address: String,
    /// How to log in.
    pub login: String,
}

/// The lab could not be started, or not be saved.
#[derive(Debug, thiserror::Error)]
#[error("{attempted}: {found}")]
pub struct LabError {
    attempted: String,
    found: String,
}

impl LabError {
    pub(crate) fn new(attempted: impl Into<String>, found: impl ToString) -> Self {
        Self {
            attempted: attempted.into(),
            found: found.to_string(),
        }
    }
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab")
            .field("operator", &self.operator)
            .finish_non_exhaustive()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.ticker.abort();
        self.world.close();
    }
}

impl Lab {
    /// A lab whose world is kept in `folder`.
    pub fn builder(folder: impl Into<PathBuf>) -> LabBuilder {
        LabBuilder::new(folder.into())
    }

    /// Forgets a world: the next start on the folder is its first day.
    ///
    /// # Errors
    /// The folder can't be deleted.
    pub fn wipe(folder: impl AsRef<Path>) -> std::io::Result<()> {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The operator's files.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The operator's configuration, loaded.
    ///
    /// # Errors
    /// What is wrong in it: nothing, unless the files were edited.
    pub fn config(&self) -> Result<Config, ConfigErrors> {
        let mut loader = Loader::new();
        for overlay in &self.operator.overlays {
            loader = loader.overlay(overlay);
        }
        loader.load(&self.operator.config)
    }

    /// The controller machine.
    pub fn host(&self) -> Host {
        super::lab_host::connect(self.world.host_root())
    }

    /// The folder that is the controller machine's `/`: [`lab_host::connect`](super::lab_host::connect) reaches it from
    /// another process.
    pub fn host_root(&self) -> &Path {
        self.world.host_root()
    }

    /// The lab's virtual time, as the engine takes it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        let clock = self.world.clock().clone();
        let speed = clock.speed();
        Arc::new(ScaledClock::from_source(
            move || clock.now(),
            speed,
            self.world.epoch(),
        ))
    }

    /// Virtual seconds a real second.
    pub fn speed(&self) -> f64 {
        self.world.clock().speed()
    }

    /// How often each thing was made, counted by the systems themselves: `maas/machine`, `lxd/instance:juju-machine`.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.world.counts()
    }

    /// How many calls have reached the lab's systems, by name.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.world.calls()
    }

    /// Faults on demand.
    pub fn faults(&self) -> &Faults {
        self.world.faults()
    }

    /// The region, to look into it and to break it.
    pub fn maas(&self) -> &maas_client::testing::FakeRegion {
        self.world.maas()
    }

    /// The BMCs.
    pub fn bmcs(&self) -> &ipmi_lan::testing::Simulator {
        self.world.bmcs()
    }

    /// The Juju controller, once it is bootstrapped.
    pub fn juju(&self) -> Option<juju_client::testing::FakeController> {
        self.world.juju()
    }

    /// Vault.
    pub fn vault(&self) -> &super::vault::Fake {
        self.world.vault()
    }

    /// Keystone.
    pub fn keystone(&self) -> &super::keystone::Fake {
        self.world.keystone()
    }

    /// The mirror that serves the boot loader's archive.
    pub fn mirror_url(&self) -> String {
        mirror::URL.to_owned()
    }

    /// What there is, and how to log in.
    pub fn inventory(&self) -> Vec<InventoryLine> {
        self.world.inventory()
    }

    /// What the systems' visible state is, without times and ids that differ from run to run: two runs that end the
    /// same give the same text.
    pub fn end_state(&self) -> String {
        self.world.end_state()
    }
}
