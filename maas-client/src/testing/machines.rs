//! Machines: list, create, change, commission, deploy, release, power.

use std::net::IpAddr;

use base64::Engine;
use serde_json::{Map, Value, json};

use super::basics::unknown;
use super::progress::{self, Removal, complete_parameters, full_architecture};
use super::render;
use super::reply::{
    Fields, R, Reply, Req, busy, false_conflict, gone, invalid, json_ok, missing, no_choice,
    no_rack, text,
};
use super::state::{Machine, State};
use super::types::{Durations, MachineSpec, PowerAction};
use crate::model::NodeStatus;

/// Filters of a list and constraints of `allocate` that MAAS knows.
const CONSTRAINTS: [&str; 44] = [
    "agent_name",
    "arch",
    "architecture",
    "bridge_all",
    "bridge_fd",
    "bridge_stp",
    "bridge_type",
    "comment",
    "connected_to",
    "cpu_count",
    "cpu_speed",
    "deployment_target",
    "devices",
    "domain",
    "dry_run",
    "fabric_classes",
    "fabrics",
    "hostname",
    "id",
    "interfaces",
    "link_speed",
    "mac_address",
    "mem",
    "name",
    "not_arch",
    "not_fabric_classes",
    "not_fabrics",
    "not_in_pool",
    "not_in_zone",
    "not_pod",
    "not_pod_type",
    "not_subnets",
    "not_tags",
    "not_vlans",
    "pod",
    "pod_type",
    "pool",
    "status",
    "storage",
    "subnets",
    "system_id",
    "tags",
    "vlans",
    "zone",
];

pub(crate) fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 6
        && parts
            .iter()
            .all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The error of constraints that MAAS does not know, or tags that do not exist.
pub(crate) fn check_constraints(s: &State, pairs: &[(String, String)]) -> Result<(), Reply> {
    let mut errors = Fields::default();
    for (name, value) in pairs {
        if !CONSTRAINTS.contains(&name.as_str())
            && !matches!(name.as_str(), "op" | "verbose" | "power_state")
        {
            errors.add(name, "No such constraint.");
        }
        match name.as_str() {
            "mac_address" if !is_mac(value) => {
                errors.add(name, format!("'{value}' is not a valid MAC address."))
            }
            "status" if NodeStatus::from_filter(value).is_none() => {
                errors.add(
                    name,
                    format!("Select a valid choice. {value} is not one of the available choices."),
                );
            }
            _ => {}
        }
    }
    for field in ["tags", "not_tags"] {
        let bad: Vec<String> = tags_of(pairs, field)
            .into_iter()
            .filter(|t| !s.tags.iter().any(|x| x.name == *t))
            .map(|t| format!("'{t}'"))
            .collect();
        if !bad.is_empty() {
            errors.add(field, format!("No such tag(s): {}.", bad.join(", ")));
        }
    }
    errors.check()
}

