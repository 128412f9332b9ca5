//! The server's events as a stream that reconnects, and says so.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::operation::Operation;
use crate::{Client, Error, ErrorKind, Result};

/// What a stream of events tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The stream stands (again). What happened before was not seen: read what matters anew.
    Resynced,
    /// An operation changed. These may arrive out of order, the end before the beginning.
    Operation {
        /// When, as the server wrote it.
        timestamp: String,
        /// The project it belongs to.
        project: String,
        /// The operation.
        operation: Box<Operation>,
    },
    /// Something was made, changed or deleted.
    Lifecycle {
        /// When, as the server wrote it.
        timestamp: String,
        /// The project it belongs to.
        project: String,
        /// What.
        lifecycle: Lifecycle,
    },
    /// A line of the daemon's log.
    Logging {
        /// When, as the server wrote it.
        timestamp: String,
        /// The line.
        logging: Logging,
    },
    /// Of a kind that this version of the crate does not know.
    Unknown(Value),
}

/// Something was made, changed or deleted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Lifecycle {
    /// Such as `instance-started`.
    pub action: String,
    /// The object's path.
    pub source: String,
    /// More about it.
    pub context: Value,
}

/// A line of the daemon's log.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Logging {
    /// `debug`, `info`, `warning`, `error`.
    pub level: String,
    /// The line.
    pub message: String,
    /// Its keys.
    pub context: Value,
}

/// Which events a stream tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EventFilter {
    /// Of `operation`, `lifecycle`, `logging`; all if empty.
    pub kinds: Vec<String>,
    /// Of every project instead of the client's.
    pub all_projects: bool,
    /// How long to go on trying to reach a server that has gone away; `None`: for ever.
    pub give_up_after: Option<Duration>,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self {
            kinds: vec!["operation".into(), "lifecycle".into()],
            all_projects: false,
            give_up_after: None,
        }
    }
}

/// A stream of events: see [`Client::events`].
#[derive(Debug)]
pub struct EventStream {
    events: mpsc::Receiver<Result<Event>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stream for EventStream {
    type Item = Result<Event>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(cx)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection on which nothing was heard for this long is taken for dead; pings go out at a
/// third of it.
const SILENCE: Duration = Duration::from_secs(45);

impl Client {
    /// The server's events from now on. The first connection stands when this returns; the stream
    /// then begins with [`Event::Resynced`], and says so again after each reconnection. It ends
    /// with an error that reconnecting cannot mend (trust withdrawn, another server there), or
    /// when the filter's patience is over.
    ///
    /// # Errors
    /// If the first connection does not stand.
    pub async fn events(&self, filter: EventFilter) -> Result<EventStream> {
        let first = self.open_events(&filter).await?;
        let (tell, events) = mpsc::channel(1024);
        let client = self.clone();
        let task = tokio::spawn(async move { client.feed(filter, first, tell).await });
        Ok(EventStream { events, task })
    }

    async fn open_events(&self, filter: &EventFilter) -> Result<crate::websocket::Socket> {
        let kinds = filter.kinds.join(",");
        let mut query = Vec::new();
        if !kinds.is_empty() {
            query.push(("type", kinds.as_str()));
        }
        if filter.all_projects {
            query.push(("all-projects", "true"));
        } else {
            query.push(("project", self.project_name()));
        }
        self.websocket("/1.0/events", &query).await
    }

    async fn feed(
        &self,
        filter: EventFilter,
        first: crate::websocket::Socket,
        tell: mpsc::Sender<Result<Event>>,
    ) {
        let mut socket = Some(first);
        let mut pause = Duration::from_millis(100);
        let mut gone_since = tokio::time::Instant::now();
        loop {
            let opened = match socket.take() {
                Some(socket) => Ok(socket),
                None => self.open_events(&filter).await,
            };
            match opened {
                Ok(socket) => {
                    pause = Duration::from_millis(100);
                    if tell.send(Ok(Event::Resynced)).await.is_err() {
                        return;
                    }
                    if pump(socket, &tell).await.is_none() {
                        return;
                    }
                    gone_since = tokio::time::Instant::now();
                }
                Err(e) => {
                    let impatient = filter
                        .give_up_after
                        .is_some_and(|limit| gone_since.elapsed() >= limit);
                    let mendable = e.is_connection() || e.kind() == ErrorKind::Server;
                    if impatient || !mendable {
                        let _ = tell.send(Err(e)).await;
                        return;
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }
}

/// Passes on what a socket tells until it breaks; `None` once nobody listens any more.
async fn pump(
    mut socket: crate::websocket::Socket,
    tell: &mpsc::Sender<Result<Event>>,
) -> Option<()> {
    let mut heard = tokio::time::Instant::now();
    let mut ping = tokio::time::interval(SILENCE / 3);
    ping.tick().await;
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    heard = tokio::time::Instant::now();
                    if let Ok(value) = serde_json::from_str(text.as_str()) {
                        tell.send(Ok(Event::read(value))).await.ok()?;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Some(()),
                Some(Ok(_)) => heard = tokio::time::Instant::now(),
            },
            _ = ping.tick() => {
                let sent = tokio::time::timeout(
                    SILENCE / 3,
                    socket.send(Message::Ping(Vec::new().into())),
                );
                if heard.elapsed() > SILENCE || !matches!(sent.await, Ok(Ok(()))) {
                    return Some(());
                }
            }
            () = tell.closed() => return None,
        }
    }
}

impl Event {
    fn read(value: Value) -> Self {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Raw {
            #[serde(rename = "type")]
            kind: String,
            timestamp: String,
            project: String,
            metadata: Value,
        }
        let Ok(raw) = serde_json::from_value::<Raw>(value.clone()) else {
            return Self::Unknown(value);
        };
        let Raw {
            kind,
            timestamp,
            project,
            metadata,
        } = raw;
        let read = match kind.as_str() {
            "operation" => serde_json::from_value(metadata).map(|operation| Self::Operation {
                timestamp,
                project,
                operation,
            }),
            "lifecycle" => serde_json::from_value(metadata).map(|lifecycle| Self::Lifecycle {
                timestamp,
                project,
                lifecycle,
            }),
            "logging" => {
                serde_json::from_value(metadata).map(|logging| Self::Logging { timestamp, logging })
            }
            _ => return Self::Unknown(value),
        };
        read.unwrap_or(Self::Unknown(value))
    }
}

impl EventStream {
    /// The next event that `wanted` picks.
    ///
    /// # Errors
    /// The stream's own end.
    pub async fn find<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> Result<T> {
        loop {
            match self.next().await {
                Some(Ok(event)) => {
                    if let Some(found) = wanted(&event) {
                        return Ok(found);
                    }
                }
                Some(Err(e)) => return Err(e),
                None => {
                    return Err(Error::new(
                        ErrorKind::Connection,
                        "WEBSOCKET /1.0/events",
                        "the stream of events is over",
                    ));
                }
            }
        }
    }
}
