//! Interfaces of machines.

use serde_json::{Map, Value, json};

use super::basics::unknown;
use super::progress::interface_id;
use super::render;
use super::reply::{Fields, R, Reply, Req, gone, invalid, json_ok, missing, no_choice, text};
use super::state::{Interface, Link, State};

/// States in which the network may be changed.
fn changeable(s: &State, node: &str, what: &str) -> Result<(), Reply> {
    let status = s.machine(node).map_or(0, |m| m.status);
    if matches!(status, 0 | 4 | 8 | 10) {
        Ok(())
    } else {
        Err(text(
            409,
            format!(
                "Cannot {what} interface because the machine is not New, Ready, Allocated, or Broken."
            ),
        ))
    }
}

pub(crate) fn interfaces(s: &mut State, req: &Req, node: &str) -> R {
    let m = s.machine(node).ok_or_else(|| missing("Node"))?;
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => {
            let list: Vec<Value> = m
                .interfaces
                .iter()
                .map(|i| render::interface(s, node, &m.interfaces, i))
                .collect();
            Ok(json_ok(&json!(list)))
        }
        ("POST", Some("create_bridge")) => create_bridge(s, req, node),
        ("POST", Some("create_bond")) => create_bond(s, req, node),
        ("POST", Some("create_vlan")) => create_vlan(s, req, node),
        ("POST", Some("create_physical")) => create_physical(s, req, node),
        _ => Err(unknown(req)),
    }
}

fn rendered(s: &State, node: &str, id: i64) -> R {
    let m = s.machine(node).ok_or_else(|| missing("Node"))?;
    let i = m
        .interfaces
        .iter()
        .find(|i| i.id == id)
        .ok_or_else(|| missing("Interface"))?;
    Ok(json_ok(&render::interface(s, node, &m.interfaces, i)))
}

fn of<'a>(s: &'a State, node: &str) -> &'a [Interface] {
    s.machine(node).map_or(&[], |m| &m.interfaces)
}

fn add(s: &mut State, node: &str, interface: Interface) -> R {
    let id = interface.id;
    let kind = interface.kind.clone();
    if let Some(m) = s.machine_mut(node) {
        m.interfaces.push(interface);
    }
    s.count(kind);
    rendered(s, node, id)
}

fn parse_params(req: &Req, prefix: &str) -> Map<String, Value> {
    req.form
        .iter()
        .filter(|(n, _)| n.starts_with(prefix))
        .map(|(n, v)| {
            let value = match v.as_str() {
                "true" | "True" => json!(true),
                "false" | "False" => json!(false),
                other => other
                    .parse::<i64>()
                    .map_or_else(|_| json!(other), |n| json!(n)),
            };
            (n.clone(), value)
        })
        .collect()
}

fn create_bridge(s: &mut State, req: &Req, node: &str) -> R {
    changeable(s, node, "create bridge")?;
    let mut errors = Fields::default();
    errors.required(req, "name");
    let parent = req.filled("parent").unwrap_or("").to_owned();
    let found = of(s, node)
        .iter()
        .find(|i| i.id.to_string() == parent)
        .cloned();
    if parent.is_empty() {
        errors.add("mac_address", "This field cannot be blank.");
        errors.add("parent", "A bridge interface must have exactly one parent.");
    } else if found.is_none() {
        errors.add("mac_address", "This field cannot be blank.");
        errors.add(
            "parent",
            format!("Select a valid choice. {parent} is not one of the available choices."),
        );
    } else if of(s, node).iter().any(|i| {
        matches!(i.kind.as_str(), "bridge" | "bond")
            && i.parents.iter().any(|p| p.to_string() == parent)
    }) {
        errors.add("mac_address", "This field cannot be blank.");
        errors.add(
            "parent",
            "A bridge interface can't have a parent that is already in a bond or a bridge.",
        );
    }
    errors.check()?;
    let name = req.get("name").unwrap_or("").to_owned();
    if of(s, node).iter().any(|i| i.name == name) {
        return Err(invalid(
            "name",
            format!("Node {} already has an interface named '{name}'.", node),
        ));
    }
    let Some(found) = found else {
        return Err(missing("Interface"));
    };
    let mut params = parse_params(req, "bridge_");
    for (key, value) in [
        ("bridge_type", json!("standard")),
        ("bridge_stp", json!(false)),
        ("bridge_fd", json!(15)),
    ] {
        params.entry(key.to_owned()).or_insert(value);
    }
    if let Some(p) = s
        .machine_mut(node)
        .and_then(|m| m.interfaces.iter_mut().find(|i| i.id == found.id))
    {
        p.links.clear();
    }
    let bridge = Interface {
        id: interface_id(s),
        name,
        kind: "bridge".into(),
        mac: req.filled("mac_address").unwrap_or(&found.mac).to_owned(),
        vlan: found.vlan,
        links: vec![Link {
            id: s.next_id("link"),
            mode: "link_up".into(),
            subnet: None,
            ip: None,
        }],
        parents: vec![found.id],
        params,
        ..Interface::default()
    };
    add(s, node, bridge)
}

