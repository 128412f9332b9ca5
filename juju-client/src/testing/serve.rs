//! The sockets: TLS, websocket handshake, login, one task a call.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::calls::{self, Refusal, Request};
use super::state::{Model, Shared, State, VaultState};
use super::{Builder, Identity, Instance, Phase, Provider, StartInstance, Verdict, answer, world};
use crate::api::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};

/// Gives every machine at once.
struct Plenty;

#[async_trait]
impl Provider for Plenty {
    async fn start_instance(&self, start: StartInstance) -> std::result::Result<Instance, String> {
        let n: u64 = start.machine_id.parse().unwrap_or(0);
        Ok(Instance {
            system_id: format!("node{n}"),
            hostname: format!("node{n}"),
            addresses: vec![format!("10.20.{}.{}", n / 200, 20 + n % 200)],
        })
    }

    async fn stop_instance(&self, _: &str) -> std::result::Result<(), String> {
        Ok(())
    }

    async fn instance_running(&self, _: &str) -> bool {
        true
    }
}

static FACADES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("facades.json")).unwrap_or_default());

fn facades(s: &State, model: bool) -> &'static serde_json::Map<String, Value> {
    static NONE: LazyLock<serde_json::Map<String, Value>> = LazyLock::new(serde_json::Map::new);
    let family = if s.version.starts_with("3.1") || s.version.starts_with("3.2") {
        "3.1"
    } else if s.is_3x() {
        "3.6"
    } else {
        "4.0"
    };
    FACADES[family][if model { "model" } else { "controller" }]
        .as_object()
        .unwrap_or(&NONE)
}

fn new_state(b: &mut Builder) -> Result<State> {
    let identity = match b.identity.take() {
        Some(i) => i,
        None => Identity::generate()?,
    };
    let (cloud, endpoint) = b
        .cloud
        .take()
        .unwrap_or_else(|| ("maas".into(), "http://127.0.0.1:5240/MAAS".into()));
    let controller = Model {
        name: "controller".into(),
        uuid: identity.model_uuid.clone(),
        owner: "admin".into(),
        cloud: cloud.clone(),
        region: "default".into(),
        spaces: vec!["alpha".into()],
        ..Model::default()
    };
    // The region that bootstrap gives a cloud without any.
    let region = crate::api::cloud::Region {
        name: "default".into(),
        endpoint: endpoint.clone(),
    };
    let mut own = Cloud::maas(endpoint);
    own.is_controller_cloud = true;
    own.regions = vec![region];
    Ok(State {
        version: b.version.take().unwrap_or_else(|| "3.6.9".into()),
        name: b.name.take().unwrap_or_else(|| "controller".into()),
        users: [("admin".to_owned(), identity.password.clone())].into(),
        clouds: [(cloud.clone(), own)].into(),
        controller_cloud: cloud,
        credentials: BTreeMap::new(),
        models: [(controller.uuid.clone(), controller)].into(),
        vault: VaultState::default(),
        vault_ca_at: None,
        unit_errors: BTreeMap::new(),
        machine_faults: BTreeMap::new(),
        counts: BTreeMap::new(),
        durations: b.durations.clone().unwrap_or_default(),
        destroyed_at: None,
        model_defaults: BTreeMap::new(),
        relation_data: BTreeMap::new(),
        identity,
    })
}

