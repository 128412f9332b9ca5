//! Bundles: parsed, verified, planned against an empty or a living model, and applied.
//!
//! The order, the ids and the arguments of a plan against an empty model are those of the official client and of the
//! server's own `Bundle.GetChangesMapArgs`. Against a living model what the official client gets wrong is put right: an
//! unchanged bundle is a no-op, bindings and trust count as changes.

mod apply;
mod apply_files;
mod apply_offers;
pub mod base;
mod changes;
mod charm_url;
mod constraints;
mod data;
mod execute;
mod model;
mod names;
mod natural;
mod overlay;
mod place;
mod plan;
mod removal;
mod scalar;
mod verify;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use apply::{Applied, ApplyOptions, Progress};
pub use constraints::Constraints;
pub use data::{ApplicationSpec, BundleData, ExposedEndpointSpec, MachineSpec, OfferSpec};
pub use model::{ExistingApplication, ExistingMachine, Model};
pub use place::Placement as UnitPlacement;
pub use plan::{Change, Plan};
pub use verify::Problem;

use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};

/// A verified bundle, its overlays merged in.
#[derive(Debug, Clone)]
pub struct Bundle {
    data: BundleData,
}

/// How a plan is made.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PlanOptions {
    /// Go over to another channel or to an older revision where the bundle says so.
    pub force: bool,
    /// Bundle machine to model machine, where it is known.
    pub machine_map: BTreeMap<String, String>,
    /// Set this annotation (`bundleURL`) on every application.
    pub bundle_url: Option<String>,
    /// Whether charms of different architectures count as different; the server's own planner does not look.
    pub ignore_architecture: bool,
    /// Whether the `series` of older bundles is passed over, as Juju 4 does; else it stands for its base.
    pub ignore_series: bool,
}

/// A machine that a bundle needs, for comparing with what there is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MachineNeed {
    /// The machine's name in the bundle; none for a machine that a unit brings along.
    pub name: Option<String>,
    /// What it must have.
    pub constraints: Constraints,
    /// Units on it, containers' included, as `application/number`.
    pub units: Vec<String>,
}

impl Bundle {
    /// Reads a bundle; further documents are overlays. Everything that is wrong with it is in the error.
    ///
    /// # Errors
    /// [`ErrorKind::Bundle`]; [`Bundle::problems`] gives the same as a list.
    pub fn parse(yaml: &str) -> Result<Self> {
        Self::parse_with(yaml, &[], None)
    }

    /// The same with overlays from elsewhere, and the folder that paths in it are relative to.
    ///
    /// # Errors
    /// As [`Bundle::parse`].
    pub fn parse_with(yaml: &str, overlays: &[&str], dir: Option<&Path>) -> Result<Self> {
        Self::verified(Self::read_data(yaml, overlays, dir)?)
    }

    /// Reads files.
    ///
    /// # Errors
    /// As [`Bundle::parse`], or a file that cannot be read.
    pub fn read(path: &Path, overlays: &[PathBuf]) -> Result<Self> {
        let file = |p: &Path| {
            std::fs::read_to_string(p).map_err(|e| {
                Error::new(
                    ErrorKind::Bundle,
                    format!("read {}", p.display()),
                    e.to_string(),
                )
            })
        };
        let mut texts = Vec::new();
        for path in std::iter::once(path).chain(overlays.iter().map(PathBuf::as_path)) {
            texts.push((file(path)?, path.parent().map(Path::to_path_buf)));
        }
        let sources: Vec<_> = texts
            .iter()
            .map(|(yaml, dir)| overlay::Source {
                yaml,
                dir: dir.clone(),
            })
            .collect();
        Self::verified(overlay::read(&sources)?)
    }

    /// What is wrong with a bundle, as a list; empty if nothing is.
    ///
    /// # Errors
    /// It cannot be read at all.
    pub fn problems(yaml: &str, overlays: &[&str], dir: Option<&Path>) -> Result<Vec<Problem>> {
        Ok(verify::verify(&Self::read_data(yaml, overlays, dir)?))
    }

    fn read_data(yaml: &str, overlays: &[&str], dir: Option<&Path>) -> Result<BundleData> {
        let source = |yaml| overlay::Source {
            yaml,
            dir: dir.map(Path::to_path_buf),
        };
        let sources: Vec<_> = [yaml].iter().chain(overlays).map(|y| source(y)).collect();
        overlay::read(&sources)
    }

    fn verified(data: BundleData) -> Result<Self> {
        let problems = verify::verify(&data);
        if problems.is_empty() {
            return Ok(Self { data });
        }
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Err(Error::new(
            ErrorKind::Bundle,
            "verify the bundle",
            text.join("; "),
        ))
    }

    /// What is odd and yet no error: keys that Juju does not know (`num-units`), keys that stand twice, by place. The official
    /// client refuses such a bundle unless it is told `--force`.
    pub fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        self.data
            .warnings
            .iter()
            .map(|(place, what)| format!("{place}: {what}"))
    }

    /// What the bundle says.
    pub fn data(&self) -> &BundleData {
        &self.data
    }

    /// The machines that it needs: those it names, and those that units without a place bring along.
    ///
    /// # Errors
    /// Constraints that do not parse (verification has found them before).
    pub fn machines(&self) -> Result<Vec<MachineNeed>> {
        changes::needs(&self.data)
    }

    /// The changes that make an empty model hold the bundle, as the official client orders them.
    ///
    /// # Errors
    /// Placements that go in a circle.
    pub fn changes(&self) -> Result<Plan> {
        self.changes_against(
            Model::default(),
            &PlanOptions {
                ignore_architecture: true,
                ignore_series: true,
                ..PlanOptions::default()
            },
        )
    }

    /// The changes that make this model hold the bundle.
    ///
    /// # Errors
    /// As [`Bundle::changes`]; another channel, or an older revision, without `force`.
    pub fn changes_against(&self, model: Model, options: &PlanOptions) -> Result<Plan> {
        changes::plan(&self.data, model, options)
    }

    /// Reads the model and says what is missing or different. An empty plan: the model holds the bundle.
    ///
    /// # Errors
    /// The connection's, or the planner's.
    pub async fn diff(&self, client: &Client) -> Result<Plan> {
        self.diff_with(client, &PlanOptions::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Bundle::diff`].
    pub async fn diff_with(&self, client: &Client, options: &PlanOptions) -> Result<Plan> {
        let model = Model::read(client, &self.data).await?;
        self.changes_against(model, options)
    }

    /// Makes the model hold the bundle, as many calls at a time as the order allows. Begins by looking: a half deployed
    /// bundle is completed, an unchanged one is left alone. A lost connection is survived by looking again.
    ///
    /// Cancel safe in that calling it again goes on.
    ///
    /// # Errors
    /// The first change that the server refuses, with its name.
    pub async fn apply(&self, client: &Client, options: &ApplyOptions) -> Result<Applied> {
        apply::apply(self, client, options).await
    }

    /// The server's own planner, for an empty model: a cross-check.
    ///
    /// # Errors
    /// As every call; the server's verification errors.
    pub async fn server_changes(client: &Client, yaml: &str) -> Result<Vec<Change>> {
        plan::from_server(client, yaml).await
    }
}
