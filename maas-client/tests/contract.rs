//! The client against a real region's recorded answers: what it would have sent is what was sent, and
//! what was answered is read as what it was.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking"
)]

#[path = "recordings/dispatch.rs"]
mod dispatch;
#[path = "recordings/dispatch_more.rs"]
mod dispatch_more;
#[path = "recordings/load.rs"]
mod load;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use load::Recording;
use maas_client::*;
use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// Answers with what is put into it, and keeps what was asked.
#[derive(Clone, Default)]
struct Playback(Arc<Mutex<(Option<Recording>, Vec<Request>)>>);

impl Respond for Playback {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.0.lock().unwrap();
        state.1.push(request.clone());
        let Some(recording) = &state.0 else {
            return ResponseTemplate::new(500);
        };
        let kind = recording.header("Content-Type").unwrap_or("");
        let mut template =
            ResponseTemplate::new(recording.status).set_body_raw(recording.answer.clone(), kind);
        for name in ["Retry-After", "WWW-Authenticate", "Allow", "Location"] {
            if let Some(value) = recording.header(name) {
                template = template.insert_header(name, value);
            }
        }
        template
    }
}

async fn playback() -> (MockServer, Playback, Client) {
    let server = MockServer::start().await;
    let playback = Playback::default();
    Mock::given(any())
        .respond_with(playback.clone())
        .mount(&server)
        .await;
    let client = Client::builder(server.uri())
        .api_key("con:tok:fthc37xFAFNCMPWTRMBjN6JvAbVsHCvW".parse().unwrap())
        .retry(Retry::never())
        .build()
        .unwrap();
    (server, playback, client)
}

/// The pairs of a form in a request, files as `<file>`.
fn form_of(request: &Request) -> Vec<(String, String)> {
    let kind = request
        .headers
        .get("content-type")
        .map_or("", |v| v.to_str().unwrap());
    if kind.starts_with("multipart/") {
        let body = String::from_utf8_lossy(&request.body);
        return body
            .split("Content-Disposition: form-data; name=\"")
            .skip(1)
            .map(|part| {
                let (head, value) = part.split_once("\r\n\r\n").unwrap();
                let value = value.rsplit_once("\r\n--").map_or(value, |v| v.0);
                (
                    head.split('"').next().unwrap().to_owned(),
                    if head.contains("filename=") {
                        "<file>".into()
                    } else {
                        value.to_owned()
                    },
                )
            })
            .collect();
    }
    url::form_urlencoded::parse(&request.body)
        .into_owned()
        .collect()
}

/// The same meaning in the same spelling: truth values, and the order of fields, which means nothing.
fn plain(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = pairs
        .iter()
        .map(|(n, v)| {
            let v = match v.as_str() {
                "True" => "true",
                "False" => "false",
                // Operations read 0 and 1 as truth values; the client always spells them out.
                "0" if TRUTHS.contains(&n.as_str()) => "false",
                "1" if TRUTHS.contains(&n.as_str()) => "true",
                v => v,
            };
            (
                n.clone(),
                if n == "mode" {
                    v.to_uppercase()
                } else {
                    v.to_owned()
                },
            )
        })
        .collect();
    pairs.sort();
    pairs
}

const TRUTHS: [&str; 7] = [
    "commission",
    "skip_networking",
    "skip_storage",
    "allow_dns",
    "allow_proxy",
    "managed",
    "dry_run",
];

/// Everything that the typed answer says was in the recorded one; its defaults stand for null and missing.
fn agrees(typed: &Value, recorded: &Value, at: &str, wrong: &mut Vec<String>) {
    match (typed, recorded) {
        (Value::Object(t), Value::Object(r)) => {
            for (key, value) in t {
                if let Some(other) = r.get(key) {
                    agrees(value, other, &format!("{at}.{key}"), wrong);
                }
            }
        }
        (Value::Array(t), Value::Array(r)) => {
            if t.len() != r.len() {
                wrong.push(format!("{at}: {} items for {}", t.len(), r.len()));
            }
            for (n, (t, r)) in t.iter().zip(r).enumerate() {
                agrees(t, r, &format!("{at}[{n}]"), wrong);
            }
        }
        (Value::Number(t), Value::Number(r)) if t.as_f64() == r.as_f64() => {}
        (t, Value::Null) => {
            let empty = match t {
                Value::Null => true,
                Value::String(s) => s.is_empty(),
                Value::Number(n) => n.as_f64() == Some(0.0) || n.as_i64() == Some(-1),
                Value::Bool(b) => !b,
                Value::Array(a) => a.is_empty(),
                Value::Object(o) => o.is_empty(),
            };
            if !empty {
                wrong.push(format!("{at}: {t} for null"));
            }
        }
        (t, r) if t == r => {}
        (t, r) => wrong.push(format!("{at}: {t} for {r}")),
    }
}

