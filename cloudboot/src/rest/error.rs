//! What can go wrong between us and an HTTP service, said so that a person can act on it.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// The result of a call to Vault, Keystone, Nova or the dashboard.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed call: what was attempted, what came back and what to do. It never holds a secret.
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    operation: String,
    answer: String,
    advice: Option<String>,
    status: Option<StatusCode>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    unclear: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The class of an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What we were given cannot be used: a URL, a certificate, a number.
    Config,
    /// The service was not reached: nothing was sent.
    Connect,
    /// The service's certificate is not one that the given CA vouches for.
    Tls,
    /// No answer in time.
    Timeout,
    /// The connection was cut before the answer was whole.
    Cut,
    /// The service answered with an error status.
    Status,
    /// The service's answer could not be read.
    Decode,
    /// The service answered what we did not ask for (another service behind the address, an empty catalog).
    Unexpected,
    /// Only a person can go on: something that exists once is nowhere.
    NeedsOperator,
    /// A file or the secret store could not be read or written.
    Store,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: impl Into<String>,
        answer: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: operation.into(),
            answer: answer.into(),
            advice: None,
            status: None,
            request_id: None,
            retry_after: None,
            unclear: false,
            source: None,
        }))
    }

    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_request_id(mut self, id: Option<String>) -> Self {
        self.0.request_id = id;
        self
    }

    pub(crate) fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.0.retry_after = after;
        self
    }

    pub(crate) fn with_unclear(mut self, unclear: bool) -> Self {
        self.0.unclear = unclear;
        self
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was attempted: the service, the call and the address.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What came back: the server's own message where it gave one.
    pub fn answer(&self) -> &str {
        &self.0.answer
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// The server's name for the request (`x-openstack-request-id`), to be looked up in its logs.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the server asked us to wait before trying again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The thing asked for does not exist (404).
    pub fn is_not_found(&self) -> bool {
        self.0.status == Some(StatusCode::NOT_FOUND)
    }

    /// The thing asked for contradicts the present state (409).
    pub fn is_conflict(&self) -> bool {
        self.0.status == Some(StatusCode::CONFLICT)
    }

    /// The credentials were refused (401 or 403).
    pub fn is_denied(&self) -> bool {
        matches!(
            self.0.status,
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        )
    }

    /// The request may or may not have been acted upon: observe the system before sending it again.
    pub fn is_unclear(&self) -> bool {
        self.0.unclear
    }

    /// Only a person can go on.
    pub fn needs_operator(&self) -> bool {
        self.0.kind == ErrorKind::NeedsOperator
    }

    /// The same request may succeed later, and sending it again does no harm.
    pub fn is_retryable(&self) -> bool {
        if self.0.unclear {
            return false;
        }
        match self.0.kind {
            ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Cut => true,
            ErrorKind::Status => self.0.status.is_some_and(|s| {
                s == StatusCode::TOO_MANY_REQUESTS
                    || s == StatusCode::REQUEST_TIMEOUT
                    || s.is_server_error()
            }),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            operation,
            answer,
            advice,
            status,
            request_id,
            ..
        } = &*self.0;
        write!(f, "{operation}: ")?;
        if let Some(status) = status {
            write!(f, "HTTP {} ", status.as_u16())?;
        }
        f.write_str(answer.trim_end_matches('.'))?;
        if let Some(id) = request_id {
            write!(f, " (request {id})")?;
        }
        if let Some(advice) = advice {
            write!(f, ". {advice}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}
