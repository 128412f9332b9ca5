//! LXD's envelope: sync, async or error.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, ErrorKind, Result};

/// What an object's content was identified by when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Etag(String);

impl Etag {
    /// Takes an ETag as the header has it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The header's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An object as it was read, with the ETag by which a later write can make sure that nobody
/// changed it in between.
#[derive(Debug, Clone)]
pub struct Versioned<T> {
    value: T,
    etag: Option<Etag>,
}

impl<T> Versioned<T> {
    pub(crate) fn new(value: T, etag: Option<Etag>) -> Self {
        Self { value, etag }
    }

    /// The ETag; pools have none in LXD 5.0.
    pub fn etag(&self) -> Option<&Etag> {
        self.etag.as_ref()
    }

    /// The object alone.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Versioned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Versioned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// A successful answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// Whether it was done at once or goes on in the background.
    pub kind: AnswerKind,
    /// The answer's content; for an operation, the operation as it was started.
    pub metadata: Value,
    /// The operation's path, if it goes on in the background.
    pub operation: Option<String>,
    /// The path of what was made.
    pub location: Option<String>,
    /// The ETag.
    pub etag: Option<Etag>,
}

/// The two kinds of successful answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// Done.
    Sync,
    /// Goes on in the background.
    Async,
}

impl Answer {
    /// Decodes the content.
    ///
    /// # Errors
    /// If it is not a `T`; the error names the path in the document.
    pub fn decode<T: DeserializeOwned>(self, attempted: &str) -> Result<T> {
        let shown = self.metadata.to_string();
        serde_path_to_error::deserialize(self.metadata).map_err(|e| {
            Error::new(
                ErrorKind::Protocol,
                attempted,
                format!(
                    "an answer of an unexpected shape at {}: {}",
                    e.path(),
                    e.inner()
                ),
            )
            .with_body(&shown)
        })
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    error_code: u16,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    metadata: Value,
}

impl fmt::Display for AnswerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync => "sync",
            Self::Async => "async",
        })
    }
}

pub(crate) fn read_answer(
    attempted: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Answer> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|v: &http::HeaderValue| v.to_str().ok())
            .map(str::to_owned)
    };
    let retry_after = text(header::RETRY_AFTER)
        .and_then(|s| s.parse().ok())
        .map(Duration::from_secs);
    let envelope: Envelope = match serde_json::from_slice(body) {
        Ok(envelope) => envelope,
        Err(e) => {
            let shown = String::from_utf8_lossy(body);
            // A proxy or a load balancer in between, or plain HTTP on the TLS port.
            return Err(if crate::client::is_success(status) {
                Error::new(
                    ErrorKind::Protocol,
                    attempted,
                    format!("the answer is not LXD's JSON ({e}); is this an LXD server?"),
                )
                .with_status(status.as_u16())
            } else {
                Error::from_answer(
                    attempted,
                    status.as_u16(),
                    "an error answer that is not LXD's JSON; is there a proxy in between?",
                )
                .with_retry_after(retry_after)
            }
            .with_body(&shown));
        }
    };
    if envelope.kind == "error" || status.is_client_error() || status.is_server_error() {
        let code = match envelope.error_code {
            0 => status.as_u16(),
            code => code,
        };
        let message = envelope
            .error
            .filter(|e| !e.is_empty())
            .unwrap_or_else(|| "an error without a message".to_owned());
        return Err(Error::from_answer(attempted, code, &message).with_retry_after(retry_after));
    }
    let kind = match envelope.kind.as_str() {
        "sync" => AnswerKind::Sync,
        "async" => AnswerKind::Async,
        other => {
            return Err(Error::new(
                ErrorKind::Protocol,
                attempted,
                format!("an answer of unknown type {other:?}"),
            )
            .with_status(status.as_u16())
            .with_body(&String::from_utf8_lossy(body)));
        }
    };
    Ok(Answer {
        kind,
        metadata: envelope.metadata,
        operation: envelope.operation.filter(|o| !o.is_empty()),
        location: text(header::LOCATION),
        etag: text(header::ETAG).map(Etag::new),
    })
}
