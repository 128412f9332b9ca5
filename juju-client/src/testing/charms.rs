//! The store behind the fake: the charms of the thesis's bundle and some stubs, as a real controller told them.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

static CHARMS: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("charms.json")).unwrap_or_default());

/// A charm's name out of `ch:amd64/keystone-1101`, `local:web-0`, `keystone`.
pub(super) fn name_of(url: &str) -> String {
    let rest = url.rsplit('/').next().unwrap_or(url);
    let rest = rest.split_once(':').map_or(rest, |(_, r)| r);
    match rest.rsplit_once('-') {
        Some((n, r)) if !r.is_empty() && r.chars().all(|c| c.is_ascii_digit()) => n.to_owned(),
        _ => rest.to_owned(),
    }
}

/// What `CharmInfo` says. A charm that is not in the store has no endpoints of its own, and then any are taken.
pub(super) fn info(url: &str) -> Option<Value> {
    let mut v = CHARMS.get(&name_of(url))?.clone();
    v["url"] = json!(url);
    if let Some(r) = url
        .rsplit_once('-')
        .and_then(|(_, r)| r.parse::<i64>().ok())
    {
        v["revision"] = json!(r);
    }
    Some(v)
}

/// The store's revision of a charm.
pub(super) fn revision(name: &str) -> Option<i64> {
    CHARMS.get(name)?.get("revision")?.as_i64()
}

pub(super) fn is_subordinate(url: &str) -> bool {
    CHARMS
        .get(&name_of(url))
        .and_then(|c| c["meta"]["subordinate"].as_bool())
        .unwrap_or(false)
}

/// Every endpoint with its role, interface and scope.
pub(super) fn endpoints(url: &str) -> Vec<(String, String, String, String)> {
    let mut all = Vec::new();
    let Some(c) = CHARMS.get(&name_of(url)) else {
        return all;
    };
    for (section, role) in [
        ("provides", "provider"),
        ("requires", "requirer"),
        ("peers", "peer"),
    ] {
        for (ep, v) in c["meta"][section].as_object().into_iter().flatten() {
            let text = |k: &str| v[k].as_str().unwrap_or_default().to_owned();
            all.push((
                ep.clone(),
                role.to_owned(),
                text("interface"),
                text("scope"),
            ));
        }
    }
    all
}

/// Endpoints and extra bindings.
pub(super) fn bindable(url: &str) -> Vec<String> {
    let mut all: Vec<String> = endpoints(url).into_iter().map(|e| e.0).collect();
    if let Some(c) = CHARMS.get(&name_of(url)) {
        all.extend(
            c["meta"]["extra-bindings"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(k, _)| k.clone()),
        );
    }
    if !all.iter().any(|e| e == "juju-info") {
        all.push("juju-info".into());
    }
    all
}
