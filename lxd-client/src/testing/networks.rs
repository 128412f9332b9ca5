//! `/1.0/networks`.

use serde_json::{Value, json};

use super::answers::{Reply, Req, config_of, etag, lay_over, text, unknown_key};
use super::state::{NetworkState, World};
use crate::Config;

impl World {
    fn network_json(&self, home: &str, name: &str) -> Option<Value> {
        if let Some(n) = self.state.projects.get(home)?.networks.get(name) {
            return Some(json!({
                "config": n.config, "description": n.description, "name": name, "type": n.kind,
                "used_by": null, "managed": true, "status": "Created", "locations": ["none"],
            }));
        }
        let kind = self.machine.interfaces.get(name)?;
        Some(json!({
            "config": {}, "description": "", "name": name, "type": kind, "used_by": null,
            "managed": false, "status": "", "locations": null,
        }))
    }

    pub(super) fn networks(&mut self, req: &Req) -> Result<Reply, Reply> {
        let home = self.effective(&req.project(), "networks");
        let rest = req.path.get(2).map(String::as_str);
        match (
            req.method.as_str(),
            req.path.get(1).map(String::as_str),
            rest,
        ) {
            ("GET", None, _) => {
                let names = self.state.projects[&home]
                    .networks
                    .keys()
                    .chain(self.machine.interfaces.keys());
                Ok(Reply::ok(
                    names
                        .map(|n| match req.recursion() {
                            0 => json!(format!("/1.0/networks/{n}")),
                            _ => self.network_json(&home, n).unwrap_or_default(),
                        })
                        .collect::<Vec<_>>(),
                ))
            }
            ("POST", None, _) => {
                let body = req.json()?;
                let name = text(&body, "name");
                if name.is_empty() {
                    return Err(Reply::error(400, "No name provided"));
                }
                let kind = match text(&body, "type") {
                    k if k.is_empty() => "bridge".into(),
                    k => k,
                };
                if !KINDS.contains(&kind.as_str()) {
                    return Err(Reply::error(400, "Unknown driver"));
                }
                let mut config = config_of(&body);
                let taken = self.state.projects[&home].networks.contains_key(&name)
                    || self.machine.interfaces.contains_key(&name);
                if taken {
                    return Err(Reply::in_the_work(400, "The network already exists"));
                }
                check_address(&name, &config)?;
                check_options(500, &name, &config)?;
                self.state.serial += 1;
                let n = self.state.serial;
                let auto = |v: Option<&String>| v.is_none_or(|v| v == "auto");
                if auto(config.get("ipv4.address")) {
                    config.insert("ipv4.address".into(), format!("10.208.{}.1/24", n % 250));
                    config
                        .entry("ipv4.nat".into())
                        .or_insert_with(|| "true".into());
                }
                if auto(config.get("ipv6.address")) {
                    config.insert("ipv6.address".into(), format!("fd42:0:0:{n:x}::1/64"));
                    config
                        .entry("ipv6.nat".into())
                        .or_insert_with(|| "true".into());
                }
                let network = NetworkState {
                    config,
                    description: text(&body, "description"),
                    kind,
                    ..NetworkState::default()
                };
                if let Some(p) = self.state.projects.get_mut(&home) {
                    p.networks.insert(name.clone(), network);
                }
                self.count("network", &name);
                let path = format!("/1.0/networks/{name}");
                self.lifecycle(&home, "network-created", &path, json!({}));
                Ok(Reply::Created(path))
            }
            (method, Some(name), rest) => {
                if rest == Some("forwards") {
                    let address = req.path.get(3).map(String::as_str);
                    return self.forwards(req, &home, name, address);
                }
                let told = self
                    .network_json(&home, name)
                    .ok_or_else(|| Reply::not_found("Network"))?;
                let tag = etag(&json!([told["config"], told["description"]]));
                let managed = told["managed"] == true;
                match (method, rest) {
                    ("GET", None) => Ok(Reply::Sync(told, Some(tag))),
                    ("GET", Some("state")) => Ok(Reply::ok(network_state(&told))),
                    ("GET", Some("leases")) => Ok(Reply::ok(leases(&told))),
                    ("PUT" | "PATCH", None) if managed => {
                        req.matches(&tag)?;
                        let body = req.json()?;
                        let given = config_of(&body);
                        check_address(name, &given)?;
                        check_options(400, name, &given)?;
                        if let Some(n) = self
                            .state
                            .projects
                            .get_mut(&home)
                            .and_then(|p| p.networks.get_mut(name))
                        {
                            if method == "PUT" {
                                n.config = given;
                                n.description = text(&body, "description");
                            } else {
                                lay_over(&mut n.config, given);
                            }
                        }
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    ("POST", None) if managed => {
                        let to = text(&req.json()?, "name");
                        if self.network_json(&home, &to).is_some() {
                            let what = format!("Network {to:?} already exists");
                            return Err(Reply::error(409, what));
                        }
                        if let Some(p) = self.state.projects.get_mut(&home)
                            && let Some(network) = p.networks.remove(name)
                        {
                            p.networks.insert(to.clone(), network);
                        }
                        self.dirty = true;
                        Ok(Reply::Created(format!("/1.0/networks/{to}")))
                    }
                    ("DELETE", None) if managed => {
                        if let Some(p) = self.state.projects.get_mut(&home) {
                            p.networks.remove(name);
                        }
                        self.dirty = true;
                        let path = format!("/1.0/networks/{name}");
                        self.lifecycle(&home, "network-deleted", &path, json!({}));
                        Ok(Reply::empty())
                    }
                    ("PUT" | "PATCH" | "DELETE", None) => {
                        Err(Reply::error(400, "Only managed networks can be modified"))
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }
}

const KINDS: [&str; 5] = ["bridge", "macvlan", "sriov", "ovn", "physical"];

/// The keys of all kinds, by their beginnings.
const KEYS: [&str; 19] = [
    "acme.",
    "bgp.",
    "bridge.",
    "dns.",
    "fan.",
    "gvrp",
    "ipv4.",
    "ipv6.",
    "maas.",
    "mtu",
    "network",
    "ovn.",
    "parent",
    "raw.",
    "security.",
    "tunnel.",
    "user.",
    "vlan",
    "volatile.",
];

fn check_options(code: u16, name: &str, config: &Config) -> Result<(), Reply> {
    match unknown_key(config, &KEYS) {
        None => Ok(()),
        Some(key) => {
            let why = format!("Invalid option for network {name:?} option {key:?}");
            Err(Reply::in_the_work(code, why))
        }
    }
}

fn check_address(name: &str, config: &Config) -> Result<(), Reply> {
    for key in ["ipv4.address", "ipv6.address"] {
        let Some(value) = config.get(key) else {
            continue;
        };
        let fine = matches!(value.as_str(), "" | "auto" | "none")
            || value.split_once('/').is_some_and(|(a, bits)| {
                a.parse::<std::net::IpAddr>().is_ok() && bits.parse::<u8>().is_ok()
            });
        if !fine {
            return Err(Reply::in_the_work(
                500,
                format!(
                    "Invalid value for network \"{name}\" option \"{key}\": invalid CIDR address: \
                     {value}"
                ),
            ));
        }
    }
    Ok(())
}

fn addresses(told: &Value) -> Vec<(&'static str, String, String)> {
    [("inet", "ipv4.address"), ("inet6", "ipv6.address")]
        .iter()
        .filter_map(|(family, key)| {
            let (address, bits) = told["config"][*key].as_str()?.split_once('/')?;
            Some((*family, address.to_owned(), bits.to_owned()))
        })
        .collect()
}

fn network_state(told: &Value) -> Value {
    let addresses: Vec<Value> = addresses(told)
        .into_iter()
        .map(|(family, address, netmask)| {
            json!({"family": family, "address": address, "netmask": netmask, "scope": "global"})
        })
        .collect();
    json!({
        "addresses": addresses, "hwaddr": "00:16:3e:00:00:01", "mtu": 1500, "state": "up",
        "counters": {"bytes_received": 0, "bytes_sent": 0, "packets_received": 0, "packets_sent": 0},
        "type": "broadcast", "bond": null, "bridge": null, "vlan": null, "ovn": null,
    })
}

fn leases(told: &Value) -> Vec<Value> {
    let name = told["name"].as_str().unwrap_or_default();
    addresses(told)
        .into_iter()
        .map(|(_, address, _)| {
            json!({
                "hostname": format!("{name}.gw"), "hwaddr": "", "address": address,
                "type": "gateway", "location": "",
            })
        })
        .collect()
}
