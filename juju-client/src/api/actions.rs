//! The facade `Action`: run a charm's action and read what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::progress::ActionMessage;
use super::status::words;
use super::{Results, WireError, nullable, single};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ActionId;

use serde::{Deserializer, Serialize, Serializer};
use std::fmt;

words! {
    /// How far an action is.
    ActionStatus {
        /// Waits for the unit's agent.
        Pending = "pending",
        /// Runs.
        Running = "running",
        /// Done.
        Completed = "completed",
        /// The charm said that it failed.
        Failed = "failed",
        /// Taken back.
        Cancelled = "cancelled",
        /// Being taken back.
        Aborting = "aborting",
        /// Taken back while it ran.
        Aborted = "aborted",
        /// An agent's failure.
        Error = "error",
    }
}

impl ActionStatus {
    /// Whether it stays so.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Cancelled | Self::Aborted | Self::Error
        )
    }
}

/// An action and its results.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ActionResult {
    /// Its number.
    pub id: String,
    /// The unit, `vault/0`.
    pub unit: String,
    /// The action's name.
    pub name: String,
    /// How far it is. `completed` on the wire's action stays unset; this is what counts.
    pub status: ActionStatus,
    /// What the charm said when it failed.
    pub message: String,
    /// Results; nested where their names have dots; `return-code`, `stdout`, `stderr` among them. May hold secrets.
    pub output: BTreeMap<String, Value>,
    /// What it logged.
    pub log: Vec<String>,
    /// The same with its times.
    pub messages: Vec<ActionMessage>,
}

impl ActionResult {
    /// A result by its name, dots for nesting.
    pub fn get(&self, name: &str) -> Option<&Value> {
        if let Some(v) = self.output.get(name) {
            return Some(v);
        }
        let mut parts = name.split('.');
        let mut at = self.output.get(parts.next()?)?;
        for p in parts {
            at = at.get(p)?;
        }
        Some(at)
    }

    /// The same as text.
    pub fn get_str(&self, name: &str) -> Option<String> {
        self.get(name)
            .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Wire {
    action: Option<WireAction>,
    status: ActionStatus,
    #[serde(deserialize_with = "nullable")]
    message: String,
    #[serde(deserialize_with = "nullable")]
    output: BTreeMap<String, Value>,
    #[serde(deserialize_with = "nullable")]
    log: Vec<ActionMessage>,
    error: Option<WireError>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireAction {
    tag: String,
    receiver: String,
    name: String,
}

impl Wire {
    pub(super) fn read(self, operation: &str) -> Result<ActionResult> {
        if let Some(e) = self.error.filter(|e| !e.message.is_empty()) {
            return Err(e.into_error(operation));
        }
        let a = self.action.unwrap_or_default();
        Ok(ActionResult {
            id: a.tag.strip_prefix("action-").unwrap_or(&a.tag).to_owned(),
            unit: unit_of(&a.receiver),
            name: a.name,
            status: self.status,
            message: self.message,
            output: self.output,
            log: self.log.iter().map(|l| l.message.clone()).collect(),
            messages: self.log,
        })
    }
}

fn unit_of(tag: &str) -> String {
    let t = tag.strip_prefix("unit-").unwrap_or(tag);
    match t.rsplit_once('-') {
        Some((app, n)) => format!("{app}/{n}"),
        None => t.to_owned(),
    }
}

/// The facade, as [`Client::actions`] gives it.
#[derive(Debug, Clone)]
pub struct Actions(Client);

impl Client {
    /// Actions, on a model's connection.
    pub fn actions(&self) -> Actions {
        Actions(self.clone())
    }
}

impl Actions {
    pub(super) fn client(&self) -> &Client {
        &self.0
    }

    /// Asks a unit (`vault/0`, or `vault/leader`) to run an action. The server does not check the parameters.
    ///
    /// # Errors
    /// An unknown unit or action. After an unclear failure look with [`Actions::list`].
    pub async fn enqueue(
        &self,
        unit: &str,
        name: &str,
        parameters: &BTreeMap<String, Value>,
    ) -> Result<ActionId> {
        #[derive(Deserialize)]
        struct Enqueued {
            #[serde(default, deserialize_with = "nullable")]
            actions: Vec<Wire>,
        }
        const OP: &str = "Action.EnqueueOperation";
        let receiver = if unit.ends_with("/leader") {
            unit.to_owned()
        } else {
            crate::unit_tag(unit)
        };
        let params = json!({"actions": [{"tag": "", "receiver": receiver, "name": name, "parameters": parameters}]});
        let w: Enqueued = self.0.call("Action", "EnqueueOperation", params).await?;
        let one = w
            .actions
            .into_iter()
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Protocol, OP, "the answer names no action"))?;
        let r = one.read(&format!("run {name} on {unit}"))?;
        if r.id.is_empty() {
            return Err(Error::new(
                ErrorKind::Protocol,
                OP,
                "the answer gives the action no number",
            ));
        }
        Ok(ActionId(r.id))
    }

    /// How far an action is, and its results.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn result(&self, id: &ActionId) -> Result<ActionResult> {
        const OP: &str = "Action.Actions";
        let r: Results<Wire> = self
            .0
            .read(
                "Action",
                "Actions",
                json!({"entities": [{"tag": id.tag()}]}),
            )
            .await?;
        single(r, OP)?.read(OP)
    }

