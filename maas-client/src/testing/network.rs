//! Fabrics, VLANs, subnets, ranges, spaces, routes.

mod ranges;
mod subnets;

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::basics::unknown;
use super::render;
use super::reply::{
    Fields, R, Reply, Req, gone, invalid, json_bare, json_ok, missing, no_choice, text,
};
use super::state::{Fabric, Named, Range, Route, State, Subnet, Vlan};

pub(crate) use ranges::*;
pub(crate) use subnets::*;

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
