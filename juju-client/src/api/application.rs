//! The facade `Application`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::charms::Origin;
use super::machines::Placement;
use super::{ErrorResult, OneResult, Results, nullable, single};
use crate::bundle::Constraints;
use crate::client::Client;
use crate::error::Result;

/// An application to be deployed.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Deploy {
    /// Its name.
    pub application: String,
    /// `ch:amd64/keystone-1101`.
    pub charm_url: String,
    /// As `AddCharm` gave it.
    pub charm_origin: Origin,
    /// `2023.1/stable`.
    pub channel: String,
    /// Units; a bundle deploys 0 and adds them one by one.
    pub num_units: u32,
    /// Options as YAML under the application's name; `trust` among them.
    pub config_yaml: String,
    /// What its machines must have.
    pub constraints: Constraints,
    /// Where its units go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Vec<Placement>>,
    /// Endpoint to space; the empty name is the default.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoint_bindings: BTreeMap<String, String>,
    /// Resource name to pending id. All of the charm's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
    /// Storage name to constraints.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<String, Value>,
    /// Devices.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub devices: BTreeMap<String, Value>,
    /// Against the charm's bases. The Go field has no tag, hence the capital.
    #[serde(rename = "Force")]
    pub force: bool,
}

impl Deploy {
    /// An application from a charm that is in the model.
    pub fn new(
        application: impl Into<String>,
        charm_url: impl Into<String>,
        origin: Origin,
    ) -> Self {
        Self {
            application: application.into(),
            charm_url: charm_url.into(),
            charm_origin: origin,
            ..Self::default()
        }
    }
}

/// What an application is set to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct ApplicationConfig {
    /// The charm's options.
    #[serde(deserialize_with = "nullable")]
    pub config: BTreeMap<String, OptionValue>,
    /// Options that Juju gives every application, `trust` among them.
    #[serde(deserialize_with = "nullable")]
    pub application_config: BTreeMap<String, OptionValue>,
    /// What its machines must have.
    pub constraints: Constraints,
    /// Endpoint to space.
    #[serde(deserialize_with = "nullable")]
    pub endpoint_bindings: BTreeMap<String, String>,
    /// The channel.
    #[serde(deserialize_with = "nullable")]
    pub channel: String,
    /// The charm's name.
    #[serde(deserialize_with = "nullable")]
    pub charm: String,
}

/// An option and who set it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OptionValue {
    /// The value in effect.
    pub value: Option<Value>,
    /// `user`, `default` or `unset`.
    pub source: String,
    /// The charm's default.
    pub default: Option<Value>,
    /// `string`, `int`, `float`, `boolean`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A unit as its application facade shows it, relation data included.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct UnitInfo {
    /// `unit-web-0`.
    pub tag: String,
    /// The machine's id.
    #[serde(deserialize_with = "nullable")]
    pub machine: String,
    /// Address for clients.
    #[serde(deserialize_with = "nullable")]
    pub public_address: String,
    /// Whether it leads.
    pub leader: bool,
    /// Its relations' data.
    #[serde(deserialize_with = "nullable")]
    pub relation_data: Vec<RelationData>,
}

/// What is in a relation, seen from a unit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct RelationData {
    /// The relation's number.
    pub relation_id: i64,
    /// The unit's own endpoint.
    pub endpoint: String,
    /// The other's.
    pub related_endpoint: String,
    /// The application's bag. The Go field has no tag, hence the capitals on the wire.
    #[serde(rename = "ApplicationData", deserialize_with = "nullable")]
    pub application_data: BTreeMap<String, Value>,
    /// The units' bags by unit.
    #[serde(deserialize_with = "nullable")]
    pub unit_relation_data: BTreeMap<String, UnitBag>,
}

/// A unit's bag.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UnitBag {
    /// Whether the unit has entered the relation.
    #[serde(rename = "InScope")]
    pub in_scope: bool,
    /// The data.
    #[serde(rename = "UnitData", deserialize_with = "nullable")]
    pub data: BTreeMap<String, Value>,
}

/// Another charm for an application.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct SetCharm {
    /// The application.
    pub application: String,
    /// Its generation; always empty.
    pub generation: String,
    /// The charm.
    pub charm_url: String,
    /// As `AddCharm` gave it.
    pub charm_origin: Origin,
    /// The channel.
    pub channel: String,
    /// Over everything.
    pub force: bool,
    /// Against the charm's bases.
    pub force_base: bool,
    /// While units are in error.
    pub force_units: bool,
    /// Resource name to pending id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resource_ids: BTreeMap<String, String>,
}

/// The facade, as [`Client::applications`] gives it.
#[derive(Debug, Clone)]
pub struct Applications(Client);

