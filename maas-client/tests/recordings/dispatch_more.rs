//! The typed calls beside the pipeline's.

use bytes::Bytes;
use maas_client::*;
use serde::Serialize;
use serde_json::Value;

use super::dispatch::Asked;

pub(super) fn v<T: Serialize>(result: Result<T>) -> Result<Value> {
    result.map(|t| serde_json::to_value(t).unwrap())
}

pub(super) fn u(result: Result<()>) -> Result<Value> {
    result.map(|()| Value::Null)
}

pub(super) fn b(result: Result<Bytes>) -> Result<Value> {
    result.map(|_| Value::Null)
}

/// The hardware's description, which is no JSON.
fn details(result: Result<NodeDetails>) -> Result<Value> {
    result.map(|_| Value::Null)
}

pub(super) type Form = [(String, String)];

pub(super) fn find<'a>(pairs: &'a Form, name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, v)| v.as_str())
}

pub(super) fn get<'a>(pairs: &'a Form, name: &str) -> &'a str {
    find(pairs, name).unwrap_or("")
}

pub(super) fn all(pairs: &Form, name: &str) -> Vec<String> {
    pairs
        .iter()
        .filter(|(n, _)| n == name)
        .map(|(_, v)| v.clone())
        .collect()
}

pub(super) fn all_ids(pairs: &Form, name: &str) -> Vec<SystemId> {
    all(pairs, name)
        .iter()
        .filter_map(|v| v.parse().ok())
        .collect()
}

pub(super) fn without(pairs: &Form, names: &[&str]) -> Vec<(String, String)> {
    pairs
        .iter()
        .filter(|(n, _)| !names.contains(&n.as_str()))
        .cloned()
        .collect()
}

impl Asked {
    fn file(&self, name: &str) -> Bytes {
        self.files
            .iter()
            .find(|(n, _)| n == name)
            .map_or_else(Bytes::new, |(_, c)| c.clone().into())
    }
}

