//! Carrying a plan out: every change as soon as what it requires is done.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::plan::{Change, Plan};
use super::{Bundle, PlanOptions, base, execute};
use crate::api::application::{Deploy, SetCharm};
use crate::api::charms::{Channel, CharmResource, Origin};
use crate::api::machines::{NewMachine, Placement};
use crate::api::status::{Base, ExposedEndpoint};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};

/// Told before and after each change.
pub type Progress = Arc<dyn Fn(&Change, bool) + Send + Sync>;

/// How a bundle is applied.
#[derive(Clone)]
#[non_exhaustive]
pub struct ApplyOptions {
    /// How the plan is made.
    pub plan: PlanOptions,
    /// Calls at a time.
    pub parallelism: usize,
    /// How often a lost connection is survived by looking again.
    pub retries: u32,
    /// The architecture of charms where no constraint names one.
    pub architecture: String,
    /// Trust every application, as `--trust` does.
    pub trust: bool,
    /// The folder that paths of resources are relative to. Default: where the process is.
    pub dir: Option<std::path::PathBuf>,
    /// Remove what the model has beyond the bundle ([`Plan::removals`]). Default: it is told and left alone.
    pub remove: bool,
    /// Told before (`false`) and after (`true`) each change.
    pub progress: Option<Progress>,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            plan: PlanOptions::default(),
            parallelism: 16,
            retries: 5,
            architecture: "amd64".into(),
            trust: false,
            dir: None,
            remove: false,
            progress: None,
        }
    }
}

impl std::fmt::Debug for ApplyOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApplyOptions")
            .field("plan", &self.plan)
            .field("parallelism", &self.parallelism)
            .finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Applied {
    /// Changes that were made, over all tries.
    pub changes: usize,
    /// How often the plan was made anew because the connection was lost.
    pub retries: u32,
    /// What was removed, if that was asked.
    pub removed: usize,
    /// What the model has, or had, beyond the bundle.
    pub extra: Vec<String>,
}

/// What a change left for those that name it.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Charm { url: String, origin: Box<Origin> },
    Name(String),
}

pub(crate) async fn apply(
    bundle: &Bundle,
    client: &Client,
    options: &ApplyOptions,
) -> Result<Applied> {
    let mut applied = Applied::default();
    let mut left = options.retries;
    loop {
        let step = async {
            let plan = bundle.diff_with(client, &options.plan).await?;
            applied.extra.clone_from(&plan.extra);
            if !plan.is_empty() {
                run(bundle, client, options, &plan, &mut applied.changes).await?;
            }
            if options.remove && !plan.removals.is_empty() {
                applied.removed += super::removal::remove(client, &plan.removals).await?;
            }
            Ok::<_, Error>(())
        };
        match step.await {
            Ok(()) => return Ok(applied),
            Err(e)
                if left > 0
                    && (e.is_closed() || e.is_timeout() || e.is_unclear() || e.is_retryable()) =>
            {
                left -= 1;
                applied.retries += 1;
                tracing::debug!(service = "juju", error = %e, "the bundle is looked at again");
                tokio::time::sleep(
                    e.retry_after()
                        .unwrap_or(std::time::Duration::from_millis(50)),
                )
                .await;
            }
            Err(e) => return Err(e),
        }
    }
}

