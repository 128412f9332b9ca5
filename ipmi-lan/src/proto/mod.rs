//! The sans-I/O core: time, randomness and datagrams are passed in; datagrams, events and the next deadline are taken out. Nothing waits.

mod active;
mod handshake;
mod login;
mod receive;
mod rtt;
mod session;
mod sol;
mod timing;
mod types;
mod workarounds;

pub use rtt::Rtt;
pub use session::Session;
pub use sol::Sol;
pub use timing::Timing;
pub use types::{Event, Failure, Random, Request, RequestId, SessionConfig};
pub use workarounds::Workarounds;