fn create_bond(s: &mut State, req: &Req, node: &str) -> R {
    changeable(s, node, "create bond")?;
    let mut errors = Fields::default();
    errors.required(req, "name");
    let mut parents = Vec::new();
    let mut bad = false;
    for id in req.all("parents") {
        match of(s, node).iter().find(|i| i.id.to_string() == id) {
            Some(i) => parents.push(i.clone()),
            None if !bad => {
                bad = true;
                errors.add(
                    "parents",
                    format!("Select a valid choice. {id} is not one of the available choices."),
                );
                errors.add("mac_address", "This field cannot be blank.");
            }
            None => {}
        }
    }
    if !bad && parents.iter().any(|p| p.vlan != parents[0].vlan) {
        errors.add("parents", "All parents must belong to the same VLAN.");
    }
    errors.check()?;
    let Some(first) = parents.first().cloned() else {
        return Err(invalid("parents", "This field is required."));
    };
    let bond = Interface {
        id: interface_id(s),
        name: req.get("name").unwrap_or("").into(),
        kind: "bond".into(),
        mac: first.mac.clone(),
        vlan: first.vlan,
        links: vec![Link {
            id: s.next_id("link"),
            mode: "link_up".into(),
            subnet: None,
            ip: None,
        }],
        parents: parents.iter().map(|p| p.id).collect(),
        params: parse_params(req, "bond_"),
        ..Interface::default()
    };
    if let Some(m) = s.machine_mut(node) {
        for i in m
            .interfaces
            .iter_mut()
            .filter(|i| bond.parents.contains(&i.id))
        {
            i.links.clear();
        }
    }
    add(s, node, bond)
}

fn create_vlan(s: &mut State, req: &Req, node: &str) -> R {
    changeable(s, node, "create VLAN")?;
    let parent = req.filled("parent").unwrap_or("").to_owned();
    let parent = of(s, node)
        .iter()
        .find(|i| i.id.to_string() == parent)
        .cloned()
        .ok_or_else(|| no_choice("parent", &parent))?;
    let vlan = req.filled("vlan").unwrap_or("").to_owned();
    let vlan = s
        .vlans
        .iter()
        .find(|v| v.id.to_string() == vlan)
        .cloned()
        .ok_or_else(|| no_choice("vlan", &vlan))?;
    let interface = Interface {
        id: interface_id(s),
        name: format!("{}.{}", parent.name, vlan.vid),
        kind: "vlan".into(),
        mac: parent.mac.clone(),
        vlan: Some(vlan.id),
        links: vec![Link {
            id: s.next_id("link"),
            mode: "link_up".into(),
            subnet: None,
            ip: None,
        }],
        parents: vec![parent.id],
        ..Interface::default()
    };
    add(s, node, interface)
}