pub async fn call(c: &Client, a: &Asked) -> Option<Result<Value>> {
    let segments: Vec<&str> = a.segments.iter().map(String::as_str).collect();
    let sys = |text: &str| -> SystemId { text.parse().unwrap() };
    macro_rules! id {
        ($text:expr) => {
            $text.parse().ok()?
        };
    }
    Some(
        match (a.method.as_str(), segments.as_slice(), a.op.as_deref()) {
            ("GET", ["account", "prefs", "sslkeys"], None) => v(c.ssl_keys().list().await),
            ("POST", ["account", "prefs", "sslkeys"], None) => {
                v(c.ssl_keys().create(get(&a.form, "key")).await)
            }
            ("GET", ["account", "prefs", "sslkeys", id], None) => {
                v(c.ssl_keys().read(id!(id)).await)
            }
            ("DELETE", ["account", "prefs", "sslkeys", id], None) => {
                u(c.ssl_keys().delete(id!(id)).await)
            }
            ("GET", ["license-keys"], None) => v(c.licence_keys().list().await),
            ("POST", ["license-keys"], None) => v(c
                .licence_keys()
                .create(
                    get(&a.form, "osystem"),
                    get(&a.form, "distro_series"),
                    get(&a.form, "license_key"),
                )
                .await),
            ("GET", ["license-key", osystem, distro_series], None) => {
                v(c.licence_keys().read(osystem, distro_series).await)
            }
            ("PUT", ["license-key", osystem, distro_series], None) => v(c
                .licence_keys()
                .update(osystem, distro_series, get(&a.form, "license_key"))
                .await),
            ("DELETE", ["license-key", osystem, distro_series], None) => {
                u(c.licence_keys().delete(osystem, distro_series).await)
            }
            ("GET", ["devices"], None) => v(c
                .devices()
                .list(&MachineFilter::from_pairs(&without(&a.query, &[])))
                .await),
            ("POST", ["devices"], None) => v(c
                .devices()
                .create(
                    &all(&a.form, "mac_addresses"),
                    &DeviceParams::from_pairs(&without(&a.form, &["mac_addresses"])),
                )
                .await),
            ("GET", ["devices"], Some("is_registered")) => v(c
                .devices()
                .is_registered(get(&a.query, "mac_address"))
                .await),
            ("POST", ["devices"], Some("set_zone")) => u(c
                .devices()
                .set_zone(&all_ids(&a.form, "nodes"), get(&a.form, "zone"))
                .await),
            ("GET", ["devices", id], None) => v(c.devices().read(&sys(id)).await),
            ("PUT", ["devices", id], None) => v(c
                .devices()
                .update(&sys(id), &DeviceParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("DELETE", ["devices", id], None) => u(c.devices().delete(&sys(id)).await),
            ("GET", ["devices", id], Some("details")) => {
                details(c.devices().details(&sys(id)).await)
            }
            ("GET", ["devices", id], Some("power_parameters")) => {
                v(c.devices().power_parameters(&sys(id)).await)
            }
            ("POST", ["devices", id], Some("restore_default_configuration")) => {
                v(c.devices().restore_default_configuration(&sys(id)).await)
            }
            ("POST", ["devices", id], Some("restore_networking_configuration")) => {
                v(c.devices().restore_networking_configuration(&sys(id)).await)
            }
            ("POST", ["devices", id], Some("set_owner_data")) => v(c
                .devices()
                .set_owner_data(
                    &sys(id),
                    &a.form.iter().fold(Pairs::new(), |p, (n, v)| p.with(n, v)),
                )
                .await),
            ("POST", ["devices", id], Some("set_workload_annotations")) => v(c
                .devices()
                .set_workload_annotations(
                    &sys(id),
                    &a.form.iter().fold(Pairs::new(), |p, (n, v)| p.with(n, v)),
                )
                .await),
            ("GET", ["nodes"], None) => v(c
                .nodes()
                .list(&MachineFilter::from_pairs(&without(&a.query, &[])))
                .await),
            ("GET", ["nodes"], Some("is_registered")) => {
                v(c.nodes().is_registered(get(&a.query, "mac_address")).await)
            }
            ("POST", ["nodes"], Some("set_zone")) => u(c
                .nodes()
                .set_zone(&all_ids(&a.form, "nodes"), get(&a.form, "zone"))
                .await),
            ("GET", ["nodes", id], None) => v(c.nodes().read(&sys(id)).await),
            ("DELETE", ["nodes", id], None) => u(c.nodes().delete(&sys(id)).await),
            ("GET", ["nodes", id], Some("details")) => details(c.nodes().details(&sys(id)).await),
            ("GET", ["nodes", id], Some("power_parameters")) => {
                v(c.nodes().power_parameters(&sys(id)).await)
            }
            ("GET", ["nodes", node, "devices"], None) => v(c
                .nodes()
                .hardware(
                    &sys(node),
                    &NodeDeviceFilter::from_pairs(&without(&a.query, &[])),
                )
                .await),
            ("GET", ["nodes", node, "devices", id], None) => {
                v(c.nodes().read_hardware(&sys(node), id!(id)).await)
            }
            ("DELETE", ["nodes", node, "devices", id], None) => {
                u(c.nodes().delete_hardware(&sys(node), id!(id)).await)
            }
            ("GET", ["domains"], None) => v(c.domains().list().await),
            ("POST", ["domains"], None) => v(c
                .domains()
                .create(&DomainParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["domains", id], None) => v(c.domains().read(id!(id)).await),
            ("PUT", ["domains", id], None) => v(c
                .domains()
                .update(id!(id), &DomainParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("DELETE", ["domains", id], None) => u(c.domains().delete(id!(id)).await),
            ("POST", ["domains"], Some("set_serial")) => u(c
                .domains()
                .set_serial(get(&a.form, "serial").parse().ok()?)
                .await),
            ("POST", ["domains", id], Some("set_default")) => {
                v(c.domains().set_default(id!(id)).await)
            }
            ("GET", ["dnsresources"], None) => v(c
                .dns_resources()
                .list(&DnsFilter::from_pairs(&without(&a.query, &[])))
                .await),
            ("POST", ["dnsresources"], None) => v(c
                .dns_resources()
                .create(&DnsResourceParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["dnsresources", id], None) => v(c.dns_resources().read(id!(id)).await),
            ("PUT", ["dnsresources", id], None) => v(c
                .dns_resources()
                .update(
                    id!(id),
                    &DnsResourceParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["dnsresources", id], None) => u(c.dns_resources().delete(id!(id)).await),
            ("GET", ["dnsresourcerecords"], None) => v(c
                .dns_records()
                .list(&DnsFilter::from_pairs(&without(&a.query, &[])))
                .await),
            ("POST", ["dnsresourcerecords"], None) => v(c
                .dns_records()
                .create(&DnsRecordParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["dnsresourcerecords", id], None) => v(c.dns_records().read(id!(id)).await),
            ("PUT", ["dnsresourcerecords", id], None) => v(c
                .dns_records()
                .update(
                    id!(id),
                    &DnsRecordParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["dnsresourcerecords", id], None) => {
                u(c.dns_records().delete(id!(id)).await)
            }
            ("GET", ["dhcp-snippets"], None) => v(c.dhcp_snippets().list().await),
            ("POST", ["dhcp-snippets"], None) => v(c
                .dhcp_snippets()
                .create(&DhcpSnippetParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["dhcp-snippets", id], None) => v(c.dhcp_snippets().read(id!(id)).await),
            ("PUT", ["dhcp-snippets", id], None) => v(c
                .dhcp_snippets()
                .update(
                    id!(id),
                    &DhcpSnippetParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["dhcp-snippets", id], None) => u(c.dhcp_snippets().delete(id!(id)).await),
            ("POST", ["dhcp-snippets", id], Some("revert")) => v(c
                .dhcp_snippets()
                .revert(id!(id), get(&a.form, "to").parse().ok()?)
                .await),
            ("GET", ["ipaddresses"], None) => v(c
                .ip_addresses()
                .list(&IpAddressFilter::from_pairs(&without(&a.query, &[])))
                .await),
            ("POST", ["ipaddresses"], Some("reserve")) => v(c
                .ip_addresses()
                .reserve(&ReserveParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("POST", ["ipaddresses"], Some("release")) => u(c
                .ip_addresses()
                .release(
                    get(&a.form, "ip"),
                    &ReleaseAddressParams::from_pairs(&without(&a.form, &["ip"])),
                )
                .await),
            ("GET", ["networks"], None) => v(c.networks().list().await),
            ("POST", ["networks"], None) => v(c
                .networks()
                .create(&NetworkParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["networks", name], None) => v(c.networks().read(name).await),
            ("PUT", ["networks", name], None) => v(c
                .networks()
                .update(name, &NetworkParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("DELETE", ["networks", name], None) => u(c.networks().delete(name).await),
            ("POST", ["networks", name], Some("connect_macs")) => {
                u(c.networks().connect_macs(name, &all(&a.form, "macs")).await)
            }
            ("POST", ["networks", name], Some("disconnect_macs")) => u(c
                .networks()
                .disconnect_macs(name, &all(&a.form, "macs"))
                .await),
            ("GET", ["networks", name], Some("list_connected_macs")) => {
                v(c.networks().list_connected_macs(name).await)
            }
            ("GET", ["scripts"], None) => v(c
                .scripts()
                .list(&ScriptFilter::from_pairs(&without(&a.query, &[])))
                .await),
            ("POST", ["scripts"], None) => v(c
                .scripts()
                .create(
                    get(&a.form, "name"),
                    &ScriptParams::from_pairs(&without(&a.form, &["name"])),
                )
                .await),
            ("GET", ["scripts", name], None) => v(c.scripts().read(name).await),
            ("PUT", ["scripts", name], None) => v(c
                .scripts()
                .update(name, &ScriptParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("DELETE", ["scripts", name], None) => u(c.scripts().delete(name).await),
            ("POST", ["scripts", name], Some("add_tag")) => {
                v(c.scripts().add_tag(name, get(&a.form, "tag")).await)
            }
            ("POST", ["scripts", name], Some("remove_tag")) => {
                v(c.scripts().remove_tag(name, get(&a.form, "tag")).await)
            }
            ("POST", ["scripts", name], Some("revert")) => v(c
                .scripts()
                .revert(name, get(&a.form, "to").parse().ok()?)
                .await),
            ("GET", ["scripts", name], Some("download")) => b(c
                .scripts()
                .download(
                    name,
                    find(&a.query, "revision").and_then(|v| v.parse().ok()),
                )
                .await),
            ("GET", ["commissioning-scripts"], None) => v(c.commissioning_scripts().list().await),
            ("POST", ["commissioning-scripts"], None) => v(c
                .commissioning_scripts()
                .create(get(&a.form, "name"), a.file("content"))
                .await),
            ("GET", ["commissioning-scripts", name], None) => {
                b(c.commissioning_scripts().read(name).await)
            }
            ("PUT", ["commissioning-scripts", name], None) => v(c
                .commissioning_scripts()
                .update(name, a.file("content"))
                .await),
            ("DELETE", ["commissioning-scripts", name], None) => {
                u(c.commissioning_scripts().delete(name).await)
            }
            ("GET", ["installation-results"], None) => v(c
                .installation_results()
                .list(&InstallationResultFilter::from_pairs(&without(
                    &a.query,
                    &[],
                )))
                .await),
            ("GET", ["files"], None) => v(c.files().list(find(&a.query, "prefix")).await),
            ("POST", ["files"], None) => u(c
                .files()
                .create(get(&a.form, "filename"), a.file("file"))
                .await),
            ("GET", ["files"], Some("get")) => {
                b(c.files().get_content(get(&a.query, "filename")).await)
            }
            ("GET", ["files"], Some("get_by_key")) => {
                b(c.files().get_by_key(get(&a.query, "key")).await)
            }
            ("DELETE", ["files"], None) => {
                u(c.files().delete_named(get(&a.query, "filename")).await)
            }
            ("GET", ["files", filename], None) => v(c.files().read(filename).await),
            ("DELETE", ["files", filename], None) => u(c.files().delete(filename).await),
            ("GET", ["notifications"], None) => v(c.notifications().list().await),
            ("POST", ["notifications"], None) => v(c
                .notifications()
                .create(&NotificationParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["notifications", id], None) => v(c.notifications().read(id!(id)).await),
            ("PUT", ["notifications", id], None) => v(c
                .notifications()
                .update(
                    id!(id),
                    &NotificationParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["notifications", id], None) => u(c.notifications().delete(id!(id)).await),
            ("POST", ["notifications", id], Some("dismiss")) => {
                u(c.notifications().dismiss(id!(id)).await)
            }
            ("GET", ["package-repositories"], None) => v(c.package_repositories().list().await),
            ("POST", ["package-repositories"], None) => v(c
                .package_repositories()
                .create(&PackageRepositoryParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["package-repositories", id], None) => {
                v(c.package_repositories().read(id!(id)).await)
            }
            ("PUT", ["package-repositories", id], None) => v(c
                .package_repositories()
                .update(
                    id!(id),
                    &PackageRepositoryParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["package-repositories", id], None) => {
                u(c.package_repositories().delete(id!(id)).await)
            }
            ("GET", ["vm-clusters"], None) => v(c.vm_clusters().list().await),
            ("GET", ["vm-clusters", id], None) => v(c.vm_clusters().read(id!(id)).await),
            ("PUT", ["vm-clusters", id], None) => v(c
                .vm_clusters()
                .update(
                    id!(id),
                    &VmClusterParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["vm-clusters", id], None) => u(c.vm_clusters().delete(id!(id)).await),
            ("POST", ["machines"], Some("accept")) => {
                v(c.machines().accept(&all_ids(&a.form, "machines")).await)
            }
            ("POST", ["machines"], Some("accept_all")) => v(c.machines().accept_all().await),
            ("POST", ["machines"], Some("add_chassis")) => v(c
                .machines()
                .add_chassis(
                    get(&a.form, "chassis_type"),
                    get(&a.form, "hostname"),
                    &ChassisParams::from_pairs(&without(&a.form, &["chassis_type", "hostname"])),
                )
                .await),
            ("POST", ["machines"], Some("clone")) => u(c
                .machines()
                .clone_configuration(
                    &get(&a.form, "source").parse().ok()?,
                    &all_ids(&a.form, "destinations"),
                    matches!(get(&a.form, "storage"), "true" | "1"),
                    matches!(get(&a.form, "interfaces"), "true" | "1"),
                )
                .await),
            ("POST", ["machines"], Some("set_zone")) => u(c
                .machines()
                .set_zone(&all_ids(&a.form, "nodes"), get(&a.form, "zone"))
                .await),
            ("GET", ["machines", id], Some("details")) => {
                details(c.machines().details(&sys(id)).await)
            }
            ("POST", ["machines", id], Some("clear_default_gateways")) => {
                v(c.machines().clear_default_gateways(&sys(id)).await)
            }
            ("POST", ["machines", id], Some("rescue_mode")) => {
                v(c.machines().rescue_mode(&sys(id)).await)
            }
            ("POST", ["machines", id], Some("exit_rescue_mode")) => {
                v(c.machines().exit_rescue_mode(&sys(id)).await)
            }
            ("GET", ["machines", id], Some("get_curtin_config")) => {
                v(c.machines().curtin_config(&sys(id)).await)
            }
            ("GET", ["machines", id], Some("get_token")) => {
                c.machines().token(&sys(id)).await.map(|_| Value::Null)
            }
            ("POST", ["machines", id], Some("mount_special")) => v(c
                .machines()
                .mount_special(
                    &sys(id),
                    get(&a.form, "fstype"),
                    get(&a.form, "mount_point"),
                    &MountParams::from_pairs(&without(&a.form, &["fstype", "mount_point"])),
                )
                .await),
            ("POST", ["machines", id], Some("unmount_special")) => v(c
                .machines()
                .unmount_special(&sys(id), get(&a.form, "mount_point"))
                .await),
            ("POST", ["machines", id], Some("override_failed_testing")) => v(c
                .machines()
                .override_failed_testing(&sys(id), find(&a.form, "comment"))
                .await),
            ("POST", ["machines", id], Some("restore_default_configuration")) => {
                v(c.machines().restore_default_configuration(&sys(id)).await)
            }
            ("POST", ["machines", id], Some("restore_networking_configuration")) => v(c
                .machines()
                .restore_networking_configuration(&sys(id))
                .await),
            ("POST", ["machines", id], Some("restore_storage_configuration")) => {
                v(c.machines().restore_storage_configuration(&sys(id)).await)
            }
            ("POST", ["machines", id], Some("set_storage_layout")) => v(c
                .machines()
                .set_storage_layout(
                    &sys(id),
                    get(&a.form, "storage_layout"),
                    &StorageLayoutParams::from_pairs(&without(&a.form, &["storage_layout"])),
                )
                .await),
            ("POST", ["machines", id], Some("test")) => v(c
                .machines()
                .test(&sys(id), &TestParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["rackcontrollers"], Some("is_registered")) => {
                v(c.racks().is_registered(get(&a.query, "mac_address")).await)
            }
            ("GET", ["rackcontrollers"], Some("power_parameters")) => v(c
                .racks()
                .power_parameters_many(&all_ids(&a.query, "id"))
                .await),
            ("POST", ["rackcontrollers"], Some("set_zone")) => u(c
                .racks()
                .set_zone(&all_ids(&a.form, "nodes"), get(&a.form, "zone"))
                .await),
            ("POST", ["rackcontrollers", id], Some("abort")) => {
                v(c.racks().abort(&sys(id), find(&a.form, "comment")).await)
            }
            ("GET", ["rackcontrollers", id], Some("details")) => {
                details(c.racks().details(&sys(id)).await)
            }
            ("POST", ["rackcontrollers", id], Some("override_failed_testing")) => v(c
                .racks()
                .override_failed_testing(&sys(id), find(&a.form, "comment"))
                .await),
            ("POST", ["rackcontrollers", id], Some("power_off")) => v(c
                .racks()
                .power_off(&sys(id), find(&a.form, "comment"))
                .await),
            ("POST", ["rackcontrollers", id], Some("power_on")) => {
                v(c.racks().power_on(&sys(id), find(&a.form, "comment")).await)
            }
            ("POST", ["rackcontrollers", id], Some("test")) => v(c
                .racks()
                .test(&sys(id), &TestParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["regioncontrollers"], Some("is_registered")) => v(c
                .regions()
                .is_registered(get(&a.query, "mac_address"))
                .await),
            ("POST", ["regioncontrollers"], Some("set_zone")) => u(c
                .regions()
                .set_zone(&all_ids(&a.form, "nodes"), get(&a.form, "zone"))
                .await),
            ("GET", ["regioncontrollers", id], Some("details")) => {
                details(c.regions().details(&sys(id)).await)
            }
            ("GET", ["regioncontrollers", id], Some("power_parameters")) => {
                v(c.regions().power_parameters(&sys(id)).await)
            }
            ("GET", ["tags", name], Some("devices")) => v(c.tags().devices(name).await),
            ("GET", ["tags", name], Some("nodes")) => v(c.tags().nodes(name).await),
            ("POST", ["tags", name], Some("rebuild")) => v(c.tags().rebuild(name).await),
            ("PUT", ["nodes", node, "results", set], None) => v(c
                .results()
                .update(
                    &sys(node),
                    set,
                    matches!(get(&a.form, "suppressed"), "true" | "1"),
                )
                .await),
            ("GET", ["nodes", node, "results", set], Some("download")) => b(c
                .results()
                .download(
                    &sys(node),
                    set,
                    &DownloadParams::from_pairs(&without(&a.query, &[])),
                )
                .await),
            ("POST", ["discovery"], Some("clear")) => u(c
                .discoveries()
                .clear(&ClearDiscoveriesParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("POST", ["discovery"], Some("clear_by_mac_and_ip")) => u(c
                .discoveries()
                .clear_by_mac_and_ip(get(&a.form, "ip"), get(&a.form, "mac"))
                .await),
            ("POST", ["discovery"], Some("scan")) => v(c
                .discoveries()
                .scan(&ScanParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["pods"], None) => v(c.pods().list().await),
            ("POST", ["pods"], None) => v(c
                .pods()
                .create(
                    get(&a.form, "type"),
                    get(&a.form, "power_address"),
                    &VmHostParams::from_pairs(&without(&a.form, &["type", "power_address"])),
                )
                .await),
            ("GET", ["pods", id], None) => v(c.pods().read(id!(id)).await),
            ("PUT", ["pods", id], None) => v(c
                .pods()
                .update(id!(id), &VmHostParams::from_pairs(&a.form))
                .await),
            ("DELETE", ["pods", id], None) => u(c.pods().delete(id!(id), false).await),
            ("POST", ["pods", id], Some("refresh")) => v(c.pods().refresh(id!(id)).await),
            ("POST", ["pods", id], Some("compose")) => v(c
                .pods()
                .compose(id!(id), &ComposeParams::from_pairs(&a.form))
                .await),
            ("GET", ["pods", id], Some("parameters")) => v(c.pods().parameters(id!(id)).await),
            ("POST", ["pods", id], Some("add_tag")) => {
                v(c.pods().add_tag(id!(id), get(&a.form, "tag")).await)
            }
            ("POST", ["pods", id], Some("remove_tag")) => {
                v(c.pods().remove_tag(id!(id), get(&a.form, "tag")).await)
            }
            _ => return super::dispatch_storage::call(c, a).await,
        },
    )
}
