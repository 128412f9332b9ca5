//! The facade `MachineManager`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::status::Base;
use super::{Results, WireError, nullable};
use crate::bundle::Constraints;
use crate::client::Client;
use crate::error::{Error, Result};

/// Where something is put.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// `#` for a machine's id, a container type, or a model's UUID for a provider's directive.
    pub scope: String,
    /// The machine's id, or `system-id=abc`.
    pub directive: String,
}

impl Placement {
    /// On this machine or container.
    pub fn machine(id: impl Into<String>) -> Self {
        Self {
            scope: "#".into(),
            directive: id.into(),
        }
    }

    /// In a new container on this machine (empty: on a new machine).
    pub fn container(kind: impl Into<String>, machine: impl Into<String>) -> Self {
        Self {
            scope: kind.into(),
            directive: machine.into(),
        }
    }

    /// On this MAAS node. `AddMachines` of 4.0 refuses it; `AddUnits` and `Deploy` take it.
    pub fn system_id(model: &crate::ModelUuid, system_id: &str) -> Self {
        Self {
            scope: model.as_str().to_owned(),
            directive: format!("system-id={system_id}"),
        }
    }
}

/// A machine to be added.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct NewMachine {
    /// Operating system.
    pub base: Option<Base>,
    /// What it must have.
    pub constraints: Constraints,
    /// The machine that a container goes on.
    pub parent: Option<String>,
    /// `lxd`; none: a machine.
    pub container: Option<String>,
    /// A provider's directive.
    pub placement: Option<Placement>,
}

impl NewMachine {
    /// A machine.
    pub fn new(base: Option<Base>, constraints: Constraints) -> Self {
        Self {
            base,
            constraints,
            ..Self::default()
        }
    }

    /// As a container of this kind on that machine.
    #[must_use]
    pub fn in_container(mut self, kind: impl Into<String>, parent: impl Into<String>) -> Self {
        self.container = Some(kind.into());
        self.parent = Some(parent.into());
        self
    }

    fn wire(&self) -> Value {
        let mut v = json!({
            "base": self.base,
            "constraints": self.constraints,
            "jobs": ["JobHostUnits"],
            "parent-id": self.parent.as_deref().unwrap_or(""),
            "container-type": self.container.as_deref().unwrap_or(""),
            "instance-id": "",
            "nonce": "",
            "hardware-characteristics": {},
            "addresses": null,
        });
        if let Some(p) = &self.placement {
            v["placement"] = json!(p);
        }
        v
    }
}

/// The facade, as [`Client::machines`] gives it.
#[derive(Debug, Clone)]
pub struct Machines(Client);

impl Client {
    /// Machines, on a model's connection.
    pub fn machines(&self) -> Machines {
        Machines(self.clone())
    }
}

impl Machines {
    /// Adds one machine or container, and says its id.
    ///
    /// # Errors
    /// A placement that the server refuses. After an unclear failure look at the status before adding again.
    pub async fn add(&self, machine: &NewMachine) -> Result<String> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default, deserialize_with = "nullable")]
            machines: Vec<One>,
        }
        #[derive(Deserialize)]
        struct One {
            #[serde(default)]
            machine: String,
            #[serde(default)]
            error: Option<WireError>,
        }
        const OP: &str = "MachineManager.AddMachines";
        let w: Wire = self
            .0
            .call(
                "MachineManager",
                "AddMachines",
                json!({"params": [machine.wire()]}),
            )
            .await?;
        let one = w.machines.into_iter().next().ok_or_else(|| {
            Error::new(
                crate::ErrorKind::Protocol,
                OP,
                "the answer names no machine",
            )
        })?;
        match one.error.filter(|e| !e.message.is_empty()) {
            Some(e) => Err(e.into_error(OP)),
            None => Ok(one.machine),
        }
    }

    /// Removes machines; with `force` their units and containers go with them.
    ///
    /// # Errors
    /// The first one that cannot be removed.
    pub async fn destroy(&self, ids: &[&str], force: bool) -> Result<()> {
        let tags: Vec<String> = ids.iter().map(|i| crate::machine_tag(i)).collect();
        let mut params = json!({"machine-tags": tags, "force": force});
        if force {
            params["max-wait"] = json!(0);
        }
        let r: Results<super::ErrorResult> = self
            .0
            .call("MachineManager", "DestroyMachineWithParams", params)
            .await?;
        super::all_ok(r, "MachineManager.DestroyMachineWithParams")
    }

    /// Has machines whose provisioning failed tried again; `all` of them or these.
    ///
    /// # Errors
    /// As every call.
    pub async fn retry_provisioning(&self, ids: &[&str]) -> Result<()> {
        let tags: Vec<String> = ids.iter().map(|i| crate::machine_tag(i)).collect();
        let params = json!({"all": ids.is_empty(), "machines": tags});
        let r: Results<super::ErrorResult> = self
            .0
            .call("MachineManager", "RetryProvisioning", params)
            .await?;
        super::all_ok(r, "MachineManager.RetryProvisioning")
    }
}
