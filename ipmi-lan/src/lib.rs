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
//!
//! # How a session goes
//!
//! A handle ([`Client::bmc`]) sends nothing until its first command. Then: Open Session, RAKP 1, RAKP 3 (sections 13.17 to 13.24), the command; four
//! round trips to the answer of a read. A command that needs more than User privilege ([`Command::privilege`]) is preceded by one Set Session Privilege
//! Level (22.18). The session serves further commands, one at a time, and is closed (22.19) when its last handle goes, or after [`Timing::idle`] without
//! work; Close is sent and not waited for, unless by [`Bmc::close`] or [`Client::close`]. Handles with equal address and credentials share a session, since
//! BMCs have few slots. A session that the BMC has forgotten is opened anew without the caller's doing.
//!
//! # Time
//!
//! Every command has one deadline ([`ClientBuilder::deadline`], [`Bmc::with_deadline`]; 5 s) for all that it takes, the session's opening included.
//! Within it each message is repeated at intervals that follow the measured round-trip time (RFC 6298) between the bounds of [`Timing`]. What may not be
//! done twice ([`Command::is_idempotent`]) is repeated with the same sequence number only, which the BMC's window drops; where its answer stays out the
//! error [is unclear](Error::is_unclear): observe before repeating it.
//!
//! Futures are `Send` and may be dropped at any point: a handshake under way is finished and closed or given back, so that no slot stays taken.
//!
//! # Errors
//!
//! | [`ErrorKind`] | What it rests upon |
//! |---|---|
//! | [`UnknownUser`](ErrorKind::UnknownUser) | RAKP status 0Dh or 0Ch; v1.5: Get Session Challenge 81h, 82h |
//! | [`BadPassword`](ErrorKind::BadPassword) | RAKP 2's code does not verify, or status 0Fh; v1.5: Activate Session refused or, by most, unanswered |
//! | [`BadKg`](ErrorKind::BadKg) | RAKP 2 verifies and RAKP 4 does not: K_G is in the second only |
//! | [`NoFreeSession`](ErrorKind::NoFreeSession) | status 01h or 0Bh until the deadline; v1.5: C0h, 81h |
//! | [`SuiteRefused`](ErrorKind::SuiteRefused) | every suite offered was refused; the message lists them with their codes |
//! | [`Privilege`](ErrorKind::Privilege) | status 09h, 0Ah; Set Session Privilege 80h, 81h; completion code D4h |
//! | [`Unreachable`](ErrorKind::Unreachable) | nothing at all came back |
//! | [`TimedOut`](ErrorKind::TimedOut) | it answered earlier; the message says what was sent last and how often |
//! | [`Protocol`](ErrorKind::Protocol) | a downgrade, or bytes that cannot be read: [`Error::bytes`], and the field's name |
//! | [`Completion`](ErrorKind::Completion) | the completion code, with its meaning (table 5-2) |
//!
//! [`Error::needs_operator`], [`Error::is_retryable`] and [`Error::is_unclear`] tell what to do with it, [`Error::advice`] says it in words.
//!
//! # Security
//!
//! Suite 17, then 3. What a BMC answers with must be among what was offered; suite 0, suites without encryption, IPMI v1.5 and its straight password
//! are spoken only where they are named ([`ClientBuilder::suites`], [`ClientBuilder::protocol`], [`ClientBuilder::auth_types`]). Codes are compared in
//! constant time; passwords, K_G and keys are wiped and never shown. RAKP gives everybody who asks a hash of the user's password to try words against
//! (section 13.31): that is the protocol's, so choose long ones.
//!
//! # Commands of one's own
//!
//! Implement [`Command`] for a request type and [`Bmc::send`] it; or send numbers with [`Bmc::raw`].

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
