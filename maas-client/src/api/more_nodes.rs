//! What machines, controllers, tags and results have besides.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::api::{Discoveries, Machines, MountParams, Racks, Regions, Results, Tags};
use crate::auth::ApiKey;
use crate::error::Result;
use crate::ids::{BlockDeviceId, SystemId};
use crate::macros::at;
use crate::model::{
    Controller, Device, Machine, Node, NodeDetails, PowerParameterMap, ScanResult, ScriptSet,
    TagRebuild,
};
use crate::params::params;

params! {
    /// How a chassis is reached.
    ChassisParams {
        /// The user.
        username: String,
        /// The password.
        password: secrecy::SecretString,
        /// Machines that it has are accepted at once.
        accept_all: bool,
        /// The rack that asks it.
        rack_controller: String,
        /// Their domain.
        domain: String,
        /// Only machines whose names begin so.
        prefix_filter: String,
        /// How power is controlled, for some.
        power_control: String,
        /// Its port.
        port: u16,
        /// Its protocol.
        protocol: String,
        /// The token's name, for Proxmox.
        token_name: String,
        /// The token's secret, for Proxmox.
        token_secret: secrecy::SecretString,
        /// Whether its certificate is checked.
        verify_ssl: bool,
    }
}

params! {
    /// How storage is laid out.
    StorageLayoutParams {
        /// The boot partition's size.
        boot_size: String,
        /// The root device.
        root_device: BlockDeviceId,
        /// The root partition's size.
        root_size: String,
        /// The volume group's name.
        vg_name: String,
        /// The logical volume's name.
        lv_name: String,
        /// The logical volume's size.
        lv_size: String,
        /// The cache's device.
        cache_device: BlockDeviceId,
        /// The cache's mode.
        cache_mode: String,
        /// The cache's size.
        cache_size: String,
        /// No partition on the cache's device.
        cache_no_part: bool,
    }
}

params! {
    /// How to test.
    TestParams {
        /// Leave it on, and let one log in.
        enable_ssh: bool,
        /// Tests, separated by commas.
        testing_scripts: String,
        /// Parameters of the tests.
        parameters: String,
    }
}

params! {
    /// What of the results to download.
    DownloadParams {
        /// `combined`, `stdout`, `stderr`, `result` or `all`.
        output: String,
        /// `txt` or `tar.xz`.
        filetype: String,
        /// Names, tags or ids of scripts, separated by commas.
        filters: String,
        /// The hardware's type.
        hardware_type: String,
    }
}

params! {
    /// What to forget.
    ClearDiscoveriesParams {
        /// Everything.
        all: bool,
        /// What was heard by mDNS.
        mdns: bool,
        /// What was seen by ARP.
        neighbours: bool,
    }
}

params! {
    /// Where and how to look.
    ScanParams {
        /// Networks.
        cidr: Vec<String>,
        /// Everywhere.
        force: bool,
        /// With ping in place of nmap.
        always_use_ping: bool,
        /// Slowly.
        slow: bool,
        /// With so many threads.
        threads: u32,
    }
}

impl Machines {
    /// Accepts machines that made themselves known.
    pub async fn accept(&self, machines: &[SystemId]) -> Result<Vec<Machine>> {
        self.post("machines/")
            .op("accept")
            .form("machines", machines)
            .json()
            .await
    }

    /// Accepts every machine that made itself known.
    pub async fn accept_all(&self) -> Result<Vec<Machine>> {
        self.post("machines/").op("accept_all").json().await
    }

    /// Adds every machine of a chassis or hypervisor; in the background.
    pub async fn add_chassis(
        &self,
        chassis_type: &str,
        hostname: &str,
        params: &ChassisParams,
    ) -> Result<String> {
        self.post("machines/")
            .op("add_chassis")
            .form("chassis_type", chassis_type)
            .form("hostname", hostname)
            .params(params)
            .text()
            .await
    }

    /// Copies the network or storage configuration of a machine to others.
    pub async fn clone_configuration(
        &self,
        source: &SystemId,
        destinations: &[SystemId],
        storage: bool,
        interfaces: bool,
    ) -> Result<()> {
        self.post("machines/")
            .op("clone")
            .form("source", source)
            .form("destinations", destinations)
            .form("storage", storage)
            .form("interfaces", interfaces)
            .empty()
            .await
    }

    /// Puts machines into a zone.
    pub async fn set_zone(&self, nodes: &[SystemId], zone: &str) -> Result<()> {
        self.post("machines/")
            .op("set_zone")
            .form("nodes", nodes)
            .form("zone", zone)
            .empty()
            .await
    }

