//! Which of netplan's settings move to the bridge.
//!
//! Facts (netplan 0.106): sequences of several files concatenate, so what moves must be deleted in every file that has
//! it; a deletion is written `NULL`; a NIC whose last key is deleted vanishes, hence `dhcp4: false` in the same `Set`.

use serde_json::{Map, Value};

use crate::host::error::{Error, Kind, Result};
use crate::host::netplan::{Change, Setting};

/// The file of our own.
pub(super) const OWN_FILE: &str = "60-cloudboot";
/// The kinds of definition that can be a bridge's port.
const PORTS: [&str; 3] = ["ethernets", "bonds", "vlans"];
/// What belongs to whoever holds the addresses.
const MOVED: [&str; 15] = [
    "addresses",
    "dhcp4",
    "dhcp6",
    "dhcp4-overrides",
    "dhcp6-overrides",
    "dhcp-identifier",
    "gateway4",
    "gateway6",
    "nameservers",
    "routes",
    "routing-policy",
    "accept-ra",
    "link-local",
    "ipv6-privacy",
    "ipv6-address-generation",
];

/// What to set so that the bridge is made, and so that it is unmade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgePlan {
    /// Makes the bridge.
    pub change: Change,
    /// Gives everything back.
    pub undo: Change,
}

/// What to change so that `bridge` holds `nic` and all that the NIC has now.
///
/// `files` are netplan's, in the order in which it reads them, by name without `.yaml`. `mac` is the NIC's own: the bridge
/// gets it too, so that leases and neighbours stay valid. Refused with a reason: a NIC that netplan does not know, one that is
/// a port of something else, wifi and modems (they cannot be bridged), a bridge that stands with other ports.
pub fn bridge_plan(
    files: &[(String, String)],
    nic: &str,
    bridge: &str,
    mac: &str,
) -> Result<BridgePlan> {
    let operation = format!("plan the bridge {bridge} over {nic}");
    let refuse = |kind: Kind, detail: String| Error::new(kind, operation.clone(), detail);
    if bridge.is_empty() || bridge.len() > 15 || bridge.contains(['/', ' ', '.', ':']) {
        return Err(refuse(
            Kind::Unsupported,
            format!("{bridge:?} is no name for a link: at most 15 letters, digits and dashes"),
        ));
    }
    let networks = read(files)?;
    for kind in ["wifis", "modems"] {
        if networks
            .iter()
            .any(|(_, n)| n.get(kind).is_some_and(|d| d.get(nic).is_some()))
        {
            return Err(refuse(
                Kind::Unsupported,
                format!("{nic} is one of netplan's {kind}, which cannot be a bridge's port"),
            )
            .hint("name a wired interface in the configuration"));
        }
    }
    let Some((kind, id)) = find(&networks, nic, mac) else {
        return Err(refuse(
            Kind::NotFound,
            format!("netplan has no definition of {nic}"),
        )
        .hint("define it in /etc/netplan, or name the interface that is defined there"));
    };
    if let Some(owner) = owner(&networks, &id) {
        let detail = if owner == bridge {
            format!("{bridge} holds {nic} in netplan already")
        } else {
            format!("{nic} is a port of {owner} already")
        };
        return Err(refuse(Kind::Conflict, detail)
            .hint(format!("name {owner} itself, or take {nic} out of it")));
    }
    if networks
        .iter()
        .any(|(_, n)| n.get("bridges").is_some_and(|b| b.get(bridge).is_some()))
    {
        return Err(refuse(
            Kind::Conflict,
            format!("netplan has a bridge {bridge} with other ports"),
        )
        .hint("choose another name in `lxd.bridge`"));
    }

    let mut definition = Map::new();
    let (mut change, mut back) = (Change::new(), Change::new());
    let defining: Vec<&(String, Value)> = networks
        .iter()
        .filter(|(_, n)| n.get(kind).is_some_and(|d| d.get(&id).is_some()))
        .collect();
    for (at, (file, network)) in defining.iter().enumerate() {
        let mut given = Map::new();
        let (mut taken, mut returned) = (Map::new(), Map::new());
        for key in MOVED {
            if let Some(value) = network
                .get(kind)
                .and_then(|d| d.get(&id))
                .and_then(|d| d.get(key))
            {
                given.insert(key.to_owned(), value.clone());
                taken.insert(key.to_owned(), Value::Null);
                returned.insert(key.to_owned(), value.clone());
            }
        }
        merge(&mut definition, &given);
        if at + 1 == defining.len() {
            taken.insert("dhcp4".into(), Value::Bool(false));
            returned.entry("dhcp4").or_insert(Value::Null);
        }
        if !taken.is_empty() {
            change.push(setting(file, kind, &id, &Value::Object(taken)));
            back.push(setting(file, kind, &id, &Value::Object(returned)));
        }
    }
    definition.insert(
        "interfaces".into(),
        Value::Array(vec![Value::String(id.clone())]),
    );
    if !mac.is_empty() {
        definition.insert("macaddress".into(), Value::String(mac.to_owned()));
    }
    change.push(setting(
        OWN_FILE,
        "bridges",
        bridge,
        &Value::Object(definition),
    ));
    let mut undo = vec![setting(OWN_FILE, "bridges", bridge, &Value::Null)];
    undo.append(&mut back);
    Ok(BridgePlan { change, undo })
}