/// What of an error does not fit the recorded answer.
fn error_agrees(error: &Error, r: &Recording, wrong: &mut Vec<String>) {
    if error.status() != Some(r.status) {
        wrong.push(format!("status {:?} for {}", error.status(), r.status));
    }
    let wanted = match r.status {
        400 => match &r.json {
            Some(Value::Object(o)) if !o.is_empty() => ErrorKind::Validation,
            _ => ErrorKind::BadRequest,
        },
        401 => ErrorKind::Authentication,
        403 => ErrorKind::Forbidden,
        404 | 410 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        503 => {
            let text = String::from_utf8_lossy(&r.answer);
            if text.contains("another action") {
                ErrorKind::Busy
            } else if text.contains("No more IPs") {
                ErrorKind::Exhausted
            } else {
                ErrorKind::Unavailable
            }
        }
        500 => ErrorKind::Server,
        _ => error.kind(),
    };
    if error.kind() != wanted {
        wrong.push(format!("kind {:?} for {wanted:?}", error.kind()));
    }
    if let (400, Some(Value::Object(fields))) = (r.status, &r.json) {
        for (field, messages) in fields {
            let said: Vec<&str> = messages
                .as_array()
                .map_or_else(Vec::new, |a| a.iter().filter_map(Value::as_str).collect());
            if error
                .field_errors()
                .get(field)
                .map(|m| m.iter().map(String::as_str).collect::<Vec<_>>())
                != Some(said)
            {
                wrong.push(format!(
                    "field {field}: {:?}",
                    error.field_errors().get(field)
                ));
            }
        }
    }
    let after = r
        .header("Retry-After")
        .and_then(|v| v.parse().ok())
        .map(std::time::Duration::from_secs);
    if after.is_some() && error.retry_after() != after {
        wrong.push(format!(
            "retry after {:?} for {after:?}",
            error.retry_after()
        ));
    }
    if r.name.contains("_dup")
        && r.status != 404
        && !error.is_already_exists()
        && !r.name.contains("create_bridge_dup")
        && !r.name.contains("vlan_dup")
    {
        wrong.push("not seen as already existing".into());
    }
}

/// A test whose one future holds the calls of all operations is larger than a test thread's stack.
fn on_a_large_stack<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let run = move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(test())
    };
    let thread = std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(run)
        .unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn recorded_exchanges() {
    on_a_large_stack(replay_recorded_exchanges);
}

