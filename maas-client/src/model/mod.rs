//! What MAAS answers, typed. Every type survives what a newer MAAS adds.

mod account;
mod boot;
mod extra;
mod machine;
mod network;
mod status;
mod storage;
mod vmhost;

pub use account::*;
pub use boot::*;
pub use extra::*;
pub use machine::*;
pub use network::*;
pub use status::*;
pub use storage::*;
pub use vmhost::*;
