//! The tokio driver: a few tasks, each owning one UDP socket that many BMCs' sessions share.

mod registry;
mod shard;

pub(crate) use registry::{Attached, Registry};
pub(crate) use shard::Op;
