//! What time and events bring: transitions that are due, boots, power.

mod power;

use std::time::Duration;

use serde_json::json;

use super::boot;
use super::state::{Fabric, Interface, Link, Machine, Next, State, Vlan};
use super::types::{Durations, MachineSpec, Power, PowerAction};

pub(crate) use power::*;

const NEW: i64 = 0;

const COMMISSIONING: i64 = 1;

const FAILED_COMMISSIONING: i64 = 2;

const READY: i64 = 4;

const DEPLOYED: i64 = 6;

const DEPLOYING: i64 = 9;

const ALLOCATED: i64 = 10;

const FAILED_DEPLOYMENT: i64 = 11;

const RELEASING: i64 = 12;

const FAILED_RELEASING: i64 = 13;

const ERASING: i64 = 14;

const FAILED_ERASING: i64 = 15;

const TESTING: i64 = 21;

const FAILED_TESTING: i64 = 22;

/// A machine that is to be taken from its VM host: the host's id and the instance's name.
pub(crate) type Removal = (i64, String);

/// Brings the state to `now`. True when something changed; machines to be removed are added to `removals`.
pub(crate) fn advance(
    s: &mut State,
    d: &Durations,
    now: Duration,
    removals: &mut Vec<Removal>,
) -> bool {
    let mut changed = false;
    // One transition may start another that is due as well: go in the order of the due times.
    loop {
        let due = s
            .machines
            .iter()
            .filter_map(|m| m.due.map(|(at, next)| (at, m.system_id.clone(), next)))
            .filter(|(at, ..)| *at <= now)
            .min_by_key(|(at, ..)| *at);
        let enlist = s
            .enlisting
            .iter()
            .enumerate()
            .filter(|(_, e)| e.due <= now)
            .min_by_key(|(_, e)| e.due)
            .map(|(n, e)| (n, e.due));
        let import = s
            .import
            .as_ref()
            .filter(|i| !i.stalled && i.ends <= now)
            .map(|i| i.ends);
        let sync = s.rack_sync_due.filter(|at| *at <= now && s.rack.connected);
        let first = [due.as_ref().map(|x| x.0), enlist.map(|x| x.1), import, sync]
            .into_iter()
            .flatten()
            .min();
        let Some(first) = first else { break };
        s.now = s.now.max(first);
        changed = true;
        if import == Some(first) {
            boot::finish_import(s, d);
        } else if sync == Some(first) {
            boot::finish_sync(s);
        } else if let Some((n, at)) = enlist
            && at == first
        {
            let spec = s.enlisting.remove(n).spec;
            add_machine(s, &spec, true);
        } else if let Some((_, id, next)) = due {
            if let Some(m) = s.machine_mut(&id) {
                m.due = None;
            }
            transition(s, d, &id, next, removals);
        }
    }
    s.now = s.now.max(now);
    changed
}

