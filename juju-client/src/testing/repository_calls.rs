//! `DeployFromRepository`: what the server resolves by itself.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::calls::{list, strings, text};
use super::state::{Model, State};
use super::{charm_calls, charms};

pub(super) fn deploy(s: &mut State, m: &mut Model, d: &Value, now: Duration) -> Value {
    let nothing = json!({"architecture": "", "base": {"name": "", "channel": ""}, "channel": "", "name": "", "revision": 0});
    let failed = |message: String, info: &Value| json!({"Errors": [{"message": message, "code": ""}], "Info": info, "PendingResourceUploads": null});
    for p in list(d, "Placement") {
        let id = text(p, "directive");
        if text(p, "scope") == "#" && m.machines.get(id).is_none_or(|mm| mm.instance.is_none()) {
            return failed(
                format!("machine {id:?} has no saved architecture"),
                &nothing,
            );
        }
    }
    let channel = match text(d, "channel") {
        "" => "stable",
        c => c,
    };
    let Ok(parsed) = crate::api::charms::Channel::parse(channel) else {
        return failed(format!("channel {channel:?} not valid"), &nothing);
    };
    let arch = d["Cons"]["arch"].as_str().unwrap_or("amd64");
    let mut origin = json!({"source": "charm-hub", "type": "", "id": "", "risk": parsed.risk, "architecture": arch,
        "base": if d["base"].is_object() { d["base"].clone() } else { json!({"name": "", "channel": ""}) }});
    if let Some(t) = &parsed.track {
        origin["track"] = json!(t);
    }
    if !d["revision"].is_null() {
        origin["revision"] = d["revision"].clone();
    }
    let resolved = charm_calls::resolve(
        7,
        &json!({"reference": text(d, "CharmName"), "charm-origin": origin}),
    );
    if let Some(e) = resolved["error"]["message"].as_str() {
        return failed(e.to_owned(), &nothing);
    }
    let (url, mut origin) = (
        text(&resolved, "url").to_owned(),
        resolved["charm-origin"].clone(),
    );
    origin["hash"] = json!(charms::hash_of(&url));
    origin["type"] = json!("");
    origin["id"] = json!(format!("id{}", charms::name_of(&url)));
    let short = text(&origin["base"], "channel")
        .split('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    origin["base"]["channel"] = json!(short);
    let name = match text(d, "ApplicationName") {
        "" => charms::name_of(&url),
        n => n.to_owned(),
    };
    let full = format!("{}/{}", text(&origin, "track"), text(&origin, "risk"));
    let info = json!({"architecture": arch, "base": origin["base"], "channel": full, "name": name, "revision": origin["revision"]});
    let charm = charms::info(&url).unwrap_or_default();
    let known = charm["meta"]["storage"].as_object();
    if let Some(bad) = d["storage"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, _)| k)
        .find(|k| charms::is_whole(&url) && !known.is_some_and(|s| s.contains_key(*k)))
    {
        return failed(
            format!(
                "preparing application args: validating create application args: invalid storage directive overrides: storage directive {bad:?} does not exist in the charm"
            ),
            &info,
        );
    }
    // A resource that is given as a file is uploaded afterwards.
    let given = strings(&d["resources"]);
    let uploads: Vec<Value> = given
        .iter()
        .filter(|(_, v)| v.parse::<i64>().is_err())
        .map(|(n, file)| json!({"Name": n, "Filename": file, "Type": charm["meta"]["resources"][n]["type"].as_str().unwrap_or("file")}))
        .collect();
    let uploads = if uploads.is_empty() {
        Value::Null
    } else {
        json!(uploads)
    };
    if d["DryRun"] == json!(true) {
        return json!({"Errors": null, "Info": info, "PendingResourceUploads": uploads});
    }
    m.charms.insert(url.clone(), origin.clone());
    let mut resources = Map::new();
    for (n, _) in charm["meta"]["resources"].as_object().into_iter().flatten() {
        let id = uuid::Uuid::new_v4().to_string();
        m.pending_resources.insert(id.clone());
        resources.insert(n.clone(), json!(id));
    }
    let units = if charms::is_subordinate(&charm) {
        0
    } else {
        d["num-units"].as_u64().unwrap_or(1)
    };
    let plain = json!({"application": name, "charm-url": url, "charm-origin": origin, "channel": full, "num-units": units, "config-yaml": text(d, "ConfigYAML"),
        "constraints": d["Cons"], "placement": d["Placement"], "endpoint-bindings": d["endpoint-bindings"], "resources": resources, "Force": d["force"]});
    let answer = super::app_calls::deploy(s, m, &plain, now);
    if let Some(e) = answer["error"]["message"].as_str() {
        let prefix = format!("cannot deploy {name:?}: ");
        return failed(e.strip_prefix(&prefix).unwrap_or(e).to_owned(), &info);
    }
    if d["Trust"] == json!(true)
        && let Some(a) = m.apps.get_mut(&name)
    {
        a.trust = true;
    }
    json!({"Errors": null, "Info": info, "PendingResourceUploads": uploads})
}
