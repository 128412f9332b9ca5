//! What the controller answers: the calls of the controller's connection, and the way to the model's.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::state::{Model, Shared, State};
use crate::bundle::Constraints;

/// An error of the RPC.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) code: String,
}

pub(super) fn refuse<T>(message: impl Into<String>, code: &str) -> Answer<T> {
    Err(Refusal {
        message: message.into(),
        code: code.into(),
    })
}

pub(super) type Answer<T = Value> = Result<T, Refusal>;

/// An error inside a result.
pub(super) fn error(message: impl Into<String>, code: &str) -> Value {
    json!({"error": {"message": message.into(), "code": code}})
}

pub(super) fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v[key].as_str().unwrap_or_default()
}

pub(super) fn list<'a>(v: &'a Value, key: &str) -> &'a [Value] {
    v[key].as_array().map_or(&[], Vec::as_slice)
}

/// One call of a connection's facades.
pub(super) struct Request<'a> {
    pub(super) facade: &'a str,
    pub(super) version: u64,
    pub(super) method: &'a str,
    pub(super) params: &'a Value,
    pub(super) user: &'a str,
    pub(super) model: Option<&'a str>,
}

pub(super) fn unknown_method(r: &Request<'_>) -> Answer {
    refuse(
        format!(
            "unknown method {:?} at version {} for facade type {:?}",
            r.method, r.version, r.facade
        ),
        "not implemented",
    )
}

pub(super) fn call(shared: &Shared, r: &Request<'_>) -> Answer {
    let now = shared.now();
    match r.model {
        None => controller(shared, r, now),
        Some(model) => super::calls_app::model(shared, r, model, now),
    }
}