fn create_physical(s: &mut State, req: &Req, node: &str) -> R {
    changeable(s, node, "create")?;
    let mac = req
        .filled("mac_address")
        .ok_or_else(|| invalid("mac_address", "This field is required."))?
        .to_lowercase();
    let vlan = req
        .filled("vlan")
        .and_then(|v| s.vlans.iter().find(|x| x.id.to_string() == v))
        .map(|v| v.id);
    let name = req
        .filled("name")
        .map_or_else(|| format!("eth{}", of(s, node).len()), str::to_owned);
    let interface = Interface {
        id: interface_id(s),
        name,
        kind: "physical".into(),
        mac,
        vlan,
        links: vec![Link {
            id: s.next_id("link"),
            mode: "link_up".into(),
            subnet: None,
            ip: None,
        }],
        ..Interface::default()
    };
    add(s, node, interface)
}

pub(crate) fn interface(s: &mut State, req: &Req, node: &str, spec: &str) -> R {
    s.machine(node).ok_or_else(|| missing("Node"))?;
    let id = of(s, node)
        .iter()
        .find(|i| i.id.to_string() == spec || i.name == spec)
        .map(|i| i.id)
        .ok_or_else(|| missing("Interface"))?;
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => rendered(s, node, id),
        ("PUT", None) => update(s, req, node, id),
        ("DELETE", None) => {
            changeable(s, node, "delete")?;
            if let Some(m) = s.machine_mut(node) {
                m.interfaces
                    .retain(|i| i.id != id && !(i.kind == "vlan" && i.parents.contains(&id)));
                for i in &mut m.interfaces {
                    i.parents.retain(|p| *p != id);
                }
            }
            Ok(gone())
        }
        ("POST", Some("link_subnet")) => link_subnet(s, req, node, id),
        ("POST", Some("unlink_subnet")) => {
            changeable(s, node, "unlink subnet")?;
            let ids: Vec<String> = links(s, node, id)
                .iter()
                .map(|l| l.id.to_string())
                .collect();
            let wanted = req.filled("id").unwrap_or("").to_owned();
            if !ids.contains(&wanted) {
                let list: Vec<String> = ids.iter().map(|i| format!("'{i}'")).collect();
                return Err(invalid(
                    "id",
                    format!(
                        "'{wanted}' is not a valid id.  It should be one of: {}.",
                        list.join(", ")
                    ),
                ));
            }
            with(s, node, id, |i| {
                i.links.retain(|l| l.id.to_string() != wanted)
            });
            rendered(s, node, id)
        }
        ("POST", Some("disconnect")) => {
            changeable(s, node, "disconnect")?;
            with(s, node, id, |i| {
                i.links.clear();
                i.vlan = None;
            });
            rendered(s, node, id)
        }
        ("POST", Some("set_default_gateway")) => rendered(s, node, id),
        ("POST", Some("add_tag")) => {
            let tag = req.get("tag").unwrap_or("").to_owned();
            with(s, node, id, |i| i.tags.push(tag));
            rendered(s, node, id)
        }
        ("POST", Some("remove_tag")) => {
            let tag = req.get("tag").unwrap_or("").to_owned();
            with(s, node, id, |i| i.tags.retain(|t| *t != tag));
            rendered(s, node, id)
        }
        _ => Err(unknown(req)),
    }
}

fn with(s: &mut State, node: &str, id: i64, change: impl FnOnce(&mut Interface)) {
    if let Some(i) = s
        .machine_mut(node)
        .and_then(|m| m.interfaces.iter_mut().find(|i| i.id == id))
    {
        change(i);
    }
}

fn links<'a>(s: &'a State, node: &str, id: i64) -> &'a [Link] {
    of(s, node)
        .iter()
        .find(|i| i.id == id)
        .map_or(&[], |i| &i.links)
}

