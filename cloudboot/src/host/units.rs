//! Services of systemd, over D-Bus (`org.freedesktop.systemd1`).

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::bus::{Bus, Peer};
use super::error::{Error, Kind, Result};

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

const PEER: Peer = Peer {
    service: "org.freedesktop.systemd1",
    hint: "the controller needs systemd",
};
const ROOT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const QUICK: Duration = Duration::from_secs(30);
/// How long a unit may take to start or stop (systemd's own default is 90 s).
const JOB: Duration = Duration::from_secs(120);

/// systemd on the system bus.
#[derive(Debug, Clone)]
pub struct DbusUnits {
    bus: Bus,
}

impl DbusUnits {
    /// This machine's.
    pub fn system() -> Self {
        Self {
            bus: Bus::of(PEER, None),
        }
    }

    /// The one on a bus at an address of D-Bus's form.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            bus: Bus::of(PEER, Some(address.into())),
        }
    }

    async fn manager<B, R>(&self, method: &str, body: &B, operation: &str) -> Result<R>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType + Sync,
        R: serde::de::DeserializeOwned + zbus::zvariant::Type,
    {
        self.bus
            .call(ROOT, MANAGER, method, body, QUICK, operation)
            .await
    }

    async fn property(&self, path: &str, name: &str, operation: &str) -> Result<String> {
        let body = ("org.freedesktop.systemd1.Unit", name);
        let value: OwnedValue = self
            .bus
            .call(path, PROPERTIES, "Get", &body, QUICK, operation)
            .await?;
        String::try_from(value).map_err(|e| {
            Error::new(
                Kind::Malformed,
                operation,
                format!("{name} of systemd is no text: {e}"),
            )
        })
    }

    /// Waits until a job is gone from systemd's list, which it is when it has ended.
    async fn job(&self, job: &OwnedObjectPath, operation: &str) -> Result<()> {
        let until = tokio::time::Instant::now() + JOB;
        loop {
            let body = ("org.freedesktop.systemd1.Job", "State");
            let state: Result<OwnedValue> = self
                .bus
                .call(job.as_str(), PROPERTIES, "Get", &body, QUICK, operation)
                .await;
            match state {
                Err(e) if e.is_not_found() => return Ok(()),
                Err(e) => return Err(e),
                Ok(_) if tokio::time::Instant::now() >= until => {
                    return Err(Error::new(
                        Kind::Timeout,
                        operation,
                        format!("systemd did not end it within {} s", JOB.as_secs()),
                    ));
                }
                Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

#[async_trait]
impl Units for DbusUnits {
    async fn state(&self, unit: &str) -> Result<UnitState> {
        let operation = format!("ask systemd for {unit}");
        let path: OwnedObjectPath = self.manager("LoadUnit", &unit, &operation).await?;
        let load = self
            .property(path.as_str(), "LoadState", &operation)
            .await?;
        let state = self
            .property(path.as_str(), "ActiveState", &operation)
            .await?;
        // Not the property: it is empty until a reload; this asks the files.
        let file: Result<String> = self.manager("GetUnitFileState", &unit, &operation).await;
        let enabled = match file {
            Ok(file) => file.starts_with("enabled"),
            Err(e)
                if e.code()
                    .is_some_and(|c| c.ends_with("FileNotFound") || c.ends_with("NoSuchUnit")) =>
            {
                false
            }
            Err(e) => return Err(e),
        };
        Ok(UnitState {
            loaded: load == "loaded",
            active: state == "active",
            enabled,
            state,
        })
    }

    async fn daemon_reload(&self) -> Result<()> {
        self.manager("Reload", &(), "let systemd read its units again")
            .await
    }

    async fn enable(&self, unit: &str) -> Result<()> {
        let operation = format!("enable {unit}");
        let _: (bool, Vec<(String, String, String)>) = self
            .manager("EnableUnitFiles", &(vec![unit], false, true), &operation)
            .await?;
        Ok(())
    }

    async fn disable(&self, unit: &str) -> Result<()> {
        let operation = format!("disable {unit}");
        let done: Result<Vec<(String, String, String)>> = self
            .manager("DisableUnitFiles", &(vec![unit], false), &operation)
            .await;
        match done {
            Ok(_) => Ok(()),
            Err(e) if e.is_not_found() || e.code().is_some_and(|c| c.ends_with("FileNotFound")) => {
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    async fn start(&self, unit: &str) -> Result<()> {
        let operation = format!("start {unit}");
        let job: OwnedObjectPath = self
            .manager("StartUnit", &(unit, "replace"), &operation)
            .await?;
        self.job(&job, &operation).await?;
        let state = self.state(unit).await?;
        if state.active || state.state == "inactive" {
            // A one-shot without RemainAfterExit is inactive when it has done its work.
            return Ok(());
        }
        Err(
            Error::new(Kind::Failed, operation, format!("it is {}", state.state))
                .hint(format!("`journalctl -u {unit}` says why")),
        )
    }

    async fn stop(&self, unit: &str) -> Result<()> {
        let operation = format!("stop {unit}");
        let job: Result<OwnedObjectPath> = self
            .manager("StopUnit", &(unit, "replace"), &operation)
            .await;
        match job {
            Ok(job) => self.job(&job, &operation).await,
            Err(e) if e.is_not_found() => Ok(()),
            Err(e) => Err(e),
        }
    }
}
