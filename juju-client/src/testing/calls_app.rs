//! The calls of a model's connection.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::answer::{self, ZERO};
use super::calls::{
    Answer, Request, constraints, error, list, object, refuse, strings, text, unknown_method,
};
use super::charms;
use super::state::{Action, App, Machine, Model, Relation, Shared, State, Unit};
use crate::api::status::Base;

pub(super) fn model(shared: &Shared, r: &Request<'_>, uuid: &str, now: Duration) -> Answer {
    let p = r.params;
    let gone = || refuse(format!("unknown model: {uuid:?}"), "model not found");
    if reads(r) {
        return shared.with(|s| match s.models.get(uuid) {
            Some(m) => read(s, m, r, now),
            None => gone(),
        });
    }
    shared.change(|s| {
        let Some(mut m) = s.models.get(uuid).cloned() else {
            return gone();
        };
        let answer = write(s, &mut m, r, p, now);
        s.models.insert(uuid.to_owned(), m);
        answer
    })
}

fn reads(r: &Request<'_>) -> bool {
    matches!(
        (r.facade, r.method),
        (
            "Pinger" | "Client" | "Spaces" | "Subnets" | "StringsWatcher" | "Storage" | "Block",
            _
        ) | ("Annotations", "Get")
            | (
                "ModelConfig",
                "ModelGet" | "Sequences" | "GetModelConstraints"
            )
            | (
                "Charms",
                "ResolveCharms"
                    | "CharmInfo"
                    | "List"
                    | "ListCharmResources"
                    | "IsMetered"
                    | "GetDownloadInfos"
                    | "CheckCharmPlacement"
            )
            | (
                "Application",
                "Get"
                    | "GetConfig"
                    | "GetConstraints"
                    | "GetCharmURLOrigin"
                    | "ApplicationsInfo"
                    | "UnitsInfo"
                    | "Leader"
                    | "CharmConfig"
                    | "CharmRelations"
            )
            | (
                "Action",
                "Actions" | "Operations" | "ListOperations" | "ApplicationsCharmsActions"
            )
            | ("Resources", "ListResources")
            | ("Bundle", _)
    )
}

fn entities(p: &Value) -> Vec<String> {
    list(p, "entities")
        .iter()
        .map(|e| text(e, "tag").to_owned())
        .collect()
}

fn each(tags: Vec<String>, one: impl Fn(&str) -> Value) -> Value {
    json!({"results": tags.iter().map(|t| one(t)).collect::<Vec<_>>()})
}