fn controller(shared: &Shared, r: &Request<'_>, now: Duration) -> Answer {
    let p = r.params;
    match (r.facade, r.method) {
        ("Pinger", "Ping") => Ok(json!({})),
        ("Cloud", "Clouds") => Ok(shared.with(|s| {
            let clouds: BTreeMap<String, Value> = s.clouds.iter().map(|(n, c)| (format!("cloud-{n}"), json!(c))).collect();
            json!({"clouds": clouds})
        })),
        ("Cloud", "Cloud") => Ok(shared.with(|s| {
            let results: Vec<Value> = list(p, "entities")
                .iter()
                .map(|e| {
                    let name = text(e, "tag").trim_start_matches("cloud-").to_owned();
                    match s.clouds.get(&name) {
                        Some(c) => json!({"cloud": c}),
                        None => error(format!("cloud {name:?} not found"), "not found"),
                    }
                })
                .collect();
            json!({"results": results})
        })),
        ("Cloud", "AddCloud") => shared.change(|s| add_cloud(s, p)),
        ("Cloud", "RemoveClouds") => Ok(shared.change(|s| {
            let results: Vec<Value> = list(p, "entities")
                .iter()
                .map(|e| {
                    let name = text(e, "tag").trim_start_matches("cloud-").to_owned();
                    if s.models.values().any(|m| m.cloud == name) {
                        return error(format!("cannot delete cloud {name:?} as it is still referenced by models"), "");
                    }
                    match s.clouds.remove(&name) {
                        Some(_) => json!({}),
                        None => error(format!("deleting cloud {name:?}: cannot delete cloud as it is still in use"), ""),
                    }
                })
                .collect();
            json!({"results": results})
        })),
        ("Cloud", "UpdateCloud") => Ok(json!({"results": vec![json!({}); list(p, "clouds").len()]})),
        ("Cloud", "AddCredentials" | "UpdateCredentialsCheckModels") => shared.change(|s| update_credentials(s, r)),
        ("Cloud", "UserCredentials") => Ok(shared.with(|s| {
            let results: Vec<Value> = list(p, "user-clouds")
                .iter()
                .map(|uc| {
                    let prefix = format!("cloudcred-{}_{}_", text(uc, "cloud-tag").trim_start_matches("cloud-"), text(uc, "user-tag").trim_start_matches("user-"));
                    let tags: Vec<&String> = s.credentials.keys().filter(|t| t.starts_with(&prefix)).collect();
                    json!({"result": tags})
                })
                .collect();
            json!({"results": results})
        })),
        ("Cloud", "CredentialContents") => Ok(shared.with(|s| credential_contents(s, r))),
        ("Cloud", "RevokeCredentialsCheckModels") => Ok(shared.change(|s| {
            let results: Vec<Value> = list(p, "credentials")
                .iter()
                .map(|c| {
                    s.credentials.remove(text(c, "tag"));
                    json!({})
                })
                .collect();
            json!({"results": results})
        })),
        ("ModelManager", "CreateModel") => shared.change(|s| create_model(s, r, now)),
        ("ModelManager", "ListModels") => Ok(shared.with(|s| {
            let mut models: Vec<Value> = s.models.values().map(|m| {
                let mut v = json!({"name": m.name, "uuid": m.uuid, "type": "iaas"});
                owner(&mut v, m, r.version);
                json!({"model": v, "last-connection": null})
            }).collect();
            models.sort_by_key(|m| text(&m["model"], "name").to_owned());
            json!({"user-models": models})
        })),
        ("ModelManager", "ListModelSummaries") => Ok(shared.with(|s| {
            let results: Vec<Value> = s.models.values().map(|m| {
                let mut v = summary(s, m, now);
                owner(&mut v, m, r.version);
                json!({"result": v})
            }).collect();
            json!({"results": results})
        })),
        ("ModelManager", "ModelInfo") => Ok(shared.with(|s| {
            let results: Vec<Value> = list(p, "entities")
                .iter()
                .map(|e| match s.models.get(text(e, "tag").trim_start_matches("model-")) {
                    Some(m) => json!({"result": model_info(s, m, r.version, now)}),
                    None => error("invoking getDB: database not found", "not found"),
                })
                .collect();
            json!({"results": results})
        })),
        ("ModelManager", "DestroyModels") => Ok(shared.change(|s| {
            let due = now + s.durations.destroy;
            let results: Vec<Value> = list(p, "models")
                .iter()
                .map(|d| {
                    let uuid = text(d, "model-tag").trim_start_matches("model-").to_owned();
                    if uuid == s.identity.model_uuid && d["force"] != json!(true) {
                        return error(format!("removing model {uuid:?}: cannot remove controller model {uuid:?} without force"), "");
                    }
                    match s.models.get_mut(&uuid) {
                        Some(m) => {
                            m.gone_at.get_or_insert(due);
                            json!({})
                        }
                        None => error("invoking getDB: database not found", "not found"),
                    }
                })
                .collect();
            json!({"results": results})
        })),
        ("Controller", "ControllerConfig") => Ok(shared.with(|s| json!({"config": {"api-port": shared.addr.port(), "ca-cert": s.identity.ca_cert, "controller-name": s.name, "controller-uuid": s.identity.controller_uuid}}))),
        ("Controller", "AllModels") => Ok(shared.with(|s| {
            let models: Vec<Value> = s.models.values().map(|m| {
                let mut v = json!({"name": m.name, "uuid": m.uuid, "type": "iaas"});
                owner(&mut v, m, r.version.max(if s.is_3x() { 10 } else { 11 }));
                json!({"model": v, "last-connection": null})
            }).collect();
            json!({"user-models": models})
        })),
        ("Controller", "ControllerAPIInfoForModels") => Ok(shared.with(|s| {
            let one = json!({"addresses": shared.addresses(s), "cacert": s.identity.ca_cert});
            json!({"results": vec![one; list(p, "entities").len()]})
        })),
        ("Controller", "DestroyController") => shared.change(|s| {
            let hosted = s.models.values().any(|m| m.uuid != s.identity.model_uuid);
            if hosted && p["destroy-models"] != json!(true) {
                return refuse("cannot destroy controller with hosted models", "controller has hosted models");
            }
            let due = now + s.durations.destroy;
            for m in s.models.values_mut() {
                m.gone_at.get_or_insert(due);
            }
            s.destroyed_at = Some(due);
            Ok(json!({}))
        }),
        ("UserManager", "SetPassword") => Ok(shared.change(|s| {
            let results: Vec<Value> = list(p, "changes")
                .iter()
                .map(|c| {
                    let user = text(c, "tag").trim_start_matches("user-").to_owned();
                    match s.users.get_mut(&user) {
                        Some(pw) => {
                            text(c, "password").clone_into(pw);
                            json!({})
                        }
                        None => error("permission denied", "unauthorized access"),
                    }
                })
                .collect();
            json!({"results": results})
        })),
        ("UserManager", "AddUser") => Ok(shared.change(|s| {
            let results: Vec<Value> = list(p, "users")
                .iter()
                .map(|u| {
                    let name = text(u, "username").to_owned();
                    if s.users.contains_key(&name) {
                        return error(format!("creating user: adding user with uuid \"{}\": adding user {name:?}: user already exists", uuid::Uuid::new_v4()), "");
                    }
                    let password = text(u, "password").to_owned();
                    let mut v = json!({"tag": format!("user-{name}")});
                    if password.is_empty() {
                        v["secret-key"] = json!(format!("{:032x}", rand::random::<u128>()));
                    }
                    s.users.insert(name, password);
                    v
                })
                .collect();
            json!({"results": results})
        })),
        ("ModelManager", "ModelDefaultsForClouds") => Ok(shared.with(|s| {
            let results: Vec<Value> = list(p, "entities")
                .iter()
                .map(|e| {
                    let cloud = text(e, "tag").trim_start_matches("cloud-");
                    let mut config = Map::new();
                    for (k, v) in [("automatically-retry-hooks", json!(true)), ("charmhub-url", json!("https://api.charmhub.io")), ("default-base", json!("")), ("default-space", json!(""))] {
                        config.insert(k.into(), json!({"default": v}));
                    }
                    config["charmhub-url"]["controller"] = json!("https://api.charmhub.io");
                    for (k, v) in s.model_defaults.get(cloud).into_iter().flatten() {
                        config.entry(k.clone()).or_insert_with(|| json!({"default": ""}))["controller"] = v.clone();
                    }
                    json!({"config": config})
                })
                .collect();
            json!({"results": results})
        })),
        ("ModelManager", "SetModelDefaults") => Ok(shared.change(|s| {
            let results: Vec<Value> = list(p, "config")
                .iter()
                .map(|c| {
                    let cloud = text(c, "cloud-tag").trim_start_matches("cloud-").to_owned();
                    s.model_defaults.entry(cloud).or_default().extend(object(&c["config"]));
                    json!({})
                })
                .collect();
            json!({"results": results})
        })),
        ("ModelManager", "UnsetModelDefaults") => Ok(shared.change(|s| {
            let results: Vec<Value> = list(p, "keys")
                .iter()
                .map(|c| {
                    let cloud = text(c, "cloud-tag").trim_start_matches("cloud-");
                    if let Some(d) = s.model_defaults.get_mut(cloud) {
                        d.retain(|k, _| !list(c, "keys").iter().any(|x| x.as_str() == Some(k)));
                    }
                    json!({})
                })
                .collect();
            json!({"results": results})
        })),
        ("UserManager", "UserInfo") => Ok(shared.with(|s| {
            let results: Vec<Value> = s.users.keys().map(|u| json!({"result": {"username": u, "display-name": "", "access": "superuser", "created-by": u, "date-created": super::answer::time(Duration::ZERO), "last-connection": super::answer::time(now), "disabled": false}})).collect();
            json!({"results": results})
        })),
        _ => match shared.change(|s| super::calls_more::controller(s, r, now)) {
            Some(v) => Ok(v),
            None => unknown_method(r),
        },
    }
}

