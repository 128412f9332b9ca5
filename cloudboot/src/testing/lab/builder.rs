//! Starting the lab: the first day of a world, or a day after it.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use ipmi_lan::Privilege;
use ipmi_lan::testing::{BmcSpec, Simulator, User};
use maas_client::testing::{FakeRegion, RackSpec};
use serde_json::Value;

use super::book::Book;
use super::drivers::Drivers;
use super::faults::Faults;
use super::folder::Folder;
use super::host_events::HostEvents;
use super::operator::write_operator;
use super::real_vault::RealVault;
use super::turns::Turns;
use super::world::{SeenCall, World, node_name};
use super::{Durations, Lab, LabClock, LabError, mirror};
use crate::testing::hooks::{self, Hooks};
use crate::testing::lab_host::{Hardware, HostDurations, LabHostServer};
use crate::testing::wire::Wire;
use crate::testing::{dashboard, keystone, nova, vault};

/// The path of LXD's socket on the host.
pub(super) const LXD_SOCKET: &str = "var/snap/lxd/common/lxd/unix.socket";

/// What the lab is made of.
pub struct LabBuilder {
    folder: PathBuf,
    speed: f64,
    nodes: usize,
    durations: Durations,
    hardware: Hardware,
    seen: Option<SeenCall>,
    vault: Option<url::Url>,
}

