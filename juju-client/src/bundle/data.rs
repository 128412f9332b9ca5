//! What a bundle says, typed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::scalar::{self, Scalar};
use super::yaml::{Kind, Node};

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
    /// The default series of older bundles, `jammy`; Juju 4 knows only bases.
    pub series: String,
    /// What has another type than it should, by place; the server goes on as if the whole document were empty.
    pub type_errors: Vec<(String, String)>,
    /// Keys that Juju does not know, and keys that stand twice, by place. The official client refuses such a bundle without
    /// `--force`; the server passes over them.
    pub warnings: Vec<(String, String)>,
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
    /// The series of older bundles, or empty.
    pub series: String,
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
    /// The series of older bundles, or empty.
    pub series: String,
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
#[derive(Default)]
struct Reader {
    errors: Vec<(String, String)>,
    /// What makes the server take the whole text for empty.
    fatal: Option<String>,
    warnings: Vec<(String, String)>,
}

/// `applications.web` and `to` as `applications.web.to`.
fn at(place: &str, key: &str) -> String {
    if place.is_empty() {
        key.to_owned()
    } else {
        format!("{place}.{key}")
    }
}

fn resolved(n: &Node) -> Option<Scalar> {
    match &n.kind {
        Kind::Scalar { text, plain, tag } => Some(scalar::resolve(text, *plain, tag)),
        _ => None,
    }
}

/// There, and not nothing.
fn given(n: Option<&Node>) -> Option<&Node> {
    n.filter(|n| !n.is_null())
}

impl Reader {
    fn wrong(&mut self, place: &str, want: &str, found: &Node) {
        let found_text = match &found.kind {
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
            Kind::Scalar { text, .. } => format!("{text:?}"),
        };
        self.errors.push((
            place.to_owned(),
            format!("expected {want}, found {found_text} (line {})", found.line),
        ));
    }

    /// Text is taken as it is written.
    fn text(&mut self, place: &str, n: Option<&Node>) -> String {
        let Some(n) = given(n) else {
            return String::new();
        };
        match &n.kind {
            Kind::Scalar { text, tag, .. } if tag == "!!binary" => {
                match scalar::resolve(text, false, tag) {
                    Scalar::Text(t) => t,
                    _ => text.clone(),
                }
            }
            Kind::Scalar { text, .. } => text.clone(),
            _ => {
                self.wrong(place, "text", n);
                String::new()
            }
        }
    }

    /// An integer; a fraction is cut off, as Juju does.
    fn integer(&mut self, place: &str, n: Option<&Node>) -> Option<i64> {
        let n = given(n)?;
        let number = match resolved(n) {
            Some(Scalar::Int(i)) => i64::try_from(i).ok(),
            // 2^63 is the first float that is none of Go's integers.
            Some(Scalar::Float(f)) if f.abs() < 9_223_372_036_854_775_808.0 => Some(f as i64),
            _ => None,
        };
        if number.is_none() {
            self.wrong(place, "an integer", n);
        }
        number
    }

    fn boolean(&mut self, place: &str, n: Option<&Node>) -> bool {
        let Some(n) = given(n) else { return false };
        match resolved(n) {
            Some(Scalar::Bool(b)) => b,
            _ => {
                self.wrong(place, "true or false", n);
                false
            }
        }
    }

