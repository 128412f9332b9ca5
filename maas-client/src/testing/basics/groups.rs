//! Tags, zones, pools, domains and events.

use super::*;

pub(crate) fn tags(s: &mut State, req: &Req) -> R {
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => Ok(json_ok(&json!(
            s.tags.iter().map(render::tag).collect::<Vec<_>>()
        ))),
        ("POST", None) => {
            if !req.superuser {
                return Err(text(403, ""));
            }
            let name = req
                .filled("name")
                .ok_or_else(|| invalid("name", "This field is required."))?
                .to_owned();
            if !valid_name(&name) {
                return Err(invalid("name", "Enter a valid value."));
            }
            if s.tags.iter().any(|t| t.name == name) {
                return Err(invalid("name", "Tag with this Name already exists."));
            }
            let definition = req.get("definition").unwrap_or("").to_owned();
            if definition.matches('[').count() != definition.matches(']').count() {
                return Err(invalid(
                    "definition",
                    "Invalid xpath expression: Invalid expression",
                ));
            }
            let tag = Tag {
                name,
                definition,
                comment: req.get("comment").unwrap_or("").to_owned(),
                kernel_opts: req.get("kernel_opts").unwrap_or("").to_owned(),
            };
            s.tags.push(tag.clone());
            s.count("tag");
            s.count(format!("tag:{}", tag.name));
            Ok(json_ok(&render::tag(&tag)))
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn tag(s: &mut State, req: &Req, name: &str) -> R {
    let at = s
        .tags
        .iter()
        .position(|t| t.name == name)
        .ok_or_else(|| missing("Tag"))?;
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => Ok(json_ok(&render::tag(&s.tags[at]))),
        ("GET", Some("machines" | "nodes")) => Ok(json_ok(&json!(
            s.machines
                .iter()
                .filter(|m| m.tags.contains(name))
                .map(|m| render::machine(s, m))
                .collect::<Vec<_>>()
        ))),
        ("GET", Some("rack_controllers" | "region_controllers")) => {
            Ok(json_ok(&if name == "virtual" {
                json!([render::controller(s, "rackcontrollers")])
            } else {
                json!([])
            }))
        }
        ("GET", Some("devices")) => Ok(json_ok(&json!([]))),
        ("PUT", None) => {
            req.admin()?;
            let tag = &mut s.tags[at];
            for (field, slot) in [
                ("comment", &mut tag.comment),
                ("definition", &mut tag.definition),
                ("kernel_opts", &mut tag.kernel_opts),
            ] {
                if let Some(value) = req.get(field) {
                    value.clone_into(slot);
                }
            }
            let tag = tag.clone();
            Ok(json_ok(&render::tag(&tag)))
        }
        ("DELETE", None) => {
            req.admin()?;
            s.tags.remove(at);
            for m in &mut s.machines {
                m.tags.remove(name);
            }
            Ok(gone())
        }
        ("POST", Some("rebuild")) => Ok(json_ok(&json!({ "rebuilding": name }))),
        ("POST", Some("update_nodes")) => {
            let mut added = 0;
            let mut removed = 0;
            let (add, remove) = (req.all("add"), req.all("remove"));
            for m in &mut s.machines {
                if add.contains(&m.system_id.as_str()) {
                    added += 1;
                    m.tags.insert(name.to_owned());
                }
                if remove.contains(&m.system_id.as_str()) && m.tags.remove(name) {
                    removed += 1;
                }
            }
            Ok(json_ok(&json!({ "added": added, "removed": removed })))
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn zones(s: &mut State, req: &Req) -> R {
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.zones.iter().map(render::zone).collect::<Vec<_>>()
        ))),
        "POST" => {
            req.admin()?;
            let name = req
                .filled("name")
                .ok_or_else(|| invalid("name", "This field is required."))?
                .to_owned();
            if s.zones.iter().any(|z| z.name == name) {
                return Err(invalid(
                    "name",
                    "Physical zone with this Name already exists.",
                ));
            }
            s.reserve_id("zone", 1);
            let zone = Named {
                id: s.next_id("zone"),
                name,
                description: req.get("description").unwrap_or("").to_owned(),
            };
            s.zones.push(zone.clone());
            s.count("zone");
            Ok(json_ok(&render::zone(&zone)))
        }
        _ => Err(unknown(req)),
    }
}

pub(super) fn rename(named: &mut Named, req: &Req) {
    if let Some(name) = req.filled("name") {
        name.clone_into(&mut named.name);
    }
    if let Some(description) = req.get("description") {
        description.clone_into(&mut named.description);
    }
}

