//! The state as MAAS's JSON. Keys as recorded on 3.4.10.

mod network;

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::state::{
    Interface, Link, Machine, Named, Range, ResultSet, Selection, Source, State, Subnet, Tag, User,
    Vlan, VmHost,
};
pub(crate) use network::*;

/// MAAS's name of a status.
pub(crate) fn status_name(status: i64) -> &'static str {
    crate::model::NodeStatus::from_number(status)
        .name()
        .unwrap_or("New")
}

/// A time as `Mon, 23 Nov. 2026 03:54:27`.
pub(crate) fn short_time(s: &State, at: Duration) -> String {
    zoned(s, at).map_or_else(String::new, |t| {
        t.strftime("%a, %d %b. %Y %H:%M:%S").to_string()
    })
}

/// A time as `2026-11-23T03:50:32.844`.
pub(crate) fn iso_time(s: &State, at: Duration) -> String {
    zoned(s, at).map_or_else(String::new, |t| {
        t.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string()
    })
}

/// A time as `Mon, 23 Nov 2026 03:54:27 -0000`.
pub(crate) fn mail_time(s: &State, at: Duration) -> String {
    zoned(s, at).map_or_else(String::new, |t| {
        t.strftime("%a, %d %b %Y %H:%M:%S -0000").to_string()
    })
}

fn zoned(s: &State, at: Duration) -> Option<jiff::Zoned> {
    let nanos = i128::from(s.epoch) * 1_000_000_000 + i128::try_from(at.as_nanos()).ok()?;
    Some(
        jiff::Timestamp::from_nanosecond(nanos)
            .ok()?
            .to_zoned(jiff::tz::TimeZone::UTC),
    )
}

pub(crate) fn user(u: &User) -> Value {
    json!({
        "is_superuser": u.superuser, "username": u.username, "email": u.email, "is_local": true,
        "resource_uri": format!("/MAAS/api/2.0/users/{}/", u.username),
    })
}

pub(crate) fn tag(t: &Tag) -> Value {
    json!({
        "name": t.name, "definition": t.definition, "comment": t.comment, "kernel_opts": t.kernel_opts,
        "resource_uri": format!("/MAAS/api/2.0/tags/{}/", t.name),
    })
}

pub(crate) fn zone(z: &Named) -> Value {
    json!({ "name": z.name, "description": z.description, "id": z.id, "resource_uri": format!("/MAAS/api/2.0/zones/{}/", z.name) })
}

pub(crate) fn pool(p: &Named) -> Value {
    json!({ "name": p.name, "description": p.description, "id": p.id, "resource_uri": format!("/MAAS/api/2.0/resourcepool/{}/", p.id) })
}

pub(crate) fn domain(s: &State, d: &Named) -> Value {
    json!({
        "authoritative": true, "ttl": null, "is_default": d.id == 0, "name": d.name, "id": d.id,
        "resource_record_count": if d.id == 0 { s.dns.len() } else { 0 },
        "resource_uri": format!("/MAAS/api/2.0/domains/{}/", d.id),
    })
}

fn default_domain(s: &State) -> Value {
    s.domains.first().map_or(Value::Null, |d| domain(s, d))
}

fn named_zone(s: &State, name: &str) -> Value {
    s.zones
        .iter()
        .find(|z| z.name == name)
        .or(s.zones.first())
        .map_or(Value::Null, zone)
}

fn pool_by(s: &State, id: i64) -> Value {
    s.pools
        .iter()
        .find(|p| p.id == id)
        .or(s.pools.first())
        .map_or(Value::Null, pool)
}

pub(crate) fn source(s: &State, b: &Source) -> Value {
    json!({
        "created": iso_time(s, b.created), "updated": iso_time(s, b.updated), "url": b.url, "keyring_filename": b.keyring_filename,
        "keyring_data": b.keyring_data, "id": b.id, "resource_uri": format!("/MAAS/api/2.0/boot-sources/{}/", b.id),
    })
}

