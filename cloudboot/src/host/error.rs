//! The one error of this room.

use std::fmt;

/// What a host operation ends with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Kind {
    /// What was asked for is not there (a file, a snap, a table).
    NotFound,
    /// The host refuses: not root, a wrong password, a missing privilege.
    Denied,
    /// Something else holds it right now (a snapd change, a lock): the same call may work later.
    Busy,
    /// Something other than what was asked for stands there (a role with another password, a file that is not ours).
    Conflict,
    /// What should answer does not: no socket, no service, no such program.
    Unavailable,
    /// It took longer than its timeout. The operation may still be going on.
    Timeout,
    /// The system was asked and failed: a change ended in Error, a program exited with a code other than 0.
    Failed,
    /// The answer or a file could not be understood.
    Malformed,
    /// What was asked for cannot be done or is not allowed by this program.
    Unsupported,
}

struct Inner {
    kind: Kind,
    unclear: bool,
    operation: String,
    detail: String,
    hint: Option<String>,
    code: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A failed operation on the host: what was attempted, what came back, what to do next.
///
/// Secrets are never part of it: callers put only what a log may hold into `operation` and `detail`.
pub struct Error(Box<Inner>);

impl Error {
    /// An error of `kind`: `operation` was attempted ("install snap maas"), `detail` came back.
    pub fn new(kind: Kind, operation: impl Into<String>, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            unclear: matches!(kind, Kind::Timeout),
            operation: operation.into(),
            detail: detail.into(),
            hint: None,
            code: None,
            source: None,
        }))
    }

    /// Adds what the operator should do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the system's own code (snapd's kind, SQLSTATE, an exit status).
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Marks it as unclear: the request may or may not have been acted upon.
    #[must_use]
    pub fn unclear(mut self) -> Self {
        self.0.unclear = true;
        self
    }

    /// An error of the file system, its kind taken from the system's.
    pub fn io(operation: impl Into<String>, error: std::io::Error) -> Self {
        use std::io::ErrorKind as E;
        let kind = match error.kind() {
            E::NotFound => Kind::NotFound,
            E::PermissionDenied => Kind::Denied,
            E::ConnectionRefused => Kind::Unavailable,
            E::TimedOut => Kind::Timeout,
            E::InvalidData => Kind::Malformed,
            _ => Kind::Failed,
        };
        Self::new(kind, operation, error.to_string()).with_source(error)
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What was attempted.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What came back, without the operation and the hint.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What to do next, where that is known.
    pub fn next(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The system's own code: snapd's error kind, an SQLSTATE, an exit status.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == Kind::NotFound
    }

    /// Something other than what was asked for stands there.
    pub fn is_conflict(&self) -> bool {
        self.0.kind == Kind::Conflict
    }

    /// The host refuses (not root, wrong credentials).
    pub fn is_denied(&self) -> bool {
        self.0.kind == Kind::Denied
    }

    /// The same call may work later.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, Kind::Busy | Kind::Unavailable | Kind::Timeout)
    }

    /// The request may or may not have been acted upon: observe again before repeating it.
    pub fn is_unclear(&self) -> bool {
        self.0.unclear
    }

    /// How long to wait before the same call is worth repeating, where that is known.
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        (self.0.kind == Kind::Busy).then_some(std::time::Duration::from_secs(2))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.operation, self.0.detail)?;
        if let Some(hint) = &self.0.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("host::Error")
            .field("kind", &self.0.kind)
            .field("operation", &self.0.operation)
            .field("detail", &self.0.detail)
            .field("hint", &self.0.hint)
            .field("code", &self.0.code)
            .field("unclear", &self.0.unclear)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}
