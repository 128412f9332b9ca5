//! The model's log, over a websocket of its own (`/model/<uuid>/log`).

use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;

use super::{WireError, nullable};
use crate::client::Client;
use crate::connect::Socket;
use crate::error::{Error, ErrorKind, Result};

const OP: &str = "read the model's log";

/// A line of the log.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LogLine {
    /// `unit-vault-0`, `machine-3`.
    #[serde(rename = "tag", deserialize_with = "nullable")]
    pub entity: String,
    /// RFC 3339.
    #[serde(rename = "ts", deserialize_with = "nullable")]
    pub time: String,
    /// `INFO`, `ERROR`...
    #[serde(rename = "sev", deserialize_with = "nullable")]
    pub level: String,
    /// `unit.vault/0.juju-log`.
    #[serde(rename = "mod", deserialize_with = "nullable")]
    pub module: String,
    /// File and line of Juju's source.
    #[serde(rename = "loc", deserialize_with = "nullable")]
    pub location: String,
    /// The text.
    #[serde(rename = "msg", deserialize_with = "nullable")]
    pub message: String,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LogFilter {
    /// Only of these: units (`vault/0`), machines (`3`), or tags; `*` fits anything.
    pub entities: Vec<String>,
    /// Not of these.
    pub exclude_entities: Vec<String>,
    /// Only of these modules.
    pub modules: Vec<String>,
    /// Not of these modules.
    pub exclude_modules: Vec<String>,
    /// At least this level: `TRACE`, `DEBUG`, `INFO`, `WARNING`, `ERROR`.
    pub level: Option<String>,
    /// How many old lines come first.
    pub backlog: Option<u32>,
    /// End after this many lines.
    pub max_lines: Option<u32>,
    /// From the very beginning.
    pub replay: bool,
    /// End with what is there, without waiting for more.
    pub no_tail: bool,
}

impl LogFilter {
    /// The last `n` lines of a unit or machine.
    pub fn last(entity: impl Into<String>, n: u32) -> Self {
        Self {
            entities: vec![entity.into()],
            backlog: Some(n),
            max_lines: Some(n),
            no_tail: true,
            ..Self::default()
        }
    }

    /// The query's pairs, as `juju debug-log` puts them.
    pub(crate) fn query(&self) -> String {
        let mut q = url::form_urlencoded::Serializer::new(String::new());
        for e in &self.entities {
            q.append_pair("includeEntity", &entity_tag(e));
        }
        for m in &self.modules {
            q.append_pair("includeModule", m);
        }
        for e in &self.exclude_entities {
            q.append_pair("excludeEntity", &entity_tag(e));
        }
        for m in &self.exclude_modules {
            q.append_pair("excludeModule", m);
        }
        if let Some(l) = &self.level {
            q.append_pair("level", l);
        }
        if let Some(n) = self.backlog {
            q.append_pair("backlog", &n.to_string());
        }
        if let Some(n) = self.max_lines {
            q.append_pair("maxLines", &n.to_string());
        }
        if self.replay {
            q.append_pair("replay", "true");
        }
        if self.no_tail {
            q.append_pair("noTail", "true");
        }
        q.finish()
    }
}

/// `vault/0` is `unit-vault-0`, `3` and `0/lxd/1` are machines; what is a tag already stays.
fn entity_tag(e: &str) -> String {
    if e.starts_with("unit-") || e.starts_with("machine-") || e.contains('*') {
        e.to_owned()
    } else if e.starts_with(|c: char| c.is_ascii_digit()) {
        crate::machine_tag(e)
    } else if e.contains('/') {
        crate::unit_tag(e)
    } else {
        // An application: all of its units.
        format!("unit-{e}-*")
    }
}

/// A log being read.
pub struct LogStream {
    socket: Socket,
}

impl std::fmt::Debug for LogStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogStream").finish_non_exhaustive()
    }
}

impl Client {
    /// Opens the log of this connection's model. It ends with the connection; it is not made again.
    ///
    /// # Errors
    /// The server's refusal, `is_unauthorized()` among them.
    pub async fn logs(&self, filter: &LogFilter) -> Result<LogStream> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct First {
            error: Option<WireError>,
        }
        let model = self.need_model(OP)?;
        let path = format!("/model/{model}/log?{}", filter.query());
        let mut stream = LogStream {
            socket: self.side_socket(OP, &path).await?,
        };
        // The first line says whether there will be others.
        let wait = self.options().connect_timeout;
        let first = tokio::time::timeout(wait, stream.frame())
            .await
            .map_err(|_| {
                Error::new(ErrorKind::Timeout, OP, format!("no answer within {wait:?}"))
            })??;
        let first: First = match first {
            Some(f) => serde_json::from_slice(&f).unwrap_or_default(),
            None => {
                return Err(Error::new(
                    ErrorKind::Closed,
                    OP,
                    "the server closed it without a word",
                ));
            }
        };
        match first.error.filter(|e| !e.message.is_empty()) {
            Some(e) => Err(e.into_error(OP)),
            None => Ok(stream),
        }
    }

    /// The last lines of a unit or machine.
    ///
    /// # Errors
    /// As [`Client::logs`].
    pub async fn last_log_lines(&self, entity: &str, n: u32) -> Result<Vec<LogLine>> {
        let mut stream = self.logs(&LogFilter::last(entity, n)).await?;
        let mut lines = Vec::new();
        let limit = std::time::Duration::from_secs(15);
        let until = tokio::time::Instant::now() + limit;
        // A server that does not end by itself is not waited for: what came is what there is.
        while lines.len() < n as usize
            && let Ok(Some(line)) = tokio::time::timeout_at(until, stream.next())
                .await
                .unwrap_or(Ok(None))
        {
            lines.push(line);
        }
        Ok(lines)
    }
}

impl LogStream {
    /// The next line; none when the log ends. Cancel safe.
    ///
    /// # Errors
    /// The connection's loss, a line that is none.
    pub async fn next(&mut self) -> Result<Option<LogLine>> {
        let Some(frame) = self.frame().await? else {
            return Ok(None);
        };
        serde_json::from_slice(&frame).map(Some).map_err(|e| {
            Error::new(
                ErrorKind::Protocol,
                OP,
                format!("a line does not decode: {e}"),
            )
        })
    }

    async fn frame(&mut self) -> Result<Option<bytes::Bytes>> {
        use tokio_tungstenite::tungstenite::Error as Ws;
        use tokio_tungstenite::tungstenite::error::ProtocolError;
        loop {
            return match self.socket.next().await {
                Some(Ok(Message::Text(t))) => Ok(Some(bytes::Bytes::from(t))),
                Some(Ok(Message::Binary(b))) => Ok(Some(b)),
                Some(Ok(Message::Close(_))) | None => Ok(None),
                Some(Ok(_)) => continue,
                // A log that ends may end without a close frame.
                Some(Err(
                    Ws::ConnectionClosed
                    | Ws::AlreadyClosed
                    | Ws::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                )) => Ok(None),
                Some(Err(Ws::Io(e))) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
                Some(Err(e)) => Err(Error::new(ErrorKind::Closed, OP, e.to_string())),
            };
        }
    }
}
