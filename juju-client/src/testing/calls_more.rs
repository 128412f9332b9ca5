//! Calls that the official client makes besides: what it shows, and what it looks at before it acts.

use serde_json::{Value, json};

use super::answer::{self, ZERO};
use super::calls::{Request, list, text};
use super::charms;
use super::state::{Action, Model, Offer, State};
use std::time::Duration;

/// Calls of the controller's connection.
pub(super) fn controller(s: &mut State, r: &Request<'_>, now: Duration) -> Option<Value> {
    let p = r.params;
    let tags = || list(p, "entities").iter().map(|e| text(e, "tag"));
    Some(match (r.facade, r.method) {
        ("Controller", "ControllerVersion") => json!({"version": s.version, "git-commit": ""}),
        ("Controller", "IdentityProviderURL") => json!({"result": ""}),
        ("Controller", "GetControllerAccess") => {
            json!({"results": tags().map(|t| json!({"result": {"user-tag": t, "access": "superuser"}})).collect::<Vec<_>>()})
        }
        ("Controller" | "ModelManager", "ModelStatus") => {
            let one = |tag: &str| match s.models.get(tag.trim_start_matches("model-")) {
                Some(m) => model_status(s, m, r.version),
                None => {
                    json!({"model-tag": "", "life": "", "type": "", "hosted-machine-count": 0, "application-count": 0, "unit-count": 0,
                               "error": {"message": "model not found", "code": "not found"}})
                }
            };
            json!({"models": tags().map(one).collect::<Vec<_>>()})
        }
        ("Cloud", "CloudInfo") => {
            let one = |tag: &str| match s.clouds.get(tag.trim_start_matches("cloud-")) {
                Some(c) => {
                    let mut v = json!(c);
                    v["users"] =
                        json!([{"user": "admin", "display-name": "admin", "access": "admin"}]);
                    json!({"result": v})
                }
                None => super::calls::error("cloud not found", "not found"),
            };
            json!({"results": tags().map(one).collect::<Vec<_>>()})
        }
        ("ModelConfig", "ModelGet") => {
            json!({"config": {"name": {"value": "controller", "source": "model"}, "agent-version": {"value": s.version, "source": "model"}}})
        }
        ("ApplicationOffers", "Offer") => {
            let results: Vec<Value> = list(p, "Offers").iter().map(|o| offer(s, o)).collect();
            json!({"results": results})
        }
        ("ApplicationOffers", "ModifyOfferAccess") => {
            json!({"results": vec![json!({}); list(p, "changes").len()]})
        }
        ("ApplicationOffers", "ListApplicationOffers") => {
            let name = list(p, "Filters")
                .first()
                .map(|f| text(f, "model-name").to_owned())
                .unwrap_or_default();
            let all = s
                .models
                .values()
                .filter(|m| m.name == name)
                .flat_map(|m| m.offers.iter().map(move |(n, o)| offer_details(m, n, o)));
            json!({"results": all.collect::<Vec<_>>()})
        }
        _ => {
            let _ = now;
            return None;
        }
    })
}

fn model_status(s: &State, m: &Model, version: u64) -> Value {
    let now = Duration::MAX;
    let _ = version;
    let machines: Vec<Value> = m
        .machines
        .iter()
        .map(|(id, mm)| {
            let mut v = json!({"id": id, "status": answer::machine_condition(mm, now).0});
            if let Some(i) = &mm.instance {
                v["instance-id"] = json!(i.system_id);
            }
            v
        })
        .collect();
    let apps: Vec<Value> = m.apps.keys().map(|a| json!({"name": a})).collect();
    let mut v = json!({"model-tag": format!("model-{}", m.uuid), "life": if m.gone_at.is_some() { "dying" } else { "alive" }, "type": "iaas",
        "hosted-machine-count": m.machines.len(), "application-count": m.apps.len(),
        "unit-count": m.apps.values().map(|a| a.units.len()).sum::<usize>(), "applications": apps, "machines": machines});
    if s.is_3x() {
        v["owner-tag"] = json!(format!("user-{}", m.owner));
    } else {
        v["qualifier"] = json!(m.owner);
    }
    v
}

fn offer(s: &mut State, o: &Value) -> Value {
    let uuid = text(o, "model-tag").trim_start_matches("model-").to_owned();
    let Some(m) = s.models.get_mut(&uuid) else {
        return super::calls::error("model not found", "not found");
    };
    let app = text(o, "application-name").to_owned();
    if !m.apps.contains_key(&app) {
        return super::calls::error(
            format!("getting offered application {app}: application {app:?} not found"),
            "not found",
        );
    }
    let endpoints = o["endpoints"]
        .as_object()
        .map(|e| e.keys().cloned().collect())
        .unwrap_or_default();
    if m.offers
        .insert(
            text(o, "offer-name").to_owned(),
            Offer {
                uuid: uuid::Uuid::new_v4().to_string(),
                application: app,
                endpoints,
            },
        )
        .is_none()
    {
        s.count("offer");
    }
    json!({})
}

