//! Several documents into one: what an overlay names wins, what it sets to nothing goes.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};

fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Bundle, "read the bundle", message)
}

/// The documents of a YAML text, empty ones left out.
pub(crate) fn documents(yaml: &str) -> Result<Vec<Value>> {
    let mut all: Vec<Value> = serde_saphyr::from_multiple(yaml)
        .map_err(|e| bad(format!("cannot read bundle YAML: {e}")))?;
    // To Juju `y` and `n` are words, `yes` and `no` are not.
    let strict = serde_saphyr::options! { strict_booleans: true };
    if let Ok(words) = serde_saphyr::from_multiple_with_options::<Value>(yaml, strict) {
        all.iter_mut()
            .zip(&words)
            .for_each(|(v, w)| keep_words(v, w));
    }
    // Text is taken as it is written: a channel `23.10` is no number.
    if let Ok(texts) = serde_saphyr::from_multiple::<Option<Texts>>(yaml) {
        for (v, t) in all.iter_mut().zip(texts) {
            t.unwrap_or_default().put(v);
        }
    }
    Ok(all.into_iter().filter(|v| !v.is_null()).collect())
}

fn keep_words(v: &mut Value, word: &Value) {
    match (v, word) {
        (Value::Object(a), Value::Object(b)) => {
            for (k, v) in a {
                if let Some(w) = b.get(k) {
                    keep_words(v, w);
                }
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            a.iter_mut().zip(b).for_each(|(v, w)| keep_words(v, w))
        }
        (v, Value::String(w)) if v.is_boolean() && matches!(w.as_str(), "y" | "Y" | "n" | "N") => {
            *v = Value::String(w.clone());
        }
        _ => {}
    }
}

type Strings = Option<BTreeMap<String, Option<String>>>;

/// The fields of a bundle that are text, read as text.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Texts {
    default_base: Option<String>,
    applications: Option<BTreeMap<String, Option<AppTexts>>>,
    machines: Option<BTreeMap<String, Option<MachineTexts>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AppTexts {
    charm: Option<String>,
    channel: Option<String>,
    base: Option<String>,
    constraints: Option<String>,
    to: Option<Vec<String>>,
    annotations: Strings,
    storage: Strings,
    devices: Strings,
    bindings: Strings,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MachineTexts {
    constraints: Option<String>,
    base: Option<String>,
    annotations: Strings,
}

impl Texts {
    fn put(self, v: &mut Value) {
        text(v, "default-base", self.default_base);
        for (name, app) in self.applications.unwrap_or_default() {
            let (Some(app), Some(v)) = (
                app,
                v.get_mut("applications").and_then(|a| a.get_mut(&name)),
            ) else {
                continue;
            };
            text(v, "charm", app.charm);
            text(v, "channel", app.channel);
            text(v, "base", app.base);
            text(v, "constraints", app.constraints);
            if let (Some(to), Some(slot)) = (app.to, v.get_mut("to")) {
                *slot = Value::from(to);
            }
            for (key, m) in [
                ("annotations", app.annotations),
                ("storage", app.storage),
                ("devices", app.devices),
                ("bindings", app.bindings),
            ] {
                texts(v, key, m);
            }
        }
        for (name, machine) in self.machines.unwrap_or_default() {
            let (Some(machine), Some(v)) = (
                machine,
                v.get_mut("machines").and_then(|a| a.get_mut(&name)),
            ) else {
                continue;
            };
            text(v, "constraints", machine.constraints);
            text(v, "base", machine.base);
            texts(v, "annotations", machine.annotations);
        }
    }
}

fn text(v: &mut Value, key: &str, text: Option<String>) {
    if let (Some(t), Some(slot)) = (text, v.get_mut(key))
        && !slot.is_null()
    {
        *slot = Value::String(t);
    }
}

fn texts(v: &mut Value, key: &str, m: Strings) {
    let Some(slot) = v.get_mut(key) else { return };
    for (k, t) in m.unwrap_or_default() {
        text(slot, &k, t);
    }
}

/// The first document: what only overlays may say is refused here.
pub(crate) fn base(document: Option<&Value>) -> Result<Value> {
    let Some(Value::Object(m)) = document else {
        return Err(bad(
            "cannot read bundle YAML: malformed bundle: bundle is empty not valid",
        ));
    };
    let mut found = Vec::new();
    for (name, app) in m
        .get("applications")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        for key in ["exposed-endpoints", "offers"] {
            let Some(Value::Object(entries)) = app.get(key) else {
                continue;
            };
            if entries.is_empty() {
                continue;
            }
            found.push(format!(
                "applications.{name}.{key} can only appear in an overlay section"
            ));
            for (entry, v) in entries {
                for inner in ["expose-to-spaces", "expose-to-cidrs", "endpoints", "acl"] {
                    if v.get(inner).is_some() {
                        found.push(format!("applications.{name}.{key}.{entry}.{inner} can only appear in an overlay section"));
                    }
                }
            }
        }
    }
    match found.len() {
        0 => Ok(Value::Object(m.clone())),
        1 => Err(bad(format!("cannot read bundle YAML: {}", found[0]))),
        n => Err(bad(format!(
            "cannot read bundle YAML: {} (and {} more errors)",
            found[0],
            n - 1
        ))),
    }
}

/// Lays one document over another.
pub(crate) fn merge(base: &mut Value, over: &Value) -> Result<()> {
    let (Value::Object(base), Value::Object(over)) = (base, over) else {
        return Err(bad("an overlay is not a mapping"));
    };
    for (key, v) in over {
        match key.as_str() {
            "applications" => {
                let gone = applications(section(base, key), v)?;
                forget_relations(base, &gone);
            }
            "machines" | "saas" => entries(section(base, key), v),
            "relations" => relations(base, v),
            _ => {
                base.insert(key.clone(), v.clone());
            }
        }
    }
    Ok(())
}

fn section<'a>(base: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let slot = base
        .entry(key.to_owned())
        .or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(m) => m,
        _ => unreachable!("it has just been made one"),
    }
}

