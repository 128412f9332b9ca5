//! `FullStatus` and the watcher's deltas out of the world, in the recorded shape.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::state::{App, Machine, Model, State, Unit, VaultState};
use crate::bundle::base::series_of;

/// The virtual world begins here.
pub(super) fn time(t: Duration) -> String {
    let begin = jiff::Timestamp::from_second(1_790_000_000).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let at = jiff::SignedDuration::try_from(t)
        .ok()
        .and_then(|d| begin.checked_add(d).ok())
        .unwrap_or(begin);
    at.to_string()
}

/// How a unit is now.
pub(super) struct Condition {
    pub(super) agent: &'static str,
    pub(super) workload: &'static str,
    pub(super) info: String,
    pub(super) since: Duration,
}

fn condition(
    agent: &'static str,
    workload: &'static str,
    info: impl Into<String>,
    since: Duration,
) -> Condition {
    Condition {
        agent,
        workload,
        info: info.into(),
        since,
    }
}

fn is_charm(a: &App, name: &str) -> bool {
    super::charms::name_of(&a.charm) == name
}

/// When a principal's unit is due to be active.
fn due(s: &State, m: &Model, app: &str, u: &Unit, started: Duration) -> Duration {
    let submitted = m.submitted.unwrap_or(u.created);
    let Some(a) = m.apps.get(app) else {
        return started;
    };
    if is_charm(a, "nova-compute") {
        return started + s.durations.compute;
    }
    // Applications are done one after another in the second half; the last one at the very end.
    let mut names: Vec<&String> = m
        .apps
        .iter()
        .filter(|(_, a)| !a.subordinate && !is_charm(a, "vault") && !is_charm(a, "nova-compute"))
        .map(|(n, _)| n)
        .collect();
    names.sort();
    let at = names
        .iter()
        .position(|n| *n == app)
        .map_or(names.len(), |i| i + 1);
    let share = 0.5 + 0.5 * at as f64 / names.len().max(1) as f64;
    // A unit that was added later has a bundle's share of its own.
    if u.created > submitted + s.durations.bundle {
        return started.max(u.created) + s.durations.bundle.mul_f64(0.1);
    }
    (submitted + s.durations.bundle.mul_f64(share)).max(started)
}

fn wants_certificates(m: &Model, app: &str) -> bool {
    m.relations.iter().any(|r| {
        r.ends.iter().any(|e| e.0 == app)
            && r.ends.iter().any(|e| {
                e.1 == "certificates" && m.apps.get(&e.0).is_some_and(|a| is_charm(a, "vault"))
            })
    }) && !m.apps.get(app).is_some_and(|a| is_charm(a, "vault"))
}

