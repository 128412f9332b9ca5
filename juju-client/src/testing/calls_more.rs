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
            let one = |t: &str| {
                let name = t.trim_start_matches("user-");
                if s.users.contains_key(name) {
                    json!({"result": {"user-tag": t, "access": "superuser"}})
                } else {
                    super::calls::error(
                        format!(
                            "access not found for {name:?} on {:?}",
                            s.identity.controller_uuid
                        ),
                        "",
                    )
                }
            };
            json!({"results": tags().map(one).collect::<Vec<_>>()})
        }
        ("Controller" | "ModelManager", "ModelStatus") => {
            let one = |tag: &str| match s.models.get(tag.trim_start_matches("model-")) {
                Some(m) => model_status(s, m, r.version),
                None => {
                    json!({"model-tag": "", "qualifier": "", "life": "", "type": "", "hosted-machine-count": 0, "application-count": 0, "unit-count": 0,
                               "error": {"message": format!("model {tag:?} does not exist"), "code": "not found"}})
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
        ("ApplicationOffers", "ApplicationOffers") => {
            let one = |url: &str| match find_offer(s, url) {
                Some((m, n, o)) => json!({"result": offer_details(m, n, o)}),
                None => {
                    super::calls::error(format!("application offer {url:?} not found"), "not found")
                }
            };
            json!({"results": list(p, "offer-urls").iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>()})
        }
        ("ApplicationOffers", "GetConsumeDetails") => {
            // The macaroon is of the version that the caller's bakery understands; one that says nothing gets the oldest.
            let macaroon = if p["offer-urls"]["bakery-version"].as_u64().unwrap_or(0) >= 2 {
                json!({"c": [], "l": "juju", "i": "fake", "s64": "AA"})
            } else {
                json!({"caveats": [], "location": "juju", "identifier": "fake", "signature": "00"})
            };
            let one = |url: &str| match find_offer(s, url) {
                Some((m, n, o)) => {
                    json!({"offer": offer_details(m, n, o), "macaroon": macaroon,
                    "external-controller": {"controller-tag": format!("controller-{}", s.identity.controller_uuid), "controller-alias": s.name, "addrs": [], "ca-cert": s.identity.ca_cert}})
                }
                None => {
                    super::calls::error(format!("application offer {url:?} not found"), "not found")
                }
            };
            json!({"results": list(&p["offer-urls"], "offer-urls").iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>()})
        }
        ("ApplicationOffers", "DestroyOffers") => {
            let urls: Vec<String> = list(p, "offer-urls")
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            let mut one = |url: &str| match find_offer(s, url)
                .map(|(m, n, _)| (m.uuid.clone(), n.to_owned()))
            {
                Some((uuid, name)) => {
                    if let Some(m) = s.models.get_mut(&uuid) {
                        m.offers.remove(&name);
                    }
                    json!({})
                }
                None => {
                    super::calls::error(format!("application offer {url:?} not found"), "not found")
                }
            };
            json!({"results": urls.iter().map(|u| one(u)).collect::<Vec<_>>()})
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

/// `admin/openstack.keystone`.
fn find_offer<'a>(s: &'a State, url: &str) -> Option<(&'a Model, &'a str, &'a Offer)> {
    let (model, name) = url.rsplit_once('.')?;
    let (owner, model) = model.rsplit_once('/').unwrap_or(("admin", model));
    let m = s
        .models
        .values()
        .find(|m| m.name == model && m.owner == owner)?;
    m.offers
        .get_key_value(name)
        .map(|(n, o)| (m, n.as_str(), o))
}

fn offer_details(m: &Model, name: &str, o: &Offer) -> Value {
    let charm = m
        .apps
        .get(&o.application)
        .map(|a| a.charm.clone())
        .unwrap_or_default();
    let known = m
        .apps
        .get(&o.application)
        .map(|a| charms::endpoints(&a.info()))
        .unwrap_or_default();
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
            let endpoints: serde_json::Map<String, Value> = m.apps.get(&o.application).map(|a| charms::endpoints(&a.info())).unwrap_or_default()
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
                Some(app) => json!({"config": super::app_calls::options(app)}),
                None => super::calls::error(
                    format!("application {:?} not found", text(a, "application")),
                    "not found",
                ),
            };
            json!({"Results": list(p, "args").iter().map(one).collect::<Vec<_>>()})
        }
        ("Spaces", "ShowSpace") => {
            let one = |e: &Value| {
                let name = text(e, "tag").trim_start_matches("space-");
                match m.spaces.iter().position(|x| x == name) {
                    Some(i) => {
                        json!({"space": {"id": i.to_string(), "name": name, "subnets": []}, "machine-count": 0,
                        "applications": m.apps.iter().filter(|(_, a)| a.bindings.values().any(|b| b == name)).map(|(n, _)| n).collect::<Vec<_>>()})
                    }
                    None => {
                        json!({"space": {"id": "", "name": "", "subnets": null}, "applications": null, "machine-count": 0,
                        "error": {"message": format!("fetching space {name:?}: space not found with {name}: space not found"), "code": ""}})
                    }
                }
            };
            json!({"results": list(p, "entities").iter().map(one).collect::<Vec<_>>()})
        }
        ("Subnets", "AllZones") => json!({"results": []}),
        ("Secrets", "ListSecrets") => json!({"results": []}),
        ("Storage", "ListPools") => {
            let pools: Vec<Value> = ["rootfs", "tmpfs", "maas", "loop"]
                .iter()
                .map(|n| json!({"name": n, "provider": n, "attrs": null}))
                .collect();
            json!({"results": vec![json!({"storage-pools": pools.clone()}); list(p, "filters").len()]})
        }
        ("Storage", "ListFilesystems" | "ListVolumes" | "ListStorageDetails") => {
            json!({"results": vec![json!({"result": []}); list(p, "filters").len()]})
        }
        ("Action", "ApplicationsCharmsActions") => {
            let one = |e: &Value| {
                let app = text(e, "tag").trim_start_matches("application-");
                match m.apps.get(app) {
                    Some(a) => {
                        json!({"application-tag": text(e, "tag"), "actions": a.info()["actions"]["specs"]})
                    }
                    None => {
                        let mut v = super::calls::error(
                            format!("application {app:?} not found"),
                            "not found",
                        );
                        v["application-tag"] = json!(text(e, "tag"));
                        v
                    }
                }
            };
            json!({"results": list(p, "entities").iter().map(one).collect::<Vec<_>>()})
        }
        _ => return None,
    })
}

