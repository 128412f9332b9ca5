//! What two answers have in common: their shape, and in errors their words.

#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;

use serde_json::Value;

pub fn is_id(s: &str) -> bool {
    s.len() == 36 && s.bytes().filter(|b| *b == b'-').count() == 4
}

/// Ids that the fake gave where the real one gave others; what is known already stands.
pub fn learn(real: &Value, ours: &Value, map: &mut BTreeMap<String, String>) {
    match (real, ours) {
        (Value::Object(a), Value::Object(b)) => a.iter().for_each(|(k, v)| match (b.get(k), v) {
            (Some(Value::String(w)), Value::String(v)) if k == "watcher-id" => {
                drop(map.insert(v.clone(), w.clone()));
            }
            (Some(w), v) => learn(v, w, map),
            _ => {}
        }),
        (Value::Array(a), Value::Array(b)) => {
            // Models and the like come in an order of their own: what has a name is known by it.
            for (i, v) in a.iter().enumerate() {
                let same = match name(v) {
                    Some(n) => b.iter().find(|w| name(w) == Some(n)),
                    None => b.get(i),
                };
                if let Some(w) = same {
                    learn(v, w, map);
                }
            }
        }
        (Value::String(a), Value::String(b)) if a != b && is_id(a) && is_id(b) => {
            map.entry(a.clone()).or_insert_with(|| b.clone());
        }
        _ => {}
    }
}

/// What an element of a list is called, it or what it wraps.
fn name(v: &Value) -> Option<&str> {
    v["name"]
        .as_str()
        .or_else(|| v["model"]["name"].as_str())
        .or_else(|| v["result"]["name"].as_str())
}

pub fn translate(text: &str, map: &BTreeMap<String, String>) -> String {
    map.iter()
        .fold(text.to_owned(), |t, (a, b)| t.replace(a, b))
}

/// Where the shapes differ: keys that one has and the other has not, kinds that differ. What is null or empty fits all.
pub fn differ(place: &str, real: &Value, ours: &Value, into: &mut Vec<String>) {
    let empty = |v: &Value| {
        v.is_null()
            || v.as_array().is_some_and(Vec::is_empty)
            || v.as_object().is_some_and(serde_json::Map::is_empty)
            || v == ""
    };
    match (real, ours) {
        (a, b) if empty(a) || empty(b) => {}
        (Value::Object(a), Value::Object(b)) => {
            // Maps by name are not shapes.
            let named = [
                "config",
                "applications",
                "machines",
                "units",
                "endpoints",
                "endpoint-bindings",
                "containers",
                "attrs",
                "clouds",
                "network-interfaces",
                "subordinates",
                "relations",
                "constraints",
                "annotations",
                "options",
                "unit-relation-data",
            ];
            let by_name = place.rsplit('.').next().is_some_and(|k| named.contains(&k));
            for (k, v) in a {
                match b.get(k) {
                    Some(w) => differ(&format!("{place}.{k}"), v, w, into),
                    None if by_name || empty(v) => {}
                    None => into.push(format!("{place}.{k} is missing")),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) => differ(&format!("{place}[0]"), &a[0], &b[0], into),
        (a, b) if std::mem::discriminant(a) == std::mem::discriminant(b) => {}
        (a, b) => into.push(format!("{place}: {a} and {b}")),
    }
}

/// The errors of an answer: where, which words, which code.
pub fn errors(answer: &Value) -> Vec<(String, String, String)> {
    fn walk(place: &str, v: &Value, into: &mut Vec<(String, String, String)>) {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        match v {
            Value::Object(m) => {
                for (k, v) in m {
                    let here = format!("{place}.{k}");
                    if k == "error" && v["message"].as_str().is_some_and(|s| !s.is_empty()) {
                        into.push((here, text(&v["message"]), text(&v["code"])));
                    } else {
                        walk(&here, v, into);
                    }
                }
            }
            Value::Array(a) => {
                for (i, v) in a.iter().enumerate() {
                    walk(&format!("{place}[{i}]"), v, into);
                }
            }
            _ => {}
        }
    }
    let mut all: Vec<(String, String, String)> = Vec::new();
    if let Some(e) = answer["error"].as_str().filter(|e| !e.is_empty()) {
        let code = answer["error-code"].as_str().unwrap_or_default();
        all.push((String::new(), e.to_owned(), code.to_owned()));
    }
    walk("", &answer["response"], &mut all);
    for e in &mut all {
        e.1 = without_ids(&e.1);
    }
    all
}

/// Ids that nobody has told anyone: `<uuid>` for each.
fn without_ids(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        if rest
            .get(..36)
            .is_some_and(|w| is_id(w) && w.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()))
        {
            out.push_str("<uuid>");
            rest = &rest[36..];
        } else {
            let n = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..n]);
            rest = &rest[n..];
        }
    }
    out
}
