//! Where it happens: the built-in lab, or real systems.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloudboot::config::Config;
use cloudboot::engine::{Approvals, CancellationToken, Clock, Engine, RealClock, ScaledClock};
use cloudboot::host::Host;
use cloudboot::steps::{Handles, Mission, Site};
use cloudboot::testing::{Durations, Lab, lab_host};

use super::exit::Problem;

/// The lab's folder where none is named.
pub(crate) const LAB_FOLDER: &str = ".cloudboot/lab";
/// How fast the lab's time runs where no speed is named: the whole mission, 2 h 18 min of it, ends in about 15 s.
pub(crate) const LAB_SPEED: f64 = 600.0;

/// A place with everything that a mission needs.
pub(crate) struct Place {
    pub(crate) config: Config,
    pub(crate) host: Host,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) speed: f64,
    /// The lab, which stays open as long as this does.
    pub(crate) lab: Option<Lab>,
}

impl Place {
    /// The lab in `folder`, with the thesis's durations and configuration; what was done there before still stands.
    ///
    /// # Errors
    /// It can't be opened.
    pub(crate) async fn lab(
        folder: &Path,
        speed: f64,
        nodes: Option<usize>,
    ) -> Result<Self, Problem> {
        let mut builder = Lab::builder(folder)
            .speed(speed)
            .durations(Durations::table1());
        if let Some(nodes) = nodes {
            builder = builder.nodes(nodes);
        }
        let lab = builder
            .start()
            .await
            .map_err(|error| Problem::new(error.to_string()))?;
        Ok(Self {
            config: lab.config()?,
            host: lab.host(),
            clock: lab.clock(),
            speed,
            lab: Some(lab),
        })
    }

    /// The systems of a configuration, with this machine as the controller.
    ///
    /// # Errors
    /// The configuration is wrong.
    pub(crate) fn real(config: &Path, overlays: &[PathBuf]) -> Result<Self, Problem> {
        let config = Config::load(config, overlays)?;
        Ok(Self {
            config,
            host: Host::local(),
            clock: Arc::new(RealClock::new()),
            speed: 1.0,
            lab: None,
        })
    }

    /// The systems of a configuration, with the controller of a lab that another program keeps open.
    ///
    /// # Errors
    /// The configuration is wrong.
    pub(crate) fn of_lab(
        config: &Path,
        overlays: &[PathBuf],
        controller: &Path,
        speed: f64,
    ) -> Result<Self, Problem> {
        let config = Config::load(config, overlays)?;
        let host = lab_host::connect(controller);
        Ok(Self {
            config,
            host,
            clock: Arc::new(ScaledClock::new(speed)),
            speed,
            lab: None,
        })
    }

    /// The mission of this place, ready to be asked for something.
    ///
    /// # Errors
    /// The bundle, the journal or the secret store can't be opened.
    pub(crate) fn mission(&self) -> Result<Mission, Problem> {
        Ok(Mission::new(Site::new(
            self.config.clone(),
            self.host.clone(),
        ))?)
    }

    /// An engine for the mission.
    ///
    /// # Errors
    /// The journal or the secret store can't be opened.
    pub(crate) async fn engine(
        &self,
        mission: Mission,
        approvals: Approvals,
        cancel: CancellationToken,
    ) -> Result<(Engine, Handles), Problem> {
        let handles = mission.handles.clone();
        let engine = mission
            .engine()
            .await?
            .clock(Arc::clone(&self.clock))
            .approvals(approvals)
            .cancel(cancel)
            .build()?;
        Ok((engine, handles))
    }
}
