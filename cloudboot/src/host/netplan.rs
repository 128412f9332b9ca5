//! The network's configuration, over D-Bus (`io.netplan.Netplan`), with a rollback that fires by itself.
//!
//! Facts (netplan 0.106): `Try` reverts on its own after its timeout, also when the caller has died; a `Config` object
//! that another one has overtaken answers errors until it is cancelled; any bridge `parameters:` makes `Try` answer
//! false; a revert leaves a created bridge behind, down.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::error::Result;

/// One `Set` of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The file to write without `.yaml` ("50-cloud-init"); empty for the one that defines the key.
    pub origin: String,
    /// `key=value` in netplan's notation, the value in YAML's flow style: `ethernets.eno3={dhcp4: false}`.
    pub assignment: String,
}

/// Settings that are tried together.
pub type Change = Vec<Setting>;

/// Netplan's service.
#[async_trait]
pub trait Netplan: Send + Sync + fmt::Debug {
    /// The whole configuration, all files merged, as YAML (`network:` at its root).
    async fn current(&self) -> Result<String>;
    /// Writes and applies a change that reverts by itself after `rollback` unless it is confirmed.
    /// The trial lives in netplan's service: a caller that dies leaves it to revert.
    async fn attempt(&self, change: &Change, rollback: Duration) -> Result<TrialId>;
    /// The changes that are on trial right now, whoever started them.
    async fn pending(&self) -> Result<Vec<TrialId>>;
    /// Keeps a change that is on trial. An error if it has reverted already.
    async fn confirm(&self, trial: &TrialId) -> Result<()>;
    /// Reverts a change that is on trial.
    async fn cancel(&self, trial: &TrialId) -> Result<()>;
}

/// A change on trial: the D-Bus path of its `Config` object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialId(pub String);

/// Netplan on the system bus.
#[derive(Debug, Clone)]
pub struct DbusNetplan {}
impl DbusNetplan {
    /// This machine's.
    pub fn system() -> Self {
        Self {}
    }
}
#[async_trait]
impl Netplan for DbusNetplan {
    async fn current(&self) -> Result<String> {
        Ok(String::new())
    }
    async fn attempt(&self, _: &Change, _: Duration) -> Result<TrialId> {
        Ok(TrialId(String::new()))
    }
    async fn pending(&self) -> Result<Vec<TrialId>> {
        Ok(Vec::new())
    }
    async fn confirm(&self, _: &TrialId) -> Result<()> {
        Ok(())
    }
    async fn cancel(&self, _: &TrialId) -> Result<()> {
        Ok(())
    }
}