/// Returns the applications that the overlay takes out.
fn applications(base: &mut Map<String, Value>, over: &Value) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    let Some(over) = over.as_object() else {
        return Ok(gone);
    };
    for (name, spec) in over {
        match spec {
            // An application that stands alone in an overlay is taken out.
            Value::Null => {
                base.remove(name);
                gone.push(name.clone());
            }
            Value::Object(fields) => {
                let into = section(base, name);
                for (field, v) in fields {
                    match (field.as_str(), into.get_mut(field), v) {
                        (
                            "options" | "annotations" | "resources" | "storage" | "devices"
                            | "bindings" | "offers" | "exposed-endpoints",
                            Some(Value::Object(old)),
                            Value::Object(new),
                        ) => {
                            for (k, v) in new {
                                if v.is_null() {
                                    old.remove(k);
                                } else {
                                    old.insert(k.clone(), v.clone());
                                }
                            }
                        }
                        // Placements of an overlay stand for themselves.
                        _ => {
                            into.insert(field.clone(), v.clone());
                        }
                    }
                }
            }
            other => {
                return Err(bad(format!(
                    "applications.{name} of an overlay is not a mapping but {other}"
                )));
            }
        }
    }
    Ok(gone)
}

fn forget_relations(base: &mut Map<String, Value>, gone: &[String]) {
    if let Some(Value::Array(all)) = base.get_mut("relations") {
        all.retain(|pair| {
            !pair
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .any(|e| {
                    let app = e.split(':').next().unwrap_or(e);
                    gone.iter().any(|g| g == app)
                })
        });
    }
}

fn entries(base: &mut Map<String, Value>, over: &Value) {
    for (k, v) in over.as_object().into_iter().flatten() {
        match (base.get_mut(k), v) {
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new.clone()),
            _ => {
                base.insert(k.clone(), v.clone());
            }
        }
    }
}

fn relations(base: &mut Map<String, Value>, over: &Value) {
    let Some(new) = over.as_array() else { return };
    let slot = base
        .entry("relations")
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(all) = slot {
        for r in new {
            if !all.contains(r) {
                all.push(r.clone());
            }
        }
    }
}

/// `include-file://` and `include-base64://` in options and annotations.
pub(crate) fn include_files(merged: &mut Value, dir: Option<&Path>) -> Result<()> {
    let Some(Value::Object(apps)) = merged.get_mut("applications") else {
        return Ok(());
    };
    for (name, app) in apps {
        for section in ["options", "annotations"] {
            let Some(Value::Object(values)) = app.get_mut(section) else {
                continue;
            };
            for (key, v) in values {
                let Some(text) = v.as_str() else { continue };
                let (encode, file) = match (
                    text.strip_prefix("include-file://"),
                    text.strip_prefix("include-base64://"),
                ) {
                    (Some(f), _) => (false, f),
                    (_, Some(f)) => (true, f),
                    _ => continue,
                };
                let path = dir.map_or_else(|| Path::new(file).to_owned(), |d| d.join(file));
                let bytes = std::fs::read(&path).map_err(|e| {
                    bad(format!(
                        "applications.{name}.{section}.{key}: {}: {e}",
                        path.display()
                    ))
                })?;
                *v = Value::String(if encode {
                    base64::engine::general_purpose::STANDARD.encode(bytes)
                } else {
                    String::from_utf8(bytes).map_err(|e| {
                        bad(format!(
                            "applications.{name}.{section}.{key}: {}: {e}",
                            path.display()
                        ))
                    })?
                });
            }
        }
    }
    Ok(())
}