/// Adds a machine as New; its id. Enlisted ones are known by their MAC addresses only once.
pub(crate) fn add_machine(s: &mut State, spec: &MachineSpec, enlisted: bool) -> Option<String> {
    let macs: Vec<String> = spec.macs.iter().map(|m| m.to_lowercase()).collect();
    if enlisted
        && s.machines
            .iter()
            .flat_map(|m| &m.interfaces)
            .any(|i| macs.contains(&i.mac))
    {
        return None;
    }
    let system_id = s.new_system_id();
    let hostname = if spec.hostname.is_empty() {
        s.new_hostname()
    } else {
        spec.hostname.clone()
    };
    let interfaces = macs
        .iter()
        .enumerate()
        .map(|(n, mac)| Interface {
            id: interface_id(s),
            name: format!("eth{n}"),
            kind: "physical".into(),
            mac: mac.clone(),
            ..Interface::default()
        })
        .collect();
    let architecture = if spec.architecture.is_empty() {
        "amd64/generic".to_owned()
    } else {
        full_architecture(&spec.architecture)
    };
    s.machines.push(Machine {
        system_id: system_id.clone(),
        hostname,
        architecture,
        status: NEW,
        power_state: if enlisted && !spec.power_type.is_empty() {
            "off".into()
        } else {
            "unknown".into()
        },
        power_type: if spec.power_type.is_empty() {
            "manual".into()
        } else {
            spec.power_type.clone()
        },
        power_parameters: spec.power_parameters.clone(),
        zone: "default".into(),
        netboot: true,
        interfaces,
        hardware: super::state::Hardware {
            cores: spec.cores,
            memory_mb: spec.memory_mb,
            disks: spec.disks.clone(),
        },
        commissioning_status: -1,
        testing_status: -1,
        ..Machine::default()
    });
    s.count("machine");
    // A BMC and a VM host's connection are one kind of thing to MAAS, and share their numbers.
    let by_hand = s
        .machines
        .iter()
        .filter(|m| m.power_type == "manual")
        .count();
    if spec.power_type == "ipmi" || (spec.power_type == "manual" && by_hand == 1) {
        s.next_id("bmc");
    }
    if enlisted {
        s.event(&system_id, "INFO", "Enlisting", "");
        s.event(&system_id, "INFO", "New", "");
    }
    Some(system_id)
}

pub(crate) fn interface_id(s: &mut State) -> i64 {
    // 1 is the controller's.
    s.reserve_id("interface", 1);
    s.next_id("interface")
}

/// `amd64` as `amd64/generic`.
pub(crate) fn full_architecture(given: &str) -> String {
    if given.contains('/') {
        given.to_owned()
    } else {
        format!("{given}/generic")
    }
}

/// A machine booted from the network: what it is in decides what happens next.
pub(crate) fn booted(s: &mut State, d: &Durations, id: &str) {
    let now = s.now;
    let Some(m) = s.machine_mut(id) else { return };
    if m.due.is_some() || m.aborting {
        return;
    }
    match m.status {
        COMMISSIONING => {
            let lasts = if m.vm_host.is_some() {
                d.commission_vm
            } else {
                d.commission
            };
            m.due = Some((now + lasts, Next::Commissioned));
            m.status_message = Some("Gathering information".into());
            let set = m.commissioning_set;
            if let Some(r) = s.results_mut(set) {
                r.status = 1;
                r.started = Some(now);
            }
            s.event(id, "INFO", "Gathering information", "");
        }
        TESTING => {
            m.due = Some((now + d.testing, Next::Tested));
        }
        DEPLOYING => {
            m.due = Some((now + d.deploy, Next::Deployed));
            m.status_message = Some("Installing OS".into());
            let set = m.installation_set;
            if let Some(r) = s.results_mut(set) {
                r.status = 1;
                r.started = Some(now);
            }
            s.event(id, "INFO", "Performing PXE boot", "");
        }
        ERASING => m.due = Some((now + d.erase, Next::Erased)),
        _ => {}
    }
}

fn transition(s: &mut State, d: &Durations, id: &str, next: Next, removals: &mut Vec<Removal>) {
    match next {
        Next::Commissioned => commissioned(s, d, id),
        Next::Tested => tested(s, d, id),
        Next::Deployed => deployed(s, id),
        Next::Erased => {
            if let Some(m) = s.machine_mut(id) {
                m.erasing = false;
                m.status = RELEASING;
                m.status_message = Some("Releasing".into());
            }
            power(s, d, id, PowerAction::Off);
        }
        Next::Released => released(s, id, removals),
        Next::Aborted => aborted(s, id),
    }
}

fn end_results(s: &mut State, set: Option<i64>, status: i64) {
    let now = s.now;
    if let Some(r) = s.results_mut(set) {
        r.status = status;
        r.started = r.started.or(Some(now));
        r.ended = Some(now);
    }
}

