//! VM hosts, and machines composed on them by hand.

use super::*;

/// `vm-hosts/`.
pub(crate) async fn vm_hosts(shared: &Arc<Shared>, req: &Req) -> R {
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => {
            let s = shared.lock();
            Ok(json_ok(&json!(
                s.vm_hosts
                    .iter()
                    .map(|v| render::vm_host(&s, v))
                    .collect::<Vec<_>>()
            )))
        }
        ("POST", None) => create_vm_host(shared, req).await,
        _ => Err(unknown(req)),
    }
}

/// What a driver is given: the trust password under both of its names.
pub(crate) fn for_driver(parameters: &Map<String, Value>) -> Map<String, Value> {
    let mut all = parameters.clone();
    if let Some(password) = parameters.get("password").cloned() {
        all.entry("power_pass".to_owned()).or_insert(password);
    }
    all
}

pub(super) fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN ")
}

pub(super) async fn create_vm_host(shared: &Arc<Shared>, req: &Req) -> R {
    req.admin()?;
    let mut errors = Fields::default();
    errors.required(req, "type");
    errors.check()?;
    let kind = req.get("type").unwrap_or("").to_owned();
    if kind != "lxd" && kind != "virsh" {
        return Err(no_choice("type", &kind));
    }
    super::super::basics::require(req, &["power_address"])?;
    let mut parameters = Map::new();
    // LXD's trust password is `password`; `power_pass` is virsh's, and passed over for LXD.
    let secret = if kind == "lxd" {
        "password"
    } else {
        "power_pass"
    };
    for key in [
        "power_address",
        secret,
        "power_user",
        "project",
        "certificate",
        "key",
    ] {
        if let Some(value) = req.filled(key) {
            parameters.insert(key.to_owned(), json!(value));
        }
    }
    if kind == "lxd" {
        parameters
            .entry("project".to_owned())
            .or_insert(json!("default"));
        parameters.entry("password".to_owned()).or_insert(json!(""));
        if ["certificate", "key"].iter().any(|k| {
            parameters
                .get(*k)
                .and_then(Value::as_str)
                .is_some_and(|t| !is_pem(t))
        }) {
            return Err(text(500, "Invalid PEM material"));
        }
        for (key, name) in [("certificate", "CERTIFICATE"), ("key", "PRIVATE KEY")] {
            parameters.entry(key.to_owned()).or_insert_with(|| {
                json!(format!(
                    "-----BEGIN {name}-----\nRkFLRQ==\n-----END {name}-----\n"
                ))
            });
        }
    }
    let name = {
        let mut s = shared.lock();
        let same = |v: &&VmHost| {
            v.kind == kind
                && v.parameters.get("power_address") == parameters.get("power_address")
                && v.parameters.get("project") == parameters.get("project")
        };
        if let Some(v) = s.vm_hosts.iter().find(same) {
            return Err(invalid(
                "__all__",
                format!("Pod {} with type and parameters already exist.", v.name),
            ));
        }
        if let Some(name) = req.filled("name")
            && s.vm_hosts.iter().any(|v| v.name == name)
        {
            return Err(invalid("name", "Pod with this Name already exists."));
        }
        req.filled("name")
            .map_or_else(|| s.new_hostname(), str::to_owned)
    };
    let found = shared.vm_hosts.discover(&for_driver(&parameters)).await;
    let mut s = shared.lock();
    // LXD's ids share the counter of all BMCs.
    let id = s.next_id("bmc");
    let tags: Vec<String> = req
        .all("tags")
        .iter()
        .flat_map(|t| t.split(','))
        .map(|t| t.trim().to_owned())
        .filter(|t| !t.is_empty())
        .chain(["pod-console-logging".to_owned()])
        .collect();
    for tag in &tags {
        if tag != "pod-console-logging" && !s.tags.iter().any(|t| t.name == *tag) {
            s.tags.push(super::super::state::Tag {
                name: tag.clone(),
                ..super::super::state::Tag::default()
            });
        }
    }
    let pool = req
        .filled("pool")
        .and_then(|p| s.pools.iter().find(|x| x.name == p))
        .map_or(0, |p| p.id);
    let ratio = |name: &str| req.filled(name).and_then(|r| r.parse().ok()).unwrap_or(1.0);
    let ready_at = s.now + shared.durations().vmhost_ready;
    // Found or not, the host is saved: without resources when nothing answered.
    s.vm_hosts.push(VmHost {
        id,
        name,
        kind,
        tags,
        parameters,
        zone: req.filled("zone").unwrap_or("default").to_owned(),
        pool,
        cpu_ratio: ratio("cpu_over_commit_ratio"),
        memory_ratio: ratio("memory_over_commit_ratio"),
        resources: found.ok(),
        ready_at,
    });
    s.count("vm-host");
    rendered(&s, id)
}

