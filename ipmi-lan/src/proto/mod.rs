//! The sans-I/O core: time, randomness and datagrams are passed in; datagrams, events and the next deadline are taken out. Nothing waits.

mod handshake;
mod login;
mod rtt;
mod session;
mod sol;
mod timing;
mod workarounds;

pub use rtt::Rtt;
pub use session::{Event, Failure, Random, Request, RequestId, Session, SessionConfig};
pub use sol::Sol;
pub use timing::Timing;
pub use workarounds::Workarounds;