pub(super) async fn start(mut b: Builder) -> Result<(Arc<Shared>, CancellationToken)> {
    let failed = |e: String| Error::new(ErrorKind::Invalid, "start the fake controller", e);
    let state = match b.state.take() {
        Some(v) => {
            let mut s: State = serde_json::from_value(v).map_err(|e| failed(e.to_string()))?;
            if let Some(d) = b.durations.clone() {
                s.durations = d;
            }
            s
        }
        None => new_state(&mut b)?,
    };
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(super::tls::server(&state.identity)?));
    let listen = b.listen.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|e| failed(format!("{listen}: {e}")))?;
    let addr = listener.local_addr().map_err(|e| failed(e.to_string()))?;
    let begin = Instant::now();
    let (cut, _) = watch::channel(0);
    let shared = Arc::new(Shared {
        addr,
        advertise: std::mem::take(&mut b.advertise),
        clock: b
            .clock
            .take()
            .unwrap_or_else(|| Arc::new(move || begin.elapsed())),
        provider: b.provider.take().unwrap_or_else(|| Arc::new(Plenty)),
        actions: b.actions.take(),
        tap: b.tap.take(),
        changed: b.changed.take(),
        state: Mutex::new(state),
        calls: Mutex::new(BTreeMap::new()),
        ready: RwLock::new(BTreeMap::new()),
        advancing: tokio::sync::Mutex::new(()),
        cut,
    });
    let stop = CancellationToken::new();
    let ticking = shared.clone();
    let until = stop.clone();
    tokio::spawn(async move {
        while !until.is_cancelled() {
            tokio::select! {
                () = until.cancelled() => return,
                () = async { world::advance(&ticking).await; tokio::time::sleep(Duration::from_millis(10)).await } => {}
            }
        }
    });
    let serving = shared.clone();
    let until = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = until.cancelled() => return,
                accepted = listener.accept() => {
                    let Ok((tcp, _)) = accepted else { continue };
                    // A controller that has been destroyed does not answer any more.
                    let now = serving.now();
                    if serving.with(|s| s.destroyed_at.is_some_and(|t| t <= now)) {
                        continue;
                    }
                    let (shared, tls, until) = (serving.clone(), tls.clone(), until.clone());
                    tokio::spawn(async move {
                        let mut cut = shared.cut.subscribe();
                        cut.mark_unchanged();
                        tokio::select! {
                            () = until.cancelled() => {}
                            _ = cut.changed() => {}
                            () = super::https::connection(shared.clone(), tls, tcp, until.clone()) => {}
                        }
                    });
                }
            }
        }
    });
    Ok((shared, stop))
}

/// What a connection knows of itself.
struct Session {
    model: Option<String>,
    /// A path of a model that is not there: every call says so.
    unknown_model: bool,
    user: Mutex<Option<String>>,
    watchers: Mutex<BTreeMap<String, Watcher>>,
}

/// What a watcher has told.
#[derive(Default)]
struct Watcher {
    seen: BTreeMap<(String, String), Value>,
    told: bool,
    stopped: bool,
    /// The action whose log is watched, and how much of it was told.
    action: Option<u64>,
    logged: usize,
}

/// The RPC of one websocket, until it ends.
pub(super) async fn rpc(shared: &Arc<Shared>, ws: super::https::Ws, model: Option<String>) {
    let unknown_model = model
        .as_ref()
        .is_some_and(|m| !shared.with(|s| s.models.contains_key(m)));
    let session = Arc::new(Session {
        model,
        unknown_model,
        user: Mutex::new(None),
        watchers: Mutex::new(BTreeMap::new()),
    });
    let (mut sink, mut stream) = ws.split();
    // `None` cuts the connection.
    let (tx, mut rx) = mpsc::unbounded_channel::<Option<Message>>();
    let mut calls = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            out = rx.recv() => {
                let Some(Some(first)) = out else { return };
                if sink.feed(first).await.is_err() {
                    return;
                }
                // What else is ready goes in the same write.
                while let Ok(next) = rx.try_recv() {
                    let Some(next) = next else { let _ = sink.flush().await; return };
                    if sink.feed(next).await.is_err() {
                        return;
                    }
                }
                if sink.flush().await.is_err() {
                    return;
                }
            },
            message = stream.next() => {
                let text = match message {
                    Some(Ok(Message::Text(t))) => bytes::Bytes::from(t),
                    Some(Ok(Message::Binary(b))) => b,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => { let _ = sink.flush().await; continue }
                };
                // The server closes on what is no request of its RPC.
                let request = match serde_json::Deserializer::from_slice(&text).into_iter::<Value>().next() {
                    Some(Ok(v)) if v["request-id"].as_u64().is_some_and(|n| n > 0) && v["type"].is_string() => v,
                    _ => { let _ = sink.send(Message::Close(None)).await; return }
                };
                if let Some(frame) = ready(shared, &session, &request) {
                    let _ = tx.send(Some(frame));
                    continue;
                }
                let (shared, session, tx) = (shared.clone(), session.clone(), tx.clone());
                // Logins are in order; everything else is answered as it comes.
                if request["type"] == "Admin" {
                    handle(&shared, &session, request, &tx).await;
                } else {
                    calls.spawn(async move { handle(&shared, &session, request, &tx).await });
                }
            }
        }
    }
}

