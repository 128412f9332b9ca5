//! A fake region over real sockets: MAAS's JSON, texts, statuses and order of states, as recorded on a
//! region of version 3.4.10.
//!
//! It stands alone (power and VM hosts then always work, and what is switched on boots at once), or is
//! tied to other fakes by a [`PowerDriver`], a [`VmHostDriver`], and the causes that [`FakeRegion`] takes.
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use maas_client::testing::FakeRegion;
//!
//! let region = FakeRegion::builder().start().await?;
//! region.create_admin("admin", "password", "admin@example.com");
//! let maas = maas_client::Client::builder(region.url()).api_key(region.api_key("admin").parse()?).build()?;
//! assert_eq!(maas.version().await?.version, "3.4.10");
//! # Ok(()) }
//! ```

mod allocate;
mod basics;
mod boot;
mod defaults;
mod interfaces;
mod machines;
mod network;
mod oauth;
mod progress;
mod render;
mod reply;
mod server;
mod standin;
mod state;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use types::*;

use reply::{R, missing, no_rack};
use state::State;

/// What all connections and tasks of a region share.
pub(crate) struct Shared {
    state: Mutex<State>,
    durations: Mutex<Durations>,
    clock: Clock,
    tap: Mutex<Option<Tap>>,
    changed: Mutex<Option<Changed>>,
    power: Arc<dyn PowerDriver>,
    /// Without a driver of its own, what is switched on boots at once.
    boots_itself: bool,
    vm_hosts: Arc<dyn VmHostDriver>,
    allocating: tokio::sync::Mutex<()>,
    in_flight: Mutex<BTreeSet<String>>,
    me: std::sync::Weak<Shared>,
}

