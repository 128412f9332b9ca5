//! Addresses that users reserve.

use super::*;

/// An address reserved by a user.
pub(crate) fn reserve_address(s: &mut State, req: &Req) -> R {
    let subnet = req
        .filled("subnet")
        .and_then(|spec| super::super::network::find_subnet(s, spec));
    let ip = match (req.filled("ip").or(req.filled("ip_address")), subnet) {
        (Some(ip), _) => ip.to_owned(),
        (None, Some(n)) => s
            .free_address(n)
            .ok_or_else(|| text(503, "No more IPs available in subnet."))?,
        (None, None) => return Err(text(400, "No provided subnet!")),
    };
    let address: IpAddr = ip
        .parse()
        .map_err(|_| invalid("ip_address", "Enter a valid IPv4 or IPv6 address."))?;
    if s.reserved.iter().any(|r| r.ip == ip)
        || s.machines
            .iter()
            .flat_map(|m| &m.interfaces)
            .flat_map(|i| &i.links)
            .any(|l| l.ip.as_deref() == Some(&ip))
    {
        return Err(text(404, format!("The IP address {ip} is already in use.")));
    }
    let subnet = subnet.or_else(|| {
        s.subnets
            .iter()
            .find(|n| {
                n.cidr
                    .parse::<ipnet::IpNet>()
                    .is_ok_and(|x| x.contains(&address))
            })
            .map(|n| n.id)
    });
    let at = s.now;
    s.reserved.push(super::super::state::Reserved {
        ip: ip.clone(),
        user: req.user.clone(),
        at,
    });
    s.count("ipaddress");
    Ok(json_ok(&address_json(s, &ip, at, subnet, &req.user)))
}

pub(crate) fn address_json(
    s: &State,
    ip: &str,
    at: std::time::Duration,
    subnet: Option<i64>,
    user: &str,
) -> Value {
    json!({
        "created": render::iso_time(s, at), "ip": ip, "alloc_type": 4, "subnet": render::subnet_by(s, subnet),
        "alloc_type_name": "User reserved", "interface_set": [], "owner": s.user(user).map_or(Value::Null, render::user),
        "resource_uri": "/MAAS/api/2.0/ipaddresses/",
    })
}
