//! The network of the lab's host: netplan's service with its rollback, and what `ip` shows of the outcome.
//!
//! Held to netplan 0.106: what `Set` does to a file, sequences that concatenate across files, `parameters:` that make `Try`
//! answer false, a revert that leaves a created bridge behind.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Inner;
use super::programs::output;
use super::state::{Link, State, Trial};
use crate::host::exec::Output;
use crate::host::netplan::{Change, Setting};
use crate::host::{Error, Kind, Result};

const FOLDER: &str = "/etc/netplan";

async fn files(inner: &Inner) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for name in inner.files.list(FOLDER).await? {
        if name.ends_with(".yaml") {
            let text = inner
                .files
                .read_text(format!("{FOLDER}/{name}"))
                .await?
                .unwrap_or_default();
            found.insert(name, text);
        }
    }
    Ok(found)
}

fn parse(name: &str, text: &str) -> Result<Value> {
    let value: Value = serde_saphyr::from_str(text).map_err(|e| {
        Error::new(
            Kind::Malformed,
            format!("read {FOLDER}/{name}"),
            e.to_string(),
        )
    })?;
    Ok(value.get("network").cloned().unwrap_or(Value::Null))
}

/// Mappings merge, sequences concatenate, anything else is replaced: how netplan reads several files.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(
            from.iter()
                .filter(|v| !into.contains(v))
                .cloned()
                .collect::<Vec<_>>(),
        ),
        (into, from) => *into = from.clone(),
    }
}

fn merged(files: &BTreeMap<String, String>) -> Result<Value> {
    let mut all = json!({});
    for (name, text) in files {
        merge(&mut all, &parse(name, text)?);
    }
    Ok(all)
}

/// The merged configuration, as `Get` shows it.
pub(crate) async fn current(inner: &Inner) -> Result<String> {
    let all = merged(&files(inner).await?)?;
    serde_saphyr::to_string(&json!({"network": all})).map_err(|e| {
        Error::new(
            Kind::Malformed,
            "show the network's configuration",
            e.to_string(),
        )
    })
}

