//! Machines.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::Result;
use crate::ids::SystemId;
use crate::macros::{at, handle};
use crate::model::{Machine, NodeStatus, PowerParameterMap, PowerQuery, PowerState};
use crate::params::{Pairs, PowerParameters, params};

/// `allocate` may compose a machine, one after another under a lock.
const SLOW: Duration = Duration::from_secs(600);

params! {
    /// Which machines to list. MAAS has neither pages nor limits here.
    MachineFilter {
        /// Names.
        hostname: Vec<String>,
        /// MAC addresses.
        mac_address: Vec<String>,
        /// Ids.
        id: Vec<SystemId>,
        /// States.
        status: Vec<NodeStatus>,
        /// Domain.
        domain: Vec<String>,
        /// Zone.
        zone: Vec<String>,
        /// Pool.
        pool: Vec<String>,
        /// Tags, all of which a machine must have; one that MAAS does not know is an error.
        tags: Vec<String>,
        /// Tags, none of which it may have.
        not_tags: Vec<String>,
        /// The agent that allocated it.
        agent_name: String,
        /// Whether it has power, as MAAS last saw it.
        power_state: PowerState,
        /// The architecture.
        arch: Vec<String>,
    }
}

params! {
    /// A machine to be added.
    CreateMachine {
        /// Its architecture, such as `amd64` (required).
        architecture: String,
        /// The MAC addresses of its interfaces (required).
        mac_addresses: Vec<String>,
        /// Its name.
        hostname: String,
        /// Its domain.
        domain: String,
        /// Free text.
        description: String,
        /// Its power driver, such as `ipmi`.
        power_type: String,
        /// The driver's parameters.
        power_parameters: PowerParameters,
        /// Whether to commission it at once (MAAS's default for a known power driver).
        commission: bool,
        /// It runs already, and is not to be touched (3.1 and later).
        deployed: bool,
        /// The oldest kernel that it may be given.
        min_hwe_kernel: String,
        /// Its pool.
        pool: String,
        /// Its zone.
        zone: String,
    }
}

params! {
    /// What can be changed of a machine.
    UpdateMachine {
        /// Its name.
        hostname: String,
        /// Its domain.
        domain: String,
        /// Its architecture.
        architecture: String,
        /// Free text.
        description: String,
        /// Its zone.
        zone: String,
        /// Its pool.
        pool: String,
        /// Its power driver.
        power_type: String,
        /// The driver's parameters.
        power_parameters: PowerParameters,
        /// Take the power parameters as they are.
        skip_check as "power_parameters_skip_check": bool,
        /// The oldest kernel that it may be given.
        min_hwe_kernel: String,
        /// Cores, where MAAS does not know.
        cpu_count: u32,
        /// Memory in MiB, where MAAS does not know.
        memory: u64,
        /// Swap in bytes.
        swap_size: u64,
    }
}

params! {
    /// How to commission.
    CommissionParams {
        /// Leave it on, and let one log in.
        enable_ssh: bool,
        /// Keep the network's configuration.
        skip_networking: bool,
        /// Keep the storage's configuration.
        skip_storage: bool,
        /// Do not set up a user on the BMC.
        skip_bmc_config: bool,
        /// Scripts, separated by commas; MAAS's own always run.
        commissioning_scripts: String,
        /// Tests, separated by commas; `none` for none.
        testing_scripts: String,
    }
}

params! {
    /// What machine is wanted.
    AllocateParams {
        /// Its name.
        name: String,
        /// Its id: then none is composed.
        system_id: SystemId,
        /// Architecture.
        arch: String,
        /// The least number of cores.
        cpu_count: u32,
        /// The least memory in MiB.
        mem: u64,
        /// Tags that it must have. Composing matches them against the VM host's.
        tags: Vec<String>,
        /// Tags that it may not have.
        not_tags: Vec<String>,
        /// Its zone.
        zone: String,
        /// Zones it may not be in.
        not_in_zone: Vec<String>,
        /// Its pool.
        pool: String,
        /// Pools it may not be in.
        not_in_pool: Vec<String>,
        /// Disks, such as `root:20` (GB).
        storage: String,
        /// Interfaces, such as `0:space=2`.
        interfaces: String,
        /// Subnets it must be in.
        subnets: Vec<String>,
        /// The VM host.
        pod: String,
        /// The VM host it may not be on.
        not_pod: String,
        /// Who allocates: Juju gives its model's UUID.
        agent_name: String,
        /// Goes into the event log.
        comment: String,
        /// Only say which one it would be.
        dry_run: bool,
        /// Say also which constraint matched what.
        verbose: bool,
    }
}

