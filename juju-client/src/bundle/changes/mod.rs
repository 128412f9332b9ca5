//! The planner. For an empty model it says what the official one says, change for change; for a living one it says less.

mod applications;
mod describe;
mod differences;
mod extra;
mod infer;
mod machines;
mod needs;
mod offers;
mod order;
mod places;
mod relations;
mod units;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::charm_url::CharmUrl;
use super::data::{ApplicationSpec, BundleData, MachineSpec};
use super::model::Model;
use super::natural;
use super::plan::{Change, Plan};
use super::{PlanOptions, base};
use crate::api::charms::Channel;
use crate::error::{Error, ErrorKind, Result};

pub(crate) use needs::needs;

pub(super) struct Planner<'a> {
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
    p.check_bases()?;
    p.check_machines()?;
    let (extra, removals) = (p.extra(), p.removals());
    let mut changes = p.changes;
    for c in &mut changes {
        c.requires.sort();
        c.requires.dedup();
    }
    Ok(Plan {
        changes: order::order(changes),
        extra,
        removals,
    })
}

pub(super) fn charm_text(s: &str) -> (String, bool) {
    if s.starts_with(['.', '/']) {
        // A packed charm: `web_ubuntu-22.04-amd64.charm`.
        let file = s.rsplit('/').next().unwrap_or(s);
        let name = file.strip_suffix(".charm").unwrap_or(file);
        return (name.split('_').next().unwrap_or(name).to_owned(), false);
    }
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

/// The base of what says this base and this series, or what the whole bundle says.
fn base_of(base: &str, series: &str, d: &BundleData, o: &PlanOptions) -> String {
    let of = |base: &str, series: &str| match base::of_series(series) {
        _ if !base.is_empty() => base.to_owned(),
        Some(b) if !o.ignore_series => b.to_string(),
        _ => String::new(),
    };
    let mut text = of(base, series);
    if text.is_empty() {
        text = of(&d.default_base, &d.series);
    }
    base::parse(&text).map_or(text, |b| b.to_string())
}

pub(super) fn base_text(app: &ApplicationSpec, d: &BundleData, o: &PlanOptions) -> String {
    base_of(&app.base, &app.series, d, o)
}

pub(super) fn machine_base(spec: &MachineSpec, d: &BundleData, o: &PlanOptions) -> String {
    base_of(&spec.base, &spec.series, d, o)
}

pub(super) fn put(args: &mut Map<String, Value>, key: &str, value: &str) {
    if !value.is_empty() {
        args.insert(key.into(), json!(value));
    }
}

pub(super) fn put_map<T: serde::Serialize>(
    args: &mut Map<String, Value>,
    key: &str,
    value: &BTreeMap<String, T>,
) {
    if !value.is_empty() {
        args.insert(key.into(), json!(value));
    }
}

impl Planner<'_> {
    pub(super) fn add(
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

    pub(super) fn sequences(&mut self) {
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

    /// Verification takes bases that the planner does not: `ubuntu@22.04/stable/branch`.
    fn check_bases(&self) -> Result<()> {
        for c in &self.changes {
            if let Some(b) = c.arg("base") {
                base::parse(b)
                    .map_err(|e| Error::new(ErrorKind::Bundle, "plan the bundle", e.message()))?;
            }
        }
        Ok(())
    }

    /// A new machine that nothing would use: the units that the bundle puts there are somewhere else already, and only the caller
    /// can say which machine is meant.
    fn check_machines(&self) -> Result<()> {
        for (name, (i, _)) in &self.machines {
            let id = &self.changes[*i].id;
            let used = self.changes.iter().any(|c| {
                matches!(c.method.as_str(), "addUnit" | "addMachines")
                    && c.requires.contains(id)
                    && [c.arg("to"), c.arg("parent-id")]
                        .into_iter()
                        .flatten()
                        .any(|t| t.strip_prefix('$') == Some(id))
            });
            if used || self.m.applications.is_empty() {
                continue;
            }
            let taken: BTreeSet<&String> = self
                .d
                .machines
                .keys()
                .filter_map(|m| self.map.get(m))
                .collect();
            let free: Vec<String> =
                natural::sorted(self.m.machines.keys().filter(|m| !taken.contains(m)))
                    .into_iter()
                    .map(|m| format!("{m:?}"))
                    .collect();
            let free = match &free[..] {
                [] => String::new(),
                [one] => format!(", perhaps to unreferenced model machine {one}"),
                many => format!(", perhaps to one of model machines [{}]", many.join(", ")),
            };
            let hosts: Vec<String> = self
                .specs()
                .into_iter()
                .filter(|(_, a)| a.to.contains(name))
                .map(|(n, _)| n)
                .collect();
            let hosts = if hosts.is_empty() {
                String::new()
            } else {
                format!(" - the target should host [{}]", hosts.join(", "))
            };
            return Err(Error::new(
                ErrorKind::Bundle,
                "plan the bundle",
                format!("bundle and machine mapping are inconsistent: need an explicit entry mapping bundle machine {name:?}{free}{hosts}"),
            )
            .hint("say which machine of the model it is in PlanOptions::machine_map"));
        }
        Ok(())
    }

    pub(super) fn number(&mut self, key: &str) -> u64 {
        let next = self.next.entry(key.to_owned()).or_default();
        *next += 1;
        *next - 1
    }

    pub(super) fn next_machine(&mut self) -> String {
        self.number("machine").to_string()
    }

    pub(super) fn next_container(&mut self, parent: &str, kind: &str) -> String {
        let n = self.number(&format!("machine-{parent}/{kind}"));
        format!("{parent}/{kind}/{n}")
    }

    pub(super) fn specs(&self) -> Vec<(String, ApplicationSpec)> {
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
}
