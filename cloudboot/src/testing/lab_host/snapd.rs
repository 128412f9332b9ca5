//! snapd as far as the pipeline speaks it, on `run/snapd.socket`. Shapes and error kinds are those of snapd 2.57.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use super::state::{ChangeRecord, SnapAction, SnapRecord, State};
use super::{Inner, server};
use crate::host::Result;
use crate::host::snaps::normal_channel;
use crate::testing::hooks::{Phase, Verdict};

pub(crate) fn listen(inner: Arc<Inner>, root: &Path) -> Result<JoinHandle<()>> {
    let listener = server::bind(root, "snapd.socket")?;
    Ok(tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            let inner = inner.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let inner = inner.clone();
                    async move { answer(&inner, request).await }
                });
                // A cut connection is the tap's wish or the client's end.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }))
}

type Reply = (u16, Value);

/// The connection is to be cut.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut by the tap")
    }
}

impl std::error::Error for Cut {}

async fn answer(
    inner: &Arc<Inner>,
    request: Request<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|b| b.to_bytes())
        .unwrap_or_default();
    let title = format!("snapd {} {}", parts.method, parts.uri.path());
    match inner.tap(Phase::Before, &title).await {
        Verdict::Drop => return Err(Cut),
        Verdict::Answer(status, headers, body) => return Ok(raw(status, &headers, body)),
        Verdict::Continue => {}
    }
    server::tick(inner).await;
    let query = parts.uri.query().unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (status, value) = route(inner, &parts.method, parts.uri.path(), query, &body);
    if parts.method != Method::GET {
        server::tick(inner).await;
        inner.changed();
    }
    match inner.tap(Phase::After, &title).await {
        Verdict::Drop => Err(Cut),
        Verdict::Answer(status, headers, body) => Ok(raw(status, &headers, body)),
        Verdict::Continue => Ok(raw(
            status,
            &[("content-type".into(), "application/json".into())],
            value.to_string().into_bytes(),
        )),
    }
}

fn raw(status: u16, headers: &[(String, String)], body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(name.as_str()),
            http::HeaderValue::try_from(value.as_str()),
        ) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn sync(result: Value) -> Reply {
    (
        200,
        json!({"type": "sync", "status-code": 200, "status": "OK", "result": result}),
    )
}

fn error(status: u16, kind: &str, message: &str, value: &str) -> Reply {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|s| s.canonical_reason())
        .unwrap_or("Error");
    let mut result = json!({"message": message});
    if !kind.is_empty() {
        result["kind"] = json!(kind);
        result["value"] = json!(value);
    }
    (
        status,
        json!({"type": "error", "status-code": status, "status": reason, "result": result}),
    )
}

