//! The graph of the whole mission.

use std::sync::Arc;

use juju_client::Client as Juju;
use maas_client::{Client as Maas, SystemId, VmHostId};

use super::access::AccessParameters;
use super::bridges::NodeBridges;
use super::bundle::DeployBundle;
use super::capacity::CheckCapacity;
use super::controller::{Controller, JujuClient};
use super::controller_bridge::ControllerBridge;
use super::converge::Converge;
use super::database::Database;
use super::first_config::{Dns, MachineNetwork, Network, SelectImage, SshKey};
use super::images::AwaitImage;
use super::install::{InstallPostgres, InstallSnap};
use super::juju_machine::JujuMachine;
use super::model::Model;
use super::nat::Nat;
use super::nodes::{Commission, Enlist, Node};
use super::power::{FindBmcs, PowerOn};
use super::pxe::PxeLoader;
use super::region::{Administrator, AwaitHttp, InitRegion};
use super::vault::{Authorise, Initialise, RootCa, Unseal, Vault};
use super::vm_host::{CreateVmHost, LxdInit};
use super::{Site, bundle};
use crate::engine::store::SqliteStore;
use crate::engine::{DirSecretStore, Engine, EngineBuilder, Error, Graph, Handle, StepId};
use crate::openstack::Access;

/// The mission's graph, and the handles by which an embedder's own steps join it.
#[derive(Debug)]
pub struct Mission {
    /// The steps and what they need.
    pub graph: Graph,
    /// The outputs that others may want.
    pub handles: Handles,
    /// Where it happens.
    pub site: Arc<Site>,
}

/// Handles to the outputs of the mission's steps.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Handles {
    /// MAAS, with the administrator's key.
    pub maas: Handle<Maas>,
    /// The machines' network in MAAS.
    pub network: Handle<MachineNetwork>,
    /// The image is there.
    pub image: Handle<()>,
    /// The commissioned compute nodes.
    pub nodes: Handle<Vec<Node>>,
    /// Their bridges are there.
    pub bridges: Handle<()>,
    /// LXD, initialised.
    pub lxd: Handle<lxd_client::Client>,
    /// The VM host.
    pub vm_host: Handle<VmHostId>,
    /// The Juju machine.
    pub juju_machine: Handle<SystemId>,
    /// Juju's controller.
    pub controller: Handle<Juju>,
    /// The model of the cloud.
    pub model: Handle<Juju>,
    /// The model holds the bundle.
    pub bundle: Handle<()>,
    /// The root CA of the cloud's certificates, in PEM.
    pub root_ca: Handle<String>,
    /// Every unit is active and idle.
    pub converged: Handle<()>,
    /// The access parameters.
    pub access: Handle<Access>,
}

impl Mission {
    /// The mission of a site.
    ///
    /// # Errors
    /// The bundle can't be read, or the configuration has a deadline for a step that there is not.
    pub fn new(site: Site) -> Result<Self, Error> {
        let site = Arc::new(site);
        let bundle = Arc::new(bundle::read(&site.config)?);
        let mission = Self::assemble(site, bundle);
        let ids = mission.graph.ids();
        let names: Vec<&str> = ids.iter().map(StepId::as_str).collect();
        mission
            .site
            .config
            .check_step_names(&names)
            .map_err(|faults| {
                Error::terminal("read the configuration", faults.to_string()).because(faults)
            })?;
        Ok(mission)
    }

    /// An engine for it, with the configuration's limits, its journal and its secrets in the deployment's folder.
    ///
    /// # Errors
    /// The folder, the journal or the secret store can't be opened.
    pub async fn engine(self) -> Result<EngineBuilder, Error> {
        let config = &self.site.config;
        let folder = &config.state_dir;
        std::fs::create_dir_all(folder).map_err(|error| {
            Error::terminal(
                format!("make the folder {}", folder.display()),
                error.to_string(),
            )
            .next("set state_dir to a folder that can be written")
        })?;
        let store = SqliteStore::open(folder.join("journal.sqlite")).await?;
        let secrets = DirSecretStore::open(folder.join("secrets"))?;
        Ok(Engine::builder(self.graph)
            .deployment(config.deployment.clone())
            .store(Arc::new(store))
            .secrets(Arc::new(secrets))
            .limits(config.limits.0.clone()))
    }