params! {
    /// How to deploy.
    DeployParams {
        /// The release, such as `jammy`.
        distro_series: String,
        /// The operating system.
        osystem: String,
        /// The kernel, such as `ga-22.04`.
        hwe_kernel: String,
        /// User data for cloud-init, already base64; [`DeployParams::cloud_config`] encodes it.
        user_data: String,
        /// Who deploys.
        agent_name: String,
        /// Goes into the event log.
        comment: String,
        /// A bridge over every interface.
        bridge_all: bool,
        /// Their type.
        bridge_type: String,
        /// Their spanning tree.
        bridge_stp: bool,
        /// Their forward delay in seconds.
        bridge_fd: u32,
        /// Make it a rack controller.
        install_rackd: bool,
        /// Make it a virsh host.
        install_kvm: bool,
        /// Make it a VM host.
        register_vmhost: bool,
        /// Run from memory (3.4 and later).
        ephemeral_deploy: bool,
        /// Report its hardware again and again.
        enable_hw_sync: bool,
    }
}

impl DeployParams {
    /// Sets the user data, encoded as every version from 2.9 on wants it.
    #[must_use]
    pub fn cloud_config(self, plain: impl AsRef<[u8]>) -> Self {
        use base64::Engine;
        self.user_data(base64::engine::general_purpose::STANDARD.encode(plain))
    }
}

params! {
    /// How to release.
    ReleaseParams {
        /// Erase the disks.
        erase: bool,
        /// With the disks' own command, where they have it.
        secure_erase: bool,
        /// Only their beginning and end.
        quick_erase: bool,
        /// Release a VM host with its machines.
        force: bool,
        /// Goes into the event log.
        comment: String,
    }
}

handle! {
    /// Machines.
    Machines
}

impl Machines {
    /// The machines that pass the filter.
    pub async fn list(&self, filter: &MachineFilter) -> Result<Vec<Machine>> {
        self.get("machines/").query_params(filter).json().await
    }

    /// One machine.
    pub async fn read(&self, id: &SystemId) -> Result<Machine> {
        self.get(at!["machines", id]).json().await
    }

    /// Adds a machine. By default MAAS commissions it at once.
    ///
    /// # Errors
    /// [`is_already_exists`](crate::Error::is_already_exists) when its MAC address or name is in use, or,
    /// after some 25 s and as a 409 page, when another machine has the same power parameters.
    pub async fn create(&self, params: &CreateMachine) -> Result<Machine> {
        self.post("machines/").params(params).json().await
    }

    /// Changes a machine.
    pub async fn update(&self, id: &SystemId, params: &UpdateMachine) -> Result<Machine> {
        self.put(at!["machines", id]).params(params).json().await
    }

    /// Deletes a machine. A locked one answers an empty 403.
    pub async fn delete(&self, id: &SystemId) -> Result<()> {
        self.del(at!["machines", id]).empty().await
    }