pub(super) fn rendered(s: &State, id: i64) -> R {
    s.vm_hosts
        .iter()
        .find(|v| v.id == id)
        .map(|v| json_ok(&render::vm_host(s, v)))
        .ok_or_else(|| plain(404, "Not Found"))
}

/// `vm-hosts/<id>/`.
pub(crate) async fn vm_host(shared: &Arc<Shared>, req: &Req, id: &str) -> R {
    let v = shared
        .lock()
        .vm_hosts
        .iter()
        .find(|v| v.id.to_string() == id)
        .cloned()
        .ok_or_else(|| plain(404, "Not Found"))?;
    let id = v.id;
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => rendered(&shared.lock(), id),
        ("GET", Some("parameters")) => {
            req.admin()?;
            Ok(json_ok(&Value::Object(v.parameters)))
        }
        ("PUT", None) => {
            req.admin()?;
            let mut s = shared.lock();
            update(&mut s, req, id)?;
            rendered(&s, id)
        }
        ("DELETE", None) => {
            req.admin()?;
            let decompose = req
                .arg("decompose")
                .or(req.get("decompose"))
                .is_some_and(|d| d == "true" || d == "1");
            let mut instances = Vec::new();
            {
                let mut s = shared.lock();
                let gone: Vec<(String, Option<String>)> = s
                    .machines
                    .iter()
                    .filter(|m| m.vm_host == Some(id))
                    .map(|m| (m.system_id.clone(), m.instance.clone()))
                    .collect();
                for (machine, instance) in gone {
                    progress::remove_machine(&mut s, &machine, &mut Vec::new());
                    instances.extend(instance);
                }
                s.vm_hosts.retain(|v| v.id != id);
            }
            if decompose {
                for instance in instances {
                    let _ = shared
                        .vm_hosts
                        .remove(&for_driver(&v.parameters), &instance)
                        .await;
                }
            }
            Ok(gone())
        }
        ("POST", Some("refresh")) => {
            req.admin()?;
            match shared.vm_hosts.discover(&for_driver(&v.parameters)).await {
                Ok(found) => {
                    let mut s = shared.lock();
                    reached(&mut s, id, found, shared.durations().vmhost_ready);
                    rendered(&s, id)
                }
                Err(why) => Err(text(
                    503,
                    format!(
                        "Failed talking to pod: Pod {id}: Failed to connect to the LXD REST API: {why}"
                    ),
                )),
            }
        }
        ("POST", Some("compose")) => {
            req.admin()?;
            compose(shared, req, id).await
        }
        ("POST", Some(op @ ("add_tag" | "remove_tag"))) => {
            req.admin()?;
            let tag = req
                .filled("tag")
                .ok_or_else(|| text(400, "No provided tag!"))?
                .to_owned();
            let mut s = shared.lock();
            if let Some(v) = s.vm_hosts.iter_mut().find(|v| v.id == id) {
                v.tags.retain(|t| *t != tag);
                if op == "add_tag" {
                    v.tags.push(tag);
                }
            }
            rendered(&s, id)
        }
        _ => Err(unknown(req)),
    }
}

/// Takes note of what a host has; one that was not reached before is usable after a while.
pub(super) fn reached(s: &mut State, id: i64, found: HostResources, after: Duration) {
    let now = s.now;
    if let Some(v) = s.vm_hosts.iter_mut().find(|v| v.id == id) {
        if v.resources.is_none() {
            v.ready_at = now + after;
        }
        v.resources = Some(found);
    }
}