async fn replay_recorded_exchanges() {
    let (_server, playback, client) = playback().await;
    let mut covered = 0;
    let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut failures = Vec::new();
    let all = load::all();
    for r in &all {
        if let Some(reason) = r.not_for_a_client() {
            left.entry(reason.into()).or_default().push(r.name.clone());
            continue;
        }
        *playback.0.lock().unwrap() = (Some(r.clone()), Vec::new());
        let asked = r.asked();
        let Some(outcome) = dispatch::call(&client, &asked).await else {
            left.entry(format!(
                "no typed call says this: {} {} {}",
                asked.method,
                asked.segments.join("/"),
                asked.op.as_deref().unwrap_or("")
            ))
            .or_default()
            .push(r.name.clone());
            continue;
        };
        covered += 1;
        let mut wrong = Vec::new();
        let sent = playback.0.lock().unwrap().1.clone();
        if sent.len() != 1 {
            failures.push(format!("{}: {} requests: {outcome:?}", r.name, sent.len()));
            continue;
        }
        let sent = &sent[0];
        if sent.method.as_str() != r.method {
            wrong.push(format!("method {} for {}", sent.method, r.method));
        }
        if sent.url.path().replace("%3A", ":") != r.path {
            wrong.push(format!("path {} for {}", sent.url.path(), r.path));
        }
        let query: Vec<(String, String)> = sent.url.query_pairs().into_owned().collect();
        let op_in_form = r
            .form
            .as_ref()
            .is_some_and(|f| f.iter().any(|(n, _)| n == "op"));
        if !op_in_form && plain(&query) != plain(&r.query) {
            wrong.push(format!("query {query:?} for {:?}", r.query));
        }
        let files = r
            .files
            .iter()
            .map(|(n, _)| (n.clone(), "<file>".to_owned()));
        let form: Vec<(String, String)> = r
            .form
            .iter()
            .flatten()
            .filter(|(n, _)| n != "op")
            .cloned()
            .chain(files)
            .collect();
        let mut sent_form = form_of(sent);
        if r.name.starts_with("500_vmhost") {
            // LXD's trust password was sent under virsh's name, and did not arrive: the client sends both.
            sent_form.retain(|(n, _)| n != "password");
        }
        if plain(&sent_form) != plain(&form) {
            wrong.push(format!("form {:?} for {form:?}", form_of(sent)));
        }
        match (outcome, r.status < 400) {
            (Ok(typed), true) => {
                if let (Some(json), false) = (&r.json, typed.is_null()) {
                    agrees(&typed, json, "", &mut wrong);
                }
            }
            (Err(error), true) => wrong.push(format!("an error for {}: {error}", r.status)),
            (Ok(_), false) => wrong.push(format!("no error for {}", r.status)),
            (Err(error), false) => {
                error_agrees(&error, r, &mut wrong);
                assert!(
                    !error
                        .to_string()
                        .contains("fthc37xFAFNCMPWTRMBjN6JvAbVsHCvW"),
                    "{}: the secret is in the error",
                    r.name
                );
            }
        }
        if !wrong.is_empty() {
            failures.push(format!("{}: {}", r.name, wrong.join("; ")));
        }
    }
    println!(
        "recordings: {} in all, {covered} covered by typed calls, {} failed",
        all.len(),
        failures.len()
    );
    for (reason, names) in &left {
        println!("left out, {reason}: {} ({})", names.len(), names.join(", "));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(covered >= 400, "only {covered} recordings are covered");
}

/// Every operation of MAAS's own description is called by its typed way, and the request that goes out is it.
#[test]
fn every_operation() {
    on_a_large_stack(call_every_operation);
}

async fn call_every_operation() {
    let (_server, playback, client) = playback().await;
    let list = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/operations.txt"
    ))
    .unwrap();
    let (mut all, mut typed) = (0, 0);
    let mut missing = Vec::new();
    for line in list
        .lines()
        .filter(|l| !l.starts_with('#') && !l.is_empty())
    {
        let fields: Vec<&str> = line.split('\t').collect();
        let [method, template, op, required] = fields[..] else {
            panic!("{line}")
        };
        all += 1;
        // Texts of paths are names, numbers and ids; all of them may be numbers, and system ids too.
        let path: String = template
            .split('/')
            .map(|part| match part {
                "{system_id}" => "gxg7pw",
                "{name}" | "{username}" | "{filename}" | "{osystem}" | "{distro_series}"
                | "{discovery_id}" => "word",
                part if part.starts_with('{') => "7",
                part => part,
            })
            .collect::<Vec<_>>()
            .join("/");
        let value = |name: &str| match name {
            "name" | "hostname" | "fstype" | "osystem" | "distro_series" | "architecture" => "word",
            "mode" => "AUTO",
            "machines" | "nodes" | "id" | "source" | "destinations"
                if path.starts_with("machines")
                    || path.ends_with("controllers/")
                    || path == "nodes/"
                    || path == "devices/" =>
            {
                "gxg7pw"
            }
            _ => "7",
        };
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut files = Vec::new();
        // Two fields that the description calls optional, and MAAS does not.
        let also = match op {
            "unlink_subnet" | "delete_logical_volume" => "id",
            "revert" => "to",
            _ => "",
        };
        let in_path = |name: &str| template.contains(&format!("{{{name}}}"));
        let names: std::collections::BTreeSet<&str> = required
            .split(',')
            .filter(|n| !n.is_empty() && !in_path(n) && !n.starts_with("power_parameters_{"))
            .chain([also].into_iter().filter(|n| !n.is_empty()))
            .collect();
        for name in names {
            if matches!(name, "file" | "content") {
                files.push((name.to_owned(), b"x".to_vec()));
            } else {
                pairs.push((name.to_owned(), value(name).to_owned()));
            }
        }
        let in_query = method != "POST" && method != "PUT";
        let asked = dispatch::Asked {
            method: method.to_owned(),
            segments: path
                .split('/')
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect(),
            op: (!op.is_empty()).then(|| op.to_owned()),
            query: if in_query { pairs.clone() } else { Vec::new() },
            form: if in_query { Vec::new() } else { pairs.clone() },
            files,
        };
        playback.0.lock().unwrap().1.clear();
        let outcome = dispatch::call(&client, &asked).await;
        let sent = playback.0.lock().unwrap().1.first().cloned();
        let Some((_, sent)) = outcome.zip(sent) else {
            missing.push(format!("{line}: no typed way"));
            continue;
        };
        let seen_op = sent
            .url
            .query_pairs()
            .find(|(n, _)| n == "op")
            .map(|(_, v)| v.into_owned());
        let expected = format!("/MAAS/api/2.0/{path}");
        if sent.method.as_str() != method || sent.url.path() != expected || seen_op != asked.op {
            missing.push(format!("{line}: sent {} {}", sent.method, sent.url));
            continue;
        }
        let mut carried = form_of(&sent);
        carried.extend(sent.url.query_pairs().into_owned());
        let lost: Vec<&String> = pairs
            .iter()
            .map(|(n, _)| n)
            .filter(|n| !carried.iter().any(|(c, _)| c == *n))
            .collect();
        if lost.is_empty() {
            typed += 1;
        } else {
            missing.push(format!("{line}: {lost:?} not sent"));
        }
    }
    println!("operations: {all} in all, {typed} with a typed way (besides the raw call)");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert_eq!((all, typed), (360, 360));
}