/// The keys of `a.b\.c=value`, and the value.
fn assignment(text: &str) -> Result<(Vec<String>, Value)> {
    let bad = |why: String| Error::new(Kind::Malformed, format!("netplan set {text}"), why);
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| bad("there is no =".into()))?;
    let mut keys = vec![String::new()];
    let mut chars = key.chars();
    while let Some(c) = chars.next() {
        match (c, keys.last_mut()) {
            ('.', _) => keys.push(String::new()),
            ('\\', Some(last)) => last.extend(chars.next()),
            (c, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    if keys.first().is_some_and(|k| k == "network") {
        keys.remove(0);
    }
    let value = serde_saphyr::from_str(value).map_err(|e| bad(e.to_string()))?;
    Ok((keys, value))
}

/// What `Set` does to a mapping: null deletes, mappings merge, anything else is replaced.
fn set(into: &mut Value, delta: &Value) {
    match delta {
        Value::Object(delta) => {
            if !into.is_object() {
                *into = Value::Object(Map::new());
            }
            if let Value::Object(into) = into {
                for (key, value) in delta {
                    if value.is_null() {
                        into.remove(key);
                    } else {
                        set(into.entry(key.clone()).or_insert(Value::Null), value);
                    }
                }
            }
        }
        other => *into = other.clone(),
    }
}

fn prune(value: &mut Value) {
    if let Value::Object(map) = value {
        map.values_mut().for_each(prune);
        map.retain(|_, v| !v.as_object().is_some_and(Map::is_empty));
    }
}

fn apply_setting(files: &mut BTreeMap<String, String>, setting: &Setting) -> Result<()> {
    let (keys, value) = assignment(&setting.assignment)?;
    let name = if setting.origin.is_empty() {
        "70-netplan-set.yaml".to_owned()
    } else {
        format!("{}.yaml", setting.origin)
    };
    let mut network = match files.get(&name) {
        Some(text) => parse(&name, text)?,
        None => json!({"version": 2}),
    };
    let delta = keys
        .iter()
        .rev()
        .fold(value, |value, key| json!({key.as_str(): value}));
    set(&mut network, &delta);
    prune(&mut network);
    let definitions = network
        .as_object()
        .is_some_and(|n| n.values().any(Value::is_object));
    if definitions {
        let text = serde_saphyr::to_string(&json!({"network": network}))
            .map_err(|e| Error::new(Kind::Malformed, "netplan set", e.to_string()))?;
        files.insert(name, text);
    } else {
        files.remove(&name);
    }
    Ok(())
}

async fn write(
    inner: &Inner,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<()> {
    for (name, text) in after {
        if before.get(name) != Some(text) {
            inner
                .files
                .write(format!("{FOLDER}/{name}"), text.clone(), Some(0o600))
                .await?;
        }
    }
    for name in before.keys().filter(|n| !after.contains_key(*n)) {
        inner.files.remove(format!("{FOLDER}/{name}")).await?;
    }
    Ok(())
}

/// `Set`, then `Try`.
pub(crate) async fn attempt(inner: &Inner, change: &Change, rollback: Duration) -> Result<String> {
    let operation = "try a change of the network";
    let before = files(inner).await?;
    let mut after = before.clone();
    for setting in change {
        apply_setting(&mut after, setting)?;
    }
    let all = merged(&after)?;
    let parameters = all
        .get("bridges")
        .and_then(Value::as_object)
        .is_some_and(|b| b.values().any(|d| d.get("parameters").is_some()));
    if parameters {
        return Err(Error::new(
            Kind::Unsupported,
            operation,
            "Try answered false: netplan cannot revert a bridge with parameters",
        ));
    }
    if !inner.state().trials.is_empty() {
        return Err(
            Error::new(Kind::Busy, operation, "another change is on trial")
                .with_code("org.freedesktop.DBus.Error.Failed"),
        );
    }
    let id = {
        let mut state = inner.state();
        state.next_trial += 1;
        let id = format!("/io/netplan/Netplan/config/LAB{:03}", state.next_trial);
        let due = inner.now()
            + inner.durations.netplan_apply
            + rollback.mul_f64(inner.durations.rollback_stretch.unwrap_or(1.0));
        state.trials.push(Trial {
            id: id.clone(),
            due,
            files: before.clone(),
        });
        id
    };
    inner.changed();
    write(inner, &before, &after).await?;
    settle(inner).await?;
    Ok(id)
}

pub(crate) async fn confirm(inner: &Inner, trial: &str) -> Result<Value> {
    take(inner, trial)?;
    Ok(json!(null))
}

pub(crate) async fn cancel(inner: &Inner, trial: &str) -> Result<Value> {
    let trial = take(inner, trial)?;
    revert(inner, &trial).await?;
    Ok(json!(null))
}

fn take(inner: &Inner, id: &str) -> Result<Trial> {
    let mut state = inner.state();
    let at = state.trials.iter().position(|t| t.id == id);
    at.map(|at| state.trials.remove(at)).ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            "end a trial of the network",
            format!("Unknown object '{id}'."),
        )
        .with_code("org.freedesktop.DBus.Error.UnknownObject")
    })
}

async fn revert(inner: &Inner, trial: &Trial) -> Result<()> {
    write(inner, &files(inner).await?, &trial.files).await?;
    settle(inner).await
}

/// Reverts what nobody confirmed.
pub(crate) async fn tick(inner: &Inner) {
    loop {
        let now = inner.now();
        let due = inner.state().trials.iter().find(|t| t.due <= now).cloned();
        let Some(trial) = due else { return };
        let _ = revert(inner, &trial).await;
        inner.state().trials.retain(|t| t.id != trial.id);
        inner.changed();
    }
}

/// Gives every link what the files say.
pub(crate) async fn settle(inner: &Inner) -> Result<()> {
    let all = merged(&files(inner).await?)?;
    let links = {
        let mut state = inner.state();
        live(&mut state, &all);
        state
            .links
            .iter()
            .map(|(n, l)| (n.clone(), l.addresses.clone()))
            .collect()
    };
    inner.changed();
    inner.world.network_changed(&links).await;
    Ok(())
}