fn read(s: &State, m: &Model, r: &Request<'_>, now: Duration) -> Answer {
    let p = r.params;
    Ok(match (r.facade, r.method) {
        ("Pinger", "Ping") => json!({}),
        ("Client", "FullStatus") => answer::full_status(s, m, now),
        ("Client", "WatchAll") => return refuse("WatchAll is not implemented", "not implemented"),
        ("Spaces", "ListSpaces") => {
            json!({"results": m.spaces.iter().enumerate().map(|(i, n)| json!({"id": i.to_string(), "name": n, "subnets": []})).collect::<Vec<_>>()})
        }
        ("Subnets", "ListSubnets") => json!({"results": []}),
        ("Annotations", "Get") => each(entities(p), |tag| {
            let known = tag.starts_with("model-")
                || tag
                    .strip_prefix("application-")
                    .is_some_and(|a| m.apps.contains_key(a))
                || tag
                    .strip_prefix("machine-")
                    .is_some_and(|id| m.machines.contains_key(&id.replace('-', "/")))
                || tag.starts_with("unit-");
            if known {
                json!({"entity": tag, "annotations": m.annotations.get(tag).cloned().unwrap_or_default(), "error": {}})
            } else {
                let name = tag.split_once('-').map_or(tag, |(_, n)| n);
                json!({"entity": tag, "annotations": null, "error": {"error": {"message": format!("getting annotations for {name:?}: unable to find UUID for ID: {name:?} not found"), "code": ""}}})
            }
        }),
        ("ModelConfig", "ModelGet") => {
            let mut config = Map::new();
            for (k, v) in [
                ("name", json!(m.name)),
                ("uuid", json!(m.uuid)),
                ("type", json!("maas")),
                ("agent-version", json!(s.version)),
                ("default-space", json!("")),
                ("default-base", json!("")),
            ] {
                config.insert(k.into(), json!({"value": v, "source": "default"}));
            }
            for (k, v) in &m.config {
                config.insert(k.clone(), json!({"value": v, "source": "model"}));
            }
            json!({"config": config})
        }
        ("ModelConfig", "Sequences") => Value::Null,
        ("ModelConfig", "GetModelConstraints") => json!({"constraints": {}}),
        ("Charms", "ResolveCharms") => {
            json!({"Results": list(p, "resolve").iter().map(|q| resolve(s, q)).collect::<Vec<_>>()})
        }
        ("Charms", "CharmInfo") => match m
            .charms
            .get(text(p, "url"))
            .and_then(|_| charm_info(text(p, "url")))
        {
            Some(v) => v,
            None => return refuse(format!("charm {:?} not found", text(p, "url")), "not found"),
        },
        ("Charms", "List") => json!({"charm-urls": m.charms.keys().collect::<Vec<_>>()}),
        ("Charms", "ListCharmResources") => {
            let one = |e: &Value| -> Vec<Value> {
                let info = charms::info(text(e, "charm-url")).unwrap_or_default();
                info["meta"]["resources"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(_, r)| {
                        let mut r = r.clone();
                        for (k, v) in [
                            ("origin", json!("store")),
                            ("revision", json!(1)),
                            ("fingerprint", json!("")),
                            ("size", json!(0)),
                        ] {
                            r[k] = v;
                        }
                        r
                    })
                    .collect()
            };
            json!({"results": list(p, "entities").iter().map(one).collect::<Vec<_>>()})
        }
        ("Charms", "CheckCharmPlacement") => {
            json!({"results": vec![json!({}); list(p, "placements").len()]})
        }
        ("Application", "Get") => match m.apps.get(text(p, "application")) {
            Some(a) => get(text(p, "application"), a),
            None => {
                return refuse(
                    format!(
                        "application {} not found: application not found",
                        text(p, "application")
                    ),
                    "not found",
                );
            }
        },
        ("Application", "GetConfig") => {
            json!({"Results": entities(p).iter().map(|t| match m.apps.get(t.trim_start_matches("application-")) {
            Some(a) => json!({"config": options(a)}),
            None => { let mut e = error(format!("application {} not found", t.trim_start_matches("application-")), "not found"); e["config"] = Value::Null; e }
        }).collect::<Vec<_>>()})
        }
        ("Application", "GetConstraints") => each(entities(p), |t| {
            match m.apps.get(t.trim_start_matches("application-")) {
                Some(a) => json!({"constraints": shown(a)}),
                None => error(
                    format!(
                        "application {} not found",
                        t.trim_start_matches("application-")
                    ),
                    "not found",
                ),
            }
        }),
        ("Application", "GetCharmURLOrigin") => match m.apps.get(text(p, "application")) {
            Some(a) => {
                let mut origin = a.origin.clone();
                origin["instance-key"] = json!(format!("{:x}", a.created.as_nanos()));
                json!({"url": a.charm, "charm-origin": origin})
            }
            None => {
                return refuse(
                    format!("application {:?} not found", text(p, "application")),
                    "not found",
                );
            }
        },
        ("Application", "ApplicationsInfo") => each(entities(p), |t| {
            let name = t.trim_start_matches("application-");
            match m.apps.get(name) {
                Some(a) => {
                    json!({"result": {"tag": t, "charm": charms::name_of(&a.charm), "base": a.base, "channel": a.channel, "constraints": shown(a), "principal": !a.subordinate, "exposed": a.exposed, "remote": false, "life": "alive", "endpoint-bindings": a.bindings}})
                }
                None => error(format!("application {name:?} not found"), "not found"),
            }
        }),
        ("Application", "UnitsInfo") => units_info(s, m, p, now),
        ("Application", "Leader") => {
            let app = text(p, "tag").trim_start_matches("application-");
            match m.apps.get(app).and_then(|a| a.units.keys().next()) {
                Some(n) => json!({"result": format!("{app}/{n}")}),
                None => error(
                    format!("could not determine leader for {app:?}"),
                    "not found",
                ),
            }
        }
        ("Application", "CharmRelations") => {
            json!({"charm-relations": m.apps.get(text(p, "application")).map(|a| charms::endpoints(&a.charm).into_iter().map(|e| e.0).collect::<Vec<_>>())})
        }
        ("Action", "Actions") => each(entities(p), |t| {
            match t
                .trim_start_matches("action-")
                .parse()
                .ok()
                .and_then(|n: u64| m.actions.get(&n).map(|a| (n, a)))
            {
                Some((n, a)) => action(n, a),
                None => error(
                    format!("action {:?} not found", t.trim_start_matches("action-")),
                    "not found",
                ),
            }
        }),
        ("Action", "Operations") => each(entities(p), |t| {
            operation(
                m,
                t.trim_start_matches("operation-")
                    .parse()
                    .unwrap_or(u64::MAX),
            )
        }),
        ("Action", "ListOperations") => list_operations(m, p),
        ("Resources", "ListResources") => each(
            entities(p),
            |_| json!({"resources": [], "charm-store-resources": [], "unit-resources": []}),
        ),
        ("Bundle", "GetChangesMapArgs") => {
            match crate::bundle::Bundle::problems(text(p, "yaml"), &[], None) {
                Err(e) => return refuse(e.message(), ""),
                Ok(problems) if !problems.is_empty() => {
                    json!({"errors": problems.into_iter().map(|p| p.message).collect::<Vec<_>>()})
                }
                Ok(_) => {
                    match crate::bundle::Bundle::parse(text(p, "yaml")).and_then(|b| b.changes()) {
                        Ok(plan) => {
                            json!({"changes": plan.changes.iter().map(|c| json!({"id": c.id, "method": c.method, "args": c.args, "requires": c.requires})).collect::<Vec<_>>()})
                        }
                        Err(e) => return refuse(e.message(), ""),
                    }
                }
            }
        }
        ("Block", "List") => json!({"results": []}),
        _ => match super::calls_more::model_read(m, r) {
            Some(v) => v,
            None => return unknown_method(r),
        },
    })
}

/// A charm that the fake does not know gets a plain metadata.
fn charm_info(url: &str) -> Option<Value> {
    charms::info(url).or_else(|| {
        let name = charms::name_of(url);
        let revision = url.rsplit_once('-').and_then(|(_, r)| r.parse::<i64>().ok()).unwrap_or(0);
        Some(json!({"revision": revision, "url": url, "config": {}, "meta": {"name": name, "summary": "", "description": "", "subordinate": false, "min-juju-version": "0.0.0"}}))
    })
}