    /// Starts commissioning.
    ///
    /// # Errors
    /// A field error of `__all__` in the wrong state; a text when the image is not imported, or no rack
    /// has it.
    pub async fn commission(&self, id: &SystemId, params: &CommissionParams) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("commission")
            .params(params)
            .json()
            .await
    }

    /// Aborts what the machine is doing. The answer still shows the old state: it changes once the power is off.
    pub async fn abort(&self, id: &SystemId, comment: Option<&str>) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("abort")
            .form("comment", comment)
            .json()
            .await
    }

    /// Takes a machine that fits; where none does, MAAS composes one on a VM host.
    ///
    /// # Errors
    /// [`is_no_machine`](crate::Error::is_no_machine) when none can be had.
    pub async fn allocate(&self, params: &AllocateParams) -> Result<Machine> {
        self.post("machines/")
            .op("allocate")
            .params(params)
            .timeout(SLOW)
            .json()
            .await
    }

    /// Starts deployment; a Ready machine is allocated by it. `Deployed` will mean that the user data was
    /// fetched, not that cloud-init is done.
    pub async fn deploy(&self, id: &SystemId, params: &DeployParams) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("deploy")
            .params(params)
            .json()
            .await
    }

    /// Gives a machine back. One that was composed by `allocate` is deleted by it.
    pub async fn release(&self, id: &SystemId, params: &ReleaseParams) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("release")
            .params(params)
            .json()
            .await
    }

    /// Gives several back; the ids of those that are now being released.
    pub async fn release_many(
        &self,
        ids: &[SystemId],
        comment: Option<&str>,
    ) -> Result<Vec<SystemId>> {
        self.post("machines/")
            .op("release")
            .form("machines", ids)
            .form("comment", comment)
            .json()
            .await
    }

    /// Switches a machine on; it must be allocated.
    pub async fn power_on(&self, id: &SystemId) -> Result<Machine> {
        self.post(at!["machines", id]).op("power_on").json().await
    }

    /// Switches a machine off, softly where asked (`stop_mode=soft`).
    pub async fn power_off(&self, id: &SystemId, soft: bool) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("power_off")
            .form("stop_mode", soft.then_some("soft"))
            .json()
            .await
    }

    /// Asks the BMC. A BMC that cannot be asked is an answer too: [`PowerState::Error`].
    pub async fn query_power_state(&self, id: &SystemId) -> Result<PowerQuery> {
        self.get(at!["machines", id])
            .op("query_power_state")
            .json()
            .await
    }

    /// The power parameters of one machine (with the BMC's password).
    pub async fn power_parameters(&self, id: &SystemId) -> Result<PowerParameterMap> {
        self.get(at!["machines", id])
            .op("power_parameters")
            .secret()
            .json()
            .await
    }

    /// The power parameters of several machines, or of all when no id is given.
    pub async fn power_parameters_many(
        &self,
        ids: &[SystemId],
    ) -> Result<BTreeMap<SystemId, PowerParameterMap>> {
        self.get("machines/")
            .op("power_parameters")
            .secret()
            .query("id", ids)
            .json()
            .await
    }

    /// Sets key-value pairs of the owner; an empty value takes a key away. The machine must be allocated.
    pub async fn set_owner_data(&self, id: &SystemId, data: &Pairs) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("set_owner_data")
            .params(data)
            .repeatable()
            .json()
            .await
    }

    /// Sets annotations of the workload; an empty value takes a key away (3.0 and later).
    pub async fn set_workload_annotations(&self, id: &SystemId, data: &Pairs) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("set_workload_annotations")
            .params(data)
            .repeatable()
            .json()
            .await
    }

    /// Whether some machine has this MAC address.
    pub async fn is_registered(&self, mac: &str) -> Result<bool> {
        self.get("machines/")
            .op("is_registered")
            .query("mac_address", mac)
            .json()
            .await
    }

    /// The machines that the user has allocated.
    pub async fn list_allocated(&self) -> Result<Vec<Machine>> {
        self.get("machines/").op("list_allocated").json().await
    }

    /// Locks a machine: it is neither released nor deleted.
    pub async fn lock(&self, id: &SystemId, comment: Option<&str>) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("lock")
            .form("comment", comment)
            .json()
            .await
    }

    /// Unlocks it.
    pub async fn unlock(&self, id: &SystemId, comment: Option<&str>) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("unlock")
            .form("comment", comment)
            .json()
            .await
    }

    /// Marks a machine as broken.
    pub async fn mark_broken(&self, id: &SystemId, comment: Option<&str>) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("mark_broken")
            .form("comment", comment)
            .json()
            .await
    }

    /// Marks a broken machine as mended.
    pub async fn mark_fixed(&self, id: &SystemId, comment: Option<&str>) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("mark_fixed")
            .form("comment", comment)
            .json()
            .await
    }
}
