//! The HTTPS side of the fake: uploads, and the way to the websockets.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::Digest as _;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;

use super::state::{Shared, UploadedResource};
use super::{Phase, Verdict};

pub(super) type Ws = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

type Answer = Response<Full<Bytes>>;

/// Archives and resources of tests are small.
const MAX_BODY: usize = 64 << 20;

/// One TLS connection, until it ends or is cut.
pub(super) async fn connection(
    shared: Arc<Shared>,
    tls: tokio_rustls::TlsAcceptor,
    tcp: TcpStream,
    until: CancellationToken,
) {
    let _ = tcp.set_nodelay(true);
    let Ok(Ok(tls)) = tokio::time::timeout(Duration::from_secs(10), tls.accept(tcp)).await else {
        return;
    };
    let service = hyper::service::service_fn(move |request| {
        let (shared, until) = (shared.clone(), until.clone());
        async move { Ok::<_, Infallible>(route(&shared, request, &until).await) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(tls), service)
        .with_upgrades();
    // A client that goes away is no error of the server's.
    let _ = serving.await;
}

fn plain(status: u16, body: impl Into<String>) -> Answer {
    build(
        status,
        &[("Content-Type", "text/plain; charset=utf-8")],
        body.into(),
    )
}

fn build(status: u16, headers: &[(&str, &str)], body: String) -> Answer {
    let mut r = Response::builder().status(status);
    for (k, v) in headers {
        r = r.header(*k, *v);
    }
    r.body(Full::new(Bytes::from(body))).unwrap_or_default()
}

fn object(status: u16, v: &Value) -> Answer {
    build(
        status,
        &[("Content-Type", "application/json")],
        v.to_string(),
    )
}

fn charm_error(message: &str) -> Answer {
    object(
        400,
        &json!({"error": format!("uploading charm: {message}"), "error-code": "bad request"}),
    )
}

fn resource_error(status: u16, message: String, code: &str) -> Answer {
    object(
        status,
        &json!({"error": {"message": message, "code": code}}),
    )
}

async fn route(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    until: &CancellationToken,
) -> Answer {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match &parts[..] {
        ["health"] => plain(200, "running\n"),
        [""] | ["api"] => upgrade(shared, request, until, Socket::Rpc(None)),
        ["model", uuid, "api"] if uuid::Uuid::parse_str(uuid).is_ok() => upgrade(
            shared,
            request,
            until,
            Socket::Rpc(Some((*uuid).to_owned())),
        ),
        ["model", uuid, "api"] => plain(400, format!("invalid model UUID {uuid:?}\n")),
        ["log"] => {
            let model = shared.with(|s| s.identity.model_uuid.clone());
            upgrade(shared, request, until, Socket::Log(model))
        }
        ["model", uuid, "log"] => upgrade(shared, request, until, Socket::Log((*uuid).to_owned())),
        [model, "charms", object] if model.starts_with("model-") => {
            let (uuid, object) = (model[6..].to_owned(), (*object).to_owned());
            with_body(shared, request, move |shared, head, body| {
                charm(shared, &head, &uuid, &object, &body)
            })
            .await
        }
        ["model", uuid, "charms"] if shared.with(|s| s.is_3x()) => {
            let uuid = (*uuid).to_owned();
            with_body(shared, request, move |shared, head, body| {
                old_charm(shared, &head, &uuid, &body)
            })
            .await
        }
        ["model", uuid, "applications", app, "resources", name] => {
            let (uuid, app, name) = ((*uuid).to_owned(), (*app).to_owned(), (*name).to_owned());
            with_body(shared, request, move |shared, head, body| {
                resource(shared, &head, &uuid, &app, &name, &body)
            })
            .await
        }
        _ => plain(404, "404 page not found\n"),
    }
}

/// Which websocket is opened.
enum Socket {
    Rpc(Option<String>),
    Log(String),
}

fn upgrade(
    shared: &Arc<Shared>,
    mut request: Request<Incoming>,
    until: &CancellationToken,
    socket: Socket,
) -> Answer {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let key = header("sec-websocket-key");
    if !header("upgrade").eq_ignore_ascii_case("websocket") || key.is_empty() {
        return build(
            400,
            &[
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Sec-Websocket-Version", "13"),
            ],
            "Bad Request\n".into(),
        );
    }
    let accept = derive_accept_key(key.as_bytes());
    let login = authorise(shared, &header("authorization"));
    let query = query(request.uri().query().unwrap_or_default());
    let upgraded = hyper::upgrade::on(&mut request);
    let (shared, until) = (shared.clone(), until.clone());
    tokio::spawn(async move {
        let Ok(io) = upgraded.await else { return };
        let config = WebSocketConfig::default()
            .max_message_size(Some(512 << 20))
            .max_frame_size(Some(512 << 20));
        let ws =
            WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, Some(config)).await;
        let mut cut = shared.cut.subscribe();
        cut.mark_unchanged();
        let serving = async {
            match socket {
                Socket::Rpc(model) => super::serve::rpc(&shared, ws, model).await,
                Socket::Log(model) => super::logs::serve(&shared, ws, &model, login, &query).await,
            }
        };
        tokio::select! {
            () = until.cancelled() => {}
            _ = cut.changed() => {}
            () = serving => {}
        }
    });
    build(
        101,
        &[
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", &accept),
        ],
        String::new(),
    )
}

pub(super) fn query(q: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(q.as_bytes())
        .into_owned()
        .collect()
}

/// Whether the `Authorization` is a user's; else what the server says, and its code.
pub(super) fn authorise(
    shared: &Shared,
    header: &str,
) -> Result<String, (&'static str, &'static str)> {
    let wrong = (
        "authentication failed: invalid entity name or password",
        "unauthorized access",
    );
    let Some(encoded) = header.strip_prefix("Basic ") else {
        return Err((
            "authentication failed: no credentials provided",
            "no credentials provided",
        ));
    };
    let pair = base64::engine::general_purpose::STANDARD
        .decode(encoded.trim())
        .ok()
        .and_then(|b| String::from_utf8(b).ok())
        .unwrap_or_default();
    let (tag, password) = pair.split_once(':').unwrap_or_default();
    let user = tag.strip_prefix("user-").unwrap_or(tag);
    if shared.with(|s| s.password(user)).as_deref() == Some(password) {
        Ok(user.to_owned())
    } else {
        Err(wrong)
    }
}

/// What is known of a request beside its body.
struct Head {
    method: Method,
    query: Vec<(String, String)>,
    headers: http::HeaderMap,
    user: String,
}

impl Head {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    fn param(&self, name: &str) -> &str {
        self.query
            .iter()
            .find(|(k, _)| k == name)
            .map_or("", |(_, v)| v)
    }
}

async fn with_body(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    then: impl FnOnce(&Shared, Head, Bytes) -> Answer,
) -> Answer {
    let (parts, body) = request.into_parts();
    let name = format!("{} {}", parts.method, parts.uri.path());
    let authorization = parts
        .headers
        .get(http::header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let login = authorise(shared, authorization);
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return plain(400, "the body cannot be read\n");
    };
    let user = match login {
        Ok(u) => u,
        Err((message, _)) => return plain(401, format!("{message}\n")),
    };
    if let Ok(mut c) = shared.calls.lock() {
        *c.entry(name.clone()).or_default() += 1;
    }
    if let Some(a) = tap(shared, Phase::Before, &name).await {
        return a;
    }
    let head = Head {
        query: query(parts.uri.query().unwrap_or_default()),
        method: parts.method,
        headers: parts.headers,
        user,
    };
    let answer = then(shared, head, body.to_bytes());
    match tap(shared, Phase::After, &name).await {
        Some(a) => a,
        None => answer,
    }
}

async fn tap(shared: &Shared, phase: Phase, name: &str) -> Option<Answer> {
    match shared.tap.as_ref()?(phase, name).await {
        Verdict::Continue => None,
        Verdict::Drop => {
            // Every connection of the fake's is its own task: cutting all is what a drop of one comes to for who uploads.
            shared.cut.send_modify(|n| *n += 1);
            Some(plain(500, "cut\n"))
        }
        Verdict::Answer(status, headers, body) => {
            let mut r = Response::builder().status(status);
            for (k, v) in headers {
                r = r.header(k, v);
            }
            r.body(Full::new(body)).ok()
        }
    }
}

fn charm(shared: &Shared, head: &Head, uuid: &str, object_name: &str, body: &Bytes) -> Answer {
    let Some((name, hash)) = object_name.rsplit_once('-') else {
        return charm_error("resolving uploaded charm: charm hash mismatch");
    };
    if head.method == Method::GET {
        let known = shared.with(|s| {
            s.models.get(uuid).is_some_and(|m| {
                m.uploaded
                    .values()
                    .any(|u| u["sha256"].as_str().is_some_and(|h| h.starts_with(hash)))
            })
        });
        return if known {
            build(200, &[("Content-Type", "application/zip")], String::new())
        } else {
            plain(404, "404 page not found\n")
        };
    }
    if head.method != Method::PUT {
        return plain(405, "Method Not Allowed\n");
    }
    if head.header("content-type") != Some("application/zip") {
        return charm_error(&format!(
            "expected Content-Type: application/zip, got: {}",
            head.header("content-type").unwrap_or_default()
        ));
    }
    let Some(curl) = head.header("juju-curl").map(str::to_owned) else {
        return charm_error("missing \"Juju-Curl\" header");
    };
    if !curl.starts_with("local:") {
        return charm_error(&format!(
            "unexpected charm schema in {curl:?}: only local charms are uploaded"
        ));
    }
    if !shared.with(|s| s.models.contains_key(uuid)) {
        return charm_error("invoking getDB: database not found");
    }
    let digest = hex::encode(sha2::Sha256::digest(body));
    if !super::archive::is_zip(body) {
        return charm_error("reading charm archive: zip: not a valid zip file");
    }
    if !digest.starts_with(hash) {
        return charm_error("resolving uploaded charm: charm hash mismatch");
    }
    let url = store(shared, uuid, name, body, &digest);
    build(
        200,
        &[("Content-Type", "application/json"), ("Juju-Curl", &url)],
        json!({"charm-url": url}).to_string(),
    )
}

fn old_charm(shared: &Shared, head: &Head, uuid: &str, body: &Bytes) -> Answer {
    if head.method != Method::POST {
        return plain(405, "Method Not Allowed\n");
    }
    if head.param("schema") != "local" && !head.param("schema").is_empty() {
        return charm_error("only local charms are uploaded");
    }
    if !shared.with(|s| s.models.contains_key(uuid)) {
        return charm_error("model not found");
    }
    let digest = hex::encode(sha2::Sha256::digest(body));
    let Some(info) = super::archive::charm_info(body) else {
        return charm_error("reading charm archive: zip: not a valid zip file");
    };
    let name = info["meta"]["name"].as_str().unwrap_or("charm").to_owned();
    let url = store(shared, uuid, &name, body, &digest);
    object(200, &json!({"charm-url": url}))
}

/// Each upload is a revision of its own, even of the same bytes.
fn store(shared: &Shared, uuid: &str, name: &str, body: &Bytes, digest: &str) -> String {
    let info = super::archive::charm_info(body);
    shared.change(|s| {
        let Some(m) = s.models.get_mut(uuid) else {
            return String::new();
        };
        let prefix = format!("local:{name}-");
        let revision = m
            .uploaded
            .keys()
            .filter_map(|u| u.strip_prefix(&prefix)?.parse::<u64>().ok())
            .max()
            .map_or(0, |n| n + 1);
        let url = format!("{prefix}{revision}");
        let mut info = info.or_else(|| super::charms::info(&url)).unwrap_or_else(|| {
            json!({"config": {}, "meta": {"name": name, "summary": "", "description": "", "subordinate": false, "min-juju-version": "0.0.0"}})
        });
        info["revision"] = json!(revision);
        info["url"] = json!(format!("local:amd64/{name}-{revision}"));
        m.uploaded
            .insert(url.clone(), json!({"sha256": digest, "info": info}));
        m.charms.insert(url.clone(), json!({"source": "local", "type": "charm"}));
        s.count("charm");
        url
    })
}

fn resource(
    shared: &Shared,
    head: &Head,
    uuid: &str,
    app: &str,
    name: &str,
    body: &Bytes,
) -> Answer {
    let described = shared.with(|s| {
        let a = s.models.get(uuid)?.apps.get(app)?;
        let d = a.info()["meta"]["resources"][name].clone();
        d.is_object().then_some(d)
    });
    let pending = head.param("pendingid").to_owned();
    if head.method == Method::GET {
        return resource_error(
            404,
            format!(
                "resource {name} of application {app} has no blob downloaded on controller not found"
            ),
            "not found",
        );
    }
    let described = match described {
        Some(d) => d,
        None if !pending.is_empty() => json!({"type": "file", "path": "", "description": ""}),
        None => {
            return resource_error(
                404,
                format!("getting resource uuid: application {app:?}, resource {name:?} not found"),
                "not found",
            );
        }
    };
    let Some(disposition) = head.header("content-disposition") else {
        return resource_error(
            500,
            "badly formatted Content-Disposition: mime: no media type".into(),
            "",
        );
    };
    let file = disposition
        .split_once("filename=")
        .map(|(_, f)| f.trim_matches('"').to_owned())
        .unwrap_or_default();
    let digest = sha2::Sha384::digest(body);
    let expected = head.header("content-sha384").unwrap_or_default();
    if hex::encode(digest) != expected {
        return resource_error(
            500,
            format!(
                "downloading resource body: downloaded resource has unexpected hash: got \"{}\", expected {expected:?}",
                hex::encode(digest)
            ),
            "",
        );
    }
    let uploaded = UploadedResource {
        id: uuid::Uuid::new_v4().to_string(),
        path: file.clone(),
        size: body.len() as u64,
        fingerprint: base64::engine::general_purpose::STANDARD.encode(digest),
        username: head.user.clone(),
    };
    let now = shared.now();
    let shown = json!({"resource": {"name": name, "type": described["type"], "path": if described["path"] == "" { json!(file) } else { described["path"].clone() },
        "description": described["description"], "origin": "upload", "revision": 0, "fingerprint": uploaded.fingerprint, "size": uploaded.size, "id": uploaded.id,
        "pending-id": pending, "application": app, "username": uploaded.username, "timestamp": super::answer::time(now)}});
    shared.change(|s| {
        if let Some(a) = s.models.get_mut(uuid).and_then(|m| m.apps.get_mut(app)) {
            a.uploads.insert(name.to_owned(), uploaded);
        }
        s.count("resource");
    });
    object(200, &shown)
}