fn commissioned(s: &mut State, d: &Durations, id: &str) {
    let Some(m) = s.machine_mut(id) else { return };
    let (set, failed, tests) = (
        m.commissioning_set,
        std::mem::take(&mut m.fail_next),
        m.wants_tests,
    );
    if failed {
        m.status = FAILED_COMMISSIONING;
        m.status_message = Some("Failed commissioning".into());
        m.commissioning_status = 3;
        end_results(s, set, 3);
        s.event(
            id,
            "ERROR",
            "Failed commissioning",
            "script failed: 20-maas-03-machine-resources",
        );
        return;
    }
    m.commissioning_status = 2;
    m.known = true;
    end_results(s, set, 2);
    found_hardware(s, id);
    if tests {
        let due = s.now + d.testing;
        if let Some(m) = s.machine_mut(id) {
            m.status = TESTING;
            m.status_message = Some("Testing".into());
            m.due = Some((due, Next::Tested));
        }
        s.event(id, "INFO", "Testing", "");
        return;
    }
    ready(s, d, id);
}

fn tested(s: &mut State, d: &Durations, id: &str) {
    let Some(m) = s.machine_mut(id) else { return };
    let (set, failed) = (m.testing_set, std::mem::take(&mut m.fail_next));
    m.testing_status = if failed { 3 } else { 2 };
    if failed {
        m.status = FAILED_TESTING;
        m.status_message = Some("Failed testing".into());
    }
    end_results(s, set, if failed { 3 } else { 2 });
    if failed {
        s.event(id, "ERROR", "Failed testing", "");
    } else {
        ready(s, d, id);
    }
}

fn ready(s: &mut State, d: &Durations, id: &str) {
    let Some(m) = s.machine_mut(id) else { return };
    m.status = READY;
    m.status_message = Some("Ready".into());
    m.status_action = Some(String::new());
    m.owner = None;
    m.agent_name.clear();
    let off = !m.keep_on && m.power_type != "manual" && m.power_state == "on";
    s.event(id, "INFO", "Ready", "");
    if off {
        power(s, d, id, PowerAction::Off);
    }
}

/// What commissioning finds: names of interfaces, their networks, the mainboard.
fn found_hardware(s: &mut State, id: &str) {
    let n = s.random();
    let uuid = super::render::uuid(n);
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
    let address = subnet.and_then(|n| dynamic_address(s, n));
    let Some(m) = s.machine_mut(id) else { return };
    let is_new: Vec<i64> = m
        .interfaces
        .iter()
        .filter(|i| i.kind == "physical" && !i.found)
        .map(|i| i.id)
        .collect();
    m.hardware_uuid.get_or_insert(uuid);
    if m.vm_host.is_some() {
        m.tags.insert("virtual".into());
    }
    let first = m.interfaces.first().map(|i| i.id);
    for (index, interface) in is_new.into_iter().enumerate() {
        let boots = Some(interface) == first;
        let (vlan, subnet) = if boots {
            (vlan, subnet)
        } else {
            (Some(lone_vlan(s)), None)
        };
        let link = s.next_id("link");
        let address = address.clone();
        let Some(i) = s
            .machine_mut(id)
            .and_then(|m| m.interfaces.iter_mut().find(|i| i.id == interface))
        else {
            continue;
        };
        i.found = true;
        i.name = format!("ens{}", index + 3);
        if i.vlan.is_none() {
            i.vlan = vlan;
        }
        if i.links.is_empty() {
            let mode = if subnet.is_some() { "auto" } else { "link_up" };
            i.links.push(Link {
                id: link,
                mode: mode.into(),
                subnet,
                ip: None,
            });
        }
        if boots {
            i.discovered = address.zip(subnet);
        }
    }
}

/// A fabric of its own for an interface that no network was seen on.
fn lone_vlan(s: &mut State) -> i64 {
    let fabric = s.next_id("fabric");
    s.fabrics.push(Fabric {
        id: fabric,
        name: format!("fabric-{fabric}"),
        class_type: None,
    });
    s.reserve_id("vlan", 1);
    let id = s.next_id("vlan");
    s.vlans.push(Vlan {
        id,
        fabric,
        vid: 0,
        name: "untagged".into(),
        mtu: 1500,
        ..Vlan::default()
    });
    id
}

