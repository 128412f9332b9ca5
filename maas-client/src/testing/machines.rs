//! Machines: list, create, change, commission, deploy, release, power.

mod addresses;
mod create;
mod filter;

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

pub(crate) use addresses::*;
use create::*;
pub(crate) use filter::*;

pub(crate) fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 6
        && parts
            .iter()
            .all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
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

/// What `allocate` answers.
pub(crate) fn allocated(s: &State, id: &str) -> R {
    let m = s.machine(id).ok_or_else(|| missing("Machine"))?;
    let mut value = render::machine(s, m);
    value["constraints_by_type"] = json!({});
    Ok(json_ok(&value))
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