/// One key, whatever the comment behind it.
fn same_key(a: &str, b: &str) -> bool {
    a.split_whitespace()
        .take(2)
        .eq(b.split_whitespace().take(2))
}

/// As OpenSSH shows a key's.
fn fingerprint(key: &str) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let blob = key.split_whitespace().nth(1).unwrap_or_default();
    let blob = base64::engine::general_purpose::STANDARD
        .decode(blob)
        .unwrap_or_default();
    let digest = sha2::Sha256::digest(blob);
    format!(
        "SHA256:{}",
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(digest)
    )
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
        ("Application", "Consume") => {
            let results: Vec<Value> = list(p, "args")
                .iter()
                .map(|c| {
                    let name = match text(c, "application-alias") {
                        "" => text(c, "offer-name"),
                        a => a,
                    };
                    if m.apps.contains_key(name) {
                        return super::calls::error(
                            format!("saas application already exists: {name:?}"),
                            "already exists",
                        );
                    }
                    let mut kept = c.clone();
                    if let Some(o) = kept.as_object_mut() {
                        o.remove("macaroon");
                    }
                    if m.consumed.insert(name.to_owned(), kept).is_none() {
                        s.count("consumed");
                    }
                    json!({})
                })
                .collect();
            json!({"results": results})
        }
        ("Application", "DestroyConsumedApplications") => {
            let results: Vec<Value> = list(p, "applications")
                .iter()
                .map(|a| {
                    let name = text(a, "application-tag").trim_start_matches("application-");
                    match m.consumed.remove(name) {
                        Some(_) => json!({}),
                        None => super::calls::error(
                            format!("saas application {name:?} not found"),
                            "not found",
                        ),
                    }
                })
                .collect();
            json!({"results": results})
        }
        ("Spaces", "CreateSpaces") => {
            let results: Vec<Value> = list(p, "spaces")
                .iter()
                .map(|sp| {
                    let name = text(sp, "space-tag")
                        .trim_start_matches("space-")
                        .to_owned();
                    if m.spaces.contains(&name) {
                        return super::calls::error(
                            format!("space {name:?} already exists"),
                            "already exists",
                        );
                    }
                    m.spaces.push(name);
                    json!({})
                })
                .collect();
            json!({"results": results})
        }
        ("Spaces", "ReloadSpaces") => json!({}),
        ("ModelConfig", "SetModelConstraints") => {
            m.constraints = super::calls::constraints(&p["constraints"]);
            json!({})
        }
        ("Backups", "Create") if m.uuid == s.identity.model_uuid => {
            s.count("backup");
            json!({"id": format!("20261123-081648.{}", s.identity.model_uuid), "checksum": "", "checksum-format": "SHA-1, base64 encoded", "size": 4096, "filename": "/tmp/juju-backup-20261123-081648.tar.gz",
                "notes": text(p, "notes"), "model": m.uuid, "machine": "0", "hostname": "juju", "version": s.version, "base": "ubuntu@22.04"})
        }
        ("KeyManager", "AddKeys") => {
            let given: Vec<&str> = list(p, "ssh-keys")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let user = text(p, "user");
            if given.iter().any(|k| k.split_whitespace().count() < 2) {
                json!({"results": [super::calls::error(format!("one or more public keys to be added for user {user:?} is invalid"), "invalid public key")]})
            } else if given.iter().any(|k| m.keys.iter().any(|x| same_key(x, k))) {
                json!({"results": [super::calls::error(format!("one or more public keys to be added for user {user:?} already exist"), "public key already exists")]})
            } else {
                m.keys.extend(given.into_iter().map(str::to_owned));
                json!({"results": null})
            }
        }
        ("KeyManager", "DeleteKeys") => {
            for k in list(p, "ssh-keys").iter().filter_map(Value::as_str) {
                m.keys.retain(|x| {
                    x != k && fingerprint(x) != k && x.split_whitespace().nth(2) != Some(k)
                });
            }
            json!({"results": null})
        }
        ("KeyManager", "ListKeys") => {
            let n = list(&p["entities"], "entities").len();
            let keys: Vec<String> = if p["mode"] == json!(true) {
                m.keys.clone()
            } else {
                m.keys.iter().map(|k| fingerprint(k)).collect()
            };
            json!({"results": vec![if keys.is_empty() { json!({}) } else { json!({"result": keys}) }; n]})
        }
        ("Action", "Run") => {
            let operation = m.next_action;
            m.next_action += 1;
            let mut actions = Vec::new();
            let parallel = p["parallel"] == json!(true);
            let mut units: Vec<String> = list(p, "units")
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            for app in list(p, "applications").iter().filter_map(Value::as_str) {
                units.extend(
                    m.apps
                        .get(app)
                        .into_iter()
                        .flat_map(|a| a.units.keys())
                        .map(|n| format!("{app}/{n}")),
                );
            }
            for unit in &units {
                let n = m.next_action;
                m.next_action += 1;
                let mut params = serde_json::Map::new();
                params.insert("command".into(), p["commands"].clone());
                params.insert("timeout".into(), p["timeout"].clone());
                m.actions.insert(
                    n,
                    Action {
                        operation,
                        unit: unit.clone(),
                        parallel,
                        name: "juju-exec".into(),
                        params,
                        enqueued: now,
                        status: "pending".into(),
                        ..Action::default()
                    },
                );
                s.count("action");
                actions.push(json!({"action": {"tag": format!("action-{n}"), "receiver": crate::unit_tag(unit), "name": "", "parallel": parallel, "execution-group": ""},
                                    "enqueued": answer::time(now), "started": ZERO, "completed": ZERO, "status": "pending"}));
            }
            json!({"operation": format!("operation-{operation}"), "actions": actions})
        }
        _ => return None,
    })
}
