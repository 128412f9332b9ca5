//! Which machines pass a filter or a constraint.

use super::*;

/// Filters of a list and constraints of `allocate` that MAAS knows.
pub(super) const CONSTRAINTS: [&str; 44] = [
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
pub(super) fn passes(s: &State, m: &Machine, pairs: &[(String, String)]) -> bool {
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
pub(super) fn storage_fits(m: &Machine, pairs: &[(String, String)]) -> bool {
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