    /// What `lshw` and `lldp` found.
    pub async fn details(&self, id: &SystemId) -> Result<NodeDetails> {
        self.get(at!["machines", id]).op("details").details().await
    }

    /// Lets MAAS choose the gateways again.
    pub async fn clear_default_gateways(&self, id: &SystemId) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("clear_default_gateways")
            .json()
            .await
    }

    /// Boots into rescue mode.
    pub async fn rescue_mode(&self, id: &SystemId) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("rescue_mode")
            .json()
            .await
    }

    /// Leaves rescue mode.
    pub async fn exit_rescue_mode(&self, id: &SystemId) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("exit_rescue_mode")
            .json()
            .await
    }

    /// The configuration of its installation, YAML.
    pub async fn curtin_config(&self, id: &SystemId) -> Result<String> {
        self.get(at!["machines", id])
            .op("get_curtin_config")
            .text()
            .await
    }

    /// The key by which it talks to MAAS, where it has one.
    pub async fn token(&self, id: &SystemId) -> Result<Option<ApiKey>> {
        #[derive(serde::Deserialize)]
        struct Answer {
            consumer_key: String,
            token_key: String,
            token_secret: secrecy::SecretString,
        }
        let answer: Option<Answer> = self
            .get(at!["machines", id])
            .op("get_token")
            .secret()
            .json()
            .await?;
        Ok(answer.map(|a| ApiKey::new(a.consumer_key, a.token_key, a.token_secret)))
    }

    /// Mounts a file system in memory.
    pub async fn mount_special(
        &self,
        id: &SystemId,
        fstype: &str,
        mount_point: &str,
        params: &MountParams,
    ) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("mount_special")
            .form("fstype", fstype)
            .form("mount_point", mount_point)
            .params(params)
            .json()
            .await
    }

    /// Unmounts one.
    pub async fn unmount_special(&self, id: &SystemId, mount_point: &str) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("unmount_special")
            .form("mount_point", mount_point)
            .json()
            .await
    }

    /// Takes it as Ready in spite of failed tests.
    pub async fn override_failed_testing(
        &self,
        id: &SystemId,
        comment: Option<&str>,
    ) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("override_failed_testing")
            .form("comment", comment)
            .json()
            .await
    }

    /// Takes back every change of its configuration.
    pub async fn restore_default_configuration(&self, id: &SystemId) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("restore_default_configuration")
            .json()
            .await
    }

    /// Takes back every change of its network.
    pub async fn restore_networking_configuration(&self, id: &SystemId) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("restore_networking_configuration")
            .json()
            .await
    }

    /// Takes back every change of its storage.
    pub async fn restore_storage_configuration(&self, id: &SystemId) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("restore_storage_configuration")
            .json()
            .await
    }

    /// Lays its storage out anew: `flat`, `lvm`, `bcache`, `vmfs7`, `blank`...
    pub async fn set_storage_layout(
        &self,
        id: &SystemId,
        storage_layout: &str,
        params: &StorageLayoutParams,
    ) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("set_storage_layout")
            .form("storage_layout", storage_layout)
            .params(params)
            .json()
            .await
    }

    /// Tests its hardware.
    pub async fn test(&self, id: &SystemId, params: &TestParams) -> Result<Machine> {
        self.post(at!["machines", id])
            .op("test")
            .params(params)
            .json()
            .await
    }
}

impl Racks {
    /// Whether some rack has this MAC address.
    pub async fn is_registered(&self, mac_address: &str) -> Result<bool> {
        self.get("rackcontrollers/")
            .op("is_registered")
            .query("mac_address", mac_address)
            .json()
            .await
    }

    /// The power parameters of several racks.
    pub async fn power_parameters_many(
        &self,
        id: &[SystemId],
    ) -> Result<BTreeMap<SystemId, PowerParameterMap>> {
        self.get("rackcontrollers/")
            .op("power_parameters")
            .secret()
            .query("id", id)
            .json()
            .await
    }

    /// Puts racks into a zone.
    pub async fn set_zone(&self, nodes: &[SystemId], zone: &str) -> Result<()> {
        self.post("rackcontrollers/")
            .op("set_zone")
            .form("nodes", nodes)
            .form("zone", zone)
            .empty()
            .await
    }

