//! The mission on the lab, as the tests drive it.

use cloudboot::engine::{Approvals, Engine, EngineBuilder, Report};
use cloudboot::steps::{Handles, Mission, Site};
use cloudboot::testing::Lab;

/// An engine of the lab's mission, to be changed before it is built.
///
/// # Panics
/// The lab's own configuration does not load, or the journal can't be opened.
pub async fn prepare(lab: &Lab) -> (EngineBuilder, Handles) {
    prepare_with(lab, "").await
}

/// The same with a further overlay, as YAML.
///
/// # Panics
/// As [`prepare`].
#[allow(clippy::unwrap_used, reason = "a helper of tests")]
pub async fn prepare_with(lab: &Lab, overlay: &str) -> (EngineBuilder, Handles) {
    let operator = lab.operator();
    let mut loader = cloudboot::config::Loader::new();
    for path in &operator.overlays {
        loader = loader.overlay(path);
    }
    if !overlay.is_empty() {
        loader = loader.overlay_text(overlay, &operator.folder);
    }
    let config = loader.load(&operator.config).unwrap();
    let mission = Mission::new(Site::new(config, lab.host())).unwrap();
    let handles = mission.handles.clone();
    let engine = mission.engine().await.unwrap();
    (
        engine.clock(lab.clock()).approvals(Approvals::AllowAll),
        handles,
    )
}

/// Runs the whole mission.
///
/// # Panics
/// The engine refuses to run.
#[allow(clippy::unwrap_used, reason = "a helper of tests")]
pub async fn run(lab: &Lab) -> Report {
    engine(lab).await.run().await.unwrap()
}

/// The engine of the lab's mission.
///
/// # Panics
/// As [`prepare`].
#[allow(clippy::unwrap_used, reason = "a helper of tests")]
pub async fn engine(lab: &Lab) -> Engine {
    prepare(lab).await.0.build().unwrap()
}

/// Whether a count is of one VM of Juju's, by the name that MAAS made up for it: another one in each run. How many there are,
/// `lxd/instance` says.
pub fn is_made_up(count: &str) -> bool {
    count.starts_with("lxd/instance:") && !count.contains("juju")
}

/// What failed, a line each: `step: error`.
pub fn failures(report: &Report) -> Vec<String> {
    report
        .failures()
        .map(|(step, failure)| format!("{step}: {failure:?}"))
        .collect()
}
