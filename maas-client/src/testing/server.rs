//! HTTP: requests taken apart, signatures checked, operations found.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::reply::{R, Reply, Req, html, json_ok, plain, text};
use super::types::{Phase, Verdict};
use super::{Shared, allocate, basics, boot, interfaces, machines, network, render};

/// Over this many bytes MAAS's nginx answers 413.
const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// Marks an answer that must not be sent: the connection is cut.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the tap cuts the connection")
    }
}

impl std::error::Error for Cut {}

/// Serves one request.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let shown = format!(
        "{} {}",
        request.method(),
        request.uri().path_and_query().map_or("/", |p| p.as_str())
    );
    if let Some(answer) = ask_tap(&shared, Phase::Before, &shown).await? {
        return Ok(answer);
    }
    if !shared.answers() {
        // Nothing listens: what comes nearest over an open socket is to hang up.
        return Err(Cut);
    }
    let changes = request.method() != Method::GET;
    let request = read(request).await;
    // The region does what it has begun to do, also when the one who asked for it has hung up: its views run in threads
    // (maasserver/webapp.py), which nothing cancels.
    let worker = Arc::clone(&shared);
    let work = tokio::spawn(async move {
        worker.tick().await;
        let reply = match request {
            Ok((parts, body)) => handle(&worker, &parts, body).await,
            Err(reply) => reply,
        };
        worker.tick().await;
        if changes {
            worker.changed();
        }
        reply
    });
    let reply = work.await.map_err(|_| Cut)?;
    if let Some(answer) = ask_tap(&shared, Phase::After, &shown).await? {
        return Ok(answer);
    }
    Ok(response(reply))
}

async fn ask_tap(
    shared: &Shared,
    phase: Phase,
    shown: &str,
) -> Result<Option<Response<Full<Bytes>>>, Cut> {
    let Some(tap) = shared.tap() else {
        return Ok(None);
    };
    match tap(phase, shown).await {
        Verdict::Continue => Ok(None),
        Verdict::Drop => Err(Cut),
        Verdict::Answer(status, headers, body) => {
            let mut builder = Response::builder().status(status);
            for (name, value) in headers {
                builder = builder.header(name, value);
            }
            Ok(Some(
                builder
                    .body(Full::new(body))
                    .unwrap_or_else(|_| Response::new(Full::default())),
            ))
        }
    }
}

async fn read(request: Request<Incoming>) -> Result<(http::request::Parts, Bytes), Reply> {
    let (parts, body) = request.into_parts();
    let body = http_body_util::Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|_| {
            html(
                413,
                "<html><head><title>413 Request Entity Too Large</title></head></html>",
            )
        })?;
    Ok((parts, body.to_bytes()))
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut builder = Response::builder()
        .status(reply.status)
        .header(header::SERVER, "nginx/1.22.1")
        .header("X-Frame-Options", "DENY")
        .header(
            "X-Maas-Api-Hash",
            "29b8898cd6164c9b0adae16fe79c9932fe40e145",
        )
        .header(
            header::VARY,
            if reply.status < 400 {
                "Authorization, Cookie"
            } else {
                "Cookie"
            },
        );
    if !reply.content_type.is_empty() {
        builder = builder.header(header::CONTENT_TYPE, reply.content_type);
    }
    for (name, value) in reply.headers {
        builder = builder.header(name, value);
    }
    builder
        .body(Full::new(reply.body))
        .unwrap_or_else(|_: http::Error| Response::new(Full::default()))
}

