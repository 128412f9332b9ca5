//! The crate's one error.

use std::fmt;
use std::time::Duration;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, in a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No address of the controller could be reached, or TLS was refused.
    Connect,
    /// The connection ended while a call was under way.
    Closed,
    /// An answer did not come in time.
    Timeout,
    /// The user or the password is refused, or another kind of login is wanted.
    Unauthorized,
    /// The user may not do this.
    Forbidden,
    /// What was asked for is not there.
    NotFound,
    /// What was to be made is there already.
    AlreadyExists,
    /// The server does not know the facade, the version or the method.
    NotSupported,
    /// The server is busy, upgrading or migrating: try again later.
    Busy,
    /// The server refused for another reason.
    Server,
    /// What came over the wire is not Juju's RPC, or does not decode.
    Protocol,
    /// What was given to this library is wrong.
    Invalid,
    /// A bundle does not verify.
    Bundle,
    /// A file of the client store cannot be read or written.
    Store,
    /// What was waited for will not come by itself.
    Failed,
}

/// What was attempted, what came back, what to do next. Never holds a secret.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: String,
    message: String,
    code: Option<String>,
    info: Option<serde_json::Value>,
    unclear: bool,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: operation.into(),
            message: message.into(),
            code: None,
            info: None,
            unclear: false,
            hint: None,
            source: None,
        }))
    }

    pub(crate) fn invalid(operation: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, operation, message)
    }

    /// An answer of the server with `error` set. The class comes from the code, and where 4.0 gives none, from the text.
    pub(crate) fn server(
        operation: &str,
        message: &str,
        code: &str,
        info: Option<serde_json::Value>,
    ) -> Self {
        let mut e = Self::new(classify(message, code), operation, message);
        e.0.code = (!code.is_empty()).then(|| code.to_owned());
        e.0.info = info;
        e
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn has_hint(&self) -> bool {
        self.0.hint.is_some()
    }

    /// The same once more: several waited for one answer.
    pub(crate) fn again(&self) -> Self {
        let i = &self.0;
        Self(Box::new(Inner {
            kind: i.kind,
            operation: i.operation.clone(),
            message: i.message.clone(),
            code: i.code.clone(),
            info: i.info.clone(),
            unclear: i.unclear,
            hint: i.hint.clone(),
            source: None,
        }))
    }

    pub(crate) fn unclear(mut self) -> Self {
        self.0.unclear = true;
        self
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_operation(mut self, operation: impl Into<String>) -> Self {
        self.0.operation = operation.into();
        self
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was attempted, `Facade.Method` for a call.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What came back.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Juju's error code (`rpc/params/apierror.go`), where the server gave one. 4.0 leaves many out.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Juju's `error-info`.
    pub fn info(&self) -> Option<&serde_json::Value> {
        self.0.info.as_ref()
    }

    /// What was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// What was to be made is there already.
    pub fn is_already_exists(&self) -> bool {
        self.0.kind == ErrorKind::AlreadyExists
    }

    /// User or password refused.
    pub fn is_unauthorized(&self) -> bool {
        self.0.kind == ErrorKind::Unauthorized
    }

    /// The connection is gone.
    pub fn is_closed(&self) -> bool {
        self.0.kind == ErrorKind::Closed
    }

    /// An answer did not come in time.
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::Timeout
    }

    /// The server lacks the facade, version or method.
    pub fn is_not_supported(&self) -> bool {
        self.0.kind == ErrorKind::NotSupported
    }

    /// The same call may succeed later. If also [`is_unclear`](Self::is_unclear), look before repeating a call that changes something.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Connect | ErrorKind::Closed | ErrorKind::Timeout | ErrorKind::Busy
        )
    }

    /// The request went out and its answer did not come: it may or may not have been acted upon. Observe before repeating.
    pub fn is_unclear(&self) -> bool {
        self.0.unclear
    }

    /// How long to wait before the next try; Juju's own clients wait some seconds when the server is busy.
    pub fn retry_after(&self) -> Option<Duration> {
        (self.0.kind == ErrorKind::Busy).then(|| Duration::from_secs(2))
    }
}

/// Codes: `rpc/params/apierror.go`; texts: what 4.0.15 says where it gives no code.
fn classify(message: &str, code: &str) -> ErrorKind {
    match code {
        "unauthorized access" | "login expired" | "no credentials provided" => {
            ErrorKind::Unauthorized
        }
        "forbidden" | "permission denied" => ErrorKind::Forbidden,
        "not found" | "model not found" | "user not found" | "cloud not found"
        | "volume not found" => ErrorKind::NotFound,
        "already exists" | "cannot create, already exists" => ErrorKind::AlreadyExists,
        "not implemented" | "not supported" => ErrorKind::NotSupported,
        "try again"
        | "retry"
        | "upgrade in progress"
        | "model migration in progress"
        | "excessive contention"
        | "not yet available; try again later"
        | "lease claim denied" => ErrorKind::Busy,
        _ => {
            if message.ends_with("already exists") || message.contains(": already exists") {
                ErrorKind::AlreadyExists
            } else if message.ends_with("not found") || message.ends_with("does not exist") {
                ErrorKind::NotFound
            } else if message.contains("excessive contention")
                || message.contains("try again later")
            {
                ErrorKind::Busy
            } else {
                ErrorKind::Server
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let i = &*self.0;
        write!(f, "{}: {}", i.operation, i.message)?;
        if let Some(code) = &i.code {
            write!(f, " (code: {code})")?;
        }
        if i.unclear {
            f.write_str("; whether it was acted upon is not known")?;
        }
        if let Some(hint) = &i.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("operation", &self.0.operation)
            .field("message", &self.0.message)
            .field("code", &self.0.code)
            .field("unclear", &self.0.unclear)
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