fn owner(v: &mut Value, m: &Model, version: u64) {
    if version >= 11 {
        v["qualifier"] = json!(m.owner);
    } else {
        v["owner-tag"] = json!(format!("user-{}", m.owner));
    }
}

const CLOUD_TYPES: &[&str] = &[
    "azure",
    "ec2",
    "gce",
    "kubernetes",
    "lxd",
    "maas",
    "manual",
    "oci",
    "openstack",
    "unmanaged",
    "vsphere",
];

const AUTH_TYPES: &[&str] = &[
    "access-key",
    "certificate",
    "clientcertificate",
    "empty",
    "httpsig",
    "instance-role",
    "interactive",
    "jsonfile",
    "managed-identity",
    "oauth1",
    "oauth2",
    "oauth2withcert",
    "service-account",
    "service-principal-secret",
    "userpass",
];

fn add_cloud(s: &mut State, p: &Value) -> Answer {
    let name = text(p, "name").to_owned();
    if s.clouds.contains_key(&name) {
        return refuse(format!("cloud {name:?} already exists"), "already exists");
    }
    let Ok(mut cloud) = serde_json::from_value::<crate::api::cloud::Cloud>(p["cloud"].clone())
    else {
        return refuse("cloud definition not valid", "not valid");
    };
    let id = uuid::Uuid::new_v4();
    let updating = format!(
        "creating cloud {name:?}: creating cloud {name:?}: updating cloud {id}: updating cloud {id}"
    );
    if !CLOUD_TYPES.contains(&cloud.kind.as_str()) {
        return refuse(
            format!("{updating}: cloud type {:?} not valid", cloud.kind),
            "not valid",
        );
    }
    if let Some(bad) = cloud
        .auth_types
        .iter()
        .find(|a| !AUTH_TYPES.contains(&a.as_str()))
    {
        return refuse(
            format!("{updating} auth types: auth type {bad:?} not valid"),
            "not valid",
        );
    }
    if cloud.regions.is_empty() {
        // The server gives a cloud without regions one.
        cloud.regions = vec![crate::api::cloud::Region {
            name: "default".into(),
            endpoint: String::new(),
        }];
    }
    s.clouds.insert(name, cloud);
    s.count("cloud");
    Ok(json!({}))
}

