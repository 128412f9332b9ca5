//! VM hosts.

use std::time::Duration;

use secrecy::SecretString;

use crate::call::Call;
use crate::error::Result;
use crate::ids::VmHostId;
use crate::macros::at;
use crate::model::{Composed, PowerParameterMap, VmHost};
use crate::params::params;

/// Operations that talk to the VM host's hypervisor are given this long.
const SLOW: Duration = Duration::from_secs(600);

params! {
    /// A VM host to be added or changed.
    VmHostParams {
        /// Its name.
        name: String,
        /// Its pool.
        pool: String,
        /// Its zone.
        zone: String,
        /// Its tags, separated by commas.
        tags: String,
        /// Where its hypervisor answers (`https://10.0.0.1:8443`).
        power_address: String,
        /// The trust password of LXD (`power_pass` is passed over for LXD).
        password: SecretString,
        /// The SSH password of virsh.
        power_pass: SecretString,
        /// The user of virsh.
        power_user: String,
        /// The LXD project.
        project: String,
        /// A client certificate in PEM form that LXD trusts already.
        certificate: String,
        /// Its private key in PEM form.
        key: SecretString,
        /// How often each core may be given.
        cpu_over_commit_ratio: f64,
        /// How often memory may be given.
        memory_over_commit_ratio: f64,
        /// The storage pool used where none is named.
        default_storage_pool: String,
        /// The mode of macvlan interfaces.
        default_macvlan_mode: String,
    }
}

params! {
    /// A machine to be composed.
    ComposeParams {
        /// Cores.
        cores: u32,
        /// Memory in MiB.
        memory: u64,
        /// Its name.
        hostname: String,
        /// Disks, such as `root:20` (GB).
        storage: String,
        /// Interfaces, such as `eth0:subnet_cidr=10.0.0.0/24`.
        interfaces: String,
        /// Its architecture.
        architecture: String,
        /// The least processor speed in MHz.
        cpu_speed: u32,
        /// Host cores to pin to.
        pinned_cores: Vec<u32>,
        /// Memory in huge pages.
        hugepages_backed: bool,
        /// Its domain.
        domain: String,
        /// Its zone.
        zone: String,
        /// Its pool.
        pool: String,
        /// Do not commission it (`true`), so that it is Ready at once.
        skip_commissioning: bool,
    }
}

/// VM hosts (pods, in MAAS's older word).
#[derive(Clone, Debug)]
pub struct VmHosts {
    client: crate::Client,
    base: &'static str,
}

impl crate::Client {
    /// VM hosts.
    pub fn vm_hosts(&self) -> VmHosts {
        VmHosts {
            client: self.clone(),
            base: "vm-hosts",
        }
    }

    /// VM hosts by the name that they had before MAAS 2.9.
    pub fn pods(&self) -> VmHosts {
        VmHosts {
            client: self.clone(),
            base: "pods",
        }
    }
}

impl VmHosts {
    fn get(&self, path: impl AsRef<str>) -> Call {
        self.client.raw(http::Method::GET, path.as_ref())
    }

    fn post(&self, path: impl AsRef<str>) -> Call {
        self.client.raw(http::Method::POST, path.as_ref())
    }

    fn put(&self, path: impl AsRef<str>) -> Call {
        self.client.raw(http::Method::PUT, path.as_ref())
    }

    fn del(&self, path: impl AsRef<str>) -> Call {
        self.client.raw(http::Method::DELETE, path.as_ref())
    }
}

impl VmHosts {
    /// All of them.
    pub async fn list(&self) -> Result<Vec<VmHost>> {
        self.get(at![self.base]).json().await
    }

    /// Adds a VM host. MAAS saves it even when nothing answers at its address: wait until
    /// [`is_usable`](VmHost::is_usable), and [`refresh`](Self::refresh) to learn what is wrong.
    ///
    /// # Errors
    /// [`is_already_exists`](crate::Error::is_already_exists) for the second time: list first.
    pub async fn create(
        &self,
        kind: &str,
        power_address: &str,
        params: &VmHostParams,
    ) -> Result<VmHost> {
        // What virsh calls `power_pass`, LXD calls `password`, and MAAS passes the other over in silence:
        // the VM host would be saved and never trusted.
        let trust = match &params.password {
            None if kind == "lxd" => params.power_pass.as_ref(),
            _ => None,
        };
        self.post(at![self.base])
            .form("type", kind)
            .form("power_address", power_address)
            .params(params)
            .form("password", trust)
            .timeout(SLOW)
            .json()
            .await
    }

    /// One VM host.
    pub async fn read(&self, id: VmHostId) -> Result<VmHost> {
        self.get(at![self.base, id]).json().await
    }

    /// Changes a VM host.
    pub async fn update(&self, id: VmHostId, params: &VmHostParams) -> Result<VmHost> {
        self.put(at![self.base, id]).params(params).json().await
    }

    /// Deletes a VM host; its machines too when `decompose` is set.
    pub async fn delete(&self, id: VmHostId, decompose: bool) -> Result<()> {
        self.del(at![self.base, id])
            .query("decompose", decompose.then_some(true))
            .timeout(SLOW)
            .empty()
            .await
    }

    /// Asks the hypervisor anew.
    ///
    /// # Errors
    /// 503 "Failed talking to pod" says why it could not be reached.
    pub async fn refresh(&self, id: VmHostId) -> Result<VmHost> {
        self.post(at![self.base, id])
            .op("refresh")
            .timeout(SLOW)
            .repeatable()
            .json()
            .await
    }

    /// Composes a machine.
    pub async fn compose(&self, id: VmHostId, params: &ComposeParams) -> Result<Composed> {
        self.post(at![self.base, id])
            .op("compose")
            .params(params)
            .timeout(SLOW)
            .json()
            .await
    }

    /// How MAAS reaches the hypervisor: it holds MAAS's client certificate with its private key.
    pub async fn parameters(&self, id: VmHostId) -> Result<PowerParameterMap> {
        self.get(at![self.base, id])
            .op("parameters")
            .secret()
            .json()
            .await
    }

    /// Adds a tag.
    pub async fn add_tag(&self, id: VmHostId, tag: &str) -> Result<VmHost> {
        self.post(at![self.base, id])
            .op("add_tag")
            .form("tag", tag)
            .json()
            .await
    }

    /// Takes a tag away.
    pub async fn remove_tag(&self, id: VmHostId, tag: &str) -> Result<VmHost> {
        self.post(at![self.base, id])
            .op("remove_tag")
            .form("tag", tag)
            .json()
            .await
    }
}