/// Tags are repeated, or separated by commas or spaces.
pub(crate) fn tags_of(pairs: &[(String, String)], field: &str) -> Vec<String> {
    pairs
        .iter()
        .filter(|(n, _)| n == field)
        .flat_map(|(_, v)| v.split([',', ' ']))
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a machine passes the filters of a list.
fn passes(s: &State, m: &Machine, pairs: &[(String, String)]) -> bool {
    let any = |field: &str, fits: &dyn Fn(&str) -> bool| {
        let values: Vec<&str> = pairs
            .iter()
            .filter(|(n, _)| n == field)
            .map(|(_, v)| v.as_str())
            .collect();
        values.is_empty() || values.iter().any(|v| fits(v))
    };
    let number = |field: &str| {
        pairs
            .iter()
            .find(|(n, _)| n == field)
            .and_then(|(_, v)| v.parse::<f64>().ok())
    };
    #[allow(clippy::cast_precision_loss)]
    let least = |field: &str, has: u64| number(field).is_none_or(|want| (has as f64) >= want);
    let cores = if m.known { m.hardware.cores } else { 0 };
    let memory = if m.known { m.hardware.memory_mb } else { 0 };
    any("hostname", &|v| m.hostname == v)
        && any("name", &|v| m.hostname == v)
        && any("id", &|v| m.system_id == v)
        && any("system_id", &|v| m.system_id == v)
        && any("mac_address", &|v| {
            m.interfaces.iter().any(|i| i.mac.eq_ignore_ascii_case(v))
        })
        && any("status", &|v| {
            NodeStatus::from_filter(v).is_some_and(|x| x.number() == m.status)
        })
        && any("zone", &|v| m.zone == v)
        && any("pool", &|v| {
            s.pools.iter().any(|p| p.name == v && p.id == m.pool)
        })
        && any("agent_name", &|v| m.agent_name == v)
        && any("power_state", &|v| m.power_state == v)
        && any("arch", &|v| {
            m.architecture == v || m.architecture.split('/').next() == Some(v)
        })
        && any("domain", &|v| v == "maas")
        && !pairs
            .iter()
            .any(|(n, v)| n == "not_in_zone" && m.zone == *v)
        && !pairs.iter().any(|(n, v)| {
            n == "not_in_pool" && s.pools.iter().any(|p| p.name == *v && p.id == m.pool)
        })
        && tags_of(pairs, "tags").iter().all(|t| m.tags.contains(t))
        && !tags_of(pairs, "not_tags")
            .iter()
            .any(|t| m.tags.contains(t))
        && least("cpu_count", cores)
        && least("mem", memory)
}

/// Whether a Ready machine fits the constraints of `allocate`.
pub(crate) fn fits(s: &State, m: &Machine, pairs: &[(String, String)]) -> bool {
    // For a list the agent is a filter; here it is who takes the machine.
    let pairs: Vec<(String, String)> = pairs
        .iter()
        .filter(|(n, _)| n != "agent_name")
        .cloned()
        .collect();
    m.status == 4 && !m.locked && passes(s, m, &pairs) && storage_fits(m, &pairs)
}

/// `root:20,data:100` wants disks of at least so many GB, in order of size.
fn storage_fits(m: &Machine, pairs: &[(String, String)]) -> bool {
    let Some((_, wanted)) = pairs.iter().find(|(n, _)| n == "storage") else {
        return true;
    };
    let mut wanted: Vec<u64> = wanted_disks(wanted);
    let mut have = m.hardware.disks.clone();
    wanted.sort_unstable();
    have.sort_unstable();
    wanted.len() <= have.len()
        && wanted
            .iter()
            .rev()
            .zip(have.iter().rev())
            .all(|(w, h)| h >= w)
}

/// The sizes in bytes that a storage constraint asks for.
pub(crate) fn wanted_disks(text: &str) -> Vec<u64> {
    text.split(',')
        .filter(|p| !p.trim().is_empty())
        .map(|part| {
            let size = part
                .rsplit(':')
                .next()
                .unwrap_or("")
                .split('(')
                .next()
                .unwrap_or("");
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            size.trim().parse::<f64>().map_or(0, |gb| (gb * 1e9) as u64)
        })
        .collect()
}

pub(crate) fn machines(s: &mut State, d: &Durations, req: &Req, removals: &mut Vec<Removal>) -> R {
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => {
            let pairs: Vec<(String, String)> = req
                .query
                .iter()
                .filter(|(n, _)| n != "op")
                .cloned()
                .collect();
            check_constraints(s, &pairs)?;
            Ok(json_ok(&json!(
                s.machines
                    .iter()
                    .filter(|m| passes(s, m, &pairs))
                    .map(|m| render::machine(s, m))
                    .collect::<Vec<_>>()
            )))
        }
        ("GET", Some("is_registered")) => {
            let mac = req
                .arg("mac_address")
                .ok_or_else(|| text(400, "No provided mac_address!"))?;
            Ok(json_ok(&json!(
                s.machines
                    .iter()
                    .flat_map(|m| &m.interfaces)
                    .any(|i| i.mac.eq_ignore_ascii_case(mac))
            )))
        }
        ("GET", Some("list_allocated")) => {
            let list: Vec<Value> = s
                .machines
                .iter()
                .filter(|m| m.status == 10 && m.owner.as_deref() == Some(&req.user))
                .map(|m| render::machine(s, m))
                .collect();
            Ok(json_ok(&json!(list)))
        }
        ("GET", Some("power_parameters")) => {
            req.admin()?;
            let ids = if req.args("id").is_empty() {
                req.all("id")
            } else {
                req.args("id")
            };
            let map: Map<String, Value> = s
                .machines
                .iter()
                .filter(|m| ids.is_empty() || ids.contains(&m.system_id.as_str()))
                .map(|m| {
                    (
                        m.system_id.clone(),
                        Value::Object(m.power_parameters.clone()),
                    )
                })
                .collect();
            Ok(json_ok(&Value::Object(map)))
        }
        ("POST", None) => create(s, d, req),
        ("POST", Some("release")) => release_many(s, d, req, removals),
        ("POST", Some("accept")) => {
            for id in req.all("machines") {
                let m = s
                    .machine(id)
                    .ok_or_else(|| text(400, format!("Unknown machine(s): {id}.")))?;
                if m.status != 0 {
                    return Err(text(
                        409,
                        format!(
                            "Cannot accept node enlistment: node {id} is in state {}.",
                            render::status_name(m.status)
                        ),
                    ));
                }
            }
            Ok(json_ok(&json!([])))
        }
        ("POST", Some("clone")) => {
            let mut errors = Fields::default();
            errors.required(req, "destinations");
            errors.required(req, "source");
            if req.flag("storage") != Some(true) && req.flag("interfaces") != Some(true) {
                errors.add("__all__", "Either storage or interfaces must be true.");
            }
            errors.check()?;
            Ok(super::reply::gone())
        }
        _ => Err(unknown(req)),
    }
}