    /// Actions of units by name, newest knowledge: for finding what an unclear failure left. Empty filters match all.
    ///
    /// # Errors
    /// As every call.
    pub async fn list(&self, units: &[&str], names: &[&str]) -> Result<Vec<ActionResult>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default, deserialize_with = "nullable")]
            results: Vec<Operation>,
        }
        #[derive(Deserialize)]
        struct Operation {
            #[serde(default, deserialize_with = "nullable")]
            actions: Vec<Wire>,
        }
        let mut params = json!({});
        if !units.is_empty() {
            params["units"] = json!(units);
        }
        if !names.is_empty() {
            params["actions"] = json!(names);
        }
        let page: Page = self.0.read("Action", "ListOperations", params).await?;
        Ok(page
            .results
            .into_iter()
            .flat_map(|o| o.actions)
            .filter_map(|a| a.read("Action.ListOperations").ok())
            .collect())
    }

    /// Waits for an action's end, asking with growing pauses.
    ///
    /// # Errors
    /// [`ErrorKind::Failed`] with the charm's message if it failed, [`ErrorKind::Timeout`] if it did not end in time.
    pub async fn wait(&self, id: &ActionId, timeout: Duration) -> Result<ActionResult> {
        let until = tokio::time::Instant::now() + timeout;
        let mut pause = Duration::from_millis(20);
        loop {
            let r = self.result(id).await?;
            match &r.status {
                ActionStatus::Completed => return Ok(r),
                s if s.is_terminal() => {
                    let message = if r.message.is_empty() {
                        "no message".to_owned()
                    } else {
                        r.message.clone()
                    };
                    return Err(Error::new(
                        ErrorKind::Failed,
                        format!("action {} on {}", r.name, r.unit),
                        format!("{s}: {message}"),
                    ));
                }
                s => {
                    if tokio::time::Instant::now() >= until {
                        return Err(Error::new(ErrorKind::Timeout, format!("action {} on {}", r.name, r.unit), format!("still {s} after {timeout:?}"))
                            .hint("a pending action waits for the unit's agent: look at the unit's status"));
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Enqueues and waits.
    ///
    /// # Errors
    /// As [`Actions::enqueue`] and [`Actions::wait`].
    pub async fn run(
        &self,
        unit: &str,
        name: &str,
        parameters: &BTreeMap<String, Value>,
        timeout: Duration,
    ) -> Result<ActionResult> {
        let id = self.enqueue(unit, name, parameters).await?;
        self.wait(&id, timeout).await
    }

    /// Takes an action back. 4.0.15's server fails at it.
    ///
    /// # Errors
    /// As every call.
    pub async fn cancel(&self, id: &ActionId) -> Result<ActionResult> {
        let hint = |e: Error| {
            if e.message().contains("cannot prepare statement") {
                e.hint("4.0 up to 4.0.15 cannot cancel: let the action end, or its timeout pass")
            } else {
                e
            }
        };
        let r: Results<Wire> = self
            .0
            .call("Action", "Cancel", json!({"entities": [{"tag": id.tag()}]}))
            .await
            .map_err(hint)?;
        single(r, "Action.Cancel")?
            .read("Action.Cancel")
            .map_err(hint)
    }
}
