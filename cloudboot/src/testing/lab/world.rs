//! The world: the systems, and the causes between them.
//!
//! What one system's change means for another is worked out from the systems' states whenever the world ticks, and
//! is idempotent: a world that was killed between a cause and its effect has the effect when it is reopened.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::future::BoxFuture;
use ipmi_lan::testing::{PowerEvent, PowerEventKind, Simulator};
use juju_client::testing::{FakeController, VaultState};
use maas_client::testing::{FakeRegion, MachineSpec};
use serde_json::{Value, json};

use super::LabClock;
use super::book::{Book, Composing};
use super::faults::Faults;
use super::folder::Folder;
use super::real_vault::RealVault;
use super::turns::Turns;
use crate::testing::hooks::{Phase, Verdict};
use crate::testing::lab_host::LabHostServer;
use crate::testing::wire::Wire;
use crate::testing::{dashboard, keystone, nova, vault};

/// Told of every call of every system, before and after it is acted upon, by name.
pub type SeenCall = Arc<dyn Fn(Phase, &str) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// The systems. Each is there from the first day; some do not answer before they are installed.
pub(super) struct World {
    pub(super) folder: Folder,
    pub(super) host_root: PathBuf,
    pub(super) clock: LabClock,
    pub(super) faults: Faults,
    pub(super) seen: Option<SeenCall>,
    pub(super) calls: Mutex<BTreeMap<String, u64>>,
    pub(super) book: Mutex<Book>,
    /// Held from a change of the book until it is on the disk.
    pub(super) noting: Mutex<()>,
    pub(super) wire: OnceLock<Wire>,
    pub(super) host: OnceLock<LabHostServer>,
    pub(super) maas: OnceLock<FakeRegion>,
    pub(super) bmcs: OnceLock<Simulator>,
    pub(super) lxd: Mutex<Option<lxd_client::testing::Fake>>,
    pub(super) juju: Mutex<Option<(FakeController, String)>>,
    pub(super) vault: OnceLock<vault::Fake>,
    /// In place of it.
    pub(super) real_vault: Option<RealVault>,
    pub(super) keystone: OnceLock<keystone::Fake>,
    pub(super) dashboard: OnceLock<dashboard::Fake>,
    pub(super) nova: OnceLock<nova::Fake>,
    pub(super) mirror: Mutex<Option<tokio::task::JoinHandle<()>>>,
    pub(super) identity: OnceLock<lxd_client::Identity>,
    pub(super) closed: std::sync::atomic::AtomicBool,
    /// Cancelled, that is to say reached, when every system is there.
    pub(super) ready: tokio_util::sync::CancellationToken,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A MAC address that is always the same for a name; locally administered (IEEE 802, clause 8).
pub(super) fn mac_of(name: &str) -> String {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(name.as_bytes());
    format!("00:16:3e:{:02x}:{:02x}:{:02x}", hash[0], hash[1], hash[2])
}

/// The system that was not started yet when somebody asked for it.
pub(super) fn missing<T>(what: Option<&T>) -> &T {
    match what {
        Some(there) => there,
        // The builder starts every system before it hands the lab out.
        None => unreachable!("a system of the lab is used before the lab is started"),
    }
}

impl World {
    pub(super) fn host_root(&self) -> &Path {
        &self.host_root
    }

