//! The planner. For an empty model it says what the official one says, change for change; for a living one it says less.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::data::{ApplicationSpec, BundleData, MachineSpec};
use super::model::{ExistingApplication, Model, top_level};
use super::natural;
use super::place::{self, Placement};
use super::plan::{Change, Plan};
use super::verify::CharmUrl;
use super::{Constraints, MachineNeed, PlanOptions, base};
use crate::api::charms::Channel;
use crate::error::{Error, ErrorKind, Result};

/// Where a unit goes.
#[derive(Debug, Clone, Default)]
struct Target {
    /// `$addMachines-4`, `3`, `lxd:3`, or nothing for a new machine.
    to: String,
    /// The top-level machine, as it will be called.
    machine: String,
    requires: Vec<String>,
    description: String,
    /// Beside another application's unit.
    beside: bool,
}

struct Planner<'a> {
    d: &'a BundleData,
    m: Model,
    o: &'a PlanOptions,
    changes: Vec<Change>,
    /// Application to the id of its `deploy` (or `consumeOffer`).
    added: BTreeMap<String, String>,
    /// Bundle machine to the index of its `addMachines` and the id that it will get.
    machines: BTreeMap<String, (usize, String)>,
    /// Bundle machine to model machine.
    map: BTreeMap<String, String>,
    /// `application/$n` to the index of its `addUnit`.
    units: BTreeMap<(String, u64), usize>,
    /// Indices of `addUnit` by application.
    new_units: BTreeMap<String, Vec<usize>>,
    /// Top-level machine of each `addUnit`, and its place in words.
    unit_machine: BTreeMap<usize, (String, String)>,
    next: BTreeMap<String, u64>,
    /// (application, target application) to what is left of its new units.
    new_beside: BTreeMap<(String, String), Vec<usize>>,
    old_beside: BTreeMap<(String, String), Vec<String>>,
    /// Model machines that stand empty and are taken for a bundle's machine.
    taken: BTreeSet<String>,
}

/// Plans.
pub(crate) fn plan(d: &BundleData, model: Model, options: &PlanOptions) -> Result<Plan> {
    let mut p = Planner {
        d,
        m: model,
        o: options,
        changes: Vec::new(),
        added: BTreeMap::new(),
        machines: BTreeMap::new(),
        map: options.machine_map.clone(),
        units: BTreeMap::new(),
        new_units: BTreeMap::new(),
        unit_machine: BTreeMap::new(),
        next: BTreeMap::new(),
        new_beside: BTreeMap::new(),
        old_beside: BTreeMap::new(),
        taken: BTreeSet::new(),
    };
    p.sequences();
    p.infer_machines();
    p.applications()?;
    if d.kind != "kubernetes" {
        p.add_machines();
    }
    p.offers();
    p.relations();
    if d.kind != "kubernetes" {
        p.add_units();
        p.place_units()?;
    }
    let extra = p.extra();
    let mut changes = p.changes;
    for c in &mut changes {
        c.requires.sort();
        c.requires.dedup();
    }
    Ok(Plan {
        changes: order(changes),
        extra,
    })
}

/// A stable Kahn sort: scan what is left in its first order again and again, emit what waits for nothing, and let what was
/// emitted count within the same scan.
fn order(changes: Vec<Change>) -> Vec<Change> {
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut left = changes;
    let mut sorted = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let before = sorted.len();
        let mut rest = Vec::new();
        for c in left {
            if c.requires.iter().all(|r| done.contains(r)) {
                done.insert(c.id.clone());
                sorted.push(c);
            } else {
                rest.push(c);
            }
        }
        if sorted.len() == before {
            // Cannot be: requirements are of earlier changes only. What is left goes as it stands.
            sorted.extend(rest);
            break;
        }
        left = rest;
    }
    sorted
}

fn charm_text(s: &str) -> (String, bool) {
    match CharmUrl::parse(s) {
        Ok(u) if u.schema == "ch" => (u.name, true),
        Ok(u) => (u.name, false),
        Err(_) => (s.to_owned(), false),
    }
}

/// `stable`, `latest/stable` and nothing are one.
pub(crate) fn channel_key(s: &str) -> String {
    match Channel::parse(if s.is_empty() { "stable" } else { s }) {
        Ok(mut c) => {
            c.track = c.track.filter(|t| t != "latest");
            c.to_string()
        }
        Err(_) => s.to_owned(),
    }
}

fn base_text(app: &ApplicationSpec, d: &BundleData) -> String {
    let text = if app.base.is_empty() {
        &d.default_base
    } else {
        &app.base
    };
    base::parse(text).map_or_else(|_| text.clone(), |b| b.to_string())
}

fn put(args: &mut Map<String, Value>, key: &str, value: &str) {
    if !value.is_empty() {
        args.insert(key.into(), json!(value));
    }
}

fn put_map<T: serde::Serialize>(
    args: &mut Map<String, Value>,
    key: &str,
    value: &BTreeMap<String, T>,
) {
    if !value.is_empty() {
        args.insert(key.into(), json!(value));
    }
}

