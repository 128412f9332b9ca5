//! Instances: containers and virtual machines.

use std::time::Duration;

use serde_json::json;

use crate::answer::Versioned;
use crate::listing::{Collection, Listing};
use crate::operation::{Finished, Started};
use crate::request::{Request, segment};
use crate::types::{Instance, InstanceState, NewInstance, StateAction};
use crate::{Client, Error, ErrorKind, Etag, Result};

/// The server's instances (of the client's project).
#[derive(Debug, Clone)]
pub struct Instances {
    pub(crate) client: Client,
}

impl Client {
    /// The instances of the client's project.
    pub fn instances(&self) -> Instances {
        Instances {
            client: self.clone(),
        }
    }
}

impl Instances {
    /// All of them.
    ///
    /// # Errors
    /// If the server cannot be asked. An unknown project answers with none at all.
    pub async fn list(&self) -> Result<Vec<Instance>> {
        self.list_with(&Listing::new()).await
    }

    /// Those that `listing` asks for.
    ///
    /// # Errors
    /// If the filter is refused; missing extension, where the server cannot narrow or widen.
    pub async fn list_with(&self, listing: &Listing) -> Result<Vec<Instance>> {
        self.client.list(collection(), 1, listing).await
    }

    /// All of them with their running states, snapshots and backups, in one call (recursion 2).
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn list_full(&self) -> Result<Vec<Instance>> {
        self.list_full_with(&Listing::new()).await
    }

    /// As [`Instances::list_full`], those that `listing` asks for.
    ///
    /// # Errors
    /// As [`Instances::list_with`].
    pub async fn list_full_with(&self, listing: &Listing) -> Result<Vec<Instance>> {
        self.client.list(collection(), 2, listing).await
    }