async fn handle(shared: &Arc<Shared>, parts: &http::request::Parts, body: Bytes) -> Reply {
    let path = fold(parts.uri.path());
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes())
            .into_owned()
            .collect();
    let content_type = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("")
        .to_owned();
    let (form, is_json) = match read_form(&content_type, &body) {
        Ok(form) => form,
        Err(reply) => return reply,
    };
    let mut req = Req {
        method: parts.method.clone(),
        path: path.clone(),
        segments: Vec::new(),
        op: None,
        query,
        form,
        json: is_json,
        user: String::new(),
        superuser: false,
    };
    if let Some(reply) = outside_api(shared, &req) {
        return reply;
    }
    let Some(rest) = path.strip_prefix("/MAAS/api/2.0/") else {
        return text(404, format!("Unknown API endpoint: {path}."));
    };
    let unknown = || text(404, format!("Unknown API endpoint: {path}."));
    let mut segments: Vec<String> = rest.split('/').map(percent_decode).collect();
    // An operation may be the last part of the path, without a slash.
    let in_path = segments
        .last()
        .and_then(|l| l.strip_prefix("op-"))
        .map(str::to_owned);
    let slash = segments.last().is_some_and(String::is_empty) || in_path.is_some();
    segments.retain(|p| !p.is_empty());
    if in_path.is_some() {
        segments.pop();
    }
    let bare_allowed = matches!(
        segments.first().map(String::as_str),
        Some("scripts" | "vm-clusters" | "commissioning-scripts" | "license-key")
    ) && segments.len() >= 2;
    if segments.is_empty() || (!slash && !bare_allowed) {
        return unknown();
    }
    req.op = in_path
        .or_else(|| req.arg("op").map(str::to_owned))
        .or_else(|| req.get("op").map(str::to_owned));
    req.segments = segments;
    if matches!(req.method, Method::HEAD | Method::OPTIONS | Method::PATCH) {
        req.op = None;
        return basics::unknown(&req);
    }
    let authorization = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok());
    match super::oauth::check(&mut shared.lock(), authorization) {
        Ok(Some((user, superuser))) => {
            req.user = user;
            req.superuser = superuser;
        }
        Ok(None) if req.segments.len() == 1 && req.segments[0] == "version" => {}
        Ok(None) if anonymous(&req) => {}
        Ok(None) => return plain(401, "Forbidden"),
        Err(reply) => return reply,
    }
    match route(shared, &req).await {
        Ok(reply) => reply,
        Err(reply) if reply.status == 404 && reply.body.is_empty() => unknown(),
        Err(reply) => reply,
    }
}

/// What needs no key: a machine tells of itself before anybody knows it.
fn anonymous(req: &Req) -> bool {
    let (machines, op) = (req.segments == ["machines"], req.op.as_deref());
    machines
        && ((req.method == Method::GET && op == Some("is_registered"))
            || (req.method == Method::POST && op.is_none()))
}

/// What lies beside the API: the login pages, the old API, the root.
fn outside_api(shared: &Shared, req: &Req) -> Option<Reply> {
    let post = req.method == Method::POST;
    Some(match req.path.as_str() {
        "/MAAS/accounts/login/" => {
            let none = !shared.lock().users.iter().any(|u| !u.internal);
            super::reply::json_bare(
                200,
                &json!({ "authenticated": false, "external_auth_url": null, "no_users": none }),
            )
        }
        "/MAAS/accounts/authenticate/" if !post => {
            let mut reply = html(405, "");
            reply.headers.push(("Allow", "POST".into()));
            reply
        }
        "/MAAS/accounts/authenticate/" => {
            let mut s = shared.lock();
            let (name, password) = (
                req.get("username").unwrap_or(""),
                req.get("password").unwrap_or(""),
            );
            let ok = s
                .user(name)
                .is_some_and(|u| !u.internal && !u.password.is_empty() && u.password == password);
            if !ok {
                return Some(html(403, ""));
            }
            let t = basics::token(
                &mut s,
                name,
                req.filled("consumer").unwrap_or("MAAS consumer"),
                true,
            );
            super::reply::json_bare(
                200,
                &json!({ "consumer_key": t.consumer, "name": t.name, "token_key": t.token, "token_secret": t.secret }),
            )
        }
        "/MAAS/" | "/MAAS" => {
            let mut reply = html(
                301,
                "<html>\n<head><title>301 Moved Permanently</title></head>\n</html>\n",
            );
            reply.content_type = "text/html";
            reply.headers.push(("Location", "/MAAS/r/".into()));
            reply
        }
        "/MAAS/rpc/" => super::reply::json_bare(
            200,
            &json!({ "eventloops": { "vm:pid=1": [["127.0.0.1", 5250]] } }),
        ),
        path if path.starts_with("/MAAS/api/1.0/") => plain(
            410,
            "The 1.0 API is no longer available. Please use API version 2.0.",
        ),
        _ => return None,
    })
}