    /// Aborts what it is doing.
    pub async fn abort(&self, id: &SystemId, comment: Option<&str>) -> Result<Controller> {
        self.post(at!["rackcontrollers", id])
            .op("abort")
            .form("comment", comment)
            .json()
            .await
    }

    /// What `lshw` and `lldp` found.
    pub async fn details(&self, id: &SystemId) -> Result<NodeDetails> {
        self.get(at!["rackcontrollers", id])
            .op("details")
            .details()
            .await
    }

    /// Passes over failed tests.
    pub async fn override_failed_testing(
        &self,
        id: &SystemId,
        comment: Option<&str>,
    ) -> Result<Controller> {
        self.post(at!["rackcontrollers", id])
            .op("override_failed_testing")
            .form("comment", comment)
            .json()
            .await
    }

    /// Switches it off.
    pub async fn power_off(&self, id: &SystemId, comment: Option<&str>) -> Result<Controller> {
        self.post(at!["rackcontrollers", id])
            .op("power_off")
            .form("comment", comment)
            .json()
            .await
    }

    /// Switches it on.
    pub async fn power_on(&self, id: &SystemId, comment: Option<&str>) -> Result<Controller> {
        self.post(at!["rackcontrollers", id])
            .op("power_on")
            .form("comment", comment)
            .json()
            .await
    }

    /// Tests its hardware.
    pub async fn test(&self, id: &SystemId, params: &TestParams) -> Result<Controller> {
        self.post(at!["rackcontrollers", id])
            .op("test")
            .params(params)
            .json()
            .await
    }
}

impl Regions {
    /// Whether some region controller has this MAC address.
    pub async fn is_registered(&self, mac_address: &str) -> Result<bool> {
        self.get("regioncontrollers/")
            .op("is_registered")
            .query("mac_address", mac_address)
            .json()
            .await
    }

    /// Puts region controllers into a zone.
    pub async fn set_zone(&self, nodes: &[SystemId], zone: &str) -> Result<()> {
        self.post("regioncontrollers/")
            .op("set_zone")
            .form("nodes", nodes)
            .form("zone", zone)
            .empty()
            .await
    }

    /// What `lshw` and `lldp` found.
    pub async fn details(&self, id: &SystemId) -> Result<NodeDetails> {
        self.get(at!["regioncontrollers", id])
            .op("details")
            .details()
            .await
    }

    /// Its power parameters (with the password).
    pub async fn power_parameters(&self, id: &SystemId) -> Result<PowerParameterMap> {
        self.get(at!["regioncontrollers", id])
            .op("power_parameters")
            .secret()
            .json()
            .await
    }
}

impl Tags {
    /// The devices that have it.
    pub async fn devices(&self, name: &str) -> Result<Vec<Device>> {
        self.get(at!["tags", name]).op("devices").json().await
    }

    /// The nodes of any kind that have it.
    pub async fn nodes(&self, name: &str) -> Result<Vec<Node>> {
        self.get(at!["tags", name]).op("nodes").json().await
    }

    /// Gives it anew to what its definition matches.
    pub async fn rebuild(&self, name: &str) -> Result<TagRebuild> {
        self.post(at!["tags", name]).op("rebuild").json().await
    }
}

impl Results {
    /// Says whether failures in it count.
    pub async fn update(&self, node: &SystemId, set: &str, suppressed: bool) -> Result<ScriptSet> {
        self.put(at!["nodes", node, "results", set])
            .form("suppressed", suppressed)
            .json()
            .await
    }

    /// The outputs, as an archive or as text.
    pub async fn download(
        &self,
        node: &SystemId,
        set: &str,
        params: &DownloadParams,
    ) -> Result<Bytes> {
        self.get(at!["nodes", node, "results", set])
            .op("download")
            .query_params(params)
            .bytes()
            .await
    }
}

impl Discoveries {
    /// Forgets what was seen.
    pub async fn clear(&self, params: &ClearDiscoveriesParams) -> Result<()> {
        self.post("discovery/")
            .op("clear")
            .params(params)
            .empty()
            .await
    }

    /// Forgets one neighbour.
    pub async fn clear_by_mac_and_ip(&self, ip: &str, mac: &str) -> Result<()> {
        self.post("discovery/")
            .op("clear_by_mac_and_ip")
            .form("ip", ip)
            .form("mac", mac)
            .empty()
            .await
    }

    /// Looks now. A scan of everything wants `force`.
    pub async fn scan(&self, params: &ScanParams) -> Result<ScanResult> {
        self.post("discovery/")
            .op("scan")
            .params(params)
            .json()
            .await
    }
}
