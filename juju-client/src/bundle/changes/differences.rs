//! What an application that is there has otherwise than the bundle says.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::Constraints;
use super::super::data::ApplicationSpec;
use super::super::model::ExistingApplication;
use super::Planner;

impl Planner<'_> {
    pub(super) fn changed_application(
        &mut self,
        name: &str,
        app: &ApplicationSpec,
        e: &ExistingApplication,
    ) {
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
}

/// The server adds `arch` by itself: it counts only where the bundle names it.
pub(super) fn same_constraints(existing: &str, wanted: &str) -> bool {
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
pub(super) fn same_value(a: &Value, b: &Value) -> bool {
    let text = |v: &Value| match v {
        Value::String(s) => s.clone(),
        Value::Number(n) => n.as_f64().map_or_else(|| n.to_string(), |f| f.to_string()),
        other => other.to_string(),
    };
    a == b || text(a) == text(b)
}

pub(super) fn same_exposed(app: &ApplicationSpec, e: &ExistingApplication) -> bool {
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
pub(super) fn changed_bindings(
    app: &ApplicationSpec,
    e: &ExistingApplication,
) -> BTreeMap<String, String> {
    app.bindings
        .iter()
        .filter(|(ep, space)| e.bindings.get(*ep) != Some(space))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}