/// Power parameters as they are given: `power_parameters_x=...`, or `power_parameters` as JSON.
fn power_parameters(req: &Req) -> Map<String, Value> {
    let mut out = Map::new();
    if let Some(Value::Object(map)) = req
        .get("power_parameters")
        .and_then(|t| serde_json::from_str(t).ok())
    {
        out.extend(map);
    }
    for (name, value) in &req.form {
        if let Some(key) = name.strip_prefix("power_parameters_")
            && key != "skip_check"
        {
            out.insert(key.to_owned(), json!(value));
        }
    }
    out
}

/// Parameters by which MAAS tells one BMC from another: all but the secrets.
fn bmc_identity(parameters: &Map<String, Value>) -> Map<String, Value> {
    parameters
        .iter()
        .filter(|(k, _)| !matches!(k.as_str(), "power_pass" | "k_g" | "power_boot_type"))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

fn create(s: &mut State, d: &Durations, req: &Req) -> R {
    let mut errors = Fields::default();
    errors.required(req, "architecture");
    let macs: Vec<String> = req
        .all("mac_addresses")
        .into_iter()
        .filter(|m| !m.is_empty())
        .map(str::to_lowercase)
        .collect();
    if macs.is_empty() {
        errors.add("mac_addresses", "This field is required.");
    }
    let power_type = req.filled("power_type").unwrap_or("").to_owned();
    let mut refused = false;
    for mac in &macs {
        let used = s
            .machines
            .iter()
            .find(|m| m.interfaces.iter().any(|i| i.mac == *mac))
            .map(|m| m.hostname.clone());
        if !is_mac(mac) {
            refused = true;
            errors.add(
                "mac_addresses",
                format!("'{mac}' is not a valid MAC address."),
            );
        } else if let Some(name) = used {
            refused = true;
            errors.add(
                "mac_addresses",
                format!("MAC address {mac} already in use on {name}."),
            );
        }
    }
    if refused && power_type == "manual" {
        errors.add(
            "power_type",
            "Can't set power type to manual without network interfaces",
        );
    }
    let architecture = req.filled("architecture").map(full_architecture);
    let known = s.architectures();
    if let Some(a) = architecture.as_ref().filter(|a| !known.contains(a)) {
        let list: Vec<String> = known.iter().map(|a| format!("'{a}'")).collect();
        errors.add(
            "architecture",
            format!(
                "'{a}' is not a valid architecture.  It should be one of: {}.",
                list.join(", ")
            ),
        );
    }
    if req
        .filled("hostname")
        .is_some_and(|h| s.machines.iter().any(|m| m.hostname == h))
    {
        errors.add("hostname", "Node with this Hostname already exists.");
    }
    let mut parameters = power_parameters(req);
    if !power_type.is_empty() && !super::defaults::POWER_TYPES.contains(&power_type.as_str()) {
        errors.add(
            "power_type",
            format!("Select a valid choice. {power_type} is not one of the available choices."),
        );
    } else if power_type == "ipmi"
        && parameters
            .get("power_address")
            .and_then(Value::as_str)
            .unwrap_or("")
            .is_empty()
    {
        errors.add("power_parameters", "This field is required.");
    }
    errors.check()?;
    complete_parameters(&power_type, &mut parameters);
    let identity = bmc_identity(&parameters);
    let same_bmc = power_type != "manual"
        && !power_type.is_empty()
        && s.machines
            .iter()
            .any(|m| m.power_type == power_type && bmc_identity(&m.power_parameters) == identity);
    if same_bmc {
        return Err(false_conflict());
    }
    let deployed = req.flag("deployed").unwrap_or(false);
    let commission =
        req.flag("commission").unwrap_or(power_type != "manual") && !deployed && req.superuser;
    if commission && !s.can_commission() {
        return Err(text(
            400,
            format!(
                "Ephemeral operating system ubuntu {} is unavailable.",
                s.series_to_commission()
            ),
        ));
    }
    let spec = MachineSpec {
        macs,
        hostname: req.filled("hostname").unwrap_or("").to_owned(),
        architecture: architecture.unwrap_or_default(),
        // What a machine is made of when nobody says: as on the recorded region.
        cores: 8,
        memory_mb: 15918,
        disks: vec![100_000_000_000, 100_000_000_000],
        power_type,
        power_parameters: parameters,
    };
    let spec = s
        .enlisting
        .iter()
        .find(|e| {
            e.spec
                .macs
                .iter()
                .any(|m| spec.macs.contains(&m.to_lowercase()))
        })
        .map_or(spec.clone(), |e| MachineSpec {
            cores: e.spec.cores,
            memory_mb: e.spec.memory_mb,
            disks: e.spec.disks.clone(),
            ..spec
        });
    let id = progress::add_machine(s, &spec, false).ok_or_else(|| text(500, "no machine"))?;
    if let Some(m) = s.machine_mut(&id) {
        req.get("description")
            .unwrap_or("")
            .clone_into(&mut m.description);
        if let Some(zone) = req.filled("zone") {
            zone.clone_into(&mut m.zone);
        }
        if deployed {
            m.status = 6;
            m.owner = Some(req.user.clone());
        }
    }
    if commission {
        progress::commission(s, d, &id, &req.user, true, false);
    }
    if req.user.is_empty() {
        return enlisted(s, &id);
    }
    rendered(s, &id)
}

/// What `allocate` answers.
pub(crate) fn allocated(s: &State, id: &str) -> R {
    let m = s.machine(id).ok_or_else(|| missing("Machine"))?;
    let mut value = render::machine(s, m);
    value["constraints_by_type"] = json!({});
    Ok(json_ok(&value))
}

/// What a machine that tells of itself is shown.
fn enlisted(s: &State, id: &str) -> R {
    let m = s.machine(id).ok_or_else(|| missing("Machine"))?;
    let whole = render::machine(s, m);
    let mut shown = Map::new();
    for key in [
        "status_action",
        "status",
        "hostname",
        "fqdn",
        "system_id",
        "architecture",
        "power_type",
        "node_type",
        "status_message",
        "domain",
        "status_name",
        "power_state",
        "zone",
        "resource_uri",
    ] {
        let mut value = whole[key].clone();
        if matches!(key, "domain" | "zone")
            && let Some(o) = value.as_object_mut()
        {
            o.remove("resource_uri");
        }
        shown.insert(key.into(), value);
    }
    Ok(json_ok(&Value::Object(shown)))
}

pub(crate) fn rendered(s: &State, id: &str) -> R {
    s.machine(id)
        .map(|m| json_ok(&render::machine(s, m)))
        .ok_or_else(|| missing("Machine"))
}

fn release_many(s: &mut State, d: &Durations, req: &Req, removals: &mut Vec<Removal>) -> R {
    let ids: Vec<String> = req.all("machines").into_iter().map(str::to_owned).collect();
    let unknown: Vec<&str> = ids
        .iter()
        .filter(|id| s.machine(id).is_none())
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(text(
            400,
            format!("Unknown machine(s): {}.", unknown.join(", ")),
        ));
    }
    let bad: Vec<String> = ids
        .iter()
        .filter_map(|id| s.machine(id))
        .filter(|m| !releasable(m.status))
        .map(|m| format!("{} ('{}')", m.system_id, render::status_name(m.status)))
        .collect();
    if !bad.is_empty() {
        return Err(text(
            409,
            format!(
                "Machine(s) cannot be released in their current state: {}.",
                bad.join(", ")
            ),
        ));
    }
    let mut done = Vec::new();
    for id in ids {
        if s.machine(&id).is_some_and(|m| m.status != 4) {
            progress::release(s, d, &id, false, removals);
            done.push(id);
        }
    }
    Ok(json_ok(&json!(done)))
}

