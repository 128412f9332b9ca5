//! How MAAS powers machines and talks to LXD, and how Juju gets machines: each over the protocol that the real one uses.

use std::net::IpAddr;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use ipmi_lan::command::boot::{BootDevice, BootOverride};
use ipmi_lan::command::chassis::ChassisControl;
use ipmi_lan::{Credentials, PowerState};
use juju_client::testing::{Instance, Provider, StartInstance};
use lxd_client::{InstanceSource, InstanceStatus, NewInstance, StateAction};
use maas_client::testing as maas;
use serde_json::{Map, Value};

use super::book::Composing;
use super::world::World;

/// What all of them hold of the world: nothing that keeps it open.
#[derive(Clone)]
pub(super) struct Drivers(pub(super) Weak<World>);

fn text<'a>(params: &'a Map<String, Value>, key: &str) -> &'a str {
    params.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl Drivers {
    /// The world, once all of it is there: a reopened system goes on at once with what it was doing.
    async fn world(&self) -> Result<Arc<World>, String> {
        let world = self.0.upgrade().ok_or("the lab is closed")?;
        world.ready.cancelled().await;
        Ok(world)
    }

    /// MAAS's client of the LXD behind a VM host's parameters, trusted by its password where it is not yet.
    async fn lxd(&self, params: &Map<String, Value>) -> Result<lxd_client::Client, String> {
        let world = self.world().await?;
        let address = text(params, "power_address").trim_start_matches("https://");
        let address = if address.contains(':') {
            address.to_owned()
        } else {
            format!("{address}:8443")
        };
        let url: url::Url = format!("https://{address}")
            .parse()
            .map_err(|error| format!("{address}: {error}"))?;
        let proxy = world.wire().url();
        let failed = |error: lxd_client::Error| format!("Failed talking to pod: {error}");
        let fingerprint = lxd_client::Client::look_at_fingerprint(&url, Some(&proxy))
            .await
            .map_err(failed)?;
        let client = lxd_client::Client::https(url, fingerprint)
            .identity(world.maas_identity()?)
            .proxy(proxy)
            .build()
            .map_err(failed)?;
        if !client.server().await.map_err(failed)?.is_trusted() {
            let password = [text(params, "password"), text(params, "power_pass")]
                .into_iter()
                .find(|text| !text.is_empty())
                .unwrap_or_default()
                .to_owned()
                .into();
            client
                .certificates()
                .trust_by_password(&password)
                .await
                .map_err(failed)?;
        }
        let project = text(params, "project");
        let project = if project.is_empty() {
            "default"
        } else {
            project
        };
        if client.projects().get(project).await.is_err() {
            let mut new = lxd_client::Project::named(project);
            for feature in ["features.images", "features.profiles"] {
                new.config.insert(feature.to_owned(), "false".to_owned());
            }
            client
                .projects()
                .create(&new)
                .await
                .map_err(failed)?
                .wait()
                .await
                .map_err(failed)?;
        }
        Ok(client.project(project))
    }
}

#[async_trait]
impl maas::PowerDriver for Drivers {
    async fn power(
        &self,
        power_type: &str,
        params: &Map<String, Value>,
        action: maas::PowerAction,
    ) -> Result<maas::Power, String> {
        match power_type {
            "ipmi" => self.ipmi(params, action).await,
            "lxd" => self.virtual_power(params, action).await,
            _ => Ok(maas::Power::Unknown),
        }
    }
}

impl Drivers {
    async fn ipmi(
        &self,
        params: &Map<String, Value>,
        action: maas::PowerAction,
    ) -> Result<maas::Power, String> {
        let world = self.world().await?;
        let ip: IpAddr = text(params, "power_address")
            .parse()
            .map_err(|_| "no power address".to_owned())?;
        let client = ipmi_lan::Client::builder().build();
        let credentials = Credentials::new(
            text(params, "power_user"),
            text(params, "power_pass").to_owned().into(),
        );
        let bmc = client.bmc(
            world.bmc_socket(ip).ok_or("no route to the BMC")?,
            credentials,
        );
        let failed = |error: ipmi_lan::Error| error.to_string();
        let on = bmc.power_state().await.map_err(failed)? == PowerState::On;
        let control = match action {
            maas::PowerAction::Query => {
                client.close().await;
                return Ok(if on {
                    maas::Power::On
                } else {
                    maas::Power::Off
                });
            }
            maas::PowerAction::On | maas::PowerAction::Cycle => {
                bmc.set_boot(BootOverride::next(BootDevice::Pxe))
                    .await
                    .map_err(failed)?;
                if on {
                    ChassisControl::Cycle
                } else {
                    ChassisControl::On
                }
            }
            maas::PowerAction::Off => ChassisControl::Off,
        };
        let result = bmc.chassis_control(control).await.map_err(failed);
        client.close().await;
        result?;
        Ok(if action == maas::PowerAction::Off {
            maas::Power::Off
        } else {
            maas::Power::On
        })
    }