async fn run(
    bundle: &Bundle,
    client: &Client,
    options: &ApplyOptions,
    plan: &Plan,
    count: &mut usize,
) -> Result<()> {
    let x = Executor {
        bundle,
        client,
        options,
        permits: Semaphore::new(options.parallelism.max(1)),
        default_base: default_base(bundle, client).await?,
        controller: tokio::sync::OnceCell::new(),
    };
    let mut done: BTreeMap<&str, Outcome> = BTreeMap::new();
    let mut waiting: Vec<&Change> = plan.changes.iter().collect();
    let mut running = FuturesUnordered::new();
    let mut failure: Option<Error> = None;
    loop {
        if failure.is_none() {
            let (ready, rest): (Vec<&Change>, Vec<&Change>) = waiting
                .into_iter()
                .partition(|c| c.requires.iter().all(|r| done.contains_key(r.as_str())));
            waiting = rest;
            for change in ready {
                let known: BTreeMap<String, Outcome> = references(change)
                    .into_iter()
                    .filter_map(|r| done.get(r.as_str()).map(|o| (r, o.clone())))
                    .collect();
                let x = &x;
                running.push(async move {
                    let _permit = x.permits.acquire().await;
                    if let Some(p) = &x.options.progress {
                        p(change, false);
                    }
                    let outcome = x.execute(change, &known).await.map_err(|e| {
                        let operation = format!("{} ({})", change.description, e.operation());
                        e.with_operation(operation)
                    });
                    (change, outcome)
                });
            }
        }
        match running.next().await {
            None => break,
            Some((change, Ok(outcome))) => {
                *count += 1;
                if let Some(p) = &options.progress {
                    p(change, true);
                }
                done.insert(change.id.as_str(), outcome);
            }
            // What runs is let end, so that nothing is left unclear that need not be.
            Some((_, Err(e))) => {
                failure.get_or_insert(e);
            }
        }
    }
    match failure {
        Some(e) => Err(e),
        None if waiting.is_empty() => Ok(()),
        None => Err(Error::new(
            ErrorKind::Bundle,
            "apply the bundle",
            format!("{} changes require what is not there", waiting.len()),
        )),
    }
}

/// The ids that a change names with `$`.
fn references(c: &Change) -> Vec<String> {
    c.args
        .values()
        .filter_map(Value::as_str)
        .filter_map(|v| v.strip_prefix('$'))
        .map(|v| v.split(':').next().unwrap_or(v).to_owned())
        .collect()
}

/// The bundle's, else the model's `default-base`.
async fn default_base(bundle: &Bundle, client: &Client) -> Result<Option<Base>> {
    if !bundle.data().default_base.is_empty() {
        return base::parse(&bundle.data().default_base).map(Some);
    }
    let config = client.model_config().get().await?;
    Ok(config
        .get("default-base")
        .and_then(Value::as_str)
        .filter(|b| !b.is_empty())
        .and_then(|b| base::parse(b).ok()))
}

pub(super) struct Executor<'a> {
    bundle: &'a Bundle,
    pub(super) client: &'a Client,
    pub(super) options: &'a ApplyOptions,
    permits: Semaphore,
    default_base: Option<Base>,
    /// The controller's own connection and this model, once something needs them.
    controller: tokio::sync::OnceCell<(Client, crate::ids::ModelUuid)>,
}

pub(super) type Known = BTreeMap<String, Outcome>;