fn releasable(status: i64) -> bool {
    matches!(
        status,
        4 | 5 | 6 | 8 | 9 | 10 | 11 | 13 | 15 | 16 | 17 | 18 | 19 | 20
    )
}

/// 503 while a power action is under way, or no rack can be asked.
fn power_free(s: &State, m: &Machine, action: &str) -> Result<(), Reply> {
    if m.power.is_some() || s.now < m.power_busy_until {
        return Err(busy(action, &m.hostname));
    }
    if s.rack.connected {
        Ok(())
    } else {
        Err(no_rack(&s.rack.system_id))
    }
}

pub(crate) fn machine(
    s: &mut State,
    d: &Durations,
    req: &Req,
    id: &str,
    removals: &mut Vec<Removal>,
) -> R {
    let m = s.machine(id).cloned().ok_or_else(|| missing("Machine"))?;
    let empty_403 = || text(403, "");
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => rendered(s, id),
        ("PUT", None) => update(s, req, &m),
        ("DELETE", None) => {
            if m.locked || !req.superuser {
                return Err(empty_403());
            }
            progress::remove_machine(s, id, removals);
            Ok(gone())
        }
        ("GET", Some("power_parameters")) => {
            if !req.superuser {
                return Err(empty_403());
            }
            Ok(json_ok(&Value::Object(m.power_parameters)))
        }
        ("POST", Some("commission")) => {
            if !req.superuser {
                return Err(empty_403());
            }
            commission(s, d, req, &m)?;
            rendered(s, id)
        }
        ("POST", Some("abort")) => {
            if !matches!(m.status, 1 | 9 | 14 | 21) {
                return Err(text(
                    409,
                    format!(
                        "Cannot abort in current state: node {id} is in state {}.",
                        render::status_name(m.status)
                    ),
                ));
            }
            power_free(s, &m, "off")?;
            let what = render::status_name(m.status).to_lowercase();
            if let Some(m) = s.machine_mut(id) {
                m.aborting = true;
                m.due = None;
                m.status_message = Some(format!("Aborted {what}"));
                if m.status == 1 {
                    m.owner = None;
                }
            }
            let reply = rendered(s, id);
            progress::power(s, d, id, PowerAction::Off);
            reply
        }
        ("POST", Some("deploy")) => deploy(s, d, req, &m),
        ("POST", Some("release")) => {
            if m.locked {
                return Err(empty_403());
            }
            if !releasable(m.status) {
                return Err(text(
                    409,
                    format!(
                        "Machine cannot be released in its current state ('{}').",
                        render::status_name(m.status)
                    ),
                ));
            }
            if m.status == 4 {
                return rendered(s, id);
            }
            let erase = req.flag("erase").unwrap_or(false);
            if m.power_state == "on" && m.power_type != "manual" {
                power_free(s, &m, "off")?;
            }
            let mut after = Vec::new();
            progress::release(s, d, id, erase, &mut after);
            let reply = match s.machine(id) {
                Some(_) => rendered(s, id),
                // Composed on demand, and gone with the answer.
                None => Ok(json_ok(&render::machine(s, &Machine { status: 12, ..m }))),
            };
            removals.append(&mut after);
            reply
        }
        ("POST", Some("power_on")) => {
            if m.owner.is_none() {
                return Err(text(409, "Can't start node: it hasn't been allocated."));
            }
            power_free(s, &m, "on")?;
            progress::power(s, d, id, PowerAction::On);
            rendered(s, id)
        }
        ("POST", Some("power_off")) => {
            power_free(s, &m, "off")?;
            progress::power(s, d, id, PowerAction::Off);
            rendered(s, id)
        }
        ("POST", Some(op @ ("lock" | "unlock"))) => {
            if op == "lock" && !matches!(m.status, 6 | 9) {
                return Err(text(
                    409,
                    format!(
                        "Can't lock a machine that is in the '{}' state",
                        render::status_name(m.status)
                    ),
                ));
            }
            if let Some(m) = s.machine_mut(id) {
                m.locked = op == "lock";
            }
            rendered(s, id)
        }
        ("POST", Some("set_owner_data" | "set_workload_annotations")) => {
            if let Some(m) = s.machine_mut(id) {
                for (key, value) in req.form.iter().filter(|(k, _)| k != "op") {
                    if value.is_empty() {
                        m.owner_data.remove(key);
                    } else {
                        m.owner_data.insert(key.clone(), value.clone());
                    }
                }
            }
            rendered(s, id)
        }
        ("POST", Some("mark_broken")) => {
            if m.owner.as_deref() != Some(&req.user) {
                return Err(empty_403());
            }
            if let Some(m) = s.machine_mut(id) {
                m.status = 8;
                m.status_message = req.filled("comment").map(str::to_owned);
            }
            rendered(s, id)
        }
        ("POST", Some("mark_fixed")) => {
            if m.status != 8 {
                return Err(text(409, "Can't mark a non-broken node as 'Ready'."));
            }
            if let Some(m) = s.machine_mut(id) {
                m.status = 4;
                m.owner = None;
            }
            rendered(s, id)
        }
        ("POST", Some("set_storage_layout")) => {
            let layout = req.get("storage_layout").unwrap_or("");
            const LAYOUTS: [&str; 7] =
                ["blank", "custom", "vmfs6", "bcache", "vmfs7", "lvm", "flat"];
            if !LAYOUTS.contains(&layout) {
                let list: Vec<String> = LAYOUTS.iter().map(|l| format!("'{l}'")).collect();
                return Err(invalid(
                    "storage_layout",
                    format!(
                        "'{layout}' is not a valid storage_layout.  It should be one of: {}.",
                        list.join(", ")
                    ),
                ));
            }
            rendered(s, id)
        }
        _ => Err(unknown(req)),
    }
}

