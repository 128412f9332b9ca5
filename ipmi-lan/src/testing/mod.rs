//! A simulator of BMCs over real UDP: power, boot flags with their 60 seconds, users, session slots, suites, SEL, sensors, FRU, LAN
//! configuration; quirks as switches; loss, duplication, reordering and delay. Many BMCs live in one process.
//!
//! ```
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ipmi_lan::{Client, Credentials, PowerState, testing::{BmcSpec, Simulator}};
//!
//! let sim = Simulator::builder().bmc(BmcSpec::new("node1")).start().await?;
//! let bmc = Client::default().bmc(sim.bmc(0).addr(), Credentials::new("admin", "secret".into()));
//! assert_eq!(bmc.power_state().await?, PowerState::Off);
//! # Ok(()) }
//! ```

mod commands;
mod engine;
mod engine15;
mod handle;
mod handshake;
mod network;
mod power;
mod relay;
mod serial;
mod server;
mod state;
mod storage;
mod users;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::command::boot::BootFlags;
use crate::command::lan::MacAddr;

pub use handle::SimBmc;
pub use network::Network;
pub use relay::Relay;
pub use server::{Simulator, SimulatorBuilder};
pub use state::{BmcSpec, BmcState, Quirks, User};
pub use storage::{SimSensor, Storage};

/// Virtual time since the world began; never goes back.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// When a tap is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the request is acted on.
    Before,
    /// After it was acted on, before its answer goes out.
    After,
}

/// What a tap decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// No answer.
    Drop,
    /// Answer with this completion code (RAKP and Open Session messages: with this status).
    Fail(u8),
}

/// A boxed future, as taps return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sees every message: `node1 Chassis Control`, `node1 RAKP 1`.
pub type Tap = Arc<dyn Fn(Phase, &str) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// Told of every change of a machine's power, when it happens. It may call back into the simulator.
pub type OnPower = Arc<dyn Fn(PowerEvent) + Send + Sync>;

/// What happened to a machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerEventKind {
    /// It was turned on, and boots.
    On,
    /// It was turned off.
    Off,
    /// It was reset, and boots.
    Reset,
}

/// A change of a machine's power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerEvent {
    /// The BMC's place in the simulator.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// The BMC's own MAC address.
    pub mac: MacAddr,
    /// What happened.
    pub kind: PowerEventKind,
    /// What it boots from: the flags as the firmware finds them, `valid` if it heeds them. Off: nothing.
    pub boot: BootFlags,
    /// The virtual time at which it happened.
    pub at: Duration,
}

/// How long things take, in virtual time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Durations {
    /// From the control to the power being on.
    pub power_on: Duration,
    /// From the control to the power being off.
    pub power_off: Duration,
    /// From a soft shutdown's request to the power being off.
    pub soft_off: Duration,
    /// How long a power cycle stays off.
    pub cycle: Duration,
    /// From a reset's control to the reset.
    pub reset: Duration,
    /// After how long boot flags expire if power was not controlled (the specification says 60 s; a lab that runs fast stretches it by its speed).
    pub boot_flags: Duration,
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            power_on: Duration::from_millis(1),
            power_off: Duration::from_millis(1),
            soft_off: Duration::from_millis(1),
            cycle: Duration::from_millis(1),
            reset: Duration::from_millis(1),
            boot_flags: Duration::from_secs(60),
        }
    }
}

/// Real time since now.
#[must_use]
pub fn real_clock() -> Clock {
    let begun = Instant::now();
    Arc::new(move || begun.elapsed())
}

/// How often what was done: `node1:power-on`, `node1:session` and so on.
pub type Counts = BTreeMap<String, u64>;

pub(crate) fn default_addr() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