impl Executor<'_> {
    pub(super) async fn controller(&self) -> Result<(Client, crate::ids::ModelUuid)> {
        let both = self
            .controller
            .get_or_try_init(|| async {
                let model = self.client.model_uuid().ok_or_else(|| {
                    Error::invalid("apply the bundle", "this is no connection to a model")
                })?;
                Ok::<_, Error>((self.client.open_controller().await?, model))
            })
            .await?;
        Ok(both.clone())
    }

    async fn execute(&self, c: &Change, known: &Known) -> Result<Outcome> {
        let text = |k: &str| c.arg(k).unwrap_or_default();
        let named = |k: &str| resolve(text(k), known);
        let apps = self.client.applications();
        let nothing = Ok(Outcome::Name(String::new()));
        match c.method.as_str() {
            "addCharm" => self.add_charm(c).await,
            "deploy" => self.deploy(c, known).await,
            "upgradeCharm" => self.upgrade(c, known).await,
            "addMachines" => self.add_machine(c, known).await,
            "addUnit" => self.add_unit(c, known).await,
            "addRelation" => match apps
                .add_relation(&named("endpoint1"), &named("endpoint2"))
                .await
            {
                Err(e) if !e.is_already_exists() => Err(e),
                _ => nothing,
            },
            "expose" => {
                let endpoints: BTreeMap<String, ExposedEndpoint> =
                    match c.args.get("exposed-endpoints") {
                        Some(v) => serde_json::from_value(v.clone())
                            .map_err(|e| Error::invalid("expose", e.to_string()))?,
                        None => BTreeMap::new(),
                    };
                apps.expose(&named("application"), &endpoints).await?;
                nothing
            }
            "setAnnotations" => {
                let id = named("id");
                let tag = if text("entity-type") == "machine" {
                    crate::machine_tag(&id)
                } else {
                    crate::application_tag(&id)
                };
                let annotations: BTreeMap<String, String> = c
                    .args
                    .get("annotations")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
                    .collect();
                self.client.annotations().set(&tag, &annotations).await?;
                nothing
            }
            "setOptions" => {
                let mut config: BTreeMap<String, String> = c
                    .args
                    .get("options")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| (k.clone(), plain(v)))
                    .collect();
                if let Some(t) = c.args.get("trust") {
                    config.insert("trust".into(), plain(t));
                }
                apps.set_config(text("application"), &config).await?;
                nothing
            }
            "setConstraints" => {
                apps.set_constraints(text("application"), &text("constraints").parse()?)
                    .await?;
                nothing
            }
            "setBindings" => {
                let bindings: BTreeMap<String, String> = c
                    .args
                    .get("endpoint-bindings")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| (k.clone(), plain(v)))
                    .collect();
                apps.merge_bindings(text("application"), &bindings).await?;
                nothing
            }
            "scale" => {
                let params = json!({"applications": [{"application-tag": crate::application_tag(text("application")), "scale": c.args.get("scale"), "force": false}]});
                self.client
                    .call::<Value>("Application", "ScaleApplications", params)
                    .await?;
                nothing
            }
            "createOffer" => self.create_offer(c, known).await,
            "grantOfferAccess" => self.grant_offer(c).await,
            "consumeOffer" => self.consume_offer(c).await,
            other => Err(Error::new(
                ErrorKind::NotSupported,
                "apply the bundle",
                format!("changes of kind {other:?} cannot be made yet"),
            )),
        }
    }

    fn spec(&self, application: &str) -> Result<&super::ApplicationSpec> {
        let spec = self
            .bundle
            .data()
            .applications
            .get(application)
            .and_then(Option::as_ref);
        spec.ok_or_else(|| {
            Error::new(
                ErrorKind::Bundle,
                "apply the bundle",
                format!("application {application:?} is not in the bundle"),
            )
        })
    }

    async fn add_charm(&self, c: &Change) -> Result<Outcome> {
        let text = |k: &str| c.arg(k).unwrap_or_default();
        let charm = text("charm");
        let architecture = if text("architecture").is_empty() {
            &self.options.architecture
        } else {
            text("architecture")
        };
        let wanted = if text("base").is_empty() {
            None
        } else {
            Some(base::parse(text("base"))?)
        };
        if charm.starts_with(['.', '/']) {
            let b = wanted
                .or_else(|| self.default_base.clone())
                .unwrap_or_else(ubuntu);
            let (url, origin) = self.upload_charm(charm, &b, architecture).await?;
            return Ok(Outcome::Charm {
                url,
                origin: Box::new(origin),
            });
        }
        if charm.starts_with("local:") {
            let b = wanted
                .or_else(|| self.default_base.clone())
                .unwrap_or_else(ubuntu);
            return Ok(Outcome::Charm {
                url: charm.to_owned(),
                origin: Box::new(Origin::local(architecture, b)),
            });
        }
        let channel = Channel::parse(if text("channel").is_empty() {
            "stable"
        } else {
            text("channel")
        })?;
        let name = charm.strip_prefix("ch:").unwrap_or(charm);
        let revision = c.args.get("revision").and_then(Value::as_i64);
        let question = Origin::charmhub(&channel, architecture, wanted.clone(), revision);
        let charms = self.client.charms();
        let resolved = charms
            .resolve(&[(name.to_owned(), question)])
            .await?
            .into_iter()
            .next()
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Protocol,
                    "Charms.ResolveCharms",
                    "no answer for the charm",
                )
            })??;
        let mut origin = resolved.origin;
        origin.base = match wanted.or_else(|| self.default_base.clone()) {
            Some(b) => b,
            None => choose(&resolved.supported_bases),
        };
        let added = charms.add(&resolved.url, &origin, false).await?;
        Ok(Outcome::Charm {
            url: resolved.url,
            origin: Box::new(added),
        })
    }

    /// All resources of the charm, those of the bundle in their revision, the others as the store has them.
    async fn pending(
        &self,
        application: &str,
        url: &str,
        origin: &Origin,
        wanted: &BTreeMap<String, Value>,
    ) -> Result<BTreeMap<String, String>> {
        let info = self.client.charms().info(url).await?;
        if info.meta.resources.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut ids = BTreeMap::new();
        let mut list: Vec<(CharmResource, i64)> = Vec::new();
        for (name, mut r) in info.meta.resources {
            if r.name.is_empty() {
                r.name.clone_from(&name);
            }
            match wanted.get(&name) {
                Some(Value::String(path)) => {
                    let id = self
                        .upload_pending(application, url, origin, &r, path)
                        .await?;
                    ids.insert(name, id);
                }
                other => list.push((r, other.and_then(Value::as_i64).unwrap_or(-1))),
            }
        }
        if !list.is_empty() {
            let pending = self
                .client
                .add_pending_resources(application, url, origin, &list)
                .await?;
            ids.extend(list.into_iter().map(|(r, _)| r.name).zip(pending));
        }
        Ok(ids)
    }

    async fn deploy(&self, c: &Change, known: &Known) -> Result<Outcome> {
        let name = c.arg("application").unwrap_or_default();
        let spec = self.spec(name)?;
        let (url, origin) = charm(c, known)?;
        let mut d = Deploy::new(name, &url, origin.clone());
        d.channel = if origin.source == "local" {
            String::new()
        } else {
            channel_of(&origin)
        };
        d.constraints = spec.constraints.parse()?;
        d.endpoint_bindings.clone_from(&spec.bindings);
        if origin.source != "local" || !spec.resources.is_empty() {
            d.resources = self.pending(name, &url, &origin, &spec.resources).await?;
        }
        let mut options: serde_json::Map<String, Value> = spec
            .options
            .iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        if spec.trust || self.options.trust {
            options.insert("trust".into(), json!("true"));
        }
        if !options.is_empty() {
            let config: BTreeMap<&str, _> = [(name, options)].into();
            d.config_yaml = serde_saphyr::to_string(&config)
                .map_err(|e| Error::invalid("Application.Deploy", e.to_string()))?;
        }
        for (s, text) in &spec.storage {
            d.storage.insert(
                s.clone(),
                execute::storage(text).map_err(|e| Error::invalid("Application.Deploy", e))?,
            );
        }
        for (s, text) in &spec.devices {
            d.devices.insert(
                s.clone(),
                execute::device(text).map_err(|e| Error::invalid("Application.Deploy", e))?,
            );
        }
        match self.client.applications().deploy(&d).await {
            Err(e) if e.is_already_exists() => Err(e.unclear()),
            Err(e) => Err(e),
            Ok(()) => Ok(Outcome::Name(name.to_owned())),
        }
    }

    async fn upgrade(&self, c: &Change, known: &Known) -> Result<Outcome> {
        let name = c.arg("application").unwrap_or_default();
        let spec = self.spec(name)?;
        let (url, origin) = charm(c, known)?;
        let mut set = SetCharm {
            application: name.to_owned(),
            charm_url: url.clone(),
            channel: channel_of(&origin),
            ..SetCharm::default()
        };
        set.force = self.options.plan.force;
        if origin.source != "local" {
            set.resource_ids = self.pending(name, &url, &origin, &spec.resources).await?;
        }
        set.charm_origin = origin;
        self.client.applications().set_charm(&set).await?;
        Ok(Outcome::Name(name.to_owned()))
    }

    async fn add_machine(&self, c: &Change, known: &Known) -> Result<Outcome> {
        let text = |k: &str| c.arg(k).unwrap_or_default();
        let b = if text("base").is_empty() {
            self.default_base.clone().unwrap_or_else(ubuntu)
        } else {
            base::parse(text("base"))?
        };
        let mut machine = NewMachine::new(Some(b), text("constraints").parse()?);
        if !text("container-type").is_empty() {
            let parent = match text("parent-id") {
                "" => String::new(),
                p => {
                    let m = self.machine_of(p, known).await?;
                    super::model::top_level(&m).to_owned()
                }
            };
            machine = machine.in_container(text("container-type"), parent);
        }
        self.client
            .machines()
            .add(&machine)
            .await
            .map(Outcome::Name)
    }

    /// A machine's id from what stands for it: a machine, or a unit that is on it.
    async fn machine_of(&self, reference: &str, known: &Known) -> Result<String> {
        let name = resolve(reference, known);
        if !reference.starts_with("$addUnit-") {
            return Ok(name);
        }
        let status = self.client.status().await?;
        match status.unit(&name) {
            Some(u) if !u.machine.is_empty() => Ok(u.machine.to_string()),
            _ => Err(Error::new(
                ErrorKind::NotFound,
                format!("find the machine of {name}"),
                "the model does not show it",
            )
            .unclear()),
        }
    }

    async fn add_unit(&self, c: &Change, known: &Known) -> Result<Outcome> {
        let application = resolve(c.arg("application").unwrap_or_default(), known);
        let placement = match c.arg("to") {
            None | Some("") => Vec::new(),
            Some(to) if to.starts_with('$') => {
                vec![Placement::machine(self.machine_of(to, known).await?)]
            }
            Some(to) => match to.split_once(':') {
                Some((kind, machine)) => vec![Placement::container(kind, machine)],
                None => vec![Placement::machine(to)],
            },
        };
        let units = self
            .client
            .applications()
            .add_units(&application, 1, &placement)
            .await?;
        units.into_iter().next().map(Outcome::Name).ok_or_else(|| {
            Error::new(
                ErrorKind::Protocol,
                "Application.AddUnits",
                "the answer names no unit",
            )
            .unclear()
        })
    }
}

