//! Subnets, and what of them is taken.

use super::*;

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

pub(super) fn gateway_fits(req: &Req, cidr: &str) -> Result<(), Reply> {
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

pub(super) fn change_subnet(s: &mut State, req: &Req, id: i64) -> R {
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

pub(super) fn net_of(s: &State, subnet: i64) -> Option<ipnet::Ipv4Net> {
    s.subnets.iter().find(|n| n.id == subnet)?.cidr.parse().ok()
}

/// What takes addresses of a subnet: first, last, purpose; sorted.
pub(super) fn taken(s: &State, subnet: i64) -> Vec<(u32, u32, String)> {
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

pub(super) fn stretches(s: &State, subnet: i64, of_taken: bool) -> Value {
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

pub(super) fn statistics(s: &State, subnet: i64) -> Value {
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
pub(super) fn used_addresses(s: &State, subnet: i64) -> Vec<Value> {
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