/// The ladder of a unit, as a real one was seen to climb it.
pub(super) fn unit_condition(
    s: &State,
    m: &Model,
    app: &str,
    n: u64,
    u: &Unit,
    now: Duration,
) -> Condition {
    let name = format!("{app}/{n}");
    let host = match &u.principal {
        Some(p) => m.unit(p),
        None => Some(u),
    };
    let machine = host.and_then(|h| m.machines.get(&h.machine));
    let Some(started) = machine.and_then(|mm| mm.started).filter(|t| *t <= now) else {
        return condition("allocating", "waiting", "waiting for machine", u.created);
    };
    if let Some(hook) = s.unit_errors.get(&name) {
        return condition("idle", "error", format!("hook failed: \"{hook}\""), started);
    }
    let begin = started.max(u.created);
    let done = match &u.principal {
        Some(p) => {
            let (papp, pn) = p.rsplit_once('/').unwrap_or((p, "0"));
            let pu = m
                .apps
                .get(papp)
                .and_then(|a| a.units.get(&pn.parse().unwrap_or(0)));
            let base = pu.map_or(begin, |pu| due(s, m, papp, pu, started));
            // What is integrated with the compute nodes comes after them; what the bundle's principals carry comes up with them.
            if m.apps
                .get(papp)
                .is_some_and(|a| is_charm(a, "nova-compute"))
            {
                base + s.durations.integrations
            } else {
                base
            }
        }
        None => due(s, m, app, u, started),
    }
    .max(begin);
    let is_vault = m.apps.get(app).is_some_and(|a| is_charm(a, "vault"));
    let done = if is_vault {
        (m.submitted.unwrap_or(u.created) + s.durations.vault_blocked).max(begin)
    } else {
        done
    };
    let span = done.saturating_sub(begin);
    let step = |share: f64| begin + span.mul_f64(share);
    if now < step(0.05) {
        return condition("allocating", "waiting", "installing agent", begin);
    }
    if now < step(0.1) {
        return condition("allocating", "waiting", "agent initialising", step(0.05));
    }
    if now < step(0.4) {
        return condition(
            "executing",
            "maintenance",
            "installing charm software",
            step(0.1),
        );
    }
    if is_vault {
        if now < done {
            return condition("executing", "maintenance", "configuring vault", step(0.4));
        }
        return match s.vault {
            VaultState::Uninitialised => {
                condition("idle", "blocked", "Vault needs to be initialized", done)
            }
            VaultState::Sealed => condition("idle", "blocked", "Unit is sealed", done),
            VaultState::Unsealed => condition(
                "idle",
                "blocked",
                "Vault charm not yet authorized: run authorize-charm action.",
                done,
            ),
            VaultState::Authorised => condition("idle", "blocked", "Missing CA cert", done),
            VaultState::HasRootCa => condition(
                "idle",
                "active",
                "Unit is ready (active: true, mlock: disabled)",
                s.vault_ca_at.unwrap_or(done).max(done),
            ),
        };
    }
    let mut active_at = done;
    if wants_certificates(m, app)
        || u.principal
            .as_deref()
            .and_then(|p| p.rsplit_once('/'))
            .is_some_and(|(p, _)| wants_certificates(m, p))
    {
        match s.vault_ca_at.map(|t| t + s.durations.certificates) {
            Some(t) if t <= now => active_at = active_at.max(t),
            _ => {
                return condition(
                    "idle",
                    "waiting",
                    "'certificates' awaiting server certificate data",
                    step(0.4),
                );
            }
        }
    }
    if now < active_at {
        return condition("executing", "maintenance", "configuring", step(0.4));
    }
    condition("idle", "active", "Unit is ready", active_at)
}

pub(super) fn machine_condition(
    mm: &Machine,
    now: Duration,
) -> (&'static str, &'static str, String) {
    if mm.started.is_some_and(|t| t <= now) {
        return ("started", "running", "Deployed".into());
    }
    if mm.instance.is_some() {
        return ("pending", "allocating", "Deploying".into());
    }
    if mm.given_up {
        return (
            "down",
            "provisioning error",
            mm.error.clone().unwrap_or_default(),
        );
    }
    match &mm.error {
        Some(e) => ("pending", "allocating", e.clone()),
        None => ("pending", "pending", String::new()),
    }
}

fn status(
    word: &str,
    info: &str,
    data: Value,
    since: Option<Duration>,
    version: &str,
    life: &str,
) -> Value {
    json!({"status": word, "info": info, "data": data, "since": since.map(time), "kind": "", "version": version, "life": life})
}

fn machine(s: &State, m: &Model, id: &str, mm: &Machine, now: Duration) -> Value {
    let life = if mm.dying.is_some() { "dying" } else { "alive" };
    let (agent, instance, info) = machine_condition(mm, now);
    let prefix = format!("{id}/");
    let containers: Map<String, Value> = m
        .machines
        .iter()
        .filter(|(c, _)| c.starts_with(&prefix) && c[prefix.len()..].matches('/').count() == 1)
        .map(|(c, cm)| (c.clone(), machine(s, m, c, cm, now)))
        .collect();
    let mut shown = mm.constraints.clone();
    if shown.is_empty() {
        shown.arch = Some("amd64".into());
    }
    let mut v = json!({
        "agent-status": status(agent, "", json!({}), Some(mm.started.filter(|t| *t <= now).unwrap_or(mm.created)), "", life),
        "instance-status": status(instance, &info, json!({}), Some(mm.created), "", life),
        "modification-status": status("", "", Value::Null, None, "", ""),
        "dns-name": "",
        "instance-id": "pending",
        "display-name": "",
        "base": mm.base,
        "id": id,
        "containers": containers,
        "constraints": shown.to_string(),
        "hardware": "",
        "jobs": ["JobHostUnits"],
        "has-vote": false,
        "wants-vote": false,
    });
    if s.version.starts_with("3.1") || s.version.starts_with("3.2") {
        v["series"] = json!(series_of(&mm.base).unwrap_or("jammy"));
    }
    if let Some(i) = &mm.instance {
        v["instance-id"] = json!(i.system_id);
        v["display-name"] = json!(i.hostname);
        let cores = mm.constraints.cores.unwrap_or(4);
        let mem = mm.constraints.mem.unwrap_or(8192);
        let tags = mm.constraints.wanted_tags().join(",");
        let tags = if tags.is_empty() {
            String::new()
        } else {
            format!(" tags={tags}")
        };
        v["hardware"] = json!(format!(
            "arch=amd64 cores={cores} mem={mem}M{tags} availability-zone=default"
        ));
        if mm.started.is_some_and(|t| t <= now) {
            v["hostname"] = json!(i.hostname);
            v["dns-name"] = json!(i.addresses.first().cloned().unwrap_or_default());
            v["ip-addresses"] = json!(i.addresses);
            v["network-interfaces"] = json!({"eth0": {"ip-addresses": i.addresses, "mac-address": "", "space": "alpha", "is-up": true}});
        }
    }
    v
}