async fn handle(
    shared: &Arc<Shared>,
    session: &Session,
    request: Value,
    tx: &mpsc::UnboundedSender<Option<Message>>,
) {
    let (facade, method) = (
        request["type"].as_str().unwrap_or_default(),
        request["request"].as_str().unwrap_or_default(),
    );
    let name = format!("{facade}.{method}");
    if let Ok(mut c) = shared.calls.lock() {
        *c.entry(name.clone()).or_default() += 1;
    }
    if let Some(verdict) = tap(shared, Phase::Before, &name).await {
        let _ = tx.send(refusal(verdict, &request));
        return;
    }
    let answer = dispatch(shared, session, &request).await;
    if let Some(verdict) = tap(shared, Phase::After, &name).await {
        let _ = tx.send(refusal(verdict, &request));
        return;
    }
    let id = &request["request-id"];
    let frame = match answer {
        Ok(v) => json!({"request-id": id, "response": v}),
        Err(Refusal { message, code }) if code.is_empty() => {
            json!({"request-id": id, "error": message, "response": {}})
        }
        Err(Refusal { message, code }) => {
            json!({"request-id": id, "error": message, "error-code": code, "response": {}})
        }
    };
    let _ = tx.send(Some(Message::text(frame.to_string())));
}

/// An answer that was made beforehand, for whoever is logged in.
fn ready(shared: &Shared, session: &Session, request: &Value) -> Option<Message> {
    let all = shared.ready.read().ok().filter(|r| !r.is_empty())?;
    let (facade, method) = (request["type"].as_str()?, request["request"].as_str()?);
    let response = all.get(&format!("{facade}.{method}"))?;
    session.user.lock().ok()?.as_ref()?;
    let id = &request["request-id"];
    Some(Message::text(format!(
        "{{\"request-id\":{id},\"response\":{response}}}"
    )))
}

/// `Some` when the call goes no further: what to send, or nothing to cut the connection.
async fn tap(shared: &Shared, phase: Phase, name: &str) -> Option<Option<String>> {
    match shared.tap.as_ref()?(phase, name).await {
        Verdict::Continue => None,
        Verdict::Drop => Some(None),
        Verdict::Answer(_, _, body) => Some(Some(String::from_utf8_lossy(&body).into_owned())),
    }
}

fn refusal(verdict: Option<String>, request: &Value) -> Option<Message> {
    verdict.map(|message| {
        let frame = json!({"request-id": request["request-id"], "error": message, "response": {}});
        Message::text(frame.to_string())
    })
}

