//! Verification: every problem at once, in the server's words, with its place in the document.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use super::charm_url::CharmUrl;
use super::data::{ApplicationSpec, BundleData};
use super::names::{is_application, is_endpoint, is_number, is_offer_url, quoted, quoted_list};
use super::{Constraints, base, place};

/// Something wrong in a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where: `applications.web.to[0]`.
    pub place: String,
    /// What, in the words of Juju's server.
    pub message: String,
    /// More, where the server says too little.
    pub detail: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if let Some(d) = &self.detail {
            write!(f, " ({d})")?;
        }
        Ok(())
    }
}

struct Verifier<'a> {
    d: &'a BundleData,
    used: BTreeMap<&'a str, usize>,
    problems: Vec<Problem>,
}

impl Verifier<'_> {
    fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem {
            place: place.into(),
            message: message.into(),
            detail: None,
        });
    }
}

/// All that is wrong, in the order of the server.
pub(crate) fn verify(d: &BundleData) -> Vec<Problem> {
    let mut v = Verifier {
        d,
        used: d.machines.keys().map(|m| (m.as_str(), 0)).collect(),
        problems: Vec::new(),
    };
    if !d.kind.is_empty() && d.kind != "kubernetes" {
        v.add("bundle", format!("bundle has an invalid type {:?}", d.kind));
    }
    if d.kind == "kubernetes" && !d.machines.is_empty() {
        v.add(
            "machines",
            "bundle machines not valid for Kubernetes bundles",
        );
        v.used.clear();
    }
    if !d.default_base.is_empty() && !base::is_charm_base(&d.default_base) {
        v.add(
            "default-base",
            format!("bundle declares an invalid base {:?}", d.default_base),
        );
    }
    v.saas();
    if d.kind != "kubernetes" {
        v.machines();
    }
    v.applications();
    v.relations();
    let unused: Vec<String> = v
        .used
        .iter()
        .filter(|(_, n)| **n == 0)
        .map(|(m, _)| (*m).to_owned())
        .collect();
    for m in unused {
        v.add(
            format!("machines.{m}"),
            format!("machine {m:?} is not referred to by a placement directive"),
        );
    }
    // A document with a wrong type in it: the server goes on as if it were empty, and over an overlay in silence, which nobody
    // means.
    let mut wrong = d
        .type_errors
        .iter()
        .map(|(place, what)| match place.as_str() {
            "" => what.clone(),
            place => format!("{place}: {what}"),
        });
    if let Some(first) = v.problems.first_mut() {
        first.detail = Some(wrong.collect::<Vec<_>>().join("; ")).filter(|d| !d.is_empty());
    } else if let Some(what) = wrong.next() {
        v.add("bundle", what);
    } else {
        // Found when the changes are written down: only once nothing else is wrong.
        v.options();
    }
    v.problems
}

impl<'a> Verifier<'a> {
    fn saas(&mut self) {
        for (name, url) in &self.d.saas {
            let place = format!("saas.{name}");
            if self.d.applications.contains_key(name) {
                self.add(
                    &place,
                    format!("application {name:?} already exists with SAAS {name:?} name"),
                );
            }
            if !is_application(name) {
                self.add(&place, format!("invalid SAAS name {name:?} found"));
            }
            if !url.is_empty() && !is_offer_url(url) {
                self.add(
                    format!("{place}.url"),
                    format!("invalid offer URL {url:?} for SAAS {name}"),
                );
            }
        }
    }

    fn machines(&mut self) {
        for (id, m) in &self.d.machines {
            let place = format!("machines.{id}");
            if !is_number(id) {
                self.add(
                    &place,
                    format!("invalid machine id {id:?} found in machines"),
                );
            }
            let Some(m) = m else { continue };
            if let Err(e) = m.constraints.parse::<Constraints>() {
                let message = format!(
                    "invalid constraints {:?} in machine {id:?}: {}",
                    m.constraints,
                    e.message()
                );
                self.add(format!("{place}.constraints"), message);
            }
            if !m.base.is_empty() && !base::is_charm_base(&m.base) {
                self.add(
                    format!("{place}.base"),
                    format!("invalid base {:?} for machine {id:?}", m.base),
                );
            }
        }
    }

    fn applications(&mut self) {
        if self.d.applications.is_empty() {
            self.add("applications", "at least one application must be specified");
            return;
        }
        for (name, app) in &self.d.applications {
            let place = format!("applications.{name}");
            match app {
                Some(app) => self.application(name, app, &place),
                None => self.add(
                    place,
                    format!("bundle application for key {name:?} is undefined"),
                ),
            }
        }
    }