fn route(inner: &Inner, method: &Method, path: &str, query: &str, body: &Value) -> Reply {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let param = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(k, _)| k == name)
            .map(|(_, v)| v.into_owned())
    };
    let now = inner.now();
    let mut state = inner.state();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["v2", "system-info"]) => sync(json!({
            "version": "2.63+22.04", "series": "16", "architecture": "amd64", "on-classic": true, "confinement": "strict",
            "os-release": {"id": "ubuntu", "version-id": "22.04"}, "managed": false
        })),
        ("GET", ["v2", "snaps"]) => sync(Value::Array(
            state
                .snaps
                .iter()
                .map(|(n, s)| describe(&state, n, s))
                .collect(),
        )),
        ("GET", ["v2", "snaps", name]) => match state.snaps.get(*name) {
            Some(snap) => sync(describe(&state, name, snap)),
            None => error(404, "snap-not-found", "snap not installed", name),
        },
        ("POST", ["v2", "snaps", name]) => snap_action(inner, &mut state, now, name, body),
        ("POST", ["v2", "snaps"]) => {
            let action = match body.get("action").and_then(Value::as_str) {
                Some("hold") => SnapAction::Hold,
                Some("unhold") => SnapAction::Unhold,
                other => {
                    return error(
                        400,
                        "",
                        &format!("unsupported multi-snap operation {other:?}"),
                        "",
                    );
                }
            };
            let name = body
                .pointer("/snaps/0")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            if !state.snaps.contains_key(&name) {
                return error(
                    400,
                    "snap-not-installed",
                    &format!("snap \"{name}\" is not installed"),
                    &name,
                );
            }
            begin(&mut state, action, &name, "", now, now)
        }
        ("PUT", ["v2", "snaps", name, "conf"]) => {
            let Some(snap) = state.snaps.get_mut(*name) else {
                return error(404, "snap-not-found", "snap not installed", name);
            };
            for (key, value) in body.as_object().unwrap_or(&Map::new()) {
                snap.config.insert(key.clone(), value.clone());
            }
            begin(&mut state, SnapAction::Configure, name, "", now, now)
        }
        ("GET", ["v2", "changes"]) => {
            let (all, name) = (param("select").as_deref() == Some("all"), param("for"));
            let ready = param("select").as_deref() == Some("ready");
            let found = state
                .changes
                .iter()
                .filter(|c| all || c.ended == ready)
                .filter(|c| name.as_ref().is_none_or(|n| *n == c.snap));
            sync(Value::Array(found.map(|c| change(c, now)).collect()))
        }
        ("GET", ["v2", "changes", id]) => match find(&state, id) {
            Some(c) => sync(change(c, now)),
            None => error(404, "", &format!("cannot find change with id \"{id}\""), ""),
        },
        ("POST", ["v2", "changes", id]) => {
            let Some(at) = state.changes.iter().position(|c| c.id.to_string() == *id) else {
                return error(404, "", &format!("cannot find change with id \"{id}\""), "");
            };
            let c = &mut state.changes[at];
            if c.ended {
                return error(
                    400,
                    "",
                    &format!("cannot abort change {id} with nothing pending"),
                    "",
                );
            }
            (c.ended, c.aborted) = (true, true);
            sync(change(c, now))
        }
        ("GET", ["v2", "apps"]) => {
            let names = param("names").unwrap_or_default();
            let name = names.split('.').next().unwrap_or_default();
            match state.snaps.get(name) {
                Some(snap) => sync(services(&state, name, snap)),
                None => error(
                    404,
                    "snap-not-found",
                    &format!("snap \"{name}\" not found"),
                    name,
                ),
            }
        }
        ("POST", ["v2", "apps"]) => {
            let target = body
                .pointer("/names/0")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            let action = body
                .get("action")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let (name, service) = target
                .split_once('.')
                .map_or((target.as_str(), None), |(n, s)| (n, Some(s)));
            let known = known_services(name);
            let Some(snap) = state.snaps.get_mut(name) else {
                return error(
                    404,
                    "snap-not-found",
                    &format!("snap \"{name}\" not found"),
                    name,
                );
            };
            for one in known.iter().filter(|k| service.is_none_or(|s| s == **k)) {
                snap.stopped.retain(|s| s != one);
                if action == "stop" {
                    snap.stopped.push((*one).to_owned());
                }
            }
            begin(&mut state, SnapAction::Service, name, "", now, now)
        }
        _ => error(404, "", "not found", ""),
    }
}

fn snap_action(inner: &Inner, state: &mut State, now: Duration, name: &str, body: &Value) -> Reply {
    let channel = normal_channel(
        body.get("channel")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    );
    if state.changes.iter().any(|c| !c.ended && c.snap == name) {
        return error(
            409,
            "snap-change-conflict",
            &format!("snap \"{name}\" has \"install-snap\" change in progress"),
            name,
        );
    }
    let lasts = inner
        .durations
        .snap_install
        .get(name)
        .copied()
        .unwrap_or_default();
    let there = state.snaps.get(name).map(|s| s.channel.clone());
    match (body.get("action").and_then(Value::as_str), there) {
        (Some("install"), Some(_)) => error(
            400,
            "snap-already-installed",
            &format!("snap \"{name}\" is already installed, see 'snap help refresh'"),
            name,
        ),
        (Some("install"), None) if name.starts_with("no-such") => {
            error(404, "snap-not-found", "snap not found", name)
        }
        (Some("install"), None) if channel.starts_with("99") => error(
            404,
            "snap-channel-not-available",
            "no snap revision available as specified",
            name,
        ),
        (Some("install"), None) => {
            begin(state, SnapAction::Install, name, &channel, now, now + lasts)
        }
        (Some("refresh"), Some(from)) if from == channel => error(
            400,
            "snap-no-update-available",
            "snap has no updates available",
            name,
        ),
        (Some("refresh"), Some(_)) => {
            begin(state, SnapAction::Refresh, name, &channel, now, now + lasts)
        }
        (Some("remove"), Some(_)) => begin(
            state,
            SnapAction::Remove,
            name,
            &channel,
            now,
            now + inner.durations.snap_remove,
        ),
        (Some("refresh" | "remove"), None) => error(
            400,
            "snap-not-installed",
            &format!("snap \"{name}\" is not installed"),
            name,
        ),
        (other, _) => error(400, "", &format!("unknown action {other:?}"), ""),
    }
}