pub(super) fn address(m: &Model, u: &Unit, now: Duration) -> String {
    let host = match &u.principal {
        Some(p) => m.unit(p),
        None => Some(u),
    };
    host.and_then(|h| m.machines.get(&h.machine))
        .filter(|mm| mm.started.is_some_and(|t| t <= now))
        .and_then(|mm| mm.instance.as_ref())
        .and_then(|i| i.addresses.first().cloned())
        .unwrap_or_default()
}

fn unit(s: &State, m: &Model, app: &str, n: u64, u: &Unit, now: Duration) -> Value {
    let c = unit_condition(s, m, app, n, u, now);
    let name = format!("{app}/{n}");
    let subordinates: Map<String, Value> = m
        .apps
        .iter()
        .filter(|(_, a)| a.subordinate)
        .flat_map(|(sub, a)| a.units.iter().map(move |(n, u)| (sub, n, u)))
        .filter(|(_, _, su)| su.principal.as_deref() == Some(&name))
        .map(|(sub, n, su)| (format!("{sub}/{n}"), unit(s, m, sub, *n, su, now)))
        .collect();
    let version = if c.agent == "allocating" {
        ""
    } else {
        &s.version
    };
    let data = if c.workload == "error" {
        json!({"hook": c.info.split('"').nth(1)})
    } else {
        json!({})
    };
    let mut v = json!({
        "agent-status": status(c.agent, "", json!({}), Some(c.since), version, "alive"),
        "workload-status": status(c.workload, &c.info, data, Some(c.since), "", ""),
        "workload-version": "",
        "machine": u.machine,
        "opened-ports": null,
        "public-address": address(m, u, now),
        "charm": "",
        "subordinates": if subordinates.is_empty() { Value::Null } else { Value::Object(subordinates) },
    });
    if c.agent != "allocating"
        && m.apps
            .get(app)
            .is_some_and(|a| a.units.keys().next() == Some(&n))
    {
        v["leader"] = json!(true);
    }
    v
}

/// An application's status is the worst of its units'.
fn app_condition(
    s: &State,
    m: &Model,
    app: &str,
    a: &App,
    now: Duration,
) -> (&'static str, String, Option<Duration>) {
    let order = [
        "error",
        "blocked",
        "waiting",
        "maintenance",
        "terminated",
        "active",
    ];
    a.units
        .iter()
        .map(|(n, u)| unit_condition(s, m, app, *n, u, now))
        .min_by_key(|c| order.iter().position(|o| *o == c.workload))
        .map_or(("unknown", String::new(), None), |c| {
            (c.workload, c.info, Some(c.since))
        })
}

fn relations_of(m: &Model, app: &str) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for r in &m.relations {
        match &r.ends[..] {
            [one] if one.0 == app => all.entry(one.1.clone()).or_default().push(app.to_owned()),
            [a, b] if a.0 == app => all.entry(a.1.clone()).or_default().push(b.0.clone()),
            [a, b] if b.0 == app => all.entry(b.1.clone()).or_default().push(a.0.clone()),
            _ => {}
        }
    }
    all
}