/// Whether netplan's files say that the bridge holds the NIC.
pub(super) fn holds(
    files: &[(String, String)],
    nic: &str,
    mac: &str,
    bridge: &str,
) -> Result<bool> {
    let networks = read(files)?;
    let id = find(&networks, nic, mac).map_or_else(|| nic.to_owned(), |(_, id)| id);
    Ok(owner(&networks, &id).is_some_and(|o| o == bridge))
}

/// Whether netplan's files give the NIC nothing of what a bridge takes from it.
pub(super) fn stripped(files: &[(String, String)], nic: &str, mac: &str) -> Result<bool> {
    let networks = read(files)?;
    let Some((kind, id)) = find(&networks, nic, mac) else {
        return Ok(false);
    };
    let definition = |network: &Value| network.get(kind).and_then(|d| d.get(&id)).cloned();
    Ok(networks
        .iter()
        .filter_map(|(_, network)| definition(network))
        .all(|definition| {
            MOVED.iter().all(|key| {
                let value = definition.get(*key);
                value.is_none() || (*key == "dhcp4" && value == Some(&Value::Bool(false)))
            })
        }))
}

/// Whether two files say the same.
pub(super) fn same(a: &str, b: &str) -> bool {
    match (
        serde_saphyr::from_str::<Value>(a),
        serde_saphyr::from_str::<Value>(b),
    ) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

fn read(files: &[(String, String)]) -> Result<Vec<(String, Value)>> {
    let mut networks = Vec::new();
    for (name, text) in files {
        let value: Value = serde_saphyr::from_str(text).map_err(|e| {
            Error::new(
                Kind::Malformed,
                format!("read /etc/netplan/{name}.yaml"),
                e.to_string(),
            )
            .hint("`netplan generate` shows where")
        })?;
        networks.push((
            name.clone(),
            value.get("network").cloned().unwrap_or(Value::Null),
        ));
    }
    Ok(networks)
}

/// The kind and id of the definition that is the kernel's `nic`: by its id, its new name, or the address or name it matches.
fn find(networks: &[(String, Value)], nic: &str, mac: &str) -> Option<(&'static str, String)> {
    let text = |d: &Value, path: &str| d.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let renamed = |d: &Value| text(d, "/set-name");
    // Most specific first: a definition that is renamed is not the one of its id's name.
    let by_new_name = |_: &str, d: &Value| renamed(d).as_deref() == Some(nic);
    let by_id = |id: &str, d: &Value| id == nic && renamed(d).is_none();
    let by_match = |_: &str, d: &Value| {
        let same_mac = text(d, "/match/macaddress")
            .is_some_and(|m| !mac.is_empty() && m.eq_ignore_ascii_case(mac));
        renamed(d).is_none() && (same_mac || text(d, "/match/name").is_some_and(|n| n == nic))
    };
    search(networks, by_new_name)
        .or_else(|| search(networks, by_id))
        .or_else(|| search(networks, by_match))
}

fn search(
    networks: &[(String, Value)],
    test: impl Fn(&str, &Value) -> bool,
) -> Option<(&'static str, String)> {
    for kind in PORTS {
        for (_, network) in networks {
            let definitions = network.get(kind).and_then(Value::as_object);
            if let Some((id, _)) = definitions
                .into_iter()
                .flatten()
                .find(|(id, d)| test(id, d))
            {
                return Some((kind, id.clone()));
            }
        }
    }
    None
}

/// The bridge or bond that has `id` among its interfaces.
fn owner(networks: &[(String, Value)], id: &str) -> Option<String> {
    for (_, network) in networks {
        for kind in ["bridges", "bonds"] {
            for (name, definition) in network
                .get(kind)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                let ports = definition.get("interfaces").and_then(Value::as_array);
                if ports.into_iter().flatten().any(|p| p.as_str() == Some(id)) {
                    return Some(name.clone());
                }
            }
        }
    }
    None
}