fn update(s: &mut State, req: &Req, m: &Machine) -> R {
    let id = m.system_id.as_str();
    let mut new = m.clone();
    if let Some(name) = req.filled("hostname") {
        if s.machines
            .iter()
            .any(|x| x.hostname == name && x.system_id != id)
        {
            return Err(invalid(
                "hostname",
                "Node with this Hostname already exists.",
            ));
        }
        name.clone_into(&mut new.hostname);
    }
    if let Some(zone) = req.filled("zone") {
        if !s.zones.iter().any(|z| z.name == zone) {
            return Err(invalid(
                "zone",
                "Select a valid choice. That choice is not one of the available choices.",
            ));
        }
        zone.clone_into(&mut new.zone);
    }
    if let Some(pool) = req.filled("pool") {
        let found = s
            .pools
            .iter()
            .find(|p| p.name == pool || p.id.to_string() == pool);
        new.pool = found.map(|p| p.id).ok_or_else(|| {
            invalid(
                "pool",
                "Select a valid choice. That choice is not one of the available choices.",
            )
        })?;
    }
    if let Some(description) = req.get("description") {
        description.clone_into(&mut new.description);
    }
    if let Some(architecture) = req.filled("architecture") {
        new.architecture = full_architecture(architecture);
    }
    if let Some(kind) = req.filled("power_type") {
        if !super::defaults::POWER_TYPES.contains(&kind) {
            return Err(no_choice("power_type", kind));
        }
        if kind != m.power_type {
            new.power_parameters.clear();
            kind.clone_into(&mut new.power_type);
        }
    }
    let given = power_parameters(req);
    // With the check on, parameters that the driver does not have are dropped; with it off they are kept.
    new.power_parameters.extend(given);
    complete_parameters(&new.power_type, &mut new.power_parameters);
    if let Some(slot) = s.machine_mut(id) {
        *slot = new;
    }
    rendered(s, id)
}

