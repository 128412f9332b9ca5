//! IPMI v2.0 (RMCP+) and v1.5 over UDP: a sans-I/O protocol core, a tokio driver, a fleet engine and a BMC simulator.
//!
//! ```no_run
//! use std::time::Duration;
//! use ipmi_lan::{Client, Credentials, PowerState, command::boot::{BootDevice, BootOverride}};
//!
//! # async fn run() -> ipmi_lan::Result<()> {
//! let client = Client::builder().deadline(Duration::from_secs(5)).build();
//! let bmc = client.bmc("10.42.1.7:623".parse().unwrap(), Credentials::new("admin", "secret".into()));
//! bmc.set_boot(BootOverride::next(BootDevice::Pxe).uefi(true)).await?;
//! bmc.ensure_power(PowerState::On, Duration::from_secs(60)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The rooms
//!
//! - [`wire`]: the bytes, as pure functions. [`proto`]: a session as a state machine, without I/O.
//! - [`Client`] and [`Bmc`]: the tokio driver and its handles. [`command`]: the commands, which others extend.
//! - [`Fleet`]: one call over thousands of BMCs. [`ping`] and [`discover`]: who is there.
//! - `testing` (feature `testing`): a BMC simulator over real UDP.
//!
//! Section numbers are those of the *IPMI v2.0 specification*, revision 1.1 (October 2013).

mod bmc;
mod client;
pub mod command;
mod credentials;
mod discover;
mod driver;
mod error;
mod fleet;
mod identity;
mod inventory;
mod power;
pub mod proto;
mod sol;
#[cfg(feature = "testing")]
pub mod testing;
pub mod wire;

pub use bmc::Bmc;
pub use client::{Client, ClientBuilder};
pub use command::Command;
pub use command::lan::MacAddr;
pub use credentials::{Credentials, Privilege, Protocol};
pub use discover::{Found, discover, ping};
pub use error::{Error, ErrorKind, Result, completion_meaning};
pub use fleet::{Fleet, FleetResult};
pub use inventory::{Sensor, UserEntry};
pub use power::{PowerChange, PowerState};
pub use proto::{Timing, Workarounds};
pub use sol::SolStream;
pub use wire::asf::Pong;
pub use wire::crypto::CipherSuite;
pub use wire::v15::AuthType;
