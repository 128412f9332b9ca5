//! `allocate` and VM hosts: what may compose a machine, and so waits for a driver.

mod vm_hosts;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Shared;
use super::basics::unknown;
use super::machines::{check_constraints, fits, tags_of, wanted_disks};
use super::progress::{self, full_architecture};
use super::render;
use super::reply::{Fields, R, Reply, Req, gone, invalid, json_ok, no_choice, plain, text};
use super::state::{State, VmHost};
use super::types::{ComposeSpec, Composed, HostResources, MachineSpec};

pub(crate) use vm_hosts::*;

/// What a VM has when nobody says.
const DEFAULT_MEMORY: u64 = 2048;

const DEFAULT_DISK: u64 = 8_000_000_000;

/// Takes a Ready machine that fits, else composes one, else says why not. One at a time.
pub(crate) async fn allocate(
    shared: &Arc<Shared>,
    pairs: &[(String, String)],
    user: &str,
) -> Result<String, Reply> {
    let _one_at_a_time = shared.allocating.lock().await;
    let pairs: Vec<(String, String)> = pairs.iter().filter(|(n, _)| n != "op").cloned().collect();
    let value = |name: &str| {
        pairs
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
            .filter(|v| !v.is_empty())
    };
    let dry_run = value("dry_run").is_some_and(|v| v == "true" || v == "1");
    {
        let mut s = shared.lock();
        check_constraints(&s, &pairs)?;
        let found = s
            .machines
            .iter()
            .find(|m| fits(&s, m, &pairs))
            .map(|m| m.system_id.clone());
        if let Some(id) = found {
            if !dry_run && let Some(m) = s.machine_mut(&id) {
                m.status = 10;
                m.owner = Some(user.to_owned());
                m.agent_name = value("agent_name").unwrap_or_default();
            }
            if !dry_run {
                s.count("allocate");
            }
            return Ok(id);
        }
        if let Some(id) = value("system_id") {
            return Err(text(
                409,
                format!("No machine with system ID {id} available."),
            ));
        }
    }
    let number = |name: &str| value(name).and_then(|v| v.parse::<f64>().ok());
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = |name: &str, default: u64| number(name).map_or(default, |n| n.ceil() as u64);
    let disks = value("storage")
        .map(|t| wanted_disks(&t))
        .filter(|d| !d.is_empty())
        .unwrap_or_else(|| vec![DEFAULT_DISK]);
    let spec = ComposeSpec {
        hostname: String::new(),
        cores: whole("cpu_count", 1),
        memory_mb: whole("mem", DEFAULT_MEMORY),
        disks: disks.into_iter().map(|d| d.max(DEFAULT_DISK)).collect(),
        architecture: value("arch")
            .map_or_else(|| "amd64/generic".to_owned(), |a| full_architecture(&a)),
    };
    let hosts: Vec<i64> = {
        let s = shared.lock();
        let (tags, not_tags) = (tags_of(&pairs, "tags"), tags_of(&pairs, "not_tags"));
        s.vm_hosts
            .iter()
            .filter(|v| {
                tags.iter().all(|t| v.tags.contains(t))
                    && !not_tags.iter().any(|t| v.tags.contains(t))
            })
            .filter(|v| {
                value("zone").is_none_or(|z| v.zone == z)
                    && value("pod").is_none_or(|p| v.name == p)
                    && value("not_pod").is_none_or(|p| v.name != p)
            })
            .filter(|v| {
                value("pool").is_none_or(|p| s.pools.iter().any(|x| x.name == p && x.id == v.pool))
            })
            .filter(|v| room(&s, v, &spec).is_ok())
            .map(|v| v.id)
            .collect()
    };
    for host in hosts {
        if dry_run {
            break;
        }
        let mut spec = spec.clone();
        spec.hostname = value("name").unwrap_or_else(|| shared.lock().new_hostname());
        // What goes wrong while composing is swallowed: the next host is tried.
        let Ok(composed) = compose_on(shared, host, &spec).await else {
            continue;
        };
        let mut s = shared.lock();
        let Some(id) = add_composed(&mut s, host, &spec, &composed) else {
            continue;
        };
        known_at_once(&mut s, &id);
        if let Some(m) = s.machine_mut(&id) {
            m.dynamic = true;
            m.status = 10;
            m.owner = Some(user.to_owned());
            m.agent_name = value("agent_name").unwrap_or_default();
        }
        s.count("allocate");
        return Ok(id);
    }
    Err(nothing_fits(&pairs))
}