    /// Their names alone.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn names(&self) -> Result<Vec<String>> {
        self.client.names(collection().path).await
    }

    /// Those of every project.
    ///
    /// # Errors
    /// Missing extension before LXD 4.21.
    pub async fn list_all_projects(&self) -> Result<Vec<Instance>> {
        self.list_with(&Listing::new().all_projects()).await
    }

    /// Those that a filter of LXD's own language lets through, such as `status eq Running`.
    ///
    /// # Errors
    /// If the filter is refused.
    pub async fn list_filtered(&self, filter: &str) -> Result<Vec<Instance>> {
        self.list_with(&Listing::new().filter(filter)).await
    }

    /// One, with its ETag.
    ///
    /// # Errors
    /// Not found.
    pub async fn get(&self, name: &str) -> Result<Versioned<Instance>> {
        self.client.get(&path(name)).await
    }

    /// Whether there is one.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn exists(&self, name: &str) -> Result<bool> {
        self.client.exists(&path(name)).await
    }

    /// Its running state: processes, memory, addresses.
    ///
    /// # Errors
    /// Not found.
    pub async fn state(&self, name: &str) -> Result<InstanceState> {
        Ok(self
            .client
            .get::<InstanceState>(&format!("{}/state", path(name)))
            .await?
            .into_inner())
    }

    /// Makes one; it is not started.
    ///
    /// # Errors
    /// A duplicate is told by the operation up to LXD 5.21, at once later: a conflict either way.
    pub async fn create(&self, new: &NewInstance) -> Result<Started> {
        self.client
            .change(Request::post("/1.0/instances").json(new.post()))
            .await
    }

    /// Changes its state. `timeout` is how long a clean stop may take before it fails
    /// (`None`: for ever); `force` cuts the power.
    ///
    /// # Errors
    /// Not found; through the operation, if it cannot.
    pub async fn set_state(
        &self,
        name: &str,
        action: StateAction,
        timeout: Option<Duration>,
        force: bool,
    ) -> Result<Started> {
        let seconds = timeout.map_or(-1, |t| i64::try_from(t.as_secs()).unwrap_or(i64::MAX));
        let body = json!({
            "action": action, "timeout": seconds, "force": force, "stateful": false,
        });
        self.client
            .change(Request::put(format!("{}/state", path(name))).json(body))
            .await
    }

    /// Starts it.
    ///
    /// # Errors
    /// Not found; through the operation, if it runs already or cannot.
    pub async fn start(&self, name: &str) -> Result<Started> {
        self.set_state(name, StateAction::Start, None, false).await
    }

    /// Asks it to shut down and waits at most `timeout` for that.
    ///
    /// # Errors
    /// Not found; through the operation, if it is stopped already or does not stop in time.
    pub async fn stop(&self, name: &str, timeout: Duration) -> Result<Started> {
        self.set_state(name, StateAction::Stop, Some(timeout), false)
            .await
    }

    /// Cuts its power.
    ///
    /// # Errors
    /// Not found; through the operation, if it is stopped already.
    pub async fn stop_forced(&self, name: &str) -> Result<Started> {
        self.set_state(name, StateAction::Stop, None, true).await
    }

    /// Replaces its configuration, devices, profiles and description. `instance` must be what was
    /// read, changed: its `volatile.*` keys have to go back too, or the operation fails.
    ///
    /// # Errors
    /// Precondition if it was changed since `etag` was read.
    pub async fn update(&self, instance: &Instance, etag: Option<&Etag>) -> Result<Started> {
        self.client
            .put(&path(&instance.name), instance.put(), etag)
            .await
    }

    /// Reads it, changes it, writes it; and again if somebody else changed it in between (`change`
    /// then runs on what was read anew). LXD checks the ETag when the request comes and writes a
    /// moment later, so two writers within that moment can both be let through.
    ///
    /// # Errors
    /// Not found, refused, or still in somebody's way after ten tries.
    pub async fn modify(&self, name: &str, change: impl FnMut(&mut Instance)) -> Result<Finished> {
        self.client.modify(&path(name), Instance::put, change).await
    }

    /// Sets configuration keys and leaves the others; an empty value unsets a key.
    ///
    /// # Errors
    /// Not found, or a key or value is refused.
    pub async fn set_config<K: Into<String>, V: Into<String>>(
        &self,
        name: &str,
        keys: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Finished> {
        let config: crate::Config = keys
            .into_iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        self.client
            .change(Request::patch(path(name)).json(json!({"config": config})))
            .await?
            .wait()
            .await
    }

    /// Renames it; it must be stopped.
    ///
    /// # Errors
    /// Not found; conflict; through the operation, if it runs.
    pub async fn rename(&self, name: &str, to: &str) -> Result<Started> {
        self.client
            .change(Request::post(path(name)).json(json!({"name": to})))
            .await
    }

    /// Deletes it; it must be stopped.
    ///
    /// # Errors
    /// Not found; refused if it runs.
    pub async fn delete(&self, name: &str) -> Result<Started> {
        self.client.change(Request::delete(path(name))).await
    }

    /// Stops it by force if it runs, then deletes it. Succeeds if there is none.
    ///
    /// # Errors
    /// If either fails.
    pub async fn delete_forced(&self, name: &str) -> Result<()> {
        let mut last = None;
        for _ in 0..3 {
            let status = match self.get(name).await {
                Ok(instance) => instance.into_inner().status,
                Err(e) if e.is_not_found() => return Ok(()),
                Err(e) => return Err(e),
            };
            if status != crate::InstanceStatus::Stopped {
                let stopped = match self.stop_forced(name).await {
                    Ok(started) => started.wait().await,
                    Err(e) => Err(e),
                };
                // It stopped by itself in between, is ephemeral and gone, or the server gave up on
                // a stop that still happens (5.0 does after 30 s): what stands is looked at again.
                if let Err(e) = stopped
                    && !e.message().contains("already stopped")
                {
                    last = Some(e);
                    continue;
                }
            }
            let gone = match self.delete(name).await {
                Ok(started) => started.wait().await.map(|_| ()),
                Err(e) => Err(e),
            };
            match gone {
                Ok(()) => return Ok(()),
                Err(e) if e.is_not_found() => return Ok(()),
                Err(e) if e.message().contains("running") => last = Some(e),
                Err(e) => return Err(e),
            }
        }
        Err(last.unwrap_or_else(|| {
            Error::new(
                ErrorKind::Conflict,
                format!("deleting the instance {name}"),
                "it is started again each time it was stopped",
            )
        }))
    }
}

pub(crate) fn path(name: &str) -> String {
    format!("/1.0/instances/{}", segment(name))
}

fn collection() -> Collection {
    Collection {
        path: "/1.0/instances".into(),
        filter: Some("api_filtering"),
        all_projects: Some("instance_all_projects"),
    }
}