fn dynamic_address(s: &State, subnet: i64) -> Option<String> {
    let range = s
        .ranges
        .iter()
        .find(|r| r.subnet == subnet && r.kind == "dynamic")?;
    let (start, end): (std::net::Ipv4Addr, std::net::Ipv4Addr) =
        (range.start.parse().ok()?, range.end.parse().ok()?);
    (u32::from(start)..=u32::from(end))
        .map(|n| std::net::Ipv4Addr::from(n).to_string())
        .find(|ip| {
            !s.leases.iter().any(|l| l.ip == *ip)
                && !s
                    .machines
                    .iter()
                    .flat_map(|m| &m.interfaces)
                    .any(|i| i.discovered.as_ref().is_some_and(|x| x.0 == *ip))
        })
}

fn deployed(s: &mut State, id: &str) {
    let Some(m) = s.machine_mut(id) else { return };
    let (set, failed) = (m.installation_set, std::mem::take(&mut m.fail_next));
    if failed {
        m.status = FAILED_DEPLOYMENT;
        m.status_message = Some("Marking node failed - Installation failed (refer to the installation log for more information).".into());
        m.status_action = Some("mark_failed".into());
    } else {
        m.status = DEPLOYED;
        m.status_message = Some("Deployed".into());
        m.netboot = false;
    }
    end_results(s, set, if failed { 3 } else { 2 });
    if failed {
        s.event(
            id,
            "ERROR",
            "Marking node failed",
            "Installation failed (refer to the installation log for more information).",
        );
    } else {
        s.event(id, "INFO", "Deployed", "");
    }
}

/// Ends a release: Ready again, or gone.
pub(crate) fn released(s: &mut State, id: &str, removals: &mut Vec<Removal>) {
    let Some(m) = s.machine_mut(id) else { return };
    if m.dynamic {
        remove_machine(s, id, removals);
        return;
    }
    m.status = READY;
    m.status_message = Some("Released".into());
    m.status_action = Some(String::new());
    m.owner = None;
    clear_deployment(m);
    s.event(id, "INFO", "Released", "");
}

/// Takes a machine out of MAAS, and off its VM host.
pub(crate) fn remove_machine(s: &mut State, id: &str, removals: &mut Vec<Removal>) {
    if let Some(m) = s.machine(id)
        && let (Some(host), Some(instance)) = (m.vm_host, m.instance.clone())
    {
        removals.push((host, instance));
    }
    s.machines.retain(|m| m.system_id != id);
    s.results.retain(|r| r.node != id);
}

/// Forgets what a deployment set.
pub(crate) fn clear_deployment(m: &mut Machine) {
    m.agent_name.clear();
    m.owner_data.clear();
    m.osystem.clear();
    m.distro_series.clear();
    m.hwe_kernel = None;
    m.user_data = None;
    m.installation_set = None;
    m.netboot = true;
    for l in m
        .interfaces
        .iter_mut()
        .flat_map(|i| &mut i.links)
        .filter(|l| l.mode == "auto")
    {
        l.ip = None;
    }
}

fn aborted(s: &mut State, id: &str) {
    let Some(m) = s.machine_mut(id) else { return };
    m.aborting = false;
    let sets = (m.commissioning_set, m.testing_set);
    match m.status {
        DEPLOYING => {
            m.status = ALLOCATED;
            for l in m
                .interfaces
                .iter_mut()
                .flat_map(|i| &mut i.links)
                .filter(|l| l.mode == "auto")
            {
                l.ip = None;
            }
        }
        ERASING => m.status = FAILED_ERASING,
        // Even one that had been Ready ends as New.
        COMMISSIONING => {
            m.status = NEW;
            m.owner = None;
        }
        TESTING => {
            m.status = m.previous_status;
            m.owner = None;
        }
        _ => {}
    }
    end_results(s, sets.0, 5);
}