/// 409, in the words of MAAS: the constraints as Python shows them, then as MAAS understood them.
fn nothing_fits(pairs: &[(String, String)]) -> Reply {
    if pairs.is_empty() {
        return text(409, "No machine available.");
    }
    let mut grouped: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, value) in pairs {
        match grouped.iter_mut().find(|(n, _)| n == name) {
            Some((_, values)) => values.push(value),
            None => grouped.push((name, vec![value])),
        }
    }
    let shown: Vec<String> = grouped
        .iter()
        .map(|(n, values)| {
            format!(
                "('{n}', [{}])",
                values
                    .iter()
                    .map(|v| format!("'{v}'"))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        })
        .collect();
    let mut resolved: Vec<String> = grouped
        .iter()
        .filter(|(n, _)| {
            !matches!(
                *n,
                "dry_run"
                    | "verbose"
                    | "agent_name"
                    | "comment"
                    | "bridge_all"
                    | "bridge_stp"
                    | "bridge_fd"
                    | "bridge_type"
            )
        })
        .map(|(n, values)| match *n {
            "mem" | "cpu_count" | "cpu_speed" => format!(
                "{n}={:?}",
                values
                    .first()
                    .and_then(|v| v.parse::<f64>().ok())
                    .unwrap_or(0.0)
            ),
            "tags" | "not_tags" => {
                let mut tags = tags_of(pairs, n);
                tags.sort();
                format!("{n}={}", tags.join(","))
            }
            "arch" => format!(
                "{n}={}",
                values
                    .first()
                    .map(|v| full_architecture(v))
                    .unwrap_or_default()
            ),
            _ => format!("{n}={}", values.join(",")),
        })
        .collect();
    resolved.sort();
    text(
        409,
        format!(
            "No available machine matches constraints: [{}] (resolved to \"{}\")",
            shown.join(", "),
            resolved.join(" ")
        ),
    )
}

/// Whether a host has room for a machine; the error is as the compose form words it.
fn room(s: &State, v: &VmHost, spec: &ComposeSpec) -> Result<(), Reply> {
    let Some(r) = v.resources.as_ref().filter(|_| s.now >= v.ready_at) else {
        return Err(text(400, "VM host does not support composability."));
    };
    let (cores, memory, disk) = render::used(s, v.id);
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    let left =
        |total: u64, ratio: f64, used: u64| ((total as f64 * ratio) as u64).saturating_sub(used);
    let (cores, memory) = (
        left(r.cores, v.cpu_ratio, cores),
        left(r.memory_mb, v.memory_ratio, memory),
    );
    let storage = r
        .pools
        .iter()
        .map(|p| p.total)
        .sum::<u64>()
        .saturating_sub(disk);
    let mut errors = Fields::default();
    if spec.cores > cores {
        errors.add(
            "cores",
            format!("Ensure this value is less than or equal to {cores}."),
        );
    }
    if spec.memory_mb > memory {
        errors.add(
            "memory",
            format!("Ensure this value is less than or equal to {memory}."),
        );
    }
    errors.check()?;
    let wanted: u64 = spec.disks.iter().sum();
    if wanted > storage {
        Err(invalid(
            "storage",
            format!("Pod does not have enough storage: {wanted} bytes wanted, {storage} left."),
        ))
    } else {
        Ok(())
    }
}

/// Has the driver make a machine, and lets composing last as long as it does.
async fn compose_on(
    shared: &Arc<Shared>,
    host: i64,
    spec: &ComposeSpec,
) -> Result<Composed, String> {
    let (parameters, until) = {
        let s = shared.lock();
        let Some(v) = s.vm_hosts.iter().find(|v| v.id == host) else {
            return Err("the VM host is gone".into());
        };
        (v.parameters.clone(), s.now + shared.durations().compose)
    };
    let composed = shared
        .vm_hosts
        .compose(&for_driver(&parameters), spec)
        .await?;
    while shared.now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(composed)
}

fn add_composed(
    s: &mut State,
    host: i64,
    spec: &ComposeSpec,
    composed: &Composed,
) -> Option<String> {
    let v = s.vm_hosts.iter().find(|v| v.id == host)?.clone();
    let mut parameters = Map::new();
    for key in ["power_address", "project", "certificate", "key"] {
        if let Some(value) = v.parameters.get(key) {
            parameters.insert(key.to_owned(), value.clone());
        }
    }
    parameters.insert("instance_name".into(), json!(composed.instance));
    let machine = MachineSpec {
        macs: composed.macs.clone(),
        hostname: spec.hostname.clone(),
        architecture: spec.architecture.clone(),
        cores: spec.cores,
        memory_mb: spec.memory_mb,
        disks: spec.disks.clone(),
        power_type: v.kind.clone(),
        power_parameters: parameters,
    };
    let id = progress::add_machine(s, &machine, false)?;
    if let Some(m) = s.machine_mut(&id) {
        m.vm_host = Some(host);
        m.instance = Some(composed.instance.clone());
        m.power_state = "off".into();
        m.zone = v.zone.clone();
        m.pool = v.pool;
        m.tags = v.tags.iter().cloned().collect();
        m.tags.insert("virtual".into());
    }
    s.count("vm");
    Some(id)
}

/// A machine that skips commissioning: MAAS knows what it made.
fn known_at_once(s: &mut State, id: &str) {
    let vlan = s
        .vlans
        .iter()
        .find(|v| v.dhcp_on)
        .or(s.vlans.first())
        .map(|v| v.id);
    let subnet = s
        .subnets
        .iter()
        .find(|n| Some(n.vlan) == vlan)
        .map(|n| n.id);
    let link = s.next_id("link");
    let Some(m) = s.machine_mut(id) else { return };
    m.known = true;
    m.commissioning_status = -1;
    m.status = 4;
    m.status_message = Some("Ready".into());
    for (n, i) in m.interfaces.iter_mut().enumerate() {
        i.found = true;
        i.vlan = vlan;
        if n == 0 && i.links.is_empty() {
            i.links.push(super::state::Link {
                id: link,
                mode: "auto".into(),
                subnet,
                ip: None,
            });
        }
    }
}
