//! The lab: a data centre of fakes tied together by cause.

pub mod ca;
pub mod dashboard;
mod fake;
pub mod hooks;
pub mod keystone;
pub mod lab;
pub mod lab_host;
pub mod nova;
pub(crate) mod serve;
pub mod vault;
pub mod wire;

pub use lab::{Durations, Fault, Faults, InventoryLine, Lab, LabBuilder, LabError, Operator};
