//! The fake region against a real one's recorded answers: the recorded requests are sent to it in their
//! order, and its status, headers and JSON are held to the recorded ones.
#![allow(
    clippy::unwrap_used,
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

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use load::Recording;
use maas_client::testing::{ComposeSpec, Composed, HostResources};
use maas_client::testing::{FakeRegion, Power, PowerAction, PowerDriver, VmHostDriver};
use serde_json::{Map, Value};

/// BMCs as simulated beside the recorded region: they obey, and refuse a wrong password.
#[derive(Default)]
struct Bmcs(Mutex<BTreeMap<String, bool>>);

#[async_trait]
impl PowerDriver for Bmcs {
    async fn power(
        &self,
        _: &str,
        params: &Map<String, Value>,
        action: PowerAction,
    ) -> Result<Power, String> {
        if params.get("power_pass").and_then(Value::as_str) == Some("wrongpw") {
            return Err("Incorrect password.  Check BMC configuration and try again.".into());
        }
        let address = params
            .get("power_address")
            .map(Value::to_string)
            .unwrap_or_default();
        let mut all = self.0.lock().unwrap();
        let on = all.entry(address).or_default();
        match action {
            PowerAction::On | PowerAction::Cycle => *on = true,
            PowerAction::Off => *on = false,
            PowerAction::Query => {}
        }
        Ok(if *on { Power::On } else { Power::Off })
    }
}

/// Nothing answered at the addresses of the recorded VM hosts.
struct NoHosts;

#[async_trait]
impl VmHostDriver for NoHosts {
    async fn discover(&self, _: &Map<String, Value>) -> Result<HostResources, String> {
        Err("HTTPSConnectionPool(host='10.70.0.99', port=8443): Max retries exceeded with url: /1.0?project=default (Caused by \
             NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f2719ac16d0>: Failed to establish a new connection: \
             [Errno 113] No route to host'))"
            .into())
    }
    async fn compose(&self, _: &Map<String, Value>, _: &ComposeSpec) -> Result<Composed, String> {
        Err("no host".into())
    }
    async fn remove(&self, _: &Map<String, Value>, _: &str) -> Result<(), String> {
        Ok(())
    }
}

/// Ids of the recorded region to ids of the fake one.
#[derive(Default)]
struct Ids {
    nodes: BTreeMap<String, String>,
    numbers: BTreeMap<(String, i64), i64>,
}

impl Ids {
    /// Learns from two answers to the same request.
    fn learn(&mut self, recorded: &Value, fake: &Value) {
        match (recorded, fake) {
            (Value::Object(r), Value::Object(f)) => {
                if let (Some(Value::String(a)), Some(Value::String(b))) =
                    (r.get("system_id"), f.get("system_id"))
                {
                    self.nodes.insert(a.clone(), b.clone());
                }
                if let (Some(a), Some(b)) = (
                    r.get("id").and_then(Value::as_i64),
                    f.get("id").and_then(Value::as_i64),
                ) {
                    let uri = r.get("resource_uri").and_then(Value::as_str).unwrap_or("");
                    let kind = if r.contains_key("mode") {
                        "links".into()
                    } else {
                        kind_of(uri)
                    };
                    self.numbers.insert((kind, a), b);
                }
                for (key, value) in r {
                    if let Some(other) = f.get(key) {
                        self.learn(value, other);
                    }
                }
            }
            (Value::Array(r), Value::Array(f)) => {
                for (n, a) in r.iter().enumerate() {
                    // Lists are matched by name where there are names.
                    let same = |x: &&Value| {
                        ["name", "hostname", "cidr", "start_ip"]
                            .iter()
                            .any(|k| a.get(*k).is_some() && a.get(*k) == x.get(*k))
                    };
                    if let Some(b) = f.iter().find(same).or(f.get(n)) {
                        self.learn(a, b);
                    }
                }
            }
            _ => {}
        }
    }

    fn number(&self, kind: &str, text: &str) -> String {
        let mapped = text
            .parse()
            .ok()
            .and_then(|n: i64| self.numbers.get(&(kind.to_owned(), n)));
        mapped.map_or_else(|| text.to_owned(), i64::to_string)
    }

    fn nodes_in(&self, text: &str) -> String {
        self.nodes
            .iter()
            .fold(text.to_owned(), |t, (a, b)| t.replace(a.as_str(), b))
    }

