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
#[path = "recordings/dispatch_storage.rs"]
mod dispatch_storage;
#[path = "recordings/load.rs"]
mod load;
#[path = "recordings/raw.rs"]
mod raw;
#[path = "recordings/shapes.rs"]
mod shapes;

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

/// The pairs of a form in a request, files as `<file: content>`.
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
                        file(value.as_bytes())
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
            // A node's state is told in a number and in words: both must name the same variant.
            if let (Some(number), true, Some(Value::String(name))) = (
                t.get("status").and_then(Value::as_i64),
                t.contains_key("hostname"),
                r.get("status_name"),
            ) && NodeStatus::from_number(number).name() != Some(name)
            {
                wrong.push(format!("{at}: status {number} for {name}"));
            }
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
        // The login's own word for a wrong password.
        403 if r.path.starts_with("/MAAS/accounts/") => ErrorKind::Authentication,
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
    let anonymous = Client::builder(client.base_url())
        .retry(Retry::never())
        .build()
        .unwrap();
    let (mut typed, mut raw_calls, mut values) = (0, Vec::new(), 0);
    let mut failures = Vec::new();
    let mut shapes = shapes::Shapes::default();
    let all = load::all();
    for r in &all {
        // Each request is signed with the key that the recorded one was signed with.
        let client = match r.key() {
            Some(key) => client.with_api_key(key.parse().unwrap()),
            None => anonymous.clone(),
        };
        *playback.0.lock().unwrap() = (Some(r.clone()), Vec::new());
        let json_body = r.encoding.as_deref() == Some("json");
        let said = if json_body || r.says_what_no_typed_call_does() {
            None
        } else {
            dispatch::call(&client, &r.asked()).await
        };
        let outcome = match said {
            Some(outcome) => {
                typed += 1;
                outcome.map(Some)
            }
            None => {
                raw_calls.push(r.name.as_str());
                let call = raw::call(&client, r).unwrap_or_else(|| panic!("{}: no call", r.name));
                call.bytes().await.map(|body| {
                    assert_eq!(body, r.answer, "{}", r.name);
                    None
                })
            }
        };
        let sent = playback.0.lock().unwrap().1.clone();
        let [sent] = &sent[..] else {
            failures.push(format!("{}: {} requests: {outcome:?}", r.name, sent.len()));
            continue;
        };
        let mut wrong = request_differs(sent, r);
        // A redirect is not followed: its sentence says where it leads.
        match (outcome, r.status < 300) {
            (Ok(Some(answer)), true) => {
                if let (Some(json), false) = (&r.json, answer.is_null()) {
                    agrees(&answer, json, "", &mut wrong);
                    shapes.learn(&answer, json);
                    values += 1;
                }
            }
            (Ok(None), true) => {}
            (Err(error), true) => wrong.push(format!("an error for {}: {error}", r.status)),
            (Ok(_), false) => wrong.push(format!("no error for {}", r.status)),
            (Err(error), false) => {
                error_agrees(&error, r, &mut wrong);
                let secret = r
                    .key()
                    .and_then(|k| k.rsplit(':').next().map(str::to_owned));
                let shown = format!("{error} {error:?} {}", error.body());
                assert!(
                    !secret.is_some_and(|secret| shown.contains(&secret)),
                    "{}: the secret is in the error",
                    r.name
                );
            }
        }
        if !wrong.is_empty() {
            failures.push(format!("{}: {}", r.name, wrong.join("; ")));
        }
    }
    let covered = typed + raw_calls.len();
    println!(
        "recordings: {} in all, {covered} covered ({typed} by typed calls, {} by the raw call), {} failed; \
         {values} answers compared value by value",
        all.len(),
        raw_calls.len(),
        failures.len()
    );
    println!("by the raw call: {}", raw_calls.join(", "));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!((all.len(), typed, covered), (526, 450, 526));
    shapes.check();
}

