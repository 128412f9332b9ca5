//! From racked machines to a running OpenStack cloud, as one resumable pipeline.

pub mod config;
pub mod engine;
pub mod host;
pub mod juju_bootstrap;
pub mod openstack;
pub mod rest;
pub mod steps;
#[cfg(feature = "testing")]
pub mod testing;
pub mod vault;
