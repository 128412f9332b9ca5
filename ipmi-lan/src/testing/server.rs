//! The simulator: sockets, tasks, the shared state, and the handles of a test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::commands::{self, Context};
use super::engine::{Asked, Call, Engine};
use super::handle::SimBmc;
use super::state::{BmcSpec, BmcState};
use super::{Clock, Counts, Durations, OnPower, Phase, PowerEvent, Tap, Verdict, real_clock};
use crate::error::{Error, Result};
use crate::wire::asf::Pong;
use crate::wire::message::NETFN_APP;
use crate::wire::v2::PayloadType;

#[derive(Serialize, Deserialize)]
pub(super) struct World {
    pub(super) bmcs: Vec<BmcState>,
    pub(super) counts: Counts,
}

pub(super) struct Machine {
    pub(super) addr: SocketAddr,
    pub(super) spec: BmcSpec,
    pub(super) engine: Engine,
}

pub(super) struct Shared {
    pub(super) world: Mutex<World>,
    pub(super) machines: Vec<Mutex<Machine>>,
    pub(super) clock: Clock,
    pub(super) durations: Durations,
    pub(super) tap: Option<Tap>,
    pub(super) on_power: Option<OnPower>,
    pub(super) changed: Option<Arc<dyn Fn() + Send + Sync>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Any number of BMCs, each on its own UDP socket. Stops when dropped.
pub struct Simulator {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator")
            .field("bmcs", &self.shared.machines.len())
            .finish_non_exhaustive()
    }
}

/// Builds a [`Simulator`].
#[must_use]
pub struct SimulatorBuilder {
    specs: Vec<BmcSpec>,
    clock: Clock,
    durations: Durations,
    tap: Option<Tap>,
    on_power: Option<OnPower>,
    changed: Option<Arc<dyn Fn() + Send + Sync>>,
    snapshot: Option<serde_json::Value>,
}

impl std::fmt::Debug for SimulatorBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatorBuilder")
            .field("bmcs", &self.specs.len())
            .finish_non_exhaustive()
    }
}

impl SimulatorBuilder {
    /// One more BMC.
    pub fn bmc(mut self, spec: BmcSpec) -> Self {
        self.specs.push(spec);
        self
    }

    /// More BMCs.
    pub fn bmcs(mut self, specs: impl IntoIterator<Item = BmcSpec>) -> Self {
        self.specs.extend(specs);
        self
    }

    /// The virtual clock (default: real time since the start).
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How long things take.
    pub fn durations(mut self, durations: Durations) -> Self {
        self.durations = durations;
        self
    }

    /// Sees and decides every message.
    pub fn tap(mut self, tap: Tap) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Told of every change of power.
    pub fn on_power(mut self, hook: OnPower) -> Self {
        self.on_power = Some(hook);
        self
    }

    /// Called after each change of state, before the answer goes out.
    pub fn changed(mut self, changed: Arc<dyn Fn() + Send + Sync>) -> Self {
        self.changed = Some(changed);
        self
    }

    /// Begins with a snapshot's state.
    pub fn snapshot(mut self, snapshot: serde_json::Value) -> Self {
        self.snapshot = Some(snapshot);
        self
    }

    /// Binds the sockets and starts.
    ///
    /// # Errors
    /// If an address is taken, or the snapshot is not one of these BMCs.
    pub async fn start(self) -> Result<Simulator> {
        let mut sockets = Vec::new();
        let mut machines = Vec::new();
        let mut bmcs = Vec::new();
        for spec in self.specs {
            let socket = UdpSocket::bind(spec.addr).await.map_err(|e| {
                Error::io(
                    format!(
                        "the simulated BMC {} could not bind {}: {e}",
                        spec.name, spec.addr
                    ),
                    e,
                )
            })?;
            let addr = socket
                .local_addr()
                .map_err(|e| Error::io("the socket has no address", e))?;
            sockets.push(Arc::new(socket));
            bmcs.push(BmcState::new(&spec));
            machines.push(Mutex::new(Machine {
                addr,
                spec,
                engine: Engine::new(),
            }));
        }
        let shared = Arc::new(Shared {
            world: Mutex::new(World {
                bmcs,
                counts: Counts::new(),
            }),
            machines,
            clock: self.clock,
            durations: self.durations,
            tap: self.tap,
            on_power: self.on_power,
            changed: self.changed,
        });
        if let Some(snapshot) = self.snapshot {
            shared.restore(snapshot)?;
        }
        let mut tasks: Vec<_> = sockets
            .into_iter()
            .enumerate()
            .map(|(index, socket)| tokio::spawn(serve(shared.clone(), index, socket)))
            .collect();
        tasks.push(tokio::spawn(tick(shared.clone())));
        Ok(Simulator { shared, tasks })
    }
}

