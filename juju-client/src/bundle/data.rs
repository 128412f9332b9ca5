//! What a bundle says, typed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};

/// A bundle's content.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct BundleData {
    /// `kubernetes`, or empty.
    pub kind: String,
    /// `ubuntu@22.04/stable`, or empty.
    pub default_base: String,
    /// Applications by name; `None` where the key stands alone.
    pub applications: BTreeMap<String, Option<ApplicationSpec>>,
    /// Machines by name; `None` where the key stands alone.
    pub machines: BTreeMap<String, Option<MachineSpec>>,
    /// Offers of other models by the name that they get here.
    pub saas: BTreeMap<String, String>,
    /// Pairs of endpoints, as written.
    pub relations: Vec<Vec<String>>,
    /// What has another type than it should; the server goes on as if the whole section were empty.
    pub type_errors: Vec<(String, String)>,
}

/// An application in a bundle.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ApplicationSpec {
    /// `keystone`, `ch:keystone`, `local:web-3`, a path.
    pub charm: String,
    /// `2023.1/stable`, or empty.
    pub channel: String,
    /// A revision, which wants a channel beside it.
    pub revision: Option<i64>,
    /// `ubuntu@22.04`, or empty.
    pub base: String,
    /// Revision or path by resource.
    pub resources: BTreeMap<String, Value>,
    /// Units.
    pub num_units: i64,
    /// Placements of the first units.
    pub to: Vec<String>,
    /// Open to the world.
    pub expose: bool,
    /// Open in part.
    pub exposed_endpoints: BTreeMap<String, ExposedEndpointSpec>,
    /// The charm's options.
    pub options: BTreeMap<String, Value>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// `mem=6G cores=4`, or empty.
    pub constraints: String,
    /// Storage constraints by storage.
    pub storage: BTreeMap<String, String>,
    /// Device constraints by device.
    pub devices: BTreeMap<String, String>,
    /// Space by endpoint; the empty name is the default.
    pub bindings: BTreeMap<String, String>,
    /// Offers by name.
    pub offers: BTreeMap<String, OfferSpec>,
    /// Trusted with the cloud's credential.
    pub trust: bool,
}

/// A machine in a bundle.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct MachineSpec {
    /// `mem=6G`, or empty.
    pub constraints: String,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// `ubuntu@22.04`, or empty.
    pub base: String,
}

/// To whom an endpoint is opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExposedEndpointSpec {
    /// Spaces.
    pub spaces: Vec<String>,
    /// Networks.
    pub cidrs: Vec<String>,
}

/// What other models may use.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OfferSpec {
    /// Endpoints.
    pub endpoints: Vec<String>,
    /// Access by user.
    pub acl: BTreeMap<String, String>,
}

/// Reads fields and collects what has the wrong type.
struct Reader {
    errors: Vec<(String, String)>,
}

impl Reader {
    fn wrong(&mut self, place: &str, want: &str, found: &Value) {
        self.errors.push((
            place.to_owned(),
            format!("expected {want}, found {}", show(found)),
        ));
    }

    fn text(&mut self, place: &str, v: Option<&Value>) -> String {
        match v {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(s)) => s.clone(),
            Some(Value::Number(n)) => n.to_string(),
            Some(Value::Bool(b)) => b.to_string(),
            Some(other) => {
                self.wrong(place, "text", other);
                String::new()
            }
        }
    }

    fn integer(&mut self, place: &str, v: Option<&Value>) -> Option<i64> {
        match v {
            None | Some(Value::Null) => None,
            Some(v) => v.as_i64().or_else(|| {
                self.wrong(place, "an integer", v);
                None
            }),
        }
    }

    fn boolean(&mut self, place: &str, v: Option<&Value>) -> bool {
        match v {
            None | Some(Value::Null) => false,
            Some(Value::Bool(b)) => *b,
            Some(v) => {
                self.wrong(place, "true or false", v);
                false
            }
        }
    }

    fn list(&mut self, place: &str, v: Option<&Value>) -> Vec<String> {
        match v {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(a)) => a
                .iter()
                .enumerate()
                .map(|(i, v)| self.text(&format!("{place}[{i}]"), Some(v)))
                .collect(),
            Some(v) => {
                self.wrong(place, "a list", v);
                Vec::new()
            }
        }
    }

    fn map<'v>(&mut self, place: &str, v: Option<&'v Value>) -> Option<&'v Map<String, Value>> {
        match v {
            None | Some(Value::Null) => None,
            Some(Value::Object(m)) => Some(m),
            Some(v) => {
                self.wrong(place, "a mapping", v);
                None
            }
        }
    }

    fn texts(&mut self, place: &str, v: Option<&Value>) -> BTreeMap<String, String> {
        let Some(m) = self.map(place, v) else {
            return BTreeMap::new();
        };
        m.iter()
            .map(|(k, v)| (k.clone(), self.text(&format!("{place}.{k}"), Some(v))))
            .collect()
    }
}

fn show(v: &Value) -> String {
    match v {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a mapping".into(),
        other => other.to_string(),
    }
}

