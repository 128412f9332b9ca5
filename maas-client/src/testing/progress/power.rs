//! What begins something: power, commissioning, deployment, release.

use super::*;

/// Orders a power action; it is done by the region's task.
pub(crate) fn power(s: &mut State, d: &Durations, id: &str, action: PowerAction) {
    let until = s.now + d.power;
    let Some(m) = s.machine_mut(id) else { return };
    if m.power_type == "manual" {
        // Nobody can be told: the machine is switched by hand.
        return power_done(s, d, id, action, Ok(Power::Unknown), &mut Vec::new());
    }
    m.power = Some(action);
    m.power_busy_until = until;
    let kind = match action {
        PowerAction::On => "Powering on",
        PowerAction::Off => "Powering off",
        PowerAction::Cycle => "Power cycling",
        PowerAction::Query => "Querying power",
    };
    s.event(id, "INFO", kind, "");
}

/// Takes note of what a power action did.
pub(crate) fn power_done(
    s: &mut State,
    _d: &Durations,
    id: &str,
    action: PowerAction,
    outcome: Result<Power, String>,
    removals: &mut Vec<Removal>,
) {
    let Some(m) = s.machine_mut(id) else { return };
    // Another action that was ordered meanwhile is still to be done.
    if m.power == Some(action) {
        m.power = None;
    }
    let state = match (&outcome, action) {
        (Err(_), _) => "error",
        (Ok(Power::Unknown), _) => "unknown",
        (Ok(_), PowerAction::Off) => "off",
        (Ok(_), PowerAction::On | PowerAction::Cycle) => "on",
        (Ok(Power::On), PowerAction::Query) => "on",
        (Ok(Power::Off), PowerAction::Query) => "off",
    };
    m.power_state = state.into();
    if let Err(why) = outcome {
        let said = format!(
            "Node could not be powered {}: {why}",
            if action == PowerAction::Off {
                "off"
            } else {
                "on"
            }
        );
        if action != PowerAction::Query {
            let failed = match m.status {
                COMMISSIONING => Some((FAILED_COMMISSIONING, 3)),
                TESTING => Some((FAILED_TESTING, 3)),
                DEPLOYING => Some((FAILED_DEPLOYMENT, 3)),
                RELEASING => Some((FAILED_RELEASING, 3)),
                ERASING => Some((FAILED_ERASING, 3)),
                _ => None,
            };
            if let Some((status, _)) = failed {
                m.status = status;
                m.aborting = false;
                m.due = None;
                m.status_message = Some(said.clone());
            }
        }
        s.event(
            id,
            "ERROR",
            if action == PowerAction::Query {
                "Failed to query node's BMC"
            } else {
                "Failed to power on node"
            },
            &why,
        );
        return;
    }
    if action == PowerAction::Off {
        if m.aborting {
            aborted(s, id);
        } else if m.status == RELEASING {
            released(s, id, removals);
        }
    }
}

/// Begins commissioning.
pub(crate) fn commission(
    s: &mut State,
    d: &Durations,
    id: &str,
    user: &str,
    tests: bool,
    keep_on: bool,
) {
    let set = s.new_results(id, 0);
    let testing = tests.then(|| s.new_results(id, 2));
    let Some(m) = s.machine_mut(id) else { return };
    m.previous_status = m.status;
    m.status = COMMISSIONING;
    m.status_message = Some("Commissioning".into());
    m.owner = Some(user.to_owned());
    m.commissioning_set = Some(set);
    m.commissioning_status = -1;
    m.wants_tests = tests;
    m.keep_on = keep_on;
    m.due = None;
    if testing.is_some() {
        m.testing_set = testing;
    }
    let action = if m.power_state == "on" {
        PowerAction::Cycle
    } else {
        PowerAction::On
    };
    s.event(id, "INFO", "Commissioning", "");
    power(s, d, id, action);
}

/// What is to be deployed; the user data is base64.
pub(crate) struct Deployment {
    pub series: String,
    pub kernel: Option<String>,
    pub user_data: Option<String>,
}

/// Begins a deployment: addresses are taken, the machine is switched on. The subnet that has no address left is an error.
pub(crate) fn deploy(
    s: &mut State,
    d: &Durations,
    id: &str,
    user: &str,
    wish: Deployment,
) -> Result<(), String> {
    let wanted: Vec<(i64, i64)> = s
        .machine(id)
        .map(|m| {
            m.interfaces
                .iter()
                .flat_map(|i| &i.links)
                .filter(|l| l.mode == "auto" && l.ip.is_none())
                .filter_map(|l| Some((l.id, l.subnet?)))
                .collect()
        })
        .unwrap_or_default();
    if let Some(m) = s.machine_mut(id) {
        m.owner = Some(user.to_owned());
        m.status = ALLOCATED;
    }
    for (link, subnet) in wanted {
        let Some(ip) = s.free_address(subnet) else {
            return Err(s
                .subnets
                .iter()
                .find(|n| n.id == subnet)
                .map_or_else(String::new, |n| n.cidr.clone()));
        };
        if let Some(l) = s.machine_mut(id).and_then(|m| {
            m.interfaces
                .iter_mut()
                .flat_map(|i| &mut i.links)
                .find(|l| l.id == link)
        }) {
            l.ip = Some(ip);
        }
    }
    let set = s.new_results(id, 1);
    let Some(m) = s.machine_mut(id) else {
        return Ok(());
    };
    m.status = DEPLOYING;
    m.status_message = Some("Deploying".into());
    m.osystem = "ubuntu".into();
    m.distro_series = wish.series;
    m.hwe_kernel = wish.kernel;
    m.user_data = wish.user_data;
    m.installation_set = Some(set);
    m.netboot = true;
    m.due = None;
    let action = if m.power_state == "on" {
        PowerAction::Cycle
    } else {
        PowerAction::On
    };
    s.event(id, "INFO", "Deploying", "");
    power(s, d, id, action);
    Ok(())
}

/// Begins to give a machine back.
pub(crate) fn release(
    s: &mut State,
    d: &Durations,
    id: &str,
    erase: bool,
    removals: &mut Vec<Removal>,
) {
    let Some(m) = s.machine_mut(id) else { return };
    m.due = None;
    if erase {
        m.status = ERASING;
        m.erasing = true;
        let action = if m.power_state == "on" {
            PowerAction::Cycle
        } else {
            PowerAction::On
        };
        return power(s, d, id, action);
    }
    m.status = RELEASING;
    m.status_message = Some("Releasing".into());
    m.osystem.clear();
    m.distro_series.clear();
    m.hwe_kernel = None;
    m.installation_set = None;
    m.netboot = true;
    m.owner_data.clear();
    let on = m.power_state == "on" || m.power_state == "error";
    if on {
        power(s, d, id, PowerAction::Off);
    } else {
        released(s, id, removals);
    }
}

/// What `power_parameters` of a new IPMI machine hold besides what was given.
pub(crate) fn complete_parameters(
    kind: &str,
    given: &mut serde_json::Map<String, serde_json::Value>,
) {
    if kind == "ipmi" {
        let defaults = [
            ("power_driver", json!("LAN_2_0")),
            ("power_boot_type", json!("auto")),
            ("cipher_suite_id", json!("3")),
            ("privilege_level", json!("OPERATOR")),
            ("workaround_flags", json!(["opensesspriv"])),
            ("k_g", json!("")),
            ("power_user", json!("")),
            ("power_pass", json!("")),
            ("mac_address", json!("")),
        ];
        for (key, value) in defaults {
            given.entry(key.to_owned()).or_insert(value);
        }
    }
}