    fn path(&self, path: &str) -> String {
        let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        for n in 1..parts.len() {
            let kind = parts[n - 1]
                .replace("resourcepool", "resourcepools")
                .replace("resourcepoolss", "resourcepools");
            let in_fabric = kind == "vlans" && n >= 3 && parts[n - 3] == "fabrics";
            if !in_fabric {
                parts[n] = self.number(&kind, &parts[n]);
            }
        }
        self.nodes_in(&parts.join("/"))
    }

    fn field(&self, name: &str, value: &str, op: Option<&str>) -> String {
        if name == "token" {
            return self
                .nodes
                .get(value)
                .cloned()
                .unwrap_or_else(|| value.to_owned());
        }
        let kind = match (name, op) {
            ("subnet" | "source" | "destination", _) => "subnets",
            ("vlan" | "relay_vlan", _) => "vlans",
            ("fabric", _) => "fabrics",
            ("parent" | "parents", _) => "interfaces",
            ("id", Some("unlink_subnet")) => "links",
            _ => return self.nodes_in(value),
        };
        self.number(kind, value)
    }
}

/// `subnets` of `/MAAS/api/2.0/subnets/1/`.
fn kind_of(uri: &str) -> String {
    let parts: Vec<&str> = uri.split('/').filter(|p| !p.is_empty()).collect();
    let kind = parts
        .len()
        .checked_sub(2)
        .and_then(|n| parts.get(n))
        .copied()
        .unwrap_or("");
    if kind == "resourcepool" {
        "resourcepools".into()
    } else {
        kind.to_owned()
    }
}

/// What differs in shape: types of values, and keys of objects; null fits everything.
fn shape(recorded: &Value, fake: &Value, at: &str, wrong: &mut Vec<String>) {
    match (recorded, fake) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(r), Value::Object(f)) => {
            // Keys that are data, not shape.
            if [
                "owner_data",
                "workload_annotations",
                "params",
                "parameters",
                "sets",
                "files",
            ]
            .iter()
            .any(|k| at.ends_with(k))
                || at == "by id"
            {
                return;
            }
            for (key, value) in r {
                match f.get(key) {
                    Some(other) => shape(value, other, &format!("{at}.{key}"), wrong),
                    None => wrong.push(format!("{at}.{key} is missing")),
                }
            }
            for key in f.keys().filter(|k| !r.contains_key(*k)) {
                wrong.push(format!("{at}.{key} is too much"));
            }
        }
        (Value::Array(r), Value::Array(f)) => {
            if let (Some(a), Some(b)) = (r.first(), f.first()) {
                shape(a, b, &format!("{at}[]"), wrong);
            }
        }
        (a, b) if std::mem::discriminant(a) == std::mem::discriminant(b) => {}
        (a, b) => wrong.push(format!("{at}: {b} for {a}")),
    }
}

/// What the recorded region was told by other ways than its API: the machines' own reports.
async fn cause(region: &FakeRegion, ids: &Ids, r: &Recording) {
    let fetch = |node: &str| ids.nodes.get(node).cloned().unwrap_or_default();
    let boot = |id: &str| {
        let mac = region
            .machine(id)
            .map(|m| m.macs[0].clone())
            .unwrap_or_default();
        region.machine_booted(&mac);
    };
    let in_state = |status: i64| {
        region
            .machines()
            .into_iter()
            .filter(|m| m.status == status)
            .map(|m| m.system_id)
            .collect::<Vec<_>>()
    };
    let name = r.name.as_str();
    if name.contains("signal_final_ok") || matches!(name, "342_final" | "362_final") {
        in_state(1).iter().for_each(|id| boot(id));
    } else if name.contains("signal_failed") {
        for id in in_state(1) {
            region.fail_next(&id);
            boot(&id);
        }
    } else if name.contains("user_data_marks_deployed") {
        in_state(9).iter().for_each(|id| boot(id));
    } else if name == "457_status_curtin_failure" {
        let id = fetch("76nt6t");
        region.fail_next(&id);
        boot(&id);
    } else if r.status == 503 && String::from_utf8_lossy(&r.answer).contains("another action") {
        let id = fetch(r.path.split('/').nth(5).unwrap());
        assert!(region.set_power_busy(&id, std::time::Duration::from_secs(3600)));
    } else if name.ends_with("_retry") {
        let id = fetch(r.path.split('/').nth(5).unwrap());
        assert!(region.set_power_busy(&id, std::time::Duration::ZERO));
    } else if name == "511_users_create_dup" {
        region.api_key("bob");
    } else if name == "600_rackdown_query_power_manual" {
        region.set_rack_connected(false);
    } else if name == "611_rackup_query_power" {
        region.set_rack_connected(true);
    }
    region.tick().await;
}

