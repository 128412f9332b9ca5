//! A living model, as far as a planner needs to know it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::charm_url::CharmUrl;
use super::data::BundleData;
use super::natural;
use crate::api::application::ApplicationConfig;
use crate::api::status::{Base, ExposedEndpoint, FullStatus};
use crate::client::Client;
use crate::error::Result;

/// A model. Empty by default.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Model {
    /// Applications by name.
    pub applications: BTreeMap<String, ExistingApplication>,
    /// Machines and containers by id.
    pub machines: BTreeMap<String, ExistingMachine>,
    /// Relations as `(application, endpoint, application, endpoint)`.
    pub relations: Vec<(String, String, String, String)>,
    /// Applications of other models by name: their offer's URL.
    pub remote: BTreeMap<String, String>,
    /// Offers by application.
    pub offers: BTreeMap<String, Vec<String>>,
    /// What an offer offers, in order, where it is known.
    pub offer_endpoints: BTreeMap<String, Vec<String>>,
}

/// An application that is there.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ExistingApplication {
    /// `ch:amd64/keystone-1101`.
    pub charm: String,
    /// `2023.1/stable`.
    pub channel: String,
    /// The charm's revision.
    pub revision: Option<i64>,
    /// Operating system.
    pub base: Base,
    /// Options that are set.
    pub options: BTreeMap<String, Value>,
    /// What its machines must have.
    pub constraints: super::Constraints,
    /// Trusted.
    pub trust: bool,
    /// Space by endpoint.
    pub bindings: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Open.
    pub exposed: bool,
    /// Open in part.
    pub exposed_endpoints: BTreeMap<String, ExposedEndpoint>,
    /// Lives beside others.
    pub subordinate: bool,
    /// Unit and machine, in natural order.
    pub units: Vec<(String, String)>,
    /// Whether its settings are known; they are not if it went while the model was read.
    pub known: bool,
}

/// A machine that is there.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ExistingMachine {
    /// Operating system.
    pub base: Base,
    /// As the status shows them.
    pub constraints: String,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

impl ExistingApplication {
    /// The charm's name without schema, architecture and revision.
    pub fn charm_name(&self) -> &str {
        let rest = self.charm.rsplit('/').next().unwrap_or(&self.charm);
        let rest = rest.split_once(':').map_or(rest, |(_, r)| r);
        match rest.rsplit_once('-') {
            Some((n, r)) if !r.is_empty() && r.chars().all(|c| c.is_ascii_digit()) => n,
            _ => rest,
        }
    }
}

impl Model {
    /// Reads what the bundle touches.
    ///
    /// # Errors
    /// The connection's.
    pub async fn read(client: &Client, bundle: &BundleData) -> Result<Self> {
        let status = client.status().await?;
        let named: Vec<&String> = status
            .applications
            .keys()
            .filter(|n| bundle.applications.contains_key(*n))
            .collect();
        let mut tags: Vec<String> = named.iter().map(|n| crate::application_tag(n)).collect();
        tags.extend(status.machines.keys().map(|id| crate::machine_tag(id)));
        let api = client.applications();
        let (configs, annotations) = tokio::join!(
            futures_util::future::join_all(named.iter().map(|n| api.get(n))),
            async {
                if tags.is_empty() {
                    Ok(Vec::new())
                } else {
                    client.annotations().get_many(&tags).await
                }
            }
        );
        let mut settings: BTreeMap<String, ApplicationConfig> = BTreeMap::new();
        for (name, config) in named.into_iter().zip(configs) {
            match config {
                Ok(c) => drop(settings.insert(name.clone(), c)),
                Err(e) if e.is_not_found() => {}
                Err(e) => return Err(e),
            }
        }
        let annotations = annotations?
            .into_iter()
            .filter_map(|(tag, r)| r.ok().map(|a| (tag, a)))
            .collect();
        Ok(Self::from_parts(&status, settings, &annotations))
    }