    fn application(&mut self, name: &str, app: &'a ApplicationSpec, place: &str) {
        let at = |k: &str| format!("{place}.{k}");
        if app.charm.is_empty() {
            self.add(at("charm"), "empty charm path");
        }
        if self.d.saas.contains_key(name) {
            self.add(
                place,
                format!("SAAS {name:?} already exists with application {name:?} name"),
            );
        }
        self.charm(name, app, place);
        if !app.base.is_empty() && !base::is_charm_base(&app.base) {
            self.add(
                at("base"),
                format!(
                    "application {name:?} declares an invalid base {:?}",
                    app.base
                ),
            );
        }
        if let Err(e) = app.constraints.parse::<Constraints>() {
            self.add(
                at("constraints"),
                format!(
                    "invalid constraints {:?} in application {name:?}: {}",
                    app.constraints,
                    e.message()
                ),
            );
        }
        for (s, spec) in &app.storage {
            if !is_application(s) {
                self.add(
                    format!("{place}.storage.{s}"),
                    format!("invalid storage name {s:?} in application {name:?}"),
                );
            }
            if let Err(e) = super::execute::storage(spec) {
                self.add(
                    format!("{place}.storage.{s}"),
                    format!("invalid storage {s:?} in application {name:?}: {e}"),
                );
            }
        }
        for (s, spec) in &app.devices {
            if !is_application(s) {
                self.add(
                    format!("{place}.devices.{s}"),
                    format!("invalid device name {s:?} in application {name:?}"),
                );
            }
            if let Err(e) = super::execute::device(spec) {
                self.add(
                    format!("{place}.devices.{s}"),
                    format!("invalid device {s:?} in application {name:?}: {e}"),
                );
            }
        }
        for (offer, spec) in &app.offers {
            if !is_application(offer) {
                self.add(
                    format!("{place}.offers.{offer}"),
                    format!("invalid offer name {offer:?} in application {name:?}"),
                );
            }
            for ep in spec.endpoints.iter().filter(|e| !is_endpoint(e)) {
                self.add(
                    format!("{place}.offers.{offer}.endpoints"),
                    format!(
                        "invalid endpoint name {ep:?} for offer {offer:?} in application {name:?}"
                    ),
                );
            }
        }
        for (resource, v) in &app.resources {
            if resource.is_empty() {
                self.add(
                    at("resources"),
                    format!("missing resource name on application {name:?}"),
                );
            }
            if !(v.is_i64() || v.is_string()) {
                self.add(
                    format!("{place}.resources.{resource}"),
                    format!("resource revision {name:?} is not int or string"),
                );
            }
        }
        if app.num_units < 0 {
            self.add(
                at("num_units"),
                format!("negative number of units specified on application {name:?}"),
            );
        }
        if self.d.kind == "kubernetes" {
            if app.to.len() > 1 {
                self.add(
                    at("to"),
                    format!("too many placement directives for application {name:?}"),
                );
            } else if let Some(e) = app.to.first().and_then(|t| wrong_key_values(t)) {
                self.add(at("to[0]"), format!("{e} for application {name:?}"));
            }
        } else {
            self.placements(name, app, place);
        }
        if !app.exposed_endpoints.is_empty() && app.expose {
            self.add(at("expose"), format!("exposed-endpoints cannot be specified together with \"exposed:true\" in application {name:?} as this poses a security risk when deploying bundles to older controllers"));
        } else {
            for (ep, spec) in &app.exposed_endpoints {
                for cidr in spec.cidrs.iter().filter(|c| !is_cidr(c)) {
                    self.add(format!("{place}.exposed-endpoints.{ep}"), format!("invalid CIDR {cidr:?} for expose to CIDRs field for endpoint {ep:?} in application {name:?}"));
                }
            }
        }
    }

    fn charm(&mut self, name: &str, app: &ApplicationSpec, place: &str) {
        let at = |k: &str| format!("{place}.{k}");
        if app.charm.starts_with('.') || app.charm.starts_with('/') {
            let path = Path::new(&app.charm);
            if !path.exists() {
                self.add(
                    at("charm"),
                    format!(
                        "charm path in application {name:?} does not exist: {}",
                        app.charm.strip_prefix("./").unwrap_or(&app.charm)
                    ),
                );
            }
            return;
        }
        match CharmUrl::parse(&app.charm) {
            Err(e) => self.add(
                at("charm"),
                format!("invalid charm URL in application {name:?}: {e}"),
            ),
            Ok(url) => {
                let hub = url.schema == "ch";
                if hub && url.revision.is_some() {
                    self.add(
                        at("charm"),
                        format!(
                            "cannot specify revision in {:?}, please use revision",
                            url.to_string()
                        ),
                    );
                }
                if let Some(r) = app.revision {
                    if hub && app.channel.is_empty() {
                        self.add(at("revision"), format!("application {name:?} with a revision requires a channel for future upgrades, please use channel"));
                    }
                    if r < 0 {
                        self.add(
                            at("revision"),
                            format!(
                                "the revision for application {name:?} must be zero or greater"
                            ),
                        );
                    }
                }
            }
        }
    }

