//! The one error of this crate: what was attempted, what came back, what to do next.

use std::fmt;
use std::time::Duration;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong talking to LXD. Never holds a password, token or key.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    attempted: String,
    message: String,
    status: Option<u16>,
    body: Option<String>,
    operation: Option<String>,
    unclear: bool,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The families of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The daemon could not be reached, or the connection broke.
    Connection,
    /// No answer within the time allowed.
    Timeout,
    /// The server's certificate is not the pinned one.
    WrongServer,
    /// The server does not trust this client, or not with this (403).
    NotTrusted,
    /// The object does not exist (404; of some, 5.0 says 500).
    NotFound,
    /// The object exists already, its name is taken, or (409) it is in somebody's way.
    Conflict,
    /// The object was changed since it was read (412).
    Precondition,
    /// The server refused the request's content (400, 500 on a bad value, 403 on what nobody may do).
    Refused,
    /// The server lacks an API extension that the call needs.
    MissingExtension,
    /// A background operation ended in failure.
    OperationFailed,
    /// A background operation was cancelled.
    OperationCancelled,
    /// A background operation is no longer known: it ended more than five seconds ago,
    /// or the daemon restarted. Its outcome must be read from the object itself.
    OperationVanished,
    /// The server answered something that is not LXD's protocol.
    Protocol,
    /// The caller's own input is wrong; nothing was sent.
    Invalid,
    /// The server is busy or failing (5xx).
    Server,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        attempted: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            attempted: attempted.into(),
            message: message.into(),
            status: None,
            body: None,
            operation: None,
            unclear: false,
            retry_after: None,
            source: None,
        }))
    }

    pub(crate) fn invalid(attempted: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, attempted, message)
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_body(mut self, body: &str) -> Self {
        self.0.body = Some(cut(body, 2000));
        self
    }

    pub(crate) fn with_operation(mut self, id: impl Into<String>) -> Self {
        self.0.operation = Some(id.into());
        self
    }

    pub(crate) fn unclear(mut self, unclear: bool) -> Self {
        self.0.unclear = unclear;
        self
    }

    pub(crate) fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.0.retry_after = after;
        self
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// An error answer of the server, sorted by what it means rather than by its bare status:
    /// LXD 5.0 answers a duplicate with 409 (pool, project, alias, certificate), 400 (network)
    /// or 500 (profile), depending on the object.
    pub(crate) fn from_answer(attempted: &str, status: u16, message: &str) -> Self {
        let lower = message.to_ascii_lowercase();
        let duplicate = lower.contains("already exists")
            || lower.contains("already in trust store")
            || lower.contains("client is already trusted")
            || lower.contains("exists already")
            || lower.contains("name ") && lower.contains("already in use")
            || lower.contains("unique constraint");
        // Of some that are not there: 500. 5.0 of several objects, 5.21 and 6.9 of an image's alias,
        // 6.9 of a project to be renamed and of a volume's snapshot.
        let missing = lower.ends_with("not found")
            || lower.ends_with("does not exist")
            || lower.contains("not found in project")
            || lower.contains("requested profile")
            || lower.contains("no such entity")
            || lower.contains("query affected 0 rows")
            || lower.contains("image not provided for instance creation");
        // 403 is also what LXD says of what nobody may do, such as deleting the default project.
        const TRUST: [&str; 8] = [
            "authoriz",
            "forbidden",
            "restricted",
            "trust",
            "certificate",
            "token",
            "permission",
            "entitlement",
        ];
        let trust = TRUST.iter().any(|word| lower.contains(word));
        let (kind, hint) = match status {
            403 if trust => (
                ErrorKind::NotTrusted,
                "; add this client's certificate to the server's trust store (token, password or an \
                 administrator) or, if it is there confined to some projects, let it into this one",
            ),
            403 => (ErrorKind::Refused, ""),
            404 => (ErrorKind::NotFound, ""),
            412 => (
                ErrorKind::Precondition,
                "; read the object again and repeat",
            ),
            _ if duplicate => (ErrorKind::Conflict, ""),
            409 => (ErrorKind::Conflict, ""),
            429 | 502..=504 => (ErrorKind::Server, "; the server is busy, try again"),
            400 | 500 if missing => (ErrorKind::NotFound, ""),
            400..=501 => (ErrorKind::Refused, ""),
            _ => (ErrorKind::Server, ""),
        };
        Self::new(kind, attempted, format!("{message}{hint}")).with_status(status)
    }

    /// The family of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was being done, such as `POST /1.0/instances`.
    pub fn attempted(&self) -> &str {
        &self.0.attempted
    }

    /// What came back, without the attempt: LXD's own sentence where there is one.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status (or LXD's `error_code`), if the server answered.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The answer's body, cut, where it could not be understood.
    pub fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    /// The background operation's id, if the failure is of one.
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// The object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// The object exists already or is in use.
    pub fn is_conflict(&self) -> bool {
        self.0.kind == ErrorKind::Conflict
    }

    /// The object was changed by someone else since it was read.
    pub fn is_precondition_failed(&self) -> bool {
        self.0.kind == ErrorKind::Precondition
    }

    /// The server does not trust this client's certificate.
    pub fn is_not_trusted(&self) -> bool {
        self.0.kind == ErrorKind::NotTrusted
    }

    /// The server did not answer at all.
    pub fn is_connection(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Connection | ErrorKind::Timeout)
    }

    /// The same call may succeed if it is repeated later and has certainly not been acted upon,
    /// or is safe to repeat.
    pub fn is_retryable(&self) -> bool {
        !self.0.unclear
            && matches!(
                self.0.kind,
                ErrorKind::Connection
                    | ErrorKind::Timeout
                    | ErrorKind::Server
                    | ErrorKind::Precondition
            )
    }

    /// The change may or may not have happened: look at the object before repeating.
    pub fn is_unclear(&self) -> bool {
        self.0.unclear
    }

    /// How long the server asked to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        write!(f, "LXD: {}: {}", inner.attempted, inner.message)?;
        if let Some(status) = inner.status {
            write!(f, " (status {status})")?;
        }
        if inner.unclear {
            write!(
                f,
                "; it may have been acted upon: look at the object before repeating"
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("attempted", &self.0.attempted)
            .field("message", &self.0.message)
            .field("status", &self.0.status)
            .field("operation", &self.0.operation)
            .field("unclear", &self.0.unclear)
            .field("body", &self.0.body)
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|e| e as &(dyn std::error::Error + 'static))
    }
}
