//! The client's typed call for a request: the inverse of what the client does.

use maas_client::*;
use serde::Serialize;
use serde_json::Value;

/// A request as it was recorded, or as the description of the API has it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub segments: Vec<String>,
    pub op: Option<String>,
    /// Query without the operation.
    pub query: Vec<(String, String)>,
    /// Form without the operation.
    pub form: Vec<(String, String)>,
    /// Fields that are files.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Asked {
    fn field(&self, name: &str) -> &str {
        self.form
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, v)| v)
    }

    fn maybe(&self, name: &str) -> Option<&str> {
        self.form
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    fn arg(&self, name: &str) -> &str {
        self.query
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, v)| v)
    }

    /// The form without the fields that are arguments of their own.
    fn rest(&self, without: &[&str]) -> Vec<(String, String)> {
        self.form
            .iter()
            .filter(|(n, _)| !without.contains(&n.as_str()))
            .cloned()
            .collect()
    }

    fn ids(&self, name: &str) -> Vec<SystemId> {
        self.form
            .iter()
            .filter(|(n, _)| n == name)
            .filter_map(|(_, v)| v.parse().ok())
            .collect()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        self.form
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
            .collect()
    }
}

fn v<T: Serialize>(result: Result<T>) -> Result<Value> {
    result.map(|t| serde_json::to_value(t).unwrap())
}

fn u(result: Result<()>) -> Result<Value> {
    result.map(|()| Value::Null)
}