    fn list<'n>(&mut self, place: &str, n: Option<&'n Node>) -> Option<&'n [Node]> {
        let n = given(n)?;
        match &n.kind {
            Kind::List(l) => Some(l),
            _ => {
                self.wrong(place, "a list", n);
                None
            }
        }
    }

    fn texts(&mut self, place: &str, n: Option<&Node>) -> Vec<String> {
        let list = self.list(place, n).unwrap_or_default();
        list.iter()
            .enumerate()
            .map(|(i, n)| self.text(&format!("{place}[{i}]"), Some(n)))
            .collect()
    }

    fn map<'n>(&mut self, place: &str, n: Option<&'n Node>) -> Option<Vec<(String, &'n Node)>> {
        let n = given(n)?;
        let entries = n.entries();
        if entries.is_none() {
            self.wrong(place, "a mapping", n);
        }
        if let (Some(e), Kind::Map(m)) = (&entries, &n.kind)
            && e.len() < m.len()
            && !m
                .iter()
                .any(|(k, _)| matches!(&k.kind, Kind::Scalar { text, .. } if text == "<<"))
        {
            self.warnings.push((
                place.to_owned(),
                format!(
                    "a key stands twice in the mapping at line {}, its last value counts",
                    n.line
                ),
            ));
        }
        entries
    }

    /// A mapping with keys that Juju knows.
    fn fields<'n>(
        &mut self,
        place: &str,
        n: Option<&'n Node>,
        known: &[&str],
    ) -> Option<BTreeMap<String, &'n Node>> {
        let fields: BTreeMap<String, &Node> = self.map(place, n)?.into_iter().collect();
        for (key, n) in fields.iter().filter(|(k, _)| !known.contains(&k.as_str())) {
            self.warnings.push((
                at(place, key),
                format!("Juju knows no such key (line {})", n.line),
            ));
        }
        Some(fields)
    }

    fn text_map(&mut self, place: &str, n: Option<&Node>) -> BTreeMap<String, String> {
        let entries = self.map(place, n).unwrap_or_default();
        entries
            .into_iter()
            .map(|(k, n)| {
                let text = self.text(&at(place, &k), Some(n));
                (k, text)
            })
            .collect()
    }

    /// Whatever it is, as JSON.
    fn any(&mut self, place: &str, n: &Node) -> Value {
        match &n.kind {
            Kind::Scalar { text, plain, tag } => scalar::resolve(text, *plain, tag)
                .value()
                .unwrap_or_else(|| {
                    self.wrong(place, "a number that JSON can hold", n);
                    Value::Null
                }),
            Kind::List(l) => Value::Array(
                l.iter()
                    .enumerate()
                    .map(|(i, n)| self.any(&format!("{place}[{i}]"), n))
                    .collect(),
            ),
            Kind::Map(_) => {
                let mut m = Map::new();
                for (k, n) in self.map(place, Some(n)).unwrap_or_default() {
                    let v = self.any(&at(place, &k), n);
                    m.insert(k, v);
                }
                Value::Object(m)
            }
        }
    }

    fn values(&mut self, place: &str, n: Option<&Node>) -> BTreeMap<String, Value> {
        let entries = self.map(place, n).unwrap_or_default();
        entries
            .into_iter()
            .map(|(k, n)| {
                let v = self.any(&at(place, &k), n);
                (k, v)
            })
            .collect()
    }

    fn exposed_endpoint(&mut self, place: &str, n: &Node) -> ExposedEndpointSpec {
        let f = self
            .fields(place, Some(n), &["expose-to-spaces", "expose-to-cidrs"])
            .unwrap_or_default();
        let mut texts = |k: &str| self.texts(&at(place, k), f.get(k).copied());
        ExposedEndpointSpec {
            spaces: texts("expose-to-spaces"),
            cidrs: texts("expose-to-cidrs"),
        }
    }

    fn offer(&mut self, place: &str, n: &Node) -> OfferSpec {
        let f = self
            .fields(place, Some(n), &["endpoints", "acl"])
            .unwrap_or_default();
        OfferSpec {
            endpoints: self.texts(&at(place, "endpoints"), f.get("endpoints").copied()),
            acl: self.text_map(&at(place, "acl"), f.get("acl").copied()),
        }
    }

    fn machine(&mut self, place: &str, n: &Node) -> Option<MachineSpec> {
        let f = self.fields(
            place,
            Some(n),
            &["constraints", "annotations", "base", "series"],
        )?;
        let mut text = |k: &str| self.text(&at(place, k), f.get(k).copied());
        Some(MachineSpec {
            constraints: text("constraints"),
            base: text("base"),
            series: text("series"),
            annotations: self.text_map(&at(place, "annotations"), f.get("annotations").copied()),
        })
    }

    fn application(
        &mut self,
        place: &str,
        name: &str,
        n: &Node,
        kubernetes: bool,
    ) -> Option<ApplicationSpec> {
        let f = self.fields(place, Some(n), &FIELDS)?;
        let get = |k: &str| f.get(k).copied();
        let units = self
            .integer(&at(place, "num_units"), get("num_units"))
            .unwrap_or(0);
        let scale = self.integer(&at(place, "scale"), get("scale")).unwrap_or(0);
        if units > 0 && scale > 0 {
            self.fatal.get_or_insert(format!(
                "cannot specify both scale and num_units for application {name:?}"
            ));
        }
        let mut to = self.texts(&at(place, "to"), get("to"));
        let placement = self.text(&at(place, "placement"), get("placement"));
        if !placement.is_empty() {
            if !kubernetes {
                self.fatal.get_or_insert(format!(
                    "placement ({placement}) not valid for non-Kubernetes application {name:?}"
                ));
            } else if !to.is_empty() {
                self.fatal.get_or_insert(format!(
                    "cannot specify both placement and to for application {name:?}"
                ));
            }
            to = vec![placement];
        }
        let (ep, of) = (at(place, "exposed-endpoints"), at(place, "offers"));
        let exposed_endpoints = self.map(&ep, get("exposed-endpoints")).unwrap_or_default();
        let exposed_endpoints = exposed_endpoints
            .into_iter()
            .map(|(k, n)| {
                let e = self.exposed_endpoint(&at(&ep, &k), n);
                (k, e)
            })
            .collect();
        let offers = self.map(&of, get("offers")).unwrap_or_default();
        let offers = offers
            .into_iter()
            .map(|(k, n)| {
                let o = self.offer(&at(&of, &k), n);
                (k, o)
            })
            .collect();
        self.text(&at(place, "plan"), get("plan"));
        let mut text = |k: &str| self.text(&at(place, k), get(k));
        let (charm, channel, base, series) =
            (text("charm"), text("channel"), text("base"), text("series"));
        let constraints = text("constraints");
        let mut texts = |k: &str| self.text_map(&at(place, k), get(k));
        let (annotations, storage) = (texts("annotations"), texts("storage"));
        let (devices, bindings) = (texts("devices"), texts("bindings"));
        Some(ApplicationSpec {
            charm,
            channel,
            revision: self.integer(&at(place, "revision"), get("revision")),
            base,
            series,
            resources: self.values(&at(place, "resources"), get("resources")),
            num_units: if units == 0 && scale > 0 {
                scale
            } else {
                units
            },
            to,
            expose: self.boolean(&at(place, "expose"), get("expose")),
            exposed_endpoints,
            options: self.values(&at(place, "options"), get("options")),
            annotations,
            constraints,
            storage,
            devices,
            bindings,
            offers,
            trust: self.boolean(&at(place, "trust"), get("trust")),
        })
    }
}

