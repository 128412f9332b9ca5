//! Charms: what the store says, what the model has.

use serde_json::{Value, json};

use super::answer;
use super::calls::{error, text};
use super::charms;
use super::state::Model;
use crate::api::status::Base;

/// A charm that the fake does not know gets a plain metadata.
pub(super) fn charm_info(m: &Model, url: &str) -> Option<Value> {
    m.charm_info(url).or_else(|| {
        let name = charms::name_of(url);
        let revision = url.rsplit_once('-').and_then(|(_, r)| r.parse::<i64>().ok()).unwrap_or(0);
        Some(json!({"revision": revision, "url": url, "config": {}, "meta": {"name": name, "summary": "", "description": "", "subordinate": false, "min-juju-version": "0.0.0"}}))
    })
}

pub(super) fn resolve(version: u64, q: &Value) -> Value {
    let nothing = |message: String| {
        json!({"url": "", "charm-origin": {"source": "", "type": "", "id": "", "base": {"name": "", "channel": ""}}, "supported-bases": null,
               "error": {"message": message, "code": ""}})
    };
    let origin = &q["charm-origin"];
    let name = charms::name_of(text(q, "reference"));
    if text(origin, "source") == "local" || text(q, "reference").starts_with("local:") {
        return nothing(format!(
            "unknown schema for charm URL {:?}",
            text(q, "reference")
        ));
    }
    if charms::is_unknown(&name) {
        return nothing(format!(
            "resolving error: No charm or bundle with name '{name}'."
        ));
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
    // Before version 7 there were series.
    if version < 7 {
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

/// The resources of an application, and of its units.
pub(super) fn resources_of(m: &Model, name: &str) -> Value {
    let Some(a) = m.apps.get(name) else {
        let mut v = error(format!("application {name} not found"), "");
        for k in ["resources", "charm-store-resources", "unit-resources"] {
            v[k] = Value::Null;
        }
        return v;
    };
    let info = a.info();
    let resources: Vec<Value> = info["meta"]["resources"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(n, r)| match a.uploads.get(n) {
            Some(u) => json!({"name": n, "type": r["type"], "path": r["path"], "description": r["description"], "origin": "upload", "revision": 0, "fingerprint": u.fingerprint,
                "size": u.size, "id": u.id, "pending-id": "", "application": name, "username": u.username, "timestamp": answer::time(a.created)}),
            None => json!({"name": n, "type": r["type"], "path": r["path"], "description": r["description"], "origin": "store", "revision": 7, "fingerprint": "", "size": 0,
                "id": uuid::Uuid::new_v4().to_string(), "pending-id": "", "application": name, "username": "", "timestamp": answer::time(a.created)}),
        })
        .collect();
    let units: Vec<Value> = a
        .units
        .keys()
        .map(|n| json!({"tag": format!("unit-{name}-{n}"), "resources": null, "download-progress": null}))
        .collect();
    json!({"resources": if resources.is_empty() { Value::Null } else { json!(resources) }, "charm-store-resources": [], "unit-resources": if units.is_empty() { Value::Null } else { json!(units) }})
}