fn begin(
    state: &mut State,
    action: SnapAction,
    snap: &str,
    channel: &str,
    start: Duration,
    due: Duration,
) -> Reply {
    let id = state.changes.last().map_or(1, |c| c.id + 1);
    state.changes.push(ChangeRecord {
        id,
        action,
        snap: snap.into(),
        channel: channel.into(),
        start,
        due,
        ended: false,
        error: None,
        aborted: false,
    });
    (
        202,
        json!({"type": "async", "status-code": 202, "status": "Accepted", "result": null, "change": id.to_string()}),
    )
}

fn find<'a>(state: &'a State, id: &str) -> Option<&'a ChangeRecord> {
    state.changes.iter().find(|c| c.id.to_string() == id)
}

fn change(c: &ChangeRecord, now: Duration) -> Value {
    let (kind, summary) = match c.action {
        SnapAction::Install => (
            "install-snap",
            format!("Install \"{}\" snap from \"{}\" channel", c.snap, c.channel),
        ),
        SnapAction::Refresh => (
            "refresh-snap",
            format!("Refresh \"{}\" snap from \"{}\" channel", c.snap, c.channel),
        ),
        SnapAction::Remove => ("remove-snap", format!("Remove \"{}\" snap", c.snap)),
        SnapAction::Hold => (
            "hold-snap",
            format!("Hold general refreshes for \"{}\"", c.snap),
        ),
        SnapAction::Unhold => (
            "unhold-snap",
            format!("Remove refresh hold on \"{}\"", c.snap),
        ),
        SnapAction::Configure => (
            "configure-snap",
            format!("Change configuration of \"{}\" snap", c.snap),
        ),
        SnapAction::Service => (
            "service-control",
            format!("Running service command for snap \"{}\"", c.snap),
        ),
    };
    let status = match (c.ended, &c.error, c.aborted) {
        (false, ..) => "Doing",
        (true, Some(_), _) => "Error",
        (true, None, true) => "Undone",
        (true, None, false) => "Done",
    };
    let whole = c.due.saturating_sub(c.start).as_millis().max(1);
    let part = now.saturating_sub(c.start).as_millis().min(whole);
    let downloads = matches!(c.action, SnapAction::Install | SnapAction::Refresh);
    let total: u64 = if downloads { 180_000_000 } else { 1 };
    let done = u64::try_from(u128::from(total) * part / whole).unwrap_or(total);
    let (task, label) = if downloads {
        (
            "download-snap",
            format!(
                "Download snap \"{}\" from channel \"{}\"",
                c.snap, c.channel
            ),
        )
    } else {
        (kind, summary.clone())
    };
    let log: Vec<String> = c
        .error
        .iter()
        .map(|e| format!("2026-01-01T00:00:00Z ERROR {e}"))
        .collect();
    let mut value = json!({
        "id": c.id.to_string(), "kind": kind, "summary": summary, "status": status, "ready": c.ended,
        "spawn-time": "2026-01-01T00:00:00Z",
        "tasks": [{"id": format!("{}1", c.id), "kind": task, "summary": label, "status": status, "log": log,
            "progress": {"label": "", "done": if c.ended { total } else { done }, "total": total}}],
    });
    if let Some(e) = &c.error {
        value["err"] = json!(format!(
            "cannot perform the following tasks:\n- {label} ({e})"
        ));
    }
    value
}

