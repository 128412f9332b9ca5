//! Applications and their units.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::answer;
use super::calls::{constraints, error, object, strings, text};
use super::calls_app::entities;
use super::calls_app::has_charm;
use super::charms;
use super::machine_calls::add_units;
use super::state::{App, Model, Relation, State};
use crate::api::status::Base;

pub(super) fn shown(a: &App) -> Value {
    let mut c = a.constraints.clone();
    if c.arch.is_none() && !a.subordinate {
        c.arch = Some("amd64".into());
    }
    json!(c)
}

pub(super) fn options(a: &App) -> Map<String, Value> {
    let info = a.info();
    let mut all = Map::new();
    for (k, o) in info["config"].as_object().into_iter().flatten() {
        let (value, source) = match a.config.get(k) {
            Some(v) => (v.clone(), "user"),
            None => (o["default"].clone(), "default"),
        };
        all.insert(k.clone(), json!({"default": o["default"], "description": o["description"], "source": source, "type": o["type"], "value": value}));
    }
    for (k, v) in &a.config {
        all.entry(k.clone()).or_insert_with(
            || json!({"description": "", "source": "user", "type": kind(v), "value": v}),
        );
    }
    all
}

pub(super) fn kind(v: &Value) -> &'static str {
    match v {
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "float",
        Value::Number(_) => "int",
        _ => "string",
    }
}

pub(super) fn get(name: &str, a: &App) -> Value {
    json!({"application": name, "charm": charms::name_of(&a.charm), "config": options(a),
           "application-config": {"trust": {"default": false, "description": "Does this application have access to trusted credentials", "source": if a.trust { "user" } else { "default" }, "type": "bool", "value": a.trust}},
           "constraints": shown(a), "base": a.base, "channel": a.channel, "endpoint-bindings": a.bindings})
}

pub(super) fn units_info(s: &State, m: &Model, p: &Value, now: Duration) -> Value {
    let mut results = Vec::new();
    for tag in entities(p) {
        let names: Vec<(String, u64)> = match (
            tag.strip_prefix("unit-").and_then(|t| t.rsplit_once('-')),
            tag.strip_prefix("application-"),
        ) {
            (Some((a, n)), _) => n
                .parse()
                .ok()
                .map(|n| (a.to_owned(), n))
                .into_iter()
                .collect(),
            (_, Some(a)) => m
                .apps
                .get(a)
                .into_iter()
                .flat_map(|app| app.units.keys().map(|n| (a.to_owned(), *n)))
                .collect(),
            _ => Vec::new(),
        };
        let mut found = false;
        for (app, n) in names {
            let Some((a, u)) = m
                .apps
                .get(&app)
                .and_then(|a| a.units.get(&n).map(|u| (a, u)))
            else {
                continue;
            };
            found = true;
            let c = answer::unit_condition(s, m, &app, n, u, now);
            let data: Vec<Value> = m
                .relations
                .iter()
                .filter_map(|r| {
                    let own = r.ends.iter().find(|e| e.0 == app)?;
                    let other = r.ends.iter().find(|e| e.0 != app).unwrap_or(own);
                    let bags: Map<String, Value> = m
                        .apps
                        .get(&other.0)
                        .into_iter()
                        .flat_map(|a| a.units.keys())
                        .map(|n| (format!("{}/{n}", other.0), bag(s, m, &other.0, *n, now)))
                        .collect();
                    Some(json!({"relation-id": r.id, "endpoint": own.1, "cross-model": false, "related-endpoint": other.1, "ApplicationData": {}, "unit-relation-data": bags}))
                })
                .collect();
            let mut v = json!({"tag": format!("unit-{app}-{n}"), "workload-version": "", "machine": u.machine, "opened-ports": null, "charm": a.charm, "life": "alive", "relation-data": data});
            if a.units.keys().next() == Some(&n) && c.agent != "allocating" {
                v["leader"] = json!(true);
            }
            let address = answer::address(m, u, now);
            if !address.is_empty() {
                v["public-address"] = json!(address);
            }
            results.push(json!({"result": v}));
        }
        if !found {
            let name = tag.strip_prefix("unit-").map_or(tag.clone(), |t| {
                t.rsplit_once('-')
                    .map_or(t.to_owned(), |(a, n)| format!("{a}/{n}"))
            });
            results.push(error(format!("unit {name} not found"), "not found"));
        }
    }
    json!({"results": results})
}