fn application(s: &State, m: &Model, name: &str, a: &App, now: Duration) -> Value {
    let units: Map<String, Value> = a
        .units
        .iter()
        .map(|(n, u)| (format!("{name}/{n}"), unit(s, m, name, *n, u, now)))
        .collect();
    let (word, info, since) = app_condition(s, m, name, a, now);
    let mut principals: Vec<&String> = Vec::new();
    if a.subordinate {
        for r in m
            .relations
            .iter()
            .filter(|r| r.scope == "container" && r.ends.iter().any(|e| e.0 == name))
        {
            principals.extend(r.ends.iter().map(|e| &e.0).filter(|e| *e != name));
        }
        principals.sort();
        principals.dedup();
    }
    let mut v = json!({
        "charm": a.charm,
        "charm-version": "",
        "charm-profile": "",
        "base": a.base,
        "exposed": a.exposed,
        "life": "alive",
        "relations": relations_of(m, name),
        "can-upgrade-to": "",
        "subordinate-to": principals,
        "units": if a.subordinate { Value::Null } else { Value::Object(units) },
        "status": status(word, &info, Value::Null, since, "", ""),
        "workload-version": "",
        "endpoint-bindings": a.bindings,
        "public-address": "",
    });
    if a.charm.starts_with("ch:") {
        v["charm-channel"] = json!(a.channel);
        v["charm-rev"] = json!(
            a.charm
                .rsplit_once('-')
                .and_then(|(_, r)| r.parse::<i64>().ok())
                .unwrap_or(0)
        );
    }
    if !a.exposed_endpoints.is_empty() {
        v["exposed-endpoints"] = Value::Object(a.exposed_endpoints.clone());
    }
    if s.version.starts_with("3.1") || s.version.starts_with("3.2") {
        v["series"] = json!(series_of(&a.base).unwrap_or("jammy"));
    }
    v
}

pub(super) fn full_status(s: &State, m: &Model, now: Duration) -> Value {
    let relations: Vec<Value> = m
        .relations
        .iter()
        .map(|r| {
            let ends: Vec<Value> = r
                .ends
                .iter()
                .map(|(app, ep, role)| json!({"application": app, "name": ep, "role": role, "subordinate": m.apps.get(app).is_some_and(|a| a.subordinate)}))
                .collect();
            let joined = r.ends.iter().all(|e| m.apps.get(&e.0).is_some_and(|a| a.units.iter().any(|(n, u)| unit_condition(s, m, &e.0, *n, u, now).agent != "allocating")));
            json!({"id": r.id, "key": key(r), "interface": r.interface, "scope": r.scope, "endpoints": ends,
                   "status": status(if joined { "joined" } else { "joining" }, "", json!({}), Some(r.created), "", "")})
        })
        .collect();
    let mut model = json!({
        "name": m.name,
        "type": "iaas",
        "cloud-tag": format!("cloud-{}", m.cloud),
        "version": s.version,
        "available-version": "",
        "model-status": status("available", "", Value::Null, Some(now), "", ""),
    });
    if !m.region.is_empty() {
        model["region"] = json!(m.region);
    }
    let machines: Map<String, Value> = m
        .machines
        .iter()
        .filter(|(id, _)| !id.contains('/'))
        .map(|(id, mm)| (id.clone(), machine(s, m, id, mm, now)))
        .collect();
    let apps: Map<String, Value> = m
        .apps
        .iter()
        .map(|(n, a)| (n.clone(), application(s, m, n, a, now)))
        .collect();
    json!({
        "model": model,
        "machines": machines,
        "applications": apps,
        "remote-applications": remote_applications(m),
        "offers": super::calls_more::offers(m),
        "relations": if relations.is_empty() { Value::Null } else { json!(relations) },
        "controller-timestamp": time(now),
        "branches": null,
    })
}

/// Applications of other models, as they were consumed.
fn remote_applications(m: &Model) -> Map<String, Value> {
    let one = |c: &Value| {
        json!({"offer-url": c["offer-url"], "offer-name": c["offer-name"], "endpoints": c["endpoints"], "life": "alive", "relations": {},
               "status": status("active", "", json!({}), None, "", "")})
    };
    m.consumed
        .iter()
        .map(|(n, c)| (n.clone(), one(c)))
        .collect()
}

