//! What runs beside an action: commands on units, operations, and the log of an action while it runs.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::actions::{ActionResult, ActionStatus, Actions, Wire};
use super::{ErrorResult, Results, WireError, nullable, single};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ActionId;

/// Several actions that were enqueued together.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Operation {
    /// Its number.
    pub id: String,
    /// `action "backup"`, or what was run.
    pub summary: String,
    /// How far it is as a whole.
    pub status: ActionStatus,
    /// When it ended; none: it has not. (An action's own `completed` stays unset on 4.0.)
    pub completed: Option<String>,
    /// Its actions. Those that could not be enqueued are left out.
    pub actions: Vec<ActionResult>,
}

/// What a command is run on.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ExecTarget {
    /// Units, `vault/0` or `vault/leader`.
    pub units: Vec<String>,
    /// All units of applications.
    pub applications: Vec<String>,
    /// Machines, outside of any unit.
    pub machines: Vec<String>,
}

impl ExecTarget {
    /// On one unit.
    pub fn unit(unit: impl Into<String>) -> Self {
        Self {
            units: vec![unit.into()],
            ..Self::default()
        }
    }
}

/// A message that an action logged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ActionMessage {
    /// The text.
    pub message: String,
    /// RFC 3339.
    pub timestamp: String,
}

/// What a watch of an action's log says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The watch was made anew after a lost connection; what was logged meanwhile, or all, may follow again.
    Resynced,
    /// Messages.
    Messages(Vec<ActionMessage>),
}

/// A watch of an action's log.
#[derive(Debug)]
pub struct ActionProgress {
    client: Client,
    action: ActionId,
    watcher: String,
    generation: u64,
    first: Vec<ActionMessage>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct Changes {
    #[serde(deserialize_with = "nullable")]
    watcher_id: String,
    #[serde(deserialize_with = "nullable")]
    changes: Vec<String>,
    error: Option<WireError>,
}

fn messages(changes: &[String]) -> Vec<ActionMessage> {
    changes
        .iter()
        .map(|c| {
            serde_json::from_str(c).unwrap_or_else(|_| ActionMessage {
                message: c.clone(),
                timestamp: String::new(),
            })
        })
        .collect()
}

impl ActionProgress {
    async fn start(client: &Client, action: &ActionId) -> Result<Self> {
        const OP: &str = "Action.WatchActionsProgress";
        let generation = client.session().generation;
        let params = json!({"entities": [{"tag": action.tag()}]});
        let r: Results<Changes> = client
            .read("Action", "WatchActionsProgress", params)
            .await?;
        let one = single(r, OP)?;
        ErrorResult { error: one.error }.check(OP)?;
        Ok(Self {
            client: client.clone(),
            action: action.clone(),
            watcher: one.watcher_id,
            generation,
            first: messages(&one.changes),
        })
    }

    /// The next messages; blocks until there are some, and for ever once the action has ended: see [`Actions::wait_logged`].
    ///
    /// Not cancel safe: a cancelled call may swallow messages.
    ///
    /// # Errors
    /// The server's refusal, or a connection that has ended.
    pub async fn next(&mut self) -> Result<Progress> {
        if !self.first.is_empty() {
            return Ok(Progress::Messages(std::mem::take(&mut self.first)));
        }
        loop {
            let answer = if self.client.session().generation == self.generation {
                self.client
                    .call_full::<Changes>(
                        "StringsWatcher",
                        1,
                        &self.watcher,
                        "Next",
                        json!({}),
                        Duration::from_secs(24 * 3600),
                    )
                    .await
            } else {
                Err(Error::new(
                    ErrorKind::Closed,
                    "StringsWatcher.Next",
                    "the connection was made anew",
                ))
            };
            match answer {
                // The first answer of 4.0 is empty.
                Ok(c) if c.changes.is_empty() => {}
                Ok(c) => return Ok(Progress::Messages(messages(&c.changes))),
                Err(e) if e.is_closed() => {
                    *self = Self::start(&self.client, &self.action).await?;
                    return Ok(Progress::Resynced);
                }
                Err(e) => return Err(e),
            }
        }
    }
}

impl ActionProgress {
    /// Ends the watch on the server.
    pub async fn stop(self) {
        let _ = self
            .client
            .call_full::<Value>(
                "StringsWatcher",
                1,
                &self.watcher,
                "Stop",
                json!({}),
                Duration::from_secs(10),
            )
            .await;
    }
}

impl Actions {
    /// Runs a shell command on units or machines, as `juju exec` does; the results are actions.
    ///
    /// # Errors
    /// As every call. After an unclear failure look with [`Actions::list`] for `juju-exec`.
    pub async fn exec(
        &self,
        command: &str,
        on: &ExecTarget,
        timeout: Duration,
    ) -> Result<Vec<ActionId>> {
        const OP: &str = "Action.Run";
        #[derive(Deserialize)]
        struct Enqueued {
            #[serde(default, deserialize_with = "nullable")]
            actions: Vec<Wire>,
        }
        let nanoseconds = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
        let mut params = json!({"commands": command, "timeout": nanoseconds});
        for (key, list) in [
            ("units", &on.units),
            ("applications", &on.applications),
            ("machines", &on.machines),
        ] {
            if !list.is_empty() {
                params[key] = json!(list);
            }
        }
        params["parallel"] = json!(true);
        let w: Enqueued = self.client().call("Action", "Run", params).await?;
        if w.actions.is_empty() {
            return Err(Error::new(
                ErrorKind::Protocol,
                OP,
                "the answer names no action",
            ));
        }
        w.actions
            .into_iter()
            .map(|a| a.read(OP).map(|r| ActionId(r.id)))
            .collect()
    }