impl Planner<'_> {
    fn add(
        &mut self,
        method: &str,
        args: Map<String, Value>,
        mut requires: Vec<String>,
        description: String,
    ) -> usize {
        if method == "addMachines" {
            // Machines are added in turn, so that they get the numbers that the plan names.
            requires.extend(
                self.changes
                    .iter()
                    .filter(|c| c.method == "addMachines")
                    .map(|c| c.id.clone()),
            );
        }
        let index = self.changes.len();
        self.changes.push(Change {
            id: format!("{method}-{index}"),
            method: method.into(),
            args,
            requires,
            description,
        });
        index
    }

    fn sequences(&mut self) {
        for (name, app) in &self.m.applications {
            for (unit, _) in &app.units {
                let n: u64 = unit
                    .rsplit('/')
                    .next()
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(0);
                let next = self.next.entry(format!("application-{name}")).or_default();
                *next = (*next).max(n + 1);
            }
        }
        for id in self.m.machines.keys() {
            let parts: Vec<&str> = id.split('/').collect();
            let n: u64 = parts.last().and_then(|n| n.parse().ok()).unwrap_or(0);
            let key = if parts.len() > 2 {
                format!("machine-{}", parts[..parts.len() - 1].join("/"))
            } else {
                "machine".into()
            };
            let next = self.next.entry(key).or_default();
            *next = (*next).max(n + 1);
        }
    }

    fn number(&mut self, key: &str) -> u64 {
        let next = self.next.entry(key.to_owned()).or_default();
        *next += 1;
        *next - 1
    }

    fn next_machine(&mut self) -> String {
        self.number("machine").to_string()
    }

    fn next_container(&mut self, parent: &str, kind: &str) -> String {
        let n = self.number(&format!("machine-{parent}/{kind}"));
        format!("{parent}/{kind}/{n}")
    }

    /// The unit of an application that sits on a model machine, in a container of this kind or right on it.
    fn unit_on(
        &self,
        machine: &str,
        app: &str,
        container: &str,
        among: Option<&[(String, String)]>,
    ) -> Option<String> {
        let own;
        let units = match among {
            Some(u) => u,
            None => {
                own = self.m.applications.get(app)?.units.clone();
                &own[..]
            }
        };
        units
            .iter()
            .find(|(_, m)| on(m, machine, container))
            .map(|(u, _)| u.clone())
    }

    /// Which model machine stands for which bundle machine, from where units are; then from what stands empty.
    fn infer_machines(&mut self) {
        let mut free: BTreeMap<String, Vec<(String, String)>> = self
            .m
            .applications
            .iter()
            .map(|(n, a)| {
                let mapped: BTreeSet<&String> = self.map.values().collect();
                (
                    n.clone(),
                    a.units
                        .iter()
                        .filter(|(_, m)| !mapped.contains(&top_level(m).to_owned()))
                        .cloned()
                        .collect(),
                )
            })
            .collect();
        let mut open: BTreeMap<String, Vec<Placement>> = BTreeMap::new();
        let mut used: BTreeSet<String> = self.map.values().cloned().collect();
        for (name, app) in self.specs() {
            let name = &name;
            let mut rest = Vec::new();
            for text in &app.to {
                let Ok(p) = place::parse(text) else { continue };
                if p.machine.is_empty() || p.machine == "new" || self.map.contains_key(&p.machine) {
                    continue;
                }
                // First the machine that has the very number.
                if let Some(unit) = self.unit_on(&p.machine, name, &p.container, None) {
                    self.map.insert(p.machine.clone(), p.machine.clone());
                    used.insert(p.machine.clone());
                    if let Some(f) = free.get_mut(name) {
                        f.retain(|(u, _)| *u != unit);
                    }
                } else {
                    rest.push(p);
                }
            }
            open.insert(name.clone(), rest);
        }
        for id in natural::sorted(self.d.machines.keys()) {
            if self.map.contains_key(id) {
                continue;
            }
            'machine: for (name, placements) in &open {
                for p in placements.iter().filter(|p| p.machine == id) {
                    let units = free.get_mut(name).map(std::mem::take).unwrap_or_default();
                    let found = units.iter().position(|(_, m)| {
                        !used.contains(top_level(m))
                            && if p.container.is_empty() {
                                !m.contains('/')
                            } else {
                                m.split('/').nth(1) == Some(p.container.as_str())
                            }
                    });
                    let hit = found.map(|i| units[i].clone());
                    let left = units
                        .into_iter()
                        .enumerate()
                        .filter(|(i, _)| Some(*i) != found)
                        .map(|(_, u)| u)
                        .collect();
                    free.insert(name.clone(), left);
                    if let Some((_, m)) = hit {
                        let machine = top_level(&m).to_owned();
                        used.insert(machine.clone());
                        self.map.insert(id.to_owned(), machine);
                        break 'machine;
                    }
                }
            }
        }
        // An earlier try may have stopped between a machine and its unit: an empty machine that asks for the same is that machine.
        let empty: Vec<String> = natural::sorted(
            self.m
                .machines
                .keys()
                .filter(|m| !m.contains('/') && !used.contains(*m) && !self.m.is_machine_used(m)),
        )
        .into_iter()
        .map(str::to_owned)
        .collect();
        let mut empty = empty;
        for id in natural::sorted(self.d.machines.keys()) {
            if self.map.contains_key(id) || self.o.machine_map.contains_key(id) {
                continue;
            }
            let spec = self
                .d
                .machines
                .get(id)
                .and_then(Option::as_ref)
                .cloned()
                .unwrap_or_default();
            let fits: Vec<usize> = empty
                .iter()
                .enumerate()
                .filter(|(_, m)| self.fits(m, &spec))
                .map(|(i, _)| i)
                .collect();
            let Some(i) = fits
                .iter()
                .find(|i| empty[**i] == id)
                .or(fits.first())
                .copied()
            else {
                continue;
            };
            let machine = empty.remove(i);
            self.taken.insert(machine.clone());
            self.map.insert(id.to_owned(), machine);
        }
    }

    fn fits(&self, machine: &str, spec: &MachineSpec) -> bool {
        let Some(m) = self.m.machines.get(machine) else {
            return false;
        };
        let base_text = if spec.base.is_empty() {
            &self.d.default_base
        } else {
            &spec.base
        };
        let same_base = base::parse(base_text).map_or(true, |b| base::same(&b, &m.base));
        same_base && same_constraints(&m.constraints, &spec.constraints)
    }

    fn specs(&self) -> Vec<(String, ApplicationSpec)> {
        natural::sorted(self.d.applications.keys())
            .into_iter()
            .filter_map(|n| {
                self.d
                    .applications
                    .get(n)
                    .and_then(Option::as_ref)
                    .map(|a| (n.to_owned(), a.clone()))
            })
            .collect()
    }

    fn applications(&mut self) -> Result<()> {
        let mut charms: BTreeMap<String, String> = BTreeMap::new();
        for (name, app) in self.specs() {
            let existing = self.m.applications.get(&name).cloned();
            let base = base_text(&app, self.d);
            let upgrade = match &existing {
                Some(e) => self.wants_upgrade(&name, &app, e)?,
                None => false,
            };
            let arch = if self.o.ignore_architecture {
                None
            } else {
                app.constraints
                    .parse::<Constraints>()
                    .ok()
                    .and_then(|c| c.arch)
            };
            let mut charm = app.charm.clone();
            let mut requires = Vec::new();
            if existing.is_none() || upgrade {
                let channel = if app.channel.is_empty() {
                    "stable"
                } else {
                    &app.channel
                };
                let key = format!(
                    "{}:{}:{base}:{channel}:{}",
                    app.charm,
                    arch.as_deref().unwrap_or(""),
                    app.revision.unwrap_or(-1)
                );
                if !charms.contains_key(&key) {
                    let mut args = Map::new();
                    args.insert("charm".into(), json!(app.charm));
                    put(&mut args, "base", &base);
                    put(&mut args, "channel", &app.channel);
                    put(&mut args, "architecture", arch.as_deref().unwrap_or(""));
                    if let Some(r) = app.revision {
                        args.insert("revision".into(), json!(r));
                    }
                    let description = describe_charm("upload charm", &app, &base);
                    let i = self.add("addCharm", args, Vec::new(), description);
                    charms.insert(key.clone(), self.changes[i].id.clone());
                }
                charm = format!("${}", charms[&key]);
                requires.push(charms[&key].clone());
            }
            let (mut revisions, mut files) = (BTreeMap::new(), BTreeMap::new());
            for (r, v) in &app.resources {
                if let Some(n) = v.as_i64() {
                    revisions.insert(r.clone(), n);
                } else if let Some(path) = v.as_str() {
                    files.insert(r.clone(), path.to_owned());
                }
            }
            match existing {
                None => {
                    self.new_application(&name, &app, &base, &charm, requires, &revisions, &files)
                }
                Some(e) => {
                    if upgrade {
                        let mut args = Map::new();
                        args.insert("charm".into(), json!(charm));
                        args.insert("application".into(), json!(name));
                        put(&mut args, "base", &base);
                        put(&mut args, "channel", &app.channel);
                        put_map(&mut args, "resources", &revisions);
                        put_map(&mut args, "local-resources", &files);
                        let description = describe_charm(&format!("upgrade {name}"), &app, &base);
                        self.add("upgradeCharm", args, requires, description);
                    }
                    self.changed_application(&name, &app, &e);
                }
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn new_application(
        &mut self,
        name: &str,
        app: &ApplicationSpec,
        base: &str,
        charm: &str,
        requires: Vec<String>,
        revisions: &BTreeMap<String, i64>,
        files: &BTreeMap<String, String>,
    ) {
        let mut args = Map::new();
        args.insert("charm".into(), json!(charm));
        args.insert("application".into(), json!(name));
        put(&mut args, "base", base);
        if self.d.kind == "kubernetes" && app.num_units > 0 {
            args.insert("num-units".into(), json!(app.num_units));
        }
        put_map(&mut args, "options", &app.options);
        put(&mut args, "constraints", &app.constraints);
        put_map(&mut args, "storage", &app.storage);
        put_map(&mut args, "devices", &app.devices);
        put_map(&mut args, "endpoint-bindings", &app.bindings);
        put_map(&mut args, "resources", revisions);
        put_map(&mut args, "local-resources", files);
        put(&mut args, "channel", &app.channel);
        let description = describe_charm(&format!("deploy application {name}"), app, base);
        let i = self.add("deploy", args, requires, description);
        let id = self.changes[i].id.clone();
        self.added.insert(name.to_owned(), id.clone());
        if app.expose || !app.exposed_endpoints.is_empty() {
            self.expose(&format!("${id}"), name, app, vec![id.clone()]);
        }
        let annotations = self.annotations(app);
        if !annotations.is_empty() {
            self.annotate(
                "application",
                &format!("${id}"),
                name,
                annotations,
                vec![id],
            );
        }
    }

    fn annotations(&self, app: &ApplicationSpec) -> BTreeMap<String, String> {
        let mut a = app.annotations.clone();
        if let Some(url) = &self.o.bundle_url {
            a.insert("bundleURL".into(), url.clone());
        }
        a
    }

    fn expose(&mut self, target: &str, name: &str, app: &ApplicationSpec, requires: Vec<String>) {
        let mut args = Map::new();
        args.insert("application".into(), json!(target));
        if !app.exposed_endpoints.is_empty() {
            let endpoints: BTreeMap<&String, Value> = app
                .exposed_endpoints
                .iter()
                .map(|(ep, s)| {
                    let mut v = Map::new();
                    if !s.spaces.is_empty() {
                        v.insert("expose-to-spaces".into(), json!(s.spaces));
                    }
                    if !s.cidrs.is_empty() {
                        v.insert("expose-to-cidrs".into(), json!(s.cidrs));
                    }
                    (ep, Value::Object(v))
                })
                .collect();
            args.insert("exposed-endpoints".into(), json!(endpoints));
        }
        self.add("expose", args, requires, exposure(name, app));
    }

    fn annotate(
        &mut self,
        kind: &str,
        id: &str,
        shown: &str,
        annotations: BTreeMap<String, String>,
        requires: Vec<String>,
    ) {
        let mut args = Map::new();
        args.insert("annotations".into(), json!(annotations));
        args.insert("entity-type".into(), json!(kind));
        args.insert("id".into(), json!(id));
        self.add(
            "setAnnotations",
            args,
            requires,
            format!("set annotations for {shown}"),
        );
    }

    fn wants_upgrade(
        &self,
        name: &str,
        app: &ApplicationSpec,
        e: &ExistingApplication,
    ) -> Result<bool> {
        let refuse = |m: String| {
            Err(Error::new(
                ErrorKind::Bundle,
                format!("plan application {name:?}"),
                m,
            ))
        };
        let (wanted, hub) = charm_text(&app.charm);
        if wanted != e.charm_name() {
            return Ok(true);
        }
        if !hub {
            let revision = CharmUrl::parse(&app.charm).ok().and_then(|u| u.revision);
            return Ok(revision.is_some() && revision != e.revision);
        }
        if !e.charm.starts_with("ch:") {
            return Ok(true);
        }
        let moves = !e.channel.is_empty() && channel_key(&e.channel) != channel_key(&app.channel);
        if moves && !self.o.force {
            return refuse(format!(
                "upgrades not supported across channels (existing: {:?}, requested: {:?}); use --force to override",
                e.channel,
                if app.channel.is_empty() {
                    "stable"
                } else {
                    &app.channel
                }
            ));
        }
        match (app.revision, e.revision) {
            (Some(want), Some(have)) if want < have && !self.o.force => refuse(format!(
                "downgrades are not currently supported: deployed revision {have} is newer than requested revision {want}"
            )),
            (Some(want), Some(have)) => Ok(want != have || moves),
            _ => Ok(moves),
        }
    }

    fn changed_application(&mut self, name: &str, app: &ApplicationSpec, e: &ExistingApplication) {
        if e.known {
            let options: BTreeMap<&String, &Value> = app
                .options
                .iter()
                .filter(|(k, v)| {
                    !v.is_null() && !e.options.get(*k).is_some_and(|old| same_value(old, v))
                })
                .collect();
            let mut args = Map::new();
            if !options.is_empty() {
                args.insert("options".into(), json!(options));
            }
            if app.trust != e.trust {
                args.insert("trust".into(), json!(app.trust));
            }
            if !args.is_empty() {
                args.insert("application".into(), json!(name));
                self.add(
                    "setOptions",
                    args,
                    Vec::new(),
                    format!("set application options for {name}"),
                );
            }
            let subordinate = e.subordinate
                || (app.num_units == 0 && e.units.is_empty() && app.constraints.is_empty());
            if !subordinate && !same_constraints(&e.constraints.to_string(), &app.constraints) {
                let mut args = Map::new();
                args.insert("application".into(), json!(name));
                args.insert("constraints".into(), json!(app.constraints));
                self.add(
                    "setConstraints",
                    args,
                    Vec::new(),
                    format!("set constraints for {name} to {:?}", app.constraints),
                );
            }
            let bindings = changed_bindings(app, e);
            if !bindings.is_empty() {
                let mut args = Map::new();
                args.insert("application".into(), json!(name));
                args.insert("endpoint-bindings".into(), json!(bindings));
                self.add(
                    "setBindings",
                    args,
                    Vec::new(),
                    format!("set endpoint bindings for {name}"),
                );
            }
        }
        if (app.expose || !app.exposed_endpoints.is_empty())
            && (!e.exposed || !same_exposed(app, e))
        {
            self.expose(name, name, app, Vec::new());
        }
        if self.d.kind == "kubernetes" && i64::try_from(e.units.len()).ok() != Some(app.num_units) {
            let mut args = Map::new();
            args.insert("application".into(), json!(name));
            args.insert("scale".into(), json!(app.num_units));
            self.add(
                "scale",
                args,
                Vec::new(),
                format!("scale {name} to {} units", app.num_units),
            );
        }
        let changed: BTreeMap<String, String> = self
            .annotations(app)
            .into_iter()
            .filter(|(k, v)| e.annotations.get(k) != Some(v))
            .collect();
        if !changed.is_empty() {
            self.annotate("application", name, name, changed, Vec::new());
        }
    }

    fn add_machines(&mut self) {
        for name in natural::sorted(self.d.machines.keys()) {
            let spec = self
                .d
                .machines
                .get(name)
                .and_then(Option::as_ref)
                .cloned()
                .unwrap_or_default();
            let mapped = self
                .map
                .get(name)
                .filter(|m| self.m.machines.contains_key(*m))
                .cloned();
            let (id, shown, requires, have) = match mapped {
                Some(m) => {
                    let have = self
                        .m
                        .machines
                        .get(&m)
                        .map(|e| e.annotations.clone())
                        .unwrap_or_default();
                    (m.clone(), format!("existing machine {m}"), Vec::new(), have)
                }
                None => {
                    let machine = self.next_machine();
                    let text = if spec.base.is_empty() {
                        &self.d.default_base
                    } else {
                        &spec.base
                    };
                    let base = base::parse(text).map_or_else(|_| text.clone(), |b| b.to_string());
                    let mut args = Map::new();
                    put(&mut args, "base", &base);
                    put(&mut args, "constraints", &spec.constraints);
                    let shown = if machine == name {
                        format!("new machine {machine}")
                    } else {
                        format!("new machine {machine} (bundle machine {name})")
                    };
                    let i = self.add("addMachines", args, Vec::new(), format!("add {shown}"));
                    self.machines.insert(name.to_owned(), (i, machine.clone()));
                    let id = self.changes[i].id.clone();
                    (
                        format!("${id}"),
                        format!("new machine {machine}"),
                        vec![id],
                        BTreeMap::new(),
                    )
                }
            };
            let changed: BTreeMap<String, String> = spec
                .annotations
                .into_iter()
                .filter(|(k, v)| have.get(k) != Some(v))
                .collect();
            if !changed.is_empty() {
                self.annotate("machine", &id, &shown, changed, requires);
            }
        }
    }

    fn offers(&mut self) {
        for (name, url) in &self.d.saas {
            if self.m.remote.contains_key(name) {
                continue;
            }
            let mut args = Map::new();
            args.insert("application-name".into(), json!(name));
            put(&mut args, "url", url);
            let i = self.add(
                "consumeOffer",
                args,
                Vec::new(),
                format!("consume offer {name} at {url}"),
            );
            self.added.insert(name.clone(), self.changes[i].id.clone());
        }
        for (name, app) in self.specs() {
            for (offer, spec) in &app.offers {
                if self.m.offers.get(&name).is_some_and(|o| o.contains(offer)) {
                    continue;
                }
                let requires: Vec<String> = self.added.get(&name).cloned().into_iter().collect();
                let mut args = Map::new();
                args.insert("application".into(), json!(name));
                args.insert("endpoints".into(), json!(spec.endpoints));
                args.insert("offer-name".into(), json!(offer));
                let i = self.add(
                    "createOffer",
                    args,
                    requires,
                    format!(
                        "create offer {offer} using {name}:{}",
                        spec.endpoints.join(",")
                    ),
                );
                let id = self.changes[i].id.clone();
                for (user, access) in &spec.acl {
                    let mut args = Map::new();
                    args.insert("user".into(), json!(user));
                    args.insert("access".into(), json!(access));
                    args.insert("offer".into(), json!(offer));
                    self.add(
                        "grantOfferAccess",
                        args,
                        vec![id.clone()],
                        format!("grant user {user} {access} access to offer {offer}"),
                    );
                }
            }
        }
    }

    fn relations(&mut self) {
        for pair in &self.d.relations {
            let [a, b] = &pair[..] else { continue };
            let (a, b) = (split(a), split(b));
            if self
                .m
                .relations
                .iter()
                .any(|r| related(r, a, b) || related(r, b, a))
            {
                continue;
            }
            let mut requires = Vec::new();
            let mut name = |(app, ep): (&str, &str), added: &BTreeMap<String, String>| {
                let app = match added.get(app) {
                    Some(id) => {
                        requires.push(id.clone());
                        format!("${id}")
                    }
                    None => app.to_owned(),
                };
                if ep.is_empty() {
                    app
                } else {
                    format!("{app}:{ep}")
                }
            };
            let (one, two) = (name(a, &self.added), name(b, &self.added));
            let mut args = Map::new();
            args.insert("endpoint1".into(), json!(one));
            args.insert("endpoint2".into(), json!(two));
            let shown = |(app, ep): (&str, &str)| {
                if ep.is_empty() {
                    app.to_owned()
                } else {
                    format!("{app}:{ep}")
                }
            };
            self.add(
                "addRelation",
                args,
                requires,
                format!("add relation {} - {}", shown(a), shown(b)),
            );
        }
    }

    fn add_units(&mut self) {
        for (name, app) in self.specs() {
            let have = self
                .m
                .applications
                .get(&name)
                .map_or(0, |e| e.units.len() as u64);
            let want = u64::try_from(app.num_units).unwrap_or(0);
            for n in have..want {
                let (target, requires) = match self.added.get(&name) {
                    Some(id) => (format!("${id}"), vec![id.clone()]),
                    None => (name.clone(), Vec::new()),
                };
                let unit = self.number(&format!("application-{name}"));
                let mut args = Map::new();
                args.insert("application".into(), json!(target));
                let i = self.add("addUnit", args, requires, format!("add unit {name}/{unit}"));
                self.units.insert((name.clone(), n), i);
                self.new_units.entry(name.clone()).or_default().push(i);
            }
        }
    }

    fn place_units(&mut self) -> Result<()> {
        let mut todo: BTreeSet<String> = self.d.applications.keys().cloned().collect();
        let mut done: BTreeSet<String> = BTreeSet::new();
        while !todo.is_empty() {
            let before = done.len();
            for name in todo.clone() {
                let app = self
                    .d
                    .applications
                    .get(&name)
                    .and_then(Option::as_ref)
                    .cloned()
                    .unwrap_or_default();
                let needs = app
                    .to
                    .iter()
                    .filter_map(|t| place::parse(t).ok())
                    .map(|p| p.application)
                    .filter(|a| !a.is_empty());
                if needs.into_iter().all(|n| done.contains(&n)) {
                    self.place_application(&name, &app)?;
                    todo.remove(&name);
                    done.insert(name);
                }
            }
            if done.len() == before {
                let names: Vec<String> = todo.into_iter().collect();
                return Err(Error::new(
                    ErrorKind::Bundle,
                    "plan the bundle",
                    format!("cycle in placement directives for: {}", names.join(", ")),
                ));
            }
        }
        Ok(())
    }

    fn place_application(&mut self, name: &str, app: &ApplicationSpec) -> Result<()> {
        // Only `new` and an application's name say where more units go; a machine or a unit is for one.
        let last = app.to.last().filter(|t| {
            place::parse(t).is_ok_and(|p| {
                p.machine == "new" || (!p.application.is_empty() && p.unit.is_none())
            })
        });
        let mut open: Vec<String> = app
            .to
            .iter()
            .filter(|t| !self.satisfied(name, t))
            .cloned()
            .collect();
        open.reverse();
        let have = self
            .m
            .applications
            .get(name)
            .map_or(0, |e| e.units.len() as u64);
        let want = u64::try_from(app.num_units).unwrap_or(0);
        let mut previous: Option<String> = None;
        for n in have..want {
            let directive = open.pop().or_else(|| last.cloned()).unwrap_or_default();
            let target = self.target(name, app, &directive)?;
            let Some(&i) = self.units.get(&(name.to_owned(), n)) else {
                continue;
            };
            let change = &mut self.changes[i];
            put(&mut change.args, "to", &target.to);
            change.requires.extend(target.requires);
            change.requires.extend(previous.take());
            previous = Some(change.id.clone());
            let place = if target.description.is_empty() {
                format!("new machine {}", target.machine)
            } else {
                target.description
            };
            change.description.push_str(&format!(" to {place}"));
            if target.beside {
                change
                    .description
                    .push_str(&format!(" to satisfy [{directive}]"));
            }
            self.unit_machine.insert(i, (target.machine, place));
        }
        Ok(())
    }

    /// Whether a placement is fulfilled by a unit that is there.
    fn satisfied(&self, name: &str, directive: &str) -> bool {
        if !self.m.applications.contains_key(name) {
            return false;
        }
        let Ok(p) = place::parse(directive) else {
            return false;
        };
        let machine = match (p.machine.as_str(), p.unit) {
            ("new", _) => return false,
            ("", Some(u)) => match self.m.unit_machine(&p.application, u) {
                Some(m) => m.to_owned(),
                None => return false,
            },
            ("", None) => return false,
            (m, _) => self.map.get(m).cloned().unwrap_or_else(|| m.to_owned()),
        };
        self.unit_on(&machine, name, &p.container, None).is_some()
    }

    fn target(&mut self, name: &str, app: &ApplicationSpec, directive: &str) -> Result<Target> {
        if directive.is_empty() {
            return Ok(Target {
                machine: self.next_machine(),
                ..Target::default()
            });
        }
        let p = place::parse(directive)
            .map_err(|e| Error::new(ErrorKind::Bundle, "plan the bundle", e))?;
        if p.machine == "new" {
            return self.new_machine(app, &p.container);
        }
        if !p.machine.is_empty() {
            let mapped = self
                .map
                .get(&p.machine)
                .filter(|m| self.m.machines.contains_key(*m))
                .cloned();
            return match (mapped, self.machines.get(&p.machine).cloned()) {
                (Some(m), _) => Ok(self.existing_machine(app, &m, &p.container)),
                (None, Some((i, machine))) => {
                    let id = self.changes[i].id.clone();
                    let t = Target {
                        to: format!("${id}"),
                        machine: machine.clone(),
                        requires: vec![id],
                        description: format!("new machine {machine}"),
                        ..Target::default()
                    };
                    if p.container.is_empty() {
                        Ok(t)
                    } else {
                        self.container(t, app, &p.container)
                    }
                }
                (None, None) => self.new_machine(app, &p.container),
            };
        }
        if let Some(u) = p.unit {
            if let Some(m) = self.m.unit_machine(&p.application, u).map(str::to_owned) {
                return Ok(Target {
                    beside: true,
                    ..self.existing_machine(app, &m, &p.container)
                });
            }
            return match self.units.get(&(p.application.clone(), u)).copied() {
                Some(i) => self.beside(i, app, &p.container),
                None => self.new_machine(app, &p.container),
            };
        }
        if let Some(m) = self.next_old_beside(name, &p) {
            return Ok(Target {
                beside: true,
                ..self.existing_machine(app, &m, &p.container)
            });
        }
        let key = (name.to_owned(), p.application.clone());
        let all = self
            .new_units
            .get(&p.application)
            .cloned()
            .unwrap_or_default();
        let left = self.new_beside.entry(key).or_insert(all);
        if !left.is_empty() {
            let i = left.remove(0);
            return self.beside(i, app, &p.container);
        }
        Ok(Target {
            machine: self.next_machine(),
            ..Target::default()
        })
    }

    /// Machines of an application that is there, where this one is not yet.
    fn next_old_beside(&mut self, name: &str, p: &Placement) -> Option<String> {
        let key = (name.to_owned(), p.application.clone());
        if !self.old_beside.contains_key(&key) {
            let mut machines: BTreeSet<String> = BTreeSet::new();
            if let Some(source) = self.m.applications.get(&p.application) {
                machines.extend(source.units.iter().map(|(_, m)| top_level(m).to_owned()));
                for (_, m) in self
                    .m
                    .applications
                    .get(name)
                    .map(|a| a.units.clone())
                    .unwrap_or_default()
                {
                    if p.container.is_empty() {
                        machines.remove(&m);
                    } else if m.split('/').nth(1) == Some(p.container.as_str()) {
                        machines.remove(top_level(&m));
                    }
                }
            }
            let sorted = natural::sorted(machines.iter())
                .into_iter()
                .map(str::to_owned)
                .collect();
            self.old_beside.insert(key.clone(), sorted);
        }
        let left = self.old_beside.get_mut(&key)?;
        if left.is_empty() {
            None
        } else {
            Some(left.remove(0))
        }
    }

    fn existing_machine(
        &mut self,
        app: &ApplicationSpec,
        machine: &str,
        container: &str,
    ) -> Target {
        if container.is_empty() {
            return Target {
                to: machine.to_owned(),
                machine: machine.to_owned(),
                description: format!("existing machine {machine}"),
                ..Target::default()
            };
        }
        let top = top_level(machine).to_owned();
        // A container that an earlier try made and did not fill.
        let prefix = format!("{top}/{container}/");
        let empty = natural::sorted(self.m.machines.keys().filter(|m| m.starts_with(&prefix)))
            .into_iter()
            .find(|m| {
                !self.taken.contains(*m)
                    && !self.m.is_machine_used(m)
                    && self.container_fits(m, app)
            })
            .map(str::to_owned);
        if let Some(id) = empty {
            self.taken.insert(id.clone());
            return Target {
                to: id.clone(),
                machine: top,
                description: format!("existing machine {id}"),
                ..Target::default()
            };
        }
        let shown = self.next_container(&top, container);
        Target {
            to: format!("{container}:{top}"),
            machine: top,
            description: shown,
            ..Target::default()
        }
    }

    fn container_fits(&self, machine: &str, app: &ApplicationSpec) -> bool {
        let wanted = with_spaces(&app.constraints, &app.bindings).unwrap_or_default();
        self.m
            .machines
            .get(machine)
            .is_some_and(|m| same_constraints(&m.constraints, &wanted))
    }

    fn beside(&mut self, unit: usize, app: &ApplicationSpec, container: &str) -> Result<Target> {
        let id = self.changes[unit].id.clone();
        let (machine, description) = self.unit_machine.get(&unit).cloned().unwrap_or_default();
        let t = Target {
            to: format!("${id}"),
            description,
            machine,
            requires: vec![id],
            beside: true,
        };
        if container.is_empty() {
            Ok(t)
        } else {
            self.container(t, app, container)
        }
    }

    fn new_machine(&mut self, app: &ApplicationSpec, container: &str) -> Result<Target> {
        let constraints = with_spaces(&app.constraints, &app.bindings)?;
        // One that an earlier try made and did not fill.
        if container.is_empty() {
            let spec = MachineSpec {
                constraints: constraints.clone(),
                base: base_text(app, self.d),
                ..MachineSpec::default()
            };
            let empty = natural::sorted(self.m.machines.keys().filter(|m| !m.contains('/')))
                .into_iter()
                .find(|m| {
                    !self.taken.contains(*m)
                        && !self.map.values().any(|v| v == m)
                        && !self.m.is_machine_used(m)
                        && !self.m.has_containers(m)
                        && self.fits(m, &spec)
                })
                .map(str::to_owned);
            if let Some(id) = empty {
                self.taken.insert(id.clone());
                return Ok(Target {
                    to: id.clone(),
                    machine: id.clone(),
                    description: format!("existing machine {id}"),
                    ..Target::default()
                });
            }
        }
        let machine = self.next_machine();
        let mut args = Map::new();
        put(&mut args, "container-type", container);
        put(&mut args, "base", &base_text(app, self.d));
        put(&mut args, "constraints", &constraints);
        let shown = if container.is_empty() {
            format!("new machine {machine}")
        } else {
            self.next_container(&machine, container)
        };
        let i = self.add("addMachines", args, Vec::new(), format!("add {shown}"));
        let id = self.changes[i].id.clone();
        Ok(Target {
            to: format!("${id}"),
            machine,
            requires: vec![id],
            description: shown,
            ..Target::default()
        })
    }

    fn container(&mut self, on: Target, app: &ApplicationSpec, kind: &str) -> Result<Target> {
        let shown = self.next_container(&on.machine, kind);
        let mut args = Map::new();
        put(&mut args, "container-type", kind);
        put(&mut args, "parent-id", &on.to);
        put(&mut args, "base", &base_text(app, self.d));
        put(
            &mut args,
            "constraints",
            &with_spaces(&app.constraints, &app.bindings)?,
        );
        let i = self.add(
            "addMachines",
            args,
            on.requires,
            format!("add {kind} container {shown} on new machine {}", on.machine),
        );
        let id = self.changes[i].id.clone();
        Ok(Target {
            to: format!("${id}"),
            machine: on.machine,
            requires: vec![id],
            description: shown,
            beside: on.beside,
        })
    }

    /// What the model has beyond the bundle.
    fn extra(&self) -> Vec<String> {
        let mut extra = Vec::new();
        for (name, e) in &self.m.applications {
            match self.d.applications.get(name).and_then(Option::as_ref) {
                None => extra.push(format!("application {name}")),
                Some(app) => {
                    let want = usize::try_from(app.num_units).unwrap_or(0);
                    if e.units.len() > want && !e.subordinate {
                        extra.push(format!(
                            "{} of {} units of {name}",
                            e.units.len() - want,
                            e.units.len()
                        ));
                    }
                    let wanted = base_text(app, self.d);
                    if base::parse(&wanted).is_ok_and(|b| !base::same(&b, &e.base)) {
                        extra.push(format!("{name} is on {}, the bundle says {wanted}", e.base));
                    }
                    if e.exposed && !app.expose && app.exposed_endpoints.is_empty() {
                        extra.push(format!("{name} is exposed"));
                    }
                }
            }
        }
        for (a, ea, b, eb) in &self.m.relations {
            let both = self.d.applications.contains_key(a) && self.d.applications.contains_key(b);
            let r = (a.clone(), ea.clone(), b.clone(), eb.clone());
            let named = self.d.relations.iter().any(|p| match &p[..] {
                [x, y] => related(&r, split(x), split(y)) || related(&r, split(y), split(x)),
                _ => false,
            });
            if both && !named {
                extra.push(format!("relation {a}:{ea} {b}:{eb}"));
            }
        }
        extra
    }
}

/// The official client's words for a charm and where it comes from.
fn describe_charm(what: &str, app: &ApplicationSpec, base: &str) -> String {
    let (name, hub) = charm_text(&app.charm);
    let mut s = what.to_owned();
    let from = if hub { " from charm-hub" } else { "" };
    let optional = |s: &mut String, word: &str, v: &str| {
        if !v.is_empty() {
            s.push_str(&format!(" {word} {v}"));
        }
    };
    if what.starts_with("deploy") {
        s.push_str(from);
        optional(&mut s, "on", base);
        optional(&mut s, "with", &app.channel);
        if what.rsplit(' ').next() != Some(name.as_str()) {
            s.push_str(&format!(" using {name}"));
        }
        return s;
    }
    if what.starts_with("upgrade") {
        s.push_str(&format!("{from} using charm {name}"));
    } else {
        s.push_str(&format!(" {name}{from}"));
    }
    if let Some(r) = app.revision {
        s.push_str(&format!(" with revision {r}"));
    }
    optional(&mut s, "for base", base);
    optional(&mut s, "from channel", &app.channel);
    s
}

fn exposure(name: &str, app: &ApplicationSpec) -> String {
    if app.exposed_endpoints.is_empty() {
        return format!(
            "expose all endpoints of {name} and allow access from CIDRs 0.0.0.0/0 and ::/0"
        );
    }
    let endpoints: Vec<String> = app
        .exposed_endpoints
        .iter()
        .map(|(ep, s)| {
            let to: Vec<&str> = s
                .spaces
                .iter()
                .chain(&s.cidrs)
                .map(String::as_str)
                .collect();
            format!(
                "{ep:?} to {}",
                if to.is_empty() {
                    "everybody".to_owned()
                } else {
                    to.join(", ")
                }
            )
        })
        .collect();
    format!("expose endpoints of {name}: {}", endpoints.join("; "))
}

fn split(e: &str) -> (&str, &str) {
    e.split_once(':').unwrap_or((e, ""))
}

/// Whether a relation is the one that a bundle names; an endpoint left out fits any.
fn related(r: &(String, String, String, String), a: (&str, &str), b: (&str, &str)) -> bool {
    r.0 == a.0 && r.2 == b.0 && (a.1.is_empty() || r.1 == a.1) && (b.1.is_empty() || r.3 == b.1)
}

fn on(unit_machine: &str, machine: &str, container: &str) -> bool {
    if container.is_empty() {
        return unit_machine == machine;
    }
    let parts: Vec<&str> = unit_machine.split('/').collect();
    parts.len() >= 3
        && parts[parts.len() - 2] == container
        && parts[..parts.len() - 2].join("/") == top_level(machine)
}

/// The server adds `arch` by itself: it counts only where the bundle names it.
fn same_constraints(existing: &str, wanted: &str) -> bool {
    let (Ok(mut a), Ok(mut b)) = (
        existing.parse::<Constraints>(),
        wanted.parse::<Constraints>(),
    ) else {
        return existing == wanted;
    };
    if b.arch.is_none() {
        a.arch = None;
    }
    for c in [&mut a, &mut b] {
        for list in [&mut c.tags, &mut c.spaces, &mut c.zones] {
            if let Some(l) = list {
                l.sort();
            }
            *list = list.take().filter(|l| !l.is_empty());
        }
    }
    a == b
}

/// Numbers and booleans may come back as text, integers as floats.
pub(crate) fn same_value(a: &Value, b: &Value) -> bool {
    let text = |v: &Value| match v {
        Value::String(s) => s.clone(),
        Value::Number(n) => n.as_f64().map_or_else(|| n.to_string(), |f| f.to_string()),
        other => other.to_string(),
    };
    a == b || text(a) == text(b)
}

fn same_exposed(app: &ApplicationSpec, e: &ExistingApplication) -> bool {
    let sorted = |v: &[String]| {
        let mut v = v.to_vec();
        v.sort();
        v
    };
    if app.exposed_endpoints.is_empty() {
        // `expose: true`: the server shows no endpoints, or all of them open to the world.
        return e
            .exposed_endpoints
            .iter()
            .all(|(ep, x)| ep.is_empty() && x.expose_to_spaces.is_empty());
    }
    e.exposed_endpoints.len() == app.exposed_endpoints.len()
        && app.exposed_endpoints.iter().all(|(ep, want)| {
            e.exposed_endpoints.get(ep).is_some_and(|have| {
                sorted(&have.expose_to_spaces) == sorted(&want.spaces)
                    && sorted(&have.expose_to_cidrs) == sorted(&want.cidrs)
            })
        })
}

/// Bindings that differ. The default binds every endpoint that is not named.
fn changed_bindings(app: &ApplicationSpec, e: &ExistingApplication) -> BTreeMap<String, String> {
    app.bindings
        .iter()
        .filter(|(ep, space)| e.bindings.get(*ep) != Some(space))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// Spaces of bindings as constraints, for containers and new machines.
fn with_spaces(constraints: &str, bindings: &BTreeMap<String, String>) -> Result<String> {
    let mut want: BTreeSet<String> = bindings.values().cloned().collect();
    if want.is_empty() {
        return Ok(constraints.to_owned());
    }
    let mut rest: Vec<(&str, &str)> = constraints
        .split_whitespace()
        .filter_map(|c| c.split_once('='))
        .collect();
    let spaces = rest
        .iter()
        .find(|(k, _)| *k == "spaces")
        .map_or("", |(_, v)| *v);
    rest.retain(|(k, _)| *k != "spaces");
    rest.sort_by(|a, b| natural::compare(a.0, b.0));
    let mut not: BTreeSet<String> = BTreeSet::new();
    for s in spaces.split(',').filter(|s| !s.is_empty()) {
        match s.strip_prefix('^') {
            Some(s) if want.contains(s) => {
                return Err(Error::new(
                    ErrorKind::Bundle,
                    "plan the bundle",
                    format!("space {s:?} is required but it's forbidden by constraint"),
                ));
            }
            Some(s) => drop(not.insert(s.to_owned())),
            None => drop(want.insert(s.to_owned())),
        }
    }
    let all: Vec<String> = want
        .into_iter()
        .chain(not.into_iter().map(|s| format!("^{s}")))
        .collect();
    let mut out = format!("spaces={}", natural::sorted(all.iter()).join(","));
    for (k, v) in rest {
        out.push_str(&format!(" {k}={v}"));
    }
    Ok(out)
}

/// The machines of a bundle with their units.
pub(crate) fn needs(d: &BundleData) -> Result<Vec<MachineNeed>> {
    let options = PlanOptions {
        ignore_architecture: true,
        ..PlanOptions::default()
    };
    let p = plan(d, Model::default(), &options)?;
    let mut needs: Vec<MachineNeed> = Vec::new();
    // Change id to the index of the machine that it stands for.
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    let mut names = natural::sorted(d.machines.keys()).into_iter();
    let by_id: BTreeMap<&str, &Change> = p.changes.iter().map(|c| (c.id.as_str(), c)).collect();
    let mut first: Vec<&Change> = p
        .changes
        .iter()
        .filter(|c| c.method == "addMachines")
        .collect();
    first.sort_by_key(|c| {
        c.id.rsplit('-')
            .next()
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0)
    });
    for c in &first {
        let parent = c.arg("parent-id").and_then(|p| p.strip_prefix('$'));
        if parent.is_none() {
            needs.push(MachineNeed {
                name: names.next().map(str::to_owned),
                constraints: c.arg("constraints").unwrap_or("").parse()?,
                units: Vec::new(),
            });
            at.insert(c.id.clone(), needs.len() - 1);
        }
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for c in &p.changes {
        match c.method.as_str() {
            "addMachines" => {
                if let Some(i) = c
                    .arg("parent-id")
                    .and_then(|p| p.strip_prefix('$'))
                    .and_then(|p| at.get(p))
                    .copied()
                {
                    at.insert(c.id.clone(), i);
                }
            }
            "addUnit" => {
                let app = c
                    .arg("application")
                    .and_then(|a| a.strip_prefix('$'))
                    .and_then(|a| by_id.get(a))
                    .and_then(|c| c.arg("application"));
                let app = app.unwrap_or_default().to_owned();
                let n = counts.entry(app.clone()).or_default();
                let unit = format!("{app}/{n}");
                *n += 1;
                let i = match c
                    .arg("to")
                    .and_then(|t| t.strip_prefix('$'))
                    .and_then(|t| at.get(t))
                    .copied()
                {
                    Some(i) => i,
                    None => {
                        let spec = d.applications.get(&app).and_then(Option::as_ref);
                        needs.push(MachineNeed {
                            name: None,
                            constraints: spec.map_or("", |s| s.constraints.as_str()).parse()?,
                            units: Vec::new(),
                        });
                        needs.len() - 1
                    }
                };
                needs[i].units.push(unit);
                at.insert(c.id.clone(), i);
            }
            _ => {}
        }
    }
    Ok(needs)
}
