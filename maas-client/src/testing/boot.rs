//! Boot sources, selections, the import, and the racks' images.

use serde_json::{Value, json};

use super::basics::unknown;
use super::render;
use super::reply::{
    Fields, R, Req, gone, html, invalid, json_bare, json_ok, json_status, missing, text,
};
use super::state::{Import, Resource, Selection, Source, State};
use super::types::Durations;

pub(crate) fn sources(s: &mut State, d: &Durations, req: &Req) -> R {
    if !req.superuser {
        return Err(text(403, "User is not allowed access to this API."));
    }
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.sources
                .iter()
                .map(|b| render::source(s, b))
                .collect::<Vec<_>>()
        ))),
        "POST" => {
            let mut errors = Fields::default();
            errors.required(req, "url");
            if req.filled("keyring_filename").is_none() && req.filled("keyring_data").is_none() {
                errors.add(
                    "__all__",
                    "One of keyring_data or keyring_filename must be specified.",
                );
            }
            errors.check()?;
            let url = req.get("url").unwrap_or("").to_owned();
            if s.sources.iter().any(|b| b.url == url) {
                return Err(invalid("url", "Boot source with this Url already exists."));
            }
            let id = add_source(
                s,
                d,
                &url,
                req.get("keyring_filename").unwrap_or(""),
                req.get("keyring_data").unwrap_or(""),
            );
            source_json(s, id)
                .map(|v| json_status(201, &v))
                .ok_or_else(|| missing("BootSource"))
        }
        _ => Err(unknown(req)),
    }
}

fn source_json(s: &State, id: i64) -> Option<Value> {
    s.sources
        .iter()
        .find(|b| b.id == id)
        .map(|b| render::source(s, b))
}

pub(crate) fn add_source(
    s: &mut State,
    d: &Durations,
    url: &str,
    keyring_filename: &str,
    keyring_data: &str,
) -> i64 {
    let id = s.next_id("boot-source");
    let now = s.now;
    s.sources.push(Source {
        id,
        url: url.into(),
        keyring_filename: keyring_filename.into(),
        keyring_data: keyring_data.into(),
        created: now,
        updated: now,
        cached_at: now + d.cache_fill,
    });
    s.count("boot-source");
    id
}

pub(crate) fn source(s: &mut State, req: &Req, id: &str) -> R {
    if !req.superuser {
        return Err(text(403, "User is not allowed access to this API."));
    }
    let at = s
        .sources
        .iter()
        .position(|b| b.id.to_string() == id)
        .ok_or_else(|| missing("BootSource"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&render::source(s, &s.sources[at]))),
        "PUT" => {
            let now = s.now;
            let b = &mut s.sources[at];
            b.updated = now;
            for (field, slot) in [
                ("url", &mut b.url),
                ("keyring_filename", &mut b.keyring_filename),
                ("keyring_data", &mut b.keyring_data),
            ] {
                if let Some(value) = req.get(field) {
                    value.clone_into(slot);
                }
            }
            Ok(json_ok(&render::source(s, &s.sources[at])))
        }
        "DELETE" => {
            let id = s.sources[at].id;
            s.sources.remove(at);
            s.selections.retain(|x| x.source != id);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn selections(s: &mut State, req: &Req, source: &str) -> R {
    let source = s
        .sources
        .iter()
        .find(|b| b.id.to_string() == source)
        .cloned()
        .ok_or_else(|| missing("BootSource"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.selections
                .iter()
                .filter(|x| x.source == source.id)
                .map(render::selection)
                .collect::<Vec<_>>()
        ))),
        "POST" => {
            let wanted = read_selection(s, &source, req, 0)?;
            if s.selections
                .iter()
                .any(|x| x.source == source.id && x.os == wanted.os && x.release == wanted.release)
            {
                let said =
                    "Boot source selection with this Boot source, Os and Release already exists.";
                return Err(json_bare(400, &json!({ "__all__": [said] })));
            }
            let wanted = Selection {
                id: s.next_id("selection"),
                ..wanted
            };
            s.count("selection");
            s.selections.push(wanted.clone());
            Ok(json_ok(&render::selection(&wanted)))
        }
        _ => Err(unknown(req)),
    }
}

