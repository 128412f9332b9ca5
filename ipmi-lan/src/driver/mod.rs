//! The tokio driver: a few tasks, each owning one UDP socket that many BMCs' sessions share.

mod own_port;
mod registry;
mod shard;

pub(crate) use registry::{Attached, Registry};
pub(crate) use shard::Op;