    fn placements(&mut self, name: &str, app: &'a ApplicationSpec, at: &str) {
        if app.num_units >= 0 && app.to.len() > usize::try_from(app.num_units).unwrap_or(usize::MAX)
        {
            self.add(
                format!("{at}.to"),
                format!("too many units specified in unit placement for application {name:?}"),
            );
        }
        for (i, text) in app.to.iter().enumerate() {
            let at = format!("{at}.to[{i}]");
            let p = match place::parse(text) {
                Ok(p) => p,
                Err(e) => {
                    self.add(at, e);
                    continue;
                }
            };
            if !p.application.is_empty() {
                match self.d.applications.get(&p.application) {
                    None => self.add(
                        at,
                        format!(
                            "placement {text:?} refers to an application not defined in this bundle"
                        ),
                    ),
                    Some(target) => {
                        let units = target.as_ref().map_or(0, |t| t.num_units);
                        if p.unit
                            .is_some_and(|u| i64::try_from(u).unwrap_or(i64::MAX) >= units)
                        {
                            self.add(at, format!("placement {text:?} specifies a unit greater than the {units} unit(s) started by the target application"));
                        }
                    }
                }
            } else if p.machine != "new" {
                match self.used.get_mut(p.machine.as_str()) {
                    Some(n) => *n += 1,
                    None => self.add(
                        at,
                        format!(
                            "placement {text:?} refers to a machine not defined in this bundle"
                        ),
                    ),
                }
            }
        }
    }

    fn relations(&mut self) {
        let mut seen = BTreeSet::new();
        for (i, pair) in self.d.relations.iter().enumerate() {
            let place = format!("relations[{i}]");
            let shown = quoted_list(pair);
            let [a, b] = &pair[..] else {
                self.add(
                    place,
                    format!("relation {shown} has {} endpoint(s), not 2", pair.len()),
                );
                continue;
            };
            let mut ends = Vec::new();
            for e in [a, b] {
                let (app, endpoint) = e.split_once(':').unwrap_or((e, ""));
                if !is_application(app) || (e.contains(':') && !is_endpoint(endpoint)) {
                    self.add(&place, format!("invalid relation syntax {e:?}"));
                    continue;
                }
                let (is_app, is_saas) = (
                    self.d.applications.contains_key(app),
                    self.d.saas.contains_key(app),
                );
                if !is_app && !is_saas {
                    self.add(&place, format!("relation {shown} refers to application {app:?} not defined in this bundle"));
                }
                if is_app && is_saas {
                    self.add(&place, format!("ambiguous relation {app:?} refers to a application and a SAAS in this bundle"));
                }
                ends.push((app, endpoint));
            }
            if ends.len() < 2 {
                continue;
            }
            if ends[0].0 == ends[1].0 {
                self.add(
                    &place,
                    format!("relation {shown} relates an application to itself"),
                );
            }
            ends.sort_unstable();
            if !seen.insert(ends) {
                self.add(
                    &place,
                    format!("relation {shown} is defined more than once"),
                );
            }
        }
    }

    /// A mapping in an option: the server cannot say it again (`json: unsupported type`).
    fn options(&mut self) {
        for (name, app) in self
            .d
            .applications
            .iter()
            .filter_map(|(n, a)| a.as_ref().map(|a| (n, a)))
        {
            for (option, _) in app.options.iter().filter(|(_, v)| holds_mapping(v)) {
                self.add(
                    format!("applications.{name}.options.{option}"),
                    "json: unsupported type: map[interface {}]interface {}",
                );
            }
        }
    }
}

fn holds_mapping(v: &serde_json::Value) -> bool {
    v.is_object() || v.as_array().is_some_and(|a| a.iter().any(holds_mapping))
}

/// As Go's `net.ParseCIDR`.
fn is_cidr(s: &str) -> bool {
    s.split_once('/').is_some_and(|(ip, bits)| {
        let digits = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        match (ip.parse::<std::net::IpAddr>(), bits.parse::<u8>()) {
            (Ok(std::net::IpAddr::V4(_)), Ok(b)) => digits && b <= 32,
            (Ok(std::net::IpAddr::V6(_)), Ok(b)) => digits && b <= 128,
            _ => false,
        }
    })
}

/// What is wrong with a Kubernetes placement, `key=value,...`.
fn wrong_key_values(text: &str) -> Option<String> {
    let mut seen = BTreeSet::new();
    for pair in text.split(',') {
        match pair.split_once('=') {
            Some((k, v)) if !k.is_empty() && !v.is_empty() => {
                if !seen.insert(k) {
                    return Some(format!("key {} specified more than once", quoted(k)));
                }
            }
            _ => return Some(format!("expected \"key=value\", got {}", quoted(pair))),
        }
    }
    None
}