/// What of a request that the client built is not as it was recorded.
fn request_differs(sent: &Request, r: &Recording) -> Vec<String> {
    let mut wrong = Vec::new();
    if sent.method.as_str() != r.method {
        wrong.push(format!("method {} for {}", sent.method, r.method));
    }
    if sent.url.path().replace("%3A", ":") != r.path {
        wrong.push(format!("path {} for {}", sent.url.path(), r.path));
    }
    let query: Vec<(String, String)> = sent.url.query_pairs().into_owned().collect();
    // MAAS reads the operation in either place; a typed call always says it in the query.
    let op_in_form = r
        .form
        .as_ref()
        .is_some_and(|f| f.iter().any(|(n, _)| n == "op"))
        && query.iter().any(|(n, _)| n == "op")
        && !r.query.iter().any(|(n, _)| n == "op");
    if !op_in_form && plain(&query) != plain(&r.query) {
        wrong.push(format!("query {query:?} for {:?}", r.query));
    }
    if r.encoding.as_deref() == Some("json") || r.form.is_none() {
        let body = r.body.clone().unwrap_or_default();
        if sent.body != body.as_bytes() {
            let is = String::from_utf8_lossy(&sent.body);
            wrong.push(format!("body {is:?} for {body:?}"));
        }
    } else {
        let files = r
            .files
            .iter()
            .map(|(n, content)| (n.clone(), file(content)));
        let form: Vec<(String, String)> = r
            .form
            .iter()
            .flatten()
            .filter(|(n, _)| !op_in_form || n != "op")
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
        let multipart = |kind: Option<&str>| kind.is_some_and(|k| k.starts_with("multipart/"));
        let kind = sent
            .headers
            .get("content-type")
            .and_then(|v| v.to_str().ok());
        if !r.files.is_empty() && !multipart(kind) {
            wrong.push(format!("a file sent as {kind:?}"));
        }
    }
    let header = sent
        .headers
        .get("authorization")
        .and_then(|v| v.to_str().ok());
    // The login sends the name and the password in place of a signature; anybody may ask for the version.
    let unsigned = r.path.starts_with("/MAAS/accounts/") || r.name == "002_version_auth";
    match (header, r.sent("Authorization")) {
        (None, None) => {}
        (None, Some(_)) if unsigned => {}
        (Some(is), Some(was)) => {
            let (is, was) = (load::oauth(is), load::oauth(was));
            for (name, value) in &was {
                let fresh = matches!(name.as_str(), "oauth_nonce" | "oauth_timestamp");
                let same = is.get(name).map(|v| v.trim_start_matches("%26"))
                    == Some(value.trim_start_matches("%26").trim_start_matches('&'));
                // One recording carries an empty realm, which nobody reads.
                if name != "realm" && ((fresh && !is.contains_key(name)) || (!fresh && !same)) {
                    wrong.push(format!("{name} {:?} for {value}", is.get(name)));
                }
                if fresh && name == "oauth_nonce" && is.get(name) == Some(value) {
                    wrong.push("an old nonce".into());
                }
            }
        }
        (is, was) => wrong.push(format!("signature {is:?} for {was:?}")),
    }
    wrong
}

/// The content of a file in the form's terms.
fn file(content: &[u8]) -> String {
    format!("<file: {}>", String::from_utf8_lossy(content))
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

/// A bare JSON value stands only where MAAS itself has no shape for it.
#[test]
fn no_answer_is_a_bare_value() {
    /// What may be anything, and why.
    const SHAPELESS: [(&str, &str); 10] = [
        ("api/config.rs", "get_value"), // each setting has a type of its own
        ("api/controllers.rs", "default"), // of a power driver's field: a text, a list, a truth value
        ("model/interface.rs", "more"),    // what a newer MAAS sets
        ("model/machine.rs", "PowerParameterMap"), // each driver has its own
        ("model/results.rs", "choices"),   // texts, numbers or pairs
        ("model/results.rs", "default"),
        ("model/results.rs", "value"), // a text, a number, a disk, an interface
        ("model/upkeep.rs", "context"), // whatever the message's text names
        ("model/interface.rs", "all"), // read, not answered
        ("model/interface.rs", "Value::"),
    ];
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut found = Vec::new();
    for folder in ["api", "model"] {
        for entry in std::fs::read_dir(format!("{source}/{folder}")).unwrap() {
            let path = entry.unwrap().path();
            let file = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let code = line.trim();
                let bare = code
                    .split(|c: char| !c.is_alphanumeric() && c != ':')
                    .any(|word| word == "Value" || word.starts_with("Value::"))
                    && !code.starts_with("//")
                    && !code.starts_with("use ");
                let allowed = SHAPELESS
                    .iter()
                    .any(|(f, what)| *f == file && code.contains(what))
                    // The config's reading of its own value.
                    || file == "api/config.rs" && code.contains("=>");
                if bare && !allowed {
                    found.push(format!("{file}: {code}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