pub(super) fn full_channel(c: &str) -> String {
    if ["stable", "candidate", "beta", "edge"].contains(&c) {
        format!("latest/{c}")
    } else {
        c.to_owned()
    }
}

pub(super) fn deploy(s: &mut State, m: &mut Model, d: &Value, now: Duration) -> Value {
    let name = text(d, "application").to_owned();
    let charm = text(d, "charm-url").to_owned();
    if text(&d["charm-origin"], "source").is_empty() {
        return error("charm origin source required", "bad request");
    }
    if !valid_name(&name) {
        return error(
            format!("cannot deploy {name:?}: application name is not valid"),
            "not valid",
        );
    }
    if m.apps.contains_key(&name) {
        return error(
            format!(
                "cannot deploy {name:?}: creating application {name:?}: creating IAAS application {name:?}: inserting IAAS application {name:?}: checking if application {name:?} exists: application already exists"
            ),
            "",
        );
    }
    if !has_charm(m, &charm) {
        let shown = if charm.starts_with("local:") {
            charms::name_of(&charm)
        } else {
            charm.clone()
        };
        return error(
            format!("cannot deploy {name:?}: charm {shown:?} not found"),
            "not found",
        );
    }
    let info = m.charm_info(&charm).unwrap_or_default();
    let needed = info["meta"]["resources"].as_object().map_or(0, Map::len);
    let given = strings(&d["resources"]);
    let surplus = charms::is_whole(&charm) && given.len() > needed;
    if (charm.starts_with("ch:") && given.len() < needed) || surplus {
        return error(
            format!("cannot deploy {name:?}: not all pending resources for charm provided"),
            "",
        );
    }
    for id in given.values() {
        if m.used_resources.contains(id) {
            return error(
                format!(
                    "cannot deploy {name:?}: creating application {name:?}: creating IAAS application {name:?}: inserting IAAS application {name:?}: inserting or resolving resources for application {name:?}: expected 1 rows to be deleted, got 0"
                ),
                "",
            );
        }
        m.used_resources.insert(id.clone());
        if !m.pending_resources.remove(id) {
            return error(
                format!("cannot deploy {name:?}: id {id:?} not valid"),
                "not valid",
            );
        }
    }
    let mut config: BTreeMap<String, Value> = BTreeMap::new();
    if !text(d, "config-yaml").is_empty() {
        match serde_saphyr::from_str::<Value>(text(d, "config-yaml")) {
            Ok(v) => config.extend(object(if v[&name].is_null() { &v } else { &v[&name] })),
            Err(e) => {
                return error(
                    format!("cannot deploy {name:?}: cannot parse settings data: {e}"),
                    "",
                );
            }
        }
    }
    config.extend(object(&d["config"]));
    let trust = config
        .remove("trust")
        .is_some_and(|v| v == json!(true) || v == json!("true"));
    // The stubs of the recording do not know every option of the real charms.
    if (charms::is_whole(&charm) || m.uploaded.contains_key(&charm))
        && let Some(bad) = bad_option(&info, &config)
    {
        return error(
            format!(
                "cannot deploy {name:?}: preparing application args: validating create application args: validating application config: {bad}"
            ),
            "",
        );
    }
    let subordinate = charms::is_subordinate(&info);
    if subordinate && d["num-units"].as_i64().unwrap_or(0) > 0 {
        return error(
            format!(
                "cannot deploy {name:?}: subordinate application must be deployed without units"
            ),
            "",
        );
    }
    let bindable = charms::bindable(&info);
    if charms::is_whole(&charm)
        && let Some(bad) = strings(&d["endpoint-bindings"])
            .keys()
            .find(|k| !k.is_empty() && !bindable.contains(k))
    {
        return error(
            format!(
                "cannot deploy {name:?}: creating application {name:?}: creating IAAS application {name:?}: inserting IAAS application {name:?}: inserting exposed endpoints for application {name:?}: checking charm relation: charm relation(s) or extra binding {bad:?} not found"
            ),
            "",
        );
    }
    let default_space = m
        .config
        .get("default-space")
        .and_then(Value::as_str)
        .filter(|s| !s.is_empty())
        .unwrap_or("alpha")
        .to_owned();
    let given = strings(&d["endpoint-bindings"]);
    let default = given.get("").cloned().unwrap_or(default_space);
    let mut bindings: BTreeMap<String, String> = charms::bindable(&info)
        .into_iter()
        .map(|e| (e, default.clone()))
        .collect();
    bindings.insert(String::new(), default);
    bindings.extend(given);
    let mut origin = d["charm-origin"].clone();
    if text(&origin, "hash").is_empty() {
        origin["hash"] = match m.uploaded.get(&charm) {
            Some(u) => u["sha256"].clone(),
            None => json!(charms::hash_of(&charm)),
        };
    }
    let base: Base = serde_json::from_value(origin["base"].clone()).unwrap_or_default();
    let own_info = m.uploaded.get(&charm).map(|u| u["info"].clone());
    let app = App {
        subordinate,
        channel: full_channel(text(d, "channel")),
        charm,
        origin,
        base,
        config,
        trust,
        constraints: constraints(&d["constraints"]),
        bindings,
        created: now,
        own_info,
        ..App::default()
    };
    for (ep, role, interface, scope) in charms::endpoints(&app.info()) {
        if role == "peer" {
            let id = m.next_relation;
            m.next_relation += 1;
            m.relations.push(Relation {
                id,
                interface,
                scope,
                ends: vec![(name.clone(), ep, role)],
                created: now,
            });
        }
    }
    m.apps.insert(name.clone(), app);
    m.submitted.get_or_insert(now);
    s.count("application");
    s.count(format!("application:{name}"));
    let n = d["num-units"].as_u64().unwrap_or(0);
    if n > 0 {
        let p = json!({"application": name, "num-units": n, "placement": d["placement"]});
        if let Err(e) = add_units(s, m, &p, now) {
            m.apps.remove(&name);
            let prefix = format!("adding {n} units to application {name:?}: ");
            let why = e.message.strip_prefix(&prefix).unwrap_or(&e.message);
            return error(
                format!("cannot deploy {name:?}: preparing application args: {why}"),
                &e.code,
            );
        }
    }
    json!({})
}