    pub(super) fn clock(&self) -> &LabClock {
        &self.clock
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn wire(&self) -> &Wire {
        missing(self.wire.get())
    }

    pub(super) fn maas(&self) -> &FakeRegion {
        missing(self.maas.get())
    }

    pub(super) fn bmcs(&self) -> &Simulator {
        missing(self.bmcs.get())
    }

    /// Where a BMC of the world really listens.
    pub(super) fn bmc_socket(&self, ip: IpAddr) -> Option<SocketAddr> {
        let nodes = self.read(|book| book.nodes);
        let index = (0..nodes).find(|index| bmc_ip(*index) == ip)?;
        self.bmcs().addrs().get(index).copied()
    }

    pub(super) fn vault(&self) -> &vault::Fake {
        missing(self.vault.get())
    }

    pub(super) fn keystone(&self) -> &keystone::Fake {
        missing(self.keystone.get())
    }

    pub(super) fn juju(&self) -> Option<FakeController> {
        lock(&self.juju).as_ref().map(|(fake, _)| fake.clone())
    }

    /// The controller's state, with its address in the world.
    pub(super) fn juju_state(&self) -> Option<Value> {
        lock(&self.juju)
            .as_ref()
            .map(|(fake, address)| super::inside::kept(fake.snapshot(), address))
    }

    /// The date of the world's first day.
    pub(super) fn epoch(&self) -> jiff::Timestamp {
        self.read(|book| book.epoch).unwrap_or_default()
    }

    /// The book, changed and kept.
    pub(super) fn note<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        // What is written last is what was noted last.
        let _one = lock(&self.noting);
        let (result, value) = {
            let mut book = lock(&self.book);
            let result = change(&mut book);
            (result, serde_json::to_value(&*book).unwrap_or_default())
        };
        self.save("book", &value);
        result
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&lock(&self.book))
    }

    /// Keeps a system's state, and the time with it.
    pub(super) fn save(&self, name: &str, state: &Value) {
        if self.closed.load(std::sync::atomic::Ordering::SeqCst) {
            return;
        }
        let clock = json!({"now": self.clock.now().as_secs_f64()});
        for (name, value) in [(name, state), ("clock", &clock)] {
            if let Err(error) = self.folder.save(name, value) {
                tracing::error!(name, %error, "the lab's world could not be saved");
            }
        }
    }

    /// Passes a call by the lab's hand: counted, shown, and perhaps met by a fault.
    pub(super) async fn pass(&self, phase: Phase, call: String) -> Verdict {
        if phase == Phase::Before {
            *lock(&self.calls).entry(call.clone()).or_default() += 1;
        }
        if let Some(seen) = &self.seen {
            match seen(phase, &call).await {
                Verdict::Continue => {}
                other => return other,
            }
        }
        self.faults.judge(phase, &call).await
    }

    pub(super) fn admin(&self) -> Option<String> {
        self.read(|book| book.admin.clone())
    }

    pub(super) fn instance(&self, key: &str) -> Option<String> {
        let id = self.read(|book| book.instances.get(key).cloned())?;
        self.maas().machine(&id).map(|_| id)
    }

    pub(super) fn keep_instance(&self, key: &str, id: &str) {
        self.note(|book| book.instances.insert(key.to_owned(), id.to_owned()));
    }

    /// A machine that MAAS holds for a model, that fits, and that no machine of the model is known to be.
    pub(super) fn orphan(&self, start: &juju_client::testing::StartInstance) -> Option<String> {
        let taken = self.read(|book| book.instances.values().cloned().collect::<Vec<_>>());
        let wanted = &start.constraints;
        let fits = |machine: &maas_client::testing::MachineView| {
            machine.agent_name == start.model_uuid
                && !taken.contains(&machine.system_id)
                && machine.cores >= wanted.cores.unwrap_or(0)
                && machine.memory_mb >= wanted.mem.unwrap_or(0)
                && wanted
                    .wanted_tags()
                    .iter()
                    .all(|tag| machine.tags.iter().any(|has| has == tag))
                && !wanted
                    .unwanted_tags()
                    .iter()
                    .any(|tag| machine.tags.iter().any(|has| has == tag))
        };
        self.maas()
            .machines()
            .into_iter()
            .find(fits)
            .map(|machine| machine.system_id)
    }

    /// The VM whose composition was cut short, as by the lab's closing: LXD may have it, MAAS does not know it.
    pub(super) fn half_composed(&self) -> Option<Composing> {
        let left = self.read(|book| book.composing.clone())?;
        let known = self.maas().machines();
        let is_known = known
            .iter()
            .any(|machine| machine.instance.as_ref() == Some(&left.name));
        (!is_known).then_some(left)
    }