fn charm(c: &Change, known: &Known) -> Result<(String, Origin)> {
    match c
        .arg("charm")
        .and_then(|x| x.strip_prefix('$'))
        .and_then(|x| known.get(x))
    {
        Some(Outcome::Charm { url, origin }) => Ok((url.clone(), (**origin).clone())),
        _ => Err(Error::new(
            ErrorKind::Bundle,
            "apply the bundle",
            format!("{} names a charm that was not added", c.id),
        )),
    }
}

/// `$deploy-1:db` as `web:db`.
pub(super) fn resolve(text: &str, known: &Known) -> String {
    let Some(reference) = text.strip_prefix('$') else {
        return text.to_owned();
    };
    let (id, rest) = match reference.split_once(':') {
        Some((id, rest)) => (id, format!(":{rest}")),
        None => (reference, String::new()),
    };
    match known.get(id) {
        Some(Outcome::Name(n)) => format!("{n}{rest}"),
        _ => text.to_owned(),
    }
}

fn plain(v: &Value) -> String {
    v.as_str().map_or_else(|| v.to_string(), str::to_owned)
}

fn channel_of(o: &Origin) -> String {
    Channel {
        track: o.track.clone().filter(|t| !t.is_empty()),
        risk: o.risk.clone(),
        branch: o.branch.clone().filter(|b| !b.is_empty()),
    }
    .to_string()
}

fn ubuntu() -> Base {
    Base {
        name: "ubuntu".into(),
        channel: "24.04/stable".into(),
    }
}

/// Ubuntu 24.04 if the charm supports it, else its first.
fn choose(supported: &[Base]) -> Base {
    let latest = ubuntu();
    let mut b = supported
        .iter()
        .find(|b| base::same(b, &latest))
        .or(supported.first())
        .cloned()
        .unwrap_or(latest);
    b.channel = base::with_risk(&b.channel);
    b
}