    async fn virtual_power(
        &self,
        params: &Map<String, Value>,
        action: maas::PowerAction,
    ) -> Result<maas::Power, String> {
        let world = self.world().await?;
        let name = text(params, "instance_name").to_owned();
        let lxd = self.lxd(params).await?;
        let failed = |error: lxd_client::Error| error.to_string();
        let running =
            lxd.instances().get(&name).await.map_err(failed)?.status == InstanceStatus::Running;
        let wanted = match action {
            maas::PowerAction::Query => {
                return Ok(if running {
                    maas::Power::On
                } else {
                    maas::Power::Off
                });
            }
            maas::PowerAction::Off => false,
            maas::PowerAction::On | maas::PowerAction::Cycle => true,
        };
        if wanted && running {
            // A restart boots from the network as a start does.
            world.virtual_machine_started(&name);
        } else if wanted != running {
            let action = if wanted {
                StateAction::Start
            } else {
                StateAction::Stop
            };
            lxd.instances()
                .set_state(&name, action, None, true)
                .await
                .map_err(failed)?
                .wait()
                .await
                .map_err(failed)?;
        }
        Ok(if wanted {
            maas::Power::On
        } else {
            maas::Power::Off
        })
    }
}

#[async_trait]
impl maas::VmHostDriver for Drivers {
    async fn discover(&self, params: &Map<String, Value>) -> Result<maas::HostResources, String> {
        let lxd = self.lxd(params).await?;
        let failed = |error: lxd_client::Error| format!("Failed talking to pod: {error}");
        let resources = lxd.resources().await.map_err(failed)?;
        let mut pools = Vec::new();
        for pool in lxd.storage_pools().list().await.map_err(failed)? {
            let space = lxd
                .storage_pools()
                .resources(&pool.name)
                .await
                .map_err(failed)?;
            pools.push(maas::HostPool {
                name: pool.name.clone(),
                kind: pool.driver.clone(),
                total: space.space.total,
            });
        }
        Ok(maas::HostResources {
            cores: resources.cpu.total,
            memory_mb: resources.memory.total / (1024 * 1024),
            pools,
            version: lxd
                .server()
                .await
                .map_err(failed)?
                .environment
                .server_version
                .clone(),
        })
    }

    async fn compose(
        &self,
        params: &Map<String, Value>,
        spec: &maas::ComposeSpec,
    ) -> Result<maas::Composed, String> {
        let lxd = self.lxd(params).await?;
        let failed = |error: lxd_client::Error| format!("Unable to compose: {error}");
        let composed = |name: String| maas::Composed {
            macs: vec![super::world::mac_of(&name)],
            instance: name,
        };
        let wanted = Composing {
            name: spec.hostname.clone(),
            cores: spec.cores,
            memory_mb: spec.memory_mb,
            disks: spec.disks.clone(),
        };
        // LXD's machine is on the disk before MAAS's is: where the lab was closed between the two, LXD has one that nobody
        // knows. It is taken up rather than made once more, where it is what is wanted.
        let world = self.world().await?;
        if let Some(left) = world.half_composed()
            && lxd.instances().exists(&left.name).await.map_err(failed)?
        {
            if left.is_like(&wanted) {
                return Ok(composed(left.name));
            }
            lxd.instances()
                .delete_forced(&left.name)
                .await
                .map_err(failed)?;
        }
        world.note(|book| book.composing = Some(wanted));
        let mac = super::world::mac_of(&spec.hostname);
        let disk = spec.disks.first().copied().unwrap_or(8_000_000_000);
        let pool = lxd
            .storage_pools()
            .list()
            .await
            .map_err(failed)?
            .first()
            .map(|pool| pool.name.clone())
            .unwrap_or_default();
        let machine = NewInstance::virtual_machine(&spec.hostname, InstanceSource::Empty)
            .limits(
                u32::try_from(spec.cores).unwrap_or(u32::MAX),
                spec.memory_mb,
            )
            .device(
                "root",
                [
                    ("type", "disk"),
                    ("path", "/"),
                    ("pool", pool.as_str()),
                    ("size", disk.to_string().as_str()),
                ],
            )
            .device(
                "eth0",
                [
                    ("type", "nic"),
                    ("name", "eth0"),
                    ("nictype", "bridged"),
                    ("parent", "br0"),
                    ("hwaddr", mac.as_str()),
                ],
            );
        lxd.instances()
            .create(&machine)
            .await
            .map_err(failed)?
            .wait()
            .await
            .map_err(failed)?;
        Ok(composed(spec.hostname.clone()))
    }