impl Client {
    /// Applications, units and relations, on a model's connection.
    pub fn applications(&self) -> Applications {
        Applications(self.clone())
    }
}

impl Applications {
    pub(crate) fn client(&self) -> &Client {
        &self.0
    }

    /// Deploys.
    ///
    /// # Errors
    /// `is_already_exists()` (4.0 gives no code; the text counts); what the charm refuses.
    pub async fn deploy(&self, deploy: &Deploy) -> Result<()> {
        let r: Results<ErrorResult> = self
            .0
            .call("Application", "Deploy", json!({"applications": [deploy]}))
            .await?;
        super::all_ok(r, "Application.Deploy")
    }

    /// Adds units, and says their names.
    ///
    /// # Errors
    /// An unknown application or machine. After an unclear failure look at the status before adding again.
    pub async fn add_units(
        &self,
        application: &str,
        n: u32,
        placement: &[Placement],
    ) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default, deserialize_with = "nullable")]
            units: Vec<String>,
        }
        let placement = if placement.is_empty() {
            Value::Null
        } else {
            json!(placement)
        };
        let params = json!({"application": application, "num-units": n, "placement": placement});
        let w: Wire = self.0.call("Application", "AddUnits", params).await?;
        Ok(w.units)
    }

    /// Relates two endpoints (`web:db`, or just `web`).
    ///
    /// # Errors
    /// `is_already_exists()` by its text; nothing that fits, or more than one.
    pub async fn add_relation(&self, a: &str, b: &str) -> Result<()> {
        self.0
            .call::<Value>("Application", "AddRelation", json!({"endpoints": [a, b]}))
            .await
            .map(drop)
    }

    /// Takes a relation away.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn destroy_relation(&self, a: &str, b: &str) -> Result<()> {
        self.0
            .call::<Value>(
                "Application",
                "DestroyRelation",
                json!({"endpoints": [a, b]}),
            )
            .await
            .map(drop)
    }

    /// Takes a relation away by its number, as the status has it.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn destroy_relation_id(&self, id: i64) -> Result<()> {
        self.0
            .call::<Value>("Application", "DestroyRelation", json!({"relation-id": id}))
            .await
            .map(drop)
    }

    /// Opens an application; `endpoints` narrows it.
    ///
    /// # Errors
    /// An unknown application, endpoint or space.
    pub async fn expose(
        &self,
        application: &str,
        endpoints: &BTreeMap<String, super::status::ExposedEndpoint>,
    ) -> Result<()> {
        let mut params = json!({"application": application});
        if !endpoints.is_empty() {
            params["exposed-endpoints"] = json!(endpoints);
        }
        self.0
            .call::<Value>("Application", "Expose", params)
            .await
            .map(drop)
    }

    /// Closes an application.
    ///
    /// # Errors
    /// An unknown application.
    pub async fn unexpose(&self, application: &str) -> Result<()> {
        self.0
            .call::<Value>(
                "Application",
                "Unexpose",
                json!({"application": application, "exposed-endpoints": []}),
            )
            .await
            .map(drop)
    }

    /// Sets options. As a map: 4.0 refuses YAML here.
    ///
    /// # Errors
    /// An option that the charm does not have, a value of another type.
    pub async fn set_config(
        &self,
        application: &str,
        config: &BTreeMap<String, String>,
    ) -> Result<()> {
        let params = json!({"Args": [{"application": application, "generation": "", "config": config, "config-yaml": ""}]});
        let r: Results<ErrorResult> = self.0.call("Application", "SetConfigs", params).await?;
        super::all_ok(r, "Application.SetConfigs")
    }

    /// Back to the charm's defaults.
    ///
    /// # Errors
    /// An unknown application.
    pub async fn unset_config(&self, application: &str, options: &[&str]) -> Result<()> {
        let params =
            json!({"Args": [{"application": application, "branch": "", "options": options}]});
        let r: Results<ErrorResult> = self
            .0
            .call("Application", "UnsetApplicationsConfig", params)
            .await?;
        super::all_ok(r, "Application.UnsetApplicationsConfig")
    }

    /// What an application is set to.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn get(&self, application: &str) -> Result<ApplicationConfig> {
        self.0
            .read(
                "Application",
                "Get",
                json!({"application": application, "branch": ""}),
            )
            .await
    }

    /// Sets what an application's machines must have.
    ///
    /// # Errors
    /// A subordinate has none.
    pub async fn set_constraints(
        &self,
        application: &str,
        constraints: &Constraints,
    ) -> Result<()> {
        self.0
            .call::<Value>(
                "Application",
                "SetConstraints",
                json!({"application": application, "constraints": constraints}),
            )
            .await
            .map(drop)
    }

    /// Moves endpoints to other spaces.
    ///
    /// # Errors
    /// An unknown endpoint or space.
    pub async fn merge_bindings(
        &self,
        application: &str,
        bindings: &BTreeMap<String, String>,
    ) -> Result<()> {
        let params = json!({"args": [{"application-tag": crate::application_tag(application), "bindings": bindings, "force": false}]});
        let r: Results<ErrorResult> = self.0.call("Application", "MergeBindings", params).await?;
        super::all_ok(r, "Application.MergeBindings")
    }

    /// Gives an application another charm.
    ///
    /// # Errors
    /// The server may say `deploy incomplete, please try refresh again` right after a deployment.
    pub async fn set_charm(&self, set: &SetCharm) -> Result<()> {
        self.0
            .call::<Value>("Application", "SetCharm", set)
            .await
            .map(drop)
    }

    /// Charm URL and origin of an application.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn charm_url_origin(&self, application: &str) -> Result<(String, Origin)> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Wire {
            #[serde(default)]
            url: String,
            #[serde(default)]
            charm_origin: Option<Origin>,
            #[serde(default)]
            error: Option<super::WireError>,
        }
        const OP: &str = "Application.GetCharmURLOrigin";
        let w: Wire = self
            .0
            .read(
                "Application",
                "GetCharmURLOrigin",
                json!({"application": application, "branch": ""}),
            )
            .await?;
        ErrorResult { error: w.error }.check(OP)?;
        Ok((w.url, w.charm_origin.unwrap_or_default()))
    }

    /// Removes units.
    ///
    /// # Errors
    /// The first one that cannot be removed.
    pub async fn destroy_units(&self, units: &[&str], force: bool) -> Result<()> {
        let units: Vec<_> = units
            .iter()
            .map(|u| {
                let mut v = json!({"unit-tag": crate::unit_tag(u), "destroy-storage": true});
                if force {
                    v["force"] = json!(true);
                    v["max-wait"] = json!(0);
                }
                v
            })
            .collect();
        let r: Results<ErrorResult> = self
            .0
            .call("Application", "DestroyUnit", json!({"units": units}))
            .await?;
        super::all_ok(r, "Application.DestroyUnit")
    }

    /// Removes an application with its units.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn destroy(&self, application: &str, force: bool) -> Result<()> {
        let params = json!({"applications": [{"application-tag": crate::application_tag(application), "destroy-storage": true, "force": force}]});
        let r: Results<ErrorResult> = self
            .0
            .call("Application", "DestroyApplication", params)
            .await?;
        super::all_ok(r, "Application.DestroyApplication")
    }

    /// Has failed hooks tried again (or passed over).
    ///
    /// # Errors
    /// The first unit that cannot.
    pub async fn resolve_errors(&self, units: &[&str], retry: bool) -> Result<()> {
        let tags: Vec<_> = units
            .iter()
            .map(|u| json!({"tag": crate::unit_tag(u)}))
            .collect();
        let r: Results<ErrorResult> = self
            .0
            .call(
                "Application",
                "ResolveUnitErrors",
                json!({"tags": {"entities": tags}, "retry": retry, "all": false}),
            )
            .await?;
        super::all_ok(r, "Application.ResolveUnitErrors")
    }

    /// A unit with its relations' data.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn unit(&self, unit: &str) -> Result<UnitInfo> {
        const OP: &str = "Application.UnitsInfo";
        let r: Results<OneResult<UnitInfo>> = self
            .0
            .read(
                "Application",
                "UnitsInfo",
                json!({"entities": [{"tag": crate::unit_tag(unit)}]}),
            )
            .await?;
        single(r, OP)?.take(OP)
    }

    /// The unit that leads.
    ///
    /// # Errors
    /// None leads yet.
    pub async fn leader(&self, application: &str) -> Result<String> {
        const OP: &str = "Application.Leader";
        let r: OneResult<String> = self
            .0
            .read(
                "Application",
                "Leader",
                json!({"tag": crate::application_tag(application)}),
            )
            .await?;
        r.take(OP)
    }

    /// The first value of a key in the relation data that a unit of `application` sees, over all its relations: the way to what an
    /// old charm's leader publishes (keystone's administrator password before its action came).
    ///
    /// # Errors
    /// `is_not_found()` if the application has no unit; an absent key is `None`.
    pub async fn relation_value(&self, unit: &str, key: &str) -> Result<Option<String>> {
        let info = self.unit(unit).await?;
        Ok(info.relation_data.iter().find_map(|r| {
            r.unit_relation_data
                .values()
                .map(|b| &b.data)
                .chain(std::iter::once(&r.application_data))
                .find_map(|bag| bag.get(key))
                .and_then(|v| v.as_str().map(str::to_owned))
        }))
    }
}