fn commission(s: &mut State, d: &Durations, req: &Req, m: &Machine) -> Result<(), Reply> {
    let scripts = req.get("testing_scripts");
    if let Some(scripts) = scripts {
        for name in scripts.split(',').map(str::trim) {
            let known = matches!(
                name,
                "none"
                    | "commissioning"
                    | "smartctl-validate"
                    | "smartctl-short"
                    | "memtester"
                    | "cpu"
                    | "memory"
                    | "storage"
                    | "network"
            ) || name.starts_with("stress-ng")
                || name.starts_with("internet-connectivity");
            if !known {
                return Err(no_choice("testing_scripts", name));
            }
        }
    }
    if !matches!(m.status, 0 | 2 | 4 | 8 | 22) || m.power.is_some() && m.status != 4 {
        return Err(invalid(
            "__all__",
            "Commission is not available because of the current state of the node.",
        ));
    }
    if !s.can_commission() {
        return Err(text(
            400,
            format!(
                "Ephemeral operating system ubuntu {} is unavailable.",
                s.series_to_commission()
            ),
        ));
    }
    let tests = scripts.is_none_or(|t| t != "none");
    progress::commission(
        s,
        d,
        &m.system_id,
        &req.user,
        tests,
        req.flag("enable_ssh").unwrap_or(false),
    );
    Ok(())
}