pub(super) fn set_config(s: &State, m: &mut Model, c: &Value) -> Value {
    let name = text(c, "application");
    let Some(a) = m.apps.get_mut(name) else {
        return error(format!("application {name:?} not found"), "not found");
    };
    if !text(c, "config-yaml").is_empty() && !s.is_3x() {
        return error(
            "config yaml not supported not implemented",
            "not implemented",
        );
    }
    let info = a.info();
    let mut set: BTreeMap<String, String> = strings(&c["config"]);
    if let Ok(v) = serde_saphyr::from_str::<Value>(text(c, "config-yaml")) {
        for (k, v) in object(&v[name]) {
            set.insert(k, v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        }
    }
    if charms::is_whole(&a.charm) || a.own_info.is_some() {
        let wanted: BTreeMap<String, Value> = set
            .iter()
            .filter(|(k, _)| *k != "trust")
            .map(|(k, v)| {
                (
                    k.clone(),
                    serde_json::from_str(v)
                        .ok()
                        .filter(|x: &Value| x.is_number() || x.is_boolean())
                        .unwrap_or(json!(v)),
                )
            })
            .collect();
        if let Some(bad) = bad_option(&info, &wanted) {
            return if bad.starts_with("unknown") {
                error(format!("invalid application config: {bad}"), "not valid")
            } else {
                error(bad, "")
            };
        }
    }
    for (k, v) in set {
        if k == "trust" {
            a.trust = v == "true";
            continue;
        }
        let value = match info["config"][&k]["type"].as_str() {
            Some("int") => v.parse::<i64>().map(Value::from).unwrap_or(json!(v)),
            Some("float") => v.parse::<f64>().map(Value::from).unwrap_or(json!(v)),
            Some("boolean") => v.parse::<bool>().map(Value::from).unwrap_or(json!(v)),
            _ => json!(v),
        };
        a.config.insert(k, value);
    }
    json!({})
}

pub(super) fn destroy_unit(m: &mut Model, u: &Value, now: Duration) -> Value {
    let tag = text(u, "unit-tag").trim_start_matches("unit-").to_owned();
    let Some((app, n)) = tag
        .rsplit_once('-')
        .and_then(|(a, n)| n.parse::<u64>().ok().map(|n| (a.to_owned(), n)))
    else {
        return error(format!("{tag:?} is not a valid unit tag"), "");
    };
    let name = format!("{app}/{n}");
    if u["dry-run"] == json!(true) {
        return if m.unit(&name).is_some() {
            json!({"info": {}})
        } else {
            error(format!("unit {name:?} not found"), "not found")
        };
    }
    let subordinate = m.apps.get(&app).is_some_and(|a| a.subordinate);
    if subordinate && m.unit(&name).is_some() {
        return error(
            format!(
                "unit {name:?} is a subordinate, to remove use remove-relation. Note: this will remove all units of {app:?}"
            ),
            "",
        );
    }
    let Some(unit) = m.apps.get_mut(&app).and_then(|a| a.units.remove(&n)) else {
        return error(format!("unit {name:?} not found"), "not found");
    };
    for a in m.apps.values_mut() {
        a.units.retain(|_, u| u.principal.as_deref() != Some(&name));
    }
    release_if_empty(m, &unit.machine, now);
    json!({"info": {}})
}

/// The last unit takes its machine with it.
pub(super) fn release_if_empty(m: &mut Model, machine: &str, now: Duration) {
    let inside = format!("{machine}/");
    let used = m
        .apps
        .values()
        .flat_map(|a| a.units.values())
        .any(|u| u.machine == machine || u.machine.starts_with(&inside));
    if !used && let Some(mm) = m.machines.get_mut(machine) {
        mm.dying = Some(now);
    }
}

pub(super) fn destroy_app(m: &mut Model, a: &Value, now: Duration) -> Value {
    let name = text(a, "application-tag")
        .trim_start_matches("application-")
        .to_owned();
    let Some(app) = m.apps.get(&name) else {
        return error(format!("application {name:?} not found"), "not found");
    };
    let units: Vec<Value> = app
        .units
        .keys()
        .map(|n| json!({"tag": format!("unit-{name}-{n}")}))
        .collect();
    let info = if units.is_empty() {
        json!({"info": {}})
    } else {
        json!({"info": {"destroyed-units": units}})
    };
    if a["dry-run"] == json!(true) {
        return info;
    }
    let machines: Vec<String> = app.units.values().map(|u| u.machine.clone()).collect();
    m.apps.remove(&name);
    m.relations.retain(|r| !r.ends.iter().any(|e| e.0 == name));
    let prefix = format!("{name}/");
    for other in m.apps.values_mut() {
        other.units.retain(|_, u| {
            !u.principal
                .as_deref()
                .is_some_and(|p| p.starts_with(&prefix))
        });
    }
    for machine in machines {
        release_if_empty(m, &machine, now);
    }
    info
}

/// What a unit publishes in its relations: its address, once it is there, and what its charm says.
fn bag(s: &State, m: &Model, app: &str, n: u64, now: Duration) -> Value {
    let name = format!("{app}/{n}");
    let Some(u) = m.unit(&name) else {
        return json!({"InScope": false, "UnitData": {}});
    };
    let address = answer::address(m, u, now);
    if address.is_empty() {
        return json!({"InScope": false, "UnitData": {}});
    }
    let mut data = json!({"egress-subnets": format!("{address}/32"), "ingress-address": address, "private-address": address});
    for (k, v) in s.relation_data.get(&name).into_iter().flatten() {
        data[k] = json!(v);
    }
    json!({"InScope": true, "UnitData": data})
}

/// `[a-z][a-z0-9]*` groups joined by hyphens, no group all digits.
fn valid_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.split('-').enumerate().all(|(i, part)| {
            part.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                && (i == 0 || part.bytes().any(|b| b.is_ascii_lowercase()))
        })
}

/// What is wrong with options: unknown to the charm, or of another type.
pub(super) fn bad_option(info: &Value, config: &BTreeMap<String, Value>) -> Option<String> {
    let known = info["config"].as_object()?;
    config.iter().find_map(|(k, v)| {
        let Some(option) = known.get(k) else {
            return Some(format!("unknown option {k:?}"));
        };
        let kind = option["type"].as_str().unwrap_or("string");
        let fits = match kind {
            "int" => v.is_i64() || v.as_str().is_some_and(|s| s.parse::<i64>().is_ok()),
            "float" => v.is_number() || v.as_str().is_some_and(|s| s.parse::<f64>().is_ok()),
            "boolean" => v.is_boolean() || v.as_str().is_some_and(|s| s.parse::<bool>().is_ok()),
            _ => true,
        };
        (!fits).then(|| match v.as_str() {
            Some(s) => format!("option {k:?} expected {kind}, got {s:?}"),
            None => format!("option {k:?} expected {kind}, got {v}"),
        })
    })
}