fn update(s: &mut State, req: &Req, node: &str, id: i64) -> R {
    if let Some(name) = req.filled("name")
        && (name.contains(' ') || name.len() > 15)
    {
        return Err(invalid("name", "Enter a valid value."));
    }
    changeable(s, node, "update")?;
    let vlan = match req.get("vlan") {
        Some("") => Some(None),
        Some(v) => Some(Some(
            s.vlans
                .iter()
                .find(|x| x.id.to_string() == v)
                .map(|x| x.id)
                .ok_or_else(|| {
                    invalid(
                        "vlan",
                        "Select a valid choice. That choice is not one of the available choices.",
                    )
                })?,
        )),
        None => None,
    };
    let (name, mac) = (
        req.filled("name").map(str::to_owned),
        req.filled("mac_address").map(str::to_lowercase),
    );
    let link = s.next_id("link");
    with(s, node, id, |i| {
        if let Some(name) = name {
            i.name = name;
        }
        if let Some(mac) = mac {
            i.mac = mac;
        }
        if let Some(vlan) = vlan
            && vlan != i.vlan
        {
            i.vlan = vlan;
            // A link into another VLAN cannot stay.
            i.links = vlan.map_or_else(Vec::new, |_| {
                vec![Link {
                    id: link,
                    mode: "link_up".into(),
                    subnet: None,
                    ip: None,
                }]
            });
        }
    });
    rendered(s, node, id)
}

fn link_subnet(s: &mut State, req: &Req, node: &str, id: i64) -> R {
    changeable(s, node, "link subnet")?;
    let mode = req.get("mode").unwrap_or("").to_lowercase();
    let mut errors = Fields::default();
    if req.get("mode").is_none() {
        errors.add("mode", "This field is required.");
    } else if !["auto", "dhcp", "static", "link_up"].contains(&mode.as_str()) {
        errors.add("mode", format!("'{mode}' is not a valid mode.  It should be one of: 'auto', 'dhcp', 'static', 'link_up'."));
    }
    errors.check()?;
    let vlan = of(s, node).iter().find(|i| i.id == id).and_then(|i| i.vlan);
    let spec = req.filled("subnet").map(str::to_owned);
    let subnet = spec
        .as_deref()
        .and_then(|spec| super::network::find_subnet(s, spec))
        .and_then(|n| {
            let n = s.subnets.iter().find(|x| x.id == n)?;
            // An interface that is connected to nothing may be put anywhere.
            (vlan.is_none() || Some(n.vlan) == vlan).then(|| n.clone())
        });
    let mut errors = Fields::default();
    if let (Some(spec), None) = (&spec, &subnet) {
        errors.add("subnet", format!("None found with id={spec}."));
    }
    if subnet.is_none() && mode != "link_up" && mode != "dhcp" {
        errors.add("subnet", "This field is required.");
    }
    errors.check()?;
    let mut ip = None;
    if mode == "static"
        && let Some(n) = &subnet
    {
        let net: Option<ipnet::IpNet> = n.cidr.parse().ok();
        match req.filled("ip_address") {
            Some(given) => {
                if !given
                    .parse()
                    .is_ok_and(|g: std::net::IpAddr| net.is_some_and(|x| x.contains(&g)))
                {
                    let vid = s.vlans.iter().find(|v| v.id == n.vlan).map_or(0, |v| v.vid);
                    let shown = if vid == 0 {
                        format!("{}:{}", n.name, n.cidr)
                    } else {
                        format!("{}:{}(vid={vid})", n.name, n.cidr)
                    };
                    return Err(invalid(
                        "ip_address",
                        format!("IP address is not in the given subnet '{shown}'."),
                    ));
                }
                ip = Some(given.to_owned());
            }
            None => {
                ip = Some(s.free_address(n.id).ok_or_else(|| {
                    text(503, format!("No more IPs available in subnet: {}.", n.cidr))
                })?)
            }
        }
    }
    let link = Link {
        id: s.next_id("link"),
        mode,
        subnet: subnet.as_ref().map(|n| n.id),
        ip,
    };
    with(s, node, id, |i| {
        // A link that only held the place goes.
        i.links.retain(|l| l.mode != "link_up");
        i.vlan = i.vlan.or(subnet.map(|n| n.vlan));
        i.links.push(link);
    });
    rendered(s, node, id)
}