fn offer_details(m: &Model, name: &str, o: &Offer) -> Value {
    let charm = m
        .apps
        .get(&o.application)
        .map(|a| a.charm.clone())
        .unwrap_or_default();
    let known = charms::endpoints(&charm);
    let endpoints: Vec<Value> = o
        .endpoints
        .iter()
        .map(|e| {
            let found = known.iter().find(|k| k.0 == *e);
            json!({"name": e, "role": found.map_or("provider", |f| f.1.as_str()), "interface": found.map_or("", |f| f.2.as_str()), "limit": 0})
        })
        .collect();
    json!({"source-model-tag": format!("model-{}", m.uuid), "offer-uuid": o.uuid, "offer-url": format!("{}/{}.{name}", m.owner, m.name), "offer-name": name,
           "application-description": "", "endpoints": endpoints, "users": [{"user": m.owner, "display-name": m.owner, "access": "admin"}],
           "application-name": o.application, "charm-url": charm})
}

/// Offers as the status shows them.
pub(super) fn offers(m: &Model) -> Value {
    m.offers
        .iter()
        .map(|(name, o)| {
            let charm = m.apps.get(&o.application).map(|a| a.charm.clone()).unwrap_or_default();
            let endpoints: serde_json::Map<String, Value> = charms::endpoints(&charm)
                .into_iter()
                .filter(|e| o.endpoints.contains(&e.0))
                .map(|(ep, role, interface, _)| (ep.clone(), json!({"name": ep, "role": role, "interface": interface, "limit": 0})))
                .collect();
            (name.clone(), json!({"offer-name": name, "application-name": o.application, "charm": charm, "endpoints": endpoints, "active-connected-count": 0, "total-connected-count": 0}))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Calls of a model's connection that only read.
pub(super) fn model_read(m: &Model, r: &Request<'_>) -> Option<Value> {
    let p = r.params;
    Some(match (r.facade, r.method) {
        ("Application", "CharmConfig") => {
            let one = |a: &Value| match m.apps.get(text(a, "application")) {
                Some(app) => json!({"config": super::calls_app::options(app)}),
                None => super::calls::error(
                    format!("application {:?} not found", text(a, "application")),
                    "not found",
                ),
            };
            json!({"Results": list(p, "args").iter().map(one).collect::<Vec<_>>()})
        }
        ("Storage", "ListFilesystems" | "ListVolumes" | "ListStorageDetails") => {
            json!({"results": vec![json!({"result": []}); list(p, "filters").len()]})
        }
        ("Action", "ApplicationsCharmsActions") => {
            let one = |e: &Value| {
                let app = text(e, "tag").trim_start_matches("application-");
                let info = m
                    .apps
                    .get(app)
                    .and_then(|a| charms::info(&a.charm))
                    .unwrap_or_default();
                json!({"application-tag": text(e, "tag"), "actions": info["actions"]["specs"]})
            };
            json!({"results": list(p, "entities").iter().map(one).collect::<Vec<_>>()})
        }
        _ => return None,
    })
}

/// Calls of a model's connection that change it.
pub(super) fn model_write(
    s: &mut State,
    m: &mut Model,
    r: &Request<'_>,
    now: Duration,
) -> Option<Value> {
    let p = r.params;
    Some(match (r.facade, r.method) {
        ("KeyManager", "AddKeys") => {
            m.keys.extend(
                list(p, "ssh-keys")
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned),
            );
            json!({"results": null})
        }
        ("KeyManager", "ListKeys") => {
            let n = list(&p["entities"], "entities").len();
            json!({"results": vec![if m.keys.is_empty() { json!({}) } else { json!({"result": m.keys}) }; n]})
        }
        ("Action", "Run") => {
            let operation = m.next_action;
            m.next_action += 1;
            let mut actions = Vec::new();
            for unit in list(p, "units").iter().filter_map(Value::as_str) {
                let n = m.next_action;
                m.next_action += 1;
                let mut params = serde_json::Map::new();
                params.insert("command".into(), p["commands"].clone());
                m.actions.insert(
                    n,
                    Action {
                        operation,
                        unit: unit.into(),
                        name: "juju-exec".into(),
                        params,
                        enqueued: now,
                        status: "pending".into(),
                        ..Action::default()
                    },
                );
                s.count("action");
                actions.push(json!({"action": {"tag": format!("action-{n}"), "receiver": crate::unit_tag(unit), "name": "", "parallel": false, "execution-group": ""},
                                    "enqueued": answer::time(now), "started": ZERO, "completed": ZERO, "status": "pending"}));
            }
            json!({"operation": format!("operation-{operation}"), "actions": actions})
        }
        _ => return None,
    })
}
