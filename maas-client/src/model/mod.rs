//! What MAAS answers, typed. Every type survives what a newer MAAS adds.

mod account;
mod boot;
mod controller;
mod details;
mod dns;
mod interface;
mod machine;
mod network;
mod node;
mod results;
mod status;
mod storage;
mod upkeep;
mod vmhost;

pub use account::*;
pub use boot::*;
pub use controller::*;
pub use details::*;
pub use dns::*;
pub use interface::*;
pub use machine::*;
pub use network::*;
pub use node::*;
pub use results::*;
pub use status::*;
pub use storage::*;
pub use upkeep::*;
pub use vmhost::*;