const ADMIN: [&str; 3] = [
    "TMFqnEW9pxumTR7GAr",
    "C3g8ZLAHAVvhwzR3Xm",
    "fthc37xFAFNCMPWTRMBjN6JvAbVsHCvW",
];

/// The recorded signature with the fake region's keys, and the present time.
fn authorization(region: &FakeRegion, r: &Recording) -> Option<String> {
    let recorded = r
        .sent_headers
        .iter()
        .find(|(n, _)| n == "Authorization")?
        .1
        .clone();
    let user = if r.name.contains("_bob_") {
        "bob"
    } else {
        "admin"
    };
    let key = region.api_key(user);
    let parts: Vec<&str> = key.split(':').collect();
    let mut header = recorded;
    if user == "bob" {
        let nonce = header
            .split("oauth_nonce=\"")
            .nth(1)?
            .split('"')
            .next()?
            .to_owned();
        header = format!(
            "OAuth oauth_version=\"1.0\", oauth_signature_method=\"PLAINTEXT\", oauth_consumer_key=\"{}\", oauth_token=\"{}\", \
             oauth_signature=\"%26{}\", oauth_nonce=\"{nonce}\", oauth_timestamp=\"0\"",
            parts[0], parts[1], parts[2]
        );
    }
    for (old, new) in ADMIN.iter().zip(&parts) {
        header = header.replace(old, new);
    }
    if !r.name.starts_with("009") {
        let given = header
            .split("oauth_timestamp=\"")
            .nth(1)?
            .split('"')
            .next()?
            .to_owned();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        header = header.replace(
            &format!("oauth_timestamp=\"{given}\""),
            &format!("oauth_timestamp=\"{now}\""),
        );
    }
    Some(header)
}

/// Resources that the pipeline uses.
fn of_the_pipeline(r: &Recording) -> bool {
    const MAIN: [&str; 22] = [
        "version",
        "users",
        "account",
        "maas",
        "boot-sources",
        "boot-resources",
        "rackcontrollers",
        "fabrics",
        "vlans",
        "subnets",
        "ipranges",
        "spaces",
        "tags",
        "machines",
        "nodes",
        "vm-hosts",
        "resourcepools",
        "resourcepool",
        "zones",
        "events",
        "discovery",
        "domains",
    ];
    let rest = r.path.trim_start_matches("/MAAS/api/2.0");
    let first = rest.split('/').find(|p| !p.is_empty()).unwrap_or("");
    r.path.starts_with("/MAAS/accounts/")
        || (r.path.starts_with("/MAAS/api/2.0/") && MAIN.contains(&first))
}