fn resolve(s: &State, q: &Value) -> Value {
    let origin = &q["charm-origin"];
    let name = charms::name_of(text(q, "reference"));
    if text(origin, "source") == "local" {
        return json!({"url": text(q, "reference"), "charm-origin": origin, "supported-bases": []});
    }
    if name.starts_with("no-such") || name.starts_with("nonesuch") {
        return json!({"url": "", "charm-origin": {"source": "", "type": "", "id": "", "base": {"name": "", "channel": ""}}, "supported-bases": null,
                      "error": {"message": format!("resolving with preferred channel: {name:?}: charm or bundle not found"), "code": "not found"}});
    }
    let arch = match text(origin, "architecture") {
        "" => "amd64",
        a => a,
    };
    let revision = origin["revision"]
        .as_i64()
        .or_else(|| charms::revision(&name))
        .unwrap_or(1);
    let supported = if matches!(
        name.as_str(),
        "web" | "database" | "filer" | "logger" | "proxy"
    ) {
        vec!["24.04", "22.04"]
    } else {
        vec!["22.04"]
    };
    let mut o = origin.clone();
    o["type"] = json!("charm");
    o["hash"] = json!(format!("{:064x}", revision));
    o["revision"] = json!(revision);
    o["architecture"] = json!(arch);
    if text(&o["base"], "channel").is_empty() {
        o["base"] = json!({"name": "ubuntu", "channel": format!("{}/stable", supported[0])});
    }
    if text(&o, "track").is_empty() {
        o["track"] = json!("latest");
    }
    if text(&o, "risk").is_empty() {
        o["risk"] = json!("stable");
    }
    let mut v = json!({"url": format!("ch:{arch}/{name}-{revision}"), "charm-origin": o});
    if s.version.starts_with("3.1") {
        v["supported-series"] = json!(
            supported
                .iter()
                .filter_map(|c| crate::bundle::base::series_of(&Base {
                    name: "ubuntu".into(),
                    channel: (*c).into()
                }))
                .collect::<Vec<_>>()
        );
    } else {
        v["supported-bases"] = json!(
            supported
                .iter()
                .map(|c| json!({"name": "ubuntu", "channel": c}))
                .collect::<Vec<_>>()
        );
    }
    v
}

fn shown(a: &App) -> Value {
    let mut c = a.constraints.clone();
    if c.arch.is_none() && !a.subordinate {
        c.arch = Some("amd64".into());
    }
    json!(c)
}

pub(super) fn options(a: &App) -> Map<String, Value> {
    let info = charms::info(&a.charm).unwrap_or_default();
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

fn kind(v: &Value) -> &'static str {
    match v {
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "float",
        Value::Number(_) => "int",
        _ => "string",
    }
}

fn get(name: &str, a: &App) -> Value {
    json!({"application": name, "charm": charms::name_of(&a.charm), "config": options(a),
           "application-config": {"trust": {"default": false, "description": "Does this application have access to trusted credentials", "source": if a.trust { "user" } else { "default" }, "type": "bool", "value": a.trust}},
           "constraints": shown(a), "base": a.base, "channel": a.channel, "endpoint-bindings": a.bindings})
}

fn units_info(s: &State, m: &Model, p: &Value, now: Duration) -> Value {
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
                        .map(|n| (format!("{}/{n}", other.0), json!({"InScope": c.agent != "allocating", "UnitData": {}})))
                        .collect();
                    Some(json!({"relation-id": r.id, "endpoint": own.1, "cross-model": false, "related-endpoint": other.1, "ApplicationData": {}, "unit-relation-data": bags}))
                })
                .collect();
            let mut v = json!({"tag": format!("unit-{app}-{n}"), "workload-version": "", "machine": u.machine, "opened-ports": null, "charm": a.charm, "life": "alive", "relation-data": data});
            if a.units.keys().next() == Some(&n) && c.agent != "allocating" {
                v["leader"] = json!(true);
            }
            results.push(json!({"result": v}));
        }
        if !found {
            let name = tag.strip_prefix("unit-").map_or(tag.clone(), |t| {
                t.rsplit_once('-')
                    .map_or(t.to_owned(), |(a, n)| format!("{a}/{n}"))
            });
            results.push(error(format!("unit {name:?} not found"), "not found"));
        }
    }
    json!({"results": results})
}

fn action(n: u64, a: &Action) -> Value {
    let mut inner =
        json!({"tag": format!("action-{n}"), "receiver": crate::unit_tag(&a.unit), "name": a.name});
    if !a.params.is_empty() {
        inner["parameters"] = Value::Object(a.params.clone());
    }
    inner["parallel"] = json!(false);
    inner["execution-group"] = json!("");
    let mut v = json!({"action": inner, "enqueued": answer::time(a.enqueued), "started": a.started.map_or_else(|| ZERO.to_owned(), answer::time), "completed": ZERO, "status": a.status});
    if !a.message.is_empty() {
        v["message"] = json!(a.message);
    }
    if !a.output.is_empty() {
        v["output"] = Value::Object(a.output.clone());
    }
    v
}

fn operation(m: &Model, n: u64) -> Value {
    let actions: Vec<(&u64, &Action)> =
        m.actions.iter().filter(|(_, a)| a.operation == n).collect();
    let Some((_, first)) = actions.first() else {
        return error(format!("operation \"{n}\" not found"), "not found");
    };
    let done = actions.iter().filter_map(|(_, a)| a.done).max();
    json!({"operation": format!("operation-{n}"), "summary": format!("action {:?}", first.name), "enqueued": answer::time(first.enqueued),
           "started": ZERO, "completed": done.map_or_else(|| ZERO.to_owned(), answer::time), "status": first.status,
           "actions": actions.iter().map(|(n, a)| action(**n, a)).collect::<Vec<_>>()})
}