/// What an application may say.
const FIELDS: [&str; 21] = [
    "charm",
    "channel",
    "revision",
    "base",
    "series",
    "resources",
    "num_units",
    "scale",
    "to",
    "placement",
    "expose",
    "exposed-endpoints",
    "options",
    "annotations",
    "constraints",
    "storage",
    "devices",
    "bindings",
    "offers",
    "plan",
    "trust",
];

/// What a bundle may say. What only the store's tools heed is let through in silence.
const TOP: [&str; 14] = [
    "bundle",
    "applications",
    "machines",
    "saas",
    "default-base",
    "series",
    "relations",
    "tags",
    "description",
    "name",
    "summary",
    "website",
    "docs",
    "issues",
];

/// One document, typed. Of one with a wrong type anywhere nothing is left but the errors, as on the server.
///
/// # Errors
/// What makes the server take the whole text for empty.
pub(crate) fn decode(top: &Node) -> Result<BundleData, String> {
    let mut r = Reader::default();
    let mut d = BundleData::default();
    if given(Some(top)).is_none() {
        return Ok(d);
    }
    let f = r.fields("", Some(top), &TOP).unwrap_or_default();
    let get = |k: &str| f.get(k).copied();
    d.kind = r.text("bundle", get("bundle"));
    d.default_base = r.text("default-base", get("default-base"));
    d.series = r.text("series", get("series"));
    r.text("description", get("description"));
    r.texts("tags", get("tags"));
    for (name, n) in r.map("saas", get("saas")).unwrap_or_default() {
        let place = at("saas", &name);
        let fields = r.fields(&place, Some(n), &["url"]).unwrap_or_default();
        let url = r.text(&at(&place, "url"), fields.get("url").copied());
        d.saas.insert(name, url);
    }
    for (name, n) in r.map("machines", get("machines")).unwrap_or_default() {
        let spec = r.machine(&at("machines", &name), n);
        d.machines.insert(name, spec);
    }
    for (name, n) in r
        .map("applications", get("applications"))
        .unwrap_or_default()
    {
        let spec = r.application(&at("applications", &name), &name, n, d.kind == "kubernetes");
        d.applications.insert(name, spec);
    }
    for (i, pair) in r
        .list("relations", get("relations"))
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let pair = r.texts(&format!("relations[{i}]"), Some(pair));
        d.relations.push(pair);
    }
    if !r.errors.is_empty() {
        d = BundleData::default();
        d.type_errors = r.errors;
    } else if let Some(fatal) = r.fatal {
        return Err(fatal);
    }
    d.warnings = r.warnings;
    Ok(d)
}
