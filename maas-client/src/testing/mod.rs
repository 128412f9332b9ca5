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
mod builder;
mod defaults;
mod interfaces;
mod machines;
mod network;
mod oauth;
mod progress;
mod region;
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

pub use builder::RackSpec;
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