#[tokio::test]
async fn recorded_requests() {
    let region = FakeRegion::builder()
        .power(Arc::new(Bmcs::default()))
        .vm_hosts(Arc::new(NoHosts))
        .start()
        .await
        .unwrap();
    region.create_admin("admin", "admin", "admin@example.com");
    let mut world = region.snapshot();
    // The recorded region was never given MAAS's own image source, and had `focal` as its release.
    world["sources"] = serde_json::json!([]);
    region.restore(world).unwrap();
    let http = reqwest_client();
    let mut ids = Ids::default();
    ids.nodes.insert("kqywdf".into(), "kqywdf".into());
    let key = region.api_key("admin");
    ids.nodes
        .insert(ADMIN[1].into(), key.split(':').nth(1).unwrap().into());
    let (mut asked, mut right, mut main_asked, mut main_right) = (0, 0, 0, 0);
    let mut failures = Vec::new();
    for r in load::all() {
        cause(&region, &ids, &r).await;
        if r.name == "180b_bootsource_update" {
            // A source that was made in between stands for the first one.
            let first = ids
                .numbers
                .get(&("boot-sources".into(), 1))
                .copied()
                .unwrap();
            ids.numbers.insert(("boot-sources".into(), 3), first);
        }
        if r.path.starts_with("/MAAS/metadata/") || r.path.starts_with("/MAAS/images-stream") {
            continue;
        }
        let op = r.asked().op;
        let method = reqwest_method(&r.method);
        let path = ids.path(&r.path);
        let mut url = url::Url::parse(&region.url()).unwrap();
        url.set_path(&path);
        if !r.query.is_empty() {
            url.query_pairs_mut().extend_pairs(
                r.query
                    .iter()
                    .map(|(n, v)| (n.clone(), ids.field(n, v, op.as_deref()))),
            );
        }
        let mut request = http.request(method, url);
        if let Some(header) = authorization(&region, &r) {
            request = request.header("Authorization", header);
        }
        if let Some((_, kind)) = r.sent_headers.iter().find(|(n, _)| n == "Content-Type") {
            request = request.header("Content-Type", kind);
        }
        let urlencoded = r.encoding.as_deref() == Some("urlencoded");
        match (&r.form, &r.body) {
            (Some(form), _) if urlencoded => {
                let form: Vec<(String, String)> = form
                    .iter()
                    .map(|(n, v)| (n.clone(), ids.field(n, v, op.as_deref())))
                    .collect();
                let body = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(form)
                    .finish();
                request = request
                    .header("Content-Type", "application/x-www-form-urlencoded")
                    .body(body);
            }
            (_, Some(body)) => request = request.body(ids.nodes_in(body)),
            _ => {}
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let body = answer.bytes().await.unwrap();
        let json: Option<Value> = serde_json::from_slice(&body).ok();
        let mut wrong = Vec::new();
        if status != r.status {
            wrong.push(format!(
                "status {status} for {}: {}",
                r.status,
                String::from_utf8_lossy(&body)
                    .chars()
                    .take(150)
                    .collect::<String>()
            ));
        } else {
            for name in ["content-type", "retry-after", "www-authenticate", "allow"] {
                let (is, was) = (
                    headers.get(name).and_then(|v| v.to_str().ok()),
                    r.header(name),
                );
                if is != was {
                    wrong.push(format!("{name} {is:?} for {was:?}"));
                }
            }
            match (&r.json, &json) {
                (Some(a), Some(b)) if r.status < 400 => {
                    let at = if op.as_deref() == Some("power_parameters")
                        && r.path.ends_with("machines/")
                    {
                        "by id"
                    } else {
                        ""
                    };
                    shape(a, b, at, &mut wrong);
                }
                // What a person reads is held to the letter, but for the list of all settings.
                (Some(a), b)
                    if b.as_ref() != Some(a) && !a.to_string().contains("valid settings are") =>
                {
                    let b = b.as_ref().map(Value::to_string).unwrap_or_default();
                    let was = a.to_string();
                    if ids.path(&was) != b && was != b {
                        wrong.push(format!("said {b} for {a}"));
                    }
                }
                (None, _) if status != 204 && status >= 300 => {
                    let (is, was) = (
                        String::from_utf8_lossy(&body).into_owned(),
                        String::from_utf8_lossy(&r.answer).into_owned(),
                    );
                    let words = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ");
                    let opaque = r.path == "/MAAS/"
                        || was.contains("oauth")
                        || was.contains("Expected signature")
                        || was.contains("Expired timestamp");
                    if !opaque
                        && words(&is) != words(&ids.nodes_in(&was))
                        && !(was == "null" && is.is_empty())
                    {
                        wrong.push(format!("said {is:?} for {was:?}"));
                    }
                }
                _ => {}
            }
            if let (Some(a), Some(b)) = (&r.json, &json) {
                ids.learn(a, b);
            }
        }
        asked += 1;
        let main = of_the_pipeline(&r);
        main_asked += usize::from(main);
        if wrong.is_empty() {
            right += 1;
            main_right += usize::from(main);
        } else {
            failures.push(format!(
                "{}{}: {}",
                if main { "" } else { "(aside) " },
                r.name,
                wrong.join("; ")
            ));
        }
    }
    for failure in &failures {
        println!(
            "differs: {}",
            failure
                .replace('\n', " ")
                .chars()
                .take(400)
                .collect::<String>()
        );
    }
    println!(
        "the fake region answered {right} of {asked} recorded requests as recorded ({:.1} %)",
        percent(right, asked)
    );
    println!(
        "of the pipeline's resources: {main_right} of {main_asked} ({:.1} %)",
        percent(main_right, main_asked)
    );
    assert!(percent(main_right, main_asked) > 90.0);
}

#[allow(clippy::cast_precision_loss)]
fn percent(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole as f64
}

fn reqwest_client() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

fn reqwest_method(name: &str) -> reqwest::Method {
    name.parse().unwrap()
}