fn deploy(s: &mut State, d: &Durations, req: &Req, m: &Machine) -> R {
    let id = m.system_id.as_str();
    if !matches!(m.status, 4 | 10) {
        return Err(text(
            409,
            format!(
                "Can't deploy a machine that is in the '{}' state",
                render::status_name(m.status)
            ),
        ));
    }
    let releases = s.releases();
    let given = req.filled("distro_series").unwrap_or("").to_owned();
    let series = if given.is_empty() {
        s.config
            .get("default_distro_series")
            .and_then(Value::as_str)
            .unwrap_or("jammy")
            .to_owned()
    } else {
        let series = given.strip_prefix("ubuntu/").unwrap_or(&given).to_owned();
        if !releases.contains(&series) {
            let list: Vec<String> = std::iter::once("''".to_owned())
                .chain(releases.iter().map(|r| format!("'ubuntu/{r}'")))
                .collect();
            return Err(invalid(
                "distro_series",
                format!(
                    "'{given}' is not a valid distro_series.  It should be one of: {}.",
                    list.join(", ")
                ),
            ));
        }
        series
    };
    let kernel = req.filled("hwe_kernel").map(str::to_owned);
    if let Some(kernel) = &kernel
        && !s.resources.iter().any(|r| {
            r.name == format!("ubuntu/{series}") && r.architecture.ends_with(kernel.as_str())
        })
    {
        return Err(invalid(
            "hwe_kernel",
            format!(
                "{kernel} is not available for ubuntu/{series} on {}.",
                m.architecture
            ),
        ));
    }
    let kernel = kernel.or_else(|| {
        let version = s
            .catalogue
            .iter()
            .find(|r| r.release == series)
            .map(|r| r.version.clone())?;
        Some(format!("ga-{version}"))
    });
    let user_data = req.filled("user_data").map(|t| {
        // What is no base64 is taken as it is, as 3.4 does.
        let plain = base64::engine::general_purpose::STANDARD
            .decode(t.trim())
            .unwrap_or_else(|_| t.as_bytes().to_vec());
        base64::engine::general_purpose::STANDARD.encode(plain)
    });
    if let Some(agent) = req.filled("agent_name")
        && let Some(x) = s.machine_mut(id)
    {
        agent.clone_into(&mut x.agent_name);
    }
    let wish = progress::Deployment {
        series,
        kernel,
        user_data,
    };
    match progress::deploy(s, d, id, &req.user, wish) {
        Ok(()) => {
            // The answer goes out before the addresses are taken.
            let mut shown = s.machine(id).cloned().ok_or_else(|| missing("Machine"))?;
            for link in shown.interfaces.iter_mut().flat_map(|i| &mut i.links) {
                if link.mode == "auto" {
                    link.ip = None;
                }
            }
            Ok(json_ok(&render::machine(s, &shown)))
        }
        Err(cidr) => Err(text(
            503,
            format!("No more IPs available in subnet: {cidr}."),
        )),
    }
}

