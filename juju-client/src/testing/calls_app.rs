//! The calls of a model's connection.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::action_calls::{action, enqueue, list_operations, operation};
use super::answer;
use super::app_calls::{
    deploy, destroy_app, destroy_unit, full_channel, get, options, set_config, shown, units_info,
};
use super::calls::{
    Answer, Request, constraints, error, list, object, refuse, strings, text, unknown_method,
};
use super::charm_calls::{charm_info, resolve};
use super::charms;
use super::machine_calls::{add_machine, add_units, destroy_machine};
use super::relation_calls::{add_relation, destroy_relation};
use super::state::{Model, Shared, State};

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
            "Pinger" | "Client" | "Subnets" | "StringsWatcher" | "Storage" | "Block" | "Secrets",
            _
        ) | ("Spaces", "ListSpaces" | "ShowSpace")
            | ("Annotations", "Get")
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

pub(super) fn entities(p: &Value) -> Vec<String> {
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
        ("Client", "FullStatus") if p["patterns"].is_string() => {
            return refuse(
                "json: cannot unmarshal string into Go struct field StatusParams.patterns of type []string",
                "",
            );
        }
        ("Client", "FullStatus") => answer::full_status(s, m, now),
        ("Client", "WatchAll") => return refuse("WatchAll not implemented", "not implemented"),
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
                json!({"entity": tag, "annotations": null, "error": {"error": {"message": format!("getting annotations for {tag:?}: loading annotations for ID: {name:?}: unable to find UUID for ID: {name:?} not found"), "code": ""}}})
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
        ("ModelConfig", "GetModelConstraints") => json!({"constraints": m.constraints}),
        ("Charms", "ResolveCharms") => {
            json!({"Results": list(p, "resolve").iter().map(|q| resolve(r.version, q)).collect::<Vec<_>>()})
        }
        ("Charms", "CharmInfo") if text(p, "url").starts_with(':') => {
            return refuse(
                format!("cannot parse charm or bundle URL: {:?}", text(p, "url")),
                "",
            );
        }
        ("Charms", "CharmInfo") => match m
            .charms
            .get(text(p, "url"))
            .and_then(|_| charm_info(m, text(p, "url")))
        {
            Some(v) => v,
            None => return refuse(format!("charm {:?} not found", text(p, "url")), "not found"),
        },
        ("Charms", "List") => json!({"charm-urls": m.charms.keys().collect::<Vec<_>>()}),
        ("Charms", "ListCharmResources") => {
            let one = |e: &Value| -> Vec<Value> {
                let info = m.charm_info(text(e, "charm-url")).unwrap_or_default();
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
        ("Application", "Get") if text(p, "application").is_empty() => {
            return refuse("application name not valid", "");
        }
        ("Application", "Get") => match m.apps.get(text(p, "application")) {
            Some(a) => get(text(p, "application"), a),
            None => {
                return refuse(
                    format!("application {} not found", text(p, "application")),
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
                    let mut v = json!({"result": {"tag": t, "charm": charms::name_of(&a.charm), "base": a.base, "channel": a.channel, "constraints": shown(a), "principal": !a.subordinate, "exposed": a.exposed, "remote": false, "life": "alive", "endpoint-bindings": a.bindings}});
                    if !a.exposed_endpoints.is_empty() {
                        v["result"]["exposed-endpoints"] =
                            Value::Object(a.exposed_endpoints.clone());
                    }
                    v
                }
                None => error(format!("application {name} not found"), "not found"),
            }
        }),
        ("Application", "UnitsInfo") => units_info(s, m, p, now),
        ("Application", "Leader") => {
            let app = text(p, "tag").trim_start_matches("application-");
            match leader(m, app, now) {
                Some(unit) => json!({"result": unit}),
                None => error(
                    format!("leader for {} not found", text(p, "tag")),
                    "not found",
                ),
            }
        }
        ("Application", "CharmRelations") => {
            json!({"charm-relations": m.apps.get(text(p, "application")).map(|a| charms::endpoints(&a.info()).into_iter().map(|e| e.0).collect::<Vec<_>>())})
        }
        ("Action", "Actions") => each(entities(p), |t| {
            match t
                .trim_start_matches("action-")
                .parse()
                .ok()
                .and_then(|n: u64| m.actions.get(&n).map(|a| (n, a)))
            {
                Some((n, a)) => action(n, a),
                None => super::action_calls::no_action("id not found".to_owned(), "not found"),
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
        ("Resources", "ListResources") => each(entities(p), |t| {
            super::charm_calls::resources_of(m, t.trim_start_matches("application-"))
        }),
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
                if let Some(bad) = strings(&a["annotations"]).keys().find(|k| k.contains('.')) {
                    results.push(error(format!("setting annotations for {tag:?}: key {bad:?} contains period: invalid key"), ""));
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
            if let Some(bad) = super::calls::bad_base(&p["config"]) {
                return refuse(
                    format!(
                        "making updated model configuration: building new model config with removed attributes: {bad}"
                    ),
                    "",
                );
            }
            if p["config"]["agent-version"]
                .as_str()
                .is_some_and(|v| v != s.version)
            {
                return refuse(
                    "config key [\"agent-version\"] not valid: agent-version cannot be changed",
                    "not valid",
                );
            }
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
            if charms::is_unknown(&charms::name_of(&url)) {
                let name = charms::name_of(&url);
                return refuse(
                    format!(
                        "retrieving essential metadata for charm {url:?}: resolving error: No charm or bundle with name '{name}'."
                    ),
                    "",
                );
            }
            if text(&origin["base"], "name").is_empty() {
                return refuse(
                    format!("charm {:?} needs a base", charms::name_of(&url)),
                    "not valid",
                );
            }
            origin["id"] = json!(format!("id{}", charms::name_of(&url)));
            if text(&origin, "hash").is_empty() {
                origin["hash"] = json!(charms::hash_of(&url));
            }
            if m.charms.insert(url, origin.clone()).is_none() {
                s.count("charm");
            }
            json!({"charm-origin": origin})
        }
        ("Resources", "AddPendingResources") => {
            let refused = |message: String, code: &str| {
                Ok(json!({"error": {"message": message, "code": code}, "pending-ids": null}))
            };
            let (tag, url) = (text(p, "tag"), text(p, "url"));
            if !tag.starts_with("application-") {
                return refused(format!("{tag:?} is not a valid tag"), "bad request");
            }
            if url.is_empty() {
                return refused("parsing charm URL \"\": cannot parse name and/or revision in URL \"\": name \"\" not valid".into(), "not valid");
            }
            if let Some(info) = m.charm_info(url)
                && list(p, "resources")
                    .iter()
                    .any(|r| info["meta"]["resources"][text(r, "name")].is_null())
            {
                return refused(
                    "failed to add resources: charm or charm resource does not exist".into(),
                    "",
                );
            }
            let ids: Vec<String> = list(p, "resources")
                .iter()
                .map(|_| uuid::Uuid::new_v4().to_string())
                .collect();
            m.pending_resources.extend(ids.clone());
            json!({"pending-ids": ids})
        }
        ("Application", "Deploy") => {
            if let Some(n) = list(p, "applications")
                .iter()
                .find_map(|d| d["constraints"]["mem"].as_i64().filter(|n| *n < 0))
            {
                return refuse(
                    format!(
                        "json: cannot unmarshal number {n} into Go struct field Value.applications.constraints.mem of type uint64"
                    ),
                    "",
                );
            }
            json!({"results": list(p, "applications").iter().map(|d| deploy(s, m, d, now)).collect::<Vec<_>>()})
        }
        ("Application", "DeployFromRepository") => {
            json!({"Results": list(p, "Args").iter().map(|d| super::repository_calls::deploy(s, m, d, now)).collect::<Vec<_>>()})
        }
        ("Application", "ScaleApplications") => {
            return refuse(
                "scaling applications on a non-container model not supported",
                "not supported",
            );
        }
        ("Application", "AddUnits") => return add_units(s, m, p, now),
        ("Application", "AddRelation") => return add_relation(s, m, p, now),
        ("Application", "DestroyRelation") => return destroy_relation(m, p),
        ("Application", "Expose") => {
            let e = object(&p["exposed-endpoints"]);
            let spaces = e
                .values()
                .flat_map(|x| list(x, "expose-to-spaces"))
                .filter_map(Value::as_str);
            if let Some(bad) = spaces.into_iter().find(|x| !knows_space(m, x)) {
                return refuse(format!("space {bad:?} not found"), "not found");
            }
            let Some(a) = m.apps.get_mut(text(p, "application")) else {
                return refuse(
                    format!("getting application {:?} not found", text(p, "application")),
                    "",
                );
            };
            let info = a.info();
            let ends = charms::bindable(&info);
            if let Some(bad) = e
                .keys()
                .find(|k| !k.is_empty() && !info.is_null() && !ends.contains(k))
            {
                return refuse(
                    format!("one or more of the provided endpoints [{bad}] do not exist"),
                    "",
                );
            }
            a.exposed = true;
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
            for e in list(p, "exposed-endpoints")
                .iter()
                .filter_map(Value::as_str)
            {
                a.exposed_endpoints.remove(e);
            }
            if list(p, "exposed-endpoints").is_empty() || a.exposed_endpoints.is_empty() {
                a.exposed = false;
                a.exposed_endpoints.clear();
            }
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
                return refuse(
                    format!("application {} not found", text(p, "application")),
                    "not found",
                );
            };
            let wanted = constraints(&p["constraints"]);
            let unknown = |x: &String| !m.spaces.contains(&x.trim_start_matches('^').to_owned());
            if !s.is_3x() && wanted.spaces.iter().flatten().any(unknown) {
                return refuse("invalid application constraints", "");
            }
            a.constraints = wanted;
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
        ("Application", "SetCharm") if !has_charm(m, text(p, "charm-url")) => {
            let url = text(p, "charm-url");
            if !m.apps.contains_key(text(p, "application")) {
                return no_app(text(p, "application"));
            }
            return refuse(format!("charm {url:?} not found"), "not found");
        }
        ("Application", "SetCharm") => {
            let own = m
                .uploaded
                .get(text(p, "charm-url"))
                .map(|u| u["info"].clone());
            let Some(a) = m.apps.get_mut(text(p, "application")) else {
                return no_app(text(p, "application"));
            };
            text(p, "charm-url").clone_into(&mut a.charm);
            a.origin = p["charm-origin"].clone();
            a.own_info = own;
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
            let mut results = Vec::new();
            for t in list(&p["tags"], "entities") {
                let unit = text(t, "tag")
                    .trim_start_matches("unit-")
                    .rsplit_once('-')
                    .map(|(a, n)| format!("{a}/{n}"))
                    .unwrap_or_default();
                results.push(match s.unit_errors.remove(&unit) {
                    Some(_) => json!({}),
                    None => error(format!("resolving unit: checking unit \"{}\" status: unit is not in error state", uuid::Uuid::new_v4()), ""),
                });
            }
            json!({"results": results})
        }
        ("MachineManager", "AddMachines") => {
            json!({"machines": list(p, "params").iter().map(|d| add_machine(s, m, d, now)).collect::<Vec<_>>()})
        }
        ("MachineManager", "DestroyMachineWithParams") => {
            let (force, dry_run) = (p["force"] == json!(true), p["dry-run"] == json!(true));
            let results: Vec<Value> = list(p, "machine-tags")
                .iter()
                .filter_map(Value::as_str)
                .map(|t| destroy_machine(m, t, force, dry_run, now))
                .collect();
            json!({"results": results})
        }
        ("MachineManager", "RetryProvisioning") => {
            let all = p["all"] == json!(true);
            let named: Vec<String> = list(p, "machines")
                .iter()
                .filter_map(Value::as_str)
                .map(|t| t.trim_start_matches("machine-").replace('-', "/"))
                .collect();
            let mut results = Vec::new();
            for id in &named {
                results.push(match m.machines.get(id) {
                    Some(mm) if mm.error.is_some() => json!({}),
                    Some(mm) => error(
                        format!(
                            "machine {id} is not in an error state ({})",
                            answer::machine_condition(mm, now).0
                        ),
                        "",
                    ),
                    None => error(format!("machine {id:?} not found"), "not found"),
                });
            }
            for (id, mm) in m
                .machines
                .iter_mut()
                .filter(|(_, mm)| mm.instance.is_none())
            {
                if all || named.contains(id) {
                    mm.given_up = false;
                    mm.tries = 0;
                    mm.next_try = now;
                }
            }
            json!({"results": results})
        }
        ("Action", "EnqueueOperation") => return enqueue(s, m, p, now),
        ("Action", "Cancel") => {
            let one = |t: &str, m: &mut Model| match t
                .trim_start_matches("action-")
                .parse::<u64>()
                .ok()
                .and_then(|n| m.actions.get_mut(&n).map(|a| (n, a)))
            {
                // Broken in 4.0 up to 4.0.15, and recorded so.
                Some((n, _)) if !s.is_3x() => super::action_calls::no_action(
                    format!(
                        "cancelling task \"{n}\": cancelling task \"{n}\": preparing update status statement for task ID \"{n}\": preparing:: cannot prepare statement: input expression: type \"taskStatus\" has no \"status_id\" db tag: $taskStatus.status_id"
                    ),
                    "",
                ),
                Some((n, a)) => {
                    if a.status == "running" {
                        a.status = "aborting".into();
                    }
                    if a.status == "pending" {
                        a.status = "cancelled".into();
                    }
                    action(n, a)
                }
                None => super::action_calls::no_action(
                    format!("action {} not found", t.trim_start_matches("action-")),
                    "not found",
                ),
            };
            json!({"results": entities(p).iter().map(|t| one(t, m)).collect::<Vec<_>>()})
        }
        ("Backups", "Create") if !s.is_3x() => {
            return refuse("Create not implemented", "not implemented");
        }
        ("Backups", "Create") if m.uuid != s.identity.model_uuid => {
            return refuse(
                "backups are only supported from the controller model\nUse juju switch to select the controller model",
                "not supported",
            );
        }
        _ => match super::calls_more::model_write(s, m, r, now) {
            Some(v) => v,
            None => return unknown_method(r),
        },
    })
}

/// Whether a charm is in the model: added, uploaded, or one that the fake has always had.
pub(super) fn has_charm(m: &Model, url: &str) -> bool {
    m.charms.contains_key(url) || (url.starts_with("local:") && charms::info(url).is_some())
}

/// The unit that leads: the first whose machine is started.
pub(super) fn leader(m: &Model, app: &str, now: Duration) -> Option<String> {
    let a = m.apps.get(app)?;
    a.units
        .iter()
        .find(|(_, u)| {
            let host = match &u.principal {
                Some(p) => m.unit(p).map_or("", |p| p.machine.as_str()),
                None => u.machine.as_str(),
            };
            m.machines
                .get(host)
                .is_some_and(|mm| mm.started.is_some_and(|t| t <= now))
        })
        .map(|(n, _)| format!("{app}/{n}"))
}

fn knows_space(m: &Model, space: &str) -> bool {
    m.spaces.iter().any(|s| s == space)
        || m.config.get("default-space").and_then(Value::as_str) == Some(space)
        || m.apps
            .values()
            .any(|a| a.bindings.values().any(|b| b == space))
}

pub(super) fn no_app(name: &str) -> Answer {
    refuse(format!("application {name:?} not found"), "not found")
}