/// Reads and checks a selection: it is refused as long as the source's catalogue is not known.
fn read_selection(
    s: &State,
    source: &Source,
    req: &Req,
    id: i64,
) -> Result<Selection, super::reply::Reply> {
    let (os, release) = (
        req.get("os").unwrap_or("").to_owned(),
        req.get("release").unwrap_or("").to_owned(),
    );
    let list = |name: &str| -> Vec<String> {
        let all: Vec<String> = req.all(name).iter().map(|v| (*v).to_owned()).collect();
        if all.is_empty() {
            vec!["*".to_owned()]
        } else {
            all
        }
    };
    let cached = s.now >= source.cached_at;
    let found = s
        .catalogue
        .iter()
        .find(|r| cached && r.os == os && r.release == release);
    let Some(found) = found else {
        return Err(invalid(
            "os",
            format!("OS {os} with release {release} has no available images for download"),
        ));
    };
    let arches = list("arches");
    let bad: Vec<String> = arches
        .iter()
        .filter(|a| *a != "*" && !found.arches.contains(a))
        .map(|a| format!("'{a}'"))
        .collect();
    if !bad.is_empty() {
        return Err(invalid(
            "arches",
            format!("No available images to download for [{}]", bad.join(", ")),
        ));
    }
    Ok(Selection {
        id,
        source: source.id,
        os,
        release,
        arches,
        subarches: list("subarches"),
        labels: list("labels"),
    })
}

