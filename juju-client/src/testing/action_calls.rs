//! Actions.

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{self, ZERO};
use super::calls::{Answer, error, list, object, refuse, text};
use super::charms;
use super::state::{Action, Model, State};

pub(super) fn action(n: u64, a: &Action) -> Value {
    let mut inner =
        json!({"tag": format!("action-{n}"), "receiver": crate::unit_tag(&a.unit), "name": a.name});
    if !a.params.is_empty() {
        inner["parameters"] = Value::Object(a.params.clone());
    }
    inner["parallel"] = json!(a.parallel);
    inner["execution-group"] = json!("");
    let mut v = json!({"action": inner, "enqueued": answer::time(a.enqueued), "started": a.started.map_or_else(|| ZERO.to_owned(), answer::time), "completed": ZERO, "status": a.status});
    if !a.message.is_empty() {
        v["message"] = json!(a.message);
    }
    if !a.log.is_empty() {
        v["log"] = json!(
            a.log
                .iter()
                .map(|(t, m)| json!({"timestamp": answer::time(*t), "message": m}))
                .collect::<Vec<_>>()
        );
    }
    if !a.output.is_empty() {
        v["output"] = Value::Object(a.output.clone());
    }
    v
}

pub(super) fn operation(m: &Model, n: u64) -> Value {
    let actions: Vec<(&u64, &Action)> =
        m.actions.iter().filter(|(_, a)| a.operation == n).collect();
    let Some((_, first)) = actions.first() else {
        return error(format!("operation \"{n}\" not found"), "");
    };
    let done = actions.iter().filter_map(|(_, a)| a.done).max();
    json!({"operation": format!("operation-{n}"), "summary": format!("action {:?}", first.name), "enqueued": answer::time(first.enqueued),
           "started": ZERO, "completed": done.map_or_else(|| ZERO.to_owned(), answer::time), "status": first.status,
           "actions": actions.iter().map(|(n, a)| action(**n, a)).collect::<Vec<_>>()})
}

pub(super) fn list_operations(m: &Model, p: &Value) -> Value {
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

/// An action that is not there, in the shape of one.
pub(super) fn no_action(message: String, code: &str) -> Value {
    let mut v = error(message, code);
    for k in ["enqueued", "started", "completed"] {
        v[k] = json!(ZERO);
    }
    v
}

pub(super) fn enqueue(s: &mut State, m: &mut Model, p: &Value, now: Duration) -> Answer {
    if list(p, "actions").is_empty() {
        return refuse("no actions specified", "");
    }
    for a in list(p, "actions") {
        let (receiver, name) = (text(a, "receiver"), text(a, "name"));
        if let Some(app) = receiver.strip_suffix("/leader")
            && m.apps.contains_key(app)
            && super::calls_app::leader(m, app, now).is_none()
        {
            return refuse(
                format!("getting leader unit for {app}: application {app:?} not found in leases"),
                "not found",
            );
        }
        let unit = receiver
            .trim_start_matches("unit-")
            .rsplit_once('-')
            .map(|(x, n)| format!("{x}/{n}"))
            .unwrap_or_default();
        let app = unit.split('/').next().and_then(|x| m.apps.get(x));
        if let Some(app) = app.filter(|a| charms::is_whole(&a.charm) || a.own_info.is_some())
            && m.unit(&unit).is_some()
            && app.info()["actions"]["specs"][name].is_null()
        {
            return refuse(
                format!("action {name:?} not defined for unit {unit:?}."),
                "not found",
            );
        }
    }
    let operation = m.next_action;
    m.next_action += 1;
    let mut actions = Vec::new();
    for a in list(p, "actions") {
        let receiver = text(a, "receiver");
        let unit = match receiver.strip_suffix("/leader") {
            Some(app) => {
                super::calls_app::leader(m, app, now).unwrap_or_else(|| receiver.to_owned())
            }
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
    Ok(json!({"operation": format!("operation-{operation}"), "actions": actions}))
}