/// A fake region controller. It stops when it is dropped.
pub struct FakeRegion {
    shared: Arc<Shared>,
    addr: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

/// Builds a [`FakeRegion`].
pub struct FakeRegionBuilder {
    addr: SocketAddr,
    clock: Option<Clock>,
    durations: Durations,
    tap: Option<Tap>,
    changed: Option<Changed>,
    power: Option<Arc<dyn PowerDriver>>,
    vm_hosts: Option<Arc<dyn VmHostDriver>>,
    state: Option<Value>,
    version: Option<String>,
    rack: RackSpec,
    asleep: bool,
}

/// The machine that the region and its rack run on.
#[derive(Clone, Debug)]
pub struct RackSpec {
    /// Its name.
    pub hostname: String,
    /// Its MAC address.
    pub mac: String,
    /// Its interface's name.
    pub interface: String,
    /// Its addresses with their prefix length, such as `10.42.0.1/16`: each makes a subnet.
    pub addresses: Vec<String>,
    /// Its cores.
    pub cores: u64,
    /// Its memory in MiB.
    pub memory_mb: u64,
}

impl Default for RackSpec {
    fn default() -> Self {
        Self {
            hostname: "vm".into(),
            mac: "7a:07:79:b5:5c:3f".into(),
            interface: "eth0".into(),
            addresses: vec!["10.70.0.1/24".into()],
            cores: 8,
            memory_mb: 15918,
        }
    }
}

impl FakeRegionBuilder {
    /// Listens here; by default on a free port of the loopback.
    #[must_use]
    pub fn addr(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// Takes its time from here; by default from the real clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How long things last; by default no time at all.
    #[must_use]
    pub fn durations(mut self, durations: Durations) -> Self {
        self.durations = durations;
        self
    }

    /// Lets every request pass this.
    #[must_use]
    pub fn tap(mut self, tap: Tap) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Is called after each change of state, before the answer goes out.
    #[must_use]
    pub fn changed(mut self, changed: Changed) -> Self {
        self.changed = Some(changed);
        self
    }

    /// Powers machines by this. Then machines boot only when [`FakeRegion::machine_booted`] says so.
    #[must_use]
    pub fn power(mut self, driver: Arc<dyn PowerDriver>) -> Self {
        self.power = Some(driver);
        self
    }

    /// Talks to VM hosts by this.
    #[must_use]
    pub fn vm_hosts(mut self, driver: Arc<dyn VmHostDriver>) -> Self {
        self.vm_hosts = Some(driver);
        self
    }

    /// Goes on from a [`FakeRegion::snapshot`].
    #[must_use]
    pub fn state(mut self, snapshot: Value) -> Self {
        self.state = Some(snapshot);
        self
    }

    /// Says that it is this version, such as `3.5.1`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Runs on this machine.
    #[must_use]
    pub fn rack(mut self, rack: RackSpec) -> Self {
        self.rack = rack;
        self
    }

    /// Begins before `maas init`: nothing is initialised and nothing answers until
    /// [`FakeRegion::initialise`] and [`FakeRegion::set_serving`].
    #[must_use]
    pub fn uninitialised(mut self) -> Self {
        self.asleep = true;
        self
    }

    /// Starts the region.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the snapshot is none.
    pub async fn start(self) -> std::io::Result<FakeRegion> {
        let listener = TcpListener::bind(self.addr).await?;
        let addr = listener.local_addr()?;
        let began = Instant::now();
        let clock = self
            .clock
            .unwrap_or_else(|| Arc::new(move || began.elapsed()));
        let restored = self.state.is_some();
        let mut state = match self.state {
            Some(value) => serde_json::from_value(value).map_err(std::io::Error::other)?,
            None => State::default(),
        };
        if let Some(version) = self.version {
            state.version = version;
        }
        if !restored {
            state.rack = state::Rack {
                hostname: self.rack.hostname.clone(),
                mac: self.rack.mac.clone(),
                interface: self.rack.interface.clone(),
                addresses: self.rack.addresses.iter().map(|a| (a.clone(), 0)).collect(),
                cores: self.rack.cores,
                memory_mb: self.rack.memory_mb,
                ..state::Rack::default()
            };
        }
        state.now = clock();
        let shared = Arc::new_cyclic(|me| Shared {
            state: Mutex::new(state),
            durations: Mutex::new(self.durations),
            clock,
            tap: Mutex::new(self.tap),
            changed: Mutex::new(self.changed),
            boots_itself: self.power.is_none(),
            power: self
                .power
                .unwrap_or_else(|| Arc::new(standin::AlwaysPower::default())),
            vm_hosts: self
                .vm_hosts
                .unwrap_or_else(|| Arc::new(standin::SpareHost::default())),
            allocating: tokio::sync::Mutex::new(()),
            in_flight: Mutex::new(BTreeSet::new()),
            me: me.clone(),
        });
        if !restored && !self.asleep {
            shared.initialise();
            let mut s = shared.lock();
            s.serving = true;
        }
        let tasks = vec![
            tokio::spawn(accept(listener, shared.clone())),
            tokio::spawn(run(shared.clone())),
        ];
        Ok(FakeRegion {
            shared,
            addr,
            tasks,
        })
    }
}

/// Takes connections.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // The connections end with this task.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                if !shared.answers() {
                    // As near to "connection refused" as an open socket comes.
                    drop(stream);
                    continue;
                }
                let _ = stream.set_nodelay(true);
                let shared = shared.clone();
                connections.spawn(async move {
                    let service = hyper::service::service_fn(move |request| server::serve(shared.clone(), request));
                    let io = hyper_util::rt::TokioIo::new(stream);
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Lets time pass, and does the power actions that are ordered.
async fn run(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        shared.tick().await;
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        let mut s = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        s.now = s.now.max((self.clock)());
        s
    }

    pub(crate) fn now(&self) -> Duration {
        (self.clock)()
    }

    pub(crate) fn durations(&self) -> Durations {
        *self
            .durations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tap(&self) -> Option<Tap> {
        self.tap
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Tells whoever wants to know that the state changed.
    pub(crate) fn changed(&self) {
        let changed = self
            .changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(changed) = changed {
            changed();
        }
    }

    pub(crate) fn answers(&self) -> bool {
        let s = self.lock();
        s.serving && s.initialised && s.now >= s.serving_from
    }

    /// Brings the state to the present, and starts the power actions that are ordered.
    pub(crate) async fn tick(&self) {
        let now = self.now();
        let durations = self.durations();
        let mut removals = Vec::new();
        let (changed, ordered) = {
            let mut s = self.lock();
            let changed = progress::advance(&mut s, &durations, now, &mut removals);
            let mut in_flight = self
                .in_flight
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let ordered: Vec<(String, PowerAction, String, Map<String, Value>)> = s
                .machines
                .iter()
                .filter(|m| !in_flight.contains(&m.system_id))
                .filter_map(|m| {
                    Some((
                        m.system_id.clone(),
                        m.power?,
                        m.power_type.clone(),
                        m.power_parameters.clone(),
                    ))
                })
                .collect();
            in_flight.extend(ordered.iter().map(|o| o.0.clone()));
            (changed, ordered)
        };
        self.remove(removals);
        if let Some(shared) = self.me.upgrade() {
            for (id, action, kind, parameters) in ordered {
                let shared = shared.clone();
                tokio::spawn(async move { shared.do_power(id, action, &kind, &parameters).await });
            }
        }
        if changed {
            self.changed();
        }
    }

    async fn do_power(
        &self,
        id: String,
        action: PowerAction,
        kind: &str,
        parameters: &Map<String, Value>,
    ) {
        let connected = self.lock().rack.connected;
        let outcome = if connected {
            self.power.power(kind, parameters, action).await
        } else {
            Err("no rack controller is connected".to_owned())
        };
        let durations = self.durations();
        let mut removals = Vec::new();
        {
            let mut s = self.lock();
            let boots = outcome.is_ok()
                && matches!(action, PowerAction::On | PowerAction::Cycle)
                && self.boots_itself;
            // Another action may have been ordered meanwhile: then it is still to be done.
            let ordered = s.machine(&id).and_then(|m| m.power);
            let replaced = ordered != Some(action);
            progress::power_done(&mut s, &durations, &id, action, outcome, &mut removals);
            if replaced && let Some(m) = s.machine_mut(&id) {
                m.power = ordered;
            }
            if boots && !replaced {
                progress::booted(&mut s, &durations, &id);
            }
            self.in_flight
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
        }
        self.remove(removals);
        self.changed();
    }

    /// Takes machines off their VM hosts, in the background.
    pub(crate) fn remove(&self, removals: Vec<progress::Removal>) {
        let Some(shared) = self.me.upgrade() else {
            return;
        };
        for (host, instance) in removals {
            let parameters = self
                .lock()
                .vm_hosts
                .iter()
                .find(|v| v.id == host)
                .map(|v| v.parameters.clone());
            let shared = shared.clone();
            if let Some(parameters) = parameters {
                tokio::spawn(async move {
                    let _ = shared
                        .vm_hosts
                        .remove(&allocate::for_driver(&parameters), &instance)
                        .await;
                });
            }
        }
    }

    /// `op=query_power_state`: the BMC is asked there and then.
    pub(crate) async fn query_power(&self, id: &str) -> R {
        let (kind, parameters) = {
            let s = self.lock();
            let m = s.machine(id).ok_or_else(|| missing("Machine"))?;
            if !s.rack.connected {
                return Err(no_rack(&s.rack.system_id));
            }
            (m.power_type.clone(), m.power_parameters.clone())
        };
        let outcome = if kind == "manual" || kind.is_empty() {
            Ok(Power::Unknown)
        } else {
            self.power
                .power(&kind, &parameters, PowerAction::Query)
                .await
        };
        let mut s = self.lock();
        let ordered = s.machine(id).and_then(|m| m.power);
        progress::power_done(
            &mut s,
            &self.durations(),
            id,
            PowerAction::Query,
            outcome,
            &mut Vec::new(),
        );
        if let Some(m) = s.machine_mut(id) {
            m.power = ordered;
        }
        let state = s
            .machine(id)
            .map_or_else(|| "unknown".to_owned(), |m| m.power_state.clone());
        Ok(reply::json_ok(&json!({ "state": state })))
    }

    fn initialise(&self) {
        let durations = self.durations();
        let mut s = self.lock();
        if s.initialised {
            return;
        }
        s.initialised = true;
        s.count("region");
        for (name, email) in [
            ("MAAS", "maas@localhost"),
            ("maas-init-node", "node-init-user@localhost"),
        ] {
            s.users.push(state::User {
                username: name.into(),
                email: email.into(),
                internal: true,
                ..state::User::default()
            });
        }
        let addresses: Vec<String> = s.rack.addresses.iter().map(|a| a.0.clone()).collect();
        s.rack.addresses.clear();
        for (n, address) in addresses.iter().enumerate() {
            let Ok(net) = address.parse::<ipnet::IpNet>() else {
                continue;
            };
            let vlan = if n == 0 { 1 } else { own_fabric(&mut s) };
            let subnet = network::add_subnet(&mut s, &net.trunc().to_string(), vlan);
            s.rack.addresses.push((net.addr().to_string(), subnet));
        }
        boot::add_source(
            &mut s,
            &durations,
            "http://images.maas.io/ephemeral-v3/stable/",
            "/snap/maas/current/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg",
            "",
        );
    }
}

fn own_fabric(s: &mut State) -> i64 {
    let fabric = s.next_id("fabric");
    s.fabrics.push(state::Fabric {
        id: fabric,
        name: format!("fabric-{fabric}"),
        class_type: None,
    });
    s.reserve_id("vlan", 1);
    let id = s.next_id("vlan");
    s.vlans.push(state::Vlan {
        id,
        fabric,
        vid: 0,
        name: "untagged".into(),
        mtu: 1500,
        ..state::Vlan::default()
    });
    id
}

impl Drop for FakeRegion {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl std::fmt::Debug for FakeRegion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeRegion")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

impl FakeRegion {
    /// Sets one up.
    pub fn builder() -> FakeRegionBuilder {
        FakeRegionBuilder {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            clock: None,
            durations: Durations::default(),
            tap: None,
            changed: None,
            power: None,
            vm_hosts: None,
            state: None,
            version: None,
            rack: RackSpec::default(),
            asleep: false,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its URL, ending in `/MAAS/`.
    pub fn url(&self) -> String {
        format!("http://{}/MAAS/", self.addr)
    }

    /// The whole state.
    pub fn snapshot(&self) -> Value {
        self.shared.lock().to_value()
    }

    /// Takes a state in place of its own.
    ///
    /// # Errors
    /// When it is none.
    pub fn restore(&self, snapshot: Value) -> Result<(), serde_json::Error> {
        let state = serde_json::from_value(snapshot)?;
        *self.shared.lock() = state;
        Ok(())
    }

    /// How often each kind of thing was created.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.shared.lock().counts.clone()
    }

    /// Lets the time that has passed take effect now.
    pub async fn tick(&self) {
        self.shared.tick().await;
    }

    /// Changes how long things last from here on.
    pub fn set_durations(&self, durations: Durations) {
        *self
            .shared
            .durations
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = durations;
    }

    /// Lets every request pass this from here on, or nothing.
    pub fn set_tap(&self, tap: Option<Tap>) {
        *self
            .shared
            .tap
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = tap;
    }

    /// What `maas init` does: the region has its database, its rack and its networks.
    pub fn initialise(&self) {
        self.shared.initialise();
        self.shared.changed();
    }

    /// Whether that has happened.
    pub fn is_initialised(&self) -> bool {
        self.shared.lock().initialised
    }

    /// Starts (after `http_up`) or stops the HTTP server.
    pub fn set_serving(&self, serving: bool) {
        let up = self.shared.durations().http_up;
        {
            let mut s = self.shared.lock();
            if serving && !s.serving {
                s.serving_from = s.now + up;
            }
            s.serving = serving;
        }
        self.shared.changed();
    }

    /// Whether requests are answered at this moment.
    pub fn is_serving(&self) -> bool {
        self.shared.answers()
    }

    /// What `maas createadmin` does. False when there is a user of that name.
    pub fn create_admin(&self, user: &str, password: &str, email: &str) -> bool {
        let new = {
            let mut s = self.shared.lock();
            let new = s.user(user).is_none();
            basics::add_user(&mut s, user, email, password, true);
            new
        };
        self.shared.changed();
        new
    }

    /// Whether there is a user of that name.
    pub fn has_user(&self, user: &str) -> bool {
        self.shared.lock().user(user).is_some()
    }

    /// Whether an API key is one of a user's.
    pub fn holds_key(&self, user: &str, key: &str) -> bool {
        let s = self.shared.lock();
        s.tokens
            .iter()
            .any(|t| t.user == user && format!("{}:{}:{}", t.consumer, t.token, t.secret) == key)
    }

    /// What `maas apikey --username` prints: the user's first key, made when there is none.
    pub fn api_key(&self, user: &str) -> String {
        let t = {
            let mut s = self.shared.lock();
            let first = s.tokens.iter().find(|t| t.user == user).cloned();
            first.unwrap_or_else(|| basics::token(&mut s, user, "MAAS consumer", true))
        };
        self.shared.changed();
        format!("{}:{}:{}", t.consumer, t.token, t.secret)
    }

    /// A machine that MAAS does not know has booted from the network: it is New after a while.
    pub fn enlist(&self, spec: MachineSpec) {
        let lasts = self.shared.durations().enlist;
        {
            let mut s = self.shared.lock();
            let macs: Vec<String> = spec.macs.iter().map(|m| m.to_lowercase()).collect();
            let known = s
                .machines
                .iter()
                .flat_map(|m| &m.interfaces)
                .any(|i| macs.contains(&i.mac));
            let coming = s
                .enlisting
                .iter()
                .any(|e| e.spec.macs.iter().any(|m| macs.contains(&m.to_lowercase())));
            if known || coming {
                return;
            }
            let due = s.now + lasts;
            s.enlisting.push(state::Enlisting { due, spec });
        }
        self.shared.changed();
    }

    /// A machine has booted from the network: commissioning, testing, deployment or erasing goes on.
    /// False when MAAS does not know the MAC address: [`enlist`](Self::enlist) it.
    pub fn machine_booted(&self, mac: &str) -> bool {
        let durations = self.shared.durations();
        let known = {
            let mut s = self.shared.lock();
            let id = s
                .machines
                .iter()
                .find(|m| m.interfaces.iter().any(|i| i.mac.eq_ignore_ascii_case(mac)))
                .map(|m| m.system_id.clone());
            if let Some(id) = &id {
                progress::booted(&mut s, &durations, id);
            }
            id.is_some()
        };
        self.shared.changed();
        known
    }

    /// The DHCP server has leased an address: `op=ip_addresses` shows it.
    pub fn add_lease(&self, ip: &str, mac: &str) {
        {
            let mut s = self.shared.lock();
            let at = s.now;
            s.leases.retain(|l| l.ip != ip && l.mac != mac);
            s.leases.push(state::Lease {
                ip: ip.into(),
                mac: mac.into(),
                at,
            });
        }
        self.shared.changed();
    }

    /// Whether DHCP is served in the network of this address.
    pub fn serves_dhcp(&self, ip: &str) -> bool {
        let s = self.shared.lock();
        let Ok(ip) = ip.parse::<std::net::IpAddr>() else {
            return false;
        };
        s.subnets
            .iter()
            .filter(|n| {
                n.cidr
                    .parse::<ipnet::IpNet>()
                    .is_ok_and(|net| net.contains(&ip))
            })
            .any(|n| s.vlans.iter().any(|v| v.id == n.vlan && v.dhcp_on))
    }

    /// Whether the region has an image.
    pub fn has_images(&self) -> bool {
        !self.shared.lock().releases().is_empty()
    }

    /// The dynamic ranges, each as first and last address.
    pub fn dynamic_ranges(&self) -> Vec<(String, String)> {
        self.shared
            .lock()
            .ranges
            .iter()
            .filter(|r| r.kind == "dynamic")
            .map(|r| (r.start.clone(), r.end.clone()))
            .collect()
    }

    /// Lets the next import end without images, or (`stalled`) not end at all.
    pub fn fail_next_import(&self, stalled: bool) {
        self.shared.lock().fail_next_import =
            Some(if stalled { "stalled" } else { "failed" }.into());
        self.shared.changed();
    }

    /// Lets a machine's next commissioning, test or deployment fail. False when there is none of that id.
    pub fn fail_next(&self, system_id: &str) -> bool {
        let found = self
            .shared
            .lock()
            .machine_mut(system_id)
            .map(|m| m.fail_next = true)
            .is_some();
        self.shared.changed();
        found
    }

    /// For so long every power action on a machine is refused with 503 "another action is already in
    /// progress"; no time ends it. False when there is none of that id.
    pub fn set_power_busy(&self, system_id: &str, lasts: Duration) -> bool {
        let mut s = self.shared.lock();
        let until = s.now + lasts;
        let found = s
            .machine_mut(system_id)
            .map(|m| m.power_busy_until = until)
            .is_some();
        drop(s);
        self.shared.changed();
        found
    }

    /// Connects the rack to its region, or cuts it off.
    pub fn set_rack_connected(&self, connected: bool) {
        self.shared.lock().rack.connected = connected;
        self.shared.changed();
    }

    /// Has the images of a release at once, on region and rack: for tests that are not about the import.
    pub fn import_now(&self, release: &str, arches: &[&str]) {
        {
            let mut s = self.shared.lock();
            let source = s.sources.first().map_or(1, |b| b.id);
            let id = s.next_id("selection");
            s.selections.push(state::Selection {
                id,
                source,
                os: "ubuntu".into(),
                release: release.into(),
                arches: arches.iter().map(|a| (*a).to_owned()).collect(),
                subarches: vec!["*".into()],
                labels: vec!["*".into()],
            });
            s.import = Some(state::Import {
                ends: s.now,
                failing: false,
                stalled: false,
            });
            let none = Durations::default();
            boot::finish_import(&mut s, &none);
            boot::finish_sync(&mut s);
        }
        self.shared.changed();
    }

    /// The machines as they are.
    pub fn machines(&self) -> Vec<MachineView> {
        self.shared.lock().machines.iter().map(view).collect()
    }

    /// One machine.
    pub fn machine(&self, system_id: &str) -> Option<MachineView> {
        self.shared.lock().machine(system_id).map(view)
    }

    /// The machine with this MAC address.
    pub fn machine_by_mac(&self, mac: &str) -> Option<MachineView> {
        self.shared
            .lock()
            .machines
            .iter()
            .find(|m| m.interfaces.iter().any(|i| i.mac.eq_ignore_ascii_case(mac)))
            .map(view)
    }

    /// Takes a machine for a user, as `op=allocate` does; its id. The error is MAAS's status and text.
    ///
    /// # Errors
    /// 400 for constraints that MAAS does not know, 409 when nothing fits.
    pub async fn allocate_for(
        &self,
        user: &str,
        constraints: &Constraints,
    ) -> Result<String, (u16, String)> {
        self.shared.tick().await;
        let outcome = allocate::allocate(&self.shared, &constraints.0, user).await;
        self.shared.changed();
        outcome.map_err(said)
    }

    /// Deploys a machine, as `op=deploy` does.
    ///
    /// # Errors
    /// MAAS's status and text.
    pub async fn deploy(
        &self,
        system_id: &str,
        user: &str,
        series: &str,
        user_data: Option<&[u8]>,
    ) -> Result<(), (u16, String)> {
        use base64::Engine;
        let mut form = vec![("distro_series".to_owned(), series.to_owned())];
        if let Some(data) = user_data {
            form.push((
                "user_data".into(),
                base64::engine::general_purpose::STANDARD.encode(data),
            ));
        }
        self.machine_op(system_id, user, "deploy", form).await
    }

    /// Gives a machine back, as `op=release` does.
    ///
    /// # Errors
    /// MAAS's status and text.
    pub async fn release(&self, system_id: &str, user: &str) -> Result<(), (u16, String)> {
        self.machine_op(system_id, user, "release", Vec::new())
            .await
    }

    async fn machine_op(
        &self,
        id: &str,
        user: &str,
        op: &str,
        form: Vec<(String, String)>,
    ) -> Result<(), (u16, String)> {
        self.shared.tick().await;
        let req = reply::Req {
            method: http::Method::POST,
            path: String::new(),
            segments: vec!["machines".into(), id.into()],
            op: Some(op.into()),
            query: Vec::new(),
            form,
            json: false,
            user: user.into(),
            superuser: true,
        };
        let mut removals = Vec::new();
        let outcome = machines::machine(
            &mut self.shared.lock(),
            &self.shared.durations(),
            &req,
            id,
            &mut removals,
        );
        self.shared.remove(removals);
        self.shared.changed();
        outcome.map(|_| ()).map_err(said)
    }
}

fn said(reply: reply::Reply) -> (u16, String) {
    (
        reply.status,
        String::from_utf8_lossy(&reply.body).into_owned(),
    )
}

fn view(m: &state::Machine) -> MachineView {
    use base64::Engine;
    MachineView {
        system_id: m.system_id.clone(),
        hostname: m.hostname.clone(),
        status: m.status,
        tags: m.tags.iter().cloned().collect(),
        macs: m
            .interfaces
            .iter()
            .filter(|i| i.kind == "physical")
            .map(|i| i.mac.clone())
            .collect(),
        ip_addresses: render::addresses(m),
        owner_data: m.owner_data.clone(),
        user_data: m
            .user_data
            .as_ref()
            .and_then(|d| base64::engine::general_purpose::STANDARD.decode(d).ok()),
        agent_name: m.agent_name.clone(),
        cores: m.hardware.cores,
        memory_mb: m.hardware.memory_mb,
        disks: m.hardware.disks.clone(),
        zone: m.zone.clone(),
        vm_host: m.vm_host,
        instance: m.instance.clone(),
        interfaces: m
            .interfaces
            .iter()
            .map(|i| InterfaceView {
                name: i.name.clone(),
                kind: i.kind.clone(),
                mac: i.mac.clone(),
                addresses: i.links.iter().filter_map(|l| l.ip.clone()).collect(),
            })
            .collect(),
        power_type: m.power_type.clone(),
        power_parameters: m.power_parameters.clone(),
    }
}
