//! Fabrics, VLANs, subnets, ranges, spaces, routes.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::basics::unknown;
use super::render;
use super::reply::{
    Fields, R, Reply, Req, gone, invalid, json_bare, json_ok, missing, no_choice, text,
};
use super::state::{Fabric, Named, Range, Route, State, Subnet, Vlan};

pub(crate) fn fabrics(s: &mut State, req: &Req) -> R {
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.fabrics
                .iter()
                .map(|f| render::fabric(s, f.id))
                .collect::<Vec<_>>()
        ))),
        "POST" => {
            req.admin()?;
            let name = req.filled("name").map(str::to_owned);
            if name
                .as_ref()
                .is_some_and(|n| s.fabrics.iter().any(|f| f.name == *n))
            {
                return Err(invalid("name", "Fabric with this Name already exists."));
            }
            let id = s.next_id("fabric");
            s.fabrics.push(Fabric {
                id,
                name: name.unwrap_or_else(|| format!("fabric-{id}")),
                class_type: req.filled("class_type").map(str::to_owned),
            });
            s.count("fabric");
            add_vlan(s, id, 0, "untagged");
            Ok(json_ok(&render::fabric(s, id)))
        }
        _ => Err(unknown(req)),
    }
}

fn add_vlan(s: &mut State, fabric: i64, vid: i64, name: &str) -> i64 {
    s.reserve_id("vlan", 1);
    let id = s.next_id("vlan");
    s.vlans.push(Vlan {
        id,
        fabric,
        vid,
        name: name.into(),
        mtu: 1500,
        ..Vlan::default()
    });
    s.count("vlan");
    id
}