fn live(state: &mut State, all: &Value) {
    let definitions = |kind: &str| {
        all.get(kind)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let bridges = definitions("bridges");
    for link in state.links.values_mut() {
        link.master = None;
        link.addresses.clear();
        link.routes.clear();
        // A bridge that is configured no more stays behind, down.
        link.up = link.kind.is_none();
    }
    for (name, definition) in &bridges {
        if !state.links.contains_key(name) {
            state.count(format!("bridge:{name}"));
        }
        let ports: Vec<String> = definition
            .get("interfaces")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let index = state.links.len();
        let link = state.links.entry(name.clone()).or_insert_with(|| Link {
            mac: format!("52:54:00:b0:00:{index:02x}"),
            ..Link::default()
        });
        link.kind = Some("bridge".into());
        link.up = true;
        if let Some(mac) = definition.get("macaddress").and_then(Value::as_str) {
            link.mac = mac.to_owned();
        }
        for port in ports {
            if let Some(port) = state.links.get_mut(&port) {
                port.master = Some(name.clone());
            }
        }
    }
    let hardware = state.hardware.clone();
    let external_bridge = state
        .links
        .get(&hardware.external_nic)
        .and_then(|l| l.master.clone());
    for (name, definition) in definitions("ethernets").iter().chain(&bridges) {
        let Some(link) = state.links.get_mut(name) else {
            continue;
        };
        for address in definition
            .get("addresses")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            link.addresses.extend(address.as_str().map(str::to_owned));
        }
        if definition.get("dhcp4") == Some(&json!(true)) {
            let external = *name == hardware.external_nic || Some(name) == external_bridge.as_ref();
            link.addresses.push(if external {
                hardware.external_address.clone()
            } else {
                hardware.internal_address.clone()
            });
            if external {
                link.routes
                    .push(("default".into(), Some(hardware.external_gateway.clone())));
            }
        }
        for route in definition
            .get("routes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let to = route.get("to").and_then(Value::as_str).unwrap_or("default");
            let to = if to == "0.0.0.0/0" { "default" } else { to };
            link.routes.push((
                to.to_owned(),
                route.get("via").and_then(Value::as_str).map(str::to_owned),
            ));
        }
        if let Some(gateway) = definition.get("gateway4").and_then(Value::as_str) {
            link.routes
                .push(("default".into(), Some(gateway.to_owned())));
        }
    }
}

/// `ip -j address show`, `ip -j route show`, `ip link delete`.
pub(crate) fn ip(state: &mut State, args: &[String]) -> Output {
    let words: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|a| !a.starts_with('-'))
        .collect();
    match words.as_slice() {
        ["address", "show"] => {
            let list: Vec<Value> = state
                .links
                .iter()
                .map(|(name, link)| show(name, link))
                .collect();
            output(0, Value::Array(list).to_string(), "")
        }
        ["route", "show"] => {
            let mut routes = Vec::new();
            for (name, link) in &state.links {
                for (to, via) in &link.routes {
                    routes.push(json!({"dst": to, "gateway": via, "dev": name, "protocol": "static", "flags": []}));
                }
                for net in link
                    .addresses
                    .iter()
                    .filter_map(|a| a.parse::<ipnet::IpNet>().ok())
                {
                    routes.push(json!({"dst": net.trunc().to_string(), "dev": name, "protocol": "kernel", "scope": "link", "prefsrc": net.addr(), "flags": []}));
                }
            }
            output(0, Value::Array(routes).to_string(), "")
        }
        ["link", "delete", name] | ["link", "delete", "dev", name] => {
            match state.links.remove(*name) {
                Some(_) => output(0, "", ""),
                None => output(1, "", format!("Cannot find device \"{name}\"")),
            }
        }
        _ => output(
            255,
            "",
            format!(
                "Command \"{}\" is unknown, try \"ip help\".",
                words.join(" ")
            ),
        ),
    }
}

fn show(name: &str, link: &Link) -> Value {
    let flags = if link.up {
        json!(["BROADCAST", "MULTICAST", "UP", "LOWER_UP"])
    } else {
        json!(["BROADCAST", "MULTICAST"])
    };
    let addresses: Vec<Value> = link
        .addresses
        .iter()
        .filter_map(|a| a.parse::<ipnet::IpNet>().ok())
        .map(|net| json!({"family": if net.addr().is_ipv4() { "inet" } else { "inet6" }, "local": net.addr(), "prefixlen": net.prefix_len(), "scope": "global"}))
        .collect();
    let mut value = json!({"ifname": name, "flags": flags, "mtu": 1500, "operstate": if link.up { "UP" } else { "DOWN" },
        "link_type": "ether", "address": link.mac, "addr_info": addresses});
    if let Some(master) = &link.master {
        value["master"] = json!(master);
    }
    if let Some(kind) = &link.kind {
        value["linkinfo"] = json!({"info_kind": kind});
    }
    value
}

/// `netplan set` into a folder beside the real one and `netplan generate` of it: that the files can be read is all that the lab checks.
pub(crate) async fn netplan(inner: &Inner, args: &[String]) -> Result<Output> {
    match args.first().map(String::as_str) {
        Some("set") if args.iter().any(|a| a.starts_with("--root-dir=")) => {
            return Ok(output(0, "", ""));
        }
        Some("generate") => {}
        _ => return Ok(output(1, "", "You need to specify a command")),
    }
    Ok(match merged(&files(inner).await?) {
        Ok(_) => output(0, "", ""),
        Err(e) => output(1, "", e.to_string()),
    })
}