    async fn remove(&self, params: &Map<String, Value>, instance: &str) -> Result<(), String> {
        // What is taken away is nobody's to take up.
        let world = self.world().await?;
        world.note(|book| book.composing.take_if(|it| it.name == instance));
        let lxd = self.lxd(params).await?;
        match lxd.instances().delete_forced(instance).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[async_trait]
impl Provider for Drivers {
    async fn start_instance(&self, start: StartInstance) -> Result<Instance, String> {
        let world = self.world().await?;
        let key = format!("{} {}", start.model_uuid, start.machine_id);
        let user = world.admin().ok_or("the region has no administrator")?;
        let region = world.maas();
        // One that was allocated for it before the lab was closed, and not noted any more.
        let known = world.instance(&key).or_else(|| world.orphan(&start));
        let id = match known {
            Some(id) => {
                world.keep_instance(&key, &id);
                id
            }
            None => {
                let wanted = &start.constraints;
                let mut asked = maas::Constraints::new()
                    .with("agent_name", &start.model_uuid)
                    .with("arch", wanted.arch.as_deref().unwrap_or("amd64"));
                if let Some(cores) = wanted.cores {
                    asked = asked.with("cpu_count", cores);
                }
                if let Some(memory) = wanted.mem {
                    asked = asked.with("mem", memory);
                }
                if let Some(disk) = wanted.root_disk {
                    asked = asked.with("storage", format!("root:{}", disk.div_ceil(1024)));
                }
                for tag in wanted.wanted_tags() {
                    asked = asked.with("tags", tag);
                }
                for tag in wanted.unwanted_tags() {
                    asked = asked.with("not_tags", tag);
                }
                if let Some(id) = start
                    .placement
                    .as_deref()
                    .and_then(|placement| placement.strip_prefix("system-id="))
                {
                    asked = asked.with("system_id", id);
                }
                let id = region
                    .allocate_for(&user, &asked)
                    .await
                    .map_err(|(_, said)| said)?;
                world.keep_instance(&key, &id);
                id
            }
        };
        // Status 10: allocated and not yet deployed.
        if region
            .machine(&id)
            .is_some_and(|machine| machine.status == 10)
        {
            let series = if start.base.contains("24.04") {
                "noble"
            } else {
                "jammy"
            };
            let data = format!(
                "#cloud-config\n# juju agent of machine {} in {}\n",
                start.machine_id, start.model_name
            );
            region
                .deploy(&id, &user, series, Some(data.as_bytes()))
                .await
                .map_err(|(_, said)| said)?;
        }
        let machine = region.machine(&id).ok_or("the machine is gone from MAAS")?;
        Ok(Instance {
            system_id: id,
            hostname: machine.hostname,
            addresses: machine.ip_addresses,
        })
    }

    async fn stop_instance(&self, system_id: &str) -> Result<(), String> {
        let world = self.world().await?;
        world.forget_instance(system_id);
        let user = world.admin().ok_or("the region has no administrator")?;
        match world.maas().machine(system_id) {
            None => Ok(()),
            Some(_) => world
                .maas()
                .release(system_id, &user)
                .await
                .map_err(|(_, said)| said),
        }
    }

    async fn instance_running(&self, system_id: &str) -> bool {
        // Status 6: deployed.
        self.world().await.is_ok_and(|world| {
            world
                .maas()
                .machine(system_id)
                .is_some_and(|machine| machine.status == 6)
        })
    }
}

/// The charms' actions that have a say in the world.
#[async_trait]
impl juju_client::testing::Actions for Drivers {
    async fn run(
        &self,
        unit: &str,
        name: &str,
        params: &Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        let world = self.world().await?;
        let mut output = Map::new();
        match name {
            "authorize-charm" => {
                if !world.vault_accepts(text(params, "token")).await {
                    return Err("the token is not valid".to_owned());
                }
                world.authorise_vault();
            }
            "generate-root-ca" | "get-root-ca" => {
                output.insert("output".to_owned(), world.root_ca()?.into());
            }
            "get-admin-password" => {
                output.insert(
                    "admin-password".to_owned(),
                    world.keystone().password().into(),
                );
            }
            _ => return Err(format!("{unit} has no action {name}")),
        }
        Ok(output)
    }
}
