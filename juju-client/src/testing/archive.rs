//! What is in a charm's archive: as much of zip as a charm needs.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

fn u16_at(b: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(b.get(at..at + 2)?.try_into().ok()?).into())
}

fn u32_at(b: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(b.get(at..at + 4)?.try_into().ok()?)).ok()
}

/// Where the central directory's end is (APPNOTE 4.3.16).
fn end_of_directory(b: &[u8]) -> Option<usize> {
    let last = b.len().checked_sub(22)?;
    (last.saturating_sub(65_535)..=last)
        .rev()
        .find(|at| b[*at..].starts_with(b"PK\x05\x06"))
}

pub(super) fn is_zip(b: &[u8]) -> bool {
    end_of_directory(b).is_some()
}

/// The files at the archive's root that end in `.yaml`.
fn files(b: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let end = end_of_directory(b)?;
    let (n, mut at) = (u16_at(b, end + 10)?, u32_at(b, end + 16)?);
    let mut all = BTreeMap::new();
    for _ in 0..n {
        if !b.get(at..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let (method, packed) = (u16_at(b, at + 10)?, u32_at(b, at + 20)?);
        let (name_len, extra, comment) = (
            u16_at(b, at + 28)?,
            u16_at(b, at + 30)?,
            u16_at(b, at + 32)?,
        );
        let local = u32_at(b, at + 42)?;
        let name = String::from_utf8_lossy(b.get(at + 46..at + 46 + name_len)?).into_owned();
        at += 46 + name_len + extra + comment;
        let name = name.trim_start_matches("./");
        if name.contains('/') || !name.ends_with(".yaml") {
            continue;
        }
        let begin = local + 30 + u16_at(b, local + 26)? + u16_at(b, local + 28)?;
        let data = b.get(begin..begin + packed)?;
        let data = match method {
            0 => data.to_vec(),
            8 => miniz_oxide::inflate::decompress_to_vec_with_limit(data, 8 << 20).ok()?,
            _ => return None,
        };
        all.insert(name.to_owned(), data);
    }
    Some(all)
}

/// What `CharmInfo` says of an archive. `None`: it is none.
pub(super) fn charm_info(b: &[u8]) -> Option<Value> {
    let files = files(b)?;
    let yaml = |name: &str| -> Value {
        files
            .get(name)
            .and_then(|f| std::str::from_utf8(f).ok())
            .and_then(|t| serde_saphyr::from_str(t).ok())
            .unwrap_or_default()
    };
    let (whole, meta) = (yaml("charmcraft.yaml"), yaml("metadata.yaml"));
    let field = |k: &str| match &meta[k] {
        Value::Null => whole[k].clone(),
        v => v.clone(),
    };
    let name = field("name").as_str()?.to_owned();
    let mut shown = json!({"name": name, "summary": field("summary"), "description": field("description"),
        "subordinate": field("subordinate").as_bool().unwrap_or(false), "min-juju-version": "0.0.0"});
    for (section, role) in [
        ("provides", "provider"),
        ("requires", "requirer"),
        ("peers", "peer"),
    ] {
        let ends: Map<String, Value> = field(section)
            .as_object()
            .into_iter()
            .flatten()
            .map(|(n, e)| {
                let interface = e["interface"].as_str().or(e.as_str()).unwrap_or_default();
                let scope = e["scope"].as_str().unwrap_or("global");
                let shown = json!({"name": n, "role": role, "interface": interface, "optional": e["optional"].as_bool().unwrap_or(false), "limit": e["limit"].as_i64().unwrap_or(0), "scope": scope});
                (n.clone(), shown)
            })
            .collect();
        if !ends.is_empty() {
            shown[section] = Value::Object(ends);
        }
    }
    let resources: Map<String, Value> = field("resources")
        .as_object()
        .into_iter()
        .flatten()
        .map(|(n, r)| (n.clone(), json!({"name": n, "type": r["type"], "path": r["filename"].as_str().unwrap_or_default(), "description": r["description"].as_str().unwrap_or_default()})))
        .collect();
    if !resources.is_empty() {
        shown["resources"] = Value::Object(resources);
    }
    let config = match &yaml("config.yaml")["options"] {
        Value::Null => whole["config"]["options"].clone(),
        v => v.clone(),
    };
    let actions = match yaml("actions.yaml") {
        Value::Null => whole["actions"].clone(),
        v => v,
    };
    let specs: Map<String, Value> = actions
        .as_object()
        .into_iter()
        .flatten()
        .map(|(n, a)| (n.clone(), json!({"description": a["description"].as_str().unwrap_or("No description"),
            "params": {"additionalProperties": false, "description": a["description"].as_str().unwrap_or("No description"), "properties": a["params"].as_object().cloned().unwrap_or_default(), "title": n, "type": "object"}})))
        .collect();
    Some(
        json!({"revision": 0, "url": "", "config": config.as_object().cloned().unwrap_or_default(), "meta": shown, "actions": {"specs": specs}}),
    )
}
