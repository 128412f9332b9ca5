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

pub(super) fn is_subordinate(info: &Value) -> bool {
    info["meta"]["subordinate"].as_bool().unwrap_or(false)
}

/// Every endpoint with its role, interface and scope.
pub(super) fn endpoints(info: &Value) -> Vec<(String, String, String, String)> {
    let mut all = Vec::new();
    for (section, role) in [
        ("provides", "provider"),
        ("requires", "requirer"),
        ("peers", "peer"),
    ] {
        for (ep, v) in info["meta"][section].as_object().into_iter().flatten() {
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
pub(super) fn bindable(info: &Value) -> Vec<String> {
    let mut all: Vec<String> = endpoints(info).into_iter().map(|e| e.0).collect();
    all.extend(
        info["meta"]["extra-bindings"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, _)| k.clone()),
    );
    if !all.iter().any(|e| e == "juju-info") {
        all.push("juju-info".into());
    }
    all
}

/// Names that no store has.
pub(super) fn is_unknown(name: &str) -> bool {
    ["no-such", "nosuch", "nonesuch"]
        .iter()
        .any(|p| name.starts_with(p))
}

/// Charms whose recorded stubs know all of their options, endpoints and actions.
pub(super) fn is_whole(url: &str) -> bool {
    ["web", "database", "filer", "logger", "proxy"].contains(&name_of(url).as_str())
}

/// A hash that stays the same for a URL.
pub(super) fn hash_of(url: &str) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(url))
}