    pub(super) fn forget_instance(&self, id: &str) {
        self.note(|book| book.instances.retain(|_, known| known != id));
    }

    /// MAAS's certificate towards LXD, the same after a reopening.
    pub(super) fn maas_identity(&self) -> Result<lxd_client::Identity, String> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity.clone());
        }
        let kept = self.read(|book| book.maas_certificate.clone());
        let identity = match kept {
            Some((certificate, key)) => lxd_client::Identity::from_pem(&certificate, key.into()),
            None => lxd_client::Identity::generate("maas"),
        };
        let identity = identity.map_err(|error| error.to_string())?;
        use secrecy::ExposeSecret as _;
        let pair = (
            identity.certificate_pem().to_owned(),
            identity.key_pem().expose_secret().to_owned(),
        );
        self.note(|book| book.maas_certificate = Some(pair));
        Ok(self.identity.get_or_init(|| identity).clone())
    }

    /// A VM has been started: its firmware boots from the network.
    pub(super) fn virtual_machine_started(&self, name: &str) {
        let mac = mac_of(name);
        self.maas().machine_booted(&mac);
    }

    /// A racked machine's power changed.
    pub(super) fn powered(&self, event: &PowerEvent) {
        if event.kind == PowerEventKind::Off {
            self.note(|book| book.booting.retain(|_, index| *index != event.index));
            return;
        }
        let mac = mac_of(&event.name);
        self.note(|book| book.booting.insert(mac, event.index));
    }

    /// Whether Vault knows a token.
    pub(super) async fn vault_accepts(&self, token: &str) -> bool {
        match &self.real_vault {
            Some(real) => real.accepts(token).await,
            None => self.vault().accepts(token),
        }
    }

    /// Where Vault is, whether it is initialised and sealed, and its root CA.
    fn vault_stands(&self) -> (SocketAddr, bool, bool, Option<crate::testing::ca::RootCa>) {
        match &self.real_vault {
            Some(real) => (
                real.addr,
                real.is_initialised(),
                real.is_sealed(),
                real.ca(),
            ),
            None => {
                let fake = self.vault();
                (
                    fake.addr(),
                    fake.is_initialised(),
                    fake.is_sealed(),
                    fake.root_ca(),
                )
            }
        }
    }

    /// The charm has its token.
    pub(super) fn authorise_vault(&self) {
        if let Some(juju) = self.juju() {
            juju.vault_state(VaultState::Authorised);
        }
    }

    /// The root CA, generated at the first asking; from then on the cloud's services have certificates.
    pub(super) fn root_ca(&self) -> Result<String, String> {
        let ca = match &self.real_vault {
            Some(real) => real.generate()?,
            // The same one if it was made before.
            None => self
                .vault()
                .generate_root_ca()
                .map_err(|error| error.to_string())?,
        };
        if let Some(juju) = self.juju() {
            juju.vault_state(VaultState::HasRootCa);
        }
        Ok(ca.cert_pem.clone())
    }

    /// Everything that follows from how things stand.
    pub(super) async fn tick(self: &Arc<Self>, turns: &mut Turns) {
        let world = || Arc::clone(self);
        let (host, maas) = (world(), world());
        turns
            .take("host", async move {
                missing(host.host.get()).advance().await;
            })
            .await;
        turns
            .take("maas", async move { maas.maas().tick().await })
            .await;
        self.loaders();
        self.leases();
        self.netboot();
        let lxd = lock(&self.lxd).as_ref().map(|fake| fake.handle());
        if let Some(lxd) = lxd {
            let handle = lxd.clone();
            turns
                .take("lxd", async move { handle.advance().await })
                .await;
            self.route_lxd();
            let (world, handle) = (Arc::clone(self), lxd.clone());
            turns
                .take("inside", async move { world.inside(&handle).await })
                .await;
            let world = Arc::clone(self);
            turns
                .take("native", async move { world.natives(&lxd).await })
                .await;
        }
        if let Some(real) = &self.real_vault {
            real.look().await;
        }
        if let Some(juju) = self.juju() {
            let controller = juju.clone();
            turns
                .take("juju", async move { controller.advance().await })
                .await;
            self.services(&juju);
        } else {
            self.forget_cloud();
        }
        self.bury();
    }

    /// LXD's HTTPS, once it listens.
    pub(super) fn route_lxd(&self) {
        let address = lock(&self.lxd).as_ref().and_then(|fake| fake.https_addr());
        if let Some(address) = address {
            self.wire().route("10.42.0.1:8443", address);
        }
    }

    /// What runs on a machine is gone with it: the controller, and what the cloud brought.
    fn bury(&self) {
        let address = lock(&self.juju)
            .as_ref()
            .map(|(_, address)| address.clone());
        if let Some(address) = address {
            let ip = address
                .rsplit_once(':')
                .map_or(address.as_str(), |(ip, _)| ip)
                .to_owned();
            if !self
                .maas()
                .machines()
                .iter()
                .any(|machine| machine.ip_addresses.contains(&ip))
            {
                *lock(&self.juju) = None;
                self.folder.remove("juju");
                self.wire().unroute(&address);
                self.note(|book| book.instances.clear());
            }
        }
    }

    /// MAAS 3.4 lays the boot loaders beside the images that it has.
    fn loaders(&self) {
        let folder = self
            .host_root
            .join("var/snap/maas/common/maas/boot-resources/current/bootloader/pxe/i386");
        if self.read(|book| book.snaps.contains_key("maas"))
            && self.maas().has_images()
            && !folder.exists()
        {
            let loader = folder.join("lpxelinux.0");
            if let Err(error) = std::fs::create_dir_all(&folder)
                .and_then(|()| std::fs::write(loader, b"the loader that MAAS brings"))
            {
                tracing::error!(%error, "the lab's boot loader could not be laid out");
            }
        }
    }

    /// BMCs ask for an address as soon as somebody gives them.
    fn leases(&self) {
        if !self.maas().serves_dhcp("10.42.0.1") {
            return;
        }
        let now = self.clock.now();
        let (due, nodes) = self.read(|book| (book.leases_at, book.nodes));
        match due {
            None => {
                let after = super::Durations::seconds(self.read(|book| book.durations.leases));
                self.note(|book| book.leases_at = Some(now + after));
            }
            Some(due) if due <= now && due != std::time::Duration::MAX => {
                for index in 0..nodes {
                    self.maas()
                        .add_lease(&bmc_ip(index).to_string(), &self.bmc_mac(index));
                }
                self.note(|book| book.leases_at = Some(std::time::Duration::MAX));
            }
            Some(_) => {}
        }
    }

    fn bmc_mac(&self, index: usize) -> String {
        mac_of(&format!("bmc of {}", node_name(index)))
    }

    /// Powered machines boot from the network once there is one to boot from.
    fn netboot(&self) {
        for (mac, index) in self.read(|book| book.booting.clone()) {
            let known = self.maas().machine_booted(&mac);
            if !known {
                if !self.maas().serves_dhcp("10.42.0.1") {
                    continue;
                }
                self.maas().enlist(self.machine(index, &mac));
            }
            self.note(|book| book.booting.remove(&mac));
        }
    }

    fn machine(&self, index: usize, mac: &str) -> MachineSpec {
        let parameters = json!({
            "power_address": bmc_ip(index).to_string(),
            "power_user": "root",
            "power_pass": self.read(|book| book.bmc_password.clone()),
            "power_driver": "LAN_2_0",
        });
        MachineSpec {
            macs: vec![mac.to_owned()],
            architecture: "amd64".to_owned(),
            cores: 32,
            memory_mb: 128 * 1024,
            disks: vec![480_000_000_000],
            power_type: "ipmi".to_owned(),
            power_parameters: parameters.as_object().cloned().unwrap_or_default(),
            ..MachineSpec::default()
        }
    }

    /// Where the cloud's services are reached, and what Vault's state means for its charm.
    fn services(&self, juju: &FakeController) {
        let state = juju.snapshot();
        let (vault, initialised, sealed, ca) = self.vault_stands();
        let units = units_of(&state, "vault");
        if units.is_empty() {
            self.forget_cloud();
        }
        for ip in units {
            self.wire().route(&format!("{ip}:8200"), vault);
            let seen = juju.vault();
            let is = match (initialised, sealed) {
                (false, _) => VaultState::Uninitialised,
                (true, true) => VaultState::Sealed,
                // What the charm has come to since, the actions say.
                (true, false) => seen.max(VaultState::Unsealed),
            };
            if is != seen {
                juju.vault_state(is);
            }
        }
        let (keystone, dashboard) = (self.keystone(), missing(self.dashboard.get()));
        for ip in units_of(&state, "keystone") {
            self.wire().route(&format!("{ip}:5000"), keystone.addr());
            if let (Some(ca), Ok(address)) = (&ca, ip.parse::<IpAddr>())
                && !keystone.is_tls()
            {
                keystone.register("identity", "keystone", &format!("https://{ip}:5000/v3"));
                let _ = keystone.serve_tls(ca, &[address]);
            }
        }
        for ip in units_of(&state, "nova-cloud-controller") {
            let nova = missing(self.nova.get());
            self.wire().route(&format!("{ip}:8774"), nova.addr());
            if let (Some(ca), Ok(address)) = (&ca, ip.parse::<IpAddr>())
                && keystone.is_tls()
                && !nova.is_tls()
            {
                keystone.register("compute", "nova", &format!("https://{ip}:8774/v2.1"));
                let _ = nova.serve_tls(ca, &[address]);
            }
        }
        for ip in units_of(&state, "openstack-dashboard") {
            self.wire().route(&format!("{ip}:443"), dashboard.addr());
            if let (Some(ca), Ok(address)) = (&ca, ip.parse::<IpAddr>())
                && !dashboard.is_tls()
            {
                let _ = dashboard.serve_tls(ca, &[address]);
            }
        }
    }

    pub(super) fn route_juju(&self, address: &str, fake: &FakeController) {
        self.wire().route(address, fake.addr());
    }

    /// Nothing is saved from here on: the folder may be gone.
    pub(super) fn close(&self) {
        self.closed.store(true, std::sync::atomic::Ordering::SeqCst);
        if let Some(task) = lock(&self.mirror).take() {
            task.abort();
        }
        // Whoever still holds the world must not take the socket away from the one that is opened next on the folder.
        lock(&self.lxd).take();
    }
}