pub(super) fn key(r: &super::state::Relation) -> String {
    r.ends
        .iter()
        .map(|e| format!("{}:{}", e.0, e.1))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Every entity as the 3.x watcher shows it, by kind and id.
pub(super) fn entities(s: &State, m: &Model, now: Duration) -> BTreeMap<(String, String), Value> {
    let mut all = BTreeMap::new();
    let uuid = &m.uuid;
    let st = |word: &str, info: &str, since: Duration, version: &str| json!({"current": word, "message": info, "since": time(since), "version": version, "data": {}});
    all.insert(
        ("model".to_owned(), uuid.clone()),
        json!({"model-uuid": uuid, "name": m.name, "life": "alive", "owner": m.owner, "controller-uuid": s.identity.controller_uuid, "is-controller": false,
               "config": m.config, "status": st("available", "", Duration::ZERO, ""), "constraints": {}, "sla": {"level": "unsupported", "owner": ""}, "type": "iaas", "version": s.version}),
    );
    for (name, a) in &m.apps {
        let (word, info, since) = app_condition(s, m, name, a, now);
        all.insert(
            ("application".to_owned(), name.clone()),
            json!({"model-uuid": uuid, "name": name, "exposed": a.exposed, "charm-url": a.charm, "owner-tag": "user-admin", "life": "alive", "min-units": 0,
                   "constraints": a.constraints, "config": a.config, "subordinate": a.subordinate, "status": st(word, &info, since.unwrap_or(a.created), ""), "workload-version": ""}),
        );
        for (n, u) in &a.units {
            let c = unit_condition(s, m, name, *n, u, now);
            let machine = u
                .principal
                .as_deref()
                .and_then(|p| m.unit(p))
                .map_or(&u.machine, |p| &p.machine);
            all.insert(
                ("unit".to_owned(), format!("{name}/{n}")),
                json!({"model-uuid": uuid, "name": format!("{name}/{n}"), "application": name, "base": format!("{}@{}", a.base.name, a.base.channel), "series": series_of(&a.base).unwrap_or("jammy"),
                       "charm-url": a.charm, "life": "alive", "public-address": address(m, u, now), "private-address": address(m, u, now), "machine-id": machine,
                       "ports": [], "port-ranges": [], "principal": u.principal.clone().unwrap_or_default(), "subordinate": u.principal.is_some(),
                       "workload-status": st(c.workload, &c.info, c.since, ""), "agent-status": st(c.agent, "", c.since, &s.version)}),
            );
        }
    }
    for (id, mm) in &m.machines {
        let (agent, instance, info) = machine_condition(mm, now);
        let life = if mm.dying.is_some() { "dying" } else { "alive" };
        let addresses: Vec<Value> = mm
            .instance
            .iter()
            .flat_map(|i| &i.addresses)
            .map(|a| json!({"value": a, "type": "ipv4", "scope": "local-cloud", "space-id": "0"}))
            .collect();
        all.insert(
            ("machine".to_owned(), id.clone()),
            json!({"model-uuid": uuid, "id": id, "instance-id": mm.instance.as_ref().map_or("", |i| i.system_id.as_str()), "agent-status": st(agent, "", mm.created, &s.version),
                   "instance-status": st(instance, &info, mm.created, ""), "life": life, "base": format!("{}@{}", mm.base.name, mm.base.channel), "series": series_of(&mm.base).unwrap_or("jammy"),
                   "container-type": id.split('/').nth(1).unwrap_or(""), "supported-containers": ["lxd"], "supported-containers-known": true, "hardware-characteristics": {"arch": "amd64"},
                   "jobs": ["JobHostUnits"], "addresses": addresses, "has-vote": false, "wants-vote": false}),
        );
    }
    for r in &m.relations {
        let ends: Vec<Value> = r
            .ends
            .iter()
            .map(|(app, ep, role)| json!({"application-name": app, "relation": {"name": ep, "role": role, "interface": r.interface, "optional": false, "limit": 0, "scope": r.scope}}))
            .collect();
        all.insert(
            ("relation".to_owned(), key(r)),
            json!({"model-uuid": uuid, "key": key(r), "id": r.id, "endpoints": ends}),
        );
    }
    for (n, a) in &m.actions {
        all.insert(
            ("action".to_owned(), n.to_string()),
            json!({"model-uuid": uuid, "id": n.to_string(), "receiver": a.unit, "name": a.name, "status": a.status, "message": a.message,
                   "enqueued": time(a.enqueued), "started": a.started.map_or_else(|| ZERO.to_owned(), time), "completed": a.done.map_or_else(|| ZERO.to_owned(), time)}),
        );
    }
    all
}

/// Go's zero time.
pub(super) const ZERO: &str = "0001-01-01T00:00:00Z";