async fn dispatch(
    shared: &Arc<Shared>,
    session: &Session,
    request: &Value,
) -> std::result::Result<Value, Refusal> {
    let text = |k: &str| request[k].as_str().unwrap_or_default();
    let (facade, method) = (text("type"), text("request"));
    let version = request["version"].as_u64().unwrap_or(0);
    let params = &request["params"];
    if session.unknown_model {
        let uuid = session.model.as_deref().unwrap_or_default();
        return calls::refuse(format!("unknown model: {uuid:?}"), "model not found");
    }
    let user = session.user.lock().map(|u| u.clone()).unwrap_or_default();
    if facade == "Admin" {
        if user.is_some() {
            return calls::refuse(
                format!(
                    "facade \"Admin\" not supported for {} API connection",
                    kind(session)
                ),
                "not supported",
            );
        }
        if version != 3 {
            return calls::refuse(
                "this version of Juju does not support login from old clients",
                "not supported",
            );
        }
        return match method {
            "Login" => login(shared, session, params),
            "RedirectInfo" => calls::refuse("not redirected", ""),
            _ => calls::refuse(
                format!("unknown method {method:?} at version 0 for facade type \"Admin\""),
                "not implemented",
            ),
        };
    }
    let Some(user) = user else {
        return calls::refuse(
            format!("unknown version {version} for facade type {facade:?}"),
            "not implemented",
        );
    };
    // Logged in, a model may still have gone since.
    if let Some(uuid) = session
        .model
        .as_ref()
        .filter(|m| shared.with(|s| !s.models.contains_key(*m)))
    {
        return calls::refuse(format!("unknown model: {uuid:?}"), "model not found");
    }
    let known = shared.with(|s| facades(s, session.model.is_some()).get(facade).cloned());
    let Some(versions) = known else {
        return calls::refuse(
            format!(
                "facade {facade:?} not supported for {} API connection",
                kind(session)
            ),
            "not supported",
        );
    };
    if !versions
        .as_array()
        .is_some_and(|v| v.iter().any(|x| x.as_u64() == Some(version)))
    {
        return calls::refuse(
            format!("unknown version {version} for facade type {facade:?}"),
            "not implemented",
        );
    }
    match (facade, method) {
        ("Action", "WatchActionsProgress") => watch_progress(shared, session, params),
        ("StringsWatcher", _) => {
            let id = request["id"].as_str().unwrap_or_default();
            progress(shared, session, id, method).await
        }
        ("Client", "WatchAll") if shared.with(|s| s.is_3x()) => watch_all(session),
        ("AllWatcher", _) => {
            // Go decodes keys in any case, and libjuju writes `Id`.
            let id = request["id"].as_str().or_else(|| request["Id"].as_str());
            watcher(shared, session, id.unwrap_or_default(), method).await
        }
        _ => calls::call(
            shared,
            &Request {
                facade,
                version,
                method,
                params,
                user: &user,
                model: session.model.as_deref(),
            },
        ),
    }
}

fn kind(s: &Session) -> &'static str {
    if s.model.is_some() {
        "model"
    } else {
        "controller"
    }
}

fn login(
    shared: &Shared,
    session: &Session,
    params: &Value,
) -> std::result::Result<Value, Refusal> {
    let tag = params["auth-tag"].as_str().unwrap_or_default();
    let given = params["credentials"].as_str().unwrap_or_default();
    let unauthorized = || calls::refuse("invalid entity name or password", "unauthorized access");
    let Some(name) = tag.strip_prefix("user-") else {
        return if tag.is_empty() {
            calls::refuse(
                "failed to authenticate request: unauthorized",
                "unauthorized access",
            )
        } else {
            unauthorized()
        };
    };
    shared.with(|s| {
        if given.is_empty() && s.users.contains_key(name) {
            return Ok(json!({"discharge-required": {}, "bakery-discharge-required": {}, "discharge-required-error": "macaroon discharge required: authentication required"}));
        }
        if s.password(name).as_deref() != Some(given) {
            return unauthorized();
        }
        if let Ok(mut u) = session.user.lock() {
            *u = Some(name.to_owned());
        }
        let servers: Vec<Value> = shared
            .addresses(s)
            .iter()
            .filter_map(|a| a.rsplit_once(':').map(|(h, p)| json!({"value": h.trim_matches(['[', ']']), "type": "ipv4", "scope": "public", "port": p.parse::<u16>().unwrap_or(17070)})))
            .collect();
        let facades: Vec<Value> = facades(s, session.model.is_some()).iter().map(|(n, v)| json!({"name": n, "versions": v})).collect();
        let mut v = json!({"servers": [servers]});
        if let Some(m) = &session.model {
            v["model-tag"] = json!(format!("model-{m}"));
        }
        v["controller-tag"] = json!(format!("controller-{}", s.identity.controller_uuid));
        v["user-info"] = json!({"display-name": "", "identity": tag, "controller-access": "superuser", "model-access": if session.model.is_some() { "admin" } else { "" }});
        v["facades"] = json!(facades);
        v["server-version"] = json!(s.version);
        Ok(v)
    })
}