pub(crate) fn zone(s: &mut State, req: &Req, name: &str) -> R {
    let at = s
        .zones
        .iter()
        .position(|z| z.name == name)
        .ok_or_else(|| missing("Zone"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&render::zone(&s.zones[at]))),
        "PUT" => {
            req.admin()?;
            rename(&mut s.zones[at], req);
            Ok(json_ok(&render::zone(&s.zones[at])))
        }
        "DELETE" => {
            req.admin()?;
            if s.zones[at].id == 1 {
                return Err(text(
                    400,
                    "This zone is the default zone, it cannot be deleted.",
                ));
            }
            s.zones.remove(at);
            for m in s.machines.iter_mut().filter(|m| m.zone == name) {
                m.zone = "default".into();
            }
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn pools(s: &mut State, req: &Req) -> R {
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.pools.iter().map(render::pool).collect::<Vec<_>>()
        ))),
        "POST" => {
            req.admin()?;
            let name = req
                .filled("name")
                .ok_or_else(|| invalid("name", "This field is required."))?
                .to_owned();
            if s.pools.iter().any(|p| p.name == name) {
                return Err(invalid(
                    "name",
                    "Resource pool with this Name already exists.",
                ));
            }
            let pool = Named {
                id: s.next_id("pool"),
                name,
                description: req.get("description").unwrap_or("").to_owned(),
            };
            s.pools.push(pool.clone());
            s.count("pool");
            Ok(json_ok(&render::pool(&pool)))
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn pool(s: &mut State, req: &Req, id: &str) -> R {
    let at = s
        .pools
        .iter()
        .position(|p| p.id.to_string() == id)
        .ok_or_else(|| missing("ResourcePool"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&render::pool(&s.pools[at]))),
        "PUT" => {
            req.admin()?;
            rename(&mut s.pools[at], req);
            Ok(json_ok(&render::pool(&s.pools[at])))
        }
        "DELETE" => {
            req.admin()?;
            let id = s.pools[at].id;
            if id == 0 {
                return Err(text(400, "This is the default pool, it cannot be deleted."));
            }
            if s.machines.iter().any(|m| m.pool == id) {
                return Err(text(400, "Pool has machines in it, it cannot be deleted."));
            }
            s.pools.remove(at);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn domains(s: &State, req: &Req) -> R {
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.domains
                .iter()
                .map(|d| render::domain(s, d))
                .collect::<Vec<_>>()
        ))),
        _ => Err(unknown(req)),
    }
}

pub(crate) fn events(s: &State, req: &Req) -> R {
    const LEVELS: [&str; 6] = ["AUDIT", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
    if req.op.as_deref() != Some("query") || req.method != "GET" {
        return Err(unknown(req));
    }
    let level = req.arg("level").unwrap_or("INFO");
    let least = LEVELS
        .iter()
        .position(|l| *l == level)
        .ok_or_else(|| text(400, format!("Unrecognised log level: {level}")))?;
    let limit: usize = req.arg("limit").and_then(|l| l.parse().ok()).unwrap_or(100);
    if limit > 1000 {
        return Err(text(
            400,
            format!("Requested number of events {limit} is greater than limit: 1000"),
        ));
    }
    let after: Option<i64> = req.arg("after").and_then(|v| v.parse().ok());
    let before: Option<i64> = req.arg("before").and_then(|v| v.parse().ok());
    let (ids, hosts, macs) = (
        req.args("id"),
        req.args("hostname"),
        req.args("mac_address"),
    );
    let fits = |e: &&super::super::state::Event| {
        (ids.is_empty() || ids.contains(&e.node.as_str()))
            && (hosts.is_empty() || hosts.contains(&e.hostname.as_str()))
            && (macs.is_empty()
                || s.machine(&e.node)
                    .is_some_and(|m| m.interfaces.iter().any(|i| macs.contains(&i.mac.as_str()))))
            && LEVELS
                .iter()
                .position(|l| *l == e.level)
                .is_some_and(|l| l >= least)
            && after.is_none_or(|a| e.id > a)
            && before.is_none_or(|b| e.id < b)
    };
    let mut found: Vec<&super::super::state::Event> = if after.is_some() {
        let mut first: Vec<_> = s.events.iter().filter(fits).take(limit).collect();
        first.reverse();
        first
    } else {
        s.events.iter().rev().filter(fits).take(limit).collect()
    };
    found.sort_by_key(|e| std::cmp::Reverse(e.id));
    let mut base = String::from("/MAAS/api/2.0/events/?op=query");
    for (name, value) in req
        .query
        .iter()
        .filter(|(n, _)| !matches!(n.as_str(), "op" | "after" | "before"))
    {
        base.push_str(&format!("&{name}={value}"));
    }
    let (newest, oldest) = (
        found.first().map_or(0, |e| e.id),
        found.last().map_or(0, |e| e.id),
    );
    let list: Vec<Value> = found
        .iter()
        .map(|e| {
            json!({
                "username": e.username, "node": e.node, "hostname": e.hostname, "id": e.id, "level": e.level,
                "created": render::short_time(s, e.at), "type": e.kind, "description": e.description,
            })
        })
        .collect();
    Ok(json_ok(
        &json!({ "count": list.len(), "events": list, "next_uri": format!("{base}&after={newest}"), "prev_uri": format!("{base}&before={oldest}") }),
    ))
}