pub(super) fn update(s: &mut State, req: &Req, id: i64) -> Result<(), Reply> {
    let pool = match req.filled("pool") {
        Some(p) => Some(
            s.pools
                .iter()
                .find(|x| x.name == p)
                .map(|p| p.id)
                .ok_or_else(|| no_choice("pool", p))?,
        ),
        None => None,
    };
    let Some(v) = s.vm_hosts.iter_mut().find(|v| v.id == id) else {
        return Ok(());
    };
    if let Some(name) = req.filled("name") {
        name.clone_into(&mut v.name);
    }
    if let Some(zone) = req.filled("zone") {
        zone.clone_into(&mut v.zone);
    }
    if let Some(pool) = pool {
        v.pool = pool;
    }
    if req.get("tags").is_some() {
        v.tags = req
            .all("tags")
            .iter()
            .flat_map(|t| t.split(','))
            .map(|t| t.trim().to_owned())
            .filter(|t| !t.is_empty())
            .collect();
    }
    for (field, slot) in [
        ("cpu_over_commit_ratio", &mut v.cpu_ratio),
        ("memory_over_commit_ratio", &mut v.memory_ratio),
    ] {
        if let Some(value) = req.filled(field) {
            *slot = value
                .parse()
                .ok()
                .filter(|r| (0.0..=10.0).contains(r))
                .ok_or_else(|| invalid(field, "Ensure this value is less than or equal to 10."))?;
        }
    }
    for key in [
        "power_address",
        "power_pass",
        "project",
        "certificate",
        "key",
    ] {
        if let Some(value) = req.filled(key) {
            v.parameters.insert(key.to_owned(), json!(value));
        }
    }
    Ok(())
}

pub(super) async fn compose(shared: &Arc<Shared>, req: &Req, host: i64) -> R {
    let _one_at_a_time = shared.allocating.lock().await;
    let spec = {
        let mut s = shared.lock();
        let v = s
            .vm_hosts
            .iter()
            .find(|v| v.id == host)
            .cloned()
            .ok_or_else(|| plain(404, "Not Found"))?;
        if v.resources.is_none() {
            return Err(text(400, "VM host does not support composability."));
        }
        let number = |name: &str, default: u64| {
            req.filled(name).map_or(Ok(default), |t| {
                t.parse()
                    .map_err(|_| invalid(name, "Enter a whole number."))
            })
        };
        let name = req.filled("hostname").map(str::to_owned);
        if let Some(name) = &name
            && s.machines.iter().any(|m| m.hostname == *name)
        {
            return Err(invalid(
                "hostname",
                format!("Node with hostname '{name}' already exists"),
            ));
        }
        let spec = ComposeSpec {
            cores: number("cores", 1)?,
            memory_mb: number("memory", DEFAULT_MEMORY)?,
            disks: req
                .filled("storage")
                .map(wanted_disks)
                .filter(|d| !d.is_empty())
                .unwrap_or_else(|| vec![DEFAULT_DISK]),
            architecture: req
                .filled("architecture")
                .map_or_else(|| "amd64/generic".to_owned(), full_architecture),
            hostname: name.unwrap_or_else(|| s.new_hostname()),
        };
        room(&s, &v, &spec)?;
        spec
    };
    let composed = compose_on(shared, host, &spec).await.map_err(|why| {
        text(
            503,
            format!("Failed talking to pod: Pod {host}: unable to compose machine: {why}"),
        )
    })?;
    let durations = shared.durations();
    let mut s = shared.lock();
    let id = add_composed(&mut s, host, &spec, &composed)
        .ok_or_else(|| text(500, "the machine could not be added"))?;
    if req.flag("skip_commissioning").unwrap_or(false) {
        known_at_once(&mut s, &id);
    } else if s.can_commission() {
        progress::commission(&mut s, &durations, &id, &req.user, true, false);
    }
    Ok(json_ok(
        &json!({ "system_id": id, "resource_uri": format!("/MAAS/api/2.0/machines/{id}/") }),
    ))
}
