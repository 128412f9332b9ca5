//! How long the lab's systems take. The durations of the thesis's Table 1 are the default of the
//! `deploy` example; they belong to the systems, never to the steps.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Seconds of virtual time that each system takes for its part of the mission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Durations {
    /// Installing the snaps and PostgreSQL (Table 1: Installation, 52 s).
    pub install: f64,
    /// Making the database (Database config, 1 s).
    pub database: f64,
    /// `maas init` (MaaS Initialization, 110 s).
    pub maas_init: f64,
    /// From `maas init` to the region's HTTP server (Await Http Server, 14 s).
    pub http: f64,
    /// From the HTTP server to the image source's cache (MaaS initial config, 42 s).
    pub image_source: f64,
    /// Importing the image and syncing it to the rack (Await image import, 247 s).
    pub image_import: f64,
    /// The mirror's answer with the boot loader's archive (Fetch PXE file, 4 s).
    pub mirror: f64,
    /// From DHCP to the BMCs' leases (Await Nodes IPs, 4 s).
    pub leases: f64,
    /// A BMC's power command until the power state holds (Reset Nodes Power, 48 s).
    pub power: f64,
    /// From power to the machine's first word to the region (Await nodes being visible, 214 s).
    pub enlist: f64,
    /// From that to status New (Await Node status New, 32 s).
    pub new: f64,
    /// Commissioning a machine (Node Commissioning, 592 s).
    pub commission: f64,
    /// Bridging a machine's interface (Create node's bridges, 35 s).
    pub node_bridge: f64,
    /// Commissioning the VM host (Create Lxd Host, 130 s).
    pub vm_host: f64,
    /// Commissioning the Juju machine (Create Juju VM, 300 s).
    pub juju_machine: f64,
    /// Installing the juju client (Juju Installation, 150 s).
    pub juju_client: f64,
    /// Loading the NAT rules (Network Issues, 120 s).
    pub nat: f64,
    /// `juju bootstrap` (Juju Bootstrap, 1210 s).
    pub bootstrap: f64,
    /// From a bundle's submission to its last unit (Juju Bundle Deploy, 6300 s).
    pub bundle: f64,
    /// From a bundle's submission until Vault's unit waits to be initialised. The thesis has no figure; the
    /// charm guide unseals Vault right after MySQL is up, a good quarter into the deployment.
    pub vault_waits: f64,
    /// nova-compute, from its machine on (Nova Compute deploy, 600 s).
    pub compute: f64,
    /// The integrations (Integrations, 15 s).
    pub integrations: f64,
    /// From Vault's initialisation to the last certificate handed out (Configure Vault, 1270 s).
    pub vault: f64,
}

impl Durations {
    /// The thesis's Table 1.
    pub fn table1() -> Self {
        Self {
            install: 52.0,
            database: 1.0,
            maas_init: 110.0,
            http: 14.0,
            image_source: 42.0,
            image_import: 247.0,
            mirror: 4.0,
            leases: 4.0,
            power: 48.0,
            enlist: 214.0,
            new: 32.0,
            commission: 592.0,
            node_bridge: 35.0,
            vm_host: 130.0,
            juju_machine: 300.0,
            juju_client: 150.0,
            nat: 120.0,
            bootstrap: 1210.0,
            bundle: 6300.0,
            vault_waits: 1800.0,
            compute: 600.0,
            integrations: 15.0,
            vault: 1270.0,
        }
    }

    /// Every system answers at once: for tests of what happens, not of how long it takes.
    pub fn instant() -> Self {
        Self {
            install: 0.0,
            database: 0.0,
            maas_init: 0.0,
            http: 0.0,
            image_source: 0.0,
            image_import: 0.0,
            mirror: 0.0,
            leases: 0.0,
            power: 0.0,
            enlist: 0.0,
            new: 0.0,
            commission: 0.0,
            node_bridge: 0.0,
            vm_host: 0.0,
            juju_machine: 0.0,
            juju_client: 0.0,
            nat: 0.0,
            bootstrap: 0.0,
            bundle: 0.0,
            vault_waits: 0.0,
            compute: 0.0,
            integrations: 0.0,
            vault: 0.0,
        }
    }

    /// A figure as a [`Duration`].
    pub(crate) fn seconds(figure: f64) -> Duration {
        Duration::try_from_secs_f64(figure).unwrap_or_default()
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self::table1()
    }
}
