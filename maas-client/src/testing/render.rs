//! The state as MAAS's JSON. Keys as recorded on 3.4.10.

mod hosts;
mod network;

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::state::{
    Interface, Link, Machine, Named, Range, ResultSet, Selection, Source, State, Subnet, Tag, User,
    Vlan, VmHost,
};

pub(crate) use hosts::*;
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
