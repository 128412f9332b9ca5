//! Several documents into one, as Juju lays overlays over a bundle: applications field by field, machines as a whole, relations
//! behind one another; what an overlay sets to nothing goes.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::Value;

use super::data::{self, BundleData};
use super::names::quoted;
use super::yaml::{self, Kind, Node};
use crate::error::{Error, ErrorKind, Result};

/// A text with bundle documents, and the folder that its paths are relative to.
#[derive(Debug, Clone)]
pub(crate) struct Source<'a> {
    pub(crate) yaml: &'a str,
    pub(crate) dir: Option<PathBuf>,
}

struct Part {
    data: BundleData,
    node: Node,
    source: usize,
}

fn bad(message: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Bundle,
        "read the bundle",
        format!("cannot read bundle YAML: {message}"),
    )
}

/// What the server says of anything that it cannot read at all; what is wrong is in the hint.
fn unreadable(why: impl Into<String>) -> Error {
    bad("malformed bundle: bundle is empty not valid").hint(why)
}

/// Reads and merges: the first document is the bundle, all others are overlays.
pub(crate) fn read(sources: &[Source<'_>]) -> Result<BundleData> {
    let mut parts = Vec::new();
    for (source, text) in sources.iter().enumerate() {
        for node in yaml::documents(text.yaml).map_err(unreadable)? {
            let data = data::decode(&node).map_err(unreadable)?;
            parts.push(Part { data, node, source });
        }
    }
    let mut parts = parts.into_iter();
    let base = parts
        .next()
        .filter(|p| !p.node.is_null())
        .ok_or_else(|| unreadable("there is nothing in it"))?;
    refuse_overlay_fields(&base)?;
    let mut d = base.data;
    if !matches!(base.node.kind, Kind::Map(_)) {
        d.type_errors.push((
            String::new(),
            format!("expected a mapping (line {})", base.node.line),
        ));
    }
    finish(&mut d, &sources[base.source])?;
    for part in parts {
        merge(&mut d, &part);
        finish(&mut d, &sources[part.source])?;
    }
    Ok(d)
}

/// What only overlays may say.
fn refuse_overlay_fields(base: &Part) -> Result<()> {
    let mut found = Vec::new();
    if base.data.type_errors.is_empty() {
        for (name, app) in base
            .node
            .get("applications")
            .and_then(Node::entries)
            .unwrap_or_default()
        {
            for (key, inner) in [
                ("exposed-endpoints", ["expose-to-spaces", "expose-to-cidrs"]),
                ("offers", ["endpoints", "acl"]),
            ] {
                let Some(entries) = app.get(key).filter(|n| !n.is_null()) else {
                    continue;
                };
                found.push(format!("applications.{name}.{key}"));
                for (entry, v) in entries.entries().unwrap_or_default() {
                    for field in inner
                        .into_iter()
                        .filter(|f| v.get(f).is_some_and(|n| !n.is_null()))
                    {
                        found.push(format!("applications.{name}.{key}.{entry}.{field}"));
                    }
                }
            }
        }
    }
    let more = match found.len() {
        0 => return Ok(()),
        1 => String::new(),
        n => format!(" (and {} more errors)", n - 1),
    };
    Err(bad(format!(
        "{} can only appear in an overlay section{more}",
        found[0]
    )))
}

fn merge(d: &mut BundleData, over: &Part) {
    d.warnings.extend(over.data.warnings.iter().cloned());
    d.type_errors.extend(over.data.type_errors.iter().cloned());
    if !over.data.type_errors.is_empty() {
        return;
    }
    let named = |section: &str| {
        over.node
            .get(section)
            .and_then(Node::entries)
            .unwrap_or_default()
    };
    for (name, node) in named("applications") {
        let Some(Some(new)) = over.data.applications.get(&name).cloned() else {
            // An application that stands alone in an overlay is taken out, and its relations with it.
            d.applications.remove(&name);
            forget_relations(d, &name);
            continue;
        };
        match d.applications.get_mut(&name) {
            Some(Some(old)) => merge_application(old, new, node),
            _ => drop(d.applications.insert(name, Some(new))),
        }
    }
    for (name, node) in named("saas") {
        if node.is_null() {
            d.saas.remove(&name);
            forget_relations(d, &name);
        } else if let Some(url) = over.data.saas.get(&name)
            && (node.has("url") || !d.saas.contains_key(&name))
        {
            d.saas.insert(name, url.clone());
        }
    }
    if !over.data.default_base.is_empty() {
        // `applyOverlay` knows of `series` only.
        let what =
            "Juju passes over an overlay's: give each application its base, or change the bundle's";
        d.warnings.push(("default-base".into(), what.into()));
    }
    if !over.data.series.is_empty() {
        d.series.clone_from(&over.data.series);
    }
    d.relations.extend(over.data.relations.iter().cloned());
    if over.node.get("machines").is_some_and(|n| !n.is_null()) {
        d.machines.clone_from(&over.data.machines);
    }
}

fn forget_relations(d: &mut BundleData, gone: &str) {
    d.relations.retain(|pair| {
        pair.len() != 2
            || !pair
                .iter()
                .any(|e| e.split(':').next().unwrap_or(e) == gone)
    });
}

/// Fields that stand in the overlay win; entries of a mapping one by one, a mapping that is set to nothing is emptied.
fn merge_application(old: &mut data::ApplicationSpec, new: data::ApplicationSpec, node: &Node) {
    macro_rules! plain {
        ($($key:literal => $field:ident),*) => {
            $(if node.has($key) { old.$field = new.$field; })*
        };
    }
    macro_rules! maps {
        ($($key:literal => $field:ident: $gone:expr),*) => {
            $(if let Some(n) = node.get($key) {
                if n.is_null() {
                    old.$field.clear();
                }
                for (k, v) in new.$field {
                    if $gone(&v, n.get(&k)) {
                        old.$field.remove(&k);
                    } else {
                        old.$field.insert(k, v);
                    }
                }
            })*
        };
    }
    if node.has("num_units") || node.has("scale") && new.num_units > 0 {
        old.num_units = new.num_units;
    }
    plain!("charm" => charm, "channel" => channel, "revision" => revision, "base" => base, "series" => series, "to" => to,
        "expose" => expose, "constraints" => constraints, "trust" => trust);
    maps!("resources" => resources: |v: &Value, _| v.is_null(), "options" => options: |v: &Value, _| v.is_null(),
    "annotations" => annotations: |_, _| false, "storage" => storage: |_, _| false, "devices" => devices: |_, _| false,
    "bindings" => bindings: |_, _| false,
    "offers" => offers: |_, n: Option<&Node>| n.is_none_or(Node::is_null),
    "exposed-endpoints" => exposed_endpoints: |_, n: Option<&Node>| n.is_none_or(|n| {
        !["expose-to-spaces", "expose-to-cidrs"].iter().any(|k| n.get(k).is_some_and(|n| !n.is_null()))
    }));
}

/// What is done after every document: paths of charms, and files that are included.
fn finish(d: &mut BundleData, source: &Source<'_>) -> Result<()> {
    for (name, app) in &mut d.applications {
        let Some(app) = app else {
            return Err(bad(format!(
                "base application {} has no body",
                quoted(name)
            )));
        };
        if let (Some(dir), true) = (&source.dir, app.charm.starts_with('.')) {
            let path = joined(dir, &app.charm);
            app.charm = match path.is_absolute() {
                true => path.display().to_string(),
                false => format!("./{}", path.display()),
            };
        }
        for (key, v) in &mut app.options {
            if let Some(text) = v.as_str()
                && let Some(text) = included(text, source).map_err(|e| {
                    bad(format!(
                        "processing option {} for application {}: {e}",
                        quoted(key),
                        quoted(name)
                    ))
                })?
            {
                *v = Value::String(text);
            }
        }
        for (key, v) in &mut app.annotations {
            if let Some(text) = included(v, source).map_err(|e| {
                bad(format!(
                    "processing annotation {} for application {}: {e}",
                    quoted(key),
                    quoted(name)
                ))
            })? {
                *v = text;
            }
        }
    }
    for (name, machine) in &mut d.machines {
        for (key, v) in machine.iter_mut().flat_map(|m| &mut m.annotations) {
            if let Some(text) = included(v, source).map_err(|e| {
                bad(format!(
                    "processing annotation {} for machine {}: {e}",
                    quoted(key),
                    quoted(name)
                ))
            })? {
                *v = text;
            }
        }
    }
    Ok(())
}

/// A path below a folder, without `.` and `..`.
fn joined(dir: &Path, path: &str) -> PathBuf {
    let mut out = PathBuf::new();
    for part in dir.join(path).components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// `include-file://` and `include-base64://`.
fn included(text: &str, source: &Source<'_>) -> std::result::Result<Option<String>, String> {
    let (encode, file) = match (
        text.strip_prefix("include-file://"),
        text.strip_prefix("include-base64://"),
    ) {
        (Some(f), _) => (false, f),
        (_, Some(f)) => (true, f),
        _ => return Ok(None),
    };
    let failed = |e: String| format!("resolving include {}: {e}", quoted(file));
    let path = source.dir.as_deref().unwrap_or(Path::new("")).join(file);
    let shown = quoted(&path.display().to_string());
    if path.is_dir() {
        return Err(failed(format!("include path {shown} resolves to a folder")));
    }
    let bytes = std::fs::read(&path).map_err(|e| {
        failed(match e.kind() {
            std::io::ErrorKind::NotFound => format!("include file {shown} not found"),
            _ => format!("reading include file at {shown}: {e}"),
        })
    })?;
    Ok(Some(if encode {
        base64::engine::general_purpose::STANDARD.encode(bytes)
    } else {
        String::from_utf8_lossy(&bytes).into_owned()
    }))
}
