//! Controllers, VM hosts and results as MAAS writes them.

use super::*;

/// The region and rack controller.
pub(crate) fn controller(s: &State, kind: &str) -> Value {
    let r = &s.rack;
    let links: Vec<Value> = r
        .addresses
        .iter()
        .enumerate()
        .map(|(n, (ip, subnet))| json!({ "id": n + 1, "mode": "static", "ip_address": ip, "subnet": subnet_by(s, Some(*subnet)) }))
        .collect();
    let vlan = r
        .addresses
        .first()
        .and_then(|(_, id)| s.subnets.iter().find(|n| n.id == *id))
        .map(|n| n.vlan);
    let interface = json!({
        "product": null, "children": [], "params": {}, "type": "physical", "interface_speed": 0, "effective_mtu": 1500, "discovered": null,
        "sriov_max_vf": 0, "name": r.interface, "firmware_version": null, "numa_node": 0, "id": 1, "link_speed": 0, "link_connected": true,
        "enabled": true, "links": links, "mac_address": r.mac, "vlan": vlan_by(s, vlan), "tags": [], "system_id": r.system_id, "vendor": null,
        "parents": [], "resource_uri": format!("/MAAS/api/2.0/nodes/{}/interfaces/1/", r.system_id),
    });
    let dhcp = s
        .vlans
        .iter()
        .any(|v| v.dhcp_on && v.primary_rack.as_deref() == Some(&r.system_id));
    let mut services: Vec<Value> = [
        "syslog_region",
        "proxy",
        "regiond",
        "reverse_proxy",
        "ntp_region",
        "bind9",
    ]
    .iter()
    .map(|n| json!({ "name": n, "status": "running", "status_info": "" }))
    .collect();
    for name in ["dns_rack", "proxy_rack", "ntp_rack", "syslog_rack"] {
        services.push(
            json!({ "name": name, "status": "unknown", "status_info": "managed by the region" }),
        );
    }
    let up = if r.connected { "running" } else { "dead" };
    for name in ["tftp", "http", "rackd"] {
        services.push(json!({ "name": name, "status": up, "status_info": "" }));
    }
    services.push(json!({ "name": "dhcpd", "status": if dhcp && r.connected { "running" } else { "off" }, "status_info": "" }));
    services.push(json!({ "name": "dhcpd6", "status": "off", "status_info": "" }));
    let mut value = json!({
        "description": "", "swap_size": null, "hardware_uuid": uuid(1), "osystem": "ubuntu", "current_installation_result_id": null,
        "current_testing_result_id": null, "distro_series": "jammy", "node_type": 4, "architecture": "amd64/generic", "commissioning_status": 3,
        "domain": default_domain(s), "ip_addresses": r.addresses.iter().map(|a| a.0.clone()).collect::<Vec<_>>(), "tag_names": ["virtual"],
        "version": format!("{}-14000-g.9d34090c1", s.version), "memory": r.memory_mb, "node_type_name": "Region and rack controller",
        "cpu_speed": 2400, "interface_set": [interface], "status_action": "", "hardware_info": hardware_info(true),
        "current_commissioning_result_id": 1, "commissioning_status_name": "Failed", "hostname": r.hostname, "testing_status_name": "Unknown",
        "system_id": r.system_id, "fqdn": format!("{}.maas", r.hostname), "power_type": "", "service_set": services, "cpu_count": r.cores,
        "testing_status": -1, "power_state": "unknown", "zone": named_zone(s, "default"),
        "resource_uri": format!("/MAAS/api/2.0/{kind}/{}/", r.system_id),
    });
    for part in ["other", "interface", "storage", "cpu", "network", "memory"] {
        value[format!("{part}_test_status")] = json!(-1);
        value[format!("{part}_test_status_name")] = json!("Unknown");
    }
    if kind == "regioncontrollers"
        && let Some(o) = value.as_object_mut()
    {
        o.remove("service_set");
    }
    value
}