async fn route(shared: &Arc<Shared>, req: &Req) -> R {
    let d = shared.durations();
    let segments: Vec<&str> = req.segments.iter().map(String::as_str).collect();
    // What waits for a driver does not hold the state meanwhile.
    match segments.as_slice() {
        ["vm-hosts" | "pods"] => return allocate::vm_hosts(shared, req).await,
        ["vm-hosts" | "pods", id] => return allocate::vm_host(shared, req, id).await,
        ["machines"] if req.method == Method::POST && req.op.as_deref() == Some("allocate") => {
            if req.json {
                return Err(text(500, "'dict' object has no attribute 'lists'"));
            }
            let id = allocate::allocate(shared, &req.form, &req.user).await?;
            return machines::allocated(&shared.lock(), &id);
        }
        ["machines", id]
            if req.op.as_deref() == Some("query_power_state") && req.method == Method::GET =>
        {
            return shared.query_power(id).await;
        }
        _ => {}
    }
    let mut removals = Vec::new();
    let reply = {
        let mut guard = shared.lock();
        let s = &mut *guard;
        match segments.as_slice() {
            ["version"] => basics::version(s),
            ["users"] => basics::users(s, req),
            ["users", name] => basics::user(s, req, name),
            ["account"] => basics::account(s, req),
            ["account", "prefs", "sshkeys"] => basics::ssh_keys(s, req),
            ["account", "prefs", "sshkeys", id] => basics::ssh_key(s, req, id),
            ["maas"] => basics::config(s, req),
            ["tags"] => basics::tags(s, req),
            ["tags", name] => basics::tag(s, req, name),
            ["zones"] => basics::zones(s, req),
            ["zones", name] => basics::zone(s, req, name),
            ["resourcepools"] => basics::pools(s, req),
            ["resourcepool", id] => basics::pool(s, req, id),
            ["domains"] => basics::domains(s, req),
            ["events"] => basics::events(s, req),
            ["fabrics"] => network::fabrics(s, req),
            ["fabrics", id] => network::fabric(s, req, id),
            ["fabrics", id, "vlans"] => network::vlans(s, req, id),
            ["fabrics", id, "vlans", vid] => {
                network::vlan_id(s, Some(id), vid).and_then(|id| network::vlan(s, req, id))
            }
            ["vlans", id] => network::vlan_id(s, None, id).and_then(|id| network::vlan(s, req, id)),
            ["subnets"] => network::subnets(s, req),
            ["subnets", spec] => network::subnet(s, req, spec),
            ["subnets", network, length] => network::subnet(s, req, &format!("{network}/{length}")),
            ["ipranges"] => network::ranges(s, req),
            ["ipranges", id] => network::range(s, req, id),
            ["spaces"] => network::spaces(s, req),
            ["spaces", id] => network::space(s, req, id),
            ["static-routes"] => network::routes(s, req),
            ["static-routes", id] => network::route(s, req, id),
            ["ipaddresses"] if req.op.as_deref() == Some("reserve") => {
                machines::reserve_address(s, req)
            }
            ["ipaddresses"] if req.method == Method::GET => {
                let list: Vec<Value> = s
                    .reserved
                    .iter()
                    .map(|r| machines::address_json(s, &r.ip, r.at, None, &r.user))
                    .collect();
                Ok(json_ok(&json!(list)))
            }
            ["boot-sources"] => boot::sources(s, &d, req),
            ["boot-sources", id] => boot::source(s, req, id),
            ["boot-sources", id, "selections"] => boot::selections(s, req, id),
            ["boot-sources", source, "selections", id] => boot::selection(s, req, source, id),
            ["boot-resources"] => boot::resources(s, &d, req),
            ["boot-resources", id] => boot::resource(s, req, id),
            [kind @ ("rackcontrollers" | "regioncontrollers")] => boot::racks(s, &d, req, kind),
            [kind @ ("rackcontrollers" | "regioncontrollers"), id] => {
                boot::rack(s, &d, req, id, kind)
            }
            ["nodes" | "machines", id] if req.op.as_deref() == Some("details") && req.method == Method::GET => match s.machine(id) {
                // BSON of two empty binaries, `lshw` and `lldp`.
                Some(_) => Ok(Reply {
                    status: 200,
                    content_type: "application/bson",
                    headers: Vec::new(),
                    body: Bytes::from_static(b"\x1b\x00\x00\x00\x05lldp\x00\x00\x00\x00\x00\x00\x05lshw\x00\x00\x00\x00\x00\x00\x00"),
                }),
                None => Err(super::reply::missing("Node")),
            },
            ["machines"] => machines::machines(s, &d, req, &mut removals),
            ["machines", id] => machines::machine(s, &d, req, id, &mut removals),
            ["nodes"] if req.method == Method::GET && req.op.is_none() => {
                let mut list = vec![render::controller(s, "rackcontrollers")];
                list.extend(s.machines.iter().map(|m| render::machine(s, m)));
                Ok(json_ok(&json!(list)))
            }
            ["nodes", id, "interfaces"] => interfaces::interfaces(s, req, id),
            ["nodes", id, "interfaces", interface] => interfaces::interface(s, req, id, interface),
            ["nodes", id, "blockdevices"] if req.method == Method::GET => s
                .machine(id)
                .map(|m| json_ok(&json!(render::listed_block_devices(m))))
                .ok_or_else(|| super::reply::missing("Node")),
            ["nodes", id, "results"] => results(s, req, id, None),
            ["nodes", id, "results", set] => results(s, req, id, Some(set)),
            [
                "discovery"
                | "notifications"
                | "scripts"
                | "dnsresources"
                | "devices"
                | "package-repositories"
                | "vm-clusters",
            ] if req.method == Method::GET => Ok(json_ok(&json!([]))),
            _ => Err(text(404, "")),
        }
    };
    shared.remove(removals);
    reply
}