fn update_credentials(s: &mut State, r: &Request<'_>) -> Answer {
    let results: Vec<Value> = list(r.params, "credentials")
        .iter()
        .map(|c| {
            let tag = text(c, "tag").to_owned();
            let rest = tag.trim_start_matches("cloudcred-");
            let cloud = rest.split('_').next().unwrap_or_default();
            let mut v = json!({"tag": tag});
            if rest.splitn(3, '_').count() < 3 {
                v["error"] = json!({"message": format!("{tag:?} is not a valid cloudcred tag"), "code": ""});
                return v;
            }
            let auth = text(&c["credential"], "auth-type");
            if let Some(known) = s.clouds.get(cloud)
                && !known.auth_types.is_empty()
                && !known.auth_types.iter().any(|a| a == auth)
            {
                let name = rest.splitn(3, '_').nth(2).unwrap_or_default();
                v["error"] = json!({"message": format!("validating credential {name:?} for cloud {cloud:?}: supported auth-types {:?}, {auth:?} not supported", known.auth_types), "code": "not supported"});
                return v;
            }
            if !s.is_3x() && !s.clouds.contains_key(cloud) && r.method != "AddCredentials" {
                v["error"] = json!({"message": format!("getting supported auth types for cloud {cloud:?}: sql: no rows in result set"), "code": ""});
                return v;
            }
            if !s.clouds.contains_key(cloud) {
                v["error"] = json!({"message": format!("updating cloud credential: credential cloud {cloud:?} not found"), "code": "not found"});
                return v;
            }
            let attrs = c["credential"]["attrs"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect();
            let entry = (text(&c["credential"], "auth-type").to_owned(), attrs);
            if s.credentials.insert(tag.clone(), entry).is_none() {
                s.count("credential");
            }
            if r.method == "AddCredentials" { json!({}) } else { v }
        })
        .collect();
    Ok(json!({"results": results}))
}

fn credential_contents(s: &State, r: &Request<'_>) -> Value {
    let wanted = list(r.params, "credentials");
    let secrets = r.params["include-secrets"] == json!(true);
    let one = |tag: &str| match s.credentials.get(tag) {
        Some((auth, attrs)) => {
            let mut parts = tag.trim_start_matches("cloudcred-").splitn(3, '_');
            let (cloud, _, name) = (
                parts.next().unwrap_or(""),
                parts.next(),
                parts.next().unwrap_or(""),
            );
            let mut content =
                json!({"name": name, "cloud": cloud, "auth-type": auth, "valid": true});
            if secrets {
                content["attrs"] = json!(attrs);
            }
            json!({"result": {"content": content}})
        }
        None => {
            let name = tag.trim_start_matches("cloudcred-").replacen('_', "/", 2);
            error(format!("cloud credential {name:?} not found"), "not found")
        }
    };
    let results: Vec<Value> = if wanted.is_empty() {
        s.credentials.keys().map(|t| one(t)).collect()
    } else {
        wanted
            .iter()
            .map(|c| {
                one(&format!(
                    "cloudcred-{}_{}_{}",
                    text(c, "cloud-name"),
                    r.user,
                    text(c, "credential-name")
                ))
            })
            .collect()
    };
    json!({"results": results})
}

fn create_model(s: &mut State, r: &Request<'_>, now: Duration) -> Answer {
    let p = r.params;
    let name = text(p, "name").to_owned();
    let owner_name = if r.version >= 11 {
        if text(p, "qualifier").is_empty() {
            return refuse("cannot create model with invalid qualifier", "not valid");
        }
        text(p, "qualifier").to_owned()
    } else {
        match text(p, "owner-tag").strip_prefix("user-") {
            Some(owner) => owner.to_owned(),
            None => return refuse(format!("{:?} is not a valid tag", text(p, "owner-tag")), ""),
        }
    };
    if s.models
        .values()
        .any(|m| m.name == name && m.owner == owner_name)
    {
        let what = if r.version >= 11 {
            format!("model {owner_name}/{name} already exists")
        } else {
            format!("failed to create new model: model {name:?} for {owner_name} already exists")
        };
        return refuse(what, "already exists");
    }
    let cloud = match text(p, "cloud-tag").trim_start_matches("cloud-") {
        "" => s.controller_cloud.clone(),
        c => c.to_owned(),
    };
    if !s.clouds.contains_key(&cloud) {
        return refuse(
            format!(
                "creating new model {owner_name}/{name}: creating model {name:?}: determining model type when creating model {name:?}: determining model type from cloud: cloud not found for name {cloud:?}"
            ),
            if s.is_3x() { "not found" } else { "" },
        );
    }
    let id = uuid::Uuid::new_v4().to_string();
    let creating = format!(
        "creating new model {owner_name}/{name}: creating model {name:?}: creating initial model {name:?} with id {id:?}"
    );
    let credential = text(p, "credential").to_owned();
    if !credential.is_empty() && !s.credentials.contains_key(&credential) {
        let named = credential
            .trim_start_matches("cloudcred-")
            .replacen('_', "/", 2);
        return refuse(
            format!(
                "{creating}: setting cloud credential for model {id:?}: not found cloud credential {named:?}"
            ),
            "not found",
        );
    }
    let known = &s.clouds[&cloud];
    if credential.is_empty()
        && cloud != s.controller_cloud
        && !known.auth_types.is_empty()
        && !known.auth_types.iter().any(|a| a == "empty")
    {
        return refuse("cloud credential for new model is not valid", "not found");
    }
    let region = text(p, "region");
    if !region.is_empty()
        && !known.regions.is_empty()
        && !known.regions.iter().any(|r| r.name == region)
    {
        return refuse(
            format!(
                "{creating}: setting cloud region for model {id:?}: cloud region {region:?} for model uuid {id:?} not found"
            ),
            "not found",
        );
    }
    if let Some(bad) = bad_base(&p["config"]) {
        return refuse(
            format!(
                "setting model config for model {name:?}: constructing new model config with model defaults: {bad}"
            ),
            "",
        );
    }
    if !p["config"]["agent-version"].is_null() && !s.is_3x() {
        return refuse(
            format!(
                "setting model config for model {name:?}: validating model config to set for model: config validator 1 failed: config validator 0 failed: config attributes [agent-version] not valid because attributes not allowed in model config"
            ),
            "not valid",
        );
    }
    let m = Model {
        name,
        uuid: id,
        owner: owner_name,
        region: match text(p, "region") {
            "" => s
                .clouds
                .get(&cloud)
                .and_then(|c| c.regions.first())
                .map(|r| r.name.clone())
                .unwrap_or_default(),
            region => region.to_owned(),
        },
        cloud,
        credential,
        config: p["config"].as_object().cloned().unwrap_or_default(),
        spaces: vec!["alpha".into()],
        ..Model::default()
    };
    let answer = model_info(s, &m, r.version, now);
    s.models.insert(m.uuid.clone(), m);
    s.count("model");
    Ok(answer)
}

/// What is wrong with a `default-base`, if anything.
pub(super) fn bad_base(config: &Value) -> Option<String> {
    let base = config["default-base"].as_str().filter(|b| !b.is_empty())?;
    (!base.contains('@')).then(|| {
        format!("invalid default base {base:?}: expected base string to contain os and channel separated by '@'")
    })
}

fn summary(s: &State, m: &Model, now: Duration) -> Value {
    let units: usize = m.apps.values().map(|a| a.units.len()).sum();
    let mut counts = Vec::new();
    if !m.machines.is_empty() {
        counts.push(json!({"entity": "machines", "count": m.machines.len()}));
    }
    if units > 0 {
        counts.push(json!({"entity": "units", "count": units}));
    }
    json!({"name": m.name, "uuid": m.uuid, "type": "iaas", "controller-uuid": s.identity.controller_uuid, "is-controller": m.uuid == s.identity.model_uuid,
           "cloud-tag": format!("cloud-{}", m.cloud), "cloud-region": m.region, "life": life(m), "status": {"status": "available", "info": "", "since": super::answer::time(now)},
           "user-access": "admin", "last-connection": null, "counts": counts, "agent-version": s.version})
}

fn life(m: &Model) -> &'static str {
    if m.gone_at.is_some() {
        "dying"
    } else {
        "alive"
    }
}