impl Simulator {
    /// A builder of a simulator without BMCs.
    pub fn builder() -> SimulatorBuilder {
        SimulatorBuilder {
            specs: Vec::new(),
            clock: real_clock(),
            durations: Durations::default(),
            tap: None,
            on_power: None,
            changed: None,
            snapshot: None,
        }
    }

    /// The BMC at that place in the builder's order. A handle to one that is not there answers like a BMC that is off.
    #[must_use]
    pub fn bmc(&self, index: usize) -> SimBmc {
        SimBmc {
            shared: self.shared.clone(),
            index,
        }
    }

    /// The BMC of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<SimBmc> {
        let index = lock(&self.shared.world)
            .bmcs
            .iter()
            .position(|b| b.name == name)?;
        Some(self.bmc(index))
    }

    /// All BMCs.
    #[must_use]
    pub fn all(&self) -> Vec<SimBmc> {
        (0..self.shared.machines.len())
            .map(|index| self.bmc(index))
            .collect()
    }

    /// The addresses of all BMCs.
    #[must_use]
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.shared.machines.iter().map(|m| lock(m).addr).collect()
    }

    /// Runs what is due at this virtual time; it also happens by itself.
    pub fn advance(&self, now: Duration) {
        self.shared.advance(now);
    }

    /// All that lasts.
    #[must_use]
    pub fn snapshot(&self) -> serde_json::Value {
        serde_json::to_value(&*lock(&self.shared.world)).unwrap_or_default()
    }

    /// Takes a snapshot's state; sessions are forgotten.
    ///
    /// # Errors
    /// If it is not a snapshot of as many BMCs.
    pub fn restore(&self, snapshot: serde_json::Value) -> Result<()> {
        self.shared.restore(snapshot)
    }

    /// How often what was done: `node1:power-on`, `node1:session` and so on.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.shared.world).counts.clone()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn restore(&self, snapshot: serde_json::Value) -> Result<()> {
        let bad = |detail: String| {
            Error::new(crate::ErrorKind::InvalidInput, detail).doing("Restoring the simulator")
        };
        let world: World = serde_json::from_value(snapshot).map_err(|e| bad(e.to_string()))?;
        if world.bmcs.len() != self.machines.len() {
            return Err(bad(format!(
                "the snapshot holds {} BMCs, the simulator {}",
                world.bmcs.len(),
                self.machines.len()
            )));
        }
        *lock(&self.world) = world;
        for machine in &self.machines {
            lock(machine).engine.forget_sessions();
        }
        Ok(())
    }

    pub(super) fn has_changed(&self) {
        if let Some(changed) = &self.changed {
            changed();
        }
    }

    pub(super) fn durations_of(&self, index: usize) -> Durations {
        self.machines
            .get(index)
            .and_then(|m| lock(m).spec.durations)
            .unwrap_or(self.durations)
    }

    fn advance(&self, now: Duration) {
        for index in 0..self.machines.len() {
            self.advance_one(index, now);
        }
    }

    /// Runs what is due at one BMC; the hook is called without any lock held.
    pub(super) fn advance_one(&self, index: usize, now: Duration) {
        let Some(machine) = self.machines.get(index) else {
            return;
        };
        let durations = lock(machine).spec.durations.unwrap_or(self.durations);
        let mut events = Vec::new();
        {
            let mut world = lock(&self.world);
            let World { bmcs, counts } = &mut *world;
            let Some(state) = bmcs.get_mut(index) else {
                return;
            };
            for (at, kind, boot) in state.advance(now, &durations) {
                let what = match kind {
                    super::PowerEventKind::On => "booted",
                    super::PowerEventKind::Off => "stopped",
                    super::PowerEventKind::Reset => "rebooted",
                };
                *counts.entry(format!("{}:{what}", state.name)).or_default() += 1;
                events.push(PowerEvent {
                    index,
                    name: state.name.clone(),
                    mac: state.mac,
                    kind,
                    boot,
                    at,
                });
            }
        }
        if events.is_empty() {
            return;
        }
        self.has_changed();
        if let Some(hook) = &self.on_power {
            for event in events {
                hook(event);
            }
        }
    }

    async fn verdict(&self, phase: Phase, name: &str) -> Verdict {
        match &self.tap {
            None => Verdict::Continue,
            Some(tap) => tap(phase, name).await,
        }
    }

    /// One datagram: what goes back, if anything.
    async fn handle(&self, index: usize, datagram: &[u8], peer: SocketAddr) -> Option<Vec<u8>> {
        let machine = self.machines.get(index)?;
        let asked = {
            let mut machine = lock(machine);
            let now = Instant::now();
            let timeout = machine.spec.session_timeout;
            machine.engine.expire(now, timeout);
            let Machine { spec, engine, .. } = &mut *machine;
            let asked = engine.ask(now, spec, datagram);
            if engine.is_deaf(spec, peer, &asked) {
                return None;
            }
            asked
        };
        match asked {
            Asked::Nothing => None,
            Asked::Ping(0xff) => None,
            Asked::Ping(tag) => Some(Pong::ipmi(tag).encode()),
            Asked::Handshake(name, kind, payload) => {
                self.handshake(index, peer, name, kind, &payload).await
            }
            Asked::Sol(session, payload) => lock(machine).engine.serial(session, &payload),
            Asked::Command(call) => self.command(index, &call).await,
        }
    }

    fn tapped(&self, index: usize, name: &str) -> Option<String> {
        self.tap.as_ref()?;
        let world = lock(&self.world);
        Some(format!(
            "{} {name}",
            world.bmcs.get(index).map_or("?", |b| b.name.as_str())
        ))
    }

    async fn handshake(
        &self,
        index: usize,
        peer: SocketAddr,
        name: &str,
        kind: PayloadType,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        let tapped = self.tapped(index, name);
        if let Some(tapped) = &tapped
            && self.verdict(Phase::Before, tapped).await != Verdict::Continue
        {
            return None;
        }
        let answer = {
            let mut machine = lock(self.machines.get(index)?);
            let Machine { spec, engine, .. } = &mut *machine;
            let before = engine.opened;
            let mut world = lock(&self.world);
            let World { bmcs, counts } = &mut *world;
            let state = bmcs.get(index)?;
            if kind == PayloadType::OpenRequest {
                *counts
                    .entry(format!("{}:open-session", state.name))
                    .or_default() += 1;
            }
            let answer = engine.handshake(Instant::now(), peer, spec, state, kind, payload);
            if engine.opened > before {
                *counts.entry(format!("{}:session", state.name)).or_default() += 1;
            }
            answer
        };
        if let Some(tapped) = &tapped
            && self.verdict(Phase::After, tapped).await != Verdict::Continue
        {
            return None;
        }
        answer
    }

    async fn command(&self, index: usize, call: &Call) -> Option<Vec<u8>> {
        let tapped = self.tapped(index, commands::name(call.net_fn, call.code));
        let mut forced = None;
        if let Some(tapped) = &tapped {
            match self.verdict(Phase::Before, tapped).await {
                Verdict::Continue => {}
                Verdict::Drop => return None,
                Verdict::Fail(code) => forced = Some(code),
            }
        }
        let now = (self.clock)();
        self.advance_one(index, now);
        let result = match forced {
            Some(code) => Err(code),
            None => self.execute(index, now, call)?,
        };
        let answer = {
            let mut machine = lock(self.machines.get(index)?);
            let Machine { spec, engine, .. } = &mut *machine;
            let (completion, data) = match &result {
                Ok(data) => (0, data.as_slice()),
                Err(code) => (*code, [].as_slice()),
            };
            let answer = engine.answer(spec, call, completion, data);
            let app = call.net_fn == NETFN_APP;
            if app && call.code == 0x3c && result.is_ok() {
                engine.close(call);
                if spec.quirks.silent_close {
                    return None;
                }
            }
            if app && matches!(call.code, 0x02 | 0x03) && result.is_ok() {
                engine.forget_sessions();
            }
            if app && call.code == 0x54 && spec.quirks.silent_cipher_suites {
                return None;
            }
            answer
        };
        self.advance_one(index, (self.clock)());
        if let Some(tapped) = &tapped {
            match self.verdict(Phase::After, tapped).await {
                Verdict::Continue => {}
                Verdict::Drop => return None,
                Verdict::Fail(code) => {
                    let mut machine = lock(self.machines.get(index)?);
                    let Machine { spec, engine, .. } = &mut *machine;
                    return engine.answer(spec, call, code, &[]);
                }
            }
        }
        answer
    }

    fn execute(&self, index: usize, now: Duration, call: &Call) -> Option<commands::Answer> {
        let mut changed = false;
        let result = {
            let mut machine = lock(self.machines.get(index)?);
            let Machine { spec, engine, .. } = &mut *machine;
            let mut world = lock(&self.world);
            let World { bmcs, counts } = &mut *world;
            let state = bmcs.get_mut(index)?;
            if let Some(answer) = engine.session_command(spec, state, call) {
                return Some(answer);
            }
            if spec.quirks.busy > 0 {
                spec.quirks.busy -= 1;
                return Some(Err(0xc0));
            }
            let name = state.name.clone();
            let durations = spec.durations.unwrap_or(self.durations);
            let mut count = |what: &str| *counts.entry(format!("{name}:{what}")).or_default() += 1;
            let mut ctx = Context {
                now,
                durations: &durations,
                quirks: &spec.quirks,
                counts: &mut count,
                changed: false,
            };
            let result = state.execute(&mut ctx, call.net_fn, call.code, &call.data);
            changed |= ctx.changed;
            result
        };
        if changed {
            self.has_changed();
        }
        Some(result)
    }
}