pub(super) fn objects(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|map| map.values())
}

/// The addresses of the units of a charm, in a controller's saved state.
fn units_of(state: &Value, charm: &str) -> Vec<String> {
    let mut addresses = Vec::new();
    for model in objects(state.get("models")) {
        let machines = model.get("machines");
        for app in objects(model.get("apps")) {
            let url = app.get("charm").and_then(Value::as_str).unwrap_or_default();
            let name = url.rsplit('/').next().unwrap_or_default();
            let name = name
                .rsplit_once('-')
                .filter(|(_, revision)| revision.parse::<u32>().is_ok())
                .map_or(name, |(name, _)| name);
            let name = name.rsplit(':').next().unwrap_or(name);
            if name != charm {
                continue;
            }
            for unit in objects(app.get("units")) {
                let machine = unit
                    .get("machine")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let instance = machines
                    .and_then(|machines| machines.get(machine))
                    .and_then(|machine| machine.get("instance"));
                let address = instance
                    .and_then(|instance| instance.get("addresses"))
                    .and_then(|list| list.get(0))
                    .and_then(Value::as_str);
                addresses.extend(address.map(str::to_owned));
            }
        }
    }
    addresses
}

/// The name of a racked machine's BMC.
pub(super) fn node_name(index: usize) -> String {
    format!("rack1-u{}", index + 1)
}

/// The address of a BMC in the world, 10.42.192.11 and on: its lease.
pub(super) fn bmc_ip(index: usize) -> IpAddr {
    let number = u32::try_from(index).unwrap_or(0);
    IpAddr::V4((0x0a2a_c00b + number).into())
}
