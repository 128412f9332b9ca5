//! Ranges, spaces and static routes.

use super::*;

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

pub(super) fn range_fits(s: &State, r: &Range) -> Result<(), Reply> {
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
            super::super::basics::require(req, &["source", "destination", "gateway_ip"])?;
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
