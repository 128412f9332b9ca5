//! Snaps, over snapd's REST API on its unix socket.
//!
//! Facts: snapd's `rest-api` documentation, and snapd 2.57 as it answered. An omitted boolean means false; a failed
//! change is `Error` with tasks `Undone` or `Hold`; installing `core` restarts snapd in the middle of a change, so a
//! short silence of the socket is not a failure.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Error, Kind, Result};
use super::watch::{Deed, Watch};

mod model;
mod refusal;

pub use model::{
    App, Change, ChangeId, Progress, ServiceAction, Snap, SystemInfo, Task, normal_channel,
};
use refusal::refusal;

/// How long one request may take. snapd answers from its state; what lasts is a change.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// snapd.
#[derive(Clone)]
pub struct Snaps {
    socket: PathBuf,
    http: reqwest::Client,
    watch: Option<Watch>,
}

impl fmt::Debug for Snaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snaps")
            .field("socket", &self.socket)
            .finish()
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    change: Option<String>,
}

impl Snaps {
    /// snapd behind a socket; `/run/snapd.socket` on every real host.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        let socket = socket.into();
        let http = reqwest::Client::builder()
            .unix_socket(socket.as_path())
            .tls_backend_preconfigured(no_tls())
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap_or_default();
        Self {
            socket,
            http,
            watch: None,
        }
    }

    /// With every request told to `watch` first.
    #[must_use]
    pub(super) fn watched(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Where the socket is.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    async fn send(
        &self,
        operation: &str,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Envelope> {
        let mutation = method != reqwest::Method::GET;
        if let Some(watch) = &self.watch {
            watch(&Deed::Snapd(&format!("{method} {path}")));
        }
        let mut request = self.http.request(method, format!("http://localhost{path}"));
        if let Some(body) = &body {
            request = request.json(body);
        }
        let unreachable = |e: reqwest::Error| {
            let connect = e.is_connect();
            let kind = if e.is_timeout() {
                Kind::Timeout
            } else {
                Kind::Unavailable
            };
            let error = Error::new(
                kind,
                operation,
                format!(
                    "snapd does not answer on {}: {}",
                    self.socket.display(),
                    innermost(&e)
                ),
            )
            .hint("install snapd, or `systemctl start snapd.socket`");
            if mutation && !connect {
                error.unclear()
            } else {
                error
            }
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        let envelope: Envelope = serde_json::from_slice(&bytes).map_err(|e| {
            let shown: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
            Error::new(
                Kind::Malformed,
                operation,
                format!("snapd answered {status} with what is not its JSON: {shown}"),
            )
            .with_source(e)
        })?;
        if envelope.kind == "error" || !status.is_success() {
            return Err(refusal(operation, status.as_u16(), &envelope.result));
        }
        Ok(envelope)
    }

    async fn change_of(&self, operation: &str, path: &str, body: Value) -> Result<ChangeId> {
        let envelope = self
            .send(operation, reqwest::Method::POST, path, Some(body))
            .await?;
        envelope.change.map(ChangeId).ok_or_else(|| {
            Error::new(
                Kind::Malformed,
                operation,
                "snapd answered without a change to follow",
            )
        })
    }

    fn decode<T: serde::de::DeserializeOwned>(operation: &str, result: Value) -> Result<T> {
        serde_path_to_error::deserialize(result).map_err(|e| {
            Error::new(
                Kind::Malformed,
                operation,
                format!("unexpected answer of snapd: {e}"),
            )
        })
    }

    /// snapd's version. The cheapest question: whether snapd is there at all.
    pub async fn system_info(&self) -> Result<SystemInfo> {
        let operation = "ask snapd for its version";
        Self::decode(
            operation,
            self.send(operation, reqwest::Method::GET, "/v2/system-info", None)
                .await?
                .result,
        )
    }

    /// An installed snap; `None` if it is not installed.
    pub async fn get(&self, name: &str) -> Result<Option<Snap>> {
        let operation = format!("look for the snap {name}");
        match self
            .send(
                &operation,
                reqwest::Method::GET,
                &format!("/v2/snaps/{name}"),
                None,
            )
            .await
        {
            Ok(envelope) => Self::decode(&operation, envelope.result).map(Some),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Starts the installation of a snap from a channel. Follow the change with [`Snaps::change`] or [`Snaps::follow`].
    ///
    /// A snap that is already there is [`Kind::Conflict`] with code `snap-already-installed`; one that another change
    /// is working on is [`Kind::Busy`].
    pub async fn install(&self, name: &str, channel: &str) -> Result<ChangeId> {
        let body = json!({"action": "install", "channel": normal_channel(channel)});
        self.change_of(
            &format!("install the snap {name} from {channel}"),
            &format!("/v2/snaps/{name}"),
            body,
        )
        .await
    }

    /// Starts the refresh of a snap to a channel.
    pub async fn refresh(&self, name: &str, channel: &str) -> Result<ChangeId> {
        let body = json!({"action": "refresh", "channel": normal_channel(channel)});
        self.change_of(
            &format!("refresh the snap {name} to {channel}"),
            &format!("/v2/snaps/{name}"),
            body,
        )
        .await
    }

    /// Starts the removal of a snap; with `purge` no snapshot of its data is kept.
    /// One that is not there is [`Kind::NotFound`].
    pub async fn remove(&self, name: &str, purge: bool) -> Result<ChangeId> {
        let body = if purge {
            json!({"action": "remove", "purge": true})
        } else {
            json!({"action": "remove"})
        };
        self.change_of(
            &format!("remove the snap {name}"),
            &format!("/v2/snaps/{name}"),
            body,
        )
        .await
    }

    /// Holds the refreshes of a snap for ever, so that no service restarts in the middle of a deployment (snapd 2.58 and later).
    pub async fn hold(&self, name: &str) -> Result<ChangeId> {
        let body =
            json!({"action": "hold", "snaps": [name], "time": "forever", "hold-level": "general"});
        self.change_of(
            &format!("hold the refreshes of the snap {name}"),
            "/v2/snaps",
            body,
        )
        .await
    }

    /// Ends a hold.
    pub async fn unhold(&self, name: &str) -> Result<ChangeId> {
        let body = json!({"action": "unhold", "snaps": [name]});
        self.change_of(
            &format!("end the hold of the snap {name}"),
            "/v2/snaps",
            body,
        )
        .await
    }

    /// Sets configuration keys of a snap.
    pub async fn configure(
        &self,
        name: &str,
        values: &serde_json::Map<String, Value>,
    ) -> Result<ChangeId> {
        let operation = format!("configure the snap {name}");
        let envelope = self
            .send(
                &operation,
                reqwest::Method::PUT,
                &format!("/v2/snaps/{name}/conf"),
                Some(Value::Object(values.clone())),
            )
            .await?;
        envelope.change.map(ChangeId).ok_or_else(|| {
            Error::new(
                Kind::Malformed,
                operation,
                "snapd answered without a change to follow",
            )
        })
    }

    /// The services of a snap.
    pub async fn services(&self, name: &str) -> Result<Vec<App>> {
        let operation = format!("list the services of the snap {name}");
        Self::decode(
            &operation,
            self.send(
                &operation,
                reqwest::Method::GET,
                &format!("/v2/apps?select=service&names={name}"),
                None,
            )
            .await?
            .result,
        )
    }

    /// `start`, `stop` or `restart` of a snap's services (`maas`, or `maas.supervisor` for one).
    pub async fn service(&self, action: ServiceAction, name: &str) -> Result<ChangeId> {
        let body = match action {
            ServiceAction::Start => json!({"action": "start", "names": [name], "enable": true}),
            ServiceAction::Stop => json!({"action": "stop", "names": [name], "disable": true}),
            ServiceAction::Restart => json!({"action": "restart", "names": [name]}),
        };
        self.change_of(
            &format!("{} the services of {name}", action.word()),
            "/v2/apps",
            body,
        )
        .await
    }

    /// A change as it stands.
    pub async fn change(&self, id: &ChangeId) -> Result<Change> {
        let operation = format!("ask snapd for its change {id}");
        Self::decode(
            &operation,
            self.send(
                &operation,
                reqwest::Method::GET,
                &format!("/v2/changes/{id}"),
                None,
            )
            .await?
            .result,
        )
    }

    /// The changes that are going on for a snap: what a run that was killed left behind.
    pub async fn changes_in_progress(&self, name: &str) -> Result<Vec<Change>> {
        let operation = format!("ask snapd what it does with {name}");
        Self::decode(
            &operation,
            self.send(
                &operation,
                reqwest::Method::GET,
                &format!("/v2/changes?select=in-progress&for={name}"),
                None,
            )
            .await?
            .result,
        )
    }

    /// Stops a change that goes on; snapd undoes it. One that has ended is an error.
    pub async fn abort(&self, id: &ChangeId) -> Result<()> {
        let operation = format!("abort snapd's change {id}");
        self.send(
            &operation,
            reqwest::Method::POST,
            &format!("/v2/changes/{id}"),
            Some(json!({"action": "abort"})),
        )
        .await
        .map(drop)
    }

    /// Follows a change to its end, telling each observation. snapd's own restarts in the middle are waited through.
    pub async fn follow(
        &self,
        id: &ChangeId,
        total: Duration,
        mut on_progress: impl FnMut(&Change) + Send,
    ) -> Result<Change> {
        let until = tokio::time::Instant::now() + total;
        let mut pause = Duration::from_millis(50);
        let mut last;
        loop {
            match self.change(id).await {
                Ok(change) => {
                    on_progress(&change);
                    last = change.progress();
                    if change.outcome()? {
                        return Ok(change);
                    }
                }
                Err(e) if e.is_retryable() => last = e.to_string(),
                Err(e) => return Err(e),
            }
            if tokio::time::Instant::now() + pause >= until {
                return Err(Error::new(
                    Kind::Timeout,
                    format!("wait for snapd's change {id}"),
                    format!(
                        "it did not end within {} s; last seen: {last}",
                        total.as_secs()
                    ),
                ));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

/// reqwest wants a TLS configuration even for a unix socket; this one trusts nobody.
fn no_tls() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("ring supports the default versions"))
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