pub(crate) fn selection(s: &mut State, req: &Req, source: &str, id: &str) -> R {
    let source = s
        .sources
        .iter()
        .find(|b| b.id.to_string() == source)
        .cloned()
        .ok_or_else(|| missing("BootSource"))?;
    let at = s
        .selections
        .iter()
        .position(|x| x.source == source.id && x.id.to_string() == id)
        .ok_or_else(|| missing("BootSourceSelection"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&render::selection(&s.selections[at]))),
        "PUT" => {
            let id = s.selections[at].id;
            s.selections[at] = read_selection(s, &source, req, id)?;
            Ok(json_ok(&render::selection(&s.selections[at])))
        }
        "DELETE" => {
            s.selections.remove(at);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn resources(s: &mut State, d: &Durations, req: &Req) -> R {
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => {
            let kind = req.arg("type").map(str::to_lowercase);
            let mut list: Vec<&Resource> = s
                .resources
                .iter()
                .filter(|r| kind.as_ref().is_none_or(|k| r.kind.to_lowercase() == *k))
                .collect();
            list.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
            Ok(json_ok(&json!(
                list.into_iter()
                    .map(|r| render::resource(r, false))
                    .collect::<Vec<_>>()
            )))
        }
        ("GET", Some("is_importing")) => Ok(json_ok(&json!(s.import.is_some()))),
        ("POST", Some("import")) => {
            req.admin()?;
            start_import(s, d);
            Ok(text(200, "Import of boot resources started"))
        }
        ("POST", Some("stop_import")) => {
            req.admin()?;
            s.import = None;
            Ok(text(200, "Import of boot resources is being stopped"))
        }
        ("DELETE", None) => {
            let mut reply = html(405, "");
            reply.headers.push(("Allow", "GET, POST".into()));
            Err(reply)
        }
        _ => Err(unknown(req)),
    }
}

/// Starts an import, unless one runs.
pub(crate) fn start_import(s: &mut State, d: &Durations) {
    if s.import.is_some() {
        return;
    }
    s.count("import");
    let failing = s.fail_next_import.take();
    let stalled = failing.as_deref() == Some("stalled");
    s.import = Some(Import {
        ends: s.now + d.import,
        failing: failing.is_some() && !stalled,
        stalled,
    });
}

/// Ends an import that is due: the images selected are there, and the rack begins to get them.
pub(crate) fn finish_import(s: &mut State, d: &Durations) {
    let Some(import) = s.import.clone().filter(|i| !i.stalled && s.now >= i.ends) else {
        return;
    };
    s.import = None;
    if import.failing {
        s.event(
            &s.rack.system_id.clone(),
            "ERROR",
            "Region import error",
            "Unable to import boot images: HTTP Error 404: Not Found",
        );
        return;
    }
    let mut wanted: Vec<(String, String, String)> = Vec::new();
    for x in &s.selections {
        let Some(release) = s
            .catalogue
            .iter()
            .find(|r| r.os == x.os && r.release == x.release)
        else {
            continue;
        };
        for arch in release
            .arches
            .iter()
            .filter(|a| x.arches.iter().any(|w| w == "*" || w == *a))
        {
            for kernel in ["ga", "hwe"] {
                wanted.push((
                    format!("{}/{}", x.os, x.release),
                    arch.clone(),
                    format!("{kernel}-{}", release.version),
                ));
            }
        }
    }
    // What is no longer selected is taken away, as MAAS does.
    s.resources.retain(|r| {
        r.kind != "Synced"
            || wanted.iter().any(|(name, arch, kernel)| {
                r.name == *name && r.architecture == format!("{arch}/{kernel}")
            })
    });
    let mut grown = false;
    for (name, arch, kernel) in wanted {
        let architecture = format!("{arch}/{kernel}");
        if s.resources
            .iter()
            .any(|r| r.name == name && r.architecture == architecture)
        {
            continue;
        }
        let id = s.next_id("boot-resource");
        s.resources.push(Resource {
            id,
            name,
            architecture,
            subarches: format!("generic,{kernel}"),
            kind: "Synced".into(),
        });
        grown = true;
    }
    // MAAS takes the newest release for commissioning when the configured one is not among the images.
    let releases = s.releases();
    for key in ["commissioning_distro_series", "default_distro_series"] {
        let set = s
            .config
            .get(key)
            .and_then(Value::as_str)
            .is_some_and(|r| releases.iter().any(|x| x == r));
        if !set && let Some(newest) = releases.last() {
            s.config.insert(key.into(), json!(newest));
        }
    }
    if grown {
        s.rack_synced = false;
        s.rack_sync_due = Some(s.now + d.rack_sync);
    }
}

/// Lets the rack have the region's images when that is due.
pub(crate) fn finish_sync(s: &mut State) {
    if s.rack.connected && s.rack_sync_due.is_some_and(|due| s.now >= due) {
        s.rack_sync_due = None;
        s.rack_synced = true;
        s.rack_images = s.resources.iter().map(|r| r.id).collect();
    }
}

pub(crate) fn resource(s: &mut State, req: &Req, id: &str) -> R {
    let at = s
        .resources
        .iter()
        .position(|r| r.id.to_string() == id)
        .ok_or_else(|| missing("BootResource"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&render::resource(&s.resources[at], true))),
        "DELETE" => {
            req.admin()?;
            s.resources.remove(at);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

/// `list_boot_images` of a rack.
pub(crate) fn rack_images(s: &State) -> Value {
    if !s.rack.connected {
        return json!({ "images": [], "connected": false, "status": "unknown" });
    }
    let mut images: Vec<Value> = Vec::new();
    for r in s.resources.iter().filter(|r| s.rack_images.contains(&r.id)) {
        let (arch, kernel) = r
            .architecture
            .split_once('/')
            .unwrap_or((&r.architecture, "generic"));
        match images
            .iter_mut()
            .find(|i| i["name"] == r.name && i["architecture"] == arch)
        {
            Some(image) => {
                if let Some(list) = image["subarches"].as_array_mut() {
                    list.push(json!(kernel));
                }
            }
            None => images.push(
                json!({ "name": r.name, "architecture": arch, "subarches": [kernel, "generic"] }),
            ),
        }
    }
    let status = if s.rack_synced {
        "synced"
    } else if s.import.is_some() {
        "region-importing"
    } else {
        "syncing"
    };
    json!({ "images": images, "connected": true, "status": status })
}

pub(crate) fn racks(s: &mut State, d: &Durations, req: &Req, kind: &str) -> R {
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => Ok(json_ok(&json!([render::controller(s, kind)]))),
        ("GET", Some("describe_power_types")) if kind == "rackcontrollers" => {
            let list: Vec<Value> = super::defaults::POWER_TYPES
                .iter()
                .map(|n| json!({ "driver_type": "power", "name": n, "description": n, "fields": [], "missing_packages": [], "chassis": false, "can_probe": false, "queryable": *n != "manual" }))
                .collect();
            Ok(json_ok(&json!(list)))
        }
        ("POST", Some("import_boot_images")) if kind == "rackcontrollers" => {
            req.admin()?;
            sync_now(s, d);
            Ok(text(
                200,
                "Import of boot images started on all rack controllers",
            ))
        }
        _ => Err(unknown(req)),
    }
}

fn sync_now(s: &mut State, d: &Durations) {
    if !s.rack_synced && s.rack_sync_due.is_none() {
        s.rack_sync_due = Some(s.now + d.rack_sync);
    }
}

pub(crate) fn rack(s: &mut State, d: &Durations, req: &Req, id: &str, kind: &str) -> R {
    if id != s.rack.system_id {
        return Err(missing(if kind == "rackcontrollers" {
            "RackController"
        } else {
            "RegionController"
        }));
    }
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => Ok(json_ok(&render::controller(s, kind))),
        ("GET", Some("list_boot_images")) => Ok(json_ok(&rack_images(s))),
        ("POST", Some("import_boot_images")) => {
            req.admin()?;
            sync_now(s, d);
            Ok(text(
                200,
                format!("Import of boot images started on {}", s.rack.hostname),
            ))
        }
        _ => Err(unknown(req)),
    }
}