fn list_operations(m: &Model, p: &Value) -> Value {
    let wanted = |key: &str, v: &str| {
        list(p, key).is_empty() || list(p, key).iter().any(|x| x.as_str() == Some(v))
    };
    let mut numbers: Vec<u64> = m
        .actions
        .values()
        .filter(|a| {
            wanted("units", &a.unit)
                && wanted("actions", &a.name)
                && wanted("applications", a.unit.split('/').next().unwrap_or(""))
                && wanted("status", &a.status)
        })
        .map(|a| a.operation)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    json!({"results": numbers.into_iter().map(|n| operation(m, n)).collect::<Vec<_>>(), "truncated": false})
}

fn write(s: &mut State, m: &mut Model, r: &Request<'_>, p: &Value, now: Duration) -> Answer {
    Ok(match (r.facade, r.method) {
        ("Annotations", "Set") => {
            let mut results = Vec::new();
            for a in list(p, "annotations") {
                let tag = text(a, "entity").to_owned();
                if tag
                    .strip_prefix("application-")
                    .is_some_and(|n| !m.apps.contains_key(n))
                {
                    let n = tag.trim_start_matches("application-");
                    results.push(error(format!("setting annotations for {tag:?}: updating annotations for {n:?}: setting annotations for ID: {n:?}: unable to find UUID for ID: {n:?} not found"), ""));
                    continue;
                }
                let into = m.annotations.entry(tag).or_default();
                for (k, v) in strings(&a["annotations"]) {
                    if v.is_empty() {
                        into.remove(&k);
                    } else {
                        into.insert(k, v);
                    }
                }
            }
            json!({"results": results})
        }
        ("ModelConfig", "ModelSet") => {
            m.config.extend(object(&p["config"]));
            json!({})
        }
        ("ModelConfig", "ModelUnset") => {
            for k in list(p, "keys").iter().filter_map(Value::as_str) {
                m.config.remove(k);
            }
            json!({})
        }
        ("Charms", "AddCharm") => {
            let url = text(p, "url").to_owned();
            let mut origin = p["charm-origin"].clone();
            if text(&origin["base"], "name").is_empty() {
                return refuse(
                    format!("charm {:?} needs a base", charms::name_of(&url)),
                    "not valid",
                );
            }
            origin["id"] = json!(format!("id{}", charms::name_of(&url)));
            if m.charms.insert(url, origin.clone()).is_none() {
                s.count("charm");
            }
            json!({"charm-origin": origin})
        }
        ("Resources", "AddPendingResources") => {
            let ids: Vec<String> = list(p, "resources")
                .iter()
                .map(|_| uuid::Uuid::new_v4().to_string())
                .collect();
            m.pending_resources.extend(ids.clone());
            json!({"pending-ids": ids})
        }
        ("Application", "Deploy") => {
            json!({"results": list(p, "applications").iter().map(|d| deploy(s, m, d, now)).collect::<Vec<_>>()})
        }
        ("Application", "AddUnits") => return add_units(s, m, p, now),
        ("Application", "AddRelation") => return add_relation(s, m, p, now),
        ("Application", "DestroyRelation") => return destroy_relation(m, p),
        ("Application", "Expose") => {
            let Some(a) = m.apps.get_mut(text(p, "application")) else {
                return no_app(text(p, "application"));
            };
            a.exposed = true;
            let e = object(&p["exposed-endpoints"]);
            a.exposed_endpoints = if e.is_empty() {
                object(&json!({"": {"expose-to-cidrs": ["0.0.0.0/0", "::/0"]}}))
            } else {
                e
            };
            json!({})
        }
        ("Application", "Unexpose") => {
            let Some(a) = m.apps.get_mut(text(p, "application")) else {
                return no_app(text(p, "application"));
            };
            a.exposed = false;
            a.exposed_endpoints.clear();
            json!({})
        }
        ("Application", "SetConfigs") => {
            json!({"results": list(p, "Args").iter().map(|c| set_config(s, m, c)).collect::<Vec<_>>()})
        }
        ("Application", "UnsetApplicationsConfig") => {
            for c in list(p, "Args") {
                if let Some(a) = m.apps.get_mut(text(c, "application")) {
                    for o in list(c, "options").iter().filter_map(Value::as_str) {
                        a.config.remove(o);
                    }
                }
            }
            json!({"results": vec![json!({}); list(p, "Args").len()]})
        }
        ("Application", "SetConstraints") => {
            let Some(a) = m.apps.get_mut(text(p, "application")) else {
                return no_app(text(p, "application"));
            };
            a.constraints = constraints(&p["constraints"]);
            json!({})
        }
        ("Application", "MergeBindings") => {
            let one = |c: &Value, m: &mut Model| match m
                .apps
                .get_mut(text(c, "application-tag").trim_start_matches("application-"))
            {
                Some(a) => {
                    a.bindings.extend(strings(&c["bindings"]));
                    json!({})
                }
                None => error("application not found", "not found"),
            };
            json!({"results": list(p, "args").iter().map(|c| one(c, m)).collect::<Vec<_>>()})
        }
        ("Application", "SetCharm") => {
            let Some(a) = m.apps.get_mut(text(p, "application")) else {
                return no_app(text(p, "application"));
            };
            text(p, "charm-url").clone_into(&mut a.charm);
            a.origin = p["charm-origin"].clone();
            if !text(p, "channel").is_empty() {
                a.channel = full_channel(text(p, "channel"));
            }
            json!({})
        }
        ("Application", "DestroyUnit") => {
            let results: Vec<Value> = list(p, "units")
                .iter()
                .map(|u| destroy_unit(m, u, now))
                .collect();
            json!({"results": results})
        }
        ("Application", "DestroyApplication") => {
            let results: Vec<Value> = list(p, "applications")
                .iter()
                .map(|a| destroy_app(m, a, now))
                .collect();
            json!({"results": results})
        }
        ("Application", "ResolveUnitErrors") => {
            for t in list(&p["tags"], "entities") {
                let unit = text(t, "tag")
                    .trim_start_matches("unit-")
                    .rsplit_once('-')
                    .map(|(a, n)| format!("{a}/{n}"))
                    .unwrap_or_default();
                s.unit_errors.remove(&unit);
            }
            json!({"results": vec![json!({}); list(&p["tags"], "entities").len()]})
        }
        ("MachineManager", "AddMachines") => {
            json!({"machines": list(p, "params").iter().map(|d| add_machine(s, m, d, now)).collect::<Vec<_>>()})
        }
        ("MachineManager", "DestroyMachineWithParams") => {
            let force = p["force"] == json!(true);
            let results: Vec<Value> = list(p, "machine-tags")
                .iter()
                .filter_map(Value::as_str)
                .map(|t| destroy_machine(m, t, force, now))
                .collect();
            json!({"results": results})
        }
        ("MachineManager", "RetryProvisioning") => {
            for mm in m.machines.values_mut().filter(|mm| mm.instance.is_none()) {
                mm.given_up = false;
                mm.tries = 0;
                mm.next_try = now;
            }
            json!({"results": vec![json!({}); list(p, "machines").len()]})
        }
        ("Action", "EnqueueOperation") => enqueue(s, m, p, now),
        ("Action", "Cancel") => {
            let one = |t: &str, m: &mut Model| match t
                .trim_start_matches("action-")
                .parse::<u64>()
                .ok()
                .and_then(|n| m.actions.get_mut(&n).map(|a| (n, a)))
            {
                Some((n, a)) => {
                    if a.status == "pending" {
                        a.status = "cancelled".into();
                    }
                    action(n, a)
                }
                None => error("action not found", "not found"),
            };
            json!({"results": entities(p).iter().map(|t| one(t, m)).collect::<Vec<_>>()})
        }
        _ => match super::calls_more::model_write(s, m, r, now) {
            Some(v) => v,
            None => return unknown_method(r),
        },
    })
}