/// An address reserved by a user.
pub(crate) fn reserve_address(s: &mut State, req: &Req) -> R {
    let subnet = req
        .filled("subnet")
        .and_then(|spec| super::network::find_subnet(s, spec));
    let ip = match (req.filled("ip").or(req.filled("ip_address")), subnet) {
        (Some(ip), _) => ip.to_owned(),
        (None, Some(n)) => s
            .free_address(n)
            .ok_or_else(|| text(503, "No more IPs available in subnet."))?,
        (None, None) => return Err(text(400, "No provided subnet!")),
    };
    let address: IpAddr = ip
        .parse()
        .map_err(|_| invalid("ip_address", "Enter a valid IPv4 or IPv6 address."))?;
    if s.reserved.iter().any(|r| r.ip == ip)
        || s.machines
            .iter()
            .flat_map(|m| &m.interfaces)
            .flat_map(|i| &i.links)
            .any(|l| l.ip.as_deref() == Some(&ip))
    {
        return Err(text(404, format!("The IP address {ip} is already in use.")));
    }
    let subnet = subnet.or_else(|| {
        s.subnets
            .iter()
            .find(|n| {
                n.cidr
                    .parse::<ipnet::IpNet>()
                    .is_ok_and(|x| x.contains(&address))
            })
            .map(|n| n.id)
    });
    let at = s.now;
    s.reserved.push(super::state::Reserved {
        ip: ip.clone(),
        user: req.user.clone(),
        at,
    });
    s.count("ipaddress");
    Ok(json_ok(&address_json(s, &ip, at, subnet, &req.user)))
}

pub(crate) fn address_json(
    s: &State,
    ip: &str,
    at: std::time::Duration,
    subnet: Option<i64>,
    user: &str,
) -> Value {
    json!({
        "created": render::iso_time(s, at), "ip": ip, "alloc_type": 4, "subnet": render::subnet_by(s, subnet),
        "alloc_type_name": "User reserved", "interface_set": [], "owner": s.user(user).map_or(Value::Null, render::user),
        "resource_uri": "/MAAS/api/2.0/ipaddresses/",
    })
}