/// A VM host; its resources are zero until it was reached.
pub(crate) fn vm_host(s: &State, v: &VmHost) -> Value {
    let res = v.resources.as_ref().filter(|_| s.now >= v.ready_at);
    let (cores, memory, storage) = used(s, v.id);
    let total_storage = res.map_or(0, |r| r.pools.iter().map(|p| p.total).sum::<u64>());
    let triple = |c: i64, m: i64, d: i64| json!({ "cores": c, "memory": m, "local_storage": d });
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let (total, used_now, available) = match res {
        None => (triple(0, 0, 0), triple(0, 0, 0), triple(0, 0, 0)),
        Some(r) => {
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
            let scaled = |n: u64, ratio: f64| (n as f64 * ratio) as i64;
            (
                triple(signed(r.cores), signed(r.memory_mb), signed(total_storage)),
                triple(signed(cores), signed(memory), signed(storage)),
                triple(
                    scaled(r.cores, v.cpu_ratio) - signed(cores),
                    scaled(r.memory_mb, v.memory_ratio) - signed(memory),
                    signed(total_storage) - signed(storage),
                ),
            )
        }
    };
    let pools: Vec<Value> = res.map_or_else(Vec::new, |r| {
        r.pools
            .iter()
            .enumerate()
            .map(|(n, p)| {
                let used = if n == 0 { storage } else { 0 };
                json!({
                    "id": p.name, "name": p.name, "type": p.kind, "path": p.name, "total": p.total, "used": used,
                    "available": p.total.saturating_sub(used), "default": n == 0,
                })
            })
            .collect()
    });
    let capabilities: &[&str] = if res.is_some() {
        &[
            "composable",
            "dynamic_local_storage",
            "over_commit",
            "storage_pools",
        ]
    } else {
        &[]
    };
    let host = if res.is_some() || v.kind == "virsh" {
        json!(s.rack.system_id)
    } else {
        Value::Null
    };
    json!({
        "cpu_over_commit_ratio": v.cpu_ratio, "name": v.name, "memory_over_commit_ratio": v.memory_ratio, "default_macvlan_mode": null,
        "version": res.map_or("", |r| r.version.as_str()), "tags": v.tags, "available": available,
        "architectures": if res.is_some() { json!(["amd64/generic"]) } else { json!([]) }, "type": v.kind, "capabilities": capabilities,
        "total": total, "storage_pools": pools, "used": used_now, "id": v.id, "host": { "system_id": host, "__incomplete__": true },
        "pool": pool_by(s, v.pool), "zone": named_zone(s, &v.zone), "resource_uri": format!("/MAAS/api/2.0/vm-hosts/{}/", v.id),
    })
}

/// Cores, memory and disk that machines on a VM host have.
pub(crate) fn used(s: &State, host: i64) -> (u64, u64, u64) {
    s.machines
        .iter()
        .filter(|m| m.vm_host == Some(host))
        .fold((0, 0, 0), |(c, m, d), x| {
            (
                c + x.hardware.cores,
                m + x.hardware.memory_mb,
                d + x.hardware.disks.iter().sum::<u64>(),
            )
        })
}

pub(crate) fn results(s: &State, r: &ResultSet) -> Value {
    let (started, ended) = (
        r.started.map(|t| mail_time(s, t)),
        r.ended.map(|t| mail_time(s, t)),
    );
    let exit = match r.status {
        2 => Some(0),
        3 => Some(1),
        _ => None,
    };
    let scripts: Vec<Value> = r
        .scripts
        .iter()
        .enumerate()
        .map(|(n, (id, name))| {
            // What fails is the last script: the others had run.
            let status = if r.status == 3 && n + 1 < r.scripts.len() { 2 } else { r.status };
            json!({
                "id": id, "created": started, "updated": ended, "name": name, "status": status, "status_name": script_status(status),
                "exit_status": if status == 2 { Some(0) } else { exit }, "started": started, "ended": ended, "runtime": "0:00:00",
                "starttime": null, "endtime": null, "estimated_runtime": "0:00:00", "parameters": {}, "script_id": n + 1,
                "script_revision_id": n + 1, "suppressed": false,
            })
        })
        .collect();
    let name = ["Commissioning", "Installation", "Testing"]
        .get(usize::try_from(r.kind).unwrap_or(0))
        .copied()
        .unwrap_or("Testing");
    json!({
        "type_name": name, "status": r.status, "ended": ended, "type": r.kind, "system_id": r.node, "runtime": "0:00:01",
        "last_ping": ended, "id": r.id, "started": started, "status_name": script_status(r.status), "results": scripts,
        "resource_uri": format!("/MAAS/api/2.0/nodes/{}/results/{}/", r.node, r.id),
    })
}