impl LabBuilder {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            speed: 600.0,
            nodes: 2,
            durations: Durations::table1(),
            hardware: Hardware::default(),
            seen: None,
            vault: None,
        }
    }

    /// Virtual seconds a real second; 600 unless it is said otherwise.
    #[must_use]
    pub fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// How many compute nodes are racked: two, as the thesis had. Counts on a world's first day only.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// How long the systems take: the thesis's Table 1 unless it is said otherwise.
    #[must_use]
    pub fn durations(mut self, durations: Durations) -> Self {
        self.durations = durations;
        self
    }

    /// What the controller machine is made of. Counts on a world's first day only.
    #[must_use]
    pub fn hardware(mut self, hardware: Hardware) -> Self {
        self.hardware = hardware;
        self
    }

    /// Sees every call of every system before and after it is acted upon, and may decide what becomes of it.
    #[must_use]
    pub fn on_call(mut self, seen: SeenCall) -> Self {
        self.seen = Some(seen);
        self
    }

    /// A real Vault on this machine in place of the lab's own.
    #[must_use]
    pub fn vault_at(mut self, url: url::Url) -> Self {
        self.vault = Some(url);
        self
    }

    /// Opens the world.
    ///
    /// # Errors
    /// Its folder can't be read or written, or a socket not be opened.
    pub async fn start(self) -> Result<Lab, LabError> {
        let attempted = format!("open the lab in {}", self.folder.display());
        let failed = |error: std::io::Error| LabError::new(attempted.clone(), error);
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let root = self.folder.canonicalize().map_err(failed)?;
        // A unix socket's path has 107 bytes (unix(7)).
        if root.join("host").join(LXD_SOCKET).as_os_str().len() > 107 {
            return Err(LabError::new(
                attempted,
                "its path is too long for the sockets inside: take a shorter one, such as /tmp/lab",
            ));
        }
        let folder = Folder::open(&root.join("world")).map_err(failed)?;
        let saved = folder
            .load("clock")
            .map_err(failed)?
            .and_then(|clock| clock["now"].as_f64())
            .unwrap_or(0.0);
        let clock = LabClock::resume(Durations::seconds(saved), self.speed);
        let book = match folder.load("book").map_err(failed)? {
            Some(value) => serde_json::from_value(value)
                .map_err(|error| LabError::new(attempted.clone(), error))?,
            None => Book {
                nodes: self.nodes,
                bmc_password: "calvin-17".to_owned(),
                ..Book::default()
            },
        };
        let real_vault = self.vault.as_ref().map(RealVault::at).transpose();
        let real_vault = real_vault.map_err(|error| LabError::new(attempted.clone(), error))?;
        let world = Arc::new(World {
            folder,
            host_root: root.join("host"),
            clock,
            faults: Faults::default(),
            seen: self.seen,
            calls: Mutex::default(),
            book: Mutex::new(book),
            noting: Mutex::default(),
            wire: OnceLock::new(),
            host: OnceLock::new(),
            maas: OnceLock::new(),
            bmcs: OnceLock::new(),
            lxd: Mutex::default(),
            juju: Mutex::default(),
            vault: OnceLock::new(),
            real_vault,
            keystone: OnceLock::new(),
            dashboard: OnceLock::new(),
            nova: OnceLock::new(),
            mirror: Mutex::default(),
            identity: OnceLock::new(),
            closed: AtomicBool::new(false),
            ready: tokio_util::sync::CancellationToken::new(),
        });
        world.note(|book| {
            book.durations = self.durations;
            book.epoch.get_or_insert_with(jiff::Timestamp::now);
        });
        start_systems(&world, self.hardware)
            .await
            .map_err(|error| LabError::new(attempted.clone(), error))?;
        let operator = write_operator(&world, &root.join("operator")).map_err(failed)?;
        let ticking = Arc::downgrade(&world);
        let ticker = tokio::spawn(async move {
            // A tick does what is due; the systems do what is theirs by themselves whenever they are asked.
            let mut turns = Turns::default();
            while let Some(world) = Weak::upgrade(&ticking) {
                world.tick(&mut turns).await;
                world.clock.keeps_up();
                drop(world);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Ok(Lab {
            world,
            operator,
            ticker,
        })
    }
}

/// Keeps a system's state whenever it changes.
pub(super) fn changed(
    world: &Arc<World>,
    name: &'static str,
    snapshot: fn(&World) -> Option<Value>,
) -> Arc<dyn Fn() + Send + Sync> {
    let world = Arc::downgrade(world);
    // One at a time from the look to the file: of two changes at once the later one stays.
    let order = std::sync::Mutex::new(());
    Arc::new(move || {
        let _one = order
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(world) = world.upgrade()
            && let Some(state) = snapshot(&world)
        {
            world.save(name, &state);
        }
    })
}

/// A tap of a client's fake, in terms of the lab's.
macro_rules! tap {
    ($world:expr, $system:literal, $fake:path) => {
        tap!($world, $system, $fake, |status, headers, body| {
            use $fake as fake;
            fake::Verdict::Answer(status, headers, Vec::<u8>::into(body))
        })
    };
    ($world:expr, $system:literal, $fake:path, $answer:expr) => {{
        use $fake as fake;
        let world = Arc::downgrade($world);
        let tap: fake::Tap = Arc::new(move |phase, call| {
            let (world, call) = (world.clone(), format!(concat!($system, " {}"), call));
            Box::pin(async move {
                let Some(world) = world.upgrade() else {
                    return fake::Verdict::Continue;
                };
                let phase = match phase {
                    fake::Phase::Before => hooks::Phase::Before,
                    fake::Phase::After => hooks::Phase::After,
                };
                match world.pass(phase, call).await {
                    hooks::Verdict::Continue => fake::Verdict::Continue,
                    hooks::Verdict::Drop => fake::Verdict::Drop,
                    hooks::Verdict::Answer(status, headers, body) => $answer(status, headers, body),
                }
            })
        });
        tap
    }};
}
pub(super) use tap;

pub(super) fn juju_tap(world: &Arc<World>) -> juju_client::testing::Tap {
    tap!(world, "juju", juju_client::testing)
}

pub(super) fn hooks_of(world: &Arc<World>, tap: hooks::Tap, changed: hooks::Changed) -> Hooks {
    Hooks {
        clock: world.clock.as_fn(),
        tap,
        changed,
    }
}

async fn start_systems(world: &Arc<World>, hardware: Hardware) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let load = |name: &str| world.folder.load(name).map_err(text);
    let durations = world.read(|book| book.durations.clone());

    let wire = Wire::start(0).await.map_err(text)?;
    let archive = mirror::archive().map_err(text)?;
    let checksum = mirror::sha256(&archive);
    world.note(|book| book.mirror_sha256 = checksum);
    let delay = Durations::seconds(durations.mirror / world.clock.speed());
    let (mirror_addr, mirror_task) = mirror::serve(archive, delay).await.map_err(text)?;
    wire.route(mirror::ADDRESS, mirror_addr);
    if let Ok(mut task) = world.mirror.lock() {
        *task = Some(mirror_task);
    }

    // MAAS. Its rack has the controller's internal address.
    let mut region = FakeRegion::builder()
        .clock(world.clock.as_fn())
        .durations(maas_durations(&durations))
        .tap(tap!(world, "maas", maas_client::testing))
        .changed(changed(world, "maas", |world| {
            world.maas.get().map(FakeRegion::snapshot)
        }))
        .power(Arc::new(Drivers(Arc::downgrade(world))))
        .vm_hosts(Arc::new(Drivers(Arc::downgrade(world))))
        .rack(RackSpec {
            hostname: hardware.hostname.clone(),
            interface: "br0".to_owned(),
            addresses: vec![hardware.internal_address.clone()],
            cores: u64::from(hardware.cores),
            memory_mb: hardware.memory_mib,
            ..RackSpec::default()
        })
        .uninitialised();
    if let Some(saved) = load("maas")? {
        region = region.state(saved);
    }
    let region = region.start().await.map_err(text)?;
    if load("maas-blank")?.is_none() {
        world.save("maas-blank", &region.snapshot());
    }
    for address in ["127.0.1.1:5240", "10.42.0.1:5240"] {
        wire.route(address, region.addr());
    }
    let _ = world.maas.set(region);

    // The racked machines' BMCs, each on a free port.
    let password = world.read(|book| book.bmc_password.clone());
    let nodes = world.read(|book| book.nodes);
    // A BMC drops a session that is silent for 60 s (IPMI 2.0, 6.12.15): of its own time, but for the packets, which
    // travel in real time.
    let silence = Duration::from_secs(60)
        .div_f64(world.clock.speed().max(1.0))
        .max(Duration::from_secs(3));
    let specs = (0..nodes).map(|index| {
        let mut spec = BmcSpec::new(node_name(index)).users([User::new(
            "root",
            &password,
            Privilege::Administrator,
        )]);
        spec.session_timeout = silence;
        spec
    });
    let lasting = ipmi_lan::testing::Durations {
        power_on: Durations::seconds(durations.power),
        power_off: Duration::ZERO,
        soft_off: Duration::ZERO,
        cycle: Duration::ZERO,
        reset: Duration::ZERO,
        // Boot flags expire after 60 s of the time that their setter lives in.
        boot_flags: Duration::from_secs(60).mul_f64(world.clock.speed().max(1.0)),
    };
    let events = Arc::downgrade(world);
    let mut builder = Simulator::builder()
        .bmcs(specs)
        .clock(world.clock.as_fn())
        .durations(lasting)
        .tap(tap!(world, "bmc", ipmi_lan::testing, |_, _, _| {
            fake::Verdict::Drop
        }))
        .on_power(Arc::new(move |event| {
            if let Some(world) = events.upgrade() {
                world.powered(&event);
            }
        }))
        .changed(changed(world, "bmcs", |world| {
            world.bmcs.get().map(Simulator::snapshot)
        }));
    if let Some(saved) = load("bmcs")? {
        builder = builder.snapshot(saved);
    }
    let _ = world
        .bmcs
        .set(builder.start().await.map_err(|error| error.to_string())?);

    // What the cloud brings.
    let start = |name: &'static str, snapshot: fn(&World) -> Option<Value>, tap: hooks::Tap| {
        hooks_of(world, tap, changed(world, name, snapshot))
    };
    let mut builder = vault::Fake::builder().hooks(start(
        "vault",
        |world| world.vault.get().map(vault::Fake::snapshot),
        tap!(world, "vault", crate::testing::hooks),
    ));
    if let Some(saved) = load("vault")? {
        builder = builder.restore(saved);
    }
    let _ = world.vault.set(builder.start().await.map_err(text)?);
    let tap = tap!(world, "keystone", crate::testing::hooks);
    let mut builder = keystone::Fake::builder().hooks(start(
        "keystone",
        |world| world.keystone.get().map(keystone::Fake::snapshot),
        tap,
    ));
    builder = match load("keystone")? {
        Some(saved) => builder.restore(saved),
        None => builder
            .admin("admin", "admin_domain", "lab-keystone-password")
            .project("admin", "admin_domain"),
    };
    let keystone = builder.start().await.map_err(text)?;
    let tap = tap!(world, "nova", crate::testing::hooks);
    let mut builder = nova::Fake::builder()
        .hooks(start(
            "nova",
            |world| world.nova.get().map(nova::Fake::snapshot),
            tap,
        ))
        .tokens(keystone.token_check());
    if let Some(saved) = load("nova")? {
        builder = builder.restore(saved);
    }
    let _ = world.nova.set(builder.start().await.map_err(text)?);
    let _ = world.keystone.set(keystone);
    let tap = tap!(world, "dashboard", crate::testing::hooks);
    let mut builder = dashboard::Fake::builder().hooks(start(
        "dashboard",
        |world| world.dashboard.get().map(dashboard::Fake::snapshot),
        tap,
    ));
    if let Some(saved) = load("dashboard")? {
        builder = builder.restore(saved);
    }
    let _ = world.dashboard.set(builder.start().await.map_err(text)?);
    let _ = world.wire.set(wire);
    if load("cloud-blank")?.is_none() {
        world.save("cloud-blank", &world.cloud());
    }

    // The controller machine, and what was installed on it.
    let tap = tap!(world, "host", crate::testing::hooks);
    let host = LabHostServer::builder(&world.host_root)
        .hooks(start(
            "host",
            |world| world.host.get().map(LabHostServer::snapshot),
            tap,
        ))
        .world(Arc::new(HostEvents(Arc::downgrade(world))))
        .durations(host_durations(&durations, world.clock.speed()))
        .hardware(hardware)
        .state(load("host")?.unwrap_or(Value::Null));
    let host = host.start().await.map_err(|error| error.to_string())?;
    let _ = world.host.set(host);
    if world.read(|book| book.snaps.contains_key("lxd")) {
        world.start_lxd().await?;
        world.route_lxd();
    }
    world.ready.cancel();
    if let Some(saved) = load("juju")? {
        world.start_juju(Some(saved), None).await?;
    }
    Ok(())
}

fn maas_durations(all: &Durations) -> maas_client::testing::Durations {
    let seconds = Durations::seconds;
    maas_client::testing::Durations {
        http_up: seconds(all.http),
        cache_fill: seconds(all.image_source),
        import: seconds(all.image_import * 0.9),
        rack_sync: seconds(all.image_import * 0.1),
        enlist: seconds(all.enlist + all.new),
        commission: seconds(all.commission),
        commission_vm: seconds(all.juju_machine),
        deploy: seconds(if all.bootstrap > 0.0 { 180.0 } else { 0.0 }),
        vmhost_ready: seconds(all.vm_host),
        ..maas_client::testing::Durations::default()
    }
}

fn host_durations(all: &Durations, speed: f64) -> HostDurations {
    let seconds = Durations::seconds;
    let mut durations = HostDurations {
        maas_init: seconds(all.maas_init),
        rollback_stretch: Some(speed.max(1.0)),
        ..HostDurations::default()
    };
    for snap in ["maas", "lxd"] {
        durations
            .snap_install
            .insert(snap.to_owned(), seconds(all.install));
    }
    durations
        .apt_install
        .insert("postgresql-14".to_owned(), seconds(all.install));
    durations
}