/// From merged YAML.
pub(crate) fn decode(v: &Value) -> Result<BundleData> {
    let mut r = Reader { errors: Vec::new() };
    let Some(top) = v.as_object() else {
        return Err(Error::new(
            ErrorKind::Bundle,
            "read the bundle",
            "cannot read bundle YAML: malformed bundle: bundle is empty not valid",
        ));
    };
    let mut d = BundleData {
        kind: r.text("bundle", top.get("bundle").or_else(|| top.get("type"))),
        default_base: r.text("default-base", top.get("default-base")),
        ..BundleData::default()
    };
    for (name, v) in r.map("saas", top.get("saas")).into_iter().flatten() {
        let place = format!("saas.{name}");
        let url = r.map(&place, Some(v)).and_then(|m| m.get("url")).cloned();
        d.saas
            .insert(name.clone(), r.text(&format!("{place}.url"), url.as_ref()));
    }
    for (name, v) in r.map("machines", top.get("machines")).into_iter().flatten() {
        let place = format!("machines.{name}");
        let spec = r.map(&place, Some(v)).map(|m| MachineSpec {
            constraints: r.text(&format!("{place}.constraints"), m.get("constraints")),
            annotations: r.texts(&format!("{place}.annotations"), m.get("annotations")),
            base: r.text(&format!("{place}.base"), m.get("base")),
        });
        d.machines.insert(name.clone(), spec);
    }
    for (name, v) in r
        .map("applications", top.get("applications"))
        .into_iter()
        .flatten()
    {
        let place = format!("applications.{name}");
        let spec = match r.map(&place, Some(v)) {
            Some(m) => Some(application(&mut r, &place, name, m)?),
            None => None,
        };
        d.applications.insert(name.clone(), spec);
    }
    match top.get("relations") {
        None | Some(Value::Null) => {}
        Some(Value::Array(all)) => {
            for (i, pair) in all.iter().enumerate() {
                let place = format!("relations[{i}]");
                d.relations.push(r.list(&place, Some(pair)));
            }
        }
        Some(other) => r.wrong("relations", "a list", other),
    }
    if !r.errors.is_empty() {
        // What the server does with a document that does not decode: it goes on with an empty one.
        d = BundleData {
            type_errors: r.errors,
            ..BundleData::default()
        };
    }
    Ok(d)
}

fn application(
    r: &mut Reader,
    place: &str,
    name: &str,
    m: &Map<String, Value>,
) -> Result<ApplicationSpec> {
    let at = |k: &str| format!("{place}.{k}");
    let units = r.integer(&at("num_units"), m.get("num_units")).unwrap_or(0);
    let scale = r.integer(&at("scale"), m.get("scale")).unwrap_or(0);
    if units > 0 && scale > 0 {
        return Err(Error::new(
            ErrorKind::Bundle,
            "read the bundle",
            "cannot read bundle YAML: malformed bundle: bundle is empty not valid",
        )
        .hint(format!("application {name:?} has both num_units and scale")));
    }
    let mut exposed_endpoints = BTreeMap::new();
    for (ep, v) in r
        .map(&at("exposed-endpoints"), m.get("exposed-endpoints"))
        .into_iter()
        .flatten()
    {
        let place = format!("{place}.exposed-endpoints.{ep}");
        let e = r.map(&place, Some(v));
        let spec = ExposedEndpointSpec {
            spaces: r.list(
                &format!("{place}.expose-to-spaces"),
                e.and_then(|m| m.get("expose-to-spaces")),
            ),
            cidrs: r.list(
                &format!("{place}.expose-to-cidrs"),
                e.and_then(|m| m.get("expose-to-cidrs")),
            ),
        };
        exposed_endpoints.insert(ep.clone(), spec);
    }
    let mut offers = BTreeMap::new();
    for (offer, v) in r.map(&at("offers"), m.get("offers")).into_iter().flatten() {
        let place = format!("{place}.offers.{offer}");
        let o = r.map(&place, Some(v));
        let spec = OfferSpec {
            endpoints: r.list(
                &format!("{place}.endpoints"),
                o.and_then(|m| m.get("endpoints")),
            ),
            acl: r.texts(&format!("{place}.acl"), o.and_then(|m| m.get("acl"))),
        };
        offers.insert(offer.clone(), spec);
    }
    let values = |m: Option<&Map<String, Value>>| {
        m.into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    Ok(ApplicationSpec {
        charm: r.text(&at("charm"), m.get("charm")),
        channel: r.text(&at("channel"), m.get("channel")),
        revision: r.integer(&at("revision"), m.get("revision")),
        base: r.text(&at("base"), m.get("base")),
        resources: values(r.map(&at("resources"), m.get("resources"))),
        num_units: if units == 0 && scale > 0 {
            scale
        } else {
            units
        },
        to: r.list(&at("to"), m.get("to")),
        expose: r.boolean(&at("expose"), m.get("expose")),
        exposed_endpoints,
        options: values(r.map(&at("options"), m.get("options"))),
        annotations: r.texts(&at("annotations"), m.get("annotations")),
        constraints: r.text(&at("constraints"), m.get("constraints")),
        storage: r.texts(&at("storage"), m.get("storage")),
        devices: r.texts(&at("devices"), m.get("devices")),
        bindings: r.texts(&at("bindings"), m.get("bindings")),
        offers,
        trust: r.boolean(&at("trust"), m.get("trust")),
    })
}