fn no_app(name: &str) -> Answer {
    refuse(format!("application {name:?} not found"), "not found")
}

fn full_channel(c: &str) -> String {
    if ["stable", "candidate", "beta", "edge"].contains(&c) {
        format!("latest/{c}")
    } else {
        c.to_owned()
    }
}

fn deploy(s: &mut State, m: &mut Model, d: &Value, now: Duration) -> Value {
    let name = text(d, "application").to_owned();
    let charm = text(d, "charm-url").to_owned();
    if m.apps.contains_key(&name) {
        return error(
            format!(
                "cannot deploy {name:?}: creating application {name:?}: application already exists"
            ),
            "",
        );
    }
    if charm.starts_with("ch:") && !m.charms.contains_key(&charm) {
        return error(
            format!("cannot deploy {name:?}: charm {charm:?} not found"),
            "not found",
        );
    }
    let info = charms::info(&charm).unwrap_or_default();
    let needed = info["meta"]["resources"].as_object().map_or(0, Map::len);
    let given = strings(&d["resources"]);
    if charm.starts_with("ch:") && given.len() < needed {
        return error(
            format!("cannot deploy {name:?}: not all pending resources for charm provided"),
            "",
        );
    }
    for id in given.values() {
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
            Ok(v) => config.extend(object(&v[&name])),
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
    let known = info["config"].as_object();
    if let (Some(known), Some(bad)) = (
        known,
        config
            .keys()
            .find(|k| !known.is_some_and(|m| m.contains_key(*k))),
    ) {
        // The stubs of the recording do not know every option of the real charms.
        tracing::trace!(option = %bad, known = known.len(), "an option that the stub does not have");
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
    let mut bindings: BTreeMap<String, String> = charms::bindable(&charm)
        .into_iter()
        .map(|e| (e, default.clone()))
        .collect();
    bindings.insert(String::new(), default);
    bindings.extend(given);
    let origin = d["charm-origin"].clone();
    let base: Base = serde_json::from_value(origin["base"].clone()).unwrap_or_default();
    let app = App {
        subordinate: charms::is_subordinate(&charm),
        channel: full_channel(text(d, "channel")),
        charm,
        origin,
        base,
        config,
        trust,
        constraints: constraints(&d["constraints"]),
        bindings,
        created: now,
        ..App::default()
    };
    for (ep, role, interface, scope) in charms::endpoints(&app.charm) {
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
            return error(e.message, &e.code);
        }
    }
    json!({})
}

fn new_machine(
    s: &mut State,
    m: &mut Model,
    base: Base,
    c: crate::bundle::Constraints,
    placement: Option<String>,
    now: Duration,
) -> String {
    let id = m.next_machine.to_string();
    m.next_machine += 1;
    m.machines.insert(
        id.clone(),
        Machine {
            base,
            constraints: c,
            placement,
            created: now,
            next_try: now,
            ..Machine::default()
        },
    );
    s.count("machine");
    id
}

fn new_container(
    s: &mut State,
    m: &mut Model,
    parent: &str,
    kind: &str,
    base: Base,
    c: crate::bundle::Constraints,
    now: Duration,
) -> String {
    let next = m
        .next_container
        .entry(format!("{parent}/{kind}"))
        .or_default();
    let id = format!("{parent}/{kind}/{next}");
    *next += 1;
    m.machines.insert(
        id.clone(),
        Machine {
            base,
            constraints: c,
            created: now,
            ..Machine::default()
        },
    );
    s.count("container");
    id
}

fn add_units(s: &mut State, m: &mut Model, p: &Value, now: Duration) -> Answer {
    let name = text(p, "application").to_owned();
    let n = p["num-units"].as_i64().unwrap_or(0);
    let Some(app) = m.apps.get(&name).cloned() else {
        return refuse(
            format!("adding {n} units to application {name:?}: application {name:?} not found"),
            "not found",
        );
    };
    if n < 1 {
        return refuse("must add at least one unit", "");
    }
    let placements = list(p, "placement").to_vec();
    let mut units = Vec::new();
    for i in 0..usize::try_from(n).unwrap_or(0) {
        let machine = match placements.get(i) {
            None => new_machine(s, m, app.base.clone(), app.constraints.clone(), None, now),
            Some(pl) => {
                let (scope, directive) = (text(pl, "scope"), text(pl, "directive"));
                if scope == "#" {
                    if !m.machines.contains_key(directive) {
                        return refuse(
                            format!(
                                "adding {n} units to application {name:?}: making unit args: getting machine {directive:?} for unit placement directive: machine with name {directive:?} does not exist"
                            ),
                            "",
                        );
                    }
                    directive.to_owned()
                } else if scope == m.uuid {
                    new_machine(
                        s,
                        m,
                        app.base.clone(),
                        app.constraints.clone(),
                        Some(directive.to_owned()),
                        now,
                    )
                } else if scope == "lxd" || scope == "kvm" {
                    let parent = if directive.is_empty() {
                        new_machine(s, m, app.base.clone(), app.constraints.clone(), None, now)
                    } else {
                        directive.to_owned()
                    };
                    if !m.machines.contains_key(&parent) {
                        return refuse(
                            format!(
                                "adding {n} units to application {name:?}: machine with name {parent:?} does not exist"
                            ),
                            "",
                        );
                    }
                    new_container(
                        s,
                        m,
                        &parent,
                        scope,
                        app.base.clone(),
                        app.constraints.clone(),
                        now,
                    )
                } else {
                    return refuse(
                        format!(
                            "adding {n} units to application {name:?}: invalid placement: invalid container type {scope:?}"
                        ),
                        "",
                    );
                }
            }
        };
        if let Some(a) = m.apps.get_mut(&name) {
            let k = a.next_unit;
            a.next_unit += 1;
            a.units.insert(
                k,
                Unit {
                    machine,
                    principal: None,
                    created: now,
                },
            );
            units.push(format!("{name}/{k}"));
        }
        s.count("unit");
        s.count(format!("unit:{name}"));
    }
    Ok(json!({"units": units}))
}

fn add_machine(s: &mut State, m: &mut Model, d: &Value, now: Duration) -> Value {
    let fail = |message: String| json!({"machine": "", "error": {"message": message, "code": ""}});
    let base: Base = serde_json::from_value(d["base"].clone()).unwrap_or_default();
    let c = constraints(&d["constraints"]);
    let (parent, kind) = (
        text(d, "parent-id").to_owned(),
        text(d, "container-type").to_owned(),
    );
    let placement = &d["placement"];
    if placement.is_object() {
        let (scope, directive) = (text(placement, "scope"), text(placement, "directive"));
        if scope == "lxd" {
            let parent = if directive.is_empty() {
                new_machine(s, m, base.clone(), c.clone(), None, now)
            } else {
                directive.to_owned()
            };
            return json!({"machine": new_container(s, m, &parent, "lxd", base, c, now)});
        }
        if scope == m.uuid {
            if !s.is_3x() && directive != m.uuid {
                return fail(format!("invalid model id {directive:?}"));
            }
            return json!({"machine": new_machine(s, m, base, c, Some(directive.to_owned()), now)});
        }
        return fail(format!(
            "invalid placement: invalid container type {scope:?}"
        ));
    }
    if kind.is_empty() {
        return json!({"machine": new_machine(s, m, base, c, None, now)});
    }
    let parent = if parent.is_empty() {
        new_machine(s, m, base.clone(), c.clone(), None, now)
    } else {
        parent
    };
    if !m.machines.contains_key(&parent) {
        return fail(format!(
            "getting machine UUID: getting UUID for machine {parent:?}: machine {parent:?}: machine not found"
        ));
    }
    json!({"machine": new_container(s, m, &parent, &kind, base, c, now)})
}

fn add_relation(s: &mut State, m: &mut Model, p: &Value, now: Duration) -> Answer {
    let ends: Vec<String> = list(p, "endpoints")
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let [a, b] = &ends[..] else {
        return refuse("a relation must involve two applications", "");
    };
    let split = |e: &str| {
        e.split_once(':')
            .map_or((e.to_owned(), String::new()), |(x, y)| {
                (x.to_owned(), y.to_owned())
            })
    };
    let ((app1, ep1), (app2, ep2)) = (split(a), split(b));
    let prefix = format!("adding relation between endpoints {a:?} and {b:?}: ");
    let (Some(x), Some(y)) = (m.apps.get(&app1), m.apps.get(&app2)) else {
        let missing = if m.apps.contains_key(&app1) { b } else { a };
        return refuse(
            format!(
                "{prefix}cannot relate endpoints {a:?} and {b:?}: no candidates for {missing}: relation endpoint not found"
            ),
            "",
        );
    };
    let mut fits = candidates(x, &ep1, y, &ep2);
    if fits.len() > 1 {
        // The implicit endpoint stands back where another fits.
        let plain: Vec<_> = fits
            .iter()
            .filter(|f| f.0.0 != "juju-info" && f.1.0 != "juju-info")
            .cloned()
            .collect();
        if !plain.is_empty() {
            fits = plain;
        }
    }
    let (one, two) = match &fits[..] {
        [f] => f.clone(),
        [] => {
            return refuse(
                format!(
                    "{prefix}cannot relate endpoints {a:?} and {b:?}: no compatible endpoints found between applications"
                ),
                "",
            );
        }
        many => {
            let forms: Vec<String> = many
                .iter()
                .map(|(e, f)| format!("\"{app1}:{} {app2}:{}\"", e.0, f.0))
                .collect();
            return refuse(
                format!(
                    "{prefix}cannot relate endpoints {a:?} and {b:?}: ambiguous relation: \"{a} {b}\" could refer to {}",
                    forms.join("; ")
                ),
                "",
            );
        }
    };
    let exists = m.relations.iter().any(|r| {
        r.ends.len() == 2
            && r.ends.iter().any(|e| e.0 == app1 && e.1 == one.0)
            && r.ends.iter().any(|e| e.0 == app2 && e.1 == two.0)
    });
    if exists {
        return refuse(
            format!(
                "{prefix}cannot add relation \"{app1}:{}\", \"{app2}:{}\": relation {app1}:{} {app2}:{}: already exists",
                one.0, two.0, one.0, two.0
            ),
            if s.is_3x() { "already exists" } else { "" },
        );
    }
    let scope = if one.3 == "container"
        || two.3 == "container"
        || x.subordinate != y.subordinate && one.2 == "juju-info"
    {
        "container"
    } else {
        "global"
    };
    let id = m.next_relation;
    m.next_relation += 1;
    let end = |app: &str, e: &(String, String, String, String)| {
        (app.to_owned(), e.0.clone(), e.1.clone())
    };
    m.relations.push(Relation {
        id,
        interface: one.2.clone(),
        scope: scope.into(),
        ends: vec![end(&app1, &one), end(&app2, &two)],
        created: now,
    });
    s.count("relation");
    let shown = |e: &(String, String, String, String)| json!({"name": e.0, "role": e.1, "interface": e.2, "optional": false, "limit": 0, "scope": scope});
    let mut endpoints = Map::new();
    endpoints.insert(app1, shown(&one));
    endpoints.insert(app2, shown(&two));
    Ok(json!({"endpoints": endpoints}))
}

type Endpoint = (String, String, String, String);

fn candidates(x: &App, ep1: &str, y: &App, ep2: &str) -> Vec<(Endpoint, Endpoint)> {
    let of = |a: &App, ep: &str| -> Option<Vec<Endpoint>> {
        let mut all = charms::endpoints(&a.charm);
        if all.is_empty() {
            return None;
        }
        if !all.iter().any(|e| e.0 == "juju-info") {
            all.push((
                "juju-info".into(),
                "provider".into(),
                "juju-info".into(),
                "global".into(),
            ));
        }
        Some(
            all.into_iter()
                .filter(|e| ep.is_empty() || e.0 == ep)
                .collect(),
        )
    };
    let free = |ep: &str, role: &str, interface: &str| -> Endpoint {
        (
            if ep.is_empty() {
                interface.to_owned()
            } else {
                ep.to_owned()
            },
            role.into(),
            interface.into(),
            "global".into(),
        )
    };
    match (of(x, ep1), of(y, ep2)) {
        (Some(xs), Some(ys)) => {
            let mut found = Vec::new();
            for e in &xs {
                for f in &ys {
                    let roles = (e.1 == "provider" && f.1 == "requirer")
                        || (e.1 == "requirer" && f.1 == "provider");
                    if roles && e.2 == f.2 {
                        found.push((e.clone(), f.clone()));
                    }
                }
            }
            found
        }
        // A charm that the store does not know fits everything.
        (Some(xs), None) => xs
            .into_iter()
            .take(1)
            .map(|e| {
                let f = free(
                    ep2,
                    if e.1 == "provider" {
                        "requirer"
                    } else {
                        "provider"
                    },
                    &e.2,
                );
                (e, f)
            })
            .collect(),
        (None, Some(ys)) => ys
            .into_iter()
            .take(1)
            .map(|f| {
                let e = free(
                    ep1,
                    if f.1 == "provider" {
                        "requirer"
                    } else {
                        "provider"
                    },
                    &f.2,
                );
                (e, f)
            })
            .collect(),
        (None, None) => vec![(free(ep1, "requirer", "any"), free(ep2, "provider", "any"))],
    }
}

fn destroy_relation(m: &mut Model, p: &Value) -> Answer {
    let before = m.relations.len();
    if let Some(id) = p["relation-id"]
        .as_i64()
        .filter(|_| list(p, "endpoints").is_empty())
    {
        m.relations.retain(|r| r.id != id);
    } else {
        let ends: Vec<(String, String)> = list(p, "endpoints")
            .iter()
            .filter_map(Value::as_str)
            .map(|e| {
                e.split_once(':')
                    .map_or((e.to_owned(), String::new()), |(a, b)| {
                        (a.to_owned(), b.to_owned())
                    })
            })
            .collect();
        m.relations.retain(|r| {
            !(r.ends.len() == 2
                && ends.iter().all(|(a, ep)| {
                    r.ends
                        .iter()
                        .any(|e| e.0 == *a && (ep.is_empty() || e.1 == *ep))
                }))
        });
    }
    if m.relations.len() == before {
        return refuse("relation not found", "not found");
    }
    Ok(json!({}))
}

fn set_config(s: &State, m: &mut Model, c: &Value) -> Value {
    let name = text(c, "application");
    let Some(a) = m.apps.get_mut(name) else {
        return error(
            format!("application {name} not found: application not found"),
            "not found",
        );
    };
    if !text(c, "config-yaml").is_empty() && !s.is_3x() {
        return error(
            "config yaml not supported not implemented",
            "not implemented",
        );
    }
    let info = charms::info(&a.charm).unwrap_or_default();
    let mut set: BTreeMap<String, String> = strings(&c["config"]);
    if let Ok(v) = serde_saphyr::from_str::<Value>(text(c, "config-yaml")) {
        for (k, v) in object(&v[name]) {
            set.insert(k, v.as_str().map_or_else(|| v.to_string(), str::to_owned));
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

fn destroy_unit(m: &mut Model, u: &Value, now: Duration) -> Value {
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
fn release_if_empty(m: &mut Model, machine: &str, now: Duration) {
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

fn destroy_app(m: &mut Model, a: &Value, now: Duration) -> Value {
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

fn destroy_machine(m: &mut Model, tag: &str, force: bool, now: Duration) -> Value {
    let id = tag.trim_start_matches("machine-").replace('-', "/");
    if !m.machines.contains_key(&id) {
        return error(
            format!(
                "getting machine UUID: getting UUID for machine {id:?}: machine {id:?}: machine not found"
            ),
            "",
        );
    }
    let inside = format!("{id}/");
    let units: Vec<(String, u64)> = m
        .apps
        .iter()
        .flat_map(|(a, app)| {
            app.units
                .iter()
                .filter(|(_, u)| u.machine == id || u.machine.starts_with(&inside))
                .map(move |(n, _)| (a.clone(), *n))
        })
        .collect();
    if !force && (!units.is_empty() || m.machines.keys().any(|k| k.starts_with(&inside))) {
        let what = if units.is_empty() {
            "machine has containers"
        } else {
            "machine has units"
        };
        return error(
            format!(
                "removing machine: machine {id:?}: cannot set machine {id:?} to dying without force: {what}"
            ),
            "",
        );
    }
    let mut info = json!({"machine-id": id});
    if !units.is_empty() {
        info["destroyed-units"] = json!(
            units
                .iter()
                .map(|(a, n)| json!({"tag": format!("unit-{a}-{n}")}))
                .collect::<Vec<_>>()
        );
    }
    let containers: Vec<Value> = m
        .machines
        .keys()
        .filter(|k| k.starts_with(&inside))
        .map(|k| json!({"info": {"machine-id": k}}))
        .collect();
    if !containers.is_empty() {
        info["destroyed-containers"] = json!(containers);
    }
    for (a, n) in units {
        if let Some(app) = m.apps.get_mut(&a) {
            app.units.remove(&n);
        }
    }
    for (k, mm) in &mut m.machines {
        if *k == id || k.starts_with(&inside) {
            mm.dying = Some(now);
        }
    }
    json!({"info": info})
}

fn enqueue(s: &mut State, m: &mut Model, p: &Value, now: Duration) -> Value {
    let operation = m.next_action;
    m.next_action += 1;
    let mut actions = Vec::new();
    for a in list(p, "actions") {
        let receiver = text(a, "receiver");
        let unit = match receiver.strip_suffix("/leader") {
            Some(app) => m
                .apps
                .get(app)
                .and_then(|x| x.units.keys().next())
                .map(|n| format!("{app}/{n}"))
                .unwrap_or_else(|| receiver.to_owned()),
            None => receiver
                .trim_start_matches("unit-")
                .rsplit_once('-')
                .map(|(x, n)| format!("{x}/{n}"))
                .unwrap_or_default(),
        };
        if m.unit(&unit).is_none() {
            actions.push(json!({"enqueued": ZERO, "started": ZERO, "completed": ZERO, "error": {"message": format!("linking task to unit: getting unit UUID for {unit:?}: unit {unit:?} not found"), "code": ""}}));
            continue;
        }
        let n = m.next_action;
        m.next_action += 1;
        let name = text(a, "name").to_owned();
        m.actions.insert(
            n,
            Action {
                operation,
                unit: unit.clone(),
                name: name.clone(),
                params: object(&a["parameters"]),
                enqueued: now,
                status: "pending".into(),
                ..Action::default()
            },
        );
        s.count("action");
        s.count(format!("action:{name}"));
        actions.push(json!({"action": {"tag": format!("action-{n}"), "receiver": crate::unit_tag(&unit), "name": "", "parallel": false}, "enqueued": answer::time(now), "started": ZERO, "completed": ZERO, "status": "pending"}));
    }
    json!({"operation": format!("operation-{operation}"), "actions": actions})
}