/// A watch of what an action logs.
fn watch_progress(
    shared: &Shared,
    session: &Session,
    params: &Value,
) -> std::result::Result<Value, Refusal> {
    let model = session.model.clone().unwrap_or_default();
    let mut results = Vec::new();
    for e in params["entities"].as_array().into_iter().flatten() {
        let tag = e["tag"].as_str().unwrap_or_default();
        let n = tag
            .strip_prefix("action-")
            .and_then(|n| n.parse::<u64>().ok());
        let known = n.is_some_and(|n| {
            shared.with(|s| {
                s.models
                    .get(&model)
                    .is_some_and(|m| m.actions.contains_key(&n))
            })
        });
        if !known {
            results.push(calls::error(
                format!("action {tag:?} not found"),
                "not found",
            ));
            continue;
        }
        if let Ok(mut w) = session.watchers.lock() {
            let id = format!("progress-{}", w.len() + 1);
            let watcher = Watcher {
                action: n,
                ..Watcher::default()
            };
            w.insert(id.clone(), watcher);
            results.push(json!({"watcher-id": id}));
        }
    }
    Ok(json!({"results": results}))
}

async fn progress(
    shared: &Shared,
    session: &Session,
    id: &str,
    method: &str,
) -> std::result::Result<Value, Refusal> {
    let gone = || calls::refuse("unknown watcher id", "not found");
    let model = session.model.clone().unwrap_or_default();
    loop {
        {
            let Ok(mut all) = session.watchers.lock() else {
                return gone();
            };
            let Some(w) = all.get_mut(id) else {
                return gone();
            };
            if method == "Stop" {
                w.stopped = true;
                return Ok(json!({}));
            }
            if w.stopped {
                return calls::refuse("watcher was stopped", "stopped");
            }
            let n = w.action.unwrap_or_default();
            let log = shared.with(|s| {
                let a = s.models.get(&model)?.actions.get(&n)?;
                Some(a.log.clone())
            });
            let log = log.unwrap_or_default();
            // The first answer is empty, as 4.0's.
            if !w.told {
                w.told = true;
                return Ok(json!({"watcher-id": "", "changes": null}));
            }
            if log.len() > w.logged {
                let changes: Vec<String> = log[w.logged..]
                    .iter()
                    .map(|(t, m)| json!({"message": m, "timestamp": answer::time(*t)}).to_string())
                    .collect();
                w.logged = log.len();
                return Ok(json!({"watcher-id": "", "changes": changes}));
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn watch_all(session: &Session) -> std::result::Result<Value, Refusal> {
    let Ok(mut w) = session.watchers.lock() else {
        return calls::refuse("the watchers are lost", "");
    };
    let id = (w.len() + 1).to_string();
    w.insert(id.clone(), Watcher::default());
    Ok(json!({"watcher-id": id}))
}

async fn watcher(
    shared: &Shared,
    session: &Session,
    id: &str,
    method: &str,
) -> std::result::Result<Value, Refusal> {
    let gone = || calls::refuse("unknown watcher id", "not found");
    if method == "Stop" {
        if let Ok(mut w) = session.watchers.lock() {
            match w.get_mut(id) {
                Some(w) => w.stopped = true,
                None => return gone(),
            }
        }
        return Ok(json!({}));
    }
    let model = session.model.clone().unwrap_or_default();
    loop {
        let now = shared.now();
        let Some(fresh) =
            shared.with(|s| s.models.get(&model).map(|m| answer::entities(s, m, now)))
        else {
            return gone();
        };
        {
            let Ok(mut all) = session.watchers.lock() else {
                return gone();
            };
            let Some(w) = all.get_mut(id) else {
                return gone();
            };
            if w.stopped {
                return calls::refuse("watcher was stopped", "stopped");
            }
            let mut deltas: Vec<Value> = fresh
                .iter()
                .filter(|(k, v)| w.seen.get(*k) != Some(*v))
                .map(|((kind, _), v)| json!([kind, "change", v]))
                .collect();
            deltas.extend(
                w.seen
                    .iter()
                    .filter(|(k, _)| !fresh.contains_key(*k))
                    .map(|((kind, _), v)| json!([kind, "remove", v])),
            );
            if !deltas.is_empty() || !w.told {
                w.seen = fresh;
                w.told = true;
                return Ok(json!({"deltas": deltas}));
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