pub(crate) fn fabric(s: &mut State, req: &Req, id: &str) -> R {
    let found = s
        .fabrics
        .iter()
        .find(|f| f.id.to_string() == id || f.name == id)
        .map(|f| f.id)
        .ok_or_else(|| missing("Fabric"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&render::fabric(s, found))),
        "PUT" => {
            req.admin()?;
            if let (Some(name), Some(f)) = (
                req.filled("name"),
                s.fabrics.iter_mut().find(|f| f.id == found),
            ) {
                name.clone_into(&mut f.name);
            }
            Ok(json_ok(&render::fabric(s, found)))
        }
        "DELETE" => {
            req.admin()?;
            if found == 0 {
                return Err(text(
                    400,
                    "This fabric is the default fabric, it cannot be deleted.",
                ));
            }
            s.fabrics.retain(|f| f.id != found);
            s.vlans.retain(|v| v.fabric != found);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn vlans(s: &mut State, req: &Req, fabric: &str) -> R {
    let fabric = s
        .fabrics
        .iter()
        .find(|f| f.id.to_string() == fabric)
        .map(|f| f.id)
        .ok_or_else(|| missing("Fabric"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.vlans
                .iter()
                .filter(|v| v.fabric == fabric)
                .map(|v| render::vlan(s, v))
                .collect::<Vec<_>>()
        ))),
        "POST" => {
            req.admin()?;
            let vid: i64 = req
                .filled("vid")
                .ok_or_else(|| invalid("vid", "This field is required."))?
                .parse()
                .map_err(|_| invalid("vid", "Enter a whole number."))?;
            if !(0..=4094).contains(&vid) {
                return Err(invalid("vid", "VID must be between 0 and 4094."));
            }
            if s.vlans.iter().any(|v| v.fabric == fabric && v.vid == vid) {
                return Err(json_bare(
                    400,
                    &json!({ "__all__": ["A VLAN with the specified VID already exists in the destination fabric."] }),
                ));
            }
            let name = req
                .filled("name")
                .map_or_else(|| vid.to_string(), str::to_owned);
            let id = add_vlan(s, fabric, vid, &name);
            change_vlan(s, req, id)
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn vlan(s: &mut State, req: &Req, id: i64) -> R {
    match req.method.as_str() {
        "GET" => s
            .vlans
            .iter()
            .find(|v| v.id == id)
            .map(|v| json_ok(&render::vlan(s, v)))
            .ok_or_else(|| missing("VLAN")),
        "PUT" => {
            req.admin()?;
            change_vlan(s, req, id)
        }
        "DELETE" => {
            req.admin()?;
            if s.vlans.iter().any(|v| v.id == id && v.vid == 0) {
                return Err(text(
                    400,
                    "This VLAN is the default VLAN in the fabric, it cannot be deleted.",
                ));
            }
            s.vlans.retain(|v| v.id != id);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

/// The id of the VLAN that a path names.
pub(crate) fn vlan_id(s: &State, fabric: Option<&str>, vid: &str) -> Result<i64, Reply> {
    s.vlans
        .iter()
        .find(|v| match fabric {
            Some(f) => {
                v.fabric.to_string() == f
                    && (v.vid.to_string() == vid || (vid == "untagged" && v.vid == 0))
            }
            None => v.id.to_string() == vid,
        })
        .map(|v| v.id)
        .ok_or_else(|| missing("VLAN"))
}

fn change_vlan(s: &mut State, req: &Req, id: i64) -> R {
    let mut v = s
        .vlans
        .iter()
        .find(|v| v.id == id)
        .cloned()
        .ok_or_else(|| missing("VLAN"))?;
    let mut errors = Fields::default();
    if let Some(name) = req.filled("name") {
        name.clone_into(&mut v.name);
    }
    if let Some(mtu) = req.filled("mtu") {
        match mtu.parse() {
            Ok(mtu) => v.mtu = mtu,
            Err(_) => errors.add("mtu", "Enter a whole number."),
        }
    }
    if let Some(space) = req.get("space") {
        v.space = s
            .spaces
            .iter()
            .find(|x| x.id.to_string() == space || x.name == space)
            .map(|x| x.id);
        if v.space.is_none() && !space.is_empty() && space != "undefined" {
            return Err(no_choice("space", space));
        }
    }
    if let Some(relay) = req.get("relay_vlan") {
        v.relay = s
            .vlans
            .iter()
            .find(|x| x.id.to_string() == relay && x.id != id)
            .map(|x| x.id);
        if v.relay.is_none() && !relay.is_empty() {
            errors.add(
                "relay_vlan",
                "Select a valid choice. That choice is not one of the available choices.",
            );
        }
    }
    // MAAS offers only racks that have an interface in the VLAN.
    let here = s
        .rack
        .addresses
        .iter()
        .any(|(_, n)| s.subnets.iter().any(|x| x.id == *n && x.vlan == id));
    let on = req.checkbox("dhcp_on");
    let range = s
        .ranges
        .iter()
        .any(|r| r.kind == "dynamic" && s.subnets.iter().any(|n| n.id == r.subnet && n.vlan == id));
    let mut rack_refused = false;
    for (field, slot) in [
        ("primary_rack", &mut v.primary_rack),
        ("secondary_rack", &mut v.secondary_rack),
    ] {
        match req.get(field) {
            Some("") => *slot = None,
            Some(rack) if rack == s.rack.system_id && here => *slot = Some(rack.to_owned()),
            Some(_) => rack_refused |= field == "primary_rack",
            None => {}
        }
    }
    if on == Some(true) {
        if !range {
            errors.add(
                "dhcp_on",
                "dhcp can only be turned on when a dynamic IP range is defined.",
            );
        } else if v.primary_rack.is_none() && !rack_refused {
            errors.add(
                "__all__",
                "dhcp can only be turned on when a primary rack controller is set.",
            );
        }
    }
    if rack_refused {
        errors.add(
            "primary_rack",
            format!(
                "Select a valid choice. {} is not one of the available choices.",
                req.get("primary_rack").unwrap_or("")
            ),
        );
    }
    errors.check()?;
    if let Some(on) = on {
        v.dhcp_on = on;
    }
    let value = render::vlan(s, &v);
    if let Some(slot) = s.vlans.iter_mut().find(|x| x.id == id) {
        *slot = v;
    }
    Ok(json_ok(&value))
}

/// The subnet that a path names: an id, a CIDR, or a specifier.
pub(crate) fn find_subnet(s: &State, spec: &str) -> Option<i64> {
    let spec = spec.strip_prefix("cidr:").unwrap_or(spec);
    let by_name = spec.strip_prefix("name:");
    s.subnets
        .iter()
        .find(|n| {
            n.id.to_string() == spec
                || n.cidr == spec
                || by_name == Some(n.name.as_str())
                || n.name == spec
        })
        .map(|n| n.id)
}

pub(crate) fn subnets(s: &mut State, req: &Req) -> R {
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.subnets
                .iter()
                .map(|n| render::subnet(s, n))
                .collect::<Vec<_>>()
        ))),
        "POST" => {
            req.admin()?;
            let cidr = req
                .filled("cidr")
                .ok_or_else(|| invalid("cidr", "This field is required."))?;
            let net: ipnet::IpNet = cidr
                .parse()
                .map_err(|_| invalid("cidr", "Required format: <network>/<prefixlen>."))?;
            let cidr = net.trunc().to_string();
            if s.subnets.iter().any(|n| n.cidr == cidr) {
                return Err(invalid("cidr", "Subnet with this Cidr already exists."));
            }
            let vlan = match (req.filled("vlan"), req.filled("fabric")) {
                (Some(id), _) => s
                    .vlans
                    .iter()
                    .find(|v| v.id.to_string() == id)
                    .map(|v| v.id),
                (None, Some(f)) => {
                    let vid = req.filled("vid").unwrap_or("0");
                    s.vlans
                        .iter()
                        .find(|v| v.fabric.to_string() == f && v.vid.to_string() == vid)
                        .map(|v| v.id)
                }
                (None, None) => s.vlans.first().map(|v| v.id),
            }
            .ok_or_else(|| no_choice("vlan", req.filled("vlan").unwrap_or("")))?;
            gateway_fits(req, &cidr)?;
            let id = add_subnet(s, &cidr, vlan);
            change_subnet(s, req, id)
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn add_subnet(s: &mut State, cidr: &str, vlan: i64) -> i64 {
    let id = s.next_id("subnet");
    s.subnets.push(Subnet {
        id,
        vlan,
        cidr: cidr.into(),
        name: cidr.into(),
        rdns_mode: 2,
        allow_dns: true,
        allow_proxy: true,
        managed: true,
        ..Subnet::default()
    });
    s.count("subnet");
    id
}

fn gateway_fits(req: &Req, cidr: &str) -> Result<(), Reply> {
    let Some(gateway) = req.filled("gateway_ip") else {
        return Ok(());
    };
    let ip: IpAddr = gateway
        .parse()
        .map_err(|_| invalid("gateway_ip", "Enter a valid IPv4 or IPv6 address."))?;
    let net: Option<ipnet::IpNet> = cidr.parse().ok();
    if net.is_some_and(|n| !n.contains(&ip)) {
        Err(invalid(
            "gateway_ip",
            "Gateway IP must be within CIDR range.",
        ))
    } else {
        Ok(())
    }
}

fn change_subnet(s: &mut State, req: &Req, id: i64) -> R {
    let mut n = s
        .subnets
        .iter()
        .find(|n| n.id == id)
        .cloned()
        .ok_or_else(|| missing("Subnet"))?;
    gateway_fits(req, &n.cidr)?;
    if let Some(name) = req.filled("name") {
        name.clone_into(&mut n.name);
    }
    if let Some(text) = req.get("description") {
        text.clone_into(&mut n.description);
    }
    if let Some(gateway) = req.get("gateway_ip") {
        n.gateway_ip = Some(gateway.to_owned()).filter(|g| !g.is_empty());
    }
    if req.get("dns_servers").is_some() {
        let all = req.all("dns_servers");
        n.dns_servers = all
            .iter()
            .flat_map(|v| v.split([',', ' ']))
            .filter(|v| !v.is_empty())
            .map(str::to_owned)
            .collect();
        if let Some(bad) = n.dns_servers.iter().find(|d| d.parse::<IpAddr>().is_err()) {
            return Err(invalid(
                "dns_servers",
                format!(
                    "Invalid IP address: {bad}; provide a list of space-separated IP addresses"
                ),
            ));
        }
    }
    if let Some(vlan) = req.filled("vlan") {
        n.vlan = s
            .vlans
            .iter()
            .find(|v| v.id.to_string() == vlan)
            .map(|v| v.id)
            .ok_or_else(|| no_choice("vlan", vlan))?;
    }
    for (field, slot) in [
        ("allow_dns", &mut n.allow_dns),
        ("allow_proxy", &mut n.allow_proxy),
        ("managed", &mut n.managed),
        ("active_discovery", &mut n.active_discovery),
    ] {
        if let Some(value) = req.checkbox(field) {
            *slot = value;
        }
    }
    let value = render::subnet(s, &n);
    if let Some(slot) = s.subnets.iter_mut().find(|x| x.id == id) {
        *slot = n;
    }
    Ok(json_ok(&value))
}

pub(crate) fn subnet(s: &mut State, req: &Req, spec: &str) -> R {
    let id = find_subnet(s, spec).ok_or_else(|| missing("Subnet"))?;
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => Ok(json_ok(&render::subnet_by(s, Some(id)))),
        ("GET", Some("statistics")) => Ok(json_ok(&statistics(s, id))),
        ("GET", Some("reserved_ip_ranges")) => Ok(json_ok(&stretches(s, id, true))),
        ("GET", Some("unreserved_ip_ranges")) => Ok(json_ok(&stretches(s, id, false))),
        ("GET", Some("ip_addresses")) => Ok(json_ok(&json!(used_addresses(s, id)))),
        ("PUT", None) => {
            req.admin()?;
            change_subnet(s, req, id)
        }
        ("DELETE", None) => {
            req.admin()?;
            let serves = s
                .subnets
                .iter()
                .find(|n| n.id == id)
                .is_some_and(|n| s.vlans.iter().any(|v| v.id == n.vlan && v.dhcp_on));
            if serves
                && s.ranges
                    .iter()
                    .any(|r| r.subnet == id && r.kind == "dynamic")
            {
                return Err(text(
                    400,
                    "Cannot delete a subnet that is actively servicing a dynamic IP range. (Delete the dynamic range or disable DHCP first.)",
                ));
            }
            s.subnets.retain(|n| n.id != id);
            s.ranges.retain(|r| r.subnet != id);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

fn net_of(s: &State, subnet: i64) -> Option<ipnet::Ipv4Net> {
    s.subnets.iter().find(|n| n.id == subnet)?.cidr.parse().ok()
}

/// What takes addresses of a subnet: first, last, purpose; sorted.
fn taken(s: &State, subnet: i64) -> Vec<(u32, u32, String)> {
    let Some(net) = net_of(s, subnet) else {
        return Vec::new();
    };
    let mut all: Vec<(u32, u32, String)> = Vec::new();
    let mut add = |start: &str, end: &str, purpose: &str| {
        if let (Ok(a), Ok(b)) = (start.parse::<Ipv4Addr>(), end.parse::<Ipv4Addr>())
            && net.contains(&a)
        {
            all.push((a.into(), b.into(), purpose.to_owned()));
        }
    };
    for r in s.ranges.iter().filter(|r| r.subnet == subnet) {
        add(&r.start, &r.end, &r.kind);
    }
    if let Some(n) = s.subnets.iter().find(|n| n.id == subnet) {
        if let Some(gateway) = &n.gateway_ip {
            add(gateway, gateway, "gateway-ip");
        }
        for server in &n.dns_servers {
            add(server, server, "dns-server");
        }
    }
    for (ip, _) in s.rack.addresses.iter().filter(|(_, n)| *n == subnet) {
        add(ip, ip, "assigned-ip");
    }
    for ip in s
        .machines
        .iter()
        .flat_map(|m| &m.interfaces)
        .flat_map(|i| &i.links)
        .filter(|l| l.subnet == Some(subnet))
        .filter_map(|l| l.ip.as_ref())
    {
        add(ip, ip, "assigned-ip");
    }
    for r in &s.reserved {
        add(&r.ip, &r.ip, "assigned-ip");
    }
    all.sort();
    all
}

fn stretches(s: &State, subnet: i64, of_taken: bool) -> Value {
    let Some(net) = net_of(s, subnet) else {
        return json!([]);
    };
    let (first, last) = (
        u32::from(net.network()) + 1,
        u32::from(net.broadcast()).saturating_sub(1),
    );
    let mut out = Vec::new();
    let mut next = first;
    let item = |a: u32, b: u32| json!({ "start": Ipv4Addr::from(a).to_string(), "end": Ipv4Addr::from(b).to_string(), "num_addresses": b - a + 1 });
    for (start, end, purpose) in taken(s, subnet) {
        if of_taken {
            // An address with two purposes is listed once, with both.
            if let Some(same) = out.iter_mut().find(|o: &&mut Value| {
                o["start"] == Ipv4Addr::from(start).to_string()
                    && o["end"] == Ipv4Addr::from(end).to_string()
            }) {
                if let Some(list) = same["purpose"].as_array_mut()
                    && !list.contains(&json!(purpose))
                {
                    list.push(json!(purpose));
                }
                continue;
            }
            let mut value = item(start, end);
            value["purpose"] = json!([purpose]);
            out.push(value);
        } else {
            if start > next {
                out.push(item(next, start - 1));
            }
            next = next.max(end.saturating_add(1));
        }
    }
    if !of_taken && next <= last {
        out.push(item(next, last));
    }
    json!(out)
}

fn statistics(s: &State, subnet: i64) -> Value {
    let Some(net) = net_of(s, subnet) else {
        return json!({});
    };
    let (first, last) = (
        u32::from(net.network()) + 1,
        u32::from(net.broadcast()).saturating_sub(1),
    );
    let total = u64::from(last.saturating_sub(first)) + 1;
    let free: Vec<u64> = stretches(s, subnet, false)
        .as_array()
        .map_or_else(Vec::new, |a| {
            a.iter()
                .filter_map(|o| o["num_addresses"].as_u64())
                .collect()
        });
    let available: u64 = free.iter().sum();
    #[allow(clippy::cast_precision_loss)]
    let usage = (total - available) as f64 / total as f64;
    let percent = (usage * 100.0).round();
    json!({
        "num_available": available, "largest_available": free.iter().max().copied().unwrap_or(0), "num_unavailable": total - available,
        "total_addresses": total, "usage": usage, "usage_string": format!("{percent}%"), "available_string": format!("{}%", 100.0 - percent),
        "first_address": Ipv4Addr::from(first).to_string(), "last_address": Ipv4Addr::from(last).to_string(), "ip_version": 4,
    })
}

/// `op=ip_addresses`: the controller's, machines', reservations and DHCP leases.
fn used_addresses(s: &State, subnet: i64) -> Vec<Value> {
    let Some(net) = net_of(s, subnet) else {
        return Vec::new();
    };
    let inside = |ip: &str| ip.parse::<Ipv4Addr>().is_ok_and(|ip| net.contains(&ip));
    let entry = |ip: &str, kind: i64, at: std::time::Duration| {
        let time = render::short_time(s, at);
        json!({ "ip": ip, "alloc_type": kind, "created": time, "updated": time })
    };
    let node = |id: &str, kind: i64, hostname: &str, via: &str| json!({ "system_id": id, "node_type": kind, "fqdn": format!("{hostname}.maas"), "hostname": hostname, "is_container": false, "via": via });
    let mut out = Vec::new();
    for (ip, _) in s.rack.addresses.iter().filter(|(_, n)| *n == subnet) {
        let mut e = entry(ip, 1, std::time::Duration::ZERO);
        e["node_summary"] = node(&s.rack.system_id, 4, &s.rack.hostname, &s.rack.interface);
        e["user"] = json!("MAAS");
        out.push(e);
    }
    for m in &s.machines {
        for i in &m.interfaces {
            for l in i.links.iter().filter(|l| l.subnet == Some(subnet)) {
                if let Some(ip) = &l.ip {
                    let mut e = entry(ip, if l.mode == "auto" { 0 } else { 1 }, s.now);
                    e["node_summary"] = node(&m.system_id, 0, &m.hostname, &i.name);
                    e["user"] = json!(m.owner);
                    out.push(e);
                }
            }
            if let Some((ip, n)) = &i.discovered
                && *n == subnet
            {
                let mut e = entry(ip, 6, s.now);
                e["node_summary"] = node(&m.system_id, 0, &m.hostname, &i.name);
                out.push(e);
            }
        }
    }
    for r in s.reserved.iter().filter(|r| inside(&r.ip)) {
        let mut e = entry(&r.ip, 4, r.at);
        e["user"] = json!(r.user);
        out.push(e);
    }
    for l in s.leases.iter().filter(|l| inside(&l.ip)) {
        // A lease of something that MAAS does not know has no node.
        out.push(entry(&l.ip, 5, l.at));
    }
    out.sort_by_key(|e| e["ip"].as_str().and_then(|ip| ip.parse::<Ipv4Addr>().ok()));
    out
}

pub(crate) fn ranges(s: &mut State, req: &Req) -> R {
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.ranges
                .iter()
                .map(|r| render::range(s, r))
                .collect::<Vec<_>>()
        ))),
        "POST" => {
            let kind = req.filled("type").unwrap_or("").to_owned();
            let mut errors = Fields::default();
            errors.required(req, "type");
            if !kind.is_empty() && kind != "dynamic" && kind != "reserved" {
                return Err(no_choice("type", &kind));
            }
            let (start, end) = (req.filled("start_ip"), req.filled("end_ip"));
            let subnet = match req.filled("subnet") {
                Some(spec) => find_subnet(s, spec),
                None => start
                    .and_then(|ip| ip.parse::<Ipv4Addr>().ok())
                    .and_then(|ip| {
                        s.subnets
                            .iter()
                            .find(|n| {
                                n.cidr
                                    .parse::<ipnet::Ipv4Net>()
                                    .is_ok_and(|net| net.contains(&ip))
                            })
                            .map(|n| n.id)
                    }),
            };
            if subnet.is_none() {
                errors.add("subnet", "This field is required.");
            }
            for (field, value) in [("start_ip", start), ("end_ip", end)] {
                if value.is_none() {
                    errors.add(field, "This field is required.");
                    errors.add(
                        field,
                        "Start IP address and end IP address are both required.",
                    );
                }
            }
            errors.check()?;
            if kind == "dynamic" {
                req.admin()?;
            }
            let range = Range {
                id: 0,
                subnet: subnet.unwrap_or(0),
                kind,
                start: start.unwrap_or("").into(),
                end: end.unwrap_or("").into(),
                comment: req.get("comment").unwrap_or("").into(),
                user: req.user.clone(),
            };
            range_fits(s, &range)?;
            let range = Range {
                id: s.next_id("iprange"),
                ..range
            };
            s.count("iprange");
            let value = render::range(s, &range);
            s.ranges.push(range);
            Ok(json_ok(&value))
        }
        _ => Err(unknown(req)),
    }
}

fn range_fits(s: &State, r: &Range) -> Result<(), Reply> {
    let ip = |field: &str, text: &str| {
        text.parse::<Ipv4Addr>()
            .map_err(|_| invalid(field, "Enter a valid IPv4 or IPv6 address."))
    };
    let (start, end) = (ip("start_ip", &r.start)?, ip("end_ip", &r.end)?);
    if end < start {
        return Err(invalid(
            "end_ip",
            "End IP address must not be less than Start IP address.",
        ));
    }
    let Some(net) = net_of(s, r.subnet) else {
        return Ok(());
    };
    let mut errors = Fields::default();
    if !net.contains(&start) {
        errors.add(
            "start_ip",
            "IP addresses must be within subnet: ".to_owned() + &net.to_string() + ".",
        );
    }
    if !net.contains(&end) {
        errors.add(
            "end_ip",
            "IP addresses must be within subnet: ".to_owned() + &net.to_string() + ".",
        );
    }
    if start == net.network() {
        errors.add(
            "start_ip",
            "Reserved network address cannot be included in IP range.",
        );
    }
    if end == net.broadcast() {
        errors.add(
            "end_ip",
            "Broadcast address cannot be included in IP range.",
        );
    }
    errors.check()?;
    let (a, b) = (u32::from(start), u32::from(end));
    // A dynamic range may hold no address that is used; a reserved one may, but must not meet another range.
    let clash = s
        .ranges
        .iter()
        .filter(|x| x.id != r.id && x.subnet == r.subnet)
        .filter_map(|x| {
            Some((
                u32::from(x.start.parse::<Ipv4Addr>().ok()?),
                u32::from(x.end.parse::<Ipv4Addr>().ok()?),
            ))
        })
        .any(|(x, y)| x <= b && a <= y)
        || (r.kind == "dynamic"
            && taken(s, r.subnet).iter().any(|(x, y, purpose)| {
                purpose != "dynamic" && purpose != "reserved" && *x <= b && a <= *y
            }));
    if clash {
        let message = format!(
            "Requested {} range conflicts with an existing {}range.",
            r.kind,
            if r.kind == "dynamic" {
                "IP address or "
            } else {
                ""
            }
        );
        let mut errors = Fields::default();
        errors.add("start_ip", message.clone());
        errors.add("end_ip", message);
        errors.check()?;
    }
    Ok(())
}

pub(crate) fn range(s: &mut State, req: &Req, id: &str) -> R {
    let at = s
        .ranges
        .iter()
        .position(|r| r.id.to_string() == id)
        .ok_or_else(|| missing("IPRange"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&render::range(s, &s.ranges[at]))),
        "PUT" => {
            let mut r = s.ranges[at].clone();
            for (field, slot) in [
                ("start_ip", &mut r.start),
                ("end_ip", &mut r.end),
                ("comment", &mut r.comment),
            ] {
                if let Some(value) = req.get(field) {
                    value.clone_into(slot);
                }
            }
            range_fits(s, &r)?;
            s.ranges[at] = r;
            Ok(json_ok(&render::range(s, &s.ranges[at])))
        }
        "DELETE" => {
            s.ranges.remove(at);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn spaces(s: &mut State, req: &Req) -> R {
    match req.method.as_str() {
        "GET" => {
            let ids: Vec<i64> = s.spaces.iter().map(|x| x.id).chain([-1]).collect();
            Ok(json_ok(&json!(
                ids.into_iter()
                    .map(|id| render::space(s, id))
                    .collect::<Vec<_>>()
            )))
        }
        "POST" => {
            req.admin()?;
            let name = req
                .filled("name")
                .ok_or_else(|| invalid("name", "This field is required."))?
                .to_owned();
            if s.spaces.iter().any(|x| x.name == name) {
                return Err(invalid("name", "Space with this Name already exists."));
            }
            let id = s.next_id("space");
            s.spaces.push(Named {
                id,
                name,
                description: req.get("description").unwrap_or("").to_owned(),
            });
            s.count("space");
            Ok(json_ok(&render::space(s, id)))
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn space(s: &mut State, req: &Req, id: &str) -> R {
    let found = s
        .spaces
        .iter()
        .find(|x| x.id.to_string() == id || x.name == id)
        .map(|x| x.id);
    let found = if id == "undefined" || id == "-1" {
        -1
    } else {
        found.ok_or_else(|| missing("Space"))?
    };
    match req.method.as_str() {
        "GET" => Ok(json_ok(&render::space(s, found))),
        "PUT" => {
            req.admin()?;
            if let (Some(name), Some(x)) = (
                req.filled("name"),
                s.spaces.iter_mut().find(|x| x.id == found),
            ) {
                name.clone_into(&mut x.name);
            }
            Ok(json_ok(&render::space(s, found)))
        }
        "DELETE" => {
            req.admin()?;
            s.spaces.retain(|x| x.id != found);
            for v in s.vlans.iter_mut().filter(|v| v.space == Some(found)) {
                v.space = None;
            }
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn routes(s: &mut State, req: &Req) -> R {
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.routes
                .iter()
                .map(|r| render::route(s, r))
                .collect::<Vec<_>>()
        ))),
        "POST" => {
            req.admin()?;
            super::basics::require(req, &["source", "destination", "gateway_ip"])?;
            let find = |field: &str| {
                find_subnet(s, req.get(field).unwrap_or(""))
                    .ok_or_else(|| no_choice(field, req.get(field).unwrap_or("")))
            };
            let (source, destination) = (find("source")?, find("destination")?);
            let id = s.next_id("route");
            let metric = req
                .filled("metric")
                .and_then(|m| m.parse().ok())
                .unwrap_or(0);
            let route = Route {
                id,
                source,
                destination,
                gateway_ip: req.get("gateway_ip").unwrap_or("").into(),
                metric,
            };
            let value = render::route(s, &route);
            s.routes.push(route);
            s.count("static-route");
            Ok(json_ok(&value))
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn route(s: &mut State, req: &Req, id: &str) -> R {
    let at = s
        .routes
        .iter()
        .position(|r| r.id.to_string() == id)
        .ok_or_else(|| missing("StaticRoute"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&render::route(s, &s.routes[at]))),
        "DELETE" => {
            req.admin()?;
            s.routes.remove(at);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}