pub(crate) fn selection(x: &Selection) -> Value {
    json!({
        "os": x.os, "release": x.release, "arches": x.arches, "subarches": x.subarches, "labels": x.labels,
        "boot_source_id": x.source, "id": x.id,
        "resource_uri": format!("/MAAS/api/2.0/boot-sources/{}/selections/{}/", x.source, x.id),
    })
}

pub(crate) fn resource(r: &super::state::Resource, whole: bool) -> Value {
    let mut value = json!({
        "id": r.id, "type": r.kind, "name": r.name, "architecture": r.architecture,
        "resource_uri": format!("/MAAS/api/2.0/boot-resources/{}/", r.id), "last_deployed": null, "subarches": r.subarches,
    });
    if whole {
        let file = |name: &str, size: u64| json!({ "filename": name, "filetype": name, "sha256": format!("{:064x}", r.id), "size": size, "complete": true });
        value["sets"] = json!({ "20240101": {
            "version": "20240101", "label": "stable", "size": 7500, "complete": true,
            "files": { "boot-kernel": file("boot-kernel", 1650), "boot-initrd": file("boot-initrd", 1650), "squashfs": file("squashfs", 4200) },
        } });
    }
    value
}

fn block_device(node: &str, id: i64, index: usize, size: u64, boot: bool) -> Value {
    let name = disk_name(index);
    let whole = size.saturating_sub(7_792_640);
    let partitions = if boot {
        json!([{
            "uuid": uuid(id.unsigned_abs()), "size": whole, "bootable": false, "tags": [],
            "filesystem": { "fstype": "ext4", "label": "root", "uuid": uuid(id.unsigned_abs() + 1_000_000), "mount_point": "/", "mount_options": null },
            "used_for": "ext4 formatted filesystem mounted at /", "path": format!("/dev/disk/by-dname/{name}-part2"), "device_id": id,
            "system_id": node, "type": "partition", "id": id, "resource_uri": format!("/MAAS/api/2.0/nodes/{node}/blockdevices/{id}/partition/{id}"),
        }])
    } else {
        json!([])
    };
    json!({
        "firmware_version": "1", "model": "QEMU HARDDISK", "filesystem": null,
        "used_for": if boot { "GPT partitioned with 1 partition" } else { "Unused" },
        "partition_table_type": boot.then_some("GPT"), "partitions": partitions, "id_path": format!("/dev/disk/by-id/wwn-0x{id:015}"),
        "available_size": if boot { 0 } else { whole }, "type": "physical", "block_size": 512, "size": size, "storage_pool": null,
        "name": name, "uuid": null, "numa_node": 0, "id": id, "path": format!("/dev/disk/by-dname/{name}"), "tags": ["ssd"],
        "system_id": node, "used_size": if boot { size.saturating_sub(1_501_184) } else { 0 }, "serial": format!("S{id:02}{name}"),
        "resource_uri": format!("/MAAS/api/2.0/nodes/{node}/blockdevices/{id}/"),
    })
}

/// `sda`, `sdb`, ...
fn disk_name(index: usize) -> String {
    let letter = u8::try_from(index % 26).unwrap_or(0) + b'a';
    if index < 26 {
        format!("sd{}", char::from(letter))
    } else {
        format!("sd{}{}", char::from(b'a'), char::from(letter))
    }
}

/// The block devices of a machine that was commissioned.
pub(crate) fn block_devices(m: &Machine) -> Vec<Value> {
    if !m.known {
        return Vec::new();
    }
    let base = m.interfaces.first().map_or(1, |i| i.id) * 16;
    m.hardware
        .disks
        .iter()
        .enumerate()
        .map(|(n, size)| {
            block_device(
                &m.system_id,
                base + i64::try_from(n).unwrap_or(0),
                n,
                *size,
                n == 0,
            )
        })
        .collect()
}

/// The same as their own list has them.
pub(crate) fn listed_block_devices(m: &Machine) -> Vec<Value> {
    let mut all = block_devices(m);
    for device in all.iter_mut().filter_map(Value::as_object_mut) {
        device.remove("firmware_version");
    }
    all
}