fn results(s: &super::state::State, req: &Req, node: &str, set: Option<&str>) -> R {
    let m = s
        .machine(node)
        .ok_or_else(|| super::reply::missing("Node"))?;
    if req.method != Method::GET {
        return Err(basics::unknown(req));
    }
    let Some(set) = set else {
        let kind = match req.arg("type") {
            Some("commissioning") => Some(0),
            Some("installation") => Some(1),
            Some("testing") => Some(2),
            _ => None,
        };
        let list: Vec<Value> = s
            .results
            .iter()
            .rev()
            .filter(|r| r.node == node && kind.is_none_or(|k| r.kind == k))
            .map(|r| render::results(s, r))
            .collect();
        return Ok(json_ok(&json!(list)));
    };
    let id = match set {
        "current-commissioning" => m.commissioning_set,
        "current-testing" => m.testing_set,
        "current-installation" => m.installation_set,
        other => other.parse().ok(),
    };
    let found = s
        .results
        .iter()
        .find(|r| r.node == node && Some(r.id) == id);
    found
        .map(|r| json_ok(&render::results(s, r)))
        .ok_or_else(|| super::reply::missing("ScriptSet"))
}

/// Several slashes in a row are one.
fn fold(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match code {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

type Form = Vec<(String, String)>;

/// The form in a body: urlencoded, multipart or JSON. Any other content type leaves it empty.
fn read_form(content_type: &str, body: &[u8]) -> Result<(Form, bool), Reply> {
    let kind = content_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    match kind.as_str() {
        "application/x-www-form-urlencoded" => Ok((
            url::form_urlencoded::parse(body).into_owned().collect(),
            false,
        )),
        "multipart/form-data" => Ok((multipart(content_type, body), false)),
        "application/json" => match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(map)) => {
                let mut form = Form::new();
                for (name, value) in map {
                    match value {
                        Value::Array(items) => {
                            form.extend(items.into_iter().map(|v| (name.clone(), as_text(&v))))
                        }
                        other => form.push((name, as_text(&other))),
                    }
                }
                Ok((form, true))
            }
            Ok(_) => Ok((Form::new(), true)),
            Err(_) if body.is_empty() => Ok((Form::new(), true)),
            Err(_) => Err(plain(400, "Bad Request")),
        },
        _ => Ok((Form::new(), false)),
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

fn multipart(content_type: &str, body: &[u8]) -> Form {
    let Some(boundary) = content_type
        .split("boundary=")
        .nth(1)
        .map(|b| b.trim_matches('"'))
    else {
        return Form::new();
    };
    let text = String::from_utf8_lossy(body);
    text.split(&format!("--{boundary}"))
        .filter_map(|part| {
            let part = part.strip_prefix("\r\n").unwrap_or(part);
            let (head, value) = part.split_once("\r\n\r\n")?;
            let name = head.split("name=\"").nth(1)?.split('"').next()?;
            Some((
                name.to_owned(),
                value.strip_suffix("\r\n").unwrap_or(value).to_owned(),
            ))
        })
        .collect()
}