    fn assemble(site: Arc<Site>, bundle: Arc<juju_client::Bundle>) -> Self {
        let s = || Arc::clone(&site);
        let mut graph = Graph::new();
        let g = &mut graph;

        let capacity = g.add(
            CheckCapacity {
                site: s(),
                bundle: bundle.clone(),
            },
            (),
        );

        // 1, 11, 13: the controller itself, its network before anything that looks at it.
        let channel = site.config.maas.channel.clone();
        let maas_snap = g.add(
            InstallSnap {
                site: s(),
                id: "host.maas",
                name: "maas",
                channel,
            },
            (),
        );
        let channel = site.config.lxd.channel.clone();
        let lxd_snap = g.add(
            InstallSnap {
                site: s(),
                id: "host.lxd",
                name: "lxd",
                channel,
            },
            (),
        );
        let postgresql = g.add(InstallPostgres { site: s() }, ());
        let bridge = g.add(ControllerBridge { site: s() }, ());
        let nat = g.add(Nat { site: s() }, ());
        for first in [&maas_snap, &lxd_snap, &postgresql, &bridge] {
            g.after(first, &capacity);
        }
        g.after(&nat, &bridge);

        // 2 to 5: the region.
        let database = g.add(Database { site: s() }, (&postgresql,));
        let init = g.add(InitRegion { site: s() }, (&maas_snap, &database));
        g.after(&init, &bridge);
        let http = g.add(AwaitHttp { site: s() }, (&init,));
        let maas = g.add(Administrator { site: s() }, (&http,));
        g.add(Dns { site: s() }, (&maas,));
        let ssh_key = g.add(SshKey { site: s() }, (&maas,));
        let selected = g.add(SelectImage { site: s() }, (&maas,));
        let network = g.add(Network { site: s() }, (&maas,));

        // 6 to 10: the machines.
        let image = g.add(AwaitImage { site: s() }, (&maas, &selected, &network));
        let pxe = g.add(PxeLoader { site: s() }, (&image,));
        let bmcs = g.add(FindBmcs { site: s() }, (&maas, &network));
        let power = g.add(PowerOn { site: s() }, (&maas, &bmcs, &image, &pxe));
        let enlisted = g.add(Enlist { site: s() }, (&maas, &bmcs, &power));
        let nodes = g.add(Commission { site: s() }, (&maas, &enlisted, &image, &nat));
        g.after(&nodes, &ssh_key);
        let bridges = g.add(NodeBridges { site: s() }, (&maas, &nodes, &network));

        // 11, 12: the VM host and the Juju machine.
        let lxd = g.add(LxdInit { site: s() }, (&lxd_snap, &bridge));
        let vm_host = g.add(CreateVmHost { site: s() }, (&maas, &lxd, &bridge));
        let juju_machine = g.add(JujuMachine { site: s() }, (&maas, &vm_host, &image));

        // 14, 15: Juju and the bundle.
        let juju_client = g.add(JujuClient { site: s() }, (&lxd, &network, &nat));
        let controller = g.add(
            Controller { site: s() },
            (&maas, &lxd, &juju_machine, &juju_client, &nat),
        );
        let model = g.add(Model { site: s() }, (&controller, &network, &maas));
        let deployed = g.add(
            DeployBundle {
                site: s(),
                bundle: bundle.clone(),
            },
            (&model, &maas, &vm_host, &bridges),
        );

        // 16: Vault, beside the rest of the bundle.
        let shared = Vault {
            site: s(),
            bundle: bundle.clone(),
        };
        let units = g.add(Initialise(shared.clone()), (&model, &deployed));
        let unsealed = g.add(Unseal(shared.clone()), (&units,));
        let authorised = g.add(Authorise(shared.clone()), (&model, &units, &unsealed));
        let root_ca = g.add(RootCa(shared), (&model, &authorised));

        // 17, 18: the cloud.
        let converged = g.add(Converge { site: s() }, (&model, &deployed, &root_ca));
        let access = g.add(
            AccessParameters { site: s(), bundle },
            (&model, &root_ca, &converged),
        );

        let handles = Handles {
            maas,
            network,
            image,
            nodes,
            bridges,
            lxd,
            vm_host,
            juju_machine,
            controller,
            model,
            bundle: deployed,
            root_ca,
            converged,
            access,
        };
        Self {
            graph,
            handles,
            site,
        }
    }
}