    /// From what was read otherwise: settings by application, annotations by tag.
    pub fn from_parts(
        status: &FullStatus,
        mut settings: BTreeMap<String, ApplicationConfig>,
        annotations: &BTreeMap<String, BTreeMap<String, String>>,
    ) -> Self {
        let mut m = Self::default();
        for machine in status.all_machines() {
            let e = ExistingMachine {
                base: machine.base.clone(),
                constraints: machine.constraints.to_string(),
                annotations: annotations
                    .get(&crate::machine_tag(&machine.id))
                    .cloned()
                    .unwrap_or_default(),
            };
            m.machines.insert(machine.id.to_string(), e);
        }
        for (name, app) in &status.applications {
            let mut units: Vec<(String, String)> = app
                .units
                .iter()
                .map(|(n, u)| (n.to_string(), u.machine.to_string()))
                .collect();
            units.sort_by(|a, b| natural::compare(&a.0, &b.0));
            let mut e = ExistingApplication {
                charm: app.charm.clone(),
                channel: app.charm_channel.clone(),
                revision: app
                    .charm_rev
                    .or_else(|| CharmUrl::parse(&app.charm).ok().and_then(|u| u.revision)),
                base: app.base.clone(),
                annotations: annotations
                    .get(&crate::application_tag(name))
                    .cloned()
                    .unwrap_or_default(),
                exposed: app.exposed,
                exposed_endpoints: app.exposed_endpoints.clone(),
                bindings: app.endpoint_bindings.clone(),
                subordinate: app.is_subordinate(),
                units,
                ..ExistingApplication::default()
            };
            if let Some(c) = settings.remove(name) {
                e.known = true;
                e.trust = c
                    .application_config
                    .get("trust")
                    .and_then(|t| t.value.as_ref())
                    .is_some_and(truthy);
                e.constraints = c.constraints;
                e.options = c
                    .config
                    .into_iter()
                    .filter_map(|(k, v)| v.value.map(|v| (k, v)))
                    .collect();
                if e.bindings.is_empty() {
                    e.bindings = c.endpoint_bindings;
                }
            }
            m.applications.insert(name.clone(), e);
        }
        for r in &status.relations {
            if let [a, b] = &r.endpoints[..] {
                m.relations.push((
                    a.application.clone(),
                    a.name.clone(),
                    b.application.clone(),
                    b.name.clone(),
                ));
            }
        }
        let text = |v: &Value, k: &str| {
            v.get(k)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        for (name, remote) in &status.remote_applications {
            m.remote.insert(name.clone(), text(remote, "offer-url"));
        }
        for (name, offer) in &status.offers {
            m.offers
                .entry(text(offer, "application-name"))
                .or_default()
                .push(name.clone());
            if let Some(endpoints) = offer.get("endpoints").and_then(Value::as_object) {
                let mut names: Vec<String> = endpoints.keys().cloned().collect();
                names.sort();
                m.offer_endpoints.insert(name.clone(), names);
            }
        }
        m
    }

    /// The machine of a unit.
    pub fn unit_machine(&self, application: &str, number: u64) -> Option<&str> {
        let name = format!("{application}/{number}");
        self.applications
            .get(application)?
            .units
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, m)| m.as_str())
    }

    /// Whether any unit is on a machine, or in a container of it.
    pub fn is_machine_used(&self, id: &str) -> bool {
        let inside = format!("{id}/");
        self.applications
            .values()
            .flat_map(|a| &a.units)
            .any(|(_, m)| m == id || m.starts_with(&inside))
    }

    pub(crate) fn has_containers(&self, id: &str) -> bool {
        let inside = format!("{id}/");
        self.machines.keys().any(|m| m.starts_with(&inside))
    }
}

fn truthy(v: &Value) -> bool {
    v.as_bool().unwrap_or_else(|| v.as_str() == Some("true"))
}

/// `0/lxd/1` as `0`.
pub(crate) fn top_level(machine: &str) -> &str {
    machine.split('/').next().unwrap_or(machine)
}