/// How netplan reads a key of several files: mappings merge, sequences concatenate, the last scalar counts.
fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(a)), Value::Object(b)) => merge(a, b),
            (Some(Value::Array(a)), Value::Array(b)) => a.extend(b.iter().cloned()),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

fn setting(origin: &str, kind: &str, id: &str, value: &Value) -> Setting {
    let id = id.replace('\\', "\\\\").replace('.', "\\.");
    Setting {
        origin: origin.to_owned(),
        assignment: format!("{kind}.{id}={}", flow(value)),
    }
}

/// YAML's flow style as netplan reads it: JSON, with a deletion written `NULL`.
fn flow(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(flow).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(map) => {
            let pairs: Vec<String> = map
                .iter()
                .map(|(k, v)| format!("{k}: {}", flow(v)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[&str]) -> Vec<(String, String)> {
        texts
            .iter()
            .enumerate()
            .map(|(n, t)| (format!("{}0-x", n + 5), (*t).to_owned()))
            .collect()
    }

    #[test]
    fn what_several_files_say_moves_from_each_of_them() {
        let files = files(&[
            "network:\n  ethernets:\n    eno3: {addresses: [10.42.0.1/16], mtu: 9000}\n",
            "network:\n  ethernets:\n    eno3: {addresses: [10.43.0.1/24], nameservers: {search: [lan]}}\n",
        ]);
        let plan = bridge_plan(&files, "eno3", "br0", "02:00:00:00:00:01").unwrap();
        let lines: Vec<String> = plan
            .change
            .iter()
            .map(|s| format!("{} {}", s.origin, s.assignment))
            .collect();
        assert_eq!(
            lines,
            [
                "50-x ethernets.eno3={addresses: NULL}",
                "60-x ethernets.eno3={addresses: NULL, dhcp4: false, nameservers: NULL}",
                "60-cloudboot bridges.br0={addresses: [\"10.42.0.1/16\", \"10.43.0.1/24\"], interfaces: [\"eno3\"], macaddress: \"02:00:00:00:00:01\", nameservers: {search: [\"lan\"]}}",
            ]
        );
        let undo: Vec<String> = plan
            .undo
            .iter()
            .map(|s| format!("{} {}", s.origin, s.assignment))
            .collect();
        assert_eq!(
            undo,
            [
                "60-cloudboot bridges.br0=NULL",
                "50-x ethernets.eno3={addresses: [\"10.42.0.1/16\"]}",
                "60-x ethernets.eno3={addresses: [\"10.43.0.1/24\"], dhcp4: NULL, nameservers: {search: [\"lan\"]}}",
            ]
        );
    }

    #[test]
    fn definitions_are_found_by_what_they_match() {
        let files = files(&[
            "network:\n  ethernets:\n    lan:\n      match: {macaddress: 02:00:00:00:00:AA}\n      dhcp4: true\n    wan:\n      match: {macaddress: 02:00:00:00:00:BB}\n      set-name: eno9\n      dhcp4: true\n",
        ]);
        let by_mac = bridge_plan(&files, "enp3s0", "br0", "02:00:00:00:00:aa").unwrap();
        assert!(
            by_mac.change[0].assignment.starts_with("ethernets.lan="),
            "{by_mac:?}"
        );
        let by_name = bridge_plan(&files, "eno9", "br0", "02:00:00:00:00:bb").unwrap();
        assert!(
            by_name.change[0].assignment.starts_with("ethernets.wan="),
            "{by_name:?}"
        );
        assert!(
            bridge_plan(&files, "enp9s9", "br0", "02:00:00:00:00:cc")
                .unwrap_err()
                .is_not_found()
        );
    }

    #[test]
    fn what_cannot_be_bridged_is_refused() {
        let files = files(&[
            "network:\n  wifis:\n    wlan0: {dhcp4: true}\n  ethernets: {a: {}, b: {dhcp4: true}, c: {}}\n  bonds: {bond0: {interfaces: [a]}}\n  bridges: {br1: {interfaces: [c]}}\n",
        ]);
        assert_eq!(
            bridge_plan(&files, "wlan0", "br0", "").unwrap_err().kind(),
            Kind::Unsupported
        );
        assert!(
            bridge_plan(&files, "a", "br0", "")
                .unwrap_err()
                .is_conflict()
        );
        assert!(
            bridge_plan(&files, "b", "br1", "")
                .unwrap_err()
                .is_conflict()
        );
        assert!(bridge_plan(&files, "b", "a-name-that-is-too-long", "").is_err());
        assert!(bridge_plan(&files, "bond0", "br0", "").is_ok());
        assert!(holds(&files, "c", "", "br1").unwrap());
    }
}