fn known_services(name: &str) -> &'static [&'static str] {
    match name {
        "maas" => &["supervisor"],
        "lxd" => &["activate", "daemon", "user-daemon"],
        _ => &[],
    }
}

fn services(state: &State, name: &str, snap: &SnapRecord) -> Value {
    let running = name != "maas" || state.maas.is_some();
    let list = known_services(name).iter().map(|service| {
        let mut app =
            json!({"snap": name, "name": service, "daemon": "simple", "daemon-scope": "system"});
        // snapd leaves out what is false.
        if running && !snap.stopped.iter().any(|s| s == service) {
            app["enabled"] = json!(true);
            app["active"] = json!(true);
        }
        app
    });
    Value::Array(list.collect())
}

fn describe(state: &State, name: &str, snap: &SnapRecord) -> Value {
    let mut value = json!({
        "id": format!("{name}-id"), "name": name, "title": name, "type": "app", "status": "active", "version": snap.version,
        "revision": snap.revision, "channel": snap.channel.split('/').nth(1).unwrap_or("stable"), "tracking-channel": snap.channel,
        "confinement": "strict", "devmode": false, "jailmode": false, "private": false,
        "publisher": {"id": "canonical", "username": "canonical", "display-name": "Canonical", "validation": "verified"},
        "apps": services(state, name, snap),
    });
    if snap.held {
        value["hold"] = json!("2315-08-21T00:00:00Z");
    }
    value
}

/// Ends the changes that are due.
pub(crate) async fn tick(inner: &Inner) {
    loop {
        let now = inner.now();
        let due = inner
            .state()
            .changes
            .iter()
            .filter(|c| !c.ended && c.due <= now)
            .min_by_key(|c| c.due)
            .cloned();
        let Some(c) = due else { return };
        match c.action {
            SnapAction::Install => {
                for folder in [
                    format!("/snap/{}", c.snap),
                    format!("/var/snap/{}/common", c.snap),
                    format!("/var/snap/{}/current", c.snap),
                ] {
                    let _ = inner.files.mkdir(folder, 0o755).await;
                }
                inner.world.snap_installed(&c.snap, &c.channel).await;
            }
            SnapAction::Remove => {
                for folder in [format!("/snap/{}", c.snap), format!("/var/snap/{}", c.snap)] {
                    let _ = inner.files.remove_dir(folder).await;
                }
                inner.world.snap_removed(&c.snap).await;
            }
            _ => {}
        }
        {
            let mut state = inner.state();
            apply(&mut state, &c);
            if let Some(record) = state.changes.iter_mut().find(|r| r.id == c.id) {
                record.ended = true;
            }
        }
        inner.changed();
    }
}

fn apply(state: &mut State, c: &ChangeRecord) {
    match c.action {
        SnapAction::Install => {
            let version = c.channel.split('/').next().unwrap_or("1").to_owned();
            let version = match c.snap.as_str() {
                "maas" => format!("{version}.2-14353-g.5a5221d57"),
                "lxd" if version == "latest" => "6.1-78a3d8f".to_owned(),
                _ => format!("{version}.0"),
            };
            state.count(format!("snap:{}", c.snap));
            state.snaps.insert(
                c.snap.clone(),
                SnapRecord {
                    channel: c.channel.clone(),
                    version,
                    revision: (30_000 + c.id).to_string(),
                    held: false,
                    config: Map::new(),
                    stopped: Vec::new(),
                },
            );
        }
        SnapAction::Refresh => {
            if let Some(snap) = state.snaps.get_mut(&c.snap) {
                snap.channel.clone_from(&c.channel);
            }
        }
        SnapAction::Remove => {
            state.snaps.remove(&c.snap);
            if c.snap == "maas" {
                state.maas = None;
            }
        }
        SnapAction::Hold | SnapAction::Unhold => {
            if let Some(snap) = state.snaps.get_mut(&c.snap) {
                snap.held = c.action == SnapAction::Hold;
            }
        }
        SnapAction::Configure | SnapAction::Service => {}
    }
}