fn model_info(s: &State, m: &Model, version: u64, now: Duration) -> Value {
    let mut v = json!({"name": m.name, "type": "iaas", "uuid": m.uuid, "controller-uuid": s.identity.controller_uuid, "is-controller": m.uuid == s.identity.model_uuid,
        "provider-type": s.clouds.get(&m.cloud).map_or("", |c| c.kind.as_str()), "cloud-tag": format!("cloud-{}", m.cloud)});
    if !m.region.is_empty() {
        v["cloud-region"] = json!(m.region);
    }
    if !m.credential.is_empty() {
        v["cloud-credential-tag"] = json!(m.credential);
    }
    owner(&mut v, m, version);
    let machines: Vec<Value> = m.machines.keys().map(|id| json!({"id": id, "instance-id": m.machines[id].instance.as_ref().map_or("", |i| i.system_id.as_str()), "status": super::answer::machine_condition(&m.machines[id], now).0})).collect();
    v["life"] = json!(life(m));
    v["status"] = json!({"status": if m.gone_at.is_some() { "destroying" } else { "available" }, "info": "", "since": super::answer::time(now)});
    v["users"] = json!([{"model-tag": "", "user": m.owner, "display-name": m.owner, "last-connection": null, "access": "admin"}]);
    v["machines"] = if machines.is_empty() {
        Value::Null
    } else {
        json!(machines)
    };
    v["secret-backends"] = Value::Null;
    v["agent-version"] = json!(s.version);
    v["supported-features"] = json!([{"name": "juju", "description": "the version of Juju used by the model", "version": s.version}]);
    v
}

pub(super) fn constraints(v: &Value) -> Constraints {
    serde_json::from_value(v.clone()).unwrap_or_default()
}

pub(super) fn strings(v: &Value) -> BTreeMap<String, String> {
    v.as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
        .collect()
}

pub(super) fn object(v: &Value) -> Map<String, Value> {
    v.as_object().cloned().unwrap_or_default()
}
