//! Stage 15: The bundle, submitted over Juju's RPC: done when the model holds it, nova-compute and its integrations included.
//!
//! The thesis: `deploy_bundle()`, which parsed the bundle's file name and left nova-compute out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use juju_client::Client as Juju;
use juju_client::bundle::{ApplyOptions, Bundle};
use maas_client::VmHostId;
use serde_json::json;

use super::capacity::Sum;
use super::{Attempt as _, Site, create, created};
use crate::config::Config;
use crate::engine::{Context, Deadline, Error, Observation, Step, StepId, Undo};

/// The bundle of the configuration with its overlays, options and trust.
///
/// # Errors
/// It can't be read, or is not a bundle; everything that is wrong with it at once.
pub fn read(config: &Config) -> Result<Bundle, Error> {
    let wanted = &config.juju.bundle;
    let attempted = format!("read the bundle {}", wanted.path.display());
    let file = |path: &std::path::Path| {
        std::fs::read_to_string(path)
            .map_err(|error| Error::terminal(format!("read {}", path.display()), error.to_string()))
    };
    let yaml = file(&wanted.path)?;
    let mut overlays = wanted
        .overlays
        .iter()
        .map(|path| file(path))
        .collect::<Result<Vec<_>, _>>()?;
    let mut applications = serde_json::Map::new();
    for (name, options) in &wanted.options {
        applications.insert(name.clone(), json!({"options": options}));
    }
    let mut trusted = wanted.trust.clone();
    if wanted.trust_all {
        trusted.extend(
            Bundle::parse_with(&yaml, &[], wanted.path.parent())
                .attempt(&attempted)?
                .data()
                .applications
                .keys()
                .cloned(),
        );
    }
    for name in trusted {
        applications.entry(name).or_insert_with(|| json!({}))["trust"] = json!(true);
    }
    if !applications.is_empty() {
        // JSON is YAML.
        overlays.push(json!({"applications": applications}).to_string());
    }
    let overlays: Vec<&str> = overlays.iter().map(String::as_str).collect();
    Bundle::parse_with(&yaml, &overlays, wanted.path.parent()).attempt(&attempted)
}

/// The application of a charm, whatever it is called in the bundle.
pub(super) fn application_of(bundle: &Bundle, charm: &str) -> Option<String> {
    let is_it = |url: &str| {
        let url = url.strip_prefix("ch:").unwrap_or(url);
        url.rsplit('/').next() == Some(charm)
    };
    bundle
        .data()
        .applications
        .iter()
        .find(|(_, spec)| spec.as_ref().is_some_and(|spec| is_it(&spec.charm)))
        .map(|(name, _)| name.clone())
}

/// The bundle in the model.
pub struct DeployBundle {
    pub(super) site: Arc<Site>,
    pub(super) bundle: Arc<Bundle>,
}

impl DeployBundle {
    /// Whether the VM host has room for the VMs that MAAS is going to compose, by MAAS's own numbers.
    async fn check_room(&self, maas: &maas_client::Client, host: VmHostId) -> Result<(), Error> {
        let attempted = "see whether the VM host has room for the bundle";
        let host = maas.vm_hosts().read(host).await.attempt(attempted)?;
        let whole = |figure: i64| u64::try_from(figure).unwrap_or(0);
        let needs = self.bundle.machines().attempt(attempted)?;
        let room = &host.available;
        // MAAS counts the overcommitment in: what is available is available.
        let short = Sum::of_bundle(&self.site, &needs).short_of(
            &self.site,
            whole(room.cores),
            whole(room.memory),
            whole(room.local_storage) / (1024 * 1024),
        );
        if short.is_empty() {
            return Ok(());
        }
        Err(Error::needs_operator(attempted, short.join("; "))
            .next("take a larger VM host, shrink the bundle's constraints by an overlay, or raise capacity.cpu and capacity.memory"))
    }
}

#[async_trait]
impl Step for DeployBundle {
    type Needs = (Juju, maas_client::Client, VmHostId, ());
    type Output = ();

    fn id(&self) -> StepId {
        "cloud.bundle".into()
    }

    fn about(&self) -> String {
        let data = self.bundle.data();
        format!(
            "deploy the bundle ({} applications, {} machines)",
            data.applications.len(),
            data.machines.len()
        )
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("cloud.bundle", Deadline::minutes(15, 60))
    }

    async fn observe(
        &self,
        (model, _, _, ()): &Self::Needs,
        _: &Context,
    ) -> Result<Observation<()>, Error> {
        let plan = self
            .bundle
            .diff(model)
            .await
            .attempt("compare the model with the bundle")?;
        if plan.is_empty() {
            return Ok(Observation::Satisfied(()));
        }
        let what: Vec<String> = plan
            .changes
            .iter()
            .map(|change| change.description.clone())
            .collect();
        let status = model.status().await.attempt("read the model's status")?;
        Ok(if status.applications.is_empty() {
            Observation::absent(format!(
                "the model is empty; {} changes to make",
                what.len()
            ))
        } else {
            Observation::drifted(what)
        })
    }

    async fn apply(
        &self,
        (model, maas, host, ()): &Self::Needs,
        cx: &Context,
    ) -> Result<(), Error> {
        let status = model.status().await.attempt("read the model's status")?;
        if status.all_machines().is_empty() {
            self.check_room(maas, *host).await?;
        }
        create(cx, "bundle").await?;
        let applied = self
            .bundle
            .apply(model, &ApplyOptions::default())
            .await
            .attempt("deploy the bundle")?;
        cx.progress(format!("{} changes made", applied.changes), 1.0);
        Ok(())
    }

    async fn undo(&self, _: &Self::Needs, cx: &Context) -> Result<Undo, Error> {
        // It goes with its model.
        Ok(if created(cx, "bundle") {
            Undo::removed("the bundle (with its model)")
        } else {
            Undo::NothingToDo
        })
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(15))
    }
}