/// Makes the typed call; `None` when the client has none.
pub async fn call(c: &Client, a: &Asked) -> Option<Result<Value>> {
    let segments: Vec<&str> = a.segments.iter().map(String::as_str).collect();
    let sys = |text: &str| -> SystemId { text.parse().unwrap() };
    macro_rules! id {
        ($text:expr) => {
            $text.parse().ok()?
        };
    }
    macro_rules! p {
        ($t:ident) => {
            &$t::from_pairs(&a.form)
        };
        ($t:ident without $($name:literal),+) => {
            &$t::from_pairs(&a.rest(&[$($name),+]))
        };
    }
    Some(
        match (a.method.as_str(), segments.as_slice(), a.op.as_deref()) {
            ("POST", ["MAAS", "accounts", "authenticate"], None) => {
                let password = a.field("password").to_owned().into();
                c.authenticate(a.field("username"), &password, a.field("consumer"))
                    .await
                    .map(|_| Value::Null)
            }
            ("GET", ["MAAS", "accounts", "login"], None) => v(c.login_status().await),
            ("GET", ["version"], None) => v(c.version().await),
            ("GET", ["users"], None) => v(c.users().list().await),
            ("GET", ["users"], Some("whoami")) => v(c.users().whoami().await),
            ("POST", ["users"], None) => v(c
                .users()
                .create(
                    a.field("username"),
                    a.maybe("email")?,
                    &a.field("password").to_owned().into(),
                    matches!(a.field("is_superuser"), "1" | "true"),
                )
                .await),
            ("GET", ["users", name], None) => v(c.users().read(name).await),
            ("DELETE", ["users", name], None) => u(c.users().delete(name, None).await),
            ("POST", ["account"], Some("create_authorisation_token")) => c
                .account()
                .create_token(a.maybe("name"))
                .await
                .map(|_| Value::Null),
            ("POST", ["account"], Some("delete_authorisation_token")) => {
                u(c.account().delete_token(a.field("token_key")).await)
            }
            ("GET", ["account"], Some("list_authorisation_tokens")) => {
                c.account().tokens().await.map(|_| Value::Null)
            }
            ("POST", ["account"], Some("update_token_name")) => u(c
                .account()
                .rename_token(a.field("token"), a.field("name"))
                .await),
            ("GET", ["account", "prefs", "sshkeys"], None) => v(c.ssh_keys().list().await),
            ("POST", ["account", "prefs", "sshkeys"], None) => {
                v(c.ssh_keys().create(a.field("key")).await)
            }
            ("POST", ["account", "prefs", "sshkeys"], Some("import")) => {
                v(c.ssh_keys().import(a.field("keysource")).await)
            }
            ("GET", ["account", "prefs", "sshkeys", id], None) => {
                v(c.ssh_keys().read(id!(id)).await)
            }
            ("DELETE", ["account", "prefs", "sshkeys", id], None) => {
                u(c.ssh_keys().delete(id!(id)).await)
            }
            ("GET", ["maas"], Some("get_config")) => {
                a.query.iter().find(|(n, _)| n == "name")?;
                v(c.config().get_value(a.arg("name")).await)
            }
            ("POST", ["maas"], Some("set_config")) => {
                u(c.config().set(a.field("name"), a.field("value")).await)
            }
            ("GET", ["boot-sources"], None) => v(c.boot_sources().list().await),
            ("POST", ["boot-sources"], None) => {
                match a.files.iter().find(|f| f.0 == "keyring_data") {
                    Some((_, data)) => v(c
                        .boot_sources()
                        .create_with_keyring(a.field("url"), data.clone())
                        .await),
                    None => v(c
                        .boot_sources()
                        .create(a.maybe("url")?, a.field("keyring_filename"))
                        .await),
                }
            }
            ("GET", ["boot-sources", id], None) => v(c.boot_sources().read(id!(id)).await),
            ("PUT", ["boot-sources", id], None) => {
                v(c.boot_sources().update(id!(id), p!(BootSourceParams)).await)
            }
            ("DELETE", ["boot-sources", id], None) => u(c.boot_sources().delete(id!(id)).await),
            ("GET", ["boot-sources", s, "selections"], None) => {
                v(c.boot_sources().selections(id!(s)).await)
            }
            ("POST", ["boot-sources", s, "selections"], None) => v(c
                .boot_sources()
                .create_selection(id!(s), p!(SelectionParams))
                .await),
            ("GET", ["boot-sources", s, "selections", id], None) => {
                v(c.boot_sources().read_selection(id!(s), id!(id)).await)
            }
            ("PUT", ["boot-sources", s, "selections", id], None) => v(c
                .boot_sources()
                .update_selection(id!(s), id!(id), p!(SelectionParams))
                .await),
            ("DELETE", ["boot-sources", s, "selections", id], None) => {
                u(c.boot_sources().delete_selection(id!(s), id!(id)).await)
            }
            ("GET", ["boot-resources"], None) if a.query.is_empty() => {
                v(c.boot_resources().list().await)
            }
            ("GET", ["boot-resources"], None) => {
                v(c.boot_resources().list_type(a.arg("type")).await)
            }
            ("POST", ["boot-resources"], None) => {
                v(c.boot_resources().begin_upload(p!(UploadParams)).await)
            }
            ("POST", ["boot-resources"], Some("import")) => u(c.boot_resources().import().await),
            ("POST", ["boot-resources"], Some("stop_import")) => {
                u(c.boot_resources().stop_import().await)
            }
            ("GET", ["boot-resources"], Some("is_importing")) => {
                v(c.boot_resources().is_importing().await)
            }
            ("GET", ["boot-resources", id], None) => v(c.boot_resources().read(id!(id)).await),
            ("DELETE", ["boot-resources", id], None) => u(c.boot_resources().delete(id!(id)).await),
            ("GET", ["rackcontrollers"], None) => v(c.racks().list().await),
            ("GET", ["rackcontrollers"], Some("describe_power_types")) => {
                v(c.racks().describe_power_types().await)
            }
            ("POST", ["rackcontrollers"], Some("import_boot_images")) => {
                u(c.racks().import_boot_images_all().await)
            }
            ("GET", ["rackcontrollers", id], None) => v(c.racks().read(&sys(id)).await),
            ("PUT", ["rackcontrollers", id], None) => {
                v(c.racks().update(&sys(id), p!(ControllerParams)).await)
            }
            ("DELETE", ["rackcontrollers", id], None) => u(c.racks().delete(&sys(id), false).await),
            ("GET", ["rackcontrollers", id], Some("list_boot_images")) => {
                v(c.racks().list_boot_images(&sys(id)).await)
            }
            ("POST", ["rackcontrollers", id], Some("import_boot_images")) => {
                u(c.racks().import_boot_images(&sys(id)).await)
            }
            ("GET", ["rackcontrollers", id], Some("query_power_state")) => {
                v(c.racks().query_power_state(&sys(id)).await)
            }
            ("GET", ["rackcontrollers", id], Some("power_parameters")) => {
                v(c.racks().power_parameters(&sys(id)).await)
            }
            ("GET", ["regioncontrollers"], None) => v(c.regions().list().await),
            ("GET", ["regioncontrollers", id], None) => v(c.regions().read(&sys(id)).await),
            ("PUT", ["regioncontrollers", id], None) => {
                v(c.regions().update(&sys(id), p!(ControllerParams)).await)
            }
            ("DELETE", ["regioncontrollers", id], None) => {
                u(c.regions().delete(&sys(id), false).await)
            }
            ("GET", ["events"], Some("query")) => {
                v(c.events().query(&EventParams::from_pairs(&a.query)).await)
            }
            ("GET", ["nodes", node, "results"], None) => v(c
                .results()
                .list(&sys(node), &ResultParams::from_pairs(&a.query))
                .await),
            ("GET", ["nodes", node, "results", set], None) => v(c
                .results()
                .read(&sys(node), set, &ResultParams::from_pairs(&a.query))
                .await),
            ("DELETE", ["nodes", node, "results", set], None) => {
                u(c.results().delete(&sys(node), set).await)
            }
            ("GET", ["discovery"], None) => v(c.discoveries().list().await),
            ("GET", ["discovery"], Some("by_unknown_ip")) => {
                v(c.discoveries().by_unknown_ip().await)
            }
            ("GET", ["discovery"], Some("by_unknown_mac")) => {
                v(c.discoveries().by_unknown_mac().await)
            }
            ("GET", ["discovery"], Some("by_unknown_ip_and_mac")) => {
                v(c.discoveries().by_unknown_ip_and_mac().await)
            }
            ("GET", ["discovery", id], None) => v(c.discoveries().read(id).await),
            ("GET", ["nodes", node, "interfaces"], None) => {
                v(c.interfaces().list(&sys(node)).await)
            }
            ("POST", ["nodes", node, "interfaces"], Some("create_bridge")) => v(c
                .interfaces()
                .create_bridge(&sys(node), p!(BridgeParams))
                .await),
            ("POST", ["nodes", node, "interfaces"], Some("create_bond")) => {
                v(c.interfaces().create_bond(&sys(node), p!(BondParams)).await)
            }
            ("POST", ["nodes", node, "interfaces"], Some("create_physical")) => v(c
                .interfaces()
                .create_physical(&sys(node), p!(PhysicalParams))
                .await),
            ("POST", ["nodes", node, "interfaces"], Some("create_vlan")) => v(c
                .interfaces()
                .create_vlan(&sys(node), p!(VlanInterfaceParams))
                .await),
            ("GET", ["nodes", node, "interfaces", id], None) => match id.parse::<InterfaceId>() {
                Ok(id) => v(c.interfaces().read(&sys(node), id).await),
                Err(_) => v(c.interfaces().read_by_name(&sys(node), id).await),
            },
            ("PUT", ["nodes", node, "interfaces", id], None) => v(c
                .interfaces()
                .update(&sys(node), id!(id), p!(InterfaceParams))
                .await),
            ("DELETE", ["nodes", node, "interfaces", id], None) => {
                u(c.interfaces().delete(&sys(node), id!(id)).await)
            }
            // A mode is required, and so is a subnet: what lacks one cannot be said with the typed call.
            ("POST", ["nodes", node, "interfaces", id], Some("link_subnet")) => {
                let (mode, subnet) = (
                    LinkMode::from(a.field("mode").to_lowercase().as_str()),
                    id!(a.field("subnet")),
                );
                v(c.interfaces()
                    .link_subnet(
                        &sys(node),
                        id!(id),
                        mode,
                        subnet,
                        p!(LinkParams without "mode", "subnet"),
                    )
                    .await)
            }
            ("POST", ["nodes", node, "interfaces", id], Some("unlink_subnet")) => v(c
                .interfaces()
                .unlink_subnet(&sys(node), id!(id), id!(a.field("id")))
                .await),
            ("POST", ["nodes", node, "interfaces", id], Some("disconnect")) => {
                v(c.interfaces().disconnect(&sys(node), id!(id)).await)
            }
            ("POST", ["nodes", node, "interfaces", id], Some("set_default_gateway")) => v(c
                .interfaces()
                .set_default_gateway(
                    &sys(node),
                    id!(id),
                    a.maybe("link_id").and_then(|l| l.parse().ok()),
                )
                .await),
            ("POST", ["nodes", node, "interfaces", id], Some("add_tag")) => v(c
                .interfaces()
                .add_tag(&sys(node), id!(id), a.field("tag"))
                .await),
            ("POST", ["nodes", node, "interfaces", id], Some("remove_tag")) => v(c
                .interfaces()
                .remove_tag(&sys(node), id!(id), a.field("tag"))
                .await),
            ("GET", ["tags"], None) => v(c.tags().list().await),
            ("POST", ["tags"], None) => v(c
                .tags()
                .create(a.maybe("name")?, p!(TagParams without "name"))
                .await),
            ("GET", ["tags", name], None) => v(c.tags().read(name).await),
            ("PUT", ["tags", name], None) => v(c.tags().update(name, p!(TagParams)).await),
            ("DELETE", ["tags", name], None) => u(c.tags().delete(name).await),
            ("POST", ["tags", name], Some("update_nodes")) => v(c
                .tags()
                .update_nodes(name, &a.ids("add"), &a.ids("remove"))
                .await),
            ("GET", ["tags", name], Some("machines")) => v(c.tags().machines(name).await),
            ("GET", ["tags", name], Some("rack_controllers")) => {
                v(c.tags().rack_controllers(name).await)
            }
            ("GET", ["tags", name], Some("region_controllers")) => {
                v(c.tags().region_controllers(name).await)
            }
            ("GET", ["zones"], None) => v(c.zones().list().await),
            ("POST", ["zones"], None) => v(c
                .zones()
                .create(a.field("name"), a.maybe("description"))
                .await),
            ("GET", ["zones", name], None) => v(c.zones().read(name).await),
            ("PUT", ["zones", name], None) => v(c.zones().update(name, p!(NamedParams)).await),
            ("DELETE", ["zones", name], None) => u(c.zones().delete(name).await),
            ("GET", ["resourcepools"], None) => v(c.resource_pools().list().await),
            ("POST", ["resourcepools"], None) => v(c
                .resource_pools()
                .create(a.field("name"), a.maybe("description"))
                .await),
            ("GET", ["resourcepool", id], None) => v(c.resource_pools().read(id!(id)).await),
            ("PUT", ["resourcepool", id], None) => {
                v(c.resource_pools().update(id!(id), p!(NamedParams)).await)
            }
            ("DELETE", ["resourcepool", id], None) => u(c.resource_pools().delete(id!(id)).await),
            ("GET", ["fabrics"], None) => v(c.fabrics().list().await),
            ("POST", ["fabrics"], None) => v(c.fabrics().create(p!(FabricParams)).await),
            ("GET", ["fabrics", id], None) => v(c.fabrics().read(id!(id)).await),
            ("PUT", ["fabrics", id], None) => {
                v(c.fabrics().update(id!(id), p!(FabricParams)).await)
            }
            ("DELETE", ["fabrics", id], None) => u(c.fabrics().delete(id!(id)).await),
            ("GET", ["fabrics", f, "vlans"], None) => v(c.fabrics().vlans(id!(f)).await),
            ("POST", ["fabrics", f, "vlans"], None) => v(c
                .fabrics()
                .create_vlan(id!(f), id!(a.field("vid")), p!(VlanParams without "vid"))
                .await),
            ("GET", ["fabrics", f, "vlans", vid], None) => {
                v(c.fabrics().read_vlan(id!(f), id!(vid)).await)
            }
            ("PUT", ["fabrics", f, "vlans", vid], None) => v(c
                .fabrics()
                .update_vlan(id!(f), id!(vid), p!(VlanParams))
                .await),
            ("DELETE", ["fabrics", f, "vlans", vid], None) => {
                u(c.fabrics().delete_vlan(id!(f), id!(vid)).await)
            }
            ("GET", ["vlans", id], None) => v(c.vlans().read(id!(id)).await),
            ("PUT", ["vlans", id], None) => v(c.vlans().update(id!(id), p!(VlanParams)).await),
            ("DELETE", ["vlans", id], None) => u(c.vlans().delete(id!(id)).await),
            ("GET", ["subnets"], None) => v(c.subnets().list().await),
            ("POST", ["subnets"], None) => v(c
                .subnets()
                .create(a.field("cidr"), p!(SubnetParams without "cidr"))
                .await),
            ("GET", ["subnets", spec @ ..], None) => match spec.join("/").parse::<SubnetId>() {
                Ok(id) => v(c.subnets().read(id).await),
                Err(_) => v(c.subnets().read_by(&spec.join("/")).await),
            },
            ("PUT", ["subnets", id], None) => {
                v(c.subnets().update(id!(id), p!(SubnetParams)).await)
            }
            ("DELETE", ["subnets", id], None) => u(c.subnets().delete(id!(id)).await),
            ("GET", ["subnets", id], Some("statistics")) => {
                v(c.subnets().statistics(id!(id)).await)
            }
            ("GET", ["subnets", id], Some("reserved_ip_ranges")) => {
                v(c.subnets().reserved_ip_ranges(id!(id)).await)
            }
            ("GET", ["subnets", id], Some("unreserved_ip_ranges")) => {
                v(c.subnets().unreserved_ip_ranges(id!(id)).await)
            }
            ("GET", ["subnets", id], Some("ip_addresses")) => {
                v(c.subnets().ip_addresses(id!(id)).await)
            }
            ("GET", ["ipranges"], None) => v(c.ip_ranges().list().await),
            ("POST", ["ipranges"], None) => v(c
                .ip_ranges()
                .create(
                    IpRangeType::from(a.field("type")),
                    p!(IpRangeParams without "type"),
                )
                .await),
            ("GET", ["ipranges", id], None) => v(c.ip_ranges().read(id!(id)).await),
            ("PUT", ["ipranges", id], None) => {
                v(c.ip_ranges().update(id!(id), p!(IpRangeParams)).await)
            }
            ("DELETE", ["ipranges", id], None) => u(c.ip_ranges().delete(id!(id)).await),
            ("GET", ["spaces"], None) => v(c.spaces().list().await),
            ("POST", ["spaces"], None) => v(c
                .spaces()
                .create(a.field("name"), a.maybe("description"))
                .await),
            ("GET", ["spaces", id], None) => v(c.spaces().read(id!(id)).await),
            ("PUT", ["spaces", id], None) => v(c.spaces().update(id!(id), p!(NamedParams)).await),
            ("DELETE", ["spaces", id], None) => u(c.spaces().delete(id!(id)).await),
            ("GET", ["static-routes"], None) => v(c.static_routes().list().await),
            ("POST", ["static-routes"], None) => {
                v(c.static_routes().create(p!(StaticRouteParams)).await)
            }
            ("GET", ["static-routes", id], None) => v(c.static_routes().read(id!(id)).await),
            ("PUT", ["static-routes", id], None) => v(c
                .static_routes()
                .update(id!(id), p!(StaticRouteParams))
                .await),
            ("DELETE", ["static-routes", id], None) => u(c.static_routes().delete(id!(id)).await),
            ("GET", ["vm-hosts"], None) => v(c.vm_hosts().list().await),
            ("POST", ["vm-hosts"], None) => v(c
                .vm_hosts()
                .create(
                    a.maybe("type")?,
                    a.maybe("power_address")?,
                    p!(VmHostParams without "type", "power_address"),
                )
                .await),
            ("GET", ["vm-hosts", id], None) => v(c.vm_hosts().read(id!(id)).await),
            ("PUT", ["vm-hosts", id], None) => {
                v(c.vm_hosts().update(id!(id), p!(VmHostParams)).await)
            }
            ("DELETE", ["vm-hosts", id], None) => u(c.vm_hosts().delete(id!(id), false).await),
            ("POST", ["vm-hosts", id], Some("refresh")) => v(c.vm_hosts().refresh(id!(id)).await),
            ("POST", ["vm-hosts", id], Some("compose")) => {
                v(c.vm_hosts().compose(id!(id), p!(ComposeParams)).await)
            }
            ("GET", ["vm-hosts", id], Some("parameters")) => {
                v(c.vm_hosts().parameters(id!(id)).await)
            }
            ("POST", ["vm-hosts", id], Some("add_tag")) => {
                v(c.vm_hosts().add_tag(id!(id), a.field("tag")).await)
            }
            ("POST", ["vm-hosts", id], Some("remove_tag")) => {
                v(c.vm_hosts().remove_tag(id!(id), a.field("tag")).await)
            }
            ("GET", ["machines"], None) => v(c
                .machines()
                .list(&MachineFilter::from_pairs(&a.query))
                .await),
            ("POST", ["machines"], None) => v(c.machines().create(p!(CreateMachine)).await),
            ("POST", ["machines"], Some("allocate")) => {
                v(c.machines().allocate(p!(AllocateParams)).await)
            }
            ("POST", ["machines"], Some("release")) => v(c
                .machines()
                .release_many(&a.ids("machines"), a.maybe("comment"))
                .await),
            ("GET", ["machines"], Some("is_registered")) => {
                v(c.machines().is_registered(a.arg("mac_address")).await)
            }
            ("GET", ["machines"], Some("list_allocated")) => v(c.machines().list_allocated().await),
            ("GET", ["machines"], Some("power_parameters")) => {
                let ids: Vec<SystemId> = a
                    .query
                    .iter()
                    .filter(|(n, _)| n == "id")
                    .filter_map(|(_, v)| v.parse().ok())
                    .collect();
                v(c.machines().power_parameters_many(&ids).await)
            }
            ("GET", ["machines", id], None) => v(c.machines().read(&sys(id)).await),
            ("PUT", ["machines", id], None) => {
                v(c.machines().update(&sys(id), p!(UpdateMachine)).await)
            }
            ("DELETE", ["machines", id], None) => u(c.machines().delete(&sys(id)).await),
            ("POST", ["machines", id], Some("commission")) => v(c
                .machines()
                .commission(&sys(id), p!(CommissionParams))
                .await),
            ("POST", ["machines", id], Some("abort")) => {
                v(c.machines().abort(&sys(id), a.maybe("comment")).await)
            }
            ("POST", ["machines", id], Some("deploy")) => {
                v(c.machines().deploy(&sys(id), p!(DeployParams)).await)
            }
            ("POST", ["machines", id], Some("release")) => {
                v(c.machines().release(&sys(id), p!(ReleaseParams)).await)
            }
            ("POST", ["machines", id], Some("power_on")) => {
                v(c.machines().power_on(&sys(id)).await)
            }
            ("POST", ["machines", id], Some("power_off")) => v(c
                .machines()
                .power_off(&sys(id), a.maybe("stop_mode") == Some("soft"))
                .await),
            ("GET", ["machines", id], Some("query_power_state")) => {
                v(c.machines().query_power_state(&sys(id)).await)
            }
            ("GET", ["machines", id], Some("power_parameters")) => {
                v(c.machines().power_parameters(&sys(id)).await)
            }
            (
                "POST",
                ["machines", id],
                Some(op @ ("set_owner_data" | "set_workload_annotations")),
            ) => {
                let pairs = a.form.iter().fold(Pairs::new(), |p, (n, v)| p.with(n, v));
                if op == "set_owner_data" {
                    v(c.machines().set_owner_data(&sys(id), &pairs).await)
                } else {
                    v(c.machines()
                        .set_workload_annotations(&sys(id), &pairs)
                        .await)
                }
            }
            ("POST", ["machines", id], Some("lock")) => {
                v(c.machines().lock(&sys(id), a.maybe("comment")).await)
            }
            ("POST", ["machines", id], Some("unlock")) => {
                v(c.machines().unlock(&sys(id), a.maybe("comment")).await)
            }
            ("POST", ["machines", id], Some("mark_broken")) => {
                v(c.machines().mark_broken(&sys(id), a.maybe("comment")).await)
            }
            ("POST", ["machines", id], Some("mark_fixed")) => {
                v(c.machines().mark_fixed(&sys(id), a.maybe("comment")).await)
            }
            _ => return super::dispatch_more::call(c, a).await,
        },
    )
}

#[allow(dead_code)]
pub(crate) fn all_texts(a: &Asked, name: &str) -> Vec<String> {
    a.texts(name)
}
