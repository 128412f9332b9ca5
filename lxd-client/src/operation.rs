//! Background operations as futures.
//!
//! LXD forgets an operation five seconds after it ended, and its events may arrive out of order
//! ("Success" before "Running"). So from the moment an operation is known, a task of ours hangs on
//! its `/wait`, and keeps the end for whoever asks later; the end always comes from the operation
//! itself, and one that failed is a failure although `/wait` answers 200. (From 5.20 on that 200
//! may hold an error.)

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures_core::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answer::{Answer, AnswerKind};
use crate::request::{Request, segment};
use crate::types::{Extra, nullable};
use crate::{Client, Error, ErrorKind, Result};

/// An operation's id (a UUID).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OperationId(String);

impl OperationId {
    /// Takes an id, or a path or URL that ends in one.
    pub fn new(text: &str) -> Self {
        let path = text.split('?').next().unwrap_or_default();
        Self(path.rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A background operation as the server tells it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// `task`, `websocket` or `token`.
    pub class: String,
    /// What it does, in LXD's words.
    pub description: String,
    /// In LXD's words: `Running`, `Success`...
    pub status: String,
    /// LXD's number: 103 running, 200 success, 400 failure, 401 cancelled...
    pub status_code: u16,
    /// What it is about: paths by kind.
    #[serde(deserialize_with = "resources")]
    pub resources: BTreeMap<String, Vec<String>>,
    /// What it tells of itself: progress, secrets, exit codes.
    pub metadata: Value,
    /// Whether it can be cancelled.
    pub may_cancel: bool,
    /// Why it failed.
    pub err: String,
    /// Why it failed, as an HTTP status; 0 where it did not, and from servers before 6.9.
    pub err_code: u16,
    /// When it was made.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// The cluster member it runs on.
    pub location: String,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `null` altogether, or for one of them (`{"cluster": null}` of a bootstrap).
fn resources<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<BTreeMap<String, Vec<String>>, D::Error> {
    let told: BTreeMap<String, Option<Vec<String>>> = nullable(deserializer)?;
    Ok(told
        .into_iter()
        .map(|(kind, paths)| (kind, paths.unwrap_or_default()))
        .collect())
}

impl Operation {
    /// Whether it has ended, well or badly.
    pub fn is_final(&self) -> bool {
        matches!(self.status_code, 200 | 400 | 401)
    }

    /// What it says of its progress, such as `rootfs: 34% (12.30MB/s)`.
    pub fn progress(&self) -> Option<&str> {
        self.metadata
            .as_object()?
            .iter()
            .find_map(|(key, value)| key.ends_with("_progress").then(|| value.as_str()).flatten())
    }

    /// The end, as a result.
    pub(crate) fn outcome(self, attempted: &str) -> Result<Finished> {
        match self.status_code {
            200 => Ok(Finished {
                metadata: self.metadata.clone(),
                location: None,
                operation: Some(self),
            }),
            401 => Err(Error::new(
                ErrorKind::OperationCancelled,
                attempted,
                "the operation was cancelled",
            )
            .with_operation(self.id)),
            _ => {
                // A duplicate or something missing may be told inside the operation: by its words, and
                // from 6.9 on by a code.
                let code = if self.err_code == 0 {
                    500
                } else {
                    self.err_code
                };
                let kind = match Error::from_answer(attempted, code, &self.err).kind() {
                    kind @ (ErrorKind::Conflict
                    | ErrorKind::NotFound
                    | ErrorKind::Precondition
                    | ErrorKind::NotTrusted) => kind,
                    _ => ErrorKind::OperationFailed,
                };
                let message = match self.err.as_str() {
                    "" => format!("the operation ended as {}, without a reason", self.status),
                    err => err.to_owned(),
                };
                let error = Error::new(kind, attempted, message).with_operation(self.id);
                Err(match self.err_code {
                    0 => error,
                    code => error.with_status(code),
                })
            }
        }
    }
}

/// How a change ended.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Finished {
    /// What came back: the answer's content, or what the operation tells.
    pub metadata: Value,
    /// The path of what was made, where the server named it.
    pub location: Option<String>,
    /// The operation as it ended, if there was one.
    pub operation: Option<Operation>,
}

/// A change that the server has accepted: done already, or going on in the background.
#[must_use = "a change may fail after it was accepted: wait() for it"]
pub struct Started {
    client: Client,
    attempted: String,
    kind: Kind,
}

enum Kind {
    Done(Box<Finished>),
    Running {
        id: OperationId,
        location: Option<String>,
        first: Box<Operation>,
        seen: watch::Receiver<Seen>,
        task: tokio::task::JoinHandle<()>,
    },
}

#[derive(Clone)]
enum Seen {
    Running(Box<Operation>),
    Ended(Box<Operation>),
    Lost(Lost),
}

/// An [`Error`] is not `Clone`: what is needed to tell it again.
#[derive(Clone)]
struct Lost {
    kind: ErrorKind,
    message: String,
}

impl Started {
    /// Something finished, to stand where a `Started` was taken from.
    pub(crate) fn placeholder(of: &Self) -> Self {
        Self {
            client: of.client.clone(),
            attempted: of.attempted.clone(),
            kind: Kind::Done(Box::default()),
        }
    }

    pub(crate) fn from_answer(client: Client, attempted: String, answer: Answer) -> Result<Self> {
        let kind = match answer.kind {
            AnswerKind::Sync => Kind::Done(Box::new(Finished {
                metadata: answer.metadata,
                location: answer.location,
                operation: None,
            })),
            AnswerKind::Async => {
                let Some(path) = answer.operation.clone() else {
                    return Err(Error::new(
                        ErrorKind::Protocol,
                        attempted,
                        "an asynchronous answer that names no operation",
                    )
                    .unclear(true));
                };
                let id = OperationId::new(&path);
                let location = answer.location.clone();
                let first: Operation = answer.decode(&attempted)?;
                Self::follow(&client, id, location, first)
            }
        };
        Ok(Self {
            client,
            attempted,
            kind,
        })
    }

    fn follow(
        client: &Client,
        id: OperationId,
        location: Option<String>,
        first: Operation,
    ) -> Kind {
        let (publish, seen) = watch::channel(Seen::Running(Box::new(first.clone())));
        // A token operation lives until its token is used: nobody hangs on it unasked.
        let task = tokio::spawn(follow(client.clone(), id.clone(), publish));
        Kind::Running {
            id,
            location,
            first: Box::new(first),
            seen,
            task,
        }
    }

    /// One that was started elsewhere.
    pub(crate) fn joined(client: &Client, id: &OperationId, first: Operation) -> Self {
        Self {
            client: client.clone(),
            attempted: format!("operation {id}"),
            kind: Self::follow(client, id.clone(), None, first),
        }
    }

    pub(crate) fn attempted(&self) -> &str {
        &self.attempted
    }

    /// The operation's id, if it goes on in the background.
    pub fn id(&self) -> Option<&OperationId> {
        match &self.kind {
            Kind::Running { id, .. } => Some(id),
            Kind::Done(_) => None,
        }
    }

    /// The operation as the answer told it.
    pub fn operation(&self) -> Option<&Operation> {
        match &self.kind {
            Kind::Running { first, .. } => Some(first),
            Kind::Done(_) => None,
        }
    }

    /// Waits for the end. The caller owns the deadline (`tokio::time::timeout` around it): dropping
    /// the future leaves the operation going on the server.
    ///
    /// # Errors
    /// [`ErrorKind::OperationFailed`] with LXD's reason, [`ErrorKind::OperationVanished`] if the
    /// daemon forgot it (it restarted), or a connection that stayed broken; the last two
    /// [`Error::is_unclear`].
    pub async fn wait(mut self) -> Result<Finished> {
        let attempted = self.attempted.clone();
        match &mut self.kind {
            Kind::Done(finished) => Ok(std::mem::take(finished)),
            Kind::Running {
                id, location, seen, ..
            } => {
                let end = seen
                    .wait_for(|s| !matches!(s, Seen::Running(_)))
                    .await
                    .map(|s| s.clone());
                match end {
                    Ok(Seen::Ended(operation)) => {
                        let mut finished = operation.outcome(&attempted)?;
                        finished.location = location.take();
                        Ok(finished)
                    }
                    Ok(Seen::Lost(lost)) => Err(Error::new(lost.kind, attempted, lost.message)
                        .with_operation(id.as_str())
                        .unclear(true)),
                    Ok(Seen::Running(_)) | Err(_) => Err(Error::new(
                        ErrorKind::OperationVanished,
                        attempted,
                        "the runtime that waited for the operation was shut down",
                    )
                    .with_operation(id.as_str())
                    .unclear(true)),
                }
            }
        }
    }

    /// For an exec: the command's exit code, which is told even where the operation failed
    /// (127, if there is no such command).
    pub(crate) async fn wait_code(mut self) -> Result<i32> {
        let attempted = self.attempted.clone();
        if let Kind::Running { seen, .. } = &mut self.kind
            && let Ok(end) = seen
                .wait_for(|s| !matches!(s, Seen::Running(_)))
                .await
                .map(|s| s.clone())
            && let Seen::Ended(operation) = end
            && let Some(code) = operation.metadata["return"].as_i64()
            && (operation.status_code == 200 || code > 0)
        {
            return Ok(i32::try_from(code).unwrap_or(-1));
        }
        self.wait().await?;
        Err(Error::new(
            ErrorKind::Protocol,
            attempted,
            "the operation tells no exit code",
        )
        .unclear(true))
    }

    /// The operation each time something new is seen of it; ends when it ends.
    pub fn progress(&self) -> impl Stream<Item = Operation> + Send + 'static {
        let seen = match &self.kind {
            Kind::Running { seen, .. } => Some(seen.clone()),
            Kind::Done(_) => None,
        };
        futures_util::stream::unfold((seen, true), |(seen, first)| async move {
            let mut seen = seen?;
            if !first {
                seen.changed().await.ok()?;
            }
            let now = seen.borrow_and_update().clone();
            match now {
                Seen::Running(op) => Some((*op, (Some(seen), false))),
                Seen::Ended(op) => Some((*op, (None, false))),
                Seen::Lost(_) => None,
            }
        })
    }

    /// Asks the server to cancel the operation.
    ///
    /// # Errors
    /// If the operation cannot be cancelled or is over.
    pub async fn cancel(&self) -> Result<()> {
        match &self.kind {
            Kind::Running { id, .. } => self.client.operations().cancel(id).await,
            Kind::Done(_) => Ok(()),
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Kind::Running { task, .. } = &self.kind {
            task.abort();
        }
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("attempted", &self.attempted)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// Hangs on `/wait` until the operation ends or is lost.
async fn follow(client: Client, id: OperationId, publish: watch::Sender<Seen>) {
    const TURN: Duration = Duration::from_secs(10);
    const PAUSE: Duration = Duration::from_millis(100);
    // Short turns first, so that progress is told soon.
    let mut turn = Duration::from_secs(1);
    let mut silent_since: Option<Instant> = None;
    let mut pause = PAUSE;
    loop {
        let asked = Instant::now();
        match look(&client, &id, turn).await {
            Ok(operation) => {
                silent_since = None;
                let operation = Box::new(operation);
                if operation.is_final() {
                    publish.send_replace(Seen::Ended(operation));
                    return;
                }
                publish.send_replace(Seen::Running(operation));
                if asked.elapsed() >= turn {
                    pause = PAUSE;
                    turn = TURN.min(turn * 2);
                    continue;
                }
                // It goes on, but there is no waiting for it.
            }
            Err(e) if e.is_not_found() => {
                publish.send_replace(Seen::Lost(Lost {
                    kind: ErrorKind::OperationVanished,
                    message: "the server no longer knows the operation (it ended more than five \
                              seconds before it was asked about, or the daemon restarted)"
                        .into(),
                }));
                return;
            }
            Err(e) => {
                let since = *silent_since.get_or_insert_with(Instant::now);
                let retry = e.is_connection() || e.kind() == ErrorKind::Server;
                if !retry || since.elapsed() >= client.inner.reconnect {
                    publish.send_replace(Seen::Lost(Lost {
                        kind: e.kind(),
                        message: format!("waiting for the operation: {}", e.message()),
                    }));
                    return;
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// The operation when it has ended, or a turn later.
///
/// From 5.20 on `/wait` answers an operation's failure, and the end of a turn, with an error
/// (`operationWaitGet` in `lxd/operations.go`), which is not to be told from one of the waiting
/// itself. So whatever error it answers, the operation is asked.
async fn look(client: &Client, id: &OperationId, turn: Duration) -> Result<Operation> {
    let path = format!("/1.0/operations/{}", segment(id.as_str()));
    let wait = Request::get(format!("{path}/wait"))
        .query("timeout", turn.as_secs().to_string())
        .limit(turn + client.inner.request_timeout);
    let seen = match client.fetch::<Operation>(wait).await {
        Err(e) if e.status().is_some() => client.fetch(Request::get(path)).await,
        seen => seen,
    };
    Ok(seen?.into_inner())
}