/// A UUID made of a number, the same in every run.
pub(crate) fn uuid(n: u64) -> String {
    let h = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        h >> 32,
        (h >> 16) & 0xffff,
        h & 0xfff,
        (h >> 4) & 0xfff,
        h & 0xffff_ffff_ffff
    )
}

fn hardware_info(known: bool) -> Value {
    const KEYS: [(&str, &str); 18] = [
        ("system_vendor", "QEMU"),
        ("system_product", "Standard PC"),
        ("system_family", "Unknown"),
        ("system_version", "1"),
        ("system_sku", "Unknown"),
        ("system_serial", "Unknown"),
        ("cpu_model", "Intel(R) Core(TM) i7-4700MQ CPU"),
        ("mainboard_vendor", "Unknown"),
        ("mainboard_product", "Unknown"),
        ("mainboard_serial", "Unknown"),
        ("mainboard_version", "Unknown"),
        ("mainboard_firmware_vendor", "SeaBIOS"),
        ("mainboard_firmware_date", "04/01/2014"),
        ("mainboard_firmware_version", "1"),
        ("chassis_vendor", "Unknown"),
        ("chassis_type", "Unknown"),
        ("chassis_serial", "Unknown"),
        ("chassis_version", "Unknown"),
    ];
    Value::Object(
        KEYS.iter()
            .map(|(k, v)| ((*k).to_owned(), json!(if known { *v } else { "Unknown" })))
            .collect(),
    )
}

/// Words of a script status.
pub(crate) fn script_status(status: i64) -> &'static str {
    match status {
        0 => "Pending",
        1 => "Running",
        2 => "Passed",
        3 => "Failed",
        4 => "Timed out",
        5 => "Aborted",
        _ => "Unknown",
    }
}

/// The addresses of a machine: those of its links, and where it has none those that it was seen with.
pub(crate) fn addresses(m: &Machine) -> Vec<String> {
    let linked: Vec<String> = m
        .interfaces
        .iter()
        .flat_map(|i| &i.links)
        .filter_map(|l| l.ip.clone())
        .collect();
    if linked.is_empty() {
        m.interfaces
            .iter()
            .filter_map(|i| i.discovered.as_ref().map(|d| d.0.clone()))
            .collect()
    } else {
        linked
    }
}

fn default_gateway(s: &State, m: &Machine) -> Value {
    let mut found = json!({ "gateway_ip": null, "link_id": null });
    for l in m
        .interfaces
        .iter()
        .flat_map(|i| &i.links)
        .filter(|l| l.mode != "link_up")
    {
        if let Some(gateway) = s
            .subnets
            .iter()
            .find(|n| Some(n.id) == l.subnet)
            .and_then(|n| n.gateway_ip.clone())
        {
            found = json!({ "gateway_ip": gateway, "link_id": null });
            break;
        }
    }
    found
}