    /// An operation with its actions.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn operation(&self, id: &str) -> Result<Operation> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct One {
            operation: String,
            #[serde(deserialize_with = "nullable")]
            summary: String,
            status: ActionStatus,
            completed: Option<String>,
            #[serde(deserialize_with = "nullable")]
            actions: Vec<Wire>,
            error: Option<WireError>,
        }
        const OP: &str = "Action.Operations";
        let id = id.strip_prefix("operation-").unwrap_or(id);
        let params = json!({"entities": [{"tag": format!("operation-{id}")}]});
        let r: Results<One> = self.client().read("Action", "Operations", params).await?;
        let one = single(r, OP)?;
        ErrorResult { error: one.error }.check(OP)?;
        Ok(Operation {
            id: one
                .operation
                .strip_prefix("operation-")
                .unwrap_or(&one.operation)
                .to_owned(),
            summary: one.summary,
            status: one.status,
            completed: one.completed.filter(|t| !t.starts_with("0001-")),
            actions: one
                .actions
                .into_iter()
                .filter_map(|a| a.read(OP).ok())
                .collect(),
        })
    }

    /// The actions of an application's charm, by name, as their schemas come.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn of_application(
        &self,
        application: &str,
    ) -> Result<std::collections::BTreeMap<String, Value>> {
        #[derive(Deserialize)]
        struct One {
            #[serde(default, deserialize_with = "nullable")]
            actions: std::collections::BTreeMap<String, Value>,
            #[serde(default)]
            error: Option<WireError>,
        }
        const OP: &str = "Action.ApplicationsCharmsActions";
        let params = json!({"entities": [{"tag": crate::application_tag(application)}]});
        let r: Results<One> = self
            .client()
            .read("Action", "ApplicationsCharmsActions", params)
            .await?;
        let one = single(r, OP)?;
        ErrorResult { error: one.error }.check(OP)?;
        Ok(one.actions)
    }

    /// Watches what an action logs while it runs.
    ///
    /// # Errors
    /// `is_not_found()`.
    pub async fn progress(&self, id: &ActionId) -> Result<ActionProgress> {
        ActionProgress::start(self.client(), id).await
    }

    /// As [`Actions::wait`], with each message as it is logged. A message is told once.
    ///
    /// # Errors
    /// As [`Actions::wait`]; a watch that fails is no failure of the action.
    pub async fn wait_logged(
        &self,
        id: &ActionId,
        timeout: Duration,
        mut on_message: impl FnMut(&ActionMessage),
    ) -> Result<ActionResult> {
        let mut seen: Vec<ActionMessage> = Vec::new();
        let mut tell = |m: ActionMessage| {
            if !seen.contains(&m) {
                on_message(&m);
                seen.push(m);
            }
        };
        let mut watch = self.progress(id).await.ok();
        let ended = self.wait(id, timeout);
        tokio::pin!(ended);
        let outcome = loop {
            let Some(w) = watch.as_mut() else {
                break ended.as_mut().await;
            };
            tokio::select! {
                outcome = ended.as_mut() => break outcome,
                progress = w.next() => match progress {
                    Ok(Progress::Messages(all)) => all.into_iter().for_each(&mut tell),
                    Ok(Progress::Resynced) => {}
                    Err(_) => watch = None,
                },
            }
        };
        if let Some(w) = watch {
            w.stop().await;
        }
        // What was logged last may not have come through the watch: the result holds all of it.
        if let Ok(r) = self.result(id).await {
            for m in r.messages {
                tell(m);
            }
        }
        outcome
    }
}