/// Runs what is due, so that a machine powers on without being asked about.
async fn tick(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(Duration::from_millis(10));
    loop {
        every.tick().await;
        let due: Vec<usize> = {
            let world = lock(&shared.world);
            world
                .bmcs
                .iter()
                .enumerate()
                .filter(|(_, b)| !b.due.is_empty())
                .map(|(index, _)| index)
                .collect()
        };
        for index in due {
            shared.advance_one(index, (shared.clock)());
        }
    }
}

async fn serve(shared: Arc<Shared>, index: usize, socket: Arc<UdpSocket>) {
    let mut buffer = vec![0u8; 2048];
    loop {
        let Ok((len, peer)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let Some(machine) = shared.machines.get(index) else {
            return;
        };
        let (network, stutters) = {
            let machine = lock(machine);
            (machine.spec.network, machine.spec.quirks.stutters)
        };
        if network.is_perfect() && !stutters {
            if let Some(answer) = shared.handle(index, &buffer[..len], peer).await {
                let _ = socket.send_to(&answer, peer).await;
            }
            continue;
        }
        for arrives in network.fate() {
            let (shared, socket, datagram) =
                (shared.clone(), socket.clone(), buffer[..len].to_vec());
            tokio::spawn(async move {
                tokio::time::sleep(arrives).await;
                let Some(answer) = shared.handle(index, &datagram, peer).await else {
                    return;
                };
                let copies = if stutters { 2 } else { 1 };
                for returns in (0..copies).flat_map(|_| network.fate()) {
                    let (socket, answer) = (socket.clone(), answer.clone());
                    tokio::spawn(async move {
                        tokio::time::sleep(returns).await;
                        let _ = socket.send_to(&answer, peer).await;
                    });
                }
            });
        }
    }
}