/// A machine, with all its keys.
pub(crate) fn machine(s: &State, m: &Machine) -> Value {
    let hw = m.known.then_some(&m.hardware);
    let disks = block_devices(m);
    let interfaces: Vec<Value> = m
        .interfaces
        .iter()
        .map(|i| interface(s, &m.system_id, &m.interfaces, i))
        .collect();
    let cores = hw.map_or(0, |h| h.cores);
    let memory = hw.map_or(0, |h| h.memory_mb);
    let vm_host = m
        .vm_host
        .and_then(|id| s.vm_hosts.iter().find(|v| v.id == id));
    let mut o = Map::new();
    let mut put = |key: &str, value: Value| {
        o.insert(key.to_owned(), value);
    };
    for kind in ["other", "interface", "storage", "cpu", "network", "memory"] {
        put(&format!("{kind}_test_status"), json!(-1));
        put(&format!("{kind}_test_status_name"), json!("Unknown"));
    }
    for key in [
        "virtualblockdevice_set",
        "cache_sets",
        "raids",
        "bcaches",
        "special_filesystems",
        "volume_groups",
    ] {
        put(key, json!([]));
    }
    for key in [
        "address_ttl",
        "bios_boot_method",
        "next_sync",
        "swap_size",
        "sync_interval",
        "last_sync",
        "parent",
    ] {
        put(key, Value::Null);
    }
    put(
        "virtualmachine_id",
        m.vm_host.map_or(Value::Null, |_| {
            json!(m.interfaces.first().map_or(0, |i| i.id))
        }),
    );
    put("boot_disk", disks.first().cloned().unwrap_or(Value::Null));
    put("physicalblockdevice_set", json!(disks));
    put("blockdevice_set", json!(disks));
    put(
        "boot_interface",
        interfaces.first().cloned().unwrap_or(Value::Null),
    );
    put("interface_set", json!(interfaces));
    put("locked", json!(m.locked));
    put("status_message", json!(m.status_message));
    put("status_action", json!(m.status_action));
    put("architecture", json!(m.architecture));
    put("commissioning_status", json!(m.commissioning_status));
    put(
        "commissioning_status_name",
        json!(script_status(m.commissioning_status)),
    );
    put("testing_status", json!(m.testing_status));
    put(
        "testing_status_name",
        json!(script_status(m.testing_status)),
    );
    put("domain", default_domain(s));
    put("tag_names", json!(m.tags));
    put("node_type", json!(0));
    put("node_type_name", json!("Machine"));
    put("disable_ipv4", json!(false));
    put("hardware_info", hardware_info(m.known));
    put(
        "min_hwe_kernel",
        s.config
            .get("default_min_hwe_kernel")
            .cloned()
            .unwrap_or_else(|| json!("")),
    );
    put("ephemeral_deploy", json!(false));
    put("enable_hw_sync", json!(false));
    put("power_state", json!(m.power_state));
    put("power_type", json!(m.power_type));
    put("status", json!(m.status));
    put("status_name", json!(status_name(m.status)));
    put("workload_annotations", json!(m.owner_data));
    put("owner_data", json!(m.owner_data));
    put(
        "numanode_set",
        json!([{ "index": 0, "memory": memory, "cores": (0..cores).collect::<Vec<_>>(), "hugepages_set": [] }]),
    );
    put(
        "default_gateways",
        json!({ "ipv4": default_gateway(s, m), "ipv6": { "gateway_ip": null, "link_id": null } }),
    );
    put("netboot", json!(m.netboot));
    put("pod", vm_host.map_or(Value::Null, |v| json!({ "id": v.id, "name": v.name, "resource_uri": format!("/MAAS/api/2.0/pods/{}/", v.id) })));
    put("cpu_count", json!(cores));
    put("cpu_speed", json!(if m.known { 2400 } else { 0 }));
    put("memory", json!(memory));
    #[allow(clippy::cast_precision_loss)]
    put(
        "storage",
        json!(
            hw.map_or(0.0, |h| h.disks.iter().map(|d| d / 1_000_000).sum::<u64>()
                as f64)
        ),
    );
    put("hwe_kernel", json!(m.hwe_kernel));
    put("description", json!(m.description));
    put("current_installation_result_id", json!(m.installation_set));
    put(
        "current_commissioning_result_id",
        json!(m.commissioning_set),
    );
    put("current_testing_result_id", json!(m.testing_set));
    put("pool", pool_by(s, m.pool));
    put("zone", named_zone(s, &m.zone));
    put("ip_addresses", json!(addresses(m)));
    put("owner", json!(m.owner));
    put("hardware_uuid", json!(m.hardware_uuid));
    put("osystem", json!(m.osystem));
    put("distro_series", json!(m.distro_series));
    put("hostname", json!(m.hostname));
    put("system_id", json!(m.system_id));
    put("fqdn", json!(format!("{}.maas", m.hostname)));
    put(
        "resource_uri",
        json!(format!("/MAAS/api/2.0/machines/{}/", m.system_id)),
    );
    Value::Object(o)
}

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
