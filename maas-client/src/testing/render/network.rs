//! Networks and interfaces as MAAS writes them.

use super::*;

pub(super) fn space_name(s: &State, id: Option<i64>) -> String {
    s.spaces
        .iter()
        .find(|x| Some(x.id) == id)
        .map_or_else(|| "undefined".to_owned(), |x| x.name.clone())
}

pub(crate) fn vlan(s: &State, v: &Vlan) -> Value {
    let relay = v
        .relay
        .and_then(|id| s.vlans.iter().find(|x| x.id == id))
        .map_or(Value::Null, |r| {
            let mut inner = r.clone();
            inner.relay = None;
            vlan(s, &inner)
        });
    json!({
        "vid": v.vid, "mtu": v.mtu, "dhcp_on": v.dhcp_on, "external_dhcp": null, "relay_vlan": relay,
        "fabric": s.fabrics.iter().find(|f| f.id == v.fabric).map_or("", |f| &f.name),
        "name": v.name, "secondary_rack": v.secondary_rack, "space": space_name(s, v.space), "id": v.id,
        "fabric_id": v.fabric, "primary_rack": v.primary_rack, "resource_uri": format!("/MAAS/api/2.0/vlans/{}/", v.id),
    })
}

pub(super) fn vlan_by(s: &State, id: Option<i64>) -> Value {
    s.vlans
        .iter()
        .find(|v| Some(v.id) == id)
        .map_or(Value::Null, |v| vlan(s, v))
}

pub(crate) fn fabric(s: &State, id: i64) -> Value {
    let Some(f) = s.fabrics.iter().find(|f| f.id == id) else {
        return Value::Null;
    };
    json!({
        "class_type": f.class_type, "vlans": s.vlans.iter().filter(|v| v.fabric == id).map(|v| vlan(s, v)).collect::<Vec<_>>(),
        "id": f.id, "name": f.name, "resource_uri": format!("/MAAS/api/2.0/fabrics/{id}/"),
    })
}

pub(crate) fn subnet(s: &State, n: &Subnet) -> Value {
    let space = s
        .vlans
        .iter()
        .find(|v| v.id == n.vlan)
        .and_then(|v| v.space);
    json!({
        "name": n.name, "description": n.description, "vlan": vlan_by(s, Some(n.vlan)), "cidr": n.cidr, "rdns_mode": n.rdns_mode,
        "gateway_ip": n.gateway_ip, "dns_servers": n.dns_servers, "allow_dns": n.allow_dns, "allow_proxy": n.allow_proxy,
        "active_discovery": n.active_discovery, "managed": n.managed, "disabled_boot_architectures": [],
        "space": space_name(s, space), "id": n.id, "resource_uri": format!("/MAAS/api/2.0/subnets/{}/", n.id),
    })
}

pub(crate) fn subnet_by(s: &State, id: Option<i64>) -> Value {
    s.subnets
        .iter()
        .find(|n| Some(n.id) == id)
        .map_or(Value::Null, |n| subnet(s, n))
}

pub(crate) fn space(s: &State, id: i64) -> Value {
    let of = (id != -1).then_some(id);
    let vlans: Vec<&Vlan> = s.vlans.iter().filter(|v| v.space == of).collect();
    let subnets: Vec<Value> = s
        .subnets
        .iter()
        .filter(|n| vlans.iter().any(|v| v.id == n.vlan))
        .map(|n| subnet(s, n))
        .collect();
    let (name, description, uri) = match s.spaces.iter().find(|x| x.id == id) {
        Some(x) => (x.name.clone(), x.description.clone(), x.id.to_string()),
        None => (
            "undefined".into(),
            "Backward compatibility object to ensure objects not associated with a space can be found.".into(),
            "undefined".into(),
        ),
    };
    json!({
        "description": description, "name": name, "resource_uri": format!("/MAAS/api/2.0/spaces/{uri}/"), "id": id,
        "subnets": subnets, "vlans": vlans.iter().map(|v| vlan(s, v)).collect::<Vec<_>>(),
    })
}

pub(crate) fn range(s: &State, r: &Range) -> Value {
    json!({
        "subnet": subnet_by(s, Some(r.subnet)), "type": r.kind, "start_ip": r.start, "end_ip": r.end,
        "user": s.user(&r.user).map_or(Value::Null, user), "comment": r.comment, "id": r.id,
        "resource_uri": format!("/MAAS/api/2.0/ipranges/{}/", r.id),
    })
}

pub(crate) fn route(s: &State, r: &super::super::state::Route) -> Value {
    json!({
        "source": subnet_by(s, Some(r.source)), "destination": subnet_by(s, Some(r.destination)), "gateway_ip": r.gateway_ip,
        "metric": r.metric, "id": r.id, "resource_uri": format!("/MAAS/api/2.0/static-routes/{}/", r.id),
    })
}

pub(super) fn link(s: &State, l: &Link) -> Value {
    let mut value = json!({ "id": l.id, "mode": l.mode });
    if let Some(ip) = &l.ip {
        value["ip_address"] = json!(ip);
    }
    if l.subnet.is_some() {
        value["subnet"] = subnet_by(s, l.subnet);
    }
    value
}

pub(crate) fn interface(s: &State, node: &str, all: &[Interface], i: &Interface) -> Value {
    let names = |ids: &[i64]| -> Vec<String> {
        all.iter()
            .filter(|x| ids.contains(&x.id))
            .map(|x| x.name.clone())
            .collect()
    };
    let children: Vec<String> = all
        .iter()
        .filter(|x| x.parents.contains(&i.id))
        .map(|x| x.name.clone())
        .collect();
    let physical = i.kind == "physical";
    let found = physical && i.found;
    json!({
        "product": found.then_some("Virtio network device"), "children": children, "params": i.params, "type": i.kind,
        "interface_speed": 0, "effective_mtu": 1500,
        "discovered": i.discovered.as_ref().map(|(ip, subnet)| json!([{ "subnet": subnet_by(s, Some(*subnet)), "ip_address": ip }])),
        "sriov_max_vf": 0, "name": i.name, "firmware_version": found.then_some(""), "numa_node": physical.then_some(0),
        "id": i.id, "link_speed": if found { 1000 } else { 0 }, "link_connected": physical, "enabled": true,
        "links": i.links.iter().map(|l| link(s, l)).collect::<Vec<_>>(), "mac_address": i.mac, "vlan": vlan_by(s, i.vlan),
        "tags": i.tags, "system_id": node, "vendor": found.then_some("Red Hat, Inc."), "parents": names(&i.parents),
        "resource_uri": format!("/MAAS/api/2.0/nodes/{node}/interfaces/{}/", i.id),
    })
}
